//! PACE: payment methods of a user, by card tokens that were made elsewhere. JSON:API, `/pay/2020-4`.

use super::access::{Caller, Denied, bearer};
use super::field::{Field, is_keepable};
use super::http::{Header, media_ranges};
use super::json::{self, Object, Value, Writer};
use super::{Call, Provider, Response, ids, notes};
use crate::card::Network;
use crate::error::{Code, Result};
use crate::scheme::{TOKEN_MAX, Token};
use crate::vault::{Amendment, Claimed, Details, Instrument, ListQuery};

pub(super) const PROVIDER: Provider =
    Provider { name: "pace", settings: &[("merchant_name", |_| true)], answer, failed };

const MEDIA_TYPE: &str = "application/vnd.api+json";
/// The longest card token and alias that are looked at, in characters.
const TOKEN_TEXT_MAX: usize = 255;
const ALIAS_MAX: usize = 100;
/// The most methods of a user.
const LIST_MAX: usize = 1000;

/// What a request is about.
enum Route<'p> {
    Register,
    All,
    One(&'p str),
}

fn answer(call: &Call<'_>) -> Result<Response> {
    let segments = call.target.segments().unwrap_or_default();
    let path: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
    // The version may stand before it: the host decides where the dialect is mounted.
    let path = match &path[..] {
        ["pay", version, rest @ ..] if is_version(version) => rest,
        rest => rest,
    };
    let (route, scope) = match (path, call.request.method) {
        (["payment-methods", "creditcard"], "POST") => (Route::Register, "create"),
        (["payment-methods", "creditcard"], _) => return not_allowed("POST"),
        (["payment-methods"], "GET") => (Route::All, "read"),
        (["payment-methods"], "DELETE") => (Route::All, "delete"),
        (["payment-methods"], _) => return not_allowed("GET, DELETE"),
        (["payment-methods", id], "GET") => (Route::One(id), "read"),
        (["payment-methods", id], "PATCH") => (Route::One(id), "patch"),
        (["payment-methods", id], "DELETE") => (Route::One(id), "delete"),
        (["payment-methods", _], _) => return not_allowed("GET, PATCH, DELETE"),
        _ => return Fault::new(404, "Resource not found").response(),
    };
    let caller = match bearer(call)? {
        Ok(caller) => caller,
        Err(denied) => return unauthorized(denied),
    };
    let scope = format!("pay:payment-methods:{scope}");
    if !caller.allows(&scope) {
        return Fault::titled(403, format!("Forbidden - requires scope \"{scope}\"")).response();
    }
    if caller.subject.is_empty() {
        return no_linked_identity();
    }
    if let Some(fault) = refuse_media(call) {
        return fault.response();
    }
    match (route, call.request.method) {
        (Route::Register, _) => register(call, &caller),
        (Route::All, "GET") => list(call, &caller),
        (Route::All, _) => delete_all(&caller),
        (Route::One(id), "GET") => get(call, &caller, id),
        (Route::One(id), "PATCH") => patch(call, &caller, id),
        (Route::One(id), _) => delete(&caller, id),
    }
}

/// `2020-4`. It comes back in `Location`, so it is nothing else.
fn is_version(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = text.split_once('-').filter(|(year, part)| year.len() == 4 && (1..=2).contains(&part.len()));
    parts.is_some_and(|(year, part)| digits(year) && digits(part))
}

/// 406 and 415: what may be answered with, and what was sent.
fn refuse_media(call: &Call<'_>) -> Option<Fault> {
    let takes = |range: String| matches!(range.as_str(), "*/*" | "application/*" | MEDIA_TYPE);
    let accepted = match call.head.one("Accept") {
        Header::Absent => true,
        Header::One(ranges) => media_ranges(ranges).any(takes),
        Header::Odd => false,
    };
    let needs = |header| format!("Request needs a \"{header}\" header with value \"{MEDIA_TYPE}\"");
    if !accepted {
        return Some(Fault::titled(406, needs("Accept")));
    }
    let has_body = matches!(call.request.method, "POST" | "PATCH");
    let sent =
        matches!(call.head.one("Content-Type"), Header::One(sent) if sent.eq_ignore_ascii_case(MEDIA_TYPE));
    (has_body && !sent).then(|| Fault::titled(415, needs("Content-Type")))
}

fn register(call: &Call<'_>, caller: &Caller) -> Result<Response> {
    let Some(body) = call.json() else { return unreadable() };
    let wanted = match Wanted::of(body) {
        Ok(wanted) => wanted,
        Err(faults) => return Fault::response_of(faults),
    };
    let id = match wanted.id {
        Some(id) => id,
        None => ids::uuid()?,
    };
    let vault = &caller.vault;
    // An expired card is refused before it becomes anybody's.
    match vault.lookup(wanted.token.as_str().as_bytes()) {
        Ok(found) if !matches!(&*found.customer, "") && *found.customer != caller.subject => {
            return invalid_token();
        }
        Ok(found) if !is_usable(call, &found) => return not_usable(),
        Ok(_) => {}
        Err(error) if error.code() == Code::Token => return invalid_token(),
        Err(error) => return Err(error),
    }
    let mark = |extra: &[u8]| {
        let own = json::object(|out| out.text("id", &id));
        notes::with_own(extra, PROVIDER.name, &own).map(String::into_bytes)
    };
    match vault.claim(wanted.token.as_str().as_bytes(), &caller.subject, &id, &id_in, &mark) {
        Ok(Claimed::Fresh(made)) => {
            let body = document(|out| write_method(out, call, &made, &id, None));
            Ok(jsonapi(201, body).with("Location", url_of(call, &id)))
        }
        Ok(Claimed::Known(_, details)) => {
            let known = id_in(details.extra()).ok_or(Code::Internal)?;
            Ok(Response::empty(303).with("Location", url_of(call, &known)))
        }
        Err(error) => match error.code() {
            Code::Token => invalid_token(),
            Code::Inactive => not_usable(),
            Code::Conflict => Fault::new(409, "Conflict")
                .detailed("this id belongs to another payment method")
                .at("/data/id")
                .response(),
            _ => Err(error),
        },
    }
}

fn is_usable(call: &Call<'_>, instrument: &Instrument) -> bool {
    instrument.active && instrument.expiry.is_none_or(|expiry| !expiry.is_expired(call.now))
}

/// What a registration asks for.
struct Wanted {
    id: Option<String>,
    token: Token,
}

impl Wanted {
    fn of(body: Value<'_>) -> Result<Wanted, Vec<Fault>> {
        let data = body.object().and_then(|body| body.get("data")).and_then(Value::object);
        let Some(data) = data else { return Err(vec![invalid("Data", "non zero value required", "/data")]) };
        let mut faults = Vec::new();
        let kind = Field::of(&data, "type");
        if kind.is_filled() && kind.as_str() != "paymentMethod" {
            let fault = Fault::new(409, "Conflict").detailed("type must be \"paymentMethod\"");
            return Err(vec![fault.at("/data/type")]);
        }
        if !kind.is_filled() {
            faults.push(invalid("Type", "non zero value required", "/data/type"));
        }
        let id = Field::of(&data, "id");
        let uuid = ids::as_uuid(id.as_str()).filter(|id| is_keepable(id, id.len()));
        if !id.is_absent() && uuid.is_none() {
            faults.push(invalid("Id", "does not validate as uuid", "/data/id"));
        }
        let Some(attributes) = data.get("attributes").and_then(Value::object) else {
            faults.push(invalid("Attributes", "non zero value required", "/data/attributes"));
            return Err(faults);
        };
        let token = Wanted::token(&attributes, &mut faults);
        match token {
            Some(token) if faults.is_empty() => Ok(Wanted { id: uuid, token }),
            _ => Err(faults),
        }
    }

    fn token(attributes: &Object<'_>, faults: &mut Vec<Fault>) -> Option<Token> {
        let kind = Field::of(attributes, "kind");
        let token = Field::of(attributes, "cardToken");
        match kind.as_str() {
            "creditcard" => {}
            "" => faults.push(invalid("Kind", "non zero value required", "/data/attributes/kind")),
            text => faults.extend(
                text_fault(text, TOKEN_TEXT_MAX, "/data/attributes/kind")
                    .or_else(|| Some(invalid("Kind", "must be \"creditcard\"", "/data/attributes/kind"))),
            ),
        }
        let at = "/data/attributes/cardToken";
        if !token.is_filled() {
            faults.push(invalid("CardToken", "non zero value required", at));
            return None;
        }
        if let Some(fault) = text_fault(token.as_str(), TOKEN_TEXT_MAX, at) {
            faults.push(fault);
            return None;
        }
        // A card number in this place is not carried any further.
        let keepable = is_keepable(token.as_str(), TOKEN_MAX);
        let parsed = Some(token.as_bytes()).filter(|_| keepable).and_then(|token| Token::parse(token).ok());
        if parsed.is_none() {
            faults.push(Fault::rejected("provider:invalid-content").at(at));
        }
        parsed
    }
}

/// `too-long` and `invalid-charset`, which a text can be whatever it means.
fn text_fault(text: &str, max: usize, at: &'static str) -> Option<Fault> {
    let latin = |char: char| matches!(char, ' '..='~' | '\u{a0}'..='\u{24f}');
    if text.chars().count() > max {
        return Some(Fault::new(422, "field is too long").coded("too-long").at(at));
    }
    (!text.chars().all(latin))
        .then(|| Fault::new(422, "charset of field is not latin").coded("invalid-charset").at(at))
}

fn id_in(extra: &[u8]) -> Option<String> {
    let own = json::parse(notes::own(extra, PROVIDER.name).as_bytes()).and_then(Value::object)?;
    Some(own.get("id")?.text()?.as_str().to_owned())
}

/// The alias, as JSON.
fn alias_in(extra: &[u8]) -> Option<&str> {
    let own = json::parse(notes::own(extra, PROVIDER.name).as_bytes()).and_then(Value::object)?;
    Some(own.get("alias")?.raw())
}

/// The caller's payment methods, the oldest first.
fn methods(caller: &Caller) -> Result<Vec<(Instrument, Details, String)>> {
    let query = ListQuery { customer: Some(&caller.subject), limit: LIST_MAX, ..ListQuery::default() };
    let found = caller.vault.list_details(&query)?.into_iter();
    let mut methods: Vec<_> = found
        .filter_map(|(instrument, details)| {
            let id = id_in(details.extra())?;
            instrument.active.then_some((instrument, details, id))
        })
        .collect();
    methods.sort_by_key(|(instrument, _, _)| instrument.made);
    Ok(methods)
}

fn method(caller: &Caller, id: &str) -> Result<Option<(Instrument, Details, String)>> {
    let Some(id) = ids::as_uuid(id) else { return Ok(None) };
    Ok(methods(caller)?.into_iter().find(|(_, _, known)| *known == id))
}

fn list(call: &Call<'_>, caller: &Caller) -> Result<Response> {
    if let Some(include) = call.target.parameter("include") {
        if !matches!(include.as_deref(), Some("creditCheck" | "paymentTokens")) {
            let fault = Fault::new(400, "Bad Request").detailed("include is creditCheck or paymentTokens");
            return fault.by("include").response();
        }
    }
    let found = methods(caller)?;
    let data = json::array(found, |out, (instrument, details, id)| {
        write_method(out, call, &instrument, &id, alias_in(details.extra()));
    });
    Ok(jsonapi(200, json::object(|out| out.raw("data", &data))))
}

fn get(call: &Call<'_>, caller: &Caller, id: &str) -> Result<Response> {
    match method(caller, id)? {
        Some((instrument, details, id)) => {
            let alias = alias_in(details.extra());
            Ok(jsonapi(200, document(|out| write_method(out, call, &instrument, &id, alias))))
        }
        None => not_found(),
    }
}

fn patch(call: &Call<'_>, caller: &Caller, id: &str) -> Result<Response> {
    let Some(body) = call.json() else { return unreadable() };
    let data = body.object().and_then(|body| body.get("data")).and_then(Value::object);
    let Some(data) = data else { return invalid("Data", "non zero value required", "/data").response() };
    let sent_id = Field::of(&data, "id");
    let (kind, other_id) = (
        Field::of(&data, "type"),
        !sent_id.is_absent() && ids::as_uuid(sent_id.as_str()) != ids::as_uuid(id),
    );
    if kind.as_str() != "paymentMethod" || other_id {
        let at = if other_id { "/data/id" } else { "/data/type" };
        return Fault::new(409, "Conflict")
            .detailed("type and id must be those of the payment method")
            .at(at)
            .response();
    }
    let at = "/data/attributes/alias";
    let attributes = data.get("attributes").and_then(Value::object);
    let Some(alias) = attributes.and_then(|attributes| attributes.get("alias")) else {
        return invalid("Alias", "non zero value required", at).response();
    };
    let text = alias.text();
    let Some(text) = text else { return invalid("Alias", "must be a string", at).response() };
    if let Some(fault) = text_fault(text.as_str(), ALIAS_MAX, at) {
        return fault.response();
    }
    if !is_keepable(text.as_str(), ALIAS_MAX) {
        return Fault::rejected("provider:invalid-content").at(at).response();
    }
    let Some((instrument, _, id)) = method(caller, id)? else { return not_found() };
    let changed = caller.vault.amend(instrument.token.as_str().as_bytes(), |_, details| {
        let own = json::object(|out| {
            out.text("id", &id);
            out.raw("alias", alias.raw());
        });
        let extra = notes::with_own(details.extra(), PROVIDER.name, &own)?;
        Ok(Amendment { extra: Some(extra.into()), ..Amendment::default() })
    })?;
    Ok(jsonapi(200, document(|out| write_method(out, call, &changed, &id, Some(alias.raw())))))
}

fn delete(caller: &Caller, id: &str) -> Result<Response> {
    match method(caller, id)? {
        Some((instrument, _, _)) => {
            caller.vault.delete(instrument.token.as_str().as_bytes())?;
            Ok(Response::empty(204))
        }
        None => not_found(),
    }
}

fn delete_all(caller: &Caller) -> Result<Response> {
    for (instrument, _, _) in methods(caller)? {
        caller.vault.delete(instrument.token.as_str().as_bytes())?;
    }
    Ok(Response::empty(204))
}

fn document(fill: impl FnOnce(&mut Writer<'_>)) -> String {
    json::object(|out| out.object("data", fill))
}

fn write_method(
    out: &mut Writer<'_>,
    call: &Call<'_>,
    instrument: &Instrument,
    id: &str,
    alias: Option<&str>,
) {
    out.text("type", "paymentMethod");
    out.text("id", id);
    out.object("attributes", |out| {
        out.text("kind", "creditcard");
        out.text("identificationString", &identification(instrument));
        out.boolean("twoFactor", false);
        out.boolean("implicit", false);
        if let Some(alias) = alias {
            out.raw("alias", alias);
        }
    });
    if let Some(name) = call.setting("merchant_name") {
        out.object("meta", |out| out.text("merchantName", name));
    }
}

/// `Mastercard **** **** **** 4135`: four groups whatever the length, which would say more.
fn identification(instrument: &Instrument) -> String {
    let brand = if instrument.network == Network::UNKNOWN { "Card" } else { instrument.network.title() };
    format!("{brand} **** **** **** {}", std::str::from_utf8(&instrument.last4).unwrap_or_default())
}

fn url_of(call: &Call<'_>, id: &str) -> String {
    let path = call.target.path();
    let before = path.find("/payment-methods").map_or("", |at| &path[..at]);
    format!("{}{before}/payment-methods/{id}", call.request.base)
}

fn jsonapi(status: u16, body: String) -> Response {
    let headers = vec![("Content-Type", MEDIA_TYPE.to_owned())];
    Response { status, headers, body, failure: None }
}

/// One member of `errors`.
struct Fault {
    status: u16,
    title: String,
    code: Option<&'static str>,
    detail: Option<&'static str>,
    pointer: Option<&'static str>,
    parameter: Option<&'static str>,
}

impl Fault {
    fn new(status: u16, title: &str) -> Fault {
        Fault::titled(status, title.to_owned())
    }

    fn titled(status: u16, title: String) -> Fault {
        Fault { status, title, code: None, detail: None, pointer: None, parameter: None }
    }

    fn rejected(code: &'static str) -> Fault {
        let text = "payment method rejected by provider";
        Fault::new(422, text).coded(code).detailed(text)
    }

    fn coded(self, code: &'static str) -> Fault {
        Fault { code: Some(code), ..self }
    }

    fn detailed(self, detail: &'static str) -> Fault {
        Fault { detail: Some(detail), ..self }
    }

    fn at(self, pointer: &'static str) -> Fault {
        Fault { pointer: Some(pointer), ..self }
    }

    fn by(self, parameter: &'static str) -> Fault {
        Fault { parameter: Some(parameter), ..self }
    }

    fn response(self) -> Result<Response> {
        Fault::response_of(vec![self])
    }

    fn response_of(faults: Vec<Fault>) -> Result<Response> {
        let status = faults.first().map_or(500, |fault| fault.status);
        let id = ids::request_id()?;
        let errors = json::array(faults, |out, fault| fault.write(out, &id));
        Ok(jsonapi(status, json::object(|out| out.raw("errors", &errors))))
    }

    fn write(&self, out: &mut Writer<'_>, id: &str) {
        out.text("id", id);
        out.text("status", &self.status.to_string());
        if let Some(code) = self.code {
            out.text("code", code);
        }
        out.text("title", &self.title);
        if let Some(detail) = self.detail {
            out.text("detail", detail);
        }
        if let Some(pointer) = self.pointer {
            out.object("source", |out| out.text("pointer", pointer));
        }
        if let Some(parameter) = self.parameter {
            out.object("source", |out| out.text("parameter", parameter));
        }
    }
}

/// A field that is not of its form, as PACE's framework says it.
fn invalid(field: &str, why: &'static str, at: &'static str) -> Fault {
    Fault::titled(422, format!("{field} is invalid")).detailed(why).at(at)
}

fn unreadable() -> Result<Response> {
    Fault::new(400, "can't parse content").detailed("the body is not a JSON document").response()
}

fn not_usable() -> Result<Response> {
    Fault::rejected("provider:card-not-usable").response()
}

/// One answer for a token that is unknown, malformed, another merchant's or another user's.
fn invalid_token() -> Result<Response> {
    Fault::rejected("provider:invalid-content").at("/data/attributes/cardToken").response()
}

fn unauthorized(denied: Denied) -> Result<Response> {
    let detail = match denied {
        Denied::Absent => "no access token was presented",
        Denied::Expired => "the access token has expired",
        Denied::Invalid | Denied::NotAuthorized => "the access token is invalid",
    };
    Ok(Fault::new(401, "Unauthorized").detailed(detail).response()?.with("WWW-Authenticate", "Bearer"))
}

fn no_linked_identity() -> Result<Response> {
    Fault::new(401, "Missing linked identity for authorized access")
        .coded("missing-linked-identity")
        .detailed(
            "Linked identity is needed to access this resource, \
             please check why the user does not have a linked identity",
        )
        .response()
}

fn not_found() -> Result<Response> {
    Fault::new(404, "Resource not found").response()
}

fn not_allowed(allowed: &str) -> Result<Response> {
    Ok(Fault::new(405, "Method not allowed").response()?.with("Allow", allowed))
}

fn failed(status: u16) -> Response {
    let title = if status == 429 { "Too Many Requests" } else { "internal Server Error" };
    Fault::new(status, title).response().unwrap_or_else(|_| jsonapi(status, "{\"errors\":[]}".to_owned()))
}
