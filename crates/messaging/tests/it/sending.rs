//! Letters meet mail servers of all tempers. Whatever a server does, no letter is sent twice, and the ledger says what is
//! known.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::SendState;
use clientele_testkit::smtp::{Act, Scene, Step};
use clientele_testkit::{SmtpServer, eventually, eventually_within};

use crate::post::{ENTRY, Post, letter};

/// Does something at one step, each time it is come to.
fn at(step: Step, act: Act) -> impl Fn(&Scene) -> Act + Send + Sync + 'static {
    move |scene| if scene.step == step { act.clone() } else { Act::Go }
}

/// Does something at one step the first time alone.
fn once(step: Step, act: Act) -> impl Fn(&Scene) -> Act + Send + Sync + 'static {
    move |scene| if scene.step == step && scene.times == 1 { act.clone() } else { Act::Go }
}

/// What becomes of one letter to Ana.
async fn outcome(script: impl Fn(&Scene) -> Act + Send + Sync + 'static) -> (Post, SmtpServer, pb::Email) {
    let server = SmtpServer::scripted(script).await;
    let post = Post::sending(&server, &[("SMTP_TIMEOUT", "400ms"), ("SEND_ATTEMPTS", "3")]).await;
    let ana = post.person("Ana", &["ana@example.com"]);
    let email = post.send(&ana, "hello").await;
    let worked_on = |email: &pb::Email| {
        email.settled_at.is_some() || (email.state() == SendState::Queued && !email.detail.is_empty())
    };
    let email = post.when(&email.id, "the letter was worked on", worked_on).await;
    (post, server, email)
}

/// The letter after its next attempts, which come when the clock has gone on.
async fn later(post: &Post, id: &str) -> pb::Email {
    eventually("the letter is settled", async || {
        let email = post.get(id).await;
        if let Some(next) = email.next_attempt_at {
            let next = chrono::DateTime::from_timestamp(next.seconds, 0).unwrap() + TimeDelta::seconds(2);
            post.database.clock.set(next);
        }
        Some(email).filter(|email| email.settled_at.is_some())
    })
    .await
}

/// A long time in which whatever was to be tried again would be.
async fn nothing_more_happens(post: &Post, server: &SmtpServer, email: &pb::Email) {
    let heard_of_ana = || [Step::Recipient, Step::End].map(|step| server.times(step, "ana@example.com"));
    let (before, asked_before) = (heard_of_ana(), asked_of_ana(post, email));
    for _ in 0..5 {
        post.database.clock.advance(TimeDelta::days(1));
        // A letter to somebody else goes through the same queue: once it was tried, the queue was looked at.
        let other = post.person("Other", &["other@example.com"]);
        let other = post.send(&other, "in between").await;
        post.when(&other.id, "the other letter was tried", |other| other.attempts > 0).await;
    }
    let now = post.get(&email.id).await;
    assert_eq!((now.state, now.attempts), (email.state, email.attempts));
    assert_eq!((heard_of_ana(), asked_of_ana(post, email)), (before, asked_before));
}

fn asked_of_ana(post: &Post, email: &pb::Email) -> usize {
    let known = post.neighbours.lock();
    known.asked.iter().filter(|asked| asked.contact_point_id == email.contact_point_id).count()
}

#[tokio::test]
async fn a_letter_is_sent_and_the_ledger_says_by_which_consent() {
    let (post, server, email) = outcome(|_| Act::Go).await;
    assert_eq!((email.state(), email.reason.as_str(), email.attempts), (SendState::Sent, "", 1));
    assert_eq!(
        (email.detail.as_str(), email.consent_entry_ids.as_slice()),
        ("250 2.0.0 taken", [ENTRY.to_owned()].as_slice())
    );
    let taken = server.taken();
    assert_eq!((taken.len(), taken[0].from.as_str(), taken[0].to.as_str()), (1, "crm@example.com", "ana@example.com"));
    assert!(taken[0].source.contains(&format!("Message-ID: <{}>\r\n", email.message_id)));
    let asked = post.neighbours.lock().asked.clone();
    assert_eq!(asked.len(), 1, "consent is asked at the claim, once");
    assert_eq!(asked[0].contact_point_id, email.contact_point_id);
}

#[tokio::test]
async fn a_letter_tells_while_a_worker_has_it_when_the_claim_ends() {
    let server = SmtpServer::scripted(once(Step::Body, Act::Wait(Duration::from_secs(1)))).await;
    let post = Post::sending(&server, &[]).await;
    let ana = post.person("Ana", &["ana@example.com"]);
    let email = post.send(&ana, "hello").await;
    assert_eq!(email.claimed_until, None);
    let claimed = |email: &pb::Email| email.state() == SendState::Claimed;
    let claimed = post.when(&email.id, "a worker has the letter", claimed).await;
    assert!(claimed.claimed_until.unwrap().seconds > claimed.created_at.unwrap().seconds);
    let settled = post.settled(&email.id).await;
    assert_eq!((settled.state(), settled.claimed_until), (SendState::Sent, None));
}

#[tokio::test]
async fn a_greylisted_letter_waits_and_goes_out_unchanged() {
    let (post, server, email) = outcome(once(Step::Recipient, Act::Say("450 4.2.0 greylisted, come back later"))).await;
    assert_eq!(
        (email.state(), email.detail.as_str()),
        (SendState::Queued, "RCPT: 450 4.2.0 greylisted, come back later")
    );
    let wait = email.next_attempt_at.unwrap().seconds - email.created_at.unwrap().seconds;
    assert!((45..=75).contains(&wait), "a minute, give or take a quarter: {wait}");
    assert_eq!(server.count(), 0);
    let sent = later(&post, &email.id).await;
    assert_eq!((sent.state(), sent.attempts, sent.message_id == email.message_id), (SendState::Sent, 2, true));
    assert_eq!(server.count(), 1);
    assert_eq!(post.neighbours.lock().asked.len(), 2, "consent is asked again at each claim");
}

#[tokio::test]
async fn a_refusal_for_good_is_told_with_its_reason_and_the_server_s_words() {
    for (step, reason) in
        [(Step::Recipient, "RECIPIENT_REFUSED"), (Step::Data, "MESSAGE_REFUSED"), (Step::End, "MESSAGE_REFUSED")]
    {
        let (post, server, email) = outcome(at(step, Act::Say("550 5.1.1 we do not know them"))).await;
        assert_eq!((email.state(), email.reason.as_str()), (SendState::Failed, reason), "{step:?}");
        assert!(email.detail.ends_with("550 5.1.1 we do not know them"), "{}", email.detail);
        assert_eq!(server.count(), 0);
        nothing_more_happens(&post, &server, &email).await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_letter_is_tried_again() {
    for (step, act) in [
        (Step::Mail, Act::Say("421 4.3.2 closing")),
        (Step::Recipient, Act::Stall),
        (Step::Recipient, Act::Say("what?")),
        (Step::Data, Act::Hang),
        (Step::Data, Act::Say("250 2.0.0 no need")),
        // What stands there before the letter is no answer to it.
        (Step::Data, Act::Say("354 go ahead\r\n250 2.0.0 taken")),
        // What the server demands of us for one recipient alone.
        (Step::Recipient, Act::Say("530 5.7.0 authentication required")),
        (Step::Data, Act::Say("538 5.7.11 encryption required")),
        (Step::End, Act::Say("451 4.3.0 try later")),
    ] {
        let told = format!("{step:?} {act:?}");
        let (post, server, email) = outcome(once(step, act)).await;
        assert_eq!((email.state(), email.reason.as_str()), (SendState::Queued, ""), "{told}: {}", email.detail);
        let sent = later(&post, &email.id).await;
        assert_eq!((sent.state(), sent.attempts), (SendState::Sent, 2), "{told}: {}", sent.detail);
        assert_eq!(server.count(), 1, "{told}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_or_does_not_take_us_is_no_attempt() {
    for (step, act) in [
        (Step::Connect, Act::Hang),
        (Step::Connect, Act::Stall),
        (Step::Connect, Act::Say("554 5.7.1 go away")),
        (Step::Connect, Act::Say("SSH-2.0-OpenSSH_9.2")),
        (Step::Hello, Act::Hang),
        (Step::Mail, Act::Say("530 5.7.0 authentication required")),
        (Step::Mail, Act::Say("554 5.7.1 we want nothing of you")),
        (Step::Mail, Act::Say("550 5.7.1 sender not allowed")),
        (Step::Mail, Act::Say("553 5.7.1 sender address rejected: not owned by user")),
        (Step::Mail, Act::Say("501 5.1.7 bad sender address")),
    ] {
        let told = format!("{step:?} {act:?}");
        let words = if let Act::Say(words) = &act { *words } else { "" };
        let (post, server, email) = outcome(once(step, act.clone())).await;
        assert_eq!((email.state(), email.attempts), (SendState::Queued, 0), "{told}: {}", email.detail);
        assert!(email.detail.contains(words.trim_start_matches("SSH")), "{told}: {}", email.detail);
        let sent = later(&post, &email.id).await;
        assert_eq!((sent.state(), sent.attempts), (SendState::Sent, 1), "{told}: {}", sent.detail);
        assert_eq!(server.count(), 1, "{told}");
    }
}

#[tokio::test]
async fn letters_outlast_a_server_that_is_away_for_long_and_do_not_storm_it() {
    let away = Arc::new(AtomicBool::new(true));
    let script = away.clone();
    let (post, server, email) =
        outcome(
            move |scene| {
                if scene.step == Step::Connect && script.load(Ordering::SeqCst) { Act::Hang } else { Act::Go }
            },
        )
        .await;
    let bob = post.person("Bob", &["bob@example.com"]);
    let mut waiting = vec![email.id];
    for n in 0..20 {
        waiting.push(post.send(&bob, &format!("letter {n}")).await.id);
    }
    // Many more connections than a letter has attempts; each of the four workers tries once before it rests.
    for round in 1..10 {
        eventually("each worker has tried once more", async || (server.connections() == 4 * round).then_some(())).await;
        for id in &waiting {
            post.when(id, "it waits", |email| email.state() == SendState::Queued && email.attempts == 0).await;
        }
        assert_eq!(server.connections(), 4 * round);
        if round == 9 {
            away.store(false, Ordering::SeqCst);
        }
        post.database.clock.advance(TimeDelta::minutes(2));
    }
    for id in waiting {
        let sent = post.settled(&id).await;
        assert_eq!((sent.state(), sent.attempts), (SendState::Sent, 1), "{}", sent.detail);
    }
    assert_eq!(server.count(), 21);
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_begins_no_letter_and_puts_it_back() {
    let server = SmtpServer::scripted(at(Step::Data, Act::Wait(Duration::from_millis(500)))).await;
    let post = Post::sending(&server, &[]).await;
    let ana = post.person("Ana", &["ana@example.com"]);
    let email = post.send(&ana, "hello").await;
    eventually("the letter is about to be handed over", async || {
        (server.times(Step::Data, "ana@example.com") == 1).then_some(())
    })
    .await;
    post.harness.stop().await;
    let back = post.get(&email.id).await;
    assert_eq!((back.state(), back.attempts, server.count()), (SendState::Queued, 0, 0), "{}", back.detail);
    let number = server.port().to_string();
    let replica = post.neighbours.harness(&post.database);
    crate::post::start(&replica, post.database.replica(), &crate::post::to_port(&number)).await;
    let sent = post.settled(&email.id).await;
    assert_eq!((sent.state(), sent.attempts, server.count()), (SendState::Sent, 1, 1));
    replica.stop().await;
}

#[tokio::test]
async fn what_the_server_answered_is_written_as_soon_as_the_database_takes_it() {
    let server = SmtpServer::good().await;
    let post = Post::sending(&server, &[]).await;
    // The first six times that a letter is to be written as sent, the database refuses.
    let script = "create sequence messaging.refusals;
        create function messaging.refuse() returns trigger language plpgsql security definer as $$ begin
            if nextval('messaging.refusals') <= 6 then raise exception 'not now'; end if;
            return new;
        end $$;
        create trigger refuse before update on messaging.email for each row when (new.state = 'sent')
            execute function messaging.refuse()";
    sqlx::raw_sql(script).execute(&mut post.database.superuser().await).await.unwrap();
    let ana = post.person("Ana", &["ana@example.com"]);
    let email = post.send(&ana, "hello").await;
    let sent = eventually_within(Duration::from_secs(30), "the letter is settled", async || {
        Some(post.get(&email.id).await).filter(|email| email.settled_at.is_some())
    })
    .await;
    assert_eq!((sent.state(), sent.attempts, server.count()), (SendState::Sent, 1, 1));
}

#[tokio::test]
async fn what_nobody_can_know_is_unknown_and_never_repeated() {
    for (step, act, reason, taken) in [
        (Step::Body, Act::Hang, "CONNECTION_LOST_AFTER_DATA", 0),
        (Step::End, Act::Hang, "CONNECTION_LOST_AFTER_DATA", 0),
        (Step::End, Act::TakeAndHang, "CONNECTION_LOST_AFTER_DATA", 1),
        (Step::End, Act::Stall, "NO_REPLY_AFTER_DATA", 0),
        (Step::End, Act::Wait(Duration::from_secs(30)), "NO_REPLY_AFTER_DATA", 0),
        (Step::End, Act::Say("hello there"), "UNREADABLE_REPLY_AFTER_DATA", 0),
        (Step::End, Act::Say("354 more please"), "UNREADABLE_REPLY_AFTER_DATA", 0),
    ] {
        let told = format!("{step:?} {act:?}");
        let script = move |scene: &Scene| {
            if scene.step == step && scene.recipient == "ana@example.com" { act.clone() } else { Act::Go }
        };
        let (post, server, email) = outcome(script).await;
        assert_eq!((email.state(), email.reason.as_str()), (SendState::Unknown, reason), "{told}: {}", email.detail);
        assert_eq!(server.count(), taken, "{told}");
        nothing_more_happens(&post, &server, &email).await;
    }
}

#[tokio::test]
async fn a_letter_is_given_up_after_as_many_attempts_as_it_may_have() {
    let (post, server, email) = outcome(at(Step::Recipient, Act::Say("450 4.2.0 mailbox busy"))).await;
    let failed = later(&post, &email.id).await;
    assert_eq!((failed.state(), failed.reason.as_str(), failed.attempts), (SendState::Failed, "TOO_MANY_ATTEMPTS", 3));
    assert_eq!((server.times(Step::Recipient, "ana@example.com"), server.count()), (3, 0));
}

#[tokio::test]
async fn letters_share_connections_and_survive_a_server_that_closes_them_in_between() {
    // Every third letter of a connection is refused by hanging up, as servers do that limit letters by connection.
    let server =
        SmtpServer::scripted(|scene| if scene.step == Step::Mail && scene.letters == 3 { Act::Hang } else { Act::Go })
            .await;
    let post = Post::sending(&server, &[("SEND_CONCURRENCY", "1")]).await;
    let mut ids = Vec::new();
    for n in 0..30 {
        let person = post.person("P", &[&format!("p{n}@example.com")]);
        ids.push(post.send(&person, "hello").await.id);
    }
    for id in ids {
        let email = post.settled(&id).await;
        assert_eq!((email.state(), email.attempts), (SendState::Sent, 1), "{}", email.detail);
    }
    let recipients: HashSet<String> = server.taken().into_iter().map(|taken| taken.to).collect();
    assert_eq!((recipients.len(), server.count()), (30, 30));
}

#[tokio::test]
async fn a_refused_recipient_does_not_harm_the_next_letter() {
    let server = SmtpServer::scripted(|scene| {
        if scene.step == Step::Recipient && scene.recipient == "no@example.com" { Act::Say("550 no") } else { Act::Go }
    })
    .await;
    let post = Post::sending(&server, &[("SEND_CONCURRENCY", "1")]).await;
    let (no, yes) = (post.person("No", &["no@example.com"]), post.person("Yes", &["yes@example.com"]));
    let (no, yes) = (post.send(&no, "a").await, post.send(&yes, "b").await);
    assert_eq!(post.settled(&no.id).await.state(), SendState::Failed);
    assert_eq!(post.settled(&yes.id).await.state(), SendState::Sent);
    assert_eq!(server.taken().iter().map(|taken| taken.to.as_str()).collect::<Vec<_>>(), ["yes@example.com"]);
}

#[tokio::test]
async fn a_letter_that_is_refused_twice_does_not_harm_the_next_one() {
    // The second refusal comes late, when the next letter of this connection is announced.
    let refused = AtomicBool::new(false);
    let server = SmtpServer::scripted(move |scene| match scene.step {
        Step::Connect => {
            refused.store(false, Ordering::SeqCst);
            Act::Go
        }
        Step::End if scene.recipient == "no@example.com" => {
            refused.store(true, Ordering::SeqCst);
            Act::Say("552 5.3.4 too big")
        }
        Step::Mail if refused.swap(false, Ordering::SeqCst) => Act::Say("552 5.3.4 too big\r\n250 2.1.0 ok"),
        _ => Act::Go,
    })
    .await;
    let post = Post::sending(&server, &[("SEND_CONCURRENCY", "1")]).await;
    let (no, yes) = (post.person("No", &["no@example.com"]), post.person("Yes", &["yes@example.com"]));
    let (no, yes) = (post.send(&no, "a").await, post.send(&yes, "b").await);
    let no = post.settled(&no.id).await;
    assert_eq!((no.state(), no.reason.as_str()), (SendState::Failed, "MESSAGE_REFUSED"));
    let yes = post.when(&yes.id, "the next letter was worked on", |yes| !yes.detail.is_empty()).await;
    assert_eq!((yes.state(), yes.attempts), (SendState::Sent, 1), "{}", yes.detail);
}

#[tokio::test]
async fn a_recipient_for_whom_alone_the_server_demands_something_of_us_is_given_up_honestly() {
    let demand = "530 5.7.0 authentication required";
    let script = move |scene: &Scene| {
        if scene.step == Step::Recipient && scene.recipient == "ana@example.com" { Act::Say(demand) } else { Act::Go }
    };
    let (post, server, email) = outcome(script).await;
    let failed = later(&post, &email.id).await;
    assert_eq!((failed.state(), failed.reason.as_str(), failed.attempts), (SendState::Failed, "TOO_MANY_ATTEMPTS", 3));
    assert_eq!(failed.detail, format!("RCPT: {demand}"));
    nothing_more_happens(&post, &server, &failed).await;
}

#[tokio::test]
async fn letters_wait_while_the_server_demands_something_of_us_for_every_recipient() {
    let demanding = Arc::new(AtomicBool::new(true));
    let script = demanding.clone();
    let server = SmtpServer::scripted(move |scene| {
        let demands = scene.step == Step::Recipient && script.load(Ordering::SeqCst);
        if demands { Act::Say("530 5.7.0 authentication required") } else { Act::Go }
    })
    .await;
    let post = Post::sending(&server, &[("SEND_ATTEMPTS", "2"), ("SEND_CONCURRENCY", "1")]).await;
    let mut letters = Vec::new();
    for n in 0..3 {
        let address = format!("p{n}@example.com");
        letters.push((post.send(&post.person("P", &[&address]), "hello").await.id, address));
    }
    // The first letter alone might be at fault; from the second on it is a pattern, and the worker rests after each try. The
    // clock goes on while it rests: else the steps of a slow machine's try would add up to the end of its claim.
    let goes_on = async || {
        let works: bool = sqlx::query_scalar("select exists(select from messaging.email where state = 'claimed')")
            .fetch_one(post.database.db.pool())
            .await
            .unwrap();
        if !works {
            post.database.clock.advance(TimeDelta::seconds(3));
        }
    };
    let tries = || letters.iter().map(|(_, address)| server.times(Step::Recipient, address)).sum::<usize>();
    eventually("many more tries than the letters have attempts", async || {
        goes_on().await;
        (tries() >= 8).then_some(())
    })
    .await;
    demanding.store(false, Ordering::SeqCst);
    for ((id, _), attempts) in letters.iter().zip([2, 1, 1]) {
        let sent = eventually("the letter is settled", async || {
            goes_on().await;
            Some(post.get(id).await).filter(|email| email.settled_at.is_some())
        })
        .await;
        assert_eq!((sent.state(), sent.attempts), (SendState::Sent, attempts), "{}", sent.detail);
    }
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn what_a_server_says_of_people_stands_with_the_letter_and_not_in_the_log() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let (_post, _server, email) =
        outcome(at(Step::Mail, Act::Say("550 5.7.1 <crm@example.com> may not write to ana@example.com"))).await;
    assert!(email.detail.contains("ana@example.com"), "{}", email.detail);
    let lines = log.0.lock().unwrap().clone();
    let told = lines.iter().find(|line| line.contains("the mail server is away or does not take us")).unwrap();
    assert!(told.contains("step=\"MAIL\"") && told.contains("code=550"), "{told}");
    assert!(lines.iter().all(|line| !line.contains("example.com")), "{lines:?}");
}

/// The log of this thread, line by line.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("clientele")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = String::new();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            let _ = std::fmt::Write::write_fmt(&mut line, format_args!("{field}={value:?} "));
        });
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn an_address_beyond_ascii_fails_where_the_server_says_so_and_waits_where_it_is_about_us() {
    for (answer, state, reason) in [
        ("555 5.5.4 parameters not recognized", SendState::Failed, "ADDRESS_NOT_SUPPORTED"),
        ("550 5.6.7 no such addresses", SendState::Failed, "ADDRESS_NOT_SUPPORTED"),
        ("550 5.7.1 sender not allowed", SendState::Queued, ""),
    ] {
        let server = SmtpServer::scripted(move |scene| match scene.step {
            Step::Hello => Act::Say("250-mail.test\r\n250 SMTPUTF8"),
            Step::Mail => Act::Say(answer),
            _ => Act::Go,
        })
        .await;
        let post = Post::sending(&server, &[]).await;
        let person = post.person("Иван", &["иван@example.com"]);
        let email = post.send(&person, "a").await;
        let email = post.when(&email.id, "the letter was worked on", |email| !email.detail.is_empty()).await;
        assert_eq!((email.state(), email.reason.as_str()), (state, reason), "{answer}: {}", email.detail);
    }
}

#[tokio::test]
async fn an_address_beyond_ascii_fails_where_the_server_does_not_know_such() {
    let server = SmtpServer::good().await;
    let post = Post::sending(&server, &[]).await;
    let person = post.person("Иван", &["иван@example.com", "ivan@пример.рф"]);
    let first = post.settled(&post.send(&person, "a").await.id).await;
    assert_eq!((first.state(), first.reason.as_str()), (SendState::Failed, "ADDRESS_NOT_SUPPORTED"));
    let request = pb::SendEmailRequest { contact_point_id: person.emails[1].clone(), ..letter(&person, "b") };
    let second = post.settled(&post.try_send(request).await.unwrap().id).await;
    assert_eq!(second.state(), SendState::Sent, "a domain can be written in ASCII: {}", second.detail);
}

#[tokio::test]
async fn two_replicas_share_a_queue_without_sending_anything_twice() {
    let server =
        SmtpServer::scripted(
            |scene| {
                if scene.step == Step::End { Act::Wait(Duration::from_millis(2)) } else { Act::Go }
            },
        )
        .await;
    let post = Post::sending(&server, &[]).await;
    let number = server.port().to_string();
    let replica = post.neighbours.harness(&post.database);
    crate::post::start(&replica, post.database.replica(), &crate::post::to_port(&number)).await;
    let mut ids = Vec::new();
    for n in 0..100 {
        let person = post.person("P", &[&format!("p{n}@example.com")]);
        ids.push(post.send(&person, "hello").await.id);
    }
    for id in ids {
        assert_eq!(post.settled(&id).await.state(), SendState::Sent);
    }
    let recipients: HashSet<String> = server.taken().into_iter().map(|taken| taken.to).collect();
    assert_eq!((recipients.len(), server.count()), (100, 100));
    replica.stop().await;
}
