//! The rules of the card floor by the named vectors, which every language runs, and by numbers made of the table.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use panseal::card::{
    CardInput, Detection, Expiry, HolderParts, LuhnRule, Network, Pan, Separators, Truncation, View, check,
    detect, detect_aid, detect_with_aid, group, luhn_ok, mask, mask_grouped, parse_holder, partial, residue,
    transliterate, truncate, write_holder,
};
use panseal::error::{Code, Param};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn read<T: DeserializeOwned>(path: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

// ---- The named vectors. ----

/// Runs the cases of a file; `run` gives what a case has under `expect`.
fn run_vectors(file: &str, count: usize, run: fn(&Value) -> Result<Value, Code>) {
    let vectors: Value = read(&format!("tests/vectors/{file}.json"));
    let cases = vectors["cases"].as_array().unwrap();
    let mut names = BTreeSet::new();
    for case in cases {
        let found = run(case).unwrap_or_else(|code| json!({ "error": code.name() }));
        assert_eq!(found, case["expect"], "{file}: {}", case["name"]);
        assert!(names.insert(text(case, "name")), "{file}: {} stands twice", case["name"]);
    }
    assert_eq!(names.len(), count, "cases of {file}.json");
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{}: {field} is no text", case["name"]))
}

fn number<T: TryFrom<i64>>(case: &Value, field: &str) -> T {
    let number = case[field].as_i64().and_then(|number| T::try_from(number).ok());
    number.unwrap_or_else(|| panic!("{}: {field} is no such number", case["name"]))
}

fn pan(case: &Value) -> Pan {
    Pan::parse(text(case, "number").as_bytes(), Separators::Refused).unwrap()
}

fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn expiry_dates_follow_the_vectors() {
    run_vectors("expiry", 39, |case| {
        let read = match text(case, "op") {
            "parse" => Expiry::parse,
            "mmyy" => Expiry::from_mmyy,
            "yymm" => Expiry::from_yymm,
            "yymmdd" => Expiry::from_yymmdd,
            op => return judge_expiry(case, op),
        };
        let expiry = read(text(case, "text").as_bytes())?;
        Ok(json!({ "month": expiry.month(), "year": expiry.year() }))
    });
}

fn judge_expiry(case: &Value, op: &str) -> Result<Value, Code> {
    let expiry = Expiry::new(number(case, "month"), number(case, "year"))?;
    Ok(match op {
        "expired" => {
            let expired = expiry.is_expired_with_grace(number(case, "now"), number(case, "grace_months"));
            json!({ "expired": expired })
        }
        "too_far" => {
            json!({ "too_far": expiry.is_too_far(number(case, "now"), number(case, "horizon_years")) })
        }
        "format" => json!({
            "mmyy": ascii(&expiry.to_mmyy()),
            "yymm": ascii(&expiry.to_yymm()),
            "mmyyyy": ascii(&expiry.to_mmyyyy()),
        }),
        _ => panic!("there is no {op}"),
    })
}

#[test]
fn names_follow_the_vectors() {
    run_vectors("names", 40, |case| {
        let name = match text(case, "op") {
            "parse" => {
                let name = text(case, "text");
                let spans = parse_holder(name.as_bytes())?;
                return Ok(json!({
                    "surname": name[spans.surname],
                    "first": name[spans.first],
                    "middle": name[spans.middle],
                    "title": name[spans.title],
                }));
            }
            "write" => write_holder(&HolderParts {
                surname: text(case, "surname").as_bytes(),
                first: text(case, "first").as_bytes(),
                middle: text(case, "middle").as_bytes(),
                title: text(case, "title").as_bytes(),
            }),
            "transliterate" => transliterate(text(case, "text").as_bytes()),
            op => panic!("there is no {op}"),
        };
        Ok(json!({ "text": ascii(name?.as_bytes()) }))
    });
}

#[test]
fn display_follows_the_vectors() {
    run_vectors("display", 32, |case| {
        if text(case, "op") == "usual" {
            let Truncation { first, last } = Truncation::usual(number(case, "length"));
            return Ok(json!({ "first": first, "last": last }));
        }
        let pan = pan(case);
        let network = detect(pan.digits()).network;
        Ok(match text(case, "op") {
            "mask" => {
                let view = match text(case, "view") {
                    "six_four" => View::SixFour,
                    "eight_four" => View::EightFour,
                    "last_four" => View::LastFour,
                    view => panic!("there is no view {view}"),
                };
                let grouped = case["grouped"].as_bool().unwrap();
                let mask = if grouped { mask_grouped(&pan, view, network) } else { mask(&pan, view) };
                json!({ "text": mask.as_str() })
            }
            "group" => json!({ "text": ascii(group(&pan, network).as_bytes()) }),
            "truncate" => {
                let keep = Truncation { first: number(case, "first"), last: number(case, "last") };
                let left = truncate(&pan, network, keep)?;
                json!({ "first": ascii(left.first), "last": ascii(left.last), "removed": left.removed })
            }
            op => panic!("there is no {op}"),
        })
    });
}

#[test]
fn keyed_numbers_follow_the_vectors() {
    run_vectors("partial", 19, |case| {
        let so_far = partial(text(case, "typed").as_bytes())?;
        Ok(json!({
            "digits": so_far.digits,
            "possible": so_far.possible.iter().map(Network::name).collect::<Vec<_>>(),
            "committed": so_far.committed.map(Network::name),
            "lengths": so_far.lengths.iter().collect::<Vec<_>>(),
            "complete": so_far.complete.name(),
            "luhn_ok": so_far.luhn_ok,
        }))
    });
}

#[test]
fn applications_follow_the_vectors() {
    run_vectors("aid", 36, |case| {
        let aid = from_hex(text(case, "aid"));
        let Some(digits) = case["number"].as_str() else {
            return Ok(json!({ "network": detect_aid(&aid).map(Network::name) }));
        };
        let found = detect_with_aid(digits.as_bytes(), &aid);
        Ok(json!({
            "network": found.network.name(),
            "product": found.product.map(Network::name),
            "cobadges": found.cobadges.iter().map(|network| network.name()).collect::<Vec<_>>(),
            "lengths": found.lengths.iter().collect::<Vec<_>>(),
            "fallback": found.fallback,
        }))
    });
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|place| u8::from_str_radix(&text[place..place + 2], 16).unwrap()).collect()
}

// ---- Numbers made of the table. ----

#[derive(Deserialize)]
struct Table {
    brands: Vec<Brand>,
}

#[derive(Deserialize)]
struct Brand {
    brand: String,
    parent: Option<String>,
    detect_by_pan: bool,
    ranges: Vec<Range>,
    lengths: Vec<usize>,
    aids: Vec<String>,
}

#[derive(Deserialize)]
struct Range {
    lo: String,
    hi: String,
    digits: usize,
    role: String,
    parent: Option<String>,
    lengths: Option<Vec<usize>>,
    luhn: Option<String>,
}

/// A number that ends in the digit that makes it pass the Luhn check.
fn with_check_digit(stem: &str) -> String {
    let lacks = residue(format!("{stem}0").as_bytes()).map(|residue| (10 - residue) % 10).unwrap();
    format!("{stem}{lacks}")
}

/// Numbers of every range that decides on a network: from its beginning and from its end, of every length.
fn numbers(table: &Table) -> Vec<(&Brand, &Range, String)> {
    let mut numbers = Vec::new();
    for brand in table.brands.iter().filter(|brand| brand.detect_by_pan) {
        for range in brand.ranges.iter().filter(|range| !["hint", "cobadge"].contains(&&range.role[..])) {
            let lengths = range.lengths.as_ref().unwrap_or(&brand.lengths);
            for length in lengths.iter().filter(|length| (12..=19).contains(*length)) {
                for (prefix, fill) in [(&range.lo, "0"), (&range.lo, "7"), (&range.hi, "9")] {
                    let stem = prefix.clone() + &fill.repeat(length - 1 - prefix.len());
                    numbers.push((brand, range, with_check_digit(&stem)));
                }
            }
        }
    }
    numbers
}

/// Whether a range of another brand has a longer prefix, or as long a one, for this number.
fn is_contested(table: &Table, number: &str, ours: (&Brand, &Range)) -> bool {
    let brands = table.brands.iter().filter(|brand| brand.detect_by_pan && brand.brand != ours.0.brand);
    let mut ranges = brands.flat_map(|brand| &brand.ranges);
    ranges.any(|range| {
        let head = &number[..range.digits];
        let decides = !["hint", "cobadge"].contains(&&range.role[..]);
        decides && range.digits >= ours.1.digits && (&range.lo[..]..=&range.hi[..]).contains(&head)
    })
}

#[test]
fn a_number_of_an_uncontested_range_has_the_network_of_that_range() {
    let table: Table = read("src/card/networks.json");
    let mut seen = 0;
    for (brand, range, number) in numbers(&table) {
        if is_contested(&table, &number, (brand, range)) {
            continue;
        }
        let parent = range.parent.as_ref().or(brand.parent.as_ref()).filter(|_| range.role != "primary");
        let Detection { network, lengths, .. } = detect(number.as_bytes());
        assert_eq!(network.name(), parent.unwrap_or(&brand.brand), "{number}");
        assert!(lengths.contains(number.len()), "{number}");
        seen += 1;
    }
    assert!(seen > 2_000, "only {seen} numbers");
}

#[test]
fn a_number_is_possible_from_its_first_digit_to_its_last() {
    let table: Table = read("src/card/networks.json");
    for (_, _, number) in numbers(&table) {
        let Detection { network, lengths, .. } = detect(number.as_bytes());
        for end in 0..=number.len() {
            let so_far = partial(&number.as_bytes()[..end]).unwrap();
            let (typed, possible) = (&number[..end], so_far.possible);
            assert!(possible.contains(network), "{typed} of {number} may become {possible:?}");
            assert!(lengths.iter().all(|length| so_far.lengths.contains(length)), "{typed} of {number}");
            assert!(so_far.committed.is_none_or(|committed| committed == network), "{typed} of {number}");
        }
        if lengths.contains(number.len()) {
            let whole = partial(number.as_bytes()).unwrap();
            let committed = Some(network).filter(|_| whole.possible.len() == 1);
            assert_eq!((whole.committed, whole.luhn_ok), (committed, Some(true)), "{number}");
        }
    }
}

#[test]
fn every_application_of_the_table_is_found_and_stands_for_its_network() {
    let table: Table = read("src/card/networks.json");
    let mut owners: Vec<(&str, &str)> = Vec::new();
    for brand in &table.brands {
        owners.extend(brand.aids.iter().map(|aid| (&aid[..], &brand.brand[..])));
    }
    for (aid, brand) in &owners {
        let found = detect_aid(&from_hex(aid)).unwrap();
        assert!(owners.contains(&(aid, found.name())), "{aid} is {brand}'s, not that of {found}");
    }
    assert!(owners.len() > 25, "only {} AIDs", owners.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn one_changed_digit_of_a_luhn_network_is_noticed(seed: u64) {
        let table: Table = read("src/card/networks.json");
        for (place, (_, range, number)) in numbers(&table).into_iter().enumerate() {
            let Detection { network, lengths, .. } = detect(number.as_bytes());
            let bound = network.luhn() == LuhnRule::Required && range.luhn.is_none();
            // A more specific range with other lengths may hold the number.
            if !bound || !lengths.contains(number.len()) {
                continue;
            }
            prop_assert!(check(&CardInput::new(number.as_bytes(), 0)).is_ok(), "{}", number);

            let choice = seed.wrapping_add((place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 32;
            let (index, step) = (choice as usize % number.len(), (choice >> 8) as u8 % 9 + 1);
            let mut changed = number.clone().into_bytes();
            changed[index] = b'0' + (changed[index] - b'0' + step) % 10;
            prop_assert!(!luhn_ok(&changed));
            if index >= 8 {
                let violations = check(&CardInput::new(&changed, 0)).err().unwrap_or_default();
                let told: Vec<_> = violations.iter().map(|found| (found.param, found.code)).collect();
                prop_assert_eq!(told, [(Param::Number, Code::Luhn)]);
            }
        }
    }
}
