//! The month in which a card runs out.

use crate::error::Code;

/// The month printed on a card, through whose last day the card is valid. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry {
    // Before the month, so that the derived order is that of time.
    year: u16,
    month: u8,
}

impl Expiry {
    /// An expiry of a month, 1 to 12, and a year, 2000 to 2099 or its last two digits, 0 to 99.
    ///
    /// # Errors
    ///
    /// [`Code::Malformed`] if either is out of range.
    pub fn new(month: i32, year: i32) -> Result<Expiry, Code> {
        let year = match year {
            0..=99 => 2000 + year as u16,
            2000..=2099 => year as u16,
            _ => return Err(Code::Malformed),
        };
        match month {
            1..=12 => Ok(Expiry { year, month: month as u8 }),
            _ => Err(Code::Malformed),
        }
    }

    /// Reads `MM/YY` or `MM/YYYY`. The month may have one digit, and spaces may stand round the slash.
    ///
    /// # Errors
    ///
    /// [`Code::Malformed`] if the text has another form, or names no month of [`Expiry::new`].
    pub fn parse(text: &[u8]) -> Result<Expiry, Code> {
        let slash = text.iter().position(|byte| *byte == b'/').ok_or(Code::Malformed)?;
        let (month, rest) = text.split_at(slash);
        let month = without_spaces(month, Side::End);
        let year = without_spaces(rest.get(1..).unwrap_or_default(), Side::Start);
        match (month.len(), year.len()) {
            (1 | 2, 2 | 4) => Expiry::new(number(month)?, number(year)?),
            _ => Err(Code::Malformed),
        }
    }

    /// The month, 1 to 12.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The year, 2000 to 2099.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// Whether the card has run out at `now`, in seconds since 1970 UTC.
    ///
    /// It has from the first of the next month 12:00 UTC on: only then is the month over in every zone.
    pub fn is_expired(self, now: i64) -> bool {
        let (year, month) = match self.month {
            12 => (i64::from(self.year) + 1, 1),
            month => (i64::from(self.year), i64::from(month) + 1),
        };
        now >= start_of_month(year, month) + 12 * 3600
    }

    /// Whether the expiry lies more than `horizon_years` calendar years after the year of `now`, in seconds
    /// since 1970 UTC.
    pub fn is_too_far(self, now: i64, horizon_years: u16) -> bool {
        now < start_of_month(i64::from(self.year) - i64::from(horizon_years), 1)
    }
}

enum Side {
    Start,
    End,
}

fn without_spaces(mut text: &[u8], side: Side) -> &[u8] {
    loop {
        text = match (&side, text) {
            (Side::Start, [b' ', rest @ ..]) | (Side::End, [rest @ .., b' ']) => rest,
            _ => return text,
        };
    }
}

/// The value of at most four ASCII digits.
fn number(digits: &[u8]) -> Result<i32, Code> {
    digits.iter().try_fold(0, |value, byte| match byte {
        b'0'..=b'9' => Ok(value * 10 + i32::from(byte - b'0')),
        _ => Err(Code::Malformed),
    })
}

/// The second at which a month of the Gregorian calendar begins, since 1970 UTC.
///
/// Years are counted from March on, so that the leap day is the last day of its year, and in eras of 400
/// years, which all have 146,097 days. 719,468 days lie between the first of March of year 0 and 1970.
fn start_of_month(year: i64, month: i64) -> i64 {
    let march_year = if month < 3 { year - 1 } else { year };
    let (era, year_of_era) = (march_year.div_euclid(400), march_year.rem_euclid(400));
    let months_since_march = (month + 9) % 12;
    let day_of_year = (153 * months_since_march + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) * 86_400
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expiry(text: &str) -> Expiry {
        Expiry::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_year_has_two_or_four_digits_and_is_of_this_century() {
        assert_eq!(Expiry::new(12, 30), Expiry::new(12, 2030));
        assert_eq!(Expiry::new(1, 0).unwrap().year(), 2000);
        for (month, year) in
            [(0, 30), (13, 30), (-1, 30), (1, -1), (1, 100), (1, 1999), (1, 2100), (i32::MIN, i32::MAX)]
        {
            assert_eq!(Expiry::new(month, year), Err(Code::Malformed), "{month}/{year}");
        }
    }

    #[test]
    fn the_usual_spellings_are_read() {
        for text in ["03/29", "3/29", "03/2029", "3/2029", "03 / 29", "3  /2029"] {
            assert_eq!((expiry(text).month(), expiry(text).year()), (3, 2029), "{text}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "", "/", "0329", "03-29", "003/29", "03/9", "03/029", "03/20029", "13/29", "00/29", " 03/29",
            "03/29 ", "0 3/29", "03//29", "+3/29", "03/29/",
        ] {
            assert_eq!(Expiry::parse(text.as_bytes()), Err(Code::Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_card_runs_out_when_the_last_time_zone_has_left_its_month() {
        let noon_of_march_1_2028 = 1_835_524_800;
        assert!(!expiry("02/28").is_expired(noon_of_march_1_2028 - 1));
        assert!(expiry("02/28").is_expired(noon_of_march_1_2028));
        let noon_of_january_1_2100 = 4_102_488_000;
        assert!(!expiry("12/99").is_expired(noon_of_january_1_2100 - 1));
        assert!(expiry("12/99").is_expired(noon_of_january_1_2100));
    }

    #[test]
    fn the_horizon_counts_calendar_years() {
        let new_year_2027 = 1_798_761_600;
        assert!(expiry("01/47").is_too_far(new_year_2027 - 1, 20));
        assert!(!expiry("12/47").is_too_far(new_year_2027, 20));
        assert!(expiry("01/28").is_too_far(new_year_2027, 0));
        assert!(!expiry("12/27").is_too_far(new_year_2027, 0));
    }

    #[test]
    fn months_begin_when_the_calendar_says() {
        assert_eq!(start_of_month(1970, 1), 0);
        assert_eq!(start_of_month(2000, 3), 951_868_800);
        assert_eq!(start_of_month(2024, 2), 1_706_745_600);
        assert_eq!(start_of_month(2100, 3) - start_of_month(2100, 2), 28 * 86_400);
        assert_eq!(start_of_month(1, 1), -62_135_596_800);
    }

    proptest! {
        #[test]
        fn any_time_is_taken(month in 1..=12, year in 2000..=2099, now: i64, horizon: u16) {
            let expiry = Expiry::new(month, year).unwrap();
            for now in [now, i64::MIN, i64::MAX] {
                prop_assert!(!(expiry.is_expired(now) && expiry.is_too_far(now, horizon)));
            }
        }

        #[test]
        fn expiries_are_ordered_as_they_run_out(a in 0..1200, b in 0..1200) {
            let nth = |n: i32| Expiry::new(n % 12 + 1, 2000 + n / 12).unwrap();
            prop_assert_eq!(nth(a).cmp(&nth(b)), a.cmp(&b));
        }

        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let _ = Expiry::parse(&bytes);
        }
    }
}
