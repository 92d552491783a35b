//! A `PgBouncer` between the services and their database, by the configuration in `deploy/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clientele_contracts::CONTEXTS;
use clientele_embedded::{PgBouncer, Postgres, cache_dir, ensure_pgbouncer};
use clientele_platform::postgres::runtime_role;

const CONFIG: &str = include_str!("../../../deploy/pgbouncer.ini");
/// Connections of each role: fewer than one service alone would open.
const POOL: &str = "5";

pub(crate) struct Bouncer {
    program: PathBuf,
    folder: PathBuf,
    config: String,
    running: Option<PgBouncer>,
}

impl Bouncer {
    pub(crate) async fn start(folder: &Path, postgres: &Postgres, database: &str) -> Self {
        let program = ensure_pgbouncer(&cache_dir()).await.expect("PgBouncer is there or can be built");
        let folder = folder.join("bouncer");
        std::fs::create_dir(&folder).expect("a folder of ours is writable");
        let users = CONTEXTS.map(|context| format!("\"{}\" \"\"\n", runtime_role(context))).concat();
        std::fs::write(folder.join("userlist.txt"), users).expect("a folder of ours is writable");
        let here = format!("host={} port={} dbname={database}", postgres.socket_dir().display(), postgres.port());
        let config = placed(BTreeMap::from([
            (database, here.as_str()),
            ("listen_addr", ""),
            ("listen_port", "5432"),
            ("unix_socket_dir", "{folder}"),
            // The cluster of the tests trusts whoever reaches its socket.
            ("auth_type", "trust"),
            ("auth_file", "{folder}/userlist.txt"),
            ("client_tls_sslmode", "disable"),
            ("client_tls_key_file", ""),
            ("client_tls_cert_file", ""),
            ("server_tls_sslmode", "disable"),
            ("server_tls_ca_file", ""),
            ("default_pool_size", POOL),
        ]));
        let mut bouncer = Self { program, folder, config, running: None };
        bouncer.start_again().await;
        bouncer
    }

    /// The folder with the socket.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) async fn start_again(&mut self) {
        let started = PgBouncer::start(&self.program, &self.folder, &self.config, ".s.PGSQL.5432").await;
        self.running = Some(started.expect("PgBouncer starts"));
    }

    pub(crate) async fn kill9(&mut self) {
        self.running.take().expect("PgBouncer runs").kill9().await;
    }
}

/// The configuration in `deploy/` with these keys as this machine needs them. All else is as it stands there.
fn placed(mut keys: BTreeMap<&str, &str>) -> String {
    let lines = CONFIG.lines().map(|line| {
        let key = line.split_once('=').map(|(key, _)| key.trim()).filter(|key| !key.starts_with(';'));
        match key.and_then(|key| Some((key, keys.remove(key)?))) {
            Some((key, value)) => format!("{key} = {value}\n"),
            None => format!("{line}\n"),
        }
    });
    let text = lines.collect();
    assert!(keys.is_empty(), "deploy/pgbouncer.ini does not have {keys:?}");
    text
}
