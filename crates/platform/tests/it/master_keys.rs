//! Master keys: replaced without a loss, and refused where they do not fit.

use std::sync::Arc;

use clientele_contracts::orders::v1::ProductRecorded;
use clientele_kernel::{Clock, Code, CustomerId, Error as KernelError, SystemEntropy};
use clientele_platform::Caller;
use clientele_platform::postgres::{Database, Entry, Error, Keyring, MasterKey, journal, master_key};
use clientele_testkit::TestDatabase;
use prost::Message;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::support::NONE;

fn key(id: &str, byte: u8) -> MasterKey {
    MasterKey { id: id.into(), key: Zeroizing::new([byte; 32]) }
}

fn keyring(masters: &[MasterKey]) -> Keyring {
    Keyring::try_new(masters.to_vec(), Arc::new(SystemEntropy)).unwrap()
}

/// A replica with these master keys, the present one first.
fn replica(database: &TestDatabase, masters: &[MasterKey]) -> Database {
    let pool = database.db.pool().clone();
    Database::new(pool, "orders", database.clock.clone(), Arc::new(SystemEntropy), keyring(masters))
}

async fn write(db: &Database, customer: CustomerId, version: i64, name: &str) -> Result<(), Error> {
    let event = ProductRecorded { name: name.into(), ..Default::default() };
    let mut work = db.begin(&Caller::service("test")).await?;
    work.record(Entry::new("customer", customer.uuid(), version, &event).customer(customer).image(&event));
    work.commit().await
}

async fn read(db: &Database, customer: CustomerId) -> Result<Vec<Option<String>>, Error> {
    let images = journal::images(db, "customer", customer.uuid(), None, 10).await?;
    let name = |image: &[u8]| ProductRecorded::decode(image).unwrap().name;
    Ok(images.iter().map(|row| row.image.as_ref().map(|image| name(image.as_slice()))).collect())
}

/// An answer kept for the repetition of a command.
async fn ask(db: &Database, request_id: &str) -> ProductRecorded {
    let request = ProductRecorded { name: request_id.into(), ..Default::default() };
    let mut work = db.begin(&Caller::service("test")).await.unwrap();
    if let Some(answer) = work.replay::<ProductRecorded>("/test", request_id, &request).await.unwrap() {
        return answer;
    }
    let answer = ProductRecorded { product_id: work.id::<Uuid>().to_string(), ..Default::default() };
    work.commit_with(&answer).await.unwrap();
    answer
}

#[tokio::test]
async fn what_a_master_key_wrapped_is_wrapped_anew_and_what_was_erased_stays_so() {
    let database = TestDatabase::new("orders", &NONE).await;
    let (old, new) = (key("old", 1), key("new", 2));
    let (one, erased) = (database.ids.next::<CustomerId>(), database.ids.next::<CustomerId>());
    let before = replica(&database, std::slice::from_ref(&old));
    write(&before, one, 1, "Ana").await.unwrap();
    write(&before, erased, 1, "Eva").await.unwrap();
    let answer = ask(&before, "a-request").await;
    let mut work = before.begin(&Caller::service("test")).await.unwrap();
    before.keyring().destroy(work.conn(), erased.uuid()).await.unwrap();
    work.commit().await.unwrap();
    // More than a batch has.
    let crowd: Vec<CustomerId> = (0..600).map(|_| database.ids.next()).collect();
    let mut work = before.begin(&Caller::service("test")).await.unwrap();
    for customer in &crowd {
        let event = ProductRecorded { name: customer.to_string(), ..Default::default() };
        work.record(Entry::new("customer", customer.uuid(), 1, &event).customer(*customer).image(&event));
    }
    work.commit().await.unwrap();

    let both = replica(&database, &[new.clone(), old.clone()]);
    both.check_master_keys().await.unwrap();
    let mut conn = both.pool().acquire().await.unwrap();
    let mut told = Vec::new();
    assert_eq!(master_key::rewrap(&mut conn, both.keyring(), |done| told.push(done)).await.unwrap(), 602);
    assert_eq!(told, [500, 601, 602]);
    assert_eq!(master_key::rewrap(&mut conn, both.keyring(), |_| {}).await.unwrap(), 0);
    let found = master_key::found(&mut conn).await.unwrap();
    assert!(found["old"].nothing(), "{found:?}");
    assert_eq!((found["new"].subject_keys, found["new"].answers), (601, 1));

    // Without the old one nothing starts before it is known to be done with.
    let after = replica(&database, &[new]);
    let refused = after.check_master_keys().await.unwrap_err().to_string();
    assert!(refused.contains("the master key `old` is not configured"), "{refused}");
    master_key::retire(&mut conn, &["old".to_owned()], database.clock.now()).await.unwrap();
    after.check_master_keys().await.unwrap();
    assert_eq!(read(&after, one).await.unwrap(), [Some("Ana".to_owned())]);
    assert_eq!(read(&after, crowd[599]).await.unwrap(), [Some(crowd[599].to_string())]);
    assert_eq!(read(&after, erased).await.unwrap(), [None]);
    assert_eq!(ask(&after, "a-request").await, answer);
}

#[tokio::test]
async fn replicas_that_know_both_keys_work_side_by_side_whichever_is_present() {
    let database = TestDatabase::new("orders", &NONE).await;
    let (old, new) = (key("old", 1), key("new", 2));
    let former = replica(&database, &[old.clone(), new.clone()]);
    let present = replica(&database, &[new, old]);
    let (one, other) = (database.ids.next::<CustomerId>(), database.ids.next::<CustomerId>());
    write(&former, one, 1, "one").await.unwrap();
    write(&present, other, 1, "other").await.unwrap();
    write(&present, one, 2, "one again").await.unwrap();
    write(&former, other, 2, "other again").await.unwrap();
    for replica in [&former, &present] {
        let told = |names: [&str; 2]| names.map(|name| Some(name.to_owned())).to_vec();
        assert_eq!(read(replica, one).await.unwrap(), told(["one again", "one"]));
        assert_eq!(read(replica, other).await.unwrap(), told(["other again", "other"]));
    }
    assert_eq!(ask(&former, "a-request").await, ask(&present, "a-request").await);
}

#[tokio::test]
async fn a_replica_that_meets_a_key_it_does_not_know_says_so_and_counts_it() {
    let database = TestDatabase::new("orders", &NONE).await;
    let behind = replica(&database, &[key("old", 1)]);
    let customer = database.ids.next::<CustomerId>();
    write(&behind, database.ids.next(), 1, "somebody").await.unwrap();
    write(&replica(&database, &[key("new", 2), key("old", 1)]), customer, 1, "Ana").await.unwrap();
    let met = read(&behind, customer).await.unwrap_err();
    assert!(matches!(&met, Error::UnknownMasterKey(id) if id == "new"), "{met}");
    let told = KernelError::from(met);
    assert_eq!((told.code, told.reason), (Code::Unavailable, "MASTER_KEY_UNKNOWN"));
    assert_eq!(behind.keyring().unknown(), 1);
}

#[tokio::test]
async fn another_key_under_a_known_name_wraps_nothing() {
    let database = TestDatabase::new("orders", &NONE).await;
    write(&replica(&database, &[key("1", 1)]), database.ids.next(), 1, "Ana").await.unwrap();
    let wrong = replica(&database, &[key("1", 2)]);
    let refused = write(&wrong, database.ids.next(), 1, "Eva").await.unwrap_err();
    assert!(matches!(&refused, Error::MasterKey(told) if told.contains("`1` is not the one")), "{refused}");
    // As one that is to open only, too; and where the name was not noted when it wrapped.
    let other = replica(&database, &[key("2", 2), key("1", 3)]);
    assert!(matches!(other.check_master_keys().await, Err(Error::MasterKey(_))));
    sqlx::query("delete from master_key").execute(database.db.pool()).await.unwrap();
    assert!(matches!(wrong.check_master_keys().await, Err(Error::MasterKey(_))));
    let keys: i64 = sqlx::query_scalar("select count(*) from subject_key").fetch_one(database.db.pool()).await.unwrap();
    assert_eq!(keys, 1);
}
