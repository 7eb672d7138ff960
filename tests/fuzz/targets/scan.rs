//! Scanning: hits stand in order and hold numbers, and chunks give what the whole gives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal::card::{Hit, HitForm, Scanner, detect, holds_card_number, scan};

fuzz_target!(|input: &[u8]| {
    // The first bytes say how the text is cut; the text is repeated so that it outgrows the scanner's hold.
    let Some((cuts, text)) = input.split_first_chunk::<4>() else { return };
    let text = text.repeat(usize::from(cuts[0] % 8) + 1);
    let hits: Vec<Hit> = scan(&text).collect();
    let mut end = 0;
    for hit in &hits {
        assert!(hit.at >= end);
        let span = hit.span().expect("a short text").of(&text);
        end = hit.at + u64::from(hit.len);
        assert_eq!(span.len(), hit.len as usize);
        let digits: Vec<u8> = span.iter().copied().filter(u8::is_ascii_digit).collect();
        assert!(digits.len() >= usize::from(hit.length) && (12..=19).contains(&hit.length));
        if matches!(hit.form, HitForm::Run | HitForm::Grouped) {
            assert_eq!(detect(&digits).network, hit.network);
            assert_eq!(digits.len(), usize::from(hit.length));
        }
        assert!(hit.mask.as_str().ends_with(|last: char| last.is_ascii_digit()));
    }
    assert!(hits.is_empty() || holds_card_number(&text));

    let mut scanner = Scanner::new();
    let mut in_chunks = Vec::new();
    let mut rest = &text[..];
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at((usize::from(*cut) * 37 + 1).min(rest.len()));
        scanner.feed(chunk, |hit| in_chunks.push(hit));
        rest = after;
    }
    scanner.finish(|hit| in_chunks.push(hit));
    assert_eq!(in_chunks, hits);
});
