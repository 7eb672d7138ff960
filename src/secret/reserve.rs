//! Memory kept aside for the moment when the system has none left.
//!
//! Rust ends the process when an allocation fails, and an allocator must not unwind. So the allocator of the artifacts
//! ([`Wiping`](super::alloc::Wiping)) serves a call that runs into this from a reserve: the call goes on to the next place
//! where it can stop ([`check`]), undoes what it did, and answers `Memory`. The border calls [`enter`] before anything
//! happens: where the reserve cannot be refilled, the call is refused.
//!
//! Several threads may draw at once: they share the reserve, and each is told only of what it drew itself. The border
//! asks for [`LEAST`] to be free, which is what several calls need to get to their next [`check`]; the sum is not promised
//! to any number of threads. There is no lock, for a forked child would find it held by nobody.

use crate::error::{Code, Error, Result};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// One piece of the reserve. A call takes a few hundred KiB from one check to the next, a batch of rows more: its rows
/// are reserved fallibly. Pages that nobody draws are never touched and cost no memory.
const PIECE: usize = 4 << 20;
/// What must be free when a call begins.
const LEAST: usize = 2 << 20;
/// How many pieces there can be: what is drawn and kept, by a cache for instance, holds a piece.
const PIECES: usize = 8;
/// Every block begins at such a boundary: two cache lines, which is what a runtime asks for that keeps threads apart.
const ALIGN: usize = 128;

thread_local! {
    /// How many border calls this thread is in. It needs no destructor, so it does not hold a library in memory.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
    /// Whether the call of this thread has drawn on the reserve.
    static DREW: Cell<bool> = const { Cell::new(false) };
}

static PIECES_MAPPED: [Piece; PIECES] = [const { Piece::none() }; PIECES];
/// How many blocks are drawn in all. Whoever holds one sees that it is not 0.
static DRAWN: AtomicUsize = AtomicUsize::new(0);

/// A stretch of memory that is handed out from its start; it begins anew when all is given back.
struct Piece {
    start: AtomicPtr<u8>,
    /// Bytes used in the upper half, blocks not given back in the lower: they change together.
    state: AtomicU64,
}

impl Piece {
    const fn none() -> Piece {
        Piece { start: AtomicPtr::new(ptr::null_mut()), state: AtomicU64::new(0) }
    }

    fn free(&self) -> usize {
        if self.start.load(Ordering::Acquire).is_null() {
            return 0;
        }
        PIECE - (self.state.load(Ordering::Relaxed) >> 32) as usize
    }

    fn draw(&self, size: usize) -> Option<*mut u8> {
        let start = self.start.load(Ordering::Acquire);
        if start.is_null() {
            return None;
        }
        let take = |state: u64| {
            let used = (state >> 32) as usize + size;
            (used <= PIECE).then_some(((used as u64) << 32) | ((state & 0xffff_ffff) + 1))
        };
        let state = self.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, take).ok()?;
        // SAFETY: what was used before lies inside the piece.
        Some(unsafe { start.add((state >> 32) as usize) })
    }

    fn holds(&self, block: *mut u8) -> bool {
        let start = self.start.load(Ordering::Acquire).addr();
        start != 0 && (start..start + PIECE).contains(&block.addr())
    }

    fn give_back(&self) {
        let less = |state: u64| Some(if state & 0xffff_ffff == 1 { 0 } else { state - 1 });
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, less);
    }
}

/// A call that is inside the border, until it is dropped.
pub struct Inside {
    drew_before: bool,
}

/// Begins a call of this thread. `Memory` where the reserve cannot be refilled.
pub fn enter() -> Result<Inside> {
    if !PIECES_MAPPED.iter().any(|piece| piece.free() >= LEAST) {
        refill()?;
    }
    INSIDE.set(INSIDE.get() + 1);
    Ok(Inside { drew_before: DREW.replace(false) })
}

impl Drop for Inside {
    fn drop(&mut self) {
        DREW.set(self.drew_before);
        INSIDE.set(INSIDE.get() - 1);
    }
}

/// Whether this thread is inside a border call.
pub fn is_inside() -> bool {
    INSIDE.get() > 0
}

/// `Memory` where this thread's call has drawn on the reserve. To be asked before anything becomes lasting.
pub fn check() -> Result<()> {
    if DREW.get() { Err(Code::Memory.into()) } else { Ok(()) }
}

/// Asks for so many bytes that data will take, and lets go of them: `Memory`, before anything happens, where the system
/// does not have them.
pub fn foresee(bytes: usize) -> Result<()> {
    room::<u8>(bytes).map(drop).and_then(|()| check())
}

/// A list with room for so many items, where data says how many. `Memory` where there is none.
pub fn room<T>(count: usize) -> Result<Vec<T>> {
    let mut list = Vec::new();
    list.try_reserve_exact(count).map_err(|_| Code::Memory)?;
    Ok(list)
}

/// Gathers items of which data says how many there are. It stops with `Memory` at the first one that there is no memory
/// for, long before the reserve is used up.
pub fn gather<T>(items: impl IntoIterator<Item = Result<T>>) -> Result<Vec<T>> {
    let mut items = items.into_iter();
    let mut list = room(items.size_hint().0)?;
    items.try_for_each(|item| {
        list.try_reserve(1).map_err(|_| Code::Memory)?;
        list.push(item?);
        check()
    })?;
    Ok(list)
}

/// A block for a call that the system gave none; null for anybody else, and when the reserve is used up.
pub(super) fn draw(size: usize, align: usize) -> *mut u8 {
    if !is_inside() || align > ALIGN || size > PIECE {
        return ptr::null_mut();
    }
    DREW.set(true);
    DRAWN.fetch_add(1, Ordering::Relaxed);
    let size = size.max(1).next_multiple_of(ALIGN);
    let block = PIECES_MAPPED.iter().find_map(|piece| piece.draw(size));
    block.unwrap_or_else(|| {
        DRAWN.fetch_sub(1, Ordering::Relaxed);
        ptr::null_mut()
    })
}

/// Takes a block back, if it is one of the reserve's.
#[inline]
pub(super) fn took_back(block: *mut u8) -> bool {
    DRAWN.load(Ordering::Relaxed) != 0 && take_back(block)
}

#[cold]
fn take_back(block: *mut u8) -> bool {
    let Some(piece) = PIECES_MAPPED.iter().find(|piece| piece.holds(block)) else { return false };
    piece.give_back();
    DRAWN.fetch_sub(1, Ordering::Relaxed);
    true
}

#[cold]
fn refill() -> Result<()> {
    let place = PIECES_MAPPED.iter().find(|piece| piece.start.load(Ordering::Acquire).is_null());
    let place = place.ok_or(Code::Memory)?;
    let fresh = map()?;
    let swapped = place.start.compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire);
    if swapped.is_err() {
        // Another thread was faster, and what it mapped serves both.
        unmap(fresh);
    }
    Ok(())
}

#[cfg(unix)]
fn map() -> Result<*mut u8> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
    // SAFETY: a new mapping, at a place where nothing is.
    let start = unsafe { libc::mmap(ptr::null_mut(), PIECE, access, kind, -1, 0) };
    if start == libc::MAP_FAILED {
        let number = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        return Err(Error::system(Code::Memory, number));
    }
    Ok(start.cast())
}

#[cfg(unix)]
fn unmap(start: *mut u8) {
    // SAFETY: mapped above, and nobody else has seen it.
    unsafe { libc::munmap(start.cast(), PIECE) };
}

#[cfg(not(unix))]
fn layout() -> std::alloc::Layout {
    std::alloc::Layout::from_size_align(PIECE, ALIGN).expect("a size and a boundary")
}

#[cfg(not(unix))]
fn map() -> Result<*mut u8> {
    use std::alloc::GlobalAlloc;
    // SAFETY: the size is not 0.
    let start = unsafe { std::alloc::System.alloc(layout()) };
    if start.is_null() { Err(Error::from(Code::Memory)) } else { Ok(start) }
}

#[cfg(not(unix))]
fn unmap(start: *mut u8) {
    use std::alloc::GlobalAlloc;
    // SAFETY: allocated above, and nobody else has seen it.
    unsafe { std::alloc::System.dealloc(start, layout()) };
}

#[cfg(test)]
mod tests {
    use super::super::alloc::Wiping;
    use super::*;
    use std::alloc::{GlobalAlloc, Layout};

    /// A system without memory.
    struct Nothing;

    // SAFETY: it gives no block.
    unsafe impl GlobalAlloc for Nothing {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            ptr::null_mut()
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {
            panic!("a block that it never gave");
        }
    }

    #[test]
    fn a_call_that_the_system_gives_no_memory_draws_on_the_reserve_and_is_told() {
        let (allocator, layout) = (Wiping::over(Nothing), Layout::new::<[u64; 100]>());
        assert!(unsafe { allocator.alloc(layout) }.is_null(), "only calls inside the border may draw");
        let inside = enter().unwrap();
        assert_eq!(check(), Ok(()));
        let blocks = [(); 3].map(|()| unsafe { allocator.alloc_zeroed(layout) });
        for block in blocks {
            assert!(!block.is_null());
            let bytes = unsafe { std::slice::from_raw_parts_mut(block, layout.size()) };
            assert!(bytes.iter().all(|byte| *byte == 0), "a block is its caller's alone");
            bytes.fill(0x5a);
        }
        assert_eq!(check().unwrap_err().code(), Code::Memory);
        {
            let _nested = enter().unwrap();
            assert_eq!(check(), Ok(()), "a call from a callback answers for itself");
        }
        assert_eq!(check().unwrap_err().code(), Code::Memory);
        assert!(unsafe { allocator.alloc(Layout::new::<[u8; PIECE + 1]>()) }.is_null());
        for block in blocks {
            unsafe { allocator.dealloc(block, layout) };
        }
        drop(inside);
        let _next = enter().unwrap();
        assert_eq!(check(), Ok(()));
    }

    #[test]
    fn a_block_begins_where_it_was_asked_to() {
        let (allocator, layout) = (Wiping::over(Nothing), Layout::from_size_align(200, ALIGN).unwrap());
        let _inside = enter().unwrap();
        let blocks = [(); 3].map(|()| unsafe { allocator.alloc(layout) });
        assert!(blocks.iter().all(|block| !block.is_null() && block.addr() % ALIGN == 0));
        blocks.into_iter().for_each(|block| unsafe { allocator.dealloc(block, layout) });
    }

    #[test]
    fn a_piece_begins_anew_when_all_is_given_back() {
        let piece = Piece { start: AtomicPtr::new(map().unwrap()), state: AtomicU64::new(0) };
        let first = piece.draw(PIECE / 2).unwrap();
        let second = piece.draw(PIECE / 2).unwrap();
        assert!(piece.draw(ALIGN).is_none());
        assert!(piece.holds(first) && piece.holds(second));
        piece.give_back();
        assert!(piece.draw(ALIGN).is_none());
        piece.give_back();
        assert_eq!(piece.draw(ALIGN), Some(first));
        unmap(first);
    }
}
