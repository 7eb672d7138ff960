//! Names as a track has them: what is read lies within the text, and what is written reads as what it was made of.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal::card::{
    HolderParts, HolderSpans, TRACK_NAME_MAX, check_name, parse_holder, transliterate, write_holder,
};
use panseal_fuzz::pieces;

fuzz_target!(|input: &[u8]| {
    if let Ok(HolderSpans { surname, first, middle, title, .. }) = parse_holder(input) {
        let ends = [surname.start, surname.end, first.start, first.end, middle.start, middle.end];
        assert!(ends.is_sorted() && middle.end <= title.start && title.end <= input.len());
        for part in [surname, first, middle, title] {
            let part = &input[part];
            assert!(!part.starts_with(b" ") && !part.ends_with(b" "));
        }
    }
    if let Ok(name) = transliterate(input) {
        is_of_a_track(name.as_bytes());
        let again = transliterate(name.as_bytes()).expect("a name of a track");
        assert_eq!(again.as_bytes(), name.as_bytes());
    }
    let [surname, first, middle, title] = pieces::<4>(input);
    if let Ok(name) = write_holder(&HolderParts { surname, first, middle, title }) {
        let name = name.as_bytes();
        is_of_a_track(name);
        let spans = parse_holder(name).expect("what was written");
        let part = |span: std::ops::Range<usize>| &name[span];
        let again = write_holder(&HolderParts {
            surname: part(spans.surname.clone()),
            first: part(spans.first.clone()),
            middle: part(spans.middle.clone()),
            title: part(spans.title.clone()),
        });
        assert_eq!(again.expect("what was read").as_bytes(), name);
    }
});

fn is_of_a_track(name: &[u8]) {
    assert!(name.len() <= TRACK_NAME_MAX);
    let plain = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9') || b" .-'/&".contains(byte);
    assert!(name.iter().all(plain));
    assert!(name == b" /" || check_name(name, TRACK_NAME_MAX).is_ok());
}
