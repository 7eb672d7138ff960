//! Callables of Python's that the vault asks: a guard, and whoever wants to know how far a long call is.

use panseal::vault::{Guard, Operation};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use std::cell::RefCell;

thread_local! {
    /// What a callable raised, until the call that asked it raises the same.
    static FAILURE: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// The exception that a guard or a progress callable raised in this thread since it was last asked.
pub fn take_failure() -> Option<PyErr> {
    FAILURE.take()
}

/// Whether a callable has raised something that no call has raised yet.
pub fn has_failed() -> bool {
    FAILURE.with_borrow(Option::is_some)
}

/// Asks; what is raised is kept, and means no.
fn asked(ask: impl FnOnce(Python<'_>) -> PyResult<bool>) -> bool {
    Python::attach(ask).unwrap_or_else(|failure| {
        FAILURE.set(Some(failure));
        false
    })
}

/// A guard that is a callable.
pub struct PythonGuard(Py<PyAny>);

impl PythonGuard {
    pub fn of(callable: &Bound<'_, PyAny>) -> PyResult<PythonGuard> {
        refuse_uncallable(callable)?;
        Ok(PythonGuard(callable.clone().unbind()))
    }
}

impl Guard for PythonGuard {
    fn allows(&self, operation: &Operation<'_>) -> bool {
        let Operation { merchant, actor, kind, count } = *operation;
        asked(|py| {
            let answer = self.0.bind(py).call1((merchant, actor, kind, count))?;
            match answer.cast::<PyBool>() {
                Ok(answer) => Ok(answer.is_true()),
                Err(_) => Err(PyTypeError::new_err("a guard returns True or False")),
            }
        })
    }
}

/// Who is told how far a call is; without one, only signals (Ctrl-C) can stop it.
pub struct Progress(Option<Py<PyAny>>);

impl Progress {
    pub fn of(callable: Option<&Bound<'_, PyAny>>) -> PyResult<Progress> {
        callable.map_or(Ok(()), refuse_uncallable)?;
        Ok(Progress(callable.map(|callable| callable.clone().unbind())))
    }

    /// Says whether to go on.
    pub fn tell(&self, done: u64, total: u64) -> bool {
        asked(|py| {
            py.check_signals()?;
            let Some(callable) = &self.0 else { return Ok(true) };
            Ok(!callable.bind(py).call1((done, total))?.is(PyBool::new(py, false)))
        })
    }
}

fn refuse_uncallable(callable: &Bound<'_, PyAny>) -> PyResult<()> {
    if callable.is_callable() { Ok(()) } else { Err(PyTypeError::new_err("expected a callable or None")) }
}
