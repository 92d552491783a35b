//! A whole Clientele, run as its real programs, in either of its two forms.
//!
//! Everything a house consists of ends with the test that started it, however that ends.

mod process;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clientele_embedded::{
    NatsOptions, NatsServer, Postgres, PostgresOptions, cache_dir, ensure_nats_server, ensure_postgres, scratch_dir,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

pub(crate) use process::{Ended, Process, built, command, run};

use crate::rest::Client;

/// The services, in the order they are started.
pub(crate) const SERVICES: [&str; 6] = ["identity", "customers", "messaging", "orders", "campaigns", "analytics"];
/// The edge, and the name under which the one process goes.
pub(crate) const GATEWAY: &str = "gateway";
const ONE: &str = "clientele";
const DATABASE: &str = "clientele";
const LOGIN: &str = "admin@localhost";
const PASSWORD: &str = "a password of the tests 7";

/// A start, with recovery after a crash, on a machine that is busy with other tests.
const STARTING: Duration = Duration::from_secs(90);

/// The two forms a house can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `clientele up`: everything in one process.
    OneProcess,
    /// Each service a process of its own, with PostgreSQL and NATS.
    Apart,
}

/// What is particular about a house.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// The log filter; `info` if not said.
    pub(crate) log: Option<&'static str>,
    /// Address of a collector for traces and metrics.
    pub(crate) collector: Option<String>,
    /// Settings of one context: its name, key and value.
    pub(crate) settings: Vec<(&'static str, &'static str, String)>,
    /// With the invented company; for the one process alone.
    pub(crate) demo: bool,
}

/// A running Clientele.
pub(crate) struct House {
    pub(crate) form: Form,
    /// `http://127.0.0.1:…`
    pub(crate) base: String,
    password: String,
    processes: Vec<Process>,
    ports: Vec<(&'static str, u16)>,
    postgres: Option<Postgres>,
    nats: Option<NatsServer>,
    nats_port: u16,
    // Declared last: the folder goes when nobody works in it any more.
    folder: TempDir,
}

impl House {
    pub(crate) async fn start(form: Form) -> Self {
        Self::start_with(form, Options::default()).await
    }

    pub(crate) async fn start_with(form: Form, options: Options) -> Self {
        clientele_platform::install_crypto();
        match form {
            Form::OneProcess => Self::one_process(&options).await,
            Form::Apart => Self::apart(&options).await,
        }
    }

    async fn one_process(options: &Options) -> Self {
        ensure_postgres(&cache_dir()).await.expect("PostgreSQL's programs are there or can be installed");
        let folder = scratch_dir().expect("the temporary folder is writable");
        let port = free_port();
        let data = folder.path().join("data");
        let listen = format!("127.0.0.1:{port}");
        let mut arguments = vec!["up", "--data-dir", data.to_str().expect("the path is text"), "--listen", &listen];
        arguments.extend(options.demo.then_some("--demo"));
        let mut environment = variables(options);
        environment.extend(settings(options, |_| true));
        let process = Process::new(folder.path(), "clientele", ONE, &arguments, environment);
        let mut house = Self {
            form: Form::OneProcess,
            base: format!("http://{listen}"),
            password: String::new(),
            processes: vec![process],
            ports: vec![(GATEWAY, port)],
            postgres: None,
            nats: None,
            nats_port: 0,
            folder,
        };
        house.start_service(ONE).await;
        house.password = generated_password(&house.process(ONE).output());
        house
    }

    async fn apart(options: &Options) -> Self {
        let folder = scratch_dir().expect("the temporary folder is writable");
        let mut cluster = PostgresOptions::temporary().expect("the temporary folder is writable");
        cluster.programs = Some(ensure_postgres(&cache_dir()).await.expect("PostgreSQL is there or can be installed"));
        let postgres = Postgres::start(cluster).await.expect("PostgreSQL starts");
        create_database(&postgres).await;
        let superuser = postgres.url(DATABASE, postgres.superuser());
        let migration_url = [("CLIENTELE_DATABASE__MIGRATION_URL".to_owned(), superuser)];
        run("clientele", &["migrate"], &migration_url).await.succeeded();

        let nats = start_nats(folder.path(), 0).await;
        let ports: Vec<_> = SERVICES.into_iter().chain([GATEWAY]).map(|service| (service, free_port())).collect();
        let port = |service| ports.iter().find(|(name, _)| *name == service).expect("every service has a port").1;

        let mut common = variables(options);
        let mut set = |key: &str, value: String| common.push((format!("CLIENTELE_{key}"), value));
        for service in SERVICES {
            set(&format!("SERVICES__{}", service.to_uppercase()), format!("http://127.0.0.1:{}", port(service)));
        }
        set("BUS__KIND", "jetstream".to_owned());
        set("BUS__URL", nats.url());
        set("SECRETS__MASTER_KEY", STANDARD.encode([9; 32]));

        let mut processes = Vec::new();
        for (service, port) in &ports {
            let mut environment = common.clone();
            // A program refuses what is none of its business.
            environment.extend(settings(options, |context| context == *service));
            let mut set = |key: &str, value: String| environment.push((format!("CLIENTELE_{key}"), value));
            set("SERVER__LISTEN", format!("127.0.0.1:{port}"));
            set("SECRETS__SERVICE_SECRET", secret(service));
            if *service != GATEWAY {
                set("DATABASE__URL", postgres.url(DATABASE, &clientele_platform::postgres::runtime_role(service)));
            }
            if *service == "identity" {
                set("IDENTITY__ADMINISTRATOR_PASSWORD", PASSWORD.to_owned());
                for other in SERVICES.into_iter().filter(|service| *service != "identity").chain([GATEWAY]) {
                    set(&format!("IDENTITY__{}_SECRET", other.to_uppercase()), secret(other));
                }
            }
            let program = format!("clientele-{service}");
            processes.push(Process::new(folder.path(), &program, service, &[], environment));
        }
        let mut house = Self {
            form: Form::Apart,
            base: format!("http://127.0.0.1:{}", port(GATEWAY)),
            password: PASSWORD.to_owned(),
            processes,
            ports,
            postgres: Some(postgres),
            nats_port: nats.port(),
            nats: Some(nats),
            folder,
        };
        for process in &mut house.processes {
            process.start();
        }
        house.wait_until_ready().await;
        house
    }

    /// A client that has proved nothing yet.
    pub(crate) fn visitor(&self) -> Client {
        Client::new(&self.base)
    }

    /// A client signed in as the administrator.
    pub(crate) async fn administrator(&self) -> Client {
        self.visitor().sign_in(LOGIN, &self.password).await
    }

    /// Login and password of the administrator.
    pub(crate) fn credentials(&self) -> (&str, &str) {
        (LOGIN, &self.password)
    }

    /// Everything that is kept by events, recomputed and compared.
    pub(crate) async fn verify(&self, more: &[&str]) -> Ended {
        let environment = [("CLIENTELE_PASSWORD".to_owned(), self.password.clone())];
        let arguments: Vec<&str> = ["verify", "--server", &self.base].iter().chain(more).copied().collect();
        run("clientele", &arguments, &environment).await
    }

    /// Where the house keeps its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory of the one process.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The process of a service; in one process it is the same for all.
    pub(crate) fn process(&self, service: &str) -> &Process {
        let wanted = self.process_of(service);
        &self.processes[wanted]
    }

    fn process_of(&self, service: &str) -> usize {
        let name = if self.form == Form::OneProcess { ONE } else { service };
        self.processes.iter().position(|process| process.name() == name).unwrap_or_else(|| panic!("no process {name}"))
    }

    /// Address of a service of its own.
    pub(crate) fn address(&self, service: &str) -> String {
        let port = self.ports.iter().find(|(name, _)| *name == service).expect("every service has a port").1;
        format!("http://127.0.0.1:{port}")
    }

    pub(crate) fn kill9(&mut self, service: &str) {
        let process = self.process_of(service);
        self.processes[process].kill9();
    }

    /// Stops a service in order; panics when it does not end well.
    pub(crate) async fn stop_service(&mut self, service: &str) {
        let process = self.process_of(service);
        let status = self.processes[process].stop().await;
        assert!(status.success(), "{service} ended with {status}: {}", self.processes[process].log());
    }

    /// Starts a service, or the one process, and waits until the house is whole.
    pub(crate) async fn start_service(&mut self, service: &str) {
        self.start_services(&[service]).await;
    }

    /// The same for several.
    pub(crate) async fn start_services(&mut self, services: &[&str]) {
        for service in services {
            let process = self.process_of(service);
            self.processes[process].start();
        }
        self.wait_until_ready().await;
    }

    pub(crate) async fn kill9_nats(&mut self) {
        self.nats.take().expect("NATS runs").kill9().await;
    }

    /// Starts NATS at the address it had, on the streams it left.
    pub(crate) async fn start_nats(&mut self) {
        self.nats = Some(start_nats(self.folder.path(), self.nats_port).await);
    }

    pub(crate) fn nats_url(&self) -> Option<String> {
        self.nats.as_ref().map(NatsServer::url)
    }

    /// Everything the programs have logged, by name.
    pub(crate) fn logs(&self) -> Vec<(String, String)> {
        self.processes.iter().map(|process| (process.name().to_owned(), process.log())).collect()
    }

    /// A connection to the database as a role; `None` for the superuser.
    pub(crate) async fn database(&self, role: Option<&str>) -> PgConnection {
        let url = if let Some(postgres) = &self.postgres {
            postgres.url(DATABASE, role.unwrap_or(postgres.superuser()))
        } else {
            let socket = self.data_dir().join("postgres/socket");
            let socket = socket.to_str().expect("the path is text").replace('/', "%2F");
            format!("postgres:///{DATABASE}?host={socket}&user={}", role.unwrap_or("postgres"))
        };
        let options: PgConnectOptions = url.parse().expect("the address of the database is one");
        PgConnection::connect_with(&options).await.expect("the database answers")
    }

    fn ends_of_logs(&self) -> String {
        let ends: Vec<_> = self.logs().iter().map(|(name, log)| format!("{name}:\n{}", process::tail(log))).collect();
        ends.join("\n")
    }

    /// Waits until every process answers.
    async fn wait_until_ready(&mut self) {
        let probe = reqwest::Client::new();
        let begun = std::time::Instant::now();
        loop {
            for process in &mut self.processes {
                process.assert_runs_if_started();
            }
            if whole(&probe, &self.base).await {
                return;
            }
            assert!(begun.elapsed() < STARTING, "the house does not get ready: {}", self.ends_of_logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if self.form == Form::OneProcess {
            // Killed, it would leave its PostgreSQL at work in the folder that is about to go.
            self.processes.iter_mut().for_each(Process::end);
        }
    }
}

async fn whole(probe: &reqwest::Client, base: &str) -> bool {
    readiness(probe, base)
        .await
        .is_some_and(|state| SERVICES.iter().all(|service| state["services"][service] == "serving"))
}

async fn readiness(probe: &reqwest::Client, base: &str) -> Option<serde_json::Value> {
    probe.get(format!("{base}/readyz")).send().await.ok()?.json().await.ok()
}

async fn start_nats(folder: &Path, port: u16) -> NatsServer {
    let program = ensure_nats_server(&cache_dir()).await.expect("nats-server is there or can be installed");
    let options = NatsOptions { port, program: Some(program), ..NatsOptions::new(folder.join("nats")) };
    NatsServer::start(options).await.expect("nats-server starts")
}

async fn create_database(postgres: &Postgres) {
    let url = postgres.url("postgres", postgres.superuser());
    let mut conn = PgConnection::connect(&url).await.expect("PostgreSQL answers");
    sqlx::query("create database clientele").execute(&mut conn).await.expect("a database can be made");
    conn.close().await.expect("a connection closes");
}

fn variables(options: &Options) -> Vec<(String, String)> {
    let mut environment = Vec::new();
    if let Some(log) = options.log {
        environment.push(("CLIENTELE_TELEMETRY__LOG".to_owned(), log.to_owned()));
    }
    if let Some(collector) = &options.collector {
        environment.push(("CLIENTELE_TELEMETRY__OTLP_ENDPOINT".to_owned(), collector.clone()));
    }
    environment
}

/// The settings of those contexts as variables.
fn settings(options: &Options, of: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let own = options.settings.iter().filter(|(context, ..)| of(context));
    own.map(|(context, key, value)| {
        (format!("CLIENTELE_{}__{}", context.to_uppercase(), key.to_uppercase()), value.clone())
    })
    .collect()
}

/// What a service proves itself by.
pub(crate) fn secret(service: &str) -> String {
    format!("the secret of {service} in the tests, thirty-two characters and more")
}

/// `administrator: LOGIN password: PASSWORD (shown this once)`
fn generated_password(output: &str) -> String {
    let line = output.lines().find_map(|line| line.strip_prefix("administrator: "));
    let (login, password) = line
        .and_then(|line| line.strip_suffix(" (shown this once)"))
        .and_then(|line| line.split_once(" password: "))
        .unwrap_or_else(|| panic!("the administrator is not told in the first start's output:\n{output}"));
    assert_eq!(login, LOGIN);
    password.to_owned()
}

/// A port that nobody listens on, below those that the system gives to outgoing connections: one of theirs could be taken
/// again before the program listens on it, or while it is down.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes run side by side: each begins elsewhere.
    let offset = u16::try_from(std::process::id() % 700).expect("it is below 700") * 20;
    loop {
        let port = 15_000 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 14_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
