//! The stream of a visitor on another site: that their own dialog has changed, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use clientele_contracts::gateway::v1::{ListenAsVisitorRequest, VisitorNews};
use clientele_contracts::messaging::v1::ListVisitorMessagesRequest;
use clientele_contracts::messaging::v1::visitors_client::VisitorsClient;
use clientele_kernel::Error;
use futures::stream;
use prost_reflect::MessageDescriptor;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::hub::Entry;
use super::places::{Holder, Place};
use super::sse;
use super::stream::COLLECTING;
use super::topic::Topic;
use crate::address::Client;
use crate::api;
use crate::call::Call;
use crate::gateway::Gateway;
use crate::limits;
use crate::problem::Problem;
use crate::rest;

/// A stream ends after this at the latest; the next one proves the secret again.
const PROOF_INTERVAL: Duration = Duration::from_mins(5);

impl Gateway {
    /// Opens the stream of the visitor whom the secret proves. Messaging is asked, for it alone knows visitors.
    pub(crate) async fn listen_as_visitor(
        self: &Arc<Self>,
        request: ListenAsVisitorRequest,
        page_origin: String,
        client: &Client,
        call: &Call,
        output: MessageDescriptor,
    ) -> Result<Response, Problem> {
        let place =
            self.places.take(Holder::Address(limits::network(client.address)), self.config.max_streams_per_address)?;
        // From here on everything is told; what the dialog holds already, the widget reads by itself.
        let newest = self.hub.newest();
        let seen = *newest.borrow();
        let question = ListVisitorMessagesRequest {
            site_key: request.site_key,
            visitor_secret: request.visitor_secret,
            after: i64::MAX,
            page_size: 1,
            page_origin,
        };
        let mut visitors = VisitorsClient::new(self.upstream.to("messaging"));
        let answer =
            call.within(visitors.list_visitor_messages(call.request(question))).await.map_err(Problem::from)?;
        let dialog = answer.into_inner().dialog_id;
        if dialog.is_empty() {
            let message = "there is no dialog before the first message";
            return Err(Error::failed_precondition("NO_DIALOG", message).into());
        }
        let id = Uuid::parse_str(&dialog).map_err(Error::internal)?.to_string();
        let stream = Stream {
            output,
            topic: Topic::Dialog(id),
            seen,
            newest,
            opening: true,
            quiet_until: Instant::now() + self.config.stream_heartbeat,
            ends_at: Instant::now() + self.config.max_connection_age.min(PROOF_INTERVAL),
            gateway: self.clone(),
            _place: place,
        };
        Ok(sse::response(stream::unfold(
            stream,
            |mut stream| async move { stream.next().await.map(|text| (text, stream)) },
        )))
    }
}

struct Stream {
    gateway: Arc<Gateway>,
    output: MessageDescriptor,
    topic: Topic,
    seen: u64,
    newest: watch::Receiver<u64>,
    opening: bool,
    quiet_until: Instant,
    ends_at: Instant,
    _place: Place,
}

impl Stream {
    async fn next(&mut self) -> Option<String> {
        if std::mem::take(&mut self.opening) {
            return Some(format!("{}{}", sse::opening(None), self.news(0)));
        }
        loop {
            let fresh = *self.newest.borrow_and_update() > self.seen;
            let wake = self.quiet_until.min(self.ends_at);
            let pause = async {
                if !fresh {
                    tokio::select! {
                        _ = self.newest.changed() => {}
                        () = tokio::time::sleep_until(wake) => return,
                    }
                }
                tokio::time::sleep(COLLECTING).await;
            };
            tokio::select! {
                () = self.gateway.stop.cancelled() => return None,
                () = pause => {}
            }
            let now = Instant::now();
            if now >= self.ends_at {
                return None;
            }
            let told = self.look();
            if told.is_some() || now >= self.quiet_until {
                self.quiet_until = now + self.gateway.config.stream_heartbeat;
                return Some(told.map_or_else(|| sse::heartbeat(None), |last| self.news(last)));
            }
        }
    }

    fn news(&self, last_sequence: i64) -> String {
        let printed =
            api::dynamic(&self.output, &VisitorNews { last_sequence }).and_then(|news| Ok(rest::print(&news)?));
        match printed {
            Ok(json) => sse::event(None, &String::from_utf8_lossy(&json)),
            Err(problem) => {
                tracing::error!(reason = problem.reason, "a visitor's news cannot be printed");
                String::new()
            }
        }
    }

    /// Number of the dialog's last message, if it has changed; 0 when that cannot be told.
    fn look(&mut self) -> Option<i64> {
        let Some(entries) = self.gateway.hub.after(self.seen) else {
            self.seen = *self.newest.borrow();
            return Some(0);
        };
        let mut told = None;
        for (number, entry) in entries {
            self.seen = number;
            match entry {
                Entry::Gap(context) if self.topic.depends_on(context) => told = Some(0),
                Entry::Change(change) if self.topic.covers(&change) && told != Some(0) => {
                    told = told.max(Some(change.last_sequence));
                }
                _ => {}
            }
        }
        told
    }
}
