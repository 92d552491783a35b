//! A command as it came in: in whose name, and with what it is known by when it comes again.

use prost::Message;

use crate::Caller;
use crate::postgres::{Database, Error, UnitOfWork};

/// A command whose repetition gets the answer the first one got.
#[derive(Debug)]
pub struct Command<'a, Request> {
    /// In whose name.
    pub caller: &'a Caller,
    /// gRPC path of the method.
    pub method: &'static str,
    /// As the caller chose it; empty for a command that is new each time.
    pub request_id: &'a str,
    /// The request itself: another one under the same id is refused.
    pub request: &'a Request,
}

/// How a command begins.
#[derive(Debug)]
pub enum Begun<Answer, New = Box<UnitOfWork>> {
    /// It came before, and this was the answer.
    Known(Answer),
    /// It is new: do it in this unit of work, and commit that with the answer.
    New(New),
}

impl<Request: Message> Command<'_, Request> {
    /// Begins the unit of work of the command.
    pub async fn begin<Answer: Message + Default>(&self, db: &Database) -> Result<Begun<Answer>, Error> {
        let mut work = db.begin(self.caller).await?;
        Ok(match work.replay(self.method, self.request_id, self.request).await? {
            Some(answer) => Begun::Known(answer),
            None => Begun::New(Box::new(work)),
        })
    }
}
