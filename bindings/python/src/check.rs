//! `panseal.check`.

use crate::card::CardArgs;
use crate::errors;
use crate::input::{CalendarArg, SecretArg};
use crate::network;
use panseal::card::{Card, Mask, Network, NumberCheck, Separators, check_number};
use panseal::error::{self, Code, Param, Violations};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

/// Judge a payment card without storing anything.
///
/// Texts may be str, bytes, or any contiguous buffer of bytes. An empty text is an absent one. The expiry is
/// given as "MM/YY" or "MM/YYYY", or as month and year, and lies at most `horizon_years` calendar years ahead; None
/// is any number of them. `strict` refuses spaces and hyphens in the number, `known_network` a number of no known network. `now` is in seconds since 1970 UTC; None is the
/// system's clock. `wipe` zeroes the buffers of number, cvv, name and postal code, which must be writable then.
///
/// What is wrong with the card is in the report. Only arguments of the wrong type are raised.
#[pyfunction]
#[pyo3(signature = (number, *, expiry_month=None, expiry_year=None, expiry=None, cvv=None, name=None,
                    postal_code=None, strict=false, need_expiry=false, need_cvv=false, known_network=false,
                    strict_networks=false, horizon_years=Some(20), grace_months=0, now=None, wipe=false),
       text_signature = "(number, *, expiry_month=None, expiry_year=None, expiry=None, cvv=None, name=None, \
                         postal_code=None, strict=False, need_expiry=False, need_cvv=False, known_network=False, \
                         strict_networks=False, horizon_years=20, grace_months=0, now=None, wipe=False)")]
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
    known_network: bool,
    strict_networks: bool,
    horizon_years: Option<u16>,
    grace_months: u8,
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
        known_network,
        strict_networks,
        horizon_years,
        grace_months,
        now,
        wipe,
    };
    if let Some(report) = card.number_alone().and_then(|text| check_alone(text, &card)) {
        return Ok(report);
    }
    // Written apart, as `errors::part` says.
    let (mut facts, mut codes) = (None, NO_CODES);
    card.lend(py, |input| {
        match panseal::card::check(input) {
            Ok(card) => facts = Some(Facts::of_card(&card)),
            Err(violations) => codes = codes_of(&violations),
        }
        Ok(())
    })?;
    Ok(CheckReport { facts, codes })
}

/// A number alone by the usual rules, where it lies. It is judged in registers and little stack.
fn check_alone(text: &[u8], card: &CardArgs<'_, '_>) -> Option<CheckReport> {
    let separators = if card.strict { Separators::Refused } else { Separators::Dropped };
    let found = errors::behind_shallow_border(|| Ok(check_number(text, separators))).ok()?;
    let code = match found.code() {
        None if card.known_network && found.network() == Network::UNKNOWN => Some(Code::Network),
        code => code,
    };
    Some(match code {
        Some(code) => {
            let mut violations = Violations::default();
            violations.add(Param::Number, code);
            CheckReport { facts: None, codes: codes_of(&violations) }
        }
        None => CheckReport { facts: Some(Facts::Number(found)), codes: NO_CODES },
    })
}

/// What may be shown of a card that was checked, or all that is wrong with it.
///
/// True in a condition when nothing is wrong. Otherwise every attribute but `ok` and `violations` is None.
#[pyclass(frozen, module = "panseal")]
pub struct CheckReport {
    facts: Option<Facts>,
    codes: Codes,
}

/// The number of the code for each field; 0 where nothing is wrong.
type Codes = [u8; Param::ALL.len()];
const NO_CODES: Codes = [0; Param::ALL.len()];

fn codes_of(violations: &Violations) -> Codes {
    let mut codes = NO_CODES;
    for violation in violations.iter() {
        codes[violation.param.number() as usize - 1] = violation.code.number() as u8;
    }
    codes
}

impl CheckReport {
    fn rows(&self) -> Violations {
        let mut violations = Violations::default();
        for (param, code) in Param::ALL.into_iter().zip(self.codes) {
            if let Some(code) = Code::from_number(code.into()) {
                violations.add(param, code);
            }
        }
        violations
    }
}

/// What a good card shows.
enum Facts {
    /// Of a number that was judged by the usual rules and not kept.
    Number(NumberCheck),
    Card {
        network: Network,
        product: Option<Network>,
        length: u8,
        last4: [u8; 4],
        mask: Mask,
    },
}

impl Facts {
    fn of_card(card: &Card) -> Facts {
        let pan = card.number();
        Facts::Card {
            network: card.network(),
            product: card.product(),
            length: pan.len() as u8,
            last4: pan.last4(),
            mask: pan.mask(),
        }
    }

    fn network(&self) -> Network {
        match self {
            Facts::Number(found) => found.network(),
            Facts::Card { network, .. } => *network,
        }
    }

    fn product(&self) -> Option<Network> {
        match self {
            Facts::Number(found) => found.product(),
            Facts::Card { product, .. } => *product,
        }
    }

    fn length(&self) -> u8 {
        match self {
            Facts::Number(found) => found.length() as u8,
            Facts::Card { length, .. } => *length,
        }
    }

    fn last4(&self) -> [u8; 4] {
        match self {
            Facts::Number(found) => found.last4(),
            Facts::Card { last4, .. } => *last4,
        }
    }

    fn mask(&self) -> Mask {
        match self {
            Facts::Number(found) => found.mask(),
            Facts::Card { mask, .. } => *mask,
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
    fn network<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.facts.as_ref().map(|facts| network::name(py, facts.network()))
    }

    /// The product on the network, where the number tells it: "VISA_ELECTRON".
    #[getter]
    fn product<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.facts.as_ref()?.product().map(|product| network::name(py, product))
    }

    /// The last four digits.
    #[getter]
    fn last4<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.facts.as_ref().map(|facts| PyString::new(py, ascii(&facts.last4())))
    }

    /// The number as it may be displayed: "424242******4242".
    #[getter]
    fn masked<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.facts.as_ref().map(|facts| PyString::new(py, facts.mask().as_str()))
    }

    /// How many digits the number has.
    #[getter]
    fn length(&self) -> Option<u8> {
        self.facts.as_ref().map(Facts::length)
    }

    /// What is wrong, at most one a field, in the order of the fields.
    #[getter]
    fn violations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        errors::violations(py, &self.rows())
    }

    fn __bool__(&self) -> bool {
        self.ok()
    }

    fn __repr__(&self) -> String {
        match &self.facts {
            Some(facts) => {
                format!("CheckReport(ok=True, network='{}', masked='{}')", facts.network(), facts.mask())
            }
            None => {
                let rows: Vec<_> = self.rows().iter().map(|row| Violation::from(row).__repr__()).collect();
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
