//! Learning again, after analytics was restored from a backup.

use clientele_testkit::eventually;
use sqlx::Executor as _;

use crate::source::{Totals, id};
use crate::world::{World, gross_at_least};

#[tokio::test]
async fn figures_that_are_not_told_again_are_taken_away_some_at_a_time_and_then_decided_by() {
    let world = World::new().await;
    let (told, untold) = (id(1), id(2));
    for customer in [told, untold] {
        world.buyer(customer, &[Totals::of(1_000, "2026-01-14T10:00:00Z")]).await;
    }
    let segment = world.create("buyers", gross_at_least(500)).await.unwrap();
    assert_eq!(world.built(&segment.id).await.member_count, 2);

    // As it is once all that the restored analytics knows has been told: of every third nothing was.
    let mut conn = world.database.superuser().await;
    conn.execute(
        "insert into campaigns.customer
            (customer_id, facts_version, figures_version, kind, registered_at, has_phone, has_email)
         select gen_random_uuid(), 1, least(n % 3, 1), 'person', '2025-01-01', false, false from generate_series(1, 5000) as n;
         insert into campaigns.figure (customer_id, currency, orders, gross_minor, refund_minor)
         select customer_id, currency, 1, 100, 0 from campaigns.customer, unnest(array['EUR', 'USD']) as currency
         on conflict do nothing;",
    )
    .await
    .unwrap();
    // No statement may take away more than its share.
    conn.execute(
        "create function public.refuse_many() returns trigger language plpgsql as $$
         begin
             if (select count(distinct customer_id) from gone) > 1000 then raise exception 'too many at once'; end if;
             return null;
         end $$;
         create trigger refuse_many after delete on campaigns.figure referencing old table as gone
             for each statement execute function public.refuse_many();",
    )
    .await
    .unwrap();
    sqlx::query("update campaigns.customer set figures_version = 0 where customer_id = $1")
        .bind(untold)
        .execute(&mut conn)
        .await
        .unwrap();
    conn.execute(
        "insert into campaigns.relearning (partition, until_position)
         select partition, position from campaigns.cursor where consumer = 'campaigns.analytics'",
    )
    .await
    .unwrap();

    world.wait_for(untold, &segment.id, false).await;
    eventually("the end of it", async || {
        let mut conn = world.database.superuser().await;
        let goes_on: bool =
            sqlx::query_scalar("select exists(select from campaigns.relearning)").fetch_one(&mut conn).await.unwrap();
        (!goes_on).then_some(())
    })
    .await;
    let (left, others): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where c.figures_version = 0), count(distinct f.customer_id)
         from campaigns.figure f join campaigns.customer c using (customer_id)",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    // Two of three of the five thousand, and the one who was told of.
    assert_eq!((left, others), (0, 3_335));
    let built = world.built(&segment.id).await;
    assert_eq!((world.members(&segment.id).await, built.member_count), (vec![told], 1));
}
