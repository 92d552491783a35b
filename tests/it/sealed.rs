//! A house in which everything travels over TLS and everybody proves who they are, as `deploy/` sets it up, and those who
//! try to get in otherwise.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::ConnectOptions;
use clientele_contracts::CONTEXTS;
use clientele_embedded::{NatsOptions, NatsServer, cache_dir, ensure_nats_server, scratch_dir};
use clientele_platform::bus::{Bus as _, JetStream};
use clientele_platform::config;
use clientele_testkit::{eventually, eventually_within};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::house::{Form, GATEWAY, HOST, House, Options, SERVICES, Seal, password};
use crate::live::Live;
use crate::shop::{Books, FRESH, Sale, customers};

/// A certificate is looked for anew every ten seconds.
const NOTICED: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_all_works_certificates_are_replaced_under_load_and_strangers_are_refused() {
    let mut house = House::start_with(
        Form::Apart,
        Options { tls: true, log: Some("info,clientele_platform=debug"), ..Options::default() },
    )
    .await;
    a_story_is_told(&house).await;
    nobody_wanted_what_nats_forbids(&house);
    who_speaks_plain_text_is_refused(&house).await;
    certificates_are_replaced_and_no_request_fails(&house).await;
    a_service_that_cannot_prove_itself_is_not_spoken_to(&mut house).await;
    house.verify(&[]).await.succeeded();
}

async fn a_story_is_told(house: &House) {
    let client = house.administrator().await;
    let people = customers(&client, ["Sealed One".to_owned(), "Sealed Two".to_owned()]).await;
    let live = Live::follow(&client, &[format!("customer/{}", people[0])], None).await;
    let mut books = Books::default();
    let sales: Vec<_> = (0..6).map(|n| Sale::nth(n, &people)).collect();
    books.sell(&client, &sales).await;
    books.agree_with_cards(&client, &people, FRESH).await;
    // At the start the stream may say that something was missed; from here on it is up.
    books.sell(&client, &[Sale::nth(6, &people)]).await;
    books.agree_with_cards(&client, &people, FRESH).await;
    for context in ["orders", "analytics"] {
        live.wait_for(&format!("news from {context}"), |event| event.data["change"]["context"] == context).await;
    }
}

/// What the users of NATS may is enough: a refusal would be in the log of who was refused.
fn nobody_wanted_what_nats_forbids(house: &House) {
    for (name, log) in house.logs() {
        assert!(!log.to_lowercase().contains("permissions violation"), "{name}:\n{log}");
        assert!(name == GATEWAY || log.contains("bus connection"), "{name} has not used the bus");
    }
}

async fn who_speaks_plain_text_is_refused(house: &House) {
    for service in SERVICES.into_iter().chain([GATEWAY]) {
        let address = house.address(service);
        let address = address.trim_start_matches("https://");
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        // HTTP/2 with prior knowledge, as gRPC without TLS begins.
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("it can be written to");
        let mut answer = Vec::new();
        // Closed or reset, perhaps with a last word in the language of TLS.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer[0] == 21, "{service} answers {answer:?}");
        let plain = reqwest::Client::new().get(format!("http://{address}/readyz")).send().await;
        assert!(plain.is_err(), "{service} answers without TLS: {plain:?}");
    }

    let plain = house.plain_database_url("orders");
    let error = PgConnection::connect(&plain).await.map(drop).expect_err("PostgreSQL speaks without TLS");
    assert!(error.to_string().contains("no encryption"), "{error}");
}

async fn certificates_are_replaced_and_no_request_fails(house: &House) {
    let client = house.administrator().await;
    let id = customers(&client, ["Sealed Three".to_owned()]).await.remove(0);
    let (stop, served) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (client, stop, served, id) = (client.clone(), stop.clone(), served.clone(), id.clone());
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    let card = client.get(&format!("/v1/customers/{id}/card")).await.ok();
                    for section in ["customer", "orders", "metrics", "messages", "segments"] {
                        assert_eq!(card[section]["status"]["state"], "SECTION_STATE_OK", "{section}: {card:#}");
                    }
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let before = shown(house).await;
    for service in SERVICES.into_iter().chain([GATEWAY]) {
        house.seal().certify(service, HOST);
    }
    for service in SERVICES.into_iter().chain([GATEWAY]) {
        eventually_within(NOTICED, &format!("the new certificate of {service}"), || async {
            house.process(service).log().contains("serving a new certificate").then_some(())
        })
        .await;
    }
    assert_ne!(shown(house).await, before, "the gateway shows its old certificate");
    // Connections live two seconds here: each call after that many goes over one that began with the new certificate.
    let enough = served.load(Ordering::Relaxed) + 200;
    eventually_within(FRESH, "requests after the change", || async {
        (served.load(Ordering::Relaxed) > enough || callers.iter().any(tokio::task::JoinHandle::is_finished))
            .then_some(())
    })
    .await;
    stop.cancel();
    for caller in callers {
        if let Err(error) = caller.await {
            let log = house.process(GATEWAY).log();
            let about: Vec<_> =
                log.lines().filter(|line| line.contains("connection") || line.contains("replica")).collect();
            panic!("a request failed: {error}\n{}", about.join("\n"));
        }
    }
}

/// The certificate that the gateway shows now.
async fn shown(house: &House) -> Vec<u8> {
    let pem = std::fs::read(house.seal().authority()).expect("there is an authority");
    let authority = reqwest::Certificate::from_pem(&pem).expect("it is a certificate");
    let client =
        reqwest::Client::builder().tls_info(true).tls_certs_only([authority]).build().expect("it can be built");
    let answer = client.get(format!("{}/livez", house.base)).send().await.expect("the gateway answers");
    let tls = answer.extensions().get::<reqwest::tls::TlsInfo>().expect("it was over TLS");
    tls.peer_certificate().expect("a server has a certificate").to_vec()
}

async fn a_service_that_cannot_prove_itself_is_not_spoken_to(house: &mut House) {
    let client = house.administrator().await;
    let id = customers(&client, ["Sealed Four".to_owned()]).await.remove(0);
    let strangers = Seal::new(&house.folder().join("strangers"));
    // A certificate for the right name by a stranger, and one by our authority for another name.
    for (certificate, key) in [strangers.issue(HOST), house.seal().issue("clientele-customers")] {
        house.stop_service("orders").await;
        house.seal().put("orders", &certificate, &key);
        house.start_alone("orders");
        eventually("orders listening", || async {
            TcpStream::connect(house.address("orders").trim_start_matches("https://")).await.ok()
        })
        .await;
        let card = client.get(&format!("/v1/customers/{id}/card")).await.ok();
        assert_eq!(card["customer"]["status"]["state"], "SECTION_STATE_OK", "{card:#}");
        assert_eq!(card["orders"]["status"]["state"], "SECTION_STATE_UNAVAILABLE", "{card:#}");
        let sale = json!({"orders": [Sale::nth(9, std::slice::from_ref(&id)).entry()]});
        client.post("/v1/orders:batchUpsert", &sale).await.problem(503, "UNAVAILABLE");
    }
    house.stop_service("orders").await;
    house.seal().certify("orders", HOST);
    house.start_service("orders").await;
    client.post("/v1/orders:batchUpsert", &json!({"orders": [Sale::nth(9, &[id]).entry()]})).await.ok();
}

/// Whom a user of NATS follows.
const FOLLOWED: [(&str, &[&str]); 8] = [
    ("identity", &[]),
    ("customers", &[]),
    ("messaging", &["customers"]),
    ("orders", &["customers"]),
    ("campaigns", &["analytics", "customers"]),
    ("analytics", &["campaigns", "customers", "messaging", "orders"]),
    (GATEWAY, &CONTEXTS),
    ("migrate", &[]),
];

#[tokio::test(flavor = "multi_thread")]
async fn at_nats_each_user_may_what_it_needs_and_all_else_is_denied() {
    clientele_platform::install_crypto();
    let folder = scratch_dir().expect("the temporary folder is writable");
    let seal = Seal::new(&folder.path().join("seal"));
    let (file, environment) = seal.nats();
    let program = ensure_nats_server(&cache_dir()).await.expect("nats-server is there or can be installed");
    let options = NatsOptions {
        program: Some(program),
        config: Some(file),
        environment,
        ..NatsOptions::new(folder.path().join("data"))
    };
    let server = NatsServer::start(options).await.expect("nats-server starts");
    let port = server.port();

    for context in CONTEXTS {
        bus(&seal, "migrate", port).prepare(context).await.expect("the migration makes streams");
    }
    for (user, followed) in FOLLOWED {
        its_rights_are(&seal, port, user, followed).await;
    }
    // With a stream of its own that is there and as it should be, a service asks for no more than a look.
    for context in CONTEXTS {
        bus(&seal, context, port).prepare(context).await.expect("a service finds its stream");
    }
    strangers_are_refused(&seal, port).await;
}

/// Tries every subject there is reason to try.
async fn its_rights_are(seal: &Seal, port: u16, user: &str, followed: &[&str]) {
    let mut allowed = BTreeSet::new();
    for context in CONTEXTS {
        let stream = format!("CLIENTELE_{}", context.to_uppercase());
        let own = context == user;
        let follows = followed.contains(&context);
        if own {
            allowed.insert(format!("clientele.{context}.v1.0.thing.happened"));
        }
        if own || follows || user == "migrate" {
            allowed.insert(format!("$JS.API.STREAM.INFO.{stream}"));
        }
        if follows {
            allowed.insert(format!("$JS.API.CONSUMER.CREATE.{stream}"));
            allowed.insert(format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.somebody"));
        }
        if user == "migrate" {
            allowed.insert(format!("$JS.API.STREAM.CREATE.{stream}"));
            allowed.insert(format!("$JS.API.STREAM.UPDATE.{stream}"));
        }
    }
    let (client, heard) = listening(seal, port, user).await;
    let mut tried = Vec::new();
    // The client keeps a hundred refusals or so until they are looked at, and forgets the rest.
    for (part, subjects) in subjects().chunks(50).enumerate() {
        for subject in subjects {
            client.publish(subject.clone(), "{}".into()).await.expect("the client takes it");
            tried.push((format!("Publish to \"{subject}\""), allowed.contains(subject)));
        }
        all_are_heard(&client, &heard, part).await;
    }
    let mut kept = Vec::new();
    for (name, _) in FOLLOWED {
        let subject = format!("_INBOX_{name}.>");
        kept.push(client.subscribe(subject.clone()).await.expect("the client takes it"));
        tried.push((format!("Subscription to \"{subject}\""), name == user));
    }
    for subject in ["clientele.>", "_INBOX.>", "$JS.>", "$SYS.>", "*.orders.v1.>", ">"] {
        kept.push(client.subscribe(subject).await.expect("the client takes it"));
        tried.push((format!("Subscription to \"{subject}\""), false));
    }
    all_are_heard(&client, &heard, usize::MAX).await;
    let refusals = heard.lock().expect("nobody panics while holding it").join("\n");
    for (what, allowed) in tried {
        // The server says it in small letters or in large ones, as its version has it.
        let refused = refusals.to_lowercase().contains(&what.to_lowercase());
        assert_eq!(refused, !allowed, "{user}: {what}\n{refusals}");
    }
}

/// Refusals come in the order of what was asked for: waits for that of something that nobody may.
async fn all_are_heard(client: &async_nats::Client, heard: &Mutex<Vec<String>>, part: usize) {
    let last = format!("the.last.of.part.{part}");
    client.publish(last.clone(), "".into()).await.expect("the client takes it");
    eventually("the last refusal", || async {
        heard.lock().expect("nobody panics while holding it").iter().any(|said| said.contains(&last)).then_some(())
    })
    .await;
}

/// Everything one could publish on: events, what JetStream's interface knows, others' inboxes.
fn subjects() -> Vec<String> {
    let mut subjects: Vec<String> = [
        "$JS.API.INFO",
        "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.CREATE.CLIENTELE_MINE",
        "$JS.API.ACCOUNT.PURGE.CLIENTELE",
        "$JS.API.META.LEADER.STEPDOWN",
        "$JS.API.SERVER.REMOVE",
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.ACCOUNT.CLIENTELE.CONNZ",
        "clientele.mine.v1.0.thing.happened",
        "_INBOX.somebody",
        "anything",
    ]
    .map(str::to_owned)
    .to_vec();
    for context in CONTEXTS {
        let stream = format!("CLIENTELE_{}", context.to_uppercase());
        subjects.push(format!("clientele.{context}.v1.0.thing.happened"));
        for verb in ["CREATE", "UPDATE", "DELETE", "INFO", "PURGE", "SNAPSHOT", "RESTORE", "MSG.GET", "MSG.DELETE"] {
            subjects.push(format!("$JS.API.STREAM.{verb}.{stream}"));
        }
        for verb in ["PEER.REMOVE", "LEADER.STEPDOWN"] {
            subjects.push(format!("$JS.API.STREAM.{verb}.{stream}"));
        }
        for verb in ["CREATE", "LIST", "NAMES"] {
            subjects.push(format!("$JS.API.CONSUMER.{verb}.{stream}"));
        }
        for verb in ["CREATE", "DURABLE.CREATE", "DELETE", "INFO", "PAUSE", "UNPIN", "LEADER.STEPDOWN", "MSG.NEXT"] {
            subjects.push(format!("$JS.API.CONSUMER.{verb}.{stream}.somebody"));
        }
        subjects.push(format!("$JS.API.DIRECT.GET.{stream}"));
        subjects.push(format!("$JS.ACK.{stream}.somebody.1.1.1.1.1"));
    }
    subjects.extend(FOLLOWED.map(|(user, _)| format!("_INBOX_{user}.answer")));
    subjects
}

async fn listening(seal: &Seal, port: u16, user: &str) -> (async_nats::Client, Arc<Mutex<Vec<String>>>) {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = heard.clone();
    let client = options(&seal.authority())
        .user_and_password(user.to_owned(), password(user))
        .event_callback(move |event| {
            kept.lock().expect("nobody panics while holding it").push(event.to_string());
            std::future::ready(())
        })
        .connect(format!("tls://{HOST}:{port}"))
        .await
        .expect("a user of deploy's configuration is let in");
    (client, heard)
}

fn options(authority: &Path) -> ConnectOptions {
    ConnectOptions::new().add_root_certificates(authority.to_owned()).connection_timeout(Duration::from_secs(5))
}

async fn strangers_are_refused(seal: &Seal, port: u16) {
    let url = format!("tls://{HOST}:{port}");
    for options in [
        options(&seal.authority()),
        options(&seal.authority()).user_and_password("orders".to_owned(), password("customers")),
        options(&seal.authority()).user_and_password("nobody".to_owned(), password("nobody")),
        options(&seal.authority()).token(password("orders")),
    ] {
        let error = options.connect(&url).await.map(drop).expect_err("a stranger is let in");
        assert!(error.to_string().contains("authorization"), "{error}");
    }
    let others = Seal::new(&seal.authority().with_file_name("others"));
    let trusting = options(&others.authority()).user_and_password("orders".to_owned(), password("orders"));
    let error = trusting.connect(&url).await.map(drop).expect_err("the server is believed");
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");

    // Who says their password without TLS is hung up on.
    let mut plain = TcpStream::connect((HOST, port)).await.expect("it listens");
    let connect =
        json!({"user": "orders", "pass": password("orders"), "verbose": true, "lang": "plain", "version": "1"});
    plain.write_all(format!("CONNECT {connect}\r\nPING\r\n").as_bytes()).await.expect("it can be written to");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("\"tls_required\":true") && !answer.contains("PONG"), "{answer}");
}

fn bus(seal: &Seal, user: &str, port: u16) -> JetStream {
    let loader = config::Loader::new().defaults(config::DEFAULT).environment(seal.at_nats(user, port));
    let bus = loader.read().and_then(|configuration| configuration.section("bus")).expect("it is a configuration");
    JetStream::try_new(bus).expect("addresses and files can be read")
}
