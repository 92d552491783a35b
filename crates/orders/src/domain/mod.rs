//! What orders, credit notes, the catalogue and the status dictionary are, and the rules they keep. Knows no SQL, no
//! gRPC and no time but what it is given.

pub(crate) mod amount;
pub(crate) mod content;
pub(crate) mod credit_note;
pub(crate) mod line;
pub(crate) mod order;
pub(crate) mod payment;
pub(crate) mod product;
pub(crate) mod reference;
pub(crate) mod search;
pub(crate) mod status;
