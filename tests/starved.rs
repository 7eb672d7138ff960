//! Calls of the shipped library while memory runs out: each is done, or answers `PANSEAL_E_MEMORY` and leaves everything
//! as it was.
//!
//! A program in C brings an allocator that refuses when it is told to, for the library and for SQLite alike.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use support::postgres::{Server, Settings};
use support::{Compile, Finished, PATIENCE};

/// So many failing points a function, where nothing else is asked for.
const POINTS: &str = "10";

/// Where the program has its cards: unless it is told, in a file.
const URL: &str = "PANSEAL_TEST_URL";

fn program(directory: &Path) -> PathBuf {
    Compile::c("c11")
        .flags(["-O1", "-g", "-fno-builtin", "-Wno-missing-field-initializers"])
        .source("starved.c")
        .source("calls.c")
        .source("starve.c")
        .link_library()
        .into(directory.join("starved"))
}

fn starved(directory: &Path, arguments: &[&str], variables: &[(&str, String)]) -> Finished {
    let (place, program) = (directory.join("place"), program(directory));
    fs::create_dir(&place).expect("a directory");
    let [what, rest @ ..] = arguments else { panic!("what is to be done") };
    let mut command = Command::new(program);
    command.arg(what).arg(place).args(rest).envs(variables.iter().map(|(name, value)| (name, value)));
    support::run(&mut command, PATIENCE * 20)
}

/// Nothing was lost, changed or printed, and there were at least so many points.
fn assert_clean(finished: &Finished, least: u32) {
    assert!(finished.status.success(), "{:?}\n{}\n{}", finished.status, finished.stdout, finished.stderr);
    assert_eq!(finished.stderr, "", "the library prints nothing");
    let last = finished.stdout.lines().last().unwrap_or_default();
    let (points, complaints) = last.split_once(" failing points, ").expect("the count");
    assert!(points.parse::<u32>().is_ok_and(|points| points >= least), "{last}");
    assert_eq!(complaints, "0 complaints");
}

#[test]
fn no_call_that_runs_out_of_memory_loses_anything_or_ends_the_process() {
    let directory = support::directory();
    // 0: every request for memory of every function.
    let points = env::var("PANSEAL_STARVED_POINTS").unwrap_or_else(|_| POINTS.into());
    assert_clean(&starved(directory.path(), &["points", &points], &[]), 500);
}

#[test]
fn no_call_on_postgres_that_runs_out_of_memory_loses_anything_or_ends_the_process() {
    if !support::postgres::present("running out of memory on PostgreSQL") {
        return;
    }
    let (directory, server) = (support::directory(), Server::new(&Settings::default()));
    let points = env::var("PANSEAL_STARVED_POINTS").unwrap_or_else(|_| POINTS.into());
    let url = [(URL, server.url())];
    assert_clean(&starved(directory.path(), &["points", &points], &url), 500);
}

#[test]
fn a_process_that_may_not_grow_gets_an_answer_to_every_call() {
    let directory = support::directory();
    assert_clean(&starved(directory.path(), &["limit"], &[]), 500);
}

#[test]
fn without_the_reserve_the_process_dies_of_it() {
    let directory = support::directory();
    let finished = starved(directory.path(), &["plant"], &[]);
    assert_eq!(finished.status.code(), Some(2), "{}\n{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains("refusal of request"), "{}", finished.stdout);
}

#[test]
fn every_function_of_the_library_is_called_while_memory_runs_out() {
    let directory = support::directory();
    let finished = support::run(Command::new(program(directory.path())).arg("names"), PATIENCE);
    let called: BTreeSet<String> =
        finished.stdout.split_whitespace().map(|name| format!("panseal_{name}")).collect();
    let list =
        fs::read_to_string(support::root().join("tests/abi/symbols.txt")).expect("the list of symbols");
    assert_eq!(called, list.lines().map(str::to_owned).collect(), "tests/abi/symbols.txt");
}
