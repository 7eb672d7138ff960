//! What a tokenizer costs through the C ABI, beside the same work in Rust: `cargo run --release --bin border`.
//!
//! All sides of a line read a number out of a text and write its token to a buffer, by turns, in processor time of the
//! thread. The C side is called through a pointer, as from a program that was linked with the library. The side between
//! is the work in Rust with the stack wiped after it, as deep as the border does: what the wipe takes of the whole.

use panseal::capi::library::{panseal_abi, panseal_error, panseal_status, panseal_struct_init};
use panseal::capi::tokenizer::{
    panseal_open_options, panseal_tokenizer, panseal_tokenizer_close, panseal_tokenizer_detokenize,
    panseal_tokenizer_open, panseal_tokenizer_tokenize,
};
use panseal::card::{Pan, Separators};
use panseal::keys::Root;
use panseal::secret::stack;
use panseal::tokenizer::{Expect, Tokenizer, TokenizerOptions};
use std::ffi::CString;
use std::hint::black_box;
use std::ptr::{null, null_mut};
use std::time::Duration;

const NUMBER: &[u8] = b"4242424242424242";
const CALLS: u32 = 2_000;
const SAMPLES: usize = 1001;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let root = format!("file:{}", folder.path().join("root").display());
    Root::create(&root).unwrap();
    let abi: extern "C" fn() -> u32 = black_box(panseal_abi);
    let mut call = || {
        black_box(abi());
    };
    sample(&mut call);
    let empty = sample(&mut call);
    println!("an empty C call {empty:.1} ns; a token's call wipes {} bytes of stack", stack::SHALLOW);
    println!("{:<22} {:>8} {:>8} {:>8} {:>14}", "ns a call", "Rust", "C", "more", "less the wipe");
    for scheme in ["ff1:0+4", "siv", "mac"] {
        let keyring = folder.path().join(scheme.replace(':', "-"));
        let options = TokenizerOptions::new(scheme.parse().unwrap(), &keyring, Root::parse(&root).unwrap());
        let in_rust = Tokenizer::open(&TokenizerOptions { create: true, ..options }).unwrap();
        let in_c = open(scheme, keyring.to_str().unwrap(), &root);
        let mut token = [0u8; 64];
        let mut ours = || {
            let pan = Pan::parse(black_box(NUMBER), Separators::Dropped).ok().unwrap();
            let made = in_rust.tokenize(&pan).unwrap();
            let bytes = made.as_bytes();
            black_box(&mut token)[..bytes.len()].copy_from_slice(bytes);
        };
        let (mut room, mut len) = ([0u8; 64], 0);
        let mut through_c = || {
            // SAFETY: a ticket, a text with its length, a room with its size, a place for a length.
            let status = unsafe {
                let call = black_box(panseal_tokenizer_tokenize as Tokenize);
                let (number, out) = (NUMBER.as_ptr().cast(), black_box(&mut room).as_mut_ptr().cast());
                call(in_c, number, NUMBER.len(), out, 64, &mut len, null_mut())
            };
            assert_eq!(status, 0);
        };
        compare(&format!("{scheme}, tokenize"), &mut ours, &mut through_c);
        if scheme != "mac" {
            let token = &room[..len];
            let mut digits = [0u8; 19];
            let mut ours = || {
                let pan = in_rust.detokenize(black_box(token), &Expect::default()).unwrap();
                black_box(&mut digits)[..pan.len()].copy_from_slice(pan.digits());
            };
            let (mut out, mut out_len) = ([0u8; 19], 0);
            let mut through_c = || {
                let (text, out) = (token.as_ptr().cast(), black_box(&mut out).as_mut_ptr().cast());
                // SAFETY: as above.
                let status = unsafe {
                    panseal_tokenizer_detokenize(
                        in_c,
                        text,
                        token.len(),
                        null(),
                        out,
                        19,
                        &mut out_len,
                        null_mut(),
                    )
                };
                assert_eq!(status, 0);
            };
            compare(&format!("{scheme}, detokenize"), &mut ours, &mut through_c);
        }
        // SAFETY: a ticket.
        assert_eq!(unsafe { panseal_tokenizer_close(in_c) }, 0);
    }
}

type Tokenize = unsafe extern "C" fn(
    *mut panseal_tokenizer,
    *const std::ffi::c_char,
    usize,
    *mut std::ffi::c_char,
    usize,
    *mut usize,
    *mut panseal_error,
) -> panseal_status;

fn open(scheme: &str, keyring: &str, root: &str) -> *mut panseal_tokenizer {
    let texts = [scheme, keyring, root].map(|text| CString::new(text).unwrap());
    let mut how = std::mem::MaybeUninit::<panseal_open_options>::zeroed();
    let mut tokenizer = null_mut();
    // SAFETY: a struct of the C ABI, of which zeros are a value; literals that live as long as the call.
    unsafe {
        panseal_struct_init(how.as_mut_ptr().cast(), size_of::<panseal_open_options>());
        let mut how = how.assume_init();
        (how.scheme, how.url, how.root) = (texts[0].as_ptr(), texts[1].as_ptr(), texts[2].as_ptr());
        assert_eq!(panseal_tokenizer_open(&how, &mut tokenizer, null_mut()), 0);
    }
    tokenizer
}

/// All by turns, so that a processor that grows slow or fast for a while does so for all: the medians, and those of the
/// differences of neighbours.
fn compare(what: &str, ours: &mut impl FnMut(), through_c: &mut impl FnMut()) {
    let samples: Vec<[f64; 3]> = (0..SAMPLES)
        .map(|_| {
            let in_rust = sample(ours);
            let wiped = sample(&mut || stack::wipe_after::<{ stack::SHALLOW }, _>(&mut *ours));
            [in_rust, wiped, sample(through_c)]
        })
        .collect();
    let middle = |of: fn(&[f64; 3]) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[SAMPLES / 2]
    };
    let (rust, c) = (middle(|side| side[0]), middle(|side| side[2]));
    let (more, less) = (middle(|side| side[2] - side[0]), middle(|side| side[2] - side[1]));
    println!("{what:<22} {rust:>8.1} {c:>8.1} {more:>8.1} {less:>14.1}");
}

/// Nanoseconds a call.
fn sample(work: &mut impl FnMut()) -> f64 {
    let start = own_time();
    for _ in 0..CALLS {
        work();
    }
    (own_time() - start).as_nanos() as f64 / f64::from(CALLS)
}

/// The time that this thread has had of a processor: what others do meanwhile is not in it.
fn own_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is written to a place of its own.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "this system tells no time of threads");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
