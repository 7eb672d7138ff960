//! Card networks: `panseal.networks`, `panseal.network`, `panseal.partial`.

use crate::errors::{behind_border, refuse};
use crate::input::{BytesArg, Copied, DataArg, SecretArg};
use panseal::card::{self, Detection, Lengths, LuhnRule, Pan, Separators};
use panseal::error::Param;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyTuple};

/// Every card network and product that is known, in the order of their ids: `networks()[id]` has the id.
///
/// The first is UNKNOWN, whose rules are those for a number of which nothing is known.
#[pyfunction]
pub fn networks(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let all: PyResult<Vec<_>> =
        card::Network::all().map(|network| Bound::new(py, Network(network))).collect();
    PyTuple::new(py, all?)
}

/// What a card number tells about its network (ISO/IEC 7812-1).
///
/// `aid` is the application identifier that a chip and its terminal agreed on, in binary (EMV tags 4F, 84 and 9F06);
/// it outweighs the number. With `strict` a guess counts for nothing: what would be a fallback is UNKNOWN.
///
/// The number is not checked beyond its form: CardError where it has not 12 to 19 digits.
#[pyfunction]
#[pyo3(signature = (number, *, aid=None, strict=false))]
pub fn network(
    py: Python<'_>,
    number: SecretArg<'_, '_>,
    aid: Option<BytesArg<'_, '_>>,
    strict: bool,
) -> PyResult<NetworkInfo> {
    behind_border(py, || {
        let mut text = Copied::new();
        number.copy_to(py, &mut text)?;
        let pan = Pan::parse(text.as_bytes(), Separators::Dropped);
        let pan = pan.as_ref().map_err(|code| refuse(py, Param::Number, *code))?;
        let found = match aid {
            Some(aid) => card::detect_with_aid(pan.digits(), &aid.0.read(py)?),
            None => card::detect(pan.digits()),
        };
        Ok(NetworkInfo {
            detection: if strict { found.strict() } else { found },
            hint: card::hint(pan.digits()),
            national_issuer: card::national_issuer(pan.digits()),
        })
    })
}

/// The network, or the product on one, of a chip's application identifier alone, in binary; None where it is unknown.
///
/// Several networks may share one (Discover and Diners Club): `network` looks at the number too.
#[pyfunction]
pub fn aid_network(py: Python<'_>, aid: BytesArg<'_, '_>) -> PyResult<Option<Network>> {
    behind_border(py, || Ok(card::detect_aid(&aid.0.read(py)?).map(Network)))
}

/// Judge the beginning of a card number, as it is being keyed.
///
/// Spaces and hyphens are dropped; what lies behind a twentieth digit is not read. CardError, violation "charset",
/// where there is anything else.
#[pyfunction]
pub fn partial(py: Python<'_>, typed: DataArg<'_, '_>) -> PyResult<Partial> {
    behind_border(py, || {
        card::partial(&typed.read(py)?).map(Partial).map_err(|code| refuse(py, Param::Number, code))
    })
}

/// A card network, or a product on one.
#[pyclass(frozen, eq, hash, module = "panseal")]
#[derive(PartialEq, Eq, Hash)]
pub struct Network(card::Network);

#[pymethods]
impl Network {
    /// The id, which never changes: 0 for UNKNOWN.
    #[getter]
    fn id(&self) -> u8 {
        self.0.id()
    }

    /// The name for programs: "VISA", "CUP", "CARTES_BANCAIRES".
    #[getter]
    fn name<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        name(py, self.0)
    }

    /// The name for people: "Visa", "UnionPay", "Cartes Bancaires (CB)".
    #[getter]
    fn title(&self) -> &'static str {
        self.0.title()
    }

    /// The name in SumUp's API.
    #[getter]
    fn sumup_name(&self) -> &'static str {
        self.0.sumup_name()
    }

    /// Of a product, the name of the network on which it runs.
    #[getter]
    fn parent<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.0.parent().map(|network| name(py, network))
    }

    /// How many digits its numbers may have, where their range does not say otherwise.
    #[getter]
    fn lengths<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        lengths(py, self.0.lengths())
    }

    /// What the Luhn check (ISO/IEC 7812-1, Annex B) means for its numbers: "required", "advisory", "alternate",
    /// "none". Only where it is required a number that fails is refused.
    #[getter]
    fn luhn(&self) -> &'static str {
        luhn(self.0)
    }

    /// What it calls its security code: "CVV2".
    #[getter]
    fn code_name(&self) -> Option<&'static str> {
        self.0.code_name()
    }

    /// How many digits its security code may have.
    #[getter]
    fn code_lengths<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        lengths(py, self.0.code_lengths())
    }

    fn __repr__(&self) -> String {
        format!("<panseal.Network {}>", self.0)
    }
}

/// What a card number tells about its network. Holds no digit of it.
#[pyclass(frozen, module = "panseal")]
pub struct NetworkInfo {
    detection: Detection,
    hint: Option<card::Network>,
    national_issuer: Option<u16>,
}

#[pymethods]
impl NetworkInfo {
    /// The network whose rules hold: "VISA", or "UNKNOWN".
    #[getter]
    fn network<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        name(py, self.detection.network)
    }

    /// The product on the network, where the number or the chip tells it: "VISA_ELECTRON".
    #[getter]
    fn product<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.detection.product.map(|product| name(py, product))
    }

    /// Further networks that the card may be used on.
    #[getter]
    fn cobadges<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let names: Vec<_> = self.detection.cobadges.iter().map(|network| name(py, *network)).collect();
        PyTuple::new(py, names)
    }

    /// How many digits a number of this range may have.
    #[getter]
    fn lengths<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        lengths(py, self.detection.lengths)
    }

    /// Whether the network is rather a guess than a finding.
    #[getter]
    fn fallback(&self) -> bool {
        self.detection.fallback
    }

    /// What the Luhn check means for the network's numbers: "required", "advisory", "alternate", "none".
    #[getter]
    fn luhn(&self) -> &'static str {
        luhn(self.detection.network)
    }

    /// What the network calls its security code: "CVV2".
    #[getter]
    fn code_name(&self) -> Option<&'static str> {
        self.detection.network.code_name()
    }

    /// How many digits the security code may have.
    #[getter]
    fn code_lengths<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        lengths(py, self.detection.network.code_lengths())
    }

    /// A product that the card may well be, though too many others begin likewise to tell it.
    #[getter]
    fn hint<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.hint.map(|product| name(py, product))
    }

    /// Of a number that begins with 9, the country that gave it out: its numeric code of ISO 3166-1.
    #[getter]
    fn national_issuer(&self) -> Option<u16> {
        self.national_issuer
    }

    fn __repr__(&self) -> String {
        let product = self.detection.product.map_or("None".to_owned(), |product| format!("'{product}'"));
        let fallback = if self.detection.fallback { "True" } else { "False" };
        format!("NetworkInfo(network='{}', product={product}, fallback={fallback})", self.detection.network)
    }
}

/// What a card number that is still being keyed may become. Holds no digit of it.
#[pyclass(frozen, module = "panseal")]
pub struct Partial(card::Partial);

#[pymethods]
impl Partial {
    /// How many digits were typed; 20 means 20 or more.
    #[getter]
    fn digits(&self) -> usize {
        self.0.digits
    }

    /// The networks of all numbers that begin so; empty if no known one is left.
    #[getter]
    fn possible<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let names: Vec<_> = self.0.possible.iter().map(|network| name(py, network)).collect();
        PyTuple::new(py, names)
    }

    /// The network, once no other one is possible.
    #[getter]
    fn committed<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.0.committed.map(|network| name(py, network))
    }

    /// How many digits the whole number may have.
    #[getter]
    fn lengths<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        lengths(py, self.0.lengths)
    }

    /// Whether more digits are wanted: "too_short", "complete_may_grow", "complete", "too_long".
    #[getter]
    fn complete(&self) -> &'static str {
        self.0.complete.name()
    }

    /// Whether the digits pass the Luhn check; None while their count is not one of the lengths.
    #[getter]
    fn luhn_ok(&self) -> Option<bool> {
        self.0.luhn_ok
    }

    fn __repr__(&self) -> String {
        let committed = self.0.committed.map_or("None".to_owned(), |network| format!("'{network}'"));
        format!(
            "Partial(digits={}, committed={committed}, complete='{}')",
            self.0.digits,
            self.0.complete.name()
        )
    }
}

/// The name of a network, of which there is one object.
pub fn name(py: Python<'_>, network: card::Network) -> Bound<'_, PyString> {
    static NAMES: PyOnceLock<Vec<Py<PyString>>> = PyOnceLock::new();
    let intern =
        || card::Network::all().map(|network| PyString::intern(py, network.name()).unbind()).collect();
    match NAMES.get_or_init(py, intern).get(usize::from(network.id())) {
        Some(name) => name.bind(py).clone(),
        None => PyString::new(py, network.name()),
    }
}

fn lengths(py: Python<'_>, lengths: Lengths) -> PyResult<Bound<'_, PyTuple>> {
    PyTuple::new(py, lengths.iter().collect::<Vec<_>>())
}

fn luhn(network: card::Network) -> &'static str {
    match network.luhn() {
        LuhnRule::Required => "required",
        LuhnRule::Advisory => "advisory",
        LuhnRule::Alternate => "alternate",
        LuhnRule::None => "none",
    }
}
