//! Many numbers in one call: `panseal.check_many`.

use crate::arrow;
use crate::errors::{behind_border, raise, raise_argument};
use crate::input::{BytesArg, Copied, READ, SecretArg, TOO_MANY_DIGITS};
use panseal::card::{self, Column, Outputs};
use panseal::error::Code;
use pyo3::exceptions::{PyMemoryError, PyTypeError, PyUnicodeEncodeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyIterator, PyList, PyMemoryView, PyString, PyTuple};

/// Judge many card numbers by the default rules of `check`, and keep nothing of them.
///
/// | numbers                                                   | what is read                                     |
/// |-----------------------------------------------------------|--------------------------------------------------|
/// | list, tuple or other iterable of str, bytes, buffers      | an item each; None is an absent number           |
/// | bytes or another buffer, with `width`                     | a number each `width` bytes, padded with spaces  |
/// | what has the Arrow PyCapsule interface: an array of utf8, | a row each; null is an absent number             |
/// | binary, their large and view forms, or fixed-size binary, |                                                  |
/// | or a stream of these (pyarrow, polars, DuckDB)            |                                                  |
///
/// Spaces and hyphens are dropped. Other threads run on while Arrow data, which nobody may change, and buffers are
/// judged; a buffer that is not bytes is copied first, and the copy wiped.
#[pyfunction]
#[pyo3(signature = (numbers, *, width=None))]
pub fn check_many(py: Python<'_>, numbers: &Bound<'_, PyAny>, width: Option<usize>) -> PyResult<CheckMany> {
    behind_border(py, || {
        let mut verdicts = Verdicts::default();
        if let Some(width) = width {
            read_fixed(numbers, width, &mut verdicts)?;
        } else if let Ok(list) = numbers.cast::<PyList>() {
            verdicts.reserve(list.len())?;
            read_ahead(list.iter(), &mut verdicts)?;
        } else if let Ok(tuple) = numbers.cast::<PyTuple>() {
            verdicts.reserve(tuple.len())?;
            read_ahead(tuple.iter(), &mut verdicts)?;
        } else if !arrow::read(numbers, &mut verdicts)? {
            if SecretArg::extract(numbers.as_borrowed()).is_ok() {
                return Err(PyTypeError::new_err(ONE_TEXT));
            }
            read_one_by_one(numbers.try_iter()?, &mut verdicts)?;
        }
        CheckMany::of(py, &verdicts)
    })
}

/// Why one text is not taken for many.
pub const ONE_TEXT: &str = "one text or buffer holds many rows only with a width";

fn read_fixed(numbers: &Bound<'_, PyAny>, width: usize, verdicts: &mut Verdicts) -> PyResult<()> {
    let py = numbers.py();
    let data: BytesArg<'_, '_> = numbers.extract()?;
    let data = data.0.read(py)?;
    if width == 0 || data.len() % width != 0 {
        return Err(raise_argument(py, Code::Argument, "the buffer is no multiple of the width"));
    }
    let count = data.len() / width;
    verdicts.judge(py, &Column::Fixed { data: &data, width, count }, count)
}

/// So many items are fetched before they are read: strings lie anywhere in memory, and so the processor waits for
/// many of them at once.
const AHEAD: usize = 64;

fn read_ahead<'py>(
    mut items: impl Iterator<Item = Bound<'py, PyAny>>,
    verdicts: &mut Verdicts,
) -> PyResult<()> {
    let mut gathered = Gathered::new(verdicts);
    let mut ahead = Vec::with_capacity(AHEAD);
    loop {
        ahead.extend(items.by_ref().take(AHEAD));
        if ahead.is_empty() {
            return gathered.flush();
        }
        for item in ahead.drain(..) {
            gathered.push_item(&item)?;
        }
    }
}

/// Reads each item before the next one is asked for, which may be the same buffer with another number.
fn read_one_by_one(items: Bound<'_, PyIterator>, verdicts: &mut Verdicts) -> PyResult<()> {
    let mut gathered = Gathered::new(verdicts);
    for item in items {
        gathered.push_item(&item?)?;
    }
    gathered.flush()
}

/// What was found, row by row.
#[derive(Default)]
pub struct Verdicts {
    status: Vec<i32>,
    network: Vec<u8>,
    length: Vec<u8>,
    last4: Vec<u8>,
}

impl Verdicts {
    /// Makes room for so many more rows.
    pub fn reserve(&mut self, rows: usize) -> PyResult<()> {
        let room = self
            .status
            .try_reserve(rows)
            .and_then(|()| self.network.try_reserve(rows))
            .and_then(|()| self.length.try_reserve(rows))
            .and_then(|()| self.last4.try_reserve(rows.saturating_mul(4)));
        room.map_err(|_| PyMemoryError::new_err(()))
    }

    /// Judges a column of so many rows while other Python threads run on: nobody may change it.
    pub fn judge(&mut self, py: Python<'_>, column: &Column<'_>, rows: usize) -> PyResult<()> {
        self.reserve(rows)?;
        py.detach(|| self.add(column, rows)).map_err(|code| raise(py, &code.into()))
    }

    fn add(&mut self, column: &Column<'_>, rows: usize) -> Result<(), Code> {
        let start = self.status.len();
        let end = start + rows;
        self.status.resize(end, 0);
        self.network.resize(end, 0);
        self.length.resize(end, 0);
        self.last4.resize(4 * end, 0);
        card::check_many(
            column,
            &mut Outputs {
                status: &mut self.status[start..],
                network: Some(&mut self.network[start..]),
                length: Some(&mut self.length[start..]),
                last4: Some(&mut self.last4[4 * start..]),
            },
        )
    }

    pub fn len(&self) -> usize {
        self.status.len()
    }

    /// Says of a row that there is no number, whatever was judged there.
    pub fn set_missing(&mut self, row: usize) {
        self.status[row] = Code::Missing.number();
        self.network[row] = 0;
        self.length[row] = 0;
        self.last4[4 * row..4 * row + 4].fill(0);
    }
}

/// The most numbers that are judged together, and the room for them, whatever their lengths.
const ROWS: usize = 1024;
const ROOM: usize = 32 * 1024;

/// Texts from here and there, brought together to be judged. They are wiped with it.
pub struct Gathered<'a> {
    verdicts: &'a mut Verdicts,
    texts: Vec<u8>,
    used: usize,
    offsets: Vec<i32>,
}

impl<'a> Gathered<'a> {
    pub fn new(verdicts: &'a mut Verdicts) -> Gathered<'a> {
        let mut offsets = Vec::with_capacity(ROWS + 1);
        offsets.push(0);
        Gathered { verdicts, texts: vec![0; ROOM], used: 0, offsets }
    }

    fn push_item(&mut self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        lend_item(item, |text| self.push(text))
    }

    /// Adds a text. Of a long one the beginning is kept, and then so many digits that it is too long.
    pub fn push(&mut self, text: &[u8]) -> PyResult<()> {
        const LONGEST: usize = READ + TOO_MANY_DIGITS;
        if self.offsets.len() > ROWS || ROOM - self.used < LONGEST {
            self.flush()?;
        }
        let room = &mut self.texts[self.used..self.used + LONGEST];
        let len = if text.len() <= READ {
            copy_short(text, room);
            text.len()
        } else {
            room[..READ].copy_from_slice(&text[..READ]);
            room[READ..].fill(b'0');
            LONGEST
        };
        self.used += len;
        self.offsets.push(self.used as i32);
        Ok(())
    }

    /// Judges what was gathered.
    pub fn flush(&mut self) -> PyResult<()> {
        let rows = self.offsets.len() - 1;
        self.verdicts.reserve(rows)?;
        let column = Column::Offsets { data: &self.texts[..self.used], offsets: &self.offsets };
        self.verdicts.add(&column, rows).map_err(|_| PyMemoryError::new_err(()))?;
        self.used = 0;
        self.offsets.truncate(1);
        Ok(())
    }
}

/// Lends the text of a row's object to `work`: an absent one for None.
#[inline]
pub fn lend_item(item: &Bound<'_, PyAny>, work: impl FnOnce(&[u8]) -> PyResult<()>) -> PyResult<()> {
    let py = item.py();
    // What is no str itself may still be of a class derived from it: the last branch takes that.
    if let Ok(text) = item.cast_exact::<PyString>() {
        match text.to_str() {
            Ok(text) => work(text.as_bytes()),
            // Python's own error holds the text. No number has this byte.
            Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(py) => work(b"\xff"),
            Err(error) => Err(error),
        }
    } else if let Ok(bytes) = item.cast_exact::<PyBytes>() {
        work(bytes.as_bytes())
    } else if item.is_none() {
        work(b"")
    } else {
        let mut text = Copied::new();
        SecretArg::extract(item.as_borrowed())?.copy_to(py, &mut text)?;
        work(text.as_bytes())
    }
}

/// Copies a text into room that is larger: in two pieces of a fixed size, which may overlap, where it is as long as
/// most numbers are. That is faster than a call of memcpy.
fn copy_short(text: &[u8], room: &mut [u8]) {
    match (text.first_chunk::<16>(), text.last_chunk::<16>()) {
        (Some(first), Some(last)) if text.len() <= 32 => {
            room[..16].copy_from_slice(first);
            room[text.len() - 16..text.len()].copy_from_slice(last);
        }
        _ => room[..text.len()].copy_from_slice(text),
    }
}

/// What `check_many` found: a row for each number, in columns that are memoryviews, so that NumPy and others read
/// them in place.
///
/// Of a refused number nothing is told but its status: its other entries are zero.
#[pyclass(frozen, module = "panseal")]
pub struct CheckMany {
    ok: usize,
    status: Py<PyBytes>,
    network: Py<PyBytes>,
    length: Py<PyBytes>,
    last4: Py<PyBytes>,
}

impl CheckMany {
    fn of(py: Python<'_>, verdicts: &Verdicts) -> PyResult<CheckMany> {
        let status = PyBytes::new_with(py, verdicts.len() * 4, |bytes| {
            for (bytes, status) in bytes.chunks_exact_mut(4).zip(&verdicts.status) {
                bytes.copy_from_slice(&status.to_ne_bytes());
            }
            Ok(())
        })?;
        Ok(CheckMany {
            ok: verdicts.status.iter().filter(|status| **status == 0).count(),
            status: status.unbind(),
            network: PyBytes::new(py, &verdicts.network).unbind(),
            length: PyBytes::new(py, &verdicts.length).unbind(),
            last4: PyBytes::new(py, &verdicts.last4).unbind(),
        })
    }
}

#[pymethods]
impl CheckMany {
    /// How many numbers have nothing wrong with them.
    #[getter]
    fn ok(&self) -> usize {
        self.ok
    }

    /// What is wrong with each number, int32: 0 for nothing, else the status of the C ABI (`PansealError.status`).
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        Ok(memory(&self.status, py)?.call_method1("cast", ("i",))?.cast_into()?)
    }

    /// The network of each number, uint8: an id, which is a place in `networks()`.
    #[getter]
    fn network<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        memory(&self.network, py)
    }

    /// How many digits each number has, uint8.
    #[getter]
    fn length<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        memory(&self.length, py)
    }

    /// The last four digits of each number in ASCII: four bytes a row.
    #[getter]
    fn last4<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        memory(&self.last4, py)
    }

    /// What is wrong with each number, by name: "missing", "charset", "length", "luhn", "malformed", or None.
    fn codes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = self.status.as_bytes(py).chunks_exact(4);
        let status = |row: &[u8]| row.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
        PyList::new(py, rows.map(|row| code_name(py, status(row))))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.network.as_bytes(py).len()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("CheckMany(ok={}, of={})", self.ok, self.__len__(py))
    }
}

fn memory<'py>(column: &Py<PyBytes>, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
    PyMemoryView::from(column.bind(py))
}

/// The name of a status, of which there is one object.
pub fn code_name(py: Python<'_>, status: i32) -> Option<Bound<'_, PyString>> {
    static NAMES: PyOnceLock<Vec<(i32, Py<PyString>)>> = PyOnceLock::new();
    let intern = || {
        let names = Code::all().map(|code| (code.number(), PyString::intern(py, code.name()).unbind()));
        names.collect()
    };
    let known = NAMES.get_or_init(py, intern).iter().find(|(number, _)| *number == status);
    known.map(|(_, name)| name.bind(py).clone())
}
