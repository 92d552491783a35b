//! Everything in one process: a private PostgreSQL, the in-process bus, all services, the gateway.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clientele_contracts::CONTEXTS;
use clientele_embedded::{DataDirLock, Postgres, PostgresOptions};
use clientele_gateway as gateway;
use clientele_kernel::{Clock, Entropy, Error, SystemEntropy};
use clientele_platform::config::{self, FILE_VARIABLE, LogFormat, Services};
use clientele_platform::grpc::{Clients, Credential, Network, ServerOptions};
use clientele_platform::lifecycle::Lifecycle;
use clientele_platform::postgres::{self, Database, Error as StorageError, Keyring};
use clientele_platform::run::tls;
use clientele_platform::{Deps, Host, Readiness, Service, bus, grpc, monitor, telemetry};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::net::TcpListener;

use crate::configuration::{self, Everything};
use crate::{demo, migrate, secrets};

pub(crate) const DATABASE: &str = "clientele";

/// What `up` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where everything is kept [default: /var/lib/clientele for root, else clientele in the user's data folder]
    #[arg(long, env = "CLIENTELE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Address and port to serve on; overrides `server.listen`
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Configuration file (TOML); the documented defaults hold where it says nothing
    #[arg(long, env = FILE_VARIABLE)]
    config: Option<PathBuf>,
    /// Folder in which the database's whole log is kept, so that a backup can be restored to any later moment
    #[arg(long, env = "CLIENTELE_WAL_ARCHIVE")]
    wal_archive: Option<PathBuf>,
    /// Fill an empty data directory with an invented company, for a first look
    #[arg(long)]
    demo: bool,
    /// Serve the gRPC of each service too, at its address in `services`: for whoever writes a consumer
    #[arg(long)]
    grpc: bool,
}

/// Where the house is spoken to.
struct Doors {
    /// By people and programs, over HTTP.
    web: TcpListener,
    /// By other teams' services, over gRPC; empty unless asked for.
    services: BTreeMap<&'static str, TcpListener>,
}

/// Runs until told to stop.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Error> {
    let mut configuration = configuration::load(arguments.config.as_deref(), std::env::vars())?;
    if let Some(listen) = arguments.listen {
        configuration.server.listen = listen;
    }
    let data_dir = arguments.data_dir.map_or_else(default_data_dir, Ok)?;
    if std::io::stderr().is_terminal() {
        // People read it.
        configuration.telemetry.format = LogFormat::Text;
    }
    let telemetry = telemetry::init(&configuration.telemetry, "clientele").map_err(Error::internal)?;
    let lifecycle = Lifecycle::new(configuration.server.shutdown_grace);
    lifecycle.stop_on_signals().map_err(Error::internal)?;

    // Before anything is made: an address that is taken is the likeliest thing to be in the way.
    let web = listen(configuration.server.listen).await?;
    let services = if arguments.grpc { listen_for_services(&configuration.services).await? } else { BTreeMap::new() };
    let doors = Doors { web, services };
    let lock = DataDirLock::acquire(&data_dir).map_err(embedded)?;
    say(format_args!("data directory: {}", lock.folder().display()));
    say(format_args!("starting the database …"));
    let cluster =
        PostgresOptions { wal_archive: arguments.wal_archive, ..PostgresOptions::new(lock.folder().join("postgres")) };
    let postgres = Postgres::start(cluster).await.map_err(embedded)?;
    let started = tokio::select! {
        started = start(configuration, doors, &lock, &postgres, &lifecycle, &telemetry, arguments.demo) => started,
        // Told to stop before everything stood.
        () = lifecycle.stopping() => Ok(()),
    };
    let outcome = match started {
        Ok(()) => {
            lifecycle.spawn("database", watch(postgres.exited(), lifecycle.soft()));
            lifecycle.run().await.map_err(|failure| Error::unavailable(failure.to_string()))
        }
        Err(error) => {
            lifecycle.stop();
            let _ = lifecycle.run().await;
            Err(error)
        }
    };
    postgres.stop().await;
    telemetry.shutdown().await;
    outcome
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::unavailable(format!("cannot listen on {address}: choose another with --listen")).with_source(error)
    })
}

/// Listens where `services` says that each of them is.
async fn listen_for_services(services: &Services) -> Result<BTreeMap<&'static str, TcpListener>, Error> {
    let mut listeners = BTreeMap::new();
    for context in CONTEXTS {
        let field = format!("services.{context}");
        let place = match services.addresses(context) {
            Some([address]) => address.host().zip(address.port_u16()),
            _ => None,
        };
        let Some((host, port)) = place else {
            return Err(Error::invalid(
                &field,
                "one address with a port is wanted, for instance `http://127.0.0.1:7102`",
            ));
        };
        let listener = TcpListener::bind((host.trim_matches(['[', ']']), port)).await.map_err(|error| {
            Error::unavailable(format!("cannot listen on {host}:{port}: choose another by `{field}`"))
                .with_source(error)
        })?;
        listeners.insert(context, listener);
    }
    Ok(listeners)
}

async fn start(
    configuration: Everything,
    mut doors: Doors,
    lock: &DataDirLock,
    postgres: &Postgres,
    lifecycle: &Lifecycle,
    telemetry: &telemetry::Guard,
    demo: bool,
) -> Result<(), Error> {
    let url = |role: &str| postgres.url(DATABASE, role);
    let superuser: PgConnectOptions = url(postgres.superuser()).parse().map_err(StorageError::from)?;
    say(format_args!("bringing the database up to date …"));
    create_database(&superuser).await?;
    migrate::all(&superuser).await?;

    say(format_args!("starting the services …"));
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let clock: Arc<dyn Clock> = clientele_platform::clock();
    let host = Host {
        clock: clock.clone(),
        entropy: entropy.clone(),
        network: Network::new().measured(telemetry.metrics()),
        bus: bus::open(&configuration.bus).await?,
        metrics: telemetry.metrics(),
        lifecycle: lifecycle.clone(),
        request_deadline: configuration.server.request_deadline,
        max_concurrent_requests: usize::from(configuration.server.max_concurrent_requests.get()),
    };
    let keyring = keyring(&configuration.secrets, lock, &entropy)?;
    let mut identity = configuration.identity;
    let mut house = House { host, keyring, database: configuration.database, url: &url, identity: &mut identity };

    let customers = house.deps("customers")?;
    let messaging = house.deps("messaging")?;
    let orders = house.deps("orders")?;
    let campaigns = house.deps("campaigns")?;
    let analytics = house.deps("analytics")?;
    let own = house.deps("identity")?;
    let filler = demo.then(|| house.credential(demo::ACTOR)).transpose()?;
    let host = house.host;

    let password = clientele_identity::bootstrap(&own.db, entropy.as_ref(), &identity).await?;
    // At once: whoever kills the process after this line has still seen the only copy there is.
    if let Some(password) = password {
        say(format_args!(
            "administrator: {} password: {} (shown this once)",
            password.login,
            password.password.expose_secret()
        ));
    }
    let services = [
        (clientele_identity::build(identity, own.clone()).await?, own),
        (clientele_customers::build(configuration.customers, customers.clone()).await?, customers),
        (clientele_messaging::build(configuration.messaging, messaging.clone()).await?, messaging),
        (clientele_orders::build(configuration.orders, orders.clone()).await?, orders),
        (clientele_campaigns::build(configuration.campaigns, campaigns.clone()).await?, campaigns),
        (clientele_analytics::build(configuration.analytics, analytics.clone()).await?, analytics),
    ];
    let mut readiness = Vec::new();
    let options = ServerOptions {
        max_connection_age: configuration.server.max_connection_age,
        tls: tls(&configuration.server, &[b"h2"], lifecycle)?,
    };
    for (service, deps) in services {
        let door = doors.services.remove(service.name).map(|listener| (listener, options.clone()));
        readiness.push(run_service(&host, service, &deps, door).await?);
    }

    let filler = filler.map(|credential| {
        Clients::new(host.network.clone(), credential, clock.clone(), configuration.server.request_deadline)
    });
    let deps = gateway::Deps {
        network: host.network,
        bus: host.bus,
        clock: clock.clone(),
        entropy: entropy.clone(),
        metrics: host.metrics,
        stop: lifecycle.soft(),
    };
    let mut settings = configuration.gateway.clone();
    if settings.releases_dir.as_os_str().is_empty() {
        settings.releases_dir = lock.folder().join("releases");
    }
    let edge = gateway::build(settings, &configuration.server, deps)?;
    for task in edge.tasks {
        lifecycle.spawn(format!("gateway: {}", task.name), (task.work)(lifecycle.soft()));
    }
    let address = doors.web.local_addr().map_err(Error::internal)?;
    if let Some(address) = configuration.server.metrics_listen {
        let (exposition, stop) = (telemetry.exposition(), lifecycle.soft());
        lifecycle.spawn("monitoring", async move { monitor::serve(address, exposition, readiness, stop).await });
    }
    let tls = tls(&configuration.server, &[b"h2", b"http/1.1"], lifecycle)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let stop = lifecycle.soft();
    lifecycle.spawn("http server", async move {
        gateway::serve(doors.web, edge.router, &configuration.gateway, tls, stop).await
    });

    say(format_args!("listening on {scheme}://{address}"));
    if let Some(clients) = filler {
        demo::run(lock.folder(), &clients, clock.as_ref(), entropy.as_ref(), say).await?;
        say(format_args!(
            "demo: open http://{address} as the administrator: look at the customers (search `ana`, `анна`), a card with orders, \
             consents, letters and dialogs, the inbox, where visitors wait for an answer, the segments"
        ));
    }
    Ok(())
}

/// What every service of the house is given its parts from.
struct House<'a> {
    host: Host,
    keyring: Keyring,
    database: config::Database,
    url: &'a dyn Fn(&str) -> String,
    identity: &'a mut clientele_identity::Config,
}

impl House<'_> {
    /// Parts of a service: its database as its own role, and a credential that identity is told of.
    fn deps(&mut self, context: &'static str) -> Result<Deps, Error> {
        let url = (self.url)(&postgres::runtime_role(context)).into();
        let options =
            postgres::DatabaseOptions { url, pooled: false, ..clientele_platform::run::options(&self.database) };
        let pool = postgres::connect_lazy(&options, context)?;
        let db = Database::new(pool, context, self.host.clock.clone(), self.host.entropy.clone(), self.keyring.clone());
        let credential = if context == "identity" {
            Credential { service: context.to_owned(), secret: secrets::credential(self.host.entropy.as_ref()) }
        } else {
            self.credential(context)?
        };
        Ok(self.host.deps(db, credential))
    }

    /// A credential for the life of the process, of which identity is told.
    fn credential(&mut self, name: &str) -> Result<Credential, Error> {
        let secret: SecretString = secrets::credential(self.host.entropy.as_ref());
        self.identity.set_service_secret(name, secret.clone())?;
        Ok(Credential { service: name.to_owned(), secret })
    }
}

/// Health is among the routes: the gateway's readiness asks each service for it.
async fn run_service(
    host: &Host,
    service: Service,
    deps: &Deps,
    door: Option<(TcpListener, ServerOptions)>,
) -> Result<Readiness, Error> {
    let name = service.name;
    let readiness = host.watch(&service, deps).await?;
    let routes = grpc::infrastructure(host.start(service, deps)?, readiness.health())?;
    if let Some((listener, options)) = door {
        let (routes, stop) = (routes.clone(), host.lifecycle.soft());
        say(format_args!("{name} listens on {}", listener.local_addr().map_err(Error::internal)?));
        host.lifecycle
            .spawn(format!("{name}: gRPC"), async move { grpc::serve(listener, routes, &options, stop).await });
    }
    host.network.serve(name, routes);
    Ok(readiness)
}

/// The configured master key, else the one of this data directory.
fn keyring(configured: &config::Secrets, lock: &DataDirLock, entropy: &Arc<dyn Entropy>) -> Result<Keyring, Error> {
    let mut secrets = configured.clone();
    if secrets.master_key.expose_secret().is_empty() {
        secrets.master_key = secrets::master_key(lock.folder(), entropy.as_ref())?;
    }
    clientele_platform::run::keyring(&secrets, entropy.clone())
}

async fn create_database(superuser: &PgConnectOptions) -> Result<(), Error> {
    let mut conn =
        PgConnection::connect_with(&superuser.clone().database("postgres")).await.map_err(StorageError::from)?;
    let known: Option<i32> = sqlx::query_scalar("select 1 from pg_database where datname = $1")
        .bind(DATABASE)
        .fetch_optional(&mut conn)
        .await
        .map_err(StorageError::from)?;
    if known.is_none() {
        let statement = format!("create database {DATABASE}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut conn).await.map_err(StorageError::from)?;
    }
    conn.close().await.map_err(StorageError::from)?;
    Ok(())
}

/// Ends the process when its database ends by itself.
async fn watch(
    exited: impl Future<Output = clientele_embedded::Exit>,
    stop: tokio_util::sync::CancellationToken,
) -> Result<(), Error> {
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        exit = exited => Err(Error::unavailable(format!("the database ended by itself: {exit}"))),
    }
}

/// PostgreSQL refuses root and then runs as another user, who must be able to reach the folder: root's own home is closed.
pub(crate) fn default_data_dir() -> Result<PathBuf, Error> {
    if nix::unistd::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/clientele"));
    }
    let from = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    from("XDG_DATA_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".local/share")))
        .map(|folder| folder.join("clientele"))
        .ok_or_else(|| {
            Error::invalid("data_dir", "neither XDG_DATA_HOME nor HOME is set: choose a folder with --data-dir")
        })
}

pub(crate) fn embedded(error: clientele_embedded::Error) -> Error {
    Error::unavailable(error.to_string())
}

#[expect(clippy::print_stdout, reason = "a command speaks to its terminal")]
pub(crate) fn say(text: std::fmt::Arguments<'_>) {
    println!("{text}");
}
