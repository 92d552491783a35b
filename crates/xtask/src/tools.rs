//! Programs that the chores need and a machine may lack.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clientele_embedded::install;
use clientele_embedded::{cache_dir, ensure_nats_server, ensure_pgbouncer, ensure_postgres};

use crate::command;

/// Chromium under the names that systems give it.
const CHROMIUM: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The version of cargo-deny that is built where there is none.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// Makes sure that everything the tests need is there.
pub(crate) async fn ensure() -> anyhow::Result<()> {
    for name in ["node", "npm"] {
        if install::on_path(name).is_none() {
            bail!("{name} not found: install Node.js 20.19 or newer");
        }
    }
    let postgres = ensure_postgres(&cache_dir()).await?;
    println!("PostgreSQL {} in {}", postgres.version, postgres.folder.display());
    println!("nats-server: {}", ensure_nats_server(&cache_dir()).await?.display());
    println!("PgBouncer: {}", ensure_pgbouncer(&cache_dir()).await?.display());
    println!("Chromium: {}", chromium().await?.display());
    println!("promtool: {}", packaged("promtool", "prometheus", "the tests of the alerts").await?.display());
    println!("openssl: {}", packaged("openssl", "openssl", "the Secrets of deploy/kubernetes/dev").await?.display());
    println!("cargo-deny: {}", cargo_deny().await?.display());
    // No registry has it, and each distribution has it elsewhere.
    let kubectl = install::on_path("kubectl").map_or_else(
        || "none, so nobody looks at the manifests in deploy/kubernetes (to have it: https://kubernetes.io/docs/tasks/tools)".to_owned(),
        |kubectl| kubectl.display().to_string(),
    );
    println!("kubectl: {kubectl}");
    let runner = install::on_path("cargo-nextest").map_or_else(
        || "none, so `cargo test` runs the tests (to have it: `cargo install --locked cargo-nextest`)".to_owned(),
        |nextest| nextest.display().to_string(),
    );
    println!("cargo-nextest: {runner}");
    Ok(())
}

/// Chromium, installed from the system's packages where that is possible.
pub(crate) async fn chromium() -> anyhow::Result<PathBuf> {
    let find = || CHROMIUM.iter().find_map(|name| install::on_path(name));
    if let Some(found) = find() {
        return Ok(found);
    }
    if install::system_packages() {
        install::apt_install(&["chromium"]).await.context("cannot install Chromium, which the browser tests need")?;
    }
    find().context(
        "Chromium not found, which the browser tests need: install it, for example with `apt-get install chromium`",
    )
}

/// A program that the system's packages bring, installed from there where that is possible.
async fn packaged(program: &str, package: &str, wanted_by: &str) -> anyhow::Result<PathBuf> {
    let find = || install::on_path(program);
    if find().is_none() && install::system_packages() {
        install::apt_install(&[package])
            .await
            .with_context(|| format!("cannot install {program}, which {wanted_by} need"))?;
    }
    find().with_context(|| {
        format!("{program} not found, which {wanted_by} need: install it, for example with `apt-get install {package}`")
    })
}

/// cargo-deny, built once into the cache where there is none.
pub(crate) async fn cargo_deny() -> anyhow::Result<PathBuf> {
    let home = cache_dir().join("cargo-deny").join(CARGO_DENY_VERSION);
    let built = home.join("bin/cargo-deny");
    if let Some(found) = install::on_path("cargo-deny").or_else(|| built.is_file().then(|| built.clone())) {
        return Ok(found);
    }
    println!("cargo-deny is missing on this machine; building it once, which takes some minutes");
    let home = home.to_str().context("the cache folder's name is not text")?;
    // Unoptimised: it runs for a second, and optimising it would take minutes more.
    let mut command = command::cargo(&[
        "install",
        "cargo-deny",
        "--locked",
        "--profile",
        "dev",
        "--version",
        CARGO_DENY_VERSION,
        "--root",
        home,
    ]);
    command.env("CARGO_PROFILE_DEV_DEBUG", "0");
    command::show(&mut command).await?;
    Ok(built)
}
