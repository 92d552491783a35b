//! Prints the OpenAPI document of the contracts: `cargo run -p clientele-gateway --bin openapi`.

use std::io::{self, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let document = clientele_gateway::openapi::generate(&clientele_contracts::access::POOL)?;
    io::stdout().write_all(document.as_bytes())?;
    Ok(())
}
