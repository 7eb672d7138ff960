//! A key as it is stored: what everybody may know of it, and itself, wrapped by the root key.

use super::aead::{self, Aad};
use super::check::{CHECK_LEN, CheckValue};
use super::derive::derive;
use super::root::{RootCallback, RootKey, Wrapping};
use super::{KEY_LEN, Purpose};
use crate::error::{Code, Error, Result};
use crate::secret::Random;
use crate::secret::arena::KeySlot;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The first byte of a wrapped key: what follows it.
const BY_LOCAL_ROOT: u8 = 1;
const BY_CALLBACK: u8 = 2;
const MAC_LEN: usize = 32;
/// The most bytes that a callback may make of a key.
const CALLBACK_ROOM: usize = 1024;

/// The kinds of key that the root key wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// A data key.
    Epoch,
    /// A fingerprint key; its id is its generation.
    Index,
    /// The table key: it authenticates the key table and seals no row. It outlives all epochs.
    Table,
    /// The audit key: it chains the lines of the audit trail. It outlives all epochs.
    Audit,
}

impl KeyKind {
    const ALL: [KeyKind; 4] = [KeyKind::Epoch, KeyKind::Index, KeyKind::Table, KeyKind::Audit];

    /// The name that stores and associated data use.
    pub fn name(self) -> &'static str {
        match self {
            KeyKind::Epoch => "epoch",
            KeyKind::Index => "index",
            KeyKind::Table => "table",
            KeyKind::Audit => "audit",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<KeyKind> {
        KeyKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a key may still be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Seals and opens.
    Active,
    /// Only opens what it sealed before.
    DecryptOnly,
    /// Gone. What it sealed is lost.
    Destroyed,
}

impl KeyState {
    const ALL: [KeyState; 3] = [KeyState::Active, KeyState::DecryptOnly, KeyState::Destroyed];

    /// The name that stores use.
    pub fn name(self) -> &'static str {
        match self {
            KeyState::Active => "active",
            KeyState::DecryptOnly => "decrypt-only",
            KeyState::Destroyed => "destroyed",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<KeyState> {
        KeyState::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// What everybody may know of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Epoch or index.
    pub kind: KeyKind,
    /// The epoch's id or the index key's generation; from 1.
    pub id: u32,
    /// Active, decrypt-only or destroyed.
    pub state: KeyState,
    /// The residue of this epoch's numeric tokens, 1 to 9; `None` for one that does not serve `ff1`, and once a
    /// destroyed one's was freed.
    pub slot: Option<u8>,
    /// By which people compare keys.
    pub check: CheckValue,
    /// Seconds since 1970 UTC.
    pub created_at: i64,
    /// When it ceased to be active, in seconds since 1970 UTC; 0: it has not.
    pub retired_at: i64,
}

impl KeyInfo {
    /// Whether it still opens what it sealed.
    pub fn is_live(&self) -> bool {
        self.state != KeyState::Destroyed
    }

    /// What never changes while a key lives, and the keyring. Its check value is compared with the key itself.
    fn header(&self, keyring: &[u8]) -> Result<Aad> {
        Aad::new("panseal/wrap/1")?
            .field(keyring)?
            .field(self.kind.name().as_bytes())?
            .number(i64::from(self.id))?
            .number(self.slot.map_or(0, i64::from))?
            .number(self.created_at)
    }
}

/// A key as a store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// What stands in the clear.
    pub info: KeyInfo,
    /// The key, wrapped; empty once it is destroyed.
    pub wrapped: Vec<u8>,
}

impl WrappedKey {
    /// Makes a new random key, active from `now` on, wrapped and bound to its keyring, kind, id and slot.
    pub fn generate(
        root: &RootKey,
        keyring: &[u8],
        (kind, id): (KeyKind, u32),
        slot: Option<u8>,
        now: i64,
    ) -> Result<WrappedKey> {
        Ok(WrappedKey::generate_with_key(root, keyring, (kind, id), slot, now)?.0)
    }

    /// [`WrappedKey::generate`], with the key itself for who has a use for it at once.
    pub(super) fn generate_with_key(
        root: &RootKey,
        keyring: &[u8],
        (kind, id): (KeyKind, u32),
        slot: Option<u8>,
        now: i64,
    ) -> Result<(WrappedKey, KeySlot)> {
        let key = KeySlot::fill(KEY_LEN, |out| getrandom::fill(out).map_err(|_| Code::Internal.into()))?;
        let check = CheckValue::of(&key)?;
        let info = KeyInfo { kind, id, state: KeyState::Active, slot, check, created_at: now, retired_at: 0 };
        Ok((WrappedKey { info, wrapped: wrap(root, keyring, &info, &key)? }, key))
    }

    /// The key. `RootKey` when the root key is another one, `Tampered` when the entry was changed, `Callback`.
    pub(super) fn unwrap(&self, root: &RootKey, keyring: &[u8]) -> Result<KeySlot> {
        let header = self.info.header(keyring)?;
        match (&root.0, self.wrapped.split_first()) {
            (Wrapping::Local(root), Some((&BY_LOCAL_ROOT, wrapped))) => {
                let (check, sealed) = wrapped.split_first_chunk::<CHECK_LEN>().ok_or(Code::Tampered)?;
                if CheckValue::of(root)?.as_bytes() != check {
                    return Err(Code::RootKey.into());
                }
                let key = KeySlot::fill(KEY_LEN, |out| {
                    root.with(|root| aead::open(root, &header, sealed, out))?
                })?;
                if CheckValue::of(&key)? == self.info.check { Ok(key) } else { Err(Code::Tampered.into()) }
            }
            (Wrapping::Callback(callback), Some((&BY_CALLBACK, wrapped))) => {
                let (mac, wrapped) = wrapped.split_first_chunk::<MAC_LEN>().ok_or(Code::Tampered)?;
                let key = unwrap_by(&**callback, keyring, &self.info, wrapped)?;
                if CheckValue::of(&key)? != self.info.check {
                    return Err(Code::RootKey.into());
                }
                header_mac(&key, header.as_bytes())?.verify_slice(mac).map_err(|_| Code::Tampered)?;
                Ok(key)
            }
            (_, Some((&(BY_LOCAL_ROOT | BY_CALLBACK), _))) => Err(Code::RootKey.into()),
            _ => Err(Code::Tampered.into()),
        }
    }

    /// Wraps the key anew, under another root key.
    pub(super) fn rewrap(&mut self, from: &RootKey, to: &RootKey, keyring: &[u8]) -> Result<()> {
        if self.info.is_live() {
            self.wrapped = wrap(to, keyring, &self.info, &self.unwrap(from, keyring)?)?;
        }
        Ok(())
    }
}

/// By a local root: its check value, then AES-256-GCM-SIV over the key with the header as associated data. By a
/// callback: a MAC over the header under the key itself, then what the callback made.
fn wrap(root: &RootKey, keyring: &[u8], info: &KeyInfo, key: &KeySlot) -> Result<Vec<u8>> {
    let header = info.header(keyring)?;
    match &root.0 {
        Wrapping::Local(root) => {
            let mut wrapped = vec![BY_LOCAL_ROOT];
            wrapped.extend_from_slice(CheckValue::of(root)?.as_bytes());
            root.with(|root| {
                key.with(|key| aead::seal(root, &header, key, &mut Random::new(), &mut wrapped))
            })???;
            Ok(wrapped)
        }
        Wrapping::Callback(callback) => {
            let mut wrapped = vec![BY_CALLBACK];
            wrapped.extend_from_slice(&header_mac(key, header.as_bytes())?.finalize().into_bytes());
            let mut room = [0; CALLBACK_ROOM];
            let names = Names::of(keyring, info);
            let len = key.with(|key| callback.wrap(&names.key_id, &names.context, key, &mut room))?;
            let blob = room.get(..len.map_err(callback_failed)?).filter(|blob| !blob.is_empty());
            wrapped.extend_from_slice(blob.ok_or(Code::RootKey)?);
            Ok(wrapped)
        }
    }
}

fn unwrap_by(callback: &dyn RootCallback, keyring: &[u8], info: &KeyInfo, wrapped: &[u8]) -> Result<KeySlot> {
    let names = Names::of(keyring, info);
    KeySlot::fill(KEY_LEN, |out| {
        let len = callback.unwrap(&names.key_id, &names.context, wrapped, out).map_err(callback_failed)?;
        if len == KEY_LEN { Ok(()) } else { Err(Code::RootKey.into()) }
    })
}

fn callback_failed(error: Error) -> Error {
    Error::system(Code::Callback, error.system_code())
}

/// What a callback is told of the key in its hands.
struct Names {
    key_id: String,
    context: String,
}

impl Names {
    fn of(keyring: &[u8], info: &KeyInfo) -> Names {
        let hex: String = keyring.iter().map(|byte| format!("{byte:02x}")).collect();
        Names {
            key_id: format!("{}:{}", info.kind.name(), info.id),
            context: format!("panseal/keyring/{hex}"),
        }
    }
}

/// A MAC over what stands beside a key, under a working key of it.
pub(super) fn header_mac(key: &KeySlot, bytes: &[u8]) -> Result<Hmac<Sha256>> {
    mac_under(key, Purpose::Header, bytes)
}

/// A MAC over bytes under a key's working key for a purpose.
pub(super) fn mac_under(key: &KeySlot, purpose: Purpose, bytes: &[u8]) -> Result<Hmac<Sha256>> {
    let len = purpose.key_len();
    let working = KeySlot::fill(len, |out| key.with(|key| derive(key, purpose, "", out))?)?;
    working.with(|key| {
        let mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Error::from(Code::Internal))?;
        Ok(mac.chain_update(bytes))
    })?
}
