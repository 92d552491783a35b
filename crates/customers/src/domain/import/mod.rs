//! Imports of files by hand: what one is, which states it goes through, and what its rows mean.
//!
//! - [`field`]: the fields that columns can fill, and how to know them by their headers
//! - [`mapping`]: what the columns mean: suggested, and checked before a run
//! - [`value`]: the values of a row
//! - [`customer`]: a row as a customer
//! - [`order`]: rows as orders

pub(crate) mod customer;
pub(crate) mod field;
pub(crate) mod mapping;
pub(crate) mod order;
pub(crate) mod value;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::{Actor, Error, ImportId, Violation, Violations};
use clientele_tabular as tabular;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::reference::Reference;
use super::text;

/// The largest file that is taken, in bytes.
pub(crate) const LARGEST_FILE: u64 = 256 * 1024 * 1024;
/// What a packed file may unpack to, in bytes.
const LARGEST_TEXT: u64 = 1024 * 1024 * 1024;
/// What any packed file may unpack to, in bytes.
const USUAL_TEXT: u64 = 64 * 1024 * 1024;
/// How many times its own size a larger one may unpack to: rows that people write pack to a tenth, hardly ever to less.
const MOST_PACKED: u64 = 100;
/// How many rows a file may have.
pub(crate) const MOST_ROWS: u64 = 1_000_000;
/// How many files of one person are kept at a time.
pub(crate) const MOST_FILES: i64 = 50;
/// How long a file is kept.
pub(crate) const RETENTION: TimeDelta = TimeDelta::days(7);
/// The source of ids where nobody says another.
pub(crate) const SOURCE: &str = "import";
const MOST_WARNINGS: usize = 20;

macro_rules! named {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// The name in storage.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads the name.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

named! {
    /// What the rows are.
    Kind {
        /// A customer each.
        Customers = "customers",
        /// Orders or lines of orders.
        Orders = "orders",
    }
}

named! {
    /// What has become of an import.
    State {
        /// The file is awaited.
        AwaitingFile = "awaiting_file",
        /// The file is here.
        Ready = "ready",
        /// A trial run goes on.
        Checking = "checking",
        /// The run goes on.
        Running = "running",
        /// The run has come to its end.
        Done = "done",
        /// The run could not go on.
        Failed = "failed",
        /// Somebody stopped the run.
        Cancelled = "cancelled",
        /// It is being taken back.
        Undoing = "undoing",
        /// It was taken back.
        Undone = "undone",
    }
}

/// What parts the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Delimiter {
    #[default]
    Comma,
    Semicolon,
    Tab,
    Pipe,
    Spaces,
}

impl Delimiter {
    /// For reading.
    pub(crate) const fn tabular(self) -> tabular::Delimiter {
        match self {
            Self::Comma => tabular::Delimiter::COMMA,
            Self::Semicolon => tabular::Delimiter::SEMICOLON,
            Self::Tab => tabular::Delimiter::TAB,
            Self::Pipe => tabular::Delimiter::PIPE,
            Self::Spaces => tabular::Delimiter::Spaces,
        }
    }

    /// As it was found.
    pub(crate) fn found(delimiter: tabular::Delimiter) -> Self {
        [Self::Comma, Self::Semicolon, Self::Tab, Self::Pipe, Self::Spaces]
            .into_iter()
            .find(|known| known.tabular() == delimiter)
            .unwrap_or_default()
    }
}

/// How the file is read.
#[expect(clippy::struct_field_names, reason = "the fields are named as in the contract")]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Format {
    /// WHATWG name.
    pub(crate) encoding: String,
    pub(crate) delimiter: Delimiter,
    pub(crate) has_header: bool,
    pub(crate) skip_lines: u32,
    /// In the manner of strftime; empty for ISO 8601.
    pub(crate) date_format: String,
    /// `.` or `,`.
    pub(crate) decimal_separator: String,
    /// IANA name.
    pub(crate) time_zone: String,
    /// ISO 4217 code; empty where nobody has said it.
    pub(crate) currency: String,
    /// Status of orders that say none.
    pub(crate) order_status: String,
}

/// A column of the file, with what its values showed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Column {
    /// Its header, or its number where there is none.
    pub(crate) name: String,
    /// The field it fills; empty for none.
    pub(crate) field: String,
    /// The first values.
    pub(crate) samples: Vec<String>,
    /// How its dates are written, where it holds dates.
    pub(crate) date: Option<Shown>,
    /// The decimal separator of its numbers, where it holds numbers that show one.
    pub(crate) decimal: Option<Shown>,
}

/// A way of writing that the values of a column show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// The way.
    pub(crate) way: String,
    /// Another way that fits all values as well; empty for none.
    pub(crate) doubt: String,
}

/// Something in the file that a person should decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Warning {
    pub(crate) reason: String,
    pub(crate) column: String,
    pub(crate) description: String,
}

/// What is known of the file, and what was said about it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Look {
    pub(crate) format: Format,
    pub(crate) columns: Vec<Column>,
    /// What was noticed on the file as a whole.
    pub(crate) warnings: Vec<Warning>,
    /// True once a person has said, or confirmed, how dates and numbers are written.
    pub(crate) said: bool,
    pub(crate) total_rows: u64,
    /// SHA-256 of the file, its first half in hex: names what has no id.
    pub(crate) fingerprint: String,
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) rows: i64,
    pub(crate) total_rows: i64,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) unchanged: i64,
    pub(crate) refused: i64,
    pub(crate) orders_created: i64,
    pub(crate) orders_updated: i64,
    pub(crate) orders_unchanged: i64,
    /// Rows whose e-mail or phone several customers have.
    pub(crate) several: i64,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

impl Progress {
    /// The beginning of a run.
    pub(crate) fn begin(now: DateTime<Utc>, total_rows: u64) -> Self {
        let total_rows = i64::try_from(total_rows).unwrap_or(i64::MAX);
        Self { started_at: now, total_rows, ..Self::default() }
    }
}

/// What came of taking an import back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Undo {
    pub(crate) removed: i64,
    pub(crate) restored: i64,
    pub(crate) kept: i64,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

/// Where a run goes on when it was broken off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// How many rows of the file have been gone through.
    pub(crate) rows: u64,
    /// Orders: whether all rows are sorted by order.
    pub(crate) staged: bool,
    /// Orders: the last order that is settled.
    pub(crate) after: Option<String>,
    /// Number of the next batch of orders.
    pub(crate) batch: u64,
    /// Whether that batch may have been sent: what became of it is not noted yet.
    #[serde(default)]
    pub(crate) sent: bool,
    /// Place of the next record.
    pub(crate) seq: i64,
    /// Taking back: whether the orders are settled.
    pub(crate) orders_undone: bool,
    /// Taking back: the records before this place are still to be settled.
    pub(crate) undo_before: Option<i64>,
}

/// All of a run that changes from batch to batch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) progress: Option<Progress>,
    pub(crate) trial: Option<Progress>,
    pub(crate) undo: Option<Undo>,
    pub(crate) cursor: Cursor,
}

/// An import.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Import {
    pub(crate) id: ImportId,
    pub(crate) kind: Kind,
    pub(crate) file_name: String,
    pub(crate) size_bytes: i64,
    pub(crate) state: State,
    /// Who began it.
    pub(crate) actor: Actor,
    pub(crate) source: String,
    pub(crate) look: Look,
    pub(crate) work: Work,
    pub(crate) failure: String,
    /// Which upload is the file; `None` where there is none.
    pub(crate) file: Option<Uuid>,
    pub(crate) file_expires_at: Option<DateTime<Utc>>,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What a file of this size may unpack to: more was made to fill somebody's disk.
pub(crate) fn largest_text(size: u64) -> u64 {
    size.saturating_mul(MOST_PACKED).clamp(USUAL_TEXT, LARGEST_TEXT)
}

/// The present state does not allow it.
fn out_of_turn(message: impl Into<String>) -> Error {
    Error::failed_precondition("IMPORT_STATE", message)
}

impl Import {
    /// A new import, whose file is awaited. An error names `file_name`.
    pub(crate) fn create(
        id: ImportId,
        kind: Kind,
        file_name: &str,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let file_name = text::line(file_name, 255, "file_name")?;
        if file_name.is_empty() {
            return Err(Error::invalid("file_name", "is empty: the name of the file is wanted"));
        }
        Ok(Self {
            id,
            kind,
            file_name,
            size_bytes: 0,
            state: State::AwaitingFile,
            actor,
            source: SOURCE.to_owned(),
            look: Look::default(),
            work: Work::default(),
            failure: String::new(),
            file: None,
            file_expires_at: None,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// Fails unless a file may be uploaded now.
    pub(crate) fn allow_upload(&self) -> Result<(), Error> {
        match self.state {
            State::AwaitingFile | State::Ready => Ok(()),
            _ => Err(out_of_turn("the import has run already, or runs: begin another for another file")),
        }
    }

    /// Takes the file.
    pub(crate) fn take_file(&mut self, file: Uuid, size_bytes: i64, look: Look, now: DateTime<Utc>) {
        self.state = State::Ready;
        self.file = Some(file);
        self.size_bytes = size_bytes;
        self.look = look;
        self.work = Work::default();
        self.failure.clear();
        self.file_expires_at = Some(now + RETENTION);
    }

    /// Fails unless reading and mapping may be changed now.
    pub(crate) fn allow_update(&self) -> Result<(), Error> {
        match self.state {
            State::Ready => Ok(()),
            State::Failed | State::Cancelled if self.work.progress.is_none() => Ok(()),
            State::AwaitingFile => Err(out_of_turn("the file is not here yet: upload it first")),
            _ => Err(out_of_turn("the import has run already, or runs: begin another to read the file another way")),
        }
    }

    /// Begins a run, or a trial run that writes nothing. A run that failed or was stopped goes on where it was.
    pub(crate) fn start(&mut self, trial: bool, now: DateTime<Utc>) -> Result<(), Error> {
        if self.work.undo.is_some() && self.state == State::Failed {
            return Err(out_of_turn("it is being taken back: go on with that"));
        }
        let ended = matches!(self.state, State::Failed | State::Cancelled);
        let fits = self.state == State::Ready || ended && (!trial || self.work.progress.is_none());
        if !fits {
            return Err(out_of_turn(match self.state {
                State::AwaitingFile => "the file is not here yet: upload it first",
                State::Checking | State::Running | State::Undoing => "it runs already",
                State::Done => "it has run already",
                State::Undone => "it was taken back: begin another",
                _ => "it has written something already: a trial run would tell nothing",
            }));
        }
        if self.file.is_none() {
            return Err(out_of_turn("the file has been removed: begin another import"));
        }
        let missing = mapping::missing(self);
        if !missing.is_empty() {
            return Err(Error { violations: missing, ..out_of_turn("the mapping lacks what is required") });
        }
        let undecided = mapping::undecided(&self.look);
        if let (false, Some(first)) = (trial, undecided.first()) {
            let message = format!("{}: {}", first.field, first.description);
            return Err(Error { violations: undecided, ..Error::failed_precondition("IMPORT_UNDECIDED", message) });
        }
        self.failure.clear();
        if trial {
            self.state = State::Checking;
            self.work.trial = Some(Progress::begin(now, self.look.total_rows));
            self.work.cursor = Cursor::default();
        } else {
            self.state = State::Running;
            let total = self.look.total_rows;
            let progress = self.work.progress.get_or_insert_with(|| {
                self.work.cursor = Cursor::default();
                Progress::begin(now, total)
            });
            progress.ended_at = None;
        }
        Ok(())
    }

    /// Stops a run.
    pub(crate) fn cancel(&mut self, now: DateTime<Utc>) -> Result<(), Error> {
        match self.state {
            State::Checking => {
                self.work.trial = None;
                self.state = State::Ready;
            }
            State::Running => {
                self.state = State::Cancelled;
                if let Some(progress) = &mut self.work.progress {
                    progress.ended_at = Some(now);
                }
            }
            _ => return Err(out_of_turn("nothing runs that could be stopped")),
        }
        Ok(())
    }

    /// Begins to take back what was written.
    pub(crate) fn undo(&mut self, now: DateTime<Utc>) -> Result<(), Error> {
        match self.state {
            State::Done | State::Failed | State::Cancelled
                if self.work.undo.is_some() || self.work.progress.is_some() =>
            {
                self.state = State::Undoing;
                self.failure.clear();
                self.work.undo.get_or_insert_with(|| Undo { started_at: now, ..Undo::default() });
                Ok(())
            }
            State::Running | State::Checking | State::Undoing => Err(out_of_turn("it runs: stop it first")),
            State::Undone => Err(out_of_turn("it was taken back already")),
            _ => Err(out_of_turn("it has written nothing that could be taken back")),
        }
    }

    /// Comes to the end of what goes on.
    pub(crate) fn end(&mut self, now: DateTime<Utc>) {
        match self.state {
            State::Checking => {
                self.state = State::Ready;
                if let Some(trial) = &mut self.work.trial {
                    trial.ended_at = Some(now);
                }
            }
            State::Running => {
                self.state = State::Done;
                if let Some(progress) = &mut self.work.progress {
                    progress.ended_at = Some(now);
                }
            }
            State::Undoing => {
                self.state = State::Undone;
                self.forget_file();
                self.file_expires_at = None;
                if let Some(undo) = &mut self.work.undo {
                    undo.ended_at = Some(now);
                }
            }
            _ => {}
        }
    }

    /// The file is kept no longer, and nothing of what stood in it.
    pub(crate) fn forget_file(&mut self) {
        self.file = None;
        for column in &mut self.look.columns {
            column.samples.clear();
        }
    }

    /// Whether there was a file that is kept no longer.
    pub(crate) fn file_is_gone(&self) -> bool {
        self.file.is_none() && self.state != State::AwaitingFile
    }

    /// Cannot go on.
    pub(crate) fn fail(&mut self, why: &str) {
        self.failure = why.chars().take(500).collect();
        self.state = State::Failed;
    }

    /// What a person should decide: of the file as a whole, of the columns that are used, and of the last run.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let several = self.work.progress.as_ref().or(self.work.trial.as_ref()).map_or(0, |run| run.several);
        let matches = (several > 0).then(|| Warning {
            reason: "SEVERAL_MATCHES".to_owned(),
            column: String::new(),
            description: format!(
                "{several} rows have no id, and an e-mail or phone that several customers have: they are customers of their own"
            ),
        });
        let mut warnings: Vec<_> = matches.into_iter().chain(mapping::doubts(&self.look)).collect();
        warnings.extend(self.look.warnings.iter().cloned());
        warnings.truncate(MOST_WARNINGS);
        warnings
    }

    /// Whether somebody else's eyes may not see it.
    pub(crate) fn is_of(&self, actor: &Actor) -> bool {
        self.actor == *actor
    }
}

/// Reads the source of ids; the error names `source`.
pub(crate) fn source(source: &str) -> Result<String, Error> {
    if source.is_empty() {
        return Ok(SOURCE.to_owned());
    }
    Reference::try_new(source, "1").map(|reference| reference.source().to_owned())
}

/// Checks what was said about the way a file is read; the error names each wrong field. Encoding may be empty: to be
/// found out.
pub(crate) fn check_format(format: &Format) -> Result<(), Error> {
    let mut v = Violations::new();
    v.check(format.encoding.is_empty() || encoding(&format.encoding).is_some(), "encoding", || {
        format!("`{}` is no encoding: a name such as `UTF-8` or `windows-1251` is wanted", shown(&format.encoding))
    });
    v.check(u64::from(format.skip_lines) <= tabular::sniff::MOST_SKIPPED, "skip_lines", || {
        format!("`{}` is too many: at most {} are wanted", format.skip_lines, tabular::sniff::MOST_SKIPPED)
    });
    v.check(format.date_format.len() <= 60 && tabular::date::is_format(&format.date_format), "date_format", || {
        format!(
            "`{}` tells no day, month and year: something like `%d.%m.%Y` is wanted, or nothing for ISO 8601",
            shown(&format.date_format)
        )
    });
    v.check(tabular::number::Decimal::parse(&format.decimal_separator).is_some(), "decimal_separator", || {
        format!("`{}` is no decimal separator: `.` or `,` is wanted", shown(&format.decimal_separator))
    });
    v.check(format.time_zone.parse::<chrono_tz::Tz>().is_ok(), "time_zone", || {
        format!("`{}` is no time zone: an IANA name such as `Europe/Madrid` is wanted", shown(&format.time_zone))
    });
    v.check(
        format.currency.is_empty() || clientele_kernel::Currency::from_code(&format.currency).is_some(),
        "currency",
        || format!("`{}` is no ISO 4217 currency code, for instance `EUR`", shown(&format.currency)),
    );
    let code = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    v.check(
        (1..=50).contains(&format.order_status.len()) && format.order_status.bytes().all(code),
        "order_status",
        || format!("`{}` is no code of a status: something like `completed` is wanted", shown(&format.order_status)),
    );
    v.into_result()
}

/// The encoding of a name, if it is one that texts are written in.
pub(crate) fn encoding(name: &str) -> Option<&'static encoding_rs::Encoding> {
    encoding_rs::Encoding::for_label_no_replacement(name.as_bytes())
}

fn shown(text: &str) -> String {
    clientele_kernel::error::shorten(text)
}

/// A row that is not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) line: u64,
    pub(crate) violations: Vec<Violation>,
    pub(crate) cells: Vec<String>,
}

/// A row of the file as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawRow {
    pub(crate) line: u64,
    pub(crate) cells: Vec<String>,
    /// Why the line could not be parted into columns.
    pub(crate) trouble: Option<tabular::Trouble>,
}

#[cfg(test)]
mod tests;
