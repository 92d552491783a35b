//! Bad input at scale. Two tests draw it from the contracts:
//!
//! - straight at the services' ports, for every method of every service: messages that are plausible, spoiled in one place,
//!   wild all over, or broken as bytes, with a token and without;
//! - at the gateway, by schemathesis, for every operation of the OpenAPI document: with all rights, with few, with none.
//!
//! | Module | What it holds |
//! |---|---|
//! | `chance` | what is drawn, from a seed |
//! | `message` | messages of any type, from the descriptors |
//! | `memory` | what the services have answered, so that later messages speak of what exists |
//! | `wire` | messages as bytes, whole and broken, and what comes back for them |
//! | `document` | the REST API and its document; `hooks.py` is what schemathesis is told, `requirements.txt` what it needs |
//!
//! What must hold, whatever is sent: an answer comes, and it is no fault of ours (`INTERNAL`, `UNKNOWN`, a broken
//! connection, a 5xx); a refusal carries a reason, and names the field where the input is what is wrong; REST answers as
//! its document says and takes nothing that it forbids; no program ends; and at the end nothing is half written: every feed
//! is dense, and `clientele verify` agrees.
//!
//! The seed is printed. `CLIENTELE_FUZZ_SEED` repeats what is drawn, but for the ids, which are the house's own;
//! `CLIENTELE_FUZZ_ROUNDS` says how many requests each method gets, for the document also those that follow from it
//! without chance: `CLIENTELE_FUZZ_ROUNDS=200 cargo nextest run -p clientele-tests fuzz::`.
//!
//! Each parser of input from outside has besides, in the module it stands in, properties that hold for any text or bytes:
//! it never panics, it refuses by the name of the field, and what it takes it can give back. Such tests need neither
//! another compiler nor a corpus, which is why there are no targets for cargo-fuzz.

mod chance;
mod document;
mod memory;
mod message;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use clientele_contracts::CONTEXTS;
use clientele_contracts::access::{self, Access, POOL};
use clientele_contracts::identity::v1::issue_token_request::Proof;
use clientele_contracts::identity::v1::sessions_client::SessionsClient;
use clientele_contracts::identity::v1::tokens_client::TokensClient;
use clientele_contracts::identity::v1::{CreateSessionRequest, IssueTokenRequest};
use clientele_kernel::{Entropy, SystemEntropy};
use clientele_testkit::eventually_within;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

use crate::house::{Form, House};
use crate::rest::Client;
use crate::shop::{Books, CAUGHT_UP, Sale, customers, feed};
use chance::Chance;
use memory::Memory;
use message::Maker;
use wire::{Call, Outcome, Wire};

/// Messages for each method where nothing else is said.
const ROUNDS: usize = 16;
/// A token lasts five minutes.
const TOKEN_AGE: std::time::Duration = std::time::Duration::from_mins(3);
/// So many different findings are told in full.
const TOLD: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn no_message_breaks_a_service_and_every_refusal_says_why() {
    let seed = seed();
    let rounds = from_environment("CLIENTELE_FUZZ_ROUNDS").map_or(ROUNDS, |n| usize::try_from(n).expect("it is small"));
    println!("CLIENTELE_FUZZ_SEED={seed} CLIENTELE_FUZZ_ROUNDS={rounds}");

    let house = House::start(Form::Apart).await;
    let client = house.administrator().await;
    let fuzz = Arc::new(Fuzz::prepare(&house, &client, seed).await);
    let contexts = CONTEXTS.map(|context| tokio::spawn(fuzz.clone().context(context, rounds)));
    for context in contexts {
        context.await.expect("nobody panics while sending");
    }
    fuzz.tell().await;
    nothing_is_half_written(&house, &client).await;
}

fn seed() -> u64 {
    from_environment("CLIENTELE_FUZZ_SEED").unwrap_or_else(|| {
        let mut bytes = [0; 4];
        SystemEntropy.fill(&mut bytes);
        u64::from(u32::from_le_bytes(bytes))
    })
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`: a number is wanted")))
}

struct Fuzz {
    seed: u64,
    channels: BTreeMap<&'static str, Channel>,
    session: String,
    memory: Mutex<Memory>,
    findings: Mutex<BTreeMap<String, String>>,
    codes: Mutex<BTreeMap<String, usize>>,
    accepted: Mutex<BTreeSet<String>>,
}

impl Fuzz {
    async fn prepare(house: &House, client: &Client, seed: u64) -> Self {
        let mut channels = BTreeMap::new();
        for context in CONTEXTS {
            let endpoint = Endpoint::from_shared(house.address(context)).expect("a service has an address");
            channels.insert(context, endpoint.connect().await.expect("the service listens"));
        }
        // Some truth for the messages to speak of.
        let ids = customers(client, (0..6).map(|n| format!("Buyer {n}"))).await;
        let sales: Vec<_> = (0..8).map(|n| Sale::nth(n, &ids)).collect();
        Books::default().sell(client, &sales).await;
        let mut memory = Memory::default();
        for id in &ids {
            memory.note_id("customer", id);
        }
        // Whoever looks afterwards must still get in.
        let user = client.get("/v1/session").await.ok();
        memory.spare(user["userId"].as_str().expect("a session has a user"));
        for group in client.all("/v1/groups", "groups").await {
            memory.spare(group["id"].as_str().expect("a group has an id"));
        }
        let (login, password) = house.credentials();
        memory.spare(login);
        let sign_in = CreateSessionRequest {
            login: login.to_owned(),
            password: password.to_owned(),
            ..CreateSessionRequest::default()
        };
        let session = SessionsClient::new(channels["identity"].clone()).create_session(sign_in).await;
        let session = session.expect("the administrator may sign in").into_inner().session_secret;
        Self {
            seed,
            channels,
            session,
            memory: Mutex::new(memory),
            findings: Mutex::default(),
            codes: Mutex::default(),
            accepted: Mutex::default(),
        }
    }

    async fn token(&self) -> String {
        let proof = IssueTokenRequest { proof: Some(Proof::SessionSecret(self.session.clone())) };
        let issued = TokensClient::new(self.channels["identity"].clone()).issue_token(proof).await;
        issued.expect("a session gets tokens").into_inner().token
    }

    async fn context(self: Arc<Self>, context: &'static str, rounds: usize) {
        let place = CONTEXTS.iter().position(|other| *other == context).expect("it is one of them");
        let mut chance = Chance::new(self.seed ^ (u64::try_from(place).expect("six are few") << 32));
        let wire = Wire::new(self.channels[context].clone());
        let methods = methods_of(context);
        let (mut token, mut since) = (self.token().await, Instant::now());
        for round in 0..rounds {
            for method in &methods {
                if since.elapsed() > TOKEN_AGE {
                    (token, since) = (self.token().await, Instant::now());
                }
                self.one(&wire, method, &mut chance, round, &token).await;
            }
        }
    }

    /// Draws a message and a way to send it, and looks at what comes back.
    async fn one(&self, wire: &Wire, method: &MethodDescriptor, chance: &mut Chance, round: usize, token: &str) {
        let path = path_of(method);
        let mut message = {
            let memory = self.memory.lock().await;
            Maker { chance: &mut *chance, memory: &memory, many: true }.request(&method.input(), round)
        };
        // Done over and over it would end everybody's tokens, and nothing else would be tried.
        if method.name() == "RotateSigningKeys" {
            message.clear_field_by_name("revoke");
        }
        let mut call = Call::of(&message, method.is_client_streaming());
        // The first round is whole messages, so that there is something to be spoiled.
        let broken = if round > 0 && chance.one_in(4) { Some(call.break_in_some_way(&message, chance)) } else { None };
        let signed_in = !chance.one_in(16);
        if signed_in {
            call.bearer(token);
        }
        let outcome = wire.send(&path, call.clone()).await;
        let name = outcome.code().map_or_else(|| "none".to_owned(), |code| format!("{code:?}"));
        *self.codes.lock().await.entry(name).or_default() += 1;
        if outcome.code() == Some(Code::Ok) {
            self.accepted.lock().await.insert(path.clone());
        }
        if let Outcome::Answered { messages, .. } = &outcome
            && broken.is_none()
        {
            let mut memory = self.memory.lock().await;
            for message in messages {
                match DynamicMessage::decode(method.output(), message.as_slice()) {
                    Ok(answer) => memory.note(&answer),
                    Err(error) => self.find(&path, "an answer that is none", &error.to_string(), &message.len()).await,
                }
            }
        }
        let public = access::of_path(&path) == Some(&Access::Public);
        if let Err(fault) = judge(&outcome, signed_in || public, broken.is_some()) {
            let sent = format!("{}; {}; {}", broken.unwrap_or("whole"), call.told(), message::shown(&message));
            self.find(&path, &fault, &outcome.told(), &sent).await;
        }
    }

    async fn find(&self, path: &str, fault: &str, told: &str, sent: &impl std::fmt::Debug) {
        let mut sent = format!("{sent:?}");
        if let Some((end, _)) = sent.char_indices().nth(1500) {
            sent.truncate(end);
        }
        // One of each sort: the same fault in many words would hide the others.
        let sort: String = told.chars().filter(|letter| !letter.is_ascii_digit()).take(90).collect();
        let finding = format!("{path}: {fault}\n    answer: {told}\n    sent: {sent}");
        self.findings.lock().await.entry(format!("{path} {fault} {sort}")).or_insert(finding);
    }

    async fn tell(&self) {
        let findings = self.findings.lock().await;
        let mut told = String::new();
        for finding in findings.values().take(TOLD) {
            let _ = writeln!(told, "- {finding}");
        }
        let codes = self.codes.lock().await;
        println!("answers: {codes:?}");
        assert!(findings.is_empty(), "seed {}: {} findings\n{told}", self.seed, findings.len());
        let accepted = self.accepted.lock().await;
        let all: Vec<_> =
            CONTEXTS.iter().flat_map(|context| methods_of(context)).map(|method| path_of(&method)).collect();
        let never: Vec<_> = all.iter().filter(|path| !accepted.contains(*path)).collect();
        println!("{} of {} methods have taken something; not {never:?}", accepted.len(), all.len());
        // Messages that nobody ever takes would try the first check of each method alone.
        assert!(accepted.len() * 2 > all.len(), "nothing was really tried: {codes:?}");
    }
}

/// Whether that is an answer that a service may give. Who has not signed in is told so and nothing else.
fn judge(outcome: &Outcome, admitted: bool, broken: bool) -> Result<(), String> {
    let Outcome::Answered { status, .. } = outcome else {
        return Err("no answer".to_owned());
    };
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    if !admitted && status.code() != Code::Unauthenticated {
        return Err("served without a token".to_owned());
    }
    match status.code() {
        Code::Ok => Ok(()),
        Code::Internal | Code::Unknown | Code::DataLoss | Code::Cancelled => Err("a fault of ours".to_owned()),
        Code::Unimplemented | Code::DeadlineExceeded if broken => Ok(()),
        Code::DeadlineExceeded => Err("it took too long".to_owned()),
        Code::Unavailable => Err("a service that stands was not to be had".to_owned()),
        code if reason.is_empty() => Err(format!("{code:?} without a reason")),
        Code::InvalidArgument => {
            let fields = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
            let named = fields.iter().all(|field| !field.field.is_empty() && !field.description.is_empty());
            if fields.is_empty() || !named { Err("a refusal that names no field".to_owned()) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

fn methods_of(context: &str) -> Vec<MethodDescriptor> {
    let package = format!("clientele.{context}.v1");
    let services = POOL.services().filter(|service| service.package_name() == package);
    let methods: Vec<_> = services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    assert!(!methods.is_empty(), "{context} has no method");
    methods
}

fn path_of(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

async fn nothing_is_half_written(house: &House, client: &Client) {
    let scopes = CONTEXTS.map(|context| format!("{context}.feed.read"));
    let program = client.program(&scopes.each_ref().map(String::as_str)).await;
    for context in CONTEXTS {
        feed(&program, context, 500).await;
    }
    for context in ["analytics", "campaigns", "messaging", "orders"] {
        eventually_within(CAUGHT_UP, &format!("{context} to have caught up"), || async {
            let status = client.get(&format!("/v1/operations/{context}/consumers")).await.ok();
            let behind = |consumer: &Value| consumer["lag"].as_str().is_some_and(|lag| lag != "0");
            let consumers = status["consumers"].as_array().cloned().unwrap_or_default();
            (!consumers.iter().any(behind)).then_some(())
        })
        .await;
        let parked = client.get(&format!("/v1/operations/{context}/parkedEvents")).await.ok();
        assert_eq!(parked["parkedEvents"], json!([]), "{context} could not take what others wrote");
    }
    house.verify(&[]).await.succeeded();
    for (name, log) in house.logs() {
        assert!(!log.contains("panicked"), "{name} panicked:\n{log}");
    }
}
