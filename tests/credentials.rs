//! Credentials: keys that the vault makes or keeps for those who call from outside, and what may be done once.

use panseal::error::Code;
use panseal::keys::Root;
use panseal::vault::{BEARER_KEY_LEN, Claimed, Grant, OpenOptions, SIGNING_KEY_MAX, TokenizeOptions, Vault};
use std::path::PathBuf;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        Root::create(&place.root()).unwrap();
        place
    }

    fn root(&self) -> String {
        format!("file:{}", self.folder.path().join("root").display())
    }

    fn db(&self) -> PathBuf {
        self.folder.path().join("cards.db")
    }

    fn open(&self) -> Vault {
        let url = format!("sqlite:{}", self.db().display());
        let root = self.root();
        let options = OpenOptions {
            create: true,
            merchant: "m-1",
            ..OpenOptions::new(&url, Root::parse(&root).unwrap())
        };
        Vault::open(&options).unwrap()
    }

    fn sql(&self, sql: &str) {
        rusqlite::Connection::open(self.db()).unwrap().execute_batch(sql).unwrap();
    }

    /// Every byte of the database's files.
    fn bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        files.flat_map(|path| std::fs::read(path).unwrap()).collect()
    }
}

const GRANT: Grant<'static> = Grant { dialect: "sumup", subject: "user-1", scopes: "a b", expires_at: 0 };

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn token(vault: &Vault) -> String {
    let input = panseal::card::CardInput::new(b"4242424242424242", 1_800_000_000);
    let card = panseal::card::check(&input).ok().unwrap();
    vault.tokenize(&card, &TokenizeOptions::default()).unwrap().token.to_string()
}

#[test]
fn a_bearer_key_leads_to_what_it_stands_for() {
    let place = Place::new();
    let vault = place.open();
    let key = vault.grant(&GRANT).unwrap();
    assert_eq!(key.as_bytes().len(), BEARER_KEY_LEN);
    assert!(
        key.as_bytes().starts_with(key.id().as_bytes()) && !key.as_bytes().iter().any(u8::is_ascii_digit)
    );
    drop(vault);
    let vault = place.open().merchant("m-2").unwrap();
    let found = vault.credential_of_bearer(key.as_bytes()).unwrap().unwrap();
    assert_eq!((&*found.merchant, &*found.dialect, &*found.subject), ("m-1", "sumup", "user-1"));
    assert!(found.allows("a") && found.allows("b") && !found.allows("a b") && !found.allows(""));
    let mut other = key.as_bytes().to_vec();
    *other.last_mut().unwrap() ^= 1;
    for wrong in [&other[..], key.id().as_bytes(), b"", b"psk_", &key.as_bytes()[1..]] {
        assert_eq!(vault.credential_of_bearer(wrong).unwrap(), None);
    }
}

#[test]
fn no_key_is_on_disk_but_the_places_where_it_would_be_are_searched() {
    let place = Place::new();
    let vault = place.open();
    let key = vault.grant(&GRANT).unwrap();
    vault.grant_signing(&GRANT, "caller-7", b"a signing key of theirs").unwrap();
    drop(vault);
    let bytes = place.bytes();
    assert!(!holds(&bytes, &key.as_bytes()[key.id().len()..]), "the secret half");
    assert!(!holds(&bytes, b"a signing key of theirs"));
    assert!(holds(&bytes, key.id().as_bytes()) && holds(&bytes, b"caller-7"), "the ids are there");
}

#[test]
fn a_signing_key_is_lent_to_those_who_know_its_id() {
    let place = Place::new();
    let vault = place.open();
    vault.grant_signing(&GRANT, "caller-7", b"key").unwrap();
    let lent = vault.with_signing_key("caller-7", <[u8]>::to_vec).unwrap().unwrap();
    assert_eq!((&*lent.0.subject, lent.1), ("user-1", b"key".to_vec()));
    let bearer = vault.grant(&GRANT).unwrap();
    for id in ["", "caller-8", bearer.id()] {
        assert!(vault.with_signing_key(id, |_| ()).unwrap().is_none(), "{id}");
    }
    assert_eq!(vault.credential_of_bearer(b"caller-7").unwrap(), None);
    let code = |id, key: &[u8]| vault.grant_signing(&GRANT, id, key).unwrap_err().code();
    assert_eq!(code("caller-7", b"other"), Code::Conflict);
    assert_eq!(
        vault.merchant("m-2").unwrap().grant_signing(&GRANT, "caller-7", b"x").unwrap_err().code(),
        Code::Conflict
    );
    assert_eq!(code("c", b""), Code::Argument);
    assert_eq!(code("c", &[1; SIGNING_KEY_MAX + 1]), Code::Argument);
    assert_eq!(code("", b"key"), Code::Argument);
    assert_eq!(code("psk_c", b"key"), Code::Argument, "as bearer keys begin");
    vault.grant_signing(&GRANT, "longest", &[1; SIGNING_KEY_MAX]).unwrap();
    assert_eq!(vault.with_signing_key("longest", <[u8]>::len).unwrap().unwrap().1, SIGNING_KEY_MAX);
}

#[test]
fn a_credential_can_be_revoked_and_listed_by_its_merchant_alone() {
    let place = Place::new();
    let vault = place.open();
    let key = vault.grant(&GRANT).unwrap();
    let other = vault.merchant("m-2").unwrap();
    assert_eq!(other.revoke(key.id()).unwrap_err().code(), Code::Token);
    assert!(other.credentials("", 10).unwrap().is_empty());
    vault.revoke(key.id()).unwrap();
    vault.revoke(key.id()).unwrap();
    assert_eq!(vault.revoke("nobody").unwrap_err().code(), Code::Token);
    let listed = vault.credentials("", 10).unwrap();
    assert!(listed.len() == 1 && listed[0].revoked_at > 0);
    assert_eq!(vault.credential_of_bearer(key.as_bytes()).unwrap().as_ref(), Some(&listed[0]));
    let actions: Vec<String> =
        vault.audit(&Default::default()).unwrap().iter().map(|line| line.action().to_owned()).collect();
    assert_eq!(actions, ["grant", "revoke", "revoke"]);
}

#[test]
fn a_credential_that_was_edited_does_not_open() {
    for edit in [
        "merchant = 'm-2'",
        "dialect = 'stax'",
        "subject = 'user-2'",
        "scopes = 'a b c'",
        "expires_at = 9999999999",
        "revoked_at = 1",
    ] {
        let place = Place::new();
        let key = place.open().grant(&GRANT).unwrap();
        place.sql(&format!("update credential set {edit}"));
        let found = place.open().credential_of_bearer(key.as_bytes());
        assert_eq!(found.unwrap_err().code(), Code::Tampered, "{edit}");
    }
}

#[test]
fn credentials_go_on_through_every_change_of_keys() {
    let place = Place::new();
    let vault = place.open();
    let key = vault.grant(&GRANT).unwrap();
    vault.grant_signing(&GRANT, "caller-7", b"key").unwrap();
    vault.rotate().unwrap();
    assert_eq!(vault.destroy(1).unwrap_err().code(), Code::Epoch, "the credentials need it");
    assert_eq!(vault.rewrap(&mut |_, _| true).unwrap(), 2);
    vault.destroy(1).unwrap();
    vault.change_index(&mut |_, _| true).unwrap();
    assert!(vault.credential_of_bearer(key.as_bytes()).unwrap().is_some());
    assert_eq!(vault.with_signing_key("caller-7", <[u8]>::to_vec).unwrap().unwrap().1, b"key");
}

#[test]
fn a_vault_of_the_version_before_gets_its_table() {
    let place = Place::new();
    let token = token(&place.open());
    place.sql("drop table credential; pragma user_version = 2");
    let vault = place.open();
    assert!(vault.lookup(token.as_bytes()).is_ok());
    let key = vault.grant(&GRANT).unwrap();
    assert!(vault.credential_of_bearer(key.as_bytes()).unwrap().is_some());
}

#[test]
fn the_first_is_told_that_it_is_the_first() {
    let place = Place::new();
    let vault = place.open();
    assert!(vault.is_first("x").unwrap());
    assert!(!vault.is_first("x").unwrap());
    assert!(vault.merchant("m-2").unwrap().is_first("x").unwrap(), "each merchant has its own");
    assert_eq!(vault.is_first(&"x".repeat(65)).unwrap_err().code(), Code::Argument);
    let input = panseal::card::CardInput::new(b"4242424242424242", 1_800_000_000);
    let card = panseal::card::check(&input).ok().unwrap();
    let options = TokenizeOptions { idempotency_key: "x", ..TokenizeOptions::default() };
    assert!(!vault.tokenize(&card, &options).unwrap().reused, "an idempotency key is something else");
}

#[test]
fn a_token_is_claimed_once_and_its_own_notes_stay() {
    let place = Place::new();
    let vault = place.open();
    let id_in = |extra: &[u8]| extra.strip_prefix(b"id:").map(|id| String::from_utf8(id.into()).unwrap());
    let claim = |token: &str, owner, id: &str| {
        vault.claim(token.as_bytes(), owner, id, &id_in, &|_| Ok(format!("id:{id}").into()))
    };
    let first = token(&vault);
    assert!(matches!(claim(&first, "u-1", "i-1"), Ok(Claimed::Fresh(made)) if &*made.customer == "u-1"));
    assert!(
        matches!(claim(&first, "u-1", "i-2"), Ok(Claimed::Known(_, details)) if details.extra() == b"id:i-1")
    );
    assert_eq!(claim(&first, "u-2", "i-2").err().unwrap().code(), Code::Token);
    let second = token(&vault);
    assert!(
        matches!(claim(&second, "u-1", "i-2"), Ok(Claimed::Known(known, _)) if known.token.as_str() == first)
    );
    assert_eq!(claim(&second, "u-2", "i-1").err().unwrap().code(), Code::Conflict);
    assert!(matches!(claim(&second, "u-2", "i-2"), Ok(Claimed::Fresh(_))));
    let third = token(&vault);
    vault.deactivate(third.as_bytes()).unwrap();
    assert_eq!(claim(&third, "u-3", "i-3").err().unwrap().code(), Code::Inactive);
    assert_eq!(claim("nobody", "u-3", "i-3").err().unwrap().code(), Code::Token);
    assert_eq!(claim(&third, "", "i-3").err().unwrap().code(), Code::Argument);
    let long = vault.claim(token(&vault).as_bytes(), "u-4", "i-4", &id_in, &|_| Ok(vec![1; 4097]));
    assert_eq!(long.err().unwrap().code(), Code::Limit);
}
