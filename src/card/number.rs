//! A number alone: what is wrong with it, or its network, in a few bytes that may be kept.

use super::detect::{claim_of, in_force, step_of};
use super::network::{LuhnRule, Network};
use super::pan::{Mask, Pan, Separators};
use super::tables::{CLAIMS, Claim, ROWS};
use crate::error::Code;
use crate::simd::{self, Reading, form};

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

/// Room to judge many readings at a time.
pub(super) struct Sixteens {
    keys: [u8; BLOCK],
    words: [u32; BLOCK],
}

impl Sixteens {
    pub fn new() -> Sixteens {
        Sixteens { keys: [0; BLOCK], words: [0; BLOCK] }
    }

    /// Judges up to a block of readings, most of which are of sixteen digits, as [`judge`] does. Says whether there
    /// were any that could be judged many at a time.
    pub fn judge(&mut self, readings: &[Reading], verdicts: &mut [Verdict]) -> bool {
        let len = readings.len().min(BLOCK);
        let (keys, words) = (&mut self.keys[..len], &mut self.words[..len]);
        for (key, reading) in keys.iter_mut().zip(readings) {
            *key = step_of(*reading) as u8;
        }
        // Looked at afterwards, all at once: a branch for each number would take a quarter of the time.
        if keys.iter().fold(0, |most, key| most.max(*key)) >= CLAIMS.len() as u8 {
            for (key, reading) in keys.iter_mut().zip(readings) {
                *key = claim_of(*reading) as u8;
            }
        }
        let done = simd::look_up(readings, keys, &SHEET, words);
        for (verdict, word) in verdicts.iter_mut().zip(&words[..done]) {
            *verdict = Verdict(*word);
        }
        for (verdict, reading) in verdicts.iter_mut().zip(readings).skip(done) {
            *verdict = judge(*reading);
        }
        done > 0
    }
}

/// How many numbers are read before they are judged: few enough that their readings stay near the processor.
pub(super) const BLOCK: usize = 256;

/// The verdicts on sixteen digits by their claims, and on texts that are no numbers, cut up for `simd`.
static SHEET: simd::Sheet = {
    let mut sheet = simd::Sheet {
        right: [[0; 128]; 2],
        wrong: [[0; 128]; 2],
        others: [0; form::END - form::MISSING as usize],
        good: Verdict::good(Network::UNKNOWN, 16).0,
    };
    let mut claim = 0;
    while claim < CLAIMS.len() {
        let right = VERDICTS[claim][SIXTEEN].0.to_le_bytes();
        let wrong = VERDICTS[claim][SIXTEEN + form::WRONG as usize].0.to_le_bytes();
        (sheet.right[0][claim], sheet.right[1][claim]) = (right[0], right[1]);
        (sheet.wrong[0][claim], sheet.wrong[1][claim]) = (wrong[0], wrong[1]);
        claim += 1;
    }
    let mut other = 0;
    while other < sheet.others.len() {
        sheet.others[other] = VERDICTS[0][form::MISSING as usize + other].0;
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
    pub fn status(self) -> u8 {
        self.0 as u8
    }

    pub fn network(self) -> Network {
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
