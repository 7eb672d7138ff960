//! The state of a vault: how much is in it, under which keys.

use super::audit::HEAD_LEN;
use super::{Vault, check_fence};
use crate::error::{Code, Result};
use crate::keys::{Commitment, KeyInfo, KeyKind};

/// An epoch and how many rows need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStatus {
    /// The epoch.
    pub key: KeyInfo,
    /// Cards sealed under it.
    pub cards: u64,
    /// Instruments sealed under it.
    pub instruments: u64,
    /// Customers sealed under it.
    pub customers: u64,
    /// Credentials sealed under it.
    pub credentials: u64,
}

/// The state of a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `sqlite`, `memory` or `postgres`.
    pub store: &'static str,
    /// The version of the tables.
    pub schema: i32,
    /// Grows with every change of the keys. A host that remembers it can tell an older copy of the vault:
    /// [`OpenOptions::min_generation`](super::OpenOptions::min_generation).
    pub generation: i64,
    /// A public value that only this vault's keys have, by which a host knows it again:
    /// [`OpenOptions::commitment`](super::OpenOptions::commitment).
    pub commitment: Commitment,
    /// Whether detokenizing is refused where no actor is named: [`Vault::set_require_actor`].
    pub require_actor: bool,
    /// Cards that `find` and reuse miss, for they have no fingerprint under an index key in force.
    /// [`Vault::change_index`] gives each one.
    pub unindexed: u64,
    /// Cards of all merchants.
    pub cards: u64,
    /// Instruments of all merchants.
    pub instruments: u64,
    /// Names the last lines of all merchants' audit trails: for [`Vault::verify_audit`], later.
    pub audit_head: [u8; HEAD_LEN],
    /// All epochs, the oldest first.
    pub epochs: Vec<EpochStatus>,
    /// All index keys, the oldest first.
    pub index: Vec<KeyInfo>,
}

impl Vault {
    /// Where the vault is: `sqlite`, `memory` or `postgres`. Asks nobody.
    pub fn store_name(&self) -> &'static str {
        self.shared.store.name()
    }

    /// The state of the vault, of all merchants. Reads every row: for an operator, not for every minute.
    pub fn status(&self) -> Result<Status> {
        self.ask("status", 0)?;
        self.work(|keyring, _| {
            self.flush_refused(keyring)?;
            self.join_committed(keyring, true)?;
            let audit_head = self.audit_head(keyring)?;
            let (mut tallies, mut indexed) = (Vec::new(), 0);
            let mut index = keyring.index_generations();
            let newest = index.next().ok_or(Code::Internal)?;
            let in_force = [newest, index.next().unwrap_or(newest)];
            self.shared.store.read(&mut |rows| {
                check_fence(rows, keyring)?;
                indexed = rows.count_indexed(in_force)?;
                tallies = rows.tally()?;
                Ok(())
            })?;
            let cards = tallies.iter().map(|tally| tally.cards).sum::<u64>();
            let of_epoch = |key: &KeyInfo| {
                let tally = tallies.iter().find(|tally| tally.epoch == key.id).copied().unwrap_or_default();
                EpochStatus {
                    key: *key,
                    cards: tally.cards,
                    instruments: tally.instruments,
                    customers: tally.customers,
                    credentials: tally.credentials,
                }
            };
            let mut keys: Vec<KeyInfo> = keyring.infos().copied().collect();
            keys.sort_unstable_by_key(|key| key.id);
            let of_kind = |kind| keys.iter().filter(move |key| key.kind == kind);
            Ok(Status {
                store: self.shared.store.name(),
                schema: self.shared.store.schema(),
                generation: keyring.version(),
                commitment: keyring.commitment().ok_or(Code::Internal)?,
                require_actor: keyring.settings().require_actor,
                unindexed: cards.saturating_sub(indexed),
                cards,
                instruments: tallies.iter().map(|tally| tally.instruments).sum(),
                audit_head,
                epochs: of_kind(KeyKind::Epoch).map(of_epoch).collect(),
                index: of_kind(KeyKind::Index).copied().collect(),
            })
        })
    }
}
