//! The identity service as a process of its own.

use std::process::ExitCode;

use clientele_identity::{DEFAULT, build};

#[tokio::main]
async fn main() -> ExitCode {
    clientele_platform::run("identity", DEFAULT, build).await
}
