//! The life of a vault's keys, while readers and writers go on: new epochs, rows moved to them, old ones destroyed, the
//! index key and the root key changed.
//!
//! Whatever changes the keys raises the fence first, which waits for the running writers; those that come find their
//! keyring stale and load it again. So after `rotate` no row is sealed under an older epoch any more, and when a pass
//! over all rows finds none that needs it, none will ever.

use super::Vault;
use super::seal::{Sealer, epoch_of};
use super::store::{CardRow, CredentialRow, CustomerRow, Fence, Id, InstrumentRow, Print, Rows, Tally};
use crate::error::{Code, Error, Result};
use crate::keys::{KeyKind, KeyState, Keyring, Root, WrappedKey, epochs};
use crate::secret::Random;
use std::sync::{Arc, PoisonError};

/// How many rows are read, and written in one transaction, at a time.
const BATCH: usize = 256;

/// Changes a vault's keys, with the root key, the raised fence and the time in hand.
type KeyChange<'c> = &'c mut dyn FnMut(&mut Vec<WrappedKey>, &Root, &Fence, i64) -> Result<()>;

/// Told how many rows are done and how many there are; says whether to go on.
pub type Progress<'p> = &'p mut dyn FnMut(u64, u64) -> bool;

impl Vault {
    /// Makes a new epoch and gives its id. From now on everything is sealed under it; what is sealed under older ones
    /// opens as before.
    pub fn rotate(&self) -> Result<u32> {
        let mut epoch = 0;
        self.change_keys("rotate", &mut |keys, root, fence, now| {
            epoch = epochs::rotate(keys, &root.fetch()?, &fence.vault, now)?;
            Ok(())
        })?;
        Ok(epoch)
    }

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
            let mut after = None;
            loop {
                let page = self.rewrap_page(table, after.as_ref())?;
                sealed += page.sealed;
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
        Ok(sealed)
    }

    /// Forgets an epoch's key for ever: what it sealed, in backups too, opens no more.
    ///
    /// `Epoch` for the active epoch, one that is not there, and one that a row still needs: [`Vault::rewrap`] first.
    pub fn destroy(&self, epoch: u32) -> Result<()> {
        self.check_retired(epoch)?;
        let mut tallies = Vec::new();
        self.read(&mut |rows| {
            tallies = rows.tally()?;
            Ok(())
        })?;
        // The epoch was retired before the rows were counted: none can have come since.
        if tallies.iter().any(|tally| tally.epoch == epoch) {
            return Err(Code::Epoch.into());
        }
        self.change_keys("destroy", &mut |keys, _, _, _| epochs::destroy(keys, epoch))
    }

    /// Changes the index key, under which fingerprints are made: adds a new one, gives every card a fingerprint under
    /// it, and forgets the old one and its fingerprints. Gives the new generation.
    ///
    /// `progress` as with [`Vault::rewrap`]. 'Same card?' stays exact all the while. Stopped or killed, run it again:
    /// it goes on with the new key that is there.
    pub fn change_index(&self, progress: Progress<'_>) -> Result<u32> {
        let mut generation = None;
        self.change_keys("change_index", &mut |keys, root, fence, now| {
            let under_way = |key: &&WrappedKey| {
                key.info.kind == KeyKind::Index && key.info.state == KeyState::DecryptOnly
            };
            if keys.iter().find(under_way).is_none() {
                epochs::begin_index(keys, &root.fetch()?, &fence.vault, now)?;
            }
            Ok(())
        })?;
        let total = self.rows_in_all()?;
        let (mut after, mut done) = (None, 0);
        loop {
            let (seen, last) = self.index_page(after.as_ref())?;
            done += seen;
            if !progress(done, total.max(done)) {
                return Err(Code::Callback.into());
            }
            match last {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        self.change_keys("change_index", &mut |keys, _, _, _| {
            epochs::drop_old_index(keys);
            Ok(())
        })?;
        self.work(|keyring, _| {
            generation = keyring.index_generations().next();
            Ok(())
        })?;
        self.drop_old_prints()?;
        generation.ok_or_else(|| Code::Internal.into())
    }

    /// Wraps the keys under another root key, on which this handle goes on. Other handles go on too with the keys that
    /// they have loaded; the next time that they load them they need the new root key at their place.
    pub fn change_root(&self, to: &Root) -> Result<()> {
        self.ask("change_root", 0)?;
        let next = |root: Option<Root>| {
            *self.shared.next_root.lock().unwrap_or_else(PoisonError::into_inner) = root;
        };
        // Its lock is not held: who finds the keys changed meanwhile loads them with it.
        let (from, into) = (self.shared.root().fetch()?, to.fetch()?);
        next(Some(to.clone()));
        let changed = self.work(|keyring, now| {
            self.write(keyring, &self.line(now, "change_root", "")?, &mut |rows| {
                let mut keys = rows.keys()?;
                epochs::rewrap(&mut keys, &from, &into, &rows.fence()?.vault)?;
                rows.put_keys(&keys)
            })
        });
        if changed.is_ok() {
            *self.shared.root.lock().unwrap_or_else(PoisonError::into_inner) = to.clone();
        }
        next(None);
        changed
    }

    /// Raises the fence and changes the keys in one transaction, and loads them.
    fn change_keys(&self, action: &str, change: KeyChange<'_>) -> Result<()> {
        self.ask(action, 0)?;
        let root = self.shared.root();
        self.work(|keyring, now| {
            let line = self.line(now, action, "")?;
            let mut refused = Ok(());
            let written = self.write_alone(keyring, &line, &mut |rows| {
                rows.raise_fence()?;
                let (fence, mut keys) = (rows.fence()?, rows.keys()?);
                // `Epoch` would be taken for a stale keyring.
                refused = change(&mut keys, &root, &fence, now);
                if refused.is_err() {
                    return Err(Code::Argument.into());
                }
                rows.put_keys(&keys)
            });
            match (written, refused) {
                (Err(_), Err(refused)) => Ok(Err(refused)),
                (written, _) => written.map(Ok),
            }
        })??;
        self.work(|_, _| self.shared.reload(&self.shared.keyring.load_full(), Error::from(Code::Epoch)))
    }

    fn check_retired(&self, epoch: u32) -> Result<()> {
        let mut retired = false;
        self.read(&mut |rows| {
            retired = rows.keys()?.iter().any(|key| {
                let info = &key.info;
                info.kind == KeyKind::Epoch && info.id == epoch && info.state == KeyState::DecryptOnly
            });
            Ok(())
        })?;
        if retired { Ok(()) } else { Err(Code::Epoch.into()) }
    }

    fn read(&self, work: &mut dyn FnMut(&dyn Rows) -> Result<()>) -> Result<()> {
        self.work(|_, _| self.shared.store.read(work))
    }

    fn rows_in_all(&self) -> Result<u64> {
        let mut total = 0;
        self.read(&mut |rows| {
            total = rows.tally()?.iter().map(Tally::rows).sum();
            Ok(())
        })?;
        Ok(total)
    }

    /// A line in the audit trail, and nothing else.
    fn note(&self, action: &str) -> Result<()> {
        self.work(|keyring, now| self.write(keyring, &self.line(now, action, "")?, &mut |_| Ok(())))
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
            page.last = found.last().filter(|_| found.len() == BATCH);
            let resealed = found.reseal(keyring)?;
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

    /// Gives the cards of a page a fingerprint under the newest index key; gives how many there were and the last one.
    fn index_page(&self, after: Option<&(String, Id)>) -> Result<(u64, Option<(String, Id)>)> {
        self.work(|keyring, _| {
            let newest = keyring.index_generations().next().ok_or(Code::Internal)?;
            let mut cards = Vec::new();
            self.shared.store.read(&mut |rows| {
                let after = after.map(|(merchant, id)| (merchant.as_str(), id));
                cards = rows.all_cards(after, BATCH)?;
                Ok(())
            })?;
            let print = |(merchant, card): &(String, CardRow)| {
                let pan = Sealer::new(keyring, merchant).open_card(card)?;
                let print = keyring.fingerprint_under(newest, merchant, &pan)?;
                Ok(Print { generation: newest, print })
            };
            let prints = cards.iter().map(print).collect::<Result<Vec<Print>>>()?;
            if !cards.is_empty() {
                self.write_again(&mut |rows| {
                    super::check_fence(rows, keyring)?;
                    add_prints(rows, &cards, &prints)
                })?;
            }
            let last = cards.last().filter(|_| cards.len() == BATCH);
            let last = last.map(|(merchant, card)| (merchant.clone(), card.id));
            Ok((cards.len() as u64, last))
        })
    }

    /// Removes the fingerprints of index keys that are gone.
    fn drop_old_prints(&self) -> Result<()> {
        let keyring: Arc<Keyring> = self.shared.keyring.load_full();
        let gone = keyring.infos().filter(|key| key.kind == KeyKind::Index && !key.is_live());
        for key in gone {
            loop {
                let removed = self.work(|_, _| {
                    let mut removed = 0;
                    self.write_again(&mut |rows| {
                        removed = rows.delete_prints(key.id, BATCH)?;
                        Ok(())
                    })?;
                    Ok(removed)
                })?;
                if removed < BATCH {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Adds a fingerprint for each of the cards, which stand merchant by merchant. One that is gone by now must not get a
/// fingerprint that leads nowhere.
fn add_prints(rows: &dyn Rows, cards: &[(String, CardRow)], prints: &[Print]) -> Result<()> {
    let mut prints = prints.iter();
    for cards in cards.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((merchant, _)) = cards.first() else { continue };
        let ids: Vec<Id> = cards.iter().map(|(_, card)| card.id).collect();
        for ((id, there), print) in ids.iter().zip(rows.lock_cards(merchant, &ids)?).zip(prints.by_ref()) {
            if there {
                rows.add_print(merchant, print, id)?;
            }
        }
    }
    Ok(())
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

/// Behind which row of which merchant a page begins.
struct Position {
    merchant: String,
    card: Id,
    key: String,
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
    Card(String, CardRow, Vec<u8>),
    Instrument(String, InstrumentRow, Vec<u8>),
    Customer(String, CustomerRow, Vec<u8>),
    Credential(CredentialRow, Vec<u8>),
}

impl Sealed {
    fn read(rows: &dyn Rows, table: Table, after: Option<&Position>) -> Result<Sealed> {
        let mut page = Sealed::default();
        let card = after.map(|after| (after.merchant.as_str(), &after.card));
        let key = after.map(|after| (after.merchant.as_str(), after.key.as_str()));
        match table {
            Table::Cards => page.cards = rows.all_cards(card, BATCH)?,
            Table::Instruments => page.instruments = rows.all_instruments(key, BATCH)?,
            Table::Customers => page.customers = rows.all_customers(key, BATCH)?,
            Table::Credentials => {
                page.credentials = rows.all_credentials(key.map_or("", |(_, id)| id), BATCH)?
            }
        }
        Ok(page)
    }

    fn len(&self) -> usize {
        self.cards.len() + self.instruments.len() + self.customers.len() + self.credentials.len()
    }

    fn last(&self) -> Option<Position> {
        let key = |merchant: &String, id: &str| Position {
            merchant: merchant.clone(),
            card: [0; 16],
            key: id.into(),
        };
        let card = self.cards.last().map(|(merchant, row)| Position { card: row.id, ..key(merchant, "") });
        let instrument = self.instruments.last().map(|(merchant, row)| key(merchant, row.token.as_str()));
        let customer = self.customers.last().map(|(merchant, row)| key(merchant, &row.id));
        let credential = self.credentials.last().map(|row| key(&row.merchant, &row.id));
        card.or(instrument).or(customer).or(credential)
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
                resealed.push(Resealed::Card(merchant, row, was));
            }
        }
        for (merchant, mut row) in self.instruments {
            if epoch_of(&row.sealed)? != epoch {
                let sealer = Sealer::new(keyring, &merchant);
                let contents = sealer.open_instrument(&row)?;
                let was = std::mem::take(&mut row.sealed);
                sealer.seal_instrument(epoch, &mut row, &contents, &mut random)?;
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
            Resealed::Card(merchant, row, was) => rows.reseal_card(merchant, row, was),
            Resealed::Instrument(merchant, row, was) => rows.update_instrument(merchant, row, was),
            Resealed::Customer(merchant, row, was) => rows.update_customer(merchant, row, was),
            Resealed::Credential(row, was) => rows.update_credential(row, was),
        }
    }
}
