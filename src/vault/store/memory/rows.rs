//! The rows of a vault in memory: a table for each kind of row, and for each order in which they are asked for.

use super::super::audit::Lane;
use super::super::packed::{Packed, unpack};
use super::super::{
    CardRow, ChainRow, CredentialRow, CustomerRow, Fingerprint, Found, Fresh, ID_LEN, Id, InstrumentRow,
    Line, Listing, MainLine, Print, Rows, Tally, UsedKey, again,
};
use super::table::{Table, Undo};
use crate::error::{Code, Error, Result};
use crate::keys::KeyTable;
use crate::scheme::Token;
use std::cell::{Ref, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};

/// A merchant, by its place among those that have rows, which stays.
type Merchant = i64;

/// All rows.
#[derive(Default)]
pub struct Tables {
    merchants: Table<String, Merchant>,
    pub(super) merchant_names: Table<Merchant, String>,
    pub(super) keys: Table<(), KeyTable>,
    cards: Table<(Merchant, Id), CardRow>,
    prints: Table<(Merchant, Fingerprint), (Id, u32)>,
    instruments: Table<(Merchant, Packed), InstrumentRow>,
    of_card: Table<(Merchant, Id, Packed), ()>,
    /// And whether it is active: to count a customer's, no instrument is looked at.
    of_customer: Table<(Merchant, String, Packed), bool>,
    tombstones: Table<(Merchant, Packed), ()>,
    customers: Table<(Merchant, String), CustomerRow>,
    references: Table<(Merchant, String), String>,
    names: Table<(Merchant, String), (String, i64)>,
    pub(super) audit: Table<(Merchant, i64, i64), Line>,
    pub(super) audit_main: Table<(Merchant, i64), MainLine>,
    pub(super) chains: Table<(Merchant, i64), ChainRow>,
    pub(super) lane: Lane,
    credentials: Table<String, CredentialRow>,
}

impl Tables {
    fn each(&mut self, what: impl Fn(&mut dyn Undo)) {
        what(&mut self.merchants);
        what(&mut self.merchant_names);
        what(&mut self.keys);
        what(&mut self.cards);
        what(&mut self.prints);
        what(&mut self.instruments);
        what(&mut self.of_card);
        what(&mut self.of_customer);
        what(&mut self.tombstones);
        what(&mut self.customers);
        what(&mut self.references);
        what(&mut self.names);
        what(&mut self.audit);
        what(&mut self.audit_main);
        what(&mut self.chains);
        what(&mut self.credentials);
    }

    /// Keeps the changes of a transaction.
    pub fn keep(&mut self) {
        self.each(|table| table.keep());
        self.lane.keep();
    }

    /// Undoes them, where they were not kept.
    pub fn undo(&mut self) {
        self.each(|table| table.undo());
        self.lane.undo();
    }

    fn merchant(&self, name: &str) -> Option<Merchant> {
        self.merchants.get(name).copied()
    }

    /// A merchant's place, which it gets with its first row.
    pub(super) fn merchant_or_new(&mut self, name: &str) -> Merchant {
        self.merchant(name).unwrap_or_else(|| {
            let next = self.merchants.len() as Merchant + 1;
            self.merchants.put(name.to_owned(), next);
            self.merchant_names.put(next, name.to_owned());
            next
        })
    }

    /// The merchant's place, or that before all merchants.
    pub(super) fn merchant_or_none(&self, name: &str) -> Merchant {
        self.merchant(name).unwrap_or(0)
    }

    fn name_of(&self, merchant: Merchant) -> Result<String> {
        self.merchant_names.get(&merchant).cloned().ok_or_else(|| Code::Tampered.into())
    }

    /// `Tampered` where its card is gone.
    fn with_card(&self, merchant: Merchant, row: &InstrumentRow) -> Result<(InstrumentRow, CardRow)> {
        let card = self.cards.get(&(merchant, row.card)).cloned();
        Ok((row.clone(), card.unwrap_or_else(|| CardRow::gone(row.card))))
    }

    /// The tokens of a listing in their order, without regard to its limit and offset.
    fn listed<'t>(
        &'t self,
        merchant: Merchant,
        query: &Listing<'t>,
    ) -> Box<dyn Iterator<Item = &'t Packed> + 't> {
        let Listing { active, after, .. } = *query;
        let first = Packed::of_text(after.unwrap_or_default());
        let wanted = move |(token, is): (&'t Packed, bool)| {
            let wanted = active.is_none_or(|active| is == active) && after.is_none_or(|_| *token > first);
            wanted.then_some(token)
        };
        match query.customer {
            Some(customer) => {
                let tokens = self.of_customer.range((merchant, customer.to_owned(), first)..);
                let theirs = tokens.take_while(move |(key, _)| key.0 == merchant && key.1 == customer);
                Box::new(theirs.map(|(key, active)| (&key.2, *active)).filter_map(wanted))
            }
            None => {
                let rows = self.instruments.range((merchant, first)..);
                let theirs = rows.take_while(move |(key, _)| key.0 == merchant);
                Box::new(theirs.map(|(key, row)| (&key.1, row.active)).filter_map(wanted))
            }
        }
    }

    fn insert_instrument(&mut self, merchant: Merchant, row: &InstrumentRow) -> bool {
        let token = Packed::of(&row.token);
        self.of_card.put((merchant, row.card, token), ());
        self.of_customer.put((merchant, row.customer.clone(), token), row.active);
        self.instruments.add((merchant, token), row.clone())
    }

    /// Removes an instrument; says whether it was there.
    fn remove_instrument(&mut self, merchant: Merchant, token: Packed) -> bool {
        if let Some(row) = self.instruments.get(&(merchant, token)) {
            let (card, customer) = (row.card, row.customer.clone());
            self.of_card.remove(&(merchant, card, token));
            self.of_customer.remove(&(merchant, customer, token));
        }
        self.instruments.remove(&(merchant, token))
    }
}

/// What a transaction may do with the tables.
pub enum Access<'t> {
    /// Look at them.
    Read(&'t Tables),
    /// Change them.
    Write(&'t mut Tables),
}

/// The rows of the tables.
pub struct MemoryRows<'t>(RefCell<Access<'t>>);

impl<'t> MemoryRows<'t> {
    pub fn new(access: Access<'t>) -> MemoryRows<'t> {
        MemoryRows(RefCell::new(access))
    }

    pub(super) fn tables(&self) -> Ref<'_, Tables> {
        Ref::map(self.0.borrow(), |access| match access {
            Access::Read(tables) => *tables,
            Access::Write(tables) => &**tables,
        })
    }

    /// `Internal` where they are only looked at.
    pub(super) fn change(&self) -> Result<RefMut<'_, Tables>> {
        let tables = RefMut::filter_map(self.0.borrow_mut(), |access| match access {
            Access::Read(_) => None,
            Access::Write(tables) => Some(&mut **tables),
        });
        tables.map_err(|_| Code::Internal.into())
    }
}

impl MemoryRows<'_> {
    /// Puts what `change` makes of an instrument in its place, where what is sealed over it is still `was`.
    fn replace_instrument(
        &self,
        merchant: &str,
        token: &Token,
        was: &[u8],
        change: impl FnOnce(&InstrumentRow) -> InstrumentRow,
    ) -> Result<bool> {
        let mut tables = self.change()?;
        let place = (tables.merchant_or_none(merchant), Packed::of(token));
        let Some(old) = tables.instruments.get(&place).filter(|old| old.sealed == was) else {
            return Ok(false);
        };
        let new = change(old);
        tables.remove_instrument(place.0, place.1);
        tables.insert_instrument(place.0, &new);
        Ok(true)
    }
}

impl Rows for MemoryRows<'_> {
    fn known_cards(&self, merchant: &str, prints: &[Fingerprint]) -> Result<Vec<Option<CardRow>>> {
        let tables = self.tables();
        let merchant = tables.merchant(merchant);
        let find = |print: &Fingerprint| {
            let (card, _) = tables.prints.get(&(merchant?, *print))?;
            Some(tables.cards.get(&(merchant?, *card)).cloned().unwrap_or_else(|| CardRow::gone(*card)))
        };
        Ok(prints.iter().map(find).collect())
    }

    /// A writer is alone.
    fn lock_cards(&self, merchant: &str, ids: &[Id]) -> Result<Vec<bool>> {
        let tables = self.tables();
        let merchant = tables.merchant_or_none(merchant);
        Ok(ids.iter().map(|id| tables.cards.has(&(merchant, *id))).collect())
    }

    fn insert(&self, merchant: &str, fresh: &Fresh<'_>) -> Result<()> {
        let tables = &mut *self.change()?;
        let merchant = tables.merchant_or_new(merchant);
        let mut new = true;
        for card in &fresh.cards {
            new &= tables.cards.add((merchant, card.id), (*card).clone());
        }
        for (print, card) in &fresh.prints {
            new &= tables.prints.add((merchant, print.print), (*card, print.generation));
        }
        for row in &fresh.instruments {
            new &= tables.insert_instrument(merchant, row);
        }
        for line in fresh.lines {
            new &= tables.audit.add((merchant, line.chain, line.seq), line.clone());
        }
        for UsedKey { key, token, at } in &fresh.keys {
            new &= tables.names.add((merchant, (*key).to_owned()), (token.to_string(), *at));
        }
        if new { Ok(()) } else { Err(again()) }
    }

    fn add_print(&self, merchant: &str, print: &Print, card: &Id) -> Result<bool> {
        let mut tables = self.change()?;
        let merchant = tables.merchant_or_new(merchant);
        Ok(tables.prints.add((merchant, print.print), (*card, print.generation)))
    }

    fn point_print(&self, merchant: &str, print: &Fingerprint, card: &Id) -> Result<()> {
        let mut tables = self.change()?;
        let key = (tables.merchant_or_none(merchant), *print);
        let generation = tables.prints.get(&key).ok_or(Code::Tampered)?.1;
        tables.prints.put(key, (*card, generation));
        Ok(())
    }

    fn delete_prints(&self, generation: u32, limit: usize) -> Result<usize> {
        let mut tables = self.change()?;
        let of_generation = tables.prints.iter().filter(|(_, row)| row.1 == generation);
        let gone: Vec<_> = of_generation.map(|(key, _)| *key).take(limit).collect();
        for key in &gone {
            tables.prints.remove(key);
        }
        Ok(gone.len())
    }

    fn count_indexed(&self, generations: [u32; 2]) -> Result<u64> {
        let tables = self.tables();
        let indexed = tables.prints.iter().filter(|(_, (_, generation))| generations.contains(generation));
        Ok(indexed.map(|((merchant, _), (card, _))| (*merchant, *card)).collect::<BTreeSet<_>>().len() as u64)
    }

    fn reseal_card(&self, merchant: &str, card: &CardRow, was: &[u8]) -> Result<bool> {
        let mut tables = self.change()?;
        let place = (tables.merchant_or_none(merchant), card.id);
        let Some(old) = tables.cards.get(&place).filter(|old| old.sealed == was) else {
            return Ok(false);
        };
        let new = CardRow { sealed: card.sealed.clone(), ..old.clone() };
        tables.cards.put(place, new);
        Ok(true)
    }

    fn delete_card(&self, merchant: &str, id: &Id, prints: &[Fingerprint]) -> Result<()> {
        let mut tables = self.change()?;
        let merchant = tables.merchant_or_none(merchant);
        if !tables.cards.remove(&(merchant, *id)) {
            return Err(again());
        }
        for print in prints {
            tables.prints.remove(&(merchant, *print));
        }
        Ok(())
    }

    fn delete_prints_of(&self, merchant: &str, card: &Id) -> Result<()> {
        let mut tables = self.change()?;
        let merchant = tables.merchant_or_none(merchant);
        let of_card = tables.prints.iter().filter(|(key, row)| key.0 == merchant && row.0 == *card);
        let gone: Vec<_> = of_card.map(|(key, _)| *key).collect();
        for key in &gone {
            tables.prints.remove(key);
        }
        Ok(())
    }

    fn instrument(&self, merchant: &str, token: &Token) -> Result<Option<(InstrumentRow, CardRow)>> {
        let tables = self.tables();
        let Some(merchant) = tables.merchant(merchant) else { return Ok(None) };
        let row = tables.instruments.get(&(merchant, Packed::of(token)));
        row.map(|row| tables.with_card(merchant, row)).transpose()
    }

    fn instruments_of(&self, merchant: &str, card: &Id) -> Result<Vec<InstrumentRow>> {
        let tables = self.tables();
        let Some(merchant) = tables.merchant(merchant) else { return Ok(Vec::new()) };
        let ends = (merchant, *card, Packed::FIRST)..=(merchant, *card, Packed::LAST);
        let tokens = tables.of_card.range(ends).map(|(key, ())| (merchant, key.2));
        let mut rows: Vec<_> = tokens.filter_map(|key| tables.instruments.get(&key)).cloned().collect();
        rows.sort_by(|a, b| (b.created_at, Packed::of(&b.token)).cmp(&(a.created_at, Packed::of(&a.token))));
        Ok(rows)
    }

    fn update_instrument(&self, merchant: &str, row: &InstrumentRow, was: &[u8]) -> Result<bool> {
        self.replace_instrument(merchant, &row.token, was, |old| InstrumentRow {
            card: old.card,
            created_at: old.created_at,
            ..row.clone()
        })
    }

    fn move_instrument(&self, merchant: &str, row: &InstrumentRow, was: &[u8]) -> Result<bool> {
        self.replace_instrument(merchant, &row.token, was, |old| InstrumentRow {
            card: row.card,
            sealed: row.sealed.clone(),
            ..old.clone()
        })
    }

    fn delete_instrument(&self, merchant: &str, token: &Token, bury: bool) -> Result<()> {
        let mut tables = self.change()?;
        let place = (tables.merchant_or_new(merchant), Packed::of(token));
        if !tables.remove_instrument(place.0, place.1) {
            return Err(again());
        }
        if bury && !tables.tombstones.add(place, ()) {
            return Err(again());
        }
        Ok(())
    }

    fn taken(&self, merchant: &str, tokens: &[Token]) -> Result<Vec<bool>> {
        let tables = self.tables();
        let Some(merchant) = tables.merchant(merchant) else { return Ok(vec![false; tokens.len()]) };
        let places = tokens.iter().map(|token| (merchant, Packed::of(token)));
        Ok(places.map(|place| tables.instruments.has(&place) || tables.tombstones.has(&place)).collect())
    }

    fn list(&self, merchant: &str, query: &Listing<'_>) -> Result<Vec<(InstrumentRow, CardRow)>> {
        let tables = self.tables();
        let Some(merchant) = tables.merchant(merchant) else { return Ok(Vec::new()) };
        let tokens = tables.listed(merchant, query).skip(query.offset).take(query.limit);
        let rows = tokens.filter_map(|token| tables.instruments.get(&(merchant, *token)));
        rows.map(|row| tables.with_card(merchant, row)).collect()
    }

    fn count(&self, merchant: &str, query: &Listing<'_>) -> Result<u64> {
        let tables = self.tables();
        let whole = Listing { after: None, ..*query };
        Ok(tables.merchant(merchant).map_or(0, |merchant| tables.listed(merchant, &whole).count() as u64))
    }

    fn replayed(&self, merchant: &str, keys: &[&str]) -> Result<Vec<Option<Token>>> {
        let tables = self.tables();
        let merchant = tables.merchant(merchant);
        let replayed = |key: &&str| {
            let found = merchant.and_then(|merchant| tables.names.get(&(merchant, (*key).to_owned())));
            found
                .map(|(token, _)| Token::parse(token.as_bytes()).map_err(|_| Code::Tampered.into()))
                .transpose()
        };
        keys.iter().map(replayed).collect()
    }

    fn forget_keys(&self, before: i64, limit: usize) -> Result<usize> {
        let mut tables = self.change()?;
        let old = tables.names.iter().filter(|(_, (_, at))| *at < before);
        let gone: Vec<_> = old.map(|(key, _)| key.clone()).take(limit).collect();
        for key in &gone {
            tables.names.remove(key);
        }
        Ok(gone.len())
    }

    fn remember(&self, merchant: &str, name: &str, token: &str, at: i64) -> Result<bool> {
        let mut tables = self.change()?;
        let place = (tables.merchant_or_new(merchant), name.to_owned());
        let ours = tables.names.get(&place).is_none_or(|(there, _)| there == token);
        if ours {
            tables.names.put(place, (token.to_owned(), at));
        }
        Ok(ours)
    }

    fn credential(&self, id: &str) -> Result<Option<CredentialRow>> {
        Ok(self.tables().credentials.get(&id.to_owned()).cloned())
    }

    fn insert_credential(&self, row: &CredentialRow) -> Result<bool> {
        let mut tables = self.change()?;
        tables.merchant_or_new(&row.merchant);
        Ok(tables.credentials.add(row.id.clone(), row.clone()))
    }

    fn update_credential(&self, row: &CredentialRow, was: &[u8]) -> Result<bool> {
        let mut tables = self.change()?;
        let Some(old) = tables.credentials.get(&row.id).filter(|old| old.sealed == was) else {
            return Ok(false);
        };
        let new = CredentialRow { revoked_at: row.revoked_at, sealed: row.sealed.clone(), ..old.clone() };
        tables.credentials.put(row.id.clone(), new);
        Ok(true)
    }

    fn credentials(&self, merchant: &str, after: &[u8], limit: usize) -> Result<Vec<Found<CredentialRow>>> {
        let tables = self.tables();
        let rows = tables.credentials.behind(text(after)).map(|(_, row)| row);
        Ok(rows.filter(|row| row.merchant == merchant).take(limit).map(found_credential).collect())
    }

    fn all_credentials(&self, after: Option<&[u8]>, limit: usize) -> Result<Vec<Found<CredentialRow>>> {
        let tables = self.tables();
        let rows = tables.credentials.behind(after.map_or_else(String::new, text));
        Ok(rows.take(limit).map(|(_, row)| found_credential(row)).collect())
    }

    fn customer(&self, merchant: &str, id: &str) -> Result<Option<CustomerRow>> {
        let tables = self.tables();
        let place = tables.merchant(merchant).map(|merchant| (merchant, id.to_owned()));
        Ok(place.and_then(|place| tables.customers.get(&place)).cloned())
    }

    fn customer_by_reference(&self, merchant: &str, reference: &str) -> Result<Option<CustomerRow>> {
        let tables = self.tables();
        let place = tables.merchant(merchant).map(|merchant| (merchant, reference.to_owned()));
        let id = place.and_then(|place| tables.references.get(&place)).cloned();
        id.map_or(Ok(None), |id| self.customer(merchant, &id))
    }

    /// A writer is alone.
    fn lock_customer(&self, merchant: &str, id: &str) -> Result<bool> {
        let tables = self.tables();
        let merchant = tables.merchant(merchant);
        Ok(merchant.is_some_and(|merchant| tables.customers.has(&(merchant, id.to_owned()))))
    }

    fn insert_customer(&self, merchant: &str, row: &CustomerRow) -> Result<bool> {
        let mut tables = self.change()?;
        let merchant = tables.merchant_or_new(merchant);
        let (place, reference) = ((merchant, row.id.clone()), (merchant, row.reference.clone()));
        if tables.customers.has(&place) || tables.references.has(&reference) {
            return Ok(false);
        }
        if !row.reference.is_empty() {
            tables.references.put(reference, row.id.clone());
        }
        tables.customers.put(place, row.clone());
        Ok(true)
    }

    fn update_customer(&self, merchant: &str, row: &CustomerRow, was: &[u8]) -> Result<bool> {
        let mut tables = self.change()?;
        let place = (tables.merchant_or_none(merchant), row.id.clone());
        let Some(old) = tables.customers.get(&place).filter(|old| old.sealed == was) else {
            return Ok(false);
        };
        let (reference, created_at) = (old.reference.clone(), old.created_at);
        tables.customers.put(place, CustomerRow { reference, created_at, ..row.clone() });
        Ok(true)
    }

    fn delete_customer(&self, merchant: &str, id: &str) -> Result<()> {
        let mut tables = self.change()?;
        let place = (tables.merchant_or_none(merchant), id.to_owned());
        let row = tables.customers.get(&place).ok_or_else(again)?;
        let reference = (place.0, row.reference.clone());
        tables.references.remove(&reference);
        tables.customers.remove(&place);
        Ok(())
    }

    fn customers(&self, merchant: &str, after: &[u8], limit: usize) -> Result<Vec<Found<CustomerRow>>> {
        let tables = self.tables();
        let Some(number) = tables.merchant(merchant) else { return Ok(Vec::new()) };
        let rows = tables.customers.behind((number, text(after)));
        let theirs = rows.take_while(|(key, _)| key.0 == number).take(limit);
        Ok(theirs.map(|(key, row)| found(merchant.to_owned(), key.1.as_bytes(), row)).collect())
    }

    fn all_cards(&self, after: Option<(&str, &[u8])>, limit: usize) -> Result<Vec<Found<CardRow>>> {
        let tables = self.tables();
        let id = |id: &[u8]| id.try_into().unwrap_or([0; ID_LEN]);
        let after = after.map_or((0, [0; ID_LEN]), |(name, key)| (tables.merchant_or_none(name), id(key)));
        let rows = tables.cards.behind(after).take(limit);
        rows.map(|(key, row)| Ok(found(tables.name_of(key.0)?, &key.1, row))).collect()
    }

    fn all_instruments(
        &self,
        after: Option<(&str, &[u8])>,
        limit: usize,
    ) -> Result<Vec<Found<InstrumentRow>>> {
        let tables = self.tables();
        let packed = |key: &[u8]| unpack(key).map_or(Packed::FIRST, |token| Packed::of(&token));
        let after =
            after.map_or((0, Packed::FIRST), |(name, key)| (tables.merchant_or_none(name), packed(key)));
        let rows = tables.instruments.behind(after).take(limit);
        rows.map(|(key, row)| Ok(found(tables.name_of(key.0)?, key.1.as_bytes(), row))).collect()
    }

    fn all_customers(&self, after: Option<(&str, &[u8])>, limit: usize) -> Result<Vec<Found<CustomerRow>>> {
        let tables = self.tables();
        let after =
            after.map_or((0, String::new()), |(name, key)| (tables.merchant_or_none(name), text(key)));
        let rows = tables.customers.behind(after).take(limit);
        rows.map(|(key, row)| Ok(found(tables.name_of(key.0)?, key.1.as_bytes(), row))).collect()
    }

    fn tally(&self) -> Result<Vec<Tally>> {
        let tables = self.tables();
        let mut tallies: BTreeMap<u32, Tally> = BTreeMap::new();
        let mut tally = |sealed: &[u8], one: fn(&mut Tally) -> &mut u64| {
            let epoch = sealed.get(1..5).and_then(<[u8]>::first_chunk).copied().ok_or(Code::Tampered)?;
            let epoch = u32::from_be_bytes(epoch);
            *one(tallies.entry(epoch).or_insert(Tally { epoch, ..Tally::default() })) += 1;
            Ok::<(), Error>(())
        };
        for (_, row) in tables.cards.iter() {
            tally(&row.sealed, |tally| &mut tally.cards)?;
        }
        for (_, row) in tables.instruments.iter() {
            tally(&row.sealed, |tally| &mut tally.instruments)?;
        }
        for (_, row) in tables.customers.iter() {
            tally(&row.sealed, |tally| &mut tally.customers)?;
        }
        for (_, row) in tables.credentials.iter() {
            tally(&row.sealed, |tally| &mut tally.credentials)?;
        }
        Ok(tallies.into_values().collect())
    }
}

fn found<R: Clone>(merchant: String, key: &[u8], row: &R) -> Found<R> {
    Found { merchant, key: key.to_vec(), row: row.clone() }
}

fn found_credential(row: &CredentialRow) -> Found<CredentialRow> {
    found(row.merchant.clone(), row.id.as_bytes(), row)
}

fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}
