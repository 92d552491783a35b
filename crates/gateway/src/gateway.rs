//! What all parts of the gateway share.

use std::sync::Arc;

use clientele_kernel::{Clock, Entropy};
use clientele_platform::telemetry::Metrics;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::address::Proxies;
use crate::assets::Releases;
use crate::auth::Tokens;
use crate::config::Config;
use crate::limits::Limits;
use crate::live::{Hub, Places};
use crate::rest::Table;
use crate::upstream::Upstream;

/// What all parts of the gateway share.
pub(crate) struct Gateway {
    /// Its settings.
    pub(crate) config: Config,
    /// How long a request may take.
    pub(crate) request_deadline: std::time::Duration,
    /// The ways to the services.
    pub(crate) upstream: Upstream,
    /// Time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Randomness.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The REST routes.
    pub(crate) table: Table,
    /// Tokens by credential.
    pub(crate) tokens: Tokens,
    /// Rates of callers.
    pub(crate) limits: Limits,
    /// Who is believed about addresses.
    pub(crate) proxies: Proxies,
    /// One permit for each request at work.
    pub(crate) capacity: Arc<Semaphore>,
    /// One permit for each upload, which takes longer than other requests and hardly any work.
    pub(crate) uploads: Arc<Semaphore>,
    /// Instruments.
    pub(crate) metrics: Metrics,
    /// What changes, for those who follow it.
    pub(crate) hub: Hub,
    /// The places for live streams.
    pub(crate) places: Places,
    /// Files of other releases.
    pub(crate) releases: Releases,
    /// Cancelled when the process is to stop.
    pub(crate) stop: CancellationToken,
}
