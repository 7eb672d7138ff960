//! A vault in memory, and a way to ask its dialects that looks at every reply.
#![allow(dead_code, reason = "not every test asks for everything")]

use panseal::card::holds_card_number;
use panseal::dialect::{Request, Response, Trusted, handle};
use panseal::keys::Root;
use panseal::vault::{Grant, OpenOptions, Vault};
use serde_json::Value;
use sha2::{Digest, Sha512};

/// 20 November 2026, 19:40:00 UTC.
pub const NOW: i64 = 1_795_203_600;

/// Numbers that are printed in everybody's documents.
pub const VISA: &str = "4111111111111111";
pub const MASTERCARD: &str = "5555555555554444";
pub const AMEX: &str = "378282246310005";

pub const WEBPAY_ID: &str = "7db11ea5d4a1af32421b564c79b946d1ead3daf0";
pub const WEBPAY_KEY: &[u8] = b"qwert1234";

pub struct Place {
    _folder: tempfile::TempDir,
    pub vault: Vault,
}

/// A reply, looked at.
pub struct Reply {
    pub status: u16,
    pub body: Value,
    pub text: String,
    pub response: Response,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.header(name)
    }

    /// A text in the body, by its path.
    pub fn at(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// What is asked; nobody's but the caller's own.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub dialect: &'a str,
    pub method: &'a str,
    pub target: &'a str,
    pub headers: &'a str,
    pub body: &'a [u8],
    pub trusted: Option<&'a str>,
    pub settings: &'a str,
    pub now: i64,
}

impl<'a> Ask<'a> {
    /// On behalf of `user-1`, whom the host vouches for.
    pub fn trusted(dialect: &'a str, method: &'a str, target: &'a str, body: &'a str) -> Ask<'a> {
        Ask {
            dialect,
            method,
            target,
            headers: if dialect == "pace" { "Content-Type: application/vnd.api+json\r\n" } else { "" },
            body: body.as_bytes(),
            trusted: Some("user-1"),
            settings: "",
            now: NOW,
        }
    }

    /// With these header lines and nobody to vouch.
    pub fn with_headers(self, headers: &'a str) -> Ask<'a> {
        Ask { headers, trusted: None, ..self }
    }
}

impl Place {
    pub fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let root = format!("file:{}", folder.path().join("root").display());
        Root::create(&root).unwrap();
        let vault = Vault::open(&OpenOptions {
            merchant: "m-1",
            ..OpenOptions::new("memory:", Root::parse(&root).unwrap())
        });
        Place { _folder: folder, vault: vault.unwrap() }
    }

    pub fn send(&self, ask: Ask<'_>) -> Reply {
        let request = Request {
            method: ask.method,
            target: ask.target,
            headers: ask.headers.as_bytes(),
            body: ask.body,
            now: ask.now,
            trusted: ask.trusted.map(|subject| Trusted { subject }),
            settings: ask.settings,
            base: "",
        };
        let before = self.stored();
        let response = handle(&self.vault, ask.dialect, &request).unwrap();
        if !(200..300).contains(&response.status) {
            assert_eq!(self.stored(), before, "a reply of {} stored something", response.status);
        }
        assert_eq!(response.failure, None, "{} {}", ask.method, ask.target);
        if let Some(found) = card_number_in(&response) {
            panic!("a card number in the {found} of a reply to {} {}", ask.method, ask.target);
        }
        let body = match response.body.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).expect("a body of JSON"),
        };
        Reply { status: response.status, body, text: response.body.clone(), response }
    }

    pub fn trusted(&self, dialect: &str, method: &str, target: &str, body: &str) -> Reply {
        self.send(Ask::trusted(dialect, method, target, body))
    }

    /// How many cards and instruments there are.
    pub fn stored(&self) -> (u64, u64) {
        let status = self.vault.status().unwrap();
        (status.cards, status.instruments)
    }

    /// A header line with a new bearer key.
    pub fn bearer(&self, dialect: &str, subject: &str, scopes: &str) -> String {
        let key = self.vault.grant(&Grant { dialect, subject, scopes, ..Grant::default() }).unwrap();
        format!("Authorization: Bearer {}\r\n", std::str::from_utf8(key.as_bytes()).unwrap())
    }

    pub fn grant_webpay(&self) {
        let grant = Grant { dialect: "webpay", ..Grant::default() };
        self.vault.grant_signing(&grant, WEBPAY_ID, WEBPAY_KEY).unwrap();
    }

    /// A token of WebPay's for this number.
    pub fn webpay_token(&self, pan: &str, expiry: &str) -> String {
        let body = format!(r#"{{"type":"card","card":{{"pan":"{pan}","expiration_date":"{expiry}"}}}}"#);
        let reply = self.trusted("webpay", "POST", "/v2/tokens", &body);
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.at("/token").to_owned()
    }
}

/// Where a card number is in a response, if one is.
pub fn card_number_in(response: &Response) -> Option<&'static str> {
    let headers = response.headers.iter().any(|(_, value)| holds_card_number(value.as_bytes()));
    match holds_card_number(response.body.as_bytes()) {
        true => Some("body"),
        false => headers.then_some("headers"),
    }
}

/// A digest of WebPay's: the parts one after the other.
pub fn digest(parts: &[&[u8]]) -> String {
    let hash = parts.iter().fold(Sha512::new(), |hash, part| hash.chain_update(part)).finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An `Authorization` line by the newer scheme.
pub fn signed(at: i64, target: &str, body: &[u8]) -> String {
    let time = at.to_string();
    let digest = digest(&[WEBPAY_KEY, time.as_bytes(), WEBPAY_ID.as_bytes(), target.as_bytes(), body]);
    format!("Authorization: WP3-v2.1 {WEBPAY_ID} {time} {digest}\r\n")
}

/// `json` with the member at a path replaced by `value`, or taken away.
pub fn altered(json: &str, path: &str, value: Option<Value>) -> String {
    let mut whole: Value = serde_json::from_str(json).unwrap();
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = whole.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => drop(parent.insert(name.to_owned(), value)),
        None => drop(parent.remove(name)),
    }
    whole.to_string()
}
