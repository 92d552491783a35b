//! A reader of server-sent events, as a browser is one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clientele_testkit::eventually_within;
use futures::StreamExt;
use http::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::rest::{Client, escaped};

/// An event as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Event {
    pub(crate) data: Value,
}

#[derive(Debug, Default)]
struct Heard {
    events: Vec<Event>,
    /// What a browser would send back: not every event has an id of its own.
    last_id: String,
}

/// A stream that is being read until it is dropped.
#[derive(Debug)]
pub(crate) struct Live {
    heard: Arc<Mutex<Heard>>,
    reading: JoinHandle<()>,
}

impl Live {
    /// Follows topics; after the event `last`, where one is given.
    pub(crate) async fn follow(client: &Client, topics: &[String], last: Option<&str>) -> Self {
        let query: Vec<String> = topics.iter().map(|topic| format!("topics={}", escaped(topic))).collect();
        let mut request = client.request(Method::GET, &format!("/v1/stream?{}", query.join("&")));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Self::read(request).await
    }

    /// Reads the answer to a request as a stream.
    pub(crate) async fn read(request: reqwest::RequestBuilder) -> Self {
        let response = request.timeout(Duration::from_mins(10)).send().await.expect("the stream opens");
        assert_eq!(response.status(), 200, "the stream is refused");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let kept = heard.clone();
        let reading = tokio::spawn(async move {
            let mut bytes = response.bytes_stream();
            let mut waiting = String::new();
            while let Some(Ok(part)) = bytes.next().await {
                waiting.push_str(&String::from_utf8_lossy(&part));
                while let Some(end) = waiting.find("\n\n") {
                    let block: String = waiting.drain(..end + 2).collect();
                    let mut event = Event::default();
                    let mut kept = kept.lock().expect("nobody panics while holding it");
                    for line in block.lines() {
                        match line.split_once(": ").or_else(|| line.split_once(':')) {
                            Some(("id", id)) => id.clone_into(&mut kept.last_id),
                            Some(("data", data)) => event.data = serde_json::from_str(data).expect("data are JSON"),
                            _ => {}
                        }
                    }
                    if !event.data.is_null() {
                        kept.events.push(event);
                    }
                }
            }
        });
        Self { heard, reading }
    }

    /// What has come so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.heard.lock().expect("nobody panics while holding it").events.clone()
    }

    /// The id after which the stream would be resumed.
    pub(crate) fn last_id(&self) -> String {
        self.heard.lock().expect("nobody panics while holding it").last_id.clone()
    }

    /// Waits for an event that is wanted.
    pub(crate) async fn wait_for(&self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        eventually_within(Duration::from_secs(30), what, || async {
            self.events().into_iter().find(|event| wanted(event))
        })
        .await
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.reading.abort();
    }
}
