//! Analytics as a whole: events in, figures out, against a real database and the real consumers.
#![expect(clippy::unwrap_used, reason = "a test fails where it meets what it does not expect")]

mod favourites;
mod figures;
mod history;
mod months;
mod operations;
mod paging;
mod reports;
mod source;
mod timeline;
mod told;
mod world;
