//! `fork` and open vaults: no database connection crosses it.
//!
//! An SQLite connection that is carried into a child, or even a fresh one while the parent's is open there, loses
//! acknowledged rows. So `fork` waits for the running work of all vaults and closes their connections; parent and
//! child each open new ones when next used. Keys are gone in the child by the arena's doing.

use super::store::Store;
use crate::error::Result;
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

/// Held for reading by all work on a vault, for writing across a fork: no other lock of a vault is then held.
static GATE: RwLock<()> = RwLock::new(());
static STORES: Mutex<Vec<Weak<dyn Store>>> = Mutex::new(Vec::new());

thread_local! {
    /// The forking thread keeps the gate shut from before the fork until after it, in parent and child.
    static SHUT: RefCell<Option<RwLockWriteGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// Work on a vault begins here; until the guard is dropped no fork happens. Not to be nested.
pub fn enter() -> RwLockReadGuard<'static, ()> {
    GATE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Has the store let go of its connection at each fork from now on. Called inside [`enter`].
pub fn watch(store: Weak<dyn Store>) -> Result<()> {
    #[cfg(unix)]
    {
        use std::sync::OnceLock;
        static REGISTERED: OnceLock<Result<()>> = OnceLock::new();
        (*REGISTERED.get_or_init(|| crate::secret::arena::at_fork(before, after, after_in_child)))?;
    }
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    stores.retain(|store| store.strong_count() > 0);
    stores.push(store);
    Ok(())
}

extern "C" fn before() {
    let gate = GATE.write().unwrap_or_else(PoisonError::into_inner);
    for store in STORES.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade) {
        store.let_go();
    }
    SHUT.with_borrow_mut(|shut| *shut = Some(gate));
}

extern "C" fn after_in_child() {
    for store in STORES.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade) {
        store.forked();
    }
    after();
}

extern "C" fn after() {
    SHUT.with_borrow_mut(|shut| *shut = None);
}
