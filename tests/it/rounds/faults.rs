//! What is done to a house in a round: thrown before the round begins, so that a seed tells it again.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::task::JoinHandle;

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
    /// NATS stands still nine tenths of the time, a moment at once, as it does when each write waits for its disk.
    SlowNats,
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
    /// Whether there are disks that can be full.
    pub(crate) disks: bool,
}

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kill,
    Restart,
    Pause,
    KillNats,
    PauseNats,
    SlowNats,
    KillPostgres,
    KillPart,
    PausePart,
    Cut,
    Shut,
    Silent,
    Slow,
    Mute,
    Brittle,
    FullPostgres,
    FullNats,
    SlowDisk,
}

/// What a kind of fault befalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Program,
    Nats,
    Postgres,
    Way,
}

impl Kind {
    /// Each with how often it comes among a hundred once every kind has come.
    const ALL: [(Self, usize); 18] = [
        (Self::Kill, 23),
        (Self::Restart, 6),
        (Self::Pause, 15),
        (Self::KillNats, 6),
        (Self::PauseNats, 4),
        (Self::SlowNats, 3),
        (Self::KillPostgres, 5),
        (Self::KillPart, 5),
        (Self::PausePart, 6),
        (Self::Cut, 6),
        (Self::Shut, 3),
        (Self::Silent, 2),
        (Self::Slow, 2),
        (Self::Mute, 2),
        (Self::Brittle, 3),
        (Self::FullPostgres, 3),
        (Self::FullNats, 3),
        (Self::SlowDisk, 3),
    ];

    fn victim(self) -> Victim {
        match self {
            Self::Kill | Self::Restart | Self::Pause => Victim::Program,
            Self::KillNats | Self::PauseNats | Self::SlowNats | Self::FullNats => Victim::Nats,
            Self::KillPostgres | Self::KillPart | Self::PausePart | Self::FullPostgres | Self::SlowDisk => {
                Victim::Postgres
            }
            Self::Cut | Self::Shut | Self::Silent | Self::Slow | Self::Mute | Self::Brittle => Victim::Way,
        }
    }

    fn wants_disk(self) -> bool {
        matches!(self, Self::FullPostgres | Self::FullNats)
    }
}

/// The faults of all rounds. Kinds are drawn from a bag: the first one holds each kind once, so that all have come before any
/// comes again; the later ones hold each as often as it weighs.
#[derive(Debug)]
pub(crate) struct Plan {
    seed: u64,
    parts: Parts,
    round: usize,
    dice: Dice,
    bag: Vec<Kind>,
    first_bag: bool,
}

impl Plan {
    pub(crate) fn new(seed: u64, parts: Parts) -> Self {
        let mut plan =
            Self { seed, parts, round: 0, dice: Dice::new(seed, "kinds of faults"), bag: Vec::new(), first_bag: true };
        plan.fill(|_| 1);
        plan
    }

    /// The faults of the next round.
    pub(crate) fn next_round(&mut self) -> Vec<Fault> {
        self.round += 1;
        let mut dice = Dice::new(self.seed, &format!("faults of round {}", self.round));
        let mut kinds: Vec<Kind> = Vec::new();
        for _ in 0..=dice.below(MOST_AT_ONCE) {
            if self.bag.is_empty() {
                self.first_bag = false;
                self.fill(|weight| weight);
            }
            // One that befalls what is down already would not have come; later that is welcome too.
            let comes = |kind: &Kind| !self.first_bag || kinds.iter().all(|other| other.victim() != kind.victim());
            let Some(at) = self.bag.iter().rposition(comes) else { break };
            kinds.push(self.bag.remove(at));
        }
        kinds.into_iter().map(|kind| fault(&mut dice, kind, &self.parts)).collect()
    }

    fn fill(&mut self, number: impl Fn(usize) -> usize) {
        for (kind, weight) in Kind::ALL.into_iter().filter(|(kind, _)| self.parts.disks || !kind.wants_disk()) {
            self.bag.extend(std::iter::repeat_n(kind, number(weight)));
        }
        for place in (1..self.bag.len()).rev() {
            let other = self.dice.below(place + 1);
            self.bag.swap(place, other);
        }
    }
}

fn fault(dice: &mut Dice, kind: Kind, parts: &Parts) -> Fault {
    let ms = Duration::from_millis;
    let at = BEGINNING.mul_f64(dice.part());
    let (program, way) = (dice.of(&parts.programs).clone(), dice.of(&parts.ways).clone());
    let weather = |weather| (What::Weather(way.clone(), weather), ms(100), ms(8_000));
    let (what, least, most) = match kind {
        Kind::Kill => (What::Kill(program), ms(1), ms(2_000)),
        Kind::Restart => (What::Restart(program), ms(1), ms(1_000)),
        Kind::Pause => (What::Pause(program), ms(100), ms(8_000)),
        Kind::KillNats => (What::KillNats, ms(1), ms(3_000)),
        Kind::PauseNats => (What::PauseNats, ms(100), ms(8_000)),
        Kind::SlowNats => (What::SlowNats, ms(500), ms(5_000)),
        Kind::KillPostgres => (What::KillPostgres, ms(1), ms(1_000)),
        Kind::KillPart => (What::KillPart(dice.number()), ms(1), ms(2)),
        Kind::PausePart => (What::PausePart(dice.number()), ms(100), ms(8_000)),
        Kind::Cut => (What::Cut(way), ms(1), ms(2)),
        Kind::Shut => weather(Weather::Shut),
        Kind::Silent => weather(Weather::Silent),
        Kind::Slow => weather(Weather::Slow(dice.time(ms(10), ms(1_000)))),
        Kind::Mute => weather(Weather::Mute),
        Kind::Brittle => weather(Weather::Brittle(dice.below(400))),
        Kind::FullPostgres => (What::Full(Disk::Postgres), ms(200), ms(2_000)),
        Kind::FullNats => (What::Full(Disk::Nats), ms(200), ms(2_000)),
        Kind::SlowDisk => (What::SlowDisk, ms(500), ms(5_000)),
    };
    Fault { at, lasts: dice.time(least, most), what }
}

/// Lets faults happen, each at its time, and puts everything right afterwards. Gives the programs that ended by themselves.
pub(crate) async fn happen(house: &mut House, links: &Links, disks: &Disks, faults: &[Fault]) -> Vec<String> {
    let mut steps: Vec<(Duration, bool, &Fault)> =
        faults.iter().flat_map(|fault| [(fault.at, true, fault), (fault.at + fault.lasts, false, fault)]).collect();
    steps.sort_by_key(|(at, ..)| *at);
    let mut scene = Scene { house, links, disks, still: BTreeSet::new(), slow: None, ending: BTreeSet::new() };
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
    /// Who makes NATS slow.
    slow: Option<JoinHandle<()>>,
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
            What::SlowNats => self.slow_nats(),
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
            What::SlowNats => self.quick_nats().await,
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
        self.quick_nats().await;
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

    fn slow_nats(&mut self) {
        let (Some(pid), None) = (self.house.nats_pid(), &self.slow) else { return };
        let (still, moving) = (Duration::from_millis(90), Duration::from_millis(10));
        self.slow = Some(tokio::spawn(async move {
            // Until it is killed, at the latest.
            while signal(pid, Signal::SIGSTOP) {
                tokio::time::sleep(still).await;
                signal(pid, Signal::SIGCONT);
                tokio::time::sleep(moving).await;
            }
        }));
    }

    async fn quick_nats(&mut self) {
        let Some(slow) = self.slow.take() else { return };
        slow.abort();
        let _ = slow.await;
        if let Some(pid) = self.house.nats_pid() {
            signal(pid, Signal::SIGCONT);
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

    fn parts(disks: bool) -> Parts {
        Parts {
            programs: ["customers", "orders", "gateway"].map(str::to_owned).to_vec(),
            ways: ["orders to postgres", "gateway to orders"].map(str::to_owned).to_vec(),
            disks,
        }
    }

    fn rounds(seed: u64, number: usize, disks: bool) -> Vec<Vec<Fault>> {
        let mut plan = Plan::new(seed, parts(disks));
        (0..number).map(|_| plan.next_round()).collect()
    }

    #[test]
    fn a_seed_tells_the_faults_of_its_rounds_again() {
        assert_eq!(rounds(7, 100, true), rounds(7, 100, true));
        assert_eq!(rounds(7, 20, true), rounds(7, 100, true)[..20], "more rounds change nothing in the first");
        assert_ne!(rounds(7, 100, true), rounds(8, 100, true));
    }

    #[test]
    fn whatever_the_seed_every_kind_of_fault_comes_in_as_many_rounds_as_all_tests_have() {
        for seed in 0..200 {
            for disks in [true, false] {
                let told = format!("{:?}", rounds(seed, super::super::ROUNDS, disks));
                for kind in [
                    "Kill(",
                    "Restart(",
                    "Pause(",
                    "KillNats",
                    "PauseNats",
                    "SlowNats",
                    "KillPostgres",
                    "KillPart(",
                    "PausePart(",
                    "Cut(",
                    "Shut",
                    "Silent",
                    "Slow(",
                    "Mute",
                    "Brittle(",
                    "SlowDisk",
                ] {
                    assert!(told.contains(kind), "{kind} does not come with seed {seed}");
                }
                for kind in ["Full(Postgres)", "Full(Nats)"] {
                    assert_eq!(told.contains(kind), disks, "{kind} with seed {seed}");
                }
            }
        }
    }
}
