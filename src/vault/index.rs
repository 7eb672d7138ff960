//! Fingerprints under a new index key for the cards that are there, a page at a time, and those of old keys removed.

use super::Vault;
use super::damage::{Damage, DamageKind, prints_of};
use super::life::BATCH;
use super::merge::Clash;
use super::rewrap::Position;
use super::seal::Sealer;
use super::store::{CardRow, Found, Id, Print, Rows};
use crate::error::{Code, Result};
use crate::keys::{KeyKind, Keyring};
use crate::secret::stack;
use std::sync::Arc;

/// What became of a page of cards.
pub(super) struct IndexPage {
    /// How many there were.
    pub seen: u64,
    /// Behind which the next page begins.
    pub last: Option<Position>,
    /// Those that do not open.
    pub damaged: Vec<Damage>,
    /// Those whose fingerprint leads to another card.
    pub clashes: Vec<Clash>,
}

impl Vault {
    /// Gives the cards of a page a fingerprint under an index key; `None` where that is no longer the newest.
    pub(super) fn index_page(&self, generation: u32, after: Option<&Position>) -> Result<Option<IndexPage>> {
        self.work(|keyring, _| {
            if keyring.index_generations().next() != Some(generation) {
                return Ok(None);
            }
            let mut cards = Vec::new();
            self.shared.store.read(&mut |rows| {
                cards = rows.all_cards(after.map(Position::as_key), BATCH)?;
                Ok(())
            })?;
            let (mut wanted, mut damaged) = (Vec::new(), Vec::new());
            stack::wipe_after::<{ stack::CIPHER }, _>(|| -> Result<()> {
                for Found { merchant, key, row: card } in &cards {
                    let opened = Sealer::new(keyring, merchant).open_card(card);
                    let Some(pan) = self.unless_damaged(keyring, &card.sealed, opened)? else {
                        damaged.push(Damage::of_card(DamageKind::Card, merchant, key));
                        continue;
                    };
                    let all = prints_of(keyring, merchant, &pan)?;
                    let newest = *all.first().ok_or(Code::Internal)?;
                    let print = Print { generation, print: newest };
                    wanted.push(Clash { merchant: merchant.clone(), card: card.id, print, all });
                }
                Ok(())
            })?;
            let mut clashes = Vec::new();
            if !wanted.is_empty() {
                self.write_again(&mut |rows| {
                    super::check_fence(rows, keyring)?;
                    clashes = add_prints(rows, &wanted)?;
                    Ok(())
                })?;
            }
            let last = cards.last().filter(|_| cards.len() == BATCH).map(Position::of::<CardRow>);
            Ok(Some(IndexPage { seen: cards.len() as u64, last, damaged, clashes }))
        })
    }

    /// Removes the fingerprints of index keys that are gone.
    pub(super) fn drop_old_prints(&self) -> Result<()> {
        let keyring: Arc<Keyring> = self.shared.keyring.load_full();
        let gone = keyring.infos().filter(|key| key.kind == KeyKind::Index && !key.is_live());
        for key in gone {
            loop {
                let removed = self.work(|_, _| {
                    let mut removed = 0;
                    self.write_again(&mut |rows| {
                        removed = rows.delete_prints(key.id, BATCH)?;
                        Ok(())
                    })?;
                    Ok(removed)
                })?;
                if removed < BATCH {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Adds the fingerprints of cards, which stand merchant by merchant; gives those whose fingerprint leads to another card.
/// One that is gone by now must not get a fingerprint that leads nowhere.
fn add_prints(rows: &dyn Rows, wanted: &[Clash]) -> Result<Vec<Clash>> {
    let mut clashes = Vec::new();
    for of_one in wanted.chunk_by(|one, other| one.merchant == other.merchant) {
        let Some(Clash { merchant, .. }) = of_one.first() else { continue };
        let ids: Vec<Id> = of_one.iter().map(|wanted| wanted.card).collect();
        for (wanted, there) in of_one.iter().zip(rows.lock_cards(merchant, &ids)?) {
            if !there || rows.add_print(merchant, &wanted.print, &wanted.card)? {
                continue;
            }
            let known = rows.known_cards(merchant, &[wanted.print.print])?.pop().flatten();
            if known.is_none_or(|known| known.id != wanted.card) {
                clashes.push(wanted.clone());
            }
        }
    }
    Ok(clashes)
}
