//! FF1 for any radix, length, tweak and AES key, to run the published vectors: digit by digit, for reading.
//!
//! It shares P and the number of rounds with the one that card numbers go through, and a test compares the two.

use super::ff1::{ROUNDS, head_block};
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};

/// AES with a key of 16, 24 or 32 bytes.
pub(super) enum Cipher {
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
}

impl Cipher {
    pub(super) fn new(key: &[u8]) -> Option<Cipher> {
        match key.len() {
            16 => Aes128Enc::new_from_slice(key).ok().map(Cipher::Aes128),
            24 => Aes192Enc::new_from_slice(key).ok().map(Cipher::Aes192),
            32 => Aes256Enc::new_from_slice(key).ok().map(Cipher::Aes256),
            _ => None,
        }
    }

    fn encrypt(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        match self {
            Cipher::Aes128(aes) => aes.encrypt_block(&mut block),
            Cipher::Aes192(aes) => aes.encrypt_block(&mut block),
            Cipher::Aes256(aes) => aes.encrypt_block(&mut block),
        }
        block.into()
    }

    /// CBC-MAC over whole blocks.
    fn prf(&self, data: &[u8]) -> [u8; 16] {
        data.chunks_exact(16).fold([0; 16], |state, chunk| {
            self.encrypt(std::array::from_fn(|place| state[place] ^ chunk[place]))
        })
    }
}

/// Encrypts or decrypts numerals; `None` where the standard has no answer: a numeral out of range, or a domain below
/// a hundred.
pub(super) fn ff1(
    cipher: &Cipher,
    radix: u32,
    tweak: &[u8],
    text: &[u32],
    encrypt: bool,
) -> Option<Vec<u32>> {
    let n = text.len();
    let small = n < 2 || f64::from(radix).powi(n as i32) < 100.0;
    if small || text.iter().any(|numeral| *numeral >= radix) {
        return None;
    }
    let u = n / 2;
    let (mut a, mut b) = (text[..u].to_vec(), text[u..].to_vec());
    let b_len = to_bytes(&vec![radix - 1; n - u], radix).len();
    let d = 4 * b_len.div_ceil(4) + 4;
    for step in 0..ROUNDS {
        let round = if encrypt { step } else { ROUNDS - 1 - step };
        let stays = if encrypt { &b } else { &a };
        let y = y_bytes(
            cipher,
            &head_block(radix, u, n, tweak.len()),
            tweak,
            round,
            &padded(stays, radix, b_len),
            d,
        );
        let m = if round % 2 == 0 { u } else { n - u };
        if encrypt {
            let c = combine(&a, &y, radix, m, false);
            a = std::mem::replace(&mut b, c);
        } else {
            let c = combine(&b, &y, radix, m, true);
            b = std::mem::replace(&mut a, c);
        }
    }
    Some([a, b].concat())
}

/// S of the standard: as many bytes of the PRF's key stream as y takes.
fn y_bytes(cipher: &Cipher, head: &[u8; 16], tweak: &[u8], round: u8, half: &[u8], d: usize) -> Vec<u8> {
    let mut q = head.to_vec();
    q.extend_from_slice(tweak);
    let unpadded = tweak.len() + half.len() + 1;
    q.resize(q.len() + (16 - unpadded % 16) % 16, 0);
    q.push(round);
    q.extend_from_slice(half);
    let r = cipher.prf(&q);
    let mut s = r.to_vec();
    for j in 1..d.div_ceil(16) as u128 {
        s.extend(cipher.encrypt((u128::from_be_bytes(r) ^ j).to_be_bytes()));
    }
    s.truncate(d);
    s
}

/// (numerals + y) mod radix^m, or minus.
fn combine(numerals: &[u32], y: &[u8], radix: u32, m: usize, minus: bool) -> Vec<u32> {
    let y = to_numerals(y, radix, m);
    let mut out = vec![0; m];
    let mut carry = i64::from(0u8);
    for place in (0..m).rev() {
        let (own, other) = (i64::from(numerals[place]), i64::from(y[place]));
        let sum = if minus { own - other } else { own + other } + carry;
        out[place] = sum.rem_euclid(i64::from(radix)) as u32;
        carry = sum.div_euclid(i64::from(radix));
    }
    out
}

/// A big-endian number mod radix^m, in numerals.
fn to_numerals(bytes: &[u8], radix: u32, m: usize) -> Vec<u32> {
    let mut out = vec![0u32; m];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for numeral in out.iter_mut().rev() {
            let value = *numeral * 256 + carry;
            (*numeral, carry) = (value % radix, value / radix);
        }
    }
    out
}

/// Numerals as a big-endian number without leading zeros.
fn to_bytes(numerals: &[u32], radix: u32) -> Vec<u8> {
    let mut little: Vec<u8> = Vec::new();
    for numeral in numerals {
        let mut carry = *numeral;
        for byte in &mut little {
            let value = u32::from(*byte) * radix + carry;
            (*byte, carry) = (value as u8, value >> 8);
        }
        while carry > 0 {
            little.push(carry as u8);
            carry >>= 8;
        }
    }
    little.reverse();
    little
}

fn padded(numerals: &[u32], radix: u32, len: usize) -> Vec<u8> {
    let bytes = to_bytes(numerals, radix);
    [vec![0; len - bytes.len()], bytes].concat()
}

mod tests {
    use super::*;
    use crate::scheme::ff1::Ff1Key;
    use crate::scheme::message::{Direction, MAX_DIGITS, MIN_DIGITS, Message, TWEAK_LEN};
    use proptest::prelude::*;
    use serde_json::Value;

    fn vectors(path: &str) -> Value {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(path);
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn hex(text: &Value) -> Vec<u8> {
        let text = text.as_str().unwrap().as_bytes();
        let mut out = vec![0; text.len() / 2];
        base16ct::mixed::decode(text, &mut out).unwrap();
        out
    }

    #[test]
    fn nists_nine_samples_come_out() {
        let vectors = vectors("nist/ff1_samples.json");
        let samples = vectors["samples"].as_array().unwrap();
        assert_eq!(samples.len(), 9);
        for sample in samples {
            let numerals = |name: &str| -> Vec<u32> {
                sample[name]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|numeral| numeral.as_u64().unwrap() as u32)
                    .collect()
            };
            let cipher = Cipher::new(&hex(&sample["key"])).unwrap();
            let (radix, tweak) = (sample["radix"].as_u64().unwrap() as u32, hex(&sample["tweak"]));
            let run = |text: &[u32], encrypt| ff1(&cipher, radix, &tweak, text, encrypt).unwrap();
            assert_eq!(run(&numerals("pt"), true), numerals("ct"), "{}", sample["sample"]);
            assert_eq!(run(&numerals("ct"), false), numerals("pt"), "{}", sample["sample"]);
        }
    }

    #[test]
    fn wycheproofs_cases_come_out_and_its_invalid_ones_are_refused() {
        let vectors = vectors("wycheproof/aes_ff1_base10.json");
        let (mut valid, mut invalid) = (0, 0);
        for group in vectors["testGroups"].as_array().unwrap() {
            for case in group["tests"].as_array().unwrap() {
                let digits = |name: &str| -> Option<Vec<u32>> {
                    case[name].as_str().unwrap().chars().map(|char| char.to_digit(10)).collect()
                };
                let cipher = Cipher::new(&hex(&case["key"]));
                let run = |text: Option<Vec<u32>>, encrypt| {
                    ff1(cipher.as_ref()?, 10, &hex(&case["tweak"]), &text?, encrypt)
                };
                if case["result"] == "valid" {
                    assert_eq!(run(digits("msg"), true), digits("ct"), "{}", case["tcId"]);
                    assert_eq!(run(digits("ct"), false), digits("msg"), "{}", case["tcId"]);
                    valid += 1;
                } else {
                    assert_eq!(run(digits("msg"), true), None, "{}", case["tcId"]);
                    invalid += 1;
                }
            }
        }
        assert_eq!(valid + invalid, vectors["numberOfTests"].as_u64().unwrap());
        assert!(valid > 3000 && invalid > 100, "{valid} valid, {invalid} invalid");
    }

    fn to_digits(mut value: u64, digits: usize) -> Vec<u32> {
        let mut out = vec![0; digits];
        for digit in out.iter_mut().rev() {
            *digit = (value % 10) as u32;
            value /= 10;
        }
        out
    }

    proptest! {
        #[test]
        fn card_numbers_go_through_the_same_ff1(
            key: [u8; 32], tweak: [u8; TWEAK_LEN], any: u64, digits in MIN_DIGITS..=MAX_DIGITS,
        ) {
            let value = any % 10u64.pow(digits as u32);
            let message = Message { value, digits, tweak };
            let plain = ff1(&Cipher::new(&key).unwrap(), 10, &tweak, &to_digits(value, digits), true).unwrap();
            for fast in Ff1Key::of_this_machine(&key) {
                let secret = fast.run(Direction::Encrypt, &message);
                prop_assert_eq!(&to_digits(secret, digits), &plain);
                prop_assert_eq!(fast.run(Direction::Decrypt, &Message { value: secret, ..message }), value);
            }
        }

        #[test]
        fn a_batch_gives_what_single_calls_give(
            key: [u8; 32], count in 0..200usize, seed: u64, decrypt: bool,
        ) {
            let direction = if decrypt { Direction::Decrypt } else { Direction::Encrypt };
            let messages: Vec<Message> = (0..count as u64).map(|place| {
                let any = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(place as u32 % 64).wrapping_add(place);
                let digits = MIN_DIGITS + (any % 9) as usize;
                let tweak = std::array::from_fn(|byte| (any >> (byte % 8)) as u8);
                Message { value: any % 10u64.pow(digits as u32), digits, tweak }
            }).collect();
            for fast in Ff1Key::of_this_machine(&key) {
                let single: Vec<u64> = messages.iter().map(|message| fast.run(direction, message)).collect();
                let mut messages = messages.clone();
                fast.run_many(direction, &mut messages);
                prop_assert_eq!(messages.iter().map(|message| message.value).collect::<Vec<_>>(), single);
            }
        }
    }
}
