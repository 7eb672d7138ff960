//! Numeric tokens: digits of a card number's length, some of them kept, that no card of a network with a check digit
//! can have.
//!
//! A token's Luhn residue is its *slot*, 1 to 9; a card number's is 0. With `ff1` the slot names the epoch.

use super::ff1::Ff1Key;
use super::message::{Direction, MAX_DIGITS, Message, TWEAK_LEN};
use super::{BATCH, Kept};
use crate::card::{Pan, decimal};
use crate::error::Code;
use crate::secret::SecretText;
use crate::simd;
use zeroize::Zeroize;

/// Digits of a token or number, in ASCII.
pub(super) struct Digits(SecretText<{ Pan::MAX_LEN }>);

impl Digits {
    pub(super) fn of(text: &[u8]) -> Option<Digits> {
        // Zeros alone are neither a number nor a token: their residue is 0.
        simd::read(text, false).length()?;
        SecretText::copy_of(text).map(Digits)
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
    /// A number into a token of this slot.
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

/// Replaces the hidden digits: all but the last go through FF1, the last one carries the slot.
///
/// `Domain` for too few hidden digits; `Token` for what are not 12 to 19 digits.
pub(super) fn turn(key: &Ff1Key, kept: Kept, turn: Turn, text: &[u8]) -> Result<Digits, Code> {
    let (mut digits, message) = begin(kept, text)?;
    digits.finish(kept, key.run(turn.direction(), &message), turn);
    Ok(digits)
}

/// [`turn`] for up to [`BATCH`] texts that go through the AES unit together; `each` gets the outcome of each of them.
pub(super) fn turn_many<'t>(
    key: &Ff1Key,
    kept: Kept,
    turn: Turn,
    texts: impl Iterator<Item = Result<&'t [u8], Code>>,
    mut each: impl FnMut(usize, Result<&Digits, Code>),
) {
    let mut messages = [Message::IDLE; BATCH];
    let mut begun = [const { Err(Code::Internal) }; BATCH];
    let mut count = 0;
    for ((text, begun), slot) in texts.zip(&mut begun).zip(&mut messages) {
        *begun = text.and_then(|text| begin(kept, text)).map(|(digits, message)| {
            *slot = message;
            digits
        });
        count += 1;
    }
    key.run_many(turn.direction(), &mut messages[..count]);
    for (place, (digits, message)) in begun.iter_mut().zip(&mut messages).take(count).enumerate() {
        if let Ok(digits) = digits {
            digits.finish(kept, message.value, turn);
        }
        message.value.zeroize();
        each(place, digits.as_ref().map_err(|code| *code));
    }
}

/// The digits of a text, and the hidden ones but the last as a message: that one is solved for, not encrypted.
fn begin(kept: Kept, text: &[u8]) -> Result<(Digits, Message), Code> {
    let digits = Digits::of(text).ok_or(Code::Token)?;
    let hidden = kept.hidden(text.len())?;
    let (value, encrypted) = (decimal::value_of(text), hidden.len() - 1);
    // The whole is first, encrypted, solved, last.
    let (lasts, encrypteds) = (power_of_ten(kept.last()), power_of_ten(encrypted));
    let (rest, last) = (value / lasts, value % lasts);
    let (first, value) = (rest / 10 / encrypteds, rest / 10 % encrypteds);
    let message = Message { value, digits: encrypted, tweak: tweak(kept, text.len(), first * lasts + last) };
    Ok((digits, message))
}

impl Digits {
    /// Puts in what became of the hidden digits.
    fn finish(&mut self, kept: Kept, value: u64, turn: Turn) {
        let last = self.0.len() - kept.last() - 1;
        decimal::write(value, &mut self.0.as_mut_bytes()[kept.first()..last]);
        self.solve(last, turn.residue());
    }
}

/// What a message is bound to: version, length, K, L, and the kept digits as a number.
fn tweak(kept: Kept, len: usize, ends: u64) -> [u8; TWEAK_LEN] {
    let mut tweak = [1, len as u8, kept.first() as u8, kept.last() as u8, 0, 0, 0, 0, 0, 0, 0, 0];
    tweak[4..].copy_from_slice(&ends.to_be_bytes());
    tweak
}

fn power_of_ten(digits: usize) -> u64 {
    const POWERS: [u64; MAX_DIGITS + 1] = {
        let mut powers = [1; MAX_DIGITS + 1];
        let mut digits = 1;
        while digits < powers.len() {
            powers[digits] = 10 * powers[digits - 1];
            digits += 1;
        }
        powers
    };
    POWERS[digits]
}
