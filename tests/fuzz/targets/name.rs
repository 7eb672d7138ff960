//! Names: what is taken is text, no longer than allowed, and no card number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal::card::{check_name, check_postal_code};

fuzz_target!(|input: &[u8]| {
    let _ = check_postal_code(input);
    let Some((max, text)) = input.split_first() else { return };
    let Ok(name) = check_name(text, usize::from(*max)) else { return };
    assert_eq!(name.as_bytes(), text);
    assert!(name.chars().count() <= usize::from(*max));
    let joined: String = name.chars().filter(|char| !matches!(char, ' ' | '-')).collect();
    assert!(!joined.as_bytes().windows(12).any(|window| window.iter().all(u8::is_ascii_digit)));
});
