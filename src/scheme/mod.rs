//! Token schemes: how a token is made, given a key. A scheme is named by a short string, the same in C, Python, Rust.
//!
//! | string | token | way back | same number, same token |
//! |---|---|---|---|
//! | `random` | 24 random bytes, 48 hex digits | by the vault | no |
//! | `random:uuid` | a UUID of version 4 | by the vault | no |
//! | `surrogate:K+L` | digits, as many, first K and last L kept | by the vault | no |
//! | `ff1:K+L` | digits, as many, first K and last L kept | by the key, **unauthenticated** | within an epoch |
//! | `siv` | AES-256-SIV, 48 hex digits | by the key, authenticated | within an epoch |
//! | `siv:letters` | the same in letters `a` to `p` | by the key, authenticated | within an epoch |
//! | `mac` | HMAC-SHA-256, 64 hex digits | none | within an epoch |
//!
//! Schemes that give the same token for the same number are an oracle to whoever can ask for tokens: with first six
//! and last four known, a million guesses find the number.

mod classify;
#[cfg(feature = "ff1")]
mod ff1;
#[cfg(not(feature = "ff1"))]
#[path = "ff1_left_out.rs"]
mod ff1;
#[cfg(all(test, feature = "ff1"))]
mod ff1_general;
mod hex;
mod kept;
mod mac;
mod message;
mod numeric;
mod random;
mod ready;
mod siv;
mod token;

pub use classify::{Shapes, classify};
pub use kept::Kept;
pub(crate) use ready::{Ready, slot_of};
pub(crate) use token::UNREADABLE;
pub use token::{TOKEN_MAX, Token};

use crate::card::Pan;
use crate::error::{Code, Error, Result};
use crate::secret::Random;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The slots of `ff1`: the Luhn residue of a token, which names its epoch.
pub const SLOTS: RangeInclusive<u8> = 1..=9;

/// Whether this build makes tokens of `ff1`: the cargo feature of that name.
pub const HAS_FF1: bool = cfg!(feature = "ff1");

/// How many tokens are made at a time, so that the AES unit's pipeline is full.
pub(crate) const BATCH: usize = 64;

/// How a token is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `random`: 24 random bytes as 48 lower-case hex digits. Says nothing about the card; only the vault leads back.
    #[default]
    Random,
    /// `random:uuid`: a random UUID of version 4.
    RandomUuid,
    /// `surrogate:K+L`: random digits around the kept ones. Only the vault leads back.
    Surrogate(Kept),
    /// `ff1:K+L`: the hidden digits encrypted with FF1. Has no integrity: a mistyped token leads to a wrong number.
    Ff1(Kept),
    /// `siv`: AES-256-SIV as hex digits.
    Siv,
    /// `siv:letters`: AES-256-SIV as letters.
    SivLetters,
    /// `mac`: a keyed hash. Falls with its key.
    Mac,
}

impl Scheme {
    /// Whether a vault makes these tokens; the others are a tokenizer's.
    pub fn needs_vault(self) -> bool {
        matches!(self, Scheme::Random | Scheme::RandomUuid | Scheme::Surrogate(_))
    }

    /// Every token that a `surrogate` scheme has for a number, beginning at a random one: to find one that is left when
    /// most are issued. `like` as for [`Scheme::draw`]. `Argument` for other schemes.
    pub(crate) fn all_surrogates(self, like: &[u8]) -> Result<impl Iterator<Item = Token>> {
        match self {
            Scheme::Surrogate(kept) => random::all_surrogates(kept, like),
            _ => Err(Code::Argument.into()),
        }
    }

    /// Whether a token looks as this scheme would make one for the number; `like` as for [`Scheme::draw`].
    pub(crate) fn fits(self, token: &Token, like: &[u8]) -> bool {
        let text = token.as_str().as_bytes();
        let shapes = classify(text);
        match self {
            Scheme::Random => shapes.hex_token,
            Scheme::RandomUuid => shapes.uuid,
            Scheme::Surrogate(kept) => {
                let last = like.len() - kept.last();
                shapes.numeric_token.is_some()
                    && text.len() == like.len()
                    && text[..kept.first()] == like[..kept.first()]
                    && text[last..] == like[last..]
            }
            _ => false,
        }
    }

    /// How long its tokens are, in bytes: numeric ones are as long as their number.
    pub fn token_lengths(self) -> RangeInclusive<usize> {
        match self {
            Scheme::Random | Scheme::Siv | Scheme::SivLetters => 48..=48,
            Scheme::RandomUuid => 36..=36,
            Scheme::Surrogate(_) | Scheme::Ff1(_) => Pan::MIN_LEN..=Pan::MAX_LEN,
            Scheme::Mac => 64..=64,
        }
    }

    /// Whether this build can make such tokens.
    pub fn is_supported(self) -> bool {
        HAS_FF1 || !matches!(self, Scheme::Ff1(_))
    }

    /// A new token of a scheme that needs a vault, for the number of which `like` are the digits; those of a surrogate
    /// of it do as well. `Argument` for a scheme that needs none, `Domain` where a surrogate would keep more than is
    /// allowed for a number of this length.
    pub(crate) fn draw(self, like: &[u8], random: &mut Random) -> Result<Token> {
        match self {
            Scheme::Random => random::hex(random),
            Scheme::RandomUuid => random::uuid(random),
            Scheme::Surrogate(kept) => random::surrogate(kept, like, random),
            _ => Err(Code::Argument.into()),
        }
    }
}

impl FromStr for Scheme {
    type Err = Error;

    /// `Argument` for a name that is no token scheme; `Domain` for an `ff1:K+L` that no card number has room for: K+L
    /// is 4 at least, and seven digits stay hidden.
    fn from_str(name: &str) -> Result<Scheme> {
        match name.split_once(':') {
            None => match name {
                "random" => Ok(Scheme::Random),
                "siv" => Ok(Scheme::Siv),
                "mac" => Ok(Scheme::Mac),
                _ => Err(Code::Argument.into()),
            },
            Some(("random", "uuid")) => Ok(Scheme::RandomUuid),
            Some(("siv", "letters")) => Ok(Scheme::SivLetters),
            Some(("surrogate", kept)) => Ok(Scheme::Surrogate(kept.parse()?)),
            Some(("ff1", kept)) => {
                let kept: Kept = kept.parse()?;
                kept.ff1_lengths().next().map(|_| Scheme::Ff1(kept)).ok_or_else(|| Code::Domain.into())
            }
            _ => Err(Code::Argument.into()),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scheme::Random => out.write_str("random"),
            Scheme::RandomUuid => out.write_str("random:uuid"),
            Scheme::Surrogate(kept) => write!(out, "surrogate:{kept}"),
            Scheme::Ff1(kept) => write!(out, "ff1:{kept}"),
            Scheme::Siv => out.write_str("siv"),
            Scheme::SivLetters => out.write_str("siv:letters"),
            Scheme::Mac => out.write_str("mac"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_known_by_its_name_and_by_no_other() {
        for name in [
            "random",
            "random:uuid",
            "surrogate:6+4",
            "surrogate:8+4",
            "surrogate:0+0",
            "ff1:0+4",
            "ff1:6+0",
            "ff1:8+4",
            "siv",
            "siv:letters",
            "mac",
        ] {
            assert_eq!(name.parse::<Scheme>().unwrap().to_string(), name);
        }
        for name in [
            "",
            "RANDOM",
            "random:",
            "uuid",
            "surrogate",
            "surrogate:9+4",
            "surrogate:6+5",
            "surrogate:6+",
            "surrogate:06+4",
            "surrogate:6+4 ",
            "ff1",
            "ff1:+4",
            "siv:hex",
            "mac:64",
            "siv\0",
        ] {
            assert_eq!(name.parse::<Scheme>().unwrap_err().code(), Code::Argument, "{name}");
        }
        for name in ["ff1:0+3", "ff1:0+0"] {
            assert_eq!(name.parse::<Scheme>().unwrap_err().code(), Code::Domain, "{name}");
        }
    }
}
