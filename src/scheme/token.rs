//! A token: what stands in a card number's place. Not secret.

use crate::error::{Code, Error};
use std::fmt;

/// The longest token, in bytes.
pub const TOKEN_MAX: usize = 64;
/// With what the name of a token that cannot be read begins; no token has a space.
pub(crate) const UNREADABLE: &str = "unreadable ";

/// A token: 1 to [`TOKEN_MAX`] visible ASCII characters, held inline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    len: u8,
    bytes: [u8; TOKEN_MAX],
}

impl Token {
    /// Reads a token from outside. Anything that cannot be one is `Token`, the answer that an unknown one gives.
    pub fn parse(text: &[u8]) -> Result<Token, Error> {
        let visible = text.iter().all(u8::is_ascii_graphic);
        if text.is_empty() || text.len() > TOKEN_MAX || !visible {
            return Err(Error::from(Code::Token));
        }
        let mut bytes = [0; TOKEN_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Ok(Token { len: text.len() as u8, bytes })
    }

    /// In the place of a token that cannot be read: a name for it, in ASCII.
    pub(crate) fn of_unreadable(name: &str) -> Token {
        let mut token = Token::blank();
        let len = name.len().min(TOKEN_MAX);
        token.room(len)[..len].copy_from_slice(&name.as_bytes()[..len]);
        token
    }

    /// A token from outside, or the name of one that cannot be read: for what is done with damaged rows.
    pub(crate) fn parse_or_name(text: &[u8]) -> Result<Token, Error> {
        match std::str::from_utf8(text) {
            Ok(name) if name.len() <= TOKEN_MAX && name.starts_with(UNREADABLE) && name.is_ascii() => {
                Ok(Token::of_unreadable(name))
            }
            _ => Token::parse(text),
        }
    }

    /// Whether this is the name of a token that cannot be read.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.as_str().starts_with(UNREADABLE)
    }

    /// A token that `fill` writes into a blank one in its place: to move one takes longer than to make it.
    #[inline]
    pub(crate) fn made<E>(fill: impl FnOnce(&mut Token) -> Result<(), E>) -> Result<Token, E> {
        let mut outcome = Ok(Token::blank());
        if let Ok(token) = &mut outcome {
            if let Err(error) = fill(token) {
                outcome = Err(error);
            }
        }
        outcome
    }

    /// A place for a token to be made in.
    pub(crate) const fn blank() -> Token {
        Token { len: 0, bytes: [0; TOKEN_MAX] }
    }

    /// Room for the `len` visible characters of a blank token; zeros stay behind them.
    #[inline]
    pub(super) fn room(&mut self, len: usize) -> &mut [u8; TOKEN_MAX] {
        self.len = len.min(TOKEN_MAX) as u8;
        &mut self.bytes
    }

    /// The token's text in bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The token's text.
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Token({})", self.as_str())
    }
}
