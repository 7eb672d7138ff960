//! Cards that an older version has stored twice, because their fingerprints were lost, become one: no token is lost or
//! leads to another number, whoever is killed or writes meanwhile.
#![cfg(unix)]

#[path = "support/promised.rs"]
mod promised;
mod support;

use panseal::card::{Pan, Separators};
use panseal::error::Code;
use panseal::vault::{AuditQuery, DamageKind, Reuse, TokenizeOptions, Vault};
use promised::{Place, card, code, digits, nothing_is_there_by_half, number, random, task};
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Instant;

/// Tokens of each merchant, each with its number.
type Tokens = BTreeMap<(String, String), String>;

const MERCHANTS: [&str; 2] = ["", "shop"];

/// A vault, what SQL does to it behind its back, and what was stored in it.
struct Faulty {
    place: Place,
    vault: Vault,
    sql: Box<dyn Fn(&str) -> String + Sync>,
    tokens: Tokens,
}

impl Faulty {
    fn in_file() -> Faulty {
        let place = Place::sqlite();
        let file = place.db();
        let sql = move |sql: &str| {
            let on = rusqlite::Connection::open(&file).unwrap();
            on.busy_timeout(promised::PATIENCE).unwrap();
            if !sql.starts_with("select") {
                on.execute_batch(sql).unwrap();
                return String::new();
            }
            let value = on.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
            value.to_string()
        };
        Faulty::at(place, Box::new(sql))
    }

    fn at(place: Place, sql: Box<dyn Fn(&str) -> String + Sync>) -> Faulty {
        Faulty { vault: place.open(), place, sql, tokens: Tokens::new() }
    }

    fn store(&mut self, merchant: &str, place: usize, options: TokenizeOptions) -> String {
        let vault = self.vault.merchant(merchant).unwrap();
        let number = number(place);
        let token = vault.tokenize(&card(&number), &options).unwrap().token.to_string();
        self.tokens.insert((merchant.into(), token.clone()), number);
        token
    }

    /// The cards of both merchants so many times, and each time but the last all fingerprints are lost.
    fn store_again_and_again(&mut self, cards: usize, times: usize) {
        for time in 0..times {
            if time > 0 {
                self.lose_fingerprints();
            }
            for merchant in MERCHANTS {
                for place in 0..cards {
                    for _ in 0..2 {
                        self.store(merchant, place, TokenizeOptions::of("c-1"));
                    }
                }
            }
        }
    }

    fn lose_fingerprints(&self) {
        (self.sql)(&self.table("delete from {card_fp}"));
    }

    /// SQL with the names of tables as the store has them.
    fn table(&self, sql: &str) -> String {
        let schema = if self.place.url.starts_with("sqlite") { "" } else { "panseal." };
        sql.replace('{', schema).replace('}', "")
    }

    fn count(&self, table: &str) -> i64 {
        (self.sql)(&self.table(&format!("select count(*) from {{{table}}}"))).parse().unwrap()
    }

    /// Every token leads to its number.
    fn all_lead_to_their_numbers(&self) {
        for ((merchant, token), number) in &self.tokens {
            let vault = self.vault.merchant(merchant).unwrap();
            assert_eq!(digits(&vault, token).unwrap(), *number, "{token}");
        }
    }

    /// Every number leads to all of its tokens, and no card is there twice.
    fn are_one(&self) {
        self.all_lead_to_their_numbers();
        let numbers: BTreeSet<_> =
            self.tokens.iter().map(|((merchant, _), number)| (merchant, number)).collect();
        for (merchant, number) in &numbers {
            let pan = Pan::parse(number.as_bytes(), Separators::Dropped).ok().unwrap();
            let found = self.vault.merchant(merchant).unwrap().find(&pan).unwrap();
            let found: BTreeSet<String> = found.iter().map(|found| found.token.to_string()).collect();
            let of_number =
                |((of, _), number_of): &(&(String, String), &String)| of == *merchant && number_of == number;
            let stored = self.tokens.iter().filter(of_number).map(|((_, token), _)| token.clone());
            assert_eq!(found, stored.collect());
        }
        let status = self.vault.status().unwrap();
        assert_eq!((status.unindexed, status.cards), (0, numbers.len() as u64));
        assert!(self.vault.check_vault(&mut |_, _| true).unwrap().damaged.is_empty());
        assert_eq!(self.vault.verify_audit(None).unwrap().fault, None);
        nothing_is_there_by_half(|sql| {
            let names = self.table("set search_path to {} ;").replace("panseal.", "panseal");
            let sql = if self.place.url.starts_with("sqlite") { sql.into() } else { names + sql };
            (self.sql)(&sql).parse().unwrap()
        });
    }
}

fn become_one(mut faulty: Faulty) {
    faulty.vault.create_customer("c-1", "", "{}").unwrap();
    let keyed = |idempotency_key| TokenizeOptions {
        idempotency_key,
        customer_limit: Some(9),
        metadata: "{\"order\":\"7\"}",
        extra: b"extra",
        ..TokenizeOptions::of("c-1")
    };
    let first = faulty.store("", 0, keyed("k-1"));
    faulty.lose_fingerprints();
    let second = faulty.store("", 0, keyed("k-2"));
    faulty.store_again_and_again(3, 3);
    let idle = faulty.store("", 1, TokenizeOptions::default());
    faulty.vault.deactivate(idle.as_bytes()).unwrap();
    faulty.tokens.remove(&(String::new(), idle.clone()));
    let cards = faulty.vault.status().unwrap();
    assert!(cards.cards > 6 && cards.unindexed > 0, "{cards:?}");
    let named = faulty.vault.check_vault(&mut |_, _| true).unwrap().damaged;
    assert!(
        named.len() as u64 == cards.unindexed
            && named.iter().all(|row| row.kind == DamageKind::NoFingerprint)
    );
    let lines = faulty.count("audit");

    let changed = faulty.vault.change_index(&mut |_, _| true).unwrap();
    assert_eq!((changed.generation, changed.damaged), (2, vec![]));

    assert_eq!(code(faulty.vault.detokenize(idle.as_bytes(), "", "test", 19)), Code::Inactive);
    faulty.vault.reactivate(idle.as_bytes()).unwrap();
    faulty.tokens.insert((String::new(), idle), number(1));
    let query = AuditQuery { limit: 1000, ..AuditQuery::default() };
    let trail = faulty.vault.audit(&query).unwrap();
    let moved = trail.iter().filter(|line| line.action() == "change_index" && !line.token().is_empty());
    let moved: BTreeSet<&str> = moved.map(|line| line.token()).collect();
    assert!(moved.len() > 3 && faulty.count("audit") > lines, "each token that has another card has a line");
    for (token, key) in [(&first, "k-1"), (&second, "k-2")] {
        let (found, details) = faulty.vault.details(token.as_bytes()).unwrap();
        assert_eq!((&*found.customer, details.name()), ("c-1", "ADA BYRON"));
        assert_eq!((details.metadata(), details.extra()), ("{\"order\":\"7\"}", &b"extra"[..]));
        let again = faulty.vault.tokenize(&card(&number(0)), &keyed(key)).unwrap();
        assert!(again.reused && again.token.as_str() == token, "the first result of its key");
    }
    let full = TokenizeOptions { customer_limit: Some(18), ..TokenizeOptions::of("c-1") };
    assert_eq!(code(faulty.vault.tokenize(&card(&number(9)), &full)), Code::Limit, "all are counted");
    faulty.are_one();
    let reuse = TokenizeOptions { reuse: Reuse::Merchant, ..TokenizeOptions::default() };
    assert!(faulty.vault.tokenize(&card(&number(0)), &reuse).unwrap().reused);
}

#[test]
fn two_rows_of_one_card_become_one_in_a_file() {
    become_one(Faulty::in_file());
}

/// More tokens than one transaction moves.
#[test]
fn a_card_with_many_tokens_is_merged_too() {
    let mut faulty = Faulty::in_file();
    faulty.store("", 0, TokenizeOptions::default());
    faulty.lose_fingerprints();
    let number = number(0);
    let card = card(&number);
    for outcome in faulty.vault.tokenize_many(&[(&card, TokenizeOptions::default()); 600]).unwrap() {
        faulty.tokens.insert((String::new(), outcome.unwrap().token.to_string()), number.clone());
    }
    faulty.vault.change_index(&mut |_, _| true).unwrap();
    faulty.are_one();
}

/// A card that is damaged, or a token, is not given to another one: it is named, and the rest goes on.
#[test]
fn a_damaged_token_of_a_card_that_is_there_twice_stays_with_it() {
    let mut faulty = Faulty::in_file();
    faulty.store_again_and_again(2, 2);
    let damaged = faulty.store("", 0, TokenizeOptions::default());
    faulty.tokens.remove(&(String::new(), damaged.clone()));
    let token = promised::packed(&damaged);
    (faulty.sql)(&format!("update instrument set expiry = expiry + 1 where token = {token}"));
    let changed = faulty.vault.change_index(&mut |_, _| true).unwrap();
    let named: Vec<_> = changed.damaged.iter().map(|row| (row.kind, &*row.id)).collect();
    assert_eq!(named, [(DamageKind::Instrument, &*damaged)]);
    assert_eq!(faulty.vault.status().unwrap().unindexed, 1);
    faulty.all_lead_to_their_numbers();
    faulty.vault.delete(damaged.as_bytes()).unwrap();
    faulty.are_one();
}

/// A run that was stopped finds fingerprints that somebody has pointed at other cards, or at none.
#[test]
fn fingerprints_that_lead_elsewhere_are_put_right() {
    let edits = [
        "update card_fp set card = (select max(id) from card) where generation = 2",
        "update card_fp set card = zeroblob(16) where generation = 2",
        "update card_fp set merchant = 3 - merchant where generation = 2",
    ];
    for edit in edits {
        let mut faulty = Faulty::in_file();
        faulty.store_again_and_again(5, 1);
        assert_eq!(code(faulty.vault.change_index(&mut |_, _| false)), Code::Callback);
        (faulty.sql)(edit);
        assert_eq!(faulty.vault.change_index(&mut |_, _| true).unwrap().generation, 2);
        (faulty.sql)("delete from card_fp where card = zeroblob(16)");
        let merchants = "delete from card_fp where not exists (
            select 1 from card c where c.merchant = card_fp.merchant and c.id = card_fp.card)";
        (faulty.sql)(merchants);
        faulty.are_one();
    }
}

#[test]
fn a_merge_that_is_killed_is_finished_by_the_next() {
    const NAME: &str = "a_merge_that_is_killed_is_finished_by_the_next";
    if let Some(task) = task() {
        let [url, root] = &task[..] else { panic!("no such task: {task:?}") };
        promised::open(url, root).unwrap().change_index(&mut |_, _| true).unwrap();
        return;
    }
    let mut faulty = Faulty::in_file();
    let (mut in_the_middle, mut took) = (0, None);
    for round in 0..20 {
        faulty.lose_fingerprints();
        faulty.store_again_and_again(30, 1);
        let twice = faulty.count("card");
        let begun = Instant::now();
        let mut child = promised::child(NAME, &[&faulty.place.url, &faulty.place.root]);
        match took {
            Some(took) => {
                thread::sleep(took * (random(100) as u32) / 100);
                promised::kill(child);
            }
            None => {
                assert!(child.wait().unwrap().success());
                took = Some(begun.elapsed());
            }
        }
        let left = faulty.count("card");
        in_the_middle += usize::from(round > 0 && left > 60 && left < twice);
        faulty.vault.change_index(&mut |_, _| true).unwrap();
        assert_eq!(faulty.count("card"), 60);
        if round % 5 == 4 {
            faulty.are_one();
        }
    }
    assert!(in_the_middle > 0, "none was killed in its middle");
}

/// Runs and writers at once, each in its own way with the same cards.
fn under_writers(mut faulty: Faulty) {
    faulty.store_again_and_again(40, 2);
    let vaults: Vec<Vault> = (0..3).map(|_| faulty.place.open()).collect();
    let made = thread::scope(|scope| {
        let runs: Vec<_> = vaults[..2]
            .iter()
            .map(|vault| scope.spawn(|| vault.change_index(&mut |_, _| true).unwrap()))
            .collect();
        let writer = scope.spawn(|| {
            let mut made = Tokens::new();
            for turn in 0..60 {
                let number = number(random(40) as usize);
                let token = vaults[2].tokenize(&card(&number), &TokenizeOptions::of("c-1")).unwrap().token;
                let token = token.as_str();
                if turn % 3 == 0 {
                    vaults[2].deactivate(token.as_bytes()).unwrap();
                    vaults[2].reactivate(token.as_bytes()).unwrap();
                }
                assert_eq!(digits(&vaults[2], token).unwrap(), number);
                if turn % 5 == 0 {
                    vaults[2].delete(token.as_bytes()).unwrap();
                } else {
                    made.insert((String::new(), token.into()), number);
                }
            }
            made
        });
        for run in runs {
            assert_eq!(run.join().unwrap().damaged, vec![]);
        }
        writer.join().unwrap()
    });
    faulty.tokens.extend(made);
    faulty.vault.change_index(&mut |_, _| true).unwrap();
    faulty.are_one();
}

#[test]
fn cards_are_merged_under_writers_in_a_file() {
    under_writers(Faulty::in_file());
}

#[cfg(feature = "postgres")]
#[test]
fn two_rows_of_one_card_become_one_in_postgresql() {
    use std::sync::Arc;
    use support::postgres::{Server, Settings, present};
    if !present("PostgreSQL: two rows of one card") {
        return;
    }
    for isolation in ["'read committed'", "'serializable'"] {
        let lines = vec![("default_transaction_isolation", isolation), ("log_min_messages", "fatal")];
        let server = Arc::new(Server::new(&Settings { lines, ..Settings::default() }));
        for (name, test) in [("one", become_one as fn(Faulty)), ("two", under_writers)] {
            server.sql(&format!("create database {name}"));
            let place = Place::at(|_| server.url_of(name));
            let of = Arc::clone(&server);
            test(Faulty::at(place, Box::new(move |sql| of.sql_in(name, sql))));
        }
    }
}
