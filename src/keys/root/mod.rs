//! The root key: where it comes from, how one is made, what it wraps.
//!
//! It lives outside the vault. It is fetched when needed, into the locked arena, and gone when the [`RootKey`] is
//! dropped; that of a callback never comes into the process at all.

mod callback;
mod components;
mod env;
mod file;

pub use callback::RootCallback;

use crate::error::{Code, Error, Result};
use crate::secret::arena::KeySlot;
use crate::secret::stack;
use base64ct::{Base64, Encoding};
use std::path::PathBuf;
use std::sync::Arc;

/// Length of a root key, in bytes.
pub const ROOT_LEN: usize = 32;

/// Where a root key comes from.
///
/// - `file:PATH`: a file with 32 bytes as 64 hex digits or as base64, white space around it ignored, readable by its
///   owner alone.
/// - `env:NAME`: the same text in an environment variable. For development: the environment is there for all to see,
///   and stays.
/// - `components:PATH,PATH[,PATH]`: two to eight files, each of which one custodian keeps. The key is the XOR of the
///   components, which are as long as the key: all but one tell nothing about it.
/// - a [callback](Root::callback): an HSM or a KMS wraps and unwraps.
#[derive(Clone)]
pub struct Root(Source);

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Env(Box<str>),
    Components(Box<[PathBuf]>),
    Callback(Arc<dyn RootCallback>),
}

impl Root {
    /// Reads a root key URI. `Argument` where it is not of a known form; nothing is opened yet.
    pub fn parse(uri: &str) -> Result<Root> {
        let source = match uri.split_once(':') {
            Some(("file", path)) => plain_path(path).map(Source::File),
            Some(("env", name)) => env::plain_name(name).map(|name| Source::Env(name.into())),
            Some(("components", paths)) => components::plain_paths(paths).map(Source::Components),
            _ => None,
        };
        source.map(Root).ok_or_else(|| Code::Argument.into())
    }

    /// An HSM, a KMS or whatever else wraps and unwraps 32 bytes.
    pub fn callback(callback: Arc<dyn RootCallback>) -> Root {
        Root(Source::Callback(callback))
    }

    /// Makes a new random root key at that place, durably, readable by its owner alone.
    ///
    /// Never overwrites: `RootKey` with `EEXIST` where something is there already. `Argument` for `env:`, which
    /// outlives no process.
    pub fn create(uri: &str) -> Result<()> {
        let root = Root::parse(uri)?;
        root.store(&random_key()?)
    }

    /// Makes components of an existing root key at `uri`, `components:PATH,PATH[,PATH]`, as [`Root::create`] does of a
    /// new one. The key stays valid where it is. `Argument` for a callback, whose key nobody can have.
    pub fn split(&self, uri: &str) -> Result<()> {
        let to = Root::parse(uri)?;
        match (self.fetch()?.0, &to.0) {
            (Wrapping::Local(key), Source::Components(_)) => to.store(&key),
            _ => Err(Code::Argument.into()),
        }
    }

    /// Fetches the key. `RootKey` when it is absent, malformed, or readable by others than its owner.
    pub fn fetch(&self) -> Result<RootKey> {
        stack::wipe_after::<{ stack::DEPTH }, _>(|| self.fetched())
    }

    fn fetched(&self) -> Result<RootKey> {
        let wrapping = match &self.0 {
            Source::File(path) => Wrapping::Local(file::fetch(path)?),
            Source::Env(name) => Wrapping::Local(env::fetch(name)?),
            Source::Components(paths) => Wrapping::Local(components::fetch(paths)?),
            Source::Callback(callback) => Wrapping::Callback(Arc::clone(callback)),
        };
        Ok(RootKey(wrapping))
    }

    fn store(&self, key: &KeySlot) -> Result<()> {
        match &self.0 {
            Source::File(path) => file::create(path, key),
            Source::Components(paths) => components::create(paths, key),
            Source::Env(_) | Source::Callback(_) => Err(Code::Argument.into()),
        }
    }
}

/// A root key in hand, or the way to whoever has it: what wraps epochs and index keys.
pub struct RootKey(pub(super) Wrapping);

/// How it wraps: under a key that is here, or by asking somebody who has it.
pub(super) enum Wrapping {
    Local(KeySlot),
    Callback(Arc<dyn RootCallback>),
}

fn random_key() -> Result<KeySlot> {
    KeySlot::fill(ROOT_LEN, |out| getrandom::fill(out).map_err(|_| Code::Internal.into()))
}

fn refused(error: std::io::Error) -> Error {
    Error::io(Code::RootKey, &error)
}

/// A path for as long as the program may change its working directory; links in it are followed anew each time.
fn plain_path(path: &str) -> Option<PathBuf> {
    let whole = || std::path::absolute(path).unwrap_or_else(|_| path.into());
    (!path.is_empty() && !path.contains('\0')).then(whole)
}

/// A key from 64 hex digits or from base64, white space around it ignored.
fn decode(text: &[u8]) -> Result<KeySlot> {
    let text = text.trim_ascii();
    KeySlot::fill(ROOT_LEN, |out| {
        let decoded = match text.len() {
            64 => base16ct::mixed::decode(text, out).is_ok_and(|key| key.len() == ROOT_LEN),
            44 => Base64::decode(text, out).is_ok_and(|key| key.len() == ROOT_LEN),
            _ => false,
        };
        if decoded { Ok(()) } else { Err(Code::RootKey.into()) }
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A folder for keys.
    pub(super) struct Place(tempfile::TempDir);

    impl Place {
        pub(super) fn new() -> Place {
            Place(tempfile::tempdir().unwrap())
        }

        pub(super) fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        pub(super) fn uri(&self) -> String {
            format!("file:{}", self.path("root").display())
        }

        /// `components:` with these names.
        pub(super) fn components(&self, names: &[&str]) -> String {
            let paths: Vec<String> = names.iter().map(|name| self.path(name).display().to_string()).collect();
            format!("components:{}", paths.join(","))
        }

        #[cfg(unix)]
        pub(super) fn write(&self, name: &str, text: &str, mode: u32) {
            std::fs::write(self.path(name), text).unwrap();
            std::fs::set_permissions(self.path(name), std::os::unix::fs::PermissionsExt::from_mode(mode))
                .unwrap();
        }
    }

    /// The bytes of a key that is here.
    pub(super) fn key_of(uri: &str) -> Result<Vec<u8>> {
        match Root::parse(uri)?.fetch()?.0 {
            Wrapping::Local(key) => key.with(<[u8]>::to_vec),
            Wrapping::Callback(_) => unreachable!("no URI names a callback"),
        }
    }

    #[test]
    fn a_uri_of_no_known_form_is_refused() {
        for uri in [
            "",
            "file",
            "file:",
            "vault:x",
            "env:",
            "env:A=B",
            "components:",
            "components:a",
            "components:a,",
            "components:,a",
            "components:a,a",
            "components:1,2,3,4,5,6,7,8,9",
            "file:a\0b",
        ] {
            assert_eq!(Root::parse(uri).err().map(|error| error.code()), Some(Code::Argument), "{uri}");
        }
    }
}
