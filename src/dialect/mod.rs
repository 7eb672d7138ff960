//! Dialects: the card-tokenization APIs of four providers, in-process. A request in, a response out; the only I/O is
//! the vault's.
//!
//! Code that was written against one of these APIs can tokenize through panseal: [`handle`] parses what it sends, asks
//! the vault, and answers with the provider's own bodies and statuses. What the providers' pages leave open is in
//! `docs/dialects.md`, a table for each.
//!
//! | name | provider | operations |
//! |---|---|---|
//! | `sumup` | SumUp | customers; payment instruments: create, list, deactivate |
//! | `stax` | Stax | payment methods: create, get, list, update, delete, reactivate; customers |
//! | `pace` | PACE | payment methods: register a card token, get, list, alias, delete |
//! | `webpay` | Monri WebPay | tokens: create; customers, payment-method lists |
//!
//! A caller is known by a [credential](crate::vault::Grant) that it presents, which also says whose merchant's it is.
//! Or the host has authenticated it already, and says so in the request: [`Trusted`].
//!
//! ```
//! use panseal::dialect::{Request, Trusted, handle};
//! use panseal::keys::Root;
//! use panseal::vault::{OpenOptions, Vault};
//!
//! # let folder = tempfile::tempdir()?;
//! # std::env::set_current_dir(&folder)?;
//! # Root::create("file:cards.root")?;
//! let vault = Vault::open(&OpenOptions::new("memory:", Root::parse("file:cards.root")?))?;
//! let request = Request {
//!     method: "POST",
//!     target: "/v2/tokens",
//!     body: br#"{"type":"card","card":{"pan":"4242424242424242","expiration_date":"4912"}}"#,
//!     trusted: Some(Trusted::default()),
//!     ..Request::default()
//! };
//! let response = handle(&vault, "webpay", &request)?;
//! assert_eq!(response.status, 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod date;
mod field;
mod http;
mod ids;
mod json;
mod notes;
mod pace;
mod stax;
mod sumup;
mod webpay;

use crate::error::{Code, Error, Result};
use crate::vault::{self, Vault};
use http::{Head, Target};
use std::fmt;

/// The longest body that is read, in bytes. A longer one is refused unread, in the provider's own words.
pub const BODY_MAX: usize = 64 * 1024;
/// No reply is longer, header lines and body together, but those to `GET`, in bytes.
pub const REPLY_MAX: usize = 16 * 1024;
/// The longest [`Request::base`], in bytes.
pub const BASE_MAX: usize = 1024;

/// A request as it came in, all of it borrowed.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// The method: `POST`.
    pub method: &'a str,
    /// Path and query, as on the request line: `/v2/customers?limit=10`. Signatures are over exactly this.
    pub target: &'a str,
    /// The header lines, each `Name: value` and a line end.
    pub headers: &'a [u8],
    /// The body.
    pub body: &'a [u8],
    /// The time by which expiries and signatures are judged, in seconds since 1970 UTC; 0: the system clock.
    pub now: i64,
    /// The host has authenticated the caller itself, who acts for the handle's merchant. `None`: the caller presents a
    /// credential. Never fill this from anything the caller sends.
    pub trusted: Option<Trusted<'a>>,
    /// What stands before the target in URLs of replies: `https://pay.example.org`, or empty. Visible ASCII without
    /// quotation marks and backslashes, up to [`BASE_MAX`] bytes.
    pub base: &'a str,
    /// How this place is set up: `name=value` with a space between them, see [`dialects`].
    pub settings: &'a str,
}

/// Neither keys nor card numbers are for logs.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

/// A caller whom the host has authenticated. Every scope is theirs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trusted<'a> {
    /// The user on whose behalf, where the dialect has users; or empty.
    pub subject: &'a str,
}

/// A response, without a card number in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or empty.
    pub body: String,
    /// Why the vault failed, where that is what a status of 500 stands for: for the host, not for the caller.
    pub failure: Option<Error>,
}

impl Response {
    /// With a JSON body.
    fn json(status: u16, body: String) -> Response {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Response { status, headers, body, failure: None }
    }

    /// Without a body.
    fn empty(status: u16) -> Response {
        Response { status, headers: Vec::new(), body: String::new(), failure: None }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.push((name, value.into()));
        self
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A provider's wire format. Adding one is a file of its own and a line in [`PROVIDERS`].
struct Provider {
    name: &'static str,
    settings: &'static [Setting],
    /// Answers a request. What fails in the vault comes out as an error.
    answer: fn(&Call<'_>) -> Result<Response>,
    /// Says that the vault failed (500), or that the host's guard refused (429).
    failed: fn(u16) -> Response,
}

/// The name of a setting, and what a value of it looks like.
type Setting = (&'static str, fn(&str) -> bool);

static PROVIDERS: [Provider; 4] = [sumup::PROVIDER, stax::PROVIDER, pace::PROVIDER, webpay::PROVIDER];

/// The names of all dialects, each with the settings that it knows.
///
/// | dialect | setting | meaning |
/// |---|---|---|
/// | `sumup` | `max_instruments` | active payment instruments that a customer may have; 4 |
/// | `sumup` | `merchant_code` | new instruments have a mandate for recurring payments, with this code; none |
/// | `pace` | `merchant_name` | the name in `meta.merchantName`; none |
/// | `webpay` | `wp3_v2` | `on`: the older digest without the path is taken for `POST /v2/tokens`; off |
pub fn dialects() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let names = |provider: &Provider| provider.settings.iter().map(|(name, _)| *name).collect();
    PROVIDERS.iter().map(move |provider| (provider.name, names(provider)))
}

/// Answers a request as the provider would. Whatever the caller did wrong is a response; so is a failure of the vault,
/// which is then in [`Response::failure`] too.
///
/// One call, one effect: nothing is stored where the status is not 2xx.
///
/// # Errors
///
/// `Argument` for a dialect that is none, and for a base or settings that are not of their form.
pub fn handle(vault: &Vault, dialect: &str, request: &Request<'_>) -> Result<Response> {
    let provider = PROVIDERS.iter().find(|provider| provider.name == dialect).ok_or(Code::Argument)?;
    let call = Call {
        vault,
        dialect: provider.name,
        request,
        now: if request.now == 0 { vault::now() } else { request.now },
        head: Head::new(request.headers),
        target: Target::new(request.target),
    };
    call.check_settings(provider.settings)?;
    if !is_base(request.base) {
        return Err(Code::Argument.into());
    }
    Ok((provider.answer)(&call).unwrap_or_else(|error| {
        // A guard of the host's says no: the caller may come back later.
        if error.code() == Code::Callback {
            return (provider.failed)(429).with("Retry-After", "60");
        }
        Response { failure: Some(error), ..(provider.failed)(500) }
    }))
}

/// A request on its way through a dialect.
struct Call<'a> {
    vault: &'a Vault,
    dialect: &'static str,
    request: &'a Request<'a>,
    now: i64,
    head: Head<'a>,
    target: Target<'a>,
}

impl<'a> Call<'a> {
    /// The body as JSON; `None` where it is not, or too long.
    fn json(&self) -> Option<json::Value<'a>> {
        let body = self.request.body;
        if body.len() <= BODY_MAX { json::parse(body) } else { None }
    }

    fn setting(&self, name: &str) -> Option<&'a str> {
        settings(self.request.settings).flatten().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn check_settings(&self, known: &[Setting]) -> Result<()> {
        let is_known = |(name, value): (&str, &str)| {
            !value.is_empty() && known.iter().any(|(known, fits)| *known == name && fits(value))
        };
        let fine = settings(self.request.settings).all(|setting| setting.is_some_and(is_known));
        if fine { Ok(()) } else { Err(Code::Argument.into()) }
    }
}

/// It goes into headers and JSON as it is.
fn is_base(base: &str) -> bool {
    base.len() <= BASE_MAX
        && base.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

fn settings(text: &str) -> impl Iterator<Item = Option<(&str, &str)>> {
    text.split_ascii_whitespace().map(|setting| setting.split_once('='))
}
