//! The guard: the host sees every operation before it happens, and may refuse it.
//!
//! Whoever may tokenize with reuse, or ask whether a card is here, can confirm a guess at a card number. A guard can
//! count and slow down.

use super::Vault;
use crate::error::{Code, Error, Result};
use std::sync::Arc;

/// What is about to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<'o> {
    /// For which merchant.
    pub merchant: &'o str,
    /// By whom.
    pub actor: &'o str,
    /// The verb: `tokenize`, `lookup`, `find`, `list`, `detokenize`, `update`, `deactivate`, `reactivate`, `delete`,
    /// `audit`, `customer`, `claim`, `credential`, `purge`, `rotate`, `rewrap`, `destroy`, `change_index`,
    /// `change_root`, `settings`, `check`, `status`, `verify`, `prune`.
    pub kind: &'o str,
    /// How many cards or tokens it is about.
    pub count: usize,
}

/// Sees every operation. Called on the thread of the call, with no lock held; it may call the vault.
pub trait Guard: Send + Sync {
    /// Says whether the operation may go on.
    fn allows(&self, operation: &Operation<'_>) -> bool;

    /// [`Guard::allows`] with a reason: 0 lets the operation go on; any other number, or `None`, refuses it, and the
    /// number is the failure's [`Error::system_code`].
    fn answer(&self, operation: &Operation<'_>) -> Option<i32> {
        self.allows(operation).then_some(0)
    }
}

impl<F: Fn(&Operation<'_>) -> bool + Send + Sync> Guard for F {
    fn allows(&self, operation: &Operation<'_>) -> bool {
        self(operation)
    }
}

impl Vault {
    /// Has `guard` asked before every operation of every handle on this vault, from now on; `None`: nobody. What it
    /// refuses is `Callback` and has no effect.
    pub fn set_guard(&self, guard: Option<Arc<dyn Guard>>) {
        self.shared.guard.store(guard.map(Arc::new));
    }

    /// Asks the guard, with the handle's actor.
    pub(super) fn ask(&self, kind: &str, count: usize) -> Result<()> {
        self.ask_for(&self.actor, kind, count)
    }

    /// Asks the guard.
    pub(super) fn ask_for(&self, actor: &str, kind: &str, count: usize) -> Result<()> {
        let Some(guard) = self.shared.guard.load_full() else { return Ok(()) };
        let operation = Operation { merchant: &self.merchant, actor, kind, count };
        match guard.answer(&operation) {
            Some(0) => Ok(()),
            reason => Err(Error::system(Code::Callback, reason.unwrap_or(0))),
        }
    }
}
