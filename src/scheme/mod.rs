//! Token schemes: how a token is made. A scheme is named by a short string, the same in C, Python and Rust.

mod random;
mod token;

pub use token::{TOKEN_MAX, Token};

use crate::error::{Code, Error, Result};
use std::fmt;
use std::str::FromStr;

/// How a token is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `random`: 24 random bytes as 48 lower-case hex digits. Says nothing about the card; only the vault leads back.
    #[default]
    Random,
}

impl Scheme {
    /// The scheme's name, by which it is chosen and stored.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Random => "random",
        }
    }

    /// A new token that does not depend on the card.
    pub(crate) fn draw(self) -> Result<Token> {
        match self {
            Scheme::Random => random::draw(),
        }
    }
}

impl FromStr for Scheme {
    type Err = Error;

    /// `Argument` for a name that is no token scheme.
    fn from_str(name: &str) -> Result<Scheme> {
        match name {
            "random" => Ok(Scheme::Random),
            _ => Err(Code::Argument.into()),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
