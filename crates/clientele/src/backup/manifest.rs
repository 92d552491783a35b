//! What a backup says of itself. It is written last: a folder without it holds no finished backup.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use chrono::{DateTime, Utc};
use clientele_kernel::Error;
use clientele_platform::postgres::PLATFORM_MIGRATIONS;
use serde::{Deserialize, Serialize};

use crate::contexts::CONTEXTS;

const FILE: &str = "clientele-backup.json";
const DRAFT: &str = "clientele-backup.json.draft";
/// The copy of the cluster, beside the file.
pub(super) const COPY: &str = "postgres";
const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// How this file is to be read.
    pub(super) format: u32,
    /// The version of the program that wrote it.
    pub(super) program: String,
    /// The major version of PostgreSQL.
    pub(super) postgres: u32,
    pub(super) began_at: DateTime<Utc>,
    /// From this moment on the backup can be restored to.
    pub(super) ended_at: DateTime<Utc>,
    /// The newest migration of each context.
    pub(super) migrations: BTreeMap<String, i64>,
}

/// Every format has this much.
#[derive(Deserialize)]
struct Any {
    format: u32,
    program: String,
}

impl Manifest {
    pub(super) fn new(postgres: u32, began_at: DateTime<Utc>, ended_at: DateTime<Utc>) -> Self {
        let program = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, program, postgres, began_at, ended_at, migrations: known_migrations() }
    }

    /// Writes it, so that it is there whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).map_err(Error::internal)?;
        let (draft, path) = (folder.join(DRAFT), folder.join(FILE));
        File::create(&draft)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&draft, &path))
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(|error| super::unusable("write", &path, error))
    }

    /// Reads it, and refuses what is no finished backup or was made by a later version than this program.
    pub(super) fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let refused = |why: String| Error::invalid("backup", format!("{} {why}", folder.display()));
        if !folder.is_dir() {
            return Err(refused("is no folder".to_owned()));
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(refused(format!(
                    "holds no finished backup: {FILE} is missing, which `clientele backup` writes last"
                )));
            }
            Err(error) => return Err(super::unusable("read", &path, error)),
        };
        let any: Any = serde_json::from_str(&text)
            .map_err(|error| refused(format!("has a {FILE} that cannot be read: {error}")))?;
        let later = |what: String| {
            refused(format!(
                "was made by clientele {}, a later version than this one ({what}): restore it with that version",
                any.program
            ))
        };
        if any.format > FORMAT {
            return Err(later(format!("its format is {}, {FORMAT} is known", any.format)));
        }
        let manifest: Self = serde_json::from_str(&text)
            .map_err(|error| refused(format!("has a {FILE} that cannot be read: {error}")))?;
        let known = known_migrations();
        for (context, version) in &manifest.migrations {
            if known.get(context).is_none_or(|known| known < version) {
                return Err(later(format!("migration {version} of {context} is not known")));
            }
        }
        Ok(manifest)
    }
}

fn known_migrations() -> BTreeMap<String, i64> {
    let newest = |context: &'static str, own: &sqlx::migrate::Migrator| {
        let versions = PLATFORM_MIGRATIONS.iter().chain(own.iter()).map(|migration| migration.version);
        (context.to_owned(), versions.max().unwrap_or_default())
    };
    CONTEXTS.iter().map(|(context, own)| newest(context, own)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_file_is_a_manifest_or_refused_by_the_name_of_the_backup(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..80),
                "\\{(\"(format|program|postgres|began_at|ended_at|migrations)\":(-?[0-9]{1,12}|\"[0-9TZ:.+-]{0,25}\"|\\{(\"orders\":[0-9]{1,20})?\\}|null),?){0,7}\\}".prop_map(String::into_bytes),
            ],
            cut in 0..400_usize,
        ) {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(FILE), &bytes).unwrap();
            if let Err(error) = Manifest::read(folder.path()) {
                prop_assert!(error.to_string().contains(&*folder.path().to_string_lossy()), "{error}");
            }
            // One that broke off is never taken for whole.
            Manifest::new(15, DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH).write(folder.path()).unwrap();
            let whole = std::fs::read(folder.path().join(FILE)).unwrap();
            if cut < whole.len() {
                std::fs::write(folder.path().join(FILE), &whole[..cut]).unwrap();
                prop_assert!(Manifest::read(folder.path()).is_err());
            }
        }
    }

    fn written(change: impl FnOnce(&mut Manifest)) -> Result<Manifest, Error> {
        let folder = tempfile::tempdir().unwrap();
        let mut manifest = Manifest::new(15, DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
        change(&mut manifest);
        manifest.write(folder.path()).unwrap();
        Manifest::read(folder.path())
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(written(|_| {}).unwrap().migrations.len(), CONTEXTS.len());
    }

    #[test]
    fn a_backup_of_a_later_version_is_refused() {
        for refused in [
            written(|manifest| manifest.format += 1),
            written(|manifest| *manifest.migrations.get_mut("orders").unwrap() += 1),
            written(|manifest| {
                manifest.migrations.insert("loyalty".to_owned(), 1);
            }),
        ] {
            let error = refused.unwrap_err().message;
            assert!(error.contains("a later version than this one"), "{error}");
        }
    }

    #[test]
    fn a_folder_that_holds_no_finished_backup_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = Manifest::read(folder.path()).unwrap_err().message;
        assert!(
            error.contains("holds no finished backup") && error.contains(&*folder.path().to_string_lossy()),
            "{error}"
        );
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(Manifest::read(folder.path()).unwrap_err().message.contains("cannot be read"));
        assert!(Manifest::read(&folder.path().join("none")).unwrap_err().message.contains("is no folder"));
    }
}
