//! What the tests of the C border share: the library as it is shipped, compilers, and programs under a time limit.
//!
//! A tool that is missing fails the test, and says which one. Only where a suite is optional, and `CI` is not set,
//! the test passes after it has written a line `not run: <suite>: <why>` to the real standard output.
#![allow(dead_code, reason = "each test file takes what it needs")]

#[cfg(unix)]
pub mod postgres;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The name that programs linked against the shared library look for. The package's major version is its number.
pub const SONAME: &str = "libpanseal.so.0";

/// What every C and C++ source of the tests is held to.
pub const STRICT: [&str; 5] = ["-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-Wundef"];

/// Time enough for any program of the tests, also under sanitizers on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Tells threads that watch the flag to stop, also when a check fails before: a scope waits for all of its threads.
pub struct AtEnd<'a>(pub &'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The C library as it is shipped: the header, and a directory that programs can link and run against.
pub struct Library {
    /// Where `panseal.h` is.
    pub include: PathBuf,
    /// Holds `libpanseal.so` and the name that its programs look for.
    pub directory: PathBuf,
    /// The shared library itself.
    pub file: PathBuf,
}

/// The release build of the C library, made once per process; or, where `PANSEAL_PREFIX` is set, the library that is
/// installed below it, so that a package can be put through the same tests.
pub fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| match env::var_os("PANSEAL_PREFIX") {
        Some(prefix) => {
            let prefix = PathBuf::from(prefix);
            let directory = prefix.join("lib");
            Library { include: prefix.join("include"), file: directory.join("libpanseal.so"), directory }
        }
        None => {
            let mut cargo = Command::new(cargo());
            cargo.args(["build", "--release", "--package", "panseal-c"]);
            let file = artifact(&mut cargo, "libpanseal.so");
            let directory = scratch().join("shared");
            fs::create_dir_all(&directory).expect("a directory for the library");
            link(&file, &directory.join("libpanseal.so"));
            link(&file, &directory.join(SONAME));
            Library { include: root().join("include"), directory, file }
        }
    })
}

/// The static library, with address sanitizer in its Rust and in its SQLite, to be linked by a C compiler that brings
/// the sanitizer's runtime. Tests only: a stable compiler is told to take an unstable option.
pub fn library_with_address_sanitizer() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
        let mut cargo = Command::new(cargo());
        cargo
            .args(["rustc", "--package", "panseal-c", "--crate-type", "staticlib", "--profile", "dev"])
            .args(["--target", &target, "--target-dir"])
            .arg(scratch().join("address-sanitizer"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", "-Zsanitizer=address -Zexternal-clangrt")
            .env(format!("CFLAGS_{}", target.replace('-', "_")), "-fsanitize=address -g -O1")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        artifact(&mut cargo, "libpanseal.a")
    })
}

/// Where the Python package is, with the release build of its extension beside it, made once per process.
pub fn python_path() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let mut cargo = Command::new(cargo());
        cargo.args(["build", "--release", "--package", "panseal-python"]);
        let extension = artifact(&mut cargo, "lib_native.so");
        let package = root().join("bindings/python");
        link(&extension, &package.join("panseal/_native.abi3.so"));
        package
    })
}

/// Runs a cargo build and asks cargo itself where it has put `name`.
fn artifact(cargo: &mut Command, name: &str) -> PathBuf {
    let output = cargo
        .arg("--message-format=json-render-diagnostics")
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("{cargo:?} does not start: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{cargo:?} failed:\n{stderr}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter_map(|message| message["filenames"].as_array().cloned())
        .flatten()
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .find(|file| file.file_name() == Some(OsStr::new(name)))
        .unwrap_or_else(|| panic!("{cargo:?} made no {name}"))
}

/// Lets `name` point to `file`, in one step: other test programs may be doing the same.
fn link(file: &Path, name: &Path) {
    let fresh = name.with_extension(format!("{}.new", std::process::id()));
    let _ = fs::remove_file(&fresh);
    symlink(file, &fresh).and_then(|()| fs::rename(&fresh, name)).expect("a link to the library");
}

#[cfg(unix)]
fn symlink(file: &Path, name: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(file, name)
}

#[cfg(not(unix))]
fn symlink(file: &Path, name: &Path) -> io::Result<()> {
    fs::copy(file, name).map(drop)
}

fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A directory below cargo's target directory, for what is worth keeping from run to run.
pub fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// A source below `tests/c`.
pub fn source(name: &str) -> PathBuf {
    root().join("tests/c").join(name)
}

/// A directory that goes with the value.
pub fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("panseal-").tempdir().expect("a temporary directory")
}

/// Whether a program can be started at all.
pub fn has_tool(name: &str) -> bool {
    Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Says, where make looks for it, that an optional suite did not run; under `CI` that is a failure.
pub fn not_run(suite: &str, why: &str) {
    assert!(env::var_os("CI").is_none(), "{suite} must run in CI: {why}");
    // Not `println!`, which the test harness keeps to itself. The first line end closes what it may have begun.
    writeln!(io::stdout(), "\nnot run: {suite}: {why}").expect("standard output");
}

/// The output of a tool that must be there.
pub fn tool(name: &str, arguments: &[&OsStr]) -> String {
    let finished = run(Command::new(name).args(arguments).env("LC_ALL", "C"), PATIENCE);
    assert!(finished.status.success(), "{name} {arguments:?}: {}", finished.stderr);
    finished.stdout
}

/// One call of a C or C++ compiler.
pub struct Compile {
    command: Command,
    out: PathBuf,
    links: Vec<OsString>,
}

impl Compile {
    /// The C compiler, with the header in reach, for a standard such as `c89`.
    pub fn c(standard: &str) -> Self {
        Self::with("cc", standard)
    }

    /// The C++ compiler, with the header in reach, for a standard such as `c++98`.
    pub fn cxx(standard: &str) -> Self {
        Self::with("c++", standard)
    }

    /// Any compiler that takes the options of `cc`.
    pub fn with(compiler: &str, standard: &str) -> Self {
        let mut command = Command::new(compiler);
        command.arg(format!("-std={standard}")).args(STRICT).arg("-I").arg(&library().include);
        Compile { command, out: PathBuf::new(), links: Vec::new() }
    }

    /// More options.
    pub fn flags<'a>(mut self, flags: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(flags);
        self
    }

    /// A source below `tests/c`.
    pub fn source(mut self, name: &str) -> Self {
        self.command.arg(source(name));
        self
    }

    /// An object or archive to link, after the sources.
    pub fn link(mut self, file: impl AsRef<OsStr>) -> Self {
        self.links.push(file.as_ref().to_owned());
        self
    }

    /// Links the shared library, to be found where it is now.
    pub fn link_library(mut self) -> Self {
        let directory = &library().directory;
        self.links.extend([OsString::from("-L"), directory.into(), "-lpanseal".into()]);
        let mut path = OsString::from("-Wl,-rpath,");
        path.push(directory);
        self.links.push(path);
        self
    }

    /// Makes the file, or says what the compiler said.
    pub fn into(mut self, out: PathBuf) -> PathBuf {
        self.out = out;
        self.command.arg("-o").arg(&self.out).args(&self.links);
        let finished = run(&mut self.command, PATIENCE);
        assert!(finished.status.success(), "{:?}:\n{}", self.command, finished.stderr);
        self.out
    }

    /// Only checks the source; the compiler's complaints are the error.
    pub fn check(mut self) -> Result<(), String> {
        let finished = run(self.command.arg("-fsyntax-only"), PATIENCE);
        if finished.status.success() {
            Ok(())
        } else {
            Err(format!("{:?}:\n{}", self.command, finished.stderr))
        }
    }
}

/// A program that has come to its end.
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// Runs a program to its end; one that takes longer than `limit` is ended and fails the test.
pub fn run(command: &mut Command, limit: Duration) -> Finished {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{:?} does not start: {error}", command.get_program()));
    let stdout = gather(child.stdout.take());
    let stderr = gather(child.stderr.take());
    let status = wait(&mut child, limit);
    let stdout = stdout.join().expect("the reader of standard output");
    let stderr = stderr.join().expect("the reader of standard error");
    match status {
        Some(status) => Finished { status, stdout, stderr },
        None => panic!("{command:?} did not end within {limit:?}:\n{stdout}\n{stderr}"),
    }
}

/// Waits for a child's end; ends it at the limit and gives nothing.
fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("the state of a child") {
            return Some(status);
        }
        if Instant::now() >= deadline {
            child.kill().expect("a child that can be ended");
            child.wait().expect("the end of a child");
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn gather(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before an error is still worth showing.
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
