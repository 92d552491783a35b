//! Letters to a mail server that takes everything, smtp-sink of Postfix, beside its smtp-source, which sends everything.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use clientele_embedded::cache_dir;
use clientele_testkit::eventually_within;
use futures::StreamExt;
use serde_json::json;

use super::cpu::Cpu;
use super::{CALLERS, Measure, fill, rate};
use crate::house::House;
use crate::rest::Client;

const LETTERS: usize = 6_000;
const FROM: usize = 80_000_000;
/// How many conversations go on at once, here and there: as a house has it set that sends mailings through a server of its own.
const SESSIONS: usize = 16;

/// A running smtp-sink; it ends with its owner.
pub(super) struct Sink {
    port: u16,
    programs: Programs,
    _process: tokio::process::Child,
}

impl Sink {
    pub(super) async fn start() -> Self {
        let programs = Programs::ensure().await;
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("there is a free port")
            .port();
        let process = programs
            .command("smtp-sink")
            .args(["-u", "nobody", "-m", "256", &format!("127.0.0.1:{port}"), "1000"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("smtp-sink can be started");
        eventually_within(Duration::from_secs(10), "smtp-sink's answering", || async {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        Self { port, programs, _process: process }
    }
}

/// Postfix's programs for measuring, unpacked from the system's package and not installed: a mail server is none of ours.
struct Programs {
    unpacked: PathBuf,
}

impl Programs {
    async fn ensure() -> Self {
        let unpacked = cache_dir().join("postfix");
        if !unpacked.join("usr/sbin/smtp-sink").is_file() {
            std::fs::create_dir_all(&unpacked).expect("the cache is writable");
            let script =
                "apt-get -q update && apt-get -q download postfix && dpkg-deb -x postfix_*.deb . && rm postfix_*.deb";
            let ended = tokio::process::Command::new("/bin/sh")
                .args(["-c", script])
                .current_dir(&unpacked)
                .output()
                .await
                .expect("a shell can be started");
            assert!(ended.status.success(), "Postfix's package is needed: {}", String::from_utf8_lossy(&ended.stderr));
        }
        Self { unpacked }
    }

    fn command(&self, name: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(self.unpacked.join("usr/sbin").join(name));
        command.env("LD_LIBRARY_PATH", self.unpacked.join("usr/lib/postfix"));
        command
    }
}

/// The mail server as the house is told of it.
pub(super) fn settings(sink: &Sink) -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("messaging", "smtp_host", "127.0.0.1".to_owned()),
        ("messaging", "smtp_port", sink.port.to_string()),
        ("messaging", "smtp_tls", "none".to_owned()),
        ("messaging", "send_concurrency", SESSIONS.to_string()),
    ]
}

pub(super) async fn measure(house: &House, client: &Client, sink: &Sink) -> Vec<Measure> {
    let text = "Good day.\r\n".repeat(90);
    let people = futures::stream::iter((FROM..FROM + LETTERS).collect::<Vec<_>>().chunks(500).map(<[usize]>::to_vec))
        .then(|numbers| fill::upsert(client, numbers))
        .concat()
        .await;
    // Letters wait until all are asked for: asking is a write like others, and sending is what is measured.
    let mut database = house.database(None).await;
    let hold = "create function public.hold() returns trigger language plpgsql as $$ begin
                    new.next_attempt_at := timestamptz '8000-01-01'; return new;
                end $$;
                create trigger hold before insert on messaging.email for each row execute function public.hold()";
    sqlx::raw_sql(hold).execute(&mut database).await.expect("a trigger can be made");
    let asked = futures::stream::iter(people.iter().enumerate())
        .map(|(n, id)| {
            let letter = json!({"customerId": id, "toAddress": format!("person{}@bench.example", FROM + n),
                                "subject": "Hello", "text": text, "requestId": format!("bench-{n}")});
            async move {
                client.post("/v1/emails", &letter).await.ok();
            }
        })
        .buffer_unordered(CALLERS)
        .count();
    let cpu = Cpu::now();
    let begun = Instant::now();
    assert_eq!(asked.await, LETTERS);
    let asking = begun.elapsed();
    let asking_cost = cpu.since(LETTERS);
    fill::settle(house).await;
    let release = "drop trigger hold on messaging.email;
                   update messaging.email set next_attempt_at = clock_timestamp() where state = 'queued'";
    sqlx::raw_sql(release).execute(&mut database).await.expect("letters can be let go");
    let cpu = Cpu::now();
    let begun = Instant::now();
    let gone = async {
        // Of PostgreSQL itself: the list would count thousands each time.
        let waiting = "select exists (select 1 from messaging.email where state in ('queued', 'claimed'))";
        while sqlx::query_scalar(waiting).fetch_one(&mut database).await.expect("letters can be looked at") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(10), gone).await.expect("all letters have gone out in time");
    let ours = begun.elapsed();
    let sending_cost = cpu.since(LETTERS);

    let begun = Instant::now();
    let ended = sink
        .programs
        .command("smtp-source")
        .args(["-s", &SESSIONS.to_string(), "-m", &LETTERS.to_string(), "-l", &text.len().to_string()])
        .args(["-f", "crm@example.com", "-t", "person@bench.example", &format!("127.0.0.1:{}", sink.port)])
        .output()
        .await
        .expect("smtp-source can be started");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let bare = begun.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand are exact in a double")]
    let per_second = |time: Duration| LETTERS as f64 / time.as_secs_f64();
    let mut asked = Measure::new("letters asked for, one by one", rate(per_second(asking)));
    "and not yet sent".clone_into(&mut asked.figure);
    let sent = Measure::rates("letters sent", per_second(ours), per_second(bare), Some(("at least 50 %", 0.50)));
    vec![asked.spent(asking_cost), sent.spent(sending_cost)]
}
