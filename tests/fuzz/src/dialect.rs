//! What the targets of the dialects share: a vault in memory, and what must hold for every reply.

use crate::pieces;
use panseal::card::holds_card_number;
use panseal::dialect::{REPLY_MAX, Request, Response, Trusted, handle};
use panseal::keys::Root;
use panseal::vault::{OpenOptions, Vault};
use std::cell::RefCell;

/// 20 November 2026.
const NOW: i64 = 1_795_132_800;
/// After so many requests the vault is a new one, so that looking at all of it stays quick.
const REQUESTS: u32 = 500;

/// Reads a request out of the input: flags, then method, target, headers, and the body. With the first flag the target
/// is one of `targets`, with the second one the host vouches for the caller.
pub fn ask(dialect: &str, targets: &[&str], input: &[u8]) {
    let Some((&[flags, which], rest)) = input.split_first_chunk::<2>() else { return };
    let [method, target, headers, body] = pieces::<4>(rest);
    let methods = ["POST", "GET", "PUT", "DELETE", "PATCH"];
    let method = std::str::from_utf8(method).ok().filter(|method| !method.is_empty());
    let target = std::str::from_utf8(target).unwrap_or("/");
    let request = Request {
        method: method.unwrap_or(methods[usize::from(flags >> 2) % methods.len()]),
        target: if flags & 1 == 0 { target } else { targets[usize::from(which) % targets.len()] },
        headers,
        body,
        now: NOW,
        trusted: (flags & 2 != 0).then_some(Trusted { subject: "user-1" }),
        ..Request::default()
    };
    with_vault(|vault| {
        let stored = || vault.status().map(|status| (status.cards, status.instruments)).expect("a vault");
        let before = stored();
        let response = handle(vault, dialect, &request).expect("an answer");
        assert!((200..500).contains(&response.status), "{:?}", response.failure);
        assert!(response.status < 300 || stored() == before, "a refused request stored something");
        assert!(!holds_card_number(response.body.as_bytes()));
        assert!(response.headers.iter().all(|(_, value)| !holds_card_number(value.as_bytes())));
        assert!(response.headers.iter().all(|(_, value)| !value.contains(['\r', '\n'])));
        assert!(request.method == "GET" || length(&response) <= REPLY_MAX);
        if !response.body.is_empty() {
            serde_json::from_str::<serde_json::Value>(&response.body).expect("JSON");
        }
    });
}

fn with_vault(work: impl FnOnce(&Vault)) {
    thread_local! {
        static VAULT: RefCell<(u32, Option<Vault>)> = const { RefCell::new((0, None)) };
    }
    VAULT.with_borrow_mut(|(asked, vault)| {
        *asked += 1;
        if *asked % REQUESTS == 0 {
            *vault = None;
        }
        work(vault.get_or_insert_with(open));
    });
}

fn open() -> Vault {
    let path = std::env::temp_dir().join(format!("panseal-fuzz-{}.root", std::process::id()));
    let root = format!("file:{}", path.display());
    if !path.exists() {
        Root::create(&root).expect("a root key");
    }
    let vault = Vault::open(&OpenOptions::new("memory:", Root::parse(&root).expect("a root"))).expect("a vault");
    vault.create_customer("c-1", "", "").expect("a customer");
    vault.create_customer("0b6a0f4e-6a52-4f0e-8a5e-2f8b3c6d7e01", "mc-1", "").expect("a customer");
    vault
}

/// The length of a reply as it goes over the wire, without its status line.
fn length(response: &Response) -> usize {
    let lines = response.headers.iter().map(|(name, value)| name.len() + value.len() + 4);
    lines.sum::<usize>() + response.body.len()
}
