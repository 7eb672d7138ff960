//! Whoever writes to the tables of a vault without its keys: what of it is noticed, table by table, and that nothing of it
//! ever leads to another card.
//!
//! `PANSEAL_TRIALS` says how often each table is changed in each way (100 in `make check-deep`), `PANSEAL_SEED` where the
//! random numbers begin, `PANSEAL_TABLE` which table alone is changed, `PANSEAL_SHOW` whether to show what is not noticed.
#![cfg(unix)]

#[path = "tampering/answers.rs"]
mod answers;
#[path = "support/promised.rs"]
mod promised;
mod support;

use answers::{Answers, Kept, Ledger, Outcome, ask, judge};
use panseal::vault::ListQuery;
use promised::Place;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;

/// The tables, and the columns of their keys.
const TABLES: [(&str, &str); 15] = [
    ("fence", "id"),
    ("epoch", "kind, id"),
    ("revoked", "id"),
    ("merchant", "id, name"),
    ("card", "merchant, id"),
    ("card_fp", "merchant, fingerprint"),
    ("instrument", "merchant, token"),
    ("customer", "merchant, id"),
    ("idempotency", "merchant, key"),
    ("tombstone", "merchant, token"),
    ("credential", "id"),
    ("audit", "merchant, chain, seq"),
    ("audit_main", "merchant, seq"),
    ("chain", "merchant, id"),
    ("audit_old", "merchant, seq"),
];

/// Ways to change a table.
const WAYS: [&str; 5] = ["edit", "delete", "insert", "swap", "truncate"];

/// Random numbers that come again with their seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    /// Something else of the same type.
    fn other(&mut self, value: &Value) -> Value {
        match value {
            Value::Integer(number) => {
                let near = [number.wrapping_add(1), number.wrapping_sub(1), 0, 1, -number, 1 << 40];
                Value::Integer(near[self.below(near.len())])
            }
            Value::Text(text) => Value::Text(match self.below(4) {
                0 => String::new(),
                1 => format!("{text}x"),
                2 => text.chars().skip(1).collect(),
                _ => text.chars().rev().collect(),
            }),
            Value::Blob(bytes) => {
                let mut bytes = bytes.clone();
                match self.below(4) {
                    0 => drop(bytes.pop()),
                    1 => bytes.push(0),
                    _ if bytes.is_empty() => bytes.push(1),
                    _ => {
                        let place = self.below(bytes.len());
                        bytes[place] ^= 1 << self.below(8);
                    }
                }
                Value::Blob(bytes)
            }
            Value::Null | Value::Real(_) => Value::Text("x".into()),
        }
    }
}

/// A table as it is, to be changed.
struct Table<'t> {
    name: &'t str,
    key: Vec<String>,
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl<'t> Table<'t> {
    fn read(sql: &Connection, name: &'t str, key: &str) -> Table<'t> {
        let mut query = sql.prepare(&format!("select * from {name}")).unwrap();
        let columns: Vec<String> = query.column_names().iter().map(|&name| name.into()).collect();
        let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|place| row.get(place)).collect();
        let rows = query.query_map([], row).unwrap().map(|row| row.unwrap()).collect();
        Table { name, key: key.split(", ").map(str::to_owned).collect(), columns, rows }
    }

    fn place_of(&self, column: &str) -> usize {
        self.columns.iter().position(|name| name == column).unwrap()
    }

    /// Where a row is, as SQL with the row's own values.
    fn at(&self, row: &[Value]) -> String {
        let is = |column: &String| format!("{column} is {}", literal(&row[self.place_of(column)]));
        self.key.iter().map(is).collect::<Vec<_>>().join(" and ")
    }

    /// SQL that changes the table in one of the ways; nothing where the dice have fallen on what it is already.
    fn change(&self, way: &str, dice: &mut Dice) -> Option<String> {
        let name = self.name;
        let row = &self.rows[dice.below(self.rows.len())];
        match way {
            "edit" => {
                let column = dice.below(self.columns.len());
                let value = dice.other(&row[column]);
                let set = format!("{} = {}", self.columns[column], literal(&value));
                (value != row[column]).then(|| format!("update {name} set {set} where {}", self.at(row)))
            }
            "delete" => Some(format!("delete from {name} where {}", self.at(row))),
            "insert" => {
                let mut copy = row.clone();
                for name in &self.key {
                    let column = self.place_of(name);
                    if dice.below(2) == 0 {
                        copy[column] = dice.other(&copy[column]);
                    }
                }
                let values: Vec<String> = copy.iter().map(literal).collect();
                Some(format!("insert into {name} values ({})", values.join(", ")))
            }
            "swap" => self.swap(row, &self.rows[dice.below(self.rows.len())], dice),
            _ => {
                let first = dice.below(self.rows.len());
                let gone = self.rows[first..].iter().map(|row| format!("({})", self.at(row)));
                Some(format!("delete from {name} where {}", gone.collect::<Vec<_>>().join(" or ")))
            }
        }
    }

    /// Two rows change what stands in one column, or in all but their keys; those that are all key, a part of that.
    fn swap(&self, row: &[Value], other: &[Value], dice: &mut Dice) -> Option<String> {
        let mut columns: Vec<&String> = self.columns.iter().collect();
        if self.columns.len() > self.key.len() {
            columns.retain(|name| !self.key.contains(name));
        }
        columns.retain(|name| row[self.place_of(name)] != other[self.place_of(name)]);
        if columns.is_empty() {
            return None;
        }
        if self.columns.len() == self.key.len() || dice.below(2) == 0 {
            columns = vec![columns[dice.below(columns.len())]];
        }
        let name = self.name;
        let delete = format!("delete from {name} where {} or {};", self.at(row), self.at(other));
        let swapped = |row: &[Value], from: &[Value]| {
            let value = |(place, value): (usize, &Value)| {
                literal(if columns.contains(&&self.columns[place]) { &from[place] } else { value })
            };
            let values: Vec<String> = row.iter().enumerate().map(value).collect();
            format!("insert into {name} values ({});", values.join(", "))
        };
        Some(delete + &swapped(row, other) + &swapped(other, row))
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => {
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            format!("cast(x'{hex}' as text)")
        }
        Value::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{hex}'")
        }
    }
}

/// A vault in which every table has rows, closed and copied for each change.
struct Vaults {
    place: Place,
    saved: PathBuf,
    ledger: Ledger,
    before: Answers,
}

impl Vaults {
    fn new() -> Vaults {
        let vector =
            |name: &str| fs::read_to_string(support::root().join("tests/vectors").join(name)).unwrap();
        let book: serde_json::Value = serde_json::from_str(&vector("vault_v3.json")).unwrap();
        let place = Place::without_disk();
        fs::write(place.folder.path().join("cards.root"), book["root"].as_str().unwrap()).unwrap();
        place.sql().execute_batch(&vector("vault_v3.sql")).unwrap();
        let vault = place.open();
        vault.change_index(&mut |_, _| true).unwrap();
        let ledger = read_ledger(&book, vault.status().unwrap().audit_head);
        for merchant in &ledger.merchants {
            let vault = vault.merchant(merchant).unwrap();
            assert!(vault.count(&ListQuery::default()).unwrap() < 1000);
        }
        drop(vault);
        // Now everything is joined and anchored.
        let ledger = Ledger { head: place.open().status().unwrap().audit_head, ..ledger };
        place.sql().query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
        let saved = place.folder.path().join("saved.db");
        fs::copy(place.db(), &saved).unwrap();
        let mut vaults = Vaults { place, saved, ledger, before: Answers::new() };
        vaults.before = vaults.after("");
        let wrong: Vec<_> = vaults.before.iter().filter(|(_, answer)| answer.is_err()).collect();
        let inactive = |(what, _): &&(&String, _)| !what.starts_with("detokenize");
        assert_eq!(wrong.iter().filter(inactive).count(), 0, "{wrong:?}");
        vaults
    }

    /// A fresh copy, changed.
    fn changed(&self, sql: &str) -> rusqlite::Result<bool> {
        for beside in ["cards.db-wal", "cards.db-shm"] {
            let _ = fs::remove_file(self.place.folder.path().join(beside));
        }
        fs::copy(&self.saved, self.place.db()).unwrap();
        let on = self.place.sql();
        on.execute_batch(&format!("begin; {sql}; commit"))?;
        Ok(on.total_changes() > 0)
    }

    /// The answers of a copy that was changed.
    fn after(&self, sql: &str) -> Answers {
        self.changed(sql).unwrap();
        ask(&self.place, &self.ledger)
    }

    fn tables(&self) -> Vec<Table<'static>> {
        let sql = Connection::open(&self.saved).unwrap();
        TABLES.iter().map(|(name, key)| Table::read(&sql, name, key)).collect()
    }
}

fn read_ledger(book: &serde_json::Value, head: [u8; 32]) -> Ledger {
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = |name: &str| book[name].as_array().unwrap().clone();
    let mut merchants: Vec<String> = rows("customers").iter().map(|row| text(row, "merchant")).collect();
    merchants.dedup();
    let kept = |row: &serde_json::Value| Kept {
        merchant: text(row, "merchant"),
        token: text(row, "token"),
        number: text(row, "number"),
        customer: text(row, "customer"),
        key: text(row, "key"),
    };
    let keys = rows("credentials");
    let both = |row: &serde_json::Value| [text(row, "bearer"), text(row, "revoked")];
    Ledger {
        merchants,
        tokens: rows("tokens").iter().map(kept).collect(),
        customers: rows("customers").iter().map(|row| (text(row, "merchant"), text(row, "id"))).collect(),
        bearers: keys.iter().flat_map(both).collect(),
        signing: keys.iter().map(|row| text(row, "signing")).collect(),
        head,
    }
}

/// What is noticed of every change that takes nothing away, and what of everything.
const NEVER_CHANGED: [&str; 12] = [
    "fence",
    "epoch",
    "revoked",
    "merchant",
    "card",
    "card_fp",
    "instrument",
    "customer",
    "credential",
    "audit",
    "audit_main",
    "audit_old",
];
const ALWAYS_NOTICED: [&str; 4] = ["epoch", "revoked", "audit", "audit_main"];

#[test]
fn no_change_of_any_table_leads_to_another_card() {
    let number = |name, default| env::var(name).map_or(default, |text| text.parse().unwrap());
    let (trials, seed) = (number("PANSEAL_TRIALS", 2), number("PANSEAL_SEED", 12));
    println!("seed {seed}, {trials} of each: noticed, without effect, missing, changed");
    let vaults = Vaults::new();
    let only = env::var("PANSEAL_TABLE").unwrap_or_default();
    let mut broken = Vec::new();
    for (at, table) in vaults.tables().iter().enumerate() {
        if !only.is_empty() && only != table.name {
            continue;
        }
        assert!(!table.rows.is_empty(), "{}", table.name);
        let mut words = Vec::new();
        for (way_at, way) in WAYS.iter().enumerate() {
            let mut counts = BTreeMap::new();
            let mut dice = Dice(seed + 1000 * at as u64 + 100 * way_at as u64);
            for _ in 0..trials {
                let Some((sql, outcome, said)) = one(&vaults, table, way, &mut dice) else { break };
                *counts.entry(outcome).or_insert(0) += 1;
                let wrong = outcome == Outcome::Changed && NEVER_CHANGED.contains(&table.name)
                    || outcome == Outcome::Missing && ALWAYS_NOTICED.contains(&table.name);
                if wrong || env::var_os("PANSEAL_SHOW").is_some() && outcome >= Outcome::Missing {
                    println!("{outcome:?}: {sql}\n    {}", said.join("\n    "));
                }
                if wrong {
                    broken.push(sql);
                }
            }
            let of = |outcome| counts.get(&outcome).copied().unwrap_or(0);
            words.push(format!(
                "{way} {}/{}/{}/{}",
                of(Outcome::Noticed),
                of(Outcome::WithoutEffect),
                of(Outcome::Missing),
                of(Outcome::Changed)
            ));
        }
        println!("{}: {}", table.name, words.join(", "));
    }
    assert!(broken.is_empty(), "unnoticed: {broken:#?}");
}

/// A change that the database takes, and what it comes to; nothing where it takes none.
fn one(
    vaults: &Vaults,
    table: &Table<'_>,
    way: &str,
    dice: &mut Dice,
) -> Option<(String, Outcome, Vec<String>)> {
    for _ in 0..50 {
        let Some(sql) = table.change(way, dice) else { continue };
        if let Ok(true) = vaults.changed(&sql) {
            let after = ask(&vaults.place, &vaults.ledger);
            let (outcome, said) = judge(&vaults.before, &after, &vaults.ledger);
            return Some((sql, outcome, said));
        }
    }
    None
}
