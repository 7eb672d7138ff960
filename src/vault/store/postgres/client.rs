//! A connection for one thread at a time, no call on which waits for ever.
//!
//! What is slow the server's own time limits end. But a server that has stopped where it stands says nothing, while its
//! kernel goes on to confirm what it is sent: whoever has heard nothing for as long as it has patience asks for a sign
//! of life over another connection, and where there is none gives up its own.

use postgres::types::ToSql;
use postgres::{Config, Error, Row, SimpleQueryMessage, Statement, ToStatement};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a sign of life may take.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// How long to wait for the end of a connection that was told that it is over.
const FAREWELL: Duration = Duration::from_millis(200);

/// Where a server is, and how to speak with it.
#[derive(Clone)]
pub struct Peer {
    /// The one host, and who wants to speak with it.
    pub config: Config,
    /// How to encrypt that.
    pub tls: MakeRustlsConnect,
    /// How long the attempt to reach it may take.
    pub limit: Duration,
    /// How long to wait for an answer before a sign of life is asked for.
    pub patience: Duration,
}

/// The connection itself: whoever waits for an answer keeps it going.
type Exchange = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Why there is no connection.
#[derive(Debug)]
pub enum Unreached {
    /// So the server says, or the system.
    Refused(Error),
    /// Nobody says anything.
    Silent,
}

/// A session's connection.
pub struct Client {
    /// Goes first: that tells the server that the session is over.
    client: postgres::Client,
    line: Line,
}

/// What is below the client.
struct Line {
    /// `None` once it is closed.
    exchange: Option<Exchange>,
    /// It was given up, for the server said nothing any more.
    is_silent: bool,
    runtime: Runtime,
    peer: Peer,
}

impl Peer {
    /// Connects.
    pub fn connect(self) -> Result<Client, Unreached> {
        let runtime = Builder::new_current_thread().enable_all().build();
        // A process without room for another descriptor.
        let runtime = runtime.map_err(|_| Unreached::Silent)?;
        let connected =
            runtime.block_on(async { timeout(self.limit, self.config.connect(self.tls.clone())).await });
        match connected {
            Ok(Ok((client, connection))) => {
                let exchange: Exchange = Box::pin(connection);
                let line = Line { exchange: Some(exchange), is_silent: false, runtime, peer: self };
                Ok(Client { client, line })
            }
            refused => {
                // A name that is still being looked up is not waited for.
                runtime.shutdown_background();
                Err(match refused {
                    Ok(Err(error)) => Unreached::Refused(error),
                    _ => Unreached::Silent,
                })
            }
        }
    }

    /// Whether the server answers a newcomer, be it with a refusal.
    async fn is_alive(&self) -> bool {
        match timeout(SIGN_OF_LIFE, self.config.connect(self.tls.clone())).await {
            Ok(Ok(_)) => true,
            Ok(Err(refused)) => refused.code().is_some(),
            Err(_) => false,
        }
    }
}

impl Line {
    /// Waits for the answer to a call.
    fn wait<T>(&mut self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Line { exchange, is_silent, runtime, peer } = self;
        let mut call = pin!(call);
        runtime.block_on(async {
            loop {
                let answer = poll_fn(|context| go_on(exchange, call.as_mut(), context));
                match timeout(peer.patience, answer).await {
                    Ok(answer) => return answer,
                    Err(_) if peer.is_alive().await => {}
                    // Without its connection the call is over too.
                    Err(_) => (*exchange, *is_silent) = (None, true),
                }
            }
        })
    }
}

/// Hands over what the server is still to be told.
impl Drop for Line {
    fn drop(&mut self) {
        if let (Some(exchange), Err(_)) = (self.exchange.take(), Handle::try_current()) {
            let _ = self.runtime.block_on(async { timeout(FAREWELL, exchange).await });
        }
    }
}

/// Keeps the connection going while a call waits.
fn go_on<T>(
    exchange: &mut Option<Exchange>,
    call: Pin<&mut impl Future<Output = Result<T, Error>>>,
    context: &mut Context<'_>,
) -> Poll<Result<T, Error>> {
    if let Some(running) = exchange {
        if let Poll::Ready(end) = running.as_mut().poll(context) {
            *exchange = None;
            if let Err(error) = end {
                return Poll::Ready(Err(error));
            }
        }
    }
    call.poll(context)
}

impl Client {
    /// Whether the connection is known to be gone.
    pub fn is_closed(&self) -> bool {
        self.line.exchange.is_none() || self.client.is_closed()
    }

    /// Whether it is gone because the server said nothing any more.
    pub fn is_silent(&self) -> bool {
        self.line.is_silent
    }

    /// Sends statements without parameters.
    pub fn batch_execute(&mut self, sql: &str) -> Result<(), Error> {
        self.line.wait(self.client.batch_execute(sql))
    }

    /// Sends statements without parameters, and gives what they answer as text.
    pub fn simple_query(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
        self.line.wait(self.client.simple_query(sql))
    }

    /// Prepares a statement.
    pub fn prepare(&mut self, sql: &str) -> Result<Statement, Error> {
        self.line.wait(self.client.prepare(sql))
    }

    /// The rows of a statement.
    pub fn query<S: ?Sized + ToStatement>(
        &mut self,
        statement: &S,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        self.line.wait(self.client.query(statement, values))
    }

    /// The one row of a statement.
    pub fn query_one<S: ?Sized + ToStatement>(
        &mut self,
        statement: &S,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Error> {
        self.line.wait(self.client.query_one(statement, values))
    }

    /// The row of a statement, where there is one.
    pub fn query_opt<S: ?Sized + ToStatement>(
        &mut self,
        statement: &S,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        self.line.wait(self.client.query_opt(statement, values))
    }

    /// How many rows a statement changed.
    pub fn execute<S: ?Sized + ToStatement>(
        &mut self,
        statement: &S,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        self.line.wait(self.client.execute(statement, values))
    }
}
