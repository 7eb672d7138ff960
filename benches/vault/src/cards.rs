//! Card numbers that are all different, and good.

use panseal::card::{Card, CardInput, check, residue};

/// After this many, numbers repeat.
const PERIOD: u64 = 100_000_000_000_000;

/// Numbers on end, scattered over all that begin with a 4.
#[derive(Default)]
pub struct Numbers {
    next: u64,
}

impl Numbers {
    /// So many numbers that were not given before.
    pub fn take(&mut self, count: usize) -> Vec<Vec<u8>> {
        let first = self.next;
        self.next += count as u64;
        (first..self.next).map(number).collect()
    }
}

/// The number of a place in the row: always the same.
pub fn number(place: u64) -> Vec<u8> {
    // Odd, and no multiple of five: no number of the period comes twice.
    let scattered = (u128::from(place) * 61_803_398_874_989 % u128::from(PERIOD)) as u64;
    let digits = (b'0'..=b'9').map(|check| [format!("4{scattered:014}").into_bytes(), vec![check]].concat());
    digits.into_iter().find(|digits| residue(digits) == Some(0)).expect("a check digit")
}

/// The cards of numbers, with a name and an expiry.
pub fn checked(numbers: &[Vec<u8>]) -> Vec<Card<'_>> {
    let now = panseal::vault::now();
    let card = |number| {
        let expiry = Some((12, 2031));
        check(&CardInput { expiry, name: Some(b"ADA BYRON"), ..CardInput::new(number, now) })
    };
    numbers.iter().map(|number| card(number).ok().expect("a good card")).collect()
}
