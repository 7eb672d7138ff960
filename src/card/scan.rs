//! Card numbers in any text or bytes: log files, CSV, dumps.

use std::ops::Range;

use zeroize::Zeroizing;

use super::detect::detect;
use super::luhn::luhn_ok;
use super::network::{LuhnRule, Network};
use super::pan::{Mask, Pan, Separators};
use super::track::{Span, read_yymm};
use crate::secret::SecretText;

/// A card number that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The offset of its first byte, from the start of all text that was scanned.
    pub at: u64,
    /// How many bytes it has: of a number from the first digit to the last, of a track all of it. In UTF-16
    /// the zero bytes between are counted, and those before and behind are not.
    pub len: u32,
    /// In what form it stands.
    pub form: HitForm,
    /// The network; [`Network::UNKNOWN`] only in a track that has its sentinels.
    pub network: Network,
    /// How many digits the number has: 12 to 19.
    pub length: u8,
    /// The number as it may be shown and logged.
    pub mask: Mask,
}

impl Hit {
    /// The place as a [`Span`]; `None` if it lies beyond the first 4 GiB.
    pub fn span(&self) -> Option<Span> {
        let at = u32::try_from(self.at).ok()?;
        at.checked_add(self.len)?;
        Some(Span { at, len: self.len })
    }
}

/// In what form a card number was found, the weakest evidence first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HitForm {
    /// Digits without a break.
    Run,
    /// Digits in groups, as on a card.
    Grouped,
    /// In the data of track 1.
    Track1,
    /// In the data of track 2, or of EMV's tag 57 in hexadecimal.
    Track2,
}

/// Finds the card numbers in a text, or in any bytes, in the order in which they stand.
///
/// ```
/// let log = b"12:00:07 paid with 4242 4242 4242 4242, order 4242424242424241";
/// let hits: Vec<_> = panseal::card::scan(log).collect();
/// assert_eq!(hits.len(), 1);
/// assert_eq!(hits[0].mask.as_str(), "424242******4242");
/// assert_eq!(hits[0].span().unwrap().of(log), b"4242 4242 4242 4242");
/// ```
///
/// # What is a find
///
/// What counts as a find is decided so that alarms are worth following. A number of a known network with the
/// right length and a right check digit is no proof: of all numbers with 16 digits about 4 % look like that.
/// So where the number stands counts too.
///
/// **A run**: 12 to 19 digits without a break. Its network is known and not a guess
/// ([`Detection::fallback`](super::Detection::fallback)), the length is one of the network's, and the Luhn
/// check holds even where the network does not insist on it.
///
/// **A grouped number**: the same separator, one space or one hyphen, between groups as cards have them:
/// 4-4-4 and on, the last group having 1 to 4 digits; 4-6-5, 4-6-4, 4-5-6, 4-3-3-3, 6-13. The grouping says
/// that this is meant as a card number, so the network may be a guess and its own Luhn rule holds. Six or more
/// groups of four in a row are a table or a dump. Tabs and line ends end a number.
///
/// **A track**: 12 to 19 digits in the form of track 1 or 2, as far as the service code. With an opening and
/// a closing sentinel that is enough, whatever the network; else the number is judged as a grouped one. Check
/// characters are not looked at.
///
/// Runs and groups are no find
/// - inside a longer run of digits, or next to an ASCII letter: part of a hash, a token, an identifier. An
///   escape (`\n`, `%20`, `%3D`) is not a letter, and `_` is not one;
/// - as part of a decimal fraction: next to a point that has a digit on its other side;
/// - behind a `+`, with up to 15 digits: a telephone number (ITU-T E.164);
/// - inside a UUID.
///
/// UTF-16 is read where it stands, of either byte order. Base64, compressed data and other encodings of text
/// are not.
///
/// Measured on random input (`tests/scan.rs` holds the line): 3.5 % of numbers with 16 digits, 1.7 % of those
/// with 12 to 19 digits; no time of day, no time in seconds or milliseconds, no UUID, SHA-256 or hexadecimal dump.
/// Of times in micro- and nanoseconds 0.05 % between 2000 and 2039.
pub fn scan(text: &[u8]) -> Scan<'_> {
    Scan { text, at: 0, stop: text.len(), base: 0, context: Context::Matters }
}

/// Whether a text that is to be kept has a card number in it: for the metadata of a vault.
///
/// As [`scan()`], but it would rather refuse once too often: letters next to a number do not save it, and
/// networks that are a guess count. Escapes of JSON (`\u0034`) must have been read before.
pub fn holds_card_number(text: &[u8]) -> bool {
    Scan { context: Context::IsIgnored, ..scan(text) }.next().is_some()
}

/// The card numbers in a text, one after the other: see [`scan()`].
pub struct Scan<'a> {
    text: &'a [u8],
    /// Numbers that begin before this were looked at.
    at: usize,
    /// Numbers that begin here or behind are not looked at.
    stop: usize,
    /// The offset of the text in all that is scanned.
    base: u64,
    context: Context,
}

/// Whether what stands next to a run counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Matters,
    IsIgnored,
}

impl Iterator for Scan<'_> {
    type Item = Hit;

    fn next(&mut self) -> Option<Hit> {
        loop {
            let group = next_group(self.text, self.at).filter(|group| group.start < self.stop);
            let Some(group) = group else {
                self.at = self.at.max(self.stop);
                return None;
            };
            self.at = group.end();
            if let Some(found) = self.judge(&group) {
                self.at = self.at.max(found.end);
                return Some(found.hit(self.base));
            }
        }
    }
}

// ---- Where digits are. ----

/// In any four bytes of a number one is a digit: between two digits stands one separator at most, in UTF-16
/// with three zero bytes.
const PROBE: usize = 4;

/// So far may probes lie apart for one to lie wholly inside each run of the fewest digits.
const STRIDE: usize = Pan::MIN_LEN - PROBE + 1;

/// The next group of digits at or behind `from`.
///
/// It is the first whose number begins there, except that digits which are too few for a number may be passed
/// over.
fn next_group(text: &[u8], from: usize) -> Option<Group<'_>> {
    let mut probe = from;
    let digit = loop {
        let bytes = text.get(probe..)?.first_chunk::<PROBE>()?;
        if has_digit(*bytes) {
            break probe + bytes.iter().position(u8::is_ascii_digit)?;
        }
        probe += STRIDE;
    };
    // Back to the start of the group, and to the first of those that it may be joined to.
    let chars = Chars::around(text, digit);
    let mut start = digit;
    while let Some(before) = group_before(&chars, start).filter(|before| *before >= from) {
        start = before;
    }
    Some(Group { chars, start, len: chars.run(start, usize::MAX) })
}

/// The digit before a place, with or without separators between: as many as the number of an old track 1 may have, or
/// where the probes fall would decide whether it is found.
fn group_before(chars: &Chars<'_>, place: usize) -> Option<usize> {
    let mut place = place;
    for _ in 0..TRACK1_MAX {
        match chars.before(place)? {
            (before, b'0'..=b'9') => return Some(before),
            (before, byte) if is_separator(byte) => place = before,
            _ => return None,
        }
    }
    None
}

/// Whether one of four bytes is an ASCII digit.
fn has_digit(bytes: [u8; PROBE]) -> bool {
    const EACH: u32 = 0x0101_0101;
    // A digit has become 0 to 9 and does not reach its high bit; anything else does or has it already.
    let value = u32::from_ne_bytes(bytes) ^ (EACH * 0x30);
    let others = ((value & (EACH * 0x7f)) + EACH * (0x80 - 10)) | value;
    others & (EACH * 0x80) != EACH * 0x80
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-')
}

/// A text as characters of one byte, or of two of which one is zero. A place is the offset of the byte that is
/// not zero, so that the byte order does not matter.
///
/// In wide text no digit stands next to another byte that is a digit. So it does not depend on where reading
/// begins which digits are wide and which are not.
#[derive(Clone, Copy)]
struct Chars<'a> {
    text: &'a [u8],
    /// 1, or 2 in UTF-16.
    width: usize,
}

impl<'a> Chars<'a> {
    /// The characters round a digit.
    fn around(text: &'a [u8], digit: usize) -> Chars<'a> {
        let narrow = Chars { text, width: 1 };
        let wide = narrow.stands_apart(digit)
            && (narrow.at(digit + 1) == Some(0) && narrow.stands_apart(digit + 2)
                || digit >= 2 && narrow.at(digit - 1) == Some(0) && narrow.stands_apart(digit - 2));
        if wide { Chars { text, width: 2 } } else { narrow }
    }

    fn at(&self, place: usize) -> Option<u8> {
        self.text.get(place).copied()
    }

    fn is_digit(&self, place: usize) -> bool {
        self.at(place).is_some_and(|byte| byte.is_ascii_digit())
    }

    /// Whether this byte is a digit and the bytes before and behind are none.
    fn stands_apart(&self, place: usize) -> bool {
        self.is_digit(place) && !self.is_digit(place + 1) && !(place > 0 && self.is_digit(place - 1))
    }

    /// Whether the byte at a place is a character, if another stands where it should.
    fn is_char(&self, place: usize) -> bool {
        self.width == 1 || !self.is_digit(place) || self.stands_apart(place)
    }

    /// The character before a place, and its own place.
    fn before(&self, place: usize) -> Option<(usize, u8)> {
        let before = place.checked_sub(self.width)?;
        let joined = self.width == 1 || self.at(before + 1) == Some(0);
        Some((before, self.at(before)?)).filter(|_| joined && self.is_char(before))
    }

    /// The character at a place that is reached from the one before.
    fn reached(&self, place: usize) -> Option<u8> {
        let joined = self.width == 1 || place > 0 && self.at(place - 1) == Some(0);
        self.at(place).filter(|_| joined && self.is_char(place))
    }

    /// How many digits stand at a place, counting no further than `most`.
    fn run(&self, place: usize, most: usize) -> usize {
        if self.width == 1 {
            let rest = self.text.get(place..).unwrap_or_default();
            return rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        }
        let is_digit =
            |count: usize| self.reached_from(place, count).is_some_and(|byte| byte.is_ascii_digit());
        (0..most).take_while(|count| is_digit(*count)).count()
    }

    /// The character that is so many behind a place.
    fn reached_from(&self, place: usize, count: usize) -> Option<u8> {
        let target = self.skip(place, count);
        if count == 0 { self.at(target) } else { self.reached(target) }
    }

    fn skip(&self, place: usize, count: usize) -> usize {
        place + count * self.width
    }
}

/// Digits without a break: all there are, unless some before `start` were passed already.
struct Group<'a> {
    chars: Chars<'a>,
    start: usize,
    len: usize,
}

impl Group<'_> {
    /// The place behind the last digit.
    fn end(&self) -> usize {
        self.chars.skip(self.start, self.len) - (self.chars.width - 1)
    }
}

// ---- What is a card number. ----

/// A card number that was found in the text at hand.
struct Found {
    start: usize,
    end: usize,
    form: HitForm,
    network: Network,
    length: u8,
    mask: Mask,
}

impl Found {
    fn hit(&self, base: u64) -> Hit {
        Hit {
            at: base + self.start as u64,
            len: (self.end - self.start) as u32,
            form: self.form,
            network: self.network,
            length: self.length,
            mask: self.mask,
        }
    }
}

/// How the digits of a number are spread: so many in each group.
type Shape = &'static [usize];

/// The groups of card numbers, of each beginning the longest first, so that a number is not taken for the
/// beginning of itself.
const SHAPES: [Shape; 13] = [
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4, 4, 1],
    &[4, 4, 4, 4],
    &[4, 4, 4, 3],
    &[4, 4, 4, 2],
    &[4, 4, 4, 1],
    &[4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 5, 6],
    &[4, 3, 3, 3],
    &[6, 13],
];

/// The most groups of a shape.
const GROUPS_MAX: usize = 5;

/// So many groups of four in a row are no card number but a table or a dump.
const TABLE_GROUPS: usize = 6;

/// How a number must be to count, by how it stands there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// A known network, and the Luhn check.
    Run,
    /// The same, but the network may be a guess.
    RunAnyContext,
    /// A network that may be a guess, and the Luhn check if it asks for that.
    Form,
    /// 12 to 19 digits, not all zero.
    Sentinels,
}

impl Scan<'_> {
    /// The number that begins with this group, or with characters before it that belong to its track.
    fn judge(&self, group: &Group<'_>) -> Option<Found> {
        let chars = &group.chars;
        let before = chars.before(group.start).map(|(_, byte)| byte);
        match before {
            // The rest of a run whose beginning was passed.
            Some(b'0'..=b'9') => None,
            Some(b'B' | b'b') => {
                self.track1(group).or_else(|| self.run(group)).or_else(|| self.grouped(group))
            }
            _ => match group.len {
                4 | 6 => self.grouped(group),
                Pan::MIN_LEN.. => self.track2(group).or_else(|| self.run(group)),
                _ => None,
            },
        }
    }

    fn run(&self, group: &Group<'_>) -> Option<Found> {
        let chars = &group.chars;
        // Of `%20` two digits are an escape.
        let escaped = match chars.before(group.start) {
            Some((_, b'%')) => 2,
            _ => 0,
        };
        let start = chars.skip(group.start, escaped);
        let len = group.len.checked_sub(escaped)?;
        if !(Pan::MIN_LEN..=Pan::MAX_LEN).contains(&len) {
            return None;
        }
        let evidence = match self.context {
            Context::Matters => Evidence::Run,
            Context::IsIgnored => Evidence::RunAnyContext,
        };
        let found = number(chars, start, &[len], evidence, HitForm::Run)?;
        self.stands_alone(chars, start, len, &found).then_some(found)
    }

    fn grouped(&self, group: &Group<'_>) -> Option<Found> {
        let chars = &group.chars;
        let mut lens = [0; GROUPS_MAX];
        let (mut place, mut separator, mut count) = (group.start, None, 0);
        for len in &mut lens {
            *len = chars.run(place, Pan::MAX_LEN + 1);
            count += 1;
            place = chars.skip(place, *len);
            let next = chars.reached(place).filter(|byte| is_separator(*byte));
            if next.is_none() || separator.is_some_and(|separator| Some(separator) != next) {
                break;
            }
            separator = next;
            place = chars.skip(place, 1);
            if !chars.reached(place).is_some_and(|byte| byte.is_ascii_digit()) {
                break;
            }
        }
        let lens = lens.get(..count)?;
        if count < 2 {
            return None;
        }
        let joined_before = chars.before(group.start).is_some_and(|(place, byte)| {
            Some(byte) == separator && chars.before(place).is_some_and(|(_, byte)| byte.is_ascii_digit())
        });
        SHAPES.iter().filter(|shape| lens.starts_with(shape)).find_map(|shape| {
            let found = number(chars, group.start, shape, Evidence::Form, HitForm::Grouped)?;
            let digits = shape.iter().sum::<usize>();
            let of_fours = shape.starts_with(&[4, 4]);
            // Three groups of four are no number where a fourth stands beside them.
            let part = of_fours && digits < 16 && (lens.len() > shape.len() || joined_before);
            let alone = !part && self.stands_alone(chars, group.start, digits, &found);
            (alone && !(of_fours && is_table(chars, group.start, separator?))).then_some(found)
        })
    }

    /// Whether a number of so many digits is no part of something longer.
    fn stands_alone(&self, chars: &Chars<'_>, start: usize, digits: usize, found: &Found) -> bool {
        let behind = found.end + chars.width - 1;
        let next = chars.reached(behind);
        let next_but_one = next.and_then(|_| chars.reached(chars.skip(behind, 1)));
        let last = chars.before(start);
        let last_but_one = last.and_then(|(place, _)| chars.before(place));
        let is_digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());

        let fraction = next == Some(b'.') && is_digit(next_but_one)
            || last.is_some_and(|(_, byte)| byte == b'.') && is_digit(last_but_one.map(|(_, byte)| byte));
        let telephone = digits <= 15 && last.is_some_and(|(_, byte)| byte == b'+');
        if fraction || telephone || is_in_uuid(chars, start) {
            return false;
        }
        if self.context == Context::IsIgnored {
            return true;
        }
        let word_before = match (last, last_but_one) {
            (Some((_, b'n' | b'r' | b't')), Some((_, b'\\'))) => false,
            (Some((_, byte)), Some((place, high))) if byte.is_ascii_alphabetic() => {
                let escape =
                    high.is_ascii_hexdigit() && chars.before(place).is_some_and(|(_, byte)| byte == b'%');
                !(escape && byte.is_ascii_hexdigit())
            }
            (last, _) => last.is_some_and(|(_, byte)| byte.is_ascii_alphabetic()),
        };
        !word_before && !next.is_some_and(|byte| byte.is_ascii_alphabetic())
    }

    /// Track 2 whose number this is.
    fn track2(&self, group: &Group<'_>) -> Option<Found> {
        let chars = &group.chars;
        if group.len > Pan::MAX_LEN {
            return None;
        }
        let separator = chars.skip(group.start, group.len);
        if !matches!(chars.reached(separator), Some(b'=' | b'D' | b'd')) {
            return None;
        }
        let end = expiry_and_code(chars, chars.skip(separator, 1), TRACK2_MAX - group.len - 1)?;
        let opening = chars.before(group.start).filter(|(_, byte)| *byte == b';');
        let closed = chars.reached(end) == Some(b'?');
        let evidence = if opening.is_some() && closed { Evidence::Sentinels } else { Evidence::Form };
        let found = number(chars, group.start, &[group.len], evidence, HitForm::Track2)?;
        let before = chars.before(group.start);
        let word_before = before.is_some_and(|(_, byte)| byte.is_ascii_alphabetic());
        if word_before && self.context == Context::Matters {
            return None;
        }
        Some(Found {
            start: opening.map_or(found.start, |(place, _)| place),
            end: chars.skip(end, usize::from(closed)) - (chars.width - 1),
            ..found
        })
    }

    /// Track 1 whose number begins with this group, behind the format code.
    fn track1(&self, group: &Group<'_>) -> Option<Found> {
        let chars = &group.chars;
        let (format_code, _) = chars.before(group.start)?;
        let mut lens = [0; Pan::MAX_LEN];
        let mut count = 0;
        let mut place = group.start;
        // Old Amex stripes have spaces between the digits.
        for len in &mut lens {
            *len = chars.run(place, Pan::MAX_LEN + 1);
            count += 1;
            place = chars.skip(place, *len);
            if chars.reached(place) != Some(b' ') {
                break;
            }
            place = chars.skip(place, 1);
        }
        let lens = lens.get(..count)?;
        let mut name = chars.reached(place).filter(|byte| *byte == b'^').map(|_| chars.skip(place, 1))?;
        for _ in 0..NAME_MAX {
            match chars.reached(name)? {
                b'^' => break,
                byte if byte < b' ' => return None,
                _ => name = chars.skip(name, 1),
            }
        }
        chars.reached(name).filter(|byte| *byte == b'^')?;
        let mut end = expiry_and_code(chars, chars.skip(name, 1), TRACK1_MAX)?;
        let limit = chars.skip(format_code, TRACK1_MAX);
        let is_body = |byte: u8| matches!(byte, b' '..=b'_') && !matches!(byte, b'^' | b'?' | b'%');
        let mut tail = end;
        while tail < limit && chars.reached(tail).is_some_and(is_body) {
            tail = chars.skip(tail, 1);
        }
        let closed = chars.reached(tail) == Some(b'?');
        if closed {
            end = tail;
        }
        let opening = chars.before(format_code).filter(|(_, byte)| *byte == b'%');
        let evidence = if opening.is_some() && closed { Evidence::Sentinels } else { Evidence::Form };
        let found = number(chars, group.start, lens, evidence, HitForm::Track1)?;
        Some(Found {
            start: opening.map_or(format_code, |(place, _)| place),
            end: chars.skip(end, usize::from(closed)) - (chars.width - 1),
            ..found
        })
    }
}

/// The most characters of a track between its sentinels, and of a name.
const TRACK1_MAX: usize = 76;
const TRACK2_MAX: usize = 37;
const NAME_MAX: usize = 26;

/// YYMM, service code and more digits, `most` in all: the place behind them.
fn expiry_and_code(chars: &Chars<'_>, place: usize, most: usize) -> Option<usize> {
    let digits = chars.run(place, most);
    if digits < 4 + 3 {
        return None;
    }
    let digit = |count| chars.reached_from(place, count).unwrap_or_default();
    read_yymm(&[digit(0), digit(1), digit(2), digit(3)]).ok()?;
    Some(chars.skip(place, digits))
}

/// The number of so many digits in each group, with one character between groups, if it counts.
fn number(
    chars: &Chars<'_>,
    start: usize,
    groups: &[usize],
    evidence: Evidence,
    form: HitForm,
) -> Option<Found> {
    let length: usize = groups.iter().sum();
    if !(Pan::MIN_LEN..=Pan::MAX_LEN).contains(&length) {
        return None;
    }
    let strict = matches!(evidence, Evidence::Run | Evidence::RunAnyContext);
    if strict && chars.width == 1 && !luhn_ok(chars.text.get(start..start + length)?) {
        return None;
    }
    let mut digits = SecretText::<{ Pan::MAX_LEN }>::new();
    let mut place = start;
    for len in groups {
        for count in 0..*len {
            digits.push(chars.at(chars.skip(place, count))?);
        }
        place = chars.skip(place, len + 1);
    }
    let found = detect(digits.as_bytes());
    let known = found.network != Network::UNKNOWN && found.lengths.contains(length);
    let luhn = || luhn_ok(digits.as_bytes());
    let counts = match evidence {
        Evidence::Run => known && !found.fallback && luhn(),
        Evidence::RunAnyContext => known && luhn(),
        Evidence::Form => known && (found.luhn != LuhnRule::Required || luhn()),
        Evidence::Sentinels => true,
    };
    if !counts {
        return None;
    }
    // Not moved out of the outcome: a number that is moved leaves its digits behind on the stack.
    let mask = match &Pan::parse(digits.as_bytes(), Separators::Refused) {
        Ok(pan) => pan.mask(),
        Err(_) => return None,
    };
    // Behind the last digit, not behind the separator that would follow.
    let end = place - 2 * chars.width + 1;
    Some(Found { start, end, form, network: found.network, length: length as u8, mask })
}

/// Whether groups of four hexadecimal digits with this separator stand here in such a number that they are a
/// table or a dump.
fn is_table(chars: &Chars<'_>, start: usize, separator: u8) -> bool {
    let is_group = |place: usize| {
        let mut hex = (0..4).map(|count| chars.reached_from(place, count));
        hex.all(|byte| byte.is_some_and(|byte| byte.is_ascii_hexdigit()))
    };
    let step = 5 * chars.width;
    let mut groups = 1;
    let mut place = start;
    while groups < TABLE_GROUPS
        && chars.reached(chars.skip(place, 4)) == Some(separator)
        && is_group(place + step)
    {
        place += step;
        groups += 1;
    }
    let mut place = start;
    while groups < TABLE_GROUPS && chars.before(place).is_some_and(|(_, byte)| byte == separator) {
        match place.checked_sub(step).filter(|place| is_group(*place)) {
            Some(before) => place = before,
            None => break,
        }
        groups += 1;
    }
    groups >= TABLE_GROUPS
}

/// Whether a group that begins here is one of a UUID: 8-4-4-4-12 hexadecimal digits.
fn is_in_uuid(chars: &Chars<'_>, start: usize) -> bool {
    const LEN: usize = 36;
    const HYPHENS: Range<usize> = 8..24;
    const GROUP_STARTS: [usize; 5] = [0, 9, 14, 19, 24];

    let is_hyphen = |count: usize| HYPHENS.contains(&count) && (count - 8) % 5 == 0;
    GROUP_STARTS.iter().any(|count| {
        let Some(first) = start.checked_sub(count * chars.width) else { return false };
        (0..LEN).all(|count| match chars.reached_from(first, count) {
            Some(b'-') => is_hyphen(count),
            Some(byte) => !is_hyphen(count) && byte.is_ascii_hexdigit(),
            None => false,
        })
    })
}

// ---- Streams. ----

/// What lies so far before the start of a number can matter: a UUID, or the groups of a dump, in UTF-16.
const LOOK_BEHIND: usize = 64;

/// What lies so far behind the start of a number can matter: track 1 in UTF-16.
const LOOK_AHEAD: usize = 2 * (TRACK1_MAX + 8);

/// What is kept of the text that was scanned, for the text that follows.
const CARRY: usize = LOOK_BEHIND + LOOK_AHEAD;

/// The room for small chunks, which are scanned together.
const ROOM: usize = 1024;

/// Finds card numbers in a stream that comes in chunks, just as [`scan()`] would in all of it at once.
///
/// Up to 1 KiB of the stream is held back for what follows it, inline, and wiped when dropped. So a hit is
/// told at the latest 1 KiB later, or by [`Scanner::finish`]. Chunks may have any size.
///
/// ```
/// let mut scanner = panseal::card::Scanner::new();
/// let mut hits = Vec::new();
/// for chunk in ["paid with 4242 42", "42 4242 4242, thanks"] {
///     scanner.feed(chunk.as_bytes(), |hit| hits.push(hit));
/// }
/// scanner.finish(|hit| hits.push(hit));
/// assert_eq!((hits.len(), hits[0].at), (1, 10));
/// ```
pub struct Scanner {
    /// The end of what was fed, in the first `len` bytes.
    held: Zeroizing<[u8; ROOM]>,
    len: usize,
    /// Numbers that begin before this place in `held` were looked at.
    at: usize,
    /// The offset of `held` in the stream.
    base: u64,
}

impl Default for Scanner {
    fn default() -> Scanner {
        Scanner::new()
    }
}

impl Scanner {
    /// The most bytes that are held back. Hits that are told while a chunk is fed begin in these or in the chunk.
    pub const HELD_MAX: usize = ROOM;

    /// A scanner at the start of a stream.
    pub fn new() -> Scanner {
        Scanner { held: Zeroizing::new([0; ROOM]), len: 0, at: 0, base: 0 }
    }

    /// Scans the next chunk. `found` gets the hits in the order of the stream.
    pub fn feed(&mut self, chunk: &[u8], mut found: impl FnMut(Hit)) {
        let mut rest = chunk;
        loop {
            let (head, tail) = rest.split_at(rest.len().min(ROOM - self.len));
            self.hold(head);
            rest = tail;
            if self.len < ROOM {
                return;
            }
            self.scan_held(self.len - LOOK_AHEAD, &mut found);
            let taken = chunk.len() - rest.len();
            if taken >= CARRY && rest.len() > ROOM {
                self.scan_in_place(chunk, taken, &mut found);
                return;
            }
            self.keep_carry();
        }
    }

    /// Scans what was held back: the stream is over, and the scanner is at the start of another one.
    pub fn finish(&mut self, mut found: impl FnMut(Hit)) {
        self.scan_held(self.len, &mut found);
        *self = Scanner::new();
    }

    fn hold(&mut self, bytes: &[u8]) {
        if let Some(room) = self.held.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    fn scan_held(&mut self, stop: usize, found: &mut impl FnMut(Hit)) {
        let text = self.held.get(..self.len).unwrap_or_default();
        let mut scan = Scan { text, at: self.at, stop, base: self.base, context: Context::Matters };
        scan.by_ref().for_each(found);
        self.at = scan.at;
    }

    /// Scans a chunk of which the first bytes were held and scanned, and keeps its end.
    fn scan_in_place(&mut self, chunk: &[u8], held: usize, found: &mut impl FnMut(Hit)) {
        let base = self.base + self.len as u64 - held as u64;
        let (stop, kept) = (chunk.len() - LOOK_AHEAD, chunk.len() - CARRY);
        let at = held - (self.len - self.at);
        let mut scan = Scan { text: chunk, at, stop, base, context: Context::Matters };
        scan.by_ref().for_each(found);
        (self.len, self.at, self.base) = (0, scan.at - kept, base + kept as u64);
        self.hold(chunk.get(kept..).unwrap_or_default());
    }

    fn keep_carry(&mut self) {
        let kept = self.len - CARRY;
        self.held.copy_within(kept..self.len, 0);
        (self.len, self.at, self.base) = (CARRY, self.at - kept, self.base + kept as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masks(text: &str) -> Vec<String> {
        scan(text.as_bytes()).map(|hit| hit.mask.to_string()).collect()
    }

    fn one(text: &str) -> Hit {
        let hits: Vec<_> = scan(text.as_bytes()).collect();
        assert_eq!(hits.len(), 1, "{text}");
        hits[0]
    }

    #[test]
    fn the_probe_knows_digits_from_all_other_bytes() {
        for byte in 0..=u8::MAX {
            for place in 0..PROBE {
                for rest in [0x00, 0x2f, 0x3a, 0x7f, 0xb5, 0xff] {
                    let mut bytes = [rest; PROBE];
                    bytes[place] = byte;
                    assert_eq!(has_digit(bytes), byte.is_ascii_digit(), "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn a_number_is_found_wherever_the_probes_fall() {
        for lead in 0..64 {
            for number in ["4242424242424242", "3782 822463 10005", "501800000009", "6011-0009-9013-9424"] {
                let text = format!("{}{number}", ".".repeat(lead));
                assert_eq!(one(&text).span(), Some(Span::between(lead, text.len())), "{text}");
            }
        }
    }

    #[test]
    fn a_stream_is_scanned_no_longer_than_its_length_allows() {
        let digits = vec![b'4'; 1 << 20];
        assert_eq!(scan(&digits).count(), 0);
        let groups = b"4242 ".repeat(1 << 18);
        assert_eq!(scan(&groups).count(), 0);
        let tracks = b"B4242424242424242^".repeat(1 << 16);
        assert_eq!(scan(&tracks).count(), 0);
    }

    #[test]
    fn a_track_whose_number_has_wide_gaps_is_found_wherever_the_probes_fall() {
        for lead in 0..64 {
            let text = format!("{}%B42424          42424242^BYRON/ADA^301210100?", ".".repeat(lead));
            assert_eq!(one(&text).form, HitForm::Track1, "{text}");
        }
    }

    #[test]
    fn offsets_go_on_through_a_stream() {
        let text = [".".repeat(5000), "4242424242424242".into(), ".".repeat(5000)].concat();
        let mut scanner = Scanner::new();
        let mut hits = Vec::new();
        for chunk in text.as_bytes().chunks(2100) {
            scanner.feed(chunk, |hit| hits.push(hit.at));
        }
        scanner.finish(|hit| hits.push(hit.at));
        assert_eq!(hits, [5000]);
    }

    #[test]
    fn digits_of_utf_16_beside_plain_ones_are_told_apart_wherever_the_probes_fall() {
        for lead in 0..32 {
            let text = format!("{}2\x004242424242424242.", ".".repeat(lead));
            assert_eq!(one(&text).at, lead as u64 + 2, "{lead}");
        }
    }

    #[test]
    fn a_longer_number_is_not_taken_for_its_beginning() {
        assert_eq!(masks("6304 0000 0000 0000 00 12"), masks("6304 0000 0000 0000 00"));
        assert_eq!(masks("42424242424242424242"), [""; 0]);
        assert_eq!(masks("4242 4242 4242 42424"), [""; 0]);
    }

    /// Pieces that the rules speak of, to be put together at random.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("4242424242424242"),
            Just("4242 4242 4242 4242"),
            Just("3782-822463-10005"),
            Just("%B4242424242424242^BYRON/ADA^3012101000?"),
            Just(";4242424242424242=30121010000?"),
            Just("550e8400-e29b-41d4-a716-446655440000"),
            Just("2026-11-21 05:35:54"),
            Just("4242 "),
            Just("4"),
            Just(" "),
            Just("-"),
            Just("."),
            Just("+"),
            Just("B"),
            Just("%20"),
            Just("\n"),
            Just("\0"),
            Just("............................................................."),
        ];
        let ascii = piece.prop_map(|text| text.as_bytes().to_vec());
        let wide = |order: fn(u16) -> [u8; 2]| {
            move |text: Vec<u8>| text.iter().flat_map(|byte| order(u16::from(*byte))).collect::<Vec<u8>>()
        };
        let any = prop_oneof![
            4 => ascii.clone(),
            1 => ascii.clone().prop_map(wide(u16::to_le_bytes)),
            1 => ascii.prop_map(wide(u16::to_be_bytes)),
        ];
        proptest::collection::vec(any, 0..80).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, text in pieces()) {
            for text in [bytes, text] {
                let mut end = 0;
                for hit in scan(&text) {
                    prop_assert!(hit.at >= end && hit.len >= 12);
                    end = hit.at + u64::from(hit.len);
                }
                prop_assert!(end <= text.len() as u64);
                prop_assert!(scan(&text).next().is_none() || holds_card_number(&text));
            }
        }

        #[test]
        fn chunks_give_what_the_whole_gives(text in pieces(), cuts in proptest::collection::vec(0..3000usize, 0..9)) {
            let whole: Vec<_> = scan(&text).collect();
            let mut scanner = Scanner::new();
            let mut hits = Vec::new();
            let mut rest = &text[..];
            for cut in cuts {
                let (chunk, after) = rest.split_at(cut.min(rest.len()));
                scanner.feed(chunk, |hit| hits.push(hit));
                rest = after;
            }
            scanner.feed(rest, |hit| hits.push(hit));
            scanner.finish(|hit| hits.push(hit));
            prop_assert_eq!(hits, whole);
        }
    }
}
