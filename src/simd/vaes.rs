//! AES-256 and the rounds of FF1 for processors with VAES and AVX-512: Intel since Ice Lake, AMD since Zen 4.
//!
//! Four blocks lie in a register, and eight registers are under way at once, so that the AES unit is never idle: each
//! of its steps takes four cycles, and two can begin in each. Of FF1 everything but the blocks is done for eight
//! messages in a register.
#![cfg_attr(not(feature = "ff1"), allow(dead_code, reason = "lanes are for FF1 alone"))]
#![allow(clippy::incompatible_msrv, reason = "build.rs leaves this file out where the compiler is older")]

use super::aes256::{Block, LANES, Lanes};
use std::arch::x86_64::*;
use zeroize::Zeroize;

/// The round keys; wiped when dropped.
pub struct Keys([u128; KEYS]);

const KEYS: usize = 15;
/// How many registers of four blocks go through AES together.
const WIDE: usize = 8;

fn is_there() -> bool {
    is_x86_feature_detected!("aes")
        && is_x86_feature_detected!("vaes")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512ifma")
}

// SAFETY of all calls below: keys are made only where the processor has what this file uses.

impl Keys {
    /// Expands a key (FIPS 197, 5.2). `None` where the machine lacks something.
    pub fn new(key: &[u8; 32]) -> Option<Keys> {
        is_there().then(|| unsafe { expand(key) })
    }

    /// Encrypts a block.
    #[inline]
    pub fn encrypt(&self, block: u128) -> u128 {
        unsafe { encrypt_one(self, block) }
    }

    /// Encrypts blocks in their places.
    pub fn encrypt_many(&self, blocks: &mut [Block]) {
        unsafe { encrypt_many(self, blocks) }
    }

    /// Runs the first `count` lanes through FF1, or back.
    pub fn ff1(&self, lanes: &mut Lanes, count: usize, back: bool) {
        // Each direction gets loops of its own.
        if back {
            unsafe { ff1::<true>(self, lanes, count) }
        } else {
            unsafe { ff1::<false>(self, lanes, count) }
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[target_feature(enable = "aes")]
fn expand(key: &[u8; 32]) -> Keys {
    let mut keys = Keys([0; KEYS]);
    let (low, high) = key.split_at(16);
    for (place, half) in keys.0.iter_mut().zip([low, high]) {
        *place = half.first_chunk().map_or(0, |half| u128::from_ne_bytes(*half));
    }
    for place in 2..KEYS {
        let last = _mm_shuffle_epi32::<0xff>(vector(keys.0[place - 1]));
        let (word, constant) = if place % 2 == 0 {
            // RotWord: the byte that is lowest becomes the highest.
            (_mm_or_si128(_mm_srli_epi32::<8>(last), _mm_slli_epi32::<24>(last)), 1 << (place / 2 - 1))
        } else {
            (last, 0)
        };
        // With four times the same word, the last step of AES is nothing but SubWord and an addition.
        let word = _mm_aesenclast_si128(word, _mm_set1_epi32(constant));
        // Each word is the sum of all before it, and of that one.
        let mut sums = keys.0[place - 2];
        sums ^= sums << 32;
        sums ^= sums << 64;
        keys.0[place] = sums ^ number(word);
    }
    keys
}

#[inline]
#[target_feature(enable = "aes")]
fn vector(number: u128) -> __m128i {
    // SAFETY: both are sixteen bytes, of which all are values.
    unsafe { std::mem::transmute(number) }
}

#[inline]
#[target_feature(enable = "aes")]
fn number(vector: __m128i) -> u128 {
    // SAFETY: as above.
    unsafe { std::mem::transmute(vector) }
}

#[target_feature(enable = "aes,avx")]
fn encrypt_one(keys: &Keys, block: u128) -> u128 {
    let keys = &keys.0;
    let mut state = vector(block ^ keys[0]);
    for key in &keys[1..KEYS - 1] {
        state = _mm_aesenc_si128(state, vector(*key));
    }
    number(_mm_aesenclast_si128(state, vector(keys[KEYS - 1])))
}

#[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512ifma")]
fn encrypt_many(keys: &Keys, blocks: &mut [Block]) {
    for blocks in blocks.chunks_mut(4 * WIDE) {
        let mut states = [_mm512_setzero_si512(); WIDE];
        // Two words a block; those behind the last one are not touched.
        let masks: [__mmask8; WIDE] = std::array::from_fn(|place| {
            let here = blocks.len().saturating_sub(4 * place).min(4);
            ((1u16 << (2 * here)) - 1) as __mmask8
        });
        for (place, state) in states.iter_mut().enumerate() {
            let from = blocks.as_ptr().wrapping_add(4 * place).cast();
            // SAFETY: the mask has a bit for each word that there is.
            *state = unsafe { _mm512_maskz_loadu_epi64(masks[place], from) };
        }
        through(keys, &mut states);
        for (place, state) in states.into_iter().enumerate() {
            let to = blocks.as_mut_ptr().wrapping_add(4 * place).cast();
            // SAFETY: as above.
            unsafe { _mm512_mask_storeu_epi64(to, masks[place], state) };
        }
    }
}

/// All rounds of AES.
#[inline]
#[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512ifma")]
fn through(keys: &Keys, states: &mut [__m512i; WIDE]) {
    let key = |place: usize| _mm512_broadcast_i32x4(vector(keys.0[place]));
    for state in states.iter_mut() {
        *state = _mm512_xor_si512(*state, key(0));
    }
    for round in 1..KEYS - 1 {
        for state in states.iter_mut() {
            *state = _mm512_aesenc_epi128(*state, key(round));
        }
    }
    for state in states.iter_mut() {
        *state = _mm512_aesenclast_epi128(*state, key(KEYS - 1));
    }
}

/// How many messages lie in the blocks that go through AES together.
const TOGETHER: usize = 4 * WIDE;
const ROUNDS: usize = 10;

/// 10 to the number of digits of a half, which is 3 to 7.
const POWERS: [u64; 8] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];

const RECIPROCALS: [u64; 8] = {
    let mut all = [0; 8];
    let mut digits = 1;
    while digits < all.len() {
        all[digits] = (1 << 52) / POWERS[digits];
        digits += 1;
    }
    all
};
const FOLDS: [u64; 8] = {
    let mut all = [0; 8];
    let mut digits = 0;
    while digits < all.len() {
        all[digits] = (1 << 48) % POWERS[digits];
        digits += 1;
    }
    all
};
/// What a round counts for: halves of up to four digits take two bytes, others three.
const STEPS: [u64; 8] = [1 << 16, 1 << 16, 1 << 16, 1 << 16, 1 << 16, 1 << 24, 1 << 24, 1 << 24];

/// Eight messages under way. Of each two neighbours, the second lies in the second of the two registers of blocks.
#[derive(Clone, Copy)]
struct Eight {
    a: __m512i,
    b: __m512i,
    bases: [__m512i; 2],
    /// 10 to the number of digits of the first and of the second half.
    moduli: [Moduli; 2],
    /// The number of the round, where it stands in a block in front of the half, and what one more adds to it.
    round: __m512i,
    step: __m512i,
}

/// Eight moduli, and what it takes to divide by them without a division.
#[derive(Clone, Copy)]
struct Moduli {
    values: __m512i,
    /// 2^52 over the modulus.
    reciprocals: __m512i,
    /// 2^48 mod the modulus.
    folds: __m512i,
}

#[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512ifma")]
fn ff1<const BACK: bool>(keys: &Keys, lanes: &mut Lanes, count: usize) {
    const EIGHTS: usize = TOGETHER / 8;
    // Two loads of AES at a time: while one ends, the other begins.
    let mut all = [[Eight::none(); EIGHTS]; LANES / TOGETHER];
    let loads = count.div_ceil(TOGETHER).min(all.len());
    for (place, eight) in all[..loads].as_flattened_mut().iter_mut().enumerate() {
        *eight = Eight::of::<BACK>(lanes, 8 * place);
    }
    for round in 0..ROUNDS {
        // Forwards the first round works on the first half, backwards on the second.
        let half = if BACK { (ROUNDS - 1 - round) % 2 } else { round % 2 };
        for eights in &mut all[..loads] {
            let mut states = [_mm512_setzero_si512(); WIDE];
            for (eight, blocks) in eights.iter_mut().zip(states.chunks_exact_mut(2)) {
                [blocks[0], blocks[1]] = eight.input::<BACK>();
            }
            through(keys, &mut states);
            for (eight, blocks) in eights.iter_mut().zip(states.chunks_exact(2)) {
                eight.take::<BACK>(half, blocks[0], blocks[1]);
            }
        }
    }
    for (eight, values) in all[..loads].as_flattened_mut().iter_mut().zip(lanes.values.chunks_exact_mut(8)) {
        let value = _mm512_madd52lo_epu64(eight.b, eight.a, eight.moduli[1].values);
        // SAFETY: eight words are written; and a place of our own, which is wiped though nobody reads it.
        unsafe {
            _mm512_storeu_si512(values.as_mut_ptr().cast(), value);
            std::ptr::write_volatile(&raw mut eight.a, _mm512_setzero_si512());
            std::ptr::write_volatile(&raw mut eight.b, _mm512_setzero_si512());
        }
    }
}

impl Eight {
    #[inline]
    #[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512ifma")]
    fn none() -> Eight {
        let zero = _mm512_setzero_si512();
        let none = Moduli { values: zero, reciprocals: zero, folds: zero };
        Eight { a: zero, b: zero, bases: [zero; 2], moduli: [none; 2], round: zero, step: zero }
    }

    /// The messages from `start` on.
    #[inline]
    #[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512ifma")]
    fn of<const BACK: bool>(lanes: &Lanes, start: usize) -> Eight {
        let (values, digits) = (&lanes.values[start..start + 8], &lanes.digits[start..start + 8]);
        let bases = &lanes.bases[start..start + 8];
        // SAFETY: eight words are read of each, and eight blocks.
        let (value, digits, front, rear) = unsafe {
            (
                _mm512_loadu_si512(values.as_ptr().cast()),
                _mm512_loadu_si512(digits.as_ptr().cast()),
                _mm512_loadu_si512(bases.as_ptr().cast()),
                _mm512_loadu_si512(bases.as_ptr().add(4).cast()),
            )
        };
        let u = _mm512_srli_epi64::<1>(digits);
        let v = _mm512_sub_epi64(digits, u);
        let moduli = [Moduli::of(u), Moduli::of(v)];
        let (a, b) = moduli[1].divide(value);
        let step = look_up(&STEPS, v);
        let last = _mm512_mullox_epi64(step, _mm512_set1_epi64(ROUNDS as i64 - 1));
        Eight {
            a,
            b,
            bases: [
                _mm512_shuffle_i64x2::<0b10_00_10_00>(front, rear),
                _mm512_shuffle_i64x2::<0b11_01_11_01>(front, rear),
            ],
            moduli,
            round: if BACK { last } else { _mm512_setzero_si512() },
            step,
        }
    }

    /// What goes through AES in a round: its number and the half that stays, over the base.
    #[inline]
    #[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512ifma")]
    fn input<const BACK: bool>(&mut self) -> [__m512i; 2] {
        let stays = if BACK { self.a } else { self.b };
        // The number has up to four bytes, which become the last four of a block.
        let word = turned(_mm512_or_si512(self.round, stays));
        let next = if BACK { _mm512_sub_epi64 } else { _mm512_add_epi64 };
        self.round = next(self.round, self.step);
        let zero = _mm512_setzero_si512();
        [
            _mm512_xor_si512(self.bases[0], _mm512_unpacklo_epi64(zero, word)),
            _mm512_xor_si512(self.bases[1], _mm512_unpackhi_epi64(zero, word)),
        ]
    }

    /// Adds or subtracts what came out of AES, and swaps the halves.
    #[inline]
    #[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512ifma")]
    fn take<const BACK: bool>(&mut self, half: usize, front: __m512i, rear: __m512i) {
        let moduli = self.moduli[half];
        let y = moduli.remainder(turned(_mm512_unpacklo_epi64(front, rear)));
        // Of the sum and of what is a modulus away from it, the lower one is right: below zero is beyond all.
        (self.a, self.b) = if BACK {
            let difference = _mm512_sub_epi64(self.b, y);
            (_mm512_min_epu64(difference, _mm512_add_epi64(difference, moduli.values)), self.a)
        } else {
            (self.b, moduli.reduced(_mm512_add_epi64(self.a, y)))
        };
    }
}

impl Moduli {
    #[inline]
    #[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512ifma")]
    fn of(digits: __m512i) -> Moduli {
        Moduli {
            values: look_up(&POWERS, digits),
            reciprocals: look_up(&RECIPROCALS, digits),
            folds: look_up(&FOLDS, digits),
        }
    }

    /// Any number mod the modulus.
    #[inline]
    #[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512ifma")]
    fn remainder(self, number: __m512i) -> __m512i {
        // The upper 16 bits count for what their unit leaves: below 2^48 + 2^40 in all.
        let low = _mm512_and_si512(number, _mm512_set1_epi64((1 << 48) - 1));
        let folded = _mm512_madd52lo_epu64(low, _mm512_srli_epi64::<48>(number), self.folds);
        self.divide(folded).1
    }

    /// Quotient and remainder of a number below 2^52.
    #[inline]
    #[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512ifma")]
    fn divide(self, number: __m512i) -> (__m512i, __m512i) {
        let zero = _mm512_setzero_si512();
        // Right, or one too small.
        let quotient = _mm512_madd52hi_epu64(zero, number, self.reciprocals);
        let rest = _mm512_sub_epi64(number, _mm512_madd52lo_epu64(zero, quotient, self.values));
        let short = _mm512_cmpge_epu64_mask(rest, self.values);
        let quotient = _mm512_mask_add_epi64(quotient, short, quotient, _mm512_set1_epi64(1));
        (quotient, self.reduced(rest))
    }

    /// A number below twice the modulus mod the modulus.
    #[inline]
    #[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512ifma")]
    fn reduced(self, number: __m512i) -> __m512i {
        _mm512_min_epu64(number, _mm512_sub_epi64(number, self.values))
    }
}

/// The entries of a table for eight places below eight.
#[inline]
#[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512ifma")]
fn look_up(table: &[u64; 8], places: __m512i) -> __m512i {
    // SAFETY: eight words are read.
    _mm512_permutexvar_epi64(places, unsafe { _mm512_loadu_si512(table.as_ptr().cast()) })
}

/// Eight words with their bytes the other way round.
#[inline]
#[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512ifma")]
fn turned(words: __m512i) -> __m512i {
    _mm512_shuffle_epi8(words, _mm512_set4_epi32(0x0809_0a0b, 0x0c0d_0e0f, 0x0001_0203, 0x0405_0607))
}
