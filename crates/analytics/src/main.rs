//! The analytics service as a process of its own.

use clientele_analytics::{NAME, build, config};
use clientele_kernel::Error;

#[tokio::main]
async fn main() -> Result<(), Error> {
    clientele_platform::run(NAME, config::DEFAULT, build).await
}
