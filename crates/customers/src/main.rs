//! The customers service as a process of its own.

use std::process::ExitCode;

use clientele_customers::{DEFAULT, build};

#[tokio::main]
#[expect(clippy::print_stderr, reason = "before telemetry is up there is no other way to tell")]
async fn main() -> ExitCode {
    match clientele_platform::run("customers", DEFAULT, build).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("clientele-customers: {error}");
            ExitCode::FAILURE
        }
    }
}
