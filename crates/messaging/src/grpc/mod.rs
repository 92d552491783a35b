//! The gRPC services: from messages to use cases and back. No rule is decided here.
//!
//! - [`email`]: serves `Emails`
//! - [`template`]: serves `EmailTemplates`
//! - [`mailbox`]: serves `Mailbox`
//! - [`feed`]: serves `Feed`
//! - [`operation`]: serves `Operations`
//! - [`channel`]: serves `Channels`
//! - [`dialog`]: serves `Dialogs`
//! - [`visitor`]: serves `Visitors`
//! - [`notification`]: serves `Notifications`

pub(crate) mod channel;
pub(crate) mod dialog;
pub(crate) mod email;
pub(crate) mod feed;
pub(crate) mod mailbox;
pub(crate) mod notification;
pub(crate) mod operation;
pub(crate) mod template;
pub(crate) mod visitor;

/// The largest message taken: a full batch of long dialogs.
pub(crate) const LARGEST_BATCH: usize = 32 * 1024 * 1024;
