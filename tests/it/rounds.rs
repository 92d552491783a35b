//! Any part of a house disturbed at random moments, round after round, while work goes on; and what must hold afterwards.
//!
//! A house of separate programs, two of some services, lives through all rounds. In each, one to three faults come to it:
//!
//! - a program, NATS or PostgreSQL's first process is killed (SIGKILL), or a program told to end, and started again;
//! - a process stands still (SIGSTOP, SIGCONT): a program, NATS, one of PostgreSQL's with the locks it holds;
//! - one of PostgreSQL's other processes is killed, which ends all sessions;
//! - a way between two parts is cut, shut, silent, slow, mute in one direction, or breaks in the middle of an answer;
//! - the disk of PostgreSQL or of NATS is full, where this machine lets us mount a small one, and that is told where not; NATS is started
//!   again afterwards, for it takes nothing more until then;
//! - each commit of PostgreSQL waits for its disk (by `commit_delay`: the disk itself is as quick as ever), or NATS does nothing
//!   for nine tenths of the time (by signals, for the same reason).
//!
//! Kinds are drawn from a bag that holds each: all of them come within the rounds of a run of all tests, whatever the seed.
//!
//! Meanwhile workers make and rename customers, give consents, place orders, pay, return, send letters, speak with visitors
//! and change segments, each command under a key; files are brought in, and changes followed. After some rounds all stand
//! still, whatever has no answer is asked for again until it has one, and then, of all since the start: each accepted
//! command has come to be once, feeds are dense, `clientele verify` agrees, the mail server got no letter twice and the
//! ledger of sending is honest. At any time an answer is what was asked for, or 429, 503 (both saying when to come again)
//! or 504. No program has panicked.
//!
//! `CLIENTELE_FAULT_ROUNDS` says how many rounds (20 if not said), `CLIENTELE_FAULT_SEED` which: the same seed gives the
//! same faults at the same times of their rounds. What the work comes to at those times is chance. `cargo xtask faults`
//! sets both.
//!
//! | Module | What it holds |
//! |---|---|
//! | `dice` | chance by a seed |
//! | `faults` | what happens in a round |
//! | `links` | ways between the parts, which can be disturbed |
//! | `disks` | disks that can be full |
//! | `load` | the work, and the ledger of what must have come of it |
//! | `importer` | files that are brought in |
//! | `listener` | somebody who follows changes |
//! | `check` | what must hold |

#![expect(clippy::print_stdout, reason = "what happens is told as it happens, seed first")]

mod check;
mod dice;
mod disks;
mod faults;
mod importer;
mod links;
mod listener;
mod load;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clientele_testkit::SmtpServer;
use clientele_testkit::smtp::{Act, Step};
use futures::future::join_all;
use serde_json::{Value, json};

use self::disks::{Disk, Disks};
use self::faults::{Fault, Parts, Plan};
use self::importer::Importer;
use self::listener::Listener;
use self::load::{Common, Counts, Worker};
use crate::house::{Faults, Form, House, Options, tail};
use crate::rest::Client;

pub(crate) use links::Links;

const ROUNDS: usize = 20;
/// All is looked at after so many rounds.
const TOGETHER: usize = 10;
const WORKERS: usize = 6;
const FOLLOWED: usize = 3;
/// Services of which there are two.
const TWICE: [&str; 4] = ["orders", "messaging", "analytics", "customers"];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_breaks_at_whatever_moment_nothing_accepted_is_lost_and_nothing_happens_twice() {
    let seed = setting("CLIENTELE_FAULT_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 32);
    let rounds = setting("CLIENTELE_FAULT_ROUNDS").map_or(ROUNDS, |rounds| usize::try_from(rounds).expect("it fits"));
    println!("{rounds} rounds of seed {seed}");
    let mut story = Story { seed, told: Vec::new(), begun: Instant::now() };
    let server = mail_server().await;
    let disks = Disks::new();
    if !disks.small {
        println!("no file system can be mounted here: no disk will be full");
    }
    let links = Links::default();
    let mail = links.to_ports("messaging to mail".to_owned(), vec![server.port()]).await;
    let mut house = House::start_with(Form::Apart, options(&links, &disks, mail)).await;
    let _ends = EndsOfLogs { house: house.folder().to_owned(), programs: house.processes() };
    let parts = Parts { programs: house.processes(), ways: links.names(), disks: disks.small };
    let mut plan = Plan::new(seed, parts);

    let client = house.administrator().await;
    let (common, mut followed) = furnish(&client).await;
    let ids: Vec<String> = followed.iter().map(|customer| load::text(&customer["id"]).to_owned()).collect();
    let listener = Listener::follow(house.administrator().await, &ids);
    let mut importer = Importer::new(house.administrator().await);
    let mut workers = Vec::new();
    for n in 0..WORKERS {
        workers.push(Worker::new(n, seed, house.administrator().await, common.clone()).await);
    }
    let mut feeds = check::Feeds::default();

    let mut round = 0;
    while round < rounds {
        let stop = Arc::new(AtomicBool::new(false));
        let working: Vec<_> = workers.drain(..).map(|worker| tokio::spawn(worker.work(stop.clone()))).collect();
        let importing = tokio::spawn(importer.work(stop.clone()));
        for _ in 0..TOGETHER.min(rounds - round) {
            round += 1;
            let faults = plan.next_round();
            story.tell(round, &faults);
            let ended = faults::happen(&mut house, &links, &disks, &faults).await;
            if !ended.is_empty() {
                story.add(format!("ended by themselves: {}", ended.join(", ")));
            }
            house.wait_until_ready().await;
        }
        stop.store(true, Ordering::Release);
        let done = join_all(working).await;
        workers.extend(done.into_iter().map(|worker| worker.expect("no worker panics")));
        importer = importing.await.expect("the importer does not panic");

        story.add("everything asked for is answered".to_owned());
        let standing = Instant::now();
        check::customers(&client, &workers, &importer, &followed).await;
        check::orders(&client, &workers).await;
        check::consents(&client, &mut workers).await;
        check::dialogs(&client, &workers).await;
        let post = check::letters(&client, &server, &workers).await;
        story.add("the letters are settled".to_owned());
        check::heard(&client, &listener, &mut followed).await;
        story.add("what is followed is heard of".to_owned());
        check::nothing_parked(&client).await;
        tokio::join!(check::figures(&house), feeds.read_on(&client));
        story.add("figures, segments, ledger and feeds agree".to_owned());
        let largest = check::programs(&house);
        let counts = workers.iter().fold(Counts::default(), |sum, worker| sum + worker.counts);
        story.add(format!(
            "all holds, looked at for {:.1} s: {counts:?}, {} orders, {} brought in ({} runs started again), {post:?}, {} events, \
             the largest program has {largest} MB",
            standing.elapsed().as_secs_f64(),
            workers.iter().map(|worker| worker.orders.len()).sum::<usize>(),
            importer.names.len(),
            importer.restarts,
            feeds.len(),
        ));
    }
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name} is {text}: {error}")))
}

/// A mail server that takes its time, and sometimes puts off, hangs up or falls silent.
async fn mail_server() -> SmtpServer {
    let count = AtomicUsize::new(0);
    SmtpServer::scripted(move |scene| match (scene.step, count.fetch_add(1, Ordering::Relaxed) % 97) {
        (Step::Recipient, 0 | 1) => Act::Say("451 4.3.0 come later"),
        (Step::Data, 2) => Act::Stall,
        (Step::Body, 3) | (Step::End, 4) => Act::Hang,
        (Step::End, 5) => Act::TakeAndHang,
        (Step::Data | Step::Body | Step::End, _) => Act::Wait(Duration::from_millis(2)),
        _ => Act::Go,
    })
    .await
}

fn options(links: &Links, disks: &Disks, mail: u16) -> Options {
    let messaging = [
        ("smtp_host", "127.0.0.1".to_owned()),
        ("smtp_port", mail.to_string()),
        ("smtp_tls", "none".to_owned()),
        // A claim of the dead ends four times this later, and a little.
        ("smtp_timeout", "2s".to_owned()),
        // However long the mail server is away, no letter is given up.
        ("send_attempts", "100".to_owned()),
        ("send_first_wait", "1s".to_owned()),
        ("send_longest_wait", "2s".to_owned()),
    ];
    let faults = Faults {
        links: Some(links.clone()),
        twice: TWICE.to_vec(),
        disks: Some((disks.path(Disk::Postgres), disks.path(Disk::Nats))),
    };
    let settings = messaging.into_iter().map(|(key, value)| ("messaging", key, value)).collect();
    Options { settings, faults, ..Options::default() }
}

/// What the work needs, and the customers who are followed.
async fn furnish(client: &Client) -> (Arc<Common>, Vec<Value>) {
    let product = json!({"products": [{"source": "rounds", "sku": "GOODS", "name": "Goods"}]});
    let made = load::post(client, "/v1/products:batchUpsert", "goods", &product).await;
    let product = load::text(&made["results"][0]["productId"]).to_owned();
    let channel = json!({"channel": {"name": "Shop", "allowedOrigins": [load::PAGE]}});
    let channel = load::post(client, "/v1/channels", "channel", &channel).await;
    let widget = format!("/v1/widget/{}", load::text(&channel["siteKey"]));
    let mut followed = Vec::new();
    for n in 0..FOLLOWED {
        let customer = json!({"customer": {"displayName": format!("Followed {n}")}});
        followed.push(load::post(client, "/v1/customers", &format!("followed-{n}"), &customer).await);
    }
    (Arc::new(Common { product, widget }), followed)
}

/// What has happened, told as it happens; the faults of the last rounds once more when the test fails.
struct Story {
    seed: u64,
    told: Vec<String>,
    begun: Instant,
}

impl Story {
    /// The faults of a round.
    fn tell(&mut self, round: usize, faults: &[Fault]) {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        self.add(format!("round {round}: {}", faults.join("; ")));
    }

    fn add(&mut self, text: String) {
        let text = format!("{:7.2} s: {text}", self.begun.elapsed().as_secs_f64());
        println!("{text}");
        self.told.push(text);
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let last = self.told.len().saturating_sub(2 * TOGETHER);
            let told = self.told[last..].join("\n");
            println!(
                "failed {:.2} s after the beginning; again by `cargo xtask faults --seed {}`; the last that happened:\n{told}",
                self.begun.elapsed().as_secs_f64(),
                self.seed
            );
        }
    }
}

/// Shows the ends of the programs' logs when the test fails, and keeps the whole of them where `CLIENTELE_FAULT_LOGS` says.
struct EndsOfLogs {
    house: PathBuf,
    programs: Vec<String>,
}

impl Drop for EndsOfLogs {
    fn drop(&mut self) {
        let folder = std::env::var_os("CLIENTELE_FAULT_LOGS");
        for program in &self.programs {
            let name = format!("{program}.log");
            let log = std::fs::read(self.house.join(&name)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            if std::thread::panicking() {
                println!("{program}:\n{}", tail(&log));
            }
            if let Some(folder) = &folder
                && let Err(error) = std::fs::write(Path::new(folder).join(&name), log.as_bytes())
            {
                println!("the log of {program} cannot be kept: {error}");
            }
        }
    }
}
