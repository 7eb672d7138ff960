//! What a vault asks of a database: rows in, rows out, in transactions. No key and no card number comes this far;
//! what is secret in a row is sealed.

mod open_files;
pub mod sqlite;

use crate::error::Result;
use crate::keys::WrappedKey;
use crate::scheme::Token;

/// Length of a card's and of a vault's random id, in bytes.
pub const ID_LEN: usize = 16;

/// What is done with the rows inside a transaction.
pub type Work<'w> = &'w mut dyn FnMut(&dyn Rows) -> Result<()>;

/// A database.
pub trait Store: Send + Sync {
    /// Runs `work` on one consistent view.
    fn read(&self, work: Work<'_>) -> Result<()>;

    /// Runs `work` alone among the writers and makes its effects durable before it returns; on an error of
    /// `work` there are none.
    fn write(&self, work: Work<'_>) -> Result<()>;

    /// Gives up whatever must not be carried into a forked process. The next `read` or `write` opens it again.
    fn let_go(&self);
}

/// The rows of a vault, inside a transaction.
pub trait Rows {
    /// The row that every writer reads first.
    fn fence(&self) -> Result<Fence>;
    /// All keys, wrapped.
    fn keys(&self) -> Result<Vec<WrappedKey>>;
    /// The fence and the first keys of a new vault.
    fn insert_fence(&self, fence: &Fence) -> Result<()>;
    /// A new key.
    fn insert_key(&self, key: &WrappedKey) -> Result<()>;

    /// The card of a fingerprint.
    fn card_by_fingerprint(&self, merchant: &str, fingerprint: &[u8]) -> Result<Option<CardRow>>;
    /// A new card and its fingerprint.
    fn insert_card(&self, merchant: &str, card: &CardRow, fingerprint: &[u8]) -> Result<()>;

    /// An instrument and its card.
    fn instrument(&self, merchant: &str, token: &Token) -> Result<Option<(InstrumentRow, CardRow)>>;
    /// A new instrument.
    fn insert_instrument(&self, merchant: &str, instrument: &InstrumentRow) -> Result<()>;
    /// The changed columns of an instrument: `active` and what is sealed over it.
    fn update_instrument(&self, merchant: &str, instrument: &InstrumentRow) -> Result<()>;

    /// A line of the audit trail.
    fn insert_audit(&self, merchant: &str, line: &AuditLine) -> Result<()>;
}

/// By its version a writer notices that the keys in its hands are no longer the vault's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The vault's id, to which its keys are bound.
    pub vault: [u8; ID_LEN],
    /// Grows whenever the keys change.
    pub version: i64,
}

/// A card of one merchant. All but the sealed number stands in the clear, bound to the seal.
pub struct CardRow {
    /// Random.
    pub id: [u8; ID_LEN],
    /// The network's name.
    pub network: String,
    /// First six digits, or empty where storing them would leave too few hidden.
    pub iin: String,
    /// Last four digits.
    pub last4: String,
    /// The sealed number.
    pub sealed: Vec<u8>,
}

/// A token of one merchant.
pub struct InstrumentRow {
    /// The token.
    pub token: Token,
    /// The card's id.
    pub card: [u8; ID_LEN],
    /// The customer, or empty.
    pub customer: String,
    /// Year times 100 plus month, or 0.
    pub expiry: i32,
    /// Whether the token may be used.
    pub active: bool,
    /// Seconds since 1970 UTC.
    pub created_at: i64,
    /// Seconds since 1970 UTC, or 0: for ever.
    pub keep_until: i64,
    /// The sealed name, bound to all of the above.
    pub sealed: Vec<u8>,
}

/// Who did what to which token, when and why.
pub struct AuditLine<'a> {
    /// Seconds since 1970 UTC.
    pub at: i64,
    /// Who acts.
    pub actor: &'a str,
    /// The verb.
    pub action: &'a str,
    /// The token acted on.
    pub token: &'a Token,
    /// Why, or empty.
    pub reason: &'a str,
}
