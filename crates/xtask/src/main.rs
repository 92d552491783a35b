//! The project's chores: `cargo xtask up | test | web | sql | migrations | previous | image | bench | faults | features`.
//!
//! | Module | What it holds |
//! |---|---|
//! | `up` | builds what is needed and starts everything in one process |
//! | `test` | every check and every test, step by step |
//! | `web` | builds or checks the web client |
//! | `sql` | refreshes or checks the query descriptions in `.sqlx` |
//! | `migrations` | checks that migrations hold nobody up and break nothing of the release before |
//! | `previous` | builds the programs of the release before |
//! | `release` | which release that is |
//! | `image` | makes a container image of each program |
//! | `bench` | what the house does in a second, beside what its parts do bare |
//! | `faults` | hundreds of rounds of the fault suite |
//! | `features` | checks that `tests/features.toml` names tests that exist and ran |
//! | `tools` | programs that the chores need and a machine may lack |
//! | `command` | running a program and saying so |
//! | `workspace` | where things are |
#![expect(clippy::print_stdout, reason = "a chore talks to whoever started it")]

mod bench;
mod command;
mod faults;
mod features;
mod image;
mod migrations;
mod previous;
mod readme;
mod release;
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
    /// Check that no new migration holds up those who write, or breaks the release before
    Migrations,
    /// Build the programs of the release before, for the test that runs both side by side
    Previous,
    /// Build the programs and make a container image of each
    Image(image::Arguments),
    /// Measure with optimised programs what the house does in a second, beside what its parts do bare
    Bench(bench::Arguments),
    /// Disturb every part of a house at random moments for hundreds of rounds, and check that nothing is lost or doubled
    Faults(faults::Arguments),
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
        Chore::Migrations => migrations::run().await,
        Chore::Previous => previous::run().await,
        Chore::Image(arguments) => image::run(arguments).await,
        Chore::Bench(arguments) => bench::run(arguments).await,
        Chore::Faults(arguments) => faults::run(arguments).await,
        Chore::Features(arguments) => features::run(arguments).await,
    }
}
