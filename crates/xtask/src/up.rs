//! `cargo xtask up`: from a checkout to a running product.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use anyhow::Context;
use clientele_embedded::{cache_dir, ensure_postgres};

use crate::{command, web, workspace};

/// What `up` can be told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Arguments for `clientele up`, for example `-- --listen 127.0.0.1:9000`
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

/// Builds what is needed and becomes `clientele up`.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    println!("[1/4] PostgreSQL's programs");
    let postgres = ensure_postgres(&cache_dir()).await?;
    println!("      version {} in {}", postgres.version, postgres.folder.display());
    println!("[2/4] the web client");
    web::build().await?;
    println!("[3/4] the program");
    command::show(&mut command::cargo(&["build", "--package", "clientele", "--bin", "clientele", "--locked"])).await?;
    println!("[4/4] clientele up");
    let program = workspace::target().join("debug/clientele");
    // It takes our place: signals reach it without a detour.
    let mut clientele = std::process::Command::new(&program);
    let failure = clientele.arg("up").args(arguments.arguments).exec();
    Err(failure).with_context(|| format!("cannot run {}", program.display()))
}
