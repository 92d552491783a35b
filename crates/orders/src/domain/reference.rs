//! Numbers of records that other systems name.

use clientele_kernel::Reference;

const LONGEST_NUMBER: usize = 100;

/// The number people use for a record that its source gives no other.
pub(crate) fn number(reference: &Reference) -> String {
    reference.external_id().chars().take(LONGEST_NUMBER).collect()
}
