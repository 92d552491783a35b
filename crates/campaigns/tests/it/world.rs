//! Campaigns running beside feeds of analytics and customers, and short ways to speak to it.

use std::sync::Arc;
use std::time::Duration;

use clientele_campaigns::{Config, MIGRATIONS, build};
use clientele_contracts::campaigns::v1 as pb;
use clientele_contracts::campaigns::v1::memberships_client::MembershipsClient;
use clientele_contracts::campaigns::v1::operations_client::OperationsClient;
use clientele_contracts::campaigns::v1::segments_client::SegmentsClient;
use clientele_contracts::platform::v1::{Event, GetConsumerStatusRequest, Money};
use clientele_kernel::Clock;
use clientele_platform::grpc::{Credential, Transport};
use clientele_testkit::{Harness, TestDatabase, eventually};
use prost_types::FieldMask;
use tonic::Status;
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::source::{Source, Totals, person};

pub(crate) struct World {
    pub(crate) analytics: Arc<Source>,
    pub(crate) customers: Arc<Source>,
    pub(crate) database: TestDatabase,
    pub(crate) harness: Harness,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_count_timeout(Duration::from_secs(5)).await
    }

    pub(crate) async fn with_count_timeout(count_timeout: Duration) -> Self {
        let database = TestDatabase::new("campaigns", &MIGRATIONS).await;
        let harness = Harness::new(database.clock.clone());
        let clock = || -> Arc<dyn Clock> { database.clock.clone() };
        let (analytics, customers) = (Source::new("analytics", clock()), Source::new("customers", clock()));
        let world = Self { analytics, customers, database, harness };
        world.serve();
        let deps = world.harness.deps(&world.database);
        world.harness.start(build(Config { count_timeout }, deps.clone()).await.unwrap(), &deps);
        world
    }

    fn serve(&self) {
        self.harness.host.network.serve("analytics", self.analytics.routes());
        self.harness.host.network.serve("customers", self.customers.routes());
    }

    /// Starts a further replica on the same database, with a pool of its own.
    pub(crate) async fn start_replica(&self) {
        let credential = Credential { service: "campaigns".into(), secret: "a secret of this test".to_owned().into() };
        let deps = self.harness.host.deps(self.database.replica(), credential);
        let config = Config { count_timeout: Duration::from_secs(5) };
        let service = build(config, deps.clone()).await.unwrap();
        // Its routes are left aside: what it does in the background is what it is for.
        let _routes = self.harness.host.start(service, &deps).unwrap();
    }

    /// Ends every process as `kill -9` would, and starts one anew.
    pub(crate) async fn restart(self) -> Self {
        self.harness.host.lifecycle.hard().cancel();
        self.harness.stop().await;
        let harness = Harness::new(self.database.clock.clone());
        let world = Self { harness, ..self };
        world.serve();
        let deps = world.harness.deps(&world.database);
        let config = Config { count_timeout: Duration::from_secs(5) };
        world.harness.start(build(config, deps.clone()).await.unwrap(), &deps);
        world
    }

    fn client(&self) -> Transport {
        self.harness.client("campaigns", &["*"])
    }

    pub(crate) fn segments(&self) -> SegmentsClient<Transport> {
        SegmentsClient::new(self.client())
    }

    pub(crate) fn memberships(&self) -> MembershipsClient<Transport> {
        MembershipsClient::new(self.client())
    }

    pub(crate) fn operations(&self) -> OperationsClient<Transport> {
        OperationsClient::new(self.client())
    }

    /// Tells of events on the bus, and waits until all that was ever told has had its effect.
    pub(crate) async fn tell(&self, events: &[Event]) {
        self.harness.host.bus.publish(events).await.unwrap();
        self.settled().await;
    }

    /// A customer with figures, known and decided upon.
    pub(crate) async fn buyer(&self, id: Uuid, totals: &[Totals]) {
        let created = self.customers.save(&person(id));
        let recorded = self.analytics.figures(id, totals);
        self.tell(&[created, recorded]).await;
    }

    /// Waits until the consumers have come to the end of both sources, and facts are wanted no more.
    pub(crate) async fn settled(&self) {
        eventually("the consumers' coming to the end", async || {
            let status = self.operations().get_consumer_status(GetConsumerStatusRequest {}).await.ok()?.into_inner();
            let arrived = |consumer: &str, source: &Source| source.journal.is_followed(consumer, &status);
            (arrived("campaigns.analytics", &self.analytics) && arrived("campaigns.customers", &self.customers))
                .then_some(())
        })
        .await;
        self.none("the facts' being known", "select exists(select from campaigns.customer_refresh)").await;
    }

    /// Waits until every build is complete and no pair's moment has come.
    pub(crate) async fn quiet(&self) {
        self.none("the builds' being complete", "select exists(select from campaigns.build where not complete)").await;
        let now = self.harness.host.clock.now();
        eventually("all that is due being decided", async || {
            let mut conn = self.database.superuser().await;
            let due: bool = sqlx::query_scalar(
                "select exists(select from campaigns.membership m
                               join campaigns.segment s on s.id = m.segment_id and s.active
                               where m.next_change_at <= $1)",
            )
            .bind(now)
            .fetch_one(&mut conn)
            .await
            .unwrap();
            (!due).then_some(())
        })
        .await;
    }

    async fn none(&self, what: &str, question: &'static str) {
        eventually(what, async || {
            let mut conn = self.database.superuser().await;
            let there_is: bool = sqlx::query_scalar(question).fetch_one(&mut conn).await.unwrap();
            (!there_is).then_some(())
        })
        .await;
    }

    /// Creates a segment and waits until its members are found.
    pub(crate) async fn segment(&self, name: &str, rule: pb::Rule) -> pb::Segment {
        let created = self.create(name, rule).await.unwrap();
        self.built(&created.id).await
    }

    pub(crate) async fn create(&self, name: &str, rule: pb::Rule) -> Result<pb::Segment, Status> {
        let segment = pb::Segment { name: name.to_owned(), rule: Some(rule), ..pb::Segment::default() };
        let request = pb::CreateSegmentRequest { segment: Some(segment), request_id: String::new() };
        self.segments().create_segment(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn update(&self, segment: pb::Segment, mask: &[&str]) -> Result<pb::Segment, Status> {
        let paths = mask.iter().map(|path| (*path).to_owned()).collect();
        let request = pb::UpdateSegmentRequest {
            segment: Some(segment),
            update_mask: Some(FieldMask { paths }),
            request_id: String::new(),
        };
        self.segments().update_segment(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn get(&self, id: &str) -> pb::Segment {
        self.segments().get_segment(pb::GetSegmentRequest { id: id.to_owned() }).await.unwrap().into_inner()
    }

    /// The segment, once all its members are found.
    pub(crate) async fn built(&self, id: &str) -> pb::Segment {
        eventually("the members' being found", async || {
            let segment = self.get(id).await;
            segment.build.as_ref().unwrap().complete.then_some(segment)
        })
        .await
    }

    pub(crate) async fn count(&self, rule: pb::Rule) -> i64 {
        let request = pb::CountSegmentRequest { rule: Some(rule) };
        self.segments().count_segment(request).await.unwrap().into_inner().count
    }

    /// All members of a segment, in pages.
    pub(crate) async fn members(&self, id: &str) -> Vec<Uuid> {
        let mut members = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = pb::ListSegmentMembersRequest { segment_id: id.to_owned(), page_size: 1000, page_token };
            let page = self.memberships().list_segment_members(request).await.unwrap().into_inner();
            members.extend(page.members.into_iter().map(|member| member.customer_id.parse::<Uuid>().unwrap()));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return members;
            }
        }
    }

    /// The memberships of a customer.
    pub(crate) async fn of(&self, customer: Uuid) -> Vec<pb::Membership> {
        let request = pb::ListCustomerSegmentsRequest { customer_id: customer.to_string() };
        self.memberships().list_customer_segments(request).await.unwrap().into_inner().memberships
    }

    /// A customer's changes, newest first.
    pub(crate) async fn changes(&self, customer: Uuid) -> Vec<pb::MembershipChange> {
        let request = pb::ListMembershipChangesRequest {
            customer_id: customer.to_string(),
            ..pb::ListMembershipChangesRequest::default()
        };
        self.memberships().list_membership_changes(request).await.unwrap().into_inner().changes
    }

    /// Waits until the customer is or is not in the segment.
    pub(crate) async fn wait_for(&self, customer: Uuid, segment: &str, is_member: bool) {
        eventually("the membership's changing", async || {
            let memberships = self.of(customer).await;
            (memberships.iter().any(|m| m.segment_id == segment) == is_member).then_some(())
        })
        .await;
    }

    /// Every event of the journal, by partition and position.
    pub(crate) async fn events(&self) -> Vec<Event> {
        self.harness.events("campaigns").await
    }
}

pub(crate) fn condition(field: &str, operator: pb::Operator, value: pb::condition::Value) -> pb::Rule {
    given(field, operator, Some(value), "")
}

pub(crate) fn given(
    field: &str,
    operator: pb::Operator,
    value: Option<pb::condition::Value>,
    currency: &str,
) -> pb::Rule {
    let condition =
        pb::Condition { field: field.to_owned(), operator: operator.into(), value, currency: currency.to_owned() };
    pb::Rule { rule: Some(pb::rule::Rule::Condition(condition)) }
}

pub(crate) fn all(rules: Vec<pb::Rule>) -> pb::Rule {
    pb::Rule { rule: Some(pb::rule::Rule::All(pb::Rules { rules })) }
}

pub(crate) fn any(rules: Vec<pb::Rule>) -> pb::Rule {
    pb::Rule { rule: Some(pb::rule::Rule::Any(pb::Rules { rules })) }
}

pub(crate) fn not(rule: pb::Rule) -> pb::Rule {
    pb::Rule { rule: Some(pb::rule::Rule::Not(Box::new(rule))) }
}

pub(crate) fn euros(minor: i64) -> pb::condition::Value {
    pb::condition::Value::Money(Money { minor, currency: "EUR".into() })
}

/// Who has bought for so much in euros.
pub(crate) fn gross_at_least(minor: i64) -> pb::Rule {
    condition("metrics.gross", pb::Operator::AtLeast, euros(minor))
}

/// Whose last purchase lies so many days or more in the past.
pub(crate) fn quiet_for(days: i64) -> pb::Rule {
    condition("metrics.last_purchase_at", pb::Operator::MoreDaysAgo, pb::condition::Value::Number(days))
}

pub(crate) fn has_phone() -> pb::Rule {
    condition("customer.has_phone", pb::Operator::Equal, pb::condition::Value::Flag(true))
}

/// The reason a status gives to programs.
pub(crate) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// The fields a status finds wrong.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    details.bad_request().map(|bad| bad.field_violations.iter().map(|v| v.field.clone()).collect()).unwrap_or_default()
}
