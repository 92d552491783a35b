//! Letters that were captured instead of being sent.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clientele_kernel::{CapturedLetterId, CustomerId, LetterId};

/// How much the captured mailbox keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// How long a letter stays.
    pub(crate) span: Duration,
    /// How many stay, the newest ones.
    pub(crate) most: u32,
}

/// A captured letter. Lists leave out the texts.
#[derive(Debug, Clone)]
pub(crate) struct Captured {
    pub(crate) id: CapturedLetterId,
    pub(crate) letter_id: LetterId,
    pub(crate) customer_id: CustomerId,
    pub(crate) to_address: String,
    pub(crate) from_address: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    /// As RFC 5322 has it.
    pub(crate) source: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) size_bytes: i64,
}
