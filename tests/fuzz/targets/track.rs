//! Tracks: offsets lie in the text and in order, and what stands behind a track does not change it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal::card::{
    Lrc, Pan, Separators, ServiceCode, Track, TrackFormat, parse_track, parse_track1, parse_track2,
};

fuzz_target!(|text: &[u8]| {
    let one = parse_track1(text);
    let two = parse_track2(text);
    match parse_track(text) {
        Ok(track) if track.format == TrackFormat::One => assert_eq!(one, Ok(track)),
        Ok(track) => assert_eq!(two, Ok(track)),
        Err(_) => {}
    }
    for track in [one, two].into_iter().flatten() {
        judge(&track, text);
    }
});

fn judge(track: &Track, text: &[u8]) {
    let mut end = 0;
    let name = track.name.unwrap_or(track.number);
    for span in
        [Some(track.number), Some(name), track.service_code, Some(track.discretionary)].into_iter().flatten()
    {
        assert!(span == track.number || span.at >= end);
        end = span.end();
    }
    assert!(end <= track.end && track.end as usize <= text.len());
    let number = track.number.of(text);
    match Pan::parse(number, Separators::Dropped) {
        Ok(pan) => assert!((12..=19).contains(&pan.len())),
        Err(_) => assert!(number.iter().all(|byte| matches!(byte, b'0' | b' '))),
    }
    if let Some(code) = track.service_code {
        assert!(ServiceCode::read(code.of(text)).is_ok());
    }
    let alone = match track.format {
        TrackFormat::One => parse_track1(&text[..track.end as usize]),
        TrackFormat::Two => parse_track2(&text[..track.end as usize]),
    };
    assert_eq!(alone, Ok(*track));
    if track.lrc == Lrc::Good {
        let mut wrong = text[..track.end as usize].to_vec();
        *wrong.last_mut().unwrap() ^= 1;
        let other = match track.format {
            TrackFormat::One => parse_track1(&wrong),
            TrackFormat::Two => parse_track2(&wrong),
        };
        assert!(other.is_err());
    }
}
