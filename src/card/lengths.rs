//! A set of lengths, in one word.

use std::fmt;

/// The lengths that a card number or a security code may have: a set of small numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lengths(u32);

impl Lengths {
    /// The set of these lengths, each below 32.
    pub(super) const fn of(lengths: &[u8]) -> Lengths {
        let mut set = 0;
        let mut rest = lengths;
        while let [length, tail @ ..] = rest {
            set |= 1 << *length;
            rest = tail;
        }
        Lengths(set)
    }

    /// The lengths of either set.
    pub(super) const fn union(self, other: Lengths) -> Lengths {
        Lengths(self.0 | other.0)
    }

    /// Whether this length is allowed.
    pub const fn contains(self, length: usize) -> bool {
        length < u32::BITS as usize && self.0 >> length & 1 == 1
    }

    /// Whether no length is allowed.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The lengths, the shortest first.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..u32::BITS as usize).filter(move |length| self.contains(*length))
    }
}

impl fmt::Debug for Lengths {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_it_was_made_of_and_nothing_else() {
        let lengths = Lengths::of(&[19, 13, 16]);
        assert!(lengths.iter().eq([13, 16, 19]));
        assert!(!lengths.contains(0) && !lengths.contains(48) && !lengths.contains(usize::MAX));
        assert!(Lengths::of(&[]).is_empty());
    }
}
