//! Chapter 'damage': rows of a vault that do not open, named and given up.

use super::instrument::panseal_damage_fn;
use super::library::{PANSEAL_ID_ROOM, PANSEAL_TOKEN_ROOM, PANSEAL_WORD_ROOM, panseal_error, panseal_status};
use super::pass;
use super::vault::{panseal_vault, with_vault};
use super::vault_keys::{hand_out, panseal_progress_fn, with_progress};
use crate::vault::Damage;
use std::ffi::{c_char, c_void};

/// Walks over all rows of all merchants, opens each, and names those that are damaged to `found` (may be NULL) in the
/// end. *rows and *damaged (may be NULL) are how many there were. Changes nothing. `progress` (may be NULL) as with
/// panseal_vault_rewrap; both functions get `userdata`.
///
/// A damaged row stops no other: panseal_vault_list, panseal_vault_find and panseal_vault_customer_list give it as
/// damaged, panseal_vault_purge_expired, panseal_vault_rewrap and panseal_vault_change_index pass it over and name it,
/// panseal_vault_delete removes an instrument.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_check(
    vault: *mut panseal_vault,
    progress: panseal_progress_fn,
    found: panseal_damage_fn,
    userdata: *mut c_void,
    rows: *mut u64,
    damaged: *mut u64,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let report = with_progress(progress, userdata, |progress| vault.check_vault(progress))?;
            unsafe { hand_out(report.rows, rows) };
            unsafe { name(&report.damaged, found, userdata, damaged) };
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// panseal_vault_destroy, though rows name the epoch that do not open: they never will again, not even if the damage is
/// mended. They are named to `found` (may be NULL); *damaged (may be NULL) is how many there are. PANSEAL_E_EPOCH as with panseal_vault_destroy, and where a
/// single one of them opens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_destroy_even_if_damaged(
    vault: *mut panseal_vault,
    epoch: u32,
    found: panseal_damage_fn,
    userdata: *mut c_void,
    damaged: *mut u64,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let given_up = vault.destroy_even_if_damaged(epoch)?;
            unsafe { name(&given_up, found, userdata, damaged) };
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Names damaged rows, and says how many there are.
///
/// # Safety
/// `count` is null or a place of the caller's.
pub(super) unsafe fn name(rows: &[Damage], found: panseal_damage_fn, userdata: *mut c_void, count: *mut u64) {
    if let Some(found) = found {
        rows.iter().for_each(|row| tell(found, userdata, row));
    }
    unsafe { hand_out(rows.len() as u64, count) };
}

fn tell(
    found: unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *const c_char),
    userdata: *mut c_void,
    row: &Damage,
) {
    let kind = pass::field::<PANSEAL_WORD_ROOM>(row.kind.name().as_bytes());
    let merchant = pass::field::<PANSEAL_ID_ROOM>(row.merchant.as_bytes());
    let id = pass::field::<PANSEAL_TOKEN_ROOM>(row.id.as_bytes());
    // SAFETY: the caller's function, with the caller's userdata; the texts end with a NUL.
    unsafe { found(userdata, kind.as_ptr(), merchant.as_ptr(), id.as_ptr()) };
}
