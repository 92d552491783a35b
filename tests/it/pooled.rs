//! A `PgBouncer` that gives out connections by the transaction, between the services and their database.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clientele_platform::postgres::runtime_role;
use clientele_testkit::eventually_within;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::house::{Faults, Form, House, Options, password, statements};
use crate::shop::{Books, CAUGHT_UP, FRESH, Refund, Sale, customers, moment};

#[test]
fn statements_without_a_name_are_of_a_transaction() {
    let mut found = 0;
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")) {
        let text = std::fs::read_to_string(&file).expect("a source can be read");
        for rest in text.split(".persistent(false)").skip(1) {
            let statement = rest.split(';').next().unwrap_or_default();
            assert!(!statement.contains("pool"), "{}: {statement}", file.display());
            found += 1;
        }
    }
    assert!(found > 0, "there are none any more: this test is done with");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be read").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let wanted = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let below = folders.iter().filter(|folder| !folder.ends_with("node_modules")).flat_map(|folder| sources(folder));
    files.into_iter().filter(wanted).chain(below).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn services_work_behind_a_pooler_and_get_over_its_end() {
    let faults = Faults { twice: vec!["orders"], ..Faults::default() };
    let mut house =
        House::start_with(Form::Apart, Options { faults, pooled: true, tls: true, ..Options::default() }).await;
    let client = house.administrator().await;
    let ids = customers(&client, (0..6).map(|n| format!("Buyer {n}"))).await;
    let sales: Vec<Sale> = (0..120).map(|n| Sale::nth(n, &ids)).collect();
    let mut books = Books::default();
    // Many small requests at once: transactions of one connection of a service meet many of the database.
    let (first, rest) = sales.split_at(60);
    for part in first.chunks(10) {
        books.sell(&client, part).await;
    }
    books.agree_with_cards(&client, &ids, FRESH).await;

    house.kill9_bouncer().await;
    let answer = client.get("/v1/orders?pageSize=1").await;
    assert!(answer.status.is_server_error(), "{answer:?}");
    house.start_bouncer().await;
    eventually_within(CAUGHT_UP, "orders with the pooler back", || async {
        client.get("/v1/orders?pageSize=1").await.status.is_success().then_some(())
    })
    .await;
    for part in rest.chunks(5) {
        books.sell(&client, part).await;
    }
    let refund = Refund {
        number: "R-1".to_owned(),
        customer_id: ids[0].clone(),
        issued_at: moment(500),
        currency: "EUR",
        lines: vec![("SKU-1".to_owned(), 1, 150)],
    };
    eventually_within(CAUGHT_UP, "the house's being whole again", || async {
        client.get("/v1/customers?pageSize=1").await.status.is_success().then_some(())
    })
    .await;
    books.refund(&client, &[refund]).await;
    books.agree_with_cards(&client, &ids, CAUGHT_UP).await;
    house.verify(&[]).await.succeeded();

    // Who does not know the password of a role, or would do without TLS, is not let in.
    let url = house.process("orders").environment().iter().rev().find(|(key, _)| key == "CLIENTELE_DATABASE__URL");
    let url = &url.expect("it has a database").1;
    connect(url).await.expect("with password and TLS it is let in").close().await.expect("it closes");
    for (wrong, said) in [
        (url.replace(&password("orders"), &password("customers")), "SASL authentication failed"),
        (url.replace("sslmode=verify-full", "sslmode=disable"), "SSL required"),
    ] {
        let error = connect(&wrong).await.map(drop).expect_err("a stranger is let in");
        assert!(error.to_string().contains(said), "{error}");
    }
    a_pooler_that_asks_for_passwords_lets_in_the_same(&house).await;

    // All that came through was pooled: of a role there are no more connections than the pool has, each over TLS.
    let mut database = house.database(None).await;
    let plain: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity join pg_stat_ssl using (pid)
         where usename like 'clientele_%_runtime' and not ssl",
    )
    .fetch_one(&mut database)
    .await
    .expect("there are connections");
    assert_eq!(plain, 0, "the pooler speaks to PostgreSQL without TLS");
    let (role, most): (String, i64) = sqlx::query_as(
        "select usename::text, count(*) from pg_stat_activity where usename like 'clientele_%_runtime'
         group by usename order by count(*) desc limit 1",
    )
    .fetch_one(&mut database)
    .await
    .expect("there are connections");
    assert!(most <= 5, "{role} has {most} connections");
    let logs = house.logs();
    let lost = logs.iter().flat_map(|(_, log)| log.lines()).find(|line| line.contains("prepared statement"));
    assert_eq!(lost, None, "a statement was not found where it was looked for");
    tokio::time::timeout(Duration::from_secs(5), client.get("/v1/orders?pageSize=1")).await.expect("it answers").ok();
}

async fn a_pooler_that_asks_for_passwords_lets_in_the_same(house: &House) {
    let (mut asking, url) = house.asking_bouncer("orders").await;
    let (role, second) = (runtime_role("orders"), "clientele_orders2_runtime");
    // The second role by which a password is replaced, as keys.md has it.
    let document = include_str!("../../deploy/keys.md");
    let mut superuser = house.database(None).await;
    for begin in [format!("create role {second}"), format!("alter role {second} in database")] {
        let statements = statements(document, &begin).replace('…', &password("orders"));
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut superuser).await.expect("as documented");
    }
    superuser.close().await.expect("a connection closes");
    for url in [&url, &url.replace(&role, second)] {
        let mut through = connect(url).await.expect("a service is let in");
        let settings: Vec<String> = sqlx::query_scalar(
            "select current_setting(name) from unnest(array['role', 'search_path', 'statement_timeout', 'lock_timeout',
             'idle_in_transaction_session_timeout']) with ordinality as wanted (name, at) order by at",
        )
        .fetch_all(&mut through)
        .await
        .expect("the settings can be asked for");
        assert!(settings[0] == "none" || settings[0] == role, "{url} is of {}", settings[0]);
        assert_eq!(settings[1..], ["orders, public", "5s", "3s", "1min"], "as deploy/pgbouncer.md gives them to roles");
        through.close().await.expect("a connection closes");
    }
    // It asks for roles of services alone.
    for (wrong, said) in [
        (url.replace(&password("orders"), &password("customers")), "SASL authentication failed"),
        (url.replace(&role, "postgres"), "no such user"),
    ] {
        let error = connect(&wrong).await.map(drop).expect_err("a stranger is let in");
        assert!(error.to_string().contains(said), "{error}");
    }
    asking.kill9().await;
}

/// As a service does: a pooler takes no settings of a connection.
async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect_with(&url.parse::<PgConnectOptions>()?.extra_float_digits(None)).await
}
