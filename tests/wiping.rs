//! The shipped library wipes every block of memory that it gives back.
//!
//! A preloaded allocator looks into each block on its way back, for a marker that the library must have copied to its
//! heap. It finds the marker where a C program, or a Rust program with the usual allocator, does the same unwiped.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use support::{Compile, PATIENCE};

/// Long enough to be met nowhere by chance.
const MARKER: &str = "QXJWVK-the-marker-of-the-wiping-tests-KVWJXQ";

/// What the watch counted.
#[derive(Debug)]
struct Watched {
    given_back: u32,
    dirty: u32,
    held: u32,
}

struct Bench {
    directory: tempfile::TempDir,
    watch: PathBuf,
    child: PathBuf,
}

impl Bench {
    fn new() -> Bench {
        let directory = support::directory();
        let watch = Compile::c("c11")
            .flags(["-O1", "-shared", "-fPIC", "-fno-builtin"])
            .source("free_watch.c")
            .into(directory.path().join("free_watch.so"));
        let child = Compile::c("c11")
            .flags(["-O1", "-fno-builtin"])
            .source("free_watch_child.c")
            .link_library()
            .into(directory.path().join("free_watch_child"));
        Bench { directory, watch, child }
    }

    fn child(&self, path: &str, marker: &str) -> Watched {
        self.watch(marker, Command::new(&self.child).args([path, marker]).arg(self.directory.path()))
    }

    /// Runs a program under the watch. It must end well.
    fn watch(&self, marker: &str, program: &mut Command) -> Watched {
        let finished = support::run(
            program
                .current_dir(self.directory.path())
                .env("LD_PRELOAD", &self.watch)
                .env("FREE_WATCH_MARKER", marker),
            PATIENCE,
        );
        assert!(finished.status.success(), "{program:?}: {:?}\n{}", finished.status, finished.stderr);
        let counts: Vec<u32> = finished
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix("free_watch: "))
            .unwrap_or_else(|| panic!("{program:?}: the watch was not there\n{}", finished.stderr))
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let [given_back, dirty, held] = counts[..] else { panic!("{program:?}: {counts:?}") };
        Watched { given_back, dirty, held }
    }
}

#[test]
fn a_path_that_the_library_copies_is_wiped() {
    let bench = Bench::new();
    for path in ["root", "open"] {
        let watched = bench.child(path, MARKER);
        assert!(watched.held > 0, "{path}: the marker never was on the heap: {watched:?}");
        assert_eq!(watched.dirty, 0, "{path}: {watched:?}");
    }
}

#[test]
fn the_python_extension_wipes_what_it_gives_back() {
    // Short enough for Python to keep its own copies out of malloc.
    let opens = "import os, panseal
marker = os.environ['FREE_WATCH_MARKER']
try:
    panseal.create_root_key('file:/absent/' + '/'.join([marker] * 9))
except panseal.KeyringError:
    pass
";
    let leaks = format!("{opens}long = marker * 1000\ndel long\n");
    let bench = Bench::new();
    // The interpreter itself: what is called python3 may be a script that looks for it.
    let named =
        support::run(Command::new("python3").args(["-c", "import sys; print(sys.executable)"]), PATIENCE);
    let python = |script: &str| {
        let mut program = Command::new(named.stdout.trim());
        program.arg("-c").arg(script).env("PYTHONPATH", support::python_path());
        bench.watch(MARKER, &mut program)
    };
    let watched = python(opens);
    assert!(watched.held > 0, "the marker never was on the heap: {watched:?}");
    assert_eq!(watched.dirty, 0, "{watched:?}");
    assert!(python(&leaks).dirty > 0, "the watch is blind in a Python process");
}

#[test]
fn no_block_that_is_given_back_holds_a_card_number() {
    let watched = Bench::new().child("card", "4929420573595709");
    assert!(watched.given_back > 100, "{watched:?}");
    assert_eq!(watched.dirty, 0, "{watched:?}");
}

#[test]
fn the_watch_finds_what_c_leaves() {
    let bench = Bench::new();
    for path in ["freed", "grown"] {
        let watched = bench.child(path, MARKER);
        assert_eq!(watched.dirty, 1, "{path}: {watched:?}");
    }
}

#[test]
fn the_watch_finds_what_rust_leaves_without_the_wiping_allocator() {
    let bench = Bench::new();
    let program = control(bench.directory.path());
    let watched = bench.watch(MARKER, &mut Command::new(program));
    assert!(watched.held > 0 && watched.dirty > 0, "{watched:?}");
}

/// A Rust program that opens a long path made of the marker, as the library does, with the usual allocator.
fn control(directory: &Path) -> PathBuf {
    let source = directory.join("control.rs");
    let program = directory.join("control");
    fs::write(
        &source,
        r#"fn main() {
            let marker = std::env::var_os("FREE_WATCH_MARKER").expect("a marker");
            let mut path = std::path::PathBuf::from("/absent");
            while path.as_os_str().len() < 1024 {
                path.push(&marker);
            }
            assert!(std::fs::File::open(path).is_err());
        }"#,
    )
    .expect("a source");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let finished = support::run(
        Command::new(rustc).args(["-O", "--edition=2021", "-o"]).arg(&program).arg(&source),
        PATIENCE,
    );
    assert!(finished.status.success(), "{}", finished.stderr);
    program
}
