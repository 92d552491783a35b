//! A private `PgBouncer`, for tests of services behind one. A deployment brings its own.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::account::{Account, bare};
use crate::child::{Child, Exit, Kind};
use crate::error::{Error, Result};
use crate::install::{self, cache_dir, is_program, on_path};
use crate::{folder, tool};

/// The oldest version that knows prepared statements where connections are given out by the transaction.
pub const MINIMUM_VERSION: (u32, u32) = (1, 21);

const VARIABLE: &str = "CLIENTELE_PGBOUNCER";
/// The release of Debian whose source is built where the system's own package is too old.
const SOURCE_RELEASE: &str = "trixie";
const BUILD_DEADLINE: Duration = Duration::from_mins(10);
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// Those that are still connected are cut off.
const STOP: [(Signal, Duration); 1] = [(Signal::SIGQUIT, Duration::from_secs(10))];
const KIND: Kind = Kind { program: "pgbouncer", stop: Signal::SIGQUIT, level };

/// The `PgBouncer` to use: named in `CLIENTELE_PGBOUNCER`, else on PATH, else built earlier by [`ensure_pgbouncer`].
/// [`Error::Missing`] when there is none of version 1.21 or newer.
pub fn find_pgbouncer() -> Result<PathBuf> {
    find(&cache_dir())
}

fn find(cache: &Path) -> Result<PathBuf> {
    let named = std::env::var_os(VARIABLE).filter(|program| !program.is_empty()).map(PathBuf::from);
    let places = if let Some(program) = named {
        vec![program]
    } else {
        // Where Debian puts it is not on everybody's PATH.
        let system = on_path("pgbouncer").into_iter().chain([PathBuf::from("/usr/sbin/pgbouncer")]);
        system.chain([built(cache), built(&cache_dir())]).collect()
    };
    let mut looked_in = Vec::new();
    for program in places {
        match fits(&program) {
            Ok(()) => return Ok(program),
            Err(problem) => looked_in.push(format!("{} ({problem})", program.display())),
        }
    }
    looked_in.dedup();
    let (major, minor) = MINIMUM_VERSION;
    Err(Error::Missing {
        what: format!("PgBouncer {major}.{minor} or newer"),
        advice: format!("install it, or name it in {VARIABLE}"),
        looked_in,
    })
}

/// Finds a `PgBouncer`; where there is none that fits, builds one from the source package of a newer Debian into `cache`, as
/// root on Debian. Progress is told as `tracing` lines.
pub async fn ensure_pgbouncer(cache: &Path) -> Result<PathBuf> {
    let missing = match find(cache) {
        Ok(found) => return Ok(found),
        Err(missing) => missing,
    };
    if std::env::var_os(VARIABLE).is_some_and(|program| !program.is_empty()) || !install::system_packages() {
        return Err(missing);
    }
    let _turn = install::turn(cache).await?;
    if let Ok(found) = find(cache) {
        return Ok(found);
    }
    tracing::info!("PgBouncer is missing on this machine, or too old: building it");
    install::apt_install(&["gcc", "make", "pkg-config", "libevent-dev", "libssl-dev"]).await?;
    install::apt_source("pgbouncer", SOURCE_RELEASE, &cache.join("pgbouncer"), async |source| {
        // Tests speak within the machine: no PAM, no resolver of its own.
        let mut build = Command::new("/bin/sh");
        build.arg("-c").arg("umask 022; ./configure --with-openssl --without-cares && make -j2 pgbouncer");
        build.current_dir(source);
        tool::run(build, BUILD_DEADLINE).await.map(drop)
    })
    .await?;
    find(cache)
}

fn built(cache: &Path) -> PathBuf {
    cache.join("pgbouncer/pgbouncer")
}

fn fits(program: &Path) -> std::result::Result<(), String> {
    if !is_program(program) {
        return Err("no program".to_owned());
    }
    let output = bare(program).arg("--version").output().map_err(|error| format!("does not run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match version(&said) {
        Some(version) if version >= MINIMUM_VERSION && !speaks_tls(&said) => Err("built without TLS".to_owned()),
        Some(version) if version >= MINIMUM_VERSION => Ok(()),
        Some((major, minor)) => Err(format!("version {major}.{minor}")),
        None => Err(format!("does not tell its version: {}", said.trim())),
    }
}

/// One of the further lines is `tls: OpenSSL 3.0.19 27 Jan 2026`.
fn speaks_tls(said: &str) -> bool {
    said.lines().filter_map(|line| line.strip_prefix("tls: ")).any(|built| built != "unsupported")
}

/// `PgBouncer 1.24.1`, and further lines.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut parts = said.lines().next()?.strip_prefix("PgBouncer ")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A running private `PgBouncer`. Dropping it asks it to stop without waiting; if our process dies, it is stopped too.
#[derive(Debug)]
pub struct PgBouncer {
    child: Child,
    folder: PathBuf,
}

impl PgBouncer {
    /// Starts one with this configuration on a folder of its own and waits until it takes connections at `socket`, a name
    /// within the folder. The text of the configuration may say `{folder}` for the folder.
    pub async fn start(program: &Path, folder: &Path, config: &str, socket: &str) -> Result<Self> {
        let folder = folder::create(folder)?;
        // It refuses to run as root, as PostgreSQL does.
        let account = Account::for_cluster(&folder.join("none"))?;
        account.own(&folder)?;
        let socket = folder.join(socket);
        // One that was killed leaves its socket behind.
        let _ = std::fs::remove_file(&socket);
        let file = folder.join("pgbouncer.ini");
        std::fs::write(&file, config.replace("{folder}", &folder.to_string_lossy()))
            .map_err(Error::io("write", &file))?;
        account.own(&file)?;
        let mut command = account.command(program, &folder);
        command.arg(&file);
        let child = Child::spawn(command, &KIND, None).map_err(Error::io("run", program))?;
        let ready = async || tokio::net::UnixStream::connect(&socket).await.ok().map(drop);
        match child.until_ready(&KIND, READY_DEADLINE, ready).await {
            Ok(()) => Ok(Self { child, folder }),
            Err(error) => {
                child.stop(&STOP).await;
                Err(error)
            }
        }
    }

    /// The folder with its sockets.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Resolves when it has ended, for whatever reason.
    pub fn exited(&self) -> impl Future<Output = Exit> + Send + 'static {
        self.child.exited()
    }

    /// Kills it without warning.
    pub async fn kill9(self) -> Exit {
        self.child.stop(&[]).await
    }
}

/// `2026-01-02 03:04:05.678 UTC [1234] LOG process up`.
fn level(line: &str) -> tracing::Level {
    if line.contains("] FATAL ") || line.contains("] ERROR ") {
        tracing::Level::ERROR
    } else if line.contains("] WARNING ") {
        tracing::Level::WARN
    } else {
        tracing::Level::DEBUG
    }
}

#[cfg(test)]
mod tests {
    use super::{speaks_tls, version};

    #[test]
    fn the_version_is_read_from_what_the_program_says() {
        assert_eq!(version("PgBouncer 1.24.1\nlibevent 2.1.12-stable\n"), Some((1, 24)));
        assert_eq!(version("PgBouncer 1.18.0"), Some((1, 18)));
        assert_eq!(version("pgbouncer: command not found"), None);
    }

    #[test]
    fn a_program_that_was_built_without_tls_is_known() {
        assert!(speaks_tls(
            "PgBouncer 1.24.1\nlibevent 2.1.12-stable\nadns: evdns2\ntls: OpenSSL 3.0.19 27 Jan 2026\n"
        ));
        assert!(!speaks_tls("PgBouncer 1.24.1\nlibevent 2.1.12-stable\nadns: evdns2\ntls: unsupported\n"));
    }
}
