//! What can be done with messaging: use cases that change state, questions that do not, and the worker that sends.
//!
//! - [`email`]: asks for letters, shows them; [`import`]: records what another system sent
//! - [`waiting`]: how many letters may wait to be sent
//! - [`template`]: templates of letters
//! - [`mailbox`]: the captured mailbox
//! - [`send`]: claims letters, asks for consent, hands them over, settles them
//! - [`figures`]: how many letters wait, and for how long
//! - [`held`]: letters that a restore held
//! - [`customer`]: what customers says of a customer, and whether it may be written to
//! - [`channel`], [`visitor`]: channels, and what visitors do through them
//! - [`dialog`]: what the team does with dialogs
//! - [`notification`]: what colleagues are told
//! - [`lookup`]: whether users and customers that a command names exist

pub(crate) mod channel;
pub(crate) mod customer;
pub(crate) mod dialog;
pub(crate) mod email;
pub(crate) mod figures;
pub(crate) mod held;
pub(crate) mod import;
pub(crate) mod lookup;
pub(crate) mod mailbox;
pub(crate) mod notification;
pub(crate) mod send;
pub(crate) mod template;
pub(crate) mod visitor;
pub(crate) mod waiting;
