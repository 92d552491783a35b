//! Programs and libraries of the Python registry, for tests and chores: a set of pinned packages in a folder of the cache.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::folder;
use crate::install::{self, on_path};

/// A set of packages that is there.
#[derive(Debug, Clone)]
pub struct PythonPackages {
    python: PathBuf,
    folder: PathBuf,
}

/// Finds the packages of `requirements` in `cache`, fetching them where they are missing. The text is that of a
/// requirements file with an exact version for each package, those included that others need: nothing else is fetched.
/// A changed text is another set, in a folder of its own.
pub async fn ensure_python_packages(cache: &Path, name: &str, requirements: &str) -> Result<PythonPackages> {
    let python = on_path("python3").ok_or_else(|| Error::Missing {
        what: format!("python3 (to run {name})"),
        advice: "install Python 3".to_owned(),
        looked_in: vec!["PATH".to_owned()],
    })?;
    let mut hasher = DefaultHasher::new();
    requirements.hash(&mut hasher);
    let target = cache.join("python").join(format!("{name}-{:016x}", hasher.finish()));
    if !target.is_dir() {
        let _turn = install::turn(cache).await?;
        if !target.is_dir() {
            let scratch = folder::scratch_dir()?;
            let list = scratch.path().join("requirements.txt");
            fs::write(&list, requirements).map_err(Error::io("write", &list))?;
            install::pip_install_all(&list, name, &target).await?;
        }
    }
    Ok(PythonPackages { python, folder: target })
}

impl PythonPackages {
    /// A command that runs Python with the packages on its search path.
    pub fn python(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.env("PYTHONPATH", &self.folder).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// Where the packages are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
