//! What a vault promises about credentials, and about what may be done once: for the suite that every store runs.

use super::{Place, VISA, code, make, text};
use panseal::error::{Code, Result};
use panseal::vault::{BEARER_KEY_LEN, Claimed, Credential, Grant, SIGNING_KEY_MAX, TokenizeOptions, Vault};
use std::sync::Mutex;
use std::thread;

pub const GRANT: Grant<'static> = Grant { dialect: "sumup", subject: "user-1", scopes: "a b", expires_at: 0 };

/// A claim whose id stands in the extra bytes.
pub fn claim(vault: &Vault, token: &[u8], owner: &str, id: &str) -> Result<Claimed> {
    let id_in = |extra: &[u8]| extra.strip_prefix(b"id:").map(|id| String::from_utf8(id.into()).unwrap());
    vault.claim(token, owner, id, &id_in, &|_| Ok(format!("id:{id}").into()))
}

fn token(vault: &Vault) -> String {
    make(vault, VISA, &TokenizeOptions::default()).token.to_string()
}

pub fn a_bearer_key_leads_to_what_it_stands_for(place: &Place) {
    let vault = place.open().merchant("m-1").unwrap();
    let key = vault.grant(&GRANT).unwrap();
    assert_eq!(key.as_bytes().len(), BEARER_KEY_LEN);
    assert!(
        key.as_bytes().starts_with(key.id().as_bytes()) && !key.as_bytes().iter().any(u8::is_ascii_digit)
    );
    let vault = vault.merchant("m-2").unwrap();
    let found = vault.credential_of_bearer(key.as_bytes()).unwrap().unwrap();
    assert_eq!((&*found.merchant, &*found.dialect, &*found.subject), ("m-1", "sumup", "user-1"));
    assert!(found.allows("a") && found.allows("b") && !found.allows("a b") && !found.allows(""));
    let mut other = key.as_bytes().to_vec();
    *other.last_mut().unwrap() ^= 1;
    for wrong in [&other[..], key.id().as_bytes(), b"", b"psk_", &key.as_bytes()[1..]] {
        assert_eq!(vault.credential_of_bearer(wrong).unwrap(), None);
    }
    if place.lasts() {
        assert_eq!(place.open().credential_of_bearer(key.as_bytes()).unwrap(), Some(found));
    }
}

pub fn a_signing_key_is_lent_to_those_who_know_its_id(place: &Place) {
    let vault = place.open();
    vault.grant_signing(&GRANT, "caller-7", b"key").unwrap();
    let lent = vault.with_signing_key("caller-7", <[u8]>::to_vec).unwrap().unwrap();
    assert_eq!((&*lent.0.subject, lent.1), ("user-1", b"key".to_vec()));
    let bearer = vault.grant(&GRANT).unwrap();
    for id in ["", "caller-8", bearer.id()] {
        assert!(vault.with_signing_key(id, |_| ()).unwrap().is_none(), "{id}");
    }
    assert_eq!(vault.credential_of_bearer(b"caller-7").unwrap(), None);
    let refused = |id, key: &[u8]| code(vault.grant_signing(&GRANT, id, key));
    assert_eq!(refused("caller-7", b"other"), Code::Conflict);
    assert_eq!(code(vault.merchant("m-2").unwrap().grant_signing(&GRANT, "caller-7", b"x")), Code::Conflict);
    assert_eq!(refused("c", b""), Code::Argument);
    assert_eq!(refused("c", &[1; SIGNING_KEY_MAX + 1]), Code::Argument);
    assert_eq!(refused("", b"key"), Code::Argument);
    assert_eq!(refused("psk_c", b"key"), Code::Argument, "as bearer keys begin");
    vault.grant_signing(&GRANT, "longest", &[1; SIGNING_KEY_MAX]).unwrap();
    assert_eq!(vault.with_signing_key("longest", <[u8]>::len).unwrap().unwrap().1, SIGNING_KEY_MAX);
}

pub fn a_credential_can_be_revoked_and_listed_by_its_merchant_alone(place: &Place) {
    let vault = place.open();
    let key = vault.grant(&GRANT).unwrap();
    let other = vault.merchant("m-2").unwrap();
    assert_eq!(code(other.revoke(key.id())), Code::Token);
    assert!(other.credentials("", 10).unwrap().is_empty());
    vault.revoke(key.id()).unwrap();
    vault.revoke(key.id()).unwrap();
    assert_eq!(code(vault.revoke("nobody")), Code::Token);
    let listed = vault.credentials("", 10).unwrap();
    assert!(listed.len() == 1 && listed[0].revoked_at > 0);
    assert_eq!(vault.credential_of_bearer(key.as_bytes()).unwrap().as_ref(), Some(&listed[0]));
    let lines = vault.audit(&Default::default()).unwrap();
    let actions: Vec<&str> = lines.iter().map(|line| line.action()).collect();
    assert_eq!(actions, ["grant", "revoke", "revoke"]);
}

pub fn credentials_are_listed_page_by_page(place: &Place) {
    let vault = place.open();
    let ids: Vec<String> = (0..25).map(|place| format!("caller-{place:02}")).collect();
    for id in ids.iter().rev() {
        vault.grant_signing(&GRANT, id, b"key").unwrap();
    }
    vault.merchant("m-2").unwrap().grant_signing(&GRANT, "caller-03x", b"key").unwrap();
    let mut seen: Vec<Credential> = Vec::new();
    loop {
        let after = seen.last().map_or("", |last| &last.id).to_owned();
        let page = vault.credentials(&after, 10).unwrap();
        let is_last = page.len() < 10;
        seen.extend(page);
        if is_last {
            break;
        }
    }
    assert_eq!(seen.iter().map(|credential| &*credential.id).collect::<Vec<_>>(), ids);
    assert_eq!(code(vault.credentials("", 1001)), Code::Limit);
}

pub fn a_credential_that_was_edited_does_not_open(place: &Place) {
    let Some(edit) = &place.edit else { return };
    let vault = place.open();
    let key = vault.grant(&GRANT).unwrap();
    for (edited, was) in [
        ("merchant = -merchant", "merchant = -merchant"),
        ("dialect = 'stax'", "dialect = 'sumup'"),
        ("subject = 'user-2'", "subject = 'user-1'"),
        ("scopes = 'a b c'", "scopes = 'a b'"),
        ("expires_at = 9999999999", "expires_at = 0"),
        ("revoked_at = 1", "revoked_at = 0"),
    ] {
        edit(&format!("update credential set {edited}"));
        assert_eq!(code(vault.credential_of_bearer(key.as_bytes())), Code::Tampered, "{edited}");
        edit(&format!("update credential set {was}"));
        assert!(vault.credential_of_bearer(key.as_bytes()).unwrap().is_some(), "{was}");
    }
}

pub fn credentials_go_on_through_every_change_of_keys(place: &Place) {
    let vault = place.open();
    let key = vault.grant(&GRANT).unwrap();
    vault.grant_signing(&GRANT, "caller-7", b"key").unwrap();
    for place in 0..300 {
        vault.merchant("m-2").unwrap().grant_signing(&GRANT, &format!("other-{place}"), b"key").unwrap();
    }
    vault.rotate().unwrap();
    assert_eq!(vault.status().unwrap().epochs[0].credentials, 302);
    assert_eq!(code(vault.destroy(1)), Code::Epoch, "the credentials need it");
    let mut told = Vec::new();
    let stopped = vault.rewrap(&mut |done, total| {
        told.push((done, total));
        done < 256
    });
    assert_eq!(code(stopped), Code::Callback);
    assert_eq!(told.last(), Some(&(256, 302)));
    let status = vault.status().unwrap();
    assert_eq!((status.epochs[0].credentials, status.epochs[1].credentials), (46, 256));
    assert_eq!(code(vault.destroy(1)), Code::Epoch, "some need it still");
    let mut last = (0, 0);
    let sealed = vault.rewrap(&mut |done, total| {
        last = (done, total);
        true
    });
    assert_eq!((sealed.unwrap().sealed, last), (46, (302, 302)));
    vault.destroy(1).unwrap();
    vault.change_index(&mut |_, _| true).unwrap();
    assert!(vault.credential_of_bearer(key.as_bytes()).unwrap().is_some());
    assert_eq!(vault.with_signing_key("caller-7", <[u8]>::to_vec).unwrap().unwrap().1, b"key");
}

pub fn the_first_is_told_that_it_is_the_first(place: &Place) {
    let vault = place.open();
    assert!(vault.is_first("x").unwrap());
    assert!(!vault.is_first("x").unwrap());
    assert!(vault.merchant("m-2").unwrap().is_first("x").unwrap(), "each merchant has its own");
    assert_eq!(code(vault.is_first(&"x".repeat(65))), Code::Argument);
    let options = TokenizeOptions { idempotency_key: "x", ..TokenizeOptions::default() };
    assert!(!make(&vault, VISA, &options).reused, "an idempotency key is something else");
}

pub fn of_many_at_once_one_is_the_first(place: &Place) {
    let vault = place.open();
    for round in 0..5 {
        let name = format!("name-{round}");
        let first = in_threads(8, &vault, |vault, _| vault.is_first(&name).unwrap());
        assert_eq!(first.iter().filter(|first| **first).count(), 1);
    }
}

pub fn a_token_is_claimed_once_and_its_own_notes_stay(place: &Place) {
    let vault = place.open();
    let claim = |token: &str, owner, id| claim(&vault, token.as_bytes(), owner, id);
    let first = token(&vault);
    assert!(matches!(claim(&first, "u-1", "i-1"), Ok(Claimed::Fresh(made)) if &*made.customer == "u-1"));
    assert!(
        matches!(claim(&first, "u-1", "i-2"), Ok(Claimed::Known(_, details)) if details.extra() == b"id:i-1")
    );
    assert_eq!(code(claim(&first, "u-2", "i-2")), Code::Token);
    let second = token(&vault);
    assert!(
        matches!(claim(&second, "u-1", "i-2"), Ok(Claimed::Known(known, _)) if known.token.as_str() == first)
    );
    assert_eq!(code(claim(&second, "u-2", "i-1")), Code::Conflict);
    assert!(matches!(claim(&second, "u-2", "i-2"), Ok(Claimed::Fresh(_))));
    let third = token(&vault);
    vault.deactivate(third.as_bytes()).unwrap();
    assert_eq!(code(claim(&third, "u-3", "i-3")), Code::Inactive);
    assert_eq!(code(claim("nobody", "u-3", "i-3")), Code::Token);
    assert_eq!(code(claim(&third, "", "i-3")), Code::Argument);
    let long = vault.claim(token(&vault).as_bytes(), "u-4", "i-4", &|_| None, &|_| Ok(vec![1; 4097]));
    assert_eq!(code(long), Code::Limit);
}

pub fn of_many_owners_at_once_one_has_the_token(place: &Place) {
    let vault = place.open();
    for round in 0..3 {
        let made = make(&vault, VISA, &TokenizeOptions::default());
        let claimed = in_threads(8, &vault, |vault, thread| {
            // Two threads of each owner; the second is told of what the first has.
            let (owner, id) = (format!("u-{round}-{}", thread / 2), format!("i-{round}-{thread}"));
            match claim(vault, text(&made), &owner, &id) {
                Ok(Claimed::Fresh(_)) => Some((owner, true)),
                Ok(Claimed::Known(..)) => Some((owner, false)),
                Err(error) => {
                    assert_eq!(error.code(), Code::Token);
                    None
                }
            }
        });
        let mut winners: Vec<(String, bool)> = claimed.into_iter().flatten().collect();
        winners.sort_unstable();
        let owner = vault.lookup(text(&made)).unwrap().customer.to_string();
        assert_eq!(winners, [(owner.clone(), false), (owner, true)]);
    }
}

/// What so many threads give that begin at once.
fn in_threads<T: Send>(count: usize, vault: &Vault, work: impl Fn(&Vault, usize) -> T + Sync) -> Vec<T> {
    let given = Mutex::new(Vec::new());
    let start = std::sync::Barrier::new(count);
    thread::scope(|scope| {
        for thread in 0..count {
            let (given, start, work) = (&given, &start, &work);
            scope.spawn(move || {
                start.wait();
                let gave = work(vault, thread);
                given.lock().unwrap().push(gave);
            });
        }
    });
    given.into_inner().unwrap()
}
