//! A session on a PostgreSQL server that writes: what the URL says, TLS, and the session's settings.

use super::client::{Client, Peer, Unreached};
use super::fault::{self, Remedy};
use super::tls::{self, Trust};
use crate::error::{Code, Error, Result};
use percent_encoding::percent_decode_str;
use postgres::Config;
use postgres::config::{SslMode, TargetSessionAttrs};
use std::borrow::Cow;
use std::time::Duration;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a server may keep silent about what was sent to it before the connection counts as dead.
const SILENCE: Duration = Duration::from_secs(15);
/// After so much idleness the connection is probed.
const IDLE: Duration = Duration::from_secs(30);
/// What the client assumes where the URL says nothing about it.
const CLIENTS_OWN_IDLE: Duration = Duration::from_secs(2 * 60 * 60);
/// A backstop for statements: what is slow without waiting for a lock.
const SLOW: Duration = Duration::from_secs(60);

/// How long to wait for an answer, at least and at most, before the server may be one that has stopped where it stands.
const ANSWER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Where a vault is and how to get there: a URL that was understood.
pub struct Target {
    /// In the order in which they are tried.
    peers: Vec<Peer>,
    settings: String,
}

impl Target {
    /// Understands `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?NAME=VALUE&...` (or `postgresql://`).
    ///
    /// The names are those of the crate `postgres`, which are libpq's, and `sslmode` and `sslrootcert` as libpq has
    /// them: `disable`, `prefer` (the default without `sslrootcert`), `require` (with `sslrootcert` the same as
    /// `verify-ca`), `verify-ca`, `verify-full` (the default with `sslrootcert`). `sslrootcert` is a file of PEM
    /// certificates or `system`, which is also what `verify-ca` and `verify-full` do without it. The hosts are tried in
    /// their order until one takes writes.
    ///
    /// `patience` bounds each wait for a lock, and the attempts to reach a host where the URL's `connect_timeout` does
    /// not. `Argument` for a URL that is not of this form.
    pub fn parse(url: &str, patience: Duration) -> Result<Target> {
        let (rest, own) = take_own_parameters(url)?;
        let (mode, trust) = own.mode()?;
        let tls = MakeRustlsConnect::new(tls::settings(trust, own.roots.as_deref())?);
        let urls = one_host_each(&rest);
        let [least, most] = ANSWER;
        let share = (patience / urls.len() as u32).clamp(least, most);
        let peer = |url: &String| {
            let mut config: Config = url.parse().map_err(|_| Code::Argument)?;
            config.ssl_mode(mode);
            let hosts = config.get_hosts().len().max(config.get_hostaddrs().len()) as u32;
            let limit = config.get_connect_timeout().copied().unwrap_or(share) * hosts;
            complete(&mut config, share)?;
            Ok(Peer { config, tls: tls.clone(), limit, patience: patience.clamp(least, most) })
        };
        let peers = urls.iter().map(peer).collect::<Result<_>>()?;
        Ok(Target { peers, settings: session_settings(patience) })
    }

    /// Tries each host once. `Store` with errno or SQLSTATE, `Busy` where the server has no connection left.
    pub fn connect(&self) -> Result<Client> {
        self.attempt().map_err(|unreached| unreached.into_error())
    }

    /// [`Target::connect`], with the failure of the last host as it came.
    pub fn attempt(&self) -> Result<Client, Unreached> {
        let mut unreached = Unreached::Silent;
        for peer in &self.peers {
            match peer.clone().connect() {
                Ok(mut client) => {
                    client.batch_execute(&self.settings).map_err(Unreached::Refused)?;
                    return Ok(client);
                }
                Err(other) => unreached = other,
            }
        }
        Err(unreached)
    }
}

impl Unreached {
    /// Whether waiting may mend it.
    pub fn may_pass(&self) -> bool {
        match self {
            Unreached::Refused(error) => fault::remedy(error) == Remedy::Reconnect,
            Unreached::Silent => true,
        }
    }

    /// The failure in the library's words.
    pub fn into_error(self) -> Error {
        match self {
            Unreached::Refused(error) => fault::failed(error),
            // As the client says it of an address that does not answer.
            Unreached::Silent => Error::system(Code::Store, fault::pack("08001")),
        }
    }
}

/// The URL once for each of its hosts, so that one that is silent takes no more than its share of the time. Hosts that
/// stand among the parameters are left together.
fn one_host_each(url: &str) -> Vec<String> {
    let credentials = url.find("://").map_or(0, |at| at + "://".len());
    let begin = url[credentials..].find('@').map_or(credentials, |at| credentials + at + 1);
    let end = url[begin..].find(['/', '?']).map_or(url.len(), |at| begin + at);
    let parameters = url[end..].split_once('?').map_or("", |(_, parameters)| parameters);
    let about_hosts = ["host=", "hostaddr=", "port=", "load_balance_hosts="];
    if parameters.split('&').any(|own| about_hosts.iter().any(|name| own.starts_with(name))) {
        return vec![url.to_owned()];
    }
    url[begin..end].split(',').map(|host| format!("{}{host}{}", &url[..begin], &url[end..])).collect()
}

/// What the URL leaves open, and what a vault does not leave to it. A name may have two addresses, which have `share`
/// between them.
fn complete(config: &mut Config, share: Duration) -> Result<()> {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(Code::Argument.into());
    }
    if config.get_target_session_attrs() == TargetSessionAttrs::ReadOnly {
        return Err(Code::Argument.into());
    }
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    if config.get_application_name().is_none() {
        config.application_name("panseal");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(share / 2);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE);
    }
    if config.get_keepalives_idle() == CLIENTS_OWN_IDLE {
        config.keepalives_idle(IDLE).keepalives_interval(SILENCE / 3).keepalives_retries(3);
    }
    Ok(())
}

/// An acknowledged row is on disk, there and where the server's own setting says so on its standbys: the setting is
/// only ever made stricter. So is the isolation level: who has waited for a card's lock must see what its holder did,
/// or be told to begin again, and 'repeatable read' does neither. No wait for a lock is longer than `patience` (0 would
/// mean for ever), and a transaction whose client went silent does not hold its locks for long.
fn session_settings(patience: Duration) -> String {
    let lock = patience.as_millis().clamp(1, i32::MAX as u128);
    let statement = (patience + SLOW).as_millis().clamp(1, i32::MAX as u128);
    format!(
        "select set_config('synchronous_commit', 'on', false) \
             where current_setting('synchronous_commit') not in ('on', 'remote_apply'); \
         select set_config('default_transaction_isolation', 'serializable', false) \
             where current_setting('default_transaction_isolation') = 'repeatable read'; \
         set lock_timeout = {lock}; set statement_timeout = {statement}; \
         set idle_in_transaction_session_timeout = {}; set client_min_messages = warning",
        SLOW.as_millis()
    )
}

/// The parameters that the crate `postgres` does not know, or not all values of.
#[derive(Default)]
struct Own<'a> {
    mode: Option<Cow<'a, str>>,
    roots: Option<Cow<'a, str>>,
}

impl Own<'_> {
    fn mode(&self) -> Result<(SslMode, Trust)> {
        match (self.mode.as_deref(), self.roots.is_some()) {
            (Some("disable"), false) => Ok((SslMode::Disable, Trust::Anybody)),
            (Some("prefer") | None, false) => Ok((SslMode::Prefer, Trust::Anybody)),
            (Some("require"), false) => Ok((SslMode::Require, Trust::Anybody)),
            (Some("require"), true) | (Some("verify-ca"), _) => Ok((SslMode::Require, Trust::Authority)),
            (Some("verify-full"), _) | (None, true) => Ok((SslMode::Require, Trust::Host)),
            _ => Err(Code::Argument.into()),
        }
    }
}

/// Splits them off. As the crate reads a URL, the parameters begin at the first `?` after the credentials.
fn take_own_parameters(url: &str) -> Result<(String, Own<'_>)> {
    let scheme = ["postgres://", "postgresql://"].into_iter().find(|scheme| url.starts_with(scheme));
    let begin = scheme.ok_or(Code::Argument)?.len();
    let hosts = url[begin..].find('@').map_or(begin, |at| begin + at + 1);
    let Some(question) = url[hosts..].find('?').map(|at| hosts + at) else {
        return Ok((url.to_owned(), Own::default()));
    };
    let mut own = Own::default();
    let mut others = Vec::new();
    for parameter in url[question + 1..].split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').ok_or(Code::Argument)?;
        let place = match name {
            "sslmode" => &mut own.mode,
            "sslrootcert" => &mut own.roots,
            _ => {
                others.push(parameter);
                continue;
            }
        };
        *place = Some(percent_decode_str(value).decode_utf8().map_err(|_| Code::Argument)?);
    }
    Ok((format!("{}?{}", &url[..question], others.join("&")), own))
}
