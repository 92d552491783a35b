//! The stream of a colleague or a program.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use clientele_contracts::gateway::v1::{ListenRequest, LiveMessage};
use clientele_platform::caller::Permissions;
use futures::stream;
use http::HeaderMap;
use prost_reflect::MessageDescriptor;
use tokio::sync::watch;
use tokio::time::Instant;

use super::places::{Holder, Place};
use super::reader::Reader;
use super::sse;
use super::topic::Topic;
use crate::api;
use crate::auth::{Credential, Principal};
use crate::call::Call;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::rest;

const LAST_EVENT_ID: &str = "last-event-id";

/// Changes often come several at a time; they are collected for a moment.
pub(super) const COLLECTING: Duration = Duration::from_millis(30);
/// How long identity may take to say whether a credential still holds.
const PROOF_DEADLINE: Duration = Duration::from_secs(5);

/// Who listens, and by what.
pub(crate) struct Listener {
    pub(crate) credential: Credential,
    pub(crate) principal: Arc<Principal>,
    pub(crate) call: Call,
}

impl Gateway {
    /// Opens a stream of what changes. `output` is the message its events are printed by.
    pub(crate) fn listen(
        self: &Arc<Self>,
        listener: Listener,
        request: &ListenRequest,
        headers: &HeaderMap,
        output: MessageDescriptor,
    ) -> Result<Response, Problem> {
        let topics = Topic::read(&request.topics)?;
        let holder = Holder::Credential(listener.credential.fingerprint());
        let place = self.places.take(holder, self.config.max_streams_per_caller)?;
        let newest = self.hub.newest();
        let now = *newest.borrow();
        let last = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()).filter(|id| !id.is_empty());
        // An id of another replica, of before a restart, or too old: what was missed cannot be told.
        let resumed = last.map(|id| self.hub.number(id).filter(|number| self.hub.after(*number).is_some()));
        let mut reader = Reader::new(topics, resumed.flatten().unwrap_or(now));
        let begun = Instant::now();
        let first = (resumed == Some(None)).then(|| reader.reset(begun));
        let stream = Stream {
            permissions: listener.principal.permissions.iter().cloned().collect(),
            listener,
            reader,
            newest,
            output,
            opening: Some(Opening { first }),
            quiet_until: begun + self.config.stream_heartbeat,
            proof_at: begun + self.config.stream_proof_interval,
            ends_at: begun + self.config.max_connection_age,
            gateway: self.clone(),
            _place: place,
        };
        Ok(sse::response(stream::unfold(
            stream,
            |mut stream| async move { stream.next().await.map(|text| (text, stream)) },
        )))
    }
}

/// How a stream begins.
struct Opening {
    /// A reset, where what was missed cannot be told.
    first: Option<LiveMessage>,
}

struct Stream {
    gateway: Arc<Gateway>,
    listener: Listener,
    permissions: Permissions,
    reader: Reader,
    newest: watch::Receiver<u64>,
    output: MessageDescriptor,
    /// Until the stream has begun.
    opening: Option<Opening>,
    quiet_until: Instant,
    proof_at: Instant,
    /// A stream ends before its connection is cut off for its age; it is resumed on the next.
    ends_at: Instant,
    _place: Place,
}

impl Stream {
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        if let Some(Opening { first }) = self.opening.take() {
            let id = self.gateway.hub.id(self.reader.told_up_to());
            let mut text = sse::opening(Some(&id));
            text.push_str(&self.print(first.into_iter().collect()));
            return Some(text);
        }
        loop {
            let fresh = *self.newest.borrow_and_update() > self.reader.seen();
            let due = self.reader.due_at();
            let wake = due.into_iter().fold(self.quiet_until.min(self.proof_at).min(self.ends_at), Instant::min);
            let pause = async {
                if fresh {
                    tokio::time::sleep(COLLECTING).await;
                } else {
                    tokio::select! {
                        _ = self.newest.changed() => tokio::time::sleep(COLLECTING).await,
                        () = tokio::time::sleep_until(wake) => {}
                    }
                }
            };
            tokio::select! {
                () = self.gateway.stop.cancelled() => return None,
                () = pause => {}
            }
            let now = Instant::now();
            if now >= self.ends_at || (now >= self.proof_at && !self.still_holds().await) {
                return None;
            }
            let text = self.look(now);
            if !text.is_empty() {
                self.quiet_until = now + self.gateway.config.stream_heartbeat;
                return Some(text);
            }
            if now >= self.quiet_until {
                self.quiet_until = now + self.gateway.config.stream_heartbeat;
                return Some(sse::heartbeat(Some(&self.gateway.hub.id(self.reader.told_up_to()))));
            }
        }
    }

    fn look(&mut self, now: Instant) -> String {
        let mut messages = if let Some(entries) = self.gateway.hub.after(self.reader.seen()) {
            let (id, permissions) = (&self.listener.principal.id, &self.permissions);
            self.reader.look(entries, now, |change| change.may_be_told(id, permissions))
        } else {
            self.reader.skip_to(*self.newest.borrow());
            Vec::new()
        };
        messages.extend(self.reader.due(now));
        self.print(messages)
    }

    /// The last event of several carries the id: whoever has not got it gets all of them again.
    fn print(&self, messages: Vec<LiveMessage>) -> String {
        let id = self.gateway.hub.id(self.reader.told_up_to());
        let count = messages.len();
        let mut text = String::new();
        for (index, message) in messages.iter().enumerate() {
            match api::dynamic(&self.output, message).and_then(|message| Ok(rest::print(&message)?)) {
                Ok(json) => {
                    let id = (index + 1 == count).then_some(id.as_str());
                    text.push_str(&sse::event(id, &String::from_utf8_lossy(&json)));
                }
                Err(problem) => tracing::error!(reason = problem.reason, "a change cannot be printed"),
            }
        }
        text
    }

    /// Looks at the credential again: rights may have changed, the session may have ended.
    async fn still_holds(&mut self) -> bool {
        self.proof_at = Instant::now() + self.gateway.config.stream_proof_interval;
        let call = self.listener.call.until(Instant::now() + PROOF_DEADLINE);
        match self.gateway.tokens.exchange(&self.listener.credential, &call).await {
            Ok(principal) => {
                self.permissions = principal.permissions.iter().cloned().collect();
                self.listener.principal = principal;
                true
            }
            Err(problem) => {
                tracing::debug!(reason = problem.reason, "a stream ends with its credential");
                false
            }
        }
    }
}
