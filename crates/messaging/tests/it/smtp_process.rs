//! A conversation with a mail server that is a process of its own and knows nothing of us.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::SendState;
use clientele_testkit::MailServer;

use crate::post::{Post, letter, to_port};

#[tokio::test]
async fn a_letter_reaches_a_real_mail_server_with_both_its_parts() {
    let server = MailServer::start().await;
    let number = server.port().to_string();
    let keys = [&to_port(&number)[..], &[("FROM_NAME", "Bücher"), ("REPLY_TO", "answers@example.com")]].concat();
    let post = Post::new(&keys).await;
    let ana = post.person("Ana", &["ana@example.com"]);
    let request = pb::SendEmailRequest {
        html: "<p>Hello <b>{{ customer.name }}</b></p>".into(),
        text: "Hello {{ customer.name }}\n.\n..two dots\n".into(),
        ..letter(&ana, "Ваш заказ")
    };
    let email = post.settled(&post.try_send(request).await.unwrap().id).await;
    assert_eq!(email.state(), SendState::Sent, "{}", email.detail);
    let letters = server.letters();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    for part in [
        "X-MailFrom: crm@example.com",
        "X-RcptTo: ana@example.com",
        "To: ana@example.com",
        "Reply-To: answers@example.com",
        "Auto-Submitted: no",
        "multipart/alternative",
        "<p>Hello <b>Ana</b></p>",
        "\n.\n..two dots\n",
        &format!("Message-ID: <{}>", email.message_id),
    ] {
        assert!(letter.contains(part), "{part} is missing in {letter}");
    }
}

#[tokio::test]
async fn a_server_that_demands_starttls_and_a_user_gets_both() {
    let server = MailServer::start_with(true, Some(("crm", "correct horse"))).await;
    let number = server.port().to_string();
    let authority = server.authority().unwrap().to_str().unwrap().to_owned();
    let keys = [
        ("SMTP_HOST", "127.0.0.1"),
        ("SMTP_PORT", number.as_str()),
        ("SMTP_TLS", "starttls"),
        ("SMTP_CA_FILE", authority.as_str()),
        ("SMTP_USER", "crm"),
        ("SMTP_PASSWORD", "correct horse"),
    ];
    let post = Post::new(&keys).await;
    let ana = post.person("Ana", &["ana@example.com"]);
    let email = post.settled(&post.send(&ana, "sealed").await.id).await;
    assert_eq!(email.state(), SendState::Sent, "{}", email.detail);
    assert_eq!(server.letters().len(), 1);
}

#[tokio::test]
async fn a_wrong_password_or_a_certificate_of_somebody_else_sends_nothing_and_the_letter_waits() {
    let server = MailServer::start_with(true, Some(("crm", "correct horse"))).await;
    let number = server.port().to_string();
    let authority = server.authority().unwrap().to_str().unwrap().to_owned();
    for (authority, password, said) in [(authority.as_str(), "wrong", "AUTH: 535"), ("", "correct horse", "STARTTLS: ")]
    {
        let keys = [
            ("SMTP_HOST", "127.0.0.1"),
            ("SMTP_PORT", number.as_str()),
            ("SMTP_TLS", "starttls"),
            ("SMTP_CA_FILE", authority),
            ("SMTP_USER", "crm"),
            ("SMTP_PASSWORD", password),
        ];
        let post = Post::new(&keys).await;
        let ana = post.person("Ana", &["ana@example.com"]);
        let email = post.send(&ana, "sealed").await;
        let email = post.when(&email.id, "it was tried", |email| !email.detail.is_empty()).await;
        assert_eq!(email.state(), SendState::Queued, "{}", email.detail);
        assert!(email.detail.starts_with(said) && !email.detail.contains("horse"), "{}", email.detail);
    }
    assert_eq!(server.letters().len(), 0);
}

#[tokio::test]
async fn a_server_without_starttls_is_told_nothing_where_starttls_is_demanded() {
    let server = MailServer::start().await;
    let number = server.port().to_string();
    let post = Post::new(&[("SMTP_HOST", "127.0.0.1"), ("SMTP_PORT", &number)]).await;
    let ana = post.person("Ana", &["ana@example.com"]);
    let email = post.send(&ana, "secret").await;
    let email = post.when(&email.id, "it was tried", |email| !email.detail.is_empty()).await;
    assert_eq!((email.state(), server.letters().len()), (SendState::Queued, 0), "{}", email.detail);
}
