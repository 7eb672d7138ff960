//! The key table in PostgreSQL.

use super::super::{Fence, KeyRows, OldKeys};
use super::rows::{PostgresRows, get, id};
use super::schema;
use crate::error::{Code, Error, Result};
use crate::keys::{CheckValue, KeyInfo, KeyKind, KeyState, KeyTable, Revoked, Settings, WrappedKey};
use postgres::Row;

pub const TABLES: &str = "
    create table fence (
        id int primary key, vault bytea not null, version bigint not null, schema int not null,
        settings bigint not null, mac bytea not null);
    create table epoch (
        kind text not null, id bigint not null, state text not null, check_value bytea not null,
        created_at bigint not null, retired_at bigint not null, wrapped bytea not null, primary key (kind, id));
    create table revoked (id text primary key, at bigint not null);
";

/// From version 3: the fence has room for the table's settings and MAC.
pub const FROM_3: &str = "
    alter table fence add column settings bigint not null default 0, add column mac bytea not null default '';
    alter table fence alter column settings drop default, alter column mac drop default;
    create table revoked (id text primary key, at bigint not null);
";

impl PostgresRows<'_> {
    /// The keys as all versions have kept them.
    pub fn old_keys(&self) -> Result<OldKeys> {
        Ok(OldKeys { fence: self.fence()?, entries: self.entries()? })
    }

    fn entries(&self) -> Result<Vec<WrappedKey>> {
        self.all(
            "select kind, id, state, check_value, created_at, retired_at, wrapped from epoch
             order by kind collate \"C\", id",
            &[],
            key_row,
        )
    }

    fn put_entry(&self, entry: &WrappedKey) -> Result<()> {
        let WrappedKey { info, wrapped } = entry;
        self.change(
            "insert into epoch (kind, id, state, check_value, created_at, retired_at, wrapped)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (kind, id) do update
             set state = excluded.state, retired_at = excluded.retired_at, wrapped = excluded.wrapped",
            &[
                &info.kind.name(),
                &i64::from(info.id),
                &info.state.name(),
                &info.check.as_bytes(),
                &info.created_at,
                &info.retired_at,
                wrapped,
            ],
        )
        .and_then(one)
    }

    fn put_revoked(&self, revoked: &Revoked) -> Result<()> {
        self.change("insert into revoked (id, at) values ($1, $2)", &[&revoked.id, &revoked.at]).and_then(one)
    }
}

impl KeyRows for PostgresRows<'_> {
    fn fence(&self) -> Result<Fence> {
        if let Some(fence) = self.fence.get() {
            return Ok(fence);
        }
        let read = |row: &Row| Ok(Fence { vault: id(row, 0)?, version: get(row, 1)? });
        self.find("select vault, version from fence where id = 1", &[], read)?
            .ok_or_else(|| Error::from(Code::Tampered))
    }

    fn raise_fence(&self) -> Result<()> {
        // Whoever has put the version at its end is not to make a change of the keys a failure of the database.
        let sql = "update fence set version = version + 1 where id = 1 and version < 9223372036854775807";
        self.change(sql, &[]).and_then(one)?;
        self.fence.set(self.fence.get().map(|fence| Fence { version: fence.version + 1, ..fence }));
        Ok(())
    }

    fn key_table(&self) -> Result<KeyTable> {
        let read = |row: &Row| {
            Ok((id(row, 0)?, get(row, 1)?, get::<i64>(row, 2)?, get::<Vec<u8>>(row, 3)?.try_into()))
        };
        let sql = "select vault, version, settings, mac from fence where id = 1";
        let (id, version, settings, mac) = self.find(sql, &[], read)?.ok_or(Code::Tampered)?;
        let read = |row: &Row| Ok(Revoked { id: get(row, 0)?, at: get(row, 1)? });
        let revoked = self.all("select id, at from revoked order by id collate \"C\"", &[], read)?;
        Ok(KeyTable {
            id,
            version,
            settings: Settings::from_bits(settings).ok_or(Code::Tampered)?,
            entries: self.entries()?,
            revoked,
            mac: mac.map_err(|_| Code::Tampered)?,
        })
    }

    fn insert_key_table(&self, table: &KeyTable) -> Result<()> {
        let sql =
            "insert into fence (id, vault, version, schema, settings, mac) values (1, $1, $2, $3, $4, $5)";
        let (settings, mac) = (table.settings.bits(), &table.mac[..]);
        self.change(sql, &[&&table.id[..], &table.version, &schema::VERSION, &settings, &mac])
            .and_then(one)?;
        table.entries.iter().try_for_each(|entry| self.put_entry(entry))?;
        table.revoked.iter().try_for_each(|revoked| self.put_revoked(revoked))
    }

    fn put_key_table(&self, before: &KeyTable, after: &KeyTable) -> Result<()> {
        let sql = "update fence set settings = $2, mac = $3 where id = 1 and version = $1";
        self.change(sql, &[&after.version, &after.settings.bits(), &&after.mac[..]]).and_then(one)?;
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

fn key_row(row: &Row) -> Result<WrappedKey> {
    let tampered = || Error::from(Code::Tampered);
    let info = KeyInfo {
        kind: KeyKind::from_name(get(row, 0)?).ok_or_else(tampered)?,
        id: u32::try_from(get::<i64>(row, 1)?).map_err(|_| tampered())?,
        state: KeyState::from_name(get(row, 2)?).ok_or_else(tampered)?,
        // A vault makes no `ff1` tokens, so its epochs have no slots.
        slot: None,
        check: CheckValue::from_bytes(get(row, 3)?).ok_or_else(tampered)?,
        created_at: get(row, 4)?,
        retired_at: get(row, 5)?,
    };
    Ok(WrappedKey { info, wrapped: get(row, 6)? })
}
