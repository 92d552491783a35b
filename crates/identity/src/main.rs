//! The identity service as a process of its own.

use clientele_identity::{DEFAULT, NAME, build};
use clientele_kernel::Error;

#[tokio::main]
async fn main() -> Result<(), Error> {
    clientele_platform::run(NAME, DEFAULT, build).await
}
