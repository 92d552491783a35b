//! Channels as messages.

use clientele_contracts::messaging::v1 as pb;
use clientele_kernel::{Error, Etag, StoreId};
use clientele_platform::proto;

use crate::domain::channel::{Channel, ChannelStatement};

/// A channel as a message.
pub(crate) fn encode(channel: &Channel) -> pb::Channel {
    pb::Channel {
        id: channel.id.to_string(),
        name: channel.name.text.clone(),
        kind: pb::ChannelKind::Widget.into(),
        site_key: channel.site_key.clone(),
        allowed_origins: channel.allowed_origins.iter().map(|origin| origin.as_str().to_owned()).collect(),
        store_id: channel.store_id.map(|id: StoreId| id.to_string()).unwrap_or_default(),
        greeting: channel.greeting.clone(),
        active: channel.active,
        etag: Etag(channel.version).to_string(),
        created_at: Some(proto::timestamp(channel.created_at)),
        updated_at: Some(proto::timestamp(channel.updated_at)),
    }
}

/// What a caller says of a new channel.
pub(crate) fn statement(sent: &pb::Channel) -> Result<ChannelStatement<'_>, Error> {
    if pb::ChannelKind::try_from(sent.kind).is_err() {
        let wrong = format!("`{}` is no sort of channel: 1, the widget, is", sent.kind);
        return Err(Error::invalid("kind", wrong));
    }
    Ok(ChannelStatement {
        name: Some(&sent.name),
        allowed_origins: Some(&sent.allowed_origins),
        store_id: Some(&sent.store_id),
        greeting: Some(&sent.greeting),
        active: None,
    })
}

/// The fields of a channel that a change names.
pub(crate) fn change<'a>(sent: &'a pb::Channel, fields: &[&str]) -> ChannelStatement<'a> {
    let named = |field: &str| fields.contains(&field);
    ChannelStatement {
        name: named("name").then_some(sent.name.as_str()),
        allowed_origins: named("allowed_origins").then_some(sent.allowed_origins.as_slice()),
        store_id: named("store_id").then_some(sent.store_id.as_str()),
        greeting: named("greeting").then_some(sent.greeting.as_str()),
        active: named("active").then_some(sent.active),
    }
}
