//! `make install` gives what a C program needs to compile, link and run: header, libraries, pkg-config file.

mod support;

use std::path::Path;
use std::process::Command;
use support::{PATIENCE, directory, has_tool, not_run, root, run, source, tool};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn make_install(prefix: &Path) {
    let mut make = Command::new("make");
    make.args(["--no-print-directory", "install"])
        .arg(format!("PREFIX={}", prefix.display()))
        .current_dir(root());
    // Make's own settings in a test that make itself runs.
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR"] {
        make.env_remove(name);
    }
    let finished = run(&mut make, PATIENCE * 2);
    assert!(finished.status.success(), "make install: {}\n{}", finished.stdout, finished.stderr);
}

fn pkg_config(prefix: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.args(arguments).arg("panseal").env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    let finished = run(&mut command, PATIENCE);
    assert!(finished.status.success(), "pkg-config: {}", finished.stderr);
    finished.stdout.split_whitespace().map(str::to_owned).collect()
}

/// Compiles the smoke program with what pkg-config says, and has it do the library's main job.
fn builds_and_runs(prefix: &Path, name: &str, flags: &[String], library_path: &Path) {
    let program = prefix.join(name);
    let mut compile = Command::new("cc");
    compile.arg("-std=c89").arg(source("smoke_c89.c")).args(flags).arg("-o").arg(&program);
    let compiled = run(&mut compile, PATIENCE);
    assert!(compiled.status.success(), "{name}: {}", compiled.stderr);
    let place = directory();
    let ran = run(Command::new(&program).arg(place.path()).env("LD_LIBRARY_PATH", library_path), PATIENCE);
    assert!(ran.status.success(), "{name}: {}\n{}", ran.stdout, ran.stderr);
}

#[test]
fn an_installed_library_is_found_linked_and_run_shared_and_static() {
    if !has_tool("pkg-config") {
        return not_run("install", "pkg-config is not here");
    }
    let place = directory();
    let prefix = place.path();
    make_install(prefix);
    assert_eq!(pkg_config(prefix, &["--modversion"]), [VERSION]);

    let shared = pkg_config(prefix, &["--cflags", "--libs"]);
    builds_and_runs(prefix, "with-shared", &shared, &prefix.join("lib"));
    let needed = tool("readelf", &["-d".as_ref(), prefix.join("with-shared").as_os_str()]);
    assert!(
        needed.contains("libpanseal.so.0"),
        "the program was not linked against the shared library: {needed}"
    );

    let fixed: Vec<String> = pkg_config(prefix, &["--static", "--cflags", "--libs"])
        .into_iter()
        .map(|flag| if flag == "-lpanseal" { "-l:libpanseal.a".into() } else { flag })
        .collect();
    builds_and_runs(prefix, "with-static", &fixed, Path::new("/nowhere"));
}
