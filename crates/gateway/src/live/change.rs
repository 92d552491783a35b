//! What an event on the bus changes, and who may be told.

use clientele_contracts::customers::v1::ImportRecorded;
use clientele_contracts::messaging::v1::{DialogRecorded, NotificationRecorded};
use clientele_contracts::platform::v1::Event;
use clientele_platform::caller::Permissions;
use prost::Message;

/// A record has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(super) context: String,
    pub(super) aggregate_type: String,
    pub(super) aggregate_id: String,
    pub(super) version: i64,
    pub(super) customer_id: String,
    pub(super) kind: Kind,
    pub(super) audience: Audience,
    /// Of a dialog, the number of its last message.
    pub(super) last_sequence: i64,
}

/// What sort of record it is, as far as lists go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Customer,
    Dialog,
    Segment,
    Import,
    Email,
    Channel,
    Notification,
    /// Of no kind that a list follows.
    Other,
}

/// Who may be told of a change: whoever may read the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Audience {
    /// Whoever has the permission.
    Holders(&'static str),
    /// One user, as long as they have the permission where there is one.
    User { id: String, holding: Option<&'static str>, or_all: Option<&'static str> },
}

/// Beginnings of the names of events, the kind of record they tell of, and the permission to read it. The first that fits
/// counts; of what fits none, nobody is told.
const RULES: [(&str, Kind, &str); 9] = [
    ("clientele.customers.v1.ImportRecorded", Kind::Import, "customers.customer.import"),
    ("clientele.customers.v1.ConsentRecorded", Kind::Other, "customers.consent.read"),
    ("clientele.customers.v1.", Kind::Customer, "customers.customer.read"),
    // The list of customers shows figures.
    ("clientele.analytics.v1.", Kind::Customer, "analytics.metric.read"),
    ("clientele.orders.v1.", Kind::Other, "orders.order.read"),
    ("clientele.campaigns.v1.", Kind::Segment, "campaigns.segment.read"),
    ("clientele.messaging.v1.DialogRecorded", Kind::Dialog, "messaging.dialog.read"),
    ("clientele.messaging.v1.EmailRecorded", Kind::Email, "messaging.email.read"),
    ("clientele.messaging.v1.ChannelRecorded", Kind::Channel, "messaging.channel.read"),
];

/// Of notifications, everybody sees their own only.
const NOTIFICATION: &str = "clientele.messaging.v1.NotificationRecorded";
/// The permission to see the imports of others.
const ALL_IMPORTS: &str = "customers.import.read_all";

/// The contexts that streams are fed from. Nothing that can be followed belongs to identity.
pub(super) const SOURCES: [&str; 5] = ["customers", "messaging", "orders", "campaigns", "analytics"];

impl Change {
    /// What an event changes; `None` where nobody is to be told.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let data = event.data.as_ref()?;
        let name = data.type_url.rsplit('/').next().unwrap_or_default();
        let (kind, audience) = if name == NOTIFICATION {
            let id = NotificationRecorded::decode(data.value.as_slice()).ok()?.user_id;
            (Kind::Notification, Audience::User { id, holding: None, or_all: None })
        } else {
            let (_, kind, permission) = RULES.iter().find(|(beginning, ..)| name.starts_with(beginning))?;
            let audience = match kind {
                Kind::Import => Audience::User {
                    id: ImportRecorded::decode(data.value.as_slice()).ok()?.user_id,
                    holding: Some(permission),
                    or_all: Some(ALL_IMPORTS),
                },
                _ => Audience::Holders(permission),
            };
            (*kind, audience)
        };
        let last_sequence = match kind {
            Kind::Dialog => DialogRecorded::decode(data.value.as_slice()).ok()?.last_sequence,
            _ => 0,
        };
        Some(Self {
            context: event.context.clone(),
            aggregate_type: event.aggregate_type.clone(),
            aggregate_id: event.aggregate_id.clone(),
            version: event.aggregate_version,
            customer_id: event.customer_id.clone(),
            kind,
            audience,
            last_sequence,
        })
    }

    /// Whether this user or key may be told.
    pub(super) fn may_be_told(&self, id: &str, permissions: &Permissions) -> bool {
        match &self.audience {
            Audience::Holders(permission) => permissions.allow(permission),
            Audience::User { id: user, holding, or_all } => {
                holding.is_none_or(|permission| permissions.allow(permission))
                    && (user == id || or_all.is_some_and(|permission| permissions.allow(permission)))
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use clientele_contracts::access::{self, POOL};
    use prost_types::Any;

    pub(in crate::live) fn event(name: &str, data: &impl Message) -> Event {
        let context = name.split('.').next().unwrap().to_owned();
        Event {
            aggregate_id: "a".to_owned(),
            aggregate_version: 3,
            customer_id: "c".to_owned(),
            data: Some(Any { type_url: format!("/clientele.{name}"), value: data.encode_to_vec() }),
            context,
            ..Event::default()
        }
    }

    fn told(event: &Event, id: &str, permissions: &[&str]) -> bool {
        let permissions = permissions.iter().map(|p| (*p).to_owned()).collect();
        Change::of(event).is_some_and(|change| change.may_be_told(id, &permissions))
    }

    #[test]
    fn whoever_may_read_a_record_is_told_of_it_and_nobody_else() {
        let order = event("orders.v1.OrderRecorded", &());
        assert!(told(&order, "ana", &["orders.order.read"]));
        assert!(told(&order, "ana", &["*"]));
        assert!(!told(&order, "ana", &["customers.customer.read"]));
        let dialog = event("messaging.v1.DialogRecorded", &DialogRecorded::default());
        assert!(told(&dialog, "ana", &["messaging.dialog.read"]));
        assert!(!told(&dialog, "ana", &["messaging.email.read"]));
    }

    #[test]
    fn an_import_is_its_user_s_affair_and_a_notification_its_reader_s() {
        let import =
            event("customers.v1.ImportRecorded", &ImportRecorded { user_id: "ana".into(), ..Default::default() });
        assert!(told(&import, "ana", &["customers.customer.import"]));
        assert!(!told(&import, "bob", &["customers.customer.import"]));
        assert!(!told(&import, "ana", &["customers.customer.read"]));
        assert!(told(&import, "bob", &["customers.customer.import", "customers.import.read_all"]));
        let note = NotificationRecorded { user_id: "ana".into(), ..Default::default() };
        assert!(told(&event("messaging.v1.NotificationRecorded", &note), "ana", &[]));
        assert!(!told(&event("messaging.v1.NotificationRecorded", &note), "bob", &["*"]));
    }

    #[test]
    fn of_what_no_rule_names_nobody_is_told() {
        assert_eq!(Change::of(&event("messaging.v1.SomethingNew", &())), None);
        assert_eq!(Change::of(&event("identity.v1.UserRecorded", &())), None);
    }

    #[test]
    fn every_rule_names_events_and_a_permission_of_the_contracts() {
        let messages: Vec<_> = POOL.all_messages().map(|message| message.full_name().to_owned()).collect();
        let permissions = access::permissions();
        for (beginning, _, permission) in RULES {
            assert!(messages.iter().any(|name| name.starts_with(beginning)), "{beginning}");
            assert!(permissions.contains_key(permission), "{permission}");
        }
        assert!(messages.iter().any(|name| name == NOTIFICATION));
        assert!(permissions.contains_key(ALL_IMPORTS), "{ALL_IMPORTS}");
    }
}
