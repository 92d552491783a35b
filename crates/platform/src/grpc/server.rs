//! Serves the routes of a service on a socket.

use std::time::Duration;

use clientele_kernel::Error;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

/// How a server treats its connections.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// After this age a connection is closed gracefully, so that clients find new replicas.
    pub max_connection_age: Duration,
}

/// The routes with health and reflection beside them. Health answers SERVING for the process as a whole; whether it is
/// ready for requests is asked of the monitor.
pub async fn infrastructure(routes: Routes) -> Result<Routes, Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(clientele_contracts::DESCRIPTORS)
        .build_v1()
        .map_err(Error::internal)?;
    Ok(routes.add_service(health).add_service(reflection))
}

/// Serves until `stop` is cancelled, then lets running requests end.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    options: &ServerOptions,
    stop: CancellationToken,
) -> Result<(), Error> {
    Server::builder()
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_connection_age(options.max_connection_age)
        .add_routes(routes)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.cancelled_owned())
        .await
        .map_err(Error::internal)
}
