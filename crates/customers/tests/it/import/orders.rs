//! Rows that are orders, or lines of them.

use std::collections::BTreeSet;

use clientele_contracts::customers::v1::{ImportKind, ListCustomersRequest};
use clientele_contracts::orders::v1::Order;
use clientele_kernel::{Currency, Decimal, Money};
use tonic::Code;

use super::files::data;
use super::{figures, mapped, warned};
use crate::world::{World, reason};

const ORDERS: &str = "Order No,Date,Client,E-mail,SKU,Qty,Price\n\
                      A-1,03/04/2020,Ann,ann@example.org,CUP,2,\"1,50\"\n\
                      A-2,05/06/2020,Bob,bob@example.org,MUG,1,\"20,00\"\n\
                      A-1,03/04/2020,Ann,ann@example.org,POT,1,\"9,99\"\n\
                      A-3,07/08/2020,Bob,bob@example.org,MUG,none,\"20,00\"\n\
                      A-3,07/08/2020,Bob,bob@example.org,CUP,1,\"1,50\"\n";

fn order(world: &World, id: &str) -> Order {
    world.neighbours.known().orders[id].0.clone()
}

#[tokio::test]
async fn rows_of_one_order_are_one_order_wherever_they_stand_and_it_is_taken_whole_or_not() {
    let world = World::new().await;
    let import = world.upload(ImportKind::Orders, ORDERS).await;
    let wanted = [
        "order.number",
        "order.placed_at",
        "customer.name",
        "customer.email",
        "line.sku",
        "line.quantity",
        "line.unit_price",
    ];
    let import = if mapped(&import) == wanted { import } else { world.map(import, &wanted).await };
    assert_eq!(warned(&import), ["DATE_FORMAT_AMBIGUOUS"], "every date reads both ways");
    let missing = world.preview(&import.id).await.missing;
    assert_eq!(missing.iter().map(|violation| violation.field.as_str()).collect::<Vec<_>>(), ["format.currency"]);
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    assert_eq!(warned(&import), ["DATE_FORMAT_AMBIGUOUS"], "nobody has said it yet");
    let undecided = world.try_start(&import.id, false).await.unwrap_err();
    assert_eq!((undecided.code(), reason(&undecided).as_str()), (Code::FailedPrecondition, "IMPORT_UNDECIDED"));
    assert!(undecided.message().contains("format.date_format: DATE_FORMAT_AMBIGUOUS"), "{undecided:?}");
    let import = world
        .format(import, |format| {
            format.date_format = "%m/%d/%Y".into();
            format.time_zone = "Europe/Madrid".into();
        })
        .await;
    assert!(warned(&import).is_empty(), "a person has said it");
    let first = &world.preview(&import.id).await.rows[0];
    assert_eq!(first.understood["order.placed_at"], "2020-03-03T23:00:00Z");
    assert_eq!(first.understood["line.unit_price"], "1.5 EUR");

    let tried = world.trial(&import.id).await.trial.unwrap();
    assert_eq!([tried.orders_created, tried.created, tried.refused, tried.rows], [2, 2, 2, 5]);
    assert!(
        world.neighbours.known().orders.is_empty()
            && world.list(ListCustomersRequest::default()).await.customers.is_empty()
    );

    let done = world.run(&import.id).await.progress.unwrap();
    assert_eq!([done.orders_created, done.created, done.refused, done.rows], [2, 2, 2, 5]);
    let lines: Vec<_> = order(&world, "A-1").lines.into_iter().map(|l| (l.sku, l.quantity, l.unit_price)).collect();
    assert_eq!(lines, [("CUP".into(), "2".into(), "1.5".into()), ("POT".into(), "1".into(), "9.99".into())]);
    assert_eq!(order(&world, "A-2").status, "completed");
    assert_eq!(world.get(&order(&world, "A-2").customer_id).await.display_name, "Bob");
    let refused = world.refused(&import.id).await;
    assert_eq!(refused.iter().map(|row| row.line).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(refused[0].violations[0].field, "line.quantity");
    assert!(refused[1].violations[0].description.contains("line 5"), "{refused:?}");
    assert_eq!(world.neighbours.known().origins, BTreeSet::from(["import".to_owned()]));

    let again = world.upload(ImportKind::Orders, ORDERS).await;
    let again = world.map(again, &wanted).await;
    let again = world
        .format(again, |format| {
            format.currency = "EUR".into();
            format.date_format = "%m/%d/%Y".into();
            format.time_zone = "Europe/Madrid".into();
        })
        .await;
    let again = world.run(&again.id).await.progress.unwrap();
    assert_eq!([again.orders_unchanged, again.unchanged, again.refused], [2, 2, 2], "the same file changes nothing");
}

#[tokio::test]
async fn an_order_s_total_is_exact_however_many_pieces_share_it() {
    let world = World::new().await;
    let file = "order_number,date,customer_id,qty,total,freight\n1,2020-01-01,7,3,10.00,0\n2,2020-01-01,7,7,100.01,4.5\n3,2020-01-01,,1,-5.00,\n4,2020-01-01,8,1000000000,0.01,\n";
    let import = world.upload(ImportKind::Orders, file).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    let done = world.run(&import.id).await;
    assert_eq!(figures(done.progress.as_ref()), [2, 0, 0, 0]);
    for (id, cents) in [("1", 1000), ("2", 10001), ("3", -500), ("4", 1)] {
        assert_eq!(total(&order(&world, id)), cents, "{id}");
    }
    assert!(order(&world, "3").customer_id.is_empty());
}

fn total(order: &Order) -> i64 {
    let euro = Currency::from_code(&order.currency).unwrap();
    let amount = |line: &clientele_contracts::orders::v1::OrderLine| {
        let (quantity, price): (Decimal, Decimal) = (line.quantity.parse().unwrap(), line.unit_price.parse().unwrap());
        Money::of_product(quantity, price, euro).unwrap().minor
    };
    order.lines.iter().map(amount).sum()
}

#[tokio::test]
async fn what_orders_refuses_is_told_with_the_row_and_the_rest_is_taken() {
    let world = World::new().await;
    let file = "order_number,date,total,status\n1,2020-01-01,10,unheard_of\n2,2020-01-01,20,\n,2020-01-01,20,\n";
    let import = world.upload(ImportKind::Orders, file).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    let done = world.run(&import.id).await.progress.unwrap();
    assert_eq!([done.orders_created, done.refused, done.rows], [1, 2, 3]);
    let refused = world.refused(&import.id).await;
    let fields: Vec<_> = refused.iter().map(|row| (row.line, row.violations[0].field.as_str())).collect();
    assert_eq!(fields, [(2, "order.status"), (4, "order.number")]);
}

#[tokio::test]
async fn a_number_that_no_order_can_have_is_refused_with_its_row_in_the_trial_and_in_the_run() {
    let world = World::new().await;
    // The second is one letter that takes two when it is composed, the third a line within a line.
    let long = "\u{958}".repeat(150);
    let file = format!(
        "order_number,order_id,date,total\n,1,2020-01-01,10\n,{long},2020-01-01,20\n,a\u{2028}b,2020-01-01,20\n"
    );
    let import = world.upload(ImportKind::Orders, &file).await;
    let import = world.map(import, &["order.number", "order.external_id", "order.placed_at", "order.total"]).await;
    let import = world.format(import, |format| format.currency = "EUR".into()).await;
    let tried = world.trial(&import.id).await.trial.unwrap();
    let done = world.run(&import.id).await.progress.unwrap();
    for run in [tried, done] {
        assert_eq!([run.orders_created, run.refused, run.rows], [1, 2, 3]);
    }
    let refused = world.refused(&import.id).await;
    let told: Vec<_> = refused
        .iter()
        .map(|row| (row.line, row.violations[0].field.as_str(), row.violations[0].reason.as_str()))
        .collect();
    assert_eq!(told, [(3, "order.number", "VALUE_TOO_LONG"), (4, "order.number", "CONTROL_CHARACTER")]);
}

#[tokio::test]
async fn orders_need_the_permission_to_bring_orders_in() {
    let world = World::new().await;
    let user = "01900000-0000-7000-8000-000000000099";
    let token = world.harness.issuer.token(clientele_kernel::ActorKind::User, user, &["customers.customer.import"]);
    let mut client = clientele_contracts::customers::v1::imports_client::ImportsClient::new(
        world.harness.client_as("customers", &token),
    );
    let request = clientele_contracts::customers::v1::CreateImportRequest {
        kind: ImportKind::Orders.into(),
        file_name: "f".into(),
        request_id: String::new(),
    };
    let id = client.create_import(request).await.unwrap().into_inner().id;
    let request = clientele_contracts::customers::v1::StartImportRequest { id, trial: true };
    assert_eq!(client.start_import(request).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_real_file_of_seventy_thousand_purchases_comes_out_to_the_cent() {
    let Some(data) = data() else { return };
    let world = World::new().await;
    let bytes = std::fs::read(data.join("cdnow/CDNOW_master.txt.gz")).unwrap();
    let import = world.upload(ImportKind::Orders, &bytes).await;
    assert_eq!(mapped(&import), ["customer.external_id", "order.placed_at", "line.quantity", "order.total"]);
    let import = world.format(import, |format| format.currency = "USD".into()).await;
    let done = world.run(&import.id).await.progress.unwrap();
    assert_eq!([done.rows, done.orders_created, done.created, done.refused], [69_659, 69_659, 23_570, 0]);

    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut text).unwrap();
    let dollars = text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(3));
    let cents: i64 = dollars.map(|text| text.replace('.', "").parse::<i64>().unwrap()).sum();
    let known = world.neighbours.known();
    assert_eq!(known.orders.values().map(|(order, _)| total(order)).sum::<i64>(), cents);
    let buyers: BTreeSet<&str> = known.orders.values().map(|(order, _)| order.customer_id.as_str()).collect();
    assert_eq!(buyers.len(), 23_570);
}
