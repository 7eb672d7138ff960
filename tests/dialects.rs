//! What holds for every dialect: one card in four renderings, whatever comes in, and no card number in what goes out.

mod dialect;

use dialect::{Ask, NOW, Place, VISA, altered, card_number_in};
use panseal::dialect::{BASE_MAX, BODY_MAX, REPLY_MAX, Request, Response, Trusted, dialects, handle};
use panseal::error::Code;
use panseal::keys::Root;
use panseal::vault::{OpenOptions, Operation, Vault};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

/// For each dialect the operation of its page, with a body that is good; `TOKEN` is one of WebPay's.
const OPERATIONS: [(&str, &str, &str); 4] = [
    (
        "sumup",
        "/v0.1/customers/c-1/payment-instruments",
        r#"{"type":"card","card":{"name":"Ada Byron","number":"4111111111111111","expiry_year":"30",
            "expiry_month":"04","cvv":"123","zip_code":"94107"}}"#,
    ),
    (
        "stax",
        "/payment-method",
        r#"{"method":"card","person_name":"Ada Byron","card_number":"4111111111111111","card_exp":"0430",
            "card_cvv":"123","customer_id":null,"is_default":true,"address_1":"1 Mill Lane","meta":{"a":"b"}}"#,
    ),
    (
        "pace",
        "/pay/2020-4/payment-methods/creditcard",
        r#"{"data":{"id":"0b6a0f4e-6a52-4f0e-8a5e-2f8b3c6d7e01","type":"paymentMethod",
            "attributes":{"kind":"creditcard","cardToken":"TOKEN"}}}"#,
    ),
    (
        "webpay",
        "/v2/tokens",
        r#"{"type":"card","card":{"pan":"4111111111111111","expiration_date":"3004"},"metadata":{"a":"b"}}"#,
    ),
];

fn place() -> (Place, String) {
    let place = Place::new();
    place.trusted("sumup", "POST", "/v0.1/customers", r#"{"customer_id":"c-1"}"#);
    let token = place.webpay_token(VISA, "3004");
    (place, token)
}

/// Whether a refusal has the shape of its provider.
fn has_shape(dialect: &str, reply: &dialect::Reply) -> bool {
    let body = &reply.body;
    match dialect {
        "sumup" => {
            let one =
                |error: &Value| error["error_code"] == "INVALID" && error["message"] == "Validation error";
            body.as_array().map_or_else(|| one(body), |all| all.len() > 1 && all.iter().all(one))
        }
        "stax" => body.as_object().is_some_and(|fields| fields.values().all(Value::is_array)),
        "pace" => body["errors"].as_array().is_some_and(|errors| {
            errors.iter().all(|error| {
                error["status"].as_str().is_some_and(|status| status.parse() == Ok(reply.status))
                    && error["title"].is_string()
            })
        }),
        _ => body["status"] == "invalid-request" && body["message"].is_string(),
    }
}

#[test]
fn one_card_has_the_four_renderings() {
    let (place, _) = place();
    let send = |place_of: usize| {
        let (dialect, target, body) = OPERATIONS[place_of];
        place.trusted(dialect, "POST", target, body)
    };
    let (sumup, stax, webpay) = (send(0), send(1), send(3));
    assert_eq!((sumup.at("/card/last_4_digits"), sumup.at("/card/type")), ("1111", "VISA"));
    assert_eq!((stax.at("/card_exp"), stax.at("/card_exp_datetime")), ("042030", "2030-04-30 23:59:59"));
    assert_eq!(
        (stax.at("/nickname"), stax.at("/card_last_four")),
        ("VISA: Ada Byron (ending in: 1111)", "1111")
    );
    assert_eq!(
        (webpay.at("/card/expiration_date"), webpay.at("/card/keep_until")),
        ("3004", "2030-05-01T00:00:00Z")
    );
    assert_eq!(webpay.at("/card/masked_pan"), "411111****1111");
    let pace = place.trusted(
        "pace",
        "POST",
        OPERATIONS[2].1,
        &OPERATIONS[2].2.replace("TOKEN", webpay.at("/token")),
    );
    assert_eq!(
        (pace.status, pace.at("/data/attributes/identificationString")),
        (201, "Visa **** **** **** 1111")
    );
    assert_eq!(place.stored().0, 1, "one card");
}

#[test]
fn a_body_that_cannot_be_read_is_refused_in_the_providers_words() {
    let (place, token) = place();
    for (dialect, target, good) in OPERATIONS {
        let good = good.replace("TOKEN", &token);
        let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
        let deeper = format!("{{\"a\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
        let nested = good.replacen(':', &format!(":{}", "{\"a\":".repeat(5000)), 1);
        let big = format!("{}{}", good, " ".repeat(10_000_000));
        let just = format!("{}{}", good, " ".repeat(BODY_MAX + 1 - good.len()));
        let first = good.split('"').nth(1).unwrap();
        let twice = good.replacen('{', &format!("{{\"{first}\":1,"), 1);
        let escaped_twice = good.replacen(
            '{',
            &format!("{{\"\\u{:04x}{}\":1,", u32::from(first.as_bytes()[0]), &first[1..]),
            1,
        );
        let cut = &good[..good.len() - 1];
        for (row, body) in [
            ("empty", b"".as_slice()),
            ("cut off", cut.as_bytes()),
            ("two documents", format!("{good}{good}").as_bytes()),
            ("a comma too many", format!("{},}}", cut).as_bytes()),
            ("not UTF-8", &[good.as_bytes(), b"\xff"].concat()),
            ("a byte order mark", &[b"\xef\xbb\xbf", good.as_bytes()].concat()),
            ("an array", b"[]"),
            ("a text", b"\"4111111111111111\""),
            ("a number", b"4111111111111111"),
            ("null", b"null"),
            ("deep", deep.as_bytes()),
            ("deeper", deeper.as_bytes()),
            ("nested", nested.as_bytes()),
            ("a member twice", twice.as_bytes()),
            ("a member twice, once with an escape", escaped_twice.as_bytes()),
            ("10 MB", big.as_bytes()),
            ("a byte too long", just.as_bytes()),
            ("a form", b"card=4111111111111111"),
        ] {
            let reply = place.send(Ask { body, ..Ask::trusted(dialect, "POST", target, "") });
            assert!(matches!(reply.status, 400 | 422), "{dialect}, {row}: {} {}", reply.status, reply.text);
            assert!(has_shape(dialect, &reply), "{dialect}, {row}: {}", reply.text);
        }
    }
}

#[test]
fn any_type_in_any_field_is_answered_in_the_providers_words() {
    let (place, token) = place();
    for (dialect, target, good) in OPERATIONS {
        let good = good.replace("TOKEN", &token);
        let whole: Value = serde_json::from_str(&good).unwrap();
        let mut paths = Vec::new();
        every_path("", &whole, &mut paths);
        assert!(paths.len() > 4);
        for path in paths {
            for value in [
                json!(null),
                json!(true),
                json!(7),
                json!(-1.5e300),
                json!(4111111111111111u64),
                json!(""),
                json!("4111111111111111"),
                json!("\u{0}\n"),
                json!("x".repeat(2000)),
                json!([]),
                json!(["4111111111111111"]),
                json!({}),
                json!({"4111111111111111": "4111111111111111"}),
            ] {
                let body = altered(&good, &path, Some(value.clone()));
                let reply = place.trusted(dialect, "POST", target, &body);
                let fine = match reply.status {
                    200 | 201 | 303 => true,
                    409 => reply.text.contains("MAX_INSTRUMENT_COUNT") || dialect == "pace",
                    400 | 422 => has_shape(dialect, &reply),
                    _ => false,
                };
                assert!(fine, "{dialect} {path}: {value}: {} {}", reply.status, reply.text);
            }
        }
    }
}

fn every_path(at: &str, value: &Value, paths: &mut Vec<String>) {
    for (name, member) in value.as_object().into_iter().flatten() {
        let path = format!("{at}/{name}");
        every_path(&path, member, paths);
        paths.push(path);
    }
}

#[test]
fn escapes_inside_a_card_number_are_read() {
    let (place, _) = place();
    let all: String = VISA.chars().map(|digit| format!("\\u{:04x}", u32::from(digit))).collect();
    for (dialect, target, good) in OPERATIONS.into_iter().filter(|(dialect, _, _)| *dialect != "pace") {
        for escaped in [VISA.replace("41", "\\u00341"), all.clone()] {
            let reply = place.trusted(dialect, "POST", target, &good.replace(VISA, &escaped));
            assert!(matches!(reply.status, 200 | 201), "{dialect}: {}", reply.text);
        }
        let half = place.trusted(dialect, "POST", target, &good.replace(VISA, "\\ud83d"));
        assert!(matches!(half.status, 400 | 422) && has_shape(dialect, &half), "{dialect}: {}", half.text);
    }
    assert_eq!(place.stored().0, 1, "all of them are one card");
}

#[test]
fn odd_heads_are_answered() {
    let (place, token) = place();
    for (dialect, target, good) in OPERATIONS {
        let good = good.replace("TOKEN", &token);
        for headers in [
            "",
            "\r\n",
            ":\r\n",
            "Authorization\r\n",
            "Authorization:\r\n",
            "Authorization: Bearer\r\n",
            "Authorization: \u{0}\r\n",
            "Authorization: Bearer 4111111111111111\r\n",
            "Authorization: WP3-v2.1\r\n",
            "Authorization: WP3-v2.1 a b c d\r\n",
            " Authorization: Bearer x\r\n folded\r\n",
            "Authorization: Bearer é\r\n",
        ] {
            let reply = place.send(Ask::trusted(dialect, "POST", target, &good).with_headers(headers));
            assert_eq!(reply.status, 401, "{dialect}: {headers:?}");
        }
        for target in
            ["", "*", "/", "//", "/%", "/%34111111111111111", "http://x/v2/tokens", "/v0.1/customers/%00"]
        {
            let reply = place.trusted(dialect, "POST", target, &good);
            assert!(matches!(reply.status, 404 | 405), "{dialect}: {target:?}: {}", reply.text);
        }
    }
}

/// The most that a caller can have told back: as much in each field as it takes, written as long as JSON allows.
#[test]
fn no_reply_to_a_change_is_longer_than_the_room_that_a_caller_has_for_it() {
    let (place, token) = place();
    let base = format!("https://{}", "b".repeat(BASE_MAX - 8));
    let filled = |names: &[&str], len: usize| {
        let text = "\\u0041".repeat(len);
        let fields: Vec<String> = names.iter().map(|name| format!("\"{name}\":\"{text}\"")).collect();
        fields.join(",")
    };
    let longest = |dialect: &str, target: &str, bodies: &mut dyn FnMut(usize) -> String| {
        let length = |len| {
            let body = bodies(len);
            let request = Request {
                method: "POST",
                target,
                headers: b"Content-Type: application/vnd.api+json\r\n",
                body: body.as_bytes(),
                now: NOW,
                trusted: Some(Trusted { subject: "user-1" }),
                base: &base,
                settings: "",
            };
            let reply = handle(&place.vault, dialect, &request).unwrap();
            let lines: usize = reply.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
            assert!(lines + reply.body.len() <= REPLY_MAX, "{dialect}, {len}: {}", reply.body);
            if matches!(reply.status, 200 | 201) { lines + reply.body.len() } else { 0 }
        };
        (1..=255).map(length).max().unwrap()
    };
    let person = ["first_name", "last_name", "email", "phone", "tax_id"];
    let sumup = longest("sumup", "/v0.1/customers", &mut |len| {
        format!(r#"{{"customer_id":"c-1-{len}","personal_details":{{{}}}}}"#, filled(&person, len))
    });
    let places = ["address_1", "address_2", "address_city", "reference", "company"];
    let stax = longest("stax", "/customer", &mut |len| format!("{{{}}}", filled(&places, len)));
    let webpay = longest("webpay", "/v2/customers", &mut |len| {
        format!(r#"{{"merchant_customer_id":"mc-{len}",{}}}"#, filled(&["description", "email"], len))
    });
    let pace = longest("pace", "/pay/2020-4/payment-methods/creditcard", &mut |_| {
        OPERATIONS[2].2.replace("TOKEN", &token)
    });
    assert!(
        sumup > 3000 && stax > 3000 && webpay > 2000 && pace > BASE_MAX,
        "{sumup} {stax} {webpay} {pace}"
    );
}

#[test]
fn a_planted_card_number_is_found_in_a_reply() {
    let reply = |headers: Vec<(&'static str, String)>, body: &str| Response {
        status: 200,
        headers,
        body: body.to_owned(),
        failure: None,
    };
    assert_eq!(card_number_in(&reply(vec![], r#"{"pan":"4111111111111111"}"#)), Some("body"));
    assert_eq!(card_number_in(&reply(vec![("Location", format!("/x/{VISA}"))], "{}")), Some("headers"));
    assert_eq!(card_number_in(&reply(vec![], r#"{"pan":"411111****1111"}"#)), None);
}

#[test]
fn neither_number_nor_code_is_kept_beside_the_card() {
    let (place, _) = place();
    for (dialect, target, good) in OPERATIONS.into_iter().filter(|(dialect, _, _)| *dialect != "pace") {
        let reply = place.trusted(dialect, "POST", target, &good.replace("\"123\"", "\"907\""));
        let token = reply.body.get("token").or(reply.body.get("id")).unwrap().as_str().unwrap();
        let (_, details) = place.vault.details(token.as_bytes()).unwrap();
        for kept in [details.name().as_bytes(), details.metadata().as_bytes(), details.extra()] {
            let kept = String::from_utf8_lossy(kept);
            assert!(!kept.contains("907") && !kept.contains("1111"), "{dialect}: {kept}");
        }
    }
}

#[test]
fn what_the_host_got_wrong_is_an_error_and_not_a_reply() {
    let (place, _) = place();
    let request = |settings| Request { settings, trusted: Some(Trusted::default()), ..Request::default() };
    let code =
        |dialect, settings| handle(&place.vault, dialect, &request(settings)).map_err(|error| error.code());
    assert_eq!(code("paypal", "").err(), Some(Code::Argument));
    for settings in
        ["x", "x=1", "max_instruments=", "max_instruments=many", "max_instruments=-1", "wp3_v2=on"]
    {
        assert_eq!(code("sumup", settings).err(), Some(Code::Argument), "{settings}");
    }
    assert!(code("sumup", " max_instruments=8  merchant_code=M ").is_ok());
    for base in ["https://pay.example.org\r\nX: y", "https://pay example.org", "\u{e9}"] {
        let with_base = Request { base, ..request("") };
        let refused = handle(&place.vault, "pace", &with_base).map_err(|error| error.code());
        assert_eq!(refused.err(), Some(Code::Argument), "{base}");
    }
    let names: Vec<&str> = dialects().map(|(name, _)| name).collect();
    assert_eq!(names, ["sumup", "stax", "pace", "webpay"]);
}

#[test]
fn a_failure_of_the_vault_is_the_providers_500_and_the_host_learns_why() {
    let folder = tempfile::tempdir().unwrap();
    let root = format!("file:{}", folder.path().join("root").display());
    let file = folder.path().join("cards.db");
    Root::create(&root).unwrap();
    let url = format!("sqlite:{}", file.display());
    let vault =
        Vault::open(&OpenOptions { create: true, ..OpenOptions::new(&url, Root::parse(&root).unwrap()) })
            .unwrap();
    std::fs::remove_file(file).unwrap();
    let expected = [
        r#"{"error_code":"INTERNAL_ERROR","message":"Internal server error"}"#,
        r#"{"error":["internal_error"]}"#,
        r#""status":"500","title":"internal Server Error"}]}"#,
        r#"{"status":"error","message":"Internal server error"}"#,
    ];
    for ((dialect, target, body), expected) in OPERATIONS.into_iter().zip(expected) {
        let request = Request {
            method: "POST",
            target,
            headers: b"Content-Type: application/vnd.api+json\r\n",
            body: body.as_bytes(),
            now: NOW,
            trusted: Some(Trusted { subject: "user-1" }),
            ..Request::default()
        };
        let response = handle(&vault, dialect, &request).unwrap();
        assert_eq!(response.status, 500, "{dialect}: {}", response.body);
        assert!(response.body.ends_with(expected), "{dialect}: {}", response.body);
        assert_eq!(response.failure.map(|error| error.code()), Some(Code::NotAVault), "{dialect}");
    }
}

#[test]
fn a_guard_of_the_hosts_slows_a_caller_down() {
    let (place, token) = place();
    place.vault.set_guard(Some(Arc::new(|operation: &Operation<'_>| operation.kind == "status")));
    for (dialect, target, good) in OPERATIONS {
        let reply = place.trusted(dialect, "POST", target, &good.replace("TOKEN", &token));
        assert_eq!((reply.status, reply.header("Retry-After")), (429, Some("60")), "{dialect}");
    }
}

#[test]
fn each_merchants_callers_see_their_own_alone() {
    let (place, _) = place();
    let other = place.vault.merchant("m-2").unwrap();
    let grant = panseal::vault::Grant { dialect: "stax", ..Default::default() };
    let key = other.grant(&grant).unwrap();
    let theirs = format!("Authorization: Bearer {}\r\n", std::str::from_utf8(key.as_bytes()).unwrap());
    let made =
        place.send(Ask::trusted("stax", "POST", "/payment-method", OPERATIONS[1].2).with_headers(&theirs));
    assert_eq!(made.status, 200);
    let target = format!("/payment-method/{}", made.at("/id"));
    assert_eq!(place.send(Ask::trusted("stax", "GET", &target, "").with_headers(&theirs)).status, 200);
    assert_eq!(place.trusted("stax", "GET", &target, "").status, 422, "another merchant's");
    let line = other.audit(&Default::default()).unwrap().into_iter().find(|line| line.action() == "tokenize");
    assert_eq!(line.unwrap().actor(), key.id(), "the audit trail names the key");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(
        which in 0usize..4,
        method in "(GET|POST|PUT|DELETE|PATCH|.{0,4})",
        cut: usize,
        byte: u8,
        place_of: usize,
        headers: Vec<u8>,
    ) {
        let (place, token) = place();
        let (dialect, target, good) = OPERATIONS[which];
        let mut body = good.replace("TOKEN", &token).into_bytes();
        let at = place_of % body.len();
        body[at] = byte;
        body.truncate(1 + cut % body.len());
        let requests = [(target, Some(Trusted { subject: "u" })), (&target[..1 + cut % (target.len() - 1)], None)];
        for (target, trusted) in requests {
            let (method, headers, body) = (method.as_str(), headers.as_slice(), body.as_slice());
            let request = Request { method, target, headers, body, now: NOW, trusted, ..Request::default() };
            let response = handle(&place.vault, dialect, &request).unwrap();
            prop_assert!((200..500).contains(&response.status), "{} {}", response.status, response.body);
            prop_assert!(card_number_in(&response).is_none());
        }
    }
}
