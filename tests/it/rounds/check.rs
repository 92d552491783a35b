//! What must hold whatever has happened, over all that was accepted since the start.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use clientele_testkit::{SmtpServer, eventually_within};
use futures::StreamExt as _;
use http::Method;
use serde_json::{Value, json};

use super::importer::Importer;
use super::listener::Listener;
use super::load::{Customer, Worker, all, get, text, until};
use crate::house::{House, SERVICES};
use crate::rest::Client;
use crate::shop::whole;

const SETTLED: Duration = Duration::from_secs(90);
/// Far above what a service of a debug build needs, far below what grows without bound would come to.
const MOST_MEMORY: u64 = 500 << 20;

/// How far each feed was read, and what was found.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    positions: BTreeMap<(&'static str, i16), i64>,
    ids: HashSet<String>,
}

impl Feeds {
    /// Reads on: positions are dense, and no event is there twice.
    pub(crate) async fn read_on(&mut self, client: &Client) {
        let all: Vec<(&'static str, i16)> = SERVICES
            .iter()
            .flat_map(|context| (0..clientele_kernel::PARTITIONS).map(|part| (*context, part)))
            .collect();
        let reading = futures::stream::iter(all).map(|(context, partition)| {
            let after = self.positions.get(&(context, partition)).copied().unwrap_or_default();
            async move { ((context, partition), read_from(client, context, partition, after).await) }
        });
        let read: Vec<_> = reading.buffer_unordered(4).collect().await;
        for (place, (position, ids)) in read {
            self.positions.insert(place, position);
            for id in ids {
                assert!(self.ids.insert(id.clone()), "event {id} is in the feeds twice, now in {place:?}");
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}

/// Reads a partition to its end; gives its last position and the ids of what was read.
async fn read_from(client: &Client, context: &str, partition: i16, mut after: i64) -> (i64, Vec<String>) {
    let mut ids = Vec::new();
    loop {
        let page = get(client, &format!("/v1/feeds/{context}/{partition}?after={after}&pageSize=500")).await;
        let events = page["events"].as_array().expect("a part of a feed has events");
        for event in events {
            assert_eq!(whole(&event["position"]), after + 1, "{context}/{partition} has a gap: {event}");
            ids.push(text(&event["id"]).to_owned());
            after += 1;
        }
        if whole(&page["head"]) == after {
            return (after, ids);
        }
        assert!(!events.is_empty(), "{context}/{partition} ends at {after}, before its head: {page}");
    }
}

/// Every customer that was accepted is there once, with the name it was given last.
pub(crate) async fn customers(client: &Client, workers: &[Worker], importer: &Importer, followed: &[Value]) {
    let mut wanted: BTreeMap<String, usize> = importer.names.iter().map(|name| (name.clone(), 0)).collect();
    wanted.extend(followed.iter().map(|customer| (text(&customer["displayName"]).to_owned(), 0)));
    wanted.extend(workers.iter().flat_map(|worker| &worker.customers).map(|customer| (customer.name.clone(), 0)));
    for found in all(client, "/v1/customers", "customers").await {
        let name = text(&found["displayName"]);
        let times = wanted.get_mut(name).unwrap_or_else(|| panic!("nobody was given this name last: {found}"));
        *times += 1;
    }
    let wrong: Vec<_> = wanted.iter().filter(|(_, times)| **times != 1).collect();
    assert!(wrong.is_empty(), "customers that are missing or there twice: {wrong:?}");
}

/// Every order that was accepted is there once, paid as often as it was paid, with the status it was given last; and every
/// return.
pub(crate) async fn orders(client: &Client, workers: &[Worker]) {
    let mut wanted: BTreeMap<&String, _> = workers.iter().flat_map(|worker| &worker.orders).collect();
    for found in all(client, "/v1/orders", "orders").await {
        let number = text(&found["number"]).to_owned();
        let order =
            wanted.remove(&number).unwrap_or_else(|| panic!("nobody asked for it, or it is there twice: {found}"));
        let told = (
            &found["id"],
            &found["customerId"],
            &found["status"],
            whole(&found["gross"]["minor"]),
            whole(&found["paid"]["minor"]),
        );
        let expected = (&json!(order.id), &json!(order.customer_id), &json!(order.status), order.minor, order.paid);
        assert_eq!(told, expected, "order {number}");
    }
    assert!(wanted.is_empty(), "orders that are missing: {:?}", wanted.keys());

    let mut wanted: BTreeMap<&String, &i64> = workers.iter().flat_map(|worker| &worker.returns).collect();
    for found in all(client, "/v1/creditNotes", "creditNotes").await {
        let reference = text(&found["reference"]["externalId"]).to_owned();
        let minor =
            wanted.remove(&reference).unwrap_or_else(|| panic!("nobody asked for it, or it is there twice: {found}"));
        assert_eq!(whole(&found["total"]["minor"]), *minor, "{found}");
    }
    assert!(wanted.is_empty(), "returns that are missing: {:?}", wanted.keys());
}

/// Every consent that was accepted stands once in the list of those customers whom anything happened to.
pub(crate) async fn consents(client: &Client, workers: &mut [Worker]) {
    let touched = workers.iter_mut().flat_map(|worker| &mut worker.customers).filter(|customer| customer.touched);
    for Customer { id, consents, touched, .. } in touched {
        let entries = all(client, &format!("/v1/customers/{id}/consentEntries"), "entries").await;
        let mut found: Vec<&str> = entries.iter().map(|entry| text(&entry["evidence"])).collect();
        let mut wanted: Vec<&str> = consents.iter().map(String::as_str).collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "consents of {id}");
        *touched = false;
    }
}

/// What was said in each dialog is there once, and the sequence is dense.
pub(crate) async fn dialogs(client: &Client, workers: &[Worker]) {
    for chat in workers.iter().map(|worker| &worker.chat).filter(|chat| !chat.dialog.is_empty()) {
        // Backwards from the newest to the first.
        let mut before = 0;
        let mut found = BTreeMap::new();
        while before != 1 {
            let path = format!("/v1/dialogs/{}/messages?pageSize=200&before={before}", chat.dialog);
            let page = get(client, &path).await;
            let messages = page["messages"].as_array().expect("a page has messages");
            for message in messages.iter().rev() {
                let sequence = whole(&message["sequence"]);
                assert!(before == 0 || sequence == before - 1, "a gap before {before}: {message}");
                before = sequence;
                if let Some(id) = message["clientMessageId"].as_str().filter(|id| !id.is_empty()) {
                    let again = found.insert(id.to_owned(), text(&message["text"]).to_owned());
                    assert_eq!(again, None, "a message is there twice: {message}");
                }
            }
            assert!(!messages.is_empty(), "{} begins with {before}", chat.dialog);
        }
        assert_eq!(found, chat.said, "what was said in {}", chat.dialog);
    }
}

/// What has become of the letters, once each is settled.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Post {
    pub(crate) sent: usize,
    pub(crate) unknown: usize,
    pub(crate) others: usize,
}

/// Every letter that was accepted is in the ledger once; the mail server got none twice, each that is told to be sent once,
/// and none that is told not to be.
pub(crate) async fn letters(client: &Client, server: &SmtpServer, workers: &[Worker]) -> Post {
    let ledger = eventually_within(SETTLED, "every letter's being settled", || async {
        let ledger = all(client, "/v1/emails", "emails").await;
        ledger.iter().all(|letter| letter["settledAt"].is_string()).then_some(ledger)
    })
    .await;
    let mut got: BTreeMap<String, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for taken in server.taken() {
        let head = |name: &str| {
            let line = taken.source.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("a letter has no {name} {}", taken.source)).trim().to_owned()
        };
        let id = head("Message-ID:");
        assert!(seen.insert(id.clone()), "{} got {id} twice", taken.to);
        *got.entry(head("Subject:")).or_default() += 1;
    }
    let mut wanted: BTreeMap<&String, &String> = workers.iter().flat_map(|worker| &worker.letters).collect();
    let mut post = Post::default();
    for letter in &ledger {
        let subject = text(&letter["subject"]).to_owned();
        let address =
            wanted.remove(&subject).unwrap_or_else(|| panic!("nobody asked for it, or it is there twice: {letter}"));
        assert_eq!(letter["toAddress"], json!(address));
        let times = got.remove(&subject).unwrap_or_default();
        match text(&letter["state"]) {
            "SEND_STATE_SENT" => {
                assert_eq!(times, 1, "{letter}");
                post.sent += 1;
            }
            "SEND_STATE_UNKNOWN" => {
                assert!(times <= 1, "{letter}");
                post.unknown += 1;
            }
            _ => {
                assert_eq!(times, 0, "{letter}");
                post.others += 1;
            }
        }
    }
    assert!(wanted.is_empty(), "letters that are missing: {:?}", wanted.keys());
    assert!(got.is_empty(), "letters that nobody asked for: {got:?}");
    post
}

/// Nothing waits in vain, nothing was set aside.
pub(crate) async fn nothing_parked(client: &Client) {
    for context in ["analytics", "campaigns", "messaging", "orders"] {
        let parked = get(client, &format!("/v1/operations/{context}/parkedEvents")).await;
        assert_eq!(parked["parkedEvents"], json!([]), "{context}");
    }
}

/// No program has panicked or grown without bound. Gives the largest, in megabytes.
pub(crate) fn programs(house: &House) -> u64 {
    for (name, log) in house.logs() {
        let panics: Vec<&str> = log.lines().filter(|line| line.contains("panicked")).collect();
        assert!(panics.is_empty(), "{name} has panicked: {panics:#?}");
    }
    let sizes = house.processes().into_iter().filter_map(|name| Some((memory(house.pid_of(&name)?)?, name)));
    let (largest, name) = sizes.max().unwrap_or_default();
    assert!(largest < MOST_MEMORY, "{name} has grown to {} MB", largest >> 20);
    largest >> 20
}

/// Memory that a process holds, where the system tells.
fn memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line: &str = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// Whether two answers about the same moment agree is for `clientele verify` to say.
pub(crate) async fn figures(house: &House) {
    house.verify(&[]).await.succeeded();
}

/// Changes those who are followed, and waits until the follower has heard of it.
pub(crate) async fn heard(client: &Client, listener: &Listener, followed: &mut [Value]) {
    for customer in followed {
        let id = text(&customer["id"]).to_owned();
        let before = listener.heard_of(&id);
        let country = if customer["country"] == "Elsewhere" { "Home" } else { "Elsewhere" };
        let body = json!({"country": country, "etag": customer["etag"]});
        let (path, key) = (format!("/v1/customers/{id}?updateMask=country"), format!("{id} {before}"));
        let change =
            || client.request(Method::PATCH, &path).header("idempotency-key", key.replace(' ', "-")).json(&body);
        *customer = until("a change of who is followed", client, change).await;
        eventually_within(SETTLED, "a follower's hearing of a change", || async {
            (listener.heard_of(&id) > before).then_some(())
        })
        .await;
    }
}
