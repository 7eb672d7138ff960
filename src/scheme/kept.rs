//! `K+L`: how many digits a numeric token keeps of its card number.

use crate::card::Pan;
use crate::error::{Code, Error, Result};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The first K and the last L digits are kept; the others are hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kept {
    first: u8,
    last: u8,
}

impl Kept {
    /// How many digits are kept at the beginning: 0 to 8.
    pub fn first(self) -> usize {
        self.first.into()
    }

    /// How many digits are kept at the end: 0 to 4.
    pub fn last(self) -> usize {
        self.last.into()
    }

    /// The places that FF1 may hide in a number of `len` digits.
    ///
    /// All hidden digits but one go through FF1, and NIST SP 800-38G r1 wants a domain of at least 10^6 there:
    /// `Domain` for fewer than seven hidden digits. Four kept ones keep a round at one AES block: `Domain` for fewer.
    pub(super) fn hidden(self, len: usize) -> Result<Range<usize>, Code> {
        let kept = self.first() + self.last();
        if kept >= 4 && kept + 7 <= len { Ok(self.first()..len - self.last()) } else { Err(Code::Domain) }
    }

    /// The places that a `surrogate` may hide in a number of `len` digits: the truncation policy of the card brands (PCI
    /// SSC FAQ 1091) lets 8+4 stay from 16 digits on, 6+4 of 14 and 15, 0+4 below. `Domain` for more.
    pub(super) fn hidden_by_surrogate(self, len: usize) -> Result<Range<usize>> {
        let first_max = match len {
            16.. => 8,
            14.. => 6,
            _ => 0,
        };
        if self.first() <= first_max { Ok(self.first()..len - self.last()) } else { Err(Code::Domain.into()) }
    }

    /// The lengths of card numbers that `ff1` takes with this K+L.
    pub fn ff1_lengths(self) -> impl Iterator<Item = usize> {
        (Pan::MIN_LEN..=Pan::MAX_LEN).filter(move |len| self.hidden(*len).is_ok())
    }
}

impl FromStr for Kept {
    type Err = Error;

    /// Reads `6+4`: one digit each, K at most 8 and L at most 4. `Argument` for anything else.
    fn from_str(text: &str) -> Result<Kept> {
        match text.as_bytes() {
            [first @ b'0'..=b'8', b'+', last @ b'0'..=b'4'] => {
                Ok(Kept { first: first - b'0', last: last - b'0' })
            }
            _ => Err(Code::Argument.into()),
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}+{}", self.first, self.last)
    }
}
