//! Chapter 'root keys'.

use super::library::{panseal_error, panseal_status};
use super::pass;
use crate::error::{Code, Error, Result};
use crate::keys::{Root, RootCallback};
use std::ffi::{CString, c_char, c_void};
use std::sync::Arc;

/// An HSM or a KMS in place of a root key URI. `wrap` 1: wraps the `from_len` (32) bytes at `from` into `out`, at most
/// 1024 bytes; 0: unwraps what it made before into the 32 bytes that went in. *out_len is the room and becomes the
/// length. 0 is done; anything else ends the call with PANSEAL_E_CALLBACK, and err->system has it.
///
/// `key_id` names the key ("epoch:3"), `context` the keyring or vault that it belongs to; both end with a NUL. A
/// service that binds what it wraps to a context should be given both.
///
/// What it makes must be authenticated: an AEAD, a KMS, an HSM's key wrap, never encryption with a public key. Otherwise
/// whoever writes to the database, and can wrap a key of their own, can replace the whole key table by one of theirs, and
/// read what is sealed from then on; only panseal_open_options.commitment notices it.
///
/// It is called when a handle is opened, when keys were changed, and in a forked child; from any thread that uses the
/// handle, from several at once. `userdata` must be good until the handle is closed and the last call on it has
/// returned. It must not throw, longjmp, or use the handle, keyring or vault that it is called for, except to close it.
pub type panseal_root_fn = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        wrap: i32,
        key_id: *const c_char,
        context: *const c_char,
        from: *const u8,
        from_len: usize,
        out: *mut u8,
        out_len: *mut usize,
    ) -> i32,
>;

/// Makes a new random root key, readable by its owner alone: "file:PATH", or "components:PATH,PATH[,PATH]", two to
/// eight files, one for each custodian. Never overwrites: PANSEAL_E_ROOT_KEY with err->system EEXIST where something
/// is there already. Keep it away from vault and keyring, and keep a copy: without it nothing can be opened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_root_create(root: *const c_char, err: *mut panseal_error) -> panseal_status {
    let work = || Root::create(unsafe { pass::literal(root) }?.ok_or(Code::Null)?);
    unsafe { pass::call(err, work) }
}

/// Makes components of an existing root key (PCI DSS 3.6.1.2), "components:PATH,PATH[,PATH]": files as long as the key,
/// whose XOR it is; all but one of them tell nothing. The key stays where it is and goes on being good.
/// Never overwrites: PANSEAL_E_ROOT_KEY with err->system EEXIST, and no file is made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_root_split(
    root: *const c_char,
    components: *const c_char,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let root = unsafe { pass::literal(root) }?.ok_or(Code::Null)?;
        let components = unsafe { pass::literal(components) }?.ok_or(Code::Null)?;
        Root::parse(root)?.split(components)
    };
    unsafe { pass::call(err, work) }
}

/// The root that a caller names: a URI, or a function, and not both.
///
/// # Safety
/// A literal or null; a function that any thread may call with `userdata`, or none.
pub(super) unsafe fn root_of(
    uri: *const c_char,
    function: panseal_root_fn,
    userdata: *mut c_void,
) -> Result<Root> {
    match (unsafe { pass::literal(uri) }?, function) {
        (Some(uri), None) => Root::parse(uri),
        (None, Some(function)) => Ok(Root::callback(Arc::new(RootFn { function, userdata }))),
        (None, None) => Err(Code::Null.into()),
        (Some(_), Some(_)) => Err(Code::Argument.into()),
    }
}

/// The caller's function as the keys know one.
struct RootFn {
    function: unsafe extern "C" fn(
        *mut c_void,
        i32,
        *const c_char,
        *const c_char,
        *const u8,
        usize,
        *mut u8,
        *mut usize,
    ) -> i32,
    userdata: *mut c_void,
}

// SAFETY: the header asks for a function that any thread may call with this userdata.
unsafe impl Send for RootFn {}
unsafe impl Sync for RootFn {}

impl RootFn {
    fn run(&self, wrap: bool, key_id: &str, context: &str, from: &[u8], out: &mut [u8]) -> Result<usize> {
        let with_nul = |text: &str| CString::new(text).map_err(|_| Error::from(Code::Internal));
        let (key_id, context) = (with_nul(key_id)?, with_nul(context)?);
        let mut len = out.len();
        // SAFETY: the header's contract; both slices are good until it returns.
        let answer = unsafe {
            (self.function)(
                self.userdata,
                wrap.into(),
                key_id.as_ptr(),
                context.as_ptr(),
                from.as_ptr(),
                from.len(),
                out.as_mut_ptr(),
                &raw mut len,
            )
        };
        // A length beyond the room is refused by whoever asked, as any wrong one is.
        if answer == 0 { Ok(len) } else { Err(Error::system(Code::Callback, answer)) }
    }
}

impl RootCallback for RootFn {
    fn wrap(&self, key_id: &str, context: &str, key: &[u8], out: &mut [u8]) -> Result<usize> {
        self.run(true, key_id, context, key, out)
    }

    fn unwrap(&self, key_id: &str, context: &str, wrapped: &[u8], out: &mut [u8]) -> Result<usize> {
        self.run(false, key_id, context, wrapped, out)
    }
}
