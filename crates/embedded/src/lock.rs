//! One supervisor per data folder: an advisory lock on `<folder>/lock`, which the system releases when its holder ends,
//! however it ends.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use fs4::FileExt;
use fs4::TryLockError;

use crate::error::{Error, Result};
use crate::folder;

/// The right to work on a data folder, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct DataDirLock {
    // Closing the file releases the lock.
    _file: File,
    folder: PathBuf,
}

impl DataDirLock {
    /// Takes the lock of a data folder, creating the folder if need be.
    ///
    /// [`Error::Locked`] names the process that holds it.
    pub fn acquire(folder: &Path) -> Result<Self> {
        let folder = folder::create(folder)?;
        let path = folder.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        match FileExt::try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The number is a courtesy to the reader; a lock file that cannot be read still locks.
                let _ = (&file).take(32).read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "of unknown id".to_owned() } else { holder.to_owned() };
                return Err(Error::Locked { folder, holder });
            }
            Err(TryLockError::Error(source)) => return Err(Error::Io { action: "lock", path, source }),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(Error::io("write", &path))?;
        Ok(Self { _file: file, folder })
    }

    /// The folder that is locked, as an absolute path without symbolic links.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
