//! What a write adds, in one statement and one round trip.
//!
//! A call that stores one card, or leaves nothing but a line, gives its values one by one and names no table to which it
//! adds nothing: arrays of one cost the server more than what is in them.

use super::super::Fresh;
use super::super::packed::Packed;
use super::rows::{PostgresRows, column, unsigned};
use crate::error::{Code, Result};
use postgres::types::ToSql;
use std::sync::OnceLock;

/// A table, and its columns behind the merchant's with their types.
struct Table {
    name: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

/// In the order in which they are written.
const TABLES: [Table; 5] = [
    Table {
        name: "card",
        columns: &[
            ("id", "bytea"),
            ("network", "text"),
            ("iin", "text"),
            ("last4", "text"),
            ("pan", "bytea"),
        ],
    },
    Table { name: "card_fp", columns: &[("fingerprint", "bytea"), ("card", "bytea"), ("generation", "int")] },
    Table {
        name: "instrument",
        columns: &[
            ("token", "bytea"),
            ("card", "bytea"),
            ("customer", "text"),
            ("expiry", "int"),
            ("active", "int"),
            ("created_at", "bigint"),
            ("keep_until", "bigint"),
            ("sealed", "bytea"),
        ],
    },
    Table { name: "idempotency", columns: &[("key", "text"), ("token", "bytea"), ("at", "bigint")] },
    Table {
        name: "audit",
        columns: &[
            ("chain", "bigint"),
            ("seq", "bigint"),
            ("at", "bigint"),
            ("actor", "text"),
            ("action", "bigint"),
            ("token", "bytea"),
            ("reason", "text"),
            ("mac", "bytea"),
        ],
    },
];

/// The fields of a column.
trait Column {
    /// All of them, or the one that there is.
    fn value(&self, single: bool) -> &(dyn ToSql + Sync);
}

impl<T: ToSql + Sync> Column for Vec<T> {
    fn value(&self, single: bool) -> &(dyn ToSql + Sync) {
        match self.first() {
            Some(one) if single => one,
            _ => self,
        }
    }
}

impl PostgresRows<'_> {
    /// Everything that is new, under the merchant's number.
    pub(super) fn insert_fresh(&self, merchant: i64, fresh: &Fresh<'_>) -> Result<()> {
        let Fresh { cards, instruments, lines, keys, .. } = fresh;
        let mut prints: Vec<_> = fresh.prints.iter().collect();
        // Two writers with the same cards take them in the same order.
        prints.sort_unstable_by_key(|(print, _)| print.print);
        let tokens = column(instruments, |row| Packed::of(&row.token));
        let used = column(keys, |used| Packed::of(used.token));
        let about = column(lines, |line| Packed::of_text(&line.row.token));
        let of_cards: &[&dyn Column] = &[
            &column(cards, |row| &row.id[..]),
            &column(cards, |row| row.network.as_str()),
            &column(cards, |row| row.iin.as_str()),
            &column(cards, |row| row.last4.as_str()),
            &column(cards, |row| &row.sealed[..]),
        ];
        let of_prints: &[&dyn Column] = &[
            &column(&prints, |(print, _)| &print.print[..]),
            &column(&prints, |(_, card)| &card[..]),
            &column(&prints, |(print, _)| print.generation as i32),
        ];
        let of_instruments: &[&dyn Column] = &[
            &column(&tokens, Packed::as_bytes),
            &column(instruments, |row| &row.card[..]),
            &column(instruments, |row| row.customer.as_str()),
            &column(instruments, |row| row.expiry),
            &column(instruments, |row| i32::from(row.active)),
            &column(instruments, |row| row.created_at),
            &column(instruments, |row| row.keep_until),
            &column(instruments, |row| &row.sealed[..]),
        ];
        let of_keys: &[&dyn Column] = &[
            &column(keys, |used| used.key),
            &column(&used, Packed::as_bytes),
            &column(keys, |used| used.at),
        ];
        let of_lines: &[&dyn Column] = &[
            &column(lines, |line| line.chain),
            &column(lines, |line| line.seq),
            &column(lines, |line| line.row.at),
            &column(lines, |line| line.row.actor.as_str()),
            &column(lines, |line| line.row.action.number()),
            &column(&about, Packed::as_bytes),
            &column(lines, |line| line.row.reason.as_str()),
            &column(lines, |line| &line.mac[..]),
        ];
        let columns = [of_cards, of_prints, of_instruments, of_keys, of_lines];
        let counts = [cards.len(), prints.len(), instruments.len(), keys.len(), lines.len()];
        let single = counts.iter().all(|count| *count <= 1);
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&merchant];
        for (columns, count) in columns.iter().zip(counts) {
            if count > 0 {
                values.extend(columns.iter().map(|column| column.value(single)));
            }
        }
        let wanted: usize = counts.iter().sum();
        if wanted == 0 || self.inserted(counts.map(|count| count > 0), single, &values)? == wanted as u64 {
            Ok(())
        } else {
            Err(Code::Tampered.into())
        }
    }

    /// Runs the inserts into some of the tables, and says how many rows they have added. None adds more than it is given:
    /// the sum tells whether each has added its own.
    fn inserted(&self, into: [bool; 5], single: bool, values: &[&(dyn ToSql + Sync)]) -> Result<u64> {
        const WAYS: usize = 2 << TABLES.len();
        static STATEMENTS: [OnceLock<String>; WAYS] = [const { OnceLock::new() }; WAYS];
        let way = into.iter().fold(usize::from(single), |way, into| 2 * way + usize::from(*into));
        let sql = STATEMENTS[way].get_or_init(|| statement(into, single));
        if into.iter().filter(|into| **into).count() == 1 {
            return Ok(self.change(sql, values)? as u64);
        }
        Ok(self.find(sql, values, |row| unsigned(row, 0))?.unwrap_or(0))
    }
}

/// One insert alone, or several of which the rows are counted.
fn statement(into: [bool; 5], single: bool) -> String {
    let mut inserts = Vec::new();
    let mut first = 2;
    for (table, _) in TABLES.iter().zip(into).filter(|(_, into)| *into) {
        inserts.push((table.name, insert(table, first, single)));
        first += table.columns.len();
    }
    if let [(_, alone)] = &inserts[..] {
        return alone.clone();
    }
    let list = |part: &dyn Fn(&(&str, String)) -> String, between: &str| {
        inserts.iter().map(part).collect::<Vec<_>>().join(between)
    };
    let made = list(&|(name, insert)| format!("new_{name} as ({insert} returning 1)"), ", ");
    let rows = list(&|(name, _)| format!("select 1 from new_{name}"), " union all ");
    format!("with {made} select count(*) from ({rows}) as new")
}

/// The insert into a table, whose values begin at a place.
fn insert(table: &Table, first: usize, single: bool) -> String {
    let Table { name, columns } = table;
    let list = |field: &dyn Fn(usize, &str, &str) -> String| {
        let fields = columns.iter().zip(first..).map(|((name, kind), at)| field(at, name, kind));
        fields.collect::<Vec<_>>().join(", ")
    };
    let names = list(&|_, name, _| name.into());
    let rows = if single {
        format!("values ($1::bigint, {})", list(&|at, _, kind| format!("${at}::{kind}")))
    } else {
        let arrays = list(&|at, _, kind| format!("${at}::{kind}[]"));
        let fields = list(&|_, name, _| format!("u.{name}"));
        format!("select $1::bigint, {fields} from unnest({arrays}) as u ({names})")
    };
    format!("insert into {name} (merchant, {names}) {rows}")
}
