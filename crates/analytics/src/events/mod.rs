//! What other contexts tell, and what analytics tells them.

pub(crate) mod consume;
pub(crate) mod publish;
