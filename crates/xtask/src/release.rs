//! The release before this one: which it is, and its commit.
//!
//! It is named in the root manifest, `[workspace.metadata.release] previous`, and what it means stands in
//! `README.md`: its programs run beside those of this one, on the same database and bus.

use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::{command, workspace};

/// With it set, what cannot be tried without the history is left out, and told; else that is a failure.
pub(crate) const WITHOUT_HISTORY: &str = "CLIENTELE_WITHOUT_HISTORY";

/// What became of looking for the commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Previous {
    /// It is in this clone.
    Here(String),
    /// It is not, and somebody has said that this is how it should be.
    Missing(String),
}

/// The commit of the previous release, fetched where the clone is shallow and lacks it.
pub(crate) async fn previous() -> anyhow::Result<Previous> {
    let without = std::env::var(WITHOUT_HISTORY).is_ok_and(|value| !["", "0"].contains(&value.as_str()));
    look(&workspace::root(), named()?, without).await
}

async fn look(root: &Path, commit: String, without: bool) -> anyhow::Result<Previous> {
    let why = match history(root).await {
        History::Whole if has(root, &commit).await => return Ok(Previous::Here(commit)),
        History::Whole => {
            bail!("the previous release, {commit}, is not in this repository: Cargo.toml names a commit of its history")
        }
        History::Shallow => {
            if has(root, &commit).await {
                return Ok(Previous::Here(commit));
            }
            let mut fetch = command::program("git", root);
            fetch.args(["fetch", "--quiet", "--depth", "1", "origin", &commit]);
            if command::show(&mut fetch).await.is_ok() && has(root, &commit).await {
                return Ok(Previous::Here(commit));
            }
            "this clone is shallow, and the place it came from does not give that commit: `git fetch --unshallow` gets the \
             history"
        }
        History::None => "this is no clone of the repository",
    };
    if without {
        return Ok(Previous::Missing(commit));
    }
    bail!(
        "the previous release, {commit}, cannot be had: {why}. Whoever wants to do without what is checked against it (that \
         upgrades fail no request, that migrations break nothing) sets {WITHOUT_HISTORY}=1"
    )
}

enum History {
    Whole,
    Shallow,
    None,
}

/// What there is of the history of this very checkout: one that lies unpacked in somebody else's repository has none.
async fn history(root: &Path) -> History {
    let ask = async |question: &str| {
        let mut git = command::program("git", root);
        git.args(["rev-parse", question]).stderr(std::process::Stdio::null());
        let output = git.output().await.ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|said| said.trim().to_owned())
    };
    // Nothing where it is the top folder.
    if ask("--show-prefix").await.is_none_or(|folder| !folder.is_empty()) {
        return History::None;
    }
    if ask("--is-shallow-repository").await.is_some_and(|said| said == "true") {
        History::Shallow
    } else {
        History::Whole
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

async fn has(root: &Path, commit: &str) -> bool {
    let mut look = command::program("git", root);
    look.args(["cat-file", "-e", &format!("{commit}^{{commit}}")]).stderr(std::process::Stdio::null());
    look.status().await.is_ok_and(|status| status.success())
}

/// What git prints.
pub(crate) async fn git(arguments: &[&str]) -> anyhow::Result<String> {
    command::read(command::program("git", &workspace::root()).args(arguments)).await
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn git(folder: &Path, arguments: &[&str]) -> String {
        let own = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").current_dir(folder).args(own).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("git cannot be run: {error}"));
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    #[tokio::test]
    async fn without_history_what_is_checked_against_it_fails_unless_somebody_does_without() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let (whole, shallow) = (folder.path().join("whole"), folder.path().join("shallow"));
        let bare = whole.join("unpacked");
        std::fs::create_dir_all(&bare).unwrap_or_else(|error| panic!("{error}"));
        git(&whole, &["init", "--quiet"]);
        git(&whole, &["commit", "--quiet", "--allow-empty", "--message", "one"]);
        let commit = git(&whole, &["rev-parse", "HEAD"]);
        git(&whole, &["commit", "--quiet", "--allow-empty", "--message", "two"]);
        let from = format!("file://{}", whole.display());
        git(folder.path(), &["clone", "--quiet", "--depth", "1", &from, "shallow"]);
        let none = "0".repeat(40);

        let found = async |root: &Path, commit: &str, without| look(root, commit.to_owned(), without).await;
        let refused = async |root: &Path, commit: &str, without| match found(root, commit, without).await {
            Ok(found) => panic!("{found:?}"),
            Err(error) => error.to_string(),
        };
        let here = |found: anyhow::Result<Previous>| matches!(found, Ok(Previous::Here(_)));
        let missing = |found: anyhow::Result<Previous>| matches!(found, Ok(Previous::Missing(_)));
        assert!(here(found(&whole, &commit, false).await));
        assert!(refused(&whole, &none, true).await.contains("names a commit of its history"));
        for (root, commit, why) in [(&shallow, &none, "this clone is shallow"), (&bare, &commit, "this is no clone")] {
            let told = refused(root, commit, false).await;
            assert!(told.contains(why) && told.contains(WITHOUT_HISTORY), "{told}");
            assert!(missing(found(root, commit, true).await));
        }
        assert!(here(found(&shallow, &commit, false).await), "it can be fetched");
    }
}
