//! The header in every C and C++ that a till's compiler may speak: checked, linked, run, and laid out as promised.

mod support;

use std::fs;
use std::process::Command;

use support::{Compile, PATIENCE};

const C: [&str; 5] = ["c89", "c99", "c11", "c17", "c2x"];
const CXX: [&str; 5] = ["c++98", "c++11", "c++14", "c++17", "c++20"];

/// Everything a pair of compilers has to say about the header.
fn complaints(c: &str, cxx: &str) -> String {
    let in_c = C.map(|standard| {
        Compile::with(c, standard).flags(["-Wstrict-prototypes"]).source("header_twice.c").check()
    });
    let in_cxx = CXX.map(|standard| Compile::with(cxx, standard).source("header_twice.cpp").check());
    in_c.into_iter().chain(in_cxx).filter_map(Result::err).collect()
}

#[test]
fn the_header_compiles_twice_in_every_standard_of_the_system_compiler() {
    assert_eq!(complaints("cc", "c++"), "");
}

#[test]
fn the_header_compiles_twice_in_every_standard_of_clang() {
    if support::has_tool("clang") && support::has_tool("clang++") {
        assert_eq!(complaints("clang", "clang++"), "");
    } else {
        support::not_run("the header under clang", "clang is not installed");
    }
}

#[test]
fn a_header_that_is_wrong_is_noticed() {
    let directory = support::directory();
    let wrong = directory.path().join("wrong.c");
    fs::write(&wrong, "#include <panseal.h>\nenum { a, };\n").expect("a source");
    let wrong = wrong.to_str().expect("a name in UTF-8");
    Compile::c("c89").flags([wrong]).check().expect_err("a trailing comma is not C89");
    Compile::c("c99").flags([wrong]).check().expect("a trailing comma is C99");
}

#[test]
fn a_c89_program_links_and_runs() {
    let directory = support::directory();
    let program =
        Compile::c("c89").source("smoke_c89.c").link_library().into(directory.path().join("smoke_c89"));
    succeeds(Command::new(program).arg(directory.path()));
}

#[test]
fn a_cxx98_program_links_and_runs() {
    let directory = support::directory();
    let program = Compile::cxx("c++98")
        .source("smoke_cxx98.cpp")
        .link_library()
        .into(directory.path().join("smoke_cxx98"));
    succeeds(Command::new(program).arg(directory.path()));
}

#[test]
fn the_structs_are_laid_out_as_they_always_were() {
    let name = format!("tests/abi/layout-{}.txt", std::env::consts::ARCH);
    let Ok(promised) = fs::read_to_string(support::root().join(&name)) else {
        return support::not_run("the layout of the structs", &format!("there is no {name}"));
    };
    let directory = support::directory();
    let program = Compile::c("c89").source("layout.c").into(directory.path().join("layout"));
    assert_eq!(succeeds(&mut Command::new(program)), promised, "{name}");
}

#[test]
fn the_layout_names_every_struct_of_the_header() {
    let header = fs::read_to_string(support::library().include.join("panseal.h")).expect("the header");
    let layout = fs::read_to_string(support::source("layout.c")).expect("the source");
    let missing: Vec<_> = header
        .lines()
        .filter_map(|line| line.strip_prefix("typedef struct ")?.strip_suffix(" {"))
        .filter(|name| !layout.contains(&format!("SIZE({name});")))
        .collect();
    assert!(missing.is_empty(), "layout.c leaves out {missing:?}");
}

/// What the program writes to standard output; it must end well and say nothing else.
fn succeeds(command: &mut Command) -> String {
    let finished = support::run(command, PATIENCE);
    assert!(finished.status.success(), "{:?}:\n{}{}", finished.status, finished.stdout, finished.stderr);
    assert_eq!(finished.stderr, "");
    finished.stdout
}
