//! The ways to the services.

use clientele_platform::grpc::{Network, Transport};
use clientele_platform::telemetry::Metrics;

/// The ways to the services. Calls carry what [`crate::call::Call`] puts into them and nothing of the gateway's own: it
/// acts in nobody's name but the caller's.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    network: Network,
}

impl Upstream {
    /// The ways over a network, measured.
    pub(crate) fn new(network: Network, metrics: Metrics) -> Self {
        Self { network: network.measured(metrics) }
    }

    /// The way to a service.
    pub(crate) fn to(&self, service: &str) -> Transport {
        self.network.transport(service)
    }
}
