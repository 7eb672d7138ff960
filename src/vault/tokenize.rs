//! Storing cards: one or many in a transaction, by the protocol that makes 'same card?' and reuse exact under any mix
//! of writers.
//!
//! What can be made ready is made ready before the transaction: tokens drawn, rows sealed as if every card were new.
//! Inside, in this order: the fence (other keys: everything again), idempotency keys, the cards by all fingerprints in
//! force, the locks on those that are known, reuse; then everything is inserted at once. A conflict with another writer
//! means once more from the beginning.

use super::audit::{chained, check_chain};
use super::instrument::{Face, Instrument};
use super::seal::{NOTE_MAX, Sealer, Shown};
use super::store::{
    Action, AuditRow, CardRow, Fingerprint, Fresh, Id, InstrumentRow, Job, Listing, Print, Rows, UsedKey,
    again, fine_time, new_id,
};
use super::{Vault, check_fence, check_kept, check_scheme, check_time, metadata::check_metadata};
use crate::card::{self, Card, LuhnRule, Network};
use crate::error::{Code, Error, Result};
use crate::keys::Keyring;
use crate::scheme::{Scheme, Token};
use crate::secret::{Random, reserve, stack};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The most cards of one [`Vault::tokenize_many`].
pub const MANY_MAX: usize = 10_000;

/// How often a surrogate is drawn before all of them are gone through.
const DRAWS: usize = 8;
/// How many surrogates are looked up at a time when all are gone through.
const SCAN: usize = 512;

/// Whether a card that is here already gets its token of before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// A new token each time.
    #[default]
    Never,
    /// That of the same customer.
    Customer,
    /// That of the merchant, whoever the customer is.
    Merchant,
}

/// How to store a card.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenizeOptions<'a> {
    /// How its token is made; `None`: as the vault was opened with.
    pub scheme: Option<Scheme>,
    /// The customer, up to 64 bytes, or empty.
    pub customer: &'a str,
    /// Whether the newest active token of the same card and token scheme, the one made last, is given back instead of a
    /// new one. A later
    /// expiry, and a name that is given with an expiry that is not earlier, take the place of its own.
    pub reuse: Reuse,
    /// A name for this call, up to 64 bytes, or empty: whoever repeats it within 24 hours gets the first result.
    pub idempotency_key: &'a str,
    /// A JSON object of up to 16 members and 4096 bytes, or empty; refused where it holds a card number.
    pub metadata: &'a str,
    /// When [`Vault::purge_expired`] removes it, in seconds since 1970 UTC; 0: never.
    pub keep_until: i64,
    /// How many active tokens the customer may have; there must be a [`Customer`](super::Customer) of that id.
    pub customer_limit: Option<u32>,
    /// Up to 4096 bytes that are sealed beside it and come back in [`Details`](super::Details). Not looked into.
    pub extra: &'a [u8],
}

impl<'a> TokenizeOptions<'a> {
    /// For a customer, or for none; all else by default.
    pub fn of(customer: &'a str) -> TokenizeOptions<'a> {
        TokenizeOptions { customer, ..TokenizeOptions::default() }
    }
}

impl Vault {
    /// Stores a checked card and gives its token, which is on disk when this returns.
    ///
    /// The card's number and name are sealed; a cvv, a postal code or track data does not get this far.
    ///
    /// `Argument` for a customer or idempotency key that is not of its form, a token scheme that is no vault's, a time
    /// before 1970, a `customer_limit` without such a customer, or a name longer than 111 bytes; `Card` for metadata
    /// that is refused, and a customer or idempotency key that holds a card number; `Domain` and `Network` where a
    /// surrogate cannot be made of the number, `Exhausted` where all are issued; `Conflict` where the idempotency key
    /// was used with another card or customer; `Limit` where the customer has too many tokens; `Store`, `Busy`.
    pub fn tokenize(&self, card: &Card, options: &TokenizeOptions) -> Result<Instrument> {
        let mut outcomes = self.tokenize_many(&[(card, *options)])?;
        outcomes.pop().unwrap_or_else(|| Err(Code::Internal.into()))
    }

    /// Stores up to [`MANY_MAX`] cards in one transaction, and gives an outcome for each: a card that is refused, as
    /// [`Vault::tokenize`] would, does not stand in the way of the others. An error of the whole call has no effect.
    pub fn tokenize_many(&self, cards: &[(&Card, TokenizeOptions)]) -> Result<Vec<Result<Instrument>>> {
        if cards.len() > MANY_MAX {
            return Err(Code::Limit.into());
        }
        self.ask("tokenize", cards.len())?;
        self.work(|keyring, now| {
            let epoch = keyring.active_epoch()?;
            reserve::foresee(cards.len() * CARD_ROOM)?;
            let mut drafts = reserve::room(cards.len())?;
            let mut refused = Vec::new();
            let mut random = Random::new();
            for (place, (card, options)) in cards.iter().enumerate() {
                match Draft::new(self, keyring, epoch, place, (card, options), now, &mut random) {
                    Ok(draft) => drafts.push(draft),
                    // Of the keys, not of this card.
                    Err(error) if matches!(error.code(), Code::Epoch | Code::Fork) => return Err(error),
                    Err(error) => refused.push((place, error)),
                }
                reserve::check()?;
            }
            let mut outcomes: Vec<Result<Instrument>> = reserve::room(cards.len())?;
            outcomes.resize_with(cards.len(), || Err(Code::Internal.into()));
            for (place, error) in refused {
                outcomes[place] = Err(error);
            }
            if !drafts.is_empty() {
                let (of, merchant) = (Arc::clone(keyring), Arc::clone(&self.merchant));
                let keyring = Arc::clone(keyring);
                let places: Vec<usize> = reserve::gather(drafts.iter().map(|draft| Ok(draft.place)))?;
                let job =
                    Arc::new(Tokenizing { keyring, merchant, epoch, drafts, now, done: Mutex::default() });
                self.submit(&of, places.len() as u32, &(Arc::clone(&job) as Arc<dyn Job>))?;
                let done = std::mem::take(&mut *job.done.lock().unwrap_or_else(PoisonError::into_inner));
                for (place, outcome) in places.into_iter().zip(done) {
                    outcomes[place] = outcome;
                }
            }
            Ok(outcomes)
        })
    }
}

/// What a card of a batch takes at most, from its draft to the statement that stores it.
const CARD_ROOM: usize = 2048;

/// A card that is to be stored, with everything that can be made before the transaction. Its number, name and metadata
/// are in it only sealed: a draft waits on the heap for its turn and for the disk.
struct Draft {
    /// Its place among the cards of the call.
    place: usize,
    face: Face,
    has_name: bool,
    scheme: Scheme,
    reuse: Reuse,
    key: Box<str>,
    customer_limit: Option<u32>,
    /// Under all index keys in force, the newest first.
    prints: Vec<Print>,
    /// The card as if it were new.
    card: CardRow,
    /// Its instrument, sealed for that card.
    instrument: InstrumentRow,
    /// What its line says, but for the verb and the token.
    line: AuditRow,
}

impl Draft {
    fn new(
        vault: &Vault,
        keyring: &Keyring,
        epoch: u32,
        place: usize,
        (card, options): (&Card, &TokenizeOptions),
        now: i64,
        random: &mut Random,
    ) -> Result<Draft> {
        let scheme = options.scheme.unwrap_or(vault.scheme);
        check_scheme(scheme)?;
        check_kept(options.customer)?;
        check_kept(options.idempotency_key)?;
        check_metadata(options.metadata)?;
        check_time(options.keep_until)?;
        if options.extra.len() > NOTE_MAX {
            return Err(Code::Limit.into());
        }
        if options.reuse == Reuse::Customer && options.customer.is_empty() {
            return Err(Code::Argument.into());
        }
        let pan = card.number();
        if matches!(scheme, Scheme::Surrogate(_)) {
            refuse_without_check_digit(card)?;
        }
        let sealer = Sealer::new(keyring, &vault.merchant);
        let mut row = CardRow {
            id: new_id(random)?,
            network: card.network().name().into(),
            iin: ascii(pan.iin()),
            last4: ascii(&pan.last4()),
            sealed: Vec::new(),
        };
        sealer.seal_card(epoch, &mut row, pan, random)?;
        let name = card.name().unwrap_or("").as_bytes();
        let contents = Shown { name, metadata: options.metadata, extra: options.extra };
        let line = vault.line(now, "tokenize", "")?;
        let mut instrument = InstrumentRow {
            token: scheme.draw(pan.digits(), random)?,
            card: row.id,
            customer: options.customer.into(),
            expiry: card.expiry().map_or(0, |date| i32::from(date.year()) * 100 + i32::from(date.month())),
            active: true,
            created_at: fine_time(&row.id),
            keep_until: options.keep_until,
            sealed: Vec::new(),
        };
        sealer.seal_instrument(epoch, &mut instrument, contents, random)?;
        let print = |generation| {
            let print = keyring.fingerprint_under(generation, &vault.merchant, pan)?;
            Ok(Print { generation, print })
        };
        Ok(Draft {
            place,
            face: Face::of(pan),
            has_name: !name.is_empty(),
            scheme,
            reuse: options.reuse,
            key: options.idempotency_key.into(),
            customer_limit: options.customer_limit,
            prints: keyring.index_generations().map(print).collect::<Result<_>>()?,
            card: row,
            line,
            instrument,
        })
    }

    fn customer(&self) -> &str {
        &self.instrument.customer
    }

    /// Whether an instrument of the same card may be given back.
    fn may_reuse(&self, other: &InstrumentRow) -> bool {
        let customer = match self.reuse {
            Reuse::Never => false,
            Reuse::Customer => other.customer == self.instrument.customer,
            Reuse::Merchant => true,
        };
        customer && other.active && self.scheme.fits(&other.token, self.like())
    }

    /// In place of the number, for schemes that keep digits of it: the token that was drawn first kept them.
    fn like(&self) -> &[u8] {
        self.instrument.token.as_str().as_bytes()
    }

    /// Whether another draft is of the same card.
    fn is_of_card_of(&self, other: &Draft) -> bool {
        self.prints
            .first()
            .is_some_and(|print| other.prints.first().is_some_and(|of| of.print == print.print))
    }
}

/// A surrogate's check digit is wrong on purpose; where none is asked for, that would make it a card number.
fn refuse_without_check_digit(card: &Card) -> Result<()> {
    let network = card.network();
    let luhn = network != Network::UNKNOWN && network.luhn() == LuhnRule::Required;
    if luhn && card::luhn_ok(card.number().digits()) { Ok(()) } else { Err(Code::Network.into()) }
}

/// The cards of a call on their way into the store.
struct Tokenizing {
    keyring: Arc<Keyring>,
    merchant: Arc<str>,
    epoch: u32,
    drafts: Vec<Draft>,
    now: i64,
    /// What became of them in the run that was done last.
    done: Mutex<Vec<Result<Instrument>>>,
}

impl Job for Tokenizing {
    fn run(&self, rows: &dyn Rows) -> Result<()> {
        check_fence(rows, &self.keyring)?;
        check_chain(rows, &self.merchant)?;
        let mut run = Run::new(self, rows)?;
        run.replay()?;
        run.find_cards()?;
        for place in 0..self.drafts.len() {
            if run.outcomes[place].is_none() {
                match run.settle(place) {
                    Err(error) if is_of_the_row(&error) => {
                        run.outcomes[place] = Some(Outcome::Refused(error))
                    }
                    other => other?,
                }
                reserve::check()?;
            }
        }
        let outcomes = run.finish()?;
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = outcomes;
        Ok(())
    }
}

/// Errors that one card has and the others do not.
fn is_of_the_row(error: &Error) -> bool {
    use Code::*;
    matches!(error.code(), Argument | Limit | Domain | Exhausted | Conflict | Tampered | Token)
}

/// One run of a [`Tokenizing`] in one transaction.
struct Run<'r> {
    job: &'r Tokenizing,
    rows: &'r dyn Rows,
    outcomes: Vec<Option<Outcome>>,
    /// The instruments that this run makes, with the place of their draft.
    made: Vec<Made>,
    /// Which of them are of a card.
    of_card: HashMap<Id, Vec<usize>>,
    /// The drafts whose idempotency key this run uses first.
    of_key: HashMap<&'r str, usize>,
    /// The card of each draft: an earlier one's, or one of the store's.
    known: Vec<Option<Known>>,
}

/// What becomes of a draft.
enum Outcome {
    Refused(Error),
    /// The instrument of `made` at this place, made for it or, `reused`, for an earlier draft of the call.
    Made {
        at: usize,
        reused: bool,
    },
    /// An instrument that was there, and its card.
    Found(Box<(InstrumentRow, CardRow)>),
    /// The one that its idempotency key led to before.
    Replayed(Box<(InstrumentRow, CardRow)>),
}

/// An instrument that is being made.
struct Made {
    draft: usize,
    row: InstrumentRow,
    card: CardRow,
    card_is_new: bool,
}

/// A card that a draft does not bring.
enum Known {
    Stored(CardRow),
    /// That of an earlier draft of the same call.
    Draft(usize),
}

impl<'r> Run<'r> {
    fn new(job: &'r Tokenizing, rows: &'r dyn Rows) -> Result<Run<'r>> {
        let count = job.drafts.len();
        let (mut outcomes, made) = (reserve::room(count)?, reserve::room(count)?);
        outcomes.resize_with(count, || None);
        let (of_card, of_key) = (HashMap::new(), HashMap::new());
        Ok(Run { job, rows, outcomes, made, of_card, of_key, known: Vec::new() })
    }

    fn sealer(&self) -> Sealer<'r> {
        Sealer::new(&self.job.keyring, &self.job.merchant)
    }

    /// Gives those whose idempotency key was used before the first result.
    fn replay(&mut self) -> Result<()> {
        let job = self.job;
        let (places, keys): (Vec<usize>, Vec<&str>) = job
            .drafts
            .iter()
            .enumerate()
            .filter(|(_, draft)| !draft.key.is_empty())
            .map(|(place, draft)| (place, &*draft.key))
            .unzip();
        if keys.is_empty() {
            return Ok(());
        }
        for (place, token) in places.into_iter().zip(self.rows.replayed(&job.merchant, &keys)?) {
            let Some(token) = token else { continue };
            self.outcomes[place] = Some(match self.first_result(&job.drafts[place], &token) {
                Ok(found) => Outcome::Replayed(Box::new(found)),
                Err(error) if is_of_the_row(&error) => Outcome::Refused(error),
                Err(error) => return Err(error),
            });
        }
        Ok(())
    }

    /// `Conflict` where it is another card's or customer's, `Token` where it was deleted since.
    fn first_result(&self, draft: &Draft, token: &Token) -> Result<(InstrumentRow, CardRow)> {
        let (instrument, card) = self.rows.instrument(&self.job.merchant, token)?.ok_or(Code::Token)?;
        // Who names no customer, or takes any customer's, may have got one that belongs to somebody.
        let any_customer = draft.customer().is_empty() || draft.reuse == Reuse::Merchant;
        let fits =
            (any_customer || instrument.customer == draft.customer()) && self.is_card_of(draft, &card)?;
        if fits { Ok((instrument, card)) } else { Err(Code::Conflict.into()) }
    }

    /// Whether a stored card has the draft's number: it is opened, and has its fingerprint.
    fn is_card_of(&self, draft: &Draft, card: &CardRow) -> Result<bool> {
        self.sealer().is_card(card, draft.prints.first().ok_or(Code::Internal)?)
    }

    /// Looks all cards up by all their fingerprints, and locks those that are there.
    fn find_cards(&mut self) -> Result<()> {
        let job = self.job;
        let pending = || job.drafts.iter().enumerate().filter(|(place, _)| self.outcomes[*place].is_none());
        let prints = pending().flat_map(|(_, draft)| draft.prints.iter().map(|print| Ok(print.print)));
        let prints: Vec<Fingerprint> = reserve::gather(prints)?;
        let mut stored = self.rows.known_cards(&job.merchant, &prints)?.into_iter();
        let mut first: HashMap<&Fingerprint, usize> = HashMap::new();
        let (mut known, mut ids) = (reserve::room(job.drafts.len())?, reserve::room(job.drafts.len())?);
        known.resize_with(job.drafts.len(), || None);
        for (place, draft) in pending() {
            reserve::check()?;
            let found = (0..draft.prints.len()).filter_map(|_| stored.next().flatten()).last();
            known[place] = match (found, draft.prints.first()) {
                (Some(card), _) => {
                    // One that is not there is damage, and does not open.
                    ids.extend((!card.is_gone()).then_some(card.id));
                    Some(Known::Stored(card))
                }
                (None, Some(print)) => match first.get(&print.print) {
                    Some(earlier) => Some(Known::Draft(*earlier)),
                    None => {
                        first.insert(&print.print, place);
                        None
                    }
                },
                (None, None) => return Err(Code::Internal.into()),
            };
        }
        ids.sort_unstable();
        ids.dedup();
        // One that was there a moment ago and is gone now was purged.
        if !ids.is_empty() && self.rows.lock_cards(&job.merchant, &ids)?.contains(&false) {
            return Err(again());
        }
        self.known = known;
        Ok(())
    }

    /// Decides what a draft becomes.
    fn settle(&mut self, place: usize) -> Result<()> {
        let draft = &self.job.drafts[place];
        if self.repeats_a_key(place)? {
            return Ok(());
        }
        let card = self.card_of(place)?;
        if draft.reuse != Reuse::Never && self.reuse(place, &card)? {
            return Ok(());
        }
        self.check_limit(draft)?;
        let row = self.new_instrument(draft, &card)?;
        let of_card = self.of_card.entry(card.id).or_default();
        // The first instrument of a card that is not stored brings it.
        let card_is_new = of_card.is_empty() && !matches!(self.known[place], Some(Known::Stored(_)));
        of_card.push(self.made.len());
        self.outcomes[place] = Some(Outcome::Made { at: self.made.len(), reused: false });
        self.made.push(Made { draft: place, row, card, card_is_new });
        Ok(())
    }

    /// Whether an earlier draft of the call has the same idempotency key: then this one is the same.
    fn repeats_a_key(&mut self, place: usize) -> Result<bool> {
        let drafts = &self.job.drafts;
        let draft = &drafts[place];
        if draft.key.is_empty() {
            return Ok(false);
        }
        let first = *self.of_key.entry(&draft.key).or_insert(place);
        match self.outcomes[first] {
            _ if first == place => Ok(false),
            Some(_) if !drafts[first].is_of_card_of(draft) => Err(Code::Conflict.into()),
            Some(Outcome::Made { at, .. }) => {
                self.outcomes[place] = Some(Outcome::Made { at, reused: true });
                Ok(true)
            }
            Some(Outcome::Found(ref found)) => {
                self.outcomes[place] = Some(Outcome::Found(found.clone()));
                Ok(true)
            }
            // The first was refused: this one stands for itself.
            _ => {
                self.of_key.insert(&draft.key, place);
                Ok(false)
            }
        }
    }

    /// The card of a draft: its own, an earlier draft's, or the stored one.
    fn card_of(&self, place: usize) -> Result<CardRow> {
        let draft = &self.job.drafts[place];
        match &self.known[place] {
            None => Ok(draft.card.clone()),
            Some(Known::Draft(earlier)) => Ok(self.job.drafts[*earlier].card.clone()),
            // A fingerprint that was pointed at another card must not give that card a new token.
            Some(Known::Stored(card)) if !self.is_card_of(draft, card)? => Err(Code::Tampered.into()),
            Some(Known::Stored(card)) => Ok(card.clone()),
        }
    }

    /// Gives the draft an instrument that is there, if one may be reused; says whether it was.
    fn reuse(&mut self, place: usize, card: &CardRow) -> Result<bool> {
        let draft = &self.job.drafts[place];
        let of_card = self.of_card.get(&card.id).map_or(&[][..], Vec::as_slice);
        if let Some(at) = of_card.iter().rev().find(|at| draft.may_reuse(&self.made[**at].row)) {
            self.outcomes[place] = Some(Outcome::Made { at: *at, reused: true });
            return Ok(true);
        }
        if matches!(self.known[place], Some(Known::Stored(_))) {
            let of_card = self.rows.instruments_of(&self.job.merchant, &card.id)?;
            if let Some(mut found) = of_card.into_iter().find(|row| draft.may_reuse(row)) {
                self.renew(draft, &mut found)?;
                self.outcomes[place] = Some(Outcome::Found(Box::new((found, card.clone()))));
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes over a later expiry and a name.
    fn renew(&self, draft: &Draft, row: &mut InstrumentRow) -> Result<()> {
        let sealer = self.sealer();
        let was = stack::wipe_after::<{ stack::CIPHER }, _>(|| -> Result<_> {
            let mut contents = sealer.open_instrument(row)?;
            let later = draft.instrument.expiry > row.expiry;
            let mut renamed = false;
            if draft.has_name && draft.instrument.expiry >= row.expiry {
                let given = sealer.open_instrument(&draft.instrument)?.name;
                renamed = given.as_bytes() != contents.name.as_bytes();
                contents.name = given;
            }
            if !later && !renamed {
                return Ok(None);
            }
            row.expiry = row.expiry.max(draft.instrument.expiry);
            let was = std::mem::take(&mut row.sealed);
            sealer.seal_instrument(self.job.epoch, row, contents.shown(), &mut Random::new())?;
            Ok(Some(was))
        })?;
        match was {
            Some(was) if !self.rows.update_instrument(&self.job.merchant, row, &was)? => Err(again()),
            _ => Ok(()),
        }
    }

    /// Counts under the customer's lock, so that two calls at once do not both find room for the last one.
    fn check_limit(&self, draft: &Draft) -> Result<()> {
        let Some(limit) = draft.customer_limit else { return Ok(()) };
        let merchant = &self.job.merchant;
        if !self.rows.lock_customer(merchant, draft.customer())? {
            return Err(Code::Argument.into());
        }
        let query = Listing { customer: Some(draft.customer()), active: Some(true), ..Listing::default() };
        let stored = self.rows.count(merchant, &query)?;
        let made = self.made.iter().filter(|made| made.row.customer == draft.customer()).count() as u64;
        if stored + made < u64::from(limit) { Ok(()) } else { Err(Code::Limit.into()) }
    }

    /// The draft's instrument as it was sealed before, or sealed again where card or token are others.
    fn new_instrument(&self, draft: &Draft, card: &CardRow) -> Result<InstrumentRow> {
        let mut row = draft.instrument.clone();
        row.card = card.id;
        if let Scheme::Surrogate(_) = draft.scheme {
            row.token = self.free_surrogate(draft)?;
        }
        if row.card != draft.instrument.card || row.token != draft.instrument.token {
            stack::wipe_after::<{ stack::CIPHER }, _>(|| -> Result<()> {
                let (sealer, random) = (self.sealer(), &mut Random::new());
                let contents = sealer.open_instrument(&draft.instrument)?;
                sealer.seal_instrument(self.job.epoch, &mut row, contents.shown(), random)
            })?;
        }
        Ok(row)
    }

    /// A surrogate that was never issued: drawn a few times, then looked for among all. `Exhausted` where all were.
    fn free_surrogate(&self, draft: &Draft) -> Result<Token> {
        let free = |tokens: &[Token]| -> Result<Option<Token>> {
            let taken = self.rows.taken(&self.job.merchant, tokens)?;
            let made = |token: &Token| self.made.iter().any(|made| made.row.token == *token);
            let mut pairs = tokens.iter().zip(taken);
            Ok(pairs.find(|(token, taken)| !taken && !made(token)).map(|(token, _)| *token))
        };
        let mut drawn = vec![draft.instrument.token];
        let mut random = Random::new();
        for _ in 1..DRAWS {
            drawn.push(draft.scheme.draw(draft.like(), &mut random)?);
        }
        if let Some(token) = free(&drawn)? {
            return Ok(token);
        }
        let mut all = draft.scheme.all_surrogates(draft.like())?;
        loop {
            let some: Vec<Token> = reserve::gather(all.by_ref().take(SCAN).map(Ok))?;
            match free(&some)? {
                Some(token) => return Ok(token),
                None if some.is_empty() => return Err(Code::Exhausted.into()),
                None => {}
            }
        }
    }

    /// Inserts all that was made, and puts the outcomes in order.
    fn finish(self) -> Result<Vec<Result<Instrument>>> {
        let job = self.job;
        let results = reserve::gather((0..job.drafts.len()).map(|place| Ok(self.shown(place))))?;
        let mut says = reserve::room(results.len())?;
        for (place, result) in results.iter().enumerate() {
            says.extend(audit_line(&job.drafts[place], place == 0, result)?);
            reserve::check()?;
        }
        let lines = chained(self.rows, &job.keyring, &job.merchant, says)?;
        let (cards, instruments) = (reserve::room(self.made.len())?, reserve::room(self.made.len())?);
        let keys = reserve::room(self.of_key.len())?;
        let mut fresh = Fresh { lines: &lines, cards, instruments, keys, ..Fresh::default() };
        for made in &self.made {
            if made.card_is_new {
                let prints = &job.drafts[made.draft].prints;
                fresh.prints.try_reserve(prints.len()).map_err(|_| Code::Memory)?;
                fresh.cards.push(&made.card);
                fresh.prints.extend(prints.iter().map(|print| (*print, made.card.id)));
            }
            fresh.instruments.push(&made.row);
        }
        for (key, place) in &self.of_key {
            let token = match &self.outcomes[*place] {
                Some(Outcome::Made { at, .. }) => &self.made[*at].row.token,
                Some(Outcome::Found(found)) => &found.0.token,
                _ => continue,
            };
            fresh.keys.push(UsedKey { key, token, at: job.now });
        }
        // Two writers with the same keys take them in the same order.
        fresh.keys.sort_unstable_by_key(|used| used.key);
        self.rows.insert(&job.merchant, &fresh)?;
        Ok(results)
    }

    fn shown(&self, place: usize) -> Result<Instrument> {
        let (row, card, reused) = match self.outcomes[place].as_ref().ok_or(Code::Internal)? {
            Outcome::Refused(error) => return Err(*error),
            Outcome::Made { at, reused } => (&self.made[*at].row, &self.made[*at].card, *reused),
            Outcome::Found(found) | Outcome::Replayed(found) => (&found.0, &found.1, true),
        };
        let instrument = Instrument::of(row, card, self.job.drafts[place].face)?;
        Ok(Instrument { reused, ..instrument })
    }
}

/// The line of a draft. A refused one has none, unless it is the first: by its line the commit is known.
fn audit_line(draft: &Draft, is_mark: bool, shown: &Result<Instrument>) -> Result<Option<AuditRow>> {
    let (action, token) = match shown {
        Ok(instrument) if instrument.reused => ("reuse", instrument.token.as_str()),
        Ok(instrument) => ("tokenize", instrument.token.as_str()),
        Err(_) if is_mark => ("refuse", ""),
        Err(_) => return Ok(None),
    };
    Ok(Some(AuditRow { action: Action::of(action)?, token: token.into(), ..draft.line.clone() }))
}

fn ascii(digits: &[u8]) -> String {
    digits.iter().map(|digit| char::from(*digit)).collect()
}
