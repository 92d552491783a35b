//! Running a short-lived program under a deadline.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::{Error, Result};

/// How much of a failed program's output is worth telling.
const TOLD_LINES: usize = 20;

/// Runs a program to its end and returns what it printed on standard output.
pub(crate) async fn run(mut command: Command, deadline: Duration) -> Result<String> {
    let line = describe(&command);
    // Our own settings are for us, and some of them are secrets.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CLIENTELE_")) {
        command.env_remove(name);
    }
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let failed = |outcome: String, output: String| Error::Tool { command: line.clone(), outcome, output };
    match tokio::time::timeout(deadline, command.output()).await {
        Err(_) => Err(failed(format!("did not end within {} s", deadline.as_secs()), "stopped".to_owned())),
        Ok(Err(error)) => Err(failed("could not be run".to_owned(), error.to_string())),
        Ok(Ok(output)) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(Ok(output)) => {
            let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
            let said = String::from_utf8_lossy(&said);
            let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
            let told = lines[lines.len().saturating_sub(TOLD_LINES)..].join("; ");
            Err(failed(format!("failed with {}", output.status), told))
        }
    }
}

fn describe(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
