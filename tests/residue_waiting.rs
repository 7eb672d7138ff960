//! Where keys are while the library waits: in the arena, and nowhere else.
//!
//! This program starts itself again as the subject, whose threads store cards and read them back without end, and stops
//! it many times in mid-call. Its memory is then searched for the merchant's sealing key, which is also the beginning
//! of its round keys, and for the root key. Threads that were stopped in a system call waited; one that was on a
//! processor may have been sealing, and what is on its stack is counted apart.
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "no card is searched for here, and no file")]
#[path = "support/residue.rs"]
mod residue;

use panseal::card::{CardInput, check};
use panseal::keys::keyring::Sources;
use panseal::keys::{CheckValue, KeyInfo, KeyKind, KeyState, KeyTable, Keyring, Root, Settings, WrappedKey};
use panseal::vault::{OpenOptions, TokenizeOptions, Vault};
use residue::{Search, Subject};
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const VISA: &[u8] = b"4242424242424242";
/// Where the subject works; who starts this program has set it for the subject alone.
const PLACE: &str = "PANSEAL_WAITING_PLACE";
/// What the subject is to leave on its heap, in hex.
const PLANT: &str = "PANSEAL_WAITING_PLANT";
const THREADS: usize = 8;
const SAMPLES: usize = 20;

fn open(place: &Path) -> Vault {
    let root = Root::parse(&format!("file:{}", place.join("root").display())).unwrap();
    let url = format!("sqlite:{}", place.join("cards.db").display());
    let patience = Duration::from_secs(60);
    Vault::open(&OpenOptions { create: true, busy_timeout: patience, ..OpenOptions::new(&url, root) })
        .unwrap()
}

/// The subject: does nothing where nobody has started it as such.
#[test]
fn subject() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let planted: Vec<u8> = std::env::var(PLANT)
        .unwrap_or_default()
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let vault = open(Path::new(&place));
    fs::write(Path::new(&place).join("ready"), "").unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let vault = &vault;
            scope.spawn(move || {
                let card = check(&CardInput::new(VISA, 1_800_000_000)).unwrap_or_else(|_| panic!("a card"));
                let customer = format!("c-{thread}");
                loop {
                    let made = vault.tokenize(&card, &TokenizeOptions::of(&customer)).unwrap();
                    let token = made.token.as_str().as_bytes();
                    vault.detokenize(token, "", "test", 19).unwrap();
                    vault.delete(token).unwrap();
                }
            });
        }
    });
    std::hint::black_box(planted);
}

/// The merchant's sealing key, opened beside the library that is under test.
fn sealing_key(place: &Path) -> Vec<u8> {
    let sql = rusqlite::Connection::open(place.join("cards.db")).unwrap();
    let fence = "select vault, version, mac from fence";
    let (id, version, mac) =
        sql.query_row(fence, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let mut query = sql
        .prepare("select kind, id, check_value, created_at, wrapped from epoch order by kind, id")
        .unwrap();
    let entry = |row: &rusqlite::Row<'_>| {
        let info = KeyInfo {
            kind: KeyKind::from_name(&row.get::<_, String>(0)?).unwrap(),
            id: row.get(1)?,
            state: KeyState::Active,
            slot: None,
            check: CheckValue::from_bytes(&row.get::<_, Vec<u8>>(2)?).unwrap(),
            created_at: row.get(3)?,
            retired_at: 0,
        };
        Ok(WrappedKey { info, wrapped: row.get(4)? })
    };
    let entries: Vec<WrappedKey> = query.query_map([], entry).unwrap().map(|entry| entry.unwrap()).collect();
    let root = Root::parse(&format!("file:{}", place.join("root").display())).unwrap();
    let (settings, revoked) = (Settings::default(), Vec::new());
    let table = KeyTable { id, version, settings, entries, revoked, mac };
    let sources = Sources { roots: &[root], previous: None, commitment: None };
    let keyring = Keyring::load(&table, &sources).unwrap();
    keyring.with_seal_key(1, "", <[u8]>::to_vec).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The subject's stretches that the kernel wipes on fork: the arena.
fn arena(process: u32) -> Vec<Range<u64>> {
    let maps = fs::read_to_string(format!("/proc/{process}/smaps")).unwrap();
    let (mut found, mut last) = (Vec::new(), 0..0);
    for line in maps.lines() {
        let first = line.split(' ').next().unwrap_or_default();
        let ends =
            first.split_once('-').map(|(start, end)| [start, end].map(|at| u64::from_str_radix(at, 16)));
        if let Some([Ok(start), Ok(end)]) = ends {
            last = start..end;
        } else if first == "VmFlags:" && line.split(' ').any(|flag| flag == "wf") {
            found.push(last.clone());
        }
    }
    found
}

/// The stack pointers of the subject's threads that were on a processor, and how many others there are.
fn on_a_processor(process: u32) -> (Vec<u64>, usize) {
    let (mut running, mut waiting) = (Vec::new(), 0);
    for task in fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let line = fs::read_to_string(task.unwrap().path().join("syscall")).unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["-1", sp, _] => running.push(u64::from_str_radix(sp.trim_start_matches("0x"), 16).unwrap()),
            _ => waiting += 1,
        }
    }
    (running, waiting)
}

fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

/// How often keys were found where a thread waits, and how often on the stack of one on a processor.
fn searched(plant: bool) -> (usize, usize) {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    Root::create(&format!("file:{}", root.display())).unwrap();
    drop(open(place.path()));
    let key = sealing_key(place.path());
    let mut needles = residue::key_needles("the sealing key", &key);
    needles
        .extend(residue::key_needles("the root key", &bytes(fs::read_to_string(root).unwrap().trim_end())));
    let search = Search::new(needles);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "subject", "--nocapture"]).env(PLACE, place.path()).stdin(Stdio::null());
    if plant {
        command.env(PLANT, key.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    let child = command.stdout(Stdio::null()).spawn().unwrap();
    let process = child.id();
    let subject = Subject::running(child);
    let limit = Instant::now() + Duration::from_secs(60);
    while !place.path().join("ready").exists() {
        assert!(Instant::now() < limit, "the subject did not come up");
        thread::sleep(Duration::from_millis(10));
    }
    let (mut left, mut apart, mut waited) = (0, 0, 0);
    for sample in 0..SAMPLES {
        thread::sleep(Duration::from_millis(20 + 7 * sample as u64));
        signal(process, "-STOP");
        thread::sleep(Duration::from_millis(20));
        let (running, waiting) = on_a_processor(process);
        let arena = arena(process);
        assert!(!arena.is_empty(), "the arena was not told apart");
        let findings = subject.search(&search);
        for hit in &findings.outside {
            if arena.iter().any(|range| range.contains(&hit.address)) {
                continue;
            }
            match running.iter().any(|sp| hit.region.range.contains(sp)) {
                true => apart += 1,
                false => left += 1,
            }
        }
        waited += waiting;
        signal(process, "-CONT");
    }
    println!("{SAMPLES} samples, {waited} threads that waited: {left} keys; on a processor: {apart}");
    assert!(waited > SAMPLES, "most threads wait");
    (left, apart)
}

#[test]
fn no_key_is_outside_the_arena_while_threads_wait() {
    assert_eq!(searched(false).0, 0);
}

#[test]
fn a_key_that_was_planted_is_found() {
    assert!(searched(true).0 >= SAMPLES);
}
