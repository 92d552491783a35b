//! What the system knows of a process that is not our child: one left over from an earlier run.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::account::bare;
use crate::error::{Error, Result};

const POLL: Duration = Duration::from_millis(20);

/// Whether a process runs. One that has ended but was never collected by its parent (usual in containers without an
/// init) does not.
pub(crate) fn runs(pid: Pid) -> bool {
    match kill(pid, None) {
        Err(nix::errno::Errno::ESRCH) => false,
        _ => !is_zombie(pid),
    }
}

fn is_zombie(pid: Pid) -> bool {
    // "pid (name) state …"; the name may hold anything, the last bracket ends it.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(')').map(|(_, rest)| rest.trim_start().starts_with('Z')))
        .unwrap_or(false)
}

/// Whether a running process works on `folder`: it stands in it, or its command line names it. A number found in a
/// stale file may by now belong to anybody.
pub(crate) fn works_on(pid: Pid, folder: &Path) -> bool {
    if std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder) {
        return true;
    }
    let needle = folder.as_os_str().as_encoded_bytes();
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).or_else(|_| {
        let output = bare("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
        output.map(|output| output.stdout)
    });
    line.is_ok_and(|line| line.windows(needle.len()).any(|window| window == needle))
}

/// Stops a process that is not our child: each signal is given its time to take effect.
pub(crate) async fn stop(pid: Pid, folder: &Path, steps: &[(Signal, Duration)]) -> Result<()> {
    for (signal, patience) in steps {
        match kill(pid, *signal) {
            Ok(()) => {}
            Err(nix::errno::Errno::ESRCH) => return Ok(()),
            Err(error) => {
                return Err(Error::Io {
                    action: "stop the process working on",
                    path: folder.to_owned(),
                    source: error.into(),
                });
            }
        }
        let deadline = Instant::now() + *patience;
        while Instant::now() < deadline {
            if !runs(pid) {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }
    Err(Error::Orphan { pid: pid.as_raw(), folder: folder.to_owned() })
}
