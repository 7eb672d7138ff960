//! What remains of a card in the memory of a process that has used the library: nothing.
//!
//! A C program runs one path after the other through the shipped library, with random card data in one buffer of its
//! own, and stops. Everything that it can read is then searched for the card data, and for the root key, in every form
//! that somebody might have made of them. The same search must find a leak that the program plants on purpose.
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "these subjects stop themselves")]
#[path = "support/residue.rs"]
mod residue;
mod support;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use residue::{Findings, Needle, Search, Subject};
use support::{Compile, PATIENCE};

/// Random bytes from the kernel.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).expect("random bytes");
    bytes
}

/// What is to be added to the Luhn sum of all digits but the last.
fn luhn_digit(digits: &[u8]) -> u8 {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0') << (1 - place % 2);
            digit / 10 + digit % 10
        })
        .sum();
    b'0' + ((10 - sum % 10) % 10) as u8
}

/// A random number that begins with `prefix` and passes the Luhn check.
fn number(prefix: &str, length: usize) -> Vec<u8> {
    let mut digits = prefix.as_bytes().to_vec();
    digits.extend(random::<20>().iter().map(|byte| b'0' + byte % 10));
    digits.truncate(length - 1);
    digits.push(luhn_digit(&digits));
    digits
}

/// A random name that no dictionary or symbol table has.
fn name() -> Vec<u8> {
    let mut name: Vec<u8> =
        random::<17>().iter().map(|byte| b"BCDFGHJKLMNPQRSTVWXZ"[usize::from(byte % 20)]).collect();
    name[6] = b' ';
    name
}

/// The card data of one run, in the order in which the subject reads it.
struct Cards {
    wire: Vec<u8>,
    needles: Vec<Needle>,
}

impl Cards {
    /// Numbers of every length and network that matters, all different in every run.
    fn random() -> Self {
        let numbers = [("4", 16), ("51", 16), ("34", 15), ("6212", 19), ("36", 14)]
            .map(|(prefix, length)| number(prefix, length));
        let names = [(); 5].map(|()| name());
        let cvvs = numbers.each_ref().map(|number| {
            let digits = random::<4>().map(|byte| b'0' + byte % 10);
            digits[..if number.starts_with(b"34") { 4 } else { 3 }].to_vec()
        });
        let mut wrong = number("4", 16);
        wrong[15] = b'0' + (wrong[15] - b'0' + 1) % 10;
        let typed = numbers[0].chunks(4).collect::<Vec<_>>().join(&b' ');

        let mut wire = Vec::new();
        for text in numbers.iter().chain(&names).chain(&cvvs).chain([&wrong, &typed]) {
            let mut room = [0; 32];
            room[0] = text.len() as u8;
            room[1..=text.len()].copy_from_slice(text);
            wire.extend(room);
        }

        let mut needles = Vec::new();
        for number in &numbers {
            let secret = format!("a number of {} digits", number.len());
            needles.extend(residue::number_needles(&secret, number));
        }
        for name in &names {
            needles.extend(residue::text_needles("a name", name));
        }
        needles.extend(residue::number_needles("a number with a wrong digit", &wrong));
        needles.extend(residue::text_needles("a number with spaces", &typed));
        Cards { wire, needles }
    }
}

/// A subject: a program and the names of its paths.
struct Program {
    command: Vec<OsString>,
    paths: Vec<String>,
}

/// Every program that is put to the test. Each of them takes the command line of `residue_child.c`, reads the same
/// card data, and names its paths when it is called with the one argument `paths`.
fn programs() -> &'static [Program] {
    static PROGRAMS: OnceLock<Vec<Program>> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let fresh = Compile::c("c11")
            // Bound lazily: the first call of each function after the library's saves the registers on the stack.
            .flags(["-O1", "-pthread", "-Wl,-z,lazy"])
            .source("residue_child.c")
            .link_library()
            .into(support::scratch().join(format!("residue_child-{}", std::process::id())));
        // Other processes may be running the one that was there.
        let in_c = support::scratch().join("residue_child");
        fs::rename(fresh, &in_c).expect("a name for the program");
        let in_python = support::root().join("tests/support/residue_child.py");
        vec![Program::of([in_c.into()]), Program::of(["python3".into(), in_python.into()])]
    })
}

impl Program {
    fn of<const WORDS: usize>(command: [OsString; WORDS]) -> Program {
        let mut program = Program { command: command.into(), paths: Vec::new() };
        let named = support::run(program.start().arg("paths"), PATIENCE);
        assert!(named.status.success(), "{:?}: {}", program.command, named.stderr);
        program.paths = named.stdout.lines().map(str::to_owned).collect();
        program
    }

    fn start(&self) -> Command {
        let mut command = Command::new(&self.command[0]);
        command.env("PYTHONPATH", support::python_path());
        command.args(&self.command[1..]);
        command
    }
}

/// How a run is set up, in the words of the subject's command line.
#[derive(Clone, Copy, Debug)]
struct Run {
    buffer: &'static str,
    vault: &'static str,
    thread: &'static str,
    leak: &'static str,
}

/// One path, run and searched.
struct Outcome {
    search: Search,
    findings: Findings,
    files: Vec<(String, usize)>,
}

impl Outcome {
    /// An error is a path that did not go as it should: it proves nothing.
    fn of(program: &Program, path: &str, run: Run, directory: &Path) -> Result<Self, String> {
        let mut command = program.start();
        command.args([path, run.buffer, run.vault, run.thread, run.leak]).arg(directory);
        let Cards { wire, mut needles } = Cards::random();
        let stopped = Subject::stopped(&mut command, &wire, PATIENCE)?;
        needles.extend(root_key_needles(directory));
        let search = Search::new(needles);
        let findings = stopped.search(&search);
        let mut files = residue::search_files(directory, &search);
        files.retain(|(file, _)| file != ROOT_FILE);
        Ok(Outcome { search, findings, files })
    }

    /// What is wrong with what was found.
    fn complaints(&self, run: Run) -> Vec<String> {
        let mut complaints: Vec<String> = self
            .files
            .iter()
            .map(|(file, needle)| (file, &self.search.needles()[*needle]))
            .map(|(file, needle)| format!("{} as {} in the file {file}", needle.secret, needle.form))
            .collect();
        if !self.findings.outside.is_empty() {
            complaints.push(self.findings.describe(&self.search));
        }
        // The subject's own buffer shows that the search sees what there is to see.
        match run.buffer {
            "keep" if self.findings.inside.len() < 12 => {
                complaints.push("the card data in the caller's buffer was not found".to_owned());
            }
            "wipe" if !self.findings.inside.is_empty() => {
                complaints.push("panseal_wipe left something".to_owned())
            }
            _ => {}
        }
        complaints
    }
}

/// Where a subject keeps its root key, in its directory.
const ROOT_FILE: &str = "cards.root";

/// The root key that the subject has made, and its text in the file. The vault fetches it where it needs it and keeps
/// neither.
fn root_key_needles(directory: &Path) -> Vec<Needle> {
    let Ok(text) = fs::read_to_string(directory.join(ROOT_FILE)) else { return Vec::new() };
    let text = text.trim_end().as_bytes();
    assert_eq!(text.len(), 64, "the root key file is no longer hexadecimal: search for its form");
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a hexadecimal digit") as u8;
    let key: Vec<u8> = text.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
    let mut needles = residue::key_needles("the root key", &key);
    needles.extend(residue::key_needles("the text of the root key", text));
    needles
}

/// Calls `work` with every program, path and fresh directory.
fn for_each_path(mut work: impl FnMut(&Program, &str, &Path)) {
    for program in programs() {
        assert!(!program.paths.is_empty(), "{:?} has no paths", program.command);
        for path in &program.paths {
            work(program, path, support::directory().path());
        }
    }
}

/// Runs every path; nothing may be left anywhere.
fn nothing_remains(run: Run) {
    let (mut paths, mut bytes, mut complaints) = (0, 0, String::new());
    for_each_path(|program, path, directory| {
        let found = match Outcome::of(program, path, run, directory) {
            Ok(outcome) => {
                bytes += outcome.findings.bytes;
                outcome.complaints(run)
            }
            Err(why) => vec![why],
        };
        complaints.extend(found.iter().map(|what| format!("{path}: {what}\n")));
        paths += 1;
    });
    println!("{run:?}: {paths} paths, {bytes} bytes searched");
    assert!(complaints.is_empty(), "{run:?}:\n{complaints}");
}

#[test]
fn nothing_remains_while_the_vault_is_open() {
    let run = Run { buffer: "keep", vault: "open", thread: "main", leak: "none" };
    nothing_remains(run);
    nothing_remains(Run { buffer: "wipe", ..run });
}

#[test]
fn nothing_remains_once_the_vault_is_closed() {
    let run = Run { buffer: "keep", vault: "close", thread: "main", leak: "none" };
    nothing_remains(run);
    nothing_remains(Run { buffer: "wipe", ..run });
}

#[test]
fn nothing_remains_of_a_thread_that_has_ended() {
    nothing_remains(Run { buffer: "keep", vault: "open", thread: "thread", leak: "none" });
}

/// Every path again, with a leak: each needle must be found where it was planted.
fn planted_leaks_are_found(leak: &'static str, place: &str) {
    let run = Run { buffer: "keep", vault: "open", thread: "main", leak };
    for_each_path(|program, path, directory| {
        let outcome =
            Outcome::of(program, path, run, directory).unwrap_or_else(|why| panic!("{path}: {why}"));
        for (index, needle) in outcome.search.needles().iter().enumerate() {
            let mut hits = outcome.findings.outside.iter().filter(|hit| hit.needle == index);
            assert!(
                hits.any(|hit| hit.region.name == place),
                "{path}: {} as {} was planted ({leak}) and not found",
                needle.secret,
                needle.form
            );
        }
    });
}

#[test]
fn leaks_in_live_memory_are_found() {
    planted_leaks_are_found("live", "[heap]");
}

#[test]
fn leaks_in_freed_memory_are_found() {
    planted_leaks_are_found("freed", "[heap]");
}

#[test]
fn leaks_in_dead_stack_frames_are_found() {
    planted_leaks_are_found("stack", "[stack]");
}

#[test]
fn a_path_that_fails_is_no_proof() {
    let directory = support::directory();
    let run = Run { buffer: "keep", vault: "open", thread: "main", leak: "none" };
    // The root key cannot be made there, so the subject never stops by itself.
    let outcome = Outcome::of(&programs()[0], "tokenize", run, &directory.path().join("absent"));
    let why = outcome.err().expect("no outcome");
    assert!(why.contains("root_create: status"), "{why}");
}

#[test]
fn random_numbers_pass_the_luhn_check() {
    assert_eq!(luhn_digit(b"424242424242424"), b'2');
    assert_eq!(luhn_digit(b"34000000000000"), b'9');
    let number = number("6212", 19);
    assert_eq!(number.len(), 19);
    assert!(number.starts_with(b"6212"));
}
