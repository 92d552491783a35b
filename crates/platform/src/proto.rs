//! Between the plain values of the kernel and the messages of the contracts.

use chrono::{DateTime, SubsecRound, Utc};
use clientele_contracts::platform::v1 as pb;
use clientele_kernel::{Actor, ActorKind, Currency, Error, Money, Origin, Violation};
use prost_types::{FieldMask, Timestamp};

/// A moment as a message.
pub fn timestamp(moment: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: moment.timestamp(),
        nanos: i32::try_from(moment.timestamp_subsec_nanos()).unwrap_or(999_999_999),
    }
}

/// A moment from a message, cut to microseconds; the error names the field. Years 1 to 9999, as the message's definition says.
pub fn instant(timestamp: Option<Timestamp>, field: &str) -> Result<Option<DateTime<Utc>>, Error> {
    const FIRST: i64 = -62_135_596_800;
    const LAST: i64 = 253_402_300_799;
    let Some(timestamp) = timestamp else { return Ok(None) };
    u32::try_from(timestamp.nanos)
        .ok()
        .filter(|_| (FIRST..=LAST).contains(&timestamp.seconds))
        .and_then(|nanos| DateTime::from_timestamp(timestamp.seconds, nanos))
        .map(|moment| Some(moment.trunc_subsecs(6)))
        .ok_or_else(|| Error::invalid(field, "is not a moment between the years 1 and 9999"))
}

/// A moment that must be there.
pub fn required_instant(timestamp: Option<Timestamp>, field: &str) -> Result<DateTime<Utc>, Error> {
    instant(timestamp, field)?
        .ok_or_else(|| Error::invalid(field, "is missing: a moment is wanted, for instance 2026-01-31T12:00:00Z"))
}

/// An amount as a message.
pub fn money(money: Money) -> pb::Money {
    pb::Money { minor: money.minor, currency: money.currency.code().to_owned() }
}

/// An amount from a message; the error names the field.
pub fn parse_money(money: &pb::Money, field: &str) -> Result<Money, Error> {
    let currency = Currency::parse(&money.currency, &format!("{field}.currency"))?;
    Ok(Money::new(money.minor, currency))
}

/// An actor as a message.
pub fn actor(actor: &Actor) -> pb::Actor {
    let kind = match actor.kind {
        ActorKind::User => pb::ActorKind::User,
        ActorKind::ApiKey => pb::ActorKind::ApiKey,
        ActorKind::Service => pb::ActorKind::Service,
    };
    pb::Actor { kind: kind.into(), id: actor.id.clone() }
}

/// An origin as a message.
pub fn origin(origin: Origin) -> pb::Origin {
    match origin {
        Origin::Unspecified => pb::Origin::Unspecified,
        Origin::Web => pb::Origin::Web,
        Origin::Api => pb::Origin::Api,
        Origin::Import => pb::Origin::Import,
        Origin::Automation => pb::Origin::Automation,
        Origin::Channel => pb::Origin::Channel,
    }
}

/// Violations as messages.
pub fn violations(violations: Vec<Violation>) -> Vec<pb::FieldViolation> {
    let violation = |v: Violation| pb::FieldViolation {
        field: v.field,
        description: v.description,
        reason: v.reason.into_owned(),
        metadata: v.metadata.into_iter().collect(),
    };
    violations.into_iter().map(violation).collect()
}

/// A violation out of another service's answer.
pub fn parse_violation(violation: &pb::FieldViolation) -> Violation {
    let mut metadata: Vec<_> = violation.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    metadata.sort();
    Violation {
        field: violation.field.clone(),
        description: violation.description.clone(),
        reason: violation.reason.clone().into(),
        metadata,
    }
}

/// The fields a mask names, in snake case, each among `allowed`. Both spellings are taken, `display_name` and
/// `displayName`. A mask that is missing or empty is an error: what to change must be said.
pub fn mask(mask: Option<FieldMask>, allowed: &[&'static str]) -> Result<Vec<&'static str>, Error> {
    let paths = mask.map(|m| m.paths).unwrap_or_default();
    if paths.is_empty() {
        return Err(Error::invalid(
            "update_mask",
            format!("is missing: name the fields to change, of {}", allowed.join(", ")),
        ));
    }
    let mut fields = Vec::new();
    for path in &paths {
        let snake = snake_case(path);
        let Some(field) = allowed.iter().find(|name| **name == snake) else {
            let shown = clientele_kernel::error::shorten(path);
            return Err(Error::invalid(
                "update_mask",
                format!("`{shown}` cannot be changed: the fields that can are {}", allowed.join(", ")),
            ));
        };
        if !fields.contains(field) {
            fields.push(*field);
        }
    }
    Ok(fields)
}

fn snake_case(path: &str) -> String {
    path.chars().fold(String::with_capacity(path.len() + 4), |mut out, c| {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
        out
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_moment_survives_the_way_there_and_back() {
        let moment = DateTime::from_timestamp(1_700_000_000, 123_456_000).unwrap();
        assert_eq!(instant(Some(timestamp(moment)), "t").unwrap(), Some(moment));
        let early = DateTime::from_timestamp(-1, 500_000_000).unwrap();
        assert_eq!(instant(Some(timestamp(early)), "t").unwrap(), Some(early));
    }

    #[test]
    fn a_moment_outside_the_calendar_is_refused() {
        for (seconds, nanos) in [(i64::MAX, 0), (i64::MIN, 0), (0, -1), (0, i32::MAX)] {
            assert!(instant(Some(Timestamp { seconds, nanos }), "t").is_err());
        }
    }

    #[test]
    fn a_mask_is_read_in_both_spellings_and_refuses_what_it_does_not_know() {
        let of = |paths: &[&str]| {
            mask(
                Some(FieldMask { paths: paths.iter().map(|p| (*p).to_owned()).collect() }),
                &["display_name", "phones"],
            )
        };
        assert_eq!(of(&["displayName", "display_name", "phones"]).unwrap(), ["display_name", "phones"]);
        assert!(of(&["id"]).unwrap_err().message.contains("display_name, phones"));
        assert!(of(&[]).is_err());
        assert!(mask(None, &["a"]).is_err());
    }

    proptest! {
        #[test]
        fn a_moment_is_refused_or_given_back_to_the_microsecond(
            seconds in prop_oneof![any::<i64>(), -62_135_596_900..253_402_300_900_i64],
            nanos in prop_oneof![any::<i32>(), 0..1_000_000_000_i32],
        ) {
            match instant(Some(Timestamp { seconds, nanos }), "at") {
                Ok(read) => {
                    let given = timestamp(read.unwrap());
                    prop_assert_eq!((given.seconds, given.nanos), (seconds, nanos / 1000 * 1000));
                }
                Err(error) => prop_assert_eq!(&error.violations[0].field, "at"),
            }
        }

        #[test]
        fn a_mask_names_fields_that_may_be_changed_or_is_refused(paths in prop::collection::vec("[a-zA-Z_.]{0,14}|display_?[nN]ame|\\PC{0,5}", 0..6)) {
            const ALLOWED: &[&str] = &["display_name", "phones"];
            match mask(Some(FieldMask { paths: paths.clone() }), ALLOWED) {
                Ok(fields) => prop_assert!(!fields.is_empty() && fields.len() <= paths.len()),
                Err(error) => prop_assert_eq!(&error.violations[0].field, "update_mask"),
            }
        }

        #[test]
        fn an_amount_is_refused_by_its_field_or_given_back(minor: i64, code in "[A-Z]{3}|\\PC{0,5}") {
            match parse_money(&pb::Money { minor, currency: code.clone() }, "total") {
                Ok(read) => prop_assert_eq!(money(read), pb::Money { minor, currency: code }),
                Err(error) => prop_assert_eq!(&error.violations[0].field, "total.currency"),
            }
        }
    }
}
