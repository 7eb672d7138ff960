//! A column that somebody has put something else into, of whatever type and length, damages its own row and no other.
//!
//! Each column of each table is edited in ten rows at once, with ten different values. A value that the database itself
//! refuses leaves its row whole.

#[path = "support/promised.rs"]
mod promised;
mod support;

use panseal::card::{Pan, Separators};
use panseal::error::{Code, Result};
use panseal::vault::{Damage, DamageKind, Grant, ListQuery, TokenizeOptions, Vault};
use promised::{Place, card, number};
use std::collections::BTreeSet;
use std::fs;

/// How many rows each merchant has of each kind.
const ROWS: usize = 12;

/// The tables with sealed rows: what tells a row, and the columns that its seal binds.
const SEALED: [(&str, &str, &str); 4] = [
    ("card", "id", "merchant id network iin last4 pan"),
    ("instrument", "token", "merchant token card customer expiry active created_at keep_until sealed"),
    ("customer", "id", "merchant id reference created_at updated_at deleted_at sealed"),
    ("credential", "id", "merchant id dialect subject scopes created_at expires_at revoked_at sealed"),
];
/// The others.
const OTHERS: [(&str, &str, &str); 4] = [
    ("merchant", "id", "id name"),
    ("card_fp", "fingerprint", "merchant fingerprint card generation"),
    ("idempotency", "key", "merchant key token at"),
    ("tombstone", "token", "merchant token"),
];

/// A database that can be edited, and put back as it was.
trait Base {
    /// What is put into a column, as SQL.
    fn values(&self) -> Vec<&'static str>;
    /// Runs a statement; one that the database refuses has no effect.
    fn try_to(&self, sql: &str);
    /// The rows of a table, each as a text.
    fn rows(&self, table: &str) -> BTreeSet<String>;
    /// The keys of a table's rows, as SQL, in their order.
    fn keys(&self, table: &str, key: &str) -> Vec<String>;
    /// A place where the vault is as it was filled.
    fn place(&mut self) -> &Place;
}

fn pan(place: usize) -> Pan {
    Pan::parse(number(place).as_bytes(), Separators::Dropped).unwrap_or_else(|_| panic!("a card number"))
}

fn fill(place: &Place) {
    let vault = place.open();
    for vault in [&vault, &vault.merchant("shop").unwrap()] {
        // No id is there twice, not even with another merchant: an edit is to be of one row.
        let merchant = if vault.merchant_name().is_empty() { "m" } else { "shop" };
        for row in 0..ROWS {
            let (customer, key) = (format!("{merchant}-{row:02}"), format!("{merchant}-k-{row:02}"));
            let options =
                TokenizeOptions { idempotency_key: &key, keep_until: 1, ..TokenizeOptions::of(&customer) };
            vault.tokenize(&card(&number(row)), &options).unwrap();
            vault.create_customer(&customer, &format!("r-{row:02}"), "{}").unwrap();
            let grant = Grant { dialect: "webpay", subject: "s", scopes: "a b", ..Grant::default() };
            vault.grant_signing(&grant, &customer, b"a key").unwrap();
        }
        let scheme = Some("surrogate:6+4".parse().unwrap());
        for row in 0..ROWS {
            let options = TokenizeOptions { scheme, ..TokenizeOptions::default() };
            let made = vault.tokenize(&card(&number(100 + row)), &options).unwrap();
            vault.delete(made.token.as_str().as_bytes()).unwrap();
        }
    }
    for row in 0..ROWS {
        let name = format!("x-{row:02}");
        let grant = Grant { dialect: "webpay", ..Grant::default() };
        vault.merchant(&name).unwrap().grant_signing(&grant, &name, b"a key").unwrap();
    }
}

/// Edits a column in a row for each value; says how many rows are not what they were.
fn edit(base: &dyn Base, table: &str, key: &str, column: &str) -> usize {
    let before = base.rows(table);
    for (value, row) in base.values().iter().zip(base.keys(table, key)) {
        base.try_to(&format!("update {table} set {column} = {value} where {key} = {row}"));
    }
    before.difference(&base.rows(table)).count()
}

/// All instruments, in pages of three; the tokens are different ones.
fn listed(vault: &Vault) -> Vec<(String, bool)> {
    let mut listed: Vec<(String, bool)> = Vec::new();
    loop {
        let after = listed.last().map(|(token, _)| token.clone());
        let query = ListQuery { after: after.as_deref(), limit: 3, ..ListQuery::default() };
        let page = vault.list(&query).unwrap();
        if page.is_empty() {
            break;
        }
        listed.extend(page.iter().map(|shown| (shown.token.to_string(), shown.damaged)));
    }
    let tokens: BTreeSet<_> = listed.iter().map(|(token, _)| token).collect();
    assert_eq!(tokens.len(), listed.len(), "a token is listed once");
    listed
}

/// How many customers are whole, in pages of three.
fn whole_customers(vault: &Vault) -> usize {
    let (mut whole, mut after) = (0, String::new());
    loop {
        let page = vault.customers(&after, 3).unwrap();
        whole += page.iter().filter(|customer| !customer.damaged && &*customer.data == "{}").count();
        let Some(last) = page.last() else { return whole };
        after = last.id.to_string();
    }
}

fn whole_credentials(vault: &Vault) -> usize {
    let (mut whole, mut after) = (0, String::new());
    loop {
        let page = vault.credentials(&after, 3).unwrap();
        whole += page.len();
        let Some(last) = page.last() else { return whole };
        after = last.id.to_string();
    }
}

fn of_kind(damaged: &[Damage], kind: &str) -> usize {
    damaged.iter().filter(|row| row.kind.name() == kind).count()
}

/// Nothing but an answer or the word that this row was tampered with.
fn answers<T>(answer: Result<T>) -> Option<T> {
    answer.map_err(|error| assert_eq!(error.code(), Code::Tampered)).ok()
}

/// What concerns the rows that were not edited goes on, whatever verb it is, and those that were are named.
fn only_these_rows_are_damaged(vault: &Vault, table: &str, edited: usize) {
    let other = vault.merchant("shop").unwrap();
    let all = |count: fn(&Vault) -> usize| count(vault) + count(&other);
    let is_sealed = SEALED.iter().any(|(name, ..)| *name == table);
    let gone = |of: &str| if of == table { edited } else { 0 };
    let report = vault.check_vault(&mut |_, _| true).unwrap();
    if is_sealed {
        assert_eq!(of_kind(&report.damaged, table), edited, "all are named: {:?}", report.damaged);
    }
    let whole_instruments = |vault: &Vault| listed(vault).iter().filter(|(_, damaged)| !damaged).count();
    if table != "merchant" {
        let damaged = gone("instrument") + gone("card");
        assert_eq!(all(whole_instruments), 2 * ROWS - damaged);
        assert_eq!(all(whole_customers), 2 * ROWS - gone("customer"));
        assert_eq!(all(whole_credentials), 2 * ROWS - gone("credential"));
    }
    let found = |vault: &Vault| {
        let asked = (0..ROWS).filter_map(|row| answers(vault.find(&pan(row))));
        asked.filter(|found| found.iter().any(|shown| !shown.damaged)).count()
    };
    if table != "merchant" {
        let lost = gone("card") + gone("instrument") + gone("card_fp");
        assert!(all(found) >= 2 * ROWS - lost, "{} found", all(found));
    }
    assert!(vault.status().is_ok());
}

/// All rows that are whole move to a new epoch and a new index key, and go when their time is over; damaged ones can be
/// deleted.
fn whole_rows_move_on_and_damaged_ones_go(vault: &Vault, table: &str, edited: usize) {
    assert_eq!(vault.rotate().unwrap(), 2);
    let rewrapped = vault.rewrap(&mut |_, _| true).unwrap();
    if SEALED.iter().any(|(name, ..)| *name == table) {
        assert_eq!(of_kind(&rewrapped.damaged, table), edited, "{:?}", rewrapped.damaged);
    }
    assert_eq!(rewrapped.damaged.iter().filter(|row| row.kind.name() != table).count(), 0);
    vault.change_index(&mut |_, _| true).unwrap();
    vault.destroy_even_if_damaged(1).unwrap();
    let status = vault.status().unwrap();
    assert!(status.epochs.iter().all(|epoch| epoch.key.id != 1 || !epoch.key.is_live()));
    let other = vault.merchant("shop").unwrap();
    for vault in [vault, &other] {
        vault.purge_expired().unwrap();
        for (token, damaged) in listed(vault) {
            assert!(damaged, "{table}: what is whole and over was purged");
            vault.delete(token.as_bytes()).unwrap();
        }
        assert_eq!(vault.count(&ListQuery::default()).unwrap(), 0);
    }
    let left = vault.check_vault(&mut |_, _| true).unwrap().damaged;
    let of_these =
        |row: &&Damage| row.kind == DamageKind::Instrument && ["", "shop"].contains(&&*row.merchant);
    assert_eq!(left.iter().find(of_these), None);
    for row in 0..ROWS {
        let (key, customer) = (format!("m-k-{row:02}"), format!("m-{row:02}"));
        let options = TokenizeOptions { idempotency_key: &key, ..TokenizeOptions::of(&customer) };
        let answer = vault.tokenize(&card(&number(row)), &options).map_err(|error| error.code());
        assert!(matches!(answer, Ok(_) | Err(Code::Token | Code::Tampered)), "{table}: {answer:?}");
    }
}

fn each_column_damages_its_own_rows(mut base: impl Base) {
    for (table, key, columns) in SEALED.into_iter().chain(OTHERS) {
        for column in columns.split(' ') {
            let place = base.place();
            let (url, root) = (place.url.clone(), place.root.clone());
            let edited = edit(&base, table, key, column);
            println!("{table}.{column}: {edited} rows edited");
            assert!(edited > 0, "{table}.{column}");
            let vault = promised::open(&url, &root).unwrap();
            only_these_rows_are_damaged(&vault, table, edited);
            if table != "merchant" {
                whole_rows_move_on_and_damaged_ones_go(&vault, table, edited);
            }
        }
    }
}

/// An SQLite file beside a copy of it.
struct File {
    place: Place,
}

impl Base for File {
    fn values(&self) -> Vec<&'static str> {
        vec![
            "null",
            "7",
            "'text'",
            "2.5",
            "x''",
            "x'00'",
            "zeroblob(300)",
            "cast(x'41ff' as text)",
            "-1",
            "9223372036854775807",
        ]
    }

    fn try_to(&self, sql: &str) {
        let _ = self.place.sql().execute_batch(sql);
    }

    fn rows(&self, table: &str) -> BTreeSet<String> {
        let sql = self.place.sql();
        let mut rows = sql.prepare(&format!("select * from {table}")).unwrap();
        let columns = rows.column_count();
        let text = |row: &rusqlite::Row<'_>| {
            Ok((0..columns).map(|at| format!("{:?};", row.get_ref(at).unwrap())).collect::<String>())
        };
        rows.query_map([], text).unwrap().map(|row| row.unwrap()).collect()
    }

    fn keys(&self, table: &str, key: &str) -> Vec<String> {
        let sql = self.place.sql();
        let mut keys = sql.prepare(&format!("select quote({key}) from {table} order by {key}")).unwrap();
        keys.query_map([], |row| row.get(0)).unwrap().map(|key| key.unwrap()).collect()
    }

    fn place(&mut self) -> &Place {
        let db = self.place.db();
        let filled = db.with_extension("filled");
        if !filled.exists() {
            fill(&self.place);
            self.place.sql().execute("vacuum into ?1", [filled.to_str().unwrap()]).unwrap();
        }
        for log in ["db-wal", "db-shm"] {
            let _ = fs::remove_file(db.with_extension(log));
        }
        fs::copy(filled, db).unwrap();
        &self.place
    }
}

#[test]
fn a_column_of_any_type_and_length_damages_its_own_row_alone_in_sqlite() {
    each_column_damages_its_own_rows(File { place: Place::sqlite() });
}

#[cfg(all(unix, feature = "postgres"))]
mod postgres {
    use super::*;
    use crate::support::postgres::{Server, Settings, present};

    /// A database beside the one of which it was made.
    struct Databases {
        server: Server,
        place: Option<Place>,
        made: usize,
    }

    impl Databases {
        fn name(&self) -> String {
            format!("vault{}", self.made)
        }

        fn sql(&self, sql: &str) -> String {
            self.server.sql_in(&self.name(), &format!("set search_path to panseal; {sql}"))
        }
    }

    impl Base for Databases {
        fn values(&self) -> Vec<&'static str> {
            vec![
                "null",
                "'7'",
                "'text'",
                "''",
                "'\\x'",
                "'\\x00'",
                "'\\xff'",
                "'03' || repeat('78', 300)",
                "'-1'",
                "'2147483647'",
            ]
        }

        fn try_to(&self, sql: &str) {
            self.sql(&format!("do $$ begin {sql}; exception when others then null; end $$"));
        }

        fn rows(&self, table: &str) -> BTreeSet<String> {
            self.sql(&format!("select t::text from {table} t")).lines().map(str::to_owned).collect()
        }

        fn keys(&self, table: &str, key: &str) -> Vec<String> {
            let keys = self.sql(&format!("select quote_literal({key}) from {table} order by {key}"));
            keys.lines().map(str::to_owned).collect()
        }

        fn place(&mut self) -> &Place {
            if self.made == 0 {
                self.server.sql("create database filled");
                let place = Place::at(|_| self.server.url_of("filled"));
                fill(&place);
                for (table, _, columns) in SEALED.into_iter().chain(OTHERS) {
                    for column in columns.split(' ') {
                        let sql = format!(
                            "set search_path to panseal; do $$ begin alter table {table} alter column {column}
                             drop not null; exception when others then null; end $$"
                        );
                        self.server.sql_in("filled", &sql);
                    }
                }
                self.place = Some(place);
            }
            self.made += 1;
            self.server.sql(&format!("create database {} template filled", self.name()));
            let url = self.server.url_of(&self.name());
            let place = self.place.as_mut().expect("it was filled");
            place.url = url;
            place
        }
    }

    #[test]
    fn a_column_of_any_type_and_length_damages_its_own_row_alone_in_postgresql() {
        if !present("PostgreSQL: damaged columns") {
            return;
        }
        let server = Server::new(&Settings::default());
        each_column_damages_its_own_rows(Databases { server, place: None, made: 0 });
    }
}
