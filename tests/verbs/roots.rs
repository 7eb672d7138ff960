//! How an operator changes the root key, killed at any moment or not: the new key is made beside the old one, the vault
//! is told, and then the new key takes the old one's place. Who finds a new key beside the old one finishes that.

use super::{Site, file_uri};
use crate::promised::{self, random};
use panseal::error::{Code, Error, Result};
use panseal::keys::Root;
use panseal::vault::Vault;
use std::fs::{self, File};
use std::thread;
use std::time::Duration;

/// Changes the root key; `vault` may have its own handle on the way.
pub fn change(site: &Site, vault: Option<&Vault>) -> Result<()> {
    one_at_a_time(site, || {
        if !site.next_root_file().exists() {
            Root::create(&file_uri(&site.next_root_file()))?;
        }
        finish(site, vault)
    })
}

/// Finishes a change of the root key that somebody was killed over.
pub fn settle(site: &Site) -> Result<()> {
    one_at_a_time(site, || if site.next_root_file().exists() { finish(site, None) } else { Ok(()) })
}

fn finish(site: &Site, vault: Option<&Vault>) -> Result<()> {
    let next = Root::parse(&file_uri(&site.next_root_file()))?;
    // That of a killed one may have come to the vault, and may still be on its way there: it is told again.
    match promised::open(&site.url, &file_uri(&site.next_root_file())) {
        Ok(_) => {}
        Err(error) if error.code() == Code::RootKey => match vault {
            Some(vault) => vault.change_root(&next)?,
            None => promised::open(&site.url, &site.root())?.change_root(&next)?,
        },
        Err(error) => return Err(error),
    }
    // A person types the next command: others come upon the vault meanwhile.
    thread::sleep(Duration::from_millis(random(100)));
    let copy = site.folder.join("cards.root.copy");
    fs::copy(site.next_root_file(), &copy).map_err(disk)?;
    fs::rename(&copy, site.root_file()).map_err(disk)?;
    if let Some(vault) = vault {
        // The same key at its old place, where the handle is to look for it from now on.
        vault.change_root(&Root::parse(&site.root())?)?;
    }
    fs::remove_file(site.next_root_file()).map_err(disk)
}

/// Among all processes; a lock goes with its process.
fn one_at_a_time<T>(site: &Site, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let file = File::options().create(true).append(true).open(site.folder.join("operator")).map_err(disk)?;
    let mut lock = fd_lock::RwLock::new(file);
    let _held = lock.write().map_err(disk)?;
    work()
}

fn disk(error: std::io::Error) -> Error {
    Error::system(Code::Store, error.raw_os_error().unwrap_or(0))
}
