//! Root key -> epochs -> working keys.
//!
//! A [`root::Root`] lives outside the vault and wraps two kinds of key: *epochs*, the data keys, and the *index*
//! key, from which fingerprints are made. Working keys are derived from them by purpose and merchant. All of them
//! are held in the locked arena and nowhere else.

pub mod aead;
mod derive;
pub mod keyring;
pub mod root;

pub use derive::Purpose;
pub use keyring::{KeyKind, KeyState, Keyring, WrappedKey};
pub use root::Root;
