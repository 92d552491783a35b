//! What colleagues are told, and that it is their own.

use std::collections::HashMap;

use chrono::TimeDelta;
use clientele_contracts::customers::v1::{ImportRecorded, ImportState};
use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::NotificationKind::{ImportChecked, ImportFailed, ImportFinished, ImportUndone};
use clientele_contracts::messaging::v1::notifications_client::NotificationsClient;
use clientele_contracts::platform::v1::Event;
use clientele_kernel::{ActorKind, Clock as _, EventId};
use clientele_platform::{event, grpc};
use clientele_testkit::eventually_within;
use prost::{Message, Name};
use prost_types::{Any, Timestamp};

use crate::desk::{Colleague, Desk, fields, new_id, reason};

/// Lets customers tell of an import that came to this state by now.
fn tell(desk: &Desk, user_id: &str, state: ImportState, trial: bool) -> Event {
    tell_of(desk, user_id, state, trial, TimeDelta::zero())
}

/// Lets customers tell of an import that came to this state so long ago.
fn tell_of(desk: &Desk, user_id: &str, state: ImportState, trial: bool, ago: TimeDelta) -> Event {
    let mut known = desk.others.0.lock().unwrap();
    let position = i64::try_from(known.events.len()).unwrap() + 1;
    let import_id = new_id();
    let recorded = ImportRecorded {
        import_id: import_id.clone(),
        user_id: user_id.to_owned(),
        state: state.into(),
        counts: HashMap::from([("rows".to_owned(), position), ("refused".to_owned(), 2)]),
        trial,
        ..ImportRecorded::default()
    };
    let event = Event {
        id: desk.database.ids.next::<EventId>().to_string(),
        context: "customers".into(),
        position,
        aggregate_type: "import".into(),
        aggregate_id: import_id,
        aggregate_version: 1,
        recorded_at: Some(Timestamp { seconds: (desk.database.clock.now() - ago).timestamp() + position, nanos: 0 }),
        data: Some(Any { type_url: ImportRecorded::type_url(), value: recorded.encode_to_vec() }),
        ..Event::default()
    };
    known.events.push(event.clone());
    event
}

/// The colleague's notifications, once the newest of all events has arrived at its reader.
async fn told_after_all(desk: &Desk, colleague: &Colleague) -> Vec<pb::Notification> {
    let witness = desk.colleague(&[]);
    tell(desk, &witness.id, ImportState::Done, false);
    let limit = std::time::Duration::from_mins(1);
    eventually_within(limit, "the last event is told", || async {
        let told = witness.told(pb::ListNotificationsRequest::default()).await;
        (told.unread_count == 1).then_some(())
    })
    .await;
    all_of(colleague, false).await
}

async fn all_of(colleague: &Colleague, unread: bool) -> Vec<pb::Notification> {
    let mut found = Vec::new();
    let mut request = pb::ListNotificationsRequest { unread, page_size: 200, page_token: String::new() };
    loop {
        let page = colleague.told(request.clone()).await;
        found.extend(page.notifications);
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

async fn mark(colleague: &Colleague, ids: &[&str], all: bool) -> Result<i32, clientele_kernel::Error> {
    let ids = ids.iter().map(|&id| id.to_owned()).collect();
    let request = pb::MarkNotificationsReadRequest { ids, all };
    let answer = colleague.notifications.clone().mark_notifications_read(request).await;
    Ok(answer.map_err(grpc::error)?.into_inner().unread_count)
}

#[tokio::test]
async fn a_colleague_is_told_once_how_an_import_ended() {
    let desk = Desk::new().await;
    let ana = desk.colleague(&[]);
    tell(&desk, &ana.id, ImportState::Running, false);
    tell(&desk, &ana.id, ImportState::Ready, true);
    tell(&desk, &ana.id, ImportState::Failed, false);
    let done = tell(&desk, &ana.id, ImportState::Done, false);
    tell(&desk, &ana.id, ImportState::Undone, false);
    tell(&desk, "", ImportState::Done, false);
    // The same event once more, as a feed that was restored might tell it.
    let position = i64::try_from(desk.others.0.lock().unwrap().events.len()).unwrap() + 1;
    desk.others.0.lock().unwrap().events.push(Event { position, ..done.clone() });

    let told = told_after_all(&desk, &ana).await;
    let kinds: Vec<_> = told.iter().map(pb::Notification::kind).collect();
    assert_eq!(kinds, [ImportUndone, ImportFinished, ImportFailed, ImportChecked], "newest first");
    assert_eq!((&told[1].subject_id, told[1].created_at), (&done.aggregate_id, done.recorded_at));
    assert_eq!(told[1].counts, HashMap::from([("rows".to_owned(), 4), ("refused".to_owned(), 2)]));
    let recorded = desk.events_of(&told[1].id).await.remove(0);
    let recorded = event::decode::<pb::NotificationRecorded>(&recorded).unwrap().unwrap();
    assert_eq!((recorded.user_id.as_str(), recorded.kind(), recorded.read), (ana.id.as_str(), ImportFinished, false));
}

#[tokio::test]
async fn old_news_is_kept_and_calls_nobody() {
    let desk = Desk::new().await;
    let ana = desk.colleague(&[]);
    // As a restored house tells it once more.
    let old = tell_of(&desk, &ana.id, ImportState::Done, false, TimeDelta::days(3) + TimeDelta::minutes(5));
    let late = tell_of(&desk, &ana.id, ImportState::Failed, false, TimeDelta::days(3) - TimeDelta::minutes(5));
    let told = told_after_all(&desk, &ana).await;
    assert_eq!(told.iter().map(|told| &told.subject_id).collect::<Vec<_>>(), [&late.aggregate_id, &old.aggregate_id]);
    assert_eq!(told.iter().map(|told| told.read_at.is_some()).collect::<Vec<_>>(), [false, true]);
    let page = ana.told(pb::ListNotificationsRequest::default()).await;
    assert_eq!(page.unread_count, 1);
    let recorded = desk.events_of(&told[1].id).await.remove(0);
    assert!(event::decode::<pb::NotificationRecorded>(&recorded).unwrap().unwrap().read);
}

#[tokio::test]
async fn nobody_reads_or_marks_what_another_is_told() {
    let desk = Desk::new().await;
    let (ana, boris) = (desk.colleague(&[]), desk.colleague(&["*"]));
    tell(&desk, &ana.id, ImportState::Done, false);
    let told = told_after_all(&desk, &ana).await;
    assert_eq!(all_of(&boris, false).await, []);
    assert_eq!(mark(&boris, &[&told[0].id], false).await.unwrap(), 0);
    assert_eq!(mark(&boris, &[], true).await.unwrap(), 0);
    assert_eq!(all_of(&ana, true).await, told);
    let token = desk.harness.issuer.token(ActorKind::ApiKey, &ana.id, &["*"]);
    let mut program = NotificationsClient::new(desk.harness.client_as("messaging", &token));
    let refused = program.list_notifications(pb::ListNotificationsRequest::default()).await.unwrap_err();
    assert_eq!(reason(&grpc::error(refused)), "NOT_A_USER");
    let mut nobody = NotificationsClient::new(desk.harness.anonymous("messaging"));
    let refused = nobody.list_notifications(pb::ListNotificationsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
}

#[tokio::test]
async fn what_is_read_is_counted_and_told_once() {
    let desk = Desk::new().await;
    let ana = desk.colleague(&[]);
    for _ in 0..3 {
        tell(&desk, &ana.id, ImportState::Done, false);
    }
    let told = told_after_all(&desk, &ana).await;
    assert_eq!(mark(&ana, &[&told[1].id, &new_id()], false).await.unwrap(), 2);
    assert_eq!(mark(&ana, &[&told[1].id], false).await.unwrap(), 2, "it was read before");
    let unread: Vec<_> = all_of(&ana, true).await.into_iter().map(|n| n.id).collect();
    assert_eq!(unread, [told[0].id.clone(), told[2].id.clone()]);
    assert_eq!(mark(&ana, &[], true).await.unwrap(), 0);
    assert!(all_of(&ana, false).await.iter().all(|notification| notification.read_at.is_some()));
    let events = desk.events_of(&told[1].id).await;
    let read: Vec<bool> =
        events.iter().map(|told| event::decode::<pb::NotificationRecorded>(told).unwrap().unwrap().read).collect();
    assert_eq!(read, [false, true]);
    for (ids, all, field) in
        [(vec![], false, "ids"), (vec!["x"], false, "ids[0]"), (vec![told[0].id.as_str()], true, "ids")]
    {
        assert_eq!(fields(&mark(&ana, &ids, all).await.unwrap_err()), [field]);
    }
    assert_eq!(fields(&mark(&ana, &[told[0].id.as_str(); 201], false).await.unwrap_err()), ["ids"]);
}

#[tokio::test]
async fn the_newest_thousand_are_kept() {
    let desk = Desk::new().await;
    let (ana, boris) = (desk.colleague(&[]), desk.colleague(&[]));
    tell(&desk, &boris.id, ImportState::Done, false);
    for _ in 0..1_003 {
        tell(&desk, &ana.id, ImportState::Done, false);
    }
    let told = told_after_all(&desk, &ana).await;
    let rows: Vec<i64> = told.iter().map(|notification| notification.counts["rows"]).collect();
    assert_eq!(rows, (5..=1_004).rev().collect::<Vec<_>>());
    assert_eq!(ana.told(pb::ListNotificationsRequest::default()).await.unread_count, 1_000);
    assert_eq!(all_of(&boris, false).await.len(), 1, "each has their own thousand");
    assert_eq!(mark(&ana, &[], true).await.unwrap(), 0);
}
