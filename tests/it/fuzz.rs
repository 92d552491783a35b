//! Bad input at scale. Two tests draw it from the contracts:
//!
//! - straight at the services' ports, for every method of every service: messages that are plausible, spoiled in one place,
//!   wild all over, or broken as bytes, by an administrator, by a person and a service with few rights, and by nobody;
//! - at the gateway, by schemathesis, for every operation of the OpenAPI document: with all rights, with few, with none.
//!
//! | Module | What it holds |
//! |---|---|
//! | `callers` | who sends, and what each of them may do |
//! | `chance` | what is drawn, from a seed |
//! | `message` | messages of any type, from the descriptors |
//! | `memory` | what the services have answered, so that later messages speak of what exists |
//! | `wire` | messages as bytes, whole and broken, and what comes back for them |
//! | `parsers` | the list of parsers, with their properties, held to the sources |
//! | `document` | the REST API and its document; `hooks.py` is what schemathesis is told, `requirements.txt` what it needs |
//!
//! What must hold, whatever is sent: an answer comes, and it is no fault of ours (`INTERNAL`, `UNKNOWN`, a broken
//! connection, a 5xx); a refusal carries a reason, and names the field where the input is what is wrong; whoever lacks the
//! right is refused and told nothing, and what is hidden from them is in no answer; REST answers as its document says and
//! takes nothing that it forbids; no program ends; and at the end nothing is half written: every feed is dense, and
//! `clientele verify` agrees. That there is too much to do is an answer for very few requests: else nothing was tried.
//!
//! The seed is printed. `CLIENTELE_FUZZ_SEED` repeats what is drawn, but for the ids, which are the house's own;
//! `CLIENTELE_FUZZ_ROUNDS` says how many requests each method gets, for the document beside those that follow from it
//! without chance: `CLIENTELE_FUZZ_ROUNDS=200 cargo nextest run -p clientele-tests fuzz::`.
//!
//! Each parser of input from outside has besides, in the module it stands in, properties that hold for any text or bytes:
//! it never panics, it refuses by the name of the field, and what it takes it can give back: `tests/README.md` lists them.
//! Such tests need neither another compiler nor a corpus, which is why there are no targets for cargo-fuzz.

mod callers;
mod chance;
mod document;
mod memory;
mod message;
mod parsers;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clientele_contracts::CONTEXTS;
use clientele_contracts::access::{self, Access, POOL};
use clientele_kernel::{Entropy, SystemEntropy};
use clientele_testkit::eventually_within;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

use crate::house::{Form, House};
use crate::rest::Client;
use crate::shop::{Books, CAUGHT_UP, Sale, customers, feed};
use callers::{Caller, Callers, HIDDEN};
use chance::Chance;
use memory::Memory;
use message::Maker;
use wire::{Call, Outcome, Wire};

/// Messages for each method where nothing else is said.
const ROUNDS: usize = 16;
/// Of a hundred answers, at most so many may say that there is too much to do, or that somebody cannot be had.
const OVERLOADED: usize = 1;
/// What cannot be had is asked for so often: what lasts is no overload.
const ATTEMPTS: u32 = 4;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);
/// So many guesses at a password nobody minds.
const GUESSES: usize = 3;
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
    callers: Callers,
    memory: Mutex<Memory>,
    findings: Mutex<BTreeMap<String, String>>,
    codes: Mutex<BTreeMap<&'static str, BTreeMap<String, usize>>>,
    accepted: Mutex<BTreeSet<String>>,
    unavailable: AtomicUsize,
}

impl Fuzz {
    async fn prepare(house: &House, client: &Client, seed: u64) -> Self {
        let mut channels = BTreeMap::new();
        for context in CONTEXTS {
            let endpoint = Endpoint::from_shared(house.address(context)).expect("a service has an address");
            channels.insert(context, endpoint.connect().await.expect("the service listens"));
        }
        // Some truth for the messages to speak of.
        let ids = customers(client, (0..6).map(|n| format!("{HIDDEN} {n}"))).await;
        let sales: Vec<_> = (0..8).map(|n| Sale::nth(n, &ids)).collect();
        Books::default().sell(client, &sales).await;
        let (callers, theirs) = Callers::prepare(house, client, channels["identity"].clone()).await;
        let mut memory = Memory::default();
        memory.spare_with(HIDDEN);
        for value in &theirs {
            memory.spare(value);
        }
        for id in &ids {
            memory.note_id("customer", id);
        }
        // Whoever looks afterwards must still get in.
        let user = client.get("/v1/session").await.ok();
        memory.spare(user["userId"].as_str().expect("a session has a user"));
        for group in client.all("/v1/groups", "groups").await {
            memory.spare(group["id"].as_str().expect("a group has an id"));
        }
        memory.spare(house.credentials().0);
        Self {
            seed,
            channels,
            callers,
            memory: Mutex::new(memory),
            findings: Mutex::default(),
            codes: Mutex::default(),
            accepted: Mutex::default(),
            unavailable: AtomicUsize::new(0),
        }
    }

    async fn context(self: Arc<Self>, context: &'static str, rounds: usize) {
        let place = CONTEXTS.iter().position(|other| *other == context).expect("it is one of them");
        let mut chance = Chance::new(self.seed ^ (u64::try_from(place).expect("six are few") << 32));
        let wire = Wire::new(self.channels[context].clone());
        let methods = methods_of(context);
        let mut callers = self.callers.clone();
        for round in 0..rounds {
            for method in &methods {
                // What is there to be spoken of comes from whoever may make it.
                let mut caller = callers.one(if round == 0 { None } else { Some(&mut chance) }).await;
                // Who guesses at a password is held back, and could not sign in any more.
                if method.name() == "ChangePassword" && round >= GUESSES {
                    caller = callers.service();
                }
                self.one(&wire, method, &mut chance, round, &caller).await;
            }
        }
    }

    /// Draws a message and a way to send it, and looks at what comes back.
    async fn one(&self, wire: &Wire, method: &MethodDescriptor, chance: &mut Chance, round: usize, caller: &Caller) {
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
            call.bearer(caller.token());
        }
        let outcome = self.sent(wire, &path, &call).await;
        let name = outcome.code().map_or_else(|| "none".to_owned(), |code| format!("{code:?}"));
        let who = if signed_in { caller.name } else { "nobody" };
        *self.codes.lock().await.entry(who).or_default().entry(name).or_default() += 1;
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
        let standing = match () {
            () if access::of_path(&path) == Some(&Access::Public) => Standing::Admitted,
            () if !signed_in => Standing::Unknown,
            () if caller.admitted(&path) => Standing::Admitted,
            () => Standing::Lacking,
        };
        let asked = call.holds(HIDDEN);
        let hidden = (!signed_in || caller.hidden_from()) && !asked && outcome.holds(HIDDEN);
        let judged = if hidden { Err("what is hidden was shown".to_owned()) } else { Ok(()) };
        if let Err(fault) = judged.and_then(|()| judge(&outcome, standing, broken.is_some())) {
            let sent =
                format!("by {who}; {}; {}; {}", broken.unwrap_or("whole"), call.told(), message::shown(&message));
            self.find(&path, &fault, &outcome.told(), &sent).await;
        }
    }

    /// What a careful client gets: what cannot be had now is asked for again, after a while.
    async fn sent(&self, wire: &Wire, path: &str, call: &Call) -> Outcome {
        let mut outcome = wire.send(path, call.clone()).await;
        for attempt in 1..ATTEMPTS {
            if outcome.code() != Some(Code::Unavailable) {
                break;
            }
            self.unavailable.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE * attempt).await;
            outcome = wire.send(path, call.clone()).await;
        }
        outcome
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
        let sent: usize = codes.values().flat_map(BTreeMap::values).sum();
        let away = self.unavailable.load(Ordering::Relaxed);
        println!("{away} of {sent} answers said that somebody was not to be had");
        assert!(away * 100 <= sent * OVERLOADED, "{away} of {sent} answers said that somebody was not to be had");
        for who in ["administrator", "person", "service", "nobody"] {
            let of = |code: &str| codes.get(who).and_then(|codes| codes.get(code)).copied().unwrap_or_default();
            let (all, much) = (codes.get(who).map_or(0, |codes| codes.values().sum()), of("ResourceExhausted"));
            assert!(
                much * 100 <= all.max(100) * OVERLOADED,
                "{who} was told {much} times of {all} that it is too much"
            );
            let (taken, refused) = (of("Ok"), of("PermissionDenied"));
            let few = who == "person" || who == "service";
            assert!(!few || (taken > 0 && refused > taken), "{who} was let in {taken} times and refused {refused}");
        }
        // Messages that nobody ever takes would try the first check of each method alone.
        assert!(accepted.len() * 2 > all.len(), "nothing was really tried: {codes:?}");
    }
}

/// How a caller stands to a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// May call it.
    Admitted,
    /// Has proved who they are, and lacks the right.
    Lacking,
    /// Has proved nothing.
    Unknown,
}

/// Whether that is an answer that a service may give. Who has not signed in, or lacks the right, is told so and nothing
/// else.
fn judge(outcome: &Outcome, standing: Standing, broken: bool) -> Result<(), String> {
    let Outcome::Answered { status, messages } = outcome else {
        return Err("no answer".to_owned());
    };
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    match standing {
        Standing::Unknown if status.code() != Code::Unauthenticated || !messages.is_empty() => {
            return Err("served without a token".to_owned());
        }
        Standing::Lacking if status.code() != Code::PermissionDenied || !messages.is_empty() => {
            return Err("not refused for the lack of a right".to_owned());
        }
        _ => {}
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
