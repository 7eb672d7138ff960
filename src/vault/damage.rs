//! Rows that do not open: passed over and named where others are read, sealed anew or removed; and a walk over all rows
//! that looks for them.
//!
//! A bad sector or a writer without keys must not stop what concerns the other rows. What a row holds is never said:
//! a token, an id and the merchant are enough to find it.

use super::Vault;
use super::life::Progress;
use super::read::Opened;
use super::rewrap::{Position, Sealed, Table};
use super::seal::{Sealer, epoch_of};
use super::store::{CardRow, Fingerprint, Found, Id, InstrumentRow, Rows, hex};
use crate::card::Pan;
use crate::error::{Code, Result};
use crate::keys::{KeyKind, Keyring};

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DamageKind {
    /// A card does not open.
    Card,
    /// An instrument does not open, or its card does not.
    Instrument,
    /// A customer does not open.
    Customer,
    /// A credential does not open.
    Credential,
    /// A card has no fingerprint under an index key in force: it cannot be found by its number.
    NoFingerprint,
    /// The card of an instrument is not there.
    NoCard,
    /// No instrument leads to a card.
    NoInstrument,
}

impl DamageKind {
    /// `card`, `instrument`, `customer`, `credential`, `no_fingerprint`, `no_card`, `no_instrument`.
    pub fn name(self) -> &'static str {
        match self {
            DamageKind::Card => "card",
            DamageKind::Instrument => "instrument",
            DamageKind::Customer => "customer",
            DamageKind::Credential => "credential",
            DamageKind::NoFingerprint => "no_fingerprint",
            DamageKind::NoCard => "no_card",
            DamageKind::NoInstrument => "no_instrument",
        }
    }
}

/// A damaged row. Holds nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What is wrong.
    pub kind: DamageKind,
    /// Whose row it is.
    pub merchant: Box<str>,
    /// The token of an instrument, the id of a card in hex, of a customer or of a credential.
    pub id: Box<str>,
}

/// What [`Vault::check_vault`] has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VaultReport {
    /// How many rows were read.
    pub rows: u64,
    /// Those that are damaged.
    pub damaged: Vec<Damage>,
}

impl Damage {
    pub(super) fn new(kind: DamageKind, merchant: &str, id: &str) -> Damage {
        Damage { kind, merchant: merchant.into(), id: id.into() }
    }

    /// `id` as its column has it, which need not have an id's length.
    pub(super) fn of_card(kind: DamageKind, merchant: &str, id: &[u8]) -> Damage {
        Damage::new(kind, merchant, &hex(id))
    }
}

/// What rows were opened to; `None` where one of them is damaged. `epochs` are those that they name.
///
/// `Epoch` says so too where the keys in hand have no such epoch and are the vault's newest: `newest` gives it back where
/// they are not. An epoch that they have is one whose key is not unwrapped yet.
pub(super) fn unless_damaged<T>(
    keyring: &Keyring,
    epochs: &[Option<u32>],
    opened: Result<T>,
    newest: impl FnOnce() -> Result<()>,
) -> Result<Option<T>> {
    let is_known = |epoch: u32| {
        keyring.infos().any(|key| key.kind == KeyKind::Epoch && key.id == epoch && key.is_live())
    };
    let is_unknown = || epochs.iter().flatten().any(|epoch| !is_known(*epoch));
    match opened {
        Err(error) if error.code() == Code::Tampered => Ok(None),
        Err(error) if error.code() == Code::Epoch && is_unknown() => newest().map(|()| None),
        other => other.map(Some),
    }
}

/// The epochs that two rows name, for [`unless_damaged`].
pub(super) fn epochs_of(rows: &(InstrumentRow, CardRow)) -> [Option<u32>; 2] {
    [&rows.0.sealed, &rows.1.sealed].map(|sealed| epoch_of(sealed).ok())
}

impl Vault {
    /// [`unless_damaged`] for what was read outside a transaction.
    pub(super) fn unless_damaged<T>(
        &self,
        keyring: &Keyring,
        sealed: &[u8],
        opened: Result<T>,
    ) -> Result<Option<T>> {
        unless_damaged(keyring, &[epoch_of(sealed).ok()], opened, || self.check_newest(keyring))
    }

    fn check_newest(&self, keyring: &Keyring) -> Result<()> {
        self.shared.store.read(&mut |rows| super::check_fence(rows, keyring))
    }

    /// Opens an instrument that was read outside a transaction, if it opens.
    pub(super) fn open_if_whole(
        &self,
        keyring: &Keyring,
        rows: (InstrumentRow, CardRow),
    ) -> Result<Option<Opened>> {
        let epochs = epochs_of(&rows);
        let opened = Opened::new(keyring, &self.merchant, rows);
        unless_damaged(keyring, &epochs, opened, || self.check_newest(keyring))
    }

    /// Walks over all rows of all merchants and opens each, as long as `progress` says so: `Callback` where not.
    /// Changes nothing, and gives those that are damaged. A row that is made meanwhile may be passed over.
    pub fn check_vault(&self, progress: Progress<'_>) -> Result<VaultReport> {
        self.ask("check", 0)?;
        let total = self.rows_in_all()?;
        let mut report = VaultReport::default();
        for table in Table::ALL {
            let mut after: Option<Position> = None;
            loop {
                let (seen, last, damaged) = self.check_page(table, after.as_ref())?;
                report.rows += seen;
                report.damaged.extend(damaged);
                if !progress(report.rows, total.max(report.rows)) {
                    return Err(Code::Callback.into());
                }
                match last {
                    Some(last) => after = Some(last),
                    None => break,
                }
            }
        }
        Ok(report)
    }

    fn check_page(
        &self,
        table: Table,
        after: Option<&Position>,
    ) -> Result<(u64, Option<Position>, Vec<Damage>)> {
        self.work(|keyring, _| {
            let mut page = Sealed::default();
            self.shared.store.read(&mut |rows| {
                page = Sealed::read(rows, table, after)?;
                Ok(())
            })?;
            let mut damaged = self.damaged_of(&page, keyring, None)?;
            self.cards_not_found(&page, keyring, &mut damaged)?;
            self.cards_without_instrument(&page, &mut damaged)?;
            self.instruments_without_card(&page, &mut damaged)?;
            Ok((page.len() as u64, page.next(), damaged))
        })
    }

    /// The rows that name an epoch and do not open, of all tables. `Epoch` where one opens: it is still needed.
    pub(super) fn damaged_under(&self, epoch: u32) -> Result<Vec<Damage>> {
        let mut all = Vec::new();
        for table in Table::ALL {
            let mut after: Option<Position> = None;
            loop {
                let (next, damaged, whole) = self.work(|keyring, _| {
                    let mut page = Sealed::default();
                    self.shared.store.read(&mut |rows| {
                        page = Sealed::read(rows, table, after.as_ref())?;
                        Ok(())
                    })?;
                    let named = page.sealed().filter(|sealed| is_under(sealed, epoch)).count();
                    let damaged = self.damaged_of(&page, keyring, Some(epoch))?;
                    Ok((page.next(), damaged.clone(), named - damaged.len()))
                })?;
                if whole > 0 {
                    return Err(Code::Epoch.into());
                }
                all.extend(damaged);
                match next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        Ok(all)
    }

    /// The rows of a page that do not open: all, or those that name an epoch.
    fn damaged_of(&self, page: &Sealed, keyring: &Keyring, of: Option<u32>) -> Result<Vec<Damage>> {
        let mut damaged = Vec::new();
        let asked = |sealed: &[u8]| of.is_none_or(|epoch| is_under(sealed, epoch));
        for Found { merchant, key, row } in page.cards.iter().filter(|found| asked(&found.row.sealed)) {
            let opened = Sealer::new(keyring, merchant).open_card(row).map(drop);
            if self.unless_damaged(keyring, &row.sealed, opened)?.is_none() {
                damaged.push(Damage::of_card(DamageKind::Card, merchant, key));
            }
        }
        for Found { merchant, row, .. } in page.instruments.iter().filter(|found| asked(&found.row.sealed)) {
            let opened = Sealer::new(keyring, merchant).open_instrument(row).map(drop);
            if self.unless_damaged(keyring, &row.sealed, opened)?.is_none() {
                damaged.push(Damage::new(DamageKind::Instrument, merchant, row.token.as_str()));
            }
        }
        for Found { merchant, row, .. } in page.customers.iter().filter(|found| asked(&found.row.sealed)) {
            let opened = Sealer::new(keyring, merchant).open_customer(row).map(drop);
            if self.unless_damaged(keyring, &row.sealed, opened)?.is_none() {
                damaged.push(Damage::new(DamageKind::Customer, merchant, &row.id));
            }
        }
        for Found { merchant, row, .. } in page.credentials.iter().filter(|found| asked(&found.row.sealed)) {
            let opened = Sealer::new(keyring, merchant).open_credential(row).map(drop);
            if self.unless_damaged(keyring, &row.sealed, opened)?.is_none() {
                damaged.push(Damage::new(DamageKind::Credential, merchant, &row.id));
            }
        }
        Ok(damaged)
    }

    /// The cards of a page that open, and that their number does not lead to.
    fn cards_not_found(&self, page: &Sealed, keyring: &Keyring, damaged: &mut Vec<Damage>) -> Result<()> {
        for Found { merchant, row, .. } in &page.cards {
            let opened = Sealer::new(keyring, merchant).open_card(row);
            let Some(pan) = self.unless_damaged(keyring, &row.sealed, opened)? else { continue };
            let prints = prints_of(keyring, merchant, &pan)?;
            self.shared.store.read(&mut |rows| {
                let found = rows.known_cards(merchant, &prints)?;
                let known = found.iter().flatten().any(|card| card.id == row.id);
                // One that was deleted meanwhile is no damage.
                if !known && is_there(rows, merchant, &row.id)? {
                    damaged.push(Damage::of_card(DamageKind::NoFingerprint, merchant, &row.id));
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn cards_without_instrument(&self, page: &Sealed, damaged: &mut Vec<Damage>) -> Result<()> {
        self.shared.store.read(&mut |rows| {
            for Found { merchant, row, .. } in &page.cards {
                if rows.instruments_of(merchant, &row.id)?.is_empty() && is_there(rows, merchant, &row.id)? {
                    damaged.push(Damage::of_card(DamageKind::NoInstrument, merchant, &row.id));
                }
            }
            Ok(())
        })
    }

    fn instruments_without_card(&self, page: &Sealed, damaged: &mut Vec<Damage>) -> Result<()> {
        self.shared.store.read(&mut |rows| {
            for Found { merchant, row, .. } in &page.instruments {
                if !is_there(rows, merchant, &row.card)? && rows.instrument(merchant, &row.token)?.is_some() {
                    damaged.push(Damage::new(DamageKind::NoCard, merchant, row.token.as_str()));
                }
            }
            Ok(())
        })
    }
}

fn is_under(sealed: &[u8], epoch: u32) -> bool {
    epoch_of(sealed).is_ok_and(|of| of == epoch)
}

fn is_there(rows: &dyn Rows, merchant: &str, card: &Id) -> Result<bool> {
    Ok(!rows.lock_cards(merchant, &[*card])?.contains(&false))
}

/// The fingerprints of a number under all index keys in force.
pub(super) fn prints_of(keyring: &Keyring, merchant: &str, pan: &Pan) -> Result<Vec<Fingerprint>> {
    keyring
        .index_generations()
        .map(|generation| keyring.fingerprint_under(generation, merchant, pan))
        .collect()
}
