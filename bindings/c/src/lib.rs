//! The C artifact: `libpanseal.so` and `libpanseal.a`. All of it is in the library's `capi`; what is here is what
//! only a final artifact may decide.

pub use panseal::capi;

/// Every block of memory is wiped when it is freed.
#[global_allocator]
static ALLOCATOR: panseal::secret::alloc::Wiping = panseal::secret::alloc::Wiping::new();
