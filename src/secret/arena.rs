//! The arena in which keys live: one stretch of locked memory for the whole process.
//!
//! The memory is private and anonymous, between two guard pages, locked (never swapped), left out of core dumps
//! and wiped by the kernel in a child after `fork`. Each slot carries a canary word, so that a child reads 'no key'
//! ([`Code::Fork`]) and never takes the zeros for a key. It stays below 64 KiB, the lock limit of small systems.

use crate::error::{Code, Error, Result};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroize;

/// The longest key that a [`KeySlot`] takes, in bytes.
pub const KEY_MAX: usize = 64;

const ARENA_BYTES: usize = 60 * 1024;
const CANARY: u64 = 0x7061_6e73_6561_6c21;
/// Where a cell's content begins: behind the canary, and where the widest content may begin.
const CONTENT: usize = 16;

/// Cells of one size, side by side in the arena.
struct Class {
    start: usize,
    cell: usize,
    count: usize,
}

/// For keys, and for keys that were made ready to use: expanded, they are many times as large.
const SMALL: Class = Class { start: 0, cell: CONTENT + KEY_MAX, count: 358 };
const LARGE: Class = Class { start: SMALL.cell * SMALL.count, cell: 2048, count: 16 };
const CELLS: usize = SMALL.count + LARGE.count;
const WORDS: usize = CELLS.div_ceil(64);
const _: () = assert!(LARGE.start + LARGE.cell * LARGE.count <= ARENA_BYTES && LARGE.start % CONTENT == 0);

struct Arena {
    memory: NonNull<u8>,
    /// A set bit is a cell in use. Without a lock, so that no thread can hold one across a fork.
    used: [AtomicU64; WORDS],
    locked: bool,
}

// SAFETY: a cell is written only by the one that took its bit, before it hands it out and when it is dropped; in
// between it is only read.
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
        let memory = Box::leak(vec![0u128; ARENA_BYTES / 16].into_boxed_slice());
        Some(Arena::over(NonNull::from(memory).cast(), false))
    }

    fn over(memory: NonNull<u8>, locked: bool) -> Arena {
        Arena { memory, used: [const { AtomicU64::new(0) }; WORDS], locked }
    }

    /// Takes a free cell among these.
    fn take(&self, cells: std::ops::Range<usize>) -> Option<usize> {
        cells.into_iter().find(|cell| {
            let bit = 1 << (cell % 64);
            let word = &self.used[cell / 64];
            word.load(Ordering::Relaxed) & bit == 0 && word.fetch_or(bit, Ordering::Acquire) & bit == 0
        })
    }

    fn give_back(&self, cell: usize) {
        self.used[cell / 64].fetch_and(!(1 << (cell % 64)), Ordering::Release);
    }
}

/// A cell of the arena that is ours; wiped and given back when dropped.
struct Cell {
    arena: &'static Arena,
    number: usize,
}

impl Cell {
    /// A cell whose content has room for `size` bytes. `Limit` when there is none left or memory cannot be mapped.
    fn take(size: usize) -> Result<Cell> {
        let arena = arena()?;
        let cells = if size <= KEY_MAX { 0..SMALL.count } else { SMALL.count..CELLS };
        let number = arena.take(cells).ok_or(Code::Limit)?;
        Ok(Cell { arena, number })
    }

    fn place(&self) -> (*mut u8, usize) {
        let (class, number) =
            if self.number < SMALL.count { (SMALL, self.number) } else { (LARGE, self.number - SMALL.count) };
        // SAFETY: the classes lie inside the mapping, and the number inside its class.
        (unsafe { self.arena.memory.as_ptr().add(class.start + number * class.cell) }, class.cell)
    }

    fn content(&self) -> *mut u8 {
        // SAFETY: a cell is longer than that.
        unsafe { self.place().0.add(CONTENT) }
    }

    /// Zero in a forked child: the kernel has wiped the arena there.
    fn canary(&self) -> &AtomicU64 {
        // SAFETY: the first word of a cell, aligned, for as long as the process lives.
        unsafe { AtomicU64::from_ptr(self.place().0.cast()) }
    }

    /// From now on the content may be read.
    fn seal(&self) {
        self.canary().store(CANARY, Ordering::Release);
    }

    fn is_sealed(&self) -> bool {
        self.canary().load(Ordering::Acquire) == CANARY
    }

    /// `Fork` in a child of the process that filled the cell.
    fn refuse_forked(&self) -> Result<()> {
        if self.is_sealed() { Ok(()) } else { Err(Code::Fork.into()) }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        let (place, size) = self.place();
        // SAFETY: we are the last to hold the cell.
        unsafe { std::slice::from_raw_parts_mut(place.cast::<MaybeUninit<u8>>(), size) }.zeroize();
        self.arena.give_back(self.number);
    }
}

/// A key of up to [`KEY_MAX`] bytes in the arena; wiped when dropped.
pub struct KeySlot {
    cell: Cell,
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
        let cell = Cell::take(len)?;
        // SAFETY: the cell is ours alone and has been zeroed, by the kernel or by the last who had it.
        fill(unsafe { std::slice::from_raw_parts_mut(cell.content(), len) })?;
        cell.seal();
        Ok(KeySlot { cell, len })
    }

    /// Lends the key to `work`; `Fork` in a child of the process that filled it.
    pub fn with<R>(&self, work: impl FnOnce(&[u8]) -> R) -> Result<R> {
        self.cell.refuse_forked()?;
        // SAFETY: nobody writes to a sealed cell before it is dropped.
        Ok(work(unsafe { std::slice::from_raw_parts(self.cell.content(), self.len) }))
    }
}

/// A value in the arena, such as an expanded key; dropped and wiped in its place.
///
/// There are few places: whoever can do without one should, on [`Code::Limit`].
pub struct Locked<T> {
    cell: Cell,
    value: PhantomData<T>,
}

impl<T: Send + Sync> Locked<T> {
    const FITS: () = assert!(size_of::<T>() <= LARGE.cell - CONTENT && align_of::<T>() <= CONTENT);

    /// Takes a place and moves what `make` gives into it.
    pub fn new(make: impl FnOnce() -> Result<T>) -> Result<Locked<T>> {
        let () = Self::FITS;
        let cell = Cell::take(size_of::<T>())?;
        let value = make()?;
        // SAFETY: the cell is ours alone, and large and aligned enough.
        unsafe { cell.content().cast::<T>().write(value) };
        cell.seal();
        Ok(Locked { cell, value: PhantomData })
    }

    /// Lends the value to `work`; `Fork` in a child of the process that made it.
    pub fn with<R>(&self, work: impl FnOnce(&T) -> R) -> Result<R> {
        self.cell.refuse_forked()?;
        // SAFETY: a sealed cell holds a `T`, which nobody changes before it is dropped.
        Ok(work(unsafe { &*self.cell.content().cast::<T>() }))
    }
}

impl<T> Drop for Locked<T> {
    fn drop(&mut self) {
        if self.cell.is_sealed() {
            // SAFETY: as above, and for the last time. In a forked child there is nothing left to drop.
            unsafe { self.cell.content().cast::<T>().drop_in_place() };
        }
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
        let content = slot.cell.content();
        drop(slot);
        // SAFETY: the arena stays. Another test may have taken the cell meanwhile, but never with this byte.
        assert!(unsafe { std::slice::from_raw_parts(content, KEY_MAX) }.iter().all(|byte| *byte != 7));
    }

    #[test]
    fn a_value_is_dropped_and_wiped_in_its_place() {
        struct Noisy([u8; 900], #[allow(dead_code, reason = "its drop counts")] std::sync::Arc<()>);
        let (witness, count) = (std::sync::Arc::new(()), std::sync::Arc::strong_count);
        let locked = Locked::new(|| Ok(Noisy([0x5c; 900], witness.clone()))).unwrap();
        assert_eq!((locked.with(|noisy| noisy.0[899]).unwrap(), count(&witness)), (0x5c, 2));
        let content = locked.cell.content();
        drop(locked);
        assert_eq!(count(&witness), 1);
        // SAFETY: as above.
        assert!(unsafe { std::slice::from_raw_parts(content, 900) }.iter().all(|byte| *byte != 0x5c));
    }

    #[test]
    fn a_key_that_cannot_be_made_gives_its_slot_back() {
        for _ in 0..2 * SMALL.count {
            let failed = KeySlot::fill(8, |_| Err(Code::Internal.into()));
            assert_eq!(failed.err().unwrap().code(), Code::Internal);
        }
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
