//! Whether the gateway lives, and whether it can serve.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use clientele_contracts::CONTEXTS;
use futures::future::join_all;
use http::StatusCode;
use serde::Serialize;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::gateway::Gateway;

const DEADLINE: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    services: BTreeMap<&'static str, &'static str>,
}

/// The process runs.
pub(crate) async fn live() -> &'static str {
    "ok"
}

/// The gateway can serve as long as one service does: what the others lack, each answer says of itself. Taking the gateway
/// away because one service is down would take away the rest too.
pub(crate) async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let services = join_all(CONTEXTS.iter().map(|service| async { (*service, state(&gateway, service).await) }));
    let services: BTreeMap<_, _> = services.await.into_iter().collect();
    let ready = !gateway.stop.is_cancelled() && services.values().any(|state| *state == "serving");
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, services })).into_response()
}

async fn state(gateway: &Gateway, service: &str) -> &'static str {
    let mut client = HealthClient::new(gateway.upstream.to(service));
    match tokio::time::timeout(DEADLINE, client.check(HealthCheckRequest::default())).await {
        Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving => "serving",
        Ok(Ok(_)) => "not serving",
        Ok(Err(_)) => "unreachable",
        Err(_) => "late",
    }
}
