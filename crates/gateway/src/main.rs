//! The gateway as a process of its own.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    clientele_gateway::process::run().await
}
