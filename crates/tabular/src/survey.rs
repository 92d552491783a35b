//! What the columns of a file hold, taken in over all its rows.

use std::io::Read;

use crate::date::{DateFormat, DateVote};
use crate::number::{NumberFormat, NumberVote};
use crate::{Error, Outcome, Record, Records, Trouble};

/// How many values of a column are kept to show.
const SAMPLES: usize = 5;
/// How much of a value is kept to show.
const SHOWN: usize = 200;

/// What a file holds.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// The columns.
    pub columns: Vec<Column>,
    /// Rows, those that are refused included, without the header and blank ones.
    pub rows: u64,
    /// Whether these are all rows of the file: it was gone through to its end.
    pub whole: bool,
    /// Rows with more or fewer columns than the first.
    pub uneven: u64,
    /// The line of the first of them.
    pub first_uneven: Option<u64>,
    /// Lines that could not be parted into columns.
    pub broken: u64,
    /// The line of the first of them, and why.
    pub first_broken: Option<(u64, Trouble)>,
    /// Rows in which some bytes are no text of the encoding.
    pub garbled: u64,
}

/// What a column holds.
#[derive(Debug, Clone, Default)]
pub struct Column {
    /// Its name in the header; empty where there is none.
    pub name: String,
    /// The first values that are not empty, shortened.
    pub samples: Vec<String>,
    /// How many values are not empty.
    pub filled: u64,
    /// How many look like e-mail addresses.
    pub emails: u64,
    dates: DateVote,
    numbers: NumberVote,
}

impl Column {
    /// How its dates are written, where it holds dates.
    pub fn date(&self) -> Option<DateFormat> {
        self.dates.decide()
    }

    /// How its numbers are written, where it holds numbers.
    pub fn number(&self) -> Option<NumberFormat> {
        self.numbers.decide()
    }

    fn add(&mut self, value: &str) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        self.filled += 1;
        if self.samples.len() < SAMPLES {
            self.samples.push(value.chars().take(SHOWN).collect());
        }
        self.emails += u64::from(is_email(value));
        self.dates.add(value);
        self.numbers.add(value);
    }
}

/// Reads records to their end. `skip_lines` lines stand ahead of the table; with `has_header` its first row names the
/// columns. It ends behind the row with which `most` bytes of the text have been gone through: [`Survey::whole`] tells.
pub fn survey<R: Read>(
    records: &mut Records<R>,
    skip_lines: u64,
    has_header: bool,
    most: u64,
) -> Result<Survey, Error> {
    let mut survey = Survey::default();
    let mut record = Record::default();
    let mut header_wanted = has_header;
    loop {
        if records.offset() >= most {
            return Ok(survey);
        }
        match records.read(&mut record)? {
            Outcome::End => return Ok(Survey { whole: true, ..survey }),
            _ if record.line() <= skip_lines => {}
            Outcome::Row if record.is_blank() => {}
            Outcome::Row if header_wanted => {
                header_wanted = false;
                let named = |name: &str| Column { name: name.trim().to_owned(), ..Column::default() };
                survey.columns = record.iter().map(named).collect();
            }
            Outcome::Row => survey.add(&record),
            Outcome::Broken(trouble) => {
                survey.rows += 1;
                survey.broken += 1;
                survey.first_broken.get_or_insert((record.line(), trouble));
            }
        }
    }
}

impl Survey {
    fn add(&mut self, record: &Record) {
        self.rows += 1;
        if self.columns.is_empty() {
            self.columns = vec![Column::default(); record.len()];
        }
        if record.len() != self.columns.len() {
            self.uneven += 1;
            self.first_uneven.get_or_insert(record.line());
        }
        self.garbled += u64::from(record.iter().any(|value| value.contains(char::REPLACEMENT_CHARACTER)));
        for (column, value) in self.columns.iter_mut().zip(record.iter()) {
            column.add(value);
        }
    }
}

fn is_email(value: &str) -> bool {
    let Some((name, host)) = value.split_once('@') else { return false };
    !name.is_empty() && host.contains('.') && !value.contains(char::is_whitespace) && !host.contains('@')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Delimiter;

    proptest! {
        #[test]
        fn any_text_is_counted_in_each_column_and_never_more_than_there_is(
            text in "([a-zé0-9@./:\" \t-]{0,9}[,;|\n\r]{1,2}){0,40}", skip in 0..4_u64, has_header: bool, most in 0..400_u64,
        ) {
            for delimiter in [Delimiter::COMMA, Delimiter::SEMICOLON, Delimiter::TAB, Delimiter::PIPE, Delimiter::Spaces] {
                let found = survey(&mut Records::new(text.as_bytes(), delimiter), skip, has_header, most).unwrap();
                prop_assert!(found.uneven + found.broken <= found.rows && found.garbled <= found.rows);
                prop_assert_eq!(found.first_uneven.is_some(), found.uneven > 0);
                prop_assert_eq!(found.first_broken.is_some(), found.broken > 0);
                for column in &found.columns {
                    prop_assert!(column.filled <= found.rows && column.emails <= column.filled);
                    prop_assert!(column.samples.len() as u64 <= column.filled.min(SAMPLES as u64));
                    prop_assert!(column.samples.iter().all(|sample| sample.chars().count() <= SHOWN));
                    let _ = (column.date(), column.number());
                }
            }
        }
    }

    fn of(text: &str, has_header: bool) -> Survey {
        survey(&mut Records::new(text.as_bytes(), Delimiter::COMMA), 0, has_header, u64::MAX).unwrap()
    }

    #[test]
    fn a_survey_that_may_not_read_all_says_so() {
        let text = "a,b\n1,2\n3,4\n5,6\n";
        let of = |most| survey(&mut Records::new(text.as_bytes(), Delimiter::COMMA), 0, true, most).unwrap();
        assert_eq!((of(9).rows, of(9).whole, of(9).columns.len()), (2, false, 2));
        assert_eq!((of(100).rows, of(100).whole), (3, true));
    }

    #[test]
    fn columns_are_told_by_all_their_values() {
        let found = of("n,at,sum,mail,tel\na,1/2/2020,\"1,5\",a@example.org,+34 912 345 678\nb,13/2/2020,2,,\n", true);
        assert_eq!(found.rows, 2);
        let [name, at, sum, mail, tel] = &found.columns[..] else { panic!("{found:?}") };
        assert_eq!((name.name.as_str(), name.samples.len(), name.date()), ("n", 2, None));
        assert_eq!(at.date().map(|date| date.format), Some("%d/%m/%Y"));
        assert_eq!(sum.number().map(|number| number.decimal), Some(crate::number::Decimal::Comma));
        assert_eq!((mail.emails, mail.filled, tel.emails), (1, 1, 0));
    }

    #[test]
    fn what_is_uneven_broken_or_garbled_is_counted_with_its_line() {
        let found = of("a,b\n1\n\n2,\u{fffd}\n,\n\"3,4\n5,6\n", true);
        assert_eq!((found.rows, found.uneven, found.first_uneven), (4, 1, Some(2)));
        assert_eq!((found.broken, found.first_broken), (1, Some((6, Trouble::UnclosedQuote))));
        assert_eq!(found.garbled, 1);
    }
}
