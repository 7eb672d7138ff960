//! From failures of the core to exceptions. Nothing that goes into an exception is made of input.

use crate::check::Violation;
use crate::{callable, root};
use panseal::border;
use panseal::error::{Code, Error, Param, Violations};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{intern, type_object::PyTypeInfo};

pyo3::import_exception!(panseal.errors, PansealError);
pyo3::import_exception!(panseal.errors, ArgumentError);
pyo3::import_exception!(panseal.errors, CardError);
pyo3::import_exception!(panseal.errors, FormatError);
pyo3::import_exception!(panseal.errors, TokenError);
pyo3::import_exception!(panseal.errors, KeyringError);
pyo3::import_exception!(panseal.errors, VaultError);
pyo3::import_exception!(panseal.errors, BusyError);

/// Runs `work` behind the border: a panic is an internal error and silent, the stack below is wiped.
///
/// What holds card data lives in frames of `work`; what it returns must hold none.
pub fn behind_border<R>(py: Python<'_>, work: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    let (mut found, mut failure) = (None, None);
    let passed = border::call(|| {
        part(work(), &mut found, &mut failure);
        Ok(())
    });
    match (found, failure, passed) {
        (Some(found), _, Ok(())) => Ok(found),
        (_, Some(failure), Ok(())) => Err(failure),
        (.., passed) => Err(raise(py, &passed.err().unwrap_or(Code::Internal.into()))),
    }
}

/// [`behind_border`] for work that reads and judges one number and calls nothing deeper, nor Python.
pub fn behind_shallow_border<R>(work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    let (mut found, mut failure) = (None, None);
    border::call_shallow(|| {
        part(work(), &mut found, &mut failure);
        Ok(())
    })?;
    found.ok_or_else(|| failure.unwrap_or_else(|| Code::Internal.into()))
}

/// Writes an outcome to two places above the border. What goes to one place is copied whole, with the bytes that no
/// value has been written to: an `Ok` would carry old stack out in the room of an `Err`.
pub fn part<R, E>(outcome: Result<R, E>, found: &mut Option<R>, failure: &mut Option<E>) {
    match outcome {
        Ok(value) => *found = Some(value),
        Err(error) => *failure = Some(error),
    }
}

/// The exception of a failure. What a guard or a progress callable has raised comes out as it is.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let is_callback = error.code() == Code::Callback;
    if let Some(failure) = is_callback.then(callable::take_failure).flatten() {
        return failure;
    }
    let cause = is_callback.then(root::take_failure).flatten();
    let class = match error.code() {
        // A guard or a progress callable said no.
        Code::Callback if cause.is_none() => PansealError::type_object(py),
        Code::Card => CardError::type_object(py),
        Code::Token | Code::Inactive | Code::Domain | Code::Exhausted | Code::Irreversible => {
            TokenError::type_object(py)
        }
        Code::RootKey | Code::Epoch | Code::Fork | Code::Callback => KeyringError::type_object(py),
        Code::Busy => BusyError::type_object(py),
        Code::Store
        | Code::NotAVault
        | Code::SchemaNewer
        | Code::Tampered
        | Code::Conflict
        | Code::Handle => VaultError::type_object(py),
        Code::Argument | Code::Buffer | Code::Utf8 => ArgumentError::type_object(py),
        _ => PansealError::type_object(py),
    };
    class
        .call1((error.to_string(),))
        .and_then(|raised| describe(&raised, error))
        .inspect(|raised| {
            if cause.is_some() {
                raised.set_cause(py, cause);
            }
        })
        .unwrap_or_else(|fault| fault)
}

/// The exception of a card number, or of whatever else went wrong with it.
pub fn raise_number(py: Python<'_>, error: &Error) -> PyErr {
    match error.code() {
        code @ (Code::Missing
        | Code::Malformed
        | Code::Length
        | Code::Luhn
        | Code::Network
        | Code::Charset
        | Code::TooLong) => refuse(py, Param::Number, code),
        _ => raise(py, error),
    }
}

/// The exception of an argument that cannot be served, or that may not be used any more.
pub fn raise_argument(py: Python<'_>, code: Code, message: &'static str) -> PyErr {
    let raised = ArgumentError::type_object(py).call1((message,));
    raised.and_then(|raised| describe(&raised, &code.into())).unwrap_or_else(|fault| fault)
}

/// The exception of one field of a card that is refused.
pub fn refuse(py: Python<'_>, param: Param, code: Code) -> PyErr {
    let mut violations = Violations::default();
    violations.add(param, code);
    raise(py, &Error::from(violations))
}

/// The exception of data that is not of its form, or of a buffer that is too small for what it says.
pub fn raise_format(py: Python<'_>, code: Code) -> PyErr {
    match code {
        Code::Buffer => raise_argument(py, code, code.text()),
        _ => {
            let raised = FormatError::type_object(py).call1((code.text(),));
            raised.and_then(|raised| describe(&raised, &code.into())).unwrap_or_else(|fault| fault)
        }
    }
}

fn describe(raised: &Bound<'_, PyAny>, error: &Error) -> PyResult<PyErr> {
    let py = raised.py();
    raised.setattr(intern!(py, "code"), error.code().name())?;
    raised.setattr(intern!(py, "status"), error.code().number())?;
    raised.setattr(intern!(py, "system"), error.system_code())?;
    if error.code() == Code::Card {
        raised.setattr(intern!(py, "violations"), violations(py, error.violations())?)?;
    }
    Ok(PyErr::from_value(raised.clone()))
}

/// The tuple of violations that reports and exceptions carry.
pub fn violations<'py>(py: Python<'py>, violations: &Violations) -> PyResult<Bound<'py, PyTuple>> {
    let rows: PyResult<Vec<_>> =
        violations.iter().map(|violation| Bound::new(py, Violation::from(violation))).collect();
    PyTuple::new(py, rows?)
}
