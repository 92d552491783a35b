//! Files on their way: a raw body to a service in parts, and a service's bytes to the caller in parts. Neither is ever
//! whole in memory: a part is taken when there is room for it on the other side.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use clientele_kernel::Error;
use futures::{StreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Status, Streaming};

use crate::api;
use crate::call::Call;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::rest::{Binding, Body as BodyRule, DynamicCodec, Part, Segment, StreamCodec};

/// The largest part that a service is sent at once.
const PART: usize = 256 * 1024;
/// Whoever is refused while they send would not read the answer before they have sent the rest: so much of it is read and
/// thrown away.
const MOST_THROWN_AWAY: usize = 64 * 1024 * 1024;
/// And for so long.
const LONGEST_THROWN_AWAY: Duration = Duration::from_secs(10);
/// The type of bytes that nobody has named.
const ANY_BYTES: &str = "application/octet-stream";

/// The uploads and downloads on one connection; while there are any, it is not cut off for its age.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transfers(Arc<AtomicUsize>);

/// An upload or a download on its way.
#[derive(Debug)]
pub(crate) struct Running(Arc<AtomicUsize>);

impl Transfers {
    pub(crate) fn begin(&self) -> Running {
        self.0.fetch_add(1, Ordering::Relaxed);
        Running(self.0.clone())
    }

    pub(crate) fn are_running(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gateway {
    /// Sends a body to a service as it comes. `first` holds what the path says.
    pub(crate) async fn upload(
        &self,
        binding: &Binding,
        call: &Call,
        first: DynamicMessage,
        headers: &HeaderMap,
        mut body: Body,
    ) -> Result<DynamicMessage, Problem> {
        let request_type = binding.method.input();
        let call = call.until(Instant::now() + self.config.upload_deadline);
        let parts = Parts::of(binding, first, headers)?;
        let (sender, receiver) = mpsc::channel(1);
        let receiver = stream::unfold(Some(receiver), arrival);
        let codec = StreamCodec { answer: binding.method.output() };
        let (mut service, path) = self.service(binding)?;
        let asking = call.within(async {
            service.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            service.client_streaming(call.request(receiver), path, codec).await
        });
        let refused = |status| Problem::from(status).in_json_names(&request_type);
        let (answer, more_comes) = {
            let sending = self.send(&mut body, parts, sender);
            tokio::pin!(asking, sending);
            tokio::select! {
                // Before it has everything, the service can only refuse.
                answer = &mut asking => (answer.map_err(refused), true),
                sent = &mut sending => match sent {
                    Ok(whole) => (asking.await.map_err(refused), !whole),
                    Err(problem) => {
                        let more_comes = problem.status == StatusCode::PAYLOAD_TOO_LARGE;
                        (Err(problem), more_comes)
                    }
                },
            }
        };
        if more_comes {
            throw_away(body).await;
        }
        Ok(answer?.into_inner())
    }

    /// Sends parts until the body ends; says whether it has come to the end.
    async fn send(&self, body: &mut Body, mut parts: Parts, to: mpsc::Sender<Sent>) -> Result<bool, Problem> {
        let limit = self.config.max_upload_bytes;
        let mut total = 0_u64;
        loop {
            let frame = match tokio::time::timeout(self.config.upload_patience, body.frame()).await {
                Ok(None) => break,
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => return Err(api::incomplete()),
                Err(_silent) => return Err(stalled(self.config.upload_patience)),
            };
            let Ok(mut data) = frame.into_data() else { continue };
            total += data.len() as u64;
            if total > limit {
                return Err(api::too_large(limit));
            }
            while !data.is_empty() {
                let part = parts.next(data.split_to(data.len().min(PART)));
                if to.send(Sent::Part(part)).await.is_err() {
                    // The service has answered already: its answer says why.
                    return Ok(false);
                }
            }
        }
        // A file that is empty is one part all the same, for it says whose file it is.
        if total == 0 {
            let _ = to.send(Sent::Part(parts.next(Bytes::new()))).await;
        }
        let _ = to.send(Sent::End).await;
        Ok(true)
    }

    /// Hands a service's bytes on as they come, `running` until the last is given. What goes wrong before the first of them is a problem like any other;
    /// later the answer breaks off, which is how HTTP says that it is not whole.
    pub(crate) async fn download(
        &self,
        binding: &Binding,
        call: &Call,
        message: DynamicMessage,
        running: Option<Running>,
    ) -> Result<Response, Problem> {
        let request_type = binding.method.input();
        let codec = DynamicCodec { answer: binding.method.output() };
        let (mut service, path) = self.service(binding)?;
        let begun = call.within(async {
            service.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let mut parts = service.server_streaming(call.request(message), path, codec).await?.into_inner();
            let first = parts.message().await?;
            Ok((first, parts))
        });
        let (first, parts) = begun.await.map_err(|status| Problem::from(status).in_json_names(&request_type))?;
        let (media_type, first) = first.map(|part| content(&part)).unwrap_or_default();
        let ends = Instant::now() + self.config.upload_deadline;
        // Fused: compression asks for more once it has seen the end.
        let rest = stream::unfold(Some(Following { parts, running }), move |rest| following(rest, ends)).fuse();
        let mut response = Response::new(Body::from_stream(stream::iter([Ok::<_, Status>(first)]).chain(rest)));
        let media_type = if media_type.is_empty() { ANY_BYTES } else { &media_type };
        let headers = response.headers_mut();
        headers.insert(CONTENT_DISPOSITION, attachment(binding, media_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_TYPE, HeaderValue::try_from(media_type).map_err(Error::internal)?);
        Ok(response)
    }
}

/// Makes messages of the parts of a body.
struct Parts {
    first: Option<DynamicMessage>,
    empty: DynamicMessage,
    content: FieldDescriptor,
    media_type: String,
}

impl Parts {
    fn of(binding: &Binding, first: DynamicMessage, headers: &HeaderMap) -> Result<Self, Problem> {
        let BodyRule::Field(content) = &binding.body else {
            return Err(Error::internal(format!("{} takes no bytes", binding.method.full_name())).into());
        };
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(ANY_BYTES);
        Ok(Self {
            first: Some(first),
            empty: DynamicMessage::new(binding.method.input()),
            content: content.clone(),
            media_type: media_type.to_owned(),
        })
    }

    fn next(&mut self, data: Bytes) -> DynamicMessage {
        let is_first = self.first.is_some();
        let mut part = self.first.take().unwrap_or_else(|| self.empty.clone());
        if let Kind::Message(body) = self.content.kind() {
            let mut body = DynamicMessage::new(body);
            if is_first {
                body.set_field_by_name("content_type", Value::String(self.media_type.clone()));
            }
            body.set_field_by_name("data", Value::Bytes(data));
            part.set_field(&self.content, Value::Message(body));
        }
        part
    }
}

/// What the body's reader hands over. The end is said: when the reader goes away without it, be it because the caller has
/// gone and everything is dropped, the service must not take what it has for all.
enum Sent {
    Part(DynamicMessage),
    End,
}

async fn arrival(receiver: Option<mpsc::Receiver<Sent>>) -> Option<(Part, Option<mpsc::Receiver<Sent>>)> {
    let mut receiver = receiver?;
    match receiver.recv().await {
        Some(Sent::Part(part)) => Some((Part::Message(part), Some(receiver))),
        Some(Sent::End) => None,
        None => Some((Part::Broken, None)),
    }
}

async fn throw_away(mut body: Body) {
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > MOST_THROWN_AWAY {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LONGEST_THROWN_AWAY, reading).await;
}

fn stalled(patience: Duration) -> Problem {
    let detail = format!("nothing of the body has come for {} seconds; send it again", patience.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, "UPLOAD_STALLED", detail)
}

/// What is still to come of a download.
struct Following {
    parts: Streaming<DynamicMessage>,
    /// Keeps the connection from being cut off for its age.
    #[expect(dead_code, reason = "it counts for as long as it is held")]
    running: Option<Running>,
}

/// The next bytes of a download. An error ends it visibly.
async fn following(rest: Option<Following>, ends: Instant) -> Option<(Result<Bytes, Status>, Option<Following>)> {
    let mut rest = rest?;
    match tokio::time::timeout_at(ends, rest.parts.message()).await {
        Ok(Ok(part)) => part.map(|part| (Ok(content(&part).1), Some(rest))),
        Ok(Err(status)) => {
            tracing::warn!(code = ?status.code(), "a download broke off");
            Some((Err(status), None))
        }
        Err(_late) => Some((Err(Status::deadline_exceeded("the download took longer than it may")), None)),
    }
}

/// Type and bytes of a part.
fn content(part: &DynamicMessage) -> (String, Bytes) {
    let text = part.get_field_by_name("content_type").and_then(|value| value.as_str().map(str::to_owned));
    let data = part.get_field_by_name("data").and_then(|value| value.as_bytes().cloned());
    (text.unwrap_or_default(), data.unwrap_or_default())
}

/// A file is saved under the last word of its path, never shown as a page.
fn attachment(binding: &Binding, media_type: &str) -> HeaderValue {
    let word = binding.template.segments.iter().rev().find_map(|segment| match segment {
        Segment::Literal(word) => Some(word.as_str()),
        Segment::Variable(_) => None,
    });
    let extension = match media_type.split(';').next().unwrap_or_default().trim() {
        "text/csv" => ".csv",
        "text/plain" => ".txt",
        "application/json" => ".json",
        "application/zip" => ".zip",
        _ => "",
    };
    HeaderValue::try_from(format!("attachment; filename=\"{}{extension}\"", word.unwrap_or("download")))
        .unwrap_or(HeaderValue::from_static("attachment"))
}
