//! One transport for both forms: over the network, or straight into the routes of a service in the same process.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Instant;

use clientele_kernel::Error;
use http::Uri;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;
use tower::util::BoxCloneSyncService;

use super::replicas::Replicas;
use super::status::code_of;
use crate::telemetry::Metrics;
use crate::tls::Trust;

/// Leads to a service. Generated clients work over it: `CustomersClient::new(transport)`.
pub type Transport = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, tonic::transport::Error>;

/// Leads to every service by name.
#[derive(Clone, Debug, Default)]
pub struct Network {
    nodes: Arc<RwLock<BTreeMap<String, Node>>>,
    metrics: Option<Metrics>,
}

#[derive(Clone)]
enum Node {
    Remote(Replicas),
    Local(Routes),
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Remote(_) => "Remote",
            Self::Local(_) => "Local",
        })
    }
}

impl Network {
    /// A network that leads nowhere yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with calls measured.
    #[must_use]
    pub fn measured(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The service of this name is at these addresses, `http://host:port` or `https://host:port`, each of which stands for
    /// all addresses that the host's name has. Whoever answers over `https` must be known to one of those trusted.
    pub fn connect(&self, name: &str, addresses: &[Uri], trust: Option<&Trust>) -> Result<(), Error> {
        self.set(name, Some(Node::Remote(Replicas::new(name, addresses, trust)?)));
        Ok(())
    }

    /// The service of this name is in this process.
    pub fn serve(&self, name: &str, routes: Routes) {
        self.set(name, Some(Node::Local(routes.prepare())));
    }

    /// The service of this name is gone; calls to it fail as unavailable.
    pub fn remove(&self, name: &str) {
        self.set(name, None);
    }

    /// The way to a service. It need not be there yet: it is looked up anew at each call.
    pub fn transport(&self, name: &str) -> Transport {
        Transport::new(Lookup { network: self.clone(), name: name.to_owned() })
    }

    fn set(&self, name: &str, node: Option<Node>) {
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        match node {
            Some(node) => nodes.insert(name.to_owned(), node),
            None => nodes.remove(name),
        };
    }

    fn node(&self, name: &str) -> Option<Node> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

#[derive(Clone)]
struct Lookup {
    network: Network,
    name: String,
}

impl Service<http::Request<Body>> for Lookup {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Self { network, name } = self.clone();
        Box::pin(async move {
            let begun = Instant::now();
            let path = network.metrics.is_some().then(|| request.uri().path().to_owned());
            let answer = match network.node(&name) {
                Some(Node::Remote(replicas)) => replicas.call(request).await,
                Some(Node::Local(mut routes)) => {
                    let answer: Result<_, Infallible> = routes.call(request).await;
                    answer.unwrap_or_else(|never| match never {})
                }
                None => Status::unavailable(format!("the service {name} cannot be reached")).into_http(),
            };
            if let (Some(metrics), Some(path)) = (&network.metrics, path) {
                metrics.called(&path, code_of(answer.headers()), begun.elapsed());
            }
            Ok(answer)
        })
    }
}
