//! The vault: a tokenizer and records in a store, for one merchant at a time.
//!
//! An acknowledged token is on disk. Tokenizing and looking up are an oracle to whoever may call them; fingerprints
//! therefore never leave this floor.

mod fork;
mod instrument;
mod seal;
mod store;

pub use instrument::Instrument;

use crate::card::{Card, Pan};
use crate::error::{Code, Error, Result};
use crate::keys::{KeyKind, Keyring, Root, WrappedKey};
use crate::scheme::{Scheme, Token};
use crate::tokenizer::{self, Issued};
use seal::Sealer;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::sqlite::SqliteStore;
use store::{AuditLine, CardRow, Fence, ID_LEN, InstrumentRow, Rows, Store, Work};

/// The longest merchant, customer or actor, in bytes of UTF-8.
pub const ID_MAX: usize = 64;
/// The longest reason for a detokenization, in bytes of UTF-8.
pub const REASON_MAX: usize = 256;

/// How often a verb starts over because the vault's keys changed under it.
const ATTEMPTS: u32 = 4;

/// How to open a vault.
#[derive(Clone)]
pub struct OpenOptions<'a> {
    /// Where it is: `sqlite:PATH`.
    pub url: &'a str,
    /// Where its root key is: `file:PATH`.
    pub root: &'a str,
    /// The tenant that the handle works for; empty is one of its own.
    pub merchant: &'a str,
    /// Who acts, for the audit trail, where a call does not say.
    pub actor: &'a str,
    /// How tokens are made.
    pub scheme: Scheme,
    /// Make the vault where there is none. Otherwise that is `NotAVault`.
    pub create: bool,
    /// This handle never detokenizes.
    pub no_reveal: bool,
    /// How long to wait for another writer before `Busy`.
    pub busy_timeout: Duration,
}

impl<'a> OpenOptions<'a> {
    /// A vault at `url` with the root key at `root`; all else by default: merchant "", scheme `random`, not created,
    /// five seconds of patience.
    pub fn new(url: &'a str, root: &'a str) -> OpenOptions<'a> {
        OpenOptions {
            url,
            root,
            merchant: "",
            actor: "",
            scheme: Scheme::default(),
            create: false,
            no_reveal: false,
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// An open vault, for one merchant. Any thread may use it at any time; it is closed when the last handle on it goes.
pub struct Vault {
    shared: Arc<Shared>,
    merchant: Box<str>,
    actor: Box<str>,
    scheme: Scheme,
    no_reveal: bool,
}

/// What the handles of all merchants have in common.
struct Shared {
    store: Arc<dyn Store>,
    root: Root,
    keyring: RwLock<Arc<Keyring>>,
}

impl Vault {
    /// Opens a vault, or makes one where `create` says so. The root key is fetched first: if it cannot be had, no
    /// file is made.
    ///
    /// `Argument` for a URL, merchant or actor that is not of its form, or a token scheme of the
    /// [`Tokenizer`](crate::tokenizer::Tokenizer); `RootKey`; `NotAVault` where none is or
    /// the file is something else, which is then left as it is; `SchemaNewer`; `Store` and `Busy`.
    pub fn open(options: &OpenOptions) -> Result<Vault> {
        let path =
            options.url.strip_prefix("sqlite:").filter(|path| is_plain_path(path)).ok_or(Code::Argument)?;
        check_id(options.merchant)?;
        check_id(options.actor)?;
        check_scheme(options.scheme)?;
        let root = Root::parse(options.root)?;
        root.fetch()?;
        let _no_fork = fork::enter();
        let mut first_rows = |rows: &dyn Rows| first_keys(rows, &root);
        let create = options.create.then_some(&mut first_rows as Work<'_>);
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(Path::new(path), options.busy_timeout, create)?);
        let keyring = RwLock::new(Arc::new(load_keyring(&*store, &root)?));
        fork::watch(Arc::downgrade(&store))?;
        Ok(Vault {
            shared: Arc::new(Shared { store, root, keyring }),
            merchant: options.merchant.into(),
            actor: options.actor.into(),
            scheme: options.scheme,
            no_reveal: options.no_reveal,
        })
    }

    /// A second handle on the same store and keys, for another merchant. What one merchant stores, another
    /// cannot look up. `Argument` for a merchant that is not of its form.
    pub fn merchant(&self, merchant: &str) -> Result<Vault> {
        check_id(merchant)?;
        Ok(Vault {
            shared: Arc::clone(&self.shared),
            merchant: merchant.into(),
            actor: self.actor.clone(),
            scheme: self.scheme,
            no_reveal: self.no_reveal,
        })
    }

    /// Stores a checked card and gives its token, which is on disk when this returns.
    ///
    /// `customer` may be empty. The card's number and name are sealed; a cvv, a postal code or track data does
    /// not get this far. `Argument` for a customer that is not of its form or a name longer than
    /// [`seal::NAME_MAX`] bytes.
    pub fn tokenize(&self, card: &Card, customer: &str) -> Result<Instrument> {
        check_id(customer)?;
        self.work(|keyring, now| {
            let issued = tokenizer::issue(self.scheme, keyring, &self.merchant, card.number())?;
            let sealer = Sealer::new(keyring, &self.merchant);
            let mut fresh = self.new_card(&sealer, issued.epoch, card)?;
            let mut instrument = new_instrument(&issued, card, customer, now);
            self.write(keyring, &mut |rows| {
                match rows.card_by_fingerprint(&self.merchant, &issued.fingerprint)? {
                    Some(known) => fresh = self.same_card(&sealer, known, card.number())?,
                    None => rows.insert_card(&self.merchant, &fresh, &issued.fingerprint)?,
                }
                instrument.card = fresh.id;
                sealer.seal_instrument(
                    issued.epoch,
                    &mut instrument,
                    card.name().unwrap_or("").as_bytes(),
                )?;
                rows.insert_instrument(&self.merchant, &instrument)?;
                self.audit(rows, now, None, "tokenize", &instrument.token, "")
            })?;
            Instrument::of(&instrument, &fresh, card.number())
        })
    }

    /// What may be shown of a token's card. `Token` for a token that is unknown, malformed, or another merchant's:
    /// deliberately one answer.
    pub fn lookup(&self, token: &[u8]) -> Result<Instrument> {
        let token = Token::parse(token)?;
        self.work(|keyring, _| {
            let mut found = None;
            self.shared.store.read(&mut |rows| {
                found = rows.instrument(&self.merchant, &token)?;
                Ok(())
            })?;
            let (instrument, card) = found.ok_or(Code::Token)?;
            let pan = Sealed { instrument: &instrument, card: &card }.open(keyring, &self.merchant)?.0;
            Instrument::of(&instrument, &card, &pan)
        })
    }

    /// The card number of a token. Actor and reason are in the audit trail, on disk, before it is given out.
    ///
    /// `actor` empty: the handle's. `room` is how many digits the caller can take: `Buffer`, and no line in the audit
    /// trail, where the number has more. `Irreversible` on a handle that never detokenizes, `Argument` where `reason`
    /// is empty or too long, `Token`, `Inactive` where the token was deactivated.
    pub fn detokenize(&self, token: &[u8], actor: &str, reason: &str, room: usize) -> Result<Pan> {
        if self.no_reveal {
            return Err(Code::Irreversible.into());
        }
        check_id(actor)?;
        check_text(reason, REASON_MAX)?;
        if reason.is_empty() {
            return Err(Code::Argument.into());
        }
        let token = Token::parse(token)?;
        self.work(|keyring, now| {
            let mut pan = None;
            self.write(keyring, &mut |rows| {
                let (instrument, card) = rows.instrument(&self.merchant, &token)?.ok_or(Code::Token)?;
                let opened = Sealed { instrument: &instrument, card: &card }.open(keyring, &self.merchant)?;
                if !instrument.active {
                    return Err(Code::Inactive.into());
                }
                if opened.0.len() > room {
                    return Err(Code::Buffer.into());
                }
                pan = Some(opened.0);
                self.audit(rows, now, Some(actor), "detokenize", &token, reason)
            })?;
            pan.ok_or_else(|| Code::Internal.into())
        })
    }

    /// Takes a token out of use: it can still be looked up, and no longer be detokenized. Doing so twice is fine.
    pub fn deactivate(&self, token: &[u8]) -> Result<()> {
        let token = Token::parse(token)?;
        self.work(|keyring, now| {
            self.write(keyring, &mut |rows| {
                let (mut instrument, card) = rows.instrument(&self.merchant, &token)?.ok_or(Code::Token)?;
                let (_, name) =
                    Sealed { instrument: &instrument, card: &card }.open(keyring, &self.merchant)?;
                if !instrument.active {
                    return Ok(());
                }
                instrument.active = false;
                let epoch = keyring.active_epoch()?;
                Sealer::new(keyring, &self.merchant).seal_instrument(
                    epoch,
                    &mut instrument,
                    name.as_bytes(),
                )?;
                rows.update_instrument(&self.merchant, &instrument)?;
                self.audit(rows, now, None, "deactivate", &token, "")
            })
        })
    }

    /// Runs a verb with the keyring in hand; once more with a fresh one where that has become stale, be it that
    /// another process changed the keys or that this one is a forked child.
    fn work<T>(&self, mut verb: impl FnMut(&Keyring, i64) -> Result<T>) -> Result<T> {
        let _no_fork = fork::enter();
        let mut stale = Error::from(Code::Internal);
        for _ in 0..ATTEMPTS {
            let keyring = self.shared.keyring.read().unwrap_or_else(PoisonError::into_inner).clone();
            match verb(&keyring, now()) {
                Err(error) if matches!(error.code(), Code::Epoch | Code::Fork) => {
                    stale = error;
                    self.shared.reload(&keyring, error)?;
                }
                other => return other,
            }
        }
        // The keys are the vault's newest and still do not know the epoch: the row was changed.
        Err(if stale.code() == Code::Epoch { Code::Tampered.into() } else { stale })
    }

    /// A write transaction that begins with the fence: `Epoch` where the keyring is not the vault's present one.
    fn write(&self, keyring: &Keyring, work: Work<'_>) -> Result<()> {
        self.shared.store.write(&mut |rows| {
            if rows.fence()?.version != keyring.version() {
                return Err(Code::Epoch.into());
            }
            work(rows)
        })
    }

    fn new_card(&self, sealer: &Sealer, epoch: u32, card: &Card) -> Result<CardRow> {
        let pan = card.number();
        let mut row = CardRow {
            id: random_id()?,
            network: card.network().name().into(),
            iin: ascii(pan.iin()),
            last4: ascii(&pan.last4()),
            sealed: Vec::new(),
        };
        sealer.seal_card(epoch, &mut row, pan)?;
        Ok(row)
    }

    /// A fingerprint that was pointed at another card must not give that card a new token.
    fn same_card(&self, sealer: &Sealer, known: CardRow, pan: &Pan) -> Result<CardRow> {
        let same = sealer.open_card(&known)?.digits() == pan.digits();
        if same { Ok(known) } else { Err(Code::Tampered.into()) }
    }

    fn audit(
        &self,
        rows: &dyn Rows,
        at: i64,
        actor: Option<&str>,
        action: &str,
        token: &Token,
        reason: &str,
    ) -> Result<()> {
        let actor = actor.filter(|actor| !actor.is_empty()).unwrap_or(&self.actor);
        rows.insert_audit(&self.merchant, &AuditLine { at, actor, action, token, reason })
    }
}

/// Closing is work on the database too: no fork while it lasts.
impl Drop for Shared {
    fn drop(&mut self) {
        let _no_fork = fork::enter();
        self.store.let_go();
    }
}

impl Shared {
    /// Loads the keyring again, unless another thread has done so since `stale` was taken.
    fn reload(&self, stale: &Keyring, why: Error) -> Result<()> {
        let mut keyring = self.keyring.write().unwrap_or_else(PoisonError::into_inner);
        if std::ptr::eq(&raw const **keyring, stale) {
            let fresh = load_keyring(&*self.store, &self.root);
            // In a forked child a root key that is out of reach has its own answer.
            *keyring = Arc::new(fresh.map_err(|error| match (why.code(), error.code()) {
                (Code::Fork, Code::RootKey) => why,
                _ => error,
            })?);
        }
        Ok(())
    }
}

/// An instrument's two rows, opened together: neither is believed alone.
struct Sealed<'r> {
    instrument: &'r InstrumentRow,
    card: &'r CardRow,
}

impl Sealed<'_> {
    fn open(&self, keyring: &Keyring, merchant: &str) -> Result<(Pan, seal::Name)> {
        let sealer = Sealer::new(keyring, merchant);
        Ok((sealer.open_card(self.card)?, sealer.open_instrument(self.instrument)?))
    }
}

fn first_keys(rows: &dyn Rows, root: &Root) -> Result<()> {
    let fence = Fence { vault: random_id()?, version: 1 };
    let root = root.fetch()?;
    rows.insert_fence(&fence)?;
    for kind in [KeyKind::Epoch, KeyKind::Index] {
        rows.insert_key(&WrappedKey::generate(&root, &fence.vault, (kind, 1), None, now())?)?;
    }
    Ok(())
}

fn load_keyring(store: &dyn Store, root: &Root) -> Result<Keyring> {
    let mut loaded = None;
    store.read(&mut |rows| {
        loaded = Some((rows.fence()?, rows.keys()?));
        Ok(())
    })?;
    let (fence, keys) = loaded.ok_or(Code::Internal)?;
    Keyring::open(root, &fence.vault, fence.version, &keys)
}

fn new_instrument(issued: &Issued, card: &Card, customer: &str, now: i64) -> InstrumentRow {
    InstrumentRow {
        token: issued.token,
        card: [0; ID_LEN],
        customer: customer.into(),
        expiry: card.expiry().map_or(0, |expiry| i32::from(expiry.year()) * 100 + i32::from(expiry.month())),
        active: true,
        created_at: now,
        keep_until: 0,
        sealed: Vec::new(),
    }
}

fn random_id() -> Result<[u8; ID_LEN]> {
    let mut id = [0; ID_LEN];
    getrandom::fill(&mut id).map_err(|_| Code::Internal)?;
    Ok(id)
}

/// The system clock, in seconds since 1970 UTC.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

fn ascii(digits: &[u8]) -> String {
    digits.iter().map(|digit| char::from(*digit)).collect()
}

fn is_plain_path(path: &str) -> bool {
    !path.is_empty() && !path.contains('\0')
}

/// Surrogates are not made yet: a vault must see to it that none is issued twice, not even after a purge.
fn check_scheme(scheme: Scheme) -> Result<()> {
    match scheme {
        Scheme::Surrogate(_) => Err(Code::Unsupported.into()),
        scheme if scheme.needs_vault() => Ok(()),
        _ => Err(Code::Argument.into()),
    }
}

fn check_id(id: &str) -> Result<()> {
    check_text(id, ID_MAX)
}

/// Texts go into columns and associated data as they are; control characters have no business there.
fn check_text(text: &str, max: usize) -> Result<()> {
    if text.len() > max || text.chars().any(char::is_control) { Err(Code::Argument.into()) } else { Ok(()) }
}
