//! `cargo xtask faults`: more rounds of the fault suite than a run of all tests has.

use clientele_embedded::cache_dir;

use crate::command;

/// What `faults` can be told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many rounds
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Which rounds: a failure tells the seed it had; one of chance when not given
    #[arg(long)]
    seed: Option<u64>,
}

/// The test, by its whole name.
const TEST: &str = "rounds::whatever_breaks_at_whatever_moment_nothing_accepted_is_lost_and_nothing_happens_twice";

/// Builds the programs and disturbs them.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    command::show(&mut command::cargo(&["build", "--workspace", "--bins", "--locked"])).await?;
    let mut test = command::cargo(&["test", "--package", "clientele-tests", "--test", "it", "--locked"]);
    test.args(["--", "--exact", TEST, "--nocapture"]);
    test.env("CLIENTELE_CACHE", cache_dir()).env("CLIENTELE_FAULT_ROUNDS", arguments.rounds.to_string());
    if let Some(seed) = arguments.seed {
        test.env("CLIENTELE_FAULT_SEED", seed.to_string());
    }
    command::show(&mut test).await
}
