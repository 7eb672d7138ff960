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
//! [`check_cvv`], [`check_name`], [`check_postal_code`]. Beside them: [`partial`] for a number that is still
//! being keyed, [`detect_with_aid`] for one that a chip gave, [`parse_holder`] and [`write_holder`] for the name on
//! a track, [`mask`], [`group`] and [`truncate`] for what may be shown and stored.
//!
//! [`check_number`] judges a number alone and keeps nothing of it, [`check_many`] a whole column of them.
//!
//! What a reader gives is taken apart by [`parse_track`], [`emv`] and [`iso8583`], with packed digits by way of
//! [`bcd`]. [`scan()`] finds card numbers in any text.

mod aid;
mod batch;
pub mod bcd;
mod check;
mod cvv;
pub(crate) mod decimal;
mod detect;
mod display;
pub mod emv;
mod expiry;
mod facts;
mod holder;
pub mod iso8583;
mod lengths;
mod luhn;
mod name;
mod network;
mod number;
mod pan;
mod partial;
mod postal_code;
mod scan;
mod tables;
mod track;
mod trust;

pub use aid::{detect_aid, detect_with_aid};
pub use batch::{Column, Outputs, check_many};
pub use check::{Card, CardInput, Rules, check};
pub use cvv::check_cvv;
pub use detect::{Detection, detect};
pub use display::{GROUPED_MAX, Truncated, Truncation, View, group, mask, mask_grouped, truncate};
pub use expiry::Expiry;
pub use facts::{Gaps, table_date, table_version};
pub use holder::{HolderParts, HolderSpans, TRACK_NAME_MAX, parse_holder, transliterate, write_holder};
pub use lengths::Lengths;
pub use luhn::{luhn_ok, residue};
pub use name::check_name;
pub use network::{LuhnRule, Network};
pub(crate) use number::refuse_without_rules;
pub use number::{NumberCheck, check_number};
pub use pan::{Mask, Pan, Separators};
pub use partial::{Completeness, Networks, Partial, partial};
pub use postal_code::check_postal_code;
pub use scan::{Hit, HitForm, Scan, Scanner, holds_card_number, scan};
pub use track::{
    Authorization, Interchange, Lrc, PinUse, ServiceCode, Services, Span, Track, TrackFormat, parse_track,
    parse_track1, parse_track2,
};
pub use trust::{hint, national_issuer};

#[cfg(fuzzing)]
pub use crate::simd::force_path;
