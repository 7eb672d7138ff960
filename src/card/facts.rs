//! Facts about networks that `build.rs` takes from `networks.json` beside the ranges, and how to ask for them.

use std::fmt;

use super::lengths::Lengths;
use super::network::Network;

/// What is known of a network. The place in `FACTS` is its id.
pub(super) struct Fact {
    pub sumup_name: &'static str,
    pub parent: Option<Network>,
    pub lengths: Lengths,
    /// The place in `GROUPINGS`.
    pub grouping: u8,
}

/// The gaps of a number of any other length, then those of 12 to 19 digits.
type Grouping = [Gaps; 9];

/// An application identifier, or the beginning of some. `AIDS` has the longest first.
pub(super) struct Aid {
    pub prefix: &'static [u8],
    pub network: Network,
}

/// A run of eight-digit prefixes, both ends included, that may belong to a network.
pub(super) struct Hint {
    pub first: u32,
    pub last: u32,
    pub network: Network,
}

/// A run of eight-digit prefixes, from `start` up to the next one, that detection does not tell apart; the first
/// starts at 0.
pub(super) struct Cut {
    pub start: u32,
    /// Numbers of different lengths may be of different networks.
    pub by_length: bool,
}

include!(concat!(env!("OUT_DIR"), "/facts.rs"));

/// The version of the form of the network table: it grows when a reader of the older form would misread it.
pub const fn table_version() -> u32 {
    VERSION
}

/// The day on which the network table was last changed, `YYYY-MM-DD`.
pub const fn table_date() -> &'static str {
    DATE
}

/// Where the groups of a card number begin, as it is printed on the card: a set of places.
///
/// A place `n` means a gap before the digit with index `n`: 4, 8 and 12 make `4242 4242 4242 4242`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gaps(u32);

impl Gaps {
    /// Whether a gap stands before the digit with this index.
    pub const fn contains(self, index: usize) -> bool {
        index < u32::BITS as usize && self.0 >> index & 1 == 1
    }

    /// The places, the first first.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..u32::BITS as usize).filter(move |index| self.contains(*index))
    }
}

impl fmt::Debug for Gaps {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.iter()).finish()
    }
}

impl Network {
    /// The value of the field `type` of a card in SumUp's API: mostly the [name](Network::name), `UNKNOWN` for
    /// a network that SumUp does not tell apart, `EFTPOS`, and `HIPERCARD` for Hiper.
    pub fn sumup_name(self) -> &'static str {
        self.fact().sumup_name
    }

    /// The network on which this product runs: Visa for Visa Electron. `None` for what is no product.
    pub fn parent(self) -> Option<Network> {
        self.fact().parent
    }

    /// How many digits its numbers may have, where their range does not say otherwise; empty if it is not
    /// known to have numbers of its own. [`Detection::lengths`](super::Detection::lengths) is what binds.
    pub fn lengths(self) -> Lengths {
        self.fact().lengths
    }

    /// How a number of this many digits is grouped when it is printed or shown.
    ///
    /// Any other length than 12 to 19 gives the usual grouping, which is the one for a number that is still
    /// being keyed.
    pub fn gaps(self, length: usize) -> Gaps {
        let grouping = &GROUPINGS[usize::from(self.fact().grouping)];
        let place = length.checked_sub(11).filter(|place| *place < grouping.len());
        grouping[place.unwrap_or(0)]
    }

    fn fact(self) -> &'static Fact {
        FACTS.get(usize::from(self.id())).unwrap_or(&FACTS[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str) -> Network {
        Network::from_name(name).unwrap()
    }

    fn gaps(name: &str, length: usize) -> Vec<usize> {
        network(name).gaps(length).iter().collect()
    }

    #[test]
    fn every_network_has_its_facts_in_the_order_of_the_ids() {
        assert_eq!(FACTS.len(), Network::all().count());
        assert!(FACTS.iter().all(|fact| usize::from(fact.grouping) < GROUPINGS.len()));
        assert_eq!(network("EFTPOS_AU").sumup_name(), "EFTPOS");
        assert_eq!(network("HIPER").sumup_name(), "HIPERCARD");
        assert_eq!(network("MADA").sumup_name(), "UNKNOWN");
        assert_eq!(network("CUP").sumup_name(), "CUP");
        assert_eq!(network("VISA_ELECTRON").parent(), Some(network("VISA")));
        assert_eq!(network("VISA").parent(), None);
        assert!(network("VISA").lengths().iter().eq([13, 16, 18, 19]));
        assert!(network("ELV").lengths().is_empty());
    }

    #[test]
    fn numbers_are_grouped_by_network_and_length() {
        assert_eq!(gaps("VISA", 16), [4, 8, 12]);
        assert_eq!(gaps("VISA", 13), [4, 7, 10]);
        assert_eq!(gaps("VISA", 19), [4, 8, 12, 16]);
        assert_eq!(gaps("AMEX", 15), [4, 10]);
        assert_eq!(gaps("DINERS", 14), [4, 10]);
        assert_eq!(gaps("UATP", 15), [4, 9]);
        assert_eq!(gaps("CUP", 19), [4, 8, 12, 16]);
    }

    #[test]
    fn a_length_of_no_number_has_the_usual_grouping() {
        for length in [0, 7, 11, 20, usize::MAX] {
            assert_eq!(gaps("VISA", length), [4, 8, 12]);
            assert_eq!(gaps("AMEX", length), [4, 10]);
        }
    }

    #[test]
    fn no_gap_lies_outside_a_number() {
        for network in Network::all() {
            for length in 12..=19 {
                assert!(
                    network.gaps(length).iter().all(|gap| (1..length).contains(&gap)),
                    "{network} {length}"
                );
            }
        }
    }

    #[test]
    fn the_table_has_a_version_and_a_date() {
        assert_eq!(table_version(), 1);
        assert!(table_date() >= "2026-11-21");
    }
}
