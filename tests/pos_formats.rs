//! The POS formats against their vectors: tracks, packed digits, chip data, ISO 8583 fields.

use std::fs;

use panseal::card::{
    Expiry, Lrc, Span, Track, TrackFormat, bcd, emv, iso8583, parse_track, parse_track1, parse_track2,
};
use panseal::error::Code;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    call: Option<String>,
    input: Option<String>,
    input_hex: Option<String>,
    tag: Option<String>,
    tag57: Option<String>,
    tag5a: Option<String>,
    tag5f24: Option<String>,
    expect: Option<Value>,
    error: Option<String>,
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        match (&self.input, &self.input_hex) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(text)) => hex(text),
            _ => panic!("{}: one input", self.name),
        }
    }

    fn judge(&self, outcome: Result<Value, Code>) {
        let expected = match (&self.expect, &self.error) {
            (_, Some(code)) => Err(code.as_str()),
            (value, None) => Ok(value.clone().unwrap_or(Value::Null)),
        };
        assert_eq!(outcome.map_err(Code::name), expected, "{}", self.name);
    }
}

fn read(name: &str) -> Vec<Case> {
    let path = format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let file: File = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    file.cases
}

fn hex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn span(span: Span) -> Value {
    json!([span.at, span.len])
}

fn month(expiry: Expiry) -> Value {
    json!([expiry.month(), expiry.year()])
}

fn track(track: Track) -> Value {
    json!({
        "format": track.format as i32,
        "number": span(track.number),
        "name": track.name.map(span),
        "expiry": track.expiry.map(month),
        "service_code": track.service_code.map(span),
        "discretionary": span(track.discretionary),
        "lrc": match track.lrc {
            Lrc::Absent => "absent",
            Lrc::Good => "good",
        },
        "end": track.end,
    })
}

#[test]
fn track_1_is_read_as_its_vectors_say() {
    let cases = read("track1.json");
    assert_eq!(cases.len(), 49);
    for case in cases {
        let text = case.bytes();
        case.judge(parse_track1(&text).map(track));
        if let Ok(told) = parse_track(&text) {
            assert_eq!((told.format, Ok(told)), (TrackFormat::One, parse_track1(&text)), "{}", case.name);
        }
    }
}

#[test]
fn track_2_is_read_as_its_vectors_say() {
    let cases = read("track2.json");
    assert_eq!(cases.len(), 45);
    for case in cases {
        let text = case.bytes();
        case.judge(parse_track2(&text).map(track));
        if let Ok(told) = parse_track(&text) {
            assert_eq!((told.format, Ok(told)), (TrackFormat::Two, parse_track2(&text)), "{}", case.name);
        }
    }
}

fn chip(outcome: Result<emv::ChipCard, Code>, room: &[u8]) -> Result<Value, Code> {
    outcome.map(|card| {
        json!({
            "room": String::from_utf8_lossy(&room[..card.written as usize]),
            "number": span(card.number),
            "expiry": card.expiry.map(month),
            "service_code": card.service_code.map(span),
            "discretionary": span(card.discretionary),
        })
    })
}

#[test]
fn chip_data_is_read_as_its_vectors_say() {
    let cases = read("emv.json");
    assert_eq!(cases.len(), 85);
    for case in cases {
        let mut room = [0; emv::ROOM];
        let outcome = match case.call.as_deref() {
            Some("chip_card") => {
                let [tag57, tag5a, tag5f24] =
                    [&case.tag57, &case.tag5a, &case.tag5f24].map(|tag| tag.as_deref().map(hex));
                let card = emv::chip_card(tag57.as_deref(), tag5a.as_deref(), tag5f24.as_deref(), &mut room);
                chip(card, &room)
            }
            Some("read_record") => {
                let card = emv::read_record(&case.bytes(), &mut room);
                chip(card, &room)
            }
            Some("tlv_find") => {
                let tag = u32::from_str_radix(case.tag.as_deref().unwrap(), 16).unwrap();
                emv::tlv::find(&case.bytes(), tag).map(|found| json!(found.map(span)))
            }
            Some("unpack") => bcd::unpack(&case.bytes(), &mut room)
                .map(|len| json!(String::from_utf8_lossy(&room[..len]).into_owned())),
            Some("service_code") => emv::service_code(&case.bytes())
                .map(|digits| json!(String::from_utf8_lossy(&digits).into_owned())),
            Some("sequence_number") => emv::sequence_number(&case.bytes()).map(|number| json!(number)),
            call => panic!("{}: {call:?}", case.name),
        };
        if outcome.is_err() {
            assert_eq!(room, [0; emv::ROOM], "{}", case.name);
        }
        case.judge(outcome);
    }
}

fn track_field(field: iso8583::Field<Track>) -> Value {
    let track = field.value;
    json!([
        span(track.number),
        track.expiry.map(month),
        track.service_code.map(span),
        span(track.discretionary),
        field.end
    ])
}

/// What a vector says of a track in a field, in the order of [`track_field`].
fn track_expected(expect: &Value) -> Value {
    let value = &expect["value"];
    json!([value["number"], value["expiry"], value["service_code"], value["discretionary"], expect["end"]])
}

#[test]
fn iso_8583_fields_are_read_as_their_vectors_say() {
    let cases = read("iso8583.json");
    assert_eq!(cases.len(), 59);
    for mut case in cases {
        let field = case.bytes();
        let mut room = [0; iso8583::TRACK2_ROOM];
        let call = case.call.clone().unwrap_or_default();
        let number = |field: iso8583::Field<Span>| json!({ "value": span(field.value), "end": field.end });
        let expiry = |expiry: Expiry| json!({ "value": month(expiry), "end": field.len() });
        let outcome = match call.as_str() {
            "text_number" => iso8583::text_number(&field).map(number),
            "packed_number" => iso8583::packed_number(&field, &mut room).map(number),
            "text_expiry" => iso8583::text_expiry(&field).map(expiry),
            "packed_expiry" => iso8583::packed_expiry(&field).map(expiry),
            "text_track2" => iso8583::text_track2(&field).map(track_field),
            "packed_track2" => iso8583::packed_track2(&field, &mut room).map(track_field),
            call => panic!("{}: {call}", case.name),
        };
        let unpacked = String::from_utf8_lossy(&room).trim_end_matches('\0').to_owned();
        if let Some(expect) = &mut case.expect {
            let room = expect.as_object_mut().unwrap().remove("room");
            assert_eq!(json!(unpacked), room.unwrap_or(json!("")), "{}", case.name);
            if call.ends_with("track2") {
                *expect = track_expected(expect);
            }
        } else {
            assert_eq!(unpacked, "", "{}", case.name);
        }
        case.judge(outcome);
    }
}
