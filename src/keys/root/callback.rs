//! A root key that never comes here: whoever has it wraps and unwraps.

use crate::error::Result;

/// An HSM or a KMS. It may be called from any thread.
///
/// `key_id` names the key that is wrapped (`epoch:3`), `context` the keyring that it belongs to: a service that binds
/// what it wraps to a context should be given both.
///
/// What it makes must be *authenticated*: an AEAD, a KMS, an HSM's key wrap, never encryption with a public key. Otherwise
/// whoever writes to the database, and can wrap a key of their own, can replace the whole key table by one of theirs, and
/// read what is sealed from then on. A host that remembers the vault's
/// [commitment](crate::vault::OpenOptions::commitment) notices it.
///
/// Any error counts as [`Code::Callback`](crate::error::Code::Callback), with the system code it has.
pub trait RootCallback: Send + Sync {
    /// Wraps a key of 32 bytes into `out` and says how many bytes that took.
    fn wrap(&self, key_id: &str, context: &str, key: &[u8], out: &mut [u8]) -> Result<usize>;

    /// Unwraps what [`RootCallback::wrap`] made into `out`, and says how many bytes it wrote: 32.
    fn unwrap(&self, key_id: &str, context: &str, wrapped: &[u8], out: &mut [u8]) -> Result<usize>;
}
