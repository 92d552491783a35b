//! `Segments`: groups of customers kept by a rule.

use clientele_contracts::campaigns::v1 as pb;
use clientele_contracts::campaigns::v1::segments_server::Segments;
use clientele_kernel::{Error as KernelError, Etag, SegmentId, Violations};
use clientele_platform::grpc::status;
use clientele_platform::{Caller, Command, proto};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::domain::field::Field;
use crate::domain::segment::{self, Statement, description};
use crate::{Error, contract};

const CREATE: &str = "/clientele.campaigns.v1.Segments/CreateSegment";
const UPDATE: &str = "/clientele.campaigns.v1.Segments/UpdateSegment";

/// Serves `Segments`.
pub(crate) struct SegmentService(pub(crate) App);

#[async_trait::async_trait]
impl Segments for SegmentService {
    async fn list_segments(
        &self,
        request: Request<pb::ListSegmentsRequest>,
    ) -> Result<Response<pb::ListSegmentsResponse>, Status> {
        let pb::ListSegmentsRequest { include_inactive, page_size, page_token } = request.into_inner();
        let (segments, next_page_token) =
            self.0.list(include_inactive, page_size, &page_token).await.map_err(status)?;
        Ok(Response::new(pb::ListSegmentsResponse { segments, next_page_token }))
    }

    async fn get_segment(&self, request: Request<pb::GetSegmentRequest>) -> Result<Response<pb::Segment>, Status> {
        let id = SegmentId::parse(&request.get_ref().id, "id").map_err(status)?;
        self.0.get(id).await.map(Response::new).map_err(status)
    }

    async fn create_segment(
        &self,
        request: Request<pb::CreateSegmentRequest>,
    ) -> Result<Response<pb::Segment>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.create(&caller, &request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn update_segment(
        &self,
        request: Request<pb::UpdateSegmentRequest>,
    ) -> Result<Response<pb::Segment>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.update(&caller, &request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn count_segment(
        &self,
        request: Request<pb::CountSegmentRequest>,
    ) -> Result<Response<pb::CountSegmentResponse>, Status> {
        let rule = request.into_inner().rule.unwrap_or_default();
        let rule = contract::read_rule(&rule, "rule").map_err(status)?;
        let (count, as_of) = self.0.count(&rule).await.map_err(status)?;
        Ok(Response::new(pb::CountSegmentResponse { count, as_of: Some(proto::timestamp(as_of)) }))
    }

    async fn list_segment_fields(
        &self,
        _: Request<pb::ListSegmentFieldsRequest>,
    ) -> Result<Response<pb::ListSegmentFieldsResponse>, Status> {
        let fields = Field::ALL.into_iter().map(contract::field).collect();
        Ok(Response::new(pb::ListSegmentFieldsResponse { fields }))
    }
}

impl SegmentService {
    async fn create(&self, caller: &Caller, request: &pb::CreateSegmentRequest) -> Result<pb::Segment, Error> {
        let segment = request.segment.clone().unwrap_or_default();
        let mut violations = Violations::new();
        let name = violations.take("segment.name", segment::name(&segment.name, "segment.name"));
        let described = description(&segment.description, "segment.description");
        let description = violations.take("segment.description", described);
        let rule = contract::read_rule(&segment.rule.unwrap_or_default(), "segment.rule");
        let rule = violations.take("segment.rule", rule);
        violations.into_result()?;
        let statement = Statement { name, description, rule, active: Some(true) };
        let command = Command { caller, method: CREATE, request_id: &request.request_id, request };
        self.0.create(&command, statement).await
    }

    async fn update(&self, caller: &Caller, request: &pb::UpdateSegmentRequest) -> Result<pb::Segment, Error> {
        let segment = request.segment.clone().ok_or_else(|| KernelError::invalid("segment", "is missing"))?;
        let mut violations = Violations::new();
        let id = violations.take("segment.id", SegmentId::parse(&segment.id, "segment.id"));
        let etag = violations.take("segment.etag", Etag::parse(&segment.etag, "segment.etag"));
        let mask = proto::mask(request.update_mask.clone(), &["name", "description", "rule", "active"]);
        let mask = violations.take("update_mask", mask).unwrap_or_default();
        let mut statement = Statement::default();
        if mask.contains(&"name") {
            statement.name = violations.take("segment.name", segment::name(&segment.name, "segment.name"));
        }
        if mask.contains(&"description") {
            let described = description(&segment.description, "segment.description");
            statement.description = violations.take("segment.description", described);
        }
        if mask.contains(&"rule") {
            let rule = contract::read_rule(&segment.rule.unwrap_or_default(), "segment.rule");
            statement.rule = violations.take("segment.rule", rule);
        }
        if mask.contains(&"active") {
            statement.active = Some(segment.active);
        }
        let (Some(id), Some(etag), true) = (id, etag, violations.is_empty()) else {
            return Err(KernelError::invalid_all(violations.into_inner()).into());
        };
        let command = Command { caller, method: UPDATE, request_id: &request.request_id, request };
        self.0.update(&command, id, etag, statement).await
    }
}
