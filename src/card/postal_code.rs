//! The postal code of the United States: ZIP, or ZIP+4.

use crate::error::Code;

/// Judges a postal code: five digits, or nine with or without a hyphen behind the fifth.
///
/// # Errors
///
/// [`Code::Malformed`] for anything else.
pub fn check_postal_code(text: &[u8]) -> Result<(), Code> {
    let digits = |part: &[u8], count| part.len() == count && part.iter().all(u8::is_ascii_digit);
    let right = match text.split_at_checked(5) {
        Some((zip, b"")) => digits(zip, 5),
        Some((zip, more)) => digits(zip, 5) && digits(more.strip_prefix(b"-").unwrap_or(more), 4),
        None => false,
    };
    if right { Ok(()) } else { Err(Code::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zip_and_zip_plus_four_are_taken() {
        for text in ["01234", "01234-5678", "012345678"] {
            assert_eq!(check_postal_code(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "0123",
            "012345",
            "01234-",
            "01234-567",
            "01234 5678",
            "0123-45678",
            "-012345678",
            "SW1A 1AA",
            "0123a",
        ] {
            assert_eq!(check_postal_code(text.as_bytes()), Err(Code::Malformed), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let _ = check_postal_code(&bytes);
        }
    }
}
