//! What the database refuses, said in the words of orders. One table: a constraint's name means the same wherever it
//! is run into.

use clientele_kernel::Error as KernelError;
use clientele_platform::postgres::{self, constraint};

/// The errors of this context.
pub use clientele_kernel::Error;

/// A storage error, turned into a refusal where a constraint tells which rule was broken. The checks before a write
/// catch nearly all; this is for those who were faster.
pub(crate) fn refusal(error: sqlx::Error) -> postgres::Error {
    let known = constraint(&error).and_then(|name| match name {
        "payment_reference_once" => Some(KernelError::already_exists(
            "PAYMENT_REFERENCE_TAKEN",
            "there is a payment with this reference already",
        )),
        "status_pkey" => {
            Some(KernelError::already_exists("STATUS_CODE_TAKEN", "there is a status with this code already"))
        }
        _ => None,
    });
    known.map_or_else(|| postgres::Error::from(error), postgres::Error::from)
}

/// The reference of a new order is that of another.
pub(crate) fn order_reference_taken() -> KernelError {
    KernelError::already_exists("ORDER_REFERENCE_TAKEN", "there is an order with this reference already")
}
