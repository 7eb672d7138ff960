//! Packed digits: two to a byte, as EMV's tags 57 and 5A and many ISO 8583 hosts write them.

use std::ops::Range;

use crate::error::Code;

/// The room that [`unpack`] needs for so many packed bytes.
pub const fn room_for(packed: usize) -> usize {
    packed.saturating_mul(2)
}

/// Unpacks digits into ASCII in a buffer of the caller, and says how many bytes were written.
///
/// The nibbles 0 to 9 become `0` to `9`. One nibble D may stand between digits: it becomes `D`, the separator
/// of track 2, so that [`parse_track2`](super::parse_track2) can read the text. Nibbles F at the end fill up
/// the field and are dropped (EMV Book 3, format `cn`).
///
/// # Errors
///
/// In each case nothing is written.
/// - [`Code::Missing`]: there are no bytes.
/// - [`Code::Buffer`]: `room` has less than [`room_for`] the packed bytes, looked at before the bytes are.
/// - [`Code::Malformed`]: another nibble, an F that is not at the end, a D that is the first, the last or the
///   second one, or nothing but F.
pub fn unpack(packed: &[u8], room: &mut [u8]) -> Result<usize, Code> {
    if packed.is_empty() {
        return Err(Code::Missing);
    }
    if room.len() < room_for(packed.len()) {
        return Err(Code::Buffer);
    }
    write(packed, 0..filled(packed), Alphabet::WithSeparator, room)
}

/// Whether a D may stand among the digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    Digits,
    WithSeparator,
}

/// The nibble at a place, the high one of each byte first.
pub(super) fn nibble(packed: &[u8], place: usize) -> Option<u8> {
    let byte = packed.get(place / 2)?;
    Some(if place % 2 == 0 { byte >> 4 } else { byte & 0x0f })
}

/// How many nibbles there are before those that fill up the field.
pub(super) fn filled(packed: &[u8]) -> usize {
    let trailing = (0..room_for(packed.len())).rev().take_while(|place| nibble(packed, *place) == Some(0xf));
    room_for(packed.len()) - trailing.count()
}

/// The nibbles of these places as text, if they are all of the alphabet.
///
/// # Errors
///
/// [`Code::Malformed`] and [`Code::Buffer`]; then nothing is written.
pub(super) fn write(
    packed: &[u8],
    places: Range<usize>,
    alphabet: Alphabet,
    room: &mut [u8],
) -> Result<usize, Code> {
    let mut separators = 0;
    for place in places.clone() {
        match nibble(packed, place) {
            Some(0..=9) => {}
            Some(0xd) if place != places.start && place + 1 != places.end => separators += 1,
            _ => return Err(Code::Malformed),
        }
    }
    let allowed = usize::from(alphabet == Alphabet::WithSeparator);
    if places.is_empty() || separators > allowed {
        return Err(Code::Malformed);
    }
    let out = room.get_mut(..places.len()).ok_or(Code::Buffer)?;
    for (byte, place) in out.iter_mut().zip(places) {
        *byte = match nibble(packed, place) {
            Some(digit @ 0..=9) => b'0' + digit,
            _ => b'D',
        };
    }
    Ok(out.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unpacked(packed: &[u8]) -> Result<String, Code> {
        let mut room = [0; 64];
        let len = unpack(packed, &mut room)?;
        Ok(String::from_utf8(room[..len].to_vec()).unwrap())
    }

    #[test]
    fn nibbles_become_digits_and_one_separator() {
        assert_eq!(unpacked(&[0x42, 0x42, 0xd3, 0x01, 0x2f]).as_deref(), Ok("4242D3012"));
        assert_eq!(unpacked(&[0x42, 0x42, 0xff, 0xff]).as_deref(), Ok("4242"));
        assert_eq!(unpacked(&[0x09]).as_deref(), Ok("09"));
    }

    #[test]
    fn no_other_nibble_is_taken() {
        for packed in [
            &[0x4a][..],
            &[0x4b],
            &[0x4c],
            &[0x4e],
            &[0xf4],
            &[0x4f, 0x42],
            &[0xd4],
            &[0x4d],
            &[0x42, 0xdf],
            &[0x4d, 0x4d, 0x42],
            &[0xff],
        ] {
            assert_eq!(unpacked(packed), Err(Code::Malformed), "{packed:02x?}");
        }
        assert_eq!(unpacked(&[]), Err(Code::Missing));
    }

    #[test]
    fn a_small_buffer_is_found_before_anything_is_written() {
        let mut room = [7; 9];
        assert_eq!(unpack(&[0x42, 0x42, 0x42, 0x42, 0x4f], &mut room), Err(Code::Buffer));
        assert_eq!(unpack(&[0x42, 0x42, 0x4a], &mut room), Err(Code::Malformed));
        assert_eq!(room, [7; 9]);
        assert_eq!(unpack(&[0x42, 0x4f], &mut room[..4]), Ok(3));
        assert_eq!(&room, b"424\x07\x07\x07\x07\x07\x07");
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(digits in "[0-9]{1,37}") {
            let filled = if digits.len() % 2 == 1 { format!("{digits}F") } else { digits.clone() };
            let packed: Vec<u8> =
                (0..filled.len()).step_by(2).map(|at| u8::from_str_radix(&filled[at..at + 2], 16).unwrap()).collect();
            prop_assert_eq!(unpacked(&packed), Ok(digits));
        }

        #[test]
        fn any_bytes_are_taken(packed: Vec<u8>, room in 0..300usize) {
            let mut room = vec![7; room];
            match unpack(&packed, &mut room) {
                Ok(len) => prop_assert!(room[len..].iter().all(|byte| *byte == 7)),
                Err(_) => prop_assert!(room.iter().all(|byte| *byte == 7)),
            }
        }
    }
}
