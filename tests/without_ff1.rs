//! A build that leaves FF1 out, for where its patents matter: `cargo test --no-default-features --test without_ff1`.
#![cfg(not(feature = "ff1"))]

use panseal::card::{Pan, Separators};
use panseal::error::Code;
use panseal::keys::Root;
use panseal::scheme::{HAS_FF1, Scheme};
use panseal::tokenizer::{Expect, Tokenizer, TokenizerOptions};

#[test]
fn ff1_is_known_by_name_and_unsupported_and_everything_else_works() {
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("file:{}", folder.path().join("root").display());
    Root::create(&uri).unwrap();
    let keyring = folder.path().join("keyring");
    let open = |scheme: &str| {
        let options = TokenizerOptions::new(scheme.parse().unwrap(), &keyring, Root::parse(&uri).unwrap());
        Tokenizer::open(&TokenizerOptions { create: true, ..options })
    };
    assert!(!HAS_FF1 && !"ff1:0+4".parse::<Scheme>().unwrap().is_supported());
    assert_eq!("ff1:0+3".parse::<Scheme>().unwrap_err().code(), Code::Domain);
    assert_eq!(open("ff1:0+4").err().unwrap().code(), Code::Unsupported);
    assert!(!keyring.exists(), "nothing is made");
    let siv = open("siv").unwrap();
    let pan = Pan::parse(b"4242424242424242", Separators::Refused).ok().unwrap();
    let token = siv.tokenize(&pan).unwrap();
    let back = siv.detokenize(token.as_bytes(), &Expect::default()).unwrap();
    assert_eq!(back.digits(), pan.digits());
    assert_eq!(open("ff1:0+4").err().unwrap().code(), Code::Unsupported, "also where a keyring is");
}
