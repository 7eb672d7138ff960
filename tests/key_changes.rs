//! No sequence of key changes, wrong root keys, handles and threads leaves a vault that its root key does not open, and
//! nobody without keys edits the key table unnoticed.

use panseal::card::{Card, CardInput, check};
use panseal::error::{Code, Result};
use panseal::keys::{Root, RootCallback};
use panseal::vault::{OpenOptions, Reuse, TokenizeOptions, Vault};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

const NOW: i64 = 1_800_000_000;
const VISA: &[u8] = b"4242424242424242";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        place.make_root("root");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn make_root(&self, name: &str) -> Root {
        Root::create(&format!("file:{}", self.path(name).display())).unwrap();
        self.root(name)
    }

    fn root(&self, name: &str) -> Root {
        Root::parse(&format!("file:{}", self.path(name).display())).unwrap()
    }

    fn open_under(
        &self,
        root: Root,
        change: impl for<'a> FnOnce(OpenOptions<'a>) -> OpenOptions<'a>,
    ) -> Result<Vault> {
        let url = format!("sqlite:{}", self.path("cards.db").display());
        Vault::open(&change(OpenOptions { create: true, ..OpenOptions::new(&url, root) }))
    }

    fn open(&self, root: &str) -> Result<Vault> {
        self.open_under(self.root(root), |options| options)
    }

    fn sql(&self, sql: &str) {
        rusqlite::Connection::open(self.path("cards.db")).unwrap().execute_batch(sql).unwrap();
    }
}

fn card(number: &[u8]) -> Card<'_> {
    check(&CardInput::new(number, NOW)).unwrap_or_else(|_| panic!("a good card"))
}

fn token(vault: &Vault, number: &[u8]) -> String {
    vault.tokenize(&card(number), &TokenizeOptions::default()).unwrap().token.to_string()
}

/// Whether a token leads to its number.
fn opens(vault: &Vault, token: &str, number: &[u8]) -> bool {
    vault.detokenize(token.as_bytes(), "", "test", 19).unwrap().digits() == number
}

fn code<T>(result: Result<T>) -> Code {
    result.err().expect("a failure").code()
}

/// The number of a place, with its check digit.
fn number(place: usize) -> Vec<u8> {
    let body = format!("42{place:013}");
    let digit = (0..10).find(|digit| panseal::card::luhn_ok(format!("{body}{digit}").as_bytes())).unwrap();
    format!("{body}{digit}").into_bytes()
}

#[test]
fn keys_changed_by_a_handle_that_has_the_old_root_key_are_not_lost() {
    let place = Place::new();
    let vault = place.open("root").unwrap();
    let token = token(&vault, VISA);
    let new = place.make_root("new");
    place.open("root").unwrap().change_root(&new).unwrap();
    // The old root key is still at its place: what it would wrap, nobody could unwrap.
    assert_eq!(code(vault.rotate()), Code::RootKey);
    assert_eq!(code(vault.change_index(&mut |_, _| true)), Code::RootKey);
    assert_eq!(code(vault.change_root(&place.make_root("third"))), Code::RootKey);
    assert!(opens(&vault, &token, VISA), "an open handle goes on");
    assert_eq!(code(place.open("root")), Code::RootKey);
    let reopened = place.open("new").unwrap();
    assert!(opens(&reopened, &token, VISA));
    assert_eq!(reopened.status().unwrap().epochs.len(), 1, "nothing was written");
    // Once the new one is in its place, it is used.
    std::fs::rename(place.path("new"), place.path("root")).unwrap();
    assert_eq!(vault.rotate().unwrap(), 2);
    assert!(opens(&place.open("root").unwrap(), &token, VISA));
}

#[test]
fn a_root_file_that_was_replaced_by_a_wrong_one_changes_nothing() {
    let place = Place::new();
    let vault = place.open("root").unwrap();
    let token = token(&vault, VISA);
    place.make_root("wrong");
    std::fs::rename(place.path("root"), place.path("right")).unwrap();
    std::fs::rename(place.path("wrong"), place.path("root")).unwrap();
    assert_eq!(code(vault.rotate()), Code::RootKey);
    assert_eq!(code(vault.change_index(&mut |_, _| true)), Code::RootKey);
    std::fs::rename(place.path("right"), place.path("root")).unwrap();
    assert_eq!(vault.rotate().unwrap(), 2);
    assert!(opens(&place.open("root").unwrap(), &token, VISA));
}

#[test]
fn two_threads_that_change_root_and_keys_at_once_leave_a_vault_that_opens() {
    let place = Place::new();
    place.make_root("new");
    let vault = place.open("root").unwrap();
    let token = token(&vault, VISA);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..10 {
                vault.change_root(&place.root("new")).unwrap();
                vault.change_root(&place.root("root")).unwrap();
            }
        });
        scope.spawn(|| (0..15).for_each(|_| assert!(vault.rotate().is_ok())));
        scope.spawn(|| (0..5).for_each(|_| drop(vault.change_index(&mut |_, _| true).unwrap())));
    });
    assert!(opens(&vault, &token, VISA));
    assert!(opens(&place.open("root").unwrap(), &token, VISA));
    assert_eq!(code(place.open("new")), Code::RootKey);
}

#[test]
fn a_vault_opens_with_either_root_key_that_it_is_given() {
    let place = Place::new();
    place.make_root("new");
    let both = |first: &str, second: &str| {
        let second = Some(place.root(second));
        place.open_under(place.root(first), |options| OpenOptions { second_root: second, ..options })
    };
    let vault = both("root", "new").unwrap();
    let token = token(&vault, VISA);
    assert_eq!(code(place.open("new")), Code::RootKey, "a vault is made under the first one");
    for changed in [false, true] {
        if changed {
            vault.change_root(&place.root("new")).unwrap();
        }
        for (first, second) in [("root", "new"), ("new", "root"), ("nowhere", "root"), ("new", "nowhere")] {
            let fits = second != "nowhere" || changed;
            let missing = first == "nowhere" && changed;
            match both(first, second) {
                Ok(vault) => assert!(fits && !missing && opens(&vault, &token, VISA)),
                Err(error) => assert!(error.code() == Code::RootKey && (!fits || missing)),
            }
        }
    }
}

#[test]
fn an_edit_of_the_key_table_is_noticed_when_keys_are_next_loaded() {
    let edits = [
        "update fence set version = version + 1",
        "update fence set version = 9223372036854775807",
        "update fence set settings = 1",
        "update epoch set state = 'active', retired_at = 0 where kind = 'epoch' and id = 1;
         update epoch set state = 'decrypt-only' where kind = 'epoch' and id = 2;
         update fence set version = version + 1",
        "update epoch set state = 'destroyed', wrapped = x'' where kind = 'epoch' and id = 1;
         update fence set version = version + 1",
        "delete from epoch where kind = 'epoch' and id = 2; update fence set version = version + 1",
        "insert into epoch select kind, 9, state, check_value, created_at, retired_at, wrapped from epoch
         where kind = 'epoch' and id = 2; update fence set version = version + 1",
        "insert into revoked values ('somebody', 1); update fence set version = version + 1",
        "update fence set mac = zeroblob(32), version = version + 1",
    ];
    for edit in edits {
        let place = Place::new();
        let vault = place.open("root").unwrap();
        vault.rotate().unwrap();
        let before = token(&vault, VISA);
        assert!(opens(&vault, &before, VISA));
        place.sql(edit);
        assert_eq!(code(place.open("root")), Code::Tampered, "{edit}");
        if edit.contains("version") {
            let refused = vault.tokenize(&card(VISA), &TokenizeOptions::default());
            assert_eq!(code(refused), Code::Tampered, "an open handle: {edit}");
        }
        assert_eq!(code(vault.rotate()), Code::Tampered, "nor is it signed: {edit}");
    }
}

#[test]
fn a_whole_foreign_key_table_is_noticed_by_who_remembers_the_commitment() {
    let (place, foreign) = (Place::new(), Place::new());
    std::fs::copy(place.path("root"), foreign.path("root")).unwrap();
    let vault = place.open("root").unwrap();
    let commitment = vault.status().unwrap().commitment;
    foreign.open("root").unwrap().rotate().unwrap();
    place.sql(&format!(
        "attach '{}' as other; delete from fence; delete from epoch;
         insert into fence select * from other.fence; insert into epoch select * from other.epoch",
        foreign.path("cards.db").display()
    ));
    assert_eq!(code(vault.tokenize(&card(VISA), &TokenizeOptions::default())), Code::Tampered);
    let told = place
        .open_under(place.root("root"), |options| OpenOptions { commitment: Some(commitment), ..options });
    assert_eq!(code(told), Code::Tampered);
    assert_ne!(
        place.open("root").unwrap().status().unwrap().commitment,
        commitment,
        "who remembers none cannot"
    );
}

/// Wraps in a way that everybody can: the worst that a host can build.
struct Anybody;

impl RootCallback for Anybody {
    fn wrap(&self, _: &str, _: &str, key: &[u8], out: &mut [u8]) -> Result<usize> {
        out[..key.len()].copy_from_slice(key);
        Ok(key.len())
    }

    fn unwrap(&self, _: &str, _: &str, wrapped: &[u8], out: &mut [u8]) -> Result<usize> {
        out.copy_from_slice(wrapped);
        Ok(wrapped.len())
    }
}

#[test]
fn an_epoch_that_was_injected_beside_a_careless_callback_seals_nothing() {
    let (place, lab) = (Place::new(), Place::new());
    let root = || Root::callback(Arc::new(Anybody));
    let vault = place.open_under(root(), |options| options).unwrap();
    // A key of their own, with all that belongs to it, out of a vault of their own.
    lab.open_under(root(), |options| options).unwrap().rotate().unwrap();
    place.sql(&format!(
        "attach '{}' as lab;
         update epoch set state = 'decrypt-only', retired_at = 1 where kind = 'epoch';
         insert into epoch select * from lab.epoch where kind = 'epoch' and id = 2;
         update fence set version = version + 1",
        lab.path("cards.db").display()
    ));
    assert_eq!(code(vault.tokenize(&card(VISA), &TokenizeOptions::default())), Code::Tampered);
    assert_eq!(code(place.open_under(root(), |options| options)), Code::Tampered);
}

/// So many cards that a change of the index key takes several pages.
const CARDS: usize = 600;

fn full(place: &Place) -> Vault {
    let vault = place.open("root").unwrap();
    let numbers: Vec<Vec<u8>> = (0..CARDS).map(number).collect();
    let cards: Vec<_> = numbers.iter().map(|number| card(number)).collect();
    let rows: Vec<_> = cards.iter().map(|card| (card, TokenizeOptions::default())).collect();
    vault.tokenize_many(&rows).unwrap().into_iter().for_each(|row| drop(row.unwrap()));
    vault
}

/// Every card is found, and none is taken for a new one.
fn knows_every_card(vault: &Vault) {
    let reuse = TokenizeOptions { reuse: Reuse::Merchant, ..TokenizeOptions::default() };
    for place in 0..CARDS {
        let number = number(place);
        let pan = panseal::card::Pan::parse(&number, panseal::card::Separators::Dropped).ok().unwrap();
        assert_eq!(vault.find(&pan).unwrap().len(), 1, "card {place}");
        assert!(vault.tokenize(&card(&number), &reuse).unwrap().reused, "card {place}");
    }
    let status = vault.status().unwrap();
    assert_eq!((status.cards, status.unindexed), (CARDS as u64, 0));
}

#[test]
fn runs_of_change_index_that_overlap_and_stop_keep_every_fingerprint() {
    let place = Place::new();
    let vault = full(&place);
    let (at_its_end, wait_for_end) = mpsc::channel();
    let (go_on, wait_to_go_on) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let slow = place.open("root").unwrap();
        scope.spawn(move || {
            let mut pages = 0;
            slow.change_index(&mut |_, _| {
                pages += 1;
                if pages == 2 {
                    at_its_end.send(()).unwrap();
                    wait_to_go_on.recv().unwrap();
                }
                true
            })
            .unwrap();
        });
        // The first one is at its last page; the second joins and completes it; the third begins anew and is stopped.
        wait_for_end.recv().unwrap();
        vault.change_index(&mut |_, _| true).unwrap();
        assert_eq!(code(vault.change_index(&mut |_, _| false)), Code::Callback);
        go_on.send(()).unwrap();
    });
    knows_every_card(&vault);
    vault.change_index(&mut |_, _| true).unwrap();
    knows_every_card(&vault);
    assert_eq!(vault.status().unwrap().index.iter().filter(|key| key.is_live()).count(), 1);
}

#[test]
fn fingerprints_that_were_lost_are_made_again_by_the_next_run_and_status_tells() {
    let place = Place::new();
    let vault = full(&place);
    place.sql("delete from card_fp where (fingerprint > x'80')");
    let lost = vault.status().unwrap().unindexed;
    assert!(lost > 100 && lost < CARDS as u64 - 100, "{lost}");
    vault.change_index(&mut |_, _| true).unwrap();
    knows_every_card(&vault);
}

#[test]
fn a_vault_that_requires_an_actor_gives_no_number_to_nobody() {
    let place = Place::new();
    let vault = place.open("root").unwrap();
    let other = place.open("root").unwrap();
    let token = token(&vault, VISA);
    vault.set_require_actor(true).unwrap();
    for vault in [&vault, &other, &place.open("root").unwrap()] {
        assert_eq!(code(vault.detokenize(token.as_bytes(), "", "test", 19)), Code::Argument);
        assert!(vault.detokenize(token.as_bytes(), "till-3", "test", 19).is_ok());
        assert!(vault.status().unwrap().require_actor);
    }
    vault.set_require_actor(false).unwrap();
    assert!(opens(&other, &token, VISA));
}

/// Counts what it is asked for.
#[derive(Default)]
struct Counting(AtomicU32);

impl RootCallback for Counting {
    fn wrap(&self, id: &str, context: &str, key: &[u8], out: &mut [u8]) -> Result<usize> {
        Anybody.wrap(id, context, key, out)
    }

    fn unwrap(&self, id: &str, context: &str, wrapped: &[u8], out: &mut [u8]) -> Result<usize> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Anybody.unwrap(id, context, wrapped, out)
    }
}

#[test]
fn keys_are_unwrapped_once_and_an_old_epochs_when_a_row_asks_for_it() {
    let place = Place::new();
    let counting = Arc::new(Counting::default());
    let open = || place.open_under(Root::callback(counting.clone()), |options| options).unwrap();
    let vault = open();
    let token = token(&vault, VISA);
    (0..20).for_each(|_| assert!(vault.rotate().is_ok()));
    let asked = |work: &dyn Fn()| {
        let before = counting.0.load(Ordering::Relaxed);
        work();
        counting.0.load(Ordering::Relaxed) - before
    };
    let fresh = open();
    assert_eq!(asked(&|| drop(open())), 4, "the active epoch, and the index, table and audit key");
    assert_eq!(asked(&|| assert!(opens(&fresh, &token, VISA))), 1, "the epoch of that row");
    assert_eq!(asked(&|| assert!(opens(&fresh, &token, VISA))), 0);
    vault.destroy(7).unwrap();
    assert_eq!(asked(&|| drop(fresh.tokenize(&card(VISA), &TokenizeOptions::default()).unwrap())), 0);
}
