//! ISO 8583 fields: the end lies in the message, and text and packed fields tell the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal::card::iso8583::{
    NUMBER_ROOM, TRACK2_ROOM, packed_expiry, packed_number, packed_track2, text_expiry, text_number,
    text_track2,
};

fuzz_target!(|message: &[u8]| {
    let _ = text_expiry(message);
    if let Ok(expiry) = packed_expiry(message) {
        let text: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text_expiry(text.as_bytes()), Ok(expiry));
    }
    if let Ok(number) = text_number(message) {
        assert!(number.end as usize <= message.len());
        assert!(number.value.of(message).iter().all(u8::is_ascii_digit));
    }
    let mut room = [0; NUMBER_ROOM];
    match packed_number(message, &mut room) {
        Ok(number) => {
            assert!(number.end as usize <= message.len());
            let text = [format!("{:02}", number.value.len).as_bytes(), number.value.of(&room)].concat();
            assert_eq!(text_number(&text).map(|text| text.value.len), Ok(number.value.len));
        }
        Err(_) => assert_eq!(room, [0; NUMBER_ROOM]),
    }
    if let Ok(track) = text_track2(message) {
        assert!(track.end as usize <= message.len());
        assert_eq!(track.value.discretionary.end(), track.end);
    }
    let mut room = [0; TRACK2_ROOM];
    match packed_track2(message, &mut room) {
        Ok(track) => {
            assert!(track.end as usize <= message.len());
            let digits = &room[..track.value.end as usize];
            let text = [format!("{:02}", digits.len()).as_bytes(), digits].concat();
            assert_eq!(text_track2(&text).map(|text| text.value.expiry), Ok(track.value.expiry));
        }
        Err(_) => assert_eq!(room, [0; TRACK2_ROOM]),
    }
});
