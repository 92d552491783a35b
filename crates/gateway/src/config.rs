//! The gateway's own section of the configuration. What a key means stands in `default.toml`; here it is said in short.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

/// The defaults of the section, with a comment on each key.
pub const DEFAULT: &str = include_str!("../default.toml");

/// How the gateway treats those who come from outside.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Proxies whose word is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Most connections.
    pub max_connections: usize,
    /// Largest head of a request, in bytes.
    pub max_header_bytes: usize,
    /// Longest time to send a head.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// Age at which a connection is closed.
    #[serde(with = "humantime_serde")]
    pub max_connection_age: Duration,
    /// Largest body, in bytes.
    pub max_body_bytes: usize,
    /// Largest file that is uploaded, in bytes.
    pub max_upload_bytes: u64,
    /// Most uploads at a time.
    pub max_uploads: NonZeroU16,
    /// Longest silence within an upload.
    #[serde(with = "humantime_serde")]
    pub upload_patience: Duration,
    /// Longest time of an upload or a download.
    #[serde(with = "humantime_serde")]
    pub upload_deadline: Duration,
    /// Most live streams at a time.
    pub max_streams: NonZeroU16,
    /// Most live streams of one session or API key.
    pub max_streams_per_caller: NonZeroU16,
    /// Most live streams of visitors from one address.
    pub max_streams_per_address: NonZeroU16,
    /// Changes that are kept for streams to catch up.
    pub stream_buffer: NonZeroU16,
    /// Time between comments in a quiet stream.
    #[serde(with = "humantime_serde")]
    pub stream_heartbeat: Duration,
    /// Time after which a stream's credential is looked at again.
    #[serde(with = "humantime_serde")]
    pub stream_proof_interval: Duration,
    /// Folder with the files of other releases; empty for none.
    pub releases_dir: PathBuf,
    /// Largest answer of a service, in bytes.
    pub max_answer_bytes: usize,
    /// Longest time for the card's sections.
    #[serde(with = "humantime_serde")]
    pub card_deadline: Duration,
    /// Requests a second of a known caller.
    pub principal_rate: NonZeroU32,
    /// Requests at once of a known caller.
    pub principal_burst: NonZeroU32,
    /// Requests a second of an address.
    pub address_rate: NonZeroU32,
    /// Requests at once of an address.
    pub address_burst: NonZeroU32,
    /// Visits a second from an address.
    pub visit_rate: NonZeroU32,
    /// Visits at once from an address.
    pub visit_burst: NonZeroU32,
}

/// All sections the gateway reads.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The sections every service has.
    pub common: clientele_platform::config::Common,
    /// Its own.
    pub gateway: Config,
}

impl Settings {
    /// Picks the sections from a configuration that has been read.
    pub fn from(
        configuration: &clientele_platform::config::Configuration,
    ) -> Result<Self, clientele_platform::config::Error> {
        Ok(Self { common: configuration.common()?, gateway: configuration.section("gateway")? })
    }
}

/// The section as it is when nobody sets anything.
#[cfg(test)]
pub(crate) fn defaults() -> Config {
    let loader =
        clientele_platform::config::Loader::new().defaults(clientele_platform::config::DEFAULT).defaults(DEFAULT);
    Settings::from(&loader.read().unwrap()).unwrap().gateway
}

#[cfg(test)]
mod tests {
    use super::*;
    use clientele_platform::config;

    fn read(environment: &[(&str, &str)]) -> Result<Settings, config::Error> {
        let variables = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Settings::from(
            &config::Loader::new().defaults(config::DEFAULT).defaults(DEFAULT).environment(variables).read()?,
        )
    }

    #[test]
    fn the_defaults_are_complete() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.common.server.listen.port(), 7100);
        assert!(settings.gateway.trusted_proxies.is_empty());
    }

    #[test]
    fn proxies_come_from_a_variable_as_a_list() {
        let settings = read(&[("CLIENTELE_GATEWAY__TRUSTED_PROXIES", "10.0.0.0/8, ::1/128")]).unwrap();
        assert_eq!(settings.gateway.trusted_proxies.len(), 2);
    }

    #[test]
    fn a_rate_of_zero_is_refused() {
        assert!(read(&[("CLIENTELE_GATEWAY__ADDRESS_RATE", "0")]).is_err());
    }
}
