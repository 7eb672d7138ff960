//! A tokenizer: token scheme + keyring, for one merchant. It picks the epoch and stores nothing.

use crate::card::Pan;
use crate::error::Result;
use crate::keys::Keyring;
use crate::keys::keyring::FINGERPRINT_LEN;
use crate::scheme::{Scheme, Token};

/// Token scheme, keyring and merchant, borrowed for one piece of work.
pub struct Tokenizer<'k> {
    scheme: Scheme,
    keyring: &'k Keyring,
    merchant: &'k str,
}

/// What a tokenizer makes of a card number.
pub struct Issued {
    /// The token.
    pub token: Token,
    /// The epoch that is active now, under which whoever stores the number seals it.
    pub epoch: u32,
    /// 'Same card?' within the merchant. Never leaves the vault.
    pub fingerprint: [u8; FINGERPRINT_LEN],
}

impl<'k> Tokenizer<'k> {
    /// Puts the three together.
    pub fn new(scheme: Scheme, keyring: &'k Keyring, merchant: &'k str) -> Tokenizer<'k> {
        Tokenizer { scheme, keyring, merchant }
    }

    /// Makes a token for a card number under the active epoch.
    pub fn issue(&self, pan: &Pan) -> Result<Issued> {
        Ok(Issued {
            token: self.scheme.draw()?,
            epoch: self.keyring.active_epoch()?,
            fingerprint: self.keyring.fingerprint(self.merchant, pan)?,
        })
    }
}
