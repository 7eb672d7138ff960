//! What a string looks like, offline: never a proof.

use super::hex::{Alphabet, from_token};
use super::numeric::luhn_residue;
use super::{mac, siv};
use crate::card::{self, LuhnRule, Pan, Separators};

/// The shapes that a string has; more than one may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shapes {
    /// 12 to 19 digits that a network's number could have.
    pub pan: bool,
    /// 12 to 19 digits with a Luhn residue of 1 to 9: that slot.
    pub numeric_token: Option<u8>,
    /// 48 lower-case hex digits: `random` or `siv`.
    pub hex_token: bool,
    /// 48 letters `a` to `p`: `siv:letters`.
    pub letters_token: bool,
    /// A UUID of version 4: `random:uuid`.
    pub uuid: bool,
    /// 64 lower-case hex digits: `mac`.
    pub mac: bool,
}

/// The shapes of a string. It looks at characters and check digits alone, and knows of no key and no vault.
pub fn classify(text: &[u8]) -> Shapes {
    let mut shapes = Shapes {
        hex_token: from_token::<{ siv::LEN }>(text, Alphabet::Hex).is_some(),
        letters_token: from_token::<{ siv::LEN }>(text, Alphabet::Letters).is_some(),
        uuid: is_uuid(text),
        mac: from_token::<{ mac::LEN }>(text, Alphabet::Hex).is_some(),
        ..Shapes::default()
    };
    if let Ok(pan) = Pan::parse(text, Separators::Refused) {
        let residue = luhn_residue(pan.digits());
        let found = card::detect(pan.digits());
        let without_luhn = found.network.luhn() != LuhnRule::Required;
        shapes.pan = found.lengths.contains(pan.len()) && (residue == 0 || without_luhn);
        shapes.numeric_token = (residue != 0).then_some(residue);
    }
    shapes
}

/// 8-4-4-4-12 lower-case hex digits, version 4, variant 1 (RFC 9562).
fn is_uuid(text: &[u8]) -> bool {
    let fits = |(place, byte): (usize, &u8)| match place {
        8 | 13 | 18 | 23 => *byte == b'-',
        14 => *byte == b'4',
        19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    text.len() == 36 && text.iter().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(change: impl FnOnce(&mut Shapes)) -> Shapes {
        let mut shapes = Shapes::default();
        change(&mut shapes);
        shapes
    }

    #[test]
    fn each_shape_is_told_by_its_characters() {
        assert_eq!(classify(b"4242424242424242"), shapes(|shapes| shapes.pan = true));
        assert_eq!(classify(b"4242424242424245"), shapes(|shapes| shapes.numeric_token = Some(3)));
        assert_eq!(classify(&b"0a".repeat(24)), shapes(|shapes| shapes.hex_token = true));
        assert_eq!(classify(&b"ap".repeat(24)), shapes(|shapes| shapes.letters_token = true));
        assert_eq!(classify(&b"0a".repeat(32)), shapes(|shapes| shapes.mac = true));
        assert_eq!(classify(b"f47ac10b-58cc-4372-a567-0e02b2c3d479"), shapes(|shapes| shapes.uuid = true));
        for text in
            [&b""[..], b"x", b"42424242424", b"f47ac10b-58cc-5372-a567-0e02b2c3d479", &b"0A".repeat(24)]
        {
            assert_eq!(classify(text), Shapes::default());
        }
    }

    #[test]
    fn letters_that_are_hex_digits_too_have_two_shapes() {
        let both = shapes(|shapes| (shapes.hex_token, shapes.letters_token) = (true, true));
        assert_eq!(classify(&b"af".repeat(24)), both);
    }

    #[test]
    fn a_number_of_a_network_without_a_check_digit_can_also_be_a_token() {
        let found = classify(b"6212345678900000001");
        assert!(found.pan && found.numeric_token.is_some());
    }
}
