//! The security code of a card: judged, never kept.

use super::network::Network;
use crate::error::Code;

/// Judges a security code by the network of its card.
///
/// For [`Network::UNKNOWN`], and for a network that is not known to have a code, 3 or 4 digits are right: the
/// table not knowing a code is no reason to refuse the one on the card.
///
/// # Errors
///
/// - [`Code::Charset`]: a byte is no ASCII digit. Not more than the first five are read.
/// - [`Code::Length`]: the network's codes have another number of digits.
pub fn check_cvv(code: &[u8], network: Network) -> Result<(), Code> {
    const LONGEST: usize = 4;

    let known = network.code_lengths();
    let lengths = if known.is_empty() { Network::UNKNOWN.code_lengths() } else { known };
    if code.iter().take(LONGEST + 1).any(|byte| !byte.is_ascii_digit()) {
        return Err(Code::Charset);
    }
    if !lengths.contains(code.len()) {
        return Err(Code::Length);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(code: &str, network: &str) -> Result<(), Code> {
        check_cvv(code.as_bytes(), Network::from_name(network).unwrap())
    }

    #[test]
    fn the_length_is_that_of_the_network() {
        assert_eq!(check("012", "VISA"), Ok(()));
        assert_eq!(check("0123", "VISA"), Err(Code::Length));
        assert_eq!(check("0123", "AMEX"), Ok(()));
        assert_eq!(check("012", "AMEX"), Err(Code::Length));
    }

    #[test]
    fn where_nothing_is_known_three_or_four_digits_are_right() {
        for network in ["UNKNOWN", "UATP"] {
            assert_eq!(check("012", network), Ok(()));
            assert_eq!(check("0123", network), Ok(()));
            assert_eq!(check("01", network), Err(Code::Length));
            assert_eq!(check("01234", network), Err(Code::Length));
        }
    }

    #[test]
    fn only_ascii_digits_are_taken() {
        for code in ["12a", "1 2", "+12", "１２３"] {
            assert_eq!(check(code, "VISA"), Err(Code::Charset), "{code}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(code: Vec<u8>) {
            for network in Network::all() {
                let _ = check_cvv(&code, network);
            }
        }
    }
}
