//! `check`, and `check_number` by every path that the machine has, against the plain second reading of their rules:
//! separators, length, network, Luhn check.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal::card::{CardInput, NumberCheck, Separators, check, check_number, force_path};
use panseal::error::Param;
use panseal_fuzz::reference::{self, Good};

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
    let expected = reference::judge(number);
    let refusing = reference::judge_without_separators(number);
    for path in (0..).take_while(|path| force_path(*path)) {
        assert_eq!(by_check(number), expected, "path {path}");
        assert_eq!(told(check_number(number, Separators::Dropped)), expected, "path {path}");
        assert_eq!(told(check_number(number, Separators::Refused)), refusing, "path {path}");
    }
}

fn by_check(number: &[u8]) -> Result<Good, &'static str> {
    match check(&CardInput::new(number, 0)) {
        Ok(card) => Ok(Good {
            network: card.network().name(),
            length: card.number().len(),
            last4: String::from_utf8(card.number().last4().to_vec()).expect("digits"),
        }),
        Err(violations) => {
            let first = violations.iter().next().expect("a reason");
            assert_eq!((first.param, violations.len()), (Param::Number, 1));
            Err(first.code.name())
        }
    }
}

fn told(number: NumberCheck) -> Result<Good, &'static str> {
    match number.code() {
        None => Ok(Good {
            network: number.network().name(),
            length: number.length(),
            last4: String::from_utf8(number.last4().to_vec()).expect("digits"),
        }),
        Some(code) => {
            assert_eq!((number.network().name(), number.length(), number.last4()), ("UNKNOWN", 0, [0; 4]));
            Err(code.name())
        }
    }
}
