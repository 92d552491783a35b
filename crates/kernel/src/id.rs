//! Typed ids: a customer's id cannot be passed where an order's is meant. All are UUIDv7, so that they sort by the
//! moment they were made.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Clock, Entropy, Error};

macro_rules! typed_ids {
    ($($name:ident: $about:literal;)*) => {$(
        #[doc = $about]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The plain UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// Reads an id from a field of a request; the error names the field.
            pub fn parse(text: &str, field: &str) -> Result<Self, Error> {
                parse_uuid(text, field).map(Self)
            }

            /// Reads an id from a field that may be empty.
            pub fn parse_optional(text: &str, field: &str) -> Result<Option<Self>, Error> {
                if text.is_empty() { Ok(None) } else { Self::parse(text, field).map(Some) }
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )*};
}

typed_ids! {
    ApiKeyId: "An API key.";
    CapturedLetterId: "A letter that was captured instead of being sent.";
    ChannelId: "A channel over which dialogs come.";
    ConsentEntryId: "An entry of the ledger of consents.";
    ContactPointId: "A phone or an e-mail address of a customer, whichever it is.";
    CreditNoteId: "A credit note.";
    CustomerId: "A customer.";
    DialogId: "A dialog.";
    DialogMessageId: "A message of a dialog.";
    EmailId: "An e-mail address of a customer.";
    EventId: "An event of a journal.";
    GroupId: "A group of users.";
    ImportId: "An import of a file.";
    LetterId: "An e-mail to a customer.";
    MembershipId: "A customer and a segment: whether and since when the one belongs to the other.";
    NotificationId: "A notification of a colleague.";
    OrderId: "An order.";
    OrderLineId: "A line of an order or credit note.";
    PaymentId: "A payment.";
    PhoneId: "A phone of a customer.";
    ProductId: "A product.";
    SegmentId: "A group of customers kept by a rule.";
    SessionId: "A session of a user.";
    StoreId: "A store.";
    TemplateId: "A template of e-mails.";
    UserId: "A user.";
    VisitorId: "A visitor of a channel who may not be known.";
}

/// Reads a UUID from a field of a request; the error names the field. Only the usual form with hyphens is taken, so
/// that an id has one spelling.
pub fn parse_uuid(text: &str, field: &str) -> Result<Uuid, Error> {
    (text.len() == 36).then(|| Uuid::from_str(text).ok()).flatten().ok_or_else(|| {
        Error::invalid(
            field,
            format!("`{}` is not an id: a UUID of 36 characters is wanted", crate::error::shorten(text)),
        )
    })
}

/// Makes ids.
#[derive(Debug, Clone)]
pub struct Ids {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Ids {
    /// A generator over this clock and this randomness.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy }
    }

    /// The next id, of the present moment.
    pub fn next<T: From<Uuid>>(&self) -> T {
        self.at(self.clock.now())
    }

    /// An id of the given moment.
    pub fn at<T: From<Uuid>>(&self, moment: DateTime<Utc>) -> T {
        let mut random = [0; 10];
        self.entropy.fill(&mut random);
        let millis = u64::try_from(moment.timestamp_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{SeededEntropy, SystemClock};

    #[test]
    fn ids_are_version_seven_and_differ() {
        let ids = Ids::new(Arc::new(SystemClock), Arc::new(SeededEntropy::new(1)));
        let (a, b): (CustomerId, CustomerId) = (ids.next(), ids.next());
        assert_eq!(a.uuid().get_version_num(), 7);
        assert_ne!(a, b);
    }

    #[test]
    fn a_wrong_id_names_its_field() {
        let error = CustomerId::parse("123", "customer.id").unwrap_err();
        assert_eq!(error.violations[0].field, "customer.id");
        assert!(CustomerId::parse("0193a1f0-0000-7000-8000-00000000000g", "id").is_err());
        assert!(CustomerId::parse("{0193a1f0-0000-7000-8000-000000000001}", "id").is_err());
    }

    proptest! {
        #[test]
        fn an_id_is_read_in_one_form_alone_and_given_back_in_it(bytes: [u8; 16], text in "[0-9a-fA-F{}-]{30,46}|\\PC{0,40}") {
            let id = CustomerId::from(Uuid::from_bytes(bytes));
            prop_assert_eq!(CustomerId::parse(&id.to_string(), "id").unwrap(), id);
            for other in [id.uuid().simple().to_string(), id.uuid().braced().to_string(), id.uuid().urn().to_string()] {
                prop_assert!(CustomerId::parse(&other, "id").is_err(), "{}", other);
            }
            match CustomerId::parse(&text, "id") {
                Ok(read) => prop_assert_eq!(read.to_string(), text.to_ascii_lowercase()),
                Err(error) => prop_assert_eq!(&error.violations[0].field, "id"),
            }
        }
    }
}
