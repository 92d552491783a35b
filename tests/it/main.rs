//! The whole of Clientele, run as its real programs.
//!
//! | Module | What it holds |
//! |---|---|
//! | `house` | a running Clientele: `clientele up`, or one process for each service with PostgreSQL and NATS |
//! | `rest` | a client of the REST API |
//! | `live` | a reader of server-sent events |
//! | `shop` | customers and sales with books of their own, which the figures must agree with |
//! | `collector` | an OpenTelemetry collector that keeps what it gets |
//! | `both` | what a person or program sees, over both forms |
//! | `faults` | programs killed at the worst moment |
//! | `sends` | letters, and a service that is killed while it sends them |
//! | `traces` | one trace through all services, and nothing personal on the way |
//! | `services` | the services at their ports: health, reflection, tokens, closed schemas |
//! | `demo` | the invented company |
//! | `import` | files of real and of nasty rows |
//! | `architecture` | directions of dependencies, of crates and of layers within one, the top level, banned words of SQL |
//! | `contracts` | changes of the protos that would break who uses them |

mod architecture;
mod both;
mod collector;
mod contracts;
mod demo;
mod faults;
mod house;
mod import;
mod live;
mod rest;
mod sends;
mod services;
mod shop;
mod traces;
