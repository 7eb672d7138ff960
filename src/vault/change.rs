//! What happens to a stored card later: changed, taken out of use, read, removed.

use super::audit::Refusal;
use super::damage::{Damage, DamageKind, epochs_of, prints_of, unless_damaged};
use super::instrument::Instrument;
use super::metadata::{check_metadata, check_note};
use super::read::Opened;
use super::seal::{NAME_MAX, NOTE_MAX, Name, Sealer};
use super::store::{CardRow, Id, InstrumentRow, Listing, Rows, again};
use super::{REASON_MAX, Vault, check_kept, check_text, check_time};
use crate::card::{Expiry, Pan, check_name};
use crate::error::{Code, Error, Param, Result, Violations};
use crate::keys::Keyring;
use crate::scheme::{Token, classify};
use crate::secret::{Random, stack};
use zeroize::Zeroizing;

/// How long an idempotency key is remembered at least, in seconds.
const REMEMBERED: i64 = 24 * 60 * 60;
/// How many rows one transaction of a purge removes: those who wait for it want to write too.
const PURGE_BATCH: usize = 100;
/// How many rows are read at a time.
const PAGE: usize = 1000;

/// What is to become different of an instrument; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change<'a> {
    /// Until when the card is valid.
    pub expiry: Option<Expiry>,
    /// The cardholder's name, up to 111 bytes; empty: none.
    pub name: Option<&'a str>,
    /// The customer, up to 64 bytes; empty: none.
    pub customer: Option<&'a str>,
    /// The metadata, as with [`TokenizeOptions`](super::TokenizeOptions); empty: none.
    pub metadata: Option<&'a str>,
    /// When it is removed, in seconds since 1970 UTC; 0: never.
    pub keep_until: Option<i64>,
    /// The extra bytes, up to 4096.
    pub extra: Option<&'a [u8]>,
}

/// What a purge removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Instruments whose time was over.
    pub instruments: u64,
    /// Cards that had no instrument left.
    pub cards: u64,
    /// Idempotency keys older than a day.
    pub keys: u64,
    /// Instruments whose time was over, and that do not open: they are still there, and [`Vault::delete`] removes them.
    pub damaged: Vec<Damage>,
}

impl Change<'_> {
    /// `Argument`, `Card` and `Limit` for what no instrument can be changed to.
    fn check(&self) -> Result<()> {
        check_kept(self.customer.unwrap_or(""))?;
        check_metadata(self.metadata.unwrap_or(""))?;
        if self.extra.is_some_and(|extra| extra.len() > NOTE_MAX) {
            return Err(Code::Limit.into());
        }
        check_time(self.keep_until.unwrap_or(0))?;
        check_new_name(self.name.unwrap_or(""))
    }

    /// Makes the change, if it can be made.
    pub(super) fn apply(&self, opened: &mut Opened) -> Result<()> {
        self.check()?;
        let (row, contents) = (&mut opened.row, &mut opened.contents);
        if let Some(expiry) = self.expiry {
            row.expiry = i32::from(expiry.year()) * 100 + i32::from(expiry.month());
        }
        if let Some(given) = self.name {
            contents.name = Name::copy_of(given.as_bytes()).ok_or(Code::Argument)?;
        }
        if let Some(customer) = self.customer {
            row.customer = customer.into();
        }
        if let Some(metadata) = self.metadata {
            contents.metadata = Zeroizing::new(metadata.into());
        }
        if let Some(keep_until) = self.keep_until {
            row.keep_until = keep_until;
        }
        if let Some(extra) = self.extra {
            contents.extra = Zeroizing::new(extra.into());
        }
        Ok(())
    }
}

impl Vault {
    /// The card number of a token. Actor and reason are in the audit trail, on disk, before it is given out.
    ///
    /// `actor` empty: the handle's. `room` is how many digits the caller can take: `Buffer` where the number has more,
    /// and the line is there all the same, for that tells something of the number. `Irreversible` on a handle that never
    /// detokenizes; `Argument` where `reason` is empty or too long, or where the vault requires an actor and none is
    /// named; `Card` where it or `actor` holds a card number, `Token`, `Inactive` where the token was
    /// deactivated.
    pub fn detokenize(&self, token: &[u8], actor: &str, reason: &str, room: usize) -> Result<Pan> {
        check_kept(actor)?;
        check_text(reason, REASON_MAX)?;
        check_note(reason)?;
        let actor = if actor.is_empty() { &*self.actor } else { actor };
        if self.no_reveal {
            self.refused(actor, Refusal::NoReveal, token)?;
            return Err(Code::Irreversible.into());
        }
        if reason.is_empty() {
            return Err(Code::Argument.into());
        }
        if let Err(refused) = self.ask_for(actor, "detokenize", 1) {
            self.refused(actor, Refusal::Guard, token)?;
            return Err(refused);
        }
        let pan = Token::parse(token).and_then(|token| self.detokenize_known(&token, actor, reason, room));
        match pan.as_ref().map_err(Error::code) {
            Err(Code::Token) => self.refused(actor, Refusal::Unknown, token)?,
            Err(Code::Inactive) => self.refused(actor, Refusal::Inactive, token)?,
            _ => {}
        }
        pan
    }

    fn detokenize_known(&self, token: &Token, actor: &str, reason: &str, room: usize) -> Result<Pan> {
        self.work(|keyring, now| {
            let mut line = self.line(now, "detokenize", token.as_str())?;
            (line.actor, line.reason) = (actor.into(), reason.into());
            let sealer = Sealer::new(keyring, &self.merchant);
            let mut found = None;
            self.write(keyring, &line, &mut |rows| {
                // Here, behind the fence, the settings are those of this moment.
                if actor.is_empty() && keyring.settings().require_actor {
                    return Err(Code::Argument.into());
                }
                let (row, card) = rows.instrument(&self.merchant, token)?.ok_or(Code::Token)?;
                if !row.active {
                    // Only where that was not edited in.
                    sealer.verify_instrument(&row)?;
                    sealer.open_card(&card)?;
                    return Err(Code::Inactive.into());
                }
                // What would have the verb run again is found out before there is a line.
                sealer.check_keys(&row.sealed)?;
                sealer.check_keys(&card.sealed)?;
                found = Some((row, card));
                Ok(())
            })?;
            // Not before: while the commit is waited for, the number is nowhere in memory.
            let (row, card) = found.ok_or(Code::Internal)?;
            sealer.verify_instrument(&row)?;
            let pan = sealer.open_card(&card)?;
            if pan.len() > room { Err(Code::Buffer.into()) } else { Ok(pan) }
        })
    }

    /// Changes an instrument and gives it as it is then.
    ///
    /// `Token`; `Argument` for a customer or time that is not of its form; `Card` for a name, customer or metadata
    /// that is refused; `Limit` for too long an extra.
    pub fn update(&self, token: &[u8], change: &Change) -> Result<Instrument> {
        change.check()?;
        self.alter(token, "update", |opened| change.apply(opened).map(|()| true))
    }

    /// Takes a token out of use: it can still be looked up, and no longer be detokenized or reused. Doing so twice is
    /// fine.
    pub fn deactivate(&self, token: &[u8]) -> Result<Instrument> {
        self.alter(token, "deactivate", |opened| Ok(std::mem::replace(&mut opened.row.active, false)))
    }

    /// Puts a deactivated token into use again. Doing so twice is fine.
    pub fn reactivate(&self, token: &[u8]) -> Result<Instrument> {
        self.alter(token, "reactivate", |opened| Ok(!std::mem::replace(&mut opened.row.active, true)))
    }

    /// Removes a token for ever, and its card with its last one. A surrogate leaves a tombstone: it is not issued
    /// again. A damaged one is removed too, also one that is listed by a name because its token cannot be read.
    pub fn delete(&self, token: &[u8]) -> Result<()> {
        let token = Token::parse_or_name(token)?;
        self.ask("delete", 1)?;
        self.work(|keyring, now| {
            let mut line =
                self.line(now, "delete", if token.is_unreadable() { "" } else { token.as_str() })?;
            if token.is_unreadable() {
                line.reason = token.as_str().into();
            }
            self.write(keyring, &line, &mut |rows| {
                wiped(|| {
                    let found = rows.instrument(&self.merchant, &token)?.ok_or(Code::Token)?;
                    let card = found.0.card;
                    let pan = self.pan_if_whole(keyring, found)?;
                    self.remove(rows, keyring, &token, &card, pan.as_ref()).map(drop)
                })
            })
        })
    }

    /// Removes the merchant's instruments whose `keep_until` has passed, their cards, and idempotency keys older than a
    /// day. In small transactions: others go on meanwhile, and who stops it has lost nothing. A damaged instrument is
    /// left and named: nobody can say whether its time is really over.
    pub fn purge_expired(&self) -> Result<Purged> {
        self.ask("purge", 0)?;
        let mut purged = Purged::default();
        let mut after = String::new();
        loop {
            let (expired, last) = self.expired(&after)?;
            for some in expired.chunks(PURGE_BATCH) {
                self.purge(some, &mut purged)?;
            }
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
        loop {
            let forgotten = self.forget_keys()?;
            purged.keys += forgotten as u64;
            if forgotten < PAGE {
                return Ok(purged);
            }
        }
    }

    /// The expired ones of a page, and where the next page begins.
    fn expired(&self, after: &str) -> Result<(Vec<Token>, Option<String>)> {
        self.work(|_, now| {
            let query = Listing { after: Some(after), limit: PAGE, ..Listing::default() };
            let mut page = Vec::new();
            self.shared.store.read(&mut |rows| {
                page = rows.list(&self.merchant, &query)?;
                Ok(())
            })?;
            let next = page.last().filter(|_| page.len() == PAGE).map(|(row, _)| row.token.as_str().into());
            let is_over = |keep_until: i64| keep_until != 0 && keep_until <= now;
            let expired = page.iter().filter(|(row, _)| is_over(row.keep_until));
            Ok((expired.map(|(row, _)| row.token).collect(), next))
        })
    }

    fn purge(&self, tokens: &[Token], purged: &mut Purged) -> Result<()> {
        let (instruments, cards, damaged) = self.work(|keyring, now| {
            let line = self.line(now, "purge", "")?;
            let mut removed = (0, 0, Vec::new());
            self.write(keyring, &line, &mut |rows| {
                removed = (0, 0, Vec::new());
                for token in tokens {
                    let Some(found) = rows.instrument(&self.merchant, token)? else { continue };
                    wiped(|| -> Result<()> {
                        let (card, keep_until) = (found.0.card, found.0.keep_until);
                        if keep_until == 0 || keep_until > now {
                            return Ok(());
                        }
                        let Some(pan) = self.pan_if_whole(keyring, found)? else {
                            let damage = Damage::new(DamageKind::Instrument, &self.merchant, token.as_str());
                            removed.2.push(damage);
                            return Ok(());
                        };
                        removed.0 += 1;
                        removed.1 += u64::from(self.remove(rows, keyring, token, &card, Some(&pan))?);
                        Ok(())
                    })?;
                }
                Ok(())
            })?;
            Ok(removed)
        })?;
        purged.instruments += instruments;
        purged.cards += cards;
        purged.damaged.extend(damaged);
        Ok(())
    }

    fn forget_keys(&self) -> Result<usize> {
        self.work(|_, now| {
            let mut forgotten = 0;
            self.write_again(&mut |rows| {
                forgotten = rows.forget_keys(now - REMEMBERED, PAGE)?;
                Ok(())
            })?;
            Ok(forgotten)
        })
    }

    /// The number of an instrument that was read in a transaction, if its rows open.
    fn pan_if_whole(&self, keyring: &Keyring, rows: (InstrumentRow, CardRow)) -> Result<Option<Pan>> {
        let epochs = epochs_of(&rows);
        let opened = Opened::new(keyring, &self.merchant, rows).map(|opened| opened.pan);
        // The fence was compared with these keys before.
        unless_damaged(keyring, &epochs, opened, || Ok(()))
    }

    /// Removes an instrument; says whether its card went with it. Without a number, where it is damaged.
    fn remove(
        &self,
        rows: &dyn Rows,
        keyring: &Keyring,
        token: &Token,
        card: &Id,
        pan: Option<&Pan>,
    ) -> Result<bool> {
        let is_gone = rows.lock_cards(&self.merchant, &[*card])?.contains(&false);
        if is_gone && pan.is_some() {
            return Err(again());
        }
        let is_surrogate = classify(token.as_str().as_bytes()).numeric_token.is_some();
        rows.delete_instrument(&self.merchant, token, is_surrogate)?;
        if is_gone || !rows.instruments_of(&self.merchant, card)?.is_empty() {
            return Ok(false);
        }
        match pan {
            Some(pan) => rows.delete_card(&self.merchant, card, &prints_of(keyring, &self.merchant, pan)?)?,
            None => {
                rows.delete_prints_of(&self.merchant, card)?;
                rows.delete_card(&self.merchant, card, &[])?;
            }
        }
        Ok(true)
    }

    /// Changes an instrument in a transaction of its own; `alter` says whether there is anything to write.
    pub(super) fn alter(
        &self,
        token: &[u8],
        action: &str,
        mut alter: impl FnMut(&mut Opened) -> Result<bool>,
    ) -> Result<Instrument> {
        let token = Token::parse(token)?;
        self.ask(action, 1)?;
        self.work(|keyring, now| {
            let line = self.line(now, action, token.as_str())?;
            let mut altered = None;
            self.write(keyring, &line, &mut |rows| {
                wiped(|| {
                    let mut opened = self.open_one(rows, keyring, &token)?;
                    if alter(&mut opened)? {
                        self.put(rows, keyring, &mut opened)?;
                    }
                    altered = Some(opened.instrument()?);
                    Ok(())
                })
            })?;
            altered.take().ok_or_else(|| Code::Internal.into())
        })
    }

    /// Seals an instrument that was changed, and puts it in the place of what it was opened from.
    pub(super) fn put(&self, rows: &dyn Rows, keyring: &Keyring, opened: &mut Opened) -> Result<()> {
        let was = std::mem::take(&mut opened.row.sealed);
        Sealer::new(keyring, &self.merchant).seal_instrument(
            keyring.active_epoch()?,
            &mut opened.row,
            opened.contents.shown(),
            &mut Random::new(),
        )?;
        if rows.update_instrument(&self.merchant, &opened.row, &was)? { Ok(()) } else { Err(again()) }
    }

    pub(super) fn open_one(&self, rows: &dyn Rows, keyring: &Keyring, token: &Token) -> Result<Opened> {
        let found = rows.instrument(&self.merchant, token)?.ok_or(Code::Token)?;
        Opened::new(keyring, &self.merchant, found)
    }
}

/// Work on an opened row, in a transaction that then waits for its commit.
pub(super) fn wiped<R>(work: impl FnOnce() -> R) -> R {
    stack::wipe_after::<{ stack::DEPTH }, _>(work)
}

/// By the rules of a card's name: none is a card number.
fn check_new_name(name: &str) -> Result<()> {
    let judged = match name.as_bytes() {
        [] => Ok(""),
        long if long.len() > NAME_MAX => Err(Code::TooLong),
        text => check_name(text, NAME_MAX),
    };
    judged.map(|_| ()).map_err(|code| {
        let mut violations = Violations::default();
        violations.add(Param::Name, code);
        Error::from(violations)
    })
}
