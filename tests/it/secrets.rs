//! Secrets are where they are needed and nowhere else: not in logs at their loudest, answers, figures, traces, outputs,
//! command lines or the words of a failure.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clientele_embedded::{cache_dir, ensure_postgres, scratch_dir};
use clientele_platform::postgres::runtime_role;
use clientele_testkit::{eventually, eventually_within};
use http::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::collector::Collector;
use crate::house::{
    Form, GATEWAY, House, Options, Process, SERVICES, built, command, free_port, password, run, secret,
};
use crate::shop::{Books, FRESH, Sale, customers};

/// What is found nowhere else, in each place that has a secret of its own.
const SMTP: &str = "canary-4a7f-of-smtp";
const DATABASE: &str = "canary-9b1c-of-the-database";
const NATS: &str = "canary-77de-of-nats";
const MASTER: &str = "canary-52f0-of-the-master-key";
const SERVICE: &str = "canary-e3d8-of-a-service-with-thirty-two-characters";
const GUESS: &str = "canary-1c66-guessed";
const STARTING: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_logs_answers_figures_traces_outputs_or_command_lines() {
    let (collector, address) = Collector::start().await;
    let mailbox = rude_mail_server().await;
    let set = |key: &'static str, value: &str| ("messaging", key, value.to_owned());
    let options = Options {
        tls: true,
        // What the libraries below HTTP say of each frame would only drown the rest.
        log: Some("trace,h2=info,hyper=info,hyper_util=info,tower=info"),
        collector: Some(address),
        metrics: true,
        settings: vec![
            set("smtp_host", "127.0.0.1"),
            set("smtp_port", &mailbox.to_string()),
            set("smtp_tls", "none"),
            set("smtp_user", "crm"),
            set("smtp_password", SMTP),
        ],
        ..Options::default()
    };
    let house = House::start_with(Form::Apart, options).await;
    let mut found = Places::default();

    let key = traffic(&house, &mut found).await;
    failures(&house, &mut found).await;
    for service in SERVICES.into_iter().chain([GATEWAY]) {
        let process = house.process(service).pid();
        for file in ["cmdline", "status", "comm"] {
            let text = std::fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
            found.add(&format!("{file} of {service}"), text);
        }
        found.add(&format!("the output of {service}"), house.process(service).output());
    }
    for (name, address) in house.metrics() {
        let answer = reqwest::get(address).await.expect("the monitor answers");
        found.add(&format!("/metrics of {name}"), answer.bytes().await.expect("the answer is whole"));
    }
    found.add(
        "the printed configuration",
        run("clientele", &["config"], house.process("identity").environment()).await.output,
    );
    for (name, log) in house.logs() {
        assert!(log.contains("\"TRACE\""), "{name} does not log all there is");
        found.add(&format!("the log of {name}"), log);
    }
    found.add("traces and metrics", collector.everything());

    let mut canaries: Vec<(String, String)> =
        [SMTP, DATABASE, NATS, MASTER, SERVICE, GUESS].map(|canary| (canary.to_owned(), canary.to_owned())).to_vec();
    let mut also = |name: &str, value: String| canaries.push((name.to_owned(), value));
    also("the mail password as it is sent", STANDARD.encode(format!("\0crm\0{SMTP}")));
    also("the password of the administrator", house.credentials().1.to_owned());
    also("the master key", STANDARD.encode([9; 32]));
    also("an api key", key);
    for service in SERVICES.into_iter().chain([GATEWAY]) {
        also(&format!("the secret of {service}"), secret(service));
        also(&format!("the password of {service} at nats and postgres"), password(service));
    }
    found.assert_have_none_of(&canaries);
}

/// What runs beneath a command, of which `ps` and `/proc` show the arguments to every user of the machine.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_given_to_what_a_house_its_backup_its_restore_and_its_migration_start() {
    clientele_platform::install_crypto();
    let folder = scratch_dir().expect("the temporary folder is writable");
    let at = |name: &str| folder.path().join(name).to_str().expect("the path is text").to_owned();
    let told = Told::new(folder.path()).await;
    let (data, backup, restored) = (at("data"), at("backup"), at("restored"));
    let listen = format!("127.0.0.1:{}", free_port());
    let set = |key: &str, value: String| (format!("CLIENTELE_{key}"), value);
    let secrets = [
        set("POSTGRES_BIN", told.programs.display().to_string()),
        set("SECRETS__MASTER_KEY", STANDARD.encode([9; 32])),
        set("IDENTITY__ADMINISTRATOR_PASSWORD", GUESS.to_owned()),
        set("IDENTITY__ORDERS_SECRET", SERVICE.to_owned()),
        set("MESSAGING__SMTP_USER", "crm".to_owned()),
        set("MESSAGING__SMTP_PASSWORD", SMTP.to_owned()),
        set("BUS__PASSWORD", NATS.to_owned()),
    ];
    let mut found = Places::default();

    let arguments = ["up", "--data-dir", &data, "--listen", &listen];
    let mut up = Process::new(folder.path(), "clientele", "up", &arguments, secrets.to_vec());
    up.start();
    let ready = format!("http://{listen}/readyz");
    eventually_within(STARTING, "the house", || {
        up.assert_runs_if_started();
        let asked = reqwest::get(&ready);
        async move { asked.await.ok().filter(|answer| answer.status() == 200) }
    })
    .await;
    told.has_started(&["initdb", "postgres"]);
    let ended = run("clientele", &["backup", &backup, "--data-dir", &data], &secrets).await.succeeded();
    found.add("a backup", format!("{}{}", ended.output, ended.log));
    told.has_started(&["pg_basebackup"]);

    // The socket asks nobody for a password; it is there to be told.
    let socket = format!("{data}/postgres/socket").replace('/', "%2F");
    let migration = format!("postgres:///clientele?host={socket}&user=postgres&password={DATABASE}");
    let migrate = [secrets[1].clone(), set("DATABASE__MIGRATION_URL", migration)];
    let ended = run("clientele", &["migrate"], &migrate).await.succeeded();
    found.add("a migration", format!("{}{}", ended.output, ended.log));
    for process in std::fs::read_dir("/proc").expect("there is a /proc").flatten() {
        // Of this house alone: other tests have secrets of their own.
        let shown = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&shown).contains(&at("")) || shown.starts_with(b"postgres:") {
            found.add("a process that runs", shown);
        }
    }
    found.add("the log of the house", up.log());
    assert!(up.stop().await.success(), "{}", up.log());

    let arguments = ["restore", &backup, "--data-dir", &restored];
    let ended = run("clientele", &arguments, &secrets).await.succeeded();
    found.add("a restore", format!("{}{}", ended.output, ended.log));
    told.has_started(&["pg_verifybackup"]);
    found.add("arguments and variables of programs that were started", told.everything());
    found.assert_have_none_of(
        &[SMTP, DATABASE, NATS, SERVICE, GUESS, &STANDARD.encode([9; 32])].map(|secret| (secret.into(), secret.into())),
    );
}

/// PostgreSQL's programs, each of which writes down what it is given before it does its work.
struct Told {
    programs: PathBuf,
    file: PathBuf,
}

impl Told {
    async fn new(folder: &Path) -> Self {
        let real = ensure_postgres(&cache_dir()).await.expect("PostgreSQL is there or can be installed").folder;
        let told = Self { programs: folder.join("programs"), file: folder.join("told") };
        // The account that PostgreSQL runs as writes to it, too.
        std::fs::write(&told.file, "").expect("the folder is writable");
        std::fs::set_permissions(&told.file, Permissions::from_mode(0o666)).expect("it is ours");
        std::fs::create_dir(&told.programs).expect("the folder is writable");
        for program in std::fs::read_dir(&real).expect("it holds programs").flatten() {
            let name = program.file_name();
            let (name, file, real) = (name.display(), told.file.display(), real.display());
            let script = format!(
                "#!/bin/sh\n{{ echo '== {name}'; printf '%s\\n' \"$@\"; env; }} >> '{file}'\nexec '{real}/{name}' \"$@\"\n"
            );
            let path = told.programs.join(program.file_name());
            std::fs::write(&path, script).expect("the folder is writable");
            std::fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("it is ours");
        }
        told
    }

    fn everything(&self) -> Vec<u8> {
        std::fs::read(&self.file).expect("it was written")
    }

    fn has_started(&self, programs: &[&str]) {
        let told = String::from_utf8_lossy(&self.everything()).into_owned();
        for program in programs {
            assert!(told.contains(&format!("== {program}\n")), "{program} was not started: {told}");
        }
    }
}

/// What people and programs do, right and wrong. Gives the secret of an API key.
async fn traffic(house: &House, found: &mut Places) -> String {
    let client = house.administrator().await;
    let program = client.program(&["customers.customer.read", "orders.order.read"]).await;
    let key = program.key().expect("it is a program").to_owned();
    let people = customers(&client, ["Discreet One".to_owned()]).await;
    let mut books = Books::default();
    books.sell(&client, &[Sale::nth(0, &people), Sale::nth(1, &people)]).await;
    books.agree_with_cards(&client, &people, FRESH).await;
    program.get(&format!("/v1/customers/{}", people[0])).await.ok();

    let visitor = house.visitor();
    let wrong = json!({"login": house.credentials().0, "password": GUESS});
    found.add("a refused sign-in", visitor.post("/v1/session", &wrong).await.body);
    found.add("a refused key", visitor.with_key(&format!("{GUESS}.{key}")).get("/v1/customers").await.body);
    let twisted = client.request(Method::POST, "/v1/session").header("content-type", "application/json");
    found.add("a sign-in that is no JSON", client.send(twisted.body(format!("{{\"password\": \"{GUESS}"))).await.body);
    let unknown = json!({"login": "somebody", "password": GUESS, "again": GUESS});
    found.add("a sign-in with an unknown field", visitor.post("/v1/session", &unknown).await.body);

    // A letter that the mail server's refusal keeps back.
    let template = json!({"name": "Greeting", "subject": "Hello", "html": "<p>Hello</p>"});
    let template = client.post("/v1/emailTemplates", &json!({ "template": template })).await.ok();
    let customer = json!({"displayName": "Discreet Two", "emails": [{"address": "discreet@example.com"}]});
    let customer = client.post("/v1/customers", &json!({ "customer": customer })).await.ok();
    let (id, point) = (customer["id"].as_str().unwrap_or_default(), &customer["emails"][0]["id"]);
    let consent = json!({"channel": "CONSENT_CHANNEL_EMAIL", "contactPointId": point, "granted": true});
    client.post(&format!("/v1/customers/{id}/consents"), &consent).await.ok();
    let letter = json!({"customerId": id, "contactPointId": point, "templateId": template["id"], "requestId": "one"});
    client.post("/v1/emails", &letter).await.ok();
    eventually("the mail server's refusal", || async {
        house.process("messaging").log().contains("535").then_some(())
    })
    .await;
    let letters = client.get(&format!("/v1/emails?customerId={id}")).await;
    found.add("the ledger of letters", letters.body);
    key
}

/// Each secret is wrong once, and one more has the wrong shape.
async fn failures(house: &House, found: &mut Places) {
    // The password of a role is not the one the service has any more.
    let mut admin = house.database(None).await;
    let role = runtime_role("orders");
    for statement in [
        format!("alter role {role} password '{DATABASE}'"),
        format!("select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut admin).await.expect("the superuser may");
    }
    let client = house.administrator().await;
    eventually_within(FRESH, "the orders' being out of reach", || async {
        let answer = client.get("/v1/orders").await;
        (!answer.status.is_success()).then_some(answer)
    })
    .await;
    found.add("an answer without a database", client.get("/v1/orders").await.body);
    let statement = format!("alter role {role} password '{}'", password("orders"));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut admin).await.expect("the superuser may");
    eventually_within(FRESH, "the orders' being back", || async {
        client.get("/v1/orders").await.status.is_success().then_some(())
    })
    .await;
    admin.close().await.expect("a connection closes");

    for (what, key, value) in [
        ("a wrong password at nats", "BUS__PASSWORD", NATS.to_owned()),
        ("an address of nats that is none", "BUS__URL", format!("tls://orders:{NATS}@[")),
        ("a password in the address of nats", "BUS__URL", format!("tls://orders:{NATS}@localhost:1")),
        (
            "an address of the database that is none",
            "DATABASE__URL",
            format!("postgres://orders:{DATABASE}@host:port/x"),
        ),
        ("a wrong password at the database", "DATABASE__URL", format!("postgres://orders:{DATABASE}@localhost:1/x")),
        ("a master key that is none", "SECRETS__MASTER_KEY", MASTER.to_owned()),
        ("a short master key", "SECRETS__MASTER_KEY", STANDARD.encode(MASTER)),
        ("a wrong secret of the service", "SECRETS__SERVICE_SECRET", SERVICE.to_owned()),
    ] {
        let mut variables = house.process("orders").environment().to_vec();
        variables.push((format!("CLIENTELE_{key}"), value));
        variables.push(("CLIENTELE_SERVER__METRICS_LISTEN".to_owned(), String::new()));
        variables.push(("CLIENTELE_SERVER__LISTEN".to_owned(), "127.0.0.1:0".to_owned()));
        found.add(what, said_in_vain(house, &variables).await);
    }
    // A file that is no TOML is shown without what is in it.
    let file = house.folder().join("broken.toml");
    std::fs::write(&file, format!("[secrets]\nmaster_key = \"{MASTER}\nservice_secret = {SERVICE}\n"))
        .expect("it can be written");
    let file = file.to_str().expect("the path is text");
    let ended = run("clientele-orders", &["--config", file], &[]).await;
    assert!(!ended.status.success());
    found.add("a configuration that is no TOML", format!("{}{}", ended.output, ended.log));
    let wrong = [
        ("CLIENTELE_DATABASE__MIGRATION_URL".to_owned(), format!("postgres://somebody:{DATABASE}@localhost:1/x")),
        ("CLIENTELE_PASSWORD".to_owned(), GUESS.to_owned()),
    ];
    for arguments in [&["migrate"][..], &["verify", "--server", "http://127.0.0.1:1"]] {
        let ended = run("clientele", arguments, &wrong[..]).await;
        found.add(&format!("a failed {}", arguments[0]), format!("{}{}", ended.output, ended.log));
    }
}

/// What the orders service says that cannot work like this, until it ends or complains.
async fn said_in_vain(house: &House, variables: &[(String, String)]) -> Vec<u8> {
    let said = house.folder().join("in-vain.txt");
    let file = std::fs::File::create(&said).expect("a folder of ours is writable");
    let mut program = tokio::process::Command::from(command(&built("clientele-orders"), variables));
    let also = file.try_clone().expect("a file can be shared");
    let mut program = program.stdout(also).stderr(file).kill_on_drop(true).spawn().expect("it can be started");
    let complaint = eventually_within(FRESH, "the end of a program or a complaint", || {
        let ended = program.try_wait().expect("a child can be waited for").is_some();
        let text = std::fs::read(&said).unwrap_or_default();
        let complains = ["\"WARN\"", "\"ERROR\""].iter().any(|level| String::from_utf8_lossy(&text).contains(level));
        async move { (ended || complains).then_some(text) }
    })
    .await;
    program.kill().await.expect("a child can be killed");
    complaint
}

/// Places that were looked at, with what was there.
#[derive(Default)]
struct Places(Vec<(String, Vec<u8>)>);

impl Places {
    fn add(&mut self, place: &str, text: impl Into<Vec<u8>>) {
        self.0.push((place.to_owned(), text.into()));
    }

    #[track_caller]
    fn assert_have_none_of(&self, canaries: &[(String, String)]) {
        let mut told = Vec::new();
        for (place, bytes) in &self.0 {
            let text = String::from_utf8_lossy(bytes);
            for (name, value) in canaries {
                if let Some(at) = text.find(value.as_str()) {
                    told.push(format!("{name} is in {place}: {}", line_at(&text, at)));
                }
            }
            // Tokens and cookies, whichever they are.
            for (name, begin, least) in [("a token", "eyJ", 100), ("a session", "clientele_session=", 20)] {
                for (at, _) in text.match_indices(begin) {
                    let rest = &text[at + begin.len()..];
                    let length =
                        rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)).unwrap_or(rest.len());
                    if length >= least {
                        told.push(format!("{name} is in {place}: {}", line_at(&text, at)));
                        break;
                    }
                }
            }
        }
        assert!(told.is_empty(), "{}", told.join("\n"));
    }
}

fn line_at(text: &str, at: usize) -> String {
    let begin = text[..at].rfind('\n').map_or(0, |at| at + 1);
    text[begin..].chars().take(700).collect::<String>().lines().next().unwrap_or_default().to_owned()
}

/// A mail server that refuses whoever signs in, and repeats what they said. Gives its port.
async fn rude_mail_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let port = listener.local_addr().expect("a listener has an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                let mut answer = "220 rude\r\n".to_owned();
                while write.write_all(answer.as_bytes()).await.is_ok() {
                    let Ok(Some(line)) = lines.next_line().await else { break };
                    answer = match line.split(' ').next().unwrap_or_default() {
                        "EHLO" => "250-rude\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
                        "QUIT" => "221 bye\r\n".to_owned(),
                        _ => format!("535 5.7.8 I do not believe {line}\r\n"),
                    };
                }
            });
        }
    });
    port
}
