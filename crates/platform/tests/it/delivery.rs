//! From one service's journal to another's tables: one suite over both buses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clientele_contracts::platform::v1::{ListParkedEventsRequest, ReplayParkedEventsRequest};
use clientele_kernel::Partition;
use clientele_platform::consumer::parked;
use clientele_testkit::{eventually, eventually_within};

use crate::support::{Faulty, LONG, Sink, Source, Wire, write_one};

macro_rules! over_both_buses {
    ($($test:ident,)*) => {
        mod over_the_process {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(super::Wire::in_process().await).await;
            })*
        }
        mod over_jetstream {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(super::Wire::jetstream().await).await;
            })*
        }
    };
}

over_both_buses! {
    order_per_aggregate_holds_under_concurrent_writers_and_several_replicas,
    an_event_delivered_again_changes_nothing,
    a_gap_is_filled_from_the_feed,
    a_consumer_that_comes_late_reads_everything_from_the_beginning,
    a_lost_stream_loses_no_event,
    a_slow_consumer_holds_nobody_up_and_misses_nothing,
    a_poison_event_is_parked_with_what_follows_it_and_replayed_in_order,
    a_handler_that_panics_is_no_worse_than_one_that_fails,
    a_replica_killed_in_mid_batch_leaves_nothing_half_done,
    a_relay_killed_again_and_again_publishes_everything,
    a_service_that_is_down_for_a_while_is_caught_up_with,
}

async fn order_per_aggregate_holds_under_concurrent_writers_and_several_replicas(wire: Wire) {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let relay = source.relay(wire.bus.clone());
    let replicas = [(); 3].map(|()| sink.follow(&source, wire.bus.clone()));
    let aggregates = source.aggregates(24);
    let writers = aggregates.iter().map(|aggregate| {
        let db = source.database.db.clone();
        let aggregate = *aggregate;
        tokio::spawn(async move {
            for version in 1..=20 {
                write_one(&db, aggregate, version).await;
            }
        })
    });
    futures::future::try_join_all(writers).await.unwrap();

    sink.settles(&aggregates, 20).await;
    for replica in replicas {
        replica.stop().await;
    }
    relay.abort();
}

async fn an_event_delivered_again_changes_nothing(wire: Wire) {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let bus =
        Arc::new(Faulty { inner: wire.bus.clone(), lose_every: 0, repeat_every: 2, batches: AtomicUsize::new(0) });
    let relay = source.relay(bus.clone());
    let replica = sink.follow(&source, bus.clone());
    let aggregates = source.aggregates(4);
    for aggregate in &aggregates {
        source.write(*aggregate, 1..=10).await;
    }
    sink.settles(&aggregates, 10).await;
    replica.stop().await;
    relay.abort();
}

async fn a_gap_is_filled_from_the_feed(wire: Wire) {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let bus =
        Arc::new(Faulty { inner: wire.bus.clone(), lose_every: 3, repeat_every: 0, batches: AtomicUsize::new(0) });
    let relay = source.relay(bus.clone());
    let replica = sink.follow(&source, bus.clone());
    let aggregates = source.aggregates(1);
    // One partition, event by event, so that every third one is lost and the next shows it.
    for version in 1..=20 {
        source.write(aggregates[0], [version]).await;
        eventually("the relay having published", || async {
            let reached: i64 = sqlx::query_scalar("select position from relay_cursor where partition = $1")
                .bind(Partition::of(aggregates[0]).number())
                .fetch_one(source.database.db.pool())
                .await
                .unwrap();
            (reached >= version).then_some(())
        })
        .await;
    }
    sink.settles(&aggregates, 20).await;
    replica.stop().await;
    relay.abort();
}

async fn a_consumer_that_comes_late_reads_everything_from_the_beginning(wire: Wire) {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let aggregates = source.aggregates(8);
    for aggregate in &aggregates {
        source.write(*aggregate, 1..=30).await;
    }
    let replica = sink.follow(&source, wire.bus.clone());
    sink.settles(&aggregates, 30).await;
    replica.stop().await;

    // And again from zero: the effects are cleared together with the cursor.
    let mut work = sink.database.db.begin(&clientele_platform::Caller::service("test")).await.unwrap();
    sqlx::query("delete from applied").execute(work.conn()).await.unwrap();
    sqlx::query("update cursor set position = 0").execute(work.conn()).await.unwrap();
    work.commit().await.unwrap();
    let replica = sink.follow(&source, wire.bus.clone());
    sink.settles(&aggregates, 30).await;
    replica.stop().await;
}

async fn a_lost_stream_loses_no_event(mut wire: Wire) {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let relay = source.relay(wire.bus.clone());
    let replica = sink.follow(&source, wire.bus.clone());
    let aggregates = source.aggregates(6);
    for aggregate in &aggregates {
        source.write(*aggregate, 1..=5).await;
    }
    wire.lose_everything().await;
    for aggregate in &aggregates {
        source.write(*aggregate, 6..=10).await;
    }
    sink.settles(&aggregates, 10).await;
    replica.stop().await;
    relay.abort();
}

async fn a_slow_consumer_holds_nobody_up_and_misses_nothing(wire: Wire) {
    let (source, slow, quick) = (Source::new().await, Sink::new().await, Sink::new().await);
    slow.mood.lingers_ms.store(100, Ordering::SeqCst);
    let relay = source.relay(wire.bus.clone());
    let replicas = [slow.follow(&source, wire.bus.clone()), quick.follow(&source, wire.bus.clone())];
    let aggregates = source.aggregates(2);
    for aggregate in &aggregates {
        source.write(*aggregate, 1..=300).await;
    }
    quick.settles(&aggregates, 300).await;
    slow.settles(&aggregates, 300).await;
    for replica in replicas {
        replica.stop().await;
    }
    relay.abort();
}

async fn a_poison_event_is_parked_with_what_follows_it_and_replayed_in_order(wire: Wire) {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let relay = source.relay(wire.bus.clone());
    let replica = sink.follow(&source, wire.bus.clone());
    let aggregates = source.aggregates(40);
    let (poison, healthy) = aggregates.split_first().unwrap();
    *sink.mood.poison.lock().unwrap() = Some(*poison);

    for version in 1..=3 {
        for aggregate in &aggregates {
            source.write(*aggregate, [version]).await;
        }
    }
    // The others flow on, those of the same partition among them.
    sink.settles(healthy, 3).await;
    let db = &sink.database.db;
    let listed = eventually("the three being parked", || async {
        let listed = parked::list(db, ListParkedEventsRequest::default()).await.unwrap().parked_events;
        (listed.len() == 3).then_some(listed)
    })
    .await;
    assert!(listed[0].reason.contains("cannot take it"), "{}", listed[0].reason);
    assert!(listed[1].reason.contains("an earlier event"), "{}", listed[1].reason);

    let request = ReplayParkedEventsRequest { consumer: "analytics.orders".into(), aggregate_id: poison.to_string() };
    let stuck = parked::replay(db, &[sink.consumer()], request.clone()).await.unwrap();
    assert_eq!((stuck.applied, stuck.remaining), (0, 3));

    *sink.mood.poison.lock().unwrap() = None;
    let done = parked::replay(db, &[sink.consumer()], request.clone()).await.unwrap();
    assert_eq!((done.applied, done.remaining), (3, 0));
    assert!(parked::replay(db, &[sink.consumer()], request).await.is_err(), "there is nothing left to replay");

    source.write(*poison, [4]).await;
    for aggregate in healthy {
        source.write(*aggregate, [4]).await;
    }
    sink.settles(&aggregates, 4).await;
    replica.stop().await;
    relay.abort();
}

async fn a_handler_that_panics_is_no_worse_than_one_that_fails(wire: Wire) {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let aggregates = source.aggregates(3);
    *sink.mood.poison.lock().unwrap() = Some(aggregates[0]);
    sink.mood.panics.store(true, Ordering::SeqCst);
    for aggregate in &aggregates {
        source.write(*aggregate, [1]).await;
    }
    let replica = sink.follow(&source, wire.bus.clone());
    sink.settles(&aggregates[1..], 1).await;
    eventually("the event being parked", || async {
        let status = parked::status(&sink.database.db).await.unwrap();
        (status.partitions.iter().map(|p| p.parked).sum::<i64>() == 1).then_some(())
    })
    .await;
    replica.stop().await;
}

async fn a_replica_killed_in_mid_batch_leaves_nothing_half_done(wire: Wire) {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let relay = source.relay(wire.bus.clone());
    let aggregates = source.aggregates(10);
    for aggregate in &aggregates {
        source.write(*aggregate, 1..=10).await;
    }
    // Between the effect and the cursor there is time to be killed in.
    sink.mood.lingers_ms.store(50, Ordering::SeqCst);
    for round in 1..=4 {
        let replica = sink.follow(&source, wire.bus.clone());
        let begun = sink.mood.begun.load(Ordering::SeqCst);
        eventually_within(LONG, "a batch being under way", || async {
            (sink.mood.begun.load(Ordering::SeqCst) >= begun + round).then_some(())
        })
        .await;
        replica.kill().await;
        sink.leases_end();
    }
    sink.mood.lingers_ms.store(0, Ordering::SeqCst);
    let replica = sink.follow(&source, wire.bus.clone());
    sink.settles(&aggregates, 10).await;
    replica.stop().await;
    relay.abort();
}

async fn a_relay_killed_again_and_again_publishes_everything(wire: Wire) {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let replica = sink.follow(&source, wire.bus.clone());
    let aggregates = source.aggregates(5);
    for version in 1..=12 {
        let relay = source.relay(wire.bus.clone());
        for aggregate in &aggregates {
            source.write(*aggregate, [version]).await;
        }
        // Wherever it is: before publishing, between publishing and noting it, or idle.
        tokio::time::sleep(Duration::from_millis(version.unsigned_abs() * 3)).await;
        relay.abort();
        source.database.clock.advance(chrono::TimeDelta::seconds(11));
    }
    let relay = source.relay(wire.bus.clone());
    sink.settles(&aggregates, 12).await;
    eventually("the relay having noted all of it", || async {
        let (published, written): (i64, i64) = sqlx::query_as(
            "select (select sum(position)::bigint from relay_cursor), (select sum(position)::bigint from journal_head)",
        )
        .fetch_one(source.database.db.pool())
        .await
        .unwrap();
        (published == written).then_some(())
    })
    .await;
    replica.stop().await;
    relay.abort();
}

async fn a_service_that_is_down_for_a_while_is_caught_up_with(wire: Wire) {
    let (source, sink) = (Source::new().await, Sink::new().await);
    source.fall_silent();
    let replica = sink.follow(&source, wire.bus.clone());
    let aggregates = source.aggregates(3);
    for aggregate in &aggregates {
        source.write(*aggregate, 1..=5).await;
    }
    assert_eq!(sink.count().await, 0);
    source.answer();
    sink.settles(&aggregates, 5).await;
    replica.stop().await;
}
