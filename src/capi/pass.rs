//! The way into a call and out of it: the error record, texts in, texts out.

use super::library::{panseal_error, panseal_status, panseal_text, panseal_violation};
use super::record::Out;
use crate::border;
use crate::error::{Code, Error, Result, VIOLATION_MAX};
use crate::secret::SecretText;
use std::ffi::c_char;

/// No text that the C ABI takes has more bytes; a longer one is a wrong length and is not read.
const TEXT_MAX: usize = 64 * 1024;

/// Runs the work of a call behind the border and reports in `err` and by the status.
///
/// # Safety
/// `err` is null or a record of the caller's.
pub(super) unsafe fn call(err: *mut panseal_error, work: impl FnOnce() -> Result<()>) -> panseal_status {
    unsafe { reported(err, || border::call(work)) }
}

/// [`call`] for work that keeps to the little stack that [`border::call_shallow`] wipes.
///
/// # Safety
/// As for [`call`].
pub(super) unsafe fn call_shallow(
    err: *mut panseal_error,
    work: impl FnOnce() -> Result<()>,
) -> panseal_status {
    unsafe { reported(err, || border::call_shallow(work)) }
}

/// [`call`] for work that keeps to the stack that [`border::call_light`] wipes.
///
/// # Safety
/// As for [`call`].
pub(super) unsafe fn call_light(
    err: *mut panseal_error,
    work: impl FnOnce() -> Result<()>,
) -> panseal_status {
    unsafe { reported(err, || border::call_light(work)) }
}

unsafe fn reported(err: *mut panseal_error, call: impl FnOnce() -> Result<()>) -> panseal_status {
    let report = match unsafe { Out::optional(err) } {
        Ok(report) => report,
        Err(error) => return error.code().number(),
    };
    let outcome = call();
    if let Some(report) = report {
        report.write(&describe(outcome.as_ref().err()));
    }
    status(outcome)
}

/// Runs the work of a call that has no error record.
pub(super) fn bare_call(work: impl FnOnce() -> Result<()>) -> panseal_status {
    status(border::call(work))
}

/// [`call_light`] of a call that has no error record.
pub(super) fn bare_call_light(work: impl FnOnce() -> Result<()>) -> panseal_status {
    status(border::call_light(work))
}

fn status(outcome: Result<()>) -> panseal_status {
    outcome.map_or_else(|error| error.code().number(), |()| 0)
}

fn describe(error: Option<&Error>) -> panseal_error {
    let none = panseal_violation { param: 0, code: 0 };
    let mut report = panseal_error {
        struct_size: 0,
        code: 0,
        system: 0,
        violation_count: 0,
        violations: [none; VIOLATION_MAX],
    };
    if let Some(error) = error {
        report.code = error.code().number();
        report.system = error.system_code();
        report.violation_count = error.violations().len() as u32;
        for (row, violation) in report.violations.iter_mut().zip(error.violations().iter()) {
            *row = panseal_violation { param: violation.param.number(), code: violation.code.number() };
        }
    }
    report
}

/// Bytes from outside. Null or no length: absent, an empty slice. `Argument` for a length that cannot be meant.
///
/// # Safety
/// `len` readable bytes at `ptr`, unchanged for as long as the slice is used.
pub(super) unsafe fn bytes<'a>(ptr: *const c_char, len: usize) -> Result<&'a [u8]> {
    unsafe { bytes_up_to(TEXT_MAX, ptr, len) }
}

/// [`bytes`] of another greatest length.
///
/// # Safety
/// As for [`bytes`].
pub(super) unsafe fn bytes_up_to<'a>(most: usize, ptr: *const c_char, len: usize) -> Result<&'a [u8]> {
    if len > most {
        return Err(Code::Argument.into());
    }
    if ptr.is_null() || len == 0 {
        return Ok(&[]);
    }
    Ok(unsafe { std::slice::from_raw_parts(ptr.cast(), len) })
}

/// A text from outside, as it is given in a struct.
///
/// # Safety
/// As for [`bytes`].
pub(super) unsafe fn text<'a>(text: &panseal_text) -> Result<&'a [u8]> {
    unsafe { bytes(text.ptr, text.len) }
}

/// A text as UTF-8.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Code::Utf8.into())
}

/// A literal of the programmer's, ended by a NUL; none for null.
///
/// # Safety
/// Null, or readable up to its NUL.
pub(super) unsafe fn literal<'a>(ptr: *const c_char) -> Result<Option<&'a str>> {
    if ptr.is_null() {
        return Ok(None);
    }
    let mut len = 0;
    while unsafe { ptr.add(len).read() } != 0 {
        len += 1;
        if len > TEXT_MAX {
            return Err(Code::Argument.into());
        }
    }
    utf8(unsafe { bytes(ptr, len) }?).map(Some)
}

/// The caller's room for a text: `out` with `cap` bytes, and where its length goes.
pub(super) struct TextOut {
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
}

impl TextOut {
    /// `Null` where the length has no place, or there is room but no pointer to it.
    ///
    /// # Safety
    /// Null, or writable until the call returns: `cap` bytes at `out`, one size at `len`.
    pub(super) unsafe fn new(out: *mut c_char, cap: usize, len: *mut usize) -> Result<TextOut> {
        if len.is_null() || (out.is_null() && cap > 0) {
            Err(Code::Null.into())
        } else {
            Ok(TextOut { out, cap, len })
        }
    }

    /// How many bytes fit.
    pub(super) fn room(&self) -> usize {
        self.cap
    }

    /// Refuses, and says how much room is enough.
    pub(super) fn too_small(&self, enough: usize) -> Error {
        // SAFETY: `new` was promised a writable size.
        unsafe { self.len.write_unaligned(enough) };
        Code::Buffer.into()
    }

    /// Writes the text, its length, and a NUL where there is room for one.
    pub(super) fn write(&self, text: &[u8]) -> Result<()> {
        if text.len() > self.cap {
            return Err(self.too_small(text.len()));
        }
        // SAFETY: `new` was promised `cap` writable bytes and a writable size.
        unsafe {
            copy(text, self.out.cast());
            if text.len() < self.cap {
                self.out.add(text.len()).write(0);
            }
            self.len.write_unaligned(text.len());
        }
        Ok(())
    }
}

/// `copy_short` to memory of the caller's, in which the text itself may lie: both pieces are read before one is written.
///
/// # Safety
/// As many writable bytes at `out`.
unsafe fn copy(text: &[u8], out: *mut u8) {
    match (text.first_chunk::<16>(), text.last_chunk::<16>()) {
        (Some(first), Some(last)) if text.len() <= 32 => unsafe {
            let (first, last) = (*first, *last);
            out.cast::<[u8; 16]>().write_unaligned(first);
            out.add(text.len() - last.len()).cast::<[u8; 16]>().write_unaligned(last);
        },
        _ => unsafe { out.copy_from(text.as_ptr(), text.len()) },
    }
}

impl TextOut {
    /// Has `fill` write into a room of the same size and say how many bytes it wrote, which then go to the caller's:
    /// what is read may lie where the result goes.
    pub(super) fn fill(&self, fill: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<()> {
        self.fill_with(|room| fill(room).map(|len| (len, ())))
    }

    /// [`TextOut::fill`] for one that has more to say.
    pub(super) fn fill_with<T>(&self, fill: impl FnOnce(&mut [u8]) -> Result<(usize, T)>) -> Result<T> {
        let mut room = SecretText::<FILL_MAX>::copy_of(&[0; FILL_MAX]).ok_or(Code::Internal)?;
        let cap = self.cap.min(FILL_MAX);
        let (len, told) = fill(&mut room.as_mut_bytes()[..cap])?;
        self.write(&room.as_bytes()[..len])?;
        Ok(told)
    }
}

/// The most bytes that are unpacked in one call.
const FILL_MAX: usize = 255;

/// A text in a field of a struct: cut to leave room for its NUL, which the maxima never make necessary.
pub(super) fn field<const ROOM: usize>(text: &[u8]) -> [c_char; ROOM] {
    let mut field = [0; ROOM];
    for (place, byte) in field[..ROOM - 1].iter_mut().zip(text) {
        *place = *byte as c_char;
    }
    field
}
