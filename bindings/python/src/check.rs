//! `panseal.check` and `panseal.mask`.

use crate::card::CardArgs;
use crate::errors::{self, behind_border};
use crate::input::{CalendarArg, Copied, SecretArg};
use panseal::card::{Card, Mask, Network, Pan, Separators};
use panseal::error::{self, Code, Error, Param, Violations};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Judge a payment card without storing anything.
///
/// Texts may be str, bytes, or any contiguous buffer of bytes. An empty text is an absent one. The expiry is
/// given as "MM/YY" or "MM/YYYY", or as month and year. `now` is in seconds since 1970 UTC; None is the
/// system's clock. `wipe` zeroes the buffers of number, cvv, name and postal code, which must be writable then.
///
/// What is wrong with the card is in the report. Only arguments of the wrong type are raised.
#[pyfunction]
#[pyo3(signature = (number, *, expiry_month=None, expiry_year=None, expiry=None, cvv=None, name=None,
                    postal_code=None, strict=false, need_expiry=false, need_cvv=false, now=None, wipe=false))]
#[allow(clippy::too_many_arguments, reason = "one a keyword")]
pub fn check(
    py: Python<'_>,
    number: SecretArg<'_, '_>,
    expiry_month: Option<CalendarArg>,
    expiry_year: Option<CalendarArg>,
    expiry: Option<SecretArg<'_, '_>>,
    cvv: Option<SecretArg<'_, '_>>,
    name: Option<SecretArg<'_, '_>>,
    postal_code: Option<SecretArg<'_, '_>>,
    strict: bool,
    need_expiry: bool,
    need_cvv: bool,
    now: Option<i64>,
    wipe: bool,
) -> PyResult<CheckReport> {
    let card = CardArgs {
        number,
        expiry_month,
        expiry_year,
        expiry,
        cvv,
        name,
        postal_code,
        strict,
        need_expiry,
        need_cvv,
        now,
        wipe,
    };
    card.lend(py, |input| {
        Ok(match panseal::card::check(input) {
            Ok(card) => CheckReport { facts: Some(Facts::of(&card)), violations: Violations::default() },
            Err(violations) => CheckReport { facts: None, violations },
        })
    })
}

/// A card number as it may be displayed: "424242******4242".
///
/// The first six digits and the last four; below 15 digits the last four alone. The number is not checked beyond
/// its form: CardError where it has not 12 to 19 digits.
#[pyfunction]
pub fn mask(py: Python<'_>, number: SecretArg<'_, '_>) -> PyResult<String> {
    let mask = behind_border(py, || {
        let mut text = Copied::new();
        number.copy_to(py, &mut text)?;
        let pan = Pan::parse(text.as_bytes(), Separators::Dropped);
        pan.map(|pan| pan.mask()).map_err(|code| {
            let mut violations = Violations::default();
            violations.add(Param::Number, code);
            errors::raise(py, &Error::from(violations))
        })
    });
    Ok(mask?.as_str().to_owned())
}

/// What may be shown of a card that was checked, or all that is wrong with it.
///
/// True in a condition when nothing is wrong. Otherwise every attribute but `ok` and `violations` is None.
#[pyclass(frozen, module = "panseal")]
pub struct CheckReport {
    facts: Option<Facts>,
    violations: Violations,
}

/// What a good card shows.
struct Facts {
    network: Network,
    product: Option<Network>,
    last4: [u8; 4],
    masked: Mask,
    length: usize,
}

impl Facts {
    fn of(card: &Card<'_>) -> Facts {
        let pan = card.number();
        Facts {
            network: card.network(),
            product: card.product(),
            last4: pan.last4(),
            masked: pan.mask(),
            length: pan.len(),
        }
    }
}

#[pymethods]
impl CheckReport {
    /// Whether nothing is wrong with the card.
    #[getter]
    fn ok(&self) -> bool {
        self.facts.is_some()
    }

    /// The card's network: "VISA", or "UNKNOWN".
    #[getter]
    fn network(&self) -> Option<&'static str> {
        self.facts.as_ref().map(|facts| facts.network.name())
    }

    /// The product on the network, where the number tells it: "VISA_ELECTRON".
    #[getter]
    fn product(&self) -> Option<&'static str> {
        self.facts.as_ref()?.product.map(Network::name)
    }

    /// The last four digits.
    #[getter]
    fn last4(&self) -> Option<&str> {
        self.facts.as_ref().map(|facts| ascii(&facts.last4))
    }

    /// The number as it may be displayed: "424242******4242".
    #[getter]
    fn masked(&self) -> Option<&str> {
        self.facts.as_ref().map(|facts| facts.masked.as_str())
    }

    /// How many digits the number has.
    #[getter]
    fn length(&self) -> Option<usize> {
        self.facts.as_ref().map(|facts| facts.length)
    }

    /// What is wrong, at most one a field, in the order of the fields.
    #[getter]
    fn violations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        errors::violations(py, &self.violations)
    }

    fn __bool__(&self) -> bool {
        self.ok()
    }

    fn __repr__(&self) -> String {
        match &self.facts {
            Some(facts) => {
                format!("CheckReport(ok=True, network='{}', masked='{}')", facts.network, facts.masked)
            }
            None => {
                let rows: Vec<_> =
                    self.violations.iter().map(|row| Violation::from(row).__repr__()).collect();
                format!("CheckReport(ok=False, violations=[{}])", rows.join(", "))
            }
        }
    }
}

/// One thing that is wrong with one field of a card.
#[pyclass(frozen, eq, hash, module = "panseal")]
#[derive(PartialEq, Eq, Hash)]
pub struct Violation(error::Violation);

impl From<error::Violation> for Violation {
    fn from(violation: error::Violation) -> Violation {
        Violation(violation)
    }
}

#[pymethods]
impl Violation {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("param", "code", "message")
    }

    #[new]
    #[pyo3(signature = (param, code))]
    fn new(param: &str, code: &str) -> PyResult<Violation> {
        let param = Param::ALL.into_iter().find(|known| known.name() == param);
        let code = Code::all().find(|known| is_of_a_field(*known) && known.name() == code);
        match (param, code) {
            (Some(param), Some(code)) => Ok(Violation(error::Violation { param, code })),
            _ => Err(PyValueError::new_err("no such field, or no such violation")),
        }
    }

    /// The field: "number", "expiry", "cvv", "name", "postal_code".
    #[getter]
    fn param(&self) -> &'static str {
        self.0.param.name()
    }

    /// What is wrong, for programs: "missing", "malformed", "length", "luhn", "network", "expired", "too_far",
    /// "charset", "too_long".
    #[getter]
    fn code(&self) -> &'static str {
        self.0.code.name()
    }

    /// What is wrong, in English, to be read on from the field: "fails the Luhn check".
    #[getter]
    fn message(&self) -> &'static str {
        self.0.message()
    }

    /// Copies and pickles as its two names, so that a CardError can cross processes.
    fn __getnewargs__(&self) -> (&'static str, &'static str) {
        (self.param(), self.code())
    }

    fn __repr__(&self) -> String {
        format!("Violation('{}', '{}')", self.param(), self.code())
    }
}

fn is_of_a_field(code: Code) -> bool {
    (Code::Missing.number()..=Code::TooLong.number()).contains(&code.number())
}

/// Digits as text.
pub fn ascii(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}
