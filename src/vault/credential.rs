//! Credentials: what a caller may present from outside, and for which merchant, subject and scopes it then stands.
//!
//! Two kinds. A **bearer key** is made here, shown once, and kept as its SHA-256 hash. A **signing key** comes from
//! outside, with an id, and is kept itself, for signatures are checked with it. Both are sealed with all that stands in
//! the clear beside them: a row that was pointed at another merchant, or given more scopes, does not open.

use super::damage::unless_damaged;
use super::life::KeyChange;
use super::seal::{KEY_ROOM, Sealer, epoch_of};
use super::store::{AuditRow, CredentialRow, Found, Rows, again};
use super::{ID_MAX, LIST_MAX, Vault, check_fence, check_id, check_kept, check_text};
use crate::error::{Code, Result};
use crate::keys::{Keyring, Revoked};
use crate::secret::{SecretText, reserve};
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// The longest list of scopes, in bytes.
pub const SCOPES_MAX: usize = 256;
/// The longest signing key, in bytes.
pub const SIGNING_KEY_MAX: usize = KEY_ROOM - 2;
/// The length of a bearer key, in bytes.
pub const BEARER_KEY_LEN: usize = PREFIX.len() + 2 * ID_BYTES + 1 + 2 * SECRET_BYTES;

/// By which a bearer key is recognised wherever it turns up.
const PREFIX: &str = "psk_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 24;

/// What is sealed over a credential begins with one of these.
const IS_BEARER: u8 = 1;
const IS_SIGNING: u8 = 2;

/// What a new credential is to stand for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grant<'a> {
    /// Where it may be presented: the name of a dialect, up to 64 bytes.
    pub dialect: &'a str,
    /// Whom it stands for, where that matters: a user, up to 64 bytes, or empty.
    pub subject: &'a str,
    /// What it allows: names with a space between them, up to 256 bytes.
    pub scopes: &'a str,
    /// From when on it is refused, in seconds since 1970 UTC; 0: never.
    pub expires_at: i64,
}

/// A credential, without what is secret of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its id: the beginning of a bearer key, the caller's name for a signing key.
    pub id: Box<str>,
    /// The merchant.
    pub merchant: Box<str>,
    /// Where it may be presented.
    pub dialect: Box<str>,
    /// Whom it stands for, or empty.
    pub subject: Box<str>,
    /// What it allows.
    pub scopes: Box<str>,
    /// Seconds since 1970 UTC.
    pub created_at: i64,
    /// Seconds since 1970 UTC, or 0: never.
    pub expires_at: i64,
    /// Seconds since 1970 UTC, or 0: it was not revoked.
    pub revoked_at: i64,
}

impl Credential {
    fn of(row: &CredentialRow) -> Credential {
        Credential {
            id: row.id.as_str().into(),
            merchant: row.merchant.as_str().into(),
            dialect: row.dialect.as_str().into(),
            subject: row.subject.as_str().into(),
            scopes: row.scopes.as_str().into(),
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }

    /// Whether this scope is among those that it allows.
    pub fn allows(&self, scope: &str) -> bool {
        self.scopes.split(' ').any(|allowed| allowed == scope)
    }

    /// Whether it is past its time at `now`, in seconds since 1970 UTC.
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires_at != 0 && self.expires_at <= now
    }
}

/// A new bearer key, to be handed to the caller: it cannot be had again. `psk_`, then letters and one `_`, so that no
/// scanner takes it for a card number.
pub struct BearerKey(SecretText<BEARER_KEY_LEN>);

impl BearerKey {
    /// The key, in ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The id of its [`Credential`], which is not secret.
    pub fn id(&self) -> &str {
        std::str::from_utf8(&self.0.as_bytes()[..PREFIX.len() + 2 * ID_BYTES]).unwrap_or_default()
    }

    fn draw() -> Result<BearerKey> {
        let mut random = [0; ID_BYTES + SECRET_BYTES];
        getrandom::fill(&mut random).map_err(|_| Code::Internal)?;
        let mut key = SecretText::copy_of(PREFIX.as_bytes()).unwrap_or_default();
        for (place, byte) in random.iter().enumerate() {
            if place == ID_BYTES {
                key.push(b'_');
            }
            key.push(b'a' + (byte >> 4));
            key.push(b'a' + (byte & 15));
        }
        random.zeroize();
        Ok(BearerKey(key))
    }
}

impl Vault {
    /// Makes a bearer key for this handle's merchant.
    ///
    /// `Argument` where dialect, subject or scopes are not of their form, `Card` where the subject holds a card number.
    pub fn grant(&self, grant: &Grant) -> Result<BearerKey> {
        let key = BearerKey::draw()?;
        self.add_credential(grant, key.id(), |room| {
            room.push(IS_BEARER) && room.append(&Sha256::digest(key.as_bytes()))
        })?;
        Ok(key)
    }

    /// Registers a signing key of up to [`SIGNING_KEY_MAX`] bytes for this handle's merchant. `id` is what the caller
    /// presents beside a signature: 1 to 64 bytes.
    ///
    /// `Argument` for an id or key that is not of its form; `Card` for an id or subject that holds a card number, for
    /// both are kept in the clear; `Conflict` where the vault has a credential of that id.
    pub fn grant_signing(&self, grant: &Grant, id: &str, key: &[u8]) -> Result<()> {
        if key.is_empty() || key.len() > SIGNING_KEY_MAX || id.starts_with(PREFIX) {
            return Err(Code::Argument.into());
        }
        self.add_credential(grant, id, |room| room.push(IS_SIGNING) && room.append(key))
    }

    fn add_credential(
        &self,
        grant: &Grant,
        id: &str,
        fill: impl Fn(&mut SecretText<KEY_ROOM>) -> bool,
    ) -> Result<()> {
        check_kept(id)?;
        check_id(grant.dialect)?;
        check_kept(grant.subject)?;
        check_text(grant.scopes, SCOPES_MAX)?;
        if id.is_empty() || grant.dialect.is_empty() {
            return Err(Code::Argument.into());
        }
        self.ask("credential", 1)?;
        self.work(|keyring, now| {
            let mut row = CredentialRow {
                id: id.into(),
                merchant: self.merchant.as_ref().into(),
                dialect: grant.dialect.into(),
                subject: grant.subject.into(),
                scopes: grant.scopes.into(),
                created_at: now,
                expires_at: grant.expires_at,
                revoked_at: 0,
                sealed: Vec::new(),
            };
            let mut secret = SecretText::new();
            if !fill(&mut secret) {
                return Err(Code::Argument.into());
            }
            let sealer = Sealer::new(keyring, &self.merchant);
            sealer.seal_credential(keyring.active_epoch()?, &mut row, &secret)?;
            let mut line = self.line(now, "grant", "")?;
            line.reason = format!("{} {id}", grant.dialect);
            self.write(keyring, &line, &mut |rows| {
                if rows.insert_credential(&row)? { Ok(()) } else { Err(Code::Conflict.into()) }
            })
        })
    }

    /// Has a credential of this handle's merchant refused from now on. Doing so twice is fine. `Token` where there is
    /// none of that id.
    ///
    /// Its id goes into the key table: putting an older row back does not revive it.
    pub fn revoke(&self, id: &str) -> Result<()> {
        check_id(id)?;
        self.ask("credential", 1)?;
        let line = |now| Ok(AuditRow { reason: id.into(), ..self.line(now, "revoke", "")? });
        let at = Cell::new(0);
        let mut prepare = |change: &mut KeyChange<'_>| {
            let row = self.own_credential(id)?;
            at.set(change.now);
            if change.keyring.revoked_at(id).is_some() {
                return Ok(false);
            }
            change.after.revoked.push(Revoked { id: row.id, at: change.now });
            Ok(true)
        };
        self.change_keys_and(line, &mut prepare, &mut |rows| self.mark_revoked(rows, id, at.get()))
    }

    fn own_credential(&self, id: &str) -> Result<CredentialRow> {
        let mut found = None;
        self.shared.store.read(&mut |rows| {
            found = rows.credential(id)?.filter(|row| *row.merchant == *self.merchant);
            Ok(())
        })?;
        found.ok_or_else(|| Code::Token.into())
    }

    /// So that lists tell it without the key table.
    fn mark_revoked(&self, rows: &dyn Rows, id: &str, at: i64) -> Result<()> {
        let Some(mut row) = rows.credential(id)?.filter(|row| row.revoked_at == 0) else { return Ok(()) };
        // The keys with which the row was sealed are those of any keyring of this vault.
        let keyring = self.shared.keyring.load_full();
        let sealer = Sealer::new(&keyring, &self.merchant);
        let opened = sealer.open_credential(&row);
        // A damaged row admits nobody, and cannot be sealed anew.
        let epochs = [epoch_of(&row.sealed).ok()];
        let Some(secret) = unless_damaged(&keyring, &epochs, opened, || Ok(()))? else { return Ok(()) };
        row.revoked_at = at;
        let was = std::mem::take(&mut row.sealed);
        sealer.seal_credential(keyring.active_epoch()?, &mut row, &secret)?;
        if rows.update_credential(&row, &was)? { Ok(()) } else { Err(again()) }
    }

    /// The credentials of this handle's merchant in the order of their ids, those behind `after`, revoked ones too; up
    /// to `limit`, at most 1000. One whose row does not open is not given, but named by [`Vault::check_vault`].
    pub fn credentials(&self, after: &str, limit: usize) -> Result<Vec<Credential>> {
        if limit > LIST_MAX {
            return Err(Code::Limit.into());
        }
        check_id(after)?;
        self.ask("credential", limit)?;
        self.work(|keyring, _| {
            let sealer = Sealer::new(keyring, &self.merchant);
            let mut credentials = reserve::room(limit)?;
            let mut behind = after.as_bytes().to_vec();
            while credentials.len() < limit {
                let left = limit - credentials.len();
                let mut page = Vec::new();
                self.shared.store.read(&mut |rows| {
                    page = rows.credentials(&self.merchant, &behind, left)?;
                    Ok(())
                })?;
                let Some(last) = page.last() else { break };
                behind.clone_from(&last.key);
                let is_last = page.len() < left;
                for Found { row, .. } in page {
                    let opened = sealer.open_credential(&row);
                    if self.unless_damaged(keyring, &row.sealed, opened)?.is_some() {
                        credentials.push(Credential::of(&row_as_it_is(row, keyring)));
                        reserve::check()?;
                    }
                }
                if is_last {
                    break;
                }
            }
            Ok(credentials)
        })
    }

    /// The credential of a bearer key, of whichever merchant, expired and revoked ones too; `None` where the vault made
    /// no such key. Hashes are compared in constant time.
    pub fn credential_of_bearer(&self, key: &[u8]) -> Result<Option<Credential>> {
        let id = key.get(..PREFIX.len() + 2 * ID_BYTES).and_then(|id| std::str::from_utf8(id).ok());
        let Some(id) = id.filter(|id| key.len() == BEARER_KEY_LEN && id.starts_with(PREFIX)) else {
            return Ok(None);
        };
        let fits = |kept: &[u8]| -> bool { kept.ct_eq(&Sha256::digest(key)).into() };
        let found = self.with_credential(id, IS_BEARER, fits)?;
        Ok(found.filter(|(_, fits)| *fits).map(|(credential, _)| credential))
    }

    /// Lends the signing key of an id to `work`, with its credential, of whichever merchant, expired and revoked ones
    /// too; `None` where there is none. Then `work` gets another key, so that the time it takes does not tell.
    pub fn with_signing_key<R>(
        &self,
        id: &str,
        work: impl Fn(&[u8]) -> R,
    ) -> Result<Option<(Credential, R)>> {
        if id.is_empty() || id.len() > ID_MAX {
            return Ok(None);
        }
        self.with_credential(id, IS_SIGNING, work)
    }

    /// A second handle on the same store for the credential's merchant, whose audit trail names the credential.
    pub fn acting_for(&self, credential: &Credential) -> Result<Vault> {
        Ok(Vault { actor: credential.id.as_ref().into(), ..self.merchant(&credential.merchant)? })
    }

    /// An id that the vault does not have takes as much work as a wrong secret: another row is opened in its place.
    fn with_credential<R>(
        &self,
        id: &str,
        kind: u8,
        work: impl Fn(&[u8]) -> R,
    ) -> Result<Option<(Credential, R)>> {
        let stand_in = self.stand_in()?;
        self.work(|keyring, _| {
            let mut found = None;
            self.shared.store.read(&mut |rows| {
                // What is revoked is known as of these keys.
                check_fence(rows, keyring)?;
                found = rows.credential(id)?;
                Ok(())
            })?;
            let row = found.as_ref().unwrap_or(&stand_in);
            let secret = Sealer::new(keyring, &row.merchant).open_credential(row)?;
            let (kept_kind, kept) = secret.as_bytes().split_first().ok_or(Code::Tampered)?;
            let outcome = work(kept);
            let is_known = found.is_some() && *kept_kind == kind;
            let row = row_as_it_is(row.clone(), keyring);
            Ok(is_known.then(|| (Credential::of(&row), outcome)))
        })
    }

    /// A credential that nobody has, sealed under the active epoch; made once for each.
    fn stand_in(&self) -> Result<Arc<CredentialRow>> {
        self.work(|keyring, now| {
            let epoch = keyring.active_epoch()?;
            let made = self.shared.stand_in.load_full();
            if let Some(made) = made.filter(|made| epoch_of(&made.sealed).ok() == Some(epoch)) {
                return Ok(made);
            }
            let mut row = CredentialRow {
                id: "x".repeat(PREFIX.len() + 2 * ID_BYTES),
                merchant: self.merchant.as_ref().into(),
                dialect: "webpay".into(),
                subject: String::new(),
                scopes: String::new(),
                created_at: now,
                expires_at: 0,
                revoked_at: 0,
                sealed: Vec::new(),
            };
            let secret = SecretText::copy_of(&[0; 1 + 32]).ok_or(Code::Internal)?;
            Sealer::new(keyring, &self.merchant).seal_credential(epoch, &mut row, &secret)?;
            let row = Arc::new(row);
            self.shared.stand_in.store(Some(Arc::clone(&row)));
            Ok(row)
        })
    }
}

/// A row that was put back as it was before it was revoked does not say so; the key table does.
fn row_as_it_is(row: CredentialRow, keyring: &Keyring) -> CredentialRow {
    let revoked_at =
        if row.revoked_at == 0 { keyring.revoked_at(&row.id).unwrap_or(0) } else { row.revoked_at };
    CredentialRow { revoked_at, ..row }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Root;
    use crate::vault::OpenOptions;
    use crate::vault::seal::opened;
    use std::cell::Cell;

    #[test]
    fn an_unknown_id_takes_as_much_work_as_a_wrong_secret() {
        let folder = tempfile::tempdir().unwrap();
        let uri = format!("file:{}", folder.path().join("root").display());
        Root::create(&uri).unwrap();
        let vault = Vault::open(&OpenOptions::new("memory:", Root::parse(&uri).unwrap())).unwrap();
        let grant = Grant { dialect: "webpay", ..Grant::default() };
        let key = vault.grant(&grant).unwrap();
        vault.grant_signing(&grant, "known", b"a signing key").unwrap();
        let opened_by = |ask: &dyn Fn()| {
            let before = opened();
            ask();
            opened() - before
        };
        let mut wrong = key.as_bytes().to_vec();
        *wrong.last_mut().unwrap() ^= 1;
        let mut unknown = key.as_bytes().to_vec();
        unknown[PREFIX.len()] ^= 1;
        let bearer = |key: &[u8]| assert!(vault.credential_of_bearer(key).unwrap().is_none());
        assert_eq!(opened_by(&|| bearer(&wrong)), 1);
        assert_eq!(opened_by(&|| bearer(&unknown)), 1);
        let asked = Cell::new(0);
        let count = |_: &[u8]| asked.set(asked.get() + 1);
        assert_eq!(opened_by(&|| assert!(vault.with_signing_key("known", count).unwrap().is_some())), 1);
        assert_eq!(opened_by(&|| assert!(vault.with_signing_key("unknown", count).unwrap().is_none())), 1);
        assert_eq!(asked.get(), 2, "a signature is worked out in either case");
        vault.rotate().unwrap();
        vault.rewrap(&mut |_, _| true).unwrap();
        vault.destroy(1).unwrap();
        bearer(&unknown);
        assert!(vault.credential_of_bearer(key.as_bytes()).unwrap().is_some());
    }
}
