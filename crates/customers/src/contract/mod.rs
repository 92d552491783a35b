//! Between customers and the messages that stand for them in the contract: in answers, in requests, and as the
//! after-image in the journal.

pub(crate) mod consent;
pub(crate) mod import;

use clientele_contracts::customers::v1 as pb;
use clientele_contracts::platform::v1::ExternalReference;
use clientele_kernel::{CustomerId, EmailId, Error, Etag, PhoneId, Reference, StoreId, UserId};
use clientele_platform::postgres::Error as StorageError;
use clientele_platform::proto;
use uuid::Uuid;

use crate::domain::contact::{Address, Email, Phone, PhoneNumber, SHOWN_PHONES};
use crate::domain::customer::{Customer, EmailStatement, Kind, PhoneStatement, Statement};
use crate::domain::duplicate::View;

/// A customer as people see it.
pub(crate) fn customer(view: &View) -> pb::Customer {
    let mut message = image(&view.customer);
    message.hidden_phones = i32::try_from(view.hidden_phones).unwrap_or(i32::MAX);
    message.duplicate_count = count(view.duplicates);
    for (phone, duplicates) in message.phones.iter_mut().zip(&view.phone_duplicates) {
        phone.duplicate_count = count(*duplicates);
    }
    for (email, duplicates) in message.emails.iter_mut().zip(&view.email_duplicates) {
        email.duplicate_count = count(*duplicates);
    }
    message
}

fn count(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A customer whole and alone: what the journal keeps.
pub(crate) fn image(customer: &Customer) -> pb::Customer {
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    pb::Customer {
        id: customer.id.to_string(),
        kind: kind(customer.kind).into(),
        display_name: customer.display_name.clone(),
        phones: customer.phones.iter().map(phone).collect(),
        emails: customer
            .emails
            .iter()
            .map(|email| pb::Email {
                id: email.id.to_string(),
                address: email.address.typed().to_owned(),
                duplicate_count: 0,
            })
            .collect(),
        country: customer.country.clone(),
        references: customer
            .references
            .iter()
            .map(|reference| ExternalReference {
                source: reference.source().to_owned(),
                external_id: reference.external_id().to_owned(),
            })
            .collect(),
        manager_id: id(customer.manager_id.map(Uuid::from)),
        store_id: id(customer.store_id.map(Uuid::from)),
        hidden_phones: 0,
        duplicate_count: 0,
        etag: Etag(customer.version).to_string(),
        registered_at: Some(proto::timestamp(customer.registered_at)),
        created_at: Some(proto::timestamp(customer.created_at)),
        updated_at: Some(proto::timestamp(customer.updated_at)),
    }
}

fn phone(phone: &Phone) -> pb::Phone {
    pb::Phone {
        id: phone.id.to_string(),
        number: phone.number.typed().to_owned(),
        e164: phone.number.e164().unwrap_or_default().to_owned(),
        label: phone.number.label().to_owned(),
        duplicate_count: 0,
    }
}

/// A kind as a message.
pub(crate) fn kind(kind: Kind) -> pb::CustomerKind {
    match kind {
        Kind::Person => pb::CustomerKind::Person,
        Kind::Company => pb::CustomerKind::Company,
    }
}

/// Leaves the first phones only, and counts the rest.
pub(crate) fn hide_phones(message: &mut pb::Customer) {
    let hidden = message.phones.len().saturating_sub(SHOWN_PHONES);
    message.phones.truncate(SHOWN_PHONES);
    message.hidden_phones = i32::try_from(hidden).unwrap_or(i32::MAX);
}

/// What a caller says about a customer. Fields set by the server are passed over. The error names the field within the
/// customer.
pub(crate) fn statement(message: pb::Customer) -> Result<Statement, Error> {
    let kind = match pb::CustomerKind::try_from(message.kind) {
        Ok(pb::CustomerKind::Unspecified) => None,
        Ok(pb::CustomerKind::Person) => Some(Kind::Person),
        Ok(pb::CustomerKind::Company) => Some(Kind::Company),
        Err(_) => {
            return Err(Error::invalid(
                "kind",
                format!("`{}` is not a kind of customer: 1 or 2 is wanted", message.kind),
            ));
        }
    };
    Ok(Statement {
        kind,
        display_name: message.display_name,
        phones: message
            .phones
            .into_iter()
            .map(|phone| PhoneStatement { id: phone.id, number: phone.number, label: phone.label })
            .collect(),
        emails: message
            .emails
            .into_iter()
            .map(|email| EmailStatement { id: email.id, address: email.address })
            .collect(),
        country: message.country,
        references: message.references.into_iter().map(|reference| (reference.source, reference.external_id)).collect(),
        manager_id: message.manager_id,
        store_id: message.store_id,
        registered_at: proto::instant(message.registered_at, "registered_at")?,
    })
}

/// A past state from its image; one that cannot be read is corrupt.
pub(crate) fn restore(image: &pb::Customer) -> Result<Customer, StorageError> {
    let corrupt =
        |what: &str| StorageError::corrupt("journal", format!("{what} in the image of customer {}", image.id));
    let moment = |timestamp: Option<prost_types::Timestamp>, field: &'static str| {
        proto::required_instant(timestamp, field).map_err(|_| corrupt(field))
    };
    let optional = |text: &str, field: &'static str| -> Result<Option<Uuid>, StorageError> {
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| corrupt(field)) }
    };
    Ok(Customer {
        id: image.id.parse::<CustomerId>().map_err(|_| corrupt("id"))?,
        kind: match image.kind() {
            pb::CustomerKind::Person => Kind::Person,
            pb::CustomerKind::Company => Kind::Company,
            pb::CustomerKind::Unspecified => return Err(corrupt("kind")),
        },
        phones: image
            .phones
            .iter()
            .map(|phone| {
                let e164 = Some(phone.e164.clone()).filter(|form| !form.is_empty());
                Ok(Phone {
                    id: phone.id.parse::<PhoneId>().map_err(|_| corrupt("phones.id"))?,
                    number: PhoneNumber::stored(phone.number.clone(), e164, phone.label.clone()),
                })
            })
            .collect::<Result<_, StorageError>>()?,
        emails: image
            .emails
            .iter()
            .map(|email| {
                Ok(Email {
                    id: email.id.parse::<EmailId>().map_err(|_| corrupt("emails.id"))?,
                    address: Address::stored(email.address.clone()),
                })
            })
            .collect::<Result<_, StorageError>>()?,
        references: image
            .references
            .iter()
            .map(|reference| Reference::stored(reference.source.clone(), reference.external_id.clone()))
            .collect(),
        manager_id: optional(&image.manager_id, "manager_id")?.map(UserId::from),
        store_id: optional(&image.store_id, "store_id")?.map(StoreId::from),
        registered_at: moment(image.registered_at, "registered_at")?,
        created_at: moment(image.created_at, "created_at")?,
        updated_at: moment(image.updated_at, "updated_at")?,
        version: image.etag.parse().map_err(|_| corrupt("etag"))?,
        display_name: image.display_name.clone(),
        country: image.country.clone(),
    })
}
