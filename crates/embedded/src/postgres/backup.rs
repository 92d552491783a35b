//! Copies of a cluster, and clusters made from copies. PostgreSQL does all of it: `pg_basebackup` copies a running cluster,
//! `pg_verifybackup` finds out whether a copy is whole, recovery replays the log over it, archived or copied along.

use std::fs::{self, File};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::cluster;
use super::programs::{self, PostgresPrograms};
use super::server::{Postgres, PostgresOptions, SUPERUSER};
use crate::account::Account;
use crate::error::{Error, Result};
use crate::install::{is_program, on_path};
use crate::lock::DataDirLock;
use crate::{folder, tool};

/// Large clusters take their time.
const COPY_DEADLINE: Duration = Duration::from_hours(24);
const RECOVERY_DEADLINE: Duration = Duration::from_hours(24);

/// A running cluster, as another process finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The folder of the socket.
    pub socket_dir: PathBuf,
    /// The number in the socket's name.
    pub port: u16,
    /// The major version.
    pub version: u32,
}

impl Running {
    /// The cluster that runs in the data folder of a [`Postgres`]; none when none does.
    pub fn find(data_dir: &Path) -> Result<Option<Self>> {
        let cluster = data_dir.join("cluster");
        let Some(version) = cluster::version(&cluster)? else { return Ok(None) };
        let path = cluster.join("postmaster.pid");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Io { action: "read", path, source }),
        };
        // The server writes its own file: id, folder, start, port, folder of the socket.
        let mut lines = text.lines().skip(3);
        let port = lines.next().and_then(|line| line.trim().parse().ok());
        let socket_dir = lines.next().map(|line| PathBuf::from(line.trim()));
        let (Some(port), Some(socket_dir)) = (port, socket_dir) else { return Ok(None) };
        // One that was killed leaves its file.
        let listens = std::os::unix::net::UnixStream::connect(socket_dir.join(format!(".s.PGSQL.{port}"))).is_ok();
        Ok(listens.then_some(Self { socket_dir, port, version }))
    }

    /// The address of a database for the superuser.
    pub fn url(&self, database: &str) -> String {
        super::server::url(&self.socket_dir, self.port, database, SUPERUSER)
    }

    /// Copies the cluster, with the log that belongs to the copy, into a folder that must be empty or not there. Work in
    /// the cluster goes on.
    pub async fn copy(&self, target: &Path) -> Result<()> {
        let program = companion(self.version, "pg_basebackup")?;
        let mut command = Account::own_self().command(&program, Path::new("/"));
        command.args(["--checkpoint=fast", "--wal-method=stream", "--manifest-checksums=SHA256", "--no-password"]);
        command.arg("--host").arg(&self.socket_dir).arg("--port").arg(self.port.to_string());
        command.arg("--username").arg(SUPERUSER).arg("--pgdata").arg(target);
        tool::run(command, COPY_DEADLINE).await.map(drop)
    }
}

/// Checks that a copy is whole and unchanged, log included. `version` is the major version that made it.
pub async fn verify_copy(copy: &Path, version: u32) -> Result<()> {
    let program = companion(version, "pg_verifybackup")?;
    let mut command = Account::own_self().command(&program, Path::new("/"));
    command.arg("--exit-on-error").arg("--quiet").arg(copy);
    tool::run(command, COPY_DEADLINE).await.map(drop)
}

/// Which line of the log a recovery follows. Each recovery begins a line of its own where it ends, and an archive may hold
/// several: what was before that moment, what went on after it until all was lost, what was done in the restored cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timeline {
    /// The one on which the copy was made.
    #[default]
    Own,
    /// The newest that descends from it.
    Latest,
    /// That of a number, as the names of its files begin with it in hexadecimal.
    Number(NonZeroU32),
}

impl Timeline {
    /// As `recovery_target_timeline` wants it.
    fn setting(self) -> String {
        match self {
            Self::Own => "current".to_owned(),
            Self::Latest => "latest".to_owned(),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl FromStr for Timeline {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "own" => Ok(Self::Own),
            "latest" => Ok(Self::Latest),
            number => number.parse().map(Self::Number).map_err(|_| "`own`, `latest`, or a number is wanted".to_owned()),
        }
    }
}

/// The numbers of the timelines that recoveries have begun in an archive, above that on which a copy was made.
pub fn later_timelines(copy: &Path, archive: &Path) -> Result<Vec<u32>> {
    let label = copy.join("backup_label");
    let text = fs::read_to_string(&label).map_err(Error::io("read", &label))?;
    let own = text.lines().find_map(|line| line.strip_prefix("START TIMELINE: "));
    let own = own.and_then(|number| number.trim().parse::<u32>().ok()).unwrap_or(1);
    let mut found = Vec::new();
    for entry in fs::read_dir(archive).map_err(Error::io("read", archive))? {
        let name = entry.map_err(Error::io("read", archive))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".history"));
        found.extend(number.and_then(|number| u32::from_str_radix(number, 16).ok()).filter(|number| *number > own));
    }
    found.sort_unstable();
    Ok(found)
}

/// What a new cluster is made from.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// The copy.
    pub copy: PathBuf,
    /// The major version that made it.
    pub version: u32,
    /// The folder with the log archived since; without it recovery ends where the copy does.
    pub wal_archive: Option<PathBuf>,
    /// Which of the lines in the archive.
    pub timeline: Timeline,
    /// The last moment to be in it, as PostgreSQL writes one; all there is, if not said.
    pub to: Option<String>,
}

impl Recovery {
    /// Makes a cluster in a data folder that has none, and runs it, recovered. What is there after a failure is of no use.
    pub async fn run(self, data_dir: &Path) -> Result<Postgres> {
        let data = {
            let lock = DataDirLock::acquire(data_dir)?;
            let data = lock.folder().to_owned();
            let cluster = data.join("cluster");
            let account = Account::for_cluster(&cluster)?;
            account.can_reach(&data)?;
            let fresh = cluster.with_extension("new");
            copy_folder(&self.copy, &fresh, &account)?;
            // Also without an archive: what is written from now on is another line of the log than the one that was copied.
            let signal = fresh.join("recovery.signal");
            File::create(&signal).map_err(Error::io("create", &signal))?;
            account.own(&signal)?;
            fs::rename(&fresh, &cluster).map_err(Error::io("rename", &fresh))?;
            data
        };
        let programs = programs::find(Some(self.version))?;
        let mut options = PostgresOptions { programs: Some(programs), ..PostgresOptions::new(data) };
        options.ready_within = RECOVERY_DEADLINE;
        // Nobody is let in before the recovery has come to its end: only then is the server ready.
        options = options.setting("hot_standby", "off");
        let fetch = match &self.wal_archive {
            Some(archive) => {
                let archive = archive.canonicalize().map_err(Error::io("read", archive))?;
                format!("cp {}/%f \"%p\"", quoted(&archive))
            }
            None => "false".to_owned(),
        };
        options = options.setting("restore_command", &fetch);
        options = options.setting("recovery_target_action", "promote");
        options = options.setting("recovery_target_timeline", &self.timeline.setting());
        // Kept for whoever runs the cluster with an archive later: where its line begins is told in a file that is archived
        // once, and only by a server that archives when it begins the line. Without it nobody could follow that line.
        options = options.setting("archive_mode", "on").setting("archive_command", "");
        if let Some(to) = &self.to {
            options = options.setting("recovery_target_time", to);
        }
        Postgres::start(options).await
    }
}

/// The command that keeps a finished piece of the log in a folder: whole or not at all, and never in place of another.
pub(crate) fn archive_command(archive: &Path) -> String {
    let archive = quoted(archive);
    format!(
        "if test -e {archive}/%f; then cmp -s \"%p\" {archive}/%f; \
         else cp \"%p\" {archive}/.%f.part && sync {archive}/.%f.part && mv {archive}/.%f.part {archive}/%f; fi"
    )
}

/// Makes the folder for the log, which the account of the cluster writes to.
pub(crate) fn archive_folder(archive: &Path, account: &Account) -> Result<PathBuf> {
    let parent = archive.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let archive = folder::create(parent)?.join(archive.file_name().unwrap_or_default());
    folder::private(&archive, account)?;
    account.can_reach(&archive)?;
    Ok(archive)
}

/// A path for a shell, in a setting in which a percent sign means something.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''").replace('%', "%%"))
}

/// A program that comes with the server, or at least with its clients.
fn companion(version: u32, name: &str) -> Result<PathBuf> {
    let PostgresPrograms { folder, .. } = programs::find(Some(version))?;
    let beside = folder.join(name);
    let places = [Some(beside.clone()), on_path(name)];
    places.into_iter().flatten().find(|program| is_program(program)).ok_or_else(|| Error::Missing {
        what: format!("{name} of PostgreSQL {version}"),
        advice:
            "install the system's packages of PostgreSQL: what is fetched for a first look has no programs for backups"
                .to_owned(),
        looked_in: vec![beside.display().to_string(), "PATH".to_owned()],
    })
}

/// Copies a folder, closed to everybody but the account.
fn copy_folder(from: &Path, to: &Path, account: &Account) -> Result<()> {
    folder::private(to, account)?;
    for entry in fs::read_dir(from).map_err(Error::io("read", from))? {
        let entry = entry.map_err(Error::io("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target, account)?;
        } else {
            fs::copy(&source, &target).map_err(Error::io("copy", &source))?;
            account.own(&target)?;
            File::open(&target).and_then(|file| file.sync_all()).map_err(Error::io("sync", &target))?;
        }
    }
    File::open(to).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_quotes_spaces_and_percent_signs_stays_one_path_in_the_command() {
        assert_eq!(quoted(Path::new("/b/it's 100%")), r"'/b/it'\''s 100%%'");
    }

    #[test]
    fn a_timeline_is_the_own_one_the_latest_or_a_number() {
        assert_eq!("own".parse(), Ok(Timeline::Own));
        assert_eq!("latest".parse(), Ok(Timeline::Latest));
        assert_eq!("12".parse::<Timeline>().unwrap().setting(), "12");
        for wrong in ["", "0", "-1", "current", "newest"] {
            assert!(wrong.parse::<Timeline>().is_err(), "{wrong}");
        }
    }
}
