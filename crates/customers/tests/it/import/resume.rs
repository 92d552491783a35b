//! Runs that are broken off, and go on.

use std::fmt::Write;

use clientele_contracts::customers::v1::{CancelImportRequest, ImportKind, ImportState};
use clientele_testkit::eventually_within;

use super::figures;
use crate::world::World;

fn people(count: usize) -> String {
    (0..count).fold("id,name,email\n".to_owned(), |mut file, i| {
        writeln!(file, "{i},Person {i},p{i}@example.org").unwrap();
        file
    })
}

fn orders(count: usize) -> String {
    (0..count).fold("order_number,date,customer_id,total\n".to_owned(), |mut file, i| {
        writeln!(file, "{i},2020-01-01,{},10.00", i % 700).unwrap();
        file
    })
}

/// Waits until a run has come at least so far.
async fn come_to(world: &World, id: &str, rows: i64) {
    eventually_within(std::time::Duration::from_mins(1), "the run's coming so far", || async {
        let import = world.import(id).await;
        (import.progress.is_some_and(|progress| progress.rows >= rows)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_run_whose_replica_is_gone_goes_on_in_another_exactly_where_it_was() {
    let world = World::new().await;
    let file = people(5000);
    let import = world.upload(ImportKind::Customers, &file).await;
    world.try_start(&import.id, false).await.unwrap();
    come_to(&world, &import.id, 500).await;
    world.kill_importers();
    let left = world.import(&import.id).await;
    assert_ne!(left.state(), ImportState::Done, "it was killed in the middle");
    // Its lease runs out.
    world.database.clock.advance(chrono::TimeDelta::minutes(5));
    world.start_again().await;
    let done = world.ended(&import.id, ImportState::Done).await;
    assert_eq!(figures(done.progress.as_ref()), [5000, 0, 0, 0]);
    assert_eq!(done.progress.unwrap().rows, 5000);
    let list = clientele_contracts::customers::v1::ListCustomersRequest::default();
    assert_eq!(world.list(list).await.total_size, 5000);
}

#[tokio::test]
async fn orders_that_were_sent_before_the_answer_was_lost_are_counted_once() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Orders, orders(1500)).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    // The neighbour does what it is asked and does not say so.
    world.neighbours.known().failures = 3;
    let done = world.run(&import.id).await.progress.unwrap();
    assert_eq!([done.orders_created, done.orders_unchanged, done.created, done.refused], [1500, 0, 700, 0]);
    assert_eq!(world.neighbours.known().orders.len(), 1500);
}

#[tokio::test]
async fn a_run_that_was_stopped_keeps_what_it_wrote_and_goes_on_when_begun_again() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Customers, people(5000)).await;
    world.try_start(&import.id, false).await.unwrap();
    come_to(&world, &import.id, 500).await;
    let stop = CancelImportRequest { id: import.id.clone() };
    let stopped = world.imports().cancel_import(stop).await.unwrap().into_inner();
    assert_eq!(stopped.state(), ImportState::Cancelled);
    let list = clientele_contracts::customers::v1::ListCustomersRequest::default();
    let written = world.list(list).await.total_size;
    assert_eq!(written, stopped.progress.unwrap().created, "what is counted is written, and no more");
    assert!(written < 5000);
    let done = world.run(&import.id).await;
    assert_eq!(figures(done.progress.as_ref()), [5000, 0, 0, 0]);
}

#[tokio::test]
async fn a_missing_part_of_the_file_fails_the_run_instead_of_ending_it() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Customers, people(20_000)).await;
    let done = sqlx::query("delete from customers.import_chunk where ordinal = 1").execute(world.database.db.pool());
    assert_eq!(done.await.unwrap().rows_affected(), 1);
    world.try_start(&import.id, true).await.unwrap();
    let failed = world.ended(&import.id, ImportState::Failed).await;
    assert!(failed.failure.contains("parts of the file are missing"), "{}", failed.failure);
}
