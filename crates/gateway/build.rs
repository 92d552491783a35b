//! Watches the built web client, so that a new one is embedded, and refuses a release without one.

use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/dist");
    // The folder has to exist to be embedded and to be watched; a build of the client replaces it.
    fs::create_dir_all(&dist)?;
    println!("cargo::rerun-if-changed=web/dist");
    let is_built = dist.join("index.html").is_file() && dist.join("widget.js").is_file();
    if env::var("PROFILE")? == "release" && !is_built {
        return Err("a release needs the web client: build it first with `cargo xtask web`".into());
    }
    Ok(())
}
