//! Letters, as messages.

use chrono::{DateTime, Utc};
use clientele_contracts::messaging::v1 as pb;
use clientele_contracts::platform::v1::ExternalReference;
use clientele_kernel::{ConsentEntryId, CustomerId, EmailId, Error, Reference, TemplateId, Violations, text};
use clientele_platform::proto;
use sha2::{Digest, Sha256};

use crate::domain::address::Address;
use crate::domain::email::{Draft, Imported, Letter, Purpose, Recipient};
use crate::domain::ledger::State;
use crate::domain::template::{LONGEST_SUBJECT, LONGEST_TEXT, Texts, Variables};

/// A letter as callers see one.
pub(crate) fn encode(letter: &Letter) -> pb::Email {
    let id = |id: Option<EmailId>| id.map(|id| id.to_string()).unwrap_or_default();
    let reference = letter.reference.as_ref().map(|reference| ExternalReference {
        source: reference.source().to_owned(),
        external_id: reference.external_id().to_owned(),
    });
    pb::Email {
        id: letter.id.to_string(),
        customer_id: letter.customer_id.to_string(),
        contact_point_id: id(letter.destination.contact_point_id),
        to_address: letter.destination.address.clone(),
        from_address: letter.from.address.clone(),
        subject: letter.content.subject.clone(),
        text: letter.content.text.clone(),
        html: letter.content.html.clone(),
        template_id: letter.template_id.map(|id| id.to_string()).unwrap_or_default(),
        purpose: purpose(letter.purpose).into(),
        state: state(letter.state).into(),
        reason: letter.reason.clone(),
        detail: letter.detail.clone(),
        consent_entry_ids: letter.consent_entry_ids.iter().map(ConsentEntryId::to_string).collect(),
        attempts: letter.attempts,
        next_attempt_at: letter.next_attempt_at.map(proto::timestamp),
        message_id: letter.message_id.clone(),
        actor: Some(proto::actor(&letter.actor)),
        created_at: Some(proto::timestamp(letter.created_at)),
        settled_at: letter.settled_at.map(proto::timestamp),
        reference,
        claimed_until: letter.claimed_until.map(proto::timestamp),
    }
}

/// The same without its texts.
pub(crate) fn encode_briefly(letter: &Letter) -> pb::Email {
    pb::Email { text: String::new(), html: String::new(), ..encode(letter) }
}

/// A purpose as a message.
pub(crate) fn purpose(purpose: Purpose) -> pb::Purpose {
    match purpose {
        Purpose::Marketing => pb::Purpose::Marketing,
        Purpose::Service => pb::Purpose::Service,
    }
}

/// A state as a message.
pub(crate) fn state(state: State) -> pb::SendState {
    match state {
        State::Queued => pb::SendState::Queued,
        State::Claimed => pb::SendState::Claimed,
        State::Sent => pb::SendState::Sent,
        State::Failed => pb::SendState::Failed,
        State::Suppressed => pb::SendState::Suppressed,
        State::Unknown => pb::SendState::Unknown,
    }
}

/// States from a message.
pub(crate) fn states(given: &[i32]) -> Result<Vec<State>, Error> {
    let mut violations = Violations::new();
    let mut states: Vec<State> = given
        .iter()
        .enumerate()
        .filter_map(|(index, number)| {
            let state = match pb::SendState::try_from(*number) {
                Ok(pb::SendState::Queued) => State::Queued,
                Ok(pb::SendState::Claimed) => State::Claimed,
                Ok(pb::SendState::Sent) => State::Sent,
                Ok(pb::SendState::Failed) => State::Failed,
                Ok(pb::SendState::Suppressed) => State::Suppressed,
                Ok(pb::SendState::Unknown) => State::Unknown,
                Ok(pb::SendState::Unspecified) | Err(_) => {
                    violations.push(format!("states[{index}]"), format!("`{number}` is no state of a letter"));
                    return None;
                }
            };
            Some(state)
        })
        .collect();
    states.sort_unstable();
    states.dedup();
    violations.into_result().map(|()| states)
}

fn purpose_in(number: i32, violations: &mut Violations) -> Purpose {
    match pb::Purpose::try_from(number) {
        Ok(pb::Purpose::Marketing) => Purpose::Marketing,
        Ok(pb::Purpose::Service | pb::Purpose::Unspecified) => Purpose::Service,
        Err(_) => {
            violations.push("purpose", format!("`{number}` is no purpose of a letter"));
            Purpose::Service
        }
    }
}

/// A letter as it is asked for; the error names every wrong field.
pub(crate) fn draft(request: &pb::SendEmailRequest) -> Result<Draft, Error> {
    let mut violations = Violations::new();
    let customer_id = violations.take("customer_id", CustomerId::parse(&request.customer_id, "customer_id"));
    let recipient =
        Recipient::check(&request.contact_point_id, &request.to_address, &request.address_reason, &mut violations);
    let template_id = TemplateId::parse_optional(&request.template_id, "template_id");
    let template_id = violations.take("template_id", template_id).flatten();
    let variables = Variables::check(request.variables.clone(), &mut violations);
    let texts = Texts::check(&request.subject, &request.text, &request.html, &mut violations);
    let purpose = purpose_in(request.purpose, &mut violations);
    match (customer_id, recipient) {
        (Some(customer_id), Some(recipient)) if violations.is_empty() => {
            Ok(Draft { customer_id, recipient, template_id, variables, texts, purpose })
        }
        _ => Err(Error::invalid_all(violations.into_inner())),
    }
}

/// By what a request is recognised when it comes again with its id: every field but that. The order of variables, which
/// a message does not keep, makes no difference.
pub(crate) fn hash(request: &pb::SendEmailRequest) -> Vec<u8> {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    };
    let fields = [
        &request.customer_id,
        &request.contact_point_id,
        &request.to_address,
        &request.address_reason,
        &request.template_id,
        &request.subject,
        &request.text,
        &request.html,
    ];
    for field in fields {
        add(field);
    }
    add(&request.purpose.to_string());
    let mut variables: Vec<_> = request.variables.iter().collect();
    variables.sort_unstable();
    for (name, value) in variables {
        add(name);
        add(value);
    }
    hash.finalize().to_vec()
}

/// A letter of another system; the violations name the wrong fields.
pub(crate) fn imported(entry: &pb::ImportedEmail, now: DateTime<Utc>) -> Result<Imported, Violations> {
    let mut violations = Violations::new();
    let given = entry.reference.clone().unwrap_or_default();
    let reference = Reference::check(&given.source, &given.external_id, "reference", &mut violations);
    let customer_id = violations.take("customer_id", CustomerId::parse(&entry.customer_id, "customer_id"));
    let to_address = violations.take("to_address", Address::parse(&entry.to_address, "to_address"));
    let from_address = violations.take("from_address", Address::parse(&entry.from_address, "from_address"));
    let subject = violations.or_default(text::line(&entry.subject, LONGEST_SUBJECT, "subject"));
    let text = violations.or_default(text::prose(&entry.text, LONGEST_TEXT, "text"));
    let purpose = purpose_in(entry.purpose, &mut violations);
    let sent_at = violations.take("sent_at", proto::required_instant(entry.sent_at, "sent_at"));
    if let Some(sent_at) = sent_at {
        violations.check(sent_at <= now, "sent_at", || "is in the future".to_owned());
    }
    match (reference, customer_id, to_address, from_address, sent_at) {
        (Some(reference), Some(customer_id), Some(to), Some(from), Some(sent_at)) if violations.is_empty() => {
            let (to_address, from_address) = (to.as_str().to_owned(), from.as_str().to_owned());
            Ok(Imported { reference, customer_id, to_address, from_address, subject, text, purpose, sent_at })
        }
        _ => Err(violations),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> pb::SendEmailRequest {
        pb::SendEmailRequest {
            customer_id: "01900000-0000-7000-8000-000000000001".to_owned(),
            to_address: "ana@example.com".to_owned(),
            variables: (0..20).map(|n| (format!("v{n}"), n.to_string())).collect(),
            subject: "s".to_owned(),
            text: "t".to_owned(),
            request_id: "one".to_owned(),
            ..pb::SendEmailRequest::default()
        }
    }

    #[test]
    fn a_request_is_recognised_whatever_its_id_and_the_order_of_its_variables() {
        let again = pb::SendEmailRequest { request_id: "two".to_owned(), ..request() };
        assert_eq!(hash(&request()), hash(&again));
        let moved = pb::SendEmailRequest { subject: "st".to_owned(), text: String::new(), ..request() };
        assert_ne!(hash(&request()), hash(&moved), "what moves from one field to another makes another request");
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let wrong = pb::SendEmailRequest {
            customer_id: "7".to_owned(),
            to_address: "nobody".to_owned(),
            template_id: "x".to_owned(),
            subject: "a\nb".to_owned(),
            text: "\0".to_owned(),
            purpose: 99,
            ..request()
        };
        let error = draft(&wrong).unwrap_err();
        let fields: Vec<_> = error.violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["customer_id", "to_address", "template_id", "subject", "text", "purpose"]);
    }
}
