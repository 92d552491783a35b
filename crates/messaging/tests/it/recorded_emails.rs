//! Letters that another system sent are recorded as they were, and never sent.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::SendState;
use clientele_contracts::platform::v1::{ExternalReference, UpsertOutcome};
use clientele_kernel::Code;
use clientele_platform::grpc;
use clientele_testkit::SmtpServer;

use crate::post::{Person, Post, fields, new_id};

fn entry(person: &Person, external_id: &str) -> pb::ImportedEmail {
    pb::ImportedEmail {
        reference: Some(ExternalReference { source: "mailer".into(), external_id: external_id.into() }),
        customer_id: person.id.clone(),
        to_address: "ANA@example.com".into(),
        from_address: "shop@example.com".into(),
        subject: "thanks".into(),
        text: "line\r\nline".into(),
        purpose: pb::Purpose::Marketing.into(),
        sent_at: Some("2024-05-01T10:00:00Z".parse().unwrap()),
    }
}

async fn import(post: &Post, entries: Vec<pb::ImportedEmail>) -> Vec<pb::ImportResult> {
    let request = pb::BatchImportEmailsRequest { entries, request_id: String::new() };
    post.emails().batch_import_emails(request).await.unwrap().into_inner().results
}

#[tokio::test]
async fn letters_of_another_system_are_recorded_once_and_never_sent() {
    let server = SmtpServer::good().await;
    let post = Post::sending(&server, &[]).await;
    let ana = post.person("Ana", &["ana@example.com"]);
    let entries: Vec<_> = (0..200).map(|n| entry(&ana, &n.to_string())).collect();
    let results = import(&post, entries.clone()).await;
    assert!(results.iter().all(|result| result.outcome() == UpsertOutcome::Created));
    let again = import(&post, entries).await;
    assert!(again.iter().zip(&results).all(|(a, b)| a.outcome() == UpsertOutcome::Unchanged && a.id == b.id));

    let email = post.get(&results[7].id).await;
    assert_eq!(
        (email.state(), email.purpose(), email.text.as_str()),
        (SendState::Sent, pb::Purpose::Marketing, "line\nline")
    );
    assert_eq!((email.contact_point_id.as_str(), email.created_at), (ana.emails[0].as_str(), email.settled_at));
    assert_eq!(email.reference.unwrap().external_id, "7");
    let events = post.events().await;
    assert_eq!(events.len(), 200, "a repetition tells nobody anything");
    assert!(events.iter().all(|event| event.occurred_at == Some("2024-05-01T10:00:00Z".parse().unwrap())));
    assert_eq!((server.connections(), post.neighbours.lock().asked.len()), (0, 0));
}

#[tokio::test]
async fn a_wrong_entry_is_refused_and_the_others_are_recorded() {
    let post = Post::capturing().await;
    let ana = post.person("Ana", &["ana@example.com"]);
    import(&post, vec![entry(&ana, "known")]).await;
    let results = import(
        &post,
        vec![
            entry(&ana, "good"),
            pb::ImportedEmail { customer_id: new_id(), ..entry(&ana, "a") },
            pb::ImportedEmail { sent_at: Some("2031-01-01T00:00:00Z".parse().unwrap()), ..entry(&ana, "b") },
            pb::ImportedEmail { reference: None, to_address: "x".into(), text: "\0".into(), ..entry(&ana, "c") },
            entry(&ana, "good"),
            pb::ImportedEmail { text: "something else".into(), ..entry(&ana, "known") },
        ],
    )
    .await;
    assert_eq!(results[0].outcome(), UpsertOutcome::Created);
    let wrong: Vec<Vec<&str>> = results[1..]
        .iter()
        .map(|result| {
            assert_eq!(result.outcome(), UpsertOutcome::Refused);
            result.violations.iter().map(|violation| violation.field.as_str()).collect()
        })
        .collect();
    let expected: [&[&str]; 5] = [
        &["customer_id"],
        &["sent_at"],
        &["reference.source", "reference.external_id", "to_address", "text"],
        &["reference"],
        &["reference"],
    ];
    assert_eq!(wrong, expected);
    let request = pb::BatchImportEmailsRequest { entries: vec![entry(&ana, "x"); 201], request_id: String::new() };
    let error = grpc::error(post.emails().batch_import_emails(request).await.unwrap_err());
    assert_eq!((error.code, fields(&error).as_slice()), (Code::InvalidArgument, ["entries"].as_slice()));
}
