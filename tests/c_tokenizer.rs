//! The tokenizer through the functions of the C ABI: the published tokens, the life of a keyring, roots that are a
//! function of the caller's.
#![cfg(all(feature = "capi", feature = "ff1"))]

use cmac::{Cmac, KeyInit, Mac};
use hkdf::Hkdf;
use hmac::Hmac;
use panseal::capi::card::*;
use panseal::capi::keys::*;
use panseal::capi::library::*;
use panseal::capi::tokenizer::*;
use panseal::capi::vault::*;
use serde_json::Value;
use sha2::Sha256;
use std::ffi::{CString, c_char, c_void};
use std::path::PathBuf;
use std::ptr::{null, null_mut};

const VISA: &str = "4242424242424242";
const AMEX: &str = "378282246310005";

// ---- What C does before and after a call. ----

/// PANSEAL_INIT.
fn init<T>() -> T {
    let mut record = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: T is a struct of the C ABI: it begins with its size, and zeros are a value of it.
    unsafe {
        panseal_struct_init(record.as_mut_ptr().cast::<c_void>(), size_of::<T>());
        record.assume_init()
    }
}

fn chars(text: &str) -> *const c_char {
    text.as_ptr().cast()
}

fn done(status: panseal_status) -> Result<(), panseal_status> {
    if status == PANSEAL_OK { Ok(()) } else { Err(status) }
}

/// A call that gives a text.
fn text_out(
    call: impl FnOnce(*mut c_char, usize, *mut usize) -> panseal_status,
) -> Result<String, panseal_status> {
    let (mut room, mut len) = ([0; 1024], 0);
    done(call(room.as_mut_ptr().cast(), room.len(), &mut len))?;
    Ok(String::from_utf8(room[..len].to_vec()).unwrap())
}

fn column(data: &[u8], width: usize) -> panseal_column {
    let mut column: panseal_column = init();
    column.width = width as u32;
    column.data = data.as_ptr().cast();
    column.data_len = data.len();
    column.count = data.len() / width;
    column
}

fn expect(network: i32, last4: &str) -> panseal_expect {
    let last4 = panseal_text { ptr: chars(last4), len: last4.len() };
    panseal_expect { network, last4, ..init() }
}

/// A folder with a root key, and how to open a tokenizer in it.
struct Place {
    folder: tempfile::TempDir,
    scheme: CString,
    merchant: CString,
    root: Option<CString>,
    root_fn: panseal_root_fn,
    userdata: *mut c_void,
    flags: u32,
    min_generation: i64,
}

impl Place {
    fn new(scheme: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let root = CString::new(format!("file:{}", folder.path().join("root").display())).unwrap();
        // SAFETY: a literal.
        assert_eq!(unsafe { panseal_root_create(root.as_ptr(), null_mut()) }, PANSEAL_OK);
        Place {
            folder,
            scheme: CString::new(scheme).unwrap(),
            merchant: c"".to_owned(),
            root: Some(root),
            root_fn: None,
            userdata: null_mut(),
            flags: PANSEAL_OPEN_CREATE,
            min_generation: 0,
        }
    }

    /// With a function in the root key's place.
    fn with_fn(scheme: &str, root_fn: panseal_root_fn, userdata: *mut c_void) -> Place {
        Place { root: None, root_fn, userdata, ..Place::new(scheme) }
    }

    fn keyring(&self) -> PathBuf {
        self.folder.path().join("keyring")
    }

    fn uri(&self, kind: &str, names: &[&str]) -> CString {
        let paths: Vec<String> =
            names.iter().map(|name| self.folder.path().join(name).display().to_string()).collect();
        CString::new(format!("{kind}:{}", paths.join(","))).unwrap()
    }

    fn open(&self) -> Result<Handle, (panseal_status, i32)> {
        let url = CString::new(self.keyring().to_str().unwrap()).unwrap();
        let how = panseal_open_options {
            flags: self.flags,
            url: url.as_ptr(),
            root: self.root.as_ref().map_or(null(), |root| root.as_ptr()),
            merchant: self.merchant.as_ptr(),
            scheme: self.scheme.as_ptr(),
            root_fn: self.root_fn,
            root_userdata: self.userdata,
            min_generation: self.min_generation,
            ..init()
        };
        let (mut ticket, mut err): (_, panseal_error) = (null_mut(), init());
        // SAFETY: a struct whose pointers are good, a place for a handle, a struct that was initialised.
        let status = unsafe { panseal_tokenizer_open(&how, &mut ticket, &mut err) };
        assert_eq!(err.code, status);
        if status == PANSEAL_OK { Ok(Handle(ticket)) } else { Err((status, err.system)) }
    }
}

/// An open tokenizer; closed when dropped.
struct Handle(*mut panseal_tokenizer);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: a ticket.
        assert_eq!(unsafe { panseal_tokenizer_close(self.0) }, PANSEAL_OK);
    }
}

// Each call: a handle, texts with their lengths, rooms with theirs.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Handle {
    fn tokenize(&self, number: &str) -> Result<String, panseal_status> {
        text_out(|out, cap, len| unsafe {
            panseal_tokenizer_tokenize(self.0, chars(number), number.len(), out, cap, len, null_mut())
        })
    }

    fn detokenize(&self, token: &str) -> Result<String, panseal_status> {
        self.detokenize_as(token, null())
    }

    fn detokenize_as(&self, token: &str, expect: *const panseal_expect) -> Result<String, panseal_status> {
        text_out(|out, cap, len| unsafe {
            panseal_tokenizer_detokenize(self.0, chars(token), token.len(), expect, out, cap, len, null_mut())
        })
    }

    fn retokenize(&self, token: &str) -> Result<String, panseal_status> {
        let (text, none) = (chars(token), null());
        text_out(|out, cap, len| unsafe {
            panseal_tokenizer_retokenize(self.0, text, token.len(), none, out, cap, len, null_mut())
        })
    }

    fn candidates(&self, number: &str) -> Vec<String> {
        let (text, mut count) = (chars(number), 0);
        let joined = text_out(|out, cap, len| unsafe {
            panseal_tokenizer_candidates(self.0, text, number.len(), out, cap, len, &mut count, null_mut())
        });
        let joined = joined.unwrap();
        let width = joined.len() / count;
        joined
            .as_bytes()
            .chunks_exact(width)
            .map(|token| String::from_utf8(token.to_vec()).unwrap())
            .collect()
    }

    fn many(&self, numbers: &panseal_column, stride: usize) -> Rows {
        Rows::of(numbers.count, stride, |out, lengths, status| unsafe {
            panseal_tokenizer_tokenize_many(self.0, numbers, out, stride, lengths, status, null_mut())
        })
    }

    fn many_back(&self, tokens: &panseal_column, last4: *const c_char, network: *const u8) -> Rows {
        Rows::of(tokens.count, 19, |out, lengths, status| unsafe {
            let err = null_mut();
            panseal_tokenizer_detokenize_many(self.0, tokens, last4, network, out, 19, lengths, status, err)
        })
    }

    fn rotate(&self) -> Result<u32, panseal_status> {
        let mut epoch = 0;
        done(unsafe { panseal_tokenizer_rotate(self.0, &mut epoch, null_mut()) }).map(|()| epoch)
    }

    fn destroy(&self, epoch: u32, flags: u32) -> panseal_status {
        unsafe { panseal_tokenizer_destroy(self.0, epoch, flags, null_mut()) }
    }

    fn free_slot(&self, slot: u32) -> panseal_status {
        unsafe { panseal_tokenizer_free_slot(self.0, slot, null_mut()) }
    }

    fn status(&self) -> (i64, Vec<(u32, i32, u32)>) {
        let (mut generation, mut count) = (0, 0);
        let mut epochs = [(); 16].map(|()| init::<panseal_epoch>());
        let place = epochs.as_mut_ptr();
        let status = unsafe {
            panseal_tokenizer_status(self.0, &mut generation, place, epochs.len(), &mut count, null_mut())
        };
        assert_eq!(status, PANSEAL_OK);
        let set = &epochs[..count];
        assert!(set.iter().all(|epoch| epoch.check[9] != 0 && epoch.check[10] == 0 && epoch.created_at > 0));
        assert!(epochs[count..].iter().all(|epoch| epoch.id == 0));
        (generation, set.iter().map(|epoch| (epoch.id, epoch.state, epoch.slot)).collect())
    }

    fn refresh(&self) -> bool {
        let mut changed = -1;
        assert_eq!(unsafe { panseal_tokenizer_refresh(self.0, &mut changed, null_mut()) }, PANSEAL_OK);
        changed == 1
    }
}

/// What a call of many rows gives.
#[derive(Debug, PartialEq)]
struct Rows {
    result: panseal_status,
    status: Vec<panseal_status>,
    texts: Vec<String>,
}

impl Rows {
    fn of(
        count: usize,
        stride: usize,
        call: impl FnOnce(*mut c_char, *mut u32, *mut panseal_status) -> panseal_status,
    ) -> Rows {
        let (mut room, mut lengths, mut status) =
            (vec![b'~'; count * stride + 1], vec![9; count], vec![-1; count]);
        let result = call(room.as_mut_ptr().cast(), lengths.as_mut_ptr(), status.as_mut_ptr());
        assert_eq!(room.pop(), Some(b'~'), "written beyond the rows");
        let row = |(row, len): (&[u8], &u32)| {
            let (text, rest) = row.split_at(*len as usize);
            assert!(rest.iter().all(|byte| *byte == 0));
            String::from_utf8(text.to_vec()).unwrap()
        };
        let texts = if result == PANSEAL_OK {
            room.chunks_exact(stride).zip(&lengths).map(row).collect()
        } else {
            Vec::new()
        };
        Rows { result, status, texts }
    }
}

// ---- A keyring file around a given epoch key, by a function that knows it. ----

fn derived(key: &[u8], purpose: &str) -> [u8; 32] {
    let mut out = [0; 32];
    let info = format!("panseal/v1/{purpose}\0");
    Hkdf::<Sha256>::new(None, key).expand(info.as_bytes(), &mut out).unwrap();
    out
}

fn mac_over(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(&derived(key, "header")).unwrap();
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// As `docs/token-schemes.md` says.
fn keyring_file(key: &[u8], slot: Option<u64>) -> String {
    let (id, created) = ([7u8; 16], 1_800_000_000u64);
    let cmac = Cmac::<aes::Aes256>::new_from_slice(&derived(key, "kcv")).unwrap();
    let check = cmac.chain_update([0; 16]).finalize().into_bytes();
    let mut header = Vec::new();
    let numbers = [1, slot.unwrap_or(0), created].map(u64::to_be_bytes);
    let mut fields: Vec<&[u8]> = vec![b"panseal/wrap/1", &id, b"epoch"];
    fields.extend(numbers.iter().map(|number| &number[..]));
    for field in fields {
        header.extend_from_slice(&(field.len() as u32).to_be_bytes());
        header.extend_from_slice(field);
    }
    let wrapped = [&[2], &mac_over(key, &header)[..], b"sealed elsewhere"].concat();
    let slot = slot.map_or("-".to_owned(), |slot| slot.to_string());
    let text = format!(
        "panseal-keyring 1\nid {}\ngeneration 1\nepoch 1 active {slot} {created} 0 {} {}\n",
        hex(&id),
        hex(&check[..5]),
        hex(&wrapped)
    );
    let mac = hex(&mac_over(key, text.as_bytes()));
    format!("{text}mac {mac}\n")
}

/// Gives the 32 bytes at `userdata` for every key.
unsafe extern "C" fn known_key(
    userdata: *mut c_void,
    wrap: i32,
    key_id: *const c_char,
    context: *const c_char,
    from: *const u8,
    from_len: usize,
    out: *mut u8,
    out_len: *mut usize,
) -> i32 {
    // SAFETY: as the header says of a panseal_root_fn.
    unsafe {
        assert_eq!(wrap, 0);
        assert_eq!(std::ffi::CStr::from_ptr(key_id), c"epoch:1");
        assert_eq!(std::ffi::CStr::from_ptr(context).to_bytes().len(), "panseal/keyring/".len() + 32);
        assert_eq!(std::slice::from_raw_parts(from, from_len), b"sealed elsewhere");
        assert_eq!(*out_len, 32);
        out.copy_from(userdata.cast(), 32);
    }
    0
}

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/token-schemes.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{field} is no text"))
}

#[test]
fn every_published_token_is_made_and_read_one_by_one_and_in_columns() {
    let vectors = vectors();
    let cases = vectors["tokens"].as_array().unwrap();
    for case in cases {
        let (scheme, number, token) = (text(case, "scheme"), text(case, "pan"), text(case, "token"));
        let mut key = from_hex(text(case, "epoch_key"));
        let mut place = Place::with_fn(scheme, Some(known_key), key.as_mut_ptr().cast());
        place.merchant = CString::new(text(case, "merchant")).unwrap();
        place.flags = 0;
        std::fs::write(place.keyring(), keyring_file(&key, case["slot"].as_u64())).unwrap();
        let handle = place.open().unwrap();
        assert_eq!(handle.tokenize(number).as_deref(), Ok(token), "{scheme} {number}");

        let twice = [number, number].concat();
        let rows = handle.many(&column(twice.as_bytes(), number.len()), token.len());
        assert_eq!(rows.texts, [token, token], "{scheme} {number}");
        let tokens = [token, token].concat();
        let back = handle.many_back(&column(tokens.as_bytes(), token.len()), null(), null());
        if scheme == "mac" {
            assert_eq!(handle.detokenize(token), Err(PANSEAL_E_IRREVERSIBLE));
            assert_eq!(back.status, [PANSEAL_E_IRREVERSIBLE; 2]);
        } else {
            assert_eq!(handle.detokenize(token).as_deref(), Ok(number), "{scheme} {token}");
            assert_eq!(back.texts, [number, number], "{scheme} {token}");
        }
    }
    assert_eq!(cases.len(), 212);
}

#[test]
fn the_published_keyring_opens_under_its_root_key() {
    let vectors = vectors();
    let mut read = 0;
    let vectors = &vectors;
    let of =
        |ring: &'static str| vectors[ring]["tokens"].as_array().unwrap().iter().map(move |case| (ring, case));
    for (ring, case) in of("keyring").chain(of("keyring_2")) {
        let keyring = &vectors[ring];
        let mut place = Place::new(text(case, "scheme"));
        place.merchant = CString::new(text(case, "merchant")).unwrap();
        place.flags = 0;
        std::fs::write(place.keyring(), text(keyring, "text")).unwrap();
        std::fs::write(place.folder.path().join("root"), text(keyring, "root")).unwrap();
        let handle = place.open().unwrap();
        let (generation, epochs) = handle.status();
        assert_eq!((generation, epochs.len()), (4, 3));
        let candidates = handle.candidates(text(case, "pan"));
        assert!(candidates.iter().any(|candidate| candidate == text(case, "token")));
        match text(case, "scheme") {
            "mac" => assert_eq!(handle.detokenize(text(case, "token")), Err(PANSEAL_E_IRREVERSIBLE)),
            _ => assert_eq!(handle.detokenize(text(case, "token")).as_deref(), Ok(text(case, "pan"))),
        }
        read += 1;
    }
    assert!(read >= 8);
}

#[test]
fn shapes_follow_the_vectors() {
    let vectors = vectors();
    let names = ["pan", "", "hex_token", "letters_token", "uuid", "mac"];
    for case in vectors["shapes"].as_array().unwrap() {
        let (mut shapes, mut slot) = (0, 0);
        let string = text(case, "text");
        // SAFETY: a text with its length, two places.
        let status = unsafe { panseal_classify(chars(string), string.len(), &mut shapes, &mut slot) };
        assert_eq!(status, PANSEAL_OK);
        for (bit, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            assert_eq!(shapes >> bit & 1 == 1, case[name].as_bool().unwrap(), "{string}: {name}");
        }
        assert_eq!(case["numeric_token"].as_u64().unwrap_or(0), u64::from(slot));
        assert_eq!(shapes & PANSEAL_SHAPE_NUMERIC_TOKEN != 0, slot != 0);
    }
    assert_eq!(vectors["shapes"].as_array().unwrap().len(), 10);
}

// ---- The life of a keyring. ----

#[test]
fn tokens_outlive_rotations_until_their_epoch_is_destroyed() {
    for (scheme, slots) in [("ff1:0+4", [1, 2, 3]), ("siv:letters", [0, 0, 0])] {
        let place = Place::new(scheme);
        let (handle, second) = (place.open().unwrap(), place.open().unwrap());
        let first = handle.tokenize(VISA).unwrap();
        assert_eq!(handle.rotate(), Ok(2));
        assert_eq!(handle.rotate(), Ok(3));
        assert!(second.refresh() && !second.refresh());
        let last = second.tokenize(VISA).unwrap();
        assert_ne!(first, last);
        let candidates = second.candidates(VISA);
        assert_eq!((candidates.len(), &candidates[0], &candidates[2]), (3, &last, &first));
        assert_eq!(handle.retokenize(&first).as_deref(), Ok(&last[..]));
        assert_eq!(handle.detokenize(&first).as_deref(), Ok(VISA));

        assert_eq!(handle.destroy(1, 0), PANSEAL_E_EPOCH, "not without saying so");
        assert_eq!(handle.destroy(1, 2), PANSEAL_E_ARGUMENT);
        assert_eq!(handle.destroy(3, PANSEAL_TOKENS_ARE_GONE), PANSEAL_E_EPOCH, "the active one");
        assert_eq!(handle.destroy(1, PANSEAL_TOKENS_ARE_GONE), PANSEAL_OK);
        let gone = if slots[0] == 0 { PANSEAL_E_TOKEN } else { PANSEAL_E_EPOCH };
        assert_eq!(handle.detokenize(&first), Err(gone));
        assert!(second.refresh());
        assert_eq!(second.detokenize(&first), Err(gone));
        let states = [PANSEAL_EPOCH_DESTROYED, PANSEAL_EPOCH_DECRYPT_ONLY, PANSEAL_EPOCH_ACTIVE];
        let epochs: Vec<_> =
            (1..).zip(states).zip(slots).map(|((id, state), slot)| (id, state, slot)).collect();
        assert_eq!(handle.status(), (4, epochs));

        let frees = if slots[0] == 0 { PANSEAL_E_ARGUMENT } else { PANSEAL_OK };
        assert_eq!(handle.free_slot(1), frees);
        assert_eq!(handle.free_slot(1), PANSEAL_E_ARGUMENT);
        for slot in [0, 10, 256 + 1, u32::MAX] {
            assert_eq!(handle.free_slot(slot), PANSEAL_E_ARGUMENT, "{slot}");
        }
        if slots[1] != 0 {
            assert_eq!(handle.free_slot(2), PANSEAL_E_EPOCH);
        }
    }
}

#[test]
fn an_older_copy_of_the_file_is_refused_by_its_generation() {
    let mut place = Place::new("siv");
    let handle = place.open().unwrap();
    let old = std::fs::read(place.keyring()).unwrap();
    handle.rotate().unwrap();
    place.min_generation = handle.status().0;
    assert!(place.open().is_ok());
    std::fs::write(place.keyring(), old).unwrap();
    assert_eq!(place.open().err(), Some((PANSEAL_E_TAMPERED, 0)));
    place.min_generation = -1;
    assert_eq!(place.open().err(), Some((PANSEAL_E_ARGUMENT, 0)));
}

#[test]
fn a_handle_that_never_detokenizes_still_makes_and_moves_tokens() {
    let mut place = Place::new("siv");
    let token = place.open().unwrap().tokenize(VISA).unwrap();
    place.flags = PANSEAL_OPEN_NO_REVEAL;
    let till = place.open().unwrap();
    assert_eq!(till.tokenize(VISA).as_deref(), Ok(&token[..]));
    assert_eq!(till.detokenize(&token), Err(PANSEAL_E_IRREVERSIBLE));
    let rows = till.many_back(&column(token.as_bytes(), 48), null(), null());
    assert_eq!(rows.result, PANSEAL_E_IRREVERSIBLE);
    assert_eq!(till.retokenize(&token).as_deref(), Ok(&token[..]));
}

#[test]
fn what_is_expected_of_a_number_is_held_against_it() {
    let handle = Place::new("ff1:0+3").open().err();
    assert_eq!(handle, Some((PANSEAL_E_DOMAIN, 0)));
    let place = Place::new("ff1:4+0");
    let handle = place.open().unwrap();
    let token = handle.tokenize(VISA).unwrap();
    // SAFETY: static texts.
    let name = |id| unsafe { std::ffi::CStr::from_ptr(panseal_network_name(id)) };
    let visa = (1..100).find(|id| name(*id) == c"VISA").unwrap();
    let other = if visa == 1 { 2 } else { 1 };
    let read = |network, last4| handle.detokenize_as(&token, &expect(network, last4));
    assert_eq!(read(0, "").as_deref(), Ok(VISA));
    assert_eq!(read(visa, "4242").as_deref(), Ok(VISA));
    assert_eq!(read(other, "4242"), Err(PANSEAL_E_TOKEN));
    assert_eq!(read(visa, "4243"), Err(PANSEAL_E_TOKEN));
    for (network, last4) in [(-1, ""), (255, ""), (256, ""), (0, "424"), (0, "42424")] {
        assert_eq!(read(network, last4), Err(PANSEAL_E_ARGUMENT), "{network} {last4}");
    }

    let tokens = [&token[..]; 4].concat();
    let last4 = b"42424243\x00\x00\x00\x004242";
    let network = [visa as u8, 0, 0, other as u8];
    let rows = handle.many_back(&column(tokens.as_bytes(), 16), last4.as_ptr().cast(), network.as_ptr());
    assert_eq!(rows.texts, [VISA, "", VISA, ""]);
    assert_eq!(rows.status, [0, PANSEAL_E_TOKEN, 0, PANSEAL_E_TOKEN]);
    let rows = handle.many_back(&column(tokens.as_bytes(), 16), null(), [0, 0, 0, 255].as_ptr());
    assert_eq!((rows.result, rows.status), (PANSEAL_E_ARGUMENT, vec![-1; 4]));
}

#[test]
fn each_row_of_a_batch_has_an_outcome_of_its_own() {
    let numbers = "4242424242424242   4242 4242 4242 4242378282246310005    \
                   4242424242424241                      42424242424x4242   ";
    let place = Place::new("ff1:0+4");
    let handle = place.open().unwrap();
    let rows = handle.many(&column(numbers.as_bytes(), 19), 19);
    let refused = [PANSEAL_E_LUHN, PANSEAL_E_MISSING, PANSEAL_E_CHARSET];
    assert_eq!((rows.result, &rows.status[..3], &rows.status[3..]), (PANSEAL_OK, &[0; 3][..], &refused[..]));
    assert_eq!(rows.texts[0], rows.texts[1]);
    assert_eq!(rows.texts[0], handle.tokenize(VISA).unwrap());
    assert_eq!(rows.texts[2], handle.tokenize(AMEX).unwrap());
    assert_eq!(rows.texts[3..], ["", "", ""]);

    // A column as narrow as some of the tokens; what it gives is read as it lies there.
    let narrow = handle.many(&column(numbers.as_bytes(), 19), 15);
    assert_eq!(narrow.status[..3], [PANSEAL_E_BUFFER, PANSEAL_E_BUFFER, 0]);
    let padded: String = rows.texts[..3].iter().map(|token| format!("{token:\0<19}")).collect();
    assert_eq!(handle.many_back(&column(padded.as_bytes(), 19), null(), null()).texts, [VISA, VISA, AMEX]);

    for (scheme, width) in [("ff1:0+4", 12), ("siv", 48), ("siv:letters", 48), ("mac", 64)] {
        let place = Place::new(scheme);
        let handle = place.open().unwrap();
        assert_eq!(handle.many(&column(VISA.as_bytes(), 16), width - 1).result, PANSEAL_E_BUFFER, "{scheme}");
        assert_eq!(handle.many(&column(VISA.as_bytes(), 16), width).result, PANSEAL_OK, "{scheme}");
    }
}

// ---- Roots. ----

/// A key store of the caller's: what it wraps is the key with every byte changed, under a lock that it can leave shut.
struct Store {
    mask: u8,
    answer: i32,
    length: Option<usize>,
    calls: std::sync::atomic::AtomicUsize,
}

impl Store {
    fn new(mask: u8) -> Store {
        Store { mask, answer: 0, length: None, calls: Default::default() }
    }

    fn userdata(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast()
    }
}

unsafe extern "C" fn store_fn(
    userdata: *mut c_void,
    _wrap: i32,
    _key_id: *const c_char,
    _context: *const c_char,
    from: *const u8,
    from_len: usize,
    out: *mut u8,
    out_len: *mut usize,
) -> i32 {
    // SAFETY: as the header says of a panseal_root_fn; userdata is a `Store`.
    unsafe {
        let store = &*userdata.cast::<Store>();
        store.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert!(*out_len >= from_len);
        for place in 0..from_len {
            out.add(place).write(from.add(place).read() ^ store.mask);
        }
        *out_len = store.length.unwrap_or(from_len);
        store.answer
    }
}

#[test]
fn a_root_that_is_a_function_serves_tokenizer_and_vault() {
    let mut store = Store::new(0x5a);
    let place = Place::with_fn("siv", Some(store_fn), store.userdata());
    let token = place.open().unwrap().tokenize(VISA).unwrap();
    assert_eq!(place.open().unwrap().detokenize(&token).as_deref(), Ok(VISA));
    assert!(store.calls.load(std::sync::atomic::Ordering::Relaxed) >= 3);

    let url = CString::new(format!("sqlite:{}", place.folder.path().join("cards.db").display())).unwrap();
    let open = |store: &mut Store| {
        let how = panseal_open_options {
            flags: PANSEAL_OPEN_CREATE,
            url: url.as_ptr(),
            root_fn: Some(store_fn),
            root_userdata: store.userdata(),
            ..init()
        };
        let mut vault = null_mut();
        // SAFETY: a struct whose pointers are good, a place for a handle.
        done(unsafe { panseal_vault_open(&how, &mut vault, null_mut()) }).map(|()| vault)
    };
    let card = panseal_card { number: panseal_text { ptr: chars(VISA), len: VISA.len() }, ..init() };
    let mut made: panseal_instrument = init();
    let vault = open(&mut store).unwrap();
    // SAFETY: structs that were initialised; a ticket.
    unsafe {
        assert_eq!(panseal_vault_tokenize(vault, &card, null(), &mut made, null_mut()), PANSEAL_OK);
        assert_eq!(panseal_vault_close(vault), PANSEAL_OK);
        let vault = open(&mut store).unwrap();
        let number = text_out(|out, cap, len| {
            let (token, why) = (made.token.as_ptr(), c"test".as_ptr());
            panseal_vault_detokenize(vault, token, 48, why, 4, out, cap, len, null_mut())
        });
        assert_eq!(number.as_deref(), Ok(VISA));
        assert_eq!(panseal_vault_close(vault), PANSEAL_OK);
    }
    assert_eq!(open(&mut Store::new(1)).err(), Some(PANSEAL_E_ROOT_KEY), "another key store");
}

#[test]
fn a_function_that_fails_or_lies_opens_nothing_and_makes_no_file() {
    for (change, expected) in [
        (Store { answer: 17, ..Store::new(1) }, (PANSEAL_E_CALLBACK, 17)),
        (Store { answer: -3, ..Store::new(1) }, (PANSEAL_E_CALLBACK, -3)),
        (Store { length: Some(0), ..Store::new(1) }, (PANSEAL_E_ROOT_KEY, 0)),
        (Store { length: Some(usize::MAX), ..Store::new(1) }, (PANSEAL_E_ROOT_KEY, 0)),
    ] {
        let mut store = change;
        let place = Place::with_fn("siv", Some(store_fn), store.userdata());
        assert_eq!(place.open().err(), Some(expected));
        assert!(!place.keyring().exists());
    }
    let mut store = Store::new(1);
    let mut place = Place::with_fn("siv", Some(store_fn), store.userdata());
    drop(place.open().unwrap());
    for (change, expected) in [
        (Store { answer: 17, ..Store::new(1) }, (PANSEAL_E_CALLBACK, 17)),
        (Store { length: Some(31), ..Store::new(1) }, (PANSEAL_E_ROOT_KEY, 0)),
        (Store { length: Some(33), ..Store::new(1) }, (PANSEAL_E_ROOT_KEY, 0)),
        (Store::new(2), (PANSEAL_E_ROOT_KEY, 0)),
    ] {
        let mut store = change;
        place.userdata = store.userdata();
        assert_eq!(place.open().err(), Some(expected));
    }
    place.userdata = store.userdata();
    assert!(place.open().is_ok());
    place.root = Some(place.uri("file", &["root"]));
    assert_eq!(place.open().err(), Some((PANSEAL_E_ARGUMENT, 0)), "a URI and a function");
    (place.root, place.root_fn) = (None, None);
    assert_eq!(place.open().err(), Some((PANSEAL_E_NULL, 0)), "neither");
}

#[test]
fn a_root_key_is_split_changed_and_given_to_a_function_without_touching_tokens() {
    let mut place = Place::new("siv");
    let handle = place.open().unwrap();
    let token = handle.tokenize(VISA).unwrap();
    let components = place.uri("components", &["a", "b", "c"]);
    // SAFETY: literals.
    let split =
        |from: &CString, to: &CString| unsafe { panseal_root_split(from.as_ptr(), to.as_ptr(), null_mut()) };
    let file = place.uri("file", &["root"]);
    assert_eq!(split(&file, &components), PANSEAL_OK);
    assert_eq!(split(&file, &components), PANSEAL_E_ROOT_KEY, "never overwritten");
    assert_eq!(split(&file, &place.uri("file", &["d"])), PANSEAL_E_ARGUMENT);
    assert_eq!(
        split(&place.uri("file", &["absent"]), &place.uri("components", &["d", "e"])),
        PANSEAL_E_ROOT_KEY
    );
    assert!(!place.folder.path().join("d").exists());
    place.root = Some(components);
    assert_eq!(place.open().unwrap().detokenize(&token).as_deref(), Ok(VISA));

    let mut store = Store::new(9);
    // SAFETY: a ticket, a literal or none, a function with its userdata, which outlives the handles.
    let change = |root: *const c_char, function: panseal_root_fn, store: &mut Store| unsafe {
        panseal_tokenizer_change_root(handle.0, root, function, store.userdata(), null_mut())
    };
    assert_eq!(change(null(), None, &mut store), PANSEAL_E_NULL);
    assert_eq!(change(null(), Some(store_fn), &mut store), PANSEAL_OK);
    assert_eq!(handle.detokenize(&token).as_deref(), Ok(VISA));
    assert_eq!(place.open().err(), Some((PANSEAL_E_ROOT_KEY, 0)), "the old root key");
    (place.root, place.userdata) = (None, store.userdata());
    place.root_fn = Some(store_fn);
    assert_eq!(place.open().unwrap().tokenize(VISA).as_deref(), Ok(&token[..]));
    assert_eq!(change(file.as_ptr(), None, &mut store), PANSEAL_OK);
    assert_eq!(handle.rotate(), Ok(2));
    assert_eq!(handle.detokenize(&token).as_deref(), Ok(VISA));
    drop(handle);
}
