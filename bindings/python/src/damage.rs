//! `panseal.VaultReport` and `panseal.Damage`.

use panseal::vault;
use pyo3::prelude::*;

/// A damaged row of a vault. Holds nothing of what is in it.
#[pyclass(frozen, get_all, module = "panseal")]
#[derive(Clone)]
pub struct Damage {
    /// "card", "instrument", "customer", "credential": it does not open; "no_fingerprint": a card that its number does
    /// not lead to; "no_card", "no_instrument": one without the other.
    kind: &'static str,
    /// Whose row it is.
    merchant: String,
    /// An instrument's token, a card's id in hex, or that of a customer or credential.
    id: String,
}

/// What `Vault.check_vault` has seen.
#[pyclass(frozen, get_all, module = "panseal")]
pub struct VaultReport {
    /// How many rows were read.
    rows: u64,
    /// Those that are damaged.
    damaged: Vec<Damage>,
}

impl From<vault::VaultReport> for VaultReport {
    fn from(report: vault::VaultReport) -> VaultReport {
        let damage = |row: vault::Damage| Damage {
            kind: row.kind.name(),
            merchant: row.merchant.into(),
            id: row.id.into(),
        };
        VaultReport { rows: report.rows, damaged: report.damaged.into_iter().map(damage).collect() }
    }
}

#[pymethods]
impl Damage {
    fn __repr__(&self) -> String {
        format!("Damage(kind='{}', merchant='{}', id='{}')", self.kind, self.merchant, self.id)
    }
}

#[pymethods]
impl VaultReport {
    fn __repr__(&self) -> String {
        format!("VaultReport(rows={}, damaged={})", self.rows, self.damaged.len())
    }
}
