//! Chapter 'keys of a vault': their life, while readers and writers go on.

use super::damage::name;
use super::instrument::panseal_damage_fn;
use super::keys::{panseal_root_fn, root_of};
use super::library::{PANSEAL_WORD_ROOM, panseal_error, panseal_status};
use super::pass;
use super::record::{Out, Page, Record};
use super::tokenizer::{PANSEAL_CHECK_ROOM, PANSEAL_COMMITMENT_LEN, state_of};
use super::vault::{panseal_vault, with_vault};
use crate::error::{Code, Error, Result};
use crate::keys::{KeyInfo, KeyState};
use crate::vault::{EpochStatus, Status};
use std::ffi::{c_char, c_void};

/// Told how many rows are done and how many there are. 0 goes on; anything else ends the call with PANSEAL_E_CALLBACK,
/// and err->system has it. Called on the thread of the call, with no lock held. It must not throw or longjmp.
pub type panseal_progress_fn =
    Option<unsafe extern "C" fn(userdata: *mut c_void, done: u64, total: u64) -> i32>;

/// Bytes of an audit head.
pub const PANSEAL_AUDIT_HEAD_LEN: usize = 32;

/// The state of a vault.
#[repr(C)]
pub struct panseal_vault_state {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// The version of its tables.
    pub schema: i32,
    /// Grows with every change of the keys: keep it for panseal_open_options.min_generation.
    pub generation: i64,
    /// Cards of all merchants.
    pub cards: u64,
    /// Instruments of all merchants.
    pub instruments: u64,
    /// The generation of the index key, under which 'same card?' is answered.
    pub index: u32,
    /// How many index keys are in force: 1, or 2 while panseal_vault_change_index is under way.
    pub index_count: u32,
    /// "sqlite", "memory" or "postgres".
    pub store: [c_char; PANSEAL_WORD_ROOM],
    /// A public value that only this vault's keys have: keep it for panseal_open_options.commitment.
    pub commitment: [u8; PANSEAL_COMMITMENT_LEN],
    /// Cards that 'same card?' misses, for they have no fingerprint under the index key; panseal_vault_change_index gives
    /// each one.
    pub unindexed: u64,
    /// 1: detokenizing is refused where no actor is named.
    pub require_actor: i32,
    /// 0.
    pub reserved: u32,
    /// Names the last lines of all merchants' audit trails: keep it elsewhere, for panseal_vault_verify_audit.
    pub audit_head: [u8; PANSEAL_AUDIT_HEAD_LEN],
}

/// An epoch of a vault, and how many rows of all merchants need it. Times are seconds since 1970 UTC.
#[repr(C)]
pub struct panseal_vault_epoch {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// 1, 2, 3, ...
    pub id: u32,
    /// PANSEAL_EPOCH_...
    pub state: i32,
    /// 0.
    pub reserved: u32,
    /// When it was made.
    pub created_at: i64,
    /// When it ceased to be active; 0: it has not.
    pub retired_at: i64,
    /// Cards sealed under it.
    pub cards: u64,
    /// Instruments sealed under it.
    pub instruments: u64,
    /// Customers sealed under it.
    pub customers: u64,
    /// Credentials sealed under it.
    pub credentials: u64,
    /// By which people compare keys: five bytes of AES-CMAC in hex, ended by a NUL.
    pub check: [c_char; PANSEAL_CHECK_ROOM],
}

// SAFETY: repr(C), a u32 first, integers only.
unsafe impl Record for panseal_vault_state {
    const FIRST_SIZE: usize = std::mem::offset_of!(panseal_vault_state, commitment);
}
unsafe impl Record for panseal_vault_epoch {}

/// Makes a new epoch: from now on everything is sealed under it, and what is sealed under older ones opens as before.
/// Tokens stay what they are. *epoch (may be NULL) is its id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_rotate(
    vault: *mut panseal_vault,
    epoch: *mut u32,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || with_vault(vault, |vault| vault.rotate().map(|id| unsafe { hand_out(id, epoch) }));
    unsafe { pass::call(err, work) }
}

/// Seals every row of every merchant under the active epoch, in small transactions, while others go on. *sealed (may be
/// NULL) is how many rows it was. Stopped or killed, it loses nothing; called again, it goes on with those that are
/// left. Damaged rows are left as they are and, in the end, named to `found` (may be NULL); *damaged (may be NULL) is how
/// many there are. `progress` (may be NULL) is told how far it is, once every few hundred rows, and may stop it. Both
/// functions get `userdata`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_rewrap(
    vault: *mut panseal_vault,
    progress: panseal_progress_fn,
    found: panseal_damage_fn,
    userdata: *mut c_void,
    sealed: *mut u64,
    damaged: *mut u64,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let done = with_progress(progress, userdata, |progress| vault.rewrap(progress))?;
            unsafe { hand_out(done.sealed, sealed) };
            unsafe { name(&done.damaged, found, userdata, damaged) };
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Forgets an epoch's key for ever: what it sealed, in backups too, opens no more. PANSEAL_E_EPOCH for the active
/// epoch, one that is not there or destroyed already, and one that a row still needs: panseal_vault_rewrap first,
/// and panseal_vault_destroy_even_if_damaged where it has left none but damaged ones.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_destroy(
    vault: *mut panseal_vault,
    epoch: u32,
    err: *mut panseal_error,
) -> panseal_status {
    unsafe { pass::call(err, || with_vault(vault, |vault| vault.destroy(epoch))) }
}

/// Changes the index key, by which the vault knows a card again: gives every card a fingerprint under a new one and
/// forgets the old one, while others go on. *generation (may be NULL) is the new one. Stopped or killed, call it again:
/// it goes on with the new key that is there. Damaged cards get no fingerprint. They are named, and `progress` is told,
/// as with panseal_vault_rewrap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_change_index(
    vault: *mut panseal_vault,
    progress: panseal_progress_fn,
    found: panseal_damage_fn,
    userdata: *mut c_void,
    generation: *mut u32,
    damaged: *mut u64,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let done = with_progress(progress, userdata, |progress| vault.change_index(progress))?;
            unsafe { hand_out(done.generation, generation) };
            unsafe { name(&done.damaged, found, userdata, damaged) };
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Wraps the vault's keys under another root key, a URI or a function, on which the handles of this vault go on. Other
/// processes go on too; they need the new root key when they next ask for a key that they have not loaded.
///
/// Until this returns the old root key opens the vault, from then on the new one; where it is interrupted it may be
/// either: open with both (panseal_open_options.second_root). PANSEAL_E_ROOT_KEY where the root key at hand is not the
/// vault's; nothing is changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_change_root(
    vault: *mut panseal_vault,
    root: *const c_char,
    root_fn: panseal_root_fn,
    root_userdata: *mut c_void,
    err: *mut panseal_error,
) -> panseal_status {
    let work =
        || with_vault(vault, |vault| vault.change_root(&unsafe { root_of(root, root_fn, root_userdata) }?));
    unsafe { pass::call(err, work) }
}

/// Sets, for whoever opens the vault, whether detokenizing is refused with PANSEAL_E_ARGUMENT where no actor is named: 1
/// or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_require_actor(
    vault: *mut panseal_vault,
    required: i32,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| match required {
            0 | 1 => vault.set_require_actor(required == 1),
            _ => Err(Code::Argument.into()),
        })
    };
    unsafe { pass::call(err, work) }
}

/// The state of the vault, of all merchants, in `state` (may be NULL). Fills `cap` epochs, the oldest first; *count
/// says how many there are: PANSEAL_E_BUFFER where they are more than cap. epochs[0] must be PANSEAL_INITed; its
/// struct_size is the stride of the array. `epochs` NULL, with cap 0: none of them. Reads every row: for an operator,
/// not for every minute.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_status(
    vault: *mut panseal_vault,
    state: *mut panseal_vault_state,
    epochs: *mut panseal_vault_epoch,
    cap: usize,
    count: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let state = unsafe { Out::optional(state) }?;
            let epochs = unsafe { Page::new(epochs, cap, count) }?;
            let status = vault.status()?;
            epochs.write_all(&status.epochs, describe_epoch)?;
            if let Some(state) = state {
                state.write(&describe(&status));
            }
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// # Safety
/// Null, or a place of the caller's.
pub(super) unsafe fn hand_out<T>(value: T, out: *mut T) {
    if !out.is_null() {
        unsafe { out.write_unaligned(value) };
    }
}

/// Runs a verb that tells how far it is.
pub(super) fn with_progress<T>(
    progress: panseal_progress_fn,
    userdata: *mut c_void,
    verb: impl FnOnce(&mut dyn FnMut(u64, u64) -> bool) -> Result<T>,
) -> Result<T> {
    let mut answer = 0;
    let outcome = verb(&mut |done, total| {
        if let Some(progress) = progress {
            // SAFETY: the caller's function, with the caller's userdata.
            answer = unsafe { progress(userdata, done, total) };
        }
        answer == 0
    });
    outcome.map_err(|error| if answer == 0 { error } else { Error::system(Code::Callback, answer) })
}

fn describe(status: &Status) -> panseal_vault_state {
    let in_force = || status.index.iter().filter(|key| key.is_live());
    let active = |key: &&KeyInfo| key.state == KeyState::Active;
    panseal_vault_state {
        struct_size: 0,
        schema: status.schema,
        generation: status.generation,
        cards: status.cards,
        instruments: status.instruments,
        index: in_force().find(active).map_or(0, |key| key.id),
        index_count: in_force().count() as u32,
        store: pass::field(status.store.as_bytes()),
        commitment: status.commitment,
        unindexed: status.unindexed,
        require_actor: i32::from(status.require_actor),
        reserved: 0,
        audit_head: status.audit_head,
    }
}

fn describe_epoch(from: &EpochStatus) -> panseal_vault_epoch {
    panseal_vault_epoch {
        struct_size: 0,
        id: from.key.id,
        state: state_of(&from.key),
        reserved: 0,
        created_at: from.key.created_at,
        retired_at: from.key.retired_at,
        cards: from.cards,
        instruments: from.instruments,
        customers: from.customers,
        credentials: from.credentials,
        check: pass::field(from.key.check.to_string().as_bytes()),
    }
}
