//! Servers that a service speaks to: NATS, the other services, the mail server.

use std::sync::Arc;
use std::time::Duration;

use clientele_contracts::CONTEXTS;
use clientele_contracts::identity::v1::issue_token_request::Proof;
use clientele_contracts::identity::v1::tokens_client::TokensClient;
use clientele_contracts::identity::v1::{IssueTokenRequest, ServiceCredential};
use clientele_kernel::Code;
use clientele_platform::bus::{Found, JetStream};
use clientele_platform::config::BusKind;
use clientele_platform::grpc::{self, Network, Transport};
use clientele_platform::tls::{self, Trust};
use http::Uri;
use http::uri::Scheme;
use secrecy::ExposeSecret;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

use super::{Report, causes};
use crate::configuration::Everything;

const DEADLINE: Duration = Duration::from_secs(10);

/// NATS: reached, new enough, with JetStream, and the service's stream as it is to be.
pub(super) async fn bus(report: &mut Report, configuration: &Everything, service: &str) {
    if configuration.bus.kind == BusKind::InProcess {
        return report.find(
            "bus",
            "`bus.kind` is in-process",
            "services that run apart hear nothing of each other but by looking at the feeds, seconds later",
            "set `bus.kind` to jetstream and `bus.url` to the addresses of NATS",
        );
    }
    let why = "events come late: from the feeds, not at once";
    let bus = match JetStream::try_new(configuration.bus.clone()) {
        Ok(bus) => bus,
        Err(error) => return report.find("bus", causes(&error), why, "mend `bus.url`"),
    };
    if let Err(error) = bus.connect().await {
        return report.find(
            "bus",
            causes(&error),
            why,
            "see that NATS 2.12 or newer runs with JetStream at `bus.url`, that it knows `bus.user` or what else is given, and \
             that `bus.ca_file` has signed its certificate",
        );
    }
    report.fine("NATS answers and is new enough");
    if !CONTEXTS.contains(&service) {
        return;
    }
    // Where NATS knows its users, services may look at streams only.
    let knows_us = !configuration.bus.user.is_empty() || configuration.bus.credentials_file.is_some();
    match bus.look(service).await {
        Ok(Found::Declared) => report.fine(format!("the stream of {service} is there")),
        Ok(Found::Missing) if !knows_us => {
            report.fine(format!("NATS has no stream of {service} yet: the service makes it when it starts"));
        }
        Ok(Found::Otherwise) if !knows_us => {
            report.fine(format!("the stream of {service} has other settings: the service changes it when it starts"));
        }
        Ok(found) => report.find(
            "bus_stream",
            match found {
                Found::Missing => format!("NATS has no stream of {service}"),
                _ => format!("the stream of {service} differs from what `bus` says"),
            },
            why,
            "run `clientele migrate`, which makes and changes streams; the service may only look",
        ),
        Err(error) => report.find(
            "bus_stream",
            format!("the stream of {service} is not shown: {}", causes(&error)),
            why,
            "see that JetStream is on, and that the user has the rights that deploy/security.md lists",
        ),
    }
}

/// The other services: reached, with TLS that can be trusted; and this one's secret, accepted by identity.
pub(super) async fn services(report: &mut Report, configuration: &Everything, service: &str) {
    let network = match clientele_platform::run::network(&configuration.services) {
        Ok(network) => Arc::new(network),
        Err(error) => {
            return report.find("services", causes(&error), "no other service can be called", "mend `services`");
        }
    };
    for other in CONTEXTS.iter().filter(|other| **other != service) {
        match tokio::time::timeout(DEADLINE, health(network.transport(other))).await {
            Ok(Ok(())) => report.fine(format!("{other} answers")),
            Ok(Err(error)) => {
                let distrusted = distrusted(configuration, other).await;
                unreachable(report, other, &distrusted.unwrap_or_else(|| causes(&error)));
            }
            Err(_) => unreachable(report, other, "it does not answer in time"),
        }
    }
    if service != "identity" {
        secret(report, configuration, service, &network).await;
    }
}

/// What is wrong with the certificate that a service shows, if that is what is wrong.
async fn distrusted(configuration: &Everything, other: &str) -> Option<String> {
    let trust = Trust::read(configuration.services.ca_file.as_deref()).ok()?;
    for address in configuration.services.addresses(other)? {
        if address.scheme() != Some(&Scheme::HTTPS) {
            continue;
        }
        let (host, port) = (address.host()?.trim_matches(['[', ']']), address.port_u16().unwrap_or(443));
        if let Err(error) = tls::greet(&trust, host, port).await {
            return Some(format!("{}: {error}", shown(address)));
        }
    }
    None
}

/// An address without what it must not have, a password for instance.
fn shown(address: &Uri) -> String {
    format!("{}:{}", address.host().unwrap_or_default(), address.port_u16().unwrap_or(443))
}

fn unreachable(report: &mut Report, other: &str, error: &str) {
    report.find(
        "service",
        format!("{other} cannot be called: {error}"),
        "what needs it is answered with 503, and its events do not come",
        format!(
            "see that it runs, that `services.{other}` is its address (https where it serves TLS), and that `services.ca_file` \
             has signed its certificate, which must have the name in the address and not be over"
        ),
    );
}

/// Asks for health, whose messages need not be understood for this.
async fn health(transport: Transport) -> Result<(), clientele_kernel::Error> {
    let mut client = tonic::client::Grpc::new(transport);
    client
        .ready()
        .await
        .map_err(|error| clientele_kernel::Error::unavailable("it cannot be reached").with_source(error))?;
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let answer = client.unary(tonic::Request::new(()), path, ProstCodec::<(), ()>::default()).await;
    answer.map(drop).map_err(grpc::error)
}

async fn secret(report: &mut Report, configuration: &Everything, service: &str, network: &Network) {
    let proof = Proof::Service(ServiceCredential {
        name: service.to_owned(),
        secret: configuration.secrets.service_secret.expose_secret().to_owned(),
    });
    let request = tonic::Request::new(IssueTokenRequest { proof: Some(proof) });
    let mut identity = TokensClient::new(network.transport("identity"));
    match tokio::time::timeout(DEADLINE, identity.issue_token(request)).await.map(|answer| answer.map_err(grpc::error))
    {
        Ok(Ok(_)) => report.fine(format!("identity accepts the secret of {service}")),
        Ok(Err(error)) if error.code != Code::Unavailable => report.find(
            "service_secret",
            format!("identity does not accept `secrets.service_secret`: {}", causes(&error)),
            "the service can call no other",
            format!("set it to what `identity.{service}_secret` is set to"),
        ),
        // That it cannot be reached is told already.
        _ => {}
    }
}

/// The mail server, up to where a letter would be announced.
pub(super) async fn mail(report: &mut Report, config: &clientele_messaging::Config) {
    if config.smtp_host.is_empty() {
        return report.fine("no mail server is configured: letters go to the captured mailbox");
    }
    match clientele_messaging::greet_mail_server(config).await {
        Ok(()) => report.fine(format!("the mail server {}:{} takes us", config.smtp_host, config.smtp_port)),
        Err(error) => report.find(
            "mail",
            format!("the mail server {}:{} does not take us: {}", config.smtp_host, config.smtp_port, causes(&error)),
            "letters wait until it does",
            "see that `messaging.smtp_host`, `smtp_port`, `smtp_tls`, `smtp_ca_file`, `smtp_user` and `smtp_password` are what \
             the mail server wants",
        ),
    }
}
