//! The rows of a vault in SQL, as SQLite speaks it. Statements are prepared once a connection.

use super::super::audit::{Lane, new_or_again};
use super::super::packed::{self, Packed};
use super::super::tenants::{Tenants, stray};
use super::super::{
    AuditRows, CardRow, CredentialRow, CustomerRow, Fingerprint, Fresh, Id, InstrumentRow, Listing, Print,
    Rows, Tally,
};
use super::failed;
use crate::error::{Code, Result};
use crate::scheme::Token;
use crate::secret::reserve;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Params, Row, Statement, ToSql, params};
use std::cell::RefCell;

/// The columns that make an instrument, and a card.
macro_rules! instrument_columns {
    () => {
        "i.token, i.card, i.customer, i.expiry, i.active, i.created_at, i.keep_until, i.sealed"
    };
}
macro_rules! card_columns {
    () => {
        "c.id, c.network, c.iin, c.last4, c.pan"
    };
}
macro_rules! credential_columns {
    () => {
        "k.id, coalesce(m.name, char(1) || k.merchant), k.dialect, k.subject, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.sealed"
    };
}
const INSTRUMENT_COLUMNS: usize = 8;
const CARD_COLUMNS: usize = 5;

/// Which rows a listing has. A customer is looked for by its index, which a condition that may be absent would not be.
fn listed(what: &str, query: &Listing<'_>, order: &str) -> String {
    let customer = if query.customer.is_some() { "i.customer = ?2" } else { "?2 is null" };
    format!(
        "select {what} from instrument i left join card c on c.merchant = i.merchant and c.id = i.card
         where i.merchant = ?1 and {customer} and (?3 is null or i.active = ?3) {order}"
    )
}

/// The rows behind a connection.
pub struct SqliteRows<'c>(pub &'c Connection, pub &'c Tenants, pub Option<&'c RefCell<Lane>>);

impl SqliteRows<'_> {
    /// A merchant's number; 0, which none has, where it has no row yet. `Tampered` where a row says that one has it.
    pub fn tenant(&self, merchant: &str) -> Result<i64> {
        if let Some(number) = stray(merchant).or_else(|| self.1.get(merchant)) {
            return Ok(number);
        }
        let found = self.find("select id from merchant where name = ?1", [merchant], |row| row.get(0))?;
        match found {
            Some(0) => return Err(Code::Tampered.into()),
            Some(number) => self.1.note(merchant, number),
            None => {}
        }
        Ok(found.unwrap_or(0))
    }

    /// The number of the merchant behind whose row a page begins; the least of all numbers before the first page, so
    /// that rows with a number that nobody was given are seen too.
    fn behind(&self, merchant: Option<&str>) -> Result<i64> {
        merchant.map_or(Ok(i64::MIN), |merchant| self.tenant(merchant))
    }

    /// A merchant's number, which it gets where it has none.
    pub fn tenant_or_new(&self, merchant: &str) -> Result<i64> {
        let known = self.tenant(merchant)?;
        if known != 0 {
            return Ok(known);
        }
        self.change_one("insert into merchant (name) values (?1)", [merchant])?;
        let number = self.0.last_insert_rowid();
        self.1.note(merchant, number);
        Ok(number)
    }

    /// How many rows a statement changed.
    pub(super) fn change(&self, sql: &str, values: impl Params) -> Result<usize> {
        self.0.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(failed)
    }

    /// A statement that changes one row: `Tampered` where it did not.
    pub(super) fn change_one(&self, sql: &str, values: impl Params) -> Result<()> {
        one(self.change(sql, values)?)
    }

    /// Removes a row; says whether there was one. `Tampered` where it is there still.
    fn delete_one(&self, table: &str, key: &str, values: &[&dyn ToSql]) -> Result<bool> {
        if self.change(&format!("delete from {table} where merchant = ?1 and {key} = ?2"), values)? == 1 {
            return Ok(true);
        }
        let sql = format!("select 1 from {table} where merchant = ?1 and {key} = ?2");
        let still_there = self.find(&sql, values, |_| Ok(()))?.is_some();
        if still_there { Err(Code::Tampered.into()) } else { Ok(false) }
    }

    pub(super) fn find<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let found = self.0.prepare_cached(sql).and_then(|mut query| query.query_row(values, read).optional());
        found.map_err(failed)
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut query = self.0.prepare_cached(sql).map_err(failed)?;
        let rows = query.query_map(values, read).map_err(failed)?;
        reserve::gather(rows.map(|row| row.map_err(failed)))
    }

    /// The statement once for each of the values: looked up once.
    pub(super) fn each<T>(
        &self,
        sql: &str,
        values: &[T],
        mut execute: impl FnMut(&mut Statement<'_>, &T) -> rusqlite::Result<usize>,
    ) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let mut statement = self.0.prepare_cached(sql).map_err(failed)?;
        values.iter().try_for_each(|value| one(execute(&mut statement, value).map_err(failed)?))
    }

    fn insert_cards(&self, merchant: i64, cards: &[&CardRow]) -> Result<()> {
        let sql = "insert into card (id, merchant, network, iin, last4, pan) values (?1, ?2, ?3, ?4, ?5, ?6)";
        self.each(sql, cards, |insert, card| {
            let CardRow { id, network, iin, last4, sealed } = card;
            insert.execute(params![id, merchant, network, iin, last4, sealed])
        })
    }

    fn insert_prints(&self, merchant: i64, prints: &[(Print, Id)]) -> Result<()> {
        let sql = "insert into card_fp (merchant, fingerprint, card, generation) values (?1, ?2, ?3, ?4)";
        self.each(sql, prints, |insert, (print, card)| {
            insert.execute(params![merchant, print.print, card, print.generation])
        })
    }

    fn insert_instruments(&self, merchant: i64, rows: &[&InstrumentRow]) -> Result<()> {
        let sql = "insert into instrument
                   (merchant, token, card, customer, expiry, active, created_at, keep_until, sealed)
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.each(sql, rows, |insert, row| {
            insert.execute(params![
                merchant,
                Packed::of(&row.token).as_bytes(),
                row.card,
                row.customer,
                row.expiry,
                row.active,
                row.created_at,
                row.keep_until,
                row.sealed
            ])
        })
    }
}

impl Rows for SqliteRows<'_> {
    fn known_cards(&self, merchant: &str, prints: &[Fingerprint]) -> Result<Vec<Option<CardRow>>> {
        let merchant = self.tenant(merchant)?;
        let sql = concat!(
            "select ",
            card_columns!(),
            ", f.card from card_fp f left join card c on c.merchant = f.merchant and c.id = f.card where f.merchant = ?1 and f.fingerprint = ?2"
        );
        let mut query = self.0.prepare_cached(sql).map_err(failed)?;
        let read = |row: &Row<'_>| match row.get_ref(0)? {
            ValueRef::Null => Ok(CardRow::gone(row.get(CARD_COLUMNS)?)),
            _ => card_row(row, 0),
        };
        let mut find = |print| query.query_row(params![merchant, print], read).optional();
        reserve::gather(prints.iter().map(|print| find(print).map_err(failed)))
    }

    /// SQLite has one writer at a time.
    fn lock_cards(&self, merchant: &str, ids: &[Id]) -> Result<Vec<bool>> {
        let merchant = self.tenant(merchant)?;
        let sql = "select 1 from card where merchant = ?1 and id = ?2";
        let there = |id| self.find(sql, params![merchant, id], |_| Ok(()));
        reserve::gather(ids.iter().map(|id| Ok(there(id)?.is_some())))
    }

    fn insert(&self, merchant: &str, fresh: &Fresh<'_>) -> Result<()> {
        let merchant = self.tenant_or_new(merchant)?;
        self.insert_lines(merchant, fresh.lines)?;
        self.insert_cards(merchant, &fresh.cards)?;
        // What is random goes into its index from one end to the other: neighbours find their page at hand.
        let mut prints = fresh.prints.clone();
        prints.sort_unstable_by_key(|(print, _)| print.print.first_chunk::<8>().copied());
        self.insert_prints(merchant, &prints)?;
        let mut instruments = fresh.instruments.clone();
        instruments.sort_by_cached_key(|row| Packed::of(&row.token));
        self.insert_instruments(merchant, &instruments)?;
        let sql = "insert into idempotency (merchant, key, token, at) values (?1, ?2, ?3, ?4)";
        self.each(sql, &fresh.keys, |insert, used| {
            insert.execute(params![merchant, used.key, Packed::of(used.token).as_bytes(), used.at])
        })
    }

    fn add_print(&self, merchant: &str, print: &Print, card: &Id) -> Result<bool> {
        let merchant = self.tenant_or_new(merchant)?;
        let added = self.change(
            "insert into card_fp (merchant, fingerprint, card, generation) values (?1, ?2, ?3, ?4)
             on conflict (merchant, fingerprint) do nothing",
            params![merchant, print.print, card, print.generation],
        )?;
        Ok(added == 1)
    }

    fn point_print(&self, merchant: &str, print: &Fingerprint, card: &Id) -> Result<()> {
        let merchant = self.tenant(merchant)?;
        let sql = "update card_fp set card = ?3 where merchant = ?1 and fingerprint = ?2";
        self.change_one(sql, params![merchant, print, card])
    }

    fn delete_prints(&self, generation: u32, limit: usize) -> Result<usize> {
        self.change(
            "delete from card_fp where (merchant, fingerprint) in
             (select merchant, fingerprint from card_fp where generation = ?1 limit ?2)",
            params![generation, count(limit)],
        )
    }

    fn count_indexed(&self, [one, other]: [u32; 2]) -> Result<u64> {
        let sql = "select count(*) from
                   (select distinct merchant, card from card_fp where generation in (?1, ?2))";
        Ok(unsigned(self.find(sql, params![one, other], |row| row.get(0))?.unwrap_or(0)))
    }

    fn reseal_card(&self, merchant: &str, card: &CardRow, was: &[u8]) -> Result<bool> {
        let merchant = self.tenant(merchant)?;
        let changed = self.change(
            "update card set pan = ?3 where merchant = ?1 and id = ?2 and pan = ?4",
            params![merchant, card.id, card.sealed, was],
        )?;
        Ok(changed == 1)
    }

    fn delete_card(&self, merchant: &str, id: &Id, prints: &[Fingerprint]) -> Result<()> {
        let merchant = self.tenant(merchant)?;
        new_or_again(self.delete_one("card", "id", params![merchant, id])?)?;
        for print in prints {
            // It has none under each index key while that is being changed.
            self.delete_one("card_fp", "fingerprint", params![merchant, print])?;
        }
        Ok(())
    }

    fn delete_prints_of(&self, merchant: &str, card: &Id) -> Result<()> {
        let merchant = self.tenant(merchant)?;
        self.change("delete from card_fp where merchant = ?1 and card = ?2", params![merchant, card])
            .map(drop)
    }

    fn instrument(&self, merchant: &str, token: &Token) -> Result<Option<(InstrumentRow, CardRow)>> {
        let merchant = self.tenant(merchant)?;
        let sql = concat!(
            "select ",
            instrument_columns!(),
            ", ",
            card_columns!(),
            " from instrument i left join card c on c.merchant = i.merchant and c.id = i.card where i.merchant = ?1 and i.token = ?2"
        );
        self.find(sql, params![merchant, Packed::of(token).as_bytes()], pair_row)
    }

    fn instruments_of(&self, merchant: &str, card: &Id) -> Result<Vec<InstrumentRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = concat!(
            "select ",
            instrument_columns!(),
            " from instrument i where i.merchant = ?1 and i.card = ?2 order by i.created_at desc, i.token desc"
        );
        self.all(sql, params![merchant, card], instrument_row)
    }

    fn update_instrument(&self, merchant: &str, row: &InstrumentRow, was: &[u8]) -> Result<bool> {
        let merchant = self.tenant(merchant)?;
        let changed = self.change(
            "update instrument set customer = ?3, expiry = ?4, active = ?5, keep_until = ?6, sealed = ?7
             where merchant = ?1 and token = ?2 and sealed = ?8",
            params![
                merchant,
                Packed::of(&row.token).as_bytes(),
                row.customer,
                row.expiry,
                row.active,
                row.keep_until,
                row.sealed,
                was
            ],
        )?;
        Ok(changed == 1)
    }

    fn move_instrument(&self, merchant: &str, row: &InstrumentRow, was: &[u8]) -> Result<bool> {
        let merchant = self.tenant(merchant)?;
        let changed = self.change(
            "update instrument set card = ?3, sealed = ?4 where merchant = ?1 and token = ?2 and sealed = ?5",
            params![merchant, Packed::of(&row.token).as_bytes(), row.card, row.sealed, was],
        )?;
        Ok(changed == 1)
    }

    fn delete_instrument(&self, merchant: &str, token: &Token, bury: bool) -> Result<()> {
        let merchant = self.tenant_or_new(merchant)?;
        let token = Packed::of(token);
        let values = params![merchant, token.as_bytes()];
        new_or_again(self.delete_one("instrument", "token", values)?)?;
        if bury {
            self.change_one("insert into tombstone (merchant, token) values (?1, ?2)", values)?;
        }
        Ok(())
    }

    fn taken(&self, merchant: &str, tokens: &[Token]) -> Result<Vec<bool>> {
        let merchant = self.tenant(merchant)?;
        let sql = "select 1 from instrument where merchant = ?1 and token = ?2
                   union all select 1 from tombstone where merchant = ?1 and token = ?2";
        let is_taken =
            |token: &Token| self.find(sql, params![merchant, Packed::of(token).as_bytes()], |_| Ok(()));
        reserve::gather(tokens.iter().map(|token| Ok(is_taken(token)?.is_some())))
    }

    fn list(&self, merchant: &str, query: &Listing<'_>) -> Result<Vec<(InstrumentRow, CardRow)>> {
        let merchant = self.tenant(merchant)?;
        let after = Packed::of_text(query.after.unwrap_or_default());
        let values = params![
            merchant,
            query.customer,
            query.active,
            after.as_bytes(),
            count(query.limit),
            count(query.offset)
        ];
        let columns = concat!(instrument_columns!(), ", ", card_columns!());
        let sql = listed(columns, query, "and i.token > ?4 order by i.token limit ?5 offset ?6");
        self.all(&sql, values, pair_row)
    }

    fn count(&self, merchant: &str, query: &Listing<'_>) -> Result<u64> {
        let merchant = self.tenant(merchant)?;
        let values = params![merchant, query.customer, query.active];
        self.find(&listed("count(*)", query, ""), values, |row| row.get::<_, i64>(0))
            .map(|found| unsigned(found.unwrap_or(0)))
    }

    fn replayed(&self, merchant: &str, keys: &[&str]) -> Result<Vec<Option<Token>>> {
        let merchant = self.tenant(merchant)?;
        let sql = "select token from idempotency where merchant = ?1 and key = ?2";
        let replayed = |key: &&str| {
            let token = self.find(sql, params![merchant, key], |row| row.get::<_, Vec<u8>>(0))?;
            token.map(|token| packed::unpack(&token)).transpose()
        };
        reserve::gather(keys.iter().map(replayed))
    }

    fn forget_keys(&self, before: i64, limit: usize) -> Result<usize> {
        self.change(
            "delete from idempotency where (merchant, key) in
             (select merchant, key from idempotency where at < ?1 limit ?2)",
            params![before, count(limit)],
        )
    }

    fn remember(&self, merchant: &str, name: &str, token: &str, at: i64) -> Result<bool> {
        let merchant = self.tenant_or_new(merchant)?;
        let inserted = self.change(
            "insert into idempotency (merchant, key, token, at) values (?1, ?2, ?3, ?4)
             on conflict (merchant, key) do update set at = excluded.at where token = excluded.token",
            params![merchant, name, Packed::of_text(token).as_bytes(), at],
        )?;
        Ok(inserted == 1)
    }

    fn credential(&self, id: &str) -> Result<Option<CredentialRow>> {
        let sql = concat!(
            "select ",
            credential_columns!(),
            " from credential k left join merchant m on m.id = k.merchant where k.id = ?1"
        );
        self.find(sql, params![id], credential_row)
    }

    fn insert_credential(&self, row: &CredentialRow) -> Result<bool> {
        let merchant = self.tenant_or_new(&row.merchant)?;
        let inserted = self.change(
            "insert into credential
             (id, merchant, dialect, subject, scopes, created_at, expires_at, revoked_at, sealed)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) on conflict do nothing",
            params![
                row.id,
                merchant,
                row.dialect,
                row.subject,
                row.scopes,
                row.created_at,
                row.expires_at,
                row.revoked_at,
                row.sealed
            ],
        )?;
        Ok(inserted == 1)
    }

    fn update_credential(&self, row: &CredentialRow, was: &[u8]) -> Result<bool> {
        let changed = self.change(
            "update credential set revoked_at = ?2, sealed = ?3 where id = ?1 and sealed = ?4",
            params![row.id, row.revoked_at, row.sealed, was],
        )?;
        Ok(changed == 1)
    }

    fn credentials(&self, merchant: &str, after: &str, limit: usize) -> Result<Vec<CredentialRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = concat!(
            "select ",
            credential_columns!(),
            " from credential k left join merchant m on m.id = k.merchant
             where k.merchant = ?1 and k.id > ?2 order by k.id limit ?3"
        );
        self.all(sql, params![merchant, after, count(limit)], credential_row)
    }

    fn all_credentials(&self, after: &str, limit: usize) -> Result<Vec<CredentialRow>> {
        let sql = concat!(
            "select ",
            credential_columns!(),
            " from credential k left join merchant m on m.id = k.merchant where k.id > ?1 order by k.id limit ?2"
        );
        self.all(sql, params![after, count(limit)], credential_row)
    }

    fn customer(&self, merchant: &str, id: &str) -> Result<Option<CustomerRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = "select id, reference, created_at, updated_at, deleted_at, sealed from customer
                   where merchant = ?1 and id = ?2";
        self.find(sql, params![merchant, id], |row| customer_row(row, 0))
    }

    fn customer_by_reference(&self, merchant: &str, reference: &str) -> Result<Option<CustomerRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = "select id, reference, created_at, updated_at, deleted_at, sealed from customer
                   where merchant = ?1 and reference = ?2";
        self.find(sql, params![merchant, reference], |row| customer_row(row, 0))
    }

    /// SQLite has one writer at a time.
    fn lock_customer(&self, merchant: &str, id: &str) -> Result<bool> {
        Ok(self.customer(merchant, id)?.is_some())
    }

    fn insert_customer(&self, merchant: &str, row: &CustomerRow) -> Result<bool> {
        let merchant = self.tenant_or_new(merchant)?;
        let inserted = self.change(
            "insert into customer (merchant, id, reference, created_at, updated_at, deleted_at, sealed)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict do nothing",
            params![
                merchant,
                row.id,
                reference(row),
                row.created_at,
                row.updated_at,
                row.deleted_at,
                row.sealed
            ],
        )?;
        Ok(inserted == 1)
    }

    fn update_customer(&self, merchant: &str, row: &CustomerRow, was: &[u8]) -> Result<bool> {
        let merchant = self.tenant(merchant)?;
        let changed = self.change(
            "update customer set updated_at = ?3, deleted_at = ?4, sealed = ?5
             where merchant = ?1 and id = ?2 and sealed = ?6",
            params![merchant, row.id, row.updated_at, row.deleted_at, row.sealed, was],
        )?;
        Ok(changed == 1)
    }

    fn delete_customer(&self, merchant: &str, id: &str) -> Result<()> {
        let merchant = self.tenant(merchant)?;
        self.delete_one("customer", "id", params![merchant, id]).and_then(new_or_again)
    }

    fn customers(&self, merchant: &str, after: &str, limit: usize) -> Result<Vec<CustomerRow>> {
        let merchant = self.tenant(merchant)?;
        self.all(
            "select id, reference, created_at, updated_at, deleted_at, sealed from customer
             where merchant = ?1 and id > ?2 order by id limit ?3",
            params![merchant, after, count(limit)],
            |row| customer_row(row, 0),
        )
    }

    fn all_cards(&self, after: Option<(&str, &Id)>, limit: usize) -> Result<Vec<(String, CardRow)>> {
        let sql = concat!(
            "select ",
            card_columns!(),
            ", coalesce(m.name, char(1) || c.merchant) from card c left join merchant m on m.id = c.merchant
             where (c.merchant, c.id) > (?1, ?2) order by c.merchant, c.id limit ?3"
        );
        let merchant = self.behind(after.map(|(merchant, _)| merchant))?;
        let id = after.map_or(&[][..], |(_, id)| id);
        self.all(sql, params![merchant, id, count(limit)], |row| {
            Ok((row.get(CARD_COLUMNS)?, card_row(row, 0)?))
        })
    }

    fn all_instruments(
        &self,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<Vec<(String, InstrumentRow)>> {
        let sql = concat!(
            "select ",
            instrument_columns!(),
            ", coalesce(m.name, char(1) || i.merchant) from instrument i left join merchant m on m.id = i.merchant
             where (i.merchant, i.token) > (?1, ?2) order by i.merchant, i.token limit ?3"
        );
        let merchant = self.behind(after.map(|(merchant, _)| merchant))?;
        let token = Packed::of_text(after.map_or("", |(_, token)| token));
        let read = |row: &Row<'_>| Ok((row.get(INSTRUMENT_COLUMNS)?, instrument_row(row)?));
        self.all(sql, params![merchant, token.as_bytes(), count(limit)], read)
    }

    fn all_customers(&self, after: Option<(&str, &str)>, limit: usize) -> Result<Vec<(String, CustomerRow)>> {
        let merchant = self.behind(after.map(|(merchant, _)| merchant))?;
        let id = after.map_or("", |(_, id)| id);
        self.all(
            "select coalesce(m.name, char(1) || c.merchant), c.id, c.reference, c.created_at, c.updated_at, c.deleted_at, c.sealed
             from customer c left join merchant m on m.id = c.merchant
             where (c.merchant, c.id) > (?1, ?2) order by c.merchant, c.id limit ?3",
            params![merchant, id, count(limit)],
            |row| Ok((row.get(0)?, customer_row(row, 1)?)),
        )
    }

    fn tally(&self) -> Result<Vec<Tally>> {
        self.all(
            "select epoch, sum(kind = 1), sum(kind = 2), sum(kind = 3), sum(kind = 4) from (
                 select substr(pan, 2, 4) as epoch, 1 as kind from card
                 union all select substr(sealed, 2, 4), 2 from instrument
                 union all select substr(sealed, 2, 4), 3 from customer
                 union all select substr(sealed, 2, 4), 4 from credential)
             group by epoch order by epoch",
            [],
            |row| {
                Ok(Tally {
                    epoch: u32::from_be_bytes(row.get(0)?),
                    cards: unsigned(row.get(1)?),
                    instruments: unsigned(row.get(2)?),
                    customers: unsigned(row.get(3)?),
                    credentials: unsigned(row.get(4)?),
                })
            },
        )
    }
}

/// What was to change one row has done so.
fn one(changed: usize) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(Code::Tampered.into()) }
}

pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// No reference is null: unique means unique among those that are there.
fn reference(row: &CustomerRow) -> Option<&str> {
    Some(row.reference.as_str()).filter(|reference| !reference.is_empty())
}

/// Reads the card's columns, which begin at `at`.
fn card_row(row: &Row<'_>, at: usize) -> rusqlite::Result<CardRow> {
    Ok(CardRow {
        id: row.get(at)?,
        network: row.get(at + 1)?,
        iin: row.get(at + 2)?,
        last4: row.get(at + 3)?,
        sealed: row.get(at + 4)?,
    })
}

fn instrument_row(row: &Row<'_>) -> rusqlite::Result<InstrumentRow> {
    let token = row.get_ref(0)?.as_blob()?;
    let unreadable = || rusqlite::Error::InvalidColumnType(0, String::new(), rusqlite::types::Type::Blob);
    Ok(InstrumentRow {
        token: packed::unpack(token).map_err(|_| unreadable())?,
        card: row.get(1)?,
        customer: row.get(2)?,
        expiry: row.get(3)?,
        active: row.get(4)?,
        created_at: row.get(5)?,
        keep_until: row.get(6)?,
        sealed: row.get(7)?,
    })
}

fn pair_row(row: &Row<'_>) -> rusqlite::Result<(InstrumentRow, CardRow)> {
    let instrument = instrument_row(row)?;
    // A card that is gone leaves nulls.
    let is_gone = row.get_ref(INSTRUMENT_COLUMNS)? == ValueRef::Null;
    let card = if is_gone { CardRow::gone(instrument.card) } else { card_row(row, INSTRUMENT_COLUMNS)? };
    Ok((instrument, card))
}

fn customer_row(row: &Row<'_>, at: usize) -> rusqlite::Result<CustomerRow> {
    Ok(CustomerRow {
        id: row.get(at)?,
        reference: row.get::<_, Option<String>>(at + 1)?.unwrap_or_default(),
        created_at: row.get(at + 2)?,
        updated_at: row.get(at + 3)?,
        deleted_at: row.get(at + 4)?,
        sealed: row.get(at + 5)?,
    })
}

fn credential_row(row: &Row<'_>) -> rusqlite::Result<CredentialRow> {
    Ok(CredentialRow {
        id: row.get(0)?,
        merchant: row.get(1)?,
        dialect: row.get(2)?,
        subject: row.get(3)?,
        scopes: row.get(4)?,
        created_at: row.get(5)?,
        expires_at: row.get(6)?,
        revoked_at: row.get(7)?,
        sealed: row.get(8)?,
    })
}
