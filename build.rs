//! Turns `src/card/networks.json` into the static tables of `src/card/tables.rs`.
//!
//! The ranges of the JSON lie over each other: the longest prefix wins, then the lowest rank, and some ranges
//! ask for the length of the whole number first. All of that is settled here. The line of all eight-digit
//! prefixes is cut wherever a range begins or ends, and each piece gets the claim that holds on it. The line is
//! written as pages of a hundred, so that two look-ups, rarely three, are all that is left to do at run time.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use serde::Deserialize;

#[path = "build/facts.rs"]
mod facts;

const INPUT: &str = "src/card/networks.json";
const OUTPUT: &str = "networks.rs";

/// The digits of a prefix on the cut line. No range of the table is longer.
const PREFIX_DIGITS: u32 = 8;

/// How many values one byte has: ids, and places of claims, are bytes.
const ONE_BYTE: usize = 256;

fn main() {
    println!("cargo::rerun-if-changed={INPUT}");
    choose_paths();
    if let Err(problem) = generate() {
        println!("cargo::error={INPUT}: {problem}");
    }
}

/// Sets `panseal_avx512` where the compiler knows the intrinsics of AVX-512: since 1.89. An older one, down to the
/// `rust-version` of the package, builds the library without that path.
fn choose_paths() {
    println!("cargo::rustc-check-cfg=cfg(panseal_avx512)");
    // Set by cargo fuzz.
    println!("cargo::rustc-check-cfg=cfg(fuzzing)");
    let x86 = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64");
    if x86 && compiler_minor().is_some_and(|minor| minor >= 89) {
        println!("cargo::rustc-cfg=panseal_avx512");
    }
}

/// The 95 of `rustc 1.95.0 (...)`.
fn compiler_minor() -> Option<u32> {
    let told = Command::new(env::var_os("RUSTC")?).arg("--version").output().ok()?;
    let version = String::from_utf8(told.stdout).ok()?;
    version.strip_prefix("rustc 1.")?.split('.').next()?.parse().ok()
}

fn generate() -> Result<(), String> {
    let json = fs::read_to_string(INPUT).map_err(|error| error.to_string())?;
    let table: Table = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let networks = Networks::new(table.brands)?;
    let spans = networks.spans()?;
    let (claims, pieces) = networks.cut(&spans)?;

    let folder = env::var("OUT_DIR").map_err(|error| error.to_string())?;
    facts::generate(&json, Path::new(&folder))?;
    let steps = Steps::new(&pieces, claims.len())?;
    let code = networks.write_rows() + &write_claims(&claims) + &steps.write();
    fs::write(Path::new(&folder).join(OUTPUT), code).map_err(|error| error.to_string())
}

// ---- What is read. Fields that detection does not need are left out, and serde passes over them. ----

#[derive(Deserialize)]
struct Table {
    brands: Vec<Brand>,
}

#[derive(Deserialize)]
struct Brand {
    brand: String,
    name: String,
    parent: Option<String>,
    rank: u32,
    detect_by_pan: bool,
    ranges: Vec<Range>,
    lengths: Vec<u8>,
    luhn: Luhn,
    cvc: SecurityCode,
}

#[derive(Deserialize)]
struct Range {
    lo: String,
    hi: String,
    digits: u32,
    role: Role,
    /// The network that this range acts for, where it is not that of the brand.
    parent: Option<String>,
    /// The lengths of this range, where they are not those of the brand.
    lengths: Option<Vec<u8>>,
    /// The check digit of this range, where it is not that of the network.
    luhn: Option<Luhn>,
    #[serde(default)]
    fallback: bool,
    #[serde(default)]
    require_length: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Role {
    Primary,
    Subbrand,
    Legacy,
    Cobadge,
    Hint,
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Luhn {
    Required,
    Advisory,
    Alternate,
    /// A network that is not told by its numbers: the formula has nothing to say about them.
    #[serde(alias = "n/a")]
    None,
}

#[derive(Deserialize)]
struct SecurityCode {
    name: Option<String>,
    lengths: Vec<u8>,
}

// ---- What is made of it. ----

/// The brands by id: UNKNOWN is 0, the others follow in the order of the file.
struct Networks {
    by_id: Vec<Brand>,
}

/// A range on the line of eight-digit prefixes, both ends included.
struct Span<'a> {
    first: u32,
    last: u32,
    id: usize,
    rank: u32,
    /// The network that the range stands for: its parent, or the brand itself.
    network: usize,
    lengths: &'a [u8],
    range: &'a Range,
}

/// What holds on a piece of the line.
#[derive(PartialEq)]
struct Claim {
    network: usize,
    product: Option<usize>,
    lengths: Vec<u8>,
    luhn: Luhn,
    fallback: bool,
    cobadges: Vec<usize>,
    needs_length: bool,
    /// The claim that holds instead where this one needs a length that the number does not have.
    otherwise: usize,
}

/// A piece of the line: from this prefix on, up to the next piece, this claim holds.
struct Piece {
    start: u32,
    claim: usize,
}

const UNKNOWN: usize = 0;

impl Networks {
    fn new(mut by_id: Vec<Brand>) -> Result<Networks, String> {
        let place =
            by_id.iter().position(|brand| brand.brand == "UNKNOWN").ok_or("there is no brand UNKNOWN")?;
        by_id[..=place].rotate_right(1);
        if by_id.len() > ONE_BYTE {
            return Err("an id has one byte: there are too many brands".into());
        }
        let networks = Networks { by_id };
        for (id, brand) in networks.by_id.iter().enumerate() {
            check_brand(brand).map_err(|problem| format!("{}: {problem}", brand.brand))?;
            if networks.id_of(&brand.brand)? != id {
                return Err(format!("{} stands twice", brand.brand));
            }
        }
        Ok(networks)
    }

    fn id_of(&self, name: &str) -> Result<usize, String> {
        let place = self.by_id.iter().position(|brand| brand.brand == name);
        place.ok_or_else(|| format!("there is no brand {name}"))
    }

    /// Every range that takes part in detection.
    fn spans(&self) -> Result<Vec<Span<'_>>, String> {
        let mut spans = Vec::new();
        for (id, brand) in self.by_id.iter().enumerate().filter(|(_, brand)| brand.detect_by_pan) {
            for range in brand.ranges.iter().filter(|range| range.role != Role::Hint) {
                spans.push(self.span(id, brand, range).map_err(|problem| {
                    format!("{}: range {} to {}: {problem}", brand.brand, range.lo, range.hi)
                })?);
            }
        }
        Ok(spans)
    }

    fn span<'a>(&self, id: usize, brand: &'a Brand, range: &'a Range) -> Result<Span<'a>, String> {
        let (first, last) = check_range(range)?;
        let parent = range.parent.as_ref().or(brand.parent.as_ref());
        let network = match (is_product(range.role), parent) {
            (true, Some(parent)) => self.id_of(parent)?,
            _ => id,
        };
        let lengths = range.lengths.as_ref().unwrap_or(&brand.lengths);
        check_lengths(lengths, 8..=19)?;
        if lengths.is_empty() {
            return Err("a number of this range has no length".into());
        }
        Ok(Span { first, last, id, rank: brand.rank, network, lengths, range })
    }

    /// Cuts the line wherever a range begins or ends. Neighbours with the same claim become one piece. The
    /// first claim is that of no range at all: UNKNOWN.
    fn cut(&self, spans: &[Span<'_>]) -> Result<(Vec<Claim>, Vec<Piece>), String> {
        let mut cuts: Vec<u32> = spans.iter().flat_map(|span| [span.first, span.last + 1]).collect();
        cuts.push(0);
        cuts.sort_unstable();
        cuts.dedup();

        let mut claims = Vec::new();
        self.decide(&[], &mut claims)?;
        let mut pieces: Vec<Piece> = Vec::new();
        for start in cuts {
            let here: Vec<&Span<'_>> =
                spans.iter().filter(|span| (span.first..=span.last).contains(&start)).collect();
            let claim = self.decide(&here, &mut claims).map_err(|problem| {
                format!("prefix {start:0width$}: {problem}", width = PREFIX_DIGITS as usize)
            })?;
            if pieces.last().is_none_or(|piece| piece.claim != claim) {
                pieces.push(Piece { start, claim });
            }
        }
        if claims.len() > ONE_BYTE {
            return Err("the place of a claim has one byte: there are too many claims".into());
        }
        Ok((claims, pieces))
    }

    /// The claim of these ranges, all of which hold the same prefix; gives its place in `claims`.
    fn decide(&self, here: &[&Span<'_>], claims: &mut Vec<Claim>) -> Result<usize, String> {
        let primary = strongest(here, |role| role == Role::Primary)?;
        let product = strongest(here, is_product)?;
        let decider = match (primary, product) {
            (Some(primary), Some(product)) if primary.range.digits > product.range.digits => Some(primary),
            (primary, product) => product.or(primary),
        };
        let network = decider.map_or(UNKNOWN, |span| span.network);
        let needs_length = decider.is_some_and(|span| span.range.require_length);
        let otherwise = match decider {
            Some(decider) if needs_length => {
                let others: Vec<_> =
                    here.iter().copied().filter(|span| !std::ptr::eq(*span, decider)).collect();
                self.decide(&others, claims)?
            }
            _ => 0,
        };
        let claim = Claim {
            network,
            product: product.map(|span| span.id).filter(|id| *id != network),
            lengths: decider.map_or(&self.by_id[UNKNOWN].lengths[..], |span| span.lengths).to_vec(),
            luhn: decider.and_then(|span| span.range.luhn).unwrap_or(self.by_id[network].luhn),
            fallback: decider.is_some_and(|span| span.range.fallback),
            cobadges: cobadges(here, network),
            needs_length,
            otherwise,
        };
        Ok(place_of(claim, claims))
    }

    fn write_rows(&self) -> String {
        let mut code = format!("pub(super) static ROWS: [Row; {}] = [\n", self.by_id.len());
        for Brand { brand, name, luhn, cvc, .. } in &self.by_id {
            let SecurityCode { name: code_name, lengths } = cvc;
            let _ = writeln!(
                code,
                "    Row {{ name: {brand:?}, title: {name:?}, luhn: LuhnRule::{luhn:?}, code_name: {code_name:?}, \
                 code_lengths: Lengths::of(&{lengths:?}) }},"
            );
        }
        code + "];\n\n"
    }
}

fn is_product(role: Role) -> bool {
    matches!(role, Role::Subbrand | Role::Legacy)
}

/// The range of these roles with the longest prefix, then the lowest rank.
fn strongest<'a, 'b>(here: &[&'a Span<'b>], roles: fn(Role) -> bool) -> Result<Option<&'a Span<'b>>, String> {
    let strength = |span: &Span<'_>| (PREFIX_DIGITS - span.range.digits, span.rank);
    let ours = || here.iter().copied().filter(|span| roles(span.range.role));
    let best = ours().min_by_key(|span| strength(span));
    let tie =
        best.and_then(|best| ours().find(|span| strength(span) == strength(best) && span.id != best.id));
    match tie {
        Some(_) => Err("two brands claim it with prefixes of one length and of one rank".into()),
        None => Ok(best),
    }
}

/// The networks beside `network` on these ranges, each once, the longest prefix first.
fn cobadges(here: &[&Span<'_>], network: usize) -> Vec<usize> {
    let mut spans: Vec<_> = here.iter().filter(|span| span.range.role == Role::Cobadge).collect();
    spans.sort_by_key(|span| (PREFIX_DIGITS - span.range.digits, span.rank, span.id));
    let mut ids = Vec::new();
    for id in spans.iter().map(|span| span.id) {
        if id != network && !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// The place of a claim that is there already, or its new place at the end.
fn place_of(claim: Claim, claims: &mut Vec<Claim>) -> usize {
    claims.iter().position(|known| *known == claim).unwrap_or_else(|| {
        claims.push(claim);
        claims.len() - 1
    })
}

// ---- What the input has to be. ----

fn check_brand(brand: &Brand) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if brand.brand.is_empty() || !brand.brand.bytes().all(plain) {
        return Err("a brand is written in capitals, digits and underscores".into());
    }
    check_lengths(&brand.lengths, 8..=19)?;
    check_lengths(&brand.cvc.lengths, 3..=4)
}

fn check_lengths(lengths: &[u8], allowed: std::ops::RangeInclusive<u8>) -> Result<(), String> {
    match lengths.iter().find(|length| !allowed.contains(length)) {
        Some(length) => Err(format!("the length {length} is not within {allowed:?}")),
        None => Ok(()),
    }
}

/// The first and the last eight-digit prefix of a range.
fn check_range(range: &Range) -> Result<(u32, u32), String> {
    if !(1..=PREFIX_DIGITS).contains(&range.digits) {
        return Err(format!("a prefix has 1 to {PREFIX_DIGITS} digits"));
    }
    let end = |text: &str| -> Result<u32, String> {
        let right = text.len() == range.digits as usize && text.bytes().all(|byte| byte.is_ascii_digit());
        let value = text.parse().ok().filter(|_| right);
        value.ok_or_else(|| format!("{text:?} does not have {} digits", range.digits))
    };
    let (lo, hi) = (end(&range.lo)?, end(&range.hi)?);
    if lo > hi {
        return Err("it ends before it begins".into());
    }
    if range.require_length && range.role != Role::Primary {
        return Err("only a primary range can require a length".into());
    }
    let below = 10u32.pow(PREFIX_DIGITS - range.digits);
    Ok((lo * below, hi * below + (below - 1)))
}

// ---- What is written. ----

fn write_claims(claims: &[Claim]) -> String {
    let mut code = format!("pub(super) static CLAIMS: [Claim; {}] = [\n", claims.len());
    for claim in claims {
        let Claim { network, lengths, luhn, fallback, needs_length, otherwise, .. } = claim;
        let product = claim.product.map_or("None".into(), |id| format!("Some(Network({id}))"));
        let cobadges: Vec<String> = claim.cobadges.iter().map(|id| format!("Network({id})")).collect();
        let _ = writeln!(
            code,
            "    Claim {{ detection: Detection {{ network: Network({network}), product: {product}, \
             lengths: Lengths::of(&{lengths:?}), luhn: LuhnRule::{luhn:?}, fallback: {fallback}, cobadges: &[{}] }}, \
             needs_length: {needs_length}, otherwise: {otherwise} }},",
            cobadges.join(", ")
        );
    }
    code + "];\n\n"
}

/// The line of prefixes as a table of steps: four digits lead to a page, two more to a place on it. There stands a
/// claim, or, for the few prefixes that are cut behind their sixth digit, `claims` + the last page to look at.
struct Steps {
    /// For the first four digits, where their page begins in `pages`.
    starts: Vec<usize>,
    /// Pages of a hundred places. Like pages stand once, so there are far fewer than prefixes.
    pages: Vec<usize>,
    /// Pages of the last two digits, a hundred claims each.
    last_pages: Vec<usize>,
}

/// How many numbers two digits make: the places of a page.
const PAGE: usize = 100;

/// How many numbers the first four digits make.
const FIRST: usize = PAGE * PAGE;

impl Steps {
    fn new(pieces: &[Piece], claims: usize) -> Result<Steps, String> {
        let mut steps = Steps { starts: Vec::new(), pages: Vec::new(), last_pages: Vec::new() };
        for first in 0..FIRST {
            let page =
                (0..PAGE).map(|next| steps.place((first * PAGE + next) * PAGE, pieces, claims)).collect();
            steps.starts.push(place_of_page(page, &mut steps.pages) * PAGE);
        }
        if claims + steps.last_pages.len() / PAGE > ONE_BYTE {
            return Err("a step has one byte: there are too many claims and last pages".into());
        }
        if steps.pages.len() > usize::from(u16::MAX) {
            return Err("the start of a page has two bytes: there are too many pages".into());
        }
        Ok(steps)
    }

    /// What stands on a page for the hundred prefixes from this one on.
    fn place(&mut self, prefix: usize, pieces: &[Piece], claims: usize) -> usize {
        let (first, last) = (piece_at(prefix, pieces), piece_at(prefix + PAGE - 1, pieces));
        if first == last {
            return pieces[first].claim;
        }
        let page = (prefix..prefix + PAGE).map(|prefix| pieces[piece_at(prefix, pieces)].claim).collect();
        claims + place_of_page(page, &mut self.last_pages)
    }

    /// Each table is filled up with zeros to a length that is a power of two, where an index is kept within it by an
    /// `and` instead of a comparison and a jump.
    fn write(&self) -> String {
        let write = |name, item, values: &[usize]| {
            let mut values = values.to_vec();
            values.resize(values.len().next_power_of_two(), 0);
            format!("pub(super) static {name}: [{item}; {}] = {values:?};\n\n", values.len())
        };
        write("STARTS", "u16", &self.starts)
            + &write("PAGES", "u8", &self.pages)
            + &write("LAST_PAGES", "u8", &self.last_pages)
    }
}

/// The piece that holds a prefix.
fn piece_at(prefix: usize, pieces: &[Piece]) -> usize {
    pieces.partition_point(|piece| piece.start as usize <= prefix) - 1
}

/// Which of the pages this one is. A new one is added at the end.
fn place_of_page(page: Vec<usize>, pages: &mut Vec<usize>) -> usize {
    pages.chunks(PAGE).position(|known| known == page).unwrap_or_else(|| {
        pages.extend(page);
        pages.len() / PAGE - 1
    })
}
