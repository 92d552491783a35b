//! `cargo xtask web`: the web client, built only when something has changed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use crate::{command, workspace};

/// What `web` can be told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Check instead: style, types, unit tests, and that the committed types follow openapi.json
    #[arg(long)]
    check: bool,
}

/// Folders that hold results, not sources.
const RESULTS: [&str; 4] = ["node_modules", "dist", "coverage", ".tanstack"];
/// The types derived from the OpenAPI document.
const TYPES: &str = "src/shared/api/schema.d.ts";

/// Builds or checks.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.check { check().await } else { build().await }
}

/// Builds the client into `dist`, unless it is there already and nothing has changed since.
pub(crate) async fn build() -> anyhow::Result<()> {
    let web = workspace::web();
    install(&web).await?;
    let stamp = web.join("node_modules/.clientele-build");
    if web.join("dist/index.html").exists() && stamp_holds(&stamp, &sources(&web)?) {
        println!("the web client is built, and nothing in it has changed");
        return Ok(());
    }
    npm(&web, "types").await?;
    npm(&web, "build").await?;
    // Building may write into the sources (types, the tree of routes), so they are read again.
    write(&stamp, &sources(&web)?)
}

/// Checks style, types and unit tests, and that what is derived and committed follows from its source.
pub(crate) async fn check() -> anyhow::Result<()> {
    let web = workspace::web();
    install(&web).await?;
    let types = web.join(TYPES);
    let committed = fs::read(&types).unwrap_or_default();
    npm(&web, "types").await?;
    if fs::read(&types).with_context(|| format!("cannot read {}", types.display()))? != committed {
        bail!("{TYPES} did not follow from openapi.json; it has been written anew: commit it");
    }
    npm(&web, "check").await
}

/// Installs the packages that the lock file names, unless they are.
async fn install(web: &Path) -> anyhow::Result<()> {
    let stamp = web.join("node_modules/.clientele-lock");
    let lock = digest(&[web.join("package.json"), web.join("package-lock.json")])?;
    if stamp_holds(&stamp, &lock) {
        return Ok(());
    }
    command::show(command::program("npm", web).args(["ci", "--no-audit", "--no-fund"])).await?;
    write(&stamp, &lock)
}

async fn npm(web: &Path, script: &str) -> anyhow::Result<()> {
    command::show(command::program("npm", web).args(["run", "--silent", script])).await
}

/// A digest of everything that the built client depends on.
fn sources(web: &Path) -> anyhow::Result<String> {
    let mut files = vec![web.join("../openapi.json")];
    let mut folders = vec![web.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
            let is_result = path.file_name().is_some_and(|name| RESULTS.iter().any(|result| name == *result));
            if !path.is_dir() {
                files.push(path);
            } else if !is_result {
                folders.push(path);
            }
        }
    }
    files.sort();
    digest(&files)
}

fn digest(files: &[PathBuf]) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        hash.update(file.to_string_lossy().as_bytes());
        hash.update([0]);
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    }
    Ok(hex::encode(hash.finalize()))
}

fn stamp_holds(stamp: &Path, expected: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|found| found == expected)
}

fn write(stamp: &Path, digest: &str) -> anyhow::Result<()> {
    fs::write(stamp, digest).with_context(|| format!("cannot write {}", stamp.display()))
}
