//! Two replicas of each program over one database and one bus, each of either release, replaced one by one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clientele_embedded::{NatsServer, Postgres, PostgresOptions, cache_dir, ensure_postgres, scratch_dir};
use clientele_platform::postgres::runtime_role;
use clientele_testkit::eventually_within;
use futures::future::join_all;
use tempfile::TempDir;

use super::door::Door;
use super::load::Working;
use crate::house::{
    GATEWAY, LOGIN, PASSWORD, Process, SERVICES, create_database, database_url, free_port, run_program, secret,
    start_nats, tail,
};
use crate::rest::Client;

/// A start, on a machine that is busy with other tests.
const STARTING: Duration = Duration::from_secs(90);

/// Says that upgrades need not be tested where the release before cannot be had; it is told and then passes.
pub(super) const WITHOUT_HISTORY: &str = "CLIENTELE_WITHOUT_HISTORY";

/// Whose program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    /// Of the release before this one.
    Before,
    /// Of this one.
    Now,
}

/// Where the programs of both releases are.
pub(super) struct Programs {
    before: PathBuf,
    now: PathBuf,
}

impl Programs {
    /// Finds them; `None` where those of the release before cannot be had and somebody does without. Whatever else is missing
    /// is a failure.
    pub(super) fn find() -> Option<Self> {
        let test = std::env::current_exe().expect("a process knows its program");
        let now = test.parent().and_then(Path::parent).expect("tests lie in target/<profile>/deps").to_owned();
        let home = now.parent().expect("a profile lies in the target folder").join("previous").join(commit());
        let without = std::env::var(WITHOUT_HISTORY).is_ok_and(|value| !["", "0"].contains(&value.as_str()));
        if without && home.join("missing").exists() {
            return None;
        }
        let built = home.join("built").exists();
        assert!(
            built,
            "the programs of the release before are missing: `cargo xtask previous` builds them, or says why it cannot; \
             with {WITHOUT_HISTORY}=1 set for both, upgrades are not tested"
        );
        Some(Self { before: home.join("debug"), now })
    }

    fn of(&self, release: Release, name: &str) -> PathBuf {
        match release {
            Release::Before => self.before.join(name),
            Release::Now => self.now.join(name),
        }
    }
}

/// The commit of the release before, as the root manifest names it.
fn commit() -> String {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("the root manifest can be read");
    let line = manifest.lines().find_map(|line| line.strip_prefix("previous = "));
    line.expect("the root manifest names the release before").trim_matches('"').to_owned()
}

/// The addresses of the gateways that take requests at the moment. Whoever sends a request holds the address until it is
/// answered.
pub(super) type Rotation = Arc<RwLock<Vec<Arc<String>>>>;

/// Everything that runs.
pub(super) struct Fleet {
    programs: Programs,
    /// The replicas of each program.
    groups: Vec<Vec<Replica>>,
    rotation: Rotation,
    around: Around,
    // Declared last: the folder goes when nobody works in it any more.
    _nats: NatsServer,
    postgres: Postgres,
    folder: TempDir,
}

/// A place for a program.
struct Replica {
    service: &'static str,
    name: String,
    port: u16,
    watch: u16,
    process: Option<Process>,
}

/// What programs are told of each other.
struct Around {
    folder: PathBuf,
    sockets: PathBuf,
    nats: String,
    doors: Vec<(&'static str, Door)>,
    ports: Vec<(&'static str, Vec<u16>)>,
}

impl Fleet {
    /// Two replicas of everything, of the release before.
    pub(super) async fn start(programs: Programs) -> Self {
        clientele_platform::install_crypto();
        let folder = scratch_dir().expect("the temporary folder is writable");
        let mut cluster = PostgresOptions::temporary().expect("the temporary folder is writable");
        cluster.programs = Some(ensure_postgres(&cache_dir()).await.expect("PostgreSQL is there or can be installed"));
        let postgres = Postgres::start(cluster).await.expect("PostgreSQL starts");
        create_database(&postgres).await;
        let nats = start_nats(&folder.path().join("nats"), 0, None).await;
        let mut groups = Vec::new();
        for service in SERVICES.into_iter().chain([GATEWAY]) {
            let replica = |number| Replica {
                service,
                name: format!("{service}-{number}"),
                port: free_port(),
                watch: free_port(),
                process: None,
            };
            groups.push(vec![replica(1), replica(2)]);
        }
        let ports =
            |group: &Vec<Replica>| (group[0].service, group.iter().map(|replica| replica.port).collect::<Vec<_>>());
        let ports: Vec<_> = groups.iter().map(ports).collect();
        let mut doors = Vec::new();
        for (service, ports) in ports.iter().filter(|(service, _)| *service != GATEWAY) {
            doors.push((*service, Door::open(service, ports).await));
        }
        let around = Around {
            folder: folder.path().to_owned(),
            sockets: postgres.socket_dir().to_owned(),
            nats: nats.url(),
            doors,
            ports,
        };
        let rotation = Rotation::default();
        let mut fleet = Self { programs, groups, rotation, around, _nats: nats, postgres, folder };
        fleet.migrate(Release::Before, &[]).await;
        let (programs, around) = (&fleet.programs, &fleet.around);
        for replica in fleet.groups.iter_mut().flatten() {
            replica.launch(programs, around, Release::Before);
        }
        join_all(fleet.groups.iter().flatten().map(Replica::is_ready)).await;
        let gateways = fleet.groups.last().expect("the gateway is the last group");
        *fleet.rotation.write().unwrap_or_else(PoisonError::into_inner) =
            gateways.iter().map(|gateway| Arc::new(gateway.base())).collect();
        fleet
    }

    pub(super) fn rotation(&self) -> Rotation {
        self.rotation.clone()
    }

    /// A gateway that takes requests.
    pub(super) fn gateway(&self) -> String {
        self.rotation.read().unwrap_or_else(PoisonError::into_inner)[0].to_string()
    }

    /// The administrator at a gateway.
    pub(super) async fn client(&self, base: String) -> Client {
        Client::new(&base).sign_in(LOGIN, PASSWORD).await
    }

    /// Migrates as that release does before it is rolled out.
    pub(super) async fn migrate(&self, release: Release, more: &[&str]) {
        let superuser = database_url(self.postgres.socket_dir(), self.postgres.superuser());
        let environment = [("CLIENTELE_DATABASE__MIGRATION_URL".to_owned(), superuser)];
        let program = self.programs.of(release, "clientele");
        let arguments: Vec<&str> = ["migrate"].iter().chain(more).copied().collect();
        run_program(&program, &arguments, &environment).await.succeeded();
    }

    /// What is kept by events agrees with what it is kept of.
    pub(super) async fn verify(&self, release: Release) {
        let environment = [("CLIENTELE_PASSWORD".to_owned(), PASSWORD.to_owned())];
        let program = self.programs.of(release, "clientele");
        run_program(&program, &["verify", "--server", &self.gateway()], &environment).await.succeeded();
    }

    /// Replaces the replicas of each service one by one, all services at the same time.
    pub(super) async fn roll_services(&mut self, release: Release, working: &Working) {
        let (services, _) = self.parts();
        services.roll(release, working).await;
    }

    /// Replaces the gateways one by one.
    pub(super) async fn roll_gateway(&mut self, release: Release, working: &Working) {
        let (_, gateways) = self.parts();
        gateways.roll(release, working).await;
    }

    /// Replaces the replicas of everything one by one, everything at the same time.
    pub(super) async fn roll(&mut self, release: Release, working: &Working) {
        let (services, gateways) = self.parts();
        tokio::join!(services.roll(release, working), gateways.roll(release, working));
    }

    fn parts(&mut self) -> (Services<'_>, Gateways<'_>) {
        let (programs, around) = (&self.programs, &self.around);
        let (gateways, services) = self.groups.split_last_mut().expect("the gateway is the last group");
        (
            Services { groups: services, programs, around },
            Gateways { group: gateways, rotation: &self.rotation, programs, around },
        )
    }
}

struct Services<'a> {
    groups: &'a mut [Vec<Replica>],
    programs: &'a Programs,
    around: &'a Around,
}

impl Services<'_> {
    async fn roll(self, release: Release, working: &Working) {
        let (programs, around) = (self.programs, self.around);
        join_all(self.groups.iter_mut().map(|group| async move {
            for replica in group {
                replica.replace(programs, around, release).await;
                working.wait_for(1).await;
            }
        }))
        .await;
    }
}

struct Gateways<'a> {
    group: &'a mut [Replica],
    rotation: &'a Rotation,
    programs: &'a Programs,
    around: &'a Around,
}

impl Gateways<'_> {
    /// Each is taken from those that get requests, and told to stop when nobody waits for an answer of it: a proxy in front
    /// does as much. Those who follow its stream it tells itself.
    async fn roll(self, release: Release, working: &Working) {
        for replica in self.group {
            let base = Arc::new(replica.base());
            let gone: Vec<_> = self
                .rotation
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .extract_if(.., |other| *other == base)
                .collect();
            eventually_within(STARTING, "the answers of a gateway that goes", || async {
                (Arc::strong_count(&gone[0]) == 1).then_some(())
            })
            .await;
            replica.replace(self.programs, self.around, release).await;
            self.rotation.write().unwrap_or_else(PoisonError::into_inner).push(base);
            working.wait_for(1).await;
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for replica in self.groups.iter().flatten() {
                let log = std::fs::read(self.folder.path().join(format!("{}.log", replica.name))).unwrap_or_default();
                println!("{}:\n{}", replica.name, tail(&String::from_utf8_lossy(&log)));
            }
        }
    }
}

impl Replica {
    fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends what runs here in order, and starts the program of that release in its place.
    async fn replace(&mut self, programs: &Programs, around: &Around, release: Release) {
        if let Some(mut process) = self.process.take() {
            let status = process.stop().await;
            assert!(status.success(), "{} ended with {status}: {}", self.name, tail(&process.log()));
        }
        self.launch(programs, around, release);
        self.is_ready().await;
    }

    fn launch(&mut self, programs: &Programs, around: &Around, release: Release) {
        let program = programs.of(release, &format!("clientele-{}", self.service));
        let mut process = Process::of(&around.folder, program, &self.name, &[], self.environment(around, release));
        process.start();
        self.process = Some(process);
    }

    async fn is_ready(&self) {
        let probe = reqwest::Client::new();
        // The gateway says it where it serves.
        let port = if self.service == GATEWAY { self.port } else { self.watch };
        eventually_within(STARTING, &format!("{}'s being ready", self.name), || async {
            let answer = probe.get(format!("http://127.0.0.1:{port}/readyz")).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    fn environment(&self, around: &Around, release: Release) -> Vec<(String, String)> {
        let mut environment = Vec::new();
        let mut set = |key: &str, value: String| environment.push((format!("CLIENTELE_{key}"), value));
        for (service, door) in &around.doors {
            let ports = around.ports.iter().find(|(name, _)| name == service).map(|(_, ports)| ports);
            let each = ports.into_iter().flatten().map(|port| format!("http://127.0.0.1:{port}"));
            let address = match release {
                Release::Before => door.address.clone(),
                Release::Now => each.collect::<Vec<_>>().join(","),
            };
            set(&format!("SERVICES__{}", service.to_uppercase()), address);
        }
        set("BUS__KIND", "jetstream".to_owned());
        set("BUS__URL", around.nats.clone());
        set("SECRETS__MASTER_KEY", STANDARD.encode([9; 32]));
        set("SECRETS__SERVICE_SECRET", secret(self.service));
        set("SERVER__LISTEN", format!("127.0.0.1:{}", self.port));
        set("SERVER__METRICS_LISTEN", format!("127.0.0.1:{}", self.watch));
        if self.service == GATEWAY {
            // A busy machine is no failed request.
            set("GATEWAY__CARD_DEADLINE", "9s".to_owned());
        } else {
            set("DATABASE__URL", database_url(&around.sockets, &runtime_role(self.service)));
            set("DATABASE__MAX_CONNECTIONS", "6".to_owned());
        }
        if self.service == "identity" {
            set("IDENTITY__ADMINISTRATOR_PASSWORD", PASSWORD.to_owned());
            for other in SERVICES.into_iter().filter(|service| *service != "identity").chain([GATEWAY]) {
                set(&format!("IDENTITY__{}_SECRET", other.to_uppercase()), secret(other));
            }
        }
        environment
    }
}
