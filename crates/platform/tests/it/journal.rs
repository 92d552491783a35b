//! The journal: dense positions in the order of commits, append-only, sealed.

use std::collections::BTreeMap;

use clientele_contracts::orders::v1::ProductRecorded;
use clientele_contracts::platform::v1::ReadFeedRequest;
use clientele_kernel::{CustomerId, Partition};
use clientele_platform::postgres::{Entry, journal};
use clientele_platform::{Caller, feed};
use clientele_testkit::TestDatabase;
use prost::Message;
use sqlx::Executor;

use crate::support::{NONE, write_one};

const CANARY: &str = "Zoraida Quintanilla +34 600 123 456";

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_dense_and_in_the_order_of_commits_whatever_is_rolled_back() {
    let database = TestDatabase::new("orders", &NONE).await;
    let writers = (0..16).map(|writer| {
        let (db, ids) = (database.db.clone(), database.ids.clone());
        tokio::spawn(async move {
            for turn in 0..20 {
                let mut work = db.begin(&Caller::service("test")).await.unwrap();
                for _ in 0..3 {
                    let event = ProductRecorded::default();
                    work.record(Entry::new("product", ids.next(), 1, &event));
                }
                if (writer + turn) % 4 == 0 {
                    drop(work);
                } else {
                    work.commit().await.unwrap();
                }
            }
        })
    });
    futures::future::try_join_all(writers).await.unwrap();

    let rows: Vec<(i16, i64)> = sqlx::query_as("select partition, position from journal order by partition, position")
        .fetch_all(database.db.pool())
        .await
        .unwrap();
    assert_eq!(rows.len(), 16 * 15 * 3);
    let mut reached: BTreeMap<i16, i64> = BTreeMap::new();
    for (partition, position) in rows {
        let last = reached.entry(partition).or_default();
        assert_eq!(position, *last + 1, "partition {partition}");
        *last = position;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_never_sees_a_position_before_all_those_below_it() {
    let database = TestDatabase::new("orders", &NONE).await;
    let aggregate = database.ids.next();
    let partition = Partition::of(aggregate);
    let writers = tokio::spawn({
        let (db, ids) = (database.db.clone(), database.ids.clone());
        async move {
            let in_partition =
                std::iter::from_fn(move || Some(ids.next())).filter(move |id| Partition::of(*id) == partition);
            let tasks = in_partition.take(200).map(|id| {
                let db = db.clone();
                tokio::spawn(async move { write_one(&db, id, 1).await })
            });
            futures::future::try_join_all(tasks).await.unwrap();
        }
    });
    let mut seen = 0;
    while seen < 200 {
        let request = ReadFeedRequest { partition: partition.number().into(), after: seen, ..Default::default() };
        for event in feed::read(&database.db, request).await.unwrap().events {
            assert_eq!(event.position, seen + 1);
            seen = event.position;
        }
    }
    writers.await.unwrap();
}

#[tokio::test]
async fn the_runtime_role_can_append_to_the_journal_and_nothing_else() {
    let database = TestDatabase::new("orders", &NONE).await;
    write_one(&database.db, database.ids.next(), 1).await;
    for statement in
        ["update journal set origin = 'web'", "delete from journal", "truncate journal", "drop table journal"]
    {
        let refused = database.db.pool().execute(statement).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501", "{statement}");
    }
}

#[tokio::test]
async fn a_schema_is_closed_to_the_roles_of_other_services() {
    let database = TestDatabase::new("orders", &NONE).await;
    let mut conn = database.superuser().await;
    clientele_platform::postgres::bootstrap(&mut conn, "analytics").await.unwrap();
    conn.execute("set role clientele_analytics_runtime").await.unwrap();
    for statement in ["select * from orders.journal", "insert into orders.journal_head values (0, 1)"] {
        let refused = conn.execute(statement).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501", "{statement}");
    }
}

#[tokio::test]
async fn a_private_payload_is_sealed_and_gone_once_its_key_is_destroyed() {
    let database = TestDatabase::new("orders", &NONE).await;
    let (db, customer) = (&database.db, database.ids.next::<CustomerId>());
    let public = ProductRecorded { product_id: customer.to_string(), ..Default::default() };
    let private = ProductRecorded { name: CANARY.into(), ..Default::default() };
    for version in [1, 2] {
        let mut work = db.begin(&Caller::service("test")).await.unwrap();
        work.record(Entry::new("customer", customer.uuid(), version, &public).customer(customer).image(&private));
        work.commit().await.unwrap();
        database.clock.advance(chrono::TimeDelta::hours(1));
    }

    let rows: Vec<(Vec<u8>, Vec<u8>)> =
        sqlx::query_as("select public_payload, private_payload from journal").fetch_all(db.pool()).await.unwrap();
    for (public, private) in rows {
        assert!(!contains(&public, CANARY) && !contains(&private, CANARY), "the journal shows what must be sealed");
    }
    let read =
        |row: &journal::JournalRow| ProductRecorded::decode(row.image.as_ref().unwrap().as_slice()).unwrap().name;
    let images = journal::images(db, "customer", customer.uuid(), None, 10).await.unwrap();
    assert_eq!(images.iter().map(|row| row.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(read(&images[0]), CANARY);

    let mut work = db.begin(&Caller::service("test")).await.unwrap();
    assert!(db.keyring().destroy(work.conn(), customer.uuid()).await.unwrap());
    work.commit().await.unwrap();
    let images = journal::images(db, "customer", customer.uuid(), None, 10).await.unwrap();
    assert!(images.iter().all(|row| row.image.is_none()), "what the key sealed is gone for good");
}

#[tokio::test]
async fn several_states_of_one_aggregate_are_read_at_once_and_time_does_not_run_back_within_a_unit_of_work() {
    let database = TestDatabase::new("orders", &NONE).await;
    let (db, aggregate) = (&database.db, database.ids.next());
    let start = clientele_kernel::Clock::now(&*database.clock);
    write_one(db, aggregate, 1).await;
    // As a replica whose clock is behind would write what follows, in one unit of work.
    database.clock.set(start - chrono::TimeDelta::hours(1));
    let mut work = db.begin(&Caller::service("test")).await.unwrap();
    for version in 2..=3 {
        let event = ProductRecorded { name: format!("version {version}"), ..Default::default() };
        work.record(Entry::new("product", aggregate, version, &event).image(&event));
    }
    work.commit().await.unwrap();

    let asked = [(aggregate, 3), (aggregate, 4), (aggregate, 1), (aggregate, 2)];
    let states = journal::images_at(db, "product", &asked).await.unwrap();
    let told: Vec<_> = states.iter().map(|(id, row)| (*id, row.version, row.recorded_at)).collect();
    assert_eq!(told, [3, 1, 2].map(|version| (aggregate, version, start)));
}

#[tokio::test]
async fn the_state_as_of_a_moment_is_the_newest_recorded_by_then() {
    let database = TestDatabase::new("orders", &NONE).await;
    let (db, aggregate) = (&database.db, database.ids.next());
    let start = clientele_kernel::Clock::now(&*database.clock);
    for version in 1..=3 {
        write_one(db, aggregate, version).await;
        database.clock.advance(chrono::TimeDelta::hours(1));
    }
    let at = async |minutes: i64| {
        let moment = start + chrono::TimeDelta::minutes(minutes);
        journal::image_as_of(db, "product", aggregate, moment).await.unwrap().map(|row| row.version)
    };
    assert_eq!(at(-1).await, None);
    assert_eq!(at(0).await, Some(1));
    assert_eq!(at(90).await, Some(2));
    assert_eq!(at(1000).await, Some(3));
}

#[tokio::test]
async fn the_feed_refuses_what_it_does_not_have() {
    let database = TestDatabase::new("orders", &NONE).await;
    for (partition, after, page_size, field) in
        [(32, 0, 0, "partition"), (-1, 0, 0, "partition"), (0, -1, 0, "after"), (0, 0, -5, "page_size")]
    {
        let error = feed::read(&database.db, ReadFeedRequest { partition, after, page_size, ..Default::default() })
            .await
            .unwrap_err();
        assert_eq!(error.violations[0].field, field);
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
