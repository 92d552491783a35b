//! `cargo xtask test`: every check and every test, step by step.

use std::time::{Duration, Instant};

use anyhow::bail;
use clap::ValueEnum;
use clientele_embedded::{
    NatsOptions, NatsServer, Postgres, PostgresOptions, cache_dir, ensure_nats_server, ensure_postgres, install,
    scratch_dir,
};

use crate::{command, features, migrations, previous, readme, sql, tools, web, workspace};

/// What `test` can be told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only these steps
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Step>,
    /// Leave these steps out
    #[arg(long, value_enum, value_delimiter = ',')]
    skip: Vec<Step>,
    /// Go on after a step that failed
    #[arg(long)]
    keep_going: bool,
}

/// The steps, in their order: what is quick and often wrong comes first; nothing waits for what it does not need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Whatever the other steps need is on this machine
    Tools,
    /// The code is formatted
    Fmt,
    /// Licences, banned crates, sources of crates
    Deny,
    /// Migrations hold nobody up, and break nothing of the release before
    Migrations,
    /// The web client: style, types, unit tests, build
    Web,
    /// The query descriptions follow from queries and migrations; makes sources look new, so before all that compiles them
    Sql,
    /// Lints
    Clippy,
    /// The programs
    Build,
    /// The programs of the release before
    Previous,
    /// The commands of the README, as a newcomer runs them
    Readme,
    /// The browser tests
    Browser,
    /// The Rust tests
    Tests,
    /// The tests that features.toml names
    Features,
}

/// The variables through which tests find what was started for all of them; without them they start their own.
const POSTGRES: &str = "CLIENTELE_TEST_POSTGRES";
const NATS: &str = "CLIENTELE_TEST_NATS";

/// Runs the steps and prints how each went.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut table = Vec::new();
    let mut failed = Vec::new();
    for step in Step::value_variants() {
        let left_out = arguments.skip.contains(step) || !(arguments.only.is_empty() || arguments.only.contains(step));
        if left_out {
            continue;
        }
        println!("\n==> {}", name(*step));
        let begun = Instant::now();
        let outcome = step.run().await;
        let word = if outcome.is_ok() { "ok" } else { "failed" };
        table.push(format!("{:<12}{word:<8}{:>8}", name(*step), seconds(begun.elapsed())));
        if let Err(error) = outcome {
            println!("{}: {error:#}", name(*step));
            failed.push(name(*step));
            if !arguments.keep_going {
                break;
            }
        }
    }
    println!("\n{}", table.join("\n"));
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

impl Step {
    async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Tools => tools::ensure().await,
            Self::Fmt => command::show(&mut command::cargo(&["fmt", "--all", "--check"])).await,
            Self::Deny => deny().await,
            Self::Migrations => migrations::run().await,
            Self::Web => {
                web::check().await?;
                web::build().await
            }
            Self::Clippy => {
                let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
                command::show(&mut command::cargo(&arguments)).await
            }
            Self::Build => command::show(&mut command::cargo(&["build", "--workspace", "--bins", "--locked"])).await,
            Self::Previous => previous::run().await,
            Self::Sql => sql::check().await,
            Self::Readme => readme::run().await,
            Self::Browser => browser().await,
            Self::Tests => tests().await,
            Self::Features => {
                let report = report();
                features::run(features::Arguments { ran: report.exists().then_some(report) }).await
            }
        }
    }
}

/// Advisories are left out: they need a database that is fetched from elsewhere than the registries.
async fn deny() -> anyhow::Result<()> {
    let mut deny = command::program(tools::cargo_deny().await?, &workspace::root());
    deny.args(["--log-level", "error", "--config", ".deny.toml", "check", "licenses", "bans", "sources"]);
    command::show(&mut deny).await
}

async fn browser() -> anyhow::Result<()> {
    let chromium = tools::chromium().await?;
    let mut run = command::program("npm", &workspace::web());
    run.args(["run", "--silent", "e2e"]).env("CLIENTELE_CHROMIUM", chromium);
    command::show(&mut run).await
}

/// Runs the Rust tests over one PostgreSQL and one nats-server, started for all of them.
async fn tests() -> anyhow::Result<()> {
    let scratch = scratch_dir()?;
    let nextest = install::on_path("cargo-nextest").is_some();
    let mut run = if nextest {
        command::cargo(&["nextest", "run", "--workspace", "--locked"])
    } else {
        command::cargo(&["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"])
    };
    run.env("CLIENTELE_CACHE", cache_dir());

    let mut postgres = None;
    if std::env::var_os(POSTGRES).is_none() {
        let mut options = PostgresOptions::temporary()?;
        options.programs = Some(ensure_postgres(&cache_dir()).await?);
        let started = Postgres::start(options).await?;
        run.env(POSTGRES, started.url("postgres", started.superuser()));
        postgres = Some(started);
    }
    let mut nats = None;
    if std::env::var_os(NATS).is_none() {
        let program = Some(ensure_nats_server(&cache_dir()).await?);
        let started =
            NatsServer::start(NatsOptions { program, ..NatsOptions::new(scratch.path().join("nats")) }).await?;
        run.env(NATS, started.url());
        nats = Some(started);
    }
    // A report of an earlier run must not vouch for this one.
    let _ = std::fs::remove_file(report());
    let outcome = command::show(&mut run).await;
    if let Some(nats) = nats {
        nats.stop().await;
    }
    if let Some(postgres) = postgres {
        postgres.stop().await;
    }
    outcome
}

/// Where nextest writes its report, by `.config/nextest.toml`.
fn report() -> std::path::PathBuf {
    workspace::target().join("nextest/default/junit.xml")
}

fn name(step: Step) -> String {
    step.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
