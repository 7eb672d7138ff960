//! The SQLite store: one file, write-ahead log, every commit synced to the disk.

use super::open_files::Mark;
use super::{AuditLine, CardRow, Fence, ID_LEN, InstrumentRow, Rows, Store, Work};
use crate::error::{Code, Error, Result};
use crate::keys::{CheckValue, KeyInfo, KeyKind, KeyState, WrappedKey};
use crate::scheme::Token;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, TransactionBehavior, params};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// 'pans': says in the file's header whose database it is.
const APPLICATION_ID: i32 = 0x7061_6e73;
const SCHEMA_VERSION: i32 = 1;

/// Text keys compare as bytes; tables without rowid keep their key once. No column is named after a provider.
const SCHEMA: &str = "
    create table fence (id integer primary key check (id = 1), vault blob not null, version integer not null) strict;
    create table epoch (
        kind text not null, id integer not null, state text not null, check_value blob not null,
        created_at integer not null, retired_at integer not null, wrapped blob not null,
        primary key (kind, id)) strict, without rowid;
    create table card (
        id blob primary key, merchant text not null, network text not null, iin text not null, last4 text not null,
        pan blob not null) strict, without rowid;
    create table card_fp (
        merchant text not null, fingerprint blob not null, card blob not null,
        primary key (merchant, fingerprint)) strict, without rowid;
    create table instrument (
        merchant text not null, token text not null, card blob not null, customer text not null,
        expiry integer not null, active integer not null, created_at integer not null, keep_until integer not null,
        sealed blob not null, primary key (merchant, token)) strict, without rowid;
    create table audit (
        id blob primary key, at integer not null, merchant text not null, actor text not null, action text not null,
        token text not null, reason text not null) strict, without rowid;
";

/// A vault in one SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    busy_timeout: Duration,
    opened: Mutex<Option<Opened>>,
}

/// A connection and the mark on its file, which goes after it.
struct Opened {
    connection: Connection,
    _mark: Mark,
}

impl SqliteStore {
    /// Opens the vault in the file at `path`.
    ///
    /// Where there is none, `create` is run in the transaction that makes it, or without one `NotAVault` is the
    /// answer. A file that is something else is left as it is.
    pub fn open(path: &Path, busy_timeout: Duration, create: Option<Work<'_>>) -> Result<SqliteStore> {
        let mut opened = connect(path, busy_timeout, create.is_some())?;
        if let Some(create) = create {
            make(&mut opened.connection, create)?;
        }
        prepare_vault(&opened.connection, busy_timeout)?;
        Ok(SqliteStore { path: path.into(), busy_timeout, opened: Mutex::new(Some(opened)) })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Opened>> {
        // A panic rolls its transaction back; the connection is as good as before.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn transact(&self, behavior: TransactionBehavior, work: Work<'_>) -> Result<()> {
        let mut held = self.lock();
        let opened = match held.as_mut() {
            Some(opened) => opened,
            None => {
                let opened = connect(&self.path, self.busy_timeout, false)?;
                prepare_vault(&opened.connection, self.busy_timeout)?;
                held.insert(opened)
            }
        };
        let transaction = opened.connection.transaction_with_behavior(behavior).map_err(failed)?;
        work(&SqliteRows(&transaction))?;
        transaction.commit().map_err(failed)
    }
}

impl Store for SqliteStore {
    fn read(&self, work: Work<'_>) -> Result<()> {
        self.transact(TransactionBehavior::Deferred, work)
    }

    fn write(&self, work: Work<'_>) -> Result<()> {
        self.transact(TransactionBehavior::Immediate, work)
    }

    fn let_go(&self) {
        *self.lock() = None;
    }
}

/// Opens the file without changing it. Its name is taken to the letter, not as a URI.
fn connect(path: &Path, busy_timeout: Duration, create: bool) -> Result<Opened> {
    if create {
        make_private_file(path)?;
    }
    let mark = Mark::after(path, || refuse_foreign(path))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(busy_timeout).map_err(failed)?;
    Ok(Opened { connection, _mark: mark })
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
    Error::system(Code::Store, error.raw_os_error().unwrap_or(0))
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

/// Makes the vault in an empty database, whole or not at all; of two that try at once one finds it made.
fn make(connection: &mut Connection, create: Work<'_>) -> Result<()> {
    if is_empty(connection)? {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        if is_empty(&transaction)? {
            transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(failed)?;
            transaction.execute_batch(SCHEMA).map_err(failed)?;
            create(&SqliteRows(&transaction))?;
        }
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

fn is_empty(connection: &Connection) -> Result<bool> {
    let tables: i64 =
        connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    Ok(tables == 0 && pragma(connection, "application_id")? == 0)
}

fn pragma(connection: &Connection, name: &str) -> Result<i32> {
    connection.pragma_query_value(None, name, |row| row.get(0)).map_err(failed)
}

/// Checks whose file it is before the first statement that could write to it.
fn prepare_vault(connection: &Connection, busy_timeout: Duration) -> Result<()> {
    if pragma(connection, "application_id")? != APPLICATION_ID {
        return Err(Code::NotAVault.into());
    }
    if pragma(connection, "user_version")? > SCHEMA_VERSION {
        return Err(Code::SchemaNewer.into());
    }
    let set = |name, value: &str| connection.pragma_update(None, name, value).map_err(failed);
    write_ahead_log(connection, busy_timeout)?;
    set("synchronous", "full")?;
    set("secure_delete", "on")?;
    set("temp_store", "memory")?;
    set("trusted_schema", "off")
}

/// Switching a new file to the log needs it alone, and SQLite does not wait there: of many that open it at once some are
/// turned away.
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

fn failed(error: rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            let code = match failure.code {
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Code::Busy,
                ErrorCode::NotADatabase => Code::NotAVault,
                _ => Code::Store,
            };
            Error::system(code, failure.extended_code)
        }
        // A column of another type, a null: somebody else wrote to the file.
        _ => Code::Tampered.into(),
    }
}

struct SqliteRows<'c>(&'c Connection);

impl SqliteRows<'_> {
    fn insert(&self, sql: &str, values: impl rusqlite::Params) -> Result<()> {
        self.0.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(failed)?;
        Ok(())
    }

    fn find<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let found = self.0.prepare_cached(sql).and_then(|mut query| query.query_row(values, read).optional());
        found.map_err(failed)
    }
}

impl Rows for SqliteRows<'_> {
    fn fence(&self) -> Result<Fence> {
        let read = |row: &Row<'_>| Ok(Fence { vault: row.get(0)?, version: row.get(1)? });
        self.find("select vault, version from fence where id = 1", [], read)?
            .ok_or_else(|| Error::from(Code::Tampered))
    }

    fn keys(&self) -> Result<Vec<WrappedKey>> {
        let mut query = self
            .0
            .prepare_cached(
                "select kind, id, state, check_value, created_at, retired_at, wrapped from epoch order by kind, id",
            )
            .map_err(failed)?;
        let rows = query.query_map([], key_row).map_err(failed)?;
        rows.map(|row| row.map_err(failed)?.ok_or_else(|| Code::Tampered.into())).collect()
    }

    fn insert_fence(&self, fence: &Fence) -> Result<()> {
        self.insert(
            "insert into fence (id, vault, version) values (1, ?1, ?2)",
            params![fence.vault, fence.version],
        )
    }

    fn insert_key(&self, key: &WrappedKey) -> Result<()> {
        let WrappedKey { info, wrapped } = key;
        self.insert(
            "insert into epoch (kind, id, state, check_value, created_at, retired_at, wrapped)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                info.kind.name(),
                info.id,
                info.state.name(),
                info.check.as_bytes(),
                info.created_at,
                info.retired_at,
                wrapped
            ],
        )
    }

    fn card_by_fingerprint(&self, merchant: &str, fingerprint: &[u8]) -> Result<Option<CardRow>> {
        self.find(
            "select c.id, c.network, c.iin, c.last4, c.pan from card_fp f join card c on c.id = f.card
             where f.merchant = ?1 and f.fingerprint = ?2",
            params![merchant, fingerprint],
            |row| card_row(row, 0),
        )
    }

    fn insert_card(&self, merchant: &str, card: &CardRow, fingerprint: &[u8]) -> Result<()> {
        self.insert(
            "insert into card (id, merchant, network, iin, last4, pan) values (?1, ?2, ?3, ?4, ?5, ?6)",
            params![card.id, merchant, card.network, card.iin, card.last4, card.sealed],
        )?;
        self.insert(
            "insert into card_fp (merchant, fingerprint, card) values (?1, ?2, ?3)",
            params![merchant, fingerprint, card.id],
        )
    }

    fn instrument(&self, merchant: &str, token: &Token) -> Result<Option<(InstrumentRow, CardRow)>> {
        let read = |row: &Row<'_>| {
            let instrument = InstrumentRow {
                token: *token,
                card: row.get(0)?,
                customer: row.get(6)?,
                expiry: row.get(7)?,
                active: row.get(8)?,
                created_at: row.get(9)?,
                keep_until: row.get(10)?,
                sealed: row.get(11)?,
            };
            // A card that is gone leaves nulls, which are of the wrong type.
            Ok((instrument, card_row(row, 1)?))
        };
        self.find(
            "select i.card, c.id, c.network, c.iin, c.last4, c.pan,
                    i.customer, i.expiry, i.active, i.created_at, i.keep_until, i.sealed
             from instrument i left join card c on c.id = i.card where i.merchant = ?1 and i.token = ?2",
            params![merchant, token.as_str()],
            read,
        )
    }

    fn insert_instrument(&self, merchant: &str, row: &InstrumentRow) -> Result<()> {
        self.insert(
            "insert into instrument (merchant, token, card, customer, expiry, active, created_at, keep_until, sealed)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                merchant,
                row.token.as_str(),
                row.card,
                row.customer,
                row.expiry,
                row.active,
                row.created_at,
                row.keep_until,
                row.sealed
            ],
        )
    }

    fn update_instrument(&self, merchant: &str, row: &InstrumentRow) -> Result<()> {
        self.insert(
            "update instrument set active = ?3, sealed = ?4 where merchant = ?1 and token = ?2",
            params![merchant, row.token.as_str(), row.active, row.sealed],
        )
    }

    fn insert_audit(&self, merchant: &str, line: &AuditLine) -> Result<()> {
        let mut id = [0; ID_LEN];
        getrandom::fill(&mut id).map_err(|_| Code::Internal)?;
        self.insert(
            "insert into audit (id, at, merchant, actor, action, token, reason) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![id, line.at, merchant, line.actor, line.action, line.token.as_str(), line.reason],
        )
    }
}

/// A key's columns; `None` where one of them says what no key has.
fn key_row(row: &Row<'_>) -> rusqlite::Result<Option<WrappedKey>> {
    let (kind, state, check) =
        (row.get::<_, String>(0)?, row.get::<_, String>(2)?, row.get::<_, Vec<u8>>(3)?);
    let known = (KeyKind::from_name(&kind), KeyState::from_name(&state), CheckValue::from_bytes(&check));
    let (Some(kind), Some(state), Some(check)) = known else { return Ok(None) };
    // A vault makes no `ff1` tokens, so its epochs have no slots.
    let (id, created_at, retired_at) = (row.get(1)?, row.get(4)?, row.get(5)?);
    let info = KeyInfo { kind, id, state, slot: None, check, created_at, retired_at };
    Ok(Some(WrappedKey { info, wrapped: row.get(6)? }))
}

/// Reads the card's columns, which begin at `at`.
fn card_row(row: &Row<'_>, at: usize) -> rusqlite::Result<CardRow> {
    Ok(CardRow {
        id: row.get(at)?,
        network: row.get(at + 1)?,
        iin: row.get(at + 2)?,
        last4: row.get(at + 3)?,
        sealed: row.get(at + 4)?,
    })
}
