//! What a vault asks of a database: rows in, rows out, in transactions. No key and no card number comes this far;
//! what is secret in a row is sealed.
//!
//! Three stores are there: one SQLite file, PostgreSQL, tables in memory. A store knows nothing of cards; the vault
//! knows nothing of SQL.

mod audit;
pub mod memory;
mod open_files;
mod packed;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod sqlite;
mod tenants;

pub use audit::{
    Action, AuditRow, AuditRows, ChainRow, Head, Held, Kind, Line, MAC_LEN, Mac, MainLine, Span, VAULT,
    is_no_chain, no_chain,
};

#[cfg(all(test, feature = "postgres", not(miri)))]
pub use audit::Lane;

use crate::error::{Code, Error, Result};
use crate::keys::{KeyTable, WrappedKey};
use crate::scheme::{Token, UNREADABLE};
use crate::secret::Random;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Length of a card's, an audit line's and a vault's id, in bytes.
pub const ID_LEN: usize = 16;
/// Such an id.
pub type Id = [u8; ID_LEN];
/// A keyed hash of a card number.
pub type Fingerprint = [u8; crate::keys::keyring::FINGERPRINT_LEN];

/// What is done with the rows inside a transaction.
pub type Work<'w> = &'w mut dyn FnMut(&dyn Rows) -> Result<()>;

/// A write that any thread can do, and as often as it takes: it owns what it writes, and calls nobody back.
pub trait Job: Send + Sync {
    /// Does it, inside a transaction.
    fn run(&self, rows: &dyn Rows) -> Result<()>;
}

/// A database.
///
/// An error that [is to be tried again](is_again) left no effects; one that is [in doubt](is_in_doubt) may have.
pub trait Store: Send + Sync {
    /// `sqlite`, `memory` or `postgres`.
    fn name(&self) -> &'static str;

    /// The schema's version, which is that of this library from opening on.
    fn schema(&self) -> i32;

    /// Runs `work` outside a transaction: each of its reads sees the present.
    fn read(&self, work: Work<'_>) -> Result<()>;

    /// Runs `work` in a transaction and makes its effects durable before it returns; on an error of `work` there are
    /// none.
    fn write(&self, work: Work<'_>) -> Result<()> {
        let mut held = Held::default();
        let written = self.write_held(&mut held, work);
        self.release(held);
        written
    }

    /// [`Store::write`] with what a call holds on to from one transaction to the next.
    fn write_held(&self, held: &mut Held, work: Work<'_>) -> Result<()>;

    /// Like [`Store::write_held`], for work that raises the fence: writers that come while it waits for the running ones
    /// make way for it.
    fn write_alone(&self, held: &mut Held, work: Work<'_>) -> Result<()> {
        self.write_held(held, work)
    }

    /// Like [`Store::write_held`], but others may do it, in one transaction with jobs of theirs.
    fn submit(&self, held: &mut Held, job: &Arc<dyn Job>) -> Result<()> {
        self.write_held(held, &mut |rows| job.run(rows))
    }

    /// Takes back what a call has held on to.
    fn release(&self, _: Held) {}

    /// Why the database cannot be reached, where the last attempt to do so has failed: work on it is to be tried again
    /// all the same, for as long as patience lasts.
    fn out_of_reach(&self) -> Option<Error> {
        None
    }

    /// Gives up whatever must not be carried into a forked process. The next `read` or `write` opens it again.
    fn let_go(&self);

    /// Called in a forked child, where other threads are gone: forgets what was carried along all the same.
    fn forked(&self) {}
}

/// The rows that hold a vault's keys.
pub trait KeyRows {
    /// The row that every writer reads first; in a transaction it cannot change until that ends.
    fn fence(&self) -> Result<Fence>;
    /// Waits for the running writers and makes the fence's version one more: those that come find it changed.
    fn raise_fence(&self) -> Result<()>;
    /// The key table. Outside a transaction its parts may be of two versions: read it until two readings agree.
    fn key_table(&self) -> Result<KeyTable>;
    /// The key table of a new vault, and its fence.
    fn insert_key_table(&self, table: &KeyTable) -> Result<()>;
    /// Puts `after` in the place of `before`. The fence must have been raised to its version.
    fn put_key_table(&self, before: &KeyTable, after: &KeyTable) -> Result<()>;
}

/// The keys of a vault of an older version, before there was a key table.
#[derive(Clone, PartialEq, Eq)]
pub struct OldKeys {
    /// The vault's id and version.
    pub fence: Fence,
    /// All keys, wrapped.
    pub entries: Vec<WrappedKey>,
}

/// Brings a vault of an older version forward, with its keys in hand.
pub trait Upgrade {
    /// Unwraps the keys and makes the key table, before the transaction: a root key may be slow.
    fn prepare(&mut self, old: &OldKeys) -> Result<()>;
    /// Writes what was made, at the end of the transaction in which the tables were made new. Again where `old`, the
    /// keys as they were at its beginning, are not those of [`Upgrade::prepare`].
    fn finish(&mut self, old: &OldKeys, rows: &dyn Rows) -> Result<()>;
}

/// The rows of a vault. Inside [`Store::write`] they are those of one transaction.
///
/// A row with a column that cannot be read stops no other one: that column is empty, what is sealed is [`shut`], and in
/// the place of a token or id there is [a name](unreadable) for it.
pub trait Rows: KeyRows + AuditRows {
    /// The cards of fingerprints, one answer for each; in the place of a card that is not there, [a row that opens to
    /// nothing](CardRow::gone).
    fn known_cards(&self, merchant: &str, prints: &[Fingerprint]) -> Result<Vec<Option<CardRow>>>;
    /// Keeps other writers off these cards until the transaction ends; says which of them are still there. The ids are
    /// in ascending order, so that two writers do not wait for each other.
    fn lock_cards(&self, merchant: &str, ids: &[Id]) -> Result<Vec<bool>>;
    /// New cards, instruments, audit lines and idempotency keys. Again, where one of them is there already.
    fn insert(&self, merchant: &str, fresh: &Fresh<'_>) -> Result<()>;
    /// A fingerprint of a card that has others already; one that is there is left as it is. Says whether it was new.
    fn add_print(&self, merchant: &str, print: &Print, card: &Id) -> Result<bool>;
    /// Has a fingerprint that is there lead to this card.
    fn point_print(&self, merchant: &str, print: &Fingerprint, card: &Id) -> Result<()>;
    /// Removes up to `limit` fingerprints of an index generation, and says how many.
    fn delete_prints(&self, generation: u32, limit: usize) -> Result<usize>;
    /// How many cards of all merchants have a fingerprint of one of two index generations. Reads every fingerprint.
    fn count_indexed(&self, generations: [u32; 2]) -> Result<u64>;
    /// Puts a card's newly sealed number in the place of `was`; says whether it was still there.
    fn reseal_card(&self, merchant: &str, card: &CardRow, was: &[u8]) -> Result<bool>;
    /// Removes a card and those of its fingerprints that are given.
    fn delete_card(&self, merchant: &str, id: &Id, prints: &[Fingerprint]) -> Result<()>;

    /// Removes all fingerprints of a card whose number cannot be read.
    fn delete_prints_of(&self, merchant: &str, card: &Id) -> Result<()>;

    /// An instrument and its card; in the place of one that is not there, [a row that opens to nothing](CardRow::gone).
    /// The token may be [the name of one that cannot be read](packed::Place).
    fn instrument(&self, merchant: &str, token: &Token) -> Result<Option<(InstrumentRow, CardRow)>>;
    /// All instruments of a card, the newest first.
    fn instruments_of(&self, merchant: &str, card: &Id) -> Result<Vec<InstrumentRow>>;
    /// The changed columns of an instrument, where what is sealed over it is still `was`; says whether it was.
    fn update_instrument(&self, merchant: &str, row: &InstrumentRow, was: &[u8]) -> Result<bool>;
    /// Gives an instrument another card, where what is sealed over it is still `was`; says whether it was.
    fn move_instrument(&self, merchant: &str, row: &InstrumentRow, was: &[u8]) -> Result<bool>;
    /// Removes an instrument; its token goes into the tombstones where `bury` says so.
    fn delete_instrument(&self, merchant: &str, token: &Token, bury: bool) -> Result<()>;
    /// Which of these tokens were issued already, be it that they are gone.
    fn taken(&self, merchant: &str, tokens: &[Token]) -> Result<Vec<bool>>;
    /// Instruments and their cards, in the order of their tokens.
    fn list(&self, merchant: &str, query: &Listing<'_>) -> Result<Vec<(InstrumentRow, CardRow)>>;
    /// How many instruments a listing has in all, wherever it begins.
    fn count(&self, merchant: &str, query: &Listing<'_>) -> Result<u64>;

    /// The tokens that idempotency keys led to, one answer for each.
    fn replayed(&self, merchant: &str, keys: &[&str]) -> Result<Vec<Option<Token>>>;
    /// Removes up to `limit` idempotency keys that were used before `before`, and says how many.
    fn forget_keys(&self, before: i64, limit: usize) -> Result<usize>;

    /// Notes a name beside the idempotency keys, for a token; says whether it was not there yet, or for this token.
    fn remember(&self, merchant: &str, name: &str, token: &str, at: i64) -> Result<bool>;

    /// A credential, of whichever merchant.
    fn credential(&self, id: &str) -> Result<Option<CredentialRow>>;
    /// A new credential; says whether there was none of that id.
    fn insert_credential(&self, row: &CredentialRow) -> Result<bool>;
    /// The changed columns of a credential, where what is sealed is still `was`; says whether it was.
    fn update_credential(&self, row: &CredentialRow, was: &[u8]) -> Result<bool>;
    /// A merchant's credentials in the order of their ids.
    fn credentials(&self, merchant: &str, after: &[u8], limit: usize) -> Result<Vec<Found<CredentialRow>>>;
    /// Credentials of all merchants in the order of their ids, those behind a key.
    fn all_credentials(&self, after: Option<&[u8]>, limit: usize) -> Result<Vec<Found<CredentialRow>>>;

    /// A customer.
    fn customer(&self, merchant: &str, id: &str) -> Result<Option<CustomerRow>>;
    /// The customer whom the merchant knows by this reference.
    fn customer_by_reference(&self, merchant: &str, reference: &str) -> Result<Option<CustomerRow>>;
    /// Keeps other writers off a customer until the transaction ends; says whether it is there.
    fn lock_customer(&self, merchant: &str, id: &str) -> Result<bool>;
    /// A new customer; says whether there was none of that id and reference.
    fn insert_customer(&self, merchant: &str, row: &CustomerRow) -> Result<bool>;
    /// The changed columns of a customer, where what is sealed is still `was`; says whether it was.
    fn update_customer(&self, merchant: &str, row: &CustomerRow, was: &[u8]) -> Result<bool>;
    /// Removes a customer.
    fn delete_customer(&self, merchant: &str, id: &str) -> Result<()>;
    /// Customers in the order of their ids.
    fn customers(&self, merchant: &str, after: &[u8], limit: usize) -> Result<Vec<Found<CustomerRow>>>;

    /// Cards of all merchants, merchant by merchant, in the order of their ids: those behind a merchant's key.
    fn all_cards(&self, after: Option<(&str, &[u8])>, limit: usize) -> Result<Vec<Found<CardRow>>>;
    /// Instruments of all merchants, merchant by merchant, in the order of their tokens: those behind a merchant's key.
    fn all_instruments(
        &self,
        after: Option<(&str, &[u8])>,
        limit: usize,
    ) -> Result<Vec<Found<InstrumentRow>>>;
    /// Customers of all merchants, merchant by merchant, in the order of their ids: those behind a merchant's key.
    fn all_customers(&self, after: Option<(&str, &[u8])>, limit: usize) -> Result<Vec<Found<CustomerRow>>>;
    /// How many rows each epoch has sealed; those that name none under epoch 0, which is none. Reads every row.
    fn tally(&self) -> Result<Vec<Tally>>;
}

/// A row of a page, with its merchant and its key as the table has it, behind which the next page begins.
pub struct Found<R> {
    /// The merchant's name.
    pub merchant: String,
    /// A card's id, a packed token, the id of a customer or credential.
    pub key: Vec<u8>,
    /// The row.
    pub row: R,
}

/// What is left of a sealed field whose row cannot be read: its format and epoch. It opens to nothing.
pub fn shut(mut sealed: Vec<u8>) -> Vec<u8> {
    sealed.truncate(1 + size_of::<u32>());
    sealed
}

/// In the place of an id that cannot be read: its bytes.
pub fn unreadable(id: &[u8]) -> String {
    format!("{UNREADABLE}{}", hex(id))
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// By its version a writer notices that the keys in its hands are no longer the vault's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The vault's id, to which its keys are bound.
    pub vault: Id,
    /// Grows whenever the keys change.
    pub version: i64,
}

/// A card of one merchant. All but the sealed number stands in the clear, bound to the seal.
#[derive(Clone)]
pub struct CardRow {
    /// Made by [`new_id`].
    pub id: Id,
    /// The network's name.
    pub network: String,
    /// First six digits, or empty where storing them would leave too few hidden.
    pub iin: String,
    /// Last four digits.
    pub last4: String,
    /// The sealed number.
    pub sealed: Vec<u8>,
}

impl CardRow {
    /// In the place of a card that an instrument or a fingerprint names and that is not there.
    pub fn gone(id: Id) -> CardRow {
        CardRow { id, network: String::new(), iin: String::new(), last4: String::new(), sealed: Vec::new() }
    }

    /// Whether it is [such a row](CardRow::gone).
    pub fn is_gone(&self) -> bool {
        self.sealed.is_empty()
    }
}

/// A fingerprint and the generation of the index key that made it.
#[derive(Clone, Copy)]
pub struct Print {
    /// The index key's generation.
    pub generation: u32,
    /// The fingerprint.
    pub print: Fingerprint,
}

/// A token of one merchant.
#[derive(Clone)]
pub struct InstrumentRow {
    /// The token.
    pub token: Token,
    /// The card's id.
    pub card: Id,
    /// The customer, or empty.
    pub customer: String,
    /// Year times 100 plus month, or 0.
    pub expiry: i32,
    /// Whether the token may be used.
    pub active: bool,
    /// When it was made, as [`fine_time`] says it: the newest of a card is the one that was made last.
    pub created_at: i64,
    /// Seconds since 1970 UTC, or 0: for ever.
    pub keep_until: i64,
    /// Name, metadata and extra, sealed, bound to all of the above.
    pub sealed: Vec<u8>,
}

/// A customer of one merchant.
#[derive(Clone)]
pub struct CustomerRow {
    /// The merchant's or a dialect's id for it.
    pub id: String,
    /// Another name that leads to it, or empty; no two customers of a merchant have the same.
    pub reference: String,
    /// Seconds since 1970 UTC.
    pub created_at: i64,
    /// Seconds since 1970 UTC.
    pub updated_at: i64,
    /// Seconds since 1970 UTC, or 0: it is not deleted.
    pub deleted_at: i64,
    /// What is known of the customer, sealed, bound to all of the above.
    pub sealed: Vec<u8>,
}

/// What a caller may present from outside.
#[derive(Clone)]
pub struct CredentialRow {
    /// By which it is found; no two of a vault have the same.
    pub id: String,
    /// The merchant.
    pub merchant: String,
    /// Where it may be presented.
    pub dialect: String,
    /// Whom it stands for, or empty.
    pub subject: String,
    /// What it allows.
    pub scopes: String,
    /// Seconds since 1970 UTC.
    pub created_at: i64,
    /// Seconds since 1970 UTC, or 0: never.
    pub expires_at: i64,
    /// Seconds since 1970 UTC, or 0: it was not revoked.
    pub revoked_at: i64,
    /// A key's hash, or the key; sealed, bound to all of the above.
    pub sealed: Vec<u8>,
}

/// An idempotency key, used.
pub struct UsedKey<'k> {
    /// The caller's key.
    pub key: &'k str,
    /// The token that it led to.
    pub token: &'k Token,
    /// Seconds since 1970 UTC.
    pub at: i64,
}

/// What one write adds.
#[derive(Default)]
pub struct Fresh<'f> {
    /// Cards.
    pub cards: Vec<&'f CardRow>,
    /// Their fingerprints, each with its card.
    pub prints: Vec<(Print, Id)>,
    /// Instruments.
    pub instruments: Vec<&'f InstrumentRow>,
    /// Lines of the audit trail.
    pub lines: &'f [Line],
    /// Idempotency keys.
    pub keys: Vec<UsedKey<'f>>,
}

/// Which instruments are wanted, and which part of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listing<'l> {
    /// Of this customer alone.
    pub customer: Option<&'l str>,
    /// Active ones alone, or inactive ones.
    pub active: Option<bool>,
    /// Behind this token.
    pub after: Option<&'l str>,
    /// So many are passed over.
    pub offset: usize,
    /// At most so many.
    pub limit: usize,
}

/// How many rows an epoch has sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The epoch.
    pub epoch: u32,
    /// Cards.
    pub cards: u64,
    /// Instruments.
    pub instruments: u64,
    /// Customers.
    pub customers: u64,
    /// Credentials.
    pub credentials: u64,
}

impl Tally {
    /// All of them.
    pub fn rows(&self) -> u64 {
        self.cards + self.instruments + self.customers + self.credentials
    }
}

/// The system code of [`again`], which no database has.
const AGAIN: i32 = i32::MIN;
/// That of [`in_doubt`], which a caller hears where patience ends before it is known: SQLSTATE 08007, 'transaction
/// resolution unknown', as a number to base 36.
const IN_DOUBT: i32 = 373_255;

/// Another writer was faster: the transaction had no effect and is to be run once more.
pub fn again() -> Error {
    Error::system(Code::Busy, AGAIN)
}

/// Whether an error says that the transaction is to be run once more.
pub fn is_again(error: &Error) -> bool {
    error.code() == Code::Busy && error.system_code() == AGAIN
}

/// The connection was lost while the transaction was being committed: nobody knows whether it was.
#[cfg(feature = "postgres")]
pub fn in_doubt() -> Error {
    Error::system(Code::Store, IN_DOUBT)
}

/// Whether an error leaves open what became of the transaction.
pub fn is_in_doubt(error: &Error) -> bool {
    error.code() == Code::Store && error.system_code() == IN_DOUBT
}

/// A second in the units of [`fine_time`].
const SECOND: i64 = 1000 << 16;

/// When an id was made, in 2^-16 milliseconds since 1970.
pub fn fine_time(id: &Id) -> i64 {
    id.first_chunk().map_or(0, |time| i64::from_be_bytes(*time))
}

/// The seconds since 1970 of a [`fine_time`]; older versions kept instruments with seconds, which are far less.
pub fn in_seconds(time: i64) -> i64 {
    if time < 1000 * SECOND { time } else { time / SECOND }
}

/// A new id: eight bytes of the time, in 2^-16 milliseconds since 1970, then eight random ones. Ids that a process
/// makes ascend. Rows that are made one after the other lie side by side, where random ids would touch a page of their
/// own each.
pub fn new_id(random: &mut Random) -> Result<Id> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = (since.as_nanos() * 65_536 / 1_000_000) as u64;
    let after = |last: u64| Some(now.max(last + 1));
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).unwrap_or(now);
    let mut id = [0; ID_LEN];
    let (time, rest) = id.split_at_mut(8);
    time.copy_from_slice(&now.max(last + 1).to_be_bytes());
    rest.copy_from_slice(&random.take::<8>()?);
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Settings;

    /// A key table without keys.
    pub fn key_table(version: i64) -> KeyTable {
        let settings = Settings::default();
        KeyTable { id: [7; 16], version, settings, entries: Vec::new(), revoked: Vec::new(), mac: [0; 32] }
    }

    /// For stores that are made new.
    pub struct NoUpgrade;

    impl Upgrade for NoUpgrade {
        fn prepare(&mut self, _: &OldKeys) -> Result<()> {
            Err(Code::Internal.into())
        }

        fn finish(&mut self, _: &OldKeys, _: &dyn Rows) -> Result<()> {
            Err(Code::Internal.into())
        }
    }
}
