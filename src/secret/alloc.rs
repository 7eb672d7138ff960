//! The allocator that the artifacts install: every block is wiped before it is given back.
//!
//! It is a type only. A library that installed it would force it on every Rust program that uses panseal; the C
//! and the Python artifact install it for themselves, and so may a program:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: panseal::secret::alloc::Wiping = panseal::secret::alloc::Wiping::new();
//! # assert_eq!(vec![1u8; 3].len(), 3);
//! ```

use super::reserve;
use std::alloc::{GlobalAlloc, Layout, System};
use zeroize::Zeroize;

/// Wipes each block on free, then hands it to `A`. What `A` cannot give a call inside the border comes from the
/// [reserve](super::reserve). Growing a block moves it, so that the old place is wiped too.
pub struct Wiping<A = System>(A);

impl Wiping<System> {
    /// The system's allocator, wiping.
    pub const fn new() -> Self {
        Wiping(System)
    }
}

impl<A> Wiping<A> {
    /// Another allocator, wiping.
    pub const fn over(inner: A) -> Self {
        Wiping(inner)
    }
}

impl Default for Wiping<System> {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: every block comes from `A` or the reserve and goes back there with the layout it was asked with. `realloc` is
// the trait's own (allocate, copy, free): an allocator's own realloc could leave the old place as it was.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Wiping<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = unsafe { self.0.alloc(layout) };
        if block.is_null() { reserve::draw(layout.size(), layout.align()) } else { block }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = unsafe { self.0.alloc_zeroed(layout) };
        if !block.is_null() {
            return block;
        }
        let block = reserve::draw(layout.size(), layout.align());
        if !block.is_null() {
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // The owner is gone; what is left may be uninitialised, hence the slice of `MaybeUninit`.
        let room = unsafe {
            std::slice::from_raw_parts_mut(block.cast::<std::mem::MaybeUninit<u8>>(), layout.size())
        };
        room.zeroize();
        if !reserve::took_back(block) {
            unsafe { self.0.dealloc(block, layout) }
        }
    }
}
