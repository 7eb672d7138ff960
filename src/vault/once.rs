//! What may be done once: taking a token into possession, using a signature. And changes that depend on what is there.

use super::change::Change;
use super::change::wiped;
use super::instrument::{Details, Face, Instrument};
use super::read::Opened;
use super::seal::{NOTE_MAX, Sealer};
use super::store::{ID_LEN, Rows, again, new_id};
use super::{Vault, check_kept};
use crate::error::{Code, Result};
use crate::keys::Keyring;
use crate::scheme::Token;
use crate::secret::Random;

/// Before the names that the vault itself keeps beside the idempotency keys: those have no control character.
const RESERVED: char = '\u{1}';
/// The most instruments of an owner.
const OWNED_MAX: usize = 1000;

/// What became of a [`Vault::claim`].
pub enum Claimed {
    /// The token is its owner's now.
    Fresh(Instrument),
    /// The owner has this instrument of the same card and expiry already, maybe this very one.
    Known(Instrument, Details),
}

impl Vault {
    /// Notes that something was seen, for 24 hours at least; says whether it was the first time. Of callers at the same
    /// time one is told so. `name` has up to 64 bytes. `Argument` for one that is not of its form, `Card` for one that
    /// holds a card number.
    pub fn is_first(&self, name: &str) -> Result<bool> {
        check_kept(name)?;
        // By this the name is known again, should its note be on disk and the answer lost.
        let id = new_id(&mut Random::new())?;
        let mut mark = [0; 2 * ID_LEN];
        let mark = base16ct::lower::encode_str(&id, &mut mark).map_err(|_| Code::Internal)?;
        self.work(|_, now| {
            let mut first = false;
            self.write_again(&mut |rows| {
                first = rows.remember(&self.merchant, &format!("{RESERVED}{name}"), mark, now)?;
                Ok(())
            })?;
            Ok(first)
        })
    }

    /// Gives a token to its first owner, who becomes its customer, under an id of the owner's or the caller's choice.
    ///
    /// `id_in` reads the id of an earlier claim out of an instrument's extra bytes, and `mark` writes one in: both are
    /// the caller's, so several kinds of claim can stand side by side. An active instrument of the same owner, card and
    /// expiry that has such an id is given back instead.
    ///
    /// `Token` for a token that is unknown or has another customer: deliberately one answer. `Inactive`; `Card` where
    /// `owner` or `id` holds a card number; `Conflict` where another claim has the id; `Limit` where the extra grows
    /// longer than 4096 bytes.
    pub fn claim(
        &self,
        token: &[u8],
        owner: &str,
        id: &str,
        id_in: &dyn Fn(&[u8]) -> Option<String>,
        mark: &dyn Fn(&[u8]) -> Result<Vec<u8>>,
    ) -> Result<Claimed> {
        check_kept(owner)?;
        check_kept(id)?;
        if owner.is_empty() || id.is_empty() {
            return Err(Code::Argument.into());
        }
        let token = Token::parse(token)?;
        self.ask("claim", 1)?;
        self.work(|keyring, now| {
            let mut claimed = None;
            self.write(keyring, &self.line(now, "claim", token.as_str())?, &mut |rows| {
                wiped(|| {
                    let mut opened = self.open_one(rows, keyring, &token)?;
                    if !opened.row.customer.is_empty() && opened.row.customer != owner {
                        return Err(Code::Token.into());
                    }
                    if !opened.row.active {
                        return Err(Code::Inactive.into());
                    }
                    if rows.lock_cards(&self.merchant, &[opened.card.id])?.contains(&false) {
                        return Err(again());
                    }
                    if let Some((known, details)) =
                        self.claimed_before(rows, keyring, &opened, owner, id_in)?
                    {
                        claimed = Some(Claimed::Known(known, details));
                        return Ok(());
                    }
                    self.check_free(rows, keyring, (owner, id), id_in)?;
                    if !rows.remember(
                        &self.merchant,
                        &format!("{RESERVED}claim/{id}"),
                        token.as_str(),
                        now,
                    )? {
                        return Err(Code::Conflict.into());
                    }
                    opened.row.customer = owner.into();
                    opened.contents.extra = checked_extra(mark(&opened.contents.extra)?)?.into();
                    self.put(rows, keyring, &mut opened)?;
                    claimed = Some(Claimed::Fresh(opened.instrument()?));
                    Ok(())
                })
            })?;
            claimed.take().ok_or_else(|| Code::Internal.into())
        })
    }

    /// Changes an instrument by what it is: [`Vault::update`] in the same transaction as the look at it. `change` may
    /// be asked more than once. `Token`, and what [`Vault::update`] gives.
    pub fn amend<'c>(
        &self,
        token: &[u8],
        mut change: impl FnMut(&Instrument, &Details) -> Result<Amendment<'c>>,
    ) -> Result<Instrument> {
        self.alter(token, "update", |opened| {
            let shown = opened.instrument()?;
            let details = Details::of(std::mem::take(&mut opened.contents));
            let amended = change(&shown, &details);
            opened.contents = details.into_contents();
            let Amendment { change, active, extra } = amended?;
            change.apply(opened)?;
            if let Some(extra) = extra {
                opened.contents.extra = checked_extra(extra)?.into();
            }
            opened.row.active = active.unwrap_or(opened.row.active);
            Ok(true)
        })
    }

    /// The owner's active instrument of the same card and expiry that has an id.
    fn claimed_before(
        &self,
        rows: &dyn Rows,
        keyring: &Keyring,
        opened: &Opened,
        owner: &str,
        id_in: &dyn Fn(&[u8]) -> Option<String>,
    ) -> Result<Option<(Instrument, Details)>> {
        let sealer = Sealer::new(keyring, &self.merchant);
        for row in rows.instruments_of(&self.merchant, &opened.card.id)? {
            let contents = sealer.open_instrument(&row)?;
            let same = row.customer == owner && row.active && row.expiry == opened.row.expiry;
            if same && id_in(&contents.extra).is_some() {
                let instrument = Instrument::of(&row, &opened.card, Face::of(&opened.pan))?;
                return Ok(Some((instrument, Details::of(contents))));
            }
        }
        Ok(None)
    }

    /// `Conflict` where an instrument of the owner has the id.
    fn check_free(
        &self,
        rows: &dyn Rows,
        keyring: &Keyring,
        (owner, id): (&str, &str),
        id_in: &dyn Fn(&[u8]) -> Option<String>,
    ) -> Result<()> {
        let query = super::store::Listing { customer: Some(owner), limit: OWNED_MAX, ..Default::default() };
        let sealer = Sealer::new(keyring, &self.merchant);
        for (row, _) in rows.list(&self.merchant, &query)? {
            if id_in(&sealer.open_instrument(&row)?.extra).is_some_and(|taken| taken == id) {
                return Err(Code::Conflict.into());
            }
        }
        Ok(())
    }
}

/// What is to become different of an instrument, and may depend on what it was.
#[derive(Default)]
pub struct Amendment<'c> {
    /// As with [`Vault::update`].
    pub change: Change<'c>,
    /// Whether the token may be used.
    pub active: Option<bool>,
    /// The extra bytes, up to 4096, in the place of those of `change`.
    pub extra: Option<Vec<u8>>,
}

fn checked_extra(extra: Vec<u8>) -> Result<Box<[u8]>> {
    if extra.len() > NOTE_MAX { Err(Code::Limit.into()) } else { Ok(extra.into()) }
}
