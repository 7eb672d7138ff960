//! What the vault costs beside raw inserts and selects of the same rows, and a dialect's request beside the work inside
//! it: `cargo run --release -- [sqlite|memory|postgres]`, and `-- scale 5000000 [FOLDER]` for a large vault, which is kept
//! in the folder for the next run. `+word` picks the lines with that word. `-- turns STORE` is for `../beside.py`.
//!
//! Both sides of a line work in one run, by turns, on tables that the library has made, with its settings. The raw side
//! has its rows ready and its statements prepared; what it writes is as long and as random as what the
//! vault writes.

mod cards;
mod measure;
mod on_memory;
mod on_postgres;
mod on_sqlite;
mod raw_postgres;
mod raw_sqlite;
mod row;
mod scale;
#[allow(dead_code, reason = "the tests' own: they take more of it")]
#[path = "../../../tests/support/postgres.rs"]
mod server;
mod turns;

use panseal::keys::Root;
use panseal::vault::{OpenOptions, Vault};
use std::path::Path;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let wants = |what: &str| wanted.iter().all(|word| word == what || word.starts_with('+'));
    let folder = tempfile::tempdir().expect("a folder");
    if let Some(at) = wanted.iter().position(|word| word == "turns") {
        let store = wanted.get(at + 1).expect("turns STORE");
        let size = wanted.get(at + 2).map_or(0, |size| size.parse().expect("a number of rows"));
        return turns::run(folder.path(), store, size);
    }
    refuse_memory(folder.path());
    if let Some(at) = wanted.iter().position(|word| word == "scale") {
        let size = wanted.get(at + 1).and_then(|size| size.parse().ok()).expect("scale ROWS");
        let kept = wanted.get(at + 2).filter(|word| !word.starts_with('+'));
        return scale::run(kept.map_or(folder.path(), |kept| Path::new(kept)), size);
    }
    measure::heading();
    if wants("sqlite") {
        on_sqlite::run(folder.path());
    }
    if wants("memory") {
        on_memory::run(folder.path());
    }
    if wants("postgres") && server::present("the vault in PostgreSQL") {
        on_postgres::run(folder.path());
    }
}

/// The vault at `url`, made where there is none.
fn open(folder: &Path, url: &str) -> Vault {
    let root = format!("file:{}", folder.join("root").display());
    if !folder.join("root").exists() {
        Root::create(&root).expect("a root key");
    }
    let options = OpenOptions {
        create: true,
        merchant: row::MERCHANT,
        ..OpenOptions::new(url, Root::parse(&root).expect("a root key"))
    };
    Vault::open(&options).expect("a vault")
}

/// A commit to memory is not durable, and not what is measured.
fn refuse_memory(folder: &Path) {
    let path = std::ffi::CString::new(folder.as_os_str().as_encoded_bytes()).expect("a path");
    let mut about = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: a path that ends, and room for the answer, which zeros are too.
    let about = unsafe {
        assert_eq!(libc::statfs(path.as_ptr(), about.as_mut_ptr()), 0, "{}", folder.display());
        about.assume_init()
    };
    assert_ne!(about.f_type, libc::TMPFS_MAGIC, "{} is in memory: set TMPDIR", folder.display());
}

/// What the tests' server says where there is none.
fn not_run(suite: &str, why: &str) {
    println!("not run: {suite}: {why}");
}
