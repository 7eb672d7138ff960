//! The tables in SQLite, and how a file of an older version becomes one of this.
//!
//! Text keys compare as bytes. Tables whose rows are small keep their key once, without rowid; instruments are wide and
//! have random tokens, so they lie in the order of their making beside an index of their tokens.

use super::super::tenants::Tenants;
use super::super::{Upgrade, again, is_again};
use super::open::pragma;
use super::rows::SqliteRows;
use super::{audit, failed, keys, transact};
use crate::error::{Code, Result};
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The version that this library writes.
pub const VERSION: i32 = 4;

/// Everything else. A merchant's name is written once; in all other rows its number stands for it.
const ROW_TABLES: &str = "
    create table merchant (id integer primary key, name text not null unique) strict;
    create table card (
        merchant integer not null, id blob not null, network text not null, iin text not null, last4 text not null,
        pan blob not null, primary key (merchant, id)) strict, without rowid;
    create table card_fp (
        merchant integer not null, fingerprint blob not null, card blob not null, generation integer not null,
        primary key (merchant, fingerprint)) strict, without rowid;
    create table instrument (
        merchant integer not null, token blob not null, card blob not null, customer text not null,
        expiry integer not null, active integer not null, created_at integer not null, keep_until integer not null,
        sealed blob not null) strict;
    create table customer (
        merchant integer not null, id text not null, reference text, created_at integer not null,
        updated_at integer not null, deleted_at integer not null, sealed blob not null,
        primary key (merchant, id)) strict, without rowid;
    create table idempotency (
        merchant integer not null, key text not null, token blob not null, at integer not null,
        primary key (merchant, key)) strict, without rowid;
    create table tombstone (
        merchant integer not null, token blob not null, primary key (merchant, token)) strict, without rowid;
    create table credential (
        id text primary key, merchant integer not null, dialect text not null, subject text not null,
        scopes text not null, created_at integer not null, expires_at integer not null, revoked_at integer not null,
        sealed blob not null) strict, without rowid;
";

/// Apart from their tables: where those are filled first, an index is made in one go.
const ROW_INDEXES: &str = "
    create unique index instrument_token on instrument (merchant, token);
    create index instrument_card on instrument (merchant, card);
    create index instrument_customer on instrument (merchant, customer);
    create unique index customer_reference on customer (merchant, reference);
";

/// All that [`make`] makes, in this order.
const TABLES: [&str; 4] = [keys::TABLES, audit::TABLES, ROW_TABLES, ROW_INDEXES];

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

/// From version 3: merchants as numbers, and as the first part of each key; tokens packed; fingerprints of 16 bytes.
const ASIDE_3: &str = "
    drop index instrument_token;
    drop index instrument_card;
    drop index instrument_customer;
    drop index customer_reference;
    alter table card rename to old_card;
    alter table card_fp rename to old_card_fp;
    alter table instrument rename to old_instrument;
    alter table customer rename to old_customer;
    alter table idempotency rename to old_idempotency;
    alter table tombstone rename to old_tombstone;
    alter table credential rename to old_credential;
    alter table audit rename to old_audit;
";
const OVER_3: &str = "
    insert into merchant (name)
        select merchant from old_card union select merchant from old_card_fp union select merchant from old_instrument
        union select merchant from old_customer union select merchant from old_idempotency
        union select merchant from old_tombstone union select merchant from old_credential
        union select merchant from old_audit order by merchant;
    insert into card select m.id, o.id, o.network, o.iin, o.last4, o.pan
        from old_card o join merchant m on m.name = o.merchant order by m.id, o.id;
    insert into card_fp select m.id, substr(o.fingerprint, 1, 16), o.card, o.generation
        from old_card_fp o join merchant m on m.name = o.merchant order by m.id, o.fingerprint;
    insert into instrument
        select m.id, {token},
            o.card, o.customer, o.expiry, o.active, o.created_at, o.keep_until, o.sealed
        from old_instrument o join merchant m on m.name = o.merchant order by o.rowid;
    insert into customer select m.id, o.id, o.reference, o.created_at, o.updated_at, o.deleted_at, o.sealed
        from old_customer o join merchant m on m.name = o.merchant order by m.id, o.id;
    insert into idempotency select m.id, o.key, {token}, o.at
        from old_idempotency o join merchant m on m.name = o.merchant order by m.id, o.key;
    insert into tombstone select m.id, {token}
        from old_tombstone o join merchant m on m.name = o.merchant order by 1, 2;
    insert into credential
        select o.id, m.id, o.dialect, o.subject, o.scopes, o.created_at, o.expires_at, o.revoked_at, o.sealed
        from old_credential o join merchant m on m.name = o.merchant order by o.id;
    drop table old_card;
    drop table old_card_fp;
    drop table old_instrument;
    drop table old_customer;
    drop table old_idempotency;
    drop table old_tombstone;
    drop table old_credential;
";

/// The steps from each older version to the next one, but for the last, which has the keys in hand.
const STEPS: [&str; VERSION as usize - 2] = [FROM_1, FROM_2];

/// A token of version 3, packed.
const PACKED_3: &str = "
    case when length(o.token) = 48 and o.token not glob '*[^0-9a-f]*' then unhex('01' || o.token)
        when length(o.token) = 36 and replace(o.token, '-', '') not glob '*[^0-9a-f]*'
            and length(replace(o.token, '-', '')) = 32 and o.token glob '????????-????-????-????-*'
            then unhex('02' || replace(o.token, '-', ''))
        else unhex('03' || hex(o.token)) end";

/// The last step, but for what it does with the keys.
fn from_3() -> String {
    let over = OVER_3.replace("{token}", PACKED_3);
    [keys::FROM_3, ASIDE_3, ROW_TABLES, audit::TABLES, &over, &audit::from_3(PACKED_3), ROW_INDEXES].concat()
}

/// Makes the tables. Inside a transaction.
pub fn make(connection: &Connection) -> Result<()> {
    connection.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    TABLES.iter().try_for_each(|sql| connection.execute_batch(sql).map_err(failed))
}

/// `SchemaNewer` where the tables are ahead of this version. Changes nothing.
pub fn refuse_newer(connection: &Connection) -> Result<()> {
    if pragma(connection, "user_version")? > VERSION { Err(Code::SchemaNewer.into()) } else { Ok(()) }
}

/// Brings the tables up to this version, a step a transaction. `SchemaNewer` where they are ahead of it, `NotAVault`
/// where they are behind it and nobody is there to bring them forward. Before the first step it is known that the root
/// key is the vault's.
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
        refuse_newer(connection)?;
        if !(1..VERSION).contains(&present) {
            return Err(Code::NotAVault.into());
        }
        let old = SqliteRows(connection, &Tenants::default(), None).old_keys()?;
        if pragma(connection, "user_version")? != present {
            // These may be the keys of a later version.
            continue;
        }
        upgrade.prepare(&old)?;
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
        let old = SqliteRows(connection, &Tenants::default(), None).old_keys()?;
        connection.execute_batch(&from_3()).map_err(failed)?;
        upgrade.finish(&old, &SqliteRows(connection, &Tenants::default(), None))?;
    } else {
        let step = usize::try_from(present - 1).ok().and_then(|place| STEPS.get(place));
        connection.execute_batch(step.ok_or(Code::NotAVault)?).map_err(failed)?;
    }
    connection.pragma_update(None, "user_version", present + 1).map_err(failed)
}

/// Tables and indexes by name, each with its table and the SQL that has made it.
type Form = BTreeMap<(String, String), (String, Option<String>)>;

/// `Tampered` where the vault's tables and their indexes are not as this version makes them, or where there is more on
/// them: a unique index that is gone, a column that computes itself, a trigger. Tables of a host's own are not looked
/// at, nor is a view over the vault's: nothing here reads one.
pub fn check(connection: &Connection) -> Result<()> {
    static EXPECTED: OnceLock<Form> = OnceLock::new();
    let expected = match EXPECTED.get() {
        Some(expected) => expected,
        None => {
            let empty = Connection::open_in_memory().map_err(failed)?;
            make(&empty)?;
            let made = form(&empty)?;
            EXPECTED.get_or_init(|| made)
        }
    };
    let ours = |name: &str| expected.values().any(|(table, _)| table.eq_ignore_ascii_case(name));
    let mut present = form(connection)?;
    present.retain(|(_, name), (table, _)| ours(name) || ours(table));
    if present == *expected { Ok(()) } else { Err(Code::Tampered.into()) }
}

fn form(connection: &Connection) -> Result<Form> {
    let read = |row: &Row<'_>| {
        let sql: Option<String> = row.get(3)?;
        let words = sql.map(|sql| sql.split_whitespace().collect::<Vec<_>>().join(" "));
        Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, words)))
    };
    let rows = connection.prepare("select type, name, tbl_name, sql from sqlite_schema");
    rows.and_then(|mut rows| rows.query_map([], read)?.collect()).map_err(failed)
}
