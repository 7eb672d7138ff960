//! All verbs of a vault at once, key changes included, from four processes of three threads each that are killed again
//! and again: nothing acknowledged is lost, no number is wrong, no card is there twice or cannot be found, and the vault
//! opens.
//!
//! `PANSEAL_VERBS_SECONDS` says how long, `PANSEAL_VERBS_WITHOUT` which verbs are left out, with commas.
#![cfg(unix)]

#[path = "support/promised.rs"]
mod promised;
mod support;
mod verbs;

use promised::{Place, random, task};
use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};
use verbs::{Site, judge, worker};

/// How many processes there are.
const PROCESSES: usize = 4;

fn seconds() -> u64 {
    let given = std::env::var("PANSEAL_VERBS_SECONDS").ok();
    given.map_or(20, |seconds| seconds.parse().expect("a number of seconds"))
}

fn site(place: &Place) -> Site {
    Site { url: place.url.clone(), folder: place.folder.path().to_owned() }
}

/// Runs the children, kills them, and holds the vault against their books.
fn run(test: &str, site: &Site, count: &mut dyn FnMut(&str) -> i64) {
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
    assert!(kills > 3 && ledger.reads.len() > 100, "{kills}, {}", ledger.reads.len());
}

fn is_running(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_none()
}

/// Does the work of a child where this process is one.
fn is_child() -> bool {
    let Some(task) = task() else { return false };
    let [url, folder, slot, turn] = &task[..] else { panic!("no such task: {task:?}") };
    let site = Site { url: url.clone(), folder: folder.into() };
    assert!(worker::child(&site, slot, turn), "the vault is out of reach");
    true
}

#[test]
fn all_verbs_at_once_keep_every_promise_in_a_file() {
    if is_child() {
        return;
    }
    let place = Place::sqlite();
    let sql = |sql: &str| place.sql().query_row(sql, [], |row| row.get(0)).unwrap();
    run("all_verbs_at_once_keep_every_promise_in_a_file", &site(&place), &mut { sql });
}

/// A vault in which one thread has done a bit of everything, and what the judge says after a plant.
fn judged_after(plant: impl FnOnce(&Place)) -> judge::Faults {
    let place = Place::sqlite();
    let site = site(&place);
    let vault = place.open();
    worker::fill(&site, &vault);
    worker::alone(&site, &vault, 200);
    drop(vault);
    plant(&place);
    judge::judge(&site, &mut |sql| place.sql().query_row(sql, [], |row| row.get(0)).unwrap()).0
}

fn edit(place: &Place, sql: &str) {
    place.sql().execute_batch(sql).unwrap();
}

#[test]
fn the_judge_finds_nothing_where_nothing_is_wrong() {
    assert_eq!(judged_after(|_| {}).lines(), [""; 0]);
}

#[test]
fn the_judge_finds_a_token_that_is_lost() {
    let lose = "delete from instrument where card = (select max(card) from instrument)";
    assert!(judged_after(|place| edit(place, lose)).has("lost"));
}

#[test]
fn the_judge_finds_a_card_that_is_there_twice() {
    let faults = judged_after(|place| {
        edit(place, "delete from card_fp");
        let vault = place.open();
        for number in verbs::pool::OLD.map(|place| promised::number(place as usize)).take(5) {
            vault.tokenize(&promised::card(&number), &Default::default()).unwrap();
        }
    });
    for kind in ["card rows", "not found by its number", "half there", "not asked for"] {
        assert!(faults.has(kind), "{kind}: {:?}", faults.lines());
    }
}

#[test]
fn the_judge_finds_a_number_that_is_not_on_record() {
    let faults = judged_after(|place| edit(place, "delete from audit where action = 'detokenize'"));
    assert!(faults.has("read without a line"), "{:?}", faults.lines());
}

#[test]
fn the_judge_finds_a_vault_that_no_root_key_opens() {
    let faults = judged_after(|place| {
        fs::remove_file(place.folder.path().join("cards.root")).unwrap();
        panseal::keys::Root::create(&place.root).unwrap();
    });
    assert!(faults.has("does not open"), "{:?}", faults.lines());
}

#[cfg(feature = "postgres")]
mod on_postgres {
    use super::support::postgres::{Server, Settings, present};
    use super::*;

    #[test]
    fn all_verbs_at_once_keep_every_promise_in_postgresql() {
        if is_child() || !present("PostgreSQL: all verbs at once") {
            return;
        }
        let lines = vec![("log_min_messages", "fatal")];
        let server = Server::new(&Settings { lines, ..Settings::default() });
        let place = Place::at(|_| server.url());
        let count = |sql: &str| server.sql(&format!("set search_path to panseal; {sql}")).parse().unwrap();
        run("on_postgres::all_verbs_at_once_keep_every_promise_in_postgresql", &site(&place), &mut { count });
    }
}
