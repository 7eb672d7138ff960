//! Many numbers in one call: `panseal.check_many`.

use crate::arrow;
use crate::errors::{behind_border, raise, raise_argument};
use crate::input::{BytesArg, Copied, READ, SecretArg, TOO_MANY_DIGITS};
use crate::items::{AHEAD, Items};
use panseal::card::{self, Column, Outputs};
use panseal::error::Code;
use panseal::secret::copy_short;
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
            return CheckMany::of_items(py, &Items::List(list));
        } else if let Ok(tuple) = numbers.cast::<PyTuple>() {
            return CheckMany::of_items(py, &Items::Tuple(tuple));
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

/// Reads so many items, or fewer where a list has lost some by then.
fn read_items(py: Python<'_>, items: &Items<'_, '_>, rows: usize, places: &mut Places<'_>) -> PyResult<()> {
    let mut gathered = Gathered::new(places);
    let mut start = 0;
    while start < rows.min(items.len()) {
        let end = rows.min(items.len()).min(start + AHEAD);
        gathered.flush(py)?;
        let judged = gathered.sink.judge(end - start, |out| items.check_many(start..end, out));
        if !judged.map_err(|code| raise(py, &code.into()))? {
            for place in start..end {
                if place < items.len() {
                    gathered.push_item(&items.get(place)?)?;
                }
            }
        }
        start = end;
    }
    gathered.flush(py)
}

/// Reads each item before the next one is asked for, which may be the same buffer with another number.
fn read_one_by_one(items: Bound<'_, PyIterator>, verdicts: &mut Verdicts) -> PyResult<()> {
    let py = items.py();
    let mut gathered = Gathered::new(verdicts);
    for item in items {
        gathered.push_item(&item?)?;
    }
    gathered.flush(py)
}

/// Where the rows of a column go when they were judged.
pub trait Sink {
    /// Judges so many rows, up to [`ROWS`], and adds them.
    fn add(&mut self, py: Python<'_>, column: &Column<'_>, rows: usize) -> PyResult<()>;
}

/// What was found, row by row, where nobody knows beforehand how many rows there are.
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
        py.detach(|| self.judge_rows(column, rows)).map_err(|code| raise(py, &code.into()))
    }

    fn judge_rows(&mut self, column: &Column<'_>, rows: usize) -> Result<(), Code> {
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

impl Sink for Verdicts {
    fn add(&mut self, py: Python<'_>, column: &Column<'_>, rows: usize) -> PyResult<()> {
        self.reserve(rows)?;
        self.judge_rows(column, rows).map_err(|code| raise(py, &code.into()))
    }
}

/// The columns of a result that was made for so many rows: written once, where they are read.
struct Places<'a> {
    status: &'a mut [u8],
    network: &'a mut [u8],
    length: &'a mut [u8],
    last4: &'a mut [u8],
    done: usize,
    ok: usize,
}

impl Places<'_> {
    /// Has so many rows judged, and keeps them if they were.
    fn judge(
        &mut self,
        rows: usize,
        judge: impl FnOnce(&mut Outputs<'_>) -> Result<bool, Code>,
    ) -> Result<bool, Code> {
        let places = self.done..self.done + rows;
        let quads = 4 * places.start..4 * places.end;
        let mut status = [0; ROWS];
        let status = &mut status[..rows];
        let mut outputs = Outputs {
            status,
            network: Some(&mut self.network[places.clone()]),
            length: Some(&mut self.length[places]),
            last4: Some(&mut self.last4[quads.clone()]),
        };
        if !judge(&mut outputs)? {
            return Ok(false);
        }
        for (bytes, status) in self.status[quads].chunks_exact_mut(4).zip(&*status) {
            bytes.copy_from_slice(&status.to_ne_bytes());
        }
        self.ok += status.iter().filter(|status| **status == 0).count();
        self.done += rows;
        Ok(true)
    }
}

impl Sink for Places<'_> {
    fn add(&mut self, py: Python<'_>, column: &Column<'_>, rows: usize) -> PyResult<()> {
        let judged = self.judge(rows, |out| card::check_many(column, out).map(|()| true));
        judged.map(drop).map_err(|code| raise(py, &code.into()))
    }
}

/// The most numbers that are judged together, and the room for them, whatever their lengths.
const ROWS: usize = 1024;
const ROOM: usize = 32 * 1024;

/// Texts from here and there, brought together to be judged. They are wiped with it.
pub struct Gathered<'a, S> {
    sink: &'a mut S,
    texts: Vec<u8>,
    used: usize,
    offsets: Vec<i32>,
}

impl<'a, S: Sink> Gathered<'a, S> {
    pub fn new(sink: &'a mut S) -> Gathered<'a, S> {
        let mut offsets = Vec::with_capacity(ROWS + 1);
        offsets.push(0);
        Gathered { sink, texts: vec![0; ROOM], used: 0, offsets }
    }

    fn push_item(&mut self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        lend_item(item, |text| self.push(item.py(), text))
    }

    /// Adds a text. Of a long one the beginning is kept, and then so many digits that it is too long.
    pub fn push(&mut self, py: Python<'_>, text: &[u8]) -> PyResult<()> {
        const LONGEST: usize = READ + TOO_MANY_DIGITS;
        if self.offsets.len() > ROWS || ROOM - self.used < LONGEST {
            self.flush(py)?;
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
    pub fn flush(&mut self, py: Python<'_>) -> PyResult<()> {
        let rows = self.offsets.len() - 1;
        if rows == 0 {
            return Ok(());
        }
        let column = Column::Offsets { data: &self.texts[..self.used], offsets: &self.offsets };
        self.sink.add(py, &column, rows)?;
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
    /// Judges so many items. Where a list lost some of them meanwhile, which only its own items can do, there are as many
    /// rows as were read.
    fn of_items<'py>(py: Python<'py>, items: &Items<'_, 'py>) -> PyResult<CheckMany> {
        let rows = items.len();
        let (mut network, mut length, mut last4) = (None, None, None);
        let (mut done, mut ok) = (0, 0);
        let status = PyBytes::new_with(py, 4 * rows, |status| {
            let made = PyBytes::new_with(py, rows, |network| {
                let made = PyBytes::new_with(py, rows, |length| {
                    let made = PyBytes::new_with(py, 4 * rows, |last4| {
                        let mut places = Places { status, network, length, last4, done: 0, ok: 0 };
                        read_items(py, items, rows, &mut places)?;
                        (done, ok) = (places.done, places.ok);
                        Ok(())
                    })?;
                    last4 = Some(made);
                    Ok(())
                })?;
                length = Some(made);
                Ok(())
            })?;
            network = Some(made);
            Ok(())
        })?;
        let cut = |column: Option<Bound<'py, PyBytes>>, len: usize| match column {
            Some(column) if done == rows => column.unbind(),
            column => {
                let bytes = column.as_ref().map_or(&[][..], |column| column.as_bytes());
                PyBytes::new(py, &bytes[..len]).unbind()
            }
        };
        Ok(CheckMany {
            ok,
            status: cut(Some(status), 4 * done),
            network: cut(network, done),
            length: cut(length, done),
            last4: cut(last4, 4 * done),
        })
    }

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
