//! Who belongs to what, and what was.

use clientele_contracts::campaigns::v1 as pb;
use clientele_testkit::eventually;
use tonic::Code;

use crate::source::{Totals, id, person};
use crate::world::{World, fields, gross_at_least, has_phone};

#[tokio::test]
async fn changes_are_read_in_pages_newest_first_with_the_values_of_then() {
    let world = World::new().await;
    let ann = id(10);
    let one = world.segment("over one", gross_at_least(100)).await;
    world.segment("over two", gross_at_least(200)).await;
    world.buyer(ann, &[]).await;
    for gross in [150, 250, 150, 50, 150] {
        world.database.clock.advance(chrono::TimeDelta::seconds(1));
        let event = world.analytics.figures(ann, &[Totals::of(gross, "2026-01-10T10:00:00Z")]);
        world.tell(&[event]).await;
    }
    let renamed = world.get(&one.id).await;
    world.update(pb::Segment { name: "one or more".into(), ..renamed }, &["name"]).await.unwrap();

    let ask = async |page_token: &str, customer: uuid::Uuid| {
        let request = pb::ListMembershipChangesRequest {
            customer_id: customer.to_string(),
            page_size: 2,
            page_token: page_token.to_owned(),
        };
        world.memberships().list_membership_changes(request).await.map(tonic::Response::into_inner)
    };
    let (mut changes, mut tokens) = (Vec::new(), vec![String::new()]);
    while let Some(token) = tokens.last().filter(|token| changes.is_empty() || !token.is_empty()).cloned() {
        let page = ask(&token, ann).await.unwrap();
        changes.extend(page.changes);
        tokens.push(page.next_page_token);
    }
    let told: Vec<_> =
        changes.iter().map(|c| (c.segment_name.as_str(), c.entered, c.reasons[0].actual.as_str())).collect();
    assert_eq!(
        told,
        [
            ("one or more", true, "1.50 EUR"),
            ("one or more", false, "0.50 EUR"),
            ("over two", false, "1.50 EUR"),
            ("over two", true, "2.50 EUR"),
            ("one or more", true, "1.50 EUR"),
        ]
    );
    // An id is that of the event.
    let events: Vec<String> = world.events().await.into_iter().map(|event| event.id).collect();
    assert!(changes.iter().all(|change| events.contains(&change.id)));
    // Asked for whole, they are the same.
    assert_eq!(world.changes(ann).await, changes);

    for (token, customer) in [(tokens[1].as_str(), id(11)), ("garbage", ann)] {
        let error = ask(token, customer).await.unwrap_err();
        assert_eq!(fields(&error), ["page_token"]);
    }
}

#[tokio::test]
async fn members_are_read_in_pages_by_id_and_of_no_segment_there_are_none() {
    let world = World::new().await;
    let segment = world.segment("all buyers", gross_at_least(1)).await;
    let customers: Vec<_> = (0..7).map(|n| id(100 + n)).collect();
    let mut events = Vec::new();
    for customer in &customers {
        events.push(world.customers.save(&person(*customer)));
        events.push(world.analytics.figures(*customer, &[Totals::of(1, "2026-01-10T10:00:00Z")]));
    }
    world.tell(&events).await;
    let (mut members, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListSegmentMembersRequest { segment_id: segment.id.clone(), page_size: 3, page_token };
        let page = world.memberships().list_segment_members(request).await.unwrap().into_inner();
        assert!(page.members.len() <= 3 && page.members.iter().all(|m| m.reasons.is_empty() && m.entered_at.is_some()));
        members.extend(page.members.into_iter().map(|member| member.customer_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(members, customers.iter().map(ToString::to_string).collect::<Vec<_>>());
    let request = pb::ListSegmentMembersRequest { segment_id: id(1).to_string(), ..Default::default() };
    assert_eq!(world.memberships().list_segment_members(request).await.unwrap_err().code(), Code::NotFound);
    let request = pb::ListSegmentMembersRequest { segment_id: "x".into(), ..Default::default() };
    assert_eq!(fields(&world.memberships().list_segment_members(request).await.unwrap_err()), ["segment_id"]);
}

#[tokio::test]
async fn a_customer_nobody_knows_has_no_segments_and_no_past() {
    let world = World::new().await;
    world.segment("phones", has_phone()).await;
    assert_eq!((world.of(id(1)).await, world.changes(id(1)).await), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn memberships_say_up_to_when_events_are_taken_into_account() {
    let world = World::new().await;
    let ann = id(10);
    let ask = async || {
        let request = pb::ListCustomerSegmentsRequest { customer_id: ann.to_string() };
        world.memberships().list_customer_segments(request).await.unwrap().into_inner().as_of
    };
    assert_eq!(ask().await, None);
    world.buyer(ann, &[]).await;
    let recorded = clientele_platform::proto::timestamp(world.harness.host.clock.now());
    eventually("the moment", async || (ask().await == Some(recorded)).then_some(())).await;
}

#[tokio::test]
async fn a_past_whose_key_is_destroyed_keeps_what_happened_without_why() {
    let world = World::new().await;
    let ann = id(10);
    world.segment("buyers", gross_at_least(1)).await;
    world.buyer(ann, &[Totals::of(1, "2026-01-10T10:00:00Z")]).await;
    let mut conn = world.database.superuser().await;
    sqlx::query("delete from campaigns.subject_key where subject_id = $1").bind(ann).execute(&mut conn).await.unwrap();
    let changes = world.changes(ann).await;
    assert_eq!((changes.len(), changes[0].entered, changes[0].cause()), (1, true, pb::MembershipCause::Event));
    assert_eq!(changes[0].reasons, []);
}
