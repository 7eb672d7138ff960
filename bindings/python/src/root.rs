//! Root keys: `panseal.create_root_key`, `panseal.split_root_key`, and roots that are Python's own.

use crate::input::{PlainArg, view};
use crate::vault::detached;
use panseal::error::{Code, Error, Result};
use panseal::keys::{Root, RootCallback};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString, PyTuple};
use std::cell::RefCell;
use std::sync::Arc;

/// Make a new random root key, readable by its owner alone.
///
/// | root                             | where the key is                                                            |
/// |----------------------------------|-----------------------------------------------------------------------------|
/// | "file:PATH"                      | a file with 32 bytes in hex or base64                                       |
/// | "components:PATH,PATH[,PATH]"    | two to eight files, one for each custodian, whose XOR it is                 |
/// | "env:NAME"                       | an environment variable, for development; not made here                     |
/// | an object with `wrap`, `unwrap`, | elsewhere: an HSM or a KMS. `wrap(key_id, context, key)` gets 32 bytes as a |
/// | or a pair of such callables      | bytearray, which is wiped afterwards, and returns up to 1024 bytes;         |
/// |                                  | `unwrap(key_id, context, wrapped)` gives the 32 back, best in a bytearray,  |
/// |                                  | which is wiped too. Any thread may call them.                               |
///
/// Never overwrites. Keep it apart from vault and keyring and have a copy: without it nothing can be opened.
#[pyfunction]
pub fn create_root_key(py: Python<'_>, root: PlainArg<'_>) -> PyResult<()> {
    let root = root.0;
    detached(py, || Root::create(root))
}

/// Make components of an existing root key, "components:PATH,PATH[,PATH]": files whose XOR it is (PCI DSS 3.6.1.2).
///
/// The key stays where it is and goes on being good. Never overwrites.
#[pyfunction]
pub fn split_root_key(py: Python<'_>, root: PlainArg<'_>, components: PlainArg<'_>) -> PyResult<()> {
    let (root, components) = (root.0, components.0);
    detached(py, || Root::parse(root)?.split(components))
}

/// A root key's URI as it was read, or two callables.
pub struct RootArg(pub Result<Root>);

impl FromPyObject<'_, '_> for RootArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyString>() {
            return Ok(RootArg(Root::parse(PlainArg::extract(object)?.0)));
        }
        let pair = match object.cast::<PyTuple>() {
            Ok(pair) => pair.extract().ok(),
            Err(_) => object.getattr_opt("wrap")?.zip(object.getattr_opt("unwrap")?),
        };
        let callable =
            |pair: &(Bound<'_, PyAny>, Bound<'_, PyAny>)| pair.0.is_callable() && pair.1.is_callable();
        let (wrap, unwrap) = pair.filter(callable).ok_or_else(|| {
            PyTypeError::new_err(
                "expected a root key URI, an object with wrap and unwrap, or a pair of such callables",
            )
        })?;
        let root = PythonRoot { wrap: wrap.unbind(), unwrap: unwrap.unbind() };
        Ok(RootArg(Ok(Root::callback(Arc::new(root)))))
    }
}

struct PythonRoot {
    wrap: Py<PyAny>,
    unwrap: Py<PyAny>,
}

impl RootCallback for PythonRoot {
    fn wrap(&self, key_id: &str, context: &str, key: &[u8], out: &mut [u8]) -> Result<usize> {
        asked(|py| {
            let lent = PyByteArray::new(py, key);
            let wrapped = self.wrap.bind(py).call1((key_id, context, &lent));
            let wiped = wipe(py, &lent);
            let len = copy_out(&wrapped?, out)?;
            wiped.map(|()| len)
        })
    }

    fn unwrap(&self, key_id: &str, context: &str, wrapped: &[u8], out: &mut [u8]) -> Result<usize> {
        asked(|py| {
            let key = self.unwrap.bind(py).call1((key_id, context, PyBytes::new(py, wrapped)))?;
            let len = copy_out(&key, out);
            wipe(py, &key)?;
            len
        })
    }
}

thread_local! {
    /// Why a callable failed, until the call that asked it raises.
    static FAILURE: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// The exception that a callable raised in this thread since it was last asked.
pub fn take_failure() -> Option<PyErr> {
    FAILURE.take()
}

/// Whether a callable has raised something that no call has raised yet.
pub fn has_failed() -> bool {
    FAILURE.with_borrow(Option::is_some)
}

fn asked(ask: impl FnOnce(Python<'_>) -> PyResult<usize>) -> Result<usize> {
    let answer = Python::attach(ask);
    answer.map_err(|failure| {
        FAILURE.set(Some(failure));
        Error::from(Code::Callback)
    })
}

/// Copies what a callable returned and says how long it is. What is longer than the room is not copied: its length says
/// enough to whoever asked.
fn copy_out(from: &Bound<'_, PyAny>, out: &mut [u8]) -> PyResult<usize> {
    let (bytes, _view) = view(from).ok_or_else(|| {
        PyTypeError::new_err("expected bytes or a contiguous buffer of bytes from the callable")
    })?;
    let len = bytes.item_count();
    match out.get_mut(..len) {
        Some(room) => bytes.copy_to_slice(from.py(), room).map(|()| len),
        None => Ok(len),
    }
}

/// Writes zeros over a key in memory that can be written to.
fn wipe(py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<()> {
    match PyBuffer::<u8>::get(key) {
        Ok(buffer) if !buffer.readonly() => buffer.copy_from_slice(py, &vec![0; buffer.item_count()]),
        _ => Ok(()),
    }
}
