//! **panseal is to card tokens what SQLite is to tables: a library, not a server.**
//!
//! It checks a payment card, replaces the card number (PAN) by a token, keeps what may be kept in an encrypted vault,
//! and leaves no card number behind in memory or on disk.
//!
//! ```
//! use panseal::card::{CardInput, check};
//! use panseal::keys::Root;
//! use panseal::vault::{OpenOptions, TokenizeOptions, Vault};
//!
//! # let folder = tempfile::tempdir()?;
//! # std::env::set_current_dir(&folder)?;
//! Root::create("file:cards.root")?;
//! let root = Root::parse("file:cards.root")?;
//! let vault = Vault::open(&OpenOptions { create: true, ..OpenOptions::new("sqlite:cards.db", root) })?;
//!
//! let input = CardInput { expiry: Some((12, 2030)), ..CardInput::new(b"4242 4242 4242 4242", 1_800_000_000) };
//! let card = check(&input).map_err(panseal::error::Error::from)?;
//! let instrument = vault.tokenize(&card, &TokenizeOptions::of("customer-1"))?;
//! assert_eq!(instrument.masked.as_str(), "424242******4242");
//! assert_eq!(vault.lookup(instrument.token.as_str().as_bytes())?.network.name(), "VISA");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The house has floors, and each imports only floors below it:
//!
#![doc = "```text"]
#![doc = include_str!("house.txt")]
#![doc = "```"]
#![deny(unsafe_code)]

#[cfg(feature = "capi")]
#[allow(unsafe_code)]
pub mod capi;

pub mod border;

pub mod dialect;

pub mod vault;

pub mod tokenizer;

pub mod keys;
pub mod scheme;

pub mod card;

#[allow(unsafe_code)]
pub mod secret;

#[allow(unsafe_code)]
pub(crate) mod simd;

pub mod error;
