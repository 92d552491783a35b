//! An event as a NATS message and back: CloudEvents 1.0 in binary mode. The payload is the event's own message in
//! protobuf; all else is in headers, so that a reader in any language needs no more than the context's `events.proto`.

use std::num::ParseIntError;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use bytes::Bytes;
use clientele_contracts::platform::v1::{Actor, ActorKind, Event, Origin};
use clientele_kernel::Error;
use heck::ToSnakeCase as _;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use prost_types::{Any, Timestamp};

use crate::telemetry::trace::TRACEPARENT;

const SPEC_VERSION: &str = "ce-specversion";
const ID: &str = "ce-id";
const SOURCE: &str = "ce-source";
const TYPE: &str = "ce-type";
const TIME: &str = "ce-time";
const SUBJECT: &str = "ce-subject";
const DATA_SCHEMA: &str = "ce-dataschema";
const PARTITION_KEY: &str = "ce-partitionkey";
const PARTITION: &str = "ce-partition";
const SEQUENCE: &str = "ce-sequence";
const RECORDED_TIME: &str = "ce-recordedtime";
const AGGREGATE_TYPE: &str = "ce-aggregatetype";
const AGGREGATE_VERSION: &str = "ce-aggregateversion";
const CUSTOMER_ID: &str = "ce-customerid";
const ACTOR_KIND: &str = "ce-actorkind";
const ACTOR_ID: &str = "ce-actorid";
const ORIGIN: &str = "ce-origin";
const INTEGRATION: &str = "ce-integration";
const INCARNATION: &str = "ce-incarnation";
const CONTENT_TYPE: &str = "content-type";

/// What stands before the name of the context in `ce-source`.
const SOURCE_PREFIX: &str = "/clientele/";

/// What CloudEvents escapes in a header: all but printable ASCII, and of that space, `"` and `%`.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// Why a message is no event of ours.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("header `{0}` is missing")]
    Missing(&'static str),
    #[error("header `{header}` is no number: {source}")]
    Number { header: &'static str, source: ParseIntError },
    #[error("header `{0}` is no time")]
    Time(&'static str),
    #[error("header `{header}` has `{value}`, which is not known")]
    Unknown { header: &'static str, value: String },
}

/// Subject, headers and payload of an event.
pub(super) fn encode(event: &Event) -> Result<(String, HeaderMap, Bytes), Error> {
    let data = event.data.as_ref().ok_or_else(|| Error::invalid("data", format!("event {} has none", event.id)))?;
    let type_name = data.type_url.rsplit('/').next().unwrap_or_default();
    let name = type_name.rsplit('.').next().unwrap_or_default().to_snake_case();
    if let Some(part) = [&event.context, &event.aggregate_type, &name].into_iter().find(|part| !is_token(part)) {
        return Err(Error::invalid("event", format!("`{part}` cannot be a part of a subject on the bus")));
    }
    let subject = format!("clientele.{}.v1.{}.{}.{name}", event.context, event.partition, event.aggregate_type);

    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, escape(&event.id));
    headers.insert(SPEC_VERSION, "1.0");
    headers.insert(CONTENT_TYPE, "application/protobuf");
    let mut put = |name: &'static str, value: &str| {
        if !value.is_empty() {
            headers.insert(name, escape(value));
        }
    };
    put(ID, &event.id);
    put(SOURCE, &format!("{SOURCE_PREFIX}{}", event.context));
    put(TYPE, type_name);
    put(DATA_SCHEMA, &data.type_url);
    put(SUBJECT, &event.aggregate_id);
    put(PARTITION_KEY, if event.customer_id.is_empty() { &event.aggregate_id } else { &event.customer_id });
    put(PARTITION, &event.partition.to_string());
    put(SEQUENCE, &event.position.to_string());
    put(AGGREGATE_TYPE, &event.aggregate_type);
    put(AGGREGATE_VERSION, &event.aggregate_version.to_string());
    put(CUSTOMER_ID, &event.customer_id);
    put(ORIGIN, event.origin().as_str_name());
    put(INTEGRATION, &event.integration);
    put(INCARNATION, &event.incarnation);
    put(TRACEPARENT, &event.traceparent);
    if let Some(actor) = &event.actor {
        put(ACTOR_KIND, actor.kind().as_str_name());
        put(ACTOR_ID, &actor.id);
    }
    if let Some(time) = &event.occurred_at {
        put(TIME, &time.to_string());
    }
    if let Some(time) = &event.recorded_at {
        put(RECORDED_TIME, &time.to_string());
    }
    Ok((subject, headers, Bytes::from(data.value.clone())))
}

/// The event in a message.
pub(super) fn decode(message: &async_nats::Message) -> Result<Event, Unreadable> {
    let headers = Headers(message.headers.as_ref());
    let source = headers.text(SOURCE)?;
    let context = source
        .strip_prefix(SOURCE_PREFIX)
        .ok_or_else(|| Unreadable::Unknown { header: SOURCE, value: source.clone() })?
        .to_owned();
    let kind = headers
        .named(ACTOR_KIND, ActorKind::from_str_name)?
        .map(|kind| Actor { kind: kind.into(), id: headers.get(ACTOR_ID).unwrap_or_default() });
    Ok(Event {
        id: headers.text(ID)?,
        context,
        partition: headers.number(PARTITION)?,
        position: headers.number(SEQUENCE)?,
        aggregate_type: headers.text(AGGREGATE_TYPE)?,
        aggregate_id: headers.text(SUBJECT)?,
        aggregate_version: headers.number(AGGREGATE_VERSION)?,
        customer_id: headers.get(CUSTOMER_ID).unwrap_or_default(),
        actor: kind,
        origin: headers.named(ORIGIN, Origin::from_str_name)?.unwrap_or_default().into(),
        integration: headers.get(INTEGRATION).unwrap_or_default(),
        occurred_at: headers.time(TIME)?,
        recorded_at: headers.time(RECORDED_TIME)?,
        traceparent: headers.get(TRACEPARENT).unwrap_or_default(),
        data: Some(Any { type_url: headers.text(DATA_SCHEMA)?, value: message.payload.to_vec() }),
        incarnation: headers.get(INCARNATION).unwrap_or_default(),
    })
}

fn is_token(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn escape(value: &str) -> String {
    utf8_percent_encode(value, ESCAPED).to_string()
}

struct Headers<'a>(Option<&'a HeaderMap>);

impl Headers<'_> {
    fn get(&self, name: &'static str) -> Option<String> {
        let value = self.0?.get_last(name)?;
        Some(percent_decode_str(value.as_str()).decode_utf8_lossy().into_owned())
    }

    fn text(&self, name: &'static str) -> Result<String, Unreadable> {
        self.get(name).ok_or(Unreadable::Missing(name))
    }

    fn number<T: std::str::FromStr<Err = ParseIntError>>(&self, name: &'static str) -> Result<T, Unreadable> {
        self.text(name)?.parse().map_err(|source| Unreadable::Number { header: name, source })
    }

    fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Unreadable> {
        self.get(name).map(|text| text.parse().map_err(|_| Unreadable::Time(name))).transpose()
    }

    fn named<T>(&self, name: &'static str, parse: fn(&str) -> Option<T>) -> Result<Option<T>, Unreadable> {
        self.get(name).map(|value| parse(&value).ok_or(Unreadable::Unknown { header: name, value })).transpose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event() -> Event {
        Event {
            id: "0193e0a4-7c1e-7aaa-8bbb-0123456789ab".to_owned(),
            context: "customers".to_owned(),
            partition: 7,
            position: 42,
            aggregate_type: "credit_note".to_owned(),
            aggregate_id: "0193e0a4-7c1e-7aaa-8bbb-0123456789ac".to_owned(),
            aggregate_version: 3,
            customer_id: "0193e0a4-7c1e-7aaa-8bbb-0123456789ad".to_owned(),
            actor: Some(Actor { kind: ActorKind::ApiKey.into(), id: "key".to_owned() }),
            origin: Origin::Import.into(),
            integration: "магазин 100%\r\nNats-Msg-Id: forged".to_owned(),
            occurred_at: Some(Timestamp { seconds: 1_700_000_000, nanos: 123_456_000 }),
            recorded_at: Some(Timestamp { seconds: 1_700_000_001, nanos: 0 }),
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
            data: Some(Any {
                type_url: "/clientele.orders.v1.CreditNoteIssued".to_owned(),
                value: vec![10, 1, 65, 0, 255],
            }),
            incarnation: "0193e0a4-7c1e-7aaa-8bbb-0123456789ae".to_owned(),
        }
    }

    fn message(event: &Event) -> async_nats::Message {
        let (subject, headers, payload) = encode(event).unwrap();
        async_nats::Message {
            subject: subject.into(),
            reply: None,
            length: payload.len(),
            payload,
            headers: Some(headers),
            status: None,
            description: None,
        }
    }

    #[test]
    fn an_event_comes_back_as_it_went() {
        assert_eq!(decode(&message(&event())).unwrap(), event());
        let bare = Event {
            customer_id: String::new(),
            actor: None,
            origin: 0,
            integration: String::new(),
            occurred_at: None,
            recorded_at: None,
            traceparent: String::new(),
            incarnation: String::new(),
            ..event()
        };
        assert_eq!(decode(&message(&bare)).unwrap(), bare);
    }

    #[test]
    fn a_message_is_a_cloud_event_that_names_what_it_carries() {
        let message = message(&event());
        assert_eq!(message.subject.as_str(), "clientele.customers.v1.7.credit_note.credit_note_issued");
        assert_eq!(&message.payload[..], [10, 1, 65, 0, 255]);
        let headers = message.headers.unwrap();
        let header = |name: &str| headers.get(name).map(ToString::to_string).unwrap_or_default();
        assert_eq!(header("Nats-Msg-Id"), event().id);
        assert_eq!(header("ce-specversion"), "1.0");
        assert_eq!(header("ce-type"), "clientele.orders.v1.CreditNoteIssued");
        assert_eq!(header("ce-source"), "/clientele/customers");
        assert_eq!(header("ce-subject"), event().aggregate_id);
        assert_eq!(header("ce-partitionkey"), event().customer_id);
        assert_eq!(header("ce-time"), "2023-11-14T22:13:20.123456Z");
        assert_eq!(header("traceparent"), event().traceparent);
    }

    #[test]
    fn what_cannot_be_a_subject_is_refused() {
        for (context, aggregate_type) in [("a.b", "order"), ("orders", "*"), ("orders", ""), ("or ders", "order")] {
            let event = Event { context: context.to_owned(), aggregate_type: aggregate_type.to_owned(), ..event() };
            assert!(encode(&event).is_err(), "{context} {aggregate_type}");
        }
        assert!(encode(&Event { data: None, ..event() }).is_err());
    }

    #[test]
    fn a_foreign_message_is_told_apart_by_what_it_lacks() {
        let whole = message(&event());
        let bare = async_nats::Message { headers: None, ..whole.clone() };
        assert_eq!(decode(&bare).unwrap_err().to_string(), "header `ce-source` is missing");
        for (header, value, error) in [
            ("ce-sequence", "many", "header `ce-sequence` is no number"),
            ("ce-time", "yesterday", "header `ce-time` is no time"),
            ("ce-origin", "MARS", "header `ce-origin` has `MARS`, which is not known"),
            ("ce-source", "/other", "header `ce-source` has `/other`, which is not known"),
        ] {
            let mut headers = whole.headers.clone().unwrap();
            headers.insert(header, value);
            let message = async_nats::Message { headers: Some(headers), ..whole.clone() };
            assert!(decode(&message).unwrap_err().to_string().starts_with(error), "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_event_comes_back_as_it_went(
            integration in any::<String>(), actor in any::<String>(), numbers: (i32, i64, i64),
            seconds in -62_135_596_800..253_402_300_800_i64, micros in 0..1_000_000_i32, value in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let whole = Event {
                partition: numbers.0,
                position: numbers.1,
                aggregate_version: numbers.2,
                actor: Some(Actor { kind: ActorKind::User.into(), id: actor }),
                integration,
                occurred_at: Some(Timestamp { seconds, nanos: micros * 1000 }),
                data: event().data.map(|data| Any { value, ..data }),
                ..event()
            };
            prop_assert_eq!(decode(&message(&whole)).unwrap(), whole);
        }

        #[test]
        fn any_headers_are_an_event_or_told_to_be_none(
            changed in prop::collection::vec((0..ALL.len(), "[^\\r\\n\\x00]{0,30}|-?[0-9]{1,30}|[0-9]{1,5}-[0-9]{1,3}-[0-9]{1,3}T[0-9]{1,3}:[0-9]{1,3}:[0-9]{1,3}(\\.[0-9]{0,12})?(Z|[+-][0-9]{1,3}:[0-9]{1,3})"), 1..4),
        ) {
            let mut strange = message(&event());
            let headers = strange.headers.as_mut().unwrap();
            for (place, value) in changed {
                headers.insert(ALL[place], value);
            }
            let _ = decode(&strange);
        }
    }

    const ALL: [&str; 12] = [
        ID,
        SOURCE,
        TIME,
        SUBJECT,
        DATA_SCHEMA,
        PARTITION,
        SEQUENCE,
        RECORDED_TIME,
        AGGREGATE_VERSION,
        ACTOR_KIND,
        ORIGIN,
        CUSTOMER_ID,
    ];
}
