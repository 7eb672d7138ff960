//! A session on a PostgreSQL server that writes: what the URL says, TLS, and the session's settings.

use super::fault;
use super::tls::{self, Trust};
use crate::error::{Code, Result};
use percent_encoding::percent_decode_str;
use postgres::config::{SslMode, TargetSessionAttrs};
use postgres::{Client, Config};
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

/// Where a vault is and how to get there: a URL that was understood.
pub struct Target {
    config: Config,
    tls: MakeRustlsConnect,
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
    /// `patience` bounds each attempt to reach an address and each wait for a lock. `Argument` for a URL that is not of
    /// this form.
    pub fn parse(url: &str, patience: Duration) -> Result<Target> {
        let (rest, own) = take_own_parameters(url)?;
        let mut config: Config = rest.parse().map_err(|_| Code::Argument)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(Code::Argument.into());
        }
        let (mode, trust) = own.mode()?;
        let tls = tls::settings(trust, own.roots.as_deref())?;
        config.ssl_mode(mode);
        complete(&mut config, patience)?;
        let settings = session_settings(patience);
        Ok(Target { config, tls: MakeRustlsConnect::new(tls), settings })
    }

    /// Tries each host once. `Store` with errno or SQLSTATE, `Busy` where the server has no connection left.
    pub fn connect(&self) -> Result<Client> {
        self.attempt().map_err(fault::failed)
    }

    /// [`Target::connect`], with the failure as the client tells it.
    pub fn attempt(&self) -> Result<Client, postgres::Error> {
        let mut client = self.config.connect(self.tls.clone())?;
        client.batch_execute(&self.settings)?;
        Ok(client)
    }
}

/// What the URL leaves open, and what a vault does not leave to it.
fn complete(config: &mut Config, patience: Duration) -> Result<()> {
    if config.get_target_session_attrs() == TargetSessionAttrs::ReadOnly {
        return Err(Code::Argument.into());
    }
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    if config.get_application_name().is_none() {
        config.application_name("panseal");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(patience.max(Duration::from_millis(1)));
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
