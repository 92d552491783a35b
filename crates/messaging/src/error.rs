//! What the database refuses, said in the words of messaging. One table: a constraint's name means the same wherever it
//! is run into.

use clientele_kernel::Error as KernelError;
use clientele_platform::postgres::{self, constraint};

/// The errors of this context.
pub use clientele_kernel::Error;

/// A storage error, turned into a refusal where a constraint tells which rule was broken.
pub(crate) fn refusal(error: sqlx::Error) -> postgres::Error {
    let known = constraint(&error).and_then(|name| match name {
        "email_template_name_once" => Some(KernelError::already_exists(
            "TEMPLATE_NAME_TAKEN",
            "there is a template of this name already: names differ in more than upper and lower case",
        )),
        "channel_name_taken" => {
            Some(KernelError::already_exists("CHANNEL_NAME_TAKEN", "another channel has this name: take another one"))
        }
        _ => None,
    });
    known.map_or_else(|| postgres::Error::from(error), postgres::Error::from)
}
