//! Working keys: HKDF-SHA-256 (RFC 5869) from a wrapped key, one for each purpose and merchant.

use crate::error::{Code, Result};
use hkdf::Hkdf;
use sha2::Sha256;

/// What a working key is for. A key serves one purpose and one merchant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Sealing the fields of a vault's rows: AES-256-GCM-SIV.
    Seal,
    /// Fingerprints, 'same card?': HMAC-SHA-256. From the index key.
    Fingerprint,
    /// Tokens of `ff1`: AES-256.
    Ff1,
    /// Tokens of `siv`: AES-256-SIV.
    Siv,
    /// Tokens of `mac`: HMAC-SHA-256.
    Mac,
    /// What stands beside wrapped keys: HMAC-SHA-256.
    Header,
    /// Key check values: AES-256-CMAC.
    Kcv,
    /// The key table: HMAC-SHA-256. From the table key.
    Table,
    /// The public commitment to the table key: the working key itself.
    Commitment,
    /// The lines of the audit trail: HMAC-SHA-256. From the audit key.
    Audit,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Purpose::Seal => b"seal",
            Purpose::Fingerprint => b"fingerprint",
            Purpose::Ff1 => b"ff1",
            Purpose::Siv => b"siv",
            Purpose::Mac => b"mac",
            Purpose::Header => b"header",
            Purpose::Kcv => b"kcv",
            Purpose::Table => b"table",
            Purpose::Commitment => b"commitment",
            Purpose::Audit => b"audit",
        }
    }

    /// The length of the working key in bytes.
    pub fn key_len(self) -> usize {
        if self == Purpose::Siv { 64 } else { 32 }
    }
}

/// Derives a working key into `out`: extract with an empty salt, then expand with
/// `panseal/v1/` + purpose + 0x00 + merchant as info.
pub(crate) fn derive(from: &[u8], purpose: Purpose, merchant: &str, out: &mut [u8]) -> Result<()> {
    let info: [&[u8]; 4] = [b"panseal/v1/", purpose.label(), &[0], merchant.as_bytes()];
    let too_long = |_| Code::Internal;
    Hkdf::<Sha256>::new(None, from).expand_multi_info(&info, out).map_err(too_long)?;
    Ok(())
}
