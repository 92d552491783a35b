//! What identity tells others. It follows no other context, so there is nothing to consume.

pub(crate) mod publish;
