//! What a tokenizer promises: a number in, a token out and back for as long as its epoch lives, and a keyring file that
//! loses nothing and lets nothing be slipped in.

#![cfg(feature = "ff1")]

use panseal::card::{Network, Pan, Separators};
use panseal::error::{Code, Error, Result};
use panseal::keys::{KeyState, Root, RootCallback};
use panseal::scheme::{Token, classify};
use panseal::tokenizer::{Expect, Status, Tokenizer, TokenizerOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const VISA: &[u8] = b"4242424242424242";
const AMEX: &[u8] = b"378282246310005";
const MAESTRO: &[u8] = b"6759649826438453128";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        Root::create(&place.uri("root")).unwrap();
        place
    }

    fn uri(&self, name: &str) -> String {
        format!("file:{}", self.folder.path().join(name).display())
    }

    fn root(&self) -> Root {
        Root::parse(&self.uri("root")).unwrap()
    }

    fn keyring(&self) -> PathBuf {
        self.folder.path().join("pos.keyring")
    }

    fn make(&self, scheme: &str) -> Tokenizer {
        self.open_with(scheme, |options| TokenizerOptions { create: true, ..options }).unwrap()
    }

    fn open(&self, scheme: &str) -> Result<Tokenizer> {
        self.open_with(scheme, |options| options)
    }

    fn open_with(
        &self,
        scheme: &str,
        change: impl for<'a> FnOnce(TokenizerOptions<'a>) -> TokenizerOptions<'a>,
    ) -> Result<Tokenizer> {
        open_at(&self.keyring(), scheme, self.root(), change)
    }

    fn names(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn open_at(
    path: &Path,
    scheme: &str,
    root: Root,
    change: impl for<'a> FnOnce(TokenizerOptions<'a>) -> TokenizerOptions<'a>,
) -> Result<Tokenizer> {
    Tokenizer::open(&change(TokenizerOptions::new(scheme.parse()?, path, root)))
}

fn pan(digits: &[u8]) -> Pan {
    Pan::parse(digits, Separators::Dropped).ok().unwrap()
}

fn token(tokenizer: &Tokenizer, digits: &[u8]) -> Token {
    tokenizer.tokenize(&pan(digits)).unwrap()
}

fn number(tokenizer: &Tokenizer, token: &Token) -> Result<Vec<u8>> {
    tokenizer.detokenize(token.as_str().as_bytes(), &Expect::default()).map(|pan| pan.digits().to_vec())
}

fn code<T>(result: Result<T>) -> Code {
    result.err().expect("a failure").code()
}

fn states(status: &Status) -> Vec<(u32, KeyState, Option<u8>)> {
    status.epochs.iter().map(|epoch| (epoch.id, epoch.state, epoch.slot)).collect()
}

#[test]
fn every_scheme_leads_back_or_says_that_it_does_not() {
    for scheme in ["ff1:0+4", "ff1:6+0", "siv", "siv:letters"] {
        let place = Place::new();
        let made = place.make(scheme);
        for digits in [VISA, AMEX, MAESTRO] {
            let token = token(&made, digits);
            assert_eq!(number(&made, &token).unwrap(), digits);
            let again = place.open(scheme).unwrap();
            assert_eq!(self::token(&again, digits), token, "{scheme} is deterministic");
            assert_eq!(number(&again, &token).unwrap(), digits);
        }
    }
    let place = Place::new();
    let mac = place.make("mac");
    let token = token(&mac, VISA);
    assert!(classify(token.as_str().as_bytes()).mac);
    assert_eq!(code(number(&mac, &token)), Code::Irreversible);
    assert_ne!(self::token(&mac, AMEX), token);
}

#[test]
fn tokens_outlive_nine_rotations_and_candidates_are_under_every_epoch() {
    for scheme in ["ff1:0+4", "siv", "siv:letters"] {
        let place = Place::new();
        let tokenizer = place.make(scheme);
        let mut tokens = vec![token(&tokenizer, VISA)];
        for rotation in 0..9 {
            if scheme.starts_with("ff1") && rotation == 8 {
                assert_eq!(code(tokenizer.rotate()), Code::Exhausted);
                tokenizer.destroy(1, true).unwrap();
                assert_eq!(code(tokenizer.rotate()), Code::Exhausted, "the slot stays shut");
                assert_eq!(code(number(&tokenizer, &tokens.remove(0))), Code::Epoch);
                tokenizer.free_slot(1).unwrap();
            }
            tokenizer.rotate().unwrap();
            let fresh = token(&tokenizer, VISA);
            assert!(!tokens.contains(&fresh));
            tokens.push(fresh);
            for old in &tokens {
                assert_eq!(number(&tokenizer, old).unwrap(), VISA);
                let successor = tokenizer.retokenize(old.as_str().as_bytes(), &Expect::default());
                assert_eq!(successor.unwrap(), fresh);
            }
        }
        let newest_first: Vec<Token> = tokens.iter().rev().copied().collect();
        assert_eq!(tokenizer.candidates(&pan(VISA)).unwrap(), newest_first);
    }
}

#[test]
fn slots_are_assigned_in_turn_and_read_off_the_token() {
    let place = Place::new();
    let tokenizer = place.make("ff1:0+4");
    for slot in 1..=9 {
        assert_eq!(classify(token(&tokenizer, VISA).as_str().as_bytes()).numeric_token, Some(slot));
        if slot < 9 {
            tokenizer.rotate().unwrap();
        }
    }
    tokenizer.destroy(3, true).unwrap();
    tokenizer.destroy(2, true).unwrap();
    assert_eq!(code(tokenizer.free_slot(4)), Code::Epoch, "of a live epoch");
    assert_eq!(code(tokenizer.free_slot(0)), Code::Argument);
    tokenizer.free_slot(3).unwrap();
    assert_eq!(code(tokenizer.free_slot(3)), Code::Argument, "free already");
    tokenizer.rotate().unwrap();
    assert_eq!(classify(token(&tokenizer, VISA).as_str().as_bytes()).numeric_token, Some(3));
    assert_eq!(code(tokenizer.rotate()), Code::Exhausted);
}

#[test]
fn destroying_wants_an_old_epoch_and_the_callers_word() {
    let place = Place::new();
    let tokenizer = place.make("siv");
    let old = token(&tokenizer, VISA);
    assert_eq!(code(tokenizer.destroy(1, true)), Code::Epoch, "active");
    tokenizer.rotate().unwrap();
    assert_eq!(code(tokenizer.destroy(1, false)), Code::Epoch, "tokens may be left");
    assert_eq!(number(&tokenizer, &old).unwrap(), VISA);
    tokenizer.destroy(1, true).unwrap();
    assert_eq!(code(number(&tokenizer, &old)), Code::Token);
    assert_eq!(code(tokenizer.destroy(1, true)), Code::Epoch, "destroyed already");
    assert_eq!(code(tokenizer.destroy(7, true)), Code::Epoch, "never was");
    let status = tokenizer.status().unwrap();
    assert_eq!(status.generation, 3);
    assert_eq!(states(&status), [(1, KeyState::Destroyed, None), (2, KeyState::Active, None)]);
    assert!(status.epochs[0].retired_at >= status.epochs[0].created_at && status.epochs[1].retired_at == 0);
    let text = std::fs::read_to_string(place.keyring()).unwrap();
    assert!(text.contains(" - ") && text.lines().nth(4).unwrap().ends_with(" -"), "the wrapped key is gone");
}

#[test]
fn merchants_and_keyrings_cannot_read_each_others_tokens() {
    let (place, other) = (Place::new(), Place::new());
    let merchant = |name: &str| {
        Tokenizer::open(&TokenizerOptions {
            create: true,
            merchant: name,
            ..TokenizerOptions::new("siv".parse().unwrap(), &place.keyring(), place.root())
        })
    };
    let handles =
        [merchant("").unwrap(), merchant("m1").unwrap(), merchant("m2").unwrap(), other.make("siv")];
    for (place, handle) in handles.iter().enumerate() {
        for digits in [VISA, AMEX] {
            let token = token(handle, digits);
            for (other_place, other) in handles.iter().enumerate() {
                let outcome = number(other, &token);
                if place == other_place {
                    assert_eq!(outcome.unwrap(), digits);
                } else {
                    assert_eq!(code(outcome), Code::Token);
                }
            }
        }
    }
    for wrong in ["x".repeat(65), "a\nb".into()] {
        assert_eq!(code(merchant(&wrong)), Code::Argument);
    }
}

#[test]
fn what_is_expected_of_an_ff1_token_is_checked() {
    let place = Place::new();
    let tokenizer = place.make("ff1:6+0");
    let token = token(&tokenizer, VISA);
    let ask = |expect| code(tokenizer.detokenize(token.as_str().as_bytes(), &expect));
    let network = |name| Network::from_name(name);
    let right = Expect { last4: Some(*b"4242"), network: network("VISA") };
    assert!(tokenizer.detokenize(token.as_str().as_bytes(), &right).is_ok());
    assert_eq!(ask(Expect { last4: Some(*b"4243"), ..right }), Code::Token);
    assert_eq!(ask(Expect { network: network("AMEX"), ..right }), Code::Token);
    for text in [&b"4242424242424242"[..], b"", b"424242424242424x", b"42", &[b'1'; 20]] {
        assert_eq!(code(tokenizer.detokenize(text, &Expect::default())), Code::Token);
    }
    let unknown_slot = (b'0'..=b'9').find_map(|digit| {
        let mut text = token.as_str().as_bytes().to_vec();
        text[15] = digit;
        (classify(&text).numeric_token == Some(5)).then_some(text)
    });
    assert_eq!(code(tokenizer.detokenize(&unknown_slot.unwrap(), &Expect::default())), Code::Token);
}

#[test]
fn many_rows_give_what_single_calls_give_each_with_its_own_outcome() {
    for scheme in ["ff1:0+4", "siv", "siv:letters", "mac"] {
        let place = Place::new();
        let tokenizer = place.make(scheme);
        let rows: Vec<&[u8]> = (0..150).map(|row| [VISA, b"4242 x", AMEX, b""][row % 4]).collect();
        let mut tokens = Vec::new();
        for _ in 0..2 {
            let keep = |place, token: Result<Token, Code>| {
                assert_eq!(place, tokens.len() % 150);
                tokens.push(token);
            };
            tokenizer.tokenize_many(rows.iter().copied(), Separators::Dropped, keep).unwrap();
            tokenizer.rotate().unwrap();
        }
        assert_eq!((tokens[1], tokens[3]), (Err(Code::Charset), Err(Code::Missing)));
        assert_eq!(tokens.len(), 300);
        let texts =
            tokens.iter().map(|token| token.as_ref().map_or(&b"?"[..], |token| token.as_str().as_bytes()));
        let texts = texts.zip(std::iter::repeat(Expect::default()));
        let mut count = 0;
        let check = |place: usize, outcome: Result<&Pan, Code>| {
            count += 1;
            match (rows[place % 150], outcome) {
                _ if scheme == "mac" => assert_eq!(outcome.err(), Some(Code::Irreversible)),
                (VISA | AMEX, Ok(pan)) => assert_eq!(pan.digits(), rows[place % 150]),
                (_, outcome) => assert_eq!(outcome.err(), Some(Code::Token)),
            }
        };
        tokenizer.detokenize_many(texts, check).unwrap();
        assert_eq!(count, 300);
    }
}

#[test]
fn rows_expect_one_by_one_and_know_a_destroyed_epoch() {
    let place = Place::new();
    let tokenizer = place.make("ff1:0+4");
    let tokens = [token(&tokenizer, VISA), {
        tokenizer.rotate().unwrap();
        token(&tokenizer, VISA)
    }];
    tokenizer.destroy(1, true).unwrap();
    let [gone, live] = tokens.each_ref().map(|token| token.as_str().as_bytes());
    let expect = |last4: &[u8; 4]| Expect { last4: Some(*last4), network: None };
    let mut outcomes = Vec::new();
    let rows = [(gone, expect(b"4242")), (live, expect(b"4242")), (live, expect(b"0000"))];
    tokenizer.detokenize_many(rows, |_, pan| outcomes.push(pan.map(Pan::len))).unwrap();
    assert_eq!(outcomes, [Err(Code::Epoch), Ok(16), Err(Code::Token)]);
}

#[test]
fn a_vaults_scheme_and_a_keyring_of_another_scheme_are_refused() {
    let place = Place::new();
    for scheme in ["random", "random:uuid", "surrogate:6+4"] {
        let opened = place.open_with(scheme, |options| TokenizerOptions { create: true, ..options });
        assert_eq!(code(opened), Code::Argument);
    }
    assert_eq!(place.names(), ["root"], "nothing was made");
    assert_eq!(code(place.open("siv")), Code::NotAVault);
    place.make("siv");
    assert_eq!(code(place.open("ff1:0+4")), Code::Argument, "its epochs have no slots");
    let other = Place::new();
    other.make("ff1:0+4");
    assert!(other.open("siv").is_ok() && other.open("mac").is_ok());
}

#[test]
fn another_handles_rotation_is_noticed_with_the_first_token_of_the_new_epoch() {
    for scheme in ["ff1:0+4", "siv"] {
        let place = Place::new();
        let (one, two) = (place.make(scheme), place.open(scheme).unwrap());
        one.rotate().unwrap();
        let fresh = token(&one, VISA);
        assert_ne!(token(&two, VISA), fresh, "not noticed yet");
        assert_eq!(number(&two, &fresh).unwrap(), VISA);
        assert_eq!(token(&two, VISA), fresh);
        one.rotate().unwrap();
        assert!(two.refresh().unwrap() && !two.refresh().unwrap());
        one.rotate().unwrap();
        let noticed = (0..300).any(|_| token(&two, VISA) == token(&one, VISA));
        assert!(noticed, "a handle that only tokenizes looks now and then");
    }
}

#[test]
fn an_older_copy_of_the_file_is_refused_by_who_knows_better() {
    let place = Place::new();
    let tokenizer = place.make("siv");
    let old = std::fs::read(place.keyring()).unwrap();
    tokenizer.rotate().unwrap();
    let generation = tokenizer.status().unwrap().generation;
    std::fs::write(place.keyring(), &old).unwrap();
    assert_eq!(code(tokenizer.status()), Code::Tampered, "the handle has seen a newer one");
    assert_eq!(code(tokenizer.rotate()), Code::Tampered);
    let at_least = |generation| {
        place.open_with("siv", |options| TokenizerOptions { min_generation: generation, ..options })
    };
    assert_eq!(code(at_least(generation)), Code::Tampered);
    assert!(at_least(generation - 1).is_ok());
}

#[test]
fn a_file_cut_or_changed_at_any_byte_is_refused_and_left_as_it_is() {
    let place = Place::new();
    let tokenizer = place.make("ff1:0+4");
    tokenizer.rotate().unwrap();
    tokenizer.destroy(1, true).unwrap();
    tokenizer.rotate().unwrap();
    let whole = std::fs::read(place.keyring()).unwrap();
    let names = place.names();
    let refuse = |bytes: &[u8], what: &str| {
        std::fs::write(place.keyring(), bytes).unwrap();
        for create in [false, true] {
            let opened = place.open_with("ff1:0+4", |options| TokenizerOptions { create, ..options });
            let code = code(opened);
            let fits = [Code::Tampered, Code::NotAVault, Code::RootKey, Code::SchemaNewer].contains(&code);
            assert!(fits, "{what}: {code:?}");
        }
        assert_eq!(std::fs::read(place.keyring()).unwrap(), bytes, "{what}");
    };
    for end in 0..whole.len() {
        refuse(&whole[..end], &format!("cut at {end}"));
    }
    for place in 0..whole.len() {
        for bit in [0, 1, 5] {
            let mut changed = whole.clone();
            changed[place] ^= 1 << bit;
            refuse(&changed, &format!("bit {bit} of byte {place}"));
        }
    }
    let text = String::from_utf8(whole.clone()).unwrap();
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.swap(4, 5);
    refuse(lines.concat().as_bytes(), "swapped entries");
    refuse(text.replace("decrypt-only", "active").as_bytes(), "an epoch made active again");
    refuse(&[&whole[..], b"\n"].concat(), "a line more");
    std::fs::write(place.keyring(), &whole).unwrap();
    assert!(place.open("ff1:0+4").is_ok());
    assert_eq!(place.names(), names);
}

#[test]
fn an_entry_of_another_keyring_or_id_does_not_fit() {
    let (place, other) = (Place::new(), Place::new());
    for place in [&place, &other] {
        std::fs::copy(self::Place::path(&other, "root"), self::Place::path(place, "root.2")).unwrap();
        let root = Root::parse(&place.uri("root.2")).unwrap();
        open_at(&place.keyring(), "siv", root, |options| TokenizerOptions { create: true, ..options })
            .unwrap();
    }
    let text = |place: &Place| std::fs::read_to_string(place.keyring()).unwrap();
    let (own, foreign) = (text(&place), text(&other));
    let entry = |text: &str| text.lines().nth(3).unwrap().to_owned();
    std::fs::write(place.keyring(), own.replace(&entry(&own), &entry(&foreign))).unwrap();
    let root = Root::parse(&place.uri("root.2")).unwrap();
    assert_eq!(code(open_at(&place.keyring(), "siv", root, |options| options)), Code::Tampered);
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[test]
fn a_wrong_root_key_and_a_newer_file_are_told_apart() {
    let place = Place::new();
    place.make("siv");
    Root::create(&place.uri("other")).unwrap();
    let other = Root::parse(&place.uri("other")).unwrap();
    assert_eq!(code(open_at(&place.keyring(), "siv", other, |options| options)), Code::RootKey);
    let text = std::fs::read_to_string(place.keyring()).unwrap();
    std::fs::write(place.keyring(), text.replacen("keyring 2", "keyring 3", 1)).unwrap();
    assert_eq!(code(place.open("siv")), Code::SchemaNewer);
    std::fs::write(place.keyring(), "something else").unwrap();
    assert_eq!(code(place.open("siv")), Code::NotAVault);
}

#[test]
fn the_root_key_can_be_changed_and_the_tokens_stay() {
    let place = Place::new();
    let tokenizer = place.make("siv");
    let token = token(&tokenizer, VISA);
    let uri = format!("components:{},{}", place.path("a").display(), place.path("b").display());
    Root::create(&uri).unwrap();
    let components = Root::parse(&uri).unwrap();
    tokenizer.change_root(&components).unwrap();
    tokenizer.rotate().unwrap();
    assert_eq!(number(&tokenizer, &token).unwrap(), VISA);
    assert_eq!(code(place.open("siv")), Code::RootKey);
    let again = open_at(&place.keyring(), "siv", components, |options| options).unwrap();
    assert_eq!(number(&again, &token).unwrap(), VISA);
}

/// Wraps by turning bits over, and does as it is told otherwise.
#[derive(Default)]
struct Hsm {
    calls: AtomicU32,
    mood: AtomicU32,
}

const FAILS: u32 = 1;
const SHORT: u32 = 2;
const OTHER_KEY: u32 = 3;

impl Hsm {
    fn turn(&self, context: &str, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(context.starts_with("panseal/keyring/"));
        let flip = match self.mood.load(Ordering::Relaxed) {
            FAILS => return Err(Error::system(Code::Busy, 17)),
            OTHER_KEY => 0x3c,
            _ => 0xc3,
        };
        out.iter_mut().zip(input).for_each(|(out, byte)| *out = byte ^ flip);
        Ok(if self.mood.load(Ordering::Relaxed) == SHORT { 31 } else { input.len() })
    }
}

impl RootCallback for Hsm {
    fn wrap(&self, key_id: &str, context: &str, key: &[u8], out: &mut [u8]) -> Result<usize> {
        assert!(["epoch:", "table:"].iter().any(|kind| key_id.starts_with(kind)) && key.len() == 32);
        self.turn(context, key, out)
    }

    fn unwrap(&self, key_id: &str, context: &str, wrapped: &[u8], out: &mut [u8]) -> Result<usize> {
        assert!(["epoch:", "table:"].iter().any(|kind| key_id.starts_with(kind)) && out.len() == 32);
        self.turn(context, wrapped, out)
    }
}

#[test]
fn a_callback_wraps_and_its_failures_have_codes_of_their_own() {
    let place = Place::new();
    let hsm = Arc::new(Hsm::default());
    let open = |create| {
        let root = Root::callback(hsm.clone());
        open_at(&place.keyring(), "siv", root, |options| TokenizerOptions { create, ..options })
    };
    hsm.mood.store(FAILS, Ordering::Relaxed);
    assert_eq!(code(open(true)), Code::Callback);
    assert!(!place.keyring().exists());
    hsm.mood.store(0, Ordering::Relaxed);
    let tokenizer = open(true).unwrap();
    let token = token(&tokenizer, VISA);
    tokenizer.rotate().unwrap();
    assert_eq!(number(&open(false).unwrap(), &token).unwrap(), VISA);

    let before = std::fs::read(place.keyring()).unwrap();
    for (mood, expected) in [(FAILS, Code::Callback), (SHORT, Code::RootKey), (OTHER_KEY, Code::RootKey)] {
        hsm.mood.store(mood, Ordering::Relaxed);
        assert_eq!(code(open(false)), expected);
        assert_eq!(code(tokenizer.rotate()), expected);
        assert_eq!(std::fs::read(place.keyring()).unwrap(), before);
    }
    assert_eq!(tokenizer.rotate().unwrap_err().system_code(), 0);
    hsm.mood.store(FAILS, Ordering::Relaxed);
    assert_eq!(tokenizer.rotate().unwrap_err().system_code(), 17);
    let calls = hsm.calls.load(Ordering::Relaxed);
    assert_eq!(number(&tokenizer, &token).unwrap(), VISA);
    assert_eq!(hsm.calls.load(Ordering::Relaxed), calls, "a token needs no callback");
    assert_eq!(code(place.open("siv")), Code::RootKey, "a local root for what a callback wrapped");
}

#[test]
fn what_a_callback_wrapped_is_bound_to_its_entry() {
    let place = Place::new();
    let hsm = Arc::new(Hsm::default());
    let open = |create| {
        let root = Root::callback(hsm.clone());
        open_at(&place.keyring(), "siv", root, |options| TokenizerOptions { create, ..options })
    };
    let tokenizer = open(true).unwrap();
    tokenizer.rotate().unwrap();
    let text = std::fs::read_to_string(place.keyring()).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let entry = |line: &str| line.splitn(7, ' ').map(str::to_owned).collect::<Vec<_>>();
    let (first, second) = (entry(&lines[4]), entry(&lines[5]));
    lines[4] = [&first[..6], &second[6..]].concat().join(" ");
    std::fs::write(place.keyring(), lines.join("\n") + "\n").unwrap();
    assert_eq!(code(open(false)), Code::Tampered);
}

#[test]
fn threads_share_a_handle_while_it_is_rotated() {
    let place = Place::new();
    let tokenizer = place.make("siv");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..300 {
                    let token = token(&tokenizer, VISA);
                    assert_eq!(number(&tokenizer, &token).unwrap(), VISA);
                }
            });
        }
        for _ in 0..20 {
            tokenizer.rotate().unwrap();
        }
    });
    assert_eq!(tokenizer.status().unwrap().generation, 21);
}

#[test]
fn many_handles_go_on_when_the_arena_has_no_room_for_expanded_keys() {
    let place = Place::new();
    place.make("ff1:0+4");
    let handles: Vec<Tokenizer> = (0..40).map(|_| place.open("ff1:0+4").unwrap()).collect();
    let tokens: Vec<Token> = handles.iter().map(|handle| token(handle, VISA)).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]));
}

const WORKER: &str = "PANSEAL_TEST_WORKER_KEYRING";
const ROTATIONS: u32 = 25;

/// Not a test by itself: what the processes of the next one do.
#[test]
fn worker() {
    let Some(keyring) = std::env::var_os(WORKER).map(PathBuf::from) else { return };
    let root = Root::parse(&format!("file:{}", keyring.with_file_name("root").display())).unwrap();
    let tokenizer = open_at(&keyring, "siv", root, |options| options).unwrap();
    for _ in 0..ROTATIONS {
        tokenizer.rotate().unwrap();
        let token = token(&tokenizer, VISA);
        assert_eq!(number(&tokenizer, &token).unwrap(), VISA);
        println!("token {token}");
    }
}

#[test]
fn two_processes_that_rotate_one_file_lose_nothing() {
    let place = Place::new();
    let tokenizer = place.make("siv");
    let spawn = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "worker", "--nocapture"]).env(WORKER, place.keyring());
        command.stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let workers = [spawn(), spawn(), spawn()];
    let mut tokens = Vec::new();
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        tokens.extend(text.lines().filter_map(|line| Some(line.split_once("token ")?.1.to_owned())));
    }
    assert_eq!(tokens.len(), 3 * ROTATIONS as usize);
    for token in &tokens {
        assert!(
            tokenizer.detokenize(token.as_bytes(), &Expect::default()).is_ok(),
            "a published token is lost"
        );
    }
    let status = tokenizer.status().unwrap();
    assert_eq!(status.generation, 1 + 3 * i64::from(ROTATIONS));
    let ids: Vec<u32> = status.epochs.iter().map(|epoch| epoch.id).collect();
    assert_eq!(ids, (1..=1 + 3 * ROTATIONS).collect::<Vec<_>>());
}

#[test]
#[cfg(target_os = "linux")]
fn a_forked_child_loads_its_keys_again_or_says_that_it_cannot() {
    for root_is_gone in [false, true] {
        let place = Place::new();
        let tokenizer = place.make("siv");
        let token = token(&tokenizer, VISA);
        if root_is_gone {
            std::fs::remove_file(place.path("root")).unwrap();
        }
        // SAFETY: the child uses the handle and leaves.
        let status = unsafe {
            let child = libc::fork();
            if child == 0 {
                let outcome = number(&tokenizer, &token).map_err(|error| error.code());
                let expected =
                    if root_is_gone { outcome == Err(Code::Fork) } else { outcome.as_deref() == Ok(VISA) };
                libc::_exit(if expected { 42 } else { 1 });
            }
            let mut status = 0;
            libc::waitpid(child, &raw mut status, 0);
            status
        };
        assert_eq!(libc::WEXITSTATUS(status), 42, "root_is_gone: {root_is_gone}");
        assert_eq!(number(&tokenizer, &token).unwrap(), VISA, "the parent goes on");
    }
}
