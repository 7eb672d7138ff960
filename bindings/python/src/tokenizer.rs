//! `panseal.Tokenizer` and `panseal.classify`.

use crate::batch::{ONE_TEXT, code_name, lend_item};
use crate::errors::{behind_border, behind_shallow_border, part, raise, raise_argument, raise_number};
use crate::input::{BytesArg, Copied, PlainArg, READ, SecretArg};
use crate::instrument::utc;
use crate::root::RootArg;
use crate::secret::Secret;
use crate::vault::{detached, remembered};
use panseal::card::{Column, Network, Pan, Separators};
use panseal::error::{Code, Result};
use panseal::keys::{Commitment, KeyInfo};
use panseal::scheme::{self, Token};
use panseal::tokenizer::{Expect, Tokenizer as Core, TokenizerOptions};
use pyo3::exceptions::{PyMemoryError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDateTime, PyList, PyMemoryView, PyString, PyTuple};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// A token scheme and a keyring file, opened for one merchant: tokens without a vault. Any thread may use it at any
/// time.
///
/// Made by `Tokenizer.open`; closed by `close`, or at the end of a `with` block. The same number gives the same token
/// until the keys are rotated, so whoever may tokenize can confirm a guess: docs/token-schemes.md has the dangers of
/// each scheme.
#[pyclass(frozen, module = "panseal")]
pub struct Tokenizer {
    /// None once closed. A call that is inside has a share of its own, so that closing never waits for it.
    handle: Mutex<Option<Arc<Core>>>,
}

impl Tokenizer {
    fn handle(&self, py: Python<'_>) -> PyResult<Arc<Core>> {
        let handle = self.handle.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).clone();
        handle.ok_or_else(|| raise(py, &Code::Handle.into()))
    }

    /// Runs what reads or changes the keyring file while other Python threads go on.
    fn with_file<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Core) -> Result<R> + Send,
    ) -> PyResult<R> {
        let tokenizer = self.handle(py)?;
        detached(py, move || work(&tokenizer))
    }

    /// Lends a copy of a text to `work` while other Python threads go on.
    fn with_copy<R: Send>(
        &self,
        py: Python<'_>,
        text: &SecretArg<'_, '_>,
        work: impl FnOnce(&Core, &[u8]) -> Result<R> + Send,
    ) -> PyResult<Result<R>> {
        let tokenizer = self.handle(py)?;
        let (mut found, mut failure) = (None, None);
        behind_border(py, || {
            let mut copied = Copied::new();
            text.copy_to(py, &mut copied)?;
            let text = copied.as_bytes();
            part(py.detach(move || work(&tokenizer, text)), &mut found, &mut failure);
            Ok(())
        })?;
        Ok(found.ok_or_else(|| failure.unwrap_or_else(|| Code::Internal.into())))
    }
}

#[pymethods]
impl Tokenizer {
    /// Open a tokenizer, or make its keyring file where there is none.
    ///
    /// `scheme` is "ff1:K+L", "siv", "siv:letters" or "mac". `keyring` is the path of the file, `root` the root key's
    /// URI or who wraps and unwraps keys in its place: see `panseal.create_root_key`. A keyring that is to serve
    /// "ff1" has to be made for it. A handle with `no_reveal` never detokenizes. `min_generation` is what `status`
    /// told last: an older copy of the file is refused; `commitment` likewise: a file with other keys is. `second_root`
    /// is tried where `root` is not the right one, as in the middle of a change of the root key.
    #[staticmethod]
    #[pyo3(signature = (scheme, *, keyring, root, merchant=PlainArg(""), create=true, no_reveal=false, min_generation=0,
                        second_root=None, commitment=None),
           text_signature = "(scheme, *, keyring, root, merchant='', create=True, no_reveal=False, min_generation=0, \
                             second_root=None, commitment=None)")]
    #[allow(clippy::too_many_arguments, reason = "one a keyword")]
    fn open(
        py: Python<'_>,
        scheme: PlainArg<'_>,
        keyring: PathBuf,
        root: RootArg,
        merchant: PlainArg<'_>,
        create: bool,
        no_reveal: bool,
        min_generation: i64,
        second_root: Option<RootArg>,
        commitment: Option<&[u8]>,
    ) -> PyResult<Tokenizer> {
        let open = || {
            Core::open(&TokenizerOptions {
                merchant: merchant.0,
                create,
                no_reveal,
                min_generation,
                second_root: second_root.map(|root| root.0).transpose()?,
                commitment: remembered(commitment)?,
                ..TokenizerOptions::new(scheme.0.parse()?, &keyring, root.0?)
            })
        };
        let core = detached(py, open)?;
        Ok(Tokenizer { handle: Mutex::new(Some(Arc::new(core))) })
    }

    /// The token of a card number under the active epoch. Spaces and hyphens are dropped.
    ///
    /// CardError for what is no number; "ff1" also refuses a wrong check digit, a network without one, and too few
    /// hidden digits (TokenError, code "domain"). `wipe` zeroes the number's buffer, which must be writable then.
    #[pyo3(signature = (number, *, wipe=false))]
    fn tokenize<'py>(
        &self,
        py: Python<'py>,
        number: SecretArg<'_, '_>,
        wipe: bool,
    ) -> PyResult<Bound<'py, PyString>> {
        if wipe {
            number.refuse_unwipeable()?;
        }
        let token = match in_place(&number) {
            Some(text) => {
                let tokenizer = self.handle(py)?;
                behind_shallow_border(|| tokenize(&tokenizer, text))
            }
            None => self.with_copy(py, &number, tokenize)?,
        };
        if wipe {
            number.wipe(py)?;
        }
        let token = token.map_err(|error| raise_number(py, &error))?;
        Ok(PyString::new(py, token.as_str()))
    }

    /// The tokens of many numbers: an iterable of str, bytes, buffers or None, or with `width` one buffer with a
    /// number each `width` bytes, padded with spaces. Other threads run on while they are made.
    #[pyo3(signature = (numbers, *, width=None))]
    fn tokenize_many(
        &self,
        py: Python<'_>,
        numbers: &Bound<'_, PyAny>,
        width: Option<usize>,
    ) -> PyResult<TokenizeMany> {
        let tokenizer = self.handle(py)?;
        behind_border(py, || {
            let texts = Texts::gather(numbers, width)?;
            let mut tokens: Vec<Result<Token, Code>> = room(texts.len())?;
            py.detach(|| {
                tokenizer.tokenize_many(texts.rows()?, Separators::Dropped, |_, token| tokens.push(token))
            })
            .map_err(|error| raise(py, &error))?;
            TokenizeMany::of(py, &tokens)
        })
    }

    /// The card number of a token, to be used in a `with` block.
    ///
    /// TokenError for what is no token of this scheme, keyring and merchant, as far as the scheme can tell. "ff1" has
    /// no integrity: a mistyped token leads to some number, which `last4` and `network`, where they are known, may
    /// tell from the right one.
    #[pyo3(signature = (token, *, last4=None, network=None))]
    fn detokenize<'py>(
        &self,
        py: Python<'py>,
        token: SecretArg<'_, '_>,
        last4: Option<PlainArg<'_>>,
        network: Option<PlainArg<'_>>,
    ) -> PyResult<Bound<'py, Secret>> {
        let expect = expectation(py, last4, network)?;
        let out = Bound::new(py, Secret::default())?;
        let secret = out.get();
        let work = |tokenizer: &Core, token: &[u8]| {
            secret.fill(tokenizer.detokenize(token, &expect)?.digits());
            Ok(())
        };
        let done = match in_place(&token) {
            Some(text) => {
                let tokenizer = self.handle(py)?;
                behind_shallow_border(|| work(&tokenizer, text))
            }
            None => self.with_copy(py, &token, work)?,
        };
        done.map_err(|error| raise(py, &error))?;
        Ok(out)
    }

    /// The numbers of many tokens, given as `tokenize_many` takes numbers. `last4` and `network`, where given, have
    /// what is expected of each row, or None.
    #[pyo3(signature = (tokens, *, width=None, last4=None, network=None))]
    fn detokenize_many(
        &self,
        py: Python<'_>,
        tokens: &Bound<'_, PyAny>,
        width: Option<usize>,
        last4: Option<Vec<Option<String>>>,
        network: Option<Vec<Option<String>>>,
    ) -> PyResult<DetokenizeMany> {
        let tokenizer = self.handle(py)?;
        behind_border(py, || {
            let texts = Texts::gather(tokens, width)?;
            let expected = expectations(py, texts.len(), last4, network)?;
            let mut numbers = Numbers::with_room(texts.len())?;
            let detokenize = || {
                let rows = texts.rows()?.map(without_padding).zip(expected);
                tokenizer.detokenize_many(rows, |_, pan| numbers.push(pan))
            };
            py.detach(detokenize).map_err(|error| raise(py, &error))?;
            DetokenizeMany::of(py, &numbers)
        })
    }

    /// The tokens of a card number under every epoch that is not destroyed, the newest first: under one of these
    /// names it was stored, if it was.
    fn candidates<'py>(&self, py: Python<'py>, number: SecretArg<'_, '_>) -> PyResult<Bound<'py, PyList>> {
        let tokens = self.with_copy(py, &number, |tokenizer, text| {
            tokenizer.candidates(&Pan::parse(text, Separators::Dropped)?)
        })?;
        let tokens = tokens.map_err(|error| raise_number(py, &error))?;
        PyList::new(py, tokens.iter().map(Token::as_str))
    }

    /// A token's successor under the active epoch, or itself where that is its own. Replace it before its epoch is
    /// destroyed.
    #[pyo3(signature = (token, *, last4=None, network=None))]
    fn retokenize<'py>(
        &self,
        py: Python<'py>,
        token: SecretArg<'_, '_>,
        last4: Option<PlainArg<'_>>,
        network: Option<PlainArg<'_>>,
    ) -> PyResult<Bound<'py, PyString>> {
        let expect = expectation(py, last4, network)?;
        let token = self.with_copy(py, &token, |tokenizer, text| tokenizer.retokenize(text, &expect))?;
        let token = token.map_err(|error| raise(py, &error))?;
        Ok(PyString::new(py, token.as_str()))
    }

    /// Make a new epoch, under which tokens are made from now on, and return its id; the ones before serve for the
    /// way back.
    ///
    /// The keyring file is on disk before the first token is made. TokenError, code "exhausted", where "ff1" has no
    /// slot left.
    fn rotate(&self, py: Python<'_>) -> PyResult<u32> {
        self.with_file(py, Core::rotate)
    }

    /// Forget an epoch's key for ever. A tokenizer stores no tokens and cannot know whether one needs it: say that
    /// they are gone, and that every process has noticed that the epoch is no longer active.
    #[pyo3(signature = (epoch, *, tokens_are_gone=false))]
    fn destroy(&self, py: Python<'_>, epoch: u32, tokens_are_gone: bool) -> PyResult<()> {
        self.with_file(py, move |tokenizer| tokenizer.destroy(epoch, tokens_are_gone))
    }

    /// Let the slot (1 to 9) of a destroyed epoch be given to a new one. A token with that residue which still lies
    /// about will then lead to somebody else's number.
    fn free_slot(&self, py: Python<'_>, slot: u8) -> PyResult<()> {
        self.with_file(py, move |tokenizer| tokenizer.free_slot(slot))
    }

    /// Wrap the keyring under another root key, on which this handle goes on. Tokens stay what they are.
    fn change_root(&self, py: Python<'_>, root: RootArg) -> PyResult<()> {
        self.with_file(py, move |tokenizer| tokenizer.change_root(&root.0?))
    }

    /// The keyring as it is in the file.
    fn status(&self, py: Python<'_>) -> PyResult<KeyringStatus> {
        let status = self.with_file(py, Core::status)?;
        let epochs = status.epochs.iter().map(|epoch| Bound::new(py, Epoch(*epoch)));
        let epochs = PyTuple::new(py, epochs.collect::<PyResult<Vec<_>>>()?)?;
        let (generation, commitment) = (status.generation, status.commitment);
        Ok(KeyringStatus { generation, commitment, epochs: epochs.unbind() })
    }

    /// Read the keyring file again where it was changed, and return whether it was. This happens by itself at the
    /// beginning of a batch, and every few hundred calls.
    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        self.with_file(py, Core::refresh)
    }

    /// How tokens are made: "siv".
    #[getter]
    fn scheme(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.handle(py)?.scheme().to_string())
    }

    /// Close this handle. Calls that are inside finish; the keys are wiped with the last of them.
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
        if open { "<panseal.Tokenizer>" } else { "<panseal.Tokenizer, closed>" }
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a Tokenizer is neither copied nor pickled: open it again"))
    }
}

/// A text where it lies, if nobody can change it there.
fn in_place<'a>(text: &'a SecretArg<'_, '_>) -> Option<&'a [u8]> {
    match text {
        SecretArg::Text(text) => text.to_str().ok().map(str::as_bytes).filter(|text| text.len() <= READ),
        SecretArg::Bytes(..) => None,
    }
}

/// A text without what fills it up to a fixed width.
fn without_padding(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !matches!(byte, b' ' | 0)).map_or(0, |last| last + 1);
    &text[..end]
}

fn tokenize(tokenizer: &Core, text: &[u8]) -> Result<Token> {
    tokenizer.tokenize(&Pan::parse(text, Separators::Dropped)?)
}

fn expectation(
    py: Python<'_>,
    last4: Option<PlainArg<'_>>,
    network: Option<PlainArg<'_>>,
) -> PyResult<Expect> {
    expect_of(last4.as_ref().map(|text| text.0), network.as_ref().map(|text| text.0))
        .ok_or_else(|| raise(py, &Code::Argument.into()))
}

fn expect_of(last4: Option<&str>, network: Option<&str>) -> Option<Expect> {
    let last4 = match last4 {
        Some(digits) => Some(digits.as_bytes().try_into().ok()?),
        None => None,
    };
    let network = match network {
        Some(name) => Some(Network::from_name(name)?),
        None => None,
    };
    Some(Expect { last4, network })
}

/// What is expected of each of so many rows.
fn expectations(
    py: Python<'_>,
    rows: usize,
    last4: Option<Vec<Option<String>>>,
    network: Option<Vec<Option<String>>>,
) -> PyResult<Vec<Expect>> {
    let wrong = || raise_argument(py, Code::Argument, "last4 and network have one entry for each token");
    let fits =
        |column: &Option<Vec<Option<String>>>| column.as_ref().is_none_or(|rows_of| rows_of.len() == rows);
    if !fits(&last4) || !fits(&network) {
        return Err(wrong());
    }
    fn entry(column: &Option<Vec<Option<String>>>, row: usize) -> Option<&str> {
        column.as_ref().and_then(|column| column[row].as_deref())
    }
    let expect = |row| expect_of(entry(&last4, row), entry(&network, row));
    (0..rows).map(|row| expect(row).ok_or_else(|| raise(py, &Code::Argument.into()))).collect()
}

/// Room for so many rows.
fn room<T>(rows: usize) -> PyResult<Vec<T>> {
    let mut room = Vec::new();
    room.try_reserve_exact(rows).map_err(|_| PyMemoryError::new_err(()))?;
    Ok(room)
}

/// The texts of many rows, brought together. They are wiped with it.
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<i64>,
}

impl Texts {
    fn gather(rows: &Bound<'_, PyAny>, width: Option<usize>) -> PyResult<Texts> {
        let mut texts = Texts { bytes: Vec::new(), ends: vec![0] };
        if let Some(width) = width {
            let data: BytesArg<'_, '_> = rows.extract()?;
            let data = data.0.read(rows.py())?;
            if width == 0 || data.len() % width != 0 {
                return Err(raise_argument(
                    rows.py(),
                    Code::Argument,
                    "the buffer is no multiple of the width",
                ));
            }
            texts.bytes = data.to_vec();
            texts.ends.extend((1..=data.len() / width).map(|row| (row * width) as i64));
            return Ok(texts);
        }
        if SecretArg::extract(rows.as_borrowed()).is_ok() {
            return Err(PyTypeError::new_err(ONE_TEXT));
        }
        if let Ok(rows) = rows.len() {
            texts.ends.try_reserve(rows).map_err(|_| PyMemoryError::new_err(()))?;
        }
        for row in rows.try_iter()? {
            lend_item(&row?, |text| texts.push(text))?;
        }
        Ok(texts)
    }

    /// Adds a text; of a long one so much that it is too long for a number and a token.
    fn push(&mut self, text: &[u8]) -> PyResult<()> {
        let text = &text[..text.len().min(READ)];
        self.bytes.try_reserve(text.len()).map_err(|_| PyMemoryError::new_err(()))?;
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as i64);
        Ok(())
    }

    fn len(&self) -> usize {
        self.ends.len() - 1
    }

    fn rows(&self) -> Result<impl ExactSizeIterator<Item = &[u8]>> {
        Ok(Column::LargeOffsets { data: &self.bytes, offsets: &self.ends }.texts()?)
    }
}

/// Card numbers of many rows, in a block of their own, which is wiped with it.
struct Numbers {
    digits: Vec<u8>,
    /// How many digits, or why not.
    rows: Vec<Result<u8, Code>>,
}

impl Numbers {
    fn with_room(rows: usize) -> PyResult<Numbers> {
        Ok(Numbers { digits: room(rows.saturating_mul(Pan::MAX_LEN))?, rows: room(rows)? })
    }

    fn push(&mut self, pan: Result<&Pan, Code>) {
        self.rows.push(pan.map(|pan| pan.len() as u8));
        self.digits.extend_from_slice(pan.map_or(&[], Pan::digits));
    }
}

/// The outcomes of rows as int32, 0 for a good one.
fn to_status<'py>(
    py: Python<'py>,
    rows: usize,
    outcomes: impl Iterator<Item = Option<Code>>,
) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, 4 * rows, |bytes| {
        for (bytes, code) in bytes.chunks_exact_mut(4).zip(outcomes) {
            bytes.copy_from_slice(&code.map_or(0, Code::number).to_ne_bytes());
        }
        Ok(())
    })
}

fn statuses<'a>(status: &'a Py<PyBytes>, py: Python<'a>) -> impl ExactSizeIterator<Item = i32> + 'a {
    let rows = status.as_bytes(py).chunks_exact(4);
    rows.map(|row| row.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes)))
}

fn status_view<'py>(status: &Py<PyBytes>, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
    Ok(PyMemoryView::from(status.bind(py))?.call_method1("cast", ("i",))?.cast_into()?)
}

/// What `Tokenizer.tokenize_many` made: a row for each number.
#[pyclass(frozen, module = "panseal")]
pub struct TokenizeMany {
    tokens: Py<PyList>,
    status: Py<PyBytes>,
}

impl TokenizeMany {
    fn of(py: Python<'_>, tokens: &[Result<Token, Code>]) -> PyResult<TokenizeMany> {
        let text =
            |token: &Result<Token, Code>| token.as_ref().ok().map(|token| PyString::new(py, token.as_str()));
        let status = to_status(py, tokens.len(), tokens.iter().map(|token| token.as_ref().err().copied()))?;
        let tokens = PyList::new(py, tokens.iter().map(text))?;
        Ok(TokenizeMany { tokens: tokens.unbind(), status: status.unbind() })
    }
}

#[pymethods]
impl TokenizeMany {
    /// The token of each number, or None where it was refused.
    #[getter]
    fn tokens(&self, py: Python<'_>) -> Py<PyList> {
        self.tokens.clone_ref(py)
    }

    /// How many numbers have a token.
    #[getter]
    fn ok(&self, py: Python<'_>) -> usize {
        statuses(&self.status, py).filter(|status| *status == 0).count()
    }

    /// What is wrong with each number, int32: 0 for nothing, else the status of the C ABI (`PansealError.status`).
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        status_view(&self.status, py)
    }

    /// What is wrong with each number, by name: "missing", "charset", "length", "luhn", "malformed", "network",
    /// "domain", or None.
    fn codes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, statuses(&self.status, py).map(|status| code_name(py, status)))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        statuses(&self.status, py).len()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("TokenizeMany(ok={}, of={})", self.ok(py), self.__len__(py))
    }
}

/// What `Tokenizer.detokenize_many` found: a row for each token. The numbers are wiped at the end of its `with`
/// block, or each with its object.
#[pyclass(frozen, module = "panseal")]
pub struct DetokenizeMany {
    numbers: Py<PyList>,
    status: Py<PyBytes>,
}

impl DetokenizeMany {
    fn of(py: Python<'_>, numbers: &Numbers) -> PyResult<DetokenizeMany> {
        let (list, mut rest) = (PyList::empty(py), &numbers.digits[..]);
        for row in &numbers.rows {
            match row {
                Ok(len) => {
                    let (digits, others) = rest.split_at(usize::from(*len));
                    let secret = Bound::new(py, Secret::default())?;
                    secret.get().fill(digits);
                    list.append(secret)?;
                    rest = others;
                }
                Err(_) => list.append(py.None())?,
            }
        }
        let outcomes = numbers.rows.iter().map(|row| row.err());
        let status = to_status(py, numbers.rows.len(), outcomes)?;
        Ok(DetokenizeMany { numbers: list.unbind(), status: status.unbind() })
    }
}

#[pymethods]
impl DetokenizeMany {
    /// The number of each token, a Secret, or None where it was refused.
    #[getter]
    fn numbers(&self, py: Python<'_>) -> Py<PyList> {
        self.numbers.clone_ref(py)
    }

    /// How many tokens have a number.
    #[getter]
    fn ok(&self, py: Python<'_>) -> usize {
        statuses(&self.status, py).filter(|status| *status == 0).count()
    }

    /// What is wrong with each token, int32: 0 for nothing, else the status of the C ABI (`PansealError.status`).
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        status_view(&self.status, py)
    }

    /// What is wrong with each token, by name: "token", "epoch", "irreversible", or None.
    fn codes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, statuses(&self.status, py).map(|status| code_name(py, status)))
    }

    /// Forget the numbers.
    fn wipe(&self, py: Python<'_>) {
        for number in self.numbers.bind(py) {
            if let Ok(secret) = number.cast::<Secret>() {
                secret.get().fill(&[]);
            }
        }
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        statuses(&self.status, py).len()
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
    ) {
        self.wipe(py);
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("DetokenizeMany(ok={}, of={})", self.ok(py), self.__len__(py))
    }
}

/// What may be known of a tokenizer's keyring.
#[pyclass(frozen, module = "panseal")]
pub struct KeyringStatus {
    generation: i64,
    commitment: Option<Commitment>,
    epochs: Py<PyTuple>,
}

#[pymethods]
impl KeyringStatus {
    /// Grows with every change: keep it for `Tokenizer.open(min_generation=...)`.
    #[getter]
    fn generation(&self) -> i64 {
        self.generation
    }

    /// A public value that only this keyring has: keep it for `Tokenizer.open(commitment=...)`. None for a file of the
    /// first version, until its next change.
    #[getter]
    fn commitment<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.commitment.map(|commitment| PyBytes::new(py, &commitment))
    }

    /// All epochs, the oldest first.
    #[getter]
    fn epochs(&self, py: Python<'_>) -> Py<PyTuple> {
        self.epochs.clone_ref(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("KeyringStatus(generation={}, epochs={})", self.generation, self.epochs.bind(py).repr()?))
    }
}

/// An epoch of a keyring: one data key, and what may be known of it.
#[pyclass(frozen, module = "panseal")]
pub struct Epoch(pub KeyInfo);

#[pymethods]
impl Epoch {
    /// 1, 2, 3, ...
    #[getter]
    fn id(&self) -> u32 {
        self.0.id
    }

    /// "active", "decrypt-only" or "destroyed".
    #[getter]
    fn state(&self) -> &'static str {
        self.0.state.name()
    }

    /// The Luhn residue of its numeric tokens, 1 to 9; None for one without, or whose slot was freed.
    #[getter]
    fn slot(&self) -> Option<u8> {
        self.0.slot
    }

    /// By which people compare keys: ten hex digits.
    #[getter]
    fn check(&self) -> String {
        self.0.check.to_string()
    }

    /// When it was made, in UTC.
    #[getter]
    fn created_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        utc(py, self.0.created_at)
    }

    /// When it ceased to be active, in UTC; None where it has not.
    #[getter]
    fn retired_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDateTime>>> {
        (self.0.retired_at != 0).then(|| utc(py, self.0.retired_at)).transpose()
    }

    fn __repr__(&self) -> String {
        let slot = self.0.slot.map_or("None".to_owned(), |slot| slot.to_string());
        format!("Epoch(id={}, state='{}', slot={slot}, check='{}')", self.0.id, self.state(), self.0.check)
    }
}

/// The shapes that a string has; more than one may hold, and none is a proof.
#[pyclass(frozen, module = "panseal")]
pub struct Shapes(scheme::Shapes);

#[pymethods]
impl Shapes {
    /// 12 to 19 digits that a network's number could have.
    #[getter]
    fn pan(&self) -> bool {
        self.0.pan
    }

    /// 12 to 19 digits with a Luhn residue of 1 to 9: that slot, else None. "ff1" or "surrogate".
    #[getter]
    fn numeric_token(&self) -> Option<u8> {
        self.0.numeric_token
    }

    /// 48 lower-case hex digits: "random" or "siv".
    #[getter]
    fn hex_token(&self) -> bool {
        self.0.hex_token
    }

    /// 48 letters a to p: "siv:letters".
    #[getter]
    fn letters_token(&self) -> bool {
        self.0.letters_token
    }

    /// A UUID of version 4: "random:uuid".
    #[getter]
    fn uuid(&self) -> bool {
        self.0.uuid
    }

    /// 64 lower-case hex digits: "mac".
    #[getter]
    fn mac(&self) -> bool {
        self.0.mac
    }

    /// True where any shape holds.
    fn __bool__(&self) -> bool {
        self.0 != scheme::Shapes::default()
    }

    fn __repr__(&self) -> String {
        let named = [
            (self.0.pan, "pan"),
            (self.0.numeric_token.is_some(), "numeric_token"),
            (self.0.hex_token, "hex_token"),
            (self.0.letters_token, "letters_token"),
            (self.0.uuid, "uuid"),
            (self.0.mac, "mac"),
        ];
        let names: Vec<&str> = named.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
        format!("<panseal.Shapes {}>", if names.is_empty() { "none".to_owned() } else { names.join(" ") })
    }
}

/// Tell what a string looks like, offline: a card number, a token of some scheme, several of these, or none.
#[pyfunction]
pub fn classify(py: Python<'_>, text: SecretArg<'_, '_>) -> PyResult<Shapes> {
    behind_border(py, || {
        let mut copied = Copied::new();
        text.copy_to(py, &mut copied)?;
        Ok(Shapes(scheme::classify(copied.as_bytes())))
    })
}
