//! How a file is written, as far as it shows: encoding, delimiter, lines ahead of the table, header.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;

use crate::date::DateVote;
use crate::number::{self, Decimal};
use crate::source::utf16;
use crate::{Delimiter, Error, Outcome, Record, Records};

/// How much of the text is looked at for its layout.
pub const HEAD: usize = 256 * 1024;
/// How many rows are looked at.
const ROWS: usize = 200;
/// How many lines may stand ahead of the table.
pub const MOST_SKIPPED: u64 = 100;
const READ_AT_ONCE: usize = 64 * 1024;
/// How much of what is not plain ASCII is looked at to guess an encoding.
const GUESSED_BY: usize = 4 * 1024 * 1024;

/// The character encoding of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundEncoding {
    /// The encoding.
    pub encoding: &'static Encoding,
    /// True where the bytes leave no doubt: UTF-8 throughout, or a byte order mark.
    pub sure: bool,
}

/// Finds the encoding of a file by its bytes: all of them, unless it has more than `most`.
pub fn encoding(mut bytes: impl Read, most: u64) -> Result<FoundEncoding, Error> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let mut utf8 = Utf8::default();
    let mut buffer = vec![0; READ_AT_ONCE];
    let mut is_first = true;
    let mut fed = 0;
    let mut seen = 0;
    loop {
        let count = filled(&mut bytes, &mut buffer)?;
        let part = &buffer[..count];
        if is_first {
            if part.starts_with(&[0xef, 0xbb, 0xbf]) {
                return Ok(FoundEncoding { encoding: encoding_rs::UTF_8, sure: true });
            }
            if let Some(encoding) = utf16(&part[..count.min(8 * 1024)]) {
                let marked = part.starts_with(&[0xff, 0xfe]) || part.starts_with(&[0xfe, 0xff]);
                return Ok(FoundEncoding { encoding, sure: marked });
            }
            is_first = false;
        }
        let last = count < buffer.len();
        utf8.add(part, last);
        // Plain ASCII reads the same in all encodings in question, and tells none of them.
        if !part.is_ascii() && fed < GUESSED_BY {
            detector.feed(part, false);
            fed += count;
        }
        seen += count as u64;
        if last || seen >= most {
            break;
        }
    }
    detector.feed(&[], true);
    Ok(if utf8.holds {
        FoundEncoding { encoding: encoding_rs::UTF_8, sure: true }
    } else {
        FoundEncoding { encoding: detector.guess(None, Utf8Detection::Deny), sure: false }
    })
}

/// Reads until the buffer is full or the file ends.
fn filled(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Error> {
    let mut count = 0;
    while count < buffer.len() {
        match reader.read(&mut buffer[count..])? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

/// Whether bytes that come in parts are UTF-8.
struct Utf8 {
    holds: bool,
    /// The start of a character that the last part has cut.
    open: Vec<u8>,
}

impl Default for Utf8 {
    fn default() -> Self {
        Self { holds: true, open: Vec::new() }
    }
}

impl Utf8 {
    fn add(&mut self, part: &[u8], last: bool) {
        if !self.holds {
            return;
        }
        let mut whole = std::mem::take(&mut self.open);
        whole.extend_from_slice(part);
        match std::str::from_utf8(&whole) {
            Ok(_) => {}
            Err(error) if error.error_len().is_none() && !last => self.open = whole.split_off(error.valid_up_to()),
            Err(_) => self.holds = false,
        }
    }
}

/// How the rows of a file are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// What parts the columns.
    pub delimiter: Delimiter,
    /// How many lines stand ahead of the header, or of the first row where there is none.
    pub skip_lines: u64,
    /// Whether the first row names the columns.
    pub has_header: bool,
    /// False where nothing shows whether it does.
    pub header_sure: bool,
}

/// Finds the layout by the start of the text: at most [`HEAD`] bytes of it, with the last line whole.
pub fn layout(head: &str) -> Layout {
    let delimiter = delimiter(head);
    let rows = rows(head, delimiter);
    let typical = typical(&rows);
    let first = rows
        .iter()
        .take_while(|row| row.line() <= MOST_SKIPPED + 1)
        .position(|row| filled_cells(row) * 2 >= typical && filled_cells(row) >= typical.min(2))
        .unwrap_or_default();
    let table = rows.get(first..).unwrap_or_default();
    let (has_header, header_sure) = header(table);
    let skip_lines = table.first().map_or(0, |row| row.line() - 1);
    Layout { delimiter, skip_lines, has_header, header_sure }
}

/// The start of a text for [`layout`]: cut behind the last line that is whole, unless the text ends there.
pub fn head(mut text: impl Read) -> Result<String, Error> {
    let mut buffer = vec![0; HEAD];
    let count = filled(&mut text, &mut buffer)?;
    let mut head = String::from_utf8_lossy(&buffer[..count]).into_owned();
    if count == HEAD
        && let Some(end) = head.rfind(['\n', '\r'])
    {
        head.truncate(end + 1);
    }
    Ok(head)
}

fn rows(head: &str, delimiter: Delimiter) -> Vec<Record> {
    let mut records = Records::new(head.as_bytes(), delimiter);
    let mut rows = Vec::new();
    let mut record = Record::default();
    while rows.len() < ROWS {
        match records.read(&mut record) {
            Ok(Outcome::Row) if !record.is_blank() => rows.push(record.clone()),
            Ok(Outcome::Row | Outcome::Broken(_)) => {}
            Ok(Outcome::End) | Err(_) => break,
        }
    }
    rows
}

fn filled_cells(row: &Record) -> usize {
    row.iter().filter(|cell| !cell.trim().is_empty()).count()
}

/// How many values a row of the table has: the middle of all rows.
fn typical(rows: &[Record]) -> usize {
    let mut counts: Vec<usize> = rows.iter().map(filled_cells).collect();
    counts.sort_unstable();
    counts.get(counts.len() / 2).copied().unwrap_or_default()
}

/// The delimiter that parts the rows most evenly. One that is rare in texts goes before a comma, and a comma before
/// spaces, which all texts have.
fn delimiter(head: &str) -> Delimiter {
    let candidates = [Delimiter::TAB, Delimiter::SEMICOLON, Delimiter::PIPE, Delimiter::COMMA, Delimiter::Spaces];
    let mut best = (0_u32, Delimiter::COMMA);
    for candidate in candidates {
        let (columns, percent) = evenness(&rows(head, candidate));
        let score = match (columns, candidate) {
            (0 | 1, _) => 0,
            // Words are no columns: where spaces part them, every row must have as many.
            (_, Delimiter::Spaces) if percent < 95 => 0,
            (_, Delimiter::Spaces) => 30,
            _ => percent,
        };
        if score > best.0 + if best.0 >= 80 { 20 } else { 0 } {
            best = (score, candidate);
        }
    }
    best.1
}

/// The usual number of columns, and how many rows of a hundred have it.
fn evenness(rows: &[Record]) -> (usize, u32) {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for row in rows {
        *counts.entry(row.len()).or_default() += 1;
    }
    let usual = counts.iter().max_by_key(|(columns, rows)| (**rows * usize::from(**columns > 1), **columns));
    let (columns, most) = usual.map_or((0, 0), |(columns, most)| (*columns, *most));
    let percent = (most * 100).checked_div(rows.len()).unwrap_or_default();
    (columns, u32::try_from(percent).unwrap_or_default())
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Nothing,
    Number,
    Date,
    Email,
    Code,
    Text,
}

fn look(value: &str) -> Look {
    let value = value.trim();
    if value.is_empty() || value.eq_ignore_ascii_case("null") {
        return Look::Nothing;
    }
    let mut dates = DateVote::default();
    dates.add(value);
    if dates.decide().is_some() {
        return Look::Date;
    }
    if [Decimal::Point, Decimal::Comma].into_iter().any(|decimal| number::plain(value, decimal).is_some()) {
        return Look::Number;
    }
    if value.contains('@') && value.contains('.') && !value.contains(' ') {
        return Look::Email;
    }
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    if digits * 3 >= value.len() && !value.contains(' ') || value.starts_with('+') && digits >= 7 {
        return Look::Code;
    }
    Look::Text
}

/// Whether the first row names the columns, and whether anything shows it.
fn header(table: &[Record]) -> (bool, bool) {
    let Some((first, rest)) = table.split_first() else { return (false, false) };
    let names: Vec<Look> = first.iter().map(look).collect();
    let texts = names.iter().filter(|look| **look == Look::Text).count();
    let mut different = 0;
    let mut alike = 0;
    for (column, name) in names.iter().enumerate() {
        let values: Vec<Look> = rest
            .iter()
            .take(50)
            .filter_map(|row| row.get(column))
            .map(look)
            .filter(|look| *look != Look::Nothing)
            .collect();
        let typed = values.iter().filter(|look| **look != Look::Text).count();
        if values.is_empty() || typed * 5 < values.len() * 4 {
            continue;
        }
        match name {
            Look::Text => different += 1,
            Look::Nothing => {}
            _ => alike += 1,
        }
    }
    let distinct: HashSet<String> = first.iter().map(|name| name.trim().to_lowercase()).collect();
    if different > alike {
        (true, true)
    } else if alike > different || texts * 2 < names.len() {
        (false, true)
    } else {
        (distinct.len() == names.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(bytes: &[u8]) -> FoundEncoding {
        encoding(bytes, u64::MAX).unwrap()
    }

    #[test]
    fn utf_8_is_sure_wherever_a_buffer_ends() {
        let text = "имя,почта\n".repeat(20_000);
        assert_eq!(found(text.as_bytes()), FoundEncoding { encoding: encoding_rs::UTF_8, sure: true });
        assert!(found(b"a,b\n").sure);
        assert!(found(b"\xef\xbb\xbfa").sure);
    }

    #[test]
    fn older_encodings_are_found_and_told_to_be_a_guess() {
        let text = "Имя;Город;Заказ\nЮлия Иванова;Санкт-Петербург;Первый заказ\n".repeat(5);
        let (bytes, ..) = encoding_rs::WINDOWS_1251.encode(&text);
        assert_eq!(found(&bytes), FoundEncoding { encoding: encoding_rs::WINDOWS_1251, sure: false });
        let (bytes, ..) = encoding_rs::WINDOWS_1252.encode("nombre;ciudad\nJosé Muñoz;A Coruña\nMaría;León\n");
        assert_eq!(found(&bytes), FoundEncoding { encoding: encoding_rs::WINDOWS_1252, sure: false });
        let marked: Vec<u8> = "\u{feff}a,b\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(found(&marked), FoundEncoding { encoding: encoding_rs::UTF_16LE, sure: true });
    }

    #[test]
    fn the_delimiter_is_what_parts_the_rows_evenly() {
        for (text, delimiter) in [
            ("a;b\n1,5;2,5\n3,5;4,5\n", Delimiter::SEMICOLON),
            ("name,tags\nx,\"a;b\"\ny,\"c;d\"\n", Delimiter::COMMA),
            ("id\tname\n1\tA, B\n2\tC, D\n", Delimiter::TAB),
            ("Year|New dwellings\n1986|44000\n", Delimiter::PIPE),
            (" id date n value\n 1 19970101  1   11.77\n", Delimiter::Spaces),
            ("a@example.org\nb@example.org\n", Delimiter::COMMA),
            ("full name,e mail\nJohn Doe,j d\nAnn Lee,a l\n", Delimiter::COMMA),
        ] {
            assert_eq!(layout(text).delimiter, delimiter, "{text}");
        }
    }

    #[test]
    fn lines_ahead_of_the_table_are_found() {
        let text = "\"Report, 2000 to 2007\",,,\nthousands,,,\n,,,\nName,A,B,C\nx,1,2,3\ny,4,5,6\nz,4,5,6\n";
        let found = layout(text);
        assert_eq!((found.skip_lines, found.has_header, found.header_sure), (3, true, true));
        assert_eq!(layout("a,b\n1,2\n").skip_lines, 0);
    }

    #[test]
    fn a_header_is_told_from_a_row() {
        let of = |text: &str| {
            let found = layout(text);
            (found.has_header, found.header_sure)
        };
        assert_eq!(of("name,email\nAnn,a@example.org\n"), (true, true));
        assert_eq!(of("1,null,0,0\n2,0,0,null\n"), (false, true));
        assert_eq!(of("00004 0001 19970101 2 29.33\n00004 0001 19970118 2 29.73\n"), (false, true));
        assert_eq!(of("field1,field2\nhello,goodbye\n"), (true, false));
        assert_eq!(of(""), (false, false));
    }

    proptest! {
        #[test]
        fn any_text_has_some_layout(text in "[a-z0-9,;|\\t \"\\n\\r@.é-]{0,300}") {
            let _ = layout(&text);
        }

        #[test]
        fn any_bytes_have_some_encoding(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = found(&bytes);
        }
    }
}
