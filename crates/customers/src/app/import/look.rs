//! Finds out how a file is written and what its columns may mean; shows its first rows as they would be understood.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use clientele_kernel::{Error as KernelError, Violation, Violations};
use clientele_platform::Caller;
use clientele_tabular::survey::{Survey, survey};
use clientele_tabular::{Records, Trouble, sniff};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::file::{Source, Table, blocking, removed, too_many_rows, unreadable};
use super::{ImportId, Imports};
use crate::Error;
use crate::domain::contact::Region;
use crate::domain::import::customer::Person;
use crate::domain::import::order;
use crate::domain::import::value::Reader;
use crate::domain::import::{Delimiter, Format, Import, Kind, Look, MOST_ROWS, RawRow, Warning, encoding, mapping};

/// How much of the text is read when a file is looked at anew, or its first rows are: a caller waits for the answer, some seconds at most. An
/// upload, which takes its time anyway, looks at all of it.
const LOOKED_AT_AGAIN: u64 = 64 * 1024 * 1024;
/// How long a caller waits for a place to look at a file, and one who has uploaded it.
const SHORT_PATIENCE: Duration = Duration::from_secs(3);
const LONG_PATIENCE: Duration = Duration::from_mins(1);

/// What of the reading was said by a person: all but a delimiter that is to be found out.
struct Said {
    delimiter: bool,
}

/// A row as it would be understood.
#[derive(Debug)]
pub(crate) struct PreviewRow {
    pub(crate) row: RawRow,
    pub(crate) understood: BTreeMap<String, String>,
    pub(crate) violations: Vec<Violation>,
}

impl Imports {
    /// Looks at a file anew, as a person said it is read.
    pub(super) async fn look_again(
        &self,
        import: &Import,
        format: Format,
        delimiter_known: bool,
    ) -> Result<Look, Error> {
        let file = import.file.ok_or_else(removed)?;
        let size = u64::try_from(import.size_bytes).unwrap_or_default();
        let fingerprint = import.look.fingerprint.clone();
        let place = self.looks.take(SHORT_PATIENCE).await?;
        let source = Source::new(&self.db, import.id, file, size);
        let kind = import.kind;
        blocking(move || {
            let _place = place;
            let said = Said { delimiter: delimiter_known };
            let look = look(&source, kind, format, Some(&said), LOOKED_AT_AGAIN)?;
            let fingerprint = if fingerprint.is_empty() { self::fingerprint(source.raw())? } else { fingerprint };
            Ok(Look { fingerprint, ..look })
        })
        .await
    }

    /// Looks at an uploaded file of so many bytes, of which nobody has said anything yet.
    pub(super) async fn look(&self, import: &Import, (file, size): (Uuid, u64), format: Format) -> Result<Look, Error> {
        let place = self.looks.take(LONG_PATIENCE).await?;
        let source = Source::new(&self.db, import.id, file, size);
        let kind = import.kind;
        blocking(move || {
            let _place = place;
            let look = look(&source, kind, format, None, u64::MAX)?;
            Ok(Look { fingerprint: fingerprint(source.raw())?, ..look })
        })
        .await
    }

    /// Looks at a file that could not be looked at when it was uploaded.
    async fn look_late(&self, caller: &Caller, import: Import) -> Result<Import, Error> {
        let source = self.source(&import)?;
        let (kind, format) = (import.kind, import.look.format.clone());
        let place = self.looks.take(SHORT_PATIENCE).await?;
        let look = blocking(move || {
            let _place = place;
            let look = look(&source, kind, format, None, LOOKED_AT_AGAIN)?;
            Ok(Look { fingerprint: fingerprint(source.raw())?, ..look })
        })
        .await?;
        self.change(caller, import.id, |present, _| {
            // Somebody else may have looked meanwhile, or uploaded another file.
            if present.is_unlooked() && present.file == import.file {
                present.look = look;
            }
            Ok(())
        })
        .await
    }

    /// The first rows as they would be understood, and the import.
    pub(crate) async fn preview(
        &self,
        caller: &Caller,
        id: ImportId,
        rows: usize,
    ) -> Result<(Import, Vec<PreviewRow>), Error> {
        let mut import = self.get(caller, id).await?;
        if import.is_unlooked() && import.is_of(&caller.actor) {
            import = self.look_late(caller, import).await?;
        }
        let source = self.source(&import)?;
        let reader = Reader::new(&import)?;
        let region = self.region;
        let place = self.looks.take(SHORT_PATIENCE).await?;
        blocking(move || {
            let _place = place;
            let mut table = Table::open(&source, &import)?;
            let mut shown = Vec::with_capacity(rows);
            while shown.len() < rows && table.offset() < LOOKED_AT_AGAIN {
                let Some(row) = table.next()? else { break };
                shown.push(understood(&reader, row, region));
            }
            Ok((import, shown))
        })
        .await
    }
}

fn understood(reader: &Reader, row: RawRow, region: Option<Region>) -> PreviewRow {
    let (understood, violations) = match reader.values(&row) {
        Err(violations) => (BTreeMap::new(), violations),
        Ok(values) => {
            let violations = match reader.kind {
                Kind::Customers => Person::of_row(&values, region).err(),
                Kind::Orders => order::row_violations(&values, region),
            };
            (values.understood(), violations.unwrap_or_default())
        }
    };
    PreviewRow { row, understood, violations }
}

/// Looks at a file, at so many bytes of its text or some more; the fingerprint is left empty.
fn look(source: &Source, kind: Kind, mut format: Format, said: Option<&Said>, most: u64) -> Result<Look, Error> {
    let mut warnings = Vec::new();
    let known = (!format.encoding.is_empty()).then(|| encoding(&format.encoding)).flatten();
    let encoding = if let Some(encoding) = known {
        encoding
    } else {
        let found = sniff::encoding(source.bytes().map_err(unreadable)?, most).map_err(unreadable)?;
        if !found.sure {
            let name = found.encoding.name();
            let description =
                format!("the file is no UTF-8 and was taken for {name}: look whether accents and letters are right");
            warnings.push(Warning::new("ENCODING_UNSURE", description).with("encoding", name));
        }
        found.encoding
    };
    encoding.name().clone_into(&mut format.encoding);
    let head = sniff::head(source.text(encoding).map_err(unreadable)?).map_err(unreadable)?;
    let layout = sniff::layout(&head);
    match said {
        None => {
            format.delimiter = Delimiter::found(layout.delimiter);
            format.has_header = layout.has_header;
            format.skip_lines = u32::try_from(layout.skip_lines).unwrap_or(u32::MAX);
        }
        Some(Said { delimiter: false }) => format.delimiter = Delimiter::found(layout.delimiter),
        Some(_) => {}
    }
    let survey = survey_of(source, encoding, &format, most)?;
    let columns = mapping::suggest(kind, &survey);
    let recognised = columns.iter().any(|column| !column.field.is_empty());
    if said.is_none() && (!format.has_header || !layout.header_sure && !recognised) {
        let (reason, description) = if format.has_header {
            ("HEADER_UNSURE", "whether the first row names the columns cannot be told from it: it is taken to")
        } else {
            ("NO_HEADER_FOUND", "the first row does not name the columns: it is taken for a row like the others")
        };
        warnings.push(Warning::new(reason, description));
    }
    warnings.extend(of_rows(&survey, encoding.name()));
    warnings.extend(doubles(&survey));
    if said.is_none() {
        mapping::ways(kind, &columns, &mut format);
    }
    let (total_rows, uncounted) = (survey.rows, !survey.whole);
    Ok(Look { format, columns, warnings, said: said.is_some(), total_rows, uncounted, fingerprint: String::new() })
}

fn survey_of(
    source: &Source,
    encoding: &'static encoding_rs::Encoding,
    format: &Format,
    most: u64,
) -> Result<Survey, Error> {
    let text = source.text(encoding).map_err(unreadable)?;
    let mut records = Records::new(text, format.delimiter.tabular());
    let found = survey(&mut records, format.skip_lines.into(), format.has_header, most).map_err(unreadable)?;
    if found.columns.is_empty() {
        let why = match found.first_broken {
            Some((line, trouble)) => format!("line {line}: {}", trouble.describe()),
            None => "it holds nothing but empty lines".to_owned(),
        };
        let error = KernelError::invalid("content", format!("the file has no rows: {why}"));
        return Err(error.with_reason("FILE_WITHOUT_ROWS").into());
    }
    if found.rows > MOST_ROWS {
        return Err(too_many_rows(found.rows));
    }
    Ok(found)
}

/// What is wrong with some rows.
fn of_rows(survey: &Survey, encoding: &str) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if let Some((line, trouble)) = survey.first_broken {
        let reason = if trouble == Trouble::UnclosedQuote { "UNCLOSED_QUOTE" } else { "BROKEN_ROWS" };
        let count = survey.broken;
        let description = format!("{count} lines will be refused, the first is line {line}: {}", trouble.describe());
        let warning = Warning::new(reason, description).with("count", count).with("line", line);
        let warning = warning.with("trouble", trouble.reason());
        warnings.push(match trouble.bound() {
            Some((name, most)) => warning.with(name, most),
            None => warning,
        });
    }
    if let Some(line) = survey.first_uneven {
        let (count, columns) = (survey.uneven, survey.columns.len());
        let description = format!("{count} rows have more or fewer columns than {columns}, the first is line {line}");
        let warning = Warning::new("UNEVEN_ROWS", description).with("count", count).with("line", line);
        warnings.push(warning.with("columns", columns));
    }
    if survey.garbled > 0 {
        let count = survey.garbled;
        let description = format!("{count} rows hold bytes that are no text in {encoding}: they will be refused");
        warnings.push(Warning::new("ENCODING_WRONG", description).with("count", count).with("encoding", encoding));
    }
    warnings
}

fn doubles(survey: &Survey) -> Vec<Warning> {
    let mut seen = std::collections::HashSet::new();
    let named = survey.columns.iter().filter(|column| !column.name.is_empty());
    named
        .filter(|column| !seen.insert(column.name.to_lowercase()))
        .map(|column| {
            let description = "two columns have this name: look which of them is meant";
            Warning::new("DUPLICATE_COLUMN", description).of_column(&column.name)
        })
        .collect()
}

fn fingerprint(mut bytes: impl Read) -> Result<String, Error> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = bytes.read(&mut buffer).map_err(|error| unreadable(error.into()))?;
        if count == 0 {
            return Ok(hex::encode(&hash.finalize()[..8]));
        }
        hash.update(&buffer[..count]);
    }
}

/// Refuses a number of rows to show that makes no sense.
pub(crate) fn preview_rows(rows: i32) -> Result<usize, KernelError> {
    match usize::try_from(rows) {
        Ok(0) => Ok(10),
        Ok(rows @ 1..=50) => Ok(rows),
        _ => {
            let mut v = Violations::new();
            v.push("rows", format!("`{rows}` is out of range: 1 to 50 are wanted, 0 for 10"));
            Err(KernelError::invalid_all(v.into_inner()))
        }
    }
}
