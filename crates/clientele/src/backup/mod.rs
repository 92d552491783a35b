//! Backups of a house in one process: taken while it runs, restored to any moment whose log was kept. PostgreSQL's own means
//! do the work; `deploy/backup.md` is the page for those who use it.
//!
//! - `backup`: copies the running cluster ([`take`])
//! - `restore`: makes a data directory of a copy, and of the log kept since ([`restore`])
//! - [`restored`]: what is to be done to a database after any restore, however it was restored

mod manifest;
pub(crate) mod restored;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clientele_embedded::{DataDirLock, Postgres, Recovery, Running, Timeline, later_timelines, verify_copy};
use clientele_kernel::{Clock, Error, SystemClock, SystemEntropy};
use clientele_platform::config::FILE_VARIABLE;
use clientele_platform::postgres::{self, Database, Error as StorageError};
use sqlx::postgres::PgConnectOptions;

use self::manifest::{COPY, Manifest};
use crate::configuration::{self, Everything};
use crate::contexts::CONTEXTS;
use crate::{migrate, secrets, up};

/// What `backup` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder to back up into; must be empty or not there yet
    folder: PathBuf,
    /// Data directory of the house, which must be running [default: as for `up`]
    #[arg(long, env = "CLIENTELE_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

/// What `restore` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArguments {
    /// Folder that `clientele backup` made
    folder: PathBuf,
    /// Data directory to make; must be empty or not there yet
    #[arg(long)]
    data_dir: PathBuf,
    /// The copy of `master_key` that was kept apart from the backup; not needed where the configuration has the key
    #[arg(long)]
    master_key: Option<PathBuf>,
    /// Folder that `clientele up --wal-archive` kept the log in; without it, what the backup holds is restored
    #[arg(long)]
    wal_archive: Option<PathBuf>,
    /// Last moment to be restored, for instance `2026-11-22T14:05:00Z` [default: the last there is]
    #[arg(long, requires = "wal_archive")]
    to: Option<DateTime<Utc>>,
    /// Which line of the log to follow, where a house that was restored before has kept its own in the same folder: `own`
    /// (of the house that was backed up), `latest`, or a number [default: own]
    #[arg(long, requires = "wal_archive")]
    timeline: Option<Timeline>,
    /// Configuration file (TOML), as for `up`
    #[arg(long, env = FILE_VARIABLE)]
    config: Option<PathBuf>,
}

/// Copies the running house.
pub(crate) async fn take(arguments: Arguments) -> Result<(), Error> {
    let data_dir = arguments.data_dir.map_or_else(up::default_data_dir, Ok)?;
    let running = Running::find(&data_dir.join("postgres")).map_err(up::embedded)?.ok_or_else(|| {
        Error::invalid(
            "data_dir",
            format!(
                "no house runs on {}: a backup is taken while `clientele up` runs; of one that is stopped the folder can \
                 be copied as it is",
                data_dir.display()
            ),
        )
    })?;
    let made = make_empty("folder", &arguments.folder)?;
    let began_at = SystemClock.now();
    let outcome = match running.copy(&made.path.join(COPY)).await {
        Ok(()) => Manifest::new(running.version, began_at, SystemClock.now()).write(&made.path),
        Err(error) => Err(up::embedded(error)),
    };
    if let Err(error) = outcome {
        made.undo();
        return Err(error);
    }
    let key = data_dir.join("master_key");
    let key = if key.exists() { key.display().to_string() } else { "the key in the configuration".to_owned() };
    up::say(format_args!("backup: {}", made.path.display()));
    up::say(format_args!(
        "the master key is not in it: keep a copy of {key} apart, without it the backup is of no use"
    ));
    Ok(())
}

/// Makes a data directory.
pub(crate) async fn restore(arguments: RestoreArguments) -> Result<(), Error> {
    let configuration = configuration::load(arguments.config.as_deref(), std::env::vars())?;
    let manifest = Manifest::read(&arguments.folder)?;
    if let Some(to) = arguments.to.filter(|to| *to < manifest.ended_at) {
        let earliest = manifest.ended_at.to_rfc3339();
        return Err(Error::invalid(
            "to",
            format!("{to} is before {earliest}, when the backup ended: take an earlier backup"),
        ));
    }
    let key = match &arguments.master_key {
        Some(file) => Some(secrets::read_master_key(file)?),
        None if secrets::is_configured(&configuration.secrets) => None,
        None => return Err(Error::invalid("master_key", "is missing: name the copy of the file that was kept apart")),
    };
    let copy = arguments.folder.join(COPY);
    up::say(format_args!("checking the backup …"));
    verify_copy(&copy, manifest.postgres).await.map_err(|error| {
        Error::invalid("backup", format!("{} is damaged or was not copied whole", arguments.folder.display()))
            .with_source(error)
    })?;
    let timeline = arguments.timeline.unwrap_or_default();
    if let (Timeline::Own, Some(archive)) = (timeline, &arguments.wal_archive) {
        let later = later_timelines(&copy, archive).map_err(|error| {
            Error::invalid("wal_archive", format!("{} cannot be read", archive.display())).with_source(error)
        })?;
        if !later.is_empty() {
            let later: Vec<_> = later.iter().map(u32::to_string).collect();
            up::say(format_args!(
                "note: houses that were restored earlier have kept their log in {} too, on timeline {}: it is not followed \
                 (`--timeline latest` or a number follows it)",
                archive.display(),
                later.join(", ")
            ));
        }
    }
    let made = make_empty("data_dir", &arguments.data_dir)?;
    let recovery = Recovery {
        timeline,
        copy,
        version: manifest.postgres,
        wal_archive: arguments.wal_archive.clone(),
        to: arguments.to.map(|to| to.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string()),
    };
    let outcome = fill(&made.path, recovery, configuration, key, arguments.to).await;
    if outcome.is_err() {
        made.undo();
    }
    outcome
}

async fn fill(
    data_dir: &Path,
    recovery: Recovery,
    mut configuration: Everything,
    key: Option<secrecy::SecretString>,
    to: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    let lock = DataDirLock::acquire(data_dir).map_err(up::embedded)?;
    up::say(format_args!("restoring …"));
    let begun = std::time::Instant::now();
    let postgres = recovery.run(&lock.folder().join("postgres")).await.map_err(|error| not_recovered(error, to))?;
    let outcome = async {
        let options: PgConnectOptions =
            postgres.url(up::DATABASE, postgres.superuser()).parse().map_err(StorageError::from)?;
        migrate::all(&options).await?;
        if let Some(key) = &key {
            configuration.secrets.master_key = key.clone();
        }
        key_fits(&postgres, &configuration).await?;
        restored::all(&options).await
    }
    .await;
    postgres.stop().await;
    outcome?;
    if let Some(key) = &key {
        secrets::write_master_key(lock.folder(), key)?;
    }
    up::say(format_args!(
        "restored in {} s: start it with `clientele up --data-dir {}`",
        begun.elapsed().as_secs(),
        data_dir.display()
    ));
    Ok(())
}

/// Refuses a master key that is not the one under which the backup's secrets are sealed.
async fn key_fits(postgres: &Postgres, configuration: &Everything) -> Result<(), Error> {
    let entropy = Arc::new(SystemEntropy);
    let keyring = clientele_platform::run::keyring(&configuration.secrets, entropy.clone())?;
    for (context, _) in &CONTEXTS {
        let url = postgres.url(up::DATABASE, &postgres::runtime_role(context)).into();
        let options = postgres::DatabaseOptions { url, ..clientele_platform::run::options(&configuration.database) };
        let pool = postgres::connect_lazy(&options, context)?;
        let db = Database::new(pool.clone(), context, Arc::new(SystemClock), entropy.clone(), keyring.clone());
        let checked = db.check_master_keys().await;
        pool.close().await;
        checked?;
    }
    Ok(())
}

fn not_recovered(error: clientele_embedded::Error, to: Option<DateTime<Utc>>) -> Error {
    let told = error.to_string();
    let to = to.map(|to| to.to_rfc3339()).unwrap_or_default();
    if told.contains("recovery ended before configured recovery target was reached") {
        return Error::invalid(
            "to",
            format!(
                "the log that was kept ends before {to}: name an earlier moment or none, or another `--timeline` if it is \
                 a moment in the life of a house that was restored"
            ),
        )
        .with_source(error);
    }
    if told.contains("recovery target timeline") || told.contains("is not a child of this server's history") {
        return Error::invalid("timeline", "is not in the archive, or does not descend from that of the backup")
            .with_source(error);
    }
    up::embedded(error)
}

/// A folder that was made here or found empty.
struct Made {
    path: PathBuf,
    new: bool,
}

impl Made {
    /// Leaves nothing half-written behind.
    fn undo(&self) {
        let removed = if self.new {
            fs::remove_dir_all(&self.path)
        } else {
            fs::read_dir(&self.path).and_then(|entries| {
                entries.flatten().try_for_each(|entry| match entry.path() {
                    path if path.is_dir() => fs::remove_dir_all(path),
                    path => fs::remove_file(path),
                })
            })
        };
        if let Err(error) = removed {
            tracing::warn!(folder = %self.path.display(), %error, "what was begun could not be removed");
        }
    }
}

/// Makes a folder that nobody else may read, or takes an empty one.
fn make_empty(field: &'static str, path: &Path) -> Result<Made, Error> {
    use std::os::unix::fs::DirBuilderExt;

    let path = std::path::absolute(path).map_err(|error| unusable("find", path, error))?;
    match fs::read_dir(&path).map(|mut entries| entries.next().is_some()) {
        Ok(false) => Ok(Made { path, new: false }),
        Ok(true) => {
            Err(Error::invalid(field, format!("{} is not empty: name an empty or a new folder", path.display())))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // Under root it may be passed through: PostgreSQL runs as another user.
            let mode = if nix::unistd::geteuid().is_root() { 0o711 } else { 0o700 };
            fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(&path)
                .map_err(|error| unusable("create", &path, error))?;
            Ok(Made { path, new: true })
        }
        Err(error) => Err(unusable("read", &path, error)),
    }
}

fn unusable(action: &str, path: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("cannot {action} {}", path.display())).with_source(error)
}
