//! Identity as it runs in production: the real guard, real tokens, a real database, reached over gRPC.

mod access;
mod api_key;
mod group;
mod hostile;
mod house;
mod journal;
mod session;
mod sign_in;
mod store;
mod token;
mod user;
