//! The edge of Clientele: REST made from the contracts, the customer's card, sessions of browsers, and the web client.
//!
//! - [`config`], [`service`], [`server`], [`process`]: settings, how the parts are put together, how they are served
//! - `rest`: from HTTP to messages and back; [`openapi`]: the document that describes it
//! - `api`: what happens to a request under `/v1`; `call`, `upstream`: what goes along to the services, and the way there
//! - `auth`: credentials, tokens, protection against other sites; `session`: sign-in and sign-out
//! - `card`: the customer's card; `live`: what changes, as it changes; `transfer`: files on their way in and out
//! - `problem`: errors; `limits`: rates; `headers`, `request_id`, `address`, `trace`: what surrounds a request
//! - `assets`: the web client; `viewer`: the page that shows the API; `health`: probes
//!
//! It depends on the contracts alone, never on a service.

mod address;
mod api;
mod assets;
mod auth;
mod call;
mod card;
pub mod config;
mod gateway;
mod headers;
mod health;
mod limits;
mod live;
pub mod openapi;
mod problem;
pub mod process;
mod request_id;
mod rest;
pub mod server;
pub mod service;
mod session;
mod trace;
mod transfer;
mod upstream;
mod viewer;

pub use config::{Config, Settings};
pub use rest::BindingError;
pub use server::serve;
pub use service::{Deps, Service, build};
