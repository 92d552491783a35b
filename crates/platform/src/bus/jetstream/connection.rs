//! One connection to NATS for all of a process.

use std::borrow::Cow;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use clientele_kernel::Error;
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret as _;
use tokio::sync::{OnceCell, watch};
use url::Url;

use crate::config;

/// The oldest server whose streams and consumers do what is asked of them; older ones ignore some of it silently.
const OLDEST_SERVER: (u32, u32) = (2, 12);

/// How often a quiet connection is tried, so that a dead one is noticed.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// The connection, made when first needed and kept up by the client.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) config: config::Bus,
    addresses: Vec<ServerAddr>,
    context: OnceCell<jetstream::Context>,
    /// Counts how often the connection has been lost.
    losses: watch::Sender<u64>,
}

impl Connection {
    pub(super) fn try_new(config: config::Bus) -> Result<Self, Error> {
        let mut config = config;
        let mut addresses = Vec::new();
        let told: Vec<String> = config.url.expose_secret().split(',').map(str::to_owned).collect();
        for address in told {
            // The address may hold a password, so it is not shown.
            let wrong = || Error::invalid("bus.url", "is no list of addresses such as `nats://127.0.0.1:4222`");
            let mut url = address.trim().parse::<ServerAddr>().map_err(|_| wrong())?.into_inner();
            take_credentials(&mut url, &mut config).ok_or_else(wrong)?;
            addresses.push(ServerAddr::from_url(url).map_err(|_| wrong())?);
        }
        Ok(Self { config, addresses, context: OnceCell::new(), losses: watch::Sender::new(0) })
    }

    /// Changes each time the connection is lost.
    pub(super) fn losses(&self) -> watch::Receiver<u64> {
        self.losses.subscribe()
    }

    /// JetStream over the connection, while there is one: what is asked of a client without a connection waits in it
    /// and is done when nobody waits for it any more. A server that has been replaced by one too old is noticed too.
    pub(super) async fn context(&self) -> Result<&jetstream::Context, Error> {
        let context = self.context.get_or_try_init(|| self.connect()).await?;
        let client = context.client();
        if client.connection_state() != State::Connected {
            return Err(Error::unavailable("the connection to nats is lost").with_reason("BUS_UNAVAILABLE"));
        }
        check_version(&client)?;
        Ok(context)
    }

    async fn connect(&self) -> Result<jetstream::Context, Error> {
        let connecting = self.options().await?.connect(self.addresses.as_slice());
        let client = tokio::time::timeout(self.config.connect_timeout, connecting)
            .await
            .map_err(|_| Error::unavailable("nats does not answer").with_reason("BUS_UNAVAILABLE"))?
            .map_err(refused)?;
        check_version(&client)?;
        Ok(ContextBuilder::new()
            // Half of the time a batch has, so that one lost acknowledgement leaves time to publish again.
            .timeout(self.config.publish_timeout / 2)
            .max_ack_inflight(usize::from(self.config.max_in_flight.get()))
            .backpressure_on_inflight(true)
            .build(client))
    }

    async fn options(&self) -> Result<ConnectOptions, Error> {
        let config = &self.config;
        let losses = self.losses.clone();
        let mut options = ConnectOptions::new()
            .name("clientele")
            .connection_timeout(config.connect_timeout)
            .ping_interval(PING_INTERVAL)
            // A fetch is the most that can arrive unasked, and the next one is asked for when half of it is used up.
            .subscription_capacity(2 * usize::from(config.prefetch.get()))
            .event_callback(move |event| {
                match &event {
                    Event::Disconnected => losses.send_modify(|count| *count += 1),
                    Event::SlowConsumer(_) => tracing::warn!("a subscriber was too slow, messages were dropped"),
                    _ => {}
                }
                tracing::info!(%event, "bus connection");
                std::future::ready(())
            });
        if !config.user.is_empty() {
            // Others may not read what is answered to this user, nor this user what is answered to others.
            options = options
                .user_and_password(config.user.clone(), config.password.expose_secret().to_owned())
                .custom_inbox_prefix(format!("_INBOX_{}", config.user));
        }
        if !config.token.expose_secret().is_empty() {
            options = options.token(config.token.expose_secret().to_owned());
        }
        if let Some(path) = &config.credentials_file {
            options = options.credentials_file(path).await.map_err(|error| {
                Error::invalid("bus.credentials_file", format!("`{}` cannot be used: {error}", path.display()))
            })?;
        }
        if let Some(path) = &config.ca_file {
            options = options.add_root_certificates(path.clone());
        }
        Ok(options)
    }
}

/// Takes user and password, or token, out of an address, as the client shows addresses in its log.
fn take_credentials(url: &mut Url, config: &mut config::Bus) -> Option<()> {
    let text = |part: &str| percent_decode_str(part).decode_utf8().ok().map(Cow::into_owned);
    let user = text(url.username())?;
    match url.password() {
        Some(password) => {
            config.password = text(password)?.into();
            config.user = user;
        }
        None if !user.is_empty() => config.token = user.into(),
        None => return Some(()),
    }
    url.set_password(None).ok()?;
    url.set_username("").ok()
}

fn refused(error: async_nats::ConnectError) -> Error {
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => Error::failed_precondition(
            "BUS_REFUSED",
            "nats refuses us: check `bus.user`, `bus.token` or `bus.credentials_file`",
        ),
        ConnectErrorKind::Tls => {
            Error::failed_precondition("BUS_TLS", "no tls connection to nats: check `bus.url` and `bus.ca_file`")
        }
        _ => Error::unavailable("nats cannot be reached").with_reason("BUS_UNAVAILABLE"),
    }
    .with_source(error)
}

fn check_version(client: &Client) -> Result<(), Error> {
    let version = client.server_info().version;
    if supported(&version) {
        return Ok(());
    }
    let (major, minor) = OLDEST_SERVER;
    Err(Error::failed_precondition(
        "BUS_TOO_OLD",
        format!("nats-server has version `{version}`; {major}.{minor} or newer is needed"),
    ))
}

fn supported(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST_SERVER,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_taken_out_of_it() {
        let loader = config::Loader::new().defaults(config::DEFAULT);
        let mut config = loader.read().unwrap().common().unwrap().bus;
        config.url = "tls://ann:hunter%402@one:4222, nats://two:4223".into();
        let connection = Connection::try_new(config.clone()).unwrap();
        assert!(!format!("{:?}", connection.addresses).contains("hunter"));
        assert_eq!(connection.config.user, "ann");
        assert_eq!(connection.config.password.expose_secret(), "hunter@2");

        config.url = "nats://s3cr3t@one".into();
        let connection = Connection::try_new(config).unwrap();
        assert_eq!(connection.config.token.expose_secret(), "s3cr3t");
        assert!(!format!("{:?}", connection.addresses).contains("s3cr3t"));
    }

    #[test]
    fn servers_from_2_12_on_are_supported() {
        for version in ["2.12.0", "2.12.0-RC.1", "2.15.1", "3.0.0"] {
            assert!(supported(version), "{version}");
        }
        for version in ["2.11.9", "2.9.10", "1.13.0", "", "two", "2"] {
            assert!(!supported(version), "{version}");
        }
    }
}
