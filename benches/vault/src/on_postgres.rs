//! The vault in a PostgreSQL of its own that syncs every commit, beside raw inserts into another database there.

use super::cards::{Numbers, checked};
use super::measure::{Line, Took, timed};
use super::on_sqlite::{store, tokenize_batch, tokenize_each};
use super::raw_postgres::Raw;
use super::row::{RawRow, packed_text};
use super::server::{Server, Settings};
use panseal::vault::{TokenizeOptions, Vault};
use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

const CONNECTIONS: usize = 16;
const BATCH: usize = 1000;

pub fn run(folder: &Path) {
    let lines = vec![("shared_buffers", "'512MB'"), ("max_wal_size", "'4GB'")];
    let server = Server::new(&Settings { fsync: true, lines, ..Settings::default() });
    server.sql("create database raw");
    drop(super::open(folder, &server.url_of("raw")));
    let vault = super::open(folder, &server.url());
    let mut raw: Vec<Raw> = (0..CONNECTIONS).map(|_| Raw::new(&server.url_of("raw"))).collect();
    let mut numbers = Numbers::default();
    one_by_one(&vault, &mut raw[0], &mut numbers);
    in_batches(&vault, &mut raw[0], &mut numbers);
    from_threads(&vault, &mut raw, &mut numbers);
    look_ups(&server, &vault, &mut numbers);
}

fn one_by_one(vault: &Vault, raw: &mut Raw, numbers: &mut Numbers) {
    const COUNT: usize = 50;
    let ours = |_| {
        let numbers = numbers.take(COUNT);
        let cards = checked(&numbers);
        timed(|| tokenize_each(vault, &cards)).each(COUNT)
    };
    let theirs = |_| {
        let rows = RawRow::some(COUNT);
        timed(|| rows.iter().for_each(|row| raw.write(row))).each(COUNT)
    };
    Line::new("PostgreSQL: tokenize / raw prepared inserts", "").run(40, ours, theirs);
}

fn in_batches(vault: &Vault, raw: &mut Raw, numbers: &mut Numbers) {
    const COUNT: usize = 3;
    let ours = |_| {
        let numbers = numbers.take(COUNT * BATCH);
        let cards = checked(&numbers);
        let many: Vec<_> = cards.iter().map(|card| (card, TokenizeOptions::default())).collect();
        timed(|| many.chunks(BATCH).for_each(|many| tokenize_batch(vault, many))).each(COUNT * BATCH)
    };
    let theirs = |_| {
        let rows = RawRow::some(COUNT * BATCH);
        timed(|| rows.chunks(BATCH).for_each(|rows| raw.write_many(rows))).each(COUNT * BATCH)
    };
    Line::new("PostgreSQL: tokenize_many of 1000 / raw UNNEST", "<= 1.5").run(20, ours, theirs);
}

fn from_threads(vault: &Vault, raw: &mut [Raw], numbers: &mut Numbers) {
    const EACH: usize = 40;
    const COUNT: usize = EACH * CONNECTIONS;
    let ours = |_| {
        let numbers = numbers.take(COUNT);
        let cards = checked(&numbers);
        let mut work: Vec<_> = cards.chunks(EACH).map(|cards| move || tokenize_each(vault, cards)).collect();
        together(&mut work).each(COUNT)
    };
    let theirs = |_| {
        let rows = RawRow::some(COUNT);
        let parts = raw.iter_mut().zip(rows.chunks(EACH));
        let mut work: Vec<_> =
            parts.map(|(raw, rows)| move || rows.iter().for_each(|row| raw.write(row))).collect();
        together(&mut work).each(COUNT)
    };
    let what = format!("PostgreSQL: {CONNECTIONS} connections / raw prepared inserts");
    Line::new(what, "<= 1.25 (0.8 of their rows)").run(20, ours, theirs);
}

/// All at once, from the moment when all threads are there to that when all are done.
pub fn together(work: &mut [impl FnMut() + Send]) -> Took {
    let (start, end) = (Barrier::new(work.len() + 1), Barrier::new(work.len() + 1));
    thread::scope(|scope| {
        for work in work {
            let (start, end) = (&start, &end);
            scope.spawn(move || {
                start.wait();
                work();
                end.wait();
            });
        }
        start.wait();
        timed(|| {
            end.wait();
        })
    })
}

fn look_ups(server: &Server, vault: &Vault, numbers: &mut Numbers) {
    const STORED: usize = 20_000;
    const COUNT: usize = 300;
    let tokens = store(vault, &numbers.take(STORED));
    server.sql("analyze");
    let mut raw = Raw::new(&server.url());
    let packed: Vec<_> = tokens.iter().map(|token| packed_text(token)).collect();
    let some = |round: usize| (0..COUNT).map(move |at| (round * COUNT + at) * 7919 % STORED);
    let ours = |round| {
        let look_up =
            |at: usize| drop(black_box(vault.lookup(tokens[at].as_bytes()).expect("an instrument")));
        timed(|| some(round).for_each(look_up)).each(COUNT)
    };
    let theirs = |round| {
        let look_up = |at: usize| drop(black_box(raw.read(&packed[at])));
        timed(|| some(round).for_each(look_up)).each(COUNT)
    };
    Line::new("PostgreSQL: lookup / raw select", "<= 1.5").run(40, ours, theirs);
}
