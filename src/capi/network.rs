//! Chapter 'networks': whose card it is, also while it is being keyed, and what that network's numbers are like.

use super::library::{PANSEAL_NETWORK_ROOM, panseal_error, panseal_status};
use super::pass;
use super::record::{Out, Record};
use crate::card::{
    Completeness, Detection, Lengths, LuhnRule, Pan, Separators, detect, detect_aid, detect_with_aid,
    partial, table_date, table_version,
};
use crate::error::Code;
use std::ffi::{CString, c_char};
use std::sync::OnceLock;

/// Numbers are refused where the Luhn check fails.
pub const PANSEAL_LUHN_REQUIRED: i32 = 1;
/// The check is usual, and a number that fails it is taken all the same.
pub const PANSEAL_LUHN_ADVISORY: i32 = 2;
/// The network has a check digit of another kind.
pub const PANSEAL_LUHN_ALTERNATE: i32 = 3;
/// There is no check digit.
pub const PANSEAL_LUHN_NONE: i32 = 4;

/// The most networks beside the first that a card is told to belong to.
pub const PANSEAL_COBADGE_MAX: usize = 8;
/// The most networks that a beginning can belong to.
pub const PANSEAL_POSSIBLE_MAX: usize = 128;

/// A whole prefix that is left to a network after all others does not count: UNKNOWN instead.
pub const PANSEAL_NETWORK_STRICT: u32 = 1;

/// What a number, and the application that a chip has selected, tell about the network. Networks are told by number:
/// panseal_network_name. Bit n of a set of lengths: n digits.
#[repr(C)]
pub struct panseal_network_info {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// The network; 0: UNKNOWN.
    pub network: i32,
    /// A product of it, such as VISA_ELECTRON; 0: none is known.
    pub product: i32,
    /// 1: rather a guess than a finding.
    pub fallback: i32,
    /// PANSEAL_LUHN_...
    pub luhn: i32,
    /// How many digits a number of this range may have.
    pub lengths: u32,
    /// How many digits the card verification value has.
    pub code_lengths: u32,
    /// How many of the co-badges are set.
    pub cobadge_count: u32,
    /// Further networks that the card may be used on; the cardholder may choose (EU IFR, article 8).
    pub cobadges: [i32; PANSEAL_COBADGE_MAX],
    /// The network's name: "VISA".
    pub name: [c_char; PANSEAL_NETWORK_ROOM],
    /// What the network calls the card verification value: "CVV2", or "".
    pub code_name: [c_char; 8],
}

/// What the digits that were keyed so far can still become.
#[repr(C)]
pub struct panseal_partial {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// How many digits were keyed, at most 20.
    pub digits: u32,
    /// PANSEAL_PARTIAL_...
    pub complete: i32,
    /// 1 or 0: the Luhn check holds or fails at this length; -1: no number is that long.
    pub luhn_ok: i32,
    /// The network, once nothing else is possible; 0 before.
    pub committed: i32,
    /// How many digits the number may have in the end; bit n: n digits.
    pub lengths: u32,
    /// How many of the possible networks are set.
    pub possible_count: u32,
    /// The networks that are still possible.
    pub possible: [u8; PANSEAL_POSSIBLE_MAX],
}

/// Digits are missing.
pub const PANSEAL_PARTIAL_TOO_SHORT: i32 = 0;
/// A whole number, which may also go on.
pub const PANSEAL_PARTIAL_MAY_GROW: i32 = 1;
/// A whole number.
pub const PANSEAL_PARTIAL_COMPLETE: i32 = 2;
/// More digits than any number that begins like this.
pub const PANSEAL_PARTIAL_TOO_LONG: i32 = 3;

// SAFETY: repr(C), a u32 first, integers only.
unsafe impl Record for panseal_network_info {}
unsafe impl Record for panseal_partial {}

/// The network of a card number. `aid` is the application that a chip has selected (EMV tag 4F, 84 or 9F06, 5 to 16
/// bytes); it decides where it is given, and the number where it is absent. `flags`: PANSEAL_NETWORK_STRICT, or 0. The
/// number is not checked beyond its form.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_card_network(
    number: *const c_char,
    number_len: usize,
    aid: *const u8,
    aid_len: usize,
    flags: u32,
    out: *mut panseal_network_info,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let out = unsafe { Out::new(out) }?;
        if flags & !PANSEAL_NETWORK_STRICT != 0 {
            return Err(Code::Argument.into());
        }
        let pan = Pan::parse(unsafe { pass::bytes(number, number_len) }?, Separators::Dropped)?;
        let aid = unsafe { pass::bytes(aid.cast(), aid_len) }?;
        let found = if aid.is_empty() { detect(pan.digits()) } else { detect_with_aid(pan.digits(), aid) };
        let strict = flags & PANSEAL_NETWORK_STRICT != 0;
        out.write(&describe(if strict { found.strict() } else { found }));
        Ok(())
    };
    unsafe { pass::call_light(err, work) }
}

/// The network of an application identifier alone (EMV tag 4F, 84 or 9F06): its number, or 0 where it is not known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_aid_network(aid: *const u8, aid_len: usize) -> i32 {
    let mut found = 0;
    pass::bare_call_light(|| {
        let aid = unsafe { pass::bytes(aid.cast(), aid_len) }?;
        found = detect_aid(aid).map_or(0, |network| network.id().into());
        Ok(())
    });
    found
}

/// What the digits keyed so far can still become. Spaces and hyphens are dropped; nothing at all is the beginning of
/// every number. PANSEAL_E_CHARSET for anything else than digits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_card_partial(
    typed: *const c_char,
    typed_len: usize,
    out: *mut panseal_partial,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let out = unsafe { Out::new(out) }?;
        let found = partial(unsafe { pass::bytes(typed, typed_len) }?)?;
        let mut possible = [0; PANSEAL_POSSIBLE_MAX];
        for (place, network) in possible.iter_mut().zip(found.possible.iter()) {
            *place = network.id();
        }
        out.write(&panseal_partial {
            struct_size: 0,
            digits: found.digits as u32,
            complete: match found.complete {
                Completeness::TooShort => PANSEAL_PARTIAL_TOO_SHORT,
                Completeness::CompleteMayGrow => PANSEAL_PARTIAL_MAY_GROW,
                Completeness::Complete => PANSEAL_PARTIAL_COMPLETE,
                Completeness::TooLong => PANSEAL_PARTIAL_TOO_LONG,
            },
            luhn_ok: found.luhn_ok.map_or(-1, i32::from),
            committed: found.committed.map_or(0, |network| network.id().into()),
            lengths: bits(found.lengths),
            possible_count: found.possible.len() as u32,
            possible,
        });
        Ok(())
    };
    unsafe { pass::call_light(err, work) }
}

/// The version of the network table: grows when ranges change.
#[unsafe(no_mangle)]
pub extern "C" fn panseal_table_version() -> u32 {
    table_version()
}

/// The day of the network table, "2026-11-20". Static.
#[unsafe(no_mangle)]
pub extern "C" fn panseal_table_date() -> *const c_char {
    static DATE: OnceLock<CString> = OnceLock::new();
    DATE.get_or_init(|| CString::new(table_date()).unwrap_or_default()).as_ptr()
}

fn describe(found: Detection) -> panseal_network_info {
    let mut cobadges = [0; PANSEAL_COBADGE_MAX];
    for (place, network) in cobadges.iter_mut().zip(found.cobadges) {
        *place = network.id().into();
    }
    panseal_network_info {
        struct_size: 0,
        network: found.network.id().into(),
        product: found.product.map_or(0, |product| product.id().into()),
        fallback: found.fallback.into(),
        luhn: match found.luhn {
            LuhnRule::Required => PANSEAL_LUHN_REQUIRED,
            LuhnRule::Advisory => PANSEAL_LUHN_ADVISORY,
            LuhnRule::Alternate => PANSEAL_LUHN_ALTERNATE,
            LuhnRule::None => PANSEAL_LUHN_NONE,
        },
        lengths: bits(found.lengths),
        code_lengths: bits(found.network.code_lengths()),
        cobadge_count: found.cobadges.len().min(PANSEAL_COBADGE_MAX) as u32,
        cobadges,
        name: pass::field(found.network.name().as_bytes()),
        code_name: pass::field(found.network.code_name().unwrap_or("").as_bytes()),
    }
}

fn bits(lengths: Lengths) -> u32 {
    lengths.iter().fold(0, |bits, length| bits | 1 << length)
}
