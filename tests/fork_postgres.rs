//! A program that forks goes on with its vault in PostgreSQL in parent and child, which share no connection.
//!
//! One test after the other, and alone in their process: nothing else is to run in a process that forks.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/promised.rs"]
mod promised;
mod support;

use panseal::vault::{TokenizeOptions, Vault};
use promised::{Book, Place, card, is_kept, number};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use support::postgres::{Server, Settings, present};

static ALONE: Mutex<()> = Mutex::new(());

fn store(vault: &Vault, book: &Book, places: std::ops::Range<usize>) {
    for place in places {
        let made = vault.tokenize(&card(&number(place)), &TokenizeOptions::of("c-1")).unwrap();
        book.note(&["token", made.token.as_str(), &number(place)]);
    }
}

#[test]
fn parent_and_children_of_a_fork_all_go_on() {
    if !present("PostgreSQL: fork") {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server::new(&Settings::default());
    let place = Place::at(|_| server.url());
    let path = place.folder.path().join("book");
    let book = Book::at(&path);
    let vault = place.open();
    // Several sessions are open and idle when the process forks.
    thread::scope(|scope| {
        let (vault, book) = (&vault, &book);
        for first in [0, 10, 20, 30] {
            scope.spawn(move || store(vault, book, first..first + 5));
        }
    });
    let sessions = "select count(*) from pg_stat_activity where application_name = 'panseal'";
    let before: usize = server.sql(sessions).parse().unwrap();
    let mut children = Vec::new();
    for child in 1..=3 {
        // SAFETY: no other thread runs, and the child leaves without running this program's exit.
        let id = unsafe { libc::fork() };
        if id == 0 {
            let fine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                store(&vault, &book, child * 100..child * 100 + 20);
                vault.rotate().unwrap();
                vault.rewrap(&mut |_, _| true).unwrap();
                store(&vault, &book, child * 100 + 20..child * 100 + 40);
                // Closing ends the child's own sessions and nobody else's.
                drop(vault);
            }));
            unsafe { libc::_exit(i32::from(fine.is_err())) };
        }
        children.push(id);
        store(&vault, &book, child * 1000..child * 1000 + 40);
    }
    for id in children {
        let mut status = 0;
        // SAFETY: a child of this process, waited for once.
        unsafe { libc::waitpid(id, &raw mut status, 0) };
        assert_eq!(status, 0, "a child could not go on");
    }
    store(&vault, &book, 5000..5020);
    let after: usize = server.sql(sessions).parse().unwrap();
    assert!((1..=before).contains(&after), "{before} sessions before, {after} after");
    let lines = Book::read(&path);
    assert_eq!(lines.len(), 20 + 3 * 40 + 3 * 40 + 20);
    let status = vault.status().unwrap();
    assert_eq!((status.instruments, status.epochs.len()), (lines.len() as u64, 4));
    is_kept(&vault, &lines);
}

#[test]
fn a_fork_does_not_wait_for_a_database_that_is_away() {
    if !present("PostgreSQL: fork without a server") {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut server = Server::new(&Settings::default());
    let place = Place::at(|_| server.url());
    let path = place.folder.path().join("book");
    let book = Book::at(&path);
    let vault = place.open();
    store(&vault, &book, 0..1);
    server.stop_immediate();
    thread::scope(|scope| {
        scope.spawn(|| store(&vault, &book, 1..5));
        thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        // SAFETY: the other thread waits with nothing in hand, and the child leaves without this program's exit.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let fine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| store(&vault, &book, 5..9)));
            unsafe { libc::_exit(i32::from(fine.is_err())) };
        }
        assert!(begun.elapsed() < promised::PATIENCE / 4, "the fork waited: {:?}", begun.elapsed());
        server.start();
        let mut status = 0;
        // SAFETY: a child of this process, waited for once.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0, "the child could not go on");
    });
    let lines = Book::read(&path);
    assert_eq!(lines.len(), 9);
    is_kept(&vault, &lines);
}
