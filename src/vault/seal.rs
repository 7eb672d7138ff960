//! What is sealed in a vault's rows, and to what each seal is bound.
//!
//! A sealed field is `format (1 byte), epoch (4 bytes, big-endian), nonce (12), ciphertext, tag (16)`. Its
//! associated data begins with a label and binds merchant, ids and the clear columns beside it: a swapped row, a
//! re-pointed token or an edited column does not open. The same row's older version put back is not noticed.
//!
//! Format 2 is free: for an instrument that binds a count of uses, or a token that was brought along.

use super::store::{CardRow, CredentialRow, CustomerRow, InstrumentRow};
use crate::card::Pan;
use crate::error::{Code, Error, Result};
use crate::keys::Keyring;
use crate::keys::aead::{self, Aad};
use crate::secret::{Random, SecretText};
use zeroize::Zeroizing;

const FORMAT: u8 = 1;
/// How much longer a sealed field is than what is in it.
const OVERHEAD: usize = 5 + aead::NONCE_LEN + aead::TAG_LEN;

/// A name as it is sealed: its length in a byte, then itself and zeros, so that the row's length tells nothing.
const NAME_ROOM: usize = 112;
/// The longest name in bytes.
pub const NAME_MAX: usize = NAME_ROOM - 1;
/// The longest metadata, and the longest extra, in bytes.
pub const NOTE_MAX: usize = 4096;
/// A credential's secret as it is sealed: its length in a byte, then itself and zeros.
pub const KEY_ROOM: usize = 255;
/// What is sealed beyond a name is filled up to a multiple of this.
const STEP: usize = 64;

/// A cardholder's name out of a vault.
pub type Name = SecretText<NAME_MAX>;

/// What is sealed over an instrument: name, metadata, extra.
#[derive(Default)]
pub struct Contents {
    /// The cardholder's name, or empty.
    pub name: Name,
    /// A JSON object, or empty.
    pub metadata: Box<str>,
    /// What a dialect keeps beside it, or empty.
    pub extra: Box<[u8]>,
}

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
    pub fn seal_card(&self, epoch: u32, row: &mut CardRow, pan: &Pan, random: &mut Random) -> Result<()> {
        let mut rank = rank_room()?;
        rank.as_mut_bytes().copy_from_slice(&pan.rank().to_be_bytes());
        row.sealed = self.seal(epoch, &self.card_aad(row)?, rank.as_bytes(), random)?;
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

    /// Seals contents into an instrument's row, bound to all of the row's columns.
    pub fn seal_instrument(
        &self,
        epoch: u32,
        row: &mut InstrumentRow,
        contents: &Contents,
        random: &mut Random,
    ) -> Result<()> {
        let aad = self.instrument_aad(row)?;
        row.sealed = contents.with_layout(|plaintext| self.seal(epoch, &aad, plaintext, random))??;
        Ok(())
    }

    /// The contents of an instrument's row. `Tampered` when the row was changed.
    pub fn open_instrument(&self, row: &InstrumentRow) -> Result<Contents> {
        let aad = self.instrument_aad(row).map_err(overlong_column)?;
        let len = row.sealed.len().checked_sub(OVERHEAD).ok_or(Code::Tampered)?;
        if len == NAME_ROOM {
            let mut room = name_room()?;
            self.open(&aad, &row.sealed, room.as_mut_bytes())?;
            return Contents::read(room.as_bytes());
        }
        let mut room = Zeroizing::new(vec![0; len]);
        self.open(&aad, &row.sealed, &mut room)?;
        Contents::read(&room)
    }

    /// Seals what is known of a customer, bound to all of the row's columns.
    pub fn seal_customer(&self, epoch: u32, row: &mut CustomerRow, data: &str) -> Result<()> {
        let mut plaintext = Zeroizing::new(Vec::with_capacity(2 + data.len().next_multiple_of(STEP)));
        append_note(&mut plaintext, data.as_bytes())?;
        let filled = plaintext.len().next_multiple_of(STEP);
        plaintext.resize(filled, 0);
        row.sealed = self.seal(epoch, &self.customer_aad(row)?, &plaintext, &mut Random::new())?;
        Ok(())
    }

    /// What is known of a customer. `Tampered` when the row was changed.
    pub fn open_customer(&self, row: &CustomerRow) -> Result<Box<str>> {
        let aad = self.customer_aad(row).map_err(overlong_column)?;
        let len = row.sealed.len().checked_sub(OVERHEAD).ok_or(Code::Tampered)?;
        let mut room = Zeroizing::new(vec![0; len]);
        self.open(&aad, &row.sealed, &mut room)?;
        let (data, _) = split_note(&room)?;
        Ok(text(data)?.into())
    }

    /// Seals the secret of a credential, bound to all of the row's columns.
    pub fn seal_credential(
        &self,
        epoch: u32,
        row: &mut CredentialRow,
        secret: &SecretText<KEY_ROOM>,
    ) -> Result<()> {
        let mut room = SecretText::<KEY_ROOM>::copy_of(&[0; KEY_ROOM]).ok_or(Code::Internal)?;
        let bytes = room.as_mut_bytes();
        bytes[0] = secret.len() as u8;
        bytes.get_mut(1..1 + secret.len()).ok_or(Code::Argument)?.copy_from_slice(secret.as_bytes());
        row.sealed = self.seal(epoch, &self.credential_aad(row)?, room.as_bytes(), &mut Random::new())?;
        Ok(())
    }

    /// The secret of a credential. `Tampered` when the row was changed.
    pub fn open_credential(&self, row: &CredentialRow) -> Result<SecretText<KEY_ROOM>> {
        let mut room = SecretText::<KEY_ROOM>::copy_of(&[0; KEY_ROOM]).ok_or(Code::Internal)?;
        let aad = self.credential_aad(row).map_err(overlong_column)?;
        self.open(&aad, &row.sealed, room.as_mut_bytes())?;
        let (len, rest) = room.as_bytes().split_first().ok_or(Code::Internal)?;
        rest.get(..usize::from(*len)).and_then(SecretText::copy_of).ok_or_else(|| Code::Tampered.into())
    }

    fn credential_aad(&self, row: &CredentialRow) -> Result<Aad> {
        Aad::new("panseal/credential/1")?
            .field(self.merchant.as_bytes())?
            .field(row.id.as_bytes())?
            .field(row.dialect.as_bytes())?
            .field(row.subject.as_bytes())?
            .field(row.scopes.as_bytes())?
            .number(row.created_at)?
            .number(row.expires_at)?
            .number(row.revoked_at)
    }

    fn card_aad(&self, row: &CardRow) -> Result<Aad> {
        let [merchant, network, iin, last4] =
            [self.merchant, &row.network, &row.iin, &row.last4].map(str::as_bytes);
        Aad::of("panseal/card/1", &[merchant, &row.id, network, iin, last4])
    }

    fn instrument_aad(&self, row: &InstrumentRow) -> Result<Aad> {
        let [merchant, token, customer] =
            [self.merchant, row.token.as_str(), &row.customer].map(str::as_bytes);
        let numbers = [i64::from(row.expiry), i64::from(row.active), row.created_at, row.keep_until];
        let [expiry, active, created_at, keep_until] = numbers.map(i64::to_be_bytes);
        Aad::of(
            "panseal/instrument/1",
            &[merchant, token, &row.card, customer, &expiry, &active, &created_at, &keep_until],
        )
    }

    fn customer_aad(&self, row: &CustomerRow) -> Result<Aad> {
        Aad::new("panseal/customer/1")?
            .field(self.merchant.as_bytes())?
            .field(row.id.as_bytes())?
            .field(row.reference.as_bytes())?
            .number(row.created_at)?
            .number(row.updated_at)?
            .number(row.deleted_at)
    }

    fn seal(&self, epoch: u32, aad: &Aad, plaintext: &[u8], random: &mut Random) -> Result<Vec<u8>> {
        let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&epoch.to_be_bytes());
        self.keyring.with_seal_key(epoch, self.merchant, |key| {
            aead::seal(key, aad, plaintext, random, &mut sealed)
        })??;
        Ok(sealed)
    }

    fn open(&self, aad: &Aad, sealed: &[u8], out: &mut [u8]) -> Result<()> {
        let (epoch, body) = split(sealed)?;
        self.keyring.with_seal_key(epoch, self.merchant, |key| aead::open(key, aad, body, out))?
    }
}

impl Contents {
    /// With a name alone.
    pub fn of_name(name: &str) -> Result<Contents> {
        let name = Name::copy_of(name.as_bytes()).ok_or(Code::Argument)?;
        Ok(Contents { name, ..Contents::default() })
    }

    /// Lends the contents to `work` as they are sealed: the name in its room; behind it, where there are any, metadata
    /// and extra, each behind its length in two bytes, big-endian, and zeros.
    fn with_layout<R>(&self, work: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let mut room = name_room()?;
        let bytes = room.as_mut_bytes();
        bytes[0] = self.name.len() as u8;
        bytes[1..1 + self.name.len()].copy_from_slice(self.name.as_bytes());
        if self.metadata.is_empty() && self.extra.is_empty() {
            return Ok(work(room.as_bytes()));
        }
        let len = (4 + self.metadata.len() + self.extra.len()).next_multiple_of(STEP);
        let mut whole = Zeroizing::new(Vec::with_capacity(NAME_ROOM + len));
        whole.extend_from_slice(room.as_bytes());
        append_note(&mut whole, self.metadata.as_bytes())?;
        append_note(&mut whole, &self.extra)?;
        whole.resize(NAME_ROOM + len, 0);
        Ok(work(&whole))
    }

    fn read(bytes: &[u8]) -> Result<Contents> {
        let (name, notes) = bytes.split_at_checked(NAME_ROOM).ok_or(Code::Tampered)?;
        let name = name.get(1..1 + usize::from(name[0])).and_then(Name::copy_of).ok_or(Code::Tampered)?;
        if notes.is_empty() {
            return Ok(Contents { name, ..Contents::default() });
        }
        let (metadata, rest) = split_note(notes)?;
        let (extra, _) = split_note(rest)?;
        Ok(Contents { name, metadata: text(metadata)?.into(), extra: extra.into() })
    }
}

fn append_note(to: &mut Vec<u8>, note: &[u8]) -> Result<()> {
    let len =
        u16::try_from(note.len()).ok().filter(|len| usize::from(*len) <= NOTE_MAX).ok_or(Code::Limit)?;
    to.extend_from_slice(&len.to_be_bytes());
    to.extend_from_slice(note);
    Ok(())
}

fn split_note(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>().ok_or(Code::Tampered)?;
    rest.split_at_checked(u16::from_be_bytes(*len).into()).ok_or_else(|| Code::Tampered.into())
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Code::Tampered.into())
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
