use proptest::prelude::*;

use super::*;

type Row = (u64, Vec<String>);

/// Gives a few bytes at a time, so that every place is a boundary once.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn read(text: &[u8], delimiter: Delimiter, at_once: usize) -> (Vec<Row>, Vec<(u64, Trouble)>) {
    let mut records = Records::new(Slow(text, at_once), delimiter);
    let (mut rows, mut broken) = (Vec::new(), Vec::new());
    let mut record = Record::default();
    loop {
        match records.read(&mut record).unwrap() {
            Outcome::Row => rows.push((record.line(), record.iter().map(str::to_owned).collect())),
            Outcome::Broken(trouble) => broken.push((record.line(), trouble)),
            Outcome::End => return (rows, broken),
        }
    }
}

fn rows(text: &str, delimiter: Delimiter) -> Vec<Row> {
    let whole = read(text.as_bytes(), delimiter, usize::MAX);
    assert_eq!(whole.1, []);
    assert_eq!(read(text.as_bytes(), delimiter, 1), whole, "however it arrives");
    whole.0
}

fn row(line: u64, cells: &[&str]) -> Row {
    (line, cells.iter().map(|cell| (*cell).to_owned()).collect())
}

#[test]
fn quotes_hold_delimiters_quotes_and_line_ends_and_lines_are_still_counted_right() {
    let text = "a,b\n\"x, y\",\"say \"\"hi\"\"\"\r\n\"two\r\nlines\",z\rlast,\"\"";
    let expected =
        [row(1, &["a", "b"]), row(2, &["x, y", "say \"hi\""]), row(3, &["two\r\nlines", "z"]), row(5, &["last", ""])];
    assert_eq!(rows(text, Delimiter::COMMA), expected);
}

#[test]
fn empty_lines_are_passed_over_and_counted_whatever_ends_them() {
    assert_eq!(rows("\n\r\n\ra,b\r\r\n\nc,d", Delimiter::COMMA), [row(4, &["a", "b"]), row(7, &["c", "d"])]);
}

#[test]
fn runs_of_spaces_part_columns_and_those_at_the_ends_part_nothing() {
    let text = " id  date\n 00001 19970101  1   11.77 \n";
    assert_eq!(rows(text, Delimiter::Spaces), [row(1, &["id", "date"]), row(2, &["00001", "19970101", "1", "11.77"])]);
}

#[test]
fn blanks_around_quotes_belong_to_nobody() {
    assert_eq!(rows("a, \"6,000,000\" ,b", Delimiter::COMMA), [row(1, &["a", "6,000,000", "b"])]);
}

#[test]
fn a_quote_within_a_value_or_behind_a_closed_one_is_text() {
    assert_eq!(rows("5\" disc,\"a\"b\n", Delimiter::COMMA), [row(1, &["5\" disc", "ab"])]);
}

#[test]
fn a_quote_left_open_costs_its_own_line_only() {
    for (text, kept) in [
        ("1,\"Mug,6\n2,Cup,7\n3,\"Pot\",8\n", vec![row(2, &["2", "Cup", "7"]), row(3, &["3", "Pot", "8"])]),
        ("1,\"Mug,6\n2,Cup,7\n", vec![row(2, &["2", "Cup", "7"])]),
    ] {
        for at_once in [1, 7, usize::MAX] {
            let (found, broken) = read(text.as_bytes(), Delimiter::COMMA, at_once);
            assert_eq!((found, broken), (kept.clone(), vec![(1, Trouble::UnclosedQuote)]));
        }
    }
}

#[test]
fn a_quote_left_open_in_a_long_file_does_not_swallow_it() {
    let long = format!("1,\"Mug,6\n{}", "2,Cup,7\n".repeat(3 * LONGEST_RECORD / 8));
    let (found, broken) = read(long.as_bytes(), Delimiter::COMMA, usize::MAX);
    assert_eq!((found.len(), broken), (3 * LONGEST_RECORD / 8, vec![(1, Trouble::UnclosedQuote)]));
}

#[test]
fn a_line_too_long_and_one_of_too_many_columns_are_passed_over() {
    let text = format!("a,b\n{}\n{}\nc,d", "x".repeat(10 * 1024 * 1024), ",".repeat(5000));
    let (found, broken) = read(text.as_bytes(), Delimiter::COMMA, usize::MAX);
    assert_eq!(found, [row(1, &["a", "b"]), row(4, &["c", "d"])]);
    assert_eq!(broken, [(2, Trouble::TooLong), (3, Trouble::TooManyColumns)]);
}

#[test]
fn long_lines_cost_themselves_alone_however_many_and_however_they_arrive() {
    let long = |letter: &str, bytes: usize| format!("{},{letter}\n", letter.repeat(bytes - 2));
    let mut text = String::from("a,b\n");
    for _ in 0..20 {
        text += &long("x", LONGEST_RECORD);
        text += &long("y", LONGEST_RECORD + 3);
        text += &["\"", &"z\n".repeat(LONGEST_RECORD / 4), "\",z\n"].concat();
    }
    let (found, broken) = read(text.as_bytes(), Delimiter::COMMA, usize::MAX);
    assert_eq!(found.len(), 41, "the header, and every line up to the longest that is taken");
    assert_eq!(broken.len(), 20);
    assert_eq!(broken[0], (3, Trouble::TooLong));
    for at_once in [1000, 65_536, 65_537] {
        assert_eq!(read(text.as_bytes(), Delimiter::COMMA, at_once), (found.clone(), broken.clone()));
    }
    let many = long("x", 2 * LONGEST_RECORD).repeat(1200) + "1,2\n";
    let (found, broken) = read(many.as_bytes(), Delimiter::COMMA, usize::MAX);
    assert_eq!(
        (found, broken.len()),
        (vec![row(1201, &["1", "2"])], 1200),
        "long lines are no reason to give up a file"
    );
}

#[test]
fn a_long_text_of_several_lines_in_quotes_is_one_row_that_is_too_long() {
    for lines in [LONGEST_RECORD / 8, LONGEST_RECORD] {
        let text = format!("a,b\n1,\"{}\"\n2,Cup\n", "2,Pot, x\n".repeat(lines));
        for at_once in [1000, 65_537, usize::MAX] {
            let (found, broken) = read(text.as_bytes(), Delimiter::COMMA, at_once);
            assert_eq!(found, [row(1, &["a", "b"]), row(lines as u64 + 3, &["2", "Cup"])]);
            assert_eq!(broken, [(2, Trouble::TooLong)]);
        }
    }
    // Where no quote closes it, it is one that was left open.
    let open = format!("1,\"{}2,Cup\n", "2,Pot\n".repeat(LONGEST_PASSED / 3));
    let (found, broken) = read(open.as_bytes(), Delimiter::COMMA, usize::MAX);
    assert_eq!((found.len(), broken), (LONGEST_PASSED / 3, vec![(1, Trouble::UnclosedQuote)]));
}

#[test]
fn a_file_that_is_nothing_but_trouble_is_given_up() {
    let text = "x,\"a\n".repeat(5000);
    let mut records = Records::new(text.as_bytes(), Delimiter::COMMA);
    let mut record = Record::default();
    let error = loop {
        match records.read(&mut record) {
            Ok(Outcome::End) => panic!("it was read to its end"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::NotATable("FILE_BROKEN", _)), "{error}");
}

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

proptest! {
    #[test]
    fn what_was_written_in_quotes_is_read_back(
        table in prop::collection::vec(prop::collection::vec("[a-zä\\n\\r\",; ]{0,8}", 1..5), 1..8),
        at_once in 1_usize..40,
    ) {
        let text: String = table.iter().map(|row| row.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(",") + "\r\n").collect();
        let (found, broken) = read(text.as_bytes(), Delimiter::COMMA, at_once);
        prop_assert_eq!(broken, vec![]);
        prop_assert_eq!(found.into_iter().map(|(_, cells)| cells).collect::<Vec<_>>(), table);
    }

    #[test]
    fn any_text_is_read_to_its_end_the_same_however_it_arrives(text in "[ab\",;\\n\\r \\t|é]{0,200}", at_once in 1_usize..20) {
        for delimiter in [Delimiter::COMMA, Delimiter::TAB, Delimiter::Spaces] {
            prop_assert_eq!(
                read(text.as_bytes(), delimiter, at_once),
                read(text.as_bytes(), delimiter, usize::MAX)
            );
        }
    }
}
