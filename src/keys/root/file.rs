//! `file:PATH`: a root key in a file that its owner alone can read.

use super::super::disk;
use super::{ROOT_LEN, decode, refused};
use crate::error::{Code, Result};
use crate::secret::arena::{KeySlot, Locked};
use crate::secret::{SecretText, stack};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Longer than any key file: a component is 64 hex digits and two check values of 10.
const ROOM: usize = 128;

/// What a key file holds, in the arena: a disk may have to be waited for with it in hand.
pub(super) struct Text(Locked<SecretText<ROOM>>);

impl Text {
    pub(super) fn new() -> Result<Text> {
        Ok(Text(Locked::new(|| Ok(SecretText::new()))?))
    }

    /// Adds a key in hex.
    pub(super) fn push_hex(&mut self, key: &KeySlot) -> Result<()> {
        stack::wipe_after::<{ stack::CIPHER }, _>(|| {
            key.with(|key| {
                let mut hex =
                    SecretText::<{ 2 * ROOT_LEN }>::copy_of(&[0; 2 * ROOT_LEN]).ok_or(Code::Internal)?;
                base16ct::lower::encode(key, hex.as_mut_bytes()).map_err(|_| Code::Internal)?;
                self.push(hex.as_bytes())
            })?
        })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.0.change(|text| text.append(bytes))? { Ok(()) } else { Err(Code::Internal.into()) }
    }

    pub(super) fn with<R>(&self, work: impl FnOnce(&[u8]) -> Result<R>) -> Result<R> {
        self.0.with(|text| work(text.as_bytes()))?
    }
}

/// Makes a file with a key as 64 hex digits; what is there already stays.
pub(super) fn create(path: &Path, key: &KeySlot) -> Result<()> {
    let mut text = Text::new()?;
    text.push_hex(key)?;
    write_new(path, text)
}

/// The key in a file.
pub(super) fn fetch(path: &Path) -> Result<KeySlot> {
    read(path)?.with(decode)
}

/// Makes a file with this text and a line end.
pub(super) fn write_new(path: &Path, mut text: Text) -> Result<()> {
    text.push(b"\n")?;
    let mut file = disk::create_private(path).map_err(refused)?;
    let written = text.with(|text| file.write_all(text).and_then(|()| file.sync_all()).map_err(refused));
    let written = written.and_then(|()| disk::sync_folder_of(path).map_err(refused));
    if written.is_err() {
        // A cut key would stand in the way of the next attempt.
        let _ = std::fs::remove_file(path);
    }
    written
}

/// The text of a key file, with what follows it up to the size of any key file.
pub(super) fn read(path: &Path) -> Result<Text> {
    let mut file = disk::open_without_waiting(path).map_err(refused)?;
    refuse_shared(&file)?;
    let mut text = Text(Locked::new(|| SecretText::copy_of(&[0; ROOM]).ok_or(Code::Internal.into()))?);
    text.0.change(|room| -> Result<()> {
        let len = disk::read_up_to(&mut file, room.as_mut_bytes()).map_err(refused)?;
        room.cut(len);
        Ok(())
    })??;
    Ok(text)
}

fn refuse_shared(file: &File) -> Result<()> {
    let about = file.metadata().map_err(refused)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 != 0 {
        return Err(Code::RootKey.into());
    }
    if about.is_file() { Ok(()) } else { Err(Code::RootKey.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Root;
    use crate::keys::root::tests::{Place, key_of};

    #[test]
    fn a_new_key_is_random_and_is_never_overwritten() {
        let (one, two) = (Place::new(), Place::new());
        Root::create(&one.uri()).unwrap();
        Root::create(&two.uri()).unwrap();
        let key = key_of(&one.uri()).unwrap();
        assert_eq!(key.len(), 32);
        assert_ne!(key, key_of(&two.uri()).unwrap());
        let refused = Root::create(&one.uri()).unwrap_err();
        assert_eq!((refused.code(), refused.system_code()), (Code::RootKey, libc::EEXIST));
        assert_eq!(key_of(&one.uri()).unwrap(), key);
    }

    #[test]
    #[cfg(unix)]
    fn hex_and_base64_give_the_same_key() {
        let place = Place::new();
        let hex = "000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f";
        for text in
            [hex.to_owned(), format!("  {hex}\r\n"), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n".into()]
        {
            place.write("root", &text, 0o600);
            assert_eq!(key_of(&place.uri()).unwrap(), (0..32).collect::<Vec<u8>>(), "{text}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_root_key_is_refused() {
        let place = Place::new();
        let hex = "00".repeat(32);
        assert_eq!(key_of(&place.uri()).unwrap_err().code(), Code::RootKey, "absent");
        for (text, why) in [
            ("", "empty"),
            (&hex[..62], "a byte too short"),
            (&format!("{hex}00"), "a byte too long"),
            (&"0".repeat(4000), "much too long"),
            (&"x".repeat(64), "no hex"),
            (&"=".repeat(44), "no base64"),
        ] {
            place.write("root", text, 0o600);
            assert_eq!(key_of(&place.uri()).unwrap_err().code(), Code::RootKey, "{why}");
        }
        for mode in [0o640, 0o604, 0o660, 0o644] {
            place.write("root", &hex, mode);
            assert_eq!(key_of(&place.uri()).unwrap_err().code(), Code::RootKey, "mode {mode:o}");
        }
        std::fs::remove_file(place.path("root")).unwrap();
        std::fs::create_dir(place.path("root")).unwrap();
        assert_eq!(key_of(&place.uri()).unwrap_err().code(), Code::RootKey, "a folder");
    }
}
