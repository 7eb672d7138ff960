//! One session and its prepared statements, and what a failure on it means for the transaction.

use super::super::tenants::Tenants;
use super::super::{again, in_doubt};
use super::client::Client;
use super::fault::{self, Remedy};
use crate::error::{Code, Error, Result};
use crate::secret::reserve;
use postgres::types::private::BytesMut;
use postgres::types::{IsNull, ToSql, Type};
use postgres::{Row, SimpleQueryMessage, Statement};
use std::collections::HashMap;
use std::fmt;

/// Every statement leads from keys to rows, and its first plan is as good as any later one. One that was made while the
/// tables were all but empty would read them from end to end, and be kept until they have been analyzed: that is
/// forbidden, where the database knows how.
const SETTINGS: &str = "set search_path to panseal; \
    select set_config(name, case name when 'plan_cache_mode' then 'force_generic_plan' else 'off' end, false) \
    from pg_catalog.pg_settings \
    where name in ('enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'plan_cache_mode')";

/// The fence, and whether writers are to make way. Prepared by name, so that it can be run in one go with another
/// statement.
///
/// Who changes the keys takes the fence for itself at once: of two that shared it first and then both wanted it alone,
/// each would wait for the other.
const PREPARE_FENCE: &str = "
    prepare fence as
    select encode(vault, 'hex'), version,
        coalesce((select w.version from fence w where w.id = 2), 0) > (extract(epoch from now()) * 1000)::bigint
    from fence where id = 1 for share;
    prepare fence_alone as
    select encode(vault, 'hex'), version, false from fence where id = 1 for update";

/// A session on the server that writes.
pub struct Session {
    client: Client,
    statements: HashMap<Box<str>, Statement>,
    /// Whether the server knows how to take the fence.
    knows_fence: bool,
    broken: bool,
    /// The merchants' numbers, as this session knows them.
    pub tenants: Tenants,
}

impl Session {
    /// Over a new connection.
    pub fn new(mut client: Client) -> Result<Session> {
        let set = client.batch_execute(SETTINGS);
        let mut session = Session {
            client,
            statements: HashMap::new(),
            knows_fence: false,
            broken: false,
            tenants: Tenants::default(),
        };
        set.map_err(|error| session.failed(error))?;
        Ok(session)
    }

    /// Whether it is of no use any more.
    pub fn is_broken(&self) -> bool {
        self.broken || self.client.is_closed()
    }

    /// Whether that is because the server said nothing any more.
    pub fn is_silent(&self) -> bool {
        self.client.is_silent()
    }

    /// Sends statements without parameters.
    pub fn run(&mut self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).map_err(|error| self.failed(error))
    }

    /// Begins a transaction, takes the fence, `alone` or with others, and looks whether to make way, in one go; gives what
    /// it found as text.
    pub fn begin(&mut self, alone: bool) -> Result<Option<Vec<String>>> {
        if !self.knows_fence {
            self.run(PREPARE_FENCE)?;
            self.knows_fence = true;
        }
        self.tenants.begin();
        self.last_row(if alone { "begin; execute fence_alone" } else { "begin; execute fence" })
    }

    /// Begins a transaction where there is no fence yet, or it is of an older version.
    pub fn begin_without_fence(&mut self) -> Result<()> {
        self.tenants.begin();
        self.run("begin")
    }

    /// Sends statements without parameters in one go, and gives the fields of the last row as text.
    fn last_row(&mut self, sql: &str) -> Result<Option<Vec<String>>> {
        let messages = self.client.simple_query(sql).map_err(|error| self.failed(error))?;
        let row = messages.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(row.map(|row| (0..row.len()).map(|at| row.get(at).unwrap_or_default().into()).collect()))
    }

    /// A question that is answered by yes or no.
    pub fn ask(&mut self, sql: &str) -> Result<bool> {
        let row = self.client.query_one(sql, &[]).map_err(|error| self.failed(error))?;
        row.try_get(0).map_err(|_| Code::Tampered.into())
    }

    /// A number, where there is a row.
    pub fn number(&mut self, sql: &str) -> Result<Option<i32>> {
        let row = self.client.query_opt(sql, &[]).map_err(|error| self.failed(error))?;
        row.map(|row| row.try_get(0).map_err(|_| Code::Tampered.into())).transpose()
    }

    /// The rows of a statement that is prepared when it is first used.
    pub fn query(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let statement = self.prepared(sql)?;
        let values: Vec<Quiet> = values.iter().map(|value| Quiet(*value)).collect();
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        self.client.query(&statement, &values).map_err(|error| self.failed(error))
    }

    /// How many rows a statement changed that is prepared when it is first used.
    pub fn execute(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64> {
        let statement = self.prepared(sql)?;
        let values: Vec<Quiet> = values.iter().map(|value| Quiet(*value)).collect();
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        self.client.execute(&statement, &values).map_err(|error| self.failed(error))
    }

    /// Ends the transaction with its effects. In doubt, where the session is lost over it.
    pub fn commit(&mut self) -> Result<()> {
        if let Err(error) = reserve::check() {
            self.roll_back();
            return Err(error);
        }
        let committed = self.client.batch_execute("commit");
        if committed.is_ok() {
            self.tenants.commit()
        } else {
            self.tenants.end()
        }
        committed.map_err(|error| {
            let in_doubt_now = fault::unknown(&error);
            let failed = self.failed(error);
            if in_doubt_now {
                self.broken = true;
                in_doubt()
            } else {
                failed
            }
        })
    }

    /// Ends the transaction without its effects. Where that fails the session is of no use, and the server does it.
    pub fn roll_back(&mut self) {
        self.tenants.end();
        if !self.is_broken() && self.client.batch_execute("rollback").is_err() {
            self.broken = true;
        }
    }

    fn prepared(&mut self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).map_err(|error| self.failed(error))?;
        self.statements.insert(sql.into(), statement.clone());
        Ok(statement)
    }

    /// What another attempt mends is to be tried again.
    fn failed(&mut self, error: postgres::Error) -> Error {
        let remedy = fault::remedy(&error);
        self.broken |= remedy == Remedy::Reconnect;
        if remedy != Remedy::Nothing || fault::taken(&error) { again() } else { fault::failed(error) }
    }
}

/// A value that does not show itself: the client writes the values of every statement to the host's log, where that
/// asks for so much, and fingerprints are among them.
struct Quiet<'v>(&'v (dyn ToSql + Sync));

impl fmt::Debug for Quiet<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("_")
    }
}

impl ToSql for Quiet<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.0.to_sql_checked(kind, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.0.to_sql_checked(kind, out)
    }
}
