//! `cargo xtask previous`: the programs of the release before this one, built from the history.
//!
//! They lie in `target/previous/<commit>/debug`, where the test that runs both releases side by side looks for them. What
//! is compiled on the way goes into the common build folder: crates from outside that both releases use in the same version
//! are compiled once.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::release::{self, Previous, WITHOUT_HISTORY};
use crate::{command, workspace};

/// Where there is this file instead of programs, the commit could not be had, and somebody does without.
const MISSING: &str = "missing";
/// Written when all programs are there.
const BUILT: &str = "built";

/// Builds them, unless they are there.
pub(crate) async fn run() -> anyhow::Result<()> {
    let folder = workspace::target().join("previous");
    let commit = match release::previous().await? {
        Previous::Here(commit) => commit,
        Previous::Missing(commit) => {
            println!(
                "THE PREVIOUS RELEASE, {commit}, IS NOT BUILT, AND UPGRADES ARE NOT TESTED: {WITHOUT_HISTORY} is set"
            );
            write(&folder.join(commit), MISSING)?;
            return Ok(());
        }
    };
    clear(&folder, &commit)?;
    let home = folder.join(&commit);
    if home.join(BUILT).exists() {
        println!("the programs of {commit} are built");
        return Ok(());
    }
    let source = home.join("source");
    if source.exists() {
        fs::remove_dir_all(&source).with_context(|| format!("cannot remove {}", source.display()))?;
    }
    fs::create_dir_all(&source).with_context(|| format!("cannot create {}", source.display()))?;
    let archive = home.join("source.tar");
    let to = archive.to_str().context("the name of the target folder is not text")?;
    let mut export = command::program("git", &workspace::root());
    command::show(export.args(["archive", "--output", to, &commit])).await?;
    command::show(command::program("tar", &source).args(["-x", "-f", to])).await?;
    fs::remove_file(&archive).with_context(|| format!("cannot remove {to}"))?;
    build(&source, &home).await?;
    fs::remove_dir_all(&source).with_context(|| format!("cannot remove {}", source.display()))?;
    write(&home, BUILT)
}

async fn build(source: &Path, home: &Path) -> anyhow::Result<()> {
    let mut build = command::cargo(&["build", "--locked", "--bins", "--package", "clientele"]);
    build.current_dir(source).args(["--package", "clientele-gateway"]);
    for context in clientele_contexts(source)? {
        build.args(["--package", &format!("clientele-{context}")]);
    }
    // Its queries are checked against its own descriptions, whatever database somebody works with here.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.ends_with("DATABASE_URL")) {
            build.env_remove(name);
        }
    }
    build
        .env("SQLX_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", home)
        .env("CARGO_BUILD_BUILD_DIR", workspace::target())
        // Nobody edits or debugs them.
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    command::show(&mut build).await
}

/// Its contexts: those that have migrations.
fn clientele_contexts(source: &Path) -> anyhow::Result<Vec<String>> {
    let folder = source.join("migrations");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| name != "platform").collect())
}

/// Removes the programs of other commits, which nobody runs any more.
fn clear(folder: &Path, commit: &str) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten().filter(|entry| entry.file_name() != commit) {
        fs::remove_dir_all(entry.path()).with_context(|| format!("cannot remove {}", entry.path().display()))?;
    }
    let missing = folder.join(commit).join(MISSING);
    if missing.exists() {
        fs::remove_file(&missing).with_context(|| format!("cannot remove {}", missing.display()))?;
    }
    Ok(())
}

fn write(folder: &Path, name: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, ""))
        .with_context(|| format!("cannot write {}", path.display()))
}
