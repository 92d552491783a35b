//! The sections every service has. What a key means stands in `default.toml`, which is what operators read; it is
//! said here in short.

use std::fmt::Display;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, de};
use zeroize::Zeroizing;

use super::Error;
use crate::tls::Files;

/// The sections every service has.
#[derive(Debug, Clone)]
pub struct Common {
    /// How the service listens.
    pub server: Server,
    /// Its database.
    pub database: Database,
    /// What carries its events.
    pub bus: Bus,
    /// Logs, traces, metrics.
    pub telemetry: Telemetry,
    /// Where the other services are.
    pub services: Services,
    /// What must not be known to others.
    pub secrets: Secrets,
}

/// How the service listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address of gRPC.
    #[serde(deserialize_with = "parsed")]
    pub listen: SocketAddr,
    /// The certificate it shows over TLS.
    #[serde(deserialize_with = "optional")]
    pub tls_certificate_file: Option<PathBuf>,
    /// The key of that certificate.
    #[serde(deserialize_with = "optional")]
    pub tls_key_file: Option<PathBuf>,
    /// Address of metrics and health over HTTP.
    #[serde(deserialize_with = "optional")]
    pub metrics_listen: Option<SocketAddr>,
    /// Longest time for one request.
    #[serde(with = "humantime_serde")]
    pub request_deadline: Duration,
    /// Longest life of a connection.
    #[serde(with = "humantime_serde")]
    pub max_connection_age: Duration,
    /// Most requests at once.
    pub max_concurrent_requests: NonZeroU16,
    /// Time to end running work when stopping.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
}

impl Server {
    /// The files it serves TLS with; none where it serves without.
    pub fn tls(&self) -> Result<Option<Files>, Error> {
        let missing = |key: &str, there: &str| Error::Value {
            origin: "the configuration".to_owned(),
            key: format!("server.{key}"),
            message: format!("it is empty; it is wanted beside `server.{there}`"),
        };
        match (self.tls_certificate_file.clone(), self.tls_key_file.clone()) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Files { certificate, key })),
            (Some(_), None) => Err(missing("tls_key_file", "tls_certificate_file")),
            (None, Some(_)) => Err(missing("tls_certificate_file", "tls_key_file")),
        }
    }
}

/// The service's database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Where it is and the role the service works as.
    pub url: SecretString,
    /// The file `url` was read from.
    #[serde(deserialize_with = "optional")]
    pub url_file: Option<PathBuf>,
    /// The same for migrations; empty for `url`. See [`Database::migration_url`].
    pub migration_url: SecretString,
    /// The file `migration_url` was read from.
    #[serde(deserialize_with = "optional")]
    pub migration_url_file: Option<PathBuf>,
    /// Most connections.
    pub max_connections: u32,
    /// Longest wait for a connection.
    #[serde(with = "humantime_serde")]
    pub acquire_timeout: Duration,
    /// Longest run of a statement.
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
    /// Longest wait for a lock.
    #[serde(with = "humantime_serde")]
    pub lock_timeout: Duration,
    /// Whether `url` leads to a pooler that gives out connections by the transaction.
    pub pooled: bool,
}

impl Database {
    /// Where migrations are made from: `migration_url`, or `url` where that is empty.
    pub fn migration_url(&self) -> &SecretString {
        if self.migration_url.expose_secret().is_empty() { &self.url } else { &self.migration_url }
    }
}

/// What carries events.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// Which of the two buses.
    pub kind: BusKind,
    /// Most events a subscriber within the process may lag behind.
    pub buffer: NonZeroU16,
    /// Addresses of NATS, separated by commas. May hold a password.
    pub url: SecretString,
    /// NATS credentials.
    #[serde(deserialize_with = "optional")]
    pub credentials_file: Option<PathBuf>,
    /// User at NATS; empty for none.
    pub user: String,
    /// Password of that user.
    pub password: SecretString,
    /// The file `password` was read from.
    #[serde(deserialize_with = "optional")]
    pub password_file: Option<PathBuf>,
    /// NATS token; empty for none.
    pub token: SecretString,
    /// The file `token` was read from.
    #[serde(deserialize_with = "optional")]
    pub token_file: Option<PathBuf>,
    /// Certificate authority of NATS.
    #[serde(deserialize_with = "optional")]
    pub ca_file: Option<PathBuf>,
    /// Longest time to connect.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Longest time to publish a batch.
    #[serde(with = "humantime_serde")]
    pub publish_timeout: Duration,
    /// Most events without acknowledgement.
    pub max_in_flight: NonZeroU16,
    /// Events fetched ahead of a subscriber.
    pub prefetch: NonZeroU16,
    /// Servers that keep a stream.
    pub replicas: NonZeroU16,
    /// How long a stream keeps an event.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
    /// Largest size of a stream, in bytes.
    pub max_bytes: i64,
    /// How long a stream knows an event's id.
    #[serde(with = "humantime_serde")]
    pub duplicate_window: Duration,
}

/// Which bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BusKind {
    /// Within one process.
    InProcess,
    /// NATS JetStream, between processes.
    #[serde(rename = "jetstream")]
    JetStream,
}

/// Logs, traces, metrics.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Which levels are logged.
    pub log: String,
    /// How a log line looks.
    pub format: LogFormat,
    /// The collector.
    #[serde(deserialize_with = "optional")]
    pub otlp_endpoint: Option<Uri>,
    /// Certificate authority of the collector.
    #[serde(deserialize_with = "optional")]
    pub otlp_ca_file: Option<PathBuf>,
    /// How often metrics are sent.
    #[serde(with = "humantime_serde")]
    pub metrics_interval: Duration,
    /// Part of requests that is traced, 0 to 1.
    pub trace_ratio: f64,
    /// Group of services.
    pub service_namespace: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Where the services are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Services {
    /// The authority of the certificates they show.
    #[serde(deserialize_with = "optional")]
    pub ca_file: Option<PathBuf>,
    /// identity
    #[serde(deserialize_with = "parsed")]
    pub identity: Addresses,
    /// customers
    #[serde(deserialize_with = "parsed")]
    pub customers: Addresses,
    /// orders
    #[serde(deserialize_with = "parsed")]
    pub orders: Addresses,
    /// analytics
    #[serde(deserialize_with = "parsed")]
    pub analytics: Addresses,
    /// messaging
    #[serde(deserialize_with = "parsed")]
    pub messaging: Addresses,
    /// campaigns
    #[serde(deserialize_with = "parsed")]
    pub campaigns: Addresses,
}

impl Services {
    /// The addresses of a context; `None` where there is no such context.
    pub fn addresses(&self, context: &str) -> Option<&[Uri]> {
        Some(&self.of(context)?.0)
    }

    fn of(&self, context: &str) -> Option<&Addresses> {
        match context {
            "identity" => Some(&self.identity),
            "customers" => Some(&self.customers),
            "orders" => Some(&self.orders),
            "analytics" => Some(&self.analytics),
            "messaging" => Some(&self.messaging),
            "campaigns" => Some(&self.campaigns),
            _ => None,
        }
    }
}

/// Where the replicas of a service are: one address or several, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(Vec<Uri>);

impl FromStr for Addresses {
    type Err = http::uri::InvalidUri;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(|address| address.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

/// What must not be known to others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// The master key in base64. See [`Secrets::master_key`].
    pub master_key: SecretString,
    /// The file `master_key` was read from.
    #[serde(deserialize_with = "optional")]
    pub master_key_file: Option<PathBuf>,
    /// Name of the master key.
    pub master_key_id: String,
    /// Further master keys, `name=file`. See [`Secrets::other_master_keys`].
    pub other_master_keys: Vec<String>,
    /// How the service proves who it is.
    pub service_secret: SecretString,
    /// The file `service_secret` was read from.
    #[serde(deserialize_with = "optional")]
    pub service_secret_file: Option<PathBuf>,
}

/// A master key with its name.
pub type NamedKey = (String, Zeroizing<[u8; 32]>);

impl Secrets {
    /// The master key.
    pub fn master_key(&self) -> Result<Zeroizing<[u8; 32]>, Error> {
        key("secrets.master_key", self.master_key.expose_secret())
    }

    /// The further master keys by their names, which open and wrap nothing.
    pub fn other_master_keys(&self) -> Result<Vec<NamedKey>, Error> {
        const KEY: &str = "secrets.other_master_keys";
        named_files(KEY, &self.other_master_keys)?
            .into_iter()
            .map(|(name, content)| Ok((name, key(KEY, content.expose_secret())?)))
            .collect()
    }
}

fn key(path: &str, text: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
    let wrong = |message: &str| wrong(path, message);
    let text = text.trim();
    if text.is_empty() {
        return Err(wrong("it is empty; set 32 random bytes in base64, for instance from `openssl rand -base64 32`"));
    }
    let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| wrong("it is not base64"))?);
    let key = <[u8; 32]>::try_from(bytes.as_slice())
        .map_err(|_| wrong(&format!("it has {} bytes, 32 are needed", bytes.len())))?;
    Ok(Zeroizing::new(key))
}

/// Secrets in files, each written `name=file`; `path` is the path of the configuration's key.
pub fn named_files(path: &str, items: &[String]) -> Result<Vec<(String, SecretString)>, Error> {
    items
        .iter()
        .map(|item| {
            let (name, file) = item
                .split_once('=')
                .map(|(name, file)| (name.trim(), file.trim()))
                .filter(|(name, file)| !name.is_empty() && !file.is_empty())
                // Not shown: whoever wrote the secret itself would find it in the log.
                .ok_or_else(|| wrong(path, "each of them is written `name=file`"))?;
            let content = std::fs::read_to_string(file)
                // Nor shown here, for the same reason.
                .map_err(|error| wrong(path, &format!("the file of `{name}` cannot be read: {error}")))?;
            Ok((name.to_owned(), content.trim_end_matches(['\r', '\n']).to_owned().into()))
        })
        .collect()
}

fn wrong(path: &str, message: &str) -> Error {
    Error::Value { origin: "the configuration".to_owned(), key: path.to_owned(), message: message.to_owned() }
}

/// Empty text is "none": TOML has no null, and every key has a default.
fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { parse(&text).map(Some) }
}

fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    parse(&String::deserialize(deserializer)?)
}

fn parse<T: FromStr<Err: Display>, E: de::Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(|error| E::custom(format!("{error}: `{text}`")))
}
