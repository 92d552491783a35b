//! One address for all replicas of a service, as a proxy gives it: for programs of a release that knows one address of each
//! service only.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use clientele_platform::grpc::{Network, ServerOptions, serve};
use http::Uri;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::Routes;
use tower::Service as _;

/// A door that is open until it is dropped.
pub(super) struct Door {
    /// `http://127.0.0.1:…`
    pub(super) address: String,
    _open: DropGuard,
}

impl Door {
    /// A door to the replicas of `service` at these ports of the loopback address.
    pub(super) async fn open(service: &str, ports: &[u16]) -> Self {
        let network = Network::new();
        let addresses: Vec<Uri> =
            ports.iter().map(|port| format!("http://127.0.0.1:{port}").parse().expect("it is an address")).collect();
        network.connect(service, &addresses, None).expect("they are addresses");
        let replicas = network.transport(service);
        let pass = move |request: Request| {
            let mut replicas = replicas.clone();
            async move {
                let answer = replicas.call(request.map(tonic::body::Body::new)).await;
                answer.expect("what cannot be reached is answered as such").map(Body::new)
            }
        };
        let routes = Routes::from(Router::new().fallback(pass));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = format!("http://{}", listener.local_addr().expect("it listens"));
        let stop = CancellationToken::new();
        let closed = stop.clone();
        tokio::spawn(async move {
            let options = ServerOptions { max_connection_age: Duration::from_hours(1), tls: None };
            serve(listener, routes, &options, closed).await
        });
        Self { address, _open: stop.drop_guard() }
    }
}
