//! Opening the file: whose it is, how it is made, how SQLite is set up for it.

use super::super::audit::Lane;
use super::super::open_files::Mark;
use super::super::tenants::Tenants;
use super::super::{Rows, Upgrade, Work};
use super::rows::SqliteRows;
use super::schema;
use super::{failed, transact};
use crate::error::{Code, Error, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::cell::{Cell, RefCell};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// 'pans': says in the file's header whose database it is.
const APPLICATION_ID: i32 = 0x7061_6e73;

/// Prepared statements that a connection keeps: all there are.
const STATEMENTS: usize = 96;

/// How long a reader does without looking for the file.
const LATELY: Duration = Duration::from_millis(1);

/// A connection and the mark on its file, which goes after it.
pub struct Opened {
    /// The connection.
    pub connection: Connection,
    /// The merchants' numbers, as this connection knows them.
    pub tenants: Tenants,
    /// Where this connection stands in the chains of the audit trail.
    pub lane: RefCell<Lane>,
    mark: Mark,
    /// The count of changes to the tables' form at which that was last found good.
    form: Cell<Option<i32>>,
    /// When the file was last seen at its place.
    seen: Instant,
}

impl Opened {
    /// Opens the vault in the file at `path`. Where there is none, `create` is run in the transaction that makes it, or
    /// without one `NotAVault` is the answer. A file that is something else is left as it is.
    pub fn at(
        path: &Path,
        busy_timeout: Duration,
        create: Option<Work<'_>>,
        upgrade: Option<&mut dyn Upgrade>,
    ) -> Result<Opened> {
        let opened = Opened::connect(path, busy_timeout, create.is_some())?;
        let connection = &opened.connection;
        if let Some(create) = create {
            make(connection, create)?;
        }
        if pragma(connection, "application_id")? != APPLICATION_ID {
            return Err(Code::NotAVault.into());
        }
        schema::refuse_newer(connection)?;
        set_up(connection, busy_timeout)?;
        schema::migrate(connection, upgrade)?;
        opened.check_tables()?;
        Ok(opened)
    }

    /// [`Opened::at`], to write. What a batch of a thousand changes among millions of rows is all over two indexes: there
    /// is room for that and, beside it, for their inner pages, or each batch would read them again.
    pub fn to_write(
        path: &Path,
        busy_timeout: Duration,
        create: Option<Work<'_>>,
        upgrade: Option<&mut dyn Upgrade>,
    ) -> Result<Opened> {
        let opened = Opened::at(path, busy_timeout, create, upgrade)?;
        opened.connection.pragma_update(None, "cache_size", "-65536").map_err(failed)?;
        Ok(opened)
    }

    /// [`Opened::at`], to read. Pages are looked through when they come from the file, so that damage is found before it
    /// spreads; what only reads spreads none, and would spend a third of a look-up among millions of rows on that.
    pub fn to_read(path: &Path, busy_timeout: Duration) -> Result<Opened> {
        let opened = Opened::at(path, busy_timeout, None, None)?;
        opened.connection.pragma_update(None, "cell_size_check", "off").map_err(failed)?;
        Ok(opened)
    }

    /// Opens the file without changing it. Its name is taken to the letter, not as a URI.
    fn connect(path: &Path, busy_timeout: Duration, create: bool) -> Result<Opened> {
        if create {
            make_private_file(path)?;
        }
        let mark = Mark::after(path, || refuse_foreign(path))?;
        if create || std::fs::metadata(path).is_ok_and(|about| about.len() > 0) {
            make_private(path)?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        // Nothing that somebody else has written into the file is run.
        for program in [DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW] {
            connection.set_db_config(program, false).map_err(failed)?;
        }
        connection.busy_timeout(busy_timeout).map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Opened {
            connection,
            tenants: Tenants::default(),
            lane: RefCell::default(),
            mark,
            form: Cell::new(None),
            seen: Instant::now(),
        })
    }

    /// `NotAVault` where the file was deleted, or another one stands in its place: what is written there would be lost.
    pub fn still_there(&self, path: &Path) -> Result<()> {
        self.mark.still_at(path)
    }

    /// [`Opened::still_there`] for those who read, who do not ask again within a millisecond: to look for the file
    /// takes a sixth of a look-up. What is read so soon after the file went could as well have been read just before.
    pub fn was_there_lately(&mut self, path: &Path) -> Result<()> {
        let now = Instant::now();
        if now.duration_since(self.seen) >= LATELY {
            self.still_there(path)?;
            self.check_tables()?;
            self.seen = now;
        }
        Ok(())
    }

    /// `Tampered` where somebody has changed the form of the vault's tables. They are looked at when SQLite's count of
    /// such changes has moved.
    pub fn check_tables(&self) -> Result<()> {
        let query = self.connection.prepare_cached("pragma schema_version");
        let form = query.and_then(|mut query| query.query_row([], |row| row.get(0))).map_err(failed)?;
        if self.form.get() != Some(form) {
            schema::check(&self.connection)?;
            self.form.set(Some(form));
        }
        Ok(())
    }
}

fn set_up(connection: &Connection, busy_timeout: Duration) -> Result<()> {
    let set = |name, value: &str| connection.pragma_update(None, name, value).map_err(failed);
    write_ahead_log(connection, busy_timeout)?;
    set("synchronous", "full")?;
    // Pages that are written again and again go to the file once.
    set("wal_autocheckpoint", "8000")?;
    // In KiB: what a batch of a thousand changes, or the inner pages of millions of rows.
    set("cache_size", "-16384")?;
    set("secure_delete", "on")?;
    set("temp_store", "memory")?;
    set("trusted_schema", "off")?;
    set("cell_size_check", "on")
}

/// Looks at the file's header before SQLite does: even a read of somebody else's database can roll back its journal.
fn refuse_foreign(path: &Path) -> Result<()> {
    let not_a_vault = || Error::from(Code::NotAVault);
    if !path.is_file() {
        return Err(not_a_vault());
    }
    let mut header = [0; 72];
    let mut file = std::fs::File::open(path).map_err(inaccessible)?;
    if file.metadata().map_err(inaccessible)?.len() == 0 {
        return Ok(());
    }
    file.read_exact(&mut header).map_err(|_| not_a_vault())?;
    let ours = header.starts_with(b"SQLite format 3\0") && header[68..] == APPLICATION_ID.to_be_bytes();
    if ours { Ok(()) } else { Err(not_a_vault()) }
}

fn inaccessible(error: std::io::Error) -> Error {
    Error::io(Code::Store, &error)
}

/// An empty file that its owner alone can read, unless there is a file already.
fn make_private_file(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(inaccessible(error)),
        _ => Ok(()),
    }
}

/// Takes the rights of everybody but its owner from a file that was there before, and from its log.
#[cfg(unix)]
fn make_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for beside in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(beside);
        match std::fs::metadata(&file) {
            Ok(about) if about.permissions().mode() & 0o077 != 0 => {
                let private = std::fs::Permissions::from_mode(0o600);
                std::fs::set_permissions(&file, private).map_err(inaccessible)?;
            }
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(inaccessible(error)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> Result<()> {
    Ok(())
}

/// Makes the vault in an empty database, whole or not at all; of two that try at once one finds it made.
fn make(connection: &Connection, create: Work<'_>) -> Result<()> {
    if !is_empty(connection)? {
        return Ok(());
    }
    transact(connection, || {
        if is_empty(connection)? {
            connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
            schema::make(connection)?;
            create(&SqliteRows(connection, &Tenants::default(), None) as &dyn Rows)?;
        }
        Ok(())
    })
}

fn is_empty(connection: &Connection) -> Result<bool> {
    let tables: i64 =
        connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    Ok(tables == 0 && pragma(connection, "application_id")? == 0)
}

/// A setting of the database's that is a number.
pub fn pragma(connection: &Connection, name: &str) -> Result<i32> {
    connection.pragma_query_value(None, name, |row| row.get(0)).map_err(failed)
}

/// Switching a new file to the log needs it alone, and SQLite does not wait there: of many that open it at once some
/// are turned away.
fn write_ahead_log(connection: &Connection, busy_timeout: Duration) -> Result<()> {
    let deadline = Instant::now() + busy_timeout;
    loop {
        let journal: Result<String> =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(failed);
        match journal {
            Ok(journal) if journal == "wal" => return Ok(()),
            Ok(_) => return Err(Code::Store.into()),
            Err(error) if error.code() == Code::Busy && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => return Err(error),
        }
    }
}
