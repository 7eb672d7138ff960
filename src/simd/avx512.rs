//! The path for processors with AVX-512 and its byte instructions (VBMI2): Intel since Ice Lake, AMD since Zen 4.
//!
//! Masked loads read exactly the bytes of a text, whatever its length, and a compress drops its separators, so that
//! one straight line of instructions serves every number.
#![allow(clippy::incompatible_msrv, reason = "build.rs leaves this file out where the compiler is older")]
#![allow(unused_unsafe, reason = "whether prefetching asks for unsafe depends on the compiler's version")]

use super::{
    Entries, FEWEST, MANY, Offset, Reading, Sheet, Sixteens, WIDE, fixed_texts, form, offset_texts, plain,
};
use std::arch::x86_64::*;

/// Whether the machine has all that this path uses.
pub fn is_there() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
}

/// The bytes of a text that are read at once. A longer one, which is mostly separators, goes the plain way.
const ROOM: usize = 32;

/// Twice a digit, less 9 where that exceeds 9.
const TWICE: [u8; 16] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9, 0, 0, 0, 0, 0, 0];

/// Numbers to the multiply-and-add instructions: neighbours become a number of two digits, then of four.
const TEN_ONE: i16 = 0x010a;
const HUNDRED_ONE: i32 = 0x0001_0064;

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
pub fn read(text: &[u8], separators: bool) -> Reading {
    // SAFETY: this function names the features.
    unsafe { read_one(text, separators) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
pub fn read_fixed(data: &[u8], width: usize, out: &mut [Reading]) {
    read_each(fixed_texts(data, width), out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
pub fn read_offsets(data: &[u8], offsets: &[impl Offset], out: &mut [Reading]) {
    read_each(offset_texts(data, offsets), out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
pub fn read_texts(texts: &[&[u8]], out: &mut [Reading]) {
    read_each(texts.iter().copied(), out);
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
fn read_each<'a>(texts: impl Iterator<Item = &'a [u8]>, out: &mut [Reading]) {
    for (place, text) in out.iter_mut().zip(texts) {
        // SAFETY: this function names the features.
        *place = unsafe { read_one(text, true) };
    }
}

/// Becomes part of every loop over texts, which the compiler grants only to functions that name no features.
///
/// # Safety
/// The machine has [what this path uses](is_there), and the function that calls it names that.
#[inline(always)]
unsafe fn read_one(text: &[u8], separators: bool) -> Reading {
    unsafe {
        if text.len() > ROOM {
            return plain::read_any(text, separators);
        }
        let count = text.len() as u32;
        let all = _bzhi_u32(u32::MAX, count);
        // The mask has a bit for each byte of the text, and a byte without a bit is not touched.
        let bytes = _mm256_maskz_loadu_epi8(all, text.as_ptr().cast());
        let zero = _mm256_set1_epi8(b'0' as i8);
        let values = _mm256_maskz_sub_epi8(all, bytes, zero);
        let others = _mm256_cmpgt_epu8_mask(values, _mm256_set1_epi8(9));
        // All separators are below the digits, and whatever else is there makes no difference to the way.
        let below = _mm256_mask_cmplt_epu8_mask(all, bytes, zero);
        if below == 0 && is_length(count) {
            // SAFETY: a text of such a length has four bytes.
            let last4 = text.as_ptr().add(text.len() - 4).cast::<u32>().read_unaligned();
            return number(values, count, last4, others != 0);
        }

        let spaces = _mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8(b' ' as i8));
        let hyphens = _mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8(b'-' as i8));
        let foreign = others & if separators { !(spaces | hyphens) } else { u32::MAX };
        let digits = all & !others;
        let count = digits.count_ones();
        if !is_length(count) {
            return Reading::refused(refusal(digits, foreign));
        }
        let packed = _mm256_maskz_compress_epi8(digits, values);
        let last_places = 0x0302_0100u32.wrapping_add((count - 4) * 0x0101_0101);
        let last_places = _mm256_castsi128_si256(_mm_cvtsi32_si128(last_places as i32));
        let last4 = _mm256_castsi256_si128(_mm256_permutexvar_epi8(last_places, packed));
        number(packed, count, _mm_cvtsi128_si32(last4) as u32 + 0x3030_3030, foreign != 0)
    }
}

#[inline(always)]
fn is_length(count: u32) -> bool {
    count.wrapping_sub(FEWEST as u32) < u32::from(form::WRONG)
}

/// From the values of the digits, the first one first and zeros behind the last. With a foreign byte it is no number;
/// that is no branch, for in a mixed lot it would go wrong on each of these.
///
/// # Safety
/// As for [`read_one`].
#[inline(always)]
unsafe fn number(values: __m256i, count: u32, last4: u32, foreign: bool) -> Reading {
    unsafe {
        // The last digit stands at count - 1 and is not doubled.
        let doubled = 0x5555_5555 << (count & 1);
        let twice = _mm256_broadcastsi128_si256(table(&TWICE));
        let weighed = _mm256_mask_shuffle_epi8(values, doubled, twice, values);
        let sums = _mm256_sad_epu8(weighed, _mm256_setzero_si256());
        let sums = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        let sum = _mm_cvtsi128_si32(_mm_add_epi64(sums, _mm_unpackhi_epi64(sums, sums)));
        let form = count - FEWEST as u32 + u32::from(form::OF_SUM[usize::from(sum as u8)]);
        let form = std::hint::select_unpredictable(foreign, u32::from(form::CHARSET), form);

        let pairs = _mm_maddubs_epi16(_mm256_castsi256_si128(values), _mm_set1_epi16(TEN_ONE));
        let fours = _mm_madd_epi16(pairs, _mm_set1_epi32(HUNDRED_ONE));
        let head = _mm_cvtsi128_si64(_mm_blend_epi16::<0b1100>(fours, pairs));
        Reading::new(head as u64, last4, form)
    }
}

/// What is wrong with a text that is no number.
#[cold]
fn refusal(digits: u32, foreign: u32) -> u8 {
    let before = digits & (foreign & foreign.wrapping_neg()).wrapping_sub(1);
    match (before.count_ones(), foreign) {
        (20.., _) => form::LENGTH,
        (_, 1..) => form::CHARSET,
        (0, 0) => form::MISSING,
        _ => form::LENGTH,
    }
}

/// How many bytes ahead of the texts memory is asked for.
const AHEAD: usize = 4096;

/// Sixteen texts of sixteen bytes.
const GROUP: usize = 256;

/// As [`Sixteens::read`] says. What is told of texts is at first in the order of [`quarters`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
pub fn read_sixteens(data: &[u8], out: &mut Sixteens) {
    let firsts = out.firsts.as_chunks_mut::<16>().0.as_chunks_mut::<4>().0;
    let last4s = out.last4s.as_chunks_mut::<16>().0.as_chunks_mut::<4>().0;
    let columns = firsts.iter_mut().zip(last4s).zip(&mut out.forms).zip(&mut out.unread);
    for (start, (((firsts, last4s), forms), unread)) in (0..).step_by(4 * GROUP).zip(columns) {
        *unread = match data.get(start..) {
            Some(data) if !data.is_empty() => read_wide(data, firsts, last4s, forms),
            _ => u64::MAX,
        };
    }
}

/// Reads 64 texts and gives a bit for each of them that has to be read by itself. What is told of sixteen texts is at
/// first in the order of [`quarters`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
fn read_wide(
    data: &[u8],
    firsts: &mut [[u32; 16]; 4],
    last4s: &mut [[u32; 16]; 4],
    forms: &mut [u8; WIDE],
) -> u64 {
    for line in (AHEAD..AHEAD + 4 * GROUP).step_by(64) {
        if let Some(ahead) = data.get(line) {
            // SAFETY: it is a byte of the data.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(ahead).cast()) };
        }
    }
    let in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    let zero = _mm512_set1_epi8(b'0' as i8);
    let mut weighed = [_mm512_setzero_si512(); 4];
    let mut unread = 0;
    for (group, (firsts, last4s)) in firsts.iter_mut().zip(last4s).enumerate() {
        let quarters = quarters(data, GROUP * group).map(|bytes| _mm512_sub_epi8(bytes, zero));
        let [a, b, c, d] = quarters;
        let most = _mm512_max_epu8(_mm512_max_epu8(a, b), _mm512_max_epu8(c, d));
        // Below the digit zero is now above all that is not.
        let below = _mm512_subs_epu8(most, _mm512_set1_epi8((255 - b'0') as i8));
        let below = _mm512_permutexvar_epi32(in_order, below);
        unread |= u64::from(_mm512_test_epi32_mask(below, below)) << (16 * group);
        weighed[group] = weigh(quarters, most);

        let pairs = _mm512_maddubs_epi16(a, _mm512_set1_epi16(TEN_ONE));
        let first = _mm512_madd_epi16(pairs, _mm512_set1_epi32(HUNDRED_ONE));
        // SAFETY: there is room for sixteen words.
        unsafe {
            _mm512_storeu_si512(firsts.as_mut_ptr().cast(), _mm512_permutexvar_epi32(in_order, first));
            let last4 = _mm512_permutexvar_epi32(in_order, _mm512_add_epi8(d, zero));
            _mm512_storeu_si512(last4s.as_mut_ptr().cast(), last4);
        }
    }
    // SAFETY: there is room for 64 bytes.
    unsafe { _mm512_storeu_si512(forms.as_mut_ptr().cast(), forms_of(weighed)) };
    unread
}

/// The four quarters of sixteen texts, four bytes of each text in a register: those of text 4 z + row in word z of lane
/// `row`. What the data lacks is zero.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
fn quarters(data: &[u8], start: usize) -> [__m512i; 4] {
    let [a, b, c, d] = match data.get(start..).and_then(|data| data.first_chunk::<GROUP>()) {
        // SAFETY: there are 256 bytes.
        Some(texts) => {
            [0, 64, 128, 192].map(|place| unsafe { _mm512_loadu_si512(texts.as_ptr().add(place).cast()) })
        }
        None => [0, 64, 128, 192].map(|place| {
            let bytes = data.get(start + place..).unwrap_or_default();
            if bytes.is_empty() {
                return _mm512_setzero_si512();
            }
            let all = _bzhi_u64(u64::MAX, bytes.len().min(64) as u32);
            // SAFETY: a byte without a bit is not touched.
            unsafe { _mm512_maskz_loadu_epi8(all, bytes.as_ptr().cast()) }
        }),
    };
    let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
    let (last_ab, last_cd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(ab, cd),
        _mm512_unpackhi_epi64(ab, cd),
        _mm512_unpacklo_epi64(last_ab, last_cd),
        _mm512_unpackhi_epi64(last_ab, last_cd),
    ]
}

/// What the digits add to the Luhn sums of their texts, from their values: four bytes for each text, which are 255
/// where `most`, the highest of the values, is that of no digit.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
fn weigh(quarters: [__m512i; 4], most: __m512i) -> __m512i {
    let twice = _mm512_broadcast_i32x4(table(&TWICE));
    let [a, b, c, d] =
        quarters.map(|values| _mm512_mask_shuffle_epi8(values, 0x5555_5555_5555_5555, twice, values));
    let weighed = _mm512_add_epi8(_mm512_add_epi8(a, b), _mm512_add_epi8(c, d));
    let others = _mm512_cmpgt_epu8_mask(most, _mm512_set1_epi8(9));
    _mm512_mask_mov_epi8(weighed, others, _mm512_set1_epi8(-1))
}

/// The forms of 64 texts in their order, from what [`weigh`] has of each sixteen.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
fn forms_of(weighed: [__m512i; 4]) -> __m512i {
    const RIGHT: i8 = (16 - FEWEST) as i8;
    // Added up in steps that stay at 255 where it is once reached; the sum of a number is less.
    let one = _mm512_set1_epi8(1);
    let [a, b, c, d] = weighed.map(|bytes| _mm512_maddubs_epi16(bytes, one));
    let [ab, cd] = [(a, b), (c, d)].map(|(a, b)| _mm512_maddubs_epi16(_mm512_packus_epi16(a, b), one));
    let sums = _mm512_permutexvar_epi8(load(&IN_ORDER), _mm512_packus_epi16(ab, cd));

    let tables = [0, 64].map(|place| load(form::OF_SUM[place..].first_chunk().unwrap_or(&[0; 64])));
    // The table ends at 128, beyond which 20 less is as good.
    let places = _mm512_mask_sub_epi8(sums, _mm512_movepi8_mask(sums), sums, _mm512_set1_epi8(20));
    let added = _mm512_permutex2var_epi8(tables[0], places, tables[1]);
    let forms = _mm512_add_epi8(added, _mm512_set1_epi8(RIGHT));
    let others = _mm512_cmpeq_epi8_mask(sums, _mm512_set1_epi8(-1));
    _mm512_mask_mov_epi8(forms, others, _mm512_set1_epi8(form::CHARSET as i8))
}

/// For each text, where [`forms_of`] finds its sum: four of each sixteen are in each lane.
const IN_ORDER: [u8; 64] = {
    let mut places = [0; 64];
    let mut text = 0;
    while text < 64 {
        places[text] = (16 * (text % 4) + 4 * (text / 16) + text / 4 % 4) as u8;
        text += 1;
    }
    places
};

/// Lists the places of the bytes whose highest bit is set, and gives how many there are.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
pub fn find_marked(bytes: &[u8], list: &mut [u8; MANY]) -> usize {
    let mut count = 0;
    for (start, bytes) in (0..MANY).step_by(WIDE).zip(bytes.chunks(WIDE)) {
        let all = _bzhi_u64(u64::MAX, bytes.len() as u32);
        // SAFETY: a byte without a bit is not touched; 64 are written behind at most `start` places.
        unsafe {
            let marked = _mm512_movepi8_mask(_mm512_maskz_loadu_epi8(all, bytes.as_ptr().cast()));
            let places = _mm512_add_epi8(load(&COUNTED), _mm512_set1_epi8(start as i8));
            let places = _mm512_maskz_compress_epi8(marked, places);
            _mm512_storeu_si512(list.as_mut_ptr().add(count).cast(), places);
            count += marked.count_ones() as usize;
        }
    }
    count
}

/// From zero on.
const COUNTED: [u8; 64] = {
    let mut counted = [0; 64];
    let mut place = 0;
    while place < 64 {
        counted[place] = place as u8;
        place += 1;
    }
    counted
};

/// As [`Sixteens::look_up`] says.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
pub fn look_up(read: &Sixteens, keys: &[u8], sheet: &Sheet, out: &mut Entries) {
    const WRONG: i8 = (16 - FEWEST) as i8 + form::WRONG as i8;
    let by_key = |bytes: &[u8; 128]| {
        // SAFETY: there are 128 bytes.
        [0, 64].map(|place| unsafe { _mm512_loadu_si512(bytes.as_ptr().add(place).cast()) })
    };
    let (right, wrong, mark) = (by_key(&sheet.right), by_key(&sheet.wrong), by_key(&sheet.mark));
    let others = _mm512_broadcast_i32x4(table(&sheet.others));
    let places = (0..MANY).step_by(WIDE);
    for (start, (forms, keys)) in places.zip(read.forms.iter().zip(keys.as_chunks::<WIDE>().0)) {
        let (forms, keys) = (load(forms), load(keys));
        let by_key = |[low, high]: [__m512i; 2]| _mm512_permutex2var_epi8(low, keys, high);
        let is_wrong = _mm512_cmpeq_epi8_mask(forms, _mm512_set1_epi8(WRONG));
        let is_none = _mm512_cmpge_epu8_mask(forms, _mm512_set1_epi8(form::MISSING as i8));
        let status = _mm512_mask_mov_epi8(by_key(right), is_wrong, by_key(wrong));
        // The lowest four bits of a form say where its status is.
        let status = _mm512_mask_shuffle_epi8(status, is_none, others, forms);
        let is_good = _mm512_testn_epi8_mask(status, status);
        // SAFETY: from the start of each column on there are 64 entries, read and written sixteen at a time if they
        // have four bytes.
        unsafe {
            let mark = _mm512_maskz_mov_epi8(is_good, by_key(mark));
            _mm512_storeu_si512(out.mark.as_mut_ptr().add(start).cast(), mark);
            let length = _mm512_maskz_set1_epi8(is_good, 16);
            _mm512_storeu_si512(out.length.as_mut_ptr().add(start).cast(), length);
            let quarters = [
                _mm512_castsi512_si128(status),
                _mm512_extracti32x4_epi32::<1>(status),
                _mm512_extracti32x4_epi32::<2>(status),
                _mm512_extracti32x4_epi32::<3>(status),
            ];
            for (quarter, status) in quarters.into_iter().enumerate() {
                let start = start + 16 * quarter;
                let status = _mm512_cvtepu8_epi32(status);
                _mm512_storeu_si512(out.status.as_mut_ptr().add(start).cast(), status);
                let is_good = (is_good >> (16 * quarter)) as u16;
                let last4 = _mm512_maskz_loadu_epi32(is_good, read.last4s.as_ptr().add(start).cast());
                _mm512_storeu_si512(out.last4.as_mut_ptr().add(start).cast(), last4);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes are there to be read.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn table(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: sixteen bytes are there to be read.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}
