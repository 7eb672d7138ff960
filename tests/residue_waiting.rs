//! Where keys are while the library waits: in the arena, and nowhere else.
//!
//! This program starts itself again as the subject, whose threads are in calls of a vault without end, while all its keys
//! are used and changed. It is stopped many times, or made to die and leave a core dump, and its memory is searched for
//! every key in every form. A longer run with more samples: PANSEAL_WAITING=deep.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[allow(dead_code, reason = "no card is searched for here, and no file")]
#[path = "support/residue.rs"]
mod residue;
mod support;
mod waiting;

use panseal::keys::Root;
use residue::{Search, Subject};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use support::not_run;
use waiting::keys::{Keys, Wrapped, bytes};
use waiting::scrape::{scrape, signal};
use waiting::subject::{self, Plants};
use waiting::{Found, core};

/// How many samples are taken of each kind.
fn samples(few: usize, many: usize) -> usize {
    if std::env::var("PANSEAL_WAITING").is_ok_and(|depth| depth == "deep") { many } else { few }
}

/// The subject: does nothing where nobody has started it as such.
#[test]
fn subject() {
    subject::work();
}

type Ask = Box<dyn Fn(&str) -> Vec<String>>;

/// A vault, what reads its tables, and the keys that it has had.
struct Site {
    folder: tempfile::TempDir,
    url: String,
    /// The lines that an SQL statement gives.
    ask: Ask,
    /// How a column of bytes becomes hexadecimal digits.
    hex: &'static str,
    keys: RefCell<Keys>,
}

impl Site {
    fn new(url: String, folder: tempfile::TempDir, hex: &'static str, ask: Ask) -> Site {
        Root::create(&format!("file:{}", folder.path().join("root").display())).unwrap();
        drop(subject::open(&url, folder.path()));
        let site = Site { folder, url, ask, hex, keys: RefCell::default() };
        site.search();
        site
    }

    fn sqlite() -> Site {
        let folder = support::directory();
        let db: PathBuf = folder.path().join("cards.db");
        let url = format!("sqlite:{}", db.display());
        let ask = move |sql: &str| {
            let file = rusqlite::Connection::open(&db).unwrap();
            let mut query = file.prepare(sql).unwrap();
            query.query_map([], |row| row.get(0)).unwrap().map(|line| line.unwrap()).collect()
        };
        Site::new(url, folder, "lower(hex(?))", Box::new(ask))
    }

    #[cfg(feature = "postgres")]
    fn postgres() -> Option<Site> {
        use support::postgres::{Server, Settings, present};
        if !present("PostgreSQL: keys while it waits") {
            return None;
        }
        let server = Server::new(&Settings::default());
        let url = server.url();
        let ask = move |sql: &str| {
            let answer = server.sql(&format!("set search_path to panseal; {sql}"));
            answer.lines().map(str::to_owned).collect()
        };
        Some(Site::new(url, support::directory(), "encode(?, 'hex')", Box::new(ask)))
    }

    /// A search for all keys that the vault has and has had.
    fn search(&self) -> Search {
        let hex = |column: &str| self.hex.replace('?', column);
        let vault =
            bytes(&(self.ask)(&format!("select {} from fence where vault is not null", hex("vault")))[0]);
        let entries =
            format!("select kind || ' ' || id || ' ' || created_at || ' ' || {} from epoch", hex("wrapped"));
        let wrapped: Vec<Wrapped> = (self.ask)(&entries).iter().map(|line| wrapped(line)).collect();
        self.keys.borrow_mut().add(&self.folder.path().join("root"), &vault, &wrapped);
        Search::new(self.keys.borrow().needles())
    }

    /// A subject in mid-call, with its process id.
    fn start(&self, plants: &Plants<'_>, core: Option<&std::path::Path>) -> (Subject, u32) {
        let child = subject::command(&self.url, self.folder.path(), plants, core).spawn().unwrap();
        let process = child.id();
        let subject = Subject::running(child);
        subject::wait_for(self.folder.path());
        (subject, process)
    }

    /// What is found in a subject that is stopped so often.
    fn scraped(&self, plants: &Plants<'_>, times: usize) -> Found {
        let (subject, process) = self.start(plants, None);
        let mut found = Found::default();
        for sample in 0..times {
            thread::sleep(Duration::from_millis(20 + 7 * (sample as u64 % 20)));
            found.add(scrape(&subject, process, || self.search()));
        }
        found
    }

    /// What is found in the core dumps of so many subjects.
    fn dumped(&self, plants: &Plants<'_>, times: usize) -> Found {
        let mut found = Found::default();
        for sample in 0..times {
            let folder = support::directory();
            let (mut subject, process) = self.start(plants, Some(folder.path()));
            thread::sleep(Duration::from_millis(20 + 7 * (sample as u64 % 20)));
            signal(process, "-ABRT");
            subject.wait();
            found.add(core::search(&core::in_folder(folder.path()), &self.search()));
        }
        found
    }
}

fn wrapped(line: &str) -> Wrapped {
    let words: Vec<&str> = line.split(' ').collect();
    let [kind, id, created_at, ref wrapped @ ..] = words[..] else { panic!("a key: {line}") };
    Wrapped {
        kind: kind.into(),
        id: id.parse().unwrap(),
        created_at: created_at.parse().unwrap(),
        // Nothing is left of one that was destroyed.
        wrapped: bytes(wrapped.first().unwrap_or(&"")),
    }
}

fn none_is_left(what: &str, samples: usize, found: &Found) {
    println!(
        "{what}: {samples} samples, {} threads that waited: {} keys; {} on a processor: {}",
        found.waiting,
        found.left.len(),
        found.running,
        found.apart.len()
    );
    assert!(found.waiting >= samples * subject::THREADS / 2, "most threads wait");
    let left: BTreeSet<&String> = found.left.iter().collect();
    assert!(left.is_empty(), "{} left: {left:#?}", found.left.len());
}

#[test]
fn no_key_is_outside_the_arena_while_threads_wait() {
    let times = samples(20, 300);
    none_is_left("SQLite", times, &Site::sqlite().scraped(&Plants::default(), times));
}

#[cfg(feature = "postgres")]
#[test]
fn no_key_is_outside_the_arena_while_threads_wait_for_postgresql() {
    let Some(site) = Site::postgres() else { return };
    let times = samples(12, 300);
    none_is_left("PostgreSQL", times, &site.scraped(&Plants::default(), times));
}

#[test]
fn no_key_is_in_a_core_dump() {
    if let Some(why) = core::not_here() {
        return not_run("core dumps", &why);
    }
    let times = samples(3, 20);
    none_is_left("core dumps, SQLite", times, &Site::sqlite().dumped(&Plants::default(), times));
}

#[cfg(feature = "postgres")]
#[test]
fn no_key_is_in_a_core_dump_beside_postgresql() {
    if core::not_here().is_some() {
        return;
    }
    let Some(site) = Site::postgres() else { return };
    let times = samples(2, 20);
    none_is_left("core dumps, PostgreSQL", times, &site.dumped(&Plants::default(), times));
}

/// A secret that nothing else has.
fn invented(name: &[u8]) -> [u8; 32] {
    Sha256::digest(name).into()
}

/// Finds each secret that a subject leaves on its heap, and tells a stack where somebody waits from one where nobody does.
fn plants_are_found(search: impl Fn(&Site, &Plants<'_>) -> Found) {
    let site = Site::sqlite();
    let secrets = site.keys.borrow().all().clone();
    let (waiting, busy) = (invented(b"waiting"), invented(b"busy"));
    site.keys.borrow_mut().plant("held by one who waits", &waiting);
    site.keys.borrow_mut().plant("held by one who never waits", &busy);
    let heap = secrets.values().map(Vec::as_slice).collect();
    let found = search(&site, &Plants { heap, stack: &waiting, busy: &busy });
    let is_in = |found: &[String], name: &str| {
        found.iter().any(|what| what.starts_with(&format!("{name}, first half")))
    };
    for name in secrets.keys() {
        assert!(is_in(&found.left, name), "{name} was not found");
    }
    assert!(is_in(&found.left, "held by one who waits"));
    assert!(is_in(&found.apart, "held by one who never waits"));
    assert!(!is_in(&found.left, "held by one who never waits"), "{:?}", found.left);
}

#[test]
fn keys_that_were_planted_are_found() {
    plants_are_found(|site, plants| site.scraped(plants, 2));
}

#[test]
fn keys_that_were_planted_are_found_in_a_core_dump() {
    if core::not_here().is_none() {
        plants_are_found(|site, plants| site.dumped(plants, 1));
    }
}
