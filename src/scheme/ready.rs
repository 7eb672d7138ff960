//! A scheme with its key, expanded and ready to use: tokens out of numbers and, where there is a way, back.

use super::ff1::Ff1Key;
use super::hex::{self, Alphabet, from_token};
use super::mac::MacKey;
use super::numeric::{Turn, turn, turn_many};
use super::siv::{self, SivKey};
use super::{BATCH, Kept, Scheme, Token};
use crate::card::decimal::{self, Text};
use crate::card::{self, Pan};
use crate::error::{Code, Error, Result};
use crate::simd;
use zeroize::Zeroize;

/// A scheme and its key. Large, and secret as a whole: it lives in the arena, or briefly on the stack.
pub(crate) struct Ready(Kind);

#[allow(clippy::large_enum_variant, reason = "a box would put keys on the heap")]
enum Kind {
    Ff1(Kept, Ff1Key),
    Siv(Alphabet, SivKey),
    Mac(MacKey),
}

impl Ready {
    /// Expands a working key, of 64 bytes for `siv` and of 32 for the others. `Argument` for a scheme without one,
    /// `Unsupported` for `ff1` in a build without it.
    pub(crate) fn new(scheme: Scheme, key: &[u8]) -> Result<Ready> {
        let wrong = |_| Error::from(Code::Internal);
        let siv = |alphabet| Ok(Kind::Siv(alphabet, SivKey::new(key.try_into().map_err(wrong)?)?));
        let kind = match scheme {
            Scheme::Ff1(kept) => Ok(Kind::Ff1(kept, Ff1Key::new(key.try_into().map_err(wrong)?)?)),
            Scheme::Siv => siv(Alphabet::Hex),
            Scheme::SivLetters => siv(Alphabet::Letters),
            Scheme::Mac => MacKey::new(key).map(Kind::Mac),
            _ => Err(Code::Argument.into()),
        };
        kind.map(Ready)
    }

    /// Makes a blank token that of a number; `slot` is that of the key's epoch, and `ff1` alone uses it.
    ///
    /// `ff1` refuses what the way back could not tell from a wrong guess: `Domain` for too few hidden digits; `Luhn`
    /// for a number without a valid check digit; `Network` for one of no known network or one that asks for no check
    /// digit, whose numbers a token could be taken for; `Length` for one that its network does not use.
    pub(crate) fn token(&self, slot: u8, pan: &Pan, token: &mut Token) -> Result<(), Code> {
        match &self.0 {
            Kind::Ff1(kept, key) => {
                card::refuse_without_rules(pan.digits())?;
                let mut text = Text::default();
                turn(key, *kept, Turn::IntoToken(slot), pan.digits(), &mut text)?;
                write_digits(&text, pan.len(), token);
            }
            Kind::Siv(alphabet, key) => hex::write(&key.seal(pan.rank().to_be_bytes()), *alphabet, token),
            Kind::Mac(key) => hex::write(&key.of(pan.digits())?, Alphabet::Hex, token),
        }
        Ok(())
    }

    /// [`Ready::token`] for up to [`BATCH`] numbers, the good ones together; `each` gets the outcomes in their order.
    pub(crate) fn tokens(
        &self,
        slot: u8,
        pans: &[Result<Pan, Code>],
        mut each: impl FnMut(usize, Result<Token, Code>),
    ) {
        let pans = pans.iter().map(|pan| pan.as_ref().map_err(|code| *code));
        match &self.0 {
            Kind::Ff1(kept, key) => {
                let texts = pans.map(|pan| {
                    let pan = pan?;
                    card::refuse_without_rules(pan.digits()).map(|()| pan.digits())
                });
                turn_many(key, *kept, Turn::IntoToken(slot), texts, |place, digits| {
                    each(
                        place,
                        Token::made(|token| digits.map(|(digits, len)| write_digits(digits, len, token))),
                    );
                });
            }
            Kind::Siv(alphabet, key) => {
                let (mut ranks, mut sealed) = ([[0; 8]; BATCH], [[0; siv::LEN]; BATCH]);
                for (rank, pan) in ranks.iter_mut().zip(pans.clone()) {
                    *rank = pan.map_or(0, Pan::rank).to_be_bytes();
                }
                key.seal_many(&ranks[..pans.len()], &mut sealed);
                ranks.zeroize();
                for (place, (pan, sealed)) in pans.zip(&sealed).enumerate() {
                    each(place, Token::made(|token| pan.map(|_| hex::write(sealed, *alphabet, token))));
                }
            }
            Kind::Mac(_) => {
                for (place, pan) in pans.enumerate() {
                    each(place, Token::made(|token| self.token(slot, pan?, token)));
                }
            }
        }
    }

    /// Reads the number of a token into a blank one. `Token` where it is not one of this scheme and key, as far as the
    /// scheme can tell; `Irreversible` for `mac`.
    pub(crate) fn number(&self, token: &[u8], pan: &mut Pan) -> Result<(), Code> {
        match &self.0 {
            Kind::Ff1(kept, key) => {
                let mut text = Text::default();
                let turned = turn(key, *kept, Turn::IntoNumber, token, &mut text);
                read_plausible(turned.map(|()| (&text, token.len())), pan)
            }
            Kind::Siv(alphabet, key) => {
                let sealed = from_token(token, *alphabet).ok_or(Code::Token)?;
                read_rank(key.open(&sealed), pan)
            }
            Kind::Mac(_) => Err(Code::Irreversible),
        }
    }

    /// [`Ready::number`] for up to [`BATCH`] tokens together.
    pub(crate) fn numbers(&self, tokens: &[&[u8]], out: &mut [Result<Pan, Code>]) {
        match &self.0 {
            Kind::Ff1(kept, key) => {
                let texts = tokens.iter().map(|token| Ok(*token));
                turn_many(key, *kept, Turn::IntoNumber, texts, |place, digits| {
                    Pan::make_in(&mut out[place], |pan| read_plausible(digits, pan));
                });
            }
            Kind::Siv(alphabet, key) => {
                let (mut sealed, mut ranks) = ([[0; siv::LEN]; BATCH], [None; BATCH]);
                for (sealed, token) in sealed.iter_mut().zip(tokens) {
                    // What is no token at all goes through as zeros, which no key has sealed: 2^-128.
                    *sealed = from_token(token, *alphabet).unwrap_or([0; siv::LEN]);
                }
                key.open_many(&sealed[..tokens.len()], &mut ranks);
                for (out, rank) in out.iter_mut().zip(&ranks).take(tokens.len()) {
                    Pan::make_in(out, |pan| read_rank(*rank, pan));
                }
                ranks.zeroize();
            }
            Kind::Mac(_) => out.iter_mut().for_each(|out| *out = Err(Code::Irreversible)),
        }
    }
}

#[inline]
fn write_digits(digits: &Text, len: usize, token: &mut Token) {
    token.room(len)[..digits.len()].copy_from_slice(digits);
}

/// `ff1` has no integrity: what can be noticed is that the result is no card's number. Its check digit was solved for.
#[inline]
fn read_plausible(turned: Result<(&Text, usize), Code>, pan: &mut Pan) -> Result<(), Code> {
    // A token of a length that this K+L does not serve is none of its tokens.
    let (digits, len) = turned.map_err(|_| Code::Token)?;
    card::refuse_without_rules(&digits[..len]).map_err(|_| Code::Token)?;
    pan.set_text(digits, len);
    Ok(())
}

#[inline]
fn read_rank(rank: Option<[u8; 8]>, pan: &mut Pan) -> Result<(), Code> {
    let is_number = rank.is_some_and(|rank| pan.set_rank(u64::from_be_bytes(rank)));
    if is_number { Ok(()) } else { Err(Code::Token) }
}

/// The slot that a numeric token carries. `Token` where it is none.
pub(crate) fn slot_of(token: &[u8]) -> Result<u8, Code> {
    let residue = simd::read(token, false).length().map(|_| decimal::luhn_residue(token));
    residue.filter(|slot| super::SLOTS.contains(slot)).ok_or(Code::Token)
}

#[cfg(all(test, feature = "ff1"))]
mod tests {
    use super::*;
    use crate::card::Separators;
    use crate::scheme::message::{Direction, Message};
    use crate::scheme::numeric::Digits;
    use crate::scheme::{SLOTS, classify, random};
    use proptest::prelude::*;

    /// A debug build is some fifty times slower; `cargo test --release` runs the whole million.
    const MANY: u32 = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };

    fn ready(scheme: &str, byte: u8) -> Ready {
        let scheme: Scheme = scheme.parse().unwrap();
        let len = if matches!(scheme, Scheme::Siv | Scheme::SivLetters) { 64 } else { 32 };
        Ready::new(scheme, &vec![byte; len]).unwrap()
    }

    fn token_of(ready: &Ready, slot: u8, pan: &Pan) -> Result<Token, Code> {
        Token::made(|token| ready.token(slot, pan, token))
    }

    fn number_of(ready: &Ready, token: &[u8]) -> Result<Pan, Code> {
        Pan::made(|pan| ready.number(token, pan))
    }

    fn pan(text: &str) -> Pan {
        Pan::parse(text.as_bytes(), Separators::Refused).ok().unwrap()
    }

    /// A Maestro number: that network has numbers of all lengths. The digits behind the prefix are those of `seed`.
    fn maestro(len: usize, seed: u64) -> Pan {
        let mut text = format!("675900{seed:020}0").into_bytes();
        text.drain(6..27 - (len - 6));
        let mut digits = Digits::of(&text).unwrap();
        digits.solve(len - 1, 0);
        pan(std::str::from_utf8(digits.as_bytes()).unwrap())
    }

    /// Every K+L that `ff1` takes, as its name.
    fn ff1_names() -> impl Iterator<Item = String> {
        let all = (0..=8).flat_map(|first| (0..=4).map(move |last| format!("ff1:{first}+{last}")));
        all.filter(|name| name.parse::<Scheme>().is_ok())
    }

    #[test]
    fn every_kept_and_every_length_comes_back_or_is_too_small() {
        for name in ff1_names() {
            let ready = ready(&name, 7);
            let Kind::Ff1(kept, _) = &ready.0 else { unreachable!() };
            for len in Pan::MIN_LEN..=Pan::MAX_LEN {
                for (seed, slot) in (0..18u64).map(|count| count * 987_654_321_987).zip(SLOTS.cycle()) {
                    let number = maestro(len, seed);
                    match token_of(&ready, slot, &number) {
                        Ok(token) => {
                            let text = token.as_str().as_bytes();
                            assert_eq!((slot_of(text), text.len()), (Ok(slot), len));
                            assert_eq!(text[..kept.first()], number.digits()[..kept.first()]);
                            assert_eq!(text[len - kept.last()..], number.digits()[len - kept.last()..]);
                            assert_eq!(number_of(&ready, text).ok().unwrap().digits(), number.digits());
                        }
                        Err(code) => {
                            assert_eq!(code, Code::Domain);
                            assert!(kept.first() + kept.last() + 7 > len, "{name} has room in {len} digits");
                        }
                    }
                }
            }
        }
        assert_eq!(ff1_names().count(), 9 * 5 - (4 + 3 + 2 + 1));
    }

    proptest! {
        #[test]
        fn siv_and_letters_come_back(digits in "[0-9]{11,18}[1-9]", byte: u8) {
            for name in ["siv", "siv:letters"] {
                let ready = ready(name, byte);
                let token = token_of(&ready, 0, &pan(&digits)).unwrap();
                prop_assert_eq!(token.as_str().len(), 48);
                let back = number_of(&ready, token.as_str().as_bytes()).ok().unwrap();
                prop_assert_eq!(back.digits(), digits.as_bytes());
                let other = self::ready(name, byte ^ 1);
                prop_assert_eq!(number_of(&other, token.as_str().as_bytes()).err(), Some(Code::Token));
            }
        }

        #[test]
        fn a_batch_gives_what_single_calls_give(seeds: Vec<u64>, bad in 0..BATCH) {
            for name in ["ff1:0+4", "siv", "siv:letters", "mac"] {
                let ready = ready(name, 3);
                let seeds = &seeds[..seeds.len().min(BATCH)];
                let numbers = || seeds.iter().enumerate().map(|(place, seed)| match place {
                    _ if place == bad => Err(Code::Charset),
                    _ => Ok(maestro(12 + place % 8, *seed)),
                });
                let pans: Vec<_> = numbers().collect();
                let mut tokens = Vec::new();
                ready.tokens(4, &pans, |place, token| {
                    assert_eq!(place, tokens.len());
                    tokens.push(token);
                });
                let single: Vec<_> = numbers().map(|pan| token_of(&ready, 4, &pan?)).collect();
                prop_assert_eq!(&tokens, &single);

                let texts: Vec<&[u8]> = tokens.iter().map(|token| token.as_ref().map_or(&b"?"[..], |token| token.as_str().as_bytes())).collect();
                let mut back: Vec<_> = texts.iter().map(|_| Err(Code::Internal)).collect();
                ready.numbers(&texts, &mut back);
                for (back, text) in back.iter().zip(texts) {
                    let digits = |pan: &Result<Pan, Code>| pan.as_ref().map(|pan| pan.digits().to_vec()).map_err(|code| *code);
                    prop_assert_eq!(digits(back), digits(&number_of(&ready, text)));
                }
            }
        }
    }

    #[test]
    fn no_numeric_token_of_many_is_a_card_number_and_each_tells_its_slot() {
        let ready = ready("ff1:6+3", 9);
        let surrogate = "6+4".parse().unwrap();
        let visa = |count: u32| {
            let mut digits = Digits::of(format!("424242{:06}0343", count % 1_000_000).as_bytes()).unwrap();
            digits.solve(12, 0);
            pan(std::str::from_utf8(digits.as_bytes()).unwrap())
        };
        for count in 0..MANY {
            let number = visa(count);
            let slot = (count % 9) as u8 + 1;
            let token = token_of(&ready, slot, &number).unwrap();
            let text = token.as_str().as_bytes();
            assert_eq!((text.len(), &text[..6], &text[13..]), (16, &b"424242"[..], &b"343"[..]));
            assert_eq!(slot_of(text), Ok(slot));
            let drawn =
                random::surrogate(surrogate, number.digits(), &mut crate::secret::Random::new()).unwrap();
            let text = drawn.as_str().as_bytes();
            assert_eq!((text.len(), &text[..6], &text[12..]), (16, &b"424242"[..], &number.digits()[12..]));
            assert!(slot_of(text).is_ok() && !classify(text).pan, "{drawn}");
        }
    }

    #[test]
    fn with_kept_digits_fixed_no_two_of_a_million_numbers_have_one_token() {
        let Kind::Ff1(_, key) = ready("ff1:6+3", 5).0 else { unreachable!() };
        let mut seen = vec![false; 1_000_000];
        for start in (0..1_000_000).step_by(BATCH) {
            let mut messages = [Message { tweak: [8; 12], ..Message::IDLE }; BATCH];
            for (message, value) in messages.iter_mut().zip(start..) {
                message.value = value;
            }
            key.run_many(Direction::Encrypt, &mut messages);
            for message in messages {
                assert!(!std::mem::replace(&mut seen[message.value as usize], true));
            }
        }
    }

    #[test]
    fn ff1_refuses_what_it_could_not_tell_from_a_wrong_guess() {
        let ready = ready("ff1:0+4", 1);
        for (number, code) in [
            ("4242424242424241", Code::Luhn),
            ("6212345678900000003", Code::Network),
            ("0000000000000000018", Code::Network),
            ("424242424242424", Code::Length),
        ] {
            assert_eq!(token_of(&ready, 1, &pan(number)), Err(code), "{number}");
        }
        let small = token_of(&self::ready("ff1:8+4", 1), 1, &pan("4242424242424242"));
        assert_eq!(small, Err(Code::Domain));
    }

    #[test]
    fn what_is_no_token_is_one_answer_whatever_is_wrong_with_it() {
        for name in ["ff1:0+4", "siv", "siv:letters"] {
            let ready = ready(name, 1);
            for text in [
                "",
                "1",
                "4242",
                "42424242424242424242",
                "4242 4242 4242 4245",
                "x",
                &"g".repeat(48),
                &"Q".repeat(48),
            ] {
                assert_eq!(number_of(&ready, text.as_bytes()).err(), Some(Code::Token), "{name} {text}");
            }
        }
        for text in ["", "4242424242424242", "42424242424", "424242424242424x", &"0".repeat(20)] {
            assert_eq!(slot_of(text.as_bytes()), Err(Code::Token), "{text}");
        }
        let too_long_for_it = number_of(&self::ready("ff1:8+4", 1), b"4242424242424245").err();
        assert_eq!(too_long_for_it, Some(Code::Token), "not Domain: it is no token of this scheme");
        let shown = number_of(&self::ready("mac", 1), &b"0".repeat(64)).err();
        assert_eq!(shown, Some(Code::Irreversible));
    }
}
