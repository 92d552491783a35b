//! What changes, as it changes: server-sent events with ids and versions only.
//!
//! One [`hub`] for each gateway process follows the bus of all contexts and keeps the newest changes in a ring. A stream
//! holds no queue of its own: it holds a place in the ring, and whoever falls behind its end is told to read again. That
//! bounds memory whatever readers do.
//!
//! - [`topic`]: what can be followed
//! - [`change`]: what an event on the bus changes, and who may be told
//! - [`hub`]: the ring, and what fills it
//! - [`reader`]: what one reader is told of it
//! - [`places`]: how many streams there may be
//! - [`sse`]: bytes on the wire
//! - [`stream`], [`visitor`]: the streams of colleagues, and of visitors on other sites

mod change;
mod hub;
mod places;
mod reader;
mod sse;
mod stream;
mod topic;
mod visitor;

pub(crate) use hub::Hub;
pub(crate) use places::Places;
pub(crate) use stream::Listener;
