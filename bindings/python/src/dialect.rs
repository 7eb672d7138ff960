//! Four providers' APIs: a request as Python has it, `panseal.Response`, and the credentials of those who call.

use crate::errors::raise;
use crate::input::OutArg;
use crate::instrument::{LAST, utc};
use crate::secret::Secret;
use crate::{callable, root};
use panseal::dialect;
use panseal::error::Code;
use panseal::vault::{self, BearerKey as Key};
use pyo3::exceptions::{PyTypeError, PyUnicodeEncodeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDateTime, PyDict, PyList, PyString, PyTuple};

/// Room for the head of most requests.
const HEAD: usize = 1024;

/// The dialects that `Vault.handle` speaks, each with the names of its settings.
#[pyfunction]
pub fn dialects(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let found = PyDict::new(py);
    for (name, settings) in dialect::dialects() {
        found.set_item(name, PyTuple::new(py, settings)?)?;
    }
    Ok(found)
}

/// What a provider would have answered. There is no card number in it.
#[pyclass(frozen, module = "panseal")]
pub struct Response {
    answer: dialect::Response,
    failure: Option<Py<PyAny>>,
}

impl Response {
    /// An answer, and the exception for what has failed. What a guard raised, and a root key that could not be had,
    /// come out as exceptions instead.
    pub fn of(py: Python<'_>, answer: dialect::Response) -> PyResult<Response> {
        if callable::has_failed() || root::has_failed() && answer.status == 429 {
            return Err(raise(py, &Code::Callback.into()));
        }
        root::take_failure();
        let failure = answer.failure.map(|failure| raise(py, &failure).into_value(py).into_any());
        Ok(Response { answer, failure })
    }
}

#[pymethods]
impl Response {
    /// The HTTP status.
    #[getter]
    fn status(&self) -> u16 {
        self.answer.status
    }

    /// Names and values of the headers. `Content-Length` is not among them.
    #[getter]
    fn headers(&self) -> Vec<(&str, &str)> {
        self.answer.headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// JSON, or nothing.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.answer.body.as_bytes())
    }

    /// Why the vault failed, where the status is 500: for the host's log, not for the caller. None otherwise.
    #[getter]
    fn failure(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.failure.as_ref().map(|failure| failure.clone_ref(py))
    }

    fn __repr__(&self) -> String {
        format!("<panseal.Response, status {}>", self.answer.status)
    }
}

/// Writes header lines out of pairs of names and values, each a `str` or bytes.
///
/// What would end a line, or a name, becomes a byte that no header has: a dialect then finds no such header, or an odd
/// one, and says so in its own words.
pub fn write_head(headers: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    for pair in headers.try_iter()? {
        let pair = pair?;
        if !(pair.is_instance_of::<PyTuple>() || pair.is_instance_of::<PyList>()) || pair.len()? != 2 {
            return Err(not_headers());
        }
        let start = head.len();
        append(&pair.get_item(0)?, &mut head)?;
        head[start..]
            .iter_mut()
            .filter(|byte| !matches!(byte, b'!'..=b'9' | b';'..=b'~'))
            .for_each(|byte| *byte = 0);
        head.extend_from_slice(b": ");
        let start = head.len();
        append(&pair.get_item(1)?, &mut head)?;
        head[start..].iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = 0);
        head.extend_from_slice(b"\r\n");
    }
    Ok(head)
}

fn append(text: &Bound<'_, PyAny>, head: &mut Vec<u8>) -> PyResult<()> {
    if let Ok(bytes) = text.cast::<PyBytes>() {
        head.extend_from_slice(bytes.as_bytes());
    } else if let Ok(text) = text.cast::<PyString>() {
        match text.to_str() {
            Ok(text) => head.extend_from_slice(text.as_bytes()),
            // Python's own error holds the text. No header has this byte.
            Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(text.py()) => head.push(0xff),
            Err(error) => return Err(error),
        }
    } else {
        return Err(not_headers());
    }
    Ok(())
}

fn not_headers() -> PyErr {
    PyTypeError::new_err("headers are pairs of a name and a value, each str or bytes")
}

/// A new bearer key, for the one who calls: wiped at the end of its `with` block, by `wipe`, or with the object.
///
/// It cannot be had again. It is not printed, compared by content, copied or pickled.
#[pyclass(frozen, module = "panseal")]
pub struct BearerKey {
    id: String,
    key: Secret,
}

impl BearerKey {
    pub fn of<'py>(py: Python<'py>, key: &Key) -> PyResult<Bound<'py, BearerKey>> {
        let made = Bound::new(py, BearerKey { id: key.id().to_owned(), key: Secret::default() })?;
        made.get().key.fill(key.as_bytes());
        Ok(made)
    }
}

#[pymethods]
impl BearerKey {
    /// The id of its credential, which is not secret: `Vault.revoke` takes it, the audit trail names it.
    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    /// The key as a str, which Python cannot wipe.
    fn reveal<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.key.reveal(py)
    }

    /// Write the key to the beginning of a writable buffer and return how many characters it has: 69.
    ///
    /// The rest of the buffer stays as it is. ArgumentError, code "buffer", where it is too small.
    fn reveal_into(&self, py: Python<'_>, buffer: OutArg<'_>) -> PyResult<usize> {
        self.key.reveal_into(py, buffer)
    }

    /// Forget the key. Doing so twice is fine.
    fn wipe(&self, py: Python<'_>) {
        self.key.wipe(py);
    }

    /// How many characters the key has; 0 once wiped.
    fn __len__(&self, py: Python<'_>) -> usize {
        self.key.__len__(py)
    }

    /// True until wiped.
    fn __bool__(&self, py: Python<'_>) -> bool {
        self.key.__bool__(py)
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _exc_type: &Bound<'_, PyAny>,
        _exc_value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) {
        self.wipe(py);
    }

    fn __repr__(&self) -> String {
        format!("<panseal.BearerKey {}>", self.id)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a BearerKey is neither copied nor pickled"))
    }
}

/// What a caller may present, without what is secret of it.
#[pyclass(frozen, module = "panseal")]
pub struct Credential(pub vault::Credential);

#[pymethods]
impl Credential {
    /// Its id: the beginning of a bearer key, the caller's name for a signing key.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// Whose it is.
    #[getter]
    fn merchant(&self) -> &str {
        &self.0.merchant
    }

    /// Where it may be presented.
    #[getter]
    fn dialect(&self) -> &str {
        &self.0.dialect
    }

    /// The user for whom it stands, or "".
    #[getter]
    fn subject(&self) -> &str {
        &self.0.subject
    }

    /// What it allows: names with a space between them.
    #[getter]
    fn scopes(&self) -> &str {
        &self.0.scopes
    }

    /// When it was made, in UTC.
    #[getter]
    fn created_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        utc(py, self.0.created_at)
    }

    /// From when on it is refused, in UTC; None: never.
    #[getter]
    fn expires_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        time(py, self.0.expires_at)
    }

    /// When it was revoked, in UTC; None: it was not.
    #[getter]
    fn revoked_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        time(py, self.0.revoked_at)
    }

    fn __repr__(&self) -> String {
        let vault::Credential { id, dialect, merchant, .. } = &self.0;
        format!("Credential(id='{id}', dialect='{dialect}', merchant='{merchant}')")
    }
}

fn time(py: Python<'_>, time: i64) -> PyResult<Option<Bound<'_, PyDateTime>>> {
    (time != 0).then(|| utc(py, time.min(LAST))).transpose()
}
