//! Card data as a chip gives it: EMV's tags 57, 5A, 5F24, 5F30 and 5F34, and the TLV records they come in.
//!
//! A point of sale that has a whole record hands it to [`read_record`]; one whose kernel gives it the values
//! of single tags hands those to [`chip_card`]. (EMV 4.3 Book 3, Annexes A and B.)

use super::bcd::{self, Alphabet};
use super::expiry::Expiry;
use super::pan::Pan;
use super::track::{Span, Track, parse_track2, read_yymm};
use crate::error::Code;

/// The room that [`chip_card`] and [`read_record`] need for the unpacked digits.
pub const ROOM: usize = bcd::room_for(TRACK2_MAX);

/// The most bytes of tag 57.
const TRACK2_MAX: usize = 19;

/// The most bytes of tag 5A.
const NUMBER_MAX: usize = 10;

/// The card of a chip, as offsets into the buffer that the digits were unpacked into.
///
/// Like [`Track`] it has the discretionary data for reading only: no type that is stored can hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChipCard {
    /// The card number: 12 to 19 digits.
    pub number: Span,
    /// The expiry, from tag 5F24 or tag 57.
    pub expiry: Option<Expiry>,
    /// The three digits of the service code, from tag 57.
    pub service_code: Option<Span>,
    /// The issuer's discretionary data, from tag 57. May be empty.
    pub discretionary: Span,
    /// How many bytes of the buffer were written: those to wipe.
    pub written: u32,
}

/// Reads the values of the tags that a chip tells its number by.
///
/// - `tag57`: Track 2 Equivalent Data, packed, up to 19 bytes.
/// - `tag5a`: the number, packed, up to 10 bytes.
/// - `tag5f24`: the expiry, packed YYMMDD, 3 bytes.
/// - `room`: at least [`ROOM`] bytes for the digits in ASCII.
///
/// One of 57 and 5A must be there. What two tags tell must agree. An absent tag may also be an empty one.
///
/// # Errors
///
/// In each case `room` holds none of the digits.
/// - [`Code::Missing`]: neither 57 nor 5A.
/// - [`Code::Buffer`]: `room` is smaller than [`ROOM`].
/// - [`Code::TooLong`]: a tag is longer than it may be.
/// - [`Code::Length`]: the number has not 12 to 19 digits.
/// - [`Code::Malformed`]: a tag is not of its form, 57 and 5A have different numbers, or 57 and 5F24
///   different months.
pub fn chip_card(
    tag57: Option<&[u8]>,
    tag5a: Option<&[u8]>,
    tag5f24: Option<&[u8]>,
    room: &mut [u8],
) -> Result<ChipCard, Code> {
    let [tag57, tag5a, tag5f24] = [tag57, tag5a, tag5f24].map(|tag| tag.filter(|value| !value.is_empty()));
    if room.len() < ROOM {
        return Err(Code::Buffer);
    }
    let stated = tag5f24.map(expiry).transpose()?;
    let card = match (tag57, tag5a) {
        (Some(tag57), tag5a) => {
            let written = unpack(tag57, TRACK2_MAX, Alphabet::WithSeparator, room)?;
            let text = room.get(..written).unwrap_or_default();
            parse_track2(text).and_then(|track| {
                tag5a.map_or(Ok(()), |tag5a| judge_same(track.number.of(text), tag5a))?;
                ChipCard::of_track(track, written, stated)
            })
        }
        (None, Some(tag5a)) => {
            let written = unpack(tag5a, NUMBER_MAX, Alphabet::Digits, room)?;
            ChipCard::of_number(written, stated)
        }
        (None, None) => return Err(Code::Missing),
    };
    if card.is_err() {
        room.iter_mut().take(ROOM).for_each(|byte| *byte = 0);
    }
    card
}

/// Finds tags 57, 5A and 5F24 in a TLV record and reads them as [`chip_card`] does.
///
/// # Errors
///
/// Those of [`tlv::find`] and of [`chip_card`].
pub fn read_record(record: &[u8], room: &mut [u8]) -> Result<ChipCard, Code> {
    let value = |tag| tlv::find(record, tag).map(|found| found.map(|span| span.of(record)));
    chip_card(value(0x57)?, value(0x5a)?, value(0x5f24)?, room)
}

/// Reads tag 5F24, the expiry: packed YYMMDD, 3 bytes. The day must be one, and is not kept: a card is valid
/// to the end of its month.
///
/// # Errors
///
/// [`Code::Malformed`] if it is not a date.
pub fn expiry(tag5f24: &[u8]) -> Result<Expiry, Code> {
    let mut date = [0; 6];
    if tag5f24.len() * 2 != date.len() {
        return Err(Code::Malformed);
    }
    bcd::write(tag5f24, 0..date.len(), Alphabet::Digits, &mut date)?;
    let (month, day) = date.split_at(4);
    match day {
        b"00" => Err(Code::Malformed),
        [b'0'..=b'2', _] | b"30" | b"31" => read_yymm(month),
        _ => Err(Code::Malformed),
    }
}

/// Reads tag 5F30, the service code: three digits behind a zero, 2 bytes. Gives the three digits in ASCII, for
/// [`ServiceCode::read`](super::ServiceCode::read).
///
/// # Errors
///
/// [`Code::Malformed`] if it has another form.
pub fn service_code(tag5f30: &[u8]) -> Result<[u8; 3], Code> {
    let mut digits = [0; 4];
    match (tag5f30.len(), bcd::write(tag5f30, 0..digits.len(), Alphabet::Digits, &mut digits)?, digits) {
        (2, _, [b'0', a, b, c]) => Ok([a, b, c]),
        _ => Err(Code::Malformed),
    }
}

/// Reads tag 5F34, the sequence number that tells cards of one number apart: two digits, 1 byte.
///
/// # Errors
///
/// [`Code::Malformed`] if it has another form.
pub fn sequence_number(tag5f34: &[u8]) -> Result<u8, Code> {
    match *tag5f34 {
        [packed] if packed >> 4 <= 9 && packed & 0x0f <= 9 => Ok((packed >> 4) * 10 + (packed & 0x0f)),
        _ => Err(Code::Malformed),
    }
}

impl ChipCard {
    fn of_track(track: Track, written: usize, stated: Option<Expiry>) -> Result<ChipCard, Code> {
        match (track.expiry, stated) {
            (Some(on_track), Some(stated)) if on_track != stated => Err(Code::Malformed),
            (on_track, stated) => Ok(ChipCard {
                number: track.number,
                expiry: stated.or(on_track),
                service_code: track.service_code,
                discretionary: track.discretionary,
                written: written as u32,
            }),
        }
    }

    fn of_number(digits: usize, expiry: Option<Expiry>) -> Result<ChipCard, Code> {
        if !(Pan::MIN_LEN..=Pan::MAX_LEN).contains(&digits) {
            return Err(Code::Length);
        }
        Ok(ChipCard {
            number: Span::between(0, digits),
            expiry,
            service_code: None,
            discretionary: Span::between(digits, digits),
            written: digits as u32,
        })
    }
}

fn unpack(tag: &[u8], most: usize, alphabet: Alphabet, room: &mut [u8]) -> Result<usize, Code> {
    if tag.len() > most {
        return Err(Code::TooLong);
    }
    bcd::write(tag, 0..bcd::filled(tag), alphabet, room)
}

/// Whether tag 5A has these digits and no others.
fn judge_same(digits: &[u8], tag5a: &[u8]) -> Result<(), Code> {
    if tag5a.len() > NUMBER_MAX {
        return Err(Code::TooLong);
    }
    let packed = (0..bcd::filled(tag5a)).map(|place| bcd::nibble(tag5a, place).unwrap_or(0xf));
    if packed.eq(digits.iter().map(|digit| digit.wrapping_sub(b'0'))) { Ok(()) } else { Err(Code::Malformed) }
}

/// Tag, length, value: the part of BER (ISO/IEC 8825-1) that EMV uses.
pub mod tlv {
    use super::Span;
    use crate::error::Code;

    /// Templates that are looked into: file control information, its proprietary part, records, responses.
    const TEMPLATES: [u32; 4] = [0x6f, 0xa5, 0x70, 0x77];

    /// How deep templates may lie in each other. EMV needs two.
    const DEPTH: usize = 4;

    /// Finds the first value of a tag, as an offset into `data`; `None` if the tag is not there.
    ///
    /// The objects lie one after the other, with zero bytes between them ignored. Tags have one to three
    /// bytes and are written as they stand: `0x57`, `0x5f24`, `0xdf8115`. The templates 6F, A5, 70 and 77 are
    /// looked into, four deep; any other value is passed over. What lies behind the value that was found is
    /// not looked at.
    ///
    /// # Errors
    ///
    /// - [`Code::Malformed`]: a tag of more than three bytes, a length of more than two bytes or of no fixed
    ///   size, a value that reaches beyond its template or the data, templates more than four deep.
    /// - [`Code::TooLong`]: 4 GiB of data or more.
    pub fn find(data: &[u8], tag: u32) -> Result<Option<Span>, Code> {
        if u32::try_from(data.len()).is_err() {
            return Err(Code::TooLong);
        }
        // Where each template ends that the walk is inside of; the first is the data itself.
        let mut ends = [data.len(); DEPTH + 1];
        let mut depth = 0;
        let mut at = 0;
        loop {
            while at >= ends[depth] {
                match depth.checked_sub(1) {
                    Some(outer) => depth = outer,
                    None => return Ok(None),
                }
            }
            let inside = data.get(..ends[depth]).unwrap_or_default();
            if inside.get(at) == Some(&0) {
                at += 1;
                continue;
            }
            let mut header = Header { data: inside, at };
            let found = header.tag().ok_or(Code::Malformed)?;
            let len = header.length().ok_or(Code::Malformed)?;
            let (start, end) = (header.at, header.at + len);
            if end > inside.len() {
                return Err(Code::Malformed);
            }
            if found == tag {
                return Ok(Some(Span::between(start, end)));
            }
            at = end;
            if TEMPLATES.contains(&found) {
                depth += 1;
                *ends.get_mut(depth).ok_or(Code::Malformed)? = end;
                at = start;
            }
        }
    }

    struct Header<'a> {
        data: &'a [u8],
        at: usize,
    }

    impl Header<'_> {
        fn byte(&mut self) -> Option<u8> {
            let byte = *self.data.get(self.at)?;
            self.at += 1;
            Some(byte)
        }

        fn tag(&mut self) -> Option<u32> {
            let first = self.byte()?;
            if first & 0x1f != 0x1f {
                return Some(u32::from(first));
            }
            let second = self.byte()?;
            let tag = u32::from_be_bytes([0, 0, first, second]);
            if second & 0x80 == 0 {
                return Some(tag);
            }
            let third = self.byte()?;
            (third & 0x80 == 0).then_some(tag << 8 | u32::from(third))
        }

        fn length(&mut self) -> Option<usize> {
            match self.byte()? {
                short @ 0..=0x7f => Some(usize::from(short)),
                0x81 => self.byte().map(usize::from),
                0x82 => Some(usize::from(u16::from_be_bytes([self.byte()?, self.byte()?]))),
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TAG57: &[u8] = b"\x47\x61\x73\x90\x01\x01\x01\x19\xd2\x21\x22\x01\x11\x43\x80\x44\x00";
    const TAG5A: &[u8] = b"\x47\x61\x73\x90\x01\x01\x01\x19";

    fn record() -> Vec<u8> {
        let mut record = vec![0x70, 0x24];
        for (tag, value) in
            [(&[0x57][..], TAG57), (&[0x5a], TAG5A), (&[0x5f, 0x24], &[0x22, 0x12, 0x31]), (&[0], &[])]
        {
            record.extend_from_slice(tag);
            if tag != [0] {
                record.push(value.len() as u8);
            }
            record.extend_from_slice(value);
        }
        record[1] = (record.len() - 2) as u8;
        record
    }

    #[test]
    fn a_record_gives_number_expiry_and_service_code() {
        let mut room = [0; ROOM];
        let card = read_record(&record(), &mut room).unwrap();
        assert_eq!(card.number.of(&room), b"4761739001010119");
        assert_eq!(card.expiry, Expiry::new(12, 22).ok());
        assert_eq!(card.service_code.unwrap().of(&room), b"201");
        assert_eq!(card.discretionary.of(&room), b"1143804400");
        assert_eq!(&room[..card.written as usize], b"4761739001010119D22122011143804400");
    }

    #[test]
    fn after_an_error_the_room_holds_no_digits() {
        let mut room = [0; ROOM];
        let other = b"\x47\x61\x73\x90\x01\x01\x01\x18";
        assert_eq!(chip_card(Some(TAG57), Some(other), None, &mut room), Err(Code::Malformed));
        assert_eq!(chip_card(Some(TAG57), None, Some(&[0x22, 0x11, 0x30]), &mut room), Err(Code::Malformed));
        assert_eq!(chip_card(None, Some(&TAG5A[..5]), None, &mut room), Err(Code::Length));
        assert_eq!(room, [0; ROOM]);
    }

    #[test]
    fn a_small_room_and_long_tags_are_refused() {
        let mut room = [0; ROOM];
        assert_eq!(chip_card(Some(TAG57), None, None, &mut room[1..]), Err(Code::Buffer));
        assert_eq!(chip_card(Some(&[0x42; 20]), None, None, &mut room), Err(Code::TooLong));
        assert_eq!(chip_card(None, Some(&[0x42; 11]), None, &mut room), Err(Code::TooLong));
        assert_eq!(chip_card(Some(TAG57), Some(&[0x42; 11]), None, &mut room), Err(Code::TooLong));
        assert_eq!(chip_card(None, Some(&[]), Some(&[0x22, 0x12, 0x31]), &mut room), Err(Code::Missing));
    }

    #[test]
    fn hostile_lengths_and_depths_are_refused() {
        for data in [
            &[0x57][..],
            &[0x57, 0x02, 0x00],
            &[0x57, 0x80, 0x00, 0x00],
            &[0x57, 0x81],
            &[0x57, 0x82, 0xff, 0xff, 0x00],
            &[0x57, 0x83, 0x00, 0x00, 0x00],
            &[0x5f],
            &[0x5f, 0x80, 0x80, 0x80, 0x00],
            &[0x70, 0x02, 0x57, 0x01, 0x42],
            &[0x70, 0x08, 0x70, 0x06, 0x70, 0x04, 0x70, 0x02, 0x70, 0x00],
        ] {
            assert_eq!(tlv::find(data, 0x5a), Err(Code::Malformed), "{data:02x?}");
        }
    }

    #[test]
    fn a_walk_leaves_each_template_at_its_end() {
        let data = [0x6f, 0x05, 0xa5, 0x03, 0x50, 0x01, 0x41, 0x00, 0x57, 0x81, 0x01, 0x42];
        assert_eq!(tlv::find(&data, 0x57), Ok(Some(Span { at: 11, len: 1 })));
        assert_eq!(tlv::find(&data, 0x50), Ok(Some(Span { at: 6, len: 1 })));
        assert_eq!(tlv::find(&data, 0xa5), Ok(Some(Span { at: 4, len: 3 })));
        assert_eq!(tlv::find(&data, 0x5a), Ok(None));
        assert_eq!(tlv::find(&[0xdf, 0x81, 0x15, 0x01, 0x42], 0xdf8115), Ok(Some(Span { at: 4, len: 1 })));
        assert_eq!(tlv::find(&[], 0x57), Ok(None));
    }

    #[test]
    fn the_small_tags_have_one_form_each() {
        assert_eq!(expiry(&[0x24, 0x02, 0x29]), Expiry::new(2, 24));
        for tag in
            [&[0x24, 0x02][..], &[0x24, 0x13, 0x01], &[0x24, 0x02, 0x00], &[0x24, 0x02, 0x32], &[0x2a, 0, 1]]
        {
            assert_eq!(expiry(tag), Err(Code::Malformed), "{tag:02x?}");
        }
        assert_eq!(service_code(&[0x02, 0x21]), Ok(*b"221"));
        for tag in [&[0x22, 0x10][..], &[0x02], &[0x02, 0x21, 0x00], &[0x0a, 0x21]] {
            assert_eq!(service_code(tag), Err(Code::Malformed), "{tag:02x?}");
        }
        assert_eq!(sequence_number(&[0x42]), Ok(42));
        assert_eq!(sequence_number(&[0x4a]), Err(Code::Malformed));
        assert_eq!(sequence_number(&[]), Err(Code::Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(tags: [Option<Vec<u8>>; 3], record: Vec<u8>, tag: u32) {
            let mut room = [0; ROOM];
            let [tag57, tag5a, tag5f24] = tags.each_ref().map(Option::as_deref);
            let _ = chip_card(tag57, tag5a, tag5f24, &mut room);
            let _ = read_record(&record, &mut room);
            if let Ok(Some(span)) = tlv::find(&record, tag) {
                prop_assert!(span.end() as usize <= record.len());
            }
        }

        #[test]
        fn a_value_is_found_among_others(before: Vec<u8>, value in "[0-9]{0,300}", wrapped: bool) {
            let object = |tag: u8, value: &[u8]| {
                let len = (value.len() as u16).to_be_bytes();
                [&[tag, 0x82][..], &len, value].concat()
            };
            let both = [object(0x9a, &before), object(0x57, value.as_bytes())].concat();
            let record = if wrapped { object(0x70, &both) } else { both };
            let found = tlv::find(&record, 0x57).unwrap().unwrap();
            prop_assert_eq!(found.of(&record), value.as_bytes());
        }
    }
}
