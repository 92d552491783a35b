//! `cargo xtask migrations`: no migration holds up those who write, and none takes away what the release before uses.
//!
//! - [`rules`]: what a migration may do, statement by statement
//! - [`effects`]: what a statement does besides what its first word says
//! - [`schema`]: what the release before knows, and what is new

mod effects;
mod rules;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail};

use self::schema::Schema;
use crate::release::{self, Previous, WITHOUT_HISTORY};
use crate::workspace;

/// A migration as it stands in its file.
#[derive(Debug, Clone)]
struct Migration {
    /// `migrations/orders/20261122030300_create_orders.sql`
    path: String,
    text: String,
}

impl Migration {
    /// The context whose schema it changes; `platform` for that of each.
    fn context(&self) -> &str {
        self.path.rsplit('/').nth(1).unwrap_or_default()
    }

    fn file(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// `20261122030300`
    fn version(&self) -> &str {
        self.file().split('_').next().unwrap_or_default()
    }
}

/// Checks what has come since the previous release.
pub(crate) async fn run() -> anyhow::Result<()> {
    let commit = match release::previous().await? {
        Previous::Here(commit) => commit,
        Previous::Missing(commit) => {
            println!("MIGRATIONS ARE NOT CHECKED against the previous release, {commit}: {WITHOUT_HISTORY} is set");
            return Ok(());
        }
    };
    let changed = ["diff", "--name-only", "--no-renames", "--diff-filter=MDT", &commit, "--", "migrations"];
    let changed = release::git(&changed).await?;
    if !changed.is_empty() {
        bail!(
            "migrations that have landed are never edited, moved or removed; write a further one instead of changing\n{changed}"
        );
    }
    let known = release::git(&["ls-tree", "-r", "--name-only", &commit, "--", "migrations"]).await?;
    let known: BTreeSet<&str> = known.lines().collect();
    let (landed, new): (Vec<_>, Vec<_>) =
        read(&workspace::root())?.into_iter().partition(|migration| known.contains(migration.path.as_str()));
    let faults = check(&landed, &new)?;
    if !faults.is_empty() {
        bail!("{}\n(what each rule is for: crates/xtask/README.md)", faults.join("\n"));
    }
    println!("{} migrations have landed, {} are new and in order", landed.len(), new.len());
    Ok(())
}

/// Every migration, in the order of names.
fn read(root: &Path) -> anyhow::Result<Vec<Migration>> {
    let mut found = Vec::new();
    let folder = root.join("migrations");
    for context in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let context = context?.path();
        if !context.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&context).with_context(|| format!("cannot read {}", context.display()))? {
            let path = file?.path();
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found.push(Migration { path, text });
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// What is wrong with the new migrations, a line each.
fn check(landed: &[Migration], new: &[Migration]) -> anyhow::Result<Vec<String>> {
    let mut schema = Schema::default();
    for migration in landed {
        schema.landed(migration)?;
    }
    let mut new: Vec<&Migration> = new.iter().collect();
    new.sort_by_key(|migration| migration.version());
    let mut faults = Vec::new();
    let all = || landed.iter().chain(new.iter().copied());
    for migration in &new {
        // Those of the platform are run in the schema of each context, and recorded in one table with its own.
        let meets = |other: &&Migration| {
            let together = [migration.context(), other.context()].contains(&"platform");
            other.path != migration.path
                && other.version() == migration.version()
                && (together || other.context() == migration.context())
        };
        if let Some(other) = all().find(meets) {
            faults.push(format!("{}: version-taken: {} has the same", migration.path, other.path));
        }
    }
    for migration in new {
        let newest = landed.iter().filter(|other| other.context() == migration.context()).map(Migration::version).max();
        if newest.is_some_and(|newest| migration.version() <= newest) {
            let newest = newest.unwrap_or_default();
            faults.push(format!(
                "{}: out-of-order: {newest} has landed; where that was run this one would come later than elsewhere",
                migration.path
            ));
        }
        faults.extend(rules::check(migration, &mut schema));
    }
    Ok(faults)
}
