//! Whole cards: each field has one violation at most, and a good card keeps what came in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use panseal::card::{CardInput, Rules, Separators, check};
use panseal::error::Param;
use panseal_fuzz::{given, pieces};

fuzz_target!(|input: &[u8]| {
    let Some((head, rest)) = input.split_first_chunk::<16>() else { return };
    let [flags, month, year_low, year_high, horizon, name_max, _, _, now @ ..] = *head;
    let [number, cvv, name, postal_code] = pieces::<4>(rest);
    let card = CardInput {
        number,
        expiry: (flags & 1 != 0)
            .then(|| (i32::from(month as i8), i32::from(i16::from_le_bytes([year_low, year_high])))),
        cvv: given(cvv),
        name: given(name),
        postal_code: given(postal_code),
        now: i64::from_le_bytes(now),
        rules: Rules {
            separators: if flags & 2 != 0 { Separators::Refused } else { Separators::Dropped },
            need_expiry: flags & 4 != 0,
            need_cvv: flags & 8 != 0,
            known_network: flags & 16 != 0,
            strict_networks: flags & 64 != 0,
            horizon_years: (flags & 32 != 0).then_some(u16::from(horizon)),
            name_max: usize::from(name_max),
            ..Rules::default()
        },
    };
    match check(&card) {
        Ok(good) => {
            assert!(good.detection().lengths.contains(good.number().len()));
            assert_eq!(good.name().map(str::as_bytes), card.name);
            assert!(good.expiry().is_none_or(|expiry| !expiry.is_expired(card.now)));
            assert!(good.expiry().is_some() || !card.rules.need_expiry);
        }
        Err(violations) => {
            let fields: Vec<i32> = violations.iter().map(|violation| violation.param.number()).collect();
            assert!(!fields.is_empty() && fields.is_sorted_by(|a, b| a < b));
            for violation in violations.iter() {
                assert!((101..=109).contains(&violation.code.number()));
                assert_ne!(violation.param, Param::Metadata);
            }
        }
    }
});
