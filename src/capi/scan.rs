//! Chapter 'scanning': card numbers in any text or bytes.

use super::library::{PANSEAL_MASK_ROOM, panseal_error, panseal_status};
use super::pass;
use super::ticket::{self, Object};
use crate::card::{Hit, HitForm, Pan, Scanner, holds_card_number, scan};
use crate::error::{Code, Result};
use std::ffi::c_char;
use std::sync::{Mutex, PoisonError};

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
/// taken; one that comes in pieces is for panseal_scanner_feed.
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
        if count.is_null() || (hits.is_null() && cap > 0) {
            return Err(Code::Null.into());
        }
        unsafe { fill(any_text(text, text_len)?, hits, cap, count, next) }
    };
    unsafe { pass::call_light(err, work) }
}

/// A text of any length. `Null` where there is none although it has a length.
unsafe fn any_text<'a>(text: *const c_char, len: usize) -> Result<&'a [u8]> {
    if text.is_null() && len > 0 {
        return Err(Code::Null.into());
    }
    if len > isize::MAX as usize {
        return Err(Code::Argument.into());
    }
    // SAFETY: the caller's text, of that length.
    Ok(if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(text.cast(), len) } })
}

fn row(hit: &Hit, at: usize) -> panseal_hit {
    panseal_hit {
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
    }
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
        // SAFETY: the caller's array has `cap` places.
        unsafe { hits.add(found).write_unaligned(row(&hit, at)) };
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

/// Whether a text that is to be kept has a card number in it: *holds is 1 or 0. As panseal_scan, but it would rather say
/// yes once too often: letters next to a number do not save it, and networks that are a guess count. A text of any length
/// is taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_holds_card_number(
    text: *const c_char,
    text_len: usize,
    holds: *mut i32,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        if holds.is_null() {
            return Err(Code::Null.into());
        }
        let found = holds_card_number(unsafe { any_text(text, text_len) }?);
        unsafe { holds.write_unaligned(found.into()) };
        Ok(())
    };
    unsafe { pass::call_light(err, work) }
}

/// A handle on the scanning of a stream: a ticket, never to be dereferenced.
pub struct panseal_scanner {
    _ticket: [u8; 0],
}

/// The fewest places for hits that panseal_scanner_feed and panseal_scanner_finish take.
pub const PANSEAL_SCANNER_HITS: usize = 128;

/// The most hits in what a scanner holds back: they do not overlap, and none is shorter than the shortest number.
const HELD_HITS: usize = Scanner::HELD_MAX / Pan::MIN_LEN + 1;
const _: () = assert!(HELD_HITS < PANSEAL_SCANNER_HITS);

/// Begins to scan a stream that comes in pieces. What is found is what panseal_scan finds in all of it at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_scanner_open(
    out: *mut *mut panseal_scanner,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        if out.is_null() {
            return Err(Code::Null.into());
        }
        let scanner = ticket::open(Object::Scanner(Box::new(Mutex::new(Scanner::new()))))?;
        unsafe { out.write_unaligned(scanner) };
        Ok(())
    };
    unsafe { pass::call_light(err, work) }
}

/// Scans the next piece, of any length. Fills hits, `at` counted from the start of the stream; *count says how many. *used
/// says how much of the text was taken: go on behind that until all of it is. The more places (`cap`, at least
/// PANSEAL_SCANNER_HITS, else PANSEAL_E_ARGUMENT), the more is taken at once. Up to 1 KiB is held back for what follows,
/// so a hit may come with a later piece. The hits must not overlap the text. One thread at a time is inside.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_scanner_feed(
    scanner: *mut panseal_scanner,
    text: *const c_char,
    text_len: usize,
    hits: *mut panseal_hit,
    cap: usize,
    count: *mut usize,
    used: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        if used.is_null() {
            return Err(Code::Null.into());
        }
        let places = unsafe { Places::new(hits, cap, count) }?;
        let text = unsafe { any_text(text, text_len) }?;
        let taken = text.len().min((cap - HELD_HITS).saturating_mul(Pan::MIN_LEN));
        with_scanner(scanner, |scanner| places.fill(|found| scanner.feed(&text[..taken], found)))?;
        unsafe { used.write_unaligned(taken) };
        Ok(())
    };
    unsafe { pass::call_light(err, work) }
}

/// Scans what was held back: the stream is over, and the handle is at the start of another one. `hits`, `cap` and `count`
/// as for panseal_scanner_feed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_scanner_finish(
    scanner: *mut panseal_scanner,
    hits: *mut panseal_hit,
    cap: usize,
    count: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let places = unsafe { Places::new(hits, cap, count) }?;
        with_scanner(scanner, |scanner| places.fill(|found| scanner.finish(found)))
    };
    unsafe { pass::call_light(err, work) }
}

/// Closes a scanner and wipes what it held back. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_scanner_close(scanner: *mut panseal_scanner) -> panseal_status {
    pass::bare_call_light(|| if scanner.is_null() { Ok(()) } else { ticket::close(scanner, ticket::SCANNER) })
}

fn with_scanner(scanner: *mut panseal_scanner, work: impl FnOnce(&mut Scanner) -> Result<()>) -> Result<()> {
    ticket::with(scanner, ticket::SCANNER, |object| match object {
        Object::Scanner(scanner) => work(&mut scanner.lock().unwrap_or_else(PoisonError::into_inner)),
        _ => Err(Code::Handle.into()),
    })
}

/// The caller's places for all hits of a piece.
struct Places {
    hits: *mut panseal_hit,
    cap: usize,
    count: *mut usize,
}

impl Places {
    /// # Safety
    /// Null, or writable until the call returns: `cap` hits at `hits`, one size at `count`.
    unsafe fn new(hits: *mut panseal_hit, cap: usize, count: *mut usize) -> Result<Places> {
        if hits.is_null() || count.is_null() {
            Err(Code::Null.into())
        } else if cap < PANSEAL_SCANNER_HITS {
            Err(Code::Argument.into())
        } else {
            Ok(Places { hits, cap, count })
        }
    }

    /// Writes the hits that `scan` gives. An offset beyond what a size can tell, which takes 4 GiB on a machine of 32
    /// bits, is told as the highest there is.
    fn fill(&self, scan: impl FnOnce(&mut dyn FnMut(Hit))) -> Result<()> {
        let mut found = 0;
        scan(&mut |hit| {
            if found < self.cap {
                // SAFETY: `new` was promised `cap` places.
                unsafe {
                    self.hits.add(found).write_unaligned(row(&hit, hit.at.try_into().unwrap_or(usize::MAX)))
                };
            }
            found += 1;
        });
        if found > self.cap {
            return Err(Code::Internal.into());
        }
        // SAFETY: `new` was promised a writable size.
        unsafe { self.count.write_unaligned(found) };
        Ok(())
    }
}
