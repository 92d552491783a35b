//! The file of an import: a stream of bytes, kept in parts, and a stream of rows.

use std::io::{self, Read};

use clientele_kernel::{Error as KernelError, ImportId};
use clientele_platform::postgres::Database;
use clientele_tabular::{self as tabular, Outcome, Record, Records, source};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Imports;
use crate::domain::import::{Import, MOST_ROWS, RawRow, encoding, largest_text};
use crate::{Error, store};

/// Rows are handed on so many at a time, and so many bytes of them.
pub(super) const BATCH: usize = 500;
const BATCH_BYTES: usize = 1024 * 1024;

/// Reads the parts of a file one after the other. For threads that may block.
pub(super) struct FileReader {
    db: Database,
    runtime: Handle,
    id: ImportId,
    file: Uuid,
    next: i32,
    part: Vec<u8>,
    read: usize,
    /// Bytes of the file that no part at hand has.
    left: u64,
}

impl FileReader {
    fn new(db: Database, id: ImportId, file: Uuid, size: u64) -> Self {
        Self { db, runtime: Handle::current(), id, file, next: 0, part: Vec::new(), read: 0, left: size }
    }
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.part.len() && self.left > 0 {
            let part = store::import::chunk::get(self.db.pool(), self.id, self.file, self.next);
            // A part that is missing is not the file's end: the rows in it would be missing without a word.
            let part = self.runtime.block_on(part).map_err(io::Error::other)?;
            self.part = part.ok_or_else(|| io::Error::other(incomplete()))?;
            self.left = self.left.checked_sub(self.part.len() as u64).ok_or_else(|| io::Error::other(incomplete()))?;
            self.read = 0;
            self.next += 1;
        }
        let count = buffer.len().min(self.part.len() - self.read);
        buffer[..count].copy_from_slice(&self.part[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

/// Opens the file anew for each pass over it.
#[derive(Clone)]
pub(super) struct Source {
    db: Database,
    id: ImportId,
    file: Uuid,
    size: u64,
}

impl Source {
    pub(super) fn new(db: &Database, id: ImportId, file: Uuid, size: u64) -> Self {
        Self { db: db.clone(), id, file, size }
    }

    /// The bytes as they were sent.
    pub(super) fn raw(&self) -> FileReader {
        FileReader::new(self.db.clone(), self.id, self.file, self.size)
    }

    /// The bytes, unpacked.
    pub(super) fn bytes(&self) -> Result<Box<dyn Read>, tabular::Error> {
        source::unpack(self.raw(), largest_text(self.size))
    }

    /// The text.
    pub(super) fn text(&self, encoding: &'static encoding_rs::Encoding) -> Result<Box<dyn Read>, tabular::Error> {
        Ok(source::decode(self.bytes()?, encoding))
    }
}

/// What a file that cannot be read is to a caller.
pub(super) fn unreadable(error: tabular::Error) -> Error {
    match error {
        tabular::Error::Io(error) => match error.downcast::<Error>() {
            Ok(own) => own,
            Err(error) => KernelError::internal(error).into(),
        },
        wrong => {
            let error = KernelError::invalid("content", wrong.to_string()).with_reason(wrong.reason());
            match wrong {
                tabular::Error::TooLarge(most) => error.with_metadata("most_bytes", most.to_string()).into(),
                _ => error.into(),
            }
        }
    }
}

/// The file is kept no longer.
pub(super) fn removed() -> Error {
    KernelError::failed_precondition("IMPORT_STATE", "the file has been removed: begin another import").into()
}

/// The file is not there as it was sent.
pub(super) fn incomplete() -> Error {
    let message = "parts of the file are missing, perhaps because it was uploaded twice at once: upload it anew";
    KernelError::failed_precondition("FILE_INCOMPLETE", message).into()
}

/// The file has more rows than are taken; `count` or more.
pub(super) fn too_many_rows(count: u64) -> Error {
    let message = format!("the file has {count} rows or more: at most {MOST_ROWS} are taken at a time, part it");
    let error = KernelError::invalid("content", message).with_reason("FILE_TOO_MANY_ROWS");
    error.with_metadata("most", MOST_ROWS.to_string()).into()
}

/// Runs work that blocks on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(KernelError::internal)?
}

/// The rows of a table, those ahead of it and the header left out.
pub(super) struct Table {
    records: Records<Box<dyn Read>>,
    skip_lines: u64,
    header_wanted: bool,
}

impl Table {
    pub(super) fn open(source: &Source, import: &Import) -> Result<Self, Error> {
        let format = &import.look.format;
        let encoding = encoding(&format.encoding)
            .ok_or_else(|| KernelError::internal(format!("import {} has no valid encoding", import.id)))?;
        let text = source.text(encoding).map_err(unreadable)?;
        Ok(Self {
            records: Records::new(text, format.delimiter.tabular()),
            skip_lines: format.skip_lines.into(),
            header_wanted: format.has_header,
        })
    }

    /// How many bytes of the text have been gone through.
    pub(super) fn offset(&self) -> u64 {
        self.records.offset()
    }

    /// The next row; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<RawRow>, Error> {
        let mut record = Record::default();
        loop {
            let outcome = self.records.read(&mut record).map_err(unreadable)?;
            let trouble = match outcome {
                Outcome::End => return Ok(None),
                _ if record.line() <= self.skip_lines => continue,
                Outcome::Row if record.is_blank() => continue,
                Outcome::Row if self.header_wanted => {
                    self.header_wanted = false;
                    continue;
                }
                Outcome::Row => None,
                Outcome::Broken(trouble) => Some(trouble),
            };
            let cells = record.iter().map(str::to_owned).collect();
            return Ok(Some(RawRow { line: record.line(), cells, trouble }));
        }
    }
}

impl Imports {
    /// The file of an import.
    pub(super) fn source(&self, import: &Import) -> Result<Source, Error> {
        let file = import.file.ok_or_else(removed)?;
        Ok(Source::new(&self.db, import.id, file, u64::try_from(import.size_bytes).unwrap_or_default()))
    }

    /// The rows of an import in batches, from behind the first `skip` on. They are read ahead by no more than two batches;
    /// dropping the receiver ends the reading.
    pub(super) fn rows(&self, import: &Import, skip: u64) -> Result<mpsc::Receiver<Result<Vec<RawRow>, Error>>, Error> {
        let (sender, receiver) = mpsc::channel(2);
        let source = self.source(import)?;
        let import = import.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = send_rows(&source, &import, skip, &sender) {
                // Nobody listens any more where this fails.
                let _ = sender.blocking_send(Err(error));
            }
        });
        Ok(receiver)
    }
}

fn send_rows(
    source: &Source,
    import: &Import,
    skip: u64,
    sender: &mpsc::Sender<Result<Vec<RawRow>, Error>>,
) -> Result<(), Error> {
    let mut table = Table::open(source, import)?;
    for _ in 0..skip {
        if table.next()?.is_none() {
            return Ok(());
        }
    }
    let mut count = skip;
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        let mut bytes = 0;
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let Some(row) = table.next()? else { break };
            count += 1;
            if count > MOST_ROWS {
                return Err(too_many_rows(count));
            }
            bytes += row.cells.iter().map(String::len).sum::<usize>();
            batch.push(row);
        }
        if batch.is_empty() || sender.blocking_send(Ok(batch)).is_err() {
            return Ok(());
        }
    }
}
