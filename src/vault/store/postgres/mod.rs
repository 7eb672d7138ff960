//! The PostgreSQL store: a fleet of processes on one vault.
//!
//! A call takes a session out of the pool, or opens one; a transaction is four round trips. The database's own
//! isolation level holds: what conflicts is run again from the beginning, by whoever asked for it.

mod audit;
mod client;
mod connect;
mod fault;
mod form;
mod insert;
mod keys;
mod rows;
mod schema;
mod session;
mod tls;

use super::audit::Lane;
use super::{Fence, Held, Store, Upgrade, Work, again, is_in_doubt};
use crate::error::{Code, Error, Result};
use client::Unreached;
use connect::Target;
use rows::PostgresRows;
use session::Session;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many idle sessions are kept.
const IDLE: usize = 32;

/// A vault in PostgreSQL.
pub struct PostgresStore {
    target: Target,
    idle: Mutex<Vec<Session>>,
    /// Those that nobody writes in at the moment.
    lanes: Mutex<Vec<Lane>>,
    /// Why the last attempt to connect has failed, if it has.
    out_of_reach: Mutex<Option<Error>>,
}

impl PostgresStore {
    /// Opens the vault at a URL, whose form [`Target::parse`] describes.
    ///
    /// Where there is none, `create` is run in the transaction that makes it, or without one `NotAVault` is the answer.
    pub fn open(
        url: &str,
        patience: Duration,
        create: Option<Work<'_>>,
        upgrade: &mut dyn Upgrade,
    ) -> Result<PostgresStore> {
        let target = Target::parse(url, patience)?;
        let mut session = Session::new(target.connect()?)?;
        schema::open(&mut session, patience, create, upgrade)?;
        form::check(&mut session)?;
        Ok(PostgresStore {
            target,
            idle: Mutex::new(vec![session]),
            lanes: Mutex::default(),
            out_of_reach: Mutex::default(),
        })
    }

    /// Lends a session to `work`; one that fails under it is not used again, nor those that were opened before it.
    fn with_session<T>(&self, work: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        let idle = self.idle().pop();
        let mut session = match idle {
            Some(session) if !session.is_broken() => session,
            _ => self.connect()?,
        };
        let outcome = work(&mut session);
        if session.is_silent() {
            self.note_out_of_reach(Some(Unreached::Silent.into_error()));
        }
        let mut idle = self.idle();
        if session.is_broken() {
            let dead = std::mem::take(&mut *idle);
            drop(idle);
            drop(dead);
        } else if idle.len() < IDLE {
            idle.push(session);
        }
        outcome
    }

    /// Tries each host once. What waiting may mend, as after a fail-over, when a standby is about to become the
    /// primary, is to be tried again: whoever has the patience waits, and holds nothing meanwhile. What it does not
    /// mend, such as a wrong password, is said at once.
    fn connect(&self) -> Result<Session> {
        let mut out_of_reach = None;
        let session = match self.target.attempt() {
            Ok(client) => Session::new(client).and_then(|mut session| {
                form::check(&mut session)?;
                Ok(session)
            }),
            Err(unreached) if unreached.may_pass() => {
                out_of_reach = Some(unreached.into_error());
                Err(again())
            }
            Err(unreached) => Err(unreached.into_error()),
        };
        self.note_out_of_reach(out_of_reach);
        session
    }

    fn note_out_of_reach(&self, why: Option<Error>) {
        *self.out_of_reach.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// [`PostgresStore::with_session`], and the lane that the call holds, or takes for it: one that knows the merchant if
    /// there is one.
    fn with_lane(
        &self,
        held: &mut Held,
        work: impl FnOnce(&mut Session, &mut Lane) -> Result<()>,
    ) -> Result<()> {
        let mut lane = held.lane.take().unwrap_or_else(|| {
            let mut lanes = self.lanes();
            let place = lanes.iter().rposition(|lane| lane.head(&held.merchant).is_some());
            place.map(|place| lanes.swap_remove(place)).or_else(|| lanes.pop()).unwrap_or_default()
        });
        let outcome = self.with_session(|session| work(session, &mut lane));
        let held_lane = held.lane.insert(lane);
        match &outcome {
            Ok(()) => held_lane.keep(),
            Err(error) if is_in_doubt(error) => held.doubt(),
            Err(_) => held_lane.undo(),
        }
        outcome
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for PostgresStore {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn schema(&self) -> i32 {
        schema::VERSION
    }

    fn read(&self, work: Work<'_>) -> Result<()> {
        self.with_session(|session| work(&PostgresRows::new(session, None)))
    }

    fn write_held(&self, held: &mut Held, work: Work<'_>) -> Result<()> {
        self.with_lane(held, |session, lane| {
            let (fence, make_way) = begin(session, false)?;
            let mut open = Open { session, done: false };
            if make_way {
                return Err(again());
            }
            work(&PostgresRows::new(open.session, Some(fence)).with_lane(lane))?;
            open.done = true;
            open.session.commit()
        })
    }

    /// Who shares a lock does not queue behind one who wants it alone, so that many writers would keep it from him for
    /// ever: they are asked to.
    fn write_alone(&self, held: &mut Held, work: Work<'_>) -> Result<()> {
        self.with_lane(held, |session, lane| {
            session.run(MAKE_WAY)?;
            let (fence, _) = begin(session, true)?;
            let mut open = Open { session, done: false };
            work(&PostgresRows::new(open.session, Some(fence)).with_lane(lane))?;
            open.session.run("delete from fence where id = 2")?;
            open.done = true;
            open.session.commit()
        })
    }

    fn release(&self, held: Held) {
        if let Some(lane) = held.lane.filter(|lane| !lane.is_empty()) {
            self.lanes().push(lane);
        }
    }

    fn out_of_reach(&self) -> Option<Error> {
        *self.out_of_reach.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sessions of the parent stay the parent's: see [`Store::forked`].
    fn let_go(&self) {}

    /// Closing them would end the parent's sessions: what is left of them here is leaked.
    fn forked(&self) {
        std::mem::take(&mut *self.idle()).into_iter().for_each(std::mem::forget);
        // The parent goes on in its chains.
        self.lanes().clear();
    }
}

/// A transaction that is rolled back where its work fails or panics.
struct Open<'s> {
    session: &'s mut Session,
    done: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.session.roll_back();
        }
    }
}

/// A second row beside the fence, which nobody locks for long: until when, in milliseconds since 1970 by the server's
/// clock, writers are to make way for a change of the keys. Whoever has asked for it and died does not stop them for
/// long.
const MAKE_WAY: &str = "insert into fence (id, vault, version, schema, settings, mac)
    values (2, '', (extract(epoch from now()) * 1000)::bigint + 2000, 0, 0, '')
    on conflict (id) do update set version = excluded.version";

/// Begins a transaction, takes the fence, `alone` or with others, and looks whether to make way, in one round trip.
fn begin(session: &mut Session, alone: bool) -> Result<(Fence, bool)> {
    let fence = session.begin(alone).map(|row| row.as_deref().and_then(read_fence));
    fence
        .and_then(|fence| fence.ok_or_else(|| Error::from(Code::Tampered)))
        .inspect_err(|_| session.roll_back())
}

fn read_fence(row: &[String]) -> Option<(Fence, bool)> {
    let [vault, version, make_way] = row else { return None };
    let mut id = [0; super::ID_LEN];
    base16ct::lower::decode(vault, &mut id).ok().filter(|bytes| bytes.len() == super::ID_LEN)?;
    Some((Fence { vault: id, version: version.parse().ok()? }, make_way == "t"))
}
