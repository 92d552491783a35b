//! The gateway as a process of its own.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use clap::Parser;
use clientele_kernel::{Code, Error, SystemEntropy};
use clientele_platform::bus;
use clientele_platform::config::{self, Loader};
use clientele_platform::lifecycle::Lifecycle;
use clientele_platform::run::{Arguments, exit_code, network, tls};
use clientele_platform::telemetry::{self, Exposition};
use http::StatusCode;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::config::{DEFAULT, Settings};
use crate::service::{Deps, build};

/// Runs until told to stop.
pub async fn run() -> ExitCode {
    exit_code("gateway", run_until_stopped().await)
}

async fn run_until_stopped() -> Result<(), Error> {
    clientele_platform::install_crypto();
    let arguments = Arguments::parse();
    let configuration = Loader::new()
        .defaults(config::DEFAULT)
        .defaults(DEFAULT)
        .file(arguments.config.as_deref())
        .environment(std::env::vars())
        .read()
        .map_err(|error| wrong_configuration(&error))?;
    let settings = Settings::from(&configuration).map_err(|error| wrong_configuration(&error))?;
    let telemetry = telemetry::init(&settings.common.telemetry, "gateway").map_err(Error::internal)?;
    configuration.warn();
    let lifecycle = Lifecycle::new(settings.common.server.shutdown_grace);
    lifecycle.stop_on_signals().map_err(Error::internal)?;
    let outcome = start(settings, &lifecycle, &telemetry).await;
    if outcome.is_err() {
        lifecycle.stop();
    }
    let ended = lifecycle.run().await.map_err(Error::internal);
    telemetry.shutdown().await;
    outcome.and(ended)
}

async fn start(settings: Settings, lifecycle: &Lifecycle, telemetry: &telemetry::Guard) -> Result<(), Error> {
    let Settings { common, gateway } = settings;
    let deps = Deps {
        network: network(&common.services)?,
        bus: bus::open(&common.bus).await?,
        clock: clientele_platform::clock(),
        entropy: Arc::new(SystemEntropy),
        metrics: telemetry.metrics(),
        stop: lifecycle.soft(),
    };
    let service = build(gateway.clone(), &common.server, deps)?;
    for task in service.tasks {
        lifecycle.spawn(task.name, (task.work)(lifecycle.soft()));
    }
    let listener = listen(common.server.listen).await?;
    tracing::info!(address = %listener.local_addr().map_err(Error::internal)?, "serving");
    let tls = tls(&common.server, &[b"h2", b"http/1.1"], lifecycle)?;
    let stop = lifecycle.soft();
    let router = service.router.clone();
    lifecycle.spawn("http server", async move { crate::serve(listener, service.router, &gateway, tls, stop).await });
    if let Some(address) = common.server.metrics_listen {
        let (listener, exposition) = (listen(address).await?, telemetry.exposition());
        lifecycle.spawn("monitoring", monitor(listener, router, exposition, lifecycle.soft()));
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Error::unavailable(format!("cannot listen on {address}: {error}")).with_source(error))
}

/// `/metrics`, and the probes, which `router` answers too, on an address of their own, which is not for the public.
async fn monitor(
    listener: TcpListener,
    router: Router,
    exposition: Exposition,
    stop: CancellationToken,
) -> Result<(), Error> {
    let metrics = move || async move {
        exposition.render().map_err(|error| {
            tracing::error!(%error, "metrics cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR
        })
    };
    let probes = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(crate::health::live))
        // A router cannot be a route of another one.
        .route("/readyz", get(move |request: Request| router.oneshot(request)));
    axum::serve(listener, probes).with_graceful_shutdown(stop.cancelled_owned()).await.map_err(Error::internal)
}

fn wrong_configuration(error: &config::Error) -> Error {
    Error::new(Code::InvalidArgument, "CONFIGURATION", error.to_string())
}
