//! The contexts and their migrations.

use sqlx::migrate::Migrator;

/// Each context with the migrations of its own tables.
pub(crate) static CONTEXTS: [(&str, &Migrator); 4] = [
    ("identity", &clientele_identity::MIGRATIONS),
    ("customers", &clientele_customers::MIGRATIONS),
    ("orders", &clientele_orders::MIGRATIONS),
    ("analytics", &clientele_analytics::MIGRATIONS),
];
