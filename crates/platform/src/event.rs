//! Events as they travel: reading their payload.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use clientele_contracts::platform::v1::Event;
use clientele_kernel::{Error, Partition};
use prost::{Message, Name};
use uuid::Uuid;

/// The payload as a message of type `M`; `None` where the event is of another type, which a reader passes over.
pub fn decode<M: Message + Name + Default>(event: &Event) -> Result<Option<M>, Error> {
    let Some(data) = &event.data else { return Err(Error::internal(format!("event {} has no data", event.id))) };
    if type_name(event) != M::full_name() {
        return Ok(None);
    }
    M::decode(data.value.as_slice()).map(Some).map_err(|e| Error::internal(format!("event {}: {e}", event.id)))
}

/// Full name of the payload's message; empty where there is no payload.
pub fn type_name(event: &Event) -> &str {
    let url = event.data.as_ref().map_or("", |data| data.type_url.as_str());
    url.rsplit_once('/').map_or(url, |(_, name)| name)
}

/// The aggregate that changed.
pub fn aggregate_id(event: &Event) -> Result<Uuid, Error> {
    event.aggregate_id.parse().map_err(|_| Error::internal(format!("event {} has no aggregate id", event.id)))
}

/// The event's own id.
pub fn id(event: &Event) -> Result<Uuid, Error> {
    event.id.parse().map_err(|_| Error::internal("an event has no id"))
}

/// The traces that events belong to, each once, as `traceparent`.
pub fn traces(events: &[Event]) -> BTreeSet<&str> {
    events.iter().map(|event| event.traceparent.as_str()).filter(|traceparent| !traceparent.is_empty()).collect()
}

/// When the oldest of these events was recorded.
pub(crate) fn oldest(events: &[Event]) -> Option<DateTime<Utc>> {
    let recorded = events.iter().filter_map(|event| crate::proto::instant(event.recorded_at, "recorded_at").ok()?);
    recorded.min()
}

/// The partition of the journal it is in.
pub fn partition(event: &Event) -> Option<Partition> {
    Partition::try_new(event.partition.into())
}
