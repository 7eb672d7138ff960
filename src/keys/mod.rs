//! Root key -> epochs -> working keys.
//!
//! A [`root::Root`] lives outside the vault and wraps four kinds of key: *epochs*, the data keys; the *index* key, from
//! which fingerprints are made; the *table* key, which authenticates the list of all keys; the *audit* key, which chains
//! the audit trail. Working keys are derived from them by purpose and merchant. All of them are held in the locked
//! arena and nowhere else.
//!
//! A vault stores its wrapped keys in a [`table`], a tokenizer in a keyring file.

pub mod aead;
mod check;
mod derive;
mod disk;
pub(crate) mod epochs;
pub(crate) mod file;
pub mod keyring;
pub mod root;
pub mod table;
mod wrapped;

/// Length of the id of a vault or keyring file, in bytes.
pub const KEYRING_ID_LEN: usize = 16;

pub use check::{CHECK_LEN, CheckValue};
pub use derive::Purpose;
#[cfg(test)]
pub(crate) use derive::derive;
pub use keyring::{KEY_LEN, Keyring};
pub use root::{Root, RootCallback, RootKey};
pub use table::{Commitment, KeyTable, Revoked, Settings};
pub use wrapped::{KeyInfo, KeyKind, KeyState, WrappedKey};
