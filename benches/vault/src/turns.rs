//! The vault's verbs alone, a round of one of them whenever standard input names it: so that two builds can take turns.
//! `../beside.py` lets them.
//!
//! A round is answered by three numbers, in microseconds an operation: time, processor time of this process, and
//! processor time of the PostgreSQL server that it has started.

use super::cards::{Numbers, checked};
use super::measure::{Each, timed};
use super::on_memory::Requests;
use super::on_postgres::together;
use super::on_sqlite::{store, tokenize_batch, tokenize_each};
use super::scale::{self, Filled};
use super::server::{Server, Settings};
use panseal::card::Pan;
use panseal::vault::{Reuse, TokenizeOptions, Vault};
use std::cell::RefCell;
use std::fs;
use std::hint::black_box;
use std::io::{BufRead, stdin};
use std::path::Path;
use std::rc::Rc;

const WRITERS: usize = 16;
const READERS: usize = 4;
const BATCH: usize = 1000;
/// So many cards are there before anything is measured.
const STORED: usize = 20_000;

/// What a line is called, and a round of it: what an operation took, and how many there were.
type Line = (String, Box<dyn FnMut() -> (Each, usize)>);

/// Offers the lines of a store, then runs the rounds that are asked for.
pub fn run(folder: &Path, on: &str, size: u64) {
    let server = (on == "postgres").then(|| {
        let lines = vec![("shared_buffers", "'512MB'"), ("max_wal_size", "'4GB'")];
        Server::new(&Settings { fsync: true, lines, ..Settings::default() })
    });
    let mut lines = match (on, &server) {
        ("sqlite", _) => {
            of_store("SQLite", super::open(folder, &format!("sqlite:{}", folder.join("vault.db").display())))
        }
        ("memory", _) => of_memory(super::open(folder, "memory:")),
        ("scale", _) => of_large(Filled::new(folder, size)),
        (_, Some(server)) => {
            let lines = of_store("PostgreSQL", super::open(folder, &server.url()));
            server.sql("analyze");
            lines
        }
        _ => panic!("no store is called {on}"),
    };
    lines.iter().for_each(|(name, _)| println!("{name}"));
    println!();
    for wanted in stdin().lock().lines() {
        let wanted = wanted.expect("a line");
        let (_, round) = lines.iter_mut().find(|(name, _)| *name == wanted).expect("a line that was offered");
        let before = processor_of_children();
        let (each, operations) = round();
        let server = (processor_of_children() - before) / operations as f64;
        println!("{} {} {server}", each.time(), each.processor());
    }
}

fn of_store(name: &str, vault: Vault) -> Vec<Line> {
    let vault = Rc::new(vault);
    let numbers = Rc::new(RefCell::new(Numbers::default()));
    let known = numbers.borrow_mut().take(STORED);
    let tokens: Rc<[String]> = store(&vault, &known).into();
    let known: Rc<[Vec<u8>]> = known.into();
    let mut lines: Vec<Line> = Vec::new();
    let mut add = |what: &str, round| lines.push((format!("{name}: {what}"), round));
    add("tokenize", tokenizing(&vault, &numbers, 1, 200));
    add(&format!("tokenize, {WRITERS} threads"), tokenizing(&vault, &numbers, WRITERS, 60));
    add("tokenize of a known card, reused", reusing(&vault, &known));
    add("tokenize_many of 1000", in_batches(&vault, &numbers));
    add("lookup", with_tokens(&vault, &tokens, 1, 2000, look_up));
    add(&format!("lookup, {READERS} threads"), with_tokens(&vault, &tokens, READERS, 1000, look_up));
    add("find", finding(&vault, &known));
    add("detokenize", with_tokens(&vault, &tokens, 1, 200, detokenize));
    add(&format!("detokenize, {WRITERS} threads"), with_tokens(&vault, &tokens, WRITERS, 60, detokenize));
    lines
}

/// New cards, so many from each thread.
fn tokenizing(
    vault: &Rc<Vault>,
    numbers: &Rc<RefCell<Numbers>>,
    threads: usize,
    count: usize,
) -> Box<dyn FnMut() -> (Each, usize)> {
    let (vault, numbers) = (Rc::clone(vault), Rc::clone(numbers));
    Box::new(move || {
        let (vault, numbers) = (&*vault, numbers.borrow_mut().take(threads * count));
        let cards = checked(&numbers);
        let mut work: Vec<_> = cards.chunks(count).map(|cards| move || tokenize_each(vault, cards)).collect();
        (together(&mut work).each(threads * count), threads * count)
    })
}

fn in_batches(vault: &Rc<Vault>, numbers: &Rc<RefCell<Numbers>>) -> Box<dyn FnMut() -> (Each, usize)> {
    const BATCHES: usize = 5;
    let (vault, numbers) = (Rc::clone(vault), Rc::clone(numbers));
    Box::new(move || {
        let numbers = numbers.borrow_mut().take(BATCHES * BATCH);
        let cards = checked(&numbers);
        let many: Vec<_> = cards.iter().map(|card| (card, TokenizeOptions::default())).collect();
        let took = timed(|| many.chunks(BATCH).for_each(|many| tokenize_batch(&vault, many)));
        (took.each(BATCHES * BATCH), BATCHES * BATCH)
    })
}

fn reusing(vault: &Rc<Vault>, known: &Rc<[Vec<u8>]>) -> Box<dyn FnMut() -> (Each, usize)> {
    const COUNT: usize = 200;
    let (vault, known, mut walk) = (Rc::clone(vault), Rc::clone(known), Walk(0));
    Box::new(move || {
        let wanted: Vec<Vec<u8>> = walk.some(COUNT, known.len()).map(|at| known[at].clone()).collect();
        let cards = checked(&wanted);
        let options = TokenizeOptions { reuse: Reuse::Merchant, ..TokenizeOptions::default() };
        let took = timed(|| {
            cards.iter().for_each(|card| assert!(vault.tokenize(card, &options).expect("a token").reused))
        });
        (took.each(COUNT), COUNT)
    })
}

fn finding(vault: &Rc<Vault>, known: &Rc<[Vec<u8>]>) -> Box<dyn FnMut() -> (Each, usize)> {
    const COUNT: usize = 1000;
    let (vault, known, mut walk) = (Rc::clone(vault), Rc::clone(known), Walk(0));
    Box::new(move || {
        let wanted: Vec<Vec<u8>> = walk.some(COUNT, known.len()).map(|at| known[at].clone()).collect();
        let cards = checked(&wanted);
        let took = timed(|| {
            cards.iter().for_each(|card| drop(black_box(vault.find(card.number()).expect("an answer"))))
        });
        (took.each(COUNT), COUNT)
    })
}

/// A verb on so many tokens from each thread.
fn with_tokens(
    vault: &Rc<Vault>,
    tokens: &Rc<[String]>,
    threads: usize,
    count: usize,
    verb: fn(&Vault, &str),
) -> Box<dyn FnMut() -> (Each, usize)> {
    let (vault, tokens, mut walk) = (Rc::clone(vault), Rc::clone(tokens), Walk(0));
    Box::new(move || {
        let (vault, tokens) = (&*vault, &*tokens);
        let places: Vec<usize> = walk.some(threads * count, tokens.len()).collect();
        let part = |places: &[usize]| places.iter().for_each(|at| verb(vault, &tokens[*at]));
        let mut work: Vec<_> = places.chunks(count).map(|places| move || part(places)).collect();
        (together(&mut work).each(threads * count), threads * count)
    })
}

fn look_up(vault: &Vault, token: &str) {
    drop(black_box(vault.lookup(token.as_bytes()).expect("an instrument")));
}

fn detokenize(vault: &Vault, token: &str) {
    let number = vault.detokenize(token.as_bytes(), "till", "refund", Pan::MAX_LEN);
    drop(black_box(number.expect("a number")));
}

/// The requests of a dialect, and the work inside them.
fn of_memory(vault: Vault) -> Vec<Line> {
    let requests = Rc::new(RefCell::new(Requests::new(vault)));
    let line = |what: &str, round: fn(&mut Requests) -> (Each, usize)| -> Line {
        let requests = Rc::clone(&requests);
        (format!("memory: {what}"), Box::new(move || round(&mut requests.borrow_mut())))
    };
    vec![
        line("SumUp's create, trusted", |requests| requests.handle_each(true)),
        line("SumUp's create, with a bearer key", |requests| requests.handle_each(false)),
        line("tokenize", Requests::tokenize_each),
    ]
}

fn of_large(filled: Filled) -> Vec<Line> {
    let size = filled.size();
    let (filled, round) = (Rc::new(RefCell::new(filled)), Rc::new(RefCell::new(0)));
    let of = |(what, operations, one): scale::Verb| -> Line {
        let (filled, round) = (Rc::clone(&filled), Rc::clone(&round));
        let run = move || {
            *round.borrow_mut() += 1;
            (one(&mut filled.borrow_mut(), *round.borrow()), operations)
        };
        (format!("{size} cards in SQLite: {what}"), Box::new(run))
    };
    scale::VERBS.map(of).into()
}

/// Goes all over a list, somewhere else each time.
struct Walk(usize);

impl Walk {
    fn some(&mut self, count: usize, len: usize) -> impl Iterator<Item = usize> + use<> {
        let from = self.0;
        self.0 += count;
        (from..self.0).map(move |at| at * 7919 % len)
    }
}

/// The processor time of a server that was started here and of its processes, in microseconds.
fn processor_of_children() -> f64 {
    let children =
        |of: &str| fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    let mut sum = 0.0;
    let mut at_hand: Vec<String> = vec![std::process::id().to_string()];
    while let Some(process) = at_hand.pop() {
        for child in children(&process).split_whitespace() {
            let ran = fs::read_to_string(format!("/proc/{child}/schedstat")).unwrap_or_default();
            sum += ran.split_whitespace().next().and_then(|ran| ran.parse::<f64>().ok()).unwrap_or(0.0) / 1e3;
            at_hand.push(child.to_owned());
        }
    }
    sum
}
