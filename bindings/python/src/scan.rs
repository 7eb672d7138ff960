//! Card numbers in any text: `panseal.scan`, `panseal.Scanner`, `panseal.holds_card_number`.

use crate::errors::behind_border;
use crate::input::{BytesArg, DataArg};
use crate::network::name;
use panseal::card::{self, HitForm};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyString;
use std::sync::{Mutex, PoisonError};

/// Find the card numbers in a text, or in any bytes, in the order in which they stand.
///
/// Digits in a row or in groups, and tracks, in ASCII, UTF-8 or UTF-16, whose network, length and check digit are
/// right and whose surroundings do not speak against it: measured on random input, 1.7 % of numbers of 12 to 19
/// digits, and no time, UUID or hash. Base64 and compressed data are not looked into.
///
/// Other threads run on meanwhile. A buffer that is not bytes may be written to by them, so it is copied first, and the
/// copy wiped. ArgumentError, code "utf8", for a str with a lone surrogate.
#[pyfunction]
pub fn scan<'py>(py: Python<'py>, data: DataArg<'_, 'py>) -> PyResult<Vec<Hit>> {
    behind_border(py, || {
        let bytes = data.read(py)?;
        let hits = py.detach(|| card::scan(&bytes).map(Hit).collect::<Vec<_>>());
        Ok(match data {
            DataArg::Text(_) => in_chars(&bytes, hits),
            _ => hits,
        })
    })
}

/// Whether a text that is to be kept has a card number in it.
///
/// As `scan`, but it would rather say yes once too often: letters next to a number do not save it, and networks that
/// are a guess count.
#[pyfunction]
pub fn holds_card_number<'py>(py: Python<'py>, data: DataArg<'_, 'py>) -> PyResult<bool> {
    behind_border(py, || {
        let bytes = data.read(py)?;
        Ok(py.detach(|| card::holds_card_number(&bytes)))
    })
}

/// The same finds, with places in characters of the text instead of bytes of UTF-8.
fn in_chars(text: &[u8], mut hits: Vec<Hit>) -> Vec<Hit> {
    let chars = |from: usize, to: usize| {
        let bytes = text.get(from..to).unwrap_or_default();
        bytes.iter().filter(|byte| !matches!(byte, 0x80..=0xbf)).count()
    };
    let (mut place, mut count) = (0, 0);
    for Hit(hit) in &mut hits {
        let (start, end) = (hit.at as usize, hit.at as usize + hit.len as usize);
        let at = count + chars(place, start);
        let len = chars(start, end);
        (place, count) = (end, at + len);
        (hit.at, hit.len) = (at as u64, len as u32);
    }
    hits
}

/// A card number that was found. Holds no more of it than may be shown and logged.
#[pyclass(frozen, module = "panseal")]
pub struct Hit(card::Hit);

#[pymethods]
impl Hit {
    /// Where it begins: the offset in the text or bytes, or in all that was fed to a Scanner.
    #[getter]
    fn at(&self) -> u64 {
        self.0.at
    }

    /// How long it is there: from its first digit to its last, of a track all of it.
    #[getter]
    fn length_in_text(&self) -> u32 {
        self.0.len
    }

    /// In what form it stands: "run" (digits without a break), "grouped", "track1", "track2".
    #[getter]
    fn form(&self) -> &'static str {
        match self.0.form {
            HitForm::Run => "run",
            HitForm::Grouped => "grouped",
            HitForm::Track1 => "track1",
            HitForm::Track2 => "track2",
        }
    }

    /// The network; "UNKNOWN" only in a track that has its sentinels.
    #[getter]
    fn network<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        name(py, self.0.network)
    }

    /// How many digits the number has.
    #[getter]
    fn digits(&self) -> u8 {
        self.0.length
    }

    /// The number as it may be displayed: "424242******4242".
    #[getter]
    fn masked(&self) -> &str {
        self.0.mask.as_str()
    }

    fn __repr__(&self) -> String {
        format!(
            "Hit(at={}, form='{}', network='{}', masked='{}')",
            self.0.at,
            self.form(),
            self.0.network,
            self.0.mask
        )
    }
}

/// Finds card numbers in a stream of bytes that comes in chunks of any size, as `scan` would in all of it at once.
///
/// Up to 1 KiB is held back for what follows it, and wiped with the object: a find is told at the latest so much later,
/// or by `finish`. Any thread may feed; each chunk is scanned as a whole.
#[pyclass(frozen, module = "panseal")]
pub struct Scanner(Mutex<card::Scanner>);

#[pymethods]
impl Scanner {
    #[new]
    fn new() -> Scanner {
        Scanner(Mutex::new(card::Scanner::new()))
    }

    /// Scan the next chunk and return what was found so far and not told yet.
    ///
    /// A buffer that is not bytes is copied first, and the copy wiped.
    fn feed<'py>(&self, py: Python<'py>, chunk: BytesArg<'_, 'py>) -> PyResult<Vec<Hit>> {
        behind_border(py, || {
            let chunk = chunk.0.read(py)?;
            let mut guard = self.0.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
            let scanner: &mut card::Scanner = &mut guard;
            let mut hits = Vec::new();
            py.detach(|| scanner.feed(&chunk, |hit| hits.push(Hit(hit))));
            Ok(hits)
        })
    }

    /// Scan what was held back and return what was found: the stream is over, and another one may begin.
    fn finish(&self, py: Python<'_>) -> PyResult<Vec<Hit>> {
        behind_border(py, || {
            let mut hits = Vec::new();
            let mut scanner = self.0.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
            scanner.finish(|hit| hits.push(Hit(hit)));
            Ok(hits)
        })
    }

    fn __repr__(&self) -> &'static str {
        "<panseal.Scanner>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a Scanner is neither copied nor pickled"))
    }
}
