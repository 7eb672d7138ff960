//! `check` against the plain second reading of its rules: separators, length, network, Luhn check.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal::card::{CardInput, check};
use panseal::error::Param;
use panseal_fuzz::reference;

fuzz_target!(|input: &[u8]| {
    // As it stands, and as digits: few mutations of bytes are digits again.
    let digits: Vec<u8> = input.iter().take(20).map(|byte| b'0' + byte % 10).collect();
    judge(input);
    judge(&digits);
    // With the check digit that is right.
    if let Some((_, stem)) = digits.split_last() {
        for last in b'0'..=b'9' {
            judge(&[stem, &[last]].concat());
        }
    }
});

fn judge(number: &[u8]) {
    let judged = match check(&CardInput::new(number, 0)) {
        Ok(card) => Ok(card.network().name()),
        Err(violations) => {
            let first = violations.iter().next().expect("a reason");
            assert_eq!((first.param, violations.len()), (Param::Number, 1));
            Err(first.code.name())
        }
    };
    assert_eq!(judged, reference::judge(number));
}
