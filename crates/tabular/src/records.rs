//! The rows of a text, one at a time.
//!
//! A reader of its own, for what files written by hand need and general ones do not give: a quote that is left open costs
//! the line it stands in, not the rest of the file; columns parted by runs of spaces; lines counted right whatever ends
//! them, so that a person finds the row that is refused.

use std::io::Read;

use crate::Error;

/// The longest record that is read, in bytes of its text: what is longer is no row, and is passed over up to its line's
/// end. Whoever holds some thousand rows knows by this how much that is at most.
pub const LONGEST_RECORD: usize = 64 * 1024;
/// How much of the text is looked at for a record: the longest with the end of its line.
const WINDOW: usize = LONGEST_RECORD + 2;
/// How much of the text is looked at for the end of a record that is too long: its quotes may hold lines, which are no rows.
const LONGEST_PASSED: usize = 1024 * 1024;
/// How many columns a record may have.
pub const MOST_COLUMNS: usize = 2000;
/// How many quotes may be left open in a file, and how many records may have no end within what is looked at: each costs the
/// reading of so much again.
const MOST_BROKEN: u32 = 1000;
/// How much of a record that cannot be parted is shown.
const SHOWN: usize = 1000;
const READ_AT_ONCE: usize = 64 * 1024;

/// What parts the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delimiter {
    /// One byte of ASCII.
    Byte(u8),
    /// One or more spaces or tabs; those at the ends of a line part nothing. Quotes mean nothing then.
    Spaces,
}

impl Delimiter {
    /// Comma.
    pub const COMMA: Self = Self::Byte(b',');
    /// Semicolon.
    pub const SEMICOLON: Self = Self::Byte(b';');
    /// Tab.
    pub const TAB: Self = Self::Byte(b'\t');
    /// Vertical bar.
    pub const PIPE: Self = Self::Byte(b'|');
}

/// A row as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    line: u64,
    text: String,
    ends: Vec<usize>,
}

impl Record {
    /// The line it begins in, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The value in a column, from 0; `None` behind the last.
    pub fn get(&self, column: usize) -> Option<&str> {
        let end = *self.ends.get(column)?;
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[start..end])
    }

    /// How many columns it has.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True when it has no column at all.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// True when nothing but white space stands in it: spreadsheets pad tables with such rows.
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// The values.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|column| self.get(column))
    }

    fn clear(&mut self, line: u64) {
        self.line = line;
        self.text.clear();
        self.ends.clear();
    }

    fn push(&mut self, bytes: &[u8]) {
        // The reader gives UTF-8 and cuts at ASCII bytes only, so nothing is ever replaced here but at a bound.
        self.text.push_str(&String::from_utf8_lossy(bytes));
    }

    fn end_cell(&mut self) {
        self.ends.push(self.text.len());
    }
}

impl<'a> FromIterator<&'a str> for Record {
    fn from_iter<I: IntoIterator<Item = &'a str>>(values: I) -> Self {
        let mut record = Self { line: 1, ..Self::default() };
        for value in values {
            record.text.push_str(value);
            record.end_cell();
        }
        record
    }
}

/// Why a line could not be parted into columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// A quote in it is not closed.
    UnclosedQuote,
    /// It is longer than [`LONGEST_RECORD`].
    TooLong,
    /// It has more than [`MOST_COLUMNS`].
    TooManyColumns,
}

impl Trouble {
    /// Its stable name, for programs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::UnclosedQuote => "QUOTE_UNCLOSED",
            Self::TooLong => "LINE_TOO_LONG",
            Self::TooManyColumns => "LINE_TOO_WIDE",
        }
    }

    /// The bound that the line goes beyond, by its name for programs, where it goes beyond one.
    pub const fn bound(self) -> Option<(&'static str, usize)> {
        match self {
            Self::UnclosedQuote => None,
            Self::TooLong => Some(("most_bytes", LONGEST_RECORD)),
            Self::TooManyColumns => Some(("most", MOST_COLUMNS)),
        }
    }

    /// In words for a person.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::UnclosedQuote => {
                "a quote is not closed in this line: close it, or double it where it is part of the text"
            }
            Self::TooLong => "the row is longer than 64 KiB: at most so much is taken",
            Self::TooManyColumns => "the line has more than 2000 columns: at most 2000 are wanted",
        }
    }
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A row.
    Row,
    /// A line that is none; the record holds the start of it as its only value.
    Broken(Trouble),
    /// The end of the text.
    End,
}

/// Reads the rows of a text in UTF-8. Empty lines are passed over.
#[derive(Debug)]
pub struct Records<R> {
    input: R,
    delimiter: Delimiter,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    line: u64,
    offset: u64,
    broken: u32,
}

/// How the parsing of the bytes at hand ended.
enum Step {
    /// A record, so many bytes and lines long.
    Done { bytes: usize, lines: u64 },
    /// There is not enough to tell.
    More,
    /// No record.
    Broken(Trouble),
}

impl<R: Read> Records<R> {
    /// The rows of this text.
    pub fn new(input: R, delimiter: Delimiter) -> Self {
        Self { input, delimiter, buffer: Vec::new(), start: 0, ended: false, line: 1, offset: 0, broken: 0 }
    }

    /// How many bytes of the text have been gone through.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next row. An error ends the reading.
    pub fn read(&mut self, record: &mut Record) -> Result<Outcome, Error> {
        loop {
            self.skip_empty_lines()?;
            record.clear(self.line);
            let whole = self.buffer.len() - self.start;
            if whole == 0 && self.ended {
                return Ok(Outcome::End);
            }
            match self.parse(WINDOW, record) {
                Step::Done { bytes, lines } => {
                    self.advance(bytes, lines);
                    return Ok(Outcome::Row);
                }
                Step::More if whole < WINDOW => self.fill()?,
                Step::More => return self.too_long(record),
                Step::Broken(trouble) => return self.pass_over(trouble, record),
            }
        }
    }

    /// Parts the first record off as much of the text as this. Of no more, whatever is at hand: how a row is read must not
    /// depend on where the parts of the text end.
    fn parse(&self, most: usize, record: &mut Record) -> Step {
        let whole = self.buffer.len() - self.start;
        let rest = &self.buffer[self.start..self.start + whole.min(most)];
        parse(rest, self.ended && whole <= most, self.delimiter, record)
    }

    /// Passes over a record that is too long: all its lines where it has an end, or else the first.
    fn too_long(&mut self, record: &mut Record) -> Result<Outcome, Error> {
        while self.buffer.len() - self.start < LONGEST_PASSED && !self.ended {
            self.fill()?;
        }
        record.clear(self.line);
        let step = self.parse(LONGEST_PASSED, record);
        record.clear(self.line);
        let rest = &self.buffer[self.start..];
        if let Step::Done { bytes, lines } = step {
            let shown = rest[..SHOWN].split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
            record.push(shown);
            record.end_cell();
            self.advance(bytes, lines);
            return Ok(Outcome::Broken(Trouble::TooLong));
        }
        let several = contains_line_end(&rest[..WINDOW]);
        self.pass_over(if several { Trouble::UnclosedQuote } else { Trouble::TooLong }, record)
    }

    /// Passes over a line that is no row, and keeps its start to show.
    fn pass_over(&mut self, trouble: Trouble, record: &mut Record) -> Result<Outcome, Error> {
        self.broken += 1;
        if self.broken > MOST_BROKEN {
            let message = format!(
                "the file is not written as this delimiter and quotes want it: {MOST_BROKEN} lines could not be parted into columns"
            );
            return Err(Error::NotATable("FILE_BROKEN", message));
        }
        record.clear(self.line);
        let mut shown = Vec::new();
        loop {
            let rest = &self.buffer[self.start..];
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
            let room = SHOWN.saturating_sub(shown.len());
            shown.extend_from_slice(&rest[..end.min(room)]);
            let found = end < rest.len();
            self.advance(end, 0);
            if found || self.ended {
                break;
            }
            self.fill()?;
        }
        record.push(&shown);
        record.end_cell();
        Ok(Outcome::Broken(trouble))
    }

    fn skip_empty_lines(&mut self) -> Result<(), Error> {
        loop {
            match self.buffer[self.start..] {
                [b'\n', ..] | [b'\r', b'\x00'..=b'\x09' | b'\x0b'..=b'\xff', ..] => self.advance(1, 1),
                [b'\r', b'\n', ..] => self.advance(2, 1),
                [b'\r'] if self.ended => self.advance(1, 1),
                [] | [b'\r'] if !self.ended => self.fill()?,
                _ => return Ok(()),
            }
        }
    }

    fn advance(&mut self, bytes: usize, lines: u64) {
        self.start += bytes;
        self.offset += bytes as u64;
        self.line += lines;
    }

    fn fill(&mut self) -> Result<(), Error> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let before = self.buffer.len();
        self.buffer.resize(before + READ_AT_ONCE, 0);
        let outcome = self.input.read(&mut self.buffer[before..]);
        self.buffer.truncate(before + outcome.as_ref().copied().unwrap_or_default());
        self.ended = outcome? == 0;
        Ok(())
    }
}

fn contains_line_end(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
}

/// Parts the first record off the bytes.
fn parse(bytes: &[u8], ended: bool, delimiter: Delimiter, record: &mut Record) -> Step {
    match delimiter {
        Delimiter::Spaces => parse_spaces(bytes, ended, record),
        Delimiter::Byte(delimiter) => parse_delimited(bytes, ended, delimiter, record),
    }
}

fn parse_spaces(bytes: &[u8], ended: bool, record: &mut Record) -> Step {
    let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    let Some((line, step)) = line_end(bytes, end, ended) else { return Step::More };
    for word in line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()) {
        if record.len() == MOST_COLUMNS {
            return Step::Broken(Trouble::TooManyColumns);
        }
        record.push(word);
        record.end_cell();
    }
    step
}

/// The line before an end, and the step over both; `None` where what follows decides.
fn line_end(bytes: &[u8], end: Option<usize>, ended: bool) -> Option<(&[u8], Step)> {
    let done = |line: usize, all: usize| Some((&bytes[..line], Step::Done { bytes: all, lines: 1 }));
    match end {
        None if ended => done(bytes.len(), bytes.len()),
        None => None,
        Some(at) => match bytes[at..] {
            [b'\r', b'\n', ..] => done(at, at + 2),
            [b'\r'] if !ended => None,
            _ => done(at, at + 1),
        },
    }
}

fn parse_delimited(bytes: &[u8], ended: bool, delimiter: u8, record: &mut Record) -> Step {
    let mut at = 0;
    let mut lines = 0;
    loop {
        if record.len() == MOST_COLUMNS {
            return Step::Broken(Trouble::TooManyColumns);
        }
        // White space ahead of a quote belongs to nobody.
        let blanks = bytes[at..].iter().take_while(|byte| **byte == b' ' && **byte != delimiter).count();
        if bytes.get(at + blanks) == Some(&b'"') {
            match parse_quoted(bytes, at + blanks + 1, ended, delimiter, record) {
                Quoted::Closed { next, lines: more } => {
                    at = next;
                    lines += more;
                }
                Quoted::More => return Step::More,
                Quoted::Unclosed => return Step::Broken(Trouble::UnclosedQuote),
            }
        } else if at + blanks == bytes.len() && !ended {
            return Step::More;
        }
        let stop = bytes[at..].iter().position(|byte| *byte == delimiter || matches!(byte, b'\n' | b'\r'));
        let end = match stop {
            Some(length) => at + length,
            None if ended => bytes.len(),
            None => return Step::More,
        };
        record.push(&bytes[at..end]);
        record.end_cell();
        match bytes[end..] {
            [] => return Step::Done { bytes: end, lines: lines + 1 },
            [b'\r', b'\n', ..] => return Step::Done { bytes: end + 2, lines: lines + 1 },
            [b'\r'] if !ended => return Step::More,
            [b'\n' | b'\r', ..] => return Step::Done { bytes: end + 1, lines: lines + 1 },
            // The delimiter.
            _ => at = end + 1,
        }
    }
}

enum Quoted {
    Closed { next: usize, lines: u64 },
    More,
    Unclosed,
}

/// Reads what stands in quotes, from behind the first.
fn parse_quoted(bytes: &[u8], mut at: usize, ended: bool, delimiter: u8, record: &mut Record) -> Quoted {
    let mut lines = 0;
    loop {
        let Some(length) = bytes[at..].iter().position(|byte| *byte == b'"') else {
            return if ended { Quoted::Unclosed } else { Quoted::More };
        };
        let part = &bytes[at..at + length];
        lines += line_ends(part);
        record.push(part);
        at += length + 1;
        match bytes.get(at) {
            Some(b'"') => {
                record.push(b"\"");
                at += 1;
            }
            None if !ended => return Quoted::More,
            _ => break,
        }
    }
    // A quote that closes and is followed by text was none that closes: it opens another value, lines further down.
    let rest = &bytes[at..];
    let follows = rest.iter().find(|byte| **byte != b' ' || delimiter == b' ');
    let ends_well = follows.is_none_or(|byte| *byte == delimiter || matches!(byte, b'\n' | b'\r'));
    if lines > 0 && !ends_well {
        return Quoted::Unclosed;
    }
    if ends_well {
        // Blanks between the quote and the delimiter belong to nobody either.
        at += rest.iter().take_while(|byte| **byte == b' ' && **byte != delimiter).count();
    }
    Quoted::Closed { next: at, lines }
}

fn line_ends(bytes: &[u8]) -> u64 {
    let mut count = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let alone = *byte == b'\r' && bytes.get(at + 1) != Some(&b'\n');
        count += u64::from(*byte == b'\n' || alone);
    }
    count
}

#[cfg(test)]
mod tests;
