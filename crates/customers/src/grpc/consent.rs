//! `Consents`: what customers agreed to.

use clientele_contracts::customers::v1::consents_server::Consents;
use clientele_contracts::customers::v1::{
    BatchMaySendRequest, BatchMaySendResponse, ConsentEntry, GetConsentsRequest, GetConsentsResponse,
    ListConsentEntriesRequest, ListConsentEntriesResponse, MaySendRequest, MaySendResponse, SetConsentRequest,
};
use clientele_kernel::{ContactPointId, CustomerId, Error as KernelError, Violations};
use clientele_platform::grpc::status;
use clientele_platform::{Caller, Command};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::app::consent::{Answer, Question, Recipient};
use crate::domain::consent::{Refusal, Statement};
use crate::grpc::customer::require_batch;
use crate::{Error, contract};

const SET: &str = "/clientele.customers.v1.Consents/SetConsent";
/// The reason in the answer for a customer that does not exist, where many are asked for.
const CUSTOMER_NOT_FOUND: &str = "CUSTOMER_NOT_FOUND";

/// Serves `Consents`.
#[derive(Debug)]
pub(crate) struct ConsentsService(pub(crate) App);

#[async_trait::async_trait]
impl Consents for ConsentsService {
    async fn get_consents(
        &self,
        request: Request<GetConsentsRequest>,
    ) -> Result<Response<GetConsentsResponse>, Status> {
        self.get(&request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn set_consent(&self, request: Request<SetConsentRequest>) -> Result<Response<ConsentEntry>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.set(&caller, &request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn list_consent_entries(
        &self,
        request: Request<ListConsentEntriesRequest>,
    ) -> Result<Response<ListConsentEntriesResponse>, Status> {
        self.list(&request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn may_send(&self, request: Request<MaySendRequest>) -> Result<Response<MaySendResponse>, Status> {
        self.ask(&request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn batch_may_send(
        &self,
        request: Request<BatchMaySendRequest>,
    ) -> Result<Response<BatchMaySendResponse>, Status> {
        self.ask_all(&request.into_inner()).await.map(Response::new).map_err(status)
    }
}

impl ConsentsService {
    async fn get(&self, request: &GetConsentsRequest) -> Result<GetConsentsResponse, Error> {
        let id = CustomerId::parse(&request.customer_id, "customer_id")?;
        let states = self.0.consents(id).await?;
        Ok(GetConsentsResponse { states: states.iter().map(contract::consent::state).collect() })
    }

    async fn set(&self, caller: &Caller, request: &SetConsentRequest) -> Result<ConsentEntry, Error> {
        let mut violations = Violations::new();
        let id = violations.take("customer_id", CustomerId::parse(&request.customer_id, "customer_id"));
        let channel = violations.take("channel", contract::consent::parse_channel(request.channel));
        let purpose = violations.take("purpose", contract::consent::parse_purpose(request.purpose));
        let (Some(id), Some(channel), Some(purpose)) = (id, channel, purpose) else {
            return Err(KernelError::invalid_all(violations.into_inner()).into());
        };
        let statement = Statement {
            channel,
            contact_point_id: request.contact_point_id.clone(),
            purpose,
            granted: request.granted,
            evidence: request.evidence.clone(),
        };
        let command = Command { caller, method: SET, request_id: &request.request_id, request };
        self.0.set_consent(&command, id, statement).await
    }

    async fn list(&self, request: &ListConsentEntriesRequest) -> Result<ListConsentEntriesResponse, Error> {
        let id = CustomerId::parse(&request.customer_id, "customer_id")?;
        let (entries, next_page_token) =
            self.0.list_consent_entries(id, request.page_size, &request.page_token).await?;
        Ok(ListConsentEntriesResponse {
            entries: entries.iter().map(contract::consent::entry).collect(),
            next_page_token,
        })
    }

    async fn ask(&self, request: &MaySendRequest) -> Result<MaySendResponse, Error> {
        let answers = self.0.may_send(vec![question(request)?]).await?;
        let answer = answers.into_iter().next().ok_or_else(|| KernelError::internal("a question has no answer"))?;
        answer.map(response)
    }

    async fn ask_all(&self, request: &BatchMaySendRequest) -> Result<BatchMaySendResponse, Error> {
        require_batch("requests", request.requests.len())?;
        let mut violations = Violations::new();
        let mut questions = Vec::with_capacity(request.requests.len());
        for (i, request) in request.requests.iter().enumerate() {
            let path = format!("requests[{i}]");
            questions.extend(violations.take(&path, question(request).map_err(|error| error.within(&path))));
        }
        std::mem::take(&mut violations).into_result()?;
        let mut answers = Vec::with_capacity(questions.len());
        for (i, answer) in self.0.may_send(questions).await?.into_iter().enumerate() {
            match answer {
                Ok(answer) => answers.push(response(answer)),
                Err(Error::NotFound(_)) => {
                    answers.push(MaySendResponse { reason: CUSTOMER_NOT_FOUND.to_owned(), ..Default::default() });
                }
                Err(Error::Refused(problem)) => {
                    let path = format!("requests[{i}]");
                    violations.take::<()>(&path, Err(problem.within(&path)));
                }
                Err(other) => return Err(other),
            }
        }
        violations.into_result()?;
        Ok(BatchMaySendResponse { answers })
    }
}

/// What a request asks; fails where its fields say nothing that can be asked.
fn question(request: &MaySendRequest) -> Result<Question, KernelError> {
    let mut violations = Violations::new();
    let customer = violations.take("customer_id", CustomerId::parse(&request.customer_id, "customer_id"));
    let channel = violations.take("channel", contract::consent::parse_channel(request.channel));
    let recipient = violations.take("contact_point_id", recipient(request));
    let purpose = violations.take("purpose", contract::consent::parse_purpose(request.purpose)).flatten();
    violations.check(purpose.is_some() || request.purpose != 0, "purpose", || {
        "is missing: what the message is for must be said, marketing (1) or service (2)".to_owned()
    });
    match (customer, channel, recipient, purpose) {
        (Some(customer), Some(channel), Some(recipient), Some(purpose)) => {
            Ok(Question { customer, channel, recipient, purpose })
        }
        _ => Err(KernelError::invalid_all(violations.into_inner())),
    }
}

fn response(answer: Answer) -> MaySendResponse {
    MaySendResponse {
        allowed: answer.permission.refusal.is_none(),
        reason: answer.permission.refusal.map_or("", Refusal::as_str).to_owned(),
        entry_ids: answer.permission.entries.iter().map(ToString::to_string).collect(),
        address: answer.address,
        contact_point_id: answer.point.map(|id| id.to_string()).unwrap_or_default(),
    }
}

fn recipient(request: &MaySendRequest) -> Result<Recipient, KernelError> {
    match (request.contact_point_id.as_str(), request.address.as_str()) {
        ("", "") => Err(KernelError::invalid("contact_point_id", "is missing: it or an address is wanted")),
        ("", address) => Ok(Recipient::Address(address.to_owned())),
        (id, "") => ContactPointId::parse(id, "contact_point_id").map(Recipient::Point),
        _ => Err(KernelError::invalid("address", "is given together with a contact point: leave one out")),
    }
}
