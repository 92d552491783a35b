//! What happened with a customer.

use chrono::{DateTime, Utc};
use clientele_contracts::analytics::v1 as pb;
use clientele_contracts::analytics::v1::timeline_server::Timeline;
use clientele_contracts::platform::v1 as platform;
use clientele_kernel::{CustomerId, Error, paging};
use clientele_platform::postgres::Database;
use clientele_platform::{grpc, proto};
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use crate::app::timeline;
use crate::domain::timeline::{Entry, Kind};

/// The gRPC service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) db: Database,
}

#[async_trait]
impl Timeline for Service {
    async fn list_timeline(
        &self,
        request: Request<pb::ListTimelineRequest>,
    ) -> Result<Response<pb::ListTimelineResponse>, Status> {
        let request = request.into_inner();
        let customer = CustomerId::parse(&request.customer_id, "customer_id").map_err(grpc::status)?;
        let kinds = kinds(&request.kinds).map_err(grpc::status)?;
        let size = paging::size(request.page_size, 50, 200).map_err(grpc::status)?;
        let numbers = kinds.iter().map(|kind| kind.number().to_string()).collect::<Vec<_>>().join(",");
        let print = paging::fingerprint(&["timeline", &request.customer_id, &numbers]);
        let before = paging::decode::<(DateTime<Utc>, Uuid)>(&request.page_token, print).map_err(grpc::status)?;

        let mut entries =
            timeline::list(self.db.pool(), customer, &kinds, before, size + 1).await.map_err(grpc::status)?;
        let more = paging::cut(&mut entries, size);
        let last = entries.last().filter(|_| more);
        let next_page_token = last.map(|e| paging::encode(&(e.occurred_at, e.event), print)).unwrap_or_default();
        Ok(Response::new(pb::ListTimelineResponse {
            entries: entries.into_iter().map(encode).collect(),
            next_page_token,
        }))
    }
}

/// The kinds asked for, each once and in order.
fn kinds(numbers: &[i32]) -> Result<Vec<Kind>, Error> {
    let mut kinds = numbers
        .iter()
        .enumerate()
        .map(|(i, number)| {
            Kind::from_number(*number)
                .ok_or_else(|| Error::invalid(format!("kinds[{i}]"), format!("`{number}` is not a kind of entry")))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

fn encode(entry: Entry) -> pb::TimelineEntry {
    pb::TimelineEntry {
        id: entry.event.to_string(),
        kind: i32::from(entry.kind.number()),
        occurred_at: Some(proto::timestamp(entry.occurred_at)),
        subject_id: entry.about.unwrap_or(entry.subject).to_string(),
        amount: entry.amount.map(proto::money),
        // Zero: the event it comes from does not tell who did it.
        actor: (entry.actor_kind != 0).then_some(platform::Actor { kind: entry.actor_kind, id: entry.actor_id }),
        origin: entry.origin,
        changed_fields: entry.changed_fields,
        status: entry.status,
        label: entry.label,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_kinds_are_those_of_the_contract() {
        let names = [
            (Kind::CustomerCreated, pb::TimelineKind::CustomerCreated),
            (Kind::CustomerUpdated, pb::TimelineKind::CustomerUpdated),
            (Kind::OrderPlaced, pb::TimelineKind::OrderPlaced),
            (Kind::OrderStatusChanged, pb::TimelineKind::OrderStatusChanged),
            (Kind::CreditNoteIssued, pb::TimelineKind::CreditNoteIssued),
            (Kind::EmailSettled, pb::TimelineKind::EmailSettled),
            (Kind::DialogOpened, pb::TimelineKind::DialogOpened),
            (Kind::SegmentEntered, pb::TimelineKind::SegmentEntered),
            (Kind::SegmentLeft, pb::TimelineKind::SegmentLeft),
            (Kind::ConsentGranted, pb::TimelineKind::ConsentGranted),
            (Kind::ConsentWithdrawn, pb::TimelineKind::ConsentWithdrawn),
        ];
        assert_eq!(names.len(), Kind::ALL.len());
        for (kind, contract) in names {
            assert_eq!(i32::from(kind.number()), i32::from(contract));
        }
    }

    #[test]
    fn a_kind_that_does_not_exist_is_refused_with_its_place() {
        let error = kinds(&[3, 99]).unwrap_err();
        assert_eq!(error.violations[0].field, "kinds[1]");
        assert!(kinds(&[0]).is_err());
    }
}
