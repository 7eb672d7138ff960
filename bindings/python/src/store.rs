//! How a card is to be stored: the arguments that `Vault.tokenize` has beyond the card's, and a row of
//! `Vault.tokenize_many`, which has all of them.

use crate::card::CardArgs;
use crate::errors::raise_argument;
use crate::input::{PlainArg, SecretArg};
use panseal::error::{Code, Error, Result};
use panseal::scheme::Scheme;
use panseal::vault::{Reuse, TokenizeOptions};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyDict, PyMapping, PyString, PyTzInfoAccess};

/// How a card is to be stored, as it was passed.
pub struct StoreArgs<'a> {
    pub customer: &'a str,
    pub scheme: Option<&'a str>,
    pub reuse: &'a str,
    pub idempotency_key: &'a str,
    pub metadata: Option<MetadataArg>,
    pub keep_until: Option<TimeArg>,
    pub customer_limit: Option<u32>,
}

impl StoreArgs<'_> {
    pub fn options(&self) -> Result<TokenizeOptions<'_>> {
        Ok(TokenizeOptions {
            scheme: self.scheme.map(str::parse::<Scheme>).transpose()?,
            customer: self.customer,
            reuse: match self.reuse {
                "never" => Reuse::Never,
                "customer" => Reuse::Customer,
                "merchant" => Reuse::Merchant,
                _ => return Err(Error::from(Code::Argument)),
            },
            idempotency_key: self.idempotency_key,
            metadata: self.metadata.as_ref().map_or("", |metadata| &metadata.0),
            keep_until: self.keep_until.map_or(0, |time| time.0),
            customer_limit: self.customer_limit,
            ..TokenizeOptions::default()
        })
    }
}

/// Metadata: a str of JSON, or a mapping that becomes one.
pub struct MetadataArg(pub String);

impl FromPyObject<'_, '_> for MetadataArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyString>() {
            return Ok(MetadataArg(PlainArg::extract(object)?.0.to_owned()));
        }
        let py = object.py();
        let mapping = object
            .cast::<PyMapping>()
            .map_err(|_| PyTypeError::new_err("metadata is a mapping or a str of JSON"))?;
        let members = py.get_type::<PyDict>().call1((mapping,))?;
        let manner = PyDict::new(py);
        manner.set_item("ensure_ascii", false)?;
        manner.set_item("allow_nan", false)?;
        manner.set_item("separators", (",", ":"))?;
        let json = py.import("json")?.call_method("dumps", (members,), Some(&manner))?;
        Ok(MetadataArg(PlainArg::extract(json.as_borrowed())?.0.to_owned()))
    }
}

/// A time: seconds since 1970 UTC, or a datetime with a time zone, of which a part of a second counts as a whole one.
#[derive(Clone, Copy)]
pub struct TimeArg(pub i64);

impl FromPyObject<'_, '_> for TimeArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let Ok(time) = object.cast::<PyDateTime>() else { return object.extract().map(TimeArg) };
        if time.get_tzinfo().is_none() {
            let why = "a datetime needs a time zone";
            return Err(raise_argument(object.py(), Code::Argument, why));
        }
        let seconds: f64 = time.call_method0("timestamp")?.extract()?;
        Ok(TimeArg(seconds.ceil() as i64))
    }
}

/// The arguments of `Vault.tokenize`, in the order in which a row keeps them.
const NAMES: [&str; 23] = [
    "number",
    "expiry_month",
    "expiry_year",
    "expiry",
    "cvv",
    "name",
    "postal_code",
    "strict",
    "need_expiry",
    "need_cvv",
    "known_network",
    "strict_networks",
    "horizon_years",
    "grace_months",
    "now",
    "wipe",
    "customer",
    "scheme",
    "reuse",
    "idempotency_key",
    "metadata",
    "keep_until",
    "customer_limit",
];

/// A row of `Vault.tokenize_many`: what its mapping has.
pub struct Row<'py>([Option<Bound<'py, PyAny>>; NAMES.len()]);

impl<'py> Row<'py> {
    pub fn read(row: &Bound<'py, PyAny>) -> PyResult<Row<'py>> {
        let row = row
            .cast::<PyMapping>()
            .map_err(|_| PyTypeError::new_err("expected mappings with the arguments of Vault.tokenize"))?;
        let mut values = [const { None }; NAMES.len()];
        for item in row.items()? {
            let (key, value): (Bound<'py, PyAny>, Bound<'py, PyAny>) = item.extract()?;
            let name = key.cast::<PyString>().ok().and_then(|key| key.to_str().ok());
            let place = NAMES.iter().position(|known| Some(*known) == name).ok_or_else(|| {
                PyTypeError::new_err("a row has a key that is no argument of Vault.tokenize")
            })?;
            values[place] = Some(value);
        }
        Ok(Row(values))
    }

    /// A value that is there, `None` too.
    fn value(&self, name: &str) -> Option<&Bound<'py, PyAny>> {
        NAMES.iter().position(|known| *known == name).and_then(|place| self.0[place].as_ref())
    }

    /// A value that is there and not `None`.
    fn get<'a, T>(&'a self, name: &str) -> PyResult<Option<T>>
    where
        T: FromPyObject<'a, 'py>,
        PyErr: From<T::Error>,
    {
        match self.value(name).filter(|value| !value.is_none()) {
            Some(value) => Ok(Some(T::extract(value.as_borrowed())?)),
            None => Ok(None),
        }
    }

    fn flag(&self, name: &str) -> PyResult<bool> {
        Ok(self.get(name)?.unwrap_or(false))
    }

    pub fn card(&self) -> PyResult<CardArgs<'_, 'py>> {
        let number: Option<SecretArg<'_, 'py>> = self.get("number")?;
        Ok(CardArgs {
            number: number.ok_or_else(|| PyTypeError::new_err("a row has no number"))?,
            expiry_month: self.get("expiry_month")?,
            expiry_year: self.get("expiry_year")?,
            expiry: self.get("expiry")?,
            cvv: self.get("cvv")?,
            name: self.get("name")?,
            postal_code: self.get("postal_code")?,
            strict: self.flag("strict")?,
            need_expiry: self.flag("need_expiry")?,
            need_cvv: self.flag("need_cvv")?,
            known_network: self.flag("known_network")?,
            strict_networks: self.flag("strict_networks")?,
            horizon_years: match self.value("horizon_years") {
                Some(years) => years.extract()?,
                None => Some(20),
            },
            grace_months: self.get("grace_months")?.unwrap_or(0),
            now: self.get("now")?,
            wipe: self.flag("wipe")?,
        })
    }

    pub fn store(&self) -> PyResult<StoreArgs<'_>> {
        let text = |name| Ok::<_, PyErr>(self.get::<PlainArg<'_>>(name)?.map(|text| text.0));
        Ok(StoreArgs {
            customer: text("customer")?.unwrap_or(""),
            scheme: text("scheme")?,
            reuse: text("reuse")?.unwrap_or("never"),
            idempotency_key: text("idempotency_key")?.unwrap_or(""),
            metadata: self.get("metadata")?,
            keep_until: self.get("keep_until")?,
            customer_limit: self.get("customer_limit")?,
        })
    }
}
