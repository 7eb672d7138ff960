//! Chapter 'library': limits, status codes, and what concerns every other function.

use crate::card::Network;
use crate::error::{Code, Param};
use std::ffi::{CString, c_char, c_void};
use std::sync::OnceLock;

/// Grows with additions; a break changes the soname instead.
pub const PANSEAL_ABI: u32 = 1;
/// The most digits of a card number.
pub const PANSEAL_PAN_MAX: u32 = 19;
/// The longest token, in bytes.
pub const PANSEAL_TOKEN_MAX: u32 = 64;
/// The longest name of a network, in bytes.
pub const PANSEAL_NETWORK_MAX: u32 = 23;
/// The longest number as it is displayed, in bytes.
pub const PANSEAL_MASK_MAX: u32 = 31;
/// The longest merchant, customer, reference, actor or idempotency key, in bytes.
pub const PANSEAL_ID_MAX: u32 = 64;
/// The longest reason for a detokenization, in bytes.
pub const PANSEAL_REASON_MAX: u32 = 256;
/// The longest cardholder's name in a vault, in bytes.
pub const PANSEAL_NAME_MAX: u32 = 111;
/// The longest metadata of an instrument, and the longest data of a customer, in bytes.
pub const PANSEAL_METADATA_MAX: u32 = 4096;
/// The most cards of one panseal_vault_tokenize_many.
pub const PANSEAL_MANY_MAX: u32 = 10000;
/// The most rows that one page of a list has.
pub const PANSEAL_LIST_MAX: u32 = 1000;
/// The most violations of one card.
pub const PANSEAL_VIOLATION_MAX: usize = 8;
/// Size of a token's field in a struct: the maximum and a NUL, filled up to a multiple of eight.
pub const PANSEAL_TOKEN_ROOM: usize = 72;
/// Size of a customer's field in a struct.
pub const PANSEAL_ID_ROOM: usize = 72;
/// Size of a network's field in a struct.
pub const PANSEAL_NETWORK_ROOM: usize = 24;
/// Size of a masked number's field in a struct.
pub const PANSEAL_MASK_ROOM: usize = 32;
/// Size of a reason's field in a struct.
pub const PANSEAL_REASON_ROOM: usize = 264;
/// Size of a field with the name of a verb or a store.
pub const PANSEAL_WORD_ROOM: usize = 24;

/// What became of a call, a row, or a field of a card: PANSEAL_OK or one of the codes below.
pub type panseal_status = i32;

/// Done.
pub const PANSEAL_OK: panseal_status = 0;

/* 1..99: the call */
/// A pointer that must not be NULL is.
pub const PANSEAL_E_NULL: panseal_status = 1;
/// A value out of range, an unknown flag or name.
pub const PANSEAL_E_ARGUMENT: panseal_status = 2;
/// struct_size is 0 or too small, or the part of a struct that this version does not know is not zero.
pub const PANSEAL_E_STRUCT: panseal_status = 3;
/// The output is too small; *len says how much is enough; nothing happened.
pub const PANSEAL_E_BUFFER: panseal_status = 4;
/// Not an open handle of this kind.
pub const PANSEAL_E_HANDLE: panseal_status = 5;
/// A text is not UTF-8.
pub const PANSEAL_E_UTF8: panseal_status = 6;
/// A callback asked to stop.
pub const PANSEAL_E_CALLBACK: panseal_status = 7;
/// Left out of this build: see panseal_has_feature.
pub const PANSEAL_E_UNSUPPORTED: panseal_status = 8;
/// Too many open handles, rows or bytes.
pub const PANSEAL_E_LIMIT: panseal_status = 9;
/// The system has no memory left. Nothing was done, or of what is done in many steps (panseal_vault_rewrap,
/// panseal_vault_change_index, panseal_vault_purge_expired) not all: call it again.
pub const PANSEAL_E_MEMORY: panseal_status = 10;
/* 100..199: the card */
/// The card was refused; err lists why. The codes 101 to 109 are those of violations.
pub const PANSEAL_E_CARD: panseal_status = 100;
/// A field that is needed is absent.
pub const PANSEAL_E_MISSING: panseal_status = 101;
/// A field is not of its form.
pub const PANSEAL_E_MALFORMED: panseal_status = 102;
/// A number or cvv has a length that its network does not use.
pub const PANSEAL_E_LENGTH: panseal_status = 103;
/// A number fails the Luhn check of ISO/IEC 7812-1.
pub const PANSEAL_E_LUHN: panseal_status = 104;
/// A number is of no known network.
pub const PANSEAL_E_NETWORK: panseal_status = 105;
/// A card has expired.
pub const PANSEAL_E_EXPIRED: panseal_status = 106;
/// An expiry lies further ahead than cards are issued.
pub const PANSEAL_E_TOO_FAR: panseal_status = 107;
/// A text has characters that the field does not take.
pub const PANSEAL_E_CHARSET: panseal_status = 108;
/// A text is longer than the field takes.
pub const PANSEAL_E_TOO_LONG: panseal_status = 109;
/* 200..299: tokens and keys */
/// No such token: unknown, malformed, or another merchant's. Deliberately one answer.
pub const PANSEAL_E_TOKEN: panseal_status = 200;
/// The instrument was deactivated.
pub const PANSEAL_E_INACTIVE: panseal_status = 201;
/// Too few hidden digits for this token scheme.
pub const PANSEAL_E_DOMAIN: panseal_status = 202;
/// The token space is exhausted.
pub const PANSEAL_E_EXHAUSTED: panseal_status = 203;
/// The token scheme, or this handle, has no way back.
pub const PANSEAL_E_IRREVERSIBLE: panseal_status = 204;
/// The root key is absent, malformed, readable by others, or not the right one.
pub const PANSEAL_E_ROOT_KEY: panseal_status = 205;
/// The epoch is destroyed, or still needed.
pub const PANSEAL_E_EPOCH: panseal_status = 206;
/* 300..399: the vault */
/// The database failed; err->system has its code.
pub const PANSEAL_E_STORE: panseal_status = 300;
/// The database is in use: try again.
pub const PANSEAL_E_BUSY: panseal_status = 301;
/// There is no vault at that place.
pub const PANSEAL_E_NOT_A_VAULT: panseal_status = 302;
/// The vault was written by a newer version.
pub const PANSEAL_E_SCHEMA_NEWER: panseal_status = 303;
/// A sealed field does not open: the vault was changed from outside.
pub const PANSEAL_E_TAMPERED: panseal_status = 304;
/// The idempotency key was used with another card or customer.
pub const PANSEAL_E_CONFLICT: panseal_status = 305;
/// The process was forked and the root key cannot be had again.
pub const PANSEAL_E_FORK: panseal_status = 306;
/// A fault inside panseal.
pub const PANSEAL_E_INTERNAL: panseal_status = 999;

/// The card number.
pub const PANSEAL_PARAM_NUMBER: i32 = 1;
/// The expiry, month and year together.
pub const PANSEAL_PARAM_EXPIRY: i32 = 2;
/// The card verification value.
pub const PANSEAL_PARAM_CVV: i32 = 3;
/// The cardholder's name.
pub const PANSEAL_PARAM_NAME: i32 = 4;
/// The postal code.
pub const PANSEAL_PARAM_POSTAL_CODE: i32 = 5;
/// The metadata.
pub const PANSEAL_PARAM_METADATA: i32 = 6;

/// One thing that is wrong with one field of a card.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct panseal_violation {
    /// Which field: PANSEAL_PARAM_...
    pub param: i32,
    /// What is wrong with it: PANSEAL_E_MISSING .. PANSEAL_E_TOO_LONG.
    pub code: panseal_status,
}

/// What went wrong, in numbers only: no text, no pointer, never a byte of the input.
///
/// The last argument of every function that does real work; NULL where nobody wants it.
#[repr(C)]
pub struct panseal_error {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// The same as the return value.
    pub code: panseal_status,
    /// errno, or the database's own code, or 0.
    pub system: i32,
    /// How many of the violations are set.
    pub violation_count: u32,
    /// Why a card was refused, at most one a field.
    pub violations: [panseal_violation; PANSEAL_VIOLATION_MAX],
}

/// A text from outside: `len` bytes, no NUL needed. NULL or length 0 means 'absent'.
#[repr(C)]
pub struct panseal_text {
    /// Its first byte.
    pub ptr: *const c_char,
    /// How many bytes.
    pub len: usize,
}

/// A part of a text: `len` bytes from offset `at` on. len 0: absent.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct panseal_span {
    /// Offset of the first byte.
    pub at: u32,
    /// How many bytes.
    pub len: u32,
}

// SAFETY: repr(C), a u32 first, integers only.
unsafe impl super::record::Record for panseal_error {}

const _: () = {
    assert!(PANSEAL_VIOLATION_MAX == crate::error::VIOLATION_MAX);
    assert!(PANSEAL_PAN_MAX as usize == crate::card::Pan::MAX_LEN);
    assert!(PANSEAL_TOKEN_MAX as usize == crate::scheme::TOKEN_MAX);
    assert!(PANSEAL_ID_MAX as usize == crate::vault::ID_MAX);
    assert!(PANSEAL_REASON_MAX as usize == crate::vault::REASON_MAX);
    assert!(PANSEAL_NAME_MAX as usize == crate::vault::NAME_MAX);
    assert!(PANSEAL_METADATA_MAX as usize == crate::vault::METADATA_MAX);
    assert!(PANSEAL_MANY_MAX as usize == crate::vault::MANY_MAX);
    assert!(PANSEAL_LIST_MAX as usize == crate::vault::LIST_MAX);
};

/// The ABI of the library that is running: at least the PANSEAL_ABI that the caller was compiled with.
#[unsafe(no_mangle)]
pub extern "C" fn panseal_abi() -> u32 {
    PANSEAL_ABI
}

/// The version of the library that is running, "1.2.3". Static.
#[unsafe(no_mangle)]
pub extern "C" fn panseal_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Whether this build, on this machine, has a feature: "mlock" (keys are locked in memory), "ff1" (the token
/// scheme), "postgres" (vaults at "postgres://...").
/// 1, or 0 also for a name that is not known and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_has_feature(name: *const c_char) -> i32 {
    let mut has = false;
    super::pass::bare_call_light(|| {
        has = match unsafe { super::pass::literal(name) }? {
            Some("ff1") => crate::scheme::HAS_FF1,
            Some("postgres") => crate::vault::HAS_POSTGRES,
            Some("mlock") => crate::secret::arena::is_locked(),
            _ => false,
        };
        Ok(())
    });
    i32::from(has)
}

/// A status in English. Static, never NULL, also for a number that is no status.
#[unsafe(no_mangle)]
pub extern "C" fn panseal_status_text(code: panseal_status) -> *const c_char {
    static TEXTS: Names = Names::new();
    if code == PANSEAL_OK {
        return c"done".as_ptr();
    }
    TEXTS
        .get(code, || Code::all().map(|code| (code.number(), code.text())))
        .unwrap_or(c"unknown status".as_ptr())
}

/// The name of a card's field: "number", "expiry", "cvv", "name", "postal_code", "metadata". Static; "" for a number
/// that is no field.
#[unsafe(no_mangle)]
pub extern "C" fn panseal_param_name(param: i32) -> *const c_char {
    static NAMES: Names = Names::new();
    NAMES
        .get(param, || Param::ALL.into_iter().map(|param| (param.number(), param.name())))
        .unwrap_or(c"".as_ptr())
}

/// The name of a network: "VISA"; "UNKNOWN" for 0. Static; "" for a number that is no network.
#[unsafe(no_mangle)]
pub extern "C" fn panseal_network_name(network: i32) -> *const c_char {
    static NAMES: Names = Names::new();
    let all = || Network::all().map(|network| (i32::from(network.id()), network.name()));
    NAMES.get(network, all).unwrap_or(c"".as_ptr())
}

/// Overwrites memory with zeros, and is never optimised away. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_wipe(memory: *mut c_void, len: usize) {
    if !memory.is_null() && len <= isize::MAX as usize {
        // SAFETY: the caller's memory; the type says nothing about what is in it.
        let room = unsafe { std::slice::from_raw_parts_mut(memory.cast::<std::mem::MaybeUninit<u8>>(), len) };
        zeroize::Zeroize::zeroize(room);
    }
}

/// Zeroes a struct and sets its struct_size: use PANSEAL_INIT. NULL and a size below four are left alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_struct_init(record: *mut c_void, size: usize) {
    if let (false, Ok(size_field)) = (record.is_null() || size < size_of::<u32>(), u32::try_from(size)) {
        // SAFETY: `size` bytes of the caller's.
        unsafe {
            record.cast::<u8>().write_bytes(0, size);
            record.cast::<u32>().write_unaligned(size_field);
        }
    }
}

/// Names by number as C wants them, ended by a NUL; made when first asked for and kept.
struct Names(OnceLock<Vec<(i32, CString)>>);

impl Names {
    const fn new() -> Names {
        Names(OnceLock::new())
    }

    fn get<I>(&self, number: i32, all: impl FnOnce() -> I) -> Option<*const c_char>
    where
        I: Iterator<Item = (i32, &'static str)>,
    {
        let with_nul = |(number, name)| Some((number, CString::new(name).ok()?));
        let names = self.0.get_or_init(|| all().filter_map(with_nul).collect());
        names.iter().find(|row| row.0 == number).map(|row| row.1.as_ptr())
    }
}
