//! What can be done with orders: use cases that change state, each in one unit of work, and questions that do not.

pub(crate) mod credit_note;
pub(crate) mod customer;
pub(crate) mod order;
pub(crate) mod order_batch;
pub(crate) mod order_revert;
pub(crate) mod product;
pub(crate) mod status;
pub(crate) mod upsert;
