//! What the tests of faults share: a vault's place, card numbers, children that are killed, and a book of what was
//! acknowledged, against which the vault is held afterwards.
#![allow(dead_code, reason = "each test file takes what it needs")]

use panseal::card::{Card, CardInput, check};
use panseal::error::{Code, Result};
use panseal::keys::Root;
use panseal::vault::{OpenOptions, Vault};
use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The time at which cards are checked.
pub const NOW: i64 = 1_800_000_000;

/// How long a vault of these tests waits for others.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where a vault and its root key are.
pub struct Place {
    /// The vault's URL.
    pub url: String,
    /// The root key's.
    pub root: String,
    /// Goes with the value; the vault's file is in it, if it has one.
    pub folder: tempfile::TempDir,
}

impl Place {
    /// A place for an SQLite file.
    pub fn sqlite() -> Place {
        Place::at(|folder| format!("sqlite:{}", folder.join("cards.db").display()))
    }

    /// The same where no disk is behind it, if there is such a folder: for tests that commit very often.
    pub fn without_disk() -> Place {
        let mut place = Place::sqlite();
        if Path::new("/dev/shm").is_dir() {
            place.folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
            place.url = format!("sqlite:{}", place.db().display());
            place.root = format!("file:{}", place.folder.path().join("cards.root").display());
            Root::create(&place.root).unwrap();
        }
        place
    }

    /// A place that `url` names, with a new root key.
    pub fn at(url: impl FnOnce(&Path) -> String) -> Place {
        let folder = super::support::directory();
        let root = format!("file:{}", folder.path().join("cards.root").display());
        Root::create(&root).unwrap();
        Place { url: url(folder.path()), root, folder }
    }

    /// The SQLite file.
    pub fn db(&self) -> PathBuf {
        self.folder.path().join("cards.db")
    }

    /// Another process's or an intruder's connection to the SQLite file. What it writes need not reach the disk.
    pub fn sql(&self) -> rusqlite::Connection {
        let sql = rusqlite::Connection::open(self.db()).unwrap();
        sql.pragma_update(None, "synchronous", "off").unwrap();
        sql
    }

    /// Opens the vault, or makes it.
    pub fn open(&self) -> Vault {
        open(&self.url, &self.root).unwrap()
    }

    /// Opens it otherwise.
    pub fn open_with(
        &self,
        change: impl for<'a> FnOnce(OpenOptions<'a>) -> OpenOptions<'a>,
    ) -> Result<Vault> {
        Vault::open(&change(OpenOptions::new(&self.url, Root::parse(&self.root).unwrap())))
    }
}

/// Opens a vault, or makes it.
pub fn open(url: &str, root: &str) -> Result<Vault> {
    Vault::open(&OpenOptions {
        create: true,
        busy_timeout: PATIENCE,
        ..OpenOptions::new(url, Root::parse(root).unwrap())
    })
}

/// The Visa number of 16 digits at a place; those of two places differ.
pub fn number(place: usize) -> String {
    let body = format!("41234500{place:07}");
    let residue = panseal::card::residue(format!("{body}0").as_bytes()).unwrap();
    format!("{body}{}", (10 - residue) % 10)
}

/// A good card.
pub fn card(number: &str) -> Card<'_> {
    let name: Option<&[u8]> = Some(b"ADA BYRON");
    let input = CardInput { expiry: Some((12, 2030)), name, ..CardInput::new(number.as_bytes(), NOW) };
    check(&input).unwrap_or_else(|_| panic!("a good card"))
}

/// The card number of a token.
pub fn digits(vault: &Vault, token: &str) -> Result<String> {
    let pan = vault.detokenize(token.as_bytes(), "", "test", 19)?;
    Ok(String::from_utf8(pan.digits().to_vec()).unwrap())
}

/// The code of what must have failed.
pub fn code<T>(result: Result<T>) -> Code {
    result.err().expect("a failure").code()
}

/// A number below `end`, from the kernel.
pub fn random(end: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_ne_bytes(bytes) % end
}

/// This test program once more, in a process of its own, to do what [`task`] says there inside the same test.
pub fn child(test: &str, task: &[&str]) -> Child {
    child_under(&[], test, task)
}

/// The same, started by another program: its words come first.
pub fn child_under(starter: &[&str], test: &str, task: &[&str]) -> Child {
    let program = env::current_exe().expect("this program");
    let mut command = match starter {
        [] => Command::new(program),
        [first, words @ ..] => {
            let mut command = Command::new(first);
            command.args(words).arg(program);
            command
        }
    };
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env("PANSEAL_TASK", task.join("\n"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("this program starts once more")
}

/// What a child was told to do; nothing in a test that was not started by [`child`].
pub fn task() -> Option<Vec<String>> {
    env::var("PANSEAL_TASK").ok().map(|task| task.split('\n').map(str::to_owned).collect())
}

/// Ends a child as a power cut would end it.
pub fn kill(mut child: Child) {
    child.kill().expect("a child that can be killed");
    child.wait().expect("the end of a child");
}

/// A file of lines, each in it as soon as it was written, also when its writer is killed right after.
pub struct Book(File);

impl Book {
    /// Opens the book, or begins it.
    pub fn at(path: &Path) -> Book {
        Book(File::options().append(true).create(true).open(path).expect("a book"))
    }

    /// Writes a line of words in one go; any thread may.
    pub fn note(&self, words: &[&str]) {
        (&self.0).write_all(format!("{}\n", words.join(" ")).as_bytes()).expect("a line in the book");
    }

    /// The lines of a book, each as its words; none where there is no book yet.
    pub fn read(path: &Path) -> Vec<Vec<String>> {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
    }
}

/// Waits until a child has written so many lines into its book.
pub fn wait_for_lines(book: &Path, count: usize) {
    let deadline = Instant::now() + super::support::PATIENCE;
    while Book::read(book).len() < count {
        assert!(Instant::now() < deadline, "nothing was written");
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// A token as the tables hold it, as SQLite writes bytes.
pub fn packed(token: &str) -> String {
    let digits = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let id = token.replace('-', "");
    if token.len() == 48 && digits(token) {
        format!("x'01{token}'")
    } else if token.len() == 36 && id.len() == 32 && digits(&id) {
        format!("x'02{id}'")
    } else {
        let text: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("x'03{text}'")
    }
}

/// The number of a line's action, as the tables hold it.
pub fn action(name: &str) -> i32 {
    let known = ["tokenize", "reuse", "refuse", "detokenize", "update", "deactivate", "reactivate", "delete"];
    let later = [
        "purge",
        "customer",
        "claim",
        "grant",
        "revoke",
        "rotate",
        "rewrap",
        "destroy",
        "change_index",
        "change_root",
        "settings",
    ];
    let place = known.iter().chain(&later).position(|known| *known == name);
    1 + place.unwrap_or_else(|| panic!("no such action: {name}")) as i32
}

/// What must not be in any vault, in words and in the SQL of every store; each counts the rows that are half-written.
pub const HALVES: &[(&str, &str)] = &[
    (
        "an instrument without its card",
        "select count(*) from instrument i
         where not exists (select 1 from card c where c.id = i.card and c.merchant = i.merchant)",
    ),
    (
        "a card without an instrument",
        "select count(*) from card c
         where not exists (select 1 from instrument i where i.card = c.id and i.merchant = c.merchant)",
    ),
    (
        "a card without a fingerprint under an index key in force",
        "select count(*) from card c where not exists (
             select 1 from card_fp f where f.card = c.id and f.merchant = c.merchant
             and f.generation in (select id from epoch where kind = 'index' and state <> 'destroyed'))",
    ),
    (
        "a fingerprint without its card",
        "select count(*) from card_fp f
         where not exists (select 1 from card c where c.id = f.card and c.merchant = f.merchant)",
    ),
    (
        "an instrument that the audit trail does not know",
        "select count(*) from instrument
         where (merchant, token) not in (select merchant, token from audit where action = 1)",
    ),
    (
        "a line of the audit trail for a token that was never made",
        "select count(*) from audit where length(token) > 0
         and (merchant, token) not in (select merchant, token from instrument)
         and (merchant, token) not in (select merchant, token from audit where action = 8)",
    ),
    (
        "an idempotency key whose token is not there",
        "select count(*) from idempotency k where not exists (
             select 1 from instrument i where k.merchant = i.merchant and k.token = i.token)",
    ),
    (
        "another number of active keys than one of each kind",
        "select count(*) from (
             select k.kind from (select 'epoch' as kind union all select 'index') k
             left join epoch e on e.kind = k.kind and e.state = 'active'
             group by k.kind having count(e.id) <> 1) as wrong",
    ),
];

/// Nothing is in the vault by half. `count` runs SQL that gives one number.
pub fn nothing_is_there_by_half(mut count: impl FnMut(&str) -> i64) {
    for (what, sql) in HALVES {
        assert_eq!(count(sql), 0, "{what}");
    }
}

/// The same of an SQLite file, which is also whole.
pub fn file_is_whole(sql: &rusqlite::Connection) {
    nothing_is_there_by_half(|query| sql.query_row(query, [], |row| row.get(0)).unwrap());
    let said: String = sql.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
}

/// Every line `token TOKEN NUMBER` of a book is kept: the token is there and leads to its number. So is each `inactive
/// TOKEN`, which is out of use; a line `maybe TOKEN` leaves open whether it is.
pub fn is_kept(vault: &Vault, lines: &[Vec<String>]) {
    let mut numbers = HashMap::new();
    for line in lines {
        match line.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["token", token, number] => drop(numbers.insert(token, Some(number))),
            ["inactive", token] => drop(numbers.insert(token, None)),
            ["maybe", token] => drop(numbers.remove(token)),
            _ => {}
        }
    }
    for (token, number) in numbers {
        let found = digits(vault, token);
        match number {
            Some(number) => assert_eq!(found.ok().as_deref(), Some(number), "{token}"),
            None => assert_eq!(code(found), Code::Inactive, "{token}"),
        }
    }
}

/// [`is_kept`] for many, in less time: every token is there with its card's first six and last four digits, which tell
/// the numbers of [`number`] below 1000 apart; some are detokenized.
pub fn are_still_there(vault: &Vault, lines: &[Vec<String>]) {
    for (place, line) in lines.iter().filter(|line| line[0] == "token").enumerate() {
        let (token, number) = (&line[1], &line[2]);
        let found = vault.lookup(token.as_bytes()).unwrap();
        let masked = found.masked.as_str();
        assert!(masked[..6] == number[..6] && masked[12..] == number[12..], "{token}");
        if place % 50 == 0 && found.active {
            assert_eq!(digits(vault, token).unwrap(), *number);
        }
    }
}
