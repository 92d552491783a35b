//! Taking an import back.

use clientele_contracts::customers::v1::{
    CancelImportRequest, DownloadRefusedRowsRequest, GetCustomerRequest, ImportKind, ImportRecorded, ImportState,
    ListCustomersRequest,
};
use clientele_platform::event;
use clientele_testkit::eventually;
use tonic::Code;

use crate::world::{World, email, named};

#[tokio::test]
async fn what_was_created_goes_what_was_changed_is_as_before_and_what_was_touched_stays() {
    let world = World::new().await;
    let mut known = named("Zoe Before");
    known.emails = vec![email("zoe@example.org")];
    let zoe = world.create(known).await;
    let file = "id,name,email\n1,Ann,ann@example.org\n2,Bob,bob@example.org\n3,Cid,cid@example.org\n,Zoe After,zoe@example.org\n";
    let import = world.upload(ImportKind::Customers, file).await;
    let done = world.run(&import.id).await.progress.unwrap();
    assert_eq!([done.created, done.updated], [3, 1]);
    let by_name = |name: &'static str| {
        let world = &world;
        async move {
            let request = ListCustomersRequest { query: name.into(), ..ListCustomersRequest::default() };
            world.list(request).await.customers.pop().unwrap()
        }
    };
    let (mut bob, cid) = (by_name("Bob").await, by_name("Cid").await);
    bob.display_name = "Robert".into();
    world.update(bob, &["display_name"]).await;
    world.neighbours.known().correspondents.insert(cid.id.clone());

    let undone = world.undo(&import.id).await;
    let undo = undone.undo.unwrap();
    assert_eq!([undo.removed, undo.restored, undo.kept], [1, 1, 2]);
    assert!(undo.ended_at.is_some() && undone.file_expires_at.is_none());
    assert_eq!(world.get(&zoe.id).await.display_name, "Zoe Before");
    let mut left = world.search("example.org").await;
    left.sort();
    assert_eq!(left, ["Cid", "Robert", "Zoe Before"]);
    assert_eq!(world.try_start(&import.id, false).await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn orders_go_before_their_customers_and_a_customer_with_another_order_stays() {
    let world = World::new().await;
    let file = "order_number,date,customer_id,total\n1,2020-01-01,a,10\n2,2020-01-01,b,20\n3,2020-01-01,b,30\n";
    let import = world.upload(ImportKind::Orders, file).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    world.run(&import.id).await;
    // Another order of the second customer, made by somebody else.
    let customer = {
        let mut known = world.neighbours.known();
        let (order, _) = known.orders["2"].clone();
        known.orders.insert(
            "by-hand".into(),
            (clientele_contracts::orders::v1::Order { id: "another".into(), ..order.clone() }, 1),
        );
        order.customer_id
    };
    let undo = world.undo(&import.id).await.undo.unwrap();
    assert_eq!([undo.removed, undo.restored, undo.kept], [4, 0, 1], "three orders and a customer go");
    assert_eq!(world.neighbours.known().orders.keys().collect::<Vec<_>>(), ["by-hand"]);
    let get = GetCustomerRequest { id: customer, ..GetCustomerRequest::default() };
    assert!(world.customers().get_customer(get).await.is_ok());
}

#[tokio::test]
async fn each_state_an_import_comes_to_is_told_once_with_its_figures() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Customers, "name\nAnn\nBob\n").await;
    world.trial(&import.id).await;
    world.run(&import.id).await;
    world.undo(&import.id).await;
    let events = world.events().await;
    let mut told: Vec<_> = events
        .iter()
        .filter(|event| event.aggregate_id == import.id)
        .map(|found| (found.aggregate_version, event::decode::<ImportRecorded>(found).unwrap().unwrap()))
        .collect();
    told.sort_by_key(|(version, _)| *version);
    let versions: Vec<i64> = told.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, (1..=8).collect::<Vec<i64>>());
    let states: Vec<_> = told.iter().map(|(_, event)| (event.state(), event.trial)).collect();
    assert_eq!(
        states,
        [
            (ImportState::AwaitingFile, false),
            (ImportState::Ready, false),
            (ImportState::Checking, false),
            (ImportState::Ready, true),
            (ImportState::Running, false),
            (ImportState::Done, false),
            (ImportState::Undoing, false),
            (ImportState::Undone, false),
        ]
    );
    assert_eq!(told[3].1.counts["created"], 2);
    assert_eq!(told[7].1.counts["removed"], 2);
    assert!(world.list(ListCustomersRequest::default()).await.customers.is_empty());
}

#[tokio::test]
async fn orders_whose_answer_was_lost_when_the_run_was_stopped_are_taken_back_too() {
    let world = World::new().await;
    let file = "order_number,date,customer_id,total\n1,2020-01-01,a,10\n2,2020-01-01,b,20\n";
    let import = world.upload(ImportKind::Orders, file).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    // The neighbour does what it is asked and never says so.
    world.neighbours.known().failures = 1000;
    world.try_start(&import.id, false).await.unwrap();
    eventually("the orders' arrival", || async { (world.neighbours.known().orders.len() == 2).then_some(()) }).await;
    world.imports().cancel_import(CancelImportRequest { id: import.id.clone() }).await.unwrap();
    world.neighbours.known().failures = 0;
    let undo = world.undo(&import.id).await.undo.unwrap();
    assert_eq!([undo.removed, undo.restored, undo.kept], [4, 0, 0]);
    assert!(world.neighbours.known().orders.is_empty());
}

#[tokio::test]
async fn orders_that_another_import_has_brought_in_meanwhile_stay_and_none_is_sent_to_be_taken_back() {
    let world = World::new().await;
    let file = "order_number,date,customer_id,total\n1,2020-01-01,a,10\n2,2020-01-01,b,20\n";
    let euro = async |import| world.format(import, |format| format.currency = "EUR".into()).await;
    let [first, gone_on_with] = [
        euro(world.upload(ImportKind::Orders, file).await).await,
        euro(world.upload(ImportKind::Orders, file).await).await,
    ];
    // Both note that there are no such orders, and get no further.
    world.neighbours.known().refusing = true;
    for import in [&first, &gone_on_with] {
        world.try_start(&import.id, false).await.unwrap();
        world.ended(&import.id, ImportState::Failed).await;
    }
    world.neighbours.known().refusing = false;
    let other = euro(world.upload(ImportKind::Orders, file).await).await;
    assert_eq!(world.run(&other.id).await.progress.unwrap().orders_created, 2);

    let sent = world.neighbours.known().batches.len();
    world.undo(&first.id).await;
    let left = {
        let known = world.neighbours.known();
        (known.orders.len(), known.batches.len())
    };
    assert_eq!(left, (2, sent));
    let done = world.run(&gone_on_with.id).await.progress.unwrap();
    assert_eq!([done.orders_created, done.orders_unchanged], [0, 2]);
    world.undo(&gone_on_with.id).await;
    assert_eq!(world.neighbours.known().orders.len(), 2, "they are the other's");
    world.undo(&other.id).await;
    assert!(world.neighbours.known().orders.is_empty());
}

#[tokio::test]
async fn orders_of_a_batch_that_is_said_to_have_failed_for_good_are_taken_back_where_they_were_written() {
    let world = World::new().await;
    // The second order's number is written with a letter and an accent.
    let file = "order_number,date,customer_id,total\n1,2020-01-01,a,10\nN\u{303}-2,2020-01-01,b,20\n";
    let import = world.upload(ImportKind::Orders, file).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    world.neighbours.known().stumbling = true;
    world.try_start(&import.id, false).await.unwrap();
    world.ended(&import.id, ImportState::Failed).await;
    {
        let mut known = world.neighbours.known();
        known.stumbling = false;
        let mut ids: Vec<&str> = known.orders.keys().map(String::as_str).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["1", "\u{d1}-2"], "ids are sent as orders keeps them");
    }
    let undo = world.undo(&import.id).await.undo.unwrap();
    assert_eq!([undo.removed, undo.restored, undo.kept], [4, 0, 0]);
    assert!(world.neighbours.known().orders.is_empty());
    assert_eq!(world.neighbours.known().batches.len(), 1, "nothing was sent again");
}

#[tokio::test]
async fn nothing_that_stood_in_the_file_is_left_when_it_was_taken_back() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Customers, "name,email\nAnn,ann@example.org\nBob,no-address\n").await;
    let done = world.run(&import.id).await;
    assert_eq!(
        (world.refused(&import.id).await.len(), done.columns[0].samples.as_slice()),
        (1, &["Ann".to_owned(), "Bob".to_owned()][..])
    );
    let undone = world.undo(&import.id).await;
    assert!(undone.columns.iter().all(|column| column.samples.is_empty()), "{undone:?}");
    assert!(world.refused(&import.id).await.is_empty());
    let request = DownloadRefusedRowsRequest { import_id: import.id };
    let gone = world.imports().download_refused_rows(request).await.unwrap_err();
    assert_eq!(gone.code(), Code::FailedPrecondition);
}
