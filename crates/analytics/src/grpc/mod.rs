//! gRPC: from messages to values and back.

pub(crate) mod feed;
pub(crate) mod metric;
pub(crate) mod operation;
pub(crate) mod report;
pub(crate) mod timeline;
