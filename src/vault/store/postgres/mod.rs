//! The PostgreSQL store: a fleet of processes on one vault.

mod connect;
mod fault;
mod tls;
