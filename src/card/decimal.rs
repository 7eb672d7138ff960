//! Digits to numbers and back, eight at a time.
//!
//! What is read and written are card numbers: nothing branches on a digit, and whoever calls wipes what is left.

/// The most digits that a value here has.
const MOST: usize = 19;
const EIGHT: u64 = 100_000_000;
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

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

/// 12 to 19 ASCII digits; what follows them is of no meaning.
pub(crate) type Text = [u8; 24];

/// Writes a value as `len` digits, 12 to 19, of which the one `from_end` places before the last becomes such that the
/// Luhn sum mod 10 is `residue`. The value has a zero there.
#[inline]
pub(crate) fn write_solved(value: u64, len: usize, from_end: usize, residue: u8, out: &mut Text) {
    let (rest, low) = (value / EIGHT, value % EIGHT);
    let [high, middle, low] = [rest / EIGHT, rest % EIGHT, low].map(digits_of);
    let missing = (10 + residue - luhn_of([high, middle, low])) % 10;
    // Doubled: an even sum comes of half of it, an odd one of a digit whose double has two digits.
    let digit = match (from_end % 2, missing % 2) {
        (0, _) => missing,
        (_, 0) => missing / 2,
        _ => missing.div_ceil(2) + 4,
    };
    let low = low | u64::from(digit) << (56 - 8 * from_end);
    let mut put = |at: usize, digits: u64| {
        if let Some(place) = out.get_mut(at..at + 8) {
            place.copy_from_slice(&(digits | ZEROS).to_le_bytes());
        }
    };
    // The first word lies over its zeros, the later ones over what is too much of it.
    match len.checked_sub(16) {
        None => put(0, middle >> (8 * (16 - len))),
        Some(more) => {
            put(0, high >> (8 * (8 - more.max(1))));
            put(more, middle);
        }
    }
    put(len - 8, low);
}

/// Writes a value as so many ASCII digits: the last ones of it, with zeros in front.
#[inline]
pub(crate) fn write(value: u64, out: &mut [u8]) {
    let (rest, low) = (value / EIGHT, value % EIGHT);
    let (high, middle) = (rest / EIGHT, rest % EIGHT);
    let mut text = [0; 24];
    for (place, part) in text.chunks_exact_mut(8).zip([high, middle, low]) {
        place.copy_from_slice(&(digits_of(part) | ZEROS).to_le_bytes());
    }
    let len = out.len().min(text.len());
    let start = out.len() - len;
    out[..start].fill(b'0');
    out[start..].copy_from_slice(&text[text.len() - len..]);
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
    fn every_number_of_four_digits_is_written_and_read_in_both_halves() {
        for value in 0..10_000 {
            for value in [value, value * 10_000, value * 10_001] {
                let mut text = [0; 8];
                write(value, &mut text);
                assert_eq!(text, format!("{value:08}").as_bytes());
                assert_eq!(value_of(&text), value);
            }
        }
    }

    proptest! {
        #[test]
        fn digits_are_read_as_a_parser_reads_them_and_written_as_they_were(digits in "[0-9]{8,19}") {
            let value: u64 = digits.parse().unwrap();
            prop_assert_eq!(value_of(digits.as_bytes()), value);
            prop_assert_eq!(Some(luhn_residue(digits.as_bytes())), crate::card::residue(digits.as_bytes()));
            let mut text = vec![0; digits.len()];
            write(value, &mut text);
            prop_assert_eq!(text, digits.as_bytes());
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
        fn a_short_room_gets_the_last_digits_and_a_long_one_zeros(value: u64, room in 0usize..40) {
            let mut text = vec![0; room];
            write(value, &mut text);
            let whole = format!("{value:040}");
            let last = value.to_string().len();
            prop_assert_eq!(&text[..], &whole.as_bytes()[40 - room..]);
            prop_assert!(last <= 20);
        }
    }
}
