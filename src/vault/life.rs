//! The life of a vault's keys, while readers and writers go on: new epochs, rows moved to them, old ones destroyed, the
//! index key and the root key changed.
//!
//! Whatever changes the keys raises the fence first, which waits for the running writers; those that come find their
//! keyring stale and load it again. So after `rotate` no row is sealed under an older epoch any more, and when a pass
//! over all rows finds none that needs it, none will ever.

use super::Vault;
use super::damage::Damage;
use super::store::{AuditRow, Rows, Tally, Work};
use crate::error::{Code, Result};
use crate::keys::keyring::Sources;
use crate::keys::{KeyKind, KeyState, KeyTable, Keyring, Root, RootKey, WrappedKey, epochs};

/// How many rows are read, and written in one transaction, at a time.
pub(super) const BATCH: usize = 256;

/// A change of the keys while it is prepared: nothing is written yet.
pub(super) struct KeyChange<'c> {
    /// The key table as it is.
    before: &'c KeyTable,
    /// As it is to become.
    pub(super) after: &'c mut KeyTable,
    pub(super) keyring: &'c Keyring,
    roots: &'c [Root],
    pub(super) now: i64,
}

impl KeyChange<'_> {
    /// Lends the root key to `work`, and with it the keys that are to be changed. `RootKey` where it is not the one that
    /// has wrapped the keys that are there: a new key wrapped by another one would be lost with it.
    fn with_root<T>(
        &mut self,
        mut work: impl FnMut(&RootKey, &mut Vec<WrappedKey>) -> Result<T>,
    ) -> Result<T> {
        let KeyChange { before, after, keyring, roots, .. } = self;
        keyring.with_root_of(before, roots, |root| {
            // Another root key may have failed in the middle of it.
            after.entries.clone_from(&before.entries);
            work(root, &mut after.entries)
        })
    }
}

/// Prepares a change, which may happen more than once; says whether there is anything to change.
pub(super) type Prepare<'p> = &'p mut dyn FnMut(&mut KeyChange<'_>) -> Result<bool>;

/// Told how many rows are done and how many there are; says whether to go on.
pub type Progress<'p> = &'p mut dyn FnMut(u64, u64) -> bool;

/// What a [`Vault::change_index`] has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reindexed {
    /// The new generation.
    pub generation: u32,
    /// Cards that do not open: they have no fingerprint any more. And tokens that do not open, of a card that was to be
    /// merged with another row of it.
    pub damaged: Vec<Damage>,
}

impl Vault {
    /// Makes a new epoch and gives its id. From now on everything is sealed under it; what is sealed under older ones
    /// opens as before.
    ///
    /// `RootKey` where the root key at hand is not the vault's, and `Limit` where the new key does not fit into memory:
    /// nothing is changed then.
    pub fn rotate(&self) -> Result<u32> {
        let mut epoch = 0;
        self.change_keys("rotate", &mut |change| {
            let (vault, now) = (change.before.id, change.now);
            epoch = change.with_root(|root, keys| epochs::rotate(keys, root, &vault, now))?;
            Ok(true)
        })?;
        Ok(epoch)
    }

    /// Forgets an epoch's key for ever: what it sealed, in backups too, opens no more.
    ///
    /// `Epoch` for the active epoch, one that is not there, and one that a row still needs: [`Vault::rewrap`] first, and
    /// [`Vault::destroy_even_if_damaged`] where it has left none but damaged ones.
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
        self.forget_epoch(epoch)
    }

    /// [`Vault::destroy`], though rows name the epoch that do not open: they never will again, not even if the damage is
    /// mended. Gives those rows. `Epoch` as with `destroy`, and where a single one of them opens.
    pub fn destroy_even_if_damaged(&self, epoch: u32) -> Result<Vec<Damage>> {
        self.check_retired(epoch)?;
        let damaged = self.damaged_under(epoch)?;
        self.forget_epoch(epoch)?;
        Ok(damaged)
    }

    /// Changes the index key, under which fingerprints are made: adds a new one, gives every card a fingerprint under
    /// it, and forgets the old one and its fingerprints. A card that does not open gets none and is named. Two rows of one
    /// card, which an older version could make, become one: the tokens of both lead to it from then on.
    ///
    /// `progress` as with [`Vault::rewrap`]. 'Same card?' stays exact all the while. Stopped or killed, run it again:
    /// it goes on with the new key that is there. Several may run at once: each gives every card a fingerprint under
    /// the generation that it began with or joined, and forgets the older ones only while that is the newest.
    pub fn change_index(&self, progress: Progress<'_>) -> Result<Reindexed> {
        let filled = self.begin_index()?;
        let total = self.rows_in_all()?;
        let (mut after, mut done, mut damaged) = (None, 0, Vec::new());
        // Where another run has gone on to a newer generation, every card has a fingerprint under this one.
        while let Some(page) = self.index_page(filled, after.as_ref())? {
            done += page.seen;
            damaged.extend(page.damaged);
            for clash in &page.clashes {
                damaged.extend(self.settle_clash(clash)?);
            }
            if !progress(done, total.max(done)) {
                return Err(Code::Callback.into());
            }
            match page.last {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        self.change_keys("change_index", &mut |change| {
            Ok(epochs::drop_older_index(&mut change.after.entries, filled))
        })?;
        self.drop_old_prints()?;
        Ok(Reindexed { generation: filled, damaged })
    }

    /// The generation that is to be filled: a new one, or the one that another run has begun.
    fn begin_index(&self) -> Result<u32> {
        let mut filled = 0;
        self.change_keys("change_index", &mut |change| {
            let index = |state| {
                let of_state =
                    move |key: &&WrappedKey| key.info.kind == KeyKind::Index && key.info.state == state;
                change.before.entries.iter().rfind(of_state)
            };
            if let (Some(_), Some(begun)) = (index(KeyState::DecryptOnly), index(KeyState::Active)) {
                filled = begun.info.id;
                return Ok(false);
            }
            let (vault, now) = (change.before.id, change.now);
            filled = change.with_root(|root, keys| epochs::begin_index(keys, root, &vault, now))?;
            Ok(true)
        })?;
        Ok(filled)
    }

    /// Wraps the keys under another root key, on which this handle goes on. Other handles go on too: they have the keys,
    /// and need the new root key when they next ask for one that they have not.
    ///
    /// Before this returns, the old root key opens the vault; after it, the new one. Where it is interrupted it may be
    /// either: open with both ([`OpenOptions::second_root`](super::OpenOptions::second_root)).
    pub fn change_root(&self, to: &Root) -> Result<()> {
        let into = to.fetch()?;
        // Who asks for a key meanwhile may find it wrapped by either.
        self.shared.roots.add(to, false);
        self.change_keys("change_root", &mut |change| {
            let vault = change.before.id;
            change.with_root(|root, keys| {
                epochs::rewrap(keys, root, &into, &vault)?;
                // Nobody should depend on a key that cannot be had back.
                epochs::check_all(keys, &into, &vault)
            })?;
            Ok(true)
        })?;
        self.shared.roots.add(to, true);
        Ok(())
    }

    /// Sets whether detokenizing is refused where no actor is named, for whoever opens the vault.
    pub fn set_require_actor(&self, required: bool) -> Result<()> {
        self.change_keys("settings", &mut |change| {
            change.after.settings.require_actor = required;
            Ok(change.after.settings != change.before.settings)
        })
    }

    fn change_keys(&self, action: &str, prepare: Prepare<'_>) -> Result<()> {
        self.ask(action, 0)?;
        self.change_keys_and(self.prepared_line(action), prepare, &mut |_| Ok(()))
    }

    fn prepared_line(&self, action: &str) -> impl Fn(i64) -> Result<AuditRow> {
        let action = action.to_owned();
        move |now| self.line(now, &action, "")
    }

    /// Changes the key table and rows with it, in one transaction.
    ///
    /// Keys are wrapped and unwrapped before it, for a root key may be slow, and the keyring that will be needed after
    /// it is made: what does not fit is refused here. Inside, the fence is raised, and the table compared with the one
    /// that the change was prepared for. Of two changes at once, the one that commits first decides: the other finds
    /// another version or other bytes, and is prepared again.
    pub(super) fn change_keys_and(
        &self,
        line: impl Fn(i64) -> Result<AuditRow>,
        prepare: Prepare<'_>,
        also: Work<'_>,
    ) -> Result<()> {
        self.work(|keyring, now| {
            let before = super::read_key_table(&*self.shared.store)?;
            if before.version != keyring.version() {
                return Err(Code::Epoch.into());
            }
            let roots = self.shared.roots.all();
            let mut after = before.clone();
            let mut change = KeyChange { before: &before, after: &mut after, keyring, roots: &roots, now };
            // `Epoch` would be taken for a stale keyring.
            match prepare(&mut change) {
                Ok(true) => {}
                // What was asked for is on record even where there was nothing to do.
                Ok(false) => return self.write(keyring, &line(now)?, &mut |_| Ok(())).map(Ok),
                Err(refused) => return Ok(Err(refused)),
            }
            after.version = before.version.checked_add(1).ok_or(Code::Exhausted)?;
            keyring.sign_after(&before, &mut after)?;
            let sources = Sources { roots: &roots, previous: Some(keyring), commitment: None };
            let next = Keyring::load(&after, &sources)?;
            self.write_alone(keyring, &line(now)?, &mut |rows| {
                if rows.key_table()? != before {
                    return Err(Code::Epoch.into());
                }
                rows.raise_fence()?;
                also(rows)?;
                rows.put_key_table(&before, &after)
            })?;
            self.shared.install(next);
            Ok(Ok(()))
        })?
    }

    fn forget_epoch(&self, epoch: u32) -> Result<()> {
        self.change_keys("destroy", &mut |change| {
            epochs::destroy(&mut change.after.entries, epoch)?;
            Ok(true)
        })
    }

    fn check_retired(&self, epoch: u32) -> Result<()> {
        let mut retired = false;
        self.read(&mut |rows| {
            retired = rows.key_table()?.entries.iter().any(|key| {
                let info = &key.info;
                info.kind == KeyKind::Epoch && info.id == epoch && info.state == KeyState::DecryptOnly
            });
            Ok(())
        })?;
        if retired { Ok(()) } else { Err(Code::Epoch.into()) }
    }

    pub(super) fn read(&self, work: &mut dyn FnMut(&dyn Rows) -> Result<()>) -> Result<()> {
        self.work(|_, _| self.shared.store.read(work))
    }

    pub(super) fn rows_in_all(&self) -> Result<u64> {
        let mut total = 0;
        self.read(&mut |rows| {
            total = rows.tally()?.iter().map(Tally::rows).sum();
            Ok(())
        })?;
        Ok(total)
    }

    /// A line in the audit trail, and nothing else.
    pub(super) fn note(&self, action: &str) -> Result<()> {
        self.work(|keyring, now| self.write(keyring, &self.line(now, action, "")?, &mut |_| Ok(())))
    }
}
