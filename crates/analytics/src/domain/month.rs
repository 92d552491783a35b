//! Calendar months in the time zone of the company's reports.

use std::fmt;

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use chrono_tz::Tz;

/// How many months the figures of a customer show.
pub(crate) const SHOWN: u32 = 12;

/// A calendar month, known by its first day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Month(NaiveDate);

impl Month {
    /// The month in which the moment lies, seen from the zone.
    pub(crate) fn of(moment: DateTime<Utc>, zone: Tz) -> Self {
        // A zone can carry the first and last day of the calendar out of the years that have four digits.
        let (first, last) = (NaiveDate::from_ymd_opt(1, 1, 1), NaiveDate::from_ymd_opt(9999, 12, 31));
        let day = moment.with_timezone(&zone).date_naive();
        Self::containing(first.map_or(day, |first| day.max(first)).min(last.unwrap_or(day)))
    }

    /// The month of the day.
    pub(crate) fn containing(day: NaiveDate) -> Self {
        Self(day.with_day(1).expect("every month has a first day"))
    }

    /// Its first day.
    pub(crate) const fn first_day(self) -> NaiveDate {
        self.0
    }

    /// The month so many months earlier.
    pub(crate) fn earlier(self, months: u32) -> Self {
        // Only the first month a date can have has none before it, and no event reaches back so far.
        Self(self.0.checked_sub_months(Months::new(months)).unwrap_or(NaiveDate::MIN))
    }

    /// The twelve months that end with this one, oldest first.
    pub(crate) fn window(self) -> impl Iterator<Item = Self> {
        (0..SHOWN).rev().map(move |back| self.earlier(back))
    }

    /// The month that the twelve months shown end with: the present one; or, where none of the active months is among
    /// these twelve, the last active one.
    pub(crate) fn end_of_window(present: Self, active: &[Self]) -> Self {
        let recent = active.iter().any(|month| (present.earlier(SHOWN - 1)..=present).contains(month));
        if recent { present } else { active.iter().copied().max().unwrap_or(present) }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn month(text: &str) -> Month {
        Month::containing(format!("{text}-01").parse().unwrap())
    }

    #[test]
    fn a_moment_belongs_to_the_month_that_the_zone_s_calendar_shows() {
        let last_half_hour = at("2011-12-31T23:30:00Z");
        assert_eq!(Month::of(last_half_hour, Tz::UTC), month("2011-12"));
        assert_eq!(Month::of(last_half_hour, Tz::Europe__Madrid), month("2012-01"));
        assert_eq!(Month::of(last_half_hour, Tz::America__New_York), month("2011-12"));
    }

    #[test]
    fn summer_time_moves_the_border_of_a_month() {
        // Madrid is one hour ahead of UTC in March before the change, two hours in April.
        assert_eq!(Month::of(at("2011-02-28T22:59:59Z"), Tz::Europe__Madrid), month("2011-02"));
        assert_eq!(Month::of(at("2011-02-28T23:00:00Z"), Tz::Europe__Madrid), month("2011-03"));
        assert_eq!(Month::of(at("2011-04-30T21:59:59Z"), Tz::Europe__Madrid), month("2011-04"));
        assert_eq!(Month::of(at("2011-04-30T22:00:00Z"), Tz::Europe__Madrid), month("2011-05"));
    }

    #[test]
    fn a_month_has_a_year_of_four_digits_in_every_zone() {
        assert_eq!(Month::of(at("0001-01-01T00:00:00Z"), Tz::America__New_York), month("0001-01"));
        assert_eq!(Month::of(at("9999-12-31T23:59:59Z"), Tz::Pacific__Kiritimati), month("9999-12"));
    }

    #[test]
    fn a_window_is_twelve_months_across_the_year_oldest_first() {
        let shown: Vec<String> = month("2012-03").window().map(|m| m.to_string()).collect();
        assert_eq!(shown.len(), 12);
        assert_eq!((shown[0].as_str(), shown[9].as_str(), shown[11].as_str()), ("2011-04", "2012-01", "2012-03"));
    }

    #[test]
    fn the_window_ends_with_the_present_month_while_something_was_bought_in_it() {
        let present = month("2012-03");
        assert_eq!(Month::end_of_window(present, &[]), present);
        assert_eq!(Month::end_of_window(present, &[month("2011-04")]), present);
        assert_eq!(Month::end_of_window(present, &[month("2010-12"), month("2011-03")]), month("2011-03"));
        assert_eq!(Month::end_of_window(present, &[month("2012-04")]), month("2012-04"));
    }

    #[test]
    fn the_first_month_there_is_has_no_earlier_one_and_does_not_panic() {
        let first = Month::containing(NaiveDate::MIN);
        assert_eq!(first.window().count(), 12);
    }
}
