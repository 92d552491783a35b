//! REST over the gRPC services, derived from the descriptors.
//!
//! - [`binding`], [`template`]: the `google.api.http` options, read
//! - [`table`]: which binding a request leads to
//! - [`request`]: path, query, body and headers to the method's message
//! - [`json`]: the canonical mapping, with errors that name fields
//! - [`unknown`]: events of a newer release than this one
//! - [`codec`]: messages over gRPC without generated code

mod binding;
mod codec;
mod json;
#[cfg(test)]
mod properties;
mod request;
mod table;
mod template;
mod unknown;

pub use binding::BindingError;
pub(crate) use binding::{Binding, Body, Form};
pub(crate) use codec::{DynamicCodec, Part, StreamCodec};
pub(crate) use json::{json_path, print};
pub(crate) use request::{Parts, message};
pub(crate) use table::{Found, Table};
pub(crate) use template::{FieldPath, Segment, Template};
