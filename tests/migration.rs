//! A vault with tables of version 3 is brought forward: all that is in it stays readable, and whenever its process ends in
//! the middle, the next one does it.
#![cfg(unix)]

#[path = "support/promised.rs"]
mod promised;
mod support;

use panseal::card::{CardInput, Pan, Separators, check};
use panseal::error::Code;
use panseal::keys::Root;
use panseal::vault::{AuditQuery, OpenOptions, TokenizeOptions, Vault};
use promised::{Place, code, nothing_is_there_by_half, task};
use serde::Deserialize;
use std::collections::HashSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How often a migration is killed.
const KILLS: u32 = 40;

/// What is in `tests/vectors/vault_v3.sql`, or the same as PostgreSQL has it.
#[derive(Deserialize)]
struct Third {
    root: String,
    generation: i64,
    tokens: Vec<Kept>,
    deleted: Vec<Deleted>,
    credentials: Vec<Keys>,
    customers: Vec<Person>,
    audit: Vec<(String, String, i64, String, String, String, String)>,
}

#[derive(Deserialize)]
struct Kept {
    merchant: String,
    token: String,
    number: String,
    customer: String,
    expiry: Option<(u8, u16)>,
    name: String,
    metadata: String,
    extra: String,
    keep_until: i64,
    key: String,
    active: bool,
}

#[derive(Deserialize)]
struct Deleted {
    merchant: String,
    token: String,
}

#[derive(Deserialize)]
struct Keys {
    merchant: String,
    bearer: String,
    revoked: String,
    signing: String,
}

#[derive(Deserialize)]
struct Person {
    merchant: String,
    id: String,
    reference: String,
    data: String,
    deleted: bool,
}

impl Third {
    fn read(name: &str) -> (Third, String) {
        (serde_json::from_str(&vector(&format!("{name}.json"))).unwrap(), vector(&format!("{name}.sql")))
    }

    /// Puts a file and its root key into a folder, as that version left them.
    fn in_file() -> (Third, Place) {
        let (third, sql) = Third::read("vault_v3");
        let place = Place::sqlite();
        fs::write(place.folder.path().join("cards.root"), &third.root).unwrap();
        place.sql().execute_batch(&format!("pragma journal_mode = wal; {sql}")).unwrap();
        fs::set_permissions(place.db(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        (third, place)
    }

    /// Everything is as it was, by whichever verb.
    fn is_here(&self, vault: &Vault) {
        self.tokens.iter().for_each(|kept| kept.is_here(vault));
        for gone in &self.deleted {
            let vault = vault.merchant(&gone.merchant).unwrap();
            assert_eq!(code(vault.lookup(gone.token.as_bytes())), Code::Token);
        }
        for person in &self.customers {
            let vault = vault.merchant(&person.merchant).unwrap();
            let found = vault.customer(&person.id).unwrap().expect("a customer");
            assert_eq!((&*found.reference, &*found.data), (&*person.reference, &*person.data));
            assert_eq!(found.deleted_at != 0, person.deleted);
            if !person.reference.is_empty() {
                let found = vault.customer_by_reference(&person.reference).unwrap().expect("a customer");
                assert_eq!(*found.id, *person.id);
            }
        }
        self.credentials.iter().for_each(|keys| keys.are_here(vault));
        assert_eq!(vault.verify_audit(None).unwrap().fault, None);
    }

    /// The lines with their ids, and a place behind each.
    fn trail_is_here(&self, vault: &Vault) {
        let merchants: HashSet<&String> = self.audit.iter().map(|line| &line.0).collect();
        for merchant in merchants {
            let vault = vault.merchant(merchant).unwrap();
            let behind = |after| {
                let query = AuditQuery { after, limit: 1000, ..AuditQuery::default() };
                vault.audit(&query).unwrap()
            };
            let lines = behind(None);
            let old: Vec<_> = self.audit.iter().filter(|line| line.0 == *merchant).collect();
            assert!(lines.len() >= old.len());
            for (place, (line, old)) in lines.iter().zip(&old).enumerate() {
                let (_, id, at, actor, action, token, reason) = old;
                assert_eq!(hex(&line.id()), *id);
                assert_eq!((line.at(), line.actor(), line.action()), (*at, &**actor, &**action));
                assert_eq!((line.token(), line.reason()), (&**token, &**reason));
                assert_eq!(behind(Some(line.id())).len(), lines.len() - place - 1);
            }
        }
    }

    /// Whoever repeats an idempotency key gets the first result.
    fn is_replayed(&self, vault: &Vault) {
        for kept in self.tokens.iter().filter(|kept| !kept.key.is_empty()) {
            let vault = vault.merchant(&kept.merchant).unwrap();
            let input = CardInput::new(kept.number.as_bytes(), promised::NOW);
            let card = check(&input).unwrap_or_else(|_| panic!("a good card"));
            let options =
                TokenizeOptions { idempotency_key: &kept.key, ..TokenizeOptions::of(&kept.customer) };
            let again = vault.tokenize(&card, &options).unwrap();
            assert!(again.reused && again.token.as_str() == kept.token);
        }
        for merchant in self.credentials.iter().map(|keys| &keys.merchant) {
            assert!(!vault.merchant(merchant).unwrap().is_first("seen-1").unwrap());
        }
    }

    /// All of it is there, before and after everything that is new was done beside it.
    fn is_whole_and_goes_on(&self, vault: &Vault) {
        self.is_here(vault);
        self.trail_is_here(vault);
        self.is_replayed(vault);
        self.takes_all_that_is_new(vault);
        self.trail_is_here(vault);
        self.is_replayed(vault);
    }

    /// After every change of keys all of it is there still, and no card is there twice.
    fn takes_all_that_is_new(&self, vault: &Vault) {
        let before = vault.status().unwrap();
        assert_eq!(before.unindexed, 2, "as it was");
        vault.change_index(&mut |_, _| true).unwrap();
        vault.rotate().unwrap();
        vault.rewrap(&mut |_, _| true).unwrap();
        vault.destroy(1).unwrap();
        vault.destroy(2).unwrap();
        assert!(vault.check_vault(&mut |_, _| true).unwrap().damaged.is_empty());
        let status = vault.status().unwrap();
        assert_eq!((status.unindexed, status.cards), (0, before.cards - 1), "one was there twice");
        assert_eq!(status.instruments, before.instruments);
        self.is_here(vault);
        self.tokens.iter().for_each(|kept| kept.is_found(vault));
    }
}

impl Kept {
    fn is_here(&self, vault: &Vault) {
        let vault = vault.merchant(&self.merchant).unwrap();
        let (found, details) = vault.details(self.token.as_bytes()).unwrap();
        assert_eq!((&*found.customer, found.active), (&*self.customer, self.active));
        assert_eq!(found.expiry.map(|date| (date.month(), date.year())), self.expiry);
        assert_eq!((details.name(), details.metadata()), (&*self.name, &*self.metadata));
        assert_eq!((hex(details.extra()), found.keep_until), (self.extra.clone(), self.keep_until));
        let revealed = promised::digits(&vault, &self.token);
        if self.active {
            assert_eq!(revealed.unwrap(), self.number);
        } else {
            assert_eq!(code(revealed), Code::Inactive);
        }
    }

    fn is_found(&self, vault: &Vault) {
        let pan = Pan::parse(self.number.as_bytes(), Separators::Dropped).ok().unwrap();
        let found = vault.merchant(&self.merchant).unwrap().find(&pan).unwrap();
        assert!(found.iter().any(|found| found.token.as_str() == self.token), "found by its number");
    }
}

impl Keys {
    fn are_here(&self, vault: &Vault) {
        let found = vault.credential_of_bearer(self.bearer.as_bytes()).unwrap().expect("a credential");
        assert_eq!((&*found.merchant, &*found.scopes, found.revoked_at), (&*self.merchant, "read write", 0));
        let revoked = vault.credential_of_bearer(self.revoked.as_bytes()).unwrap();
        assert!(revoked.is_none_or(|revoked| revoked.revoked_at != 0));
        let lent = vault.with_signing_key(&self.signing, |key| key == b"a signing key").unwrap();
        assert!(lent.is_some_and(|(_, is_it)| is_it));
    }
}

fn vector(name: &str) -> String {
    fs::read_to_string(support::root().join("tests/vectors").join(name)).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A root key that is not the vault's.
fn other_root(place: &Place) -> String {
    let uri = format!("file:{}", place.folder.path().join("other.root").display());
    Root::create(&uri).unwrap();
    uri
}

fn open_under(place: &Place, root: &str, second: Option<&str>) -> panseal::error::Result<Vault> {
    place.open_with(|options| OpenOptions {
        root: Root::parse(root).unwrap(),
        second_root: second.map(|root| Root::parse(root).unwrap()),
        ..options
    })
}

fn many_at_once(third: &Third, place: &Place) {
    thread::scope(|scope| {
        let opened: Vec<_> = (0..4).map(|_| scope.spawn(|| place.open().status().unwrap())).collect();
        for opened in opened {
            assert_eq!(opened.join().unwrap().generation, third.generation + 1, "once");
        }
    });
}

/// Kills a process that opens the vault at moments spread over the time that takes; says how often it was done by then.
fn killed(name: &str, mut fresh: impl FnMut(u32) -> Place, is_done: impl Fn(&Place, u32) -> bool) -> u32 {
    let place = fresh(KILLS);
    let begun = Instant::now();
    let child = promised::child(name, &[&place.url, &place.root]);
    assert!({ child }.wait().unwrap().success());
    let whole = begun.elapsed();
    let mut done = 0;
    for round in 0..KILLS {
        let place = fresh(round);
        let child = promised::child(name, &[&place.url, &place.root]);
        thread::sleep(whole * round / KILLS);
        promised::kill(child);
        done += u32::from(is_done(&place, round));
        let begun = Instant::now();
        let vault = loop {
            // In PostgreSQL the killed one's session may hold its locks for a moment.
            match promised::open(&place.url, &place.root) {
                Err(error) if error.code() == Code::Busy && begun.elapsed() < Duration::from_secs(30) => {}
                opened => break opened.unwrap(),
            }
        };
        let (third, _) = Third::read(if place.url.starts_with("sqlite") { "vault_v3" } else { POSTGRES });
        third.is_here(&vault);
        third.trail_is_here(&vault);
        assert_eq!(vault.status().unwrap().generation, third.generation + 1, "once");
    }
    done
}

const POSTGRES: &str = "vault_v3_postgres";

/// Does what a child is told: opens the vault.
fn is_child() -> bool {
    let Some(task) = task() else { return false };
    let [url, root] = &task[..] else { panic!("no such task: {task:?}") };
    promised::open(url, root).unwrap();
    true
}

#[test]
fn a_file_of_version_3_is_brought_forward() {
    let (third, place) = Third::in_file();
    let vault = place.open();
    let status = vault.status().unwrap();
    assert_eq!((status.schema, status.generation), (4, third.generation + 1));
    third.is_whole_and_goes_on(&vault);
    // What was seen once leads to no token.
    place.sql().execute("delete from idempotency where key like '%seen-1'", []).unwrap();
    promised::file_is_whole(&place.sql());
}

#[test]
fn a_file_of_any_older_version_is_left_as_it_is_under_a_wrong_root_key() {
    for version in ["vault_v1", "vault_v3"] {
        let (place, sql) = (Place::sqlite(), vector(&format!("{version}.sql")));
        place.sql().execute_batch(&format!("pragma journal_mode = wal; {sql}")).unwrap();
        fs::set_permissions(place.db(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let before = fs::read(place.db()).unwrap();
        for create in [false, true] {
            let opened = place.open_with(|options| OpenOptions { create, ..options });
            assert_eq!(code(opened), Code::RootKey, "{version}");
        }
        assert!(fs::read(place.db()).unwrap() == before, "{version} was changed");
    }
}

#[test]
fn a_file_is_brought_forward_by_the_second_root_key_too() {
    let (third, place) = Third::in_file();
    let other = other_root(&place);
    assert_eq!(code(open_under(&place, &other, None)), Code::RootKey);
    third.is_here(&open_under(&place, &other, Some(&place.root)).unwrap());
    assert_eq!(code(open_under(&place, &other, None)), Code::RootKey);
    third.is_here(&place.open());
}

#[test]
fn a_file_that_many_open_at_once_is_brought_forward_once() {
    for _ in 0..5 {
        let (third, place) = Third::in_file();
        many_at_once(&third, &place);
        third.is_here(&place.open());
    }
}

/// Lines enough that bringing it forward takes a while.
const MORE_LINES: &str = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
    insert into audit select 'm9', randomblob(16), 1700000000 + i, '', 'rotate', '', '' from n";

#[test]
fn a_file_whose_migration_is_killed_40_times_is_brought_forward_by_the_next() {
    const NAME: &str = "a_file_whose_migration_is_killed_40_times_is_brought_forward_by_the_next";
    if is_child() {
        return;
    }
    let fresh = |_| {
        let (_, place) = Third::in_file();
        place.sql().execute_batch(MORE_LINES).unwrap();
        place
    };
    let done = killed(NAME, fresh, |place, _| {
        let version: i32 = place.sql().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert!([3, 4].contains(&version), "whole or not at all");
        version == 4
    });
    println!("SQLite: killed {KILLS} times, {done} times behind the commit");
    assert!(done < KILLS, "none was killed in time");
}

/// A trail of 100,000 lines: what it takes is printed.
#[test]
fn a_long_trail_is_brought_forward() {
    let (third, place) = Third::in_file();
    place.sql().execute_batch(&MORE_LINES.replace("2000", "100000")).unwrap();
    let size = || {
        let wal = place.db().with_extension("db-wal");
        fs::metadata(place.db()).unwrap().len() + fs::metadata(wal).map_or(0, |about| about.len())
    };
    let (before, begun) = (size(), Instant::now());
    let vault = place.open();
    println!(
        "100,000 lines: {} ms, {} MB before, {} MB after, log included, {} MB of memory at most",
        begun.elapsed().as_millis(),
        before >> 20,
        size() >> 20,
        most_memory() >> 10,
    );
    let report = vault.verify_audit(None).unwrap();
    assert_eq!((report.fault, report.joined), (None, 100_000 + third.audit.len() as u64));
    third.is_here(&vault);
}

/// The most memory that this process had, in KiB.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(feature = "postgres")]
mod in_postgresql {
    use super::support::postgres::{Server, Settings, present};
    use super::*;

    struct Servers {
        server: Server,
        third: Third,
    }

    impl Servers {
        fn new(test: &str) -> Option<Servers> {
            if !present(test) {
                return None;
            }
            let lines = vec![("log_min_messages", "fatal")];
            let server = Server::new(&Settings { lines, ..Settings::default() });
            let (third, sql) = Third::read(POSTGRES);
            server.sql("create database third");
            server.sql_in("third", &sql);
            Some(Servers { server, third })
        }

        /// A copy of the vault in a database of that name.
        fn copy(&self, name: &str) -> Place {
            self.server.sql(&format!("drop database if exists {name} with (force)"));
            self.server.sql(&format!("create database {name} template third"));
            let place = Place::at(|_| self.server.url_of(name));
            fs::write(place.folder.path().join("cards.root"), &self.third.root).unwrap();
            place
        }

        fn number(&self, name: &str, sql: &str) -> i64 {
            self.server.sql_in(name, &format!("set search_path to panseal; {sql}")).parse().unwrap()
        }
    }

    #[test]
    fn a_database_of_version_3_is_brought_forward() {
        let Some(servers) = Servers::new("PostgreSQL: a vault of version 3") else { return };
        let (third, place) = (&servers.third, servers.copy("one"));
        let everything = || servers.server.sql_in("one", "select schema_to_xml('panseal', true, false, '')");
        let (before, other) = (everything(), other_root(&place));
        assert_eq!(code(open_under(&place, &other, None)), Code::RootKey);
        assert_eq!(everything(), before, "nothing is written under a wrong root key");
        third.is_here(&open_under(&place, &other, Some(&place.root)).unwrap());
        let vault = place.open();
        let status = vault.status().unwrap();
        assert_eq!((status.schema, status.generation), (4, third.generation + 1));
        third.is_whole_and_goes_on(&vault);
        // What was seen once leads to no token.
        servers.server.sql_in("one", "delete from panseal.idempotency where key like '%seen-1'");
        nothing_is_there_by_half(|sql| servers.number("one", sql));
        for round in 0..3 {
            many_at_once(third, &servers.copy(&format!("many{round}")));
        }
    }

    #[test]
    fn a_database_whose_migration_is_killed_40_times_is_brought_forward_by_the_next() {
        const NAME: &str =
            "in_postgresql::a_database_whose_migration_is_killed_40_times_is_brought_forward_by_the_next";
        if is_child() {
            return;
        }
        let Some(servers) = Servers::new("PostgreSQL: a migration that is killed") else { return };
        let more = "insert into panseal.audit
            select 'm9', decode(md5(i::text), 'hex'), 1700000000 + i, '', 'rotate', '', '' from generate_series(1, 400) i";
        servers.server.sql_in("third", more);
        let name = |round| format!("killed{round}");
        let done = killed(
            NAME,
            |round| servers.copy(&name(round)),
            |_, round| servers.number(&name(round), "select schema from fence where id = 1") == 4,
        );
        println!("PostgreSQL: killed {KILLS} times, {done} times behind the commit");
        assert!(done < KILLS, "none was killed in time");
    }
}
