//! `mac`: HMAC-SHA-256 over a card number's digits. There is no way back.

use crate::error::{Code, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Length of a token's bytes.
pub(super) const LEN: usize = 32;

const LABEL: &[u8] = b"panseal/mac/1";

/// A key of 32 bytes, with its two pads hashed.
pub(super) struct MacKey(Hmac<Sha256>);

impl MacKey {
    pub(super) fn new(key: &[u8]) -> Result<MacKey> {
        Ok(MacKey(Hmac::new_from_slice(key).map_err(|_| Code::Internal)?))
    }

    pub(super) fn of(&self, digits: &[u8]) -> [u8; LEN] {
        self.0.clone().chain_update(LABEL).chain_update(digits).finalize().into_bytes().into()
    }
}
