//! Bytes as text: hex digits, or the letters `a` to `p`, which no scanner takes for a card number.

use super::{TOKEN_MAX, Token};

/// Which sixteen characters stand for the values of half a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    Hex,
    Letters,
}

impl Alphabet {
    /// Where the characters for 0 to 9 and for 10 to 15 begin.
    fn starts(self) -> (u8, u8) {
        match self {
            Alphabet::Hex => (b'0', b'a'),
            Alphabet::Letters => (b'a', b'k'),
        }
    }
}

/// A token of twice as many characters. Written so that the compiler does many of them at a time.
pub(super) fn to_token<const LEN: usize>(bytes: &[u8; LEN], alphabet: Alphabet) -> Token {
    let (low, high) = alphabet.starts();
    let character = |value: u8| if value < 10 { low + value } else { high + (value - 10) };
    let mut text = [0; TOKEN_MAX];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = character(byte >> 4);
        pair[1] = character(byte & 15);
    }
    Token::of_visible(text, 2 * LEN)
}

/// The bytes of a token; `None` where it has another length or other characters.
pub(super) fn from_token<const LEN: usize>(token: &[u8], alphabet: Alphabet) -> Option<[u8; LEN]> {
    const NONE: u8 = 0x80;
    let (low, high) = alphabet.starts();
    let value = |character: u8| match (character.wrapping_sub(low), character.wrapping_sub(high)) {
        (value @ 0..10, _) => value,
        (_, value @ 0..6) => value + 10,
        _ => NONE,
    };
    if token.len() != 2 * LEN {
        return None;
    }
    let (mut bytes, mut all) = ([0; LEN], 0);
    for (byte, pair) in bytes.iter_mut().zip(token.chunks_exact(2)) {
        let (first, second) = (value(pair[0]), value(pair[1]));
        all |= first | second;
        *byte = first << 4 | second;
    }
    (all & NONE == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_come_back_from_either_alphabet(bytes: [u8; 24]) {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let letters: String = hex.chars().map(|digit| char::from(b'a' + digit.to_digit(16).unwrap() as u8)).collect();
            for (alphabet, text) in [(Alphabet::Hex, hex), (Alphabet::Letters, letters)] {
                let token = to_token(&bytes, alphabet);
                prop_assert_eq!(token.as_str(), &text);
                prop_assert_eq!(from_token::<24>(text.as_bytes(), alphabet), Some(bytes));
                prop_assert_eq!(from_token::<24>(&text.as_bytes()[1..], alphabet), None);
            }
        }
    }

    #[test]
    fn no_other_character_is_taken() {
        for (alphabet, good) in [(Alphabet::Hex, "0123456789abcdef"), (Alphabet::Letters, "abcdefghijklmnop")]
        {
            for character in 0..=u8::MAX {
                let taken = from_token::<1>(&[character, good.as_bytes()[0]], alphabet).is_some();
                assert_eq!(taken, good.as_bytes().contains(&character), "{character:02x}");
            }
        }
    }
}
