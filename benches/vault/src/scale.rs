//! A vault that grows: what memory it takes while it does, and what its verbs cost then beside what they cost at the
//! size of fifty thousand. Beside a look-up stands what SQLite alone takes for its select in the same two files, and for
//! one step of it; beside a batch, what it takes for the rows of one.

use super::cards::{checked, number};
use super::measure::{Each, Line, timed};
use super::on_sqlite::{store, tokenize_batch, tokenize_each};
use super::raw_sqlite::{IN_INDEX, Inserts, SELECT, columns, connect, connect_to_write, merchant};
use super::row::{RawRow, packed_text};
use panseal::vault::{Reuse, TokenizeOptions, Vault};
use rusqlite::{Connection, params};
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

const SMALL: u64 = 50_000;
/// So many cards of each vault are kept at hand, spread over all.
const SAMPLE: usize = 10_000;
const BATCH: usize = 1000;
const GOAL: &str = "<= 1.5";

/// A filled vault, and some of what is in it.
pub struct Filled {
    vault: Vault,
    reader: Connection,
    writer: Connection,
    size: u64,
    numbers: Vec<Vec<u8>>,
    tokens: Vec<String>,
}

impl Filled {
    pub fn new(folder: &Path, size: u64) -> Filled {
        let path = folder.join(format!("{size}.db"));
        let vault = super::open(folder, &format!("sqlite:{}", path.display()));
        let every = (size / SAMPLE as u64).max(1);
        let (reader, writer) = (connect(&path), connect_to_write(&path));
        let mut filled = Filled { vault, reader, writer, size, numbers: Vec::new(), tokens: Vec::new() };
        if filled.holds(size - 1) {
            filled.take_stock(every);
            return filled;
        }
        let (start, mut shown) = (Instant::now(), Instant::now());
        for first in (0..size).step_by(BATCH) {
            let numbers: Vec<Vec<u8>> = (first..size.min(first + BATCH as u64)).map(number).collect();
            let tokens = store(&filled.vault, &numbers);
            for (place, (number, token)) in (first..).zip(numbers.into_iter().zip(tokens)) {
                if place % every == 0 {
                    filled.numbers.push(number);
                    filled.tokens.push(token);
                }
            }
            let done = first + BATCH as u64;
            if done.is_multiple_of(size / 10) || done >= size {
                let pace = shown.elapsed().as_secs_f64() * 1e7 / size as f64;
                println!("{done:>9} rows: {:>5} KiB resident, {pace:.1} us a row lately", resident());
                shown = Instant::now();
            }
        }
        println!("{size} rows in {:.0} s", start.elapsed().as_secs_f64());
        filled
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    fn holds(&self, place: u64) -> bool {
        let numbers = [number(place)];
        !self.vault.find(checked(&numbers)[0].number()).expect("an answer").is_empty()
    }

    /// Of a vault that an earlier run has filled, and added to.
    fn take_stock(&mut self, every: u64) {
        for place in (0..self.size).step_by(every as usize) {
            let numbers = [number(place)];
            let found = self.vault.find(checked(&numbers)[0].number()).expect("an answer");
            self.tokens.push(found[0].token.as_str().to_owned());
            self.numbers.extend(numbers);
        }
        while self.holds(self.size) {
            self.size += 1;
        }
        println!("{} rows were there", self.size);
    }

    fn fresh(&mut self, count: usize) -> Vec<Vec<u8>> {
        let first = self.size;
        self.size += count as u64;
        (first..self.size).map(number).collect()
    }
}

/// What a verb is called, how many operations a round has, and a round.
pub type Verb = (&'static str, usize, fn(&mut Filled, usize) -> Each);

/// Of the vault alone.
pub const VERBS: [Verb; 5] = [
    ("lookup", 1000, look_up),
    ("find", 1000, find),
    ("tokenize of a known card, reused", 100, reuse),
    ("tokenize of a new card", 100, insert),
    ("tokenize_many of 1000", BATCH, insert_many),
];

pub fn run(folder: &Path, size: u64) {
    println!("{:>9} rows: {:>5} KiB resident", 0, resident());
    let mut small = Filled::new(folder, SMALL);
    let mut large = Filled::new(folder, size);
    super::measure::heading();
    let large_of = |what: &str| format!("{what}, {size} rows / {SMALL} rows");
    let mut both = |what: &str, goal, rounds, one: &dyn Fn(&mut Filled, usize) -> Each| {
        let line = Line::new(large_of(what), goal);
        line.run(rounds, |round| one(&mut large, round), |round| one(&mut small, round));
    };
    both("lookup", GOAL, 60, &look_up);
    both("the select of lookup in SQLite alone", "", 60, &select);
    both("a token in its index in SQLite alone", "", 60, &in_index);
    both("find", GOAL, 60, &find);
    both("tokenize of a known card, reused", GOAL, 40, &reuse);
    both("tokenize of a new card", GOAL, 80, &insert);
    both("tokenize_many of 1000", GOAL, 16, &insert_many);
    both("the rows of 1000 in SQLite alone", "", 16, &insert_rows);
    println!("{:>9} KiB resident", resident());
}

fn some(filled: &Filled, round: usize, count: usize) -> impl Iterator<Item = usize> + use<> {
    let all = filled.tokens.len();
    (0..count).map(move |at| (round * count + at) * 7919 % all)
}

fn look_up(filled: &mut Filled, round: usize) -> Each {
    let look_up = |at: usize| {
        black_box(filled.vault.lookup(filled.tokens[at].as_bytes()).expect("an instrument"));
    };
    timed(|| some(filled, round, 1000).for_each(look_up)).each(1000)
}

fn select(filled: &mut Filled, round: usize) -> Each {
    let mut select = filled.reader.prepare_cached(SELECT).expect("a statement");
    let merchant = merchant(&filled.reader);
    let look_up = |at: usize| {
        let row = select.query_row(params![merchant, packed_text(&filled.tokens[at])], |row| columns(row));
        black_box(row.expect("a row"));
    };
    timed(|| some(filled, round, 1000).for_each(look_up)).each(1000)
}

fn in_index(filled: &mut Filled, round: usize) -> Each {
    let mut select = filled.reader.prepare_cached(IN_INDEX).expect("a statement");
    let merchant = merchant(&filled.reader);
    let look_up = |at: usize| {
        let token = packed_text(&filled.tokens[at]);
        let found = select.query_row(params![merchant, token], |row| row.get::<_, Vec<u8>>(0));
        black_box(found.expect("a row"));
    };
    timed(|| some(filled, round, 1000).for_each(look_up)).each(1000)
}

fn find(filled: &mut Filled, round: usize) -> Each {
    let wanted: Vec<Vec<u8>> = some(filled, round, 1000).map(|at| filled.numbers[at].clone()).collect();
    let cards = checked(&wanted);
    let find = |card: &panseal::card::Card| {
        assert!(!black_box(filled.vault.find(card.number()).expect("an answer")).is_empty());
    };
    timed(|| cards.iter().for_each(find)).each(1000)
}

fn reuse(filled: &mut Filled, round: usize) -> Each {
    let wanted: Vec<Vec<u8>> = some(filled, round, 100).map(|at| filled.numbers[at].clone()).collect();
    let cards = checked(&wanted);
    let options = TokenizeOptions { reuse: Reuse::Merchant, ..TokenizeOptions::default() };
    let again = |card: &panseal::card::Card| {
        assert!(filled.vault.tokenize(card, &options).expect("a token").reused);
    };
    timed(|| cards.iter().for_each(again)).each(100)
}

fn insert(filled: &mut Filled, _: usize) -> Each {
    let numbers = filled.fresh(100);
    let cards = checked(&numbers);
    timed(|| tokenize_each(&filled.vault, &cards)).each(100)
}

fn insert_many(filled: &mut Filled, _: usize) -> Each {
    let numbers = filled.fresh(BATCH);
    let cards = checked(&numbers);
    let many: Vec<_> = cards.iter().map(|card| (card, TokenizeOptions::default())).collect();
    timed(|| tokenize_batch(&filled.vault, &many)).each(BATCH)
}

fn insert_rows(filled: &mut Filled, _: usize) -> Each {
    let rows = RawRow::some(BATCH);
    let mut inserts = Inserts::new(&filled.writer);
    timed(|| inserts.write(&rows)).each(BATCH)
}

/// The resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
