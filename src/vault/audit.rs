//! The audit trail: who did what to which token, when and why. Written in the transaction of what it tells of.

use super::store::{AuditListing, AuditRow, ID_LEN};
use super::{LIST_MAX, Vault, check_id};
use crate::error::{Code, Result};
use std::fmt;

/// A line of the audit trail.
#[derive(Clone, PartialEq, Eq)]
pub struct AuditLine(AuditRow);

impl AuditLine {
    /// The line's id: ascending in time. To go on behind it, see [`AuditQuery::after`].
    pub fn id(&self) -> [u8; ID_LEN] {
        self.0.id
    }

    /// When, in seconds since 1970 UTC.
    pub fn at(&self) -> i64 {
        self.0.at
    }

    /// Who acted, or empty.
    pub fn actor(&self) -> &str {
        &self.0.actor
    }

    /// The verb: `tokenize`, `reuse`, `refuse`, `detokenize`, `update`, `deactivate`, `reactivate`, `delete`, `purge`,
    /// `customer`, `claim`, `grant`, `revoke`, `rotate`, `rewrap`, `destroy`, `change_index`, `change_root`,
    /// `settings`.
    pub fn action(&self) -> &str {
        &self.0.action
    }

    /// The token that was acted on, or empty.
    pub fn token(&self) -> &str {
        &self.0.token
    }

    /// Why, or empty.
    pub fn reason(&self) -> &str {
        &self.0.reason
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
    /// The merchant's audit trail, the oldest line first. Fewer lines than the limit are the last ones.
    pub fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditLine>> {
        let limit = if query.limit == 0 { 100 } else { query.limit };
        if limit > LIST_MAX {
            return Err(Code::Limit.into());
        }
        check_id(query.token.unwrap_or(""))?;
        self.ask("audit", limit)?;
        let listing = AuditListing { after: query.after.unwrap_or_default(), token: query.token, limit };
        self.work(|_, _| {
            let mut lines = Vec::new();
            self.shared.store.read(&mut |rows| {
                lines = rows.audits(&self.merchant, &listing)?;
                Ok(())
            })?;
            Ok(lines.into_iter().map(AuditLine).collect())
        })
    }
}
