//! `panseal.Vault`.

use crate::audit::AuditReport;
use crate::callable::{Progress, PythonGuard};
use crate::card::{CardArgs, halves, lend_all, read_expiry, refuse_two_expiries};
use crate::damage::{Damage, Reindexed, Rewrapped, VaultReport, named};
use crate::dialect::{BearerKey, Credential, Response, write_head};
use crate::errors::{behind_border, raise, raise_number, refuse};
use crate::input::{BytesArg, CalendarArg, Copied, DataArg, PlainArg, SecretArg};
use crate::instrument::Instrument;
use crate::root::RootArg;
use crate::secret::Secret;
use crate::store::{MetadataArg, Row, StoreArgs, TimeArg};
use crate::stored::{AuditLine, Customer, Details, Instruments, Purged, VaultStatus, line_id};
use panseal::card::{Card, CardInput, Expiry, Pan, Separators, check};
use panseal::dialect::{self, Request, Trusted};
use panseal::error::{Code, Error, Param, Result};
use panseal::keys::Commitment;
use panseal::vault::{
    AuditQuery, Change, Grant, Guard, Instrument as Stored, ListQuery, MANY_MAX, OpenOptions,
    TokenizeOptions, Vault as Core,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The commitment of a vault or keyring that was seen before. `Argument` for one of another length.
pub fn remembered(commitment: Option<&[u8]>) -> Result<Option<Commitment>> {
    commitment.map(|bytes| bytes.try_into().map_err(|_| Code::Argument.into())).transpose()
}

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

    fn share(&self, py: Python<'_>) -> PyResult<Arc<Core>> {
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
        let vault = self.share(py)?;
        behind_border(py, || {
            let mut text = Copied::new();
            token.copy_to(py, &mut text)?;
            let token = text.as_bytes();
            // The share goes in there: where it is the last one, the database is closed with it.
            py.detach(move || verb(&vault, token)).map_err(|error| raise(py, &error))
        })
    }

    /// Runs a verb while other Python threads go on.
    fn run<R: Send>(&self, py: Python<'_>, verb: impl FnOnce(&Core) -> Result<R> + Send) -> PyResult<R> {
        let vault = self.share(py)?;
        detached(py, move || verb(&vault))
    }

    /// A page of a listing.
    pub fn page(&self, py: Python<'_>, query: &ListQuery<'_>) -> PyResult<Vec<Stored>> {
        self.run(py, |vault| vault.list(query))
    }
}

#[pymethods]
impl Vault {
    /// Open a vault, or make one where there is none.
    ///
    /// `url` is "sqlite:PATH", "postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?NAME=VALUE", or "memory:" for a
    /// vault that is gone when it is closed. `scheme` is how tokens are made where a call does not say: "random",
    /// "random:uuid" or "surrogate:K+L". `min_generation` is what `status` told last: an older vault is refused. `root`
    /// is the root key's URI, "file:PATH", or who wraps and unwraps keys in its place: see `panseal.create_root_key`.
    /// `merchant` is the tenant that this handle works for; two spellings of one text in Unicode are two. `actor`
    /// stands in the audit trail where a call names none. `second_root` is tried where
    /// `root` is not the right one, as in the middle of a change of the root key. `commitment` is what `status` told: a
    /// vault with other keys is refused. A handle with `no_reveal` never detokenizes. Another writer is
    /// waited for `busy_timeout` seconds, then that is BusyError.
    #[staticmethod]
    #[pyo3(signature = (url, *, root, merchant=PlainArg(""), actor=PlainArg(""), scheme=PlainArg("random"),
                        create=true, no_reveal=false, busy_timeout=5.0, min_generation=0, second_root=None,
                        commitment=None),
           text_signature = "(url, *, root, merchant='', actor='', scheme='random', create=True, no_reveal=False, \
                             busy_timeout=5.0, min_generation=0, second_root=None, commitment=None)")]
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
        min_generation: i64,
        second_root: Option<RootArg>,
        commitment: Option<&[u8]>,
    ) -> PyResult<Vault> {
        let open = || {
            Core::open(&OpenOptions {
                merchant: merchant.0,
                actor: actor.0,
                scheme: scheme.0.parse()?,
                create,
                no_reveal,
                busy_timeout: wait(busy_timeout)?,
                min_generation,
                second_root: second_root.map(|root| root.0).transpose()?,
                commitment: remembered(commitment)?,
                ..OpenOptions::new(url.0, root.0?)
            })
        };
        detached(py, open).map(Vault::of)
    }

    /// Where the vault is: "sqlite", "postgres" or "memory".
    #[getter]
    fn store(&self, py: Python<'_>) -> PyResult<&'static str> {
        Ok(self.share(py)?.store_name())
    }

    /// A second handle on the same store and keys, for another merchant. To be closed as any other.
    fn merchant(&self, py: Python<'_>, merchant: PlainArg<'_>) -> PyResult<Vault> {
        let vault = self.share(py)?;
        let merchant = merchant.0;
        detached(py, move || vault.merchant(merchant)).map(Vault::of)
    }

    /// Check a card, store it, and give its token, which is on disk when this returns.
    ///
    /// The card's arguments are those of `panseal.check`. cvv and postal code are checked and not kept. CardError,
    /// with all violations, where the card is refused; nothing is stored then.
    ///
    /// | argument          | what it does                                                                           |
    /// |-------------------|----------------------------------------------------------------------------------------|
    /// | `customer`        | whose card it is, up to 64 bytes of UTF-8, and no card number                          |
    /// | `scheme`          | how the token is made, where not as the handle says                                    |
    /// | `reuse`           | "never": a new token each time; "customer", "merchant": that of before, where the same |
    /// |                   | customer's, or merchant's, card is here already                                        |
    /// | `idempotency_key` | whoever repeats the call with this key within 24 hours gets the first result; with     |
    /// |                   | another card that is a VaultError, code "conflict"                                     |
    /// | `metadata`        | a mapping, or a str of JSON: up to 16 members and 4096 bytes, and no card number       |
    /// | `keep_until`      | when `purge_expired` removes it: a datetime with a time zone, or seconds since 1970    |
    /// | `customer_limit`  | how many active tokens the customer may have: PansealError, code "limit", for more     |
    #[pyo3(signature = (number, *, expiry_month=None, expiry_year=None, expiry=None, cvv=None, name=None,
                        postal_code=None, customer=PlainArg(""), scheme=None, reuse=PlainArg("never"),
                        idempotency_key=PlainArg(""), metadata=None, keep_until=None, customer_limit=None,
                        strict=false, need_expiry=false, need_cvv=false,
                        known_network=false, strict_networks=false, horizon_years=Some(20),
                        grace_months=0, now=None, wipe=false),
           text_signature = "($self, number, *, expiry_month=None, expiry_year=None, expiry=None, cvv=None, name=None, \
                             postal_code=None, customer='', scheme=None, reuse='never', idempotency_key='', \
                             metadata=None, keep_until=None, customer_limit=None, \
                             strict=False, need_expiry=False, need_cvv=False, \
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
        scheme: Option<PlainArg<'_>>,
        reuse: PlainArg<'_>,
        idempotency_key: PlainArg<'_>,
        metadata: Option<MetadataArg>,
        keep_until: Option<TimeArg>,
        customer_limit: Option<u32>,
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
        let store = StoreArgs {
            customer: customer.0,
            scheme: scheme.map(|scheme| scheme.0),
            reuse: reuse.0,
            idempotency_key: idempotency_key.0,
            metadata,
            keep_until,
            customer_limit,
        };
        card.lend(py, |input| {
            let vault = self.share(py)?;
            let stored = py.detach(|| {
                let card = check(input).map_err(Error::from)?;
                let stored = vault.tokenize(&card, &store.options()?);
                // Where this is the last share, the database is closed with it.
                drop(vault);
                stored
            });
            stored.map(Instrument).map_err(|error| raise(py, &error))
        })
    }

    /// Store up to 10,000 cards in one transaction, and give an outcome for each, in order: an Instrument, or the
    /// exception that `tokenize` would have raised, as an object. A card that is refused does not stand in the way of
    /// the others.
    ///
    /// A card is a mapping with the arguments of `tokenize`: {"number": b"4242424242424242", "expiry": "12/30"}. One
    /// that is of a wrong type, or names an argument that there is not, is a TypeError of the whole call, which then
    /// has no effect.
    fn tokenize_many(&self, py: Python<'_>, cards: &Bound<'_, PyAny>) -> PyResult<Vec<Py<PyAny>>> {
        let rows = cards.try_iter()?.map(|row| Row::read(&row?)).collect::<PyResult<Vec<_>>>()?;
        let cards = rows.iter().map(Row::card).collect::<PyResult<Vec<_>>>()?;
        let stores = rows.iter().map(Row::store).collect::<PyResult<Vec<_>>>()?;
        if rows.len() > MANY_MAX {
            return Err(raise(py, &Code::Limit.into()));
        }
        let outcomes = lend_all(py, &cards, |inputs| {
            let vault = self.share(py)?;
            py.detach(|| store_all(vault, inputs, &stores)).map_err(|error| raise(py, &error))
        })?;
        outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Ok(stored) => Ok(Py::new(py, Instrument(stored))?.into_any()),
                Err(error) => Ok(raise(py, &error).into_value(py).into_any()),
            })
            .collect()
    }

    /// What may be shown of a token's card. TokenError for a token that is unknown, malformed, or another merchant's.
    fn lookup(&self, py: Python<'_>, token: SecretArg<'_, '_>) -> PyResult<Instrument> {
        self.with_token(py, &token, |vault, token| vault.lookup(token)).map(Instrument)
    }

    /// The merchant's instruments in the order of their tokens, which is no order of time: those behind `after`, a
    /// token, up to `limit`, at most 1000.
    ///
    /// `customer` "" has those without one. `offset` passes over up to 10,000. `iter` goes through all of them.
    #[pyo3(signature = (*, customer=None, active=None, after=None, offset=0, limit=100))]
    fn list(
        &self,
        py: Python<'_>,
        customer: Option<PlainArg<'_>>,
        active: Option<bool>,
        after: Option<PlainArg<'_>>,
        offset: usize,
        limit: usize,
    ) -> PyResult<Vec<Instrument>> {
        let (customer, after) = (customer.map(|customer| customer.0), after.map(|after| after.0));
        if limit == 0 {
            return Err(raise(py, &Code::Argument.into()));
        }
        let page = self.page(py, &ListQuery { customer, active, after, offset, limit })?;
        Ok(page.into_iter().map(Instrument).collect())
    }

    /// All of the merchant's instruments, or a customer's, in the order of their tokens. Pages are read as they are
    /// needed: what is stored or removed meanwhile may be among them or not.
    #[pyo3(signature = (*, customer=None, active=None))]
    fn iter(slf: Py<Self>, customer: Option<Py<PyString>>, active: Option<bool>) -> Instruments {
        Instruments::of(slf, customer, active)
    }

    /// How many instruments there are, or a customer has. Rows are counted, not opened: one that was forged is too.
    #[pyo3(signature = (*, customer=None, active=None))]
    fn count(&self, py: Python<'_>, customer: Option<PlainArg<'_>>, active: Option<bool>) -> PyResult<u64> {
        let customer = customer.map(|customer| customer.0);
        self.run(py, |vault| vault.count(&ListQuery { customer, active, ..ListQuery::default() }))
    }

    /// Is this card here? Its instruments, active or not, the newest first, damaged ones as damaged; an empty list where it
    /// is not.
    ///
    /// Confirms a guess at a card number, as tokenizing with reuse does: see `set_guard`. `wipe` zeroes the number's
    /// buffer, which must be writable then.
    #[pyo3(signature = (number, *, wipe=false))]
    fn find(&self, py: Python<'_>, number: SecretArg<'_, '_>, wipe: bool) -> PyResult<Vec<Instrument>> {
        if wipe {
            number.refuse_unwipeable()?;
        }
        let found = behind_border(py, || {
            let vault = self.share(py)?;
            let mut text = Copied::new();
            number.copy_to(py, &mut text)?;
            let text = text.as_bytes();
            let found = py.detach(move || vault.find(&Pan::parse(text, Separators::Dropped)?));
            found.map_err(|error| raise_number(py, &error))
        });
        if wipe {
            number.wipe(py)?;
        }
        Ok(found?.into_iter().map(Instrument).collect())
    }

    /// What else is known of a token: name and metadata.
    fn details(&self, py: Python<'_>, token: SecretArg<'_, '_>) -> PyResult<Details> {
        let found = self.with_token(py, &token, |vault, token| vault.details(token))?;
        Details::of(py, found)
    }

    /// Change an instrument, and give it as it is then. What is None stays as it is.
    ///
    /// "" takes a name, customer or metadata away; `keep_until` 0 keeps it for ever. CardError for an expiry, name or
    /// metadata that is refused.
    #[pyo3(signature = (token, *, expiry_month=None, expiry_year=None, expiry=None, name=None, customer=None,
                        metadata=None, keep_until=None))]
    #[allow(clippy::too_many_arguments, reason = "one a keyword")]
    fn update(
        &self,
        py: Python<'_>,
        token: SecretArg<'_, '_>,
        expiry_month: Option<CalendarArg>,
        expiry_year: Option<CalendarArg>,
        expiry: Option<SecretArg<'_, '_>>,
        name: Option<SecretArg<'_, '_>>,
        customer: Option<PlainArg<'_>>,
        metadata: Option<MetadataArg>,
        keep_until: Option<TimeArg>,
    ) -> PyResult<Instrument> {
        refuse_two_expiries(expiry.is_some(), expiry_month, expiry_year)?;
        let customer = customer.map(|customer| customer.0);
        let date = new_expiry(py, expiry.as_ref(), expiry_month, expiry_year)?;
        behind_border(py, || {
            let vault = self.share(py)?;
            let (mut text, mut holder) = (Copied::new(), Copied::new());
            token.copy_to(py, &mut text)?;
            if let Some(name) = &name {
                name.copy_to(py, &mut holder)?;
            }
            let (token, holder, has_name) = (text.as_bytes(), holder.as_bytes(), name.is_some());
            let changed = py.detach(move || {
                let holder = std::str::from_utf8(holder).map_err(|_| Code::Utf8)?;
                vault.update(
                    token,
                    &Change {
                        expiry: date,
                        name: has_name.then_some(holder),
                        customer,
                        metadata: metadata.as_ref().map(|metadata| metadata.0.as_str()),
                        keep_until: keep_until.map(|time| time.0),
                        extra: None,
                    },
                )
            });
            changed.map(Instrument).map_err(|error| raise(py, &error))
        })
    }

    /// The card number of a token, to be used in a `with` block.
    ///
    /// `reason`, and `actor` or else the handle's, are in the audit trail, on disk, before the number is given out.
    /// CardError where a card number is in one of them.
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

    /// Put a deactivated token into use again. Doing so twice is fine.
    fn reactivate(&self, py: Python<'_>, token: SecretArg<'_, '_>) -> PyResult<()> {
        self.with_token(py, &token, |vault, token| vault.reactivate(token).map(|_| ()))
    }

    /// Remove a token for ever, and the card with its last one. A surrogate is not issued again.
    fn delete(&self, py: Python<'_>, token: SecretArg<'_, '_>) -> PyResult<()> {
        self.with_token(py, &token, |vault, token| vault.delete(token))
    }

    /// Remove the merchant's instruments whose `keep_until` has passed, their cards, and idempotency keys older than a
    /// day. In small transactions: others go on meanwhile.
    fn purge_expired(&self, py: Python<'_>) -> PyResult<Purged> {
        self.run(py, Core::purge_expired).map(Purged::from)
    }

    /// A new customer. A vault needs none of them, but for `customer_limit`.
    ///
    /// `reference` is another name that leads to it; `data` a text of up to 4096 bytes, which is sealed. VaultError,
    /// code "conflict", where the merchant has one of that id or reference; CardError where a card number is in one
    /// of them.
    #[pyo3(signature = (id, *, reference=PlainArg(""), data=PlainArg("")),
           text_signature = "($self, id, *, reference='', data='')")]
    fn create_customer(
        &self,
        py: Python<'_>,
        id: PlainArg<'_>,
        reference: PlainArg<'_>,
        data: PlainArg<'_>,
    ) -> PyResult<Customer> {
        let (id, reference, data) = (id.0, reference.0, data.0);
        self.run(py, move |vault| vault.create_customer(id, reference, data)).map(Customer)
    }

    /// A customer by its id, also one that is marked as deleted; None where there is none.
    fn customer(&self, py: Python<'_>, id: PlainArg<'_>) -> PyResult<Option<Customer>> {
        let id = id.0;
        Ok(self.run(py, move |vault| vault.customer(id))?.map(Customer))
    }

    /// A customer by its reference; None where there is none.
    fn customer_by_reference(&self, py: Python<'_>, reference: PlainArg<'_>) -> PyResult<Option<Customer>> {
        let reference = reference.0;
        Ok(self.run(py, move |vault| vault.customer_by_reference(reference))?.map(Customer))
    }

    /// The merchant's customers in the order of their ids, those behind `after`, up to `limit`, at most 1000.
    #[pyo3(signature = (*, after=PlainArg(""), limit=100), text_signature = "($self, *, after='', limit=100)")]
    fn customers(&self, py: Python<'_>, after: PlainArg<'_>, limit: usize) -> PyResult<Vec<Customer>> {
        let after = after.0;
        if limit == 0 {
            return Err(raise(py, &Code::Argument.into()));
        }
        let found = self.run(py, move |vault| vault.customers(after, limit))?;
        Ok(found.into_iter().map(Customer).collect())
    }

    /// Put other data in the place of a customer's. TokenError where there is no such customer.
    fn update_customer(&self, py: Python<'_>, id: PlainArg<'_>, data: PlainArg<'_>) -> PyResult<Customer> {
        let (id, data) = (id.0, data.0);
        self.run(py, move |vault| vault.update_customer(id, |_| Ok(data.to_owned()))).map(Customer)
    }

    /// Mark a customer as deleted, or take the mark away; its instruments stay. TokenError where there is no such
    /// customer.
    #[pyo3(signature = (id, *, deleted=true))]
    fn mark_customer_deleted(&self, py: Python<'_>, id: PlainArg<'_>, deleted: bool) -> PyResult<Customer> {
        let id = id.0;
        self.run(py, move |vault| vault.mark_customer_deleted(id, deleted)).map(Customer)
    }

    /// Remove a customer for ever; its instruments stay. TokenError where there is no such customer.
    fn delete_customer(&self, py: Python<'_>, id: PlainArg<'_>) -> PyResult<()> {
        let id = id.0;
        self.run(py, move |vault| vault.delete_customer(id))
    }

    /// Make a new epoch, and give its id: from now on everything is sealed under it. Tokens stay what they are.
    fn rotate(&self, py: Python<'_>) -> PyResult<u32> {
        self.run(py, Core::rotate)
    }

    /// Seal every row of every merchant under the active epoch, in small transactions, while others go on; give how
    /// many, and name damaged rows, which are left as they are.
    ///
    /// `progress(done, total)` is called once every few hundred rows; where it returns False that is a PansealError,
    /// code "callback", and what it raises comes out as it is. Stopped or killed, nothing is lost; called again, it
    /// goes on with the rows that are left.
    #[pyo3(signature = (*, progress=None))]
    fn rewrap(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Rewrapped> {
        let progress = Progress::of(progress)?;
        self.run(py, move |vault| vault.rewrap(&mut |done, total| progress.tell(done, total)))
            .map(Rewrapped::from)
    }

    /// Forget an epoch's key for ever: what it sealed, in backups too, opens no more.
    ///
    /// KeyringError, code "epoch", for the active epoch, one that is not there, and one that a row still needs:
    /// `rewrap` first. `even_if_damaged`: not for rows that do not open; they never will again, not even if the damage
    /// is mended, and are named.
    #[pyo3(signature = (epoch, *, even_if_damaged=false))]
    fn destroy(&self, py: Python<'_>, epoch: u32, even_if_damaged: bool) -> PyResult<Vec<Damage>> {
        self.run(py, move |vault| match even_if_damaged {
            true => vault.destroy_even_if_damaged(epoch),
            false => vault.destroy(epoch).map(|()| Vec::new()),
        })
        .map(named)
    }

    /// Walk over all rows of all merchants, open each, and name those that are damaged. Changes nothing.
    ///
    /// A damaged row stops no other: `list`, `iter`, `find` and `customers` give it as damaged, `purge_expired`, `rewrap`
    /// and `change_index` pass it over and name it, `delete` removes an instrument. `progress` as with `rewrap`.
    #[pyo3(signature = (*, progress=None))]
    fn check_vault(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<VaultReport> {
        let progress = Progress::of(progress)?;
        self.run(py, move |vault| vault.check_vault(&mut |done, total| progress.tell(done, total)))
            .map(VaultReport::from)
    }

    /// Change the index key, by which the vault knows a card again, while others go on; give the new generation, and name
    /// damaged cards, which get no fingerprint.
    ///
    /// `progress` as with `rewrap`. Stopped or killed, call it again: it goes on with the new key that is there.
    #[pyo3(signature = (*, progress=None))]
    fn change_index(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<Reindexed> {
        let progress = Progress::of(progress)?;
        self.run(py, move |vault| vault.change_index(&mut |done, total| progress.tell(done, total)))
            .map(Reindexed::from)
    }

    /// Wrap the vault's keys under another root key, on which the handles of this vault go on. Other processes go on
    /// too; they need it when they next ask for a key that they have not loaded. Interrupted, either root key may be
    /// the one that opens the vault: `open` takes both.
    fn change_root(&self, py: Python<'_>, root: RootArg) -> PyResult<()> {
        self.run(py, move |vault| vault.change_root(&root.0?))
    }

    /// Set, for whoever opens the vault, whether detokenizing is refused where no actor is named.
    fn require_actor(&self, py: Python<'_>, required: bool) -> PyResult<()> {
        self.run(py, move |vault| vault.set_require_actor(required))
    }

    /// The state of the vault, of all merchants. Reads every row: for an operator, not for every minute.
    fn status(&self, py: Python<'_>) -> PyResult<VaultStatus> {
        self.run(py, Core::status).map(VaultStatus)
    }

    /// The merchant's audit trail, the oldest line first: those behind the line with the id `after`, about `token`, up
    /// to `limit`, at most 1000.
    #[pyo3(signature = (*, after=None, token=None, limit=100))]
    fn audit(
        &self,
        py: Python<'_>,
        after: Option<&[u8]>,
        token: Option<PlainArg<'_>>,
        limit: usize,
    ) -> PyResult<Vec<AuditLine>> {
        let after = line_id(py, after)?;
        let token = token.map(|token| token.0);
        if limit == 0 {
            return Err(raise(py, &Code::Argument.into()));
        }
        let lines = self.run(py, move |vault| vault.audit(&AuditQuery { after, token, limit }))?;
        Ok(lines.into_iter().map(AuditLine).collect())
    }

    /// Check the audit trail of all merchants. With the `audit_head` that `status` gave before, it must also go on from
    /// what was there then: without one, an older state as a whole is not noticed. Reads every line: for an operator.
    #[pyo3(signature = (head=None))]
    fn verify_audit(&self, py: Python<'_>, head: Option<&[u8]>) -> PyResult<AuditReport> {
        self.run(py, move |vault| vault.verify_audit(head)).map(AuditReport::from)
    }

    /// Remove the merchant's lines of the audit trail that are older than `before`; gives how many it was. The rest can be
    /// checked as before.
    fn prune_audit(&self, py: Python<'_>, before: TimeArg) -> PyResult<u64> {
        self.run(py, move |vault| vault.prune_audit(before.0))
    }

    /// Have `guard(merchant, actor, kind, count)` asked before every operation of this handle, and of all that are
    /// related to it by `merchant`, from now on; None: nobody.
    ///
    /// `kind` is the verb, `count` how many cards or tokens it is about. True lets it go on; False is a PansealError,
    /// code "callback", without effect; what it raises comes out as it is. Any thread may call it, and it may use the
    /// vault. Whoever may tokenize with reuse, or `find`, can confirm a guess at a card number: a guard can count and
    /// slow down.
    fn set_guard(&self, py: Python<'_>, guard: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let guard = guard.map(PythonGuard::of).transpose()?;
        let guard = guard.map(|guard| Arc::new(guard) as Arc<dyn Guard>);
        self.run(py, move |vault| {
            vault.set_guard(guard);
            Ok(())
        })
    }

    /// Answer a request as a provider would: see `panseal.dialects` for their names, docs/dialects.md for what they do.
    ///
    /// One call, one effect: nothing is stored where the status is not 2xx. What the caller did wrong is in the
    /// Response, and a failure of the vault is in it too, as a 500; ArgumentError for a dialect or a setting that
    /// there is not.
    ///
    /// | argument   | what it is                                                                                   |
    /// |------------|----------------------------------------------------------------------------------------------|
    /// | `target`   | path and query as they came in, undecoded: signatures are over exactly this                  |
    /// | `headers`  | pairs of a name and a value, each str or bytes, as ASGI has them                             |
    /// | `body`     | bytes or another buffer; read in place where nobody can change it, else out of a copy that   |
    /// |            | is wiped. Beyond 65536 bytes it is refused as what cannot be read                            |
    /// | `now`      | seconds since 1970, by which expiries and signatures are judged; 0: the system clock         |
    /// | `trusted`  | you have authenticated the caller yourself: they act for this handle's merchant, and all     |
    /// |            | scopes are theirs. Never take this from anything that the caller sends                       |
    /// | `subject`  | the user on whose behalf, where `trusted` and the dialect has users                          |
    /// | `base`     | what stands before the target in URLs of replies: "https://pay.example.org"                  |
    /// | `settings` | "name=value name=value"                                                                      |
    #[pyo3(signature = (dialect, *, method, target, headers=None, body=None, now=0, trusted=false,
                        subject=PlainArg(""), base=PlainArg(""), settings=PlainArg("")),
           text_signature = "($self, dialect, *, method, target, headers=(), body=b'', now=0, trusted=False, \
                             subject='', base='', settings='')")]
    #[allow(clippy::too_many_arguments, reason = "one a keyword")]
    fn handle(
        &self,
        py: Python<'_>,
        dialect: PlainArg<'_>,
        method: PlainArg<'_>,
        target: PlainArg<'_>,
        headers: Option<&Bound<'_, PyAny>>,
        body: Option<BytesArg<'_, '_>>,
        now: i64,
        trusted: bool,
        subject: PlainArg<'_>,
        base: PlainArg<'_>,
        settings: PlainArg<'_>,
    ) -> PyResult<Response> {
        let (dialect, method, target, subject) = (dialect.0, method.0, target.0, subject.0);
        let (base, settings) = (base.0, settings.0);
        if !trusted && !subject.is_empty() {
            return Err(raise(py, &Code::Argument.into()));
        }
        let trusted = trusted.then_some(Trusted { subject });
        let vault = self.share(py)?;
        let answer = behind_border(py, || {
            let headers = headers.map_or(Ok(Vec::new()), write_head)?;
            let body = body.as_ref().map(|body| body.0.read(py)).transpose()?;
            let (head, body) = (&headers[..], body.as_deref().unwrap_or_default());
            let request = Request { method, target, headers: head, body, now, trusted, base, settings };
            // Where this is the last share, the database is closed with it.
            py.detach(move || dialect::handle(&vault, dialect, &request)).map_err(|error| raise(py, &error))
        })?;
        Response::of(py, answer)
    }

    /// Make a bearer key, by which a caller is known to `handle` and stands for this handle's merchant. The key is
    /// shown once: the vault keeps a hash of it.
    ///
    /// `dialect` is where it may be presented, `subject` the user for whom it stands where the dialect has users,
    /// `scopes` what it allows, with a space between them, `expires_at` from when on it is refused: a datetime with a
    /// time zone, or seconds since 1970; 0: never.
    #[pyo3(signature = (dialect, *, subject=PlainArg(""), scopes=PlainArg(""), expires_at=TimeArg(0)),
           text_signature = "($self, dialect, *, subject='', scopes='', expires_at=0)")]
    fn grant<'py>(
        &self,
        py: Python<'py>,
        dialect: PlainArg<'_>,
        subject: PlainArg<'_>,
        scopes: PlainArg<'_>,
        expires_at: TimeArg,
    ) -> PyResult<Bound<'py, BearerKey>> {
        let vault = self.share(py)?;
        let grant = checked_grant(py, dialect, subject, scopes, expires_at)?;
        behind_border(py, || {
            let key = py.detach(move || vault.grant(&grant)).map_err(|error| raise(py, &error))?;
            BearerKey::of(py, &key)
        })
    }

    /// Register a key from outside by which requests are signed, for this handle's merchant: 1 to 253 bytes, which are
    /// sealed. `id` is what stands beside a signature: with "webpay" the authenticity token.
    ///
    /// VaultError, code "conflict", where the vault has a credential of that id. The rest is as with `grant`.
    #[pyo3(signature = (dialect, id, key, *, subject=PlainArg(""), scopes=PlainArg(""), expires_at=TimeArg(0)),
           text_signature = "($self, dialect, id, key, *, subject='', scopes='', expires_at=0)")]
    #[allow(clippy::too_many_arguments, reason = "one a keyword")]
    fn grant_signing(
        &self,
        py: Python<'_>,
        dialect: PlainArg<'_>,
        id: PlainArg<'_>,
        key: DataArg<'_, '_>,
        subject: PlainArg<'_>,
        scopes: PlainArg<'_>,
        expires_at: TimeArg,
    ) -> PyResult<()> {
        let vault = self.share(py)?;
        let (grant, id) = (checked_grant(py, dialect, subject, scopes, expires_at)?, id.0);
        behind_border(py, || {
            let key = key.read(py)?;
            let key = &key[..];
            py.detach(move || vault.grant_signing(&grant, id, key)).map_err(|error| raise(py, &error))
        })
    }

    /// Have a credential of this handle's merchant refused from now on. Doing so twice is fine. TokenError where there
    /// is none of that id.
    fn revoke(&self, py: Python<'_>, id: PlainArg<'_>) -> PyResult<()> {
        let id = id.0;
        self.run(py, move |vault| vault.revoke(id))
    }

    /// The credentials of this handle's merchant in the order of their ids, revoked ones too: those behind `after`, up
    /// to `limit`, at most 1000.
    #[pyo3(signature = (*, after=PlainArg(""), limit=100), text_signature = "($self, *, after='', limit=100)")]
    fn credentials(&self, py: Python<'_>, after: PlainArg<'_>, limit: usize) -> PyResult<Vec<Credential>> {
        let after = after.0;
        if limit == 0 {
            return Err(raise(py, &Code::Argument.into()));
        }
        let found = self.run(py, move |vault| vault.credentials(after, limit))?;
        Ok(found.into_iter().map(Credential).collect())
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

/// Stores the cards of a batch that pass their check.
fn store_all(
    vault: Arc<Core>,
    inputs: &[CardInput<'_>],
    stores: &[StoreArgs<'_>],
) -> Result<Vec<Result<Stored>>> {
    let row = |(input, store)| -> Result<(Card<'_>, TokenizeOptions<'_>)> {
        let (input, store): (&CardInput<'_>, &StoreArgs<'_>) = (input, store);
        Ok((check(input).map_err(Error::from)?, store.options()?))
    };
    let rows: Vec<_> = inputs.iter().zip(stores).map(row).collect();
    let good: Vec<_> =
        rows.iter().filter_map(|row| row.as_ref().ok()).map(|(card, how)| (card, *how)).collect();
    let mut outcomes = vault.tokenize_many(&good)?.into_iter();
    let outcome = |row: &Result<_>| match row {
        Ok(_) => outcomes.next().unwrap_or_else(|| Err(Code::Internal.into())),
        Err(error) => Err(*error),
    };
    Ok(rows.iter().map(outcome).collect())
}

/// The expiry that a change asks for, if any. CardError where it is none.
fn new_expiry(
    py: Python<'_>,
    whole: Option<&SecretArg<'_, '_>>,
    month: Option<CalendarArg>,
    year: Option<CalendarArg>,
) -> PyResult<Option<Expiry>> {
    let mut text = Copied::new();
    let date = match whole {
        Some(whole) => {
            whole.copy_to(py, &mut text)?;
            read_expiry(text.as_bytes())
        }
        None if month.is_none() && year.is_none() => return Ok(None),
        None => halves(month, year),
    };
    Expiry::new(date.0, date.1).map(Some).map_err(|code| refuse(py, Param::Expiry, code))
}

/// What a new credential is to stand for.
fn checked_grant<'a>(
    py: Python<'_>,
    dialect: PlainArg<'a>,
    subject: PlainArg<'a>,
    scopes: PlainArg<'a>,
    expires_at: TimeArg,
) -> PyResult<Grant<'a>> {
    // There it would never be presented.
    if expires_at.0 < 0 || !dialect::dialects().any(|(name, _)| name == dialect.0) {
        return Err(raise(py, &Code::Argument.into()));
    }
    Ok(Grant { dialect: dialect.0, subject: subject.0, scopes: scopes.0, expires_at: expires_at.0 })
}

/// Runs work on files or the database behind the border while other Python threads go on.
pub fn detached<R: Send>(py: Python<'_>, work: impl FnOnce() -> Result<R> + Send) -> PyResult<R> {
    behind_border(py, || py.detach(work).map_err(|error| raise(py, &error)))
}

fn wait(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).map(|wait| wait.min(LONGEST_WAIT)).map_err(|_| Code::Argument.into())
}
