//! A file of customers that is brought in while things break.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::json;

use super::load::{get, judge, post, text};
use crate::rest::Client;

const ROWS: usize = 150;
const PATIENCE: Duration = Duration::from_secs(15);
const DONE: Duration = Duration::from_mins(2);
/// Between two looks at how far it has come.
const LOOK: Duration = Duration::from_millis(150);

/// Somebody who brings in one file after the other.
pub(crate) struct Importer {
    client: Client,
    number: usize,
    /// Names of the customers that were brought in.
    pub(crate) names: Vec<String>,
    /// How often a run had to be started again.
    pub(crate) restarts: usize,
}

impl Importer {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, number: 0, names: Vec::new(), restarts: 0 }
    }

    /// Brings in files until told to stop; the last one whole.
    pub(crate) async fn work(mut self, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::Acquire) {
            self.bring().await;
        }
        self
    }

    async fn bring(&mut self) {
        self.number += 1;
        let (number, key) = (self.number, format!("import-{}", self.number));
        let names: Vec<String> = (0..ROWS).map(|row| format!("i{number}-{row:03}")).collect();
        let rows: Vec<String> = names.iter().map(|name| format!("{name};{name}@rounds.example\n")).collect();
        let file = format!("Name;E-mail\n{}", rows.concat());
        let body = json!({"kind": "IMPORT_KIND_CUSTOMERS", "fileName": format!("{key}.csv")});
        let made = post(&self.client, "/v1/imports", &key, &body).await;
        let path = format!("/v1/imports/{}", text(&made["id"]));
        let mut started = false;
        let begun = std::time::Instant::now();
        loop {
            let import = get(&self.client, &path).await;
            match text(&import["state"]) {
                "IMPORT_STATE_AWAITING_FILE" => {
                    let put =
                        self.client.request(Method::PUT, &format!("{path}/file")).header("content-type", "text/csv");
                    self.once("upload", put.body(file.clone())).await;
                }
                "IMPORT_STATE_READY" => {
                    started = true;
                    self.once("start", self.client.request(Method::POST, &format!("{path}:start")).json(&json!({})))
                        .await;
                }
                "IMPORT_STATE_RUNNING" => {}
                "IMPORT_STATE_FAILED" if started => {
                    self.restarts += 1;
                    self.once("restart", self.client.request(Method::POST, &format!("{path}:start")).json(&json!({})))
                        .await;
                }
                "IMPORT_STATE_DONE" => {
                    let progress = &import["progress"];
                    let told = ["created", "updated", "unchanged", "refused"].map(|name| progress[name].clone());
                    assert_eq!(told, [json!(ROWS.to_string()), json!("0"), json!("0"), json!("0")], "{import:#}");
                    break;
                }
                _ => panic!("an import came to a state that nobody wanted: {import:#}"),
            }
            assert!(begun.elapsed() < DONE, "the import does not come to its end: {import:#}");
            tokio::time::sleep(LOOK).await;
        }
        self.names.extend(names);
    }

    /// Asks once, whatever comes: what has come of it is looked at afterwards.
    async fn once(&self, what: &str, request: reqwest::RequestBuilder) {
        match self.client.try_send(request.timeout(PATIENCE)).await {
            // Somebody before us whose answer was lost has done it.
            Ok(answer) if [400, 409].contains(&answer.status.as_u16()) => {
                let reason = answer.json()["reason"].clone();
                assert!(
                    reason.as_str().is_some_and(|reason| reason.starts_with("IMPORT_") || reason == "ABORTED"),
                    "{what}: {answer:?}"
                );
            }
            answer => drop(judge(what, answer)),
        }
    }
}
