//! Every function of the C ABI called wrongly, by a program in C: the shipped library, and once more with address and
//! undefined-behaviour sanitizers in the C, the Rust and the SQLite.
#![cfg(target_os = "linux")]

mod support;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Compile, Finished, PATIENCE};

const SOURCES: [&str; 9] = [
    "misuse.c",
    "misuse_arguments.c",
    "misuse_formats.c",
    "misuse_tokens.c",
    "misuse_vault.c",
    "misuse_dialects.c",
    "misuse_handles.c",
    "misuse_files.c",
    "misuse_processes.c",
];

/// What a Rust archive wants from the system.
const SYSTEM: [&str; 4] = ["-lpthread", "-ldl", "-lm", "-lgcc_s"];

fn compile() -> Compile {
    SOURCES.into_iter().fold(Compile::c("c11").flags(["-O1", "-g", "-pthread"]), Compile::source)
}

/// The table against the shared library.
fn shipped(out: &Path) -> PathBuf {
    compile().link_library().into(out.join("misuse"))
}

/// The table with the sanitizers.
fn sanitized(out: &Path) -> PathBuf {
    SYSTEM
        .into_iter()
        .fold(
            compile()
                .flags([
                    "-fsanitize=address,undefined",
                    "-fno-sanitize-recover=all",
                    "-fno-omit-frame-pointer",
                ])
                .link(support::library_with_address_sanitizer()),
            Compile::link,
        )
        .into(out.join("misuse-sanitized"))
}

/// A database that some other program has made.
fn make_somebody_elses_database(directory: &Path) {
    let connection = rusqlite::Connection::open(directory.join("other.db")).expect("a database");
    connection
        .execute_batch(
            "create table instrument (token text, note text);
             insert into instrument values ('42', 'not yours');
             pragma user_version = 1;",
        )
        .expect("a table");
}

fn table(program: &Path) -> Finished {
    let directory = support::directory();
    make_somebody_elses_database(directory.path());
    support::run(Command::new(program).arg(directory.path()), PATIENCE)
}

/// All rows passed, there were many, and nothing was written to standard error.
fn assert_clean(finished: &Finished) {
    assert!(finished.status.success(), "{:?}\n{}\n{}", finished.status, finished.stdout, finished.stderr);
    assert_eq!(finished.stderr, "", "the library prints nothing");
    let last = finished.stdout.lines().last().unwrap_or_default();
    let (passed, failed) = last.split_once(" passed, ").expect("the count");
    assert!(passed.parse::<u32>().is_ok_and(|rows| rows > 3000), "{last}");
    assert_eq!(failed, "0 failed");
}

#[test]
fn every_wrong_call_is_refused_and_changes_nothing() {
    let directory = support::directory();
    assert_clean(&table(&shipped(directory.path())));
}

#[test]
fn every_wrong_call_is_sound_under_sanitizers() {
    let directory = support::directory();
    assert_clean(&table(&sanitized(directory.path())));
}

#[test]
fn a_program_that_unloads_the_library_within_a_call_goes_on() {
    let directory = support::directory();
    let program = Compile::c("c11")
        .flags(["-O1", "-pthread"])
        .source("unload.c")
        .link("-ldl")
        .into(directory.path().join("unload"));
    let library = &support::library().file;
    let finished = support::run(Command::new(program).arg(library).arg(directory.path()), PATIENCE);
    assert!(finished.status.success(), "{:?}\n{}{}", finished.status, finished.stdout, finished.stderr);
}

#[test]
fn the_sanitizers_see_a_fault_in_c_and_in_rust() {
    let directory = support::directory();
    let program = sanitized(directory.path());
    for (plant, report, place) in [
        ("overflow", "heap-buffer-overflow", "in plant "),
        ("leak", "detected memory leaks", "in plant "),
        ("wipe", "heap-buffer-overflow", "src/capi/library.rs:"),
        ("read", "heap-buffer-overflow", "src/card/pan.rs:"),
    ] {
        let finished = support::run(Command::new(&program).args(["plant", plant]), PATIENCE);
        assert!(!finished.status.success(), "{plant} was not noticed");
        assert!(
            finished.stderr.contains(report) && finished.stderr.contains(place),
            "{plant}: {}",
            finished.stderr
        );
    }
}

#[test]
fn the_sanitizer_is_in_the_rust_objects_of_the_archive_and_in_sqlite() {
    let archive = support::library_with_address_sanitizer();
    let symbols =
        support::tool("nm", &[OsStr::new("-A"), OsStr::new("--undefined-only"), archive.as_os_str()]);
    for (object, what) in [(":panseal-", "panseal"), ("sqlite3.o:", "SQLite")] {
        let checks = |line: &str| line.contains(object) && line.contains("__asan_report_");
        assert!(symbols.lines().any(checks), "{what} was built without address sanitizer");
    }
}
