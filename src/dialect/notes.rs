//! What a dialect keeps beside an instrument or a customer: a member of a JSON object, named after the dialect. Each
//! reads and changes its own and leaves those of the others as they are.

use super::json;
use crate::error::{Code, Result};

/// A dialect's own member of such an object, as JSON; empty where it has none.
pub fn own<'n>(notes: &'n [u8], dialect: &str) -> &'n str {
    let member = json::parse(notes).and_then(json::Value::object).and_then(|all| all.get(dialect));
    member.map_or("", json::Value::raw)
}

/// The object with a dialect's own member changed. `Tampered` where it is none: nobody else writes here.
pub fn with_own(notes: &[u8], dialect: &str, member: &str) -> Result<String> {
    let mut others = Vec::new();
    if !notes.is_empty() {
        let all = json::parse(notes).and_then(json::Value::object).ok_or(Code::Tampered)?;
        others.extend(all.iter().filter(|(quoted, _)| !json::same(quoted, dialect)));
    }
    Ok(json::object(|members| {
        for (quoted, value) in others {
            members.member(quoted, value);
        }
        members.raw(dialect, member);
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_do_not_touch_each_others_notes() {
        let one = with_own(b"", "a", r#"{"x":1}"#).unwrap();
        let two = with_own(one.as_bytes(), "b", "[2]").unwrap();
        let three = with_own(two.as_bytes(), "a", r#"{"x":3}"#).unwrap();
        assert_eq!((own(three.as_bytes(), "a"), own(three.as_bytes(), "b")), (r#"{"x":3}"#, "[2]"));
        assert_eq!(own(b"", "a"), "");
        assert_eq!(own(b"host's own bytes", "a"), "");
        assert_eq!(with_own(b"host's own bytes", "a", "1").unwrap_err().code(), Code::Tampered);
    }
}
