//! Chapter 'scanning': card numbers in any text or bytes.

use super::library::{PANSEAL_MASK_ROOM, panseal_error, panseal_status};
use super::pass;
use crate::card::{HitForm, scan};
use crate::error::{Code, Result};
use std::ffi::c_char;

/// A card number that was found.
#[repr(C)]
pub struct panseal_hit {
    /// Offset of its first byte.
    pub at: usize,
    /// How many bytes it takes, separators counted.
    pub len: usize,
    /// PANSEAL_HIT_...: in what form it stands.
    pub form: i32,
    /// Its network: panseal_network_name.
    pub network: i32,
    /// "424242******4242", ended by a NUL.
    pub masked: [c_char; PANSEAL_MASK_ROOM],
}

/// Digits without a break.
pub const PANSEAL_HIT_RUN: i32 = 1;
/// Digits in groups, as on a card.
pub const PANSEAL_HIT_GROUPED: i32 = 2;
/// Data of track 1.
pub const PANSEAL_HIT_TRACK1: i32 = 3;
/// Data of track 2, or of EMV tag 57 in hexadecimal.
pub const PANSEAL_HIT_TRACK2: i32 = 4;

/// Finds card numbers in a text, or in any bytes, ASCII or UTF-16: log files, CSV, dumps. A find has a known network, a
/// length that it uses, a right check digit, and stands where a card number would; a track between its sentinels counts
/// also where the network is unknown. The hits must not overlap the text.
///
/// Fills up to `cap` hits, in the order in which they stand; *count says how many. *next (may be NULL) is where to go on:
/// text_len at the end, else where the first hit begins that found no place. A text of any length is
/// taken; of one that is read in pieces, leave 256 bytes of overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_scan(
    text: *const c_char,
    text_len: usize,
    hits: *mut panseal_hit,
    cap: usize,
    count: *mut usize,
    next: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        if count.is_null() || (hits.is_null() && cap > 0) || (text.is_null() && text_len > 0) {
            return Err(Code::Null.into());
        }
        if text_len > isize::MAX as usize {
            return Err(Code::Argument.into());
        }
        // SAFETY: the caller's text, of that length.
        let text: &[u8] =
            if text_len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(text.cast(), text_len) } };
        unsafe { fill(text, hits, cap, count, next) }
    };
    unsafe { pass::call(err, work) }
}

unsafe fn fill(
    text: &[u8],
    hits: *mut panseal_hit,
    cap: usize,
    count: *mut usize,
    next: *mut usize,
) -> Result<()> {
    let (mut found, mut goes_on) = (0, text.len());
    for hit in scan(text) {
        let at = usize::try_from(hit.at).map_err(|_| Code::Internal)?;
        if found == cap {
            goes_on = at;
            break;
        }
        let row = panseal_hit {
            at,
            len: hit.len as usize,
            form: match hit.form {
                HitForm::Run => PANSEAL_HIT_RUN,
                HitForm::Grouped => PANSEAL_HIT_GROUPED,
                HitForm::Track1 => PANSEAL_HIT_TRACK1,
                HitForm::Track2 => PANSEAL_HIT_TRACK2,
            },
            network: hit.network.id().into(),
            masked: pass::field(hit.mask.as_str().as_bytes()),
        };
        // SAFETY: the caller's array has `cap` places.
        unsafe { hits.add(found).write_unaligned(row) };
        found += 1;
    }
    // SAFETY: places of the caller's.
    unsafe {
        count.write_unaligned(found);
        if !next.is_null() {
            next.write_unaligned(goes_on);
        }
    }
    Ok(())
}
