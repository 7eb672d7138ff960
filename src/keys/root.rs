//! The root key: where it comes from, how one is made.
//!
//! It wraps the epochs and the index key and lives outside the vault. It is fetched when needed, into the locked
//! arena, and gone when its slot is dropped.

use crate::error::{Code, Error, Result};
use crate::secret::SecretText;
use crate::secret::arena::KeySlot;
use base64ct::{Base64, Encoding};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Length of a root key, in bytes.
pub const ROOT_LEN: usize = 32;

/// Longer than any root key file: 64 hex digits, or 44 characters of base64, and white space.
const FILE_ROOM: usize = 128;

/// Where a root key comes from.
///
/// `file:PATH`: a file with 32 bytes as 64 hex digits or as base64, white space around it ignored, readable by its
/// owner alone.
#[derive(Clone)]
pub struct Root {
    path: PathBuf,
}

impl Root {
    /// Reads a root key URI. `Argument` where its kind is not known; nothing is opened yet.
    pub fn parse(uri: &str) -> Result<Root> {
        match uri.split_once(':') {
            Some(("file", path)) if !path.is_empty() && !path.contains('\0') => {
                Ok(Root { path: path.into() })
            }
            _ => Err(Code::Argument.into()),
        }
    }

    /// Makes a new random root key at that place, durably, as 64 hex digits, readable by its owner alone.
    ///
    /// Never overwrites: `RootKey` with `EEXIST` where something is there already.
    pub fn create(uri: &str) -> Result<()> {
        let root = Root::parse(uri)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&root.path).map_err(refused)?;
        let written = write_new_key(&mut file).and_then(|()| sync_folder_of(&root.path).map_err(refused));
        if written.is_err() {
            // A cut key would stand in the way of the next attempt.
            let _ = std::fs::remove_file(&root.path);
        }
        written
    }

    /// Fetches the key. `RootKey` when it is absent, malformed, or readable by others than its owner.
    pub fn fetch(&self) -> Result<KeySlot> {
        let mut file = open_without_waiting(&self.path).map_err(refused)?;
        refuse_shared(&file)?;
        let mut text = SecretText::<FILE_ROOM>::copy_of(&[0; FILE_ROOM]).ok_or(Code::Internal)?;
        let len = read_up_to(&mut file, text.as_mut_bytes()).map_err(refused)?;
        let key = text.as_bytes()[..len].trim_ascii();
        KeySlot::fill(ROOT_LEN, |out| decode(key, out))
    }
}

fn refused(error: std::io::Error) -> Error {
    Error::system(Code::RootKey, error.raw_os_error().unwrap_or(0))
}

fn write_new_key(file: &mut File) -> Result<()> {
    let key = KeySlot::fill(ROOT_LEN, |out| getrandom::fill(out).map_err(|_| Code::Internal.into()))?;
    let mut text =
        SecretText::<{ 2 * ROOT_LEN + 1 }>::copy_of(&[b'\n'; 2 * ROOT_LEN + 1]).ok_or(Code::Internal)?;
    key.with(|key| base16ct::lower::encode(key, &mut text.as_mut_bytes()[..2 * ROOT_LEN]).map(|_| ()))?
        .map_err(|_| Code::Internal)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(refused)
}

/// A new name in a folder is durable only when the folder is.
fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// A named pipe in the file's place must not hold up the program.
fn open_without_waiting(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.open(path)
}

fn refuse_shared(file: &File) -> Result<()> {
    let about = file.metadata().map_err(refused)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 != 0 {
        return Err(Code::RootKey.into());
    }
    if about.is_file() { Ok(()) } else { Err(Code::RootKey.into()) }
}

/// Reads until the end or until the room is full, which no root key file fills.
fn read_up_to(file: &mut File, room: &mut [u8]) -> std::io::Result<usize> {
    let mut len = 0;
    while len < room.len() {
        match file.read(&mut room[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

fn decode(text: &[u8], out: &mut [u8]) -> Result<()> {
    let decoded = match text.len() {
        64 => base16ct::mixed::decode(text, out).is_ok_and(|key| key.len() == ROOT_LEN),
        44 => Base64::decode(text, out).is_ok_and(|key| key.len() == ROOT_LEN),
        _ => false,
    };
    if decoded { Ok(()) } else { Err(Code::RootKey.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Place {
            Place(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("root")
        }

        fn uri(&self) -> String {
            format!("file:{}", self.path().display())
        }

        #[cfg(unix)]
        fn write(&self, text: &str, mode: u32) {
            std::fs::write(self.path(), text).unwrap();
            std::fs::set_permissions(self.path(), std::os::unix::fs::PermissionsExt::from_mode(mode))
                .unwrap();
        }

        fn fetch(&self) -> Result<Vec<u8>> {
            Root::parse(&self.uri())?.fetch()?.with(|key| key.to_vec())
        }
    }

    #[test]
    fn a_new_key_is_random_and_is_never_overwritten() {
        let (one, two) = (Place::new(), Place::new());
        Root::create(&one.uri()).unwrap();
        Root::create(&two.uri()).unwrap();
        let key = one.fetch().unwrap();
        assert_eq!(key.len(), ROOT_LEN);
        assert_ne!(key, two.fetch().unwrap());
        let refused = Root::create(&one.uri()).unwrap_err();
        assert_eq!((refused.code(), refused.system_code()), (Code::RootKey, libc::EEXIST));
        assert_eq!(one.fetch().unwrap(), key);
    }

    #[test]
    #[cfg(unix)]
    fn hex_and_base64_give_the_same_key() {
        let place = Place::new();
        let hex = "000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f";
        for text in
            [hex.to_owned(), format!("  {hex}\r\n"), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n".into()]
        {
            place.write(&text, 0o600);
            assert_eq!(place.fetch().unwrap(), (0..32).collect::<Vec<u8>>(), "{text}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_root_key_is_refused() {
        let place = Place::new();
        let hex = "00".repeat(32);
        assert_eq!(place.fetch().unwrap_err().code(), Code::RootKey, "absent");
        for (text, why) in [
            ("", "empty"),
            (&hex[..62], "a byte too short"),
            (&format!("{hex}00"), "a byte too long"),
            (&"0".repeat(4000), "much too long"),
            (&"x".repeat(64), "no hex"),
            (&"=".repeat(44), "no base64"),
        ] {
            place.write(text, 0o600);
            assert_eq!(place.fetch().unwrap_err().code(), Code::RootKey, "{why}");
        }
        for mode in [0o640, 0o604, 0o660, 0o644] {
            place.write(&hex, mode);
            assert_eq!(place.fetch().unwrap_err().code(), Code::RootKey, "mode {mode:o}");
        }
        assert_eq!(Root::parse("file:").err().unwrap().code(), Code::Argument);
        assert_eq!(Root::parse("vault:x").err().unwrap().code(), Code::Argument);
        let folder = Root { path: place.0.path().into() };
        assert_eq!(folder.fetch().err().unwrap().code(), Code::RootKey);
    }
}
