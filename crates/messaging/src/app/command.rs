//! A command as it came in: in whose name, and with what it is known by when it comes again.

use clientele_kernel::{ActorKind, Error, UserId};
use clientele_platform::Caller;
use clientele_platform::postgres::{Database, UnitOfWork};
use prost::Message;

/// A command whose repetition gets the answer the first one got.
#[derive(Debug)]
pub(crate) struct Command<'a, Request> {
    pub(crate) caller: &'a Caller,
    /// Path of the method.
    pub(crate) method: &'static str,
    /// As the caller chose it; empty for a command that is new each time.
    pub(crate) request_id: &'a str,
    pub(crate) request: &'a Request,
}

/// The person who calls; none where it is a program.
pub(super) fn user(caller: &Caller) -> Option<UserId> {
    (caller.actor.kind == ActorKind::User).then(|| caller.actor.id.parse().ok()).flatten()
}

/// How a command begins.
pub(crate) enum Begun<Answer, New = Box<UnitOfWork>> {
    /// It came before, and this was the answer.
    Known(Answer),
    /// It is new: do it in this unit of work, and commit that with the answer.
    New(New),
}

impl<Request: Message> Command<'_, Request> {
    /// Begins the unit of work of the command.
    pub(crate) async fn begin<Answer: Message + Default>(&self, db: &Database) -> Result<Begun<Answer>, Error> {
        let mut uow = db.begin(self.caller).await?;
        Ok(match uow.replay(self.method, self.request_id, self.request).await? {
            Some(answer) => Begun::Known(answer),
            None => Begun::New(Box::new(uow)),
        })
    }
}
