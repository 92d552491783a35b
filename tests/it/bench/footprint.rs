//! How long each service takes from its start to its first answer, and what memory it holds when nobody asks it anything.

use std::time::{Duration, Instant};

use super::{Measure, milliseconds};
use crate::house::{GATEWAY, House, SERVICES};

const LIMIT: u64 = 60 * 1024;
/// After so long a service that nobody asks anything has done what it does at its start.
const IDLE: Duration = Duration::from_secs(20);

pub(super) async fn measure(house: &mut House) -> Vec<Measure> {
    let mut starts = Vec::new();
    for service in SERVICES.into_iter().chain([GATEWAY]) {
        house.stop_service(service).await;
        let begun = Instant::now();
        house.start_service(service).await;
        starts.push((service, begun.elapsed()));
    }
    tokio::time::sleep(IDLE).await;
    starts
        .into_iter()
        .map(|(service, start)| {
            let held = resident(house.process(service).pid());
            let mut line = Measure::new(format!("{service}: start, memory idle"), milliseconds(start));
            line.figure = format!("{} MiB", held / 1024);
            line.goal("below 60 MiB", held < LIMIT)
        })
        .collect()
}

/// Resident memory in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.trim().trim_end_matches(" kB").trim().parse().expect("it is a number")
}
