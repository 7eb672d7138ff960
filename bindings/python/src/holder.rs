//! The cardholder's name as tracks and chips have it: `panseal.parse_holder`, `panseal.track_name`,
//! `panseal.write_holder`.

use crate::errors::{behind_border, refuse};
use crate::input::DataArg;
use panseal::card::{self, HolderParts, HolderSpans};
use panseal::error::{Code, Param};
use panseal::secret::SecretText;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::ops::Range;

/// The most bytes of a name that the core reads: those of EMV tag 9F0B.
const NAME_MAX: usize = 45;

/// Read a name from track 1 or from EMV tags 5F20 and 9F0B: "SURNAME/FIRST MIDDLE.TITLE" (ISO/IEC 7813).
///
/// CardError with a violation of the name where it is longer than 45 characters ("too_long"), is not printable ASCII
/// ("charset"), or is a card number ("malformed").
#[pyfunction]
pub fn parse_holder<'py>(py: Python<'py>, text: DataArg<'_, 'py>) -> PyResult<Bound<'py, Holder>> {
    behind_border(py, || {
        let text = text.read(py)?;
        let spans = card::parse_holder(&text).map_err(|code| refuse(py, Param::Name, code))?;
        let text = SecretText::copy_of(&text).ok_or_else(|| refuse(py, Param::Name, Code::TooLong))?;
        Bound::new(py, Holder { text, spans })
    })
}

/// Write a name in the letters of track 1 (ISO/IEC 7813): "José Núñez" becomes "JOSE NUNEZ".
///
/// For names in Latin script; no language's own spelling is used (ü is U). CardError with a violation of the name
/// where it has other characters ("charset"), comes to more than 26 ("too_long"), or is a card number or nothing
/// ("malformed").
#[pyfunction]
pub fn track_name<'py>(py: Python<'py>, name: DataArg<'_, 'py>) -> PyResult<Bound<'py, PyString>> {
    behind_border(py, || {
        let written = card::transliterate(&name.read(py)?);
        let written = written.as_ref().map_err(|code| refuse(py, Param::Name, *code))?;
        PyString::from_bytes(py, written.as_bytes())
    })
}

/// Write a name in the layout of track 1 and EMV tag 5F20: "BYRON/ADA A.LADY". All parts empty is the name of
/// nobody, " /".
///
/// Each part is written as by `track_name`. CardError with a violation of the name as there, and "missing" where
/// there is no surname, or no first name before a middle one.
#[pyfunction]
#[pyo3(signature = (surname, first=None, middle=None, title=None))]
pub fn write_holder<'py>(
    py: Python<'py>,
    surname: DataArg<'_, 'py>,
    first: Option<DataArg<'_, 'py>>,
    middle: Option<DataArg<'_, 'py>>,
    title: Option<DataArg<'_, 'py>>,
) -> PyResult<Bound<'py, PyString>> {
    behind_border(py, || {
        let read = |part: &Option<DataArg<'_, 'py>>| match part {
            Some(part) => part.read(py).map(|part| part.to_vec()),
            None => Ok(Vec::new()),
        };
        let written = card::write_holder(&HolderParts {
            surname: &surname.read(py)?,
            first: &read(&first)?,
            middle: &read(&middle)?,
            title: &read(&title)?,
        });
        let written = written.as_ref().map_err(|code| refuse(py, Param::Name, *code))?;
        PyString::from_bytes(py, written.as_bytes())
    })
}

/// The parts of a cardholder's name, "" where one is absent.
///
/// They are personal data, and as str nobody can wipe them. The object itself does not print, copy or pickle, and
/// is wiped when it goes.
#[pyclass(frozen, module = "panseal")]
pub struct Holder {
    text: SecretText<NAME_MAX>,
    spans: HolderSpans,
}

impl Holder {
    fn part<'py>(&self, py: Python<'py>, span: &Range<usize>) -> PyResult<Bound<'py, PyString>> {
        PyString::from_bytes(py, self.text.as_bytes().get(span.clone()).unwrap_or_default())
    }
}

#[pymethods]
impl Holder {
    /// The surname; the whole name if it has no "/".
    #[getter]
    fn surname<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.part(py, &self.spans.surname)
    }

    /// The first name, or its initial.
    #[getter]
    fn first<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.part(py, &self.spans.first)
    }

    /// All further names or initials.
    #[getter]
    fn middle<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.part(py, &self.spans.middle)
    }

    /// The title.
    #[getter]
    fn title<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.part(py, &self.spans.title)
    }

    /// Whether there is a name at all: gift cards have none.
    fn __bool__(&self) -> bool {
        !self.spans.is_absent()
    }

    fn __repr__(&self) -> &'static str {
        "<panseal.Holder>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a Holder is neither copied nor pickled"))
    }
}
