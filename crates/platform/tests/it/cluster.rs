//! The bus on three servers, as a house for work has it: one of them is killed while events are published.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use clientele_embedded::{NatsOptions, NatsServer, ensure_nats_server};
use clientele_platform::bus;
use clientele_testkit::eventually_within;
use tempfile::TempDir;

use crate::support::{LONG, Sink, Source, bus_config, write_one};

const SERVERS: usize = 3;
const STREAM: &str = "CLIENTELE_ORDERS";
const VERSIONS: i64 = 30;

/// What `deploy/` says of NATS.
const NATS: &str = include_str!("../../../../deploy/kubernetes/dev/nats/nats.conf");
const OUTSIDE: &str = include_str!("../../../../deploy/kubernetes/prod/outside/outside.env");

/// Three servers that keep streams together. Those that were killed are none.
struct Cluster {
    servers: Vec<Option<NatsServer>>,
    ports: Vec<u16>,
    folder: TempDir,
}

impl Cluster {
    async fn start() -> Self {
        clientele_platform::install_crypto();
        ensure_nats_server(&clientele_embedded::cache_dir()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        // Held until all are known, so that none is given twice.
        let held: Vec<_> = (0..2 * SERVERS).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let mut ports: Vec<u16> = held.iter().map(|held| held.local_addr().unwrap().port()).collect();
        drop(held);
        let between = ports.split_off(SERVERS);
        let sync = NATS.lines().map(str::trim).find(|line| line.starts_with("sync_interval: ")).unwrap();
        let routes: Vec<String> = between.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        for (n, port) in between.iter().enumerate() {
            let config = format!(
                "server_name: n{n}\njetstream {{ store_dir: \"{}\", {sync} }}\ncluster {{ name: clientele, listen: \
                 \"127.0.0.1:{port}\", routes: [{}] }}\n",
                folder.path().join(format!("n{n}/streams")).display(),
                routes.join(", ")
            );
            std::fs::write(folder.path().join(format!("n{n}.conf")), config).unwrap();
        }
        let mut cluster = Self { servers: Vec::new(), ports, folder };
        for n in 0..SERVERS {
            let server = cluster.server(n).await;
            cluster.servers.push(Some(server));
        }
        cluster
    }

    async fn server(&self, n: usize) -> NatsServer {
        let at = |name: String| -> PathBuf { Path::new(self.folder.path()).join(name) };
        let config = Some(at(format!("n{n}.conf")));
        let options = NatsOptions { port: self.ports[n], config, ..NatsOptions::new(at(format!("n{n}"))) };
        NatsServer::start(options).await.unwrap()
    }

    fn urls(&self) -> String {
        let urls: Vec<String> = self.ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        urls.join(",")
    }

    /// Kills the server that leads a stream, which is the one that acknowledges, and gives its number.
    async fn kill_leader(&mut self, stream: &str) -> usize {
        let leader = eventually_within(LONG, "a leader of the stream", || async {
            info(&self.urls(), stream).await?.cluster?.leader
        })
        .await;
        let n: usize = leader.trim_start_matches('n').parse().unwrap();
        self.servers[n].take().unwrap().kill9().await;
        n
    }
}

async fn jetstream(urls: &str) -> Option<async_nats::jetstream::Context> {
    let addresses: Vec<_> = urls.split(',').map(|url| url.parse::<async_nats::ServerAddr>().unwrap()).collect();
    Some(async_nats::jetstream::new(async_nats::connect(addresses).await.ok()?))
}

async fn info(urls: &str, stream: &str) -> Option<async_nats::jetstream::stream::Info> {
    Some(jetstream(urls).await?.get_stream(stream).await.ok()?.cached_info().clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_streams_on_three_servers_nothing_is_lost_when_the_one_that_leads_is_killed_while_events_are_published() {
    let mut cluster = Cluster::start().await;
    let replicas = OUTSIDE.lines().find_map(|line| line.strip_prefix("CLIENTELE_BUS__REPLICAS=")).unwrap();
    let config = bus_config(&[("KIND", "jetstream"), ("URL", &cluster.urls()), ("REPLICAS", replicas)]);
    let bus = bus::open(&config).await.unwrap();
    eventually_within(LONG, "the servers' having found each other", || async { bus.prepare("orders").await.ok() })
        .await;
    assert_eq!(info(&cluster.urls(), STREAM).await.unwrap().config.num_replicas, SERVERS);

    let (source, sink) = (Source::new().await, Sink::new().await);
    let relay = source.relay(bus.clone());
    let replica = sink.follow(&source, bus.clone());
    let aggregates = source.aggregates(10);
    let writing = tokio::spawn({
        let (db, aggregates) = (source.database.db.clone(), aggregates.clone());
        async move {
            for version in 1..=VERSIONS {
                for aggregate in &aggregates {
                    write_one(&db, *aggregate, version).await;
                }
            }
        }
    });
    eventually_within(LONG, "events on their way", || async { (sink.count().await > 30).then_some(()) }).await;
    let killed = cluster.kill_leader(STREAM).await;
    writing.await.unwrap();
    sink.settles(&aggregates, VERSIONS).await;

    // Not by the feed alone: whatever was acknowledged is in the stream, once, with one server away.
    let published = eventually_within(LONG, "everything's being published", || async {
        let waits: i64 = sqlx::query_scalar(
            "select count(*) from journal j join relay_cursor r on r.partition = j.partition where j.position > r.position",
        )
        .fetch_one(source.database.db.pool())
        .await
        .unwrap();
        (waits == 0).then_some(())
    });
    published.await;
    let wanted: Vec<uuid::Uuid> =
        sqlx::query_scalar("select id from journal").fetch_all(source.database.db.pool()).await.unwrap();
    assert_eq!(wanted.len(), aggregates.len() * usize::try_from(VERSIONS).unwrap());
    // With a server away, the other two may still be agreeing on who leads.
    let stream = eventually_within(LONG, "the stream's answering", || async {
        jetstream(&cluster.urls()).await?.get_stream(STREAM).await.ok()
    })
    .await;
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    let state = stream.cached_info().state.clone();
    for sequence in state.first_sequence..=state.last_sequence {
        let message =
            eventually_within(LONG, "the stream's answering", || async { stream.get_raw_message(sequence).await.ok() });
        let message = message.await;
        *kept.entry(message.headers.get("Nats-Msg-Id").unwrap().to_string()).or_default() += 1;
    }
    for id in &wanted {
        assert_eq!(kept.remove(&id.to_string()), Some(1), "{id}");
    }
    assert!(kept.is_empty(), "{kept:?}");

    // Whoever comes back takes up what it has missed.
    let server = cluster.server(killed).await;
    cluster.servers[killed] = Some(server);
    eventually_within(LONG, "three servers' having all of it", || async {
        let replicas = info(&cluster.urls(), STREAM).await?.cluster?.replicas;
        (replicas.len() == SERVERS - 1 && replicas.iter().all(|replica| replica.current)).then_some(())
    })
    .await;
    replica.stop().await;
    relay.abort();
}
