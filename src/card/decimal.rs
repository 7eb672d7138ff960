//! Digits to numbers and back, eight at a time.
//!
//! What is read and written are card numbers: nothing branches on a digit, and whoever calls wipes what is left.

/// The fewest digits of a text.
const FEWEST: usize = 12;
/// The most digits that a value here has.
const MOST: usize = 19;
const MOST_IN_PARTS: usize = 24;
const EIGHT: u64 = 100_000_000;
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// 10^k, and what it takes to divide by it without a division: those of processors take their time, and not always
/// the same.
#[derive(Clone, Copy)]
pub(crate) struct Power {
    /// The power itself.
    pub value: u64,
    reciprocal: u64,
}

impl Power {
    const ALL: [Power; MOST + 1] = {
        let mut all = [Power { value: 1, reciprocal: u64::MAX }; MOST + 1];
        let mut digits = 1;
        while digits < all.len() {
            let value = 10 * all[digits - 1].value;
            all[digits] = Power { value, reciprocal: u64::MAX / value };
            digits += 1;
        }
        all
    };

    /// 10 to the power of `digits`, up to 19.
    #[inline]
    pub const fn of(digits: usize) -> Power {
        Power::ALL[digits]
    }

    /// Quotient and remainder of any number.
    #[inline]
    pub fn divide(self, number: u64) -> (u64, u64) {
        // The estimated quotient is right or one too small.
        let quotient = ((u128::from(number) * u128::from(self.reciprocal)) >> 64) as u64;
        let rest = number - quotient * self.value;
        (quotient + u64::from(rest >= self.value), self.reduced(rest))
    }

    /// The remainder of a number below twice the power. By a mask: a branch would go wrong every other time, and tell
    /// by its time which way it went.
    #[inline]
    pub fn reduced(self, number: u64) -> u64 {
        let (less, is_below) = number.overflowing_sub(self.value);
        less.wrapping_add(self.value & u64::from(is_below).wrapping_neg())
    }
}

/// The value of 8 to 19 ASCII digits. Of no meaning for any other text.
#[inline]
pub(crate) fn value_of(digits: &[u8]) -> u64 {
    let [high, middle, low] = parts(digits).map(eight);
    high.wrapping_mul(EIGHT).wrapping_add(middle).wrapping_mul(EIGHT).wrapping_add(low)
}

/// The Luhn sum mod 10 of 8 to 19 ASCII digits, as [`residue`](super::residue) has it.
#[inline]
pub(crate) fn luhn_residue(digits: &[u8]) -> u8 {
    luhn_of(parts(digits))
}

#[inline]
fn luhn_of(parts: [u64; 3]) -> u8 {
    let sums = parts.map(|part| {
        // From the right every second digit, which is one of the odd bytes from the end: 0, 2, 4 and 6.
        let (plain, once) = (part & 0xff00_ff00_ff00_ff00, part & 0x00ff_00ff_00ff_00ff);
        let above_four = ((once + 0x007b_007b_007b_007b) >> 7) & 0x0001_0001_0001_0001;
        plain + 2 * once - 9 * above_four
    });
    let sum = (sums[0] + sums[1] + sums[2]).wrapping_mul(0x0101_0101_0101_0101) >> 56;
    (sum % 10) as u8
}

/// 8 to 19 digits in three words of eight, one a byte, with zeros in front.
#[inline]
fn parts(digits: &[u8]) -> [u64; 3] {
    let (Some(first), Some(last)) = (digits.first_chunk::<8>(), digits.last_chunk::<8>()) else {
        return [0; 3];
    };
    let (first, low) = (u64::from_le_bytes(*first) ^ ZEROS, u64::from_le_bytes(*last) ^ ZEROS);
    // Those of the first eight that are in no later word, at the end of theirs.
    let lead = |count: usize| first.checked_shl(64 - 8 * count as u32).unwrap_or(0);
    match digits.len().checked_sub(16) {
        None => [0, lead(digits.len() - 8), low],
        Some(more) => {
            let middle = digits[more..].first_chunk::<8>().map_or(0, |eight| u64::from_le_bytes(*eight));
            [lead(more.min(MOST - 16)), middle ^ ZEROS, low]
        }
    }
}

/// 12 to 19 ASCII digits with zero bytes behind them: in all two of the pieces that compilers copy by.
pub(crate) type Text = [u8; 32];

/// Writes a value as `len` digits, 12 to 19, of which the one `from_end` places before the last becomes such that the
/// Luhn sum mod 10 is `residue`. The value has a zero there.
#[inline]
pub(crate) fn write_solved(value: u64, len: usize, from_end: usize, residue: u8, out: &mut Text) {
    let [high, middle, low] = parts_of(value);
    let missing = (10 + residue - luhn_of([high, middle, low])) % 10;
    // Doubled: an even sum comes of half of it, an odd one of a digit whose double has two digits.
    let digit = match (from_end % 2, missing % 2) {
        (0, _) => missing,
        (_, 0) => missing / 2,
        _ => missing.div_ceil(2) + 4,
    };
    *out = text([high, middle, low | u64::from(digit) << (56 - 8 * from_end)], len);
}

/// A value as `len` digits, 12 to 19, with zeros in front.
#[inline]
pub(crate) fn text_of(value: u64, len: usize) -> Text {
    text(parts_of(value), len)
}

/// The last `len` of 24 digits, one a byte, as a text. In registers alone: words that are put over each other in memory
/// would have to arrive there before the text can be read.
#[inline(always)]
fn text(parts: [u64; 3], len: usize) -> Text {
    let left_out = (MOST_IN_PARTS - len.clamp(FEWEST, MOST)) as u32;
    let [a, b, c] = parts.map(|part| part | ZEROS);
    let [a, b, c] = if left_out < 8 { [a, b, c] } else { [b, c, 0] };
    let bits = 8 * (left_out % 8);
    let join = |low: u64, high: u64| low >> bits | (high << 1) << (63 - bits);
    let mut out = [0; size_of::<Text>()];
    for (place, word) in out.chunks_exact_mut(8).zip([join(a, b), join(b, c), c >> bits]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    out
}

/// The digits of a value in three words of eight, one a byte.
#[inline]
fn parts_of(value: u64) -> [u64; 3] {
    let (rest, low) = (value / EIGHT, value % EIGHT);
    [rest / EIGHT, rest % EIGHT, low].map(digits_of)
}

/// The value of eight digits, one a byte, the first one lowest.
#[inline]
fn eight(digits: u64) -> u64 {
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

/// The eight digits of a value, one a byte, the first one lowest.
#[inline]
fn digits_of(value: u64) -> u64 {
    // Two numbers of four digits, then four of two, then eight of one: each divided by a multiplication.
    let fours = (value / 10_000) | (value % 10_000) << 32;
    let hundreds = (fours.wrapping_mul(10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - 100 * hundreds) << 16;
    let tens = (pairs.wrapping_mul(103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs - 10 * tens) << 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_number_of_four_digits_is_written_and_read_in_each_quarter() {
        for value in 0..10_000 {
            for value in [value, value * 10_000, value * 10_001, value * 1_000_100_010_001] {
                let text = text_of(value, 16);
                assert_eq!(text[..16], *format!("{value:016}").as_bytes());
                assert_eq!(value_of(&text[..16]), value);
            }
        }
    }

    proptest! {
        #[test]
        fn digits_are_read_as_a_parser_reads_them(digits in "[0-9]{8,19}") {
            prop_assert_eq!(value_of(digits.as_bytes()), digits.parse::<u64>().unwrap());
            prop_assert_eq!(Some(luhn_residue(digits.as_bytes())), crate::card::residue(digits.as_bytes()));
        }

        #[test]
        fn digits_are_written_as_they_were_with_zero_bytes_behind_them(digits in "[0-9]{12,19}") {
            let text = text_of(value_of(digits.as_bytes()), digits.len());
            prop_assert_eq!(&text[..digits.len()], digits.as_bytes());
            prop_assert!(text[digits.len()..].iter().all(|byte| *byte == 0));
        }

        #[test]
        fn a_digit_is_solved_for_at_every_place(digits in "[0-9]{12,19}", from_end in 0usize..8, residue in 0u8..10) {
            let mut digits = digits.into_bytes();
            let place = digits.len() - 1 - from_end;
            digits[place] = b'0';
            let mut out = Text::default();
            write_solved(value_of(&digits), digits.len(), from_end, residue, &mut out);
            let solved = &out[..digits.len()];
            prop_assert_eq!(crate::card::residue(solved), Some(residue));
            digits[place] = solved[place];
            prop_assert_eq!(solved, digits);
        }

        #[test]
        fn a_power_divides_as_a_division_does(number: u64, digits in 0..=MOST) {
            let power = Power::of(digits);
            prop_assert_eq!(power.value, 10u64.pow(digits as u32));
            for number in [number, number - number % power.value, u64::MAX - number % 3, number % 3] {
                for number in [number, number.wrapping_sub(1)] {
                    prop_assert_eq!(power.divide(number), (number / power.value, number % power.value));
                }
            }
        }
    }
}
