//! What the figures are, as rules over values: nothing here reads or writes.

pub(crate) mod change;
pub(crate) mod document;
pub(crate) mod metric;
pub(crate) mod month;
pub(crate) mod product;
pub(crate) mod report;
pub(crate) mod timeline;

pub(crate) use change::Changes;
pub(crate) use document::{Document, Share};
pub(crate) use metric::Figures;
pub(crate) use month::Month;
