//! `components:PATH,PATH[,PATH]`: a root key in the hands of several custodians (PCI DSS 3.6.1.2, 3.7.6).
//!
//! A component is as long as the key, and the key is the XOR of all of them, so that all but one tell nothing. Each
//! file is a line of three fields: the component in hex, its own check value, and that of the combined key. The first
//! tells a custodian of a slip of the pen, the second all of them whether they hold parts of one key.

use super::file::{self, Text};
use super::{ROOT_LEN, plain_path, random_key};
use crate::error::{Code, Result};
use crate::keys::check::CheckValue;
use crate::secret::arena::KeySlot;
use std::path::{Path, PathBuf};

const COUNT: std::ops::RangeInclusive<usize> = 2..=8;

/// Two to eight paths, none twice.
pub(super) fn plain_paths(text: &str) -> Option<Box<[PathBuf]>> {
    let paths: Box<[PathBuf]> = text.split(',').map(plain_path).collect::<Option<_>>()?;
    let twice = paths.iter().enumerate().any(|(place, path)| paths[..place].contains(path));
    (COUNT.contains(&paths.len()) && !twice).then_some(paths)
}

/// Makes the files, all or none; what is there already stays.
pub(super) fn create(paths: &[PathBuf], key: &KeySlot) -> Result<()> {
    let Some((last, others)) = paths.split_last() else { return Err(Code::Argument.into()) };
    let mut components = others.iter().map(|_| random_key()).collect::<Result<Vec<KeySlot>>>()?;
    let parts: Vec<&KeySlot> = components.iter().chain([key]).collect();
    let rest = xor(&parts)?;
    components.push(rest);
    let combined = CheckValue::of(key)?;
    let mut made: Vec<&Path> = Vec::new();
    for (path, component) in others.iter().chain([last]).zip(&components) {
        if let Err(error) = write_new(path, component, combined) {
            for path in made {
                let _ = std::fs::remove_file(path);
            }
            return Err(error);
        }
        made.push(path);
    }
    Ok(())
}

fn write_new(path: &Path, component: &KeySlot, combined: CheckValue) -> Result<()> {
    let mut text = Text::new()?;
    text.push_hex(component)?;
    for check in [CheckValue::of(component)?, combined] {
        text.push(b" ")?;
        text.push(check.to_string().as_bytes())?;
    }
    file::write_new(path, text)
}

/// The key that the files make together. `RootKey` where a component is not as its check value says, or the components
/// are not all of one key.
pub(super) fn fetch(paths: &[PathBuf]) -> Result<KeySlot> {
    let read = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
    let key = xor(&read.iter().map(|(component, _)| component).collect::<Vec<_>>())?;
    let check = CheckValue::of(&key)?;
    if read.iter().all(|(_, combined)| *combined == check) { Ok(key) } else { Err(Code::RootKey.into()) }
}

/// A component, and the check value of the key that it is part of.
fn read(path: &Path) -> Result<(KeySlot, CheckValue)> {
    file::read(path)?.with(parse)
}

fn parse(text: &[u8]) -> Result<(KeySlot, CheckValue)> {
    let mut fields = text.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let mut field = || fields.next().ok_or(Code::RootKey);
    let (component, own, combined) = (super::decode(field()?)?, field()?, field()?);
    let combined = CheckValue::from_hex(combined).ok_or(Code::RootKey)?;
    let as_told = CheckValue::from_hex(own) == Some(CheckValue::of(&component)?);
    if as_told && fields.next().is_none() { Ok((component, combined)) } else { Err(Code::RootKey.into()) }
}

fn xor(parts: &[&KeySlot]) -> Result<KeySlot> {
    KeySlot::fill(ROOT_LEN, |out| {
        for part in parts {
            part.with(|part| out.iter_mut().zip(part).for_each(|(out, byte)| *out ^= byte))?;
        }
        Ok(())
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::keys::Root;
    use crate::keys::root::tests::{Place, key_of};

    fn refusal(uri: &str) -> Code {
        key_of(uri).unwrap_err().code()
    }

    #[test]
    fn components_of_a_key_make_that_key_in_any_order() {
        let place = Place::new();
        Root::create(&place.uri()).unwrap();
        let key = key_of(&place.uri()).unwrap();
        for names in [&["a", "b"][..], &["c", "d", "e"]] {
            Root::parse(&place.uri()).unwrap().split(&place.components(names)).unwrap();
            assert_eq!(key_of(&place.components(names)).unwrap(), key);
            let turned: Vec<&str> = names.iter().rev().copied().collect();
            assert_eq!(key_of(&place.components(&turned)).unwrap(), key);
        }
    }

    #[test]
    fn components_of_a_new_key_are_never_overwritten_and_made_all_or_none() {
        let place = Place::new();
        Root::create(&place.components(&["a", "b"])).unwrap();
        let key = key_of(&place.components(&["a", "b"])).unwrap();
        let refused = Root::create(&place.components(&["c", "d", "b"])).unwrap_err();
        assert_eq!((refused.code(), refused.system_code()), (Code::RootKey, libc::EEXIST));
        assert!(!place.path("c").exists() && !place.path("d").exists());
        assert_eq!(key_of(&place.components(&["a", "b"])).unwrap(), key);
    }

    #[test]
    fn too_few_foreign_or_mistyped_components_are_refused() {
        let place = Place::new();
        Root::create(&place.components(&["a", "b", "c"])).unwrap();
        Root::create(&place.components(&["x", "y", "z"])).unwrap();
        for names in [&["a", "b"][..], &["a", "b", "z"], &["a", "b", "nowhere"]] {
            assert_eq!(refusal(&place.components(names)), Code::RootKey, "{names:?}");
        }
        let text = std::fs::read_to_string(place.path("c")).unwrap();
        for at in 0..text.len() - 1 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            place.write("c", std::str::from_utf8(&bytes).unwrap(), 0o600);
            assert_eq!(refusal(&place.components(&["a", "b", "c"])), Code::RootKey, "byte {at}");
            place.write("c", &text[..at], 0o600);
            assert_eq!(refusal(&place.components(&["a", "b", "c"])), Code::RootKey, "cut at {at}");
        }
        place.write("c", &text, 0o640);
        assert_eq!(refusal(&place.components(&["a", "b", "c"])), Code::RootKey, "readable by others");
        place.write("c", &text, 0o600);
        assert!(key_of(&place.components(&["a", "b", "c"])).is_ok());
    }
}
