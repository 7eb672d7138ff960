//! A card number as it may be shown, as it is printed, and how much of it may be stored.
//!
//! Showing and storing have different rules: PCI DSS 3.4.1 says what may be displayed, PCI DSS 3.5.1 and the
//! PCI SSC's FAQ 1091 what a truncated number may keep.

use super::facts::Gaps;
use super::network::Network;
use super::pan::{Mask, Pan};
use crate::error::Code;
use crate::secret::SecretText;

/// The most bytes of a number with its gaps.
pub const GROUPED_MAX: usize = 23;

/// Which digits of a number are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    /// First 6 and last 4 from 15 digits on, last 4 below: what [`Pan::mask`] shows.
    #[default]
    SixFour,
    /// First 8 and last 4 from 16 digits on; below, as [`View::SixFour`]. Only for those who need to see an
    /// eight-digit IIN (ISO/IEC 7812-1:2017): PCI DSS 3.4.1 wants the business need documented.
    EightFour,
    /// Last 4.
    LastFour,
}

impl View {
    /// How many leading digits of a number of this length are shown.
    const fn first(self, length: usize) -> usize {
        match (self, length) {
            (View::LastFour, _) | (_, ..=14) => 0,
            (View::EightFour, 16..) => 8,
            _ => 6,
        }
    }
}

/// The number with `*` for each digit that is not shown: `424242******4242`.
pub fn mask(pan: &Pan, view: View) -> Mask {
    masked(pan, view, None)
}

/// [`mask`] in the groups in which the network prints its numbers: `4242 42** **** 4242`.
pub fn mask_grouped(pan: &Pan, view: View, network: Network) -> Mask {
    masked(pan, view, Some(network.gaps(pan.len())))
}

fn masked(pan: &Pan, view: View, gaps: Option<Gaps>) -> Mask {
    let hidden = view.first(pan.len())..pan.len().saturating_sub(4);
    let mut mask = Mask::blank();
    for (index, digit) in pan.digits().iter().enumerate() {
        if gaps.is_some_and(|gaps| gaps.contains(index)) {
            mask.push(b' ');
        }
        mask.push(if hidden.contains(&index) { b'*' } else { *digit });
    }
    mask
}

/// The whole number in the groups in which the network prints it: `4242 4242 4242 4242`. Secret.
pub fn group(pan: &Pan, network: Network) -> SecretText<GROUPED_MAX> {
    let gaps = network.gaps(pan.len());
    let mut text = SecretText::new();
    for (index, digit) in pan.digits().iter().enumerate() {
        if gaps.contains(index) {
            text.push(b' ');
        }
        text.push(*digit);
    }
    text
}

/// How many digits of a number are kept when it is truncated for storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Truncation {
    /// The first so many.
    pub first: u8,
    /// The last so many.
    pub last: u8,
}

/// What is left of a truncated number. It may be stored in the clear; both parts are ASCII and stand in the
/// number that they are left of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated<'a> {
    /// The first digits.
    pub first: &'a [u8],
    /// The last digits.
    pub last: &'a [u8],
    /// How many digits are gone.
    pub removed: usize,
}

impl Truncation {
    /// What panseal keeps where nothing else is asked for: first 6 and last 4 from 14 digits on, last 4 below.
    ///
    /// FAQ 1091 would let 6 and 4 stay of 12 and 13 digits too. But only two or three would go then, and the
    /// check digit narrows those to ten or a hundred numbers.
    pub const fn usual(length: usize) -> Truncation {
        Truncation { first: if length >= 14 { 6 } else { 0 }, last: 4 }
    }

    /// Whether the card brands let so much stay of a number of this network and length (PCI SSC FAQ 1091,
    /// June 2022).
    ///
    /// | digits | network | first | last | removed |
    /// |---|---|---|---|---|
    /// | 12 to 15 | any | 6 | 4 | all others |
    /// | 16 | Discover and Diners Club, JCB, Mastercard and Maestro, UnionPay, Visa | 8 | 4 | 4 or more |
    /// | 17 to 19 | the same | 8 | 4 | 6 or more |
    /// | 16 to 19 | any other | 6 | 4 | all others |
    ///
    /// The FAQ names no other networks, and its present text no more than 16 digits: the six removed are from
    /// its older one. Two truncations of one number, kept side by side, can give more of it away than either
    /// (FAQ 1117): choose one.
    pub fn is_allowed(self, network: Network, length: usize) -> bool {
        let (first, removed) = match length {
            16 if takes_eight(network) => (8, 4),
            17.. if takes_eight(network) => (8, 6),
            _ => (6, 0),
        };
        let kept = usize::from(self.first) + usize::from(self.last);
        let removed_of =
            |kept: usize| length.checked_sub(kept).is_some_and(|gone| gone >= removed && gone > 0);
        self.first <= first && self.last <= 4 && removed_of(kept)
    }
}

/// The networks of the brands that FAQ 1091 names with eight leading digits.
fn takes_eight(network: Network) -> bool {
    matches!(network.name(), "DISCOVER" | "DINERS" | "JCB" | "MASTERCARD" | "MAESTRO" | "CUP" | "VISA")
}

/// The digits of a number that stay when the others are removed for good.
///
/// # Errors
///
/// [`Code::Argument`]: so many digits must not [stay](Truncation::is_allowed) of a number of this network.
pub fn truncate<'a>(pan: &'a Pan, network: Network, keep: Truncation) -> Result<Truncated<'a>, Code> {
    if !keep.is_allowed(network, pan.len()) {
        return Err(Code::Argument);
    }
    let (first, rest) = pan.digits().split_at_checked(keep.first.into()).ok_or(Code::Argument)?;
    let removed = rest.len().saturating_sub(keep.last.into());
    let (_, last) = rest.split_at_checked(removed).ok_or(Code::Argument)?;
    Ok(Truncated { first, last, removed })
}

#[cfg(test)]
mod tests {
    use super::super::detect::detect;
    use super::super::pan::Separators;
    use super::*;
    use proptest::prelude::*;

    const VISA: &str = "4242424242424242";
    const AMEX: &str = "378282246310005";

    fn pan(digits: &str) -> Pan {
        Pan::parse(digits.as_bytes(), Separators::Refused).unwrap()
    }

    fn network(digits: &str) -> Network {
        detect(digits.as_bytes()).network
    }

    fn shown(digits: &str, view: View) -> String {
        mask_grouped(&pan(digits), view, network(digits)).as_str().into()
    }

    fn kept(digits: &str, first: u8, last: u8) -> Result<(String, String, usize), Code> {
        let text = |digits: &[u8]| String::from_utf8(digits.to_vec()).unwrap();
        let pan = pan(digits);
        let left = truncate(&pan, network(digits), Truncation { first, last })?;
        Ok((text(left.first), text(left.last), left.removed))
    }

    #[test]
    fn a_mask_shows_what_was_asked_for() {
        let masked = |digits, view| mask(&pan(digits), view).to_string();
        assert_eq!(masked(VISA, View::default()), "424242******4242");
        assert_eq!(masked(VISA, View::EightFour), "42424242****4242");
        assert_eq!(masked(VISA, View::LastFour), "************4242");
    }

    #[test]
    fn eight_digits_are_shown_of_sixteen_and_more_only() {
        assert_eq!(shown(AMEX, View::EightFour), shown(AMEX, View::SixFour));
        assert_eq!(shown("36227206271667", View::EightFour), "**** ****** 1667");
    }

    #[test]
    fn a_number_is_shown_in_the_groups_of_its_network() {
        assert_eq!(shown(VISA, View::SixFour), "4242 42** **** 4242");
        assert_eq!(shown(AMEX, View::SixFour), "3782 82**** *0005");
        assert_eq!(shown("4222222222222", View::SixFour), "**** *** **2 222");
        assert_eq!(shown("6759649826438453123", View::SixFour), "6759 64** **** ***3 123");
        let grouped = |digits| group(&pan(digits), network(digits)).as_bytes().to_vec();
        assert_eq!(grouped(AMEX), b"3782 822463 10005");
        assert_eq!(grouped("6212345678901234569"), b"6212 3456 7890 1234 569");
    }

    #[test]
    fn the_longest_number_with_its_gaps_has_room() {
        let digits = "4242424242424242424";
        for network in Network::all() {
            let gaps = network.gaps(19).iter().count();
            assert_eq!(group(&pan(digits), network).len(), 19 + gaps, "{network}");
            assert!(19 + gaps <= GROUPED_MAX);
        }
    }

    #[test]
    fn a_truncated_number_keeps_what_was_asked_for() {
        assert_eq!(kept(VISA, 6, 4), Ok(("424242".into(), "4242".into(), 6)));
        assert_eq!(kept(VISA, 8, 4), Ok(("42424242".into(), "4242".into(), 4)));
        assert_eq!(kept(AMEX, 6, 4), Ok(("378282".into(), "0005".into(), 5)));
        assert_eq!(kept(VISA, 0, 0), Ok((String::new(), String::new(), 16)));
    }

    #[test]
    fn more_than_the_brands_allow_is_not_kept() {
        for (digits, first, last) in [
            (VISA, 9, 3),
            (VISA, 6, 5),
            (AMEX, 8, 4),
            (AMEX, 6, 5),
            ("36227206271667", 8, 4),
            ("2200000000000004", 8, 4),
            ("67596498264384531", 8, 4),
            (VISA, 255, 255),
        ] {
            assert_eq!(kept(digits, first, last), Err(Code::Argument), "{digits} {first}+{last}");
        }
        assert!(kept("67596498264384531", 6, 4).is_ok());
        assert!(kept("675964982643845312", 8, 4).is_ok());
        assert!(kept("4222222222222", 6, 4).is_ok(), "allowed, though not usual");
    }

    proptest! {
        #[test]
        fn the_usual_truncation_is_always_allowed_and_is_that_of_the_number(digits in "[1-9][0-9]{11,18}") {
            let pan = pan(&digits);
            for network in Network::all() {
                let left = truncate(&pan, network, Truncation::usual(pan.len())).unwrap();
                prop_assert_eq!((left.first, left.last), (pan.iin(), &pan.last4()[..]));
                prop_assert_eq!(left.first.len() + left.removed + left.last.len(), pan.len());
                prop_assert!(left.removed >= 4);
            }
        }

        #[test]
        fn the_default_view_is_the_mask_of_the_number(digits in "[1-9][0-9]{11,18}") {
            prop_assert_eq!(mask(&pan(&digits), View::default()).to_string(), pan(&digits).mask().to_string());
        }

        #[test]
        fn groups_change_nothing_but_spaces(digits in "[1-9][0-9]{11,18}") {
            let pan = pan(&digits);
            for network in Network::all() {
                for view in [View::SixFour, View::EightFour, View::LastFour] {
                    let grouped = mask_grouped(&pan, view, network).as_str().replace(' ', "");
                    prop_assert_eq!(grouped, mask(&pan, view).to_string());
                }
                let text = group(&pan, network);
                let ungrouped: Vec<u8> = text.as_bytes().iter().copied().filter(|byte| *byte != b' ').collect();
                prop_assert_eq!(&ungrouped[..], pan.digits());
            }
        }

        #[test]
        fn any_truncation_is_taken(digits in "[1-9][0-9]{11,18}", first: u8, last: u8) {
            let pan = pan(&digits);
            for network in Network::all() {
                let _ = truncate(&pan, network, Truncation { first, last });
            }
        }
    }
}
