//! The tables in PostgreSQL, in a schema of their own, so that they stand beside a merchant's tables of any name.
//!
//! Plain types and keys alone: no sequence, enum, trigger or partial index, so that other databases which speak
//! PostgreSQL's protocol can take them.

use super::super::{Rows, Upgrade, Work, is_again};
use super::rows::PostgresRows;
use super::session::Session;
use super::{audit, keys};
use crate::error::{Code, Result};
use std::time::{Duration, Instant};

/// The version that this library writes. Version 1 was never made here.
pub const VERSION: i32 = 4;

/// Everything else. A merchant's name is written once; in all other rows its number stands for it.
const ROW_TABLES: &str = "
    create table merchant (id bigint primary key, name text not null unique);
    create table card (
        merchant bigint not null, id bytea not null, network text not null, iin text not null, last4 text not null,
        pan bytea not null, primary key (merchant, id));
    create table card_fp (
        merchant bigint not null, fingerprint bytea not null, card bytea not null, generation int not null,
        primary key (merchant, fingerprint));
    create table instrument (
        merchant bigint not null, token bytea not null, card bytea not null, customer text not null,
        expiry int not null, active int not null, created_at bigint not null, keep_until bigint not null,
        sealed bytea not null, primary key (merchant, token));
    create index instrument_card on instrument (merchant, card);
    create index instrument_customer on instrument (merchant, customer);
    create table customer (
        merchant bigint not null, id text not null, reference text, created_at bigint not null,
        updated_at bigint not null, deleted_at bigint not null, sealed bytea not null, primary key (merchant, id));
    create unique index customer_reference on customer (merchant, reference);
    create table idempotency (
        merchant bigint not null, key text not null, token bytea not null, at bigint not null,
        primary key (merchant, key));
    create table tombstone (merchant bigint not null, token bytea not null, primary key (merchant, token));
    create table credential (
        id text primary key, merchant bigint not null, dialect text not null, subject text not null,
        scopes text not null, created_at bigint not null, expires_at bigint not null, revoked_at bigint not null,
        sealed bytea not null);
";

/// All that [`make`] makes, in this order.
const TABLES: [&str; 3] = [keys::TABLES, audit::TABLES, ROW_TABLES];

/// From version 2: credentials.
const FROM_2: &str = "
    create table credential (
        id text primary key, merchant text not null, dialect text not null, subject text not null,
        scopes text not null, created_at bigint not null, expires_at bigint not null, revoked_at bigint not null,
        sealed bytea not null);
";

/// From version 3: merchants as numbers, and as the first part of each key; tokens packed; fingerprints of 16 bytes.
const ASIDE_3: &str = "
    drop index instrument_card;
    drop index instrument_customer;
    drop index customer_reference;
    alter table card rename to old_card;
    alter index card_pkey rename to old_card_pkey;
    alter table card_fp rename to old_card_fp;
    alter index card_fp_pkey rename to old_card_fp_pkey;
    alter table instrument rename to old_instrument;
    alter index instrument_pkey rename to old_instrument_pkey;
    alter table customer rename to old_customer;
    alter index customer_pkey rename to old_customer_pkey;
    alter table idempotency rename to old_idempotency;
    alter index idempotency_pkey rename to old_idempotency_pkey;
    alter table tombstone rename to old_tombstone;
    alter index tombstone_pkey rename to old_tombstone_pkey;
    alter table credential rename to old_credential;
    alter index credential_pkey rename to old_credential_pkey;
    alter table audit rename to old_audit;
    alter index audit_pkey rename to old_audit_pkey;
";
const OVER_3: &str = "
    insert into merchant (id, name)
        select row_number() over (order by name), name from (
            select merchant as name from old_card union select merchant from old_card_fp
            union select merchant from old_instrument union select merchant from old_customer
            union select merchant from old_idempotency union select merchant from old_tombstone
            union select merchant from old_credential
            union select merchant from old_audit) as names;
    insert into card select m.id, o.id, o.network, o.iin, o.last4, o.pan
        from old_card o join merchant m on m.name = o.merchant;
    insert into card_fp select m.id, substr(o.fingerprint, 1, 16), o.card, o.generation
        from old_card_fp o join merchant m on m.name = o.merchant;
    insert into instrument
        select m.id, {token},
            o.card, o.customer, o.expiry, o.active, o.created_at, o.keep_until, o.sealed
        from old_instrument o join merchant m on m.name = o.merchant;
    insert into customer select m.id, o.id, o.reference, o.created_at, o.updated_at, o.deleted_at, o.sealed
        from old_customer o join merchant m on m.name = o.merchant;
    insert into idempotency select m.id, o.key, {token}, o.at
        from old_idempotency o join merchant m on m.name = o.merchant;
    insert into tombstone select m.id, {token}
        from old_tombstone o join merchant m on m.name = o.merchant;
    insert into credential
        select o.id, m.id, o.dialect, o.subject, o.scopes, o.created_at, o.expires_at, o.revoked_at, o.sealed
        from old_credential o join merchant m on m.name = o.merchant;
    drop table old_card, old_card_fp, old_instrument, old_customer, old_idempotency, old_tombstone, old_credential;
";

/// The steps from each older version to the next one, beginning with 2, but for the last, which has the keys in hand.
const STEPS: [&str; VERSION as usize - 3] = [FROM_2];

/// The last step, but for what it does with the keys.
fn from_3() -> String {
    let over = OVER_3.replace("{token}", PACKED_3);
    [keys::FROM_3, ASIDE_3, ROW_TABLES, audit::TABLES, &over, &audit::from_3(PACKED_3)].concat()
}

/// A token of version 3, packed.
const PACKED_3: &str = "
    case when o.token ~ '^[0-9a-f]{48}$' then decode('01' || o.token, 'hex')
        when o.token ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
            then decode('02' || replace(o.token, '-', ''), 'hex')
        else decode('03', 'hex') || convert_to(o.token, 'UTF8') end";

/// Finds the vault, or makes it where `create` says so; of two that try at once one finds it made.
///
/// `NotAVault` where there is none, `SchemaNewer` where it is of a newer version.
pub fn open(
    session: &mut Session,
    patience: Duration,
    mut create: Option<Work<'_>>,
    upgrade: &mut dyn Upgrade,
) -> Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        match version(session)? {
            Some(VERSION) => return Ok(()),
            Some(newer) if newer > VERSION => return Err(Code::SchemaNewer.into()),
            Some(older) => {
                // Before the first step it is known that the root key is the vault's.
                let old = PostgresRows::new(session, None).old_keys()?;
                if version(session)? != Some(older) {
                    continue;
                }
                upgrade.prepare(&old)?;
                match migrate(session, older, upgrade) {
                    // Another process has changed the keys meanwhile, or was faster.
                    Err(error) if is_again(&error) && Instant::now() < deadline => {}
                    other => other?,
                }
                continue;
            }
            None => {}
        }
        let Some(create) = create.as_mut() else { return Err(Code::NotAVault.into()) };
        match make(session, &mut **create) {
            // Somebody else makes it at this moment.
            Err(error) if super::super::is_again(&error) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

fn version(session: &mut Session) -> Result<Option<i32>> {
    if !session.ask("select to_regclass('panseal.fence') is not null")? {
        return Ok(None);
    }
    session.number("select schema from panseal.fence where id = 1")
}

/// A migration reads whole tables, as long as that takes.
const MIGRATING: &str = "set local search_path to panseal; set local statement_timeout = 0;
    select set_config(name, 'on', true) from pg_catalog.pg_settings
    where name in ('enable_seqscan', 'enable_hashjoin', 'enable_mergejoin')";

/// One step; of two that take it at once the second finds it taken.
fn migrate(session: &mut Session, from: i32, upgrade: &mut dyn Upgrade) -> Result<()> {
    session.begin_without_fence()?;
    let locked = session.run("update panseal.fence set version = version where id = 1");
    let present = locked.and_then(|()| version(session));
    match present.and_then(|present| step(session, from, present, upgrade)) {
        Ok(()) => session.commit(),
        Err(error) => {
            session.roll_back();
            Err(error)
        }
    }
}

fn step(session: &mut Session, from: i32, present: Option<i32>, upgrade: &mut dyn Upgrade) -> Result<()> {
    if present != Some(from) {
        return Ok(());
    }
    session.run(MIGRATING)?;
    if from == VERSION - 1 {
        let old = PostgresRows::new(session, None).old_keys()?;
        session.run(&from_3())?;
        upgrade.finish(&old, &PostgresRows::new(session, None))?;
    } else {
        let step =
            usize::try_from(from - 2).ok().and_then(|place| STEPS.get(place)).ok_or(Code::NotAVault)?;
        session.run("update fence set version = version + 1 where id = 1")?;
        session.run(step)?;
    }
    session.run(&format!("update fence set schema = {} where id = 1", from + 1))
}

fn make(session: &mut Session, create: Work<'_>) -> Result<()> {
    session.begin_without_fence()?;
    let made = tables(session).and_then(|()| create(&PostgresRows::new(session, None) as &dyn Rows));
    match made {
        Ok(()) => session.commit(),
        Err(error) => {
            session.roll_back();
            Err(error)
        }
    }
}

fn tables(session: &mut Session) -> Result<()> {
    // Where an administrator has made the schema, the right to make schemas is not needed.
    if !session.ask("select to_regnamespace('panseal') is not null")? {
        session.run("create schema panseal")?;
    }
    TABLES.iter().try_for_each(|sql| session.run(sql))
}
