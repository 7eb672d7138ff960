//! What the table knows with less certainty: guesses that can be turned off, and hints that decide nothing.

use super::detect::Detection;
use super::facts::HINTS;
use super::network::Network;

impl Detection {
    /// The same, but a guess counts for nothing: where the range is a mere [rest](Detection::fallback), the
    /// network is [`Network::UNKNOWN`] and its rules hold. Co-badges stay, for their ranges are listed.
    pub fn strict(self) -> Detection {
        match self.fallback {
            true => Detection { cobadges: self.cobadges, ..Detection::unknown() },
            false => self,
        }
    }
}

/// A product that the number may well be, though too many others begin likewise for [`detect`] to tell it.
///
/// `digits` is ASCII. `None` for most numbers, and for fewer than eight digits.
///
/// [`detect`]: super::detect()
pub fn hint(digits: &[u8]) -> Option<Network> {
    let prefix = value(digits.get(..8)?)?;
    HINTS.iter().find(|hint| (hint.first..=hint.last).contains(&prefix)).map(|hint| hint.network)
}

/// The country whose standards body gave out the number: its numeric code of ISO 3166-1.
///
/// Numbers that begin with 9 are given out nationally, and their next three digits are the country
/// (ISO/IEC 7812-1): 9792 is Turkey, 792. `None` for other numbers, and for fewer than four digits. The code
/// need not be one that is in use: 9891 is Yugoslavia, which is no more.
pub fn national_issuer(digits: &[u8]) -> Option<u16> {
    match digits {
        [b'9', country @ ..] => value(country.get(..3)?).and_then(|code| u16::try_from(code).ok()),
        _ => None,
    }
}

/// The value of at most nine ASCII digits.
fn value(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        Some(value * 10 + digit)
    })
}

#[cfg(test)]
mod tests {
    use super::super::detect::detect;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_guess_counts_for_nothing_when_strict() {
        let guess = detect(b"6100000000000000");
        assert_eq!((guess.network.name(), guess.fallback), ("MAESTRO", true));
        assert_eq!(guess.strict(), Detection::unknown());
        let finding = detect(b"6759000000000000");
        assert_eq!(finding.strict(), finding);
    }

    #[test]
    fn a_hint_leaves_the_network_as_it_is() {
        assert_eq!(hint(b"4820000000000000").map(Network::name), Some("VISA_VPAY"));
        assert_eq!((detect(b"4820000000000000").network.name(), hint(b"4830000000000000")), ("VISA", None));
        assert_eq!((hint(b"4820000"), hint(b"482 0000")), (None, None));
    }

    #[test]
    fn a_number_given_out_nationally_names_its_country() {
        assert_eq!(national_issuer(b"9792"), Some(792));
        assert_eq!(national_issuer(b"9704000000000018"), Some(704));
        assert_eq!(
            (national_issuer(b"979"), national_issuer(b"4792"), national_issuer(b"97a2")),
            (None, None, None)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            detect(&bytes).strict();
            hint(&bytes);
            national_issuer(&bytes);
        }
    }
}
