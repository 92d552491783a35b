//! The contexts and their migrations.

use sqlx::migrate::Migrator;

/// Each context with the migrations of its own tables.
pub(crate) static CONTEXTS: [(&str, &Migrator); 6] = [
    ("identity", &clientele_identity::MIGRATIONS),
    ("customers", &clientele_customers::MIGRATIONS),
    ("messaging", &clientele_messaging::MIGRATIONS),
    ("orders", &clientele_orders::MIGRATIONS),
    ("campaigns", &clientele_campaigns::MIGRATIONS),
    ("analytics", &clientele_analytics::MIGRATIONS),
];
