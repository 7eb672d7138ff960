//! What the books say: what was asked for, and what was acknowledged. Of what was asked for and not acknowledged, by one
//! that was killed, either may be.

use crate::promised::Book;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// A merchant and one of its tokens, customers, keys or numbers.
pub type Key = (String, String);

/// A token as it must be; `None` where nobody knows.
pub struct Token {
    /// The card's number.
    pub number: String,
    /// Whether the thread that made it may change it.
    pub own: bool,
    /// Whether it is there.
    pub there: Option<bool>,
    /// Whether it is in use.
    pub active: Option<bool>,
    /// In which years it may expire.
    pub years: BTreeSet<i32>,
    /// From then on it may be gone; 0: never.
    pub keep_until: i64,
}

/// A customer as it must be.
#[derive(Default)]
pub struct Customer {
    /// Whether it is there.
    pub there: Option<bool>,
    /// What may be known of it.
    pub data: BTreeSet<String>,
}

/// What all books say together.
#[derive(Default)]
pub struct Ledger {
    /// All tokens that were acknowledged.
    pub tokens: HashMap<Key, Token>,
    /// The tokens that a number, or an idempotency key, has led to: each to one alone.
    pub one: HashMap<Key, BTreeSet<String>>,
    /// The number for which an idempotency key was used.
    pub numbers: HashMap<Key, String>,
    /// Customers.
    pub customers: HashMap<Key, Customer>,
    /// Detokenizations: token and reason.
    pub reads: Vec<(Key, String)>,
    /// How often a name was the first of its kind.
    pub firsts: HashMap<Key, u32>,
    /// How many tokens were asked for, less those that were given.
    pub in_doubt: i64,
    /// What the children themselves have found wrong.
    pub wrong: Vec<String>,
    /// How often each kind of line is there.
    pub counts: BTreeMap<String, u64>,
}

impl Ledger {
    /// Reads books.
    pub fn read<'p>(books: impl IntoIterator<Item = &'p Path>) -> Ledger {
        let mut ledger = Ledger::default();
        for book in books {
            for line in Book::read(book) {
                ledger.take(&line.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
        ledger
    }

    fn take(&mut self, line: &[&str]) {
        *self.counts.entry(line[0].to_owned()).or_default() += 1;
        let key = |merchant: &str, name: &str| (merchant.to_owned(), name.to_owned());
        match *line {
            ["ask-new", _, count] => self.in_doubt += count.parse::<i64>().unwrap(),
            ["new", kind, merchant, token, number, keep_until] => {
                self.in_doubt -= 1;
                self.give(kind, key(merchant, token), number, keep_until.parse().unwrap());
            }
            ["one", merchant, name, token, number] => {
                self.one.entry(key(merchant, name)).or_default().insert(token.to_owned());
                self.numbers.insert(key(merchant, name), number.to_owned());
            }
            ["ask-off" | "ask-on", merchant, token] => self.token(merchant, token).active = None,
            ["off", merchant, token] => self.token(merchant, token).active = Some(false),
            ["on", merchant, token] => self.token(merchant, token).active = Some(true),
            ["ask-gone", merchant, token] => self.token(merchant, token).there = None,
            ["gone", merchant, token] => self.token(merchant, token).there = Some(false),
            ["ask-year", merchant, token, year] => {
                self.token(merchant, token).years.insert(year.parse().unwrap());
            }
            ["year", merchant, token, year] => {
                self.token(merchant, token).years = [year.parse().unwrap()].into();
            }
            ["ask-customer", merchant, id, data] => {
                self.customers.entry(key(merchant, id)).or_default().data.insert(data.to_owned());
            }
            ["customer", merchant, id, data] => {
                let customer = self.customers.entry(key(merchant, id)).or_default();
                (customer.there, customer.data) = (Some(true), [data.to_owned()].into());
            }
            ["ask-customer-gone", merchant, id] => {
                self.customers.entry(key(merchant, id)).or_default().there = None;
            }
            ["customer-gone", merchant, id] => {
                self.customers.entry(key(merchant, id)).or_default().there = Some(false);
            }
            ["read", merchant, token, reason] => self.reads.push((key(merchant, token), reason.to_owned())),
            ["first", merchant, name] => *self.firsts.entry(key(merchant, name)).or_default() += 1,
            ["wrong", ref words @ ..] => self.wrong.push(words.join(" ")),
            ["done", verb, ..] => *self.counts.entry(format!("done {verb}")).or_default() += 1,
            _ => panic!("no such line: {line:?}"),
        }
    }

    fn give(&mut self, kind: &str, key: Key, number: &str, keep_until: i64) {
        let fresh = Token {
            number: number.to_owned(),
            own: kind == "own",
            there: Some(true),
            active: Some(true),
            years: [super::worker::YEAR].into(),
            keep_until,
        };
        let Some(known) = self.tokens.get(&key) else { return drop(self.tokens.insert(key, fresh)) };
        if known.number != number {
            self.wrong.push(format!("a token of two cards: {}", key.1));
        }
        if known.there == Some(false) {
            self.wrong.push(format!("a deleted token given again: {}", key.1));
        }
    }

    fn token(&mut self, merchant: &str, token: &str) -> &mut Token {
        let key = (merchant.to_owned(), token.to_owned());
        self.tokens.get_mut(&key).unwrap_or_else(|| panic!("{token} was never acknowledged"))
    }
}
