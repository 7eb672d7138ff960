//! Arguments as Python passes them.

use crate::errors;
use panseal::error::Code;
use panseal::secret::SecretText;
use pyo3::buffer::{Element, PyBuffer, PyUntypedBuffer};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyUnicodeEncodeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PySlice, PyString};
use std::ops::Deref;

/// How much of a text is read: more than the core reads of a name of 26 characters, of four bytes each.
pub const READ: usize = 108;
/// More digits than any card number has.
pub const TOO_MANY_DIGITS: usize = 20;

/// A text of card data, in memory that forgets.
pub type Copied = SecretText<{ READ + TOO_MANY_DIGITS }>;

/// A text that may be secret, where the caller has it.
pub enum SecretArg<'a, 'py> {
    /// A `str`, which nobody can wipe.
    Text(Borrowed<'a, 'py, PyString>),
    /// `bytes`, or a buffer that the caller may be able to wipe. Its memory stays in place while this is held.
    Bytes(PyBuffer<u8>, Bound<'py, PyMemoryView>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for SecretArg<'a, 'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(SecretArg::Text(text));
        }
        match view(&object) {
            Some((bytes, view)) => Ok(SecretArg::Bytes(bytes, view)),
            None => Err(PyTypeError::new_err(
                "expected str, bytes or a contiguous buffer of bytes; an int would lose leading zeros",
            )),
        }
    }
}

impl SecretArg<'_, '_> {
    /// Copies the text to `out`.
    ///
    /// Of a longer text the beginning is copied and then so many digits that no field takes it. A `str` that is no
    /// text (a lone surrogate) becomes a byte that no text has.
    pub fn copy_to(&self, py: Python<'_>, out: &mut Copied) -> PyResult<()> {
        match self {
            SecretArg::Text(text) => match text.to_str() {
                Ok(text) => fill(out, text.len(), |room| {
                    room.copy_from_slice(&text.as_bytes()[..room.len()]);
                    Ok(())
                }),
                // Python's own error holds the text.
                Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(py) => fill(out, 1, |room| {
                    room.fill(0xff);
                    Ok(())
                }),
                Err(error) => Err(error),
            },
            SecretArg::Bytes(bytes, view) => fill(out, bytes.item_count(), |room| {
                if room.len() == bytes.item_count() {
                    bytes.copy_to_slice(py, room)
                } else {
                    head(view, room.len())?.copy_to_slice(py, room)
                }
            }),
        }
    }

    /// Says before anything happens that the caller's memory cannot be wiped.
    pub fn refuse_unwipeable(&self) -> PyResult<()> {
        match self {
            SecretArg::Bytes(bytes, _) if !bytes.readonly() => Ok(()),
            _ => Err(PyTypeError::new_err(
                "wipe=True takes card data in writable buffers only, such as bytearray",
            )),
        }
    }

    /// Writes zeros over the caller's memory.
    pub fn wipe(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            SecretArg::Bytes(bytes, _) => bytes.copy_from_slice(py, &vec![0; bytes.item_count()]),
            SecretArg::Text(_) => Ok(()),
        }
    }
}

/// Makes `out` a text of `len` bytes and has `copy` fill it, or its beginning where it would not fit.
fn fill(out: &mut Copied, len: usize, copy: impl FnOnce(&mut [u8]) -> PyResult<()>) -> PyResult<()> {
    out.wipe();
    let read = if len <= READ { len } else { READ };
    while out.len() < read && out.push(0) {}
    copy(out.as_mut_bytes())?;
    if len > READ {
        while out.push(b'0') {}
    }
    Ok(())
}

/// The memory of an object that has its bytes in one row.
///
/// By way of a memoryview, which knows the shape of buffers that do not tell it and sees any bytes as plain ones:
/// those of `ctypes` need both.
pub fn view<'py>(object: &Bound<'py, PyAny>) -> Option<(PyBuffer<u8>, Bound<'py, PyMemoryView>)> {
    let mut view = PyMemoryView::from(object).ok()?;
    let shape = PyUntypedBuffer::get(&view).ok()?;
    if shape.item_size() != 1 || shape.dimensions() != 1 || !shape.is_c_contiguous() {
        return None;
    }
    if !u8::is_compatible_format(shape.format()) {
        view = view.call_method1("cast", ("B",)).ok()?.cast_into().ok()?;
    }
    Some((PyBuffer::get(&view).ok()?, view))
}

/// The first `len` bytes of a buffer, in place.
pub fn head(view: &Bound<'_, PyMemoryView>, len: usize) -> PyResult<PyBuffer<u8>> {
    PyBuffer::get(&view.get_item(PySlice::new(view.py(), 0, isize::try_from(len)?, 1))?)
}

/// What a reader, a file or a person gave, of any length, where the caller has it.
pub enum DataArg<'a, 'py> {
    /// A `str`, in UTF-8.
    Text(Borrowed<'a, 'py, PyString>),
    /// Bytes that nobody can change.
    Bytes(Borrowed<'a, 'py, PyBytes>),
    /// A buffer that others may write to.
    Buffer(PyBuffer<u8>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for DataArg<'a, 'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match object.cast::<PyString>() {
            Ok(text) => Ok(DataArg::Text(text)),
            Err(_) => DataArg::of_bytes(object)
                .ok_or_else(|| PyTypeError::new_err("expected str, bytes or a contiguous buffer of bytes")),
        }
    }
}

impl<'a, 'py> DataArg<'a, 'py> {
    fn of_bytes(object: Borrowed<'a, 'py, PyAny>) -> Option<Self> {
        match object.cast::<PyBytes>() {
            Ok(bytes) => Some(DataArg::Bytes(bytes)),
            Err(_) => view(&object).map(|(buffer, _)| DataArg::Buffer(buffer)),
        }
    }

    /// The bytes: in place where nobody can change them, else a copy, which is wiped when it is freed.
    pub fn read(&self, py: Python<'py>) -> PyResult<Data<'_>> {
        match self {
            DataArg::Text(text) => match text.to_str() {
                Ok(text) => Ok(Data::InPlace(text.as_bytes())),
                // Python's own error holds the text.
                Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(py) => {
                    Err(errors::raise(py, &Code::Utf8.into()))
                }
                Err(error) => Err(error),
            },
            DataArg::Bytes(bytes) => Ok(Data::InPlace(bytes.as_bytes())),
            DataArg::Buffer(buffer) => buffer.to_vec(py).map(Data::Copied),
        }
    }
}

/// Bytes without a str: those of a chip, a message or a stream.
pub struct BytesArg<'a, 'py>(pub DataArg<'a, 'py>);

impl<'a, 'py> FromPyObject<'a, 'py> for BytesArg<'a, 'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        DataArg::of_bytes(object)
            .map(BytesArg)
            .ok_or_else(|| PyTypeError::new_err("expected bytes or a contiguous buffer of bytes"))
    }
}

/// Bytes that stay as they are while they are read.
pub enum Data<'a> {
    InPlace(&'a [u8]),
    Copied(Vec<u8>),
}

impl Deref for Data<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Data::InPlace(bytes) => bytes,
            Data::Copied(bytes) => bytes,
        }
    }
}

/// A writable buffer of the caller's.
pub struct OutArg<'py>(PyBuffer<u8>, Bound<'py, PyMemoryView>);

impl<'py> FromPyObject<'_, 'py> for OutArg<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match view(&object).filter(|(room, _)| !room.readonly()) {
            Some((room, view)) => Ok(OutArg(room, view)),
            None => Err(PyTypeError::new_err(
                "expected a writable, contiguous buffer of bytes, such as bytearray",
            )),
        }
    }
}

impl OutArg<'_> {
    pub fn len(&self) -> usize {
        self.0.item_count()
    }

    /// Writes to the beginning of the buffer; the rest of it stays as it is.
    pub fn write(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        if self.len() < bytes.len() {
            return Err(errors::raise_argument(py, Code::Buffer, Code::Buffer.text()));
        }
        head(&self.1, bytes.len())?.copy_from_slice(py, bytes)
    }
}

/// A text that is not secret. One that is not UTF-8 is `utf8`, without Python's error, which would hold it.
pub struct PlainArg<'a>(pub &'a str);

impl<'a> FromPyObject<'a, '_> for PlainArg<'a> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, '_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        object.extract().map(PlainArg).map_err(|error: PyErr| {
            if error.is_instance_of::<PyUnicodeEncodeError>(py) {
                errors::raise(py, &Code::Utf8.into())
            } else {
                error
            }
        })
    }
}

/// A month or a year. One that is no i32 is none of the calendar's either, and left to the card's rules.
#[derive(Clone, Copy)]
pub struct CalendarArg(pub i32);

impl FromPyObject<'_, '_> for CalendarArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        match object.extract::<i32>() {
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => Ok(CalendarArg(i32::MAX)),
            number => number.map(CalendarArg),
        }
    }
}
