//! Root key -> epochs -> working keys.
//!
//! A [`root::Root`] lives outside the vault and wraps two kinds of key: *epochs*, the data keys, and the *index*
//! key, from which fingerprints are made. Working keys are derived from them by purpose and merchant. All of them
//! are held in the locked arena and nowhere else.
//!
//! A vault stores its wrapped keys in a table, a tokenizer in a keyring file.

pub mod aead;
mod check;
mod derive;
mod disk;
pub(crate) mod epochs;
pub(crate) mod file;
pub mod keyring;
pub mod root;
mod wrapped;

pub use check::{CHECK_LEN, CheckValue};
pub use derive::Purpose;
#[cfg(test)]
pub(crate) use derive::derive;
pub use keyring::{KEY_LEN, Keyring};
pub use root::{Root, RootCallback, RootKey};
pub use wrapped::{KeyInfo, KeyKind, KeyState, WrappedKey};
