//! Fingerprints under a new index key for the cards that are there, a page at a time, and those of old keys removed.

use super::Vault;
use super::damage::{Damage, DamageKind};
use super::life::BATCH;
use super::rewrap::Position;
use super::seal::Sealer;
use super::store::{CardRow, Found, Id, Print, Rows};
use crate::error::Result;
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
            let (mut prints, mut damaged) = (Vec::new(), Vec::new());
            stack::wipe_after::<{ stack::CIPHER }, _>(|| -> Result<()> {
                for Found { merchant, key, row: card } in &cards {
                    let opened = Sealer::new(keyring, merchant).open_card(card);
                    let Some(pan) = self.unless_damaged(keyring, &card.sealed, opened)? else {
                        damaged.push(Damage::of_card(DamageKind::Card, merchant, key));
                        continue;
                    };
                    let print = keyring.fingerprint_under(generation, merchant, &pan)?;
                    prints.push((merchant.as_str(), card.id, Print { generation, print }));
                }
                Ok(())
            })?;
            if !prints.is_empty() {
                self.write_again(&mut |rows| {
                    super::check_fence(rows, keyring)?;
                    add_prints(rows, &prints)
                })?;
            }
            let last = cards.last().filter(|_| cards.len() == BATCH).map(Position::of::<CardRow>);
            Ok(Some(IndexPage { seen: cards.len() as u64, last, damaged }))
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

/// Adds the fingerprints of cards, which stand merchant by merchant. One that is gone by now must not get a fingerprint
/// that leads nowhere.
fn add_prints(rows: &dyn Rows, prints: &[(&str, Id, Print)]) -> Result<()> {
    for of_one in prints.chunk_by(|(one, ..), (other, ..)| one == other) {
        let Some((merchant, ..)) = of_one.first() else { continue };
        let ids: Vec<Id> = of_one.iter().map(|(_, id, _)| *id).collect();
        for ((_, id, print), there) in of_one.iter().zip(rows.lock_cards(merchant, &ids)?) {
            if there {
                rows.add_print(merchant, print, id)?;
            }
        }
    }
    Ok(())
}
