//! From the bytes of a file to its text: unpacked, decoded, bounded.

use std::io::{self, BufRead, BufReader, Read};

use encoding_rs::Encoding;
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::bufread::MultiGzDecoder;

use crate::Error;
use crate::error::Carried;

/// How much of the start of a file tells what it is.
const START: usize = 8 * 1024;

/// How the formats that are no text begin, and what to do about them.
const STRANGERS: [(&[u8], &str, &str); 10] = [
    (b"PK\x03\x04", "FILE_SPREADSHEET", "a zip archive or an Excel workbook (.xlsx): save it as CSV first"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "FILE_SPREADSHEET", "an old Excel workbook (.xls): save it as CSV first"),
    (b"%PDF", "FILE_OTHER_FORMAT", "a PDF document: the table in it has to be saved as CSV first"),
    (b"\x28\xb5\x2f\xfd", "FILE_PACKED", "packed by zstd: unpack it first, or pack it by gzip"),
    (b"BZh", "FILE_PACKED", "packed by bzip2: unpack it first, or pack it by gzip"),
    (b"\xfd7zXZ\x00", "FILE_PACKED", "packed by xz: unpack it first, or pack it by gzip"),
    (b"7z\xbc\xaf\x27\x1c", "FILE_PACKED", "a 7z archive: unpack it first"),
    (b"Rar!\x1a\x07", "FILE_PACKED", "a rar archive: unpack it first"),
    (b"\x89PNG", "FILE_OTHER_FORMAT", "a picture"),
    (b"PAR1", "FILE_OTHER_FORMAT", "a Parquet file: save it as CSV first"),
];

/// The bytes of a file, unpacked where gzip has packed it. What is no text is refused by its first bytes, and what has
/// more than `most` bytes once unpacked when so many have been read.
pub fn unpack<'a>(raw: impl Read + 'a, most: u64) -> Result<Box<dyn Read + 'a>, Error> {
    let mut raw = BufReader::with_capacity(START, raw);
    let start = filled(&mut raw)?;
    if start.is_empty() {
        return Err(Error::NotATable("FILE_EMPTY", "the file is empty".to_owned()));
    }
    if !start.starts_with(&[0x1f, 0x8b]) {
        refuse_strangers(start)?;
        return Ok(Box::new(Bounded { inner: raw, left: most, most }));
    }
    let mut unpacked = BufReader::with_capacity(START, MultiGzDecoder::new(raw));
    let start = filled(&mut unpacked)?;
    if start.is_empty() {
        return Err(Error::NotATable("FILE_EMPTY", "the file is packed by gzip and empty inside".to_owned()));
    }
    if start.starts_with(&[0x1f, 0x8b]) {
        return Err(Error::NotATable("FILE_PACKED", "the file is packed by gzip twice: unpack it once".to_owned()));
    }
    refuse_strangers(start)?;
    Ok(Box::new(Bounded { inner: unpacked, left: most, most }))
}

/// The text of bytes in an encoding, as UTF-8; a byte order mark overrides it. Bytes that are no text of the encoding
/// show as U+FFFD.
pub fn decode<'a>(bytes: impl Read + 'a, encoding: &'static Encoding) -> Box<dyn Read + 'a> {
    let text = DecodeReaderBytesBuilder::new().encoding(Some(encoding)).bom_override(true).build(bytes);
    Box::new(InLargeParts(BufReader::with_capacity(START, text)))
}

/// Asks for much at once, whoever reads how little: the decoder loses the rest of the last character when that is one that
/// breaks off and there is no room for all of its replacement.
struct InLargeParts<R>(BufReader<R>);

// Nothing but this: `read_to_end` of a `BufReader` would pass it by.
impl<R: Read> Read for InLargeParts<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

fn filled(reader: &mut impl BufRead) -> Result<&[u8], Error> {
    Ok(reader.fill_buf()?)
}

fn refuse_strangers(start: &[u8]) -> Result<(), Error> {
    if let Some((_, reason, what)) = STRANGERS.iter().find(|(signature, ..)| start.starts_with(signature)) {
        return Err(Error::NotATable(reason, format!("the file is {what}")));
    }
    // A stray zero in a text spoils its row; a file full of them is no text.
    if utf16(start).is_none() && zeros(start) > 4 + start.len() / 64 {
        return Err(Error::NotATable("FILE_NO_TEXT", "the file is no text: it holds zero bytes throughout".to_owned()));
    }
    Ok(())
}

fn zeros(bytes: &[u8]) -> usize {
    bytes.iter().map(|byte| usize::from(*byte == 0)).sum()
}

/// UTF-16 with a byte order mark, or without one where every other byte of most characters is zero, as in Latin scripts.
pub(crate) fn utf16(start: &[u8]) -> Option<&'static Encoding> {
    if start.starts_with(&[0xff, 0xfe]) {
        return Some(encoding_rs::UTF_16LE);
    }
    if start.starts_with(&[0xfe, 0xff]) {
        return Some(encoding_rs::UTF_16BE);
    }
    let (pairs, _) = start.as_chunks::<2>();
    if pairs.len() < 2 {
        return None;
    }
    let high = pairs.iter().filter(|pair| pair[0] == 0 && pair[1] != 0).count();
    let low = pairs.iter().filter(|pair| pair[0] != 0 && pair[1] == 0).count();
    let most = pairs.len() * 7 / 10;
    match (low > most, high > most) {
        (true, _) => Some(encoding_rs::UTF_16LE),
        (_, true) => Some(encoding_rs::UTF_16BE),
        _ => None,
    }
}

/// Ends the reading of what unpacks to more than anybody wants.
struct Bounded<R> {
    inner: R,
    left: u64,
    most: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left =
            self.left.checked_sub(count as u64).ok_or_else(|| io::Error::other(Carried(Error::TooLarge(self.most))))?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    const ENCODINGS: [&Encoding; 6] = [
        encoding_rs::UTF_8,
        encoding_rs::UTF_16LE,
        encoding_rs::UTF_16BE,
        encoding_rs::WINDOWS_1251,
        encoding_rs::SHIFT_JIS,
        encoding_rs::ISO_8859_15,
    ];

    /// Beginnings of all sorts of files, and what may follow.
    fn files() -> impl Strategy<Value = Vec<u8>> {
        let starts: Vec<Vec<u8>> = STRANGERS
            .iter()
            .map(|(start, ..)| start.to_vec())
            .chain([Vec::new(), vec![0x1f, 0x8b], vec![0x1f, 0x8b, 8, 0], vec![0xff, 0xfe], vec![0xfe, 0xff]])
            .collect();
        let rest = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..400),
            "[a-z;,\"\n]{0,300}".prop_map(String::into_bytes),
            Just(vec![0; 300]),
        ];
        (prop::sample::select(starts), rest).prop_map(|(start, rest)| [start, rest].concat())
    }

    proptest! {
        #[test]
        fn any_file_is_text_of_a_bounded_length_or_refused_by_a_reason(file in files(), pack: bool, cut in 0..40_usize, most in 0..500_u64) {
            let mut sent = if pack { packed(&file) } else { file.clone() };
            sent.truncate(sent.len().saturating_sub(cut));
            match read(&sent, most) {
                Ok(bytes) => {
                    prop_assert!(bytes.len() as u64 <= most);
                    prop_assert!(cut > 0 || bytes == file || bytes == sent);
                }
                Err(error) => prop_assert!(error.reason().starts_with("FILE_"), "{error}"),
            }
        }

        #[test]
        fn any_bytes_are_text_in_any_encoding(bytes in prop::collection::vec(any::<u8>(), 0..200), which in 0..ENCODINGS.len()) {
            let mut text = String::new();
            decode(bytes.as_slice(), ENCODINGS[which]).read_to_string(&mut text).unwrap();
            prop_assert_eq!(text, ENCODINGS[which].decode(&bytes).0);
        }
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8], most: u64) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        unpack(bytes, most)?.read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn a_packed_file_reads_as_what_was_packed() {
        assert_eq!(read(&packed(b"a,b\n1,2\n"), 100).unwrap(), b"a,b\n1,2\n");
        assert_eq!(read(b"a,b\n", 100).unwrap(), b"a,b\n");
    }

    #[test]
    fn what_is_no_text_is_refused_and_said_to_be_what_it_is() {
        for (bytes, what) in [
            (b"PK\x03\x04rest".to_vec(), "xlsx"),
            (packed(b"PK\x03\x04rest"), "xlsx"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), "xls"),
            (packed(&packed(b"a")), "twice"),
            (vec![0; 500], "no text"),
            (Vec::new(), "empty"),
            (packed(b""), "empty"),
        ] {
            let error = read(&bytes, 1000).unwrap_err();
            assert!(matches!(&error, Error::NotATable(_, text) if text.contains(what)), "{error} {what}");
        }
    }

    #[test]
    fn a_file_that_unpacks_without_end_is_given_up() {
        let bomb = packed(&vec![b'\n'; 5_000_000]);
        assert!(matches!(read(&bomb, 1_000_000), Err(Error::TooLarge(1_000_000))));
        assert!(bomb.len() < 100_000);
    }

    #[test]
    fn a_packed_file_cut_short_is_called_damaged() {
        let whole = packed(&b"a,b,c\n".repeat(5000));
        let error = read(&whole[..whole.len() / 2], 1_000_000).unwrap_err();
        assert!(error.to_string().contains("cut short"), "{error}");
    }

    #[test]
    fn utf_16_is_text_with_or_without_its_mark() {
        let le: Vec<u8> = "name;email\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(utf16(&le), Some(encoding_rs::UTF_16LE));
        assert_eq!(read(&le, 100).unwrap(), le);
        assert_eq!(utf16(b"name;email\n"), None);
    }
}
