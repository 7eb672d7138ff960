//! Key check values: by them people and files tell keys apart without seeing them.

use super::Purpose;
use super::derive::derive;
use crate::error::{Code, Error, Result};
use crate::secret::arena::KeySlot;
use crate::secret::stack;
use aes::Aes256;
use cmac::{Cmac, KeyInit, Mac};
use std::fmt;
use zeroize::Zeroize;

/// Length of a check value, in bytes.
pub const CHECK_LEN: usize = 5;

/// The first five bytes of the AES-CMAC of a zero block, under a working key that serves nothing else. Not secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CheckValue([u8; CHECK_LEN]);

impl CheckValue {
    /// That of a key.
    pub(crate) fn of(key: &KeySlot) -> Result<CheckValue> {
        stack::wipe_after::<{ stack::CIPHER }, _>(|| CheckValue::worked_out(key))
    }

    fn worked_out(key: &KeySlot) -> Result<CheckValue> {
        let mut working = [0; 32];
        let derived = key.with(|key| derive(key, Purpose::Kcv, "", &mut working)).and_then(|derived| derived);
        let tag = derived.and_then(|()| {
            let mac = Cmac::<Aes256>::new_from_slice(&working).map_err(|_| Error::from(Code::Internal))?;
            Ok(mac.chain_update([0; 16]).finalize().into_bytes())
        });
        working.zeroize();
        tag?.first_chunk().map(|check| CheckValue(*check)).ok_or_else(|| Code::Internal.into())
    }

    /// Of five bytes as they were stored.
    pub fn from_bytes(bytes: &[u8]) -> Option<CheckValue> {
        bytes.try_into().ok().map(CheckValue)
    }

    /// Of ten hex digits.
    pub(super) fn from_hex(text: &[u8]) -> Option<CheckValue> {
        let mut bytes = [0; CHECK_LEN];
        let len = base16ct::mixed::decode(text, &mut bytes).ok()?.len();
        (len == CHECK_LEN).then_some(CheckValue(bytes))
    }

    /// The five bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for CheckValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for CheckValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CheckValue({self})")
    }
}
