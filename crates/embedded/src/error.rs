use std::io;
use std::path::{Path, PathBuf};

use crate::child::Exit;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a child process could not be found, installed, started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not on this machine, or only in versions that do not fit.
    #[error("{what} not found; {advice}; looked in: {}", list(looked_in))]
    Missing {
        /// What is missing, with the version that would do.
        what: String,
        /// What to do about it, an exact command where there is one.
        advice: String,
        /// The places that were looked at, with what was wrong there.
        looked_in: Vec<String>,
    },

    /// The folder is in use by another running process.
    #[error("data folder {} is in use by process {holder}: stop that one first, or choose another folder", folder.display())]
    Locked {
        /// The data folder.
        folder: PathBuf,
        /// The process that holds it, as far as it is known.
        holder: String,
    },

    /// The account that a child must run as cannot reach a path.
    #[error(
        "user {account} cannot enter {}, and PostgreSQL does not run as root: choose a folder outside it, or allow it with `chmod o+x {}`",
        closed.display(), closed.display()
    )]
    Closed {
        /// The account.
        account: String,
        /// The outermost folder that is closed to it.
        closed: PathBuf,
    },

    /// Files belong to somebody else.
    #[error("{} belongs to user id {owner}, but this process runs as user id {expected}: {advice}", path.display())]
    ForeignOwner {
        /// The path.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it should be.
        expected: u32,
        /// What to do about it.
        advice: String,
    },

    /// A cluster was made by another major version than the programs at hand.
    #[error(
        "the cluster in {} was made by PostgreSQL {found}, which is not on this machine (there is: {available}): install PostgreSQL {found}, or choose another data folder",
        folder.display()
    )]
    WrongVersion {
        /// The data folder.
        folder: PathBuf,
        /// The version that made it.
        found: u32,
        /// The versions that could be run.
        available: String,
    },

    /// A short-lived program failed.
    #[error("`{command}` {outcome}: {output}")]
    Tool {
        /// The command line.
        command: String,
        /// How it ended.
        outcome: String,
        /// The end of what it printed.
        output: String,
    },

    /// A child ended before it was ready.
    #[error("{0}")]
    Ended(Exit),

    /// A child did not become ready in time.
    #[error("{program} was not ready within {waited_s} s; it last said: {last_lines}")]
    NotReady {
        /// The program.
        program: &'static str,
        /// The deadline, in seconds.
        waited_s: u64,
        /// The end of its log.
        last_lines: String,
    },

    /// A process left over from an earlier run does not stop.
    #[error("process {pid}, left over from an earlier run on {}, does not stop: end it with `kill -9 {pid}`", folder.display())]
    Orphan {
        /// Its id.
        pid: i32,
        /// The data folder it runs on.
        folder: PathBuf,
    },

    /// The system refused an operation on a file or a process.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: names what was tried on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

fn list(places: &[String]) -> String {
    if places.is_empty() { "nowhere".to_owned() } else { places.join(", ") }
}
