//! The subject: eight threads in calls of a vault without end, all keys in use and in change.

use super::keys::bytes;
use panseal::card::{CardInput, Pan, Separators, check};
use panseal::error::{Code, Result};
use panseal::keys::{KeyState, Root};
use panseal::vault::{Change, Grant, ListQuery, OpenOptions, Reuse, TokenizeOptions, Vault};
use std::env;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many threads are in calls; the first one of the process only waits for them.
pub const THREADS: usize = 8;
/// Set for the subject alone: the vault's URL, the folder with its root key, and what is to be left behind.
const URL: &str = "PANSEAL_WAITING_URL";
const PLACE: &str = "PANSEAL_WAITING_PLACE";
const HEAP: &str = "PANSEAL_WAITING_HEAP";
const STACK: &str = "PANSEAL_WAITING_STACK";
const BUSY: &str = "PANSEAL_WAITING_BUSY";

const CARDS: [&[u8]; 4] = [b"4242424242424242", b"5555555555554444", b"378282246310005", b"4012888888881881"];

/// Whether all threads are at work at once.
static UNDER_WAY: AtomicBool = AtomicBool::new(false);

/// Secrets that a subject is to leave behind, as planted faults.
#[derive(Default)]
pub struct Plants<'p> {
    /// On its heap.
    pub heap: Vec<&'p [u8]>,
    /// On the stack of a thread that waits.
    pub stack: &'p [u8],
    /// On the stack of a thread that never does.
    pub busy: &'p [u8],
}

/// This test program once more, as the subject. `core` is where it may leave a core dump.
pub fn command(url: &str, place: &Path, plants: &Plants<'_>, core: Option<&Path>) -> Command {
    let program = env::current_exe().unwrap();
    let mut command = match core {
        None => Command::new(program),
        Some(folder) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", "ulimit -c unlimited && exec \"$0\" \"$@\""]).arg(program).current_dir(folder);
            shell
        }
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let heap: Vec<String> = plants.heap.iter().map(|bytes| hex(bytes)).collect();
    command.args(["--exact", "subject", "--nocapture"]).env(URL, url).env(PLACE, place);
    command.env(HEAP, heap.join(",")).env(STACK, hex(plants.stack)).env(BUSY, hex(plants.busy));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Waits until a subject is in its calls.
pub fn wait_for(place: &Path) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !place.join("ready").exists() {
        assert!(Instant::now() < limit, "the subject did not come up");
        thread::sleep(Duration::from_millis(10));
    }
    fs::remove_file(place.join("ready")).unwrap();
}

pub fn open(url: &str, place: &Path) -> Vault {
    let root = Root::parse(&format!("file:{}", place.join("root").display())).unwrap();
    let busy_timeout = Duration::from_secs(60);
    Vault::open(&OpenOptions { create: true, busy_timeout, ..OpenOptions::new(url, root) }).unwrap()
}

/// The subject's work; nothing where nobody has started it as such.
pub fn work() {
    let (Ok(url), Some(place)) = (env::var(URL), env::var_os(PLACE)) else { return };
    let planted: Vec<Vec<u8>> = env::var(HEAP).unwrap().split(',').map(bytes).collect();
    let vault = &open(&url, Path::new(&place));
    // Once one after the other, when nothing may go wrong.
    for round in [cards, rotate, rewrap, change_index, everything_else] {
        round(vault, 0);
    }
    UNDER_WAY.store(true, Ordering::Relaxed);
    fs::write(Path::new(&place).join("ready"), "").unwrap();
    thread::scope(|scope| {
        let forever = |round: fn(&Vault, usize), number: usize| {
            scope.spawn(move || {
                let mut turn = number;
                loop {
                    round(vault, turn);
                    turn += 8;
                }
            });
        };
        (0..4).for_each(|number| forever(cards, number));
        forever(rewrap, 4);
        forever(rotate, 5);
        forever(change_index, 6);
        forever(everything_else, 7);
        scope.spawn(|| held_by_one_who_waits(&env::var(STACK).unwrap()));
        scope.spawn(|| held_by_one_who_never_waits(&env::var(BUSY).unwrap()));
    });
    black_box(planted);
}

/// What may go wrong where keys and rows change under everybody's hands.
fn may<T>(answer: Result<T>) -> Option<T> {
    let expected = [Code::Busy, Code::Epoch, Code::Token, Code::Inactive, Code::Conflict];
    let may = |code| UNDER_WAY.load(Ordering::Relaxed) && expected.contains(&code);
    answer.map_err(|error| assert!(may(error.code()), "{error}")).ok()
}

fn cards(vault: &Vault, turn: usize) {
    let number = CARDS[turn % CARDS.len()];
    let name: Option<&[u8]> = Some(b"ADA BYRON");
    let input = CardInput { name, ..CardInput::new(number, 1_800_000_000) };
    let card = check(&input).unwrap_or_else(|_| panic!("a card"));
    let customer = format!("c-{turn}");
    let reuse = if turn % 3 == 0 { Reuse::Merchant } else { Reuse::Never };
    let Some(made) = may(vault.tokenize(&card, &TokenizeOptions { reuse, ..TokenizeOptions::of(&customer) }))
    else {
        return;
    };
    let token = made.token.as_str().as_bytes();
    may(vault.detokenize(token, "", "test", 19));
    may(vault.lookup(token));
    may(vault.find(&Pan::parse(number, Separators::Dropped).unwrap_or_else(|_| panic!("a card"))));
    may(vault.update(token, &Change { metadata: Some("{\"a\":1}"), ..Change::default() }));
    may(vault.details(token));
    may(vault.delete(token));
}

fn rewrap(vault: &Vault, _: usize) {
    may(vault.rewrap(&mut |_, _| true));
    for epoch in may(vault.status()).iter().flat_map(|status| &status.epochs) {
        if epoch.key.state == KeyState::DecryptOnly {
            may(vault.destroy(epoch.key.id));
        }
    }
}

fn rotate(vault: &Vault, _: usize) {
    may(vault.rotate());
    thread::sleep(Duration::from_millis(40));
}

fn change_index(vault: &Vault, _: usize) {
    may(vault.change_index(&mut |_, _| true));
    thread::sleep(Duration::from_millis(40));
}

fn everything_else(vault: &Vault, turn: usize) {
    let id = format!("c-{turn}");
    may(vault.create_customer(&id, "", "{\"name\":\"ADA BYRON\"}"));
    may(vault.update_customer(&id, |data| Ok(data.to_owned())));
    may(vault.customers("", 10));
    may(vault.delete_customer(&id));
    let grant = Grant { dialect: "webpay", ..Grant::default() };
    if let Some(key) = may(vault.grant(&grant)) {
        may(vault.credential_of_bearer(key.as_bytes()));
        may(vault.revoke(key.id()));
    }
    let refused = vault.detokenize(b"unknown", "", "test", 19);
    assert!(refused.is_err());
    may(vault.list(&ListQuery::default()));
    may(vault.audit(&panseal::vault::AuditQuery::default()));
    may(vault.check_vault(&mut |_, _| true));
    may(vault.verify_audit(None));
    may(vault.purge_expired());
}

/// Fills a place on the stack, and leaves nothing elsewhere.
fn fill(room: &mut [u8; 64], hex: &str) {
    let value = |digit: u8| (digit as char).to_digit(16).unwrap_or(0) as u8;
    for (place, digits) in room.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *place = value(digits[0]) << 4 | value(digits[1]);
    }
}

/// A secret on the stack of a thread in a system call.
fn held_by_one_who_waits(hex: &str) {
    let mut room = [0; 64];
    fill(&mut room, hex);
    loop {
        thread::sleep(Duration::from_secs(3600));
        black_box(&mut room);
    }
}

/// A secret on the stack of a thread on a processor; without one there is nothing to do.
fn held_by_one_who_never_waits(hex: &str) {
    let mut room = [0; 64];
    fill(&mut room, hex);
    while !hex.is_empty() {
        black_box(&mut room);
    }
}
