//! The scanner against its vectors, and how often it cries wolf.

use std::fs;

use panseal::card::{Hit, HitForm, Scanner, holds_card_number, scan};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    input: Option<String>,
    input_hex: Option<String>,
    expect: Expected,
}

#[derive(Deserialize)]
struct Expected {
    hits: Vec<ExpectedHit>,
    holds: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
struct ExpectedHit {
    at: u64,
    len: u32,
    form: String,
    network: String,
    length: u8,
    mask: String,
}

fn told(hit: Hit) -> ExpectedHit {
    let form = match hit.form {
        HitForm::Run => "run",
        HitForm::Grouped => "grouped",
        HitForm::Track1 => "track1",
        HitForm::Track2 => "track2",
    };
    ExpectedHit {
        at: hit.at,
        len: hit.len,
        form: form.to_owned(),
        network: hit.network.name().to_owned(),
        length: hit.length,
        mask: hit.mask.to_string(),
    }
}

fn read() -> Vec<(String, Vec<u8>, Expected)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/scan.json");
    let file: File = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let bytes = |case: &Case| match (&case.input, &case.input_hex) {
        (Some(text), None) => text.clone().into_bytes(),
        (None, Some(hex)) => {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        }
        _ => panic!("{}: one input", case.name),
    };
    file.cases.into_iter().map(|case| (case.name.clone(), bytes(&case), case.expect)).collect()
}

#[test]
fn texts_are_scanned_as_the_vectors_say() {
    let cases = read();
    assert_eq!(cases.len(), 69);
    for (name, text, expected) in cases {
        let hits: Vec<_> = scan(&text).map(told).collect();
        assert_eq!(hits, expected.hits, "{name}");
        assert_eq!(holds_card_number(&text), expected.holds, "{name}");
    }
}

#[test]
fn texts_one_after_the_other_are_scanned_alike_in_chunks_of_any_size() {
    let text: Vec<u8> =
        read().into_iter().flat_map(|(_, text, _)| [text, b"\n\n\n\n".to_vec()].concat()).collect();
    let whole: Vec<_> = scan(&text).collect();
    assert!(whole.len() > 30, "{}", whole.len());
    for size in (1..300).chain([1023, 1024, 1025, 2000, text.len()]) {
        let mut scanner = Scanner::new();
        let mut hits = Vec::new();
        for chunk in text.chunks(size) {
            scanner.feed(chunk, |hit| hits.push(hit));
        }
        scanner.finish(|hit| hits.push(hit));
        assert_eq!(hits, whole, "chunks of {size}");
    }
}

#[test]
fn published_test_cards_are_found_as_runs() {
    #[derive(Deserialize)]
    struct TestCard {
        pan: String,
        luhn_ok: bool,
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/test_cards_open.json");
    let cards: Vec<TestCard> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let all = cards.iter().filter(|card| card.luhn_ok);
    let found = all.clone().filter(|card| scan(card.pan.as_bytes()).next().is_some()).count();
    let all = all.count();
    // Missed are the numbers of unknown networks, of a wrong length, and those that are a guess.
    println!("{found} of {all}");
    assert!(found * 100 >= all * 95, "{found} of {all}");
}

// ---- False alarms, on random text. Seeded, so that the counts stay. ----

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn digits(&mut self, len: u64) -> String {
        (0..len).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }
}

/// How many of `lines` made at random have a hit, in a million.
fn alarms(lines: u64, make: impl Fn(&mut Random) -> String) -> u64 {
    let mut random = Random(42);
    let found = (0..lines).filter(|_| scan(make(&mut random).as_bytes()).next().is_some()).count() as u64;
    found * 1_000_000 / lines
}

#[test]
fn of_random_numbers_a_few_in_a_hundred_look_like_cards() {
    let of_16 = alarms(1_000_000, |random| random.digits(16));
    let of_any = alarms(100_000, |random| {
        let len = 12 + random.below(8);
        random.digits(len)
    });
    println!("runs: {of_16} and {of_any} in a million");
    assert!((30_000..40_000).contains(&of_16), "{of_16}");
    assert!((14_000..21_000).contains(&of_any), "{of_any}");
}

#[test]
fn times_are_no_cards() {
    let seconds = |random: &mut Random| 946_684_800 + random.below(1_260_000_000); // 2000 to 2039
    assert_eq!(alarms(20_000, |random| format!("{}", seconds(random))), 0, "seconds");
    let millis = alarms(20_000, |random| format!("{}", seconds(random) * 1000 + random.below(1000)));
    let micros =
        alarms(20_000, |random| format!("{}", seconds(random) * 1_000_000 + random.below(1_000_000)));
    let nanos =
        alarms(20_000, |random| format!("{}", seconds(random) * 1_000_000_000 + random.below(1_000_000_000)));
    let written = |separators: [&'static str; 3]| {
        move |random: &mut Random| {
            let [date, between, time] = separators;
            let (year, month, day) = (2000 + random.below(40), 1 + random.below(12), 1 + random.below(28));
            let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
            let fraction = random.below(1_000_000);
            format!(
                "{year}{date}{month:02}{date}{day:02}{between}{hour:02}{time}{minute:02}{time}{second:02}.{fraction:06}"
            )
        }
    };
    for separators in [["-", "T", ":"], ["-", " ", ":"], ["", "", ""], ["-", "-", "-"], [" ", " ", " "]] {
        assert_eq!(alarms(20_000, written(separators)), 0, "{separators:?}");
    }
    println!("milliseconds {millis}, microseconds {micros}, nanoseconds {nanos} in a million");
    assert!(millis == 0 && micros < 5_000 && nanos < 5_000, "{millis} {micros} {nanos}");
}

#[test]
fn identifiers_and_dumps_are_no_cards() {
    let hex = |random: &mut Random, len: usize| -> String {
        let words: String = (0..len.div_ceil(16)).map(|_| format!("{:016x}", random.next())).collect();
        words[..len].to_owned()
    };
    let uuid = alarms(50_000, |random| {
        let text = hex(random, 32);
        [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
    });
    let sha256 = alarms(50_000, |random| hex(random, 64));
    let dump = alarms(50_000, |random| {
        let text = hex(random, 32);
        let groups: Vec<_> = (0..8).map(|at| &text[at * 4..at * 4 + 4]).collect();
        format!("{:08x}: {}  ................", random.below(1 << 32), groups.join(" "))
    });
    let bytes = alarms(50_000, |random| {
        let text = hex(random, 32);
        let groups: Vec<_> = (0..16).map(|at| &text[at * 2..at * 2 + 2]).collect();
        groups.join(" ")
    });
    println!("UUID {uuid}, SHA-256 {sha256}, dump {dump}, bytes {bytes} in a million");
    assert_eq!((uuid, sha256, bytes), (0, 0, 0));
    assert!(dump <= 10, "{dump}");
}
