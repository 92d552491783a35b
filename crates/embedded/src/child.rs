//! One supervised child process.
//!
//! A thread of its own waits for each child, so a child does not depend on the runtime that started it, and nothing is
//! signalled after it has been collected (its number may be another's by then). If we die without stopping it, a leash
//! does: a shell that waits on a pipe only we hold open. The kernel's parent-death signal would do the same on Linux
//! only, for the thread instead of the process, and cannot be set without unsafe code.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::account::Account;
use crate::error::{Error, Result};

/// How often a child that starts is looked at, and how often it is told that it is waited for.
const POLL: Duration = Duration::from_millis(10);
const TELL: Duration = Duration::from_secs(5);
/// Lines of a child's log that are kept to explain why it ended.
const KEPT_LINES: usize = 12;
/// A longer log line is forwarded in pieces.
const LINE_BYTES: u64 = 16 * 1024;

/// How a child ended.
#[derive(Debug, Clone)]
pub struct Exit {
    /// The program.
    pub program: &'static str,
    /// The process id it had.
    pub pid: u32,
    /// Its status; `None` when the system would not tell.
    pub status: Option<ExitStatus>,
    /// The end of its log.
    pub last_lines: Vec<String>,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {}) ended", self.program, self.pid)?;
        match self.status {
            Some(status) => match (status.code(), status.signal()) {
                (Some(code), _) => write!(f, " with code {code}")?,
                (None, Some(signal)) => write!(f, " by signal {signal}")?,
                (None, None) => {}
            },
            None => write!(f, " with unknown status")?,
        }
        if self.last_lines.is_empty() { Ok(()) } else { write!(f, "; it last said: {}", self.last_lines.join("; ")) }
    }
}

/// What the supervisor must know of a program.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Its name in messages and logs.
    pub(crate) program: &'static str,
    /// The signal that asks it to stop quickly and cleanly.
    pub(crate) stop: Signal,
    /// How serious a line of its log is.
    pub(crate) level: fn(&str) -> tracing::Level,
}

/// A running child. Dropping it asks it to stop without waiting for that.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    stop: Signal,
    /// Whether the child has been collected; held while signalling, so that the number cannot change hands meanwhile.
    collected: Arc<Mutex<bool>>,
    log: Arc<Mutex<VecDeque<String>>>,
    exit: watch::Receiver<Option<Exit>>,
}

impl Child {
    /// Starts a child in a process group of its own, so that Ctrl-C at the terminal reaches us and not it.
    ///
    /// `remove` names a folder that goes when the child has ended, even if we end first.
    pub(crate) fn spawn(mut command: Command, kind: &Kind, remove: Option<&Path>) -> std::io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let raw = i32::try_from(child.id()).map_err(std::io::Error::other)?;
        let pid = Pid::from_raw(raw);
        let stderr = child.stderr.take();
        let log = Arc::new(Mutex::new(VecDeque::with_capacity(KEPT_LINES)));
        let collected = Arc::new(Mutex::new(false));
        let (sender, exit) = watch::channel(None);
        let program = kind.program;

        let started = leash(raw, kind.stop, remove).and_then(|leash| {
            let reader = stderr.map(|stderr| {
                let log = Arc::clone(&log);
                let level = kind.level;
                std::thread::Builder::new()
                    .name(format!("{program}-log"))
                    .spawn(move || forward(stderr, program, level, &log))
            });
            let reader = reader.transpose()?;
            Ok((leash, reader))
        });
        let (mut leash, reader) = match started {
            Ok(parts) => parts,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };

        let keeper = {
            let (log, collected) = (Arc::clone(&log), Arc::clone(&collected));
            let remove = remove.map(Path::to_owned);
            std::thread::Builder::new().name(format!("{program}-keeper")).spawn(move || {
                let status = collect(&mut child, pid, &collected);
                // Before the leash is let go: should we end here, it removes what is left.
                if let Some(folder) = remove
                    && let Err(error) = std::fs::remove_dir_all(&folder)
                {
                    tracing::warn!(folder = %folder.display(), %error, "cannot remove a temporary folder");
                }
                let _ = leash.kill();
                let _ = leash.wait();
                if let Some(reader) = reader
                    && status.is_some()
                {
                    // A grandchild may hold the log open a little longer than its parent lived; what it says is not
                    // needed for the report.
                    let patience = std::time::Instant::now() + Duration::from_millis(200);
                    while !reader.is_finished() && std::time::Instant::now() < patience {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                }
                let last_lines = locked(&log).iter().cloned().collect();
                let _ = sender.send(Some(Exit { program, pid: raw.unsigned_abs(), status, last_lines }));
            })
        };
        if let Err(error) = keeper {
            // The child and its leash went away with the closure; nothing waits for them, but nothing is left running.
            let _ = kill(pid, Signal::SIGKILL);
            return Err(error);
        }
        tracing::debug!(program, pid = raw, "child started");
        Ok(Self { pid, stop: kind.stop, collected, log, exit })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal; without effect once the child has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        let collected = locked(&self.collected);
        if !*collected && let Err(error) = kill(self.pid, signal) {
            tracing::warn!(pid = self.pid.as_raw(), %signal, %error, "cannot signal a child");
        }
    }

    /// Waits until the probe finds the child ready, and gives what it found. Fails when the child ends before, or takes
    /// longer than it may.
    pub(crate) async fn until_ready<T>(
        &self,
        kind: &Kind,
        limit: Duration,
        mut probe: impl AsyncFnMut() -> Option<T>,
    ) -> Result<T> {
        let begun = Instant::now();
        let mut told = begun;
        loop {
            if let Some(exit) = self.ended() {
                return Err(Error::Ended(exit));
            }
            if let Some(ready) = probe().await {
                return Ok(ready);
            }
            if begun.elapsed() > limit {
                return Err(Error::NotReady {
                    program: kind.program,
                    waited_s: limit.as_secs(),
                    last_lines: self.last_lines(),
                });
            }
            if told.elapsed() > TELL {
                told = Instant::now();
                let waited_s = begun.elapsed().as_secs();
                tracing::info!(program = kind.program, waited_s, "waiting for a program, which may be recovering");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// How the child ended, if it has.
    pub(crate) fn ended(&self) -> Option<Exit> {
        self.exit.borrow().clone()
    }

    /// Resolves when the child has ended, for whatever reason.
    pub(crate) fn exited(&self) -> impl Future<Output = Exit> + Send + 'static {
        let (mut exit, pid) = (self.exit.clone(), self.pid);
        async move {
            let ended = exit.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone());
            // The keeper sends before it ends, so the fallback is only for a keeper that was itself destroyed.
            ended.unwrap_or_else(|| Exit {
                program: "child",
                pid: pid.as_raw().unsigned_abs(),
                status: None,
                last_lines: Vec::new(),
            })
        }
    }

    /// The end of the child's log.
    pub(crate) fn last_lines(&self) -> String {
        locked(&self.log).iter().cloned().collect::<Vec<_>>().join("; ")
    }

    /// Stops the child: each signal is given its time to take effect, then it is killed.
    pub(crate) async fn stop(&self, steps: &[(Signal, Duration)]) -> Exit {
        for (signal, patience) in steps {
            self.signal(*signal);
            if let Ok(exit) = tokio::time::timeout(*patience, self.exited()).await {
                return exit;
            }
            tracing::warn!(pid = self.pid.as_raw(), %signal, waited_s = patience.as_secs(), "child did not stop in time");
        }
        self.signal(Signal::SIGKILL);
        self.exited().await
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(self.stop);
    }
}

/// Stops the child when standard input ends, waits for that, and removes its folder. The wait has an end because a child
/// that nobody collects seems to run for ever.
const LEASH: &str = r#"
read -r _
kill -"$1" "$2" 2>/dev/null
[ -n "$3" ] || exit
waited=0
while kill -0 "$2" 2>/dev/null && [ "$waited" -lt 300 ]; do
    sleep 0.1 || sleep 1
    waited=$((waited + 1))
done
rm -rf -- "$3"
"#;

/// Starts the shell that stops the child when we are gone: nobody writes to its standard input, and only our end closes it.
fn leash(pid: i32, stop: Signal, remove: Option<&Path>) -> std::io::Result<std::process::Child> {
    let mut command = Account::own_self().command("/bin/sh".as_ref(), "/".as_ref());
    command.args(["-c", LEASH, "leash", stop.as_str().trim_start_matches("SIG"), &pid.to_string()]);
    command.arg(remove.map(Path::as_os_str).unwrap_or_default());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn()
}

/// Waits for the child to end and collects it, both visible to whoever wants to signal it.
fn collect(child: &mut std::process::Child, pid: Pid, collected: &Mutex<bool>) -> Option<ExitStatus> {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::wait::{Id, WaitPidFlag, waitid};
        // Leaves the ended child uncollected, so that its number stays ours until the lock is held.
        while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(nix::errno::Errno::EINTR) {}
        let mut collected = locked(collected);
        let status = child.wait().ok();
        *collected = true;
        status
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = pid;
        loop {
            {
                let mut collected = locked(collected);
                match child.try_wait() {
                    Ok(None) => {}
                    ended => {
                        *collected = true;
                        return ended.ok().flatten();
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Forwards a child's log to ours, keeping its end.
fn forward(
    stderr: ChildStderr,
    program: &'static str,
    level: fn(&str) -> tracing::Level,
    log: &Mutex<VecDeque<String>>,
) {
    let mut reader = BufReader::new(stderr);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match (&mut reader).take(LINE_BYTES).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        if line.is_empty() {
            continue;
        }
        match level(&line) {
            tracing::Level::ERROR => tracing::error!(target: "clientele_embedded::log", program, "{line}"),
            tracing::Level::WARN => tracing::warn!(target: "clientele_embedded::log", program, "{line}"),
            _ => tracing::debug!(target: "clientele_embedded::log", program, "{line}"),
        }
        let mut log = locked(log);
        if log.len() == KEPT_LINES {
            log.pop_front();
        }
        log.push_back(line);
    }
}

/// A lock whose holder panicked still guards plain data that is whole after every statement.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
