//! The tables in SQLite, and how a file of an older version becomes one of this.
//!
//! Text keys compare as bytes. Tables whose rows are small keep their key once, without rowid; instruments are wide and
//! have random tokens, so they lie in the order of their making beside an index of their tokens.

use super::super::{Upgrade, again, is_again};
use super::open::pragma;
use super::rows::SqliteRows;
use super::{failed, keys, transact};
use crate::error::{Code, Result};
use rusqlite::Connection;

/// The version that this library writes.
pub const VERSION: i32 = 4;

const TABLES: &str = "
    create table card (
        id blob primary key, merchant text not null, network text not null, iin text not null, last4 text not null,
        pan blob not null) strict, without rowid;
    create table card_fp (
        merchant text not null, fingerprint blob not null, card blob not null, generation integer not null default 1,
        primary key (merchant, fingerprint)) strict, without rowid;
    create table instrument (
        merchant text not null, token text not null, card blob not null, customer text not null,
        expiry integer not null, active integer not null, created_at integer not null, keep_until integer not null,
        sealed blob not null) strict;
    create unique index instrument_token on instrument (merchant, token);
    create index instrument_card on instrument (merchant, card);
    create index instrument_customer on instrument (merchant, customer);
    create table customer (
        merchant text not null, id text not null, reference text, created_at integer not null,
        updated_at integer not null, deleted_at integer not null, sealed blob not null,
        primary key (merchant, id)) strict, without rowid;
    create unique index customer_reference on customer (merchant, reference);
    create table idempotency (
        merchant text not null, key text not null, token text not null, at integer not null,
        primary key (merchant, key)) strict, without rowid;
    create table tombstone (
        merchant text not null, token text not null, primary key (merchant, token)) strict, without rowid;
    create table audit (
        merchant text not null, id blob not null, at integer not null, actor text not null, action text not null,
        token text not null, reason text not null, primary key (merchant, id)) strict, without rowid;
    create table credential (
        id text primary key, merchant text not null, dialect text not null, subject text not null,
        scopes text not null, created_at integer not null, expires_at integer not null, revoked_at integer not null,
        sealed blob not null) strict, without rowid;
";

/// From version 1: instruments, their audit trail and fingerprints as they were, in the tables of today.
const FROM_1: &str = "
    alter table instrument rename to old_instrument;
    alter table audit rename to old_audit;
    alter table card_fp add column generation integer not null default 1;
    create table instrument (
        merchant text not null, token text not null, card blob not null, customer text not null,
        expiry integer not null, active integer not null, created_at integer not null, keep_until integer not null,
        sealed blob not null) strict;
    insert into instrument select merchant, token, card, customer, expiry, active, created_at, keep_until, sealed
        from old_instrument order by created_at, token;
    create unique index instrument_token on instrument (merchant, token);
    create index instrument_card on instrument (merchant, card);
    create index instrument_customer on instrument (merchant, customer);
    create table customer (
        merchant text not null, id text not null, reference text, created_at integer not null,
        updated_at integer not null, deleted_at integer not null, sealed blob not null,
        primary key (merchant, id)) strict, without rowid;
    create unique index customer_reference on customer (merchant, reference);
    create table idempotency (
        merchant text not null, key text not null, token text not null, at integer not null,
        primary key (merchant, key)) strict, without rowid;
    create table tombstone (
        merchant text not null, token text not null, primary key (merchant, token)) strict, without rowid;
    create table audit (
        merchant text not null, id blob not null, at integer not null, actor text not null, action text not null,
        token text not null, reason text not null, primary key (merchant, id)) strict, without rowid;
    insert into audit
        select merchant, cast(unhex(printf('%012x', at * 1000)) || substr(id, 7) as blob), at, actor, action, token,
            reason from old_audit;
    drop table old_instrument;
    drop table old_audit;
    update fence set version = version + 1;
";

/// From version 2: credentials.
const FROM_2: &str = "
    create table credential (
        id text primary key, merchant text not null, dialect text not null, subject text not null,
        scopes text not null, created_at integer not null, expires_at integer not null, revoked_at integer not null,
        sealed blob not null) strict, without rowid;
    update fence set version = version + 1;
";

/// The steps from each older version to the next one, but for the last, which has the keys in hand.
const STEPS: [&str; VERSION as usize - 2] = [FROM_1, FROM_2];

/// From version 3: everything in the layout of today.
const FROM_3: [&str; 1] = [keys::FROM_3];

/// Makes the tables. Inside a transaction.
pub fn make(connection: &Connection) -> Result<()> {
    connection.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    [keys::TABLES, TABLES].into_iter().try_for_each(|tables| connection.execute_batch(tables).map_err(failed))
}

/// `SchemaNewer` where the tables are ahead of this version. Changes nothing.
pub fn refuse_newer(connection: &Connection) -> Result<()> {
    if pragma(connection, "user_version")? > VERSION { Err(Code::SchemaNewer.into()) } else { Ok(()) }
}

/// Brings the tables up to this version, a step a transaction. `SchemaNewer` where they are ahead of it, `NotAVault`
/// where they are behind it and nobody is there to bring them forward.
pub fn migrate(connection: &Connection, upgrade: Option<&mut dyn Upgrade>) -> Result<()> {
    if pragma(connection, "user_version")? == VERSION {
        return Ok(());
    }
    let upgrade = upgrade.ok_or(Code::NotAVault)?;
    loop {
        let present = pragma(connection, "user_version")?;
        if present == VERSION {
            return Ok(());
        }
        if present == VERSION - 1 {
            upgrade.prepare(&SqliteRows(connection).old_keys()?)?;
        }
        match transact(connection, || step(connection, present, upgrade)) {
            // Another process has changed the keys meanwhile, or was faster.
            Err(error) if is_again(&error) => {}
            other => other?,
        }
    }
}

fn step(connection: &Connection, from: i32, upgrade: &mut dyn Upgrade) -> Result<()> {
    // Read again: another process may have been faster.
    let present = pragma(connection, "user_version")?;
    if present > VERSION {
        return Err(Code::SchemaNewer.into());
    }
    if present != from {
        return Err(again());
    }
    if present == VERSION - 1 {
        let old = SqliteRows(connection).old_keys()?;
        FROM_3.into_iter().try_for_each(|step| connection.execute_batch(step).map_err(failed))?;
        upgrade.finish(&old, &SqliteRows(connection))?;
    } else {
        let step = usize::try_from(present - 1).ok().and_then(|place| STEPS.get(place));
        connection.execute_batch(step.ok_or(Code::NotAVault)?).map_err(failed)?;
    }
    connection.pragma_update(None, "user_version", present + 1).map_err(failed)
}
