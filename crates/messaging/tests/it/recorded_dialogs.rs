//! Dialogs that another system held.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::emails_client::EmailsClient;
use clientele_contracts::platform::v1::ExternalReference;
use clientele_contracts::platform::v1::UpsertOutcome::{Created, Refused, Unchanged};
use clientele_kernel::Code;
use clientele_platform::grpc;
use prost_types::Timestamp;

use crate::desk::{COLLEAGUE, Colleague, Desk, fields, new_id, reason};

const IMPORTER: [&str; 3] = ["messaging.dialog.read", "messaging.dialog.write", "messaging.dialog.import"];

fn message(from_customer: bool, text: &str, at: &str) -> pb::ImportedDialogMessage {
    let created_at = Some(at.parse::<Timestamp>().unwrap());
    pb::ImportedDialogMessage { from_customer, text: text.into(), created_at }
}

fn held(channel: &pb::Channel, customer: &str, external_id: &str) -> pb::ImportedDialog {
    pb::ImportedDialog {
        reference: Some(ExternalReference { source: "chat".into(), external_id: external_id.into() }),
        channel_id: channel.id.clone(),
        customer_id: customer.into(),
        messages: vec![
            message(true, "where is my order?", "2025-03-01T10:00:00Z"),
            message(false, "on its way", "2025-03-01T10:05:00Z"),
        ],
    }
}

async fn correspondents(colleague: &Colleague, ids: &[&String]) -> Vec<String> {
    let customer_ids = ids.iter().map(|&id| id.clone()).collect();
    let request = pb::FindCorrespondentsRequest { customer_ids };
    colleague.dialogs.clone().find_correspondents(request).await.unwrap().into_inner().customer_ids
}

#[tokio::test]
async fn a_recorded_dialog_is_closed_read_and_of_its_own_time() {
    let desk = Desk::new().await;
    let (shop, customer) = (desk.channel("Shop").await, desk.customer());
    let importer = desk.colleague(&IMPORTER);
    let results = importer.import(vec![held(&shop, &customer, "1")]).await.unwrap();
    assert_eq!(results[0].outcome(), Created);
    let dialog = importer.get(&results[0].id).await;
    assert_eq!((dialog.state(), dialog.unread_count, dialog.message_count), (pb::DialogState::Closed, 0, 4));
    assert_eq!((dialog.customer_id.as_str(), dialog.assignee_id.as_str()), (customer.as_str(), ""));
    assert_eq!(dialog.opened_at, Some("2025-03-01T10:00:00Z".parse().unwrap()));
    assert_eq!(dialog.last_message_at, Some("2025-03-01T10:05:00Z".parse().unwrap()));
    let entries = importer.entries(&dialog.id).await;
    let texts: Vec<&str> = entries.iter().map(|entry| entry.text.as_str()).collect();
    assert_eq!(texts, ["", "where is my order?", "on its way", ""]);
    let event = desk.events_of(&dialog.id).await.remove(0);
    assert_eq!((event.customer_id, event.occurred_at), (customer, dialog.last_message_at));
}

#[tokio::test]
async fn what_nobody_would_get_cannot_be_written_into_a_recorded_dialog() {
    let desk = Desk::new().await;
    let (shop, customer) = (desk.channel("Shop").await, desk.customer());
    let importer = desk.colleague(&IMPORTER);
    let id = importer.import(vec![held(&shop, &customer, "1")]).await.unwrap().remove(0).id;
    let before = importer.get(&id).await;
    let refused = importer.write(&id, "did it arrive?").await.unwrap_err();
    assert_eq!((refused.code, reason(&refused)), (Code::FailedPrecondition, "DIALOG_HAS_NO_RECIPIENT"));
    assert_eq!(importer.get(&id).await, before, "it is neither open nor somebody's");
}

#[tokio::test]
async fn a_repeated_batch_changes_nothing_and_other_content_is_refused() {
    let desk = Desk::new().await;
    let (shop, customer) = (desk.channel("Shop").await, desk.customer());
    let importer = desk.colleague(&IMPORTER);
    let batch = vec![held(&shop, &customer, "2"), held(&shop, &customer, "1")];
    let first = importer.import(batch.clone()).await.unwrap();
    importer.assign(&first[0].id, &importer.id).await.unwrap();
    let events = desk.events().await.len();
    let again = importer.import(batch).await.unwrap();
    assert!(again.iter().all(|result| result.outcome() == Unchanged));
    assert_eq!([&again[0].id, &again[1].id], [&first[0].id, &first[1].id]);
    let mut other = held(&shop, &customer, "1");
    other.messages[1].text = "lost, sorry".into();
    let refused = importer.import(vec![other]).await.unwrap().remove(0);
    assert_eq!((refused.outcome(), refused.violations[0].field.as_str()), (Refused, "reference"));
    assert_eq!(desk.events().await.len(), events, "nothing was written");
}

#[tokio::test]
async fn wrong_entries_are_refused_one_by_one_and_the_others_are_written() {
    let desk = Desk::new().await;
    let (shop, customer) = (desk.channel("Shop").await, desk.customer());
    let importer = desk.colleague(&IMPORTER);
    let good = |external_id: &str| held(&shop, &customer, external_id);
    let with = |external_id: &str, messages| pb::ImportedDialog { messages, ..good(external_id) };
    let entries = vec![
        good("1"),
        pb::ImportedDialog { reference: None, ..good("") },
        pb::ImportedDialog { channel_id: new_id(), customer_id: new_id(), ..good("3") },
        pb::ImportedDialog { channel_id: "x".into(), customer_id: "y".into(), ..good("4") },
        with("5", vec![]),
        with("6", vec![message(true, "a\u{0}b", "2025-03-01T10:00:00Z"), message(true, "x", "2025-03-01T09:59:59Z")]),
        with("7", vec![message(true, "from the future", "2026-01-15T10:00:01Z")]),
        with("8", vec![pb::ImportedDialogMessage { from_customer: true, text: "when?".into(), created_at: None }]),
        with("9", vec![message(false, "x", "2025-03-01T10:00:00Z"); 501]),
        good("1"),
    ];
    let results = importer.import(entries).await.unwrap();
    let wrong: Vec<Vec<&str>> =
        results.iter().map(|result| result.violations.iter().map(|v| v.field.as_str()).collect()).collect();
    let expected: [&[&str]; 10] = [
        &[],
        &["reference"],
        &["channel_id", "customer_id"],
        &["channel_id", "customer_id"],
        &["messages"],
        &["messages[0].text", "messages[1].created_at"],
        &["messages[0].created_at"],
        &["messages[0].created_at"],
        &["messages"],
        &["reference"],
    ];
    assert_eq!(wrong, expected);
    assert_eq!(results[0].outcome(), Created);
    assert!(results[1..].iter().all(|result| result.outcome() == Refused && result.id.is_empty()));
}

#[tokio::test]
async fn a_batch_has_a_bound_and_needs_its_permission_and_customers_to_be_there() {
    let desk = Desk::new().await;
    let (shop, customer) = (desk.channel("Shop").await, desk.customer());
    let importer = desk.colleague(&IMPORTER);
    let many = (0..51).map(|n| held(&shop, &customer, &n.to_string())).collect();
    assert_eq!(fields(&importer.import(many).await.unwrap_err()), ["entries"]);
    assert_eq!(fields(&importer.import(vec![]).await.unwrap_err()), ["entries"]);
    let batch = vec![held(&shop, &customer, "1")];
    let stranger = desk.colleague(&COLLEAGUE);
    assert_eq!(stranger.import(batch.clone()).await.unwrap_err().code, Code::PermissionDenied);
    desk.harness.host.network.remove("customers");
    let refused = importer.import(batch).await.unwrap_err();
    assert_eq!((refused.code, reason(&refused)), (Code::Unavailable, "CUSTOMERS_UNAVAILABLE"));
}

#[tokio::test]
async fn a_full_batch_of_full_dialogs_is_taken_and_two_at_once_write_it_once() {
    let desk = Desk::new().await;
    let (shop, customer) = (desk.channel("Shop").await, desk.customer());
    let importer = desk.colleague(&IMPORTER);
    let messages: Vec<_> =
        (0..500).map(|n| message(n % 2 == 0, &format!("message {n}"), "2025-03-01T10:00:00Z")).collect();
    let batch: Vec<_> = (0..50)
        .map(|n| pb::ImportedDialog { messages: messages.clone(), ..held(&shop, &customer, &n.to_string()) })
        .collect();
    let backwards: Vec<_> = batch.iter().rev().cloned().collect();
    let (one, other) = tokio::join!(importer.import(batch), importer.import(backwards));
    let (one, mut other) = (one.unwrap(), other.unwrap());
    other.reverse();
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one.id, other.id);
        let mut outcomes = [one.outcome(), other.outcome()];
        outcomes.sort();
        assert_eq!(outcomes, [Created, Unchanged]);
    }
    assert_eq!(importer.entries(&one[7].id).await.len(), 502);
}

#[tokio::test]
async fn a_request_with_an_id_gets_the_answer_it_got_before() {
    let desk = Desk::new().await;
    let (shop, customer) = (desk.channel("Shop").await, desk.customer());
    let mut client = desk.colleague(&IMPORTER).dialogs;
    let entries = vec![held(&shop, &customer, "1")];
    let request = pb::BatchImportDialogsRequest { entries, request_id: "batch-1".into() };
    let first = client.batch_import_dialogs(request.clone()).await.unwrap().into_inner();
    let again = client.batch_import_dialogs(request).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert_eq!(again.results[0].outcome(), Created);
    let request = pb::BatchImportDialogsRequest { entries: vec![], request_id: "batch-2".into() };
    assert!(client.batch_import_dialogs(request).await.is_err());
}

#[tokio::test]
async fn correspondents_are_those_with_whom_there_are_dialogs_or_letters() {
    let desk = Desk::new().await;
    let shop = desk.channel("Shop").await;
    let (written, linked, silent) = (desk.customer(), desk.customer(), desk.customer());
    let importer = desk.colleague(&IMPORTER);
    importer.import(vec![held(&shop, &written, "1")]).await.unwrap();
    let (_, dialog) = desk.dialog(&shop).await;
    importer.link(&dialog, &linked).await.unwrap();
    let lettered = desk.customer();
    let letter = pb::ImportedEmail {
        reference: Some(ExternalReference { source: "mail".into(), external_id: "1".into() }),
        customer_id: lettered.clone(),
        to_address: "ana@example.com".into(),
        from_address: "shop@example.com".into(),
        subject: "Your order".into(),
        text: "It is on its way".into(),
        sent_at: Some("2025-03-01T10:00:00Z".parse().unwrap()),
        ..pb::ImportedEmail::default()
    };
    let mut letters = EmailsClient::new(desk.harness.client("messaging", &["*"]));
    let request = pb::BatchImportEmailsRequest { entries: vec![letter], request_id: String::new() };
    let results = letters.batch_import_emails(request).await.unwrap().into_inner().results;
    assert_eq!(results[0].outcome(), Created);
    let found = correspondents(&importer, &[&silent, &linked, &written, &lettered, &linked]).await;
    assert_eq!(found, [linked, written, lettered]);
    let customer_ids = vec![silent; 501];
    let many = pb::FindCorrespondentsRequest { customer_ids };
    let refused = grpc::error(importer.dialogs.clone().find_correspondents(many).await.unwrap_err());
    assert_eq!(fields(&refused), ["customer_ids"]);
}
