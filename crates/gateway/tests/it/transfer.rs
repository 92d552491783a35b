//! Files on their way in and out.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use clientele_contracts::customers::v1 as customers;
use clientele_contracts::google::api::HttpBody;
use clientele_kernel::Error;
use clientele_platform::grpc::status;
use clientele_testkit::eventually;
use futures::{StreamExt, stream};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tonic::Status;

use crate::services::{giving_method, method, taking_method};
use crate::world::{World, request};

const UPLOAD: &str = "/clientele.customers.v1.Imports/UploadImportFile";
const DOWNLOAD: &str = "/clientele.customers.v1.Imports/DownloadRefusedRows";
const IMPORT: &str = "01900000-0000-7000-8000-0000000000e1";

/// What came of an upload, as its service saw it.
#[derive(Default)]
struct Seen {
    id: String,
    media_type: String,
    parts: Vec<usize>,
    bytes: Vec<u8>,
    ended: Option<Result<(), Status>>,
}

/// A service that takes a part for each permit.
fn uploads(world: &World, seen: &Arc<Mutex<Seen>>, permits: &Arc<Semaphore>) {
    let (seen, permits) = (seen.clone(), permits.clone());
    let answer = move |request: tonic::Request<tonic::Streaming<customers::UploadImportFileRequest>>| {
        let (seen, permits) = (seen.clone(), permits.clone());
        async move {
            let mut parts = request.into_inner();
            let ended = loop {
                permits.acquire().await.unwrap().forget();
                match parts.message().await {
                    Ok(Some(part)) => {
                        let content = part.content.unwrap_or_default();
                        let mut seen = seen.lock().unwrap();
                        seen.id.push_str(&part.id);
                        seen.media_type.push_str(&content.content_type);
                        seen.parts.push(content.data.len());
                        seen.bytes.extend(content.data);
                    }
                    Ok(None) => break Ok(()),
                    Err(status) => break Err(status),
                }
            };
            let mut seen = seen.lock().unwrap();
            seen.ended = Some(ended.clone());
            ended.map(|()| customers::Import {
                id: seen.id.clone(),
                size_bytes: i64::try_from(seen.bytes.len()).unwrap(),
                ..customers::Import::default()
            })
        }
    };
    world.serve("customers", taking_method(Router::new(), UPLOAD, answer));
}

fn put(body: impl Into<Body>) -> http::Request<Body> {
    let request = request("PUT", &format!("/v1/imports/{IMPORT}/file")).header("authorization", "Bearer clk_all");
    request.header("content-type", "text/csv; charset=utf-8").body(body.into()).unwrap()
}

#[tokio::test]
async fn a_file_reaches_its_service_whole_and_in_parts_and_may_be_larger_than_any_json() {
    let world = World::with(|settings| settings.gateway.max_body_bytes = 1000);
    world.allow("clk_all", &["*"]);
    let (seen, permits) = (Arc::<Mutex<Seen>>::default(), Arc::new(Semaphore::new(1000)));
    uploads(&world, &seen, &permits);
    let file: Vec<u8> = (0..700_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let answer = world.send(put(file.clone())).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!((answer.json()["id"].as_str(), answer.json()["sizeBytes"].as_str()), (Some(IMPORT), Some("700000")));
    let seen = seen.lock().unwrap();
    assert!(seen.bytes == file, "the bytes are those that were sent");
    assert_eq!((seen.id.as_str(), seen.media_type.as_str()), (IMPORT, "text/csv; charset=utf-8"));
    assert!(seen.parts.iter().all(|part| *part <= 256 * 1024), "{:?}", seen.parts);
}

#[tokio::test]
async fn an_empty_file_is_an_upload_too() {
    let world = World::new();
    world.allow("clk_all", &["*"]);
    let (seen, permits) = (Arc::<Mutex<Seen>>::default(), Arc::new(Semaphore::new(1000)));
    uploads(&world, &seen, &permits);
    assert_eq!(world.send(put(Body::empty())).await.status, StatusCode::OK);
    let seen = seen.lock().unwrap();
    assert_eq!((seen.id.as_str(), seen.parts.as_slice()), (IMPORT, &[0][..]));
}

#[tokio::test]
async fn a_slow_service_holds_the_sender_back() {
    let world = World::new();
    world.allow("clk_all", &["*"]);
    let (seen, permits) = (Arc::<Mutex<Seen>>::default(), Arc::new(Semaphore::new(1)));
    uploads(&world, &seen, &permits);
    let taken = Arc::new(Mutex::new(0));
    let counting = taken.clone();
    let frames = stream::iter(0..200).map(move |_| {
        *counting.lock().unwrap() += 1;
        Ok::<_, std::io::Error>(Bytes::from(vec![7; 100_000]))
    });
    let router = world.router.clone();
    let running = tokio::spawn(async move {
        use tower::ServiceExt;
        router.oneshot(put(Body::from_stream(frames))).await.unwrap().status()
    });
    eventually("the service has its first part", || async { (seen.lock().unwrap().parts.len() == 1).then_some(()) })
        .await;
    // A hundred turns of everything that could go on show that nothing does.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(*taken.lock().unwrap() < 20, "{} of 200 are on their way", taken.lock().unwrap());
    permits.add_permits(1000);
    assert_eq!(running.await.unwrap(), StatusCode::OK);
    assert_eq!(seen.lock().unwrap().bytes.len(), 20_000_000);
}

#[tokio::test]
async fn an_upload_that_breaks_off_or_is_too_large_or_stalls_is_never_taken_for_whole() {
    let world = World::with(|settings| {
        settings.gateway.max_upload_bytes = 500_000;
        settings.gateway.upload_patience = Duration::from_millis(100);
    });
    world.allow("clk_all", &["*"]);
    let piece = || Ok::<_, std::io::Error>(Bytes::from(vec![7; 100_000]));
    let breaks = stream::iter([piece(), Err(std::io::Error::other("gone"))]).boxed();
    let large = stream::iter((0..9).map(move |_| piece())).boxed();
    let stalls = stream::iter([piece()]).chain(stream::pending()).boxed();
    for (body, wanted, reason) in [
        (breaks, StatusCode::BAD_REQUEST, "BODY_INCOMPLETE"),
        (large, StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE"),
        (stalls, StatusCode::REQUEST_TIMEOUT, "UPLOAD_STALLED"),
    ] {
        let (seen, permits) = (Arc::<Mutex<Seen>>::default(), Arc::new(Semaphore::new(1000)));
        uploads(&world, &seen, &permits);
        let answer = world.send(put(Body::from_stream(body))).await;
        assert_eq!((answer.status, answer.reason().as_str()), (wanted, reason));
        let ended = seen.lock().unwrap().ended.clone();
        assert!(!matches!(ended, Some(Ok(()))), "{reason}: the service was told that this is all");
    }
    let declared = put(Body::empty());
    let (mut parts, body) = declared.into_parts();
    parts.headers.insert("content-length", "500001".parse().unwrap());
    assert_eq!(world.send(http::Request::from_parts(parts, body)).await.reason(), "BODY_TOO_LARGE");
}

/// Serves the customers over the network, as a process of its own would.
async fn over_the_network(world: &World) {
    let routes = {
        let network = world.network.clone();
        let proxy = move |request: axum::extract::Request| {
            let mut transport = network.transport("behind");
            async move {
                use tower::Service;
                transport.call(request.map(tonic::body::Body::new)).await.unwrap()
            }
        };
        Router::new().fallback(proxy)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    world.network.connect("customers", &[format!("http://{address}").parse().unwrap()], None).unwrap();
}

#[tokio::test]
async fn when_the_sender_goes_away_a_service_in_another_process_learns_that_it_has_not_everything() {
    let world = World::new();
    world.allow("clk_all", &["*"]);
    let seen = Arc::<Mutex<Seen>>::default();
    let answer = {
        let seen = seen.clone();
        move |request: tonic::Request<tonic::Streaming<customers::UploadImportFileRequest>>| {
            let seen = seen.clone();
            async move {
                // Each call at work holds one.
                let _at_work = Arc::downgrade(&seen);
                let mut parts = request.into_inner();
                loop {
                    let part = parts.message().await;
                    let mut seen = seen.lock().unwrap();
                    match part {
                        Ok(Some(part)) => seen.parts.push(part.content.unwrap_or_default().data.len()),
                        Ok(None) => seen.ended = Some(Ok(())),
                        Err(status) => seen.ended = Some(Err(status)),
                    }
                    if seen.ended.is_some() {
                        return Ok(customers::Import::default());
                    }
                }
            }
        }
    };
    world.serve("behind", taking_method(Router::new(), UPLOAD, answer));
    over_the_network(&world).await;
    let (address, server) = serve(&world).await;
    let mut sender = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT /v1/imports/{IMPORT}/file HTTP/1.1\r\nhost: x\r\nauthorization: Bearer clk_all\r\ncontent-length: 1000\r\n\r\nhello"
    );
    sender.write_all(head.as_bytes()).await.unwrap();
    eventually("the first part has arrived", || async { (!seen.lock().unwrap().parts.is_empty()).then_some(()) }).await;
    drop(sender);
    // It may be told, or be dropped with its call; what it must not see is a proper end.
    eventually("the service has let go", || async { Arc::weak_count(&seen).eq(&0).then_some(()) }).await;
    assert!(!matches!(seen.lock().unwrap().ended, Some(Ok(()))), "{:?}", seen.lock().unwrap().ended);
    world.stop.cancel();
    server.await.unwrap().unwrap();
}

async fn serve(world: &World) -> (SocketAddr, tokio::task::JoinHandle<Result<(), Error>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (router, config, stop) = (world.router.clone(), world.config.clone(), world.stop.clone());
    (address, tokio::spawn(async move { clientele_gateway::serve(listener, router, &config, None, stop).await }))
}

#[tokio::test]
async fn a_refusal_reaches_whoever_is_still_sending() {
    let world = World::new();
    world.allow("clk_all", &["*"]);
    let answer = |_: tonic::Request<tonic::Streaming<customers::UploadImportFileRequest>>| async {
        Err::<customers::Import, _>(status(Error::failed_precondition("IMPORT_HAS_RUN", "the import has run already")))
    };
    world.serve("customers", taking_method(Router::new(), UPLOAD, answer));
    let (address, _server) = serve(&world).await;
    let mut sender = TcpStream::connect(address).await.unwrap();
    let (size, piece) = (20_000_000, vec![7; 100_000]);
    let head = format!(
        "PUT /v1/imports/{IMPORT}/file HTTP/1.1\r\nhost: x\r\nauthorization: Bearer clk_all\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n"
    );
    sender.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..size / piece.len() {
        sender.write_all(&piece).await.expect("everything can be sent");
    }
    let mut answer = String::new();
    sender.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("IMPORT_HAS_RUN"), "{answer}");
}

#[tokio::test]
async fn whoever_sends_too_much_without_saying_so_beforehand_is_told_so() {
    let world = World::with(|settings| settings.gateway.max_upload_bytes = 500_000);
    world.allow("clk_all", &["*"]);
    let (seen, permits) = (Arc::<Mutex<Seen>>::default(), Arc::new(Semaphore::new(1000)));
    uploads(&world, &seen, &permits);
    let (address, _server) = serve(&world).await;
    let mut sender = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT /v1/imports/{IMPORT}/file HTTP/1.1\r\nhost: x\r\nauthorization: Bearer clk_all\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    sender.write_all(head.as_bytes()).await.unwrap();
    let piece = [b"186a0\r\n".as_slice(), &vec![7; 100_000], b"\r\n"].concat();
    for _ in 0..200 {
        sender.write_all(&piece).await.expect("everything can be sent");
    }
    sender.write_all(b"0\r\n\r\n").await.expect("everything can be sent");
    let mut answer = String::new();
    sender.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("BODY_TOO_LARGE"), "{answer}");
}

#[tokio::test]
async fn uploads_are_bounded_apart_from_other_requests() {
    let world = Arc::new(World::with(|settings| settings.gateway.max_uploads = NonZeroU16::MIN));
    world.allow("clk_all", &["*"]);
    let (seen, permits) = (Arc::<Mutex<Seen>>::default(), Arc::new(Semaphore::new(1)));
    uploads(&world, &seen, &permits);
    let first = tokio::spawn({
        let world = world.clone();
        async move { world.send(put("a,b")).await.status }
    });
    eventually("the first is running", || async { (!seen.lock().unwrap().parts.is_empty()).then_some(()) }).await;
    assert_eq!(world.send(put("a,b")).await.reason(), "OVERLOADED");
    assert_eq!(world.get("/v1/signingKeys").await.status, StatusCode::OK);
    permits.add_permits(1000);
    assert_eq!(first.await.unwrap(), StatusCode::OK);
}

fn part(content_type: &str, data: &'static [u8]) -> HttpBody {
    HttpBody { content_type: content_type.to_owned(), data: data.to_vec() }
}

#[tokio::test]
async fn a_download_comes_with_its_type_and_a_name_to_save_it_by() {
    let world = World::new();
    let answer = |request: tonic::Request<customers::DownloadRefusedRowsRequest>| {
        assert_eq!(request.into_inner().import_id, IMPORT);
        let parts = [part("text/csv; charset=utf-8", b"line,field\r\n"), part("", b"2,email\r\n")];
        Ok(stream::iter(parts.map(Ok)).boxed())
    };
    world.serve("customers", giving_method(Router::new(), DOWNLOAD, answer));
    let answer = world.get(&format!("/v1/imports/{IMPORT}/refusedRows:download")).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "line,field\r\n2,email\r\n"));
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"refusedRows.csv\"");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_packed_download_comes_whole() {
    let world = World::new();
    world.allow("clk_all", &["*"]);
    let answer = |_: tonic::Request<customers::DownloadRefusedRowsRequest>| {
        Ok(stream::iter([part("text/csv", &[b'a'; 10_000]), part("", b"end")].map(Ok)).boxed())
    };
    world.serve("customers", giving_method(Router::new(), DOWNLOAD, answer));
    let packed = request("GET", &format!("/v1/imports/{IMPORT}/refusedRows:download"))
        .header("authorization", "Bearer clk_all")
        .header("accept-encoding", "gzip");
    let answer = world.send(packed.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, answer.header("content-encoding")), (StatusCode::OK, "gzip"));
}

#[tokio::test]
async fn what_goes_wrong_before_the_first_byte_of_a_download_is_a_problem_and_later_it_breaks_off() {
    let world = World::new();
    world.allow("clk_all", &["*"]);
    let arrived = Arc::new(tokio::sync::Notify::new());
    let breaking = arrived.clone();
    let broken = move |breaking: Arc<tokio::sync::Notify>| async move {
        breaking.notified().await;
        Err(status(Error::unavailable("gone")))
    };
    let answer = move |request: tonic::Request<customers::DownloadRefusedRowsRequest>| match request
        .into_inner()
        .import_id
        .as_str()
    {
        "refused" => Err(status(Error::not_found("import", "refused"))),
        "first" => Ok(stream::iter([Err(status(Error::invalid("import_id", "is no id")))]).boxed()),
        _ => Ok(stream::iter([Ok(part("text/csv", b"a,b\r\n"))]).chain(stream::once(broken(breaking.clone()))).boxed()),
    };
    world.serve("customers", giving_method(Router::new(), DOWNLOAD, answer));
    let refused = world.get("/v1/imports/refused/refusedRows:download").await;
    assert_eq!((refused.status, refused.reason().as_str()), (StatusCode::NOT_FOUND, "NOT_FOUND"));
    let first = world.get("/v1/imports/first/refusedRows:download").await;
    assert_eq!((first.status, first.fields()), (StatusCode::BAD_REQUEST, vec!["importId".to_owned()]));

    let (address, _server) = serve(&world).await;
    let mut reader = TcpStream::connect(address).await.unwrap();
    let head =
        "GET /v1/imports/later/refusedRows:download HTTP/1.1\r\nhost: x\r\nauthorization: Bearer clk_all\r\n\r\n";
    reader.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(3).any(|bytes| bytes == b"a,b") {
        assert_ne!(reader.read_buf(&mut answer).await.unwrap(), 0, "{}", String::from_utf8_lossy(&answer));
    }
    arrived.notify_one();
    let _ = reader.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.ends_with("0\r\n\r\n"), "it does not look whole: {answer}");
}

#[tokio::test]
async fn a_download_is_not_cut_off_with_the_age_of_its_connection() {
    const AGE: Duration = Duration::from_millis(200);
    let mut world = World::new();
    world.config.max_connection_age = AGE;
    world.allow("clk_all", &["*"]);
    let leave = Arc::new(tokio::sync::Notify::new());
    let leaving = leave.clone();
    let last = |leaving: Arc<tokio::sync::Notify>| async move {
        leaving.notified().await;
        Ok(part("", b"the end"))
    };
    let answer = move |_: tonic::Request<customers::DownloadRefusedRowsRequest>| {
        Ok(stream::iter([Ok(part("text/csv", b"a,b\r\n"))]).chain(stream::once(last(leaving.clone()))).boxed())
    };
    let router = giving_method(Router::new(), DOWNLOAD, answer);
    let never = |_: tonic::Request<customers::ListCustomersRequest>| {
        std::future::pending::<Result<customers::ListCustomersResponse, Status>>()
    };
    world.serve("customers", method(router, "/clientele.customers.v1.Customers/ListCustomers", never));
    let (address, _server) = serve(&world).await;
    let ask = |path: String| async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer clk_all\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let begun = std::time::Instant::now();
    let mut reader = ask(format!("/v1/imports/{IMPORT}/refusedRows:download")).await;
    let mut answer = Vec::new();
    while !answer.windows(3).any(|bytes| bytes == b"a,b") {
        assert_ne!(reader.read_buf(&mut answer).await.unwrap(), 0, "{}", String::from_utf8_lossy(&answer));
    }
    // Younger connections come and are cut off, until this one is older than any of them became.
    while begun.elapsed() < 3 * AGE {
        let mut other = ask("/v1/customers".to_owned()).await;
        let mut nothing = Vec::new();
        let _ = other.read_to_end(&mut nothing).await;
        assert!(nothing.is_empty(), "{}", String::from_utf8_lossy(&nothing));
    }
    leave.notify_one();
    reader.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("the end") && answer.ends_with("0\r\n\r\n"), "{answer}");
}
