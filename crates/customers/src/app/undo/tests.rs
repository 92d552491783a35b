use clientele_contracts::platform::v1::UpsertOutcome;
use clientele_kernel::{Actor, ActorKind, Clock, Code, Error as KernelError, Origin};
use clientele_platform::{Caller, Command};
use clientele_testkit::TestDatabase;

use super::*;
use crate::MIGRATIONS;
use crate::app::history::ChangeKind;
use crate::app::upsert::UpsertStatement;
use crate::domain::consent;
use crate::domain::customer::{EmailStatement, PhoneStatement, Statement};

struct World {
    app: App,
    database: TestDatabase,
    caller: Caller,
}

impl World {
    async fn new() -> Self {
        let database = TestDatabase::new("customers", &MIGRATIONS).await;
        let caller = Caller {
            actor: Actor { kind: ActorKind::User, id: "u".to_owned() },
            origin: Origin::Import,
            ..Caller::service("customers")
        };
        Self { app: App::new(database.db.clone(), None), database, caller }
    }

    fn command(&self) -> Command<'_, ()> {
        Command { caller: &self.caller, method: "/test", request_id: "", request: &() }
    }

    /// Creates or changes customers by their numbers, and gives their ids.
    async fn bring(&self, customers: &[(&str, Statement)]) -> Vec<CustomerId> {
        let entries = customers.iter().map(|(number, statement)| UpsertStatement {
            source: "file".to_owned(),
            external_id: (*number).to_owned(),
            statement: Ok(statement.clone()),
            consents: Vec::new(),
        });
        let answer = self.app.batch_upsert(&self.command(), entries.collect()).await.unwrap();
        assert!(answer.results.iter().all(|result| result.outcome() != UpsertOutcome::Refused), "{answer:?}");
        answer.results.iter().map(|result| result.customer_id.parse().unwrap()).collect()
    }

    async fn remove(&self, created: &[(CustomerId, i64)]) -> BTreeSet<CustomerId> {
        let mut uow = self.database.db.begin(&self.caller).await.unwrap();
        let removed = remove(&mut uow, created).await.unwrap();
        uow.commit().await.unwrap();
        removed
    }

    async fn restore(&self, changed: &[(CustomerId, i64)], before: i64) -> BTreeSet<CustomerId> {
        let versions: Vec<_> = changed.iter().map(|(id, _)| (*id, before)).collect();
        let past = self.app.past_states(&versions).await.unwrap();
        let mut uow = self.database.db.begin(&self.caller).await.unwrap();
        let restored = restore(&mut uow, changed, &past).await.unwrap();
        uow.commit().await.unwrap();
        restored
    }

    async fn get(&self, id: CustomerId) -> Result<Customer, KernelError> {
        self.app.get(id, true).await.map(|view| view.customer).map_err(Into::into)
    }
}

fn named(name: &str) -> Statement {
    Statement { display_name: name.to_owned(), ..Statement::default() }
}

fn reachable(name: &str, number: &str, address: &str) -> Statement {
    Statement {
        phones: vec![PhoneStatement { number: number.to_owned(), ..PhoneStatement::default() }],
        emails: vec![EmailStatement { address: address.to_owned(), ..EmailStatement::default() }],
        ..named(name)
    }
}

#[tokio::test]
async fn a_removed_customer_is_gone_and_answers_for_the_past_alone() {
    let world = World::new().await;
    let shared = |name| reachable(name, "+34912345678", "ana@example.com");
    let ids = world.bring(&[("1", shared("Ana")), ("2", shared("Anna"))]).await;
    let then = world.get(ids[0]).await.unwrap().created_at;
    world.database.clock.advance(chrono::TimeDelta::minutes(1));

    assert_eq!(world.remove(&[(ids[0], 1)]).await, BTreeSet::from([ids[0]]));
    assert_eq!(world.get(ids[0]).await.unwrap_err().code, Code::NotFound);
    let as_of = |moment| world.app.get_as_of(ids[0], moment, true);
    assert_eq!(as_of(then).await.unwrap().display_name, "Ana");
    let now = world.database.clock.now();
    assert_eq!(KernelError::from(as_of(now).await.unwrap_err()).code, Code::NotFound);

    // Their keys are counted down, their reference is free.
    let other = world.app.get(ids[1], true).await.unwrap();
    assert_eq!((other.duplicates, other.phone_duplicates, other.email_duplicates), (0, vec![0], vec![0]));
    let again = world.bring(&[("1", named("Ana"))]).await;
    assert_ne!(again[0], ids[0]);

    let (changes, _) = world.app.list_changes(ids[0], 0, "").await.unwrap();
    let kinds: Vec<_> = changes.iter().map(|change| (change.version, change.kind)).collect();
    assert_eq!(kinds, [(2, ChangeKind::Deleted), (1, ChangeKind::Created)]);
}

#[tokio::test]
async fn a_customer_touched_since_is_neither_removed_nor_restored() {
    let world = World::new().await;
    let ids = world.bring(&[("1", named("Ana")), ("2", named("Bea")), ("3", named("Cleo"))]).await;
    world.bring(&[("1", named("Ana Ruiz"))]).await;
    let statement = consent::Statement {
        channel: consent::Channel::Email,
        contact_point_id: String::new(),
        purpose: None,
        granted: false,
        evidence: String::new(),
    };
    world.app.set_consent(&world.command(), ids[1], statement).await.unwrap();

    let created: Vec<_> = ids.iter().map(|id| (*id, 1)).collect();
    assert_eq!(world.remove(&created).await, BTreeSet::from([ids[2]]));
    assert_eq!(world.get(ids[0]).await.unwrap().display_name, "Ana Ruiz");
    assert!(world.get(ids[1]).await.is_ok(), "an entry of the ledger of consents refers to it");
    assert!(world.restore(&[(ids[0], 1)], 1).await.is_empty());
    assert_eq!(world.get(ids[0]).await.unwrap().version, 2);
}

#[tokio::test]
async fn a_restored_customer_is_what_it_was_in_a_new_version() {
    let world = World::new().await;
    let ids = world.bring(&[("1", reachable("Ana", "+34912345678", "ana@example.com"))]).await;
    let before = world.get(ids[0]).await.unwrap();
    world.database.clock.advance(chrono::TimeDelta::minutes(1));
    world.bring(&[("1", reachable("Ana Ruiz", "+34912345679", "ana.ruiz@example.com"))]).await;

    assert_eq!(world.restore(&[(ids[0], 2)], 1).await, BTreeSet::from([ids[0]]));
    let after = world.get(ids[0]).await.unwrap();
    assert_eq!((after.version, after.updated_at), (3, world.database.clock.now()));
    assert_eq!(after, Customer { version: 3, updated_at: after.updated_at, ..before });
    let found = world.app.list(&pb::ListCustomersRequest { query: "Ruiz".to_owned(), ..Default::default() }).await;
    assert!(found.unwrap().views.is_empty());
}

#[tokio::test]
async fn five_hundred_customers_are_taken_back_at_once() {
    let world = World::new().await;
    let numbers: Vec<String> = (0..500).map(|i| i.to_string()).collect();
    let customers: Vec<_> =
        numbers.iter().map(|n| (n.as_str(), reachable(n, "+34912345678", "a@example.com"))).collect();
    let ids = world.bring(&customers).await;
    let created: Vec<_> = ids.iter().map(|id| (*id, 1)).collect();
    assert_eq!(world.remove(&created).await.len(), 500);
    let page = world.app.list(&pb::ListCustomersRequest::default()).await.unwrap();
    assert_eq!(page.total.map(|total| total.size), Some(0));
}
