//! Reading: what may be shown of one token, of a card's tokens, of a customer's.

use super::instrument::{Details, Face, Instrument};
use super::seal::{Contents, Sealer};
use super::store::{CardRow, Fingerprint, InstrumentRow, Listing, Rows};
use super::{Vault, check_id};
use crate::card::Pan;
use crate::error::{Code, Result};
use crate::keys::Keyring;
use crate::scheme::Token;
use crate::secret::reserve;

/// The most instruments of one [`Vault::list`], customers of one [`Vault::customers`], credentials of one
/// [`Vault::credentials`], lines of one [`Vault::audit`].
pub const LIST_MAX: usize = 1000;
/// The most that a listing passes over: who wants to go further goes on behind a token.
const OFFSET_MAX: usize = 10_000;

/// Which instruments are wanted, and which part of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListQuery<'a> {
    /// Those of this customer; `None`: of all.
    pub customer: Option<&'a str>,
    /// Those that are active, or those that are not; `None`: both.
    pub active: Option<bool>,
    /// Those behind this token, in the order of tokens; `None`: from the first.
    pub after: Option<&'a str>,
    /// So many are passed over: up to 10,000.
    pub offset: usize,
    /// At most so many: 1 to 1000; 0 is 100.
    pub limit: usize,
}

impl Vault {
    /// What may be shown of a token's card. `Token` for a token that is unknown, malformed, or another merchant's:
    /// deliberately one answer.
    pub fn lookup(&self, token: &[u8]) -> Result<Instrument> {
        self.ask("lookup", 1)?;
        self.one(token, |found| found.instrument())
    }

    /// What else is known of a token: name, metadata, extra. `Token`, as with [`Vault::lookup`].
    pub fn details(&self, token: &[u8]) -> Result<(Instrument, Details)> {
        self.ask("lookup", 1)?;
        self.one(token, |found| Ok((found.instrument()?, Details::of(found.into_contents()))))
    }

    /// Is this card here? Its instruments, active or not, the newest first; none where it is not.
    ///
    /// Confirms a guess at a card number, as tokenizing with reuse does. One whose rows do not open is
    /// [damaged](Instrument::damaged). `Tampered` where the rows lead to another card.
    pub fn find(&self, pan: &Pan) -> Result<Vec<Instrument>> {
        self.ask("find", 1)?;
        self.work(|keyring, _| {
            let print = |generation| keyring.fingerprint_under(generation, &self.merchant, pan);
            let prints: Vec<Fingerprint> = keyring.index_generations().map(print).collect::<Result<_>>()?;
            let mut found = Vec::new();
            self.shared.store.read(&mut |rows| {
                found = self.instruments_of(rows, &prints)?;
                Ok(())
            })?;
            let shown = |rows: (InstrumentRow, CardRow)| {
                let token = rows.0.token;
                let Some(opened) = self.open_if_whole(keyring, rows)? else {
                    return Ok(Instrument::of_damaged(token));
                };
                // A fingerprint that was pointed at another card does not make that card this one.
                if opened.pan.digits() != pan.digits() {
                    return Err(Code::Tampered.into());
                }
                opened.instrument()
            };
            reserve::gather(found.into_iter().map(shown))
        })
    }

    fn instruments_of(
        &self,
        rows: &dyn Rows,
        prints: &[Fingerprint],
    ) -> Result<Vec<(InstrumentRow, CardRow)>> {
        let cards = rows.known_cards(&self.merchant, prints)?;
        let Some(card) = cards.into_iter().flatten().next() else { return Ok(Vec::new()) };
        if card.is_gone() {
            return Err(Code::Tampered.into());
        }
        let instruments = rows.instruments_of(&self.merchant, &card.id)?;
        reserve::gather(instruments.into_iter().map(|row| Ok((row, card.clone()))))
    }

    /// The merchant's instruments in the order of their tokens, which is no order of time. To go on, ask again with
    /// `after` the last one's token; fewer than the limit are the last ones. One whose rows do not open is
    /// [damaged](Instrument::damaged).
    ///
    /// `Argument` for a customer that is not of its form, `Limit` for a limit or offset beyond what is allowed.
    pub fn list(&self, query: &ListQuery) -> Result<Vec<Instrument>> {
        self.list_with(query, |found| found.instrument(), Instrument::of_damaged)
    }

    /// [`Vault::list`], with the details of each.
    pub fn list_details(&self, query: &ListQuery) -> Result<Vec<(Instrument, Details)>> {
        let show = |found: Opened| Ok((found.instrument()?, Details::of(found.into_contents())));
        self.list_with(query, show, |token| (Instrument::of_damaged(token), Details::of(Contents::default())))
    }

    fn list_with<T>(
        &self,
        query: &ListQuery,
        mut show: impl FnMut(Opened) -> Result<T>,
        mut damaged: impl FnMut(Token) -> T,
    ) -> Result<Vec<T>> {
        let listing = listing(query)?;
        self.ask("list", listing.limit)?;
        self.work(|keyring, _| {
            let mut found = Vec::new();
            self.shared.store.read(&mut |rows| {
                found = rows.list(&self.merchant, &listing)?;
                Ok(())
            })?;
            let one = |rows: (InstrumentRow, CardRow)| {
                let token = rows.0.token;
                match self.open_if_whole(keyring, rows)? {
                    Some(opened) => show(opened),
                    None => Ok(damaged(token)),
                }
            };
            reserve::gather(found.into_iter().map(one))
        })
    }

    /// How many instruments a listing has in all, wherever it begins and ends. Rows are counted, not opened: one that
    /// somebody put into the database is counted too, and [`Vault::list`] refuses it.
    pub fn count(&self, query: &ListQuery) -> Result<u64> {
        let listing = listing(query)?;
        self.ask("list", 0)?;
        self.work(|_, _| {
            let mut count = 0;
            self.shared.store.read(&mut |rows| {
                count = rows.count(&self.merchant, &listing)?;
                Ok(())
            })?;
            Ok(count)
        })
    }

    fn one<T>(&self, token: &[u8], mut show: impl FnMut(Opened) -> Result<T>) -> Result<T> {
        let token = Token::parse(token)?;
        self.work(|keyring, _| {
            let mut found = None;
            self.shared.store.read(&mut |rows| {
                found = rows.instrument(&self.merchant, &token)?;
                Ok(())
            })?;
            show(Opened::new(keyring, &self.merchant, found.take().ok_or(Code::Token)?)?)
        })
    }
}

fn listing<'a>(query: &ListQuery<'a>) -> Result<Listing<'a>> {
    let limit = if query.limit == 0 { 100 } else { query.limit };
    if limit > LIST_MAX || query.offset > OFFSET_MAX {
        return Err(Code::Limit.into());
    }
    check_id(query.customer.unwrap_or(""))?;
    let ListQuery { customer, active, after, offset, .. } = *query;
    Ok(Listing { customer, active, after, offset, limit })
}

/// An instrument's two rows, opened together: neither is believed alone.
pub(super) struct Opened {
    pub(super) row: InstrumentRow,
    pub(super) card: CardRow,
    pub(super) pan: Pan,
    pub(super) contents: Contents,
}

impl Opened {
    pub(super) fn new(keyring: &Keyring, merchant: &str, rows: (InstrumentRow, CardRow)) -> Result<Opened> {
        let (row, card) = rows;
        let sealer = Sealer::new(keyring, merchant);
        Ok(Opened { pan: sealer.open_card(&card)?, contents: sealer.open_instrument(&row)?, row, card })
    }

    pub(super) fn instrument(&self) -> Result<Instrument> {
        Instrument::of(&self.row, &self.card, Face::of(&self.pan))
    }

    pub(super) fn into_contents(self) -> Contents {
        self.contents
    }
}
