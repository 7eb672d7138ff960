//! A card number as it is being keyed: which networks it may still become, and whether it is all there.

use std::fmt;

use super::detect::{Detection, detect};
use super::facts::CUTS;
use super::lengths::Lengths;
use super::luhn::luhn_ok;
use super::network::Network;
use super::pan::Pan;
use crate::error::Code;
use crate::secret::SecretText;

/// How many leading digits detection looks at.
const PREFIX_DIGITS: usize = 8;

/// The lengths of a number of which nothing is known.
const ANY: Lengths = Lengths::of(&[12, 13, 14, 15, 16, 17, 18, 19]);

/// What a card number that is still being keyed may become. Holds no digit of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partial {
    /// How many digits were typed; 20 means 20 or more.
    pub digits: usize,
    /// The networks of all numbers of 12 to 19 digits that begin so, as [`detect`] tells them. Empty if no
    /// known network is left.
    pub possible: Networks,
    /// The network, once no other one is possible, and either every number that begins so is of this one or
    /// the number is of this one as it stands: some ranges hold only for numbers of their lengths.
    pub committed: Option<Network>,
    /// How many digits a number of the possible networks that begins so may have; if there is none, 12 to 19.
    pub lengths: Lengths,
    /// Whether more digits are wanted.
    pub complete: Completeness,
    /// Whether the digits pass the Luhn check; `None` while their count is not one of the lengths. What that
    /// means is for [`Network::luhn`] to say.
    pub luhn_ok: Option<bool>,
}

/// Whether a number that is being keyed has all its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Completeness {
    /// More digits have to follow.
    TooShort,
    /// The number may end here, or go on.
    CompleteMayGrow,
    /// The number ends here.
    Complete,
    /// The number should have ended before.
    TooLong,
}

impl Completeness {
    /// The name in Python and in test vectors: `too_short`, `complete_may_grow`, `complete`, `too_long`.
    pub const fn name(self) -> &'static str {
        match self {
            Completeness::TooShort => "too_short",
            Completeness::CompleteMayGrow => "complete_may_grow",
            Completeness::Complete => "complete",
            Completeness::TooLong => "too_long",
        }
    }
}

/// Judges the beginning of a card number.
///
/// `typed` is ASCII digits; spaces and hyphens are dropped, wherever they stand. Nothing at all is the
/// beginning of every number. What lies behind a twentieth digit is not read.
///
/// # Errors
///
/// [`Code::Charset`]: a byte is neither a digit nor a space nor a hyphen.
pub fn partial(typed: &[u8]) -> Result<Partial, Code> {
    let mut digits = SecretText::<{ Pan::MAX_LEN }>::new();
    let mut count = 0;
    for &byte in typed.iter().filter(|byte| !matches!(byte, b' ' | b'-')) {
        if !byte.is_ascii_digit() {
            return Err(Code::Charset);
        }
        count += 1;
        if !digits.push(byte) {
            break;
        }
    }
    let digits = digits.as_bytes();
    let outlook = Outlook::of(digits);
    let lengths = if outlook.possible.is_empty() { ANY } else { outlook.lengths };
    let complete = completeness(count, lengths);
    let luhn_ok = lengths.contains(count).then(|| luhn_ok(digits));
    Ok(Partial {
        digits: count,
        possible: outlook.possible,
        committed: outlook.only().filter(|network| !outlook.unknown || is_of(digits, *network)),
        lengths,
        complete,
        luhn_ok,
    })
}

fn completeness(count: usize, lengths: Lengths) -> Completeness {
    let longer = lengths.iter().any(|length| length > count);
    match (lengths.contains(count), longer) {
        (true, true) => Completeness::CompleteMayGrow,
        (true, false) => Completeness::Complete,
        (false, true) => Completeness::TooShort,
        (false, false) => Completeness::TooLong,
    }
}

/// Whether the digits are a number of this network as they stand.
fn is_of(digits: &[u8], network: Network) -> bool {
    let found = detect(digits);
    found.network == network && found.lengths.contains(digits.len())
}

/// What all numbers with one beginning have in common.
struct Outlook {
    possible: Networks,
    lengths: Lengths,
    /// Some of the numbers are of no known network.
    unknown: bool,
}

impl Outlook {
    /// Asks [`detect`] for one number out of each run of prefixes that it does not tell apart, and where the
    /// length counts, for one of each length.
    fn of(digits: &[u8]) -> Outlook {
        let mut outlook = Outlook { possible: Networks(0), lengths: Lengths::of(&[]), unknown: false };
        let (first, last) = prefixes(digits);
        let run = CUTS.partition_point(|cut| cut.start <= first).saturating_sub(1);
        for cut in CUTS.iter().skip(run).take_while(|cut| cut.start <= last) {
            let number = number_from(cut.start.max(first));
            let shortest = if cut.by_length { digits.len().max(Pan::MIN_LEN) } else { Pan::MAX_LEN };
            for length in shortest..=Pan::MAX_LEN {
                outlook.add(detect(number.get(..length).unwrap_or_default()));
            }
        }
        outlook
    }

    fn add(&mut self, found: Detection) {
        if found.network == Network::UNKNOWN {
            self.unknown = true;
        } else {
            self.possible.insert(found.network);
            self.lengths = self.lengths.union(found.lengths);
        }
    }

    fn only(&self) -> Option<Network> {
        self.possible.iter().next().filter(|_| self.possible.len() == 1)
    }
}

/// The first and the last eight-digit prefix of the numbers that begin with these digits.
fn prefixes(digits: &[u8]) -> (u32, u32) {
    let head = digits.get(..PREFIX_DIGITS).unwrap_or(digits);
    let value = head.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    let below = 10u32.pow((PREFIX_DIGITS - head.len()) as u32);
    (value * below, value * below + (below - 1))
}

/// The longest number with an eight-digit prefix that has only zeros behind it.
fn number_from(prefix: u32) -> [u8; Pan::MAX_LEN] {
    let mut number = [b'0'; Pan::MAX_LEN];
    let mut rest = prefix;
    for digit in number.iter_mut().take(PREFIX_DIGITS).rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    number
}

/// A set of networks.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Networks(u128);

impl Networks {
    /// Whether the network is in the set.
    pub const fn contains(self, network: Network) -> bool {
        network.0 < u128::BITS as u8 && self.0 >> network.0 & 1 == 1
    }

    /// The networks in the order of their ids.
    pub fn iter(self) -> impl Iterator<Item = Network> {
        Network::all().filter(move |network| self.contains(*network))
    }

    /// How many networks are in the set.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether no network is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn insert(&mut self, network: Network) {
        self.0 |= 1u128.checked_shl(network.0.into()).unwrap_or(0);
    }
}

impl fmt::Debug for Networks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn typed(text: &str) -> Partial {
        partial(text.as_bytes()).unwrap()
    }

    fn possible(text: &str) -> Vec<&'static str> {
        typed(text).possible.iter().map(Network::name).collect()
    }

    fn committed(text: &str) -> Option<&'static str> {
        typed(text).committed.map(Network::name)
    }

    #[test]
    fn nothing_is_the_beginning_of_every_number() {
        let none = typed("");
        assert_eq!((none.digits, none.committed, none.complete), (0, None, Completeness::TooShort));
        let known = Network::all().filter(|network| none.possible.contains(*network)).count();
        assert_eq!((none.possible.len(), none.luhn_ok), (known, None));
        assert!(known > 30 && !none.possible.contains(Network::UNKNOWN));
    }

    #[test]
    fn networks_fall_away_as_digits_come() {
        assert_eq!(possible("4"), ["VISA", "MAESTRO", "ELO"]);
        assert_eq!(possible("41"), ["VISA"]);
        assert_eq!(possible("4011"), ["VISA", "ELO"]);
        assert_eq!(possible("401178"), ["ELO"]);
        assert_eq!(possible("0"), [""; 0]);
    }

    #[test]
    fn a_network_is_committed_to_when_there_is_no_other_way() {
        for (text, network) in [
            ("4", None),
            ("41", Some("VISA")),
            ("4936", None),
            ("493698", Some("MAESTRO")),
            ("5", None),
            ("51", Some("MASTERCARD")),
            ("3", None),
            ("37", Some("AMEX")),
            ("6011", Some("DISCOVER")),
            ("9", None),
            ("9704", Some("NAPAS")),
        ] {
            assert_eq!(committed(text), network, "{text}");
        }
    }

    #[test]
    fn a_range_that_requires_a_length_waits_for_it() {
        assert_eq!((possible("10001"), committed("10001")), (vec!["UATP"], None));
        assert_eq!(committed("10000000000000"), None);
        assert_eq!(committed("100000000000000"), Some("UATP"));
        assert_eq!((committed("1000000000000008"), possible("1000000000000008")), (None, vec![]));
        assert_eq!(committed("1800"), Some("JCB"));
        assert_eq!(committed("1946000000000000"), Some("GPN"));
        assert_eq!((possible("194600000000000"), committed("194600000000000")), (vec!["UATP", "GPN"], None));
    }

    #[test]
    fn the_number_is_told_when_it_is_complete() {
        let visa = "4242424242424242424";
        for (count, complete) in [
            (12, Completeness::TooShort),
            (13, Completeness::CompleteMayGrow),
            (14, Completeness::TooShort),
            (16, Completeness::CompleteMayGrow),
            (19, Completeness::Complete),
        ] {
            assert_eq!(typed(&visa[..count]).complete, complete, "{count}");
        }
        assert_eq!(typed("42424242424242424242").complete, Completeness::TooLong);
        assert_eq!(typed("37828224631000").complete, Completeness::TooShort);
        assert_eq!(typed("378282246310005").complete, Completeness::Complete);
        assert_eq!(typed("3782822463100051").complete, Completeness::TooLong);
        assert_eq!(typed("0000000000000000").complete, Completeness::CompleteMayGrow);
    }

    #[test]
    fn the_luhn_check_waits_for_a_length() {
        assert_eq!(typed("378282246310005").luhn_ok, Some(true));
        assert_eq!(typed("378282246310004").luhn_ok, Some(false));
        assert_eq!(typed("37828224631000").luhn_ok, None);
        assert_eq!(typed("3782822463100051").luhn_ok, None);
    }

    #[test]
    fn separators_are_dropped_and_nothing_else() {
        assert_eq!(typed(" 4242-42 "), typed("424242"));
        assert_eq!(partial(b"4242x"), Err(Code::Charset));
        assert_eq!(partial("４２".as_bytes()), Err(Code::Charset));
    }

    #[test]
    fn reading_stops_at_the_twentieth_digit() {
        assert_eq!(typed("42424242424242424242 and more").digits, 20);
    }

    proptest! {
        #[test]
        fn a_number_is_among_what_each_of_its_beginnings_may_become(number in "[0-9]{12,19}") {
            let found = detect(number.as_bytes());
            for end in 0..=number.len() {
                let so_far = typed(&number[..end]);
                if found.network == Network::UNKNOWN {
                    continue;
                }
                prop_assert!(so_far.possible.contains(found.network), "{} of {number}", &number[..end]);
                prop_assert!(found.lengths.iter().all(|length| so_far.lengths.contains(length)));
            }
        }

        #[test]
        fn what_is_committed_to_stays(number in "[0-9]{19}", end in 0..12usize) {
            if let Some(network) = typed(&number[..end]).committed {
                prop_assert_eq!(detect(number.as_bytes()).network, network);
            }
        }

        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let _ = partial(&bytes);
        }
    }
}
