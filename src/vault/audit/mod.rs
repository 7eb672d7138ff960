//! The audit trail: who did what to which token, when and why. Written in the transaction of what it tells of, and
//! chained by MACs. See `docs/vault.md`.

#[cfg(all(test, feature = "postgres", not(miri)))]
mod in_doubt;
mod mac;
mod prune;
mod refused;
mod verify;
mod write;

pub use refused::Refusal;
pub use verify::{AuditFault, AuditReport, FaultKind};

pub(super) use refused::Refusals;
pub(super) use write::{Unjoined, chain_old_lines, chained, check_chain};

use super::store::{AuditRow, ID_LEN, Id, Kind, MAC_LEN, MainLine, Span, VAULT, is_again};
use super::{LIST_MAX, Vault, check_id};
use crate::error::{Code, Result};
use std::fmt;

/// Length of an audit head, in bytes.
pub const HEAD_LEN: usize = 2 * size_of::<i64>() + MAC_LEN;

/// From here on the first half of an id is a time, in 2^-16 milliseconds, as it was before version 4.
const OLD_FROM: u64 = 1 << 56;
/// How many joins are looked up at a time.
const JOINS: usize = 256;

/// A line of the audit trail.
#[derive(Clone, PartialEq, Eq)]
pub struct AuditLine {
    id: Id,
    row: AuditRow,
}

impl AuditLine {
    /// The line's id: ascending in the order of the trail, which is the same for everybody. To go on behind it, see
    /// [`AuditQuery::after`].
    pub fn id(&self) -> [u8; ID_LEN] {
        self.id
    }

    /// When, in seconds since 1970 UTC, by the clock of whoever wrote it.
    pub fn at(&self) -> i64 {
        self.row.at
    }

    /// Who acted, or empty.
    pub fn actor(&self) -> &str {
        &self.row.actor
    }

    /// The verb: `tokenize`, `reuse`, `refuse`, `detokenize`, `update`, `deactivate`, `reactivate`, `delete`, `purge`,
    /// `customer`, `claim`, `grant`, `revoke`, `rotate`, `rewrap`, `destroy`, `change_index`, `change_root`,
    /// `settings`, `prune`.
    pub fn action(&self) -> &str {
        self.row.action.name()
    }

    /// The token that was acted on, or empty.
    pub fn token(&self) -> &str {
        &self.row.token
    }

    /// Why, or empty.
    pub fn reason(&self) -> &str {
        &self.row.reason
    }
}

impl fmt::Debug for AuditLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AuditLine").field("at", &self.at()).field("action", &self.action()).finish()
    }
}

/// Which lines are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditQuery<'a> {
    /// Those behind this line; `None`: from the first.
    pub after: Option<[u8; ID_LEN]>,
    /// Those about this token.
    pub token: Option<&'a str>,
    /// At most so many: 1 to 1000; 0 is 100.
    pub limit: usize,
}

impl Vault {
    /// The merchant's audit trail, in its order. What is committed by now is in it. Fewer lines than the limit are the last
    /// ones: whoever goes on behind the last one sees each line once, and misses none.
    ///
    /// `Conflict` for lines behind one that was pruned, where others between them were pruned too.
    pub fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditLine>> {
        let limit = if query.limit == 0 { 100 } else { query.limit };
        if limit > LIST_MAX {
            return Err(Code::Limit.into());
        }
        check_id(query.token.unwrap_or(""))?;
        self.ask("audit", limit)?;
        self.work(|keyring, _| {
            self.flush_refused(keyring)?;
            match self.join_committed(keyring, false) {
                // Where nothing can be written, what is joined can be read all the same.
                Err(error) if matches!(error.code(), Code::Store | Code::Busy) && !is_again(&error) => {}
                other => other?,
            }
            let mut lines = Vec::new();
            self.shared.store.read(&mut |rows| {
                let tenant = rows.tenant_of(&self.merchant)?;
                let after = match query.after {
                    Some(id) => position(&id, rows.old_up_to(tenant, &id)?),
                    None => (0, 0),
                };
                if query.after.is_some() {
                    prune::check_after(rows, tenant, after)?;
                }
                lines = self.lines_behind(rows, tenant, after, query.token, limit)?;
                Ok(())
            })?;
            Ok(lines)
        })
    }

    fn lines_behind(
        &self,
        rows: &dyn super::store::Rows,
        tenant: i64,
        (mut join, mut seq): (i64, i64),
        token: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AuditLine>> {
        let mut found = Vec::new();
        if tenant == VAULT {
            return Ok(found);
        }
        loop {
            let page = rows.main_lines(tenant, join, JOINS)?;
            let joins: Vec<&MainLine> =
                page.iter().filter(|line| matches!(line.kind, Kind::Join | Kind::End)).collect();
            let span = |line: &&MainLine| {
                let first = if line.seq == join { line.first.max(seq.saturating_add(1)) } else { line.first };
                Span { chain: line.chain, first, last: line.last }
            };
            let spans: Vec<Span> = joins.iter().map(span).collect();
            let mut places = joins.iter();
            let mut at = places.next();
            for line in rows.lines(tenant, &spans, token, limit - found.len())? {
                while at.is_some_and(|at| at.chain != line.chain || line.seq < at.first || line.seq > at.last)
                {
                    at = places.next();
                }
                let id = line.old.unwrap_or_else(|| id_of(at.map_or(0, |at| at.seq), line.seq));
                found.push(AuditLine { id, row: line.row });
            }
            match page.last() {
                Some(last) if page.len() == JOINS && found.len() < limit => (join, seq) = (last.seq + 1, 0),
                _ => return Ok(found),
            }
        }
    }
}

/// A line's id.
fn id_of(join: i64, seq: i64) -> Id {
    let mut id = Id::default();
    let (first, second) = id.split_at_mut(ID_LEN / 2);
    first.copy_from_slice(&join.to_be_bytes());
    second.copy_from_slice(&seq.to_be_bytes());
    id
}

/// The place of an id: of its join in the main chain, and in its chain. An old one is at a place among the old lines,
/// which are joined first.
fn position(id: &Id, old_up_to: i64) -> (i64, i64) {
    let (first, second) = id.split_at(ID_LEN / 2);
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_be_bytes);
    if number(first) >= OLD_FROM {
        return if old_up_to == 0 { (0, 0) } else { (1, old_up_to) };
    }
    let place = |bytes| i64::try_from(number(bytes)).unwrap_or(i64::MAX);
    (place(first), place(second))
}

/// The audit head that names a line of the vault's own main chain: its place, time and MAC.
fn head_of(line: &MainLine) -> [u8; HEAD_LEN] {
    let mut head = [0; HEAD_LEN];
    head[..8].copy_from_slice(&line.seq.to_be_bytes());
    head[8..16].copy_from_slice(&line.at.to_be_bytes());
    head[16..].copy_from_slice(&line.mac);
    head
}
