//! `docs/cards.md` shows the network table as it is. With `PANSEAL_WRITE_DOCS=1` it is written, else compared.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use panseal::card::{LuhnRule, Network, table_date, table_version};
use serde::Deserialize;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/card/networks.json");
const BEGIN: &str = "<!-- networks: begin. Written by tests/cards_doc.rs: PANSEAL_WRITE_DOCS=1 cargo test --test cards_doc -->\n";
const END: &str = "<!-- networks: end -->";

/// How many ranges of one kind a row shows.
const SHOWN: usize = 6;

#[derive(Deserialize)]
struct Table {
    brands: Vec<Brand>,
}

#[derive(Deserialize)]
struct Brand {
    brand: String,
    detect_by_pan: bool,
    ranges: Vec<Range>,
}

#[derive(Deserialize)]
struct Range {
    lo: String,
    hi: String,
    role: String,
    #[serde(default)]
    fallback: bool,
    #[serde(default)]
    require_length: bool,
    luhn: Option<String>,
}

fn generated() -> String {
    let table: Table = serde_json::from_str(&fs::read_to_string(TABLE).unwrap()).unwrap();
    let mut text = format!("Table of {}, form {}.\n\n", table_date(), table_version());
    text += "| name | network | numbers begin with | digits | Luhn | code | groups |\n|---|---|---|---|---|---|---|\n";
    for brand in &table.brands {
        let network = Network::from_name(&brand.brand).unwrap();
        let cells = [
            format!("`{network}`"),
            network.title().into(),
            prefixes(brand),
            list(network.lengths().iter().filter(|length| (12..=19).contains(length))),
            luhn(network).into(),
            code(network),
            groups(network),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

fn prefixes(brand: &Brand) -> String {
    if !brand.detect_by_pan {
        return String::new();
    }
    type IsOfKind = fn(&Range) -> bool;
    let kinds: [(&str, IsOfKind); 5] = [
        ("", |range| range.role == "primary" && !range.fallback),
        ("rest: ", |range| range.fallback),
        ("product: ", |range| ["subbrand", "legacy"].contains(&&range.role[..])),
        ("co-badge: ", |range| range.role == "cobadge"),
        ("hint: ", |range| range.role == "hint"),
    ];
    let kinds = kinds.map(|(label, of_kind)| {
        let mut ranges: Vec<&Range> = brand.ranges.iter().filter(|range| of_kind(range)).collect();
        ranges.sort_by(|a, b| a.lo.cmp(&b.lo));
        let mut shown: Vec<String> = ranges.iter().take(SHOWN).map(|range| prefix(range)).collect();
        if ranges.len() > SHOWN {
            shown.push(format!("and {} more", ranges.len() - SHOWN));
        }
        if shown.is_empty() { String::new() } else { format!("{label}{}", shown.join(", ")) }
    });
    kinds.into_iter().filter(|kind| !kind.is_empty()).collect::<Vec<_>>().join("; ")
}

fn prefix(range: &Range) -> String {
    let text = if range.lo == range.hi { range.lo.clone() } else { format!("{}–{}", range.lo, range.hi) };
    match &range.luhn {
        Some(luhn) => format!("{text} (Luhn: {luhn})"),
        None if range.require_length => format!("**{text}**"),
        None => text,
    }
}

/// Numbers in their order, neighbours drawn together: `13, 16–19`.
fn list(numbers: impl Iterator<Item = usize>) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let runs = runs.into_iter().map(|(first, last)| match last - first {
        0 => format!("{first}"),
        1 => format!("{first}, {last}"),
        _ => format!("{first}–{last}"),
    });
    runs.collect::<Vec<_>>().join(", ")
}

fn luhn(network: Network) -> &'static str {
    match network.luhn() {
        LuhnRule::Required => "required",
        LuhnRule::Advisory => "advisory",
        LuhnRule::Alternate => "alternate",
        LuhnRule::None => "none",
    }
}

fn code(network: Network) -> String {
    let lengths = list(network.code_lengths().iter());
    network.code_name().map_or(String::new(), |name| format!("{name}, {lengths}"))
}

/// The groups of each length, those drawn together that go on behind sixteen digits: `4-4-4-4-n`.
fn groups(network: Network) -> String {
    let mut shapes: Vec<String> = Vec::new();
    for length in network.lengths().iter().filter(|length| (12..=19).contains(length)) {
        let mut places: Vec<usize> = network.gaps(length).iter().collect();
        places.insert(0, 0);
        places.push(length);
        let shape: Vec<String> = places.windows(2).map(|pair| (pair[1] - pair[0]).to_string()).collect();
        let shape = shape.join("-");
        shapes.push(if shape.starts_with("4-4-4-4-") { "4-4-4-4-n".into() } else { shape });
    }
    shapes.dedup();
    shapes.join(", ")
}

#[test]
fn the_page_shows_the_table_as_it_is() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cards.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the page has a place for the table");
    let (shown, after) = rest.split_once(END).expect("the table has an end");
    let table = generated();
    if env::var_os("PANSEAL_WRITE_DOCS").is_some_and(|value| value == "1") {
        fs::write(&page, [before, BEGIN, &table, END, after].concat()).unwrap();
    } else {
        assert!(shown == table, "docs/cards.md is stale: PANSEAL_WRITE_DOCS=1 cargo test --test cards_doc");
    }
}
