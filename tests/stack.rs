//! How much stack the calls of the shipped library take, as the header says; and what lies beside a small one, or beside
//! a fiber's, stays as it is.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::postgres::{Server, Settings};
use support::{Compile, Finished, PATIENCE};

/// What a thread takes of its stack besides the call: its variables, and what starts it.
const OF_A_THREAD: usize = 8 << 10;

fn program(directory: &Path) -> PathBuf {
    Compile::c("c11")
        .flags(["-O1", "-g", "-pthread", "-Wno-missing-field-initializers"])
        .source("stack.c")
        .source("calls.c")
        .link_library()
        .into(directory.join("stack"))
}

fn stack(arguments: &[&str]) -> Finished {
    stack_at(arguments, None)
}

/// With the vault at a URL.
fn stack_at(arguments: &[&str], url: Option<String>) -> Finished {
    let directory = support::directory();
    let [what, rest @ ..] = arguments else { panic!("what is to be done") };
    let mut command = Command::new(program(directory.path()));
    command.arg(what).arg(directory.path()).args(rest);
    support::run(command.envs(url.map(|url| ("PANSEAL_TEST_URL", url))), PATIENCE)
}

fn assert_clean(finished: &Finished) {
    assert!(finished.status.success(), "{:?}\n{}\n{}", finished.status, finished.stdout, finished.stderr);
    assert_eq!(finished.stderr, "", "the library prints nothing");
    assert_eq!(finished.stdout.lines().last(), Some("0 complaints"));
}

/// The header's table: how many bytes a call of each group takes.
fn promised() -> BTreeMap<String, usize> {
    let header = fs::read_to_string(support::library().include.join("panseal.h")).expect("the header");
    let row = |line: &str| {
        let (kib, group) = line.strip_prefix(" *")?.trim().split_once(" KiB  ")?;
        Some((group.split([' ', ':']).next()?.to_owned(), kib.parse::<usize>().ok()? << 10))
    };
    header.lines().filter_map(row).collect()
}

/// The deepest call of each group, in bytes, and its name.
fn deepest(finished: &Finished) -> BTreeMap<&str, (usize, &str)> {
    let mut deepest = BTreeMap::new();
    for line in finished.stdout.lines().filter_map(|line| line.strip_prefix("depth ")) {
        let (group, rest) = line.split_once(' ').expect("a group");
        let (depth, call) = rest.split_once(' ').expect("a depth");
        let measured = (depth.parse().expect("a depth"), call);
        let known = deepest.entry(group).or_insert(measured);
        *known = measured.max(*known);
    }
    deepest
}

/// A table that says far too much is of no use to anybody, and a measure that sees too little is none.
fn assert_fits(promised: usize, (depth, call): (usize, &str)) {
    assert!(
        depth <= promised && promised <= 2 * depth,
        "{call} takes {depth} bytes, panseal.h says {promised}"
    );
}

#[test]
fn no_call_takes_more_stack_than_the_header_says() {
    let (finished, promised) = (stack(&["measure"]), promised());
    assert_clean(&finished);
    let deepest = deepest(&finished);
    assert_fits(promised["Numbers"], deepest["Numbers"]);
    assert_fits(promised["Others"], deepest["Others"]);
}

#[test]
fn no_call_on_postgres_takes_more_stack_than_the_header_says() {
    if !support::postgres::present("the stack of calls on PostgreSQL") {
        return;
    }
    let server = Server::new(&Settings { tls: true, ..Settings::default() });
    let authority = server.root_certificate();
    let url = format!("{}?sslmode=verify-full&sslrootcert={}", server.url(), authority.display());
    let finished = stack_at(&["measure"], Some(url));
    assert_clean(&finished);
    assert_fits(promised()["PostgreSQL"], deepest(&finished)["Others"]);
}

#[test]
fn numbers_and_tokens_need_no_more_than_twelve_kib() {
    assert_eq!(promised()["Numbers"], 12 << 10);
    let size = ((12 << 10) + OF_A_THREAD).to_string();
    assert_clean(&stack(&["small", &size]));
}

#[test]
fn nothing_is_changed_beside_a_fibers_or_a_signals_stack() {
    assert_clean(&stack(&["fibers"]));
}

#[test]
fn what_is_changed_beside_a_fibers_stack_is_noticed() {
    let finished = stack(&["plant"]);
    assert!(
        finished.stdout.contains("on a fiber 0: 16 bytes beside the stack were changed"),
        "{}",
        finished.stdout
    );
}
