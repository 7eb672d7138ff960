//! The keyring: the epochs and index keys of a vault, unwrapped into the arena, and the working keys made of them.

use super::aead::{self, Aad};
use super::derive::derive;
use super::{Purpose, Root};
use crate::card::Pan;
use crate::error::{Code, Error, Result};
use crate::secret::arena::KeySlot;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Length of an epoch's or index key, in bytes.
pub const KEY_LEN: usize = 32;
/// Length of a fingerprint, in bytes.
pub const FINGERPRINT_LEN: usize = 32;

/// How many working keys are kept; the one used longest ago makes room. They leave most of the arena to epochs.
const WORKING_MAX: usize = 512;
const WRAP_FORMAT: u8 = 1;

/// The two kinds of key that the root key wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// A data key.
    Epoch,
    /// A fingerprint key; its id is its generation.
    Index,
}

impl KeyKind {
    /// The name that stores and associated data use.
    pub fn name(self) -> &'static str {
        match self {
            KeyKind::Epoch => "epoch",
            KeyKind::Index => "index",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<KeyKind> {
        [KeyKind::Epoch, KeyKind::Index].into_iter().find(|kind| kind.name() == name)
    }
}

/// What a key may still be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Seals and opens.
    Active,
    /// Only opens what it sealed before.
    DecryptOnly,
}

impl KeyState {
    /// The name that stores use.
    pub fn name(self) -> &'static str {
        match self {
            KeyState::Active => "active",
            KeyState::DecryptOnly => "decrypt-only",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<KeyState> {
        [KeyState::Active, KeyState::DecryptOnly].into_iter().find(|state| state.name() == name)
    }
}

/// A key as a store keeps it: wrapped by the root key.
pub struct WrappedKey {
    /// Epoch or index.
    pub kind: KeyKind,
    /// The epoch's id or the index key's generation; from 1.
    pub id: u32,
    /// Active or decrypt-only.
    pub state: KeyState,
    /// Format byte, nonce, ciphertext, tag.
    pub wrapped: Vec<u8>,
}

impl WrappedKey {
    /// Makes a new random key, wrapped: AES-256-GCM-SIV under the root key, bound to keyring, kind and id.
    pub fn generate(root: &KeySlot, keyring: &[u8], kind: KeyKind, id: u32) -> Result<WrappedKey> {
        let key = KeySlot::fill(KEY_LEN, |out| getrandom::fill(out).map_err(|_| Code::Internal.into()))?;
        let aad = wrap_aad(keyring, kind, id)?;
        let mut wrapped = vec![WRAP_FORMAT];
        root.with(|root| key.with(|key| aead::seal(root, &aad, key, &mut wrapped)))???;
        Ok(WrappedKey { kind, id, state: KeyState::Active, wrapped })
    }

    /// `RootKey` when it does not open: the root key is another one, or the entry was changed.
    fn unwrap(&self, root: &KeySlot, keyring: &[u8]) -> Result<KeySlot> {
        let Some((&WRAP_FORMAT, sealed)) = self.wrapped.split_first() else {
            return Err(Code::RootKey.into());
        };
        let aad = wrap_aad(keyring, self.kind, self.id)?;
        KeySlot::fill(KEY_LEN, |out| {
            root.with(|root| aead::open(root, &aad, sealed, out))?.map_err(|_| Code::RootKey.into())
        })
    }
}

fn wrap_aad(keyring: &[u8], kind: KeyKind, id: u32) -> Result<Aad> {
    Aad::new("panseal/wrap/1")?.field(keyring)?.field(kind.name().as_bytes())?.number(i64::from(id))
}

struct Key {
    kind: KeyKind,
    id: u32,
    state: KeyState,
    slot: KeySlot,
}

/// The unwrapped keys of one vault. Any thread may use it at any time.
pub struct Keyring {
    version: i64,
    keys: Vec<Key>,
    working: Mutex<WorkingKeys>,
}

impl Keyring {
    /// Unwraps all entries. `version` is the fence's, by which a writer notices that the entries have changed.
    ///
    /// `RootKey` when an entry does not open or no epoch or index key is active.
    pub fn open(root: &Root, keyring: &[u8], version: i64, entries: &[WrappedKey]) -> Result<Keyring> {
        let root = root.fetch()?;
        let open = |entry: &WrappedKey| {
            let slot = entry.unwrap(&root, keyring)?;
            Ok(Key { kind: entry.kind, id: entry.id, state: entry.state, slot })
        };
        let keys = entries.iter().map(open).collect::<Result<Vec<Key>>>()?;
        let keyring = Keyring { version, keys, working: Mutex::default() };
        keyring.active(KeyKind::Epoch).and(keyring.active(KeyKind::Index)).map_err(|_| Code::RootKey)?;
        Ok(keyring)
    }

    /// The fence's version that these keys belong to.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The id of the newest active epoch, under which is sealed.
    pub fn active_epoch(&self) -> Result<u32> {
        Ok(self.active(KeyKind::Epoch)?.id)
    }

    fn active(&self, kind: KeyKind) -> Result<&Key> {
        let active = self.keys.iter().filter(|key| key.kind == kind && key.state == KeyState::Active);
        active.max_by_key(|key| key.id).ok_or_else(|| Error::from(Code::Epoch))
    }

    /// Lends the sealing key of an epoch and merchant to `work`. `Epoch` when the epoch is not in the keyring.
    pub fn with_seal_key<R>(&self, epoch: u32, merchant: &str, work: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let key =
            self.keys.iter().find(|key| key.kind == KeyKind::Epoch && key.id == epoch).ok_or(Code::Epoch)?;
        self.working_key(key, Purpose::Seal, merchant)?.with(work)
    }

    /// The fingerprint of a card number within a merchant: HMAC-SHA-256 over its digits, under the active index key.
    ///
    /// It answers 'same card?' and must not leave the vault: with IIN and last four known, a fingerprint that can be
    /// asked for confirms a guess.
    pub fn fingerprint(&self, merchant: &str, pan: &Pan) -> Result<[u8; FINGERPRINT_LEN]> {
        let working = self.working_key(self.active(KeyKind::Index)?, Purpose::Fingerprint, merchant)?;
        let mac = working.with(|key| {
            let mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Error::from(Code::Internal))?;
            Ok::<_, Error>(mac.chain_update(pan.digits()).finalize().into_bytes())
        })??;
        Ok(mac.into())
    }

    fn working_key(&self, key: &Key, purpose: Purpose, merchant: &str) -> Result<Arc<KeySlot>> {
        // A panic under the lock leaves a map that is whole.
        let mut working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = working.get(key.id, purpose, merchant) {
            return Ok(slot);
        }
        let slot = KeySlot::fill(purpose.key_len(), |out| {
            key.slot.with(|from| derive(from, purpose, merchant, out))?
        })?;
        Ok(working.keep(key.id, purpose, merchant, slot))
    }
}

/// Working keys, the least recently used of which makes room for a new one.
#[derive(Default)]
struct WorkingKeys {
    clock: u64,
    slots: HashMap<(u32, Purpose), HashMap<Box<str>, Used>>,
}

/// A working key and when it was last used.
type Used = (u64, Arc<KeySlot>);

impl WorkingKeys {
    fn get(&mut self, id: u32, purpose: Purpose, merchant: &str) -> Option<Arc<KeySlot>> {
        self.clock += 1;
        let (used, slot) = self.slots.get_mut(&(id, purpose))?.get_mut(merchant)?;
        *used = self.clock;
        Some(Arc::clone(slot))
    }

    fn keep(&mut self, id: u32, purpose: Purpose, merchant: &str, slot: KeySlot) -> Arc<KeySlot> {
        if self.slots.values().map(HashMap::len).sum::<usize>() >= WORKING_MAX {
            self.forget_oldest();
        }
        let slot = Arc::new(slot);
        let entry = (self.clock, Arc::clone(&slot));
        self.slots.entry((id, purpose)).or_default().insert(merchant.into(), entry);
        slot
    }

    fn forget_oldest(&mut self) {
        let oldest = self.slots.values().flat_map(HashMap::values).map(|(used, _)| *used).min();
        for merchants in self.slots.values_mut() {
            merchants.retain(|_, (used, _)| Some(*used) != oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::Separators;

    fn root() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let uri = format!("file:{}", folder.path().join("root").display());
        Root::create(&uri).unwrap();
        (folder, Root::parse(&uri).unwrap())
    }

    fn entries(root: &Root) -> Vec<WrappedKey> {
        let root = root.fetch().unwrap();
        [KeyKind::Epoch, KeyKind::Index]
            .map(|kind| WrappedKey::generate(&root, b"ring", kind, 1).unwrap())
            .into()
    }

    #[test]
    fn a_keyring_opens_under_its_own_root_key_and_name_only() {
        let (_one, root) = root();
        let (_two, other) = self::root();
        let mut entries = entries(&root);
        assert!(Keyring::open(&root, b"ring", 1, &entries).is_ok());
        for refused in [
            Keyring::open(&other, b"ring", 1, &entries),
            Keyring::open(&root, b"gnir", 1, &entries),
            Keyring::open(&root, b"ring", 1, &entries[..1]),
        ] {
            assert_eq!(refused.err().unwrap().code(), Code::RootKey);
        }
        entries.swap(0, 1);
        assert!(Keyring::open(&root, b"ring", 1, &entries).is_ok(), "the order of entries means nothing");
        let wrapped = std::mem::take(&mut entries[0].wrapped);
        entries[0].wrapped = std::mem::replace(&mut entries[1].wrapped, wrapped);
        assert!(Keyring::open(&root, b"ring", 1, &entries).is_err(), "an epoch does not serve as index key");
    }

    #[test]
    fn merchants_have_keys_and_fingerprints_of_their_own() {
        let (_folder, root) = root();
        let ring = Keyring::open(&root, b"ring", 1, &entries(&root)).unwrap();
        let key = |merchant| ring.with_seal_key(1, merchant, <[u8]>::to_vec).unwrap();
        assert_eq!(key("m1"), key("m1"));
        assert_ne!(key("m1"), key("m2"));
        assert_ne!(key(""), key("m2"));
        assert_eq!(ring.with_seal_key(2, "m1", |_| ()).unwrap_err().code(), Code::Epoch);
        let pan = |text: &[u8]| Pan::parse(text, Separators::Dropped).ok().unwrap();
        let print = |merchant, text| ring.fingerprint(merchant, &pan(text)).unwrap();
        assert_eq!(print("m1", b"4242424242424242"), print("m1", b"4242 4242 4242 4242"));
        assert_ne!(print("m1", b"4242424242424242"), print("m2", b"4242424242424242"));
        assert_ne!(print("m1", b"4242424242424242"), print("m1", b"4012888888881881"));
    }

    #[test]
    fn thousands_of_merchants_fit_into_the_arena() {
        let (_folder, root) = root();
        let ring = Keyring::open(&root, b"ring", 1, &entries(&root)).unwrap();
        let first = ring.with_seal_key(1, "m0", <[u8]>::to_vec).unwrap();
        for number in 0..2000 {
            ring.with_seal_key(1, &format!("m{number}"), |_| ()).unwrap();
        }
        assert_eq!(ring.with_seal_key(1, "m0", <[u8]>::to_vec).unwrap(), first);
        let kept: usize = ring.working.lock().unwrap().slots.values().map(HashMap::len).sum();
        assert_eq!(kept, WORKING_MAX);
    }
}
