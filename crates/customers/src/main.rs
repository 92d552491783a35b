//! The customers service as a process of its own.

use std::process::ExitCode;

use clientele_customers::{DEFAULT, build};

#[tokio::main]
async fn main() -> ExitCode {
    clientele_platform::run("customers", DEFAULT, build).await
}
