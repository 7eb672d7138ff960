//! The vault in SQLite files, each beside a raw one on the same disk.

use super::cards::{Numbers, checked};
use super::measure::{Each, Line, median, timed};
use super::raw_sqlite::{Inserts, SELECT, checkpoint, columns, commits, connect, connect_to_write, merchant};
use super::row::{RawRow, packed_text};
use panseal::card::Card;
use panseal::vault::{TokenizeOptions, Vault};
use rusqlite::{Connection, params};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

/// So many pairs of files take turns.
const FILES: usize = 3;
const THREADS: usize = 16;
const BATCH: usize = 1000;

/// A vault and a file with the same tables.
struct Pair {
    vault: Vault,
    path: PathBuf,
    raw: Connection,
}

impl Pair {
    fn new(folder: &Path, number: usize) -> Pair {
        let at = |name: &str| folder.join(format!("{name}-{number}.db"));
        let open = |path: &Path| super::open(folder, &format!("sqlite:{}", path.display()));
        let (path, raw) = (at("vault"), at("raw"));
        drop(open(&raw));
        Pair { vault: open(&path), path, raw: connect_to_write(&raw) }
    }
}

pub fn run(folder: &Path) {
    let pairs: Vec<Pair> = (0..FILES).map(|number| Pair::new(folder, number)).collect();
    let mut inserts: Vec<Inserts> = pairs.iter().map(|pair| Inserts::new(&pair.raw)).collect();
    let mut numbers = Numbers::default();
    one_by_one(&pairs, &mut inserts, &mut numbers);
    in_batches(&pairs, &mut inserts, &mut numbers);
    from_threads(&pairs, &mut inserts, &mut numbers);
    look_ups(&pairs[0], &mut numbers);
}

fn one_by_one(pairs: &[Pair], inserts: &mut [Inserts], numbers: &mut Numbers) {
    const COUNT: usize = 100;
    let ours = |round: usize| {
        let numbers = numbers.take(COUNT);
        let cards = checked(&numbers);
        timed(|| tokenize_each(&pairs[round % FILES].vault, &cards)).each(COUNT)
    };
    let theirs = |round: usize| {
        let rows = RawRow::some(COUNT);
        let inserts = &mut inserts[round % FILES];
        timed(|| rows.chunks(1).for_each(|row| inserts.write(row))).each(COUNT)
    };
    Line::new("SQLite: tokenize / raw insert and commit", "<= 1.3").run(60, ours, theirs);
}

fn in_batches(pairs: &[Pair], inserts: &mut [Inserts], numbers: &mut Numbers) {
    const COUNT: usize = 5;
    let ours = |round: usize| {
        let numbers = numbers.take(COUNT * BATCH);
        let cards = checked(&numbers);
        let many: Vec<_> = cards.iter().map(|card| (card, TokenizeOptions::default())).collect();
        let vault = &pairs[round % FILES].vault;
        timed(|| many.chunks(BATCH).for_each(|many| tokenize_batch(vault, many))).each(COUNT * BATCH)
    };
    let theirs = |round: usize| {
        let rows = RawRow::some(COUNT * BATCH);
        let inserts = &mut inserts[round % FILES];
        timed(|| rows.chunks(BATCH).for_each(|rows| inserts.write(rows))).each(COUNT * BATCH)
    };
    Line::new("SQLite: tokenize_many of 1000 / raw batch", "<= 1.5").run(18, ours, theirs);
}

/// One writer of raw batches is given as many rows and commits as the threads have made.
fn from_threads(pairs: &[Pair], inserts: &mut [Inserts], numbers: &mut Numbers) {
    const EACH: usize = 60;
    const COUNT: usize = EACH * THREADS;
    let mut against_raw =
        Line::new(format!("SQLite: {THREADS} threads / one raw writer"), "<= 1.25 (0.8 of its rows)");
    let mut against_one =
        Line::new(format!("SQLite: {THREADS} threads / one of them"), "<= 0.5 (twice its rows)");
    let mut sizes = Vec::new();
    if !against_raw.is_wanted() {
        return;
    }
    for round in 0..24 {
        let (pair, inserts) = (&pairs[round % FILES], &mut inserts[round % FILES]);
        let log = connect(&pair.path);
        checkpoint(&log);
        let all = numbers.take(COUNT);
        let ours = tokenize_from_threads(&pair.vault, &checked(&all));
        let commits = commits(&pair.path);
        sizes.push(COUNT as f64 / commits as f64);
        checkpoint(&pair.raw);
        let rows = RawRow::some(COUNT);
        let ends = (1..=commits).map(|commit| commit * COUNT / commits);
        let raw = timed(|| {
            ends.fold(0, |from, to| {
                inserts.write(&rows[from..to]);
                to
            });
        })
        .each(COUNT);
        checkpoint(&log);
        let few = numbers.take(COUNT / 4);
        let few = checked(&few);
        let one = timed(|| tokenize_each(&pair.vault, &few)).each(few.len());
        against_raw.push(ours, raw);
        against_one.push(ours, one);
    }
    against_raw.show();
    against_one.show();
    println!("    ({:.1} rows a commit)", median(sizes));
}

fn tokenize_from_threads(vault: &Vault, cards: &[Card]) -> Each {
    let (start, end) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    thread::scope(|scope| {
        for cards in cards.chunks(cards.len() / THREADS) {
            let (start, end) = (&start, &end);
            scope.spawn(move || {
                start.wait();
                tokenize_each(vault, cards);
                end.wait();
            });
        }
        start.wait();
        let took = timed(|| {
            end.wait();
        });
        took.each(cards.len())
    })
}

pub fn tokenize_each(vault: &Vault, cards: &[Card]) {
    for card in cards {
        black_box(vault.tokenize(card, &TokenizeOptions::default()).expect("a token"));
    }
}

pub fn tokenize_batch(vault: &Vault, many: &[(&Card, TokenizeOptions)]) {
    let outcomes = vault.tokenize_many(many).expect("a batch");
    assert!(black_box(outcomes).iter().all(Result::is_ok));
}

fn look_ups(pair: &Pair, numbers: &mut Numbers) {
    const STORED: usize = 20_000;
    const COUNT: usize = 2000;
    const READERS: usize = 4;
    let numbers = numbers.take(STORED);
    let tokens = store(&pair.vault, &numbers);
    let reader = connect(&pair.path);
    let merchant = merchant(&reader);
    let packed: Vec<_> = tokens.iter().map(|token| packed_text(token)).collect();
    let mut select = reader.prepare(SELECT).expect("a statement");
    let some = |round: usize| (0..COUNT).map(move |at| (round * COUNT + at) * 7919 % STORED);
    let ours = |round| {
        let look_up =
            |at: usize| drop(black_box(pair.vault.lookup(tokens[at].as_bytes()).expect("an instrument")));
        timed(|| some(round).for_each(look_up)).each(COUNT)
    };
    let theirs = |round| {
        let look_up = |at: usize| {
            black_box(select.query_row(params![merchant, packed[at]], |row| columns(row)).expect("a row"));
        };
        timed(|| some(round).for_each(look_up)).each(COUNT)
    };
    Line::new("SQLite: lookup / raw select", "<= 1.5").run(60, ours, theirs);
    let vault = &pair.vault;
    let from_threads = |round| {
        let read = || some(round).for_each(|at| drop(black_box(vault.lookup(tokens[at].as_bytes()))));
        let all = || thread::scope(|scope| (0..READERS).for_each(|_| drop(scope.spawn(read))));
        timed(all).each(READERS * COUNT)
    };
    Line::new(format!("SQLite: lookup from {READERS} threads / from one"), "").run(60, from_threads, ours);
}

/// Stores cards in batches, and gives their tokens.
pub fn store(vault: &Vault, numbers: &[Vec<u8>]) -> Vec<String> {
    let mut tokens = Vec::new();
    for numbers in numbers.chunks(BATCH) {
        let cards = checked(numbers);
        let many: Vec<_> = cards.iter().map(|card| (card, TokenizeOptions::default())).collect();
        let outcomes = vault.tokenize_many(&many).expect("a batch").into_iter();
        tokens.extend(outcomes.map(|outcome| outcome.expect("a token").token.as_str().to_owned()));
    }
    tokens
}
