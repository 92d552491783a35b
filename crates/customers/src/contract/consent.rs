//! Consents as messages.

use clientele_contracts::customers::v1 as pb;
use clientele_kernel::Error;
use clientele_platform::proto;

use crate::domain::consent::{Channel, Entry, Purpose, State, UpsertStatement};

/// An entry of the ledger: in answers, and as its image in the journal.
pub(crate) fn entry(entry: &Entry) -> pb::ConsentEntry {
    let (contact_point_id, address) = match &entry.key.point {
        Some((id, address)) => (id.to_string(), address.typed.clone()),
        None => (String::new(), String::new()),
    };
    pb::ConsentEntry {
        id: entry.id.to_string(),
        customer_id: entry.customer_id.to_string(),
        channel: channel(entry.key.channel).into(),
        contact_point_id,
        address,
        purpose: purpose(entry.key.purpose).into(),
        granted: entry.granted,
        actor: Some(proto::actor(&entry.actor)),
        origin: proto::origin(entry.origin).into(),
        integration: entry.integration.clone().unwrap_or_default(),
        evidence: entry.evidence.clone(),
        recorded_at: Some(proto::timestamp(entry.recorded_at)),
    }
}

/// What holds for one channel at one contact point.
pub(crate) fn state(state: &State) -> pb::ConsentState {
    pb::ConsentState {
        channel: channel(state.channel).into(),
        contact_point_id: state.point.to_string(),
        marketing: state.marketing,
        service: state.service,
        entry: state.entry.as_ref().map(entry),
    }
}

/// A channel as a message.
pub(crate) fn channel(channel: Channel) -> pb::ConsentChannel {
    match channel {
        Channel::Email => pb::ConsentChannel::Email,
        Channel::Sms => pb::ConsentChannel::Sms,
        Channel::Call => pb::ConsentChannel::Call,
    }
}

/// A purpose as a message; every purpose is not said.
pub(crate) fn purpose(purpose: Option<Purpose>) -> pb::ConsentPurpose {
    match purpose {
        None => pb::ConsentPurpose::Unspecified,
        Some(Purpose::Marketing) => pb::ConsentPurpose::Marketing,
        Some(Purpose::Service) => pb::ConsentPurpose::Service,
    }
}

/// A channel from a message; the error names `channel`.
pub(crate) fn parse_channel(number: i32) -> Result<Channel, Error> {
    match pb::ConsentChannel::try_from(number) {
        Ok(pb::ConsentChannel::Email) => Ok(Channel::Email),
        Ok(pb::ConsentChannel::Sms) => Ok(Channel::Sms),
        Ok(pb::ConsentChannel::Call) => Ok(Channel::Call),
        Ok(pb::ConsentChannel::Unspecified) => {
            Err(Error::invalid("channel", "is missing: an e-mail (1), text message (2) or call (3) is wanted"))
        }
        Err(_) => Err(Error::invalid("channel", format!("`{number}` is not a channel: 1, 2 or 3 is wanted"))),
    }
}

/// A purpose from a message, `None` for every one; the error names `purpose`.
pub(crate) fn parse_purpose(number: i32) -> Result<Option<Purpose>, Error> {
    match pb::ConsentPurpose::try_from(number) {
        Ok(pb::ConsentPurpose::Unspecified) => Ok(None),
        Ok(pb::ConsentPurpose::Marketing) => Ok(Some(Purpose::Marketing)),
        Ok(pb::ConsentPurpose::Service) => Ok(Some(Purpose::Service)),
        Err(_) => Err(Error::invalid("purpose", format!("`{number}` is not a purpose: 1 or 2 is wanted"))),
    }
}

/// What another system says about a consent. The error names the field within it.
pub(crate) fn upsert_statement(message: pb::UpsertConsent) -> Result<UpsertStatement, Error> {
    Ok(UpsertStatement {
        channel: parse_channel(message.channel)?,
        address: message.address,
        purpose: parse_purpose(message.purpose)?,
        granted: message.granted,
        evidence: message.evidence,
    })
}
