//! Chapter 'vault': opening one, tokens out of cards and back.

use super::card::{panseal_card, with_card};
use super::keys::root_of;
use super::library::{
    PANSEAL_ID_ROOM, PANSEAL_MASK_ROOM, PANSEAL_NETWORK_ROOM, PANSEAL_PAN_MAX, PANSEAL_TOKEN_ROOM,
    panseal_error, panseal_status, panseal_text,
};
use super::pass::{self, TextOut};
use super::record::{self, Out, Record};
use super::ticket::{self, Object};
use super::tokenizer::{PANSEAL_OPEN_CREATE, PANSEAL_OPEN_NO_REVEAL, panseal_open_options};
use crate::card::Card;
use crate::error::{Code, Result};
use crate::scheme::Scheme;
use crate::vault::{Instrument, OpenOptions, TokenizeOptions, Vault};
use std::ffi::c_char;
use std::time::Duration;

/// A handle on a vault: a ticket, never to be dereferenced.
pub struct panseal_vault {
    _ticket: [u8; 0],
}

/// A new token for each call.
pub const PANSEAL_REUSE_NEVER: i32 = 0;

/// How to tokenize.
#[repr(C)]
pub struct panseal_tokenize_options {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// PANSEAL_REUSE_NEVER.
    pub reuse: i32,
    /// NULL: the handle's.
    pub scheme: *const c_char,
    /// Whose card it is, UTF-8, up to PANSEAL_ID_MAX bytes.
    pub customer: panseal_text,
}

/// A stored card, as it may be shown. Texts end with a NUL; times are seconds since 1970 UTC.
#[repr(C)]
pub struct panseal_instrument {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// 1, or 0 after panseal_vault_deactivate.
    pub active: i32,
    /// 1: the token existed before this call.
    pub reused: i32,
    /// 1..12, or 0 where no expiry was given.
    pub expiry_month: i32,
    /// 2000..2099, or 0.
    pub expiry_year: i32,
    /// The epoch under which the number is sealed.
    pub epoch: u32,
    /// When the token was made.
    pub created_at: i64,
    /// Until when it is kept; 0: for ever.
    pub keep_until: i64,
    /// What stands for the card number.
    pub token: [c_char; PANSEAL_TOKEN_ROOM],
    /// Whose card it is, or "".
    pub customer: [c_char; PANSEAL_ID_ROOM],
    /// "VISA", "UNKNOWN".
    pub network: [c_char; PANSEAL_NETWORK_ROOM],
    /// "424242******4242".
    pub masked: [c_char; PANSEAL_MASK_ROOM],
    /// The last four digits.
    pub last4: [c_char; 8],
}

// SAFETY: repr(C), a u32 first, integers and raw pointers only.
unsafe impl Record for panseal_tokenize_options {}
unsafe impl Record for panseal_instrument {}

/// Opens a vault. The root key is fetched first; if it cannot be had, no file is made. A file that is something
/// else than a vault is left as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_open(
    how: *const panseal_open_options,
    out: *mut *mut panseal_vault,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let how = unsafe { record::read(how) }?;
        refuse_null(out)?;
        let vault = Vault::open(&unsafe { open_options(&how) }?)?;
        unsafe { hand_out(vault, out) }
    };
    unsafe { pass::call(err, work) }
}

/// Closes a handle. NULL is fine. Calls that are inside finish; the vault is closed when its last handle is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_close(vault: *mut panseal_vault) -> panseal_status {
    pass::bare_call(|| if vault.is_null() { Ok(()) } else { ticket::close(vault, ticket::VAULT) })
}

/// A second handle, on the same store and keys, for another merchant. To be closed as any other.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_merchant(
    vault: *mut panseal_vault,
    merchant: *const c_char,
    out: *mut *mut panseal_vault,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let merchant = unsafe { pass::literal(merchant) }?.unwrap_or("");
            refuse_null(out)?;
            unsafe { hand_out(vault.merchant(merchant)?, out) }
        })
    };
    unsafe { pass::call(err, work) }
}

/// Checks a card, stores it, and gives its token, which is on disk on PANSEAL_OK. `options` may be NULL.
///
/// PANSEAL_E_CARD with all violations in err where the card is refused; nothing is stored then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_tokenize(
    vault: *mut panseal_vault,
    card: *const panseal_card,
    options: *const panseal_tokenize_options,
    out: *mut panseal_instrument,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let card = unsafe { record::read(card) }?;
            let customer = unsafe { customer_of(options) }?;
            let out = unsafe { Out::new(out) }?;
            let tokenize = |card: &Card<'_>| {
                out.write(&instrument(&vault.tokenize(card, &TokenizeOptions::of(customer))?));
                Ok(())
            };
            unsafe { with_card(&card, tokenize) }
        })
    };
    unsafe { pass::call(err, work) }
}

/// What may be shown of a token's card.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_lookup(
    vault: *mut panseal_vault,
    token: *const c_char,
    token_len: usize,
    out: *mut panseal_instrument,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let token = unsafe { token_bytes(token, token_len) }?;
            let out = unsafe { Out::new(out) }?;
            out.write(&instrument(&vault.lookup(token)?));
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// The card number of a token, up to PANSEAL_PAN_MAX digits. panseal_wipe it after use.
///
/// `reason` (UTF-8, 1 to PANSEAL_REASON_MAX bytes) is written to the vault's audit trail with actor, time and token
/// before the number is given out. PANSEAL_E_IRREVERSIBLE on a handle opened with PANSEAL_OPEN_NO_REVEAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_detokenize(
    vault: *mut panseal_vault,
    token: *const c_char,
    token_len: usize,
    reason: *const c_char,
    reason_len: usize,
    number: *mut c_char,
    cap: usize,
    len: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let token = unsafe { token_bytes(token, token_len) }?;
            let reason = pass::utf8(unsafe { required(reason, reason_len) }?)?;
            let out = unsafe { TextOut::new(number, cap, len) }?;
            match vault.detokenize(token, "", reason, out.room()) {
                Err(error) if error.code() == Code::Buffer => Err(out.too_small(PANSEAL_PAN_MAX as usize)),
                pan => out.write(pan?.digits()),
            }
        })
    };
    unsafe { pass::call(err, work) }
}

/// Takes a token out of use: it can still be looked up, and no longer be detokenized. Doing so twice is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_deactivate(
    vault: *mut panseal_vault,
    token: *const c_char,
    token_len: usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work =
        || with_vault(vault, |vault| vault.deactivate(unsafe { token_bytes(token, token_len) }?).map(|_| ()));
    unsafe { pass::call(err, work) }
}

fn with_vault(vault: *mut panseal_vault, work: impl FnOnce(&Vault) -> Result<()>) -> Result<()> {
    ticket::with(vault, ticket::VAULT, |object| match object {
        Object::Vault(vault) => work(vault),
        _ => Err(Code::Handle.into()),
    })
}

pub(super) fn refuse_null<T>(out: *mut T) -> Result<()> {
    if out.is_null() { Err(Code::Null.into()) } else { Ok(()) }
}

/// Bytes that must be given.
unsafe fn required<'a>(ptr: *const c_char, len: usize) -> Result<&'a [u8]> {
    let bytes = unsafe { pass::bytes(ptr, len) }?;
    if bytes.is_empty() { Err(Code::Null.into()) } else { Ok(bytes) }
}

/// A token from outside: absent is a null, of an impossible length is no token.
pub(super) unsafe fn token_bytes<'a>(ptr: *const c_char, len: usize) -> Result<&'a [u8]> {
    if !ptr.is_null() && len > super::library::PANSEAL_TOKEN_MAX as usize {
        return Err(Code::Token.into());
    }
    unsafe { required(ptr, len) }
}

/// # Safety
/// `out` is the caller's place for a handle.
unsafe fn hand_out(vault: Vault, out: *mut *mut panseal_vault) -> Result<()> {
    let ticket = ticket::open(Object::Vault(vault))?;
    unsafe { out.write_unaligned(ticket) };
    Ok(())
}

unsafe fn open_options(how: &panseal_open_options) -> Result<OpenOptions<'_>> {
    // A vault cannot be held to a generation yet.
    let unknown = how.flags & !(PANSEAL_OPEN_CREATE | PANSEAL_OPEN_NO_REVEAL) != 0 || how.reserved != 0;
    if unknown || how.min_generation != 0 {
        return Err(Code::Argument.into());
    }
    let text = |ptr| unsafe { pass::literal(ptr) };
    let root = unsafe { root_of(how.root, how.root_fn, how.root_userdata) };
    let defaults = OpenOptions::new(text(how.url)?.ok_or(Code::Null)?, root?);
    Ok(OpenOptions {
        merchant: text(how.merchant)?.unwrap_or(""),
        actor: text(how.actor)?.unwrap_or(""),
        scheme: unsafe { scheme(how.scheme) }?.unwrap_or_default(),
        create: how.flags & PANSEAL_OPEN_CREATE != 0,
        no_reveal: how.flags & PANSEAL_OPEN_NO_REVEAL != 0,
        busy_timeout: match how.busy_timeout_ms {
            0 => defaults.busy_timeout,
            milliseconds => Duration::from_millis(milliseconds.into()),
        },
        ..defaults
    })
}

pub(super) unsafe fn scheme(name: *const c_char) -> Result<Option<Scheme>> {
    unsafe { pass::literal(name) }?.map(str::parse).transpose()
}

/// Reads the options of a tokenization; today's only scheme and reuse need no more than being known.
unsafe fn customer_of<'a>(options: *const panseal_tokenize_options) -> Result<&'a str> {
    if options.is_null() {
        return Ok("");
    }
    let options = unsafe { record::read(options) }?;
    if options.reuse != PANSEAL_REUSE_NEVER {
        return Err(Code::Argument.into());
    }
    unsafe { scheme(options.scheme) }?;
    pass::utf8(unsafe { pass::text(&options.customer) }?)
}

fn instrument(from: &Instrument) -> panseal_instrument {
    panseal_instrument {
        struct_size: 0,
        active: from.active.into(),
        reused: from.reused.into(),
        expiry_month: from.expiry.map_or(0, |expiry| expiry.month().into()),
        expiry_year: from.expiry.map_or(0, |expiry| expiry.year().into()),
        epoch: from.epoch,
        created_at: from.created_at,
        keep_until: from.keep_until,
        token: pass::field(from.token.as_str().as_bytes()),
        customer: pass::field(from.customer.as_bytes()),
        network: pass::field(from.network.name().as_bytes()),
        masked: pass::field(from.masked.as_str().as_bytes()),
        last4: pass::field(&from.last4),
    }
}
