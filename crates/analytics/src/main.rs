//! The analytics service as a process of its own.

use std::process::ExitCode;

use clientele_analytics::{build, config};

#[tokio::main]
async fn main() -> ExitCode {
    clientele_platform::run("analytics", config::DEFAULT, build).await
}
