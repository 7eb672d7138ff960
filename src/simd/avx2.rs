//! The path for processors with AVX2: nearly all that are in use.
//!
//! It reads two texts of sixteen bytes at once. Other texts are read in words of eight bytes, for without masked loads
//! there is little to win on a single one.
#![allow(unused_unsafe, reason = "intrinsics without pointers are safe since Rust 1.87, and unsafe before")]

use super::{FEWEST, Offset, Reading, fixed_texts, form, plain};
use std::arch::x86_64::*;

/// Whether the machine has all that this path uses.
pub fn is_there() -> bool {
    is_x86_feature_detected!("avx2")
}

pub fn read(text: &[u8], separators: bool) -> Reading {
    plain::read(text, separators)
}

pub fn read_texts(texts: &[&[u8]], out: &mut [Reading]) {
    plain::read_texts(texts, out);
}

pub fn read_offsets(data: &[u8], offsets: &[impl Offset], out: &mut [Reading]) {
    plain::read_offsets(data, offsets, out);
}

/// # Safety
/// The machine has [what this path uses](is_there).
#[target_feature(enable = "avx2")]
pub unsafe fn read_fixed(data: &[u8], width: usize, out: &mut [Reading]) {
    let mut start = 0;
    if width == 16 {
        for (texts, readings) in data.chunks_exact(32).zip(out.chunks_exact_mut(2)) {
            // SAFETY: the caller's.
            match unsafe { read_two(texts) } {
                Some(two) => readings.copy_from_slice(&two),
                None => plain::read_fixed(texts, width, readings),
            }
            start += 2;
        }
    }
    let rest = data.get(start * width..).unwrap_or_default();
    for (place, text) in out.iter_mut().skip(start).zip(fixed_texts(rest, width)) {
        *place = plain::read(text, true);
    }
}

/// Reads two texts of sixteen bytes; `None` if there may be a separator in one of them, or a byte beyond ASCII: a byte
/// below the digit zero, taken as a signed number.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn read_two(texts: &[u8]) -> Option<[Reading; 2]> {
    const TWICE: [u8; 16] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9, 0, 0, 0, 0, 0, 0];

    let texts: &[u8; 32] = texts.first_chunk()?;
    // SAFETY: 32 bytes are loaded from 32 bytes, and 16 from 16; the caller has seen to AVX2.
    let (sums, heads) = unsafe {
        let bytes = _mm256_loadu_si256(texts.as_ptr().cast());
        let zero = _mm256_set1_epi8(b'0' as i8);
        if _mm256_movemask_epi8(_mm256_cmpgt_epi8(zero, bytes)) != 0 {
            return None;
        }
        let values = _mm256_sub_epi8(bytes, zero);
        let others = _mm256_cmpgt_epi8(values, _mm256_set1_epi8(9));
        let twice = _mm256_broadcastsi128_si256(_mm_loadu_si128(TWICE.as_ptr().cast()));
        let doubled = _mm256_shuffle_epi8(twice, values);
        let weighed = _mm256_blendv_epi8(values, doubled, _mm256_set1_epi16(0x00ff));
        // No number has a sum of 255.
        let sums = _mm256_sad_epu8(_mm256_or_si256(weighed, others), _mm256_setzero_si256());
        let sums = _mm256_add_epi64(sums, _mm256_unpackhi_epi64(sums, sums));

        let pairs = _mm256_maddubs_epi16(values, _mm256_set1_epi16(0x010a));
        let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x0001_0064));
        let heads = _mm256_blend_epi16::<0b1100>(fours, pairs);
        (
            [_mm256_extract_epi64::<0>(sums), _mm256_extract_epi64::<2>(sums)],
            [_mm256_extract_epi64::<0>(heads), _mm256_extract_epi64::<2>(heads)],
        )
    };
    let reading = |row: usize, last4: [u8; 4]| match form::OF_SUM.get(sums[row] as usize) {
        Some(added) if sums[row] < 255 => {
            let form = (16 - FEWEST) as u32 + u32::from(*added);
            Reading::new(heads[row] as u64, u32::from_le_bytes(last4), form)
        }
        _ => Reading::refused(form::CHARSET),
    };
    let [.., a, b, c, d] = *texts;
    Some([reading(0, *texts[12..].first_chunk()?), reading(1, [a, b, c, d])])
}
