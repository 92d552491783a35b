//! The ways out of the house. A port, for there are two: a mail server, and the captured mailbox where none is
//! configured.
//!
//! - [`smtp`]: a conversation with a mail server
//! - [`wire`]: what is said in it, and [`tls`]: how it is protected
//! - [`captured`]: the captured mailbox
//! - [`message`]: a letter as RFC 5322 has it

mod captured;
mod message;
mod smtp;
mod tls;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use clientele_kernel::{Error, LetterId};
use clientele_platform::postgres::Database;

pub(crate) use smtp::Steps;

use crate::Config;
use crate::domain::email::Letter;
use crate::domain::ledger::Outcome;

/// A way out.
#[async_trait]
pub(crate) trait Sender: Send + Sync {
    /// What is known to have become of letters whose worker ended before it wrote that down.
    async fn known(&self, letters: &[LetterId]) -> Result<HashMap<LetterId, Outcome>, Error>;

    /// A session in which letters are handed over one after the other.
    fn session(&self) -> Box<dyn Session>;
}

/// A session with whoever takes letters.
#[async_trait]
pub(crate) trait Session: Send {
    /// Hands a letter over and tells how that ended. Just before the moment from which nobody can know whether the
    /// letter was taken, `point` is passed; where that fails, nothing is handed over and its error is returned.
    async fn hand_over(&mut self, letter: &Letter, point: &dyn PointOfNoReturn) -> Result<Outcome, Error>;

    /// Ends the session in good manners.
    async fn close(&mut self);
}

/// The moment from which nobody can know, until the other side answers, whether it has taken the letter.
#[async_trait]
pub(crate) trait PointOfNoReturn: Send + Sync {
    /// Writes down that this moment has come.
    async fn pass(&self) -> Result<(), Error>;
}

/// The way out that is configured.
pub(crate) fn sender(config: &Config, db: &Database) -> Result<Arc<dyn Sender>, Error> {
    Ok(if config.smtp_host.is_empty() {
        Arc::new(captured::CapturedMailbox::new(db.clone()))
    } else {
        Arc::new(smtp::MailServer::try_new(config)?)
    })
}

/// Finds out whether the configured mail server takes us: connection, TLS and sign-in, and no letter.
pub(crate) async fn greet(config: &Config) -> Result<(), Error> {
    let greeted = smtp::MailServer::try_new(config)?;
    tokio::time::timeout(config.smtp_timeout, greeted.greet())
        .await
        .map_err(|_| Error::unavailable("it does not answer in time"))?
}
