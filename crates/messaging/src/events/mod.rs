//! Events: those of other contexts that messaging follows, and its own as they are told to the others.
//!
//! - [`publish`]: what messaging tells of letters, templates, channels, dialogs and notifications
//! - [`consume`]: what messaging learns from customers

pub(crate) mod consume;
pub(crate) mod publish;
