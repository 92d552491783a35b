//! The gateway against services that speak real gRPC behind the real guard, in the process of the test.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, in what tests share too")]

mod api;
mod card;
mod edge;
mod live;
mod services;
mod session;
mod transfer;
mod widget;
mod world;
