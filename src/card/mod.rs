//! Payment cards: the number and its network, the expiry, the security code, the name, the postal code.
//!
//! Everything here is a pure function of its arguments: no I/O, no clock, no heap, no panic on any input.
//! Card data comes in as borrowed bytes; the one thing that is kept, the number, is kept inline in a [`Pan`]
//! that is wiped when dropped.
//!
//! [`check()`] judges a whole card in one pass and gives either a [`Card`] or all that is wrong with it:
//!
//! ```
//! use panseal::card::{CardInput, check};
//!
//! let input = CardInput {
//!     expiry: Some((12, 30)),
//!     cvv: Some(b"123"),
//!     name: Some(b"ADA BYRON"),
//!     ..CardInput::new(b"4242 4242 4242 4242", 1_795_132_800)
//! };
//! let card = check(&input).expect("a good card");
//! assert_eq!(card.network().name(), "VISA");
//! assert_eq!(card.number().mask().as_str(), "424242******4242");
//! ```
//!
//! The parts can be had one by one: [`Pan::parse`], [`detect`], [`luhn_ok`], [`Expiry::parse`],
//! [`check_cvv`], [`check_name`], [`check_postal_code`].

mod check;
mod cvv;
mod detect;
mod expiry;
mod lengths;
mod luhn;
mod name;
mod network;
mod pan;
mod postal_code;
mod tables;

pub use check::{Card, CardInput, Rules, check};
pub use cvv::check_cvv;
pub use detect::{Detection, detect};
pub use expiry::Expiry;
pub use lengths::Lengths;
pub use luhn::{luhn_ok, residue};
pub use name::check_name;
pub use network::{LuhnRule, Network};
pub use pan::{Mask, Pan, Separators};
pub use postal_code::check_postal_code;
