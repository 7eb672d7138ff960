//! Points in time as providers write them: the proleptic Gregorian calendar in UTC.

use crate::card::Expiry;

const DAY: i64 = 86_400;

/// A point in time, taken apart.
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    /// Seconds since midnight.
    second: i64,
}

impl Moment {
    /// Of seconds since 1970 UTC. Years are counted from March on, so that the leap day is the last of its year, and in
    /// eras of 400 years, which all have 146,097 days; 719,468 days lie between the first of March of year 0 and 1970.
    fn of(at: i64) -> Moment {
        let days = at.div_euclid(DAY) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Moment {
            year: era * 400 + year_of_era + i64::from(month < 3),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            second: at.rem_euclid(DAY),
        }
    }

    fn write(&self, between: char, end: &str) -> String {
        let Moment { year, month, day, second } = self;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}{end}")
    }
}

/// `2026-11-20T19:40:00.000+00:00`
pub fn iso_with_offset(at: i64) -> String {
    Moment::of(at).write('T', ".000+00:00")
}

/// `2026-11-20T19:40:00Z`
pub fn iso_z(at: i64) -> String {
    Moment::of(at).write('T', "Z")
}

/// `2026-11-20 19:40:00`
pub fn sql(at: i64) -> String {
    Moment::of(at).write(' ', "")
}

/// `2026-11-20`
pub fn day(at: i64) -> String {
    sql(at)[..10].to_owned()
}

/// The first second after the month, in seconds since 1970 UTC.
pub fn month_end(expiry: Expiry) -> i64 {
    let (year, month) = (i64::from(expiry.year()), i64::from(expiry.month()));
    // Months from March on have 153 days in each five.
    let march_year = if month < 2 { year - 1 } else { year };
    let march_month = (month + 10) % 12;
    let days = march_year * 365 + march_year / 4 - march_year / 100 + march_year / 400;
    (days + (153 * march_month + 2) / 5 - 719_468) * DAY
}

/// Whether a text is a day of the calendar: `1990-12-10`.
pub fn is_day(text: &str) -> bool {
    let digits = |part: &str, len| part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    if !(digits(year, 4) && digits(month, 2) && digits(day, 2)) {
        return false;
    }
    let number = |part: &str| part.parse::<i64>().unwrap_or(0);
    let (year, month, day) = (number(year), number(month), number(day));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        assert_eq!(iso_z(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso_with_offset(1_795_203_600), "2026-11-20T19:40:00.000+00:00");
        assert_eq!(sql(1_709_164_800), "2024-02-29 00:00:00");
        assert_eq!(sql(-1), "1969-12-31 23:59:59");
        assert_eq!(day(4_102_444_799), "2099-12-31");
    }

    #[test]
    fn a_month_ends_where_the_next_begins() {
        for (month, year, next) in
            [(12, 30, "2031-01-01"), (2, 96, "2096-03-01"), (4, 30, "2030-05-01"), (1, 0, "2000-02-01")]
        {
            assert_eq!(day(month_end(Expiry::new(month, year).unwrap())), next);
        }
    }

    #[test]
    fn days_are_told_from_other_texts() {
        for text in ["1990-12-10", "2000-02-29", "2024-02-29", "1999-04-30"] {
            assert!(is_day(text), "{text}");
        }
        for text in [
            "",
            "1990",
            "1990-13-01",
            "1990-00-01",
            "1900-02-29",
            "1990-04-31",
            "1990-1-1",
            "1990-12-10T",
            "90-12-10",
        ] {
            assert!(!is_day(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_month_ends_at_midnight_of_a_first(month in 1..=12, year in 2000..=2099) {
            let text = iso_z(month_end(Expiry::new(month, year).unwrap()));
            let (next_month, next_year) = if month == 12 { (1, year + 1) } else { (month + 1, year) };
            prop_assert_eq!(text, format!("{next_year}-{next_month:02}-01T00:00:00Z"));
        }
    }
}
