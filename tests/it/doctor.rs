//! `clientele doctor`: each thing is broken for real, and named.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clientele_embedded::scratch_dir;
use clientele_platform::grpc::{self, ServerOptions};
use clientele_platform::install_crypto;
use clientele_platform::tls::{Acceptor, Files};
use clientele_testkit::SmtpServer;
use futures::StreamExt as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::server::HealthReporter;

use crate::house::{Form, HOST, House, SERVICES, Seal, database_url, free_port, run, secret, start_nats};

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
    // Neither a file that is not there nor a folder in its place can be read, nor, but by the superuser, one without rights.
    let missing = folder.path().join("missing");
    for unreadable in [missing.as_path(), folder.path()] {
        let text = unreadable.to_str().expect("the path is text");
        let told = finding(&whole, &house(&[("SECRETS__MASTER_KEY_FILE", text)]), "configuration").await;
        let read = format!("cannot read {text}, which `secrets.master_key_file` names: ");
        assert!(told["what"].as_str().expect("it is text").starts_with(&read), "{told}");
        let told = finding(&whole, &house(&[("BUS__CREDENTIALS_FILE", text)]), "file_unreadable").await;
        assert!(told["what"].as_str().expect("it is text").contains(&format!("names {text}, ")), "{told}");
    }
    if !nix::unistd::geteuid().is_root() {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o000)).expect("rights can be set");
        finding(&whole, &file, "configuration").await;
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("rights can be set");
    }

    // The certificate that the program is to show.
    let seal = Seal::new(&folder.path().join("seal"));
    for part in ["gateway", "other"] {
        seal.certify(part, HOST);
    }
    let shows = |certificate: PathBuf, key: PathBuf| {
        house(&[
            ("SERVER__TLS_CERTIFICATE_FILE", certificate.to_str().expect("the path is text")),
            ("SERVER__TLS_KEY_FILE", key.to_str().expect("the path is text")),
        ])
    };
    for part in ["gateway", "other"] {
        std::fs::set_permissions(seal.key(part), std::fs::Permissions::from_mode(0o600)).expect("rights can be set");
    }
    well(&whole, &shows(seal.certificate("gateway"), seal.key("gateway"))).await;
    finding(&whole, &shows(seal.certificate("gateway"), seal.key("other")), "certificate").await;
    finding(&whole, &shows(missing.clone(), seal.key("other")), "certificate").await;

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

#[tokio::test]
async fn the_doctor_speaks_plainly_where_nothing_else_is_asked_for() {
    let folder = scratch_dir().expect("the temporary folder is writable");
    let data = folder.path().join("data");
    let data = data.to_str().expect("the path is text");
    let listen = format!("127.0.0.1:{}", free_port());
    let whole = ["doctor", "--data-dir", data, "--listen", &listen];
    let ended = run("clientele", &whole, &[]).await.succeeded();
    let lines: Vec<&str> = ended.output.lines().collect();
    assert!(lines.contains(&"fine: the configuration can be read"), "{}", ended.output);
    assert!(lines.contains(&format!("fine: {listen} is free to listen on").as_str()), "{}", ended.output);
    assert!(lines.iter().all(|line| line.starts_with("fine: ")), "{}", ended.output);

    let _taken = TcpListener::bind(&listen).expect("the port is free");
    let ended = run("clientele", &whole, &[]).await;
    assert_eq!(ended.status.code(), Some(1));
    let told: Vec<&str> = ended.output.lines().skip_while(|line| !line.is_empty()).skip(1).collect();
    assert_eq!(told.len(), 3, "{}", ended.output);
    assert!(
        told[0].starts_with(&format!("not fine: `server.listen` is {listen}, where nobody can listen: ")),
        "{}",
        told[0]
    );
    assert!(told[1].starts_with("  why it matters: the program does not start"), "{}", told[1]);
    assert!(told[2].starts_with("  what to do: stop who listens there"), "{}", told[2]);
    assert!(ended.log.contains("1 thing is not as it should be"), "{}", ended.log);
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

    // Certificates of another authority, of another host, and such as are over.
    let folder = scratch_dir().expect("the temporary folder is writable");
    let (ours, strange) = (Seal::new(&folder.path().join("ours")), Seal::new(&folder.path().join("strange")));
    ours.certify("good", HOST);
    ours.certify("elsewhere", "elsewhere.example");
    strange.certify("foreign", HOST);
    let (over, key) = ours.issue_until(HOST, 2024);
    ours.put("over", &over, &key);
    let certified = |seal: &Seal, part: &str| (seal.certificate(part), seal.key(part));
    for ((certificate, key), wrong) in [
        (certified(&ours, "good"), None),
        (certified(&ours, "elsewhere"), Some("not valid for name")),
        (certified(&strange, "foreign"), Some("invalid peer certificate")),
        (certified(&ours, "over"), Some("expired")),
    ] {
        let served = Healthy::serve(Files { certificate, key }).await;
        let mut environment = with("SERVICES__CUSTOMERS", &format!("https://{HOST}:{}", served.port));
        let authority = ours.authority();
        environment
            .push(("CLIENTELE_SERVICES__CA_FILE".to_owned(), authority.to_str().expect("it is text").to_owned()));
        match wrong {
            None => well(&orders, &environment).await,
            Some(wrong) => {
                let told = finding(&orders, &environment, "service").await;
                let what = told["what"].as_str().expect("it is text");
                assert!(what.contains("customers") && what.contains(wrong), "{what}");
            }
        }
    }

    // The doctor looks, and leaves nothing behind: the stream that is gone stays so.
    let nats = async_nats::connect(house.nats_url().expect("services apart have NATS")).await.expect("NATS answers");
    let jetstream = async_nats::jetstream::new(nats);
    jetstream.get_stream("CLIENTELE_ORDERS").await.expect("the stream of orders is there");
    let spare = start_nats(&folder.path().join("nats"), free_port(), None).await;
    let untouched = async_nats::jetstream::new(async_nats::connect(spare.url()).await.expect("NATS answers"));
    well(&orders, &with("BUS__URL", &spare.url())).await;
    let mut known = with("BUS__URL", &spare.url());
    known.push(("CLIENTELE_BUS__USER".to_owned(), "orders".to_owned()));
    finding(&orders, &known, "bus_stream").await;
    assert_eq!(untouched.stream_names().count().await, 0, "a stream was left behind");

    // The clock that the programs of the tests go by.
    let clock = folder.path().join("clock");
    let mut ahead = right.clone();
    ahead.push(("CLIENTELE_TEST_CLOCK".to_owned(), clock.to_str().expect("the path is text").to_owned()));
    for (seconds, word) in [("90", "90 s ahead of"), ("-90", "90 s behind")] {
        std::fs::write(&clock, seconds).expect("a file can be written");
        let told = finding(&orders, &ahead, "clock").await;
        assert!(told["what"].as_str().expect("it is text").contains(word), "{told}");
    }

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
    change("revoke select on orders.product from clientele_orders_runtime").await;
    let told = finding(&orders, &right, "database_rights").await;
    assert!(told["what"].as_str().expect("it is text").contains("product"), "{told}");
    change("grant select on orders.product to clientele_orders_runtime").await;
    change("revoke usage on schema orders from clientele_orders_runtime").await;
    finding(&orders, &right, "database_rights").await;
    change("grant usage on schema orders to clientele_orders_runtime").await;
    well(&orders, &right).await;
    // Last, for the indexes that need it go with it.
    change("drop extension pg_trgm cascade").await;
    finding(&orders, &right, "extension").await;
}

/// Answers to who asks for health, over TLS.
struct Healthy {
    port: u16,
    stop: CancellationToken,
}

impl Healthy {
    async fn serve(files: Files) -> Self {
        install_crypto();
        let listener = tokio::net::TcpListener::bind((HOST, 0)).await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let (health, stop) = (HealthReporter::new(), CancellationToken::new());
        let routes = grpc::infrastructure(Routes::default(), health).expect("the contracts can be shown");
        let tls = Some(Acceptor::read(files, &[b"h2"]).expect("the certificate can be read"));
        let options = ServerOptions { max_connection_age: Duration::from_mins(5), tls };
        let asked = stop.clone();
        tokio::spawn(async move { grpc::serve(listener, routes, &options, asked).await });
        Self { port, stop }
    }
}

impl Drop for Healthy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
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
