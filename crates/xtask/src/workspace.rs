//! Where things are.

use std::path::{Path, PathBuf};

/// The top folder of the checkout.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable for what it runs; a binary that was moved and is run by itself stands in the checkout.
    let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    crate_folder.and_then(|folder| folder.ancestors().nth(2).map(Path::to_owned)).unwrap_or_else(|| PathBuf::from("."))
}

/// The folder for what is built.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |named| root().join(named))
}

/// The folder of the web client.
pub(crate) fn web() -> PathBuf {
    root().join("crates/gateway/web")
}
