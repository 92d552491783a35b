//! One program of the house: started, killed, started again, its output kept in files.

use std::fs::{File, OpenOptions};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use clientele_testkit::eventually_within;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a program may take to end after SIGTERM.
const ENDING: Duration = Duration::from_secs(30);

/// A program with everything needed to start it again.
pub(crate) struct Process {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    output: PathBuf,
    running: Option<Running>,
}

struct Running {
    child: Child,
    /// A shell that kills the program should this process be killed before it can do so itself.
    leash: Child,
}

impl Process {
    pub(crate) fn new(
        folder: &Path,
        program: &str,
        name: &str,
        arguments: &[&str],
        environment: Vec<(String, String)>,
    ) -> Self {
        Self::of(folder, built(program), name, arguments, environment)
    }

    /// The same for a program that lies elsewhere.
    pub(crate) fn of(
        folder: &Path,
        program: PathBuf,
        name: &str,
        arguments: &[&str],
        environment: Vec<(String, String)>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            program,
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment,
            log: folder.join(format!("{name}.log")),
            output: folder.join(format!("{name}.out")),
            running: None,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Sets a variable for the next start.
    pub(crate) fn configure(&mut self, variable: &str, value: &str) {
        self.environment.retain(|(name, _)| name != variable);
        self.environment.push((variable.to_owned(), value.to_owned()));
    }

    /// Everything the program has logged since the first start.
    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    /// Everything it has printed since the last start.
    pub(crate) fn output(&self) -> String {
        read(&self.output)
    }

    /// The variables it is started with.
    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.as_ref().expect("the program runs").child.id()
    }

    pub(crate) fn start(&mut self) {
        assert!(self.running.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(&self.log).expect("the log can be written");
        let output = File::create(&self.output).expect("the output can be written");
        let child = command(&self.program, &self.environment)
            .args(&self.arguments)
            .stdout(output)
            .stderr(log)
            // Of its own, so that Ctrl-C at the terminal reaches the tests, who then end it.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", self.program.display()));
        let leash = Command::new("/bin/sh")
            .args(["-c", "read -r _; kill -9 \"$1\" 2>/dev/null", "sh", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell can be started");
        self.running = Some(Running { child, leash });
    }

    /// Kills the program without warning.
    pub(crate) fn kill9(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        running.child.kill().expect("a child can be killed");
        running.collect();
    }

    /// Asks the program to end, and gives how it did.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a process id fits"));
        kill(pid, Signal::SIGTERM).expect("a child can be signalled");
        self.ended().await
    }

    /// Waits for the end of a program that was asked for it.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut running = self.running.take().unwrap_or_else(|| panic!("{} does not run", self.name));
        eventually_within(ENDING, &format!("the end of {}", self.name), || {
            let ended = running.child.try_wait().expect("a child can be waited for");
            async move { ended }
        })
        .await;
        running.collect()
    }

    /// Asks the program to end and waits a little for that, without looking at how it does.
    pub(crate) fn end(&mut self) {
        if let Some(running) = self.running.as_mut() {
            let pid = i32::try_from(running.child.id()).expect("a process id fits");
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            let begun = Instant::now();
            while begun.elapsed() < ENDING && matches!(running.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        self.kill9();
    }

    /// Whether the program was started and nobody ended it; it may have ended by itself.
    pub(crate) fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// How the program ended, if it was started and has ended by itself; then it may be started again.
    pub(crate) fn ended_by_itself(&mut self) -> Option<ExitStatus> {
        let running = self.running.as_mut()?;
        running.child.try_wait().expect("a child can be waited for")?;
        self.running.take().map(|mut running| running.collect())
    }

    /// Panics with the end of the log if the program was started and has ended by itself.
    pub(crate) fn assert_runs_if_started(&mut self) {
        let Some(running) = self.running.as_mut() else { return };
        if let Some(status) = running.child.try_wait().expect("a child can be waited for") {
            panic!("{} has ended ({status}):\n{}", self.name, tail(&self.log()));
        }
    }
}

impl Running {
    fn collect(&mut self) -> ExitStatus {
        // First the leash: once the program is collected its number may be another's.
        let _ = self.leash.kill();
        let _ = self.leash.wait();
        self.child.wait().expect("a child can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// Runs a program to its end.
pub(crate) async fn run(program: &str, arguments: &[&str], environment: &[(String, String)]) -> Ended {
    run_program(&built(program), arguments, environment).await
}

/// The same for a program that lies elsewhere.
pub(crate) async fn run_program(program: &Path, arguments: &[&str], environment: &[(String, String)]) -> Ended {
    let mut command = tokio::process::Command::from(command(program, environment));
    let output = command.args(arguments).kill_on_drop(true).output().await.expect("the program can be started");
    Ended {
        status: output.status,
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        log: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    pub(crate) log: String,
}

impl Ended {
    /// Panics unless the program succeeded.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert!(
            self.status.success(),
            "ended with {} (signal {:?}):\n{}\n{}",
            self.status,
            self.status.signal(),
            tail(&self.output),
            tail(&self.log)
        );
        self
    }
}

/// A program of the workspace, beside this test.
pub(crate) fn built(program: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a process knows its program");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in target/<profile>/deps");
    let path = folder.join(program);
    assert!(
        path.exists(),
        "{} is missing: these tests run the real programs, build them with `cargo build --workspace --bins --examples`",
        path.display()
    );
    path
}

/// A command that inherits of our environment only what finds PostgreSQL and temporary folders: what the developer has set
/// for a Clientele of their own is none of the tests' business.
pub(crate) fn command(program: &Path, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "CLIENTELE_CACHE", "CLIENTELE_POSTGRES_BIN"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The last lines of a text.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
