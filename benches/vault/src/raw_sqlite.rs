//! The raw side on SQLite: rusqlite, prepared statements, the vault's tables and settings.

use super::row::{MERCHANT, RawRow, TOKENIZE};
use rusqlite::{Connection, Row, Statement, params};
use std::fs;
use std::path::Path;

/// A connection to a vault's file, set up as the vault sets up its own.
pub fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("the vault's file");
    let settings = [
        ("journal_mode", "wal"),
        ("synchronous", "full"),
        ("wal_autocheckpoint", "8000"),
        ("cache_size", "-16384"),
        ("secure_delete", "on"),
        ("temp_store", "memory"),
        ("trusted_schema", "off"),
    ];
    for (name, value) in settings {
        connection.pragma_update(None, name, value).expect("a setting");
    }
    connection
}

/// [`connect`], to write: with the larger cache and the check of pages that the vault writes with.
pub fn connect_to_write(path: &Path) -> Connection {
    let connection = connect(path);
    for (name, value) in [("cache_size", "-65536"), ("cell_size_check", "on")] {
        connection.pragma_update(None, name, value).expect("a setting");
    }
    connection
}

/// The number of the merchant, whose row is made where it is not there.
pub fn merchant(connection: &Connection) -> i64 {
    let make = "insert into merchant (name) values (?1) on conflict (name) do nothing";
    connection.execute(make, [MERCHANT]).expect("a merchant");
    let number =
        connection.query_row("select id from merchant where name = ?1", [MERCHANT], |row| row.get(0));
    number.expect("a merchant")
}

/// Raw lines stand in a chain that no vault opens.
const CHAIN: i64 = -1;

/// Inserts, prepared once.
pub struct Inserts<'c> {
    merchant: i64,
    last_line: i64,
    begin: Statement<'c>,
    card: Statement<'c>,
    print: Statement<'c>,
    instrument: Statement<'c>,
    audit: Statement<'c>,
    commit: Statement<'c>,
}

impl<'c> Inserts<'c> {
    pub fn new(connection: &'c Connection) -> Inserts<'c> {
        let merchant = merchant(connection);
        let last_line = "select coalesce(max(seq), 0) from audit where merchant = ?1 and chain = ?2";
        let last_line = connection.query_row(last_line, [merchant, CHAIN], |row| row.get(0));
        let prepare = |sql: &str| connection.prepare(sql).expect("a statement");
        Inserts {
            merchant,
            last_line: last_line.expect("lines"),
            begin: prepare("begin immediate"),
            card: prepare(
                "insert into card (id, merchant, network, iin, last4, pan) values (?1, ?2, ?3, ?4, ?5, ?6)",
            ),
            print: prepare(
                "insert into card_fp (merchant, fingerprint, card, generation) values (?1, ?2, ?3, ?4)",
            ),
            instrument: prepare(
                "insert into instrument
                 (merchant, token, card, customer, expiry, active, created_at, keep_until, sealed)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            ),
            audit: prepare(
                "insert into audit (merchant, chain, seq, at, actor, action, token, reason, mac)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            ),
            commit: prepare("commit"),
        }
    }

    /// Writes rows in one transaction.
    pub fn write(&mut self, rows: &[RawRow]) {
        self.begin.execute([]).expect("begin");
        let merchant = self.merchant;
        for row in rows {
            let RawRow { card, iin, last4, pan, print, token, created_at, sealed, mac } = row;
            self.card.execute(params![card, merchant, "visa", iin, last4, pan]).expect("a card");
            self.print.execute(params![merchant, print, card, 1]).expect("a fingerprint");
            let instrument = params![merchant, token, card, "", 203_112, 1, created_at, 0, sealed];
            self.instrument.execute(instrument).expect("an instrument");
            self.last_line += 1;
            let line = params![merchant, CHAIN, self.last_line, created_at, "", TOKENIZE, token, "", mac];
            self.audit.execute(line).expect("a line");
        }
        self.commit.execute([]).expect("commit");
    }
}

/// The columns that a look-up reads.
pub const SELECT: &str = "
    select i.token, i.card, i.customer, i.expiry, i.active, i.created_at, i.keep_until, i.sealed,
           c.id, c.network, c.iin, c.last4, c.pan
    from instrument i left join card c on c.merchant = i.merchant and c.id = i.card where i.merchant = ?1 and i.token = ?2";

/// One step of [`SELECT`]: a token is looked for in its index, and nothing else is read.
pub const IN_INDEX: &str = "select token from instrument where merchant = ?1 and token = ?2";

/// All columns of a row of [`SELECT`], as values that one can keep.
pub fn columns(row: &Row<'_>) -> rusqlite::Result<impl Sized + use<>> {
    type Text = String;
    let instrument: (Vec<u8>, Vec<u8>, Text, i32, bool) =
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
    let rest: (i64, i64, Vec<u8>) = (row.get(5)?, row.get(6)?, row.get(7)?);
    let card: (Vec<u8>, Text, Text, Text, Vec<u8>) =
        (row.get(8)?, row.get(9)?, row.get(10)?, row.get(11)?, row.get(12)?);
    Ok((instrument, rest, card))
}

/// Moves the whole log into the file, so that the next write begins it anew.
pub fn checkpoint(connection: &Connection) {
    let busy: i64 =
        connection.query_row("pragma wal_checkpoint(restart)", [], |row| row.get(0)).expect("a log");
    assert_eq!(busy, 0, "the log is in use");
}

/// How many commits the log holds since it was begun anew: frames with a size of the database in their header.
pub fn commits(path: &Path) -> usize {
    let log = fs::read(path.with_extension("db-wal")).expect("the log");
    let word = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().expect("a word"));
    let (page, salt) = (word(8) as usize, &log[16..24]);
    let frames = log[32..].chunks_exact(24 + page).take_while(|frame| frame[8..16] == *salt);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}
