//! Rows sealed anew under the active epoch, a page at a time, while readers and writers go on.

use super::Vault;
use super::life::{BATCH, Progress};
use super::seal::{Sealer, epoch_of};
use super::store::{CardRow, CredentialRow, CustomerRow, Id, InstrumentRow, Rows};
use crate::error::{Code, Result};
use crate::keys::Keyring;
use crate::secret::{Random, stack};

impl Vault {
    /// Seals every row of every merchant under the active epoch, in small transactions; gives how many were sealed.
    ///
    /// `progress` is told how many rows are done and how many there were in the beginning, and says whether to go on:
    /// `Callback` where not. Stopped or killed, it loses nothing; run again, it goes on with those that are left.
    pub fn rewrap(&self, progress: Progress<'_>) -> Result<u64> {
        self.ask("rewrap", 0)?;
        let total = self.rows_in_all()?;
        let mut sealed = 0;
        let mut done = 0;
        for table in Table::ALL {
            let mut after = Position::default();
            loop {
                let page = self.rewrap_page(table, &after)?;
                sealed += page.sealed;
                done += page.seen;
                if !progress(done, total.max(done)) {
                    return Err(Code::Callback.into());
                }
                match page.last {
                    Some(last) => after = last,
                    None => break,
                }
            }
        }
        self.note("rewrap")?;
        Ok(sealed)
    }

    /// Seals the rows of a page that need it; one that somebody changes meanwhile is sealed under the active epoch by
    /// that.
    fn rewrap_page(&self, table: Table, after: &Position) -> Result<Page> {
        self.work(|keyring, _| {
            let mut page = Page::default();
            let mut found = Sealed::default();
            self.shared.store.read(&mut |rows| {
                found = Sealed::read(rows, table, after)?;
                Ok(())
            })?;
            page.seen = found.len() as u64;
            page.last = found.last().filter(|_| found.len() == BATCH);
            let resealed = stack::wipe_after::<{ stack::CIPHER }, _>(|| found.reseal(keyring))?;
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
}

/// The tables with sealed fields.
#[derive(Clone, Copy)]
enum Table {
    Cards,
    Instruments,
    Customers,
    Credentials,
}

impl Table {
    const ALL: [Table; 4] = [Table::Cards, Table::Instruments, Table::Customers, Table::Credentials];
}

/// Behind which row a page begins.
#[derive(Clone, Default)]
struct Position {
    card: Id,
    key: (String, String),
}

/// What became of a page.
#[derive(Default)]
struct Page {
    seen: u64,
    sealed: u64,
    last: Option<Position>,
}

/// The rows of a page of one table, each with its merchant.
#[derive(Default)]
struct Sealed {
    cards: Vec<(String, CardRow)>,
    instruments: Vec<(String, InstrumentRow)>,
    customers: Vec<(String, CustomerRow)>,
    credentials: Vec<CredentialRow>,
}

/// A row sealed anew, and what was sealed before.
enum Resealed {
    Card(CardRow, Vec<u8>),
    Instrument(String, InstrumentRow, Vec<u8>),
    Customer(String, CustomerRow, Vec<u8>),
    Credential(CredentialRow, Vec<u8>),
}

impl Sealed {
    fn read(rows: &dyn Rows, table: Table, after: &Position) -> Result<Sealed> {
        let mut page = Sealed::default();
        let key = (after.key.0.as_str(), after.key.1.as_str());
        match table {
            Table::Cards => page.cards = rows.all_cards(&after.card, BATCH)?,
            Table::Instruments => page.instruments = rows.all_instruments(key, BATCH)?,
            Table::Customers => page.customers = rows.all_customers(key, BATCH)?,
            Table::Credentials => page.credentials = rows.all_credentials(key.1, BATCH)?,
        }
        Ok(page)
    }

    fn len(&self) -> usize {
        self.cards.len() + self.instruments.len() + self.customers.len() + self.credentials.len()
    }

    fn last(&self) -> Option<Position> {
        let key = |merchant: &String, id: &str| (merchant.clone(), id.into());
        let card = self.cards.last().map(|(_, row)| Position { card: row.id, ..Position::default() });
        let instrument = self.instruments.last().map(|(merchant, row)| key(merchant, row.token.as_str()));
        let customer = self.customers.last().map(|(merchant, row)| key(merchant, &row.id));
        let credential = self.credentials.last().map(|row| key(&row.merchant, &row.id));
        let other = instrument.or(customer).or(credential);
        card.or_else(|| Some(Position { key: other?, ..Position::default() }))
    }

    /// Those that are not under the active epoch, sealed under it.
    fn reseal(self, keyring: &Keyring) -> Result<Vec<Resealed>> {
        let epoch = keyring.active_epoch()?;
        let mut resealed = Vec::new();
        let mut random = Random::new();
        for (merchant, mut row) in self.cards {
            if epoch_of(&row.sealed)? != epoch {
                let sealer = Sealer::new(keyring, &merchant);
                let pan = sealer.open_card(&row)?;
                let was = std::mem::take(&mut row.sealed);
                sealer.seal_card(epoch, &mut row, &pan, &mut random)?;
                resealed.push(Resealed::Card(row, was));
            }
        }
        for (merchant, mut row) in self.instruments {
            if epoch_of(&row.sealed)? != epoch {
                let sealer = Sealer::new(keyring, &merchant);
                let contents = sealer.open_instrument(&row)?;
                let was = std::mem::take(&mut row.sealed);
                sealer.seal_instrument(epoch, &mut row, contents.shown(), &mut random)?;
                resealed.push(Resealed::Instrument(merchant, row, was));
            }
        }
        for (merchant, mut row) in self.customers {
            if epoch_of(&row.sealed)? != epoch {
                let sealer = Sealer::new(keyring, &merchant);
                let data = sealer.open_customer(&row)?;
                let was = std::mem::take(&mut row.sealed);
                sealer.seal_customer(epoch, &mut row, &data)?;
                resealed.push(Resealed::Customer(merchant, row, was));
            }
        }
        for mut row in self.credentials {
            if epoch_of(&row.sealed)? != epoch {
                let merchant = row.merchant.clone();
                let sealer = Sealer::new(keyring, &merchant);
                let secret = sealer.open_credential(&row)?;
                let was = std::mem::take(&mut row.sealed);
                sealer.seal_credential(epoch, &mut row, &secret)?;
                resealed.push(Resealed::Credential(row, was));
            }
        }
        Ok(resealed)
    }
}

impl Resealed {
    /// Puts the row in the place of what was there; says whether it was still that.
    fn put(&self, rows: &dyn Rows) -> Result<bool> {
        match self {
            Resealed::Card(row, was) => rows.reseal_card(row, was),
            Resealed::Instrument(merchant, row, was) => rows.update_instrument(merchant, row, was),
            Resealed::Customer(merchant, row, was) => rows.update_customer(merchant, row, was),
            Resealed::Credential(row, was) => rows.update_credential(row, was),
        }
    }
}
