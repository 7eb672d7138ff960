//! WebPay's API v2, row by row: digests, request fields, response fields, errors, customers and lists.

mod dialect;

use dialect::{AMEX, Ask, NOW, Place, Reply, VISA, WEBPAY_ID, WEBPAY_KEY, altered, digest, signed};
use panseal::dialect::BODY_MAX;
use panseal::vault::Grant;
use serde_json::{Value, json};
use std::sync::Barrier;

const CARD: &str = concat!(
    r#"{"type":"card","card":{"pan":"4111111111111111","expiration_date":"3012"},"#,
    r#""metadata":{"description":"spare"}}"#
);
const TOKENS: &str = "/v2/tokens";
const REFUSED: &str = r#"{"status":"error","message":"Authorization failed"}"#;
/// When the provider's own vector was signed.
const VECTOR_TIME: i64 = 1_593_457_122;
const V21: &str = "c00ea52a8bfb137646040f082a9dcfbe364cab2cd1d11c44ac214a848a7f7308\
    71e3c499585ba229a077b681f1c2d3c66be4303a51b514629a96a33328b80771";
const V2: &str = "efcab0f9136bde35644a9cbd3bbba585528f86e4187cfed60a334c2752e96761\
    301a36e5fbec2a5535244b87c5010619c761f5e18ba6daa6b4e1b52a8430c297";
const V21_GET: &str = "7690589cfb84e03d8a5cbef609671baa87878c87c567c2963db694190f330c57\
    94ff3db04b45bd55489f32f8069505171312677f5c17daf18b1276d3ddf7b83f";
const PUBLISHED: &str = "bd120476c656a8ec3ce5d6a150f17061d03a8e280b0fbba278a73a1506683056\
    2f73ce5536882c9222e265f1ff6c2df629173375b549cba5a9275b08686f32ea";

fn create(place: &Place, body: &str) -> Reply {
    place.trusted("webpay", "POST", TOKENS, body)
}

fn line(scheme: &str, digest: &str) -> String {
    format!("Authorization: {scheme} {WEBPAY_ID} {VECTOR_TIME} {digest}\r\n")
}

fn at_vector_time<'a>(method: &'a str, target: &'a str, headers: &'a str, body: &'a str) -> Ask<'a> {
    Ask { now: VECTOR_TIME, ..Ask::trusted("webpay", method, target, body).with_headers(headers) }
}

#[test]
fn the_providers_published_digest_is_ours() {
    let parts: [&[u8]; 5] =
        [WEBPAY_KEY, b"1593457122", WEBPAY_ID.as_bytes(), b"/v2/payment/new", br#"{"example":"1"}"#];
    assert_eq!(digest(&parts), PUBLISHED);
}

#[test]
fn the_digest_vectors_open_the_door() {
    let place = Place::new();
    place.grant_webpay();
    let newer = line("WP3-v2.1", V21);
    assert_eq!(place.send(at_vector_time("POST", TOKENS, &newer, CARD)).status, 200);
    let older = line("WP3-v2", V2);
    let ask = at_vector_time("POST", TOKENS, &older, CARD);
    assert_eq!(place.send(ask).status, 401, "off by default");
    let allowed = Ask { settings: "wp3_v2=on", ..ask };
    assert_eq!(place.send(allowed).status, 200);
    let get = line("WP3-v2.1", V21_GET);
    assert_eq!(place.send(at_vector_time("GET", "/v2/customers?limit=10&offset=0", &get, "")).status, 200);
}

#[test]
fn the_older_digest_opens_one_path_and_no_other() {
    let place = Place::new();
    place.grant_webpay();
    let time = NOW.to_string();
    let empty = digest(&[WEBPAY_KEY, time.as_bytes(), WEBPAY_ID.as_bytes()]);
    let line = format!("Authorization: WP3-v2 {WEBPAY_ID} {time} {empty}\r\n");
    for target in ["/v2/customers", "/v2/payment-methods", "/v2/tokens/", "/v2/tokens?x", "/v2//tokens"] {
        let ask = Ask::trusted("webpay", "GET", target, "").with_headers(&line);
        assert_eq!(place.send(Ask { settings: "wp3_v2=on", ..ask }).status, 401, "{target}");
    }
}

#[test]
fn whatever_is_wrong_with_a_signature_has_one_answer() {
    let place = Place::new();
    place.grant_webpay();
    let other = "0".repeat(40);
    let revoked = "1".repeat(40);
    let grant = Grant { dialect: "webpay", ..Grant::default() };
    place.vault.grant_signing(&grant, &revoked, WEBPAY_KEY).unwrap();
    place.vault.revoke(&revoked).unwrap();
    let foreign = "2".repeat(40);
    place.vault.grant_signing(&Grant { dialect: "sumup", ..grant }, &foreign, WEBPAY_KEY).unwrap();
    let by = |id: &str| {
        let digest = digest(&[WEBPAY_KEY, b"1593457122", id.as_bytes(), TOKENS.as_bytes(), CARD.as_bytes()]);
        format!("Authorization: WP3-v2.1 {id} 1593457122 {digest}\r\n")
    };
    let good = line("WP3-v2.1", V21);
    let rows = [
        ("no header", String::new()),
        ("twice", good.repeat(2)),
        ("another scheme", line("WP3-v3", V21)),
        ("the scheme in lower case", line("wp3-v2.1", V21)),
        ("the browser's scheme", format!("Authorization: WP3-v2-Client {WEBPAY_ID}\r\n")),
        ("a bearer token", "Authorization: Bearer x\r\n".into()),
        ("another digest", line("WP3-v2.1", &V21.replace('c', "d"))),
        ("a digest in upper case", line("WP3-v2.1", &V21.to_uppercase())),
        ("a digest too short", line("WP3-v2.1", &V21[..126])),
        ("the older digest under the newer name", line("WP3-v2.1", V2)),
        ("two spaces", good.replace("WP3-v2.1 ", "WP3-v2.1  ")),
        ("something behind it", good.replace("\r\n", " x\r\n")),
        ("a tab", good.replace("WP3-v2.1 ", "WP3-v2.1\t")),
        ("milliseconds", good.replace("1593457122", "1593457122000")),
        ("a sign", good.replace("1593457122", "+593457122")),
        ("another time", good.replace("1593457122", "1593457123")),
        ("an unknown caller", by(&other)),
        ("a revoked caller", by(&revoked)),
        ("another dialect's caller", by(&foreign)),
        ("a short caller", good.replace(WEBPAY_ID, &WEBPAY_ID[1..])),
    ];
    for (row, headers) in &rows {
        let reply = place.send(at_vector_time("POST", TOKENS, headers, CARD));
        assert_eq!((reply.status, reply.text.as_str()), (401, REFUSED), "{row}");
    }
    let body = CARD.replace("spare", "sparf");
    assert_eq!(place.send(at_vector_time("POST", TOKENS, &good, &body)).status, 401, "another body");
    assert_eq!(
        place.send(at_vector_time("POST", "/v2/tokens?a=1", &good, CARD)).status,
        401,
        "another target"
    );
    assert_eq!(place.send(at_vector_time("POST", TOKENS, &good, CARD)).status, 200);
}

#[test]
fn a_body_that_is_too_long_is_refused_before_its_digest_is_made() {
    let place = Place::new();
    place.grant_webpay();
    let long = " ".repeat(BODY_MAX + 1);
    for (body, expected) in [(&long[..], 400), (&long[1..], 401)] {
        let headers = signed(VECTOR_TIME, TOKENS, b"another body");
        let reply = place.send(at_vector_time("POST", TOKENS, &headers, body));
        assert_eq!(reply.status, expected, "{} bytes", body.len());
    }
}

#[test]
fn a_signature_is_fresh_for_fifteen_minutes_either_way() {
    let place = Place::new();
    place.grant_webpay();
    for (seconds, status) in [(-901, 401), (-900, 200), (900, 200), (901, 401)] {
        let headers = signed(NOW + seconds, TOKENS, CARD.as_bytes());
        let reply = place.send(Ask::trusted("webpay", "POST", TOKENS, CARD).with_headers(&headers));
        assert_eq!(reply.status, status, "{seconds}");
    }
}

#[test]
fn a_signature_makes_one_token_however_many_come_with_it() {
    let place = Place::new();
    place.grant_webpay();
    let headers = signed(NOW, TOKENS, CARD.as_bytes());
    let barrier = Barrier::new(6);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let request = panseal::dialect::Request {
                        method: "POST",
                        target: TOKENS,
                        headers: headers.as_bytes(),
                        body: CARD.as_bytes(),
                        now: NOW,
                        ..Default::default()
                    };
                    panseal::dialect::handle(&place.vault, "webpay", &request).unwrap().status
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(place.stored(), (1, 1));
    let again = place.send(Ask::trusted("webpay", "POST", TOKENS, CARD).with_headers(&headers));
    assert_eq!((again.status, again.text.as_str()), (401, REFUSED));
}

#[test]
fn a_refused_request_does_not_use_its_signature_up() {
    let place = Place::new();
    place.grant_webpay();
    let headers = signed(NOW, TOKENS, b"{");
    for _ in 0..2 {
        let ask = Ask { body: b"{", ..Ask::trusted("webpay", "POST", TOKENS, "").with_headers(&headers) };
        assert_eq!(place.send(ask).status, 400);
    }
}

#[test]
fn a_created_token_looks_as_on_the_page() {
    let reply = create(&Place::new(), CARD);
    assert_eq!(reply.status, 200);
    let token = reply.at("/token");
    assert!(
        token.len() == 48 && token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
        "{token}"
    );
    let expected = format!(
        concat!(
            r#"{{"token":"{}","status":"approved","card":{{"keep_until":"2031-01-01T00:00:00Z","#,
            r#""masked_pan":"411111****1111","expiration_date":"3012"}}}}"#
        ),
        token
    );
    assert_eq!(reply.text, expected);
}

#[test]
fn the_pages_own_expiry_works_however_far_it_is() {
    let body = r#"{"type":"card","card":{"pan":"4111111111111111","expiration_date":"9602"}}"#;
    let reply = create(&Place::new(), body);
    assert_eq!((reply.status, reply.at("/card/keep_until")), (200, "2096-03-01T00:00:00Z"));
    assert_eq!(reply.at("/card/expiration_date"), "9602");
}

#[test]
fn every_row_of_the_request_table_holds() {
    let place = Place::new();
    let rows: &[(&str, Value, &str)] = &[
        ("/type", json!("card"), ""),
        ("/type", json!("bank"), "Type is invalid"),
        ("/type", json!(1), "Type is invalid"),
        ("/type", Value::Null, "Type is invalid"),
        ("/card", json!("4111111111111111"), "Card is invalid"),
        ("/card", Value::Null, "Card is invalid"),
        ("/card/pan", json!(AMEX), ""),
        ("/card/pan", json!("675964982648"), ""),
        ("/card/pan", json!("6759649826438453128"), ""),
        ("/card/pan", json!("41111111111"), "Pan is invalid"),
        ("/card/pan", json!("41111111111111111111"), "Pan is invalid"),
        ("/card/pan", json!("4111111111111112"), "Pan is invalid"),
        ("/card/pan", json!("4111 1111 1111 1111"), "Pan is invalid"),
        ("/card/pan", json!(4111111111111111u64), "Pan is invalid"),
        ("/card/pan", json!(""), "Pan is invalid"),
        ("/card/pan", Value::Null, "Pan is invalid"),
        ("/card/expiration_date", json!("2611"), ""),
        ("/card/expiration_date", json!("2610"), "Expiration date is in the past"),
        ("/card/expiration_date", json!("912"), "Expiration date is in the past"),
        ("/card/expiration_date", json!("913"), "Expiration date is invalid"),
        ("/card/expiration_date", json!("3013"), "Expiration date is invalid"),
        ("/card/expiration_date", json!("30"), "Expiration date is invalid"),
        ("/card/expiration_date", json!("30/12"), "Expiration date is invalid"),
        ("/card/expiration_date", json!(3012), "Expiration date is invalid"),
        ("/card/expiration_date", Value::Null, "Expiration date is invalid"),
        ("/metadata", Value::Null, ""),
        ("/metadata", json!({}), ""),
        ("/metadata", json!({"a": "b", "c": 1, "d": true, "e": null}), ""),
        ("/metadata", json!("text"), "Metadata is invalid"),
        ("/metadata", json!({"a": {"b": "c"}}), "Metadata is invalid"),
        ("/metadata", json!({"a": VISA}), "Metadata is invalid"),
        ("/metadata", json!({VISA: "a"}), "Metadata is invalid"),
        ("/metadata", json!({"a": "x".repeat(5000)}), "Metadata is invalid"),
    ];
    for (path, value, message) in rows {
        let reply = create(&place, &altered(CARD, path, Some(value.clone())));
        if message.is_empty() {
            assert_eq!(
                (reply.status, reply.at("/status")),
                (200, "approved"),
                "{path}: {value}: {}",
                reply.text
            );
        } else {
            let expected = json!({"status": "invalid-request", "message": message});
            assert_eq!((reply.status, reply.body), (400, expected), "{path}: {value}");
        }
    }
    for (path, message) in [
        ("/type", "Type is invalid"),
        ("/card", "Card is invalid"),
        ("/card/pan", "Pan is invalid"),
        ("/card/expiration_date", "Expiration date is invalid"),
        ("/metadata", ""),
    ] {
        let reply = create(&place, &altered(CARD, path, None));
        assert_eq!((reply.status == 200, reply.at("/message")), (message.is_empty(), message), "{path}");
    }
}

#[test]
fn an_expiry_of_three_digits_has_lost_a_zero() {
    let body = r#"{"type":"card","card":{"pan":"4111111111111111","expiration_date":"912"}}"#;
    let place = Place::new();
    let ask = Ask { now: 1_230_768_000, ..Ask::trusted("webpay", "POST", TOKENS, body) };
    let reply = place.send(ask);
    assert_eq!((reply.status, reply.at("/card/keep_until")), (200, "2010-01-01T00:00:00Z"));
    assert_eq!(reply.at("/card/expiration_date"), "0912");
}

#[test]
fn a_mask_has_four_stars_and_shows_less_of_a_short_number() {
    let place = Place::new();
    for (pan, masked) in
        [(VISA, "411111****1111"), (AMEX, "378282****0005"), ("36227206271667", "**********1667")]
    {
        let reply = create(&place, &altered(CARD, "/card/pan", Some(json!(pan))));
        assert_eq!(reply.at("/card/masked_pan"), masked);
    }
}

#[test]
fn each_call_makes_a_token_of_its_own_and_none_has_a_customer() {
    let place = Place::new();
    let (one, two) = (create(&place, CARD), create(&place, CARD));
    assert_ne!(one.at("/token"), two.at("/token"));
    assert_eq!(place.stored(), (1, 2));
    let (kept, details) = place.vault.details(one.at("/token").as_bytes()).unwrap();
    assert_eq!((&*kept.customer, details.metadata()), ("", r#"{"description":"spare"}"#));
    assert_eq!(kept.keep_until, 1_924_992_000, "the first of January 2031");
}

#[test]
fn customers_are_made_changed_found_and_marked_as_deleted() {
    let place = Place::new();
    let body = json!({"merchant_customer_id": "mc-1", "name": "Ada", "email": "ada@example.org", "country": "GB",
        "metadata": {"a": "b"}});
    let made = place.trusted("webpay", "POST", "/v2/customers", &body.to_string());
    assert_eq!((made.status, made.at("/status"), made.at("/name")), (200, "approved", "Ada"));
    assert_eq!((&made.body["deleted"], &made.body["deleted_at"]), (&json!(false), &Value::Null));
    assert_eq!(made.body["metadata"], json!({"a": "b"}));
    let uuid = made.at("/uuid").to_owned();
    let target = format!("/v2/customers/{uuid}");
    let again = place.trusted("webpay", "POST", "/v2/customers", &body.to_string());
    assert_eq!((again.status, again.at("/status")), (400, "invalid-request"));
    assert_eq!(place.trusted("webpay", "GET", &target, "").body, made.body);
    assert_eq!(place.trusted("webpay", "GET", "/v2/merchants/customers/mc-1", "").body, made.body);
    let changed = place.trusted("webpay", "POST", &target, r#"{"city":"Leeds"}"#);
    assert_eq!((changed.status, changed.at("/city"), changed.at("/name")), (200, "Leeds", "Ada"));
    let list = place.trusted("webpay", "GET", "/v2/customers?limit=10&offset=0", "");
    assert_eq!(list.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(place.trusted("webpay", "GET", "/v2/customers?offset=1", "").body["data"], json!([]));
    let gone = place.trusted("webpay", "DELETE", &target, "");
    assert_eq!(gone.text, format!(r#"{{"status":"approved","uuid":"{uuid}","deleted":true}}"#));
    assert_eq!(place.trusted("webpay", "GET", &target, "").body["deleted"], json!(true));
    assert_eq!(place.trusted("webpay", "GET", "/v2/customers", "").body["data"], json!([]));
    for target in
        ["/v2/customers/x", "/v2/customers/0b6a0f4e-6a52-4f0e-8a5e-2f8b3c6d7e01", "/v2/merchants/customers/x"]
    {
        let reply = place.trusted("webpay", "GET", target, "");
        assert_eq!((reply.status, reply.at("/status")), (404, "invalid-request"), "{target}");
    }
}

#[test]
fn each_field_of_a_customer_has_its_length() {
    let place = Place::new();
    for (name, least, most) in [
        ("merchant_customer_id", 1, 64),
        ("description", 1, 200),
        ("email", 1, 200),
        ("name", 1, 50),
        ("phone", 1, 30),
        ("zip_code", 1, 9),
        ("city", 3, 30),
        ("address", 3, 100),
        ("country", 2, 2),
    ] {
        for (length, status) in [(least, 200), (most, 200), (least - 1, 400), (most + 1, 400)] {
            let body = json!({name: "x".repeat(length)}).to_string();
            let place = if name == "merchant_customer_id" { &Place::new() } else { &place };
            let reply = place.trusted("webpay", "POST", "/v2/customers", &body);
            assert_eq!(reply.status, status, "{name} of {length}");
        }
        let reply = place.trusted("webpay", "POST", "/v2/customers", &json!({name: 7}).to_string());
        assert_eq!((reply.status, reply.at("/status")), (400, "invalid-request"), "{name}");
    }
    let hidden = r#"{"metadata":{"a":"411111111111111\u0031"}}"#;
    assert_eq!(place.trusted("webpay", "POST", "/v2/customers", hidden).status, 400);
}

#[test]
fn a_customers_payment_methods_are_listed() {
    let place = Place::new();
    let made = place.trusted("webpay", "POST", "/v2/customers", "{}");
    let uuid = made.at("/uuid").to_owned();
    let token = place.webpay_token(VISA, "3412");
    let change = panseal::vault::Change { customer: Some(&uuid), ..Default::default() };
    place.vault.update(token.as_bytes(), &change).unwrap();
    let list = place.trusted("webpay", "GET", &format!("/v2/customers/{uuid}/payment-methods?limit=5"), "");
    let item = &list.body["data"][0];
    assert_eq!(list.at("/status"), "approved");
    assert_eq!(
        (item["masked_pan"].as_str(), item["expiration_date"].as_str()),
        (Some("411111******1111"), Some("2034-12-31"))
    );
    assert_eq!((item["token"].as_str(), item["customer_uuid"].as_str()), (Some(&*token), Some(&*uuid)));
    assert_eq!(
        (&item["expired"], item["keep_until"].as_str()),
        (&json!(false), Some("2035-01-01T00:00:00Z"))
    );
    assert_eq!(
        place.trusted("webpay", "GET", "/v2/payment-methods", "").body["data"].as_array().unwrap().len(),
        1
    );
    assert_eq!(place.trusted("webpay", "GET", "/v2/customers/x/payment-methods", "").status, 404);
    assert_eq!(place.trusted("webpay", "GET", "/v2/payment-methods?limit=x", "").status, 400);
}

#[test]
fn what_was_signed_to_read_does_not_serve_to_delete_once_it_was_read() {
    let place = Place::new();
    place.grant_webpay();
    let made = place.trusted("webpay", "POST", "/v2/customers", "{}");
    let target = format!("/v2/customers/{}", made.at("/uuid"));
    let headers = signed(NOW, &target, b"");
    let ask = |method| Ask::trusted("webpay", method, &target, "").with_headers(&headers);
    assert_eq!(place.send(ask("GET")).status, 200);
    assert_eq!(place.send(ask("DELETE")).status, 401);
    let headers = signed(NOW + 1, &target, b"");
    let ask = |method| Ask::trusted("webpay", method, &target, "").with_headers(&headers);
    assert_eq!(place.send(ask("DELETE")).status, 200, "held back, it deletes: the digest does not tell");
    assert_eq!(place.send(ask("DELETE")).status, 401, "once");
}
