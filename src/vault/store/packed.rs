//! Tokens as the tables hold them: shorter than their texts.
//!
//! A byte says which form it is; behind it stands
//! - 1: the 24 bytes of 48 lower-case hexadecimal digits,
//! - 2: the 16 bytes of a UUID in its usual form, in lower case,
//! - 3: the text of any other token.
//!
//! Each token has one form. Listings are in the order of these bytes, in every store.

use super::{hex as in_hex, unreadable};
use crate::error::{Code, Error, Result};
use crate::scheme::{TOKEN_MAX, Token};
use sha2::{Digest, Sha256};
use std::ops::Range;

const HEX: u8 = 1;
const UUID: u8 = 2;
const TEXT: u8 = 3;

/// Length of a token of hexadecimal digits, and the bytes of it.
const HEX_LEN: usize = 48;
const HEX_BYTES: usize = HEX_LEN / 2;
/// Length of a UUID's text, and the bytes of it.
const UUID_LEN: usize = 36;
const UUID_BYTES: usize = 16;
/// Where a UUID's text has hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// The digits between them, and the place of the first among all digits.
const PARTS: [(Range<usize>, usize); 5] = [(0..8, 0), (9..13, 8), (14..18, 12), (19..23, 16), (24..36, 20)];

/// A packed token, or a place between tokens. In the order of its bytes: what is shorter has zeros behind it, which no
/// text has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Packed {
    bytes: [u8; 1 + TOKEN_MAX],
    len: u8,
}

impl Packed {
    /// Before all tokens.
    pub const FIRST: Packed = Packed { bytes: [0; 1 + TOKEN_MAX], len: 0 };
    /// Behind all tokens.
    pub const LAST: Packed = Packed { bytes: [u8::MAX; 1 + TOKEN_MAX], len: 1 + TOKEN_MAX as u8 };

    /// A token's place.
    pub fn of(token: &Token) -> Packed {
        Packed::of_text(token.as_str())
    }

    /// The place of a text among the tokens; of one that is longer than a token the place of its beginning. An empty
    /// text is before all tokens.
    pub fn of_text(text: &str) -> Packed {
        let mut packed = Packed::FIRST;
        let text = text.as_bytes();
        if text.is_empty() {
            return packed;
        }
        let rest = &mut packed.bytes[1..];
        let (form, len) = if hex(text, rest) {
            (HEX, HEX_BYTES)
        } else if uuid(text, rest) {
            (UUID, UUID_BYTES)
        } else {
            let len = text.len().min(TOKEN_MAX);
            rest.fill(0);
            rest[..len].copy_from_slice(&text[..len]);
            (TEXT, len)
        };
        packed.bytes[0] = form;
        packed.len = 1 + len as u8;
        packed
    }

    /// The bytes of the column.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Where a row of a token is to be looked for.
pub enum Place {
    /// At these bytes.
    Token(Packed),
    /// At these bytes, which are no token.
    Bytes(Vec<u8>),
    /// At bytes which are no token, begin like this, and have this hash.
    Like(Vec<u8>, String),
}

/// How many bytes of a column are in the name of one that cannot be read, and of one that is longer.
const NAMED: usize = 26;
const BEGINNING: usize = 8;

impl Place {
    /// The place of a token, or of one that cannot be read. `None` for a name that none has.
    pub fn of(token: &str) -> Option<Place> {
        let Some(name) = token.strip_prefix(&unreadable(b"")) else {
            return Some(Place::Token(Packed::of_text(token)));
        };
        let bytes = |digits: &str| {
            let mut room = [0; NAMED];
            base16ct::lower::decode(digits, &mut room).ok().map(<[u8]>::to_vec)
        };
        match name.split_once('.') {
            None => bytes(name).filter(|bytes| unpack(bytes).is_err()).map(Place::Bytes),
            Some((beginning, hash)) => Some(Place::Like(bytes(beginning)?, hash.into())),
        }
    }

    /// The bytes of the column; none where they are yet to be looked for.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Place::Token(packed) => packed.as_bytes(),
            Place::Bytes(bytes) => bytes,
            Place::Like(..) => &[],
        }
    }

    /// The one among the bytes of columns that is meant.
    pub fn choose(like: &[u8], hash: &str, columns: Vec<Vec<u8>>) -> Option<Vec<u8>> {
        let is_meant =
            |bytes: &Vec<u8>| bytes.starts_with(like) && hash_of(bytes) == hash && unpack(bytes).is_err();
        columns.into_iter().find(is_meant)
    }
}

/// The token of a column; for bytes that no token has, a name that leads to them: the bytes, or their beginning and a
/// hash. It has a space, which no token has.
pub fn unpack_or_name(bytes: &[u8]) -> (Token, bool) {
    if let Ok(token) = unpack(bytes) {
        return (token, true);
    }
    let mut name = unreadable(bytes.get(..BEGINNING).filter(|_| bytes.len() > NAMED).unwrap_or(bytes));
    if bytes.len() > NAMED {
        name = format!("{name}.{}", hash_of(bytes));
    }
    (Token::of_unreadable(&name), false)
}

fn hash_of(bytes: &[u8]) -> String {
    in_hex(&Sha256::digest(bytes)[..16])
}

/// The token of a column. `Tampered` for bytes that no token has, or not in its one form.
pub fn unpack(bytes: &[u8]) -> Result<Token> {
    let tampered = |_: Error| Error::from(Code::Tampered);
    match bytes.split_first() {
        Some((&HEX, rest)) if rest.len() == HEX_BYTES => {
            let mut text = [0; HEX_LEN];
            let text = base16ct::lower::encode(rest, &mut text).map_err(|_| Code::Internal)?;
            Token::parse(text).map_err(tampered)
        }
        Some((&UUID, rest)) if rest.len() == UUID_BYTES => Token::parse(&uuid_text(rest)?).map_err(tampered),
        Some((&TEXT, rest)) => {
            let mut room = [0; 1 + TOKEN_MAX];
            let has_shorter_form = hex(rest, &mut room) || uuid(rest, &mut room);
            if has_shorter_form { Err(Code::Tampered.into()) } else { Token::parse(rest).map_err(tampered) }
        }
        _ => Err(Code::Tampered.into()),
    }
}

/// Whether a text is the hexadecimal digits of a token; then their bytes are in `out`.
fn hex(text: &[u8], out: &mut [u8]) -> bool {
    text.len() == HEX_LEN && base16ct::lower::decode(text, &mut out[..HEX_BYTES]).is_ok()
}

/// Whether a text is a UUID; then its bytes are in `out`.
fn uuid(text: &[u8], out: &mut [u8]) -> bool {
    if text.len() != UUID_LEN || HYPHENS.iter().any(|at| text[*at] != b'-') {
        return false;
    }
    let mut digits = [0; 2 * UUID_BYTES];
    for (part, at) in PARTS {
        digits[at..at + part.len()].copy_from_slice(&text[part]);
    }
    base16ct::lower::decode(digits, &mut out[..UUID_BYTES]).is_ok()
}

fn uuid_text(bytes: &[u8]) -> Result<[u8; UUID_LEN]> {
    let mut digits = [0; 2 * UUID_BYTES];
    base16ct::lower::encode(bytes, &mut digits).map_err(|_| Code::Internal)?;
    let mut text = [b'-'; UUID_LEN];
    for (part, at) in PARTS {
        let len = part.len();
        text[part].copy_from_slice(&digits[at..at + len]);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGITS: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";
    const ID: &str = "01234567-89ab-4def-8123-456789abcdef";

    fn packed(text: &str) -> Packed {
        Packed::of(&Token::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_token_of_each_form_comes_back_as_it_was() {
        let long = "x".repeat(TOKEN_MAX);
        let shapes = [
            (DIGITS, 25),
            (ID, 17),
            (&DIGITS.to_uppercase(), 49),
            (&ID.to_uppercase(), 37),
            (&DIGITS[1..], 48),
            (&DIGITS[..32], 33),
            ("01234567-89ab-4def-8123-456789abcde-", 37),
            ("0123456-789ab-4def-8123-456789abcdef", 37),
            ("9411122233334444", 17),
            ("a", 2),
            (&long, 65),
        ];
        for (text, len) in shapes {
            let packed = packed(text);
            assert_eq!(packed.as_bytes().len(), len, "{text}");
            assert_eq!(unpack(packed.as_bytes()).unwrap().as_str(), text);
        }
    }

    #[test]
    fn bytes_that_are_no_token_or_not_in_its_one_form_are_tampered() {
        let as_text = |text: &str| [&[TEXT], text.as_bytes()].concat();
        let long = "x".repeat(TOKEN_MAX + 1);
        let none: [&[u8]; 8] = [&[], &[0], &[HEX], &[UUID], &[TEXT], b"\x04a", b"\x03a b", &[HEX; 24]];
        for bytes in none.into_iter().chain([&as_text(DIGITS)[..], &as_text(ID), &as_text(&long)]) {
            assert_eq!(unpack(bytes).unwrap_err().code(), Code::Tampered, "{bytes:x?}");
        }
    }

    #[test]
    fn bytes_that_are_no_token_have_a_name_that_leads_to_them_and_that_no_token_has() {
        let long = [&[TEXT][..], &[b'x'; 70]].concat();
        let longer = [&long[..], b"y"].concat();
        for bytes in [&[][..], &[0], &[TEXT, b' '], &[HEX; 24], &[0xff; 26], &long, &longer] {
            let (name, is_token) = unpack_or_name(bytes);
            assert!(!is_token && Token::parse(name.as_bytes()).is_err());
            match Place::of(name.as_str()).unwrap() {
                Place::Bytes(found) => assert_eq!(found, bytes),
                Place::Like(like, hash) => {
                    let columns = || vec![vec![TEXT, b'a'], long.clone(), longer.clone()];
                    assert_eq!(Place::choose(&like, &hash, columns()).unwrap(), bytes);
                    assert!(Place::choose(&like, "", columns()).is_none());
                }
                Place::Token(_) => panic!("{bytes:x?} is no token"),
            }
        }
    }

    #[test]
    fn the_name_of_an_unreadable_token_leads_to_no_token() {
        let (token, is_token) = unpack_or_name(packed(DIGITS).as_bytes());
        assert!(is_token && token.as_str() == DIGITS);
        for name in [
            unreadable(packed(DIGITS).as_bytes()),
            unreadable(b"").clone() + "0g",
            unreadable(b"").clone() + "0g.00",
        ] {
            assert!(Place::of(&name).is_none(), "{name}");
        }
        let (of_token, hash) =
            (packed("a".repeat(60).as_str()), hash_of(packed("a".repeat(60).as_str()).as_bytes()));
        let columns = vec![of_token.as_bytes().to_vec()];
        assert!(Place::choose(&of_token.as_bytes()[..8], &hash, columns).is_none());
    }

    #[test]
    fn an_empty_text_is_before_all_tokens() {
        assert!(Packed::of_text("").as_bytes().is_empty());
        for text in [DIGITS, ID, "!", "~"] {
            assert!(Packed::of_text("") < packed(text) && packed(text) < Packed::LAST);
        }
    }

    proptest! {
        #[test]
        fn any_token_comes_back_and_the_order_is_that_of_the_columns_bytes(
            one in "[!-~]{1,64}|[0-9a-f]{48}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
            other in "[!-~]{1,64}|[0-9a-f]{48}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        ) {
            let (a, b) = (packed(&one), packed(&other));
            let back = unpack(a.as_bytes()).unwrap();
            prop_assert_eq!(back.as_str(), &one);
            prop_assert_eq!(a.cmp(&b), a.as_bytes().cmp(b.as_bytes()));
            prop_assert_eq!(a == b, one == other);
        }
    }
}
