//! A conversation with a mail server, step by step, so that the moment before the letter itself is known.

use std::collections::HashMap;
use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clientele_kernel::{Error, LetterId};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands::{Auth, Data, Ehlo, Mail, Quit, Rcpt, Rset, Starttls};
use lettre::transport::smtp::extension::{ClientId, MailParameter};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::message::Composed;
use super::tls::Tls;
use super::wire::{Fault, Reply, Wire};
use super::{PointOfNoReturn, Sender, Session, message};
use crate::Config;
use crate::config::SmtpTls;
use crate::domain::address::Address;
use crate::domain::email::Letter;
use crate::domain::ledger::{Hindrance, Outcome, reason};

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
    protection: SmtpTls,
    tls: Option<Tls>,
    hello: ClientId,
    credentials: Option<(String, SecretString)>,
    steps: Steps,
    barred: Barred,
}

impl MailServer {
    /// The mail server that is configured. Fails where its certificate authority cannot be read.
    pub(super) fn try_new(config: &Config) -> Result<Self, Error> {
        let authority = Some(config.smtp_ca_file.as_path()).filter(|path| !path.as_os_str().is_empty());
        let tls = match config.smtp_tls {
            SmtpTls::None => None,
            SmtpTls::Starttls | SmtpTls::Tls => Some(Tls::try_new(&config.smtp_host, authority)?),
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
            protection: config.smtp_tls,
            tls,
            hello: ClientId::Domain(hello),
            credentials,
            steps: Steps::new(config.smtp_timeout),
            barred: Barred::default(),
        })
    }

    /// A conversation in which letters can be announced.
    async fn connect(&self) -> Result<Conversation, Trouble> {
        let mut wire = self.step(CONNECT, Wire::connect(&self.host, self.port)).await?;
        if let Some(tls) = self.tls.as_ref().filter(|_| self.protection == SmtpTls::Tls) {
            wire = self.step("TLS", wire.protect(tls)).await?;
        }
        self.step("greeting", wire.reply()).await?;
        let mut offers = self.hello(&mut wire).await?;
        if let Some(tls) = self.tls.as_ref().filter(|_| self.protection == SmtpTls::Starttls) {
            if !offers.starttls {
                return Err(Trouble::with(
                    STARTTLS,
                    &"the mail server does not offer it, and nothing is said without it",
                ));
            }
            self.step(STARTTLS, wire.command(Starttls)).await?;
            wire = self.step(STARTTLS, wire.protect(tls)).await?;
            offers = self.hello(&mut wire).await?;
        }
        if let Some((user, password)) = &self.credentials {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            self.step("AUTH", sign_in(&mut wire, &offers, credentials)).await?;
        }
        Ok(Conversation { wire, international: offers.international })
    }

    /// Goes as far as to where a letter would be announced, and leaves.
    pub(super) async fn greet(&self) -> Result<(), Error> {
        match self.connect().await {
            Ok(_) => Ok(()),
            Err(trouble) => Err(Error::unavailable(trouble.words)),
        }
    }

    async fn hello(&self, wire: &mut Wire) -> Result<Offers, Trouble> {
        let reply = self.step("EHLO", wire.command(Ehlo::new(self.hello.clone()))).await?;
        Ok(Offers::of(&reply))
    }

    async fn step<T>(&self, name: &'static str, step: impl Future<Output = Result<T, Fault>>) -> Result<T, Trouble> {
        match tokio::time::timeout(self.steps.0, step).await {
            Ok(done) => done.map_err(|fault| Trouble::of(name, &fault)),
            Err(_late) => Err(Trouble::with(name, &format_args!("no answer in {:?}", self.steps.0))),
        }
    }
}

/// An open conversation.
struct Conversation {
    wire: Wire,
    /// Whether the server takes addresses beyond ASCII (RFC 6531).
    international: bool,
}

/// What a server offers in its answer to EHLO.
#[derive(Debug, Default, PartialEq, Eq)]
struct Offers {
    starttls: bool,
    international: bool,
    /// Ways to sign in, the better one first.
    sign_in: Vec<Mechanism>,
}

impl Offers {
    fn of(hello: &Reply) -> Self {
        let mut offers = Self::default();
        // The first line is the server's name.
        for line in hello.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace().map(str::to_ascii_uppercase);
            match words.next().unwrap_or_default().as_str() {
                "STARTTLS" => offers.starttls = true,
                "SMTPUTF8" => offers.international = true,
                "AUTH" => {
                    let offered: Vec<String> = words.collect();
                    let known = [Mechanism::Plain, Mechanism::Login];
                    offers.sign_in = known.into_iter().filter(|known| offered.contains(&known.to_string())).collect();
                }
                _ => {}
            }
        }
        offers
    }
}

/// Signs in by what the server offers.
async fn sign_in(wire: &mut Wire, offers: &Offers, credentials: Credentials) -> Result<(), Fault> {
    /// Name and password, and one question more than anybody asks.
    const MOST_QUESTIONS: usize = 3;
    let cannot = |what: &str| Fault::Unreadable(what.to_owned());
    let Some(mechanism) = offers.sign_in.first().copied() else {
        return Err(cannot("the mail server offers neither PLAIN nor LOGIN to sign in by"));
    };
    let unanswered = |_| cannot("the mail server asks for something else than user and password");
    let command = Auth::new(mechanism, credentials.clone(), None).map_err(unanswered)?;
    let mut reply = wire.command(command).await?;
    for _ in 0..MOST_QUESTIONS {
        if reply.is_completion() {
            return Ok(());
        }
        let question = STANDARD.decode(reply.lines.join("").trim()).unwrap_or_default();
        let question = String::from_utf8_lossy(&question).into_owned();
        let answer = Auth::new(mechanism, credentials.clone(), Some(question)).map_err(unanswered)?;
        reply = wire.command(answer).await?;
    }
    Err(cannot("the mail server asks again and again and lets nobody in"))
}

/// Recipients for whom the server demanded what our configuration lacks, one after the other. One alone may be a fault of
/// that recipient's, whose letter must not wait for ever; several in a row are about us. Shared by all sessions.
#[derive(Debug, Clone, Default)]
struct Barred(Arc<Mutex<Option<(String, bool)>>>);

impl Barred {
    /// Notes that the server demanded it for this recipient; true where it did for another one since it was last ready for a
    /// letter.
    fn add(&self, recipient: &str) -> bool {
        let mut barred = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, several) = barred.get_or_insert_with(|| (recipient.to_owned(), false));
        *several |= first != recipient;
        *several
    }

    /// The server was ready for a letter.
    fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What went wrong in a step before the letter itself.
#[derive(Debug)]
struct Trouble {
    kind: TroubleKind,
    step: &'static str,
    /// What the server answered, where it said no.
    code: Option<u16>,
    /// The step and the server's words.
    words: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TroubleKind {
    /// The server said no, for good.
    Refused,
    /// The server does not know the parameters of MAIL.
    Unsupported,
    /// The server said no, for now.
    Deferred,
    /// The server said no to us, whatever the letter.
    Barred,
    /// The connection is of no use any more.
    Lost,
}

impl Trouble {
    fn of(step: &'static str, fault: &Fault) -> Self {
        let (kind, code) = match fault {
            Fault::Negative(reply) if reply.code == CLOSING => (TroubleKind::Lost, Some(reply.code)),
            Fault::Negative(reply) => (TroubleKind::of(step, reply), Some(reply.code)),
            Fault::Unreadable(_) | Fault::OutOfTurn | Fault::Broken(_) => (TroubleKind::Lost, None),
        };
        Self { kind, code, ..Self::with(step, fault) }
    }

    /// Trouble after which the connection is of no use any more.
    fn with(step: &'static str, what: &dyn Display) -> Self {
        Self { kind: TroubleKind::Lost, step, code: None, words: format!("{step}: {what}") }
    }

    /// What it means for the letter.
    fn outcome(self, composed: &Composed, barred: &Barred) -> Outcome {
        match self.kind {
            TroubleKind::Refused if self.step == RCPT => Outcome::Refused(reason::RECIPIENT_REFUSED, self.words),
            TroubleKind::Refused => Outcome::Refused(reason::MESSAGE_REFUSED, self.words),
            TroubleKind::Unsupported if composed.is_international() => {
                Outcome::Refused(reason::ADDRESS_NOT_SUPPORTED, self.words)
            }
            TroubleKind::Barred if self.step != MAIL && !barred.add(composed.to.as_ref()) => {
                Outcome::Deferred(self.words)
            }
            TroubleKind::Unsupported | TroubleKind::Barred => self.hindrance(),
            TroubleKind::Deferred | TroubleKind::Lost => Outcome::Deferred(self.words),
        }
    }

    /// What it means where it says nothing about the letter.
    fn hindrance(self) -> Outcome {
        Outcome::Hindered(Hindrance { step: self.step, code: self.code, words: self.words })
    }
}

impl TroubleKind {
    /// What a negative answer means. One to MAIL is about us, for letters differ in nothing there but in the demand for
    /// addresses beyond ASCII: what a colleague puts right must not have failed all the letters that waited.
    fn of(step: &str, reply: &Reply) -> Self {
        if !reply.is_permanent() {
            Self::Deferred
        } else if step == MAIL && (UNSUPPORTED.contains(&reply.code) || reply.is_about_encoding()) {
            Self::Unsupported
        } else if step == MAIL || ABOUT_US.contains(&reply.code) {
            Self::Barred
        } else {
            Self::Refused
        }
    }
}

const CONNECT: &str = "connect";
const MAIL: &str = "MAIL";
const RCPT: &str = "RCPT";
const STARTTLS: &str = "STARTTLS";

/// The server closes the connection.
const CLOSING: u16 = 421;

/// Answers by which a server demands what our configuration lacks: signing in (530, 534, 535) or encryption (538). Some
/// servers demand it as late as of the recipient or of the letter.
const ABOUT_US: [u16; 4] = [530, 534, 535, 538];
/// Answers to MAIL by which a server does not know its parameters.
const UNSUPPORTED: [u16; 2] = [504, 555];

#[async_trait]
impl Sender for MailServer {
    /// A mail server cannot be asked.
    async fn known(&self, _: &[LetterId]) -> Result<HashMap<LetterId, Outcome>, Error> {
        Ok(HashMap::new())
    }

    fn session(&self) -> Box<dyn Session> {
        Box::new(SmtpSession { server: self.clone(), conversation: None })
    }
}

/// A session with a mail server; connected when the first letter needs it.
struct SmtpSession {
    server: MailServer,
    conversation: Option<Conversation>,
}

impl SmtpSession {
    /// Everything up to the server's readiness for the letter itself. The conversation is kept in the session where it
    /// can still be used afterwards.
    async fn prepare(&mut self, composed: &Composed, end: Instant) -> Result<Conversation, Outcome> {
        // One that was held before may have been ended by the server meanwhile: then one more is begun at once.
        if let Some(conversation) = self.conversation.take() {
            match self.announce(conversation, composed).await {
                Err((TroubleKind::Lost, _)) => {}
                other => return other.map_err(|(_, outcome)| outcome),
            }
        }
        // Whatever it is, it is about us and not about this letter.
        let conversation = match tokio::time::timeout_at(end, self.server.connect()).await {
            Ok(connected) => connected.map_err(Trouble::hindrance)?,
            Err(_late) => {
                let limit = self.server.steps.before();
                let what = format_args!("the mail server did not let us in within {limit:?}");
                return Err(Trouble::with(CONNECT, &what).hindrance());
            }
        };
        self.announce(conversation, composed).await.map_err(|(_, outcome)| outcome)
    }

    async fn announce(
        &mut self,
        mut conversation: Conversation,
        composed: &Composed,
    ) -> Result<Conversation, (TroubleKind, Outcome)> {
        let mut parameters = Vec::new();
        if composed.is_international() {
            if !conversation.international {
                self.conversation = Some(conversation);
                let words = "the mail server takes no addresses beyond ASCII".to_owned();
                return Err((TroubleKind::Refused, Outcome::Refused(reason::ADDRESS_NOT_SUPPORTED, words)));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let (server, wire) = (&self.server, &mut conversation.wire);
        let mail = Mail::new(Some(composed.from.clone()), parameters);
        let steps = async {
            server.step(MAIL, wire.command(mail)).await?;
            server.step(RCPT, wire.command(Rcpt::new(composed.to.clone(), Vec::new()))).await?;
            let ready = server.step("DATA", wire.command(Data)).await?;
            if ready.is_intermediate() {
                return Ok(());
            }
            Err(Trouble::with("DATA", &format_args!("{ready} is no answer to it")))
        };
        match steps.await {
            Ok(()) => {
                server.barred.clear();
                Ok(conversation)
            }
            Err(trouble) => {
                let kind = trouble.kind;
                let outcome = trouble.outcome(composed, &server.barred);
                if kind != TroubleKind::Lost && server.step("RSET", wire.command(Rset)).await.is_ok() {
                    self.conversation = Some(conversation);
                }
                Err((kind, outcome))
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
        let mut conversation = match tokio::time::timeout_at(end, self.prepare(&composed, end)).await {
            Ok(Ok(conversation)) => conversation,
            Ok(Err(outcome)) => return Ok(outcome),
            Err(_late) => return Ok(Outcome::Deferred(format!("the mail server was not ready within {limit:?}"))),
        };
        // Where this fails the conversation is dropped: the server has the envelope, and not a byte of the letter.
        point.pass().await?;
        let limit = self.server.steps.letter();
        let Ok(answer) = tokio::time::timeout(limit, conversation.wire.letter(&composed.source)).await else {
            let words = format!("no answer to the letter within {limit:?}");
            return Ok(Outcome::Unknown(reason::NO_REPLY_AFTER_DATA, words));
        };
        Ok(match answer {
            Ok(reply) if reply.is_completion() => {
                self.conversation = Some(conversation);
                Outcome::Sent(reply.to_string())
            }
            Ok(reply) => {
                let words = format!("`{reply}` is no answer to a letter");
                Outcome::Unknown(reason::UNREADABLE_REPLY_AFTER_DATA, words)
            }
            // The conversation is dropped: a server that refuses a letter while it comes may say so once more at its end, and
            // that would be taken for the answer to the next one.
            Err(Fault::Negative(reply)) if reply.is_permanent() => {
                Outcome::Refused(reason::MESSAGE_REFUSED, reply.to_string())
            }
            Err(Fault::Negative(reply)) => Outcome::Deferred(reply.to_string()),
            // Not a byte of the letter has gone out.
            Err(fault @ Fault::OutOfTurn) => Outcome::Deferred(fault.to_string()),
            Err(Fault::Unreadable(what)) => Outcome::Unknown(reason::UNREADABLE_REPLY_AFTER_DATA, what),
            Err(broken @ Fault::Broken(_)) => Outcome::Unknown(reason::CONNECTION_LOST_AFTER_DATA, broken.to_string()),
        })
    }

    async fn close(&mut self) {
        if let Some(mut conversation) = self.conversation.take() {
            // Whether it says goodbye back makes no difference.
            let _ = self.server.step("QUIT", conversation.wire.command(Quit)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_offers_is_understood_in_any_case_and_its_name_is_no_offer() {
        let hello = |lines: &[&str]| {
            Offers::of(&Reply { code: 250, lines: lines.iter().map(|line| (*line).to_owned()).collect() })
        };
        assert_eq!(hello(&["STARTTLS"]), Offers::default());
        let all = hello(&["mail.test", "StartTLS", "", "smtputf8", "auth CRAM-MD5 login PLAIN"]);
        let sign_in = vec![Mechanism::Plain, Mechanism::Login];
        assert_eq!(all, Offers { starttls: true, international: true, sign_in });
        assert_eq!(hello(&["mail.test", "AUTH XOAUTH2"]).sign_in, []);
    }
}
