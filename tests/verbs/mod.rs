//! A fuzzer of all verbs of a vault: what its children do, what they note of it, and how the vault is held against that
//! afterwards.

pub mod judge;
pub mod ledger;
pub mod roots;
pub mod worker;

use std::path::{Path, PathBuf};

/// How many threads a child has.
pub const THREADS: usize = 3;

/// The merchants, as a book names them: the first is the one without a name.
pub const MERCHANTS: [&str; 2] = ["-", "shop"];

/// The name of a merchant in the vault.
pub fn merchant_name(in_book: &str) -> &str {
    if in_book == "-" { "" } else { in_book }
}

/// The places of the card numbers, by what they are for. Below 1000 the last four digits tell all of them apart.
pub mod pool {
    use std::ops::Range;

    /// Tokens that one thread alone changes and deletes; the cards are everybody's.
    pub const OWN: Range<u64> = 0..60;
    /// With `reuse=merchant`, for ever in use: one token for each number.
    pub const SHARED: Range<u64> = 100..140;
    /// With an idempotency key.
    pub const ONCE: Range<u64> = 200..260;
    /// Stored before the others come, so that whatever walks over all cards has some pages to go.
    pub const OLD: Range<u64> = 300..900;
}

/// Where a run takes place.
#[derive(Clone)]
pub struct Site {
    /// The vault's URL.
    pub url: String,
    /// The root key and the books are in it.
    pub folder: PathBuf,
}

impl Site {
    /// The book of a thread: all children of a slot write it one after the other.
    pub fn book(&self, slot: &str, thread: usize) -> PathBuf {
        self.folder.join(format!("book-{slot}-{thread}"))
    }

    /// All books.
    pub fn books(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let is_book = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("book-");
        entries.filter(is_book).collect()
    }

    /// Children end when this file is there.
    pub fn end(&self) -> PathBuf {
        self.folder.join("end")
    }

    /// The URI of the root key.
    pub fn root(&self) -> String {
        file_uri(&self.root_file())
    }

    fn root_file(&self) -> PathBuf {
        self.folder.join("cards.root")
    }

    fn next_root_file(&self) -> PathBuf {
        self.folder.join("cards.root.next")
    }
}

fn file_uri(path: &Path) -> String {
    format!("file:{}", path.display())
}

/// Whether a verb takes part: `PANSEAL_VERBS_WITHOUT` names those that do not, with commas.
pub fn takes_part(verb: &str) -> bool {
    let without = std::env::var("PANSEAL_VERBS_WITHOUT").unwrap_or_default();
    !without.split(',').any(|name| name == verb)
}
