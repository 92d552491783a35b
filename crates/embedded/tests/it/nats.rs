use std::path::Path;

use async_nats::jetstream::{self, stream};
use clientele_embedded::{Error, NatsOptions, NatsServer, cache_dir, ensure_nats_server};
use futures::StreamExt;

use crate::scratch;

async fn start(folder: &Path, port: u16) -> NatsServer {
    let program = Some(ensure_nats_server(&cache_dir()).await.unwrap());
    NatsServer::start(NatsOptions { port, program, ..NatsOptions::new(folder) }).await.unwrap()
}

async fn jetstream(server: &NatsServer) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

#[tokio::test]
async fn a_stream_is_found_again_at_the_same_address_after_a_kill() {
    let folder = scratch();
    let first = start(folder.path(), 0).await;
    let port = first.port();
    let context = jetstream(&first).await;
    let config = stream::Config { name: "kept".to_owned(), subjects: vec!["kept.>".to_owned()], ..Default::default() };
    context.create_stream(config).await.unwrap();
    context.publish("kept.one", "42".into()).await.unwrap().await.unwrap();
    first.kill9().await;

    let second = start(folder.path(), port).await;
    assert_eq!(second.port(), port);
    let stream = jetstream(&second).await.get_stream("kept").await.unwrap();
    let consumer = stream.create_consumer(jetstream::consumer::pull::Config::default()).await.unwrap();
    let message = consumer.messages().await.unwrap().next().await.unwrap().unwrap();
    assert_eq!(&message.payload[..], b"42");
    second.stop().await;
}

#[tokio::test]
async fn two_servers_take_ports_of_their_own_but_not_the_same_folder() {
    let (one, two) = (scratch(), scratch());
    let first = start(one.path(), 0).await;
    let second = start(two.path(), 0).await;
    assert_ne!(first.port(), second.port());
    let program = Some(ensure_nats_server(&cache_dir()).await.unwrap());
    let refused = NatsServer::start(NatsOptions { program, ..NatsOptions::new(one.path()) }).await.unwrap_err();
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_the_words_of_the_server() {
    let folder = scratch();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let program = Some(ensure_nats_server(&cache_dir()).await.unwrap());
    let port = taken.local_addr().unwrap().port();
    let refused =
        NatsServer::start(NatsOptions { port, program, ..NatsOptions::new(folder.path()) }).await.unwrap_err();
    assert!(matches!(refused, Error::Ended(_)), "{refused}");
    assert!(refused.to_string().contains("address already in use"), "{refused}");
}

#[tokio::test]
async fn the_end_of_the_server_is_reported_while_we_run() {
    let folder = scratch();
    let server = start(folder.path(), 0).await;
    let exited = server.exited();
    drop(server);
    let exit = tokio::time::timeout(crate::PATIENCE, exited).await.unwrap();
    assert!(exit.status.is_some(), "{exit}");
}
