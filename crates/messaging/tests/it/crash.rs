//! The worker dies at any moment of a thousand letters: no recipient gets one twice, and the ledger tells the truth.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::SendState;
use clientele_kernel::{Entropy, SystemEntropy};
use clientele_testkit::smtp::{Act, Step};
use clientele_testkit::{SmtpServer, eventually_within};

use crate::post::{Post, start, to_port};

const LETTERS: usize = 1_000;
const DEATHS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_letters_survive_a_worker_that_dies_at_any_moment() {
    // A little time at each step, so that deaths fall everywhere.
    let server = SmtpServer::scripted(|scene| match scene.step {
        Step::Data | Step::Body | Step::End => Act::Wait(Duration::from_millis(2)),
        _ => Act::Go,
    })
    .await;
    let post = Arc::new(Post::sending(&server, &[]).await);
    // Nothing is sent before all letters wait.
    post.neighbours.lock().down = true;
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..LETTERS {
        let post = post.clone();
        asking.spawn(async move {
            let address = format!("p{n}@example.com");
            let person = post.person("P", &[&address]);
            (address, post.send(&person, "hello").await.id)
        });
        if n % 50 == 49 {
            while asking.len() > 10 {
                asking.join_next().await;
            }
        }
    }
    while asking.join_next().await.is_some() {}
    post.harness.stop().await;
    post.neighbours.lock().down = false;
    assert_eq!(server.count(), 0);

    for _ in 0..DEATHS {
        // Claims of the dead have ended, and postponed letters have come due.
        post.database.clock.advance(TimeDelta::hours(1));
        let (target, taken) = (server.count() + usize::from(random()) % (2 * LETTERS / DEATHS), &server);
        let life = worker(&post, &server);
        eventually_within(Duration::from_mins(1), "the worker sends", async || {
            (taken.count() >= target.min(LETTERS * 9 / 10)).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_micros(u64::from(random()) * 40)).await;
        // Everything the worker was at is dropped where it stands, as when its process is killed.
        tokio::task::spawn_blocking(move || life.shutdown_timeout(Duration::ZERO)).await.unwrap();
    }

    post.database.clock.advance(TimeDelta::hours(1));
    let last = worker(&post, &server);
    let ledger = eventually_within(Duration::from_mins(2), "every letter is settled", async || {
        let ledger = ledger(&post).await;
        let open = ledger.iter().any(|email| matches!(email.state(), SendState::Queued | SendState::Claimed));
        if open {
            post.database.clock.advance(TimeDelta::minutes(10));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        (!open).then_some(ledger)
    })
    .await;
    tokio::task::spawn_blocking(move || last.shutdown_timeout(Duration::ZERO)).await.unwrap();

    let mut got: HashMap<String, usize> = HashMap::new();
    for taken in server.taken() {
        *got.entry(taken.to).or_default() += 1;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    assert_eq!(ledger.len(), LETTERS);
    for email in &ledger {
        let times = got.get(&email.to_address).copied().unwrap_or(0);
        match email.state() {
            SendState::Sent => assert_eq!(times, 1, "{} is said to be sent", email.to_address),
            SendState::Unknown => assert!(times <= 1, "{} is sent {times} times", email.to_address),
            other => panic!("{} is {other:?}: {} {}", email.to_address, email.reason, email.detail),
        }
        *counts.entry(email.state().as_str_name()).or_default() += 1;
    }
    // Each of the four sessions may have four letters in doubt: handed over, and what became of them not yet written.
    let unknown = counts.get(SendState::Unknown.as_str_name()).copied().unwrap_or(0);
    assert!(unknown <= DEATHS * 4 * 4, "{counts:?}");
    assert!(unknown > 0, "no death fell into the moment that matters: {counts:?}");
}

/// The service in a runtime of its own, which can be ended at any moment.
fn worker(post: &Arc<Post>, server: &SmtpServer) -> tokio::runtime::Runtime {
    let number = server.port().to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let post = post.clone();
    runtime.spawn(async move {
        let harness = post.neighbours.harness(&post.database);
        start(&harness, post.database.replica(), &to_port(&number)).await;
        // The harness must outlive this task: with it the service would end.
        std::future::pending::<()>().await;
        drop(harness);
    });
    runtime
}

fn random() -> u8 {
    let mut byte = [0];
    SystemEntropy.fill(&mut byte);
    byte[0]
}

/// All letters. The service that took them in no longer sends, but still answers.
async fn ledger(post: &Post) -> Vec<pb::Email> {
    let mut emails = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListEmailsRequest { page_size: 200, page_token, ..pb::ListEmailsRequest::default() };
        let page = post.emails().list_emails(request).await.unwrap().into_inner();
        emails.extend(page.emails);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return emails;
        }
    }
}
