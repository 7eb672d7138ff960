//! Refused access on record: what was presented is not stored, and nobody can fill a disk with it.

use super::super::store::{Action, AuditRow, Fresh};
use super::super::{Shared, Vault, check_fence};
use super::mac::{Chainer, Owner};
use super::{chained, check_chain};
use crate::error::{Code, Result};
use crate::keys::Keyring;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many lines of a merchant and reason are written within a [`WINDOW`]; the others are counted.
const MOST_LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// How many merchants and reasons are remembered: beyond them nothing is written before the windows end.
const MOST: usize = 10_000;
/// How much of a keyed hash stands in the trail, in bytes.
const HASH_LEN: usize = 8;

/// Why access was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The token is not the merchant's.
    Unknown,
    /// The token is out of use.
    Inactive,
    /// The handle never detokenizes.
    NoReveal,
    /// The guard said no.
    Guard,
    /// No such credential, or it is not good for this.
    Credential,
}

impl Refusal {
    /// `unknown`, `inactive`, `no_reveal`, `guard`, `credential`.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Unknown => "unknown",
            Refusal::Inactive => "inactive",
            Refusal::NoReveal => "no_reveal",
            Refusal::Guard => "guard",
            Refusal::Credential => "credential",
        }
    }
}

/// What was refused lately: since when, how many lines were written, and how many were not.
#[derive(Default)]
pub struct Refusals(Mutex<HashMap<(Box<str>, Refusal), Window>>);

struct Window {
    since: Instant,
    lines: u32,
    more: u64,
}

impl Refusals {
    /// Counts one; says whether it gets a line.
    fn admit(&self, merchant: &str, why: Refusal) -> bool {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = windows.len() >= MOST;
        let key = (Box::from(merchant), why);
        if full && !windows.contains_key(&key) {
            return false;
        }
        let window = windows.entry(key).or_insert(Window { since: Instant::now(), lines: 0, more: 0 });
        if window.lines < MOST_LINES {
            window.lines += 1;
            return true;
        }
        window.more += 1;
        false
    }

    /// The counts of windows that are over, or of all.
    fn over(&self, all: bool) -> Vec<(Box<str>, Refusal, u64)> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let mut over = Vec::new();
        windows.retain(|(merchant, why), window| {
            let is_over = all || now.duration_since(window.since) >= WINDOW;
            if is_over && window.more > 0 {
                over.push((merchant.clone(), *why, window.more));
            }
            !is_over
        });
        over
    }
}

impl Shared {
    pub(in super::super) fn flush_refused(&self, keyring: &Keyring, all: bool) -> Result<()> {
        for (merchant, why, more) in self.refusals.over(all) {
            let reason = format!("{} {more} more", why.name());
            self.write_refused(keyring, &merchant.into(), super::super::now(), ("", reason))?;
        }
        Ok(())
    }

    fn write_refused(
        &self,
        keyring: &Keyring,
        merchant: &Arc<str>,
        at: i64,
        (actor, reason): (&str, String),
    ) -> Result<()> {
        let action = Action::of("refuse")?;
        let line = AuditRow { at, actor: actor.into(), action, token: String::new(), reason };
        self.commit(merchant, keyring, 1, &mut |held| {
            self.store.write_held(held, &mut |rows| {
                check_fence(rows, keyring)?;
                check_chain(rows, merchant)?;
                let lines = chained(rows, keyring, merchant, [line.clone()])?;
                rows.insert(merchant, &Fresh { lines: &lines, ..Fresh::default() })
            })
        })
    }
}

impl Vault {
    /// Puts a refused access on record. What was presented is not stored: it may be a card number.
    pub fn refused(&self, actor: &str, why: Refusal, presented: &[u8]) -> Result<()> {
        self.work(|keyring, _| self.flush_refused(keyring))?;
        if !self.shared.refusals.admit(&self.merchant, why) {
            return Ok(());
        }
        self.work(|keyring, now| {
            let mac = Chainer::lend(keyring, Owner::Merchant(&self.merchant), |chainer| {
                chainer.presented(presented)
            })?;
            let mut hash = [0; 2 * HASH_LEN];
            let hash =
                base16ct::lower::encode_str(&mac[..HASH_LEN], &mut hash).map_err(|_| Code::Internal)?;
            let reason = format!("{} {hash} {}", why.name(), presented.len());
            self.shared.write_refused(keyring, &self.merchant, now, (actor, reason))
        })
    }

    /// Says how many were refused beyond those that have a line, where their time is over.
    pub(in super::super) fn flush_refused(&self, keyring: &Keyring) -> Result<()> {
        self.shared.flush_refused(keyring, false)
    }
}
