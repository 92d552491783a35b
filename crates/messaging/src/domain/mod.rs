//! What letters, templates, dialogs and notifications are, and the rules they keep. No IO.
//!
//! - [`email`]: a letter as it is asked for, accepted and kept in the ledger
//! - [`ledger`]: what becomes of a letter, and when it is tried again
//! - [`mailbox`]: letters that were captured
//! - [`template`]: templates, their variables, and texts made from them
//! - [`address`]: e-mail addresses
//! - [`reference`]: how another system names a record
//! - [`text`]: what a text from outside must be like to be kept
//! - [`channel`]: channels through which customers write, and the pages that may carry them
//! - [`dialog`]: dialogs and what is said in them
//! - [`visitor`]: what visitors of a page prove themselves by, and how much of them is taken
//! - [`notification`]: what colleagues are told
//! - [`prose`]: texts of several lines

pub(crate) mod address;
pub(crate) mod channel;
pub(crate) mod dialog;
pub(crate) mod email;
pub(crate) mod ledger;
pub(crate) mod mailbox;
pub(crate) mod notification;
pub(crate) mod prose;
pub(crate) mod reference;
pub(crate) mod template;
pub(crate) mod text;
pub(crate) mod visitor;
