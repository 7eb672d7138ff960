//! The keyring file: the epochs of a vaultless tokenizer.
//!
//! Lines of text that may be read by everybody and changed by nobody: a MAC over all of them is under the file's table
//! key, which outlives all epochs. `docs/token-schemes.md` has the format.
//!
//! Files of the first version have no table key, and their MAC is under the active epoch. They are read, and become
//! files of this version with the next change.
//!
//! A change is made under a lock on a file beside it, to what is in the file by then; it is on disk under the file's
//! name before anybody uses it. Readers take no lock: they find the old file or the new one.

use super::epochs;
use super::keyring::Keyring;
use super::root::Root;
use super::wrapped::{KeyInfo, KeyKind, KeyState, WrappedKey};
use super::{CheckValue, Commitment, KEYRING_ID_LEN, disk};
use crate::error::{Code, Error, Result};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

const TITLE: &str = "panseal-keyring ";
const VERSION: &str = "2";
const FIRST_VERSION: &str = "1";
const MAC_LEN: usize = 32;
const ID_LEN: usize = KEYRING_ID_LEN;
/// The last line.
const MAC_LINE: usize = "mac ".len() + 2 * MAC_LEN + 1;
/// Far more than a daily rotation fills in a human life.
const MOST_BYTES: u64 = 16 << 20;

/// Where a keyring file is.
pub struct KeyringFile {
    path: PathBuf,
}

/// A keyring file's content, unwrapped and checked.
pub struct Opened {
    /// The keys; their version is the file's generation.
    pub keyring: Keyring,
    /// What the file looked like.
    pub stamp: Stamp,
}

/// What is known of the file already, by which another one in its place is noticed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// The generation that was seen last.
    pub generation: i64,
    /// The commitment to its table key, where it had one.
    pub commitment: Option<Commitment>,
}

/// By this a reader notices, without reading, that there is another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    len: u64,
    changed: Option<std::time::SystemTime>,
    number: (u64, u64),
}

impl Stamp {
    fn of(about: &Metadata) -> Stamp {
        #[cfg(unix)]
        let number = (std::os::unix::fs::MetadataExt::dev(about), std::os::unix::fs::MetadataExt::ino(about));
        #[cfg(not(unix))]
        let number = (0, 0);
        Stamp { len: about.len(), changed: about.modified().ok(), number }
    }
}

impl KeyringFile {
    /// The file at that path, for as long as the program may change its working directory. `NotAVault` where there is
    /// not even its folder.
    pub fn at(path: &Path) -> Result<KeyringFile> {
        let name = path.file_name().ok_or(Code::Argument)?;
        // All who change one file must find one lock, by whatever links they come.
        let path = std::fs::canonicalize(path)
            .or_else(|_| Ok(std::fs::canonicalize(disk::folder_of(path))?.join(name)))
            .map_err(|error| failed(&error, Code::NotAVault))?;
        Ok(KeyringFile { path })
    }

    /// Makes a keyring with one epoch; if the file is there by now, this leaves it as it is. `slot` is the first
    /// epoch's, of a keyring that serves `ff1`.
    pub fn create(&self, root: &Root, slot: Option<u8>, now: i64) -> Result<()> {
        // Who only reads needs no right to write a lock.
        if self.path.exists() {
            return Ok(());
        }
        self.locked(|| {
            if self.path.exists() {
                return Ok(());
            }
            let mut id = [0; ID_LEN];
            getrandom::fill(&mut id).map_err(|_| Code::Internal)?;
            let key = root.fetch()?;
            let table = WrappedKey::generate(&key, &id, (KeyKind::Table, 1), None, now)?;
            let first = WrappedKey::generate(&key, &id, (KeyKind::Epoch, 1), slot, now)?;
            self.publish(root, &Content { id, generation: 1, entries: vec![table, first] }).map(|_| ())
        })
    }

    /// Reads and unwraps the file.
    ///
    /// `NotAVault` where no keyring is; `RootKey`; `Callback`; `Tampered` for one that was changed, cut, is older than
    /// was seen, or has another table key; `SchemaNewer`; `Store`.
    pub fn open(&self, root: &Root, seen: Seen) -> Result<Opened> {
        Ok(self.read(root, seen)?.1)
    }

    /// Adds a new active epoch: see [`epochs::rotate`].
    pub fn rotate(&self, root: &Root, seen: Seen, now: i64) -> Result<Opened> {
        self.change(root, root, seen, |content| {
            epochs::rotate(&mut content.entries, &root.fetch()?, &content.id, now).map(|_| ())
        })
    }

    /// Forgets an epoch's key: see [`epochs::destroy`].
    pub fn destroy(&self, root: &Root, seen: Seen, epoch: u32) -> Result<Opened> {
        self.change(root, root, seen, |content| epochs::destroy(&mut content.entries, epoch))
    }

    /// Opens a destroyed epoch's slot: see [`epochs::free_slot`].
    pub fn free_slot(&self, root: &Root, seen: Seen, slot: u8) -> Result<Opened> {
        self.change(root, root, seen, |content| epochs::free_slot(&mut content.entries, slot))
    }

    /// Wraps the epochs under another root key.
    pub fn change_root(&self, from: &Root, to: &Root, seen: Seen) -> Result<Opened> {
        self.change(from, to, seen, |content| {
            epochs::rewrap(&mut content.entries, &from.fetch()?, &to.fetch()?, &content.id)
        })
    }

    /// What the file looks like now; `None` where there is none, or it cannot be looked at.
    pub fn stamp(&self) -> Option<Stamp> {
        std::fs::metadata(&self.path).ok().map(|about| Stamp::of(&about))
    }

    fn change(
        &self,
        root: &Root,
        root_after: &Root,
        seen: Seen,
        work: impl FnOnce(&mut Content) -> Result<()>,
    ) -> Result<Opened> {
        self.locked(|| {
            let (mut content, _) = self.read(root, seen)?;
            if !content.entries.iter().any(|entry| entry.info.kind == KeyKind::Table) {
                let now = content.entries.iter().map(|entry| entry.info.created_at).max().unwrap_or(0);
                let key = (KeyKind::Table, 1);
                content.entries.insert(0, WrappedKey::generate(&root.fetch()?, &content.id, key, None, now)?);
            }
            work(&mut content)?;
            content.generation = content.generation.checked_add(1).ok_or(Code::Exhausted)?;
            self.publish(root_after, &content)
        })
    }

    fn read(&self, root: &Root, seen: Seen) -> Result<(Content, Opened)> {
        let mut file =
            disk::open_without_waiting(&self.path).map_err(|error| failed(&error, Code::NotAVault))?;
        let about = file.metadata().map_err(store)?;
        if !about.is_file() {
            return Err(Code::NotAVault.into());
        }
        let mut bytes = Vec::new();
        (&mut file).take(MOST_BYTES).read_to_end(&mut bytes).map_err(store)?;
        let (text, mac) = split(&bytes)?;
        let content = Content::parse(text).ok_or(Code::Tampered)?;
        let keyring = Keyring::unwrap(&root.fetch()?, content.id, content.generation, &content.entries)?;
        keyring.verify_file(text, &mac)?;
        let another = seen.commitment.is_some_and(|seen| keyring.commitment() != Some(seen));
        if content.generation < seen.generation || another {
            return Err(Code::Tampered.into());
        }
        Ok((content, Opened { keyring, stamp: Stamp::of(&about) }))
    }

    /// Puts the content in the file's place, whole and durably. Everything in it is unwrapped first: nobody should
    /// depend on a key that cannot be had back.
    fn publish(&self, root: &Root, content: &Content) -> Result<Opened> {
        let keyring = Keyring::unwrap(&root.fetch()?, content.id, content.generation, &content.entries)?;
        let mut text = content.to_text();
        let mac = keyring.file_mac(text.as_bytes())?;
        text.push_str(&format!("mac {}\n", to_hex(&mac)));
        let fresh = self.beside(".new");
        let written = write_whole(&fresh, text.as_bytes());
        let renamed = written.and_then(|about| std::fs::rename(&fresh, &self.path).map(|()| about));
        let about = renamed.map_err(|error| {
            let _ = std::fs::remove_file(&fresh);
            store(error)
        })?;
        disk::sync_folder_of(&self.path).map_err(store)?;
        Ok(Opened { keyring, stamp: Stamp::of(&about) })
    }

    /// Runs `work` while nobody else changes the file. The lock is let go in so many words: a forked child holds the
    /// file open as well.
    fn locked<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut lock = fd_lock::RwLock::new(options.open(self.beside(".lock")).map_err(store)?);
        let _held = loop {
            match lock.write() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                held => break held.map_err(store)?,
            }
        };
        work()
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ending);
        name.into()
    }
}

/// What is left of an attempt that was cut short is in nobody's way.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<Metadata> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = disk::create_private(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    file.metadata()
}

fn store(error: std::io::Error) -> Error {
    failed(&error, Code::Store)
}

fn failed(error: &std::io::Error, absent: Code) -> Error {
    let code = if error.kind() == ErrorKind::NotFound { absent } else { Code::Store };
    Error::io(code, error)
}

/// What a keyring file says, in the order of its lines.
struct Content {
    id: [u8; ID_LEN],
    generation: i64,
    entries: Vec<WrappedKey>,
}

impl Content {
    fn to_text(&self) -> String {
        let has_table = self.entries.iter().any(|entry| entry.info.kind == KeyKind::Table);
        let version = if has_table { VERSION } else { FIRST_VERSION };
        let mut text = format!("{TITLE}{version}\nid {}\ngeneration {}\n", to_hex(&self.id), self.generation);
        for WrappedKey { info, wrapped } in &self.entries {
            if info.kind == KeyKind::Table {
                let (created, check) = (info.created_at, info.check);
                text.push_str(&format!("table {created} {check} {}\n", to_hex(wrapped)));
                continue;
            }
            let slot = info.slot.map_or("-".to_owned(), |slot| slot.to_string());
            let wrapped = if wrapped.is_empty() { "-".to_owned() } else { to_hex(wrapped) };
            let state = info.state.name();
            let (id, check, created, retired) = (info.id, info.check, info.created_at, info.retired_at);
            text.push_str(&format!("epoch {id} {state} {slot} {created} {retired} {check} {wrapped}\n"));
        }
        text
    }

    /// One text has one reading, and a content one text: what would be written otherwise is none.
    fn parse(text: &[u8]) -> Option<Content> {
        let text = std::str::from_utf8(text).ok()?;
        let mut lines = text.lines().skip(1);
        let id = from_hex(lines.next()?.strip_prefix("id ")?)?.try_into().ok()?;
        let generation = lines.next()?.strip_prefix("generation ")?.parse().ok()?;
        let entries =
            lines.map(|line| parse_table(line).or_else(|| parse_epoch(line))).collect::<Option<_>>()?;
        let content = Content { id, generation, entries };
        // A file has at most one table key, and it stands first.
        let tables = content.entries.iter().skip(1).filter(|entry| entry.info.kind == KeyKind::Table).count();
        (tables == 0 && content.to_text() == text).then_some(content)
    }
}

fn parse_table(line: &str) -> Option<WrappedKey> {
    let mut fields = line.strip_prefix("table ")?.split(' ');
    let mut field = || fields.next();
    let info = KeyInfo {
        kind: KeyKind::Table,
        id: 1,
        state: KeyState::Active,
        slot: None,
        created_at: field()?.parse().ok()?,
        retired_at: 0,
        check: CheckValue::from_hex(field()?.as_bytes())?,
    };
    Some(WrappedKey { info, wrapped: from_hex(field()?)? })
}

fn parse_epoch(line: &str) -> Option<WrappedKey> {
    let mut fields = line.strip_prefix("epoch ")?.split(' ');
    let mut field = || fields.next();
    let info = KeyInfo {
        kind: KeyKind::Epoch,
        id: field()?.parse().ok()?,
        state: KeyState::from_name(field()?)?,
        slot: match field()? {
            "-" => None,
            slot => Some(slot.parse().ok().filter(|slot| epochs::SLOTS.contains(slot))?),
        },
        created_at: field()?.parse().ok()?,
        retired_at: field()?.parse().ok()?,
        check: CheckValue::from_hex(field()?.as_bytes())?,
    };
    let wrapped = match field()? {
        "-" => Vec::new(),
        wrapped => from_hex(wrapped)?,
    };
    (wrapped.is_empty() != info.is_live()).then_some(WrappedKey { info, wrapped })
}

/// The lines that are authenticated, and the MAC over them.
fn split(bytes: &[u8]) -> Result<(&[u8], [u8; MAC_LEN])> {
    let version = bytes.strip_prefix(TITLE.as_bytes()).ok_or(Code::NotAVault)?;
    let version = version.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if ![VERSION, FIRST_VERSION].map(str::as_bytes).contains(&version) {
        let newer = version.iter().all(u8::is_ascii_digit) && !version.is_empty();
        return Err(if newer { Code::SchemaNewer } else { Code::Tampered }.into());
    }
    let (text, last) = bytes.split_at(bytes.len().saturating_sub(MAC_LINE));
    let mac = last.strip_prefix(b"mac ").and_then(|line| line.strip_suffix(b"\n"));
    let mac = mac.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(from_hex).ok_or(Code::Tampered)?;
    Ok((text, mac.try_into().map_err(|_| Code::Tampered)?))
}

/// What is in hex here is wrapped or public.
fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; text.len() / 2];
    base16ct::lower::decode(text, &mut bytes).ok()?;
    Some(bytes)
}
