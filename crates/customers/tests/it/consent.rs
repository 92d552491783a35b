//! What customers agreed to, and whether a message may be sent.

use std::collections::HashSet;

use clientele_contracts::customers::v1::consents_client::ConsentsClient;
use clientele_contracts::customers::v1::{
    BatchMaySendRequest, BatchUpsertCustomersRequest, ConsentChannel, ConsentEntry, ConsentPurpose, ConsentRecorded,
    ConsentState, Customer, GetConsentsRequest, ListConsentEntriesRequest, ListCustomersRequest, MaySendRequest,
    MaySendResponse, SetConsentRequest, UpsertConsent, UpsertCustomer,
};
use clientele_contracts::platform::v1::{Origin, UpsertOutcome};
use clientele_kernel::{Clock, CustomerId};
use clientele_platform::grpc::{self, HEADER_ORIGIN, Transport};
use prost::Message;
use tonic::{Code, Request, Status};

use crate::world::{World, assert_invalid, email, entry, named, phone};

use ConsentChannel::{Call, Email, Sms};
use ConsentPurpose::{Marketing, Service};

const EVERY: ConsentPurpose = ConsentPurpose::Unspecified;

impl World {
    fn consents(&self) -> ConsentsClient<Transport> {
        ConsentsClient::new(self.transport())
    }

    async fn ana(&self) -> Customer {
        self.create(Customer {
            phones: vec![phone("+34 912 345 678")],
            emails: vec![email("Ana@example.com")],
            ..named("Ana")
        })
        .await
    }

    async fn set(&self, request: SetConsentRequest) -> ConsentEntry {
        self.try_set(request, "web").await.unwrap()
    }

    async fn try_set(&self, request: SetConsentRequest, origin: &'static str) -> Result<ConsentEntry, Status> {
        let mut request = Request::new(request);
        request.metadata_mut().insert(HEADER_ORIGIN, origin.parse().unwrap());
        self.consents().set_consent(request).await.map(tonic::Response::into_inner)
    }

    async fn states(&self, customer: &Customer) -> Vec<ConsentState> {
        let request = GetConsentsRequest { customer_id: customer.id.clone() };
        self.consents().get_consents(request).await.unwrap().into_inner().states
    }

    /// What holds for the letters to the customer's first address: for advertising, and for service.
    async fn letters(&self, customer: &Customer) -> (bool, bool) {
        let states = self.states(customer).await;
        let state = states.iter().find(|state| state.contact_point_id == customer.emails[0].id).unwrap();
        (state.marketing, state.service)
    }

    async fn log(&self, customer: &Customer) -> Vec<ConsentEntry> {
        let request = ListConsentEntriesRequest { customer_id: customer.id.clone(), ..Default::default() };
        self.consents().list_consent_entries(request).await.unwrap().into_inner().entries
    }

    /// Clears what is personal in the customer's entries, as the service would.
    async fn clear(&self, customer: &Customer) -> Result<i64, sqlx::Error> {
        let id: uuid::Uuid = customer.id.parse().unwrap();
        let now = Clock::now(&*self.database.clock);
        let query = sqlx::query_scalar("select customers.clear_consent_entries($1, $2)").bind(id).bind(now);
        query.fetch_one(self.database.db.pool()).await
    }

    async fn ask(&self, request: MaySendRequest) -> MaySendResponse {
        self.try_ask(request).await.unwrap()
    }

    /// Whoever asks alone gets the answer that they get who ask for many.
    async fn try_ask(&self, request: MaySendRequest) -> Result<MaySendResponse, Status> {
        let alone = self.consents().may_send(request.clone()).await.map(tonic::Response::into_inner);
        let nobody = MaySendRequest { customer_id: CustomerId::from(uuid::Uuid::nil()).to_string(), ..request.clone() };
        let many = BatchMaySendRequest { requests: vec![request.clone(), nobody, request] };
        let many = self.consents().batch_may_send(many).await.map(|answers| answers.into_inner().answers);
        match (&alone, many) {
            (Ok(alone), Ok(many)) => {
                assert_eq!((&many[0], &many[2], many.len()), (alone, alone, 3));
                assert_eq!((many[1].allowed, many[1].reason.as_str()), (false, "CUSTOMER_NOT_FOUND"));
            }
            (Err(status), Ok(many)) => {
                assert_eq!((status.code(), many[0].reason.as_str()), (Code::NotFound, "CUSTOMER_NOT_FOUND"));
            }
            (Err(alone), Err(many)) => {
                assert_eq!(alone.code(), many.code());
                let (alone, many) = (grpc::error(alone.clone()), grpc::error(many));
                let fields: Vec<_> = alone.violations.iter().map(|v| format!("requests[0].{}", v.field)).collect();
                assert_eq!(
                    many.violations.iter().map(|v| v.field.clone()).take(fields.len()).collect::<Vec<_>>(),
                    fields
                );
            }
            (Ok(_), Err(many)) => panic!("one can be asked for, and many cannot: {many}"),
        }
        alone
    }

    async fn upsert_with(&self, number: &str, customer: Customer, consents: Vec<UpsertConsent>) -> UpsertOutcome {
        self.upsert(vec![UpsertCustomer { consents, ..entry(number, customer) }]).await[0].outcome()
    }
}

fn given(customer: &Customer, channel: ConsentChannel, point: &str, purpose: ConsentPurpose) -> SetConsentRequest {
    SetConsentRequest {
        customer_id: customer.id.clone(),
        channel: channel.into(),
        contact_point_id: point.to_owned(),
        purpose: purpose.into(),
        granted: true,
        ..SetConsentRequest::default()
    }
}

fn withdrawn(customer: &Customer, channel: ConsentChannel, point: &str, purpose: ConsentPurpose) -> SetConsentRequest {
    SetConsentRequest { granted: false, ..given(customer, channel, point, purpose) }
}

fn letter(customer: &Customer, address: &str, purpose: ConsentPurpose) -> MaySendRequest {
    MaySendRequest {
        customer_id: customer.id.clone(),
        channel: Email.into(),
        address: address.to_owned(),
        purpose: purpose.into(),
        ..MaySendRequest::default()
    }
}

fn brought(address: &str, granted: bool, evidence: &str) -> UpsertConsent {
    UpsertConsent {
        channel: Email.into(),
        address: address.to_owned(),
        purpose: Marketing.into(),
        granted,
        evidence: evidence.to_owned(),
    }
}

#[tokio::test]
async fn at_birth_every_channel_of_every_contact_point_is_off() {
    let world = World::new().await;
    let ana = world.ana().await;
    let states = world.states(&ana).await;
    let channels: Vec<_> = states.iter().map(|state| (state.channel(), state.contact_point_id.as_str())).collect();
    let (phone, email) = (ana.phones[0].id.as_str(), ana.emails[0].id.as_str());
    assert_eq!(channels, [(Sms, phone), (Call, phone), (Email, email)]);
    assert!(states.iter().all(|state| !state.marketing && !state.service && state.entry.is_none()));
    let answer = world.ask(letter(&ana, "ana@example.com", Service)).await;
    assert_eq!((answer.allowed, answer.reason.as_str(), answer.entry_ids.len()), (false, "NO_CONSENT", 0));
}

#[tokio::test]
async fn an_entry_tells_who_made_it_from_where_and_with_what_evidence() {
    let world = World::new().await;
    let ana = world.ana().await;
    let request = SetConsentRequest {
        evidence: " signed form 7\r\nat the till ".to_owned(),
        ..given(&ana, Email, &ana.emails[0].id, Marketing)
    };
    let entry = world.set(request).await;
    assert_eq!((entry.customer_id.as_str(), entry.address.as_str()), (ana.id.as_str(), "Ana@example.com"));
    assert_eq!((entry.evidence.as_str(), entry.origin()), ("signed form 7\nat the till", Origin::Web));
    assert!(entry.actor.is_some() && entry.recorded_at.is_some() && entry.granted);
    assert_eq!(world.log(&ana).await, vec![entry.clone()]);
    assert_eq!(world.letters(&ana).await, (true, false));
    let answer = world.ask(letter(&ana, "ANA@example.com", Marketing)).await;
    assert_eq!((answer.allowed, answer.reason.as_str()), (true, ""));
    assert_eq!((answer.entry_ids, answer.address.as_str()), (vec![entry.id], "Ana@example.com"));
    assert_eq!(answer.contact_point_id, ana.emails[0].id);
}

#[tokio::test]
async fn saying_what_already_holds_writes_nothing_and_returns_the_entry_there_is() {
    let world = World::new().await;
    let ana = world.ana().await;
    let first = world.set(given(&ana, Sms, "", EVERY)).await;
    assert_eq!(world.set(given(&ana, Sms, "", EVERY)).await, first);
    let off = world.set(withdrawn(&ana, Sms, "", EVERY)).await;
    assert_eq!(world.set(withdrawn(&ana, Sms, "", EVERY)).await, off);
    let ids: Vec<_> = world.log(&ana).await.into_iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [off.id, first.id]);
}

#[tokio::test]
async fn a_consent_for_all_covers_new_contact_points_and_a_withdrawal_for_one_is_stronger() {
    let world = World::new().await;
    let ana = world.ana().await;
    let all = world.set(given(&ana, Email, "", EVERY)).await;
    let mut more = ana.clone();
    more.emails.push(email("work@example.com"));
    let ana = world.update(more, &["emails"]).await;
    assert!(world.ask(letter(&ana, "work@example.com", Marketing)).await.allowed);

    let off = world.set(withdrawn(&ana, Email, &ana.emails[1].id, Marketing)).await;
    let answer = world.ask(letter(&ana, "work@example.com", Marketing)).await;
    assert_eq!((answer.reason.as_str(), answer.entry_ids), ("CONSENT_WITHDRAWN", vec![off.id.clone()]));
    assert!(world.ask(letter(&ana, "work@example.com", Service)).await.allowed);
    assert!(world.ask(letter(&ana, "ana@example.com", Marketing)).await.allowed);
    let states = world.states(&ana).await;
    let deciding = |point: &str| {
        states.iter().find(|state| state.contact_point_id == point).and_then(|state| state.entry.clone()).unwrap().id
    };
    assert_eq!((deciding(&ana.emails[0].id), deciding(&ana.emails[1].id)), (all.id, off.id));
}

#[tokio::test]
async fn a_contact_point_with_another_address_starts_without_consent() {
    let world = World::new().await;
    let mut ana = world.ana().await;
    world.set(given(&ana, Email, &ana.emails[0].id, EVERY)).await;
    ana.emails[0].address = "ana@new.example.com".to_owned();
    let mut ana = world.update(ana, &["emails"]).await;
    assert_eq!(world.letters(&ana).await, (false, false));
    let point = ana.emails[0].id.clone();
    let by_point = MaySendRequest { contact_point_id: point, ..letter(&ana, "", Marketing) };
    let answer = world.ask(by_point.clone()).await;
    assert_eq!((answer.reason.as_str(), answer.address.as_str()), ("NO_CONSENT", "ana@new.example.com"));

    // Another spelling of the address the entry was made for is the same address.
    ana.emails[0].address = "ANA@example.com".to_owned();
    let mut ana = world.update(ana, &["emails"]).await;
    assert_eq!(world.letters(&ana).await, (true, true));

    ana.emails.clear();
    world.update(ana.clone(), &["emails"]).await;
    assert_eq!(world.ask(by_point).await.reason, "NO_CONTACT_POINT");
    assert_eq!(world.log(&ana).await.len(), 1, "the entry outlives its contact point");
}

#[tokio::test]
async fn a_channel_reaches_contact_points_of_its_kind_only() {
    let world = World::new().await;
    let (ana, bea) = (world.ana().await, world.ana().await);
    let (phone, email) = (&ana.phones[0].id, &ana.emails[0].id);
    for (channel, point) in [(Email, phone), (Sms, email), (Call, email), (Email, &bea.emails[0].id)] {
        assert_invalid(world.try_set(given(&ana, channel, point, EVERY), "web").await, "contact_point_id");
    }
    for (channel, point) in [(Email, phone), (Call, email)] {
        let request =
            MaySendRequest { channel: channel.into(), contact_point_id: point.clone(), ..letter(&ana, "", Service) };
        assert_invalid(world.try_ask(request).await, "contact_point_id");
    }
    world.set(given(&ana, Sms, phone, EVERY)).await;
    let sms =
        |channel: ConsentChannel| MaySendRequest { channel: channel.into(), ..letter(&ana, "+34912345678", Service) };
    assert!(world.ask(sms(Sms)).await.allowed);
    assert!(!world.ask(sms(Call)).await.allowed);
}

#[tokio::test]
async fn a_program_or_a_file_must_bring_evidence() {
    let world = World::new().await;
    let ana = world.ana().await;
    for origin in ["api", "import"] {
        assert_invalid(world.try_set(given(&ana, Email, "", EVERY), origin).await, "evidence");
        world.try_set(withdrawn(&ana, Email, "", EVERY), origin).await.unwrap();
    }
    let long = SetConsentRequest { evidence: "x".repeat(2001), ..given(&ana, Email, "", EVERY) };
    assert_invalid(world.try_set(long, "api").await, "evidence");
    let shown = SetConsentRequest { evidence: "form 7".to_owned(), ..given(&ana, Email, "", EVERY) };
    assert_eq!(world.try_set(shown, "import").await.unwrap().origin(), Origin::Import);
}

#[tokio::test]
async fn wrong_requests_name_their_fields() {
    let world = World::new().await;
    let ana = world.ana().await;
    let right = given(&ana, Email, "", EVERY);
    for (request, field) in [
        (SetConsentRequest { customer_id: "x".to_owned(), ..right.clone() }, "customer_id"),
        (SetConsentRequest { channel: 0, ..right.clone() }, "channel"),
        (SetConsentRequest { channel: 9, ..right.clone() }, "channel"),
        (SetConsentRequest { purpose: 9, ..right.clone() }, "purpose"),
        (SetConsentRequest { contact_point_id: "x".to_owned(), ..right.clone() }, "contact_point_id"),
        (SetConsentRequest { evidence: "a\0b".to_owned(), ..right.clone() }, "evidence"),
    ] {
        assert_invalid(world.try_set(request, "web").await, field);
    }
    let right = letter(&ana, "ana@example.com", Service);
    for (request, field) in [
        (MaySendRequest { address: String::new(), ..right.clone() }, "contact_point_id"),
        (MaySendRequest { contact_point_id: ana.emails[0].id.clone(), ..right.clone() }, "address"),
        (MaySendRequest { purpose: 0, ..right.clone() }, "purpose"),
        (MaySendRequest { purpose: 9, ..right.clone() }, "purpose"),
        (MaySendRequest { channel: 0, ..right.clone() }, "channel"),
    ] {
        assert_invalid(world.try_ask(request).await, field);
    }
    let nobody = Customer { id: "0190a1f0-0000-7000-8000-000000000002".to_owned(), ..Customer::default() };
    let answers = [
        world.try_set(given(&nobody, Email, "", EVERY), "web").await.err(),
        world.try_ask(letter(&nobody, "ana@example.com", Service)).await.err(),
        world.consents().get_consents(GetConsentsRequest { customer_id: nobody.id.clone() }).await.err(),
        world
            .consents()
            .list_consent_entries(ListConsentEntriesRequest { customer_id: nobody.id, ..Default::default() })
            .await
            .err(),
    ];
    assert!(answers.iter().all(|status| status.as_ref().map(Status::code) == Some(Code::NotFound)), "{answers:?}");
}

#[tokio::test]
async fn for_an_address_of_others_all_of_them_must_agree() {
    let world = World::new().await;
    let family = |name: &str| Customer { emails: vec![email("family@example.com")], ..named(name) };
    let (ana, bea, cleo) = (world.ana().await, world.create(family("Bea")).await, world.create(family("Cleo")).await);
    let ask = || world.ask(letter(&ana, "Family@Example.com", Marketing));
    assert_eq!(ask().await.reason, "NO_CONSENT");
    let first = world.set(given(&bea, Email, "", EVERY)).await;
    assert_eq!(ask().await.reason, "NO_CONSENT");
    let second = world.set(given(&cleo, Email, &cleo.emails[0].id, Marketing)).await;
    let answer = ask().await;
    assert_eq!((answer.allowed, answer.contact_point_id.as_str()), (true, ""));
    assert_eq!(answer.address, "Family@Example.com");
    assert_eq!(answer.entry_ids.into_iter().collect::<HashSet<_>>(), HashSet::from([first.id, second.id]));
    let off = world.set(withdrawn(&bea, Email, "", EVERY)).await;
    let answer = ask().await;
    assert_eq!((answer.reason.as_str(), answer.entry_ids), ("CONSENT_WITHDRAWN", vec![off.id]));
    // Who writes to Cleo at her own address asks Cleo alone.
    assert!(world.ask(letter(&cleo, "family@example.com", Marketing)).await.allowed);
    for nobody_s in ["nobody@example.com", "no address", ""] {
        if !nobody_s.is_empty() {
            assert_eq!(world.ask(letter(&ana, nobody_s, Service)).await.reason, "UNKNOWN_ADDRESS");
        }
    }
}

#[tokio::test]
async fn an_address_that_is_others_now_is_closed_by_what_the_customer_withdrew_for_it() {
    let world = World::new().await;
    let ana = world.ana().await;
    let off = world.set(withdrawn(&ana, Email, &ana.emails[0].id, Marketing)).await;
    let ana = world.update(Customer { emails: vec![email("new@example.com")], ..ana }, &["emails"]).await;
    let bea = world.create(Customer { emails: vec![email("ANA@example.com")], ..named("Bea") }).await;
    world.set(given(&bea, Email, "", EVERY)).await;

    let answer = world.ask(letter(&ana, "ana@example.com", Marketing)).await;
    assert_eq!((answer.reason.as_str(), answer.entry_ids), ("CONSENT_WITHDRAWN", vec![off.id]));
    assert!(world.ask(letter(&ana, "ana@example.com", Service)).await.allowed);
    assert!(world.ask(letter(&bea, "ana@example.com", Marketing)).await.allowed, "it is Bea's own to agree to");
    let all = world.set(withdrawn(&ana, Email, "", Service)).await;
    let answer = world.ask(letter(&ana, "ana@example.com", Service)).await;
    assert_eq!((answer.reason.as_str(), answer.entry_ids), ("CONSENT_WITHDRAWN", vec![all.id]));
}

#[tokio::test]
async fn a_withdrawal_stands_against_an_address_that_nobody_has() {
    let world = World::new().await;
    let ana = world.ana().await;
    let nobody_s = ["nobody@example.com", "no address"];
    world.set(given(&ana, Email, "", EVERY)).await;
    for address in nobody_s {
        assert_eq!(world.ask(letter(&ana, address, Service)).await.reason, "UNKNOWN_ADDRESS", "{address}");
    }
    let off = world.set(withdrawn(&ana, Email, "", Marketing)).await;
    for address in nobody_s {
        let answer = world.ask(letter(&ana, address, Marketing)).await;
        assert_eq!((answer.allowed, answer.reason.as_str()), (false, "CONSENT_WITHDRAWN"), "{address}");
        assert_eq!(answer.entry_ids, std::slice::from_ref(&off.id));
        assert_eq!(world.ask(letter(&ana, address, Service)).await.reason, "UNKNOWN_ADDRESS", "{address}");
    }
}

#[tokio::test]
async fn a_withdrawal_made_for_an_address_outlives_its_removal_from_the_record() {
    let world = World::new().await;
    let bea = world.create(Customer { emails: vec![email("bea@example.com")], ..named("Bea") }).await;
    let off = world.set(withdrawn(&bea, Email, &bea.emails[0].id, EVERY)).await;
    world.update(Customer { emails: vec![email("new@example.com")], ..bea.clone() }, &["emails"]).await;
    let answer = world.ask(letter(&bea, "BEA@example.com", Service)).await;
    assert_eq!((answer.reason.as_str(), answer.entry_ids), ("CONSENT_WITHDRAWN", vec![off.id]));
    assert_eq!(world.ask(letter(&bea, "other@example.com", Service)).await.reason, "UNKNOWN_ADDRESS");
}

#[tokio::test]
async fn a_withdrawal_stands_when_the_address_is_removed_and_added_again_until_consent_is_given_for_it() {
    let world = World::new().await;
    let ana = world.ana().await;
    world.set(given(&ana, Email, "", EVERY)).await;
    let off = world.set(withdrawn(&ana, Email, &ana.emails[0].id, Marketing)).await;
    world.update(Customer { emails: Vec::new(), ..ana.clone() }, &["emails"]).await;
    let ana = world.get(&ana.id).await;
    world.update(Customer { emails: vec![email("ANA@example.com")], ..ana.clone() }, &["emails"]).await;
    let ana = world.get(&ana.id).await;
    assert_ne!(off.contact_point_id, ana.emails[0].id);
    assert_eq!(world.letters(&ana).await, (false, true));
    let to_point = MaySendRequest {
        contact_point_id: ana.emails[0].id.clone(),
        address: String::new(),
        ..letter(&ana, "", Marketing)
    };
    for request in [letter(&ana, "ana@example.com", Marketing), to_point.clone()] {
        let answer = world.ask(request).await;
        assert_eq!((answer.reason.as_str(), answer.entry_ids), ("CONSENT_WITHDRAWN", vec![off.id.clone()]));
    }
    world.set(given(&ana, Email, &ana.emails[0].id, Marketing)).await;
    assert!(world.ask(to_point).await.allowed);
    assert_eq!(world.letters(&ana).await, (true, true));
}

#[tokio::test]
async fn an_address_that_too_many_share_is_not_written_to() {
    let world = World::new().await;
    let ana = world.ana().await;
    let consent = UpsertConsent { address: String::new(), ..brought("", true, "form 7") };
    for batch in 0..2 {
        let one = |i: usize| UpsertCustomer {
            consents: vec![consent.clone()],
            ..entry(&format!("{batch}-{i}"), Customer { emails: vec![email("info@example.com")], ..named("Bea") })
        };
        world.upsert((0..250).map(one).collect()).await;
    }
    let answer = world.ask(letter(&ana, "info@example.com", Marketing)).await;
    assert_eq!((answer.allowed, answer.entry_ids.len()), (true, 500));
    world.upsert_with("one-more", Customer { emails: vec![email("info@example.com")], ..named("Cleo") }, vec![]).await;
    assert_eq!(world.ask(letter(&ana, "info@example.com", Marketing)).await.reason, "SHARED_TOO_WIDELY");
}

#[tokio::test]
async fn the_log_is_paged_newest_first() {
    let world = World::new().await;
    let ana = world.ana().await;
    let mut ids = Vec::new();
    for i in 0..7 {
        let request = SetConsentRequest { granted: i % 2 == 0, ..given(&ana, Email, "", EVERY) };
        ids.insert(0, world.set(request).await.id);
    }
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListConsentEntriesRequest { customer_id: ana.id.clone(), page_size: 3, page_token };
        let page = world.consents().list_consent_entries(request).await.unwrap().into_inner();
        found.extend(page.entries.into_iter().map(|entry| entry.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found, ids);
    let wrong = ListConsentEntriesRequest { customer_id: ana.id, page_token: "x".to_owned(), ..Default::default() };
    assert_invalid(world.consents().list_consent_entries(wrong).await, "page_token");
}

#[tokio::test]
async fn entries_made_at_once_follow_one_another_without_gaps() {
    let world = World::new().await;
    let ana = world.ana().await;
    let writers = (0..20).map(|i| {
        let mut client = world.consents();
        let request = SetConsentRequest {
            evidence: format!("form {i}"),
            granted: i % 2 == 0,
            ..given(&ana, [Email, Sms, Call][i % 3], "", EVERY)
        };
        tokio::spawn(async move { client.set_consent(request).await.unwrap().into_inner() })
    });
    let mut made = HashSet::new();
    for writer in writers.collect::<Vec<_>>() {
        made.insert(writer.await.unwrap().id);
    }
    let log = world.log(&ana).await;
    assert_eq!(log.iter().map(|entry| entry.id.clone()).collect::<HashSet<_>>(), made);
    for channel in [Email, Sms, Call] {
        let words: Vec<_> = log.iter().filter(|entry| entry.channel() == channel).map(|entry| entry.granted).collect();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]), "a word that held already was written again");
    }
}

#[tokio::test]
async fn a_repeated_request_gets_the_answer_of_the_first() {
    let world = World::new().await;
    let ana = world.ana().await;
    let request = SetConsentRequest { request_id: "r1".to_owned(), ..given(&ana, Email, "", EVERY) };
    let first = world.set(request.clone()).await;
    world.set(withdrawn(&ana, Email, "", EVERY)).await;
    assert_eq!(world.set(request).await, first);
    assert_eq!(world.letters(&ana).await, (false, false));
}

#[tokio::test]
async fn what_is_published_of_an_entry_holds_neither_address_nor_evidence() {
    let world = World::new().await;
    let ana = world.ana().await;
    let request = SetConsentRequest {
        evidence: "canary of evidence".to_owned(),
        ..given(&ana, Email, &ana.emails[0].id, Marketing)
    };
    let entry = world.set(request).await;
    let events = world.events().await;
    let event = events.iter().find(|event| event.aggregate_type == "consent").unwrap();
    assert_eq!((event.aggregate_id.as_str(), event.aggregate_version), (entry.id.as_str(), 1));
    assert_eq!(event.customer_id, ana.id);
    let told = ConsentRecorded::decode(event.data.as_ref().unwrap().value.as_slice()).unwrap();
    assert_eq!(
        (told.entry_id.as_str(), told.channel(), told.purpose(), told.granted),
        (entry.id.as_str(), Email, Marketing, true)
    );
    assert_eq!((told.customer_id, told.contact_point_id), (ana.id, ana.emails[0].id.clone()));
    for event in events {
        let bytes = event.encode_to_vec();
        for canary in [b"canary".as_slice(), b"Ana@example.com"] {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary));
        }
    }
}

#[tokio::test]
async fn the_service_can_neither_change_nor_remove_nor_clear_an_entry() {
    let world = World::new().await;
    let ana = world.ana().await;
    world.set(given(&ana, Email, &ana.emails[0].id, EVERY)).await;
    let pool = world.database.db.pool();
    for statement in [
        "delete from customers.consent_entry",
        "truncate customers.consent_entry",
        "update customers.consent_entry set granted = false",
        "update customers.consent_entry set granted = false, address = '', address_key = '', evidence = ''",
        "update customers.consent_entry set evidence = 'another'",
        "update customers.consent_entry set address = '', address_key = '', evidence = ''",
        "update customers.consent_entry set address = '', address_key = '', evidence = '', cleared_at = recorded_at",
        "insert into customers.consent_entry
         select customer_id, customer_id, ordinal + 1, channel, contact_point_id, '', '', purpose, granted, evidence, actor_kind,
                actor_id, origin, integration, recorded_at, null from customers.consent_entry",
    ] {
        assert!(sqlx::query(statement).execute(pool).await.is_err(), "{statement}");
    }
    assert_eq!(world.letters(&ana).await, (true, true));
    assert_eq!(world.log(&ana).await[0].address, "Ana@example.com");
}

#[tokio::test]
async fn entries_are_cleared_once_the_contact_points_of_their_customer_are_gone_and_no_others() {
    let world = World::new().await;
    let (ana, bea) = (world.ana().await, world.ana().await);
    for customer in [&ana, &bea] {
        let request = SetConsentRequest {
            evidence: "signed form 7".to_owned(),
            ..given(customer, Email, &customer.emails[0].id, EVERY)
        };
        world.set(request).await;
    }
    let error = world.clear(&ana).await.unwrap_err();
    assert!(error.to_string().contains("which are still there"), "{error}");
    assert_eq!(world.log(&ana).await[0].evidence, "signed form 7");

    let gone = Customer { emails: Vec::new(), phones: Vec::new(), ..ana.clone() };
    world.update(gone, &["emails", "phones"]).await;
    assert_eq!(world.clear(&ana).await.unwrap(), 1);
    let entry = &world.log(&ana).await[0];
    assert_eq!((entry.address.as_str(), entry.evidence.as_str(), entry.granted), ("", "", true));
    assert_eq!(entry.contact_point_id, ana.emails[0].id, "that there was an entry stays");
    assert_eq!(world.clear(&ana).await.unwrap(), 0);
    assert_eq!(world.log(&bea).await[0].evidence, "signed form 7");
}

#[tokio::test]
async fn a_withdrawal_whose_address_was_cleared_stands_against_every_address_until_consent_is_given_for_it() {
    let world = World::new().await;
    let ana = world.ana().await;
    world.set(given(&ana, Email, "", EVERY)).await;
    let off = world.set(withdrawn(&ana, Email, &ana.emails[0].id, Marketing)).await;
    // A consent made later for another address, whose address is cleared too, hides nothing.
    let other = Customer { emails: vec![email("other@example.com")], ..ana.clone() };
    let ana = world.update(other, &["emails"]).await;
    world.set(given(&ana, Email, &ana.emails[0].id, Marketing)).await;
    let ana = world.update(Customer { emails: Vec::new(), phones: Vec::new(), ..ana }, &["emails", "phones"]).await;
    world.clear(&ana).await.unwrap();

    for address in ["ana@example.com", "nobody@example.com", "no address"] {
        let answer = world.ask(letter(&ana, address, Marketing)).await;
        assert_eq!(
            (answer.reason.as_str(), answer.entry_ids),
            ("CONSENT_WITHDRAWN", vec![off.id.clone()]),
            "{address}"
        );
    }
    let ana = world.update(Customer { emails: vec![email("new@example.com")], ..ana }, &["emails"]).await;
    assert_eq!(world.letters(&ana).await, (false, true));
    assert_eq!(world.ask(letter(&ana, "new@example.com", Marketing)).await.reason, "CONSENT_WITHDRAWN");
    world.set(given(&ana, Email, &ana.emails[0].id, Marketing)).await;
    assert_eq!(world.letters(&ana).await, (true, true));
    assert!(world.ask(letter(&ana, "new@example.com", Marketing)).await.allowed);
    assert_eq!(world.ask(letter(&ana, "other@example.com", Marketing)).await.reason, "CONSENT_WITHDRAWN");
}

#[tokio::test]
async fn an_upsert_brings_consents_with_their_evidence() {
    let world = World::new().await;
    let customer = || Customer { emails: vec![email("ana@example.com")], ..named("Ana") };
    let consents = || vec![brought("ANA@example.com", true, "form 7")];
    assert_eq!(world.upsert_with("1", customer(), consents()).await, UpsertOutcome::Created);
    assert_eq!(world.upsert_with("1", customer(), consents()).await, UpsertOutcome::Unchanged);
    let found = world.list(ListCustomersRequest::default()).await.customers;
    let log = world.log(&found[0]).await;
    assert_eq!(
        (log.len(), log[0].evidence.as_str(), log[0].contact_point_id.as_str()),
        (1, "form 7", found[0].emails[0].id.as_str())
    );
    assert_eq!(world.letters(&found[0]).await, (true, false));

    // What only the consents change is a change too.
    let off = vec![brought("", false, "")];
    assert_eq!(world.upsert_with("1", customer(), off).await, UpsertOutcome::Updated);
    assert_eq!(world.letters(&found[0]).await, (false, false));
}

#[tokio::test]
async fn a_consent_brought_again_does_not_undo_a_later_withdrawal() {
    let world = World::new().await;
    let customer = || Customer { emails: vec![email("ana@example.com")], ..named("Ana") };
    let consents = || vec![brought("ana@example.com", true, "form 7")];
    world.upsert_with("1", customer(), consents()).await;
    let ana = world.list(ListCustomersRequest::default()).await.customers.remove(0);
    world.set(withdrawn(&ana, Email, &ana.emails[0].id, Marketing)).await;
    assert_eq!(world.upsert_with("1", customer(), consents()).await, UpsertOutcome::Unchanged);
    assert_eq!(world.letters(&ana).await, (false, false));

    // Nor when the address was taken away and has come back in between.
    world.update(Customer { emails: Vec::new(), ..ana.clone() }, &["emails"]).await;
    world.upsert_with("1", customer(), consents()).await;
    let ana = world.get(&ana.id).await;
    assert_eq!(world.letters(&ana).await, (false, false));

    // With new evidence it was given anew.
    world.upsert_with("1", customer(), vec![brought("ana@example.com", true, "form 8")]).await;
    assert_eq!(world.letters(&ana).await, (true, false));
}

#[tokio::test]
async fn an_entry_of_an_upsert_with_a_wrong_consent_is_refused_whole() {
    let world = World::new().await;
    let customer = |name: &str| Customer { emails: vec![email("ana@example.com")], ..named(name) };
    let with = |number: &str, consents| UpsertCustomer { consents, ..entry(number, customer(number)) };
    let request = BatchUpsertCustomersRequest {
        entries: vec![
            with("1", vec![brought("ana@example.com", true, "form 7"), brought("ana@example.com", true, " ")]),
            with("2", vec![brought("other@example.com", true, "form 7")]),
            with("3", vec![UpsertConsent { channel: 0, ..brought("", false, "") }]),
            with("4", vec![UpsertConsent { channel: Sms.into(), ..brought("ana@example.com", false, "") }]),
            with("5", vec![brought("", false, ""); 21]),
            with("6", vec![brought("", false, "")]),
        ],
        request_id: String::new(),
    };
    let results = world.customers().batch_upsert_customers(request).await.unwrap().into_inner().results;
    let fields: Vec<_> =
        results.iter().map(|result| result.violations.iter().map(|v| v.field.as_str()).collect::<Vec<_>>()).collect();
    assert_eq!(
        fields,
        [
            vec!["consents[1].evidence"],
            vec!["consents[0].address"],
            vec!["consents[0].channel"],
            vec!["consents[0].address"],
            vec!["consents"],
            vec![],
        ]
    );
    assert_eq!(world.list(ListCustomersRequest::default()).await.customers.len(), 1);
}

#[tokio::test]
async fn reading_writing_and_asking_need_their_own_permissions() {
    let world = World::new().await;
    let ana = world.ana().await;
    let only = |permission: &str| ConsentsClient::new(world.harness.client("customers", &[permission]));
    let denied = |code: Option<Code>| code == Some(Code::PermissionDenied);
    let get = GetConsentsRequest { customer_id: ana.id.clone() };
    let ask = letter(&ana, "ana@example.com", Service);
    let set = SetConsentRequest { evidence: "form 7".to_owned(), ..given(&ana, Email, "", EVERY) };
    let code = |status: Status| status.code();
    for (permission, may_read, may_write, may_ask) in [
        ("customers.consent.read", true, false, false),
        ("customers.consent.write", false, true, false),
        ("customers.consent.check", false, false, true),
        ("customers.customer.read", false, false, false),
    ] {
        let mut client = only(permission);
        assert_eq!(denied(client.get_consents(get.clone()).await.err().map(code)), !may_read, "{permission}");
        assert_eq!(denied(client.set_consent(set.clone()).await.err().map(code)), !may_write, "{permission}");
        assert_eq!(denied(client.may_send(ask.clone()).await.err().map(code)), !may_ask, "{permission}");
        let many = BatchMaySendRequest { requests: vec![ask.clone()] };
        assert_eq!(denied(client.batch_may_send(many).await.err().map(code)), !may_ask, "{permission}");
    }
}

#[tokio::test]
async fn as_many_are_answered_for_at_once_as_the_contract_says_and_no_more() {
    let world = World::new().await;
    let ana = world.ana().await;
    let many = |n: usize| BatchMaySendRequest { requests: vec![letter(&ana, "ana@example.com", Service); n] };
    for n in [0, 500] {
        assert_eq!(world.consents().batch_may_send(many(n)).await.unwrap().into_inner().answers.len(), n);
    }
    let refused = grpc::error(world.consents().batch_may_send(many(501)).await.unwrap_err());
    assert_eq!(refused.violations[0].field, "requests");
}
