//! A `PgBouncer` between the services and their database, by the configuration in `deploy/`: over TLS on both sides, with
//! the passwords that PostgreSQL knows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clientele_embedded::{PgBouncer, Postgres, cache_dir, ensure_pgbouncer};
use sqlx::{Connection as _, PgConnection};

use super::{HOST, Seal, free_port};

const CONFIG: &str = include_str!("../../../deploy/pgbouncer.ini");
const DOCUMENT: &str = include_str!("../../../deploy/pgbouncer.md");
/// Connections of each role: fewer than one service alone would open.
const POOL: &str = "5";
/// What the role that asks for others' passwords proves itself by.
const ASKING: &str = "asks for others";

pub(crate) struct Bouncer {
    program: PathBuf,
    folder: PathBuf,
    config: String,
    port: u16,
    running: Option<PgBouncer>,
}

/// How it comes to know the passwords of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Knows {
    /// From a file.
    File,
    /// By asking PostgreSQL each time.
    Query,
}

impl Bouncer {
    pub(crate) async fn start(folder: &Path, postgres: &Postgres, database: &str, seal: &Seal, knows: Knows) -> Self {
        let program = ensure_pgbouncer(&cache_dir()).await.expect("PgBouncer is there or can be built");
        let folder = folder.join(format!("bouncer-{knows:?}"));
        fs::create_dir(&folder).expect("a folder of ours is writable");
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a folder of ours is writable");
        let (certificate, key) = seal.issue(HOST);
        write("tls.crt", &certificate);
        write("tls.key", &key);
        write("postgres-ca.crt", &fs::read_to_string(seal.authority()).expect("there is an authority"));
        let url = postgres.url(database, postgres.superuser());
        let mut superuser = PgConnection::connect(&url).await.expect("PostgreSQL answers");
        match knows {
            Knows::File => write("userlist.txt", &users(&mut superuser).await),
            Knows::Query => {
                let statements = block("create role clientele_pgbouncer").replace('…', ASKING);
                sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut superuser).await.expect("as documented");
                write("userlist.txt", &format!("\"clientele_pgbouncer\" \"{ASKING}\"\n"));
            }
        }
        superuser.close().await.expect("a connection closes");
        let port = free_port();
        let (here, listen) = (format!("host={HOST} port={} dbname={database}", postgres.port()), port.to_string());
        let config = CONFIG.replace("/etc/pgbouncer/", "{folder}/").replace("/var/run/postgresql", "{folder}");
        let config = match knows {
            Knows::File => config,
            Knows::Query => config.replace("\n;auth_", "\nauth_"),
        };
        assert_eq!(config.contains("\nauth_query = "), knows == Knows::Query, "deploy/pgbouncer.ini has no auth_query");
        let config = placed(
            &config,
            BTreeMap::from([
                (database, here.as_str()),
                ("listen_addr", "127.0.0.1"),
                ("listen_port", &listen),
                ("default_pool_size", POOL),
            ]),
        );
        let mut bouncer = Self { program, folder, config, port, running: None };
        bouncer.start_again().await;
        bouncer
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) async fn start_again(&mut self) {
        let socket = format!(".s.PGSQL.{}", self.port);
        let started = PgBouncer::start(&self.program, &self.folder, &self.config, &socket).await;
        self.running = Some(started.expect("PgBouncer starts"));
    }

    pub(crate) async fn kill9(&mut self) {
        self.running.take().expect("PgBouncer runs").kill9().await;
    }
}

/// The lines of `userlist.txt`, by the statement in the document.
async fn users(superuser: &mut PgConnection) -> String {
    let lines: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(block("select format(")))
        .fetch_all(superuser)
        .await
        .expect("as documented");
    assert!(lines.iter().all(|line| line.contains(" \"SCRAM-SHA-256$")), "{lines:?}");
    lines.join("\n") + "\n"
}

/// The statements in the document about `PgBouncer` that begin like this.
fn block(begin: &str) -> String {
    statements(DOCUMENT, begin)
}

/// The statements in a document that begin like this, up to where its text goes on.
pub(crate) fn statements(document: &str, begin: &str) -> String {
    let lines = document.lines().skip_while(|line| !line.trim_start().starts_with(begin));
    let indented = lines.take_while(|line| line.starts_with("    "));
    let text = indented.collect::<Vec<_>>().join("\n");
    assert!(!text.is_empty(), "the document has nothing that begins with `{begin}`");
    text
}

/// A configuration with these keys as this machine needs them. All else is as it stands there.
fn placed(config: &str, mut keys: BTreeMap<&str, &str>) -> String {
    let lines = config.lines().map(|line| {
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
