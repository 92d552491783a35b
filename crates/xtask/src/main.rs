//! The project's chores: `cargo xtask up | test | web | sql | features`.
//!
//! | Module | What it holds |
//! |---|---|
//! | `up` | builds what is needed and starts everything in one process |
//! | `test` | every check and every test, step by step |
//! | `web` | builds or checks the web client |
//! | `sql` | refreshes or checks the query descriptions in `.sqlx` |
//! | `features` | checks that `tests/features.toml` names tests that exist and ran |
//! | `tools` | programs that the chores need and a machine may lack |
//! | `command` | running a program and saying so |
//! | `workspace` | where things are |
#![expect(clippy::print_stdout, reason = "a chore talks to whoever started it")]

mod command;
mod features;
mod readme;
mod sql;
mod test;
mod tools;
mod up;
mod web;
mod workspace;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// Chores of the Clientele project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build what is needed, web client included, and start everything in one process
    Up(up::Arguments),
    /// Run every check and every test, starting the PostgreSQL and the nats-server they need
    Test(test::Arguments),
    /// Build the web client, if anything in it has changed
    Web(web::Arguments),
    /// Refresh the query descriptions in .sqlx from a database made by the migrations
    Sql(sql::Arguments),
    /// Check that tests/features.toml names tests that exist
    Features(features::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    // What the supervisor of child processes reports: downloads, installations, leftovers of a crash.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_target(false)
        .without_time()
        .with_ansi(std::io::stdout().is_terminal())
        .init();
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => tokio::select! {
            outcome = run(arguments.chore) => outcome,
            interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot listen for Ctrl-C").and_then(|()| anyhow::bail!("interrupted")),
        },
        Err(error) => error.exit(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(chore: Chore) -> anyhow::Result<()> {
    match chore {
        Chore::Up(arguments) => up::run(arguments).await,
        Chore::Test(arguments) => test::run(arguments).await,
        Chore::Web(arguments) => web::run(arguments).await,
        Chore::Sql(arguments) => sql::run(arguments).await,
        Chore::Features(arguments) => features::run(arguments).await,
    }
}
