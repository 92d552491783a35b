//! Channels: who may make them, what they must be like, and how they change.

use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::messaging::v1::channels_client::ChannelsClient;
use clientele_kernel::Code;
use clientele_platform::{event, grpc};
use prost_types::FieldMask;

use crate::desk::{Desk, fields, reason};

async fn update(desk: &Desk, channel: pb::Channel, mask: &[&str]) -> Result<pb::Channel, clientele_kernel::Error> {
    let paths = mask.iter().map(|&path| path.to_owned()).collect();
    let request = pb::UpdateChannelRequest {
        channel: Some(channel),
        update_mask: Some(FieldMask { paths }),
        request_id: String::new(),
    };
    Ok(desk.channels().update_channel(request).await.map_err(grpc::error)?.into_inner())
}

#[tokio::test]
async fn a_channel_is_made_switched_on_with_a_key_of_its_own_and_listed_by_name() {
    let desk = Desk::new().await;
    let mut keys = std::collections::BTreeSet::new();
    for name in ["beta", "Alpha", "Гамма"] {
        let channel = desk.channel(name).await;
        assert!(channel.active && channel.site_key.len() == 22 && channel.kind() == pb::ChannelKind::Widget);
        keys.insert(channel.site_key);
    }
    assert_eq!(keys.len(), 3);
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let request = pb::ListChannelsRequest { page_size: 1, page_token: token };
        let page = desk.channels().list_channels(request).await.unwrap().into_inner();
        names.extend(page.channels.into_iter().map(|channel| channel.name));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["Alpha", "beta", "Гамма"]);
}

#[tokio::test]
async fn a_name_is_taken_once_whatever_its_case() {
    let desk = Desk::new().await;
    desk.channel("Shop").await;
    let other = desk.channel("Blog").await;
    let taken = desk.create(pb::Channel { name: " sHOP ".into(), ..pb::Channel::default() }).await.unwrap_err();
    assert_eq!((taken.code, reason(&taken)), (Code::AlreadyExists, "CHANNEL_NAME_TAKEN"));
    let taken = update(&desk, pb::Channel { name: "SHOP".into(), ..other }, &["name"]).await.unwrap_err();
    assert_eq!(reason(&taken), "CHANNEL_NAME_TAKEN");
}

#[tokio::test]
async fn a_channel_that_makes_no_sense_is_refused_by_each_field() {
    let desk = Desk::new().await;
    let wrong = pb::Channel {
        name: "\u{0}".into(),
        allowed_origins: vec!["https://ok.example".into(), "https://shop.example/path".into(), "*".into()],
        store_id: "nearest".into(),
        greeting: "x".repeat(501),
        ..pb::Channel::default()
    };
    let refused = desk.create(wrong).await.unwrap_err();
    let expected = [
        "channel.name",
        "channel.allowed_origins[1]",
        "channel.allowed_origins[2]",
        "channel.store_id",
        "channel.greeting",
    ];
    assert_eq!((refused.code, fields(&refused)), (Code::InvalidArgument, expected.to_vec()));
    let many = vec!["https://shop.example".to_owned(); 21];
    let many = pb::Channel { name: "Many".into(), allowed_origins: many, ..pb::Channel::default() };
    assert_eq!(fields(&desk.create(many).await.unwrap_err()), ["channel.allowed_origins"]);
    let kind = pb::Channel { name: "Kind".into(), kind: 7, ..pb::Channel::default() };
    assert_eq!(fields(&desk.create(kind).await.unwrap_err()), ["channel.kind"]);
}

#[tokio::test]
async fn a_change_touches_the_named_fields_only_and_refuses_a_stale_etag() {
    let desk = Desk::new().await;
    let first = desk.channel("Shop").await;
    let wanted = pb::Channel {
        name: "Other".into(),
        greeting: "Hello!\nHow can we help?".into(),
        allowed_origins: vec!["HTTPS://Shop.Example/".into()],
        ..first.clone()
    };
    let second = update(&desk, wanted, &["greeting", "allowed_origins"]).await.unwrap();
    assert_eq!((second.name.as_str(), second.greeting.as_str()), ("Shop", "Hello!\nHow can we help?"));
    assert_eq!(second.allowed_origins, ["https://shop.example"]);
    let stale = update(&desk, pb::Channel { active: false, ..first.clone() }, &["active"]).await.unwrap_err();
    assert_eq!((stale.code, reason(&stale)), (Code::Aborted, "ETAG_MISMATCH"));
    let same = update(&desk, second.clone(), &["greeting"]).await.unwrap();
    assert_eq!(same.etag, second.etag, "nothing has changed");
    update(&desk, pb::Channel { active: false, ..second }, &["active"]).await.unwrap();
    let told: Vec<bool> = desk
        .events_of(&first.id)
        .await
        .iter()
        .map(|told| event::decode::<pb::ChannelRecorded>(told).unwrap().unwrap().active)
        .collect();
    assert_eq!(told, [true, true, false]);
}

#[tokio::test]
async fn channels_are_made_by_who_has_the_permission() {
    let desk = Desk::new().await;
    let mut reader = ChannelsClient::new(desk.harness.client("messaging", &["messaging.channel.read"]));
    let channel = Some(pb::Channel { name: "Shop".into(), ..pb::Channel::default() });
    let request = pb::CreateChannelRequest { channel, request_id: String::new() };
    assert_eq!(reader.create_channel(request).await.unwrap_err().code(), tonic::Code::PermissionDenied);
    assert!(reader.list_channels(pb::ListChannelsRequest::default()).await.is_ok());
}

#[tokio::test]
async fn a_repeated_creation_makes_one_channel() {
    let desk = Desk::new().await;
    let channel = Some(pb::Channel { name: "Shop".into(), ..pb::Channel::default() });
    let request = pb::CreateChannelRequest { channel, request_id: "once".into() };
    let first = desk.channels().create_channel(request.clone()).await.unwrap().into_inner();
    let again = desk.channels().create_channel(request).await.unwrap().into_inner();
    assert_eq!(first, again);
}
