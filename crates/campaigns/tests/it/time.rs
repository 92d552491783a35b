//! Memberships follow the passing of time.

use chrono::TimeDelta;
use clientele_contracts::campaigns::v1 as pb;
use clientele_platform::proto;

use crate::source::{Totals, at, id};
use crate::world::{World, all, condition, gross_at_least, not, quiet_for};

#[tokio::test]
async fn a_customer_enters_after_exactly_ninety_days_and_leaves_when_buying_again() {
    let world = World::new().await;
    let (ann, bob) = (id(10), id(11));
    let rule = all(vec![gross_at_least(10_000), quiet_for(90)]);
    let segment = world.segment("good customers gone quiet", rule).await;
    let last = at("2026-01-10T10:00:00Z");
    world.buyer(ann, &[Totals::of(20_000, "2026-01-10T10:00:00Z")]).await;
    world.buyer(bob, &[Totals::of(9_000, "2026-01-10T10:00:00Z")]).await;

    let moment = last + TimeDelta::days(90);
    world.database.clock.set(moment - TimeDelta::microseconds(1));
    world.quiet().await;
    assert!(world.members(&segment.id).await.is_empty());
    world.database.clock.set(moment);
    world.quiet().await;
    assert_eq!(world.members(&segment.id).await, [ann]);
    let membership = world.of(ann).await.remove(0);
    assert_eq!(membership.entered_at, Some(proto::timestamp(moment)));
    let reasons: Vec<_> = membership.reasons.iter().map(|reason| reason.actual.as_str()).collect();
    assert_eq!(reasons, ["200.00 EUR", "2026-01-10T10:00:00Z"]);

    world.database.clock.advance(TimeDelta::days(3));
    let again = world.analytics.figures(ann, &[Totals::of(25_000, "2026-04-13T10:00:00Z")]);
    world.tell(&[again]).await;
    assert!(world.members(&segment.id).await.is_empty());
    let changes = world.changes(ann).await;
    let told: Vec<_> = changes.iter().map(|change| (change.entered, change.cause(), change.changed_at)).collect();
    assert_eq!(
        told,
        [
            (false, pb::MembershipCause::Event, Some(proto::timestamp(moment + TimeDelta::days(3)))),
            (true, pb::MembershipCause::Time, Some(proto::timestamp(moment))),
        ]
    );
    // Why then: a purchase of today is not ninety days old.
    assert_eq!(changes[0].reasons.len(), 1);
    assert_eq!((changes[0].reasons[0].actual.as_str(), changes[0].reasons[0].holds), ("2026-04-13T10:00:00Z", false));

    // And ninety days later once more.
    world.database.clock.set(at("2026-07-12T10:00:00Z"));
    world.quiet().await;
    assert_eq!(world.members(&segment.id).await, [ann]);
}

#[tokio::test]
async fn after_a_standstill_the_history_tells_every_change_at_its_own_moment() {
    let world = World::new().await;
    let ann = id(10);
    // A member from the tenth to the twentieth day without a purchase, and from the thirtieth on.
    let first = all(vec![quiet_for(10), not(quiet_for(20))]);
    let rule = crate::world::any(vec![first, quiet_for(30)]);
    world.segment("now and then", rule).await;
    world.buyer(ann, &[Totals::of(1, "2026-01-15T00:00:00Z")]).await;
    // Nobody looks for a year.
    world.database.clock.set(at("2027-01-15T00:00:00Z"));
    world.quiet().await;
    let mut told: Vec<_> = world.changes(ann).await.into_iter().map(|c| (c.entered, c.changed_at.unwrap())).collect();
    told.reverse();
    let moments =
        ["2026-01-25T00:00:00Z", "2026-02-04T00:00:00Z", "2026-02-14T00:00:00Z"].map(|m| proto::timestamp(at(m)));
    assert_eq!(told, [(true, moments[0]), (false, moments[1]), (true, moments[2])]);
}

#[tokio::test]
async fn new_customers_are_new_for_so_many_days() {
    let world = World::new().await;
    let ann = id(10);
    let rule = condition("customer.registered_at", pb::Operator::LessDaysAgo, pb::condition::Value::Number(30));
    let segment = world.segment("new", rule).await;
    let mut customer = crate::source::person(ann);
    customer.registered_at = Some(proto::timestamp(at("2026-01-15T09:59:59.5Z")));
    let event = world.customers.save(&customer);
    world.tell(&[event]).await;
    let membership = world.of(ann).await.remove(0);
    assert_eq!(membership.next_change_at, Some(proto::timestamp(at("2026-02-14T09:59:59.5Z"))));
    world.database.clock.set(at("2026-02-14T09:59:59.499999Z"));
    world.quiet().await;
    assert_eq!(world.members(&segment.id).await, [ann]);
    world.database.clock.set(at("2026-02-14T09:59:59.5Z"));
    world.wait_for(ann, &segment.id, false).await;
    assert_eq!(world.changes(ann).await[0].cause(), pb::MembershipCause::Time);
}

#[tokio::test]
async fn a_clock_that_is_behind_takes_no_decision_of_time_back() {
    let world = World::new().await;
    let ann = id(10);
    let segment = world.segment("gone quiet", quiet_for(90)).await;
    world.buyer(ann, &[Totals::of(1, "2026-01-10T10:00:00Z")]).await;
    let moment = at("2026-04-10T10:00:00Z");
    world.database.clock.set(moment);
    world.wait_for(ann, &segment.id, true).await;

    // As a replica whose clock is slower would meet the next event.
    world.database.clock.set(moment - TimeDelta::milliseconds(5));
    let again = world.analytics.figures(ann, &[Totals::of(2, "2026-01-10T10:00:00Z")]);
    world.tell(&[again]).await;
    assert_eq!(world.members(&segment.id).await, [ann]);
    assert_eq!(world.changes(ann).await.len(), 1);
}

/// Holds every customer's row, until the events that were told wait for it.
struct Held(sqlx::PgConnection);

impl Held {
    async fn new(world: &World) -> Self {
        let mut conn = world.database.superuser().await;
        sqlx::raw_sql("begin; select 1 from campaigns.customer for update").execute(&mut conn).await.unwrap();
        Self(conn)
    }

    async fn awaited(&self, world: &World) {
        clientele_testkit::eventually("an event's waiting for the lock", async || {
            let mut conn = world.database.superuser().await;
            let waits: bool = sqlx::query_scalar(
                "select exists(select from pg_stat_activity where datname = current_database()
                               and wait_event_type = 'Lock' and query like '%campaigns.customer%')",
            )
            .fetch_one(&mut conn)
            .await
            .unwrap();
            waits.then_some(())
        })
        .await;
    }

    async fn release(mut self) {
        sqlx::raw_sql("rollback").execute(&mut self.0).await.unwrap();
    }
}

#[tokio::test]
async fn a_decision_that_had_to_wait_is_of_the_moment_of_its_event() {
    let world = World::new().await;
    let ann = id(10);
    let segment = world.segment("big spenders", gross_at_least(100)).await;
    world.buyer(ann, &[]).await;
    let held = Held::new(&world).await;
    let moment = world.harness.host.clock.now();
    let bought = world.analytics.figures(ann, &[Totals::of(100, "2026-01-10T10:00:00Z")]);
    world.harness.host.bus.publish(&[bought]).await.unwrap();
    held.awaited(&world).await;
    world.database.clock.set(at("2026-01-16T10:00:00Z"));
    held.release().await;
    world.wait_for(ann, &segment.id, true).await;
    assert_eq!(world.of(ann).await[0].entered_at, Some(proto::timestamp(moment)));
}

#[tokio::test]
async fn an_event_that_comes_before_the_worker_of_time_makes_up_for_what_time_has_turned() {
    let world = World::new().await;
    let ann = id(10);
    world.segment("gone quiet", quiet_for(90)).await;
    world.segment("new for a month", not(quiet_for(30))).await;
    world.buyer(ann, &[Totals::of(1, "2026-01-10T10:00:00Z")]).await;
    let arrived = world.harness.host.clock.now();

    // The worker of time passes over whom somebody else works on; the event stands in the queue.
    let held = Held::new(&world).await;
    let (first, second) = (at("2026-04-20T10:00:00Z"), at("2026-04-20T11:00:00Z"));
    world.database.clock.set(first);
    let mut events = vec![world.analytics.figures(ann, &[Totals::of(2, "2026-04-20T09:00:00Z")])];
    world.database.clock.set(second);
    // In the same batch an order is taken back.
    events.push(world.analytics.figures(ann, &[Totals::of(1, "2026-01-10T10:00:00Z")]));
    world.harness.host.bus.publish(&events).await.unwrap();
    held.awaited(&world).await;
    world.database.clock.set(at("2026-05-01T10:00:00Z"));
    held.release().await;
    world.settled().await;
    world.quiet().await;

    let mut told: Vec<_> = world.changes(ann).await.into_iter().collect();
    told.reverse();
    let told: Vec<_> = told
        .iter()
        .map(|change| {
            let moment = proto::required_instant(change.changed_at, "changed_at").unwrap();
            (change.segment_name.as_str(), change.entered, moment, change.cause())
        })
        .collect();
    let (event, time) = (pb::MembershipCause::Event, pb::MembershipCause::Time);
    let of =
        |name: &str| told.iter().filter(|step| step.0 == name).map(|step| (step.1, step.2, step.3)).collect::<Vec<_>>();
    assert_eq!(
        of("gone quiet"),
        [(true, at("2026-04-10T10:00:00Z"), time), (false, first, event), (true, second, event)]
    );
    assert_eq!(
        of("new for a month"),
        [
            (true, arrived, event),
            (false, at("2026-02-09T10:00:00Z"), time),
            (true, first, event),
            (false, second, event)
        ]
    );
}

#[tokio::test]
async fn what_happened_before_there_was_the_rule_is_told_as_of_the_rule() {
    let world = World::new().await;
    let ann = id(10);
    world.buyer(ann, &[]).await;
    // Recorded, and not yet told.
    let bought = world.analytics.figures(ann, &[Totals::of(100, "2026-01-10T10:00:00Z")]);
    let created = at("2026-01-20T10:00:00Z");
    world.database.clock.set(created);
    let segment = world.segment("big spenders", gross_at_least(100)).await;
    world.tell(&[bought]).await;
    assert_eq!(world.members(&segment.id).await, [ann]);
    assert_eq!(world.of(ann).await[0].entered_at, Some(proto::timestamp(created)));
}
