//! `env:NAME`: a root key in an environment variable, for development.

use super::decode;
use crate::error::{Code, Result};
use crate::secret::arena::KeySlot;
use zeroize::Zeroize;

/// A name that a variable can have.
pub(super) fn plain_name(name: &str) -> Option<&str> {
    (!name.is_empty() && !name.contains(['=', '\0'])).then_some(name)
}

/// The key in a variable. The copy that the standard library makes is wiped; the environment itself is not ours.
pub(super) fn fetch(name: &str) -> Result<KeySlot> {
    let mut text = std::env::var(name).map_err(|_| Code::RootKey)?.into_bytes();
    let key = decode(&text);
    text.as_mut_slice().zeroize();
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::root::tests::key_of;

    #[test]
    fn a_variable_that_is_absent_or_no_key_is_refused() {
        // The one variable that is surely there and no key; setting one would race with the other tests.
        for uri in ["env:PANSEAL_NO_SUCH_VARIABLE", "env:PATH"] {
            assert_eq!(key_of(uri).unwrap_err().code(), Code::RootKey);
        }
    }
}
