//! A program that opens more keys than the arena holds gets an error, and as many handles as there can be have room.
//! Alone in its process: while the arena is full, nobody else gets a key.

use panseal::card::{Card, CardInput, Pan, Separators, check};
use panseal::error::Code;
use panseal::keys::Root;
use panseal::scheme::Scheme;
use panseal::secret::arena::{KEYS_MAX, KeySlot, is_locked};
use panseal::tokenizer::{Tokenizer, TokenizerOptions};
use panseal::vault::{OpenOptions, TokenizeOptions, Vault};

/// How many handles a process can have open through the C interface.
const HANDLES: usize = 4094;

const VISA: &[u8] = b"4242424242424242";

fn card() -> Card<'static> {
    check(&CardInput::new(VISA, 1_800_000_000)).unwrap_or_else(|_| panic!("a good card"))
}

#[test]
fn every_handle_has_room_for_its_keys_and_a_full_arena_is_a_limit_and_not_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("file:{}", folder.path().join("root").display());
    Root::create(&uri).unwrap();
    let root = Root::parse(&uri).unwrap();
    let first = KeySlot::fill(1, |_| Ok(())).unwrap();
    let locked = is_locked();

    let vaults: Vec<Vault> = (0..HANDLES / 2)
        .map(|_| {
            let vault = Vault::open(&OpenOptions::new("memory:", root.clone())).unwrap();
            vault.tokenize(&card(), &TokenizeOptions::default()).unwrap();
            vault
        })
        .collect();
    let ring = folder.path().join("ring");
    let how = TokenizerOptions {
        create: true,
        ..TokenizerOptions::new("siv".parse::<Scheme>().unwrap(), &ring, root.clone())
    };
    let pan = Pan::parse(VISA, Separators::Dropped).unwrap_or_else(|_| panic!("a good number"));
    let tokenizers: Vec<Tokenizer> = (0..HANDLES / 2)
        .map(|_| {
            let tokenizer = Tokenizer::open(&how).unwrap();
            tokenizer.tokenize(&pan).unwrap();
            tokenizer
        })
        .collect();
    for vault in &vaults {
        vault.rotate().unwrap();
        vault.tokenize(&card(), &TokenizeOptions::default()).unwrap();
    }
    drop((vaults, tokenizers));

    let mut keys = vec![first];
    let refused = loop {
        match KeySlot::fill(1, |_| Ok(())) {
            Ok(slot) => keys.push(slot),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.code(), Code::Limit);
    assert_eq!(keys.len(), KEYS_MAX);
    keys.pop();
    assert!(KeySlot::fill(1, |_| Ok(())).is_ok());
    assert!(locked || !is_locked(), "what was not locked once does not become so");
}
