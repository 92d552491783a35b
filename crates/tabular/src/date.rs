//! Dates and moments as files write them: which way a column is written, and reading a value of it.
//!
//! A format tells how the date is written, in the manner of strftime. A time of day and an offset that follow the date are
//! understood by themselves, unless the format tells of them too.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

/// The format that stands for ISO 8601: `2026-01-31`, `2026-01-31T12:00:00Z`, `20260131`.
pub const ISO: &str = "";

/// The ways dates are looked for in a column. Of those that fit alike the earlier is taken.
const KNOWN: [&str; 17] = [
    ISO,
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%m-%y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%d de %B de %Y",
];

/// Pairs that read many values both ways.
const PAIRS: [(&str, &str); 3] = [("%d/%m/%Y", "%m/%d/%Y"), ("%d-%m-%Y", "%m-%d-%Y"), ("%d/%m/%y", "%m/%d/%y")];

const TIMES: [&str; 6] = ["%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p"];

/// The longest text that is looked at as a date.
const LONGEST: usize = 40;

/// Why a text is not read as a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// It is not written so.
    #[error("is not a date written as `{0}`")]
    Format(String),
    /// The clocks went forward over it.
    #[error("does not exist in {0}: the clocks went forward over it")]
    Gap(Tz),
}

/// Reads a moment: the date as `format` says, at midnight where no time follows, in `zone` where no offset does.
pub fn parse(text: &str, format: &str, zone: Tz) -> Result<DateTime<Utc>, DateError> {
    let text = text.trim();
    let wrong = || DateError::Format(if format == ISO { "2026-01-31".to_owned() } else { format.to_owned() });
    let (local, offset) = local(text, format).ok_or_else(wrong)?;
    match offset {
        Some(offset) => offset.from_local_datetime(&local).single().map(|m| m.with_timezone(&Utc)).ok_or_else(wrong),
        None => in_zone(local, zone),
    }
}

/// The moment at which the clocks of a zone show this. In the hour that comes twice when the clocks go back, the first
/// is taken; one that never comes is an error.
pub fn in_zone(local: NaiveDateTime, zone: Tz) -> Result<DateTime<Utc>, DateError> {
    zone.from_local_datetime(&local).earliest().map(|m| m.with_timezone(&Utc)).ok_or(DateError::Gap(zone))
}

/// True when the text can be a format: strftime knows it, and it tells year, month and day.
pub fn is_format(format: &str) -> bool {
    let day = NaiveDate::from_ymd_opt(2021, 11, 27).and_then(|day| day.and_hms_opt(13, 14, 15)).unwrap_or_default();
    let items: Vec<_> = chrono::format::StrftimeItems::new(format).collect();
    if format == ISO {
        return true;
    }
    if items.iter().any(|item| matches!(item, chrono::format::Item::Error)) {
        return false;
    }
    let mut written = String::new();
    let printed = std::fmt::Write::write_fmt(&mut written, format_args!("{}", day.format_with_items(items.iter())));
    printed.is_ok() && local(&written, format).is_some_and(|(read, _)| read.date() == day.date())
}

fn local(text: &str, format: &str) -> Option<(NaiveDateTime, Option<FixedOffset>)> {
    if text.len() > LONGEST || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if format == ISO {
        return iso(text);
    }
    if tells_time(format) {
        let whole = NaiveDateTime::parse_from_str(text, format).ok()?;
        return plausible(whole.date()).map(|_| (whole, None));
    }
    let (date, rest) = date_and_rest(text, format)?;
    with_time(date, rest)
}

fn iso(text: &str) -> Option<(NaiveDateTime, Option<FixedOffset>)> {
    let plain = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain {
        let date = NaiveDate::parse_from_str(text, "%Y%m%d").ok().and_then(plausible)?;
        return with_time(date, "");
    }
    let (date, rest) = date_and_rest(text, "%Y-%m-%d")?;
    with_time(date, rest)
}

fn date_and_rest<'a>(text: &'a str, format: &str) -> Option<(NaiveDate, &'a str)> {
    // `%B` of chrono knows English only; months in letters of other languages are no dates here.
    let (date, rest) = NaiveDate::parse_and_remainder(text, format).ok()?;
    plausible(date).map(|date| (date, rest))
}

/// A year of one to three digits is a typing error, or a year of two digits that the format does not tell.
fn plausible(date: NaiveDate) -> Option<NaiveDate> {
    (1000..=9999).contains(&chrono::Datelike::year(&date)).then_some(date)
}

fn with_time(date: NaiveDate, rest: &str) -> Option<(NaiveDateTime, Option<FixedOffset>)> {
    if rest.is_empty() {
        return Some((date.and_time(NaiveTime::MIN), None));
    }
    let time = rest.strip_prefix('T').or_else(|| rest.strip_prefix(", ")).or_else(|| rest.strip_prefix(' '))?.trim();
    if time.is_empty() {
        return Some((date.and_time(NaiveTime::MIN), None));
    }
    TIMES.iter().find_map(|format| {
        let (time, rest) = NaiveTime::parse_and_remainder(time, format).ok()?;
        let offset = match rest.trim_start() {
            "" => None,
            "Z" | "z" | "UTC" | "GMT" => FixedOffset::east_opt(0),
            rest => Some(offset(rest)?),
        };
        Some((date.and_time(time), offset))
    })
}

/// `+03:00`, `+0300` or `+03`.
fn offset(text: &str) -> Option<FixedOffset> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    let number: i32 = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()?;
    let (hours, minutes) = match digits.len() {
        2 => (number, 0),
        4 => (number / 100, number % 100),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))).flatten()
}

fn tells_time(format: &str) -> bool {
    ["%H", "%I", "%k", "%l", "%T", "%R", "%X", "%c", "%s", "%r"].iter().any(|item| format.contains(item))
}

/// What a column's values say about the way its dates are written.
#[derive(Debug, Clone, Default)]
pub struct DateVote {
    values: u64,
    fits: [u64; KNOWN.len()],
    /// No dates: enough values have been seen to tell.
    hopeless: bool,
}

/// The way a column's dates are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateFormat {
    /// The format.
    pub format: &'static str,
    /// The other format that all values fit as well; `None` where there is no doubt.
    pub doubt: Option<&'static str>,
}

impl DateVote {
    /// After so many values a column that holds hardly any dates is looked at no more.
    const ENOUGH: u64 = 200;

    /// Takes a value that is not empty into account.
    pub fn add(&mut self, value: &str) {
        if self.hopeless {
            return;
        }
        self.values += 1;
        let value = value.trim();
        if (6..=LONGEST).contains(&value.len()) && value.bytes().any(|byte| byte.is_ascii_digit()) {
            for (place, format) in KNOWN.iter().enumerate() {
                self.fits[place] += u64::from(may_fit(value, format) && local(value, format).is_some());
            }
        }
        self.hopeless = self.values == Self::ENOUGH && self.fits.iter().all(|fits| fits * 2 < self.values);
    }

    /// How the dates are written, where four values of five are dates of one format.
    pub fn decide(&self) -> Option<DateFormat> {
        let most = self.fits.iter().copied().max().filter(|most| *most > 0 && !self.hopeless)?;
        if most * 5 < self.values * 4 {
            return None;
        }
        let place = self.fits.iter().position(|fits| *fits == most)?;
        let format = KNOWN[place];
        let fits = |format: &str| KNOWN.iter().position(|known| *known == format).map(|place| self.fits[place]);
        let doubt =
            PAIRS.iter().find(|(one, other)| *one == format && fits(other) == Some(most)).map(|(_, other)| *other);
        Some(DateFormat { format, doubt })
    }
}

/// A cheap look before the dear one: the separator of the format is there.
fn may_fit(value: &str, format: &str) -> bool {
    match format.bytes().find(|byte| matches!(byte, b'/' | b'.' | b'-' | b' ')) {
        Some(separator) => value.bytes().any(|byte| byte == separator),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vote(values: &[&str]) -> Option<DateFormat> {
        let mut vote = DateVote::default();
        for value in values {
            vote.add(value);
        }
        vote.decide()
    }

    fn sure(values: &[&str]) -> &'static str {
        let found = vote(values).unwrap();
        assert_eq!(found.doubt, None, "{values:?}");
        found.format
    }

    fn read(text: &str, format: &str) -> String {
        parse(text, format, Tz::Europe__Madrid).unwrap().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
    }

    #[test]
    fn the_way_of_a_column_is_found_by_all_its_values() {
        assert_eq!(sure(&["2018-01-02", "2018-02-03 10:11:12"]), ISO);
        assert_eq!(sure(&["19970101", "19970112"]), ISO);
        assert_eq!(sure(&["2024-07-01T11:54:49.95+00:00"]), ISO);
        assert_eq!(sure(&["03.04.2020", "31.12.2020 23:59"]), "%d.%m.%Y");
        assert_eq!(sure(&["2/1/2018", "10/20/2017"]), "%m/%d/%Y");
        assert_eq!(sure(&["2/26/2018 19:58"]), "%m/%d/%Y");
        assert_eq!(sure(&["01/02/2018", "20/02/2018"]), "%d/%m/%Y");
        assert_eq!(sure(&["12/1/10 8:26", "12/13/10 9:00"]), "%m/%d/%y");
        assert_eq!(sure(&["24 Oct 2011", "1 Jan 2012"]), "%d %b %Y");
    }

    #[test]
    fn a_column_that_reads_both_ways_is_told_to_be_in_doubt() {
        let doubt = vote(&["03/04/2020", "05/06/2020"]).unwrap();
        assert_eq!((doubt.format, doubt.doubt), ("%d/%m/%Y", Some("%m/%d/%Y")));
    }

    #[test]
    fn what_is_no_date_is_taken_for_none() {
        for values in [&["+34 912 345 678", "12.50"][..], &["Galway", "Berkeley"], &["", "1.1"], &["659-980-2015"]] {
            assert_eq!(vote(values), None, "{values:?}");
        }
    }

    #[test]
    fn a_moment_is_read_in_the_zone_unless_it_says_its_own() {
        assert_eq!(read("2020-07-01", ISO), "2020-06-30T22:00:00Z");
        assert_eq!(read("2020-07-01 12:30", ISO), "2020-07-01T10:30:00Z");
        assert_eq!(read("2020-07-01T12:30:00Z", ISO), "2020-07-01T12:30:00Z");
        assert_eq!(read("2020-07-01T12:30:00.5+03:00", ISO), "2020-07-01T09:30:00.500Z");
        assert_eq!(read("1.7.2020 12:30:05", "%d.%m.%Y"), "2020-07-01T10:30:05Z");
        assert_eq!(read("7/1/2020 1:30 PM", "%m/%d/%Y"), "2020-07-01T11:30:00Z");
        assert_eq!(read("01.07.2020 12:30", "%d.%m.%Y %H:%M"), "2020-07-01T10:30:00Z");
    }

    #[test]
    fn a_moment_that_never_came_is_refused() {
        assert_eq!(parse("2020-03-29 02:30", ISO, Tz::Europe__Madrid), Err(DateError::Gap(Tz::Europe__Madrid)));
        for text in ["31.02.2020", "20.20", "", "1.7.20", "2020-07-01"] {
            assert!(parse(text, "%d.%m.%Y", Tz::UTC).is_err(), "{text}");
        }
    }

    #[test]
    fn a_format_that_tells_no_whole_date_is_none() {
        for format in [ISO, "%d.%m.%Y", "%d.%m.%Y %H:%M", "%m/%d/%y", "%d %b %Y"] {
            assert!(is_format(format), "{format}");
        }
        for format in ["%d.%m", "%Q", "yesterday", "%H:%M"] {
            assert!(!is_format(format), "{format}");
        }
    }

    proptest! {
        #[test]
        fn any_text_in_any_format_is_read_or_refused_but_never_a_panic(text in ".{0,45}", format in "[%a-zA-Z./: -]{0,10}") {
            let _ = parse(&text, &format, Tz::UTC);
            let _ = is_format(&format);
            let mut vote = DateVote::default();
            vote.add(&text);
        }

        #[test]
        fn a_date_that_was_written_is_read_back(days in -20_000_i64..20_000, place in 0..KNOWN.len() - 1) {
            let day = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap() + chrono::TimeDelta::days(days);
            let format = if KNOWN[place] == ISO { "%Y-%m-%d" } else { KNOWN[place] };
            prop_assume!(!format.contains("%y") || (1970..2069).contains(&chrono::Datelike::year(&day)));
            let read = parse(&day.format(format).to_string(), KNOWN[place], Tz::UTC).unwrap();
            prop_assert_eq!(read.date_naive(), day);
        }
    }
}
