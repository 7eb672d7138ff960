//! `panseal.Secret`.

use crate::errors::{behind_border, raise_argument};
use crate::input::OutArg;
use panseal::error::Code;
use panseal::secret::SecretText;
use panseal::vault::BEARER_KEY_LEN;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyString;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A bearer key is longer than a card number with its gaps.
type Text = SecretText<{ BEARER_KEY_LEN }>;

/// A card number, wiped at the end of its `with` block, by `wipe`, or with the object.
///
/// It is not printed, compared by content, copied or pickled.
#[pyclass(frozen, module = "panseal")]
#[derive(Default)]
pub struct Secret {
    /// Empty once wiped: a secret never is.
    text: Mutex<Text>,
}

impl Secret {
    /// Takes digits, with their gaps if there are any, or a key in, in place: moving a filled secret would leave them
    /// on the stack.
    pub fn fill(&self, text: &[u8]) {
        let mut place = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        place.wipe();
        let filled = place.append(text);
        debug_assert!(filled, "no number and no key is longer than the room");
    }

    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Text> {
        self.text.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    fn lend<R>(&self, py: Python<'_>, work: impl FnOnce(&[u8]) -> PyResult<R>) -> PyResult<R> {
        behind_border(py, || {
            let text = self.lock(py);
            if text.is_empty() {
                return Err(raise_argument(py, Code::Handle, "the secret was wiped"));
            }
            work(text.as_bytes())
        })
    }
}

#[pymethods]
impl Secret {
    /// The number as a str, which Python cannot wipe: prefer `reveal_into` where the number goes on as bytes.
    pub fn reveal<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.lend(py, |text| PyString::from_bytes(py, text))
    }

    /// Write the number to the beginning of a writable buffer and return how many characters it has: the 12 to 19
    /// digits, or up to 23 with the gaps that `panseal.group` puts in.
    ///
    /// The rest of the buffer stays as it is. ArgumentError, code "buffer", where it is too small.
    pub fn reveal_into(&self, py: Python<'_>, buffer: OutArg<'_>) -> PyResult<usize> {
        self.lend(py, |text| {
            buffer.write(py, text)?;
            Ok(text.len())
        })
    }

    /// Forget the number. Doing so twice is fine.
    pub fn wipe(&self, py: Python<'_>) {
        self.lock(py).wipe();
    }

    /// How many characters the number has; 0 once wiped.
    pub fn __len__(&self, py: Python<'_>) -> usize {
        self.lock(py).len()
    }

    /// True until wiped.
    pub fn __bool__(&self, py: Python<'_>) -> bool {
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
