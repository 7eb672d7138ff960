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

use std::alloc::{GlobalAlloc, Layout, System};
use zeroize::Zeroize;

/// Wipes each block on free, then hands it to `A`. Growing a block moves it, so that the old place is wiped too.
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

// SAFETY: every block comes from `A` and goes back to it with the layout it was asked with. `realloc` is the
// trait's own (allocate, copy, free): an allocator's own realloc could leave the old place as it was.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Wiping<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // The owner is gone; what is left may be uninitialised, hence the slice of `MaybeUninit`.
        let room = unsafe {
            std::slice::from_raw_parts_mut(block.cast::<std::mem::MaybeUninit<u8>>(), layout.size())
        };
        room.zeroize();
        unsafe { self.0.dealloc(block, layout) }
    }
}
