//! Segments as people make and change them.

use std::time::Duration;

use clientele_contracts::campaigns::v1 as pb;
use clientele_testkit::eventually;
use tonic::Code;

use crate::source::{Totals, id};
use crate::world::{World, all, condition, euros, fields, given, gross_at_least, has_phone, not, quiet_for, reason};

#[tokio::test]
async fn a_rule_that_is_wrong_is_refused_by_the_path_of_every_wrong_condition() {
    let world = World::new().await;
    let wrong = condition("metrics.gross", pb::Operator::AtLeast, pb::condition::Value::Flag(true));
    let unknown = given("customer.height", pb::Operator::IsPresent, None, "");
    let rule = all(vec![has_phone(), wrong, not(unknown)]);
    let error = world.create("x", rule.clone()).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let paths = ["segment.rule.all.rules[1].condition.value", "segment.rule.all.rules[2].not.condition.field"];
    assert_eq!(fields(&error), paths);
    let request = pb::CountSegmentRequest { rule: Some(rule) };
    let error = world.segments().count_segment(request).await.unwrap_err();
    assert_eq!(fields(&error)[0], "rule.all.rules[1].condition.value");
    let error = world.segments().count_segment(pb::CountSegmentRequest { rule: None }).await.unwrap_err();
    assert_eq!(fields(&error), ["rule"]);
    let error = world.create(" ", pb::Rule { rule: None }).await.unwrap_err();
    assert_eq!(fields(&error), ["segment.name", "segment.rule"]);
}

#[tokio::test]
async fn a_name_is_taken_whatever_its_case_and_free_again_after_a_change() {
    let world = World::new().await;
    let first = world.segment("Big spenders", gross_at_least(1)).await;
    let error = world.create("big SPENDERS", gross_at_least(1)).await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::AlreadyExists, "NAME_TAKEN"));
    assert_eq!(fields(&error), ["segment.name"]);
    let renamed = world.update(pb::Segment { name: "BIG spenders".into(), ..first }, &["name"]).await.unwrap();
    assert_eq!(renamed.name, "BIG spenders");
    world.update(pb::Segment { name: "spenders".into(), ..renamed }, &["name"]).await.unwrap();
    world.create("big spenders", gross_at_least(1)).await.unwrap();
}

#[tokio::test]
async fn an_update_needs_the_present_etag_which_finding_the_members_does_not_change() {
    let world = World::new().await;
    let created = world.create("a", gross_at_least(1)).await.unwrap();
    assert!(!created.build.as_ref().unwrap().complete && created.active);
    let built = world.built(&created.id).await;
    assert_eq!(built.etag, created.etag);
    let updated =
        world.update(pb::Segment { description: "b".into(), ..created.clone() }, &["description"]).await.unwrap();
    assert_eq!((updated.name.as_str(), updated.description.as_str()), ("a", "b"));
    assert!(updated.build.as_ref().unwrap().complete, "a description finds nobody anew");
    let error = world.update(pb::Segment { name: "c".into(), ..created.clone() }, &["name"]).await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    // Saying what is there already changes nothing.
    let same = world.update(updated.clone(), &["name", "rule", "active"]).await.unwrap();
    assert_eq!(same, updated);
    let error = world.update(pb::Segment { id: id(1).to_string(), ..updated }, &["name"]).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let error = world.update(pb::Segment { etag: String::new(), ..created.clone() }, &["name"]).await.unwrap_err();
    assert_eq!(fields(&error), ["segment.etag"]);
    let error = world.update(created, &["member_count"]).await.unwrap_err();
    assert_eq!(fields(&error), ["update_mask"]);
}

#[tokio::test]
async fn a_command_repeated_with_its_request_id_makes_one_segment() {
    let world = World::new().await;
    let segment = pb::Segment { name: "once".into(), rule: Some(has_phone()), ..pb::Segment::default() };
    let request = pb::CreateSegmentRequest { segment: Some(segment), request_id: "r1".into() };
    let first = world.segments().create_segment(request.clone()).await.unwrap().into_inner();
    let second = world.segments().create_segment(request).await.unwrap().into_inner();
    assert_eq!(first, second);
}

#[tokio::test]
async fn segments_are_listed_by_name_in_pages_and_those_put_away_on_demand() {
    let world = World::new().await;
    for name in ["b", "A", "c", "Яблоко", "d"] {
        world.segment(name, has_phone()).await;
    }
    let put_away = world.segment("away", has_phone()).await;
    world.update(pb::Segment { active: false, ..put_away }, &["active"]).await.unwrap();
    let names = async |include_inactive: bool| {
        let (mut names, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = pb::ListSegmentsRequest { include_inactive, page_size: 2, page_token };
            let page = world.segments().list_segments(request).await.unwrap().into_inner();
            names.extend(page.segments.into_iter().map(|segment| segment.name));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return names;
            }
        }
    };
    assert_eq!(names(false).await, ["A", "b", "c", "d", "Яблоко"]);
    assert_eq!(names(true).await, ["A", "away", "b", "c", "d", "Яблоко"]);
}

#[tokio::test]
async fn the_fields_that_rules_may_ask_for_are_told_with_their_operators() {
    let world = World::new().await;
    let answer = world.segments().list_segment_fields(pb::ListSegmentFieldsRequest {}).await.unwrap().into_inner();
    assert_eq!(answer.fields.len(), 14);
    let kind = answer.fields.iter().find(|field| field.name == "customer.kind").unwrap();
    assert_eq!(kind.choices, ["person", "company"]);
    assert_eq!(kind.operators().collect::<Vec<_>>(), [pb::Operator::Equal, pb::Operator::NotEqual]);
}

#[tokio::test]
async fn counting_that_takes_too_long_ends_with_advice() {
    let world = World::with_count_timeout(Duration::from_millis(50)).await;
    // Somebody holds the table for longer than counting may take.
    let mut conn = world.database.superuser().await;
    sqlx::raw_sql("begin; lock table campaigns.customer in access exclusive mode").execute(&mut conn).await.unwrap();
    let request = pb::CountSegmentRequest { rule: Some(has_phone()) };
    let error = world.segments().count_segment(request).await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::DeadlineExceeded, "RULE_TOO_BROAD"));
    assert!(error.message().contains("take out conditions"), "{error}");
}

#[tokio::test]
async fn no_more_segments_are_in_use_than_events_can_be_held_against() {
    let world = World::new().await;
    let mut conn = world.database.superuser().await;
    let copy = world.segment("original", has_phone()).await;
    sqlx::raw_sql(
        "insert into campaigns.segment
            select gen_random_uuid(), 'copy ' || n, 'copy ' || n, '', rule, true, 1, 1, created_at, updated_at
            from campaigns.segment, generate_series(1, 499) as n;
         insert into campaigns.build
            select id, true, '00000000-0000-0000-0000-000000000000', 0, 0 from campaigns.segment
            where name like 'copy %'",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    let error = world.create("one more", has_phone()).await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::FailedPrecondition, "TOO_MANY_SEGMENTS"));
    let away = world.update(pb::Segment { active: false, ..copy }, &["active"]).await.unwrap();
    world.create("one more", has_phone()).await.unwrap();
    let error = world.update(pb::Segment { active: true, ..away }, &["active"]).await.unwrap_err();
    assert_eq!(reason(&error), "TOO_MANY_SEGMENTS");
}

#[tokio::test]
async fn a_segment_that_is_put_away_has_no_members_and_finds_them_anew_when_taken_up() {
    let world = World::new().await;
    let (ann, bob) = (id(10), id(11));
    world.buyer(ann, &[Totals::of(500, "2026-01-10T10:00:00Z")]).await;
    world.buyer(bob, &[Totals::of(500, "2026-01-14T10:00:00Z")]).await;
    let rule = all(vec![gross_at_least(100), not(quiet_for(60))]);
    let segment = world.segment("active buyers", rule).await;
    assert_eq!(world.members(&segment.id).await, [ann, bob]);
    let away = world.update(pb::Segment { active: false, ..segment }, &["active"]).await.unwrap();
    assert_eq!((away.member_count, world.members(&away.id).await), (0, Vec::new()));
    assert!(world.of(ann).await.is_empty());
    let built = world.built(&away.id).await;
    assert_eq!(built.build.unwrap().examined, 2);
    assert_eq!(world.changes(ann).await[0].cause(), pb::MembershipCause::Rule);
    let mut conn = world.database.superuser().await;
    let left: i64 =
        sqlx::query_scalar("select count(*) from campaigns.membership where active or next_change_at is not null")
            .fetch_one(&mut conn)
            .await
            .unwrap();
    assert_eq!(left, 0, "nothing waits for a moment any more");

    // What happens meanwhile counts when it is taken up again.
    let event = world.analytics.figures(ann, &[]);
    world.tell(&[event]).await;
    world.update(pb::Segment { active: true, ..world.get(&away.id).await }, &["active"]).await.unwrap();
    world.built(&away.id).await;
    assert_eq!(world.members(&away.id).await, [bob]);
    let told: Vec<_> = world.changes(bob).await.into_iter().map(|change| change.entered).collect();
    assert_eq!(told, [true, false, true]);
}

#[tokio::test]
async fn a_change_of_the_rule_moves_the_members_and_says_that_the_rule_did_it() {
    let world = World::new().await;
    let (ann, bob) = (id(10), id(11));
    world.buyer(ann, &[Totals::of(500, "2026-01-10T10:00:00Z")]).await;
    world.buyer(bob, &[Totals::of(50, "2026-01-10T10:00:00Z")]).await;
    let segment = world.segment("moving", gross_at_least(100)).await;
    assert_eq!(world.members(&segment.id).await, [ann]);
    let below = condition("metrics.gross", pb::Operator::Less, euros(100));
    let changed = world.update(pb::Segment { rule: Some(below), ..segment }, &["rule"]).await.unwrap();
    world.built(&changed.id).await;
    assert_eq!(world.members(&changed.id).await, [bob]);
    assert_eq!(world.get(&changed.id).await.member_count, 1);
    assert_eq!(world.changes(ann).await[0].cause(), pb::MembershipCause::Rule);
    // A rule in force from now on decides the next event, in whichever replica.
    let event = world.analytics.figures(bob, &[Totals::of(100, "2026-01-11T10:00:00Z")]);
    world.tell(&[event]).await;
    assert!(world.members(&changed.id).await.is_empty());
}

#[tokio::test]
async fn what_becomes_of_a_segment_is_told_and_also_that_its_members_are_found() {
    let world = World::new().await;
    let segment = world.segment("told", has_phone()).await;
    world.update(pb::Segment { name: "told anew".into(), ..segment.clone() }, &["name"]).await.unwrap();
    let told = eventually("the events", async || {
        let events = world.events().await;
        (events.len() == 3).then_some(events)
    })
    .await;
    let told: Vec<pb::SegmentRecorded> = told
        .iter()
        .map(|event| prost::Message::decode(event.data.as_ref().unwrap().value.as_slice()).unwrap())
        .collect();
    let told: Vec<_> = told.iter().map(|event| (event.name.as_str(), event.active, event.complete)).collect();
    assert_eq!(told, [("told", true, false), ("told", true, true), ("told anew", true, true)]);
}

#[tokio::test]
async fn who_may_only_read_segments_cannot_write_them() {
    let world = World::new().await;
    let transport = world.harness.client("campaigns", &["campaigns.segment.read"]);
    let mut segments = pb::segments_client::SegmentsClient::new(transport);
    segments.list_segments(pb::ListSegmentsRequest::default()).await.unwrap();
    let error = segments.create_segment(pb::CreateSegmentRequest::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::PermissionDenied);
}
