//! The passwords by which a service proves itself to PostgreSQL and to NATS, replaced as `deploy/keys.md` says.

use clientele_testkit::eventually_within;
use sqlx::{Connection as _, PgConnection};

use super::{Traffic, replicas, roll};
use crate::house::{Faults, Form, House, Options, password};
use crate::shop::{Books, CAUGHT_UP, Sale, customers};

#[tokio::test(flavor = "multi_thread")]
async fn passwords_at_the_database_and_at_nats_are_replaced_replica_by_replica_while_requests_go_on() {
    let faults = Faults { twice: vec!["orders"], ..Faults::default() };
    let options = Options { faults, tls: true, metrics: true, ..Options::default() };
    let mut house = House::start_with(Form::Apart, options).await;
    let client = house.administrator().await;
    let ids = customers(&client, (0..4).map(|n| format!("Buyer {n}"))).await;
    let traffic = Traffic::begin(&client, &ids).await;
    let first = variable(&house, "CLIENTELE_DATABASE__URL");

    // A second role for the time in which the password of the first one changes.
    let (old, new) = (password("orders"), "5f2e0c9d11aa77");
    let between = first.replace("clientele_orders_runtime", "clientele_orders2_runtime").replace(&old, "between");
    superuser(
        &house,
        "create role clientele_orders2_runtime login password 'between' in role clientele_orders_runtime;
         alter role clientele_orders2_runtime set role clientele_orders_runtime;",
    )
    .await;
    roll(&mut house, "orders", &[("DATABASE__URL", &between)]).await;
    eventually_within(CAUGHT_UP, "the first role's being left", || async {
        (sessions(&house, "clientele_orders_runtime").await == 0).then_some(())
    })
    .await;
    assert!(sessions(&house, "clientele_orders2_runtime").await > 0, "nobody works as the second role");
    superuser(&house, &format!("alter role clientele_orders_runtime password '{new}'")).await;
    let last = first.replace(&old, new);
    roll(&mut house, "orders", &[("DATABASE__URL", &last)]).await;
    superuser(&house, "drop role clientele_orders2_runtime").await;
    PgConnection::connect(&first).await.expect_err("the old password is taken");
    traffic.go_on(40).await;

    // The bus is away for a moment, and then without this service until it knows the new password.
    house.replace_password_at_nats("orders", new).await;
    eventually_within(CAUGHT_UP, "its being refused", || async {
        let refused = |program: &String| house.process(program).log().to_lowercase().contains("authorization");
        let told = replicas("orders").iter().all(refused);
        told.then_some(())
    })
    .await;
    traffic.go_on(40).await;
    roll(&mut house, "orders", &[("BUS__PASSWORD", new)]).await;
    traffic.go_on(40).await;
    traffic.ends_well().await;
    house.verify(&["--quick"]).await.succeeded();
    let mut books = Books::default();
    let buyer = customers(&client, ["Who Came Last".to_owned()]).await;
    books.sell(&client, &(0..3).map(|n| Sale::nth(n, &buyer)).collect::<Vec<_>>()).await;
    books.agree_with_cards(&client, &buyer, CAUGHT_UP).await;
}

/// What a program is told at its start.
fn variable(house: &House, name: &str) -> String {
    let environment = house.process("orders").environment();
    // The last one holds.
    let found = environment.iter().rfind(|(key, _)| key == name);
    found.unwrap_or_else(|| panic!("it is not told {name}")).1.clone()
}

async fn superuser(house: &House, statements: &str) {
    let mut database = house.database(None).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(&mut database).await.expect("the superuser may");
}

async fn sessions(house: &House, role: &str) -> i64 {
    let asked = "select count(*) from pg_stat_activity where usename = $1";
    sqlx::query_scalar(asked).bind(role).fetch_one(&mut house.database(None).await).await.expect("it can be asked")
}
