//! What a tokenization writes, made beforehand for the raw side: a card, its fingerprint, an instrument and a line of
//! the audit trail with its MAC, of the same lengths and as random.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub const MERCHANT: &str = "m1";

/// A packed token of 48 hexadecimal digits.
const TOKEN: usize = 1 + 24;
/// The number of `tokenize` among the actions.
pub const TOKENIZE: i64 = 1;
/// Format, epoch, nonce, ciphertext, tag.
const SEALED_CARD: usize = 5 + 12 + 8 + 16;
const SEALED_INSTRUMENT: usize = 5 + 12 + 112 + 16;

pub struct RawRow {
    pub card: [u8; 16],
    pub iin: String,
    pub last4: String,
    pub pan: Vec<u8>,
    pub print: [u8; 16],
    pub token: [u8; TOKEN],
    pub created_at: i64,
    pub sealed: Vec<u8>,
    pub mac: [u8; 16],
}

impl RawRow {
    pub fn new() -> RawRow {
        RawRow {
            card: id(),
            iin: "424242".into(),
            last4: "4242".into(),
            pan: random::<SEALED_CARD>().into(),
            print: random(),
            token: packed(&random()),
            created_at: panseal::vault::now(),
            sealed: random::<SEALED_INSTRUMENT>().into(),
            mac: random(),
        }
    }

    pub fn some(count: usize) -> Vec<RawRow> {
        (0..count).map(|_| RawRow::new()).collect()
    }
}

/// Ascending in time, as the vault's ids.
fn id() -> [u8; 16] {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    let now = (since.as_nanos() * 65_536 / 1_000_000) as u64;
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.max(last + 1)));
    let mut id = random();
    id[..8].copy_from_slice(&now.max(last.expect("an id") + 1).to_be_bytes());
    id
}

/// As the tables hold a token of these bytes, whose text is their hexadecimal digits.
fn packed(bytes: &[u8; TOKEN - 1]) -> [u8; TOKEN] {
    let mut token = [1; TOKEN];
    token[1..].copy_from_slice(bytes);
    token
}

/// The same for a token's text.
pub fn packed_text(token: &str) -> [u8; TOKEN] {
    let byte = |at: usize| u8::from_str_radix(&token[2 * at..2 * at + 2], 16).expect("a token of digits");
    packed(&std::array::from_fn(byte))
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes
}
