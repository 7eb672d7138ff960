//! The vault: a tokenizer and records in a store, for one merchant at a time.
//!
//! An acknowledged token is on disk. Tokenizing and looking up are an oracle to whoever may call them; fingerprints
//! therefore never leave this floor, and a [`Guard`] sees every operation.

mod audit;
mod change;
mod credential;
mod customer;
mod damage;
mod fork;
mod guard;
mod index;
mod instrument;
mod life;
mod merge;
mod metadata;
mod once;
mod read;
mod rewrap;
mod seal;
mod status;
mod store;
mod tokenize;

pub use crate::tokenizer::now;
pub use audit::{AuditFault, AuditLine, AuditQuery, AuditReport, FaultKind, HEAD_LEN, Refusal};
pub use change::{Change, Purged};
pub use credential::{BEARER_KEY_LEN, BearerKey, Credential, Grant, SCOPES_MAX, SIGNING_KEY_MAX};
pub use customer::Customer;
pub use damage::{Damage, DamageKind, VaultReport};
pub use guard::{Guard, Operation};
pub use instrument::{Details, Instrument};
pub use life::Reindexed;
pub use metadata::METADATA_MAX;
pub use once::{Amendment, Claimed};
pub use read::{LIST_MAX, ListQuery};
pub use rewrap::Rewrapped;
pub use seal::NAME_MAX;
pub use status::{EpochStatus, Status};
pub use tokenize::{MANY_MAX, Reuse, TokenizeOptions};

use crate::error::{Code, Error, Result};
use crate::keys::keyring::{Sources, with_root};
use crate::keys::{Commitment, KeyTable, Keyring, Revoked, Root, epochs};
use crate::scheme::Scheme;
use crate::tokenizer::{MERCHANT_MAX, check_text};
use arc_swap::{ArcSwap, ArcSwapOption};
use audit::{Refusals, Unjoined, chain_old_lines, chained, check_chain};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::memory::MemoryStore;
use store::sqlite::SqliteStore;
use store::{
    Action, AuditRow, CredentialRow, Fresh, Held, Job, OldKeys, Rows, Store, Upgrade, Work, again, is_again,
    is_in_doubt,
};

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
    /// Another root key to try where `root` is not the right one, as in the middle of a change of the root key. A new
    /// vault is made under `root`.
    pub second_root: Option<Root>,
    /// The commitment that the host has seen ([`Status::commitment`]): a vault with another table key is `Tampered`.
    pub commitment: Option<Commitment>,
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
            second_root: None,
            commitment: None,
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
    roots: Roots,
    /// Without a lock, so that no thread can hold one across a fork.
    keyring: ArcSwap<Keyring>,
    loading: Mutex<()>,
    guard: ArcSwapOption<Arc<dyn Guard>>,
    /// What is opened in the place of a credential that is not there.
    stand_in: ArcSwapOption<CredentialRow>,
    unjoined: Unjoined,
    refusals: Refusals,
    busy_timeout: Duration,
    min_generation: i64,
    commitment: Option<Commitment>,
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
        let roots: Vec<Root> =
            [Some(&options.root), options.second_root.as_ref()].into_iter().flatten().cloned().collect();
        with_root(&roots, |_| Ok(()))?;
        let _no_fork = fork::enter();
        let mut pauses = Pauses::until(options.busy_timeout);
        let sources = Sources { roots: &roots, previous: None, commitment: options.commitment };
        let (store, keyring) = loop {
            let opened = open_store(options, &roots).and_then(|store| {
                let keyring = load_keyring(&*store, &sources, options.min_generation)?;
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
                roots: Roots::new(roots),
                keyring: ArcSwap::from_pointee(keyring),
                loading: Mutex::new(()),
                guard: ArcSwapOption::empty(),
                stand_in: ArcSwapOption::empty(),
                unjoined: Unjoined::default(),
                refusals: Refusals::default(),
                busy_timeout: options.busy_timeout,
                min_generation: options.min_generation,
                commitment: options.commitment,
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
                    // An old epoch's key, which is unwrapped when it is first asked for. Where the root key does not
                    // fit, the keys were wrapped anew since they were loaded.
                    let unfit = match keyring.fetch_wanted(&self.shared.roots.all()) {
                        Ok(true) => continue,
                        Ok(false) => None,
                        Err(error) => Some(error),
                    };
                    let error = unfit.unwrap_or(error);
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
        self.commit(keyring, 1, &mut |held| self.shared.store.write_held(held, &mut work))
    }

    /// [`Vault::write`], for work that raises the fence.
    fn write_alone(&self, keyring: &Keyring, line: &AuditRow, work: Work<'_>) -> Result<()> {
        let mut work = self.between_fence_and_line(keyring, line, work);
        self.commit(keyring, 1, &mut |held| {
            // While writers make way for this one, no chain can be opened.
            self.shared.open_chain(&self.merchant, keyring, held)?;
            self.shared.store.write_alone(held, &mut work)
        })
    }

    fn between_fence_and_line<'w>(
        &'w self,
        keyring: &'w Keyring,
        line: &'w AuditRow,
        work: Work<'w>,
    ) -> impl FnMut(&dyn Rows) -> Result<()> + 'w {
        move |rows| {
            check_fence(rows, keyring)?;
            check_chain(rows, &self.merchant)?;
            work(rows)?;
            let lines = chained(rows, keyring, &self.merchant, [line.clone()])?;
            rows.insert(&self.merchant, &Fresh { lines: &lines, ..Fresh::default() })
        }
    }

    /// [`Vault::write`] for a job, which does all that itself and can be grouped with others.
    fn submit(&self, keyring: &Keyring, lines: u32, job: &Arc<dyn Job>) -> Result<()> {
        self.commit(keyring, lines, &mut |held| self.shared.store.submit(held, job))
    }

    fn commit(
        &self,
        keyring: &Keyring,
        lines: u32,
        transact: &mut dyn FnMut(&mut Held) -> Result<()>,
    ) -> Result<()> {
        self.shared.commit(&self.merchant, keyring, lines, transact)
    }

    /// [`Shared::write_again`].
    fn write_again(&self, work: Work<'_>) -> Result<()> {
        self.shared.write_again(work)
    }

    fn line(&self, at: i64, action: &str, token: &str) -> Result<AuditRow> {
        Ok(AuditRow {
            at,
            actor: self.actor.as_ref().into(),
            action: Action::of(action)?,
            token: token.into(),
            reason: String::new(),
        })
    }
}

/// Closing is work on the database too: no fork while it lasts.
impl Drop for Shared {
    fn drop(&mut self) {
        let _no_fork = fork::enter();
        self.join_at_close();
        self.store.let_go();
    }
}

/// Where the root key may be, the likeliest first. While it is being changed, there are two places.
struct Roots(Mutex<Vec<Root>>);

impl Roots {
    /// More are not remembered: of those who change the root key at once, each adds one.
    const MAX: usize = 8;

    fn new(roots: Vec<Root>) -> Roots {
        Roots(Mutex::new(roots))
    }

    fn all(&self) -> Vec<Root> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tries this one from now on, before or after the others.
    fn add(&self, root: &Root, first: bool) {
        let mut roots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = if first { 0 } else { roots.len().min(Roots::MAX - 1) };
        roots.insert(place, root.clone());
        roots.truncate(Roots::MAX);
    }
}

impl Shared {
    /// A transaction without a line in the audit trail, for what can be done twice: where the connection is lost over
    /// its commit it is to be run once more.
    fn write_again(&self, work: Work<'_>) -> Result<()> {
        let written = self.store.write(work);
        written.map_err(|error| if is_in_doubt(&error) { again() } else { error })
    }

    fn load(&self, stale: &Keyring, at_least: i64) -> Result<Keyring> {
        let roots = self.roots.all();
        let sources = Sources { roots: &roots, previous: Some(stale), commitment: self.commitment };
        load_keyring(&*self.store, &sources, at_least)
    }

    /// Puts a newer keyring in its place; of two threads that have loaded one at once, the one that is late leaves it.
    fn install(&self, fresh: Keyring) {
        let _one_at_a_time = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if self.keyring.load().version() < fresh.version() {
            self.keyring.store(Arc::new(fresh));
        }
    }

    /// Loads the keyring again, unless another thread has done so since `stale` was taken.
    fn reload(&self, stale: &Arc<Keyring>, why: Error) -> Result<()> {
        let _one_at_a_time = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&self.keyring.load(), stale) {
            let at_least = self.min_generation.max(stale.version());
            let fresh = self.load(stale, at_least);
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

fn open_store(options: &OpenOptions, roots: &[Root]) -> Result<Arc<dyn Store>> {
    let mut first_rows = |rows: &dyn Rows| {
        let table = KeyTable::new(&options.root.fetch()?, now())?;
        rows.insert_key_table(&table)
    };
    let mut forward = Forward { roots, prepared: None };
    if options.url == "memory:" {
        return Ok(Arc::new(MemoryStore::new(&mut first_rows)?));
    }
    if ["postgres://", "postgresql://"].iter().any(|scheme| options.url.starts_with(scheme)) {
        return open_postgres(options, options.create.then_some(&mut first_rows as Work<'_>), &mut forward);
    }
    let path =
        options.url.strip_prefix("sqlite:").filter(|path| is_plain_path(path)).ok_or(Code::Argument)?;
    let create = options.create.then_some(&mut first_rows as Work<'_>);
    Ok(Arc::new(SqliteStore::open(Path::new(path), options.busy_timeout, create, &mut forward)?))
}

#[cfg(feature = "postgres")]
fn open_postgres(
    options: &OpenOptions,
    create: Option<Work<'_>>,
    upgrade: &mut dyn Upgrade,
) -> Result<Arc<dyn Store>> {
    let opened = store::postgres::PostgresStore::open(options.url, options.busy_timeout, create, upgrade);
    Ok(Arc::new(opened?))
}

#[cfg(not(feature = "postgres"))]
fn open_postgres(_: &OpenOptions, _: Option<Work<'_>>, _: &mut dyn Upgrade) -> Result<Arc<dyn Store>> {
    Err(Code::Unsupported.into())
}

/// Brings a vault that has no key table forward: its keys get one, and a table and an audit key beside them.
struct Forward<'r> {
    roots: &'r [Root],
    prepared: Option<(OldKeys, KeyTable, Keyring)>,
}

impl Upgrade for Forward<'_> {
    fn prepare(&mut self, old: &OldKeys) -> Result<()> {
        let version = old.fence.version.checked_add(1).ok_or(Code::Tampered)?;
        let table = with_root(self.roots, |root| {
            epochs::check_all(&old.entries, root, &old.fence.vault)?;
            KeyTable::over(root, old.fence.vault, version, old.entries.clone(), now())
        })?;
        let sources = Sources { roots: self.roots, previous: None, commitment: None };
        let keyring = Keyring::load(&table, &sources)?;
        self.prepared = Some((old.clone(), table, keyring));
        Ok(())
    }

    fn finish(&mut self, old: &OldKeys, rows: &dyn Rows) -> Result<()> {
        let Some((prepared, table, keyring)) = &self.prepared else { return Err(again()) };
        if prepared != old {
            return Err(again());
        }
        let before = KeyTable { entries: old.entries.clone(), ..table.clone() };
        let mut after = KeyTable { revoked: revoked(rows)?, ..table.clone() };
        keyring.sign_after(table, &mut after)?;
        rows.raise_fence()?;
        rows.put_key_table(&before, &after)?;
        chain_old_lines(rows, keyring, now())
    }
}

/// The credentials that were revoked while only their rows said so.
fn revoked(rows: &dyn Rows) -> Result<Vec<Revoked>> {
    let (mut revoked, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let page = rows.all_credentials(after.as_deref(), LIST_MAX)?;
        let gone = page.iter().map(|found| &found.row).filter(|row| row.revoked_at != 0);
        revoked.extend(gone.map(|row| Revoked { id: row.id.clone(), at: row.revoked_at }));
        match page.last() {
            Some(last) => after = Some(last.key.clone()),
            None => return Ok(revoked),
        }
    }
}

/// The key table, read until two readings in a row agree: its rows belong together.
fn read_key_table(store: &dyn Store) -> Result<KeyTable> {
    let mut found = None;
    for _ in 0..ATTEMPTS {
        store.read(&mut |rows| {
            let table = rows.key_table()?;
            found = (rows.fence()?.version == table.version).then_some(table);
            Ok(())
        })?;
        if let Some(found) = found.take() {
            return Ok(found);
        }
    }
    Err(again())
}

/// `Tampered` where what the store has is older than `at_least`.
fn load_keyring(store: &dyn Store, sources: &Sources<'_>, at_least: i64) -> Result<Keyring> {
    let table = read_key_table(store)?;
    if table.version < at_least {
        return Err(Code::Tampered.into());
    }
    Keyring::load(&table, sources)
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
