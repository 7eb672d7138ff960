//! Credentials in a vault's file. What every store promises about them is in the suite of the stores.

use panseal::keys::Root;
use panseal::vault::{Grant, OpenOptions, TokenizeOptions, Vault};
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
fn a_revoked_credential_stays_revoked_whatever_is_put_back() {
    let place = Place::new();
    let vault = place.open();
    let key = vault.grant(&GRANT).unwrap();
    let other = place.open();
    place.sql("create table kept as select * from credential");
    vault.revoke(key.id()).unwrap();
    place.sql("delete from credential; insert into credential select * from kept; drop table kept");
    for vault in [&vault, &other, &place.open()] {
        let found = vault.credential_of_bearer(key.as_bytes()).unwrap().expect("the row is there");
        assert_ne!(found.revoked_at, 0, "the key table knows it");
        assert_ne!(vault.credentials("", 10).unwrap()[0].revoked_at, 0);
    }
    place.sql("delete from revoked");
    let reopened = Vault::open(&OpenOptions {
        merchant: "m-1",
        ..OpenOptions::new(&format!("sqlite:{}", place.db().display()), Root::parse(&place.root()).unwrap())
    });
    assert_eq!(
        reopened.err().unwrap().code(),
        panseal::error::Code::Tampered,
        "nor can it be taken off the table"
    );
}
