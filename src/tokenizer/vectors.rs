//! `tests/vectors/token-schemes.json`: what these schemes make, for whoever writes them a second time.
//!
//! The file is written by `PANSEAL_WRITE_VECTORS=1 cargo test --lib vectors` and read by all other runs. A change in it
//! is a change of what tokens are.

use super::*;
use crate::keys::{CheckValue, derive};
use crate::scheme::classify;
use crate::secret::arena::KeySlot;
use serde_json::{Value, json};
use std::path::PathBuf;

const EPOCH_KEYS: [&str; 2] = [
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "b2c5f0a1d37e489cfe21067a95d8430be4196f82ac5d7730c91e24a8f65b03d7",
];
const MERCHANTS: [&str; 3] = ["", "m1", "Zoë & Söhne"];
const SCHEMES: [&str; 10] = [
    "ff1:0+4",
    "ff1:4+0",
    "ff1:1+3",
    "ff1:6+0",
    "ff1:6+3",
    "ff1:8+0",
    "ff1:8+4",
    "siv",
    "siv:letters",
    "mac",
];
/// With check digits: Maestro has numbers of all lengths, 12 to 19.
const NUMBERS: [&str; 11] = [
    "675900000000",
    "6759000000005",
    "67590123456782",
    "378282246310005",
    "4242424242424242",
    "5555555555554444",
    "67596498264384533",
    "675964982643845318",
    "6759649826438453128",
    "6759999999999999999",
    "6759000000000000005",
];
/// Only `siv` and `mac` take these.
const ODD_NUMBERS: [&str; 4] = ["000000000001", "999999999999", "0000000000001", "9999999999999999999"];

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/token-schemes.json")
}

fn bytes(hex: &str) -> Vec<u8> {
    let mut out = vec![0; hex.len() / 2];
    base16ct::lower::decode(hex, &mut out).unwrap();
    out
}

fn ready(scheme: Scheme, epoch_key: &str, merchant: &str) -> Ready {
    let purpose = purpose_of(scheme).unwrap();
    let mut working = vec![0; purpose.key_len()];
    derive(&bytes(epoch_key), purpose, merchant, &mut working).unwrap();
    Ready::new(scheme, &working).unwrap()
}

fn pan(digits: &str) -> Pan {
    Pan::parse(digits.as_bytes(), Separators::Refused).ok().unwrap()
}

fn tokens() -> Vec<Value> {
    let mut rows = Vec::new();
    for (name, (count, epoch_key)) in
        SCHEMES.iter().flat_map(|name| EPOCH_KEYS.iter().enumerate().map(move |key| (name, key)))
    {
        let scheme: Scheme = name.parse().unwrap();
        let odd = if needs_slot(scheme) { &[][..] } else { &ODD_NUMBERS };
        for (place, number) in NUMBERS.iter().chain(odd).enumerate() {
            let merchant = MERCHANTS[(place + count) % MERCHANTS.len()];
            let slot = if needs_slot(scheme) { 1 + ((place + 5 * count) % 9) as u8 } else { 0 };
            let ready = ready(scheme, epoch_key, merchant);
            let token = match Token::made(|token| ready.token(slot, &pan(number), token)) {
                Ok(token) => token,
                Err(code) => {
                    assert_eq!(code, Code::Domain, "{name} {number}");
                    continue;
                }
            };
            match Pan::made(|pan| ready.number(token.as_str().as_bytes(), pan)) {
                Ok(back) => assert_eq!(back.digits(), number.as_bytes()),
                Err(code) => assert_eq!((code, *name), (Code::Irreversible, "mac")),
            }
            let slot = if slot == 0 { Value::Null } else { slot.into() };
            rows.push(json!({
                "scheme": name, "epoch_key": epoch_key, "merchant": merchant, "slot": slot, "pan": number,
                "token": token.as_str(),
            }));
        }
    }
    rows
}

fn check_values() -> Vec<Value> {
    let check = |hex: &&str| {
        let key = KeySlot::fill(32, |out| {
            out.copy_from_slice(&bytes(hex));
            Ok(())
        });
        json!({ "key": hex, "check": CheckValue::of(&key.unwrap()).unwrap().to_string() })
    };
    EPOCH_KEYS.iter().map(check).collect()
}

fn shapes() -> Vec<Value> {
    let texts = [
        "4242424242424242",
        "4242424242424245",
        "6212345678900000001",
        "424242424242424",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "7d1c8a5eb04f2936d1e7a08c5b42f9e36a07d48b1c95e2fa",
        "afafafafafafafafafafafafafafafafafafafafafafafaf",
        "ponmlkjihgfedcbaponmlkjihgfedcbaponmlkjihgfedcba",
        "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
        "x",
    ];
    let shape = |text: &str| {
        let shapes = classify(text.as_bytes());
        json!({
            "text": text, "pan": shapes.pan, "numeric_token": shapes.numeric_token, "hex_token": shapes.hex_token,
            "letters_token": shapes.letters_token, "uuid": shapes.uuid, "mac": shapes.mac,
        })
    };
    texts.into_iter().map(shape).collect()
}

const KEYRING_SCHEMES: [&str; 3] = ["ff1:0+4", "siv", "mac"];

/// A keyring file with an epoch of each state, and tokens under it.
struct Ring(tempfile::TempDir);

impl Ring {
    fn new() -> Ring {
        Ring(tempfile::tempdir().unwrap())
    }

    fn open(&self, scheme: &str, create: bool) -> Tokenizer {
        let root = Root::parse(&format!("file:{}", self.0.path().join("root").display())).unwrap();
        let keyring = self.0.path().join("keyring");
        let options = TokenizerOptions::new(scheme.parse().unwrap(), &keyring, root);
        Tokenizer::open(&TokenizerOptions { create, merchant: "m1", ..options }).unwrap()
    }

    fn make(&self) -> Value {
        let uri = format!("file:{}", self.0.path().join("root").display());
        Root::create(&uri).unwrap();
        let first = self.open(KEYRING_SCHEMES[0], true);
        first.rotate().unwrap();
        first.destroy(1, true).unwrap();
        first.rotate().unwrap();
        let tokens = KEYRING_SCHEMES.iter().flat_map(|scheme| {
            let made = self.open(scheme, false).candidates(&pan(NUMBERS[4])).unwrap();
            made.into_iter().zip([3, 2]).map(move |(token, epoch)| {
                json!({ "scheme": scheme, "merchant": "m1", "epoch": epoch, "pan": NUMBERS[4], "token": token.as_str() })
            })
        });
        let tokens: Vec<Value> = tokens.collect();
        let read = |name: &str| std::fs::read_to_string(self.0.path().join(name)).unwrap();
        json!({ "root": read("root").trim(), "text": read("keyring"), "tokens": tokens })
    }

    fn check(&self, vector: &Value) {
        for (name, field) in [("root", "root"), ("keyring", "text")] {
            std::fs::write(self.0.path().join(name), vector[field].as_str().unwrap()).unwrap();
        }
        #[cfg(unix)]
        let owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        #[cfg(unix)]
        std::fs::set_permissions(self.0.path().join("root"), owner).unwrap();
        let rows = vector["tokens"].as_array().unwrap();
        assert_eq!(rows.len(), 2 * KEYRING_SCHEMES.len());
        for row in rows {
            let tokenizer = self.open(row["scheme"].as_str().unwrap(), false);
            let made = tokenizer.candidates(&pan(row["pan"].as_str().unwrap())).unwrap();
            assert!(made.iter().any(|token| token.as_str() == row["token"]), "{row}");
        }
    }
}

#[test]
fn what_is_published_is_what_is_made() {
    if std::env::var_os("PANSEAL_WRITE_VECTORS").is_some() {
        // A file of the first version cannot be made any more.
        let before: Value = serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap();
        let all = json!({
            "check_values": check_values(), "keyring": before["keyring"], "keyring_2": Ring::new().make(),
            "shapes": shapes(), "tokens": tokens(),
        });
        std::fs::write(path(), serde_json::to_string_pretty(&all).unwrap() + "\n").unwrap();
    }
    let published: Value = serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap();
    assert_eq!(published["tokens"], Value::from(tokens()));
    assert_eq!(published["check_values"], Value::from(check_values()));
    assert_eq!(published["shapes"], Value::from(shapes()));
    for ring in ["keyring", "keyring_2"] {
        Ring::new().check(&published[ring]);
    }
    assert!(tokens().len() > 150, "{}", tokens().len());
}
