//! What happened with a customer.

use clientele_contracts::analytics::v1::{ListTimelineRequest, TimelineEntry, TimelineKind};
use clientele_contracts::campaigns::v1::{SegmentEntered, SegmentLeft};
use clientele_contracts::customers::v1::{
    ConsentChannel, ConsentRecorded, CustomerCreated, CustomerDeleted, CustomerUpdated,
};
use clientele_contracts::messaging::v1::{DialogRecorded, EmailRecorded, SendState};
use clientele_platform::proto;
use clientele_testkit::journal::AUTHOR;
use uuid::Uuid;

use crate::source::{CreditNote, Order, at, id};
use crate::world::World;

fn created(customer: Uuid) -> CustomerCreated {
    CustomerCreated { customer_id: customer.to_string(), ..CustomerCreated::default() }
}

#[tokio::test]
async fn the_timeline_tells_of_customer_orders_and_refunds_newest_first() {
    let world = World::new().await;
    let ann = id(10);
    let order = Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 2000);
    let updated = CustomerUpdated {
        customer_id: ann.to_string(),
        changed_fields: vec!["display_name".into(), "phones".into()],
        ..CustomerUpdated::default()
    };
    world.customers.record(ann, Some(ann), at("2025-10-01T10:00:00Z"), &created(ann));
    world.customers.record(ann, Some(ann), at("2025-10-02T10:00:00Z"), &updated);
    world.orders.order(&order);
    // The payment of an order is no news for the timeline: its status stays.
    world.orders.order(&order);
    let cancelled = Order { cancelled: true, ..order };
    world.orders.record(cancelled.id, Some(ann), at("2025-11-20T10:00:00Z"), &cancelled.message());
    let last = world.orders.credit_note(&CreditNote::of(1, Some(ann), "2025-12-01T10:00:00Z", 500));
    world.tell(&[last]).await;

    let entries = world.timeline(ann).await;
    let kinds: Vec<_> = entries.iter().map(TimelineEntry::kind).collect();
    assert_eq!(
        kinds,
        [
            TimelineKind::CreditNoteIssued,
            TimelineKind::OrderStatusChanged,
            TimelineKind::OrderPlaced,
            TimelineKind::CustomerUpdated,
            TimelineKind::CustomerCreated
        ]
    );
    assert_eq!(entries[0].amount.clone().unwrap().minor, 500);
    assert_eq!(entries[0].occurred_at, Some(proto::timestamp(at("2025-12-01T10:00:00Z"))));
    assert_eq!((entries[1].status.as_str(), entries[2].status.as_str()), ("cancelled", "completed"));
    assert_eq!(entries[1].occurred_at, Some(proto::timestamp(at("2025-11-20T10:00:00Z"))));
    assert_eq!(entries[2].amount.clone().unwrap().minor, 2000);
    assert_eq!(entries[3].changed_fields, ["display_name", "phones"]);
    assert_eq!(entries[4].amount, None);
    assert_eq!(entries[4].actor.clone().unwrap().id, AUTHOR.to_string());
    assert_eq!(entries[4].origin(), clientele_contracts::platform::v1::Origin::Web);
}

#[tokio::test]
async fn entries_of_a_sale_to_nobody_show_once_the_order_has_a_customer() {
    let world = World::still("UTC").await;
    let ann = id(10);
    let order = Order::of(1, None, "2025-11-01T10:00:00Z", 2000);
    let placed = [world.orders.order(&order)];
    let known = [world.orders.order(&Order { customer: Some(ann), ..order.clone() })];
    // In either order: the two are in different partitions.
    for batches in [[&placed, &known], [&known, &placed]] {
        for batch in batches {
            world.apply(batch).await;
        }
        let entries = world.timeline(ann).await;
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!(entries[0].kind(), TimelineKind::OrderPlaced);
        assert_eq!(entries[0].id, placed[0].id);
        assert_eq!(entries[0].subject_id, order.id.to_string());
        let mut conn = world.database.superuser().await;
        sqlx::raw_sql("delete from analytics.timeline_entry; delete from analytics.document")
            .execute(&mut conn)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_first_state_that_comes_late_takes_its_place_before_the_change_of_status() {
    let world = World::still("UTC").await;
    let ann = id(10);
    let order = Order::of(1, None, "2025-11-01T10:00:00Z", 2000);
    let placed = world.orders.order(&order);
    let cancelled = Order { customer: Some(ann), cancelled: true, ..order };
    let later = world.orders.record(cancelled.id, Some(ann), at("2025-11-09T10:00:00Z"), &cancelled.message());
    world.apply(std::slice::from_ref(&later)).await;
    world.apply(std::slice::from_ref(&placed)).await;
    let entries = world.timeline(ann).await;
    let found: Vec<_> = entries.iter().map(|e| (e.kind(), e.id.as_str(), e.occurred_at)).collect();
    assert_eq!(
        found,
        [
            (TimelineKind::OrderStatusChanged, later.id.as_str(), Some(proto::timestamp(at("2025-11-09T10:00:00Z")))),
            (TimelineKind::OrderPlaced, placed.id.as_str(), Some(proto::timestamp(at("2025-11-01T10:00:00Z"))))
        ]
    );
}

#[tokio::test]
async fn an_order_whose_date_and_amount_are_corrected_shows_them_in_its_entry() {
    let world = World::still("UTC").await;
    let ann = id(10);
    let order = Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 2000);
    let placed = world.orders.order(&order);
    let corrected = world
        .orders
        .order(&Order { at: at("2025-10-30T10:00:00Z"), ..Order::of(1, Some(ann), "2025-11-01T10:00:00Z", 1500) });
    world.apply(&[placed]).await;
    world.apply(&[corrected]).await;
    let entries = world.timeline(ann).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].amount.clone().unwrap().minor, 1500);
    assert_eq!(entries[0].occurred_at, Some(proto::timestamp(at("2025-10-30T10:00:00Z"))));
}

#[tokio::test]
async fn the_timeline_is_read_in_pages_by_kind_and_a_token_of_another_list_is_refused() {
    let world = World::new().await;
    let ann = id(10);
    world.customers.record(ann, Some(ann), at("2025-10-01T10:00:00Z"), &created(ann));
    // Several orders of one moment: the page must not lose or repeat any of them.
    let events: Vec<_> =
        (0..7).map(|n| world.orders.order(&Order::of(n, Some(ann), "2025-11-01T10:00:00Z", 100))).collect();
    world.tell(&events).await;

    let ask = async |kinds: &[TimelineKind], page_token: &str, customer: Uuid| {
        let request = ListTimelineRequest {
            customer_id: customer.to_string(),
            kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
            page_size: 3,
            page_token: page_token.to_owned(),
        };
        world.timelines().list_timeline(request).await.map(tonic::Response::into_inner)
    };
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = ask(&[], &token, ann).await.unwrap();
        seen.extend(page.entries.into_iter().map(|e| e.id));
        if page.next_page_token.is_empty() {
            break;
        }
        token = page.next_page_token;
    }
    assert_eq!(seen.len(), 8);
    let distinct: std::collections::HashSet<_> = seen.iter().collect();
    assert_eq!(distinct.len(), 8);

    let only = ask(&[TimelineKind::CustomerCreated], "", ann).await.unwrap();
    assert_eq!(only.entries.len(), 1);
    assert_eq!(only.next_page_token, "");
    assert_eq!(ask(&[], "", id(11)).await.unwrap().entries, []);

    for (kinds, token, customer) in [
        (&[TimelineKind::OrderPlaced][..], token.as_str(), ann),
        (&[][..], token.as_str(), id(11)),
        (&[][..], "garbage", ann),
        (&[][..], "////", ann),
    ] {
        let error = ask(kinds, token, customer).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::InvalidArgument);
        assert!(error.message().starts_with("page_token: "), "{error}");
    }
    let error = ask(&[TimelineKind::Unspecified], "", ann).await.unwrap_err();
    assert!(error.message().starts_with("kinds[0]: "), "{error}");
}

#[tokio::test]
async fn letters_dialogs_segments_and_consents_stand_in_the_timeline_once() {
    let world = World::new().await;
    let (ann, letter, dialog, membership, segment, consent) = (id(10), id(20), id(21), id(22), id(23), id(24));
    let customer_id = ann.to_string();
    let moment = |text| Some(proto::timestamp(at(text)));
    let accepted = EmailRecorded {
        email_id: letter.to_string(),
        customer_id: customer_id.clone(),
        state: SendState::Queued.into(),
        created_at: moment("2025-11-01T10:00:00Z"),
        ..Default::default()
    };
    world.messaging.record(letter, Some(ann), at("2025-11-01T10:00:00Z"), &accepted);
    let sent = EmailRecorded { state: SendState::Sent.into(), settled_at: moment("2025-11-01T10:05:00Z"), ..accepted };
    let mut last = vec![world.messaging.record(letter, Some(ann), at("2025-11-01T10:05:00Z"), &sent)];
    let opened = DialogRecorded {
        dialog_id: dialog.to_string(),
        opened_at: moment("2025-11-02T10:00:00Z"),
        ..Default::default()
    };
    world.messaging.record(dialog, None, at("2025-11-02T10:00:00Z"), &opened);
    let linked = DialogRecorded { customer_id: customer_id.clone(), ..opened };
    world.messaging.record(dialog, Some(ann), at("2025-11-02T11:00:00Z"), &linked);
    last.push(world.messaging.record(dialog, Some(ann), at("2025-11-02T12:00:00Z"), &linked));
    let entered = SegmentEntered {
        segment_id: segment.to_string(),
        customer_id: customer_id.clone(),
        entered_at: moment("2025-11-03T10:00:00Z"),
        segment_name: "Sleepy".to_owned(),
        ..Default::default()
    };
    world.campaigns.record(membership, Some(ann), at("2025-11-03T10:00:00Z"), &entered);
    let left = SegmentLeft {
        segment_id: segment.to_string(),
        customer_id: customer_id.clone(),
        left_at: moment("2025-11-04T10:00:00Z"),
        segment_name: "Sleepy".to_owned(),
        ..Default::default()
    };
    last.push(world.campaigns.record(membership, Some(ann), at("2025-11-04T10:00:00Z"), &left));
    let agreed = ConsentRecorded {
        customer_id,
        entry_id: consent.to_string(),
        channel: ConsentChannel::Email.into(),
        granted: true,
        ..Default::default()
    };
    last.push(world.customers.record(consent, Some(ann), at("2025-11-05T10:00:00Z"), &agreed));
    world.tell(&last).await;

    let entries = world.timeline(ann).await;
    let facts: Vec<_> = entries
        .iter()
        .map(|entry| (entry.kind(), entry.subject_id.clone(), entry.status.as_str(), entry.label.as_str()))
        .collect();
    assert_eq!(
        facts,
        [
            (TimelineKind::ConsentGranted, consent.to_string(), "CONSENT_CHANNEL_EMAIL", ""),
            (TimelineKind::SegmentLeft, segment.to_string(), "", "Sleepy"),
            (TimelineKind::SegmentEntered, segment.to_string(), "", "Sleepy"),
            (TimelineKind::DialogOpened, dialog.to_string(), "", ""),
            (TimelineKind::EmailSettled, letter.to_string(), "SEND_STATE_SENT", ""),
        ]
    );
    assert_eq!(entries[3].occurred_at, moment("2025-11-02T10:00:00Z"), "when it was opened, not when it was linked");
    assert_eq!(entries[3].actor, None, "who linked the dialog to its customer has not opened it");
    assert_eq!(entries[4].actor.clone().unwrap().id, AUTHOR.to_string());
}

#[tokio::test]
async fn a_letter_whose_fate_was_unknown_and_turns_out_shows_one_end_whatever_comes_first() {
    let world = World::new().await;
    let ann = id(10);
    let state = |letter: Uuid, state: SendState, text: &str| EmailRecorded {
        email_id: letter.to_string(),
        customer_id: ann.to_string(),
        state: state.into(),
        settled_at: Some(proto::timestamp(at(text))),
        ..Default::default()
    };
    let (early, late) = ("2025-11-01T10:00:00Z", "2025-11-01T10:20:00Z");
    let [split, together] = [id(20), id(21)];
    let record = |letter, (send_state, text)| {
        world.messaging.record(letter, Some(ann), at(text), &state(letter, send_state, text))
    };
    let (unknown, sent) = ((SendState::Unknown, early), (SendState::Sent, late));
    world.tell(&[record(split, unknown)]).await;
    assert_eq!(world.timeline(ann).await[0].status, "SEND_STATE_UNKNOWN");
    let last = record(split, sent);
    world.tell(&[last.clone(), record(together, unknown), record(together, sent)]).await;
    // A parked event comes when newer ones are there already.
    let mut parked = record(split, unknown);
    parked.aggregate_version = 1;
    world.apply_messaging(&[parked]).await;

    let mut entries = world.timeline(ann).await;
    entries.sort_by(|a, b| a.subject_id.cmp(&b.subject_id));
    let facts: Vec<_> = entries.iter().map(|e| (e.subject_id.clone(), e.status.as_str(), e.occurred_at)).collect();
    let at_end = Some(proto::timestamp(at(late)));
    assert_eq!(
        facts,
        [(split.to_string(), "SEND_STATE_SENT", at_end), (together.to_string(), "SEND_STATE_SENT", at_end)]
    );
    assert_eq!(entries[0].id, last.id);
}

#[tokio::test]
async fn a_customer_who_is_gone_leaves_no_record_of_their_own_behind() {
    let world = World::new().await;
    let ann = id(10);
    world.customers.record(ann, Some(ann), at("2025-10-01T10:00:00Z"), &created(ann));
    let deleted = CustomerDeleted { customer_id: ann.to_string() };
    let last = world.customers.record(ann, Some(ann), at("2025-10-02T10:00:00Z"), &deleted);
    world.tell(&[last]).await;
    assert!(world.timeline(ann).await.is_empty());
}
