//! `random`: 24 random bytes, in hex.

use super::Token;
use crate::error::{Code, Result};

const LEN: usize = 24;

/// From this many decimal digits on, a run inside a token could be taken for a card number by a scanner.
const CARD_LIKE_RUN: usize = 12;

/// Draws until a token holds no run of digits that looks like a card number: about one draw in twenty does.
pub(super) fn draw() -> Result<Token> {
    loop {
        let mut random = [0; LEN];
        getrandom::fill(&mut random).map_err(|_| Code::Internal)?;
        let mut hex = [0; 2 * LEN];
        base16ct::lower::encode(&random, &mut hex).map_err(|_| Code::Internal)?;
        if longest_run_of_digits(&hex) < CARD_LIKE_RUN {
            return Token::parse(&hex);
        }
    }
}

fn longest_run_of_digits(text: &[u8]) -> usize {
    text.split(|byte| !byte.is_ascii_digit()).map(<[u8]>::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn tokens_are_48_hex_digits_never_alike_and_never_card_like() {
        let mut seen = HashSet::new();
        for _ in 0..20_000 {
            let token = draw().unwrap();
            let text = token.as_str();
            assert_eq!(text.len(), 48);
            assert!(text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
            assert!(longest_run_of_digits(text.as_bytes()) < CARD_LIKE_RUN);
            assert!(seen.insert(token));
        }
    }

    #[test]
    fn a_run_is_measured_where_it_stands() {
        assert_eq!(longest_run_of_digits(b"a123456789012b1"), 12);
        assert_eq!(longest_run_of_digits(b"1234"), 4);
        assert_eq!(longest_run_of_digits(b"abc"), 0);
    }
}
