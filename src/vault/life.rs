//! The life of a vault's keys, while readers and writers go on: new epochs, rows moved to them, old ones destroyed, the
//! index key and the root key changed.
//!
//! Whatever changes the keys raises the fence first, which waits for the running writers; those that come find their
//! keyring stale and load it again. So after `rotate` no row is sealed under an older epoch any more, and when a pass
//! over all rows finds none that needs it, none will ever.

use super::Vault;
use super::damage::Damage;
use super::store::{Fence, Id, Rows, Tally};
use crate::error::{Code, Error, Result};
use crate::keys::{KeyKind, KeyState, Root, WrappedKey, epochs};
use std::sync::PoisonError;

/// How many rows are read, and written in one transaction, at a time.
pub(super) const BATCH: usize = 256;

/// Changes a vault's keys, with the root key, the raised fence and the time in hand.
type KeyChange<'c> = &'c mut dyn FnMut(&mut Vec<WrappedKey>, &Root, &Fence, i64) -> Result<()>;

/// Told how many rows are done and how many there are; says whether to go on.
pub type Progress<'p> = &'p mut dyn FnMut(u64, u64) -> bool;

/// What a [`Vault::change_index`] has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reindexed {
    /// The new generation.
    pub generation: u32,
    /// Cards that do not open: they have no fingerprint any more.
    pub damaged: Vec<Damage>,
}

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
        self.change_keys("destroy", &mut |keys, _, _, _| epochs::destroy(keys, epoch))
    }

    /// [`Vault::destroy`], though rows name the epoch that do not open: they never will again, not even if the damage is
    /// mended. Gives those rows. `Epoch` as with `destroy`, and where a single one of them opens.
    pub fn destroy_even_if_damaged(&self, epoch: u32) -> Result<Vec<Damage>> {
        self.check_retired(epoch)?;
        let damaged = self.damaged_under(epoch)?;
        self.change_keys("destroy", &mut |keys, _, _, _| epochs::destroy(keys, epoch))?;
        Ok(damaged)
    }

    /// Changes the index key, under which fingerprints are made: adds a new one, gives every card a fingerprint under
    /// it, and forgets the old one and its fingerprints. A card that does not open gets none and is named.
    ///
    /// `progress` as with [`Vault::rewrap`]. 'Same card?' stays exact all the while. Stopped or killed, run it again:
    /// it goes on with the new key that is there.
    pub fn change_index(&self, progress: Progress<'_>) -> Result<Reindexed> {
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
        let (mut after, mut done, mut damaged) = (Id::default(), 0, Vec::new());
        loop {
            let (seen, last, passed) = self.index_page(&after)?;
            done += seen;
            damaged.extend(passed);
            if !progress(done, total.max(done)) {
                return Err(Code::Callback.into());
            }
            match last {
                Some(last) => after = last,
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
        let generation = generation.ok_or(Code::Internal)?;
        Ok(Reindexed { generation, damaged })
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
