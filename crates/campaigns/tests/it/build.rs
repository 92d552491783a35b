//! Finding the members of a new rule.

use clientele_contracts::campaigns::v1 as pb;
use clientele_contracts::platform::v1::Event;
use clientele_testkit::eventually;
use uuid::Uuid;

use crate::source::{Totals, id, person};
use crate::world::{World, gross_at_least};

/// Customers whose gross is their number.
async fn fill(world: &World, number: u128) -> Vec<Uuid> {
    let customers: Vec<Uuid> = (0..number).map(|n| id(1000 + n)).collect();
    let mut events: Vec<Event> = customers.iter().map(|customer| world.customers.save(&person(*customer))).collect();
    for (gross, customer) in customers.iter().enumerate() {
        let totals = Totals::of(i64::try_from(gross).unwrap(), "2026-01-10T10:00:00Z");
        events.push(world.analytics.figures(*customer, &[totals]));
    }
    world.tell(&events).await;
    customers
}

async fn number_of_entries(world: &World) -> i64 {
    let mut conn = world.database.superuser().await;
    sqlx::query_scalar("select count(*) from campaigns.journal where aggregate_type = 'membership'")
        .fetch_one(&mut conn)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_build_that_is_killed_goes_on_where_it_was_and_tells_everybody_once() {
    let mut world = World::new().await;
    let customers = fill(&world, 3_000).await;
    let segment = world.create("upper half", gross_at_least(1_500)).await.unwrap();
    let mut kills = 0;
    for threshold in [1, 1_000, 2_000] {
        let examined = eventually("some progress", async || {
            let build = world.get(&segment.id).await.build.unwrap();
            (build.complete || build.examined >= threshold).then_some(build)
        })
        .await;
        if !examined.complete {
            kills += 1;
        }
        world = world.restart().await;
    }
    assert!(kills > 0, "the build ended before it could be killed");
    let built = world.built(&segment.id).await;
    let progress = built.build.unwrap();
    assert_eq!((progress.examined, progress.total, built.member_count), (3_000, 3_000, 1_500));
    assert_eq!(world.members(&segment.id).await, customers[1_500..]);
    assert_eq!(number_of_entries(&world).await, 1_500);
}

#[tokio::test]
async fn with_three_replicas_nobody_is_missed_and_nobody_enters_twice() {
    let world = World::new().await;
    world.start_replica().await;
    world.start_replica().await;
    let customers = fill(&world, 1_500).await;
    let first = world.create("first", gross_at_least(0)).await.unwrap();
    let second = world.create("second", gross_at_least(1_000)).await.unwrap();
    // Figures change and customers go while the members are being found.
    let mut events = Vec::new();
    for customer in &customers[..300] {
        events.push(world.analytics.figures(*customer, &[Totals::of(5_000, "2026-01-11T10:00:00Z")]));
    }
    for customer in &customers[1_400..] {
        events.push(world.customers.delete(*customer));
    }
    world.tell(&events).await;
    world.built(&first.id).await;
    world.built(&second.id).await;
    assert_eq!(world.members(&first.id).await, customers[..1_400]);
    let expected: Vec<Uuid> = customers[..300].iter().chain(&customers[1_000..1_400]).copied().collect();
    assert_eq!(world.members(&second.id).await, expected);
    assert_eq!(world.get(&first.id).await.member_count, 1_400);
    assert_eq!(world.get(&second.id).await.member_count, 700);
    // Who is a member entered once more often than they left; whoever was never let in twice.
    let mut conn = world.database.superuser().await;
    let uneven: i64 = sqlx::query_scalar(
        "select count(*) from (
            select m.id from campaigns.membership m
            join campaigns.journal j on j.aggregate_type = 'membership' and j.aggregate_id = m.id
            group by m.id, m.active, m.version
            having count(*) <> m.version
                or count(*) filter (where j.event_type like '%Entered') - count(*) filter (where j.event_type like '%Left')
                   <> m.active::int) as x",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert_eq!(uneven, 0);
}

#[tokio::test]
async fn a_rule_changed_while_its_members_are_found_starts_anew() {
    let world = World::new().await;
    let customers = fill(&world, 2_000).await;
    let segment = world.create("moving", gross_at_least(0)).await.unwrap();
    eventually("some progress", async || {
        let build = world.get(&segment.id).await.build.unwrap();
        (build.complete || build.examined > 0).then_some(())
    })
    .await;
    let changed = pb::Segment { rule: Some(gross_at_least(1_990)), ..segment.clone() };
    let changed = world.update(changed, &["rule"]).await.unwrap();
    assert!(!changed.build.unwrap().complete);
    let built = world.built(&segment.id).await;
    assert_eq!((built.member_count, built.build.unwrap().examined), (10, 2_000));
    assert_eq!(world.members(&segment.id).await, customers[1_990..]);
}
