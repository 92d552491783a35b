//! How far the making of the company has come: a file in the data directory, beside the data it tells of.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use chrono::{DateTime, Utc};
use clientele_kernel::Error;
use serde::{Deserialize, Serialize};

const FILE: &str = "demo.json";

/// What is noted. The moment is what everything follows from: an interrupted making goes on with the one it began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) made_at: DateTime<Utc>,
    pub(super) complete: bool,
}

impl Note {
    /// The note of this data directory; `None` where there is none.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| unusable(&path, error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&path, error)),
        }
    }

    /// Writes the note, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(FILE);
        let draft = folder.join("demo.json.draft");
        let text = serde_json::to_vec(self).map_err(Error::internal)?;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&draft)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(|error| unusable(&path, error))
    }
}

fn unusable(path: &Path, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable(format!("cannot use {}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Note::read(folder.path()).unwrap(), None);
        let mut note = Note { made_at: Utc.with_ymd_and_hms(2026, 11, 22, 12, 0, 0).unwrap(), complete: false };
        note.write(folder.path()).unwrap();
        assert_eq!(Note::read(folder.path()).unwrap(), Some(note.clone()));
        note.complete = true;
        note.write(folder.path()).unwrap();
        assert_eq!(Note::read(folder.path()).unwrap(), Some(note));
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(Note::read(folder.path()).is_err());
    }
}
