//! Chapter 'cards': checking a card, masking a number.

use super::library::{PANSEAL_MASK_ROOM, PANSEAL_NETWORK_ROOM, panseal_error, panseal_status, panseal_text};
use super::pass::{self, TextOut};
use super::record::{self, Out, Record};
use crate::card::{Card, CardInput, Pan, Rules, Separators, check};
use crate::error::{Code, Result};
use crate::vault;
use std::ffi::c_char;

/// Digits only: no spaces, no hyphens.
pub const PANSEAL_CARD_STRICT: u32 = 1;
/// An absent expiry is a violation.
pub const PANSEAL_CARD_NEED_EXPIRY: u32 = 2;
/// An absent cvv is a violation.
pub const PANSEAL_CARD_NEED_CVV: u32 = 4;

/// Card data as it came in. Used to check and to tokenize; nothing of the cvv and the postal code is kept.
#[repr(C)]
pub struct panseal_card {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// PANSEAL_CARD_..., or 0.
    pub flags: u32,
    /// 1..12; 0, and the year 0, where no expiry is given.
    pub expiry_month: i32,
    /// 0..99, meaning 2000..2099, or 2000..2099.
    pub expiry_year: i32,
    /// Seconds since 1970 UTC to judge the expiry by; 0: the system clock.
    pub now: i64,
    /// 12 to 19 digits, spaces and hyphens between them.
    pub number: panseal_text,
    /// 3 or 4 digits, by network. Checked and never kept.
    pub cvv: panseal_text,
    /// The cardholder, UTF-8, Latin script, up to 26 characters.
    pub name: panseal_text,
    /// US ZIP or ZIP+4. Checked and not kept.
    pub postal_code: panseal_text,
}

/// What may be shown and stored of a card. NUL-terminated ASCII.
#[repr(C)]
pub struct panseal_card_info {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// How many digits the number has.
    pub number_length: u32,
    /// "VISA", "UNKNOWN".
    pub network: [c_char; PANSEAL_NETWORK_ROOM],
    /// "VISA_ELECTRON", or "".
    pub product: [c_char; PANSEAL_NETWORK_ROOM],
    /// "424242******4242".
    pub masked: [c_char; PANSEAL_MASK_ROOM],
    /// The last four digits.
    pub last4: [c_char; 8],
}

// SAFETY: repr(C), a u32 first, integers and raw pointers only.
unsafe impl Record for panseal_card {}
unsafe impl Record for panseal_card_info {}

/// Checks a card: PANSEAL_OK, or PANSEAL_E_CARD with all violations in err, at most one a field. `info` (may be
/// NULL) is written on PANSEAL_OK only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_card_check(
    card: *const panseal_card,
    info: *mut panseal_card_info,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let record = unsafe { record::read(card) }?;
        let out = unsafe { Out::optional(info) }?;
        unsafe { with_card(&record, |card| describe(card, out.as_ref())) }
    };
    unsafe { pass::call(err, work) }
}

/// How a number is displayed: the first six digits and the last four, the last four alone below 15 digits:
/// "424242******4242". `flags` is 0. At most PANSEAL_MASK_MAX bytes. The number is not checked beyond its form.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_card_mask(
    number: *const c_char,
    number_len: usize,
    flags: u32,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> panseal_status {
    pass::bare_call(|| {
        let out = unsafe { TextOut::new(out, cap, len) }?;
        if flags != 0 {
            return Err(Code::Argument.into());
        }
        let pan = Pan::parse(unsafe { pass::bytes(number, number_len) }?, Separators::Dropped)?;
        out.write(pan.mask().as_str().as_bytes())
    })
}

/// Checks a record's card and hands it to `work`.
///
/// # Safety
/// The record's texts are readable until this returns.
pub(super) unsafe fn with_card(record: &panseal_card, work: impl FnOnce(&Card) -> Result<()>) -> Result<()> {
    const KNOWN: u32 = PANSEAL_CARD_STRICT | PANSEAL_CARD_NEED_EXPIRY | PANSEAL_CARD_NEED_CVV;
    if record.flags & !KNOWN != 0 {
        return Err(Code::Argument.into());
    }
    let given = |text: &panseal_text| {
        let bytes = unsafe { pass::text(text) }?;
        Ok::<_, crate::error::Error>((!bytes.is_empty()).then_some(bytes))
    };
    let input = CardInput {
        number: given(&record.number)?.unwrap_or_default(),
        expiry: ((record.expiry_month, record.expiry_year) != (0, 0))
            .then_some((record.expiry_month, record.expiry_year)),
        cvv: given(&record.cvv)?,
        name: given(&record.name)?,
        postal_code: given(&record.postal_code)?,
        now: if record.now == 0 { vault::now() } else { record.now },
        rules: rules(record.flags),
    };
    work(&check(&input)?)
}

fn rules(flags: u32) -> Rules {
    let strict = flags & PANSEAL_CARD_STRICT != 0;
    Rules {
        separators: if strict { Separators::Refused } else { Separators::Dropped },
        need_expiry: flags & PANSEAL_CARD_NEED_EXPIRY != 0,
        need_cvv: flags & PANSEAL_CARD_NEED_CVV != 0,
        ..Rules::default()
    }
}

fn describe(card: &Card, out: Option<&Out<panseal_card_info>>) -> Result<()> {
    if let Some(out) = out {
        let pan = card.number();
        out.write(&panseal_card_info {
            struct_size: 0,
            number_length: pan.len() as u32,
            network: pass::field(card.network().name().as_bytes()),
            product: pass::field(card.product().map_or("", |product| product.name()).as_bytes()),
            masked: pass::field(pan.mask().as_str().as_bytes()),
            last4: pass::field(&pan.last4()),
        });
    }
    Ok(())
}
