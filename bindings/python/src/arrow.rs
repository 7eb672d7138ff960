//! Columns of texts by the Arrow PyCapsule interface, without pyarrow.
//!
//! With `items.rs` the only code of the binding that is `unsafe`: the C data interface is structs of pointers. What the
//! interface says of them is checked as far as it can be: names of capsules, structs that were released, format,
//! counts, null pointers, alignment, overflow; offsets that descend or lie beyond the data, and views beyond their
//! buffers, are refused. What cannot be checked is trusted, as the interface demands: that pointers lead to memory
//! that is there, that bitmaps, offsets and views have as many entries as the array has rows, that texts reach as
//! far as the last offset says, that nobody writes to any of it before it is released, and that the callbacks do what
//! they are for. A producer that lies there could as well write to memory itself.
#![allow(unsafe_code, reason = "the C data interface")]

use crate::batch::{Gathered, Verdicts};
use crate::errors::raise_argument;
use panseal::card::Column;
use panseal::error::Code;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use pyo3::{ffi, intern};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::{ptr, slice};

/// Reads a column from an object that has the interface; says whether it has.
pub fn read(numbers: &Bound<'_, PyAny>, verdicts: &mut Verdicts) -> PyResult<bool> {
    let py = numbers.py();
    if let Some(export) = numbers.getattr_opt(intern!(py, "__arrow_c_array__"))? {
        let pair: Bound<'_, PyTuple> = export.call0()?.cast_into()?;
        let (schema, array): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
        let schema = Moved::<Schema>::out_of(&schema, c"arrow_schema")?;
        let array = Moved::<Array>::out_of(&array, c"arrow_array")?;
        let layout = Layout::of(py, &schema.0)?;
        layout.read(py, &array.0, verdicts)?;
        return Ok(true);
    }
    let Some(export) = numbers.getattr_opt(intern!(py, "__arrow_c_stream__"))? else { return Ok(false) };
    let mut stream = Moved::<Stream>::out_of(&export.call0()?, c"arrow_array_stream")?;
    let layout = Layout::of(py, &stream.schema(py)?.0)?;
    while let Some(array) = stream.next(py)? {
        layout.read(py, &array.0, verdicts)?;
    }
    Ok(true)
}

/// `struct ArrowSchema`.
#[repr(C)]
struct Schema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut Schema,
    dictionary: *mut Schema,
    release: Option<unsafe extern "C" fn(*mut Schema)>,
    private_data: *mut c_void,
}

/// `struct ArrowArray`.
#[repr(C)]
struct Array {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *const *const u8,
    children: *mut *mut Array,
    dictionary: *mut Array,
    release: Option<unsafe extern "C" fn(*mut Array)>,
    private_data: *mut c_void,
}

/// `struct ArrowArrayStream`.
#[repr(C)]
struct Stream {
    get_schema: Option<unsafe extern "C" fn(*mut Stream, *mut Schema) -> c_int>,
    get_next: Option<unsafe extern "C" fn(*mut Stream, *mut Array) -> c_int>,
    get_last_error: Option<unsafe extern "C" fn(*mut Stream) -> *const c_char>,
    release: Option<unsafe extern "C" fn(*mut Stream)>,
    private_data: *mut c_void,
}

/// A struct of the interface. All of them may be moved, are valid as zeros, and are over once `release` is null.
trait Struct: Sized {
    fn release(&mut self) -> &mut Option<unsafe extern "C" fn(*mut Self)>;
}

impl Struct for Schema {
    fn release(&mut self) -> &mut Option<unsafe extern "C" fn(*mut Schema)> {
        &mut self.release
    }
}

impl Struct for Array {
    fn release(&mut self) -> &mut Option<unsafe extern "C" fn(*mut Array)> {
        &mut self.release
    }
}

impl Struct for Stream {
    fn release(&mut self) -> &mut Option<unsafe extern "C" fn(*mut Stream)> {
        &mut self.release
    }
}

/// A struct that is ours to release.
struct Moved<T: Struct>(T);

impl<T: Struct> Moved<T> {
    /// Moves a struct out of its capsule, which is then one of a released struct.
    fn out_of(capsule: &Bound<'_, PyAny>, name: &CStr) -> PyResult<Moved<T>> {
        let py = capsule.py();
        if !capsule.is_instance_of::<PyCapsule>() {
            return Err(PyTypeError::new_err("the Arrow interface gave something else than capsules"));
        }
        // SAFETY: both are valid; the name is compared.
        let place = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), name.as_ptr()) }.cast::<T>();
        if place.is_null() {
            return Err(PyErr::fetch(py));
        }
        if !place.is_aligned() {
            return Err(malformed(py));
        }
        // SAFETY: a capsule of this name holds such a struct. The thread is attached, so nobody else reads it now.
        let mut moved = unsafe { ptr::read(place) };
        if moved.release().is_none() {
            return Err(raise_argument(py, Code::Argument, "the Arrow data was consumed already"));
        }
        // SAFETY: as above.
        *unsafe { &mut *place }.release() = None;
        Ok(Moved(moved))
    }

    /// A struct that a callback is to fill in.
    fn blank() -> Moved<T> {
        // SAFETY: only the structs of the interface are such a T, and zeros are null pointers and no functions.
        Moved(unsafe { std::mem::zeroed() })
    }
}

impl<T: Struct> Drop for Moved<T> {
    fn drop(&mut self) {
        if let Some(release) = *self.0.release() {
            // SAFETY: it was not released yet, and is not used afterwards.
            unsafe { release(&mut self.0) }
        }
    }
}

impl Moved<Stream> {
    fn schema(&mut self, py: Python<'_>) -> PyResult<Moved<Schema>> {
        let get = self.0.get_schema.ok_or_else(|| malformed(py))?;
        let mut schema = Moved::blank();
        // SAFETY: the stream was not released, and the schema is room for one.
        match unsafe { get(&mut self.0, &mut schema.0) } {
            0 if schema.0.release.is_some() => Ok(schema),
            0 => Err(malformed(py)),
            _ => Err(failed(py)),
        }
    }

    /// The next array, None at the end of the stream.
    fn next(&mut self, py: Python<'_>) -> PyResult<Option<Moved<Array>>> {
        let get = self.0.get_next.ok_or_else(|| malformed(py))?;
        let mut array = Moved::blank();
        // SAFETY: the stream was not released, and the array is room for one.
        match unsafe { get(&mut self.0, &mut array.0) } {
            0 if array.0.release.is_some() => Ok(Some(array)),
            0 => Ok(None),
            _ => Err(failed(py)),
        }
    }
}

/// How texts lie in the buffers of an array.
enum Layout {
    /// Validity, offsets of 32 bits, texts.
    Offsets,
    /// The same with offsets of 64 bits.
    LargeOffsets,
    /// Validity, texts of this width.
    Fixed(usize),
    /// Validity, views, any number of buffers of texts, the sizes of these.
    Views,
}

impl Layout {
    fn of(py: Python<'_>, schema: &Schema) -> PyResult<Layout> {
        if schema.format.is_null() {
            return Err(malformed(py));
        }
        // SAFETY: a format is a text that ends with a zero byte, and lives as long as its schema.
        let format = unsafe { CStr::from_ptr(schema.format) }.to_bytes();
        let layout = match format {
            b"u" | b"z" => Some(Layout::Offsets),
            b"U" | b"Z" => Some(Layout::LargeOffsets),
            b"vu" | b"vz" => Some(Layout::Views),
            [b'w', b':', width @ ..] => {
                let width = std::str::from_utf8(width).ok().and_then(|width| width.parse().ok());
                Some(Layout::Fixed(width.ok_or_else(|| malformed(py))?))
            }
            _ => None,
        };
        layout.filter(|_| schema.n_children == 0 && schema.dictionary.is_null()).ok_or_else(|| {
            PyTypeError::new_err("expected one Arrow column of utf8, binary or fixed-size binary")
        })
    }

    fn read(&self, py: Python<'_>, array: &Array, verdicts: &mut Verdicts) -> PyResult<()> {
        let rows = Rows::of(array).ok_or_else(|| malformed(py))?;
        if rows.count == 0 {
            return Ok(());
        }
        let start = verdicts.len();
        let count = rows.count;
        match self {
            Layout::Offsets => {
                // SAFETY: the array has such offsets, one more than rows.
                let offsets = unsafe { rows.entries::<i32>(1, 1) }.ok_or_else(|| malformed(py))?;
                let end = offsets.last().and_then(|end| usize::try_from(*end).ok());
                // SAFETY: the texts reach as far as the last offset.
                let data =
                    end.and_then(|end| unsafe { rows.bytes(2, 0, end) }).ok_or_else(|| malformed(py))?;
                verdicts.judge(py, &Column::Offsets { data, offsets }, count)?;
            }
            Layout::LargeOffsets => {
                // SAFETY: the array has such offsets, one more than rows.
                let offsets = unsafe { rows.entries::<i64>(1, 1) }.ok_or_else(|| malformed(py))?;
                let end = offsets.last().and_then(|end| usize::try_from(*end).ok());
                // SAFETY: the texts reach as far as the last offset.
                let data =
                    end.and_then(|end| unsafe { rows.bytes(2, 0, end) }).ok_or_else(|| malformed(py))?;
                verdicts.judge(py, &Column::LargeOffsets { data, offsets }, count)?;
            }
            Layout::Fixed(width) => {
                let place = rows.first.checked_mul(*width).zip(count.checked_mul(*width));
                // SAFETY: the texts of all rows are there.
                let data = place.and_then(|(start, len)| unsafe { rows.bytes(1, start, len) });
                let data = data.ok_or_else(|| malformed(py))?;
                verdicts.judge(py, &Column::Fixed { data, width: *width, count }, count)?;
            }
            Layout::Views => {
                let views = Views::of(&rows).ok_or_else(|| malformed(py))?;
                let mut gathered = Gathered::new(verdicts);
                for view in views.views {
                    gathered.push(py, views.text(view).ok_or_else(|| malformed(py))?)?;
                }
                gathered.flush(py)?;
            }
        }
        if let Some(validity) = rows.validity().ok_or_else(|| malformed(py))? {
            let bits = rows.first..rows.first + count;
            for (row, bit) in (start..).zip(bits) {
                if validity[bit / 8] >> (bit % 8) & 1 == 0 {
                    verdicts.set_missing(row);
                }
            }
        }
        Ok(())
    }
}

/// The rows of an array, whose counts can be right.
struct Rows<'a> {
    array: &'a Array,
    buffers: &'a [*const u8],
    /// The rows before the first one, which belong to somebody else.
    first: usize,
    count: usize,
}

impl<'a> Rows<'a> {
    fn of(array: &'a Array) -> Option<Rows<'a>> {
        let first = usize::try_from(array.offset).ok()?;
        let count = usize::try_from(array.length).ok()?;
        let buffers = usize::try_from(array.n_buffers).ok().filter(|count| *count <= c_int::MAX as usize)?;
        let childless = array.n_children == 0 && array.dictionary.is_null();
        // So no count of bytes that is made of these overflows.
        let counts = first.checked_add(count)?.checked_add(1)?.checked_mul(16)? <= isize::MAX as usize;
        if !childless || !counts || array.buffers.is_null() || !array.buffers.is_aligned() {
            return None;
        }
        // SAFETY: an array has so many pointers to buffers, as long as it is not released.
        Some(Rows { array, buffers: unsafe { slice::from_raw_parts(array.buffers, buffers) }, first, count })
    }

    /// The bitmap of the rows that are not null; None inside if there is none.
    fn validity(&self) -> Option<Option<&'a [u8]>> {
        let place = *self.buffers.first()?;
        if place.is_null() {
            return (self.array.null_count <= 0).then_some(None);
        }
        // SAFETY: a bitmap has a bit for each row.
        Some(Some(unsafe { slice::from_raw_parts(place, (self.first + self.count).div_ceil(8)) }))
    }

    /// So many bytes of a buffer. A buffer of none may be a null pointer.
    ///
    /// # Safety
    ///
    /// The buffer has so many bytes from `start` on.
    unsafe fn bytes(&self, buffer: usize, start: usize, len: usize) -> Option<&'a [u8]> {
        let place = *self.buffers.get(buffer)?;
        if len == 0 {
            return Some(&[]);
        }
        if place.is_null() || start.checked_add(len)? > isize::MAX as usize {
            return None;
        }
        // SAFETY: promised.
        Some(unsafe { slice::from_raw_parts(place.add(start), len) })
    }

    /// The entries of a buffer for our rows, and some more.
    ///
    /// # Safety
    ///
    /// The buffer has an entry of this type for each row, and so many more. Any bytes are such an entry.
    unsafe fn entries<T>(&self, buffer: usize, more: usize) -> Option<&'a [T]> {
        let place = self.buffers.get(buffer)?.cast::<T>();
        if place.is_null() || !place.is_aligned() {
            return None;
        }
        // SAFETY: promised.
        Some(unsafe { slice::from_raw_parts(place.add(self.first), self.count + more) })
    }
}

/// A view: the length, and the text itself, or its beginning, buffer and offset.
type View = [u8; 16];

/// The longest text that lies in its view.
const INLINE: usize = 12;

struct Views<'a> {
    views: &'a [View],
    texts: Vec<&'a [u8]>,
}

impl<'a> Views<'a> {
    fn of(rows: &Rows<'a>) -> Option<Views<'a>> {
        // SAFETY: the array has a view for each row.
        let views = unsafe { rows.entries::<View>(1, 0) }?;
        let count = rows.buffers.len().checked_sub(3)?;
        let sizes = rows.buffers.last()?.cast::<i64>();
        if count > 0 && (sizes.is_null() || !sizes.is_aligned()) {
            return None;
        }
        let text = |index: usize| {
            // SAFETY: there is a size for each buffer of texts.
            let size = usize::try_from(unsafe { *sizes.add(index) }).ok()?;
            // SAFETY: the buffer has this size.
            unsafe { rows.bytes(2 + index, 0, size) }
        };
        Some(Views { views, texts: (0..count).map(text).collect::<Option<_>>()? })
    }

    fn text(&self, view: &'a View) -> Option<&'a [u8]> {
        let word =
            |place: usize| usize::try_from(i32::from_ne_bytes(*view.get(4 * place..)?.first_chunk()?)).ok();
        let len = word(0)?;
        if len <= INLINE {
            return view.get(4..4 + len);
        }
        let start = word(3)?;
        self.texts.get(word(2)?)?.get(start..start.checked_add(len)?)
    }
}

fn malformed(py: Python<'_>) -> PyErr {
    raise_argument(py, Code::Argument, "the Arrow data is not of its form")
}

/// Nothing of the producer's own message, which may hold anything.
fn failed(py: Python<'_>) -> PyErr {
    raise_argument(py, Code::Argument, "the Arrow stream failed")
}
