//! `siv`: AES-256-SIV (RFC 5297) over a card number's rank, with one string of associated data.
//!
//! The plaintext is always eight bytes, so S2V is one AES block over `constant XOR padded plaintext`, where the
//! constant depends on the key alone and is computed once.

use super::BATCH;
use crate::error::{Code, Result};
use crate::simd::{Aes256, Block};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Length of a token's bytes: synthetic IV and ciphertext.
pub(super) const LEN: usize = 24;

const IV_LEN: usize = 16;
const ASSOCIATED_DATA: &[u8] = b"panseal/siv/1";

/// A key of 64 bytes, expanded: the first half authenticates, the second encrypts.
pub(super) struct SivKey {
    mac: Aes256,
    stream: Aes256,
    /// All of S2V but the plaintext, with the subkey that a whole last block takes already in.
    constant: [u8; 16],
}

impl SivKey {
    pub(super) fn new(key: &[u8; 64]) -> Result<SivKey> {
        let expand = |half: &[u8]| half.first_chunk().map(Aes256::new).ok_or(Code::Internal);
        Ok(SivKey::with(expand(&key[..32])?, expand(&key[32..])?))
    }

    /// One for each path that the machine has.
    #[cfg(test)]
    fn of_this_machine(low: &[u8; 32], high: &[u8; 32]) -> impl Iterator<Item = SivKey> {
        let halves = Aes256::of_this_machine(low).zip(Aes256::of_this_machine(high));
        halves.map(|(mac, stream)| SivKey::with(mac, stream))
    }

    fn with(mac: Aes256, stream: Aes256) -> SivKey {
        // CMAC (RFC 4493) of a zero block and of the associated data, which is shorter than a block.
        let subkey = double(mac.encrypt([0; 16]));
        let of_zero = mac.encrypt(subkey);
        let of_data = mac.encrypt(xor(padded(ASSOCIATED_DATA), double(subkey)));
        let constant = xor(double(xor(double(of_zero), of_data)), subkey);
        SivKey { mac, stream, constant }
    }

    #[inline]
    pub(super) fn seal(&self, plaintext: [u8; 8]) -> [u8; LEN] {
        let iv = self.iv(plaintext);
        let ciphertext = self.xor_stream(iv, plaintext);
        let mut out = [0; LEN];
        out[..IV_LEN].copy_from_slice(&iv);
        out[IV_LEN..].copy_from_slice(&ciphertext);
        out
    }

    /// `None` where the token was not made under this key.
    #[inline]
    pub(super) fn open(&self, sealed: &[u8; LEN]) -> Option<[u8; 8]> {
        let (iv, ciphertext) = sealed.split_first_chunk::<IV_LEN>()?;
        let mut plaintext = self.xor_stream(*iv, ciphertext.try_into().ok()?);
        let authentic = is_same(self.iv(plaintext), *iv);
        if !authentic {
            plaintext.zeroize();
        }
        authentic.then_some(plaintext)
    }

    /// [`SivKey::seal`] for up to [`BATCH`] plaintexts that go through the AES unit together.
    pub(super) fn seal_many(&self, plaintexts: &[[u8; 8]], out: &mut [[u8; LEN]]) {
        let ivs = self.iv_many(plaintexts.iter().copied());
        let streams = self.stream_many(ivs.iter().take(plaintexts.len()).copied());
        let rows = ivs.iter().zip(&streams).zip(plaintexts);
        for (((iv, stream), plaintext), out) in rows.zip(out) {
            out[..IV_LEN].copy_from_slice(iv);
            out[IV_LEN..].copy_from_slice(&xor_8(*plaintext, stream));
        }
    }

    /// [`SivKey::open`] for up to [`BATCH`] tokens.
    pub(super) fn open_many(&self, sealed: &[[u8; LEN]], out: &mut [Option<[u8; 8]>]) {
        let iv_of = |sealed: &[u8; LEN]| sealed.first_chunk().copied().unwrap_or_default();
        let streams = self.stream_many(sealed.iter().map(iv_of));
        let mut plaintexts = [[0; 8]; BATCH];
        for ((plaintext, stream), sealed) in plaintexts.iter_mut().zip(&streams).zip(sealed) {
            *plaintext = xor_8(sealed.last_chunk().copied().unwrap_or_default(), stream);
        }
        let ivs = self.iv_many(plaintexts.iter().take(sealed.len()).copied());
        for (((plaintext, iv), sealed), out) in plaintexts.iter().zip(&ivs).zip(sealed).zip(out) {
            *out = is_same(*iv, iv_of(sealed)).then_some(*plaintext);
        }
        plaintexts.zeroize();
    }

    #[inline]
    fn iv(&self, plaintext: [u8; 8]) -> [u8; 16] {
        self.mac.encrypt(xor(self.constant, padded(&plaintext)))
    }

    fn iv_many(&self, plaintexts: impl ExactSizeIterator<Item = [u8; 8]>) -> [Block; BATCH] {
        encrypt_many(&self.mac, plaintexts.map(|plaintext| xor(self.constant, padded(&plaintext))))
    }

    fn stream_many(&self, ivs: impl ExactSizeIterator<Item = Block>) -> [Block; BATCH] {
        encrypt_many(&self.stream, ivs.map(counter))
    }

    #[inline]
    fn xor_stream(&self, iv: [u8; 16], text: [u8; 8]) -> [u8; 8] {
        xor_8(text, &self.stream.encrypt(counter(iv)))
    }
}

impl Drop for SivKey {
    fn drop(&mut self) {
        self.constant.zeroize();
    }
}

fn encrypt_many(aes: &Aes256, from: impl ExactSizeIterator<Item = Block>) -> [Block; BATCH] {
    let (mut blocks, len) = ([[0; 16]; BATCH], from.len().min(BATCH));
    for (block, from) in blocks.iter_mut().zip(from) {
        *block = from;
    }
    aes.encrypt_many(&mut blocks[..len]);
    blocks
}

/// CTR mode needs one block; its counter is the synthetic IV with two bits cleared.
fn counter(mut iv: Block) -> Block {
    iv[8] &= 0x7f;
    iv[12] &= 0x7f;
    iv
}

/// By what differs in the whole: byte by byte, comparing in constant time takes longer than encrypting.
fn is_same(a: [u8; IV_LEN], b: [u8; IV_LEN]) -> bool {
    let differs = u128::from_ne_bytes(a) ^ u128::from_ne_bytes(b);
    ((differs >> 64) as u64 | differs as u64).ct_eq(&0).into()
}

fn xor_8(text: [u8; 8], stream: &Block) -> [u8; 8] {
    std::array::from_fn(|place| text[place] ^ stream[place])
}

fn xor(a: [u8; 16], b: [u8; 16]) -> [u8; 16] {
    std::array::from_fn(|place| a[place] ^ b[place])
}

/// Doubling in GF(2^128) as CMAC has it.
fn double(block: [u8; 16]) -> [u8; 16] {
    let number = u128::from_be_bytes(block);
    // Without a branch on a bit of the key.
    ((number << 1) ^ (0x87 * (number >> 127))).to_be_bytes()
}

/// A one and zeros behind what is shorter than a block.
fn padded(text: &[u8]) -> [u8; 16] {
    let mut block = [0; 16];
    block[..text.len()].copy_from_slice(text);
    block[text.len()] = 0x80;
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes_siv::KeyInit;
    use aes_siv::siv::Aes256Siv;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_siv_of_rfc_5297(low: [u8; 32], high: [u8; 32], plaintext: [u8; 8]) {
            let key: [u8; 64] = [low, high].concat().try_into().unwrap();
            let theirs = Aes256Siv::new(&key.into()).encrypt([ASSOCIATED_DATA], &plaintext).unwrap();
            for ours in SivKey::of_this_machine(&low, &high) {
                let sealed = ours.seal(plaintext);
                prop_assert_eq!(&sealed[..], &theirs[..]);
                prop_assert_eq!(ours.open(&sealed), Some(plaintext));
            }
        }

        #[test]
        fn a_batch_gives_what_single_calls_give(low: [u8; 32], high: [u8; 32], count in 0..=BATCH, bad in 0..BATCH) {
            for siv in SivKey::of_this_machine(&low, &high) {
                let plaintexts: Vec<[u8; 8]> = (0..count as u64).map(u64::to_be_bytes).collect();
                let mut sealed = vec![[0; LEN]; count];
                siv.seal_many(&plaintexts, &mut sealed);
                let one_by_one: Vec<_> = plaintexts.iter().map(|plaintext| siv.seal(*plaintext)).collect();
                prop_assert_eq!(&sealed, &one_by_one);
                if let Some(sealed) = sealed.get_mut(bad) {
                    sealed[23] ^= 1;
                }
                let mut opened = vec![None; count];
                siv.open_many(&sealed, &mut opened);
                for (place, (opened, plaintext)) in opened.iter().zip(plaintexts).enumerate() {
                    prop_assert_eq!(*opened, (place != bad).then_some(plaintext));
                }
            }
        }

        #[test]
        fn every_changed_bit_is_noticed(half: [u8; 32], plaintext: [u8; 8], bit in 0..LEN * 8) {
            let key: [u8; 64] = [half, half].concat().try_into().unwrap();
            let siv = SivKey::new(&key).unwrap();
            let mut sealed = siv.seal(plaintext);
            sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(siv.open(&sealed), None);
        }
    }
}
