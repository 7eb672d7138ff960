//! The keyring: the keys of a vault or keyring file, unwrapped into the arena, and the working keys made of them.
//!
//! What every call needs is unwrapped when the keyring is loaded; an old epoch's key when a row or token first asks for
//! it. A keyring that is loaded again takes over the keys that its predecessor has, so only new ones cost a visit to
//! the root key, and room.

use super::derive::derive;
use super::table::{Commitment, KeyTable, Revoked, Settings};
use super::wrapped::{KeyInfo, KeyKind, KeyState, WrappedKey, header_mac, mac_under};
use super::{KEYRING_ID_LEN, Purpose, Root, RootKey};
use crate::card::Pan;
use crate::error::{Code, Error, Result};
use crate::secret::arena::KeySlot;
use crate::secret::hmac::{PREPARED_LEN, mac, prepare};
use crate::secret::stack;
use arc_swap::ArcSwapOption;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use subtle::ConstantTimeEq;

/// Length of an epoch's or index key, in bytes.
pub const KEY_LEN: usize = 32;
/// Length of a fingerprint, in bytes: half of what HMAC-SHA-256 gives. Of a thousand million cards of a merchant two have
/// the same one with a probability below 2^-69.
pub const FINGERPRINT_LEN: usize = 16;

/// How many working keys are kept; the one used longest ago makes room.
const WORKING_MAX: usize = 256;

struct Key {
    info: KeyInfo,
    /// Empty once it is destroyed.
    wrapped: Box<[u8]>,
    /// Empty while nothing has asked for it, and once it is destroyed.
    key: OnceLock<Arc<KeySlot>>,
    /// The working key of the merchant that asked last, so that most calls take no lock: an epoch's for sealing, an
    /// index key's for fingerprints.
    latest: ArcSwapOption<Latest>,
}

impl Key {
    fn of(entry: &WrappedKey) -> Key {
        Key {
            info: entry.info,
            wrapped: entry.wrapped.as_slice().into(),
            key: OnceLock::new(),
            latest: ArcSwapOption::empty(),
        }
    }

    fn is(&self, kind: KeyKind, id: u32) -> bool {
        self.info.kind == kind && self.info.id == id
    }

    fn unwrap(&self, root: &RootKey, keyring: &[u8]) -> Result<()> {
        let entry = WrappedKey { info: self.info, wrapped: self.wrapped.to_vec() };
        let key = entry.unwrap(root, keyring)?;
        // Of two threads that unwrap the same key, one is late.
        let _ = self.key.set(Arc::new(key));
        Ok(())
    }
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

/// The keys of one vault or keyring file. Any thread may use it at any time.
pub struct Keyring {
    id: [u8; KEYRING_ID_LEN],
    version: i64,
    settings: Settings,
    revoked: Vec<Revoked>,
    /// `None` for a keyring file of the first version, which has no table key.
    commitment: Option<Commitment>,
    keys: Vec<Key>,
    /// Shared with the keyrings loaded after this one: the keys are the same.
    working: Arc<Mutex<WorkingKeys>>,
    /// Epochs that were asked for and are not unwrapped yet.
    wanted: Mutex<Vec<u32>>,
}

/// Where keys come from when a keyring is loaded.
pub struct Sources<'s> {
    /// Where the root key may be: the first one that fits is used.
    pub roots: &'s [Root],
    /// The keyring that is replaced. Its keys are taken over, and so is its table key's commitment.
    pub previous: Option<&'s Keyring>,
    /// The commitment that the host remembers.
    pub commitment: Option<Commitment>,
}

impl Sources<'_> {
    /// Runs `work` with the first root key that fits. The error is that of the first one where none does.
    pub fn with_root<T>(&self, work: impl FnMut(&RootKey) -> Result<T>) -> Result<T> {
        with_root(self.roots, work)
    }
}

/// Runs `work` with the first of these root keys that can be had and fits; `RootKey` or `Callback` says that one does
/// not. The error is that of the first one where none does.
pub fn with_root<T>(roots: &[Root], mut work: impl FnMut(&RootKey) -> Result<T>) -> Result<T> {
    let mut refused = None;
    for root in roots {
        match root.fetch().and_then(|root| work(&root)) {
            Err(error) if matches!(error.code(), Code::RootKey | Code::Callback) => {
                refused = refused.or(Some(error));
            }
            other => return other,
        }
    }
    Err(refused.unwrap_or(Code::RootKey.into()))
}

impl Keyring {
    /// Verifies a vault's key table, and unwraps what every call needs: the table, audit and index keys and the active
    /// epoch. Without a new key among them no root key is asked for.
    ///
    /// `RootKey` when the root key is another one or no epoch or index key is active, `Tampered` when the table was
    /// changed or is of another table key than was remembered, `Limit` where the keys do not fit into memory.
    pub fn load(table: &KeyTable, sources: &Sources<'_>) -> Result<Keyring> {
        // In a forked child the predecessor has no keys any more.
        let keys_of = sources.previous.filter(|previous| !previous.is_forked());
        let mut keyring = Keyring::take_over(table.id, table.version, &table.entries, keys_of);
        (keyring.settings, keyring.revoked) = (table.settings, table.revoked.clone());
        let table_id = table.table_entry()?.info.id;
        if keyring.key(KeyKind::Table, table_id)?.key.get().is_some() {
            keyring.verify_table(table)?;
        }
        let needed = |key: &Key| match key.info.kind {
            KeyKind::Epoch => key.info.state == KeyState::Active,
            KeyKind::Index => key.info.is_live(),
            KeyKind::Table | KeyKind::Audit => true,
        };
        if keyring.keys.iter().any(|key| needed(key) && key.key.get().is_none()) {
            sources.with_root(|root| {
                // The table key first: what it does not vouch for is not unwrapped.
                keyring.unwrap_where(root, |key| key.info.kind == KeyKind::Table)?;
                keyring.verify_table(table)?;
                keyring.unwrap_where(root, needed)
            })?;
        }
        let commitment = keyring.commit()?;
        let remembered = [sources.commitment, sources.previous.and_then(|previous| previous.commitment)];
        if remembered.into_iter().flatten().any(|remembered| remembered != commitment) {
            return Err(Code::Tampered.into());
        }
        keyring.commitment = Some(commitment);
        keyring.forget_destroyed();
        keyring.active(KeyKind::Epoch).map_err(|_| Code::RootKey)?;
        keyring.active(KeyKind::Index).map_err(|_| Code::RootKey)?;
        keyring.active(KeyKind::Audit).map_err(|_| Code::Tampered)?;
        Ok(keyring)
    }

    /// Unwraps all entries of a keyring file, an active epoch among them. Nothing is verified yet.
    pub(super) fn unwrap(
        root: &RootKey,
        id: [u8; KEYRING_ID_LEN],
        version: i64,
        entries: &[WrappedKey],
    ) -> Result<Keyring> {
        let mut keyring = Keyring::take_over(id, version, entries, None);
        keyring.unwrap_where(root, |key| key.info.is_live())?;
        keyring.active(KeyKind::Epoch).map_err(|_| Code::RootKey)?;
        if keyring.active(KeyKind::Table).is_ok() {
            keyring.commitment = Some(keyring.commit()?);
        }
        Ok(keyring)
    }

    /// The keys of these entries, unwrapped where the predecessor has them.
    fn take_over(
        id: [u8; KEYRING_ID_LEN],
        version: i64,
        entries: &[WrappedKey],
        previous: Option<&Keyring>,
    ) -> Keyring {
        let keys: Vec<Key> = entries.iter().map(Key::of).collect();
        for key in keys.iter().filter(|key| key.info.is_live()) {
            // A check value says which key it is; the table's MAC vouches for the check value.
            let same = |had: &&Key| had.is(key.info.kind, key.info.id) && had.info.check == key.info.check;
            let had = previous.and_then(|previous| previous.keys.iter().find(same));
            if let Some(slot) = had.and_then(|had| had.key.get()) {
                let _ = key.key.set(Arc::clone(slot));
            }
        }
        Keyring {
            id,
            version,
            settings: Settings::default(),
            revoked: Vec::new(),
            commitment: None,
            keys,
            working: previous.map(|previous| Arc::clone(&previous.working)).unwrap_or_default(),
            wanted: Mutex::default(),
        }
    }

    fn unwrap_where(&self, root: &RootKey, wanted: impl Fn(&Key) -> bool) -> Result<()> {
        let mut missing = self.keys.iter().filter(|key| wanted(key) && key.key.get().is_none());
        missing.try_for_each(|key| key.unwrap(root, &self.id))
    }

    fn verify_table(&self, table: &KeyTable) -> Result<()> {
        table.verify(self.slot(KeyKind::Table)?)
    }

    fn commit(&self) -> Result<Commitment> {
        let mut commitment = Commitment::default();
        let key = self.slot(KeyKind::Table)?;
        stack::wipe_after::<{ stack::CIPHER }, _>(|| {
            key.with(|key| derive(key, Purpose::Commitment, "", &mut commitment))
        })??;
        Ok(commitment)
    }

    /// A destroyed key is gone from memory too, and so is what was derived from it.
    fn forget_destroyed(&self) {
        let is_destroyed = |(id, purpose): &(u32, Purpose)| {
            let kind = if *purpose == Purpose::Fingerprint { KeyKind::Index } else { KeyKind::Epoch };
            self.keys.iter().any(|key| key.is(kind, *id) && !key.info.is_live())
        };
        let mut working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        working.slots.retain(|of, _| of.1 == Purpose::Audit || !is_destroyed(of));
    }

    /// Whether this is a child of the process that loaded the keys: they are gone here.
    fn is_forked(&self) -> bool {
        let mut slots = self.keys.iter().filter_map(|key| key.key.get());
        slots.next().is_some_and(|slot| slot.with(|_| ()).is_err())
    }

    /// Unwraps the epochs that were asked for since it was last done; says whether there were any.
    pub fn fetch_wanted(&self, roots: &[Root]) -> Result<bool> {
        let wanted = std::mem::take(&mut *self.wanted.lock().unwrap_or_else(PoisonError::into_inner));
        if wanted.is_empty() {
            return Ok(false);
        }
        let is_wanted = |key: &Key| key.info.kind == KeyKind::Epoch && wanted.contains(&key.info.id);
        with_root(roots, |root| self.unwrap_where(root, is_wanted))?;
        Ok(true)
    }

    /// Puts a changed table in order and makes its MAC anew. `Tampered` where what it was made of had been edited: that
    /// must not be signed.
    pub fn sign_after(&self, before: &KeyTable, table: &mut KeyTable) -> Result<()> {
        self.verify_table(before)?;
        table.sign(self.slot(KeyKind::Table)?)
    }

    /// Whether these root keys wrap this table's keys: the first that does is lent to `work`.
    pub fn with_root_of<T>(
        &self,
        table: &KeyTable,
        roots: &[Root],
        mut work: impl FnMut(&RootKey) -> Result<T>,
    ) -> Result<T> {
        let entry = table.table_entry()?;
        with_root(roots, |root| {
            entry.unwrap(root, &table.id)?;
            work(root)
        })
    }

    /// The version that these keys belong to: the fence's, or a keyring file's generation.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The id of the vault or keyring file.
    pub fn id(&self) -> &[u8; KEYRING_ID_LEN] {
        &self.id
    }

    /// What holds for the vault.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The commitment to the table key; `None` for a keyring file of the first version.
    pub fn commitment(&self) -> Option<Commitment> {
        self.commitment
    }

    /// Since when a credential is revoked, if it is.
    pub fn revoked_at(&self, credential: &str) -> Option<i64> {
        let found = self.revoked.binary_search_by(|revoked| revoked.id.as_str().cmp(credential));
        found.ok().map(|place| self.revoked[place].at)
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

    fn key(&self, kind: KeyKind, id: u32) -> Result<&Key> {
        self.keys.iter().find(|key| key.is(kind, id)).ok_or_else(|| Code::Epoch.into())
    }

    /// The active key of a kind.
    fn slot(&self, kind: KeyKind) -> Result<&KeySlot> {
        let key = self.active(kind).map_err(|_| Code::Tampered)?.key.get();
        key.map(|key| &**key).ok_or_else(|| Code::Internal.into())
    }

    /// Lends the working key that chains the audit trail to `work`: HMAC's pads hashed.
    pub fn with_audit_key<R>(&self, work: impl FnOnce(&[u8; PREPARED_LEN]) -> R) -> Result<R> {
        let key = self.active(KeyKind::Audit)?;
        let lend = |prepared: &[u8]| Ok(work(prepared.try_into().map_err(|_| Error::from(Code::Internal))?));
        self.with_latest(key, Purpose::Audit, "", lend)?
    }

    /// Lends the sealing key of an epoch and merchant to `work`. `Epoch` when the epoch is not in the keyring, or not
    /// unwrapped yet: then [`Keyring::fetch_wanted`] does it.
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
        let key = self.keys.iter().find(of_epoch).ok_or_else(|| Error::from(Code::Epoch))?;
        if key.info.is_live() && key.key.get().is_none() {
            let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            if !wanted.contains(&epoch) {
                wanted.push(epoch);
            }
            return Err(Code::Epoch.into());
        }
        Ok(key)
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
        let whole = stack::wipe_after::<{ stack::CIPHER }, _>(|| {
            self.with_latest(index, Purpose::Fingerprint, merchant, print)
        })?
        .map_err(Error::from)?;
        whole.first_chunk().copied().ok_or_else(|| Code::Internal.into())
    }

    /// Lends a working key to `work`: of an epoch always that for sealing, of an index key always that for
    /// fingerprints, of the audit key always that for lines.
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

    /// A MAC over a keyring file, under its table key; of one of the first version under the active epoch.
    pub(super) fn file_mac(&self, bytes: &[u8]) -> Result<[u8; 32]> {
        match self.active(KeyKind::Table) {
            Ok(_) => mac_under(self.slot(KeyKind::Table)?, Purpose::Table, bytes),
            Err(_) => header_mac(self.slot(KeyKind::Epoch)?, bytes),
        }
    }

    /// `Tampered` where `mac` is not that of `bytes`.
    pub(super) fn verify_file(&self, bytes: &[u8], mac: &[u8]) -> Result<()> {
        if self.file_mac(bytes)?.ct_eq(mac).into() { Ok(()) } else { Err(Code::Tampered.into()) }
    }

    fn working_key(&self, key: &Key, purpose: Purpose, merchant: &str) -> Result<Arc<KeySlot>> {
        let from = key.key.get().ok_or(Code::Epoch)?;
        // A forked child leaves here: another thread may have held the lock when it was forked.
        from.with(|_| ())?;
        // A panic under the lock leaves a map that is whole.
        let mut working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = working.get(key.info.id, purpose, merchant) {
            return Ok(slot);
        }
        // A key is not to lie on the stack while a transaction waits, nor while the arena grows.
        let derived = stack::wipe_after::<{ stack::CIPHER }, _>(|| {
            KeySlot::fill(purpose.key_len(), |out| from.with(|from| derive(from, purpose, merchant, out))?)
        })?;
        let slot = match purpose {
            Purpose::Fingerprint | Purpose::Audit => {
                stack::wipe_after::<{ stack::CIPHER }, _>(|| prepared(&derived))?
            }
            _ => derived,
        };
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
    use crate::keys::epochs;

    fn root() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let uri = format!("file:{}", folder.path().join("root").display());
        Root::create(&uri).unwrap();
        (folder, Root::parse(&uri).unwrap())
    }

    fn table(root: &Root) -> KeyTable {
        KeyTable::new(&root.fetch().unwrap(), 1_800_000_000).unwrap()
    }

    fn load(root: &Root, table: &KeyTable) -> Result<Keyring> {
        let sources = Sources { roots: std::slice::from_ref(root), previous: None, commitment: None };
        Keyring::load(table, &sources)
    }

    /// As whoever has the table key may change it.
    fn signed(ring: &Keyring, mut table: KeyTable) -> KeyTable {
        table.sign(ring.slot(KeyKind::Table).unwrap()).unwrap();
        table
    }

    fn refusal(outcome: Result<Keyring>) -> Code {
        outcome.err().expect("it was loaded").code()
    }

    #[test]
    fn a_keyring_opens_under_its_own_root_key_only_or_under_the_one_of_several_that_fits() {
        let ((_one, root), (_two, other)) = (root(), root());
        let table = table(&root);
        assert!(load(&root, &table).is_ok());
        assert_eq!(refusal(load(&other, &table)), Code::RootKey);
        let sources = Sources { roots: &[other, root], previous: None, commitment: None };
        assert!(Keyring::load(&table, &sources).is_ok());
    }

    #[test]
    fn every_edit_of_the_key_table_is_noticed() {
        let (_folder, root) = root();
        let mut whole = table(&root);
        let ring = load(&root, &whole).unwrap();
        epochs::rotate(&mut whole.entries, &root.fetch().unwrap(), &whole.id.clone(), 1).unwrap();
        whole.revoked.push(Revoked { id: "gone".into(), at: 7 });
        whole = signed(&ring, whole);
        assert!(load(&root, &whole).is_ok());
        type Edit = (&'static str, fn(&mut KeyTable));
        let edits: [Edit; 11] = [
            ("version raised", |table| table.version += 1),
            ("version at its most", |table| table.version = i64::MAX),
            ("another vault's id", |table| table.id[3] ^= 1),
            ("a setting", |table| table.settings.require_actor = true),
            ("states swapped", |table| {
                let (one, two) = (table.entries[1].info.state, table.entries[2].info.state);
                (table.entries[1].info.state, table.entries[2].info.state) = (two, one);
            }),
            ("an entry destroyed", |table| table.entries[1].info.state = KeyState::Destroyed),
            ("an entry dropped", |table| drop(table.entries.remove(1))),
            ("an entry twice", |table| table.entries.push(table.entries[1].clone())),
            ("an entry renamed", |table| table.entries[1].info.id = 9),
            ("a revoked credential revived", |table| table.revoked.clear()),
            ("a time changed", |table| table.entries[2].info.created_at -= 1),
        ];
        assert_eq!(whole.entries[1].info.kind, KeyKind::Epoch);
        for (what, edit) in edits {
            let mut edited = whole.clone();
            edit(&mut edited);
            assert_eq!(refusal(load(&root, &edited)), Code::Tampered, "{what}");
            let sources = Sources { roots: &[], previous: Some(&ring), commitment: None };
            assert_eq!(
                refusal(Keyring::load(&edited, &sources)),
                Code::Tampered,
                "{what}, by who knows the key"
            );
        }
    }

    #[test]
    fn a_whole_foreign_table_is_noticed_by_who_remembers_the_commitment() {
        let (_folder, root) = root();
        let (ours, foreign) = (load(&root, &table(&root)).unwrap(), table(&root));
        let roots = std::slice::from_ref(&root);
        let told = Sources { roots, previous: None, commitment: ours.commitment() };
        assert_eq!(refusal(Keyring::load(&foreign, &told)), Code::Tampered);
        let open = Sources { roots, previous: Some(&ours), commitment: None };
        assert_eq!(refusal(Keyring::load(&foreign, &open)), Code::Tampered);
        assert!(load(&root, &foreign).is_ok(), "who remembers nothing cannot notice");
    }

    #[test]
    fn keys_that_are_known_already_need_no_root_key_and_old_epochs_are_unwrapped_when_asked_for() {
        let (_folder, root) = root();
        let roots = std::slice::from_ref(&root);
        let mut whole = table(&root);
        let ring = load(&root, &whole).unwrap();
        let again = Sources { roots: &[], previous: Some(&ring), commitment: None };
        assert!(Keyring::load(&whole, &again).is_ok());
        epochs::rotate(&mut whole.entries, &root.fetch().unwrap(), &whole.id.clone(), 1).unwrap();
        whole = signed(&ring, whole);
        assert_eq!(refusal(Keyring::load(&whole, &again)), Code::RootKey, "the new epoch is not known");
        let fresh = load(&root, &whole).unwrap();
        let seal_key = |ring: &Keyring| ring.with_seal_key(1, "", <[u8]>::to_vec);
        assert_eq!(seal_key(&fresh).unwrap_err().code(), Code::Epoch);
        assert!(fresh.fetch_wanted(roots).unwrap());
        assert_eq!(seal_key(&fresh).unwrap(), seal_key(&ring).unwrap());
        assert!(!fresh.fetch_wanted(roots).unwrap(), "nothing more is wanted");
    }

    #[test]
    fn merchants_have_keys_and_fingerprints_of_their_own() {
        let (_folder, root) = root();
        let ring = load(&root, &table(&root)).unwrap();
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
        let ring = load(&root, &table(&root)).unwrap();
        let first = ring.with_seal_key(1, "m0", <[u8]>::to_vec).unwrap();
        for number in 0..2000 {
            ring.with_seal_key(1, &format!("m{number}"), |_| ()).unwrap();
        }
        assert_eq!(ring.with_seal_key(1, "m0", <[u8]>::to_vec).unwrap(), first);
        let kept: usize = ring.working.lock().unwrap().slots.values().map(HashMap::len).sum();
        assert_eq!(kept, WORKING_MAX);
    }
}
