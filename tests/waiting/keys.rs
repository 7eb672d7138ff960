//! All keys of a vault, unwrapped beside the library, in every form in which they could lie about: each key, what HKDF
//! makes of it, the working keys, and those as the beginning of a cipher's or a MAC's state.

use crate::residue::{Needle, key_needles};
use hkdf::Hkdf;
use panseal::keys::aead::{self, Aad};
use sha2::Sha256;
use sha2::block_api::compress256;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// FIPS 180-4, 5.3.3.
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A key that the database keeps.
pub struct Wrapped {
    pub kind: String,
    pub id: u32,
    pub created_at: i64,
    pub wrapped: Vec<u8>,
}

/// Secrets by their names; those of keys that are destroyed by now stay.
#[derive(Default)]
pub struct Keys(BTreeMap<String, Vec<u8>>);

impl Keys {
    /// Adds the root key and all that it unwraps.
    pub fn add(&mut self, root: &Path, vault: &[u8], wrapped: &[Wrapped]) {
        let text = fs::read_to_string(root).unwrap();
        let root = bytes(text.trim());
        self.0.insert("the root key as text".into(), text.trim().as_bytes().to_vec());
        self.add_forms("the root key", &root, &[("kcv", false)]);
        for key in wrapped.iter().filter(|key| !key.wrapped.is_empty()) {
            let name = format!("{} {}", key.kind, key.id);
            if !self.0.contains_key(&name) {
                let purposes: &[(&str, bool)] = match key.kind.as_str() {
                    "epoch" => &[("kcv", false), ("seal", false)],
                    "index" => &[("kcv", false), ("fingerprint", true)],
                    "table" => &[("kcv", false), ("table", true)],
                    "audit" => &[("kcv", false), ("audit", true)],
                    other => panic!("a key of the kind {other}"),
                };
                self.add_forms(&name, &unwrap(&root, vault, key), purposes);
            }
        }
    }

    /// A key and what is made of it for purposes, some of which are MACs.
    fn add_forms(&mut self, name: &str, key: &[u8], purposes: &[(&str, bool)]) {
        self.0.insert(name.to_owned(), key.to_vec());
        let (extracted, expand) = Hkdf::<Sha256>::extract(None, key);
        self.add_mac(&format!("{name}, extracted"), &extracted);
        for (purpose, is_mac) in purposes {
            let mut working = vec![0; 32];
            expand.expand_multi_info(&[b"panseal/v1/", purpose.as_bytes(), &[0]], &mut working).unwrap();
            let name = format!("{name}, for {purpose}");
            match is_mac {
                true => self.add_mac(&name, &working),
                false => drop(self.0.insert(name, working)),
            }
        }
    }

    /// A key of HMAC: itself, its pads, and the states that those lead to.
    fn add_mac(&mut self, name: &str, key: &[u8]) {
        let mut states = Vec::new();
        for pad in [0x36, 0x5c] {
            let mut block = [pad; 64];
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            self.0.insert(format!("{name}, padded with {pad:x}"), block[..32].to_vec());
            let mut state = START;
            compress256(&mut state, &[block]);
            states.extend(state.iter().flat_map(|word| word.to_ne_bytes()));
        }
        self.0.insert(format!("{name}, prepared"), states);
        self.0.insert(name.to_owned(), key.to_vec());
    }

    /// Adds bytes that are not a key of the vault.
    pub fn plant(&mut self, name: &str, secret: &[u8]) {
        self.0.insert(name.to_owned(), secret.to_vec());
    }

    /// What is to be searched for.
    pub fn needles(&self) -> Vec<Needle> {
        self.0.iter().flat_map(|(name, bytes)| key_needles(name, bytes)).collect()
    }

    /// The secrets.
    pub fn all(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.0
    }
}

/// By `docs/vault.md` and `docs/token-schemes.md`: behind a byte and the root key's check value, sealed with what stands
/// beside it.
fn unwrap(root: &[u8], vault: &[u8], key: &Wrapped) -> Vec<u8> {
    let header =
        Aad::new("panseal/wrap/1").unwrap().field(vault).unwrap().field(key.kind.as_bytes()).unwrap();
    let header = header.number(key.id.into()).unwrap().number(0).unwrap().number(key.created_at).unwrap();
    let mut out = vec![0; 32];
    aead::open(root, &header, &key.wrapped[6..], &mut out).unwrap();
    out
}

/// The bytes of hexadecimal digits.
pub fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
