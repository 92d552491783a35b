//! Builds the gateway: the only place where its parts meet.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use clientele_contracts::DESCRIPTORS;
use clientele_contracts::access::POOL;
use clientele_kernel::{Clock, Code, Entropy, Error};
use clientele_platform::bus::Bus;
use clientele_platform::config::Server;
use clientele_platform::grpc::Network;
use clientele_platform::telemetry::Metrics;
use governor::clock::MonotonicClock;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{self, CorsLayer};

use crate::address::Proxies;
use crate::assets::Releases;
use crate::auth::Tokens;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::limits::Limits;
use crate::live::{Hub, Places};
use crate::problem::Problem;
use crate::rest::{Binding, Table};
use crate::trace::Instruments;
use crate::upstream::Upstream;
use crate::{api, assets, headers, health, openapi, problem, request_id, trace, viewer};

/// What the gateway is built from.
#[derive(Clone, Debug)]
pub struct Deps {
    /// The ways to the services.
    pub network: Network,
    /// What brings the news of the services.
    pub bus: Arc<dyn Bus>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Instruments.
    pub metrics: Metrics,
    /// Cancelled when the process is to stop.
    pub stop: CancellationToken,
}

/// A built gateway, not yet serving.
#[derive(Debug)]
pub struct Service {
    /// All routes, for [`crate::serve`].
    pub router: Router,
    /// What it does besides.
    pub tasks: Vec<clientele_platform::Task>,
}

/// Callers who have their whole quota again are forgotten this often.
const TIDY: Duration = Duration::from_mins(1);

/// A browser need not ask again for a day whether the widget may speak.
const PREFLIGHT: Duration = Duration::from_hours(24);

/// Builds the gateway. Fails where the contracts hold something that the gateway does not understand.
pub fn build(config: Config, server: &Server, deps: Deps) -> Result<Service, Error> {
    let table = Table::new(Binding::all(&POOL).map_err(Error::internal)?).map_err(Error::internal)?;
    for binding in table.bindings().iter().filter(|binding| binding.is_own()) {
        if !api::OWN_METHODS.contains(&binding.method.full_name()) {
            return Err(Error::internal(format!("{} is not answered by anybody", binding.method.full_name())));
        }
    }
    for kind in ["requests", "uploads", "streams"] {
        deps.metrics.shed(kind, 0);
    }
    let upstream = Upstream::new(deps.network, deps.metrics.clone());
    let gateway = Arc::new(Gateway {
        request_deadline: server.request_deadline,
        tokens: Tokens::new(upstream.to("identity"), deps.clock.clone()),
        limits: Limits::new(&config, &MonotonicClock),
        proxies: Proxies::new(config.trusted_proxies.clone()),
        uploads: Arc::new(Semaphore::new(config.max_uploads.get().into())),
        capacity: Arc::new(Semaphore::new(server.max_concurrent_requests.get().into())),
        hub: Hub::new(config.stream_buffer.get().into(), deps.entropy.as_ref()),
        places: Places::new(config.max_streams, &deps.metrics),
        releases: Releases::new(&config.releases_dir),
        metrics: deps.metrics,
        clock: deps.clock,
        entropy: deps.entropy,
        stop: deps.stop,
        table,
        upstream,
        config,
    });
    let tidy = {
        let gateway = gateway.clone();
        clientele_platform::Task::new("rate limits", move |stop| async move {
            while tokio::time::timeout(TIDY, stop.cancelled()).await.is_err() {
                gateway.limits.tidy();
            }
            Ok(())
        })
    };
    let live = {
        let (gateway, bus) = (gateway.clone(), deps.bus);
        clientele_platform::Task::new("live streams", move |stop| async move { gateway.hub.fill(bus, stop).await })
    };
    let releases = {
        let gateway = gateway.clone();
        clientele_platform::Task::new("releases", move |_| async move {
            gateway.releases.keep(gateway.entropy.as_ref(), gateway.clock.as_ref()).await;
            Ok(())
        })
    };
    Ok(Service { router: router(&gateway), tasks: vec![tidy, live, releases] })
}

fn router(gateway: &Arc<Gateway>) -> Router {
    let work = Router::new()
        .route("/v1/openapi.json", get(|| async { file(openapi::DOCUMENT, "application/json") }))
        .route("/v1/descriptors.binpb", get(|| async { file(DESCRIPTORS, "application/x-protobuf") }))
        .route("/v1", any(api::answer))
        .route("/v1/", any(api::answer))
        .route("/v1/{*path}", any(api::answer))
        .route("/api", get(viewer::page))
        .route("/api/api.js", get(viewer::script))
        .route("/api/api.css", get(viewer::style))
        .fallback(assets::answer)
        .method_not_allowed_fallback(|request: Request| async move {
            let detail = format!("{} is not understood here", request.method());
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail)
        })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(gateway.clone(), bound));
    // Pages of other sites may use what the widget speaks, and nothing else. No cookie goes with it.
    let widget = Router::new()
        .route("/v1/widget/{*path}", any(api::answer))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(gateway.clone(), bound))
        .layer(
            CorsLayer::new()
                .allow_origin(cors::Any)
                .allow_methods([Method::POST])
                .allow_headers([CONTENT_TYPE])
                .expose_headers([RETRY_AFTER, request_id::HEADER])
                .max_age(PREFLIGHT),
        );
    // Probes must get through when everything else is shed.
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .merge(work)
        .merge(widget)
        .with_state(gateway.clone())
        .layer(from_fn(problem::render))
        // Brotli of dynamic answers costs more than it saves; the client's files are compressed beforehand.
        .layer(CompressionLayer::new().gzip(true).no_br().quality(CompressionLevel::Fastest))
        .layer(from_fn_with_state(gateway.clone(), headers::protect))
        .layer(from_fn_with_state(Arc::new(Instruments::new(&gateway.metrics)), trace::follow))
        .layer(from_fn_with_state(gateway.entropy.clone(), request_id::assign))
}

fn file(content: impl Into<axum::body::Body>, media_type: &'static str) -> Response {
    let mut response = Response::new(content.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Sheds what is beyond capacity at once, and ends what takes too long to begin its answer. A live stream or a download
/// goes on beyond that.
async fn bound(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let upload = gateway.table.is_upload(request.method(), request.uri().path());
    let capacity = if upload { &gateway.uploads } else { &gateway.capacity };
    let Ok(_permit) = capacity.clone().try_acquire_owned() else {
        gateway.metrics.shed(if upload { "uploads" } else { "requests" }, 1);
        return Problem::from(Error::unavailable("too many requests at once; try again").with_reason("OVERLOADED"))
            .into_response();
    };
    let declared =
        request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    let limit = if upload { gateway.config.max_upload_bytes } else { gateway.config.max_body_bytes as u64 };
    if declared.is_some_and(|length| length > limit) {
        return api::too_large(limit).into_response();
    }
    if upload {
        // It has bounds of its own.
        return next.run(request).await;
    }
    match tokio::time::timeout(gateway.request_deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_late) => {
            let error = Error::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "the request took longer than it may");
            Problem::from(error).into_response()
        }
    }
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Problem::from(Error::internal("a handler panicked")).into_response()
}
