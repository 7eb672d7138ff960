//! A damaged row of a vault never stops what concerns the others: it is passed over, named, and can be removed.

#[path = "support/promised.rs"]
mod promised;
mod support;

use panseal::card::{Pan, Separators};
use panseal::error::Code;
use panseal::vault::{Damage, DamageKind, Grant, ListQuery, TokenizeOptions, Vault};
use promised::{Place, card, code, digits, file_is_whole, number};
use std::collections::BTreeSet;

/// Where the tables keep what is sealed.
const SEALED: [(&str, &str); 4] =
    [("card", "pan"), ("instrument", "sealed"), ("customer", "sealed"), ("credential", "sealed")];

/// Flips a bit at the end of a sealed field, in so many rows of a table.
fn damage(place: &Place, table: &str, count: usize) {
    let column = SEALED.iter().find(|(name, _)| *name == table).expect("a table").1;
    edit_sealed(place, table, count, |sealed| *sealed.last_mut().unwrap() ^= 1, column);
}

fn edit_sealed(place: &Place, table: &str, count: usize, edit: impl Fn(&mut Vec<u8>), column: &str) {
    let sql = place.sql();
    let mut read = sql.prepare(&format!("select {column} from {table} limit {count}")).unwrap();
    let rows = read.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    for was in rows.collect::<Result<Vec<_>, _>>().unwrap() {
        let mut edited = was.clone();
        edit(&mut edited);
        let write = format!("update {table} set {column} = ?1 where {column} = ?2");
        assert_eq!(sql.execute(&write, [edited, was]).unwrap(), 1);
    }
}

fn count(place: &Place, table: &str) -> i64 {
    place.sql().query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap()
}

/// A vault of two merchants, each with as many cards of one token each, kept until then.
fn filled(cards: usize, keep_until: i64) -> (Place, Vault, Vault) {
    let place = Place::sqlite();
    let vault = place.open();
    let other = vault.merchant("shop").unwrap();
    for vault in [&vault, &other] {
        let numbers: Vec<String> = (0..cards).map(number).collect();
        let good: Vec<_> = numbers.iter().map(|number| card(number)).collect();
        let options = TokenizeOptions { keep_until, ..TokenizeOptions::default() };
        let rows: Vec<_> = good.iter().map(|card| (card, options)).collect();
        assert!(vault.tokenize_many(&rows).unwrap().iter().all(Result::is_ok));
    }
    (place, vault, other)
}

fn pan(place: usize) -> Pan {
    Pan::parse(number(place).as_bytes(), Separators::Dropped).unwrap_or_else(|_| panic!("a card number"))
}

fn tokens(vault: &Vault) -> Vec<String> {
    let query = ListQuery { limit: 1000, ..ListQuery::default() };
    vault.list(&query).unwrap().iter().map(|shown| shown.token.to_string()).collect()
}

/// The tokens that cannot be looked up.
fn lost(vault: &Vault) -> BTreeSet<String> {
    let all = tokens(vault).into_iter();
    all.filter(|token| vault.lookup(token.as_bytes()).is_err()).collect()
}

fn ids(damaged: &[Damage]) -> BTreeSet<String> {
    damaged.iter().map(|row| row.id.to_string()).collect()
}

fn kinds(damaged: &[Damage]) -> Vec<DamageKind> {
    damaged.iter().map(|row| row.kind).collect()
}

#[test]
fn a_damaged_row_does_not_keep_what_has_expired() {
    let (place, vault, other) = filled(250, 1);
    damage(&place, "instrument", 2);
    let bad: BTreeSet<String> = lost(&vault).into_iter().chain(lost(&other)).collect();
    assert_eq!(bad.len(), 2);
    let (ours, theirs) = (vault.purge_expired().unwrap(), other.purge_expired().unwrap());
    assert_eq!(ours.instruments + theirs.instruments, 498);
    assert_eq!(ids(&ours.damaged).union(&ids(&theirs.damaged)).cloned().collect::<BTreeSet<_>>(), bad);
    assert!(ours.damaged.iter().all(|row| row.kind == DamageKind::Instrument && row.merchant.is_empty()));
    assert!(theirs.damaged.iter().all(|row| &*row.merchant == "shop"));
    for row in ours.damaged {
        vault.delete(row.id.as_bytes()).unwrap();
    }
    for row in theirs.damaged {
        other.delete(row.id.as_bytes()).unwrap();
    }
    assert_eq!((count(&place, "instrument"), count(&place, "card"), count(&place, "card_fp")), (0, 0, 0));
    assert_eq!(vault.purge_expired().unwrap().damaged, []);
}

#[test]
fn a_damaged_row_is_listed_as_one_and_hides_no_other() {
    let (place, vault, _) = filled(30, 0);
    damage(&place, "instrument", 3);
    damage(&place, "card", 2);
    let listed = vault.list(&ListQuery { limit: 1000, ..ListQuery::default() }).unwrap();
    assert_eq!((listed.len(), vault.count(&ListQuery::default()).unwrap()), (30, 30));
    let bad = lost(&vault);
    for shown in &listed {
        assert_eq!(shown.damaged, bad.contains(shown.token.as_str()));
        if shown.damaged {
            let (masked, network) = (shown.masked.as_str(), shown.network.name());
            assert_eq!((masked, network, shown.active, shown.expiry), ("", "UNKNOWN", false, None));
        } else {
            assert_eq!(shown.masked.as_str().len(), 16);
        }
    }
    let details = vault.list_details(&ListQuery { limit: 1000, ..ListQuery::default() }).unwrap();
    for (shown, details) in details {
        assert_eq!(details.name(), if shown.damaged { "" } else { "ADA BYRON" });
    }
    assert_eq!(code(vault.lookup(bad.first().unwrap().as_bytes())), Code::Tampered);
}

/// A credential, a customer and 300 cards, one row of each kind damaged.
fn one_of_each() -> (Place, Vault) {
    let (place, vault, _) = filled(300, 0);
    vault.create_customer("c-1", "", "{}").unwrap();
    vault.create_customer("c-2", "", "{}").unwrap();
    for id in ["k-1", "k-2"] {
        vault.grant_signing(&Grant { dialect: "webpay", ..Grant::default() }, id, b"key").unwrap();
    }
    for (table, _) in SEALED {
        damage(&place, table, 1);
    }
    (place, vault)
}

const ALL_FOUR: [DamageKind; 4] =
    [DamageKind::Card, DamageKind::Instrument, DamageKind::Customer, DamageKind::Credential];

#[test]
fn a_damaged_row_keeps_no_other_under_an_old_epoch() {
    let (_place, vault) = one_of_each();
    assert_eq!(vault.rotate().unwrap(), 2);
    let rewrapped = vault.rewrap(&mut |_, _| true).unwrap();
    assert_eq!((rewrapped.sealed, kinds(&rewrapped.damaged)), (1200, ALL_FOUR.to_vec()));
    assert_eq!(
        vault.rewrap(&mut |_, _| true).unwrap().damaged,
        rewrapped.damaged,
        "they stay where they are"
    );
    assert_eq!(code(vault.destroy(1)), Code::Epoch, "nobody gives a row up without saying so");
    assert_eq!(vault.destroy_even_if_damaged(1).unwrap(), rewrapped.damaged);
    assert_eq!(code(vault.destroy_even_if_damaged(1)), Code::Epoch);
    // Now they name an epoch that is gone, and are no less damaged for that.
    assert_eq!(vault.rewrap(&mut |_, _| true).unwrap().damaged, rewrapped.damaged);
    assert_eq!(vault.check_vault(&mut |_, _| true).unwrap().damaged, rewrapped.damaged);
}

#[test]
fn an_epoch_that_a_whole_row_needs_is_not_destroyed_even_so() {
    let (_place, vault) = one_of_each();
    vault.rotate().unwrap();
    assert_eq!(code(vault.destroy_even_if_damaged(1)), Code::Epoch, "nothing is rewrapped yet");
    assert_eq!(code(vault.destroy_even_if_damaged(2)), Code::Epoch, "it is active");
    assert_eq!(code(vault.destroy_even_if_damaged(7)), Code::Epoch, "it is not there");
    let token = tokens(&vault).into_iter().find(|token| vault.lookup(token.as_bytes()).is_ok()).unwrap();
    assert!(digits(&vault, &token).is_ok());
}

#[test]
fn a_damaged_card_keeps_no_other_under_an_old_index_key() {
    let (place, vault, other) = filled(300, 0);
    damage(&place, "card", 2);
    let changed = vault.change_index(&mut |_, _| true).unwrap();
    assert_eq!((changed.generation, kinds(&changed.damaged)), (2, vec![DamageKind::Card; 2]));
    let found =
        |vault: &Vault| (0..300).filter(|place| !vault.find(&pan(*place)).unwrap().is_empty()).count();
    assert_eq!(found(&vault) + found(&other), 598);
    assert_eq!(count(&place, "card_fp"), 598);
    assert_eq!(vault.status().unwrap().index.iter().filter(|key| key.is_live()).count(), 1);
}

#[test]
fn a_damaged_instrument_is_deleted_and_its_card_with_the_last_one() {
    let (place, vault, other) = filled(1, 0);
    for number in [number(0), number(0)] {
        vault.tokenize(&card(&number), &TokenizeOptions::default()).unwrap();
    }
    damage(&place, "card", 2);
    let all = tokens(&vault);
    assert_eq!((all.len(), lost(&vault).len()), (3, 3));
    for (place_of, token) in all.iter().enumerate() {
        assert_eq!(count(&place, "card"), 2, "{place_of} of 3 are gone");
        vault.delete(token.as_bytes()).unwrap();
        assert_eq!(code(vault.lookup(token.as_bytes())), Code::Token);
        assert_eq!(code(vault.delete(token.as_bytes())), Code::Token);
    }
    assert_eq!((count(&place, "card"), count(&place, "card_fp")), (1, 1));
    other.delete(tokens(&other)[0].as_bytes()).unwrap();
    file_is_whole(&place.sql());
    vault.tokenize(&card(&number(0)), &TokenizeOptions::default()).unwrap();
}

#[test]
fn an_instrument_without_its_card_is_deleted_too() {
    let (place, vault, _) = filled(3, 0);
    place.sql().execute_batch("delete from card").unwrap();
    assert!(vault.list(&ListQuery::default()).unwrap().iter().all(|shown| shown.damaged));
    for token in tokens(&vault) {
        vault.delete(token.as_bytes()).unwrap();
    }
    assert_eq!(vault.count(&ListQuery::default()).unwrap(), 0);
}

#[test]
fn a_check_names_each_kind_of_damage_and_changes_nothing() {
    use DamageKind::*;
    let in_an_unknown_epoch = |place: &Place| {
        edit_sealed(place, "instrument", 1, |sealed| sealed[1] ^= 0x40, "sealed");
    };
    let of_no_known_form = |place: &Place| {
        edit_sealed(place, "instrument", 1, |sealed| sealed[0] = 9, "sealed");
    };
    let sql = |sql: &'static str| move |place: &Place| place.sql().execute_batch(sql).unwrap();
    type Plant<'p> = &'p dyn Fn(&Place);
    let plants: [(Plant, &[DamageKind]); 8] = [
        (&|_| {}, &[]),
        (&|place| damage(place, "card", 1), &[Card]),
        (&|place| damage(place, "instrument", 2), &[Instrument, Instrument]),
        (&in_an_unknown_epoch, &[Instrument]),
        (&of_no_known_form, &[Instrument]),
        (&sql("delete from card_fp where card = (select min(id) from card)"), &[NoFingerprint]),
        (&sql("delete from card where id = (select min(id) from card)"), &[NoCard]),
        (&sql("delete from instrument where card = (select min(id) from card)"), &[NoInstrument]),
    ];
    for (place_of, (plant, expected)) in plants.into_iter().enumerate() {
        let (place, vault, _) = filled(10, 0);
        plant(&place);
        let mut told = (0, 0);
        let report = vault
            .check_vault(&mut |done, total| {
                told = (done, total);
                true
            })
            .unwrap();
        assert_eq!(kinds(&report.damaged), expected, "plant {place_of}");
        assert_eq!(report.rows, (count(&place, "card") + count(&place, "instrument")) as u64);
        assert_eq!(told, (report.rows, report.rows));
        assert_eq!(vault.check_vault(&mut |_, _| true).unwrap(), report);
    }
}

#[test]
fn a_check_that_is_stopped_says_so() {
    let (_place, vault, _) = filled(300, 0);
    assert_eq!(code(vault.check_vault(&mut |_, _| false)), Code::Callback);
}
