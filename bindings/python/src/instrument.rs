//! `panseal.Instrument`.

use crate::check::ascii;
use panseal::card::{Expiry, Network};
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyTzInfo};

/// The last second of the last year that Python knows, 9999.
pub const LAST: i64 = 253_402_300_799;

/// A stored card. Holds nothing that may not be displayed and logged.
#[pyclass(frozen, module = "panseal")]
pub struct Instrument(pub panseal::vault::Instrument);

#[pymethods]
impl Instrument {
    /// What stands for the card number.
    #[getter]
    fn token(&self) -> &str {
        self.0.token.as_str()
    }

    /// Whose card it is, or "".
    #[getter]
    fn customer(&self) -> &str {
        &self.0.customer
    }

    /// The card's network: "VISA", or "UNKNOWN".
    #[getter]
    fn network(&self) -> &'static str {
        self.0.network.name()
    }

    /// The product on the network, where the number tells it: "VISA_ELECTRON".
    #[getter]
    fn product(&self) -> Option<&'static str> {
        self.0.product.map(Network::name)
    }

    /// The number as it may be displayed: "424242******4242".
    #[getter]
    fn masked(&self) -> &str {
        self.0.masked.as_str()
    }

    /// The last four digits.
    #[getter]
    fn last4(&self) -> &str {
        if self.0.damaged { "" } else { ascii(&self.0.last4) }
    }

    /// 1 to 12, or None where no expiry was given.
    #[getter]
    fn expiry_month(&self) -> Option<u8> {
        self.0.expiry.map(Expiry::month)
    }

    /// 2000 to 2099, or None where no expiry was given.
    #[getter]
    fn expiry_year(&self) -> Option<u16> {
        self.0.expiry.map(Expiry::year)
    }

    /// Whether the token may be used: not after `Vault.deactivate`.
    #[getter]
    fn active(&self) -> bool {
        self.0.active
    }

    /// Whether the token existed before the call that gave this.
    #[getter]
    fn reused(&self) -> bool {
        self.0.reused
    }

    /// Whether its rows do not open: but for the token nothing is known of it then.
    #[getter]
    fn damaged(&self) -> bool {
        self.0.damaged
    }

    /// The epoch under which the number is sealed.
    #[getter]
    fn epoch(&self) -> u32 {
        self.0.epoch
    }

    /// When the token was made, in UTC.
    #[getter]
    fn created_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        utc(py, self.0.created_at)
    }

    /// Until when the card is kept, in UTC; None: for ever.
    #[getter]
    fn keep_until<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        match self.0.keep_until {
            0 => Ok(None),
            time => utc(py, time.min(LAST)).map(Some),
        }
    }

    fn __repr__(&self) -> String {
        let active = if self.0.active { "True" } else { "False" };
        format!(
            "Instrument(token='{}', network='{}', masked='{}', active={active})",
            self.0.token, self.0.network, self.0.masked
        )
    }
}

/// A time as Python has them: one beyond its years 1 to 9999, by a clock that is far off, is the nearest within.
pub fn utc(py: Python<'_>, time: i64) -> PyResult<Bound<'_, PyDateTime>> {
    let time = time.clamp(-62_135_596_800, 253_402_300_799);
    PyDateTime::from_timestamp(py, time as f64, Some(&*PyTzInfo::utc(py)?))
}
