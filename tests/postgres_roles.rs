//! The role that `docs/postgres-roles.sql` sets up: every verb goes with its rights, and the audit trail is out of its
//! reach but for new lines.
#![cfg(all(unix, feature = "postgres"))]

#[path = "support/promised.rs"]
mod promised;
mod support;

use panseal::card::{Pan, Separators};
use panseal::error::{Code, Error, Result};
use panseal::keys::Root;
use panseal::vault::{
    Amendment, AuditQuery, Change, Claimed, Grant, ListQuery, Reuse, TokenizeOptions, Vault, now,
};
use promised::{Place, card, code, digits, number};
use std::fs;
use support::postgres::{Server, Settings, USER, present};

/// The system code of SQLSTATE 42501, as the header explains it: five digits to base 36.
fn no_right() -> i32 {
    i32::from_str_radix("42501", 36).unwrap()
}

fn is_no_right<T>(result: Result<T>) -> bool {
    let error: Error = result.err().expect("a failure");
    error.code() == Code::Store && error.system_code() == no_right()
}

/// A server on which one role owns the schema, and another is to use it.
struct Roles {
    server: Server,
    owner: Place,
    app: String,
}

impl Roles {
    fn new(test: &str) -> Option<Roles> {
        if !present(test) {
            return None;
        }
        let lines = vec![("log_min_messages", "fatal")];
        let server = Server::new(&Settings { lines, ..Settings::default() });
        for role in ["panseal_owner", "panseal_app"] {
            server.sql(&format!("create role {role} login password '{}'", support::postgres::PASSWORD));
        }
        server.sql("create database cards owner panseal_owner");
        let url =
            |role: &str| server.url_of("cards").replacen(&format!("//{USER}:"), &format!("//{role}:"), 1);
        let (owner, app) = (Place::at(|_| url("panseal_owner")), url("panseal_app"));
        Some(Roles { server, owner, app })
    }

    fn grant(&self) {
        let file = support::root().join("docs/postgres-roles.sql");
        self.as_role("panseal_owner", &fs::read_to_string(file).unwrap());
    }

    fn as_role(&self, role: &str, sql: &str) -> String {
        self.server.sql_in("cards", &format!("set role {role}; {sql}"))
    }

    fn open(&self) -> Result<Vault> {
        promised::open(&self.app, &self.owner.root)
    }

    /// Whether the application's role has no right to a statement.
    fn is_refused(&self, statement: &str) -> bool {
        let said = self.as_role(
            "panseal_app",
            &format!(
                "do $$ begin {statement}; perform set_config('test.said', 'done', false);
                 exception when insufficient_privilege then perform set_config('test.said', 'refused', false);
                 end $$; select current_setting('test.said')"
            ),
        );
        said.lines().last() == Some("refused")
    }
}

#[test]
fn the_applications_role_runs_every_verb_but_those_of_the_owner() {
    let Some(roles) = Roles::new("PostgreSQL: the application's role") else { return };
    assert!(is_no_right(roles.open()), "it does not make the vault");
    drop(roles.owner.open());
    assert!(is_no_right(roles.open()), "it has no rights yet");
    roles.grant();
    roles.grant();
    let vault = roles.open().unwrap();
    let vault = vault.merchant("shop").unwrap();
    tokens(&vault);
    customers_and_credentials(&vault);
    keys(&roles, &vault);
    let lines = vault.audit(&AuditQuery { limit: 1000, ..AuditQuery::default() }).unwrap();
    assert!(lines.len() > 20);
    assert!(is_no_right(vault.prune_audit(now() + 1)), "the owner's to do");
    assert_eq!(vault.verify_audit(None).unwrap().fault, None);
    let owners = roles.owner.open().merchant("shop").unwrap();
    assert!(owners.prune_audit(now() + 1).unwrap() > 20);
    assert_eq!(vault.verify_audit(None).unwrap().fault, None);
    assert!(vault.check_vault(&mut |_, _| true).unwrap().damaged.is_empty());
}

fn tokens(vault: &Vault) {
    let surrogate = TokenizeOptions { scheme: Some("surrogate:6+4".parse().unwrap()), ..Default::default() };
    let reuse = TokenizeOptions { reuse: Reuse::Merchant, idempotency_key: "k-1", ..Default::default() };
    let numbers: Vec<String> = (0..3).map(number).collect();
    let first = vault.tokenize(&card(&numbers[0]), &TokenizeOptions::default()).unwrap().token.to_string();
    let second = vault.tokenize(&card(&numbers[1]), &surrogate).unwrap().token.to_string();
    for _ in 0..2 {
        assert!(vault.tokenize(&card(&numbers[0]), &reuse).unwrap().reused);
    }
    let cards: Vec<_> = numbers.iter().map(|number| card(number)).collect();
    let rows: Vec<_> =
        cards.iter().map(|card| (card, TokenizeOptions { keep_until: 1, ..surrogate })).collect();
    assert!(vault.tokenize_many(&rows).unwrap().iter().all(Result::is_ok));
    assert_eq!(digits(vault, &first).unwrap(), numbers[0]);
    assert_eq!(code(digits(vault, "unknown")), Code::Token);
    let pan = Pan::parse(numbers[1].as_bytes(), Separators::Dropped).ok().unwrap();
    assert_eq!(vault.find(&pan).unwrap().len(), 2);
    assert_eq!(vault.list(&ListQuery::default()).unwrap().len(), 5);
    assert_eq!(vault.count(&ListQuery::default()).unwrap(), 5);
    vault.update(first.as_bytes(), &Change { name: Some("GRACE HOPPER"), ..Change::default() }).unwrap();
    vault.amend(first.as_bytes(), |_, _| Ok(Amendment::default())).unwrap();
    vault.deactivate(first.as_bytes()).unwrap();
    vault.reactivate(first.as_bytes()).unwrap();
    assert_eq!(vault.purge_expired().unwrap().instruments, 3);
    vault.delete(second.as_bytes()).unwrap();
    assert!(vault.is_first("seen").unwrap() && !vault.is_first("seen").unwrap());
    let id_in = |extra: &[u8]| (!extra.is_empty()).then(|| String::from_utf8(extra.to_vec()).unwrap());
    let claimed = vault.claim(first.as_bytes(), "c-1", "i-1", &id_in, &|_| Ok(b"i-1".to_vec())).unwrap();
    assert!(matches!(claimed, Claimed::Fresh(_)));
}

fn customers_and_credentials(vault: &Vault) {
    vault.create_customer("c-1", "ref-1", "{}").unwrap();
    vault.update_customer("c-1", |_| Ok("{\"a\":1}".into())).unwrap();
    vault.mark_customer_deleted("c-1", true).unwrap();
    assert_eq!(vault.customers("", 10).unwrap().len(), 1);
    assert!(vault.customer_by_reference("ref-1").unwrap().is_some());
    vault.delete_customer("c-1").unwrap();
    let grant = Grant { dialect: "stax", ..Grant::default() };
    let key = vault.grant(&grant).unwrap();
    vault.grant_signing(&grant, "sign-1", b"key").unwrap();
    assert!(vault.credential_of_bearer(key.as_bytes()).unwrap().is_some());
    vault.revoke(key.id()).unwrap();
    assert_eq!(vault.credentials("", 10).unwrap().len(), 2);
}

fn keys(roles: &Roles, vault: &Vault) {
    vault.set_require_actor(true).unwrap();
    vault.set_require_actor(false).unwrap();
    assert_eq!(vault.rotate().unwrap(), 2);
    assert!(vault.rewrap(&mut |_, _| true).unwrap().damaged.is_empty());
    vault.destroy(1).unwrap();
    assert_eq!(vault.change_index(&mut |_, _| true).unwrap().generation, 2);
    let to = format!("file:{}", roles.owner.folder.path().join("next.root").display());
    Root::create(&to).unwrap();
    vault.change_root(&Root::parse(&to).unwrap()).unwrap();
    fs::rename(to.trim_start_matches("file:"), roles.owner.root.trim_start_matches("file:")).unwrap();
    let status = roles.open().unwrap().status().unwrap();
    assert_eq!(vault.verify_audit(Some(&status.audit_head)).unwrap().fault, None);
}

#[test]
fn the_applications_role_cannot_change_or_cut_the_audit_trail() {
    let Some(roles) = Roles::new("PostgreSQL: the audit trail under the application's role") else { return };
    drop(roles.owner.open());
    roles.grant();
    roles.open().unwrap().tokenize(&card(&number(0)), &TokenizeOptions::default()).unwrap();
    for table in ["audit", "audit_main", "audit_old"] {
        let table = format!("panseal.{table}");
        for statement in [
            format!("update {table} set seq = seq"),
            format!("delete from {table}"),
            format!("truncate {table}"),
            format!("drop table {table}"),
            format!("create rule nothing as on insert to {table} do instead nothing"),
            format!("alter table {table} disable trigger all"),
        ] {
            assert!(roles.is_refused(&statement), "{statement}");
        }
    }
    for elsewhere in
        ["delete from panseal.tombstone", "delete from panseal.revoked", "delete from panseal.merchant"]
    {
        assert!(roles.is_refused(elsewhere), "{elsewhere}");
    }
    let statement = "update panseal.audit set seq = seq";
    roles.as_role("panseal_owner", "grant update on panseal.audit to panseal_app");
    assert!(!roles.is_refused(statement), "what is refused is told from what is not");
    roles.grant();
    assert!(roles.is_refused(statement), "run again, the rights are as they should be");
}

/// The owner brings an older vault forward; the application's role is told that it may not.
#[test]
fn an_older_vault_is_the_owners_to_bring_forward() {
    let Some(roles) = Roles::new("PostgreSQL: a migration under the application's role") else { return };
    let vector = |name: &str| fs::read_to_string(support::root().join("tests/vectors").join(name)).unwrap();
    let third: serde_json::Value = serde_json::from_str(&vector("vault_v3_postgres.json")).unwrap();
    fs::write(roles.owner.folder.path().join("cards.root"), third["root"].as_str().unwrap()).unwrap();
    roles.as_role("panseal_owner", &vector("vault_v3_postgres.sql"));
    let before = "grant usage on schema panseal to panseal_app;
                  grant select, insert, update, delete on all tables in schema panseal to panseal_app";
    roles.as_role("panseal_owner", before);
    assert!(is_no_right(roles.open()));
    assert_eq!(roles.as_role("panseal_owner", "select schema from panseal.fence"), "3", "as it was");
    drop(roles.owner.open());
    roles.grant();
    let vault = roles.open().unwrap();
    assert_eq!(vault.status().unwrap().schema, 4);
    for kept in third["tokens"].as_array().unwrap().iter().filter(|kept| kept["active"] == true) {
        let vault = vault.merchant(kept["merchant"].as_str().unwrap()).unwrap();
        assert_eq!(
            digits(&vault, kept["token"].as_str().unwrap()).unwrap(),
            kept["number"].as_str().unwrap()
        );
    }
}
