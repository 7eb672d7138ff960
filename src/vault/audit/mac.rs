//! What chains the lines of the audit trail: the MAC of each over what it says and its predecessor's.

use super::super::store::{Line, MAC_LEN, Mac, MainLine};
use crate::error::{Code, Result};
use crate::keys::Keyring;
use crate::secret::hmac::{PREPARED_LEN, mac_of};
use crate::secret::stack;

/// Before the first line of a main chain.
pub const NOTHING: Mac = [0; MAC_LEN];
/// In the place of a merchant in the vault's own main chain: no name has it.
const VAULT_NAME: &[u8] = &[0xff];

/// Whose chains they are.
#[derive(Clone, Copy)]
pub enum Owner<'o> {
    /// A merchant's.
    Merchant(&'o str),
    /// The vault's own.
    Vault,
}

impl Owner<'_> {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Owner::Merchant(name) => name.as_bytes(),
            Owner::Vault => VAULT_NAME,
        }
    }
}

/// Makes MACs for the chains of one owner.
pub struct Chainer<'k> {
    prepared: &'k [u8; PREPARED_LEN],
    vault: &'k [u8],
    owner: Owner<'k>,
}

impl Chainer<'_> {
    /// Lends one to `work`, and wipes behind it: what follows may wait for a disk.
    pub fn lend<R>(keyring: &Keyring, owner: Owner<'_>, work: impl FnOnce(&Chainer<'_>) -> R) -> Result<R> {
        stack::wipe_after::<{ stack::CIPHER }, _>(|| {
            keyring.with_audit_key(|prepared| work(&Chainer { prepared, vault: keyring.id(), owner }))
        })
    }

    /// The MAC of a line behind one with the MAC `before`.
    pub fn line(&self, line: &Line, before: &Mac) -> Mac {
        let mut message = self.begin(b"panseal/audit/1");
        message.number(line.chain).number(line.seq).number(line.row.at);
        message.field(line.row.actor.as_bytes()).number(line.row.action.number());
        message.field(line.row.token.as_bytes()).field(line.row.reason.as_bytes());
        message.field(line.old.as_ref().map_or(&[][..], |id| &id[..])).field(before);
        self.finish(&message)
    }

    /// The MAC of a line of the main chain behind one with the MAC `before`.
    pub fn main(&self, line: &MainLine, before: &Mac) -> Mac {
        let mut message = self.begin(b"panseal/audit/main/1");
        message.number(line.seq).number(line.kind as i64).number(line.chain);
        message.number(line.first).number(line.last).field(&line.link).number(line.at);
        message.field(&line.body).field(before);
        self.finish(&message)
    }

    /// A keyed hash of a text that was presented and is not to be stored.
    pub fn presented(&self, text: &[u8]) -> Mac {
        let mut message = self.begin(b"panseal/refused/1");
        message.field(text);
        self.finish(&message)
    }

    fn begin(&self, label: &[u8]) -> Message {
        let mut message = Message(Vec::with_capacity(320));
        message.field(label).field(self.vault).field(self.owner.as_bytes());
        message
    }

    fn finish(&self, message: &Message) -> Mac {
        let whole = mac_of(self.prepared, &message.0);
        let mut mac = NOTHING;
        mac.copy_from_slice(&whole[..MAC_LEN]);
        mac
    }
}

/// Fields, each behind its length.
struct Message(Vec<u8>);

impl Message {
    fn field(&mut self, field: &[u8]) -> &mut Message {
        self.0.extend_from_slice(&(field.len() as u32).to_be_bytes());
        self.0.extend_from_slice(field);
        self
    }

    fn number(&mut self, number: i64) -> &mut Message {
        self.field(&number.to_be_bytes())
    }
}

/// Eight bytes of a body, as a number, and the rest.
pub fn take_number(bytes: &[u8]) -> Result<(i64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Code::Tampered)?;
    Ok((i64::from_be_bytes(*number), rest))
}

/// A MAC out of a body, and the rest.
pub fn take_mac(bytes: &[u8]) -> Result<(Mac, &[u8])> {
    let (mac, rest) = bytes.split_first_chunk().ok_or(Code::Tampered)?;
    Ok((*mac, rest))
}
