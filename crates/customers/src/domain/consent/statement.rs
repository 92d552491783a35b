//! What a caller says about a consent: as it arrives, and once checked.

use clientele_kernel::{ContactPointId, Error, Origin, Violations, text};

use super::{Channel, LONGEST_EVIDENCE, Point, PointKind, Purpose, TypedAddress};
use crate::domain::contact::{Address, PhoneNumber, Region};

/// What a caller says about a consent of one customer, not yet checked.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) channel: Channel,
    /// Empty for all.
    pub(crate) contact_point_id: String,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) granted: bool,
    pub(crate) evidence: String,
}

/// A checked statement: every value in it is right by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) channel: Channel,
    pub(crate) point: Option<ContactPointId>,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) granted: bool,
    pub(crate) evidence: String,
}

impl Statement {
    /// Checks every value. Whoever sits before a person may do without evidence; a program or a file may not.
    pub(crate) fn check(self, origin: Origin) -> Result<Draft, Error> {
        let mut v = Violations::new();
        let point =
            v.take("contact_point_id", ContactPointId::parse_optional(&self.contact_point_id, "contact_point_id"));
        let evidence = v.take("evidence", text::prose(&text::composed(&self.evidence), LONGEST_EVIDENCE, "evidence"));
        let unseen = matches!(origin, Origin::Api | Origin::Import);
        v.check(!(self.granted && unseen && evidence.as_deref() == Some("")), "evidence", || {
            format!("is empty: a consent given by way of `{origin}` needs what shows it")
        });
        v.into_result()?;
        Ok(Draft {
            channel: self.channel,
            point: point.flatten(),
            purpose: self.purpose,
            granted: self.granted,
            evidence: evidence.unwrap_or_default(),
        })
    }
}

impl Draft {
    /// The contact point among the customer's that it speaks of; `None` for all.
    pub(crate) fn point(&self, points: &[Point]) -> Result<Option<Point>, Error> {
        let Some(id) = self.point else { return Ok(None) };
        let point = points.iter().find(|point| point.id == id).ok_or_else(|| {
            Error::invalid("contact_point_id", format!("`{id}` is not a phone or e-mail of this customer"))
        })?;
        require_kind(self.channel, point)?;
        Ok(Some(point.clone()))
    }
}

/// Fails unless the channel goes to such a contact point.
pub(crate) fn require_kind(channel: Channel, point: &Point) -> Result<(), Error> {
    if channel.kind() == point.kind {
        return Ok(());
    }
    let description = match point.kind {
        PointKind::Phone => format!("`{}` is a phone: the channel {} goes to e-mails", point.id, channel.as_str()),
        PointKind::Email => format!("`{}` is an e-mail: the channel {} goes to phones", point.id, channel.as_str()),
    };
    Err(Error::invalid("contact_point_id", description))
}

/// An address somebody gave for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GivenAddress(pub(crate) TypedAddress);

impl GivenAddress {
    /// Reads an e-mail address or a number, whichever the channel goes to; the error names `address`.
    pub(crate) fn try_new(channel: Channel, address: &str, region: Option<Region>) -> Result<Self, Error> {
        let address = match channel.kind() {
            PointKind::Email => {
                let address = Address::try_new(address)?;
                TypedAddress { typed: address.typed().to_owned(), key: address.key() }
            }
            PointKind::Phone => {
                let number = PhoneNumber::try_new(address, "", region).map_err(|mut error| {
                    for violation in &mut error.violations {
                        "address".clone_into(&mut violation.field);
                    }
                    Error::invalid_all(error.violations)
                })?;
                TypedAddress { typed: number.typed().to_owned(), key: number.key() }
            }
        };
        Ok(Self(address))
    }
}

/// What another system says about a consent, not yet checked.
#[derive(Debug, Clone)]
pub(crate) struct UpsertStatement {
    pub(crate) channel: Channel,
    /// Empty for all.
    pub(crate) address: String,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) granted: bool,
    pub(crate) evidence: String,
}

/// A checked statement of another system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpsertDraft {
    pub(crate) channel: Channel,
    pub(crate) address: Option<GivenAddress>,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) granted: bool,
    pub(crate) evidence: String,
}

impl UpsertStatement {
    /// Checks every value. Nobody sees the customer in a file: what is given needs what shows it.
    pub(crate) fn check(self, region: Option<Region>) -> Result<UpsertDraft, Error> {
        let mut v = Violations::new();
        let address = if self.address.trim().is_empty() {
            None
        } else {
            v.take("address", GivenAddress::try_new(self.channel, &self.address, region))
        };
        let evidence = v.take("evidence", text::prose(&text::composed(&self.evidence), LONGEST_EVIDENCE, "evidence"));
        v.check(!(self.granted && evidence.as_deref() == Some("")), "evidence", || {
            "is empty: a consent that another system brings needs what shows it".to_owned()
        });
        v.into_result()?;
        Ok(UpsertDraft {
            channel: self.channel,
            address,
            purpose: self.purpose,
            granted: self.granted,
            evidence: evidence.unwrap_or_default(),
        })
    }
}
