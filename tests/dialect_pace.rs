//! PACE's API, row by row: what a registration needs, what it gives, where it leads, and every error.

mod dialect;

use dialect::{AMEX, Ask, MASTERCARD, NOW, Place, Reply, VISA, altered};
use panseal::card::{CardInput, check};
use panseal::vault::{Grant, TokenizeOptions};
use serde_json::{Value, json};
use std::sync::Barrier;

const REGISTER: &str = "/pay/2020-4/payment-methods/creditcard";
const METHODS: &str = "/pay/2020-4/payment-methods";
const ID: &str = "0b6a0f4e-6a52-4f0e-8a5e-2f8b3c6d7e01";
const JSONAPI: &str = "application/vnd.api+json";

fn document(token: &str) -> String {
    json!({"data": {"type": "paymentMethod", "attributes": {"kind": "creditcard", "cardToken": token}}})
        .to_string()
}

fn register(place: &Place, body: &str) -> Reply {
    place.trusted("pace", "POST", REGISTER, body)
}

fn register_as(place: &Place, subject: &str, body: &str) -> Reply {
    place.send(Ask { trusted: Some(subject), ..Ask::trusted("pace", "POST", REGISTER, body) })
}

/// Status, code, title and pointer of the one error; its other members are looked at.
fn fault(reply: &Reply) -> (u16, &str, &str, &str) {
    assert_eq!(reply.header("Content-Type"), Some(JSONAPI));
    let errors = reply.body["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), 1, "{}", reply.text);
    let id = reply.at("/errors/0/id");
    assert!(id.len() == 20 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v')), "{id}");
    assert_eq!(reply.at("/errors/0/status"), reply.status.to_string());
    assert!(
        errors[0].as_object().unwrap().values().all(|member| !member.is_null()),
        "absent members are left out"
    );
    (
        reply.status,
        reply.at("/errors/0/code"),
        reply.at("/errors/0/title"),
        reply.at("/errors/0/source/pointer"),
    )
}

#[test]
fn a_webpay_token_registers_and_looks_as_on_the_page() {
    let place = Place::new();
    let token = place.webpay_token(VISA, "3004");
    let reply = register(&place, &document(&token));
    assert_eq!((reply.status, reply.header("Content-Type")), (201, Some(JSONAPI)));
    let id = reply.at("/data/id").to_owned();
    let expected = json!({"data": {"type": "paymentMethod", "id": id, "attributes": {
        "kind": "creditcard", "identificationString": "Visa **** **** **** 1111",
        "twoFactor": false, "implicit": false}}});
    assert_eq!(reply.body, expected);
    assert_eq!(id.len(), 36);
    let location = reply.header("Location").unwrap();
    assert_eq!(location, format!("{METHODS}/{id}"));
    assert_eq!(place.trusted("pace", "GET", location, "").body, expected);
}

#[test]
fn a_token_of_the_vault_registers_and_the_clients_id_is_kept() {
    let place = Place::new();
    let input = CardInput { expiry: Some((4, 2030)), ..CardInput::new(MASTERCARD.as_bytes(), NOW) };
    let card = check(&input).ok().unwrap();
    let made = place.vault.tokenize(&card, &TokenizeOptions::default()).unwrap();
    let body = altered(&document(made.token.as_str()), "/data/id", Some(json!(ID.to_uppercase())));
    let reply = register(&place, &body);
    assert_eq!((reply.status, reply.at("/data/id")), (201, ID));
    assert_eq!(reply.at("/data/attributes/identificationString"), "Mastercard **** **** **** 4444");
    let mine = place.vault.tokenize(&card, &TokenizeOptions::of("user-2")).unwrap();
    assert_eq!(
        register_as(&place, "user-2", &document(mine.token.as_str())).status,
        201,
        "the subject's own"
    );
    let others = place.vault.tokenize(&card, &TokenizeOptions::of("user-3")).unwrap();
    assert_eq!(
        register_as(&place, "user-2", &document(others.token.as_str())).status,
        422,
        "another customer's"
    );
}

#[test]
fn identification_strings_have_four_groups_whatever_the_number() {
    let place = Place::new();
    for (pan, expected) in [
        (AMEX, "American Express **** **** **** 0005"),
        ("36227206271667", "Diners Club International **** **** **** 1667"),
        ("9999999999999995", "Card **** **** **** 9995"),
    ] {
        let reply = register(&place, &document(&place.webpay_token(pan, "3004")));
        assert_eq!(reply.at("/data/attributes/identificationString"), expected);
    }
}

#[test]
fn the_same_card_of_the_same_user_leads_to_the_method_that_is_there() {
    let place = Place::new();
    let token = place.webpay_token(VISA, "3004");
    let made = register(&place, &document(&token));
    let location = made.header("Location").unwrap().to_owned();
    let second = place.webpay_token(VISA, "3004");
    for (row, body) in
        [("the same token", document(&token)), ("another token of the card", document(&second))]
    {
        let reply = register(&place, &body);
        assert_eq!((reply.status, reply.text.as_str()), (303, ""), "{row}");
        assert_eq!(reply.header("Location"), Some(&*location), "{row}");
    }
    let got = place.trusted("pace", "GET", &location, "");
    assert_eq!((got.status, got.body), (200, made.body));
    let renewed = place.webpay_token(VISA, "3104");
    assert_eq!(register(&place, &document(&renewed)).status, 201, "another expiry");
}

#[test]
fn a_token_registers_once_for_its_first_subject() {
    let place = Place::new();
    let token = place.webpay_token(VISA, "3004");
    let barrier = Barrier::new(6);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|user| {
                let (barrier, place, body) = (&barrier, &place, document(&token));
                scope.spawn(move || {
                    barrier.wait();
                    let subject = format!("racer-{user}");
                    let request = panseal::dialect::Request {
                        method: "POST",
                        target: REGISTER,
                        headers: b"Content-Type: application/vnd.api+json\r\n",
                        body: body.as_bytes(),
                        now: NOW,
                        trusted: Some(panseal::dialect::Trusted { subject: &subject }),
                        ..Default::default()
                    };
                    panseal::dialect::handle(&place.vault, "pace", &request).unwrap().status
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(201), count(422)), (1, 5), "{statuses:?}");
    let late = register_as(&place, "late", &document(&token));
    let unknown = register_as(&place, "late", &document("5d0b1c1e-7e77-4a5f-9f4c-aaaaaaaaaaaa"));
    assert_eq!(fault(&late), fault(&unknown), "as if there were no such token");
}

#[test]
fn every_row_of_the_request_table_holds() {
    let place = Place::new();
    let token = place.webpay_token(VISA, "3004");
    let good = altered(&document(&token), "/data/id", Some(json!(ID)));
    let (kind, card) = ("/data/attributes/kind", "/data/attributes/cardToken");
    let rejected = "payment method rejected by provider";
    let long = "x".repeat(256);
    type Row<'r> = (&'r str, Option<Value>, (u16, &'r str, &'r str, &'r str));
    let rows: &[Row<'_>] = &[
        ("/data", None, (422, "", "Data is invalid", "/data")),
        ("/data", Some(json!([])), (422, "", "Data is invalid", "/data")),
        ("/data", Some(Value::Null), (422, "", "Data is invalid", "/data")),
        ("/data/type", None, (422, "", "Type is invalid", "/data/type")),
        ("/data/type", Some(json!(7)), (422, "", "Type is invalid", "/data/type")),
        ("/data/type", Some(json!("paymentToken")), (409, "", "Conflict", "/data/type")),
        ("/data/id", Some(json!("x")), (422, "", "Id is invalid", "/data/id")),
        ("/data/id", Some(json!(7)), (422, "", "Id is invalid", "/data/id")),
        ("/data/attributes", None, (422, "", "Attributes is invalid", "/data/attributes")),
        ("/data/attributes", Some(json!("x")), (422, "", "Attributes is invalid", "/data/attributes")),
        (kind, None, (422, "", "Kind is invalid", kind)),
        (kind, Some(json!("sepa")), (422, "", "Kind is invalid", kind)),
        (kind, Some(json!(7)), (422, "", "Kind is invalid", kind)),
        (kind, Some(json!("кредит")), (422, "invalid-charset", "charset of field is not latin", kind)),
        (card, None, (422, "", "CardToken is invalid", card)),
        (card, Some(json!("")), (422, "", "CardToken is invalid", card)),
        (card, Some(json!(7)), (422, "", "CardToken is invalid", card)),
        (card, Some(Value::Null), (422, "", "CardToken is invalid", card)),
        (card, Some(json!("токен")), (422, "invalid-charset", "charset of field is not latin", card)),
        (card, Some(json!(long)), (422, "too-long", "field is too long", card)),
        (card, Some(json!("unknown")), (422, "provider:invalid-content", rejected, card)),
        (card, Some(json!("no token")), (422, "provider:invalid-content", rejected, card)),
        (card, Some(json!(VISA)), (422, "provider:invalid-content", rejected, card)),
    ];
    for (path, value, expected) in rows {
        let reply = register(&place, &altered(&good, path, value.clone()));
        assert_eq!(fault(&reply), *expected, "{path}: {value:?}");
    }
    let several = register(&place, r#"{"data":{"attributes":{}}}"#);
    let pointers: Vec<&str> =
        (0..3).map(|place| several.body["errors"][place]["source"]["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/data/type", kind, card], "one error a field");
    assert_eq!(register(&place, &good).status, 201, "nothing of that stood in its way");
}

#[test]
fn a_card_that_cannot_be_used_is_not_registered() {
    let place = Place::new();
    let expired = place.webpay_token(VISA, "2611");
    let body = document(&expired);
    let later = Ask { now: NOW + 31 * 86_400, ..Ask::trusted("pace", "POST", REGISTER, &body) };
    let unusable = (422, "provider:card-not-usable", "payment method rejected by provider", "");
    assert_eq!(fault(&place.send(later)), unusable, "expired");
    let inactive = place.webpay_token(AMEX, "3004");
    place.vault.deactivate(inactive.as_bytes()).unwrap();
    assert_eq!(fault(&register(&place, &document(&inactive))), unusable, "deactivated");
}

#[test]
fn an_id_that_is_taken_is_a_conflict() {
    let place = Place::new();
    let with_id = |token: &str| altered(&document(token), "/data/id", Some(json!(ID)));
    assert_eq!(register(&place, &with_id(&place.webpay_token(VISA, "3004"))).status, 201);
    let other = with_id(&place.webpay_token(AMEX, "3004"));
    assert_eq!(fault(&register(&place, &other)), (409, "", "Conflict", "/data/id"));
    assert_eq!(fault(&register_as(&place, "user-2", &other)), (409, "", "Conflict", "/data/id"));
}

#[test]
fn every_row_of_the_error_table_has_its_status_and_title() {
    let place = Place::new();
    let token = place.webpay_token(VISA, "3004");
    let body = document(&token);
    let scope = "pay:payment-methods:create pay:payment-methods:read";
    let good = place.bearer("pace", "user-1", scope);
    let read = place.bearer("pace", "user-1", "pay:payment-methods:read");
    let nobody = place.bearer("pace", "", scope);
    let expired = Grant { dialect: "pace", subject: "user-1", scopes: scope, expires_at: NOW };
    let expired = place.vault.grant(&expired).unwrap();
    let expired = format!("Authorization: Bearer {}\r\n", std::str::from_utf8(expired.as_bytes()).unwrap());
    let typed = |headers: &str| format!("{headers}Content-Type: {JSONAPI}\r\n");
    let accepts = |ranges: &str| format!("{}Accept: {ranges}\r\n", typed(&good));
    let sent = |media: &str| format!("{good}Content-Type: {media}\r\n");
    let (unauthorized, accept, content) = (
        "Unauthorized",
        "Request needs a \"Accept\" header with value \"application/vnd.api+json\"",
        "Request needs a \"Content-Type\" header with value \"application/vnd.api+json\"",
    );
    let forbidden = "Forbidden - requires scope \"pay:payment-methods:create\"";
    let linked = "Missing linked identity for authorized access";
    for (row, headers, expected) in [
        ("no token", typed(""), (401, "", unauthorized)),
        ("an unknown token", typed("Authorization: Bearer x\r\n"), (401, "", unauthorized)),
        ("an expired token", typed(&expired), (401, "", unauthorized)),
        ("no linked identity", typed(&nobody), (401, "missing-linked-identity", linked)),
        ("a scope is missing", typed(&read), (403, "", forbidden)),
        ("token before media types", "Accept: text/html\r\n".to_owned(), (401, "", unauthorized)),
        ("Accept JSON", accepts("application/json"), (406, "", accept)),
        ("Accept with a parameter", accepts("application/vnd.api+json; charset=utf-8"), (406, "", accept)),
        ("Accept refused by weight", accepts("application/vnd.api+json;q=0"), (406, "", accept)),
        ("Accept before Content-Type", format!("{good}Accept: text/html\r\n"), (406, "", accept)),
        ("no Content-Type", good.clone(), (415, "", content)),
        ("another Content-Type", sent("application/json"), (415, "", content)),
        (
            "Content-Type with a parameter",
            sent("application/vnd.api+json; charset=utf-8"),
            (415, "", content),
        ),
        ("Content-Type twice", typed(&typed(&good)), (415, "", content)),
    ] {
        let reply = place.send(Ask::trusted("pace", "POST", REGISTER, &body).with_headers(&headers));
        let (status, code, title, _) = fault(&reply);
        assert_eq!((status, code, title), expected, "{row}");
    }
    for broken in ["", "{", "nonsense", "{}{}", "\u{feff}{}"] {
        let reply = register(&place, broken);
        assert_eq!(fault(&reply), (400, "", "can't parse content", ""), "{broken:?}");
    }
    let reply = place.trusted("pace", "GET", "/payment-methods?include=owner", "");
    assert_eq!((fault(&reply).0, reply.at("/errors/0/source/parameter")), (400, "include"));
    for target in
        ["/elsewhere", "/pay/4111111111111111/payment-methods", "/pay/2020-4\r\nX: y/payment-methods"]
    {
        assert_eq!(fault(&place.trusted("pace", "GET", target, "")).0, 404, "{target:?}");
    }
    let reply = place.trusted("pace", "PUT", REGISTER, "");
    assert_eq!((fault(&reply).0, reply.header("Allow")), (405, Some("POST")));
    for ranges in [
        "*/*",
        "application/*",
        JSONAPI,
        "text/html, application/vnd.api+json;q=0.5",
        "APPLICATION/VND.API+JSON",
    ] {
        let token = place.webpay_token(VISA, "3004");
        let headers = accepts(ranges);
        let reply =
            place.send(Ask::trusted("pace", "POST", REGISTER, &document(&token)).with_headers(&headers));
        assert!(matches!(reply.status, 201 | 303), "{ranges}: {}", reply.text);
    }
}

#[test]
fn a_users_methods_are_listed_named_and_removed() {
    let place = Place::new();
    assert_eq!(place.trusted("pace", "GET", METHODS, "").body, json!({"data": []}));
    let one = register(&place, &document(&place.webpay_token(VISA, "3004")));
    let two = register(&place, &document(&place.webpay_token(AMEX, "3004")));
    let list = place.trusted("pace", "GET", "/pay/2020-4/payment-methods?include=paymentTokens", "");
    assert_eq!(list.body["data"].as_array().unwrap().len(), 2);
    assert!(list.body["data"].as_array().unwrap().contains(&one.body["data"]));
    let (first, second) = (one.header("Location").unwrap(), two.header("Location").unwrap());
    let id = one.at("/data/id");
    let alias = |alias: Value| {
        json!({"data": {"type": "paymentMethod", "id": id, "attributes": {"alias": alias}}}).to_string()
    };
    let named = place.trusted("pace", "PATCH", first, &alias(json!("Zoë's \"card\"")));
    assert_eq!((named.status, named.at("/data/attributes/alias")), (200, "Zoë's \"card\""));
    assert_eq!(place.trusted("pace", "GET", first, "").body, named.body);
    for (value, code) in [
        (json!("карта"), "invalid-charset"),
        (json!("x".repeat(101)), "too-long"),
        (json!(VISA), "provider:invalid-content"),
        (json!(7), ""),
    ] {
        let reply = place.trusted("pace", "PATCH", first, &alias(value.clone()));
        assert_eq!((fault(&reply).0, fault(&reply).1), (422, code), "{value}");
    }
    assert_eq!(fault(&place.trusted("pace", "PATCH", second, &alias(json!("x")))).0, 409, "another id");
    let stranger = Ask { trusted: Some("user-2"), ..Ask::trusted("pace", "GET", first, "") };
    assert_eq!(fault(&place.send(stranger)).0, 404);
    let stranger = Ask { method: "DELETE", ..stranger };
    assert_eq!(fault(&place.send(stranger)).0, 404);
    let gone = place.trusted("pace", "DELETE", first, "");
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    assert_eq!(fault(&place.trusted("pace", "GET", first, "")).0, 404);
    assert_eq!(fault(&place.trusted("pace", "DELETE", first, "")).0, 404);
    assert_eq!(place.trusted("pace", "DELETE", METHODS, "").status, 204);
    assert_eq!(place.stored(), (0, 0));
    assert_eq!(fault(&place.trusted("pace", "GET", second, "")).0, 404);
}

#[test]
fn the_merchants_name_is_told_where_it_is_set() {
    let place = Place::new();
    let body = document(&place.webpay_token(VISA, "3004"));
    let ask = Ask { settings: "merchant_name=Byron", ..Ask::trusted("pace", "POST", REGISTER, &body) };
    assert_eq!(place.send(ask).at("/data/meta/merchantName"), "Byron");
}
