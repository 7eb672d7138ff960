//! The rules for a card number, written to be read: one digit, one range after the other.

use std::cmp::Reverse;
use std::sync::OnceLock;

use serde::Deserialize;

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
    luhn: String,
    lengths: Vec<usize>,
    ranges: Vec<Range>,
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
    #[serde(default)]
    require_length: bool,
}

fn table() -> &'static [Brand] {
    static TABLE: OnceLock<Table> = OnceLock::new();
    &TABLE
        .get_or_init(|| serde_json::from_str(include_str!("../../../src/card/networks.json")).unwrap())
        .brands
}

/// What is told of a good number.
#[derive(Debug, PartialEq)]
pub struct Good {
    pub network: &'static str,
    pub length: usize,
    pub last4: String,
}

/// What becomes of a number: what is told of it, or the name of the code it is refused with.
pub fn judge(text: &[u8]) -> Result<Good, &'static str> {
    let digits = digits(text)?;
    let (network, lengths, luhn_of_range) = network(&digits);
    if !lengths.contains(&digits.len()) {
        return Err("length");
    }
    let brand = table().iter().find(|brand| brand.brand == network).unwrap();
    if luhn_of_range.unwrap_or(&brand.luhn) == "required" && !luhn(&digits) {
        return Err("luhn");
    }
    Ok(Good { network, length: digits.len(), last4: digits[digits.len() - 4..].to_owned() })
}

/// The same where a space or a hyphen is a foreign byte like any other.
pub fn judge_without_separators(text: &[u8]) -> Result<Good, &'static str> {
    match text.iter().position(|byte| !byte.is_ascii_digit()) {
        // A twentieth digit is told before what stands behind it.
        Some(place) if place < 20 => Err("charset"),
        _ => judge(text),
    }
}

/// The texts between each offset and the next, if none is below zero, below the one before, or beyond the data.
pub fn column<'a>(data: &'a [u8], offsets: &[i64]) -> Option<Vec<&'a [u8]>> {
    if offsets.is_empty() {
        return None;
    }
    let mut texts = Vec::new();
    for pair in offsets.windows(2) {
        let start = usize::try_from(pair[0]).ok()?;
        let end = usize::try_from(pair[1]).ok()?;
        texts.push(data.get(start..end)?);
    }
    let last = usize::try_from(offsets[offsets.len() - 1]).ok()?;
    (last <= data.len()).then_some(texts)
}

/// The digits of a text without its spaces and hyphens.
pub fn digits(text: &[u8]) -> Result<String, &'static str> {
    let mut digits = String::new();
    for &byte in text {
        match byte {
            b'0'..=b'9' => digits.push(char::from(byte)),
            b' ' | b'-' => {}
            _ => return Err("charset"),
        }
        if digits.len() > 19 {
            return Err("length");
        }
    }
    if digits.is_empty() {
        return Err("missing");
    }
    if digits.len() < 12 {
        return Err("length");
    }
    if digits.bytes().all(|digit| digit == b'0') {
        return Err("malformed");
    }
    Ok(digits)
}

/// The Luhn check, digit by digit from the right.
pub fn luhn(digits: &str) -> bool {
    let mut sum = 0;
    for (place, digit) in digits.bytes().rev().enumerate() {
        let mut value = u32::from(digit - b'0');
        if place % 2 == 1 {
            value *= 2;
            if value > 9 {
                value -= 9;
            }
        }
        sum += value;
    }
    sum % 10 == 0
}

/// The network of a number, the lengths and the range's own Luhn rule that go with it: of all ranges that match, the one with the most
/// digits; of those a product's before a network's, which then stands for its parent; of those the one with
/// the lowest rank.
fn network(digits: &str) -> (&'static str, &'static [usize], Option<&'static str>) {
    let unknown = table().iter().find(|brand| brand.brand == "UNKNOWN").unwrap();
    let mut best = (0, false, Reverse(u32::MAX));
    let mut found = ("UNKNOWN", &unknown.lengths[..], None);
    for brand in table().iter().filter(|brand| brand.detect_by_pan) {
        for range in &brand.ranges {
            let is_product = match range.role.as_str() {
                "primary" => false,
                "subbrand" | "legacy" => true,
                _ => continue,
            };
            let head = &digits[..range.digits];
            let lengths = range.lengths.as_ref().unwrap_or(&brand.lengths);
            if head < range.lo.as_str() || head > range.hi.as_str() {
                continue;
            }
            if range.require_length && !lengths.contains(&digits.len()) {
                continue;
            }
            let strength = (range.digits, is_product, Reverse(brand.rank));
            if strength > best {
                let parent = range.parent.as_ref().or(brand.parent.as_ref()).filter(|_| is_product);
                found = (parent.unwrap_or(&brand.brand), lengths, range.luhn.as_deref());
                best = strength;
            }
        }
    }
    found
}
