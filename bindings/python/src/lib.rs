//! The Python artifact: the extension module `panseal._native`, of which the package `panseal` shows the public part.
//!
//! Card data is read out of Python's memory inside a border call, into secrets of a fixed size, and never becomes a
//! `String`, a `Vec` or a Python object on its way.

#![forbid(unsafe_code)]

mod card;
mod check;
mod errors;
mod input;
mod instrument;
mod secret;
mod vault;

use pyo3::prelude::*;

/// Every block of memory is wiped when it is freed.
#[global_allocator]
static ALLOCATOR: panseal::secret::alloc::Wiping = panseal::secret::alloc::Wiping::new();

/// The compiled part of panseal; import `panseal` instead.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::check::{CheckReport, Violation, check, mask};
    #[pymodule_export]
    use super::instrument::Instrument;
    #[pymodule_export]
    use super::secret::Secret;
    #[pymodule_export]
    use super::vault::{Vault, create_root_key};

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
