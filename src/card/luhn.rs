//! The Luhn check digit of ISO/IEC 7812-1, Annex B.

/// Whether the last digit is the check digit of those before it.
///
/// `digits` is ASCII. Anything but digits, or nothing at all, fails.
pub fn luhn_ok(digits: &[u8]) -> bool {
    residue(digits) == Some(0)
}

/// The Luhn sum of the digits modulo 10: from the right, every second digit is doubled and, if it then
/// exceeds 9, lessened by 9. A number with a right check digit has residue 0.
///
/// `digits` is ASCII. `None` if it is empty or holds anything but digits.
pub fn residue(digits: &[u8]) -> Option<u8> {
    const DOUBLED: [u8; 10] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];

    if digits.is_empty() {
        return None;
    }
    let mut sum = 0u64;
    for pair in digits.rchunks(2) {
        let (left, right) = match *pair {
            [left, right] => (left, right),
            [right] => (b'0', right),
            _ => return None,
        };
        let doubled = DOUBLED.get(usize::from(left.wrapping_sub(b'0')))?;
        let plain = Some(right.wrapping_sub(b'0')).filter(|digit| *digit <= 9)?;
        sum += u64::from(doubled + plain);
    }
    Some((sum % 10) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn well_known_numbers_pass_and_a_wrong_check_digit_fails() {
        assert!(luhn_ok(b"4242424242424242"));
        assert!(luhn_ok(b"378282246310005"));
        assert!(luhn_ok(b"79927398713"));
        assert!(!luhn_ok(b"79927398710"));
    }

    #[test]
    fn what_is_no_number_has_no_residue() {
        assert_eq!(residue(b""), None);
        assert_eq!(residue(b"4242 4242"), None);
        assert_eq!(residue(b"/8"), None);
        assert_eq!(residue(b":0"), None);
        assert_eq!(residue("٤٢".as_bytes()), None);
    }

    #[test]
    fn the_residue_is_what_the_check_digit_lacks() {
        assert_eq!(residue(b"79927398713"), Some(0));
        assert_eq!(residue(b"79927398714"), Some(1));
        assert_eq!(residue(b"79927398712"), Some(9));
    }

    proptest! {
        #[test]
        fn exactly_one_check_digit_is_right(stem in "[0-9]{1,18}") {
            let right = (b'0'..=b'9').filter(|digit| luhn_ok(&[stem.as_bytes(), &[*digit]].concat()));
            prop_assert_eq!(right.count(), 1);
        }

        #[test]
        fn changing_one_digit_breaks_the_check(stem in "[0-9]{11,18}", place in 0..19usize, step in 1..10u8) {
            let mut digits = stem.into_bytes();
            digits.push(b'0');
            let lacks = (10 - residue(&digits).unwrap()) % 10;
            *digits.last_mut().unwrap() += lacks;
            prop_assert!(luhn_ok(&digits));

            let place = place % digits.len();
            digits[place] = b'0' + (digits[place] - b'0' + step) % 10;
            prop_assert!(!luhn_ok(&digits));
        }

        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let all_digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
            prop_assert_eq!(residue(&bytes).is_some(), all_digits);
        }
    }
}
