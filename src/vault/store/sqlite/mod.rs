//! The SQLite store: one file, write-ahead log, every commit synced to the disk.
//!
//! One connection writes; readers have connections of their own, which writers do not keep waiting.

mod audit;
mod group;
mod keys;
mod open;
mod rows;
mod schema;

pub use schema::VERSION as SCHEMA;

use super::{Held, Job, Store, Upgrade, Work};
use crate::error::{Code, Error, Result};
use crate::secret::reserve;
use group::Group;
use open::Opened;
use rows::SqliteRows;
use rusqlite::{Connection, ErrorCode, ffi};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many connections are kept for readers; more are opened while more threads read, and closed again.
const READERS: usize = 8;

/// A vault in one SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    busy_timeout: Duration,
    writer: Mutex<Option<Opened>>,
    readers: Mutex<Vec<Opened>>,
    group: Group,
}

impl SqliteStore {
    /// Opens the vault in the file at `path`.
    ///
    /// Where there is none, `create` is run in the transaction that makes it, or without one `NotAVault` is the
    /// answer. A file that is something else is left as it is.
    pub fn open(
        path: &Path,
        busy_timeout: Duration,
        create: Option<Work<'_>>,
        upgrade: &mut dyn Upgrade,
    ) -> Result<SqliteStore> {
        let path = fixed(path);
        let writer = Mutex::new(Some(Opened::to_write(&path, busy_timeout, create, Some(upgrade))?));
        Ok(SqliteStore { path, busy_timeout, writer, readers: Mutex::default(), group: Group::default() })
    }

    /// Lends the writing connection, opened where it is not.
    fn with_writer<T>(&self, work: impl FnOnce(&Opened) -> Result<T>) -> Result<T> {
        // A panic rolls its transaction back; the connection is as good as before.
        let mut held = lock(&self.writer);
        let opened = match held.take() {
            Some(opened) => opened,
            None => Opened::to_write(&self.path, self.busy_timeout, None, None)?,
        };
        let opened = held.insert(opened);
        if let Err(gone) = opened.still_there(&self.path) {
            *held = None;
            lock(&self.readers).clear();
            return Err(gone);
        }
        let outcome = work(opened);
        if !opened.connection.is_autocommit() {
            // Without memory a rollback may fail too; closing the connection is one.
            *held = None;
        }
        outcome
    }

    /// One transaction for all jobs. An outcome a job.
    fn run(&self, jobs: &[&dyn Job]) -> Vec<Result<()>> {
        let mut one_failed = false;
        let written = self.with_writer(|opened| {
            opened.transact(|rows| {
                let done = jobs.iter().try_for_each(|job| guarded(|| job.run(rows)));
                one_failed = done.is_err();
                done
            })
        });
        match written {
            Ok(()) => vec![Ok(()); jobs.len()],
            // What one has done is not to be taken back for another's sake.
            Err(_) if one_failed && jobs.len() > 1 => self.run_apart(jobs),
            Err(error) => vec![Err(error); jobs.len()],
        }
    }

    /// [`SqliteStore::run`] with a savepoint each, which keeps copies of pages.
    fn run_apart(&self, jobs: &[&dyn Job]) -> Vec<Result<()>> {
        let mut outcomes = Vec::with_capacity(jobs.len());
        let written = self.with_writer(|opened| {
            opened.transact(|rows| {
                outcomes.clear();
                for job in jobs {
                    outcomes.push(opened.savepoint(|| guarded(|| job.run(rows)))?);
                }
                Ok(())
            })
        });
        match written {
            Ok(()) => outcomes,
            Err(error) => vec![Err(error); jobs.len()],
        }
    }
}

impl Store for SqliteStore {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn schema(&self) -> i32 {
        schema::VERSION
    }

    fn read(&self, work: Work<'_>) -> Result<()> {
        let idle = lock(&self.readers).pop();
        let mut opened = match idle {
            Some(opened) => opened,
            None => Opened::to_read(&self.path, self.busy_timeout)?,
        };
        opened.was_there_lately(&self.path)?;
        let outcome = work(&SqliteRows(&opened.connection, &opened.tenants, None));
        let mut readers = lock(&self.readers);
        if readers.len() < READERS {
            readers.push(opened);
        }
        outcome
    }

    fn write_held(&self, _: &mut Held, work: Work<'_>) -> Result<()> {
        self.with_writer(|opened| opened.transact(|rows| work(rows)))
    }

    fn submit(&self, _: &mut Held, job: &Arc<dyn Job>) -> Result<()> {
        self.group.submit(job, |jobs| self.run(jobs))
    }

    fn let_go(&self) {
        lock(&self.readers).clear();
        *lock(&self.writer) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn execute(connection: &Connection, sql: &str) -> Result<()> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map_err(failed)?;
    Ok(())
}

/// A transaction, alone among the writers from its beginning; rolled back where `work` fails or panics.
fn transact<T>(connection: &Connection, work: impl FnOnce() -> Result<T>) -> Result<T> {
    struct Rollback<'c>(&'c Connection);
    impl Drop for Rollback<'_> {
        fn drop(&mut self) {
            if !self.0.is_autocommit() {
                // It fails where SQLite has rolled back by itself, which is as well.
                let _ = execute(self.0, "rollback");
            }
        }
    }
    execute(connection, "begin immediate")?;
    let _unless_committed = Rollback(connection);
    let done = work()?;
    // A thread may run the jobs of others as well: all of them are then told that there was no memory.
    reserve::check()?;
    execute(connection, "commit")?;
    Ok(done)
}

impl Opened {
    /// [`transact`], with the rows in hand.
    fn transact<T>(&self, work: impl FnOnce(&SqliteRows<'_>) -> Result<T>) -> Result<T> {
        let Opened { connection, tenants, lane, .. } = self;
        tenants.begin();
        // A panic may have left what was undone.
        lane.borrow_mut().undo();
        let done = transact(connection, || {
            self.check_tables()?;
            work(&SqliteRows(connection, tenants, Some(lane)))
        });
        if done.is_ok() {
            tenants.commit();
            lane.borrow_mut().keep();
        } else {
            tenants.end();
            lane.borrow_mut().undo();
        }
        done
    }

    /// `work`, whose effects are gone where it fails. An error of the savepoint itself is one of the whole transaction.
    fn savepoint(&self, work: impl FnOnce() -> Result<()>) -> Result<Result<()>> {
        execute(&self.connection, "savepoint job")?;
        let mark = self.lane.borrow().mark();
        let outcome = work();
        if outcome.is_err() {
            self.tenants.undo();
            self.lane.borrow_mut().undo_to(mark);
            execute(&self.connection, "rollback to job")?;
        }
        execute(&self.connection, "release job")?;
        Ok(outcome)
    }
}

/// A job's panic is the failure of that job alone.
fn guarded(work: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Code::Internal.into()))
}

/// Whether a key is taken. A constraint of another kind is not mended by another attempt.
fn is_taken(extended_code: i32) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE};
    [SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE].contains(&extended_code)
}

/// The path for as long as the program may change its working directory. Where not even the folder is there, it is as it
/// was, and opening says what is wrong.
fn fixed(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = || Some(std::fs::canonicalize(folder).ok()?.join(path.file_name()?));
    std::fs::canonicalize(path).ok().or_else(beside).unwrap_or_else(|| path.into())
}

fn failed(error: rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            let code = match failure.code {
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Code::Busy,
                ErrorCode::NotADatabase => Code::NotAVault,
                ErrorCode::OutOfMemory => Code::Memory,
                _ if failure.extended_code == ffi::SQLITE_IOERR_NOMEM => Code::Memory,
                ErrorCode::ConstraintViolation if is_taken(failure.extended_code) => return super::again(),
                _ => Code::Store,
            };
            Error::system(code, failure.extended_code)
        }
        // A column of another type, a null: somebody else wrote to the file.
        _ => Code::Tampered.into(),
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::super::Rows;
    use super::super::tests::{NoUpgrade, key_table};
    use super::*;

    /// Raises the fence so many times, and comes to an end of its own.
    struct Raise(i64, fn() -> Result<()>);

    impl Job for Raise {
        fn run(&self, rows: &dyn Rows) -> Result<()> {
            (0..self.0).try_for_each(|_| rows.raise_fence())?;
            (self.1)()
        }
    }

    /// What becomes of jobs that are written together, and how far they have raised the fence.
    fn run(jobs: &[Raise]) -> (Vec<Result<()>>, i64) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(
            &folder.path().join("cards.db"),
            Duration::from_secs(5),
            Some(&mut |rows| rows.insert_key_table(&key_table(0))),
            &mut NoUpgrade,
        );
        let store = store.unwrap();
        let jobs: Vec<&dyn Job> = jobs.iter().map(|job| job as &dyn Job).collect();
        let outcomes = store.run(&jobs);
        let mut raised = 0;
        let read = &mut |rows: &dyn Rows| {
            raised = rows.fence()?.version;
            Ok(())
        };
        store.read(read).unwrap();
        (outcomes, raised)
    }

    #[test]
    fn a_job_that_fails_or_panics_leaves_no_effect_and_takes_none_of_its_neighbours() {
        let fail = || Err(Code::Exhausted.into());
        let panic = || -> Result<()> { panic!("a job") };
        for (end, code) in [(fail as fn() -> Result<()>, Code::Exhausted), (panic, Code::Internal)] {
            let (outcomes, raised) = run(&[Raise(1, || Ok(())), Raise(10, end), Raise(100, || Ok(()))]);
            assert_eq!(outcomes, [Ok(()), Err(code.into()), Ok(())]);
            assert_eq!(raised, 101);
            assert_eq!(run(&[Raise(10, end)]), (vec![Err(code.into())], 0));
        }
        assert_eq!(run(&[Raise(1, || Ok(())), Raise(10, || Ok(()))]), (vec![Ok(()), Ok(())], 11));
    }
}
