//! Chapter 'cards': checking a card, masking a number.

use super::library::{
    PANSEAL_MASK_ROOM, PANSEAL_NETWORK_ROOM, panseal_error, panseal_span, panseal_status, panseal_text,
};
use super::pass::{self, TextOut};
use super::record::{self, Out, Record};
use crate::card::{
    Card, CardInput, Column, Expiry, HolderParts, Outputs, Pan, Rules, Separators, Truncation, View, check,
    check_many, detect, group, mask, mask_grouped, parse_holder, transliterate, truncate, write_holder,
};
use crate::error::{Code, Result};
use crate::vault;
use std::ffi::c_char;

/// Digits only: no spaces, no hyphens.
pub const PANSEAL_CARD_STRICT: u32 = 1;
/// An absent expiry is a violation.
pub const PANSEAL_CARD_NEED_EXPIRY: u32 = 2;
/// An absent cvv is a violation.
pub const PANSEAL_CARD_NEED_CVV: u32 = 4;
/// A number of no known network is a violation.
pub const PANSEAL_CARD_KNOWN_NETWORK: u32 = 8;
/// A whole prefix that is left to a network after all others does not count as that network.
pub const PANSEAL_CARD_STRICT_NETWORKS: u32 = 16;
/// An expiry may lie any number of years ahead.
pub const PANSEAL_CARD_ANY_HORIZON: u32 = 32;

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
    /// How many years ahead an expiry may lie; 0: 20.
    pub horizon_years: u32,
    /// How many months a card is taken after its expiry: 0..255.
    pub grace_months: u32,
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
    unsafe { pass::call_light(err, work) }
}

/// The first eight digits and the last four, from 16 digits on; only where there is a need for it (PCI DSS 3.4.1).
pub const PANSEAL_MASK_FIRST8: u32 = 1;
/// The last four digits alone.
pub const PANSEAL_MASK_LAST4: u32 = 2;
/// In groups as on a card: "4242 42** **** 4242".
pub const PANSEAL_MASK_GROUPED: u32 = 4;

/// How a number is displayed: the first six digits and the last four, the last four alone below 15 digits:
/// "424242******4242". `flags`: PANSEAL_MASK_..., or 0. At most PANSEAL_MASK_MAX bytes. The number is not checked
/// beyond its form.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_card_mask(
    number: *const c_char,
    number_len: usize,
    flags: u32,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> panseal_status {
    pass::bare_call_light(|| {
        let out = unsafe { TextOut::new(out, cap, len) }?;
        let view = match flags & !PANSEAL_MASK_GROUPED {
            0 => View::SixFour,
            PANSEAL_MASK_FIRST8 => View::EightFour,
            PANSEAL_MASK_LAST4 => View::LastFour,
            _ => return Err(Code::Argument.into()),
        };
        let pan = unsafe { number_of(number, number_len) }?;
        let shown = if flags & PANSEAL_MASK_GROUPED != 0 {
            mask_grouped(&pan, view, detect(pan.digits()).network)
        } else {
            mask(&pan, view)
        };
        out.write(shown.as_str().as_bytes())
    })
}

/// A number in groups as on the card: 4-4-4-4, 4-6-5 ... by network and length. At most PANSEAL_MASK_MAX bytes; it is
/// the whole number: panseal_wipe it after use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_card_group(
    number: *const c_char,
    number_len: usize,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> panseal_status {
    pass::bare_call_light(|| {
        let out = unsafe { TextOut::new(out, cap, len) }?;
        let pan = unsafe { number_of(number, number_len) }?;
        out.write(group(&pan, detect(pan.digits()).network).as_bytes())
    })
}

/// Both counts of panseal_card_truncate: what is usual for the number.
pub const PANSEAL_TRUNCATE_USUAL: u32 = 255;

/// A number truncated for storage: the first and last digits that may be kept, '*' for each other one. What may be
/// kept depends on network and length (PCI SSC FAQ 1091): PANSEAL_E_ARGUMENT for more. Do not keep two truncations of
/// a number in one place, nor one beside a hash of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_card_truncate(
    number: *const c_char,
    number_len: usize,
    first: u32,
    last: u32,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> panseal_status {
    pass::bare_call_light(|| {
        let out = unsafe { TextOut::new(out, cap, len) }?;
        let pan = unsafe { number_of(number, number_len) }?;
        let keep = match (first, last) {
            (PANSEAL_TRUNCATE_USUAL, PANSEAL_TRUNCATE_USUAL) => Truncation::usual(pan.len()),
            _ => Truncation {
                first: u8::try_from(first).map_err(|_| Code::Argument)?,
                last: u8::try_from(last).map_err(|_| Code::Argument)?,
            },
        };
        let kept = truncate(&pan, detect(pan.digits()).network, keep)?;
        if out.room() < pan.len() {
            return Err(out.too_small(pan.len()));
        }
        out.fill(|room| {
            let text = room.get_mut(..pan.len()).ok_or(Code::Internal)?;
            text.fill(b'*');
            text[..kept.first.len()].copy_from_slice(kept.first);
            text[pan.len() - kept.last.len()..].copy_from_slice(kept.last);
            Ok(pan.len())
        })
    })
}

/// Forms of an expiry. ANY: MM/YY, MM/YYYY, M/YY, YYYY-MM, MMYYYY and others that can be read in one way only.
pub const PANSEAL_EXPIRY_ANY: i32 = 0;
/// Four digits, month first.
pub const PANSEAL_EXPIRY_MMYY: i32 = 1;
/// Four digits, year first: tracks, ISO 8583 field 14.
pub const PANSEAL_EXPIRY_YYMM: i32 = 2;
/// Six digits: EMV 5F24.
pub const PANSEAL_EXPIRY_YYMMDD: i32 = 3;
/// Six digits, month first; panseal_expiry_text only.
pub const PANSEAL_EXPIRY_MMYYYY: i32 = 4;

/// Reads an expiry of the form given: month 1..12 and year 2000..2099. PANSEAL_E_MALFORMED where it is not of that
/// form.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_expiry_parse(
    text: *const c_char,
    text_len: usize,
    form: i32,
    month: *mut i32,
    year: *mut i32,
) -> panseal_status {
    pass::bare_call_light(|| {
        let out = unsafe { ExpiryOut::new(month, year) }?;
        let text = unsafe { pass::bytes(text, text_len) }?;
        let expiry = match form {
            PANSEAL_EXPIRY_ANY => Expiry::parse(text),
            PANSEAL_EXPIRY_MMYY => Expiry::from_mmyy(text),
            PANSEAL_EXPIRY_YYMM => Expiry::from_yymm(text),
            PANSEAL_EXPIRY_YYMMDD => Expiry::from_yymmdd(text),
            _ => Err(Code::Argument),
        };
        out.write(expiry?);
        Ok(())
    })
}

/// Writes an expiry as MMYY, YYMM or MMYYYY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_expiry_text(
    month: i32,
    year: i32,
    form: i32,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> panseal_status {
    pass::bare_call_light(|| {
        let out = unsafe { TextOut::new(out, cap, len) }?;
        let expiry = Expiry::new(month, year)?;
        match form {
            PANSEAL_EXPIRY_MMYY => out.write(&expiry.to_mmyy()),
            PANSEAL_EXPIRY_YYMM => out.write(&expiry.to_yymm()),
            PANSEAL_EXPIRY_MMYYYY => out.write(&expiry.to_mmyyyy()),
            _ => Err(Code::Argument.into()),
        }
    })
}

/// A cardholder's name taken apart, as track 1 and EMV 5F20 have it: SURNAME/FIRST MIDDLE.TITLE. Spans are offsets into
/// the text that was read.
#[repr(C)]
pub struct panseal_holder {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// All of it where there is no '/'.
    pub surname: panseal_span,
    /// Len 0: absent.
    pub first: panseal_span,
    /// Len 0: absent.
    pub middle: panseal_span,
    /// Len 0: absent.
    pub title: panseal_span,
}

// SAFETY: repr(C), a u32 first, integers only.
unsafe impl Record for panseal_holder {}

/// The longest name on a track, in bytes (ISO/IEC 7813).
pub const PANSEAL_HOLDER_MAX: u32 = 26;
const _: () = assert!(PANSEAL_HOLDER_MAX as usize == crate::card::TRACK_NAME_MAX);

/// Takes a name of a track apart. " /" is an absent name: all spans are empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_holder_parse(
    text: *const c_char,
    text_len: usize,
    out: *mut panseal_holder,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let out = unsafe { Out::new(out) }?;
        let found = parse_holder(unsafe { pass::bytes(text, text_len) }?)?;
        let span =
            |range: &std::ops::Range<usize>| panseal_span { at: range.start as u32, len: range.len() as u32 };
        out.write(&panseal_holder {
            struct_size: 0,
            reserved: 0,
            surname: span(&found.surname),
            first: span(&found.first),
            middle: span(&found.middle),
            title: span(&found.title),
        });
        Ok(())
    };
    unsafe { pass::call_light(err, work) }
}

/// A name in the characters of a track: capitals without marks. Marks and strokes are dropped, ligatures spelled out.
/// At most PANSEAL_HOLDER_MAX bytes: PANSEAL_E_TOO_LONG where it does not fit, PANSEAL_E_CHARSET where it is not
/// Latin, PANSEAL_E_MALFORMED where there is not one letter (also of nothing), or a card number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_holder_text(
    name: *const c_char,
    name_len: usize,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> panseal_status {
    pass::bare_call_light(|| {
        let out = unsafe { TextOut::new(out, cap, len) }?;
        let written = transliterate(unsafe { pass::bytes(name, name_len) }?)?;
        out.write(written.as_bytes())
    })
}

/// The parts of a name, UTF-8; only the surname must be given.
#[repr(C)]
pub struct panseal_holder_parts {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// The surname.
    pub surname: panseal_text,
    /// The first name.
    pub first: panseal_text,
    /// Middle name or initial.
    pub middle: panseal_text,
    /// "DR".
    pub title: panseal_text,
}

// SAFETY: repr(C), a u32 first, integers and raw pointers only.
unsafe impl Record for panseal_holder_parts {}

/// Writes a name as track 1 has it, in the characters of a track: SURNAME/FIRST MIDDLE.TITLE. At most
/// PANSEAL_HOLDER_MAX bytes; refuses as panseal_holder_text does, and PANSEAL_E_MISSING without a surname.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_holder_write(
    parts: *const panseal_holder_parts,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let parts = unsafe { record::read(parts) }?;
        let out = unsafe { TextOut::new(out, cap, len) }?;
        if parts.reserved != 0 {
            return Err(Code::Argument.into());
        }
        let text = |part| unsafe { pass::text(part) };
        let written = write_holder(&HolderParts {
            surname: text(&parts.surname)?,
            first: text(&parts.first)?,
            middle: text(&parts.middle)?,
            title: text(&parts.title)?,
        })?;
        out.write(written.as_bytes())
    };
    unsafe { pass::call_light(err, work) }
}

/// A column of texts. Rows of a fixed width (CHAR(19); spaces at the end are ignored) where width is not 0, else
/// Arrow's layout: count + 1 offsets into the data.
#[repr(C)]
pub struct panseal_column {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// Bytes a row; 0: use offsets.
    pub width: u32,
    /// The rows' bytes.
    pub data: *const c_char,
    /// count + 1 of them, not descending; NULL with a width.
    pub offsets: *const i32,
    /// How many bytes there are at data; rows beyond them are refused.
    pub data_len: usize,
    /// How many rows.
    pub count: usize,
}

// SAFETY: repr(C), a u32 first, integers and raw pointers only.
unsafe impl Record for panseal_column {}

/// Checks a column of numbers, each as panseal_card_check does: form, length, network, Luhn. The arrays have count
/// entries, last4 four bytes for each; `status` must be given, the others may be NULL. A row's status is PANSEAL_OK
/// or one of PANSEAL_E_MISSING .. PANSEAL_E_TOO_LONG; where it is not PANSEAL_OK, the other columns have zeros. The
/// result is PANSEAL_OK also when rows were refused. The arrays must not overlap the column.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_card_check_many(
    numbers: *const panseal_column,
    status: *mut panseal_status,
    network: *mut u8,
    length: *mut u8,
    last4: *mut c_char,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let column = unsafe { record::read(numbers) }?;
        if status.is_null() {
            return Err(Code::Null.into());
        }
        let rows = unsafe { rows(&column) }?;
        // SAFETY: the caller's arrays, of `count` entries.
        let mut outputs = unsafe {
            Outputs {
                status: array(status, column.count)?.ok_or(Code::Null)?,
                network: array(network, column.count)?,
                length: array(length, column.count)?,
                last4: array(last4.cast(), column.count.checked_mul(4).ok_or(Code::Argument)?)?,
            }
        };
        Ok(check_many(&rows, &mut outputs)?)
    };
    unsafe { pass::call(err, work) }
}

/// The rows of a column, its lengths found possible.
pub(super) unsafe fn rows(column: &panseal_column) -> Result<Column<'_>> {
    if column.data.is_null() && column.data_len > 0 {
        return Err(Code::Null.into());
    }
    let data = unsafe { shared(column.data.cast::<u8>(), column.data_len) }?;
    match (column.width, column.offsets.is_null()) {
        (0, true) if column.count == 0 => Ok(Column::Fixed { data, width: 1, count: 0 }),
        (0, true) => Err(Code::Null.into()),
        (0, false) => {
            let entries = column.count.checked_add(1).ok_or(Code::Argument)?;
            Ok(Column::Offsets { data, offsets: unsafe { shared(column.offsets, entries) }? })
        }
        (width, true) => Ok(Column::Fixed { data, width: width as usize, count: column.count }),
        (_, false) => Err(Code::Argument.into()),
    }
}

/// A caller's array to write to; none for null. `Argument` where it is misaligned or longer than memory is.
pub(super) unsafe fn array<'a, T>(start: *mut T, len: usize) -> Result<Option<&'a mut [T]>> {
    if start.is_null() {
        return Ok(None);
    }
    refuse_impossible(start.cast_const(), len)?;
    Ok(Some(unsafe { std::slice::from_raw_parts_mut(start, len) }))
}

/// A caller's array to read, which others may be reading too; empty for null.
pub(super) unsafe fn shared<'a, T>(start: *const T, len: usize) -> Result<&'a [T]> {
    if start.is_null() {
        return Ok(&[]);
    }
    refuse_impossible(start, len)?;
    Ok(unsafe { std::slice::from_raw_parts(start, len) })
}

fn refuse_impossible<T>(start: *const T, len: usize) -> Result<()> {
    let fits = len.checked_mul(size_of::<T>()).is_some_and(|bytes| bytes <= isize::MAX as usize);
    if fits && start.is_aligned() { Ok(()) } else { Err(Code::Argument.into()) }
}

/// A number from outside, spaces and hyphens dropped.
unsafe fn number_of(number: *const c_char, len: usize) -> Result<Pan> {
    Ok(Pan::parse(unsafe { pass::bytes(number, len) }?, Separators::Dropped)?)
}

/// The caller's places for an expiry.
pub(super) struct ExpiryOut {
    month: *mut i32,
    year: *mut i32,
}

impl ExpiryOut {
    /// Both places must be given.
    ///
    /// # Safety
    /// Null, or writable until the call returns.
    pub(super) unsafe fn new(month: *mut i32, year: *mut i32) -> Result<ExpiryOut> {
        if month.is_null() || year.is_null() { Err(Code::Null.into()) } else { Ok(ExpiryOut { month, year }) }
    }

    pub(super) fn write(&self, expiry: Expiry) {
        // SAFETY: `new` was promised two writable places.
        unsafe {
            self.month.write_unaligned(expiry.month().into());
            self.year.write_unaligned(expiry.year().into());
        }
    }
}

/// Checks a record's card and hands it to `work`.
///
/// # Safety
/// The record's texts are readable until this returns.
pub(super) unsafe fn with_card(record: &panseal_card, work: impl FnOnce(&Card) -> Result<()>) -> Result<()> {
    work(&check(&unsafe { input(record) }?)?)
}

/// What a record says of a card.
///
/// # Safety
/// The record's texts are readable for as long as the input is used.
pub(super) unsafe fn input<'a>(record: &panseal_card) -> Result<CardInput<'a>> {
    const KNOWN: u32 = (PANSEAL_CARD_ANY_HORIZON << 1) - 1;
    if record.flags & !KNOWN != 0 {
        return Err(Code::Argument.into());
    }
    let given = |text: &panseal_text| {
        let bytes = unsafe { pass::text(text) }?;
        Ok::<_, crate::error::Error>((!bytes.is_empty()).then_some(bytes))
    };
    Ok(CardInput {
        number: given(&record.number)?.unwrap_or_default(),
        expiry: ((record.expiry_month, record.expiry_year) != (0, 0))
            .then_some((record.expiry_month, record.expiry_year)),
        cvv: given(&record.cvv)?,
        name: given(&record.name)?,
        postal_code: given(&record.postal_code)?,
        now: if record.now == 0 { vault::now() } else { record.now },
        rules: rules(record)?,
    })
}

fn rules(record: &panseal_card) -> Result<Rules> {
    let has = |flag| record.flags & flag != 0;
    let years = |years| u16::try_from(years).map_err(|_| Code::Argument);
    let usual = Rules::default();
    Ok(Rules {
        separators: if has(PANSEAL_CARD_STRICT) { Separators::Refused } else { Separators::Dropped },
        need_expiry: has(PANSEAL_CARD_NEED_EXPIRY),
        need_cvv: has(PANSEAL_CARD_NEED_CVV),
        known_network: has(PANSEAL_CARD_KNOWN_NETWORK),
        strict_networks: has(PANSEAL_CARD_STRICT_NETWORKS),
        horizon_years: match (has(PANSEAL_CARD_ANY_HORIZON), record.horizon_years) {
            (true, _) => None,
            (false, 0) => usual.horizon_years,
            (false, ahead) => Some(years(ahead)?),
        },
        grace_months: u8::try_from(record.grace_months).map_err(|_| Code::Argument)?,
        ..usual
    })
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
