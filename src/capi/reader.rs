//! Chapter 'readers': what a magnetic stripe, a chip or an ISO 8583 message gives, taken apart.

use super::library::{panseal_error, panseal_span, panseal_status};
use super::pass::{self, TextOut};
use super::record::{Out, Record};
use crate::card::{Expiry, Lrc, Span, Track, TrackFormat, bcd, emv, iso8583, parse_track};
use crate::error::{Code, Result};
use std::ffi::c_char;

/// A track or chip string taken apart. Spans are offsets into the text that was read; nothing is copied. Service code
/// and discretionary data are for reading: no other function takes them, and no vault keeps them (PCI DSS 3.3.1).
#[repr(C)]
pub struct panseal_track {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// 1 or 2 (EMV 57 is track 2); 0 for a number without a track (EMV 5A alone).
    pub format: i32,
    /// 1..12, or 0 where the card tells no expiry.
    pub expiry_month: i32,
    /// 2000..2099, or 0.
    pub expiry_year: i32,
    /// The card number; may hold spaces on old cards.
    pub number: panseal_span,
    /// The cardholder (track 1), SURNAME/FIRST: see panseal_holder_parse.
    pub name: panseal_span,
    /// Three digits.
    pub service_code: panseal_span,
    /// The issuer's own.
    pub discretionary: panseal_span,
    /// Where the track ends: a second one of the same swipe begins there.
    pub end: u32,
    /// 1: a check character was there, and right; 0: none.
    pub lrc: u32,
}

// SAFETY: repr(C), a u32 first, integers only.
unsafe impl Record for panseal_track {}

/// Takes a swipe apart: track 1 or 2 (ISO/IEC 7813), with sentinels or without, '=' or 'D' between the fields of track
/// 2, the LRC checked where there is one. Reads the first track of a text that has both. PANSEAL_E_UNSUPPORTED for a
/// track 1 whose format code is another than B, that of banks: its layout is its owner's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_track_parse(
    text: *const c_char,
    text_len: usize,
    track: *mut panseal_track,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let out = unsafe { Out::new(track) }?;
        out.write(&record(&parse_track(unsafe { pass::bytes(text, text_len) }?)?));
        Ok(())
    };
    unsafe { pass::call_light(err, work) }
}

/// More packed bytes than any card data has.
const PACKED_MAX: usize = 64;

/// Packed digits (EMV 57 and 5A, ISO 8583 DE 2 and 35) as text for panseal_track_parse or panseal_card.number, the filling
/// F at the end dropped. Up to 64 bytes; `cap` must be twice as many. panseal_wipe the text after use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_bcd_unpack(
    packed: *const u8,
    packed_len: usize,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> panseal_status {
    pass::bare_call_light(|| {
        let out = unsafe { TextOut::new(out, cap, len) }?;
        let packed = unsafe { pass::bytes(packed.cast(), packed_len) }?;
        if packed.len() > PACKED_MAX {
            return Err(Code::Argument.into());
        }
        refuse_small(&out, bcd::room_for(packed.len()))?;
        out.fill(|room| Ok(bcd::unpack(packed, room)?))
    })
}

/// The card of a chip, from the values of EMV tags 57, 5A and 5F24 (EMV 4.3 Book 3); each may be absent, but not both of
/// the first two. What two of them tell must agree. The digits go to `out`, which needs PANSEAL_CHIP_ROOM bytes, and the
/// spans of `track` are offsets into it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_chip_read(
    tag57: *const u8,
    tag57_len: usize,
    tag5a: *const u8,
    tag5a_len: usize,
    tag5f24: *const u8,
    tag5f24_len: usize,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
    track: *mut panseal_track,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let tags = [(tag57, tag57_len), (tag5a, tag5a_len), (tag5f24, tag5f24_len)];
        let mut values = [None; 3];
        for (value, (ptr, len)) in values.iter_mut().zip(tags) {
            *value = Some(unsafe { pass::bytes(ptr.cast(), len) }?);
        }
        let read = |room: &mut [u8]| emv::chip_card(values[0], values[1], values[2], room);
        unsafe { chip(read, TextOut::new(out, cap, len)?, track) }
    };
    unsafe { pass::call_light(err, work) }
}

/// As panseal_chip_read, from a whole TLV record (template 70, 77, 6F ... or bare), in which the tags are looked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_chip_record(
    record: *const u8,
    record_len: usize,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
    track: *mut panseal_track,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let data = unsafe { pass::bytes(record.cast(), record_len) }?;
        unsafe { chip(|room| emv::read_record(data, room), TextOut::new(out, cap, len)?, track) }
    };
    unsafe { pass::call_light(err, work) }
}

/// Reads EMV tag 5F30, the service code, 2 bytes: writes its 3 digits. PANSEAL_E_MALFORMED if it has another form.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_chip_service_code(
    tag5f30: *const u8,
    tag5f30_len: usize,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> panseal_status {
    pass::bare_call_light(|| {
        let out = unsafe { TextOut::new(out, cap, len) }?;
        let tag = unsafe { pass::bytes(tag5f30.cast(), tag5f30_len) }?;
        out.write(&emv::service_code(tag)?)
    })
}

/// Reads EMV tag 5F34, 1 byte: the sequence number that tells cards of one number apart, 0..99. PANSEAL_E_MALFORMED if it
/// has another form.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_chip_sequence(
    tag5f34: *const u8,
    tag5f34_len: usize,
    sequence: *mut i32,
) -> panseal_status {
    pass::bare_call_light(|| {
        if sequence.is_null() {
            return Err(Code::Null.into());
        }
        let read = emv::sequence_number(unsafe { pass::bytes(tag5f34.cast(), tag5f34_len) }?)?;
        unsafe { sequence.write_unaligned(read.into()) };
        Ok(())
    })
}

/// Room for the digits of panseal_chip_read and panseal_chip_record. It is enough for panseal_iso8583_number, which needs
/// PANSEAL_PAN_MAX, and panseal_iso8583_track2, which needs 37, too.
pub const PANSEAL_CHIP_ROOM: usize = 38;
const _: () = assert!(PANSEAL_CHIP_ROOM == emv::ROOM && PANSEAL_CHIP_ROOM >= iso8583::TRACK2_ROOM);

/// Where the value of a tag lies in BER-TLV data. PANSEAL_E_MISSING where the tag is not there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tlv_find(
    data: *const u8,
    data_len: usize,
    tag: u32,
    out: *mut panseal_span,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        if out.is_null() {
            return Err(Code::Null.into());
        }
        let found =
            emv::tlv::find(unsafe { pass::bytes(data.cast(), data_len) }?, tag)?.ok_or(Code::Missing)?;
        unsafe { out.write_unaligned(span(found)) };
        Ok(())
    };
    unsafe { pass::call_light(err, work) }
}

/// The field is text, two length digits first; otherwise it is packed.
pub const PANSEAL_ISO8583_TEXT: u32 = 0;
/// The field is packed, its length in one packed byte.
pub const PANSEAL_ISO8583_PACKED: u32 = 1;

/// Field 2 of ISO 8583, the card number. The digits go to `out`, which needs PANSEAL_PAN_MAX bytes; *end (may be NULL)
/// says where the next field begins.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_iso8583_number(
    field: *const u8,
    field_len: usize,
    form: u32,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
    end: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let field = unsafe { pass::bytes(field.cast(), field_len) }?;
        let out = unsafe { TextOut::new(out, cap, len) }?;
        refuse_small(&out, iso8583::NUMBER_ROOM)?;
        let read = |room: &mut [u8]| {
            let found = if is_packed(form)? {
                iso8583::packed_number(field, room)?
            } else {
                let found = iso8583::text_number(field)?;
                let digits = found.value.of(field);
                room[..digits.len()].copy_from_slice(digits);
                found
            };
            Ok((found.value.len as usize, found.end))
        };
        let found = out.fill_with(read)?;
        unsafe { write_end(end, found) }
    };
    unsafe { pass::call_light(err, work) }
}

/// Field 14 of ISO 8583, the expiry, YYMM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_iso8583_expiry(
    field: *const u8,
    field_len: usize,
    form: u32,
    month: *mut i32,
    year: *mut i32,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let out = unsafe { super::card::ExpiryOut::new(month, year) }?;
        let field = unsafe { pass::bytes(field.cast(), field_len) }?;
        let expiry =
            if is_packed(form)? { iso8583::packed_expiry(field) } else { iso8583::text_expiry(field) }?;
        out.write(expiry);
        Ok(())
    };
    unsafe { pass::call_light(err, work) }
}

/// Field 35 of ISO 8583, track 2. The characters go to `out`, which needs 37 bytes, and into which the spans of `track` are
/// offsets; track->end is where the next field begins.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_iso8583_track2(
    field: *const u8,
    field_len: usize,
    form: u32,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
    track: *mut panseal_track,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let field = unsafe { pass::bytes(field.cast(), field_len) }?;
        let out = unsafe { TextOut::new(out, cap, len) }?;
        let place = unsafe { Out::new(track) }?;
        refuse_small(&out, iso8583::TRACK2_ROOM)?;
        let read = |room: &mut [u8]| {
            if is_packed(form)? {
                let found = iso8583::packed_track2(field, room)?;
                return Ok((text_len(&found.value), (record(&found.value), found.end)));
            }
            let found = iso8583::text_track2(field)?;
            let from = found.value.number.at as usize;
            let text = field.get(from..found.end as usize).unwrap_or_default();
            room[..text.len()].copy_from_slice(text);
            Ok((text.len(), (moved(record(&found.value), from as u32), found.end)))
        };
        let (mut track, end) = out.fill_with(read)?;
        track.end = end;
        place.write(&track);
        Ok(())
    };
    unsafe { pass::call_light(err, work) }
}

fn is_packed(form: u32) -> Result<bool> {
    match form {
        PANSEAL_ISO8583_TEXT => Ok(false),
        PANSEAL_ISO8583_PACKED => Ok(true),
        _ => Err(Code::Argument.into()),
    }
}

fn refuse_small(out: &TextOut, enough: usize) -> Result<()> {
    if out.room() < enough { Err(out.too_small(enough)) } else { Ok(()) }
}

/// Reads a chip's card into the caller's room and reports it as a track.
unsafe fn chip(
    read: impl FnOnce(&mut [u8]) -> std::result::Result<emv::ChipCard, Code>,
    out: TextOut,
    track: *mut panseal_track,
) -> Result<()> {
    let place = unsafe { Out::new(track) }?;
    refuse_small(&out, PANSEAL_CHIP_ROOM)?;
    let card = out.fill_with(|room| Ok(read(room).map(|card| (card.written as usize, card))?))?;
    let (expiry_month, expiry_year) = month_and_year(card.expiry);
    place.write(&panseal_track {
        struct_size: 0,
        // Behind the number of tag 57 stands a separator at least, behind that of tag 5A nothing.
        format: if card.written > card.number.end() { 2 } else { 0 },
        expiry_month,
        expiry_year,
        number: span(card.number),
        name: panseal_span::default(),
        service_code: card.service_code.map(span).unwrap_or_default(),
        discretionary: span(card.discretionary),
        end: card.written,
        lrc: 0,
    });
    Ok(())
}

fn record(track: &Track) -> panseal_track {
    let (expiry_month, expiry_year) = month_and_year(track.expiry);
    panseal_track {
        struct_size: 0,
        format: match track.format {
            TrackFormat::One => 1,
            TrackFormat::Two => 2,
        },
        expiry_month,
        expiry_year,
        number: span(track.number),
        name: track.name.map(span).unwrap_or_default(),
        service_code: track.service_code.map(span).unwrap_or_default(),
        discretionary: span(track.discretionary),
        end: track.end,
        lrc: u32::from(track.lrc == Lrc::Good),
    }
}

/// The same track in a text that begins `by` bytes later.
fn moved(mut track: panseal_track, by: u32) -> panseal_track {
    for span in [&mut track.number, &mut track.name, &mut track.service_code, &mut track.discretionary] {
        span.at = span.at.saturating_sub(by);
    }
    track
}

/// How many bytes a track without sentinels has: up to the end of its last field.
fn text_len(track: &Track) -> usize {
    track.discretionary.end() as usize
}

fn month_and_year(expiry: Option<Expiry>) -> (i32, i32) {
    expiry.map_or((0, 0), |expiry| (expiry.month().into(), expiry.year().into()))
}

fn span(span: Span) -> panseal_span {
    panseal_span { at: span.at, len: span.len }
}

unsafe fn write_end(end: *mut usize, at: u32) -> Result<()> {
    if !end.is_null() {
        unsafe { end.write_unaligned(at as usize) };
    }
    Ok(())
}
