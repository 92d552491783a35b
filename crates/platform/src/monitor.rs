//! What watches a service: `/metrics` (Prometheus), `/livez`, `/readyz`. On an address of its own, which is not for the
//! public.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use clientele_kernel::Error;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::telemetry::Exposition;

const READY_DEADLINE: Duration = Duration::from_secs(2);

/// Serves until stopped.
pub async fn serve(
    address: SocketAddr,
    exposition: Exposition,
    pool: PgPool,
    stop: CancellationToken,
) -> Result<(), Error> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|e| Error::unavailable(format!("cannot listen on {address}: {e}")).with_source(e))?;
    let app = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready).with_state((pool, stop.clone())))
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

/// Ready means migrated and connected: a statement on a platform table answers in time, and nobody has asked to stop.
async fn ready(State((pool, stop)): State<(PgPool, CancellationToken)>) -> (StatusCode, &'static str) {
    if stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping");
    }
    let asked = sqlx::query("select 1 from journal_head where partition = 0").fetch_one(&pool);
    match tokio::time::timeout(READY_DEADLINE, asked).await {
        Ok(Ok(_)) => (StatusCode::OK, "ok"),
        Ok(Err(_)) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer, or is not migrated"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer in time"),
    }
}
