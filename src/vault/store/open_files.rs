//! Which files this process has open as databases.
//!
//! POSIX locks belong to a process: closing any descriptor of a file lets go of all its locks on it, SQLite's too, and
//! another program then takes an open database for a closed one and clears away its log. So a file that is open here
//! is never opened beside SQLite to be looked at.

use crate::error::{Code, Error, Result};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Device and inode: two paths may lead to one file.
type FileId = (u64, u64);

/// One entry for each mark.
static OPEN: Mutex<Vec<FileId>> = Mutex::new(Vec::new());

/// Says that the file is open, for as long as it lives: it must outlive the connection.
pub struct Mark(FileId);

impl Mark {
    /// Marks the file, after `look` has found it good. A file that is open already has been looked at.
    pub fn after(path: &Path, look: impl FnOnce() -> Result<()>) -> Result<Mark> {
        let mut open = entries();
        let file = file_id(path)?;
        if !open.contains(&file) {
            look()?;
        }
        open.push(file);
        Ok(Mark(file))
    }

    /// `NotAVault` where `path` no longer leads to the file.
    pub fn still_at(&self, path: &Path) -> Result<()> {
        if cfg!(not(unix)) || file_id(path)? == self.0 { Ok(()) } else { Err(Code::NotAVault.into()) }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut open = entries();
        if let Some(place) = open.iter().position(|file| *file == self.0) {
            open.swap_remove(place);
        }
    }
}

fn entries() -> MutexGuard<'static, Vec<FileId>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn file_id(path: &Path) -> Result<FileId> {
    use std::os::unix::fs::MetadataExt;
    let about = std::fs::metadata(path).map_err(|_| Error::from(Code::NotAVault))?;
    Ok((about.dev(), about.ino()))
}

/// Elsewhere a lock belongs to its descriptor: every opening may look.
#[cfg(not(unix))]
fn file_id(_: &Path) -> Result<FileId> {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    Ok((0, NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)))
}
