//! A journal that was restored from a backup, and those who had followed it further.

use std::collections::BTreeSet;
use std::iter;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clientele_contracts::platform::v1::ReadFeedRequest;
use clientele_kernel::Partition;
use clientele_platform::bus::InProcess;
use clientele_platform::config::{self, Common, Loader};
use clientele_platform::feed::{self, JOURNAL_RESTORED};
use clientele_platform::postgres::{self, InCommon};
use clientele_platform::telemetry;
use clientele_testkit::eventually_within;
use sqlx::Executor;
use uuid::Uuid;

use crate::support::{LONG, Sink, Source};

/// Takes the last versions of all aggregates out of the journal, as a restore to an earlier moment does.
async fn goes_back(source: &Source, versions: i64) {
    let mut conn = source.database.superuser().await;
    let statement = format!(
        "delete from orders.journal where aggregate_version > {versions};
         update orders.journal_head h set position = coalesce(
             (select max(position) from orders.journal j where j.partition = h.partition), 0);
         update orders.relay_cursor r set position = least(r.position, h.position)
             from orders.journal_head h where h.partition = r.partition;"
    );
    conn.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
}

/// Writes in rounds, so that the last versions of all are the journal's last events.
async fn writes(source: &Source, aggregates: &[Uuid], versions: i64) {
    for version in 1..=versions {
        for aggregate in aggregates {
            source.write(*aggregate, [version]).await;
        }
    }
}

async fn is_told(source: &Source) -> Uuid {
    is_told_of(source, InCommon::All).await
}

async fn is_told_of(source: &Source, in_common: InCommon) -> Uuid {
    let incarnation = source.database.ids.next();
    let mut conn = source.database.superuser().await;
    postgres::restored(&mut conn, "orders", incarnation, in_common, source.database.db.clock().now()).await.unwrap();
    incarnation
}

#[tokio::test]
async fn a_consumer_that_is_ahead_of_a_restored_journal_forgets_and_begins_anew() {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let aggregates = source.aggregates(40);
    let bus = Arc::new(InProcess::new(NonZeroU16::MAX));
    let relay = source.relay(bus.clone());
    let replica = sink.follow(&source, bus.clone());
    writes(&source, &aggregates, 4).await;
    sink.settles(&aggregates, 4).await;

    // While it is followed: other events come at the positions of those that are gone.
    source.fall_silent();
    goes_back(&source, 2).await;
    is_told(&source).await;
    source.answer();
    for aggregate in &aggregates {
        source.write(*aggregate, [3]).await;
    }
    eventually_within(LONG, "what is no longer so being forgotten", || async {
        let applied = sink.applied().await;
        aggregates
            .iter()
            .all(|aggregate| applied.get(aggregate).is_some_and(|versions| *versions == [1, 2, 3]))
            .then_some(())
    })
    .await;
    sink.settles(&aggregates, 3).await;
    relay.abort();
    replica.stop().await;
}

#[tokio::test]
async fn a_journal_that_became_shorter_without_a_word_is_followed_no_further_until_it_is_told_of() {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let mut aggregates = source.aggregates(10);
    writes(&source, &aggregates, 3).await;
    let replica = sink.follow(&source, Arc::new(InProcess::new(NonZeroU16::MAX)));
    sink.settles(&aggregates, 3).await;
    replica.stop().await;
    goes_back(&source, 2).await;
    let replica = sink.follow(&source, Arc::new(InProcess::new(NonZeroU16::MAX)));
    let partitions: BTreeSet<i16> = aggregates.iter().map(|id| Partition::of(*id).number()).collect();
    eventually_within(LONG, "all partitions that are ahead being halted", || async {
        (sink.halted().await == partitions).then_some(())
    })
    .await;
    replica.stop().await;
    assert_eq!(sink.count().await, 30);

    // The journal grows beyond what was applied. Whoever takes the partitions up goes on with nothing of it.
    for aggregate in &aggregates {
        source.write(*aggregate, [3, 4]).await;
    }
    let elsewhere = iter::repeat_with(|| source.aggregates(1)[0]);
    let others: Vec<Uuid> = elsewhere.filter(|id| !partitions.contains(&Partition::of(*id).number())).take(1).collect();
    source.write(others[0], [1]).await;
    let replica = sink.follow(&source, Arc::new(InProcess::new(NonZeroU16::MAX)));
    eventually_within(LONG, "the other partitions being followed", || async {
        (sink.count().await == 31).then_some(())
    })
    .await;
    assert_eq!(sink.halted().await, partitions);

    // Told of it, it builds anew, although nothing in the positions shows any more that something is gone.
    is_told(&source).await;
    eventually_within(LONG, "what is no longer so being forgotten", || async {
        let first: Option<i64> =
            sqlx::query_scalar("select min(place) from applied").fetch_one(sink.database.db.pool()).await.unwrap();
        (first > Some(31)).then_some(())
    })
    .await;
    source.write(others[0], [2, 3, 4]).await;
    aggregates.extend(others);
    sink.settles(&aggregates, 4).await;
    assert!(sink.halted().await.is_empty());
    replica.stop().await;
}

#[tokio::test]
async fn what_cannot_be_forgotten_is_shown_until_it_can() {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let aggregates = source.aggregates(10);
    writes(&source, &aggregates, 3).await;
    let replica = sink.follow(&source, Arc::new(InProcess::new(NonZeroU16::MAX)));
    sink.settles(&aggregates, 3).await;
    replica.stop().await;
    goes_back(&source, 2).await;
    is_told(&source).await;
    sink.mood.forgets_nothing.store(true, Ordering::SeqCst);
    let config: Common = Loader::new().defaults(config::DEFAULT).read().unwrap().common().unwrap();
    let telemetry = telemetry::init(&config.telemetry, "test").unwrap();
    let replica = sink.follow_measured(&source, Arc::new(InProcess::new(NonZeroU16::MAX)), telemetry.metrics());
    let shows = async |partitions: u8| {
        let line = format!(
            "clientele_consumer_halted{{consumer=\"analytics.orders\",reason=\"forget\",source=\"orders\"}} {partitions}\n"
        );
        eventually_within(LONG, &line, || async {
            telemetry.exposition().render().unwrap().contains(&line).then_some(())
        })
        .await;
    };
    shows(32).await;
    assert_eq!(sink.count().await, 30);
    sink.mood.forgets_nothing.store(false, Ordering::SeqCst);
    eventually_within(LONG, "what is no longer so being forgotten", || async {
        (sink.count().await == 20).then_some(())
    })
    .await;
    sink.settles(&aggregates, 2).await;
    shows(0).await;
    replica.stop().await;
}

#[tokio::test]
async fn a_consumer_that_has_applied_what_both_have_in_common_goes_on() {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let aggregates = source.aggregates(10);
    writes(&source, &aggregates, 2).await;
    let replica = sink.follow(&source, Arc::new(InProcess::new(NonZeroU16::MAX)));
    sink.settles(&aggregates, 2).await;
    replica.stop().await;
    let incarnation = is_told(&source).await;
    for aggregate in &aggregates {
        source.write(*aggregate, [3]).await;
    }
    let replica = sink.follow(&source, Arc::new(InProcess::new(NonZeroU16::MAX)));
    sink.settles(&aggregates, 3).await;
    replica.stop().await;
    let adopted: Vec<Option<Uuid>> = sqlx::query_scalar("select distinct incarnation from cursor where position > 0")
        .fetch_all(sink.database.db.pool())
        .await
        .unwrap();
    assert_eq!(adopted, [Some(incarnation)]);
    // Nothing was forgotten and applied once more: places go on.
    let first: i64 =
        sqlx::query_scalar("select min(place) from applied").fetch_one(sink.database.db.pool()).await.unwrap();
    assert_eq!(first, 1);
}

#[tokio::test]
async fn where_nobody_can_say_what_is_in_common_all_who_follow_begin_anew() {
    let (source, sink) = (Source::new().await, Sink::new().await);
    let aggregates = source.aggregates(10);
    writes(&source, &aggregates, 3).await;
    let replica = sink.follow(&source, Arc::new(InProcess::new(NonZeroU16::MAX)));
    sink.settles(&aggregates, 3).await;
    replica.stop().await;
    // The service wrote on before anybody was told: nothing in the positions shows that the third of each is another now.
    goes_back(&source, 2).await;
    for aggregate in &aggregates {
        source.write(*aggregate, [3, 4]).await;
    }
    is_told_of(&source, InCommon::Unknown).await;
    let replica = sink.follow(&source, Arc::new(InProcess::new(NonZeroU16::MAX)));
    sink.settles(&aggregates, 4).await;
    replica.stop().await;
    let first: i64 =
        sqlx::query_scalar("select min(place) from applied").fetch_one(sink.database.db.pool()).await.unwrap();
    assert!(first > 30, "what was applied before is still there, at {first}");
}

#[tokio::test]
async fn a_reader_who_knows_undone_events_is_refused_by_the_feed_and_may_begin_anew() {
    let source = Source::new().await;
    let aggregate = source.aggregates(1)[0];
    source.write(aggregate, 1..=5).await;
    goes_back(&source, 3).await;
    let incarnation = is_told(&source).await.to_string();
    source.write(aggregate, [4, 5, 6]).await;
    let partition = i32::from(clientele_kernel::Partition::of(aggregate).number());
    let read = async |after: i64, incarnation: &str| {
        let incarnation = incarnation.to_owned();
        feed::read(&source.database.db, ReadFeedRequest { partition, after, incarnation, page_size: 0 }).await
    };
    assert_eq!(read(5, "").await.unwrap_err().reason, JOURNAL_RESTORED);
    assert_eq!(read(5, &Uuid::from_u128(1).to_string()).await.unwrap_err().reason, JOURNAL_RESTORED);
    assert_eq!(read(0, "nonsense").await.unwrap_err().violations[0].field, "incarnation");
    let page = read(3, "").await.unwrap();
    assert_eq!((page.events.len(), page.head, page.incarnation.as_str()), (3, 6, incarnation.as_str()));
    assert!(page.events.iter().all(|event| event.incarnation == incarnation));
    assert_eq!(read(5, &incarnation).await.unwrap().events.len(), 1);
    assert_eq!(read(0, "").await.unwrap().events.len(), 6);
}
