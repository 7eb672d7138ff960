//! Chapter 'tokenizer': tokens without a vault. A token scheme and a keyring file; nothing is stored.

use super::card::{array, panseal_column, rows, shared};
use super::keys::{panseal_root_fn, root_of};
use super::library::{panseal_error, panseal_status, panseal_text};
use super::pass::{self, TextOut};
use super::record::{self, OutArray, Record};
use super::ticket::{self, Object};
use super::vault::{refuse_null, scheme, token_bytes};
use crate::card::{Column, Network, Pan, Separators};
use crate::error::{Code, Result};
use crate::keys::{CHECK_LEN, Commitment, KeyInfo, KeyState, Root};
use crate::scheme::{Token, classify};
use crate::tokenizer::{Expect, Tokenizer, TokenizerOptions};
use std::ffi::{c_char, c_void};
use std::path::Path;

/// A handle on a tokenizer: a ticket, never to be dereferenced.
pub struct panseal_tokenizer {
    _ticket: [u8; 0],
}

/// Make the vault or keyring where there is none; otherwise that is PANSEAL_E_NOT_A_VAULT.
pub const PANSEAL_OPEN_CREATE: u32 = 1;
/// This handle never detokenizes: a till that only sells.
pub const PANSEAL_OPEN_NO_REVEAL: u32 = 2;

/// How to open a tokenizer or a vault; fields that do not concern it stay zero. The texts end with a NUL.
#[repr(C)]
pub struct panseal_open_options {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// PANSEAL_OPEN_..., or 0.
    pub flags: u32,
    /// Vault: "sqlite:cards.db", "memory:", "postgres://user@host:5432,host:5432/database". Tokenizer: the path of its
    /// keyring file.
    pub url: *const c_char,
    /// The root key, "file:PATH", "env:NAME" or "components:PATH,PATH[,PATH]"; NULL with root_fn.
    pub root: *const c_char,
    /// The tenant that this handle works for; NULL is "".
    pub merchant: *const c_char,
    /// How tokens are made. Vault: "random", as NULL, "random:uuid", "surrogate:K+L". Tokenizer: "ff1:0+4", "siv",
    /// "siv:letters", "mac".
    pub scheme: *const c_char,
    /// Vault: who acts, for the audit trail; NULL is "".
    pub actor: *const c_char,
    /// Who wraps and unwraps keys, where no URI leads to the root key.
    pub root_fn: panseal_root_fn,
    /// Given to root_fn.
    pub root_userdata: *mut c_void,
    /// Vault: how long to wait for another writer before PANSEAL_E_BUSY; 0 is 5000.
    pub busy_timeout_ms: u32,
    /// 0.
    pub reserved: u32,
    /// The generation that panseal_tokenizer_status or panseal_vault_status told last; an older keyring file or vault
    /// is PANSEAL_E_TAMPERED. 0: any.
    pub min_generation: i64,
    /// Another root key URI to try where `root` is not the right one, as in the middle of a change of the root key;
    /// NULL: none.
    pub second_root: *const c_char,
    /// PANSEAL_COMMITMENT_LEN bytes that panseal_vault_status or panseal_tokenizer_commitment told: a vault or keyring
    /// with another table key is PANSEAL_E_TAMPERED. NULL: any.
    pub commitment: *const u8,
}

/// Length of the public value that only one vault's keys have.
pub const PANSEAL_COMMITMENT_LEN: usize = 32;

/// What the caller knows of the number behind a token. "ff1" has no integrity: a mistyped or foreign token leads to
/// some number, which this may tell from the right one.
#[repr(C)]
pub struct panseal_expect {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// The card's network; 0: any.
    pub network: i32,
    /// The number's last four digits; absent: any.
    pub last4: panseal_text,
}

/// New tokens are made under this epoch.
pub const PANSEAL_EPOCH_ACTIVE: i32 = 1;
/// Its tokens still lead back to their numbers.
pub const PANSEAL_EPOCH_DECRYPT_ONLY: i32 = 2;
/// Its key is gone, and the way back from its tokens.
pub const PANSEAL_EPOCH_DESTROYED: i32 = 3;

/// Room for the check value of a key: ten hex digits and a NUL.
pub const PANSEAL_CHECK_ROOM: usize = 16;

/// What may be known of an epoch. Times are seconds since 1970 UTC.
#[repr(C)]
pub struct panseal_epoch {
    /// Set by PANSEAL_INIT.
    pub struct_size: u32,
    /// 1, 2, 3, ...
    pub id: u32,
    /// PANSEAL_EPOCH_...
    pub state: i32,
    /// The Luhn residue of its numeric tokens, 1..9; 0: none, or freed.
    pub slot: u32,
    /// When it was made.
    pub created_at: i64,
    /// When it ceased to be active; 0: it has not.
    pub retired_at: i64,
    /// By which people compare keys: five bytes of AES-CMAC in hex, ended by a NUL.
    pub check: [c_char; PANSEAL_CHECK_ROOM],
}

// SAFETY: repr(C), a u32 first, integers and raw pointers only; a function is a pointer that may be null.
unsafe impl Record for panseal_open_options {
    const FIRST_SIZE: usize = std::mem::offset_of!(panseal_open_options, second_root);
}
unsafe impl Record for panseal_expect {}
unsafe impl Record for panseal_epoch {}

const _: () = assert!(2 * CHECK_LEN < PANSEAL_CHECK_ROOM);

/// Opens a tokenizer, or makes its keyring where PANSEAL_OPEN_CREATE says so. The root key is fetched first; if it
/// cannot be had, no file is made.
///
/// PANSEAL_E_ARGUMENT for a scheme of the vault, or "ff1" with a keyring that was made for another scheme;
/// PANSEAL_E_UNSUPPORTED for "ff1" where this build lacks it; PANSEAL_E_DOMAIN for an "ff1:K+L" that no number has
/// room for: K+L is 4 at least, and seven digits stay hidden, so that "ff1:6+3" is the most for 16 digits
/// ("surrogate" in a vault keeps more); PANSEAL_E_NOT_A_VAULT where no keyring is; PANSEAL_E_TAMPERED for one that
/// was changed, cut, or is older than min_generation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_open(
    how: *const panseal_open_options,
    out: *mut *mut panseal_tokenizer,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        let how = unsafe { record::read(how) }?;
        refuse_null(out)?;
        let tokenizer = Tokenizer::open(&unsafe { options(&how) }?)?;
        let ticket = ticket::open(Object::Tokenizer(tokenizer))?;
        // SAFETY: the caller's place for a handle.
        unsafe { out.write_unaligned(ticket) };
        Ok(())
    };
    unsafe { pass::call(err, work) }
}

/// Closes a handle. NULL is fine. Calls that are inside finish; the keys are wiped by whoever leaves last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_close(tokenizer: *mut panseal_tokenizer) -> panseal_status {
    pass::bare_call(|| if tokenizer.is_null() { Ok(()) } else { ticket::close(tokenizer, ticket::TOKENIZER) })
}

/// The token of a card number under the active epoch: the same each time. Spaces and hyphens are dropped.
///
/// PANSEAL_E_MISSING, PANSEAL_E_CHARSET, PANSEAL_E_LENGTH, PANSEAL_E_MALFORMED for what is no number. "ff1" refuses
/// also a number with too few hidden digits (PANSEAL_E_DOMAIN), with a wrong check digit (PANSEAL_E_LUHN), of an
/// unknown network or one that asks for no check digit (PANSEAL_E_NETWORK), or of a length that its network does not
/// use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_tokenize(
    tokenizer: *mut panseal_tokenizer,
    number: *const c_char,
    number_len: usize,
    token: *mut c_char,
    cap: usize,
    len: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_tokenizer(tokenizer, |tokenizer| {
            let number = unsafe { pass::bytes(number, number_len) }?;
            let out = unsafe { TextOut::new(token, cap, len) }?;
            let (mut pan, mut made) = (Pan::blank(), Token::blank());
            pan.parse_in(number, Separators::Dropped)?;
            tokenizer.tokenize_in(&pan, &mut made)?;
            out.write(made.as_bytes())
        })
    };
    unsafe { pass::call_shallow(err, work) }
}

/// The card number of a token, up to PANSEAL_PAN_MAX digits. panseal_wipe it after use. `expect` may be NULL.
///
/// PANSEAL_E_TOKEN for what is no token of this scheme, keyring and merchant, as far as the scheme can tell, or whose
/// number is not as expected; PANSEAL_E_EPOCH where the epoch of an "ff1" token is destroyed; PANSEAL_E_IRREVERSIBLE
/// for "mac", and on a handle opened with PANSEAL_OPEN_NO_REVEAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_detokenize(
    tokenizer: *mut panseal_tokenizer,
    token: *const c_char,
    token_len: usize,
    expect: *const panseal_expect,
    number: *mut c_char,
    cap: usize,
    len: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_tokenizer(tokenizer, |tokenizer| {
            let token = unsafe { token_bytes(token, token_len) }?;
            let expect = unsafe { expectation(expect) }?;
            let out = unsafe { TextOut::new(number, cap, len) }?;
            let mut pan = Pan::blank();
            tokenizer.detokenize_in(token, &expect, &mut pan)?;
            out.write(pan.digits())
        })
    };
    unsafe { pass::call_shallow(err, work) }
}

/// The tokens of a column of numbers. Row i is at tokens + i * stride, with zeros behind it up to the next row;
/// `lengths` (may be NULL) and `status` have an entry a row. A row's status is PANSEAL_OK, what
/// panseal_tokenizer_tokenize would say of it, or PANSEAL_E_BUFFER where its token is longer than stride; unless it
/// is PANSEAL_OK, the row has length 0 and zeros. The result is PANSEAL_OK also when rows failed.
///
/// PANSEAL_E_BUFFER, and nothing is done, where stride is too small for any token of the scheme; PANSEAL_E_ARGUMENT
/// where it is over 65536. Where keys
/// cannot be had any more in the middle of it, rows that were written stand. The arrays must not overlap the column.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_tokenize_many(
    tokenizer: *mut panseal_tokenizer,
    numbers: *const panseal_column,
    tokens: *mut c_char,
    stride: usize,
    lengths: *mut u32,
    status: *mut panseal_status,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_tokenizer(tokenizer, |tokenizer| {
            let column = unsafe { record::read(numbers) }?;
            refuse_null(tokens)?;
            refuse_null(status)?;
            let texts = unsafe { rows(&column) }?.texts()?;
            refuse_narrow(stride, *tokenizer.scheme().token_lengths().start())?;
            // SAFETY: the caller's arrays, with an entry a row.
            let mut out = unsafe { RowsOut::new(tokens, stride, lengths, status, texts.len()) }?;
            tokenizer.tokenize_many(texts, Separators::Dropped, |place, token| {
                out.write(place, token.as_ref().map(|token| token.as_bytes()).map_err(|code| *code));
            })
        })
    };
    unsafe { pass::call(err, work) }
}

/// The numbers of a column of tokens: panseal_tokenizer_tokenize_many the other way round; zeros behind a token of a
/// fixed width are ignored as spaces are. panseal_wipe the numbers after use.
///
/// `last4` (may be NULL) has four bytes a row, the last four digits that are expected, or zeros; `network` (may be
/// NULL) the network that is expected, or 0: the columns that panseal_card_check_many writes. PANSEAL_E_ARGUMENT for
/// a number that is no network.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_detokenize_many(
    tokenizer: *mut panseal_tokenizer,
    tokens: *const panseal_column,
    last4: *const c_char,
    network: *const u8,
    numbers: *mut c_char,
    stride: usize,
    lengths: *mut u32,
    status: *mut panseal_status,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_tokenizer(tokenizer, |tokenizer| {
            let column = unsafe { record::read(tokens) }?;
            refuse_null(numbers)?;
            refuse_null(status)?;
            let rows = unsafe { rows(&column) }?;
            let is_padded = matches!(rows, Column::Fixed { .. });
            let texts = rows.texts()?;
            // SAFETY: the caller's arrays, with an entry a row.
            let expected = unsafe { ExpectedRows::new(last4, network, texts.len()) }?;
            refuse_narrow(stride, Pan::MIN_LEN)?;
            let mut out = unsafe { RowsOut::new(numbers, stride, lengths, status, texts.len()) }?;
            let texts = texts.map(|text| if is_padded { without_padding(text) } else { text });
            let rows = texts.enumerate().map(|(place, text)| (text, expected.of(place)));
            tokenizer.detokenize_many(rows, |place, pan| out.write(place, pan.map(Pan::digits)))
        })
    };
    unsafe { pass::call(err, work) }
}

/// The tokens of a card number under every epoch that is not destroyed, the newest first: under one of these names it
/// was stored, if it was. They stand one behind the other; each has *len / *count bytes. PANSEAL_E_BUFFER with *len =
/// enough.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_candidates(
    tokenizer: *mut panseal_tokenizer,
    number: *const c_char,
    number_len: usize,
    tokens: *mut c_char,
    cap: usize,
    len: *mut usize,
    count: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_tokenizer(tokenizer, |tokenizer| {
            let number = unsafe { pass::bytes(number, number_len) }?;
            let out = unsafe { TextOut::new(tokens, cap, len) }?;
            refuse_null(count)?;
            let pan = Pan::parse(number, Separators::Dropped)?;
            let found = tokenizer.candidates(&pan)?;
            let joined: Vec<u8> = found.iter().flat_map(|token| token.as_bytes()).copied().collect();
            out.write(&joined)?;
            // SAFETY: a place of the caller's.
            unsafe { count.write_unaligned(found.len()) };
            Ok(())
        })
    };
    unsafe { pass::call_light(err, work) }
}

/// A token's successor under the active epoch, or itself where that is its own. Replace it before its epoch is
/// destroyed. Refuses as panseal_tokenizer_detokenize does; a handle that never detokenizes may do this. `expect` may
/// be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_retokenize(
    tokenizer: *mut panseal_tokenizer,
    token: *const c_char,
    token_len: usize,
    expect: *const panseal_expect,
    out: *mut c_char,
    cap: usize,
    len: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_tokenizer(tokenizer, |tokenizer| {
            let token = unsafe { token_bytes(token, token_len) }?;
            let expect = unsafe { expectation(expect) }?;
            let out = unsafe { TextOut::new(out, cap, len) }?;
            out.write(tokenizer.retokenize(token, &expect)?.as_bytes())
        })
    };
    unsafe { pass::call_light(err, work) }
}

/// Makes a new epoch, under which tokens are made from now on; the one before serves for the way back. The keyring file
/// is on disk before the first token is made. *epoch (may be NULL) is its id. PANSEAL_E_EXHAUSTED where "ff1" has no
/// slot left: nine epochs can be told apart.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_rotate(
    tokenizer: *mut panseal_tokenizer,
    epoch: *mut u32,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_tokenizer(tokenizer, |tokenizer| {
            let id = tokenizer.rotate()?;
            if !epoch.is_null() {
                // SAFETY: a place of the caller's.
                unsafe { epoch.write_unaligned(id) };
            }
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Said to panseal_tokenizer_destroy: no token under that epoch is left anywhere, and every process that uses the
/// keyring has noticed that it is no longer active.
pub const PANSEAL_TOKENS_ARE_GONE: u32 = 1;

/// Forgets an epoch's key for ever. A tokenizer stores no tokens and cannot know whether one needs it: PANSEAL_E_EPOCH
/// without PANSEAL_TOKENS_ARE_GONE in `flags`, and for an epoch that is active, destroyed already, or not there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_destroy(
    tokenizer: *mut panseal_tokenizer,
    epoch: u32,
    flags: u32,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_tokenizer(tokenizer, |tokenizer| {
            if flags & !PANSEAL_TOKENS_ARE_GONE != 0 {
                return Err(Code::Argument.into());
            }
            tokenizer.destroy(epoch, flags == PANSEAL_TOKENS_ARE_GONE)
        })
    };
    unsafe { pass::call(err, work) }
}

/// Lets the slot (1..9) of a destroyed epoch be given to a new one. A token with that residue which still lies about
/// will then lead to somebody else's number. PANSEAL_E_ARGUMENT for a slot that is free, PANSEAL_E_EPOCH for one in
/// use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_free_slot(
    tokenizer: *mut panseal_tokenizer,
    slot: u32,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_tokenizer(tokenizer, |tokenizer| {
            tokenizer.free_slot(u8::try_from(slot).map_err(|_| Code::Argument)?)
        })
    };
    unsafe { pass::call(err, work) }
}

/// Wraps the keyring under another root key, a URI or a function, on which this handle goes on. Tokens stay what they
/// are. Other handles with the old root key answer PANSEAL_E_ROOT_KEY when they next read the file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_change_root(
    tokenizer: *mut panseal_tokenizer,
    root: *const c_char,
    root_fn: panseal_root_fn,
    root_userdata: *mut c_void,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_tokenizer(tokenizer, |tokenizer| {
            tokenizer.change_root(&unsafe { root_of(root, root_fn, root_userdata) }?)
        })
    };
    unsafe { pass::call(err, work) }
}

/// The keyring as it is in the file. *generation (may be NULL) grows with every change: keep it for
/// panseal_open_options.min_generation. Fills `cap` epochs, the oldest first; *count says how many there are:
/// PANSEAL_E_BUFFER where they are more than cap. epochs[0] must be PANSEAL_INITed; its struct_size is the stride of
/// the array. `epochs` NULL, with cap 0: *count alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_status(
    tokenizer: *mut panseal_tokenizer,
    generation: *mut i64,
    epochs: *mut panseal_epoch,
    cap: usize,
    count: *mut usize,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_tokenizer(tokenizer, |tokenizer| {
            let out = unsafe { OutArray::optional(epochs, cap) }?;
            refuse_null(count)?;
            let status = tokenizer.status()?;
            // SAFETY: places of the caller's.
            unsafe { count.write_unaligned(status.epochs.len()) };
            if let Some(out) = out {
                if out.cap() < status.epochs.len() {
                    return Err(Code::Buffer.into());
                }
                for (place, epoch) in status.epochs.iter().enumerate() {
                    out.write(place, &describe(epoch));
                }
            }
            if !generation.is_null() {
                unsafe { generation.write_unaligned(status.generation) };
            }
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// The public value that only this keyring's keys have, PANSEAL_COMMITMENT_LEN bytes: keep it for
/// panseal_open_options.commitment. Zeros for a keyring that an older version made, until its next change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_commitment(
    tokenizer: *mut panseal_tokenizer,
    commitment: *mut u8,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_tokenizer(tokenizer, |tokenizer| {
            refuse_null(commitment)?;
            let told = tokenizer.status()?.commitment.unwrap_or_default();
            // SAFETY: as many bytes of the caller's.
            unsafe { commitment.cast::<Commitment>().write_unaligned(told) };
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// Reads the keyring file again where it was changed, as happens by itself at the beginning of a batch and every few
/// hundred calls. *changed (may be NULL): 1 where it was, else 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_tokenizer_refresh(
    tokenizer: *mut panseal_tokenizer,
    changed: *mut i32,
    err: *mut panseal_error,
) -> panseal_status {
    let work = || {
        with_tokenizer(tokenizer, |tokenizer| {
            let was_changed = tokenizer.refresh()?;
            if !changed.is_null() {
                // SAFETY: a place of the caller's.
                unsafe { changed.write_unaligned(was_changed.into()) };
            }
            Ok(())
        })
    };
    unsafe { pass::call(err, work) }
}

/// 12 to 19 digits that a network's number could have.
pub const PANSEAL_SHAPE_PAN: u32 = 1;
/// 12 to 19 digits with a Luhn residue of 1 to 9, the slot: "ff1" or "surrogate".
pub const PANSEAL_SHAPE_NUMERIC_TOKEN: u32 = 2;
/// 48 lower-case hex digits: "random" or "siv".
pub const PANSEAL_SHAPE_HEX_TOKEN: u32 = 4;
/// 48 letters a to p: "siv:letters".
pub const PANSEAL_SHAPE_LETTERS_TOKEN: u32 = 8;
/// A UUID of version 4: "random:uuid".
pub const PANSEAL_SHAPE_UUID: u32 = 16;
/// 64 lower-case hex digits: "mac".
pub const PANSEAL_SHAPE_MAC: u32 = 32;

/// What a string looks like, offline: *shapes is the sum of PANSEAL_SHAPE_..., 0 for none. A text may have several;
/// never a proof. *slot (may be NULL) is a numeric token's, else 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn panseal_classify(
    text: *const c_char,
    text_len: usize,
    shapes: *mut u32,
    slot: *mut u32,
) -> panseal_status {
    pass::bare_call_light(|| {
        let text = unsafe { pass::bytes(text, text_len) }?;
        refuse_null(shapes)?;
        let found = classify(text);
        let sum = [
            (found.pan, PANSEAL_SHAPE_PAN),
            (found.numeric_token.is_some(), PANSEAL_SHAPE_NUMERIC_TOKEN),
            (found.hex_token, PANSEAL_SHAPE_HEX_TOKEN),
            (found.letters_token, PANSEAL_SHAPE_LETTERS_TOKEN),
            (found.uuid, PANSEAL_SHAPE_UUID),
            (found.mac, PANSEAL_SHAPE_MAC),
        ];
        // SAFETY: places of the caller's.
        unsafe {
            shapes.write_unaligned(sum.iter().filter(|(has, _)| *has).map(|(_, shape)| shape).sum());
            if !slot.is_null() {
                slot.write_unaligned(found.numeric_token.unwrap_or(0).into());
            }
        }
        Ok(())
    })
}

fn with_tokenizer(
    tokenizer: *mut panseal_tokenizer,
    work: impl FnOnce(&Tokenizer) -> Result<()>,
) -> Result<()> {
    ticket::with(tokenizer, ticket::TOKENIZER, |object| match object {
        Object::Tokenizer(tokenizer) => work(tokenizer),
        _ => Err(Code::Handle.into()),
    })
}

unsafe fn options(how: &panseal_open_options) -> Result<TokenizerOptions<'_>> {
    let unknown = how.flags & !(PANSEAL_OPEN_CREATE | PANSEAL_OPEN_NO_REVEAL) != 0 || how.reserved != 0;
    if unknown || !how.actor.is_null() || how.busy_timeout_ms != 0 || how.min_generation < 0 {
        return Err(Code::Argument.into());
    }
    let text = |ptr| unsafe { pass::literal(ptr) };
    let keyring = Path::new(text(how.url)?.ok_or(Code::Null)?);
    let scheme = unsafe { scheme(how.scheme) }?.ok_or(Code::Null)?;
    let root = unsafe { root_of(how.root, how.root_fn, how.root_userdata) }?;
    Ok(TokenizerOptions {
        merchant: text(how.merchant)?.unwrap_or(""),
        create: how.flags & PANSEAL_OPEN_CREATE != 0,
        no_reveal: how.flags & PANSEAL_OPEN_NO_REVEAL != 0,
        min_generation: how.min_generation,
        second_root: unsafe { second_root(how) }?,
        commitment: unsafe { commitment(how) },
        ..TokenizerOptions::new(scheme, keyring, root)
    })
}

/// The root key that is tried where the first one does not fit.
///
/// # Safety
/// The record's texts are readable.
pub(super) unsafe fn second_root(how: &panseal_open_options) -> Result<Option<Root>> {
    unsafe { pass::literal(how.second_root) }?.map(Root::parse).transpose()
}

/// # Safety
/// Null, or as many readable bytes as a commitment has.
pub(super) unsafe fn commitment(how: &panseal_open_options) -> Option<Commitment> {
    (!how.commitment.is_null()).then(|| unsafe { how.commitment.cast::<Commitment>().read_unaligned() })
}

unsafe fn expectation(expect: *const panseal_expect) -> Result<Expect> {
    if expect.is_null() {
        return Ok(Expect::default());
    }
    let expect = unsafe { record::read(expect) }?;
    let last4 = match unsafe { pass::text(&expect.last4) }? {
        [] => None,
        digits => Some(digits.try_into().map_err(|_| Code::Argument)?),
    };
    let network = u8::try_from(expect.network).map_err(|_| Code::Argument)?;
    Ok(Expect { last4, network: network_of(network)? })
}

/// A network that is expected; none for 0.
fn network_of(id: u8) -> Result<Option<Network>> {
    if id == 0 { Ok(None) } else { Ok(Some(Network::from_id(id).ok_or(Code::Argument)?)) }
}

/// A greater distance between two rows is not meant.
const STRIDE_MAX: usize = 64 * 1024;

fn refuse_narrow(stride: usize, least: usize) -> Result<()> {
    match stride {
        _ if stride < least => Err(Code::Buffer.into()),
        _ if stride > STRIDE_MAX => Err(Code::Argument.into()),
        _ => Ok(()),
    }
}

/// A text of a fixed width without what fills it up.
fn without_padding(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !matches!(byte, b' ' | 0)).map_or(0, |last| last + 1);
    &text[..end]
}

/// What is expected of the rows of a batch.
struct ExpectedRows<'a> {
    last4: &'a [u8],
    network: &'a [u8],
}

impl<'a> ExpectedRows<'a> {
    /// # Safety
    /// Null, or `count` entries.
    unsafe fn new(last4: *const c_char, network: *const u8, count: usize) -> Result<ExpectedRows<'a>> {
        let digits = count.checked_mul(4).ok_or(Code::Argument)?;
        let expected = unsafe {
            ExpectedRows { last4: shared(last4.cast(), digits)?, network: shared(network, count)? }
        };
        expected.network.iter().try_for_each(|id| network_of(*id).map(|_| ()))?;
        Ok(expected)
    }

    fn of(&self, place: usize) -> Expect {
        let last4 = self.last4.get(4 * place..).and_then(|digits| digits.first_chunk().copied());
        let network = self.network.get(place).and_then(|id| network_of(*id).ok()).flatten();
        Expect { last4: last4.filter(|digits| *digits != [0; 4]), network }
    }
}

/// The caller's arrays for the rows of a batch.
struct RowsOut<'a> {
    texts: &'a mut [u8],
    stride: usize,
    lengths: Option<&'a mut [u32]>,
    status: &'a mut [panseal_status],
}

impl<'a> RowsOut<'a> {
    /// # Safety
    /// Writable: `count` times `stride` bytes, and `count` entries each; `lengths` may be null.
    unsafe fn new(
        texts: *mut c_char,
        stride: usize,
        lengths: *mut u32,
        status: *mut panseal_status,
        count: usize,
    ) -> Result<RowsOut<'a>> {
        let bytes = count.checked_mul(stride).ok_or(Code::Argument)?;
        Ok(unsafe {
            RowsOut {
                texts: array(texts.cast(), bytes)?.ok_or(Code::Null)?,
                stride,
                lengths: array(lengths, count)?,
                status: array(status, count)?.ok_or(Code::Null)?,
            }
        })
    }

    fn write(&mut self, place: usize, row: Result<&[u8], Code>) {
        let room = &mut self.texts[place * self.stride..(place + 1) * self.stride];
        let row = row.and_then(|text| if text.len() > room.len() { Err(Code::Buffer) } else { Ok(text) });
        let text = row.unwrap_or_default();
        room[..text.len()].copy_from_slice(text);
        room[text.len()..].fill(0);
        self.status[place] = row.err().map_or(0, Code::number);
        if let Some(lengths) = &mut self.lengths {
            lengths[place] = text.len() as u32;
        }
    }
}

fn describe(from: &KeyInfo) -> panseal_epoch {
    panseal_epoch {
        struct_size: 0,
        id: from.id,
        state: state_of(from),
        slot: from.slot.map_or(0, u32::from),
        created_at: from.created_at,
        retired_at: from.retired_at,
        check: pass::field(from.check.to_string().as_bytes()),
    }
}

pub(super) fn state_of(key: &KeyInfo) -> i32 {
    match key.state {
        KeyState::Active => PANSEAL_EPOCH_ACTIVE,
        KeyState::DecryptOnly => PANSEAL_EPOCH_DECRYPT_ONLY,
        KeyState::Destroyed => PANSEAL_EPOCH_DESTROYED,
    }
}
