//! What `networks.json` says of a network beside its ranges: groupings, application identifiers, hints, the
//! places where detection may change. Written to a table of its own, for `src/card/facts.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, iter};

use serde::Deserialize;

const OUTPUT: &str = "facts.rs";

/// The digits of the line on which hints and cuts lie.
const PREFIX_DIGITS: usize = 8;

/// The lengths of a card number. A grouping has a place for each, and one for any other length.
const LENGTHS: std::ops::RangeInclusive<u32> = 12..=19;

/// The bits of a set of networks.
const MOST_NETWORKS: usize = 128;

#[derive(Deserialize)]
struct Table {
    schema_version: u32,
    generated: String,
    brands: Vec<Brand>,
}

#[derive(Deserialize)]
struct Brand {
    brand: String,
    sumup_enum: String,
    parent: Option<String>,
    rank: u32,
    detect_by_pan: bool,
    ranges: Vec<Range>,
    lengths: Vec<u8>,
    gaps: Vec<u32>,
    gaps_by_length: BTreeMap<String, Vec<u32>>,
    aids: Vec<String>,
}

#[derive(Deserialize)]
struct Range {
    lo: String,
    hi: String,
    role: String,
    #[serde(default)]
    require_length: bool,
}

/// Reads the table and writes the facts into `folder`.
pub fn generate(json: &str, folder: &Path) -> Result<(), String> {
    let mut table: Table = serde_json::from_str(json).map_err(|error| error.to_string())?;
    // The order of the ids: UNKNOWN first, the others as they stand.
    table.brands.sort_by_key(|brand| brand.brand != "UNKNOWN");
    if table.brands.len() > MOST_NETWORKS {
        return Err(format!("a set of networks has {MOST_NETWORKS} bits: there are too many brands"));
    }
    let code = [
        write_version(&table)?,
        write_facts(&table.brands)?,
        write_aids(&table.brands)?,
        write_hints(&table.brands)?,
        write_cuts(&table.brands)?,
    ];
    fs::write(folder.join(OUTPUT), code.concat()).map_err(|error| error.to_string())
}

fn write_version(table: &Table) -> Result<String, String> {
    let Table { schema_version, generated, .. } = table;
    let right = generated.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if generated.len() != 10 || !right {
        return Err(format!("{generated:?} is no date YYYY-MM-DD"));
    }
    Ok(format!(
        "pub(super) const VERSION: u32 = {schema_version};\npub(super) const DATE: &str = {generated:?};\n\n"
    ))
}

// ---- One row a network. ----

fn write_facts(brands: &[Brand]) -> Result<String, String> {
    let mut groupings: Vec<Vec<u32>> = Vec::new();
    let mut code = format!("pub(super) static FACTS: [Fact; {}] = [\n", brands.len());
    for brand in brands {
        let Brand { sumup_enum, lengths, .. } = brand;
        let grouping = grouping(brand).map_err(|problem| format!("{}: {problem}", brand.brand))?;
        let place = groupings.iter().position(|known| *known == grouping).unwrap_or_else(|| {
            groupings.push(grouping);
            groupings.len() - 1
        });
        let parent = match &brand.parent {
            Some(name) => format!("Some(Network({}))", id_of(brands, name)?),
            None => "None".into(),
        };
        let _ = writeln!(
            code,
            "    Fact {{ sumup_name: {sumup_enum:?}, parent: {parent}, lengths: Lengths::of(&{lengths:?}), \
             grouping: {place} }},"
        );
    }
    let _ = writeln!(code, "];\n\npub(super) static GROUPINGS: [Grouping; {}] = [", groupings.len());
    for grouping in groupings {
        let sets: Vec<String> = grouping.iter().map(|set| format!("Gaps({set:#x})")).collect();
        let _ = writeln!(code, "    [{}],", sets.join(", "));
    }
    Ok(code + "];\n\n")
}

/// The gaps of a brand, one set for any length, then one for each of the lengths of a card number.
///
/// A length without gaps of its own has those of any length that lie within it.
fn grouping(brand: &Brand) -> Result<Vec<u32>, String> {
    let by_length = LENGTHS.map(|length| match brand.gaps_by_length.get(&length.to_string()) {
        Some(gaps) if gaps.iter().any(|gap| *gap >= length) => {
            Err(format!("a gap of a number of {length} digits lies behind it"))
        }
        Some(gaps) => set_of(gaps.iter()),
        None => set_of(brand.gaps.iter().filter(|gap| **gap < length)),
    });
    iter::once(set_of(brand.gaps.iter())).chain(by_length).collect()
}

fn set_of<'a>(gaps: impl Iterator<Item = &'a u32>) -> Result<u32, String> {
    let mut set = 0;
    for gap in gaps {
        if *gap == 0 || gap > LENGTHS.end() {
            return Err(format!("there is no gap before digit {gap}"));
        }
        set |= 1 << gap;
    }
    Ok(set)
}

fn id_of(brands: &[Brand], name: &str) -> Result<usize, String> {
    let place = brands.iter().position(|brand| brand.brand == name);
    place.ok_or_else(|| format!("there is no brand {name}"))
}

// ---- Application identifiers. ----

/// The longest prefix first, so that the first that fits is the longest. Of brands that share one, the most
/// general first: the higher its rank, the more a brand leaves to others.
fn write_aids(brands: &[Brand]) -> Result<String, String> {
    let mut aids = Vec::new();
    for (id, brand) in brands.iter().enumerate() {
        for text in &brand.aids {
            aids.push((
                bytes_of(text).map_err(|problem| format!("{}: {problem}", brand.brand))?,
                brand.rank,
                id,
            ));
        }
    }
    aids.sort_by(|(a, a_rank, _), (b, b_rank, _)| {
        b.len().cmp(&a.len()).then_with(|| a.cmp(b)).then(b_rank.cmp(a_rank))
    });
    if let Some(pair) = aids.windows(2).find(|pair| (&pair[0].0, pair[0].1) == (&pair[1].0, pair[1].1)) {
        return Err(format!("two brands of one rank have the AID {:02X?}", pair[0].0));
    }
    let mut code = format!("pub(super) static AIDS: [Aid; {}] = [\n", aids.len());
    for (aid, _, id) in aids {
        let _ = writeln!(code, "    Aid {{ prefix: &{aid:?}, network: Network({id}) }},");
    }
    Ok(code + "];\n\n")
}

/// An AID has a RID of 5 bytes and up to 11 more (ISO/IEC 7816-4).
fn bytes_of(text: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|char| char.to_digit(16).map(|value| value as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0 && (10..=32).contains(&digits.len()));
    let digits = digits.ok_or_else(|| format!("{text:?} is not 5 to 16 bytes in hexadecimal"))?;
    Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

// ---- The line of eight-digit prefixes. ----

fn write_hints(brands: &[Brand]) -> Result<String, String> {
    let mut rows = Vec::new();
    for (id, range) in ranges(brands).filter(|(_, range)| range.role == "hint") {
        let (first, last) = ends(range)?;
        rows.push(format!("    Hint {{ first: {first}, last: {last}, network: Network({id}) }},\n"));
    }
    Ok(format!("pub(super) static HINTS: [Hint; {}] = [\n{}];\n\n", rows.len(), rows.concat()))
}

/// Every prefix at which a range begins that decides on the network, or at which one has just ended. Up to the
/// next of them detection tells no two prefixes apart, and no two lengths unless a range there requires some.
fn write_cuts(brands: &[Brand]) -> Result<String, String> {
    let mut cuts = BTreeSet::from([0]);
    let mut by_length = Vec::new();
    for (_, range) in ranges(brands).filter(|(_, range)| !matches!(&range.role[..], "hint" | "cobadge")) {
        let (first, last) = ends(range)?;
        cuts.extend([first, last + 1]);
        by_length.extend(range.require_length.then_some(first..=last));
    }
    let mut code = format!("pub(super) static CUTS: [Cut; {}] = [\n", cuts.len());
    for start in cuts {
        let by_length = by_length.iter().any(|range| range.contains(&start));
        let _ = writeln!(code, "    Cut {{ start: {start}, by_length: {by_length} }},");
    }
    Ok(code + "];\n")
}

fn ranges(brands: &[Brand]) -> impl Iterator<Item = (usize, &Range)> {
    let detected = brands.iter().enumerate().filter(|(_, brand)| brand.detect_by_pan);
    detected.flat_map(|(id, brand)| brand.ranges.iter().map(move |range| (id, range)))
}

fn ends(range: &Range) -> Result<(u32, u32), String> {
    let end = |text: &str, fill: char| {
        let mut text = text.to_owned();
        text.extend(iter::repeat_n(fill, PREFIX_DIGITS.saturating_sub(text.len())));
        text.parse().map_err(|_| format!("{text:?} is no prefix"))
    };
    Ok((end(&range.lo, '0')?, end(&range.hi, '9')?))
}
