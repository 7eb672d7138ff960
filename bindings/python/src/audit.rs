//! `panseal.AuditReport` and `panseal.AuditFault`.

use panseal::vault;
use pyo3::prelude::*;

/// The first thing that is wrong with an audit trail.
#[pyclass(frozen, get_all, module = "panseal")]
#[derive(Clone)]
pub struct AuditFault {
    /// "edited", "removed", "inserted", "reordered" or "cut": it and all behind it are gone.
    kind: &'static str,
    /// In whose trail.
    merchant: String,
    /// In which table: "audit", "audit_main" or "chain".
    table: &'static str,
    /// The line's chain; 0 is a main chain.
    chain: i64,
    /// The line's place.
    seq: i64,
    /// The line's id, if it has one.
    id: Option<Vec<u8>>,
}

/// What `Vault.verify_audit` has found.
#[pyclass(frozen, get_all, module = "panseal")]
pub struct AuditReport {
    /// Merchants with a trail.
    merchants: u64,
    /// Their chains, but for those that were pruned.
    chains: u64,
    /// Lines that are joined: none of them can be changed or cut off unnoticed.
    joined: u64,
    /// Lines behind the last join of their chain: the last ones of these can be cut off unnoticed.
    unjoined: u64,
    /// Lines that were pruned.
    pruned: u64,
    /// The first fault; None: all is as it was written.
    fault: Option<AuditFault>,
}

impl From<vault::AuditReport> for AuditReport {
    fn from(report: vault::AuditReport) -> AuditReport {
        let fault = |fault: vault::AuditFault| AuditFault {
            kind: fault.kind.name(),
            merchant: fault.merchant.into(),
            table: fault.table,
            chain: fault.chain,
            seq: fault.seq,
            id: fault.id.map(|id| id.to_vec()),
        };
        AuditReport {
            merchants: report.merchants,
            chains: report.chains,
            joined: report.joined,
            unjoined: report.unjoined,
            pruned: report.pruned,
            fault: report.fault.map(fault),
        }
    }
}

#[pymethods]
impl AuditFault {
    fn __repr__(&self) -> String {
        let AuditFault { kind, merchant, table, chain, seq, .. } = self;
        format!("AuditFault(kind='{kind}', merchant='{merchant}', table='{table}', chain={chain}, seq={seq})")
    }
}

#[pymethods]
impl AuditReport {
    fn __repr__(&self) -> String {
        let whole = if self.fault.is_none() { "True" } else { "False" };
        format!("AuditReport(joined={}, unjoined={}, whole={whole})", self.joined, self.unjoined)
    }
}
