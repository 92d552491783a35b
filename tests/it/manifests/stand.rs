//! The dev overlay, stood up on one machine: for each pod a process with the variables, files and arguments the pod has. What
//! changes is where things are: addresses, and the folder in the place of `/run/secrets`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clientele_contracts::CONTEXTS;
use clientele_embedded::{
    NatsOptions, NatsServer, Postgres, PostgresOptions, cache_dir, ensure_nats_server, ensure_postgres, scratch_dir,
};
use clientele_testkit::eventually_within;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use super::arrows::{self, Place, arrow};
use super::render::{Pod, folder, list, name, named, objects, of_kind, pods, text};
use crate::house::{GATEWAY, HOST, LOGIN, Process, free_port, run};
use crate::rest::{Client, http};

/// Where pods have their Secrets.
const SECRETS: &str = "/run/secrets/";
const STARTING: Duration = Duration::from_secs(90);

/// The Secrets that the script of the dev overlay makes.
pub(super) async fn secrets() -> Vec<Value> {
    let script = folder().join("dev/secrets.sh");
    let output = Command::new("sh").arg(script).output().expect("a shell can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    objects(&String::from_utf8(output.stdout).expect("the script prints text"), &["1.30"]).await
}

pub(super) struct Stand {
    pub(super) objects: Vec<Value>,
    secrets: Vec<Value>,
    postgres: Postgres,
    nats: NatsServer,
    /// By part: where it serves, and where it is measured.
    ports: BTreeMap<String, (u16, u16)>,
    processes: Vec<Process>,
    folder: TempDir,
}

impl Stand {
    /// With PostgreSQL and NATS at work, and nothing in them.
    pub(super) async fn build(objects: Vec<Value>, secrets: Vec<Value>) -> Self {
        let folder = scratch_dir().expect("the temporary folder is writable");
        for pod in pods(&objects) {
            unpack(&pod, &secrets, folder.path());
        }
        let postgres = postgres(&objects, folder.path()).await;
        let nats = nats(&objects, &secrets, folder.path()).await;
        let ports = CONTEXTS.iter().chain(&[GATEWAY]).map(|part| ((*part).to_owned(), (free_port(), free_port())));
        Self { ports: ports.collect(), objects, secrets, postgres, nats, processes: Vec::new(), folder }
    }

    /// The variables of a pod, with the addresses of this machine.
    fn variables(&self, pod: &Pod<'_>) -> Vec<(String, String)> {
        let own = root(self.folder.path(), pod);
        let part = pod.part();
        let variables = pod.variables(&self.objects).into_iter();
        let mut variables: Vec<_> = variables
            .map(|(key, value)| {
                let value = self.here(&value).replace(SECRETS, &format!("{}{SECRETS}", own.display()));
                (key, value)
            })
            .collect();
        for (key, value) in &mut variables {
            let Some((serves, measured)) = self.ports.get(part) else { break };
            match key.as_str() {
                "CLIENTELE_SERVER__LISTEN" => *value = listen(pod, value, &["grpc", "https"], *serves),
                "CLIENTELE_SERVER__METRICS_LISTEN" => *value = listen(pod, value, &["metrics"], *measured),
                _ => {}
            }
        }
        variables
    }

    /// A text with the addresses of this machine in the place of those of Services.
    fn here(&self, value: &str) -> String {
        let mut value = value.replace("clientele-postgres:5432", &format!("{HOST}:{}", self.postgres.port()));
        value = value.replace("clientele-nats:4222", &format!("{HOST}:{}", self.nats.port()));
        for (part, (serves, _)) in &self.ports {
            value = value.replace(&format!("clientele-{part}:7100"), &format!("{HOST}:{serves}"));
        }
        value
    }

    /// Files hold addresses too.
    fn settle(&self, pod: &Pod<'_>) {
        let own = root(self.folder.path(), pod);
        for (_, mount) in pod.secrets() {
            let path = own.join(mount.trim_start_matches('/')).join("database-url");
            if let Ok(url) = fs::read_to_string(&path) {
                let place = format!("{}{SECRETS}", own.display()).replace('/', "%2F");
                fs::write(&path, self.here(&url).replace(SECRETS, &place)).expect("the folder is writable");
            }
        }
    }

    /// Runs a Job to its end.
    pub(super) async fn run_job(&self, job: &str) {
        let pod = pods(std::slice::from_ref(named(&self.objects, "Job", job)))[0];
        unpack(&pod, &self.secrets, self.folder.path());
        self.settle(&pod);
        let arguments: Vec<&str> = list(pod.container, "/args").iter().map(|arg| arg.as_str().expect("text")).collect();
        let ended = run(pod.program(), &arguments, &self.variables(&pod)).await.succeeded();
        for context in CONTEXTS {
            assert!(ended.output.contains(&format!("{context}: up to date")), "{}", ended.output);
        }
    }

    /// Starts all Deployments.
    pub(super) fn start_all(&mut self) {
        let mut processes = Vec::new();
        for pod in pods(&self.objects).into_iter().filter(|pod| pod.owner["kind"] == "Deployment") {
            self.settle(&pod);
            processes.push(Process::new(self.folder.path(), pod.program(), pod.part(), &[], self.variables(&pod)));
        }
        processes.iter_mut().for_each(Process::start);
        self.processes = processes;
    }

    /// Every probe of every pod answers at its port, and in the end with yes.
    pub(super) async fn probes_answer(&mut self) {
        let client = http(None);
        let deployments: Vec<_> = of_kind(&self.objects, "Deployment").cloned().collect();
        for pod in pods(&deployments) {
            for kind in ["startupProbe", "livenessProbe", "readinessProbe"] {
                let probe = &pod.container[kind]["httpGet"];
                assert_eq!(probe["port"], "metrics", "the other port speaks another language");
                let address = format!("http://127.0.0.1:{}{}", self.ports[pod.part()].1, text(probe, "/path"));
                let processes = &mut self.processes;
                eventually_within(STARTING, &format!("the {kind} of {}", pod.part()), || {
                    processes.iter_mut().for_each(Process::assert_runs_if_started);
                    let asked = client.get(&address).send();
                    async move { asked.await.ok().filter(|answer| answer.status() == 200) }
                })
                .await;
            }
            let metrics = format!("http://127.0.0.1:{}/metrics", self.ports[pod.part()].1);
            let measured = client.get(&metrics).send().await.expect("it answers").text().await.expect("it is text");
            assert!(measured.contains("# TYPE "), "{}", pod.part());
        }
        for monitor in of_kind(&self.objects, "ServiceMonitor") {
            assert_eq!(text(monitor, "/spec/endpoints/0/path"), "/metrics");
        }
    }

    /// The administrator of the Secret signs in through the gateway, over its TLS, and reads over all services.
    pub(super) async fn sign_in(&self) {
        let gateway = pods_of(&self.objects, GATEWAY);
        let authority = root(self.folder.path(), &gateway).join("run/secrets/clientele/authority/ca.crt");
        let password = secret(&self.secrets, "clientele-identity-secrets", "administrator-password");
        let base = format!("https://{HOST}:{}", self.ports[GATEWAY].0);
        let client = Client::trusting(&base, Some(authority)).sign_in(LOGIN, &password).await;
        let listed = client.get("/v1/customers").await;
        assert_eq!(listed.status, 200, "{}", String::from_utf8_lossy(&listed.body));
        let stranger = http(None).get(format!("{base}/livez")).send().await;
        assert!(stranger.is_err(), "who does not know the authority believes the certificate");
    }

    /// The policies let through what the programs say that they call, and nothing else.
    pub(super) fn policies_allow_what_is_called(&self) {
        let mut called = BTreeSet::new();
        let all = pods(&self.objects);
        for pod in all.iter().filter(|pod| !["postgres", "nats"].contains(&pod.part())) {
            let part = pod.part().to_owned();
            let calls = match (part.as_str(), self.processes.iter().find(|process| process.name() == part)) {
                // It asks each of them whether it is ready.
                (GATEWAY, _) => CONTEXTS.map(str::to_owned).to_vec(),
                (_, Some(process)) => calls(&process.log()),
                (_, None) => Vec::new(),
            };
            let others = calls.into_iter().filter(|other| *other != part);
            called.extend(others.map(|other| arrow(&part, &other, 7100)));
            let variables = pod.variables(&self.objects);
            let speaks_to = |key: &str| variables.iter().any(|(name, _)| name.starts_with(key));
            if speaks_to("CLIENTELE_DATABASE__") {
                called.insert(arrow(&part, "postgres", 5432));
            }
            if speaks_to("CLIENTELE_BUS__URL") {
                called.insert(arrow(&part, "nats", 4222));
            }
        }
        let places: Vec<_> = all.iter().map(Place::of).collect();
        assert_eq!(arrows::allowed(&self.objects, &places), called);
    }

    /// Each part shows a certificate of its own, for the names by which its Service is called and for nobody else's.
    pub(super) fn certificates_are_of_their_parts_alone(&self) {
        let services: Vec<_> = of_kind(&self.objects, "Service").map(name).collect();
        let mut seen = BTreeSet::new();
        for service in &services {
            let part = service.strip_prefix("clientele-").expect("our names begin so");
            for key in ["tls.crt", "tls.key"] {
                let own = secret(&self.secrets, &format!("clientele-tls-{part}"), key);
                assert!(seen.insert(own), "{service} has the {key} of another");
            }
            let listens = match part {
                "postgres" => self.postgres.port(),
                "nats" => self.nats.port(),
                part => self.ports[part].0,
            };
            for called in &services {
                assert_eq!(self.is_believed(part, listens, called), called == service, "{service}, called {called}");
            }
            for end in [".clientele-dev", ".clientele-dev.svc", ".clientele-dev.svc.cluster.local"] {
                assert!(self.is_believed(part, listens, &format!("{service}{end}")), "{service}{end}");
            }
            assert!(!self.is_believed(part, listens, &format!("{service}.clientele")), "that is another house");
        }
    }

    /// Whether who calls by this name believes what listens at the port.
    fn is_believed(&self, part: &str, listens: u16, called: &str) -> bool {
        let authority =
            root(self.folder.path(), &pods_of(&self.objects, GATEWAY)).join("run/secrets/clientele/authority/ca.crt");
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-connect", &format!("127.0.0.1:{listens}"), "-verify_return_error"]);
        openssl.args(["-verify_hostname", called, "-CAfile"]).arg(authority).stdin(Stdio::null());
        match part {
            "postgres" => openssl.args(["-starttls", "postgres"]),
            // It says its name before it speaks TLS, which openssl has no word for: its certificate is looked at as it is.
            "nats" => return self.is_named(part, called),
            _ => openssl.args(["-alpn", "h2"]),
        };
        let output = openssl.output().expect("openssl runs");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("CONNECTED("), "{part}: {said}");
        output.status.success()
    }

    fn is_named(&self, part: &str, called: &str) -> bool {
        let place = self.folder.path().join(format!("{part}.crt"));
        let certificate = secret(&self.secrets, &format!("clientele-tls-{part}"), "tls.crt");
        fs::write(&place, certificate).expect("the folder is writable");
        let mut shown = Command::new("openssl");
        shown.args(["x509", "-noout", "-checkhost", called, "-in"]).arg(&place);
        let output = shown.output().expect("openssl runs");
        String::from_utf8_lossy(&output.stdout).contains("does match")
    }

    pub(super) async fn stop(mut self) {
        for process in &mut self.processes {
            let status = process.stop().await;
            assert!(status.success(), "{} ended with {status}: {}", process.name(), process.log());
        }
        self.nats.stop().await;
        self.postgres.stop().await;
    }
}

/// What a service says at its start that it calls.
fn calls(log: &str) -> Vec<String> {
    let line = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|line| {
        let calls = line.get("calls").or_else(|| line.pointer("/fields/calls"))?;
        calls.as_str().map(str::to_owned)
    });
    let line = line.unwrap_or_else(|| panic!("it does not say what it calls: {log}"));
    line.split(',').map(str::to_owned).collect()
}

fn pods_of<'a>(objects: &'a [Value], part: &str) -> Pod<'a> {
    pods(objects).into_iter().find(|pod| pod.part() == part).unwrap_or_else(|| panic!("no pod of {part}"))
}

/// The folder that stands for the root of a pod.
fn root(folder: &Path, pod: &Pod<'_>) -> PathBuf {
    folder.join("pods").join(name(pod.owner))
}

/// Puts the Secrets of a pod where it mounts them.
fn unpack(pod: &Pod<'_>, secrets: &[Value], folder: &Path) {
    for (secret, mount) in pod.secrets() {
        let place = root(folder, pod).join(mount.trim_start_matches('/'));
        fs::create_dir_all(&place).expect("the folder is writable");
        let data = named(secrets, "Secret", secret)["data"].as_object().expect("a Secret has data");
        for (key, value) in data {
            let value = STANDARD.decode(value.as_str().expect("text")).expect("a Secret is base64");
            fs::write(place.join(key), value).expect("the folder is writable");
        }
    }
}

fn secret(secrets: &[Value], name: &str, key: &str) -> String {
    let value = text(&named(secrets, "Secret", name)["data"], &format!("/{key}"));
    String::from_utf8(STANDARD.decode(value).expect("a Secret is base64")).expect("this one is text")
}

/// An address of this machine in the place of all addresses of the pod, at the port that the pod names for it.
fn listen(pod: &Pod<'_>, said: &str, names: &[&str], port: u16) -> String {
    let own = names.iter().find_map(|name| pod.port(&Value::from(*name))).expect("the pod names the port");
    assert_eq!(said, format!("[::]:{own}"), "{}", pod.part());
    format!("127.0.0.1:{port}")
}

/// PostgreSQL as the image sets it up: TLS, passwords, its rules, and the script that is run once.
async fn postgres(objects: &[Value], folder: &Path) -> Postgres {
    let pod = &pods_of(objects, "postgres");
    let programs = ensure_postgres(&cache_dir()).await.expect("PostgreSQL is there or can be installed");
    let mut options = PostgresOptions::temporary().expect("the temporary folder is writable");
    options.port = free_port();
    options = options.setting("listen_addresses", "127.0.0.1");
    options.programs = Some(programs.clone());
    let postgres = Postgres::start(options).await.expect("PostgreSQL starts");
    let own = root(folder, pod);
    let password = fs::read_to_string(own.join("run/secrets/postgres/postgres")).expect("there is a password");
    let url = postgres.url("postgres", postgres.superuser());
    let mut server = PgConnection::connect(&url).await.expect("PostgreSQL answers");
    let rules: String = sqlx::query_scalar("show hba_file").fetch_one(&mut server).await.expect("it has rules");
    let rules = PathBuf::from(rules);
    let superuser = postgres.superuser();
    let arguments: Vec<_> = list(pod.container, "/args").iter().filter_map(Value::as_str).collect();
    let own_rules = arguments.iter().find_map(|argument| argument.strip_prefix("hba_file="));
    fs::write(&rules, mounted(objects, pod, own_rules.expect("it has rules of its own"))).expect("they can be written");
    let owner = fs::metadata(&rules).expect("the rules are there");
    let mut statements = vec![format!("alter role {superuser} password '{password}'")];
    for setting in
        arguments.iter().filter_map(|argument| argument.split_once('=')).filter(|(key, _)| key.starts_with("ssl"))
    {
        let value = match setting {
            (_, path) if path.starts_with(SECRETS) => {
                let file = Path::new(path);
                let copy = rules.with_file_name(file.file_name().expect("a file has a name"));
                fs::copy(own.join(path.trim_start_matches('/')), &copy).expect("the Secret has it");
                fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).expect("it is ours");
                chown(&copy, Some(owner.uid()), Some(owner.gid())).expect("it is ours to give");
                copy.to_str().expect("the path is text").to_owned()
            }
            (_, value) => value.to_owned(),
        };
        statements.push(format!("alter system set {} = '{value}'", setting.0));
    }
    statements.extend(["create database clientele".to_owned(), "select pg_reload_conf()".to_owned()]);
    for statement in statements {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut server).await.expect("the superuser may");
    }
    server.close().await.expect("a connection closes");

    let script = fs::read_to_string(super::folder().join("dev/postgres/roles.sh")).expect("there is a script");
    let place = format!("{}{SECRETS}", own.display());
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &script.replace(SECRETS, &place)]);
    let path = std::env::var("PATH").unwrap_or_default();
    shell.env("PATH", format!("{}:{path}", programs.folder.display()));
    // As the image gives it to the scripts that it runs.
    shell.env("PGPASSWORD", &password);
    shell.env("PGHOST", postgres.socket_dir()).env("PGPORT", postgres.port().to_string());
    let output = shell.output().expect("a shell can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // Nobody comes in without a password, not even the superuser at the socket, nor over the network without TLS.
    let error = PgConnection::connect(&url).await.map(drop).expect_err("the socket lets in whoever comes");
    assert!(error.to_string().contains("password"), "{error}");
    let address = format!("postgres://postgres:{password}@{HOST}:{}/clientele", postgres.port());
    let plain = format!("{address}?sslmode=disable");
    let error = PgConnection::connect(&plain).await.map(drop).expect_err("PostgreSQL speaks without TLS");
    assert!(error.to_string().contains("no encryption"), "{error}");
    let encrypted = format!("{address}?sslmode=require");
    PgConnection::connect(&encrypted)
        .await
        .expect("who knows the password is let in")
        .close()
        .await
        .expect("it closes");
    postgres
}

/// A file that a pod has from a `ConfigMap`.
fn mounted(objects: &[Value], pod: &Pod<'_>, file: &str) -> String {
    let (place, file) = file.rsplit_once('/').expect("the path is whole");
    let mounts = list(pod.container, "/volumeMounts");
    let mount = mounts.iter().find(|mount| mount["mountPath"] == place).unwrap_or_else(|| panic!("nothing at {place}"));
    let mut volumes = list(pod.template, "/spec/volumes").iter();
    let volume = volumes.find(|volume| volume["name"] == mount["name"]).expect("what is mounted is there");
    let map = named(objects, "ConfigMap", text(volume, "/configMap/name"));
    map["data"][file].as_str().unwrap_or_else(|| panic!("no {file} at {place}")).to_owned()
}

/// NATS with its configuration and the passwords of its Secret.
async fn nats(objects: &[Value], secrets: &[Value], folder: &Path) -> NatsServer {
    let pod = pods_of(objects, "nats");
    let map = list(pod.template, "/spec/volumes").iter().find_map(|volume| volume.pointer("/configMap/name"));
    let map = named(objects, "ConfigMap", map.and_then(Value::as_str).expect("it has a configuration"));
    let own = root(folder, &pod);
    let text = map["data"]["nats.conf"].as_str().expect("it is in the map");
    let config = own.join("nats.conf");
    fs::write(&config, text.replace(SECRETS, &format!("{}{SECRETS}", own.display()))).expect("the folder is writable");
    let from = list(pod.container, "/envFrom").iter().find_map(|from| from.pointer("/secretRef/name"));
    let passwords = &named(secrets, "Secret", from.and_then(Value::as_str).expect("it has passwords"))["data"];
    let environment = passwords.as_object().expect("a Secret has data").keys();
    let environment = environment.map(|key| (key.clone(), secret(secrets, "clientele-nats", key))).collect();
    let program = ensure_nats_server(&cache_dir()).await.expect("nats-server is there or can be installed");
    let options = NatsOptions {
        program: Some(program),
        config: Some(config),
        environment,
        ..NatsOptions::new(folder.join("streams"))
    };
    NatsServer::start(options).await.expect("nats-server starts")
}
