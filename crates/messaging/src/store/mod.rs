//! The only place with SQL: reads and writes of aggregates.
//!
//! - [`email`]: letters as callers see them
//! - [`ledger`]: letters as the worker claims and settles them
//! - [`template`]: templates of letters
//! - [`mailbox`]: captured letters
//! - [`channel`], [`visitor`]: channels and who writes through them
//! - [`dialog`]: dialogs and their messages
//! - [`notification`]: what colleagues are told

pub(crate) mod channel;
pub(crate) mod dialog;
pub(crate) mod email;
pub(crate) mod ledger;
pub(crate) mod mailbox;
pub(crate) mod notification;
pub(crate) mod template;
pub(crate) mod visitor;
