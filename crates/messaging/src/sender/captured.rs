//! The captured mailbox, where letters go as long as no mail server is configured.

use std::collections::HashMap;

use async_trait::async_trait;
use clientele_kernel::{Error, LetterId};
use clientele_platform::postgres::Database;

use super::{PointOfNoReturn, Sender, Session, message};
use crate::domain::email::Letter;
use crate::domain::ledger::{Outcome, reason};
use crate::domain::mailbox::Captured;
use crate::store;

/// Keeps letters instead of sending them.
pub(super) struct CapturedMailbox(Database);

impl CapturedMailbox {
    pub(super) fn new(db: Database) -> Self {
        Self(db)
    }
}

#[async_trait]
impl Sender for CapturedMailbox {
    /// What was kept was sent, whatever has changed since.
    async fn known(&self, letters: &[LetterId]) -> Result<HashMap<LetterId, Outcome>, Error> {
        let kept_ones = store::mailbox::those_of(self.0.pool(), letters).await?;
        Ok(kept_ones.into_iter().map(|letter| (letter, kept())).collect())
    }

    fn session(&self) -> Box<dyn Session> {
        Box::new(CapturedMailbox(self.0.clone()))
    }
}

fn kept() -> Outcome {
    Outcome::Sent("kept in the captured mailbox".to_owned())
}

#[async_trait]
impl Session for CapturedMailbox {
    /// There is no point of no return: a letter is kept once, however often it is handed over.
    async fn hand_over(&mut self, letter: &Letter, _: &dyn PointOfNoReturn) -> Result<Outcome, Error> {
        let message = match message::of(letter) {
            Ok(message) => message,
            Err(problem) => return Ok(Outcome::Refused(reason::INVALID_LETTER, problem)),
        };
        let now = self.0.clock().now();
        let source = String::from_utf8_lossy(&message.source).into_owned();
        let captured = Captured {
            id: self.0.ids().at(now),
            letter_id: letter.id,
            customer_id: letter.customer_id,
            to_address: letter.destination.address.clone(),
            from_address: letter.from.address.clone(),
            subject: letter.content.subject.clone(),
            text: letter.content.text.clone(),
            html: letter.content.html.clone(),
            size_bytes: i64::try_from(source.len()).unwrap_or(i64::MAX),
            source,
            at: now,
        };
        store::mailbox::insert(self.0.pool(), &captured).await?;
        Ok(kept())
    }

    async fn close(&mut self) {}
}
