//! The keyring: epochs and index keys, unwrapped into the arena, and the working keys made of them.

use super::derive::derive;
use super::wrapped::{KeyInfo, KeyKind, KeyState, WrappedKey, header_mac};
use super::{Purpose, Root, RootKey};
use crate::card::Pan;
use crate::error::{Code, Error, Result};
use crate::secret::arena::KeySlot;
use crate::secret::hmac::{PREPARED_LEN, mac, prepare};
use arc_swap::ArcSwapOption;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Length of an epoch's or index key, in bytes.
pub const KEY_LEN: usize = 32;
/// Length of a fingerprint, in bytes: half of what HMAC-SHA-256 gives. Of a thousand million cards of a merchant two have
/// the same one with a probability below 2^-69.
pub const FINGERPRINT_LEN: usize = 16;

/// How many working keys are kept; the one used longest ago makes room. They leave most of the arena to epochs.
const WORKING_MAX: usize = 256;

struct Key {
    info: KeyInfo,
    /// `None` once it is destroyed.
    key: Option<KeySlot>,
    /// The working key of the merchant that asked last, so that most calls take no lock: an epoch's for sealing, an
    /// index key's for fingerprints.
    latest: ArcSwapOption<Latest>,
}

struct Latest {
    merchant: Box<str>,
    key: Arc<KeySlot>,
}

impl Latest {
    fn is_of(&self, merchant: &str) -> bool {
        // Empty texts point nowhere, and a comparison that loads nothing from there takes the processor as long as half
        // a fingerprint.
        let both_empty = merchant.is_empty() && self.merchant.is_empty();
        both_empty || *self.merchant == *merchant
    }
}

/// The unwrapped keys of one vault or keyring file. Any thread may use it at any time.
pub struct Keyring {
    version: i64,
    keys: Vec<Key>,
    working: Mutex<WorkingKeys>,
}

impl Keyring {
    /// Unwraps a vault's entries. `version` is the fence's, by which a writer notices that the entries have changed.
    ///
    /// `RootKey` when the root key is another one or no epoch or index key is active, `Tampered` when an entry was
    /// changed.
    pub fn open(root: &Root, keyring: &[u8], version: i64, entries: &[WrappedKey]) -> Result<Keyring> {
        let keyring = Keyring::unwrap(&root.fetch()?, keyring, version, entries)?;
        keyring.active(KeyKind::Index).map_err(|_| Code::RootKey)?;
        Ok(keyring)
    }

    /// Unwraps entries, an active epoch among them.
    pub(super) fn unwrap(
        root: &RootKey,
        keyring: &[u8],
        version: i64,
        entries: &[WrappedKey],
    ) -> Result<Keyring> {
        let unwrap = |entry: &WrappedKey| {
            let key = entry.info.is_live().then(|| entry.unwrap(root, keyring)).transpose()?;
            Ok(Key { info: entry.info, key, latest: ArcSwapOption::empty() })
        };
        let keys = entries.iter().map(unwrap).collect::<Result<Vec<Key>>>()?;
        let keyring = Keyring { version, keys, working: Mutex::default() };
        keyring.active(KeyKind::Epoch).map_err(|_| Code::RootKey)?;
        Ok(keyring)
    }

    /// The version that these keys belong to: the fence's, or a keyring file's generation.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// What may be known of all keys, destroyed ones too.
    pub fn infos(&self) -> impl Iterator<Item = &KeyInfo> {
        self.keys.iter().map(|key| &key.info)
    }

    /// The id of the newest active epoch, under which is sealed.
    pub fn active_epoch(&self) -> Result<u32> {
        Ok(self.active(KeyKind::Epoch)?.info.id)
    }

    fn active(&self, kind: KeyKind) -> Result<&Key> {
        let active =
            self.keys.iter().filter(|key| key.info.kind == kind && key.info.state == KeyState::Active);
        active.max_by_key(|key| key.info.id).ok_or_else(|| Error::from(Code::Epoch))
    }

    /// Lends the sealing key of an epoch and merchant to `work`. `Epoch` when the epoch is not in the keyring.
    pub fn with_seal_key<R>(&self, epoch: u32, merchant: &str, work: impl FnOnce(&[u8]) -> R) -> Result<R> {
        self.with_latest(self.epoch(epoch)?, Purpose::Seal, merchant, work)
    }

    /// Lends a working key of an epoch to `work`. `Epoch` when the epoch is not in the keyring, or is destroyed.
    pub(crate) fn with_key<R>(
        &self,
        epoch: u32,
        purpose: Purpose,
        merchant: &str,
        work: impl FnOnce(&[u8]) -> R,
    ) -> Result<R> {
        self.working_key(self.epoch(epoch)?, purpose, merchant)?.with(work)
    }

    fn epoch(&self, epoch: u32) -> Result<&Key> {
        let of_epoch = |key: &&Key| key.info.kind == KeyKind::Epoch && key.info.id == epoch;
        self.keys.iter().find(of_epoch).ok_or_else(|| Code::Epoch.into())
    }

    /// The generations of index keys that are in force, the newest first: one, or two while the key is being changed.
    pub fn index_generations(&self) -> impl Iterator<Item = u32> {
        let live = |key: &&Key| key.info.kind == KeyKind::Index && key.info.is_live();
        let mut generations: Vec<u32> = self.keys.iter().filter(live).map(|key| key.info.id).collect();
        generations.sort_unstable_by_key(|generation| std::cmp::Reverse(*generation));
        generations.into_iter()
    }

    /// The fingerprint of a card number under an index key that is in force: see [`Keyring::fingerprint`].
    pub fn fingerprint_under(
        &self,
        generation: u32,
        merchant: &str,
        pan: &Pan,
    ) -> Result<[u8; FINGERPRINT_LEN]> {
        let of_generation =
            |key: &&Key| key.info.kind == KeyKind::Index && key.info.id == generation && key.info.is_live();
        self.fingerprint_by(self.keys.iter().find(of_generation).ok_or(Code::Epoch)?, merchant, pan)
    }

    /// The fingerprint of a card number within a merchant: the first half of HMAC-SHA-256 over its digits, under
    /// the active index key.
    ///
    /// It answers 'same card?' and must not leave the vault: with IIN and last four known, a fingerprint that can be
    /// asked for confirms a guess.
    pub fn fingerprint(&self, merchant: &str, pan: &Pan) -> Result<[u8; FINGERPRINT_LEN]> {
        self.fingerprint_by(self.active(KeyKind::Index)?, merchant, pan)
    }

    fn fingerprint_by(&self, index: &Key, merchant: &str, pan: &Pan) -> Result<[u8; FINGERPRINT_LEN]> {
        let print = |prepared: &[u8]| {
            let prepared = prepared.try_into().map_err(|_| Code::Internal)?;
            mac(prepared, [pan.digits(), &[]])
        };
        let whole = self.with_latest(index, Purpose::Fingerprint, merchant, print)?.map_err(Error::from)?;
        whole.first_chunk().copied().ok_or_else(|| Code::Internal.into())
    }

    /// Lends a working key to `work`: of an epoch always that for sealing, of an index key always that for
    /// fingerprints.
    #[inline]
    fn with_latest<R>(
        &self,
        key: &Key,
        purpose: Purpose,
        merchant: &str,
        work: impl FnOnce(&[u8]) -> R,
    ) -> Result<R> {
        match &*key.latest.load() {
            Some(latest) if latest.is_of(merchant) => latest.key.with(work),
            _ => self.make_latest(key, purpose, merchant)?.with(work),
        }
    }

    /// The working key of a merchant, of a fingerprint key its pads hashed; from now on it is the latest.
    #[cold]
    fn make_latest(&self, key: &Key, purpose: Purpose, merchant: &str) -> Result<Arc<KeySlot>> {
        let made = self.working_key(key, purpose, merchant)?;
        key.latest.store(Some(Arc::new(Latest { merchant: merchant.into(), key: Arc::clone(&made) })));
        Ok(made)
    }

    /// A MAC over what stands beside the keys, under the active epoch.
    pub(super) fn header_mac(&self, bytes: &[u8]) -> Result<[u8; 32]> {
        Ok(self.header_mac_over(bytes)?.finalize().into_bytes().into())
    }

    /// `Tampered` where `mac` is not that of `bytes`.
    pub(super) fn verify_header(&self, bytes: &[u8], mac: &[u8]) -> Result<()> {
        self.header_mac_over(bytes)?.verify_slice(mac).map_err(|_| Code::Tampered.into())
    }

    fn header_mac_over(&self, bytes: &[u8]) -> Result<Hmac<Sha256>> {
        header_mac(self.active(KeyKind::Epoch)?.key.as_ref().ok_or(Code::Epoch)?, bytes)
    }

    fn working_key(&self, key: &Key, purpose: Purpose, merchant: &str) -> Result<Arc<KeySlot>> {
        let from = key.key.as_ref().ok_or(Code::Epoch)?;
        // A forked child leaves here: another thread may have held the lock when it was forked.
        from.with(|_| ())?;
        // A panic under the lock leaves a map that is whole.
        let mut working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = working.get(key.info.id, purpose, merchant) {
            return Ok(slot);
        }
        let slot = KeySlot::fill(purpose.key_len(), |out| {
            from.with(|from| derive(from, purpose, merchant, out))?
        })?;
        let slot = if purpose == Purpose::Fingerprint { prepared(&slot)? } else { slot };
        Ok(working.keep(key.info.id, purpose, merchant, slot))
    }
}

/// A working key of HMAC with its pads hashed.
fn prepared(key: &KeySlot) -> Result<KeySlot> {
    KeySlot::fill(PREPARED_LEN, |out| {
        let out = out.try_into().map_err(|_| Code::Internal)?;
        key.with(|key| prepare(key, out))?
    })
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
            .map(|kind| WrappedKey::generate(&root, b"ring", (kind, 1), None, 1_800_000_000).unwrap())
            .into()
    }

    #[test]
    fn a_keyring_opens_under_its_own_root_key_and_name_only() {
        let (_one, root) = root();
        let (_two, other) = self::root();
        let mut entries = entries(&root);
        assert!(Keyring::open(&root, b"ring", 1, &entries).is_ok());
        let refusal = |root, name, entries| Keyring::open(root, name, 1, entries).err().unwrap().code();
        assert_eq!(refusal(&other, b"ring", &entries), Code::RootKey);
        assert_eq!(refusal(&root, b"gnir", &entries), Code::Tampered);
        assert_eq!(refusal(&root, b"ring", &entries[..1]), Code::RootKey);
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
