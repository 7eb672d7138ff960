//! Chapter 'instruments': the stored cards, listed, found, changed and removed.

use super::damage::name;
use super::library::{PANSEAL_LIST_MAX, panseal_error, panseal_status, panseal_text};
use super::pass::{self, TextOut};
use super::record::{self, Out, Page, Record};
use super::vault::{instrument, panseal_instrument, panseal_vault, refuse_null, token_bytes, with_vault};
use crate::card::{Expiry, Pan, Separators};
use crate::error::{Code, Error, Param, Result, Violations};
use crate::vault::{Change, Details, ListQuery};
use std::ffi::{c_char, c_void};

/// Those that are active.
pub const PANSEAL_QUERY_ACTIVE: u32 = 1;
/// Those that are not active.
pub const PANSEAL_QUERY_INACTIVE: u32 = 2;
/// Those that have no customer.
pub const PANSEAL_QUERY_NO_CUSTOMER: u32 = 4;

/// Which instruments are wanted; all zero: all of them.
#[repr(C)]
pub struct panseal_query {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// PANSEAL_QUERY_..., or 0.
    pub flags: u32,
    /// Those of this customer.
    pub customer: panseal_text,
    /// Those behind this token, in the order of tokens. Absent: from the first.
    pub after: panseal_text,
    /// So many are passed over, up to 10000: to go through all of them, use after.
    pub offset: u32,
    /// 0.
    pub reserved: u32,
}

/// The expiry becomes another.
pub const PANSEAL_CHANGE_EXPIRY: u32 = 1;
/// The name becomes another; absent: none.
pub const PANSEAL_CHANGE_NAME: u32 = 2;
/// The customer becomes another; absent: none.
pub const PANSEAL_CHANGE_CUSTOMER: u32 = 4;
/// The metadata becomes another; absent: none.
pub const PANSEAL_CHANGE_METADATA: u32 = 8;
/// The time until which it is kept becomes another; 0: for ever.
pub const PANSEAL_CHANGE_KEEP_UNTIL: u32 = 16;

/// What becomes different of an instrument. A field is looked at where `fields` has its PANSEAL_CHANGE_..., and must be
/// zero where not.
#[repr(C)]
pub struct panseal_change {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// PANSEAL_CHANGE_...
    pub fields: u32,
    /// 1..12.
    pub expiry_month: i32,
    /// 0..99, meaning 2000..2099, or 2000..2099.
    pub expiry_year: i32,
    /// The cardholder, UTF-8, Latin script, up to PANSEAL_NAME_MAX bytes.
    pub name: panseal_text,
    /// UTF-8, up to PANSEAL_ID_MAX bytes.
    pub customer: panseal_text,
    /// As in panseal_tokenize_options.
    pub metadata: panseal_text,
    /// Seconds since 1970 UTC.
    pub keep_until: i64,
}

/// What panseal_vault_purge_expired has removed.
#[repr(C)]
pub struct panseal_purged {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Instruments whose time was over.
    pub instruments: u64,
    /// Cards that had no instrument left.
    pub cards: u64,
    /// Idempotency keys older than a day.
    pub keys: u64,
    /// Instruments whose time was over, and that are damaged: they are still there. panseal_vault_delete removes them.
    pub damaged: u64,
}

// SAFETY: repr(C), a u32 first, integers and raw pointers only.
unsafe impl Record for panseal_query {}
unsafe impl Record for panseal_change {}
unsafe impl Record for panseal_purged {
    const FIRST_SIZE: usize = std::mem::offset_of!(panseal_purged, damaged);
}

/// Told of a damaged row. Kinds are "card", "instrument", "customer", "credential" for one that does not open,
/// "no_fingerprint" for a card that its number does not lead to, "no_card" for an instrument without its card,
/// "no_instrument" for a card without one. The id is an instrument's token, a card's id in hex, or that of a customer or
/// credential. The texts end with a NUL. Called on the thread of the call, with no lock held. It must not throw or
/// longjmp. An id or token that cannot be read is given as "unreadable " and its bytes in hex; panseal_vault_delete takes
/// such a token.
pub type panseal_damage_fn = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        kind: *const c_char,
        merchant: *const c_char,
        id: *const c_char,
    ),
>;

/// A page of the merchant's instruments, in the order of tokens, which is no order of time. `query` NULL: all of them.
///
/// Up to cap are written, at most PANSEAL_LIST_MAX; *count says how many came, 0 is the end. To go on, ask again with
/// query->after the last one's token. page[0] must be PANSEAL_INITed: its struct_size is the stride of the array.
/// PANSEAL_E_ARGUMENT for cap 0, PANSEAL_E_LIMIT for an offset beyond 10000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_list(
    vault: *mut panseal_vault,
    query: *const panseal_query,
    page: *mut panseal_instrument,
    cap: usize,
    count: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let query = unsafe { read_query(query) }?;
            let page = unsafe { Page::new(page, cap, count) }?;
            let limit = page.limit(PANSEAL_LIST_MAX as usize)?;
            page.write(&vault.list(&ListQuery { limit, ..query })?, instrument);
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// How many instruments a query has in all, wherever it begins. `query` NULL: all. Rows are counted, not opened: one that
/// somebody put into the database is counted too, and panseal_vault_list refuses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_count(
    vault: *mut panseal_vault,
    query: *const panseal_query,
    count: *mut u64,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let query = unsafe { read_query(query) }?;
            refuse_null(count)?;
            let found = vault.count(&query)?;
            // SAFETY: a place of the caller's.
            unsafe { count.write_unaligned(found) };
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Is this card here? Its instruments, active or not, the newest first: up to cap are written, and *count says how many
/// there are; 0 where it is not here. One whose rows do not open is given as damaged. page[0] must be PANSEAL_INITed: its struct_size is the stride of the array.
/// `page` NULL, with cap 0: *count alone. Spaces and hyphens in the number are dropped.
///
/// Confirms a guess at a card number, as tokenizing with reuse does: see panseal_vault_guard. PANSEAL_E_MISSING,
/// PANSEAL_E_CHARSET, PANSEAL_E_LENGTH, PANSEAL_E_MALFORMED for what is no number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_find(
    vault: *mut panseal_vault,
    number: *const c_char,
    number_len: usize,
    page: *mut panseal_instrument,
    cap: usize,
    count: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let number = unsafe { pass::bytes(number, number_len) }?;
            let page = unsafe { Page::new(page, cap, count) }?;
            let pan = Pan::parse(number, Separators::Dropped)?;
            page.write(&vault.find(&pan)?, instrument);
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// The cardholder's name beside a token, up to PANSEAL_NAME_MAX bytes of UTF-8; of length 0 where there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_name(
    vault: *mut panseal_vault,
    token: *const c_char,
    token_len: usize,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || unsafe { detail(vault, (token, token_len), (out, cap, len), Details::name) };
    unsafe { pass::call(err, work) }
}

/// The metadata beside a token as it was given, up to PANSEAL_METADATA_MAX bytes; of length 0 where there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_metadata(
    vault: *mut panseal_vault,
    token: *const c_char,
    token_len: usize,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || unsafe { detail(vault, (token, token_len), (out, cap, len), Details::metadata) };
    unsafe { pass::call(err, work) }
}

/// Changes an instrument; `out` (may be NULL) is how it is then.
///
/// PANSEAL_E_CARD for an expiry, name or metadata that is refused, which err tells; PANSEAL_E_ARGUMENT for a customer
/// or time that is not of its form, an unknown field, or one that is given and not named in `fields`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_update(
    vault: *mut panseal_vault,
    token: *const c_char,
    token_len: usize,
    change: *const panseal_change,
    out: *mut panseal_instrument,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let token = unsafe { token_bytes(token, token_len) }?;
            let change = unsafe { record::read(change) }?;
            let out = unsafe { Out::optional(out) }?;
            let changed = vault.update(token, &unsafe { what_changes(&change) }?)?;
            if let Some(out) = out {
                out.write(&instrument(&changed));
            }
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Puts a deactivated token into use again. Doing so twice is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_reactivate(
    vault: *mut panseal_vault,
    token: *const c_char,
    token_len: usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work =
        || with_vault(vault, |vault| vault.reactivate(unsafe { token_bytes(token, token_len) }?).map(|_| ()));
    unsafe { pass::call(err, work) }
}

/// Removes a token for ever, and the card with its last one. A surrogate is not issued again. A damaged one is removed
/// too, also one that is named "unreadable ..." because its token cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_delete(
    vault: *mut panseal_vault,
    token: *const c_char,
    token_len: usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || with_vault(vault, |vault| vault.delete(unsafe { token_bytes(token, token_len) }?));
    unsafe { pass::call(err, work) }
}

/// Removes the merchant's instruments whose keep_until has passed, their cards, and idempotency keys older than a day;
/// `out` (may be NULL) says how many. Damaged ones are left and, in the end, named to `found` (may be NULL), which gets
/// `userdata`. In small transactions: others go on meanwhile, and where it fails, what was
/// removed is removed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_purge_expired(
    vault: *mut panseal_vault,
    found: panseal_damage_fn,
    userdata: *mut c_void,
    out: *mut panseal_purged,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let out = unsafe { Out::optional(out) }?;
            let purged = vault.purge_expired()?;
            unsafe { name(&purged.damaged, found, userdata, std::ptr::null_mut()) };
            if let Some(out) = out {
                out.write(&panseal_purged {
                    struct_size: 0,
                    reserved: 0,
                    instruments: purged.instruments,
                    cards: purged.cards,
                    keys: purged.keys,
                    damaged: purged.damaged.len() as u64,
                });
            }
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Writes a text that is sealed beside a token.
unsafe fn detail(
    vault: *mut panseal_vault,
    (token, token_len): (*const c_char, usize),
    (out, cap, len): (*mut c_char, usize, *mut usize),
    which: fn(&Details) -> &str,
) -> Result<()> {
    with_vault(vault, |vault| {
        let token = unsafe { token_bytes(token, token_len) }?;
        let out = unsafe { TextOut::new(out, cap, len) }?;
        out.write(which(&vault.details(token)?.1).as_bytes())
    })
}

/// # Safety
/// Null, or a record whose texts are readable for as long as the query is used.
unsafe fn read_query<'a>(query: *const panseal_query) -> Result<ListQuery<'a>> {
    const KNOWN: u32 = PANSEAL_QUERY_ACTIVE | PANSEAL_QUERY_INACTIVE | PANSEAL_QUERY_NO_CUSTOMER;
    if query.is_null() {
        return Ok(ListQuery::default());
    }
    let query = unsafe { record::read(query) }?;
    let text = |text| pass::utf8(unsafe { pass::text(text) }?);
    let (customer, after) = (text(&query.customer)?, text(&query.after)?);
    let has = |flag| query.flags & flag != 0;
    let clash = has(PANSEAL_QUERY_ACTIVE) && has(PANSEAL_QUERY_INACTIVE);
    let two_customers = has(PANSEAL_QUERY_NO_CUSTOMER) && !customer.is_empty();
    if query.flags & !KNOWN != 0 || query.reserved != 0 || clash || two_customers {
        return Err(Code::Argument.into());
    }
    Ok(ListQuery {
        customer: (has(PANSEAL_QUERY_NO_CUSTOMER) || !customer.is_empty()).then_some(customer),
        active: match query.flags & (PANSEAL_QUERY_ACTIVE | PANSEAL_QUERY_INACTIVE) {
            0 => None,
            flag => Some(flag == PANSEAL_QUERY_ACTIVE),
        },
        after: (!after.is_empty()).then_some(after),
        offset: query.offset as usize,
        limit: 0,
    })
}

/// # Safety
/// The record's texts are readable for as long as the change is used.
unsafe fn what_changes<'a>(change: &panseal_change) -> Result<Change<'a>> {
    const KNOWN: u32 = (PANSEAL_CHANGE_KEEP_UNTIL << 1) - 1;
    if change.fields & !KNOWN != 0 {
        return Err(Code::Argument.into());
    }
    let named = |field, given: bool| match change.fields & field != 0 {
        false if given => Err(Error::from(Code::Argument)),
        named => Ok(named),
    };
    let text = |field, text| {
        let text = pass::utf8(unsafe { pass::text(text) }?)?;
        Ok::<_, Error>(named(field, !text.is_empty())?.then_some(text))
    };
    let date = (change.expiry_month, change.expiry_year);
    Ok(Change {
        expiry: match named(PANSEAL_CHANGE_EXPIRY, date != (0, 0))? {
            true => Some(Expiry::new(date.0, date.1).map_err(refused_expiry)?),
            false => None,
        },
        name: text(PANSEAL_CHANGE_NAME, &change.name)?,
        customer: text(PANSEAL_CHANGE_CUSTOMER, &change.customer)?,
        metadata: text(PANSEAL_CHANGE_METADATA, &change.metadata)?,
        keep_until: named(PANSEAL_CHANGE_KEEP_UNTIL, change.keep_until != 0)?.then_some(change.keep_until),
        extra: None,
    })
}

fn refused_expiry(code: Code) -> Error {
    let mut violations = Violations::default();
    violations.add(Param::Expiry, code);
    violations.into()
}
