//! Stax: payment methods and customers.

use super::access::{Caller, Denied, bearer};
use super::field::{Field, Judged, is_keepable, is_keepable_note};
use super::json::{self, Object, Text, Value, Writer};
use super::{Call, Provider, Response, date, ids, notes};
use crate::card::{CardInput, Expiry, Rules};
use crate::error::{Code, Param, Result};
use crate::scheme::Scheme;
use crate::secret::SecretText;
use crate::vault::{
    Amendment, Change, Customer, Details, Instrument, ListQuery, NAME_MAX, TokenizeOptions, Vault,
};
use std::collections::BTreeMap;

pub(super) const PROVIDER: Provider = Provider { name: "stax", settings: &[], answer, failed };

/// The most methods of a customer, and customers, that are put in order.
const LIST_MAX: usize = 1000;
/// The furthest that a list can be paged through.
const OFFSET_MAX: usize = 10_000;

/// Free texts of a payment method, and how many characters each may have.
const ADDRESS: [(&str, usize); 6] = [
    ("address_1", 255),
    ("address_2", 255),
    ("address_city", 255),
    ("address_state", 2),
    ("address_zip", 16),
    ("address_country", 3),
];

/// Free texts of a customer.
const CUSTOMER: [(&str, usize); 12] = [
    ("firstname", 50),
    ("lastname", 50),
    ("company", 255),
    ("email", 255),
    ("phone", 50),
    ("address_1", 255),
    ("address_2", 255),
    ("address_city", 255),
    ("address_state", 2),
    ("address_zip", 16),
    ("address_country", 3),
    ("reference", 255),
];

fn answer(call: &Call<'_>) -> Result<Response> {
    let caller = match bearer(call)? {
        Ok(caller) => caller,
        Err(denied) => return Ok(unauthorized(denied)),
    };
    let segments = call.target.segments().unwrap_or_default();
    let path: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
    match (&path[..], call.request.method) {
        (["payment-method"], "POST") => create(call, &caller),
        (["payment-method"], "GET") => list(call, &caller),
        (["payment-method", id], "GET") => get(&caller, id),
        (["payment-method", id], "PUT") => update(call, &caller, id),
        (["payment-method", id], "DELETE") => delete(call, &caller, id),
        (["customer", id, "payment-method"], "GET") => list_of_customer(&caller, id),
        (["customer"], "POST") => create_customer(call, &caller),
        (["customer"], "GET") => list_customers(call, &caller),
        (["customer", id], "GET") => get_customer(&caller, id),
        (["customer", id], "PUT") => update_customer(call, &caller, id),
        (["customer", id], "DELETE") => delete_customer(&caller, id),
        (["payment-method"] | ["customer"], _) => Ok(not_allowed("GET, POST")),
        (["payment-method", _] | ["customer", _], _) => Ok(not_allowed("GET, PUT, DELETE")),
        (["customer", _, "payment-method"], _) => Ok(not_allowed("GET")),
        _ => Ok(error(404, "not_found")),
    }
}

/// What is wrong, by field: each has its sentences.
#[derive(Default)]
struct Faults(BTreeMap<String, Vec<String>>);

impl Faults {
    /// Adds a sentence about a field, which calls it by its name in words.
    fn add(&mut self, field: &str, sentence: &str) {
        let sentence = sentence.replace("{}", &field.replace('_', " "));
        self.0.entry(field.to_owned()).or_default().push(sentence);
    }

    fn required(&mut self, field: &str) {
        self.add(field, "The {} field is required.");
    }

    fn not_a_string(&mut self, field: &str) {
        self.add(field, "The {} must be a string.");
    }

    fn response(self, status: u16) -> Response {
        let body = json::object(|out| {
            for (field, sentences) in &self.0 {
                out.raw(field, &list_of_texts(sentences));
            }
        });
        Response::json(status, body)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn list_of_texts(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| json::quoted(text)).collect();
    format!("[{}]", quoted.join(","))
}

fn create(call: &Call<'_>, caller: &Caller) -> Result<Response> {
    let Some(body) = call.json().and_then(Value::object) else { return Ok(unreadable()) };
    let fields = CardFields::of(&body);
    let mut faults = Faults::default();
    fields.check_presence(&mut faults);
    let flags = Flags::of(&body, &mut faults);
    let texts = texts_of(&body, &ADDRESS, &mut faults);
    let meta = meta_of(&body, &mut faults);
    if !faults.is_empty() {
        return Ok(faults.response(400));
    }
    if fields.method.as_str() != "card" {
        faults.add("method", "The selected {} is invalid.");
        return Ok(faults.response(422));
    }
    let name = fields.name();
    let expiry = expiry_of(fields.expiry.as_bytes());
    let judged = fields.judge(call.now, expiry, name.as_ref());
    let verdict = Verdict { date: expiry.err(), name: name_fault(name.as_ref(), &judged), judged: &judged };
    let (true, Ok(card)) = (verdict.is_fine(), &judged.0) else { return Ok(verdict.response()) };
    let customer = match fields.customer(&caller.vault)? {
        Some(customer) => customer,
        None => return Ok(no_such_id()),
    };
    let is_default = match flags.is_default {
        Some(is_default) => is_default,
        None => customer.is_empty() || count_of(&caller.vault, &customer)? == 0,
    };
    let own = Own { is_default, has_cvv: fields.cvv.is_filled(), updated_at: 0, deleted_at: 0, texts };
    let extra = own.write(b"")?;
    let options = TokenizeOptions {
        scheme: Some(Scheme::RandomUuid),
        customer: &customer,
        metadata: meta,
        extra: extra.as_bytes(),
        ..TokenizeOptions::default()
    };
    let made = match caller.vault.tokenize(card, &options) {
        Ok(made) => made,
        Err(error) if error.code() == Code::Card => return Ok(bad_meta()),
        Err(error) => return Err(error),
    };
    let shown = Shown { caller, instrument: &made, name: text_of(name.as_ref()), meta, own: &own };
    Ok(Response::json(200, json::object(|out| shown.write(out))))
}

/// The fields of a card to be stored.
struct CardFields<'a> {
    method: Field<'a>,
    person: Field<'a>,
    first: Field<'a>,
    last: Field<'a>,
    number: Field<'a>,
    expiry: Field<'a>,
    cvv: Field<'a>,
    card_type: Field<'a>,
    customer: Field<'a>,
}

impl<'a> CardFields<'a> {
    fn of(body: &Object<'a>) -> CardFields<'a> {
        CardFields {
            method: Field::of(body, "method"),
            person: Field::of(body, "person_name"),
            first: Field::of(body, "firstname"),
            last: Field::of(body, "lastname"),
            number: Field::of(body, "card_number"),
            expiry: Field::of(body, "card_exp"),
            cvv: Field::of(body, "card_cvv"),
            card_type: Field::of(body, "card_type"),
            customer: Field::of(body, "customer_id"),
        }
    }

    /// 400: what is missing, or of the wrong type.
    fn check_presence(&self, faults: &mut Faults) {
        let two_names = self.person.is_absent() && self.first.is_filled() && self.last.is_filled();
        for (name, field, required) in [
            ("method", &self.method, true),
            ("person_name", &self.person, !two_names),
            ("card_number", &self.number, true),
            ("card_exp", &self.expiry, true),
            ("card_cvv", &self.cvv, false),
            ("card_type", &self.card_type, false),
            ("customer_id", &self.customer, false),
            ("firstname", &self.first, false),
            ("lastname", &self.last, false),
        ] {
            if field.is_wrong() {
                faults.not_a_string(name);
            } else if required && !field.is_filled() {
                faults.required(name);
            }
        }
        if self.card_type.as_str().len() > 10 {
            faults.add("card_type", "The {} may not be greater than 10 characters.");
        }
    }

    /// The name, in words with one space between them.
    fn name(&self) -> Option<Name> {
        match &self.person {
            Field::Absent => words(&[self.first.as_str(), self.last.as_str()]),
            person => words(&[person.as_str()]),
        }
    }

    fn judge<'c>(&'c self, now: i64, expiry: Result<Expiry, Code>, name: Option<&'c Name>) -> Judged<'c> {
        let date = expiry.ok().map(|date| (i32::from(date.month()), i32::from(date.year())));
        Judged::new(&CardInput {
            number: self.number.as_bytes(),
            expiry: date,
            cvv: Some(self.cvv.as_bytes()),
            name: name.map(Name::as_bytes),
            postal_code: None,
            now,
            rules: Rules { name_max: NAME_MAX, ..Rules::default() },
        })
    }

    /// The customer to link to: empty where none was given, `None` where there is no such one.
    fn customer(&self, vault: &Vault) -> Result<Option<String>> {
        if !self.customer.is_filled() {
            return Ok(Some(String::new()));
        }
        let found = customer_of(vault, self.customer.as_str())?;
        Ok(found.filter(|found| found.deleted_at == 0).map(|found| found.id.into()))
    }
}

/// A name as it was sent, which might be a card number in the wrong field.
type Name = SecretText<NAME_MAX>;

/// All words of the texts, with one space between them; `None` where they are too long for a name.
fn words(texts: &[&str]) -> Option<Name> {
    let mut name = Name::new();
    for word in texts.iter().flat_map(|text| text.split_ascii_whitespace()) {
        let fits = (name.is_empty() || name.push(b' ')) && name.append(word.as_bytes());
        fits.then_some(())?;
    }
    Some(name)
}

/// What is wrong with a name, in Stax's words.
fn name_fault(name: Option<&Name>, judged: &Judged<'_>) -> Option<&'static str> {
    match name {
        Some(name) if judged.code(Param::Name).is_none() => {
            (!name.as_bytes().contains(&b' ')).then_some("Last name can't be blank")
        }
        _ => Some("Name is invalid"),
    }
}

fn text_of(name: Option<&Name>) -> &str {
    name.and_then(|name| std::str::from_utf8(name.as_bytes()).ok()).unwrap_or_default()
}

/// `MMYY`; also `MM/YY` and `MMYYYY`. What is wrong with it: `Param::Expiry`'s code, or `Length` for its month.
fn expiry_of(text: &[u8]) -> Result<Expiry, Code> {
    let number = |digits: &[u8]| {
        let all = digits.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(digits).ok().filter(|_| all).and_then(|digits| digits.parse::<i32>().ok())
    };
    let (month, year) = match text {
        [a, b, b'/', year @ ..] if matches!(year.len(), 2 | 4) => ([*a, *b], year),
        [a, b, year @ ..] if matches!(year.len(), 2 | 4) => ([*a, *b], year),
        _ => return Err(Code::Malformed),
    };
    let (Some(month), Some(year)) = (number(&month), number(year)) else { return Err(Code::Malformed) };
    if text.len() > 5 && year < 100 {
        return Err(Code::Malformed);
    }
    if !(1..=12).contains(&month) {
        return Err(Code::Length);
    }
    Expiry::new(month, year)
}

/// What is wrong with a card, or with what it is to be changed to.
struct Verdict<'v> {
    judged: &'v Judged<'v>,
    /// Why its expiry cannot be read, where it cannot.
    date: Option<Code>,
    name: Option<&'static str>,
}

impl Verdict<'_> {
    fn is_fine(&self) -> bool {
        self.judged.0.is_ok() && self.date.is_none() && self.name.is_none()
    }

    /// 422: the card was refused.
    fn response(&self) -> Response {
        let judged = self.judged;
        let mut texts = Vec::new();
        match (self.date, judged.code(Param::Expiry)) {
            (Some(Code::Length), _) => texts.push("Month is invalid"),
            (Some(_), _) | (_, Some(Code::TooFar)) => texts.push("Year is invalid"),
            (_, Some(_)) => texts.push("Year is expired"),
            _ => {}
        }
        if judged.code(Param::Cvv).is_some() {
            texts.push("Verification value is invalid");
        }
        texts.extend(self.name);
        let number = judged.code(Param::Number).is_some();
        let body = json::object(|out| {
            if number {
                out.raw("card_number", r#"["Invalid Card Number"]"#);
            }
            if !texts.is_empty() {
                let each: Vec<String> =
                    texts.iter().map(|text| format!("[{}]", json::quoted(text))).collect();
                out.raw("tokenization_error", &format!("[{}]", each.join(",")));
            }
        });
        Response::json(422, body)
    }
}

/// What may be said with `true`, `false`, 0 and 1.
struct Flags {
    is_default: Option<bool>,
}

impl Flags {
    fn of(body: &Object<'_>, faults: &mut Faults) -> Flags {
        let mut is_default = None;
        for name in ["is_default", "match_customer", "tokenize"] {
            let Some(value) = body.get(name).filter(|value| !value.is_null()) else { continue };
            let read = match value.raw() {
                "1" => Some(true),
                "0" => Some(false),
                _ => value.boolean(),
            };
            match read {
                None => faults.add(name, "The {} field must be true or false."),
                Some(read) if name == "is_default" => is_default = Some(read),
                Some(_) => {}
            }
        }
        Flags { is_default }
    }
}

/// Free texts by their names, as JSON; `null` for one that is to be taken away.
type Texts = BTreeMap<String, String>;

/// The texts that were given, each a string that may be kept, or null.
fn texts_of(body: &Object<'_>, names: &[(&str, usize)], faults: &mut Faults) -> Texts {
    let mut found = Texts::new();
    for (name, max) in names {
        let Some(value) = body.get(name) else { continue };
        let text = value.text();
        let exact = matches!(*name, "address_state" | "address_country");
        let fits = |text: &Text<'_>| {
            let length = text.as_str().chars().count();
            let keepable = if *name == "notes" { is_keepable_note } else { is_keepable };
            keepable(text.as_str(), *max) && (!exact || length == *max || length == 0)
        };
        match text {
            _ if value.is_null() => drop(found.insert((*name).into(), "null".into())),
            Some(text) if fits(&text) => drop(found.insert((*name).into(), value.raw().into())),
            Some(_) if exact => faults.add(name, &format!("The {{}} must be {max} characters.")),
            Some(text) if text.as_str().chars().count() > *max => {
                faults.add(name, &format!("The {{}} may not be greater than {max} characters."));
            }
            Some(_) => faults.add(name, "The {} format is invalid."),
            None => faults.not_a_string(name),
        }
    }
    found
}

/// `meta`: an object, or nothing.
fn meta_of<'a>(body: &Object<'a>, faults: &mut Faults) -> &'a str {
    match body.get("meta") {
        None => "",
        Some(value) if value.is_null() => "",
        Some(value) if value.object().is_some() => value.raw(),
        Some(_) => {
            faults.add("meta", "The {} must be an object.");
            ""
        }
    }
}

/// What Stax's methods have and a vault's instruments do not.
struct Own {
    is_default: bool,
    has_cvv: bool,
    /// Seconds since 1970 UTC, or 0: since it was created.
    updated_at: i64,
    /// Seconds since 1970 UTC, or 0.
    deleted_at: i64,
    texts: Texts,
}

impl Own {
    fn read(extra: &[u8]) -> Own {
        let own = json::parse(notes::own(extra, PROVIDER.name).as_bytes()).and_then(Value::object);
        let raw = |name: &str| own.as_ref().and_then(|own| own.get(name)).map_or("", Value::raw);
        let texts = ADDRESS.iter().map(|(name, _)| ((*name).to_owned(), raw(name).to_owned()));
        Own {
            is_default: raw("is_default") == "true",
            has_cvv: raw("has_cvv") == "true",
            updated_at: raw("updated_at").parse().unwrap_or(0),
            deleted_at: raw("deleted_at").parse().unwrap_or(0),
            texts: texts.filter(|(_, text)| !text.is_empty()).collect(),
        }
    }

    fn write(&self, extra: &[u8]) -> Result<String> {
        let own = json::object(|out| {
            out.boolean("is_default", self.is_default);
            out.boolean("has_cvv", self.has_cvv);
            out.raw("updated_at", &self.updated_at.to_string());
            out.raw("deleted_at", &self.deleted_at.to_string());
            for (name, text) in &self.texts {
                out.raw(name, text);
            }
        });
        notes::with_own(extra, PROVIDER.name, &own)
    }
}

/// A payment method as it is shown.
struct Shown<'s> {
    caller: &'s Caller,
    instrument: &'s Instrument,
    name: &'s str,
    /// The caller's own metadata, an object, or empty.
    meta: &'s str,
    own: &'s Own,
}

impl Shown<'_> {
    fn write(&self, out: &mut Writer<'_>) {
        let Shown { instrument, name, own, .. } = *self;
        let last4 = std::str::from_utf8(&instrument.last4).unwrap_or_default();
        let card_type = card_type(instrument);
        let brand = card_type.map_or_else(|| instrument.network.title().to_uppercase(), str::to_uppercase);
        let customer = Some(&*instrument.customer).filter(|customer| !customer.is_empty());
        let deleted = (!instrument.active).then(|| own.deleted_at.max(instrument.created_at));
        let merchant = self.caller.vault.merchant_name();
        out.text("id", instrument.token.as_str());
        out.maybe("customer_id", customer);
        out.text("merchant_id", &ids::uuid_of(&["stax merchant", merchant]));
        out.text("user_id", &ids::uuid_of(&["stax user", merchant, &self.caller.subject]));
        out.text("nickname", &format!("{brand}: {name} (ending in: {last4})"));
        out.boolean("has_cvv", own.has_cvv);
        out.number("is_default", own.is_default.into());
        out.text("method", "card");
        out.text("person_name", name);
        out.maybe("card_type", card_type);
        out.text("card_last_four", last4);
        match instrument.expiry {
            Some(expiry) => {
                out.text("card_exp", std::str::from_utf8(&expiry.to_mmyyyy()).unwrap_or_default());
                out.text("card_exp_datetime", &date::sql(date::month_end(expiry) - 1));
            }
            None => {
                out.null("card_exp");
                out.raw("card_exp_datetime", "[]");
            }
        }
        for bank in ["bank_name", "bank_type", "bank_holder_type"] {
            out.null(bank);
        }
        for (address, _) in ADDRESS {
            out.raw(address, own.texts.get(address).map_or("null", String::as_str));
        }
        out.null("purged_at");
        out.maybe("deleted_at", deleted.map(date::sql).as_deref());
        out.text("created_at", &date::sql(instrument.created_at));
        out.text("updated_at", &date::sql(own.updated_at.max(instrument.created_at)));
        out.object("meta", |meta| self.write_meta(meta));
        out.null("bin_type");
        out.null("au_last_event");
        out.null("au_last_event_at");
        out.boolean("is_usable_in_vt", instrument.active);
        out.boolean("is_tokenized", true);
    }

    fn write_meta(&self, out: &mut Writer<'_>) {
        let masked = self.instrument.masked.as_str();
        let display = masked.get(..6).filter(|first| first.bytes().all(|byte| byte.is_ascii_digit()));
        let callers = json::parse(self.meta.as_bytes()).and_then(Value::object);
        let fixed = [
            ("cardDisplay", display.map_or("null".to_owned(), json::quoted)),
            ("routingDisplay", "null".to_owned()),
            ("accountDisplay", "null".to_owned()),
            ("eligibleForCardUpdater", "false".to_owned()),
            ("storageState", "\"cached\"".to_owned()),
        ];
        for (name, value) in &fixed {
            if callers.as_ref().is_none_or(|callers| callers.get(name).is_none()) {
                out.raw(name, value);
            }
        }
        for (quoted, value) in callers.iter().flat_map(Object::iter) {
            out.member(quoted, value);
        }
    }
}

/// Stax's name of a network; `None` where it has none.
fn card_type(instrument: &Instrument) -> Option<&'static str> {
    Some(match instrument.network.name() {
        "AMEX" => "amex",
        "DINERS" => "dinersclub",
        "DISCOVER" => "discover",
        "JCB" => "jcb",
        "MASTERCARD" | "MAESTRO" => "mastercard",
        "VISA" | "VISA_ELECTRON" | "VISA_VPAY" => "visa",
        _ => return None,
    })
}

/// An instrument with its details, in the words of Stax.
fn write_method(out: &mut Writer<'_>, caller: &Caller, instrument: &Instrument, details: &Details) {
    let own = Own::read(details.extra());
    Shown { caller, instrument, name: details.name(), meta: details.metadata(), own: &own }.write(out);
}

/// A payment method with its customer.
fn whole_method(caller: &Caller, id: &str) -> Result<Option<String>> {
    let (instrument, details) = match caller.vault.details(id.as_bytes()) {
        Ok(found) => found,
        Err(error) if error.code() == Code::Token => return Ok(None),
        Err(error) => return Err(error),
    };
    let customer = customer_of(&caller.vault, &instrument.customer)?;
    Ok(Some(json::object(|out| {
        write_method(out, caller, &instrument, &details);
        match &customer {
            Some(customer) => out.object("customer", |out| write_customer(out, customer)),
            None => out.null("customer"),
        }
    })))
}

fn get(caller: &Caller, id: &str) -> Result<Response> {
    Ok(whole_method(caller, id)?.map_or_else(no_such_id, |body| Response::json(200, body)))
}

fn list(call: &Call<'_>, caller: &Caller) -> Result<Response> {
    let Some(page) = Page::of(call) else { return Ok(bad_page()) };
    let active = match call.target.parameter("status").flatten().as_deref() {
        None => Some(true),
        Some("all") => None,
        Some("deleted") => Some(false),
        Some(_) => {
            let mut faults = Faults::default();
            faults.add("status", "The selected {} is invalid.");
            return Ok(faults.response(422));
        }
    };
    let query = ListQuery { active, offset: page.offset(), limit: page.size, ..ListQuery::default() };
    let total = caller.vault.count(&query)?;
    let mut items = Vec::new();
    for (instrument, details) in
        caller.vault.list_details(&query)?.into_iter().filter(|(one, _)| !one.damaged)
    {
        let customer = customer_of(&caller.vault, &instrument.customer)?;
        items.push(json::object(|out| {
            write_method(out, caller, &instrument, &details);
            match &customer {
                Some(customer) => out.object("customer", |out| write_customer(out, customer)),
                None => out.null("customer"),
            }
        }));
    }
    Ok(Response::json(200, page.body(call, total, &items)))
}

fn list_of_customer(caller: &Caller, id: &str) -> Result<Response> {
    let Some(customer) = customer_of(&caller.vault, id)? else { return Ok(no_such_id()) };
    let active = Some(true);
    let query = ListQuery { customer: Some(&customer.id), active, limit: LIST_MAX, ..ListQuery::default() };
    let mut found = caller.vault.list_details(&query)?;
    found.retain(|(instrument, _)| !instrument.damaged);
    found.sort_by_key(|(instrument, _)| std::cmp::Reverse(instrument.made));
    let body = json::array(found, |out, (instrument, details)| {
        write_method(out, caller, &instrument, &details);
        out.object("customer", |out| write_customer(out, &customer));
    });
    Ok(Response::json(200, body))
}

fn count_of(vault: &Vault, customer: &str) -> Result<u64> {
    vault.count(&ListQuery { customer: Some(customer), active: Some(true), ..ListQuery::default() })
}

fn update(call: &Call<'_>, caller: &Caller, id: &str) -> Result<Response> {
    let Some(body) = call.json().and_then(Value::object) else { return Ok(unreadable()) };
    let mut faults = Faults::default();
    let flags = Flags::of(&body, &mut faults);
    let texts = texts_of(&body, &ADDRESS, &mut faults);
    let meta = meta_of(&body, &mut faults);
    let (person, expiry) = (Field::of(&body, "person_name"), Field::of(&body, "card_exp"));
    for (name, field) in [("person_name", &person), ("card_exp", &expiry)] {
        if field.is_wrong() {
            faults.not_a_string(name);
        }
    }
    if body.get("deleted_at").is_some_and(|deleted| !deleted.is_null()) {
        faults.add("deleted_at", "The {} may only be null.");
    }
    if ["card_number", "card_cvv"].iter().any(|name| body.get(name).is_some()) {
        faults.add("card_number", "The {} cannot be changed.");
    }
    if !faults.is_empty() {
        return Ok(faults.response(400));
    }
    let name = words(&[person.as_str()]);
    let renamed = person.is_filled();
    let date = expiry.is_filled().then(|| expiry_of(expiry.as_bytes()));
    if let Some(refusal) = refused_change(call.now, renamed.then_some(name.as_ref()), date) {
        return Ok(refusal);
    }
    let reactivates = body.get("deleted_at").is_some();
    let changed = caller.vault.amend(id.as_bytes(), |_, details| {
        let mut own = Own::read(details.extra());
        own.is_default = flags.is_default.unwrap_or(own.is_default);
        own.updated_at = call.now;
        own.texts.extend(texts.clone());
        let change = Change {
            expiry: date.and_then(|date| date.ok()),
            name: renamed.then_some(text_of(name.as_ref())),
            metadata: body.get("meta").map(|_| meta),
            ..Change::default()
        };
        let active = reactivates.then_some(true);
        Ok(Amendment { change, active, extra: Some(own.write(details.extra())?.into()) })
    });
    match changed {
        Ok(_) => get(caller, id),
        Err(error) if error.code() == Code::Token => Ok(no_such_id()),
        Err(error) if error.code() == Code::Card => Ok(bad_meta()),
        Err(error) => Err(error),
    }
}

/// Why a new name or expiry cannot be taken. Judged as a card's, whose number is beside the point.
fn refused_change(
    now: i64,
    name: Option<Option<&Name>>,
    date: Option<Result<Expiry, Code>>,
) -> Option<Response> {
    let expiry = date.and_then(|date| date.ok());
    let judged = Judged::new(&CardInput {
        expiry: expiry.map(|date| (i32::from(date.month()), i32::from(date.year()))),
        name: name.flatten().map(Name::as_bytes),
        rules: Rules { name_max: NAME_MAX, ..Rules::default() },
        ..CardInput::new(b"4242424242424242", now)
    });
    let fault = name.and_then(|name| name_fault(name, &judged));
    let verdict = Verdict { date: date.and_then(Result::err), name: fault, judged: &judged };
    (!verdict.is_fine()).then(|| verdict.response())
}

fn delete(call: &Call<'_>, caller: &Caller, id: &str) -> Result<Response> {
    let deleted = caller.vault.amend(id.as_bytes(), |instrument, details| {
        let mut own = Own::read(details.extra());
        if instrument.active {
            (own.deleted_at, own.updated_at) = (call.now, call.now);
        }
        let extra = Some(own.write(details.extra())?.into());
        Ok(Amendment { active: Some(false), extra, ..Amendment::default() })
    });
    match deleted {
        Ok(_) => get(caller, id),
        Err(error) if error.code() == Code::Token => Ok(no_such_id()),
        Err(error) => Err(error),
    }
}

/// A part of a long list.
struct Page {
    number: usize,
    size: usize,
}

impl Page {
    fn of(call: &Call<'_>) -> Option<Page> {
        let size = call.target.number("perPage", 20, 1..=200)?;
        let number = call.target.number("page", 1, 1..=1 + OFFSET_MAX / size)?;
        Some(Page { number, size })
    }

    fn offset(&self) -> usize {
        (self.number - 1) * self.size
    }

    fn body(&self, call: &Call<'_>, total: u64, items: &[String]) -> String {
        let path = format!("{}{}", call.request.base, call.target.path());
        let url = |page: u64| format!("{path}?page={page}");
        let last = total.div_ceil(self.size as u64).max(1);
        let (number, offset) = (self.number as u64, self.offset() as u64);
        json::object(|out| {
            out.number("current_page", number);
            out.raw("data", &format!("[{}]", items.join(",")));
            out.text("first_page_url", &url(1));
            match items.len() as u64 {
                0 => out.null("from"),
                _ => out.number("from", offset + 1),
            }
            out.number("last_page", last);
            out.text("last_page_url", &url(last));
            out.maybe("next_page_url", (number < last).then(|| url(number + 1)).as_deref());
            out.text("path", &path);
            out.text("per_page", &self.size.to_string());
            out.maybe("prev_page_url", (number > 1).then(|| url(number - 1)).as_deref());
            match items.len() as u64 {
                0 => out.null("to"),
                some => out.number("to", offset + some),
            }
            out.number("total", total);
        })
    }
}

/// A customer that Stax knows: one of its own, with a UUID.
fn customer_of(vault: &Vault, id: &str) -> Result<Option<Customer>> {
    match ids::as_uuid(id) {
        Some(id) => vault.customer(&id),
        None => Ok(None),
    }
}

fn write_customer(out: &mut Writer<'_>, customer: &Customer) {
    let own = json::parse(notes::own(customer.data.as_bytes(), PROVIDER.name).as_bytes());
    let own = own.and_then(Value::object);
    let raw = |name: &str| own.as_ref().and_then(|own| own.get(name)).map_or("null", Value::raw);
    out.text("id", &customer.id);
    for (name, _) in CUSTOMER {
        out.raw(name, raw(name));
    }
    for (name, value) in [
        ("cc_emails", "null"),
        ("cc_sms", "null"),
        ("notes", raw("notes")),
        ("options", "null"),
        ("allow_invoice_credit_card_payments", "true"),
        ("gravatar", "false"),
    ] {
        out.raw(name, value);
    }
    out.text("created_at", &date::sql(customer.created_at));
    out.text("updated_at", &date::sql(customer.updated_at));
    out.maybe("deleted_at", (customer.deleted_at != 0).then(|| date::sql(customer.deleted_at)).as_deref());
}

fn customer_body(customer: &Customer) -> Response {
    Response::json(200, json::object(|out| write_customer(out, customer)))
}

/// The fields of a customer that were given, over those that were there, as JSON.
fn customer_json(before: &str, texts: &Texts) -> String {
    let before = json::parse(before.as_bytes()).and_then(Value::object);
    json::object(|out| {
        for (quoted, value) in before.iter().flat_map(Object::iter) {
            if !texts.keys().any(|name| json::same(quoted, name)) {
                out.member(quoted, value);
            }
        }
        for (name, text) in texts {
            out.raw(name, text);
        }
    })
}

fn customer_texts(body: &Object<'_>, faults: &mut Faults) -> Texts {
    let mut texts = texts_of(body, &CUSTOMER, faults);
    texts.extend(texts_of(body, &[("notes", 1000)], faults));
    texts
}

fn create_customer(call: &Call<'_>, caller: &Caller) -> Result<Response> {
    const NAMES: [&str; 4] = ["firstname", "lastname", "email", "company"];
    let Some(body) = call.json().and_then(Value::object) else { return Ok(unreadable()) };
    let mut faults = Faults::default();
    let texts = customer_texts(&body, &mut faults);
    let named = |name: &str| texts.get(name).is_some_and(|text| !matches!(text.as_str(), "null" | "\"\""));
    if faults.is_empty() && !NAMES.iter().any(|name| named(name)) {
        for name in NAMES {
            let others: Vec<&str> = NAMES.into_iter().filter(|other| *other != name).collect();
            let others = others.join(" / ");
            faults.add(name, &format!("The {{}} field is required when none of {others} are present."));
        }
    }
    if !faults.is_empty() {
        return Ok(faults.response(422));
    }
    let data = notes::with_own(b"", PROVIDER.name, &customer_json("{}", &texts))?;
    match caller.vault.create_customer(&ids::uuid()?, "", &data) {
        Ok(made) => Ok(customer_body(&made)),
        Err(error) if matches!(error.code(), Code::Limit | Code::Card) => Ok(unkeepable()),
        Err(error) => Err(error),
    }
}

fn get_customer(caller: &Caller, id: &str) -> Result<Response> {
    let found = customer_of(&caller.vault, id)?;
    Ok(found.map_or_else(|| no_customer(404), |found| customer_body(&found)))
}

fn update_customer(call: &Call<'_>, caller: &Caller, id: &str) -> Result<Response> {
    let Some(body) = call.json().and_then(Value::object) else { return Ok(unreadable()) };
    let mut faults = Faults::default();
    let texts = customer_texts(&body, &mut faults);
    if !faults.is_empty() {
        return Ok(faults.response(422));
    }
    let Some(id) = ids::as_uuid(id) else { return Ok(no_customer(404)) };
    let changed = caller.vault.update_customer(&id, |data| {
        let own = customer_json(notes::own(data.as_bytes(), PROVIDER.name), &texts);
        notes::with_own(data.as_bytes(), PROVIDER.name, &own)
    });
    match changed {
        Ok(changed) => Ok(customer_body(&changed)),
        Err(error) if error.code() == Code::Token => Ok(no_customer(404)),
        Err(error) if matches!(error.code(), Code::Limit | Code::Card) => Ok(unkeepable()),
        Err(error) => Err(error),
    }
}

fn delete_customer(caller: &Caller, id: &str) -> Result<Response> {
    let Some(id) = ids::as_uuid(id) else { return Ok(no_customer(422)) };
    match caller.vault.mark_customer_deleted(&id, true) {
        Ok(deleted) => Ok(customer_body(&deleted)),
        Err(error) if error.code() == Code::Token => Ok(no_customer(422)),
        Err(error) => Err(error),
    }
}

fn list_customers(call: &Call<'_>, caller: &Caller) -> Result<Response> {
    let Some(page) = Page::of(call) else { return Ok(bad_page()) };
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let some = caller.vault.customers(&after, LIST_MAX)?;
        let Some(last) = some.last() else { break };
        after = last.id.to_string();
        let more = some.len() == LIST_MAX && all.len() < OFFSET_MAX;
        all.extend(
            some.into_iter()
                .filter(|one| !one.damaged && one.deleted_at == 0 && ids::as_uuid(&one.id).is_some()),
        );
        if !more {
            break;
        }
    }
    all.sort_by_key(|customer| std::cmp::Reverse(customer.created_at));
    let shown = all.iter().skip(page.offset()).take(page.size);
    let items: Vec<String> =
        shown.map(|customer| json::object(|out| write_customer(out, customer))).collect();
    Ok(Response::json(200, page.body(call, all.len() as u64, &items)))
}

fn unauthorized(denied: Denied) -> Response {
    let body = match denied {
        Denied::Absent => "token_not_provided",
        Denied::Expired => "token_expired",
        Denied::Invalid | Denied::NotAuthorized => "invalid_token",
    };
    let body = json::object(|out| out.text("error", body));
    Response::json(401, body).with("WWW-Authenticate", "Bearer")
}

fn no_such_id() -> Response {
    Response::json(422, r#"{"id":["The selected id is invalid."]}"#.to_owned())
}

fn no_customer(status: u16) -> Response {
    Response::json(status, r#"{"id":"customer not found"}"#.to_owned())
}

fn bad_meta() -> Response {
    Response::json(400, r#"{"meta":["The meta format is invalid."]}"#.to_owned())
}

fn bad_page() -> Response {
    Response::json(422, r#"{"page":["The page is invalid."]}"#.to_owned())
}

/// What was given is too much in all, or a card number reads across it.
fn unkeepable() -> Response {
    Response::json(422, r#"{"error":["The customer cannot be stored."]}"#.to_owned())
}

/// A body that is no JSON object, or is too long.
fn unreadable() -> Response {
    error(400, "The request body must be a JSON object.")
}

fn error(status: u16, text: &str) -> Response {
    Response::json(status, json::object(|out| out.raw("error", &format!("[{}]", json::quoted(text)))))
}

fn not_allowed(allowed: &str) -> Response {
    error(405, "method_not_allowed").with("Allow", allowed)
}

fn failed(status: u16) -> Response {
    match status {
        429 => error(429, "too_many_requests"),
        _ => error(500, "internal_error"),
    }
}
