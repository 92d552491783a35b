//! `cargo xtask sql`: the query descriptions in `.sqlx`, from a database made by the migrations.
//!
//! A fresh private database is made each time: a migration that is still being written may change under a kept one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clientele_embedded::{Postgres, PostgresOptions, cache_dir, ensure_postgres};
use serde::Deserialize;

use crate::{command, workspace};

/// What `sql` can be told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Check that the committed descriptions are what the queries and migrations give
    #[arg(long)]
    check: bool,
    /// Keep the database running, for the development of queries, and print how to use it
    #[arg(long, conflicts_with = "check")]
    serve: bool,
    /// Where `--serve` puts the socket of its database
    #[arg(long, value_name = "FOLDER", requires = "serve")]
    socket: Option<PathBuf>,
}

const DATABASE: &str = "clientele";

/// A crate whose queries are checked against the database.
struct Checked {
    package: String,
    folder: PathBuf,
    /// The environment variable its queries are given the database's address in.
    variable: String,
}

/// Refreshes, checks, or serves.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let postgres = start(arguments.socket).await?;
    let url = postgres.url(DATABASE, postgres.superuser());
    migrate(&postgres).await?;
    let outcome = if arguments.serve { serve(&postgres, &url).await } else { describe(&url, arguments.check).await };
    postgres.stop().await;
    outcome
}

/// Checks that the committed descriptions follow from queries and migrations.
pub(crate) async fn check() -> anyhow::Result<()> {
    run(Arguments { check: true, serve: false, socket: None }).await
}

async fn start(socket: Option<PathBuf>) -> anyhow::Result<Postgres> {
    let mut options = PostgresOptions::temporary()?;
    options.programs = Some(ensure_postgres(&cache_dir()).await?);
    options.socket_dir = socket;
    Ok(Postgres::start(options).await?)
}

async fn serve(postgres: &Postgres, url: &str) -> anyhow::Result<()> {
    println!("# the database runs until Ctrl-C; for queries that are checked against it:");
    println!("export SQLX_OFFLINE=false");
    for checked in checked()? {
        println!("export {}='{url}'", checked.variable);
    }
    println!("# psql '{url}'");
    bail!("{}", postgres.exited().await)
}

/// Makes the database by the platform's own functions, which know the schemas, roles and extensions that migrations count on.
async fn migrate(postgres: &Postgres) -> anyhow::Result<()> {
    let url = postgres.url("", postgres.superuser());
    let example = ["run", "--quiet", "--package", "clientele-platform", "--example", "prepare_database", "--"];
    let mut prepare = command::cargo(&example);
    prepare.arg(url).arg(DATABASE).arg(workspace::root().join("migrations"));
    command::show(&mut prepare).await
}

/// Lets every crate describe its queries, then takes the place of `.sqlx`, or compares with it.
async fn describe(url: &str, check: bool) -> anyhow::Result<()> {
    let fresh = workspace::target().join("sqlx-fresh");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).with_context(|| format!("cannot remove {}", fresh.display()))?;
    }
    fs::create_dir_all(&fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
    let mut compile = command::cargo(&["check", "--all-targets"]);
    compile.env("SQLX_OFFLINE", "false").env("SQLX_OFFLINE_DIR", &fresh);
    let crates = checked()?;
    for checked in &crates {
        // The macros write while a crate is compiled, and cargo does not know of them: what is fresh must look stale.
        touch(&checked.folder)?;
        compile.env(&checked.variable, url);
    }
    if check {
        // The other checks compile all crates together; so this one leaves dependencies that they can use.
        compile.args(["--workspace", "--locked"]);
    } else {
        // A crate that does not compile yet must not keep the others from being refreshed.
        compile.args(crates.iter().flat_map(|checked| ["--package", &checked.package]));
    }
    command::show(&mut compile).await?;
    let committed = workspace::root().join(".sqlx");
    let (now, before) = (files(&fresh)?, files(&committed)?);
    if check {
        let differing: Vec<String> = now
            .iter()
            .filter(|(name, bytes)| before.get(*name) != Some(bytes))
            .chain(before.iter().filter(|(name, _)| !now.contains_key(*name)))
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .collect();
        if !differing.is_empty() {
            let some = differing.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            bail!(
                "{} descriptions in .sqlx do not follow from queries and migrations ({some} …): run `cargo xtask sql`",
                differing.len()
            );
        }
        println!("{} query descriptions are up to date", now.len());
        return Ok(());
    }
    fs::create_dir_all(&committed).with_context(|| format!("cannot create {}", committed.display()))?;
    for name in before.keys().filter(|name| !now.contains_key(*name)) {
        fs::remove_file(committed.join(name)).with_context(|| format!("cannot remove .sqlx/{}", name.display()))?;
    }
    for (name, bytes) in now.iter().filter(|(name, bytes)| before.get(*name) != Some(bytes)) {
        fs::write(committed.join(name), bytes).with_context(|| format!("cannot write .sqlx/{}", name.display()))?;
    }
    println!("{} query descriptions in .sqlx", now.len());
    Ok(())
}

/// The crates that have a `sqlx.toml`.
fn checked() -> anyhow::Result<Vec<Checked>> {
    #[derive(Deserialize)]
    struct SqlxToml {
        common: Common,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Common {
        database_url_var: String,
    }
    let mut found = Vec::new();
    for folder in subfolders(&workspace::root().join("crates"))? {
        let settings = folder.join("sqlx.toml");
        if !settings.exists() {
            continue;
        }
        let text = fs::read_to_string(&settings).with_context(|| format!("cannot read {}", settings.display()))?;
        let parsed: SqlxToml = toml::from_str(&text).with_context(|| format!("in {}", settings.display()))?;
        let name = name_of(&folder)?;
        found.push(Checked { package: format!("clientele-{name}"), folder, variable: parsed.common.database_url_var });
    }
    Ok(found)
}

/// Makes every Rust file of a crate look changed.
fn touch(folder: &Path) -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the time of a file is compared with other files', by cargo")]
    let now = FileTimes::new().set_modified(std::time::SystemTime::now());
    let mut folders = vec![folder.join("src"), folder.join("tests")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = File::options().append(true).open(&path);
                file.and_then(|file| file.set_times(now))
                    .with_context(|| format!("cannot touch {}", path.display()))?;
            }
        }
    }
    Ok(())
}

fn files(folder: &Path) -> anyhow::Result<BTreeMap<OsString, Vec<u8>>> {
    let mut found = BTreeMap::new();
    if folder.exists() {
        for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
            let bytes = fs::read(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
            found.insert(entry.file_name(), bytes);
        }
    }
    Ok(found)
}

/// The folders in a folder, by name.
fn subfolders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found = read.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    found.retain(|path| path.is_dir());
    found.sort();
    Ok(found)
}

fn name_of(folder: &Path) -> anyhow::Result<String> {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).with_context(|| format!("{} has a name that is not text", folder.display()))
}
