//! The items of a list or a tuple, read where they lie: to take hold of each of them, which writes to it, would take
//! longer than to read it.
//!
//! With `arrow.rs` the only code of the binding that is `unsafe`: items are borrowed from a list that Python code could
//! change. None runs between borrowing them and the last look at their texts, and the GIL stays with this thread.

#![allow(unsafe_code, reason = "items borrowed from a list")]

use crate::input::READ;
use panseal::card::{self, Column, Outputs};
use panseal::error::Code;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};
use std::ops::Range;

/// So many items are read at once: they lie anywhere in memory, and so the processor waits for many of them at the same
/// time.
pub const AHEAD: usize = 256;

/// What has items.
pub enum Items<'a, 'py> {
    /// Whoever reads one of its items may change it.
    List(&'a Bound<'py, PyList>),
    /// Nobody changes it.
    Tuple(&'a Bound<'py, PyTuple>),
}

impl<'py> Items<'_, 'py> {
    /// How many there are now.
    pub fn len(&self) -> usize {
        match self {
            Items::List(list) => list.len(),
            Items::Tuple(tuple) => tuple.len(),
        }
    }

    /// An item, to be held.
    pub fn get(&self, place: usize) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Items::List(list) => list.get_item(place),
            Items::Tuple(tuple) => tuple.get_item(place),
        }
    }

    /// Judges the texts of up to [`AHEAD`] items by `card::check_many`, if each of them is a `str` or `bytes` that is not
    /// too long to be read whole. False, and nothing is judged, if one is not, or is not there.
    pub fn check_many(&self, places: Range<usize>, out: &mut Outputs<'_>) -> Result<bool, Code> {
        let count = places.len();
        if count > AHEAD || places.end > self.len() {
            return Ok(false);
        }
        let mut held = [const { None }; AHEAD];
        let mut texts = [&[][..]; AHEAD];
        for (held, place) in held.iter_mut().zip(places) {
            // SAFETY: there is one. From here on only types are compared, texts read and numbers judged; where a text
            // cannot be read, which makes an exception, no item is looked at any more.
            *held = unsafe { self.borrow(place) };
        }
        for (text, item) in texts.iter_mut().zip(&held[..count]) {
            let Some(found) = item.as_ref().and_then(|item| text_in_place(item)) else { return Ok(false) };
            *text = found;
        }
        card::check_many(&Column::Texts(&texts[..count]), out)?;
        Ok(true)
    }

    /// # Safety
    ///
    /// There is an item at this place, and it is not used after Python code has run or after detaching from the
    /// interpreter.
    unsafe fn borrow<'b>(&self, place: usize) -> Option<Borrowed<'b, 'py, PyAny>> {
        // SAFETY: an object, which its list or tuple holds; null is none.
        unsafe {
            match self {
                Items::List(list) => {
                    let item = ffi::PyList_GetItem(list.as_ptr(), place as ffi::Py_ssize_t);
                    Borrowed::from_ptr_or_opt(list.py(), item)
                }
                Items::Tuple(tuple) => {
                    let item = ffi::PyTuple_GetItem(tuple.as_ptr(), place as ffi::Py_ssize_t);
                    Borrowed::from_ptr_or_opt(tuple.py(), item)
                }
            }
        }
    }
}

/// The text of a `str` or `bytes` that is not too long to be read whole.
#[inline]
fn text_in_place<'b>(item: &'b Bound<'_, PyAny>) -> Option<&'b [u8]> {
    let text = match item.cast_exact::<PyString>() {
        Ok(text) => text.to_str().ok()?.as_bytes(),
        Err(_) => item.cast_exact::<PyBytes>().ok()?.as_bytes(),
    };
    (text.len() <= READ).then_some(text)
}
