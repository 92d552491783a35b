//! Messages as bytes, whole and broken, and what comes back for them.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full};
use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message;
use tonic::codegen::{Bytes, Service};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::chance::Chance;
use super::memory::holds;

/// Longer than any deadline of a service.
const PATIENCE: Duration = Duration::from_secs(45);
/// One byte that says whether the message is compressed, four that say how long it is.
const PREFIX: usize = 5;

/// A request to a service: what is sent, byte by byte.
#[derive(Clone)]
pub(super) struct Call {
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(super) enum Outcome {
    Answered { status: Status, messages: Vec<Vec<u8>> },
    Broken(String),
}

pub(super) struct Wire(Channel);

impl Wire {
    pub(super) fn new(channel: Channel) -> Self {
        Self(channel)
    }

    pub(super) async fn send(&self, path: &str, call: Call) -> Outcome {
        let mut request = http::Request::post(path)
            .body(tonic::body::Body::new(Full::new(Bytes::from(call.body))))
            .expect("a method has a path");
        *request.headers_mut() = call.headers;
        let mut channel = self.0.clone();
        let answer = async {
            std::future::poll_fn(|context| channel.poll_ready(context)).await.map_err(|error| told(&error))?;
            let response = channel.call(request).await.map_err(|error| told(&error))?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| told(&error))?;
            let status =
                body.trailers().and_then(Status::from_header_map).or_else(|| Status::from_header_map(&head.headers));
            let status = status.ok_or_else(|| format!("{} without a status of gRPC", head.status))?;
            Ok(Outcome::Answered { status, messages: unframe(&body.to_bytes()) })
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(broken)) => Outcome::Broken(broken),
            Err(_late) => Outcome::Broken("nothing came in time".to_owned()),
        }
    }
}

fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

impl Outcome {
    pub(super) fn code(&self) -> Option<Code> {
        match self {
            Self::Answered { status, .. } => Some(status.code()),
            Self::Broken(_) => None,
        }
    }

    /// Whether the text is in a message, in what is said, or in the details.
    pub(super) fn holds(&self, text: &str) -> bool {
        match self {
            Self::Answered { status, messages } => {
                status.message().contains(text)
                    || holds(status.details(), text)
                    || messages.iter().any(|message| holds(message, text))
            }
            Self::Broken(_) => false,
        }
    }

    pub(super) fn told(&self) -> String {
        match self {
            Self::Answered { status, .. } => format!("{:?}: {}", status.code(), status.message()),
            Self::Broken(how) => how.clone(),
        }
    }
}

impl Call {
    pub(super) fn of(message: &DynamicMessage, stream: bool) -> Self {
        let mut body = frame(0, &message.encode_to_vec());
        if stream {
            // What follows the first message of an upload.
            body.extend(frame(0, &message.encode_to_vec()));
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        Self { headers, body }
    }

    pub(super) fn bearer(&mut self, token: &str) {
        let value = format!("Bearer {token}").parse().expect("a token is metadata");
        self.headers.insert(AUTHORIZATION, value);
    }

    pub(super) fn holds(&self, text: &str) -> bool {
        holds(&self.body, text)
    }

    pub(super) fn told(&self) -> String {
        let start: String = self.body.iter().take(200).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        format!("{} bytes {start}", self.body.len())
    }

    /// Breaks it and says how.
    pub(super) fn break_in_some_way(&mut self, message: &DynamicMessage, chance: &mut Chance) -> &'static str {
        let whole = message.encode_to_vec();
        let (body, how): (Vec<u8>, _) = match chance.below(16) {
            0 => (Vec::new(), "no message at all"),
            1 => (frame(0, &[]), "an empty message"),
            2 => (self.body[..chance.below(self.body.len())].to_vec(), "a frame that breaks off"),
            3 => (prefix(0, u32::MAX, &whole), "a frame that says it has four gigabytes"),
            4 => (prefix(0, 64, &whole[..whole.len().min(8)]), "a frame that is shorter than it says"),
            5 => (frame(1, &whole), "compressed, and nobody said how"),
            6 => {
                self.headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
                (frame(1, &whole), "compressed by a way that is not known")
            }
            7 => (
                frame(u8::try_from(2 + chance.below(254)).expect("it is a byte"), &whole),
                "a flag that does not exist",
            ),
            8 => ([frame(0, &whole), frame(0, &whole)].concat(), "two messages for one"),
            9 => (frame(0, &flipped(whole, chance)), "some bytes turned over"),
            10 => (frame(0, &whole[..chance.below(whole.len() + 1)]), "a message that breaks off"),
            11 => {
                let length = 1 + chance.below(300);
                (frame(0, &chance.bytes(length)), "noise")
            }
            12 => (frame(0, &[whole, not_text(chance)].concat()), "text that is no UTF-8"),
            13 => (frame(0, &[whole, groups(chance)].concat()), "groups within groups"),
            14 => (frame(0, &vec![b'x'; 5 * 1024 * 1024]), "five megabytes"),
            _ => {
                self.strange_header(chance);
                (self.body.clone(), "a strange header")
            }
        };
        self.body = body;
        how
    }

    fn strange_header(&mut self, chance: &mut Chance) {
        let (name, value): (&'static str, &[u8]) = *chance.one_of(&[
            ("grpc-timeout", &b"99999999H"[..]),
            ("grpc-timeout", b"-1S"),
            ("grpc-timeout", b"\xc3\xa9S"),
            ("grpc-timeout", b""),
            ("grpc-accept-encoding", b"zstd,,,\xff"),
            ("x-clientele-origin", b"nowhere"),
            ("x-clientele-integration", b"\xff\xfe"),
            ("traceparent", b"00-00000000000000000000000000000000-0000000000000000-ff"),
            ("traceparent", b"\xff"),
            ("content-type", b"application/json"),
            ("content-type", b"application/grpc+thrift"),
            ("some-bin", b"not base64!"),
        ]);
        let value = HeaderValue::from_bytes(value).expect("no control characters are among them");
        self.headers.insert(HeaderName::from_static(name), value);
    }
}

fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    prefix(flag, u32::try_from(message.len()).expect("it is short"), message)
}

fn prefix(flag: u8, length: u32, message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(PREFIX + message.len());
    frame.push(flag);
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    frame
}

fn unframe(mut body: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((head, rest)) = body.split_at_checked(PREFIX) {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let Some((message, rest)) = rest.split_at_checked(usize::try_from(length).expect("it fits")) else { break };
        messages.push(message.to_vec());
        body = rest;
    }
    messages
}

fn flipped(mut bytes: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    for _ in 0..=chance.below(4) {
        if !bytes.is_empty() {
            let place = chance.below(bytes.len());
            bytes[place] ^= 1 << chance.below(8);
        }
    }
    bytes
}

/// One of the first fields once more, as text that is none.
fn not_text(chance: &mut Chance) -> Vec<u8> {
    let field = u8::try_from(1 + chance.below(6)).expect("it is small");
    vec![field << 3 | 2, 4, 0xff, 0xfe, 0xc3, 0x28]
}

/// Groups, long given up, within groups: of a field that does not exist.
fn groups(chance: &mut Chance) -> Vec<u8> {
    // Field 15, a group begins: whoever reads them by calling itself needs a bound.
    vec![15 << 3 | 3; 1 + chance.below(100_000)]
}
