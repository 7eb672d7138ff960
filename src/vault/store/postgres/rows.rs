//! The rows of a vault in SQL, as PostgreSQL speaks it: what comes in numbers goes there and back as arrays.
//!
//! Arrays are unnested and looked up one by one (`lateral`, with a limit that keeps it so): the second column of a key
//! that is `= any` of an array may be taken for a filter, and all of a merchant's rows are read.

use super::super::audit::{Lane, new_or_again};
use super::super::packed::{self, Packed};
use super::super::tenants::stray;
use super::super::{
    CardRow, CredentialRow, CustomerRow, Fence, Fingerprint, Fresh, ID_LEN, Id, InstrumentRow, Listing,
    Print, Rows, Tally, again,
};
use super::session::Session;
use crate::error::{Code, Result};
use crate::scheme::Token;
use crate::secret::{Random, reserve};
use postgres::Row;
use postgres::types::{FromSql, ToSql};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

/// The columns that make an instrument, a card, a credential, a customer.
const INSTRUMENT: &str =
    "i.token, i.card, i.customer, i.expiry, i.active, i.created_at, i.keep_until, i.sealed";
const INSTRUMENT_COLUMNS: usize = 8;
const CARD: &str = "c.id, c.network, c.iin, c.last4, c.pan";
const CARD_COLUMNS: usize = 5;
const CREDENTIAL: &str = "k.id, coalesce(m.name, chr(1) || k.merchant), k.dialect, k.subject, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.sealed";
/// Joined by its key alone: of a plain join the planner, while nothing has been analyzed, reads all cards of the merchant.
const ITS_CARD: &str =
    "left join lateral (select * from card where merchant = i.merchant and id = i.card limit 1) as c on true";
const CREDENTIALS: &str = "credential k left join merchant m on m.id = k.merchant";
const CUSTOMER: &str = "c.id, coalesce(c.reference, ''), c.created_at, c.updated_at, c.deleted_at, c.sealed";
const CUSTOMER_COLUMNS: usize = 6;

/// The rows behind a session.
pub struct PostgresRows<'s> {
    session: RefCell<&'s mut Session>,
    /// In a transaction: as it was locked.
    pub(super) fence: Cell<Option<Fence>>,
    pub(super) lane: RefCell<Option<&'s mut Lane>>,
}

impl<'s> PostgresRows<'s> {
    /// Those of the session's transaction, whose fence is `fence`; without one those of no transaction.
    pub fn new(session: &'s mut Session, fence: Option<Fence>) -> PostgresRows<'s> {
        PostgresRows { session: RefCell::new(session), fence: Cell::new(fence), lane: RefCell::new(None) }
    }

    /// With where the writer stands in its chains.
    pub fn with_lane(self, lane: &'s mut Lane) -> PostgresRows<'s> {
        PostgresRows { lane: RefCell::new(Some(lane)), ..self }
    }

    fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        self.session.borrow_mut().query(sql, values)
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
        read: impl FnMut(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        reserve::gather(self.query(sql, values)?.iter().map(read))
    }

    pub(super) fn find<T>(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
        read: impl FnOnce(&Row) -> Result<T>,
    ) -> Result<Option<T>> {
        self.query(sql, values)?.first().map(read).transpose()
    }

    /// For a statement that does so on purpose: see the session's settings.
    pub(super) fn read_whole_tables(&self, allowed: &str) -> Result<()> {
        let sql =
            "select set_config(name, $1, false) from pg_catalog.pg_settings where name = 'enable_seqscan'";
        self.query(sql, &[&allowed]).map(drop)
    }

    /// A merchant's number; 0, which none has, where it has no row yet. `Tampered` where a row says that one has it.
    pub fn tenant(&self, merchant: &str) -> Result<i64> {
        if let Some(number) = stray(merchant).or_else(|| self.session.borrow().tenants.get(merchant)) {
            return Ok(number);
        }
        let sql = "select id from merchant where name = $1";
        let found = self.find(sql, &[&merchant], |row| get::<i64>(row, 0))?;
        match found {
            Some(0) => return Err(Code::Tampered.into()),
            Some(number) => self.session.borrow().tenants.note(merchant, number),
            None => {}
        }
        Ok(found.unwrap_or(0))
    }

    /// The number of the merchant behind whose row a page begins; the least of all numbers before the first page, so
    /// that rows with a number that nobody was given are seen too.
    fn behind(&self, merchant: Option<&str>) -> Result<i64> {
        merchant.map_or(Ok(i64::MIN), |merchant| self.tenant(merchant))
    }

    /// A merchant's number, which it gets where it has none: a random one, so that two merchants are not in each
    /// other's way. Of two writers that bring one merchant the second waits for the first.
    pub fn tenant_or_new(&self, merchant: &str) -> Result<i64> {
        let known = self.tenant(merchant)?;
        if known != 0 {
            return Ok(known);
        }
        let drawn = i64::from_be_bytes(Random::new().take()?) & i64::MAX;
        let sql = "insert into merchant (id, name) values ($1, $2) on conflict do nothing";
        self.change(sql, &[&drawn.max(1), &merchant])?;
        match self.tenant(merchant)? {
            0 => Err(again()),
            number => Ok(number),
        }
    }

    /// A statement that changes one row: `Tampered` where it did not.
    pub(super) fn change_one(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<()> {
        if self.change(sql, values)? == 1 { Ok(()) } else { Err(Code::Tampered.into()) }
    }

    /// Removes a row; says whether there was one. `Tampered` where it is there still.
    fn delete_one(&self, table: &str, key: &str, values: &[&(dyn ToSql + Sync)]) -> Result<bool> {
        if self.change(&format!("delete from {table} where merchant = $1 and {key} = $2"), values)? == 1 {
            return Ok(true);
        }
        let sql = format!("select 1 from {table} where merchant = $1 and {key} = $2");
        let still_there = self.find(&sql, values, |_| Ok(()))?.is_some();
        if still_there { Err(Code::Tampered.into()) } else { Ok(false) }
    }

    pub(super) fn change(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<usize> {
        Ok(self.session.borrow_mut().execute(sql, values)? as usize)
    }
}

impl Rows for PostgresRows<'_> {
    fn known_cards(&self, merchant: &str, prints: &[Fingerprint]) -> Result<Vec<Option<CardRow>>> {
        let merchant = self.tenant(merchant)?;
        let wanted: Vec<&[u8]> = prints.iter().map(|print| &print[..]).collect();
        let (from, wanted): (_, &(dyn ToSql + Sync)) = match &wanted[..] {
            [one] => ("(select $2::bytea)", one),
            _ => ("unnest($2::bytea[])", &wanted),
        };
        let sql = format!(
            "select {CARD}, w.print, f.card from {from} as w (print)
             cross join lateral (select card from card_fp where merchant = $1 and fingerprint = w.print limit 1) as f
             left join lateral (select * from card where merchant = $1 and id = f.card limit 1) as c on true"
        );
        let read = |row: &Row| {
            let is_gone = get::<Option<&[u8]>>(row, 0)?.is_none();
            let card = if is_gone { CardRow::gone(id(row, CARD_COLUMNS + 1)?) } else { card_row(row, 0)? };
            Ok((get::<Vec<u8>>(row, CARD_COLUMNS)?, card))
        };
        let known: HashMap<Vec<u8>, CardRow> =
            self.all(&sql, &[&merchant, wanted], read)?.into_iter().collect();
        Ok(prints.iter().map(|print| known.get(&print[..]).cloned()).collect())
    }

    fn lock_cards(&self, merchant: &str, ids: &[Id]) -> Result<Vec<bool>> {
        let merchant = self.tenant(merchant)?;
        let wanted: Vec<&[u8]> = ids.iter().map(|id| &id[..]).collect();
        let sql = "select id from card where merchant = $1 and id = any($2) order by id for update";
        let there: HashSet<Id> =
            self.all(sql, &[&merchant, &wanted], |row| id(row, 0))?.into_iter().collect();
        Ok(ids.iter().map(|id| there.contains(id)).collect())
    }

    fn insert(&self, merchant: &str, fresh: &Fresh<'_>) -> Result<()> {
        let number = self.tenant_or_new(merchant)?;
        self.insert_fresh(number, fresh)
    }

    fn add_print(&self, merchant: &str, print: &Print, card: &Id) -> Result<bool> {
        let merchant = self.tenant_or_new(merchant)?;
        let added = self.change(
            "insert into card_fp (merchant, fingerprint, card, generation) values ($1, $2, $3, $4)
             on conflict (merchant, fingerprint) do nothing",
            &[&merchant, &&print.print[..], &&card[..], &(print.generation as i32)],
        )?;
        Ok(added == 1)
    }

    fn point_print(&self, merchant: &str, print: &Fingerprint, card: &Id) -> Result<()> {
        let merchant = self.tenant(merchant)?;
        let sql = "update card_fp set card = $3 where merchant = $1 and fingerprint = $2";
        self.change_one(sql, &[&merchant, &&print[..], &&card[..]])
    }

    fn delete_prints(&self, generation: u32, limit: usize) -> Result<usize> {
        self.change(
            "delete from card_fp where (merchant, fingerprint) in
             (select merchant, fingerprint from card_fp where generation = $1 limit $2)",
            &[&(generation as i32), &count(limit)],
        )
    }

    fn count_indexed(&self, [one, other]: [u32; 2]) -> Result<u64> {
        let sql = "select count(*) from
            (select distinct merchant, card from card_fp where generation in ($1, $2)) as indexed";
        self.read_whole_tables("on")?;
        let count = self.find(sql, &[&(one as i32), &(other as i32)], |row| unsigned(row, 0));
        self.read_whole_tables("off")?;
        Ok(count?.unwrap_or(0))
    }

    fn reseal_card(&self, merchant: &str, card: &CardRow, was: &[u8]) -> Result<bool> {
        let merchant = self.tenant(merchant)?;
        let sql = "update card set pan = $3 where merchant = $1 and id = $2 and pan = $4";
        Ok(self.change(sql, &[&merchant, &&card.id[..], &card.sealed, &was])? == 1)
    }

    fn delete_card(&self, merchant: &str, id: &Id, prints: &[Fingerprint]) -> Result<()> {
        let merchant = self.tenant(merchant)?;
        new_or_again(self.delete_one("card", "id", &[&merchant, &&id[..]])?)?;
        for print in prints {
            // It has none under each index key while that is being changed.
            self.delete_one("card_fp", "fingerprint", &[&merchant, &&print[..]])?;
        }
        Ok(())
    }

    fn delete_prints_of(&self, merchant: &str, card: &Id) -> Result<()> {
        let merchant = self.tenant(merchant)?;
        let sql = "delete from card_fp where merchant = $1 and card = $2";
        self.change(sql, &[&merchant, &&card[..]]).map(drop)
    }

    fn instrument(&self, merchant: &str, token: &Token) -> Result<Option<(InstrumentRow, CardRow)>> {
        let merchant = self.tenant(merchant)?;
        let sql = format!(
            "select {INSTRUMENT}, {CARD} from instrument i {ITS_CARD} where i.merchant = $1 and i.token = $2"
        );
        self.find(&sql, &[&merchant, &Packed::of(token).as_bytes()], pair_row)
    }

    fn instruments_of(&self, merchant: &str, card: &Id) -> Result<Vec<InstrumentRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = format!(
            "select {INSTRUMENT} from instrument i
             where i.merchant = $1 and i.card = $2 order by i.created_at desc, i.token desc"
        );
        self.all(&sql, &[&merchant, &&card[..]], instrument_row)
    }

    fn update_instrument(&self, merchant: &str, row: &InstrumentRow, was: &[u8]) -> Result<bool> {
        let merchant = self.tenant(merchant)?;
        let sql =
            "update instrument set customer = $3, expiry = $4, active = $5, keep_until = $6, sealed = $7
                   where merchant = $1 and token = $2 and sealed = $8";
        let token = Packed::of(&row.token);
        let token = token.as_bytes();
        let active = i32::from(row.active);
        let changed = self.change(
            sql,
            &[&merchant, &token, &row.customer, &row.expiry, &active, &row.keep_until, &row.sealed, &was],
        )?;
        Ok(changed == 1)
    }

    fn move_instrument(&self, merchant: &str, row: &InstrumentRow, was: &[u8]) -> Result<bool> {
        let merchant = self.tenant(merchant)?;
        let sql =
            "update instrument set card = $3, sealed = $4 where merchant = $1 and token = $2 and sealed = $5";
        let token = Packed::of(&row.token);
        let token = token.as_bytes();
        let changed = self.change(sql, &[&merchant, &token, &&row.card[..], &row.sealed, &was])?;
        Ok(changed == 1)
    }

    fn delete_instrument(&self, merchant: &str, token: &Token, bury: bool) -> Result<()> {
        let merchant = self.tenant_or_new(merchant)?;
        let token = Packed::of(token);
        let token = token.as_bytes();
        new_or_again(self.delete_one("instrument", "token", &[&merchant, &token])?)?;
        if bury {
            let sql = "insert into tombstone (merchant, token) values ($1, $2)";
            self.change_one(sql, &[&merchant, &token])?;
        }
        Ok(())
    }

    fn taken(&self, merchant: &str, tokens: &[Token]) -> Result<Vec<bool>> {
        let merchant = self.tenant(merchant)?;
        let packed = column(tokens, Packed::of);
        let wanted = column(&packed, Packed::as_bytes);
        let sql = "select w.token from unnest($2::bytea[]) as w (token) cross join lateral (
                       select 1 from instrument where merchant = $1 and token = w.token
                       union all select 1 from tombstone where merchant = $1 and token = w.token limit 1) as taken";
        let taken: HashSet<Vec<u8>> =
            self.all(sql, &[&merchant, &wanted], |row| get(row, 0))?.into_iter().collect();
        Ok(wanted.iter().map(|token| taken.contains(*token)).collect())
    }

    fn list(&self, merchant: &str, query: &Listing<'_>) -> Result<Vec<(InstrumentRow, CardRow)>> {
        let merchant = self.tenant(merchant)?;
        let sql = listed(
            &format!("{INSTRUMENT}, {CARD} from instrument i {ITS_CARD}"),
            query,
            "and i.token > $4 order by i.token limit $5 offset $6",
        );
        let active = query.active.map(i32::from);
        let after = Packed::of_text(query.after.unwrap_or_default());
        let after = after.as_bytes();
        let (limit, offset) = (count(query.limit), count(query.offset));
        self.all(&sql, &[&merchant, &query.customer, &active, &after, &limit, &offset], pair_row)
    }

    fn count(&self, merchant: &str, query: &Listing<'_>) -> Result<u64> {
        let merchant = self.tenant(merchant)?;
        let active = query.active.map(i32::from);
        let sql = listed("count(*) from instrument i", query, "");
        let count = self.find(&sql, &[&merchant, &query.customer, &active], |row| unsigned(row, 0))?;
        Ok(count.unwrap_or(0))
    }

    fn replayed(&self, merchant: &str, keys: &[&str]) -> Result<Vec<Option<Token>>> {
        let merchant = self.tenant(merchant)?;
        let sql = "select w.key, u.token from unnest($2::text[]) as w (key) cross join lateral (
                       select token from idempotency where merchant = $1 and key = w.key limit 1) as u";
        let read = |row: &Row| Ok((get::<String>(row, 0)?, token(row, 1)?));
        let replayed: HashMap<String, Token> =
            self.all(sql, &[&merchant, &keys], read)?.into_iter().collect();
        Ok(keys.iter().map(|key| replayed.get(*key).copied()).collect())
    }

    fn forget_keys(&self, before: i64, limit: usize) -> Result<usize> {
        self.change(
            "delete from idempotency where (merchant, key) in
             (select merchant, key from idempotency where at < $1 limit $2)",
            &[&before, &count(limit)],
        )
    }

    fn remember(&self, merchant: &str, name: &str, token: &str, at: i64) -> Result<bool> {
        let merchant = self.tenant_or_new(merchant)?;
        let sql = "insert into idempotency as known (merchant, key, token, at) values ($1, $2, $3, $4)
                   on conflict (merchant, key) do update set at = excluded.at where known.token = excluded.token";
        Ok(self.change(sql, &[&merchant, &name, &Packed::of_text(token).as_bytes(), &at])? == 1)
    }

    fn credential(&self, id: &str) -> Result<Option<CredentialRow>> {
        self.find(&format!("select {CREDENTIAL} from {CREDENTIALS} where k.id = $1"), &[&id], credential_row)
    }

    fn insert_credential(&self, row: &CredentialRow) -> Result<bool> {
        let merchant = self.tenant_or_new(&row.merchant)?;
        let inserted = self.change(
            "insert into credential
             (id, merchant, dialect, subject, scopes, created_at, expires_at, revoked_at, sealed)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing",
            &[
                &row.id,
                &merchant,
                &row.dialect,
                &row.subject,
                &row.scopes,
                &row.created_at,
                &row.expires_at,
                &row.revoked_at,
                &row.sealed,
            ],
        )?;
        Ok(inserted == 1)
    }

    fn update_credential(&self, row: &CredentialRow, was: &[u8]) -> Result<bool> {
        let sql = "update credential set revoked_at = $2, sealed = $3 where id = $1 and sealed = $4";
        Ok(self.change(sql, &[&row.id, &row.revoked_at, &row.sealed, &was])? == 1)
    }

    fn credentials(&self, merchant: &str, after: &str, limit: usize) -> Result<Vec<CredentialRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = format!(
            "select {CREDENTIAL} from {CREDENTIALS} where k.merchant = $1 and k.id > $2 order by k.id limit $3"
        );
        self.all(&sql, &[&merchant, &after, &count(limit)], credential_row)
    }

    fn all_credentials(&self, after: &str, limit: usize) -> Result<Vec<CredentialRow>> {
        let sql = format!("select {CREDENTIAL} from {CREDENTIALS} where k.id > $1 order by k.id limit $2");
        self.all(&sql, &[&after, &count(limit)], credential_row)
    }

    fn customer(&self, merchant: &str, id: &str) -> Result<Option<CustomerRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = format!("select {CUSTOMER} from customer c where merchant = $1 and id = $2");
        self.find(&sql, &[&merchant, &id], |row| customer_row(row, 0))
    }

    fn customer_by_reference(&self, merchant: &str, reference: &str) -> Result<Option<CustomerRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = format!("select {CUSTOMER} from customer c where merchant = $1 and reference = $2");
        self.find(&sql, &[&merchant, &reference], |row| customer_row(row, 0))
    }

    fn lock_customer(&self, merchant: &str, id: &str) -> Result<bool> {
        let merchant = self.tenant(merchant)?;
        let sql = "select id from customer where merchant = $1 and id = $2 for update";
        Ok(self.find(sql, &[&merchant, &id], |_| Ok(()))?.is_some())
    }

    fn insert_customer(&self, merchant: &str, row: &CustomerRow) -> Result<bool> {
        let merchant = self.tenant_or_new(merchant)?;
        let reference = Some(row.reference.as_str()).filter(|reference| !reference.is_empty());
        let inserted = self.change(
            "insert into customer (merchant, id, reference, created_at, updated_at, deleted_at, sealed)
             values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
            &[&merchant, &row.id, &reference, &row.created_at, &row.updated_at, &row.deleted_at, &row.sealed],
        )?;
        Ok(inserted == 1)
    }

    fn update_customer(&self, merchant: &str, row: &CustomerRow, was: &[u8]) -> Result<bool> {
        let merchant = self.tenant(merchant)?;
        let sql = "update customer set updated_at = $3, deleted_at = $4, sealed = $5
                   where merchant = $1 and id = $2 and sealed = $6";
        let values: [&(dyn ToSql + Sync); 6] =
            [&merchant, &row.id, &row.updated_at, &row.deleted_at, &row.sealed, &was];
        Ok(self.change(sql, &values)? == 1)
    }

    fn delete_customer(&self, merchant: &str, id: &str) -> Result<()> {
        let merchant = self.tenant(merchant)?;
        self.delete_one("customer", "id", &[&merchant, &id]).and_then(new_or_again)
    }

    fn customers(&self, merchant: &str, after: &str, limit: usize) -> Result<Vec<CustomerRow>> {
        let merchant = self.tenant(merchant)?;
        let sql =
            format!("select {CUSTOMER} from customer c where merchant = $1 and id > $2 order by id limit $3");
        self.all(&sql, &[&merchant, &after, &count(limit)], |row| customer_row(row, 0))
    }

    fn all_cards(&self, after: Option<(&str, &Id)>, limit: usize) -> Result<Vec<(String, CardRow)>> {
        let sql = format!(
            "select {CARD}, coalesce(m.name, chr(1) || c.merchant) from card c left join merchant m on m.id = c.merchant
             where (c.merchant, c.id) > ($1, $2) order by c.merchant, c.id limit $3"
        );
        let merchant = self.behind(after.map(|(merchant, _)| merchant))?;
        let id = after.map_or(&[][..], |(_, id)| &id[..]);
        let read = |row: &Row| Ok((get(row, CARD_COLUMNS)?, card_row(row, 0)?));
        self.all(&sql, &[&merchant, &id, &count(limit)], read)
    }

    fn all_instruments(
        &self,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<Vec<(String, InstrumentRow)>> {
        let sql = format!(
            "select {INSTRUMENT}, coalesce(m.name, chr(1) || i.merchant) from instrument i left join merchant m on m.id = i.merchant
             where (i.merchant, i.token) > ($1, $2) order by i.merchant, i.token limit $3"
        );
        let merchant = self.behind(after.map(|(merchant, _)| merchant))?;
        let token = Packed::of_text(after.map_or("", |(_, token)| token));
        let read = |row: &Row| Ok((get(row, INSTRUMENT_COLUMNS)?, instrument_row(row)?));
        self.all(&sql, &[&merchant, &token.as_bytes(), &count(limit)], read)
    }

    fn all_customers(&self, after: Option<(&str, &str)>, limit: usize) -> Result<Vec<(String, CustomerRow)>> {
        let sql = format!(
            "select {CUSTOMER}, coalesce(m.name, chr(1) || c.merchant) from customer c left join merchant m on m.id = c.merchant
             where (c.merchant, c.id) > ($1, $2) order by c.merchant, c.id limit $3"
        );
        let merchant = self.behind(after.map(|(merchant, _)| merchant))?;
        let id = after.map_or("", |(_, id)| id);
        let read = |row: &Row| Ok((get(row, CUSTOMER_COLUMNS)?, customer_row(row, 0)?));
        self.all(&sql, &[&merchant, &id, &count(limit)], read)
    }

    fn tally(&self) -> Result<Vec<Tally>> {
        let sql = "
            select epoch, count(*) filter (where kind = 1), count(*) filter (where kind = 2),
                count(*) filter (where kind = 3), count(*) filter (where kind = 4)
            from (
                select substr(pan, 2, 4) as epoch, 1 as kind from card
                union all select substr(sealed, 2, 4), 2 from instrument
                union all select substr(sealed, 2, 4), 3 from customer
                union all select substr(sealed, 2, 4), 4 from credential) as sealed
            group by epoch order by epoch";
        let read = |row: &Row| {
            let epoch = get::<Vec<u8>>(row, 0)?.try_into().map_err(|_| Code::Tampered)?;
            Ok(Tally {
                epoch: u32::from_be_bytes(epoch),
                cards: unsigned(row, 1)?,
                instruments: unsigned(row, 2)?,
                customers: unsigned(row, 3)?,
                credentials: unsigned(row, 4)?,
            })
        };
        self.read_whole_tables("on")?;
        let tallies = self.all(sql, &[], read);
        self.read_whole_tables("off").and(tallies)
    }
}

/// Which rows a listing has. A customer is looked for by its index, which a condition that may be absent would not be.
fn listed(what: &str, query: &Listing<'_>, order: &str) -> String {
    let customer = if query.customer.is_some() { "i.customer = $2" } else { "$2::text is null" };
    format!(
        "select {what} where i.merchant = $1 and {customer} and ($3::int is null or i.active = $3) {order}"
    )
}

pub(super) fn column<'r, R, T>(rows: &'r [R], field: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}

pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A column; one of another type, or a null, somebody else has written.
pub(super) fn get<'r, T: FromSql<'r>>(row: &'r Row, at: usize) -> Result<T> {
    row.try_get(at).map_err(|_| Code::Tampered.into())
}

pub(super) fn unsigned(row: &Row, at: usize) -> Result<u64> {
    u64::try_from(get::<i64>(row, at)?).map_err(|_| Code::Tampered.into())
}

pub(super) fn id(row: &Row, at: usize) -> Result<Id> {
    <[u8; ID_LEN]>::try_from(get::<&[u8]>(row, at)?).map_err(|_| Code::Tampered.into())
}

fn token(row: &Row, at: usize) -> Result<Token> {
    packed::unpack(get(row, at)?)
}

/// Reads the card's columns, which begin at `at`.
fn card_row(row: &Row, at: usize) -> Result<CardRow> {
    Ok(CardRow {
        id: id(row, at)?,
        network: get(row, at + 1)?,
        iin: get(row, at + 2)?,
        last4: get(row, at + 3)?,
        sealed: get(row, at + 4)?,
    })
}

fn instrument_row(row: &Row) -> Result<InstrumentRow> {
    Ok(InstrumentRow {
        token: token(row, 0)?,
        card: id(row, 1)?,
        customer: get(row, 2)?,
        expiry: get(row, 3)?,
        active: get::<i32>(row, 4)? != 0,
        created_at: get(row, 5)?,
        keep_until: get(row, 6)?,
        sealed: get(row, 7)?,
    })
}

fn pair_row(row: &Row) -> Result<(InstrumentRow, CardRow)> {
    let instrument = instrument_row(row)?;
    // A card that is gone leaves nulls.
    let is_gone = get::<Option<&[u8]>>(row, INSTRUMENT_COLUMNS)?.is_none();
    let card = if is_gone { CardRow::gone(instrument.card) } else { card_row(row, INSTRUMENT_COLUMNS)? };
    Ok((instrument, card))
}

fn customer_row(row: &Row, at: usize) -> Result<CustomerRow> {
    Ok(CustomerRow {
        id: get(row, at)?,
        reference: get(row, at + 1)?,
        created_at: get(row, at + 2)?,
        updated_at: get(row, at + 3)?,
        deleted_at: get(row, at + 4)?,
        sealed: get(row, at + 5)?,
    })
}

fn credential_row(row: &Row) -> Result<CredentialRow> {
    Ok(CredentialRow {
        id: get(row, 0)?,
        merchant: get(row, 1)?,
        dialect: get(row, 2)?,
        subject: get(row, 3)?,
        scopes: get(row, 4)?,
        created_at: get(row, 5)?,
        expires_at: get(row, 6)?,
        revoked_at: get(row, 7)?,
        sealed: get(row, 8)?,
    })
}
