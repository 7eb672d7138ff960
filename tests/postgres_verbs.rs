//! All verbs of a vault in PostgreSQL at once, as in a file.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/promised.rs"]
mod promised;
mod support;
mod verbs;

use promised::Place;
use support::postgres::{Server, Settings, present};
use verbs::{Site, is_child, run};

#[test]
fn all_verbs_at_once_keep_every_promise_in_postgresql() {
    if is_child() || !present("PostgreSQL: all verbs at once") {
        return;
    }
    let lines = vec![("log_min_messages", "fatal")];
    let server = Server::new(&Settings { lines, ..Settings::default() });
    let place = Place::at(|_| server.url());
    let count = |sql: &str| server.sql(&format!("set search_path to panseal; {sql}")).parse().unwrap();
    run("all_verbs_at_once_keep_every_promise_in_postgresql", &Site::of(&place), &mut { count });
}
