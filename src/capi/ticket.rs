//! Handles: tickets in pointer's clothing.
//!
//! A ticket is an odd number made of kind, slot and generation, never an address. It is checked against a table, so
//! that null, garbage, a closed handle or one of the wrong kind is an error and not a crash. Each slot has one atomic
//! word: its generation, whether it is open, and how many calls are inside. Closing marks it shut and never waits;
//! whoever leaves last drops the object, and the slot begins a new generation.

use crate::card::Scanner;
use crate::error::{Code, Result};
use crate::tokenizer::Tokenizer;
use crate::vault::Vault;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many handles can be open at once.
const SLOTS: usize = 4096;

const SLOT_BITS: u32 = SLOTS.trailing_zeros();
const KIND_BITS: u32 = 3;
/// Bit 0 is set in every ticket: no aligned address looks like one.
const GENERATION_SHIFT: u32 = 1 + KIND_BITS + SLOT_BITS;
const GENERATION_MAX: u64 = (usize::MAX >> GENERATION_SHIFT) as u64;

/// The word of a slot: generation above, then the two marks, then the number of calls inside.
const OPEN: u64 = 1 << 23;
const SHUT: u64 = 1 << 22;
const CALLS: u64 = SHUT - 1;
const WORD_SHIFT: u32 = 24;
const WORD_GENERATION_MAX: u64 = u64::MAX >> WORD_SHIFT;

/// What a handle can stand for.
pub(super) enum Object {
    Vault(Vault),
    Tokenizer(Tokenizer),
    /// Apart from the table, which has a place for it in every slot.
    Scanner(Box<Mutex<Scanner>>),
}

impl Object {
    fn kind(&self) -> usize {
        match self {
            Object::Vault(_) => VAULT,
            Object::Tokenizer(_) => TOKENIZER,
            Object::Scanner(_) => SCANNER,
        }
    }
}

/// The kind of a vault's ticket.
pub(super) const VAULT: usize = 1;
/// The kind of a tokenizer's ticket.
pub(super) const TOKENIZER: usize = 2;
/// The kind of a scanner's ticket.
pub(super) const SCANNER: usize = 3;

struct Slot {
    word: AtomicU64,
    object: UnsafeCell<Option<Object>>,
}

// SAFETY: the object is written before the slot is marked open and taken by the one call that finds it shut with
// nobody inside; in between it is only shared, and `Object` is `Sync`.
unsafe impl Sync for Slot {}

static TABLE: [Slot; SLOTS] =
    [const { Slot { word: AtomicU64::new(0), object: UnsafeCell::new(None) } }; SLOTS];

/// Slots that were given back, and how many have ever been used.
static FREE: Mutex<(Vec<usize>, usize)> = Mutex::new((Vec::new(), 0));

/// Puts an object into the table and gives its ticket. `Limit` when too many are open.
pub(super) fn open<T>(object: Object) -> Result<*mut T> {
    let kind = object.kind();
    let place = free_slot().ok_or(Code::Limit)?;
    let slot = &TABLE[place];
    let generation = (slot.word.load(Ordering::Relaxed) >> WORD_SHIFT) + 1;
    // SAFETY: a free slot is shared with nobody: it is neither open nor shut.
    unsafe { *slot.object.get() = Some(object) };
    // Added, not stored: a call with an old ticket may be on its way in and out.
    slot.word.fetch_add((1 << WORD_SHIFT) | OPEN, Ordering::Release);
    let ticket = (generation as usize) << GENERATION_SHIFT | place << (1 + KIND_BITS) | kind << 1 | 1;
    Ok(std::ptr::without_provenance_mut(ticket))
}

/// Runs `work` with the object of a ticket. `Handle` where it has none.
pub(super) fn with<T, R>(ticket: *mut T, kind: usize, work: impl FnOnce(&Object) -> Result<R>) -> Result<R> {
    let visit = Visit::enter(ticket.addr(), kind)?;
    // SAFETY: the visit keeps the object in its slot.
    match unsafe { &*visit.slot.object.get() } {
        Some(object) => work(object),
        None => Err(Code::Handle.into()),
    }
}

/// Shuts a handle. Calls inside finish; the object goes when the last of them leaves.
pub(super) fn close<T>(ticket: *mut T, kind: usize) -> Result<()> {
    let visit = Visit::enter(ticket.addr(), kind)?;
    let shut = visit.slot.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
        (word & OPEN != 0).then_some(word & !OPEN | SHUT)
    });
    shut.map(|_| ()).map_err(|_| Code::Handle.into())
}

/// A call inside a slot.
struct Visit {
    slot: &'static Slot,
    place: usize,
}

impl Visit {
    fn enter(ticket: usize, kind: usize) -> Result<Visit> {
        let place = ticket >> (1 + KIND_BITS) & (SLOTS - 1);
        let generation = (ticket >> GENERATION_SHIFT) as u64;
        if ticket & 1 == 0 || ticket >> 1 & ((1 << KIND_BITS) - 1) != kind {
            return Err(Code::Handle.into());
        }
        let slot = &TABLE[place];
        let word = slot.word.fetch_add(1, Ordering::Acquire);
        // From here on the visit is counted, so that leaving is right whatever was found.
        let visit = Visit { slot, place };
        if word & OPEN == 0 || word >> WORD_SHIFT != generation {
            return Err(Code::Handle.into());
        }
        // A ticket that was made up may name the slot of another kind.
        // SAFETY: the visit keeps the object in its slot.
        match unsafe { &*slot.object.get() } {
            Some(object) if object.kind() == kind => Ok(visit),
            _ => Err(Code::Handle.into()),
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let word = self.slot.word.fetch_sub(1, Ordering::AcqRel) - 1;
        if word & (OPEN | SHUT | CALLS) != SHUT {
            return;
        }
        // Nobody is inside and nobody can open it: whoever clears the mark takes the object.
        let taken = self.slot.word.compare_exchange(word, word & !SHUT, Ordering::AcqRel, Ordering::Relaxed);
        if taken.is_ok() {
            // SAFETY: the slot is neither open nor shut, so no other call looks at the object.
            let object = unsafe { (*self.slot.object.get()).take() };
            drop(object);
            give_back(self.place, word >> WORD_SHIFT);
        }
    }
}

fn free_slot() -> Option<usize> {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = free.0.pop() {
        return Some(place);
    }
    let place = free.1;
    if place == SLOTS {
        return None;
    }
    free.1 += 1;
    Some(place)
}

/// A slot whose generations are used up is never used again: no ticket comes back to life.
fn give_back(place: usize, generation: u64) {
    if generation < GENERATION_MAX.min(WORD_GENERATION_MAX) {
        FREE.lock().unwrap_or_else(PoisonError::into_inner).0.push(place);
    }
}
