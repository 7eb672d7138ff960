//! Whoever copies a vault's database has no card number, no name, no metadata and no key: not in its files, not in its
//! log, not in a dump, in no encoding. The same search finds what is planted there.
#![cfg(unix)]

#[path = "support/promised.rs"]
mod promised;
#[allow(dead_code, reason = "files are searched here, not memory")]
#[path = "support/residue.rs"]
mod residue;
mod support;

use panseal::card::{CardInput, check};
use panseal::keys::aead::{self, Aad};
use panseal::vault::{Change, Reuse, TokenizeOptions, Vault};
use promised::{NOW, Place, number};
use residue::{Needle, Search, key_needles, number_needles, text_needles};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Texts that stand nowhere else.
const NAMES: [&str; 3] = ["QXJWVK ZKQJXWB", "WVKXQZ BJKXQWZ", "ZZKQWV XJQKWVB"];
const METADATA: [&str; 3] = ["jwqxkvorder-one", "jwqxkvorder-two", "jwqxkvorder-three"];
const EXTRA: &str = "vkwqxj-extra-bytes";
const CUSTOMER: &str = "qqwjxk@customer.example";

/// All that a vault does with a card, with numbers that are random in every run.
fn put_everything_in(vault: &Vault) -> Vec<String> {
    let numbers: Vec<String> = (0..40).map(|_| number(promised::random(10_000_000) as usize)).collect();
    vault.create_customer("c-1", "ref-1", &format!("{{\"email\":\"{CUSTOMER}\"}}")).unwrap();
    let other = vault.merchant("m2").unwrap();
    for (place, number) in numbers.iter().enumerate() {
        let card = card_of(number, NAMES[place % 2]);
        let key = format!("key-{place}");
        let metadata = format!("{{\"note\":\"{}\"}}", METADATA[place % 2]);
        let options = TokenizeOptions {
            scheme: Some(["random", "random:uuid", "surrogate:0+4"][place % 3].parse().unwrap()),
            reuse: [Reuse::Never, Reuse::Merchant][place % 2],
            idempotency_key: &key,
            metadata: &metadata,
            extra: EXTRA.as_bytes(),
            ..TokenizeOptions::of("c-1")
        };
        let made = vault.tokenize(&card, &options).unwrap();
        let token = made.token.as_str().as_bytes();
        vault.tokenize_many(&[(&card, TokenizeOptions::default()); 3]).unwrap();
        other.tokenize(&card, &options).unwrap();
        vault.detokenize(token, "till-3", "refund 7", 19).unwrap();
        let change = Change {
            name: Some(NAMES[2]),
            metadata: Some(&format!("{{\"n\":\"{}\"}}", METADATA[2])),
            ..Change::default()
        };
        vault.update(token, &change).unwrap();
        vault.find(card.number()).unwrap();
        match place % 4 {
            0 => vault.delete(token).unwrap(),
            1 => drop(vault.deactivate(token).unwrap()),
            _ => {}
        }
    }
    vault.update_customer("c-1", |data| Ok(data.to_ascii_uppercase())).unwrap();
    vault.rotate().unwrap();
    vault.rewrap(&mut |_, _| true).unwrap();
    vault.change_index(&mut |_, _| true).unwrap();
    for number in &numbers {
        vault.tokenize(&card_of(number, NAMES[0]), &TokenizeOptions::default()).unwrap();
    }
    numbers
}

fn card_of<'a>(number: &'a str, name: &'a str) -> panseal::card::Card<'a> {
    let name = Some(name.as_bytes());
    let input = CardInput { expiry: Some((12, 2030)), name, ..CardInput::new(number.as_bytes(), NOW) };
    check(&input).unwrap_or_else(|_| panic!("a good card"))
}

/// A key as the store has it: kind, id, made at, wrapped.
type Wrapped = (String, i64, i64, Vec<u8>);

/// The root key and the keys that it opens, whose check is that they open at all.
fn keys(place: &Place, vault: &[u8], wrapped: &[Wrapped]) -> Vec<(String, Vec<u8>)> {
    let text = fs::read_to_string(place.folder.path().join("cards.root")).unwrap();
    let root = unhex(text.trim());
    let mut keys = vec![("the root key".to_owned(), root.clone())];
    for (kind, id, created_at, blob) in wrapped.iter().filter(|key| !key.3.is_empty()) {
        let header =
            Aad::new("panseal/wrap/1").unwrap().field(vault).unwrap().field(kind.as_bytes()).unwrap();
        let header = header.number(*id).unwrap().number(0).unwrap().number(*created_at).unwrap();
        let mut key = [0; 32];
        // A byte says how it is wrapped, five which root key has.
        aead::open(&root, &header, &blob[6..], &mut key).expect("a key under the root key");
        keys.push((format!("{kind} key {id}"), key.to_vec()));
    }
    keys
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Everything secret in every form, and each form as a dump writes bytes: in hexadecimal digits, small and large.
fn search(numbers: &[String], keys: &[(String, Vec<u8>)]) -> Search {
    let mut needles = Vec::new();
    for number in numbers {
        needles.extend(number_needles("a number", number.as_bytes()));
    }
    for text in NAMES.iter().chain(&METADATA).chain([&EXTRA, &CUSTOMER]) {
        needles.extend(text_needles(text, text.as_bytes()));
    }
    for (name, key) in keys {
        needles.extend(key_needles(name, key));
        let text = hex(key);
        needles.extend(text_needles(&format!("{name}, in hexadecimal"), text.as_bytes()));
        for (shift, form) in ["base64", "base64, one byte on", "base64, two bytes on"].into_iter().enumerate()
        {
            needles.push(Needle { secret: name.clone(), form, bytes: residue::base64_inside(key, shift) });
        }
    }
    let as_dumped = |needle: &Needle| {
        let digits = hex(&needle.bytes);
        [digits.to_ascii_uppercase(), digits].map(|digits| Needle {
            secret: needle.secret.clone(),
            form: "dumped",
            bytes: digits.into_bytes(),
        })
    };
    let dumped: Vec<Needle> = needles.iter().flat_map(as_dumped).collect();
    needles.extend(dumped);
    Search::new(needles)
}

/// Which secrets lie where, in words, over all files below a folder.
fn found_in(folder: &Path, search: &Search) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(found_in(&path, search));
        } else {
            found.extend(found_in_bytes(&fs::read(&path).unwrap(), &path.display().to_string(), search));
        }
    }
    found
}

fn found_in_bytes(bytes: &[u8], place: &str, search: &Search) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    search.each(bytes, |_, needle| {
        let needle = &search.needles()[needle];
        found.insert(format!("{} as {} in {place}", needle.secret, needle.form));
    });
    found
}

/// What is planted into the audit trail, which is not sealed, to be found: a form, and the text that has it.
fn leaks(number: &str, key: &[u8]) -> [(&'static str, String); 5] {
    [
        ("ASCII", number.to_owned()),
        ("hexadecimal", hex(number.as_bytes())),
        ("base64", String::from_utf8(residue::base64_inside(number.as_bytes(), 0)).unwrap()),
        ("first 12 in ASCII", hex(key)),
        ("upper case", NAMES[1].to_owned()),
    ]
}

fn is_found(found: &BTreeSet<String>, form: &str, place: &str) {
    let says = |line: &String| line.contains(&format!(" as {form} ")) && line.contains(place);
    assert!(found.iter().any(says), "{form} is not found in {place}: {found:#?}");
}

/// A line of another merchant's in the audit trail, which is not sealed.
const PLANT: &str = "insert into audit (merchant, chain, seq, at, actor, action, token, reason, mac)
                     select 3, 1, count(*), 1, '', 1, '{id}', '{leak}', '{id}' from audit";

#[test]
fn an_sqlite_file_its_log_and_its_dump_hold_no_secret() {
    let place = Place::sqlite();
    let vault = place.open();
    let numbers = put_everything_in(&vault);
    let sql = place.sql();
    let id: Vec<u8> = sql.query_row("select vault from fence", [], |row| row.get(0)).unwrap();
    let wrapped: Vec<Wrapped> = sql
        .prepare("select kind, id, created_at, wrapped from epoch")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap()
        .map(|key| key.unwrap())
        .collect();
    let keys = keys(&place, &id, &wrapped);
    assert_eq!(
        keys.len(),
        1 + 2 + 3,
        "the root key, two epochs, the index key in force, table and audit key"
    );
    let search = search(&numbers, &keys);
    // It does not belong beside the vault anyway.
    fs::remove_file(place.folder.path().join("cards.root")).unwrap();
    let (log, take_in) = (place.folder.path().join("cards.db-wal"), "pragma wal_checkpoint(truncate)");
    assert!(fs::metadata(&log).unwrap().len() > 100_000, "the log is there");
    assert_eq!(found_in(place.folder.path(), &search), BTreeSet::new());
    sql.query_row(take_in, [], |_| Ok(())).unwrap();
    assert_eq!(fs::metadata(&log).unwrap().len(), 0, "the log was taken in");
    assert_eq!(found_in(place.folder.path(), &search), BTreeSet::new());

    let leaks = leaks(&numbers[7], &keys[1].1);
    for (_, leak) in &leaks {
        let id = hex(&promised::random(u64::MAX).to_be_bytes());
        sql.execute(&PLANT.replace("'{id}'", &format!("x'{id}'")).replace("{leak}", leak), []).unwrap();
    }
    for file in ["cards.db-wal", "cards.db"] {
        let found = found_in(place.folder.path(), &search);
        leaks.iter().for_each(|(form, _)| is_found(&found, form, file));
        sql.query_row(take_in, [], |_| Ok(())).unwrap();
    }
}

#[cfg(feature = "postgres")]
#[test]
fn a_dump_of_postgresql_its_files_and_its_log_hold_no_secret() {
    use support::postgres::{Server, Settings, present};
    if !present("PostgreSQL: no secret in a dump") {
        return;
    }
    let lines = vec![("log_statement", "'all'"), ("log_min_messages", "'debug1'")];
    let server = Server::new(&Settings { lines, ..Settings::default() });
    let place = Place::at(|_| server.url());
    let vault = place.open();
    let numbers = put_everything_in(&vault);
    let key = |line: &str| {
        let words: Vec<&str> = line.split('|').collect();
        (words[0].to_owned(), words[1].parse().unwrap(), words[2].parse().unwrap(), unhex(words[3]))
    };
    let wrapped = server.sql("select kind, id, created_at, encode(wrapped, 'hex') from panseal.epoch");
    let wrapped: Vec<Wrapped> = wrapped.lines().map(key).collect();
    let id = unhex(&server.sql("select encode(vault, 'hex') from panseal.fence"));
    let keys = keys(&place, &id, &wrapped);
    assert_eq!(
        keys.len(),
        1 + 2 + 3,
        "the root key, two epochs, the index key in force, table and audit key"
    );
    let search = search(&numbers, &keys);
    let everywhere = || {
        server.sql("checkpoint");
        let mut found = found_in(server.data(), &search);
        for (place, text) in [("the dump", server.dump()), ("the log", server.whole_log())] {
            assert!(text.len() > 10_000, "{place} has {} bytes", text.len());
            found.extend(found_in_bytes(text.as_bytes(), place, &search));
        }
        found
    };
    assert!(server.whole_log().contains("insert into idempotency"), "the log has what was asked");
    assert_eq!(everywhere(), BTreeSet::new());

    let leaks = leaks(&numbers[7], &keys[1].1);
    for (_, leak) in &leaks {
        let id = hex(&promised::random(u64::MAX).to_be_bytes());
        let plant = PLANT.replace("'{id}'", &format!("'\\x{id}'")).replace("{leak}", leak);
        server.sql(&format!("set search_path to panseal; {plant}"));
    }
    let found = everywhere();
    for place in ["/base/", "/pg_wal/", "the dump", "the log"] {
        leaks.iter().for_each(|(form, _)| is_found(&found, form, place));
    }
}
