//! Memory that forgets: inline secrets, the locked arena for keys, the wiping allocator and its reserve, the stack wipe.
//!
//! Nothing in here has `Clone`, `Debug`, `Display` or `Serialize` of its content. Moving a value copies its bytes;
//! the copies that a move leaves behind on the stack are wiped by [`stack::wipe_after`] at the border.

pub mod alloc;
pub mod arena;
mod bounds;
pub(crate) mod cancel;
pub mod hmac;
mod inline;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
mod own_stack;
mod random;
pub(crate) mod reserve;
pub mod stack;
mod wiped;

pub use inline::{SecretText, copy_short};
pub(crate) use random::Random;
pub(crate) use wiped::Wiped;
