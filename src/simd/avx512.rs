//! The path for processors with AVX-512 and its byte instructions (VBMI2): Intel since Ice Lake, AMD since Zen 4.
//!
//! Masked loads read exactly the bytes of a text, whatever its length, and a compress drops its separators, so that
//! one straight line of instructions serves every number.
#![allow(clippy::incompatible_msrv, reason = "build.rs leaves this file out where the compiler is older")]
#![allow(unused_unsafe, reason = "whether prefetching asks for unsafe depends on the compiler's version")]

use super::{FEWEST, Offset, Reading, Sheet, fixed_texts, form, offset_texts, plain};
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
    let mut start = 0;
    if width == 16 {
        let blocks = data.chunks_exact(16 * GROUP).zip(out.chunks_exact_mut(GROUP));
        for (texts, readings) in blocks {
            for line in (0..16 * GROUP).step_by(64) {
                if let Some(ahead) = data.get(16 * start + AHEAD + line) {
                    // SAFETY: it is a byte of the data.
                    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(ahead).cast()) };
                }
            }
            if !read_sixteens(texts, readings) {
                read_each(fixed_texts(texts, width), readings);
            }
            start += GROUP;
        }
    }
    let rest = data.get(start * width..).unwrap_or_default();
    read_each(fixed_texts(rest, width), out.get_mut(start..).unwrap_or_default());
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

/// How many bytes ahead of the texts memory is asked for: the time to judge a block, in which nothing else is read.
const AHEAD: usize = 4096;

/// How many texts [`read_sixteens`] takes.
const GROUP: usize = 16;

/// Reads sixteen texts of sixteen bytes. Gives up, and says so, if there may be a separator in one of them: none of
/// the bytes is below the digit zero.
///
/// Four texts lie in each register. Their sums are brought into one, where the check digits are judged together; text
/// `row` of register `z` has lane `row`, word `z`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
fn read_sixteens(texts: &[u8], out: &mut [Reading]) -> bool {
    let (Some(texts), Ok(out)) = (texts.first_chunk::<256>(), <&mut [Reading; GROUP]>::try_from(out)) else {
        return false;
    };
    // SAFETY: there are 256 bytes.
    let bytes = [0, 1, 2, 3].map(|z| unsafe { _mm512_loadu_si512(texts.as_ptr().add(64 * z).cast()) });
    let zero = _mm512_set1_epi8(b'0' as i8);
    let [a, b, c, d] = bytes;
    let lowest = _mm512_min_epu8(_mm512_min_epu8(a, b), _mm512_min_epu8(c, d));
    if _mm512_cmplt_epu8_mask(lowest, zero) != 0 {
        return false;
    }

    let twice = _mm512_broadcast_i32x4(table(&TWICE));
    let values = [
        _mm512_sub_epi8(a, zero),
        _mm512_sub_epi8(b, zero),
        _mm512_sub_epi8(c, zero),
        _mm512_sub_epi8(d, zero),
    ];
    let mut sums = _mm512_setzero_si512();
    for (z, values) in values.into_iter().enumerate() {
        let others = _mm512_cmpgt_epu8_mask(values, _mm512_set1_epi8(9));
        let weighed = _mm512_mask_shuffle_epi8(values, 0x5555_5555_5555_5555, twice, values);
        // No number has a sum of 255.
        let weighed = _mm512_mask_mov_epi8(weighed, others, _mm512_set1_epi8(-1));
        let sum = _mm512_sad_epu8(weighed, _mm512_setzero_si512());
        sums = _mm512_or_si512(sums, _mm512_sllv_epi64(sum, _mm512_set1_epi64(16 * z as i64)));
    }
    let sums = _mm512_add_epi16(sums, _mm512_shuffle_epi32::<0x4e>(sums));
    let forms = forms_of_sixteen(sums);

    // SAFETY: there are 16 readings of 16 bytes, which are integers alone.
    let place = out.as_mut_ptr().cast::<__m512i>();
    for (z, (bytes, values)) in bytes.into_iter().zip(values).enumerate() {
        let pairs = _mm512_maddubs_epi16(values, _mm512_set1_epi16(TEN_ONE));
        let fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(HUNDRED_ONE));
        let head = _mm512_mask_blend_epi16(0x0c0c_0c0c, fours, pairs);
        // From the second four bytes to the last: the text's last four, the form.
        let form = _mm512_srlv_epi64(forms, _mm512_set1_epi64(16 * z as i64));
        let tail = _mm512_mask_shuffle_epi32::<0b00_11_00_00>(_mm512_setzero_si512(), 0x4444, bytes);
        let form = _mm512_slli_epi64::<32>(_mm512_and_si512(form, _mm512_set1_epi64(0xff)));
        let reading = _mm512_mask_blend_epi64(0b1010_1010, head, _mm512_or_si512(tail, form));
        unsafe { _mm512_storeu_si512(place.add(z), reading) };
    }
    true
}

/// The forms of texts of sixteen bytes from their Luhn sums, in words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
fn forms_of_sixteen(sums: __m512i) -> __m512i {
    const RIGHT: i16 = (16 - FEWEST) as i16;
    let word = |value: i16| _mm512_set1_epi16(value);
    // The upper half of a product with 65536 / 10, rounded up, is the tenth.
    let tenths = _mm512_mulhi_epu16(sums, word(6554));
    let wrong = _mm512_cmpneq_epi16_mask(sums, _mm512_mullo_epi16(tenths, word(10)));
    let forms = _mm512_mask_mov_epi16(word(RIGHT), wrong, word(RIGHT + i16::from(form::WRONG)));
    let zeros = _mm512_cmpeq_epi16_mask(sums, word(0));
    let forms = _mm512_mask_mov_epi16(forms, zeros, word(RIGHT + i16::from(form::ZEROS)));
    let others = _mm512_cmpge_epi16_mask(sums, word(255));
    _mm512_mask_mov_epi16(forms, others, word(i16::from(form::CHARSET)))
}

/// Sixteen texts at a time, as [`look_up`](super::look_up) says.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
pub fn look_up(readings: &[Reading], keys: &[u8], sheet: &Sheet, out: &mut [u32]) -> usize {
    const RIGHT: i32 = (16 - FEWEST) as i32;
    const WRONG: i32 = RIGHT + form::WRONG as i32;
    const LOWEST: u64 = 0x1111_1111_1111_1111;
    // The fourth of the four words of each reading, out of two registers with four readings each.
    let fourths = _mm512_setr_epi32(3, 7, 11, 15, 19, 23, 27, 31, 3, 7, 11, 15, 19, 23, 27, 31);
    // SAFETY: 64 and again 64 bytes are there, and in the others sixteen words.
    let load = |bytes: &[u8; 128]| unsafe {
        let start = bytes.as_ptr();
        [_mm512_loadu_si512(start.cast()), _mm512_loadu_si512(start.add(64).cast())]
    };
    let (right, wrong) = (sheet.right.each_ref().map(load), sheet.wrong.each_ref().map(load));
    let others = unsafe { _mm512_loadu_si512(sheet.others.as_ptr().cast()) };

    let groups = readings.chunks_exact(GROUP).zip(keys.chunks_exact(GROUP)).zip(out.chunks_exact_mut(GROUP));
    for (group, ((readings, keys), out)) in groups.enumerate() {
        // SAFETY: sixteen readings of sixteen bytes, sixteen keys of one byte.
        let (quads, keys) = unsafe {
            let start = readings.as_ptr().cast::<__m512i>();
            ([0, 1, 2, 3].map(|z| _mm512_loadu_si512(start.add(z))), _mm_loadu_si128(keys.as_ptr().cast()))
        };
        let [a, b, c, d] = quads;
        let (low, high) =
            (_mm512_permutex2var_epi32(a, fourths, b), _mm512_permutex2var_epi32(c, fourths, d));
        let forms = _mm512_inserti64x4::<1>(low, _mm512_castsi512_si256(high));
        let is_right = _mm512_cmpeq_epi32_mask(forms, _mm512_set1_epi32(RIGHT));
        let is_wrong = _mm512_cmpeq_epi32_mask(forms, _mm512_set1_epi32(WRONG));
        let is_none = _mm512_cmpge_epu32_mask(forms, _mm512_set1_epi32(i32::from(form::MISSING)));
        if is_right | is_wrong | is_none != u16::MAX {
            return group * GROUP;
        }
        let keys = _mm512_cvtepu8_epi32(keys);
        let word = |[lower, upper]: [[__m512i; 2]; 2]| {
            let lower = _mm512_maskz_permutex2var_epi8(LOWEST, lower[0], keys, lower[1]);
            let upper = _mm512_maskz_permutex2var_epi8(LOWEST, upper[0], keys, upper[1]);
            _mm512_or_si512(lower, _mm512_slli_epi32::<8>(upper))
        };
        let words = _mm512_mask_mov_epi32(word(right), is_wrong, word(wrong));
        // The lowest four bits of a form say where its word is.
        let words = _mm512_mask_permutexvar_epi32(words, is_none, forms, others);
        let is_good = _mm512_testn_epi32_mask(words, _mm512_set1_epi32(0xff));
        let words = _mm512_mask_or_epi32(words, is_good, words, _mm512_set1_epi32(sheet.good as i32));
        // SAFETY: there is room for sixteen words.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), words) };
    }
    readings.len().min(keys.len()).min(out.len()) / GROUP * GROUP
}

#[inline]
#[target_feature(enable = "sse2")]
fn table(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: sixteen bytes are there to be read.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}
