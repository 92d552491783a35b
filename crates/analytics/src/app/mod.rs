//! What analytics does: applying facts told by other contexts, and answering questions.

pub(crate) mod document;
pub(crate) mod figures;
pub(crate) mod metric;
pub(crate) mod rebuild;
pub(crate) mod report;
pub(crate) mod timeline;
