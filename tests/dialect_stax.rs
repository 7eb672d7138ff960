//! Stax's API, row by row: request fields, the payment method, errors, lists and customers.

mod dialect;

use dialect::{AMEX, Ask, MASTERCARD, NOW, Place, Reply, VISA, altered};
use panseal::vault::Grant;
use serde_json::{Value, json};

const CARD: &str = r#"{"method":"card","person_name":"Ada Byron","card_number":"4111111111111111","card_exp":"0430",
    "card_cvv":"123","address_zip":"32801","address_country":"USA"}"#;
const METHODS: &str = "/payment-method";

fn create(place: &Place, body: &str) -> Reply {
    place.trusted("stax", "POST", METHODS, body)
}

fn customer(place: &Place) -> String {
    let made = place.trusted("stax", "POST", "/customer", r#"{"firstname":"Ada","email":"ada@example.org"}"#);
    assert_eq!(made.status, 200, "{}", made.text);
    made.at("/id").to_owned()
}

#[test]
fn a_created_method_looks_as_on_the_page() {
    let place = Place::new();
    let customer = customer(&place);
    for target in [METHODS, "/payment-method/"] {
        let reply =
            place.trusted("stax", "POST", target, &altered(CARD, "/customer_id", Some(json!(customer))));
        assert_eq!(reply.status, 200, "never 201");
        let uuid = |name: &str| assert_eq!(reply.at(name).len(), 36, "{name}");
        ["/id", "/merchant_id", "/user_id", "/customer_id"].into_iter().for_each(uuid);
        let time = |name: &str| {
            let text = reply.at(name);
            assert!(text.len() == 19 && &text[10..11] == " " && &text[13..14] == ":", "{name}: {text}");
        };
        ["/created_at", "/updated_at"].into_iter().for_each(time);
        for (name, value) in [
            ("customer_id", json!(customer)),
            ("nickname", json!("VISA: Ada Byron (ending in: 1111)")),
            ("has_cvv", json!(true)),
            ("method", json!("card")),
            ("person_name", json!("Ada Byron")),
            ("card_type", json!("visa")),
            ("card_last_four", json!("1111")),
            ("card_exp", json!("042030")),
            ("card_exp_datetime", json!("2030-04-30 23:59:59")),
            ("bank_name", Value::Null),
            ("bank_type", Value::Null),
            ("bank_holder_type", Value::Null),
            ("address_1", Value::Null),
            ("address_2", Value::Null),
            ("address_city", Value::Null),
            ("address_state", Value::Null),
            ("address_zip", json!("32801")),
            ("address_country", json!("USA")),
            ("purged_at", Value::Null),
            ("deleted_at", Value::Null),
            ("bin_type", Value::Null),
            ("is_usable_in_vt", json!(true)),
            ("is_tokenized", json!(true)),
        ] {
            assert_eq!(reply.body[name], value, "{name}");
        }
        assert_eq!(reply.at("/meta/cardDisplay"), "411111");
        assert!(reply.body["meta"].get("fingerprint").is_none(), "a fingerprint would confirm guesses");
    }
}

#[test]
fn a_method_without_a_customer_is_linked_to_none() {
    let reply = create(&Place::new(), CARD);
    assert_eq!(
        (reply.status, &reply.body["customer_id"], &reply.body["is_default"]),
        (200, &Value::Null, &json!(1))
    );
}

#[test]
fn every_row_of_the_request_table_holds() {
    let place = Place::new();
    let customer = customer(&place);
    let long = "x".repeat(256);
    let fault = |field: &str, text: &str| json!({field: [text]});
    let vault = |text: &str| json!({"tokenization_error": [[text]]});
    let string = |field: &str| fault(field, &format!("The {} must be a string.", field.replace('_', " ")));
    let required = |field: &str| fault(field, &format!("The {} field is required.", field.replace('_', " ")));
    let number = fault("card_number", "Invalid Card Number");
    let no_id = fault("id", "The selected id is invalid.");
    let rows = [
        ("method", Some(json!("card")), 200, Value::Null),
        ("method", None, 400, required("method")),
        ("method", Some(json!(7)), 400, string("method")),
        ("method", Some(json!("bank")), 422, fault("method", "The selected method is invalid.")),
        ("person_name", Some(json!("Ada  King Byron ")), 200, Value::Null),
        ("person_name", None, 400, required("person_name")),
        ("person_name", Some(json!("")), 400, required("person_name")),
        ("person_name", Some(json!(["Ada"])), 400, string("person_name")),
        ("person_name", Some(json!("Ada")), 422, vault("Last name can't be blank")),
        ("person_name", Some(json!("Ада Байрон")), 422, vault("Name is invalid")),
        ("person_name", Some(json!("4111 1111 1111 1111")), 422, vault("Name is invalid")),
        ("person_name", Some(json!(format!("Ada {long}"))), 422, vault("Name is invalid")),
        ("card_number", Some(json!("4111 1111 1111 1111")), 200, Value::Null),
        ("card_number", None, 400, required("card_number")),
        ("card_number", Some(Value::Null), 400, required("card_number")),
        ("card_number", Some(json!(4111111111111111u64)), 400, string("card_number")),
        ("card_number", Some(json!("4111111111111112")), 422, number.clone()),
        ("card_number", Some(json!("411111111111")), 422, number.clone()),
        ("card_number", Some(json!("x")), 422, number.clone()),
        ("card_exp", Some(json!("04/30")), 200, Value::Null),
        ("card_exp", Some(json!("042030")), 200, Value::Null),
        ("card_exp", Some(json!("04/2030")), 200, Value::Null),
        ("card_exp", None, 400, required("card_exp")),
        ("card_exp", Some(json!(430)), 400, string("card_exp")),
        ("card_exp", Some(json!("1330")), 422, vault("Month is invalid")),
        ("card_exp", Some(json!("0030")), 422, vault("Month is invalid")),
        ("card_exp", Some(json!("04x0")), 422, vault("Year is invalid")),
        ("card_exp", Some(json!("430")), 422, vault("Year is invalid")),
        ("card_exp", Some(json!("041930")), 422, vault("Year is invalid")),
        ("card_exp", Some(json!("040030")), 422, vault("Year is invalid")),
        ("card_exp", Some(json!("0499")), 422, vault("Year is invalid")),
        ("card_exp", Some(json!("1026")), 422, vault("Year is expired")),
        ("card_exp", Some(json!("1126")), 200, Value::Null),
        ("card_cvv", None, 200, Value::Null),
        ("card_cvv", Some(Value::Null), 200, Value::Null),
        ("card_cvv", Some(json!(123)), 400, string("card_cvv")),
        ("card_cvv", Some(json!("12")), 422, vault("Verification value is invalid")),
        ("customer_id", Some(json!(customer)), 200, Value::Null),
        ("customer_id", Some(Value::Null), 200, Value::Null),
        ("customer_id", Some(json!("x")), 422, no_id.clone()),
        ("customer_id", Some(json!("3f6a8f0a-6b1e-4d57-9f0a-0d4b7f3c1a11")), 422, no_id),
        ("customer_id", Some(json!(7)), 400, string("customer_id")),
        ("card_type", Some(json!("visa")), 200, Value::Null),
        ("card_type", Some(json!("dinersclub")), 200, Value::Null),
        ("card_type", Some(Value::Null), 200, Value::Null),
        (
            "card_type",
            Some(json!("dinersclub1")),
            400,
            fault("card_type", "The card type may not be greater than 10 characters."),
        ),
        ("is_default", Some(json!(true)), 200, Value::Null),
        ("is_default", Some(json!(0)), 200, Value::Null),
        ("is_default", Some(Value::Null), 200, Value::Null),
        (
            "is_default",
            Some(json!("yes")),
            400,
            fault("is_default", "The is default field must be true or false."),
        ),
        ("address_1", Some(json!("x".repeat(255))), 200, Value::Null),
        (
            "address_1",
            Some(json!(long)),
            400,
            fault("address_1", "The address 1 may not be greater than 255 characters."),
        ),
        ("address_1", Some(json!(VISA)), 400, fault("address_1", "The address 1 format is invalid.")),
        ("address_1", Some(Value::Null), 200, Value::Null),
        ("address_2", Some(json!(7)), 400, string("address_2")),
        ("address_city", Some(json!("Orlando")), 200, Value::Null),
        ("address_state", Some(json!("FL")), 200, Value::Null),
        (
            "address_state",
            Some(json!("Fla")),
            400,
            fault("address_state", "The address state must be 2 characters."),
        ),
        ("address_zip", Some(json!("32801-0001")), 200, Value::Null),
        (
            "address_country",
            Some(json!("US")),
            400,
            fault("address_country", "The address country must be 3 characters."),
        ),
        ("firstname", Some(json!(7)), 400, string("firstname")),
        ("email", Some(json!("ada@example.org")), 200, Value::Null),
        ("phone", Some(Value::Null), 200, Value::Null),
        ("note", Some(json!("x")), 200, Value::Null),
        ("meta", Some(json!({"order": "7"})), 200, Value::Null),
        ("meta", Some(json!("x")), 400, fault("meta", "The meta must be an object.")),
        ("meta", Some(json!({"a": VISA})), 400, fault("meta", "The meta format is invalid.")),
        ("match_customer", Some(json!(false)), 200, Value::Null),
        ("tokenize", Some(json!(true)), 200, Value::Null),
        ("anything_else", Some(json!([1, {"a": 2}])), 200, Value::Null),
    ];
    for (field, value, status, body) in rows {
        let reply = create(&place, &altered(CARD, &format!("/{field}"), value.clone()));
        assert_eq!(reply.status, status, "{field}: {value:?}: {}", reply.text);
        if status != 200 {
            assert_eq!(reply.body, body, "{field}: {value:?}");
        }
    }
    let names = altered(&altered(CARD, "/person_name", None), "/firstname", Some(json!("Ada")));
    let names = create(&place, &altered(&names, "/lastname", Some(json!("King"))));
    assert_eq!((names.status, names.at("/person_name")), (200, "Ada King"));
}

#[test]
fn all_that_is_missing_is_told_at_once_and_all_that_is_wrong_too() {
    let place = Place::new();
    let reply = create(&place, "{}");
    let fields: Vec<&str> = reply.body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((reply.status, fields), (400, vec!["card_exp", "card_number", "method", "person_name"]));
    let body = altered(&altered(CARD, "/card_number", Some(json!("1"))), "/card_exp", Some(json!("0120")));
    let expected =
        json!({"card_number": ["Invalid Card Number"], "tokenization_error": [["Year is expired"]]});
    let reply = create(&place, &body);
    assert_eq!((reply.status, reply.body), (422, expected));
}

#[test]
fn card_types_are_stax_names_or_null() {
    let place = Place::new();
    for (number, expected, nickname) in [
        (VISA, json!("visa"), "VISA"),
        ("4012888888881881", json!("visa"), "VISA"),
        (MASTERCARD, json!("mastercard"), "MASTERCARD"),
        ("5105105105105100", json!("mastercard"), "MASTERCARD"),
        ("2223003122003222", json!("mastercard"), "MASTERCARD"),
        (AMEX, json!("amex"), "AMEX"),
        ("371449635398431", json!("amex"), "AMEX"),
        ("6011000990139424", json!("discover"), "DISCOVER"),
        ("3530111333300000", json!("jcb"), "JCB"),
        ("36227206271667", json!("dinersclub"), "DINERSCLUB"),
        ("6222988812340000", Value::Null, "UNIONPAY"),
        ("9999999999999995", Value::Null, "UNKNOWN"),
    ] {
        let body = altered(&altered(CARD, "/card_number", Some(json!(number))), "/card_cvv", None);
        let reply = create(&place, &body);
        assert_eq!((reply.status, &reply.body["card_type"]), (200, &expected), "{number}");
        assert!(
            reply.at("/nickname").starts_with(&format!("{nickname}: Ada Byron (ending in: ")),
            "{}",
            reply.text
        );
        assert_eq!(reply.body["has_cvv"], json!(false));
    }
}

#[test]
fn every_row_of_the_error_table_has_its_body() {
    let place = Place::new();
    let good = place.bearer("stax", "", "");
    let foreign = place.bearer("sumup", "", "");
    let expired = place.vault.grant(&Grant { dialect: "stax", expires_at: NOW, ..Grant::default() }).unwrap();
    let expired = format!("Authorization: Bearer {}\r\n", std::str::from_utf8(expired.as_bytes()).unwrap());
    for (row, headers, body) in [
        ("no header", "", r#"{"error":"token_not_provided"}"#),
        ("an unknown token", "Authorization: Bearer x\r\n", r#"{"error":"invalid_token"}"#),
        ("another API's token", &foreign, r#"{"error":"invalid_token"}"#),
        ("an expired token", &expired, r#"{"error":"token_expired"}"#),
    ] {
        let reply = place.send(Ask::trusted("stax", "POST", METHODS, CARD).with_headers(headers));
        assert_eq!((reply.status, reply.text.as_str()), (401, body), "{row}");
    }
    assert_eq!(place.send(Ask::trusted("stax", "POST", METHODS, CARD).with_headers(&good)).status, 200);
    let unknown = "/payment-method/7c0d7b5e-1f0e-4a51-8f5b-2f0f8d9a6e01";
    let stranger = "/customer/7c0d7b5e-1f0e-4a51-8f5b-2f0f8d9a6e01";
    let no_id = r#"{"id":["The selected id is invalid."]}"#;
    let nobody = r#"{"id":"customer not found"}"#;
    for (method, target, body, status, expected) in [
        ("GET", unknown, "", 422, no_id),
        ("PUT", unknown, "{}", 422, no_id),
        ("DELETE", unknown, "", 422, no_id),
        ("GET", "/payment-method/4111111111111111", "", 422, no_id),
        ("GET", "/customer/x/payment-method", "", 422, no_id),
        ("GET", stranger, "", 404, nobody),
        ("PUT", stranger, "{}", 404, nobody),
        ("DELETE", stranger, "", 422, nobody),
        ("POST", METHODS, "{", 400, r#"{"error":["The request body must be a JSON object."]}"#),
        ("GET", "/elsewhere", "", 404, r#"{"error":["not_found"]}"#),
        ("PATCH", METHODS, "", 405, r#"{"error":["method_not_allowed"]}"#),
        ("GET", "/payment-method?perPage=201", "", 422, r#"{"page":["The page is invalid."]}"#),
        ("GET", "/payment-method?status=x", "", 422, r#"{"status":["The selected status is invalid."]}"#),
    ] {
        let reply = place.trusted("stax", method, target, body);
        assert_eq!((reply.status, reply.text.as_str()), (status, expected), "{method} {target}");
    }
    let reply = place.trusted("stax", "POST", "/customer", "{}");
    let sentence = "The firstname field is required when none of lastname / email / company are present.";
    assert_eq!((reply.status, &reply.body["firstname"]), (422, &json!([sentence])));
    assert_eq!(reply.body.as_object().unwrap().len(), 4);
}

#[test]
fn a_method_is_found_changed_deleted_and_reactivated() {
    let place = Place::new();
    let customer = customer(&place);
    let made = create(&place, &altered(CARD, "/customer_id", Some(json!(customer))));
    let target = format!("/payment-method/{}", made.at("/id"));
    let found = place.trusted("stax", "GET", &target, "");
    assert_eq!(
        (found.status, found.at("/customer/id"), found.at("/person_name")),
        (200, &*customer, "Ada Byron")
    );
    for name in ["nickname", "card_exp", "address_zip", "is_default", "created_at", "merchant_id", "meta"] {
        assert_eq!(found.body[name], made.body[name], "{name}");
    }
    let change = r#"{"card_exp":"052031","person_name":"Ada King","address_city":"Leeds","address_zip":null,
        "is_default":0,"meta":{"order":"8"}}"#;
    let changed = place.trusted("stax", "PUT", &target, change);
    assert_eq!(
        (changed.status, changed.at("/card_exp"), changed.at("/address_city")),
        (200, "052031", "Leeds")
    );
    assert_eq!(
        (changed.at("/nickname"), &changed.body["address_zip"]),
        ("VISA: Ada King (ending in: 1111)", &Value::Null)
    );
    assert_eq!((&changed.body["is_default"], changed.at("/meta/order")), (&json!(0), "8"));
    assert_eq!(changed.at("/address_country"), "USA", "what is not given stays");
    for (body, status) in [
        (r#"{"card_exp":"0120"}"#, 422),
        (r#"{"card_exp":7}"#, 400),
        (r#"{"person_name":"Ada"}"#, 422),
        (r#"{"card_number":"4012888888881881"}"#, 400),
        (r#"{"deleted_at":"2026-01-01"}"#, 400),
        (r#"{"meta":{"a":"4111111111111111"}}"#, 400),
    ] {
        assert_eq!(place.trusted("stax", "PUT", &target, body).status, status, "{body}");
    }
    let of_customer = format!("/customer/{customer}/payment-method");
    let bare = place.trusted("stax", "GET", &of_customer, "");
    assert_eq!(bare.body.as_array().map(Vec::len), Some(1), "a bare array");
    let gone = place.trusted("stax", "DELETE", &target, "");
    assert_eq!((gone.status, gone.at("/deleted_at").len()), (200, 19));
    let again = place.trusted("stax", "DELETE", &target, "");
    assert_eq!((again.status, again.at("/deleted_at")), (200, gone.at("/deleted_at")));
    assert_eq!(place.trusted("stax", "GET", &of_customer, "").text, "[]");
    assert_eq!(place.trusted("stax", "GET", METHODS, "").body["total"], json!(0));
    assert_eq!(place.trusted("stax", "GET", "/payment-method?status=deleted", "").body["total"], json!(1));
    assert_eq!(place.trusted("stax", "GET", &target, "").status, 200, "still readable");
    let back = place.trusted("stax", "PUT", &target, r#"{"deleted_at":null}"#);
    assert_eq!((back.status, &back.body["deleted_at"]), (200, &Value::Null));
    assert_eq!(place.trusted("stax", "GET", &of_customer, "").body.as_array().map(Vec::len), Some(1));
}

#[test]
fn lists_are_laravels_pages() {
    let place = Place::new();
    let empty = place.trusted("stax", "GET", METHODS, "");
    assert_eq!(
        (&empty.body["from"], &empty.body["to"], &empty.body["data"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    let ids: Vec<String> = (0..5).map(|_| create(&place, CARD).at("/id").to_owned()).collect();
    let mut seen = Vec::new();
    for page in 1..=3 {
        let reply = place.trusted("stax", "GET", &format!("/payment-method?perPage=2&page={page}"), "");
        let url = |page: u64| json!(format!("/payment-method?page={page}"));
        for (name, value) in [
            ("current_page", json!(page)),
            ("first_page_url", url(1)),
            ("from", json!(page * 2 - 1)),
            ("last_page", json!(3)),
            ("last_page_url", url(3)),
            ("next_page_url", if page < 3 { url(page + 1) } else { Value::Null }),
            ("path", json!("/payment-method")),
            ("per_page", json!("2")),
            ("prev_page_url", if page > 1 { url(page - 1) } else { Value::Null }),
            ("to", json!(5.min(page * 2))),
            ("total", json!(5)),
        ] {
            assert_eq!(reply.body[name], value, "{name} of page {page}");
        }
        let data = reply.body["data"].as_array().unwrap();
        seen.extend(data.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
    }
    seen.sort();
    let mut ids = ids;
    ids.sort();
    assert_eq!(seen, ids, "each once");
}

#[test]
fn customers_are_made_found_changed_and_marked_as_deleted() {
    let place = Place::new();
    let body = json!({"firstname": "Ada", "lastname": "Byron", "company": "Engines \"&\" Co",
        "email": "ada@example.org", "phone": "1134960000", "address_1": "1 Mill Lane", "address_state": "FL",
        "address_country": "USA", "notes": "a\nb"});
    let made = place.trusted("stax", "POST", "/customer", &body.to_string());
    assert_eq!(made.status, 200, "{}", made.text);
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(&made.body[name], value, "{name}");
    }
    for name in ["cc_emails", "cc_sms", "reference", "options", "address_2", "deleted_at"] {
        assert_eq!(made.body.get(name), Some(&Value::Null), "{name}");
    }
    let target = format!("/customer/{}", made.at("/id"));
    assert_eq!(place.trusted("stax", "GET", &target, "").body, made.body);
    let changed = place.trusted("stax", "PUT", &target, r#"{"company":null,"phone":"7"}"#);
    assert_eq!((changed.status, &changed.body["company"], changed.at("/phone")), (200, &Value::Null, "7"));
    assert_eq!(changed.at("/firstname"), "Ada");
    assert_eq!(place.trusted("stax", "GET", "/customer", "").body["data"], json!([changed.body]));
    let bad = place.trusted("stax", "PUT", &target, r#"{"address_1":"4111111111111111"}"#);
    assert_eq!(bad.status, 422);
    let gone = place.trusted("stax", "DELETE", &target, "");
    assert_eq!((gone.status, gone.at("/deleted_at").len()), (200, 19));
    assert_eq!(place.trusted("stax", "GET", "/customer", "").body["total"], json!(0));
    let linked = altered(CARD, "/customer_id", Some(made.body["id"].clone()));
    assert_eq!(create(&place, &linked).status, 422, "a deleted one gets no card");
}
