//! The path for every machine: words of eight bytes, in safe code.

use super::{FEWEST, MOST, Offset, Reading, fixed_texts, form, offset_texts};
use zeroize::Zeroize;

/// Eight times one byte.
const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The bytes that Luhn doubles, where the last byte of a word is the last digit: every second one, read from memory.
const DOUBLED: u64 = u64::from_le_bytes([0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0]);

pub fn read(text: &[u8], separators: bool) -> Reading {
    match read_digits(text) {
        Some(reading) => reading,
        None => read_any(text, separators),
    }
}

pub fn read_fixed(data: &[u8], width: usize, out: &mut [Reading]) {
    for (place, text) in out.iter_mut().zip(fixed_texts(data, width)) {
        *place = read(text, true);
    }
}

pub fn read_texts(texts: &[&[u8]], out: &mut [Reading]) {
    for (place, text) in out.iter_mut().zip(texts) {
        *place = read(text, true);
    }
}

pub fn read_offsets(data: &[u8], offsets: &[impl Offset], out: &mut [Reading]) {
    for (place, text) in out.iter_mut().zip(offset_texts(data, offsets)) {
        *place = read(text, true);
    }
}

/// Reads a text of 12 to 19 bytes; `None` if it has another length, or other bytes than digits.
///
/// The words may lie over each other: from all but the last one, the digits that another word has too are shifted out.
#[inline(always)]
fn read_digits(text: &[u8]) -> Option<Reading> {
    let count = text.len();
    if !(FEWEST..=MOST).contains(&count) {
        return None;
    }
    let start = values(text.first_chunk()?);
    let middle = values(text.get(count.saturating_sub(16)..)?.first_chunk()?);
    let end = values(text.last_chunk()?);
    if (beyond_nine(start) | beyond_nine(middle) | beyond_nine(end)) != 0 {
        return None;
    }
    // From 16 digits on the middle word follows on the start, below that it is the start.
    let middle_own = middle << (8 * 16usize.saturating_sub(count));
    let start_own = if count > 16 { start << (8 * (24 - count)) } else { 0 };
    let weighed = weigh(start_own) + weigh(middle_own) + weigh(end);
    let sum = weighed.wrapping_mul(all(1)) >> 56;
    let form = (count - FEWEST) as u32 + u32::from(form::OF_SUM[sum as usize]);

    let pairs = (start.wrapping_mul(10).wrapping_add(start >> 8))
        & u64::from_le_bytes([255, 0, 255, 0, 255, 0, 255, 0]);
    let [one, two, next, then] = [0, 16, 32, 48].map(|place| pairs >> place & 0xff);
    let last4 = u32::from_le_bytes(*text.last_chunk()?);
    Some(Reading::new((one * 100 + two) | next << 32 | then << 48, last4, form))
}

/// The bytes less the digit zero: below ten for digits.
#[inline(always)]
fn values(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes) ^ all(b'0')
}

/// Not zero if a byte is above nine. Which one it is cannot be told: a byte may carry into the next.
#[inline(always)]
fn beyond_nine(values: u64) -> u64 {
    (values.wrapping_add(all(0x7f - 9)) | values) & all(0x80)
}

/// What each digit adds to the Luhn sum.
#[inline(always)]
fn weigh(values: u64) -> u64 {
    let doubled = values & DOUBLED;
    let above_four = (doubled + all(0x7f - 4)) >> 7 & all(1);
    values + doubled - 9 * above_four
}

/// Reads any text, byte by byte.
#[cold]
pub fn read_any(text: &[u8], separators: bool) -> Reading {
    let mut digits = [b'0'; MOST];
    let mut count = 0;
    for &byte in text {
        if byte.is_ascii_digit() {
            match digits.get_mut(count) {
                Some(place) => *place = byte,
                None => return refuse(digits, form::LENGTH),
            }
            count += 1;
        } else if !(separators && matches!(byte, b' ' | b'-')) {
            return refuse(digits, form::CHARSET);
        }
    }
    if count == 0 {
        return Reading::refused(form::MISSING);
    }
    match digits.get(..count).and_then(read_digits) {
        Some(reading) => {
            digits.zeroize();
            reading
        }
        None => refuse(digits, form::LENGTH),
    }
}

fn refuse(mut digits: [u8; MOST], form: u8) -> Reading {
    digits.zeroize();
    Reading::refused(form)
}
