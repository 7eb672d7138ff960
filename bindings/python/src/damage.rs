//! Damaged rows: `panseal.Damage`, and what `Vault.check_vault`, `rewrap` and `change_index` say of them.

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
    /// An instrument's token, a card's id in hex, or that of a customer or credential; "unreadable " and its bytes in hex,
    /// where it cannot be read.
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

/// What `Vault.rewrap` has done.
#[pyclass(frozen, get_all, module = "panseal")]
pub struct Rewrapped {
    /// How many rows were sealed.
    sealed: u64,
    /// Those that are damaged, and still under an older epoch.
    damaged: Vec<Damage>,
}

/// What `Vault.change_index` has done.
#[pyclass(frozen, get_all, module = "panseal")]
pub struct Reindexed {
    /// The new generation.
    generation: u32,
    /// Cards that are damaged: they have no fingerprint any more.
    damaged: Vec<Damage>,
}

impl From<vault::Damage> for Damage {
    fn from(row: vault::Damage) -> Damage {
        Damage { kind: row.kind.name(), merchant: row.merchant.into(), id: row.id.into() }
    }
}

impl From<vault::VaultReport> for VaultReport {
    fn from(report: vault::VaultReport) -> VaultReport {
        VaultReport { rows: report.rows, damaged: named(report.damaged) }
    }
}

impl From<vault::Rewrapped> for Rewrapped {
    fn from(done: vault::Rewrapped) -> Rewrapped {
        Rewrapped { sealed: done.sealed, damaged: named(done.damaged) }
    }
}

impl From<vault::Reindexed> for Reindexed {
    fn from(done: vault::Reindexed) -> Reindexed {
        Reindexed { generation: done.generation, damaged: named(done.damaged) }
    }
}

pub fn named(rows: Vec<vault::Damage>) -> Vec<Damage> {
    rows.into_iter().map(Damage::from).collect()
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

#[pymethods]
impl Rewrapped {
    fn __repr__(&self) -> String {
        format!("Rewrapped(sealed={}, damaged={})", self.sealed, self.damaged.len())
    }
}

#[pymethods]
impl Reindexed {
    fn __repr__(&self) -> String {
        format!("Reindexed(generation={}, damaged={})", self.generation, self.damaged.len())
    }
}
