//! A token: what stands in a card number's place. Not secret.

use crate::error::{Code, Error, Result};
use std::fmt;

/// The longest token, in bytes.
pub const TOKEN_MAX: usize = 64;

/// A token: 1 to [`TOKEN_MAX`] visible ASCII characters, held inline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    len: u8,
    bytes: [u8; TOKEN_MAX],
}

impl Token {
    /// Reads a token from outside. Anything that cannot be one is `Token`, the answer that an unknown one gives.
    pub fn parse(text: &[u8]) -> Result<Token> {
        let visible = text.iter().all(u8::is_ascii_graphic);
        if text.is_empty() || text.len() > TOKEN_MAX || !visible {
            return Err(Error::from(Code::Token));
        }
        let mut bytes = [0; TOKEN_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Ok(Token { len: text.len() as u8, bytes })
    }

    /// A token that was made here, of `len` visible characters with zeros behind them.
    pub(super) fn of_visible(bytes: [u8; TOKEN_MAX], len: usize) -> Token {
        debug_assert!(
            bytes[..len].iter().all(u8::is_ascii_graphic) && bytes[len..].iter().all(|byte| *byte == 0)
        );
        Token { len: len as u8, bytes }
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
