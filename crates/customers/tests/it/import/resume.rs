//! Runs that are broken off, and go on.

use std::fmt::Write;

use clientele_contracts::customers::v1::{CancelImportRequest, ImportKind, ImportState};
use clientele_testkit::{eventually, eventually_within};

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
async fn orders_whose_answer_is_known_no_longer_are_still_the_import_s_and_can_be_taken_back() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Orders, orders(1200)).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    // The neighbour does what it is asked and never says so.
    world.neighbours.known().failures = u32::MAX;
    world.try_start(&import.id, false).await.unwrap();
    eventually("the orders' arrival", || async { (!world.neighbours.known().orders.is_empty()).then_some(()) }).await;
    world.kill_importers();
    let touched = {
        let mut known = world.neighbours.known();
        assert_eq!(known.orders.len(), 500, "one batch has come");
        // Somebody else changes one of them to and fro meanwhile.
        let touched = known.orders.keys().next().unwrap().clone();
        known.orders.get_mut(&touched).unwrap().1 = 3;
        known.failures = 0;
        known.forget_answers();
        touched
    };
    world.database.clock.advance(chrono::TimeDelta::hours(30));
    world.start_again().await;
    let done = world.ended(&import.id, ImportState::Done).await.progress.unwrap();
    assert_eq!([done.orders_created, done.orders_unchanged, done.rows], [1199, 1, 1200]);
    let undo = world.undo(&import.id).await.undo.unwrap();
    assert_eq!([undo.removed, undo.kept], [1199 + 699, 2], "the order that was touched stays, with its customer");
    assert_eq!(world.neighbours.known().orders.keys().collect::<Vec<_>>(), [&touched]);
}

#[tokio::test]
async fn an_order_that_somebody_else_has_changed_is_not_the_import_s_because_it_is_as_the_file_says() {
    let world = World::new().await;
    let euro = async |import| world.format(import, |format| format.currency = "EUR".into()).await;
    let before = euro(world.upload(ImportKind::Orders, orders(1)).await).await;
    world.run(&before.id).await;
    let import = euro(world.upload(ImportKind::Orders, orders(1)).await).await;
    world.neighbours.known().refusing = true;
    world.try_start(&import.id, false).await.unwrap();
    world.ended(&import.id, ImportState::Failed).await;
    {
        // A colleague changes what the file does not tell of.
        let mut known = world.neighbours.known();
        known.refusing = false;
        known.orders.get_mut("0").unwrap().1 = 2;
    }
    let done = world.run(&import.id).await.progress.unwrap();
    assert_eq!([done.orders_updated, done.orders_unchanged], [0, 1]);
}

#[tokio::test]
async fn a_batch_that_takes_too_long_is_sent_in_smaller_ones_and_counted_once() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Orders, orders(1200)).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    world.neighbours.known().most_at_once = Some(150);
    let done = world.run(&import.id).await.progress.unwrap();
    assert_eq!([done.orders_created, done.orders_unchanged, done.rows], [1200, 0, 1200]);
    let undo = world.undo(&import.id).await.undo.unwrap();
    assert_eq!([undo.removed, undo.kept], [1200 + 700, 0]);
}

#[tokio::test]
async fn a_run_waits_for_a_service_that_is_away_and_goes_on_when_it_is_back() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Orders, orders(10)).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    world.neighbours.known().away = true;
    world.try_start(&import.id, false).await.unwrap();
    eventually("three attempts", || async { (world.neighbours.known().calls >= 3).then_some(()) }).await;
    assert_eq!(world.import(&import.id).await.state(), ImportState::Running);
    world.neighbours.known().away = false;
    let done = world.ended(&import.id, ImportState::Done).await.progress.unwrap();
    assert_eq!([done.orders_created, done.rows], [10, 10]);
}

#[tokio::test]
async fn a_run_that_is_refused_for_good_fails_at_once_says_why_and_can_be_gone_on_with() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Orders, orders(10)).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    world.neighbours.known().refusing = true;
    world.try_start(&import.id, false).await.unwrap();
    let failed = world.ended(&import.id, ImportState::Failed).await;
    assert!(failed.failure.contains("nothing of this is wanted"), "{}", failed.failure);
    assert_eq!(world.neighbours.known().batches.len(), 1, "what is refused for good is not asked again");
    world.neighbours.known().refusing = false;
    let done = world.run(&import.id).await;
    assert_eq!((done.progress.unwrap().orders_created, done.failure.as_str()), (10, ""));
}

#[tokio::test]
async fn a_run_stops_when_whoever_began_it_may_not_any_more() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Customers, people(5000)).await;
    world.try_start(&import.id, false).await.unwrap();
    come_to(&world, &import.id, 500).await;
    world.identity.allow_only(&["customers.customer.read"]);
    world.database.clock.advance(chrono::TimeDelta::minutes(6));
    let stopped = world.ended(&import.id, ImportState::Failed).await;
    assert!(stopped.failure.contains("`customers.customer.import`"), "{}", stopped.failure);
    assert_eq!(stopped.failure_reason, "IMPORT_NOT_ALLOWED");
    assert!(stopped.progress.unwrap().rows < 5000);

    world.try_start(&import.id, false).await.unwrap();
    world.ended(&import.id, ImportState::Failed).await;
    world.identity.allow_all();
    let done = world.run(&import.id).await;
    assert_eq!(figures(done.progress.as_ref()), [5000, 0, 0, 0]);
}

#[tokio::test]
async fn a_run_that_was_allowed_goes_on_while_identity_is_away_for_some_time() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Customers, people(5000)).await;
    world.try_start(&import.id, false).await.unwrap();
    come_to(&world, &import.id, 500).await;
    world.identity.is_away(true);
    world.database.clock.advance(chrono::TimeDelta::minutes(6));
    let rows = world.import(&import.id).await.progress.unwrap().rows;
    assert!(rows < 5000, "it is asked about again before the end");
    let done = world.ended(&import.id, ImportState::Done).await;
    assert_eq!(figures(done.progress.as_ref()), [5000, 0, 0, 0]);
}

#[tokio::test]
async fn orders_are_brought_in_as_long_as_both_rights_are_there() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Orders, orders(10)).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    world.identity.allow_only(&["customers.customer.import"]);
    world.try_start(&import.id, false).await.unwrap();
    let stopped = world.ended(&import.id, ImportState::Failed).await;
    assert!(stopped.failure.contains("`orders.order.import`"), "{}", stopped.failure);
    world.identity.allow_only(&["customers.customer.import", "orders.order.import"]);
    assert_eq!(world.run(&import.id).await.progress.unwrap().orders_created, 10);
}

#[tokio::test]
async fn a_run_that_found_another_number_of_rows_than_the_file_has_fails() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Customers, people(3)).await;
    let set = |path: &'static str, value: &'static str| {
        sqlx::query("update customers.import set look = jsonb_set(look, array[$1], $2::jsonb)").bind(path).bind(value)
    };
    set("total_rows", "7").execute(world.database.db.pool()).await.unwrap();
    world.try_start(&import.id, true).await.unwrap();
    let failed = world.ended(&import.id, ImportState::Failed).await;
    assert!(failed.failure.contains("3 of 7 rows were found"), "{}", failed.failure);

    // Rows behind what was looked at are counted by the run.
    set("uncounted", "true").execute(world.database.db.pool()).await.unwrap();
    let started = world.try_start(&import.id, true).await.unwrap();
    assert_eq!(started.trial.unwrap().total_rows, 0);
    let tried = world.ended(&import.id, ImportState::Ready).await.trial.unwrap();
    assert_eq!((tried.rows, tried.total_rows), (3, 3));
    assert_eq!(world.try_start(&import.id, false).await.unwrap().progress.unwrap().total_rows, 3, "by now it is known");
    world.ended(&import.id, ImportState::Done).await;
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
