//! Creating folders with the permissions a child process needs.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::account::Account;
use crate::error::{Error, Result};

/// Creates a folder and its missing parents, and returns its absolute path without symbolic links.
///
/// What is created is private to us. Under root it may be passed through (not listed) by others, because PostgreSQL
/// then runs as another user and must reach its part inside.
pub(crate) fn create(path: &Path) -> Result<PathBuf> {
    let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
    create_with(path, mode)
}

/// Like [`create`], with the mode of each folder that is missing.
pub(crate) fn create_with(path: &Path, mode: u32) -> Result<PathBuf> {
    let path = std::path::absolute(path).map_err(Error::io("resolve", path))?;
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        match DirBuilder::new().mode(mode).create(folder) {
            // The umask may have taken bits away that a child needs.
            Ok(()) => {
                fs::set_permissions(folder, Permissions::from_mode(mode))
                    .map_err(Error::io("set permissions of", folder))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(Error::Io { action: "create folder", path: folder.to_owned(), source }),
        }
    }
    path.canonicalize().map_err(Error::io("resolve", &path))
}

/// A temporary folder, removed when it is dropped, that the account PostgreSQL runs as can pass through.
///
/// An ordinary temporary folder is closed to everybody else, and so useless for a cluster under root.
pub fn scratch_dir() -> Result<TempDir> {
    let temporary = std::env::temp_dir();
    let scratch =
        TempDir::with_prefix_in("clientele-", &temporary).map_err(Error::io("create a folder in", &temporary))?;
    // Afterwards, because the umask would take away from what is asked for at creation.
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o711))
        .map_err(Error::io("set permissions of", scratch.path()))?;
    Ok(scratch)
}

/// Makes sure that a folder exists, belongs to the account and is closed to everybody else.
pub(crate) fn private(path: &Path, account: &Account) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => account.own(path)?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(Error::Io { action: "create folder", path: path.to_owned(), source }),
    }
    // Not following a symbolic link: in a shared folder such as /tmp it could be anybody's.
    let found = fs::symlink_metadata(path).map_err(Error::io("inspect", path))?;
    if !found.is_dir() {
        let source = std::io::Error::from(std::io::ErrorKind::NotADirectory);
        return Err(Error::Io { action: "use as a folder", path: path.to_owned(), source });
    }
    if found.uid() != account.uid() {
        // Root may have made it for the account and been stopped before giving it away.
        if geteuid().is_root() && found.uid() == 0 {
            account.own(path)?;
        } else {
            return Err(Error::ForeignOwner {
                path: path.to_owned(),
                owner: found.uid(),
                expected: account.uid(),
                advice: "choose another folder".to_owned(),
            });
        }
    }
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(Error::io("set permissions of", path))
}
