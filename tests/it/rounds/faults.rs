//! What is done to a house in a round: thrown before the round begins, so that a seed tells it again.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::dice::Dice;
use super::disks::{Disk, Disks};
use super::links::{Links, Weather};
use crate::house::House;

/// Faults begin within so long after the round.
const BEGINNING: Duration = Duration::from_millis(1_200);
const MOST_AT_ONCE: usize = 3;

/// Something that happens for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    at: Duration,
    lasts: Duration,
    what: What,
}

/// What happens; when its time is over it is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// A program is killed, and started again.
    Kill(String),
    /// A program is told to end, and started again.
    Restart(String),
    /// A program stands still.
    Pause(String),
    KillNats,
    PauseNats,
    /// PostgreSQL's first process is killed, and started again.
    KillPostgres,
    /// One of PostgreSQL's other processes is killed: it ends all sessions and recovers by itself.
    KillPart(u32),
    /// One of PostgreSQL's processes stands still, with all the locks it has.
    PausePart(u32),
    /// The connections of a way end.
    Cut(String),
    Weather(String, Weather),
    /// No room on a disk.
    Full(Disk),
    /// Each commit waits a tenth of a second for the disk.
    SlowDisk,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s: {:?} for {:.2} s", self.at.as_secs_f64(), self.what, self.lasts.as_secs_f64())
    }
}

/// What can be disturbed.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) programs: Vec<String>,
    pub(crate) ways: Vec<String>,
}

/// The faults of a round.
pub(crate) fn plan(seed: u64, round: usize, parts: &Parts) -> Vec<Fault> {
    let mut dice = Dice::new(seed, &format!("faults of round {round}"));
    (0..=dice.below(MOST_AT_ONCE)).map(|_| fault(&mut dice, parts)).collect()
}

fn fault(dice: &mut Dice, parts: &Parts) -> Fault {
    let ms = Duration::from_millis;
    let at = BEGINNING.mul_f64(dice.part());
    let (what, least, most) = match dice.below(100) {
        0..24 => (What::Kill(dice.of(&parts.programs).clone()), ms(1), ms(2_000)),
        24..30 => (What::Restart(dice.of(&parts.programs).clone()), ms(1), ms(1_000)),
        30..46 => (What::Pause(dice.of(&parts.programs).clone()), ms(100), ms(8_000)),
        46..52 => (What::KillNats, ms(1), ms(3_000)),
        52..56 => (What::PauseNats, ms(100), ms(8_000)),
        56..61 => (What::KillPostgres, ms(1), ms(1_000)),
        61..66 => (What::KillPart(dice.number()), ms(1), ms(2)),
        66..72 => (What::PausePart(dice.number()), ms(100), ms(8_000)),
        72..78 => (What::Cut(dice.of(&parts.ways).clone()), ms(1), ms(2)),
        78..91 => {
            let weather = match dice.below(5) {
                0 => Weather::Shut,
                1 => Weather::Silent,
                2 => Weather::Slow(dice.time(ms(10), ms(1_000))),
                3 => Weather::Mute,
                _ => Weather::Brittle(dice.below(400)),
            };
            (What::Weather(dice.of(&parts.ways).clone(), weather), ms(100), ms(8_000))
        }
        91..94 => (What::Full(Disk::Postgres), ms(200), ms(2_000)),
        94..97 => (What::Full(Disk::Nats), ms(200), ms(2_000)),
        _ => (What::SlowDisk, ms(500), ms(5_000)),
    };
    Fault { at, lasts: dice.time(least, most), what }
}

/// Lets faults happen, each at its time, and puts everything right afterwards. Gives the programs that ended by themselves.
pub(crate) async fn happen(house: &mut House, links: &Links, disks: &Disks, faults: &[Fault]) -> Vec<String> {
    let mut steps: Vec<(Duration, bool, &Fault)> =
        faults.iter().flat_map(|fault| [(fault.at, true, fault), (fault.at + fault.lasts, false, fault)]).collect();
    steps.sort_by_key(|(at, ..)| *at);
    let mut scene = Scene { house, links, disks, still: BTreeSet::new(), ending: BTreeSet::new() };
    let begun = Instant::now();
    for (at, begins, fault) in steps {
        tokio::time::sleep(at.saturating_sub(begun.elapsed())).await;
        if begins {
            scene.begin(&fault.what).await;
        } else {
            scene.end(&fault.what).await;
        }
    }
    scene.heal().await
}

struct Scene<'a> {
    house: &'a mut House,
    links: &'a Links,
    disks: &'a Disks,
    /// Processes that stand still.
    still: BTreeSet<i32>,
    /// Programs that were told to end.
    ending: BTreeSet<String>,
}

impl Scene<'_> {
    async fn begin(&mut self, what: &What) {
        match what {
            What::Kill(program) => {
                self.house.kill9(program);
                self.ending.remove(program);
            }
            // Not waited for here: other faults may keep it from ending in order.
            What::Restart(program) => {
                if self.house.pid_of(program).is_some_and(|pid| signal(pid, Signal::SIGTERM)) {
                    self.ending.insert(program.clone());
                }
            }
            What::Pause(program) => self.pause(self.house.pid_of(program)),
            What::KillNats if self.house.nats_pid().is_some() => self.house.kill9_nats().await,
            What::PauseNats => self.pause(self.house.nats_pid()),
            What::KillPostgres if self.house.postgres_pid().is_some() => self.house.kill9_postgres().await,
            What::KillPart(number) => {
                if let Some(pid) = self.part(*number) {
                    signal(pid, Signal::SIGKILL);
                }
            }
            What::PausePart(number) => self.pause(self.part(*number)),
            What::Cut(way) => self.links.cut(way),
            What::Weather(way, weather) => self.links.set(way, *weather),
            What::Full(disk) => self.disks.fill(*disk),
            What::SlowDisk => self.slow_commits(true).await,
            What::KillNats | What::KillPostgres => {}
        }
    }

    async fn end(&mut self, what: &What) {
        match what {
            What::Kill(_) => self.house.start_if_down(),
            What::Pause(_) | What::PauseNats | What::PausePart(_) => self.go_on(),
            What::KillNats if self.house.nats_pid().is_none() => self.house.start_nats().await,
            What::KillPostgres if self.house.postgres_pid().is_none() => {
                // It cannot come back while one of the old is left, or on a full disk.
                self.go_on();
                self.disks.free(Disk::Postgres);
                self.house.start_postgres().await;
            }
            What::Weather(way, _) => self.links.set(way, Weather::Fair),
            What::Full(disk) => {
                self.disks.free(*disk);
                if *disk == Disk::Nats && self.disks.small && self.house.nats_pid().is_some() {
                    // What could not be written it takes for broken, and acknowledges nothing more until it is started again.
                    self.house.kill9_nats().await;
                    self.house.start_nats().await;
                }
            }
            What::SlowDisk => self.slow_commits(false).await,
            // Nothing to be undone, or it was undone already.
            What::Restart(_) | What::KillPart(_) | What::Cut(_) | What::KillNats | What::KillPostgres => {}
        }
    }

    /// Puts everything right.
    async fn heal(mut self) -> Vec<String> {
        self.go_on();
        self.links.clear();
        self.disks.free_all();
        for program in std::mem::take(&mut self.ending) {
            self.house.ended(&program).await;
        }
        self.house.revive().await
    }

    fn pause(&mut self, pid: Option<u32>) {
        let paused = pid.filter(|pid| signal(*pid, Signal::SIGSTOP));
        self.still.extend(paused.and_then(|pid| i32::try_from(pid).ok()));
    }

    fn go_on(&mut self) {
        for pid in std::mem::take(&mut self.still) {
            signal(pid.unsigned_abs(), Signal::SIGCONT);
        }
    }

    /// One of the processes that PostgreSQL's first one has started.
    fn part(&self, number: u32) -> Option<u32> {
        let postgres = self.house.postgres_pid()?;
        let children = std::fs::read_to_string(format!("/proc/{postgres}/task/{postgres}/children")).ok()?;
        let children: Vec<u32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        let place = usize::try_from(number).ok()?.checked_rem(children.len())?;
        children.get(place).copied()
    }

    async fn slow_commits(&self, slow: bool) {
        // The wait stands before the flush: it is what a slow disk costs, no more and no less.
        let statements = if slow {
            ["alter system set commit_delay = 100000", "alter system set commit_siblings = 0"]
        } else {
            ["alter system reset commit_delay", "alter system reset commit_siblings"]
        };
        let changing = async {
            let mut database = self.house.try_database(None).await?;
            for statement in statements.into_iter().chain(["select pg_reload_conf()"]) {
                sqlx::query(statement).execute(&mut database).await?;
            }
            Ok::<_, sqlx::Error>(())
        };
        // With PostgreSQL away there is no disk to be slow; and what was slow is made quick again with the next round's end.
        let _ = tokio::time::timeout(Duration::from_secs(2), changing).await;
    }
}

/// Signals a process; false where there is none.
fn signal(pid: u32, signal: Signal) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process id fits"));
    match kill(pid, signal) {
        Ok(()) => true,
        Err(Errno::ESRCH) => false,
        Err(error) => panic!("{pid} cannot be signalled: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_tells_the_faults_of_a_round_again() {
        let parts = Parts {
            programs: ["customers", "orders", "gateway"].map(str::to_owned).to_vec(),
            ways: ["orders to postgres", "gateway to orders"].map(str::to_owned).to_vec(),
        };
        let rounds = |seed| (0..100).map(|round| plan(seed, round, &parts)).collect::<Vec<_>>();
        assert_eq!(rounds(7), rounds(7));
        assert_ne!(rounds(7), rounds(8));
        // Every kind comes in some hundred faults.
        let told = format!("{:?}", rounds(7));
        for kind in [
            "Kill(",
            "Restart(",
            "Pause(",
            "KillNats",
            "PauseNats",
            "KillPostgres",
            "KillPart(",
            "PausePart(",
            "Cut(",
            "Shut",
            "Silent",
            "Slow(",
            "Mute",
            "Brittle(",
            "Full(Postgres)",
            "Full(Nats)",
            "SlowDisk",
        ] {
            assert!(told.contains(kind), "{kind} never comes");
        }
    }
}
