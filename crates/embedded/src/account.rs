//! Whom a child runs as. PostgreSQL refuses to run as root, so under root it gets an account of its own.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{User, getegid, geteuid};

use crate::error::{Error, Result};

/// The accounts that may run PostgreSQL under root, best first.
const SERVANTS: [&str; 2] = ["postgres", "nobody"];

/// The account a child runs as.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    name: String,
    uid: u32,
    gid: u32,
    /// Whether it is another account than ours, to be switched to.
    switch: bool,
}

impl Account {
    /// Our own account.
    pub(crate) fn own_self() -> Self {
        let uid = geteuid();
        let name = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
        Self { name, uid: uid.as_raw(), gid: getegid().as_raw(), switch: false }
    }

    /// The account for a cluster: ours, or under root the cluster's owner, `postgres` or `nobody`.
    pub(crate) fn for_cluster(cluster: &Path) -> Result<Self> {
        let owner = match cluster.metadata() {
            Ok(metadata) => Some(metadata.uid()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(Error::Io { action: "inspect", path: cluster.to_owned(), source }),
        };
        let us = Self::own_self();
        if us.uid != 0 {
            return match owner {
                Some(owner) if owner != us.uid => Err(Error::ForeignOwner {
                    path: cluster.to_owned(),
                    owner,
                    expected: us.uid,
                    advice: "start as that user (or as root), or choose another data folder".to_owned(),
                }),
                _ => Ok(us),
            };
        }
        let user = match owner {
            Some(0) => {
                let servant = servant()?;
                return Err(Error::ForeignOwner {
                    path: cluster.to_owned(),
                    owner: 0,
                    expected: servant.uid,
                    advice: format!(
                        "PostgreSQL does not run as root: give the files back with `chown -R {} {}`",
                        servant.name,
                        cluster.display()
                    ),
                });
            }
            // Whoever started it first keeps it, so that an ordinary user finds the data again after root was here.
            Some(owner) => match User::from_uid(owner.into()).ok().flatten() {
                Some(user) => Self { name: user.name, uid: owner, gid: user.gid.as_raw(), switch: true },
                None => Self { name: owner.to_string(), uid: owner, gid: owner, switch: true },
            },
            None => servant()?,
        };
        Ok(user)
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// A command that runs as this account, in a folder it can enter, without our environment: configuration given to
    /// us (the master key among it) is no business of a child, and `PG*` variables would change what it does.
    pub(crate) fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = bare(program);
        command.current_dir(folder);
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives a file or folder to this account.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        if self.switch {
            chown(path, Some(self.uid), Some(self.gid)).map_err(Error::io("change the owner of", path))
        } else {
            Ok(())
        }
    }

    /// Checks that this account can pass through every folder down to `path`.
    ///
    /// It is tried rather than computed from permission bits, which know nothing of access lists.
    pub(crate) fn can_reach(&self, path: &Path) -> Result<()> {
        if !self.switch || self.enters(path)? {
            return Ok(());
        }
        let ancestors: Vec<&Path> = path.ancestors().collect();
        for folder in ancestors.into_iter().rev() {
            if !self.enters(folder)? {
                return Err(Error::Closed { account: self.name.clone(), closed: folder.to_owned() });
            }
        }
        Ok(())
    }

    fn enters(&self, folder: &Path) -> Result<bool> {
        let mut command = self.command(Path::new("/bin/sh"), Path::new("/"));
        command.args(["-c", "cd -- \"$1\"", "sh"]).arg(folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.status().map_err(Error::io("enter, as another user,", folder))?.success())
    }
}

/// A command without our environment but for what finds programs and libraries.
pub(crate) fn bare(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in ["PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn servant() -> Result<Account> {
    SERVANTS
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map(|user| Account { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), switch: true })
        .ok_or_else(|| Error::Missing {
            what: "an account to run PostgreSQL as (it does not run as root)".to_owned(),
            advice: "create one with `useradd --system postgres`, or start as an ordinary user".to_owned(),
            looked_in: SERVANTS.iter().map(|name| format!("user {name}")).collect(),
        })
}
