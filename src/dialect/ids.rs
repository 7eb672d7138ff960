//! Ids that dialects make, so that no scanner takes one for a card number.

use crate::error::{Code, Result};
use sha2::{Digest, Sha256};

/// From this many decimal digits on, a run could be taken for a card number.
const CARD_LIKE_RUN: usize = 12;

/// A random UUID of version 4 (RFC 9562).
pub fn uuid() -> Result<String> {
    loop {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| Code::Internal)?;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        if let Some(text) = written(bytes) {
            return Ok(text);
        }
    }
}

/// The UUID of version 8 that always belongs to the same parts.
pub fn uuid_of(parts: &[&str]) -> String {
    let mut round = 0u8;
    loop {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update([round]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        match written(bytes) {
            Some(text) => return text,
            None if round == u8::MAX => return String::new(),
            None => round += 1,
        }
    }
}

/// The text of a UUID, unless it looks as if a card number stood in it.
fn written(mut bytes: [u8; 16]) -> Option<String> {
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut digits = [0; 32];
    let digits = base16ct::lower::encode_str(&bytes, &mut digits).ok()?;
    if digits.split(|char: char| !char.is_ascii_digit()).any(|run| run.len() >= CARD_LIKE_RUN) {
        return None;
    }
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Some(parts.join("-"))
}

/// A UUID in lower case, of a text that is one.
pub fn as_uuid(text: &str) -> Option<String> {
    let hyphens = [8, 13, 18, 23];
    let fine = |(place, byte): (usize, u8)| match hyphens.contains(&place) {
        true => byte == b'-',
        false => byte.is_ascii_hexdigit(),
    };
    (text.len() == 36 && text.bytes().enumerate().all(fine)).then(|| text.to_ascii_lowercase())
}

/// Twenty characters of base32hex, as PACE's framework names a request; every fourth is a letter.
pub fn request_id() -> Result<String> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).map_err(|_| Code::Internal)?;
    let letter = |value: u8| char::from(b'a' + value % 16);
    let any = |value: u8| char::from(b"0123456789abcdefghijklmnopqrstuv"[usize::from(value % 32)]);
    let chars = bytes.iter().enumerate();
    Ok(chars.map(|(place, byte)| if place % 4 == 0 { letter(*byte) } else { any(*byte) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_form() {
        for _ in 0..200 {
            let made = uuid().unwrap();
            assert_eq!(as_uuid(&made).as_deref(), Some(made.as_str()));
            assert_eq!((&made[14..15], "89ab".contains(&made[19..20])), ("4", true));
            let id = request_id().unwrap();
            assert!(id.len() == 20 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v')));
        }
        assert_eq!(uuid_of(&["a", "b"]), uuid_of(&["a", "b"]));
        assert_ne!(uuid_of(&["a", "b"]), uuid_of(&["ab", ""]));
        assert!(as_uuid(&uuid_of(&["a"])).is_some());
    }

    #[test]
    fn other_texts_are_no_uuid() {
        for text in [
            "",
            "0b6a0f4e6a524f0e8a5e2f8b3c6d7e01",
            "0b6a0f4e-6a52-4f0e-8a5e-2f8b3c6d7e0g",
            "{b6a0f4e-6a52-4f0e-8a5e-2f8b3c6d7e01",
        ] {
            assert_eq!(as_uuid(text), None, "{text}");
        }
    }
}
