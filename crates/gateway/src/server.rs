//! Serves the router on a socket: HTTP/1.1 and HTTP/2, with bounds on connections, heads and patience.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clientele_kernel::{Entropy, Error, SystemEntropy};
use clientele_platform::tls::Acceptor;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::address::Peer;
use crate::config::Config;
use crate::transfer::Transfers;

/// How many requests one HTTP/2 connection may have running.
const MOST_STREAMS: u32 = 128;
/// After an error of the socket (most often: no more file handles) the next attempt waits so long.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves, over TLS where there is an acceptor, until `stop` is cancelled; then lets running requests end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: &Config,
    tls: Option<Acceptor>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let capacity = Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS)));
    let connections = TaskTracker::new();
    let builder = builder(config);
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = capacity.clone().acquire_owned() => permit.map_err(Error::internal)?,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (router, builder, tls, stop) = (router.clone(), builder.clone(), tls.clone(), stop.clone());
        let (patience, age) = (config.header_timeout, spread(config.max_connection_age));
        connections.spawn(async move {
            // Answers are small: waiting to fill a packet would only delay them.
            let ready = match (stream.set_nodelay(true), &tls) {
                (Ok(()), None) => Ok(Either::Left(stream)),
                (Ok(()), Some(acceptor)) => acceptor.accept(stream, peer.ip()).await.map(Either::Right),
                (Err(error), _) => Err(error),
            };
            match ready {
                Ok(stream) => {
                    let peer = Peer { address: peer, secure: tls.is_some() };
                    converse(stream, peer, router, &builder, patience, age, &stop).await;
                }
                Err(error) => tracing::debug!(%error, "a connection has gone before it was served"),
            }
            drop(permit);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

fn builder(config: &Config) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_buf_size(config.max_header_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(config.max_header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(MOST_STREAMS)
        .keep_alive_interval(Some(config.header_timeout))
        .keep_alive_timeout(config.header_timeout);
    builder
}

/// Tells the router who is at the other end of a request's connection.
pub fn set_peer<B>(request: &mut http::Request<B>, address: SocketAddr, secure: bool) {
    request.extensions_mut().insert(Peer { address, secure });
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: Router,
    builder: &Builder<TokioExecutor>,
    patience: Duration,
    age: Duration,
    stop: &CancellationToken,
) {
    let asked = CancellationToken::new();
    let first = asked.clone();
    let transfers = Transfers::default();
    let carried = transfers.clone();
    let service = TowerToHyperService::new(router.map_request(move |request: http::Request<hyper::body::Incoming>| {
        first.cancel();
        let mut request = request.map(axum::body::Body::new);
        set_peer(&mut request, peer.address, peer.secure);
        request.extensions_mut().insert(carried.clone());
        request
    }));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = silence(&asked, patience) => {
            tracing::debug!("a connection brought no request and was closed");
            return;
        }
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        // Hyper's own patience ends idle connections, but not one over HTTP/2 whose client answers pings for ever.
        () = tokio::time::sleep(age) => {
            connection.as_mut().graceful_shutdown();
            loop {
                match tokio::time::timeout(age, connection.as_mut()).await {
                    Ok(ended) => break ended,
                    // Uploads and downloads have a deadline of their own.
                    Err(_) if transfers.are_running() => {}
                    Err(_) => {
                        tracing::debug!("a connection did not end in time and was cut off");
                        return;
                    }
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended early");
    }
}

/// Up to a tenth less than the age: connections opened together are not to be closed and opened again together.
fn spread(age: Duration) -> Duration {
    let mut random = [0];
    SystemEntropy.fill(&mut random);
    age.saturating_sub(age / 2550 * u32::from(random[0]))
}

/// Ends when no request has come in time. Hyper's own patience begins once it knows the version of HTTP, for which it
/// waits without end.
async fn silence(asked: &CancellationToken, patience: Duration) {
    if tokio::time::timeout(patience, asked.cancelled()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}
