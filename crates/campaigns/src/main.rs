//! The campaigns service as a process of its own.

use std::process::ExitCode;

use clientele_campaigns::{DEFAULT, NAME, build};

#[tokio::main]
async fn main() -> ExitCode {
    clientele_platform::run(NAME, DEFAULT, build).await
}
