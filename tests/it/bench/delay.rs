//! From a sale's answer to the card that shows it, while 500 orders come in a second; beside a message's way through
//! JetStream alone, at the same pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::json;
use tokio::sync::Mutex;

use super::cpu::Cpu;
use super::{Measure, SPAN, fill, milliseconds, percentile};
use crate::house::House;
use crate::rest::Client;

const A_SECOND: usize = 500;
const BATCH: usize = 10;
const FROM: usize = 60_000_000;
const PROBE_EVERY: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn measure(house: &House, client: &Client) -> Vec<Measure> {
    let buyers = Arc::new(fill::upsert(client, (FROM..FROM + 500).collect()).await);
    let probes = fill::upsert(client, (FROM + 500..FROM + 1_000).collect()).await;
    let delays = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::new(AtomicUsize::new(0));

    let span = SPAN * 2;
    let cpu = Cpu::now();
    let begun = Instant::now();
    let load = {
        let (client, buyers, written) = (client.clone(), buyers.clone(), written.clone());
        tokio::spawn(async move {
            let mut beat =
                tokio::time::interval(Duration::from_secs(1) / u32::try_from(A_SECOND / BATCH).expect("small"));
            let mut n = 0;
            let mut running = tokio::task::JoinSet::new();
            while begun.elapsed() < span {
                beat.tick().await;
                let orders: Vec<_> =
                    (n..n + BATCH).map(|n| fill::order(&buyers[n % buyers.len()], &format!("D-{n}"))).collect();
                n += BATCH;
                let (client, written) = (client.clone(), written.clone());
                running.spawn(async move {
                    client.post("/v1/orders:batchUpsert", &json!({ "orders": orders })).await.ok();
                    written.fetch_add(BATCH, Ordering::Relaxed);
                });
            }
            running.join_all().await;
        })
    };
    let mut watching = tokio::task::JoinSet::new();
    let mut beat = tokio::time::interval(PROBE_EVERY);
    for probe in probes {
        if begun.elapsed() > span {
            break;
        }
        beat.tick().await;
        let (client, delays) = (client.clone(), delays.clone());
        watching.spawn(async move {
            let order = fill::order(&probe, &format!("P-{probe}"));
            client.post("/v1/orders:batchUpsert", &json!({ "orders": [order] })).await.ok();
            let begun = Instant::now();
            loop {
                let card = client.get(&format!("/v1/customers/{probe}/card")).await.ok();
                if card["metrics"]["metrics"]["currencies"][0]["figures"]["orders"] == "1" {
                    break;
                }
                assert!(begun.elapsed() < PATIENCE, "the card of {probe} does not show its sale");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            delays.lock().await.push(begun.elapsed());
        });
    }
    watching.join_all().await;
    load.await.expect("the load does not panic");
    let spent = cpu.since(written.load(Ordering::Relaxed));
    #[expect(clippy::cast_precision_loss, reason = "a few thousand are exact in a double")]
    let pace = written.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();

    let mut ours = std::mem::take(&mut *delays.lock().await);
    ours.sort_unstable();
    let mut bare = bare(&house.nats_url().expect("the house has a NATS of its own")).await;
    bare.sort_unstable();
    let line = |hundredths| {
        let what = format!("sale to card, p{hundredths}, at {pace:.0} orders a second");
        Measure::new(what, milliseconds(percentile(&ours, hundredths)))
            .beside(milliseconds(percentile(&bare, hundredths)))
    };
    vec![line(50).spent(spent), line(99).goal("below 300 ms", percentile(&ours, 99) < LIMIT)]
}

/// How long messages take that are published and consumed at the same pace.
async fn bare(url: &str) -> Vec<Duration> {
    let client = async_nats::connect(url).await.expect("NATS answers");
    let stream = async_nats::jetstream::new(client);
    let config = async_nats::jetstream::stream::Config {
        name: "bench".to_owned(),
        subjects: vec!["bench".to_owned()],
        ..async_nats::jetstream::stream::Config::default()
    };
    let made = stream.create_stream(config).await.expect("a stream can be made");
    let consumer = made
        .create_consumer(async_nats::jetstream::consumer::pull::Config::default())
        .await
        .expect("a consumer can be made");
    let mut messages = consumer.messages().await.expect("messages come");
    let begun = Instant::now();
    let many = A_SECOND * usize::try_from(SPAN.as_secs()).expect("it is short");
    let publishing = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_secs(1) / u32::try_from(A_SECOND).expect("small"));
        for _ in 0..many {
            beat.tick().await;
            let sent = u64::try_from(begun.elapsed().as_micros()).expect("it is short").to_be_bytes();
            stream.publish("bench", sent.to_vec().into()).await.expect("NATS takes it").await.expect("it is kept");
        }
    });
    let mut delays = Vec::with_capacity(many);
    for _ in 0..many {
        let message = messages.next().await.expect("messages go on").expect("a message is whole");
        let sent = u64::from_be_bytes(message.payload.as_ref().try_into().expect("eight bytes were sent"));
        delays.push(begun.elapsed().saturating_sub(Duration::from_micros(sent)));
        message.ack().await.expect("NATS takes the acknowledgement");
    }
    publishing.await.expect("nobody panics");
    delays
}
