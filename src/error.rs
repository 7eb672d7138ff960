//! The one vocabulary of failure: the numbers of the C header, the codes of Python, the codes of violations.
//!
//! A failure is a [`Code`] and numbers. It never holds a text that was made at run time, so it can never hold a
//! byte of the input.

use std::fmt;

/// What went wrong. The numbers are those of the C header and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum Code {
    /// A pointer that must not be null is null.
    Null = 1,
    /// A value out of range, an unknown flag or name.
    Argument = 2,
    /// A struct's size is 0, too small, or its unknown tail is not zero.
    Struct = 3,
    /// The output is too small; nothing happened.
    Buffer = 4,
    /// Not an open handle of this kind.
    Handle = 5,
    /// A text is not UTF-8.
    Utf8 = 6,
    /// A callback asked to stop.
    Callback = 7,
    /// Left out of this build.
    Unsupported = 8,
    /// Too many open handles, rows or bytes.
    Limit = 9,
    /// The system has no memory left; nothing was done.
    Memory = 10,
    /// The card was refused; the violations say why.
    Card = 100,
    /// A field that is needed is absent.
    Missing = 101,
    /// A field is not of its form.
    Malformed = 102,
    /// A number has a length that its network does not use.
    Length = 103,
    /// A number fails the Luhn check.
    Luhn = 104,
    /// A number is of no known network.
    Network = 105,
    /// A card has expired.
    Expired = 106,
    /// An expiry lies further ahead than cards are issued.
    TooFar = 107,
    /// A text has characters that the field does not take.
    Charset = 108,
    /// A text is longer than the field takes.
    TooLong = 109,
    /// No such token: unknown, malformed, or another merchant's. Deliberately one answer.
    Token = 200,
    /// The instrument is not active.
    Inactive = 201,
    /// Too few hidden digits for this token scheme.
    Domain = 202,
    /// The token space is exhausted.
    Exhausted = 203,
    /// The token scheme has no way back.
    Irreversible = 204,
    /// The root key is absent, malformed, readable by others, or not the right one.
    RootKey = 205,
    /// The epoch is destroyed, or still needed.
    Epoch = 206,
    /// The database failed; [`Error::system`] has its code.
    Store = 300,
    /// The database is in use; try again.
    Busy = 301,
    /// There is no vault at that place.
    NotAVault = 302,
    /// The vault was written by a newer panseal.
    SchemaNewer = 303,
    /// A sealed field does not open.
    Tampered = 304,
    /// The idempotency key was used with another card or customer.
    Conflict = 305,
    /// The process was forked and the root key cannot be had again.
    Fork = 306,
    /// A fault inside panseal.
    Internal = 999,
}

/// One row a code: name (Python, logs, vectors) and English text.
const TABLE: &[(Code, &str, &str)] = &[
    (Code::Null, "null", "a pointer that must not be null is null"),
    (Code::Argument, "argument", "a value is out of range, or a flag or name is unknown"),
    (Code::Struct, "struct", "a struct was not initialised, or holds fields this version does not know"),
    (Code::Buffer, "buffer", "the output buffer is too small; nothing was done"),
    (Code::Handle, "handle", "not an open handle of this kind"),
    (Code::Utf8, "utf8", "a text is not valid UTF-8"),
    (Code::Callback, "callback", "a callback asked to stop"),
    (Code::Unsupported, "unsupported", "this build does not have that feature"),
    (Code::Limit, "limit", "too many open handles, rows or bytes"),
    (Code::Memory, "memory", "the system has no memory left; nothing was done"),
    (Code::Card, "card", "the card was refused"),
    (Code::Missing, "missing", "is required"),
    (Code::Malformed, "malformed", "is not of the expected form"),
    (Code::Length, "length", "has a length that is not accepted"),
    (Code::Luhn, "luhn", "fails the Luhn check"),
    (Code::Network, "network", "belongs to no known card network"),
    (Code::Expired, "expired", "is in the past"),
    (Code::TooFar, "too_far", "is further ahead than cards are issued"),
    (Code::Charset, "charset", "has characters that are not accepted"),
    (Code::TooLong, "too_long", "is too long"),
    (Code::Token, "token", "no such token"),
    (Code::Inactive, "inactive", "the instrument is not active"),
    (Code::Domain, "domain", "too few hidden digits for this token scheme"),
    (Code::Exhausted, "exhausted", "the token space is exhausted"),
    (Code::Irreversible, "irreversible", "this token scheme has no way back"),
    (
        Code::RootKey,
        "root_key",
        "the root key is absent, malformed, readable by others, or not the right one",
    ),
    (Code::Epoch, "epoch", "the epoch is destroyed, or still needed"),
    (Code::Store, "store", "the database failed"),
    (Code::Busy, "busy", "the database is in use, try again"),
    (Code::NotAVault, "not_a_vault", "there is no vault at that place"),
    (Code::SchemaNewer, "schema_newer", "the vault was written by a newer version of panseal"),
    (Code::Tampered, "tampered", "a sealed field does not open: the vault was changed from outside"),
    (Code::Conflict, "conflict", "the idempotency key was used with another card"),
    (Code::Fork, "fork", "the process was forked and the root key cannot be had again"),
    (Code::Internal, "internal", "internal error"),
];

impl Code {
    /// Every code, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Code> {
        TABLE.iter().map(|row| row.0)
    }

    /// The number in the C header.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The code of a number, if there is one.
    pub fn from_number(number: i32) -> Option<Code> {
        Code::all().find(|code| code.number() == number)
    }

    /// The name in Python and in test vectors: `luhn`, `root_key`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// A short English text. A text of a violation reads on from its field: 'number' 'fails the Luhn check'.
    pub fn text(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> &'static (Code, &'static str, &'static str) {
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[TABLE.len() - 1])
    }
}

/// Which field of a card a violation speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum Param {
    /// The card number.
    Number = 1,
    /// The expiry, month and year together.
    Expiry = 2,
    /// The card verification value.
    Cvv = 3,
    /// The cardholder's name.
    Name = 4,
    /// The postal code.
    PostalCode = 5,
    /// The metadata.
    Metadata = 6,
}

impl Param {
    /// Every field, in the order of their numbers.
    pub const ALL: [Param; 6] =
        [Param::Number, Param::Expiry, Param::Cvv, Param::Name, Param::PostalCode, Param::Metadata];

    /// The number in the C header.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The field's name: `number`, `expiry`, `cvv`, `name`, `postal_code`, `metadata`.
    pub const fn name(self) -> &'static str {
        match self {
            Param::Number => "number",
            Param::Expiry => "expiry",
            Param::Cvv => "cvv",
            Param::Name => "name",
            Param::PostalCode => "postal_code",
            Param::Metadata => "metadata",
        }
    }
}

/// One thing that is wrong with one field of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Violation {
    /// The field.
    pub param: Param,
    /// What is wrong: one of the codes 101 to 109.
    pub code: Code,
}

impl Violation {
    /// What is wrong, in English, without the field's name: 'fails the Luhn check'.
    pub fn message(self) -> &'static str {
        self.code.text()
    }
}

/// The most violations that one card can have: one a field.
pub const VIOLATION_MAX: usize = 8;

/// All violations of one card, at most one a field, in the order of the fields.
#[derive(Clone, Copy)]
pub struct Violations {
    len: usize,
    /// Filled whole: a failure is copied out of wiped memory, and unused room must not carry anything along.
    rows: [Violation; VIOLATION_MAX],
}

impl Violations {
    /// No violation.
    pub const NONE: Violations =
        Violations { len: 0, rows: [Violation { param: Param::Number, code: Code::Card }; VIOLATION_MAX] };

    /// Adds a violation, unless the field has one already.
    pub fn add(&mut self, param: Param, code: Code) {
        let known = self.iter().any(|violation| violation.param == param);
        if !known && self.len < VIOLATION_MAX {
            self.rows[self.len] = Violation { param, code };
            self.len += 1;
        }
    }

    /// The violations in the order of the fields.
    pub fn iter(&self) -> impl Iterator<Item = Violation> + '_ {
        self.rows[..self.len].iter().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Default for Violations {
    fn default() -> Violations {
        Violations::NONE
    }
}

impl PartialEq for Violations {
    fn eq(&self, other: &Violations) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Violations {}

impl fmt::Debug for Violations {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

/// A failure: a code, a number of the system's, and the violations where a card was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    code: Code,
    system: i32,
    violations: Violations,
}

/// What fallible functions of panseal give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure with a code of the system or of the database (errno, SQLite's extended code).
    pub const fn system(code: Code, system: i32) -> Error {
        Error { code, system, violations: Violations::NONE }
    }

    /// What went wrong.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// A failure of the operating system's: `code`, and its number. Where it has no memory, that is the failure.
    pub fn io(code: Code, error: &std::io::Error) -> Error {
        let is_memory = error.kind() == std::io::ErrorKind::OutOfMemory;
        Error::system(if is_memory { Code::Memory } else { code }, error.raw_os_error().unwrap_or(0))
    }

    /// errno, or the database's own code, or 0.
    pub const fn system_code(&self) -> i32 {
        self.system
    }

    /// Why a card was refused; empty for any other failure.
    pub const fn violations(&self) -> &Violations {
        &self.violations
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Error {
        Error::system(code, 0)
    }
}

impl From<Violations> for Error {
    fn from(violations: Violations) -> Error {
        Error { code: Code::Card, system: 0, violations }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code.text())?;
        for (place, violation) in self.violations.iter().enumerate() {
            out.write_str(if place == 0 { ": " } else { ", " })?;
            write!(out, "{} {}", violation.param.name(), violation.message())?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_number_a_name_and_a_text_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::all() {
            assert!(seen.insert(code.name()), "{} stands twice", code.name());
            assert_eq!(Code::from_number(code.number()), Some(code));
            assert!(!code.text().is_empty());
        }
    }

    #[test]
    fn a_field_has_one_violation_at_most_and_the_first_stays() {
        let mut violations = Violations::default();
        violations.add(Param::Number, Code::Luhn);
        violations.add(Param::Number, Code::Network);
        violations.add(Param::Cvv, Code::Length);
        assert_eq!(violations.len(), 2);
        assert_eq!(
            Error::from(violations).to_string(),
            "the card was refused: number fails the Luhn check, cvv has a length that is not accepted"
        );
    }
}
