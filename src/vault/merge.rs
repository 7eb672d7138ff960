//! Two rows of one card made one again.
//!
//! A card that has lost its fingerprints was stored once more when its number came again. An index run finds both: the
//! fingerprint of the one leads to the other.

use super::Vault;
use super::audit::{chained, check_chain};
use super::change::wiped;
use super::check_fence;
use super::damage::{Damage, DamageKind, unless_damaged};
use super::life::BATCH;
use super::seal::{Sealer, epoch_of};
use super::store::{AuditRow, CardRow, Fingerprint, Fresh, Id, InstrumentRow, Print, Rows, again};
use crate::error::Result;
use crate::keys::Keyring;
use crate::secret::Random;

/// A card whose fingerprint was there already when it was to get it.
#[derive(Clone)]
pub(super) struct Clash {
    pub merchant: String,
    pub card: Id,
    /// The fingerprint that it was to get.
    pub print: Print,
    /// All fingerprints that its number has under index keys in force.
    pub all: Vec<Fingerprint>,
}

/// What a transaction has done about a [`Clash`].
#[derive(Default)]
struct Step {
    lines: Vec<AuditRow>,
    damaged: Vec<Damage>,
    is_last: bool,
}

impl Vault {
    /// Has the fingerprint lead to the card, or, where it leads to another row of the same number, gives all tokens of the
    /// card to that one and removes it. A token that does not open stays where it is, its card with it, and is named.
    ///
    /// In transactions of so many tokens each: stopped or killed, the next index run goes on.
    pub(super) fn settle_clash(&self, clash: &Clash) -> Result<Vec<Damage>> {
        let vault = self.merchant(&clash.merchant)?;
        loop {
            let step = vault.work(|keyring, now| vault.settle_some(keyring, now, clash))?;
            if step.is_last {
                return Ok(step.damaged);
            }
        }
    }

    fn settle_some(&self, keyring: &Keyring, now: i64, clash: &Clash) -> Result<Step> {
        let mut step = Step::default();
        let mut work = |rows: &dyn Rows| {
            check_fence(rows, keyring)?;
            check_chain(rows, &self.merchant)?;
            step = wiped(|| self.settle_step(rows, keyring, clash))?;
            // By its line a commit is known: there is one, whatever was done.
            if step.lines.is_empty() {
                step.lines.push(self.line(now, "change_index", "")?);
            }
            let says = step.lines.iter().map(|line| AuditRow { at: now, ..line.clone() });
            let lines = chained(rows, keyring, &self.merchant, says)?;
            rows.insert(&self.merchant, &Fresh { lines: &lines, ..Fresh::default() })
        };
        self.commit(keyring, BATCH as u32, &mut |held| self.shared.store.write_held(held, &mut work))?;
        Ok(step)
    }

    fn settle_step(&self, rows: &dyn Rows, keyring: &Keyring, clash: &Clash) -> Result<Step> {
        let merchant = &self.merchant;
        let last = Step { is_last: true, ..Step::default() };
        let Clash { card, print, .. } = clash;
        let found = rows.known_cards(merchant, &[print.print])?.pop().flatten();
        let Some(first) = found.filter(|found| found.id != *card && !found.is_gone()) else {
            if rows.lock_cards(merchant, &[*card])? == [true] && !rows.add_print(merchant, print, card)? {
                rows.point_print(merchant, &print.print, card)?;
            }
            return Ok(last);
        };
        let mut both = [first.id, *card];
        both.sort_unstable();
        let there = rows.lock_cards(merchant, &both)?;
        if there.contains(&false) {
            // Where it is the card itself that is gone, nothing is left to do when it is looked for again.
            let is_gone = rows.lock_cards(merchant, &[*card])? == [false];
            return if is_gone { Ok(last) } else { Err(again()) };
        }
        if !self.is_same_card(keyring, &first, print)? {
            rows.point_print(merchant, &print.print, card)?;
            return Ok(last);
        }
        self.move_tokens(rows, keyring, clash, &first.id)
    }

    /// Whether a card has the number of a fingerprint. One that does not open has none.
    fn is_same_card(&self, keyring: &Keyring, card: &CardRow, print: &Print) -> Result<bool> {
        let same = Sealer::new(keyring, &self.merchant).is_card(card, print);
        // The fence was compared with these keys before.
        Ok(unless_damaged(keyring, &[epoch_of(&card.sealed).ok()], same, || Ok(()))?.unwrap_or(false))
    }

    fn move_tokens(&self, rows: &dyn Rows, keyring: &Keyring, clash: &Clash, to: &Id) -> Result<Step> {
        let merchant = &self.merchant;
        let mut step = Step::default();
        let of_card = rows.instruments_of(merchant, &clash.card)?;
        for row in &of_card {
            if step.lines.len() == BATCH {
                return Ok(step);
            }
            if self.move_token(rows, keyring, row, to)? {
                step.lines.push(self.line(0, "change_index", row.token.as_str())?);
            } else {
                step.damaged.push(Damage::new(DamageKind::Instrument, merchant, row.token.as_str()));
            }
        }
        step.is_last = true;
        if step.damaged.is_empty() {
            let mut prints = Vec::new();
            for (print, leads_to) in clash.all.iter().zip(rows.known_cards(merchant, &clash.all)?) {
                prints.extend(leads_to.filter(|leads_to| leads_to.id == clash.card).map(|_| *print));
            }
            rows.delete_card(merchant, &clash.card, &prints)?;
        }
        Ok(step)
    }

    /// Seals a token for another card; says whether it opens.
    fn move_token(&self, rows: &dyn Rows, keyring: &Keyring, row: &InstrumentRow, to: &Id) -> Result<bool> {
        let sealer = Sealer::new(keyring, &self.merchant);
        let opened = sealer.open_instrument(row);
        let epochs = [epoch_of(&row.sealed).ok()];
        let Some(contents) = unless_damaged(keyring, &epochs, opened, || Ok(()))? else { return Ok(false) };
        let mut moved = InstrumentRow { card: *to, ..row.clone() };
        let (epoch, random) = (keyring.active_epoch()?, &mut Random::new());
        sealer.seal_instrument(epoch, &mut moved, contents.shown(), random)?;
        if rows.move_instrument(&self.merchant, &moved, &row.sealed)? { Ok(true) } else { Err(again()) }
    }
}
