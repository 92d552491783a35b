//! The `clientele` command.
//!
//! - `up`: everything in one process on embedded defaults
//! - `migrate`: brings the database of services that run apart up to date
//! - `backup`, `restore`: a house in one process to a folder, and back, to any moment whose log was kept
//! - `restored`: what is to be done after a database was restored by other means
//! - `import`: brings orders in from a file, over the public API
//! - `verify`: recomputes every figure from the owning services' documents
//! - `keys`: replaces the keys that the house lives on
//! - `doctor`: what is wrong with a configuration or an environment
//! - `config`: prints the documented default configuration, or checks the one that is given

mod backup;
mod client;
mod configuration;
mod contexts;
mod demo;
mod doctor;
mod import;
mod keys;
mod migrate;
mod secrets;
mod up;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use clientele_kernel::Error;

/// Clientele, a customer-360 CRM: one card on which a company sees everything it knows about a customer
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything in one process, with a private database under the data directory
    Up(up::Arguments),
    /// Bring the database of services that run as processes of their own up to date
    Migrate(migrate::Arguments),
    /// Bring data in from files, over the public API
    #[command(subcommand)]
    Import(import::What),
    /// Copy the house that runs in one process, without stopping it
    Backup(backup::Arguments),
    /// Make a data directory from such a copy
    Restore(backup::RestoreArguments),
    /// Tell the services of a database that it was restored from a backup by other means than `restore`
    Restored(backup::restored::Arguments),
    /// Recompute every figure from the orders and say where what is served differs
    Verify(verify::Arguments),
    /// Replace the keys that the house lives on
    #[command(subcommand)]
    Keys(keys::What),
    /// Say what is wrong with a configuration, or with the machine and the servers that it names
    Doctor(doctor::Arguments),
    /// Print the default configuration, which explains every key, or check the one that is given
    Config(configuration::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    clientele_platform::install_crypto();
    let outcome = match Arguments::parse().command {
        Command::Up(arguments) => Box::pin(up::run(arguments)).await,
        Command::Migrate(arguments) => migrate::run(arguments).await,
        Command::Import(what) => import::run(what).await,
        Command::Backup(arguments) => backup::take(arguments).await,
        Command::Restore(arguments) => Box::pin(backup::restore(arguments)).await,
        Command::Restored(arguments) => backup::restored::run(arguments).await,
        Command::Verify(arguments) => verify::run(arguments).await,
        Command::Keys(what) => keys::run(what).await,
        Command::Doctor(arguments) => doctor::run(arguments).await,
        Command::Config(arguments) => configuration::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            ExitCode::FAILURE
        }
    }
}

/// Tells the person at the terminal what went wrong, with its causes: they run the house, nothing is hidden from them.
#[expect(clippy::print_stderr, reason = "a command speaks to its terminal")]
fn tell(error: &Error) {
    eprintln!("error: {error}");
    for violation in error.violations.iter().skip(1) {
        eprintln!("  {}: {}", violation.field, violation.description);
    }
    let mut told = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        // Many an error repeats the one it stands for.
        if text != told {
            eprintln!("  because: {text}");
        }
        told = text;
        next = cause.source();
    }
}
