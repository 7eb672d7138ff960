//! What `panseal.Vault` gives besides instruments: details, customers, its state, its audit trail.

use crate::errors::raise;
use crate::instrument::{Instrument, utc};
use crate::tokenizer::Epoch;
use crate::vault::Vault;
use panseal::error::Code;
use panseal::vault;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDateTime, PyString, PyTuple};
use std::sync::{Mutex, PoisonError};

/// How many instruments are read at a time.
const PAGE: usize = 500;

/// What else is known of a token: about a person, so not for logs.
#[pyclass(frozen, module = "panseal")]
pub struct Details {
    instrument: Py<Instrument>,
    details: vault::Details,
}

impl Details {
    pub fn of(py: Python<'_>, found: (vault::Instrument, vault::Details)) -> PyResult<Details> {
        Ok(Details { instrument: Py::new(py, Instrument(found.0))?, details: found.1 })
    }
}

#[pymethods]
impl Details {
    /// The token's instrument.
    #[getter]
    fn instrument(&self, py: Python<'_>) -> Py<Instrument> {
        self.instrument.clone_ref(py)
    }

    /// The cardholder's name, or "". A str, which Python cannot wipe.
    #[getter]
    fn name(&self) -> &str {
        self.details.name()
    }

    /// The metadata as it was given, a JSON object, or "".
    #[getter]
    fn metadata_json(&self) -> &str {
        self.details.metadata()
    }

    /// The metadata as a dict; None where there is none.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.details.metadata() {
            "" => Ok(None),
            json => py.import("json")?.call_method1("loads", (json,)).map(Some),
        }
    }

    fn __repr__(&self) -> &'static str {
        "<panseal.Details>"
    }
}

/// A customer of a merchant's. What is known of it is about a person: not for logs.
#[pyclass(frozen, module = "panseal")]
pub struct Customer(pub vault::Customer);

#[pymethods]
impl Customer {
    /// Its id.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// Another name that leads to it, or "".
    #[getter]
    fn reference(&self) -> &str {
        &self.0.reference
    }

    /// What is known of it: the text that was given.
    #[getter]
    fn data(&self) -> &str {
        &self.0.data
    }

    /// When it was made, in UTC.
    #[getter]
    fn created_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        utc(py, self.0.created_at)
    }

    /// When it was changed last, in UTC.
    #[getter]
    fn updated_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        utc(py, self.0.updated_at)
    }

    /// When it was marked as deleted, in UTC; None: it is not.
    #[getter]
    fn deleted_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        (self.0.deleted_at != 0).then(|| utc(py, self.0.deleted_at)).transpose()
    }

    /// Its row does not open: but for the id nothing is known of it.
    #[getter]
    fn damaged(&self) -> bool {
        self.0.damaged
    }

    fn __repr__(&self) -> &'static str {
        "<panseal.Customer>"
    }
}

/// What `Vault.purge_expired` has removed.
#[pyclass(frozen, get_all, module = "panseal")]
pub struct Purged {
    /// Instruments whose time was over.
    instruments: u64,
    /// Cards that had no instrument left.
    cards: u64,
    /// Idempotency keys older than a day.
    keys: u64,
    /// The tokens whose time was over, and that are damaged: they are still there, and `Vault.delete` removes them.
    damaged: Vec<String>,
}

impl From<vault::Purged> for Purged {
    fn from(purged: vault::Purged) -> Purged {
        let damaged = purged.damaged.iter().map(|row| row.id.to_string()).collect();
        Purged { instruments: purged.instruments, cards: purged.cards, keys: purged.keys, damaged }
    }
}

#[pymethods]
impl Purged {
    fn __repr__(&self) -> String {
        format!("Purged(instruments={}, cards={}, keys={})", self.instruments, self.cards, self.keys)
    }
}

/// The state of a vault, of all merchants.
#[pyclass(frozen, module = "panseal")]
pub struct VaultStatus(pub vault::Status);

#[pymethods]
impl VaultStatus {
    /// "sqlite", "memory" or "postgres".
    #[getter]
    fn store(&self) -> &'static str {
        self.0.store
    }

    /// The version of the tables.
    #[getter]
    fn schema(&self) -> i32 {
        self.0.schema
    }

    /// Grows with every change of the keys: keep it for `min_generation` of `Vault.open`.
    #[getter]
    fn generation(&self) -> i64 {
        self.0.generation
    }

    /// A public value that only this vault's keys have: keep it for `Vault.open(commitment=...)`.
    #[getter]
    fn commitment<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.commitment)
    }

    /// Names the last lines of all merchants' audit trails: keep it elsewhere, for `Vault.verify_audit`.
    #[getter]
    fn audit_head<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.audit_head)
    }

    /// Whether detokenizing is refused where no actor is named: see `Vault.require_actor`.
    #[getter]
    fn require_actor(&self) -> bool {
        self.0.require_actor
    }

    /// Cards that `find` and reuse miss, for they have no fingerprint under the index key; `change_index` gives each one.
    #[getter]
    fn unindexed(&self) -> u64 {
        self.0.unindexed
    }

    /// Cards of all merchants.
    #[getter]
    fn cards(&self) -> u64 {
        self.0.cards
    }

    /// Instruments of all merchants.
    #[getter]
    fn instruments(&self) -> u64 {
        self.0.instruments
    }

    /// All epochs, the oldest first.
    #[getter]
    fn epochs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let epochs: PyResult<Vec<_>> =
            self.0.epochs.iter().map(|epoch| Bound::new(py, VaultEpoch(*epoch))).collect();
        PyTuple::new(py, epochs?)
    }

    /// All index keys, by which the vault knows a card again, the oldest first.
    #[getter]
    fn index<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let keys: PyResult<Vec<_>> = self.0.index.iter().map(|key| Bound::new(py, Epoch(*key))).collect();
        PyTuple::new(py, keys?)
    }

    fn __repr__(&self) -> String {
        let vault::Status { store, generation, cards, instruments, .. } = &self.0;
        format!(
            "VaultStatus(store='{store}', generation={generation}, cards={cards}, instruments={instruments})"
        )
    }
}

/// An epoch of a vault, and how many rows of all merchants need it.
#[pyclass(frozen, module = "panseal")]
pub struct VaultEpoch(vault::EpochStatus);

#[pymethods]
impl VaultEpoch {
    /// 1, 2, 3, ...
    #[getter]
    fn id(&self) -> u32 {
        self.0.key.id
    }

    /// "active", "decrypt-only" or "destroyed".
    #[getter]
    fn state(&self) -> &'static str {
        self.0.key.state.name()
    }

    /// By which people compare keys: ten hex digits.
    #[getter]
    fn check(&self) -> String {
        self.0.key.check.to_string()
    }

    /// When it was made, in UTC.
    #[getter]
    fn created_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        utc(py, self.0.key.created_at)
    }

    /// When it ceased to be active, in UTC; None where it has not.
    #[getter]
    fn retired_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        (self.0.key.retired_at != 0).then(|| utc(py, self.0.key.retired_at)).transpose()
    }

    /// Cards sealed under it.
    #[getter]
    fn cards(&self) -> u64 {
        self.0.cards
    }

    /// Instruments sealed under it.
    #[getter]
    fn instruments(&self) -> u64 {
        self.0.instruments
    }

    /// Customers sealed under it.
    #[getter]
    fn customers(&self) -> u64 {
        self.0.customers
    }

    /// Credentials sealed under it.
    #[getter]
    fn credentials(&self) -> u64 {
        self.0.credentials
    }

    fn __repr__(&self) -> String {
        let vault::EpochStatus { key, cards, instruments, customers, credentials } = &self.0;
        format!(
            "VaultEpoch(id={}, state='{}', cards={cards}, instruments={instruments}, customers={customers}, \
             credentials={credentials})",
            key.id,
            key.state.name()
        )
    }
}

/// A line of the audit trail.
#[pyclass(frozen, module = "panseal")]
pub struct AuditLine(pub vault::AuditLine);

#[pymethods]
impl AuditLine {
    /// The line's id: ascending in the order of the trail. To go on behind it, pass it as `after` to `Vault.audit`.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.id())
    }

    /// When, in UTC.
    #[getter]
    fn at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        utc(py, self.0.at())
    }

    /// Who acted, or "".
    #[getter]
    fn actor(&self) -> &str {
        self.0.actor()
    }

    /// What was done: "tokenize", "reuse", "refuse", "detokenize", "update", "deactivate", "reactivate", "delete",
    /// "purge", "customer", "claim", "grant", "revoke", "rotate", "rewrap", "destroy", "change_index", "change_root",
    /// "settings".
    #[getter]
    fn action(&self) -> &str {
        self.0.action()
    }

    /// The token that was acted on, or "".
    #[getter]
    fn token(&self) -> &str {
        self.0.token()
    }

    /// Why, or "".
    #[getter]
    fn reason(&self) -> &str {
        self.0.reason()
    }

    fn __repr__(&self) -> String {
        format!("AuditLine(action='{}', token='{}')", self.0.action(), self.0.token())
    }
}

/// Goes through a merchant's instruments, a page at a time.
#[pyclass(frozen, module = "panseal")]
pub struct Instruments {
    vault: Py<Vault>,
    customer: Option<Py<PyString>>,
    active: Option<bool>,
    /// None while a call is reading the next page.
    walk: Mutex<Option<Walk>>,
}

/// How far it has come.
#[derive(Default)]
struct Walk {
    ready: std::vec::IntoIter<vault::Instrument>,
    after: Option<String>,
    is_over: bool,
}

impl Instruments {
    pub fn of(vault: Py<Vault>, customer: Option<Py<PyString>>, active: Option<bool>) -> Instruments {
        Instruments { vault, customer, active, walk: Mutex::new(Some(Walk::default())) }
    }

    fn advance(&self, py: Python<'_>, walk: &mut Walk) -> PyResult<Option<Instrument>> {
        if walk.ready.len() == 0 && !walk.is_over {
            let customer = self.customer.as_ref().map(|customer| customer.to_str(py)).transpose()?;
            let query = vault::ListQuery {
                customer,
                active: self.active,
                after: walk.after.as_deref(),
                offset: 0,
                limit: PAGE,
            };
            let page = self.vault.get().page(py, &query)?;
            walk.is_over = page.len() < PAGE;
            walk.after = page.last().map(|last| last.token.as_str().to_owned());
            walk.ready = page.into_iter();
        }
        Ok(walk.ready.next().map(Instrument))
    }

    fn take(&self, py: Python<'_>) -> Option<Walk> {
        self.walk.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[pymethods]
impl Instruments {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Instrument>> {
        let mut walk = self
            .take(py)
            .ok_or_else(|| PyValueError::new_err("another call is reading from this iterator"))?;
        let next = self.advance(py, &mut walk);
        *self.walk.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner) = Some(walk);
        next
    }
}

/// The id of an audit line, as it was passed.
pub fn line_id(py: Python<'_>, id: Option<&[u8]>) -> PyResult<Option<[u8; 16]>> {
    id.map(|id| id.try_into().map_err(|_| raise(py, &Code::Argument.into()))).transpose()
}
