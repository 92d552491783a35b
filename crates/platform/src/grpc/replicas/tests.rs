use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};

use super::*;
use crate::grpc::{ServerOptions, serve};
use crate::tls::tests::Authority;
use crate::tls::{Acceptor, install_crypto};

/// A replica that answers with its own name.
struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), Error>>,
    /// The clients' ends of the connections that brought calls.
    ports: Arc<Mutex<BTreeSet<u16>>>,
}

impl Server {
    async fn start(name: &'static str, at: Option<SocketAddr>, tls: Option<Acceptor>) -> Self {
        Self::aging(name, Duration::from_mins(5), at, tls).await
    }

    /// One whose connections live only so long.
    async fn aging(name: &'static str, age: Duration, at: Option<SocketAddr>, tls: Option<Acceptor>) -> Self {
        let listener = TcpListener::bind(at.unwrap_or_else(|| ([127, 0, 0, 1], 0).into())).await.unwrap();
        let address = listener.local_addr().unwrap();
        let ports = Arc::new(Mutex::new(BTreeSet::new()));
        let seen = ports.clone();
        let answer = move |request: axum::extract::Request| async move {
            let extensions = request.extensions();
            let over = extensions.get::<TlsConnectInfo<TcpConnectInfo>>().map(TlsConnectInfo::get_ref);
            let peer = over.or(extensions.get()).and_then(TcpConnectInfo::remote_addr).unwrap();
            seen.lock().unwrap().insert(peer.port());
            let long = request.uri().path().ends_with("Slow");
            tokio::time::sleep(if long { PATIENCE + Duration::from_millis(500) } else { Duration::from_millis(3) })
                .await;
            name
        };
        let routes = Routes::from(Router::new().fallback(answer));
        let stop = CancellationToken::new();
        let options = ServerOptions { max_connection_age: age, tls };
        let asked = stop.clone();
        let ended = tokio::spawn(async move { serve(listener, routes, &options, asked).await });
        Self { address, stop, ended, ports }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
    }
}

/// Names that the test decides on.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<Vec<SocketAddr>>>);

impl Book {
    fn write(&self, servers: &[&Server]) {
        *self.0.lock().unwrap() = servers.iter().map(|server| server.address).collect();
    }

    fn names(&self) -> Names {
        let book = self.0.clone();
        let find = move |_, _| std::future::ready(Ok(book.lock().unwrap().clone())).boxed();
        Names { find: Box::new(find), every: Duration::from_millis(100) }
    }

    fn replicas(&self, address: &'static str, trust: Option<&Trust>) -> Replicas {
        Replicas::named(self.names(), "shop", &[Uri::from_static(address)], trust).unwrap()
    }
}

async fn ask(replicas: &Replicas) -> Result<String, tonic::Code> {
    call(replicas, "/shop/Who").await
}

async fn call(replicas: &Replicas, path: &str) -> Result<String, tonic::Code> {
    let answer = replicas.call(Request::post(path).body(Body::empty()).unwrap()).await;
    if let Some(status) = tonic::Status::from_header_map(answer.headers()) {
        return Err(status.code());
    }
    let body = axum::body::to_bytes(axum::body::Body::new(answer.into_body()), 100).await.unwrap();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..200 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it did not happen in five seconds");
}

#[tokio::test]
async fn calls_are_spread_over_all_addresses_of_a_name() {
    let (first, second) = (Server::start("first", None, None).await, Server::start("second", None, None).await);
    let book = Book::default();
    book.write(&[&first, &second]);
    let replicas = book.replicas("http://shop:7100", None);
    eventually(async || (ask(&replicas).await.ok()? == "second").then_some(())).await;
    eventually(async || (ask(&replicas).await.ok()? == "first").then_some(())).await;

    let mut counts = BTreeMap::new();
    for _ in 0..40 {
        *counts.entry(ask(&replicas).await.unwrap()).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 2, "{counts:?}");
    assert!(counts.values().all(|count| *count >= 15), "{counts:?}");
}

#[tokio::test]
async fn calls_are_spread_over_several_names_and_one_that_nobody_answers_harms_nothing() {
    let (first, second) = (Server::start("first", None, None).await, Server::start("second", None, None).await);
    let gone = Server::start("gone", None, None).await;
    let addresses = [&gone, &first, &second].map(|server| format!("http://{}", server.address).parse().unwrap());
    gone.stop().await;
    let replicas = Replicas::new("shop", &addresses, None).unwrap();
    for name in ["first", "second", "first"] {
        eventually(async || (ask(&replicas).await.unwrap() == name).then_some(())).await;
    }
    first.stop().await;
    for _ in 0..50 {
        assert_eq!(ask(&replicas).await.unwrap(), "second");
    }
}

#[tokio::test]
async fn replicas_come_and_go_and_no_call_fails() {
    let old = Server::start("old", None, None).await;
    let book = Book::default();
    book.write(&[&old]);
    let replicas = book.replicas("http://shop:7100", None);
    assert_eq!(ask(&replicas).await.unwrap(), "old");

    let done = CancellationToken::new();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (replicas, done) = (replicas.clone(), done.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while !done.is_cancelled() {
                    ask(&replicas).await.unwrap();
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let new = Server::start("new", None, None).await;
    book.write(&[&old, &new]);
    eventually(async || (ask(&replicas).await.ok()? == "new").then_some(())).await;
    // Its name goes first, as with a cluster that takes a replica out before it stops it; and then without a word.
    old.stop().await;
    book.write(&[&new]);
    for _ in 0..50 {
        assert_eq!(ask(&replicas).await.unwrap(), "new");
    }
    done.cancel();
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn connections_age_out_under_load_and_no_call_fails() {
    install_crypto();
    let authority = Authority::new();
    let trust = Trust::read(Some(&authority.file())).unwrap();
    for (address, trust) in [("http://shop:7100", None), ("https://shop:7100", Some(&trust))] {
        let acceptor = trust.map(|_| Acceptor::read(authority.certify("shop"), &[b"h2"]).unwrap());
        let age = Duration::from_millis(40);
        let (first, second) = (
            Server::aging("first", age, None, acceptor.clone()).await,
            Server::aging("second", age, None, acceptor).await,
        );
        let book = Book::default();
        book.write(&[&first, &second]);
        let replicas = book.replicas(address, trust);
        let enough = || [&first, &second].iter().all(|server| server.ports.lock().unwrap().len() >= 15);
        let callers = (0..8).map(|_| async {
            while !enough() {
                ask(&replicas).await.unwrap();
            }
        });
        tokio::time::timeout(Duration::from_mins(1), futures::future::join_all(callers)).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_has_aged_and_ends_a_long_call_keeps_nobody_waiting() {
    let server = Server::aging("only", Duration::from_millis(100), None, None).await;
    let book = Book::default();
    book.write(&[&server]);
    let replicas = book.replicas("http://shop:7100", None);
    let long = call(&replicas, "/shop/Slow");
    tokio::pin!(long);
    let mut calls = 0;
    loop {
        tokio::select! {
            answer = &mut long => break assert_eq!(answer.unwrap(), "only"),
            answer = ask(&replicas) => assert_eq!(answer.unwrap(), "only"),
        }
        calls += 1;
    }
    let connections = server.ports.lock().unwrap().len();
    assert!(calls > 20 && connections > 2, "{calls} calls over {connections} connections");
}

#[tokio::test]
async fn with_nobody_there_a_call_fails_at_once_and_the_next_finds_who_came() {
    let server = Server::start("gone", None, None).await;
    let book = Book::default();
    book.write(&[&server]);
    let address = server.address;
    server.stop().await;
    let replicas = book.replicas("http://shop:7100", None);
    let began = std::time::Instant::now();
    assert_eq!(ask(&replicas).await.unwrap_err(), tonic::Code::Unavailable);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());

    let _back = Server::start("back", Some(address), None).await;
    assert_eq!(ask(&replicas).await.unwrap(), "back");
}

#[tokio::test]
async fn a_name_nobody_has_is_unavailable() {
    let replicas = Book::default().replicas("http://shop:7100", None);
    assert_eq!(ask(&replicas).await.unwrap_err(), tonic::Code::Unavailable);
}

#[tokio::test]
async fn a_call_takes_no_longer_than_its_caller_grants() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Takes connections, and never says a word.
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let replicas = Replicas::new("shop", &[format!("http://{address}").parse().unwrap()], None).unwrap();
    let request = Request::post("/shop/Who").header("grpc-timeout", "200m").body(Body::empty()).unwrap();
    let answer = replicas.call(request).await;
    let status = tonic::Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    silent.abort();
}

/// An address where connections are taken, and what is done with them.
async fn odd<F: Future<Output = ()> + Send>(
    does: impl Fn(TcpStream) -> F + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            does(stream).await;
        }
    });
    (address, taken)
}

#[tokio::test]
async fn who_takes_connections_and_says_nothing_gets_no_call() {
    let held = Arc::new(Mutex::new(Vec::new()));
    let (silent, taken) = odd(move |stream| {
        held.lock().unwrap().push(stream);
        std::future::ready(())
    })
    .await;
    let good = Server::start("good", None, None).await;
    let book = Book::default();
    *book.0.lock().unwrap() = vec![silent, good.address];
    let replicas = book.replicas("http://shop:7100", None);
    eventually(async || (taken.load(Ordering::Relaxed) > 0).then_some(())).await;
    let began = std::time::Instant::now();
    for _ in 0..50 {
        assert_eq!(ask(&replicas).await.unwrap(), "good");
    }
    // A call that waited for the silent one would be given up only with its connection.
    assert!(began.elapsed() < SILENCE, "{:?}", began.elapsed());
    assert!(replicas.shared.live.borrow().replicas.iter().all(|replica| replica.address == good.address));
}

#[tokio::test]
async fn who_hangs_up_again_and_again_is_tried_less_and_less() {
    // Begins HTTP/2 as it should, and goes.
    let (odd, taken) = odd(|mut stream| async move {
        use tokio::io::AsyncWriteExt as _;
        let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    })
    .await;
    let good = Server::start("good", None, None).await;
    let book = Book::default();
    *book.0.lock().unwrap() = vec![odd, good.address];
    let replicas = book.replicas("http://shop:7100", None);
    let began = std::time::Instant::now();
    eventually(async || (taken.load(Ordering::Relaxed) >= 6).then_some(())).await;
    // The shortest pauses there can be between six attempts: 50, 50, 100, 200 and 400 milliseconds.
    assert!(began.elapsed() > Duration::from_millis(700), "{:?}", began.elapsed());
    assert_eq!(ask(&replicas).await.unwrap(), "good");
}

#[tokio::test]
async fn only_a_server_whose_authority_is_trusted_is_spoken_to() {
    install_crypto();
    let (ours, strange) = (Authority::new(), Authority::new());
    let acceptor = Acceptor::read(ours.certify("shop"), &[b"h2"]).unwrap();
    let server = Server::start("private", None, Some(acceptor)).await;
    let book = Book::default();
    book.write(&[&server]);
    let trust = Trust::read(Some(&ours.file())).unwrap();
    assert_eq!(ask(&book.replicas("https://shop:7100", Some(&trust))).await.unwrap(), "private");
    // Another name than the certificate has, another authority, and no TLS at all.
    let refused = ask(&book.replicas("https://stranger:7100", Some(&trust))).await;
    assert_eq!(refused.unwrap_err(), tonic::Code::Unavailable);
    let other = Trust::read(Some(&strange.file())).unwrap();
    assert_eq!(ask(&book.replicas("https://shop:7100", Some(&other))).await.unwrap_err(), tonic::Code::Unavailable);
    assert_eq!(ask(&book.replicas("http://shop:7100", None)).await.unwrap_err(), tonic::Code::Unavailable);
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    for (address, why) in
        [("shop:7100", "scheme and host"), ("ftp://shop", "http or https"), ("https://shop", "authority")]
    {
        let error = Replicas::new("shop", &[address.parse().unwrap()], None).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(address), "{error}");
    }
}
