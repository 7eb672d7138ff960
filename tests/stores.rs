//! What a vault promises on every store: one suite, run on SQLite, in memory and on PostgreSQL.

#[path = "support/credential_promises.rs"]
mod credential_promises;
mod support;

use credential_promises::*;
use panseal::card::{Card, CardInput, Expiry, Pan, Separators, check};
use panseal::error::{Code, Error, Param, Result};
use panseal::keys::Root;
use panseal::scheme::Scheme;
use panseal::vault::{
    AuditQuery, Change, Grant, Instrument, ListQuery, OpenOptions, Operation, Reuse, TokenizeOptions, Vault,
};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const NOW: i64 = 1_800_000_000;
const VISA: &str = "4242424242424242";
const AMEX: &str = "378282246310005";

/// Where the suite's vaults are made, each one new.
struct Place {
    url: String,
    root: String,
    folder: tempfile::TempDir,
    /// Runs SQL behind the vault's back, where that can be done.
    edit: Option<Edit>,
}

type Edit = Box<dyn Fn(&str) + Send + Sync>;

impl Place {
    fn new(url: impl FnOnce(&std::path::Path) -> String) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let root = format!("file:{}", folder.path().join("cards.root").display());
        Root::create(&root).unwrap();
        Place { url: url(folder.path()), root, folder, edit: None }
    }

    fn in_file() -> Place {
        let place = Place::new(|folder| format!("sqlite:{}", folder.join("cards.db").display()));
        let path = place.folder.path().join("cards.db");
        let edit = move |sql: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        Place { edit: Some(Box::new(edit)), ..place }
    }

    fn open(&self) -> Vault {
        self.open_with(|options| options).unwrap()
    }

    fn open_with(&self, change: impl for<'a> FnOnce(OpenOptions<'a>) -> OpenOptions<'a>) -> Result<Vault> {
        let options = OpenOptions {
            create: true,
            actor: "till-1",
            ..OpenOptions::new(&self.url, Root::parse(&self.root).unwrap())
        };
        Vault::open(&change(options))
    }

    /// Whether a second opening leads to the same vault.
    fn lasts(&self) -> bool {
        self.url != "memory:"
    }
}

fn card_of(number: &str, expiry: (i32, i32)) -> Card<'_> {
    let name: Option<&[u8]> = Some(b"ADA BYRON");
    let input = CardInput { expiry: Some(expiry), name, ..CardInput::new(number.as_bytes(), NOW) };
    check(&input).unwrap_or_else(|_| panic!("a good card"))
}

fn card(number: &str) -> Card<'_> {
    card_of(number, (12, 2030))
}

fn pan(number: &str) -> Pan {
    Pan::parse(number.as_bytes(), Separators::Dropped).ok().unwrap()
}

/// Visa numbers of 16 digits, all different.
fn visas(count: usize) -> Vec<String> {
    let number = |place: usize| {
        let body = format!("412345{place:09}");
        let residue = panseal::card::residue(format!("{body}0").as_bytes()).unwrap();
        format!("{body}{}", (10 - residue) % 10)
    };
    (0..count).map(number).collect()
}

fn make(vault: &Vault, number: &str, options: &TokenizeOptions) -> Instrument {
    vault.tokenize(&card(number), options).unwrap()
}

fn text(instrument: &Instrument) -> &[u8] {
    instrument.token.as_str().as_bytes()
}

fn code<T>(result: Result<T>) -> Code {
    result.err().expect("a failure").code()
}

fn digits(vault: &Vault, token: &[u8]) -> String {
    let pan = vault.detokenize(token, "", "test", 19).unwrap();
    String::from_utf8(pan.digits().to_vec()).unwrap()
}

type Promise = (&'static str, fn(&Place));

const PROMISES: &[Promise] = &[
    ("a token leads to its card and back", a_token_leads_to_its_card_and_back),
    ("merchants do not see each other's tokens", merchants_do_not_see_each_others_tokens),
    ("a vault opened again has what was stored", a_vault_opened_again_has_what_was_stored),
    ("the same card is stored once", the_same_card_is_stored_once),
    ("reuse gives the newest active token of before", reuse_gives_the_newest_active_token_of_before),
    ("the newest token is the one that was made last", the_newest_token_is_the_one_made_last),
    ("reuse takes over a later expiry and a name", reuse_takes_over_a_later_expiry_and_a_name),
    ("an idempotency key gives the first result", an_idempotency_key_gives_the_first_result),
    ("many cards have an outcome each", many_cards_have_an_outcome_each),
    ("cards of one call know of each other", cards_of_one_call_know_of_each_other),
    ("a list goes on behind the last token", a_list_goes_on_behind_the_last_token),
    ("an instrument can be changed", an_instrument_can_be_changed),
    ("a token out of use can be put back", a_token_out_of_use_can_be_put_back),
    ("a card goes with its last instrument", a_card_goes_with_its_last_instrument),
    ("what is kept too long is purged", what_is_kept_too_long_is_purged),
    ("a surrogate is never issued twice", a_surrogate_is_never_issued_twice),
    ("a surrogate needs a check digit", a_surrogate_needs_a_check_digit),
    ("a card is found by its number", a_card_is_found_by_its_number),
    ("metadata comes back and holds no card number", metadata_comes_back_and_holds_no_card_number),
    ("no card number is kept in the clear", no_card_number_is_kept_in_the_clear),
    ("customers are kept", customers_are_kept),
    ("a customer has no more tokens than allowed", a_customer_has_no_more_tokens_than_allowed),
    ("the audit trail tells what was done", the_audit_trail_tells_what_was_done),
    ("the guard sees every operation and may refuse it", the_guard_sees_every_operation),
    ("rotated, rewrapped, destroyed: every card is there", rotated_rewrapped_destroyed),
    ("a rewrap that is stopped goes on", a_rewrap_that_is_stopped_goes_on),
    ("the index key is changed under writers", the_index_key_is_changed_under_writers),
    ("keys are rotated under writers", keys_are_rotated_under_writers),
    ("the root key is changed", the_root_key_is_changed),
    ("an older vault is noticed by its generation", an_older_vault_is_noticed_by_its_generation),
    ("writers with the same cards make each card once", writers_with_the_same_cards_make_each_card_once),
    ("status counts what is there", status_counts_what_is_there),
    ("a bearer key leads to what it stands for", a_bearer_key_leads_to_what_it_stands_for),
    ("a signing key is lent by its id", a_signing_key_is_lent_to_those_who_know_its_id),
    (
        "a credential is revoked by its merchant alone",
        a_credential_can_be_revoked_and_listed_by_its_merchant_alone,
    ),
    ("credentials are listed page by page", credentials_are_listed_page_by_page),
    ("an edited credential does not open", a_credential_that_was_edited_does_not_open),
    ("credentials go on through every change of keys", credentials_go_on_through_every_change_of_keys),
    ("the first is told that it is the first", the_first_is_told_that_it_is_the_first),
    ("of many at once one is the first", of_many_at_once_one_is_the_first),
    ("a token is claimed once", a_token_is_claimed_once_and_its_own_notes_stay),
    ("of many owners at once one has the token", of_many_owners_at_once_one_has_the_token),
];

/// Runs every promise in a vault of its own, and names all that are broken.
fn keep_promises(place: impl Fn() -> Place) {
    let only = std::env::var("PANSEAL_PROMISE").unwrap_or_default();
    let broken: Vec<&str> = PROMISES
        .iter()
        .filter(|(promise, _)| promise.contains(&only))
        .filter(|(promise, keep)| {
            let place = place();
            let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| keep(&place)));
            println!("{promise}: {}", if kept.is_ok() { "kept" } else { "BROKEN" });
            kept.is_err()
        })
        .map(|(promise, _)| *promise)
        .collect();
    assert!(broken.is_empty(), "broken: {broken:#?}");
}

#[test]
fn sqlite_keeps_every_promise() {
    keep_promises(Place::in_file);
}

#[test]
fn memory_keeps_every_promise() {
    keep_promises(|| Place::new(|_| "memory:".into()));
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_keeps_every_promise() {
    postgres_with("read committed");
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_keeps_every_promise_in_serializable_transactions() {
    postgres_with("serializable");
}

/// A database for every vault: all are in the schema `panseal`.
#[cfg(feature = "postgres")]
fn postgres_with(isolation: &'static str) {
    use support::postgres::{Server, Settings, present};
    if !present("stores on PostgreSQL") {
        return;
    }
    let isolation: &'static str = format!("'{isolation}'").leak();
    let lines = vec![("default_transaction_isolation", isolation)];
    let server = Arc::new(Server::new(&Settings { lines, ..Settings::default() }));
    let databases = AtomicUsize::new(0);
    keep_promises(|| {
        let name = format!("vault{}", databases.fetch_add(1, Ordering::Relaxed));
        server.sql(&format!("create database {name}"));
        let place = Place::new(|_| server.url_of(&name));
        let server = Arc::clone(&server);
        let edit = move |sql: &str| drop(server.sql_in(&name, &format!("set search_path to panseal; {sql}")));
        Place { edit: Some(Box::new(edit)), ..place }
    });
}

fn a_token_leads_to_its_card_and_back(place: &Place) {
    let vault = place.open();
    for scheme in ["random", "random:uuid", "surrogate:6+4", "surrogate:0+0"] {
        let scheme: Scheme = scheme.parse().unwrap();
        for number in [VISA, AMEX] {
            let options = TokenizeOptions { scheme: Some(scheme), ..TokenizeOptions::of("c-1") };
            let made = make(&vault, number, &options);
            assert_eq!(digits(&vault, text(&made)), number);
            let found = vault.lookup(text(&made)).unwrap();
            assert_eq!((found.masked.as_str(), &*found.customer), (made.masked.as_str(), "c-1"));
            assert_eq!(found.expiry, Some(Expiry::new(12, 2030).unwrap()));
            assert_eq!(vault.details(text(&made)).unwrap().1.name(), "ADA BYRON");
        }
    }
    for token in [&b"nonsense"[..], b"", &[b'a'; 48], VISA.as_bytes()] {
        assert_eq!(code(vault.lookup(token)), Code::Token);
    }
}

fn merchants_do_not_see_each_others_tokens(place: &Place) {
    let vault = place.open();
    let other = vault.merchant("m2").unwrap();
    let options = TokenizeOptions { reuse: Reuse::Merchant, ..TokenizeOptions::default() };
    let (mine, theirs) = (make(&vault, VISA, &options), make(&other, VISA, &options));
    assert_ne!(mine.token, theirs.token);
    assert_eq!(code(other.lookup(text(&mine))), Code::Token);
    assert_eq!(code(other.delete(text(&mine))), Code::Token);
    assert_eq!(code(other.update(text(&mine), &Change::default())), Code::Token);
    assert_eq!(other.list(&ListQuery::default()).unwrap().len(), 1);
    assert_eq!(other.find(&pan(VISA)).unwrap()[0].token, theirs.token);
}

fn a_vault_opened_again_has_what_was_stored(place: &Place) {
    if !place.lasts() {
        return;
    }
    let made = make(&place.open(), VISA, &TokenizeOptions::default());
    assert_eq!(digits(&place.open(), text(&made)), VISA);
}

fn the_same_card_is_stored_once(place: &Place) {
    let vault = place.open();
    let tokens: HashSet<String> =
        (0..3).map(|_| make(&vault, VISA, &TokenizeOptions::default()).token.to_string()).collect();
    let status = vault.status().unwrap();
    assert_eq!((tokens.len(), status.cards, status.instruments), (3, 1, 3));
}

fn reuse_gives_the_newest_active_token_of_before(place: &Place) {
    let vault = place.open();
    let of = |customer, reuse| TokenizeOptions { reuse, ..TokenizeOptions::of(customer) };
    let first = make(&vault, VISA, &of("c-1", Reuse::Merchant));
    assert!(!first.reused);
    let again = make(&vault, VISA, &of("c-2", Reuse::Merchant));
    assert_eq!((again.token, again.reused, &*again.customer), (first.token, true, "c-1"));
    let second = make(&vault, VISA, &of("c-2", Reuse::Customer));
    assert_ne!(second.token, first.token);
    assert_eq!(make(&vault, VISA, &of("c-2", Reuse::Customer)).token, second.token);
    vault.deactivate(text(&first)).unwrap();
    vault.deactivate(text(&second)).unwrap();
    let third = make(&vault, VISA, &of("c-2", Reuse::Merchant));
    assert!(!third.reused, "an inactive one is not reused");
    let scheme = Some("random:uuid".parse().unwrap());
    let uuid = make(&vault, VISA, &TokenizeOptions { scheme, ..of("c-2", Reuse::Merchant) });
    assert!(!uuid.reused, "one of another token scheme is not reused");
    assert_eq!(code(vault.tokenize(&card(VISA), &of("", Reuse::Customer))), Code::Argument);
}

/// Within a second too.
fn the_newest_token_is_the_one_made_last(place: &Place) {
    let vault = place.open();
    let (visa, fresh) = (card(VISA), TokenizeOptions::default());
    let reuse = TokenizeOptions { reuse: Reuse::Merchant, ..fresh };
    let mut made = Vec::new();
    for _ in 0..6 {
        let outcomes = vault.tokenize_many(&[(&visa, fresh); 3]).unwrap();
        made.extend(outcomes.into_iter().map(|outcome| outcome.unwrap().token));
        made.push(make(&vault, VISA, &fresh).token);
        assert_eq!(Some(&make(&vault, VISA, &reuse).token), made.last());
    }
    let found: Vec<_> = vault.find(&pan(VISA)).unwrap().iter().map(|found| found.token).collect();
    made.reverse();
    assert_eq!(found, made);
    let outcomes = vault.tokenize_many(&[(&visa, fresh), (&visa, fresh), (&visa, reuse)]).unwrap();
    assert_eq!(outcomes[2].as_ref().unwrap().token, outcomes[1].as_ref().unwrap().token);
    let now = panseal::vault::now();
    assert!(
        vault.find(&pan(VISA)).unwrap().iter().all(|found| (now - 100..=now).contains(&found.created_at))
    );
}

fn reuse_takes_over_a_later_expiry_and_a_name(place: &Place) {
    let vault = place.open();
    let options = TokenizeOptions { reuse: Reuse::Merchant, ..TokenizeOptions::default() };
    let first = vault.tokenize(&card_of(VISA, (6, 2029)), &options).unwrap();
    let later = vault.tokenize(&card_of(VISA, (7, 2030)), &options).unwrap();
    assert_eq!((later.token, later.expiry), (first.token, Some(Expiry::new(7, 2030).unwrap())));
    let earlier = vault.tokenize(&card_of(VISA, (1, 2029)), &options).unwrap();
    assert_eq!((earlier.token, earlier.expiry), (first.token, later.expiry));
    let input = CardInput {
        expiry: Some((7, 2030)),
        name: Some(b"ADA LOVELACE"),
        ..CardInput::new(VISA.as_bytes(), NOW)
    };
    vault.tokenize(&check(&input).ok().unwrap(), &options).unwrap();
    let (found, details) = vault.details(text(&first)).unwrap();
    assert_eq!((details.name(), found.expiry), ("ADA LOVELACE", later.expiry));
}

fn an_idempotency_key_gives_the_first_result(place: &Place) {
    let vault = place.open();
    let with = |idempotency_key| TokenizeOptions { idempotency_key, ..TokenizeOptions::default() };
    let first = make(&vault, VISA, &with("k-1"));
    let again = make(&vault, VISA, &with("k-1"));
    assert_eq!((again.token, first.reused, again.reused), (first.token, false, true));
    assert_ne!(make(&vault, VISA, &with("k-2")).token, first.token);
    assert_eq!(code(vault.tokenize(&card(AMEX), &with("k-1"))), Code::Conflict);
    assert_eq!(vault.find(&pan(AMEX)).unwrap().len(), 0, "a conflict stores nothing");
    let other = vault.merchant("m2").unwrap();
    assert!(!make(&other, AMEX, &with("k-1")).reused, "another merchant's keys are others");
    vault.purge_expired().unwrap();
    assert_eq!(make(&vault, VISA, &with("k-1")).token, first.token, "kept for a day");
    vault.delete(text(&first)).unwrap();
    assert_eq!(code(vault.tokenize(&card(VISA), &with("k-1"))), Code::Token);
}

fn many_cards_have_an_outcome_each(place: &Place) {
    let vault = place.open();
    let numbers = visas(300);
    let cards: Vec<Card> = numbers.iter().map(|number| card(number)).collect();
    let mut rows: Vec<(&Card, TokenizeOptions)> =
        cards.iter().map(|card| (card, TokenizeOptions::of("c-1"))).collect();
    rows[7].1.metadata = "[]";
    rows[8].1.customer = "\n";
    rows[9].1.customer_limit = Some(3);
    let outcomes = vault.tokenize_many(&rows).unwrap();
    for (place, (outcome, number)) in outcomes.iter().zip(&numbers).enumerate() {
        match (place, outcome) {
            (7, Err(error)) => {
                assert_eq!(error.violations().iter().next().unwrap().param, Param::Metadata);
            }
            (8 | 9, Err(error)) => assert_eq!(error.code(), Code::Argument),
            (_, outcome) => assert_eq!(digits(&vault, text(outcome.as_ref().unwrap())), *number),
        }
    }
    assert_eq!(vault.status().unwrap().instruments, 297);
    assert!(vault.tokenize_many(&[]).unwrap().is_empty());
    let too_many = vec![rows[0]; panseal::vault::MANY_MAX + 1];
    assert_eq!(code(vault.tokenize_many(&too_many)), Code::Limit);
}

fn cards_of_one_call_know_of_each_other(place: &Place) {
    let vault = place.open();
    let (visa, amex) = (card(VISA), card(AMEX));
    let reuse = TokenizeOptions { reuse: Reuse::Merchant, ..TokenizeOptions::default() };
    let key = |idempotency_key| TokenizeOptions { idempotency_key, ..TokenizeOptions::default() };
    let rows = [
        (&visa, reuse),
        (&visa, reuse),
        (&visa, TokenizeOptions::default()),
        (&amex, key("k")),
        (&amex, key("k")),
        (&visa, key("k")),
        (&visa, TokenizeOptions { idempotency_key: "l", ..reuse }),
    ];
    let outcomes = vault.tokenize_many(&rows).unwrap();
    let token = |place: usize| outcomes[place].as_ref().unwrap().token;
    assert_eq!(token(0), token(1));
    assert_ne!(token(0), token(2));
    assert_eq!(token(3), token(4));
    assert_eq!(outcomes[5].as_ref().err().unwrap().code(), Code::Conflict);
    assert!([token(0), token(2)].contains(&token(6)));
    let status = vault.status().unwrap();
    assert_eq!((status.cards, status.instruments), (2, 3));
    assert_eq!(make(&vault, VISA, &key("l")).token, token(6), "the key of a reuse is remembered");
}

fn a_list_goes_on_behind_the_last_token(place: &Place) {
    let vault = place.open();
    let numbers = visas(25);
    let mut made = HashMap::new();
    for (place, number) in numbers.iter().enumerate() {
        let customer = if place % 5 == 0 { "c-5" } else { "c-1" };
        let instrument = make(&vault, number, &TokenizeOptions::of(customer));
        made.insert(instrument.token.to_string(), place);
    }
    let mut seen = Vec::new();
    loop {
        let after = seen.last().cloned();
        let page =
            vault.list(&ListQuery { after: after.as_deref(), limit: 10, ..ListQuery::default() }).unwrap();
        seen.extend(page.iter().map(|instrument| instrument.token.to_string()));
        if page.len() < 10 {
            break;
        }
    }
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 25);
    assert!(seen.iter().all(|token| made.contains_key(token)) && seen.len() == 25);
    let of_customer = ListQuery { customer: Some("c-5"), ..ListQuery::default() };
    let page = vault.list(&of_customer).unwrap();
    assert!(page.len() == 5 && page.iter().all(|found| made[found.token.as_str()] % 5 == 0));
    assert_eq!(vault.count(&of_customer).unwrap(), 5);
    vault.deactivate(text(&page[0])).unwrap();
    for (active, count) in [(None, 5), (Some(true), 4), (Some(false), 1)] {
        let query = ListQuery { active, ..of_customer };
        assert_eq!(vault.list(&query).unwrap().len() as u64, count);
        assert_eq!(vault.count(&query).unwrap(), count);
    }
    let rest = vault.list(&ListQuery { offset: 20, limit: 10, ..ListQuery::default() }).unwrap();
    assert_eq!(rest.iter().map(|found| found.token.to_string()).collect::<Vec<_>>(), seen[20..]);
    assert_eq!(vault.list_details(&of_customer).unwrap()[0].1.name(), "ADA BYRON");
    assert_eq!(code(vault.list(&ListQuery { limit: 1001, ..ListQuery::default() })), Code::Limit);
}

fn an_instrument_can_be_changed(place: &Place) {
    let vault = place.open();
    let made = make(&vault, VISA, &TokenizeOptions::of("c-1"));
    let change = Change {
        expiry: Some(Expiry::new(1, 2035).unwrap()),
        name: Some("GRACE HOPPER"),
        customer: Some("c-2"),
        metadata: Some(r#"{"order":"8"}"#),
        keep_until: Some(NOW * 2),
        extra: Some(b"\x00extra\xff"),
    };
    let changed = vault.update(text(&made), &change).unwrap();
    let (found, details) = vault.details(text(&made)).unwrap();
    assert_eq!((changed.expiry, &*changed.customer), (found.expiry, "c-2"));
    assert_eq!((found.keep_until, found.created_at), (NOW * 2, made.created_at));
    assert_eq!((details.name(), details.metadata()), ("GRACE HOPPER", r#"{"order":"8"}"#));
    assert_eq!(details.extra(), b"\x00extra\xff");
    assert_eq!(digits(&vault, text(&made)), VISA);
    vault.update(text(&made), &Change::default()).unwrap();
    assert_eq!(vault.details(text(&made)).unwrap().1.name(), "GRACE HOPPER", "the rest stays");
    let refused = Change { metadata: Some(r#"{"pan":"4242 4242 4242 4242"}"#), ..Change::default() };
    assert_eq!(code(vault.update(text(&made), &refused)), Code::Card);
}

fn a_token_out_of_use_can_be_put_back(place: &Place) {
    let vault = place.open();
    let made = make(&vault, VISA, &TokenizeOptions::default());
    assert!(!vault.deactivate(text(&made)).unwrap().active);
    assert_eq!(code(vault.detokenize(text(&made), "", "test", 19)), Code::Inactive);
    assert!(vault.reactivate(text(&made)).unwrap().active);
    assert_eq!(digits(&vault, text(&made)), VISA);
}

fn a_card_goes_with_its_last_instrument(place: &Place) {
    let vault = place.open();
    let (a, b) =
        (make(&vault, VISA, &TokenizeOptions::default()), make(&vault, VISA, &TokenizeOptions::default()));
    vault.delete(text(&a)).unwrap();
    assert_eq!(vault.status().unwrap().cards, 1);
    assert_eq!(code(vault.lookup(text(&a))), Code::Token);
    assert_eq!(digits(&vault, text(&b)), VISA);
    vault.delete(text(&b)).unwrap();
    let status = vault.status().unwrap();
    assert_eq!((status.cards, status.instruments), (0, 0));
    assert_eq!(code(vault.delete(text(&b))), Code::Token);
    assert!(vault.find(&pan(VISA)).unwrap().is_empty());
    assert_eq!(digits(&vault, text(&make(&vault, VISA, &TokenizeOptions::default()))), VISA);
}

fn what_is_kept_too_long_is_purged(place: &Place) {
    let vault = place.open();
    let keep = |keep_until| TokenizeOptions { keep_until, ..TokenizeOptions::default() };
    let numbers = visas(120);
    for number in &numbers {
        make(&vault, number, &keep(1_000));
    }
    let (kept, later) = (make(&vault, &numbers[0], &keep(0)), make(&vault, AMEX, &keep(i64::MAX)));
    let purged = vault.purge_expired().unwrap();
    assert_eq!((purged.instruments, purged.cards), (120, 119));
    assert_eq!(digits(&vault, text(&kept)), numbers[0]);
    assert_eq!(digits(&vault, text(&later)), AMEX);
    assert_eq!(vault.purge_expired().unwrap().instruments, 0);
}

fn a_surrogate_is_never_issued_twice(place: &Place) {
    let vault = place.open();
    let scheme = Some("surrogate:8+4".parse().unwrap());
    let options = TokenizeOptions { scheme, ..TokenizeOptions::default() };
    let visa = card(VISA);
    let mut tokens = HashSet::new();
    for _ in 0..9 {
        for outcome in vault.tokenize_many(&[(&visa, options); 1000]).unwrap() {
            assert!(tokens.insert(outcome.unwrap().token.to_string()));
        }
    }
    assert_eq!(tokens.len(), 9_000, "every one there is");
    assert!(tokens.iter().all(|token| token.starts_with("42424242") && token.ends_with("4242")));
    assert_eq!(code(vault.tokenize(&visa, &options)), Code::Exhausted);
    vault.delete(tokens.iter().next().unwrap().as_bytes()).unwrap();
    assert_eq!(code(vault.tokenize(&visa, &options)), Code::Exhausted, "a purged one is not issued again");
    assert!(vault.tokenize(&visa, &TokenizeOptions::default()).is_ok());
}

fn a_surrogate_needs_a_check_digit(place: &Place) {
    let vault = place.open();
    let scheme = Some("surrogate:6+4".parse().unwrap());
    let union_pay = card("6212345678900000003");
    let options = TokenizeOptions { scheme, ..TokenizeOptions::default() };
    assert_eq!(code(vault.tokenize(&union_pay, &options)), Code::Network);
    let scheme = Some("surrogate:7+4".parse().unwrap());
    let options = TokenizeOptions { scheme, ..TokenizeOptions::default() };
    assert_eq!(code(vault.tokenize(&card(AMEX), &options)), Code::Domain);
}

fn a_card_is_found_by_its_number(place: &Place) {
    let vault = place.open();
    assert!(vault.find(&pan(VISA)).unwrap().is_empty());
    let made: HashSet<String> =
        (0..3).map(|_| make(&vault, VISA, &TokenizeOptions::default()).token.to_string()).collect();
    make(&vault, AMEX, &TokenizeOptions::default());
    let found = vault.find(&pan("4242 4242 4242 4242")).unwrap();
    assert_eq!(found.iter().map(|found| found.token.to_string()).collect::<HashSet<_>>(), made);
}

fn metadata_comes_back_and_holds_no_card_number(place: &Place) {
    let vault = place.open();
    for size in [2, 40, 64, 1000, 4096] {
        let metadata = format!("{{\"a\":\"{}\"}}", "x".repeat(size.max(8) - 8));
        let options = TokenizeOptions { metadata: &metadata, extra: &[7; 100], ..TokenizeOptions::default() };
        let made = make(&vault, VISA, &options);
        let (_, details) = vault.details(text(&made)).unwrap();
        assert_eq!((details.metadata(), details.extra()), (&*metadata, &[7; 100][..]));
    }
    let metadata = r#"{"note":"his card is 4242 4242 4242 4242"}"#;
    let options = TokenizeOptions { metadata, ..TokenizeOptions::default() };
    assert_eq!(code(vault.tokenize(&card(AMEX), &options)), Code::Card);
    let extra = vec![0; 4097];
    let options = TokenizeOptions { extra: &extra, ..TokenizeOptions::default() };
    assert_eq!(code(vault.tokenize(&card(AMEX), &options)), Code::Limit);
}

/// As a customer, a key, an actor, a reason: refused, and nothing of it is there.
fn no_card_number_is_kept_in_the_clear(place: &Place) {
    let vault = place.open();
    let made = make(&vault, VISA, &TokenizeOptions::of("c-1"));
    let before = (vault.status().unwrap().instruments, vault.audit(&AuditQuery::default()).unwrap().len());
    for number in [VISA, AMEX, "4242-4242-4242-4242", "card 4242 4242 4242 4242"] {
        let refused = |what: &str, error: Option<Error>| {
            let error = error.unwrap_or_else(|| panic!("{what} was taken"));
            let violation = error.violations().iter().next().expect("a violation");
            assert_eq!((error.code(), violation.code), (Code::Card, Code::Charset), "{what}");
        };
        refused("a customer", vault.tokenize(&card(AMEX), &TokenizeOptions::of(number)).err());
        let keyed = TokenizeOptions { idempotency_key: number, ..TokenizeOptions::default() };
        refused("a key", vault.tokenize(&card(AMEX), &keyed).err());
        let change = Change { customer: Some(number), ..Change::default() };
        refused("another customer", vault.update(text(&made), &change).err());
        refused("an actor", vault.detokenize(text(&made), number, "refund", 19).err());
        refused("a reason", vault.detokenize(text(&made), "", number, 19).err());
        refused("a reason", vault.detokenize(text(&made), "", &format!("x{AMEX}x"), 19).err());
        refused("a handle's actor", place.open_with(|options| OpenOptions { actor: VISA, ..options }).err());
        refused("a customer's id", vault.create_customer(number, "", "{}").err());
        refused("a reference", vault.create_customer("c-1", number, "{}").err());
        refused("an owner", claim(&vault, text(&made), number, "i-1").err());
        refused("a subject", vault.grant(&Grant { subject: number, ..GRANT }).err());
        refused("a credential", vault.grant_signing(&GRANT, number, b"key").err());
    }
    let after = (vault.status().unwrap().instruments, vault.audit(&AuditQuery::default()).unwrap().len());
    assert_eq!(after, before, "what was refused left a trace");
    for id in ["4242424242424241", "4242424242424242a4f1c0de77aa01e2"] {
        let options = TokenizeOptions { idempotency_key: id, ..TokenizeOptions::of(id) };
        assert!(vault.tokenize(&card(AMEX), &options).is_ok(), "{id} is no card number");
    }
}

fn customers_are_kept(place: &Place) {
    let vault = place.open();
    let made = vault.create_customer("c-1", "ref-1", r#"{"email":"ada@example.org"}"#).unwrap();
    vault.create_customer("c-2", "", "{}").unwrap();
    vault.create_customer("c-3", "", "{}").unwrap();
    assert_eq!(code(vault.create_customer("c-1", "", "{}")), Code::Conflict);
    assert_eq!(code(vault.create_customer("c-4", "ref-1", "{}")), Code::Conflict);
    assert_eq!(code(vault.create_customer("c-4", "", "4242424242424242")), Code::Card);
    assert!(vault.customer("c-1").unwrap() == Some(made.clone()));
    assert!(vault.customer_by_reference("ref-1").unwrap() == Some(made));
    assert!(vault.customer("c-4").unwrap().is_none());
    let changed = vault.update_customer("c-1", |data| Ok(data.replace("ada", "grace"))).unwrap();
    assert_eq!((&*changed.data, &*changed.reference), (r#"{"email":"grace@example.org"}"#, "ref-1"));
    assert!(vault.mark_customer_deleted("c-1", true).unwrap().deleted_at > 0);
    assert_eq!(vault.mark_customer_deleted("c-1", false).unwrap().deleted_at, 0);
    let ids = |after, limit| -> Vec<String> {
        vault.customers(after, limit).unwrap().iter().map(|customer| customer.id.to_string()).collect()
    };
    assert_eq!((ids("", 2), ids("c-2", 2)), (vec!["c-1".into(), "c-2".into()], vec!["c-3".to_string()]));
    vault.delete_customer("c-1").unwrap();
    assert_eq!(code(vault.delete_customer("c-1")), Code::Token);
    assert_eq!(code(vault.update_customer("c-1", |data| Ok(data.into()))), Code::Token);
    assert!(vault.merchant("m2").unwrap().customer("c-2").unwrap().is_none());
}

fn a_customer_has_no_more_tokens_than_allowed(place: &Place) {
    let vault = place.open();
    vault.create_customer("c-1", "", "{}").unwrap();
    let options = TokenizeOptions { customer_limit: Some(4), ..TokenizeOptions::of("c-1") };
    let numbers = visas(12);
    let (made, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for number in &numbers {
            scope.spawn(|| match vault.tokenize(&card(number), &options) {
                Ok(_) => made.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    assert_eq!(error.code(), Code::Limit);
                    refused.fetch_add(1, Ordering::Relaxed)
                }
            });
        }
    });
    assert_eq!((made.into_inner(), refused.into_inner()), (4, 8));
    let page = vault.list(&ListQuery { customer: Some("c-1"), ..ListQuery::default() }).unwrap();
    vault.deactivate(text(&page[0])).unwrap();
    assert!(vault.tokenize(&card(AMEX), &options).is_ok());
}

fn the_audit_trail_tells_what_was_done(place: &Place) {
    let vault = place.open();
    let made = make(&vault, VISA, &TokenizeOptions::default());
    vault.detokenize(text(&made), "till-3", "refund 7", 19).unwrap();
    vault.deactivate(text(&made)).unwrap();
    vault.merchant("m2").unwrap().tokenize(&card(AMEX), &TokenizeOptions::default()).unwrap();
    vault.rotate().unwrap();
    let lines = vault.audit(&AuditQuery::default()).unwrap();
    let told: Vec<(&str, &str, &str)> =
        lines.iter().map(|line| (line.action(), line.actor(), line.reason())).collect();
    let expected = [
        ("tokenize", "till-1", ""),
        ("detokenize", "till-3", "refund 7"),
        ("deactivate", "till-1", ""),
        ("rotate", "till-1", ""),
    ];
    assert_eq!(told, expected);
    assert!(lines[..3].iter().all(|line| line.token() == made.token.as_str() && line.at() > NOW / 2));
    let rest = vault.audit(&AuditQuery { after: Some(lines[1].id()), ..AuditQuery::default() }).unwrap();
    assert!(rest == lines[2..]);
    let token = Some(made.token.as_str());
    assert_eq!(vault.audit(&AuditQuery { token, limit: 2, ..AuditQuery::default() }).unwrap().len(), 2);
}

fn the_guard_sees_every_operation(place: &Place) {
    let vault = place.open();
    let made = make(&vault, VISA, &TokenizeOptions::default());
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    vault.set_guard(Some(Arc::new(move |operation: &Operation| {
        counter.fetch_add(1, Ordering::Relaxed);
        operation.kind != "find" && (operation.merchant, operation.actor) == ("m2", "till-1")
    })));
    assert_eq!(code(vault.lookup(text(&made))), Code::Callback);
    assert_eq!(code(vault.detokenize(text(&made), "", "test", 19)), Code::Callback);
    assert_eq!(code(vault.tokenize(&card(AMEX), &TokenizeOptions::default())), Code::Callback);
    let other = vault.merchant("m2").unwrap();
    assert_eq!(code(other.find(&pan(VISA))), Code::Callback);
    make(&other, AMEX, &TokenizeOptions::default());
    assert_eq!(seen.load(Ordering::Relaxed), 5);
    vault.set_guard(None);
    assert_eq!(vault.find(&pan(AMEX)).unwrap().len(), 0, "what was refused was not done");
}

fn rotated_rewrapped_destroyed(place: &Place) {
    let vault = place.open();
    let other = vault.merchant("m2").unwrap();
    let mut made = Vec::new();
    for (place, number) in visas(600).iter().enumerate() {
        let vault = if place % 2 == 0 { &vault } else { &other };
        made.push((place % 2, make(vault, number, &TokenizeOptions::of("c-1")), number.clone()));
    }
    vault.create_customer("c-1", "", "{}").unwrap();
    assert_eq!(vault.rotate().unwrap(), 2);
    made.push((0, make(&vault, AMEX, &TokenizeOptions::default()), AMEX.into()));
    assert_eq!(code(vault.destroy(1)), Code::Epoch, "rows need it");
    assert_eq!(code(vault.destroy(2)), Code::Epoch, "it is active");
    assert_eq!(code(vault.destroy(9)), Code::Epoch, "it is not there");
    let mut told = Vec::new();
    let sealed = vault.rewrap(&mut |done, total| {
        told.push((done, total));
        true
    });
    assert_eq!(sealed.unwrap().sealed, 1201);
    assert_eq!(told.last(), Some(&(1203, 1203)));
    vault.destroy(1).unwrap();
    assert_eq!(code(vault.destroy(1)), Code::Epoch);
    for (merchant, instrument, number) in &made {
        let vault = if *merchant == 0 { &vault } else { &other };
        assert_eq!(digits(vault, text(instrument)), *number);
    }
    assert_eq!(&*vault.customer("c-1").unwrap().unwrap().data, "{}");
    assert_eq!(vault.rewrap(&mut |_, _| true).unwrap().sealed, 0);
}

fn a_rewrap_that_is_stopped_goes_on(place: &Place) {
    let vault = place.open();
    for number in visas(600) {
        make(&vault, &number, &TokenizeOptions::default());
    }
    vault.rotate().unwrap();
    assert_eq!(code(vault.rewrap(&mut |_, _| false)), Code::Callback);
    let status = vault.status().unwrap();
    assert_eq!((status.epochs[0].cards, status.epochs[1].cards), (344, 256));
    assert_eq!(vault.rewrap(&mut |_, _| true).unwrap().sealed, 1200 - 256);
    let status = vault.status().unwrap();
    assert_eq!((status.epochs[0].cards, status.epochs[0].instruments), (0, 0));
}

/// `writers` threads store the same cards again and again while `meanwhile` runs; each card is there once.
fn under_writers(place: &Place, cards: usize, meanwhile: impl FnOnce(&Vault)) {
    let vault = place.open();
    let numbers = visas(cards);
    let options = TokenizeOptions { reuse: Reuse::Merchant, ..TokenizeOptions::default() };
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in 0..4 {
            let (vault, numbers, done) = (&vault, &numbers, &done);
            scope.spawn(move || {
                let mut round = 0;
                while round == 0 || !done.load(Ordering::Acquire) {
                    for place in 0..numbers.len() {
                        let number = &numbers[(place * 7 + writer * 3) % numbers.len()];
                        let made = make(vault, number, &options);
                        assert_eq!(digits(vault, text(&made)), *number);
                    }
                    round += 1;
                }
            });
        }
        let _stop = support::AtEnd(&done);
        meanwhile(&vault);
    });
    let status = vault.status().unwrap();
    assert_eq!((status.cards, status.instruments), (cards as u64, cards as u64));
    for number in &numbers {
        let found = vault.find(&pan(number)).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(digits(&vault, text(&found[0])), *number);
    }
}

fn the_index_key_is_changed_under_writers(place: &Place) {
    under_writers(place, 40, |vault| {
        for generation in [2, 3] {
            assert_eq!(vault.change_index(&mut |_, _| true).unwrap().generation, generation);
        }
        assert_eq!(code(vault.change_index(&mut |_, _| false)), Code::Callback);
        assert_eq!(
            vault.change_index(&mut |_, _| true).unwrap().generation,
            4,
            "it goes on with the key that is there"
        );
        let live: Vec<u32> =
            vault.status().unwrap().index.iter().filter(|key| key.is_live()).map(|key| key.id).collect();
        assert_eq!(live, [4]);
    });
}

fn keys_are_rotated_under_writers(place: &Place) {
    under_writers(place, 30, |vault| {
        for epoch in 1..=3 {
            vault.rotate().unwrap();
            vault.rewrap(&mut |_, _| true).unwrap();
            vault.destroy(epoch).unwrap();
        }
    });
}

fn the_root_key_is_changed(place: &Place) {
    let vault = place.open();
    let made = make(&vault, VISA, &TokenizeOptions::default());
    let new_root = format!("file:{}", place.folder.path().join("new.root").display());
    Root::create(&new_root).unwrap();
    vault.change_root(&Root::parse(&new_root).unwrap()).unwrap();
    assert_eq!(digits(&vault, text(&made)), VISA);
    vault.rotate().unwrap();
    assert_eq!(digits(&vault, text(&made)), VISA);
    if place.lasts() {
        assert_eq!(code(place.open_with(|options| options)), Code::RootKey);
        let again =
            place.open_with(|options| OpenOptions { root: Root::parse(&new_root).unwrap(), ..options });
        assert_eq!(digits(&again.unwrap(), text(&made)), VISA);
    }
}

fn an_older_vault_is_noticed_by_its_generation(place: &Place) {
    let vault = place.open();
    let before = vault.status().unwrap().generation;
    vault.rotate().unwrap();
    let after = vault.status().unwrap().generation;
    assert!(after > before);
    if place.lasts() {
        assert!(place.open_with(|options| OpenOptions { min_generation: after, ..options }).is_ok());
        let newer = place.open_with(|options| OpenOptions { min_generation: after + 1, ..options });
        assert_eq!(code(newer), Code::Tampered);
    }
}

fn writers_with_the_same_cards_make_each_card_once(place: &Place) {
    let handle = place.open();
    let numbers = visas(20);
    thread::scope(|scope| {
        for writer in 0..12 {
            let (handle, numbers) = (&handle, &numbers);
            scope.spawn(move || {
                // Connections of their own, where there are any.
                let vault = if place.lasts() { place.open() } else { handle.merchant("").unwrap() };
                let cards: Vec<Card> = numbers.iter().map(|number| card(number)).collect();
                let rows: Vec<(&Card, TokenizeOptions)> = (0..20)
                    .map(|row| (&cards[(row * 7 + writer) % 20], TokenizeOptions::default()))
                    .collect();
                for outcome in vault.tokenize_many(&rows).unwrap() {
                    outcome.unwrap();
                }
                for place in 0..20 {
                    make(&vault, &numbers[(place * 3 + writer) % 20], &TokenizeOptions::default());
                }
            });
        }
    });
    let status = handle.status().unwrap();
    assert_eq!((status.cards, status.instruments), (20, 12 * 40));
}

fn status_counts_what_is_there(place: &Place) {
    let vault = place.open();
    make(&vault, VISA, &TokenizeOptions::default());
    vault.rotate().unwrap();
    make(&vault, VISA, &TokenizeOptions::default());
    vault.merchant("m2").unwrap().tokenize(&card(VISA), &TokenizeOptions::default()).unwrap();
    vault.create_customer("c-1", "", "{}").unwrap();
    let status = vault.status().unwrap();
    assert_eq!((status.cards, status.instruments, status.epochs.len()), (2, 3, 2));
    let rows: Vec<(u64, u64, u64)> =
        status.epochs.iter().map(|epoch| (epoch.cards, epoch.instruments, epoch.customers)).collect();
    assert_eq!(rows, [(1, 1, 0), (1, 2, 1)]);
    assert!(place.url.starts_with(status.store) && status.schema >= 2);
}
