//! What a vault in an SQLite file survives: the end of its process at any moment, a full disk, a file that cannot be
//! written, was deleted, replaced or edited, and a file that the first release made.
#![cfg(unix)]

#[path = "support/promised.rs"]
mod promised;
mod support;

use panseal::card::{Pan, Separators};
use panseal::error::{Code, Error, Result};
use panseal::keys::Root;
use panseal::vault::{Change, Customer, DamageKind, ListQuery, OpenOptions, Reuse, TokenizeOptions, Vault};
use promised::{Book, Place, card, code, digits, file_is_whole, is_kept, number, packed, random, task};
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const VISA: &str = "4242424242424242";
const AMEX: &str = "378282246310005";

/// How many cards the writers have between them: they are often in each other's way.
const CARDS: usize = 40;
/// How many cards a writer of many stores at once.
const MANY: usize = 7;

// What a killed process leaves.

/// How often the writers are killed, and in how many vaults: a new one is killed while it is made, too.
const KILLS: usize = 200;
const VAULTS: usize = 20;

#[test]
fn every_acknowledged_token_survives_200_kills() {
    const NAME: &str = "every_acknowledged_token_survives_200_kills";
    if let Some(task) = task() {
        return write_until_killed(&task);
    }
    let (mut kept, mut inactive, mut in_its_making) = (0, 0, 0);
    for _ in 0..VAULTS {
        let place = Place::sqlite();
        let mut all = Vec::new();
        for round in 0..KILLS / VAULTS {
            let book = place.folder.path().join(format!("book-{round}"));
            let child = promised::child(
                NAME,
                &[&place.url, &place.root, &book.display().to_string(), &round.to_string()],
            );
            // The first time it may be killed while it makes the vault.
            let latest = if round > 0 { 60_000 } else { 10_000 };
            if round > 0 {
                promised::wait_for_lines(&book, 1);
            }
            thread::sleep(Duration::from_micros(random(latest)));
            promised::kill(child);
            let lines = Book::read(&book);
            in_its_making += usize::from(lines.is_empty());
            // A file that was never finished is made again; one that was is opened, which takes the log in.
            let vault = place.open();
            is_kept(&vault, &lines);
            file_is_whole(&place.sql());
            batches_are_whole(&place);
            customers_are_kept(&vault, &lines);
            all.extend(lines);
        }
        promised::are_still_there(&place.open(), &all);
        kept += all.iter().filter(|line| line[0] == "token").count();
        inactive += all.iter().filter(|line| line[0] == "inactive").count();
    }
    println!("{kept} tokens, {inactive} out of use, {in_its_making} vaults killed before the first");
    assert!(kept > 2 * KILLS && inactive > 0 && in_its_making > 0, "{kept}, {inactive}, {in_its_making}");
}

fn batches_are_whole(place: &Place) {
    let sql = "select count(*) from (select customer from instrument where customer like 'batch-%'
               group by customer having count(*) <> ?1)";
    let broken: i64 = place.sql().query_row(sql, [MANY as i64], |row| row.get(0)).unwrap();
    assert_eq!(broken, 0, "part of a call of many is there");
}

fn customers_are_kept(vault: &Vault, lines: &[Vec<String>]) {
    for line in lines.iter().filter(|line| line[0] == "customer") {
        assert_eq!(&*vault.customer(&line[1]).unwrap().expect("a customer").data, "{}");
    }
}

/// Five kinds of writers on two handles, each of which notes what it was promised.
fn write_until_killed(task: &[String]) {
    let [url, root, book, round] = task else { panic!("no such task: {task:?}") };
    let open = || promised::open(url, root).unwrap();
    let (first, second) = (open(), open());
    let book = Book::at(Path::new(book));
    thread::scope(|scope| {
        scope.spawn(|| one_by_one(&first, &book));
        scope.spawn(|| one_by_one(&second, &book));
        scope.spawn(|| many_at_once(&first, &book, round));
        scope.spawn(|| once_a_card(&second, &book, round));
        scope.spawn(|| new_keys(&first, &book, round));
    });
}

fn one_by_one(vault: &Vault, book: &Book) {
    loop {
        let number = number(random(CARDS as u64) as usize);
        let options = TokenizeOptions { metadata: r#"{"order":"7"}"#, ..TokenizeOptions::of("c-1") };
        let made = vault.tokenize(&card(&number), &options).unwrap();
        book.note(&["token", made.token.as_str(), &number]);
    }
}

fn many_at_once(vault: &Vault, book: &Book, round: &str) {
    for batch in 0.. {
        let customer = format!("batch-{round}-{batch}");
        let numbers: Vec<String> = (0..MANY).map(|_| number(random(CARDS as u64) as usize)).collect();
        let cards: Vec<_> = numbers.iter().map(|number| card(number)).collect();
        let rows: Vec<_> = cards.iter().map(|card| (card, TokenizeOptions::of(&customer))).collect();
        for (outcome, number) in vault.tokenize_many(&rows).unwrap().iter().zip(&numbers) {
            book.note(&["token", outcome.as_ref().unwrap().token.as_str(), number]);
        }
    }
}

/// With reuse and an idempotency key; every third token is taken out of use.
fn once_a_card(vault: &Vault, book: &Book, round: &str) {
    for place in 0.. {
        let number = number(500 + random(CARDS as u64) as usize);
        let key = format!("{round}-{place}");
        let options =
            TokenizeOptions { reuse: Reuse::Merchant, idempotency_key: &key, ..TokenizeOptions::default() };
        let made = vault.tokenize(&card(&number), &options).unwrap();
        if place % 3 == 2 {
            // From here on nobody knows whether it is in use, until it is known that it is not.
            book.note(&["maybe", made.token.as_str()]);
            vault.deactivate(made.token.as_str().as_bytes()).unwrap();
            book.note(&["inactive", made.token.as_str()]);
        } else {
            book.note(&["token", made.token.as_str(), &number]);
        }
    }
}

/// New epochs, new index keys, old ones destroyed, and a customer each time.
fn new_keys(vault: &Vault, book: &Book, round: &str) {
    for turn in 0.. {
        let id = format!("c-{round}-{turn}");
        vault.create_customer(&id, "", "{}").unwrap();
        book.note(&["customer", &id]);
        let epoch = vault.rotate().unwrap();
        vault.rewrap(&mut |_, _| true).unwrap();
        for old in vault.status().unwrap().epochs {
            if old.key.is_live() && old.key.id != epoch {
                vault.destroy(old.key.id).unwrap();
            }
        }
        if turn % 2 == 1 {
            vault.change_index(&mut |_, _| true).unwrap();
        }
    }
}

/// The search for halves finds each that it knows.
#[test]
fn what_is_there_by_half_is_found() {
    let plants = [
        "delete from card where network = 'VISA'",
        "delete from instrument where card = (select id from card where network = 'VISA')",
        "delete from card_fp",
        "delete from card where network = 'AMEX'",
        "delete from audit where action = 1",
        "insert into audit select id, 9, 1, 1, '', 1, x'036e6f626f6479', '', x'' from merchant where name = ''",
        "insert into idempotency select id, 'k', x'036e6f626f6479', 1 from merchant where name = ''",
        "update epoch set state = 'decrypt-only' where kind = 'epoch'",
    ];
    assert_eq!(plants.len(), promised::HALVES.len());
    for (plant, (what, query)) in plants.iter().zip(promised::HALVES) {
        let full = Full::new();
        let sql = full.place.sql();
        file_is_whole(&sql);
        sql.execute_batch(plant).unwrap();
        let found: i64 = sql.query_row(query, [], |row| row.get(0)).unwrap();
        assert!(found > 0, "{what}");
    }
}

#[test]
fn a_rewrap_that_is_killed_is_finished_by_the_next() {
    const NAME: &str = "a_rewrap_that_is_killed_is_finished_by_the_next";
    if let Some(task) = task() {
        let [url, root, book] = &task[..] else { panic!("no such task: {task:?}") };
        let vault = promised::open(url, root).unwrap();
        Book::at(Path::new(book)).note(&["begun"]);
        vault.rewrap(&mut |_, _| true).unwrap();
        return;
    }
    let place = Place::sqlite();
    let vault = place.open();
    let lines = fill(&vault, 1500);
    let mut in_the_middle = 0;
    for round in 0..12 {
        let old = vault.rotate().unwrap() - 1;
        let book = place.folder.path().join(format!("book-{round}"));
        let child = promised::child(NAME, &[&place.url, &place.root, &book.display().to_string()]);
        promised::wait_for_lines(&book, 1);
        thread::sleep(Duration::from_micros(random(40_000)));
        promised::kill(child);
        let left = on_epoch(&vault, old);
        in_the_middle += usize::from(left > 0 && left < 3000);
        vault.rewrap(&mut |_, _| true).unwrap();
        assert_eq!(on_epoch(&vault, old), 0);
        vault.destroy(old).unwrap();
        file_is_whole(&place.sql());
    }
    assert!(in_the_middle > 0, "no rewrap was killed in its middle");
    is_kept(&vault, &lines);
    assert_eq!(vault.status().unwrap().instruments, 1500);
}

/// Stores as many cards, and gives their lines.
fn fill(vault: &Vault, count: usize) -> Vec<Vec<String>> {
    let numbers: Vec<String> = (0..count).map(number).collect();
    let cards: Vec<_> = numbers.iter().map(|number| card(number)).collect();
    let rows: Vec<_> = cards.iter().map(|card| (card, TokenizeOptions::of("c-1"))).collect();
    let outcomes = vault.tokenize_many(&rows).unwrap();
    let line = |(outcome, number): (&Result<panseal::vault::Instrument>, &String)| {
        vec!["token".into(), outcome.as_ref().unwrap().token.to_string(), number.clone()]
    };
    outcomes.iter().zip(&numbers).map(line).collect()
}

fn on_epoch(vault: &Vault, epoch: u32) -> u64 {
    let status = vault.status().unwrap();
    let of = status.epochs.iter().find(|of| of.key.id == epoch).expect("the epoch");
    of.cards + of.instruments + of.customers
}

// What a disk does.

/// A filesystem of so many bytes, for one child alone; where it may not be made, gives nothing.
const SMALL: &str =
    "mount -t tmpfs -o size=1500k tmpfs \"$1\" && cp \"$2\" \"$1\"/cards.root && shift 2 && exec \"$@\"";
/// A folder that can be read only, for one child alone.
const READ_ONLY: &str =
    "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" && shift 1 && exec \"$@\"";

/// The words before a program that give it mounts of its own; without the rights for that, in a namespace where it has
/// them.
fn mounting(script: &str) -> Option<Vec<&str>> {
    let root: &[&str] = &["unshare", "--mount"];
    let user: &[&str] = &["unshare", "--map-root-user", "--mount"];
    let works = |words: &&&[&str]| {
        let try_it = [words[1..].as_ref(), &["mount", "-t", "tmpfs", "tmpfs", "/mnt"]].concat();
        let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        quiet(Command::new(words[0]).args(try_it)).is_ok_and(|status| status.success())
    };
    let words = [root, user].into_iter().find(|words| works(&words))?;
    Some([words, &["sh", "-ec", script, "sh"]].concat())
}

fn must_succeed(mut child: Child) {
    assert!(child.wait().expect("the end of a child").success(), "the child says why");
}

#[test]
fn a_full_disk_is_an_error_and_costs_no_token() {
    const NAME: &str = "a_full_disk_is_an_error_and_costs_no_token";
    if let Some(task) = task() {
        let [folder] = &task[..] else { panic!("no such task: {task:?}") };
        return fill_the_disk(Path::new(folder));
    }
    let place = Place::sqlite();
    let Some(mut words) = mounting(SMALL) else {
        return support::not_run("a vault on a full disk", "no right to mount a small filesystem");
    };
    let (mount, root) = (support::directory(), place.folder.path().join("cards.root"));
    let (mount, root) = (mount.path().display().to_string(), root.display().to_string());
    words.extend([mount.as_str(), root.as_str()]);
    must_succeed(promised::child_under(&words, NAME, &[&mount]));
}

fn fill_the_disk(folder: &Path) {
    let url = format!("sqlite:{}", folder.join("cards.db").display());
    let root = format!("file:{}", folder.join("cards.root").display());
    let vault = promised::open(&url, &root).unwrap();
    let reserve = folder.join("reserve");
    fs::write(&reserve, vec![1; 300_000]).unwrap();
    let mut lines = Vec::new();
    let error = write_until_refused(&vault, &mut lines);
    assert_eq!(error.code(), Code::Store, "{error:?}");
    let full = lines.len();
    assert!(full > 20, "{full} tokens on the disk");
    for line in &lines {
        assert!(vault.lookup(line[1].as_bytes()).is_ok(), "what is there can be read");
    }
    let vaults =
        [vault, promised::open(&url, &root).unwrap_or_else(|error| panic!("opens when full: {error:?}"))];
    assert_eq!(write_until_refused(&vaults[1], &mut lines).code(), Code::Store);
    fs::remove_file(&reserve).unwrap();
    for vault in &vaults {
        lines.push(store(vault, lines.len()).unwrap());
    }
    let again = write_until_refused(&vaults[0], &mut lines);
    assert_eq!(again.code(), Code::Store);
    assert!(lines.len() > full + 2);
    drop(vaults);
    // Closing takes the log into the file, where there is room for that; what is needed is there in any case.
    let sql = rusqlite::Connection::open(folder.join("cards.db")).unwrap();
    file_is_whole(&sql);
    let rows: i64 = sql.query_row("select count(*) from instrument", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, lines.len() as i64, "what was refused is not there, the rest is");
}

/// Stores a card, and gives its line.
fn store(vault: &Vault, place: usize) -> Result<Vec<String>> {
    let number = number(place);
    let metadata = format!("{{\"a\":\"{}\"}}", "x".repeat(3000));
    let options = TokenizeOptions { metadata: &metadata, ..TokenizeOptions::of("c-1") };
    let made = vault.tokenize(&card(&number), &options)?;
    Ok(vec!["token".into(), made.token.to_string(), number])
}

fn write_until_refused(vault: &Vault, lines: &mut Vec<Vec<String>>) -> Error {
    loop {
        match store(vault, lines.len()) {
            Ok(line) => lines.push(line),
            Err(error) => return error,
        }
    }
}

/// A quota as `ulimit -f` sets it: no file grows beyond it. Needs no rights.
#[test]
fn a_file_that_may_not_grow_is_an_error_and_costs_no_token() {
    const NAME: &str = "a_file_that_may_not_grow_is_an_error_and_costs_no_token";
    if let Some(task) = task() {
        let [url, root, book] = &task[..] else { panic!("no such task: {task:?}") };
        let vault = promised::open(url, root).unwrap();
        let mut lines = Vec::new();
        assert_eq!(write_until_refused(&vault, &mut lines).code(), Code::Store);
        assert_eq!(write_until_refused(&vault, &mut lines).code(), Code::Store);
        assert!(vault.lookup(lines[0][1].as_bytes()).is_ok());
        let book = Book::at(Path::new(book));
        lines.iter().for_each(|line| book.note(&line.iter().map(String::as_str).collect::<Vec<_>>()));
        return;
    }
    let place = Place::sqlite();
    let book = place.folder.path().join("book");
    // Blocks of 512 bytes; the signal that comes with the limit is the host's to ignore, as CPython does.
    let words = ["sh", "-ec", "trap '' XFSZ; ulimit -f 1000; exec \"$@\"", "sh"];
    must_succeed(promised::child_under(
        &words,
        NAME,
        &[&place.url, &place.root, &book.display().to_string()],
    ));
    let lines = Book::read(&book);
    let vault = place.open();
    assert_eq!(vault.status().unwrap().instruments, lines.len() as u64);
    is_kept(&vault, &lines);
    assert!(store(&vault, 3).is_ok());
    file_is_whole(&place.sql());
}

#[test]
fn a_file_that_can_only_be_read_is_refused_and_left_as_it_is() {
    const NAME: &str = "a_file_that_can_only_be_read_is_refused_and_left_as_it_is";
    if let Some(task) = task() {
        let [url, root] = &task[..] else { panic!("no such task: {task:?}") };
        for create in [false, true] {
            let opened =
                Vault::open(&OpenOptions { create, ..OpenOptions::new(url, Root::parse(root).unwrap()) });
            assert_eq!(code(opened), Code::Store);
        }
        return;
    }
    let place = Place::sqlite();
    let lines = fill(&place.open(), 3);
    let before = fs::read(place.db()).unwrap();
    let folder = place.folder.path().display().to_string();
    // Root writes whatever a file's mode says, but not on a filesystem that is mounted for reading.
    if support::run(Command::new("id").arg("-u"), support::PATIENCE).stdout.trim() == "0" {
        let Some(mut words) = mounting(READ_ONLY) else {
            return support::not_run("a vault in a file that can only be read", "no right to mount");
        };
        words.push(&folder);
        must_succeed(promised::child_under(&words, NAME, &[&place.url, &place.root]));
    } else {
        let mode = |mode| fs::set_permissions(place.db(), std::os::unix::fs::PermissionsExt::from_mode(mode));
        mode(0o400).unwrap();
        must_succeed(promised::child(NAME, &[&place.url, &place.root]));
        mode(0o600).unwrap();
    }
    assert!(fs::read(place.db()).unwrap() == before, "the file was changed");
    is_kept(&place.open(), &lines);
}

/// No other attempt mends it.
#[test]
fn a_trigger_on_a_table_is_an_error_at_once() {
    let place = Place::sqlite();
    let patience = Duration::from_secs(20);
    let vault =
        place.open_with(|options| OpenOptions { create: true, busy_timeout: patience, ..options }).unwrap();
    place
        .sql()
        .execute_batch("create trigger no before insert on card begin select raise(abort, 'no'); end")
        .unwrap();
    let begun = Instant::now();
    let refused = vault.tokenize(&card(VISA), &TokenizeOptions::default()).unwrap_err();
    assert_eq!(refused.code(), Code::Tampered);
    assert!(begun.elapsed() < patience / 2, "{:?}", begun.elapsed());
    place.sql().execute_batch("drop trigger no").unwrap();
    assert!(vault.tokenize(&card(VISA), &TokenizeOptions::default()).is_ok());
}

/// Moves the database with what lies beside it.
fn move_files(from: &Path, to: &Path) {
    for end in ["", "-wal", "-shm"] {
        let name = |path: &Path| path.with_extension(format!("db{end}"));
        fs::rename(name(from), name(to)).unwrap();
    }
}

#[test]
fn a_reader_notices_that_its_file_is_gone_though_nobody_writes() {
    let place = Place::sqlite();
    let vault = place.open();
    let token = &fill(&vault, 1)[0][1];
    let away = place.folder.path().join("away.db");
    for _ in 0..3 {
        // By a connection that is kept for the next one.
        assert!(vault.lookup(token.as_bytes()).is_ok());
        move_files(&place.db(), &away);
        thread::sleep(Duration::from_millis(2));
        assert_eq!(code(vault.lookup(token.as_bytes())), Code::NotAVault);
        move_files(&away, &place.db());
        assert!(vault.lookup(token.as_bytes()).is_ok(), "the file is back");
    }
}

#[test]
fn a_file_that_was_deleted_takes_no_token() {
    let place = Place::sqlite();
    let vault = place.open();
    let token = &fill(&vault, 1)[0][1];
    let away = place.folder.path().join("away.db");
    move_files(&place.db(), &away);
    assert_eq!(code(vault.tokenize(&card(VISA), &TokenizeOptions::default())), Code::NotAVault);
    assert_eq!(code(vault.lookup(token.as_bytes())), Code::NotAVault);
    assert_eq!(code(digits(&vault, token)), Code::NotAVault);
    assert_eq!(code(vault.rotate()), Code::NotAVault);
    assert_eq!(code(vault.rewrap(&mut |_, _| true)), Code::NotAVault);
    assert!(!place.db().exists(), "no file was made");
    move_files(&away, &place.db());
    assert_eq!(vault.status().unwrap().instruments, 1, "the file is back, and the handle goes on");
    assert!(vault.tokenize(&card(VISA), &TokenizeOptions::default()).is_ok());
}

#[test]
fn an_older_copy_put_back_is_noticed() {
    let place = Place::sqlite();
    let older = place.folder.path().join("older.db");
    let first = place.open();
    let kept = fill(&first, 2);
    // A copy as SQLite makes it, whole and without a log.
    place.sql().execute("vacuum into ?1", [older.display().to_string()]).unwrap();
    first.rotate().unwrap();
    let generation = first.status().unwrap().generation;
    let idle = place.open();
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(place.db().with_extension(format!("db{end}")));
    }
    fs::rename(&older, place.db()).unwrap();
    // Handles that know the newer keys, whichever verb they are asked for.
    let token = kept[0][1].as_bytes();
    assert!(first.tokenize(&card(VISA), &TokenizeOptions::default()).is_err());
    assert_eq!(code(first.tokenize(&card(VISA), &TokenizeOptions::default())), Code::Tampered);
    assert!(idle.detokenize(token, "", "test", 19).is_err());
    assert_eq!(code(idle.detokenize(token, "", "test", 19)), Code::Tampered);
    assert_eq!(code(first.rotate()), Code::Tampered);
    drop((first, idle));
    let opened = |min_generation| place.open_with(|options| OpenOptions { min_generation, ..options });
    assert_eq!(code(opened(generation)), Code::Tampered);
    // Without the generation nobody can tell, and nothing more is claimed.
    is_kept(&opened(generation - 1).unwrap(), &kept);
}

// What an intruder writes into the file.

/// A vault with two instruments that have all that can be sealed, two customers, and a second merchant's of each.
struct Full {
    place: Place,
    vault: Vault,
    a: String,
    b: String,
}

impl Full {
    fn new() -> Full {
        let place = Place::sqlite();
        let vault = place.open();
        let other = vault.merchant("m2").unwrap();
        for handle in [&vault, &other] {
            handle.create_customer("c-1", "ref-1", r#"{"email":"ada@example.org"}"#).unwrap();
            handle.create_customer("c-2", "ref-2", &"x".repeat(700)).unwrap();
        }
        let options = TokenizeOptions {
            metadata: r#"{"order":"7"}"#,
            extra: &[9; 300],
            keep_until: 4_000_000_000,
            ..TokenizeOptions::of("c-1")
        };
        let make = |vault: &Vault, number| vault.tokenize(&card(number), &options).unwrap().token.to_string();
        let (a, b) = (make(&vault, VISA), make(&vault, AMEX));
        make(&other, VISA);
        vault.deactivate(a.as_bytes()).unwrap();
        Full { place, vault, a, b }
    }

    /// Every way to ask for a token that needs what is sealed, with the code of its answer where that is an error.
    fn ask_for(&self, token: &str) -> Vec<(&'static str, Option<Code>)> {
        let (vault, token) = (&self.vault, token.as_bytes());
        fn code<T>(answer: Result<T>) -> Option<Code> {
            answer.err().map(|error| error.code())
        }
        vec![
            ("lookup", code(vault.lookup(token))),
            ("details", code(vault.details(token))),
            ("detokenize", code(vault.detokenize(token, "", "test", 19))),
            ("update", code(vault.update(token, &Change { keep_until: Some(0), ..Change::default() }))),
            ("deactivate", code(vault.deactivate(token))),
            ("reactivate", code(vault.reactivate(token))),
        ]
    }
}

/// Beside the edits of tests/vault.rs: every verb answers, and more columns are edited.
#[test]
fn an_edited_instrument_is_an_error_of_every_verb_that_opens_it() {
    let edits = [
        ("a reactivated token", "update instrument set active = 1 where token = '{a}'"),
        ("a state that is none", "update instrument set active = 2 where token = '{a}'"),
        ("a longer expiry", "update instrument set expiry = 209912 where token = '{a}'"),
        ("an expiry that is none", "update instrument set expiry = -1 where token = '{a}'"),
        ("another customer", "update instrument set customer = 'c-2' where token = '{a}'"),
        ("kept for ever", "update instrument set keep_until = 0 where token = '{a}'"),
        ("over since long", "update instrument set keep_until = 1 where token = '{a}'"),
        (
            "pointed at another card",
            "update instrument set card = (select card from instrument where token = '{b}') where token = '{a}'",
        ),
        ("pointed at no card", "update instrument set card = zeroblob(16) where token = '{a}'"),
        (
            "pointed at the same card of another merchant",
            "update instrument set card = (select id from card where merchant = (select id from merchant where name = 'm2')) where token = '{a}'",
        ),
        (
            "another merchant's",
            "delete from instrument where merchant = (select id from merchant where name = 'm2'); update instrument set merchant = (select id from merchant where name = 'm2') where token = '{a}';
             update instrument set merchant = (select id from merchant where name = '') where token = '{a}';
             update card set merchant = -3 where id = (select card from instrument where token = '{a}');
             update card set pan = (select pan from card where merchant = (select id from merchant where name = 'm2')) where merchant = -3",
        ),
        (
            "swapped seals",
            "create temp table s as select token, sealed from instrument where merchant = (select id from merchant where name = '');
             update instrument set sealed = (select s.sealed from s where s.token <> instrument.token)
             where merchant = (select id from merchant where name = '')",
        ),
        (
            "swapped numbers",
            "create temp table c as select * from card where merchant = (select id from merchant where name = '');
             update card set pan = (select c.pan from c where c.id <> card.id) where merchant = (select id from merchant where name = '')",
        ),
        ("a seal of nothing", "update instrument set sealed = x'0100000001' where token = '{a}'"),
        (
            "a seal as long as can be",
            "update instrument set sealed = cast(x'0100000001' || zeroblob(100000) as blob) where token = '{a}'",
        ),
    ];
    for (what, edit) in edits {
        let full = Full::new();
        let edit = edit.replace("'{a}'", &packed(&full.a)).replace("'{b}'", &packed(&full.b));
        full.place.sql().execute_batch(&edit).unwrap();
        for (verb, answer) in full.ask_for(&full.a) {
            assert_eq!(answer, Some(Code::Tampered), "{what}: {verb}");
        }
        let listed = full.vault.list(&ListQuery::default()).unwrap();
        let shown = listed.iter().find(|shown| shown.token.as_str() == full.a);
        assert!(shown.is_some_and(|shown| shown.damaged && !shown.active), "{what}: list");
        let report = full.vault.check_vault(&mut |_, _| true).unwrap();
        assert!(!report.damaged.is_empty(), "{what}: check");
        full.vault.delete(full.a.as_bytes()).unwrap();
        assert_eq!(code(full.vault.lookup(full.a.as_bytes())), Code::Token, "{what}: delete");
    }
}

#[test]
fn an_edited_instrument_is_neither_reused_nor_purged() {
    let full = Full::new();
    let sql = full.place.sql();
    let reuse = TokenizeOptions { reuse: Reuse::Merchant, ..TokenizeOptions::default() };
    sql.execute(&format!("update instrument set active = 1 where token = {}", packed(&full.a)), []).unwrap();
    assert_eq!(code(full.vault.tokenize(&card(VISA), &reuse)), Code::Tampered);
    let found = full.vault.find(&pan(VISA)).unwrap();
    assert_eq!(
        found.iter().map(|shown| (shown.token.as_str(), shown.damaged)).collect::<Vec<_>>(),
        [(&*full.a, true)]
    );
    sql.execute(&format!("update instrument set keep_until = 1 where token = {}", packed(&full.b)), [])
        .unwrap();
    let purged = full.vault.purge_expired().unwrap();
    assert_eq!((purged.instruments, purged.damaged.len()), (0, 1));
    assert_eq!(*purged.damaged[0].id, full.b);
    let rows: i64 = sql.query_row("select count(*) from instrument", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 3);
}

fn pan(number: &str) -> Pan {
    Pan::parse(number.as_bytes(), Separators::Dropped).ok().unwrap()
}

/// The tables with a sealed field, what tells a row, and what reads it.
type Read = fn(&Full) -> Result<()>;
const SEALS: [(&str, &str, &str, Read); 3] = [
    ("card", "pan", "merchant = (select id from merchant where name = '') and network = 'VISA'", |full| {
        full.vault.lookup(full.a.as_bytes())?;
        full.vault.detokenize(full.a.as_bytes(), "", "test", 19).map(drop)
    }),
    ("instrument", "sealed", "token = '{a}'", |full| full.vault.details(full.a.as_bytes()).map(drop)),
    ("customer", "sealed", "merchant = (select id from merchant where name = '') and id = 'c-2'", |full| {
        full.vault.customer("c-2").map(drop)
    }),
];

#[test]
fn a_byte_flipped_anywhere_in_a_sealed_field_is_an_error() {
    let full = Full::new();
    full.vault.reactivate(full.a.as_bytes()).unwrap();
    let sql = full.place.sql();
    for (table, field, of, read) in SEALS {
        let of = of.replace("'{a}'", &packed(&full.a));
        let select = format!("select {field} from {table} where {of}");
        let sealed: Vec<u8> = sql.query_row(&select, [], |row| row.get(0)).unwrap();
        let mut put = sql.prepare(&format!("update {table} set {field} = ?1 where {of}")).unwrap();
        assert!(read(&full).is_ok(), "{table}");
        for byte in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[byte] ^= 1 + random(255) as u8;
            assert_eq!(put.execute([&flipped]).unwrap(), 1);
            assert_eq!(code(read(&full)), Code::Tampered, "{table}: byte {byte}");
        }
        for len in [0, 1, 4, 5, 16, 17, 32, 33, sealed.len() - 1] {
            put.execute([&sealed[..len]]).unwrap();
            assert_eq!(code(read(&full)), Code::Tampered, "{table}: {len} bytes");
        }
        put.execute([&sealed]).unwrap();
        assert!(read(&full).is_ok(), "{table}: put back");
    }
}

#[test]
fn an_edited_customer_is_an_error() {
    let edits = [
        ("another reference", "update customer set reference = 'ref-9' where id = 'c-1'"),
        ("no reference", "update customer set reference = null where id = 'c-1'"),
        ("made earlier", "update customer set created_at = 1 where id = 'c-1'"),
        ("changed earlier", "update customer set updated_at = 1 where id = 'c-1'"),
        ("deleted", "update customer set deleted_at = 1 where id = 'c-1'"),
        ("a seal cut off", "update customer set sealed = substr(sealed, 1, 40) where id = 'c-1'"),
        (
            "swapped seals",
            "create temp table s as select * from customer;
             update customer set sealed = (select s.sealed from s where s.merchant = (select id from merchant where name = '') and s.id <> customer.id)",
        ),
        (
            "another merchant's seal",
            "update customer set sealed = (select sealed from customer where merchant = (select id from merchant where name = 'm2') and id = 'c-1')
             where merchant = (select id from merchant where name = '') and id = 'c-1'",
        ),
        ("renamed", "delete from customer where id = 'c-1'; update customer set id = 'c-1' where id = 'c-2'"),
    ];
    for (what, edit) in edits {
        let full = Full::new();
        full.place.sql().execute_batch(edit).unwrap();
        let vault = &full.vault;
        let is_tampered = |answer: Result<Customer>| assert_eq!(code(answer), Code::Tampered, "{what}");
        is_tampered(vault.customer("c-1").map(|found| found.unwrap()));
        is_tampered(vault.update_customer("c-1", |data| Ok(data.into())));
        is_tampered(vault.mark_customer_deleted("c-1", true));
        let listed = vault.customers("", 10).unwrap();
        assert!(listed.iter().any(|customer| &*customer.id == "c-1" && customer.damaged), "{what}: list");
        vault.rotate().unwrap();
        let passed = vault.rewrap(&mut |_, _| true).unwrap().damaged;
        assert!(passed.iter().any(|row| row.kind == DamageKind::Customer), "{what}: {passed:?}");
    }
}

#[test]
fn an_edited_key_opens_nothing() {
    let edits = [
        "update epoch set state = 'gone'",
        "update epoch set kind = 'key' where kind = 'index'",
        "update epoch set check_value = zeroblob(5)",
        "update epoch set check_value = x''",
        "update epoch set created_at = created_at + 1",
        "update epoch set wrapped = x''",
        "create temp table e as select * from epoch;
         update epoch set wrapped = (select e.wrapped from e where e.kind <> epoch.kind)",
        "update fence set vault = zeroblob(16)",
        "update fence set vault = x''",
        "delete from fence",
        "delete from epoch",
        "delete from epoch where kind = 'epoch'",
        "delete from epoch where kind = 'index'",
    ];
    for edit in edits {
        let full = Full::new();
        full.place.sql().execute_batch(edit).unwrap();
        let said = code(full.place.open_with(|options| options));
        // Where no key is left to open, it is the root key that opens none.
        let none = edit.starts_with("delete from epoch") || edit.contains("kind = 'key'");
        assert!(said == Code::Tampered || none && said == Code::RootKey, "{edit}: {said:?}");
    }
    let full = Full::new();
    let sql = full.place.sql();
    for kind in ["epoch", "index"] {
        let wrapped: Vec<u8> =
            sql.query_row("select wrapped from epoch where kind = ?1", [kind], |row| row.get(0)).unwrap();
        let put = |bytes: &[u8]| {
            sql.execute("update epoch set wrapped = ?1 where kind = ?2", (bytes, kind)).unwrap();
        };
        for byte in 0..wrapped.len() {
            let mut flipped = wrapped.clone();
            flipped[byte] ^= 1 + random(255) as u8;
            put(&flipped);
            let said = code(full.place.open_with(|options| options));
            // The first bytes say which root key has wrapped it.
            assert!(matches!(said, Code::Tampered | Code::RootKey), "{kind}: byte {byte}: {said:?}");
        }
        put(&wrapped);
    }
    assert!(full.place.open_with(|options| options).is_ok());
}

/// The keys were changed by another handle in between: that one must not wait for itself.
#[test]
fn a_root_key_is_changed_by_a_handle_whose_keys_are_stale() {
    let place = Place::sqlite();
    let (vault, other) = (std::sync::Arc::new(place.open()), place.open());
    let lines = fill(&vault, 3);
    other.rotate().unwrap();
    let to = format!("file:{}", place.folder.path().join("new.root").display());
    Root::create(&to).unwrap();
    let (done, when_done) = std::sync::mpsc::channel();
    let (changing, into) = (std::sync::Arc::clone(&vault), Root::parse(&to).unwrap());
    thread::spawn(move || done.send(changing.change_root(&into)));
    when_done.recv_timeout(Duration::from_secs(20)).expect("an end").unwrap();
    vault.rotate().unwrap();
    is_kept(&promised::open(&place.url, &to).unwrap(), &lines);
    is_kept(&vault, &lines);
    // The other one cannot know where the new root key is, and says so.
    assert_eq!(code(other.tokenize(&card(VISA), &TokenizeOptions::default())), Code::RootKey);
}

// What the first release made.

/// What is in tests/vectors/vault_v1.sql.
#[derive(serde::Deserialize)]
struct First {
    root: String,
    tokens: Vec<FirstToken>,
    audit: Vec<(String, String, String, String, String)>,
}

#[derive(serde::Deserialize)]
struct FirstToken {
    merchant: String,
    token: String,
    number: String,
    customer: String,
    expiry: Option<(u8, u16)>,
    name: String,
    active: bool,
}

impl First {
    /// Puts the file and its root key into a folder, as the first release left them.
    fn restore() -> (First, Place) {
        let vectors = support::root().join("tests/vectors");
        let text = fs::read_to_string(vectors.join("vault_v1.json")).unwrap();
        let first: First = serde_json::from_str(&text).unwrap();
        let place = Place::sqlite();
        fs::write(place.folder.path().join("cards.root"), &first.root).unwrap();
        let sql = fs::read_to_string(vectors.join("vault_v1.sql")).unwrap();
        place.sql().execute_batch(&sql).unwrap();
        fs::set_permissions(place.db(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        (first, place)
    }

    fn is_here(&self, vault: &Vault) {
        for kept in &self.tokens {
            let vault = vault.merchant(&kept.merchant).unwrap();
            let (found, details) = vault.details(kept.token.as_bytes()).unwrap();
            assert_eq!((&*found.customer, found.active), (&*kept.customer, kept.active));
            assert_eq!(found.expiry.map(|date| (date.month(), date.year())), kept.expiry);
            assert_eq!((details.name(), details.metadata()), (&*kept.name, ""));
            let revealed = digits(&vault, &kept.token);
            if kept.active {
                assert_eq!(revealed.unwrap(), kept.number);
            } else {
                assert_eq!(code(revealed), Code::Inactive);
            }
            let found = vault.find(&pan(&kept.number)).unwrap();
            assert!(found.iter().any(|found| found.token.as_str() == kept.token), "found by its number");
        }
    }
}

#[test]
fn a_vault_of_the_first_release_is_brought_up_to_date() {
    let (first, place) = First::restore();
    // Each at a second of its own, and none in the order of the lines' ids, which were random then.
    place
        .sql()
        .execute_batch("update audit set at = at + (unicode(hex(id)) * 7 + length(action)) % 100")
        .unwrap();
    let mut expected = first.audit.clone();
    let vault = place.open();
    let status = vault.status().unwrap();
    assert_eq!((status.schema, status.generation, status.instruments, status.cards), (4, 4, 4, 3));
    let sql = place.sql();
    let version: i32 = sql.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 4);
    let mut merchants: Vec<String> = expected.iter().map(|line| line.0.clone()).collect();
    merchants.dedup();
    let mut after = Vec::new();
    for merchant in merchants.iter().collect::<HashSet<_>>() {
        let lines = vault.merchant(merchant).unwrap().audit(&Default::default()).unwrap();
        assert!(lines.iter().map(|line| line.at()).is_sorted());
        after.extend(lines.iter().map(|line| {
            let words = [line.actor(), line.action(), line.token(), line.reason()].map(str::to_owned);
            let [actor, action, token, reason] = words;
            (merchant.clone(), actor, action, token, reason)
        }));
    }
    after.sort();
    expected.sort();
    assert_eq!(after, expected, "no line was lost or changed");
    assert_eq!(vault.verify_audit(None).unwrap().fault, None);
    first.is_here(&vault);
    file_is_whole(&sql);
}

#[test]
fn a_vault_of_the_first_release_takes_all_that_is_new() {
    let (first, place) = First::restore();
    let vault = place.open();
    let reuse =
        TokenizeOptions { reuse: Reuse::Merchant, idempotency_key: "k", ..TokenizeOptions::default() };
    let again = vault.tokenize(&card(VISA), &reuse).unwrap();
    assert!(
        again.reused && again.token.as_str() == first.tokens[0].token,
        "the same card, by its fingerprint"
    );
    vault.create_customer("c-1", "ref-1", "{}").unwrap();
    vault.rotate().unwrap();
    assert_eq!(vault.change_index(&mut |_, _| true).unwrap().generation, 2);
    assert_eq!(vault.rewrap(&mut |_, _| true).unwrap().sealed, 8);
    vault.destroy(1).unwrap();
    first.is_here(&vault);
    file_is_whole(&place.sql());
}

/// Each of them migrates, or finds it done.
#[test]
fn a_vault_of_the_first_release_is_opened_by_many_at_once() {
    let (first, place) = First::restore();
    let opened = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                first.is_here(&place.open());
                opened.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(opened.into_inner(), 8);
    assert_eq!(place.open().status().unwrap().generation, 4, "once a step");
}

#[test]
fn a_migration_that_is_killed_is_done_by_the_next() {
    const NAME: &str = "a_migration_that_is_killed_is_done_by_the_next";
    if let Some(task) = task() {
        let [url, root] = &task[..] else { panic!("no such task: {task:?}") };
        promised::open(url, root).unwrap();
        return;
    }
    let seen = Mutex::new(HashSet::new());
    for _ in 0..20 {
        let (first, place) = First::restore();
        // Enough lines that it takes a while.
        let more = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
                    insert into audit select randomblob(16), 1700000000 + i, 'm9', '', 'rotate', '', '' from n";
        place.sql().execute_batch(more).unwrap();
        let child = promised::child(NAME, &[&place.url, &place.root]);
        thread::sleep(Duration::from_micros(random(80_000)));
        promised::kill(child);
        let version: i32 = place.sql().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        seen.lock().unwrap().insert(version);
        first.is_here(&place.open());
        let lines: i64 = place
            .sql()
            .query_row(
                "select count(*) from audit a join merchant m on m.id = a.merchant and m.name = 'm9'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(lines, 20_000);
        assert_eq!(place.open().verify_audit(None).unwrap().fault, None);
        file_is_whole(&place.sql());
    }
    assert!(seen.into_inner().unwrap().contains(&1), "none was killed in time");
}

#[test]
fn a_newer_vault_is_refused_and_left_as_it_is() {
    for version in [5, 1000] {
        let (_, place) = First::restore();
        place.sql().pragma_update(None, "user_version", version).unwrap();
        let before = fs::read(place.db()).unwrap();
        for create in [false, true] {
            let opened = place.open_with(|options| OpenOptions { create, ..options });
            assert_eq!(code(opened), Code::SchemaNewer);
        }
        assert!(fs::read(place.db()).unwrap() == before, "the file was changed");
    }
}
