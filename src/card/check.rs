//! A whole card, judged in one pass.

use super::cvv::check_cvv;
use super::detect::{Detection, claim_of, in_force};
use super::expiry::Expiry;
use super::name::check_name;
use super::network::Network;
use super::number::judge;
use super::pan::{Pan, Separators};
use super::postal_code::check_postal_code;
use crate::error::{Code, Param, Violations};

/// The data of a card as it came in, all of it borrowed, and how to judge it.
///
/// An empty text is an absent one.
pub struct CardInput<'a> {
    /// The card number, in ASCII.
    pub number: &'a [u8],
    /// Month and year of the expiry, as [`Expiry::new`] takes them.
    pub expiry: Option<(i32, i32)>,
    /// The security code, in ASCII.
    pub cvv: Option<&'a [u8]>,
    /// The cardholder's name, in UTF-8.
    pub name: Option<&'a [u8]>,
    /// The postal code, in ASCII.
    pub postal_code: Option<&'a [u8]>,
    /// The time of judging, in seconds since 1970 UTC.
    pub now: i64,
    /// How to judge.
    pub rules: Rules,
}

impl<'a> CardInput<'a> {
    /// A number alone, judged at `now` by the default rules.
    pub fn new(number: &'a [u8], now: i64) -> CardInput<'a> {
        CardInput {
            number,
            expiry: None,
            cvv: None,
            name: None,
            postal_code: None,
            now,
            rules: Rules::default(),
        }
    }
}

/// How strictly a card is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What becomes of spaces and hyphens in the number. Default: dropped.
    pub separators: Separators,
    /// Whether a card without an expiry is refused. Default: no.
    pub need_expiry: bool,
    /// Whether a card without a security code is refused. Default: no.
    pub need_cvv: bool,
    /// Whether a number of no known network is refused. Default: no.
    pub known_network: bool,
    /// Whether a [guess](super::Detection::strict) at the network counts for nothing. Default: no.
    pub strict_networks: bool,
    /// How many months a card is taken after its expiry. Default: none.
    pub grace_months: u8,
    /// How many calendar years ahead an expiry may lie; `None` for any. Default: 20.
    pub horizon_years: Option<u16>,
    /// The most characters of a name. Default: 26, the room on a card (ISO/IEC 7813).
    pub name_max: usize,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            separators: Separators::Dropped,
            need_expiry: false,
            need_cvv: false,
            known_network: false,
            strict_networks: false,
            grace_months: 0,
            horizon_years: Some(20),
            name_max: 26,
        }
    }
}

/// A card with nothing wrong with it. Security code and postal code are not in it: judged, not kept.
pub struct Card<'a> {
    number: Pan,
    detection: Detection,
    expiry: Option<Expiry>,
    name: Option<&'a str>,
}

/// Judges a card: gives the card, or all that is wrong with it.
///
/// # Errors
///
/// At most one violation a field, in the order of [`Param`]:
///
/// | field | codes |
/// |---|---|
/// | number | those of [`Pan::parse`], [`Code::Length`] and [`Code::Luhn`] by its network, [`Code::Network`] |
/// | expiry | [`Code::Missing`], [`Code::Malformed`], [`Code::Expired`], [`Code::TooFar`] |
/// | cvv | [`Code::Missing`], those of [`check_cvv`] |
/// | name | those of [`check_name`] |
/// | postal_code | those of [`check_postal_code`] |
///
/// The security code is judged by the network of the number, or by [`Network::UNKNOWN`] if that is refused.
pub fn check<'a>(input: &CardInput<'a>) -> Result<Card<'a>, Violations> {
    // The card is filled in at the place where the caller gets it: moving it would leave digits on the stack.
    let mut outcome = Ok(Card::blank());
    if let Ok(card) = &mut outcome {
        let violations = card.read(input);
        if !violations.is_empty() {
            outcome = Err(violations);
        }
    }
    outcome
}

impl<'a> Card<'a> {
    /// The card number.
    pub fn number(&self) -> &Pan {
        &self.number
    }

    /// The network whose rules the number keeps, or [`Network::UNKNOWN`].
    pub fn network(&self) -> Network {
        self.detection.network
    }

    /// The product on that network, where the number tells it.
    pub fn product(&self) -> Option<Network> {
        self.detection.product
    }

    /// All that the number tells about its network.
    pub fn detection(&self) -> &Detection {
        &self.detection
    }

    /// The expiry, if one was given.
    pub fn expiry(&self) -> Option<Expiry> {
        self.expiry
    }

    /// The cardholder's name, if one was given.
    pub fn name(&self) -> Option<&'a str> {
        self.name
    }

    fn blank() -> Card<'a> {
        Card { number: Pan::blank(), detection: Detection::unknown(), expiry: None, name: None }
    }

    fn read(&mut self, input: &CardInput<'a>) -> Violations {
        let mut violations = Violations::default();
        let mut note = |param, judged: Result<(), Code>| {
            if let Err(code) = judged {
                violations.add(param, code);
            }
        };
        let number = self.read_number(input.number, &input.rules);
        let network = if number.is_ok() { self.network() } else { Network::UNKNOWN };
        note(Param::Number, number);
        note(Param::Expiry, self.read_expiry(input));
        note(Param::Cvv, judge_cvv(input, network));
        note(Param::Name, self.read_name(input));
        note(Param::PostalCode, present(input.postal_code).map_or(Ok(()), check_postal_code));
        violations
    }

    fn read_number(&mut self, text: &[u8], rules: &Rules) -> Result<(), Code> {
        let reading = self.number.read(text, rules.separators)?;
        judge(reading).outcome()?;
        let found = in_force(claim_of(reading), self.number.len());
        self.detection = if rules.strict_networks { found.strict() } else { found };
        if rules.known_network && self.network() == Network::UNKNOWN {
            return Err(Code::Network);
        }
        Ok(())
    }

    fn read_expiry(&mut self, input: &CardInput<'a>) -> Result<(), Code> {
        let Some((month, year)) = input.expiry else { return absent(input.rules.need_expiry) };
        let expiry = Expiry::new(month, year)?;
        if expiry.is_expired_with_grace(input.now, input.rules.grace_months) {
            return Err(Code::Expired);
        }
        if input.rules.horizon_years.is_some_and(|years| expiry.is_too_far(input.now, years)) {
            return Err(Code::TooFar);
        }
        self.expiry = Some(expiry);
        Ok(())
    }

    fn read_name(&mut self, input: &CardInput<'a>) -> Result<(), Code> {
        self.name = present(input.name).map(|text| check_name(text, input.rules.name_max)).transpose()?;
        Ok(())
    }
}

fn judge_cvv(input: &CardInput<'_>, network: Network) -> Result<(), Code> {
    match present(input.cvv) {
        Some(code) => check_cvv(code, network),
        None => absent(input.rules.need_cvv),
    }
}

fn present(text: Option<&[u8]>) -> Option<&[u8]> {
    text.filter(|text| !text.is_empty())
}

fn absent(needed: bool) -> Result<(), Code> {
    if needed { Err(Code::Missing) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::detect::detect;
    use super::*;
    use proptest::prelude::*;

    /// 20 November 2026.
    const NOW: i64 = 1_795_132_800;

    fn good() -> CardInput<'static> {
        CardInput {
            number: b"4242 4242 4242 4242",
            expiry: Some((12, 30)),
            cvv: Some(b"123"),
            name: Some(b"ADA BYRON"),
            postal_code: Some(b"94107-0001"),
            now: NOW,
            rules: Rules::default(),
        }
    }

    fn number(number: &[u8]) -> CardInput<'_> {
        CardInput::new(number, NOW)
    }

    fn violations(input: &CardInput<'_>) -> Vec<(Param, Code)> {
        let found = check(input).err().unwrap_or_default();
        found.iter().map(|violation| (violation.param, violation.code)).collect()
    }

    #[test]
    fn a_good_card_keeps_number_network_expiry_and_name() {
        let card = check(&good()).unwrap();
        assert_eq!(card.number().digits(), b"4242424242424242");
        assert_eq!((card.network().name(), card.product()), ("VISA", None));
        assert_eq!(card.detection(), &detect(b"4242424242424242"));
        assert_eq!(card.expiry(), Expiry::new(12, 2030).ok());
        assert_eq!(card.name(), Some("ADA BYRON"));
    }

    #[test]
    fn all_that_is_wrong_is_told_once_a_field_and_in_their_order() {
        let input = CardInput {
            number: b"4242424242424241",
            expiry: Some((10, 26)),
            cvv: Some(b"12"),
            name: Some(b"4242 4242 4242 4242"),
            postal_code: Some(b"SW1A"),
            ..good()
        };
        let expected = [
            (Param::Number, Code::Luhn),
            (Param::Expiry, Code::Expired),
            (Param::Cvv, Code::Length),
            (Param::Name, Code::Malformed),
            (Param::PostalCode, Code::Malformed),
        ];
        assert_eq!(violations(&input), expected);
    }

    #[test]
    fn an_empty_text_is_an_absent_one() {
        let empty = Some(&b""[..]);
        let input = CardInput { cvv: empty, name: empty, postal_code: empty, ..good() };
        assert_eq!(check(&input).unwrap().name(), None);
        let rules = Rules { need_cvv: true, need_expiry: true, ..Rules::default() };
        let input = CardInput { number: b"", expiry: None, rules, ..input };
        let missing = [Param::Number, Param::Expiry, Param::Cvv].map(|param| (param, Code::Missing));
        assert_eq!(violations(&input), missing);
    }

    #[test]
    fn a_number_keeps_the_lengths_of_its_network() {
        assert_eq!(violations(&number(b"42424242424242")), [(Param::Number, Code::Length)]);
        assert_eq!(violations(&number(b"4222222222222")), []);
    }

    #[test]
    fn the_luhn_check_binds_only_where_the_network_requires_it() {
        assert_eq!(violations(&number(b"6222988812340000")), [], "UnionPay");
        assert_eq!(violations(&number(b"5895627087232438")), [], "Naranja");
        assert_eq!(violations(&number(b"9999999999999999")), [(Param::Number, Code::Luhn)], "unknown");
    }

    #[test]
    fn an_unknown_network_is_refused_only_on_request() {
        let unknown = number(b"9999999999999995");
        assert_eq!(check(&unknown).unwrap().network(), Network::UNKNOWN);
        let rules = Rules { known_network: true, ..Rules::default() };
        assert_eq!(violations(&CardInput { rules, ..unknown }), [(Param::Number, Code::Network)]);
    }

    #[test]
    fn a_wrong_number_does_not_accuse_the_security_code() {
        let amex = CardInput { number: b"378282246310005", cvv: Some(b"1234"), ..good() };
        assert_eq!(violations(&amex), []);
        let visa = CardInput { cvv: Some(b"1234"), ..good() };
        assert_eq!(violations(&visa), [(Param::Cvv, Code::Length)]);
        let mistyped = CardInput { number: b"4242424242424241", ..visa };
        assert_eq!(violations(&mistyped), [(Param::Number, Code::Luhn)]);
    }

    #[test]
    fn the_horizon_can_be_moved_and_lifted() {
        let far = CardInput { expiry: Some((1, 2047)), ..good() };
        assert_eq!(violations(&far), [(Param::Expiry, Code::TooFar)]);
        let lifted = Rules { horizon_years: None, ..Rules::default() };
        assert_eq!(violations(&CardInput { rules: lifted, ..far }), []);
    }

    #[test]
    fn the_length_of_a_name_can_be_chosen() {
        let long = CardInput { name: Some(b"AUGUSTA ADA KING, COUNTESS OF LOVELACE"), ..good() };
        assert_eq!(violations(&long), [(Param::Name, Code::TooLong)]);
        let rules = Rules { name_max: 255, ..Rules::default() };
        assert_eq!(violations(&CardInput { rules, ..long }), []);
    }

    #[test]
    fn a_guess_at_the_network_can_be_turned_off() {
        let guessed = b"6100000000000006";
        assert_eq!(check(&number(guessed)).ok().unwrap().network().name(), "MAESTRO");
        let rules = Rules { strict_networks: true, ..Rules::default() };
        let strict = CardInput { rules, ..number(guessed) };
        assert_eq!(check(&strict).ok().unwrap().network(), Network::UNKNOWN);
        let known = CardInput { rules: Rules { known_network: true, ..rules }, ..number(guessed) };
        assert_eq!(violations(&known), [(Param::Number, Code::Network)]);
    }

    #[test]
    fn an_expired_card_has_its_months_of_grace() {
        let rules = Rules { grace_months: 2, ..Rules::default() };
        let expired = |month| CardInput { expiry: Some((month, 2026)), rules, ..good() };
        assert!(check(&expired(9)).is_ok());
        assert_eq!(violations(&expired(8)), [(Param::Expiry, Code::Expired)]);
    }

    #[test]
    fn a_range_may_have_a_luhn_rule_of_its_own() {
        assert!(check(&number(b"5010800000000001")).is_ok(), "a Maestro range without a check digit");
        assert_eq!(violations(&number(b"5010830000000001")), [(Param::Number, Code::Luhn)]);
    }

    proptest! {
        #[test]
        fn any_input_is_taken(
            texts: [Vec<u8>; 4],
            digits in "[0-9 -]{0,24}",
            expiry: Option<(i32, i32)>,
            now: i64,
            years: Option<u16>,
        ) {
            let [first, cvv, name, postal_code] = &texts;
            for number in [first, digits.as_bytes()] {
                let input = CardInput {
                    number,
                    expiry,
                    cvv: Some(cvv),
                    name: Some(name),
                    postal_code: Some(postal_code),
                    now,
                    rules: Rules { horizon_years: years, ..Rules::default() },
                };
                let found = check(&input).err().unwrap_or_default();
                let fields: Vec<_> = found.iter().map(|violation| violation.param.number()).collect();
                prop_assert!(fields.is_sorted_by(|a, b| a < b));
            }
        }
    }
}
