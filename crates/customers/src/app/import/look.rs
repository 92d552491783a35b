//! Finds out how a file is written and what its columns may mean; shows its first rows as they would be understood.

use std::collections::BTreeMap;
use std::io::Read;

use clientele_kernel::{Error as KernelError, Violation, Violations};
use clientele_platform::Caller;
use clientele_tabular::survey::{Survey, survey};
use clientele_tabular::{Records, Trouble, sniff};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::file::{Source, Table, blocking, removed, unreadable};
use super::{ImportId, Imports};
use crate::Error;
use crate::domain::contact::Region;
use crate::domain::import::customer::Person;
use crate::domain::import::order;
use crate::domain::import::value::Reader;
use crate::domain::import::{Delimiter, Format, Import, Kind, Look, MOST_ROWS, RawRow, Warning, encoding, mapping};

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
        self.look(import, (file, size), format, Some(delimiter_known)).await
    }

    /// Looks at an uploaded file of so many bytes. `said` is `None` when nobody has said anything about it yet, else whether the
    /// delimiter was said.
    pub(super) async fn look(
        &self,
        import: &Import,
        (file, size): (Uuid, u64),
        format: Format,
        said: Option<bool>,
    ) -> Result<Look, Error> {
        let source = Source::new(&self.db, import.id, file, size);
        let kind = import.kind;
        blocking(move || look(&source, kind, format, said.map(|delimiter| Said { delimiter }))).await
    }

    /// The first rows as they would be understood, and the import.
    pub(crate) async fn preview(
        &self,
        caller: &Caller,
        id: ImportId,
        rows: usize,
    ) -> Result<(Import, Vec<PreviewRow>), Error> {
        let import = self.get(caller, id).await?;
        let source = self.source(&import)?;
        let reader = Reader::new(&import)?;
        let region = self.region;
        blocking(move || {
            let mut table = Table::open(&source, &import)?;
            let mut shown = Vec::with_capacity(rows);
            while shown.len() < rows {
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

fn look(source: &Source, kind: Kind, mut format: Format, said: Option<Said>) -> Result<Look, Error> {
    let mut warnings = Vec::new();
    let warning =
        |reason: &str, description: String| Warning { reason: reason.to_owned(), column: String::new(), description };
    let known = (!format.encoding.is_empty()).then(|| encoding(&format.encoding)).flatten();
    let encoding = if let Some(encoding) = known {
        encoding
    } else {
        let found = sniff::encoding(source.bytes().map_err(unreadable)?).map_err(unreadable)?;
        if !found.sure {
            let name = found.encoding.name();
            warnings.push(warning(
                "ENCODING_UNSURE",
                format!("the file is no UTF-8 and was taken for {name}: look whether accents and letters are right"),
            ));
        }
        found.encoding
    };
    encoding.name().clone_into(&mut format.encoding);
    let head = sniff::head(source.text(encoding).map_err(unreadable)?).map_err(unreadable)?;
    let layout = sniff::layout(&head);
    match &said {
        None => {
            format.delimiter = Delimiter::found(layout.delimiter);
            format.has_header = layout.has_header;
            format.skip_lines = u32::try_from(layout.skip_lines).unwrap_or(u32::MAX);
        }
        Some(Said { delimiter: false }) => format.delimiter = Delimiter::found(layout.delimiter),
        Some(_) => {}
    }
    let survey = survey_of(source, encoding, &format)?;
    let columns = mapping::suggest(kind, &survey);
    let recognised = columns.iter().any(|column| !column.field.is_empty());
    if said.is_none() && (!format.has_header || !layout.header_sure && !recognised) {
        warnings.push(warning(
            "NO_HEADER_FOUND",
            if format.has_header {
                "whether the first row names the columns cannot be told from it: it is taken to".to_owned()
            } else {
                "the first row does not name the columns: it is taken for a row like the others".to_owned()
            },
        ));
    }
    warnings.extend(of_rows(&survey, encoding.name()));
    warnings.extend(doubles(&survey));
    if said.is_none() {
        mapping::ways(kind, &columns, &mut format);
    }
    let fingerprint = fingerprint(source.raw())?;
    Ok(Look { format, columns, warnings, said: said.is_some(), total_rows: survey.rows, fingerprint })
}

fn survey_of(source: &Source, encoding: &'static encoding_rs::Encoding, format: &Format) -> Result<Survey, Error> {
    let text = source.text(encoding).map_err(unreadable)?;
    let mut records = Records::new(text, format.delimiter.tabular());
    let found = survey(&mut records, format.skip_lines.into(), format.has_header, |_| Ok(())).map_err(unreadable)?;
    if found.columns.is_empty() {
        let why = match found.first_broken {
            Some((line, trouble)) => format!("line {line}: {}", trouble.describe()),
            None => "it holds nothing but empty lines".to_owned(),
        };
        return Err(KernelError::invalid("content", format!("the file has no rows: {why}")).into());
    }
    if found.rows > MOST_ROWS {
        let message = format!("the file has {} rows: at most {MOST_ROWS} are taken at a time, part it", found.rows);
        return Err(KernelError::invalid("content", message).into());
    }
    Ok(found)
}

/// What is wrong with some rows.
fn of_rows(survey: &Survey, encoding: &str) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |reason: &str, description: String| {
        warnings.push(Warning { reason: reason.to_owned(), column: String::new(), description });
    };
    if let Some((line, trouble)) = survey.first_broken {
        let reason = if trouble == Trouble::UnclosedQuote { "UNCLOSED_QUOTE" } else { "UNEVEN_ROWS" };
        let count = survey.broken;
        warn(reason, format!("{count} lines will be refused, the first is line {line}: {}", trouble.describe()));
    }
    if let Some(line) = survey.first_uneven {
        let (count, columns) = (survey.uneven, survey.columns.len());
        warn(
            "UNEVEN_ROWS",
            format!("{count} rows have more or fewer columns than {columns}, the first is line {line}"),
        );
    }
    if survey.garbled > 0 {
        let count = survey.garbled;
        warn(
            "ENCODING_UNSURE",
            format!("{count} rows hold bytes that are no text in {encoding}: they will be refused"),
        );
    }
    warnings
}

fn doubles(survey: &Survey) -> Vec<Warning> {
    let mut seen = std::collections::HashSet::new();
    let named = survey.columns.iter().filter(|column| !column.name.is_empty());
    named
        .filter(|column| !seen.insert(column.name.to_lowercase()))
        .map(|column| Warning {
            reason: "DUPLICATE_COLUMN".to_owned(),
            column: column.name.chars().take(200).collect(),
            description: "two columns have this name: look which of them is meant".to_owned(),
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
