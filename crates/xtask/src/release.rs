//! The release before this one: which it is, and its commit.
//!
//! It is named in the root manifest, `[workspace.metadata.release] previous`, and what it means stands in
//! `README.md`: its programs run beside those of this one, on the same database and bus.

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::{command, workspace};

/// What became of looking for the commit.
pub(crate) enum Previous {
    /// It is in this clone.
    Here(String),
    /// It is not, and cannot be: the clone has no history, and the place it came from does not give the commit alone.
    Missing(String),
}

/// The commit of the previous release, fetched where the clone is shallow and lacks it.
pub(crate) async fn previous() -> anyhow::Result<Previous> {
    let commit = named()?;
    if has(&commit).await {
        return Ok(Previous::Here(commit));
    }
    if git(&["rev-parse", "--is-shallow-repository"]).await?.trim() != "true" {
        bail!("the previous release, {commit}, is not in this repository: Cargo.toml names a commit of its history");
    }
    let mut fetch = command::program("git", &workspace::root());
    fetch.args(["fetch", "--quiet", "--depth", "1", "origin", &commit]);
    match command::show(&mut fetch).await {
        Ok(()) if has(&commit).await => Ok(Previous::Here(commit)),
        _ => Ok(Previous::Missing(commit)),
    }
}

/// As the manifest has it: in full, so that nothing else can come to be meant.
fn named() -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Manifest {
        workspace: Workspace,
    }
    #[derive(Deserialize)]
    struct Workspace {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        release: Release,
    }
    #[derive(Deserialize)]
    struct Release {
        previous: String,
    }
    let path = workspace::root().join("Cargo.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: Manifest = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    let commit = manifest.workspace.metadata.release.previous;
    if commit.len() != 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!("workspace.metadata.release.previous is `{commit}`; a commit's 40 digits are wanted");
    }
    Ok(commit)
}

async fn has(commit: &str) -> bool {
    let mut look = command::program("git", &workspace::root());
    look.args(["cat-file", "-e", &format!("{commit}^{{commit}}")]).stderr(std::process::Stdio::null());
    look.status().await.is_ok_and(|status| status.success())
}

/// What git prints.
pub(crate) async fn git(arguments: &[&str]) -> anyhow::Result<String> {
    command::read(command::program("git", &workspace::root()).args(arguments)).await
}
