//! Tokens a second, beside the crates that one would take instead: `cargo run --release`.
//!
//! Both sides of a line work on the same thousand card numbers, in one run, by turns. Ours is the public call, with all
//! it checks; theirs is the bare primitive with its key made ready beforehand.

use aes::Aes256;
use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use fpe::ff1::{FF1, FlexibleNumeralString};
use hmac::{Hmac, Mac};
use panseal::card::{Pan, Separators, residue};
use panseal::keys::keyring::Sources;
use panseal::keys::{KeyTable, Keyring, Root};
use panseal::tokenizer::{Expect, Tokenizer, TokenizerOptions};
use sha2::Sha256;
use std::hint::black_box;
use std::time::Duration;

const COUNT: usize = 1000;
const SAMPLES: usize = 51;
const SAMPLE: Duration = Duration::from_millis(3);

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let root = format!("file:{}", folder.path().join("root").display());
    Root::create(&root).unwrap();
    let root = Root::parse(&root).unwrap();
    let open = |scheme: &str| {
        let path = folder.path().join("keyring");
        let options = TokenizerOptions::new(scheme.parse().unwrap(), &path, root.clone());
        Tokenizer::open(&TokenizerOptions { create: true, ..options }).unwrap()
    };
    let ff1 = open("ff1:0+4");
    let texts: Vec<Vec<u8>> = (0..COUNT as u64).map(number).collect();
    let pans: Vec<Pan> =
        texts.iter().map(|text| Pan::parse(text, Separators::Refused).ok().unwrap()).collect();

    let fpe = FF1::<Aes256>::new(&[7; 32], 10).unwrap();
    let hidden = |text: &Vec<u8>| {
        FlexibleNumeralString::from(
            text[..11].iter().map(|digit| u16::from(digit - b'0')).collect::<Vec<_>>(),
        )
    };
    let numerals: Vec<FlexibleNumeralString> = texts.iter().map(hidden).collect();
    let mut theirs = || {
        for numerals in &numerals {
            black_box(fpe.encrypt(&[1; 12], black_box(numerals)).unwrap());
        }
    };
    println!("{:<44} {:>9} {:>9} {:>7}  goal", "per number", "ours ns", "theirs ns", "ratio");
    compare(
        "ff1:0+4, 16 digits, one / crate fpe",
        "7x",
        each(&pans, |pan| ff1.tokenize(pan).unwrap()),
        &mut theirs,
    );
    compare("ff1:0+4, 16 digits, many / crate fpe", "60x", many(&ff1, &texts), &mut theirs);
    let tokens = all(&ff1, &texts);
    compare("ff1:0+4 back, one / crate fpe", "7x", back(&ff1, &tokens), &mut theirs);
    compare("ff1:0+4 back, many / crate fpe", "60x", many_back(&ff1, &tokens), &mut theirs);

    let mut siv_crate = Aes256Siv::new(&[7; 64].into());
    let mut theirs = || {
        for text in &texts {
            let rank: &[u8; 8] = black_box(text.first_chunk().unwrap());
            black_box(siv_crate.encrypt([b"panseal/siv/1"], rank).unwrap());
        }
    };
    let siv = open("siv");
    compare("siv, one / crate aes-siv", "3x", each(&pans, |pan| siv.tokenize(pan).unwrap()), &mut theirs);
    compare("siv, many / crate aes-siv", "3x", many(&siv, &texts), &mut theirs);
    let tokens = all(&siv, &texts);
    compare("siv back, one / crate aes-siv", "3x", back(&siv, &tokens), &mut theirs);
    compare("siv back, many / crate aes-siv", "3x", many_back(&siv, &tokens), &mut theirs);

    let hmac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
    let mut theirs = || {
        for text in &texts {
            let mac = hmac.clone().chain_update(b"panseal/mac/1").chain_update(black_box(text));
            black_box(mac.finalize());
        }
    };
    let mac = open("mac");
    compare(
        "mac, one / crate hmac, key cached",
        "1x",
        each(&pans, |pan| mac.tokenize(pan).unwrap()),
        &mut theirs,
    );
    let key = root.fetch().unwrap();
    let table = KeyTable::new(&key, 0).unwrap();
    let sources = Sources { roots: std::slice::from_ref(&root), previous: None, commitment: None };
    let keyring = Keyring::load(&table, &sources).unwrap();
    compare(
        "fingerprint / crate hmac, key cached",
        "1x",
        each(&pans, |pan| keyring.fingerprint("", pan).unwrap()),
        &mut theirs,
    );
}

/// A valid Visa number, its digits scattered.
fn number(seed: u64) -> Vec<u8> {
    let scattered = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 100_000_000_000_000;
    let digits = (0..10).map(|check| format!("4{scattered:014}{check}").into_bytes());
    digits.into_iter().find(|digits| residue(digits) == Some(0)).unwrap()
}

fn each<'p, R>(pans: &'p [Pan], work: impl Fn(&Pan) -> R + 'p) -> impl FnMut() + 'p {
    move || pans.iter().for_each(|pan| drop(black_box(work(black_box(pan)))))
}

fn many<'t>(tokenizer: &'t Tokenizer, texts: &'t [Vec<u8>]) -> impl FnMut() + 't {
    move || {
        let rows = texts.iter().map(|text| &text[..]);
        tokenizer
            .tokenize_many(rows, Separators::Refused, |_, token| {
                black_box(token.unwrap());
            })
            .unwrap();
    }
}

fn all(tokenizer: &Tokenizer, texts: &[Vec<u8>]) -> Vec<String> {
    let mut tokens = Vec::new();
    let rows = texts.iter().map(|text| &text[..]);
    tokenizer
        .tokenize_many(rows, Separators::Refused, |_, token| tokens.push(token.unwrap().to_string()))
        .unwrap();
    tokens
}

fn back<'t>(tokenizer: &'t Tokenizer, tokens: &'t [String]) -> impl FnMut() + 't {
    move || {
        for token in tokens {
            black_box(tokenizer.detokenize(token.as_bytes(), &Expect::default()).unwrap());
        }
    }
}

fn many_back<'t>(tokenizer: &'t Tokenizer, tokens: &'t [String]) -> impl FnMut() + 't {
    move || {
        let rows = tokens.iter().map(|token| (token.as_bytes(), Expect::default()));
        tokenizer
            .detokenize_many(rows, |_, pan| {
                black_box(pan.unwrap().len());
            })
            .unwrap();
    }
}

/// The best of samples that are taken by turns: other work on the machine only ever makes one slower.
fn compare(what: &str, goal: &str, mut ours: impl FnMut(), theirs: &mut impl FnMut()) {
    // `cargo run --release -- many` runs those lines alone.
    if std::env::args().nth(1).is_some_and(|wanted| !what.contains(&wanted)) {
        return;
    }
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        our_times.push(sample(&mut ours));
        their_times.push(sample(theirs));
    }
    let (ours, theirs) = (best(our_times), best(their_times));
    println!("{what:<44} {ours:>9.1} {theirs:>9.1} {:>6.1}x  {goal}", theirs / ours);
}

fn sample(work: &mut impl FnMut()) -> f64 {
    let start = own_time();
    let mut rounds = 0;
    while rounds == 0 || own_time() - start < SAMPLE {
        work();
        rounds += 1;
    }
    (own_time() - start).as_nanos() as f64 / (rounds * COUNT) as f64
}

/// The time that this thread has had of a processor: what others do meanwhile is not in it.
fn own_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is written to a place of its own.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "this system tells no time of threads");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn best(times: Vec<f64>) -> f64 {
    times.into_iter().fold(f64::INFINITY, f64::min)
}
