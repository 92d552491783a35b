//! Stores.

use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::stores_client::StoresClient;
use clientele_platform::grpc::Transport;
use tonic::{Code, Response};

use crate::house::{Answer, House, because, fields, mask, refused};

async fn create(as_whom: &Transport, name: &str, time_zone: &str) -> Answer<pb::Store> {
    let store = pb::Store { name: name.to_owned(), time_zone: time_zone.to_owned(), ..pb::Store::default() };
    let request = pb::CreateStoreRequest { store: Some(store), request_id: String::new() };
    StoresClient::new(as_whom.clone()).create_store(request).await.map(Response::into_inner)
}

async fn update(as_whom: &Transport, store: pb::Store, changed: &[&str]) -> Answer<pb::Store> {
    let request =
        pb::UpdateStoreRequest { store: Some(store), update_mask: Some(mask(changed)), request_id: String::new() };
    StoresClient::new(as_whom.clone()).update_store(request).await.map(Response::into_inner)
}

#[tokio::test]
async fn a_store_is_opened_moved_and_closed() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let store = create(&administrator, "Centro", "Europe/Madrid").await.unwrap();
    assert!(store.active);
    let moved = pb::Store { time_zone: "America/Sao_Paulo".to_owned(), active: false, ..store.clone() };
    let moved = update(&administrator, moved, &["timeZone"]).await.unwrap();
    assert_eq!((moved.time_zone.as_str(), moved.active), ("America/Sao_Paulo", true));
    let closed = update(&administrator, pb::Store { active: false, ..moved.clone() }, &["active"]).await.unwrap();
    assert_eq!((closed.active, closed.etag.as_str()), (false, "3"));
    assert_eq!(
        refused(update(&administrator, store.clone(), &["name"]).await),
        because(Code::Aborted, "ETAG_MISMATCH")
    );
    let mut stores = StoresClient::new(administrator);
    let read = stores.get_store(pb::GetStoreRequest { id: store.id }).await.unwrap().into_inner();
    assert_eq!(read, closed);
}

#[tokio::test]
async fn a_store_needs_a_free_name_and_a_time_zone() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    create(&administrator, "Centro", "UTC").await.unwrap();
    assert_eq!(
        refused(create(&administrator, "CENTRO", "UTC").await),
        because(Code::AlreadyExists, "STORE_NAME_TAKEN")
    );
    assert_eq!(fields(create(&administrator, "", "Europe/Atlantis").await), ["store.name", "store.time_zone"]);
}

#[tokio::test]
async fn stores_are_paged_by_name() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    for name in ["Norte", "Centro", "Sur"] {
        create(&administrator, name, "UTC").await.unwrap();
    }
    let mut stores = StoresClient::new(administrator);
    let first = stores
        .list_stores(pb::ListStoresRequest { page_size: 2, page_token: String::new() })
        .await
        .unwrap()
        .into_inner();
    let names: Vec<_> = first.stores.iter().map(|store| store.name.as_str()).collect();
    assert_eq!(names, ["Centro", "Norte"]);
    let rest = pb::ListStoresRequest { page_size: 2, page_token: first.next_page_token };
    let rest = stores.list_stores(rest).await.unwrap().into_inner();
    assert_eq!((rest.stores[0].name.as_str(), rest.next_page_token.as_str()), ("Sur", ""));
}
