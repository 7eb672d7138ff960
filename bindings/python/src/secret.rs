//! `panseal.Secret`.

use crate::errors::{behind_border, raise_argument};
use crate::input::OutArg;
use panseal::card::GROUPED_MAX;
use panseal::error::Code;
use panseal::secret::SecretText;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyString;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A card number, wiped at the end of its `with` block, by `wipe`, or with the object.
///
/// It is not printed, compared by content, copied or pickled.
#[pyclass(frozen, module = "panseal")]
#[derive(Default)]
pub struct Secret {
    /// Empty once wiped: a card number never is.
    digits: Mutex<SecretText<{ GROUPED_MAX }>>,
}

impl Secret {
    /// Takes the digits in, with their gaps if there are any, in place: moving a filled secret would leave them on
    /// the stack.
    pub fn fill(&self, digits: &[u8]) {
        let mut place = self.digits.lock().unwrap_or_else(PoisonError::into_inner);
        place.wipe();
        for digit in digits {
            place.push(*digit);
        }
    }

    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, SecretText<{ GROUPED_MAX }>> {
        self.digits.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    fn lend<R>(&self, py: Python<'_>, work: impl FnOnce(&[u8]) -> PyResult<R>) -> PyResult<R> {
        behind_border(py, || {
            let digits = self.lock(py);
            if digits.is_empty() {
                return Err(raise_argument(py, Code::Handle, "the secret was wiped"));
            }
            work(digits.as_bytes())
        })
    }
}

#[pymethods]
impl Secret {
    /// The number as a str, which Python cannot wipe: prefer `reveal_into` where the number goes on as bytes.
    fn reveal<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.lend(py, |digits| PyString::from_bytes(py, digits))
    }

    /// Write the number to the beginning of a writable buffer and return how many characters it has: the 12 to 19
    /// digits, or up to 23 with the gaps that `panseal.group` puts in.
    ///
    /// The rest of the buffer stays as it is. ArgumentError, code "buffer", where it is too small.
    fn reveal_into(&self, py: Python<'_>, buffer: OutArg<'_>) -> PyResult<usize> {
        self.lend(py, |digits| {
            buffer.write(py, digits)?;
            Ok(digits.len())
        })
    }

    /// Forget the number. Doing so twice is fine.
    fn wipe(&self, py: Python<'_>) {
        self.lock(py).wipe();
    }

    /// How many characters the number has; 0 once wiped.
    fn __len__(&self, py: Python<'_>) -> usize {
        self.lock(py).len()
    }

    /// True until wiped.
    fn __bool__(&self, py: Python<'_>) -> bool {
        !self.lock(py).is_empty()
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

    fn __repr__(&self, py: Python<'_>) -> &'static str {
        if self.lock(py).is_empty() { "<panseal.Secret, wiped>" } else { "<panseal.Secret>" }
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a Secret is neither copied nor pickled"))
    }
}
