//! Which network a card number belongs to.

use super::lengths::Lengths;
use super::network::Network;
use super::tables::{CLAIMS, Claim, PIECES};

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
    let Some(prefix) = prefix(digits) else { return Detection::unknown() };
    let piece = PIECES.partition_point(|piece| piece.start <= prefix).saturating_sub(1);
    let mut claim = &CLAIMS[usize::from(PIECES[piece].claim)];
    while is_void(claim, digits.len()) {
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

fn is_void(claim: &Claim, length: usize) -> bool {
    claim.needs_length && !claim.detection.lengths.contains(length)
}

fn prefix(digits: &[u8]) -> Option<u32> {
    digits.first_chunk::<8>()?.iter().try_fold(0, |prefix, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        Some(prefix * 10 + digit)
    })
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
