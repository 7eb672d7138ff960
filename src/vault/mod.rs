//! The vault: a tokenizer and records in a store, for one merchant at a time.
//!
//! An acknowledged token is on disk. Tokenizing and looking up are an oracle to whoever may call them; fingerprints
//! therefore never leave this floor, and a [`Guard`] sees every operation.

mod audit;
mod change;
mod credential;
mod customer;
mod fork;
mod guard;
mod instrument;
mod life;
mod metadata;
mod once;
mod read;
mod seal;
mod status;
mod store;
mod tokenize;

pub use crate::tokenizer::now;
pub use audit::{AuditLine, AuditQuery};
pub use change::{Change, Purged};
pub use credential::{BEARER_KEY_LEN, BearerKey, Credential, Grant, SCOPES_MAX, SIGNING_KEY_MAX};
pub use customer::Customer;
pub use guard::{Guard, Operation};
pub use instrument::{Details, Instrument};
pub use metadata::METADATA_MAX;
pub use once::{Amendment, Claimed};
pub use read::{LIST_MAX, ListQuery};
pub use seal::NAME_MAX;
pub use status::{EpochStatus, Status};
pub use tokenize::{MANY_MAX, Reuse, TokenizeOptions};

use crate::error::{Code, Error, Result};
use crate::keys::{KeyKind, Keyring, Root, WrappedKey};
use crate::scheme::Scheme;
use crate::secret::Random;
use crate::tokenizer::{MERCHANT_MAX, check_text};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::memory::MemoryStore;
use store::sqlite::SqliteStore;
use store::{AuditRow, Fence, Fresh, Id, Job, Rows, Store, Work, again, is_again, is_in_doubt, new_id};

/// The longest merchant, customer, actor or idempotency key, in bytes of UTF-8.
pub const ID_MAX: usize = MERCHANT_MAX;
/// The longest reason for a detokenization, in bytes of UTF-8.
pub const REASON_MAX: usize = 256;
/// Whether this build speaks to PostgreSQL.
pub const HAS_POSTGRES: bool = cfg!(feature = "postgres");

/// How often a verb starts over with keys that were loaded again and are the same.
const ATTEMPTS: u32 = 8;
/// The longest pause before a transaction is run once more.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// How to open a vault.
#[derive(Clone)]
pub struct OpenOptions<'a> {
    /// Where it is: `sqlite:PATH`, `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?NAME=VALUE` (in builds that
    /// have it), or `memory:` for one that is gone when it is closed.
    pub url: &'a str,
    /// Where its root key is.
    pub root: Root,
    /// The tenant that the handle works for; empty is one of its own.
    pub merchant: &'a str,
    /// Who acts, for the audit trail, where a call does not say.
    pub actor: &'a str,
    /// How tokens are made.
    pub scheme: Scheme,
    /// Make the vault where there is none. Otherwise that is `NotAVault`; `memory:` is always made.
    pub create: bool,
    /// This handle never detokenizes.
    pub no_reveal: bool,
    /// How long to wait for other writers before `Busy`.
    pub busy_timeout: Duration,
    /// The generation that the host has seen last ([`Status::generation`]): an older vault is `Tampered`. 0: any.
    pub min_generation: i64,
}

impl<'a> OpenOptions<'a> {
    /// A vault at `url` with the root key at `root`; all else by default: merchant "", scheme `random`, not created,
    /// five seconds of patience.
    pub fn new(url: &'a str, root: Root) -> OpenOptions<'a> {
        OpenOptions {
            url,
            root,
            merchant: "",
            actor: "",
            scheme: Scheme::default(),
            create: false,
            no_reveal: false,
            busy_timeout: Duration::from_secs(5),
            min_generation: 0,
        }
    }
}

/// An open vault, for one merchant. Any thread may use it at any time; it is closed when the last handle on it goes.
pub struct Vault {
    shared: Arc<Shared>,
    merchant: Arc<str>,
    actor: Arc<str>,
    scheme: Scheme,
    no_reveal: bool,
}

/// What the handles of all merchants have in common.
struct Shared {
    store: Arc<dyn Store>,
    root: Mutex<Root>,
    /// The one that is taking its place at this moment.
    next_root: Mutex<Option<Root>>,
    /// Without a lock, so that no thread can hold one across a fork.
    keyring: ArcSwap<Keyring>,
    loading: Mutex<()>,
    guard: ArcSwapOption<Arc<dyn Guard>>,
    busy_timeout: Duration,
    min_generation: i64,
}

impl Vault {
    /// Opens a vault, or makes one where `create` says so. The root key is fetched first: if it cannot be had, no
    /// file is made.
    ///
    /// `Argument` for a URL, merchant or actor that is not of its form, or a token scheme of the
    /// [`Tokenizer`](crate::tokenizer::Tokenizer); `Card` for an actor that holds a card number; `RootKey`; `NotAVault`
    /// where none is or the file is something else, which is then left as it is; `SchemaNewer`; `Tampered` for a vault
    /// older than `min_generation`; `Store` and `Busy`.
    pub fn open(options: &OpenOptions) -> Result<Vault> {
        check_id(options.merchant)?;
        check_kept(options.actor)?;
        check_scheme(options.scheme)?;
        let root = options.root.clone();
        root.fetch()?;
        let _no_fork = fork::enter();
        let mut pauses = Pauses::until(options.busy_timeout);
        let (store, keyring) = loop {
            let opened = open_store(options, &root).and_then(|store| {
                let keyring = load_keyring(&*store, &root, options.min_generation)?;
                Ok((store, keyring))
            });
            match opened {
                Err(error) if is_again(&error) => pauses.pause()?,
                other => break other?,
            }
        };
        fork::watch(Arc::downgrade(&store))?;
        Ok(Vault {
            shared: Arc::new(Shared {
                store,
                root: Mutex::new(root),
                next_root: Mutex::default(),
                keyring: ArcSwap::from_pointee(keyring),
                loading: Mutex::new(()),
                guard: ArcSwapOption::empty(),
                busy_timeout: options.busy_timeout,
                min_generation: options.min_generation,
            }),
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
            actor: Arc::clone(&self.actor),
            scheme: self.scheme,
            no_reveal: self.no_reveal,
        })
    }

    /// The merchant that this handle works for.
    pub fn merchant_name(&self) -> &str {
        &self.merchant
    }

    /// Runs a verb with the keyring in hand: once more with a fresh one where that has become stale, be it that another
    /// process changed the keys or that this one is a forked child; once more where another writer was faster.
    fn work<T>(&self, mut verb: impl FnMut(&Arc<Keyring>, i64) -> Result<T>) -> Result<T> {
        let _no_fork = fork::enter();
        let mut pauses = Pauses::until(self.shared.busy_timeout);
        let mut fruitless = 0;
        loop {
            let keyring = self.shared.keyring.load_full();
            match verb(&keyring, now()) {
                Err(error) if matches!(error.code(), Code::Epoch | Code::Fork) => {
                    match self.shared.reload(&keyring, error) {
                        Err(error) if is_again(&error) => {
                            pauses.pause().map_err(|busy| self.why(busy))?;
                            continue;
                        }
                        other => other?,
                    }
                    if self.shared.keyring.load().version() > keyring.version() {
                        // Keys that change as fast as they are loaded are no fault of any row.
                        pauses.check()?;
                        continue;
                    }
                    fruitless += 1;
                    if fruitless > ATTEMPTS {
                        // The keys are the vault's newest and still do not know the epoch: the row was changed.
                        return Err(if error.code() == Code::Epoch { Code::Tampered.into() } else { error });
                    }
                }
                Err(error) if is_again(&error) => pauses.pause().map_err(|busy| self.why(busy))?,
                other => return other,
            }
        }
    }

    /// Why patience has ended: the database cannot be reached, or it is busy.
    fn why(&self, busy: Error) -> Error {
        self.shared.store.out_of_reach().unwrap_or(busy)
    }

    /// A transaction that begins with the fence and ends with a line of the audit trail, by which its commit is known
    /// where the connection was lost over it.
    fn write(&self, keyring: &Keyring, line: &AuditRow, work: Work<'_>) -> Result<()> {
        let mut work = self.between_fence_and_line(keyring, line, work);
        self.commit(&line.id, &mut || self.shared.store.write(&mut work))
    }

    /// [`Vault::write`], for work that raises the fence.
    fn write_alone(&self, keyring: &Keyring, line: &AuditRow, work: Work<'_>) -> Result<()> {
        let mut work = self.between_fence_and_line(keyring, line, work);
        self.commit(&line.id, &mut || self.shared.store.write_alone(&mut work))
    }

    fn between_fence_and_line<'w>(
        &'w self,
        keyring: &'w Keyring,
        line: &'w AuditRow,
        work: Work<'w>,
    ) -> impl FnMut(&dyn Rows) -> Result<()> + 'w {
        move |rows| {
            check_fence(rows, keyring)?;
            work(rows)?;
            rows.insert(&self.merchant, &Fresh { audits: vec![line], ..Fresh::default() })
        }
    }

    /// [`Vault::write`] for a job, which does all that itself and can be grouped with others.
    fn submit(&self, mark: &Id, job: &Arc<dyn Job>) -> Result<()> {
        self.commit(mark, &mut || self.shared.store.submit(job))
    }

    /// Commits; where the connection is lost over it, finds out by the audit line `mark` whether that was done, and
    /// runs the same transaction again if not. It cannot be done twice: the line is there once.
    ///
    /// The lost one may still be running when it is run again. What it holds is waited for, so a refusal that it has
    /// caused itself (what was deleted is gone, what was made is there) comes when its line is there too.
    fn commit(&self, mark: &Id, transact: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let mut pauses = Pauses::until(self.shared.busy_timeout);
        let mut in_doubt = None;
        loop {
            let outcome = transact();
            match outcome {
                Err(error) if is_in_doubt(&error) => in_doubt = Some(error),
                Err(_) if in_doubt.is_some() => {}
                other => return other,
            }
            let mut there = false;
            let asked = self.shared.store.read(&mut |rows| {
                there = rows.has_audit(&self.merchant, mark)?;
                Ok(())
            });
            match outcome {
                _ if asked.is_ok() && there => return Ok(()),
                Err(refused) if asked.is_ok() && !matches!(refused.code(), Code::Busy | Code::Store) => {
                    return outcome;
                }
                _ => {}
            }
            pauses.pause().map_err(|busy| in_doubt.unwrap_or(busy))?;
        }
    }

    /// A transaction without a line in the audit trail, for what can be done twice: where the connection is lost over
    /// its commit it is to be run once more.
    fn write_again(&self, work: Work<'_>) -> Result<()> {
        let written = self.shared.store.write(work);
        written.map_err(|error| if is_in_doubt(&error) { again() } else { error })
    }

    fn line(&self, at: i64, action: &str, token: &str) -> Result<AuditRow> {
        self.line_with(at, action, token, &mut Random::new())
    }

    fn line_with(&self, at: i64, action: &str, token: &str, random: &mut Random) -> Result<AuditRow> {
        Ok(AuditRow {
            id: new_id(random)?,
            at,
            actor: self.actor.as_ref().into(),
            action: action.into(),
            token: token.into(),
            reason: String::new(),
        })
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
    fn root(&self) -> Root {
        self.root.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// With the root key, or with the one that has taken its place by the time that the other one does not fit.
    fn load(&self, at_least: i64) -> Result<Keyring> {
        let with = |root: Root| load_keyring(&*self.store, &root, at_least);
        let refused = match with(self.root()) {
            Err(error) if error.code() == Code::RootKey => error,
            other => return other,
        };
        let next = self.next_root.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let fitting = next.into_iter().chain([self.root()]).map(with).find(Result::is_ok);
        fitting.unwrap_or(Err(refused))
    }

    /// Loads the keyring again, unless another thread has done so since `stale` was taken.
    fn reload(&self, stale: &Arc<Keyring>, why: Error) -> Result<()> {
        let _one_at_a_time = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&self.keyring.load(), stale) {
            let at_least = self.min_generation.max(stale.version());
            let fresh = self.load(at_least);
            // In a forked child a root key that is out of reach has its own answer.
            self.keyring.store(Arc::new(fresh.map_err(|error| match (why.code(), error.code()) {
                (Code::Fork, Code::RootKey) => why,
                _ => error,
            })?));
        }
        Ok(())
    }
}

/// Pauses that grow, until patience ends.
struct Pauses {
    deadline: Instant,
    next: Duration,
}

impl Pauses {
    fn until(patience: Duration) -> Pauses {
        Pauses { deadline: Instant::now() + patience, next: Duration::from_micros(200) }
    }

    /// `Busy` where there is no time left.
    fn check(&self) -> Result<()> {
        if Instant::now() >= self.deadline { Err(Code::Busy.into()) } else { Ok(()) }
    }

    /// [`Pauses::check`], and a pause.
    fn pause(&mut self) -> Result<()> {
        self.check()?;
        // Writers that were in each other's way are not to meet again.
        let mut byte = [0];
        getrandom::fill(&mut byte).map_err(|_| Code::Internal)?;
        fork::sleep(self.next.mul_f32(0.5 + f32::from(byte[0]) / 255.0));
        self.next = (self.next * 2).min(PAUSE_MAX);
        Ok(())
    }
}

/// `Epoch` where the keyring in hand is not the vault's present one. First in every transaction that writes.
fn check_fence(rows: &dyn Rows, keyring: &Keyring) -> Result<()> {
    if rows.fence()?.version == keyring.version() { Ok(()) } else { Err(Code::Epoch.into()) }
}

fn open_store(options: &OpenOptions, root: &Root) -> Result<Arc<dyn Store>> {
    let mut first_rows = |rows: &dyn Rows| first_keys(rows, root);
    if options.url == "memory:" {
        return Ok(Arc::new(MemoryStore::new(&mut first_rows)?));
    }
    if ["postgres://", "postgresql://"].iter().any(|scheme| options.url.starts_with(scheme)) {
        return open_postgres(options, options.create.then_some(&mut first_rows as Work<'_>));
    }
    let path =
        options.url.strip_prefix("sqlite:").filter(|path| is_plain_path(path)).ok_or(Code::Argument)?;
    let create = options.create.then_some(&mut first_rows as Work<'_>);
    Ok(Arc::new(SqliteStore::open(Path::new(path), options.busy_timeout, create)?))
}

#[cfg(feature = "postgres")]
fn open_postgres(options: &OpenOptions, create: Option<Work<'_>>) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(store::postgres::PostgresStore::open(options.url, options.busy_timeout, create)?))
}

#[cfg(not(feature = "postgres"))]
fn open_postgres(_: &OpenOptions, _: Option<Work<'_>>) -> Result<Arc<dyn Store>> {
    Err(Code::Unsupported.into())
}

fn first_keys(rows: &dyn Rows, root: &Root) -> Result<()> {
    let mut vault = [0; store::ID_LEN];
    getrandom::fill(&mut vault).map_err(|_| Code::Internal)?;
    let root = root.fetch()?;
    rows.insert_fence(&Fence { vault, version: 1 })?;
    let keys = [KeyKind::Epoch, KeyKind::Index];
    let keys = keys.map(|kind| WrappedKey::generate(&root, &vault, (kind, 1), None, now()));
    rows.put_keys(&keys.into_iter().collect::<Result<Vec<_>>>()?)
}

/// Fence and keys belong together: read until nobody has changed them in between.
fn read_keys(store: &dyn Store) -> Result<(Fence, Vec<WrappedKey>)> {
    let mut found = None;
    for _ in 0..ATTEMPTS {
        store.read(&mut |rows| {
            let fence = rows.fence()?;
            let keys = rows.keys()?;
            found = (rows.fence()? == fence).then_some((fence, keys));
            Ok(())
        })?;
        if let Some(found) = found.take() {
            return Ok(found);
        }
    }
    Err(again())
}

/// `Tampered` where what the store has is older than `at_least`.
fn load_keyring(store: &dyn Store, root: &Root, at_least: i64) -> Result<Keyring> {
    let (fence, keys) = read_keys(store)?;
    if fence.version < at_least {
        return Err(Code::Tampered.into());
    }
    Keyring::open(root, &fence.vault, fence.version, &keys)
}

fn is_plain_path(path: &str) -> bool {
    // What SQLite's users write for a database in memory is not to become a file of that name.
    !path.is_empty() && !path.contains('\0') && path != ":memory:"
}

fn check_scheme(scheme: Scheme) -> Result<()> {
    if scheme.needs_vault() { Ok(()) } else { Err(Code::Argument.into()) }
}

fn check_id(id: &str) -> Result<()> {
    check_text(id, ID_MAX)
}

/// An id or a key that is to be kept: see [`metadata::refuse_card_number`].
fn check_kept(id: &str) -> Result<()> {
    check_id(id)?;
    metadata::refuse_card_number(id)
}

/// Until when something is kept: 0, or a time since 1970.
fn check_time(seconds: i64) -> Result<()> {
    if seconds >= 0 { Ok(()) } else { Err(Code::Argument.into()) }
}
