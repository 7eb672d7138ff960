//! Programs in different languages write to one vault at once.
#![cfg(unix)]

#[path = "support/promised.rs"]
mod promised;
mod support;

use promised::{Book, Place, are_still_there, file_is_whole};
use std::collections::HashSet;
use std::fs::File;
use std::process::{Command, Stdio};
use support::Compile;

/// How long they write: 12 seconds, or a minute where `PANSEAL_LONG` is set.
fn seconds() -> &'static str {
    if std::env::var_os("PANSEAL_LONG").is_some() { "60" } else { "12" }
}

#[test]
fn two_python_programs_and_one_in_c_lose_no_token_of_each_other() {
    let folder = support::directory();
    let in_c =
        Compile::c("c89").source("vault_writer.c").link_library().into(folder.path().join("vault_writer"));
    let in_python = support::root().join("tests/support/vault_writer.py");
    let place = Place::sqlite();
    // The first of them makes it; that has tests of its own.
    drop(place.open());
    let programs = [Command::new(in_c), Command::new("python3"), Command::new("python3")];
    let mut running = Vec::new();
    for (writer, mut program) in programs.into_iter().enumerate() {
        if writer > 0 {
            program.arg(&in_python).env("PYTHONPATH", support::python_path());
        }
        let book = folder.path().join(format!("book-{writer}"));
        program.args([&place.url, &place.root, seconds(), &format!("writer-{writer}")]).stdin(Stdio::null());
        program.stdout(File::create(&book).unwrap());
        running.push((program.spawn().expect("a program that starts"), book));
    }
    let mut lines = Vec::new();
    for (mut program, book) in running {
        assert!(program.wait().unwrap().success(), "{}", book.display());
        let own = Book::read(&book);
        assert!(own.len() > 50, "{} tokens of {}", own.len(), book.display());
        lines.extend(own);
    }
    let tokens: HashSet<&String> = lines.iter().map(|line| &line[1]).collect();
    assert_eq!(tokens.len(), lines.len());
    let vault = place.open();
    let status = vault.status().unwrap();
    println!("{} tokens", lines.len());
    assert_eq!((status.instruments, status.cards), (lines.len() as u64, 50));
    are_still_there(&vault, &lines);
    file_is_whole(&place.sql());
}
