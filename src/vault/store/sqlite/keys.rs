//! The key table in SQLite.

use super::super::{Fence, ID_LEN, KeyRows, OldKeys};
use super::rows::SqliteRows;
use crate::error::{Code, Error, Result};
use crate::keys::{CheckValue, KeyInfo, KeyKind, KeyState, KeyTable, Revoked, Settings, WrappedKey};
use rusqlite::{Row, params};

pub const TABLES: &str = "
    create table fence (
        id integer primary key check (id = 1), vault blob not null, version integer not null,
        settings integer not null, mac blob not null) strict;
    create table epoch (
        kind text not null, id integer not null, state text not null, check_value blob not null,
        created_at integer not null, retired_at integer not null, wrapped blob not null,
        primary key (kind, id)) strict, without rowid;
    create table revoked (id text primary key, at integer not null) strict, without rowid;
";

/// From version 3: the fence has room for the table's settings and MAC.
pub const FROM_3: &str = "
    alter table fence rename to old_fence;
    create table fence (
        id integer primary key check (id = 1), vault blob not null, version integer not null,
        settings integer not null, mac blob not null) strict;
    insert into fence select id, vault, version, 0, x'' from old_fence;
    drop table old_fence;
    create table revoked (id text primary key, at integer not null) strict, without rowid;
";

impl SqliteRows<'_> {
    /// The keys as all versions have kept them.
    pub fn old_keys(&self) -> Result<OldKeys> {
        Ok(OldKeys { fence: self.fence()?, entries: self.entries()? })
    }

    fn entries(&self) -> Result<Vec<WrappedKey>> {
        let keys = self.all(
            "select kind, id, state, check_value, created_at, retired_at, wrapped from epoch order by kind, id",
            [],
            key_row,
        )?;
        keys.into_iter().map(|key| key.ok_or_else(|| Code::Tampered.into())).collect()
    }

    fn put_entry(&self, entry: &WrappedKey) -> Result<()> {
        let WrappedKey { info, wrapped } = entry;
        self.change(
            "insert into epoch (kind, id, state, check_value, created_at, retired_at, wrapped)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             on conflict (kind, id) do update
             set state = excluded.state, retired_at = excluded.retired_at, wrapped = excluded.wrapped",
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
        .and_then(one)
    }

    fn put_revoked(&self, revoked: &Revoked) -> Result<()> {
        let sql = "insert into revoked (id, at) values (?1, ?2)";
        self.change(sql, params![revoked.id, revoked.at]).and_then(one)
    }
}

impl KeyRows for SqliteRows<'_> {
    fn fence(&self) -> Result<Fence> {
        let read = |row: &Row<'_>| Ok(Fence { vault: row.get(0)?, version: row.get(1)? });
        self.find("select vault, version from fence where id = 1", [], read)?
            .ok_or_else(|| Error::from(Code::Tampered))
    }

    fn raise_fence(&self) -> Result<()> {
        // Whoever has put the version at its end is not to make a change of the keys a failure of the database.
        let sql = "update fence set version = version + 1 where id = 1 and version < 9223372036854775807";
        self.change(sql, []).and_then(one)
    }

    fn key_table(&self) -> Result<KeyTable> {
        let read = |row: &Row<'_>| {
            let (id, version): ([u8; ID_LEN], i64) = (row.get(0)?, row.get(1)?);
            Ok((id, version, row.get::<_, i64>(2)?, row.get::<_, Vec<u8>>(3)?))
        };
        let sql = "select vault, version, settings, mac from fence where id = 1";
        let (id, version, settings, mac) = self.find(sql, [], read)?.ok_or(Code::Tampered)?;
        let revoked = self.all("select id, at from revoked order by id", [], |row| {
            Ok(Revoked { id: row.get(0)?, at: row.get(1)? })
        })?;
        Ok(KeyTable {
            id,
            version,
            settings: Settings::from_bits(settings).ok_or(Code::Tampered)?,
            entries: self.entries()?,
            revoked,
            mac: mac.try_into().map_err(|_| Code::Tampered)?,
        })
    }

    fn insert_key_table(&self, table: &KeyTable) -> Result<()> {
        self.change(
            "insert into fence (id, vault, version, settings, mac) values (1, ?1, ?2, ?3, ?4)",
            params![table.id, table.version, table.settings.bits(), table.mac],
        )
        .and_then(one)?;
        table.entries.iter().try_for_each(|entry| self.put_entry(entry))?;
        table.revoked.iter().try_for_each(|revoked| self.put_revoked(revoked))
    }

    fn put_key_table(&self, before: &KeyTable, after: &KeyTable) -> Result<()> {
        self.change(
            "update fence set settings = ?2, mac = ?3 where id = 1 and version = ?1",
            params![after.version, after.settings.bits(), after.mac],
        )
        .and_then(one)?;
        let mut changed = after.entries.iter().filter(|entry| !before.entries.contains(entry));
        changed.try_for_each(|entry| self.put_entry(entry))?;
        let mut fresh = after.revoked.iter().filter(|revoked| !before.revoked.contains(revoked));
        fresh.try_for_each(|revoked| self.put_revoked(revoked))
    }
}

/// `Tampered` where a statement did not change the one row that it was for: something in the database kept it from it.
fn one(changed: usize) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(Code::Tampered.into()) }
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
