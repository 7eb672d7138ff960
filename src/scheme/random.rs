//! The tokens that do not depend on the card: `random`, `random:uuid`, `surrogate:K+L`.

use super::numeric::Digits;
use super::{Kept, Token};
use crate::error::{Code, Result};
use crate::secret::Random;

const LEN: usize = 24;

/// From this many decimal digits on, a run inside a token could be taken for a card number by a scanner.
const CARD_LIKE_RUN: usize = 12;

/// 24 random bytes in hex. Draws until there is no run of digits that looks like a card number: about one draw in
/// twenty has one.
pub(super) fn hex(random: &mut Random) -> Result<Token> {
    loop {
        let mut text = [0; 2 * LEN];
        base16ct::lower::encode(&random.take::<LEN>()?, &mut text).map_err(|_| Code::Internal)?;
        if longest_run_of_digits(&text) < CARD_LIKE_RUN {
            return Token::parse(&text);
        }
    }
}

/// A UUID of version 4 (RFC 9562), drawn likewise; scanners pass over hyphens, so runs go on behind them.
pub(super) fn uuid(random: &mut Random) -> Result<Token> {
    loop {
        let mut bytes = random.take::<16>()?;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut digits = [0; 32];
        base16ct::lower::encode(&bytes, &mut digits).map_err(|_| Code::Internal)?;
        if longest_run_of_digits(&digits) >= CARD_LIKE_RUN {
            continue;
        }
        let mut text = [b'-'; 36];
        let places = (0..36).filter(|place| ![8, 13, 18, 23].contains(place));
        for (place, digit) in places.zip(digits) {
            text[place] = digit;
        }
        return Token::parse(&text);
    }
}

/// Random digits in the hidden places of a number, and a random Luhn residue of 1 to 9: no card number of a network
/// with a check digit. Whoever stores it sees to it that it is not issued twice.
///
/// `like` are the digits of the number, or of a surrogate of it: only those that are kept make a difference.
pub(super) fn surrogate(kept: Kept, like: &[u8], random: &mut Random) -> Result<Token> {
    let hidden = kept.hidden_by_surrogate(like.len())?;
    let mut digits = Digits::of(like).ok_or(Code::Internal)?;
    let last = hidden.end - 1;
    for place in hidden {
        digits.set(place, below(10, random)?);
    }
    digits.solve(last, 1 + below(9, random)?);
    Token::parse(digits.as_bytes())
}

/// Every surrogate of a number, from a random one on and round to it again. The last hidden digit is the one that makes
/// the residue: all others count up.
pub(super) fn all_surrogates(kept: Kept, like: &[u8]) -> Result<impl Iterator<Item = Token>> {
    let hidden = kept.hidden_by_surrogate(like.len())?;
    let digits = Digits::of(like).ok_or(Code::Internal)?;
    let last = hidden.end - 1;
    let end = 10u64.pow((last - hidden.start) as u32) * 9;
    let start = u64::from_be_bytes(Random::new().take()?) % end;
    Ok((start..end).chain(0..start).filter_map(move |count| {
        let mut token = Digits::of(digits.as_bytes())?;
        let mut value = count / 9;
        for place in (hidden.start..last).rev() {
            token.set(place, (value % 10) as u8);
            value /= 10;
        }
        token.solve(last, 1 + (count % 9) as u8);
        Token::parse(token.as_bytes()).ok()
    }))
}

/// A random number below `end`, each as likely as the other.
fn below(end: u8, random: &mut Random) -> Result<u8> {
    let fair = u8::MAX - u8::MAX % end;
    loop {
        let [byte] = random.take()?;
        if byte < fair {
            return Ok(byte % end);
        }
    }
}

fn longest_run_of_digits(text: &[u8]) -> usize {
    text.split(|byte| !byte.is_ascii_digit()).map(<[u8]>::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::residue;
    use crate::scheme::classify;
    use std::collections::HashSet;

    #[test]
    fn tokens_are_48_hex_digits_never_alike_and_never_card_like() {
        let mut seen = HashSet::new();
        let mut random = Random::new();
        for _ in 0..20_000 {
            let token = hex(&mut random).unwrap();
            assert!(classify(token.as_str().as_bytes()).hex_token);
            assert!(longest_run_of_digits(token.as_str().as_bytes()) < CARD_LIKE_RUN);
            assert!(seen.insert(token));
        }
    }

    #[test]
    fn uuids_are_version_4_never_alike_and_never_card_like() {
        let mut seen = HashSet::new();
        let mut random = Random::new();
        for _ in 0..20_000 {
            let token = uuid(&mut random).unwrap();
            assert!(classify(token.as_str().as_bytes()).uuid, "{token}");
            assert!(longest_run_of_digits(token.as_str().replace('-', "").as_bytes()) < CARD_LIKE_RUN);
            assert!(seen.insert(token));
        }
    }

    #[test]
    fn a_surrogate_keeps_what_it_should_and_is_no_card_number() {
        let card = b"4242424242424242";
        let mut residues = HashSet::new();
        for _ in 0..2_000 {
            let token = surrogate("6+4".parse().unwrap(), card, &mut Random::new()).unwrap();
            let text = token.as_str();
            assert_eq!((text.len(), &text[..6], &text[12..]), (16, "424242", "4242"));
            residues.insert(residue(text.as_bytes()).unwrap());
        }
        assert_eq!(residues, (1..=9).collect());
    }

    #[test]
    fn a_surrogate_keeps_no_more_than_the_length_allows() {
        let refused = |kept: &str, digits: &str| {
            surrogate(kept.parse().unwrap(), digits.as_bytes(), &mut Random::new()).err()
        };
        assert!(refused("8+4", "4242424242424242").is_none());
        assert_eq!(refused("7+4", "378282246310005").unwrap().code(), Code::Domain);
        assert!(refused("6+4", "378282246310005").is_none());
        assert_eq!(refused("6+4", "4222222222222").unwrap().code(), Code::Domain);
        assert!(refused("0+4", "4222222222222").is_none());
    }

    #[test]
    fn all_surrogates_are_there_once_each() {
        let card = b"4242424242424242";
        let kept: Kept = "8+4".parse().unwrap();
        let all: Vec<Token> = all_surrogates(kept, card).unwrap().collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 9_000);
        let one = surrogate(kept, card, &mut Random::new()).unwrap();
        assert!(all.contains(&one));
        let like_it: HashSet<Token> = all_surrogates(kept, one.as_str().as_bytes()).unwrap().collect();
        assert!(all.iter().all(|token| like_it.contains(token)) && like_it.len() == 9_000);
        let fits = |token: &Token| crate::scheme::Scheme::Surrogate(kept).fits(token, card);
        assert!(all.iter().all(fits) && all.len() == 9_000);
    }

    #[test]
    fn a_run_is_measured_where_it_stands() {
        assert_eq!(longest_run_of_digits(b"a123456789012b1"), 12);
        assert_eq!(longest_run_of_digits(b"1234"), 4);
        assert_eq!(longest_run_of_digits(b"abc"), 0);
    }
}
