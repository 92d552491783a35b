//! A service as the process that runs it sees it: routes, consumers and background work.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use clientele_kernel::{Clock, Entropy, Error, Ids};
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::consumer::Consumer;
use crate::grpc::Clients;
use crate::postgres::Database;

/// What a service is built from.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Its own schema.
    pub db: Database,
    /// The ways to the other services.
    pub clients: Clients,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Ids.
    pub ids: Ids,
}

/// Background work: runs until the token is cancelled.
pub type Work = Box<dyn FnOnce(CancellationToken) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> + Send>;

/// A named piece of background work.
pub struct Task {
    /// Its name in logs.
    pub name: &'static str,
    /// What it does.
    pub work: Work,
}

impl Task {
    /// A task of this name.
    pub fn new<F>(name: &'static str, work: impl FnOnce(CancellationToken) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self { name, work: Box::new(move |stop| Box::pin(work(stop))) }
    }
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A built service, not yet running.
#[derive(Debug)]
pub struct Service {
    /// Its name, for instance `customers`.
    pub name: &'static str,
    /// The migrations of its own tables.
    pub migrations: &'static Migrator,
    /// Its gRPC routes, without guard, health and reflection.
    pub routes: Routes,
    /// What it follows.
    pub consumers: Vec<Consumer>,
    /// What it does besides.
    pub tasks: Vec<Task>,
}
