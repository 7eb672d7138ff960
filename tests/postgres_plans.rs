//! On PostgreSQL a verb reads the rows that it is about, however many others its merchant has, and from the first minute
//! of a vault on, when nothing has been analyzed yet.
#![cfg(all(unix, feature = "postgres"))]

mod support;

use panseal::card::{Card, CardInput, check, residue};
use panseal::keys::Root;
use panseal::scheme::Scheme;
use panseal::vault::{OpenOptions, TokenizeOptions, Vault};
use std::thread;
use std::time::Duration;
use support::postgres::{Server, Settings};

const STORED: u64 = 3000;

fn number(place: u64) -> String {
    let numbers = (0..10).map(|check| format!("400000{place:09}{check}"));
    numbers.into_iter().find(|number| residue(number.as_bytes()) == Some(0)).expect("a check digit")
}

fn card(number: &str) -> Card<'_> {
    check(&CardInput::new(number.as_bytes(), 1_800_000_000)).unwrap_or_else(|_| panic!("a good card"))
}

/// Stores the cards of these places, each with an idempotency key, and as surrogates: every index is asked.
fn store(vault: &Vault, places: std::ops::Range<u64>) -> Vec<String> {
    let texts: Vec<(String, String)> = places.map(|place| (number(place), format!("key-{place}"))).collect();
    let cards: Vec<Card> = texts.iter().map(|(number, _)| card(number)).collect();
    let keys =
        texts.iter().map(|(_, key)| TokenizeOptions { idempotency_key: key, ..TokenizeOptions::default() });
    let many: Vec<_> = cards.iter().zip(keys).collect();
    let outcomes = vault.tokenize_many(&many).unwrap();
    outcomes.into_iter().map(|outcome| outcome.unwrap().token.as_str().to_owned()).collect()
}

/// How many entries of indexes and rows of whole tables were read since the counters were set back. Sessions report
/// when they end.
fn read_rows(server: &Server) -> u64 {
    let idle = "select count(*) from pg_stat_activity where backend_type = 'client backend'";
    while server.sql(idle) != "1" {
        thread::sleep(Duration::from_millis(20));
    }
    let tables =
        "select coalesce(sum(seq_tup_read), 0) from pg_stat_user_tables where schemaname = 'panseal'";
    let indexes =
        "select coalesce(sum(idx_tup_read), 0) from pg_stat_user_indexes where schemaname = 'panseal'";
    server.sql(&format!("select ({tables}) + ({indexes})")).parse().unwrap()
}

#[test]
fn a_verb_reads_its_own_rows_and_not_all_of_a_merchants() {
    if !support::postgres::present("plans on PostgreSQL") {
        return;
    }
    let server = Server::new(&Settings { lines: vec![("autovacuum", "off")], ..Settings::default() });
    let folder = tempfile::tempdir().unwrap();
    let root = format!("file:{}", folder.path().join("root").display());
    Root::create(&root).unwrap();
    let (url, scheme) = (server.url(), "surrogate:6+4".parse::<Scheme>().unwrap());
    let vault = Vault::open(&OpenOptions {
        create: true,
        scheme,
        ..OpenOptions::new(&url, Root::parse(&root).unwrap())
    })
    .unwrap();
    for first in (0..STORED).step_by(100) {
        store(&vault, first..first + 100);
    }
    // What a session has read so far it reports once it is asked again a second later.
    thread::sleep(Duration::from_millis(1200));
    vault.find(card(&number(0)).number()).unwrap();
    // On the session whose plans were made while there was nothing.
    let read = read_after(&server, vault, |vault| drop(store(vault, STORED..STORED + 10)));
    assert!(read < 500, "{read} rows were read");
    let vault = || {
        Vault::open(&OpenOptions { scheme, ..OpenOptions::new(&url, Root::parse(&root).unwrap()) }).unwrap()
    };
    let stored = store(&vault(), 0..10);
    let read = read_after(&server, vault(), |vault| {
        for (place, token) in stored.iter().enumerate() {
            vault.lookup(token.as_bytes()).unwrap();
            assert_eq!(vault.find(card(&number(place as u64)).number()).unwrap().len(), 1);
            vault.delete(token.as_bytes()).unwrap();
        }
    });
    assert!(read < 1000, "{read} rows were read");
    // The counters count: this reads every row.
    assert!(read_after(&server, vault(), |vault| drop(vault.status().unwrap())) > STORED);
}

/// How many rows `work` reads, and the end of the vault's sessions.
fn read_after(server: &Server, vault: Vault, work: impl FnOnce(&Vault)) -> u64 {
    server.sql("select pg_stat_reset()");
    work(&vault);
    drop(vault);
    read_rows(server)
}
