//! The rows of a vault in SQL, as SQLite speaks it. Statements are prepared once a connection.

use super::super::audit::{Lane, new_or_again};
use super::super::packed::{self, Packed, Place};
use super::super::tenants::{Tenants, stray};
use super::super::{
    AuditRows, CardRow, CredentialRow, CustomerRow, Fingerprint, Found, Fresh, Id, InstrumentRow, Listing,
    Print, Rows, Tally, shut, unreadable,
};
use super::failed;
use crate::error::{Code, Result};
use crate::scheme::Token;
use crate::secret::reserve;
use rusqlite::types::{FromSql, ToSqlOutput, ValueRef};
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
        "k.id, m.name, k.merchant, k.dialect, k.subject, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.sealed"
    };
}
const INSTRUMENT_COLUMNS: usize = 8;
const CARD_COLUMNS: usize = 5;
const CUSTOMER: &str = "c.id, c.reference, c.created_at, c.updated_at, c.deleted_at, c.sealed";
const CUSTOMER_COLUMNS: usize = 6;

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

    /// The bytes of a token in its column, also of one that cannot be read: `Token` where there is none of that name.
    fn place(&self, merchant: i64, token: &str) -> Result<Place> {
        let Some(Place::Like(like, hash)) = Place::of(token) else {
            return Place::of(token).ok_or_else(|| Code::Token.into());
        };
        let sql = "select token from instrument where merchant = ?1 and token >= ?2";
        let columns = self.all(sql, params![merchant, like], |row| row.get(0))?;
        Place::choose(&like, &hash, columns).map(Place::Bytes).ok_or_else(|| Code::Token.into())
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
            // What stands in its place may be no id at all.
            ValueRef::Null => Ok(CardRow::gone(row.get(CARD_COLUMNS).unwrap_or_default())),
            _ => Ok(card_row(&mut Columns::of(row, 0))),
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
        self.find(sql, params![merchant, self.place(merchant, token.as_str())?.as_bytes()], |row| {
            Ok(pair_row(row))
        })
    }

    fn instruments_of(&self, merchant: &str, card: &Id) -> Result<Vec<InstrumentRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = concat!(
            "select ",
            instrument_columns!(),
            " from instrument i where i.merchant = ?1 and i.card = ?2 order by i.created_at desc, i.token desc"
        );
        self.all(sql, params![merchant, card], |row| Ok(instrument_row(&mut Columns::of(row, 0))))
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
        let place = self.place(merchant, token.as_str())?;
        let values = params![merchant, place.as_bytes()];
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
        // A token that is empty is none, but may be there.
        let after = query.after.filter(|after| !after.is_empty());
        let place = after.map(|after| self.place(merchant, after)).transpose()?;
        let behind = if place.is_some() { ">" } else { ">=" };
        let after = place.as_ref().map_or(&[][..], Place::as_bytes);
        let values =
            params![merchant, query.customer, query.active, after, count(query.limit), count(query.offset)];
        let columns = concat!(instrument_columns!(), ", ", card_columns!());
        let rest = format!("and i.token {behind} ?4 order by i.token limit ?5 offset ?6");
        let sql = listed(columns, query, &rest);
        self.all(&sql, values, |row| Ok(pair_row(row)))
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
        self.find(sql, params![id], |row| Ok(credential_row(row).row))
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

    fn credentials(&self, merchant: &str, after: &[u8], limit: usize) -> Result<Vec<Found<CredentialRow>>> {
        let merchant = self.tenant(merchant)?;
        let sql = concat!(
            "select ",
            credential_columns!(),
            " from credential k left join merchant m on m.id = k.merchant
             where k.merchant = ?1 and k.id > ?2 order by k.id limit ?3"
        );
        self.all(sql, params![merchant, Text(after), count(limit)], |row| Ok(credential_row(row)))
    }

    fn all_credentials(&self, after: Option<&[u8]>, limit: usize) -> Result<Vec<Found<CredentialRow>>> {
        let columns = credential_columns!();
        let behind = if after.is_some() { ">" } else { ">=" };
        let sql = format!(
            "select {columns} from credential k left join merchant m on m.id = k.merchant
             where k.id {behind} ?1 order by k.id limit ?2"
        );
        self.all(&sql, params![Text(after.unwrap_or_default()), count(limit)], |row| Ok(credential_row(row)))
    }

    fn customer(&self, merchant: &str, id: &str) -> Result<Option<CustomerRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = format!("select {CUSTOMER} from customer c where merchant = ?1 and id = ?2");
        self.find(&sql, params![merchant, id], |row| Ok(customer_row(&mut Columns::of(row, 0))))
    }

    fn customer_by_reference(&self, merchant: &str, reference: &str) -> Result<Option<CustomerRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = format!("select {CUSTOMER} from customer c where merchant = ?1 and reference = ?2");
        self.find(&sql, params![merchant, reference], |row| Ok(customer_row(&mut Columns::of(row, 0))))
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

    fn customers(&self, merchant: &str, after: &[u8], limit: usize) -> Result<Vec<Found<CustomerRow>>> {
        let number = self.tenant(merchant)?;
        let sql =
            format!("select {CUSTOMER} from customer c where merchant = ?1 and id > ?2 order by id limit ?3");
        self.all(&sql, params![number, Text(after), count(limit)], |row| {
            let (merchant, key) = (merchant.to_owned(), key(row));
            Ok(Found { merchant, key, row: customer_row(&mut Columns::of(row, 0)) })
        })
    }

    fn all_cards(&self, after: Option<(&str, &[u8])>, limit: usize) -> Result<Vec<Found<CardRow>>> {
        let sql = concat!(
            "select ",
            card_columns!(),
            ", m.name, c.merchant from card c left join merchant m on m.id = c.merchant
             where (c.merchant, c.id) > (?1, ?2) order by c.merchant, c.id limit ?3"
        );
        let merchant = self.behind(after.map(|(merchant, _)| merchant))?;
        let id = after.map_or(&[][..], |(_, id)| id);
        self.all(sql, params![merchant, id, count(limit)], |row| {
            let (merchant, key) = (merchant_of(row, CARD_COLUMNS), key(row));
            Ok(Found { merchant, key, row: card_row(&mut Columns::of(row, 0)) })
        })
    }

    fn all_instruments(
        &self,
        after: Option<(&str, &[u8])>,
        limit: usize,
    ) -> Result<Vec<Found<InstrumentRow>>> {
        let sql = concat!(
            "select ",
            instrument_columns!(),
            ", m.name, i.merchant from instrument i left join merchant m on m.id = i.merchant
             where (i.merchant, i.token) > (?1, ?2) order by i.merchant, i.token limit ?3"
        );
        let merchant = self.behind(after.map(|(merchant, _)| merchant))?;
        let token = after.map_or(&[][..], |(_, token)| token);
        self.all(sql, params![merchant, token, count(limit)], |row| {
            let (merchant, key) = (merchant_of(row, INSTRUMENT_COLUMNS), key(row));
            Ok(Found { merchant, key, row: instrument_row(&mut Columns::of(row, 0)) })
        })
    }

    fn all_customers(&self, after: Option<(&str, &[u8])>, limit: usize) -> Result<Vec<Found<CustomerRow>>> {
        let merchant = self.behind(after.map(|(merchant, _)| merchant))?;
        let id = after.map_or(&[][..], |(_, id)| id);
        let sql = format!(
            "select {CUSTOMER}, m.name, c.merchant from customer c left join merchant m on m.id = c.merchant
             where (c.merchant, c.id) > (?1, ?2) order by c.merchant, c.id limit ?3"
        );
        self.all(&sql, params![merchant, Text(id), count(limit)], |row| {
            let (merchant, key) = (merchant_of(row, CUSTOMER_COLUMNS), key(row));
            Ok(Found { merchant, key, row: customer_row(&mut Columns::of(row, 0)) })
        })
    }

    fn tally(&self) -> Result<Vec<Tally>> {
        let of = |kind: u8, table: &str, column: &str| {
            format!(
                "select case when typeof({column}) = 'blob' and length({column}) >= 5 then substr({column}, 2, 4)
                        else x'00000000' end as epoch, {kind} as kind from {table}"
            )
        };
        let sealed = [
            of(1, "card", "pan"),
            of(2, "instrument", "sealed"),
            of(3, "customer", "sealed"),
            of(4, "credential", "sealed"),
        ];
        let sql = format!(
            "select epoch, sum(kind = 1), sum(kind = 2), sum(kind = 3), sum(kind = 4) from ({})
             group by epoch order by epoch",
            sealed.join(" union all ")
        );
        self.all(&sql, [], |row| {
            Ok(Tally {
                epoch: u32::from_be_bytes(row.get(0)?),
                cards: unsigned(row.get(1)?),
                instruments: unsigned(row.get(2)?),
                customers: unsigned(row.get(3)?),
                credentials: unsigned(row.get(4)?),
            })
        })
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

/// A text as it is in its column, which need not be UTF-8.
struct Text<'b>(&'b [u8]);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

/// A row's key, its first column, as it is.
fn key(row: &Row<'_>) -> Vec<u8> {
    bytes(row.get_ref(0).unwrap_or(ValueRef::Null)).to_vec()
}

fn bytes(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes,
        _ => &[],
    }
}

/// A merchant's name, which stands before its number.
fn merchant_of(row: &Row<'_>, at: usize) -> String {
    merchant_name(row, at, row.get(at + 1).unwrap_or(0))
}

/// A merchant's name; where there is none, or one that cannot be read, what stands for its number.
pub(super) fn merchant_name(row: &Row<'_>, at: usize, number: i64) -> String {
    row.get(at).unwrap_or_else(|_| format!("\u{1}{number}"))
}

/// The columns of a row, one after the other. What cannot be read, because somebody else has written it, is empty.
struct Columns<'r, 's> {
    row: &'r Row<'s>,
    at: usize,
    is_whole: bool,
}

impl<'r, 's> Columns<'r, 's> {
    fn of(row: &'r Row<'s>, at: usize) -> Columns<'r, 's> {
        Columns { row, at, is_whole: true }
    }

    fn next<T: FromSql + Default>(&mut self) -> T {
        let read = self.row.get(self.at).ok();
        self.at += 1;
        self.is_whole &= read.is_some();
        read.unwrap_or_default()
    }

    /// An id; of one that cannot be read a name.
    fn id(&mut self) -> String {
        let column = self.row.get_ref(self.at).unwrap_or(ValueRef::Null);
        let id: String = self.next();
        if column.as_str().is_ok() { id } else { unreadable(bytes(column)) }
    }

    /// 1 or 0.
    fn is_one(&mut self) -> bool {
        let number: i64 = self.next();
        self.is_whole &= matches!(number, 0 | 1);
        number == 1
    }

    fn token(&mut self) -> Token {
        let column = self.row.get_ref(self.at).unwrap_or(ValueRef::Null);
        self.at += 1;
        let (token, is_token) = packed::unpack_or_name(bytes(column));
        self.is_whole &= is_token && column.as_blob().is_ok();
        token
    }

    /// The last column that is read.
    fn sealed(&mut self) -> Vec<u8> {
        let sealed = self.next();
        if self.is_whole { sealed } else { shut(sealed) }
    }
}

fn card_row(columns: &mut Columns<'_, '_>) -> CardRow {
    CardRow {
        id: columns.next(),
        network: columns.next(),
        iin: columns.next(),
        last4: columns.next(),
        sealed: columns.sealed(),
    }
}

fn instrument_row(columns: &mut Columns<'_, '_>) -> InstrumentRow {
    InstrumentRow {
        token: columns.token(),
        card: columns.next(),
        customer: columns.next(),
        expiry: columns.next(),
        active: columns.is_one(),
        created_at: columns.next(),
        keep_until: columns.next(),
        sealed: columns.sealed(),
    }
}

fn pair_row(row: &Row<'_>) -> (InstrumentRow, CardRow) {
    let instrument = instrument_row(&mut Columns::of(row, 0));
    // A card that is gone leaves nulls.
    let is_gone = matches!(row.get_ref(INSTRUMENT_COLUMNS), Ok(ValueRef::Null));
    let card = match is_gone {
        true => CardRow::gone(instrument.card),
        false => card_row(&mut Columns::of(row, INSTRUMENT_COLUMNS)),
    };
    (instrument, card)
}

fn customer_row(columns: &mut Columns<'_, '_>) -> CustomerRow {
    CustomerRow {
        id: columns.id(),
        reference: columns.next::<Option<String>>().unwrap_or_default(),
        created_at: columns.next(),
        updated_at: columns.next(),
        deleted_at: columns.next(),
        sealed: columns.sealed(),
    }
}

fn credential_row(row: &Row<'_>) -> Found<CredentialRow> {
    let columns = &mut Columns::of(row, 0);
    let (id, merchant) = (columns.id(), merchant_of(row, columns.at));
    columns.at += 2;
    let row_of = CredentialRow {
        id,
        merchant: merchant.clone(),
        dialect: columns.next(),
        subject: columns.next(),
        scopes: columns.next(),
        created_at: columns.next(),
        expires_at: columns.next(),
        revoked_at: columns.next(),
        sealed: columns.sealed(),
    };
    Found { merchant, key: key(row), row: row_of }
}
