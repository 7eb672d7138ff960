//! Packed digits and chip data: nothing is written on failure, and the text of tag 57 is a track 2.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal::card::{bcd, emv, parse_track2};
use panseal::error::Code;
use panseal_fuzz::{given, pieces};

fuzz_target!(|input: &[u8]| {
    let [tag57, tag5a, tag5f24, record] = pieces::<4>(input);
    let mut room = [0; emv::ROOM];
    match emv::chip_card(given(tag57), given(tag5a), given(tag5f24), &mut room) {
        Ok(card) => {
            assert!((12..=19).contains(&card.number.len));
            assert!(card.discretionary.end() <= card.written && card.written as usize <= room.len());
            assert!(card.number.of(&room).iter().all(u8::is_ascii_digit));
            if let Some(tag57) = given(tag57) {
                let mut text = [0; emv::ROOM];
                let len = bcd::unpack(tag57, &mut text).expect("chip_card read it");
                let track = parse_track2(&text[..len]).expect("chip_card read it");
                assert_eq!((track.number, track.discretionary), (card.number, card.discretionary));
            }
        }
        Err(_) => assert_eq!(room, [0; emv::ROOM]),
    }
    assert_eq!(emv::chip_card(given(tag57), given(tag5a), None, &mut room[1..]), Err(Code::Buffer));
    let _ = (emv::expiry(tag5f24), emv::service_code(tag5f24), emv::sequence_number(tag5f24));

    let _ = emv::read_record(record, &mut [0; emv::ROOM]);
    for tag in [0x57, 0x5a, 0x70, 0x5f24, 0xdf8115, 0] {
        if let Ok(Some(span)) = emv::tlv::find(record, tag) {
            assert!(span.end() as usize <= record.len());
            let cut = &record[..span.end() as usize];
            assert!(emv::tlv::find(cut, tag).is_ok_and(|found| found == Some(span)) || has_template(record));
        }
    }

    let mut long = vec![7; bcd::room_for(record.len())];
    match bcd::unpack(record, &mut long) {
        Ok(len) => {
            assert!(long[..len].iter().all(|byte| byte.is_ascii_digit() || *byte == b'D'));
            assert!(long[len..].iter().all(|byte| *byte == 7));
        }
        Err(_) => assert!(long.iter().all(|byte| *byte == 7)),
    }
});

/// A record that is cut inside a template is malformed there.
fn has_template(record: &[u8]) -> bool {
    record.iter().any(|byte| matches!(byte, 0x6f | 0xa5 | 0x70 | 0x77))
}
