//! What watches a process: `/metrics` (Prometheus), `/livez`, `/readyz`. On an address of its own, which is not for the
//! public. It listens once everything is built and listens: the first answer of `/livez` is the end of the start.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use clientele_kernel::Error;
use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::ready::Readiness;
use crate::telemetry::Exposition;

/// Serves until stopped.
pub async fn serve(
    address: SocketAddr,
    exposition: Exposition,
    services: Vec<Readiness>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|e| Error::unavailable(format!("cannot listen on {address}: {e}")).with_source(e))?;
    let app = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready).with_state(Arc::new(services)))
        .route("/metrics", get(move || std::future::ready(metrics(&exposition))));
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await.map_err(Error::internal)
}

fn metrics(exposition: &Exposition) -> (StatusCode, String) {
    match exposition.render() {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, String::new())
        }
    }
}

/// Every service of the process is ready; those that are not say why.
async fn ready(State(services): State<Arc<Vec<Readiness>>>) -> (StatusCode, String) {
    let unready: Vec<String> =
        join_all(services.iter().map(Readiness::check)).await.into_iter().filter_map(Result::err).collect();
    if unready.is_empty() {
        (StatusCode::OK, "ok".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, unready.join("; "))
    }
}
