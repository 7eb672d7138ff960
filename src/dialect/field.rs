//! Fields of a request: present or not, of the right type or not. An explicit null is an absent field.

use super::json::{Object, Text};
use crate::card::{Card, CardInput, holds_card_number};
use crate::error::{Code, Param, Violations};

/// A field that should be a string.
#[allow(clippy::large_enum_variant, reason = "secrets are held inline")]
pub enum Field<'a> {
    Absent,
    /// Of another type, or with escapes that are none.
    Wrong,
    Given(Text<'a>),
}

impl<'a> Field<'a> {
    pub fn of(object: &Object<'a>, name: &str) -> Field<'a> {
        match object.get(name) {
            None => Field::Absent,
            Some(value) if value.is_null() => Field::Absent,
            Some(value) => value.text().map_or(Field::Wrong, Field::Given),
        }
    }

    /// The text, or an empty one.
    pub fn as_str(&self) -> &str {
        match self {
            Field::Given(text) => text.as_str(),
            _ => "",
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Field::Absent)
    }

    pub fn is_wrong(&self) -> bool {
        matches!(self, Field::Wrong)
    }

    /// Whether it was given, with something in it.
    pub fn is_filled(&self) -> bool {
        !self.as_str().is_empty()
    }
}

/// Whether a text may be kept: no control characters in it, no card number, and at most so many characters.
pub fn is_keepable(text: &str, max: usize) -> bool {
    text.chars().count() <= max && !text.chars().any(char::is_control) && !holds_card_number(text.as_bytes())
}

/// [`is_keepable`] for a text of several lines.
pub fn is_keepable_note(text: &str, max: usize) -> bool {
    let lines = |char: char| matches!(char, '\n' | '\r' | '\t');
    text.chars().count() <= max
        && text.split(lines).all(|line| is_keepable(line, max))
        && !holds_card_number(text.as_bytes())
}

/// What is wrong with a card that was judged, field by field.
pub struct Judged<'c>(pub Result<Card<'c>, Violations>);

impl<'c> Judged<'c> {
    pub fn new(input: &CardInput<'c>) -> Judged<'c> {
        Judged(crate::card::check(input))
    }

    /// The violation of a field.
    pub fn code(&self, param: Param) -> Option<Code> {
        let violations = self.0.as_ref().err()?;
        violations.iter().find(|violation| violation.param == param).map(|violation| violation.code)
    }
}
