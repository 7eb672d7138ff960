//! The store in memory: tables of this process, gone with the vault. For tests, and where nothing is to be kept.

mod audit;
mod keys;
mod rows;
mod table;

#[cfg(all(test, not(miri)))]
mod against_sqlite;

use super::{Held, Rows, Store, Work};
use crate::error::Result;
use crate::secret::reserve;
use rows::{Access, MemoryRows, Tables};
use std::sync::{PoisonError, RwLock};

/// A vault in memory. Readers do not keep each other waiting; a writer is alone.
pub struct MemoryStore(RwLock<Tables>);

impl MemoryStore {
    /// Makes a vault, whose first rows `create` writes.
    pub fn new(create: Work<'_>) -> Result<MemoryStore> {
        let store = MemoryStore(RwLock::default());
        store.write(create)?;
        Ok(store)
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn schema(&self) -> i32 {
        super::sqlite::SCHEMA
    }

    fn read(&self, work: Work<'_>) -> Result<()> {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        work(&MemoryRows::new(Access::Read(&tables)) as &dyn Rows)
    }

    fn write_held(&self, _: &mut Held, work: Work<'_>) -> Result<()> {
        // Where work panics its changes are undone, and the tables are as good as before.
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let transaction = Transaction(&mut tables);
        work(&MemoryRows::new(Access::Write(transaction.0)) as &dyn Rows)?;
        reserve::check()?;
        transaction.0.keep();
        Ok(())
    }

    /// A process forked off has the tables as well; no file is at stake.
    fn let_go(&self) {}
}

/// Undoes all changes that were not kept, be it in a panic.
struct Transaction<'t>(&'t mut Tables);

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.0.undo();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::key_table;
    use super::super::{Action, AuditRow, Fresh, Line};
    use super::*;
    use crate::error::Code;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn store() -> MemoryStore {
        MemoryStore::new(&mut |rows| rows.insert_key_table(&key_table(1))).unwrap()
    }

    /// Changes two tables.
    fn write_a_line(rows: &dyn Rows) -> Result<()> {
        let row = AuditRow {
            at: 3,
            actor: String::new(),
            action: Action::of("delete")?,
            token: String::new(),
            reason: String::new(),
        };
        let line = Line { chain: 1, seq: 1, row, old: None, mac: [2; 16] };
        rows.raise_fence()?;
        rows.insert("m", &Fresh { lines: &[line], ..Fresh::default() })
    }

    /// The fence's version, and whether the line is there.
    fn seen(store: &MemoryStore) -> (i64, bool) {
        let mut seen = None;
        let mut look = |rows: &dyn Rows| {
            seen = Some((rows.fence()?.version, rows.line_mac(rows.tenant_of("m")?, 1, 1)?.is_some()));
            Ok(())
        };
        store.read(&mut look).unwrap();
        seen.unwrap()
    }

    #[test]
    fn work_that_fails_or_panics_has_no_effects() {
        let store = store();
        let failed = store.write(&mut |rows| write_a_line(rows).and(Err(Code::Argument.into())));
        assert_eq!(failed.unwrap_err().code(), Code::Argument);
        assert_eq!(seen(&store), (1, false));
        let mut panics = |rows: &dyn Rows| write_a_line(rows).map(|()| panic!("at work"));
        assert!(catch_unwind(AssertUnwindSafe(|| store.write(&mut panics))).is_err());
        assert_eq!(seen(&store), (1, false));
        store.write(&mut |rows| write_a_line(rows)).unwrap();
        assert_eq!(seen(&store), (2, true));
    }

    #[test]
    fn who_reads_changes_nothing() {
        let store = store();
        assert_eq!(store.read(&mut |rows| rows.raise_fence()).unwrap_err().code(), Code::Internal);
        assert_eq!(seen(&store), (1, false));
    }
}
