//! The network table against a plain second reading of its rules, and against published test cards.

use std::collections::BTreeSet;
use std::fs;

use panseal::card::{CardInput, Detection, LuhnRule, Network, check, detect, luhn_ok};
use panseal::error::{Code, Param};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/card/networks.json");
const TEST_CARDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/test_cards_open.json");

fn read<T: DeserializeOwned>(path: &str) -> T {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

// ---- The second reading: one range after the other, in the words of the table's own rule. ----

#[derive(Deserialize)]
struct Table {
    brands: Vec<Brand>,
}

#[derive(Deserialize)]
struct Brand {
    brand: String,
    parent: Option<String>,
    rank: u32,
    detect_by_pan: bool,
    ranges: Vec<Range>,
    lengths: Vec<usize>,
}

#[derive(Deserialize)]
struct Range {
    lo: String,
    hi: String,
    digits: usize,
    role: String,
    parent: Option<String>,
    lengths: Option<Vec<usize>>,
    #[serde(default)]
    fallback: bool,
    #[serde(default)]
    require_length: bool,
}

/// What a number tells, by names.
#[derive(Debug, PartialEq)]
struct Told {
    network: String,
    product: Option<String>,
    lengths: BTreeSet<usize>,
    fallback: bool,
    cobadges: BTreeSet<String>,
}

fn allowed<'a>(brand: &'a Brand, range: &'a Range) -> &'a [usize] {
    range.lengths.as_ref().unwrap_or(&brand.lengths)
}

fn matches(brand: &Brand, range: &Range, pan: &str) -> bool {
    let head = &pan[..range.digits];
    let in_range = range.lo.as_str() <= head && head <= range.hi.as_str();
    in_range && (!range.require_length || allowed(brand, range).contains(&pan.len()))
}

impl Table {
    fn all(&self) -> impl Iterator<Item = (&Brand, &Range)> {
        let brands = self.brands.iter().filter(|brand| brand.detect_by_pan);
        brands.flat_map(|brand| brand.ranges.iter().map(move |range| (brand, range)))
    }

    fn best(&self, pan: &str, roles: &[&str]) -> Option<(&Brand, &Range)> {
        let mut best: Option<(&Brand, &Range)> = None;
        for (brand, range) in self.all() {
            if !roles.contains(&range.role.as_str()) || !matches(brand, range, pan) {
                continue;
            }
            let better = match best {
                None => true,
                Some((_, other)) if range.digits != other.digits => range.digits > other.digits,
                Some((other, _)) => brand.rank < other.rank,
            };
            if better {
                best = Some((brand, range));
            }
        }
        best
    }

    fn tell(&self, pan: &str) -> Told {
        let primary = self.best(pan, &["primary"]);
        let product = self.best(pan, &["subbrand", "legacy"]);
        let product_decides = match (primary, product) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some((_, primary)), Some((_, product))) => primary.digits <= product.digits,
        };
        let decider = if product_decides { product } else { primary };
        let network = match decider {
            None => "UNKNOWN",
            Some((brand, range)) if product_decides => {
                range.parent.as_ref().or(brand.parent.as_ref()).unwrap_or(&brand.brand)
            }
            Some((brand, _)) => &brand.brand,
        };
        let unknown = self.brands.iter().find(|brand| brand.brand == "UNKNOWN").unwrap();
        let lengths = decider.map_or(&unknown.lengths[..], |(brand, range)| allowed(brand, range));
        let cobadges =
            self.all().filter(|(brand, range)| range.role == "cobadge" && matches(brand, range, pan));
        Told {
            network: network.into(),
            product: product.map(|(brand, _)| brand.brand.clone()).filter(|name| name != network),
            lengths: lengths.iter().copied().collect(),
            fallback: decider.is_some_and(|(_, range)| range.fallback),
            cobadges: cobadges.map(|(brand, _)| brand.brand.clone()).filter(|name| name != network).collect(),
        }
    }
}

fn told(found: Detection) -> Told {
    Told {
        network: found.network.name().into(),
        product: found.product.map(|product| product.name().into()),
        lengths: found.lengths.iter().collect(),
        fallback: found.fallback,
        cobadges: found.cobadges.iter().map(|network| network.name().into()).collect(),
    }
}

#[test]
fn every_range_is_found_at_its_ends_and_left_beyond_them() {
    let table: Table = read(TABLE);
    let mut prefixes = BTreeSet::from([0, 99_999_999]);
    for range in table.brands.iter().flat_map(|brand| &brand.ranges) {
        let first: u32 = format!("{:0<8}", range.lo).parse().unwrap();
        let last: u32 = format!("{:9<8}", range.hi).parse().unwrap();
        let middle = first + (last - first) / 2;
        prefixes.extend([first.saturating_sub(1), first, middle, last, (last + 1).min(99_999_999)]);
    }
    for prefix in prefixes {
        for len in 12..=19 {
            let pan = format!("{:7<len$}", format!("{prefix:08}"));
            assert_eq!(told(detect(pan.as_bytes())), table.tell(&pan), "{pan}");
        }
    }
}

#[test]
fn every_range_comes_to_bear_on_some_number() {
    let table: Table = read(TABLE);
    for (brand, range) in table.all().filter(|(_, range)| range.role != "hint") {
        let reached = allowed(brand, range).iter().filter(|len| (12..=19).contains(*len)).any(|len| {
            let told = told(detect(format!("{:7<len$}", range.hi).as_bytes()));
            let mut names = told.cobadges.iter().chain([&told.network]).chain(&told.product);
            names.any(|name| *name == brand.brand)
        });
        assert!(reached, "{} {} to {}", brand.brand, range.lo, range.hi);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn any_number_is_told_as_the_second_reading_tells_it(pans in prop::collection::vec("[0-9]{12,19}", 200)) {
        let table: Table = read(TABLE);
        for pan in pans {
            prop_assert_eq!(told(detect(pan.as_bytes())), table.tell(&pan), "{}", pan);
        }
    }
}

// ---- Published test cards. ----

#[derive(Deserialize)]
struct TestCard {
    pan: String,
    /// The network that the publisher gives it.
    brand: String,
    luhn_ok: bool,
    length: usize,
}

/// The cards that do not get the network on their label, and why not.
const MISSES: [(&str, &str); 11] = [
    ("4024140000000008", "labelled Maestro, but the prefix 4 is Visa's"),
    ("4026111111111115", "labelled Visa Electron, but most of 4026 is not, so the table leaves it to Visa"),
    ("4973010000000004", "labelled Carte Bleue, which is a co-badge on Visa and found as such"),
    ("5000186622346654", "labelled Mastercard, but 500018 is in Maestro's space"),
    ("5031433215406351", "labelled Mastercard, but 503143 is in Maestro's space"),
    ("5045201174402586", "Credimas is not in the table: 504520 is left to Maestro"),
    ("5063516945005047", "labelled Maestro, but 506351 is in a range of Carnet"),
    ("507850785078507804", "labelled Verve, but 507850 is below Verve's 507865 to 507964"),
    ("507850785078507812", "as the one before"),
    ("5185570760000008", "labelled Maestro, but 518557 is in Mastercard's space"),
    ("6771798025000004", "labelled Mastercard, but 677179 is in Maestro's space"),
];

/// The cards that are refused although they were published, and why.
const REFUSED: [(&str, Code, &str); 5] = [
    ("100070000000112", Code::Luhn, "fails Luhn as published; UATP requires it"),
    ("100070000000155", Code::Luhn, "as the one before"),
    ("2131000000000008", Code::Length, "16 digits as published; the range has 15"),
    ("6501111111111117", Code::Luhn, "fails Luhn as published; Discover requires it"),
    (
        "6790090000002009",
        Code::Luhn,
        "fails Luhn once its X are read as 0, as the publisher asks; Jaywan requires it",
    ),
];

/// The cards that fail the Luhn check and are taken all the same, for their networks do not require it.
const TAKEN_WITHOUT_LUHN: [&str; 2] = ["5895627087232438", "6222988812340000"];

fn names_of(found: Detection) -> [&'static str; 2] {
    [found.network.name(), found.product.map_or("", Network::name)]
}

#[test]
fn published_cards_get_the_network_on_their_label() {
    let cards: Vec<TestCard> = read(TEST_CARDS);
    assert_eq!(cards.len(), 400);
    let missed: BTreeSet<&str> = cards
        .iter()
        .filter(|card| !names_of(detect(card.pan.as_bytes())).contains(&card.brand.as_str()))
        .map(|card| card.pan.as_str())
        .collect();
    assert_eq!(missed, MISSES.iter().map(|(pan, _)| *pan).collect());
    assert!(missed.len() * 100 <= cards.len() * 3, "{} of {} missed", missed.len(), cards.len());
}

fn refusal(pan: &str) -> Option<Code> {
    let violations = check(&CardInput::new(pan.as_bytes(), 0)).err()?;
    let mut codes = violations.iter().map(|violation| {
        assert_eq!(violation.param, Param::Number, "{pan}");
        violation.code
    });
    codes.next()
}

#[test]
fn published_cards_are_refused_for_a_required_luhn_or_length_and_for_nothing_else() {
    let cards: Vec<TestCard> = read(TEST_CARDS);
    let mut refused = BTreeSet::new();
    let mut taken_without_luhn = BTreeSet::new();
    for TestCard { pan, length, luhn_ok: published_luhn, .. } in &cards {
        assert_eq!((pan.len(), luhn_ok(pan.as_bytes())), (*length, *published_luhn), "{pan}");
        let Detection { network, lengths, .. } = detect(pan.as_bytes());
        let expected = match (lengths.contains(*length), published_luhn, network.luhn()) {
            (false, _, _) => Some(Code::Length),
            (true, false, LuhnRule::Required) => Some(Code::Luhn),
            _ => None,
        };
        assert_eq!(refusal(pan), expected, "{pan}");
        match expected {
            Some(code) => _ = refused.insert((pan.as_str(), code.name())),
            None if !published_luhn => _ = taken_without_luhn.insert(pan.as_str()),
            None => {}
        }
    }
    assert_eq!(refused, REFUSED.iter().map(|(pan, code, _)| (*pan, code.name())).collect());
    assert_eq!(taken_without_luhn, BTreeSet::from(TAKEN_WITHOUT_LUHN));
}
