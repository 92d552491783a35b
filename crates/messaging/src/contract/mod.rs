//! Between what messaging knows and the messages that stand for it: in requests, in answers, and as the after-image in
//! the journal.
//!
//! - [`email`]: letters and the ledger of their sending
//! - [`template`]: templates of letters
//! - [`mailbox`]: captured letters
//! - [`channel`], [`visitor`]: channels and what visitors see
//! - [`dialog`]: dialogs and their messages
//! - [`notification`]: what colleagues are told

pub(crate) mod channel;
pub(crate) mod dialog;
pub(crate) mod email;
pub(crate) mod mailbox;
pub(crate) mod notification;
pub(crate) mod template;
pub(crate) mod visitor;
