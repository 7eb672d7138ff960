//! SumUp's API, row by row: request fields, response fields, errors, and what its clients call besides.

mod dialect;

use dialect::{AMEX, Ask, MASTERCARD, NOW, Place, VISA, altered};
use panseal::vault::Grant;
use serde_json::{Value, json};
use std::sync::Barrier;

const CARD: &str = r#"{"type":"card","card":{"name":"Ada Byron","number":"4111111111111111",
    "expiry_year":"2030","expiry_month":"04","cvv":"123"}}"#;
const INSTRUMENTS: &str = "/v0.1/customers/cust-0001/payment-instruments";

fn place() -> Place {
    let place = Place::new();
    customer(&place, "cust-0001");
    place
}

fn customer(place: &Place, id: &str) {
    let body = json!({"customer_id": id}).to_string();
    assert_eq!(place.trusted("sumup", "POST", "/v0.1/customers", &body).status, 201);
}

fn create(place: &Place, body: &str) -> dialect::Reply {
    place.trusted("sumup", "POST", INSTRUMENTS, body)
}

fn invalid(param: &str) -> Value {
    json!({"message": "Validation error", "error_code": "INVALID", "param": param})
}

#[test]
fn a_created_instrument_looks_as_on_the_page() {
    let reply = create(&place(), CARD);
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    let members: Vec<&String> = reply.body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["active", "card", "created_at", "token", "type"], "no mandate, and nothing more");
    assert_eq!(reply.body["active"], json!(true));
    assert_eq!(reply.body["type"], "card");
    assert_eq!(reply.body["card"], json!({"last_4_digits": "1111", "type": "VISA"}));
    let token = reply.at("/token");
    assert_eq!((token.len(), token.matches('-').count()), (36, 4));
    let created = reply.at("/created_at");
    assert!(created.len() == 29 && created.ends_with(".000+00:00") && created.contains('T'), "{created}");
    let order = ["\"token\"", "\"active\"", "\"type\"", "\"card\"", "\"created_at\""]
        .map(|name| reply.text.find(name));
    assert!(order.is_sorted(), "members in the order of the page");
}

#[test]
fn every_row_of_the_request_table_holds() {
    let place = place();
    // Field, value (null: an explicit null), whether it is taken.
    let rows: &[(&str, Value, bool)] = &[
        ("type", json!("card"), true),
        ("type", json!("bank"), false),
        ("type", json!("CARD"), false),
        ("type", json!(7), false),
        ("type", Value::Null, false),
        ("card", json!("4111111111111111"), false),
        ("card", json!([]), false),
        ("card", Value::Null, false),
        ("card.name", json!("Ada Byron"), true),
        ("card.name", json!("Zoë Müller-Đoković"), true),
        ("card.name", json!(""), false),
        ("card.name", json!(7), false),
        ("card.name", json!("Ада"), false),
        ("card.name", json!("4111 1111 1111 1111"), false),
        ("card.name", json!("A".repeat(112)), false),
        ("card.name", json!("é".repeat(60)), false),
        ("card.name", Value::Null, false),
        ("card.number", json!("5555555555554444"), true),
        ("card.number", json!("4111 1111 1111 1111"), false),
        ("card.number", json!("4111-1111-1111-1111"), false),
        ("card.number", json!("4111111111111112"), false),
        ("card.number", json!("41111111111"), false),
        ("card.number", json!(4111111111111111u64), false),
        ("card.number", json!(["4111111111111111"]), false),
        ("card.number", json!(""), false),
        ("card.number", Value::Null, false),
        ("card.expiry_year", json!("30"), true),
        ("card.expiry_year", json!("2030"), true),
        ("card.expiry_year", json!("030"), false),
        ("card.expiry_year", json!("3"), false),
        ("card.expiry_year", json!("02030"), false),
        ("card.expiry_year", json!("1930"), false),
        ("card.expiry_year", json!("0030"), false),
        ("card.expiry_year", json!("+30"), false),
        ("card.expiry_year", json!(2030), false),
        ("card.expiry_year", json!("2025"), false),
        ("card.expiry_year", json!("2047"), false),
        ("card.expiry_year", Value::Null, false),
        ("card.expiry_month", json!("01"), true),
        ("card.expiry_month", json!("12"), true),
        ("card.expiry_month", json!("00"), false),
        ("card.expiry_month", json!("13"), false),
        ("card.expiry_month", json!("4"), false),
        ("card.expiry_month", json!("004"), false),
        ("card.expiry_month", json!(4), false),
        ("card.expiry_month", Value::Null, false),
        ("card.cvv", json!("123"), true),
        ("card.cvv", json!("1234"), true),
        ("card.cvv", json!("12"), false),
        ("card.cvv", json!("12345"), false),
        ("card.cvv", json!("12a"), false),
        ("card.cvv", json!(123), false),
        ("card.cvv", Value::Null, false),
        ("card.zip_code", json!("94107"), true),
        ("card.zip_code", Value::Null, true),
        ("card.zip_code", json!("9410"), false),
        ("card.zip_code", json!("941070"), false),
        ("card.zip_code", json!("SW1A1"), false),
        ("card.zip_code", json!(""), false),
        ("card.zip_code", json!(94107), false),
    ];
    for (param, value, taken) in rows {
        let body = altered(CARD, &format!("/{}", param.replace('.', "/")), Some(value.clone()));
        let target = format!("/v0.1/customers/row-{}/payment-instruments", place.stored().1);
        let id = target.split('/').nth(3).unwrap();
        place.trusted("sumup", "POST", "/v0.1/customers", &json!({"customer_id": id}).to_string());
        let reply = place.trusted("sumup", "POST", &target, &body);
        if *taken {
            assert_eq!(reply.status, 201, "{param}: {value}");
        } else {
            assert_eq!((reply.status, &reply.body), (400, &invalid(param)), "{param}: {value}");
        }
    }
}

#[test]
fn each_required_field_is_missed_by_its_name() {
    let place = place();
    for param in
        ["type", "card", "card.name", "card.number", "card.expiry_year", "card.expiry_month", "card.cvv"]
    {
        let reply = create(&place, &altered(CARD, &format!("/{}", param.replace('.', "/")), None));
        assert_eq!((reply.status, &reply.body), (400, &invalid(param)), "{param}");
    }
    assert_eq!(create(&place, &altered(CARD, "/card/zip_code", None)).status, 201);
}

#[test]
fn one_fault_is_an_object_and_several_are_an_array_in_the_order_of_the_page() {
    let place = place();
    let body = r#"{"type":"card","card":{"name":"","number":"1","expiry_year":"x","expiry_month":"04","cvv":"123"}}"#;
    let reply = create(&place, body);
    let fault = |param: &str| json!({"error_code": "INVALID", "message": "Validation error", "param": param});
    let expected = json!([fault("card.name"), fault("card.number"), fault("card.expiry_year")]);
    assert_eq!((reply.status, reply.body), (400, expected));
    assert!(
        reply
            .text
            .starts_with(r#"[{"error_code":"INVALID","message":"Validation error","param":"card.name"}"#)
    );
    let one = create(&place, &altered(CARD, "/card/expiry_year", Some(json!("x"))));
    assert_eq!(
        one.text,
        r#"{"message":"Validation error","error_code":"INVALID","param":"card.expiry_year"}"#
    );
    let none = create(&place, "{}");
    assert_eq!(none.body, json!([fault("type"), fault("card")]));
}

#[test]
fn read_only_and_unknown_members_are_passed_over() {
    let body = altered(CARD, "/token", Some(json!("mine")));
    let body = altered(&body, "/card/last_4_digits", Some(json!("9999")));
    let reply = create(&place(), &body);
    assert_eq!((reply.status, reply.at("/card/last_4_digits")), (201, "1111"));
}

#[test]
fn the_type_of_a_card_is_one_of_the_page() {
    let place = place();
    let rows = [
        (VISA, "VISA"),
        (MASTERCARD, "MASTERCARD"),
        (AMEX, "AMEX"),
        ("6011111111111117", "DISCOVER"),
        ("3530111333300000", "JCB"),
        ("36227206271667", "DINERS"),
        ("6222988812340000", "CUP"),
        ("6362970000457013", "ELO"),
        ("6062826786276634", "HIPERCARD"),
        ("6759649826438453", "MAESTRO"),
        ("9999999999999995", "UNKNOWN"),
        ("2200000000000004", "UNKNOWN"),
    ];
    for (place_of_row, (number, expected)) in rows.iter().enumerate() {
        customer(&place, &format!("type-{place_of_row}"));
        let target = format!("/v0.1/customers/type-{place_of_row}/payment-instruments");
        let body = altered(CARD, "/card/number", Some(json!(number)));
        let reply = place.trusted("sumup", "POST", &target, &body);
        assert_eq!((reply.status, reply.at("/card/type")), (201, *expected), "{number}");
    }
}

#[test]
fn every_row_of_the_error_table_has_the_pages_body() {
    let place = place();
    let good = place.bearer("sumup", "", "payment_instruments");
    let no_scope = place.bearer("sumup", "", "payments");
    let foreign = place.bearer("stax", "", "payment_instruments");
    let revoked =
        place.vault.grant(&Grant { dialect: "sumup", scopes: "payment_instruments", ..Grant::default() });
    let revoked = revoked.unwrap();
    place.vault.revoke(revoked.id()).unwrap();
    let revoked = format!("Authorization: Bearer {}\r\n", std::str::from_utf8(revoked.as_bytes()).unwrap());
    let expired =
        Grant { dialect: "sumup", scopes: "payment_instruments", expires_at: NOW, ..Grant::default() };
    let expired = place.vault.grant(&expired).unwrap();
    let expired = format!("Authorization: Bearer {}\r\n", std::str::from_utf8(expired.as_bytes()).unwrap());
    let tampered = good.replace('\r', "x\r");
    let twice = good.repeat(2);
    let missing = r#"{"message":"access token required","error_code":"NOT_AUTHORIZED"}"#;
    let invalid = r#"{"error_message":"invalid access token","error_code":"NOT_AUTHORIZED"}"#;
    let app = r#"{"error_message":"NOT_AUTHORIZED","error_code":"NOT_AUTHORIZED"}"#;
    let forbidden = r#"{"error_message":"request_not_allowed","error_code":"FORBIDDEN","status_code":"403"}"#;
    let not_found = r#"{"error_code":"NOT_FOUND","message":"Resource not found"}"#;
    let other = "/v0.1/customers/nobody/payment-instruments";
    for (row, headers, target, status, body) in [
        ("no token", "", INSTRUMENTS, 401, missing),
        ("another header", "X-Authorization: Bearer x\r\n", INSTRUMENTS, 401, missing),
        ("an empty token", "Authorization: Bearer \r\n", INSTRUMENTS, 401, missing),
        ("an unknown token", "Authorization: Bearer sup_sk_x\r\n", INSTRUMENTS, 401, invalid),
        ("another scheme", "Authorization: Basic x\r\n", INSTRUMENTS, 401, invalid),
        ("a changed token", &tampered, INSTRUMENTS, 401, invalid),
        ("a token twice", &twice, INSTRUMENTS, 401, invalid),
        ("an expired token", &expired, INSTRUMENTS, 401, invalid),
        ("a revoked token", &revoked, INSTRUMENTS, 401, app),
        ("another API's token", &foreign, INSTRUMENTS, 401, app),
        ("a scope is missing", &no_scope, INSTRUMENTS, 403, forbidden),
        ("an unknown customer", &good, other, 404, not_found),
        ("an unknown path", &good, "/v0.1/checkouts", 404, not_found),
        ("a path of another version", &good, "/v0.2/customers/cust-0001/payment-instruments", 404, not_found),
    ] {
        let ask = Ask::trusted("sumup", "POST", target, CARD).with_headers(headers);
        let reply = place.send(ask);
        assert_eq!((reply.status, reply.text.as_str()), (status, body), "{row}");
        assert_eq!(reply.header("WWW-Authenticate").is_some(), status == 401, "{row}");
    }
    assert_eq!(place.send(Ask::trusted("sumup", "POST", INSTRUMENTS, CARD).with_headers(&good)).status, 201);
    let lower = good.replace("Authorization: Bearer", "authorization:bearer");
    assert_eq!(place.send(Ask::trusted("sumup", "POST", INSTRUMENTS, CARD).with_headers(&lower)).status, 201);
}

#[test]
fn a_customer_has_four_instruments_and_a_deactivated_one_makes_room() {
    let place = place();
    let tokens: Vec<String> = (0..4).map(|_| create(&place, CARD).at("/token").to_owned()).collect();
    let full = create(&place, CARD);
    let body = r#"{"error_code":"MAX_INSTRUMENT_COUNT","message":"Max number of payment instruments on file reached"}"#;
    assert_eq!((full.status, full.text.as_str()), (409, body));
    let target = format!("{INSTRUMENTS}/{}", tokens[0]);
    assert_eq!(place.trusted("sumup", "DELETE", &target, "").status, 204);
    assert_eq!(create(&place, CARD).status, 201);
    assert_eq!(create(&place, CARD).status, 409);
}

#[test]
fn the_most_instruments_can_be_set_and_hold_under_concurrent_calls() {
    let place = place();
    let barrier = Barrier::new(8);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let request = panseal::dialect::Request {
                        method: "POST",
                        target: INSTRUMENTS,
                        body: CARD.as_bytes(),
                        now: NOW,
                        trusted: Some(Default::default()),
                        settings: "max_instruments=3",
                        ..Default::default()
                    };
                    panseal::dialect::handle(&place.vault, "sumup", &request).unwrap().status
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(201), count(409)), (3, 5), "{statuses:?}");
}

#[test]
fn a_mandate_is_there_where_the_merchant_has_a_code_for_it() {
    let place = place();
    let ask = Ask { settings: "merchant_code=MH4H92C7", ..Ask::trusted("sumup", "POST", INSTRUMENTS, CARD) };
    let made = place.send(ask);
    let mandate = |status| json!({"type": "recurrent", "status": status, "merchant_code": "MH4H92C7"});
    assert_eq!(made.body["mandate"], mandate("active"));
    let target = format!("{INSTRUMENTS}/{}", made.at("/token"));
    place.trusted("sumup", "DELETE", &target, "");
    assert_eq!(place.trusted("sumup", "GET", INSTRUMENTS, "").body[0]["mandate"], mandate("inactive"));
}

#[test]
fn instruments_are_listed_as_a_bare_array_deactivated_ones_too() {
    let place = place();
    assert_eq!(place.trusted("sumup", "GET", INSTRUMENTS, "").text, "[]");
    let made = create(&place, CARD);
    let second = create(&place, &altered(CARD, "/card/number", Some(json!(MASTERCARD))));
    let target = format!("{INSTRUMENTS}/{}", second.at("/token"));
    let gone = place.trusted("sumup", "DELETE", &target, "");
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    assert_eq!(place.trusted("sumup", "DELETE", &target, "").status, 404, "once more");
    let list = place.trusted("sumup", "GET", INSTRUMENTS, "");
    let items = list.body.as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0], made.body, "the oldest first, also within a second");
    assert!(items.iter().any(|item| item["active"] == json!(false) && item["card"]["type"] == "MASTERCARD"));
    customer(&place, "cust-0002");
    let others = format!("/v0.1/customers/cust-0002/payment-instruments/{}", made.at("/token"));
    assert_eq!(place.trusted("sumup", "DELETE", &others, "").status, 404, "another customer's");
    for target in [
        "/v0.1/customers/nobody/payment-instruments".to_owned(),
        "/v0.1/customers//payment-instruments".to_owned(),
        format!("/v0.1/customers/{VISA}/payment-instruments"),
    ] {
        assert_eq!(place.trusted("sumup", "GET", &target, "").status, 404, "{target}");
    }
}

#[test]
fn a_customer_comes_back_as_it_was_sent() {
    let place = Place::new();
    for (id, details) in [
        (
            "cust-1",
            json!({"first_name": "Ada", "last_name": "Byron", "email": "ada@example.org", "phone": "+441134960000",
                   "birth_date": "1990-12-10", "tax_id": "7",
                   "address": {"line_1": "1 Mill Lane", "city": "Leeds", "postal_code": "LS1 1AA", "country": "GB"}}),
        ),
        (
            "cust-2",
            json!({"birthdate": "1990-12-10", "address": {"line1": "1", "line2": "2", "country": "GB"}}),
        ),
        ("831ff8d4cd5958ab5670", json!({"first_name": "Zo\u{eb} \"Q\""})),
    ] {
        let body = json!({"customer_id": id, "personal_details": details});
        let made = place.trusted("sumup", "POST", "/v0.1/customers", &body.to_string());
        assert_eq!((made.status, &made.body), (201, &body));
        let found = place.trusted("sumup", "GET", &format!("/v0.1/customers/{id}"), "");
        assert_eq!((found.status, &found.body), (200, &body));
        let again = place.trusted("sumup", "POST", "/v0.1/customers", &body.to_string());
        let text = r#"{"error_code":"CUSTOMER_ALREADY_EXISTS","message":"Customer already exists"}"#;
        assert_eq!((again.status, again.text.as_str()), (409, text));
    }
    let bare =
        place.trusted("sumup", "POST", "/v0.1/customers", r#"{"customer_id":"c 3","personal_details":null}"#);
    assert_eq!((bare.status, bare.text.as_str()), (201, r#"{"customer_id":"c 3"}"#));
    assert_eq!(place.trusted("sumup", "GET", "/v0.1/customers/c%203", "").status, 200);
    assert_eq!(place.trusted("sumup", "GET", "/v0.1/customers/nobody", "").status, 404);
}

#[test]
fn an_update_of_a_customer_leaves_the_rest_as_it_was() {
    let place = Place::new();
    let body = json!({"customer_id": "c", "personal_details": {"first_name": "Ada", "birthdate": "1990-12-10",
        "address": {"line_1": "1 Mill Lane", "city": "Leeds", "country": "GB"}}});
    place.trusted("sumup", "POST", "/v0.1/customers", &body.to_string());
    let change = json!({"personal_details": {"last_name": "King", "birth_date": "1990-12-11",
        "address": {"city": "York", "country": "GB"}}});
    let changed = place.trusted("sumup", "PUT", "/v0.1/customers/c", &change.to_string());
    let expected = json!({"customer_id": "c", "personal_details": {"first_name": "Ada", "last_name": "King",
        "birth_date": "1990-12-11", "address": {"line_1": "1 Mill Lane", "city": "York", "country": "GB"}}});
    assert_eq!((changed.status, &changed.body), (200, &expected));
    assert_eq!(place.trusted("sumup", "GET", "/v0.1/customers/c", "").body, expected);
    assert_eq!(place.trusted("sumup", "PUT", "/v0.1/customers/nobody", "{}").status, 404);
}

#[test]
fn a_customers_faults_have_their_names() {
    let place = Place::new();
    let long = "x".repeat(256);
    for (body, param) in [
        (json!({}), "customer_id"),
        (json!({"customer_id": ""}), "customer_id"),
        (json!({"customer_id": 7}), "customer_id"),
        (json!({"customer_id": "x".repeat(65)}), "customer_id"),
        (json!({"customer_id": VISA}), "customer_id"),
        (json!({"customer_id": "c", "personal_details": 7}), "personal_details"),
        (json!({"customer_id": "c", "personal_details": {"first_name": 7}}), "personal_details.first_name"),
        (json!({"customer_id": "c", "personal_details": {"phone": VISA}}), "personal_details.phone"),
        (json!({"customer_id": "c", "personal_details": {"tax_id": long}}), "personal_details.tax_id"),
        (
            json!({"customer_id": "c", "personal_details": {"birthdate": "10.12.1990"}}),
            "personal_details.birth_date",
        ),
        (
            json!({"customer_id": "c", "personal_details": {"address": {}}}),
            "personal_details.address.country",
        ),
        (
            json!({"customer_id": "c", "personal_details": {"address": {"country": "GBR"}}}),
            "personal_details.address.country",
        ),
    ] {
        let reply = place.trusted("sumup", "POST", "/v0.1/customers", &body.to_string());
        assert_eq!((reply.status, &reply.body), (400, &invalid(param)), "{body}");
    }
}

#[test]
fn another_method_is_told_which_are_there() {
    let place = place();
    for (method, target, allowed) in [
        ("GET", "/v0.1/customers", "POST"),
        ("DELETE", "/v0.1/customers/cust-0001", "GET, PUT"),
        ("PATCH", INSTRUMENTS, "GET, POST"),
        ("GET", "/v0.1/customers/cust-0001/payment-instruments/t", "DELETE"),
        ("post", INSTRUMENTS, "GET, POST"),
    ] {
        let reply = place.trusted("sumup", method, target, CARD);
        assert_eq!((reply.status, reply.header("Allow")), (405, Some(allowed)), "{method} {target}");
    }
}
