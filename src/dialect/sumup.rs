//! SumUp: customers and their payment instruments, `/v0.1`.

use super::access::{Caller, Denied, bearer};
use super::field::{Field, Judged, is_keepable};
use super::json::{self, Object, Value, Writer};
use super::{Call, Provider, Response, date, notes};
use crate::card::{CardInput, Network, Rules, Separators, check_cvv};
use crate::error::{Code, Param, Result};
use crate::scheme::Scheme;
use crate::vault::{Details, ID_MAX, Instrument, ListQuery, NAME_MAX, TokenizeOptions, Vault};

pub(super) const PROVIDER: Provider = Provider {
    name: "sumup",
    settings: &[("max_instruments", |value| value.parse::<u32>().is_ok()), ("merchant_code", |_| true)],
    answer,
    failed,
};

const SCOPE: &str = "payment_instruments";
/// How many active instruments a customer may have.
const MAX_INSTRUMENTS: u32 = 4;
/// The most instruments of a list.
const LIST_MAX: usize = 1000;

/// What `card.type` may be.
const CARD_TYPES: [&str; 14] = [
    "AMEX",
    "CUP",
    "DINERS",
    "DISCOVER",
    "ELO",
    "ELV",
    "HIPERCARD",
    "JCB",
    "MAESTRO",
    "MASTERCARD",
    "VISA",
    "VISA_ELECTRON",
    "VISA_VPAY",
    "UNKNOWN",
];

const PERSON: [&str; 6] = ["first_name", "last_name", "email", "phone", "tax_id", "birth_date"];
const ADDRESS: [&str; 6] = ["city", "country", "line_1", "line_2", "postal_code", "state"];
/// The longest text of a customer, in characters.
const TEXT_MAX: usize = 255;

fn answer(call: &Call<'_>) -> Result<Response> {
    let caller = match bearer(call)? {
        Ok(caller) => caller,
        Err(denied) => return Ok(unauthorized(denied)),
    };
    if !caller.allows(SCOPE) {
        return Ok(Response::json(
            403,
            json::object(|error| {
                error.text("error_message", "request_not_allowed");
                error.text("error_code", "FORBIDDEN");
                error.text("status_code", "403");
            }),
        ));
    }
    let segments = call.target.segments().unwrap_or_default();
    let path: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
    let method = call.request.method;
    match (&path[..], method) {
        (["v0.1", "customers"], "POST") => create_customer(call, &caller),
        (["v0.1", "customers", id], "GET") => get_customer(&caller, id),
        (["v0.1", "customers", id], "PUT") => update_customer(call, &caller, id),
        (["v0.1", "customers", id, "payment-instruments"], "POST") => create_instrument(call, &caller, id),
        (["v0.1", "customers", id, "payment-instruments"], "GET") => list_instruments(&caller, id),
        (["v0.1", "customers", id, "payment-instruments", token], "DELETE") => deactivate(&caller, id, token),
        (["v0.1", "customers"], _) => Ok(not_allowed("POST")),
        (["v0.1", "customers", _], _) => Ok(not_allowed("GET, PUT")),
        (["v0.1", "customers", _, "payment-instruments"], _) => Ok(not_allowed("GET, POST")),
        (["v0.1", "customers", _, "payment-instruments", _], _) => Ok(not_allowed("DELETE")),
        _ => Ok(not_found()),
    }
}

fn create_instrument(call: &Call<'_>, caller: &Caller, customer: &str) -> Result<Response> {
    let Some(body) = call.json().and_then(Value::object) else { return Ok(invalid(&[])) };
    let mut faults = Vec::new();
    if Field::of(&body, "type").as_str() != "card" {
        faults.push("type");
    }
    let Some(card) = body.get("card").and_then(Value::object) else {
        faults.push("card");
        return Ok(invalid(&faults));
    };
    let fields = CardFields::of(&card);
    let judged = fields.judge(call.now, &mut faults);
    let (true, Ok(card)) = (faults.is_empty(), &judged.0) else { return Ok(invalid(&faults)) };
    if !is_id(customer) {
        return Ok(not_found());
    }
    let limit = call.setting("max_instruments").map_or(Ok(MAX_INSTRUMENTS), str::parse);
    let extra = mandate(call.setting("merchant_code"));
    let options = TokenizeOptions {
        scheme: Some(Scheme::RandomUuid),
        customer,
        customer_limit: Some(limit.map_err(|_| Code::Argument)?),
        extra: extra.as_bytes(),
        ..TokenizeOptions::default()
    };
    match caller.vault.tokenize(card, &options) {
        Ok(made) => Ok(Response::json(201, json::object(|out| write_instrument(out, &made, &extra)))),
        Err(error) if error.code() == Code::Limit => {
            Ok(error_body(409, "MAX_INSTRUMENT_COUNT", "Max number of payment instruments on file reached"))
        }
        // Looked for only now: the limit is counted under the customer's lock, which says the same.
        Err(error) if error.code() == Code::Argument && caller.vault.customer(customer)?.is_none() => {
            Ok(not_found())
        }
        Err(error) => Err(error),
    }
}

/// The fields of `card`.
struct CardFields<'a> {
    name: Field<'a>,
    number: Field<'a>,
    year: Field<'a>,
    month: Field<'a>,
    cvv: Field<'a>,
    zip: Field<'a>,
}

impl<'a> CardFields<'a> {
    fn of(card: &Object<'a>) -> CardFields<'a> {
        CardFields {
            name: Field::of(card, "name"),
            number: Field::of(card, "number"),
            year: Field::of(card, "expiry_year"),
            month: Field::of(card, "expiry_month"),
            cvv: Field::of(card, "cvv"),
            zip: Field::of(card, "zip_code"),
        }
    }

    /// Judges all fields; those that are wrong are added to `faults` in the order of the page.
    fn judge(&self, now: i64, faults: &mut Vec<&'static str>) -> Judged<'_> {
        let (month, year) = (month(&self.month), year(&self.year));
        let judged = Judged::new(&CardInput {
            number: self.number.as_bytes(),
            expiry: month.zip(year),
            cvv: None,
            name: Some(self.name.as_bytes()),
            postal_code: None,
            now,
            rules: Rules { separators: Separators::Refused, name_max: NAME_MAX, ..Rules::default() },
        });
        let five_digits = |zip: &[u8]| zip.len() == 5 && zip.iter().all(u8::is_ascii_digit);
        let name = self.name.as_bytes();
        let wrong = [
            ("card.name", name.is_empty() || name.len() > NAME_MAX || judged.code(Param::Name).is_some()),
            ("card.number", judged.code(Param::Number).is_some()),
            ("card.expiry_year", year.is_none() || judged.code(Param::Expiry).is_some()),
            ("card.expiry_month", month.is_none()),
            ("card.cvv", check_cvv(self.cvv.as_bytes(), Network::UNKNOWN).is_err()),
            ("card.zip_code", !self.zip.is_absent() && !five_digits(self.zip.as_bytes())),
        ];
        faults.extend(wrong.iter().filter(|(_, wrong)| *wrong).map(|(param, _)| param));
        judged
    }
}

/// One of `01` to `12`.
fn month(field: &Field<'_>) -> Option<i32> {
    match field.as_bytes() {
        [tens @ b'0'..=b'1', ones @ b'0'..=b'9'] => {
            let month = i32::from(tens - b'0') * 10 + i32::from(ones - b'0');
            Some(month).filter(|month| (1..=12).contains(month))
        }
        _ => None,
    }
}

/// `YY` or `YYYY`.
fn year(field: &Field<'_>) -> Option<i32> {
    let text = field.as_str();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.len() {
        2 if digits => text.parse().ok(),
        4 if digits && text.starts_with("20") => text.parse().ok(),
        _ => None,
    }
}

/// What is kept beside an instrument with a mandate.
fn mandate(merchant_code: Option<&str>) -> String {
    merchant_code.map_or(String::new(), |code| {
        json::object(|notes| notes.object("sumup", |own| own.text("merchant_code", code)))
    })
}

fn write_instrument(out: &mut Writer<'_>, instrument: &Instrument, extra: &str) {
    out.text("token", instrument.token.as_str());
    out.boolean("active", instrument.active);
    out.text("type", "card");
    out.object("card", |card| {
        card.text("last_4_digits", std::str::from_utf8(&instrument.last4).unwrap_or_default());
        card.text("type", card_type(instrument));
    });
    let own = json::parse(notes::own(extra.as_bytes(), PROVIDER.name).as_bytes()).and_then(Value::object);
    if let Some(code) = own.and_then(|own| own.get("merchant_code")) {
        out.object("mandate", |mandate| {
            mandate.text("type", "recurrent");
            mandate.text("status", if instrument.active { "active" } else { "inactive" });
            mandate.raw("merchant_code", code.raw());
        });
    }
    out.text("created_at", &date::iso_with_offset(instrument.created_at));
}

fn card_type(instrument: &Instrument) -> &'static str {
    let product = instrument.product.map(Network::sumup_name);
    let of_page = |name: &&str| CARD_TYPES.contains(name);
    let known = product.filter(|name| *name != "UNKNOWN").filter(of_page);
    known.or_else(|| Some(instrument.network.sumup_name()).filter(of_page)).unwrap_or("UNKNOWN")
}

fn list_instruments(caller: &Caller, customer: &str) -> Result<Response> {
    if !is_there(&caller.vault, customer)? {
        return Ok(not_found());
    }
    let query = ListQuery { customer: Some(customer), limit: LIST_MAX, ..ListQuery::default() };
    let mut found = caller.vault.list_details(&query)?;
    found.retain(|(instrument, _)| !instrument.damaged);
    found.sort_by_key(|(instrument, _)| instrument.made);
    let write = |out: &mut Writer<'_>, (instrument, details): (Instrument, Details)| {
        write_instrument(out, &instrument, std::str::from_utf8(details.extra()).unwrap_or_default());
    };
    Ok(Response::json(200, json::array(found, write)))
}

fn deactivate(caller: &Caller, customer: &str, token: &str) -> Result<Response> {
    let vault = &caller.vault;
    match vault.lookup(token.as_bytes()) {
        Ok(found) if &*found.customer == customer && found.active && !customer.is_empty() => {
            vault.deactivate(token.as_bytes())?;
            Ok(Response::empty(204))
        }
        Ok(_) => Ok(not_found()),
        Err(error) if error.code() == Code::Token => Ok(not_found()),
        Err(error) => Err(error),
    }
}

fn create_customer(call: &Call<'_>, caller: &Caller) -> Result<Response> {
    let Some(body) = call.json().and_then(Value::object) else { return Ok(invalid(&[])) };
    let id = Field::of(&body, "customer_id");
    let mut faults = Vec::new();
    if !is_id(id.as_str()) {
        faults.push("customer_id");
    }
    let details = Person::of(body.get("personal_details"), &mut faults);
    if !faults.is_empty() {
        return Ok(invalid(&faults));
    }
    let data = notes::with_own(b"", PROVIDER.name, &details.json("{}"))?;
    match caller.vault.create_customer(id.as_str(), "", &data) {
        Ok(made) => Ok(customer_body(201, &made.id, &made.data)),
        Err(error) => match error.code() {
            Code::Conflict => Ok(error_body(409, "CUSTOMER_ALREADY_EXISTS", "Customer already exists")),
            Code::Limit | Code::Card => Ok(invalid(&["personal_details"])),
            _ => Err(error),
        },
    }
}

fn get_customer(caller: &Caller, id: &str) -> Result<Response> {
    if !is_id(id) {
        return Ok(not_found());
    }
    let found = caller.vault.customer(id)?;
    Ok(found.map_or_else(not_found, |found| customer_body(200, &found.id, &found.data)))
}

fn update_customer(call: &Call<'_>, caller: &Caller, id: &str) -> Result<Response> {
    let Some(body) = call.json().and_then(Value::object) else { return Ok(invalid(&[])) };
    let mut faults = Vec::new();
    let details = Person::of(body.get("personal_details"), &mut faults);
    if !faults.is_empty() {
        return Ok(invalid(&faults));
    }
    if !is_id(id) {
        return Ok(not_found());
    }
    let changed = caller.vault.update_customer(id, |data| {
        let own = details.json(notes::own(data.as_bytes(), PROVIDER.name));
        notes::with_own(data.as_bytes(), PROVIDER.name, &own)
    });
    match changed {
        Ok(changed) => Ok(customer_body(200, &changed.id, &changed.data)),
        Err(error) => match error.code() {
            Code::Token => Ok(not_found()),
            Code::Limit | Code::Card => Ok(invalid(&["personal_details"])),
            _ => Err(error),
        },
    }
}

/// `personal_details` as they were sent, checked.
#[derive(Default)]
struct Person<'a> {
    /// Name in the body, name on the page, value.
    fields: Vec<(String, Value<'a>)>,
    address: Option<Vec<(String, Value<'a>)>>,
}

impl<'a> Person<'a> {
    fn of(value: Option<Value<'a>>, faults: &mut Vec<&'static str>) -> Person<'a> {
        let Some(value) = value.filter(|value| !value.is_null()) else { return Person::default() };
        let Some(given) = value.object() else {
            faults.push("personal_details");
            return Person::default();
        };
        let fields = known(&given, &PERSON, |name, text| match name {
            "birth_date" => date::is_day(text),
            _ => true,
        });
        faults.extend(fields.faults.iter().map(|name| match *name {
            "first_name" => "personal_details.first_name",
            "last_name" => "personal_details.last_name",
            "email" => "personal_details.email",
            "phone" => "personal_details.phone",
            "tax_id" => "personal_details.tax_id",
            _ => "personal_details.birth_date",
        }));
        let address = given.get("address").filter(|address| !address.is_null());
        Person { fields: fields.kept, address: address.and_then(|address| address_of(address, faults)) }
    }

    /// Merged into what was known, as JSON: what is not given stays as it was.
    fn json(&self, before: &str) -> String {
        let before = json::parse(before.as_bytes()).and_then(Value::object);
        let address = before.as_ref().and_then(|before| before.get("address"));
        json::object(|out| {
            merge(out, before.as_ref(), &self.fields, &["address"]);
            match &self.address {
                Some(given) => out.object("address", |out| {
                    merge(out, address.and_then(Value::object).as_ref(), given, &[]);
                }),
                None => {
                    if let Some(address) = address {
                        out.raw("address", address.raw());
                    }
                }
            }
        })
    }
}

fn address_of<'a>(value: Value<'a>, faults: &mut Vec<&'static str>) -> Option<Vec<(String, Value<'a>)>> {
    let Some(given) = value.object() else {
        faults.push("personal_details.address");
        return None;
    };
    let two_letters = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let fields = known(&given, &ADDRESS, |name, text| name != "country" || two_letters(text));
    let missing = Field::of(&given, "country").is_absent();
    faults.extend(missing.then_some("personal_details.address.country"));
    faults.extend(fields.faults.iter().map(|name| match *name {
        "city" => "personal_details.address.city",
        "country" => "personal_details.address.country",
        "line_1" => "personal_details.address.line_1",
        "line_2" => "personal_details.address.line_2",
        "postal_code" => "personal_details.address.postal_code",
        _ => "personal_details.address.state",
    }));
    Some(fields.kept)
}

/// The known fields of an object.
struct Known<'a> {
    kept: Vec<(String, Value<'a>)>,
    faults: Vec<&'static str>,
}

/// Those fields that have a name of the page, in either spelling: `line_1` and `line1`. Others are left out.
fn known<'a>(
    given: &Object<'a>,
    names: &[&'static str],
    fits: impl Fn(&'static str, &str) -> bool,
) -> Known<'a> {
    let mut found = Known { kept: Vec::new(), faults: Vec::new() };
    for name in names {
        let spellings = [(*name).to_owned(), other_spelling(name)];
        for spelling in spellings.iter().take(if spellings[0] == spellings[1] { 1 } else { 2 }) {
            let Some(value) = given.get(spelling).filter(|value| !value.is_null()) else { continue };
            let text = value.text();
            let fine =
                text.is_some_and(|text| is_keepable(text.as_str(), TEXT_MAX) && fits(name, text.as_str()));
            if fine {
                found.kept.push((spelling.clone(), value));
            } else if !found.faults.contains(name) {
                found.faults.push(name);
            }
        }
    }
    found
}

fn other_spelling(name: &str) -> String {
    match name {
        "birth_date" => "birthdate".to_owned(),
        "line_1" => "line1".to_owned(),
        "line_2" => "line2".to_owned(),
        other => other.to_owned(),
    }
}

/// Writes what is given, and of what was there the rest. A field in its other spelling is the same field.
fn merge(out: &mut Writer<'_>, before: Option<&Object<'_>>, given: &[(String, Value<'_>)], but: &[&str]) {
    for (quoted, value) in before.into_iter().flat_map(Object::iter) {
        let replaced = given.iter().any(|(name, _)| {
            json::same(quoted, name) || json::same(quoted, &other_spelling(name)) || {
                let inner = quoted.trim_matches('"');
                other_spelling(inner) == *name
            }
        });
        if !replaced && !but.iter().any(|name| json::same(quoted, name)) {
            out.member(quoted, value);
        }
    }
    for (name, value) in given {
        out.raw(name, value.raw());
    }
}

fn customer_body(status: u16, id: &str, data: &str) -> Response {
    let details = notes::own(data.as_bytes(), PROVIDER.name);
    Response::json(
        status,
        json::object(|out| {
            out.text("customer_id", id);
            if !matches!(details, "" | "{}") {
                out.raw("personal_details", details);
            }
        }),
    )
}

fn is_there(vault: &Vault, customer: &str) -> Result<bool> {
    Ok(is_id(customer) && vault.customer(customer)?.is_some())
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_MAX && is_keepable(id, ID_MAX)
}

/// One fault is an object, several are an array of them; a body that cannot be read has no parameter to name.
fn invalid(faults: &[&'static str]) -> Response {
    let body = match faults {
        [] => json::object(|error| {
            error.text("message", "Validation error");
            error.text("error_code", "INVALID");
        }),
        [param] => json::object(|error| {
            error.text("message", "Validation error");
            error.text("error_code", "INVALID");
            error.text("param", param);
        }),
        several => json::array(several, |error, param| {
            error.text("error_code", "INVALID");
            error.text("message", "Validation error");
            error.text("param", param);
        }),
    };
    Response::json(400, body)
}

fn unauthorized(denied: Denied) -> Response {
    let (key, message) = match denied {
        Denied::Absent => ("message", "access token required"),
        Denied::Invalid | Denied::Expired => ("error_message", "invalid access token"),
        Denied::NotAuthorized => ("error_message", "NOT_AUTHORIZED"),
    };
    let body = json::object(|error| {
        error.text(key, message);
        error.text("error_code", "NOT_AUTHORIZED");
    });
    Response::json(401, body).with("WWW-Authenticate", "Bearer")
}

fn error_body(status: u16, code: &str, message: &str) -> Response {
    Response::json(
        status,
        json::object(|error| {
            error.text("error_code", code);
            error.text("message", message);
        }),
    )
}

fn not_found() -> Response {
    error_body(404, "NOT_FOUND", "Resource not found")
}

fn not_allowed(allowed: &str) -> Response {
    error_body(405, "METHOD_NOT_ALLOWED", "Method not allowed").with("Allow", allowed)
}

fn failed(status: u16) -> Response {
    match status {
        429 => error_body(429, "TOO_MANY_REQUESTS", "Too many requests"),
        _ => error_body(500, "INTERNAL_ERROR", "Internal server error"),
    }
}
