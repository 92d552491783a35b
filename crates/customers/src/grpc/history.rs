//! `History`: what changed on a customer, when, by whom and from where.

use clientele_contracts::customers::v1::history_server::History;
use clientele_contracts::customers::v1::{Change, ChangeKind, FieldChange, ListChangesRequest, ListChangesResponse};
use clientele_kernel::CustomerId;
use clientele_platform::grpc::status;
use clientele_platform::proto;
use tonic::{Request, Response, Status};

use crate::Error;
use crate::app::{App, history};

/// Serves `History`.
#[derive(Debug)]
pub(crate) struct HistoryService(pub(crate) App);

#[async_trait::async_trait]
impl History for HistoryService {
    async fn list_changes(
        &self,
        request: Request<ListChangesRequest>,
    ) -> Result<Response<ListChangesResponse>, Status> {
        self.list(&request.into_inner()).await.map(Response::new).map_err(status)
    }
}

impl HistoryService {
    async fn list(&self, request: &ListChangesRequest) -> Result<ListChangesResponse, Error> {
        let id = CustomerId::parse(&request.customer_id, "customer_id")?;
        let (changes, next_page_token) = self.0.list_changes(id, request.page_size, &request.page_token).await?;
        Ok(ListChangesResponse { changes: changes.into_iter().map(change).collect(), next_page_token })
    }
}

fn change(change: history::Change) -> Change {
    let kind = match change.kind {
        history::ChangeKind::Created => ChangeKind::Created,
        history::ChangeKind::Updated => ChangeKind::Updated,
        history::ChangeKind::Deleted => ChangeKind::Deleted,
    };
    Change {
        id: change.id.to_string(),
        version: change.version,
        kind: kind.into(),
        actor: Some(proto::actor(&change.actor)),
        origin: proto::origin(change.origin).into(),
        integration: change.integration.unwrap_or_default(),
        recorded_at: Some(proto::timestamp(change.recorded_at)),
        fields: change
            .fields
            .into_iter()
            .map(|field| FieldChange { field: field.field.to_owned(), old_values: field.old, new_values: field.new })
            .collect(),
    }
}
