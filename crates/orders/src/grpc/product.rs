//! `Products`: the catalogue.

use clientele_contracts::orders::v1 as pb;
use clientele_contracts::orders::v1::products_server::Products;
use clientele_kernel::{Error, ProductId, Violations};
use clientele_platform::grpc::status as refuse;
use clientele_platform::{Caller, Command};
use tonic::{Request, Response, Status as Refusal};

use super::upsert;
use crate::app::product::Products as Catalogue;
use crate::app::upsert::Upserted;
use crate::contract::product::encode;
use crate::domain::product::ProductContent;

/// Serves `Products`.
pub(crate) struct ProductService(pub(crate) Catalogue);

#[async_trait::async_trait]
impl Products for ProductService {
    async fn get_product(&self, request: Request<pb::GetProductRequest>) -> Result<Response<pb::Product>, Refusal> {
        let id = ProductId::parse(&request.into_inner().id, "id").map_err(refuse)?;
        let product = self.0.get(id).await.map_err(refuse)?;
        Ok(Response::new(encode(&product)))
    }

    async fn list_products(
        &self,
        request: Request<pb::ListProductsRequest>,
    ) -> Result<Response<pb::ListProductsResponse>, Refusal> {
        let pb::ListProductsRequest { query, page_size, page_token } = request.into_inner();
        let page = self.0.list(&query, page_size, &page_token).await.map_err(refuse)?;
        Ok(Response::new(pb::ListProductsResponse {
            products: page.products.iter().map(encode).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn batch_upsert_products(
        &self,
        request: Request<pb::BatchUpsertProductsRequest>,
    ) -> Result<Response<pb::BatchUpsertProductsResponse>, Refusal> {
        let caller = Caller::of(&request).map_err(refuse)?;
        self.upsert(&caller, &request.into_inner()).await.map(Response::new).map_err(refuse)
    }
}

impl ProductService {
    async fn upsert(
        &self,
        caller: &Caller,
        request: &pb::BatchUpsertProductsRequest,
    ) -> Result<pb::BatchUpsertProductsResponse, Error> {
        let check = |product: &pb::Product| {
            let mut violations = Violations::new();
            let pb::Product { source, sku, name, category, .. } = product;
            let content = ProductContent::check(source, sku, name, category, &mut violations);
            if violations.is_empty() { Ok(content) } else { Err(violations) }
        };
        let entries = request.products.iter().map(check).collect();
        let command = Command {
            caller,
            method: "/clientele.orders.v1.Products/BatchUpsertProducts",
            request_id: &request.request_id,
            request,
        };
        self.0.upsert(command, entries, answer).await
    }
}

fn answer(outcomes: Vec<Upserted<ProductId>>) -> pb::BatchUpsertProductsResponse {
    let result = |(product_id, outcome, violations)| pb::UpsertProductResult { product_id, outcome, violations };
    pb::BatchUpsertProductsResponse { results: outcomes.into_iter().map(upsert::parts).map(result).collect() }
}
