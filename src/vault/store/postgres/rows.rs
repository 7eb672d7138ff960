//! The rows of a vault in SQL, as PostgreSQL speaks it: what comes in numbers goes there and back as arrays.
//!
//! Arrays are unnested and looked up one by one (`lateral`, with a limit that keeps it so): the second column of a key
//! that is `= any` of an array may be taken for a filter, and all of a merchant's rows are read.

use super::super::audit::{Lane, new_or_again};
use super::super::packed::{self, Packed, Place};
use super::super::tenants::stray;
use super::super::{
    CardRow, CredentialRow, CustomerRow, Fence, Fingerprint, Found, Fresh, ID_LEN, Id, InstrumentRow,
    Listing, Print, Rows, Tally, again, shut,
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

    /// The bytes of a token in its column, also of one that cannot be read: `Token` where there is none of that name.
    fn place(&self, merchant: i64, token: &str) -> Result<Place> {
        let Some(Place::Like(like, hash)) = Place::of(token) else {
            return Place::of(token).ok_or_else(|| Code::Token.into());
        };
        let sql = "select token from instrument where merchant = $1 and token >= $2";
        let columns = self.all(sql, &[&merchant, &like], |row| get(row, 0))?;
        Place::choose(&like, &hash, columns).map(Place::Bytes).ok_or_else(|| Code::Token.into())
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
            // What stands in its place may be no id at all.
            let gone = || CardRow::gone(id(row, CARD_COLUMNS + 1).unwrap_or_default());
            let card = if is_gone { gone() } else { card_row(row, 0) };
            Ok((get::<Vec<u8>>(row, CARD_COLUMNS)?, card))
        };
        let known: HashMap<Vec<u8>, CardRow> =
            self.all(&sql, &[&merchant, wanted], read)?.into_iter().collect();
        Ok(prints.iter().map(|print| known.get(&print[..]).cloned()).collect())
    }

    fn lock_cards(&self, merchant: &str, ids: &[Id]) -> Result<Vec<bool>> {
        let merchant = self.tenant(merchant)?;
        let wanted: Vec<&[u8]> = ids.iter().map(|id| &id[..]).collect();
        // One after the other, each by its key: to have them in order, the planner would read all cards of the merchant.
        let sql = "select c.id from unnest($2::bytea[]) as w (id) cross join lateral (
                       select id from card where merchant = $1 and id = w.id limit 1 for update) as c";
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
        let place = self.place(merchant, token.as_str())?;
        self.find(&sql, &[&merchant, &place.as_bytes()], |row| Ok(pair_row(row)))
    }

    fn instruments_of(&self, merchant: &str, card: &Id) -> Result<Vec<InstrumentRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = format!(
            "select {INSTRUMENT} from instrument i
             where i.merchant = $1 and i.card = $2 order by i.created_at desc, i.token desc"
        );
        self.all(&sql, &[&merchant, &&card[..]], |row| Ok(instrument_row(row)))
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
        let place = self.place(merchant, token.as_str())?;
        let token = place.as_bytes();
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
        // A token that is empty is none, but may be there.
        let after = query.after.filter(|after| !after.is_empty());
        let place = after.map(|after| self.place(merchant, after)).transpose()?;
        let behind = if place.is_some() { ">" } else { ">=" };
        let after = place.as_ref().map_or(&[][..], Place::as_bytes);
        let sql = listed(
            &format!("{INSTRUMENT}, {CARD} from instrument i {ITS_CARD}"),
            query,
            &format!("and i.token {behind} $4 order by i.token limit $5 offset $6"),
        );
        let active = query.active.map(i32::from);
        let (limit, offset) = (count(query.limit), count(query.offset));
        let values: [&(dyn ToSql + Sync); 6] = [&merchant, &query.customer, &active, &after, &limit, &offset];
        self.all(&sql, &values, |row| Ok(pair_row(row)))
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
        let sql = format!("select {CREDENTIAL} from {CREDENTIALS} where k.id = $1");
        self.find(&sql, &[&id], |row| Ok(credential_row(row)))
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

    fn credentials(&self, merchant: &str, after: &[u8], limit: usize) -> Result<Vec<Found<CredentialRow>>> {
        let merchant = self.tenant(merchant)?;
        let sql = format!(
            "select {CREDENTIAL} from {CREDENTIALS} where k.merchant = $1 and k.id > $2 order by k.id limit $3"
        );
        self.all(&sql, &[&merchant, &text(after), &count(limit)], |row| Ok(found_credential(row)))
    }

    fn all_credentials(&self, after: Option<&[u8]>, limit: usize) -> Result<Vec<Found<CredentialRow>>> {
        let behind = if after.is_some() { ">" } else { ">=" };
        let sql =
            format!("select {CREDENTIAL} from {CREDENTIALS} where k.id {behind} $1 order by k.id limit $2");
        let after = text(after.unwrap_or_default());
        self.all(&sql, &[&after, &count(limit)], |row| Ok(found_credential(row)))
    }

    fn customer(&self, merchant: &str, id: &str) -> Result<Option<CustomerRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = format!("select {CUSTOMER} from customer c where merchant = $1 and id = $2");
        self.find(&sql, &[&merchant, &id], |row| Ok(customer_row(row)))
    }

    fn customer_by_reference(&self, merchant: &str, reference: &str) -> Result<Option<CustomerRow>> {
        let merchant = self.tenant(merchant)?;
        let sql = format!("select {CUSTOMER} from customer c where merchant = $1 and reference = $2");
        self.find(&sql, &[&merchant, &reference], |row| Ok(customer_row(row)))
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

    fn customers(&self, merchant: &str, after: &[u8], limit: usize) -> Result<Vec<Found<CustomerRow>>> {
        let number = self.tenant(merchant)?;
        let sql =
            format!("select {CUSTOMER} from customer c where merchant = $1 and id > $2 order by id limit $3");
        self.all(&sql, &[&number, &text(after), &count(limit)], |row| {
            let (merchant, row) = (merchant.to_owned(), customer_row(row));
            Ok(Found { merchant, key: row.id.as_bytes().to_vec(), row })
        })
    }

    fn all_cards(&self, after: Option<(&str, &[u8])>, limit: usize) -> Result<Vec<Found<CardRow>>> {
        let sql = format!(
            "select {CARD}, coalesce(m.name, chr(1) || c.merchant) from card c left join merchant m on m.id = c.merchant
             where (c.merchant, c.id) > ($1, $2) order by c.merchant, c.id limit $3"
        );
        let merchant = self.behind(after.map(|(merchant, _)| merchant))?;
        let id = after.map_or(&[][..], |(_, id)| id);
        self.all(&sql, &[&merchant, &id, &count(limit)], |row| {
            Ok(Found { merchant: get(row, CARD_COLUMNS)?, key: get(row, 0)?, row: card_row(row, 0) })
        })
    }

    fn all_instruments(
        &self,
        after: Option<(&str, &[u8])>,
        limit: usize,
    ) -> Result<Vec<Found<InstrumentRow>>> {
        let sql = format!(
            "select {INSTRUMENT}, coalesce(m.name, chr(1) || i.merchant) from instrument i left join merchant m on m.id = i.merchant
             where (i.merchant, i.token) > ($1, $2) order by i.merchant, i.token limit $3"
        );
        let merchant = self.behind(after.map(|(merchant, _)| merchant))?;
        let token = after.map_or(&[][..], |(_, token)| token);
        self.all(&sql, &[&merchant, &token, &count(limit)], |row| {
            Ok(Found { merchant: get(row, INSTRUMENT_COLUMNS)?, key: get(row, 0)?, row: instrument_row(row) })
        })
    }

    fn all_customers(&self, after: Option<(&str, &[u8])>, limit: usize) -> Result<Vec<Found<CustomerRow>>> {
        let sql = format!(
            "select {CUSTOMER}, coalesce(m.name, chr(1) || c.merchant) from customer c left join merchant m on m.id = c.merchant
             where (c.merchant, c.id) > ($1, $2) order by c.merchant, c.id limit $3"
        );
        let merchant = self.behind(after.map(|(merchant, _)| merchant))?;
        let id = after.map_or(&[][..], |(_, id)| id);
        self.all(&sql, &[&merchant, &text(id), &count(limit)], |row| {
            let (merchant, row) = (get(row, CUSTOMER_COLUMNS)?, customer_row(row));
            Ok(Found { merchant, key: row.id.as_bytes().to_vec(), row })
        })
    }

    fn tally(&self) -> Result<Vec<Tally>> {
        let sql = "
            select epoch, count(*) filter (where kind = 1), count(*) filter (where kind = 2),
                count(*) filter (where kind = 3), count(*) filter (where kind = 4)
            from (
                select case when length(sealed) >= 5 then substr(sealed, 2, 4) else decode('00000000', 'hex') end as epoch, kind
                from (
                    select pan as sealed, 1 as kind from card
                    union all select sealed, 2 from instrument
                    union all select sealed, 3 from customer
                    union all select sealed, 4 from credential) as row) as named
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

/// A text of which a key was made.
fn text(key: &[u8]) -> &str {
    std::str::from_utf8(key).unwrap_or_default()
}

/// The columns of a row, one after the other. What cannot be read, because somebody else has written it, is empty.
struct Columns<'r> {
    row: &'r Row,
    at: usize,
    is_whole: bool,
}

impl<'r> Columns<'r> {
    fn of(row: &'r Row, at: usize) -> Columns<'r> {
        Columns { row, at, is_whole: true }
    }

    fn next<T: FromSql<'r> + Default>(&mut self) -> T {
        let read = self.row.try_get(self.at).ok();
        self.at += 1;
        self.is_whole &= read.is_some();
        read.unwrap_or_default()
    }

    fn id(&mut self) -> Id {
        let id = Id::try_from(self.next::<&[u8]>());
        self.is_whole &= id.is_ok();
        id.unwrap_or_default()
    }

    /// 1 or 0.
    fn is_one(&mut self) -> bool {
        let number: i32 = self.next();
        self.is_whole &= matches!(number, 0 | 1);
        number == 1
    }

    fn token(&mut self) -> Token {
        let (token, is_token) = packed::unpack_or_name(self.next());
        self.is_whole &= is_token;
        token
    }

    /// The last column that is read.
    fn sealed(&mut self) -> Vec<u8> {
        let sealed = self.next();
        if self.is_whole { sealed } else { shut(sealed) }
    }
}

/// Reads the card's columns, which begin at `at`.
fn card_row(row: &Row, at: usize) -> CardRow {
    let columns = &mut Columns::of(row, at);
    CardRow {
        id: columns.id(),
        network: columns.next(),
        iin: columns.next(),
        last4: columns.next(),
        sealed: columns.sealed(),
    }
}

fn instrument_row(row: &Row) -> InstrumentRow {
    let columns = &mut Columns::of(row, 0);
    InstrumentRow {
        token: columns.token(),
        card: columns.id(),
        customer: columns.next(),
        expiry: columns.next(),
        active: columns.is_one(),
        created_at: columns.next(),
        keep_until: columns.next(),
        sealed: columns.sealed(),
    }
}

fn pair_row(row: &Row) -> (InstrumentRow, CardRow) {
    let instrument = instrument_row(row);
    // A card that is gone leaves nulls.
    let is_gone = matches!(row.try_get::<_, Option<&[u8]>>(INSTRUMENT_COLUMNS), Ok(None));
    let card = if is_gone { CardRow::gone(instrument.card) } else { card_row(row, INSTRUMENT_COLUMNS) };
    (instrument, card)
}

fn customer_row(row: &Row) -> CustomerRow {
    let columns = &mut Columns::of(row, 0);
    CustomerRow {
        id: columns.next(),
        reference: columns.next(),
        created_at: columns.next(),
        updated_at: columns.next(),
        deleted_at: columns.next(),
        sealed: columns.sealed(),
    }
}

fn credential_row(row: &Row) -> CredentialRow {
    let columns = &mut Columns::of(row, 0);
    CredentialRow {
        id: columns.next(),
        merchant: columns.next(),
        dialect: columns.next(),
        subject: columns.next(),
        scopes: columns.next(),
        created_at: columns.next(),
        expires_at: columns.next(),
        revoked_at: columns.next(),
        sealed: columns.sealed(),
    }
}

fn found_credential(row: &Row) -> Found<CredentialRow> {
    let row = credential_row(row);
    Found { merchant: row.merchant.clone(), key: row.id.as_bytes().to_vec(), row }
}
