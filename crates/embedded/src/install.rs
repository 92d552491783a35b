//! Fetching programs that a machine lacks: from the system's packages as root on Debian and its kin, else from the
//! npm and Python registries into a cache folder.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fs4::{FileExt, TryLockError};
use nix::unistd::geteuid;

use crate::error::{Error, Result};
use crate::{folder, tool};

/// A package index or a download may be slow, but not for ever.
const DOWNLOAD_DEADLINE: Duration = Duration::from_mins(10);

/// The folder for fetched programs: `CLIENTELE_CACHE`, else `/var/cache/clientele` for root and
/// `$XDG_CACHE_HOME/clientele` (`~/.cache/clientele`) for everybody else.
///
/// Root does not use its home folder, because the account that PostgreSQL runs as could not reach it there.
pub fn cache_dir() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = named("CLIENTELE_CACHE") {
        return folder;
    }
    if geteuid().is_root() {
        return PathBuf::from("/var/cache/clientele");
    }
    named("XDG_CACHE_HOME")
        .or_else(|| named("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("clientele")
}

/// Whether packages of the system can be installed: we are root and the system has apt.
pub fn system_packages() -> bool {
    geteuid().is_root() && on_path("apt-get").is_some()
}

/// Installs packages of the system. Works only where [`system_packages`] says so.
pub async fn apt_install(packages: &[&str]) -> Result<()> {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        // Another apt at work is waited for instead of failed upon.
        command.args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300"]).args(arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    tracing::info!("reading the system's package lists");
    tool::run(apt(&["update"]), DOWNLOAD_DEADLINE).await?;
    tracing::info!(packages = packages.join(" "), "installing packages of the system");
    let mut install = apt(&["install", "--no-install-recommends"]);
    install.args(packages);
    tool::run(install, DOWNLOAD_DEADLINE).await.map(drop)
}

/// Fetches the source of a package from another release of the system's own Debian mirror, whose signature is checked as
/// that of any package, has `build` build it in its folder, and puts that in the place of `target`. Works only where
/// [`system_packages`] says so; the system's own lists and packages stay as they are.
pub(crate) async fn apt_source(
    package: &str,
    release: &str,
    target: &Path,
    build: impl AsyncFnOnce(&Path) -> Result<()>,
) -> Result<()> {
    const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let mut mirrors = Command::new("apt-get");
    mirrors.args(["indextargets", "--format", "$(SITE)", "Identifier: Packages", "Origin: Debian", "Label: Debian"]);
    let mirrors = tool::run(mirrors, Duration::from_mins(1)).await?;
    let mirror =
        mirrors.lines().next().map(str::trim).filter(|mirror| !mirror.is_empty()).ok_or_else(|| Error::Missing {
            what: format!("a Debian mirror (to fetch the source of {package})"),
            advice: format!("install {package}"),
            looked_in: vec!["apt-get indextargets".to_owned()],
        })?;
    replace(target, async |fresh| {
        let state = tempfile::tempdir_in(fresh).map_err(Error::io("create a folder in", fresh))?;
        let state = state.path();
        for folder in ["lists/partial", "cache/archives/partial"] {
            let folder = state.join(folder);
            fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        }
        let sources = state.join("sources.list");
        let line = format!("deb-src [signed-by={KEYS}] {mirror} {release} main\n");
        fs::write(&sources, line).map_err(Error::io("write", &sources))?;
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.args(["-q", "-o", "Dir::Etc::sourceparts=/dev/null", "-o", "APT::Sandbox::User=root"]);
            command.arg("-o").arg(format!("Dir::Etc::sourcelist={}", sources.display()));
            command.arg("-o").arg(format!("Dir::State::lists={}", state.join("lists").display()));
            command.arg("-o").arg(format!("Dir::Cache={}", state.join("cache").display()));
            command.args(arguments).current_dir(state).env("DEBIAN_FRONTEND", "noninteractive");
            command
        };
        tracing::info!(package, release, "fetching the source of a package");
        tool::run(apt(&["update"]), DOWNLOAD_DEADLINE).await?;
        tool::run(apt(&["source", "--download-only", package]), DOWNLOAD_DEADLINE).await?;
        let mut unpack = Command::new("/bin/sh");
        unpack.arg("-c").arg(format!("tar -xzf {package}_*.orig.tar.gz -C {} --strip-components 1", shell(fresh)));
        unpack.current_dir(state);
        tool::run(unpack, DOWNLOAD_DEADLINE).await?;
        build(fresh).await
    })
    .await
}

/// A path as one word of the shell.
fn shell(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

/// Installs one package of the Python registry, without what it depends on, into a folder that is replaced as a whole.
pub async fn pip_install(package: &str, target: &Path) -> Result<()> {
    pip(&[package.as_ref()], package, target).await
}

/// Installs the packages that a requirements file lists, and no others, into a folder that is replaced as a whole.
pub(crate) async fn pip_install_all(requirements: &Path, name: &str, target: &Path) -> Result<()> {
    pip(&["--requirement".as_ref(), requirements.as_os_str()], name, target).await
}

async fn pip(what: &[&OsStr], name: &str, target: &Path) -> Result<()> {
    let python = on_path("python3").ok_or_else(|| Error::Missing {
        what: format!("python3 (to fetch {name})"),
        advice: "install Python 3".to_owned(),
        looked_in: vec!["PATH".to_owned()],
    })?;
    let mut probe = Command::new(&python);
    probe.args(["-m", "pip", "--version"]);
    if tool::run(probe, Duration::from_mins(1)).await.is_err() {
        if !system_packages() {
            return Err(Error::Missing {
                what: format!("pip (to fetch {name})"),
                advice: "install it, for example with `apt-get install python3-pip`".to_owned(),
                looked_in: vec![format!("{} -m pip", python.display())],
            });
        }
        apt_install(&["python3-pip"]).await?;
    }
    tracing::info!(name, "fetching from the Python registry");
    replace(target, async |fresh| {
        let mut command = Command::new(&python);
        command.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]);
        command.args(["--disable-pip-version-check", "--root-user-action", "ignore", "--target"]);
        command.arg(fresh).args(what);
        tool::run(readable(&command), DOWNLOAD_DEADLINE).await.map(drop)
    })
    .await
}

/// Installs one package of the npm registry into a folder that is replaced as a whole, without running its scripts.
pub(crate) async fn npm_install(package: &str, target: &Path) -> Result<()> {
    if on_path("npm").is_none() {
        return Err(Error::Missing {
            what: format!("npm (to fetch {package})"),
            advice: "install Node.js".to_owned(),
            looked_in: vec!["PATH".to_owned()],
        });
    }
    tracing::info!(package, "fetching from the npm registry");
    replace(target, async |fresh| {
        let mut command = Command::new("npm");
        command.args(["install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix"]);
        command.arg(fresh).arg(package);
        tool::run(readable(&command), DOWNLOAD_DEADLINE).await.map(drop)
    })
    .await
}

/// Fills a fresh folder and puts it in the place of `target`, so that a broken download is never taken for a whole one.
async fn replace(target: &Path, fill: impl AsyncFnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = folder::create_with(target.parent().unwrap_or(target), 0o755)?;
    let mut name = OsString::from(target.file_name().unwrap_or_default());
    name.push(".new");
    let fresh = parent.join(name);
    remove(&fresh)?;
    let fresh = folder::create_with(&fresh, 0o755)?;
    fill(&fresh).await?;
    remove(target)?;
    fs::rename(&fresh, target).map_err(Error::io("replace", target))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { action: "remove", path: folder.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// The same command under a umask that leaves its files readable to the account PostgreSQL runs as.
fn readable(command: &Command) -> Command {
    let mut wrapped = Command::new("/bin/sh");
    wrapped.args(["-c", "umask 022; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    wrapped
}

/// Where a program is on PATH.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| is_program(candidate))
}

pub(crate) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Lets one process at a time install into a cache folder; the others wait and then find the work done.
pub(crate) async fn turn(cache: &Path) -> Result<File> {
    let path = folder::create_with(cache, 0o755)?.join("lock");
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(Error::io("open (name another folder in CLIENTELE_CACHE)", &path))?;
    let started = tokio::time::Instant::now();
    loop {
        match FileExt::try_lock(&file) {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < DOWNLOAD_DEADLINE => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { folder: cache.to_owned(), holder: "that installs programs".to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(Error::Io { action: "lock", path, source }),
        }
    }
}
