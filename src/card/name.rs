//! The cardholder's name: Latin letters, and no card number in disguise.

use crate::error::Code;

/// A run of digits as long as the shortest card number.
pub(super) const NUMBER_RUN: usize = 12;

/// Judges a cardholder's name and gives it back as text.
///
/// A name has letters of the Latin script (with combining diacritics), ASCII digits, spaces and
/// `. ' ’ - / & , ( )`: at least one letter, and at most `max` characters (Unicode scalar values).
/// ISO/IEC 7813 has room for 26.
///
/// # Errors
///
/// The first of these that is met while reading:
/// - [`Code::Charset`]: another character, or no UTF-8.
/// - [`Code::Malformed`]: 12 or more digits in a row, whatever spaces, hyphens and diacritics stand between
///   them, which is a card number typed into the wrong field; or, at the end, not one letter.
/// - [`Code::TooLong`]: more than `max` characters. What lies behind is not read.
pub fn check_name(text: &[u8], max: usize) -> Result<&str, Code> {
    let (head, cut) = readable(text, max);
    let mut run = 0;
    let mut letters = false;
    for (place, char) in head.chars().enumerate() {
        if place >= max {
            return Err(Code::TooLong);
        }
        match char {
            '0'..='9' => run += 1,
            ' ' | '-' => {}
            _ if is_diacritic(char) => {}
            '.' | '\'' | '’' | '/' | '&' | ',' | '(' | ')' => run = 0,
            _ if is_latin(char) => (run, letters) = (0, true),
            _ => return Err(Code::Charset),
        }
        if run >= NUMBER_RUN {
            return Err(Code::Malformed);
        }
    }
    match (cut, letters) {
        (true, _) => Err(Code::Charset),
        (false, false) => Err(Code::Malformed),
        (false, true) => Ok(head),
    }
}

/// The text up to its first byte that is not UTF-8, and whether there is such a byte.
///
/// A text too long to be a name is not read to its end: `max + 1` characters have four bytes each at most.
fn readable(text: &[u8], max: usize) -> (&str, bool) {
    let enough = max.saturating_add(1).saturating_mul(4);
    let text = text.get(..enough).unwrap_or(text);
    match text.utf8_chunks().next() {
        Some(chunk) => (chunk.valid(), chunk.valid().len() < text.len()),
        None => ("", false),
    }
}

/// A letter of Basic Latin, Latin-1, Latin Extended-A, Latin Extended-B or Latin Extended Additional.
fn is_latin(char: char) -> bool {
    match char {
        '×' | '÷' => false,
        'A'..='Z' | 'a'..='z' | 'ª' | 'º' | 'À'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => true,
        _ => false,
    }
}

/// A mark of Combining Diacritical Marks.
fn is_diacritic(char: char) -> bool {
    matches!(char, '\u{300}'..='\u{36F}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(text: &str) -> Option<Code> {
        check_name(text.as_bytes(), 26).err()
    }

    #[test]
    fn names_in_latin_script_are_taken_as_they_stand() {
        for name in [
            "ADA BYRON",
            "O'BRIEN/SEÁN PROF.",
            "D’Artagnan",
            "Ștefan Łukasiewicz-Žižek",
            "Nguyễn Thị Hồng",
            "Jose\u{301} Mª Núñez",
            "Smith & Sons (1), Ltd.",
            "LOUIS 14",
        ] {
            assert_eq!(check_name(name.as_bytes(), 26), Ok(name));
        }
    }

    #[test]
    fn other_scripts_and_signs_are_refused() {
        for name in [
            "АДА БАЙРОН",
            "Ἀδά",
            "山田太郎",
            "ADA^BYRON",
            "ADA;B",
            "A×B",
            "ADA\nB",
            "ADA\u{200b}",
            "Ada 😀",
            "A_B",
        ] {
            assert_eq!(refusal(name), Some(Code::Charset), "{name}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        for name in [&b"ADA \xff"[..], b"\xc3", b"Jos\xe9 X", b"ADA \xed\xa0\x80"] {
            assert_eq!(check_name(name, 26), Err(Code::Charset));
        }
    }

    #[test]
    fn a_name_is_measured_in_characters() {
        assert_eq!(refusal(&"Ấ".repeat(26)), None);
        assert_eq!(refusal(&"Ấ".repeat(27)), Some(Code::TooLong));
        assert_eq!(check_name(b"ADA", 2), Err(Code::TooLong));
        assert_eq!(check_name(b"ADA", 0), Err(Code::TooLong));
        assert_eq!(check_name(b"ADA", usize::MAX), Ok("ADA"));
    }

    #[test]
    fn what_lies_behind_the_limit_is_not_read() {
        let mut text = vec![b'A'; 1 << 20];
        text.push(0xff);
        assert_eq!(check_name(&text, 26), Err(Code::TooLong));
        assert_eq!(refusal(&("A".repeat(105) + "Ấ")), Some(Code::TooLong), "a character cut in two");
    }

    #[test]
    fn a_card_number_is_no_name() {
        assert_eq!(refusal("4242424242424242"), Some(Code::Malformed));
        assert_eq!(refusal("ADA 4242 4242-4242 4242"), Some(Code::Malformed));
        assert_eq!(refusal("ADA 424242424242"), Some(Code::Malformed));
        assert_eq!(refusal("ADA 4242424242\u{301}42"), Some(Code::Malformed));
        assert_eq!(refusal("ADA 42424242424"), None);
        assert_eq!(refusal("4242424242 ADA 4242"), None);
    }

    #[test]
    fn a_name_has_a_letter() {
        for name in ["", " ", "12-34", ".", "(42), 17", "\u{301}"] {
            assert_eq!(refusal(name), Some(Code::Malformed), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, max in 0..64usize) {
            if let Ok(name) = check_name(&bytes, max) {
                prop_assert!(name.as_bytes() == bytes && name.chars().count() <= max);
            }
        }
    }
}
