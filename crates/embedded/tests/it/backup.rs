use std::path::Path;

use clientele_embedded::{
    Error, Postgres, PostgresOptions, Recovery, Running, cache_dir, ensure_postgres, later_timelines,
};
use sqlx::{Connection, PgConnection};

use crate::{scratch, until};

async fn start(folder: &Path, archive: &Path) -> Postgres {
    let options = PostgresOptions { wal_archive: Some(archive.to_owned()), ..PostgresOptions::for_tests(folder) };
    Postgres::start(options).await.unwrap()
}

async fn connect(postgres: &Postgres) -> PgConnection {
    PgConnection::connect(&postgres.url("postgres", postgres.superuser())).await.unwrap()
}

/// Writes a word and waits until the log with it is in the archive.
async fn write(postgres: &Postgres, archive: &Path, word: &str) {
    let mut conn = connect(postgres).await;
    sqlx::raw_sql("create table if not exists said (word text)").execute(&mut conn).await.unwrap();
    sqlx::query("insert into said values ($1)").bind(word).execute(&mut conn).await.unwrap();
    let piece: String =
        sqlx::query_scalar("select pg_walfile_name(pg_switch_wal())").fetch_one(&mut conn).await.unwrap();
    until("the log's being kept", || archive.join(&piece).exists()).await;
}

/// What was said, and the number of the timeline on which more can be said.
async fn told(postgres: &Postgres) -> (Vec<String>, i32) {
    let mut conn = connect(postgres).await;
    let words = sqlx::query_scalar("select word from said").fetch_all(&mut conn).await.unwrap();
    let piece: String =
        sqlx::query_scalar("select pg_walfile_name(pg_current_wal_lsn())").fetch_one(&mut conn).await.unwrap();
    (words, i32::from_str_radix(&piece[..8], 16).unwrap())
}

#[tokio::test]
async fn a_recovery_follows_the_line_of_its_copy_and_another_only_when_told() {
    ensure_postgres(&cache_dir()).await.unwrap();
    let folder = scratch();
    let at = |name: &str| folder.path().join(name);
    let archive = at("wal");
    let first = start(&at("first"), &archive).await;
    write(&first, &archive, "before").await;
    let running = Running::find(&at("first")).unwrap().unwrap();
    running.copy(&at("copy")).await.unwrap();
    write(&first, &archive, "after").await;
    first.stop().await;
    assert_eq!(later_timelines(&at("copy"), &archive).unwrap(), [0_u32; 0]);

    let recovery = |wal_archive: bool, timeline: &str| Recovery {
        copy: at("copy"),
        version: running.version,
        wal_archive: wal_archive.then(|| archive.clone()),
        timeline: timeline.parse().unwrap(),
        to: None,
    };
    // It lives on and keeps its log where the first one kept its own.
    recovery(true, "own").run(&at("second")).await.unwrap().stop().await;
    let second = start(&at("second"), &archive).await;
    write(&second, &archive, "in its second life").await;
    second.stop().await;
    assert_eq!(later_timelines(&at("copy"), &archive).unwrap(), [2]);

    let (own, latest) = (vec!["before", "after"], vec!["before", "after", "in its second life"]);
    for (place, archived, timeline, words, line) in
        [("own", true, "own", own, 3), ("latest", true, "latest", latest, 3), ("bare", false, "own", vec!["before"], 2)]
    {
        let recovered = recovery(archived, timeline).run(&at(place)).await.unwrap();
        assert_eq!(told(&recovered).await, (words.into_iter().map(str::to_owned).collect(), line), "{place}");
        recovered.stop().await;
    }
    let none = recovery(true, "9").run(&at("none")).await.unwrap_err();
    assert!(matches!(&none, Error::Ended(_)) && none.to_string().contains("recovery target timeline 9"), "{none}");
}
