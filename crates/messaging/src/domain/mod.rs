//! What letters, templates, dialogs and notifications are, and the rules they keep. No IO.
//!
//! - [`email`]: a letter as it is asked for, accepted and kept in the ledger
//! - [`ledger`]: what becomes of a letter, and when it is tried again
//! - [`mailbox`]: letters that were captured
//! - [`template`]: templates, their variables, and texts made from them
//! - [`address`]: e-mail addresses
//! - [`channel`]: channels through which customers write, and the pages that may carry them
//! - [`dialog`]: dialogs and what is said in them
//! - [`visitor`]: what visitors of a page prove themselves by, and how much of them is taken
//! - [`notification`]: what colleagues are told

pub(crate) mod address;
pub(crate) mod channel;
pub(crate) mod dialog;
pub(crate) mod email;
pub(crate) mod ledger;
pub(crate) mod mailbox;
pub(crate) mod notification;
pub(crate) mod template;
pub(crate) mod visitor;
