//! Takes the file of an import.

use clientele_kernel::{Code, Error as KernelError, ImportId};
use clientele_platform::Caller;
use uuid::Uuid;

use super::file::incomplete;
use super::places::UploadPlace;
use super::{Imports, unknown, write};
use crate::domain::import::{Format, Import, LARGEST_FILE, Look};
use crate::store::import::chunk;
use crate::{Error, store};

/// A file that is being uploaded. Dropped before its end, it leaves the import as it was.
pub(crate) struct Upload {
    imports: Imports,
    caller: Caller,
    id: ImportId,
    file: Uuid,
    rest: Vec<u8>,
    ordinal: i32,
    size: u64,
    /// Given back when the upload ends, however it does.
    _place: UploadPlace,
}

impl Imports {
    /// Begins an upload. Another file that is there already stays until this one is whole; another upload that goes on has
    /// lost: one at a time is taken.
    pub(crate) async fn upload(&self, caller: &Caller, id: ImportId) -> Result<Upload, Error> {
        let import = self.own(caller, id).await?;
        import.allow_upload()?;
        self.require_room(&import).await?;
        let place = self.uploads.take(&caller.actor)?;
        while self.delete_uploads(id).await? > 0 {}
        Ok(Upload {
            imports: self.clone(),
            caller: caller.clone(),
            id,
            file: self.db.ids().next(),
            rest: Vec::new(),
            ordinal: 0,
            size: 0,
            _place: place,
        })
    }

    /// Deletes some parts of uploads that are not the file; gives how many. With the import locked: an upload that ends at
    /// this moment becomes the file before or after.
    async fn delete_uploads(&self, id: ImportId) -> Result<u64, Error> {
        const AT_ONCE: i64 = 64;
        let mut uow = self.db.begin(&Caller::service("customers")).await?;
        let Some(import) = store::import::lock(uow.conn(), id).await? else { return Ok(0) };
        let deleted = chunk::delete_others(uow.conn(), id, import.file, AT_ONCE).await?;
        uow.commit().await?;
        Ok(deleted)
    }
}

impl Upload {
    /// Takes the next bytes.
    pub(crate) async fn add(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.size += bytes.len() as u64;
        if self.size > LARGEST_FILE {
            let message = format!("the file has more than {} MiB: part it", LARGEST_FILE / 1024 / 1024);
            return Err(KernelError::new(Code::ResourceExhausted, "FILE_TOO_LARGE", message).into());
        }
        self.rest.extend_from_slice(bytes);
        while self.rest.len() >= chunk::LARGEST {
            let rest = self.rest.split_off(chunk::LARGEST);
            let part = std::mem::replace(&mut self.rest, rest);
            self.write(&part).await?;
        }
        Ok(())
    }

    /// Ends the upload, and has the file looked at.
    pub(crate) async fn finish(mut self) -> Result<Import, Error> {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.write(&rest).await?;
        }
        if self.size == 0 {
            return Err(KernelError::invalid("content", "the file is empty").with_reason("FILE_EMPTY").into());
        }
        require_whole(chunk::count(self.imports.db.pool(), self.id, self.file).await?, self.ordinal)?;
        let import = self.imports.own(&self.caller, self.id).await?;
        let format = Format {
            decimal_separator: ".".to_owned(),
            time_zone: "UTC".to_owned(),
            order_status: "completed".to_owned(),
            ..Format::default()
        };
        let look = match self.imports.look(&import, (self.file, self.size), format.clone()).await {
            Ok(look) => look,
            Err(Error::Refused(error)) if error.code == Code::InvalidArgument => {
                // What is no table is not kept.
                chunk::delete(self.imports.db.pool(), self.id, self.file).await?;
                return Err(error.into());
            }
            Err(error) => {
                // The file is here all the same: it is looked at when its rows are wanted.
                tracing::info!(import = %self.id, %error, "a file that was uploaded could not be looked at yet");
                Look { format, ..Look::default() }
            }
        };
        let size = i64::try_from(self.size).unwrap_or(i64::MAX);
        let mut uow = self.imports.db.begin(&self.caller).await?;
        let now = uow.now();
        let import = store::import::lock(uow.conn(), self.id).await?;
        let mut import = import.ok_or_else(|| unknown(self.id))?;
        import.allow_upload()?;
        // Another upload may have begun while this one was looked at.
        require_whole(chunk::count(uow.conn(), self.id, self.file).await?, self.ordinal)?;
        let before = import.file;
        import.take_file(self.file, size, look, now);
        let import = write(uow, import).await?;
        if let Some(before) = before {
            chunk::delete(self.imports.db.pool(), self.id, before).await?;
        }
        Ok(import)
    }

    async fn write(&mut self, part: &[u8]) -> Result<(), Error> {
        let db = &self.imports.db;
        chunk::insert(db.pool(), self.id, self.file, self.ordinal, part, db.clock().now()).await?;
        self.ordinal += 1;
        Ok(())
    }
}

/// Fails where another upload has taken the place of this one.
fn require_whole(parts: i64, written: i32) -> Result<(), Error> {
    if parts == i64::from(written) { Ok(()) } else { Err(incomplete()) }
}
