//! The head of an HTTP request: header lines, path and query (RFC 9110, 9112, 3986).

use std::ops::Deref;
use zeroize::Zeroizing;

/// The header lines of a request.
pub struct Head<'a>(&'a [u8]);

/// What a request has under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header<'a> {
    Absent,
    /// Its value, in visible ASCII and spaces, without those at its ends.
    One(&'a str),
    /// It comes more than once, or has bytes that no header of ours has.
    Odd,
}

impl<'a> Head<'a> {
    pub fn new(lines: &'a [u8]) -> Head<'a> {
        Head(lines)
    }

    /// The one header of that name. A line without a colon is none.
    pub fn one(&self, name: &str) -> Header<'a> {
        let mut found = Header::Absent;
        for line in self.0.split(|byte| *byte == b'\n') {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            if line[..colon].eq_ignore_ascii_case(name.as_bytes()) {
                found = match (found, plain(line[colon + 1..].trim_ascii())) {
                    (Header::Absent, Some(value)) => Header::One(value),
                    _ => Header::Odd,
                };
            }
        }
        found
    }
}

fn plain(value: &[u8]) -> Option<&str> {
    let fine = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    std::str::from_utf8(value).ok().filter(|_| fine)
}

/// The media ranges of an `Accept` header, in lower case, without their weights; those of weight 0 are left out.
pub fn media_ranges(accept: &str) -> impl Iterator<Item = String> {
    accept.split(',').filter_map(|range| {
        let mut kept = String::new();
        for (place, part) in range.split(';').map(str::trim).enumerate() {
            match part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")) {
                Some(weight) if place > 0 => {
                    if weight.parse() == Ok(0.0) {
                        return None;
                    }
                }
                _ => {
                    kept.push_str(if place > 0 { ";" } else { "" });
                    kept.push_str(&part.to_ascii_lowercase());
                }
            }
        }
        Some(kept)
    })
}

/// Path and query of a request.
pub struct Target<'a> {
    path: &'a str,
    query: &'a str,
}

/// A longer target leads nowhere, in bytes.
const TARGET_MAX: usize = 2048;

impl<'a> Target<'a> {
    /// One that is too long, or has what no request line has, leads nowhere: parts of it come back in replies.
    pub fn new(target: &'a str) -> Target<'a> {
        let fine = target.len() <= TARGET_MAX && target.bytes().all(|byte| byte.is_ascii_graphic());
        let target = if fine { target } else { "" };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Target { path, query }
    }

    pub fn path(&self) -> &'a str {
        self.path
    }

    /// The parts of the path between its slashes, decoded; `None` for a path that does not begin with a slash, or whose
    /// escapes are none. One slash at the end counts for nothing.
    pub fn segments(&self) -> Option<Vec<Piece<'a>>> {
        let path = self.path.strip_prefix('/')?;
        path.strip_suffix('/').unwrap_or(path).split('/').map(|part| decoded(part, false)).collect()
    }

    /// The first value of a parameter of the query; `Some(None)` where its escapes are none.
    pub fn parameter(&self, name: &str) -> Option<Option<Piece<'a>>> {
        let pairs = self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let mut named = pairs.filter(|(known, _)| decoded(known, true).is_some_and(|known| *known == *name));
        named.next().map(|(_, value)| decoded(value, true))
    }

    /// A parameter as a number; `default` where there is none, `None` where it is not in `range`.
    pub fn number(
        &self,
        name: &str,
        default: usize,
        range: std::ops::RangeInclusive<usize>,
    ) -> Option<usize> {
        match self.parameter(name) {
            None => Some(default),
            Some(value) => {
                let value = value?;
                let digits =
                    (1..=9).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
                value.parse().ok().filter(|number| digits && range.contains(number))
            }
        }
    }
}

/// A piece of a target, with its escapes read: it may be a card number, that somebody has put where none belongs.
pub enum Piece<'a> {
    /// As it stands in the target.
    Plain(&'a str),
    Decoded(Zeroizing<String>),
}

impl Deref for Piece<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Piece::Plain(text) => text,
            Piece::Decoded(text) => text,
        }
    }
}

fn decoded(text: &str, plus_is_space: bool) -> Option<Piece<'_>> {
    if !text.contains(['%', '+']) {
        return Some(Piece::Plain(text));
    }
    // Room for all of it at once: what grows leaves itself behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match byte {
            b'%' => {
                let (pair, behind) = rest.split_first_chunk::<2>()?;
                let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
                bytes.push((high? << 4 | low?) as u8);
                rest = behind;
            }
            b'+' if plus_is_space => bytes.push(b' '),
            other => bytes.push(*other),
        }
    }
    std::str::from_utf8(&bytes).ok()?;
    String::from_utf8(std::mem::take(&mut *bytes)).ok().map(|text| Piece::Decoded(Zeroizing::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_whatever_its_case_and_once() {
        let head =
            Head::new(b"Host: x\r\naccept:\t*/* \r\nX\r\n: y\r\nTwice: 1\r\nTWICE: 2\r\nOdd: \xff\r\n");
        assert_eq!(head.one("Accept"), Header::One("*/*"));
        assert_eq!(head.one("Twice"), Header::Odd);
        assert_eq!(head.one("Odd"), Header::Odd);
        assert_eq!(head.one("Authorization"), Header::Absent);
        assert_eq!(Head::new(b"").one("Accept"), Header::Absent);
    }

    #[test]
    fn a_path_is_taken_apart_and_decoded() {
        let segments = |target| {
            Target::new(target)
                .segments()
                .map(|parts| parts.iter().map(|part| &**part).collect::<Vec<_>>().join("|"))
        };
        assert_eq!(segments("/a/b%20c/?x=/"), Some("a|b c".into()));
        assert_eq!(segments("/a+b"), Some("a+b".into()));
        assert_eq!(segments("/a//b"), Some("a||b".into()));
        let long = format!("/{}", "a".repeat(TARGET_MAX));
        for target in
            ["", "a", "/%", "/%4", "/%+4", "/%zz", "/%ff", "http://host/a", "/a\r\nb: c", "/é", "/a b", &long]
        {
            assert_eq!(segments(target), None, "{target}");
        }
    }

    #[test]
    fn a_query_gives_numbers_within_their_range() {
        let number = |target| Target::new(target).number("page", 1, 1..=50);
        assert_eq!(number("/a"), Some(1));
        assert_eq!(number("/a?page=7"), Some(7));
        assert_eq!(number("/a?x&page=%37"), Some(7));
        for target in
            ["/a?page=", "/a?page=0", "/a?page=51", "/a?page=+7", "/a?page=-1", "/a?page=7x", "/a?page=%"]
        {
            assert_eq!(number(target), None, "{target}");
        }
    }

    #[test]
    fn weights_are_no_part_of_a_media_range() {
        let ranges = |accept| media_ranges(accept).collect::<Vec<_>>().join(" | ");
        assert_eq!(ranges("Text/HTML;q=0.5, a/b ; v=1;q=1,c/d;q=0"), "text/html | a/b;v=1");
    }
}
