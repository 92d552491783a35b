//! Services apart whose database was lost and restored to a moment, with a bus that lost all it had.

use std::sync::atomic::Ordering;

use clientele_embedded::{Recovery, Running, Timeline};
use clientele_kernel::{Clock, SystemClock};
use clientele_testkit::eventually_within;

use super::{
    LETTERS, Load, archived, big_spenders, held_letters, letters, mail_server_with_a_door, members,
    one_can_be_released, refused, restored, same_sales, tell_restored,
};
use crate::house::{Form, GATEWAY, House, Options, SERVICES, run};
use crate::shop::{CAUGHT_UP, Sale, customers};

#[tokio::test(flavor = "multi_thread")]
async fn services_apart_whose_database_and_bus_were_lost_are_restored_to_a_moment_and_send_no_letter_again() {
    let (server, open, settings) = mail_server_with_a_door().await;
    let options = Options { settings, archived: true, ..Options::default() };
    let mut house = House::start_with(Form::Apart, options).await;
    let client = house.administrator().await;
    let ids = customers(&client, (0..6).map(|n| format!("Buyer {n}"))).await;
    let segment = big_spenders(&client).await;
    letters(&client, LETTERS).await;
    let shop = Load::begin(client.clone(), ids.clone());
    shop.sold(10).await;
    let running = Running::find(house.cluster_folder()).expect("it can be looked for").expect("the database runs");
    let copy = house.folder().join("copy");
    running.copy(&copy).await.expect("a running database can be copied");
    shop.sold(shop.number().await + 5).await;
    let mut books = shop.end().await;
    let moment = SystemClock.now();

    // What comes after the moment will not have been.
    open.store(true, Ordering::Release);
    let after = Load::begin_at(client.clone(), ids.clone(), 1000);
    after.sold(10).await;
    after.end().await;
    let later = house.administrator().await;
    later.get("/v1/session").await.ok();
    eventually_within(CAUGHT_UP, "the letters' being sent", || async { (server.count() == LETTERS).then_some(()) })
        .await;
    archived(&house).await;

    // Everything is lost. One service is forgotten when they are stopped.
    let forgotten = "analytics";
    let parts = || SERVICES.into_iter().filter(|service| *service != forgotten).chain([GATEWAY]);
    for part in parts() {
        house.stop_service(part).await;
    }
    house.destroy_postgres().await;
    house.empty_nats().await;
    let recovery = Recovery {
        copy,
        version: running.version,
        wal_archive: Some(house.wal_archive()),
        timeline: Timeline::Own,
        to: Some(moment.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string()),
    };
    house.recover_postgres(recovery).await;
    let url = house.migration_url();
    eventually_within(CAUGHT_UP, "the forgotten service's coming back", || async {
        let sessions = "select count(*) from pg_stat_activity where usename = 'clientele_analytics_runtime'";
        let sessions: i64 = sqlx::query_scalar(sessions).fetch_one(&mut house.database(None).await).await.ok()?;
        (sessions > 0).then_some(())
    })
    .await;
    let told = tell_restored(&url, &[]).await;
    refused(&told, "services are connected to the restored database: analytics (");
    assert!(!told.log.contains("orders ("), "{}", told.log);
    house.stop_service(forgotten).await;
    let told = restored(&url, &[]).await.output;
    assert!(
        told.contains("messaging: 5 letters that waited are held") && told.contains("sessions are ended"),
        "{told}"
    );
    // The streams are made anew.
    let bus = [("CLIENTELE_DATABASE__MIGRATION_URL", Some(url.clone())), ("CLIENTELE_BUS__URL", house.nats_url())];
    let bus = bus.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let kind = ("CLIENTELE_BUS__KIND".to_owned(), "jetstream".to_owned());
    run("clientele", &["migrate"], &bus.chain([kind]).collect::<Vec<_>>()).await.succeeded();
    let all: Vec<&str> = SERVICES.into_iter().chain([GATEWAY]).collect();
    house.start_services(&all).await;

    for session in [client, later] {
        session.get("/v1/session").await.problem(401, "PROOF_REFUSED");
    }
    let client = house.administrator().await;
    same_sales(&client, &books).await;
    books.agree_with_cards(&client, &ids, CAUGHT_UP).await;
    house.verify(&[]).await.succeeded();
    let held = held_letters(&client, &server).await;
    one_can_be_released(&client, &held, &server).await;
    books.sell(&client, &(2000..2010).map(|n| Sale::nth(n, &ids)).collect::<Vec<_>>()).await;
    books.agree_with_cards(&client, &ids, CAUGHT_UP).await;
    members(&client, &segment, &books, &ids).await;
    house.verify(&[]).await.succeeded();

    // Nobody trusts what was kept by events: all of it is made anew.
    for part in &all {
        house.stop_service(part).await;
    }
    let told = restored(&url, &["--forget-all"]).await.output;
    assert!(told.contains("orders: whoever follows it forgets all"), "{told}");
    house.start_services(&all).await;
    let client = house.administrator().await;
    books.sell(&client, &(3000..3005).map(|n| Sale::nth(n, &ids)).collect::<Vec<_>>()).await;
    books.agree_with_cards(&client, &ids, CAUGHT_UP).await;
    members(&client, &segment, &books, &ids).await;
    house.verify(&[]).await.succeeded();
    assert_eq!(server.count(), LETTERS + 1, "letters were sent again");
}
