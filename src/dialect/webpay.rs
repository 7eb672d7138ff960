//! Monri WebPay, API v2: tokens, customers and their payment methods. Requests are signed.

use super::access::{self, Caller};
use super::field::{Field, Judged, is_keepable};
use super::http::Header;
use super::json::{self, Object, Value, Writer};
use super::{BODY_MAX, Call, Provider, Response, date, ids, notes};
use crate::card::{CardInput, Expiry, Rules, Separators};
use crate::error::{Code, Param, Result};
use crate::scheme::Scheme;
use crate::vault::{Customer, ID_MAX, Instrument, ListQuery, Refusal, TokenizeOptions};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

pub(super) const PROVIDER: Provider = Provider {
    name: "webpay",
    settings: &[("wp3_v2", |value| matches!(value, "on" | "off"))],
    answer,
    failed,
};

/// How far a signature's time may lie from ours, in seconds, either way.
const WINDOW: i64 = 15 * 60;
const UNREADABLE: &str = "Request body is invalid";
/// The one path for which the older digest, which does not cover the path, can be allowed.
const TOKENS: &str = "/v2/tokens";
/// The most items of a page, and how far it can be paged.
const PAGE_MAX: usize = 1000;
const OFFSET_MAX: usize = 10_000;

/// The texts of a customer, each with its least and its greatest length.
const CUSTOMER: [(&str, usize, usize); 9] = [
    ("merchant_customer_id", 1, 100),
    ("description", 1, 200),
    ("email", 1, 200),
    ("name", 1, 50),
    ("phone", 1, 30),
    ("zip_code", 1, 9),
    ("city", 3, 30),
    ("address", 3, 100),
    ("country", 2, 2),
];

fn answer(call: &Call<'_>) -> Result<Response> {
    // Before its digest is made: who may not call at all would keep us busy with that.
    if call.request.body.len() > BODY_MAX {
        return Ok(unreadable());
    }
    let Some((caller, signature)) = authenticate(call)? else { return Ok(unauthorized()) };
    let segments = call.target.segments().unwrap_or_default();
    let path: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
    let request = Signed { call, caller: &caller, signature: &signature };
    match (&path[..], call.request.method) {
        (["v2", "tokens"], "POST") => request.create_token(),
        (["v2", "customers"], "POST") => request.create_customer(),
        (["v2", "customers"], "GET") => request.list_customers(),
        (["v2", "customers", id], "GET") => request.get_customer(id),
        (["v2", "customers", id], "POST") => request.update_customer(id),
        (["v2", "customers", id], "DELETE") => request.delete_customer(id),
        (["v2", "customers", id, "payment-methods"], "GET") => request.list_methods_of(id),
        (["v2", "merchants", "customers", reference], "GET") => request.customer_by_reference(reference),
        (["v2", "payment-methods"], "GET") => request.list_methods(None),
        (["v2", "tokens"], _) => Ok(not_allowed("POST")),
        (["v2", "customers"], _) => Ok(not_allowed("GET, POST")),
        (["v2", "customers", _], _) => Ok(not_allowed("GET, POST, DELETE")),
        (
            ["v2", "customers", _, "payment-methods"]
            | ["v2", "merchants", "customers", _]
            | ["v2", "payment-methods"],
            _,
        ) => Ok(not_allowed("GET")),
        _ => Ok(invalid(404, "Resource not found")),
    }
}

/// The signature of a request, by a name of 64 characters; empty for a caller whom the host vouches for.
type Signature = String;

/// The caller of a signed request; `None` where the signature is not good, whatever the reason.
fn authenticate(call: &Call<'_>) -> Result<Option<(Caller, Signature)>> {
    if let Some(caller) = Caller::trusted(call)? {
        return Ok(Some((caller, String::new())));
    }
    let Header::One(value) = call.head.one("Authorization") else { return Ok(None) };
    let signed = signed(call, value)?;
    if signed.is_none() && !value.is_empty() {
        call.vault.refused("", Refusal::Credential, value.as_bytes())?;
    }
    Ok(signed)
}

fn signed(call: &Call<'_>, value: &str) -> Result<Option<(Caller, Signature)>> {
    let Some(claim) = Claim::read(value) else { return Ok(None) };
    let older_allowed = call.setting("wp3_v2") == Some("on") && call.request.target == TOKENS;
    let older_allowed = older_allowed && call.request.method == "POST";
    if claim.older && !older_allowed || call.now.abs_diff(claim.at) > WINDOW as u64 {
        return Ok(None);
    }
    let path = if claim.older { "" } else { call.request.target };
    let fits = |key: &[u8]| -> bool {
        let parts = [key, claim.time.as_bytes(), claim.id.as_bytes(), path.as_bytes(), call.request.body];
        let mut hash = Sha512::new();
        parts.iter().for_each(|part| hash.update(part));
        let mut hex = [0; 128];
        base16ct::lower::encode(&hash.finalize(), &mut hex).is_ok_and(|made| made.ct_eq(claim.digest).into())
    };
    let Some((credential, fits)) = call.vault.with_signing_key(claim.id, fits)? else { return Ok(None) };
    if !fits || access::check(call, &credential).is_some() {
        return Ok(None);
    }
    let name = Sha256::new().chain_update(b"panseal/webpay/1").chain_update(claim.digest).finalize();
    let mut hex = [0; 64];
    let name = base16ct::lower::encode_str(&name, &mut hex).map_err(|_| Code::Internal)?;
    Ok(Some((Caller::with(call, credential)?, name.to_owned())))
}

/// What an `Authorization` header says: `WP3-v2.1 <40 hex> <10 digits> <128 hex>`, with one space between them.
struct Claim<'a> {
    /// Without the path.
    older: bool,
    id: &'a str,
    time: &'a str,
    at: i64,
    digest: &'a [u8],
}

impl<'a> Claim<'a> {
    fn read(value: &'a str) -> Option<Claim<'a>> {
        let mut parts = value.split(' ');
        let [scheme, id, time, digest] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let older = match scheme {
            "WP3-v2.1" => false,
            "WP3-v2" => true,
            _ => return None,
        };
        let hex = |text: &str, len| {
            text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let seconds = time.len() == 10 && time.bytes().all(|byte| byte.is_ascii_digit());
        let fine = hex(id, 40) && seconds && hex(digest, 128) && parts.next().is_none();
        let at = time.parse().ok().filter(|_| fine)?;
        Some(Claim { older, id, time, at, digest: digest.as_bytes() })
    }
}

/// A request whose caller is known.
struct Signed<'s> {
    call: &'s Call<'s>,
    caller: &'s Caller,
    signature: &'s str,
}

impl Signed<'_> {
    /// Whether this signature is used for the first time. A change is made once for each.
    fn is_first(&self) -> Result<bool> {
        if self.signature.is_empty() { Ok(true) } else { self.caller.vault.is_first(self.signature) }
    }

    fn create_token(&self) -> Result<Response> {
        let Some(body) = self.call.json().and_then(Value::object) else { return Ok(unreadable()) };
        let mut faults = Vec::new();
        if Field::of(&body, "type").as_str() != "card" {
            faults.push("Type is invalid");
        }
        let metadata = metadata_of(&body, &mut faults);
        let Some(card) = body.get("card").and_then(Value::object) else {
            faults.push("Card is invalid");
            return Ok(invalid(400, &faults.join(", ")));
        };
        let (pan, date) = (Field::of(&card, "pan"), Field::of(&card, "expiration_date"));
        let expiry = expiry_of(date.as_bytes());
        let keep_until = expiry.map(date::month_end);
        let judged = Judged::new(&CardInput {
            expiry: expiry.map(|date| (i32::from(date.month()), i32::from(date.year()))),
            rules: Rules { separators: Separators::Refused, horizon_years: None, ..Rules::default() },
            ..CardInput::new(pan.as_bytes(), self.call.now)
        });
        if judged.code(Param::Number).is_some() {
            faults.push("Pan is invalid");
        }
        match keep_until {
            None => faults.push("Expiration date is invalid"),
            Some(end) if end <= self.call.now => faults.push("Expiration date is in the past"),
            Some(_) => {}
        }
        let (Ok(card), Some(expiry), Some(end), true) = (&judged.0, expiry, keep_until, faults.is_empty())
        else {
            return Ok(invalid(400, &faults.join(", ")));
        };
        let options = TokenizeOptions {
            scheme: Some(Scheme::Random),
            metadata,
            keep_until: end,
            idempotency_key: self.signature,
            ..TokenizeOptions::default()
        };
        match self.caller.vault.tokenize(card, &options) {
            // The signature was used before: in one transaction with the token, so once whoever comes at the same time.
            Ok(made) if made.reused => Ok(unauthorized()),
            Ok(made) => Ok(Response::json(200, json::object(|out| write_token(out, &made, expiry)))),
            Err(error) if error.code() == Code::Card => Ok(invalid(400, "Metadata is invalid")),
            // The first token of this signature is gone by now.
            Err(error) if matches!(error.code(), Code::Token | Code::Conflict) => Ok(unauthorized()),
            Err(error) => Err(error),
        }
    }

    fn create_customer(&self) -> Result<Response> {
        let sent = match Sent::of(self.call) {
            Ok(sent) => sent,
            Err(message) => return Ok(invalid(400, &message)),
        };
        if !self.is_first()? {
            return Ok(unauthorized());
        }
        let reference = sent.reference.clone().unwrap_or_default();
        let data = notes::with_own(b"", PROVIDER.name, &sent.json("{}"))?;
        match self.caller.vault.create_customer(&ids::uuid()?, &reference, &data) {
            Ok(made) => Ok(customer_body(&made)),
            Err(error) => match error.code() {
                Code::Conflict => Ok(invalid(400, "Merchant customer has already been taken")),
                Code::Limit | Code::Card => Ok(invalid(400, "Customer is invalid")),
                _ => Err(error),
            },
        }
    }

    fn update_customer(&self, id: &str) -> Result<Response> {
        let sent = match Sent::of(self.call) {
            Ok(sent) => sent,
            Err(message) => return Ok(invalid(400, &message)),
        };
        let Some(known) = self.customer(id)? else { return Ok(no_customer()) };
        if sent.reference.as_ref().is_some_and(|reference| **reference != *known.reference) {
            return Ok(invalid(400, "Merchant customer cannot be changed"));
        }
        if !self.is_first()? {
            return Ok(unauthorized());
        }
        let changed = self.caller.vault.update_customer(&known.id, |data| {
            let own = sent.json(notes::own(data.as_bytes(), PROVIDER.name));
            notes::with_own(data.as_bytes(), PROVIDER.name, &own)
        });
        match changed {
            Ok(changed) => Ok(customer_body(&changed)),
            Err(error) => match error.code() {
                Code::Token => Ok(no_customer()),
                Code::Limit | Code::Card => Ok(invalid(400, "Customer is invalid")),
                _ => Err(error),
            },
        }
    }

    /// The signature covers no method: once this was asked, what was signed for it does not serve to delete.
    fn get_customer(&self, id: &str) -> Result<Response> {
        self.is_first()?;
        Ok(self.customer(id)?.map_or_else(no_customer, |found| customer_body(&found)))
    }

    fn delete_customer(&self, id: &str) -> Result<Response> {
        let Some(known) = self.customer(id)? else { return Ok(no_customer()) };
        if !self.is_first()? {
            return Ok(unauthorized());
        }
        let deleted = self.caller.vault.mark_customer_deleted(&known.id, true)?;
        Ok(Response::json(
            200,
            json::object(|out| {
                out.text("status", "approved");
                out.text("uuid", &deleted.id);
                out.boolean("deleted", true);
            }),
        ))
    }

    fn customer_by_reference(&self, reference: &str) -> Result<Response> {
        if reference.is_empty() || reference.len() > ID_MAX || !is_keepable(reference, ID_MAX) {
            return Ok(no_customer());
        }
        let found = self.caller.vault.customer_by_reference(reference)?;
        Ok(found.map_or_else(no_customer, |found| customer_body(&found)))
    }

    fn list_customers(&self) -> Result<Response> {
        let Some((offset, limit)) = page_of(self.call) else { return Ok(bad_page()) };
        let (mut skipped, mut items, mut after) = (0, Vec::new(), String::new());
        while items.len() < limit {
            let some = self.caller.vault.customers(&after, PAGE_MAX)?;
            let Some(last) = some.last() else { break };
            after = last.id.to_string();
            for customer in some
                .iter()
                .filter(|one| !one.damaged && one.deleted_at == 0 && ids::as_uuid(&one.id).is_some())
            {
                if skipped < offset {
                    skipped += 1;
                } else if items.len() < limit {
                    items.push(json::object(|out| write_customer(out, customer)));
                }
            }
            if some.len() < PAGE_MAX {
                break;
            }
        }
        Ok(list_body(&items))
    }

    fn list_methods_of(&self, id: &str) -> Result<Response> {
        match self.customer(id)? {
            Some(customer) => self.list_methods(Some(&customer.id)),
            None => Ok(no_customer()),
        }
    }

    fn list_methods(&self, customer: Option<&str>) -> Result<Response> {
        let Some((offset, limit)) = page_of(self.call) else { return Ok(bad_page()) };
        let query = ListQuery { customer, active: Some(true), offset, limit, ..ListQuery::default() };
        let found = self.caller.vault.list(&query)?;
        let write =
            |instrument: &Instrument| json::object(|out| write_method(out, instrument, self.call.now));
        Ok(list_body(&found.iter().filter(|one| !one.damaged).map(write).collect::<Vec<_>>()))
    }

    fn customer(&self, id: &str) -> Result<Option<Customer>> {
        match ids::as_uuid(id) {
            Some(id) => self.caller.vault.customer(&id),
            None => Ok(None),
        }
    }
}

/// `YYMM`; three digits are those of a year whose leading zero was dropped.
fn expiry_of(text: &[u8]) -> Option<Expiry> {
    match text {
        [year, month @ ..] if text.len() == 3 => Expiry::from_yymm(&[b'0', *year, month[0], month[1]]).ok(),
        four => Expiry::from_yymm(four).ok(),
    }
}

/// `metadata`: names, each with a text, a number, a boolean or null.
fn metadata_of<'a>(body: &Object<'a>, faults: &mut Vec<&'static str>) -> &'a str {
    let Some(value) = body.get("metadata").filter(|value| !value.is_null()) else { return "" };
    let flat = |map: &Object<'_>| map.iter().all(|(_, value)| !value.raw().starts_with(['{', '[']));
    if value.object().is_some_and(|map| flat(&map) && !map.holds_card_number()) {
        return value.raw();
    }
    faults.push("Metadata is invalid");
    ""
}

fn write_token(out: &mut Writer<'_>, made: &Instrument, expiry: Expiry) {
    out.text("token", made.token.as_str());
    out.text("status", "approved");
    out.object("card", |card| {
        card.text("keep_until", &date::iso_z(made.keep_until));
        card.text("masked_pan", &masked(made, "****"));
        card.text("expiration_date", std::str::from_utf8(&expiry.to_yymm()).unwrap_or_default());
    });
}

/// First six, stars, last four; of a number shorter than 15 digits the first six are not shown.
fn masked(instrument: &Instrument, stars: &str) -> String {
    let mask = instrument.masked.as_str();
    let first = mask.get(..6).unwrap_or_default();
    format!("{first}{stars}{}", std::str::from_utf8(&instrument.last4).unwrap_or_default())
}

fn write_method(out: &mut Writer<'_>, instrument: &Instrument, now: i64) {
    let end = instrument.expiry.map(date::month_end);
    let customer = Some(&*instrument.customer).filter(|customer| !customer.is_empty());
    out.text("status", "approved");
    out.text("id", instrument.token.as_str());
    out.text("masked_pan", &masked(instrument, "******"));
    out.maybe("expiration_date", end.map(|end| date::day(end - 1)).as_deref());
    out.maybe("keep_until", end.map(date::iso_z).as_deref());
    out.text("created_at", &date::iso_z(instrument.created_at));
    out.text("updated_at", &date::iso_z(instrument.created_at));
    out.maybe("customer_uuid", customer);
    out.text("token", instrument.token.as_str());
    out.boolean("expired", end.is_some_and(|end| end <= now));
}

/// A customer as it was sent, checked.
struct Sent<'a> {
    reference: Option<String>,
    texts: Vec<(&'static str, &'a str)>,
    metadata: Option<&'a str>,
}

impl<'a> Sent<'a> {
    /// Or what is wrong with it.
    fn of(call: &Call<'a>) -> Result<Sent<'a>, String> {
        let Some(body) = call.json().and_then(Value::object) else { return Err(UNREADABLE.to_owned()) };
        let mut faults = Vec::new();
        let mut texts = Vec::new();
        let mut wrong = Vec::new();
        for (name, least, most) in CUSTOMER {
            let Some(value) = body.get(name).filter(|value| !value.is_null()) else { continue };
            let fits = |text: &str| is_keepable(text, most) && text.chars().count() >= least;
            if value.text().is_some_and(|text| fits(text.as_str())) {
                texts.push((name, value.raw()));
            } else {
                wrong.push(name);
            }
        }
        let reference = Field::of(&body, "merchant_customer_id");
        if reference.as_str().len() > ID_MAX && !wrong.contains(&"merchant_customer_id") {
            wrong.push("merchant_customer_id");
        }
        let metadata = metadata_of(&body, &mut faults);
        if !wrong.is_empty() || !faults.is_empty() {
            let spoken = wrong.iter().map(|name| format!("{} is invalid", spoken(name)));
            let all: Vec<String> = spoken.chain(faults.iter().map(|fault| (*fault).to_owned())).collect();
            return Err(all.join(", "));
        }
        let reference = reference.is_filled().then(|| reference.as_str().to_owned());
        Ok(Sent { reference, texts, metadata: Some(metadata).filter(|metadata| !metadata.is_empty()) })
    }

    /// Over what was known, as JSON.
    fn json(&self, before: &str) -> String {
        let before = json::parse(before.as_bytes()).and_then(Value::object);
        let given = |quoted: &str| {
            self.texts.iter().any(|(name, _)| json::same(quoted, name))
                || self.metadata.is_some() && json::same(quoted, "metadata")
        };
        json::object(|out| {
            for (quoted, value) in before.iter().flat_map(Object::iter).filter(|(quoted, _)| !given(quoted)) {
                out.member(quoted, value);
            }
            for (name, text) in &self.texts {
                out.raw(name, text);
            }
            if let Some(metadata) = self.metadata {
                out.raw("metadata", metadata);
            }
        })
    }
}

/// `zip_code` as `Zip code`.
fn spoken(name: &str) -> String {
    let words = name.replace('_', " ");
    let (first, rest) = words.split_at(1.min(words.len()));
    format!("{}{rest}", first.to_uppercase())
}

fn write_customer(out: &mut Writer<'_>, customer: &Customer) {
    let own = json::parse(notes::own(customer.data.as_bytes(), PROVIDER.name).as_bytes());
    let own = own.and_then(Value::object);
    let raw = |name: &str| own.as_ref().and_then(|own| own.get(name)).map_or("null", Value::raw);
    out.text("status", "approved");
    out.text("uuid", &customer.id);
    for (name, _, _) in CUSTOMER {
        out.raw(name, raw(name));
    }
    out.raw("metadata", own.as_ref().and_then(|own| own.get("metadata")).map_or("{}", Value::raw));
    out.boolean("deleted", customer.deleted_at != 0);
    out.text("created_at", &date::iso_z(customer.created_at));
    out.text("updated_at", &date::iso_z(customer.updated_at));
    out.maybe("deleted_at", (customer.deleted_at != 0).then(|| date::iso_z(customer.deleted_at)).as_deref());
}

fn customer_body(customer: &Customer) -> Response {
    Response::json(200, json::object(|out| write_customer(out, customer)))
}

fn list_body(items: &[String]) -> Response {
    Response::json(
        200,
        json::object(|out| {
            out.text("status", "approved");
            out.raw("data", &format!("[{}]", items.join(",")));
        }),
    )
}

/// `offset` and `limit` of a list.
fn page_of(call: &Call<'_>) -> Option<(usize, usize)> {
    let offset = call.target.number("offset", 0, 0..=OFFSET_MAX)?;
    Some((offset, call.target.number("limit", 100, 1..=PAGE_MAX)?))
}

fn answer_with(status: u16, kind: &str, message: &str) -> Response {
    Response::json(
        status,
        json::object(|out| {
            out.text("status", kind);
            out.text("message", message);
        }),
    )
}

fn invalid(status: u16, message: &str) -> Response {
    answer_with(status, "invalid-request", message)
}

fn unreadable() -> Response {
    invalid(400, UNREADABLE)
}

fn bad_page() -> Response {
    invalid(400, "Limit or offset is invalid")
}

fn no_customer() -> Response {
    invalid(404, "Customer not found")
}

/// One answer, whatever was wrong with the signature.
fn unauthorized() -> Response {
    answer_with(401, "error", "Authorization failed").with("WWW-Authenticate", "WP3-v2.1")
}

fn not_allowed(allowed: &str) -> Response {
    invalid(405, "Method not allowed").with("Allow", allowed)
}

fn failed(status: u16) -> Response {
    match status {
        429 => answer_with(429, "error", "Too many requests"),
        _ => answer_with(500, "error", "Internal server error"),
    }
}
