//! How long it takes.

use std::time::Instant;

use clientele_contracts::campaigns::v1 as pb;
use clientele_testkit::eventually_within;
use std::time::Duration;

use crate::source::{Totals, id};
use crate::world::{World, all, gross_at_least, not, quiet_for};

#[tokio::test]
async fn the_members_among_twenty_thousand_customers_are_found_within_a_minute() {
    const CUSTOMERS: u128 = 20_000;
    let world = World::new().await;
    let known = id(1);
    world.buyer(known, &[Totals::of(1_000, "2026-01-14T10:00:00Z")]).await;
    let mut conn = world.database.superuser().await;
    sqlx::raw_sql(
        "insert into campaigns.customer
            (customer_id, facts_version, figures_version, kind, registered_at, has_phone, has_email)
         select gen_random_uuid(), 1, 1, 'person', '2025-01-01', n % 2 = 0, true from generate_series(1, 19999) as n;
         insert into campaigns.figure
            (customer_id, currency, orders, gross_minor, refund_minor, first_purchase_at, last_purchase_at)
         select customer_id, 'EUR', 1, row_number() over () % 2000, 0, '2025-11-01',
                '2025-11-01'::timestamptz + interval '1 hour' * (row_number() over () % 2400)
         from campaigns.customer where figures_version = 1
         on conflict do nothing;
         analyze campaigns.customer; analyze campaigns.figure",
    )
    .execute(&mut conn)
    .await
    .unwrap();

    // Two thirds belong at once or later: every customer of theirs gets a moment to be looked at again.
    let rule = all(vec![gross_at_least(500), not(quiet_for(90))]);
    let begun = Instant::now();
    let segment = world.create("lively", rule.clone()).await.unwrap();
    let built = eventually_within(Duration::from_mins(1), "the members' being found", async || {
        let segment = world.get(&segment.id).await;
        segment.build.as_ref().unwrap().complete.then_some(segment)
    })
    .await;
    let took = begun.elapsed();
    let progress = built.build.unwrap();
    assert_eq!((progress.examined, progress.total), (i64::try_from(CUSTOMERS).unwrap(), 20_000));
    let begun = Instant::now();
    assert_eq!(world.count(rule).await, built.member_count);
    assert!(built.member_count > 10_000);
    let counted = begun.elapsed();
    let begun = Instant::now();
    let event = world.analytics.figures(known, &[Totals::of(1, "2026-01-14T10:00:00Z")]);
    world.harness.host.bus.publish(&[event]).await.unwrap();
    world.wait_for(known, &segment.id, false).await;
    let followed = begun.elapsed();
    let begun = Instant::now();
    world.database.clock.set(crate::source::at("2026-02-20T00:00:00Z"));
    world.quiet().await;
    let due = begun.elapsed();
    let left = built.member_count - world.get(&segment.id).await.member_count;
    let request = pb::CountSegmentRequest { rule: built.rule };
    let count = world.segments().count_segment(request).await.unwrap().into_inner().count;
    assert_eq!(count, built.member_count - left);
    assert!(left > 1_000, "{left}");
    #[expect(clippy::print_stderr, reason = "the figures are what the test is run for")]
    {
        eprintln!("found {} of 20,000 in {took:?}, counted in {counted:?}", built.member_count);
        eprintln!("an event followed in {followed:?}, {left} left by time in {due:?}");
    }
}
