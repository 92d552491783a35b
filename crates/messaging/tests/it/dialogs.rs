//! Dialogs as the team works with them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::DialogNote::{Assigned, Closed, Opened, Unspecified as Said};
use clientele_contracts::messaging::v1::dialogs_client::DialogsClient;
use clientele_kernel::{ActorKind, Code, DialogId};
use clientele_platform::grpc;
use futures::future::join_all;

use crate::desk::{COLLEAGUE, Desk, fields, new_id, reason};

#[tokio::test]
async fn the_first_colleague_who_writes_becomes_responsible_and_the_visitor_reads_the_answer() {
    let desk = Desk::new().await;
    let (visitor, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    let (ana, boris) = (desk.colleague(&COLLEAGUE), desk.colleague(&COLLEAGUE));
    let answer = ana.write(&dialog, "on its way").await.unwrap();
    assert_eq!((answer.sequence, answer.user_id.as_str()), (4, ana.id.as_str()));
    let read = visitor.read(2).await;
    assert_eq!(read.messages[0].text, "on its way");
    assert_eq!(read.messages[0].kind(), pb::DialogMessageKind::Colleague);
    let refused = boris.write(&dialog, "let me").await.unwrap_err();
    assert_eq!((refused.code, reason(&refused)), (Code::PermissionDenied, "DIALOG_NOT_YOURS"));
    assert!(refused.metadata.contains(&("assignee_id".to_owned(), ana.id.clone())));
    let entries = boris.entries(&dialog).await;
    assert_eq!((entries[2].note(), entries[2].user_id.as_str()), (pb::DialogNote::Assigned, ana.id.as_str()));
    assert_eq!(entries.len(), 4);
}

#[tokio::test]
async fn writers_on_both_sides_at_once_get_dense_numbers() {
    let desk = Desk::new().await;
    let (visitor, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    let colleague = desk.colleague(&COLLEAGUE);
    let theirs = join_all((0..15).map(|n| visitor.post(visitor.message(&format!("customer {n}")))));
    let ours = (0..15).map(|n| format!("colleague {n}")).collect::<Vec<_>>();
    let ours = join_all(ours.iter().map(|text| colleague.write(&dialog, text)));
    let reading = join_all((0..5).map(|_| colleague.mark_read(&dialog, 2)));
    let (theirs, ours, read) = tokio::join!(theirs, ours, reading);
    let mut given: Vec<i64> = theirs.into_iter().map(|message| message.unwrap().sequence).collect();
    given.extend(ours.into_iter().map(|message| message.unwrap().sequence));
    assert!(read.into_iter().all(|answer| answer.is_ok()));
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 30, "no number was given twice");
    let entries = colleague.entries(&dialog).await;
    // Opened, the first message, given to the colleague, and thirty more.
    assert_eq!(entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), (1..=33).collect::<Vec<_>>());
    let state = colleague.get(&dialog).await;
    assert_eq!((state.last_sequence, state.unread_count, state.read_sequence), (33, 15, 2));
    let versions: Vec<i64> = desk.events_of(&dialog).await.iter().map(|event| event.aggregate_version).collect();
    assert_eq!(versions, (1..=32).collect::<Vec<_>>(), "one event for each change");
}

#[tokio::test]
async fn a_repeated_message_is_one_also_after_the_dialog_was_given_away() {
    let desk = Desk::new().await;
    let (_, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    let (ana, boris) = (desk.colleague(&COLLEAGUE), desk.colleague(&COLLEAGUE));
    let id = new_id();
    let first = ana.write_as(&dialog, "hello", &id).await.unwrap();
    ana.assign(&dialog, &boris.id).await.unwrap();
    assert_eq!(ana.write_as(&dialog, "hello", &id).await.unwrap(), first);
    for (writer, text) in [(&ana, "other"), (&boris, "hello")] {
        let refused = writer.write_as(&dialog, text, &id).await.unwrap_err();
        assert_eq!((refused.code, reason(&refused)), (Code::FailedPrecondition, "CLIENT_MESSAGE_ID_REUSED"));
    }
    let refused = ana.write(&dialog, "still me").await.unwrap_err();
    assert_eq!(reason(&refused), "DIALOG_NOT_YOURS", "who gave it away writes no more");
    boris.write(&dialog, "my turn").await.unwrap();
}

#[tokio::test]
async fn only_the_responsible_colleague_or_an_administrator_takes_a_dialog_from_somebody() {
    let desk = Desk::new().await;
    let (_, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    let (ana, boris) = (desk.colleague(&COLLEAGUE), desk.colleague(&COLLEAGUE));
    let administrator = desk.colleague(&["*"]);
    let lead = desk.colleague(&["messaging.dialog.read", "messaging.dialog.write", "messaging.dialog.reassign"]);
    boris.assign(&dialog, &ana.id).await.expect("it is nobody's: anybody may give it");
    for to in [boris.id.as_str(), ""] {
        let refused = boris.assign(&dialog, to).await.unwrap_err();
        assert_eq!((refused.code, reason(&refused)), (Code::PermissionDenied, "DIALOG_NOT_YOURS"));
    }
    assert_eq!(boris.close(&dialog).await.unwrap_err().code, Code::PermissionDenied);
    assert_eq!(ana.assign(&dialog, &boris.id).await.unwrap().assignee_id, boris.id);
    assert_eq!(administrator.assign(&dialog, &ana.id).await.unwrap().assignee_id, ana.id);
    assert_eq!(lead.assign(&dialog, "").await.unwrap().assignee_id, "");
    let before = lead.get(&dialog).await;
    assert_eq!(lead.assign(&dialog, "").await.unwrap(), before, "nothing has changed");
    let notes = ana.entries(&dialog).await;
    let given: Vec<_> = notes.iter().filter(|entry| entry.note() == pb::DialogNote::Assigned).collect();
    let given: Vec<&str> = given.iter().map(|entry| entry.user_id.as_str()).collect();
    assert_eq!(given, [ana.id.as_str(), boris.id.as_str(), ana.id.as_str(), ""]);
}

#[tokio::test]
async fn a_dialog_is_given_to_people_who_can_answer_it() {
    let desk = Desk::new().await;
    let (_, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    let (ana, gone) = (desk.colleague(&COLLEAGUE), desk.colleague(&COLLEAGUE));
    desk.others.0.lock().unwrap().disabled_users.insert(gone.id.clone());
    for nobody in [gone.id.as_str(), &new_id(), "boris"] {
        let refused = ana.assign(&dialog, nobody).await.unwrap_err();
        assert_eq!((refused.code, fields(&refused)), (Code::InvalidArgument, vec!["assignee_id"]), "{nobody}");
    }
    let boris = desk.colleague(&COLLEAGUE);
    ana.write(&dialog, "tokens are fetched while identity is there").await.unwrap();
    desk.harness.host.network.remove("identity");
    let refused = ana.assign(&dialog, &boris.id).await.unwrap_err();
    assert_eq!((refused.code, reason(&refused)), (Code::Unavailable, "IDENTITY_UNAVAILABLE"));
    assert_eq!(ana.assign(&dialog, &ana.id).await.unwrap().assignee_id, ana.id, "who asks exists");
}

#[tokio::test]
async fn a_closed_dialog_opens_when_either_side_writes() {
    let desk = Desk::new().await;
    let (visitor, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    let ana = desk.colleague(&COLLEAGUE);
    ana.write(&dialog, "bye").await.unwrap();
    let closed = ana.close(&dialog).await.unwrap();
    assert_eq!((closed.state(), closed.closed_at.is_some()), (pb::DialogState::Closed, true));
    assert_eq!(closed.last_message.as_ref().unwrap().text, "bye", "a note is no message");
    assert_eq!(ana.close(&dialog).await.unwrap(), closed, "it is closed already");
    visitor.say("one more thing").await;
    let open = ana.get(&dialog).await;
    assert_eq!(
        (open.state(), open.closed_at, open.assignee_id.as_str()),
        (pb::DialogState::Open, None, ana.id.as_str())
    );
    ana.close(&dialog).await.unwrap();
    ana.write(&dialog, "and another").await.unwrap();
    assert_eq!(ana.get(&dialog).await.state(), pb::DialogState::Open);
    let notes: Vec<_> = ana.entries(&dialog).await.iter().map(pb::DialogMessage::note).collect();
    assert_eq!(notes, [Opened, Said, Assigned, Said, Closed, Opened, Said, Closed, Opened, Said]);
}

#[tokio::test]
async fn what_was_read_stays_read() {
    let desk = Desk::new().await;
    let (visitor, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    let ana = desk.colleague(&COLLEAGUE);
    visitor.say("second").await;
    visitor.say("third").await;
    assert_eq!(ana.get(&dialog).await.unread_count, 3);
    let read = ana.mark_read(&dialog, 3).await.unwrap();
    assert_eq!((read.read_sequence, read.unread_count), (3, 1));
    assert_eq!(ana.mark_read(&dialog, 2).await.unwrap(), read, "a lower number changes nothing");
    for beyond in [5, -1, i64::MAX] {
        assert_eq!(fields(&ana.mark_read(&dialog, beyond).await.unwrap_err()), ["sequence"], "{beyond}");
    }
    ana.write(&dialog, "an answer is not unread").await.unwrap();
    assert_eq!(ana.get(&dialog).await.unread_count, 1);
    assert_eq!(ana.mark_read(&dialog, 6).await.unwrap().unread_count, 0);
    visitor.say("fourth").await;
    assert_eq!(ana.get(&dialog).await.unread_count, 1);
}

#[tokio::test]
async fn a_visitor_is_said_to_be_one_customer_who_exists() {
    let desk = Desk::new().await;
    let (_, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    let ana = desk.colleague(&COLLEAGUE);
    let (customer, other) = (desk.customer(), desk.customer());
    let unknown = ana.link(&dialog, &new_id()).await.unwrap_err();
    assert_eq!(unknown.code, Code::NotFound);
    let linked = ana.link(&dialog, &customer).await.unwrap();
    assert_eq!((linked.customer_id.as_str(), linked.last_sequence), (customer.as_str(), 3));
    assert_eq!(ana.link(&dialog, &customer).await.unwrap(), linked);
    let refused = ana.link(&dialog, &other).await.unwrap_err();
    assert_eq!((refused.code, reason(&refused)), (Code::FailedPrecondition, "DIALOG_OF_ANOTHER_CUSTOMER"));
    desk.harness.host.network.remove("customers");
    let refused = ana.link(&dialog, &other).await.unwrap_err();
    assert_eq!((refused.code, reason(&refused)), (Code::Unavailable, "CUSTOMERS_UNAVAILABLE"));
}

#[tokio::test]
async fn each_filter_shows_its_dialogs_and_counts_them() {
    let desk = Desk::new().await;
    let (shop, blog) = (desk.channel("Shop").await, desk.channel("Blog").await);
    let ana = desk.colleague(&COLLEAGUE);
    let customer = desk.customer();
    let mut ids = Vec::new();
    for channel in [&shop, &shop, &blog] {
        ids.push(desk.dialog(channel).await.1);
        desk.database.clock.advance(TimeDelta::seconds(1));
    }
    let [oldest, middle, newest] = <[String; 3]>::try_from(ids).unwrap();
    ana.assign(&oldest, &ana.id).await.unwrap();
    ana.close(&middle).await.unwrap();
    ana.mark_read(&middle, 2).await.unwrap();
    ana.link(&newest, &customer).await.unwrap();
    let any = pb::ListDialogsRequest::default;
    for (request, expected) in [
        (any(), vec![&newest, &middle, &oldest]),
        (pb::ListDialogsRequest { state: pb::DialogState::Open.into(), ..any() }, vec![&newest, &oldest]),
        (pb::ListDialogsRequest { state: pb::DialogState::Closed.into(), ..any() }, vec![&middle]),
        (pb::ListDialogsRequest { customer_id: customer.clone(), ..any() }, vec![&newest]),
        (pb::ListDialogsRequest { assignee_id: ana.id.clone(), ..any() }, vec![&oldest]),
        (pb::ListDialogsRequest { assignee_id: "-".into(), ..any() }, vec![&newest, &middle]),
        (pb::ListDialogsRequest { channel_id: shop.id.clone(), ..any() }, vec![&middle, &oldest]),
        (pb::ListDialogsRequest { unread: true, ..any() }, vec![&newest, &oldest]),
        (pb::ListDialogsRequest { unread: true, assignee_id: "-".into(), state: 1, ..any() }, vec![&newest]),
        (pb::ListDialogsRequest { channel_id: new_id(), ..any() }, vec![]),
    ] {
        let page = ana.list(request.clone()).await.unwrap();
        let found: Vec<_> = page.dialogs.iter().map(|dialog| &dialog.id).collect();
        assert_eq!(found, expected, "{request:?}");
        assert_eq!(page.total_size, i64::try_from(expected.len()).unwrap(), "{request:?}");
    }
    for (request, field) in [
        (pb::ListDialogsRequest { state: 9, ..any() }, "state"),
        (pb::ListDialogsRequest { customer_id: "x".into(), ..any() }, "customer_id"),
        (pb::ListDialogsRequest { assignee_id: "--".into(), ..any() }, "assignee_id"),
        (pb::ListDialogsRequest { channel_id: "x".into(), ..any() }, "channel_id"),
        (pb::ListDialogsRequest { page_size: -1, ..any() }, "page_size"),
        (pb::ListDialogsRequest { page_token: "x".into(), ..any() }, "page_token"),
    ] {
        assert_eq!(fields(&ana.list(request).await.unwrap_err()), [field]);
    }
}

#[tokio::test]
async fn pages_follow_each_other_also_where_moments_are_the_same() {
    let desk = Desk::new().await;
    let shop = desk.channel("Shop").await;
    let ana = desk.colleague(&COLLEAGUE);
    let mut made = BTreeSet::new();
    for _ in 0..5 {
        made.insert(desk.dialog(&shop).await.1);
    }
    let mut found = Vec::new();
    let mut request = pb::ListDialogsRequest { page_size: 2, ..pb::ListDialogsRequest::default() };
    loop {
        let page = ana.list(request.clone()).await.unwrap();
        assert_eq!(page.total_size, if request.page_token.is_empty() { 5 } else { 0 });
        found.extend(page.dialogs.into_iter().map(|dialog| dialog.id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!((found.len(), found.into_iter().collect::<BTreeSet<_>>()), (5, made));
    request.unread = true;
    assert_eq!(fields(&ana.list(request).await.unwrap_err()), ["page_token"], "a token of another filter");
}

#[tokio::test]
async fn a_dialog_is_read_in_parts_from_either_end() {
    let desk = Desk::new().await;
    let (visitor, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    for n in 3..=6 {
        visitor.say(&n.to_string()).await;
    }
    let ana = desk.colleague(&COLLEAGUE);
    let part = |after, before, page_size| pb::ListDialogMessagesRequest {
        dialog_id: dialog.clone(),
        after,
        before,
        page_size,
    };
    assert_eq!(ana.part(part(0, 0, 2)).await.unwrap(), (vec![5, 6], true), "the newest");
    assert_eq!(ana.part(part(0, 5, 3)).await.unwrap(), (vec![2, 3, 4], true));
    assert_eq!(ana.part(part(0, 4, 3)).await.unwrap(), (vec![1, 2, 3], false));
    assert_eq!(ana.part(part(1, 0, 3)).await.unwrap(), (vec![2, 3, 4], true));
    assert_eq!(ana.part(part(3, 0, 3)).await.unwrap(), (vec![4, 5, 6], false));
    assert_eq!(ana.part(part(6, 0, 3)).await.unwrap(), (vec![], false));
    assert_eq!(fields(&ana.part(part(1, 5, 3)).await.unwrap_err()), ["before"]);
    assert_eq!(fields(&ana.part(part(-1, 0, 3)).await.unwrap_err()), ["after"]);
    let nowhere = pb::ListDialogMessagesRequest { dialog_id: new_id(), ..part(0, 0, 0) };
    assert_eq!(ana.part(nowhere).await.unwrap_err().code, Code::NotFound);
}

#[tokio::test]
async fn a_list_shows_the_beginning_of_a_long_message() {
    let desk = Desk::new().await;
    let (visitor, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    visitor.say(&"Ы".repeat(4_000)).await;
    let ana = desk.colleague(&COLLEAGUE);
    let shown = ana.get(&dialog).await.last_message.unwrap().text;
    assert_eq!((shown.chars().count(), shown.chars().next_back()), (200, Some('…')));
    assert_eq!(ana.entries(&dialog).await[2].text.chars().count(), 4_000);
}

#[tokio::test]
async fn reading_and_writing_need_their_permissions_and_writing_a_person() {
    let desk = Desk::new().await;
    let (_, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    let reader = desk.colleague(&["messaging.dialog.read"]);
    assert_eq!(reader.get(&dialog).await.id, dialog);
    assert_eq!(reader.write(&dialog, "hello").await.unwrap_err().code, Code::PermissionDenied);
    let stranger = desk.colleague(&[]);
    assert_eq!(stranger.list(pb::ListDialogsRequest::default()).await.unwrap_err().code, Code::PermissionDenied);
    let token = desk.harness.issuer.token(ActorKind::ApiKey, &new_id(), &["*"]);
    let mut program = DialogsClient::new(desk.harness.client_as("messaging", &token));
    let request = pb::PostDialogMessageRequest { dialog_id: dialog, text: "beep".into(), client_message_id: new_id() };
    let refused = grpc::error(program.post_dialog_message(request).await.unwrap_err());
    assert_eq!((refused.code, reason(&refused)), (Code::PermissionDenied, "NOT_A_USER"));
}

#[tokio::test]
async fn what_is_wrong_with_an_answer_is_named_and_a_dialog_that_is_not_there_is_not_found() {
    let desk = Desk::new().await;
    let ana = desk.colleague(&COLLEAGUE);
    let refused = ana.write_as("x", "\u{0}", "y").await.unwrap_err();
    assert_eq!(fields(&refused), ["dialog_id", "text", "client_message_id"]);
    let nowhere = desk.database.ids.next::<DialogId>().to_string();
    let answers = [
        ana.write(&nowhere, "hello").await.err(),
        ana.close(&nowhere).await.err(),
        ana.assign(&nowhere, &ana.id).await.err(),
        ana.mark_read(&nowhere, 1).await.err(),
        ana.link(&nowhere, &desk.customer()).await.err(),
    ];
    for answer in answers {
        assert_eq!(answer.unwrap().code, Code::NotFound);
    }
}
