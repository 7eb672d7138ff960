//! A table of the store in memory: rows in the order of their keys, and what undoes the changes of a transaction.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::{Bound, RangeBounds};

/// Rows by their keys.
pub struct Table<K, V> {
    rows: BTreeMap<K, V>,
    /// What stood at the keys that the running transaction has changed, in the order of its changes.
    before: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Table<K, V> {
        Table { rows: BTreeMap::new(), before: Vec::new() }
    }
}

/// What can be done with each table, whatever is in it.
pub trait Undo {
    /// Keeps the changes since the last call of either.
    fn keep(&mut self);
    /// Undoes them.
    fn undo(&mut self);
}

impl<K: Ord, V> Undo for Table<K, V> {
    fn keep(&mut self) {
        self.before.clear();
    }

    fn undo(&mut self) {
        while let Some((key, was)) = self.before.pop() {
            match was {
                Some(row) => self.rows.insert(key, row),
                None => self.rows.remove(&key),
            };
        }
    }
}

impl<K: Ord + Clone, V> Table<K, V> {
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.rows.get(key)
    }

    pub fn has(&self, key: &K) -> bool {
        self.rows.contains_key(key)
    }

    /// The rows of a range of keys, in their order.
    pub fn range(&self, keys: impl RangeBounds<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.range(keys)
    }

    /// All rows behind a key.
    pub fn behind(&self, key: K) -> impl Iterator<Item = (&K, &V)> {
        self.rows.range((Bound::Excluded(key), Bound::Unbounded))
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    /// Puts a row in the place of the one with its key, or beside the others.
    pub fn put(&mut self, key: K, row: V) {
        let was = self.rows.insert(key.clone(), row);
        self.before.push((key, was));
    }

    /// Adds a row; says whether there was none with its key.
    pub fn add(&mut self, key: K, row: V) -> bool {
        match self.rows.entry(key) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                self.before.push((place.key().clone(), None));
                place.insert(row);
                true
            }
        }
    }

    /// Removes a row; says whether it was there.
    pub fn remove(&mut self, key: &K) -> bool {
        let removed = self.rows.remove_entry(key);
        let was_there = removed.is_some();
        self.before.extend(removed.map(|(key, was)| (key, Some(was))));
        was_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One of few keys is given a row, or loses it.
    fn change(table: &mut Table<u8, u8>, (key, row): (u8, Option<u8>)) {
        match row {
            Some(row) => table.put(key, row),
            None => {
                table.remove(&key);
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_not_kept_is_undone_and_nothing_else(
            kept in prop::collection::vec((0..8u8, any::<Option<u8>>()), 0..20),
            undone in prop::collection::vec((0..8u8, any::<Option<u8>>()), 0..20),
        ) {
            let mut table = Table::default();
            let mut model = BTreeMap::new();
            for (key, row) in kept {
                change(&mut table, (key, row));
                match row {
                    Some(row) => model.insert(key, row),
                    None => model.remove(&key),
                };
            }
            table.keep();
            undone.into_iter().for_each(|of| change(&mut table, of));
            table.undo();
            prop_assert_eq!(&table.rows, &model);
            table.undo();
            prop_assert_eq!(&table.rows, &model);
        }
    }
}
