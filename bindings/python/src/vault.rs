//! `panseal.Vault`.

use crate::card::CardArgs;
use crate::errors::{behind_border, raise};
use crate::input::{CalendarArg, Copied, PlainArg, SecretArg};
use crate::instrument::Instrument;
use crate::root::RootArg;
use crate::secret::Secret;
use panseal::card::{Pan, check};
use panseal::error::{Code, Error, Result};
use panseal::vault::{OpenOptions, TokenizeOptions, Vault as Core};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The longest wait that SQLite can be asked for.
const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

/// An open vault, for one merchant. Any thread may use it at any time.
///
/// Made by `Vault.open`; closed by `close`, or at the end of a `with` block.
#[pyclass(frozen, module = "panseal")]
pub struct Vault {
    /// None once closed. A call that is inside has a share of its own, so that closing never waits for it.
    handle: Mutex<Option<Arc<Core>>>,
}

impl Vault {
    fn of(core: Core) -> Vault {
        Vault { handle: Mutex::new(Some(Arc::new(core))) }
    }

    fn handle(&self, py: Python<'_>) -> PyResult<Arc<Core>> {
        let handle = self.handle.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).clone();
        handle.ok_or_else(|| raise(py, &Code::Handle.into()))
    }

    /// Runs a verb that takes a token.
    fn with_token<R: Send>(
        &self,
        py: Python<'_>,
        token: &SecretArg<'_, '_>,
        verb: impl FnOnce(&Core, &[u8]) -> Result<R> + Send,
    ) -> PyResult<R> {
        let vault = self.handle(py)?;
        behind_border(py, || {
            let mut text = Copied::new();
            token.copy_to(py, &mut text)?;
            let token = text.as_bytes();
            // The share goes in there: where it is the last one, the database is closed with it.
            py.detach(move || verb(&vault, token)).map_err(|error| raise(py, &error))
        })
    }
}

#[pymethods]
impl Vault {
    /// Open a vault, or make one where there is none.
    ///
    /// `url` is "sqlite:PATH". `root` is the root key's URI, "file:PATH", or who wraps and unwraps keys in its place:
    /// see `panseal.create_root_key`. `merchant` is the tenant that this handle works for. `actor` stands in the
    /// audit trail where a call names none. A handle with `no_reveal` never detokenizes. Another writer is waited for
    /// `busy_timeout` seconds, then that is BusyError.
    #[staticmethod]
    #[pyo3(signature = (url, *, root, merchant=PlainArg(""), actor=PlainArg(""), scheme=PlainArg("random"),
                        create=true, no_reveal=false, busy_timeout=5.0),
           text_signature = "(url, *, root, merchant='', actor='', scheme='random', create=True, no_reveal=False, \
                             busy_timeout=5.0)")]
    #[allow(clippy::too_many_arguments, reason = "one a keyword")]
    fn open(
        py: Python<'_>,
        url: PlainArg<'_>,
        root: RootArg,
        merchant: PlainArg<'_>,
        actor: PlainArg<'_>,
        scheme: PlainArg<'_>,
        create: bool,
        no_reveal: bool,
        busy_timeout: f64,
    ) -> PyResult<Vault> {
        let open = || {
            Core::open(&OpenOptions {
                merchant: merchant.0,
                actor: actor.0,
                scheme: scheme.0.parse()?,
                create,
                no_reveal,
                busy_timeout: wait(busy_timeout)?,
                ..OpenOptions::new(url.0, root.0?)
            })
        };
        detached(py, open).map(Vault::of)
    }

    /// A second handle on the same store and keys, for another merchant. To be closed as any other.
    fn merchant(&self, py: Python<'_>, merchant: PlainArg<'_>) -> PyResult<Vault> {
        let vault = self.handle(py)?;
        let merchant = merchant.0;
        detached(py, move || vault.merchant(merchant)).map(Vault::of)
    }

    /// Check a card, store it, and give its token, which is on disk when this returns.
    ///
    /// The card's arguments are those of `panseal.check`. cvv and postal code are checked and not kept. CardError,
    /// with all violations, where the card is refused; nothing is stored then.
    #[pyo3(signature = (number, *, expiry_month=None, expiry_year=None, expiry=None, cvv=None, name=None,
                        postal_code=None, customer=PlainArg(""), strict=false, need_expiry=false, need_cvv=false,
                        known_network=false, strict_networks=false, horizon_years=Some(20),
                        grace_months=0, now=None, wipe=false),
           text_signature = "($self, number, *, expiry_month=None, expiry_year=None, expiry=None, cvv=None, name=None, \
                             postal_code=None, customer='', strict=False, need_expiry=False, need_cvv=False, \
                             known_network=False, strict_networks=False, \
                             horizon_years=20, grace_months=0, now=None, wipe=False)")]
    #[allow(clippy::too_many_arguments, reason = "one a keyword")]
    fn tokenize(
        &self,
        py: Python<'_>,
        number: SecretArg<'_, '_>,
        expiry_month: Option<CalendarArg>,
        expiry_year: Option<CalendarArg>,
        expiry: Option<SecretArg<'_, '_>>,
        cvv: Option<SecretArg<'_, '_>>,
        name: Option<SecretArg<'_, '_>>,
        postal_code: Option<SecretArg<'_, '_>>,
        customer: PlainArg<'_>,
        strict: bool,
        need_expiry: bool,
        need_cvv: bool,
        known_network: bool,
        strict_networks: bool,
        horizon_years: Option<u16>,
        grace_months: u8,
        now: Option<i64>,
        wipe: bool,
    ) -> PyResult<Instrument> {
        let card = CardArgs {
            number,
            expiry_month,
            expiry_year,
            expiry,
            cvv,
            name,
            postal_code,
            strict,
            need_expiry,
            need_cvv,
            known_network,
            strict_networks,
            horizon_years,
            grace_months,
            now,
            wipe,
        };
        let customer = customer.0;
        card.lend(py, |input| {
            let vault = self.handle(py)?;
            let stored = py.detach(move || {
                let card = check(input).map_err(Error::from)?;
                vault.tokenize(&card, &TokenizeOptions::of(customer))
            });
            stored.map(Instrument).map_err(|error| raise(py, &error))
        })
    }

    /// What may be shown of a token's card. TokenError for a token that is unknown, malformed, or another merchant's.
    fn lookup(&self, py: Python<'_>, token: SecretArg<'_, '_>) -> PyResult<Instrument> {
        self.with_token(py, &token, |vault, token| vault.lookup(token)).map(Instrument)
    }

    /// The card number of a token, to be used in a `with` block.
    ///
    /// `reason`, and `actor` or else the handle's, are in the audit trail, on disk, before the number is given out.
    #[pyo3(signature = (token, *, reason, actor=PlainArg("")),
           text_signature = "($self, token, *, reason, actor='')")]
    fn detokenize<'py>(
        &self,
        py: Python<'py>,
        token: SecretArg<'_, '_>,
        reason: PlainArg<'_>,
        actor: PlainArg<'_>,
    ) -> PyResult<Bound<'py, Secret>> {
        let out = Bound::new(py, Secret::default())?;
        let (secret, reason, actor) = (out.get(), reason.0, actor.0);
        self.with_token(py, &token, |vault, token| {
            secret.fill(vault.detokenize(token, actor, reason, Pan::MAX_LEN)?.digits());
            Ok(())
        })?;
        Ok(out)
    }

    /// Take a token out of use: it can still be looked up, and no longer be detokenized. Doing so twice is fine.
    fn deactivate(&self, py: Python<'_>, token: SecretArg<'_, '_>) -> PyResult<()> {
        self.with_token(py, &token, |vault, token| vault.deactivate(token).map(|_| ()))
    }

    /// Close this handle. Calls that are inside finish; the database is closed with its last handle.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let handle = self.handle.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take();
        detached(py, move || {
            drop(handle);
            Ok(())
        })
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _exc_type: &Bound<'_, PyAny>,
        _exc_value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self, py: Python<'_>) -> &'static str {
        let open = self.handle.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).is_some();
        if open { "<panseal.Vault>" } else { "<panseal.Vault, closed>" }
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a Vault is neither copied nor pickled: open it again"))
    }
}

/// Runs work on files or the database behind the border while other Python threads go on.
pub fn detached<R: Send>(py: Python<'_>, work: impl FnOnce() -> Result<R> + Send) -> PyResult<R> {
    behind_border(py, || py.detach(work).map_err(|error| raise(py, &error)))
}

fn wait(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).map(|wait| wait.min(LONGEST_WAIT)).map_err(|_| Code::Argument.into())
}
