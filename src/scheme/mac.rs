//! `mac`: HMAC-SHA-256 over a card number's digits. There is no way back.

use crate::error::{Code, Result};
use crate::secret::hmac::{PREPARED_LEN, mac, prepare};
use zeroize::Zeroize;

/// Length of a token's bytes.
pub(super) const LEN: usize = 32;

const LABEL: &[u8] = b"panseal/mac/1";

/// A key of 32 bytes, with its two pads hashed.
pub(super) struct MacKey([u8; PREPARED_LEN]);

impl MacKey {
    pub(super) fn new(key: &[u8]) -> Result<MacKey> {
        let mut prepared = MacKey([0; PREPARED_LEN]);
        prepare(key, &mut prepared.0)?;
        Ok(prepared)
    }

    pub(super) fn of(&self, digits: &[u8]) -> Result<[u8; LEN], Code> {
        mac(&self.0, [LABEL, digits])
    }
}

impl Drop for MacKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
