//! `fork` and open vaults: no database connection crosses it.
//!
//! An SQLite connection that is carried into a child, or even a fresh one while the parent's is open there, loses
//! acknowledged rows. So `fork` waits for the running work of all vaults and closes their connections; parent and
//! child each open new ones when next used. Keys are gone in the child by the arena's doing.

use super::store::Store;
use crate::error::Result;
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

/// Held for reading by all work on a vault, for writing across a fork: no other lock of a vault is then held.
static GATE: RwLock<()> = RwLock::new(());
static STORES: Mutex<Vec<Weak<dyn Store>>> = Mutex::new(Vec::new());

thread_local! {
    /// A thread's own hold on the gate.
    static HELD: RefCell<Option<RwLockReadGuard<'static, ()>>> = const { RefCell::new(None) };
    /// The forking thread keeps the gate shut from before the fork until after it, in parent and child.
    static SHUT: RefCell<Option<RwLockWriteGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// Work on a vault, until it is dropped.
pub struct Inside {
    outermost: bool,
    /// The hold itself, in a thread that is at its end and has no place for it any more.
    _gate: Option<RwLockReadGuard<'static, ()>>,
}

/// Work on a vault begins here; until it ends no fork happens. Work inside of work is part of it.
pub fn enter() -> Inside {
    let outermost = !HELD.try_with(|held| held.borrow().is_some()).unwrap_or(false);
    Inside { outermost, _gate: if outermost { hold() } else { None } }
}

/// Keeps the hold in its place; gives it back where there is none.
fn hold() -> Option<RwLockReadGuard<'static, ()>> {
    let mut gate = Some(GATE.read().unwrap_or_else(PoisonError::into_inner));
    let _ = HELD.try_with(|held| *held.borrow_mut() = gate.take());
    gate
}

impl Drop for Inside {
    fn drop(&mut self) {
        if self.outermost {
            let _ = HELD.try_with(|held| held.borrow_mut().take());
        }
    }
}

/// Sleeps in the middle of work on a vault, with no lock and no connection in hand: a fork need not wait for it.
pub fn sleep(time: Duration) {
    let was_held = HELD.try_with(|held| held.borrow_mut().take()).is_ok_and(|gate| gate.is_some());
    std::thread::sleep(time);
    if was_held {
        hold();
    }
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
