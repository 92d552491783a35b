//! A conversation with a mail server, step by step, so that the moment before the letter itself is known.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use clientele_kernel::{Error, LetterId};
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::message::Composed;
use super::{PointOfNoReturn, Sender, Session, message};
use crate::Config;
use crate::config::SmtpTls;
use crate::domain::address::Address;
use crate::domain::email::Letter;
use crate::domain::ledger::{Outcome, reason};

/// How long the steps of a conversation may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps(Duration);

impl Steps {
    /// Steps of this length; the letter itself may take four times as long, for servers look into it before they answer.
    pub(crate) fn new(step: Duration) -> Self {
        Self(step)
    }

    /// From the letter's first byte to the answer.
    pub(crate) fn letter(self) -> Duration {
        self.0 * 4
    }

    /// All that comes before: connecting, with greeting, STARTTLS and AUTH; MAIL, RCPT, DATA. Not every step may be as
    /// slow as one may be, for a letter whose worker has died waits so long.
    pub(crate) fn before(self) -> Duration {
        self.0 * 4
    }
}

/// A mail server.
#[derive(Clone)]
pub(super) struct MailServer {
    host: String,
    port: u16,
    tls: SmtpTls,
    parameters: Option<TlsParameters>,
    hello: ClientId,
    credentials: Option<(String, SecretString)>,
    steps: Steps,
}

impl MailServer {
    /// The mail server that is configured. Fails where its certificate authority cannot be read.
    pub(super) fn try_new(config: &Config) -> Result<Self, Error> {
        let parameters = match config.smtp_tls {
            SmtpTls::None => None,
            SmtpTls::Starttls | SmtpTls::Tls => Some(tls_parameters(config)?),
        };
        let hello = match config.smtp_hello_name.as_str() {
            "" => Address::stored(config.from_address.clone()).domain().to_owned(),
            name => name.to_owned(),
        };
        let credentials =
            (!config.smtp_user.is_empty()).then(|| (config.smtp_user.clone(), config.smtp_password.clone()));
        Ok(Self {
            host: config.smtp_host.clone(),
            port: config.smtp_port,
            tls: config.smtp_tls,
            parameters,
            hello: ClientId::Domain(hello),
            credentials,
            steps: Steps::new(config.smtp_timeout),
        })
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Trouble> {
        let implicit = self.parameters.clone().filter(|_| self.tls == SmtpTls::Tls);
        let address = (self.host.as_str(), self.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(address, Some(self.steps.0), &self.hello, implicit, None);
        let mut connection = self.step("connect", connecting).await?;
        if let Some(parameters) = self.parameters.clone().filter(|_| self.tls == SmtpTls::Starttls) {
            self.step("STARTTLS", connection.starttls(parameters, &self.hello)).await?;
        }
        if let Some((user, password)) = &self.credentials {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            self.step("AUTH", connection.auth(DEFAULT_MECHANISMS, &credentials)).await?;
        }
        Ok(connection)
    }

    async fn step<T>(
        &self,
        name: &'static str,
        step: impl Future<Output = Result<T, smtp::Error>>,
    ) -> Result<T, Trouble> {
        match tokio::time::timeout(self.steps.0, step).await {
            Ok(done) => done.map_err(|error| Trouble::of(name, &error)),
            Err(_late) => {
                Err(Trouble { kind: TroubleKind::Lost, words: format!("{name}: no answer in {:?}", self.steps.0) })
            }
        }
    }
}

fn tls_parameters(config: &Config) -> Result<TlsParameters, Error> {
    let mut parameters = TlsParameters::builder(config.smtp_host.clone());
    if !config.smtp_ca_file.as_os_str().is_empty() {
        let wrong = |problem: String| {
            Error::invalid("messaging.smtp_ca_file", format!("`{}`: {problem}", config.smtp_ca_file.display()))
        };
        let pem = std::fs::read(&config.smtp_ca_file).map_err(|error| wrong(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
        parameters = parameters.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    parameters.build().map_err(|error| {
        Error::invalid("messaging.smtp_tls", format!("a protected conversation cannot be prepared: {error}"))
    })
}

/// What went wrong in a step before the letter itself.
#[derive(Debug)]
struct Trouble {
    kind: TroubleKind,
    /// The step and the server's words.
    words: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TroubleKind {
    /// The server said no, for good.
    Refused,
    /// The server said no, for now.
    Deferred,
    /// The server said no to us, whatever the letter.
    Barred,
    /// The connection is of no use any more.
    Lost,
}

impl Trouble {
    fn of(step: &str, error: &smtp::Error) -> Self {
        let about_us = || error.status().is_some_and(|code| ABOUT_US.contains(&code.to_string().as_str()));
        let kind = if error.is_permanent() && step == MAIL && about_us() {
            TroubleKind::Barred
        } else if error.is_permanent() {
            TroubleKind::Refused
        } else if error.is_transient() && error.status().is_none_or(|code| code.to_string() != "421") {
            TroubleKind::Deferred
        } else {
            TroubleKind::Lost
        };
        Self { kind, words: format!("{step}: {}", words_of(error)) }
    }
}

const MAIL: &str = "MAIL";

/// Answers to MAIL by which a server demands what our configuration lacks, or wants nothing of us at all: signing in (530,
/// 534, 535), encryption (538), another order (503), to be left alone (554). What a colleague puts right must not have failed
/// the letters that waited.
const ABOUT_US: [&str; 6] = ["503", "530", "534", "535", "538", "554"];

/// Code and text of a negative answer, or what else went wrong.
fn words_of(error: &smtp::Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    match (error.status(), cause) {
        (Some(code), cause) => format!("{code} {}", cause.unwrap_or_default()),
        (None, _) => error.to_string(),
    }
}

fn words_of_answer(answer: &Response) -> String {
    format!("{} {}", answer.code(), answer.message().collect::<Vec<_>>().join(" "))
}

#[async_trait]
impl Sender for MailServer {
    /// A mail server cannot be asked.
    async fn known(&self, _: LetterId) -> Result<Option<Outcome>, Error> {
        Ok(None)
    }

    fn session(&self) -> Box<dyn Session> {
        Box::new(SmtpSession { server: self.clone(), connection: None })
    }
}

/// A session with a mail server; connected when the first letter needs it.
struct SmtpSession {
    server: MailServer,
    connection: Option<AsyncSmtpConnection>,
}

impl SmtpSession {
    /// Everything up to the server's readiness for the letter itself. The connection is kept in the session where it
    /// can still be used afterwards.
    async fn prepare(&mut self, composed: &Composed, end: Instant) -> Result<AsyncSmtpConnection, Outcome> {
        // A connection that was used before may have been closed meanwhile: then one more is tried at once.
        if let Some(connection) = self.connection.take() {
            match self.announce(connection, composed).await {
                Err((TroubleKind::Lost, _)) => {}
                other => return other.map_err(|(_, outcome)| outcome),
            }
        }
        // Whatever it is, it is about us and not about this letter.
        let connection = match tokio::time::timeout_at(end, self.server.connect()).await {
            Ok(connected) => connected.map_err(|trouble| Outcome::Hindered(trouble.words))?,
            Err(_late) => return Err(Outcome::Hindered("the mail server did not let us in in time".to_owned())),
        };
        self.announce(connection, composed).await.map_err(|(_, outcome)| outcome)
    }

    async fn announce(
        &mut self,
        mut connection: AsyncSmtpConnection,
        composed: &Composed,
    ) -> Result<AsyncSmtpConnection, (TroubleKind, Outcome)> {
        let mut parameters = Vec::new();
        if composed.is_international() {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                self.connection = Some(connection);
                let words = "the mail server takes no addresses beyond ASCII".to_owned();
                return Err((TroubleKind::Refused, Outcome::Refused(reason::ADDRESS_NOT_SUPPORTED, words)));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let server = &self.server;
        let mail = Mail::new(Some(composed.from.clone()), parameters);
        let steps = async {
            let about = |reason| move |trouble: Trouble| (trouble, reason);
            server.step(MAIL, connection.command(mail)).await.map_err(about(reason::SENDER_REFUSED))?;
            let rcpt = Rcpt::new(composed.to.clone(), Vec::new());
            server.step("RCPT", connection.command(rcpt)).await.map_err(about(reason::RECIPIENT_REFUSED))?;
            let ready = server.step("DATA", connection.command(Data)).await.map_err(about(reason::MESSAGE_REFUSED))?;
            if ready.code().severity == Severity::PositiveIntermediate {
                return Ok(());
            }
            let words = format!("DATA: {} is no answer to it", words_of_answer(&ready));
            Err((Trouble { kind: TroubleKind::Lost, words }, reason::MESSAGE_REFUSED))
        };
        match steps.await {
            Ok(()) => Ok(connection),
            Err((trouble, reason)) => {
                if trouble.kind != TroubleKind::Lost && server.step("RSET", connection.command(Rset)).await.is_ok() {
                    self.connection = Some(connection);
                }
                let outcome = match trouble.kind {
                    TroubleKind::Refused => Outcome::Refused(reason, trouble.words),
                    TroubleKind::Barred => Outcome::Hindered(trouble.words),
                    TroubleKind::Deferred | TroubleKind::Lost => Outcome::Deferred(trouble.words),
                };
                Err((trouble.kind, outcome))
            }
        }
    }
}

#[async_trait]
impl Session for SmtpSession {
    async fn hand_over(&mut self, letter: &Letter, point: &dyn PointOfNoReturn) -> Result<Outcome, Error> {
        let composed = match message::of(letter) {
            Ok(composed) => composed,
            Err(problem) => return Ok(Outcome::Refused(reason::INVALID_LETTER, problem)),
        };
        let limit = self.server.steps.before();
        let end = Instant::now() + limit;
        let mut connection = match tokio::time::timeout_at(end, self.prepare(&composed, end)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(outcome)) => return Ok(outcome),
            Err(_late) => return Ok(Outcome::Deferred(format!("the mail server was not ready in {limit:?}"))),
        };
        // Where this fails the connection is dropped: the server has the envelope, and not a byte of the letter.
        point.pass().await?;
        let limit = self.server.steps.letter();
        let Ok(answer) = tokio::time::timeout(limit, connection.message(&composed.source)).await else {
            let words = format!("no answer to the letter in {limit:?}");
            return Ok(Outcome::Unknown(reason::NO_REPLY_AFTER_DATA, words));
        };
        Ok(match answer {
            Ok(answer) if answer.code().severity == Severity::PositiveCompletion => {
                self.connection = Some(connection);
                Outcome::Sent(words_of_answer(&answer))
            }
            Ok(answer) => Outcome::Unknown(reason::UNREADABLE_REPLY_AFTER_DATA, words_of_answer(&answer)),
            Err(error) if error.is_permanent() => {
                self.connection = Some(connection);
                Outcome::Refused(reason::MESSAGE_REFUSED, words_of(&error))
            }
            Err(error) if error.is_transient() => Outcome::Deferred(words_of(&error)),
            // lettre tells of a reply that breaks off and of one that means nothing in the same way; only the first one
            // is about the connection.
            Err(error) if error.is_response() && !words_of(&error).contains("incomplete") => {
                Outcome::Unknown(reason::UNREADABLE_REPLY_AFTER_DATA, words_of(&error))
            }
            Err(error) => Outcome::Unknown(reason::CONNECTION_LOST_AFTER_DATA, words_of(&error)),
        })
    }

    async fn close(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            // Whether it says goodbye back makes no difference.
            let _ = self.server.step("QUIT", connection.quit()).await;
        }
    }
}
