//! The network by the chip: the application identifier (AID) that the terminal has selected.

use super::detect::{Detection, detect};
use super::facts::{AIDS, Aid};
use super::network::Network;

/// The bytes of a registered application provider identifier (RID), with which an AID begins.
const RID: usize = 5;

/// The bytes of an AID (ISO/IEC 7816-4).
const LENGTHS: std::ops::RangeInclusive<usize> = RID..=16;

/// The network, or the product on one, of an application identifier.
///
/// `aid` is binary: the value of the EMV tags 4F, 84 or 9F06, 5 to 16 bytes. The longest prefix of the table
/// wins. `None` if there is none, or if the length is not that of an AID.
///
/// One AID may be that of several networks (Discover's cards and Diners Club's share one): the most general is
/// given here, and [`detect_with_aid`] looks at the number too.
pub fn detect_aid(aid: &[u8]) -> Option<Network> {
    find(aid).map(|found| found.network)
}

/// The network of a card number that was read from a chip with this AID.
///
/// `digits` is as for [`detect`], `aid` as for [`detect_aid`]. The AID decides, and with it the result is never
/// a [`fallback`](Detection::fallback):
///
/// - an application of the number's own network confirms it, and tells the product where a product has an AID
///   of its own (Visa Electron, V PAY);
/// - an application of another network becomes the network, and the number's own the one co-badge: a card with
///   a Maestro number on which girocard was selected. Lengths and all other rules of the number stay, for the
///   number was given out under them;
/// - of a number of no known network, the application's network is taken, with its lengths;
/// - a provider alone (RID) without a known application leaves the number its network, if that one has
///   applications of this provider: Maestro's are Mastercard's;
/// - an unknown AID leaves everything to the number.
pub fn detect_with_aid(digits: &[u8], aid: &[u8]) -> Detection {
    let told = detect(digits);
    match find(aid).map(|found| choose(found, told.network)) {
        Some(application) => merge(told, application),
        None => told,
    }
}

fn find(aid: &[u8]) -> Option<&'static Aid> {
    let known = LENGTHS.contains(&aid.len());
    AIDS.iter().find(|row| known && aid.starts_with(row.prefix))
}

/// The network of the application, given the one that the number tells.
fn choose(found: &Aid, told: Network) -> Network {
    let shared = |row: &Aid| match found.prefix.len() {
        RID => row.prefix.starts_with(found.prefix),
        _ => row.prefix == found.prefix,
    };
    let is_told = AIDS.iter().any(|row| row.network == told && shared(row));
    if is_told { told } else { found.network }
}

fn merge(told: Detection, application: Network) -> Detection {
    let network = application.parent().unwrap_or(application);
    let same = network == told.network;
    // A product that has an AID of its own would have shown it.
    let silent = |product: &Network| AIDS.iter().all(|row| row.network != *product);
    let product = match application.parent() {
        Some(_) => Some(application),
        None => told.product.filter(|product| same && silent(product)),
    };
    let unknown = told.network == Network::UNKNOWN;
    let lengths = if product == told.product && !unknown {
        told.lengths
    } else if same || unknown {
        product.unwrap_or(network).lengths()
    } else {
        told.lengths
    };
    let luhn = if same { told.luhn } else { network.luhn() };
    let cobadges = if same || unknown { told.cobadges } else { alone(told.network) };
    Detection { network, product, lengths, luhn, fallback: false, cobadges }
}

/// A list of this network only.
fn alone(network: Network) -> &'static [Network] {
    static IDS: [Network; 256] = {
        let mut ids = [Network::UNKNOWN; 256];
        let mut id = 0;
        while id < ids.len() {
            ids[id] = Network(id as u8);
            id += 1;
        }
        ids
    };
    std::slice::from_ref(&IDS[usize::from(network.id())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VISA: &[u8] = b"\xa0\x00\x00\x00\x03\x10\x10";
    const ELECTRON: &[u8] = b"\xa0\x00\x00\x00\x03\x20\x10";
    const MAESTRO: &[u8] = b"\xa0\x00\x00\x00\x04\x30\x60";
    const US_MAESTRO: &[u8] = b"\xa0\x00\x00\x00\x04\x22\x03";
    const GIROCARD: &[u8] = b"\xa0\x00\x00\x03\x59\x10\x10\x02\x80\x01";
    const D_PAS: &[u8] = b"\xa0\x00\x00\x01\x52\x30\x10";

    fn name(aid: &[u8]) -> Option<&'static str> {
        detect_aid(aid).map(Network::name)
    }

    fn names(found: Detection) -> (&'static str, Option<&'static str>, Vec<&'static str>) {
        let cobadges = found.cobadges.iter().map(|network| network.name()).collect();
        (found.network.name(), found.product.map(Network::name), cobadges)
    }

    #[test]
    fn the_longest_prefix_wins() {
        assert_eq!(name(VISA), Some("VISA"));
        assert_eq!(name(ELECTRON), Some("VISA_ELECTRON"));
        assert_eq!(name(&[ELECTRON, b"\x01\x02"].concat()), Some("VISA_ELECTRON"));
        assert_eq!(name(b"\xa0\x00\x00\x00\x03\x80\x10"), Some("VISA"), "the provider alone");
        assert_eq!(name(MAESTRO), Some("MAESTRO"));
        assert_eq!(name(GIROCARD), Some("GIROCARD"));
    }

    #[test]
    fn what_is_no_aid_is_of_no_network() {
        assert_eq!(name(b""), None);
        assert_eq!(name(b"\xa0\x00\x00\x00"), None);
        assert_eq!(name(b"\xa0\x00\x00\x99\x99"), None);
        assert_eq!(name(&[VISA, &[0; 9]].concat()), Some("VISA"), "16 bytes");
        assert_eq!(name(&[VISA, &[0; 10]].concat()), None, "17 bytes");
        assert_eq!(name(b"A0000000031010"), None, "hexadecimal text");
    }

    #[test]
    fn the_application_tells_the_product() {
        let found = detect_with_aid(b"4026111111111115", ELECTRON);
        assert_eq!(names(found), ("VISA", Some("VISA_ELECTRON"), vec![]));
        assert!(found.lengths.iter().eq([16, 19]));
        let listed = b"4001150000000000";
        assert_eq!(detect(listed).product.map(Network::name), Some("VISA_ELECTRON"));
        assert_eq!(names(detect_with_aid(listed, VISA)), ("VISA", None, vec![]));
    }

    #[test]
    fn a_product_without_an_application_of_its_own_stays() {
        let found = detect_with_aid(b"6706990000000000", MAESTRO);
        assert_eq!(names(found), ("MAESTRO", Some("LASER"), vec![]));
        assert_eq!(found.lengths, detect(b"6706990000000000").lengths);
    }

    #[test]
    fn another_network_of_the_card_takes_the_place_of_that_of_the_number() {
        let number = b"6725000000000000007";
        assert_eq!(names(detect(number)), ("MAESTRO", None, vec!["GIROCARD"]));
        let found = detect_with_aid(number, GIROCARD);
        assert_eq!(names(found), ("GIROCARD", None, vec!["MAESTRO"]));
        assert_eq!(found.lengths, detect(number).lengths);
        assert_eq!(names(detect_with_aid(number, MAESTRO)), ("MAESTRO", None, vec!["GIROCARD"]));
    }

    #[test]
    fn a_shared_application_is_that_of_the_number() {
        assert_eq!(name(D_PAS), Some("DISCOVER"));
        assert_eq!(names(detect_with_aid(b"36227206271667", D_PAS)).0, "DINERS");
        assert_eq!(names(detect_with_aid(b"6011000990139424", D_PAS)).0, "DISCOVER");
    }

    #[test]
    fn a_provider_without_a_known_application_leaves_the_number_its_network() {
        assert_eq!(name(US_MAESTRO), Some("MASTERCARD"));
        assert_eq!(names(detect_with_aid(b"6759649826438453", US_MAESTRO)).0, "MAESTRO");
        assert_eq!(
            names(detect_with_aid(b"4242424242424242", US_MAESTRO)),
            ("MASTERCARD", None, vec!["VISA"])
        );
    }

    #[test]
    fn the_application_makes_a_guess_certain() {
        let number = b"6100000000000000";
        assert!(detect(number).fallback);
        assert!(!detect_with_aid(number, MAESTRO).fallback);
    }

    #[test]
    fn an_unknown_number_has_the_network_of_its_application() {
        let interac = b"\xa0\x00\x00\x02\x77\x10\x10";
        let found = detect_with_aid(b"0012000000000000", interac);
        assert_eq!(names(found), ("INTERAC", None, vec![]));
        assert!(found.lengths.iter().eq(16..=19));
    }

    #[test]
    fn an_unknown_application_leaves_everything_to_the_number() {
        let number = b"4571000000000000";
        assert_eq!(detect_with_aid(number, b"\xa0\x00\x00\x99\x99"), detect(number));
    }

    #[test]
    fn every_application_has_numbers_to_be_judged_by() {
        assert!(AIDS.iter().all(|row| !row.network.lengths().is_empty()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(digits: Vec<u8>, aid: Vec<u8>, number in "[0-9]{12,19}", row in 0..AIDS.len()) {
            for digits in [&digits, number.as_bytes()] {
                for aid in [&aid, AIDS[row].prefix] {
                    let found = detect_with_aid(digits, aid);
                    prop_assert!(!found.cobadges.contains(&found.network));
                    prop_assert!(found.product.is_none_or(|product| product != found.network));
                }
            }
        }
    }
}
