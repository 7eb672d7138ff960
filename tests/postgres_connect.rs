//! Sessions on PostgreSQL servers: passwords, TLS, several hosts, and what a failure is called.
//!
//! The module is the vault's own and not public; it is taken in here as it stands.
#![cfg(all(unix, feature = "postgres"))]
#![allow(dead_code, reason = "a test takes what it needs")]

mod support;

#[path = "../src/vault/store/postgres/client.rs"]
mod client;
#[path = "../src/vault/store/postgres/connect.rs"]
mod connect;
#[path = "../src/vault/store/postgres/fault.rs"]
mod fault;
#[path = "../src/vault/store/postgres/tls.rs"]
mod tls;

// For `crate::error` in them.
use panseal::error;

use client::Client;
use connect::Target;
use error::{Code, Error};
use fault::{Remedy, pack, remedy};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use support::postgres::{DATABASE, PASSWORD_IN_URL, Server, Settings, USER, present, url};

const PATIENCE: Duration = Duration::from_secs(10);

fn connect(url: &str) -> Result<Client, Error> {
    Target::parse(url, PATIENCE)?.connect()
}

fn refused(url: &str) -> Error {
    connect(url).err().expect("a refusal")
}

fn ask(client: &mut Client, question: &str) -> String {
    client.query_one(question, &[]).unwrap().get(0)
}

/// Whether the session's server sees TLS, by its own account.
fn encrypted(url: &str) -> bool {
    let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    connect(url).unwrap().query_one(sql, &[]).unwrap().get(0)
}

#[test]
fn a_url_that_is_not_of_its_form_is_an_argument_error() {
    let wrong = [
        "postgres:",
        "postgres://",
        "mysql://h/d",
        "postgres://h:70000/d",
        "postgres://h/d?sslmode=allow",
        "postgres://h/d?sslmode",
        "postgres://h/d?unknown=1",
        "postgres://h/d?sslmode=disable&sslrootcert=system",
        "postgres://h/d?sslmode=prefer&sslrootcert=system",
        "postgres://h/d?sslrootcert=/dev/null",
        "postgres://h/d?target_session_attrs=read-only",
    ];
    for url in wrong {
        assert_eq!(
            Target::parse(url, PATIENCE).err().map(|error| error.code()),
            Some(Code::Argument),
            "{url}"
        );
    }
    let absent = Target::parse("postgres://h/d?sslrootcert=/nowhere/root.crt", PATIENCE).err().unwrap();
    assert_eq!((absent.code(), absent.system_code()), (Code::Store, libc::ENOENT));
    for url in [
        "postgres://u@a,b:6432/d?sslmode=require",
        "postgresql://u@[::1]/d",
        "postgres://u:?@h/d?sslmode=prefer",
    ] {
        assert!(Target::parse(url, PATIENCE).is_ok(), "{url}");
    }
}

#[test]
fn the_password_decides_and_the_session_is_a_durable_one() {
    if !present("PostgreSQL: password and session") {
        return;
    }
    let server = Server::new(&Settings { lines: vec![("synchronous_commit", "off")], ..Settings::default() });
    let mut client = connect(&server.url()).unwrap();
    assert_eq!(ask(&mut client, "show synchronous_commit"), "on");
    assert_eq!(ask(&mut client, "show lock_timeout"), "10s");
    assert_eq!(ask(&mut client, "show application_name"), "panseal");
    assert_eq!(ask(&mut client, "show transaction_read_only"), "off");
    server.sql("alter system set synchronous_commit = remote_apply");
    server.sql("select pg_reload_conf()");
    let deadline = Instant::now() + PATIENCE;
    while ask(&mut connect(&server.url()).unwrap(), "show synchronous_commit") != "remote_apply" {
        assert!(Instant::now() < deadline, "what is stricter was made laxer");
    }

    let other = format!("postgres://{USER}:wrong@{}/{DATABASE}", server.address());
    assert_eq!(refused(&other), Error::system(Code::Store, pack("28P01")));
    let nowhere = format!("postgres://{USER}:{PASSWORD_IN_URL}@{}/nowhere", server.address());
    assert_eq!(refused(&nowhere), Error::system(Code::Store, pack("3D000")));
    let begun = Instant::now();
    let target = Target::parse(&other, PATIENCE).unwrap();
    assert_eq!(target.connect().err(), Some(Error::system(Code::Store, pack("28P01"))));
    assert!(begun.elapsed() < PATIENCE / 2, "waiting does not mend a password");
}

#[test]
fn tls_trusts_as_far_as_the_url_says() {
    if !present("PostgreSQL: TLS") {
        return;
    }
    let server = Server::new(&Settings { tls: true, ..Settings::default() });
    let plain = refused(&format!("{}?sslmode=disable", server.url()));
    assert_eq!(plain, Error::system(Code::Store, pack("28000")), "the server takes none without TLS");
    let (right, wrong) = (server.root_certificate(), server.other_certificate());
    let url = |parameters: String| format!("{}?{parameters}", server.url());
    let encoded = right.to_str().unwrap().replace('/', "%2F");
    for parameters in [
        "sslmode=prefer".to_owned(),
        "sslmode=require".to_owned(),
        format!("sslmode=require&sslrootcert={encoded}"),
        format!("sslmode=verify-ca&sslrootcert={}", right.display()),
        format!("sslrootcert={}&sslmode=verify-full", right.display()),
        format!("sslrootcert={}", right.display()),
    ] {
        assert!(encrypted(&url(parameters.clone())), "{parameters}");
    }
    for parameters in [
        "sslmode=verify-full".to_owned(),
        format!("sslmode=require&sslrootcert={}", wrong.display()),
        format!("sslmode=verify-ca&sslrootcert={}", wrong.display()),
        format!("sslmode=verify-full&sslrootcert={}", wrong.display()),
    ] {
        assert_eq!(refused(&url(parameters.clone())).code(), Code::Store, "{parameters}");
    }
    // The certificate is not for this name; `hostaddr` leads to the server all the same.
    let port = server.address().split(':').nth(1).unwrap().to_owned();
    let named = |mode: &str| {
        let head = format!("postgres://{USER}:{PASSWORD_IN_URL}@not-its-name:{port}/{DATABASE}");
        format!("{head}?hostaddr=127.0.0.1&sslmode={mode}&sslrootcert={}", right.display())
    };
    assert!(encrypted(&named("verify-ca")));
    assert_eq!(refused(&named("verify-full")).code(), Code::Store);
}

#[test]
fn tls_that_is_required_is_not_left_out_where_the_server_has_none() {
    if !present("PostgreSQL: TLS required") {
        return;
    }
    let server = Server::new(&Settings::default());
    assert!(!encrypted(&server.url()));
    assert_eq!(refused(&format!("{}?sslmode=require", server.url())).code(), Code::Store);
}

#[test]
fn the_host_that_takes_writes_is_found_also_after_a_promotion() {
    if !present("PostgreSQL: fail-over") {
        return;
    }
    let mut primary = Server::new(&Settings::default());
    primary.sql("create table kept (id int primary key)");
    let standby = primary.replica();
    let port = |client: &mut Client| ask(client, "select current_setting('port')");
    let target = Target::parse(&url(&[&standby, &primary]), PATIENCE).unwrap();
    let mut client = target.connect().unwrap();
    assert!(primary.address().ends_with(&port(&mut client)), "a standby does not write");
    assert_eq!(refused(&standby.url()), Error::system(Code::Store, pack("25006")));

    client.execute("insert into kept values (1)", &[]).unwrap();
    standby.catch_up_with(&primary);
    primary.stop_immediate();
    let error = client.execute("insert into kept values (2)", &[]).unwrap_err();
    assert_eq!(remedy(&error), Remedy::Reconnect, "{error:?}");
    assert!(target.attempt().is_err_and(|unreached| unreached.may_pass()), "there is none that writes");
    let waiting = std::thread::spawn(move || {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match target.attempt() {
                Err(unreached) if unreached.may_pass() && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                answer => return answer,
            }
        }
    });
    std::thread::sleep(Duration::from_millis(300));
    standby.promote();
    let mut client = waiting.join().unwrap().unwrap();
    assert!(standby.address().ends_with(&port(&mut client)));
    client.execute("insert into kept values (2)", &[]).unwrap();
    assert_eq!(standby.sql("select count(*) from kept"), "2");
}

#[test]
fn a_failure_says_what_may_be_done_about_it() {
    if !present("PostgreSQL: failures") {
        return;
    }
    let mut server = Server::new(&Settings::default());
    server.sql("create table row (id int primary key, n int); insert into row values (1, 0)");
    let target = Target::parse(&server.url(), Duration::from_millis(200)).unwrap();
    let (mut first, mut second) = (target.connect().unwrap(), target.connect().unwrap());

    first.batch_execute("begin; update row set n = 1").unwrap();
    let begun = Instant::now();
    let error = second.batch_execute("update row set n = 2").unwrap_err();
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(remedy(&error), Remedy::Nothing);
    assert_eq!(fault::failed(error), Error::system(Code::Busy, pack("55P03")));

    second.batch_execute("begin isolation level serializable; select * from row").unwrap();
    first.batch_execute("commit").unwrap();
    let error = second.batch_execute("update row set n = 2").unwrap_err();
    assert_eq!((remedy(&error), fault::unknown(&error)), (Remedy::Again, false));
    assert_eq!(fault::failed(error), Error::system(Code::Busy, pack("40001")));
    second.batch_execute("rollback").unwrap();

    let error = second.batch_execute("insert into row values (1, 1)").unwrap_err();
    assert!(fault::taken(&error) && remedy(&error) == Remedy::Nothing);

    assert_eq!(server.cut_connections(), 2);
    let error = first.batch_execute("select 1").unwrap_err();
    assert_eq!((remedy(&error), fault::unknown(&error)), (Remedy::Reconnect, true), "{error:?}");
    let mut third = target.connect().unwrap();
    server.restart();
    let error = third.batch_execute("select 1").unwrap_err();
    assert_eq!(remedy(&error), Remedy::Reconnect, "{error:?}");
    assert!(target.connect().unwrap().batch_execute("select 1").is_ok());
    server.stop_fast();
    let error = target.connect().err().unwrap();
    assert_eq!((error.code(), error.system_code()), (Code::Store, libc::ECONNREFUSED));
}

#[test]
fn a_cluster_goes_with_its_value() {
    if !present("PostgreSQL: the cluster of the tests") {
        return;
    }
    let server = Server::new(&Settings { fsync: true, ..Settings::default() });
    let (data, address) = (server.data().to_owned(), server.address());
    assert_eq!(server.sql("show fsync"), "on");
    drop(server);
    assert!(!data.exists());
    assert!(TcpListener::bind(address).is_ok(), "nobody listens there");
}
