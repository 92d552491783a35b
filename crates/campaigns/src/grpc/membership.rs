//! `Memberships`: who belongs to which segment, since when, and why.

use clientele_contracts::campaigns::v1 as pb;
use clientele_contracts::campaigns::v1::memberships_server::Memberships;
use clientele_kernel::{CustomerId, SegmentId};
use clientele_platform::grpc::status;
use clientele_platform::proto;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::contract;

/// Serves `Memberships`.
pub(crate) struct MembershipService(pub(crate) App);

#[async_trait::async_trait]
impl Memberships for MembershipService {
    async fn list_segment_members(
        &self,
        request: Request<pb::ListSegmentMembersRequest>,
    ) -> Result<Response<pb::ListSegmentMembersResponse>, Status> {
        let pb::ListSegmentMembersRequest { segment_id, page_size, page_token } = request.into_inner();
        let id = SegmentId::parse(&segment_id, "segment_id").map_err(status)?;
        let (members, next_page_token) = self.0.members(id, page_size, &page_token).await.map_err(status)?;
        let members = members.iter().map(contract::membership).collect();
        Ok(Response::new(pb::ListSegmentMembersResponse { members, next_page_token }))
    }

    async fn list_customer_segments(
        &self,
        request: Request<pb::ListCustomerSegmentsRequest>,
    ) -> Result<Response<pb::ListCustomerSegmentsResponse>, Status> {
        let id = CustomerId::parse(&request.get_ref().customer_id, "customer_id").map_err(status)?;
        let (memberships, as_of) = self.0.of_customer(id).await.map_err(status)?;
        let memberships = memberships.iter().map(contract::membership).collect();
        let as_of = as_of.map(proto::timestamp);
        Ok(Response::new(pb::ListCustomerSegmentsResponse { memberships, as_of }))
    }

    async fn list_membership_changes(
        &self,
        request: Request<pb::ListMembershipChangesRequest>,
    ) -> Result<Response<pb::ListMembershipChangesResponse>, Status> {
        let pb::ListMembershipChangesRequest { customer_id, page_size, page_token } = request.into_inner();
        let id = CustomerId::parse(&customer_id, "customer_id").map_err(status)?;
        let (changes, next_page_token) = self.0.changes(id, page_size, &page_token).await.map_err(status)?;
        Ok(Response::new(pb::ListMembershipChangesResponse { changes, next_page_token }))
    }
}
