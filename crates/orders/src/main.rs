//! The orders service as a process of its own.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match clientele_platform::run("orders", clientele_orders::DEFAULT, clientele_orders::build).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "orders could not run");
            ExitCode::FAILURE
        }
    }
}
