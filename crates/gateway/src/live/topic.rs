//! What can be followed.

use clientele_kernel::{CustomerId, DialogId, Error, Violations, error::shorten};

use super::change::{Change, Kind};

const MOST: usize = 50;

/// Something to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topic {
    /// All that concerns a customer.
    Customer(String),
    /// A dialog.
    Dialog(String),
    /// Any record of a kind.
    Any(Kind),
}

/// The topics about any record of a kind.
const BROAD: [(&str, Kind); 7] = [
    ("customers", Kind::Customer),
    ("dialogs", Kind::Dialog),
    ("segments", Kind::Segment),
    ("imports", Kind::Import),
    ("emails", Kind::Email),
    ("channels", Kind::Channel),
    ("me", Kind::Notification),
];

impl Topic {
    /// Reads the topics of a request; what is no topic is told by its place in the list.
    pub(super) fn read(texts: &[String]) -> Result<Vec<Self>, Error> {
        if texts.is_empty() || texts.len() > MOST {
            return Err(Error::invalid("topics", format!("there are {}; 1 to {MOST} are wanted", texts.len())));
        }
        let mut violations = Violations::new();
        let mut topics = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match Self::parse(text) {
                Some(topic) if !topics.contains(&topic) => topics.push(topic),
                Some(_) => {}
                None => {
                    let known: Vec<_> = BROAD.iter().map(|(name, _)| *name).collect();
                    let wanted = format!("customer/{{id}}, dialog/{{id}}, {}", known.join(", "));
                    violations.push(
                        format!("topics[{index}]"),
                        format!("`{}` is no topic; there are {wanted}", shorten(text)),
                    );
                }
            }
        }
        violations.into_result()?;
        Ok(topics)
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(id) = text.strip_prefix("customer/") {
            return CustomerId::parse(id, "topics").ok().map(|id| Self::Customer(id.to_string()));
        }
        if let Some(id) = text.strip_prefix("dialog/") {
            return DialogId::parse(id, "topics").ok().map(|id| Self::Dialog(id.to_string()));
        }
        BROAD.iter().find(|(name, _)| *name == text).map(|(_, kind)| Self::Any(*kind))
    }

    /// The topic as it was asked for.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Customer(id) => format!("customer/{id}"),
            Self::Dialog(id) => format!("dialog/{id}"),
            Self::Any(kind) => {
                BROAD.iter().find(|(_, other)| other == kind).map_or_else(String::new, |(name, _)| (*name).to_owned())
            }
        }
    }

    /// The kind, of a topic about any record of it.
    pub(super) fn broad(&self) -> Option<Kind> {
        match self {
            Self::Any(kind) => Some(*kind),
            _ => None,
        }
    }

    /// Whether a change belongs to it.
    pub(super) fn covers(&self, change: &Change) -> bool {
        match self {
            Self::Customer(id) => change.customer_id == *id,
            Self::Dialog(id) => change.kind == Kind::Dialog && change.aggregate_id == *id,
            Self::Any(kind) => change.kind == *kind,
        }
    }

    /// Whether it may lack something when changes of a context were missed.
    pub(super) fn depends_on(&self, context: &str) -> bool {
        match self {
            // Everything a company does with a customer is part of the card.
            Self::Customer(_) => true,
            Self::Any(Kind::Customer) => matches!(context, "customers" | "analytics"),
            Self::Any(Kind::Segment) => context == "campaigns",
            Self::Any(Kind::Import) => context == "customers",
            Self::Any(Kind::Other) => false,
            Self::Dialog(_) | Self::Any(_) => context == "messaging",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "01900000-0000-7000-8000-0000000000c1";

    #[test]
    fn a_topic_reads_as_it_is_written() {
        for text in ["customers", "me", "imports", &format!("customer/{ID}"), &format!("dialog/{ID}")] {
            assert_eq!(Topic::parse(text).unwrap().text(), *text);
        }
    }

    #[test]
    fn what_is_no_topic_is_told_by_its_place() {
        let texts = ["customers", "orders", "customer/seven", "dialog/", ""].map(str::to_owned);
        let places: Vec<_> = Topic::read(&texts).unwrap_err().violations.into_iter().map(|v| v.field).collect();
        assert_eq!(places, ["topics[1]", "topics[2]", "topics[3]", "topics[4]"]);
        assert!(Topic::read(&[]).is_err());
        assert!(Topic::read(&vec!["me".to_owned(); 51]).is_err());
        assert_eq!(Topic::read(&vec!["me".to_owned(); 50]).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn any_topic_is_followed_under_the_name_it_was_asked_by_or_refused(text in "(customer/|dialog/)?([0-9a-f{}-]{30,40}|\\PC{0,12})", id: u128) {
            for text in [text, format!("dialog/{}", uuid::Uuid::from_u128(id)), format!("dialog/{}", uuid::Uuid::from_u128(id).simple())] {
                if let Some(topic) = Topic::parse(&text) {
                    prop_assert_eq!(topic.text(), text.to_ascii_lowercase());
                }
            }
        }
    }
}
