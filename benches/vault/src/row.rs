//! What a tokenization writes, made beforehand for the raw side: a card, its fingerprint, an instrument and a line of
//! the audit trail, of the same lengths and as random.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub const MERCHANT: &str = "m1";

/// Format, epoch, nonce, ciphertext, tag.
const SEALED_CARD: usize = 5 + 12 + 8 + 16;
const SEALED_INSTRUMENT: usize = 5 + 12 + 112 + 16;

pub struct RawRow {
    pub card: [u8; 16],
    pub iin: String,
    pub last4: String,
    pub pan: Vec<u8>,
    pub print: [u8; 32],
    pub token: String,
    pub created_at: i64,
    pub sealed: Vec<u8>,
    pub line: [u8; 16],
}

impl RawRow {
    pub fn new() -> RawRow {
        RawRow {
            card: id(),
            iin: "424242".into(),
            last4: "4242".into(),
            pan: random::<SEALED_CARD>().into(),
            print: random(),
            token: random::<24>().map(|byte| format!("{byte:02x}")).concat(),
            created_at: panseal::vault::now(),
            sealed: random::<SEALED_INSTRUMENT>().into(),
            line: id(),
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

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes
}
