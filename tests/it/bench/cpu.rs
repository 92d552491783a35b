//! Where processors' time goes while something is measured: by process of the house, by service at PostgreSQL.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Ticks of a second, as Linux counts them for everybody (`USER_HZ`).
const TICKS: u64 = 100;
/// What took less than this part of the whole is not told.
const WORTH_TELLING: f64 = 0.03;

/// The time each process has had by now.
pub(super) struct Cpu(BTreeMap<u32, (String, u64)>);

impl Cpu {
    pub(super) fn now() -> Self {
        let processes = std::fs::read_dir("/proc").expect("Linux tells of its processes");
        let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        Self(pids.filter_map(|pid: u32| Some((pid, time(pid)?))).collect())
    }

    /// What has been used since, for each of so many things: `0.82 ms: 35 % postgres messaging, 20 % messaging`.
    pub(super) fn since(&self, things: usize) -> String {
        let mut used: BTreeMap<String, u64> = BTreeMap::new();
        for (pid, (name, ticks)) in Self::now().0 {
            let before = self.0.get(&pid).map_or(0, |(_, before)| *before);
            *used.entry(name).or_default() += ticks.saturating_sub(before);
        }
        let all: u64 = used.values().sum();
        let mut used: Vec<(String, u64)> = used.into_iter().collect();
        used.sort_by_key(|(_, ticks)| std::cmp::Reverse(*ticks));
        let each = Duration::from_secs(all).as_secs_f64() * 1000.0
            / f64::from(u32::try_from(TICKS * things as u64).unwrap_or(u32::MAX));
        let mut told = format!("{each:.2} ms of processor time each");
        for (name, ticks) in used {
            let part = Duration::from_secs(ticks).as_secs_f64() / Duration::from_secs(all.max(1)).as_secs_f64();
            if part >= WORTH_TELLING {
                let _ = write!(told, ", {:.0} % {name}", part * 100.0);
            }
        }
        told
    }
}

/// A process's name and the ticks it has had.
fn time(pid: u32) -> Option<(String, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything.
    let (name, rest) = stat.rsplit_once(')')?;
    let name = name.split_once('(')?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    if name != "postgres" {
        return Some((name.to_owned(), ticks));
    }
    // `postgres: role database address state`
    let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let role = title.trim_start_matches("postgres: ").split([' ', '\0']).next()?.to_owned();
    Some((format!("postgres {role}"), ticks))
}
