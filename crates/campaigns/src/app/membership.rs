//! Who belongs to what, since when, and why.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use clientele_contracts::campaigns::v1 as pb;
use clientele_kernel::{CustomerId, SegmentId, paging};
use clientele_platform::postgres::Error as StorageError;
use clientele_platform::postgres::journal;
use clientele_platform::proto;
use prost::Message;
use uuid::Uuid;

use super::App;
use crate::domain::membership::{Membership, Step, StepKey};
use crate::domain::segment::MOST_ACTIVE;
use crate::events::publish::MEMBERSHIP;
use crate::{Error, contract, store};

const MEMBERS_PAGE: u32 = 100;
const LARGEST_MEMBERS_PAGE: u32 = 1000;
const CHANGES_PAGE: u32 = 50;
const LARGEST_CHANGES_PAGE: u32 = 200;

impl App {
    /// A page of a segment's members, without reasons, and the token of the next.
    pub(crate) async fn members(
        &self,
        id: SegmentId,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<Membership>, String), Error> {
        let size = paging::size(page_size, MEMBERS_PAGE, LARGEST_MEMBERS_PAGE)?;
        let print = paging::fingerprint(&["members", &id.to_string()]);
        let after = paging::decode::<Uuid>(page_token, print)?;
        let mut members = store::membership::of_segment(self.db.pool(), id, after, size + 1).await?;
        if members.is_empty() && !store::segment::exists(self.db.pool(), id).await? {
            return Err(Error::NotFound(id));
        }
        let more = paging::cut(&mut members, size);
        let last = members.last().filter(|_| more);
        let token = last.map(|member| paging::encode(&member.customer.uuid(), print)).unwrap_or_default();
        Ok((members, token))
    }

    /// A customer's memberships by the segments' names, with why, and up to when events are taken into account. All as
    /// of one moment.
    pub(crate) async fn of_customer(&self, id: CustomerId) -> Result<(Vec<Membership>, Option<DateTime<Utc>>), Error> {
        let now = self.db.clock().now();
        let mut snapshot = self.db.snapshot().await?;
        let as_of = store::progress::of(&mut snapshot, id).await?;
        let mut memberships = store::membership::of_customer(&mut snapshot, id, MOST_ACTIVE).await?;
        if !memberships.is_empty() {
            let person = store::person::get(&mut snapshot, &[id]).await?.pop();
            let ids: Vec<SegmentId> = memberships.iter().map(|membership| membership.segment).collect();
            let views = store::segment::get(&mut *snapshot, &ids).await?;
            for membership in &mut memberships {
                let view = views.iter().find(|view| view.segment.id == membership.segment);
                if let (Some(person), Some(view)) = (&person, view) {
                    membership.reasons = view.segment.rule.reasons(person, now);
                }
            }
        }
        Ok((memberships, as_of))
    }

    /// A page of when a customer entered and left segments, newest first, and the token of the next.
    pub(crate) async fn changes(
        &self,
        id: CustomerId,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<pb::MembershipChange>, String), Error> {
        let size = paging::size(page_size, CHANGES_PAGE, LARGEST_CHANGES_PAGE)?;
        let print = paging::fingerprint(&["changes", &id.to_string()]);
        let before = paging::decode::<StepKey>(page_token, print)?;
        let mut steps = store::membership::steps(self.db.pool(), id, before.as_ref(), size + 1).await?;
        let more = paging::cut(&mut steps, size);
        let last = steps.last().filter(|_| more);
        let token = last.map(|step| paging::encode(&step.key(), print)).unwrap_or_default();
        Ok((self.told(steps).await?, token))
    }

    /// Changes with their reasons, which are sealed in the journal. A person who was erased has none any more.
    async fn told(&self, steps: Vec<Step>) -> Result<Vec<pb::MembershipChange>, Error> {
        let versions: Vec<(Uuid, i64)> = steps.iter().map(|step| (step.membership.uuid(), step.version)).collect();
        let mut images: HashMap<(Uuid, i64), pb::MembershipChange> = HashMap::new();
        for (id, row) in journal::images_at(&self.db, MEMBERSHIP, &versions).await? {
            if let Some(image) = &row.image {
                let corrupt = |error: prost::DecodeError| {
                    StorageError::corrupt("journal", format!("image of event {}: {error}", row.id))
                };
                let image = pb::MembershipChange::decode(image.as_slice()).map_err(corrupt)?;
                images.insert((id, row.version), image);
            }
        }
        Ok(steps
            .into_iter()
            .map(|step| pb::MembershipChange {
                id: step.event.to_string(),
                segment_id: step.segment.to_string(),
                segment_name: step.segment_name,
                entered: step.entered,
                changed_at: Some(proto::timestamp(step.changed_at)),
                reasons: images
                    .remove(&(step.membership.uuid(), step.version))
                    .map(|image| image.reasons)
                    .unwrap_or_default(),
                cause: contract::cause(step.cause).into(),
            })
            .collect())
    }
}
