//! Takes the file of an import.

use clientele_kernel::{Code, Error as KernelError, ImportId};
use clientele_platform::Caller;
use uuid::Uuid;

use super::Imports;
use crate::domain::import::{Format, Import, LARGEST_FILE};
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
}

impl Imports {
    /// Begins an upload. Another file that is there already stays until this one is whole.
    pub(crate) async fn upload(&self, caller: &Caller, id: ImportId) -> Result<Upload, Error> {
        let import = self.own(caller, id).await?;
        import.allow_upload()?;
        self.require_room(&import).await?;
        Ok(Upload {
            imports: self.clone(),
            caller: caller.clone(),
            id,
            file: self.db.ids().next(),
            rest: Vec::new(),
            ordinal: 0,
            size: 0,
        })
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
            return Err(KernelError::invalid("content", "the file is empty").into());
        }
        let import = self.imports.own(&self.caller, self.id).await?;
        let format = Format {
            decimal_separator: ".".to_owned(),
            time_zone: "UTC".to_owned(),
            order_status: "completed".to_owned(),
            ..Format::default()
        };
        let look = match self.imports.look(&import, (self.file, self.size), format, None).await {
            Ok(look) => look,
            Err(error) => {
                // What is no table is not kept.
                store::import::chunk::delete_others(self.imports.db.pool(), self.id, import.file).await?;
                return Err(error);
            }
        };
        let size = i64::try_from(self.size).unwrap_or(i64::MAX);
        let import = self
            .imports
            .change(&self.caller, self.id, |import, now| {
                import.allow_upload()?;
                import.take_file(self.file, size, look, now);
                Ok(())
            })
            .await?;
        store::import::chunk::delete_others(self.imports.db.pool(), self.id, import.file).await?;
        Ok(import)
    }

    async fn write(&mut self, part: &[u8]) -> Result<(), Error> {
        let db = &self.imports.db;
        store::import::chunk::insert(db.pool(), self.id, self.file, self.ordinal, part, db.clock().now()).await?;
        self.ordinal += 1;
        Ok(())
    }
}
