//! The words all of Clientele shares, and nothing that touches the outside: no IO, no runtime.
//!
//! - [`id`]: typed ids (UUIDv7) and the generator they come from
//! - [`clock`], [`entropy`]: time and randomness, injected so that a test can drive them
//! - [`money`]: exact amounts in minor units
//! - [`actor`]: who did something, and from where
//! - [`paging`], [`etag`]: page sizes, page tokens, versions
//! - [`text`], [`search`]: what texts that people type may hold, and how they are found again
//! - [`reference`]: how another system names a record
//! - [`partition`]: which partition of the journal an aggregate belongs to
//! - [`error`]: the one error with its small set of codes, and the collector of field violations

pub mod actor;
pub mod clock;
pub mod entropy;
pub mod error;
pub mod etag;
pub mod id;
pub mod money;
pub mod paging;
pub mod partition;
pub mod reference;
pub mod search;
pub mod text;

pub use actor::{Actor, ActorKind, Origin};
pub use clock::{Clock, SystemClock};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use error::{Code, Error, Violation, Violations};
pub use etag::Etag;
pub use id::{
    ApiKeyId, CapturedLetterId, ChannelId, ConsentEntryId, ContactPointId, CreditNoteId, CustomerId, DialogId,
    DialogMessageId, EmailId, EventId, GroupId, Ids, ImportId, LetterId, MembershipId, NotificationId, OrderId,
    OrderLineId, PaymentId, PhoneId, ProductId, SegmentId, SessionId, StoreId, TemplateId, UserId, VisitorId,
};
pub use money::{Currency, Money};
pub use partition::{PARTITIONS, Partition};
pub use reference::Reference;
pub use rust_decimal::Decimal;
