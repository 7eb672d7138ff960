//! Token scheme + keyring, for one merchant: it picks the epoch and stores nothing.
//!
//! A [`Tokenizer`] makes the tokens that need no vault, of `ff1`, `siv` and `mac`; its keys are in a keyring file.
//!
//! Tokens live as long as their epoch. Whoever may tokenize can confirm a guess at a card number, and with first six
//! and last four known there are few to guess: `docs/token-schemes.md` has the dangers of each scheme.

use crate::card::{self, Network, Pan, Separators};
use crate::error::{Code, Error, Result};
use crate::keys::file::{KeyringFile, Opened, Seen, Stamp};
use crate::keys::{Commitment, KeyInfo, KeyKind, Keyring, Purpose, Root};
use crate::scheme::{BATCH, Ready, SLOTS, Scheme, Token, slot_of};
use crate::secret::arena::Locked;
use crate::secret::stack;
use arc_swap::ArcSwap;
use std::cell::Cell;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// The longest merchant, in bytes of UTF-8; a vault's other ids are as long.
pub(crate) const MERCHANT_MAX: usize = 64;

/// After so many single calls a thread looks whether the keys were changed by another process. Looking takes about as
/// long as a few calls do. A prime, so that of handles which are used in turn each has its turn.
const LOOK_EVERY: u32 = 251;

/// How to open a tokenizer.
#[derive(Clone)]
pub struct TokenizerOptions<'a> {
    /// How tokens are made: `ff1:K+L`, `siv`, `siv:letters` or `mac`.
    pub scheme: Scheme,
    /// The keyring file.
    pub keyring: &'a Path,
    /// Where its root key is.
    pub root: Root,
    /// The tenant that the handle works for; empty is one of its own. Up to 64 bytes.
    pub merchant: &'a str,
    /// Make the keyring where there is none. Otherwise that is `NotAVault`.
    pub create: bool,
    /// This handle never detokenizes: a till that only sells.
    pub no_reveal: bool,
    /// The generation that the host has seen last: an older file is `Tampered`. 0: any.
    pub min_generation: i64,
    /// Another root key to try where `root` is not the right one, as in the middle of a change of the root key.
    pub second_root: Option<Root>,
    /// The commitment that the host has seen ([`Status::commitment`]): another file is `Tampered`.
    pub commitment: Option<Commitment>,
}

impl<'a> TokenizerOptions<'a> {
    /// A tokenizer for merchant "", its keyring not created.
    pub fn new(scheme: Scheme, keyring: &'a Path, root: Root) -> TokenizerOptions<'a> {
        TokenizerOptions {
            scheme,
            keyring,
            root,
            merchant: "",
            create: false,
            no_reveal: false,
            min_generation: 0,
            second_root: None,
            commitment: None,
        }
    }
}

/// What the caller knows of the number behind a token. `ff1` has no integrity: a mistyped token leads to a number all
/// the same, which this may tell from the right one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expect {
    /// The number's last four digits.
    pub last4: Option<[u8; 4]>,
    /// The card's network.
    pub network: Option<Network>,
}

impl Expect {
    fn check(&self, pan: &Pan) -> Result<(), Code> {
        let last4 = self.last4.is_none_or(|last4| last4 == pan.last4());
        let network = self.network.is_none_or(|network| network == card::detect(pan.digits()).network);
        if last4 && network { Ok(()) } else { Err(Code::Token) }
    }
}

/// What may be known of a keyring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Grows with every change. A host that remembers it can tell an older copy of the file:
    /// [`TokenizerOptions::min_generation`].
    pub generation: i64,
    /// A public value that only this keyring has, by which a host knows it again: [`TokenizerOptions::commitment`].
    /// `None` for a file of the first version, until its next change.
    pub commitment: Option<Commitment>,
    /// All epochs, the oldest first.
    pub epochs: Vec<KeyInfo>,
}

/// A token scheme and a keyring file, opened for one merchant. Any thread may use it at any time.
///
/// A handle that was forked loads its keys again; where the root key cannot be had by then, it answers `Fork`.
///
/// What another process changes in the file is noticed with the next token that cannot be read otherwise, at the
/// beginning of a batch, every few hundred calls, and by [`Tokenizer::refresh`].
pub struct Tokenizer {
    scheme: Scheme,
    merchant: Box<str>,
    file: KeyringFile,
    no_reveal: bool,
    /// What the host knew of the file when it opened it.
    told: Seen,
    second_root: Option<Root>,
    /// Without a lock, so that no thread can hold one across a fork.
    loaded: ArcSwap<Loaded>,
}

impl Tokenizer {
    /// Opens a tokenizer, or makes its keyring where `create` says so.
    ///
    /// `Argument` for a scheme of the vault, a merchant that is not of its form, or `ff1` with a keyring that was
    /// made for another scheme and has no slots; `Unsupported` for `ff1` in a build without it; `RootKey`,
    /// `Callback`; `NotAVault` where no keyring is; `Tampered` for one that was changed, or is older than
    /// `min_generation`; `SchemaNewer`; `Store`.
    pub fn open(options: &TokenizerOptions) -> Result<Tokenizer> {
        let merchant = options.merchant;
        check_text(merchant, MERCHANT_MAX)?;
        if options.scheme.needs_vault() {
            return Err(Code::Argument.into());
        }
        if !options.scheme.is_supported() {
            return Err(Code::Unsupported.into());
        }
        let file = KeyringFile::at(options.keyring)?;
        if options.create {
            let slot = needs_slot(options.scheme).then_some(*SLOTS.start());
            file.create(&options.root, slot, now())?;
        }
        let told = Seen { generation: options.min_generation, commitment: options.commitment };
        let loaded = read(&file, &options.root, options.second_root.as_ref(), told, options.scheme)?;
        Ok(Tokenizer {
            scheme: options.scheme,
            merchant: merchant.into(),
            file,
            no_reveal: options.no_reveal,
            told,
            second_root: options.second_root.clone(),
            loaded: ArcSwap::from_pointee(loaded),
        })
    }

    /// The token of a card number under the active epoch.
    ///
    /// `ff1` refuses a number with too few hidden digits (`Domain`), without a valid check digit (`Luhn`), of a network
    /// that asks for none (`Network`), or of a length that its network does not use (`Length`).
    pub fn tokenize(&self, pan: &Pan) -> Result<Token> {
        Token::made(|token| self.tokenize_in(pan, token))
    }

    /// [`Tokenizer::tokenize`] into a blank token: a border copies it from there, and one copy less is to be made.
    pub(crate) fn tokenize_in(&self, pan: &Pan, token: &mut Token) -> Result<()> {
        self.look_now_and_then();
        self.run(|loaded| self.token(loaded, loaded.active(), pan, token))
    }

    /// The number of a token.
    ///
    /// `Token` for what is no token of this scheme, keyring and merchant, as far as the scheme can tell, or whose
    /// number is not as expected; `Epoch` where an `ff1` token's epoch is destroyed; `Irreversible` for `mac`, and on
    /// a handle that never detokenizes.
    pub fn detokenize(&self, token: &[u8], expect: &Expect) -> Result<Pan> {
        Pan::made(|pan| self.detokenize_in(token, expect, pan))
    }

    /// [`Tokenizer::detokenize`] into a blank number, as [`Tokenizer::tokenize_in`].
    pub(crate) fn detokenize_in(&self, token: &[u8], expect: &Expect, pan: &mut Pan) -> Result<()> {
        self.refuse_reveal()?;
        self.number_of(token, expect, pan)
    }

    fn number_of(&self, token: &[u8], expect: &Expect, pan: &mut Pan) -> Result<()> {
        self.look_now_and_then();
        self.run(|loaded| self.number(loaded, token, pan))?;
        Ok(expect.check(pan)?)
    }

    /// The tokens of many numbers: `each` gets the place of a number and what became of it, in their order.
    ///
    /// An error of the whole call comes of the keyring; rows that `each` has seen by then stand.
    pub fn tokenize_many<'n>(
        &self,
        numbers: impl IntoIterator<Item = &'n [u8]>,
        separators: Separators,
        mut each: impl FnMut(usize, Result<Token, Code>),
    ) -> Result<()> {
        self.refresh_if_possible();
        let mut numbers = numbers.into_iter();
        let mut done = 0;
        loop {
            let mut pans = [const { Err(Code::Missing) }; BATCH];
            let mut count = 0;
            for (pan, number) in pans.iter_mut().zip(&mut numbers) {
                Pan::make_in(pan, |pan| pan.parse_in(number, separators));
                count += 1;
            }
            self.run(|loaded| {
                let active = loaded.active();
                self.with_ready(loaded, active, |ready| {
                    ready.tokens(active.slot, &pans[..count], |place, token| each(done + place, token));
                    Ok(())
                })
            })?;
            done += count;
            if count < BATCH {
                return Ok(());
            }
        }
    }

    /// The numbers of many tokens, each with what is expected of it: [`Tokenizer::tokenize_many`] the other way round.
    /// `each` gets numbers on loan, so that they need not lie about in a list.
    pub fn detokenize_many<'t>(
        &self,
        tokens: impl IntoIterator<Item = (&'t [u8], Expect)>,
        mut each: impl FnMut(usize, Result<&Pan, Code>),
    ) -> Result<()> {
        self.refuse_reveal()?;
        self.refresh_if_possible();
        let mut tokens = tokens.into_iter();
        let mut done = 0;
        loop {
            let mut rows = [(&[][..], Expect::default()); BATCH];
            let mut pans = [const { Err(Code::Token) }; BATCH];
            let mut count = 0;
            for (row, token) in rows.iter_mut().zip(&mut tokens) {
                *row = token;
                count += 1;
            }
            let texts = rows.map(|(token, _)| token);
            self.run(|loaded| self.numbers(loaded, &texts[..count], &mut pans[..count]))?;
            for (place, (pan, (_, expect))) in pans.iter().zip(&rows).take(count).enumerate() {
                let pan = pan.as_ref().map_err(|code| *code);
                each(done + place, pan.and_then(|pan| expect.check(pan).map(|()| pan)));
            }
            done += count;
            if count < BATCH {
                return Ok(());
            }
        }
    }

    /// The tokens of a card number under all epochs that are not destroyed, the newest first: under one of these names
    /// it was stored, if it was.
    pub fn candidates(&self, pan: &Pan) -> Result<Vec<Token>> {
        self.refresh_if_possible();
        self.run(|loaded| {
            let token_of = |live| Token::made(|token| self.token(loaded, live, pan, token));
            loaded.live.iter().map(token_of).collect()
        })
    }

    /// A token's successor under the active epoch; itself, where that is its own. Replace it before its epoch is
    /// destroyed.
    pub fn retokenize(&self, token: &[u8], expect: &Expect) -> Result<Token> {
        self.tokenize(&Pan::made(|pan| self.number_of(token, expect, pan))?)
    }

    /// How tokens are made.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Makes a new epoch and gives its id; the one before is from now on only for the way back. The file is on disk
    /// before the first token is made under it. `Exhausted` where `ff1` has no slot left.
    pub fn rotate(&self) -> Result<u32> {
        self.change(|root, seen| self.file.rotate(root, seen, now()))?.keyring.active_epoch()
    }

    /// Forgets an epoch's key for ever. The tokenizer stores no tokens, so it cannot know whether one is left that
    /// needs the epoch, or whether some process has not noticed yet that it is no longer active: say so.
    ///
    /// `Epoch` where `tokens_are_gone` is false, and for an epoch that is active, destroyed already, or not there.
    pub fn destroy(&self, epoch: u32, tokens_are_gone: bool) -> Result<()> {
        if !tokens_are_gone {
            return Err(Code::Epoch.into());
        }
        self.change(|root, seen| self.file.destroy(root, seen, epoch)).map(|_| ())
    }

    /// Lets a destroyed epoch's slot be given to a new one. A token with that slot which still lies about somewhere
    /// will then lead to somebody else's number, and so will one in a process that has not noticed the change.
    ///
    /// `Argument` for a slot that is free, `Epoch` for one of a live epoch.
    pub fn free_slot(&self, slot: u8) -> Result<()> {
        self.change(|root, seen| self.file.free_slot(root, seen, slot)).map(|_| ())
    }

    /// Wraps the keyring under another root key, on which this handle goes on. Other handles that have the old one
    /// answer `RootKey` when they next read the file.
    pub fn change_root(&self, to: &Root) -> Result<()> {
        let now = self.loaded.load_full();
        let opened = self.file.change_root(&now.root, to, self.seen(&now))?;
        self.install(Loaded::of(opened, to, self.scheme)?);
        Ok(())
    }

    /// The keyring as it is in the file.
    pub fn status(&self) -> Result<Status> {
        self.refresh()?;
        let loaded = self.loaded.load();
        let epochs = loaded.keyring.infos().filter(|info| info.kind == KeyKind::Epoch);
        Ok(Status {
            generation: loaded.keyring.version(),
            commitment: loaded.keyring.commitment(),
            epochs: epochs.copied().collect(),
        })
    }

    /// Reads the file again where it was changed, and says whether it was.
    pub fn refresh(&self) -> Result<bool> {
        let loaded = self.loaded.load();
        if self.file.stamp() == Some(loaded.stamp) {
            return Ok(false);
        }
        self.reload(&loaded).map(|_| true)
    }

    fn refuse_reveal(&self) -> Result<()> {
        if self.no_reveal { Err(Code::Irreversible.into()) } else { Ok(()) }
    }

    /// The keys at hand are still good where the file or the root key is out of reach for the moment.
    fn refresh_if_possible(&self) {
        let _ = self.refresh();
    }

    fn look_now_and_then(&self) {
        thread_local!(static CALLS: Cell<u32> = const { Cell::new(0) });
        let calls = CALLS.get().wrapping_add(1);
        CALLS.set(calls);
        if calls % LOOK_EVERY == 0 {
            self.refresh_if_possible();
        }
    }

    /// Runs `work` with the keys at hand; once more with fresh ones where they turn out to be of no use, be it that
    /// this is a forked child or that a token is of an epoch that another process has made.
    fn run<T>(&self, mut work: impl FnMut(&Loaded) -> Result<T>) -> Result<T> {
        let loaded = self.loaded.load();
        let error = match work(&loaded) {
            Err(error) if matches!(error.code(), Code::Fork | Code::Token | Code::Epoch) => error,
            other => return other,
        };
        if error.code() == Code::Fork {
            let reloaded = self.reload(&loaded);
            // A root key that is out of reach in the child has its own answer.
            let lost = |failed: Error| if failed.code() == Code::RootKey { error } else { failed };
            return work(&*reloaded.map_err(lost)?);
        }
        if self.file.stamp() == Some(loaded.stamp) {
            return Err(error);
        }
        work(&*self.reload(&loaded)?)
    }

    #[cold]
    fn reload(&self, loaded: &Loaded) -> Result<Arc<Loaded>> {
        apart(|| {
            let seen = self.seen(loaded);
            let fresh = read(&self.file, &loaded.root, self.second_root.as_ref(), seen, self.scheme)?;
            Ok(self.install(fresh))
        })
    }

    fn change(&self, change: impl FnOnce(&Root, Seen) -> Result<Opened>) -> Result<Arc<Loaded>> {
        let now = self.loaded.load_full();
        let opened = change(&now.root, self.seen(&now))?;
        Ok(self.install(Loaded::of(opened, &now.root, self.scheme)?))
    }

    /// The file does not grow younger, and keeps its table key.
    fn seen(&self, loaded: &Loaded) -> Seen {
        Seen {
            generation: self.told.generation.max(loaded.keyring.version()),
            commitment: loaded.keyring.commitment().or(self.told.commitment),
        }
    }

    /// Puts keys in the place of older ones; of two threads that read the file at once, the one that is late leaves
    /// the newer ones.
    fn install(&self, fresh: Loaded) -> Arc<Loaded> {
        let fresh = Arc::new(fresh);
        self.loaded.rcu(|present| {
            let newer = present.keyring.version() > fresh.keyring.version();
            Arc::clone(if newer { present } else { &fresh })
        });
        fresh
    }

    /// Makes a blank token that of a number.
    fn token(&self, loaded: &Loaded, live: &Live, pan: &Pan, token: &mut Token) -> Result<()> {
        self.with_ready(loaded, live, |ready| ready.token(live.slot, pan, token))
    }

    /// Reads the number of a token into a blank one.
    fn number(&self, loaded: &Loaded, token: &[u8], pan: &mut Pan) -> Result<()> {
        if needs_slot(self.scheme) {
            let live = loaded.of_slot(slot_of(token)?)?;
            return self.with_ready(loaded, live, |ready| ready.number(token, pan));
        }
        let mut outcome = Err(Code::Token.into());
        for live in &loaded.live {
            outcome = self.with_ready(loaded, live, |ready| ready.number(token, pan));
            if !matches!(&outcome, Err(error) if error.code() == Code::Token) {
                break;
            }
        }
        outcome
    }

    /// [`Tokenizer::number`] for up to [`BATCH`] tokens.
    fn numbers(&self, loaded: &Loaded, tokens: &[&[u8]], out: &mut [Result<Pan, Code>]) -> Result<()> {
        let mut slots = [0; BATCH];
        for ((token, out), slot) in tokens.iter().zip(out.iter_mut()).zip(&mut slots) {
            *out = Err(Code::Token);
            if needs_slot(self.scheme) {
                let of_slot = slot_of(token).and_then(|of| loaded.of_slot(of));
                *slot = of_slot.as_ref().map_or(0, |live| live.slot);
                *out = Err(of_slot.err().unwrap_or(Code::Token));
            }
        }
        for live in &loaded.live {
            // What no epoch so far has read; with `ff1`, what carries the slot of this one.
            let (mut places, mut texts, mut count) = ([0; BATCH], [&[][..]; BATCH], 0);
            for (place, token) in tokens.iter().enumerate() {
                let pending =
                    if needs_slot(self.scheme) { slots[place] == live.slot } else { out[place].is_err() };
                if pending {
                    (places[count], texts[count]) = (place, *token);
                    count += 1;
                }
            }
            if count == tokens.len() {
                // All of them, as mostly: in their places, for copies of numbers are there to be found.
                self.with_ready(loaded, live, |ready| {
                    ready.numbers(tokens, out);
                    Ok(())
                })?;
                continue;
            }
            let mut numbers = [const { Err(Code::Token) }; BATCH];
            self.with_ready(loaded, live, |ready| {
                ready.numbers(&texts[..count], &mut numbers[..count]);
                Ok(())
            })?;
            for (number, place) in numbers.into_iter().zip(places).take(count) {
                out[place] = number;
            }
        }
        Ok(())
    }

    /// Lends a scheme's expanded key to `work`: from the arena, or where that is full, made for this one call.
    fn with_ready<T>(
        &self,
        loaded: &Loaded,
        live: &Live,
        work: impl FnOnce(&Ready) -> Result<T, Code>,
    ) -> Result<T> {
        match live.ready.get() {
            Some(ready) => Ok(ready.with(work)??),
            None => self.with_new_ready(loaded, live, work),
        }
    }

    #[cold]
    fn with_new_ready<T>(
        &self,
        loaded: &Loaded,
        live: &Live,
        work: impl FnOnce(&Ready) -> Result<T, Code>,
    ) -> Result<T> {
        let make = || {
            let purpose = purpose_of(self.scheme)?;
            loaded
                .keyring
                .with_key(live.epoch, purpose, &self.merchant, |key| Ready::new(self.scheme, key))?
        };
        match apart(|| Locked::new(make)) {
            Ok(ready) => Ok(live.ready.get_or_init(|| ready).with(work)??),
            Err(full) if full.code() == Code::Limit => {
                let mut outcome = None;
                apart(|| {
                    outcome = Some(work(&make()?)?);
                    Ok(())
                })?;
                outcome.ok_or_else(|| Code::Internal.into())
            }
            Err(error) => Err(error),
        }
    }
}

/// Reads the file with the root key that fits.
fn read(
    file: &KeyringFile,
    root: &Root,
    second: Option<&Root>,
    seen: Seen,
    scheme: Scheme,
) -> Result<Loaded> {
    let with = |root| file.open(root, seen).and_then(|opened| Loaded::of(opened, root, scheme));
    match (with(root), second) {
        (Err(refused), Some(second)) if refused.code() == Code::RootKey => {
            with(second).map_err(|error| if error.code() == Code::RootKey { refused } else { error })
        }
        (outcome, _) => outcome,
    }
}

/// What was read from the keyring file, and what was made of it.
struct Loaded {
    root: Root,
    keyring: Keyring,
    stamp: Stamp,
    /// The epochs that are not destroyed, the newest first.
    live: Vec<Live>,
}

/// An epoch in use, and its key for this scheme and merchant once it was needed.
struct Live {
    epoch: u32,
    /// 0: none.
    slot: u8,
    ready: OnceLock<Locked<Ready>>,
}

impl Loaded {
    fn of(opened: Opened, root: &Root, scheme: Scheme) -> Result<Loaded> {
        let Opened { keyring, stamp } = opened;
        let live =
            |info: &KeyInfo| Live { epoch: info.id, slot: info.slot.unwrap_or(0), ready: OnceLock::new() };
        let epochs = keyring.infos().filter(|info| info.kind == KeyKind::Epoch && info.is_live());
        let mut live: Vec<Live> = epochs.map(live).collect();
        live.sort_by_key(|live| std::cmp::Reverse(live.epoch));
        // Nothing is ever activated but a new epoch, so the newest is the active one.
        let newest_is_active = live.first().is_some_and(|live| Ok(live.epoch) == keyring.active_epoch());
        if !newest_is_active {
            return Err(Code::Tampered.into());
        }
        if needs_slot(scheme) && live.iter().any(|live| live.slot == 0) {
            return Err(Code::Argument.into());
        }
        Ok(Loaded { root: root.clone(), keyring, stamp, live })
    }

    fn active(&self) -> &Live {
        &self.live[0]
    }

    /// `Epoch` for the slot of a destroyed one, `Token` for one that nobody has.
    fn of_slot(&self, slot: u8) -> Result<&Live, Code> {
        let is_shut = || self.keyring.infos().any(|info| info.slot == Some(slot));
        let live = self.live.iter().find(|live| live.slot == slot);
        live.ok_or_else(|| if is_shut() { Code::Epoch } else { Code::Token })
    }
}

/// Runs what goes deep, with keys in its hands, and wipes the stack that it used: a border that wipes only as deep as a
/// token takes need not know of it. What it returns is no secret.
fn apart<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    stack::wipe_after::<{ stack::DEPTH }, _>(work)
}

fn needs_slot(scheme: Scheme) -> bool {
    matches!(scheme, Scheme::Ff1(_))
}

fn purpose_of(scheme: Scheme) -> Result<Purpose> {
    match scheme {
        Scheme::Ff1(_) => Ok(Purpose::Ff1),
        Scheme::Siv | Scheme::SivLetters => Ok(Purpose::Siv),
        Scheme::Mac => Ok(Purpose::Mac),
        _ => Err(Code::Argument.into()),
    }
}

/// Texts go into columns and associated data as they are; control characters have no business there.
pub(crate) fn check_text(text: &str, max: usize) -> Result<()> {
    if text.len() > max || text.chars().any(char::is_control) { Err(Code::Argument.into()) } else { Ok(()) }
}

/// The system clock, in seconds since 1970 UTC.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

#[cfg(all(test, feature = "ff1"))]
mod vectors;
