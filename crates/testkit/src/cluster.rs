//! The PostgreSQL cluster of a test run: the one named by `CLIENTELE_TEST_POSTGRES`, else one of this process.

use clientele_embedded::{Postgres, PostgresOptions, ensure_postgres};
use sqlx::postgres::PgConnectOptions;
use tokio::sync::OnceCell;

/// Names a running cluster by a superuser's URL, for instance `postgres:///postgres?host=/tmp/socket&user=postgres`.
pub const VARIABLE: &str = "CLIENTELE_TEST_POSTGRES";

static OWN: OnceCell<Own> = OnceCell::const_new();

struct Own {
    url: String,
    // Held for its end: the cluster and its folder go with the process.
    _server: Postgres,
}

/// How a superuser connects to the cluster's maintenance database.
pub async fn superuser() -> PgConnectOptions {
    let url = match std::env::var(VARIABLE) {
        Ok(url) => url,
        Err(_) => OWN.get_or_init(start).await.url.clone(),
    };
    url.parse().expect("the URL of the test cluster is one that sqlx reads")
}

async fn start() -> Own {
    let programs = ensure_postgres(&clientele_embedded::cache_dir())
        .await
        .expect("PostgreSQL's programs are there or can be installed");
    let mut options = PostgresOptions::temporary().expect("the temporary folder is writable");
    options.programs = Some(programs);
    let server = Postgres::start(options).await.expect("the cluster starts");
    Own { url: server.url("postgres", server.superuser()), _server: server }
}
