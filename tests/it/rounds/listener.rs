//! Somebody who follows changes all the time, and takes the stream up again whenever it ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use http::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::rest::{Client, escaped};

/// A browser says so by itself.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
struct Heard {
    last_id: String,
    /// How often each customer was heard of.
    news: BTreeMap<String, usize>,
    /// How often it was said that something may have been missed.
    resets: usize,
    /// An answer that nobody was promised.
    wrong: Option<String>,
}

/// A follower; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    heard: Arc<Mutex<Heard>>,
    following: JoinHandle<()>,
}

impl Listener {
    /// Follows these customers.
    pub(crate) fn follow(client: Client, customers: &[String]) -> Self {
        let topics: Vec<String> =
            customers.iter().map(|id| format!("topics={}", escaped(&format!("customer/{id}")))).collect();
        let path = format!("/v1/stream?{}", topics.join("&"));
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let kept = heard.clone();
        let following = tokio::spawn(async move {
            loop {
                read(&client, &path, &kept).await;
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { heard, following }
    }

    /// How often a customer was heard of, or that something may have been missed.
    pub(crate) fn heard_of(&self, customer: &str) -> usize {
        let heard = locked(&self.heard);
        assert!(heard.wrong.is_none(), "{:?}", heard.wrong);
        heard.resets + heard.news.get(customer).copied().unwrap_or_default()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.following.abort();
    }
}

async fn read(client: &Client, path: &str, heard: &Mutex<Heard>) {
    let mut request = client.request(Method::GET, path).timeout(Duration::from_hours(10));
    let last = locked(heard).last_id.clone();
    if !last.is_empty() {
        request = request.header("last-event-id", last);
    }
    let Ok(response) = request.send().await else { return };
    if !response.status().is_success() {
        let status = response.status().as_u16();
        if ![429, 503, 504].contains(&status) {
            locked(heard).wrong = Some(format!("the stream was answered by {status}"));
        }
        return;
    }
    let mut bytes = response.bytes_stream();
    let mut waiting = Vec::new();
    while let Some(Ok(part)) = bytes.next().await {
        waiting.extend_from_slice(&part);
        while let Some(end) = waiting.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = waiting.drain(..end + 2).collect();
            let block = String::from_utf8_lossy(&block);
            let mut heard = locked(heard);
            for line in block.lines() {
                match line.split_once(':').map(|(name, value)| (name, value.trim_start())) {
                    Some(("id", id)) => id.clone_into(&mut heard.last_id),
                    Some(("data", data)) => match serde_json::from_str::<Value>(data) {
                        Ok(data) if data["reset"].is_object() => heard.resets += 1,
                        Ok(data) => {
                            let customer = data["change"]["customerId"].as_str().unwrap_or_default().to_owned();
                            *heard.news.entry(customer).or_default() += 1;
                        }
                        Err(error) => heard.wrong = Some(format!("{error}: {data}")),
                    },
                    _ => {}
                }
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
