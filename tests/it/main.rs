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
//! | `rounds` | any part of the house disturbed at random moments, round after round |
//! | `restore` | backups under load, restored to a moment, together and one context alone |
//! | `sends` | letters, and a service that is killed while it sends them |
//! | `upgrade` | this release and the one before side by side, and no request that fails |
//! | `traces` | one trace through all services, and nothing personal on the way |
//! | `roles` | what the roles of the database may do |
//! | `secrets` | secrets of all kinds, looked for wherever they should not be |
//! | `sealed` | everything over TLS with users and passwords, as `deploy/` has it, and strangers |
//! | `watching` | metrics, alerts, the dashboard, logs, and the pages that go with them |
//! | `services` | the services at their ports: health, reflection, tokens, closed schemas |
//! | `consumers` | the guide for other teams' services, its examples run |
//! | `demo` | the invented company |
//! | `doctor` | what is wrong with a configuration or an environment, broken for real and named |
//! | `fuzz` | bad input at scale, for every method of every service |
//! | `keys` | keys and secrets replaced while requests go on |
//! | `pooled` | a PgBouncer between services and database |
//! | `images` | the images of the programs: what is in them, and that it runs there |
//! | `manifests` | the objects of `deploy/kubernetes`, and the real programs on what they say |
//! | `import` | files of real and of nasty rows |
//! | `architecture` | directions of dependencies, of crates and of layers within one, the top level, banned words of SQL |
//! | `bench` | what the house does in a second, beside its parts alone; not among the tests |
//! | `contracts` | changes of the protos that would break who uses them |

mod architecture;
mod bench;
mod both;
mod collector;
mod consumers;
mod contracts;
mod demo;
mod doctor;
mod faults;
#[expect(clippy::print_stdout, reason = "seed and coverage are worth reading even when the tests pass")]
mod fuzz;
mod house;
mod images;
mod import;
mod keys;
mod live;
mod manifests;
mod pooled;
mod rest;
mod restore;
mod roles;
mod rounds;
mod sealed;
mod secrets;
mod sends;
mod services;
mod shop;
mod traces;
#[expect(clippy::print_stdout, reason = "what was not tested, and what was under way, is worth reading")]
mod upgrade;
mod watching;
