//! The ledger is listed, newest first.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::SendState;
use clientele_kernel::Code;
use clientele_platform::grpc;
use clientele_testkit::SmtpServer;
use clientele_testkit::smtp::{Act, Step};

use crate::post::{Post, new_id};

async fn all(post: &Post, request: pb::ListEmailsRequest) -> (Vec<String>, i64) {
    let (mut ids, mut page_token, mut total) = (Vec::new(), String::new(), None);
    loop {
        let request = pb::ListEmailsRequest { page_size: 2, page_token, ..request.clone() };
        let page = post.emails().list_emails(request).await.unwrap().into_inner();
        total.get_or_insert(page.total_size);
        assert!(page.emails.iter().all(|email| email.text.is_empty() && email.html.is_empty()));
        ids.extend(page.emails.into_iter().map(|email| email.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return (ids, total.unwrap());
        }
    }
}

#[tokio::test]
async fn letters_are_listed_by_customer_and_state_page_by_page() {
    let server = SmtpServer::scripted(|scene| {
        if scene.step == Step::Recipient && scene.recipient == "bob@example.com" { Act::Say("550 no") } else { Act::Go }
    })
    .await;
    let post = Post::sending(&server, &[]).await;
    let (ana, bob) = (post.person("Ana", &["ana@example.com"]), post.person("Bob", &["bob@example.com"]));
    let (mut to_ana, mut to_bob) = (Vec::new(), Vec::new());
    for n in 0..5 {
        let (person, ids) = if n % 2 == 0 { (&ana, &mut to_ana) } else { (&bob, &mut to_bob) };
        let email = post.send(person, "hello").await;
        post.settled(&email.id).await;
        ids.insert(0, email.id);
        post.database.clock.advance(chrono::TimeDelta::seconds(1));
    }
    let every = vec![&to_ana[0], &to_bob[0], &to_ana[1], &to_bob[1], &to_ana[2]];
    let every: Vec<String> = every.into_iter().cloned().collect();
    let of = |customer_id: &str, states: &[SendState]| pb::ListEmailsRequest {
        customer_id: customer_id.into(),
        states: states.iter().map(|state| (*state).into()).collect(),
        ..pb::ListEmailsRequest::default()
    };
    assert_eq!(all(&post, of("", &[])).await, (every.clone(), 5));
    assert_eq!(all(&post, of(&ana.id, &[])).await, (to_ana.clone(), 3));
    assert_eq!(all(&post, of("", &[SendState::Failed])).await, (to_bob.clone(), 2));
    assert_eq!(all(&post, of("", &[SendState::Failed, SendState::Sent, SendState::Failed])).await, (every, 5));
    assert_eq!(all(&post, of(&bob.id, &[SendState::Sent])).await, (Vec::new(), 0));

    let wrong = [
        pb::ListEmailsRequest { customer_id: "x".into(), ..pb::ListEmailsRequest::default() },
        pb::ListEmailsRequest { states: vec![0], ..pb::ListEmailsRequest::default() },
        pb::ListEmailsRequest { states: vec![77], ..pb::ListEmailsRequest::default() },
        pb::ListEmailsRequest { page_size: -1, ..pb::ListEmailsRequest::default() },
        pb::ListEmailsRequest { page_token: "nonsense".into(), ..pb::ListEmailsRequest::default() },
    ];
    for request in wrong {
        let error = grpc::error(post.emails().list_emails(request).await.unwrap_err());
        assert_eq!(error.code, Code::InvalidArgument);
    }
    let missing = post.emails().get_email(pb::GetEmailRequest { id: new_id() }).await.unwrap_err();
    assert_eq!(grpc::error(missing).code, Code::NotFound);
}
