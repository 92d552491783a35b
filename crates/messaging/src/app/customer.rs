//! What customers says of a customer: name and addresses, and whether they may be written to. Asked over gRPC, in the
//! service's own name, before a transaction begins or after it has ended.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::time::{Duration, Instant};

use clientele_contracts::customers::v1 as pb;
use clientele_contracts::customers::v1::consents_client::ConsentsClient;
use clientele_contracts::customers::v1::customers_client::CustomersClient;
use clientele_kernel::{Code, ConsentEntryId, CustomerId, EmailId, Error};
use clientele_platform::grpc::{self, Clients, Transport};
use tonic::{Code as GrpcCode, Response, Status};

use crate::domain::email::{Destination, Person, Purpose};
use crate::domain::ledger::reason;

/// How many customers are asked for in one call.
const ASKED_AT_ONCE: usize = 500;
/// Customers with hundreds of phones are large.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

/// Asks customers.
#[derive(Clone)]
pub(crate) struct Customers {
    transport: Transport,
    deadline: Duration,
}

/// Whether a letter may be sent, and to which address.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// It may.
    Allowed {
        /// The address as it stands now; empty where customers knows none.
        address: String,
        /// The contact point it is; none for an address that is none of the customer's.
        contact_point_id: Option<EmailId>,
        /// The entries that decide.
        entries: Vec<ConsentEntryId>,
    },
    /// It may not.
    Refused {
        /// Why, as a stable word.
        reason: String,
        /// The entries that decide.
        entries: Vec<ConsentEntryId>,
    },
}

/// What customers answers for an address that nobody has.
pub(crate) const UNKNOWN_ADDRESS: &str = "UNKNOWN_ADDRESS";

impl Customers {
    /// Waits for customers no longer than `deadline`.
    pub(crate) fn new(clients: &Clients, deadline: Duration) -> Self {
        Self { transport: clients.transport("customers"), deadline }
    }

    /// One customer. Fails when there is none, and where customers cannot be asked.
    pub(crate) async fn get(&self, id: CustomerId) -> Result<Person, Error> {
        let request = pb::GetCustomerRequest { id: id.to_string(), ..pb::GetCustomerRequest::default() };
        let mut client = CustomersClient::new(self.transport.clone()).max_decoding_message_size(LARGEST_ANSWER);
        match self.ask(client.get_customer(request)).await {
            Ok(customer) => person(customer),
            Err(error) if error.code == Code::NotFound => Err(Error::not_found("customer", id)),
            Err(error) => Err(error),
        }
    }

    /// Those of the customers that exist.
    pub(crate) async fn existing(
        &self,
        ids: impl IntoIterator<Item = CustomerId>,
    ) -> Result<HashMap<CustomerId, Person>, Error> {
        let ids: Vec<String> = ids.into_iter().collect::<BTreeSet<_>>().iter().map(ToString::to_string).collect();
        let mut existing = HashMap::new();
        for part in ids.chunks(ASKED_AT_ONCE) {
            let request = pb::BatchGetCustomersRequest { ids: part.to_vec() };
            let mut client = CustomersClient::new(self.transport.clone()).max_decoding_message_size(LARGEST_ANSWER);
            for customer in self.ask(client.batch_get_customers(request)).await?.customers {
                let person = person(customer)?;
                existing.insert(person.id, person);
            }
        }
        Ok(existing)
    }

    /// Whether a letter may be sent now. An address of nobody's may be written to where somebody gave a reason, and never
    /// with advertising: no reason stands for a consent. Not found when there is no such customer; any other error says
    /// that it could not be asked, so that nothing may be sent.
    pub(crate) async fn may_send(
        &self,
        customer: CustomerId,
        destination: &Destination,
        purpose: Purpose,
    ) -> Result<Verdict, Error> {
        let mut client = ConsentsClient::new(self.transport.clone());
        let answer = self.ask(client.may_send(question(customer, destination, purpose))).await?;
        verdict(answer, destination, purpose)
    }

    /// The same of many letters, each answer in the place of its question. A customer that does not exist is a refusal.
    pub(crate) async fn may_send_all(
        &self,
        letters: &[(CustomerId, Destination, Purpose)],
    ) -> Vec<Result<Verdict, Error>> {
        if letters.is_empty() {
            return Vec::new();
        }
        let requests = letters.iter().map(|(customer, to, purpose)| question(*customer, to, *purpose)).collect();
        let mut client = ConsentsClient::new(self.transport.clone()).max_decoding_message_size(LARGEST_ANSWER);
        let asked = client.batch_may_send(pb::BatchMaySendRequest { requests });
        match tokio::time::timeout(self.deadline, asked).await {
            Ok(Ok(answers)) => {
                let mut answers = answers.into_inner().answers.into_iter();
                let answer_of = |(_, to, purpose): &(_, Destination, Purpose)| match answers.next() {
                    Some(answer) => verdict(answer, to, *purpose),
                    None => Err(unreachable_now()),
                };
                letters.iter().map(answer_of).collect()
            }
            // Where one question is none, the others are still to be answered; and customers of the release before denies
            // what it does not know.
            Ok(Err(status))
                if matches!(
                    status.code(),
                    GrpcCode::InvalidArgument | GrpcCode::PermissionDenied | GrpcCode::Unimplemented
                ) =>
            {
                self.may_send_each(letters).await
            }
            Ok(Err(status)) => {
                let told = grpc::error(status).to_string();
                letters.iter().map(|_| Err(unreachable_now().with_source(Error::unavailable(told.clone())))).collect()
            }
            Err(_late) => letters.iter().map(|_| Err(unreachable_now())).collect(),
        }
    }

    /// Asks for one letter after the other, as long as all may take together: the others wait.
    async fn may_send_each(&self, letters: &[(CustomerId, Destination, Purpose)]) -> Vec<Result<Verdict, Error>> {
        let end = Instant::now() + self.deadline;
        let mut verdicts = Vec::with_capacity(letters.len());
        for (customer, to, purpose) in letters {
            if Instant::now() >= end {
                verdicts.push(Err(unreachable_now()));
                continue;
            }
            verdicts.push(match self.may_send(*customer, to, *purpose).await {
                Err(error) if error.code == Code::NotFound => {
                    Ok(Verdict::Refused { reason: reason::CUSTOMER_NOT_FOUND.to_owned(), entries: Vec::new() })
                }
                answer => answer,
            });
        }
        verdicts
    }

    async fn ask<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Error> {
        let answer = tokio::time::timeout(self.deadline, call).await.map_err(|_| unreachable_now())?;
        answer.map(Response::into_inner).map_err(|status| match grpc::error(status) {
            error if error.code == Code::NotFound => error,
            error => unreachable_now().with_source(error),
        })
    }
}

/// What customers is asked of a letter.
fn question(customer: CustomerId, destination: &Destination, purpose: Purpose) -> pb::MaySendRequest {
    let purpose = match purpose {
        Purpose::Marketing => pb::ConsentPurpose::Marketing,
        Purpose::Service => pb::ConsentPurpose::Service,
    };
    let (contact_point_id, address) = match destination.contact_point_id {
        Some(id) => (id.to_string(), String::new()),
        None => (String::new(), destination.address.clone()),
    };
    pb::MaySendRequest {
        customer_id: customer.to_string(),
        channel: pb::ConsentChannel::Email.into(),
        contact_point_id,
        address,
        purpose: purpose.into(),
    }
}

/// What the answer means for a letter.
fn verdict(answer: pb::MaySendResponse, destination: &Destination, purpose: Purpose) -> Result<Verdict, Error> {
    let entries = answer.entry_ids.iter().map(|id| ConsentEntryId::parse(id, "entry_ids").map_err(Error::internal));
    let entries: Vec<ConsentEntryId> = entries.collect::<Result<_, _>>()?;
    let of_nobody = answer.reason == UNKNOWN_ADDRESS
        && purpose == Purpose::Service
        && destination.contact_point_id.is_none()
        && !destination.reason.is_empty();
    if answer.allowed || of_nobody {
        let contact_point_id =
            EmailId::parse_optional(&answer.contact_point_id, "contact_point_id").map_err(Error::internal)?;
        Ok(Verdict::Allowed { address: answer.address, contact_point_id, entries })
    } else {
        Ok(Verdict::Refused { reason: answer.reason, entries })
    }
}

fn person(customer: pb::Customer) -> Result<Person, Error> {
    let id = CustomerId::parse(&customer.id, "customer_id").map_err(Error::internal)?;
    let emails = customer.emails.into_iter().map(|email| {
        let id = EmailId::parse(&email.id, "emails.id").map_err(Error::internal)?;
        Ok((id, email.address))
    });
    Ok(Person { id, name: customer.display_name, emails: emails.collect::<Result<_, Error>>()? })
}

fn unreachable_now() -> Error {
    Error::unavailable("the customers service cannot be asked at the moment").with_reason("CUSTOMERS_UNAVAILABLE")
}
