//! Bytes as text: hex digits, or the letters `a` to `p`, which no scanner takes for a card number.

use super::Token;

/// Which sixteen characters stand for the values of half a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    Hex,
    Letters,
}

/// The same byte eight times.
const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x80 * ONES;

impl Alphabet {
    /// Where the characters for 0 to 9 and for 10 to 15 begin.
    fn starts(self) -> (u8, u8) {
        match self {
            Alphabet::Hex => (b'0', b'a'),
            Alphabet::Letters => (b'a', b'k'),
        }
    }

    /// The four bytes of eight characters, and top bits where none of its characters stands.
    #[inline]
    fn bytes(self, characters: u64) -> (u32, u64) {
        let (low, high) = self.starts();
        let (low, high) = (u64::from(low), u64::from(high));
        let ascii = characters & !TOPS;
        let from = |start: u64| ascii + (0x80 - start) * ONES;
        let is_low = from(low) & !from(low + 10) & TOPS;
        let is_high = from(high) & !from(high + 6) & TOPS;
        let wrong = (!(is_low | is_high) | characters) & TOPS;
        let gap = (is_high - (is_high >> 7)) & ((high - 10 - low) * ONES);
        let values = ascii.wrapping_sub(low * ONES).wrapping_sub(gap);
        let apart = (values << 4 | values >> 8) & 0x00ff_00ff_00ff_00ff;
        let pairs = (apart | apart >> 8) & 0x0000_ffff_0000_ffff;
        ((pairs | pairs >> 16) as u32, wrong)
    }
}

/// Makes a blank token one of twice as many characters. Written so that the compiler does many of them at a time.
#[inline]
pub(super) fn write<const LEN: usize>(bytes: &[u8; LEN], alphabet: Alphabet, token: &mut Token) {
    let (low, high) = alphabet.starts();
    let character = |value: u8| if value < 10 { low + value } else { high + (value - 10) };
    for (pair, byte) in token.room(2 * LEN).chunks_exact_mut(2).zip(bytes) {
        pair[0] = character(byte >> 4);
        pair[1] = character(byte & 15);
    }
}

/// The bytes of a token; `None` where it has another length or other characters. `LEN` is a multiple of four.
pub(super) fn from_token<const LEN: usize>(token: &[u8], alphabet: Alphabet) -> Option<[u8; LEN]> {
    const { assert!(LEN % 4 == 0) };
    if token.len() != 2 * LEN {
        return None;
    }
    let (mut bytes, mut wrong) = ([0; LEN], 0);
    for (four, eight) in bytes.chunks_exact_mut(4).zip(token.chunks_exact(8)) {
        let eight = eight.first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight));
        let (found, of_others) = alphabet.bytes(eight);
        wrong |= of_others;
        four.copy_from_slice(&found.to_le_bytes());
    }
    (wrong == 0).then_some(bytes)
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
                let token = Token::made(|token| {
                    write(&bytes, alphabet, token);
                    Ok::<(), ()>(())
                })
                .unwrap();
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
                for place in 0..8 {
                    let mut token = [good.as_bytes()[0]; 8];
                    token[place] = character;
                    let taken = from_token::<4>(&token, alphabet).is_some();
                    assert_eq!(taken, good.as_bytes().contains(&character), "{character:02x}");
                }
            }
        }
    }
}
