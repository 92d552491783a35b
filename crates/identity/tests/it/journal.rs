//! What identity writes to its journal and tells others.

use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::feed_client::FeedClient;
use clientele_contracts::platform::v1::{Event, ReadFeedRequest};
use clientele_kernel::PARTITIONS;
use clientele_platform::{event, postgres};
use prost::Message;
use tonic::Code;

use crate::house::{House, PASSWORD, refused};

async fn events(house: &House) -> Vec<Event> {
    let mut feed = FeedClient::new(house.administrator().await);
    let mut events = Vec::new();
    for partition in 0..i32::from(PARTITIONS) {
        let request = ReadFeedRequest { partition, after: 0, page_size: 1000, ..Default::default() };
        events.extend(feed.read(request).await.expect("the feed answers").into_inner().events);
    }
    events
}

fn of<M: Message + prost::Name + Default>(events: &[Event]) -> Vec<M> {
    events.iter().filter_map(|e| event::decode::<M>(e).expect("an event is readable")).collect()
}

#[tokio::test]
async fn every_change_is_told_without_anything_personal() {
    let house = House::new().await;
    let somebody = house.somebody("canary.login@example.org", &["identity.api_key.write", "identity.store.read"]).await;
    house.key(&somebody.transport, &["identity.store.read"]).await.unwrap();
    refused(house.sign_in("canary.login@example.org", "not the password", "203.0.113.77").await);
    refused(house.sign_in("canary.other@example.org", "not the password", "203.0.113.77").await);
    house.sign_out(&somebody.secret).await.unwrap();
    let administrator = house.administrator().await;
    let renamed = pb::User { display_name: "Canary Name".to_owned(), ..somebody.user.clone() };
    let renamed = house.update_user(&administrator, renamed, &["display_name"]).await.unwrap();
    house.disable(&administrator, &renamed).await.unwrap();

    let events = events(&house).await;
    let users: Vec<pb::UserRecorded> = of(&events);
    let own: Vec<_> = users.iter().filter(|u| u.user_id == somebody.user.id).map(|u| u.active).collect();
    assert_eq!(own, [true, true, false]);
    let failed: Vec<_> =
        of::<pb::SignInRecorded>(&events).into_iter().filter(|s| !s.succeeded).map(|s| s.user_id).collect();
    assert_eq!(failed.len(), 2);
    assert!(failed.contains(&somebody.user.id) && failed.contains(&String::new()));
    let out: Vec<_> = of::<pb::SignOutRecorded>(&events).into_iter().map(|s| s.user_id).collect();
    assert_eq!(out, std::slice::from_ref(&somebody.user.id));
    assert_eq!(of::<pb::ApiKeyCreated>(&events).len(), 1);
    assert_eq!(of::<pb::ApiKeyRevoked>(&events).len(), 1);
    assert_eq!(of::<pb::SigningKeysRotated>(&events).len(), 1);
    assert_eq!(of::<pb::GroupRecorded>(&events).iter().filter(|g| g.administrators).count(), 1);

    let told = events.iter().map(Message::encode_to_vec).collect::<Vec<_>>().concat();
    let told = String::from_utf8_lossy(&told).to_lowercase();
    for canary in ["canary", "example.org", "203.0.113.77", PASSWORD, "cls_", "clk_"] {
        assert!(!told.contains(canary), "{canary}");
    }
}

#[tokio::test]
async fn the_journal_keeps_what_a_user_was_sealed() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let user = house.user(&administrator, "canary@example.org", &[]).await.unwrap();
    let renamed = pb::User { display_name: "Canary Name".to_owned(), ..user.clone() };
    let renamed = house.update_user(&administrator, renamed, &["display_name"]).await.unwrap();

    let id = user.id.parse().unwrap();
    let images = postgres::journal::images(&house.database.db, "user", id, None, 10).await.unwrap();
    let states: Vec<pb::User> =
        images.iter().map(|row| pb::User::decode(row.image.as_ref().unwrap().as_slice()).unwrap()).collect();
    assert_eq!(states, [renamed, user]);
    let mut conn = house.database.superuser().await;
    let sealed: Vec<Vec<u8>> =
        sqlx::query_scalar("select private_payload from identity.journal where private_payload is not null")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    assert!(sealed.iter().all(|payload| !String::from_utf8_lossy(payload).to_lowercase().contains("canary")));
}

#[tokio::test]
async fn a_refused_command_writes_nothing() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    house.user(&administrator, "anna@example.org", &[]).await.unwrap();
    let before = of::<pb::UserRecorded>(&events(&house).await).len();
    assert_eq!(refused(house.user(&administrator, "anna@example.org", &[]).await).0, Code::AlreadyExists);
    assert_eq!(of::<pb::UserRecorded>(&events(&house).await).len(), before);
}

#[tokio::test]
async fn the_feed_refuses_a_partition_that_does_not_exist() {
    let house = House::new().await;
    let mut feed = FeedClient::new(house.administrator().await);
    let answer = feed.read(ReadFeedRequest { partition: 32, after: 0, page_size: 0, ..Default::default() }).await;
    assert_eq!(crate::house::fields(answer), ["partition"]);
}
