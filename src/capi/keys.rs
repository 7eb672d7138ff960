//! Chapter 'root keys'.

use super::library::{panseal_error, panseal_status};
use super::pass;
use crate::error::Code;
use crate::keys::Root;
use std::ffi::c_char;

/// Makes a new random root key at "file:PATH", readable by its owner alone. Never overwrites: PANSEAL_E_ROOT_KEY with
/// err->system EEXIST where something is there already. Keep it away from the vault, and keep a copy: without it
/// nothing can be opened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_root_create(root: *const c_char, err: *mut panseal_error) -> panseal_status {
    let work = || Root::create(unsafe { pass::literal(root) }?.ok_or(Code::Null)?);
    unsafe { pass::call(err, work) }
}
