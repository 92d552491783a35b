//! Letters: asked for, looked at before they are sent, and shown.

use std::sync::Arc;

use clientele_kernel::{Code, CustomerId, Error, LetterId, Violation, paging};
use clientele_platform::Caller;
use clientele_platform::postgres::Database;
use tokio::sync::Notify;

use super::customer::{Customers, Verdict};
use super::held;
use super::waiting::Waiting;
use crate::domain::email::{Accepted, Destination, Draft, Letter, Sender};
use crate::domain::ledger::{State, reason};
use crate::domain::template::{Content, Known, Texts};
use crate::events::publish;
use crate::store;
use crate::store::email::{Place, RequestKey};

/// How far a list is counted exactly.
const MOST_COUNTED: i64 = 10_000;
const LONGEST_REQUEST_ID: usize = 128;

/// What letters say of the house they come from.
#[derive(Debug, Clone)]
pub(crate) struct House {
    pub(crate) company_name: String,
    pub(crate) from: Sender,
}

/// What can be done with letters.
#[derive(Clone)]
pub(crate) struct Letters {
    db: Database,
    customers: Customers,
    house: Arc<House>,
    waiting: Arc<Waiting>,
    /// Told when a letter waits to be sent.
    wake: Arc<Notify>,
}

/// A letter as it would go out.
#[derive(Debug)]
pub(crate) struct Preview {
    pub(crate) destination: Destination,
    pub(crate) content: Content,
    /// Why it might not be sent now; none where it might.
    pub(crate) refusal: Option<String>,
}

/// A page of letters.
#[derive(Debug)]
pub(crate) struct LetterPage {
    pub(crate) letters: Vec<Letter>,
    /// Empty at the end.
    pub(crate) next_page_token: String,
    /// How many there are, with the first page only.
    pub(crate) total: Option<i64>,
}

impl Letters {
    pub(crate) fn new(
        db: Database,
        customers: Customers,
        house: Arc<House>,
        waiting: Waiting,
        wake: Arc<Notify>,
    ) -> Self {
        Self { db, customers, house, waiting: Arc::new(waiting), wake }
    }

    /// Has a letter sent that is held since the database was restored from a backup.
    pub(crate) async fn release(&self, caller: &Caller, id: LetterId) -> Result<Letter, Error> {
        held::release(&self.db, &self.wake, caller, id).await
    }

    /// Accepts a letter for sending. The same request id with the same request gives the same letter, for ever.
    pub(crate) async fn send(&self, caller: &Caller, key: RequestKey, draft: Draft) -> Result<Letter, Error> {
        check_request_id(&key.request_id)?;
        if let Some(known) = self.known(&key).await? {
            return Ok(known);
        }
        let (destination, content) = self.compose(caller, &draft).await?;
        self.waiting.admit().await?;
        let mut uow = self.db.begin(caller).await?;
        let letter = Letter::accept(Accepted {
            id: uow.id(),
            draft,
            destination,
            from: self.house.from.clone(),
            content,
            actor: caller.actor.clone(),
            at: uow.now(),
        });
        if !store::email::insert(uow.conn(), &letter, &key).await? {
            drop(uow);
            let known = self.known(&key).await?;
            return known.ok_or_else(|| Error::internal("a letter whose request id is taken is not there"));
        }
        uow.record(publish::accepted(&letter));
        uow.commit().await?;
        self.wake.notify_one();
        Ok(letter)
    }

    /// What a letter would say, and whether it might be sent now.
    pub(crate) async fn preview(&self, caller: &Caller, draft: Draft) -> Result<Preview, Error> {
        let (destination, content) = self.compose(caller, &draft).await?;
        let refusal = match self.customers.may_send(draft.customer_id, &destination, draft.purpose).await {
            Ok(Verdict::Allowed { .. }) => None,
            Ok(Verdict::Refused { reason, .. }) => Some(named(reason)),
            Err(error) if error.code == Code::NotFound => Some(reason::CUSTOMER_NOT_FOUND.to_owned()),
            Err(error) => return Err(error),
        };
        Ok(Preview { destination, content, refusal })
    }

    /// One letter.
    pub(crate) async fn get(&self, id: LetterId) -> Result<Letter, Error> {
        store::email::by_id(self.db.pool(), id).await?.ok_or_else(|| Error::not_found("e-mail", id))
    }

    /// Letters, newest first, without their texts.
    pub(crate) async fn list(
        &self,
        customer: Option<CustomerId>,
        states: &[State],
        page_size: i32,
        page_token: &str,
    ) -> Result<LetterPage, Error> {
        let size = paging::size(page_size, 50, 200)?;
        let names: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
        let customer_text = customer.map(|id| id.to_string()).unwrap_or_default();
        let fingerprint = paging::fingerprint(&["emails", &customer_text, &names.join(",")]);
        let after: Option<Place> = paging::decode(page_token, fingerprint)?;
        let pool = self.db.pool();
        let letters = store::email::list(pool, customer, states, after, size + 1);
        let (mut letters, total) = if after.is_none() {
            let (letters, total) =
                tokio::try_join!(letters, store::email::count(pool, customer, states, MOST_COUNTED))?;
            (letters, Some(total))
        } else {
            (letters.await?, None)
        };
        let more = paging::cut(&mut letters, size);
        let last = letters.last().filter(|_| more);
        let next_page_token = last.map(|last| paging::encode(&(last.created_at, last.id.uuid()), fingerprint));
        Ok(LetterPage { letters, next_page_token: next_page_token.unwrap_or_default(), total })
    }

    /// The letter this request got before.
    async fn known(&self, key: &RequestKey) -> Result<Option<Letter>, Error> {
        match store::email::by_request(self.db.pool(), &key.request_id).await? {
            None => Ok(None),
            Some((id, hash)) if hash == key.hash => self.get(id).await.map(Some),
            Some(_) => Err(reused()),
        }
    }

    /// Where a letter goes and what it says.
    async fn compose(&self, caller: &Caller, draft: &Draft) -> Result<(Destination, Content), Error> {
        let person = self.customers.get(draft.customer_id).await?;
        let destination = draft.recipient.resolve(&person)?;
        let template = match draft.template_id {
            None => Texts::default(),
            Some(id) => {
                let template = store::template::by_id(self.db.pool(), id).await?;
                let template =
                    template.ok_or_else(|| Error::invalid("template_id", format!("there is no template `{id}`")))?;
                if !template.active {
                    return Err(Error::invalid("template_id", format!("the template `{id}` is no longer offered")));
                }
                template.texts
            }
        };
        let texts = draft.texts.clone().or(template);
        let known = Known {
            customer_name: person.name,
            customer_email: destination.address.clone(),
            sender_name: caller.display_name.clone(),
            company_name: self.house.company_name.clone(),
        };
        let variables = draft.variables.clone();
        // Cleaning a long HTML takes its time; the threads that answer others must not wait for it.
        let content = tokio::task::spawn_blocking(move || texts.render(&known, &variables));
        Ok((destination, content.await.map_err(Error::internal)??))
    }
}

/// A refusal always has a word.
pub(super) fn named(word: String) -> String {
    if word.is_empty() { reason::NOT_ALLOWED.to_owned() } else { word }
}

fn check_request_id(request_id: &str) -> Result<(), Error> {
    let fits = (1..=LONGEST_REQUEST_ID).contains(&request_id.len()) && request_id.bytes().all(|b| b.is_ascii_graphic());
    if fits {
        return Ok(());
    }
    Err(Error::invalid(
        "request_id",
        format!(
            "is no key of a request: 1 to {LONGEST_REQUEST_ID} printable ASCII characters without spaces are wanted"
        ),
    ))
}

fn reused() -> Error {
    let description = "was used for another letter: take a new one".to_owned();
    Error {
        violations: vec![Violation::new("request_id", description)],
        ..Error::failed_precondition("REQUEST_ID_REUSED", "this request id was used for another letter")
    }
}
