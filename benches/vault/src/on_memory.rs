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
    let vault = super::open(folder, "memory:");
    let grant = Grant { dialect: "sumup", scopes: "payment_instruments", ..Grant::default() };
    let key = vault.grant(&grant).expect("a key");
    let bearer =
        [b"Content-Type: application/json\r\nAuthorization: Bearer ", key.as_bytes(), b"\r\n"].concat();
    let plain = b"Content-Type: application/json\r\n".to_vec();
    // Both sides take from the same row of numbers.
    let (numbers, customers) = (RefCell::new(Numbers::default()), RefCell::new(0));
    for (who, headers, trusted) in
        [("trusted", plain, Some(Trusted::default())), ("with a bearer key", bearer, None)]
    {
        let request = Request { method: "POST", headers: &headers, trusted, ..Request::default() };
        let ours = |_| handle_each(&vault, &request, &mut numbers.borrow_mut(), &mut customers.borrow_mut());
        let theirs = |_| tokenize_each(&vault, &mut numbers.borrow_mut(), &mut customers.borrow_mut());
        Line::new(format!("memory: SumUp's create, {who} / tokenize"), "<= 2.5").run(120, ours, theirs);
    }
}

fn handle_each(vault: &Vault, request: &Request<'_>, numbers: &mut Numbers, customers: &mut usize) -> Each {
    let names = fresh_customers(vault, customers);
    let targets: Vec<String> =
        names.iter().map(|name| format!("/v0.1/customers/{name}/payment-instruments")).collect();
    let body = |number: &Vec<u8>| {
        let number = std::str::from_utf8(number).expect("digits");
        format!(r#"{{"type":"card","card":{{"name":"ADA BYRON","number":"{number}","expiry_year":"2031","#,)
            + r#""expiry_month":"12","cvv":"123"}}"#
    };
    let bodies: Vec<String> = numbers.take(COUNT).iter().map(body).collect();
    timed(|| {
        for (place, body) in bodies.iter().enumerate() {
            let request = Request { target: &targets[place / CARDS], body: body.as_bytes(), ..*request };
            let response = handle(vault, "sumup", &request).expect("a response");
            assert_eq!(response.status, 201);
        }
    })
    .each(COUNT)
}

/// With the same options as the dialect.
fn tokenize_each(vault: &Vault, numbers: &mut Numbers, customers: &mut usize) -> Each {
    let names = fresh_customers(vault, customers);
    let numbers = numbers.take(COUNT);
    let cards = checked(&numbers);
    timed(|| {
        for (place, card) in cards.iter().enumerate() {
            let options = TokenizeOptions {
                scheme: Some(Scheme::RandomUuid),
                customer_limit: Some(CARDS as u32),
                ..TokenizeOptions::of(&names[place / CARDS])
            };
            vault.tokenize(card, &options).expect("an instrument");
        }
    })
    .each(COUNT)
}

fn fresh_customers(vault: &Vault, known: &mut usize) -> Vec<String> {
    assert_eq!(vault.merchant_name(), MERCHANT);
    let names: Vec<String> = (*known..*known + COUNT / CARDS).map(|number| format!("c-{number}")).collect();
    *known += names.len();
    names.iter().for_each(|name| drop(vault.create_customer(name, "", "").expect("a customer")));
    names
}
