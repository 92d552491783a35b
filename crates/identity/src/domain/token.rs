//! Short-lived tokens: whom they speak for, how long they last, and which key signs them when.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::permission::Permissions;

/// How long a token lasts. The contract says so, and services verify without asking back: what is taken from a caller
/// is gone when the running token ends.
pub(crate) const LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// How long a new key is published before it signs, so that every verifier has fetched it by then.
pub(crate) const LEAD: TimeDelta = TimeDelta::minutes(10);

/// How long a key is published after the next one has taken over: the lifetime of its last token, and as much again for
/// clocks that differ and replicas that learn of the change a moment later.
const AFTERLIFE: TimeDelta = TimeDelta::minutes(10);

/// Whom a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    pub(crate) kind: clientele_kernel::ActorKind,
    pub(crate) id: String,
    pub(crate) display_name: String,
    pub(crate) permissions: Permissions,
    /// The session the token was given for.
    pub(crate) session: Option<Uuid>,
    /// When the proof ends, where it does: no token outlasts it.
    pub(crate) ends_at: Option<DateTime<Utc>>,
}

/// What each service of ours may do by itself. Whatever it does for a caller it does with the caller's token.
const SERVICES: [(&str, &[&str]); 8] = [
    ("analytics", &["campaigns.feed.read", "customers.feed.read", "messaging.feed.read", "orders.feed.read"]),
    ("campaigns", &["analytics.feed.read", "customers.customer.read", "customers.feed.read"]),
    // Imports write orders too; taking one back asks who else has to do with a customer; and a run that goes on for long asks
    // whether whoever began it still may.
    ("customers", CUSTOMERS),
    // Not a service that runs: whoever fills a house for a demonstration. Its secret is in no configuration.
    ("demo", DEMO),
    ("gateway", &[]),
    ("identity", &[]),
    ("messaging", &["customers.consent.check", "customers.customer.read", "customers.feed.read", "identity.user.read"]),
    ("orders", &["customers.customer.read", "customers.feed.read"]),
];

const CUSTOMERS: &[&str] = &[
    "identity.api_key.read",
    "identity.group.read",
    "identity.user.read",
    "messaging.dialog.read",
    "orders.order.import",
    "orders.order.read",
];

/// Who fills a house gives groups no more than this: nobody may hand on what they lack.
const DEMO: &[&str] = &[
    "analytics.metric.read",
    "analytics.report.read",
    "analytics.timeline.read",
    "campaigns.segment.read",
    "campaigns.segment.write",
    "customers.consent.check",
    "customers.consent.read",
    "customers.consent.write",
    "customers.customer.import",
    "customers.customer.read",
    "customers.customer.write",
    "identity.group.read",
    "identity.group.write",
    "identity.store.read",
    "identity.store.write",
    "identity.user.read",
    "identity.user.write",
    "messaging.channel.read",
    "messaging.channel.write",
    "messaging.dialog.import",
    "messaging.dialog.read",
    "messaging.dialog.write",
    "messaging.email.import",
    "messaging.email.read",
    "messaging.email.send",
    "messaging.template.read",
    "messaging.template.write",
    "orders.order.import",
    "orders.order.read",
    "orders.order.write",
    "orders.product.read",
    "orders.product.write",
];

/// The names of our services.
pub(crate) fn service_names() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|(name, _)| *name)
}

/// The principal of a service of ours; `None` for a name that is none of them.
pub(crate) fn service(name: &str) -> Option<Principal> {
    SERVICES.iter().find(|(known, _)| *known == name).map(|(name, permissions)| Principal {
        kind: clientele_kernel::ActorKind::Service,
        id: (*name).to_owned(),
        display_name: (*name).to_owned(),
        permissions: Permissions::Only(permissions.iter().map(|p| (*p).to_owned()).collect()),
        session: None,
        ends_at: None,
    })
}

/// A signing key's place in the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) id: Uuid,
    pub(crate) signs_from: DateTime<Utc>,
}

/// Which key signs when. Every replica reads the same table and so comes to the same answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schedule(Vec<Slot>);

impl Schedule {
    pub(crate) fn new(mut slots: Vec<Slot>) -> Self {
        slots.sort_by_key(|slot| (slot.signs_from, slot.id));
        Self(slots)
    }

    /// The key that signs now: the latest whose time has come. Where no time has come yet, the first: a key has revoked all
    /// others on a replica whose clock is ahead of ours, or ours was set back.
    pub(crate) fn signer(&self, now: DateTime<Utc>) -> Option<Slot> {
        self.0.iter().rev().find(|slot| slot.signs_from <= now).or(self.0.first()).copied()
    }

    /// The key that is published and does not sign yet.
    pub(crate) fn next(&self, now: DateTime<Utc>) -> Option<Slot> {
        self.0.iter().find(|slot| slot.signs_from > now).copied()
    }

    /// From when a new key made now would sign: at once where none does.
    pub(crate) fn start_of_new(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        if self.signer(now).is_some() { now + LEAD } else { now }
    }

    /// True when it is time to make the next key, so that it takes over once the present one has signed for `rotation`.
    pub(crate) fn is_due(&self, rotation: TimeDelta, now: DateTime<Utc>) -> bool {
        match (self.signer(now), self.next(now)) {
            (None, _) => true,
            (Some(_), Some(_)) => false,
            (Some(signer), None) => signer.signs_from + rotation - LEAD <= now,
        }
    }

    /// All keys, oldest first.
    pub(crate) fn all(&self) -> Vec<Uuid> {
        self.0.iter().map(|slot| slot.id).collect()
    }

    /// Keys whose last tokens have ended.
    pub(crate) fn ended(&self, now: DateTime<Utc>) -> Vec<Uuid> {
        self.0.windows(2).filter(|pair| pair[1].signs_from + AFTERLIFE <= now).map(|pair| pair[0].id).collect()
    }
}

#[cfg(test)]
mod tests {
    use clientele_contracts::access;
    use proptest::prelude::*;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn slot(id: u128, minutes: i64) -> Slot {
        Slot { id: Uuid::from_u128(id), signs_from: at(minutes) }
    }

    #[test]
    fn a_service_may_do_only_what_methods_know() {
        let known = access::permissions();
        for (name, permissions) in SERVICES {
            assert!(permissions.iter().all(|p| known.contains_key(p)), "{name}: {permissions:?}");
        }
        assert_eq!(service("root"), None);
    }

    #[test]
    fn a_new_key_is_published_before_it_signs_and_the_old_one_after() {
        let schedule = Schedule::new(vec![slot(2, 100), slot(1, 0)]);
        assert_eq!(schedule.signer(at(99)), Some(slot(1, 0)));
        assert_eq!(schedule.next(at(99)), Some(slot(2, 100)));
        assert_eq!(schedule.signer(at(100)), Some(slot(2, 100)));
        assert!(schedule.ended(at(109)).is_empty());
        assert_eq!(schedule.ended(at(110)), [Uuid::from_u128(1)]);
    }

    #[test]
    fn the_first_key_signs_at_once_and_later_ones_after_the_lead() {
        assert_eq!(Schedule::default().start_of_new(at(0)), at(0));
        assert_eq!(Schedule::new(vec![slot(1, 0)]).start_of_new(at(5)), at(15));
    }

    #[test]
    fn a_clock_that_is_behind_signs_with_what_there_is_and_makes_no_further_key() {
        let schedule = Schedule::new(vec![slot(1, 100)]);
        assert_eq!(schedule.signer(at(98)), Some(slot(1, 100)));
        assert!(!schedule.is_due(TimeDelta::days(30), at(98)));
        assert!(schedule.ended(at(98)).is_empty());
        assert_eq!(Schedule::default().signer(at(98)), None);
    }

    #[test]
    fn rotation_is_due_once_per_period() {
        let rotation = TimeDelta::days(30);
        let period = rotation.num_minutes();
        assert!(Schedule::default().is_due(rotation, at(0)));
        let schedule = Schedule::new(vec![slot(1, 0)]);
        assert!(!schedule.is_due(rotation, at(period - 11)));
        assert!(schedule.is_due(rotation, at(period - 10)));
        assert!(!Schedule::new(vec![slot(1, 0), slot(2, period)]).is_due(rotation, at(period - 10)));
    }

    proptest! {
        #[test]
        fn the_signing_key_is_never_one_that_has_ended(starts in prop::collection::vec(0_i64..500, 1..8), now in 0_i64..600) {
            let slots = starts.iter().enumerate().map(|(i, start)| slot(i as u128, *start)).collect();
            let schedule = Schedule::new(slots);
            let ended = schedule.ended(at(now));
            prop_assert!(schedule.signer(at(now)).is_none_or(|signer| !ended.contains(&signer.id)));
            // Any key that signed within a token's lifetime is still published.
            let before = schedule.signer(at(now) - LIFETIME);
            prop_assert!(before.is_none_or(|signer| !ended.contains(&signer.id)));
        }
    }
}
