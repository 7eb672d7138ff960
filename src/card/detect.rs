//! Which network a card number belongs to.

use super::lengths::Lengths;
use super::network::{LuhnRule, Network};
use super::tables::{CLAIMS, LAST_PAGES, PAGE, PAGES, STARTS};
use crate::simd::Reading;

/// What a card number tells about its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Detection {
    /// The network whose rules hold, or [`Network::UNKNOWN`].
    pub network: Network,
    /// The product on that network, where the number tells it: Visa Electron on Visa, Laser on Maestro.
    ///
    /// Few issuers are listed; `None` does not mean that the card is no such product.
    pub product: Option<Network>,
    /// How many digits a number of this range may have.
    pub lengths: Lengths,
    /// What the check digit of a number of this range says.
    pub luhn: LuhnRule,
    /// The range is a whole prefix left to a network after all others: rather a guess than a finding.
    pub fallback: bool,
    /// Further networks that the card may be used on (Cartes Bancaires, mada). They never change `network`.
    pub cobadges: &'static [Network],
}

/// The network of a card number, by its leading digits.
///
/// `digits` is the whole number in ASCII. Its first eight bytes and its length count: the range with the
/// longest prefix wins, then the network with the lowest rank. A few ranges also ask for the right length;
/// the length changes the network nowhere else, so a `lengths` that lacks it means a wrong number of this
/// network. Fewer than eight bytes, or other bytes than digits among the first eight, are
/// [`Network::UNKNOWN`].
pub fn detect(digits: &[u8]) -> Detection {
    let Some([first, next, then]) = steps(digits) else { return Detection::unknown() };
    in_force(claim_at(first, next, then), digits.len())
}

/// The place in `CLAIMS` of what holds for a number that was read; of no meaning for a text that is none.
#[inline]
pub(super) fn claim_of(reading: Reading) -> usize {
    claim_at(reading.first(), reading.next(), reading.then())
}

/// The same for digits in ASCII; of no meaning for other bytes.
#[inline]
pub(super) fn claim_of_digits(digits: &[u8]) -> usize {
    let values = u64::from_le_bytes(*digits.first_chunk().unwrap_or(&[0; 8])) & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = 10 * values + (values >> 8);
    let [a, b, next, then] = [0, 16, 32, 48].map(|place| usize::from((pairs >> place) as u8));
    claim_at(100 * a + b, next, then)
}

/// Where the first six digits of a number lead: see `step_at`.
#[inline]
pub(super) fn step_of(reading: Reading) -> usize {
    step_at(reading.first(), reading.next())
}

/// The place in `CLAIMS` of what holds for a prefix of four, two and two digits.
#[inline]
fn claim_at(first: usize, next: usize, then: usize) -> usize {
    match step_at(first, next) {
        place if place < CLAIMS.len() => place,
        place => claim_behind(place, then),
    }
}

/// Where the first six digits lead: to a place in `CLAIMS`, or beyond these to a page of [`claim_behind`].
#[inline]
fn step_at(first: usize, next: usize) -> usize {
    let start = usize::from(STARTS[first % STARTS.len()]);
    usize::from(PAGES[(start + next) % PAGES.len()])
}

/// The place in `CLAIMS` for the few prefixes that are cut behind their sixth digit.
#[cold]
fn claim_behind(step: usize, then: usize) -> usize {
    usize::from(LAST_PAGES[((step - CLAIMS.len()) * PAGE + then) % LAST_PAGES.len()])
}

/// What a claim, or the one behind it, says of a number of this length.
pub(super) fn in_force(claim: usize, length: usize) -> Detection {
    let mut claim = &CLAIMS[claim];
    while claim.is_void(length) {
        claim = &CLAIMS[usize::from(claim.otherwise)];
    }
    claim.detection
}

impl Detection {
    /// What holds for a number of which nothing is known.
    pub(super) fn unknown() -> Detection {
        CLAIMS[0].detection
    }
}

/// The first eight digits as three numbers: of four, two and two.
fn steps(digits: &[u8]) -> Option<[usize; 3]> {
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |number, byte| {
            let digit = byte.is_ascii_digit().then(|| usize::from(byte - b'0'))?;
            Some(number * 10 + digit)
        })
    };
    let [a, b, c, d, e, f, g, h] = digits.first_chunk()?;
    Some([number(&[*a, *b, *c, *d])?, number(&[*e, *f])?, number(&[*g, *h])?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(digits: &str) -> &'static str {
        detect(digits.as_bytes()).network.name()
    }

    fn product(digits: &str) -> Option<&'static str> {
        detect(digits.as_bytes()).product.map(Network::name)
    }

    #[test]
    fn the_longest_prefix_wins() {
        assert_eq!(network("6500000000000000"), "DISCOVER");
        assert_eq!(network("6509230000000000"), "TROY");
        assert_eq!(network("6508370000000000"), "TROY");
        assert_eq!(network("6508371000000000"), "DISCOVER");
        assert_eq!(network("2205430000000000"), "PAYPAK");
        assert_eq!(network("2205440000000000"), "BORICA");
    }

    #[test]
    fn the_lowest_rank_wins_among_prefixes_of_one_length() {
        assert_eq!(network("6790090000000000"), "JAYWAN");
        assert_eq!(network("6790100000000000"), "MAESTRO");
    }

    #[test]
    fn a_product_acts_for_its_network() {
        assert_eq!(
            (network("4001150000000000"), product("4001150000000000")),
            ("VISA", Some("VISA_ELECTRON"))
        );
        assert_eq!((network("6706990000000000"), product("6706990000000000")), ("MAESTRO", Some("LASER")));
        assert_eq!((network("4903000000000000"), product("4903000000000000")), ("VISA", Some("SWITCH")));
        assert_eq!(
            (network("5610000000000000"), product("5610000000000000")),
            ("MAESTRO", Some("BANKCARD_AU"))
        );
    }

    #[test]
    fn a_product_without_a_network_stands_for_itself() {
        assert_eq!((network("201400000000009"), product("201400000000009")), ("DINERS_ENROUTE", None));
    }

    #[test]
    fn a_cobadge_stands_beside_the_network_and_once() {
        let names = |digits: &str| -> Vec<_> {
            detect(digits.as_bytes()).cobadges.iter().map(|network| network.name()).collect()
        };
        assert_eq!((network("4571000000000000"), names("4571000000000000")), ("VISA", vec!["DANKORT"]));
        assert_eq!((network("3538000000000000"), names("3538000000000000")), ("JCB", vec!["RUPAY"]));
        assert_eq!(names("5132130000000000"), ["CARTES_BANCAIRES", "MADA"]);
    }

    #[test]
    fn a_range_that_requires_a_length_leaves_other_lengths_to_the_next_range() {
        assert_eq!(network("1946000000000000"), "GPN");
        assert_eq!(network("194600000000000"), "UATP");
        assert_eq!(network("19460000000000000"), "UNKNOWN");
        assert_eq!(network("1000000000000008"), "UNKNOWN");
    }

    #[test]
    fn a_range_may_have_lengths_of_its_own_and_a_rest_is_marked() {
        assert!(detect(b"180000000000000").lengths.iter().eq([15]));
        assert!(detect(b"3528000000000000").lengths.iter().eq(16..=19));
        assert!(detect(b"6100000000000000").fallback);
        assert!(!detect(b"6759000000000000").fallback);
    }

    #[test]
    fn what_is_no_number_is_of_no_network() {
        assert_eq!(detect(b""), Detection::unknown());
        assert_eq!(detect(b"4242424"), Detection::unknown());
        assert_eq!(detect(b"4242 4242 4242 4242"), Detection::unknown());
        assert_eq!(network("0000000000000000"), "UNKNOWN");
        assert_eq!(network("9999999999999999"), "UNKNOWN");
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            detect(&bytes);
        }
    }
}
