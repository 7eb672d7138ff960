//! The life of epochs and index keys: a new one when keys are rotated, the old ones decrypt-only, and gone one day.
//!
//! These functions change entries in memory; whoever stores them makes the change durable before it is used.

use super::root::RootKey;
use super::wrapped::{KeyKind, KeyState, WrappedKey};
use crate::error::{Code, Result};

/// The slots that epochs can have.
pub(super) const SLOTS: std::ops::RangeInclusive<u8> = 1..=9;

/// Adds a new active epoch and retires the active ones; its id is given back.
///
/// Where the active epoch has a slot, so has the new one: the next free one, beginning again behind 9, so that a slot
/// that was freed is used again as late as can be. `Exhausted` when none is free.
pub fn rotate(entries: &mut Vec<WrappedKey>, root: &RootKey, keyring: &[u8], now: i64) -> Result<u32> {
    let newest = epochs(entries).max_by_key(|entry| entry.info.id).ok_or(Code::Epoch)?.info;
    let active = epochs(entries).filter(|entry| entry.info.state == KeyState::Active);
    let active = active.max_by_key(|entry| entry.info.id).ok_or(Code::Epoch)?.info;
    let slot = active.slot.map(|slot| free_slot_after(entries, slot)).transpose()?;
    let id = newest.id.checked_add(1).ok_or(Code::Exhausted)?;
    let fresh = WrappedKey::generate(root, keyring, (KeyKind::Epoch, id), slot, now)?;
    for entry in entries.iter_mut().filter(|entry| entry.info.kind == KeyKind::Epoch) {
        if entry.info.state == KeyState::Active {
            (entry.info.state, entry.info.retired_at) = (KeyState::DecryptOnly, now);
        }
    }
    entries.push(fresh);
    Ok(id)
}

/// Forgets an epoch's key. Its slot stays shut, or old tokens would decode into other people's cards. `Epoch` for the
/// active one, one that is destroyed already, and one that is not there.
pub fn destroy(entries: &mut [WrappedKey], epoch: u32) -> Result<()> {
    let old = |entry: &&mut WrappedKey| {
        let info = &entry.info;
        info.kind == KeyKind::Epoch && info.id == epoch && info.state == KeyState::DecryptOnly
    };
    let entry = entries.iter_mut().find(old).ok_or(Code::Epoch)?;
    entry.info.state = KeyState::Destroyed;
    entry.wrapped = Vec::new();
    Ok(())
}

/// Opens the slot of a destroyed epoch for a new one: no token with that residue may be left anywhere. `Argument`
/// where no epoch holds it, `Epoch` where a live one does.
pub fn free_slot(entries: &mut [WrappedKey], slot: u8) -> Result<()> {
    let holder = entries.iter_mut().find(|entry| entry.info.slot == Some(slot)).ok_or(Code::Argument)?;
    if holder.info.is_live() {
        return Err(Code::Epoch.into());
    }
    holder.info.slot = None;
    Ok(())
}

/// Wraps all keys anew under another root key; the keys stay what they are.
pub fn rewrap(entries: &mut [WrappedKey], from: &RootKey, to: &RootKey, keyring: &[u8]) -> Result<()> {
    entries.iter_mut().try_for_each(|entry| entry.rewrap(from, to, keyring))
}

/// Unwraps all keys, to know that this root key does; `RootKey`, `Tampered`, `Callback`.
pub fn check_all(entries: &[WrappedKey], root: &RootKey, keyring: &[u8]) -> Result<()> {
    let mut live = entries.iter().filter(|entry| entry.info.is_live());
    live.try_for_each(|entry| entry.unwrap(root, keyring).map(drop))
}

/// Adds a new active index key; the one before stays in force beside it until it is dropped. Its generation is given
/// back. `Epoch` where two are in force already.
pub fn begin_index(entries: &mut Vec<WrappedKey>, root: &RootKey, keyring: &[u8], now: i64) -> Result<u32> {
    let newest = index_keys(entries).map(|entry| entry.info.id).max().ok_or(Code::Epoch)?;
    if index_keys(entries).filter(|entry| entry.info.is_live()).count() != 1 {
        return Err(Code::Epoch.into());
    }
    let id = newest.checked_add(1).ok_or(Code::Exhausted)?;
    let fresh = WrappedKey::generate(root, keyring, (KeyKind::Index, id), None, now)?;
    for entry in entries.iter_mut().filter(|entry| entry.info.kind == KeyKind::Index && entry.info.is_live())
    {
        (entry.info.state, entry.info.retired_at) = (KeyState::DecryptOnly, now);
    }
    entries.push(fresh);
    Ok(id)
}

/// Forgets the index keys before generation `filled`, under which every card has a fingerprint by now. Says whether there
/// was one. Where a newer generation has begun since, its predecessor is still needed: nothing is forgotten.
pub fn drop_older_index(entries: &mut [WrappedKey], filled: u32) -> bool {
    let active = index_keys(entries).find(|entry| entry.info.state == KeyState::Active);
    if active.is_none_or(|entry| entry.info.id != filled) {
        return false;
    }
    let mut dropped = false;
    for entry in entries.iter_mut().filter(|entry| entry.info.kind == KeyKind::Index) {
        if entry.info.state == KeyState::DecryptOnly {
            entry.info.state = KeyState::Destroyed;
            entry.wrapped = Vec::new();
            dropped = true;
        }
    }
    dropped
}

fn index_keys(entries: &[WrappedKey]) -> impl Iterator<Item = &WrappedKey> {
    entries.iter().filter(|entry| entry.info.kind == KeyKind::Index)
}

fn epochs(entries: &[WrappedKey]) -> impl Iterator<Item = &WrappedKey> {
    entries.iter().filter(|entry| entry.info.kind == KeyKind::Epoch)
}

fn free_slot_after(entries: &[WrappedKey], slot: u8) -> Result<u8> {
    let taken = |slot: u8| entries.iter().any(|entry| entry.info.slot == Some(slot));
    (slot + 1..=*SLOTS.end()).chain(SLOTS).find(|slot| !taken(*slot)).ok_or_else(|| Code::Exhausted.into())
}
