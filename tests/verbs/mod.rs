//! A fuzzer of all verbs of a vault: what its children do, what they note of it, and how the vault is held against that
//! afterwards.
#![allow(dead_code, reason = "each test file takes what it needs")]

pub mod judge;
pub mod ledger;
pub mod roots;
pub mod worker;

use crate::promised::{self, Place, random, task};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

/// How many processes there are.
const PROCESSES: usize = 4;
/// How many threads a child has.
pub const THREADS: usize = 3;

/// The merchants, as a book names them: the first is the one without a name.
pub const MERCHANTS: [&str; 2] = ["-", "shop"];

/// The name of a merchant in the vault.
pub fn merchant_name(in_book: &str) -> &str {
    if in_book == "-" { "" } else { in_book }
}

/// The places of the card numbers, by what they are for. Below 1000 the last four digits tell all of them apart.
pub mod pool {
    use std::ops::Range;

    /// Tokens that one thread alone changes and deletes; the cards are everybody's.
    pub const OWN: Range<u64> = 0..60;
    /// With `reuse=merchant`, for ever in use: one token for each number.
    pub const SHARED: Range<u64> = 100..140;
    /// With an idempotency key.
    pub const ONCE: Range<u64> = 200..260;
    /// Stored before the others come, so that whatever walks over all cards has some pages to go.
    pub const OLD: Range<u64> = 300..900;
}

/// Where a run takes place.
#[derive(Clone)]
pub struct Site {
    /// The vault's URL.
    pub url: String,
    /// The root key and the books are in it.
    pub folder: PathBuf,
}

impl Site {
    /// A place for both.
    pub fn of(place: &Place) -> Site {
        Site { url: place.url.clone(), folder: place.folder.path().to_owned() }
    }

    /// The book of a thread: all children of a slot write it one after the other.
    pub fn book(&self, slot: &str, thread: usize) -> PathBuf {
        self.folder.join(format!("book-{slot}-{thread}"))
    }

    /// All books.
    pub fn books(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let is_book = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("book-");
        entries.filter(is_book).collect()
    }

    /// Children end when this file is there.
    pub fn end(&self) -> PathBuf {
        self.folder.join("end")
    }

    /// The URI of the root key.
    pub fn root(&self) -> String {
        file_uri(&self.root_file())
    }

    fn root_file(&self) -> PathBuf {
        self.folder.join("cards.root")
    }

    fn next_root_file(&self) -> PathBuf {
        self.folder.join("cards.root.next")
    }
}

fn file_uri(path: &Path) -> String {
    format!("file:{}", path.display())
}

/// Whether a verb takes part: `PANSEAL_VERBS_WITHOUT` names those that do not, with commas.
pub fn takes_part(verb: &str) -> bool {
    let without = std::env::var("PANSEAL_VERBS_WITHOUT").unwrap_or_default();
    !without.split(',').any(|name| name == verb)
}

/// 20, or what `PANSEAL_VERBS_SECONDS` says.
fn seconds() -> u64 {
    let given = std::env::var("PANSEAL_VERBS_SECONDS").ok();
    given.map_or(20, |seconds| seconds.parse().expect("a number of seconds"))
}

/// Runs the children, kills them, and holds the vault against their books.
pub fn run(test: &str, site: &Site, count: &mut dyn FnMut(&str) -> i64) {
    worker::fill(site, &promised::open(&site.url, &site.root()).unwrap());
    let folder = site.folder.display().to_string();
    let start = |slot: usize, turn: usize| {
        promised::child(test, &[&site.url, &folder, &slot.to_string(), &turn.to_string()])
    };
    let mut children: Vec<Child> = (0..PROCESSES).map(|slot| start(slot, 0)).collect();
    let end = Instant::now() + Duration::from_secs(seconds());
    let mut kills = 0;
    while Instant::now() < end && children.iter_mut().all(is_running) {
        thread::sleep(Duration::from_millis(200 + random(1500)));
        let slot = random(PROCESSES as u64) as usize;
        kills += 1;
        promised::kill(std::mem::replace(&mut children[slot], start(slot, kills)));
    }
    fs::write(site.end(), "").unwrap();
    let well =
        children.into_iter().map(|mut child| child.wait().unwrap().success()).filter(|well| *well).count();
    let (faults, ledger) = judge::judge(site, count);
    println!("{kills} kills, {} tokens, {} detokenized", ledger.tokens.len(), ledger.reads.len());
    println!("{:?}", ledger.counts);
    assert_eq!(faults.lines(), [""; 0]);
    assert_eq!(well, PROCESSES, "a child ended by itself");
    assert!(kills > 3 && !ledger.reads.is_empty(), "{kills}, {}", ledger.reads.len());
}

fn is_running(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_none()
}

/// Does the work of a child where this process is one.
pub fn is_child() -> bool {
    let Some(task) = task() else { return false };
    let [url, folder, slot, turn] = &task[..] else { panic!("no such task: {task:?}") };
    let site = Site { url: url.clone(), folder: folder.into() };
    assert!(worker::child(&site, slot, turn), "the vault is out of reach");
    true
}
