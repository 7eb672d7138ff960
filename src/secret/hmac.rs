//! HMAC-SHA-256 (RFC 2104), its two pads hashed beforehand: of a short message two blocks of SHA-256.

use super::copy_short;
use crate::error::{Code, Result};
use sha2::block_api::compress256;
use zeroize::Zeroize;

/// Length of a prepared key, in bytes: the states of SHA-256 after the inner and after the outer pad, in words of the
/// machine.
pub const PREPARED_LEN: usize = 64;
/// The longest message, in bytes: what fits into one block.
pub const MESSAGE_MAX: usize = BLOCK - 1 - size_of::<u64>();

const BLOCK: usize = 64;
/// FIPS 180-4, 5.3.3.
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Prepares a key of up to 64 bytes. `Internal` for a longer one.
pub fn prepare(key: &[u8], out: &mut [u8; PREPARED_LEN]) -> Result<()> {
    let mut block = [0; BLOCK];
    block.get_mut(..key.len()).ok_or(Code::Internal)?.copy_from_slice(key);
    for (out, pad) in out.chunks_exact_mut(PREPARED_LEN / 2).zip([0x36, 0x5c]) {
        let (mut state, mut padded) = (START, block.map(|byte| byte ^ pad));
        compress256(&mut state, &[padded]);
        for (out, word) in out.chunks_exact_mut(4).zip(&state) {
            out.copy_from_slice(&word.to_ne_bytes());
        }
        state.zeroize();
        padded.zeroize();
    }
    block.zeroize();
    Ok(())
}

/// The MAC of a message, given in parts. `Internal` where they are longer than [`MESSAGE_MAX`] together.
#[inline]
pub fn mac(prepared: &[u8; PREPARED_LEN], parts: [&[u8]; 2]) -> Result<[u8; 32], Code> {
    let (inner, outer) = prepared.split_at(PREPARED_LEN / 2);
    let (mut block, mut len) = ([0; BLOCK], 0);
    for part in parts {
        let end = len + part.len();
        copy_short(part, block[..MESSAGE_MAX].get_mut(len..end).ok_or(Code::Internal)?);
        len = end;
    }
    let state = finish(inner, &mut block, len);
    block = [0; BLOCK];
    write(&state, &mut block[..32]);
    let state = finish(outer, &mut block, 32);
    let mut out = [0; 32];
    write(&state, &mut out);
    Ok(out)
}

/// The MAC of a message of any length.
pub fn mac_of(prepared: &[u8; PREPARED_LEN], message: &[u8]) -> [u8; 32] {
    let (inner, outer) = prepared.split_at(PREPARED_LEN / 2);
    let mut state = [0; 8];
    for (word, bytes) in state.iter_mut().zip(inner.chunks_exact(4)) {
        *word = bytes.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
    }
    let (mut block, mut rest) = ([0; BLOCK], message);
    while let Some((first, behind)) = rest.split_first_chunk::<BLOCK>() {
        compress256(&mut state, std::slice::from_ref(first));
        rest = behind;
    }
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = 0x80;
    if rest.len() > MESSAGE_MAX {
        compress256(&mut state, &[block]);
        block = [0; BLOCK];
    }
    block[BLOCK - size_of::<u64>()..].copy_from_slice(&(8 * (BLOCK + message.len()) as u64).to_be_bytes());
    compress256(&mut state, &[block]);
    block = [0; BLOCK];
    write(&state, &mut block[..32]);
    let state = finish(outer, &mut block, 32);
    let mut out = [0; 32];
    write(&state, &mut out);
    out
}

/// The state after a last block, of which `len` bytes are message, behind a pad.
#[inline]
fn finish(from: &[u8], block: &mut [u8; BLOCK], len: usize) -> [u32; 8] {
    let mut state = [0; 8];
    for (word, bytes) in state.iter_mut().zip(from.chunks_exact(4)) {
        *word = bytes.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
    }
    block[len] = 0x80;
    block[BLOCK - size_of::<u64>()..].copy_from_slice(&(8 * (BLOCK + len) as u64).to_be_bytes());
    compress256(&mut state, std::slice::from_ref(block));
    state
}

#[inline]
fn write(state: &[u32; 8], out: &mut [u8]) {
    for (out, word) in out.chunks_exact_mut(4).zip(state) {
        out.copy_from_slice(&word.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::hmac::{Hmac, KeyInit, Mac};
    use proptest::prelude::*;
    use sha2::Sha256;

    proptest! {
        #[test]
        fn it_is_the_hmac_of_rfc_2104(
            key in prop::collection::vec(any::<u8>(), 0..=64),
            message in prop::collection::vec(any::<u8>(), 0..=MESSAGE_MAX),
            cut: usize,
        ) {
            let mut prepared = [0; PREPARED_LEN];
            prepare(&key, &mut prepared).unwrap();
            let (first, second) = message.split_at(cut % (message.len() + 1));
            let theirs = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(&message).finalize();
            prop_assert_eq!(mac(&prepared, [first, second]).unwrap(), <[u8; 32]>::from(theirs.into_bytes()));
        }
    }

    proptest! {
        #[test]
        fn a_long_message_has_the_hmac_of_rfc_2104_too(
            key in prop::collection::vec(any::<u8>(), 0..=64),
            message in prop::collection::vec(any::<u8>(), 0..=300),
        ) {
            let mut prepared = [0; PREPARED_LEN];
            prepare(&key, &mut prepared).unwrap();
            let theirs = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(&message).finalize();
            prop_assert_eq!(mac_of(&prepared, &message), <[u8; 32]>::from(theirs.into_bytes()));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut prepared = [0; PREPARED_LEN];
        assert!(prepare(&[0; 65], &mut prepared).is_err());
        assert!(mac(&prepared, [&[0; MESSAGE_MAX], &[0]]).is_err());
    }
}
