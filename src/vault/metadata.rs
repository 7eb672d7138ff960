//! Metadata: what a merchant may note beside a card. A small JSON object (RFC 8259), and never a card number; nor is
//! one in any other text that is kept in the clear.

use crate::card::{Pan, holds_card_number, scan};
use crate::error::{Code, Error, Param, Result, Violations};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// The longest metadata, in bytes of JSON.
pub const METADATA_MAX: usize = 4096;
/// The most members of the object.
const MEMBERS_MAX: usize = 16;

/// Checks metadata; empty is none.
///
/// `Card` with a violation of [`Param::Metadata`]: `TooLong` beyond 4096 bytes or 16 members, `Malformed` for what is
/// not a JSON object or names a member twice, `Charset` where a card number or track data is in it, escaped or not.
pub fn check_metadata(json: &str) -> Result<()> {
    if json.is_empty() {
        return Ok(());
    }
    if json.len() > METADATA_MAX {
        return Err(refused(Code::TooLong));
    }
    let mut found = Found::default();
    let mut parser = serde_json::Deserializer::from_str(json);
    let parsed = Look { found: &mut found, depth: 0 }.deserialize(&mut parser).and_then(|()| parser.end());
    match found {
        _ if holds_card_number(json.as_bytes()) => Err(refused(Code::Charset)),
        Found { card_number: true, .. } => Err(refused(Code::Charset)),
        Found { members, .. } if members > MEMBERS_MAX => Err(refused(Code::TooLong)),
        Found { is_object: false, .. } => Err(refused(Code::Malformed)),
        _ => parsed.map_err(|_| refused(Code::Malformed)),
    }
}

/// Refuses a text about a card or a person that holds a card number or track data, as metadata is refused.
pub fn check_note(text: &str) -> Result<()> {
    if holds_card_number(text.as_bytes()) { Err(refused(Code::Charset)) } else { Ok(()) }
}

/// [`check_note`] for ids and keys, which machines make too: as [`scan()`] finds them, for which digits in the middle
/// of a hash or a token are no card number.
pub fn refuse_card_number(id: &str) -> Result<()> {
    let digits = id.bytes().filter(u8::is_ascii_digit).count();
    if digits >= Pan::MIN_LEN && scan(id.as_bytes()).next().is_some() {
        return Err(refused(Code::Charset));
    }
    Ok(())
}

fn refused(code: Code) -> Error {
    let mut violations = Violations::default();
    violations.add(Param::Metadata, code);
    violations.into()
}

#[derive(Default)]
struct Found {
    is_object: bool,
    members: usize,
    card_number: bool,
}

/// Looks at a JSON value as it goes by; nothing of it is kept but the names of the members at hand.
struct Look<'f> {
    found: &'f mut Found,
    depth: u32,
}

impl Look<'_> {
    fn text(&mut self, text: &str) {
        self.found.card_number |= holds_card_number(text.as_bytes());
    }

    fn inside(&mut self) -> Look<'_> {
        Look { found: self.found, depth: self.depth + 1 }
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.text(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.inside())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.found.is_object |= self.depth == 0;
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            self.text(&name);
            if self.depth == 0 {
                self.found.members += 1;
            }
            if !names.insert(name) {
                return Err(A::Error::custom("a member's name comes twice"));
            }
            members.next_value_seed(self.inside())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(json: &str) -> Option<Code> {
        let error = check_metadata(json).err()?;
        let mut violations = error.violations().iter();
        let violation = violations.next().unwrap();
        assert_eq!((error.code(), violation.param), (Code::Card, Param::Metadata));
        Some(violation.code)
    }

    #[test]
    fn a_small_json_object_is_taken() {
        for json in ["", "{}", r#"{"order":"7","n":12,"list":[1,null,true,{"a":1.5}]}"#, " { } "] {
            assert_eq!(code(json), None, "{json}");
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        for json in ["[]", "7", "\"x\"", "null", "{", "{}{}", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "{a:1}"] {
            assert_eq!(code(json), Some(Code::Malformed), "{json}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500));
        assert_eq!(code(&deep), Some(Code::Malformed));
    }

    #[test]
    fn no_card_number_hides_in_it() {
        for json in [
            r#"{"note":"4242424242424242"}"#,
            r#"{"note":"4242 4242 4242 4242"}"#,
            r#"{"note":4242424242424242}"#,
            r#"{"4242424242424242":1}"#,
            r#"{"note":"42424242424242\u0034\u0032"}"#,
            r#"{"a":{"b":["x",{"c":"4242-4242-4242-4242"}]}}"#,
            r#"{"t":";4242424242424242=30121011000012345678?"}"#,
            "[4242424242424242]",
        ] {
            assert_eq!(code(json), Some(Code::Charset), "{json}");
        }
        assert_eq!(code(r#"{"order":"4242424242424241","phone":"+385911234567"}"#), None);
    }

    #[test]
    fn no_card_number_is_an_id_and_what_machines_make_is_none() {
        for id in ["4242424242424242", "4242-4242-4242-4242", "card 4242 4242 4242 4242", "u:378282246310005"]
        {
            let refused = refuse_card_number(id).unwrap_err();
            assert_eq!((refused.code(), refused.violations().len()), (Code::Card, 1), "{id}");
            assert!(check_note(id).is_err(), "{id}");
        }
        for id in [
            "",
            "c-1",
            "4242424242424241",
            "2026-11-21T11:24:18.123456Z",
            "4242424242424242a4f1c0de77aa01e2",
            "3f2504e0-4f89-41d3-9a0c-424242424242",
        ] {
            assert_eq!(refuse_card_number(id).err(), None, "{id}");
        }
    }

    #[test]
    fn it_is_small() {
        let members = |count| {
            let members: Vec<String> = (0..count).map(|place| format!("\"m{place}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(code(&members(16)), None);
        assert_eq!(code(&members(17)), Some(Code::TooLong));
        let long = |len: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(len - 8));
        assert_eq!(code(&long(4096)), None);
        assert_eq!(code(&long(4097)), Some(Code::TooLong));
    }
}
