//! From a built service to a running one, in a process of its own or beside others in one.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clientele_kernel::{Clock, Entropy, Error, Ids, SystemEntropy};
use http::Uri;
use http::uri::Scheme;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tonic::service::Routes;

use crate::bus::{self, Bus};
use crate::config::{self, Common, Loader};
use crate::consumer::{self, Follower};
use crate::feed::FeedReader;
use crate::grpc::{self, Clients, Credential, Guard, Network, ServerOptions, Verifier};
use crate::lifecycle::Lifecycle;
use crate::postgres::{self, Database, DatabaseOptions, Keyring, MasterKey, master_key};
use crate::ready::{Followed, Patience, Readiness, Watched};
use crate::service::{Deps, Service};
use crate::telemetry::{self, Metrics};
use crate::tls::{Acceptor, Trust};
use crate::{monitor, relay, sample};

const PURGE_INTERVAL: Duration = Duration::from_mins(5);
const PURGE_BATCH: i64 = 10_000;
const PURGE: &str = "request log";

/// What all services of a process share.
#[derive(Clone, Debug)]
pub struct Host {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The ways to the services.
    pub network: Network,
    /// What carries events.
    pub bus: Arc<dyn Bus>,
    /// Instruments.
    pub metrics: Metrics,
    /// Tasks and their end.
    pub lifecycle: Lifecycle,
    /// How long a request may take.
    pub request_deadline: Duration,
    /// How many requests a service works on at once.
    pub max_concurrent_requests: usize,
}

impl Host {
    /// What a service is built from.
    pub fn deps(&self, db: Database, credential: Credential) -> Deps {
        Deps {
            db: db.measured(self.metrics.clone()),
            clients: Clients::new(self.network.clone(), credential, self.clock.clone(), self.request_deadline),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            ids: Ids::new(self.clock.clone(), self.entropy.clone()),
        }
    }

    /// Begins to find out when a service is ready for requests.
    pub async fn watch(&self, service: &Service, deps: &Deps) -> Result<Readiness, Error> {
        let followed = service.consumers.iter().map(|consumer| {
            Ok(Followed { name: consumer.name, feed: FeedReader::new(&deps.clients, consumer.source)? })
        });
        let watched = Watched {
            db: deps.db.clone(),
            migrations: service.migrations,
            bus: self.bus.clone(),
            consumers: followed.collect::<Result<_, Error>>()?,
            patience: Patience::default(),
        };
        let readiness = Readiness::new(&watched, self.lifecycle.soft()).await;
        self.lifecycle.spawn(format!("{}: readiness", service.name), readiness.clone().follow(watched));
        Ok(readiness)
    }

    /// Starts what a service does in the background and gives its routes, guarded. The relay and the consumers begin at
    /// once; they wait by themselves for what they need.
    pub fn start(&self, service: Service, deps: &Deps) -> Result<Routes, Error> {
        let name = service.name;
        let (db, bus, metrics) = (deps.db.clone(), self.bus.clone(), self.metrics.clone());
        let stop = self.lifecycle.soft();
        let sources = service.consumers.iter().map(|consumer| (consumer.name, consumer.source)).collect();
        let tasks = service.tasks.iter().map(|task| task.name);
        for task in [relay::TASK, PURGE].into_iter().chain(tasks).chain(service.consumers.iter().map(|c| c.name)) {
            metrics.task_begins(name, task);
        }
        self.lifecycle.spawn(format!("{name}: sample"), sample::run(db.clone(), sources, stop.clone()));
        self.lifecycle.spawn(format!("{name}: relay"), relay::run(db, bus, metrics, stop.clone()));
        self.lifecycle.spawn(format!("{name}: {PURGE}"), purge(deps.db.clone(), stop.clone()));
        self.lifecycle.spawn(format!("{name}: master keys"), master_key::watch(deps.db.clone(), stop.clone()));
        for consumer in service.consumers {
            let task = format!("{name}: consumer {}", consumer.name);
            let follower = Follower {
                db: deps.db.clone(),
                bus: self.bus.clone(),
                feed: FeedReader::new(&deps.clients, consumer.source)?,
                consumer,
                metrics: self.metrics.clone(),
            };
            let stop = stop.clone();
            self.lifecycle.spawn(task, async move { consumer::run(follower, stop).await });
        }
        for task in service.tasks {
            self.lifecycle.spawn(format!("{name}: {}", task.name), (task.work)(stop.clone()));
        }
        let verifier = Verifier::new(self.network.transport("identity"), self.clock.clone());
        Ok(Guard::new(verifier, self.request_deadline, self.max_concurrent_requests, self.metrics.clone())
            .protect(service.routes))
    }
}

async fn purge(db: Database, stop: tokio_util::sync::CancellationToken) -> Result<(), Error> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(PURGE_INTERVAL) => {}
        }
        loop {
            match postgres::purge_request_log(db.pool(), db.clock().now(), PURGE_BATCH).await {
                Ok(cleared) if cleared >= PURGE_BATCH.unsigned_abs() && !stop.is_cancelled() => {}
                Ok(_) => break,
                Err(error) => {
                    db.metrics().task_failed(db.context(), PURGE);
                    tracing::warn!(context = db.context(), %error, "old answers could not be cleared away; trying again later");
                    break;
                }
            }
        }
    }
}

/// The command line of a service's binary.
#[derive(Debug, clap::Parser)]
#[command(version)]
pub struct Arguments {
    /// Configuration file (TOML); the documented defaults hold where it says nothing
    #[arg(long, env = config::FILE_VARIABLE)]
    pub config: Option<PathBuf>,
}

/// Runs a service as a process of its own until it is told to stop. `section` names the service's own part of the
/// configuration, whose documented defaults are `defaults`.
pub async fn run<C, F>(section: &'static str, defaults: &str, build: impl FnOnce(C, Deps) -> F) -> ExitCode
where
    C: DeserializeOwned,
    F: Future<Output = Result<Service, Error>>,
{
    exit_code(section, run_until_stopped(section, defaults, build).await)
}

/// How a process ends, with the reason on standard error: telemetry may not have come up, or has gone already.
#[expect(clippy::print_stderr, reason = "the last word of a process goes to whoever started it")]
pub fn exit_code(name: &str, outcome: Result<(), Error>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            eprintln!("clientele-{name}: {error}{cause}");
            ExitCode::FAILURE
        }
    }
}

async fn run_until_stopped<C, F>(
    name: &'static str,
    defaults: &str,
    build: impl FnOnce(C, Deps) -> F,
) -> Result<(), Error>
where
    C: DeserializeOwned,
    F: Future<Output = Result<Service, Error>>,
{
    crate::tls::install_crypto();
    let arguments = <Arguments as clap::Parser>::parse();
    let configuration = Loader::new()
        .defaults(config::DEFAULT)
        .defaults(&own_address(name)?)
        .defaults(defaults)
        .file(arguments.config.as_deref())
        .environment(std::env::vars())
        .read()
        .map_err(wrong_configuration)?;
    let common = configuration.common().map_err(wrong_configuration)?;
    let own: C = configuration.section(name).map_err(wrong_configuration)?;
    let telemetry = telemetry::init(&common.telemetry, name).map_err(Error::internal)?;
    configuration.warn();

    let lifecycle = Lifecycle::new(common.server.shutdown_grace);
    lifecycle.stop_on_signals().map_err(Error::internal)?;
    let outcome = serve(name, &common, own, build, &lifecycle, &telemetry).await;
    if outcome.is_err() {
        lifecycle.stop();
    }
    let ended = lifecycle.run().await.map_err(Error::internal);
    telemetry.shutdown().await;
    outcome.and(ended)
}

/// Where a service listens by default: where the others look for it by default.
fn own_address(name: &str) -> Result<String, Error> {
    let defaults =
        Loader::new().defaults(config::DEFAULT).read().and_then(|read| read.common()).map_err(wrong_configuration)?;
    let first = defaults.services.addresses(name).and_then(<[Uri]>::first);
    let authority = first.and_then(Uri::authority);
    Ok(authority.map(|authority| format!("[server]\nlisten = \"{authority}\"\n")).unwrap_or_default())
}

async fn serve<C, F>(
    name: &'static str,
    common: &Common,
    own: C,
    build: impl FnOnce(C, Deps) -> F,
    lifecycle: &Lifecycle,
    telemetry: &telemetry::Guard,
) -> Result<(), Error>
where
    F: Future<Output = Result<Service, Error>>,
{
    let host = host(common, lifecycle.clone(), telemetry.metrics()).await?;
    let db = database(name, common, &host)?;
    let credential = Credential { service: name.to_owned(), secret: common.secrets.service_secret.clone() };
    let deps = host.deps(db, credential);
    let service = build(own, deps.clone()).await?;
    let readiness = host.watch(&service, &deps).await?;
    let routes = grpc::infrastructure(host.start(service, &deps)?, readiness.health())?;

    let listener = TcpListener::bind(common.server.listen)
        .await
        .map_err(|e| Error::unavailable(format!("cannot listen on {}: {e}", common.server.listen)).with_source(e))?;
    let address = listener.local_addr().map_err(Error::internal)?;
    // Which services it calls is what a network policy has to allow.
    tracing::info!(service = name, %address, calls = %deps.clients.called().join(","), "serving");
    // A service also reaches itself, identity for instance to check tokens: without a way over the network.
    host.network.serve(name, routes.clone());
    let options = ServerOptions {
        max_connection_age: common.server.max_connection_age,
        tls: tls(&common.server, &[b"h2"], lifecycle)?,
    };
    lifecycle.spawn("grpc server", {
        let stop = lifecycle.soft();
        async move { grpc::serve(listener, routes, &options, stop).await }
    });
    if let Some(address) = common.server.metrics_listen {
        let (exposition, stop) = (telemetry.exposition(), lifecycle.soft());
        lifecycle.spawn("monitoring", async move { monitor::serve(address, exposition, vec![readiness], stop).await });
    }
    Ok(())
}

/// What the services of a process share, from the common part of the configuration.
pub async fn host(common: &Common, lifecycle: Lifecycle, metrics: Metrics) -> Result<Host, Error> {
    Ok(Host {
        clock: crate::clock(),
        entropy: Arc::new(SystemEntropy),
        network: network(&common.services)?.measured(metrics.clone()),
        bus: bus::open(&common.bus).await?,
        metrics,
        lifecycle,
        request_deadline: common.server.request_deadline,
        max_concurrent_requests: usize::from(common.server.max_concurrent_requests.get()),
    })
}

/// The ways to the services, where the configuration has them.
pub fn network(services: &config::Services) -> Result<Network, Error> {
    let network = Network::new();
    let encrypted = |address: &Uri| address.scheme() == Some(&Scheme::HTTPS);
    let addresses = || clientele_contracts::CONTEXTS.iter().filter_map(|name| Some((*name, services.addresses(name)?)));
    // Where nothing is encrypted, nobody's certificates are looked for.
    let trusted = addresses().any(|(_, replicas)| replicas.iter().any(encrypted));
    let trust = if trusted { Some(Trust::read(services.ca_file.as_deref())?) } else { None };
    for (name, replicas) in addresses() {
        network.connect(name, replicas, trust.as_ref())?;
    }
    Ok(network)
}

/// What a server shows over TLS, if it is configured; a new certificate is noticed as long as the process lives.
pub fn tls(server: &config::Server, protocols: &[&[u8]], lifecycle: &Lifecycle) -> Result<Option<Acceptor>, Error> {
    let Some(files) = server.tls().map_err(wrong_configuration)? else { return Ok(None) };
    let acceptor = Acceptor::read(files, protocols)?;
    lifecycle.spawn("certificate", acceptor.clone().refresh(lifecycle.soft()));
    Ok(Some(acceptor))
}

/// The database of a service, from the common part of the configuration. Connects when it is first used.
pub fn database(name: &'static str, common: &Common, host: &Host) -> Result<Database, Error> {
    let pool = postgres::connect_lazy(&options(&common.database), name)?;
    let keyring = keyring(&common.secrets, host.entropy.clone())?;
    Ok(Database::new(pool, name, host.clock.clone(), host.entropy.clone(), keyring))
}

/// How to reach the configured database.
pub fn options(database: &config::Database) -> DatabaseOptions {
    DatabaseOptions {
        url: database.url.clone(),
        max_connections: database.max_connections,
        acquire_timeout: database.acquire_timeout,
        statement_timeout: database.statement_timeout,
        lock_timeout: database.lock_timeout,
        pooled: database.pooled,
    }
}

/// The keyring of the configured master keys.
pub fn keyring(secrets: &config::Secrets, entropy: Arc<dyn Entropy>) -> Result<Keyring, Error> {
    let key = secrets.master_key().map_err(wrong_configuration)?;
    let mut masters = vec![MasterKey { id: secrets.master_key_id.clone(), key }];
    let others = secrets.other_master_keys().map_err(wrong_configuration)?;
    masters.extend(others.into_iter().map(|(id, key)| MasterKey { id, key }));
    Ok(Keyring::try_new(masters, entropy)?)
}

fn wrong_configuration(error: config::Error) -> Error {
    Error::new(clientele_kernel::Code::InvalidArgument, "CONFIGURATION", error.to_string())
}
