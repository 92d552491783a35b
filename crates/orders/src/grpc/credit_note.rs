//! `CreditNotes`: money given back to customers.

use clientele_contracts::orders::v1 as pb;
use clientele_contracts::orders::v1::credit_notes_server::CreditNotes;
use clientele_kernel::{CreditNoteId, CustomerId, Error};
use clientele_platform::grpc::status as refuse;
use clientele_platform::{Caller, Command};
use tonic::{Request, Response, Status as Refusal};

use super::upsert;
use crate::app::credit_note::CreditNotes as Ledger;
use crate::app::order::PageRequest;
use crate::app::upsert::Upserted;
use crate::contract::credit_note::{draft, encode};

/// Serves `CreditNotes`.
pub(crate) struct CreditNoteService(pub(crate) Ledger);

#[async_trait::async_trait]
impl CreditNotes for CreditNoteService {
    async fn get_credit_note(
        &self,
        request: Request<pb::GetCreditNoteRequest>,
    ) -> Result<Response<pb::CreditNote>, Refusal> {
        let id = CreditNoteId::parse(&request.into_inner().id, "id").map_err(refuse)?;
        let note = self.0.get(id).await.map_err(refuse)?;
        Ok(Response::new(encode(&note)))
    }

    async fn list_credit_notes(
        &self,
        request: Request<pb::ListCreditNotesRequest>,
    ) -> Result<Response<pb::ListCreditNotesResponse>, Refusal> {
        let pb::ListCreditNotesRequest { customer_id, include_lines, page_size, page_token } = request.into_inner();
        let customer_id = CustomerId::parse_optional(&customer_id, "customer_id").map_err(refuse)?;
        let page = PageRequest { with_lines: include_lines, size: page_size, token: &page_token };
        let page = self.0.list(customer_id, page).await.map_err(refuse)?;
        Ok(Response::new(pb::ListCreditNotesResponse {
            credit_notes: page.credit_notes.iter().map(encode).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn batch_upsert_credit_notes(
        &self,
        request: Request<pb::BatchUpsertCreditNotesRequest>,
    ) -> Result<Response<pb::BatchUpsertCreditNotesResponse>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        self.upsert(&caller, &request.into_inner()).await.map(Response::new).map_err(refuse)
    }
}

impl CreditNoteService {
    async fn upsert(
        &self,
        caller: &Caller,
        request: &pb::BatchUpsertCreditNotesRequest,
    ) -> Result<pb::BatchUpsertCreditNotesResponse, Error> {
        let drafts = request.credit_notes.iter().cloned().map(draft).collect();
        let command = Command {
            caller,
            method: "/clientele.orders.v1.CreditNotes/BatchUpsertCreditNotes",
            request_id: &request.request_id,
            request,
        };
        self.0.upsert(command, drafts, answer).await
    }
}

fn answer(outcomes: Vec<Upserted<CreditNoteId>>) -> pb::BatchUpsertCreditNotesResponse {
    let result =
        |(credit_note_id, outcome, violations)| pb::UpsertCreditNoteResult { credit_note_id, outcome, violations };
    pb::BatchUpsertCreditNotesResponse { results: outcomes.into_iter().map(upsert::parts).map(result).collect() }
}
