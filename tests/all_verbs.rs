//! All verbs of a vault at once, key changes included, from four processes of three threads each that are killed again
//! and again: nothing acknowledged is lost, no number is wrong, no card is there twice or cannot be found, and the vault
//! opens.
#![cfg(unix)]

#[path = "support/promised.rs"]
mod promised;
mod support;
mod verbs;

use promised::Place;
use std::fs;
use verbs::{Site, is_child, judge, run, worker};

#[test]
fn all_verbs_at_once_keep_every_promise_in_a_file() {
    if is_child() {
        return;
    }
    let place = Place::sqlite();
    let sql = |sql: &str| place.sql().query_row(sql, [], |row| row.get(0)).unwrap();
    run("all_verbs_at_once_keep_every_promise_in_a_file", &Site::of(&place), &mut { sql });
}

/// A vault in which one thread has done a bit of everything, and what the judge says after a plant.
fn judged_after(plant: impl FnOnce(&Place)) -> judge::Faults {
    let place = Place::sqlite();
    let site = Site::of(&place);
    let vault = place.open();
    worker::fill(&site, &vault);
    worker::alone(&site, &vault, 200);
    drop(vault);
    plant(&place);
    judge::judge(&site, &mut |sql| place.sql().query_row(sql, [], |row| row.get(0)).unwrap()).0
}

fn edit(place: &Place, sql: &str) {
    place.sql().execute_batch(sql).unwrap();
}

#[test]
fn the_judge_finds_nothing_where_nothing_is_wrong() {
    assert_eq!(judged_after(|_| {}).lines(), [""; 0]);
}

#[test]
fn the_judge_finds_a_token_that_is_lost() {
    let lose = "delete from instrument where card = (select max(card) from instrument)";
    assert!(judged_after(|place| edit(place, lose)).has("lost"));
}

#[test]
fn the_judge_finds_a_card_that_is_there_twice() {
    let faults = judged_after(|place| {
        edit(place, "delete from card_fp");
        let vault = place.open();
        for number in verbs::pool::OLD.map(|place| promised::number(place as usize)).take(5) {
            vault.tokenize(&promised::card(&number), &Default::default()).unwrap();
        }
    });
    for kind in ["card rows", "not found by its number", "half there", "not asked for"] {
        assert!(faults.has(kind), "{kind}: {:?}", faults.lines());
    }
}

#[test]
fn the_judge_finds_a_number_that_is_not_on_record() {
    let faults = judged_after(|place| edit(place, "delete from audit where action = 4"));
    assert!(faults.has("read without a line"), "{:?}", faults.lines());
}

#[test]
fn the_judge_finds_a_vault_that_no_root_key_opens() {
    let faults = judged_after(|place| {
        fs::remove_file(place.folder.path().join("cards.root")).unwrap();
        panseal::keys::Root::create(&place.root).unwrap();
    });
    assert!(faults.has("does not open"), "{:?}", faults.lines());
}
