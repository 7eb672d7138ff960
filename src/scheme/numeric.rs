//! Numeric tokens: digits of a card number's length, some of them kept, that no card of a network with a check digit
//! can have.
//!
//! A token's Luhn residue is its *slot*, 1 to 9; a card number's is 0. With `ff1` the slot names the epoch.

use super::ff1::Ff1Key;
use super::message::{Direction, Message, TWEAK_LEN};
use super::{BATCH, Kept};
use crate::card::Pan;
use crate::card::decimal::{self, Power, Text};
use crate::error::Code;
use crate::secret::{SecretText, Wiped};
use crate::simd;
use zeroize::Zeroize;

/// Digits of a token or number, in ASCII.
pub(super) struct Digits(SecretText<{ Pan::MAX_LEN }>);

impl Digits {
    pub(super) fn of(text: &[u8]) -> Option<Digits> {
        let fits = text.len() >= Pan::MIN_LEN && text.iter().all(u8::is_ascii_digit);
        SecretText::copy_of(text).filter(|_| fits).map(Digits)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(super) fn set(&mut self, place: usize, digit: u8) {
        self.0.as_mut_bytes()[place] = b'0' + digit;
    }

    /// Sets the digit at `place` so that the Luhn residue becomes `residue`: there is exactly one such digit, at a
    /// doubled and at an undoubled place.
    pub(super) fn solve(&mut self, place: usize, residue: u8) {
        self.set(place, 0);
        let missing = (10 + residue - luhn_residue(self.as_bytes())) % 10;
        let doubled = (self.0.len() - 1 - place) % 2 == 1;
        // Doubled: an even sum comes of half of it, an odd one of a digit whose double has two digits.
        let digit = match (doubled, missing % 2) {
            (false, _) => missing,
            (true, 0) => missing / 2,
            (true, _) => missing.div_ceil(2) + 4,
        };
        self.set(place, digit);
    }
}

/// The Luhn sum of ASCII digits mod 10.
pub(super) fn luhn_residue(digits: &[u8]) -> u8 {
    decimal::luhn_residue(digits)
}

/// Which way digits go, and what their Luhn residue is afterwards.
#[derive(Clone, Copy)]
pub(super) enum Turn {
    /// A card number into a token of this slot.
    IntoToken(u8),
    /// A token into the number that it was made of; any digits of the right length come back as some number.
    IntoNumber,
}

impl Turn {
    fn direction(self) -> Direction {
        match self {
            Turn::IntoToken(_) => Direction::Encrypt,
            Turn::IntoNumber => Direction::Decrypt,
        }
    }

    fn residue(self) -> u8 {
        match self {
            Turn::IntoToken(slot) => slot,
            Turn::IntoNumber => 0,
        }
    }
}

/// Replaces the hidden digits: all but the last go through FF1, the last one carries the slot. As many digits as
/// there were.
///
/// `Domain` for too few hidden digits; `Token` for what are not 12 to 19 digits.
pub(super) fn turn(key: &Ff1Key, kept: Kept, turn: Turn, text: &[u8], out: &mut Text) -> Result<(), Code> {
    let (message, rest) = begin(kept, turn, text)?;
    rest.finish(key.run(turn.direction(), &message), turn, out);
    Ok(())
}

/// [`turn`] for up to [`BATCH`] texts that go through the AES unit together; `each` gets the outcome of each of them,
/// and how many digits it has.
pub(super) fn turn_many<'t>(
    key: &Ff1Key,
    kept: Kept,
    turn: Turn,
    texts: impl Iterator<Item = Result<&'t [u8], Code>>,
    mut each: impl FnMut(usize, Result<(&Text, usize), Code>),
) {
    let mut messages = [Message::IDLE; BATCH];
    let mut rests = [Err(Code::Internal); BATCH];
    let mut count = 0;
    for ((text, rest), slot) in texts.zip(&mut rests).zip(&mut messages) {
        *rest = text.and_then(|text| begin(kept, turn, text)).map(|(message, rest)| {
            *slot = message;
            rest
        });
        count += 1;
    }
    key.run_many(turn.direction(), &mut messages[..count]);
    // In two loops, for what was written a moment ago in other pieces than it is read in has to be waited for.
    let mut all = Wiped::new([Text::default(); BATCH]);
    for ((text, rest), message) in all.iter_mut().zip(&rests).zip(&mut messages).take(count) {
        if let Ok(rest) = rest {
            rest.finish(message.value, turn, text);
        }
        message.value.zeroize();
    }
    for (place, (text, rest)) in all.iter().zip(&rests).take(count).enumerate() {
        each(place, rest.map(|rest| (text, rest.len)));
    }
}

/// What stays of a number: its length, its kept digits with zeros between them, and how far from the end the hidden
/// ones begin.
#[derive(Clone, Copy)]
struct Rest {
    len: usize,
    kept: u64,
    last: usize,
}

/// The hidden digits but the last as a message, and the rest: that last one is solved for, not encrypted.
#[inline(always)]
fn begin(kept: Kept, turn: Turn, text: &[u8]) -> Result<(Message, Rest), Code> {
    let len = match turn {
        Turn::IntoToken(_) => text.len(),
        // Zeros alone are no token: their residue is 0.
        Turn::IntoNumber => simd::read(text, false).length().ok_or(Code::Token)?,
    };
    let digits = kept.hidden(len)?.len() - 1;
    // The whole is first, encrypted, solved, last.
    let (whole, lasts) = (decimal::value_of(text), Power::of(kept.last()));
    let (others, last) = lasts.divide(whole);
    let (first, value) = Power::of(digits).divide(others / 10);
    let message = Message { value, digits, tweak: tweak(kept, len, first * lasts.value + last) };
    let hidden = (others - first * Power::of(digits + 1).value) * lasts.value;
    Ok((message, Rest { len, kept: whole - hidden, last: kept.last() }))
}

impl Rest {
    /// Puts what became of the hidden digits between the kept ones.
    #[inline(always)]
    fn finish(&self, value: u64, turn: Turn, out: &mut Text) {
        let whole = self.kept + value * Power::of(self.last + 1).value;
        decimal::write_solved(whole, self.len, self.last, turn.residue(), out);
    }
}

/// What a message is bound to: version, length, K, L, and the kept digits as a number.
#[inline]
fn tweak(kept: Kept, len: usize, ends: u64) -> [u8; TWEAK_LEN] {
    let head = u32::from_le_bytes([1, len as u8, kept.first() as u8, kept.last() as u8]);
    let mut tweak = [0; TWEAK_LEN];
    tweak[..4].copy_from_slice(&head.to_le_bytes());
    tweak[4..].copy_from_slice(&ends.to_be_bytes());
    tweak
}
