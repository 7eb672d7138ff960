//! What is sealed in a vault's rows, and to what each seal is bound.
//!
//! A sealed field is `format (1 byte), epoch (4 bytes, big-endian), nonce (12), ciphertext, tag (16)`. Its
//! associated data begins with a label and binds merchant, ids and the clear columns beside it: a swapped row, a
//! re-pointed token or an edited column does not open. The same row's older version put back is not noticed.

use super::store::{CardRow, InstrumentRow};
use crate::card::Pan;
use crate::error::{Code, Error, Result};
use crate::keys::Keyring;
use crate::keys::aead::{self, Aad};
use crate::secret::SecretText;

const FORMAT: u8 = 1;

/// A name as it is sealed: its length in a byte, then itself and zeros, so that the row's length tells nothing.
const NAME_ROOM: usize = 112;
/// The longest name in bytes.
pub const NAME_MAX: usize = NAME_ROOM - 1;

/// A cardholder's name out of a vault.
pub type Name = SecretText<NAME_MAX>;

/// Seals and opens the rows of one merchant.
pub struct Sealer<'k> {
    keyring: &'k Keyring,
    merchant: &'k str,
}

impl<'k> Sealer<'k> {
    /// With the keys of `keyring`, for `merchant`.
    pub fn new(keyring: &'k Keyring, merchant: &'k str) -> Sealer<'k> {
        Sealer { keyring, merchant }
    }

    /// Seals a card number into its row, as its rank: eight bytes whatever its length.
    pub fn seal_card(&self, epoch: u32, row: &mut CardRow, pan: &Pan) -> Result<()> {
        let mut rank = rank_room()?;
        rank.as_mut_bytes().copy_from_slice(&pan.rank().to_be_bytes());
        row.sealed = self.seal(epoch, &self.card_aad(row)?, rank.as_bytes())?;
        Ok(())
    }

    /// The card number of a row. `Tampered` when the row was changed.
    pub fn open_card(&self, row: &CardRow) -> Result<Pan> {
        let mut rank = rank_room()?;
        let aad = self.card_aad(row).map_err(overlong_column)?;
        self.open(&aad, &row.sealed, rank.as_mut_bytes())?;
        let rank = rank.as_bytes().try_into().map_err(|_| Code::Internal)?;
        Pan::from_rank(u64::from_be_bytes(rank)).ok_or_else(|| Code::Tampered.into())
    }

    /// Seals a name, or that there is none, into an instrument's row and with it all of the row's columns.
    pub fn seal_instrument(&self, epoch: u32, row: &mut InstrumentRow, name: &[u8]) -> Result<()> {
        let mut room = name_room()?;
        let bytes = room.as_mut_bytes();
        bytes[0] = u8::try_from(name.len()).map_err(|_| Code::Argument)?;
        bytes.get_mut(1..1 + name.len()).ok_or(Code::Argument)?.copy_from_slice(name);
        row.sealed = self.seal(epoch, &self.instrument_aad(row)?, room.as_bytes())?;
        Ok(())
    }

    /// The name of an instrument's row, empty when it has none. `Tampered` when the row was changed.
    pub fn open_instrument(&self, row: &InstrumentRow) -> Result<Name> {
        let mut room = name_room()?;
        let aad = self.instrument_aad(row).map_err(overlong_column)?;
        self.open(&aad, &row.sealed, room.as_mut_bytes())?;
        let bytes = room.as_bytes();
        let name = bytes.get(1..1 + usize::from(bytes[0])).ok_or(Code::Tampered)?;
        Name::copy_of(name).ok_or_else(|| Code::Tampered.into())
    }

    fn card_aad(&self, row: &CardRow) -> Result<Aad> {
        Aad::new("panseal/card/1")?
            .field(self.merchant.as_bytes())?
            .field(&row.id)?
            .field(row.network.as_bytes())?
            .field(row.iin.as_bytes())?
            .field(row.last4.as_bytes())
    }

    fn instrument_aad(&self, row: &InstrumentRow) -> Result<Aad> {
        Aad::new("panseal/instrument/1")?
            .field(self.merchant.as_bytes())?
            .field(row.token.as_str().as_bytes())?
            .field(&row.card)?
            .field(row.customer.as_bytes())?
            .number(i64::from(row.expiry))?
            .number(i64::from(row.active))?
            .number(row.created_at)?
            .number(row.keep_until)
    }

    fn seal(&self, epoch: u32, aad: &Aad, plaintext: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = Vec::with_capacity(5 + aead::NONCE_LEN + plaintext.len() + aead::TAG_LEN);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&epoch.to_be_bytes());
        self.keyring
            .with_seal_key(epoch, self.merchant, |key| aead::seal(key, aad, plaintext, &mut sealed))??;
        Ok(sealed)
    }

    fn open(&self, aad: &Aad, sealed: &[u8], out: &mut [u8]) -> Result<()> {
        let (epoch, body) = split(sealed)?;
        self.keyring.with_seal_key(epoch, self.merchant, |key| aead::open(key, aad, body, out))?
    }
}

/// The epoch under which a field was sealed.
pub fn epoch_of(sealed: &[u8]) -> Result<u32> {
    Ok(split(sealed)?.0)
}

fn split(sealed: &[u8]) -> Result<(u32, &[u8])> {
    let tampered = || Error::from(Code::Tampered);
    let (&format, rest) = sealed.split_first().ok_or_else(tampered)?;
    let (epoch, body) = rest.split_first_chunk::<4>().ok_or_else(tampered)?;
    if format != FORMAT {
        return Err(tampered());
    }
    Ok((u32::from_be_bytes(*epoch), body))
}

/// A column longer than the vault ever writes.
fn overlong_column(_: Error) -> Error {
    Code::Tampered.into()
}

fn rank_room() -> Result<SecretText<8>> {
    SecretText::copy_of(&[0; 8]).ok_or_else(|| Code::Internal.into())
}

fn name_room() -> Result<SecretText<NAME_ROOM>> {
    SecretText::copy_of(&[0; NAME_ROOM]).ok_or_else(|| Code::Internal.into())
}
