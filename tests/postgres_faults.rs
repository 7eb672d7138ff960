//! What a vault in PostgreSQL survives: a server that crashes, connections that are cut over a commit, a fail-over,
//! and changes of its keys while many write.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/promised.rs"]
mod promised;
mod support;

use panseal::error::{Code, Error, Result};
use panseal::vault::{Customer, Grant, Instrument, OpenOptions, Reuse, TokenizeOptions, Vault};
use promised::{Book, Place, card, code, digits, is_kept, number, random, task};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::AtEnd;
use support::postgres::{Server, Settings, present, url};

const ISOLATIONS: [&str; 3] = ["read committed", "repeatable read", "serializable"];

/// A server of the test's own, whose transactions have this isolation level.
fn server(isolation: &str) -> Server {
    let isolation: &'static str = format!("'{isolation}'").leak();
    let lines = vec![("default_transaction_isolation", isolation), ("log_min_messages", "fatal")];
    Server::new(&Settings { lines, ..Settings::default() })
}

/// Asks the database itself.
fn count(server: &Server, sql: &str) -> i64 {
    server.sql(&format!("set search_path to panseal; {sql}")).parse().unwrap()
}

fn is_whole(server: &Server) {
    promised::nothing_is_there_by_half(|sql| count(server, sql));
}

fn with_key(idempotency_key: &str) -> TokenizeOptions<'_> {
    TokenizeOptions { idempotency_key, ..TokenizeOptions::default() }
}

/// What a host does that has a key: asks again until there is an answer.
fn tokenize_until_answered(vault: &Vault, number: &str, key: &str, refused: &AtomicUsize) -> Instrument {
    let deadline = Instant::now() + support::PATIENCE;
    loop {
        match vault.tokenize(&card(number), &with_key(key)) {
            Ok(made) => return made,
            Err(error) => {
                assert!(matches!(error.code(), Code::Busy | Code::Store), "{error:?}");
                assert!(Instant::now() < deadline, "no answer: {error:?}");
                refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// What writers made, each under a key of its own, and how often they were refused.
#[derive(Default)]
struct Work {
    made: Mutex<HashMap<String, (String, String)>>,
    refused: AtomicUsize,
}

impl Work {
    fn len(&self) -> usize {
        self.made.lock().unwrap().len()
    }

    /// Waits until there are this many.
    fn wait_for(&self, least: usize) {
        let deadline = Instant::now() + support::PATIENCE;
        while self.len() < least {
            assert!(Instant::now() < deadline, "{} of {least}", self.len());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// `writers` threads, spread over the handles, store so many cards again and again while `meanwhile` runs.
fn while_many_write(vaults: &[Vault], writers: usize, cards: u64, meanwhile: impl FnOnce(&Work)) -> Work {
    let (work, done) = (Work::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        for writer in 0..writers {
            let (vault, work, done) = (&vaults[writer % vaults.len()], &work, &done);
            scope.spawn(move || {
                for turn in 0.. {
                    if done.load(Ordering::Acquire) {
                        break;
                    }
                    let (key, number) = (format!("{writer}-{turn}"), number(random(cards) as usize));
                    let token =
                        tokenize_until_answered(vault, &number, &key, &work.refused).token.to_string();
                    work.made.lock().unwrap().insert(key, (token, number));
                }
            });
        }
        let _stop = AtEnd(&done);
        meanwhile(&work);
    });
    work
}

/// Every key has one token, which is there.
fn each_key_has_one_token(server: &Server, vault: &Vault, made: &HashMap<String, (String, String)>) {
    for (key, (token, number)) in made {
        let again = vault.tokenize(&card(number), &with_key(key)).unwrap();
        assert_eq!((again.token.as_str(), again.reused), (token.as_str(), true), "{key}");
        assert_eq!(digits(vault, token).unwrap(), *number);
    }
    let keys = made.len() as i64;
    assert_eq!(count(server, "select count(*) from idempotency"), keys);
    assert_eq!(count(server, "select count(*) from instrument"), keys, "none twice");
    is_whole(server);
}

#[test]
fn a_server_that_crashes_and_cuts_connections_loses_no_token_and_makes_none_twice() {
    if !present("PostgreSQL: crashes under writers") {
        return;
    }
    let mut server = server("serializable");
    let place = Place::at(|_| server.url());
    let vaults = [place.open(), place.open()];
    let Work { made, refused } = while_many_write(&vaults, 16, 20, |_| {
        for round in 0..24 {
            thread::sleep(Duration::from_millis(50 + random(200)));
            if round % 3 == 2 {
                server.restart();
            } else {
                server.cut_connections();
            }
        }
    });
    let made = made.into_inner().unwrap();
    println!("{} tokens, {} calls refused", made.len(), refused.load(Ordering::Relaxed));
    assert!(made.len() > 200, "{}", made.len());
    assert_eq!(refused.into_inner(), 0, "the vault has patience enough for a restart");
    assert_eq!(vaults[0].status().unwrap().cards, 20);
    each_key_has_one_token(&server, &vaults[0], &made);
}

#[test]
fn writers_wait_while_the_server_has_no_room_for_the_locks_of_serializable_transactions() {
    if !present("PostgreSQL: out of room for locks") {
        return;
    }
    const CANCEL: &str = "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'";
    const ROWS: &str =
        "create table room (id int primary key); insert into room select generate_series(1, 200000)";
    // A lock for each row that is read, until there is room for no other; they are held while the transaction sleeps.
    const FILL: &str = "begin isolation level serializable; set local enable_seqscan = off; do $$ begin
        begin
            for row in 1..200000 loop perform id from room where id = row; end loop;
            raise 'there is room enough';
        exception when out_of_memory then null; end;
        perform pg_sleep(120);
    exception when query_canceled then null; end $$; rollback";
    let lines = vec![
        ("default_transaction_isolation", "'serializable'"),
        ("max_connections", "20"),
        ("max_pred_locks_per_transaction", "10"),
        ("max_pred_locks_per_relation", "1000000"),
        ("max_pred_locks_per_page", "1000000"),
        ("log_min_messages", "error"),
    ];
    let server = Server::new(&Settings { lines, ..Settings::default() });
    let place = Place::at(|_| server.url());
    let vault = place.open();
    server.sql(ROWS);
    let Work { made, refused } = while_many_write(std::slice::from_ref(&vault), 8, 100_000, |work| {
        thread::scope(|scope| {
            scope.spawn(|| server.sql(FILL));
            let deadline = Instant::now() + support::PATIENCE;
            // What the filling transaction catches is not written there: it is the writers'.
            while !server.whole_log().contains("out of shared memory") {
                assert!(Instant::now() < deadline, "there is room enough");
                thread::sleep(Duration::from_millis(20));
            }
            thread::sleep(Duration::from_millis(300));
            while server.sql(CANCEL).is_empty() {
                assert!(Instant::now() < deadline, "nobody sleeps");
            }
        });
        work.wait_for(work.len() + 50);
    });
    assert_eq!(refused.into_inner(), 0, "the vault has patience enough");
    each_key_has_one_token(&server, &vault, &made.into_inner().unwrap());
}

// A connection that is cut at a chosen moment.

/// When a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The commit does not reach the server.
    Before,
    /// It does, and nobody waits for it.
    During,
    /// The server has committed and says so to nobody.
    After,
    /// The answer is delivered, and then the connection is gone.
    Answered,
}

/// Stands between the vault and its server, and cuts the next commit's connection when it is told to.
struct Wire {
    address: String,
    cut: Arc<Mutex<Option<Cut>>>,
}

impl Wire {
    fn to(server: &Server) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let wire = Wire { address: listener.local_addr().unwrap().to_string(), cut: Arc::default() };
        let (cut, server) = (Arc::clone(&wire.cut), server.address());
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let silent = Arc::new(AtomicBool::new(false));
                let (cut, hush) = (Arc::clone(&cut), Arc::clone(&silent));
                thread::spawn(move || {
                    carry(client, server, |bytes, client, server| {
                        // Sent by itself: a simple query.
                        let now = cut.lock().unwrap().take_if(|_| bytes.ends_with(b"commit\0"));
                        match now {
                            None => return server.write_all(bytes).is_ok(),
                            Some(Cut::Before) => {}
                            Some(Cut::During) => drop(server.write_all(bytes)),
                            Some(after) => {
                                hush.store(after == Cut::After, Ordering::Release);
                                server.write_all(bytes).unwrap();
                                thread::sleep(Duration::from_millis(100));
                            }
                        }
                        let _ = client.shutdown(Shutdown::Both);
                        let _ = server.shutdown(Shutdown::Both);
                        false
                    })
                });
                thread::spawn(move || {
                    carry(from, to, |bytes, _, to| {
                        silent.load(Ordering::Acquire) || to.write_all(bytes).is_ok()
                    })
                });
            }
        });
        wire
    }

    fn cut_next(&self, cut: Cut) {
        *self.cut.lock().unwrap() = Some(cut);
    }

    fn was_cut(&self) -> bool {
        self.cut.lock().unwrap().is_none()
    }

    /// The server's URL, by way of this.
    fn url(&self, server: &Server) -> String {
        server.url().replace(&server.address(), &self.address)
    }
}

/// Hands over what comes until `hand` says that it is over.
fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    hand: impl Fn(&[u8], &mut TcpStream, &mut TcpStream) -> bool,
) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(len @ 1..) = from.read(&mut bytes) {
        if !hand(&bytes[..len], &mut from, &mut to) {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Each verb is done once whenever the connection is cut, and says so.
#[test]
fn a_connection_cut_before_during_and_after_commit_leaves_every_verb_done_once() {
    if !present("PostgreSQL: connections cut over a commit") {
        return;
    }
    for isolation in ["read committed", "serializable"] {
        let server = server(isolation);
        let wire = Wire::to(&server);
        let place = Place::at(|_| wire.url(&server));
        let vault = place.open();
        for (round, cut) in
            [Cut::Before, Cut::During, Cut::After, Cut::Answered].into_iter().cycle().take(12).enumerate()
        {
            let lines = |action: &str| {
                count(
                    &server,
                    &format!("select count(*) from audit where action = {}", promised::action(action)),
                )
            };
            let once = |action: &str, verb: &mut dyn FnMut() -> Result<()>| {
                let before = lines(action);
                wire.cut_next(cut);
                verb().unwrap_or_else(|error| panic!("{action}, cut {cut:?}: {error:?}"));
                assert!(wire.was_cut(), "{action}");
                assert_eq!(lines(action), before + 1, "{action}, cut {cut:?}");
            };
            let number = number(round);
            let mut token = String::new();
            once("tokenize", &mut || {
                token = vault.tokenize(&card(&number), &TokenizeOptions::default())?.token.to_string();
                Ok(())
            });
            assert_eq!(count(&server, "select count(*) from instrument"), 1);
            once("detokenize", &mut || {
                assert_eq!(digits(&vault, &token)?, number);
                Ok(())
            });
            let id = format!("c-{round}");
            once("customer", &mut || {
                let made: Customer = vault.create_customer(&id, &id, "{}")?;
                assert_eq!(&*made.id, id);
                Ok(())
            });
            once("customer", &mut || vault.delete_customer(&id));
            once("deactivate", &mut || vault.deactivate(token.as_bytes()).map(|made| assert!(!made.active)));
            let epoch = vault.status().unwrap().epochs.len() as u32;
            once("rotate", &mut || vault.rotate().map(|made| assert_eq!(made, epoch + 1)));
            once("rewrap", &mut || vault.rewrap(&mut |_, _| true).map(drop));
            once("destroy", &mut || vault.destroy(epoch));
            let grant = Grant { dialect: "sumup", ..Grant::default() };
            let key = format!("caller-{round}");
            once("grant", &mut || vault.grant_signing(&grant, &key, b"key"));
            once("revoke", &mut || vault.revoke(&key));
            once("delete", &mut || vault.delete(token.as_bytes()));
            assert_eq!(count(&server, "select count(*) from instrument"), 0);
            is_whole(&server);
        }
        for cut in [Cut::Before, Cut::During, Cut::After, Cut::Answered] {
            let name = format!("{cut:?}");
            wire.cut_next(cut);
            assert!(vault.is_first(&name).unwrap(), "its own note was taken for another's, cut {cut:?}");
            assert!(wire.was_cut() && !vault.is_first(&name).unwrap());
        }
    }
}

// A fail-over.

#[test]
fn writers_go_on_after_a_fail_over_and_nothing_acknowledged_is_lost() {
    if !present("PostgreSQL: fail-over under writers") {
        return;
    }
    let mut primary = server("serializable");
    let standby = primary.replica();
    primary.sql("alter system set synchronous_standby_names = '*'");
    primary.sql("select pg_reload_conf()");
    let place = Place::at(|_| url(&[&primary, &standby]));
    let vaults = [place.open(), place.open()];
    let Work { made, refused } = while_many_write(&vaults, 8, 20, |work| {
        work.wait_for(100);
        primary.stop_immediate();
        let before = work.len();
        thread::sleep(Duration::from_millis(700));
        standby.promote();
        work.wait_for(before + 100);
    });
    assert_eq!(refused.into_inner(), 0, "the vault has patience enough for a fail-over");
    each_key_has_one_token(&standby, &vaults[0], &made.into_inner().unwrap());
    assert!(place.open().status().is_ok(), "also for one that opens it now");
}

// Changes of keys while many write.

/// Twelve writers on three handles store the same cards while `meanwhile` runs; then each card is there once, and the
/// merchant who reuses has one token a card.
fn each_card_is_there_once(server: &Server, place: &Place, meanwhile: impl FnOnce(&Vault)) {
    const CARDS: usize = 25;
    let vaults = [place.open(), place.open(), place.open()];
    let done = AtomicBool::new(false);
    let book = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for writer in 0..12 {
            let (vault, done, book) = (&vaults[writer % 3], &done, &book);
            let other = vault.merchant("m2").unwrap();
            scope.spawn(move || {
                let reuse = TokenizeOptions { reuse: Reuse::Merchant, ..TokenizeOptions::default() };
                while !done.load(Ordering::Acquire) {
                    let number = number(random(CARDS as u64) as usize);
                    let made = vault.tokenize(&card(&number), &reuse).unwrap();
                    book.lock().unwrap().push(vec!["token".into(), made.token.to_string(), number.clone()]);
                    // The other merchant's come and go, and their cards with them.
                    let made = other.tokenize(&card(&number), &TokenizeOptions::default()).unwrap();
                    if random(3) > 0 {
                        other.delete(made.token.as_str().as_bytes()).unwrap();
                    }
                }
            });
        }
        let _stop = AtEnd(&done);
        meanwhile(&vaults[0]);
    });
    let book = book.into_inner().unwrap();
    let seen: std::collections::HashSet<&String> = book.iter().map(|line| &line[2]).collect();
    let tokens: std::collections::HashSet<&String> = book.iter().map(|line| &line[1]).collect();
    assert!(book.len() > 200 && seen.len() == CARDS, "{} tokens of {} cards", book.len(), seen.len());
    assert_eq!(tokens.len(), CARDS, "one token a card was given");
    let of = |table: &str, merchant: &str| {
        count(
            server,
            &format!(
                "select count(*) from {table} where merchant = (select id from merchant where name = '{merchant}')"
            ),
        )
    };
    assert_eq!((of("card", ""), of("instrument", "")), (CARDS as i64, CARDS as i64));
    let distinct = "select count(distinct (iin, last4)) from card where merchant = (select id from merchant where name = 'm2')";
    assert_eq!(of("card", "m2"), count(server, distinct), "no card twice");
    assert!(of("card", "m2") > 0);
    is_whole(server);
    is_kept(&vaults[1], &book);
}

#[test]
fn the_index_key_is_changed_under_twelve_writers_and_every_card_is_there_once() {
    if !present("PostgreSQL: the index key changed under writers") {
        return;
    }
    for isolation in ISOLATIONS {
        let server = server(isolation);
        let place = Place::at(|_| server.url());
        each_card_is_there_once(&server, &place, |vault| {
            for _ in 0..3 {
                thread::sleep(Duration::from_millis(400));
                vault.change_index(&mut |_, _| true).unwrap();
            }
            thread::sleep(Duration::from_millis(400));
        });
        println!("{isolation}: kept");
        let generations = count(&server, "select count(distinct generation) from card_fp");
        assert_eq!(generations, 1, "{isolation}: fingerprints under the newest index key alone");
    }
}

#[test]
fn no_acknowledged_row_is_on_a_destroyed_key() {
    const NAME: &str = "no_acknowledged_row_is_on_a_destroyed_key";
    if let Some(task) = task() {
        return write_until_there_is(&task);
    }
    if !present("PostgreSQL: keys destroyed under writers") {
        return;
    }
    for isolation in ["read committed", "serializable"] {
        let server = server(isolation);
        let place = Place::at(|_| server.url());
        let vault = place.open();
        let at = |name: &str| place.folder.path().join(name);
        let path = |name: &str| at(name).display().to_string();
        // A handle that holds the first epoch and does nothing until it is long gone.
        let idle = place.open();
        let first = idle.tokenize(&card(&number(0)), &TokenizeOptions::default()).unwrap();
        let writers: Vec<_> = ["one", "two"]
            .map(|book| promised::child(NAME, &[&place.url, &place.root, &path(book), &path("stop")]))
            .into_iter()
            .collect();
        for book in ["one", "two"] {
            promised::wait_for_lines(&at(book), 10);
        }
        for epoch in 1..=6 {
            vault.rotate().unwrap();
            vault.rewrap(&mut |_, _| true).unwrap();
            vault.destroy(epoch).unwrap();
        }
        std::fs::write(at("stop"), "").unwrap();
        for mut writer in writers {
            assert!(writer.wait().unwrap().success(), "a writer failed");
        }
        let late = idle.tokenize(&card(&number(1)), &TokenizeOptions::default()).unwrap();
        assert_eq!(late.epoch, 7);
        for (token, place) in [(first.token, 0), (late.token, 1)] {
            assert_eq!(digits(&idle, token.as_str()).unwrap(), number(place));
        }
        let mut lines = Book::read(&at("one"));
        lines.extend(Book::read(&at("two")));
        is_kept(&vault, &lines);
        let status = vault.status().unwrap();
        assert!(status.epochs[..6].iter().all(|of| of.cards + of.instruments + of.customers == 0));
        assert_eq!(status.instruments, lines.len() as u64 + 2);
        is_whole(&server);
    }
}

/// In a process of its own, six threads.
fn write_until_there_is(task: &[String]) {
    let [url, root, book, stop] = task else { panic!("no such task: {task:?}") };
    let vault = promised::open(url, root).unwrap();
    let book = Book::at(Path::new(book));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !Path::new(stop).exists() {
                    let number = number(random(30) as usize);
                    let made = vault.tokenize(&card(&number), &TokenizeOptions::default()).unwrap();
                    book.note(&["token", made.token.as_str(), &number]);
                    // A vault that grows faster than it is sealed anew would keep the test for long.
                    thread::sleep(Duration::from_millis(5));
                }
            });
        }
    });
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
    if !present("PostgreSQL: rewrap killed") {
        return;
    }
    let server = server("read committed");
    let place = Place::at(|_| server.url());
    let vault = place.open();
    let numbers: Vec<String> = (0..1500).map(number).collect();
    let cards: Vec<_> = numbers.iter().map(|number| card(number)).collect();
    let rows: Vec<_> = cards.iter().map(|card| (card, TokenizeOptions::of("c-1"))).collect();
    let made = vault.tokenize_many(&rows).unwrap();
    let line = |(made, number): (Result<Instrument>, &String)| {
        vec!["token".into(), made.unwrap().token.to_string(), number.clone()]
    };
    let lines: Vec<Vec<String>> = made.into_iter().zip(&numbers).map(line).collect();
    let left = |epoch: u32| {
        let status = vault.status().unwrap();
        let of = status.epochs.iter().find(|of| of.key.id == epoch).unwrap();
        of.cards + of.instruments
    };
    let mut in_the_middle = 0;
    for round in 0..8 {
        let old = vault.rotate().unwrap() - 1;
        let book = place.folder.path().join(format!("book-{round}"));
        let child = promised::child(NAME, &[&place.url, &place.root, &book.display().to_string()]);
        promised::wait_for_lines(&book, 1);
        thread::sleep(Duration::from_micros(20_000 + random(150_000)));
        promised::kill(child);
        in_the_middle += usize::from((1..3000).contains(&left(old)));
        vault.rewrap(&mut |_, _| true).unwrap();
        assert_eq!(left(old), 0);
        vault.destroy(old).unwrap();
        is_whole(&server);
    }
    assert!(in_the_middle > 0, "no rewrap was killed in its middle");
    is_kept(&vault, &lines);
}

/// A key that is taken means that another writer was faster; what else a table refuses no other attempt mends.
#[test]
fn a_row_that_the_table_refuses_is_an_error_at_once() {
    if !present("PostgreSQL: a row that is refused") {
        return;
    }
    let server = server("read committed");
    let place = Place::at(|_| server.url());
    let patience = Duration::from_secs(20);
    let vault =
        place.open_with(|options| OpenOptions { create: true, busy_timeout: patience, ..options }).unwrap();
    server.sql("alter table panseal.card add constraint none check (last4 = '') not valid");
    let begun = Instant::now();
    let refused = vault.tokenize(&card(&number(0)), &TokenizeOptions::default()).unwrap_err();
    let check_violation = i32::from_str_radix("23514", 36).unwrap();
    assert_eq!(refused, Error::system(Code::Store, check_violation));
    assert!(begun.elapsed() < patience / 2, "{:?}", begun.elapsed());
    server.sql("alter table panseal.card drop constraint none");
    assert!(vault.tokenize(&card(&number(0)), &TokenizeOptions::default()).is_ok());
}

/// What the vault cannot mend is said, with a code, and soon.
#[test]
fn a_server_that_stays_away_is_an_error_and_the_handle_goes_on_when_it_is_back() {
    if !present("PostgreSQL: a server that stays away") {
        return;
    }
    let mut server = server("read committed");
    let place = Place::at(|_| server.url());
    let patience = Duration::from_millis(400);
    let open = || place.open_with(|options| OpenOptions { create: true, busy_timeout: patience, ..options });
    let vault = open().unwrap();
    let made = vault.tokenize(&card(&number(0)), &TokenizeOptions::default()).unwrap();
    server.stop_fast();
    let refused = |what: &str, answer: std::result::Result<(), Error>| {
        let error = answer.unwrap_err();
        assert!(
            matches!(error.code(), Code::Store | Code::Busy) && error.system_code() > 0,
            "{what}: {error:?}"
        );
    };
    let begun = Instant::now();
    refused("tokenize", vault.tokenize(&card(&number(1)), &TokenizeOptions::default()).map(drop));
    refused("lookup", vault.lookup(made.token.as_str().as_bytes()).map(drop));
    refused("detokenize", digits(&vault, made.token.as_str()).map(drop));
    refused("rotate", vault.rotate().map(drop));
    refused("rewrap", vault.rewrap(&mut |_, _| true).map(drop));
    refused("status", vault.status().map(drop));
    refused("open", open().map(drop));
    assert!(begun.elapsed() < 20 * patience, "{:?}", begun.elapsed());
    server.start();
    assert_eq!(digits(&vault, made.token.as_str()).unwrap(), number(0));
    assert_eq!(code(vault.lookup(b"nonsense")), Code::Token);
    assert_eq!(count(&server, "select count(*) from instrument"), 1, "what was refused is not there");
}

/// A frozen server: its kernel takes connections and what they are sent, and nobody answers.
#[test]
fn a_server_that_says_nothing_is_an_error_in_time_and_the_handle_goes_on_when_it_speaks_again() {
    if !present("PostgreSQL: a server that says nothing") {
        return;
    }
    const WRITERS: usize = 6;
    let server = server("read committed");
    let place = Place::at(|_| server.url());
    let patience = Duration::from_secs(1);
    let open = || place.open_with(|options| OpenOptions { create: true, busy_timeout: patience, ..options });
    let vault = open().unwrap();
    let token = vault.tokenize(&card(&number(0)), &with_key("first")).unwrap().token.to_string();
    let in_time = |what: &str, verb: &dyn Fn() -> Result<()>| {
        let begun = Instant::now();
        let error = verb().expect_err(what);
        let took = begun.elapsed();
        assert!(took < patience + Duration::from_secs(5), "{what}: {took:?}");
        assert!(
            matches!(error.code(), Code::Store | Code::Busy) && error.system_code() > 0,
            "{what}: {error:?}"
        );
    };
    server.freeze();
    // The first of them has a session, the others find that they get none.
    in_time("lookup", &|| vault.lookup(token.as_bytes()).map(drop));
    in_time("tokenize", &|| vault.tokenize(&card(&number(1)), &TokenizeOptions::default()).map(drop));
    in_time("rotate", &|| vault.rotate().map(drop));
    in_time("open", &|| open().map(drop));
    server.thaw();
    assert_eq!(digits(&vault, &token).unwrap(), number(0));

    let made = Mutex::new(HashMap::from([("first".to_owned(), (token, number(0)))]));
    let unanswered = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (vault, made, unanswered, in_time) = (&vault, &made, &unanswered, &in_time);
            scope.spawn(move || {
                for turn in 0.. {
                    let (key, number) = (format!("{writer}-{turn}"), number(random(20) as usize));
                    let begun = Instant::now();
                    match vault.tokenize(&card(&number), &with_key(&key)) {
                        Ok(answer) => {
                            made.lock().unwrap().insert(key, (answer.token.to_string(), number));
                        }
                        Err(error) => {
                            let elapsed = begun.elapsed();
                            in_time("a writer", &|| Err(error));
                            assert!(elapsed < patience + Duration::from_secs(5), "a writer: {elapsed:?}");
                            unanswered.lock().unwrap().push((key, number));
                            return;
                        }
                    }
                }
            });
        }
        thread::sleep(Duration::from_millis(400));
        server.freeze();
    });
    server.thaw();
    let mut made = made.into_inner().unwrap();
    assert!(made.len() > WRITERS, "{}", made.len());
    for (key, number) in unanswered.into_inner().unwrap() {
        let token = tokenize_until_answered(&vault, &number, &key, &AtomicUsize::new(0)).token.to_string();
        made.insert(key, (token, number));
    }
    each_key_has_one_token(&server, &vault, &made);
}

#[test]
fn a_statement_that_takes_its_time_is_waited_for() {
    if !present("PostgreSQL: a slow statement") {
        return;
    }
    let server = server("read committed");
    let place = Place::at(|_| server.url());
    let patience = Duration::from_secs(1);
    let vault =
        place.open_with(|options| OpenOptions { create: true, busy_timeout: patience, ..options }).unwrap();
    server.sql(
        "create function panseal.slow() returns trigger language plpgsql as \
         'begin perform pg_sleep(3.5); return new; end'; \
         create trigger slow before insert on panseal.card for each row execute function panseal.slow()",
    );
    let begun = Instant::now();
    let made = vault.tokenize(&card(&number(0)), &TokenizeOptions::default()).unwrap();
    assert!(begun.elapsed() > 3 * patience, "{:?}", begun.elapsed());
    assert_eq!(digits(&vault, made.token.as_str()).unwrap(), number(0));
    assert_eq!(count(&server, "select count(*) from instrument"), 1);
}
