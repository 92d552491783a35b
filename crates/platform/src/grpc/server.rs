//! Serves the routes of a service on a socket.

use std::time::Duration;

use clientele_kernel::Error;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::tls::Acceptor;

/// How a server treats its connections.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// After this age a connection is closed gracefully, so that clients find new replicas.
    pub max_connection_age: Duration,
    /// Serves over TLS.
    pub tls: Option<Acceptor>,
}

/// How many connections may be agreeing on keys at once; further ones wait to be accepted.
const HANDSHAKES: usize = 256;

/// The routes with health and reflection beside them. Health answers for the service as a whole, under the empty name.
pub fn infrastructure(routes: Routes, health: HealthReporter) -> Result<Routes, Error> {
    let health = HealthServer::new(HealthService::from_health_reporter(health));
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
    let server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_connection_age(options.max_connection_age)
        .add_routes(routes);
    let incoming = accepted(listener);
    let outcome = match &options.tls {
        None => server.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await,
        Some(acceptor) => {
            let agreed = incoming
                .map(|stream| async {
                    let stream = stream?;
                    let peer = stream.peer_addr()?;
                    acceptor.accept(stream, peer.ip()).await
                })
                .buffer_unordered(HANDSHAKES)
                .filter_map(|agreed| {
                    let agreed = agreed.inspect_err(|error| tracing::debug!(%error, "no agreement on TLS"));
                    std::future::ready(agreed.ok().map(Ok::<_, std::io::Error>))
                });
            server.serve_with_incoming_shutdown(agreed, stop.cancelled_owned()).await
        }
    };
    outcome.map_err(Error::internal)
}

/// Connections as they come. An answer and its trailers are written apart: without `TCP_NODELAY` the trailers would wait for the
/// client's delayed ACK, and the server's own setting is for listeners of its own, not for connections handed to it.
fn accepted(listener: TcpListener) -> impl Stream<Item = std::io::Result<TcpStream>> {
    TcpListenerStream::new(listener).inspect_ok(|stream| {
        // A connection that cannot be set is gone already: whoever reads from it finds out.
        let _ = stream.set_nodelay(true);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_an_answer_waits_for_no_acknowledgement() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = Box::pin(accepted(listener)).next().await.unwrap().unwrap();
        assert!(stream.nodelay().unwrap());
    }
}
