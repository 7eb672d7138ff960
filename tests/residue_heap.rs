//! No block of the heap holds a card number, and none is given back with a name in it.
//!
//! The allocator of this program looks into every block that is freed, grown or shrunk. It does not wipe: what it
//! finds is what a program without the wiping allocator would leave behind. And whenever panseal takes a block or gives
//! one back, it looks for the number in all that panseal has at that moment.

use panseal::card::{CardInput, check};
use panseal::dialect::{Request, Trusted, handle};
use panseal::keys::Root;
use panseal::vault::{OpenOptions, TokenizeOptions, Vault};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

const NUMBER: &str = "4929130582746009";
const NAME: &str = "QUILL XAVIERA";
const CVV: &str = "987";
/// Number, rank and name as they could lie about.
static NEEDLES: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static DIRTY: AtomicUsize = AtomicUsize::new(0);
static FREED: AtomicUsize = AtomicUsize::new(0);
/// The number alone, for [`Watch`].
static NUMBERS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
static WATCH: Mutex<Watch> = Mutex::new(Watch { blocks: [(0, 0); 4096], count: 0, looks: 0, found: 0 });

thread_local! {
    static WATCHING: Cell<bool> = const { Cell::new(false) };
}

struct Inspector;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Inspector {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that what is found was written by this block's owner.
        let block = unsafe { System.alloc_zeroed(layout) };
        watch(|watch| watch.taken(block, layout.size()));
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        watch(|watch| watch.given_back(block));
        inspect(unsafe { std::slice::from_raw_parts(block, layout.size()) });
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Inspector = Inspector;

fn inspect(block: &[u8]) {
    // A block freed while the needles are being made, or by their own maker, is not one of panseal's.
    let Ok(needles) = NEEDLES.try_lock() else { return };
    FREED.fetch_add(1, Ordering::Relaxed);
    if holds_one_of(&needles, block) {
        DIRTY.fetch_add(1, Ordering::Relaxed);
    }
}

fn holds_one_of(needles: &[Vec<u8>], block: &[u8]) -> bool {
    let holds = |needle: &Vec<u8>| block.windows(needle.len()).any(|window| window == needle.as_slice());
    needles.iter().any(holds)
}

/// The blocks that were taken since a watch began and are not given back. It lies in the program's own memory: an
/// allocator cannot ask itself for room.
struct Watch {
    blocks: [(usize, usize); 4096],
    count: usize,
    looks: usize,
    found: usize,
}

impl Watch {
    fn taken(&mut self, block: *mut u8, size: usize) {
        self.look();
        self.blocks[self.count] = (block.expose_provenance(), size);
        self.count += 1;
    }

    fn given_back(&mut self, block: *mut u8) {
        self.look();
        if let Some(place) = self.blocks[..self.count].iter().position(|(at, _)| *at == block.addr()) {
            self.count -= 1;
            self.blocks[place] = self.blocks[self.count];
        }
    }

    fn look(&mut self) {
        self.looks += 1;
        for (at, size) in &self.blocks[..self.count] {
            // SAFETY: a block of this size, taken by this thread, which is here and does not write.
            let block = unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(*at), *size) };
            self.found += usize::from(NUMBERS.get().is_some_and(|numbers| holds_one_of(numbers, block)));
        }
    }
}

fn watch(see: impl FnOnce(&mut Watch)) {
    if WATCHING.get() {
        see(&mut WATCH.lock().unwrap());
    }
}

/// How often a block that `work` took had the number in it when another was taken or given back, and how often it was
/// looked.
fn held_blocks(work: impl FnOnce()) -> (usize, usize) {
    let begin = |watch: &mut Watch| (watch.count, watch.looks, watch.found) = (0, 0, 0);
    begin(&mut WATCH.lock().unwrap());
    WATCHING.set(true);
    work();
    WATCHING.set(false);
    let watch = WATCH.lock().unwrap();
    (watch.found, watch.looks)
}

fn needles() -> Vec<Vec<u8>> {
    let value: u64 = NUMBER.parse().unwrap();
    let rank = value + (12..16).map(|k| 10u64.pow(k)).sum::<u64>();
    let wide = |text: &str| text.bytes().flat_map(|byte| [byte, 0]).collect::<Vec<u8>>();
    let mut all =
        vec![NUMBER.into(), NUMBER[..12].into(), NUMBER[4..].into(), NAME.into(), wide(NUMBER), wide(NAME)];
    all.push(NUMBER.bytes().map(|digit| digit - b'0').collect());
    all.push(NUMBER.as_bytes().chunks(2).map(|pair| (pair[0] - b'0') << 4 | (pair[1] - b'0')).collect());
    for number in [value, rank] {
        all.extend([number.to_le_bytes().to_vec(), number.to_be_bytes().to_vec()]);
    }
    all
}

/// How many blocks `work` frees with a needle in them, and how many it frees at all.
fn dirty_blocks(work: impl FnOnce()) -> (usize, usize) {
    let before = (DIRTY.load(Ordering::Relaxed), FREED.load(Ordering::Relaxed));
    work();
    (DIRTY.load(Ordering::Relaxed) - before.0, FREED.load(Ordering::Relaxed) - before.1)
}

fn with_card(number: &[u8], work: impl FnOnce(&panseal::card::Card)) {
    let input = CardInput {
        expiry: Some((12, 2030)),
        cvv: Some(CVV.as_bytes()),
        name: Some(NAME.as_bytes()),
        ..CardInput::new(number, 1_800_000_000)
    };
    if let Ok(card) = check(&input) {
        work(&card);
    }
}

/// Requests with the number where it belongs, plain and with an escape in it, and where it does not.
fn dialect_requests() -> Vec<(&'static str, &'static str, String)> {
    let escaped = format!("{}\\u0030{}", &NUMBER[..14], &NUMBER[15..]);
    let mut requests = Vec::new();
    for (dialect, target, body) in [
        (
            "sumup",
            "/v0.1/customers/c-1/payment-instruments",
            r#"{"type":"TYPE","card":{"name":"QUILL XAVIERA","number":"PAN","expiry_year":"30",
                "expiry_month":"04","cvv":"987"},"x":"EXTRA"}"#,
        ),
        (
            "sumup",
            "/v0.1/customers",
            r#"{"customer_id":"EXTRA","personal_details":{"phone":"PAN","x":"TYPE"}}"#,
        ),
        (
            "stax",
            "/payment-method",
            r#"{"method":"TYPE","person_name":"QUILL XAVIERA","card_number":"PAN",
                "card_exp":"0430","card_cvv":"987","address_1":"EXTRA"}"#,
        ),
        (
            "stax",
            "/payment-method",
            r#"{"method":"TYPE","person_name":"PAN","card_number":"PAN","card_exp":"PAN"}"#,
        ),
        ("stax", "/customer", r#"{"firstname":"PAN","notes":"EXTRA","x":"TYPE"}"#),
        (
            "pace",
            "/payment-methods/creditcard",
            r#"{"data":{"type":"paymentMethod","attributes":{"kind":"creditcard","cardToken":"PAN"},"x":"EXTRATYPE"}}"#,
        ),
        (
            "webpay",
            "/v2/tokens",
            r#"{"type":"TYPE","card":{"pan":"PAN","expiration_date":"3004"},"x":"EXTRA"}"#,
        ),
        ("webpay", "/v2/customers", r#"{"name":"PAN","phone":"EXTRA","x":"TYPE"}"#),
    ] {
        // A row of digits that is no card number may be a customer's name.
        let free = target.ends_with("customer") || target.ends_with("customers");
        let (longer, shorter) = (format!("{NUMBER}1"), NUMBER[1..].to_owned());
        for pan in [NUMBER, &escaped, &longer, &shorter].into_iter().take(if free { 2 } else { 4 }) {
            for (kind, x) in [("card", ""), ("bank", ""), ("card", NUMBER)] {
                let body = body.replace("PAN", pan).replace("TYPE", kind).replace("EXTRA", x);
                requests.push((dialect, target, body[..body.len() - 1].to_owned()));
                requests.push((dialect, target, body));
            }
        }
    }
    requests
}

/// A needle that is in the name and not in the number.
fn is_of_the_name(needle: &[u8]) -> bool {
    [1, 2].iter().any(|step| needle.iter().step_by(*step).eq(NAME.as_bytes()))
}

/// One test, so that no other thread's blocks are counted.
#[test]
fn no_block_holds_a_number_and_no_freed_one_a_name() {
    *NEEDLES.lock().unwrap() = needles();
    let numbers: Vec<Vec<u8>> = needles().into_iter().filter(|needle| !is_of_the_name(needle)).collect();
    NUMBERS.set(numbers).unwrap();
    for (place, needle) in NUMBERS.get().unwrap().iter().enumerate() {
        let planted = held_blocks(|| {
            let mut block = vec![0u8; 200];
            block[64..64 + needle.len()].copy_from_slice(needle);
            drop(std::hint::black_box(Box::new(1)));
            block.fill(0);
            drop(std::hint::black_box(block));
        });
        assert!(planted.0 >= 1, "the watch is blind to form {place}");
    }
    for (place, needle) in needles().iter().enumerate() {
        let planted = dirty_blocks(|| {
            let mut block = vec![0u8; 200];
            block[64..64 + needle.len()].copy_from_slice(needle);
            drop(std::hint::black_box(block));
        });
        assert!(planted.0 >= 1, "the inspector is blind to form {place}");
    }
    assert!(dirty_blocks(|| drop(std::hint::black_box(format!("card {NUMBER}")))).0 >= 1);

    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("cards.db").display());
    let root = format!("file:{}", folder.path().join("cards.root").display());
    Root::create(&root).unwrap();
    let options =
        OpenOptions { create: true, actor: "test", ..OpenOptions::new(&url, Root::parse(&root).unwrap()) };
    let spaced = b"4929 1305 8274 6009";
    let vault = Vault::open(&options).unwrap();
    let mut token = String::new();

    let (mut freed, mut looked) = (0, 0);
    let mut clean = |path: &str, work: &mut dyn FnMut()| {
        let (mut held, mut looks) = (0, 0);
        let (dirty, all) = dirty_blocks(|| (held, looks) = held_blocks(work));
        assert_eq!(dirty, 0, "{path} freed blocks with a number or a name in them");
        assert_eq!(held, 0, "{path} had blocks with a number in them");
        freed += all;
        looked += looks;
    };
    clean("check", &mut || with_card(spaced, |_| ()));
    clean("check, refused", &mut || with_card(b"4929130582746000", |_| panic!("the card is refused")));
    clean("tokenize", &mut || {
        with_card(spaced, |card| {
            token = vault.tokenize(card, &TokenizeOptions::of("c-1")).unwrap().token.to_string()
        });
    });
    clean("tokenize the same card again", &mut || {
        with_card(NUMBER.as_bytes(), |card| drop(vault.tokenize(card, &TokenizeOptions::of("c-2")).unwrap()));
    });
    clean("tokenize, refused", &mut || {
        with_card(spaced, |card| assert!(vault.tokenize(card, &TokenizeOptions::of("\0")).is_err()))
    });
    clean("lookup", &mut || drop(vault.lookup(token.as_bytes()).unwrap()));
    clean("detokenize", &mut || drop(vault.detokenize(token.as_bytes(), "", "test", 19).unwrap()));
    clean("detokenize, refused", &mut || assert!(vault.detokenize(b"x", "", "test", 19).is_err()));
    clean("deactivate", &mut || drop(vault.deactivate(token.as_bytes()).unwrap()));
    clean("open and close", &mut || drop(Vault::open(&options).unwrap()));
    // A name comes back in a reply; a number never does.
    NEEDLES.lock().unwrap().retain(|needle| !is_of_the_name(needle));
    vault.create_customer("c-1", "", "").unwrap();
    for (dialect, target, body) in dialect_requests() {
        let request = Request {
            method: "POST",
            target,
            headers: b"Content-Type: application/vnd.api+json\r\n",
            body: body.as_bytes(),
            now: 1_800_000_000,
            trusted: Some(Trusted { subject: "user-1" }),
            ..Request::default()
        };
        clean(&format!("{dialect}: {body}"), &mut || {
            let response = handle(&vault, dialect, &request).unwrap();
            assert_eq!(response.failure, None);
        });
    }
    assert!(freed > 50, "only {freed} blocks were freed: the paths did not run");
    assert!(looked > 2 * freed, "{looked} looks at {freed} freed blocks: they were not watched");
}
