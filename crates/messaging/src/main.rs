//! The messaging service as a process of its own.

use std::process::ExitCode;

use clientele_messaging::{DEFAULT, NAME, build};

#[tokio::main]
async fn main() -> ExitCode {
    clientele_platform::run(NAME, DEFAULT, build).await
}
