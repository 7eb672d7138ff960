//! The tables that `build.rs` makes of `networks.json`, and the forms of their rows.

use super::detect::Detection;
use super::lengths::Lengths;
use super::network::{LuhnRule, Network};

/// What is known of a network. The place in `ROWS` is its id.
pub(super) struct Row {
    pub name: &'static str,
    pub title: &'static str,
    pub luhn: LuhnRule,
    pub code_name: Option<&'static str>,
    pub code_lengths: Lengths,
}

/// What holds for the numbers of a prefix. The first of `CLAIMS` is that of numbers of which nothing is known.
pub(super) struct Claim {
    pub detection: Detection,
    /// The claim is void for a number that does not have one of its lengths.
    pub needs_length: bool,
    /// Where to look in `CLAIMS` if it is void.
    pub otherwise: u8,
}

impl Claim {
    pub const fn is_void(&self, length: usize) -> bool {
        self.needs_length && !self.detection.lengths.contains(length)
    }
}

/// How many places a page has: those of two digits. `STARTS` has the beginning of a page in `PAGES` for the first four
/// digits; there, for the next two, stands a claim, or `CLAIMS.len()` and the page in `LAST_PAGES` for the last two. Behind
/// their ends they are filled up with zeros.
pub(super) const PAGE: usize = 100;

include!(concat!(env!("OUT_DIR"), "/networks.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_leads_to_a_claim() {
        assert!(STARTS.len() >= PAGE * PAGE);
        for len in [STARTS.len(), PAGES.len(), LAST_PAGES.len()] {
            assert!(len.is_power_of_two());
        }
        assert!(STARTS.iter().all(|start| usize::from(*start) + PAGE <= PAGES.len()));
        let last_pages = LAST_PAGES.len() / PAGE;
        assert!(PAGES.iter().all(|place| usize::from(*place) < CLAIMS.len() + last_pages));
        assert!(LAST_PAGES.iter().all(|claim| usize::from(*claim) < CLAIMS.len()));
    }

    #[test]
    fn the_first_claim_is_that_of_an_unknown_number() {
        assert_eq!(CLAIMS[0].detection.network, Network::UNKNOWN);
        assert!(!CLAIMS[0].needs_length);
        assert_eq!(ROWS[0].name, "UNKNOWN");
    }

    #[test]
    fn a_void_claim_leads_to_an_earlier_one_so_that_the_search_ends() {
        for (place, claim) in CLAIMS.iter().enumerate().filter(|(_, claim)| claim.needs_length) {
            assert!(usize::from(claim.otherwise) < place);
        }
    }
}
