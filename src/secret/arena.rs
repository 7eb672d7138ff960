//! The arena in which keys live: one stretch of locked memory for the whole process.
//!
//! The memory is private and anonymous, between two guard pages, locked (never swapped), left out of core dumps
//! and wiped by the kernel in a child after `fork`. Each slot carries a canary word, so that a child reads 'no key'
//! ([`Code::Fork`]) and never takes the zeros for a key. It stays below 64 KiB, the lock limit of small systems.

use crate::error::{Code, Error, Result};
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroize;

/// The longest key that a slot takes, in bytes.
pub const KEY_MAX: usize = 64;

const ARENA_BYTES: usize = 60 * 1024;
const SLOTS: usize = ARENA_BYTES / size_of::<Cell>();
const WORDS: usize = SLOTS.div_ceil(64);
const CANARY: u64 = 0x7061_6e73_6561_6c21;

#[repr(C)]
struct Cell {
    canary: AtomicU64,
    key: [u8; KEY_MAX],
}

struct Arena {
    cells: NonNull<Cell>,
    /// A set bit is a slot in use. Without a lock, so that no thread can hold one across a fork.
    used: [AtomicU64; WORDS],
    locked: bool,
}

// SAFETY: a cell is written only by the one that took its bit, before it hands out the `KeySlot` and when that
// is dropped; in between it is only read.
unsafe impl Send for Arena {}
unsafe impl Sync for Arena {}

fn arena() -> Result<&'static Arena> {
    static ARENA: OnceLock<Option<Arena>> = OnceLock::new();
    ARENA.get_or_init(Arena::map).as_ref().ok_or_else(|| Error::from(Code::Limit))
}

/// Whether the arena could be locked in memory. Where the limit is too low for that (`ulimit -l`), keys are used
/// all the same.
pub fn is_locked() -> bool {
    arena().is_ok_and(|arena| arena.locked)
}

impl Arena {
    #[cfg(unix)]
    fn map() -> Option<Arena> {
        // SAFETY: a fresh private mapping; the guard pages at both ends are never made accessible.
        unsafe {
            let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).ok()?;
            let room = ARENA_BYTES.next_multiple_of(page);
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let whole = libc::mmap(std::ptr::null_mut(), room + 2 * page, libc::PROT_NONE, flags, -1, 0);
            if whole == libc::MAP_FAILED {
                return None;
            }
            let start = whole.cast::<u8>().add(page).cast::<libc::c_void>();
            if libc::mprotect(start, room, libc::PROT_READ | libc::PROT_WRITE) != 0 {
                libc::munmap(whole, room + 2 * page);
                return None;
            }
            let locked = libc::mlock(start, room) == 0;
            #[cfg(target_os = "linux")]
            for advice in [libc::MADV_DONTDUMP, libc::MADV_WIPEONFORK] {
                libc::madvise(start, room, advice);
            }
            Some(Arena::over(NonNull::new(start.cast())?, locked))
        }
    }

    #[cfg(not(unix))]
    fn map() -> Option<Arena> {
        let cells = Box::leak(vec![0u64; ARENA_BYTES / 8].into_boxed_slice());
        Some(Arena::over(NonNull::from(cells).cast(), false))
    }

    fn over(cells: NonNull<Cell>, locked: bool) -> Arena {
        Arena { cells, used: [const { AtomicU64::new(0) }; WORDS], locked }
    }

    fn take(&self) -> Option<usize> {
        for (place, word) in self.used.iter().enumerate() {
            let mut bits = word.load(Ordering::Relaxed);
            while bits != u64::MAX {
                let bit = bits.trailing_ones() as usize;
                let slot = place * 64 + bit;
                if slot >= SLOTS {
                    return None;
                }
                match word.compare_exchange_weak(bits, bits | 1 << bit, Ordering::Acquire, Ordering::Relaxed)
                {
                    Ok(_) => return Some(slot),
                    Err(now) => bits = now,
                }
            }
        }
        None
    }

    fn give_back(&self, slot: usize) {
        self.used[slot / 64].fetch_and(!(1 << (slot % 64)), Ordering::Release);
    }

    fn cell(&self, slot: usize) -> *mut Cell {
        assert!(slot < SLOTS, "a slot lies inside the arena");
        // SAFETY: the mapping holds SLOTS cells.
        unsafe { self.cells.as_ptr().add(slot) }
    }
}

/// A key of up to [`KEY_MAX`] bytes in the arena; wiped when dropped.
pub struct KeySlot {
    arena: &'static Arena,
    slot: usize,
    len: usize,
}

impl KeySlot {
    /// Takes a slot and has `fill` write a key of `len` bytes into it.
    ///
    /// `Limit` when the arena is full or memory cannot be mapped, `Argument` when `len` is over [`KEY_MAX`], and
    /// whatever `fill` answers.
    pub fn fill(len: usize, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<KeySlot> {
        if len > KEY_MAX {
            return Err(Code::Argument.into());
        }
        let arena = arena()?;
        let slot = arena.take().ok_or(Code::Limit)?;
        let key = KeySlot { arena, slot, len };
        // SAFETY: the slot's bit is ours alone and `key` has been given to nobody yet.
        let cell = unsafe { &mut *arena.cell(slot) };
        fill(&mut cell.key[..len])?;
        cell.canary.store(CANARY, Ordering::Release);
        Ok(key)
    }

    /// Lends the key to `work`; `Fork` in a child of the process that filled it.
    pub fn with<R>(&self, work: impl FnOnce(&[u8]) -> R) -> Result<R> {
        // SAFETY: nobody writes to a filled cell before `drop`, which needs the slot by value.
        let cell = unsafe { &*self.arena.cell(self.slot) };
        if cell.canary.load(Ordering::Acquire) != CANARY {
            return Err(Code::Fork.into());
        }
        Ok(work(&cell.key[..self.len]))
    }
}

impl Drop for KeySlot {
    fn drop(&mut self) {
        // SAFETY: we are the last to hold the slot.
        let cell = unsafe { &mut *self.arena.cell(self.slot) };
        cell.key.zeroize();
        cell.canary.store(0, Ordering::Relaxed);
        self.arena.give_back(self.slot);
    }
}

/// Has `prepare` called before each `fork` of this process, and `parent` and `child` after it in either.
///
/// For the life of the process: what is registered cannot be taken back.
#[cfg(unix)]
pub fn at_fork(prepare: extern "C" fn(), parent: extern "C" fn(), child: extern "C" fn()) -> Result<()> {
    // SAFETY: three functions that live as long as the code; the shared library is linked with nodelete.
    match unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) } {
        0 => Ok(()),
        number => Err(Error::system(Code::Limit, number)),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn key(byte: u8) -> KeySlot {
        KeySlot::fill(32, |room| {
            room.fill(byte);
            Ok(())
        })
        .unwrap()
    }

    #[test]
    fn a_key_is_read_back_and_its_slot_is_wiped_when_it_goes() {
        let slot = key(7);
        assert_eq!(slot.with(|key| key.to_vec()).unwrap(), vec![7; 32]);
        let cell = slot.arena.cell(slot.slot);
        drop(slot);
        // Another test may have taken the slot meanwhile, but never with this byte.
        assert!(unsafe { (*cell).key }.iter().all(|byte| *byte != 7));
    }

    #[test]
    #[cfg_attr(miri, ignore = "forks")]
    fn a_forked_child_finds_no_key() {
        let slot = key(9);
        // SAFETY: the child only reads the slot and leaves.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                let forked = matches!(slot.with(|_| ()), Err(error) if error.code() == Code::Fork);
                libc::_exit(if forked { 42 } else { 1 });
            }
            let mut status = 0;
            libc::waitpid(child, &raw mut status, 0);
            assert_eq!(libc::WEXITSTATUS(status), 42);
        }
        assert!(slot.with(|_| ()).is_ok());
    }
}
