//! The arena in which keys live: locked memory for the whole process, which grows by chunks.
//!
//! A chunk is private and anonymous, between two guard pages, locked (never swapped), left out of core dumps and wiped
//! by the kernel in a child after `fork`. Each slot carries a canary word, so that a child reads 'no key'
//! ([`Code::Fork`]) and never takes the zeros for a key. The first chunk stays below 64 KiB, the lock limit of small
//! systems. What lies beyond that limit is used all the same, and [`is_locked`] says so from then on.
//!
//! Chunks are never given back, and nothing here takes a lock, so that none can be held across a fork.

use crate::error::{Code, Error, Result};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use zeroize::Zeroize;

/// The longest key that a [`KeySlot`] takes, in bytes.
pub const KEY_MAX: usize = 64;
/// How many keys the arena holds at most: an open vault or tokenizer takes about six, and one more for each merchant
/// and purpose.
pub const KEYS_MAX: usize = SMALL.count * CHUNKS_MAX;

const CHUNK_BYTES: usize = 60 * 1024;
/// 60 MiB in all.
const CHUNKS_MAX: usize = 1024;
const CANARY: u64 = 0x7061_6e73_6561_6c21;
/// Where a cell's content begins: behind the canary, and where the widest content may begin.
const CONTENT: usize = 16;

/// Cells of one size, side by side in a chunk.
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
const _: () = assert!(LARGE.start + LARGE.cell * LARGE.count <= CHUNK_BYTES && LARGE.start % CONTENT == 0);

struct Chunk {
    memory: NonNull<u8>,
    /// A set bit is a cell in use.
    used: [AtomicU64; WORDS],
    /// The one that was made before.
    older: *const Chunk,
}

// SAFETY: a cell is written only by the one that took its bit, before it hands it out and when it is dropped; in
// between it is only read. A chunk's other fields do not change once it is in the list.
unsafe impl Send for Chunk {}
unsafe impl Sync for Chunk {}

/// The head of the list of chunks.
static NEWEST: AtomicPtr<Chunk> = AtomicPtr::new(null_mut());
/// How many chunks there are, and are being made.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Whether a chunk could not be locked.
static UNLOCKED: AtomicBool = AtomicBool::new(false);

/// Whether all of the arena could be locked in memory. Where the limit is too low for that (`ulimit -l`), keys are used
/// all the same.
pub fn is_locked() -> bool {
    (chunks().next().is_some() || grow().is_ok()) && !UNLOCKED.load(Ordering::Relaxed)
}

/// All chunks, the newest first.
fn chunks() -> impl Iterator<Item = &'static Chunk> {
    // SAFETY: what is in the list stays there, whole, for as long as the process lives.
    let chunk = |chunk: *const Chunk| unsafe { chunk.as_ref() };
    std::iter::successors(chunk(NEWEST.load(Ordering::Acquire)), move |newer| chunk(newer.older))
}

/// Adds a chunk. `Limit` when there are [`CHUNKS_MAX`] or memory cannot be mapped.
fn grow() -> Result<()> {
    let made = if COUNT.fetch_add(1, Ordering::Relaxed) < CHUNKS_MAX { Chunk::map() } else { None };
    let Some((memory, locked)) = made else {
        COUNT.fetch_sub(1, Ordering::Relaxed);
        return Err(Code::Limit.into());
    };
    if !locked {
        UNLOCKED.store(true, Ordering::Relaxed);
    }
    let used = [const { AtomicU64::new(0) }; WORDS];
    let chunk = Box::leak(Box::new(Chunk { memory, used, older: null_mut() }));
    let mut newest = NEWEST.load(Ordering::Acquire);
    loop {
        chunk.older = newest;
        match NEWEST.compare_exchange(newest, chunk, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Ok(()),
            Err(newer) => newest = newer,
        }
    }
}

impl Chunk {
    /// Memory for a chunk, and whether it could be locked.
    #[cfg(unix)]
    fn map() -> Option<(NonNull<u8>, bool)> {
        // SAFETY: a fresh private mapping; the guard pages at both ends are never made accessible.
        unsafe {
            let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).ok()?;
            let room = CHUNK_BYTES.next_multiple_of(page);
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let whole = libc::mmap(null_mut(), room + 2 * page, libc::PROT_NONE, flags, -1, 0);
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
            Some((NonNull::new(start.cast())?, locked))
        }
    }

    #[cfg(not(unix))]
    fn map() -> Option<(NonNull<u8>, bool)> {
        let memory = Box::leak(vec![0u128; CHUNK_BYTES / 16].into_boxed_slice());
        Some((NonNull::from(memory).cast(), false))
    }

    /// Takes a free cell among these.
    fn take(&self, cells: std::ops::Range<usize>) -> Option<usize> {
        let mut cell = cells.start;
        while cell < cells.end {
            let word = &self.used[cell / 64];
            // The next free one of its word, or the first of the next word.
            cell += (word.load(Ordering::Relaxed) >> (cell % 64)).trailing_ones() as usize;
            let bit = 1 << (cell % 64);
            if cell < cells.end
                && std::ptr::eq(word, &self.used[cell / 64])
                && word.fetch_or(bit, Ordering::Acquire) & bit == 0
            {
                return Some(cell);
            }
        }
        None
    }

    fn give_back(&self, cell: usize) {
        self.used[cell / 64].fetch_and(!(1 << (cell % 64)), Ordering::Release);
    }
}

/// A cell of the arena that is ours; wiped and given back when dropped.
struct Cell {
    chunk: &'static Chunk,
    number: usize,
}

impl Cell {
    /// A cell whose content has room for `size` bytes. `Limit` when there is none left or memory cannot be mapped.
    fn take(size: usize) -> Result<Cell> {
        let cells = if size <= KEY_MAX { 0..SMALL.count } else { SMALL.count..CELLS };
        loop {
            let free = |chunk: &'static Chunk| Some(Cell { chunk, number: chunk.take(cells.clone())? });
            match chunks().find_map(free) {
                Some(cell) => return Ok(cell),
                None => grow()?,
            }
        }
    }

    fn place(&self) -> (*mut u8, usize) {
        let (class, number) =
            if self.number < SMALL.count { (SMALL, self.number) } else { (LARGE, self.number - SMALL.count) };
        // SAFETY: the classes lie inside the chunk, and the number inside its class.
        (unsafe { self.chunk.memory.as_ptr().add(class.start + number * class.cell) }, class.cell)
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
        self.chunk.give_back(self.number);
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

    /// Lends the value to `work`, which changes it in its place; `Fork` in a child of the process that made it.
    pub fn change<R>(&mut self, work: impl FnOnce(&mut T) -> R) -> Result<R> {
        self.cell.refuse_forked()?;
        // SAFETY: a sealed cell holds a `T`, and nobody else has it now.
        Ok(work(unsafe { &mut *self.cell.content().cast::<T>() }))
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
        number => Err(Error::io(Code::Limit, &std::io::Error::from_raw_os_error(number))),
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
    fn a_value_is_changed_in_its_place() {
        let mut locked = Locked::new(|| Ok([0x5d_u8; 200])).unwrap();
        let content = locked.cell.content();
        locked.change(|bytes| bytes[7] = 1).unwrap();
        assert_eq!(
            locked.with(|bytes| (bytes[7], std::ptr::from_ref(bytes).cast())).unwrap(),
            (1, content.cast_const())
        );
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
