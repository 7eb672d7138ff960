//! Chapter 'dialects': a provider's API without the network, and who may ask.

use super::library::{PANSEAL_ID_ROOM, PANSEAL_LIST_MAX, panseal_error, panseal_status, panseal_text};
use super::pass::{self, TextOut};
use super::record::{self, Out, Page, Record};
use super::vault::{panseal_vault, required, with_vault};
use crate::dialect::{BODY_MAX, REPLY_MAX, Request, Response, Trusted, handle};
use crate::error::{Code, Result};
use crate::vault::{BEARER_KEY_LEN, Credential, Grant, SCOPES_MAX, SIGNING_KEY_MAX};
use std::ffi::c_char;

/// A longer body is refused unread, in the provider's own words.
pub const PANSEAL_BODY_MAX: usize = 65536;
/// Room that is enough for the reply to every request but a GET, in bytes.
pub const PANSEAL_REPLY_MAX: usize = 16384;
/// Bytes of a bearer key.
pub const PANSEAL_BEARER_KEY_LEN: usize = 69;
/// The longest signing key, in bytes.
pub const PANSEAL_SIGNING_KEY_MAX: usize = 253;
/// The longest list of scopes, in bytes.
pub const PANSEAL_SCOPES_MAX: usize = 256;
/// Size of a field with a list of scopes.
pub const PANSEAL_SCOPES_ROOM: usize = 264;

const _: () = {
    assert!(PANSEAL_BODY_MAX == BODY_MAX && PANSEAL_REPLY_MAX == REPLY_MAX);
    assert!(PANSEAL_BEARER_KEY_LEN == BEARER_KEY_LEN && PANSEAL_SIGNING_KEY_MAX == SIGNING_KEY_MAX);
    assert!(PANSEAL_SCOPES_MAX == SCOPES_MAX && PANSEAL_SCOPES_ROOM > SCOPES_MAX);
};

/// A longer body is a wrong length.
const LENGTH_MAX: usize = 1 << 30;

/// The host has authenticated the caller: act for this handle's merchant, with every scope. Never set because of
/// anything that the caller sends.
pub const PANSEAL_REQUEST_TRUSTED: u32 = 1;

/// An HTTP request as it came in.
#[repr(C)]
pub struct panseal_request {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// PANSEAL_REQUEST_...
    pub flags: u32,
    /// The time by which expiries and signatures are judged, in seconds since 1970 UTC; 0: the system clock.
    pub now: i64,
    /// "sumup", "stax", "pace" or "webpay".
    pub dialect: *const c_char,
    /// How this place is set up, "name=value" with a space between them: of sumup max_instruments and merchant_code, of
    /// pace merchant_name, of webpay wp3_v2. NULL: as the provider has it.
    pub settings: *const c_char,
    /// The method: "POST".
    pub method: panseal_text,
    /// Path and query as on the request line, "/v2/customers?limit=10". Signatures are over exactly this.
    pub target: panseal_text,
    /// The header lines as on the wire, each "Name: value" and a line end.
    pub headers: panseal_text,
    /// The body. More than PANSEAL_BODY_MAX bytes are refused in the provider's own words.
    pub body: panseal_text,
    /// With PANSEAL_REQUEST_TRUSTED: the user on whose behalf, where the dialect has users. Absent: nobody.
    pub subject: panseal_text,
    /// What stands before the target in URLs of replies, "https://pay.example.org". Absent: nothing.
    pub base: panseal_text,
}

/// What became of a request.
#[repr(C)]
pub struct panseal_response {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// The HTTP status: 201, 400, ...
    pub status: i32,
    /// Of a status of 500 why: the code of what failed in the vault, PANSEAL_E_BUSY for example. Else PANSEAL_OK.
    pub failure: panseal_status,
    /// errno, or the database's own code, or 0.
    pub system: i32,
    /// reply[0 .. headers_len): header lines, each "Name: value\r\n".
    pub headers_len: usize,
    /// reply[headers_len .. headers_len + body_len): the body.
    pub body_len: usize,
}

/// What a new credential is to stand for: always this handle's merchant.
#[repr(C)]
pub struct panseal_grant {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Where it may be presented: "sumup", "stax", "pace" or "webpay".
    pub dialect: *const c_char,
    /// Whom it stands for, where the dialect has users: UTF-8, up to PANSEAL_ID_MAX bytes. Absent: nobody.
    pub subject: panseal_text,
    /// What it allows: names with a space between them, up to PANSEAL_SCOPES_MAX bytes.
    pub scopes: panseal_text,
    /// From when on it is refused, in seconds since 1970 UTC; 0: never.
    pub expires_at: i64,
}

/// A credential, without what is secret of it. Texts end with a NUL; times are seconds since 1970 UTC.
#[repr(C)]
pub struct panseal_credential {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// When it was made.
    pub created_at: i64,
    /// From when on it is refused; 0: never.
    pub expires_at: i64,
    /// When it was revoked; 0: it was not.
    pub revoked_at: i64,
    /// Its id: the first bytes of a bearer key, the caller's name for a signing key.
    pub id: [c_char; PANSEAL_ID_ROOM],
    /// Where it may be presented.
    pub dialect: [c_char; PANSEAL_ID_ROOM],
    /// Whom it stands for, or "".
    pub subject: [c_char; PANSEAL_ID_ROOM],
    /// What it allows.
    pub scopes: [c_char; PANSEAL_SCOPES_ROOM],
}

// SAFETY: repr(C), a u32 first, integers and raw pointers only.
unsafe impl Record for panseal_request {}
unsafe impl Record for panseal_response {}
unsafe impl Record for panseal_grant {}
unsafe impl Record for panseal_credential {}

/// Answers a request as the provider would: PANSEAL_OK, also where the answer is a refusal (400, 401, 422 ...) or says
/// that the vault failed (500). Nothing is stored where the status is not 2xx.
///
/// The reply is laid into `reply`: header lines, then the body; a NUL follows where there is room for one. One call, one
/// effect: for a method other than GET, less room than PANSEAL_REPLY_MAX is PANSEAL_E_BUFFER before anything happens.
/// Only the reply to a GET, which changes nothing, may need more: PANSEAL_E_BUFFER, *len says how much, ask again. No
/// reply holds a card number. PANSEAL_E_ARGUMENT for a dialect that is none, and for settings or a base that are not of
/// their form.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_handle(
    vault: *mut panseal_vault,
    request: *const panseal_request,
    response: *mut panseal_response,
    reply: *mut c_char,
    cap: usize,
    len: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let record = unsafe { record::read(request) }?;
            let dialect = unsafe { pass::literal(record.dialect) }?.ok_or(Code::Null)?;
            let request = unsafe { as_request(&record) }?;
            let out = unsafe { TextOut::new(reply, cap, len) }?;
            let response = unsafe { Out::new(response) }?;
            if request.method != "GET" && out.room() < REPLY_MAX {
                return Err(out.too_small(REPLY_MAX));
            }
            let answer = handle(vault, dialect, &request)?;
            let mut text = header_lines(&answer);
            let headers_len = text.len();
            text.push_str(&answer.body);
            out.write(text.as_bytes())?;
            response.write(&describe(&answer, headers_len));
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Makes a bearer key of PANSEAL_BEARER_KEY_LEN bytes in ASCII, for `Authorization: Bearer KEY` (RFC 6750). It cannot be
/// had again: the vault keeps its hash. panseal_wipe it after use. PANSEAL_E_ARGUMENT for a field that is not of its
/// form, PANSEAL_E_CARD for a subject that holds a card number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_grant(
    vault: *mut panseal_vault,
    grant: *const panseal_grant,
    key: *mut c_char,
    cap: usize,
    len: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let grant = unsafe { record::read(grant) }?;
            let out = unsafe { TextOut::new(key, cap, len) }?;
            if out.room() < BEARER_KEY_LEN {
                return Err(out.too_small(BEARER_KEY_LEN));
            }
            out.write(vault.grant(&unsafe { as_grant(&grant) }?)?.as_bytes())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Registers a signing key of 1 to PANSEAL_SIGNING_KEY_MAX bytes under the id that a caller presents beside a signature,
/// UTF-8 of 1 to PANSEAL_ID_MAX bytes: for webpay the authenticity token and the merchant key. The vault keeps it
/// sealed. PANSEAL_E_CONFLICT where there is a credential of that id; PANSEAL_E_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_grant_signing(
    vault: *mut panseal_vault,
    grant: *const panseal_grant,
    id: *const c_char,
    id_len: usize,
    key: *const c_char,
    key_len: usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let grant = unsafe { record::read(grant) }?;
            let id = pass::utf8(unsafe { required(id, id_len) }?)?;
            let key = unsafe { required(key, key_len) }?;
            vault.grant_signing(&unsafe { as_grant(&grant) }?, id, key)
        })
    };
    unsafe { pass::call(err, work) }
}

/// Has a credential of this handle's merchant refused from now on. Doing so twice is fine. PANSEAL_E_TOKEN where there
/// is none of that id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_revoke(
    vault: *mut panseal_vault,
    id: *const c_char,
    id_len: usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || with_vault(vault, |vault| vault.revoke(pass::utf8(unsafe { required(id, id_len) }?)?));
    unsafe { pass::call(err, work) }
}

/// A page of the merchant's credentials in the order of their ids, those behind `after` (absent: from the first), also
/// revoked ones. As panseal_vault_list: up to cap, at most PANSEAL_LIST_MAX; *count 0 is the end. page[0] must be
/// PANSEAL_INITed: its struct_size is the stride of the array.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_vault_credentials(
    vault: *mut panseal_vault,
    after: *const c_char,
    after_len: usize,
    page: *mut panseal_credential,
    cap: usize,
    count: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_vault(vault, |vault| {
            let after = pass::utf8(unsafe { pass::bytes(after, after_len) }?)?;
            let page = unsafe { Page::new(page, cap, count) }?;
            let limit = page.limit(PANSEAL_LIST_MAX as usize)?;
            page.write(&vault.credentials(after, limit)?, describe_credential);
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// # Safety
/// The record's texts are readable for as long as the request is used.
unsafe fn as_request<'a>(record: &panseal_request) -> Result<Request<'a>> {
    if record.flags & !PANSEAL_REQUEST_TRUSTED != 0 {
        return Err(Code::Argument.into());
    }
    let text = |from: &panseal_text| pass::utf8(unsafe { pass::text(from) }?);
    let subject = text(&record.subject)?;
    let trusted = (record.flags & PANSEAL_REQUEST_TRUSTED != 0).then_some(Trusted { subject });
    if trusted.is_none() && !subject.is_empty() {
        return Err(Code::Argument.into());
    }
    Ok(Request {
        method: text(&record.method)?,
        target: text(&record.target)?,
        headers: unsafe { pass::text(&record.headers) }?,
        body: unsafe { pass::bytes_up_to(LENGTH_MAX, record.body.ptr, record.body.len) }?,
        now: record.now,
        trusted,
        base: text(&record.base)?,
        settings: unsafe { pass::literal(record.settings) }?.unwrap_or_default(),
    })
}

/// # Safety
/// The record's texts are readable for as long as the grant is used.
unsafe fn as_grant<'a>(record: &panseal_grant) -> Result<Grant<'a>> {
    if record.reserved != 0 {
        return Err(Code::Argument.into());
    }
    Ok(Grant {
        dialect: unsafe { pass::literal(record.dialect) }?.ok_or(Code::Null)?,
        subject: pass::utf8(unsafe { pass::text(&record.subject) }?)?,
        scopes: pass::utf8(unsafe { pass::text(&record.scopes) }?)?,
        expires_at: record.expires_at,
    })
}

fn header_lines(answer: &Response) -> String {
    let mut lines = String::with_capacity(256 + answer.body.len());
    for (name, value) in &answer.headers {
        lines.extend([name, ": ", value, "\r\n"]);
    }
    lines
}

fn describe(answer: &Response, headers_len: usize) -> panseal_response {
    panseal_response {
        struct_size: 0,
        status: answer.status.into(),
        failure: answer.failure.map_or(0, |error| error.code().number()),
        system: answer.failure.map_or(0, |error| error.system_code()),
        headers_len,
        body_len: answer.body.len(),
    }
}

fn describe_credential(from: &Credential) -> panseal_credential {
    panseal_credential {
        struct_size: 0,
        reserved: 0,
        created_at: from.created_at,
        expires_at: from.expires_at,
        revoked_at: from.revoked_at,
        id: pass::field(from.id.as_bytes()),
        dialect: pass::field(from.dialect.as_bytes()),
        subject: pass::field(from.subject.as_bytes()),
        scopes: pass::field(from.scopes.as_bytes()),
    }
}
