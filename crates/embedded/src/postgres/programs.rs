//! Finding PostgreSQL's programs.

use std::path::{Path, PathBuf};

use crate::account::bare;
use crate::error::{Error, Result};
use crate::install::{self, cache_dir, is_program, on_path};

/// The oldest major version that is run.
pub const MINIMUM_VERSION: u32 = 14;

/// Names a folder with PostgreSQL's programs; no other is then looked at.
pub(crate) const VARIABLE: &str = "CLIENTELE_POSTGRES_BIN";

/// PostgreSQL's programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresPrograms {
    /// The folder with `initdb` and `postgres`.
    pub folder: PathBuf,
    /// The major version.
    pub version: u32,
}

impl PostgresPrograms {
    /// `initdb`, which makes a cluster.
    pub fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    /// `postgres`, the server.
    pub fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    /// The programs in a folder, if they are whole and not too old; else what is wrong there.
    fn in_folder(folder: &Path) -> std::result::Result<Self, String> {
        let described = |problem: &str| format!("{} ({problem})", folder.display());
        let postgres = folder.join("postgres");
        if !is_program(&postgres) {
            return Err(described("no postgres"));
        }
        // A link such as /usr/local/bin/postgres leads to where the server finds its own files.
        let home = postgres.canonicalize().ok().and_then(|real| real.parent().map(Path::to_owned));
        let home = home.filter(|home| is_program(&home.join("initdb"))).unwrap_or_else(|| folder.to_owned());
        if !is_program(&home.join("initdb")) {
            return Err(described("no initdb"));
        }
        let output = bare(&postgres)
            .arg("--version")
            .output()
            .map_err(|error| described(&format!("postgres does not run: {error}")))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let version = major_version(&said).ok_or_else(|| {
            let error = String::from_utf8_lossy(&output.stderr);
            described(&format!("postgres does not tell its version: {} {}", said.trim(), error.trim()))
        })?;
        if version < MINIMUM_VERSION {
            return Err(described(&format!("version {version}")));
        }
        Ok(Self { folder: home, version })
    }
}

/// `postgres (PostgreSQL) 15.18 (Debian …)`, `postgres (PostgreSQL) 19beta1`.
fn major_version(said: &str) -> Option<u32> {
    let (_, number) = said.split_once("(PostgreSQL)")?;
    let digits: String = number.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The programs to use: from the folder named in `CLIENTELE_POSTGRES_BIN`, else from PATH, the folders of Debian, Red
/// Hat and Homebrew (newest first), or what [`ensure_postgres`](crate::ensure_postgres) fetched earlier.
///
/// [`Error::Missing`] tells where it looked, what was wrong there, and what to do.
pub fn find_postgres() -> Result<PostgresPrograms> {
    find(None)
}

/// Like [`find_postgres`], for the major version that a cluster was made by.
pub(crate) fn find(version: Option<u32>) -> Result<PostgresPrograms> {
    let mut looked_in = Vec::new();
    for folder in places() {
        match PostgresPrograms::in_folder(&folder) {
            Ok(programs) if version.is_none_or(|version| version == programs.version) => return Ok(programs),
            Ok(programs) => looked_in.push(format!("{} (version {})", folder.display(), programs.version)),
            Err(problem) => looked_in.push(problem),
        }
    }
    Err(Error::Missing {
        what: match version {
            Some(version) => format!("PostgreSQL {version} (initdb and postgres)"),
            None => format!("PostgreSQL {MINIMUM_VERSION} or newer (initdb and postgres)"),
        },
        advice: advice(version),
        looked_in,
    })
}

/// Every version on this machine, for a message.
pub(crate) fn available() -> String {
    let found: Vec<String> = places()
        .iter()
        .filter_map(|folder| PostgresPrograms::in_folder(folder).ok())
        .map(|programs| format!("{} in {}", programs.version, programs.folder.display()))
        .collect();
    if found.is_empty() { "none".to_owned() } else { found.join(", ") }
}

fn advice(version: Option<u32>) -> String {
    let package = version.map_or_else(|| "postgresql".to_owned(), |version| format!("postgresql-{version}"));
    if on_path("brew").is_some() {
        format!("install it with `brew install postgresql@{}`", version.unwrap_or(17))
    } else if on_path("apt-get").is_some() {
        format!("install it with `apt-get install {package}`, or name its folder in {VARIABLE}")
    } else {
        format!("install it with the system's packages, or name its folder in {VARIABLE}")
    }
}

fn places() -> Vec<PathBuf> {
    if let Some(folder) = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
        return vec![PathBuf::from(folder)];
    }
    let mut places: Vec<PathBuf> =
        on_path("postgres").and_then(|program| program.parent().map(Path::to_owned)).into_iter().collect();
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql@"),
        ("/usr/local/opt", "postgresql@"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql@"),
    ] {
        places.extend(newest_first(Path::new(parent), prefix).into_iter().map(|folder| folder.join("bin")));
    }
    places.push(fetched(&cache_dir()));
    places
}

/// The subfolders named by a version, newest first.
fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path()))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// Where the npm package keeps the programs, below a cache folder.
pub(crate) fn fetched(cache: &Path) -> PathBuf {
    cache.join("postgres").join("node_modules").join(package().unwrap_or_default()).join("native/bin")
}

/// The npm package with PostgreSQL for this machine, if there is one.
pub(crate) fn package() -> Option<String> {
    let system = match std::env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        _ => return None,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        "powerpc64" if system == "linux" => "ppc64",
        _ => return None,
    };
    Some(format!("@embedded-postgres/{system}-{machine}"))
}

/// Looks again, after an installation into a cache folder that need not be the default one.
pub(crate) fn find_with(cache: &Path) -> Result<PostgresPrograms> {
    find(None).or_else(|missing| PostgresPrograms::in_folder(&fetched(cache)).map_err(|_| missing))
}

/// The programs below a cache folder.
pub(crate) fn in_cache(cache: &Path) -> Result<PostgresPrograms> {
    let folder = fetched(cache);
    PostgresPrograms::in_folder(&folder).map_err(|problem| Error::Missing {
        what: "a PostgreSQL that runs, in the package fetched from the npm registry".to_owned(),
        advice: if install::system_packages() { "install the system's `postgresql`".to_owned() } else { advice(None) },
        looked_in: vec![problem],
    })
}

#[cfg(test)]
mod tests {
    use super::major_version;

    #[test]
    fn the_major_version_is_read_from_what_released_beta_and_packaged_servers_say() {
        for (said, version) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 19beta1", Some(19)),
            ("postgres (PostgreSQL) 18.4", Some(18)),
            ("mysqld 8.0", None),
        ] {
            assert_eq!(major_version(said), version, "{said}");
        }
    }
}
