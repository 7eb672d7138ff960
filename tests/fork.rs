//! A program that forks, as servers do, goes on with its vault in parent and child.
//!
//! One test after the other, and alone in their process: a thread that is inside an SQLite of the program's own while it
//! forks leaves SQLite's locks shut in the child. The shipped libraries have an SQLite to themselves.
#![cfg(unix)]

use panseal::card::{CardInput, check};
use panseal::error::{Code, Result};
use panseal::keys::Root;
use panseal::vault::{OpenOptions, TokenizeOptions, Vault};
use std::sync::{Mutex, PoisonError};

static ALONE: Mutex<()> = Mutex::new(());

fn open(folder: &tempfile::TempDir) -> Vault {
    let root = format!("file:{}", folder.path().join("cards.root").display());
    let url = format!("sqlite:{}", folder.path().join("cards.db").display());
    Root::create(&root).unwrap();
    let root = Root::parse(&root).unwrap();
    Vault::open(&OpenOptions { create: true, ..OpenOptions::new(&url, root) }).unwrap()
}

fn tokenize(vault: &Vault, number: &[u8]) -> Result<String> {
    let card = check(&CardInput::new(number, 1_800_000_000))?;
    Ok(vault.tokenize(&card, &TokenizeOptions::of("c-1"))?.token.to_string())
}

fn detokenize(vault: &Vault, token: &str) -> Result<Vec<u8>> {
    Ok(vault.detokenize(token.as_bytes(), "", "test", 19)?.digits().to_vec())
}

/// Runs `work` in a child and gives its answer; `meanwhile` runs in the parent.
fn in_child(work: impl FnOnce() -> bool, meanwhile: impl FnOnce()) -> bool {
    // SAFETY: no other thread holds a lock that the child needs, and it leaves without running this program's exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let fine = work();
        unsafe { libc::_exit(i32::from(!fine)) };
    }
    meanwhile();
    let mut status = 0;
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    status == 0
}

#[test]
fn parent_and_child_of_a_fork_both_go_on() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let vault = open(&folder);
    let before = tokenize(&vault, b"4242424242424242").unwrap();
    let mut after = Vec::new();
    let child = || {
        let made = tokenize(&vault, b"378282246310005").and_then(|token| detokenize(&vault, &token));
        made.is_ok() && detokenize(&vault, &before).is_ok()
    };
    let fine = in_child(child, || {
        after.extend((0..5).map(|_| tokenize(&vault, b"4242424242424242").unwrap()));
    });
    assert!(fine, "the child could not go on");
    assert!(after.iter().all(|token| detokenize(&vault, token).is_ok()));
    let sql = rusqlite::Connection::open(folder.path().join("cards.db")).unwrap();
    let rows: i64 = sql.query_row("select count(*) from instrument", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 7, "each acknowledged token of either is there");
}

#[test]
fn a_child_whose_root_key_is_gone_says_so() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let vault = open(&folder);
    let token = tokenize(&vault, b"4242424242424242").unwrap();
    std::fs::remove_file(folder.path().join("cards.root")).unwrap();
    let forked = || matches!(vault.lookup(token.as_bytes()), Err(error) if error.code() == Code::Fork);
    assert!(in_child(forked, || ()));
    assert!(vault.lookup(token.as_bytes()).is_ok(), "the parent has its keys");
}
