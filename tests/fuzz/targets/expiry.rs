//! Expiries: what is read names a month, and no card is expired and too far ahead at once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal::card::{CardInput, Expiry, check};

fuzz_target!(|input: &[u8]| {
    let (now, text) =
        input.split_first_chunk::<8>().map_or((0, input), |(now, text)| (i64::from_le_bytes(*now), text));
    let Ok(expiry) = Expiry::parse(text) else { return };
    assert!((1..=12).contains(&expiry.month()) && (2000..=2099).contains(&expiry.year()));
    let (month, year) = (i32::from(expiry.month()), i32::from(expiry.year()));
    assert_eq!(Expiry::new(month, year), Ok(expiry));
    assert!(!(expiry.is_expired(now) && expiry.is_too_far(now, 0)));
    assert!(!expiry.is_expired(now) || expiry.is_expired(now.saturating_add(1)));
    let judged =
        check(&CardInput { expiry: Some((month, year)), ..CardInput::new(b"4242424242424242", now) });
    let in_force = !expiry.is_expired(now) && !expiry.is_too_far(now, 20);
    assert_eq!(judged.is_ok(), in_force);
});
