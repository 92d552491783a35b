//! `clientele doctor`: each thing is broken for real, and named.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clientele_embedded::scratch_dir;
use clientele_testkit::SmtpServer;
use serde_json::Value;

use crate::house::{Form, House, SERVICES, database_url, free_port, run, secret};

type Environment = Vec<(String, String)>;

#[tokio::test]
async fn the_doctor_names_what_is_wrong_on_the_machine_of_a_house_in_one_process() {
    let folder = scratch_dir().expect("the temporary folder is writable");
    let data = folder.path().join("data");
    let data = data.to_str().expect("the path is text");
    let listen = format!("127.0.0.1:{}", free_port());
    let house = |more: &[(&str, &str)]| -> Environment {
        more.iter().map(|(key, value)| (format!("CLIENTELE_{key}"), (*value).to_owned())).collect()
    };
    let whole = ["--data-dir", data, "--listen", &listen];
    well(&whole, &[]).await;

    let wrong = house(&[("SERVER__LISTEN", "somewhere")]);
    let told = finding(&whole, &wrong, "configuration").await;
    assert!(told["what"].as_str().expect("it is text").contains("server.listen"), "{told}");

    let taken = TcpListener::bind(&listen).expect("the port is free");
    finding(&whole, &[], "port").await;
    drop(taken);

    finding(&["--data-dir", "/proc/clientele", "--listen", &listen], &[], "data_dir").await;

    let key = folder.path().join("key");
    std::fs::write(&key, STANDARD.encode([7; 32])).expect("a file can be written");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("rights can be set");
    let file = house(&[("SECRETS__MASTER_KEY_FILE", key.to_str().expect("the path is text"))]);
    finding(&whole, &file, "secret_file_open").await;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("rights can be set");
    well(&whole, &file).await;

    // Data without the key that they are sealed under.
    let cluster = folder.path().join("data/postgres/cluster");
    std::fs::create_dir_all(&cluster).expect("a folder can be made");
    std::fs::write(cluster.join("PG_VERSION"), "9\n").expect("a file can be written");
    let told = findings(&whole, &[]).await;
    assert!(ids(&told).contains(&"master_key") && ids(&told).contains(&"cluster"), "{told:?}");
    std::fs::remove_dir_all(folder.path().join("data")).expect("a folder can be removed");

    let mail = |port: u16, tls: &str| {
        house(&[
            ("MESSAGING__SMTP_HOST", "127.0.0.1"),
            ("MESSAGING__SMTP_PORT", &port.to_string()),
            ("MESSAGING__SMTP_TLS", tls),
        ])
    };
    finding(&whole, &mail(free_port(), "none"), "mail").await;
    let server = SmtpServer::good().await;
    well(&whole, &mail(server.port(), "none")).await;
    let told = finding(&whole, &mail(server.port(), "starttls"), "mail").await;
    assert!(told["what"].as_str().expect("it is text").contains("STARTTLS"), "{told}");
    assert_eq!(server.count(), 0, "nothing is sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_names_what_is_wrong_around_a_service() {
    let house = House::start(Form::Apart).await;
    let right = environment(&house);
    let with = |key: &str, value: &str| {
        let mut changed = right.clone();
        changed.retain(|(known, _)| *known != format!("CLIENTELE_{key}"));
        changed.push((format!("CLIENTELE_{key}"), value.to_owned()));
        changed
    };
    let orders = ["--service", "orders"];
    well(&orders, &right).await;

    let nowhere = format!("127.0.0.1:{}", free_port());
    finding(
        &orders,
        &with("DATABASE__URL", &format!("postgres://clientele_orders_runtime@{nowhere}/clientele")),
        "database",
    )
    .await;
    finding(&orders, &with("BUS__URL", &format!("nats://{nowhere}")), "bus").await;
    let told = finding(&orders, &with("SERVICES__CUSTOMERS", &format!("http://{nowhere}")), "service").await;
    assert!(told["what"].as_str().expect("it is text").contains("customers"), "{told}");
    finding(&orders, &with("SECRETS__SERVICE_SECRET", "another secret of the same length and more"), "service_secret")
        .await;
    finding(&orders, &with("SECRETS__MASTER_KEY", &STANDARD.encode([8; 32])), "master_key").await;
    finding(&orders, &with("DATABASE__URL", &house.migration_url()), "role").await;
    finding(&orders, &with("DATABASE__MAX_CONNECTIONS", "900"), "connections").await;

    let mut database = house.database(None).await;
    let mut change = async |statement: &'static str| {
        sqlx::raw_sql(statement).execute(&mut database).await.expect("the database can be broken");
    };
    change("update orders._sqlx_migrations set success = false where version = 20261122030000").await;
    finding(&orders, &right, "migrations").await;
    change("update orders._sqlx_migrations set success = true").await;
    change(
        "insert into orders._sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
         select 29990101000000, 'of a later version', installed_on, true, checksum, 0 from orders._sqlx_migrations limit 1",
    )
    .await;
    finding(&orders, &right, "migrations_ahead").await;
    change("delete from orders._sqlx_migrations where version = 29990101000000").await;
    change("grant usage on schema customers to clientele_orders_runtime").await;
    finding(&orders, &right, "role").await;
    change("revoke usage on schema customers from clientele_orders_runtime").await;
    well(&orders, &right).await;
}

/// What `orders` is given, but for the port, which it has itself.
fn environment(house: &House) -> Environment {
    let mut environment = Vec::new();
    let mut set = |key: &str, value: String| environment.push((format!("CLIENTELE_{key}"), value));
    for service in SERVICES {
        set(&format!("SERVICES__{}", service.to_uppercase()), house.address(service));
    }
    set("SERVER__LISTEN", format!("127.0.0.1:{}", free_port()));
    set("BUS__KIND", "jetstream".to_owned());
    set("BUS__URL", house.nats_url().expect("services apart have NATS"));
    set("DATABASE__URL", database_url(&house.database_at().0, "clientele_orders_runtime"));
    set("SECRETS__MASTER_KEY", STANDARD.encode([9; 32]));
    set("SECRETS__SERVICE_SECRET", secret("orders"));
    environment
}

async fn ask(arguments: &[&str], environment: &[(String, String)]) -> (bool, Value) {
    let arguments: Vec<&str> = ["doctor", "--format", "json"].iter().chain(arguments).copied().collect();
    let ended = run("clientele", &arguments, environment).await;
    let told =
        serde_json::from_str(&ended.output).unwrap_or_else(|_| panic!("no report: {}\n{}", ended.output, ended.log));
    (ended.status.success(), told)
}

async fn findings(arguments: &[&str], environment: &[(String, String)]) -> Vec<Value> {
    let (well, told) = ask(arguments, environment).await;
    let found = told["findings"].as_array().expect("a report has findings").clone();
    assert_eq!(well, found.is_empty(), "{told}");
    found
}

async fn well(arguments: &[&str], environment: &[(String, String)]) {
    let found = findings(arguments, environment).await;
    assert!(found.is_empty(), "{found:?}");
}

/// The one thing that is found.
async fn finding(arguments: &[&str], environment: &[(String, String)], id: &str) -> Value {
    let found = findings(arguments, environment).await;
    assert_eq!(ids(&found), [id], "{found:?}");
    assert!(
        ["what", "why", "todo"].iter().all(|part| found[0][part].as_str().is_some_and(|text| !text.is_empty())),
        "{found:?}"
    );
    found[0].clone()
}

fn ids(found: &[Value]) -> Vec<&str> {
    found.iter().filter_map(|finding| finding["id"].as_str()).collect()
}
