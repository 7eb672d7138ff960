//! The key table: every key of a vault with its state, and what else only the vault's keys may change, under one MAC.
//!
//! The MAC is under the *table key*, a key of its own kind that is made with the vault, wrapped by the root key, and
//! outlives all epochs. Who edits the tables without it cannot raise a version, swap two states, or add, drop or
//! revive a key: the table no longer verifies. A whole older table does verify; a host that remembers the version
//! notices it. A whole foreign table is noticed by the [`Commitment`] to the table key.

use super::root::RootKey;
use super::wrapped::{KeyKind, WrappedKey, mac_under};
use super::{KEYRING_ID_LEN, Purpose};
use crate::error::{Code, Result};
use crate::secret::arena::KeySlot;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Length of the table's MAC, in bytes.
pub const MAC_LEN: usize = 32;
/// Length of a [`Commitment`], in bytes.
pub const COMMITMENT_LEN: usize = 32;

/// A public value that only one table key has: who remembers it knows that vault again.
pub type Commitment = [u8; COMMITMENT_LEN];

/// What holds for a vault, whoever opens it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Refuse to detokenize where no actor is named.
    pub require_actor: bool,
}

impl Settings {
    const REQUIRE_ACTOR: i64 = 1;

    /// As a store keeps it.
    pub fn bits(self) -> i64 {
        if self.require_actor { Settings::REQUIRE_ACTOR } else { 0 }
    }

    /// `None` for bits that this version does not know: whoever set them relies on them.
    pub fn from_bits(bits: i64) -> Option<Settings> {
        let require_actor = bits & Settings::REQUIRE_ACTOR != 0;
        (bits & !Settings::REQUIRE_ACTOR == 0).then_some(Settings { require_actor })
    }
}

/// A credential that is refused for good, and since when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revoked {
    /// The credential's id.
    pub id: String,
    /// Seconds since 1970 UTC.
    pub at: i64,
}

/// The key table as a store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyTable {
    /// The vault's id, to which its keys are bound.
    pub id: [u8; KEYRING_ID_LEN],
    /// Grows with every change.
    pub version: i64,
    /// What holds for the vault.
    pub settings: Settings,
    /// All keys, wrapped, in the order of kind and id.
    pub entries: Vec<WrappedKey>,
    /// Revoked credentials, in the order of their ids.
    pub revoked: Vec<Revoked>,
    /// Over all of the above.
    pub mac: [u8; MAC_LEN],
}

impl KeyTable {
    /// The table of a new vault: one key of each kind.
    pub fn new(root: &RootKey, now: i64) -> Result<KeyTable> {
        let mut id = [0; KEYRING_ID_LEN];
        getrandom::fill(&mut id).map_err(|_| Code::Internal)?;
        let make = |kind| WrappedKey::generate(root, &id, (kind, 1), None, now);
        let entries = vec![make(KeyKind::Epoch)?, make(KeyKind::Index)?];
        KeyTable::over(root, id, 1, entries, now)
    }

    /// The table of a vault that had none, over the keys that it has.
    pub fn over(
        root: &RootKey,
        id: [u8; KEYRING_ID_LEN],
        version: i64,
        mut entries: Vec<WrappedKey>,
        now: i64,
    ) -> Result<KeyTable> {
        let (table_key, key) = WrappedKey::generate_with_key(root, &id, (KeyKind::Table, 1), None, now)?;
        entries.push(table_key);
        entries.push(WrappedKey::generate(root, &id, (KeyKind::Audit, 1), None, now)?);
        let settings = Settings::default();
        let mut table = KeyTable { id, version, settings, entries, revoked: Vec::new(), mac: [0; MAC_LEN] };
        table.sign(&key)?;
        Ok(table)
    }

    /// The table key, wrapped. `Tampered` where there is not exactly one.
    pub fn table_entry(&self) -> Result<&WrappedKey> {
        let mut found = self.entries.iter().filter(|entry| entry.info.kind == KeyKind::Table);
        match (found.next(), found.next()) {
            (Some(entry), None) => Ok(entry),
            _ => Err(Code::Tampered.into()),
        }
    }

    /// Puts everything in order and makes its MAC anew.
    pub(super) fn sign(&mut self, key: &KeySlot) -> Result<()> {
        self.entries.sort_unstable_by_key(|entry| (entry.info.kind.name(), entry.info.id));
        self.revoked.sort_unstable();
        self.mac = self.mac_by(key)?.finalize().into_bytes().into();
        Ok(())
    }

    /// `Tampered` where the MAC is not that of this table.
    pub(super) fn verify(&self, key: &KeySlot) -> Result<()> {
        self.mac_by(key)?.verify_slice(&self.mac).map_err(|_| Code::Tampered.into())
    }

    /// HMAC-SHA-256 over a label and fields, each behind its length in four bytes, big-endian.
    fn mac_by(&self, key: &KeySlot) -> Result<Hmac<Sha256>> {
        let mut mac = Fields(mac_under(key, Purpose::Table, b"")?);
        mac.add(b"panseal/table/1");
        mac.add(&self.id);
        mac.number(self.version);
        mac.number(self.settings.bits());
        mac.number(self.entries.len() as i64);
        for WrappedKey { info, wrapped } in &self.entries {
            mac.add(info.kind.name().as_bytes());
            mac.number(i64::from(info.id));
            mac.add(info.state.name().as_bytes());
            mac.number(info.slot.map_or(0, i64::from));
            mac.add(info.check.as_bytes());
            mac.number(info.created_at);
            mac.number(info.retired_at);
            mac.add(wrapped);
        }
        mac.number(self.revoked.len() as i64);
        for revoked in &self.revoked {
            mac.add(revoked.id.as_bytes());
            mac.number(revoked.at);
        }
        Ok(mac.0)
    }
}

/// A MAC over fields that read in one way only.
struct Fields(Hmac<Sha256>);

impl Fields {
    fn add(&mut self, field: &[u8]) {
        self.0.update(&(field.len() as u32).to_be_bytes());
        self.0.update(field);
    }

    fn number(&mut self, number: i64) {
        self.add(&number.to_be_bytes());
    }
}
