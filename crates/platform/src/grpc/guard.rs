//! The layer every call to a service goes through, over the network or within the process: who calls, may they, how
//! long may it take; span, metrics and the traces of a panic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use clientele_contracts::access::{self, Access};
use clientele_contracts::streams::takes_stream;
use clientele_kernel::{Actor, Error, Origin};
use futures::FutureExt;
use http::HeaderMap;
use tokio::sync::Semaphore;
use tonic::service::Routes;
use tracing::Instrument;

use super::status::{code_of, explained};
use super::{Verifier, status};
use crate::caller::Caller;
use crate::telemetry::{self, Metrics};

/// Metadata that tells where a call came from: `web`, `api`, `import`, `automation`, `channel`.
pub const HEADER_ORIGIN: &str = "x-clientele-origin";
/// Metadata with the label of the integration that calls.
pub const HEADER_INTEGRATION: &str = "x-clientele-integration";

/// Why a call is turned away because too many are under way.
pub(super) const OVERLOADED: &str = "OVERLOADED";
/// Calls whose tokens could not be looked at, as they are counted.
const UNPROVEN: &str = "unproven";
/// What followers call, in every context.
const FEED: &str = ".Feed/Read";
const LONGEST_INTEGRATION: usize = 100;
/// However long its caller grants an upload.
const LONGEST_UPLOAD: Duration = Duration::from_hours(2);

/// Guards the routes of a service.
#[derive(Clone, Debug)]
pub struct Guard {
    verifier: Verifier,
    longest: Duration,
    metrics: Metrics,
    capacity: Capacity,
}

/// How much is worked on at once, apart for what waits on people, on machines and on the caller's line: followers that
/// catch up must not turn away who clicks, nor must uploads over slow lines.
#[derive(Clone, Debug)]
struct Capacity {
    calls: Arc<Semaphore>,
    feeds: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
}

impl Capacity {
    fn new(most: usize) -> Self {
        let room = |most: usize| Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
        Self { calls: room(most), feeds: room(most / 4), uploads: room(most / 4) }
    }

    fn of(&self, kind: Kind) -> Arc<Semaphore> {
        let room = match kind {
            Kind::Calls => &self.calls,
            Kind::Feeds => &self.feeds,
            Kind::Uploads => &self.uploads,
        };
        room.clone()
    }
}

/// What has places of its own.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Calls,
    Feeds,
    Uploads,
}

impl Kind {
    fn of(path: &str) -> Self {
        if path.ends_with(FEED) {
            Self::Feeds
        } else if takes_stream(path) {
            Self::Uploads
        } else {
            Self::Calls
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Feeds => "feeds",
            Self::Uploads => "uploads",
        }
    }
}

impl Guard {
    /// A guard that admits whom the verifier knows, lets no call take longer than `longest`, and turns away at once what
    /// comes while `most` are being worked on: a queue would only make everybody late. Followers of the feed and uploads
    /// have places of their own, a quarter as many each.
    pub fn new(verifier: Verifier, longest: Duration, most: usize, metrics: Metrics) -> Self {
        for kind in [Kind::Calls, Kind::Feeds, Kind::Uploads] {
            metrics.shed(kind.name(), 0);
        }
        metrics.shed(UNPROVEN, 0);
        for reason in ["UNAUTHENTICATED", "TOKEN_EXPIRED", "UNAVAILABLE"] {
            metrics.token_refused(reason, 0);
        }
        Self { verifier, longest, metrics, capacity: Capacity::new(most) }
    }

    /// The routes behind this guard.
    pub fn protect(self, routes: Routes) -> Routes {
        let layer = axum::middleware::from_fn_with_state(self, admit);
        Routes::from(routes.into_axum_router().layer(layer))
    }

    async fn caller(&self, path: &str, headers: &HeaderMap) -> Result<Option<Caller>, Error> {
        let access = access::of_path(path)
            .ok_or_else(|| Error::permission_denied("nobody may call this method: it does not say who may"))?;
        let token = headers
            .get(http::header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")));
        let Some(token) = token else {
            return match access {
                Access::Public => Ok(None),
                _ => Err(Error::unauthenticated("sign in or send a token")),
            };
        };
        // A public method does not look at tokens: one that has ended must not keep anybody from signing in.
        if *access == Access::Public {
            return Ok(None);
        }
        let verified = self.verifier.verify(token).await;
        let claims = verified.inspect_err(|error| match error.reason {
            OVERLOADED => self.metrics.shed(UNPROVEN, 1),
            reason => self.metrics.token_refused(reason, 1),
        })?;
        let caller = Caller {
            actor: Actor { kind: claims.actor_kind()?, id: claims.sub.clone() },
            display_name: claims.name.clone(),
            permissions: claims.permissions(),
            origin: text(headers, HEADER_ORIGIN).and_then(|name| Origin::parse(&name)).unwrap_or(Origin::Api),
            integration: text(headers, HEADER_INTEGRATION).filter(|label| label.len() <= LONGEST_INTEGRATION),
            traceparent: telemetry::current_traceparent(),
            token: Some(token.into()),
        };
        if let Access::Permission(permission) = access {
            caller.require(permission)?;
        }
        Ok(Some(caller))
    }

    /// How long the call may take: what its caller grants, but no longer than the service does. What takes a stream lasts
    /// as long as its caller sends, who says how long that may be.
    fn deadline(&self, path: &str, headers: &HeaderMap) -> Duration {
        let most = if takes_stream(path) { LONGEST_UPLOAD.max(self.longest) } else { self.longest };
        granted(headers).map_or(self.longest, |granted| granted.min(most))
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// How long a caller grants.
pub(super) fn granted(headers: &HeaderMap) -> Option<Duration> {
    text(headers, "grpc-timeout").and_then(|value| parse_timeout(&value))
}

/// A timeout as gRPC writes it: up to eight digits and a unit.
fn parse_timeout(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let amount: u64 =
        (digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// Health and reflection tell nothing that needs guarding, and probes have no token.
fn is_infrastructure(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.")
}

async fn admit(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if is_infrastructure(&path) {
        return next.run(request).await;
    }
    let method = if access::of_path(&path).is_some() { path.as_str() } else { "/unknown" }.to_owned();
    let span = tracing::info_span!("grpc.request", otel.name = %method, otel.kind = "server", rpc.method = %method, grpc.code = tracing::field::Empty);
    telemetry::extract(&span, request.headers());
    let deadline = guard.deadline(&path, request.headers());
    let started = Instant::now();

    let metrics = guard.metrics.clone();
    metrics.serving(&method);
    let work = async move {
        let kind = Kind::of(&path);
        let room = guard.capacity.of(kind);
        let full = || {
            guard.metrics.shed(kind.name(), 1);
            let error = Error::unavailable("the service has more to do than it can: try again");
            status(error.with_reason(OVERLOADED)).into_http()
        };
        if room.available_permits() == 0 {
            return full();
        }
        // The deadline holds for all of it: proving who calls may have to wait for identity.
        let answer = async {
            match guard.caller(&path, request.headers()).await {
                Ok(Some(caller)) => {
                    request.extensions_mut().insert(caller);
                }
                Ok(None) => {}
                Err(refused) => return status(refused).into_http(),
            }
            // Only now: who has proven nothing takes no place of those who have.
            let Ok(_permit) = room.try_acquire_owned() else { return full() };
            explained(next.run(request).await)
        };
        match tokio::time::timeout(deadline, std::panic::AssertUnwindSafe(answer).catch_unwind()).await {
            Ok(Ok(response)) => response,
            Ok(Err(_panic)) => status(Error::internal(format!("{path} panicked"))).into_http(),
            Err(_late) => status(Error::new(
                clientele_kernel::Code::DeadlineExceeded,
                "DEADLINE_EXCEEDED",
                "the request took longer than it may",
            ))
            .into_http(),
        }
    };
    let response = work.instrument(span.clone()).await;
    let code = code_of(response.headers());
    span.record("grpc.code", code);
    metrics.served(&method, code, started.elapsed());
    response
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn followers_and_uploads_do_not_take_the_places_of_those_who_click() {
        let capacity = Capacity::new(8);
        let feed = "/clientele.customers.v1.Feed/Read";
        let followers: Vec<_> = std::iter::from_fn(|| capacity.of(Kind::of(feed)).try_acquire_owned().ok()).collect();
        assert_eq!(followers.len(), 2);
        let upload = "/clientele.customers.v1.Imports/UploadImportFile";
        assert!(takes_stream(upload), "{upload} takes no stream");
        let uploads: Vec<_> = std::iter::from_fn(|| capacity.of(Kind::of(upload)).try_acquire_owned().ok()).collect();
        assert_eq!(uploads.len(), 2);
        let calls = std::iter::from_fn(|| {
            capacity.of(Kind::of("/clientele.customers.v1.Customers/Get")).try_acquire_owned().ok()
        });
        assert_eq!(calls.collect::<Vec<_>>().len(), 8);
    }

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(parse_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse_timeout("3S"), Some(Duration::from_secs(3)));
        for wrong in ["", "S", "123456789S", "1x", "-1S", "+1S", "1.5S", "é"] {
            assert_eq!(parse_timeout(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_timeout_is_read_or_passed_over(text in any::<String>(), amount in 0..100_000_000_u64, unit in "[HMSmun]") {
            let _ = parse_timeout(&text);
            let read = parse_timeout(&format!("{amount}{unit}")).unwrap();
            let nanos = match unit.as_str() {
                "H" => 3_600_000_000_000,
                "M" => 60_000_000_000,
                "S" => 1_000_000_000,
                "m" => 1_000_000,
                "u" => 1000,
                _ => 1_u128,
            };
            prop_assert_eq!(read.as_nanos(), u128::from(amount) * nanos);
        }
    }
}
