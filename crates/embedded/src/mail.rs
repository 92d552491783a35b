//! A private mail server, on a free port of the loopback interface: aiosmtpd, which knows the protocol as the world
//! speaks it and nothing of us.
//!
//! For tests only: a deployment has its own, and `clientele up` keeps letters in its captured mailbox.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::account::Account;
use crate::child::{Child, Exit, Kind};
use crate::error::{Error, Result};
use crate::install::{self, on_path};
use crate::lock::DataDirLock;

/// What is fetched from the Python registry: the server, and what it needs.
const PACKAGES: [(&str, &str); 3] =
    [("aiosmtpd==1.4.6", "aiosmtpd"), ("atpublic==5.1", "public"), ("attrs==25.3.0", "attr")];
const SCRIPT: &str = include_str!("mail_server.py");

const READY_DEADLINE: Duration = Duration::from_mins(1);
const STOP: [(Signal, Duration); 1] = [(Signal::SIGTERM, Duration::from_secs(10))];
const KIND: Kind = Kind { program: "aiosmtpd", stop: Signal::SIGTERM, level: |_| tracing::Level::DEBUG };

/// Finds the server's modules in `cache`, fetching those that are missing from the Python registry. Gives the search
/// path for Python.
pub async fn ensure_mail_server(cache: &Path) -> Result<Vec<PathBuf>> {
    let root = cache.join("mail");
    let folder = |module: &str| root.join(module);
    let is_there = |module: &str| folder(module).join(module).is_dir();
    if !PACKAGES.iter().all(|(_, module)| is_there(module)) {
        let _turn = install::turn(cache).await?;
        for (package, module) in PACKAGES {
            if !is_there(module) {
                install::pip_install(package, &folder(module)).await?;
            }
        }
    }
    Ok(PACKAGES.iter().map(|(_, module)| folder(module)).collect())
}

/// How to run a private mail server.
#[derive(Debug, Clone)]
pub struct MailOptions {
    /// The folder that holds the letters and the lock; created if need be.
    pub data_dir: PathBuf,
    /// Where Python finds the server, as [`ensure_mail_server`] says.
    pub modules: Vec<PathBuf>,
    /// Certificate and key in PEM: the server then demands STARTTLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// User and password: the server then demands AUTH.
    pub login: Option<(String, String)>,
}

/// A running private mail server. Dropping it asks the server to stop without waiting; if our process dies, it is
/// stopped too.
#[derive(Debug)]
pub struct MailServer {
    child: Child,
    port: u16,
    letters: PathBuf,
    // Declared last: the folder is free only after the child was told to stop.
    _lock: DataDirLock,
}

impl MailServer {
    /// Starts a server and waits until it accepts connections.
    pub async fn start(options: MailOptions) -> Result<Self> {
        let lock = DataDirLock::acquire(&options.data_dir)?;
        let data = lock.folder().to_owned();
        let python = on_path("python3").ok_or_else(|| Error::Missing {
            what: "python3 (to run a mail server)".to_owned(),
            advice: "install Python 3".to_owned(),
            looked_in: vec!["PATH".to_owned()],
        })?;
        let told = data.join("port");
        match std::fs::remove_file(&told) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Io { action: "remove", path: told, source });
            }
            _ => {}
        }
        let child = Child::spawn(command(&python, &data, &options)?, &KIND, None).map_err(Error::io("run", &python))?;
        match wait_until_ready(&child, &told).await {
            Ok(port) => Ok(Self { child, port, letters: data.join("letters"), _lock: lock }),
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

    /// The letters it has taken, as they came, in no order; `X-MailFrom` and `X-RcptTo` tell the envelope.
    pub fn letters(&self) -> Result<Vec<String>> {
        let folder = self.letters.join("new");
        let files = match std::fs::read_dir(&folder) {
            Ok(files) => files,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::Io { action: "read folder", path: folder, source }),
        };
        files
            .map(|file| {
                let path = file.map_err(Error::io("read folder", &folder))?.path();
                std::fs::read_to_string(&path).map_err(Error::io("read", &path))
            })
            .collect()
    }

    /// Stops the server.
    pub async fn stop(self) -> Exit {
        self.child.stop(&STOP).await
    }
}

fn command(python: &Path, data: &Path, options: &MailOptions) -> Result<Command> {
    let modules = std::env::join_paths(&options.modules).map_err(|error| Error::Io {
        action: "join to a search path",
        path: options.data_dir.clone(),
        source: std::io::Error::other(error),
    })?;
    let mut command = Account::own_self().command(python, data);
    // Where the user's own modules lie is of no interest, and PYTHONPATH names all that is needed.
    command.args(["-s", "-c", SCRIPT]).arg(data).env("PYTHONPATH", modules);
    let (certificate, key) = options.tls.clone().unwrap_or_default();
    let (user, password) = options.login.clone().unwrap_or_default();
    command.arg(certificate).arg(key).arg(user).env("MAIL_PASSWORD", password);
    Ok(command)
}

async fn wait_until_ready(child: &Child, told: &Path) -> Result<u16> {
    let port = async || std::fs::read_to_string(told).ok()?.parse().ok();
    child.until_ready(&KIND, READY_DEADLINE, port).await
}
