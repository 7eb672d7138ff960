//! JSON (RFC 8259): read by borrowing from the body, written in the order in which it is told.
//!
//! What is read is a place in the body. Nothing of it is copied but a text with escapes in it, which goes into memory
//! that is wiped: it may be a card number.

use crate::card::holds_card_number;
use crate::secret::SecretText;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use zeroize::Zeroizing;

/// The most members of an object: they are compared with each other.
const MEMBERS_MAX: usize = 256;
/// The longest text with escapes in it that is held inline, in bytes. No card number is longer.
const HELD_MAX: usize = 255;

/// A JSON value: where it stands in the body.
#[derive(Clone, Copy)]
pub struct Value<'a>(&'a str);

/// The body as one JSON value; `None` where it is not.
pub fn parse(body: &[u8]) -> Option<Value<'_>> {
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str::<&RawValue>(text).ok().map(|raw| Value(raw.get()))
}

impl<'a> Value<'a> {
    /// The value as it stands.
    pub fn raw(self) -> &'a str {
        self.0
    }

    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    pub fn boolean(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The text of a string; `None` for another type, and for one whose escapes are none.
    pub fn text(self) -> Option<Text<'a>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if !inner.contains('\\') {
            return Some(Text::Plain(inner));
        }
        if inner.len() <= HELD_MAX {
            let mut held = SecretText::new();
            for char in Unescaped(inner.chars()) {
                held.append(char?.encode_utf8(&mut [0; 4]).as_bytes());
            }
            return Some(Text::Escaped(held));
        }
        // Room for all of it at once: what grows leaves itself behind.
        let mut long = Zeroizing::new(String::with_capacity(inner.len()));
        for char in Unescaped(inner.chars()) {
            long.push(char?);
        }
        Some(Text::Long(long))
    }

    /// The members of an object; `None` for another type, one that names a member twice, and one with too many.
    pub fn object(self) -> Option<Object<'a>> {
        if !self.0.starts_with('{') {
            return None;
        }
        let object = serde_json::Deserializer::from_str(self.0).deserialize_map(Members).ok()?;
        object.names_differ().then_some(object)
    }
}

/// The text of a string.
#[allow(clippy::large_enum_variant, reason = "secrets are held inline")]
pub enum Text<'a> {
    /// As it stands in the body.
    Plain(&'a str),
    /// With its escapes read.
    Escaped(SecretText<HELD_MAX>),
    /// Likewise, but it may be too long for that.
    Long(Zeroizing<String>),
}

impl Text<'_> {
    pub fn as_str(&self) -> &str {
        match self {
            Text::Plain(text) => text,
            Text::Long(long) => long,
            Text::Escaped(held) => std::str::from_utf8(held.as_bytes()).unwrap_or_default(),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }
}

/// The members of an object.
pub struct Object<'a>(Vec<(&'a str, Value<'a>)>);

impl<'a> Object<'a> {
    /// The member of that name, be it null.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        let found = self.0.iter().find(|(quoted, _)| same(quoted, name));
        found.map(|(_, value)| *value)
    }

    /// Whether a card number is in a name or a value of the object itself, escaped or not.
    pub fn holds_card_number(&self) -> bool {
        let holds = |value: Value<'_>| match value.text() {
            Some(text) => holds_card_number(text.as_bytes()),
            None => value.0.contains('\\') || holds_card_number(value.0.as_bytes()),
        };
        self.iter().any(|(quoted, value)| holds(Value(quoted)) || holds(value))
    }

    /// The members, each with its name as it stands, in quotation marks.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + '_ {
        self.0.iter().copied()
    }

    fn names_differ(&self) -> bool {
        let differs = |place: usize, quoted: &str| {
            self.0[..place].iter().all(|(other, _)| !name_chars(quoted).eq(name_chars(other)))
        };
        self.0.iter().enumerate().all(|(place, (quoted, _))| differs(place, quoted))
    }
}

/// Whether a name as it stands is this one.
pub fn same(quoted: &str, name: &str) -> bool {
    name_chars(quoted).eq(name.chars().map(Some))
}

fn name_chars(quoted: &str) -> Unescaped<'_> {
    Unescaped(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().chars())
}

/// The characters of a string, its escapes read; `None` for one that is half of a pair.
struct Unescaped<'a>(std::str::Chars<'a>);

impl Iterator for Unescaped<'_> {
    type Item = Option<char>;

    fn next(&mut self) -> Option<Option<char>> {
        let char = self.0.next()?;
        if char != '\\' {
            return Some(Some(char));
        }
        Some(match self.0.next() {
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('u') => self.unicode(),
            other => other,
        })
    }
}

impl Unescaped<'_> {
    fn unicode(&mut self) -> Option<char> {
        let first = self.four()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        let rest = self.0.as_str().strip_prefix("\\u")?;
        self.0 = rest.chars();
        let second = self.four().filter(|second| (0xdc00..0xe000).contains(second))?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn four(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |value, _| Some(value << 4 | self.0.next()?.to_digit(16)?))
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            if members.len() == MEMBERS_MAX {
                return Err(serde::de::Error::custom("too many members"));
            }
            members.push((name.get(), Value(value.get())));
        }
        Ok(Object(members))
    }
}

/// An object, written by `fill`.
pub fn object(fill: impl FnOnce(&mut Writer<'_>)) -> String {
    let mut out = String::with_capacity(256);
    write_object(&mut out, fill);
    out
}

/// An array of objects, one for each item, written by `fill`.
pub fn array<T>(items: impl IntoIterator<Item = T>, mut fill: impl FnMut(&mut Writer<'_>, T)) -> String {
    let mut out = String::from("[");
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write_object(&mut out, |members| fill(members, item));
    }
    out.push(']');
    out
}

/// A string.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_text(&mut out, text);
    out
}

fn write_object(out: &mut String, fill: impl FnOnce(&mut Writer<'_>)) {
    out.push('{');
    fill(&mut Writer { out, first: true });
    out.push('}');
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => out.push(char),
        }
    }
    out.push('"');
}

/// The members of an object that is being written. Their names are ours and need no escapes.
pub struct Writer<'o> {
    out: &'o mut String,
    first: bool,
}

impl Writer<'_> {
    fn name(&mut self, name: &str) -> &mut String {
        self.out.push_str(if self.first { "\"" } else { ",\"" });
        self.first = false;
        self.out.push_str(name);
        self.out.push_str("\":");
        self.out
    }

    pub fn text(&mut self, name: &str, text: &str) {
        write_text(self.name(name), text);
    }

    /// A string, or null.
    pub fn maybe(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.null(name),
        }
    }

    pub fn null(&mut self, name: &str) {
        self.raw(name, "null");
    }

    pub fn number(&mut self, name: &str, number: u64) {
        let text = number.to_string();
        self.raw(name, &text);
    }

    pub fn boolean(&mut self, name: &str, value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, name: &str, json: &str) {
        self.name(name).push_str(json);
    }

    /// A member as it was read: its name in quotation marks, its value.
    pub fn member(&mut self, quoted: &str, value: Value<'_>) {
        self.out.push_str(if self.first { "" } else { "," });
        self.first = false;
        self.out.push_str(quoted);
        self.out.push(':');
        self.out.push_str(value.raw());
    }

    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Writer<'_>)) {
        write_object(self.name(name), fill);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> Option<String> {
        Some(parse(json.as_bytes())?.text()?.as_str().to_owned())
    }

    #[test]
    fn a_string_is_read_with_its_escapes() {
        assert_eq!(text(r#""abc""#).as_deref(), Some("abc"));
        assert_eq!(text(r#" "4\u0032\u00e9\ud83d\ude00\n\"\\\/" "#).as_deref(), Some("42é😀\n\"\\/"));
        for json in [r#""\ud83d""#, r#""\ud83d\u0041""#, r#""\ude00""#, "7", "null", "[]", r#"{"a":"b"}"#] {
            assert_eq!(text(json), None, "{json}");
        }
        assert_eq!(text(&format!("\"\\n{}\"", "é".repeat(300))), Some(format!("\n{}", "é".repeat(300))));
    }

    #[test]
    fn a_body_is_one_value_of_json() {
        for json in
            ["", " ", "{", "{}{}", "{\"a\":1,}", "{a:1}", "\"\u{1}\"", "01", "nul", "\u{feff}{}", "'a'"]
        {
            assert!(parse(json.as_bytes()).is_none(), "{json:?}");
        }
        assert!(parse(b"\"\xff\"").is_none());
        let deep = "[".repeat(30_000) + &"]".repeat(30_000);
        assert!(parse(deep.as_bytes()).is_some_and(|value| value.object().is_none()));
    }

    #[test]
    fn an_object_names_a_member_once_however_it_is_written() {
        let object = |json: &'static str| parse(json.as_bytes()).and_then(Value::object);
        let found = object(r#"{"a":1,"\u0062":null}"#).unwrap();
        assert_eq!(found.get("a").map(Value::raw), Some("1"));
        assert!(found.get("b").unwrap().is_null());
        assert!(found.get("c").is_none());
        assert!(object(r#"{"a":1,"a":2}"#).is_none());
        assert!(object(r#"{"a":1,"\u0061":2}"#).is_none());
        let many: Vec<String> = (0..300).map(|place| format!("\"m{place}\":0")).collect();
        let many = format!("{{{}}}", many.join(","));
        assert!(parse(many.as_bytes()).unwrap().object().is_none());
    }

    #[test]
    fn what_is_written_is_json_in_the_order_it_was_told() {
        let json = object(|members| {
            members.text("a", "x\"\\\n");
            members.maybe("b", None);
            members.object("c", |inner| inner.boolean("d", true));
        });
        assert_eq!(json, r#"{"a":"x\"\\\u000a","b":null,"c":{"d":true}}"#);
        assert_eq!(array([1, 2], |item, number| item.number("n", number)), r#"[{"n":1},{"n":2}]"#);
    }
}
