//! The data folder of a cluster: its first start, what a crash leaves behind, and the folder of its socket.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::programs::PostgresPrograms;
use super::server::SUPERUSER;
use crate::account::Account;
use crate::error::{Error, Result};
use crate::{folder, process, tool};

const INITDB_DEADLINE: Duration = Duration::from_mins(2);

/// A socket's address holds 104 bytes on macOS (108 on Linux), its end included.
const SOCKET_PATH_BYTES: usize = 103;

/// SIGINT ends sessions and shuts down cleanly, SIGQUIT at once with recovery at the next start.
pub(crate) const STOP: [(Signal, Duration); 2] =
    [(Signal::SIGINT, Duration::from_secs(30)), (Signal::SIGQUIT, Duration::from_secs(10))];

/// The version that made a cluster; `None` when there is no cluster yet.
pub(crate) fn version(cluster: &Path) -> Result<Option<u32>> {
    let path = cluster.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| Error::Io {
            action: "read a version number from",
            path,
            source: std::io::Error::from(std::io::ErrorKind::InvalidData),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { action: "read", path, source }),
    }
}

/// Makes a new cluster. It gets its name only when it is whole, so a first start that is interrupted is begun anew.
pub(crate) async fn create(
    programs: &PostgresPrograms,
    account: &Account,
    cluster: &Path,
    durable: bool,
) -> Result<()> {
    let fresh = cluster.with_extension("new");
    let mut failure = None;
    for locale in locales(programs.version) {
        if fresh.exists() {
            fs::remove_dir_all(&fresh).map_err(Error::io("remove", &fresh))?;
        }
        folder::private(&fresh, account)?;
        let mut command = account.command(&programs.initdb(), &fresh);
        // Whoever can reach the socket is let in: its folder is closed to everybody else.
        command.args(["--auth=trust", "--encoding=UTF8", "--data-checksums", "--no-instructions"]);
        command.arg("--username").arg(SUPERUSER).args(locale).arg("--pgdata").arg(&fresh);
        if !durable {
            command.arg("--no-sync");
        }
        match tool::run(command, INITDB_DEADLINE).await {
            Ok(_) => {
                fs::rename(&fresh, cluster).map_err(Error::io("rename", &fresh))?;
                if let Some(parent) = cluster.parent() {
                    File::open(parent).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", parent))?;
                }
                return Ok(());
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.expect("there is at least one locale to try"))
}

/// What to try, best first. Sorting and case come from ICU where the server has it; letters are told from other
/// characters (trigram search needs that) by the system's UTF-8 locale, whose name differs between systems.
fn locales(version: u32) -> Vec<&'static [&'static str]> {
    let mut tried: Vec<&'static [&'static str]> = Vec::new();
    if version >= 15 {
        tried.push(&["--locale-provider=icu", "--icu-locale=und", "--locale=C.UTF-8"]);
        tried.push(&["--locale-provider=icu", "--icu-locale=und", "--locale=en_US.UTF-8"]);
    }
    tried.push(&["--locale=C.UTF-8"]);
    tried.push(&["--locale=en_US.UTF-8"]);
    tried
}

/// Clears what a crash left behind. Returns whether something was, for then the shared memory of the old server may
/// stay in use for a moment.
///
/// A server that still runs here has outlived its supervisor, whose lock we now hold. It is stopped rather than adopted:
/// we could neither read its log nor learn of its end, and its settings may not be ours.
pub(crate) async fn clear_leftovers(cluster: &Path) -> Result<bool> {
    let path = cluster.join("postmaster.pid");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(Error::Io { action: "read", path, source }),
    };
    let Some(pid) = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok()).filter(|pid| *pid > 1) else {
        // An empty file is what a full disk leaves; the server would refuse to start over it.
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        return Ok(true);
    };
    let pid = Pid::from_raw(pid);
    if process::runs(pid) && process::works_on(pid, cluster) {
        tracing::warn!(pid = pid.as_raw(), "stopping a PostgreSQL left over from an earlier run");
        process::stop(pid, cluster, &STOP).await?;
    }
    // The number may by now belong to another process (or to one that ended uncollected), which the server would take
    // for itself. Its own check of the shared memory still keeps two servers apart.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { action: "remove", path, source: error })
        }
        _ => Ok(true),
    }
}

/// The folder for the socket: the one asked for, else one beside the cluster, else (where that path is too long for a
/// socket) one of its own below the system's temporary folder.
pub(crate) fn socket_folder(asked: Option<&Path>, data: &Path, port: u16, account: &Account) -> Result<PathBuf> {
    let fits = |folder: &Path| folder.join(socket_name(port)).as_os_str().len() <= SOCKET_PATH_BYTES;
    let folder = if let Some(asked) = asked {
        let parent = asked.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder::create(parent)?.join(asked.file_name().unwrap_or_default());
        if !fits(&folder) {
            let source = std::io::Error::other(format!("the path of a socket has at most {SOCKET_PATH_BYTES} bytes"));
            return Err(Error::Io { action: "put a socket into", path: folder, source });
        }
        folder
    } else {
        let mut hasher = DefaultHasher::new();
        data.hash(&mut hasher);
        let name = format!("clientele-{:016x}", hasher.finish());
        let (beside, temporary) = (data.join("socket"), std::env::temp_dir().join(&name));
        [beside, temporary].into_iter().find(|folder| fits(folder)).unwrap_or_else(|| Path::new("/tmp").join(name))
    };
    folder::private(&folder, account)?;
    account.can_reach(&folder)?;
    let socket = folder.join(socket_name(port));
    if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
        let source = std::io::Error::from(std::io::ErrorKind::AddrInUse);
        return Err(Error::Io { action: "listen on", path: socket, source });
    }
    // Nobody listens, so these are leftovers.
    for stale in [socket, folder.join(format!("{}.lock", socket_name(port)))] {
        match fs::remove_file(&stale) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Io { action: "remove", path: stale, source: error });
            }
            _ => {}
        }
    }
    Ok(folder)
}

/// What the server makes of the "port" when it only listens on a socket.
fn socket_name(port: u16) -> String {
    format!(".s.PGSQL.{port}")
}

/// Whether the server with this process id has reported that it accepts connections: it writes so into the eighth line
/// of its own file.
pub(crate) fn ready(cluster: &Path, pid: Pid) -> bool {
    fs::read_to_string(cluster.join("postmaster.pid")).is_ok_and(|text| {
        let mut lines = text.lines();
        lines.next().is_some_and(|line| line.trim() == pid.to_string())
            && lines.nth(6).is_some_and(|line| line.trim() == "ready")
    })
}
