//! Running a program and saying so.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, bail};
use tokio::process::Command;

/// A program to be run in a folder, without anything to read from standard input.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(name);
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Cargo in the checkout. The cargo that runs us is the one to be used.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), &crate::workspace::root());
    // Set by cargo for us, these would make the packages below believe they were built in our place.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// Runs a program with its output shown; fails when it does.
pub(crate) async fn show(command: &mut Command) -> anyhow::Result<()> {
    let line = describe(command);
    println!("$ {line}");
    let status = command.status().await.with_context(|| format!("cannot run `{line}`"))?;
    if status.success() { Ok(()) } else { bail!("`{line}` failed with {status}") }
}

/// Runs a program and returns what it prints on standard output; its other output is shown.
pub(crate) async fn read(command: &mut Command) -> anyhow::Result<String> {
    let line = describe(command);
    let output = command.stderr(Stdio::inherit()).output().await.with_context(|| format!("cannot run `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed with {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed something that is not text"))
}

fn describe(command: &Command) -> String {
    let command = command.as_std();
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    std::iter::once(name)
        .chain(command.get_args().map(|part| part.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}
