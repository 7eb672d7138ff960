//! The card number: read, held, masked, counted.

use std::fmt;

use super::decimal::{self, Text};
use super::number::refusal;
use crate::error::Code;
use crate::secret::SecretText;
use crate::simd::{self, Reading};

/// A primary account number: 12 to 19 digits (ISO/IEC 7812-1), not all of them zero.
///
/// The digits are held inline and wiped when the value is dropped. They are not printed, compared or cloned;
/// [`Pan::digits`] is the one way to them.
pub struct Pan(SecretText<PAN_ROOM>);

/// More than the most digits, so that it is copied and wiped in two pieces that do not overlap: what was written in
/// other pieces than it is read in has to be waited for.
const PAN_ROOM: usize = 24;

/// What becomes of spaces and hyphens in a card number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separators {
    /// ASCII spaces and hyphens are dropped, wherever they stand.
    Dropped,
    /// Digits only.
    Refused,
}

impl Pan {
    /// The fewest digits of a number.
    pub const MIN_LEN: usize = 12;
    /// The most digits of a number.
    pub const MAX_LEN: usize = 19;

    /// Reads a number from ASCII text. Network and check digit are not looked at.
    ///
    /// # Errors
    ///
    /// - [`Code::Missing`]: the text is empty, or holds only separators that are dropped.
    /// - [`Code::Charset`]: a byte is neither a digit nor a separator that is dropped.
    /// - [`Code::Length`]: not 12 to 19 digits. The text behind a twentieth digit is not read.
    /// - [`Code::Malformed`]: all digits are zero, which passes the Luhn check but is no number.
    pub fn parse(text: &[u8], separators: Separators) -> Result<Pan, Code> {
        Pan::made(|pan| pan.parse_in(text, separators))
    }

    /// A number that `fill` writes into a blank one in its place: one that is moved leaves its digits behind on the
    /// stack, and takes its time.
    #[inline]
    pub(crate) fn made<E>(fill: impl FnOnce(&mut Pan) -> Result<(), E>) -> Result<Pan, E> {
        let mut outcome = Ok(Pan::blank());
        Pan::make_in(&mut outcome, fill);
        outcome
    }

    /// [`Pan::made`] in the place of what `outcome` was.
    #[inline]
    pub(crate) fn make_in<E>(outcome: &mut Result<Pan, E>, fill: impl FnOnce(&mut Pan) -> Result<(), E>) {
        *outcome = Ok(Pan::blank());
        if let Ok(pan) = &mut *outcome {
            if let Err(error) = fill(pan) {
                *outcome = Err(error);
            }
        }
    }

    /// [`Pan::parse`] into a blank number.
    #[inline]
    pub(crate) fn parse_in(&mut self, text: &[u8], separators: Separators) -> Result<(), Code> {
        self.read(text, separators).map(|_| ())
    }

    /// A place for a number to be read into.
    pub(crate) const fn blank() -> Pan {
        Pan(SecretText::new())
    }

    /// [`Pan::parse`] into a blank number, which is of no use if this fails. Gives what else the text tells.
    pub(super) fn read(&mut self, text: &[u8], separators: Separators) -> Result<Reading, Code> {
        let reading = simd::read(text, separators == Separators::Dropped);
        if let Some(code) = refusal(reading) {
            return Err(code);
        }
        let complete = match reading.length() {
            Some(length) if length == text.len() => self.0.append(text),
            _ => text.iter().filter(|byte| byte.is_ascii_digit()).all(|digit| self.0.push(*digit)),
        };
        debug_assert!(complete);
        Ok(reading)
    }

    /// The number of a [rank](Pan::rank). `None` for a rank that no number has: one out of range, or one of
    /// the eight whose digits would all be zero.
    pub fn from_rank(rank: u64) -> Option<Pan> {
        Pan::made(|pan| if pan.set_rank(rank) { Ok(()) } else { Err(()) }).ok()
    }

    /// [`Pan::from_rank`] in its place; says whether there is such a number.
    pub(crate) fn set_rank(&mut self, rank: u64) -> bool {
        let shorter = (Pan::MIN_LEN + 1..=Pan::MAX_LEN).filter(|len| rank >= numbers_below(*len)).count();
        let len = Pan::MIN_LEN + shorter;
        let value = rank - numbers_below(len);
        let exists = value != 0 && rank < numbers_below(Pan::MAX_LEN + 1);
        if exists {
            self.set_text(&decimal::text_of(value, len), len);
        }
        exists
    }

    /// Makes it the number of these digits, `len` of them. Whoever calls has read them as a number.
    #[inline]
    pub(crate) fn set_text(&mut self, text: &Text, len: usize) {
        self.0.set(text, len);
    }

    /// The place of the number among all numbers, shorter ones first: the sum of 10^k for k from 12 up to
    /// below its length, plus its value. So length and leading zeros are kept in 8 bytes.
    pub fn rank(&self) -> u64 {
        numbers_below(self.len()) + decimal::value_of(self.digits())
    }

    /// The digits in ASCII.
    pub fn digits(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// How many digits there are: 12 to 19.
    #[allow(clippy::len_without_is_empty, reason = "a number is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The last four digits in ASCII, which may be shown and stored.
    pub fn last4(&self) -> [u8; 4] {
        self.digits().last_chunk().copied().unwrap_or_default()
    }

    /// The digits that may be stored in the clear beside [`Pan::last4`]: the first 6 from 14 digits on.
    ///
    /// The truncation policy of the card brands (PCI SSC FAQ 1091) lets first 6 and last 4 stay, and of 16
    /// digits at least four have to go. Of 12 or 13 digits only two or three would, and the check digit
    /// narrows those to ten or a hundred numbers: that is no truncation.
    pub fn iin(&self) -> &[u8] {
        match self.digits().first_chunk::<6>() {
            Some(iin) if self.len() >= 14 => iin,
            _ => &[],
        }
    }

    /// The number as it may be displayed (PCI DSS 3.4.1): first 6 and last 4 digits from 15 digits on, the
    /// last 4 alone below; `*` for each of the others.
    pub fn mask(&self) -> Mask {
        let first6 = self.digits().first_chunk().copied().unwrap_or_default();
        Mask::of(first6, self.len(), self.last4())
    }

    /// How many of the first digits of a number of this length may be displayed.
    pub(super) const fn shown_first(len: usize) -> usize {
        if len >= 15 { 6 } else { 0 }
    }
}

/// How many numbers are shorter than this, counting those of zeros alone.
const fn numbers_below(len: usize) -> u64 {
    const SUMS: [u64; Pan::MAX_LEN - Pan::MIN_LEN + 2] = {
        let mut sums = [0; Pan::MAX_LEN - Pan::MIN_LEN + 2];
        let mut place = 1;
        while place < sums.len() {
            sums[place] = sums[place - 1] + 10u64.pow((Pan::MIN_LEN + place - 1) as u32);
            place += 1;
        }
        sums
    };
    SUMS[len - Pan::MIN_LEN]
}

/// A card number as it may be displayed. Not secret.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Mask {
    len: u8,
    text: [u8; Mask::MAX_LEN],
}

impl Mask {
    /// The most bytes of a mask.
    pub const MAX_LEN: usize = 31;

    /// The text, in ASCII.
    pub fn as_str(&self) -> &str {
        let text = self.text.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }

    /// Of a number of `len` digits: the first six only where so many may be displayed.
    pub(super) fn of(first6: [u8; 6], len: usize, last4: [u8; 4]) -> Mask {
        let shown = Pan::shown_first(len);
        let mut mask = Mask::blank();
        first6[..shown].iter().for_each(|digit| mask.push(*digit));
        (shown + last4.len()..len).for_each(|_| mask.push(b'*'));
        last4.iter().for_each(|digit| mask.push(*digit));
        mask
    }

    pub(super) const fn blank() -> Mask {
        Mask { len: 0, text: [0; Mask::MAX_LEN] }
    }

    pub(super) fn push(&mut self, byte: u8) {
        if let Some(place) = self.text.get_mut(usize::from(self.len)) {
            *place = byte;
            self.len += 1;
        }
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), out)
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pan(digits: &str) -> Pan {
        Pan::parse(digits.as_bytes(), Separators::Refused).unwrap()
    }

    fn refusal(text: &str, separators: Separators) -> Option<Code> {
        Pan::parse(text.as_bytes(), separators).err()
    }

    #[test]
    fn spaces_and_hyphens_are_dropped_anywhere_or_refused() {
        let text = b" 4242-4242  4242 4242-";
        assert_eq!(Pan::parse(text, Separators::Dropped).unwrap().digits(), b"4242424242424242");
        assert_eq!(Pan::parse(text, Separators::Refused).err(), Some(Code::Charset));
    }

    #[test]
    fn nothing_but_separators_is_a_missing_number() {
        assert_eq!(refusal("", Separators::Refused), Some(Code::Missing));
        assert_eq!(refusal(" - ", Separators::Dropped), Some(Code::Missing));
        assert_eq!(refusal(" - ", Separators::Refused), Some(Code::Charset));
    }

    #[test]
    fn no_other_byte_is_taken() {
        for text in
            ["4242x42424242424", "4242\t4242424242", "4242\u{a0}424242424242", "４２４２424242424242", "٤٢"]
        {
            assert_eq!(refusal(text, Separators::Dropped), Some(Code::Charset), "{text}");
        }
    }

    #[test]
    fn a_number_has_12_to_19_digits() {
        assert_eq!(refusal("42424242424", Separators::Dropped), Some(Code::Length));
        assert_eq!(pan("424242424242").len(), 12);
        assert_eq!(pan("4242424242424242424").len(), 19);
        assert_eq!(refusal("42424242424242424242", Separators::Dropped), Some(Code::Length));
    }

    #[test]
    fn reading_stops_at_the_twentieth_digit() {
        assert_eq!(refusal("42424242424242424242 and more", Separators::Dropped), Some(Code::Length));
    }

    #[test]
    fn zeros_alone_are_no_number() {
        assert_eq!(refusal("0000 0000 0000 0000", Separators::Dropped), Some(Code::Malformed));
    }

    #[test]
    fn a_mask_shows_no_more_than_six_and_four() {
        assert_eq!(pan("4242424242424242").mask().as_str(), "424242******4242");
        assert_eq!(pan("378282246310005").mask().as_str(), "378282*****0005");
        assert_eq!(pan("36227206271667").mask().as_str(), "**********1667");
        assert_eq!(pan("6759649826438453123").mask().to_string(), "675964*********3123");
    }

    #[test]
    fn the_stored_iin_leaves_at_least_four_digits_hidden() {
        assert_eq!(pan("4242424242424242").iin(), b"424242");
        assert_eq!(pan("36227206271667").iin(), b"362272");
        assert_eq!(pan("4222222222222").iin(), b"");
        assert_eq!(pan("4222222222222").last4(), *b"2222");
    }

    #[test]
    fn ranks_count_through_the_lengths() {
        assert_eq!(pan("000000000001").rank(), 1);
        assert_eq!(pan("999999999999").rank(), 999_999_999_999);
        assert_eq!(pan("0000000000001").rank(), 1_000_000_000_001);
        assert_eq!(pan("9999999999999999999").rank(), 11_111_110_999_999_999_999);
    }

    #[test]
    fn a_rank_of_no_number_gives_none() {
        assert!(Pan::from_rank(0).is_none());
        assert!(Pan::from_rank(1_000_000_000_000).is_none(), "13 zeros");
        assert!(Pan::from_rank(11_111_110_999_999_999_999).is_some());
        assert!(Pan::from_rank(11_111_111_000_000_000_000).is_none());
        assert!(Pan::from_rank(u64::MAX).is_none());
    }

    proptest! {
        #[test]
        fn a_rank_leads_back_to_its_number(digits in "[0-9]{11,18}[1-9]") {
            let back = Pan::from_rank(pan(&digits).rank()).unwrap();
            prop_assert_eq!(back.digits(), digits.as_bytes());
        }

        #[test]
        fn a_number_leads_back_to_its_rank(rank: u64) {
            if let Some(pan) = Pan::from_rank(rank) {
                prop_assert_eq!(pan.rank(), rank);
            }
        }

        #[test]
        fn ranks_are_ordered_by_length_and_value(a in "[0-9]{11,18}[1-9]", b in "[0-9]{11,18}[1-9]") {
            let order = (a.len(), &a).cmp(&(b.len(), &b));
            prop_assert_eq!(pan(&a).rank().cmp(&pan(&b).rank()), order);
        }

        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            for separators in [Separators::Dropped, Separators::Refused] {
                if let Ok(pan) = Pan::parse(&bytes, separators) {
                    prop_assert!((12..=19).contains(&pan.len()));
                }
            }
        }
    }
}
