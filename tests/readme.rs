//! The README's promises: its C and Python snippets do what is written beside them.

mod support;

use std::process::Command;
use support::{Compile, PATIENCE, directory, library, python_path, root, run};

/// The README's code blocks in a language, one behind the other.
fn snippet(language: &str) -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let opening = format!("```{language}\n");
    let blocks = readme.split(&opening).skip(1);
    let blocks: Vec<&str> = blocks.map(|rest| rest.split_once("```").expect("the snippet's end").0).collect();
    assert!(!blocks.is_empty(), "README.md has no {language} snippet");
    blocks.concat()
}

#[test]
fn the_c_snippet_compiles_runs_and_prints_what_it_says() {
    let place = directory();
    let file = place.path().join("snippet.c");
    std::fs::write(&file, snippet("c")).unwrap();
    let program = Compile::c("c99").link(&file).link_library().into(place.path().join("snippet"));
    let ran = run(Command::new(program).current_dir(place.path()), PATIENCE);
    assert!(ran.status.success(), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("VISA 424242******4242 "), "{}", ran.stdout);
    assert!(library().file.exists());
}

#[test]
fn the_python_snippet_runs_and_prints_what_it_says() {
    let place = directory();
    let mut python = Command::new("python3");
    python.arg("-c").arg(snippet("python")).current_dir(place.path());
    python.env("PYTHONPATH", python_path());
    let ran = run(&mut python, PATIENCE);
    assert!(ran.status.success(), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("VISA 424242******4242 "), "{}", ran.stdout);
}

#[test]
fn the_picture_of_the_house_is_the_librarys_own() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    assert!(readme.contains(include_str!("../src/house.txt")));
}
