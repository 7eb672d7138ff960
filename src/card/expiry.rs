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

    /// Reads a month and a year as people write them, in a form that can be read in one way only.
    ///
    /// | form | examples |
    /// |---|---|
    /// | month, separator, year of two or four digits | `03/29` `3/29` `03/2029` `03-29` `3.2029` `03 29` |
    /// | year of four digits, separator, month | `2029-03` (ISO 8601), `2029/3` |
    /// | month of two digits and year of four | `032029` |
    ///
    /// A separator is one of `/`, `-` and `.` with any spaces round it, or spaces alone; spaces at the ends are
    /// dropped. Two digits on either side are month and year, as they are embossed on the card.
    ///
    /// Four digits alone, and six that do not begin with a month and `20`, are refused: people write `MMYY`,
    /// while tracks, chips and ISO 8583 write `YYMM` and `YYMMDD`, and 1112 or 201012 is either. Who knows
    /// which it is says so: [`Expiry::from_mmyy`], [`Expiry::from_yymm`], [`Expiry::from_yymmdd`].
    ///
    /// # Errors
    ///
    /// [`Code::Malformed`] if the text has another form, or names no month of [`Expiry::new`].
    pub fn parse(text: &[u8]) -> Result<Expiry, Code> {
        let (head, rest) = leading_digits(without_spaces(text));
        let (first, second) = match rest {
            [] => head.split_at_checked(2).filter(|_| head.len() == 6).ok_or(Code::Malformed)?,
            _ => (head, behind_separator(rest)?),
        };
        let (month, year) = match (first.len(), second.len()) {
            (1 | 2, 2 | 4) => (first, second),
            (4, 1 | 2) => (second, first),
            _ => return Err(Code::Malformed),
        };
        match (year.len(), number(year)?) {
            (4, ..2000) => Err(Code::Malformed),
            (_, year) => Expiry::new(number(month)?, year),
        }
    }

    /// Reads four digits, the month first: `0329`.
    ///
    /// # Errors
    ///
    /// [`Code::Malformed`] if these are not four ASCII digits, or name no month.
    pub fn from_mmyy(digits: &[u8]) -> Result<Expiry, Code> {
        let [month, year] = pairs(digits)?;
        Expiry::new(month, year)
    }

    /// Reads four digits, the year first, as on tracks 1 and 2 (ISO/IEC 7813), in the EMV tag 57 and in data
    /// element 14 of ISO 8583: `2903`.
    ///
    /// # Errors
    ///
    /// [`Code::Malformed`] if these are not four ASCII digits, or name no month.
    pub fn from_yymm(digits: &[u8]) -> Result<Expiry, Code> {
        let [year, month] = pairs(digits)?;
        Expiry::new(month, year)
    }

    /// Reads the six digits of the EMV tag 5F24, unpacked: `290331`.
    ///
    /// The day has to be one of its month, most often the last. It is not kept: a card is judged by its month.
    ///
    /// # Errors
    ///
    /// [`Code::Malformed`] if these are not six ASCII digits, or name no day.
    pub fn from_yymmdd(digits: &[u8]) -> Result<Expiry, Code> {
        let [year, month, day] = pairs(digits)?;
        let expiry = Expiry::new(month, year)?;
        match (1..=expiry.days()).contains(&day.into()) {
            true => Ok(expiry),
            false => Err(Code::Malformed),
        }
    }

    /// Four ASCII digits, the month first: `0329`.
    pub const fn to_mmyy(self) -> [u8; 4] {
        let ([m, n], [_, _, y, z]) = self.ascii();
        [m, n, y, z]
    }

    /// Four ASCII digits, the year first, as on a track: `2903`.
    pub const fn to_yymm(self) -> [u8; 4] {
        let ([m, n], [_, _, y, z]) = self.ascii();
        [y, z, m, n]
    }

    /// Six ASCII digits, the month first: `032029`.
    pub const fn to_mmyyyy(self) -> [u8; 6] {
        let ([m, n], [w, x, y, z]) = self.ascii();
        [m, n, w, x, y, z]
    }

    /// Month and year in ASCII.
    const fn ascii(self) -> ([u8; 2], [u8; 4]) {
        let year = self.year;
        let month = [b'0' + self.month / 10, b'0' + self.month % 10];
        (month, [last_digit(year / 1000), last_digit(year / 100), last_digit(year / 10), last_digit(year)])
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
        self.is_expired_with_grace(now, 0)
    }

    /// [`Expiry::is_expired`] so many months later. Issuers may still approve a card that has just run out.
    pub fn is_expired_with_grace(self, now: i64, grace_months: u8) -> bool {
        now >= self.start_of_month_after(grace_months) + 12 * 3600
    }

    /// Whether the expiry lies more than `horizon_years` calendar years after the year of `now`, in seconds
    /// since 1970 UTC.
    pub fn is_too_far(self, now: i64, horizon_years: u16) -> bool {
        now < start_of_month(i64::from(self.year) - i64::from(horizon_years), 1)
    }

    /// The second at which the month begins that follows this one by `months` and one more.
    fn start_of_month_after(self, months: u8) -> i64 {
        let next = i64::from(self.month) + i64::from(months);
        start_of_month(i64::from(self.year) + next / 12, next % 12 + 1)
    }

    /// How many days the month has.
    fn days(self) -> i64 {
        let begin = start_of_month(self.year.into(), self.month.into());
        (self.start_of_month_after(0) - begin) / DAY
    }
}

const DAY: i64 = 86_400;

fn without_spaces_before(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = text {
        text = rest;
    }
    text
}

fn without_spaces(text: &[u8]) -> &[u8] {
    let mut text = without_spaces_before(text);
    while let [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

fn leading_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// The text behind the separator with which this text begins.
fn behind_separator(text: &[u8]) -> Result<&[u8], Code> {
    let behind = match without_spaces_before(text) {
        [b'/' | b'-' | b'.', rest @ ..] => without_spaces_before(rest),
        rest => rest,
    };
    if behind.len() < text.len() { Ok(behind) } else { Err(Code::Malformed) }
}

/// The values of so many pairs of ASCII digits.
fn pairs<const N: usize>(digits: &[u8]) -> Result<[i32; N], Code> {
    let mut values = [0; N];
    if digits.len() != 2 * N {
        return Err(Code::Malformed);
    }
    for (value, pair) in values.iter_mut().zip(digits.chunks(2)) {
        *value = number(pair)?;
    }
    Ok(values)
}

/// The last digit of a number, in ASCII.
const fn last_digit(value: u16) -> u8 {
    b'0' + (value % 10) as u8
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
    (era * 146_097 + day_of_era - 719_468) * DAY
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
        for text in [
            "03/29",
            "3/29",
            "03/2029",
            "3/2029",
            "03 / 29",
            "3  /2029",
            "03-29",
            "03.29",
            "03 29",
            "3 2029",
            "03 - 2029",
            "2029-03",
            "2029/3",
            "2029 . 03",
            "2029 03",
            "032029",
            " 03/29",
            "03/29  ",
        ] {
            assert_eq!((expiry(text).month(), expiry(text).year()), (3, 2029), "{text}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            " ",
            "/",
            "0329",
            "2903",
            "290331",
            "202903",
            "132029",
            "03202",
            "0320290",
            "003/29",
            "03/9",
            "03/029",
            "03/20029",
            "13/29",
            "00/29",
            "29/03",
            "0 3/29",
            "03//29",
            "+3/29",
            "03/29/",
            "03/",
            "/29",
            "2029-",
            "2029-13",
            "2029-003",
            "2029/2029",
            "03/29/2029",
            "03_29",
            "03\t29",
            "03/1999",
            "03/0029",
            "030029",
            "0029-03",
            "03\u{2215}29",
        ] {
            assert_eq!(Expiry::parse(text.as_bytes()), Err(Code::Malformed), "{text:?}");
        }
    }

    #[test]
    fn bare_digits_are_read_by_those_who_know_their_order() {
        let march = Expiry::new(3, 2029);
        assert_eq!(Expiry::from_mmyy(b"0329"), march);
        assert_eq!(Expiry::from_yymm(b"2903"), march);
        assert_eq!(Expiry::from_yymmdd(b"290331"), march);
        assert_eq!(Expiry::from_yymmdd(b"290301"), march);
        for text in ["", "329", "03290", "1329", "0029", "03/9", "+329", "０3"] {
            assert_eq!(Expiry::from_mmyy(text.as_bytes()), Err(Code::Malformed), "{text:?}");
        }
        assert_eq!(Expiry::from_yymm(b"0329"), Err(Code::Malformed));
    }

    #[test]
    fn a_day_is_one_of_its_month() {
        for text in ["240229", "280229", "230228", "290430", "291231"] {
            assert!(Expiry::from_yymmdd(text.as_bytes()).is_ok(), "{text}");
        }
        for text in ["230229", "290431", "290300", "290332", "291301", "2903", "29033", "2903311"] {
            assert_eq!(Expiry::from_yymmdd(text.as_bytes()), Err(Code::Malformed), "{text}");
        }
    }

    #[test]
    fn a_grace_lets_a_card_live_for_months() {
        let noon_of_march_1_2028 = 1_835_524_800;
        assert!(!expiry("12/27").is_expired_with_grace(noon_of_march_1_2028 - 1, 2));
        assert!(expiry("12/27").is_expired_with_grace(noon_of_march_1_2028, 2));
        assert!(!expiry("11/27").is_expired_with_grace(noon_of_march_1_2028, 4));
        assert!(!expiry("02/28").is_expired_with_grace(noon_of_march_1_2028, u8::MAX));
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
        fn what_is_written_is_read(month in 1..=12, year in 2000..=2099) {
            let expiry = Expiry::new(month, year);
            let written = expiry.unwrap();
            prop_assert_eq!(Expiry::from_mmyy(&written.to_mmyy()), expiry);
            prop_assert_eq!(Expiry::from_yymm(&written.to_yymm()), expiry);
            prop_assert_eq!(Expiry::parse(&written.to_mmyyyy()), expiry);
            prop_assert_eq!(Expiry::parse(format!("{month:02}/{year}").as_bytes()), expiry);
            prop_assert_eq!(Expiry::parse(format!("{year}-{month:02}").as_bytes()), expiry);
            let days = written.days();
            prop_assert_eq!(Expiry::from_yymmdd(format!("{:02}{month:02}{days}", year % 100).as_bytes()), expiry);
        }

        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, digits in "[0-9 ./-]{0,9}") {
            for text in [&bytes, digits.as_bytes()] {
                let _ = Expiry::parse(text);
                let _ = (Expiry::from_mmyy(text), Expiry::from_yymm(text), Expiry::from_yymmdd(text));
            }
        }
    }
}
