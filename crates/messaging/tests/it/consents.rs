//! Nothing is sent without consent, asked at the moment of sending.

use chrono::TimeDelta;
use clientele_contracts::messaging::v1::SendState;
use clientele_testkit::{SmtpServer, eventually};

use crate::post::{Post, WITHDRAWAL};

#[tokio::test]
async fn a_letter_whose_consent_was_withdrawn_after_it_was_accepted_is_not_sent() {
    let server = SmtpServer::good().await;
    let post = Post::sending(&server, &[]).await;
    let ana = post.person("Ana", &["ana@example.com"]);
    post.neighbours.lock().down = true;
    let email = post.send(&ana, "hello").await;
    post.when(&email.id, "consent could not be asked", |email| !email.detail.is_empty()).await;
    {
        let mut known = post.neighbours.lock();
        known.withdrawn.push(ana.emails[0].clone());
        known.down = false;
    }
    post.database.clock.advance(TimeDelta::minutes(2));
    let email = post.settled(&email.id).await;
    assert_eq!((email.state(), email.reason.as_str()), (SendState::Suppressed, "CONSENT_WITHDRAWN"));
    assert_eq!((email.consent_entry_ids.as_slice(), email.attempts), ([WITHDRAWAL.to_owned()].as_slice(), 0));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn while_customers_is_down_letters_wait_and_go_out_when_it_is_back() {
    let server = SmtpServer::good().await;
    let post = Post::sending(&server, &[]).await;
    let ana = post.person("Ana", &["ana@example.com"]);
    post.neighbours.lock().down = true;
    let email = post.send(&ana, "hello").await;
    // However long it lasts, the letter is neither sent nor given up.
    for asked in 1..20 {
        eventually("consent is asked again", async || (post.neighbours.lock().asked.len() >= asked).then_some(()))
            .await;
        let waiting = post.when(&email.id, "it waits", |email| email.state() == SendState::Queued).await;
        assert_eq!((waiting.attempts, waiting.reason.as_str()), (0, ""));
        post.database.clock.advance(TimeDelta::minutes(2));
    }
    assert_eq!(server.connections(), 0);
    post.neighbours.lock().down = false;
    post.database.clock.advance(TimeDelta::minutes(2));
    let sent = post.settled(&email.id).await;
    assert_eq!((sent.state(), sent.attempts, server.count()), (SendState::Sent, 1, 1));
    assert_eq!(
        post.events().await.iter().filter(|event| event.aggregate_id == email.id).count(),
        2,
        "waiting is no news"
    );
}

#[tokio::test]
async fn a_letter_goes_to_the_address_that_the_contact_point_has_when_it_is_sent() {
    let server = SmtpServer::good().await;
    let post = Post::sending(&server, &[]).await;
    let ana = post.person("Ana", &["old@example.com"]);
    post.neighbours.lock().down = true;
    let email = post.send(&ana, "hello").await;
    {
        let mut known = post.neighbours.lock();
        known.customers.get_mut(&ana.id).unwrap().emails[0].address = "new@example.com".into();
        known.down = false;
    }
    post.database.clock.advance(TimeDelta::minutes(2));
    let email = post.settled(&email.id).await;
    assert_eq!(email.to_address, "new@example.com");
    assert_eq!(server.taken()[0].to, "new@example.com");
    assert!(server.taken()[0].source.contains("To: new@example.com\r\n"));
}

#[tokio::test]
async fn a_letter_to_a_customer_or_an_address_that_is_gone_is_not_sent() {
    let server = SmtpServer::good().await;
    let post = Post::sending(&server, &[]).await;
    let (ana, bob) = (post.person("Ana", &["ana@example.com"]), post.person("Bob", &["bob@example.com"]));
    post.neighbours.lock().down = true;
    let (to_ana, to_bob) = (post.send(&ana, "hello").await, post.send(&bob, "hello").await);
    {
        let mut known = post.neighbours.lock();
        known.customers.remove(&ana.id);
        known.customers.get_mut(&bob.id).unwrap().emails.clear();
        known.down = false;
    }
    post.database.clock.advance(TimeDelta::minutes(2));
    let (to_ana, to_bob) = (post.settled(&to_ana.id).await, post.settled(&to_bob.id).await);
    assert_eq!((to_ana.state(), to_ana.reason.as_str()), (SendState::Suppressed, "CUSTOMER_NOT_FOUND"));
    assert_eq!((to_bob.state(), to_bob.reason.as_str()), (SendState::Suppressed, "NO_CONTACT_POINT"));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn letters_go_out_too_where_customers_is_of_the_release_before_and_answers_one_by_one() {
    let server = SmtpServer::good().await;
    let post = Post::sending(&server, &[]).await;
    post.neighbours.lock().asked_one_by_one = true;
    let people: Vec<_> = (0..5).map(|n| post.person("P", &[&format!("p{n}@example.com")])).collect();
    post.neighbours.lock().withdrawn.push(people[4].emails[0].clone());
    let mut letters = Vec::new();
    for person in &people {
        letters.push(post.send(person, "hello").await.id);
    }
    for (n, id) in letters.iter().enumerate() {
        let settled = post.settled(id).await;
        let expected = if n == 4 { SendState::Suppressed } else { SendState::Sent };
        assert_eq!(settled.state(), expected, "{}", settled.detail);
    }
    assert_eq!(server.count(), 4);
}
