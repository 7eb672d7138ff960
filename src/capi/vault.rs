//! Chapter 'vault': opening one, tokens out of cards and back.

use super::card::{array, input, panseal_card, with_card};
use super::keys::root_of;
use super::library::{
    PANSEAL_ID_ROOM, PANSEAL_MANY_MAX, PANSEAL_MASK_ROOM, PANSEAL_NETWORK_ROOM, PANSEAL_PAN_MAX,
    PANSEAL_TOKEN_ROOM, panseal_error, panseal_status, panseal_text,
};
use super::pass::{self, TextOut};
use super::record::{self, Out, OutArray, Record};
use super::ticket::{self, Object};
use super::tokenizer::{
    PANSEAL_OPEN_CREATE, PANSEAL_OPEN_NO_REVEAL, commitment, panseal_open_options, second_root,
};
use crate::card::{Card, check};
use crate::error::{Code, Error, Result};
use crate::scheme::Scheme;
use crate::secret::reserve;
use crate::vault::{Instrument, OpenOptions, Reuse, TokenizeOptions, Vault};
use std::ffi::c_char;
use std::time::Duration;

/// A handle on a vault: a ticket, never to be dereferenced.
pub struct panseal_vault {
    _ticket: [u8; 0],
}

/// A new token for each call.
pub const PANSEAL_REUSE_NEVER: i32 = 0;
/// The token of before where the same customer's card is here already: the newest active one with the same token
/// scheme. A later expiry, and a name that is given with an expiry that is not earlier, take the place of its own.
pub const PANSEAL_REUSE_CUSTOMER: i32 = 1;
/// The token of before where the card is here already, whoever the customer is.
pub const PANSEAL_REUSE_MERCHANT: i32 = 2;

/// How to tokenize.
#[repr(C)]
pub struct panseal_tokenize_options {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// PANSEAL_REUSE_...
    pub reuse: i32,
    /// "random", "random:uuid", "surrogate:K+L"; NULL: the handle's.
    pub scheme: *const c_char,
    /// Whose card it is, UTF-8, up to PANSEAL_ID_MAX bytes. PANSEAL_REUSE_CUSTOMER asks for one. As everything that is
    /// kept in the clear, it must hold no card number: that is a violation of PANSEAL_PARAM_METADATA.
    pub customer: panseal_text,
    /// A name for this call, UTF-8, up to PANSEAL_ID_MAX bytes: whoever repeats it with the same card within 24 hours
    /// gets the first result, with another card PANSEAL_E_CONFLICT. No card number either. Absent: none.
    pub idempotency_key: panseal_text,
    /// A JSON object of up to 16 members and PANSEAL_METADATA_MAX bytes, sealed beside the card; a violation of
    /// PANSEAL_PARAM_METADATA where it is none, or holds a card number. Absent: none.
    pub metadata: panseal_text,
    /// Until when it is kept, in seconds since 1970 UTC: then panseal_vault_purge_expired removes it. 0: for ever.
    pub keep_until: i64,
    /// How many active tokens the customer may have, which panseal_vault_customer_create has made: PANSEAL_E_LIMIT for
    /// one more, PANSEAL_E_ARGUMENT where there is no such customer. 0: any number.
    pub customer_limit: u32,
    /// 0.
    pub reserved: u32,
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
    /// 1: its rows do not open. But for the token all of the above is zero, the network is "UNKNOWN".
    pub damaged: i32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C), a u32 first, integers and raw pointers only.
unsafe impl Record for panseal_tokenize_options {}
unsafe impl Record for panseal_instrument {
    const FIRST_SIZE: usize = std::mem::offset_of!(panseal_instrument, damaged);
}

/// Opens a vault. The root key is fetched first; if it cannot be had, no file is made. A file that is something
/// else than a vault is left as it is.
///
/// PANSEAL_E_NOT_A_VAULT where none is; PANSEAL_E_SCHEMA_NEWER; PANSEAL_E_TAMPERED for a vault older than
/// min_generation; PANSEAL_E_UNSUPPORTED for "postgres://..." where this build lacks it.
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
/// PANSEAL_E_CARD with all violations in err where the card is refused; nothing is stored then. PANSEAL_E_DOMAIN and
/// PANSEAL_E_NETWORK where "surrogate" cannot be made of the number, PANSEAL_E_EXHAUSTED where all are issued.
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
            let options = if options.is_null() { None } else { Some(unsafe { record::read(options) }?) };
            let options = options.map_or(Ok(TokenizeOptions::default()), |how| unsafe { manner(&how) })?;
            let out = unsafe { Out::new(out) }?;
            let tokenize = |card: &Card<'_>| {
                out.write(&instrument(&vault.tokenize(card, &options)?));
                Ok(())
            };
            unsafe { with_card(&card, tokenize) }
        })
    };
    unsafe { pass::call(err, work) }
}

/// Stores up to PANSEAL_MANY_MAX cards in one transaction, with an outcome for each: a card that is refused does not
/// stand in the way of the others. `options_count` is 0, with `options` NULL; 1, for all cards; or count, one a card.
///
/// status[i] is what panseal_vault_tokenize would answer for card i, or, of a card that is refused, the first thing
/// that is wrong with it: PANSEAL_E_MISSING .. PANSEAL_E_TOO_LONG; panseal_card_check tells all of them. The result is
/// PANSEAL_OK also when cards were refused; unless it is, nothing was stored and nothing written.
///
/// cards[0], options[0] and instruments[0] must be PANSEAL_INITed: their struct_size is the stride of their array, and
/// all cards and options have it. `instruments` (may be NULL) has zeros for a card that was refused. The arrays must
/// not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_tokenize_many(
    vault: *mut panseal_vault,
    cards: *const panseal_card,
    count: usize,
    options: *const panseal_tokenize_options,
    options_count: usize,
    instruments: *mut panseal_instrument,
    status: *mut panseal_status,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            if count > PANSEAL_MANY_MAX as usize {
                return Err(Code::Limit.into());
            }
            if options_count > 1 && options_count != count {
                return Err(Code::Argument.into());
            }
            let cards = unsafe { record::read_all(cards, count) }?;
            let options = unsafe { record::read_all(options, options_count) }?;
            let room = if instruments.is_null() { 0 } else { count };
            let out = unsafe { OutArray::optional(instruments, room) }?;
            let status = unsafe { array(status, count) }?.ok_or(Code::Null)?;
            let rows = unsafe { checked(&cards, &options) }?;
            let good = rows.iter().filter_map(|row| row.as_ref().ok()).map(|(card, how)| Ok((card, *how)));
            let good = reserve::gather(good)?;
            let mut outcomes = vault.tokenize_many(&good)?.into_iter();
            for (place, row) in rows.iter().enumerate() {
                let outcome = match row {
                    Ok(_) => outcomes.next().unwrap_or_else(|| Err(Code::Internal.into())),
                    Err(error) => Err(*error),
                };
                status[place] = outcome.as_ref().err().map_or(0, of_row);
                if let Some(out) = &out {
                    out.write(place, &outcome.as_ref().map_or(NO_INSTRUMENT, instrument));
                }
            }
            Ok(())
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

/// The card number of a token. panseal_wipe it after use. `number` needs PANSEAL_PAN_MAX bytes, however long the card
/// number is: less is PANSEAL_E_BUFFER before the vault is asked.
///
/// `reason` (UTF-8, 1 to PANSEAL_REASON_MAX bytes) is written to the vault's audit trail with actor, time and token
/// before the number is given out, and stays there where the number is longer than cap; PANSEAL_E_CARD where it holds a
/// card number. PANSEAL_E_IRREVERSIBLE on a handle opened with PANSEAL_OPEN_NO_REVEAL.
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
            // A refusal that depended on the number's length would tell it, and leave no line in the trail.
            if out.room() < PANSEAL_PAN_MAX as usize {
                return Err(out.too_small(PANSEAL_PAN_MAX as usize));
            }
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

pub(super) fn with_vault(vault: *mut panseal_vault, work: impl FnOnce(&Vault) -> Result<()>) -> Result<()> {
    ticket::with(vault, ticket::VAULT, |object| match object {
        Object::Vault(vault) => work(vault),
        _ => Err(Code::Handle.into()),
    })
}

pub(super) fn refuse_null<T>(out: *mut T) -> Result<()> {
    if out.is_null() { Err(Code::Null.into()) } else { Ok(()) }
}

/// Bytes that must be given.
pub(super) unsafe fn required<'a>(ptr: *const c_char, len: usize) -> Result<&'a [u8]> {
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
    let unknown = how.flags & !(PANSEAL_OPEN_CREATE | PANSEAL_OPEN_NO_REVEAL) != 0 || how.reserved != 0;
    if unknown || how.min_generation < 0 {
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
        min_generation: how.min_generation,
        second_root: unsafe { second_root(how) }?,
        commitment: unsafe { commitment(how) },
        ..defaults
    })
}

pub(super) unsafe fn scheme(name: *const c_char) -> Result<Option<Scheme>> {
    unsafe { pass::literal(name) }?.map(str::parse).transpose()
}

/// How a record says that a card is to be stored.
///
/// # Safety
/// The record's texts are readable for as long as the options are used.
unsafe fn manner<'a>(how: &panseal_tokenize_options) -> Result<TokenizeOptions<'a>> {
    if how.reserved != 0 {
        return Err(Code::Argument.into());
    }
    let text = |text| pass::utf8(unsafe { pass::text(text) }?);
    Ok(TokenizeOptions {
        scheme: unsafe { scheme(how.scheme) }?,
        customer: text(&how.customer)?,
        reuse: match how.reuse {
            PANSEAL_REUSE_NEVER => Reuse::Never,
            PANSEAL_REUSE_CUSTOMER => Reuse::Customer,
            PANSEAL_REUSE_MERCHANT => Reuse::Merchant,
            _ => return Err(Code::Argument.into()),
        },
        idempotency_key: text(&how.idempotency_key)?,
        metadata: text(&how.metadata)?,
        keep_until: how.keep_until,
        customer_limit: (how.customer_limit != 0).then_some(how.customer_limit),
        ..TokenizeOptions::default()
    })
}

/// The cards of a batch, each with how it is to be stored, or why it cannot be.
///
/// # Safety
/// The records' texts are readable for as long as the rows are used.
unsafe fn checked<'a>(
    cards: &[panseal_card],
    options: &[panseal_tokenize_options],
) -> Result<Vec<Result<(Card<'a>, TokenizeOptions<'a>)>>> {
    let row = |(place, card): (usize, &panseal_card)| {
        let how = if options.len() == 1 { options.first() } else { options.get(place) };
        let how = how.map_or(Ok(TokenizeOptions::default()), |how| unsafe { manner(how) })?;
        Ok((check(&unsafe { input(card) }?)?, how))
    };
    reserve::gather(cards.iter().enumerate().map(|card| Ok(row(card))))
}

/// The status of a row: of a card that is refused, the first thing that is wrong with it.
fn of_row(error: &Error) -> panseal_status {
    error.violations().iter().next().map_or(error.code(), |violation| violation.code).number()
}

const NO_INSTRUMENT: panseal_instrument = panseal_instrument {
    struct_size: 0,
    active: 0,
    reused: 0,
    expiry_month: 0,
    expiry_year: 0,
    epoch: 0,
    created_at: 0,
    keep_until: 0,
    token: [0; PANSEAL_TOKEN_ROOM],
    customer: [0; PANSEAL_ID_ROOM],
    network: [0; PANSEAL_NETWORK_ROOM],
    masked: [0; PANSEAL_MASK_ROOM],
    last4: [0; 8],
    damaged: 0,
    reserved: 0,
};

pub(super) fn instrument(from: &Instrument) -> panseal_instrument {
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
        damaged: from.damaged.into(),
        reserved: 0,
    }
}
