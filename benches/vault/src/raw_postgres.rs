//! The raw side on PostgreSQL: prepared statements in a transaction, row by row or as arrays.

use super::row::{MERCHANT, RawRow, TOKENIZE, random};
use postgres::types::ToSql;
use postgres::{Client, NoTls, Row, Statement};

pub struct Raw {
    client: Client,
    merchant: i64,
    /// Of its own: lines of other sessions are in nobody's way.
    chain: i64,
    last_line: i64,
    card: Statement,
    print: Statement,
    instrument: Statement,
    audit: Statement,
    cards: Statement,
    prints: Statement,
    instruments: Statement,
    audits: Statement,
    select: Statement,
}

impl Raw {
    pub fn new(url: &str) -> Raw {
        let mut client = Client::connect(url, NoTls).expect("a session");
        client.batch_execute("set search_path to panseal; set synchronous_commit to on").expect("a session");
        let merchant = merchant(&mut client);
        let mut prepare = |sql: &str| client.prepare(sql).expect("a statement");
        Raw {
            merchant,
            chain: -number(),
            last_line: 0,
            card: prepare("insert into card (id, merchant, network, iin, last4, pan) values ($1, $2, $3, $4, $5, $6)"),
            print: prepare("insert into card_fp (merchant, fingerprint, card, generation) values ($1, $2, $3, $4)"),
            instrument: prepare(
                "insert into instrument
                 (merchant, token, card, customer, expiry, active, created_at, keep_until, sealed)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            ),
            audit: prepare(
                "insert into audit (merchant, chain, seq, at, actor, action, token, reason, mac)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            ),
            cards: prepare(
                "insert into card (id, merchant, network, iin, last4, pan)
                 select * from unnest($1::bytea[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bytea[])",
            ),
            prints: prepare(
                "insert into card_fp (merchant, fingerprint, card, generation)
                 select * from unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::int[])",
            ),
            instruments: prepare(
                "insert into instrument
                 (merchant, token, card, customer, expiry, active, created_at, keep_until, sealed)
                 select * from unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::text[], $5::int[], $6::int[],
                                      $7::bigint[], $8::bigint[], $9::bytea[])",
            ),
            audits: prepare(
                "insert into audit (merchant, chain, seq, at, actor, action, token, reason, mac)
                 select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[],
                                      $6::bigint[], $7::bytea[], $8::text[], $9::bytea[])",
            ),
            select: prepare(
                "select i.token, i.card, i.customer, i.expiry, i.active, i.created_at, i.keep_until, i.sealed,
                        c.id, c.network, c.iin, c.last4, c.pan
                 from instrument i left join card c on c.merchant = i.merchant and c.id = i.card
                 where i.merchant = $1 and i.token = $2",
            ),
            client,
        }
    }

    /// Writes a row in a transaction, a statement a table.
    pub fn write(&mut self, row: &RawRow) {
        let RawRow { card, iin, last4, pan, print, token, created_at, sealed, mac } = row;
        let (merchant, token) = (self.merchant, &token[..]);
        self.last_line += 1;
        let mut transaction = self.client.transaction().expect("begin");
        let mut execute = |statement: &Statement, values: &[&(dyn ToSql + Sync)]| {
            transaction.execute(statement, values).expect("a row");
        };
        execute(&self.card, &[&&card[..], &merchant, &"visa", iin, last4, pan]);
        execute(&self.print, &[&merchant, &&print[..], &&card[..], &1]);
        let instrument: [&(dyn ToSql + Sync); 9] =
            [&merchant, &token, &&card[..], &"", &203_112, &1, created_at, &0i64, sealed];
        execute(&self.instrument, &instrument);
        let line: [&(dyn ToSql + Sync); 9] =
            [&merchant, &self.chain, &self.last_line, created_at, &"", &TOKENIZE, &token, &"", &&mac[..]];
        execute(&self.audit, &line);
        transaction.commit().expect("commit");
    }

    /// Writes rows in a transaction, as arrays.
    pub fn write_many(&mut self, rows: &[RawRow]) {
        let merchant = vec![self.merchant; rows.len()];
        let empty = vec![""; rows.len()];
        let card = column(rows, |row| &row.card[..]);
        let token = column(rows, |row| &row.token[..]);
        let at = column(rows, |row| row.created_at);
        let mut transaction = self.client.transaction().expect("begin");
        let mut execute = |statement: &Statement, values: &[&(dyn ToSql + Sync)]| {
            assert_eq!(transaction.execute(statement, values).expect("rows"), rows.len() as u64);
        };
        let cards: [&(dyn ToSql + Sync); 6] = [
            &card,
            &merchant,
            &vec!["visa"; rows.len()],
            &column(rows, |row| row.iin.as_str()),
            &column(rows, |row| row.last4.as_str()),
            &column(rows, |row| &row.pan[..]),
        ];
        execute(&self.cards, &cards);
        let prints = column(rows, |row| &row.print[..]);
        execute(&self.prints, &[&merchant, &prints, &card, &vec![1; rows.len()]]);
        let instruments: [&(dyn ToSql + Sync); 9] = [
            &merchant,
            &token,
            &card,
            &empty,
            &vec![203_112; rows.len()],
            &vec![1; rows.len()],
            &at,
            &vec![0i64; rows.len()],
            &column(rows, |row| &row.sealed[..]),
        ];
        execute(&self.instruments, &instruments);
        let first = self.last_line + 1;
        self.last_line += rows.len() as i64;
        let lines: [&(dyn ToSql + Sync); 9] = [
            &merchant,
            &vec![self.chain; rows.len()],
            &(first..=self.last_line).collect::<Vec<i64>>(),
            &at,
            &empty,
            &vec![TOKENIZE; rows.len()],
            &token,
            &empty,
            &column(rows, |row| &row.mac[..]),
        ];
        execute(&self.audits, &lines);
        transaction.commit().expect("commit");
    }

    /// Reads what a look-up reads, as values that one can keep.
    pub fn read(&mut self, token: &[u8]) -> impl Sized + use<> {
        let row: Row = self.client.query_one(&self.select, &[&self.merchant, &token]).expect("a row");
        let instrument: (Vec<u8>, Vec<u8>, String, i32, i32, i64, i64, Vec<u8>) =
            (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5), row.get(6), row.get(7));
        let card: (Vec<u8>, String, String, String, Vec<u8>) =
            (row.get(8), row.get(9), row.get(10), row.get(11), row.get(12));
        (instrument, card)
    }
}

/// The number of the merchant, whose row is made where it is not there.
fn merchant(client: &mut Client) -> i64 {
    let make = "insert into merchant (id, name) values ($1, $2) on conflict do nothing";
    client.execute(make, &[&number(), &MERCHANT]).expect("a merchant");
    client.query_one("select id from merchant where name = $1", &[&MERCHANT]).expect("a merchant").get(0)
}

/// Positive and random.
fn number() -> i64 {
    (i64::from_be_bytes(random()) & i64::MAX).max(1)
}

fn column<'r, T>(rows: &'r [RawRow], value: impl Fn(&'r RawRow) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
