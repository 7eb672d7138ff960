//! The vectors that every language runs, through the functions of the C ABI.
#![cfg(feature = "capi")]

use std::collections::BTreeSet;
use std::ffi::{CStr, c_char, c_void};
use std::fs;
use std::path::Path;
use std::ptr;

use panseal::capi::card::*;
use panseal::capi::library::*;
use panseal::capi::network::*;
use panseal::capi::reader::*;
use panseal::capi::scan::*;
use panseal::error::Code;
use serde_json::{Value, json};

// ---- The runner. ----

/// What a case gives, or the status that is none of `PANSEAL_OK`.
type Outcome = Result<Value, panseal_status>;

/// Runs the cases of a file but for those that the C ABI has no function for, which are named with the reason.
fn run_vectors(file: &str, count: usize, left_out: &[(&str, &str)], run: fn(&Value) -> Outcome) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/vectors/{file}.json"));
    let vectors: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    let mut names = BTreeSet::new();
    let mut complaints = String::new();
    for case in cases {
        let name = text(case, "name");
        assert!(names.insert(name), "{file}: {name} stands twice");
        if left_out.iter().any(|(left_out, _)| *left_out == name) {
            continue;
        }
        let found = run(case).unwrap_or_else(|status| json!({ "error": name_of(status) }));
        let expected = match case.get("error") {
            Some(code) => json!({ "error": code }),
            None => case["expect"].clone(),
        };
        if found != expected {
            complaints += &format!("{name}: {found}, not {expected}\n");
        }
    }
    assert!(complaints.is_empty(), "{file}:\n{complaints}");
    assert_eq!(names.len(), count, "cases of {file}.json");
    for (name, why) in left_out {
        assert!(names.contains(name), "{file}: there is no {name} to leave out ({why})");
    }
}

fn name_of(status: panseal_status) -> &'static str {
    Code::from_number(status).map_or("no status at all", Code::name)
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{}: {field} is no text", case["name"]))
}

fn number<T: TryFrom<i64>>(case: &Value, field: &str) -> T {
    let number = case[field].as_i64().and_then(|number| T::try_from(number).ok());
    number.unwrap_or_else(|| panic!("{}: {field} is no such number", case["name"]))
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The bytes of a case, which has them as text or in hexadecimal.
fn input(case: &Value) -> Vec<u8> {
    match (case["input"].as_str(), case["input_hex"].as_str()) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(hex)) => from_hex(hex),
        _ => panic!("{}: one input", case["name"]),
    }
}

// ---- What C does before and after a call. ----

/// PANSEAL_INIT.
fn init<T>() -> T {
    let mut record = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: T is a struct of the C ABI: it begins with its size, and zeros are a value of it.
    unsafe {
        panseal_struct_init(record.as_mut_ptr().cast::<c_void>(), size_of::<T>());
        record.assume_init()
    }
}

fn done(status: panseal_status) -> Result<(), panseal_status> {
    if status == 0 { Ok(()) } else { Err(status) }
}

/// A call that reports: what `err` says must be what is returned. Also when it is not asked for.
fn reported(call: impl Fn(*mut panseal_error) -> panseal_status) -> Result<(), panseal_status> {
    let mut err: panseal_error = init();
    let status = call(&mut err);
    assert_eq!((err.code, err.violation_count), (status, 0));
    assert_eq!(call(ptr::null_mut()), status);
    done(status)
}

/// A call that gives a text, into a room of `cap` bytes within a larger one.
fn text_out(
    cap: usize,
    call: impl Fn(*mut c_char, usize, *mut usize) -> panseal_status,
) -> Result<String, panseal_status> {
    let (mut room, mut len) = ([b'~'; 256], usize::MAX);
    let status = call(room.as_mut_ptr().cast(), cap, &mut len);
    if status != 0 {
        assert_eq!((room, len), ([b'~'; 256], usize::MAX), "written though refused");
        return Err(status);
    }
    assert!(len <= cap && room[cap..].iter().all(|byte| *byte == b'~'), "written beyond the room");
    assert!(len == cap || room[len] == 0, "no NUL though there is room");
    Ok(String::from_utf8(room[..len].to_vec()).unwrap())
}

fn bytes_of(text: &str) -> (*const c_char, usize) {
    (text.as_ptr().cast(), text.len())
}

fn given(text: &str) -> panseal_text {
    panseal_text { ptr: text.as_ptr().cast(), len: text.len() }
}

fn span(span: panseal_span) -> Value {
    json!([span.at, span.len])
}

fn unless_absent(part: panseal_span) -> Value {
    if part.len == 0 { Value::Null } else { span(part) }
}

fn part(text: &str, span: panseal_span) -> &str {
    &text[span.at as usize..][..span.len as usize]
}

fn month(month: i32, year: i32) -> Value {
    if (month, year) == (0, 0) { Value::Null } else { json!([month, year]) }
}

fn network_name(id: i32) -> &'static str {
    // SAFETY: static, ended by a NUL.
    unsafe { CStr::from_ptr(panseal_network_name(id)) }.to_str().unwrap()
}

/// A network by its number, and null for 0.
fn network(id: i32) -> Value {
    if id == 0 { Value::Null } else { json!(network_name(id)) }
}

fn lengths(bits: u32) -> Vec<u32> {
    (0..32).filter(|length| bits >> length & 1 == 1).collect()
}

fn c_text(field: &[c_char]) -> String {
    field.iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte as u8)).collect()
}

// ---- Cards. ----

#[test]
fn expiry_dates_follow_the_vectors() {
    run_vectors("expiry", 39, &[], |case| {
        let form = match text(case, "op") {
            "parse" => PANSEAL_EXPIRY_ANY,
            "mmyy" => PANSEAL_EXPIRY_MMYY,
            "yymm" => PANSEAL_EXPIRY_YYMM,
            "yymmdd" => PANSEAL_EXPIRY_YYMMDD,
            "format" => return write_expiry(case),
            op => return Ok(judge_expiry(case, op)),
        };
        let (text, len) = bytes_of(text(case, "text"));
        let (mut month, mut year) = (-1, -1);
        // SAFETY: a text with its length, two places.
        let status = unsafe { panseal_expiry_parse(text, len, form, &mut month, &mut year) };
        assert!(status == 0 || (month, year) == (-1, -1), "written though refused");
        done(status).map(|()| json!({ "month": month, "year": year }))
    });
}

fn write_expiry(case: &Value) -> Outcome {
    let (month, year) = (number(case, "month"), number(case, "year"));
    let write = |form, width| {
        text_out(width, |out, cap, len| {
            // SAFETY: a room of that many bytes and a place for its length.
            unsafe { panseal_expiry_text(month, year, form, out, cap, len) }
        })
    };
    Ok(json!({
        "mmyy": write(PANSEAL_EXPIRY_MMYY, 4)?,
        "yymm": write(PANSEAL_EXPIRY_YYMM, 4)?,
        "mmyyyy": write(PANSEAL_EXPIRY_MMYYYY, 6)?,
    }))
}

/// Whether a card with this expiry is refused for it.
fn judge_expiry(case: &Value, op: &str) -> Value {
    let mut card: panseal_card = init();
    card.number = given("4242424242424242");
    card.expiry_month = number(case, "month");
    card.expiry_year = number(case, "year");
    card.now = number(case, "now");
    let refusal = match op {
        "expired" => {
            card.flags = PANSEAL_CARD_ANY_HORIZON;
            card.grace_months = number(case, "grace_months");
            Code::Expired
        }
        "too_far" => {
            card.horizon_years = number(case, "horizon_years");
            Code::TooFar
        }
        _ => panic!("there is no {op}"),
    };
    let mut err: panseal_error = init();
    // SAFETY: two structs that were initialised, with texts that are there.
    let status = unsafe { panseal_card_check(&card, ptr::null_mut(), &mut err) };
    assert_eq!(status, err.code);
    if status != 0 {
        assert_eq!((status, err.violation_count), (Code::Card.number(), 1));
        assert_eq!(err.violations[0].code, refusal.number());
    }
    json!({ op: status != 0 })
}

#[test]
fn names_follow_the_vectors() {
    run_vectors("names", 40, &[], |case| {
        let name = match text(case, "op") {
            "parse" => return holder(text(case, "text")),
            "write" => {
                let mut parts: panseal_holder_parts = init();
                parts.surname = given(text(case, "surname"));
                parts.first = given(text(case, "first"));
                parts.middle = given(text(case, "middle"));
                parts.title = given(text(case, "title"));
                text_out(PANSEAL_HOLDER_MAX as usize, |out, cap, len| {
                    // SAFETY: a struct that was initialised, a room of that many bytes and a place for its length.
                    unsafe { panseal_holder_write(&parts, out, cap, len, ptr::null_mut()) }
                })
            }
            "transliterate" => {
                let (name, name_len) = bytes_of(text(case, "text"));
                text_out(PANSEAL_HOLDER_MAX as usize, |out, cap, len| {
                    // SAFETY: a text with its length, a room of that many bytes and a place for its length.
                    unsafe { panseal_holder_text(name, name_len, out, cap, len) }
                })
            }
            op => panic!("there is no {op}"),
        };
        Ok(json!({ "text": name? }))
    });
}

fn holder(name: &str) -> Outcome {
    let (text, len) = bytes_of(name);
    let mut holder: panseal_holder = init();
    let place = ptr::from_mut(&mut holder);
    // SAFETY: a text with its length, structs that were initialised.
    reported(|err| unsafe { panseal_holder_parse(text, len, place, err) })?;
    Ok(json!({
        "surname": part(name, holder.surname),
        "first": part(name, holder.first),
        "middle": part(name, holder.middle),
        "title": part(name, holder.title),
    }))
}

#[test]
fn display_follows_the_vectors() {
    run_vectors("display", 32, &[], |case| {
        let made;
        let shown = match text(case, "op") {
            "usual" => {
                // C is given a number, not a length.
                made = "4".repeat(number(case, "length"));
                return truncate(&made, PANSEAL_TRUNCATE_USUAL, PANSEAL_TRUNCATE_USUAL)
                    .map(|(first, last, _)| json!({ "first": first.len(), "last": last.len() }));
            }
            "truncate" => {
                return truncate(text(case, "number"), number(case, "first"), number(case, "last")).map(
                    |(first, last, removed)| json!({ "first": first, "last": last, "removed": removed }),
                );
            }
            "mask" => mask(case),
            "group" => {
                let (digits, digits_len) = bytes_of(text(case, "number"));
                text_out(PANSEAL_MASK_MAX as usize, |out, cap, len| {
                    // SAFETY: a text with its length, a room of that many bytes and a place for its length.
                    unsafe { panseal_card_group(digits, digits_len, out, cap, len) }
                })
            }
            op => panic!("there is no {op}"),
        };
        Ok(json!({ "text": shown? }))
    });
}

fn mask(case: &Value) -> Result<String, panseal_status> {
    let (digits, digits_len) = bytes_of(text(case, "number"));
    let view = match text(case, "view") {
        "six_four" => 0,
        "eight_four" => PANSEAL_MASK_FIRST8,
        "last_four" => PANSEAL_MASK_LAST4,
        view => panic!("there is no view {view}"),
    };
    let grouped = if case["grouped"].as_bool().unwrap() { PANSEAL_MASK_GROUPED } else { 0 };
    text_out(PANSEAL_MASK_MAX as usize, |out, cap, len| {
        // SAFETY: a text with its length, a room of that many bytes and a place for its length.
        unsafe { panseal_card_mask(digits, digits_len, view | grouped, out, cap, len) }
    })
}

/// The digits that are kept at both ends, and how many are not.
fn truncate(digits: &str, first: u32, last: u32) -> Result<(String, String, usize), panseal_status> {
    let (number, number_len) = bytes_of(digits);
    let kept = text_out(PANSEAL_PAN_MAX as usize, |out, cap, len| {
        // SAFETY: a text with its length, a room of that many bytes and a place for its length.
        unsafe { panseal_card_truncate(number, number_len, first, last, out, cap, len) }
    })?;
    assert_eq!(kept.len(), digits.len());
    let (head, tail) = (kept.split('*').next().unwrap(), kept.rsplit('*').next().unwrap());
    let removed = kept.bytes().filter(|byte| *byte == b'*').count();
    assert_eq!(head.len() + removed + tail.len(), kept.len(), "{kept}: one gap");
    Ok((head.to_owned(), tail.to_owned(), removed))
}

// ---- Networks. ----

#[test]
fn keyed_numbers_follow_the_vectors() {
    run_vectors("partial", 19, &[], |case| {
        let (typed, len) = bytes_of(text(case, "typed"));
        let mut so_far: panseal_partial = init();
        let place = ptr::from_mut(&mut so_far);
        // SAFETY: a text with its length, structs that were initialised.
        reported(|err| unsafe { panseal_card_partial(typed, len, place, err) })?;
        let (set, unset) = so_far.possible.split_at(so_far.possible_count as usize);
        assert!(unset.iter().all(|id| *id == 0));
        Ok(json!({
            "digits": so_far.digits,
            "possible": set.iter().map(|id| network(i32::from(*id))).collect::<Vec<_>>(),
            "committed": network(so_far.committed),
            "lengths": lengths(so_far.lengths),
            "complete": match so_far.complete {
                PANSEAL_PARTIAL_TOO_SHORT => "too_short",
                PANSEAL_PARTIAL_MAY_GROW => "complete_may_grow",
                PANSEAL_PARTIAL_COMPLETE => "complete",
                PANSEAL_PARTIAL_TOO_LONG => "too_long",
                other => panic!("complete is {other}"),
            },
            "luhn_ok": match so_far.luhn_ok {
                -1 => None,
                0 => Some(false),
                1 => Some(true),
                other => panic!("luhn_ok is {other}"),
            },
        }))
    });
}

#[test]
fn applications_follow_the_vectors() {
    run_vectors("aid", 36, &[], |case| {
        let aid = from_hex(text(case, "aid"));
        let Some(digits) = case["number"].as_str() else {
            // SAFETY: bytes with their length.
            let found = unsafe { panseal_aid_network(aid.as_ptr(), aid.len()) };
            return Ok(json!({ "network": network(found) }));
        };
        let (digits, digits_len) = bytes_of(digits);
        let mut found: panseal_network_info = init();
        let place = ptr::from_mut(&mut found);
        // SAFETY: texts with their lengths, structs that were initialised.
        reported(|err| unsafe {
            panseal_card_network(digits, digits_len, aid.as_ptr(), aid.len(), 0, place, err)
        })?;
        let (set, unset) = found.cobadges.split_at(found.cobadge_count as usize);
        assert!(unset.iter().all(|id| *id == 0));
        assert_eq!(json!(c_text(&found.name)), network(found.network));
        Ok(json!({
            "network": c_text(&found.name),
            "product": network(found.product),
            "cobadges": set.iter().map(|id| network(*id)).collect::<Vec<_>>(),
            "lengths": lengths(found.lengths),
            "fallback": found.fallback == 1,
        }))
    });
}

// ---- Readers. ----

fn lrc(lrc: u32) -> &'static str {
    match lrc {
        0 => "absent",
        1 => "good",
        other => panic!("lrc is {other}"),
    }
}

fn parse_track(case: &Value) -> Outcome {
    let text = input(case);
    let mut track: panseal_track = init();
    let place = ptr::from_mut(&mut track);
    // SAFETY: a text with its length, structs that were initialised.
    reported(|err| unsafe { panseal_track_parse(text.as_ptr().cast(), text.len(), place, err) })?;
    Ok(json!({
        "format": track.format,
        "number": span(track.number),
        "name": if track.format == 1 { span(track.name) } else { Value::Null },
        "expiry": month(track.expiry_month, track.expiry_year),
        "service_code": unless_absent(track.service_code),
        "discretionary": span(track.discretionary),
        "lrc": lrc(track.lrc),
        "end": track.end,
    }))
}

#[test]
fn track_1_is_read_as_its_vectors_say() {
    run_vectors("track1", 49, &[], parse_track);
}

#[test]
fn track_2_is_read_as_its_vectors_say() {
    run_vectors("track2", 45, &[], parse_track);
}

/// What a chip's card is told as: the digits, and a track of them.
fn chip(call: impl Fn(*mut c_char, usize, *mut usize, *mut panseal_track) -> panseal_status) -> Outcome {
    let mut track: panseal_track = init();
    let place = ptr::from_mut(&mut track);
    let room = text_out(PANSEAL_CHIP_ROOM, |out, cap, len| call(out, cap, len, place))?;
    assert_eq!((track.end as usize, track.name.len, track.lrc), (room.len(), 0, 0));
    Ok(json!({
        "room": room,
        "number": span(track.number),
        "expiry": month(track.expiry_month, track.expiry_year),
        "service_code": unless_absent(track.service_code),
        "discretionary": span(track.discretionary),
    }))
}

/// Bytes with their length; null for those that are absent.
fn raw(bytes: Option<&Vec<u8>>) -> (*const u8, usize) {
    bytes.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr(), bytes.len()))
}

#[test]
fn chip_data_is_read_as_its_vectors_say() {
    run_vectors("emv", 85, &[], |case| match text(case, "call") {
        "chip_card" => {
            let tags = ["tag57", "tag5a", "tag5f24"].map(|tag| case[tag].as_str().map(from_hex));
            let [(a, a_len), (b, b_len), (c, c_len)] = tags.each_ref().map(|tag| raw(tag.as_ref()));
            chip(|out, cap, len, track| {
                // SAFETY: bytes with their lengths, a room of that many, a place, a struct that was initialised.
                unsafe {
                    panseal_chip_read(a, a_len, b, b_len, c, c_len, out, cap, len, track, ptr::null_mut())
                }
            })
        }
        "read_record" => {
            let record = input(case);
            chip(|out, cap, len, track| {
                // SAFETY: bytes with their length, a room of that many, a place, a struct that was initialised.
                unsafe {
                    let (bytes, bytes_len) = raw(Some(&record));
                    panseal_chip_record(bytes, bytes_len, out, cap, len, track, ptr::null_mut())
                }
            })
        }
        "tlv_find" => find_tag(&input(case), u32::from_str_radix(text(case, "tag"), 16).unwrap()),
        "unpack" => {
            let packed = input(case);
            let digits = text_out(2 * packed.len(), |out, cap, len| {
                // SAFETY: bytes with their length, a room of that many, a place for its length.
                unsafe { panseal_bcd_unpack(packed.as_ptr(), packed.len(), out, cap, len) }
            });
            digits.map(Value::from)
        }
        "service_code" => {
            let tag = input(case);
            // SAFETY: bytes with their length, a room of that many, a place for its length.
            let digits = text_out(3, |out, cap, len| unsafe {
                panseal_chip_service_code(tag.as_ptr(), tag.len(), out, cap, len)
            });
            digits.map(Value::from)
        }
        "sequence_number" => {
            let (tag, mut sequence) = (input(case), -1);
            // SAFETY: bytes with their length, a place.
            match unsafe { panseal_chip_sequence(tag.as_ptr(), tag.len(), &mut sequence) } {
                PANSEAL_OK => Ok(sequence.into()),
                status => Err(status),
            }
        }
        call => panic!("there is no {call}"),
    });
}

/// In Rust an absent tag is none; in C it has a status.
fn find_tag(data: &[u8], tag: u32) -> Outcome {
    let mut place = panseal_span::default();
    let out = ptr::from_mut(&mut place);
    // SAFETY: bytes with their length, a place, a struct that was initialised.
    match reported(|err| unsafe { panseal_tlv_find(data.as_ptr(), data.len(), tag, out, err) }) {
        Err(status) if status == Code::Missing.number() => Ok(Value::Null),
        outcome => outcome.map(|()| span(place)),
    }
}

#[test]
fn iso_8583_fields_are_read_as_their_vectors_say() {
    run_vectors("iso8583", 59, &[], |case| {
        let (form, what) = text(case, "call").split_once('_').unwrap();
        let form = match form {
            "text" => PANSEAL_ISO8583_TEXT,
            "packed" => PANSEAL_ISO8583_PACKED,
            _ => panic!("{}: {form}", case["name"]),
        };
        let field = input(case);
        match what {
            "number" => iso8583_number(&field, form),
            "expiry" => iso8583_expiry(&field, form),
            "track2" => iso8583_track2(&field, form),
            _ => panic!("{}: {what}", case["name"]),
        }
    });
}

/// Where the text begins that C gives: the places of the vectors are in the input, and behind its two length digits,
/// where that is text; else in the text, which they have as `room`.
fn told(form: u32, mut value: Value, text: &str, field: &[u8], end: usize) -> Value {
    if form == PANSEAL_ISO8583_PACKED {
        return json!({ "value": value, "end": end, "room": text });
    }
    assert_eq!(text.as_bytes(), &field[2..end]);
    let move_on = |place: &mut Value| {
        if let Some(at) = place.get_mut(0) {
            *at = json!(at.as_u64().unwrap() + 2);
        }
    };
    match value.as_object_mut() {
        None => move_on(&mut value),
        Some(track) => {
            track.iter_mut().filter(|(name, _)| *name != "expiry").for_each(|(_, place)| move_on(place));
        }
    }
    json!({ "value": value, "end": end })
}

fn iso8583_number(field: &[u8], form: u32) -> Outcome {
    let mut end = usize::MAX;
    let next = ptr::from_mut(&mut end);
    let digits = text_out(PANSEAL_CHIP_ROOM, |out, cap, len| {
        // SAFETY: bytes with their length, a room of that many, places for two sizes.
        unsafe {
            panseal_iso8583_number(field.as_ptr(), field.len(), form, out, cap, len, next, ptr::null_mut())
        }
    });
    assert_eq!(digits.is_err(), end == usize::MAX);
    let digits = digits?;
    Ok(told(form, json!([0, digits.len()]), &digits, field, end))
}

fn iso8583_expiry(field: &[u8], form: u32) -> Outcome {
    let (mut told_month, mut told_year) = (-1, -1);
    let places = (ptr::from_mut(&mut told_month), ptr::from_mut(&mut told_year));
    // SAFETY: bytes with their length, two places, a struct that was initialised.
    reported(|err| unsafe {
        panseal_iso8583_expiry(field.as_ptr(), field.len(), form, places.0, places.1, err)
    })?;
    Ok(json!({ "value": month(told_month, told_year), "end": field.len() }))
}

fn iso8583_track2(field: &[u8], form: u32) -> Outcome {
    let mut track: panseal_track = init();
    let place = ptr::from_mut(&mut track);
    let text = text_out(PANSEAL_CHIP_ROOM, |out, cap, len| {
        // SAFETY: bytes with their length, a room of that many, a place, a struct that was initialised.
        unsafe {
            panseal_iso8583_track2(field.as_ptr(), field.len(), form, out, cap, len, place, ptr::null_mut())
        }
    })?;
    assert_eq!((track.format, track.name.len, track.lrc), (2, 0, 0));
    let value = json!({
        "number": span(track.number),
        "expiry": month(track.expiry_month, track.expiry_year),
        "service_code": unless_absent(track.service_code),
        "discretionary": span(track.discretionary),
    });
    Ok(told(form, value, &text, field, track.end as usize))
}

// ---- Scanning. ----

#[test]
fn texts_are_scanned_as_the_vectors_say() {
    run_vectors("scan", 69, &[], |case| {
        let hits = scan(&input(case), 16)?;
        assert_eq!(scan(&input(case), 1)?, hits, "{}: one by one", case["name"]);
        for size in [1, 7, 400, 100_000] {
            assert_eq!(stream(&input(case), size)?, hits, "{}: in pieces of {size}", case["name"]);
        }
        let text = input(case);
        let mut holds = -1;
        // SAFETY: bytes with their length, a place, no record.
        let status = unsafe {
            panseal_holds_card_number(text.as_ptr().cast(), text.len(), &mut holds, ptr::null_mut())
        };
        assert_eq!((status, holds & !1), (PANSEAL_OK, 0));
        Ok(json!({ "hits": hits, "holds": holds == 1 }))
    });
}

fn told_hit(hit: &panseal_hit, from: usize) -> Value {
    let mask = c_text(&hit.masked);
    json!({
        "at": from + hit.at,
        "len": hit.len,
        "form": match hit.form {
            PANSEAL_HIT_RUN => "run",
            PANSEAL_HIT_GROUPED => "grouped",
            PANSEAL_HIT_TRACK1 => "track1",
            PANSEAL_HIT_TRACK2 => "track2",
            form => panic!("form is {form}"),
        },
        "network": network_name(hit.network),
        "length": mask.len(),
        "mask": mask,
    })
}

/// The hits of a text that comes in pieces of this size.
fn stream(text: &[u8], size: usize) -> Result<Vec<Value>, panseal_status> {
    let mut scanner = ptr::null_mut();
    // SAFETY: a place for a handle, no record.
    assert_eq!(unsafe { panseal_scanner_open(&mut scanner, ptr::null_mut()) }, PANSEAL_OK);
    let mut found = Vec::new();
    let mut hits: Vec<panseal_hit> = (0..PANSEAL_SCANNER_HITS).map(|_| init()).collect();
    let (places, cap) = (hits.as_mut_ptr(), hits.len());
    let (mut count, mut used) = (usize::MAX, usize::MAX);
    for mut piece in text.chunks(size) {
        while !piece.is_empty() {
            let rooms = (ptr::from_mut(&mut count), ptr::from_mut(&mut used));
            let (bytes, len) = (piece.as_ptr().cast(), piece.len());
            // SAFETY: a handle, bytes with their length, a room for that many hits, places for two sizes, no record.
            let status = unsafe {
                panseal_scanner_feed(scanner, bytes, len, places, cap, rooms.0, rooms.1, ptr::null_mut())
            };
            assert_eq!(status, PANSEAL_OK);
            // SAFETY: so many were written.
            found.extend(
                unsafe { std::slice::from_raw_parts(places, count) }.iter().map(|hit| told_hit(hit, 0)),
            );
            assert!(used > 0, "it does not go on");
            piece = &piece[used..];
        }
    }
    let room = ptr::from_mut(&mut count);
    // SAFETY: as above.
    let status = unsafe { panseal_scanner_finish(scanner, places, cap, room, ptr::null_mut()) };
    assert_eq!(status, PANSEAL_OK);
    found.extend(hits[..count].iter().map(|hit| told_hit(hit, 0)));
    // SAFETY: a handle.
    assert_eq!(unsafe { panseal_scanner_close(scanner) }, PANSEAL_OK);
    Ok(found)
}

/// The hits of a text, `cap` at a time.
fn scan(text: &[u8], cap: usize) -> Result<Vec<Value>, panseal_status> {
    let mut found = Vec::new();
    let mut from = 0;
    while from < text.len() {
        let mut hits: Vec<panseal_hit> = (0..cap).map(|_| init()).collect();
        let (mut count, mut next) = (usize::MAX, usize::MAX);
        let places = (hits.as_mut_ptr(), ptr::from_mut(&mut count), ptr::from_mut(&mut next));
        let rest = &text[from..];
        // SAFETY: bytes with their length, a room for that many hits, places for two sizes, a struct that was initialised.
        reported(|err| unsafe {
            panseal_scan(rest.as_ptr().cast(), rest.len(), places.0, cap, places.1, places.2, err)
        })?;
        found.extend(hits[..count].iter().map(|hit| told_hit(hit, from)));
        assert!(next == rest.len() || (count == cap && next > 0), "it does not go on");
        from += next;
    }
    Ok(found)
}
