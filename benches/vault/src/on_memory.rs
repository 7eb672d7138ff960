//! A dialect's request beside the work inside it, on a vault in memory: what parsing, authentication and rendering cost.

use super::cards::{Numbers, checked};
use super::measure::{Each, Line, timed};
use super::row::MERCHANT;
use panseal::dialect::{Request, Trusted, handle};
use panseal::scheme::Scheme;
use panseal::vault::{Grant, TokenizeOptions, Vault};
use std::cell::RefCell;
use std::path::Path;

/// So many requests a round.
const COUNT: usize = 200;
/// So many cards a customer, as SumUp has it.
const CARDS: usize = 4;

pub fn run(folder: &Path) {
    let requests = RefCell::new(Requests::new(super::open(folder, "memory:")));
    for (who, trusted) in [("trusted", true), ("with a bearer key", false)] {
        let ours = |_| requests.borrow_mut().handle_each(trusted).0;
        let theirs = |_| requests.borrow_mut().tokenize_each().0;
        Line::new(format!("memory: SumUp's create, {who} / tokenize"), "<= 2.5").run(120, ours, theirs);
    }
}

/// A vault, what a request to it needs, and what was used up by those before.
pub struct Requests {
    vault: Vault,
    bearer: Vec<u8>,
    numbers: Numbers,
    customers: usize,
}

impl Requests {
    pub fn new(vault: Vault) -> Requests {
        let grant = Grant { dialect: "sumup", scopes: "payment_instruments", ..Grant::default() };
        let key = vault.grant(&grant).expect("a key");
        let bearer =
            [b"Content-Type: application/json\r\nAuthorization: Bearer ", key.as_bytes(), b"\r\n"].concat();
        Requests { vault, bearer, numbers: Numbers::default(), customers: 0 }
    }

    /// By the dialect: what a request took, and how many there were.
    pub fn handle_each(&mut self, trusted: bool) -> (Each, usize) {
        let plain = b"Content-Type: application/json\r\n";
        let names = self.fresh_customers();
        let targets: Vec<String> =
            names.iter().map(|name| format!("/v0.1/customers/{name}/payment-instruments")).collect();
        let body = |number: &Vec<u8>| {
            let number = std::str::from_utf8(number).expect("digits");
            format!(
                r#"{{"type":"card","card":{{"name":"ADA BYRON","number":"{number}","expiry_year":"2031","#,
            ) + r#""expiry_month":"12","cvv":"123"}}"#
        };
        let bodies: Vec<String> = self.numbers.take(COUNT).iter().map(body).collect();
        let headers = if trusted { &plain[..] } else { &self.bearer };
        let trusted = trusted.then(Trusted::default);
        let request = Request { method: "POST", headers, trusted, ..Request::default() };
        let took = timed(|| {
            for (place, body) in bodies.iter().enumerate() {
                let request = Request { target: &targets[place / CARDS], body: body.as_bytes(), ..request };
                let response = handle(&self.vault, "sumup", &request).expect("a response");
                assert_eq!(response.status, 201);
            }
        });
        (took.each(COUNT), COUNT)
    }

    /// With the same options as the dialect.
    pub fn tokenize_each(&mut self) -> (Each, usize) {
        let names = self.fresh_customers();
        let numbers = self.numbers.take(COUNT);
        let cards = checked(&numbers);
        let took = timed(|| {
            for (place, card) in cards.iter().enumerate() {
                let options = TokenizeOptions {
                    scheme: Some(Scheme::RandomUuid),
                    customer_limit: Some(CARDS as u32),
                    ..TokenizeOptions::of(&names[place / CARDS])
                };
                self.vault.tokenize(card, &options).expect("an instrument");
            }
        });
        (took.each(COUNT), COUNT)
    }

    fn fresh_customers(&mut self) -> Vec<String> {
        assert_eq!(self.vault.merchant_name(), MERCHANT);
        let last = self.customers + COUNT / CARDS;
        let names: Vec<String> = (self.customers..last).map(|number| format!("c-{number}")).collect();
        self.customers = last;
        names.iter().for_each(|name| drop(self.vault.create_customer(name, "", "").expect("a customer")));
        names
    }
}
