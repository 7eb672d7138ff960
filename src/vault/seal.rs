//! What is sealed in a vault's rows, and to what each seal is bound.
//!
//! A sealed field is `format (1 byte), epoch (4 bytes, big-endian), nonce (12), ciphertext, tag (16)`. Its
//! associated data begins with a label and binds merchant, ids and the clear columns beside it: a swapped row, a
//! re-pointed token or an edited column does not open. The same row's older version put back is not noticed.
//!
//! Format 2 is free: for an instrument that binds a count of uses, or a token that was brought along.
//!
//! Sealing and opening wipe the stack behind themselves: what follows them may wait for a disk or a socket, and meanwhile
//! neither keys nor what was sealed may lie there.

use super::store::{CardRow, CredentialRow, CustomerRow, InstrumentRow, Print};
use crate::card::Pan;
use crate::error::{Code, Error, Result};
use crate::keys::Keyring;
use crate::keys::aead::{self, Aad};
use crate::secret::{Random, SecretText, stack};
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

/// What is sealed over an instrument: name, metadata, extra. Wiped when dropped.
#[derive(Default)]
pub struct Contents {
    /// The cardholder's name, or empty.
    pub name: Name,
    /// A JSON object, or empty.
    pub metadata: Zeroizing<Box<str>>,
    /// What a dialect keeps beside it, or empty.
    pub extra: Zeroizing<Box<[u8]>>,
}

/// [`Contents`] that lie elsewhere.
#[derive(Clone, Copy, Default)]
pub struct Shown<'a> {
    /// The cardholder's name, or empty.
    pub name: &'a [u8],
    /// A JSON object, or empty.
    pub metadata: &'a str,
    /// What a dialect keeps beside it, or empty.
    pub extra: &'a [u8],
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
        let aad = self.card_aad(row)?;
        row.sealed = wiped(|| {
            let mut rank = rank_room()?;
            rank.as_mut_bytes().copy_from_slice(&pan.rank().to_be_bytes());
            self.seal(epoch, &aad, rank.as_bytes(), random)
        })?;
        Ok(())
    }

    /// The card number of a row. `Tampered` when the row was changed.
    pub fn open_card(&self, row: &CardRow) -> Result<Pan> {
        let aad = self.card_aad(row).map_err(overlong_column)?;
        wiped(|| {
            let mut rank = rank_room()?;
            self.open(&aad, &row.sealed, rank.as_mut_bytes())?;
            let rank = rank.as_bytes().try_into().map_err(|_| Code::Internal)?;
            Pan::from_rank(u64::from_be_bytes(rank)).ok_or_else(|| Code::Tampered.into())
        })
    }

    /// Whether a row has the number of this fingerprint: it is opened, and nothing of it is left behind.
    pub fn is_card(&self, row: &CardRow, print: &Print) -> Result<bool> {
        wiped(|| {
            let pan = self.open_card(row)?;
            let found = self.keyring.fingerprint_under(print.generation, self.merchant, &pan)?;
            Ok(found == print.print)
        })
    }

    /// The errors that opening a field has because of its keys, not of its row: `Epoch`, `Fork`, `Limit`.
    pub fn check_keys(&self, sealed: &[u8]) -> Result<()> {
        self.keyring.with_seal_key(epoch_of(sealed)?, self.merchant, |_| ())
    }

    /// Seals contents into an instrument's row, bound to all of the row's columns.
    pub fn seal_instrument(
        &self,
        epoch: u32,
        row: &mut InstrumentRow,
        contents: Shown,
        random: &mut Random,
    ) -> Result<()> {
        let aad = self.instrument_aad(row)?;
        row.sealed = wiped(|| contents.with_layout(|plaintext| self.seal(epoch, &aad, plaintext, random)))??;
        Ok(())
    }

    /// The contents of an instrument's row. `Tampered` when the row was changed.
    pub fn open_instrument(&self, row: &InstrumentRow) -> Result<Contents> {
        self.with_instrument(row, Contents::read)?
    }

    /// `Tampered` when an instrument's row was changed. What is sealed over it is wiped at once.
    pub fn verify_instrument(&self, row: &InstrumentRow) -> Result<()> {
        self.with_instrument(row, |_| ())
    }

    fn with_instrument<R>(&self, row: &InstrumentRow, work: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let aad = self.instrument_aad(row).map_err(overlong_column)?;
        let len = row.sealed.len().checked_sub(OVERHEAD).ok_or(Code::Tampered)?;
        wiped(|| {
            if len == NAME_ROOM {
                let mut room = name_room()?;
                self.open(&aad, &row.sealed, room.as_mut_bytes())?;
                return Ok(work(room.as_bytes()));
            }
            let mut room = Zeroizing::new(vec![0; len]);
            self.open(&aad, &row.sealed, &mut room)?;
            Ok(work(&room))
        })
    }

    /// Seals what is known of a customer, bound to all of the row's columns.
    pub fn seal_customer(&self, epoch: u32, row: &mut CustomerRow, data: &str) -> Result<()> {
        let mut plaintext = Zeroizing::new(Vec::with_capacity(2 + data.len().next_multiple_of(STEP)));
        append_note(&mut plaintext, data.as_bytes())?;
        let filled = plaintext.len().next_multiple_of(STEP);
        plaintext.resize(filled, 0);
        let aad = self.customer_aad(row)?;
        row.sealed = wiped(|| self.seal(epoch, &aad, &plaintext, &mut Random::new()))?;
        Ok(())
    }

    /// What is known of a customer. `Tampered` when the row was changed.
    pub fn open_customer(&self, row: &CustomerRow) -> Result<Zeroizing<Box<str>>> {
        let aad = self.customer_aad(row).map_err(overlong_column)?;
        let len = row.sealed.len().checked_sub(OVERHEAD).ok_or(Code::Tampered)?;
        let mut room = Zeroizing::new(vec![0; len]);
        wiped(|| self.open(&aad, &row.sealed, &mut room))?;
        let (data, _) = split_note(&room)?;
        Ok(Zeroizing::new(text(data)?.into()))
    }

    /// Seals the secret of a credential, bound to all of the row's columns.
    pub fn seal_credential(
        &self,
        epoch: u32,
        row: &mut CredentialRow,
        secret: &SecretText<KEY_ROOM>,
    ) -> Result<()> {
        let aad = self.credential_aad(row)?;
        row.sealed = wiped(|| {
            let mut room = SecretText::<KEY_ROOM>::copy_of(&[0; KEY_ROOM]).ok_or(Code::Internal)?;
            let bytes = room.as_mut_bytes();
            bytes[0] = secret.len() as u8;
            bytes.get_mut(1..1 + secret.len()).ok_or(Code::Argument)?.copy_from_slice(secret.as_bytes());
            self.seal(epoch, &aad, room.as_bytes(), &mut Random::new())
        })?;
        Ok(())
    }

    /// The secret of a credential. `Tampered` when the row was changed.
    pub fn open_credential(&self, row: &CredentialRow) -> Result<SecretText<KEY_ROOM>> {
        #[cfg(test)]
        OPENED.set(OPENED.get() + 1);
        let aad = self.credential_aad(row).map_err(overlong_column)?;
        wiped(|| {
            let mut room = SecretText::<KEY_ROOM>::copy_of(&[0; KEY_ROOM]).ok_or(Code::Internal)?;
            self.open(&aad, &row.sealed, room.as_mut_bytes())?;
            let (len, rest) = room.as_bytes().split_first().ok_or(Code::Internal)?;
            rest.get(..usize::from(*len)).and_then(SecretText::copy_of).ok_or_else(|| Code::Tampered.into())
        })
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

impl Shown<'_> {
    /// Lends the contents to `work` as they are sealed: the name in its room; behind it, where there are any, metadata
    /// and extra, each behind its length in two bytes, big-endian, and zeros.
    fn with_layout<R>(&self, work: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let mut room = name_room()?;
        let bytes = room.as_mut_bytes();
        bytes[0] = self.name.len() as u8;
        bytes.get_mut(1..1 + self.name.len()).ok_or(Code::Argument)?.copy_from_slice(self.name);
        if self.metadata.is_empty() && self.extra.is_empty() {
            return Ok(work(room.as_bytes()));
        }
        let len = (4 + self.metadata.len() + self.extra.len()).next_multiple_of(STEP);
        let mut whole = Zeroizing::new(Vec::with_capacity(NAME_ROOM + len));
        whole.extend_from_slice(room.as_bytes());
        append_note(&mut whole, self.metadata.as_bytes())?;
        append_note(&mut whole, self.extra)?;
        whole.resize(NAME_ROOM + len, 0);
        Ok(work(&whole))
    }
}

impl Contents {
    /// What is to be sealed of them.
    pub fn shown(&self) -> Shown<'_> {
        Shown { name: self.name.as_bytes(), metadata: &self.metadata, extra: &self.extra }
    }

    fn read(bytes: &[u8]) -> Result<Contents> {
        let (name, notes) = bytes.split_at_checked(NAME_ROOM).ok_or(Code::Tampered)?;
        let name = name.get(1..1 + usize::from(name[0])).and_then(Name::copy_of).ok_or(Code::Tampered)?;
        if notes.is_empty() {
            return Ok(Contents { name, ..Contents::default() });
        }
        let (metadata, rest) = split_note(notes)?;
        let (extra, _) = split_note(rest)?;
        let (metadata, extra) = (text(metadata)?.into(), extra.into());
        Ok(Contents { name, metadata: Zeroizing::new(metadata), extra: Zeroizing::new(extra) })
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

#[cfg(test)]
thread_local! {
    static OPENED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// How many credentials this thread has opened.
#[cfg(test)]
pub fn opened() -> u32 {
    OPENED.get()
}

/// Cipher work of one field, wiped behind.
fn wiped<R>(work: impl FnOnce() -> R) -> R {
    stack::wipe_after::<{ stack::CIPHER }, _>(work)
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

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use crate::card::Separators;
    use crate::keys::keyring::Sources;
    use crate::keys::{KeyTable, Root};
    use crate::scheme::Scheme;

    /// A keyring, and an instrument with its contents.
    fn sealed() -> (Keyring, InstrumentRow) {
        let folder = tempfile::tempdir().unwrap();
        let uri = format!("file:{}", folder.path().join("root").display());
        Root::create(&uri).unwrap();
        let root = Root::parse(&uri).unwrap();
        let table = KeyTable::new(&root.fetch().unwrap(), 1).unwrap();
        let roots = [root];
        let keyring =
            Keyring::load(&table, &Sources { roots: &roots, previous: None, commitment: None }).unwrap();
        let pan = Pan::parse(b"4242424242424242", Separators::Dropped).ok().unwrap();
        let random = &mut Random::new();
        let mut instrument = InstrumentRow {
            token: Scheme::default().draw(pan.digits(), random).unwrap(),
            card: [1; 16],
            customer: String::new(),
            expiry: 203012,
            active: true,
            created_at: 0,
            keep_until: 0,
            sealed: Vec::new(),
        };
        let sealer = Sealer::new(&keyring, "m");
        let contents = Shown { name: b"A NAME", metadata: "{\"a\":1}", extra: &[7; 300] };
        sealer.seal_instrument(1, &mut instrument, contents, random).unwrap();
        (keyring, instrument)
    }

    #[test]
    fn a_row_that_is_verified_is_refused_where_it_was_changed() {
        let (keyring, mut instrument) = sealed();
        let sealer = Sealer::new(&keyring, "m");
        sealer.verify_instrument(&instrument).unwrap();
        instrument.expiry += 1;
        assert_eq!(sealer.verify_instrument(&instrument).unwrap_err().code(), Code::Tampered);
    }
}
