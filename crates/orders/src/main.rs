//! The orders service as a process of its own.

use std::process::ExitCode;

use clientele_orders::{DEFAULT, build};

#[tokio::main]
async fn main() -> ExitCode {
    clientele_platform::run("orders", DEFAULT, build).await
}
