//! PostgreSQL alone: pgbench, which comes with it.

use std::path::Path;
use std::time::Duration;

use clientele_embedded::{cache_dir, ensure_postgres};

use crate::house::House;

/// How often a second pgbench runs a script, by so many clients, its statements prepared.
pub(super) async fn pgbench(house: &House, role: &str, script: &str, clients: usize, span: Duration) -> f64 {
    let programs = ensure_postgres(&cache_dir()).await.expect("PostgreSQL is there");
    let file = tempfile::NamedTempFile::new().expect("the temporary folder is writable");
    std::fs::write(file.path(), script).expect("the temporary folder is writable");
    let (socket, port, database) = house.database_at();
    let ended = tokio::process::Command::new(programs.folder.join("pgbench"))
        .args(["--no-vacuum", "--protocol", "prepared", "--client", &clients.to_string(), "--jobs", "2"])
        .args(["--time", &span.as_secs().to_string(), "--host", text(&socket), "--port", &port.to_string()])
        .args(["--username", role, "--file", text(file.path()), &database])
        .output()
        .await
        .expect("pgbench can be started");
    let told = String::from_utf8_lossy(&ended.stdout);
    let problem = format!("pgbench: {told}\n{}\n{script}", String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{problem}");
    let line = told.lines().find_map(|line| line.strip_prefix("tps = ")).expect(&problem);
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect(&problem)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}
