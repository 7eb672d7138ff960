//! Numbers: reading, rank, mask, and the Luhn check against the plain one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal::card::{Pan, Separators, detect, luhn_ok, residue};
use panseal_fuzz::reference;

fuzz_target!(|text: &[u8]| {
    detect(text);
    assert_eq!(luhn_ok(text), residue(text) == Some(0));
    let strict = Pan::parse(text, Separators::Refused);
    let lenient = Pan::parse(text, Separators::Dropped);
    match (&lenient, reference::digits(text)) {
        (Ok(pan), Ok(digits)) => {
            assert!(pan.digits() == digits.as_bytes());
            assert_eq!(luhn_ok(pan.digits()), reference::luhn(&digits));
            let back = Pan::from_rank(pan.rank()).expect("the rank of a number");
            assert!(back.digits() == pan.digits());
            let shown = pan.mask().as_str().bytes().filter(u8::is_ascii_digit).count();
            assert!(shown <= 10 && pan.mask().as_str().len() == pan.len());
            assert!(pan.iin().len() + 4 < pan.len());
        }
        (Err(code), Err(name)) => assert_eq!(code.name(), name),
        (read, expected) => panic!("{:?} is not {expected:?}", read.as_ref().err()),
    }
    if let Ok(strict) = strict {
        assert!(strict.digits() == text);
    }
});
