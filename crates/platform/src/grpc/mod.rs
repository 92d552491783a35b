//! gRPC: one transport for services in this process and elsewhere, one way in (authentication, permissions, deadlines),
//! one mapping of errors.
//!
//! - [`transport`]: the [`Transport`] generated clients work over, and the [`Network`] that leads to each service
//! - [`replicas`]: one connection to each replica of a service elsewhere, and which of them a call takes
//! - [`guard`]: the layer every call to a service goes through, remote or not
//! - [`verifier`]: checks tokens by the keys that identity publishes
//! - [`client`]: the layer every call from a service goes through
//! - [`status`]: errors to `google.rpc.Status` and back
//! - [`server`]: serves routes on a socket, with health and reflection

mod client;
mod guard;
mod replicas;
mod server;
mod status;
mod transport;
mod verifier;

pub use client::{Clients, Credential, as_caller};
pub use guard::{Guard, HEADER_INTEGRATION, HEADER_ORIGIN};
pub use server::{ServerOptions, infrastructure, serve};
pub use status::{error, received, status};
pub use transport::{Network, Transport};
pub use verifier::{Claims, ISSUER, Verifier};
