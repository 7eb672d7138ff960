//! The numbers of merchants, as a connection has come to know them.
//!
//! A merchant's name is written once, and its number stands in all other rows; once committed a number never changes.
//! Each connection remembers for itself: what one to a lost server has learned goes with it.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// So many names are remembered before all are forgotten.
const MOST: usize = 10_000;

/// Names and numbers.
#[derive(Default)]
pub struct Tenants(RefCell<Known>);

#[derive(Default)]
struct Known {
    /// Whether a transaction is open whose effects may be undone.
    in_transaction: bool,
    committed: BTreeMap<Box<str>, i64>,
    /// Seen in the open transaction, which may have made them.
    seen: BTreeMap<Box<str>, i64>,
}

impl Tenants {
    /// The number of a merchant, where it is known.
    pub fn get(&self, name: &str) -> Option<i64> {
        let known = self.0.borrow();
        known.committed.get(name).or_else(|| known.seen.get(name)).copied()
    }

    /// Remembers a number, at first for no longer than the open transaction.
    pub fn note(&self, name: &str, number: i64) {
        let known = &mut *self.0.borrow_mut();
        let into = if known.in_transaction { &mut known.seen } else { &mut known.committed };
        if into.len() >= MOST {
            into.clear();
        }
        into.insert(name.into(), number);
    }

    /// From now on what is seen may be undone.
    pub fn begin(&self) {
        self.undo();
        self.0.borrow_mut().in_transaction = true;
    }

    /// What was seen since [`Tenants::begin`] stays.
    pub fn commit(&self) {
        let known = &mut *self.0.borrow_mut();
        known.in_transaction = false;
        if known.committed.len() + known.seen.len() > MOST {
            known.committed.clear();
        }
        while let Some((name, number)) = known.seen.pop_first() {
            known.committed.insert(name, number);
        }
    }

    /// Part of the transaction was undone, or all of it: what was seen in it is looked for again.
    pub fn undo(&self) {
        self.0.borrow_mut().seen.clear();
    }

    /// The transaction is over, without effects.
    pub fn end(&self) {
        self.undo();
        self.0.borrow_mut().in_transaction = false;
    }
}

/// The number in the place of a name that a merchant's row would have, where there is none: rows of such a number do not
/// open, and are damage. A name has no control character.
pub fn stray(name: &str) -> Option<i64> {
    name.strip_prefix('\u{1}')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_rolled_back_is_forgotten_and_one_that_was_committed_stays() {
        let tenants = Tenants::default();
        tenants.note("before", 1);
        tenants.begin();
        tenants.note("found", 2);
        tenants.note("made", 3);
        assert_eq!(tenants.get("made"), Some(3));
        tenants.end();
        assert_eq!(["before", "found", "made"].map(|name| tenants.get(name)), [Some(1), None, None]);
        tenants.begin();
        tenants.note("undone", 4);
        tenants.undo();
        tenants.note("made", 5);
        tenants.commit();
        assert_eq!(["before", "undone", "made"].map(|name| tenants.get(name)), [Some(1), None, Some(5)]);
    }

    #[test]
    fn any_number_of_merchants_takes_no_more_than_so_much_room() {
        let tenants = Tenants::default();
        for number in 0..3 * MOST as i64 {
            tenants.begin();
            tenants.note(&number.to_string(), number);
            tenants.commit();
        }
        assert_eq!(tenants.get("29999"), Some(29_999));
        assert!(tenants.0.borrow().committed.len() <= MOST);
    }
}
