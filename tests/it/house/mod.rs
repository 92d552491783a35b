//! A whole Clientele, run as its real programs, in either of its two forms.
//!
//! Everything a house consists of ends with the test that started it, however that ends.

mod bouncer;
mod process;
mod seal;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clientele_embedded::{
    NatsOptions, NatsServer, Postgres, PostgresOptions, Recovery, cache_dir, ensure_nats_server, ensure_postgres,
    scratch_dir,
};
use futures::FutureExt as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

pub(crate) use process::{Ended, Process, built, command, run, run_program, tail};
pub(crate) use seal::{HOST, Seal, password};

pub(crate) use bouncer::statements;
use bouncer::{Bouncer, Knows};

use crate::rest::Client;
use crate::rounds::Links;

/// The file that drives the clock.
const CLOCK: &str = "clock";

/// The services, in the order they are started.
pub(crate) const SERVICES: [&str; 6] = ["identity", "customers", "messaging", "orders", "campaigns", "analytics"];
/// The edge, and the name under which the one process goes.
pub(crate) const GATEWAY: &str = "gateway";
const ONE: &str = "clientele";
const DATABASE: &str = "clientele";
pub(crate) const LOGIN: &str = "admin@localhost";
pub(crate) const PASSWORD: &str = "a password of the tests 7";

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
#[expect(clippy::struct_excessive_bools, reason = "each is a matter of its own")]
pub(crate) struct Options {
    /// The log filter; `info` if not said.
    pub(crate) log: Option<&'static str>,
    /// Address of a collector for traces and metrics.
    pub(crate) collector: Option<String>,
    /// Settings of one context: its name, key and value.
    pub(crate) settings: Vec<(&'static str, &'static str, String)>,
    /// With the invented company; for the one process alone.
    pub(crate) demo: bool,
    /// With the services' gRPC at ports of their own; for the one process, where they have none by default.
    pub(crate) grpc: bool,
    /// Everything over TLS, with the users of NATS that `deploy/` has and passwords at PostgreSQL; for services apart.
    pub(crate) tls: bool,
    /// With a PostgreSQL whose commits survive a power failure, and which writes its log as JSON; for services apart.
    pub(crate) durable: bool,
    /// Each program shows its metrics at a port of its own; for services apart.
    pub(crate) metrics: bool,
    /// What has to do with faults; for services apart.
    pub(crate) faults: Faults,
    /// With a clock that [`House::advance`] drives.
    pub(crate) clock: bool,
    /// With a `PgBouncer` between services and database; for services apart, over TLS.
    pub(crate) pooled: bool,
    /// With a PostgreSQL that keeps its log in [`House::wal_archive`], to be restored to any moment; for services apart.
    pub(crate) archived: bool,
}

/// What lets a house be disturbed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// The ways between all parts, laid here.
    pub(crate) links: Option<Links>,
    /// Services that have a second process, to which the ways lead too.
    pub(crate) twice: Vec<&'static str>,
    /// Where PostgreSQL and NATS keep their files, to find them again.
    pub(crate) disks: Option<(PathBuf, PathBuf)>,
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
    cluster: Option<PostgresOptions>,
    nats: Option<NatsServer>,
    nats_folder: PathBuf,
    nats_port: u16,
    metrics: Vec<(String, u16)>,
    seal: Option<Seal>,
    bouncer: Option<Bouncer>,
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
        arguments.extend(options.grpc.then_some("--grpc"));
        let mut environment = variables(options);
        let mut ports = vec![(GATEWAY, port)];
        for service in SERVICES.into_iter().filter(|_| options.grpc) {
            let port = free_port();
            let variable = format!("CLIENTELE_SERVICES__{}", service.to_uppercase());
            environment.push((variable, format!("http://127.0.0.1:{port}")));
            ports.push((service, port));
        }
        environment.extend(settings(options, |_| true));
        let process = Process::new(folder.path(), "clientele", ONE, &arguments, environment);
        let mut house = Self {
            form: Form::OneProcess,
            base: format!("http://{listen}"),
            password: String::new(),
            processes: vec![process],
            ports,
            postgres: None,
            cluster: None,
            nats: None,
            nats_folder: PathBuf::new(),
            nats_port: 0,
            metrics: Vec::new(),
            seal: None,
            bouncer: None,
            folder,
        };
        house.start_service(ONE).await;
        house.password = generated_password(&house.process(ONE).output());
        house
    }

    async fn apart(options: &Options) -> Self {
        let folder = scratch_dir().expect("the temporary folder is writable");
        let seal = options.tls.then(|| Seal::new(&folder.path().join("seal")));
        let cluster = cluster(options, folder.path()).await;
        let postgres = Postgres::start(cluster.clone()).await.expect("PostgreSQL starts");
        create_database(&postgres).await;
        let superuser = postgres.url(DATABASE, postgres.superuser());
        let nats_folder =
            options.faults.disks.as_ref().map_or_else(|| folder.path().join("nats"), |disks| disks.1.clone());
        let nats = start_nats(&nats_folder, 0, seal.as_ref()).await;
        let mut migration = vec![("CLIENTELE_DATABASE__MIGRATION_URL".to_owned(), superuser)];
        migration.extend(seal.iter().flat_map(|seal| seal.at_nats("migrate", nats.port())));
        run("clientele", &["migrate"], &migration).await.succeeded();
        if let Some(seal) = &seal {
            seal.close(&postgres).await;
        }
        let twice = options.faults.twice.iter().copied();
        let ports: Vec<_> =
            SERVICES.into_iter().chain([GATEWAY]).chain(twice).map(|service| (service, free_port())).collect();
        let port = |service| ports.iter().find(|(name, _)| *name == service).expect("every service has a port").1;

        let bouncer = match &seal {
            Some(seal) if options.pooled => {
                Some(Bouncer::start(folder.path(), &postgres, DATABASE, seal, Knows::File).await)
            }
            _ => None,
        };
        let common = variables_of_all(options, folder.path());
        let mut processes: Vec<Process> = Vec::new();
        let mut metrics = Vec::new();
        for (service, port) in &ports {
            let second = processes.iter().any(|process| process.name() == *service);
            let name = if second { format!("{service}-2") } else { (*service).to_owned() };
            let ways = ways(&name, &ports, &postgres, nats.port(), folder.path(), &options.faults).await;
            let mut environment = common.clone();
            environment.extend(ways.services);
            // A program refuses what is none of its business.
            environment.extend(settings(options, |context| context == *service));
            let mut set = |key: &str, value: String| environment.push((format!("CLIENTELE_{key}"), value));
            set("BUS__URL", ways.nats);
            set("SERVER__LISTEN", format!("127.0.0.1:{port}"));
            set("SECRETS__SERVICE_SECRET", secret(service));
            if options.metrics {
                let port = free_port();
                metrics.push((name.clone(), port));
                set("SERVER__METRICS_LISTEN", format!("127.0.0.1:{port}"));
            }
            if *service != GATEWAY {
                let role = clientele_platform::postgres::runtime_role(service);
                set("DATABASE__URL", database_url(&ways.postgres, &role));
            }
            if *service == "identity" {
                set("IDENTITY__ADMINISTRATOR_PASSWORD", PASSWORD.to_owned());
                for other in SERVICES.into_iter().filter(|service| *service != "identity").chain([GATEWAY]) {
                    set(&format!("IDENTITY__{}_SECRET", other.to_uppercase()), secret(other));
                }
            }
            if let Some(seal) = &seal {
                seal.certify(service, HOST);
                let database = bouncer.as_ref().map_or(postgres.port(), Bouncer::port);
                environment.extend(seal.variables(service, &ports, database, nats.port()));
            }
            let program = format!("clientele-{service}");
            processes.push(Process::new(folder.path(), &program, &name, &[], environment));
        }
        let mut house = Self {
            form: Form::Apart,
            base: match &seal {
                Some(_) => format!("https://{HOST}:{}", port(GATEWAY)),
                None => format!("http://127.0.0.1:{}", port(GATEWAY)),
            },
            password: PASSWORD.to_owned(),
            processes,
            ports,
            postgres: Some(postgres),
            cluster: Some(cluster),
            nats_folder,
            nats_port: nats.port(),
            metrics,
            nats: Some(nats),
            seal,
            bouncer,
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
        Client::trusting(&self.base, self.seal.as_ref().map(Seal::authority))
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
        let authority = self.seal.as_ref().map(Seal::authority);
        let authority = authority.iter().flat_map(|file| ["--ca-file", file.to_str().expect("the path is text")]);
        let arguments = ["verify", "--server", &self.base].into_iter().chain(authority).chain(more.iter().copied());
        run("clientele", &arguments.collect::<Vec<_>>(), &environment).await
    }

    /// Where the house keeps its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory of the one process.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where each program shows its metrics.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = (&str, String)> {
        self.metrics.iter().map(|(name, port)| (name.as_str(), format!("http://127.0.0.1:{port}/metrics")))
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

    /// Addresses of all replicas of a service.
    pub(crate) fn addresses(&self, service: &str) -> Vec<String> {
        let replicas = self.ports.iter().filter(|(name, _)| *name == service);
        replicas.map(|(_, port)| format!("http://127.0.0.1:{port}")).collect()
    }

    /// Address of a service of its own.
    pub(crate) fn address(&self, service: &str) -> String {
        let port = self.ports.iter().find(|(name, _)| *name == service).expect("every service has a port").1;
        if self.seal.is_some() { format!("https://{HOST}:{port}") } else { format!("http://127.0.0.1:{port}") }
    }

    /// The address of the database for a service that would do without TLS, in a house that has it.
    pub(crate) fn plain_database_url(&self, service: &str) -> String {
        let port = self.postgres.as_ref().expect("PostgreSQL runs").port();
        self.seal().database_url(port, DATABASE, service, "disable")
    }

    /// What a house with TLS is sealed with.
    pub(crate) fn seal(&self) -> &Seal {
        self.seal.as_ref().expect("the house was started with TLS")
    }

    /// Starts NATS anew, with another password for a user.
    pub(crate) async fn replace_password_at_nats(&mut self, user: &str, new: &str) {
        self.seal.as_mut().expect("the house was started with TLS").replace_password(user, new);
        self.nats.take().expect("NATS runs").stop().await;
        self.start_nats().await;
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

    /// Starts a service that will not get ready.
    pub(crate) fn start_alone(&mut self, service: &str) {
        let process = self.process_of(service);
        self.processes[process].start();
    }

    /// Starts several and waits until the house is whole.
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
        self.nats = Some(start_nats(&self.nats_folder, self.nats_port, self.seal.as_ref()).await);
    }

    /// The process id of NATS while it runs.
    pub(crate) fn nats_pid(&self) -> Option<u32> {
        self.nats.as_ref().map(NatsServer::pid)
    }

    /// Kills PostgreSQL's first process, as a machine does that has no memory left.
    pub(crate) async fn kill9_postgres(&mut self) {
        self.postgres.take().expect("PostgreSQL runs").kill9().await;
    }

    /// Starts PostgreSQL at the address it had, on the files it left.
    pub(crate) async fn start_postgres(&mut self) {
        let cluster = self.cluster.clone().expect("services apart have a cluster");
        self.postgres = Some(Postgres::start(cluster).await.expect("PostgreSQL starts"));
    }

    /// The folder of the database's files.
    pub(crate) fn cluster_folder(&self) -> &Path {
        &self.cluster.as_ref().expect("services apart have a cluster").data_dir
    }

    /// Where the log of the database is kept.
    pub(crate) fn wal_archive(&self) -> PathBuf {
        self.folder.path().join("wal")
    }

    /// The database is gone with all its files.
    pub(crate) async fn destroy_postgres(&mut self) {
        self.kill9_postgres().await;
        std::fs::remove_dir_all(self.cluster_folder()).expect("nobody works in the folder any more");
    }

    /// Makes the database anew, where it was.
    pub(crate) async fn recover_postgres(&mut self, recovery: Recovery) {
        recovery.run(self.cluster_folder()).await.expect("what was kept can be recovered").stop().await;
        self.start_postgres().await;
    }

    /// NATS is gone with all its streams, and comes again without any.
    pub(crate) async fn empty_nats(&mut self) {
        self.kill9_nats().await;
        std::fs::remove_dir_all(&self.nats_folder).expect("nobody works in the folder any more");
        self.start_nats().await;
    }

    /// The process id of PostgreSQL while it runs.
    pub(crate) fn postgres_pid(&self) -> Option<u32> {
        self.postgres.as_ref().map(Postgres::pid)
    }

    /// Starts whatever does not run, as an orchestrator would, and gives the names of the programs that had ended by
    /// themselves.
    pub(crate) async fn revive(&mut self) -> Vec<String> {
        let mut ended = Vec::new();
        if self.postgres.as_ref().is_none_or(|postgres| postgres.exited().now_or_never().is_some()) {
            // First the lock on the folder, then the next.
            self.postgres = None;
            self.start_postgres().await;
        }
        if self.nats.as_ref().is_none_or(|nats| nats.exited().now_or_never().is_some()) {
            self.nats = None;
            self.start_nats().await;
        }
        for process in &mut self.processes {
            if let Some(status) = process.ended_by_itself() {
                ended.push(format!("{} ({status})", process.name()));
            }
            if !process.runs() {
                process.start();
            }
        }
        ended
    }

    /// Sets a variable of a program, `<SECTION>__<KEY>`, from its next start on.
    pub(crate) fn configure(&mut self, program: &str, key: &str, value: &str) {
        let process = self.process_of(program);
        self.processes[process].configure(&format!("CLIENTELE_{key}"), value);
    }

    /// Starts one program anew and waits until it is ready itself; the house must show its metrics.
    pub(crate) async fn restart(&mut self, program: &str) {
        self.stop_service(program).await;
        self.start_alone(program);
        let process = self.process_of(program);
        let port = self.metrics.iter().find(|(name, _)| name == program).expect("its metrics are shown").1;
        let probe = reqwest::Client::new();
        let begun = std::time::Instant::now();
        loop {
            self.processes[process].assert_runs_if_started();
            let answer = probe.get(format!("http://127.0.0.1:{port}/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(begun.elapsed() < STARTING, "{program} does not get ready: {}", self.processes[process].log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts a program that must end by itself with a failure, and gives what it said.
    pub(crate) async fn refuses_to_start(&mut self, program: &str) -> String {
        self.start_alone(program);
        let process = self.process_of(program);
        let status = self.processes[process].ended().await;
        assert!(!status.success(), "{program} ended as if all were well");
        self.processes[process].log()
    }

    /// Moves the clock of all programs forward.
    pub(crate) fn advance(&mut self, by: Duration) {
        let file = self.folder.path().join(CLOCK);
        let ahead: u64 = std::fs::read_to_string(&file).map_or(0, |text| text.parse().expect("we wrote a number"));
        let draft = self.folder.path().join("clock.draft");
        std::fs::write(&draft, (ahead + by.as_secs()).to_string()).expect("a folder of ours is writable");
        // At once: nobody reads a half of it.
        std::fs::rename(draft, file).expect("a folder of ours is writable");
    }

    pub(crate) async fn kill9_bouncer(&mut self) {
        self.bouncer.as_mut().expect("the house was started with PgBouncer").kill9().await;
    }

    /// A second one, which asks PostgreSQL for the passwords, and the address of the database there for a service.
    pub(crate) async fn asking_bouncer(&self, service: &str) -> (Bouncer, String) {
        let postgres = self.postgres.as_ref().expect("PostgreSQL runs");
        let bouncer = Bouncer::start(self.folder.path(), postgres, DATABASE, self.seal(), Knows::Query).await;
        let url = self.seal().database_url(bouncer.port(), DATABASE, service, "verify-full");
        (bouncer, url)
    }

    pub(crate) async fn start_bouncer(&mut self) {
        self.bouncer.as_mut().expect("the house was started with PgBouncer").start_again().await;
    }

    /// The address by which the database is migrated.
    pub(crate) fn migration_url(&self) -> String {
        let postgres = self.postgres.as_ref().expect("PostgreSQL runs");
        postgres.url(DATABASE, postgres.superuser())
    }

    /// Waits for a program that was told to end; panics when it does not end well.
    pub(crate) async fn ended(&mut self, program: &str) {
        let process = self.process_of(program);
        let status = self.processes[process].ended().await;
        assert!(status.success(), "{program} ended with {status}: {}", self.processes[process].log());
    }

    /// Starts what was killed, and does not wait for it.
    pub(crate) fn start_if_down(&mut self) {
        self.processes.iter_mut().filter(|process| !process.runs()).for_each(Process::start);
    }

    /// The process id of a program while it runs.
    pub(crate) fn pid_of(&self, program: &str) -> Option<u32> {
        let process = self.process(program);
        process.runs().then(|| process.pid())
    }

    /// The programs of the house, by name.
    pub(crate) fn processes(&self) -> Vec<String> {
        self.processes.iter().map(|process| process.name().to_owned()).collect()
    }

    pub(crate) fn nats_url(&self) -> Option<String> {
        self.nats.as_ref().map(NatsServer::url)
    }

    /// Everything the programs have logged, by name.
    pub(crate) fn logs(&self) -> Vec<(String, String)> {
        self.processes.iter().map(|process| (process.name().to_owned(), process.log())).collect()
    }

    /// Folder of the socket, port and name of the database.
    pub(crate) fn database_at(&self) -> (PathBuf, u16, String) {
        let postgres = self.postgres.as_ref().expect("services apart share a PostgreSQL");
        (postgres.socket_dir().to_owned(), postgres.port(), DATABASE.to_owned())
    }

    /// A connection to the database as a role; `None` for the superuser.
    pub(crate) async fn database(&self, role: Option<&str>) -> PgConnection {
        self.try_database(role).await.expect("the database answers")
    }

    pub(crate) async fn try_database(&self, role: Option<&str>) -> sqlx::Result<PgConnection> {
        let own = || self.data_dir().join("postgres/socket");
        let folder = self.postgres.as_ref().map_or_else(own, |postgres| postgres.socket_dir().to_owned());
        let options: PgConnectOptions = database_url(&folder, role.unwrap_or("postgres")).parse()?;
        let options = options.port(self.postgres.as_ref().map_or(5432, Postgres::port));
        PgConnection::connect_with(&options).await
    }

    pub(crate) fn ends_of_logs(&self) -> String {
        let ends: Vec<_> = self.logs().iter().map(|(name, log)| format!("{name}:\n{}", process::tail(log))).collect();
        ends.join("\n")
    }

    /// Waits until every process answers.
    pub(crate) async fn wait_until_ready(&mut self) {
        let probe = crate::rest::http(self.seal.as_ref().map(Seal::authority).as_deref());
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

/// Where a program finds the others.
struct Ways {
    /// The variables with the services' addresses.
    services: Vec<(String, String)>,
    /// The folder of PostgreSQL's socket.
    postgres: PathBuf,
    nats: String,
}

/// Where a program finds the others: where they are, or over ways of its own.
async fn ways(
    from: &str,
    ports: &[(&'static str, u16)],
    postgres: &Postgres,
    nats: u16,
    folder: &Path,
    faults: &Faults,
) -> Ways {
    let lead = async |to: &str, ports: Vec<u16>| match &faults.links {
        Some(links) => links.to_ports(format!("{from} to {to}"), ports).await,
        None => ports[0],
    };
    let mut services = Vec::new();
    for to in SERVICES {
        let there = ports.iter().filter(|(name, _)| *name == to).map(|(_, port)| *port).collect();
        let ports = if faults.links.is_some() { vec![lead(to, there).await] } else { there };
        let addresses: Vec<_> = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        services.push((format!("CLIENTELE_SERVICES__{}", to.to_uppercase()), addresses.join(",")));
    }
    let mut socket = postgres.socket_dir().to_owned();
    if let Some(links) = faults.links.as_ref().filter(|_| !from.starts_with(GATEWAY)) {
        let name = format!(".s.PGSQL.{}", postgres.port());
        let there = socket.join(&name);
        socket = folder.join(from);
        std::fs::create_dir(&socket).expect("a folder of ours is writable");
        links.to_socket(format!("{from} to postgres"), &socket.join(&name), there);
    }
    Ways { services, postgres: socket, nats: format!("nats://127.0.0.1:{}", lead("nats", vec![nats]).await) }
}

/// The address of the database behind the socket in a folder.
pub(crate) fn database_url(folder: &Path, role: &str) -> String {
    let folder = folder.to_str().expect("the path is text").replace('/', "%2F");
    format!("postgres:///{DATABASE}?host={folder}&user={role}")
}

pub(crate) async fn start_nats(folder: &Path, port: u16, seal: Option<&Seal>) -> NatsServer {
    let program = ensure_nats_server(&cache_dir()).await.expect("nats-server is there or can be installed");
    let mut options = NatsOptions { port, program: Some(program), ..NatsOptions::new(folder) };
    if let Some(seal) = seal {
        let (config, environment) = seal.nats();
        options.config = Some(config);
        options.environment = environment;
    }
    NatsServer::start(options).await.expect("nats-server starts")
}

/// How the house's PostgreSQL is run.
async fn cluster(options: &Options, folder: &Path) -> PostgresOptions {
    let mut cluster = match &options.faults.disks {
        // The files outlive the server, and are small; each commit waits for its disk.
        Some((disk, _)) => PostgresOptions::for_tests(disk)
            .setting("fsync", "on")
            .setting("max_wal_size", "128MB")
            .setting("log_min_messages", "warning"),
        None if options.durable => durable(folder),
        None if options.archived => PostgresOptions {
            wal_archive: Some(folder.join("wal")),
            ..PostgresOptions::for_tests(folder.join("postgres"))
        },
        None => PostgresOptions::temporary().expect("the temporary folder is writable"),
    };
    if options.tls {
        cluster.port = free_port();
        cluster = cluster.setting("listen_addresses", "127.0.0.1");
    }
    cluster.programs = Some(ensure_postgres(&cache_dir()).await.expect("PostgreSQL is there or can be installed"));
    cluster
}

/// The variables that services apart have in common.
fn variables_of_all(options: &Options, folder: &Path) -> Vec<(String, String)> {
    let mut common = variables(options);
    let mut set = |key: &str, value: String| common.push((format!("CLIENTELE_{key}"), value));
    if options.clock {
        set("TEST_CLOCK", folder.join(CLOCK).display().to_string());
    }
    if options.pooled {
        set("DATABASE__POOLED", "true".to_owned());
    }
    set("BUS__KIND", "jetstream".to_owned());
    set("SECRETS__MASTER_KEY", STANDARD.encode([9; 32]));
    if options.faults.disks.is_some() {
        // NATS keeps room for whole streams, and the disk is small.
        set("BUS__MAX_BYTES", (64 << 20).to_string());
    }
    common
}

/// A PostgreSQL as a small installation has it.
fn durable(folder: &Path) -> PostgresOptions {
    PostgresOptions { temporary: true, ..PostgresOptions::new(folder.join("postgres")) }
        .setting("max_connections", "200")
        .setting("shared_buffers", "1GB")
        .setting("effective_cache_size", "4GB")
        .setting("max_wal_size", "8GB")
        .setting("logging_collector", "on")
        .setting("log_destination", "jsonlog")
        .setting("log_error_verbosity", "default")
}

pub(crate) async fn create_database(postgres: &Postgres) {
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
pub(crate) fn free_port() -> u16 {
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
