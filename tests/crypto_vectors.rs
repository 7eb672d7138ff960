//! The primitives that panseal takes from elsewhere, against published vectors. FF1, which is panseal's own, is tested
//! beside its code; so is `siv`, against the crate that is tested here.

use aes::{Aes128, Aes192, Aes256};
use aes_gcm_siv::{Aes128GcmSiv, Aes256GcmSiv};
use aes_siv::aead::{Aead, KeyInit, Payload};
use aes_siv::siv::{Aes128Siv, Aes256Siv, CmacSiv};
use cmac::{Cmac, Mac};
use hkdf::Hkdf;
use hmac::Hmac;
use serde_json::Value;
use sha2::Sha256;

fn vectors(path: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(path);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Runs `test` on each case of a Wycheproof file with its group, and says how many were valid. `test` says whether
/// the case was taken.
fn wycheproof(file: &str, mut test: impl FnMut(&Value, &Value) -> bool) -> (u64, u64) {
    let vectors = vectors(&format!("wycheproof/{file}"));
    let (mut valid, mut invalid) = (0, 0);
    for group in vectors["testGroups"].as_array().unwrap() {
        for case in group["tests"].as_array().unwrap() {
            let is_valid = case["result"] == "valid";
            assert_eq!(test(group, case), is_valid, "{file}, case {}", case["tcId"]);
            *if is_valid { &mut valid } else { &mut invalid } += 1;
        }
    }
    assert_eq!(valid + invalid, vectors["numberOfTests"].as_u64().unwrap());
    (valid, invalid)
}

fn hex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    let mut out = vec![0; text.len() / 2];
    base16ct::mixed::decode(text, &mut out).unwrap();
    out
}

/// Synthetic IV and ciphertext; `None` where the key has no length of AES-SIV.
fn siv_encrypt(key: &[u8], headers: &[Vec<u8>], plaintext: &[u8]) -> Option<Vec<u8>> {
    match key.len() {
        32 => Aes128Siv::new_from_slice(key).ok()?.encrypt(headers, plaintext).ok(),
        48 => CmacSiv::<Aes192>::new_from_slice(key).ok()?.encrypt(headers, plaintext).ok(),
        64 => Aes256Siv::new_from_slice(key).ok()?.encrypt(headers, plaintext).ok(),
        _ => None,
    }
}

fn siv_decrypt(key: &[u8], headers: &[Vec<u8>], sealed: &[u8]) -> Option<Vec<u8>> {
    match key.len() {
        32 => Aes128Siv::new_from_slice(key).ok()?.decrypt(headers, sealed).ok(),
        48 => CmacSiv::<Aes192>::new_from_slice(key).ok()?.decrypt(headers, sealed).ok(),
        64 => Aes256Siv::new_from_slice(key).ok()?.decrypt(headers, sealed).ok(),
        _ => None,
    }
}

#[test]
fn aes_siv() {
    let rfc = vectors("rfc/rfc5297_appendix_a.json");
    let rfc = rfc["vectors"].as_array().unwrap();
    for vector in rfc {
        let headers: Vec<Vec<u8>> = vector["ad"].as_array().unwrap().iter().map(hex).collect();
        let sealed = siv_encrypt(&hex(&vector["key"]), &headers, &hex(&vector["plaintext"]));
        assert_eq!(sealed, Some(hex(&vector["siv_ciphertext"])), "{}", vector["name"]);
    }
    assert_eq!(rfc.len(), 2);

    let counts = wycheproof("aead_aes_siv_cmac_test.json", |_, case| {
        let key = hex(&case["key"]);
        let sealed = [hex(&case["tag"]), hex(&case["ct"])].concat();
        let headers = [hex(&case["aad"]), hex(&case["iv"])];
        let opened = siv_decrypt(&key, &headers, &sealed);
        if let Some(plaintext) = &opened {
            assert_eq!(*plaintext, hex(&case["msg"]));
            assert_eq!(siv_encrypt(&key, &headers, plaintext), Some(sealed));
        }
        opened.is_some()
    });
    assert_eq!(counts, (252, 648));
}

#[test]
fn aes_gcm_siv() {
    fn open(key: &[u8], nonce: &[u8], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let nonce: &[u8; 12] = nonce.try_into().ok()?;
        let payload = Payload { msg: sealed, aad };
        match key.len() {
            16 => Aes128GcmSiv::new_from_slice(key).ok()?.decrypt(nonce.into(), payload).ok(),
            32 => Aes256GcmSiv::new_from_slice(key).ok()?.decrypt(nonce.into(), payload).ok(),
            _ => None,
        }
    }
    fn seal(key: &[u8], nonce: &[u8], aad: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
        let nonce: &[u8; 12] = nonce.try_into().ok()?;
        let payload = Payload { msg: plaintext, aad };
        match key.len() {
            16 => Aes128GcmSiv::new_from_slice(key).ok()?.encrypt(nonce.into(), payload).ok(),
            32 => Aes256GcmSiv::new_from_slice(key).ok()?.encrypt(nonce.into(), payload).ok(),
            _ => None,
        }
    }
    let rfc = vectors("rfc/rfc8452_appendix_c.json");
    let mut count = 0;
    for vector in rfc["vectors"].as_object().unwrap().values().flat_map(|group| group.as_array().unwrap()) {
        let [key, nonce, aad, plaintext] =
            ["key", "nonce", "aad", "plaintext"].map(|name| hex(&vector[name]));
        assert_eq!(seal(&key, &nonce, &aad, &plaintext), Some(hex(&vector["ciphertext"])));
        count += 1;
    }
    assert_eq!(count, 50);

    let counts = wycheproof("aes_gcm_siv_test.json", |_, case| {
        let [key, nonce, aad] = ["key", "iv", "aad"].map(|name| hex(&case[name]));
        let sealed = [hex(&case["ct"]), hex(&case["tag"])].concat();
        let opened = open(&key, &nonce, &aad, &sealed);
        if let Some(plaintext) = &opened {
            assert_eq!(*plaintext, hex(&case["msg"]));
            assert_eq!(seal(&key, &nonce, &aad, plaintext), Some(sealed));
        }
        opened.is_some()
    });
    assert_eq!(counts, (136, 66));
}

#[test]
fn hmac_sha_256() {
    let counts = wycheproof("hmac_sha256_test.json", |group, case| {
        let tag = hex(&case["tag"]);
        assert_eq!(group["tagSize"].as_u64(), Some(8 * tag.len() as u64));
        let mac = Hmac::<Sha256>::new_from_slice(&hex(&case["key"])).unwrap();
        mac.chain_update(hex(&case["msg"])).verify_truncated_left(&tag).is_ok()
    });
    assert_eq!(counts, (66, 108));
}

#[test]
fn hkdf_sha_256() {
    let counts = wycheproof("hkdf_sha256_test.json", |_, case| {
        let mut out = vec![0; case["size"].as_u64().unwrap() as usize];
        let hkdf = Hkdf::<Sha256>::new(Some(&hex(&case["salt"])), &hex(&case["ikm"]));
        let expanded = hkdf.expand(&hex(&case["info"]), &mut out).is_ok();
        assert!(!expanded || out == hex(&case["okm"]));
        expanded
    });
    assert_eq!(counts, (83, 3));
}

#[test]
fn aes_cmac() {
    let counts = wycheproof("aes_cmac_test.json", |_, case| {
        let (key, msg, tag) = (hex(&case["key"]), hex(&case["msg"]), hex(&case["tag"]));
        match key.len() {
            16 => verify(Cmac::<Aes128>::new_from_slice(&key).unwrap(), &msg, &tag),
            24 => verify(Cmac::<Aes192>::new_from_slice(&key).unwrap(), &msg, &tag),
            32 => verify(Cmac::<Aes256>::new_from_slice(&key).unwrap(), &msg, &tag),
            _ => false,
        }
    });
    assert_eq!(counts, (63, 248));

    fn verify(mac: impl Mac, msg: &[u8], tag: &[u8]) -> bool {
        mac.chain_update(msg).verify_slice(tag).is_ok()
    }
}
