//! The running server.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;

use super::backup::{archive_command, archive_folder};
use super::cluster::{self, STOP};
use super::programs::{self, PostgresPrograms};
use crate::account::Account;
use crate::child::{Child, Exit, Kind};
use crate::error::{Error, Result};
use crate::folder;
use crate::lock::DataDirLock;

/// The superuser of every cluster made here.
pub(crate) const SUPERUSER: &str = "postgres";

/// Recovery after a crash takes as long as there is to be recovered.
const READY_DEADLINE: Duration = Duration::from_mins(5);
/// How long sessions of a killed server may hold on to its shared memory.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(20);

const KIND: Kind = Kind { program: "postgres", stop: Signal::SIGINT, level };

/// How to run a private cluster.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The folder that holds the cluster, its lock and its socket; created if need be.
    pub data_dir: PathBuf,
    /// The folder for the socket, closed to others; by default inside `data_dir`.
    pub socket_dir: Option<PathBuf>,
    /// The number in the socket's name. No TCP port is opened, unless `listen_addresses` is set.
    pub port: u16,
    /// The programs to run; by default those that fit the cluster, or else [`find_postgres`](crate::find_postgres).
    pub programs: Option<PostgresPrograms>,
    /// Settings of the server, applied over the defaults of this crate.
    pub settings: Vec<(String, String)>,
    /// How long it may take to accept connections; recovery takes as long as there is to be recovered.
    pub ready_within: Duration,
    /// A folder in which the whole log is kept, piece by piece, a piece at least every minute in which something was
    /// written: with a copy of the cluster it restores any later moment.
    pub wal_archive: Option<PathBuf>,
    /// Whether what is committed must survive a power failure. Tests do without, for speed.
    pub durable: bool,
    /// Whether `data_dir` is removed when the server has ended, even if our process ends first or is killed.
    pub temporary: bool,
}

impl PostgresOptions {
    /// A cluster whose data matter.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            socket_dir: None,
            port: 5432,
            programs: None,
            settings: Vec::new(),
            ready_within: READY_DEADLINE,
            wal_archive: None,
            durable: true,
            temporary: false,
        }
    }

    /// A cluster for tests: fast, roomy, and lost with a power failure, but not with a crash of its processes.
    ///
    /// `synchronous_commit` stays on: without `fsync` it costs next to nothing, and a test that kills the server must
    /// find what was committed.
    pub fn for_tests(data_dir: impl Into<PathBuf>) -> Self {
        Self { durable: false, ..Self::new(data_dir) }
            .setting("fsync", "off")
            .setting("full_page_writes", "off")
            .setting("autovacuum_naptime", "10s")
            .setting("max_connections", "500")
    }

    /// A cluster for tests in a new temporary folder, which goes with it.
    pub fn temporary() -> Result<Self> {
        let folder = folder::scratch_dir()?.keep();
        Ok(Self { temporary: true, ..Self::for_tests(folder) })
    }

    /// Looks whether the cluster of the folder, if there is one, can be run here: by its version, its owner and the rights
    /// of its account. Starts nothing.
    pub fn check_folder(&self) -> Result<()> {
        let cluster = self.data_dir.join("cluster");
        let made_by = cluster::version(&cluster)?;
        choose(self.programs.clone(), made_by, &self.data_dir)?;
        let account = Account::for_cluster(&cluster)?;
        let there = self.data_dir.ancestors().find(|folder| folder.exists());
        there.map_or(Ok(()), |folder| account.can_reach(folder))
    }

    /// Adds a setting; a later one of the same name wins.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running private cluster.
///
/// Dropping it asks the server to stop without waiting; [`Postgres::stop`] waits. If our process dies, the server is
/// stopped too.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    socket_dir: PathBuf,
    port: u16,
    version: u32,
    // Declared last: the folder is free only after the child was told to stop.
    _lock: DataDirLock,
}

impl Postgres {
    /// Starts the cluster in a folder, making it first if there is none, and waits until it accepts connections.
    ///
    /// Whatever an earlier run left behind, a server still running on the folder included, is cleared away.
    /// [`Error::Locked`] when another supervisor is at work on the folder; [`Error::Closed`] when the account that
    /// PostgreSQL runs as under root cannot reach it.
    pub async fn start(options: PostgresOptions) -> Result<Self> {
        let lock = DataDirLock::acquire(&options.data_dir)?;
        let data = lock.folder().to_owned();
        let cluster = data.join("cluster");
        let made_by = cluster::version(&cluster)?;
        let programs = choose(options.programs.clone(), made_by, &data)?;
        let account = Account::for_cluster(&cluster)?;
        account.can_reach(&data)?;
        account.can_reach(&programs.folder)?;

        let leftovers = if made_by.is_some() {
            cluster::clear_leftovers(&cluster).await?
        } else {
            tracing::info!(version = programs.version, folder = %cluster.display(), "making a new PostgreSQL cluster");
            cluster::create(&programs, &account, &cluster, options.durable).await?;
            false
        };
        let archive = options.wal_archive.as_deref().map(|archive| archive_folder(archive, &account)).transpose()?;
        let socket_dir = cluster::socket_folder(options.socket_dir.as_deref(), &data, options.port, &account)?;

        // What is thrown away need not be written first.
        let kind = if options.temporary { Kind { stop: Signal::SIGQUIT, ..KIND } } else { KIND };
        let begun = Instant::now();
        let child = loop {
            let mut command = account.command(&programs.postgres(), &cluster);
            command.arg("-D").arg(&cluster);
            for (name, value) in settings(&options, &socket_dir, archive.as_deref()) {
                command.arg("-c").arg(format!("{name}={value}"));
            }
            let postgres = programs.postgres();
            let child = Child::spawn(command, &kind, options.temporary.then_some(&*data))
                .map_err(Error::io("run", &postgres))?;
            match wait_until_ready(&child, &cluster, options.ready_within).await {
                Ok(()) => break child,
                Err(Error::Ended(exit)) if leftovers && begun.elapsed() < LEFTOVER_PATIENCE => {
                    tracing::debug!(%exit, "the earlier server is not quite gone; trying again");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => {
                    child.stop(&STOP).await;
                    return Err(error);
                }
            }
        };
        tracing::debug!(version = programs.version, socket = %socket_dir.display(), "PostgreSQL accepts connections");
        Ok(Self { child, socket_dir, port: options.port, version: programs.version, _lock: lock })
    }

    /// The folder of the socket: the `host` of a connection.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The number in the socket's name: the `port` of a connection.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name of the superuser; no password is asked for.
    pub fn superuser(&self) -> &'static str {
        SUPERUSER
    }

    /// The major version of the server.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.child.pid().as_raw().unsigned_abs()
    }

    /// The address of a database for a role: `postgres:///orders?host=/data/socket&port=5432&user=orders_app`.
    pub fn url(&self, database: &str, role: &str) -> String {
        url(&self.socket_dir, self.port, database, role)
    }

    /// Resolves when the server has ended, for whatever reason. Race it against your work to learn of a crash.
    pub fn exited(&self) -> impl Future<Output = Exit> + Send + 'static {
        self.child.exited()
    }

    /// Stops the server: sessions are ended and the data written; a server that takes too long is stopped harder.
    pub async fn stop(self) -> Exit {
        self.child.stop(&STOP).await
    }

    /// Kills the server without warning, for tests of what happens then.
    pub async fn kill9(self) -> Exit {
        self.child.stop(&[]).await
    }
}

pub(crate) fn url(socket_dir: &Path, port: u16, database: &str, role: &str) -> String {
    let host = socket_dir.as_os_str().as_encoded_bytes();
    let (database, host, role) = (escaped(database.as_bytes()), escaped(host), escaped(role.as_bytes()));
    format!("postgres:///{database}?host={host}&port={port}&user={role}")
}

/// The programs for a folder: a cluster is only run by the major version that made it.
fn choose(asked: Option<PostgresPrograms>, made_by: Option<u32>, data: &Path) -> Result<PostgresPrograms> {
    let wrong = |found| Error::WrongVersion { folder: data.to_owned(), found, available: programs::available() };
    match (asked, made_by) {
        (Some(asked), Some(version)) if asked.version != version => {
            programs::find(Some(version)).map_err(|_| wrong(version))
        }
        (Some(asked), _) => Ok(asked),
        (None, Some(version)) => programs::find(Some(version)).map_err(|_| wrong(version)),
        (None, None) => programs::find_postgres(),
    }
}

fn settings(options: &PostgresOptions, socket_dir: &Path, archive: Option<&Path>) -> Vec<(String, String)> {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut all = vec![
        own("max_connections", "200"),
        own("timezone", "UTC"),
        own("log_timezone", "UTC"),
        own("lc_messages", "C"),
        // Many short statements: compiling them costs more than it gains.
        own("jit", "off"),
        // Our log stamps its lines itself.
        own("log_line_prefix", ""),
        // No personal data may come into it: neither statements nor errors, which quote the values they complain of
        // (and which whoever sent the statement reports anyway).
        own("log_min_messages", "log"),
        own("log_min_error_statement", "panic"),
        own("log_error_verbosity", "terse"),
        own("log_statement", "none"),
        own("log_checkpoints", "off"),
        // We read it; only a measurement that listens to statements says otherwise.
        own("logging_collector", "off"),
        own("log_destination", "stderr"),
        // Only a test of TLS says otherwise.
        own("listen_addresses", ""),
    ];
    if let Some(archive) = archive {
        all.push(own("archive_mode", "on"));
        all.push(own("archive_timeout", "60"));
        all.push(own("archive_command", &archive_command(archive)));
    }
    all.extend(options.settings.iter().cloned());
    // Last, because the last one wins: these are what makes the cluster private.
    all.extend([
        ("unix_socket_directories".to_owned(), quoted(&socket_dir.to_string_lossy())),
        own("unix_socket_permissions", "0700"),
        own("port", &options.port.to_string()),
    ]);
    all
}

/// The setting is a list: a comma in a path must not divide it.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('"', "\"\""))
}

async fn wait_until_ready(child: &Child, cluster: &Path, limit: Duration) -> Result<()> {
    let ready = async || cluster::ready(cluster, child.pid()).then_some(());
    child.until_ready(&KIND, limit, ready).await
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a String does not fail");
        }
    }
    text
}

fn level(line: &str) -> tracing::Level {
    if line.starts_with("PANIC:") {
        tracing::Level::ERROR
    } else if line.contains("was terminated by signal") {
        tracing::Level::WARN
    } else {
        // FATAL ends one session, and its client knows; one that ends the server is told with the server's end.
        tracing::Level::DEBUG
    }
}

#[cfg(test)]
mod tests {
    use super::{escaped, quoted};

    #[test]
    fn an_address_survives_spaces_and_signs_in_the_path() {
        assert_eq!(escaped(b"/data/my files+1&2=?"), "/data/my%20files%2B1%262%3D%3F");
    }

    #[test]
    fn a_comma_or_quote_in_the_path_does_not_divide_the_list_of_folders() {
        assert_eq!(quoted("/a,b\"c"), "\"/a,b\"\"c\"");
    }
}
