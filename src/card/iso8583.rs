//! The card fields of ISO 8583 messages: 2 (the number), 14 (the expiry), 35 (track 2).
//!
//! Each function reads one field, which begins at the first byte of its input; the bitmap, and so the place of
//! a field in a message, is the host's. `text` variants read ASCII, `packed` ones read two digits a byte.
//! Fields 2 and 35 begin with their length, two digits that count digits and not bytes, written as the field
//! is: two characters, or one packed byte.
//!
//! An odd number of packed digits leaves one nibble over. By the standard digits stand right-justified behind
//! a zero; hosts that left-justify fill up with F or with zero. So the nibble that is no digit is an F at the
//! end, else a zero at the start, else a zero at the end. No card number begins with zero, so one reading is
//! right.

use super::bcd::{self, Alphabet};
use super::expiry::Expiry;
use super::pan::Pan;
use super::track::{Span, Track, parse_track2, read_yymm};
use crate::error::Code;

/// The room that [`packed_number`] needs for the digits.
pub const NUMBER_ROOM: usize = Pan::MAX_LEN;

/// The room that [`packed_track2`] needs for the digits.
pub const TRACK2_ROOM: usize = TRACK2_MAX;

/// The most characters of field 35: z..37.
const TRACK2_MAX: usize = 37;

/// A field of variable length that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<T> {
    /// What the field says.
    pub value: T,
    /// How many bytes of the input it has, its length included: the next field begins there.
    pub end: u32,
}

/// Reads field 2, the card number (n..19), in ASCII. The value is its place in `field`.
///
/// # Errors
///
/// - [`Code::Missing`]: there is nothing.
/// - [`Code::Length`]: the length is not 12 to 19.
/// - [`Code::Malformed`]: the field is cut short, or has other bytes than digits.
pub fn text_number(field: &[u8]) -> Result<Field<Span>, Code> {
    let body = text_body(field, judge_number_length)?;
    if !body.of(field).iter().all(u8::is_ascii_digit) {
        return Err(Code::Malformed);
    }
    Ok(Field { value: body, end: body.end() })
}

/// Reads field 2, the card number (n..19), packed. The value is the place in `room` of the digits in ASCII.
///
/// `room` has at least [`NUMBER_ROOM`] bytes.
///
/// # Errors
///
/// Those of [`text_number`], and [`Code::Buffer`] if `room` is too small. Then nothing is written.
pub fn packed_number(field: &[u8], room: &mut [u8]) -> Result<Field<Span>, Code> {
    if room.len() < NUMBER_ROOM {
        return Err(Code::Buffer);
    }
    let (digits, end) = unpack(field, judge_number_length, Alphabet::Digits, room)?;
    Ok(Field { value: Span::between(0, digits), end })
}

/// Reads field 14, the expiry (n4): YYMM in ASCII, 4 bytes.
///
/// # Errors
///
/// [`Code::Missing`] if there is nothing, [`Code::Malformed`] if it is not a month.
pub fn text_expiry(field: &[u8]) -> Result<Expiry, Code> {
    if field.is_empty() { Err(Code::Missing) } else { read_yymm(field) }
}

/// Reads field 14, the expiry (n4): YYMM packed, 2 bytes.
///
/// # Errors
///
/// [`Code::Missing`] if there is nothing, [`Code::Malformed`] if it is not a month.
pub fn packed_expiry(field: &[u8]) -> Result<Expiry, Code> {
    match field.len() {
        0 => Err(Code::Missing),
        2 => {
            let mut digits = [0; 4];
            bcd::write(field, 0..digits.len(), Alphabet::Digits, &mut digits)?;
            read_yymm(&digits)
        }
        _ => Err(Code::Malformed),
    }
}

/// Reads field 35, track 2 without its sentinels (z..37), in ASCII with `=` or `D` as the separator. The spans
/// of the value are places in `field`.
///
/// # Errors
///
/// - [`Code::Missing`]: there is nothing.
/// - [`Code::TooLong`]: the length is more than 37.
/// - [`Code::Malformed`]: the field is cut short, or has sentinels.
/// - Those of [`parse_track2`].
pub fn text_track2(field: &[u8]) -> Result<Field<Track>, Code> {
    let body = text_body(field, judge_track2_length)?;
    let track = parse_track2(body.of(field))?;
    if track.number.at != 0 || track.discretionary.end() != body.len {
        return Err(Code::Malformed);
    }
    let moved = |span: Span| Span { at: span.at + body.at, ..span };
    let value = Track {
        number: moved(track.number),
        service_code: track.service_code.map(moved),
        discretionary: moved(track.discretionary),
        end: body.end(),
        ..track
    };
    Ok(Field { value, end: body.end() })
}

/// Reads field 35, track 2 without its sentinels (z..37), packed with D as the separator. The spans of the
/// value are places in `room`, where the digits are then in ASCII.
///
/// `room` has at least [`TRACK2_ROOM`] bytes.
///
/// # Errors
///
/// Those of [`text_track2`], and [`Code::Buffer`] if `room` is too small. Then `room` holds none of the digits.
pub fn packed_track2(field: &[u8], room: &mut [u8]) -> Result<Field<Track>, Code> {
    if room.len() < TRACK2_ROOM {
        return Err(Code::Buffer);
    }
    let (digits, end) = unpack(field, judge_track2_length, Alphabet::WithSeparator, room)?;
    let text = room.get_mut(..digits).unwrap_or_default();
    match parse_track2(text) {
        Ok(value) => Ok(Field { value, end }),
        Err(code) => {
            text.fill(0);
            Err(code)
        }
    }
}

fn judge_number_length(len: usize) -> Result<usize, Code> {
    if (Pan::MIN_LEN..=Pan::MAX_LEN).contains(&len) { Ok(len) } else { Err(Code::Length) }
}

fn judge_track2_length(len: usize) -> Result<usize, Code> {
    if len <= TRACK2_MAX { Ok(len) } else { Err(Code::TooLong) }
}

type JudgeLength = fn(usize) -> Result<usize, Code>;

/// The place of the characters behind a length of two.
fn text_body(field: &[u8], judge: JudgeLength) -> Result<Span, Code> {
    let len = match *field {
        [] => return Err(Code::Missing),
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', ..] => {
            judge(usize::from((tens - b'0') * 10 + (ones - b'0')))?
        }
        _ => return Err(Code::Malformed),
    };
    if field.len() < 2 + len { Err(Code::Malformed) } else { Ok(Span::between(2, 2 + len)) }
}

/// The digits behind a packed length, in `room`: how many, and where the field ends.
fn unpack(
    field: &[u8],
    judge: JudgeLength,
    alphabet: Alphabet,
    room: &mut [u8],
) -> Result<(usize, u32), Code> {
    let (first, rest) = field.split_first().ok_or(Code::Missing)?;
    let (tens, ones) = (first >> 4, first & 0x0f);
    if tens > 9 || ones > 9 {
        return Err(Code::Malformed);
    }
    let digits = judge(usize::from(tens * 10 + ones))?;
    let packed = rest.get(..digits.div_ceil(2)).ok_or(Code::Malformed)?;
    let start = match (digits % 2, bcd::nibble(packed, 0), bcd::nibble(packed, digits)) {
        (0, ..) | (_, _, Some(0xf)) => 0,
        (_, Some(0), _) => 1,
        (_, _, Some(0)) => 0,
        _ => return Err(Code::Malformed),
    };
    let written = bcd::write(packed, start..start + digits, alphabet, room)?;
    Ok((written, 1 + packed.len() as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_field_says_where_the_next_one_begins() {
        let message = b"164242424242424242000000";
        let number = text_number(message).unwrap();
        assert_eq!((number.value.of(message), number.end), (&b"4242424242424242"[..], 18));

        let mut room = [0; NUMBER_ROOM];
        let message = b"\x16\x42\x42\x42\x42\x42\x42\x42\x42\x00\x00";
        let number = packed_number(message, &mut room).unwrap();
        assert_eq!((number.value.of(&room), number.end), (&b"4242424242424242"[..], 9));
    }

    #[test]
    fn the_spans_of_a_text_track_are_places_in_the_field() {
        let field = b"264242424242424242=30121011234567";
        let track = text_track2(field).unwrap();
        assert_eq!(track.end, 28);
        assert_eq!(track.value.number.of(field), b"4242424242424242");
        assert_eq!(track.value.service_code.unwrap().of(field), b"101");
        assert_eq!(track.value.discretionary.of(field), b"12");
    }

    #[test]
    fn a_room_that_is_too_small_is_not_touched() {
        let mut room = [7; TRACK2_ROOM];
        assert_eq!(packed_number(b"\x16", &mut room[..NUMBER_ROOM - 1]), Err(Code::Buffer));
        assert_eq!(packed_track2(b"\x16", &mut room[1..]), Err(Code::Buffer));
        assert_eq!(room, [7; TRACK2_ROOM]);
    }

    #[test]
    fn after_an_error_the_room_holds_no_digits() {
        let mut room = [0; TRACK2_ROOM];
        let wrong_month = b"\x21\x42\x42\x42\x42\x42\x42\x42\x42\xd3\x01\x3f";
        assert_eq!(packed_track2(wrong_month, &mut room), Err(Code::Malformed));
        assert_eq!(room, [0; TRACK2_ROOM]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, rest in "[0-9=D]{0,40}", len in 0..100usize) {
            let mut room = [0; TRACK2_ROOM];
            for field in [bytes, format!("{len:02}{rest}").into_bytes()] {
                let ends = [
                    text_number(&field).map(|field| field.end),
                    packed_number(&field, &mut room).map(|field| field.end),
                    text_track2(&field).map(|field| field.end),
                    packed_track2(&field, &mut room).map(|field| field.end),
                ];
                prop_assert!(ends.into_iter().flatten().all(|end| end as usize <= field.len()));
                let _ = (text_expiry(&field), packed_expiry(&field));
            }
        }

        #[test]
        fn a_number_is_read_however_it_is_justified(digits in "[1-9][0-9]{10,17}[1-9]") {
            let len = u8::from_str_radix(&digits.len().to_string(), 16).unwrap();
            let pack = |text: String| -> Vec<u8> {
                let bytes = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap());
                std::iter::once(len).chain(bytes).collect()
            };
            let forms = match digits.len() % 2 {
                0 => vec![digits.clone()],
                _ => vec![format!("0{digits}"), format!("{digits}0"), format!("{digits}F")],
            };
            for form in forms {
                let mut room = [0; NUMBER_ROOM];
                let number = packed_number(&pack(form), &mut room).unwrap();
                prop_assert_eq!(number.value.of(&room), digits.as_bytes());
            }
        }
    }
}
