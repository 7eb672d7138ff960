//! Who asks: a caller with a bearer key, or one whom the host has authenticated.

use super::Call;
use super::http::Header;
use crate::error::Result;
use crate::vault::{Credential, Refusal, Vault};

/// A caller who may come in, and the vault's handle for their merchant.
pub struct Caller {
    pub vault: Vault,
    pub subject: String,
    /// `None`: every scope.
    credential: Option<Credential>,
}

impl Caller {
    pub fn allows(&self, scope: &str) -> bool {
        self.credential.as_ref().is_none_or(|credential| credential.allows(scope))
    }

    /// One with this credential.
    pub fn with(call: &Call<'_>, credential: Credential) -> Result<Caller> {
        let subject = String::from(&*credential.subject);
        Ok(Caller { vault: call.vault.acting_for(&credential)?, subject, credential: Some(credential) })
    }

    /// One whom the host vouches for; `None` where it does not.
    pub fn trusted(call: &Call<'_>) -> Result<Option<Caller>> {
        let Some(trusted) = call.request.trusted else { return Ok(None) };
        let vault = call.vault.merchant(call.vault.merchant_name())?;
        Ok(Some(Caller { vault, subject: trusted.subject.to_owned(), credential: None }))
    }
}

/// Why a caller may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No key was presented.
    Absent,
    /// What was presented is no key of this vault.
    Invalid,
    /// The key is past its time.
    Expired,
    /// The key was revoked, or made for another dialect.
    NotAuthorized,
}

/// The caller of a request with `Authorization: Bearer KEY` (RFC 6750).
pub fn bearer(call: &Call<'_>) -> Result<Result<Caller, Denied>> {
    if let Some(caller) = Caller::trusted(call)? {
        return Ok(Ok(caller));
    }
    let key = match call.head.one("Authorization") {
        Header::Absent => return Ok(Err(Denied::Absent)),
        Header::Odd => return Ok(Err(Denied::Invalid)),
        Header::One(value) => match value.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim_start(),
            _ if value.eq_ignore_ascii_case("bearer") || value.is_empty() => return Ok(Err(Denied::Absent)),
            _ => return Ok(Err(Denied::Invalid)),
        },
    };
    let Some(credential) = call.vault.credential_of_bearer(key.as_bytes())? else {
        call.vault.refused("", Refusal::Credential, key.as_bytes())?;
        return Ok(Err(Denied::Invalid));
    };
    match check(call, &credential) {
        Some(denied) => {
            call.vault.refused(&credential.id, Refusal::Credential, key.as_bytes())?;
            Ok(Err(denied))
        }
        None => Caller::with(call, credential).map(Ok),
    }
}

/// Why a genuine credential is refused all the same.
pub fn check(call: &Call<'_>, credential: &Credential) -> Option<Denied> {
    if &*credential.dialect != call.dialect || credential.revoked_at != 0 {
        return Some(Denied::NotAuthorized);
    }
    credential.is_expired(call.now).then_some(Denied::Expired)
}
