//! The replicas of a service as one: calls are spread over all the addresses its names have now.
//!
//! One task looks the names up; each address has a task that keeps a connection to it. A call goes to the next replica in
//! turn, or to the one after it where that has fewer calls under way. What a connection did not take any more, because it
//! has aged or broke, goes to another replica: it was not sent, so nothing is done twice. A replica is one as soon as it has
//! begun to speak HTTP/2: who only takes connections gets no calls.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use clientele_contracts::streams::takes_stream;
use clientele_kernel::Error;
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;

use self::greeting::Greeted;
use crate::backoff::Backoff;
use crate::tls::{self, Trust};

/// How often the names are looked up while all is well. Cluster DNS forgets a replica that is not ready within this time.
const LOOK_UP: Duration = Duration::from_secs(5);
/// How long connecting may take, and how long a call waits for the first replica.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two attempts, however much is wanted.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// While nobody wants anything.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A connection that has lasted so long, or answered a call, was a good one: the next is made at once when it ends.
const STEADY: Duration = Duration::from_secs(2);
/// How often a replica is asked whether it still listens, and how long it may take to say so. A process that hangs keeps
/// its port open and takes requests as before: only this tells it from a slow one, and whoever waits for it learns so in
/// seconds, not when their deadline ends.
const LISTENING: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(5);
/// How many replicas a call is offered before it is given up.
const OFFERS: usize = 4;

/// Leads to all replicas of a service.
#[derive(Clone)]
pub(super) struct Replicas {
    shared: Arc<Shared>,
    /// Ends the task that looks up, and with it all others.
    _keeping: Arc<DropGuard>,
}

struct Shared {
    service: String,
    hosts: Vec<Arc<Host>>,
    names: Names,
    live: watch::Sender<Live>,
    /// Rises with each call that found no replica: what waits to try again does so now.
    wanted: watch::Sender<u64>,
    turn: AtomicUsize,
}

/// One of the names.
struct Host {
    scheme: Scheme,
    authority: Authority,
    name: String,
    port: u16,
    trust: Option<Trust>,
}

/// Finds the addresses of a name.
type Find = dyn Fn(String, u16) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> + Send + Sync;

/// How the addresses of a name are found, and how often they are looked for.
struct Names {
    find: Box<Find>,
    every: Duration,
}

impl Names {
    /// As the system has them.
    fn system() -> Self {
        let find =
            |host: String, port| async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }.boxed();
        Self { find: Box::new(find), every: LOOK_UP }
    }
}

/// What is known of the replicas.
#[derive(Default)]
struct Live {
    replicas: Vec<Replica>,
    /// How many addresses are being kept.
    addresses: usize,
    /// How many attempts have failed so far.
    failed: usize,
}

#[derive(Clone)]
struct Replica {
    host: Arc<Host>,
    address: SocketAddr,
    sender: SendRequest<Body>,
    /// Each call under way holds a clone: their number is the load.
    load: Arc<Load>,
    /// The connection takes no more calls, though it may last until those under way have ended.
    aged: CancellationToken,
}

/// What a connection carries.
#[derive(Default)]
struct Load {
    /// It has brought an answer.
    answered: AtomicBool,
}

impl Replicas {
    /// The replicas behind these addresses, `http://host:port` or `https://host:port`. Begins to connect at once.
    pub(super) fn new(service: &str, addresses: &[Uri], trust: Option<&Trust>) -> Result<Self, Error> {
        Self::named(Names::system(), service, addresses, trust)
    }

    fn named(names: Names, service: &str, addresses: &[Uri], trust: Option<&Trust>) -> Result<Self, Error> {
        let hosts = addresses.iter().map(|address| Host::new(service, address, trust).map(Arc::new));
        let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            service: service.to_owned(),
            hosts,
            names,
            live: watch::Sender::default(),
            wanted: watch::Sender::default(),
            turn: AtomicUsize::default(),
        });
        tokio::spawn(look_up(Arc::downgrade(&shared), stop.clone()));
        Ok(Self { shared, _keeping: Arc::new(stop.drop_guard()) })
    }

    /// Sends a call to one of them. What cannot be sent is answered as unavailable.
    pub(super) async fn call(&self, request: Request<Body>) -> Response<Body> {
        match super::guard::granted(request.headers()) {
            None => self.offer(request).await,
            Some(granted) => tokio::time::timeout(granted, self.offer(request)).await.unwrap_or_else(|_late| {
                tonic::Status::deadline_exceeded("the service did not answer in time").into_http()
            }),
        }
    }

    async fn offer(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let mut message = match Message::of(&head, body).await {
            Ok(message) => message,
            Err(unreadable) => return unreadable.into_http(),
        };
        for _ in 0..OFFERS {
            let Some(mut replica) = self.shared.next().await else { break };
            let Some(body) = message.body() else { break };
            let load = replica.load.clone();
            let request = replica.host.addressed(Request::from_parts(head.clone(), body));
            match replica.sender.try_send_request(request).await {
                Ok(answer) => {
                    load.answered.store(true, Ordering::Relaxed);
                    return answer.map(Body::new);
                }
                Err(mut error) => {
                    let unsent = error.take_message().map(Request::into_body);
                    let error = error.into_error();
                    if unsent.is_none() && !was_not_processed(&error) {
                        let cause = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::debug!(service = self.shared.service, address = %replica.address, %error, cause, "a connection broke");
                        break;
                    }
                    self.shared.lose(&replica);
                    message.came_back(unsent);
                }
            }
        }
        tonic::Status::unavailable(format!("the service {} cannot be reached", self.shared.service)).into_http()
    }
}

/// What a call sends, as often as it takes until a replica has it.
enum Message {
    /// All of it: the one message of most methods.
    Whole(Bytes),
    /// A stream, as long as nothing of it was taken.
    Stream(Option<Body>),
}

impl Message {
    async fn of(head: &Parts, body: Body) -> Result<Self, tonic::Status> {
        if takes_stream(head.uri.path()) {
            Ok(Self::Stream(Some(body)))
        } else {
            Ok(Self::Whole(body.collect().await?.to_bytes()))
        }
    }

    /// A body to be sent; none where a stream was begun and cannot be sent again.
    fn body(&mut self) -> Option<Body> {
        match self {
            Self::Whole(bytes) => Some(Body::new(Full::new(bytes.clone()))),
            Self::Stream(body) => body.take(),
        }
    }

    fn came_back(&mut self, unsent: Option<Body>) {
        if let Self::Stream(body) = self {
            *body = unsent;
        }
    }
}

/// Whether the replica says that it has not looked at the call: the connection was ending when it came.
fn was_not_processed(error: &hyper::Error) -> bool {
    let reason = std::error::Error::source(error).and_then(|source| source.downcast_ref::<h2::Error>());
    reason.is_some_and(|error| {
        let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
        let ending = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        error.is_remote() && (ending || refused)
    })
}

impl Host {
    fn new(service: &str, address: &Uri, trust: Option<&Trust>) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Error::invalid(
                format!("services.{service}"),
                format!("`{address}` is no address such as http://host:7101: {why}"),
            )
        };
        let (Some(scheme), Some(authority)) = (address.scheme().cloned(), address.authority().cloned()) else {
            return Err(wrong("scheme and host are wanted"));
        };
        let encrypted = scheme == Scheme::HTTPS;
        if !encrypted && scheme != Scheme::HTTP {
            return Err(wrong("the scheme is http or https"));
        }
        let trust =
            if encrypted { Some(trust.ok_or_else(|| wrong("no certificate authority is known"))?) } else { None };
        Ok(Self {
            name: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 }),
            scheme,
            authority,
            trust: trust.cloned(),
        })
    }

    fn addressed(&self, mut request: Request<Body>) -> Request<Body> {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        request
    }

    async fn connect(self: Arc<Self>, address: SocketAddr) -> Result<(Replica, CancellationToken), String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        match &self.trust {
            None => converse(self, address, stream).await,
            Some(trust) => {
                let stream = tls::connect(trust, &self.name, stream).await?;
                converse(self, address, stream).await
            }
        }
    }
}

impl Shared {
    /// The replica to send to; waits for the first one as long as one may still come.
    async fn next(&self) -> Option<Replica> {
        if let Some(replica) = self.choose(&self.live.borrow().replicas) {
            return Some(replica);
        }
        let mut live = self.live.subscribe();
        let before = live.borrow_and_update().failed;
        self.wanted.send_modify(|wanted| *wanted = wanted.wrapping_add(1));
        let decided = live
            .wait_for(|live| !live.replicas.is_empty() || live.failed.wrapping_sub(before) >= live.addresses.max(1));
        match tokio::time::timeout(PATIENCE, decided).await {
            Ok(Ok(live)) => self.choose(&live.replicas),
            _ => None,
        }
    }

    fn choose(&self, replicas: &[Replica]) -> Option<Replica> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let nth = |n: usize| replicas.get(n.checked_rem(replicas.len())?);
        let (first, second) = (nth(turn)?, nth(turn.wrapping_add(1))?);
        let quieter = Arc::strong_count(&second.load) < Arc::strong_count(&first.load);
        Some(if quieter { second } else { first }.clone())
    }

    fn lose(&self, lost: &Replica) {
        lost.aged.cancel();
        self.live.send_if_modified(|live| {
            let before = live.replicas.len();
            live.replicas.retain(|replica| !Arc::ptr_eq(&replica.load, &lost.load));
            live.replicas.len() < before
        });
    }

    fn failed(&self, times: usize) {
        self.live.send_modify(|live| live.failed = live.failed.wrapping_add(times));
    }
}

/// Begins HTTP/2 on a connection and waits until the replica has, too. The token is cancelled when it has ended.
async fn converse<T>(host: Arc<Host>, address: SocketAddr, stream: T) -> Result<(Replica, CancellationToken), String>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, greeted) = Greeted::new(stream);
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(LISTENING)
        .keep_alive_timeout(SILENCE)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let ended = CancellationToken::new();
    let end = ended.clone().drop_guard();
    let conversation = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%address, %error, "a connection ended");
        }
        drop(end);
    }));
    greeted.await.map_err(|_| "it does not speak HTTP/2")?;
    conversation.detach();
    Ok((Replica { host, address, sender, load: Arc::default(), aged: CancellationToken::new() }, ended))
}

/// Keeps the list of addresses as the names have them.
async fn look_up(shared: Weak<Shared>, stop: CancellationToken) {
    let Some(mut wanted) = shared.upgrade().map(|shared| shared.wanted.subscribe()) else { return };
    let mut kept: HashMap<(usize, SocketAddr), DropGuard> = HashMap::new();
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let found = strong.hosts.iter().map(|host| {
            tokio::time::timeout(PATIENCE, (strong.names.find)(host.name.clone(), host.port))
                .map(|found| found.ok().and_then(Result::ok))
        });
        for (number, found) in join_all(found).await.into_iter().enumerate() {
            let host = &strong.hosts[number];
            let Some(addresses) = found else {
                // The addresses of before serve as long as they answer.
                tracing::debug!(
                    service = strong.service,
                    host = host.name,
                    "the name cannot be looked up; trying again"
                );
                continue;
            };
            kept.retain(|(of, address), _| *of != number || addresses.contains(address));
            for address in addresses {
                kept.entry((number, address)).or_insert_with(|| {
                    let gone = stop.child_token();
                    tokio::spawn(keep(shared.clone(), host.clone(), address, gone.clone()));
                    gone.drop_guard()
                });
            }
        }
        if kept.is_empty() {
            strong.failed(1);
        }
        strong.live.send_if_modified(|live| std::mem::replace(&mut live.addresses, kept.len()) != kept.len());
        let every = strong.names.every;
        drop(strong);
        tokio::select! {
            () = stop.cancelled() => return,
            () = pause(every, &mut wanted) => {}
        }
    }
}

/// Keeps a connection to one address until it is gone from the name.
async fn keep(shared: Weak<Shared>, host: Arc<Host>, address: SocketAddr, gone: CancellationToken) {
    let Some(mut wanted) = shared.upgrade().map(|shared| shared.wanted.subscribe()) else { return };
    let mut backoff = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let connecting = tokio::time::timeout(PATIENCE, host.clone().connect(address));
        let connected = or_gone(&gone, Box::pin(connecting)).await;
        let Some(connected) = connected else { return };
        match connected.unwrap_or_else(|_late| Err("no answer in time".to_owned())) {
            Ok((replica, ended)) => {
                let since = Instant::now();
                strong.live.send_modify(|live| live.replicas.push(replica.clone()));
                drop(strong);
                let over = async {
                    tokio::select! {
                        () = ended.cancelled() => {}
                        () = replica.aged.cancelled() => {}
                    }
                };
                let removed = or_gone(&gone, over).await.is_none();
                if let Some(strong) = shared.upgrade() {
                    strong.lose(&replica);
                }
                // Calls under way on it end in peace: the connection lasts until its last sender is dropped.
                if removed {
                    return;
                }
                if replica.load.answered.load(Ordering::Relaxed) || since.elapsed() >= STEADY {
                    backoff.reset();
                    continue;
                }
            }
            Err(error) => {
                tracing::debug!(service = strong.service, %address, error, "a replica cannot be reached; trying again");
                strong.failed(1);
                drop(strong);
            }
        }
        if or_gone(&gone, pause(backoff.grow(), &mut wanted)).await.is_none() {
            return;
        }
    }
}

async fn or_gone<T>(gone: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    gone.run_until_cancelled(work).await
}

/// Waits, but hardly at all when a call wants a replica.
async fn pause(most: Duration, wanted: &mut watch::Receiver<u64>) {
    tokio::time::sleep(SHORTEST_PAUSE).await;
    // An error means that nobody wants anything any more: the caller finds out by itself.
    let _ = tokio::time::timeout(most.saturating_sub(SHORTEST_PAUSE), wanted.changed()).await;
}

impl std::fmt::Debug for Replicas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replicas").field("service", &self.shared.service).finish_non_exhaustive()
    }
}

mod greeting;
#[cfg(test)]
mod tests;
