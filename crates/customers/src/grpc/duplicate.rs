//! `Duplicates`: customers that share a phone or an e-mail.

use clientele_contracts::customers::v1::duplicates_server::Duplicates;
use clientele_contracts::customers::v1::{Duplicate, ListDuplicatesRequest, ListDuplicatesResponse};
use clientele_kernel::CustomerId;
use clientele_platform::grpc::status;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::{Error, contract};

/// Serves `Duplicates`.
#[derive(Debug)]
pub(crate) struct DuplicatesService(pub(crate) App);

#[async_trait::async_trait]
impl Duplicates for DuplicatesService {
    async fn list_duplicates(
        &self,
        request: Request<ListDuplicatesRequest>,
    ) -> Result<Response<ListDuplicatesResponse>, Status> {
        self.list(&request.into_inner()).await.map(Response::new).map_err(status)
    }
}

impl DuplicatesService {
    async fn list(&self, request: &ListDuplicatesRequest) -> Result<ListDuplicatesResponse, Error> {
        let id = CustomerId::parse(&request.customer_id, "customer_id")?;
        let (duplicates, next_page_token) = self.0.list_duplicates(id, request.page_size, &request.page_token).await?;
        let duplicates = duplicates
            .into_iter()
            .map(|duplicate| Duplicate {
                customer: Some(contract::customer(&duplicate.view)),
                phones: duplicate.phones,
                emails: duplicate.emails,
            })
            .collect();
        Ok(ListDuplicatesResponse { duplicates, next_page_token })
    }
}
