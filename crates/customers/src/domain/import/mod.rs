//! Imports of files by hand: what one is, which states it goes through, and what its rows mean.
//!
//! - this module: the import and its states
//! - [`format`]: how a file is read
//! - [`look`]: what is known of it
//! - [`work`]: how far a run has come
//! - [`formula`]: values that a spreadsheet would run
//! - [`field`]: the fields that columns can fill, and how to know them by their headers
//! - [`mapping`]: what the columns mean: suggested, and checked before a run
//! - [`value`]: the values of a row
//! - [`customer`]: a row as a customer
//! - [`order`]: rows as orders

pub(crate) mod customer;
pub(crate) mod field;
mod format;
pub(crate) mod formula;
mod look;
pub(crate) mod mapping;
pub(crate) mod order;
pub(crate) mod value;
mod work;

use chrono::{DateTime, TimeDelta, Utc};
use clientele_kernel::{Actor, Error, ImportId, Reference, Violation, text};
use clientele_tabular as tabular;
use uuid::Uuid;

pub(crate) use self::format::{Delimiter, Format, check_format, encoding};
pub(crate) use self::look::{Column, Look, Shown, Warning};
pub(crate) use self::work::{Cursor, Failure, Progress, Undo, Work};

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
/// How many imports of one person may await their files.
pub(crate) const MOST_AWAITING: i64 = 20;
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
        /// It was not run while its file was kept.
        Expired = "expired",
    }
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

/// Why nothing can be done with an import that has expired.
const EXPIRED: &str = "it was not run within 7 days and has expired: begin another";

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
            file_expires_at: Some(now + RETENTION),
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// Fails unless a file may be uploaded now.
    pub(crate) fn allow_upload(&self) -> Result<(), Error> {
        match self.state {
            State::AwaitingFile | State::Ready => Ok(()),
            State::Expired => Err(out_of_turn(EXPIRED)),
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
            State::Expired => Err(out_of_turn(EXPIRED)),
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
                State::Expired => EXPIRED,
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
        self.forget_failure();
        if trial {
            self.state = State::Checking;
            self.work.trial = Some(Progress::begin(now, &self.look));
            self.work.cursor = Cursor::default();
        } else {
            self.state = State::Running;
            let look = &self.look;
            let progress = self.work.progress.get_or_insert_with(|| {
                self.work.cursor = Cursor::default();
                Progress::begin(now, look)
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
                self.forget_failure();
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
                    trial.end(now);
                    self.look.total_rows = u64::try_from(trial.rows).unwrap_or_default();
                    self.look.uncounted = false;
                }
            }
            State::Running => {
                self.state = State::Done;
                if let Some(progress) = &mut self.work.progress {
                    progress.end(now);
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

    /// The time its file is kept is over. Where it has written nothing, nothing can come of it any more.
    pub(crate) fn expire(&mut self) {
        self.forget_file();
        if self.work.progress.is_none() {
            self.state = State::Expired;
        }
    }

    /// The file is kept no longer, and nothing of what stood in it.
    pub(crate) fn forget_file(&mut self) {
        self.file = None;
        for column in &mut self.look.columns {
            column.samples.clear();
        }
    }

    /// Whether its file is here, and could not be looked at yet.
    pub(crate) fn is_unlooked(&self) -> bool {
        self.file.is_some() && self.look.columns.is_empty()
    }

    /// Whether there was a file that is kept no longer.
    pub(crate) fn file_is_gone(&self) -> bool {
        self.file.is_none() && self.state != State::AwaitingFile
    }

    /// Cannot go on.
    pub(crate) fn fail(&mut self, why: &Error) {
        self.failure = why.message.chars().take(500).collect();
        // What another service answered goes by the name that service gave it.
        let foreign = why.metadata.iter().find(|(key, _)| key == "reason").map(|(_, reason)| reason.as_str());
        let metadata = why.metadata.iter().filter(|(key, _)| key != "reason");
        self.work.failure = Failure {
            reason: foreign.unwrap_or(why.reason).to_owned(),
            metadata: metadata.map(|(key, value)| (key.clone(), shown(value))).collect(),
        };
        self.state = State::Failed;
    }

    fn forget_failure(&mut self) {
        self.failure.clear();
        self.work.failure = Failure::default();
    }

    /// What a person should decide: of the file as a whole, of the columns that are used, and of the last run.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let several = self.work.progress.as_ref().or(self.work.trial.as_ref()).map_or(0, |run| run.several);
        let matches = (several > 0).then(|| {
            let description = format!(
                "{several} rows have no id, and an e-mail or phone that several customers have: they are customers of their own"
            );
            Warning::new("SEVERAL_MATCHES", description).with("count", several)
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
