//! What a house is sealed with: an authority and a certificate for each part, NATS with the users that `deploy/` gives it,
//! a PostgreSQL that speaks TLS alone and wants passwords.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use clientele_embedded::Postgres;
use clientele_platform::postgres::runtime_role;
use clientele_testkit::eventually;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use sqlx::{Connection as _, PgConnection};

use super::{DATABASE, GATEWAY, SERVICES};

/// The host that all parts of a sealed house call each other by.
pub(crate) const HOST: &str = "localhost";
/// Where deploy's configuration of NATS has its certificate.
const PLACE: &str = "/run/secrets/nats/";
/// And where it keeps its streams.
const STREAMS: &str = "store_dir: /data";

/// An authority, with a folder for what it certifies.
pub(crate) struct Seal {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    /// Passwords at NATS that are others than at the beginning.
    replaced: BTreeMap<String, String>,
}

impl Seal {
    pub(crate) fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no name is no wrong name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // With the name of those it signs for, OpenSSL would take each of them for its own authority.
        params.distinguished_name.push(DnType::CommonName, "the authority of the tests");
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("a certificate can be made");
        fs::create_dir_all(folder).expect("a folder of ours is writable");
        fs::write(folder.join("ca.pem"), certificate.pem()).expect("a folder of ours is writable");
        Self { folder: folder.to_owned(), issuer: Issuer::new(params, key), replaced: BTreeMap::new() }
    }

    /// The certificate of the authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub(crate) fn certificate(&self, part: &str) -> PathBuf {
        self.folder.join(format!("{part}.crt"))
    }

    pub(crate) fn key(&self, part: &str) -> PathBuf {
        self.folder.join(format!("{part}.key"))
    }

    /// Gives a part a new certificate, in the place of the one it has.
    pub(crate) fn certify(&self, part: &str, host: &str) {
        let (certificate, key) = self.issue(host);
        self.put(part, &certificate, &key);
    }

    /// A new certificate and its key, in PEM.
    pub(crate) fn issue(&self, host: &str) -> (String, String) {
        self.sign(CertificateParams::new(vec![host.to_owned()]).expect("it is the name of a host"))
    }

    /// The same, but over at the beginning of a year.
    pub(crate) fn issue_until(&self, host: &str, year: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("it is the name of a host");
        params.not_before = date_time_ymd(year - 1, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> (String, String) {
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate can be made");
        (certificate.pem(), key.serialize_pem())
    }

    /// Puts a certificate and its key where a part reads them.
    pub(crate) fn put(&self, part: &str, certificate: &str, key: &str) {
        // The key first, each whole: who looks in between finds a pair that does not fit, and looks again.
        for (path, text) in [(self.key(part), key), (self.certificate(part), certificate)] {
            let new = path.with_extension("new");
            fs::write(&new, text).expect("a folder of ours is writable");
            fs::rename(&new, &path).expect("a folder of ours is writable");
        }
    }

    /// What a service is told of all this, and where it finds the others.
    pub(crate) fn variables(
        &self,
        service: &str,
        ports: &[(&'static str, u16)],
        postgres: u16,
        nats: u16,
    ) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_str().expect("the path is text").to_owned();
        let mut variables = self.at_nats(service, nats);
        let mut set = |key: &str, value: String| variables.push((format!("CLIENTELE_{key}"), value));
        set("SERVER__TLS_CERTIFICATE_FILE", text(self.certificate(service)));
        set("SERVER__TLS_KEY_FILE", text(self.key(service)));
        set("SERVICES__CA_FILE", text(self.authority()));
        for other in SERVICES {
            let replicas = ports.iter().filter(|(name, _)| *name == other);
            let addresses: Vec<_> = replicas.map(|(_, port)| format!("https://{HOST}:{port}")).collect();
            set(&format!("SERVICES__{}", other.to_uppercase()), addresses.join(","));
        }
        // So short that in a test's time callers come back for the certificate of the day.
        set("SERVER__MAX_CONNECTION_AGE", "2s".to_owned());
        if service != GATEWAY {
            set("DATABASE__URL", self.database_url(postgres, DATABASE, service, "verify-full"));
        }
        variables
    }

    /// How a user proves itself to NATS, and NATS to the user.
    pub(crate) fn at_nats(&self, user: &str, port: u16) -> Vec<(String, String)> {
        let authority = self.authority().to_str().expect("the path is text").to_owned();
        [
            ("KIND", "jetstream".to_owned()),
            ("URL", format!("tls://{HOST}:{port}")),
            ("USER", user.to_owned()),
            ("PASSWORD", password(user)),
            ("CA_FILE", authority),
        ]
        .map(|(key, value)| (format!("CLIENTELE_BUS__{key}"), value))
        .to_vec()
    }

    /// The file that configures NATS in `deploy/`, with other places for its files, and the variables it asks for.
    pub(crate) fn nats(&self) -> (PathBuf, Vec<(String, String)>) {
        let real = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/kubernetes/dev/nats/nats.conf");
        let text = fs::read_to_string(real).expect("deploy has a configuration of nats");
        assert!(text.contains(PLACE) && text.contains(STREAMS), "{real} has its files in other places now");
        let here = self.folder.join("nats");
        fs::create_dir_all(&here).expect("a folder of ours is writable");
        let (certificate, key) = self.issue(HOST);
        fs::write(here.join("tls.crt"), certificate).expect("a folder of ours is writable");
        fs::write(here.join("tls.key"), key).expect("a folder of ours is writable");
        let file = here.join("nats.conf");
        let here = here.to_str().expect("the path is text");
        let text = text.replace(PLACE, &format!("{here}/")).replace(STREAMS, &format!("store_dir: {here}"));
        fs::write(&file, text).expect("a folder of ours is writable");
        let users = SERVICES.into_iter().chain([GATEWAY, "migrate"]);
        let known = |user: &str| self.replaced.get(user).cloned().unwrap_or_else(|| password(user));
        (file, users.map(|user| (format!("{}_PASSWORD", user.to_uppercase()), known(user))).collect())
    }

    /// Gives a user another password at NATS, from its next start on.
    pub(crate) fn replace_password(&mut self, user: &str, new: &str) {
        self.replaced.insert(user.to_owned(), new.to_owned());
    }

    /// Lets a server be spoken to over TLS by those who know the password of their role, and otherwise by the superuser at
    /// its socket.
    pub(crate) async fn close(&self, postgres: &Postgres) {
        let url = postgres.url("postgres", postgres.superuser());
        let mut server = PgConnection::connect(&url).await.expect("PostgreSQL answers");
        let rules: String = sqlx::query_scalar("show hba_file")
            .fetch_one(&mut server)
            .await
            .expect("PostgreSQL has its rules in a file");
        let rules = PathBuf::from(rules);
        let superuser = postgres.superuser();
        let said = format!("local all {superuser} trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n");
        fs::write(&rules, said).expect("the rules can be written");
        let owner = fs::metadata(&rules).expect("the rules are there");
        let folder = rules.parent().expect("a file is in a folder");
        let (certificate, key) = self.issue(HOST);
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = folder.join(name);
            fs::write(&path, text).expect("the folder of the cluster is writable");
            let closed = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
            fs::set_permissions(&path, closed).expect("it is ours");
            chown(&path, Some(owner.uid()), Some(owner.gid())).expect("it is ours to give");
        }
        let mut statements = vec!["alter system set ssl = on".to_owned(), "select pg_reload_conf()".to_owned()];
        for service in SERVICES {
            statements.push(format!("alter role {} password '{}'", runtime_role(service), password(service)));
        }
        for statement in statements {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut server).await.expect("the superuser may");
        }
        server.close().await.expect("a connection closes");
        // The server takes its new rules a moment later.
        let url = self.database_url(postgres.port(), DATABASE, SERVICES[0], "verify-full");
        eventually("PostgreSQL's speaking TLS", || async { PgConnection::connect(&url).await.ok().map(drop) }).await;
    }

    /// The address of a database at a port for the role of a service.
    pub(crate) fn database_url(&self, port: u16, database: &str, service: &str, mode: &str) -> String {
        let authority = self.authority().to_str().expect("the path is text").replace('/', "%2F");
        let (role, password) = (runtime_role(service), password(service));
        format!("postgres://{role}:{password}@{HOST}:{port}/{database}?sslmode={mode}&sslrootcert={authority}")
    }
}

/// What a service proves itself by to NATS and to PostgreSQL; as from `openssl rand -hex`, beginning with a digit.
pub(crate) fn password(user: &str) -> String {
    let hex: String = user.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!("4e1d{hex}00ff")
}
