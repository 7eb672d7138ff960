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

/// What holds for the numbers of a piece. The first of `CLAIMS` is that of numbers of which nothing is known.
pub(super) struct Claim {
    pub detection: Detection,
    /// The claim is void for a number that does not have one of its lengths.
    pub needs_length: bool,
    /// Where to look in `CLAIMS` if it is void.
    pub otherwise: u8,
}

/// A run of eight-digit prefixes, from `start` up to the next piece; the first piece starts at 0.
pub(super) struct Piece {
    pub start: u32,
    /// The place in `CLAIMS`.
    pub claim: u8,
}

include!(concat!(env!("OUT_DIR"), "/networks.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_cover_every_prefix_once() {
        assert_eq!(PIECES[0].start, 0);
        assert!(PIECES.windows(2).all(|pair| pair[0].start < pair[1].start));
        assert!(PIECES.iter().all(|piece| usize::from(piece.claim) < CLAIMS.len()));
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
