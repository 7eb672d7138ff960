//! Rows sealed anew under the active epoch, a page at a time, while readers and writers go on.

use super::Vault;
use super::damage::{Damage, DamageKind};
use super::life::{BATCH, Progress};
use super::seal::{Sealer, epoch_of};
use super::store::{CardRow, CredentialRow, CustomerRow, Found, InstrumentRow, Rows};
use crate::error::{Code, Result};
use crate::keys::Keyring;
use crate::secret::{Random, stack};

/// What a [`Vault::rewrap`] has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// How many rows were sealed.
    pub sealed: u64,
    /// Those that do not open, and are still under an older epoch.
    pub damaged: Vec<Damage>,
}

impl Vault {
    /// Seals every row of every merchant under the active epoch, in small transactions. A damaged row is left as it is
    /// and named.
    ///
    /// `progress` is told how many rows are done and how many there were in the beginning, and says whether to go on:
    /// `Callback` where not. Stopped or killed, it loses nothing; run again, it goes on with those that are left.
    pub fn rewrap(&self, progress: Progress<'_>) -> Result<Rewrapped> {
        self.ask("rewrap", 0)?;
        let total = self.rows_in_all()?;
        let mut rewrapped = Rewrapped::default();
        let mut done = 0;
        for table in Table::ALL {
            let mut after = None;
            loop {
                let page = self.rewrap_page(table, after.as_ref())?;
                rewrapped.sealed += page.sealed;
                rewrapped.damaged.extend(page.damaged);
                done += page.seen;
                if !progress(done, total.max(done)) {
                    return Err(Code::Callback.into());
                }
                match page.last {
                    Some(last) => after = Some(last),
                    None => break,
                }
            }
        }
        self.note("rewrap")?;
        Ok(rewrapped)
    }

    /// Seals the rows of a page that need it; one that somebody changes meanwhile is sealed under the active epoch by
    /// that.
    fn rewrap_page(&self, table: Table, after: Option<&Position>) -> Result<Page> {
        self.work(|keyring, _| {
            let mut page = Page::default();
            let mut found = Sealed::default();
            self.shared.store.read(&mut |rows| {
                found = Sealed::read(rows, table, after)?;
                Ok(())
            })?;
            page.seen = found.len() as u64;
            page.last = found.next();
            let damaged = &mut page.damaged;
            let resealed =
                stack::wipe_after::<{ stack::CIPHER }, _>(|| self.reseal(found, keyring, damaged))?;
            if !resealed.is_empty() {
                self.write_again(&mut |rows| {
                    super::check_fence(rows, keyring)?;
                    page.sealed = 0;
                    for row in &resealed {
                        page.sealed += u64::from(row.put(rows)?);
                    }
                    Ok(())
                })?;
            }
            Ok(page)
        })
    }

    /// The rows of a page that are not under the active epoch, sealed under it. Damaged ones are named.
    fn reseal(&self, page: Sealed, keyring: &Keyring, damaged: &mut Vec<Damage>) -> Result<Vec<Resealed>> {
        let epoch = keyring.active_epoch()?;
        let is_old = |sealed: &[u8]| epoch_of(sealed) != Ok(epoch);
        let mut resealed = Vec::new();
        let mut random = Random::new();
        for found in page.cards.into_iter().filter(|found| is_old(&found.row.sealed)) {
            let Found { merchant, key, mut row } = found;
            let sealer = Sealer::new(keyring, &merchant);
            let Some(pan) = self.unless_damaged(keyring, &row.sealed, sealer.open_card(&row))? else {
                damaged.push(Damage::of_card(DamageKind::Card, &merchant, &key));
                continue;
            };
            let was = std::mem::take(&mut row.sealed);
            sealer.seal_card(epoch, &mut row, &pan, &mut random)?;
            resealed.push(Resealed::Card(merchant, row, was));
        }
        for found in page.instruments.into_iter().filter(|found| is_old(&found.row.sealed)) {
            let Found { merchant, mut row, .. } = found;
            let sealer = Sealer::new(keyring, &merchant);
            let Some(contents) = self.unless_damaged(keyring, &row.sealed, sealer.open_instrument(&row))?
            else {
                damaged.push(Damage::new(DamageKind::Instrument, &merchant, row.token.as_str()));
                continue;
            };
            let was = std::mem::take(&mut row.sealed);
            sealer.seal_instrument(epoch, &mut row, contents.shown(), &mut random)?;
            resealed.push(Resealed::Instrument(merchant, row, was));
        }
        for found in page.customers.into_iter().filter(|found| is_old(&found.row.sealed)) {
            let Found { merchant, mut row, .. } = found;
            let sealer = Sealer::new(keyring, &merchant);
            let Some(data) = self.unless_damaged(keyring, &row.sealed, sealer.open_customer(&row))? else {
                damaged.push(Damage::new(DamageKind::Customer, &merchant, &row.id));
                continue;
            };
            let was = std::mem::take(&mut row.sealed);
            sealer.seal_customer(epoch, &mut row, &data)?;
            resealed.push(Resealed::Customer(merchant, row, was));
        }
        for found in page.credentials.into_iter().filter(|found| is_old(&found.row.sealed)) {
            let Found { merchant, mut row, .. } = found;
            let sealer = Sealer::new(keyring, &merchant);
            let Some(secret) = self.unless_damaged(keyring, &row.sealed, sealer.open_credential(&row))?
            else {
                damaged.push(Damage::new(DamageKind::Credential, &merchant, &row.id));
                continue;
            };
            let was = std::mem::take(&mut row.sealed);
            sealer.seal_credential(epoch, &mut row, &secret)?;
            resealed.push(Resealed::Credential(row, was));
        }
        Ok(resealed)
    }
}

/// The tables with sealed fields.
#[derive(Clone, Copy)]
pub(super) enum Table {
    Cards,
    Instruments,
    Customers,
    Credentials,
}

impl Table {
    pub(super) const ALL: [Table; 4] =
        [Table::Cards, Table::Instruments, Table::Customers, Table::Credentials];
}

/// Behind which row of which merchant a page begins.
pub(super) struct Position {
    merchant: String,
    key: Vec<u8>,
}

impl Position {
    pub(super) fn of<R>(found: &Found<R>) -> Position {
        Position { merchant: found.merchant.clone(), key: found.key.clone() }
    }

    pub(super) fn as_key(&self) -> (&str, &[u8]) {
        (&self.merchant, &self.key)
    }
}

/// What became of a page.
#[derive(Default)]
struct Page {
    seen: u64,
    sealed: u64,
    last: Option<Position>,
    damaged: Vec<Damage>,
}

/// The rows of a page of one table.
#[derive(Default)]
pub(super) struct Sealed {
    pub(super) cards: Vec<Found<CardRow>>,
    pub(super) instruments: Vec<Found<InstrumentRow>>,
    pub(super) customers: Vec<Found<CustomerRow>>,
    pub(super) credentials: Vec<Found<CredentialRow>>,
}

/// A row sealed anew, and what was sealed before.
enum Resealed {
    Card(String, CardRow, Vec<u8>),
    Instrument(String, InstrumentRow, Vec<u8>),
    Customer(String, CustomerRow, Vec<u8>),
    Credential(CredentialRow, Vec<u8>),
}

impl Sealed {
    pub(super) fn read(rows: &dyn Rows, table: Table, after: Option<&Position>) -> Result<Sealed> {
        let mut page = Sealed::default();
        let key = after.map(Position::as_key);
        match table {
            Table::Cards => page.cards = rows.all_cards(key, BATCH)?,
            Table::Instruments => page.instruments = rows.all_instruments(key, BATCH)?,
            Table::Customers => page.customers = rows.all_customers(key, BATCH)?,
            Table::Credentials => {
                page.credentials = rows.all_credentials(key.map(|(_, id)| id), BATCH)?;
            }
        }
        Ok(page)
    }

    pub(super) fn len(&self) -> usize {
        self.cards.len() + self.instruments.len() + self.customers.len() + self.credentials.len()
    }

    /// What is sealed in its rows.
    pub(super) fn sealed(&self) -> impl Iterator<Item = &[u8]> {
        let cards = self.cards.iter().map(|found| &found.row.sealed);
        let instruments = self.instruments.iter().map(|found| &found.row.sealed);
        let customers = self.customers.iter().map(|found| &found.row.sealed);
        let credentials = self.credentials.iter().map(|found| &found.row.sealed);
        cards.chain(instruments).chain(customers).chain(credentials).map(Vec::as_slice)
    }

    /// Where the next page begins; nothing behind the last one.
    pub(super) fn next(&self) -> Option<Position> {
        self.last().filter(|_| self.len() == BATCH)
    }

    fn last(&self) -> Option<Position> {
        let card = self.cards.last().map(Position::of);
        let instrument = self.instruments.last().map(Position::of);
        let customer = self.customers.last().map(Position::of);
        let credential = self.credentials.last().map(Position::of);
        card.or(instrument).or(customer).or(credential)
    }
}

impl Resealed {
    /// Puts the row in the place of what was there; says whether it was still that.
    fn put(&self, rows: &dyn Rows) -> Result<bool> {
        match self {
            Resealed::Card(merchant, row, was) => rows.reseal_card(merchant, row, was),
            Resealed::Instrument(merchant, row, was) => rows.update_instrument(merchant, row, was),
            Resealed::Customer(merchant, row, was) => rows.update_customer(merchant, row, was),
            Resealed::Credential(row, was) => rows.update_credential(row, was),
        }
    }
}
