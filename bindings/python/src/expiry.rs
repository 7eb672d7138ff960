//! `panseal.Expiry` and `panseal.parse_expiry`.

use crate::check::ascii;
use crate::errors::{behind_border, raise_argument, refuse};
use crate::input::{CalendarArg, Copied, PlainArg, SecretArg};
use panseal::card;
use panseal::error::{Code, Param};
use pyo3::prelude::*;

/// Read the month in which a card runs out.
///
/// | form     | what is read                                                                         |
/// |----------|--------------------------------------------------------------------------------------|
/// | "any"    | what can be read in one way only: "03/29", "3/2029", "2029-03" (ISO 8601), "032029"  |
/// | "mmyy"   | "0329", as people write it                                                           |
/// | "yymm"   | "2903", as on tracks (ISO/IEC 7813) and in ISO 8583                                  |
/// | "yymmdd" | "290331", as in EMV tag 5F24; the day is not kept                                    |
///
/// CardError, violation "malformed", where the text is of no such form.
#[pyfunction]
#[pyo3(signature = (text, form=PlainArg("any")), text_signature = "(text, form='any')")]
pub fn parse_expiry(py: Python<'_>, text: SecretArg<'_, '_>, form: PlainArg<'_>) -> PyResult<Expiry> {
    let read = match form.0 {
        "any" => card::Expiry::parse,
        "mmyy" => card::Expiry::from_mmyy,
        "yymm" => card::Expiry::from_yymm,
        "yymmdd" => card::Expiry::from_yymmdd,
        _ => return Err(raise_argument(py, Code::Argument, "form is any, mmyy, yymm or yymmdd")),
    };
    behind_border(py, || {
        let mut copy = Copied::new();
        text.copy_to(py, &mut copy)?;
        read(copy.as_bytes()).map(Expiry).map_err(|code| refuse(py, Param::Expiry, code))
    })
}

/// The month on a card, through whose last day it is valid. Ordered by time.
///
/// The year is 2000 to 2099, or its last two digits. CardError, violation "malformed", where there is no such month.
#[pyclass(frozen, eq, ord, hash, module = "panseal")]
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry(pub card::Expiry);

#[pymethods]
impl Expiry {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("month", "year")
    }

    #[new]
    fn new(py: Python<'_>, month: CalendarArg, year: CalendarArg) -> PyResult<Expiry> {
        card::Expiry::new(month.0, year.0).map(Expiry).map_err(|code| refuse(py, Param::Expiry, code))
    }

    /// 1 to 12.
    #[getter]
    fn month(&self) -> u8 {
        self.0.month()
    }

    /// 2000 to 2099.
    #[getter]
    fn year(&self) -> u16 {
        self.0.year()
    }

    /// "0329".
    #[getter]
    fn mmyy(&self) -> String {
        ascii(&self.0.to_mmyy()).to_owned()
    }

    /// "2903", as on tracks and in ISO 8583.
    #[getter]
    fn yymm(&self) -> String {
        ascii(&self.0.to_yymm()).to_owned()
    }

    /// "032029".
    #[getter]
    fn mmyyyy(&self) -> String {
        ascii(&self.0.to_mmyyyy()).to_owned()
    }

    /// Whether the card has run out, so many months of grace later: from the first of the next month 12:00 UTC on,
    /// for only then the month is over in every zone. `now` is in seconds since 1970 UTC; None is the system's clock.
    #[pyo3(signature = (now=None, grace_months=0))]
    fn is_expired(&self, now: Option<i64>, grace_months: u8) -> bool {
        self.0.is_expired_with_grace(now.unwrap_or_else(panseal::vault::now), grace_months)
    }

    /// Whether the month lies more than so many calendar years ahead.
    #[pyo3(signature = (now=None, horizon_years=20))]
    fn is_too_far(&self, now: Option<i64>, horizon_years: u16) -> bool {
        self.0.is_too_far(now.unwrap_or_else(panseal::vault::now), horizon_years)
    }

    fn __getnewargs__(&self) -> (u8, u16) {
        (self.month(), self.year())
    }

    fn __repr__(&self) -> String {
        format!("Expiry({}, {})", self.month(), self.year())
    }
}
