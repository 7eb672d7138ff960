//! The tables in PostgreSQL, in a schema of their own, so that they stand beside a merchant's tables of any name.
//!
//! Plain types and keys alone: no sequence, enum, trigger or partial index, so that other databases which speak
//! PostgreSQL's protocol can take them.

use super::super::{Rows, Upgrade, Work, is_again};
use super::keys;
use super::rows::PostgresRows;
use super::session::Session;
use crate::error::{Code, Result};
use std::time::{Duration, Instant};

/// The version that this library writes. Version 1 was never made here.
pub const VERSION: i32 = 4;

const TABLES: &str = "
    create table card (
        id bytea primary key, merchant text not null, network text not null, iin text not null, last4 text not null,
        pan bytea not null);
    create table card_fp (
        merchant text not null, fingerprint bytea not null, card bytea not null, generation int not null,
        primary key (merchant, fingerprint));
    create table instrument (
        merchant text not null, token text not null, card bytea not null, customer text not null, expiry int not null,
        active int not null, created_at bigint not null, keep_until bigint not null, sealed bytea not null,
        primary key (merchant, token));
    create index instrument_card on instrument (merchant, card);
    create index instrument_customer on instrument (merchant, customer);
    create table customer (
        merchant text not null, id text not null, reference text, created_at bigint not null,
        updated_at bigint not null, deleted_at bigint not null, sealed bytea not null, primary key (merchant, id));
    create unique index customer_reference on customer (merchant, reference);
    create table idempotency (
        merchant text not null, key text not null, token text not null, at bigint not null,
        primary key (merchant, key));
    create table tombstone (merchant text not null, token text not null, primary key (merchant, token));
    create table audit (
        merchant text not null, id bytea not null, at bigint not null, actor text not null, action text not null,
        token text not null, reason text not null, primary key (merchant, id));
    create table credential (
        id text primary key, merchant text not null, dialect text not null, subject text not null,
        scopes text not null, created_at bigint not null, expires_at bigint not null, revoked_at bigint not null,
        sealed bytea not null);
";

/// From version 2: credentials.
const FROM_2: &str = "
    create table credential (
        id text primary key, merchant text not null, dialect text not null, subject text not null,
        scopes text not null, created_at bigint not null, expires_at bigint not null, revoked_at bigint not null,
        sealed bytea not null);
";

/// The steps from each older version to the next one, beginning with 2, but for the last, which has the keys in hand.
const STEPS: [&str; VERSION as usize - 3] = [FROM_2];

/// From version 3: everything in the layout of today.
const FROM_3: [&str; 1] = [keys::FROM_3];

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
                if older == VERSION - 1 {
                    upgrade.prepare(&PostgresRows::new(session, None).old_keys()?)?;
                }
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

/// One step; of two that take it at once the second finds it taken.
fn migrate(session: &mut Session, from: i32, upgrade: &mut dyn Upgrade) -> Result<()> {
    session.run("begin; update panseal.fence set version = version where id = 1")?;
    match version(session).and_then(|present| step(session, from, present, upgrade)) {
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
    session.run("set local search_path to panseal")?;
    if from == VERSION - 1 {
        let old = PostgresRows::new(session, None).old_keys()?;
        FROM_3.into_iter().try_for_each(|step| session.run(step))?;
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
    session.run("begin")?;
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
    [keys::TABLES, TABLES].into_iter().try_for_each(|tables| session.run(tables))
}
