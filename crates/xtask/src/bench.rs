//! `cargo xtask bench`: what the house does in a second, beside what its parts do bare, in one table.

use crate::{command, tools, web};

/// What `bench` can be told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Take only these measures: card, lists, writes, import, delay, sends, footprint
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How many customers there are at last; growth is measured at a hundredth and a tenth of them
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(50_000..))]
    customers: u32,
}

/// Builds optimised programs and measures them.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    tools::ensure().await?;
    web::build().await?;
    command::show(&mut command::cargo(&["build", "--release", "--workspace", "--bins", "--locked"])).await?;
    let mut bench = command::cargo(&["test", "--release", "--locked", "-p", "clientele-tests", "--test", "it"]);
    bench.args(["--", "--ignored", "--exact", "--nocapture", "bench::bench"]);
    bench.env("CLIENTELE_BENCH_ONLY", arguments.only.join(","));
    bench.env("CLIENTELE_BENCH_CUSTOMERS", arguments.customers.to_string());
    command::show(&mut bench).await
}
