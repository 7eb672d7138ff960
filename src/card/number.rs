//! A number alone: what is wrong with it, or its network, in a few bytes that may be kept.

use super::detect::{claim_of, claim_of_digits, in_force, step_of};
use super::network::{LuhnRule, Network};
use super::pan::{Mask, Pan, Separators};
use super::tables::{CLAIMS, Claim, PAGE, PAGES, ROWS, STARTS};
use crate::error::Code;
use crate::simd::{self, Entries, MANY, Reading, form};
use zeroize::Zeroize;

/// What [`check_number`] finds. Not secret: nothing of a refused number is in it, and of a good one what may be
/// displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberCheck {
    verdict: Verdict,
    last4: [u8; 4],
    /// The value of the first six digits, where these may be displayed.
    first6: u32,
    /// The place of what was found in `CLAIMS`.
    claim: u16,
}

/// Judges a card number as [`check()`](super::check()) does by its default rules, and keeps nothing of it.
///
/// ```
/// use panseal::card::{Separators, check_number};
/// use panseal::error::Code;
///
/// let good = check_number(b"4242 4242 4242 4242", Separators::Dropped);
/// assert_eq!((good.network().name(), good.last4()), ("VISA", *b"4242"));
/// let mistyped = check_number(b"4242 4242 4242 4241", Separators::Dropped);
/// assert_eq!(mistyped.code(), Some(Code::Luhn));
/// ```
#[inline]
pub fn check_number(text: &[u8], separators: Separators) -> NumberCheck {
    let reading = simd::read(text, separators == Separators::Dropped);
    let claim = claim_of(reading);
    let verdict = VERDICTS[claim][reading.form()];
    let shows_first = Pan::shown_first(usize::from(verdict.length())) > 0;
    let first6 = if shows_first { (100 * reading.first() + reading.next()) as u32 } else { 0 };
    NumberCheck { verdict, last4: verdict.last4(reading), first6, claim: claim as u16 }
}

impl NumberCheck {
    /// What is wrong with the number, if anything is.
    pub fn code(self) -> Option<Code> {
        self.verdict.outcome().err()
    }

    /// Whether nothing is wrong with the number.
    pub fn is_ok(self) -> bool {
        self.verdict.status() == 0
    }

    /// The network whose rules the number keeps; [`Network::UNKNOWN`] also if it is refused.
    pub fn network(self) -> Network {
        self.verdict.network()
    }

    /// How many digits the number has; 0 if it is refused.
    pub fn length(self) -> usize {
        usize::from(self.verdict.length())
    }

    /// The last four digits in ASCII, which may be shown and stored; zero bytes if the number is refused.
    pub fn last4(self) -> [u8; 4] {
        self.last4
    }

    /// The product on the network, where the number tells it: see [`Detection`](super::Detection). None if it is
    /// refused.
    pub fn product(self) -> Option<Network> {
        self.is_ok().then(|| in_force(usize::from(self.claim), self.length()).product).flatten()
    }

    /// The number as it may be displayed, as [`Pan::mask`] has it; empty if it is refused.
    pub fn mask(self) -> Mask {
        if !self.is_ok() {
            return Mask::blank();
        }
        let mut first6 = [0; 6];
        let mut rest = self.first6;
        for digit in first6.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Mask::of(first6, self.length(), self.last4)
    }
}

/// The verdict on a number that was read.
#[inline]
pub(super) fn judge(reading: Reading) -> Verdict {
    match step_of(reading) {
        step if step < CLAIMS.len() => VERDICTS.as_flattened()[form::END * step + reading.form()],
        _ => judge_behind(reading),
    }
}

/// Apart, so that nothing jumps where the first six digits are enough, which they nearly always are.
#[cold]
fn judge_behind(reading: Reading) -> Verdict {
    VERDICTS[claim_of(reading)][reading.form()]
}

/// Judges texts of sixteen bytes, most of which are numbers of sixteen digits, many at once and as [`judge`] does.
pub(super) struct Sixteens {
    read: simd::Sixteens,
    claims: [u8; MANY],
    mixed: simd::Places,
    entries: Entries,
}

impl Sixteens {
    pub fn new() -> Sixteens {
        let entries =
            Entries { status: [0; MANY], mark: [0; MANY], length: [0; MANY], last4: [[0; 4]; MANY] };
        Sixteens { read: simd::Sixteens::new(), claims: [0; MANY], mixed: simd::Places::new(), entries }
    }

    /// Judges the first [`MANY`] texts of `data`, or as many as there are. Gives how many had to be read one by one.
    pub fn judge(&mut self, data: &[u8]) -> usize {
        let firsts = self.read.read(data);
        let claims = &mut self.claims[..firsts.len()];
        for (claim, first) in claims.iter_mut().zip(firsts) {
            *claim = FIRST[*first as usize % FIRST.len()];
        }
        // The few that are not told by their first four digits, afterwards: a branch for each number would take longer
        // than all else.
        for row in self.mixed.of(claims) {
            claims[row] = claim_of_digits(data.get(16 * row..).unwrap_or_default()) as u8;
        }
        self.read.look_up(claims, &SHEET, &mut self.entries);
        let texts = self.read.unread().map_while(|row| Some((row, data.get(16 * row..16 * (row + 1))?)));
        texts.map(|(row, text)| tell(simd::read(text, true), row, &mut self.entries)).count()
    }

    /// What was found: as many entries as there are texts count.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }
}

impl Zeroize for Sixteens {
    fn zeroize(&mut self) {
        self.read.zeroize();
    }
}

/// Enters the verdict on a number that was read by itself.
fn tell(reading: Reading, row: usize, entries: &mut Entries) {
    let verdict = judge(reading);
    entries.status[row] = i32::from(verdict.status());
    entries.mark[row] = verdict.network().id();
    entries.length[row] = verdict.length();
    entries.last4[row] = verdict.last4(reading);
}

/// For the first four digits the claim, where it does not matter for sixteen digits what follows; else [`MIXED`].
static FIRST: [u8; STARTS.len()] = {
    let mut first = [MIXED; STARTS.len()];
    let mut page = [MIXED; PAGES.len() / PAGE];
    let mut place = 0;
    while place < page.len() {
        page[place] = claim_of_page(place * PAGE);
        place += 1;
    }
    let mut four = 0;
    while four < first.len() {
        first[four] = page[STARTS[four] as usize / PAGE];
        four += 1;
    }
    first
};

/// Stands for no claim: the highest bit alone.
const MIXED: u8 = 0x80;

/// The claim that all places of a page have, or others with the same verdicts on sixteen digits; [`MIXED`] if there is
/// none.
const fn claim_of_page(start: usize) -> u8 {
    let claim = PAGES[start] as usize;
    let mut next = 0;
    while next < PAGE {
        let other = PAGES[start + next] as usize;
        if other >= CLAIMS.len() || !alike(claim, other) {
            return MIXED;
        }
        next += 1;
    }
    claim as u8
}

const fn alike(claim: usize, other: usize) -> bool {
    const WRONG: usize = SIXTEEN + form::WRONG as usize;
    claim < CLAIMS.len()
        && VERDICTS[claim][SIXTEEN].0 == VERDICTS[other][SIXTEEN].0
        && VERDICTS[claim][WRONG].0 == VERDICTS[other][WRONG].0
}

/// The verdicts on sixteen digits by their claims, and on texts that are no numbers, cut up for `simd`.
static SHEET: simd::Sheet = {
    let mut sheet = simd::Sheet {
        right: [0; 128],
        wrong: [0; 128],
        others: [0; form::END - form::MISSING as usize],
        mark: [0; 128],
    };
    let mut claim = 0;
    while claim < CLAIMS.len() {
        let (right, wrong) = (VERDICTS[claim][SIXTEEN], VERDICTS[claim][SIXTEEN + form::WRONG as usize]);
        (sheet.right[claim], sheet.wrong[claim]) = (right.status(), wrong.status());
        // Whether the check digit is right changes the status, and no network.
        sheet.mark[claim] = right.network().id();
        claim += 1;
    }
    let mut other = 0;
    while other < sheet.others.len() {
        sheet.others[other] = VERDICTS[0][form::MISSING as usize + other].status();
        other += 1;
    }
    sheet
};

/// The form of sixteen digits with their check digit.
const SIXTEEN: usize = {
    let mut form = 0;
    while form::length(form) < 16 {
        form += 1;
    }
    form as usize
};

/// What is wrong with a text that is no number, whatever its network.
#[inline]
pub(super) fn refusal(reading: Reading) -> Option<Code> {
    if reading.length().is_some() { None } else { judge(reading).outcome().err() }
}

/// Whether a number is good, in one word: the number of the code; where that is 0, the id of the network and the
/// count of digits in the two bytes above it, and all bits of the highest byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict(u32);

impl Verdict {
    const fn refused(code: Code) -> Verdict {
        Verdict(code.number() as u32)
    }

    const fn good(network: Network, length: usize) -> Verdict {
        Verdict((network.id() as u32) << 8 | (length as u32) << 16 | 0xff << 24)
    }

    /// 0, or the number of the code.
    pub const fn status(self) -> u8 {
        self.0 as u8
    }

    pub const fn network(self) -> Network {
        Network((self.0 >> 8) as u8)
    }

    /// How many digits there are.
    pub fn length(self) -> u8 {
        (self.0 >> 16) as u8
    }

    pub fn outcome(self) -> Result<(), Code> {
        const CODES: [Code; 5] = [Code::Missing, Code::Malformed, Code::Length, Code::Luhn, Code::Charset];
        match self.status() {
            0 => Ok(()),
            status => Err(CODES.into_iter().find(|code| *code as u8 == status).unwrap_or(Code::Internal)),
        }
    }

    /// The last four digits of the number, if it is good.
    #[inline]
    pub fn last4(self, reading: Reading) -> [u8; 4] {
        // Four times the highest byte, for a branch, which compilers make of a condition, would go wrong on every other
        // number of a mixed lot.
        let kept = (self.0 >> 24) * 0x0101_0101;
        (u32::from_ne_bytes(reading.last4()) & kept).to_ne_bytes()
    }
}

/// Refuses a number that not all rules can be held against: `Network` for one of no known network or of one whose
/// numbers need no check digit, `Length` for one that its network does not use, `Luhn` for a wrong check digit.
#[inline]
pub(crate) fn refuse_without_rules(digits: &[u8]) -> Result<(), Code> {
    let reading = simd::read(digits, false);
    match RULED[claim_of(reading)][reading.form()] {
        0 => Ok(()),
        code => Err([Code::Network, Code::Length, Code::Luhn][usize::from(code) - 1]),
    }
}

/// For each claim and form 0 where all rules are kept, else 1 for the network, 2 for the length, 3 for the check digit.
static RULED: [[u8; form::END]; CLAIMS.len()] = {
    let mut ruled = [[1; form::END]; CLAIMS.len()];
    let mut claim = 0;
    while claim < CLAIMS.len() {
        let mut form = 0;
        while form < form::MISSING {
            ruled[claim][form as usize] = rule(&CLAIMS[claim], form::length(form), form & form::WRONG == 0);
            form += 1;
        }
        claim += 1;
    }
    ruled
};

const fn rule(claim: &Claim, length: usize, luhn_ok: bool) -> u8 {
    let mut claim = claim;
    while claim.is_void(length) {
        claim = &CLAIMS[claim.otherwise as usize];
    }
    let network = claim.detection.network;
    if network.id() == 0 || !matches!(ROWS[network.id() as usize].luhn, LuhnRule::Required) {
        1
    } else if !claim.detection.lengths.contains(length) {
        2
    } else if luhn_ok {
        0
    } else {
        3
    }
}

/// The verdict for each claim and form: lengths, check digits and what networks ask are settled when this is compiled.
static VERDICTS: [[Verdict; form::END]; CLAIMS.len()] = {
    let mut verdicts = [[Verdict(0); form::END]; CLAIMS.len()];
    let mut claim = 0;
    while claim < CLAIMS.len() {
        let mut form = 0;
        while form < form::END {
            verdicts[claim][form] = verdict(&CLAIMS[claim], form as u8);
            form += 1;
        }
        claim += 1;
    }
    verdicts
};

const fn verdict(claim: &Claim, form: u8) -> Verdict {
    match form {
        form::MISSING => Verdict::refused(Code::Missing),
        form::CHARSET => Verdict::refused(Code::Charset),
        form::ZEROS.. => Verdict::refused(Code::Malformed),
        form::LENGTH.. => Verdict::refused(Code::Length),
        _ => verdict_on_number(claim, form::length(form), form & form::WRONG == 0),
    }
}

const fn verdict_on_number(claim: &Claim, length: usize, luhn_ok: bool) -> Verdict {
    let mut claim = claim;
    while claim.is_void(length) {
        claim = &CLAIMS[claim.otherwise as usize];
    }
    let network = claim.detection.network;
    if !claim.detection.lengths.contains(length) {
        Verdict::refused(Code::Length)
    } else if !luhn_ok && matches!(claim.detection.luhn, LuhnRule::Required) {
        Verdict::refused(Code::Luhn)
    } else {
        Verdict::good(network, length)
    }
}

#[cfg(test)]
mod tests {
    use super::super::detect;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_of_a_refused_number_is_shown() {
        for text in [&b"4242424242424241"[..], b"42424242", b"", b"4242x42424242424"] {
            let found = check_number(text, Separators::Dropped);
            assert!(!found.is_ok());
            assert_eq!((found.mask().as_str(), found.product(), found.last4()), ("", None, [0; 4]));
        }
    }

    #[test]
    fn a_product_is_told_by_the_number_alone() {
        let electron = check_number(b"4001150000000004", Separators::Refused);
        assert_eq!(electron.product().map(Network::name), Some("VISA_ELECTRON"));
    }

    proptest! {
        #[test]
        fn mask_and_product_are_those_of_the_number(
            text in "[4-6][0-9]{12,18}|0[0-9]{14,18}|[0-9]{4} [0-9]{4} [0-9]{4} [0-9]{4}",
        ) {
            let found = check_number(text.as_bytes(), Separators::Dropped);
            let pan = Pan::parse(text.as_bytes(), Separators::Dropped).ok().filter(|_| found.is_ok());
            prop_assert_eq!(found.mask(), pan.as_ref().map_or(Mask::blank(), Pan::mask));
            prop_assert_eq!(found.product(), pan.and_then(|pan| detect(pan.digits()).product));
        }
    }
}
