//! What visitors of a page can do, and what they cannot however they try.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use clientele_contracts::messaging::v1 as pb;
use clientele_kernel::{Code, Origin};
use clientele_platform::grpc;
use clientele_testkit::eventually;
use futures::future::join_all;

use crate::desk::{COLLEAGUE, Desk, Visitor, fields, new_id, reason};

#[tokio::test]
async fn a_visitor_is_recognised_by_the_secret_and_finds_the_dialog_again() {
    let desk = Desk::new().await;
    let greeting = pb::Channel { name: "Shop".into(), greeting: "Hello!".into(), ..pb::Channel::default() };
    let channel = desk.create(greeting).await.unwrap();
    let visitor = desk.visitor(&channel).await;
    let first = visitor.come_back("").await.unwrap();
    assert_eq!((first.visitor_secret.as_str(), first.greeting.as_str()), (visitor.secret.as_str(), "Hello!"));
    assert_eq!((first.channel_name.as_str(), first.dialog_id.as_str(), first.last_sequence), ("Shop", "", 0));
    assert_eq!(visitor.read(0).await, pb::ListVisitorMessagesResponse::default(), "nothing was said yet");
    visitor.say("hello").await;
    let again = visitor.come_back("").await.unwrap();
    assert_eq!(again.visitor_secret, visitor.secret);
    assert_eq!((again.dialog_id, again.last_sequence), (visitor.read(0).await.dialog_id, 2));
}

#[tokio::test]
async fn a_first_message_opens_one_dialog_that_the_team_sees_as_unread() {
    let desk = Desk::new().await;
    let channel = desk.channel("Shop").await;
    let visitor = desk.visitor(&channel).await;
    let request = pb::PostVisitorMessageRequest {
        name: " Ana ".into(),
        email: "ana@example.com".into(),
        ..visitor.message("where is my order?")
    };
    let message = visitor.post(request).await.unwrap();
    assert_eq!((message.sequence, message.kind()), (2, pb::DialogMessageKind::Customer));
    let colleague = desk.colleague(&COLLEAGUE);
    let dialog = colleague.get(&visitor.read(0).await.dialog_id).await;
    assert_eq!((dialog.channel_id, dialog.channel_name.as_str()), (channel.id, "Shop"));
    assert_eq!((dialog.visitor_name.as_str(), dialog.visitor_email.as_str()), ("Ana", "ana@example.com"));
    assert_eq!((dialog.unread_count, dialog.last_sequence, dialog.message_count), (1, 2, 2));
    assert_eq!(dialog.last_message.unwrap().text, "where is my order?");
    let notes: Vec<_> = colleague.entries(&dialog.id).await.iter().map(pb::DialogMessage::note).collect();
    assert_eq!(notes, [pb::DialogNote::Opened, pb::DialogNote::Unspecified]);
    let event = desk.events_of(&dialog.id).await.remove(0);
    assert_eq!(event.origin(), clientele_platform::proto::origin(Origin::Channel));
}

#[tokio::test]
async fn a_message_sent_twice_is_one_and_an_id_is_not_used_for_another() {
    let desk = Desk::new().await;
    let visitor = desk.visitor(&desk.channel("Shop").await).await;
    let request = visitor.message("hello");
    let first = visitor.post(request.clone()).await.unwrap();
    assert_eq!(visitor.post(request.clone()).await.unwrap(), first);
    let other = pb::PostVisitorMessageRequest { text: "good bye".into(), ..request };
    let refused = visitor.post(other).await.unwrap_err();
    assert_eq!((refused.code, reason(&refused)), (Code::FailedPrecondition, "CLIENT_MESSAGE_ID_REUSED"));
    assert_eq!(fields(&refused), ["client_message_id"]);
    assert_eq!(visitor.read(0).await.messages, [first]);
}

#[tokio::test]
async fn first_messages_sent_at_once_open_one_dialog_with_dense_numbers() {
    let desk = Desk::new().await;
    let visitor = desk.visitor(&desk.channel("Shop").await).await;
    let repeated = visitor.message("twice");
    let mut requests: Vec<_> = (0..10).map(|n| visitor.message(&format!("message {n}"))).collect();
    requests.extend([repeated.clone(), repeated]);
    let answers = join_all(requests.into_iter().map(|request| visitor.post(request))).await;
    let sequences: BTreeSet<i64> = answers.into_iter().map(|answer| answer.unwrap().sequence).collect();
    assert_eq!(sequences, (2..=12).collect::<BTreeSet<i64>>());
    let read = visitor.read(0).await;
    assert_eq!(read.messages.iter().map(|message| message.sequence).collect::<BTreeSet<_>>(), sequences);
    assert_eq!(desk.events_of(&read.dialog_id).await.len(), 11);
}

/// What each public method says of a door.
async fn knock(desk: &Desk, site_key: &str, secret: &str, page_origin: &str) -> [Option<clientele_kernel::Error>; 3] {
    let mut client = desk.visitors();
    let (site_key, visitor_secret, page_origin) = (site_key.to_owned(), secret.to_owned(), page_origin.to_owned());
    let start = pb::StartVisitRequest {
        site_key: site_key.clone(),
        visitor_secret: visitor_secret.clone(),
        page_origin: page_origin.clone(),
    };
    let list = pb::ListVisitorMessagesRequest {
        site_key: site_key.clone(),
        visitor_secret: visitor_secret.clone(),
        page_origin: page_origin.clone(),
        ..pb::ListVisitorMessagesRequest::default()
    };
    let post = pb::PostVisitorMessageRequest {
        site_key,
        visitor_secret,
        page_origin,
        client_message_id: new_id(),
        text: "knock knock".into(),
        ..pb::PostVisitorMessageRequest::default()
    };
    [
        client.start_visit(start).await.err().map(grpc::error),
        client.post_visitor_message(post).await.err().map(grpc::error),
        client.list_visitor_messages(list).await.err().map(grpc::error),
    ]
}

#[tokio::test]
async fn an_unknown_channel_and_one_switched_off_are_not_there() {
    let desk = Desk::new().await;
    let channel = desk.channel("Shop").await;
    let visitor = desk.visitor(&channel).await;
    let request = pb::UpdateChannelRequest {
        channel: Some(pb::Channel { active: false, ..channel.clone() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["active".into()] }),
        request_id: String::new(),
    };
    desk.channels().update_channel(request).await.unwrap();
    for site_key in [channel.site_key.as_str(), "nonsense", "", "\u{0}"] {
        for error in knock(&desk, site_key, &visitor.secret, "").await {
            assert_eq!(error.unwrap().code, Code::NotFound, "{site_key:?}");
        }
    }
}

#[tokio::test]
async fn only_pages_of_the_channel_s_origins_are_let_in() {
    let desk = Desk::new().await;
    let channel = pb::Channel {
        name: "Shop".into(),
        allowed_origins: vec!["https://shop.example".into(), "http://localhost:3000".into()],
        ..pb::Channel::default()
    };
    let channel = desk.create(channel).await.unwrap();
    let site_key = channel.site_key.as_str();
    let start = pb::StartVisitRequest {
        site_key: site_key.into(),
        page_origin: "https://shop.example".into(),
        ..pb::StartVisitRequest::default()
    };
    let secret = desk.visitors().start_visit(start).await.unwrap().into_inner().visitor_secret;
    for foreign in ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null", ""] {
        for error in knock(&desk, site_key, &secret, foreign).await {
            let error = error.unwrap();
            assert_eq!((error.code, reason(&error)), (Code::PermissionDenied, "ORIGIN_NOT_ALLOWED"), "{foreign}");
        }
    }
    for own in ["https://shop.example", "http://localhost:3000"] {
        assert!(knock(&desk, site_key, &secret, own).await.iter().all(Option::is_none), "{own}");
    }
}

#[tokio::test]
async fn a_secret_opens_the_visitor_s_own_dialog_and_nothing_else() {
    let desk = Desk::new().await;
    let (shop, blog) = (desk.channel("Shop").await, desk.channel("Blog").await);
    let (visitor, dialog) = desk.dialog(&shop).await;
    let made_up = format!("clv_{}", "A".repeat(43));
    for wrong in ["", "nonsense", "clv_", made_up.as_str(), &visitor.secret.to_lowercase()] {
        let [start, post, list] = knock(&desk, &shop.site_key, wrong, "").await;
        assert!(start.is_none(), "a new visit begins");
        for error in [post, list] {
            let error = error.unwrap();
            assert_eq!((error.code, reason(&error)), (Code::Unauthenticated, "VISITOR_UNKNOWN"), "{wrong}");
        }
    }
    let [start, post, list] = knock(&desk, &blog.site_key, &visitor.secret, "").await;
    assert!(start.is_none() && [post, list].into_iter().all(|error| error.unwrap().code == Code::Unauthenticated));
    let elsewhere = Visitor { site_key: blog.site_key, ..visitor.clone() }.come_back("").await.unwrap();
    assert!(elsewhere.visitor_secret != visitor.secret && elsewhere.dialog_id.is_empty());
    let other = desk.visitor(&shop).await;
    other.say("me too").await;
    assert_ne!(other.read(0).await.dialog_id, dialog);
    assert_eq!(visitor.read(0).await.messages.len(), 1, "nobody else has written in it");
}

#[tokio::test]
async fn secrets_are_kept_as_hashes_only() {
    let desk = Desk::new().await;
    let visitor = desk.visitor(&desk.channel("Shop").await).await;
    let mut conn = desk.database.superuser().await;
    let rows: Vec<String> =
        sqlx::query_scalar("select visitor::text from messaging.visitor").fetch_all(&mut conn).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(!rows[0].contains(&visitor.secret) && !rows[0].contains(&visitor.secret[4..]));
}

#[tokio::test]
async fn hostile_input_is_refused_by_its_field_and_any_script_is_kept() {
    let desk = Desk::new().await;
    let visitor = desk.visitor(&desk.channel("Shop").await).await;
    let good = visitor.message("hello");
    for (request, field) in [
        (pb::PostVisitorMessageRequest { text: "a\u{0}b".into(), ..good.clone() }, "text"),
        (pb::PostVisitorMessageRequest { text: " \n ".into(), ..good.clone() }, "text"),
        (pb::PostVisitorMessageRequest { text: "😀".repeat(4_001), ..good.clone() }, "text"),
        (pb::PostVisitorMessageRequest { client_message_id: "1".into(), ..good.clone() }, "client_message_id"),
        (pb::PostVisitorMessageRequest { client_message_id: String::new(), ..good.clone() }, "client_message_id"),
        (pb::PostVisitorMessageRequest { name: "n".repeat(101), ..good.clone() }, "name"),
        (pb::PostVisitorMessageRequest { name: "a\nb".into(), ..good.clone() }, "name"),
        (pb::PostVisitorMessageRequest { email: "ana@nowhere".into(), ..good.clone() }, "email"),
        (pb::PostVisitorMessageRequest { email: format!("{}@example.com", "a".repeat(250)), ..good.clone() }, "email"),
    ] {
        let refused = visitor.post(request).await.unwrap_err();
        assert_eq!((refused.code, fields(&refused)), (Code::InvalidArgument, vec![field]));
    }
    assert_eq!(fields(&visitor.try_read(-1).await.unwrap_err()), ["after"]);
    assert_eq!(visitor.read(0).await.dialog_id, "", "nothing of it opened a dialog");
    let texts = ["😀".repeat(4_000), "שלום, איפה ההזמנה?".into(), "👩‍👩‍👧‍👦\u{202e}abc".into(), "'; drop table x; --".into()];
    for text in &texts {
        visitor.say(text).await;
    }
    let read: Vec<String> = visitor.read(0).await.messages.into_iter().map(|message| message.text).collect();
    assert_eq!(read, texts);
}

#[tokio::test]
async fn the_twenty_first_message_of_a_minute_has_to_wait() {
    let desk = Desk::new().await;
    let visitor = desk.visitor(&desk.channel("Shop").await).await;
    let first = visitor.message("0");
    visitor.post(first.clone()).await.unwrap();
    desk.database.clock.advance(TimeDelta::seconds(30));
    let answers = join_all((1..25).map(|n| visitor.post(visitor.message(&n.to_string())))).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 5, "however they come");
    for error in refused {
        assert_eq!((error.code, reason(error)), (Code::ResourceExhausted, "TOO_MANY_MESSAGES"));
        assert_eq!(error.retry_after, Some(std::time::Duration::from_secs(30)));
    }
    assert!(visitor.post(first).await.is_ok(), "a repetition is no further message");
    desk.database.clock.advance(TimeDelta::seconds(30));
    visitor.say("the first is a minute old").await;
    assert!(visitor.post(visitor.message("but not the second")).await.is_err());
    assert_eq!(visitor.read(0).await.messages.len(), 21);
}

#[tokio::test]
async fn a_flood_of_new_visitors_ends_and_those_who_are_known_come_back_all_the_same() {
    let desk = Desk::new().await;
    let channel = desk.channel("Shop").await;
    let known = desk.visitor(&channel).await;
    let mut conn = desk.database.superuser().await;
    sqlx::query("update messaging.channel_visits set visits = 599").execute(&mut conn).await.unwrap();
    let last = Visitor { secret: String::new(), ..known.clone() };
    last.come_back("").await.unwrap();
    let refused = last.come_back("").await.unwrap_err();
    assert_eq!((refused.code, reason(&refused)), (Code::ResourceExhausted, "TOO_MANY_VISITS"));
    assert!(refused.retry_after.is_some());
    assert_eq!(known.come_back("").await.unwrap().visitor_secret, known.secret);
    desk.visitor(&desk.channel("Blog").await).await;
    desk.database.clock.advance(TimeDelta::minutes(1));
    last.come_back("").await.unwrap();
}

#[tokio::test]
async fn a_visitor_reads_what_was_said_in_parts_and_nothing_of_who_did_what() {
    let desk = Desk::new().await;
    let (visitor, dialog) = desk.dialog(&desk.channel("Shop").await).await;
    let colleague = desk.colleague(&COLLEAGUE);
    colleague.write(&dialog, "good day").await.unwrap();
    colleague.close(&dialog).await.unwrap();
    visitor.say("thanks").await;
    let all = visitor.read(0).await;
    let said: Vec<_> = all.messages.iter().map(|message| (message.sequence, message.text.as_str())).collect();
    assert_eq!(said, [(2, "hello"), (4, "good day"), (7, "thanks")]);
    assert_eq!(all.messages[1].client_message_id, "", "a colleague's own id is theirs");
    let mut request = pb::ListVisitorMessagesRequest {
        site_key: visitor.site_key.clone(),
        visitor_secret: visitor.secret.clone(),
        page_size: 2,
        ..pb::ListVisitorMessagesRequest::default()
    };
    let page = desk.visitors().list_visitor_messages(request.clone()).await.unwrap().into_inner();
    assert!(page.more && page.messages == all.messages[..2]);
    request.after = 4;
    let page = desk.visitors().list_visitor_messages(request).await.unwrap().into_inner();
    assert!(!page.more && page.messages == all.messages[2..]);
}

#[tokio::test]
async fn a_visitor_who_never_wrote_is_forgotten_after_a_month() {
    let desk = Desk::new().await;
    let channel = desk.channel("Shop").await;
    let silent = desk.visitor(&channel).await;
    let (talking, dialog) = desk.dialog(&channel).await;
    desk.database.clock.advance(TimeDelta::days(31));
    // What clears away works when a replica starts.
    desk.start().await;
    eventually("the silent visitor is forgotten", || async {
        (silent.try_read(0).await.err()?.code == Code::Unauthenticated).then_some(())
    })
    .await;
    assert_eq!(talking.come_back("").await.unwrap().dialog_id, dialog);
    assert_ne!(silent.come_back("").await.unwrap().visitor_secret, silent.secret, "a new visit begins");
}
