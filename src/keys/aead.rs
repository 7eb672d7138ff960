//! AES-256-GCM-SIV (RFC 8452) over small buffers, and associated data that reads in one way only.

use crate::error::{Code, Error, Result};
use crate::secret::{Random, Wiped};
use aes::Aes256Enc;
use aes::cipher::{BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, Key, KeySizeUser};
use aes_gcm_siv::aead::AeadInOut;
use aes_gcm_siv::{AesGcmSiv, KeyInit};
use zeroize::Zeroize;

/// Length of a nonce, in bytes. Nonces are random; a repeated one reveals that two plaintexts are the same and
/// no more.
pub const NONCE_LEN: usize = 12;
/// Length of an authentication tag, in bytes.
pub const TAG_LEN: usize = 16;

/// Associated data: a label and fields, each preceded by its length, so that no two lists of fields give the same
/// bytes. Holds nothing secret.
pub struct Aad {
    len: usize,
    bytes: [u8; Aad::ROOM],
}

impl Aad {
    const ROOM: usize = 640;

    /// Begins with a label, which names what is bound.
    pub fn new(label: &str) -> Result<Aad> {
        Aad::of(label, &[])
    }

    /// A label and fields, put together in their place: moved from field to field, they cost as much as what they bind.
    pub fn of(label: &str, fields: &[&[u8]]) -> Result<Aad> {
        let mut aad = Aad { len: 0, bytes: [0; Aad::ROOM] };
        aad.add(label.as_bytes())?;
        fields.iter().try_for_each(|field| aad.add(field))?;
        Ok(aad)
    }

    /// Adds a field: four bytes of length, big-endian, and its bytes. `Limit` when there is no room left.
    pub fn field(mut self, field: &[u8]) -> Result<Aad> {
        self.add(field)?;
        Ok(self)
    }

    fn add(&mut self, field: &[u8]) -> Result<()> {
        let length = u32::try_from(field.len()).map_err(|_| Code::Limit)?;
        self.append(&length.to_be_bytes())?;
        self.append(field)
    }

    /// Adds a number, as a field of eight bytes, big-endian.
    pub fn number(self, number: i64) -> Result<Aad> {
        self.field(&number.to_be_bytes())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.len + bytes.len();
        self.bytes.get_mut(self.len..end).ok_or(Code::Limit)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Appends nonce, ciphertext and tag of `plaintext` to `out`, under a 32-byte key.
pub fn seal(key: &[u8], aad: &Aad, plaintext: &[u8], random: &mut Random, out: &mut Vec<u8>) -> Result<()> {
    let nonce = random.take::<NONCE_LEN>()?;
    // Reserved whole: a vector that grows would leave the plaintext in the block it left.
    out.reserve_exact(NONCE_LEN + plaintext.len() + TAG_LEN);
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(plaintext);
    let text = &mut out[start..];
    match cipher(key)?.encrypt_inout_detached(&nonce.into(), aad.as_bytes(), (&mut *text).into()) {
        Ok(tag) => out.extend_from_slice(&tag),
        Err(_) => {
            text.zeroize();
            return Err(Code::Internal.into());
        }
    }
    Ok(())
}

/// Opens what [`seal`] appended; `out` has exactly the plaintext's length. `Tampered` when it does not open, and
/// then `out` holds zeros.
pub fn open(key: &[u8], aad: &Aad, sealed: &[u8], out: &mut [u8]) -> Result<()> {
    let tampered = || Error::from(Code::Tampered);
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(tampered)?;
    let (text, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or_else(tampered)?;
    if text.len() != out.len() {
        return Err(tampered());
    }
    out.copy_from_slice(text);
    let opened =
        cipher(key)?.decrypt_inout_detached(nonce.into(), aad.as_bytes(), (&mut *out).into(), tag.into());
    opened.map_err(|_| {
        out.zeroize();
        tampered()
    })
}

fn cipher(key: &[u8]) -> Result<AesGcmSiv<Aes>> {
    AesGcmSiv::new_from_slice(key).map_err(|_| Code::Internal.into())
}

/// AES-256 as GCM-SIV needs it, which expands two keys for every field: encryption alone, and wiped in one stroke.
struct Aes(Wiped<Aes256Enc>);

impl BlockSizeUser for Aes {
    type BlockSize = <Aes256Enc as BlockSizeUser>::BlockSize;
}

impl KeySizeUser for Aes {
    type KeySize = <Aes256Enc as KeySizeUser>::KeySize;
}

impl KeyInit for Aes {
    fn new(key: &Key<Self>) -> Aes {
        Aes(Wiped::new(Aes256Enc::new(key)))
    }
}

impl BlockCipherEncrypt for Aes {
    fn encrypt_with_backend(&self, work: impl BlockCipherEncClosure<BlockSize = Self::BlockSize>) {
        self.0.encrypt_with_backend(work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [3; 32];

    fn aad(fields: &[&str]) -> Aad {
        fields.iter().fold(Aad::new("test").unwrap(), |aad, field| aad.field(field.as_bytes()).unwrap())
    }

    #[test]
    fn what_is_sealed_opens_under_the_same_key_and_data_only() {
        let mut sealed = Vec::new();
        seal(&KEY, &aad(&["a"]), b"12345678", &mut Random::new(), &mut sealed).unwrap();
        let mut out = [0; 8];
        open(&KEY, &aad(&["a"]), &sealed, &mut out).unwrap();
        assert_eq!(&out, b"12345678");
        assert_eq!(open(&KEY, &aad(&["b"]), &sealed, &mut out).unwrap_err().code(), Code::Tampered);
        assert_eq!(out, [0; 8]);
        assert!(open(&[4; 32], &aad(&["a"]), &sealed, &mut out).is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let mut sealed = Vec::new();
        seal(&KEY, &aad(&[]), b"12345678", &mut Random::new(), &mut sealed).unwrap();
        let mut out = [0; 8];
        for bit in 0..sealed.len() * 8 {
            sealed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&KEY, &aad(&[]), &sealed, &mut out).is_err(), "bit {bit}");
            sealed[bit / 8] ^= 1 << (bit % 8);
        }
        for end in 0..sealed.len() {
            assert!(open(&KEY, &aad(&[]), &sealed[..end], &mut out).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn fields_that_run_together_to_the_same_text_are_different_data() {
        assert_ne!(aad(&["ab", "c"]).as_bytes(), aad(&["a", "bc"]).as_bytes());
        assert_ne!(aad(&["a", ""]).as_bytes(), aad(&["a"]).as_bytes());
        assert!(Aad::new("test").unwrap().field(&[0; Aad::ROOM]).is_err());
    }
}
