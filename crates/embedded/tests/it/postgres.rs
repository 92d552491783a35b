use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clientele_embedded::{DataDirLock, Error, Postgres, PostgresOptions, cache_dir, ensure_postgres};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use sqlx::{Connection, PgConnection, Row};

use crate::{scratch, until};

async fn start(folder: &Path) -> Postgres {
    start_with(PostgresOptions::for_tests(folder)).await
}

async fn start_with(mut options: PostgresOptions) -> Postgres {
    options.programs = Some(ensure_postgres(&cache_dir()).await.unwrap());
    Postgres::start(options).await.unwrap()
}

async fn connect(postgres: &Postgres) -> PgConnection {
    PgConnection::connect(&postgres.url("postgres", postgres.superuser())).await.unwrap()
}

async fn write(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    sqlx::raw_sql("create table kept (n int); insert into kept values (42)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn read(postgres: &Postgres) -> i32 {
    let mut connection = connect(postgres).await;
    let row = sqlx::query("select n from kept").fetch_one(&mut connection).await.unwrap();
    row.get(0)
}

fn runs(pid: u32) -> bool {
    kill(Pid::from_raw(pid.try_into().unwrap()), None).is_ok()
}

#[tokio::test]
async fn data_written_before_a_stop_is_found_after_the_next_start() {
    let folder = scratch();
    let first = start(folder.path()).await;
    write(&first).await;
    let exit = first.stop().await;
    assert!(exit.status.unwrap().success(), "{exit}");

    let second = start(folder.path()).await;
    assert_eq!(read(&second).await, 42);
    second.stop().await;
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_kill_with_sessions_open() {
    let folder = scratch();
    let first = start_with(PostgresOptions::new(folder.path())).await;
    write(&first).await;
    let _session_left_open = connect(&first).await;
    first.kill9().await;

    let second = start_with(PostgresOptions::new(folder.path())).await;
    assert_eq!(read(&second).await, 42);
    second.stop().await;
}

#[tokio::test]
async fn letters_beyond_ascii_are_letters_to_the_trigram_search() {
    let folder = scratch();
    let postgres = start(folder.path()).await;
    let mut connection = connect(&postgres).await;
    sqlx::raw_sql("create extension pg_trgm").execute(&mut connection).await.unwrap();
    let row = sqlx::query("select similarity('Иванова', 'Иванов')::float8, lower('ÉCOLE Ж')")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(row.get::<f64, _>(0) > 0.5);
    assert_eq!(row.get::<String, _>(1), "école ж");
    postgres.stop().await;
}

#[tokio::test]
async fn the_cluster_is_reached_only_through_a_socket_closed_to_others() {
    let folder = scratch();
    let postgres = start(folder.path()).await;
    let mut connection = connect(&postgres).await;
    let row = sqlx::query("show listen_addresses").fetch_one(&mut connection).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "");
    let socket = fs::metadata(postgres.socket_dir()).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(folder.path().join("cluster")).unwrap().permissions().mode() & 0o777, 0o700);
    postgres.stop().await;
}

#[tokio::test]
async fn a_second_supervisor_is_refused_and_told_who_holds_the_folder() {
    let folder = scratch();
    let postgres = start(folder.path()).await;
    let refused = Postgres::start(PostgresOptions::for_tests(folder.path())).await.unwrap_err();
    assert!(matches!(&refused, Error::Locked { holder, .. } if *holder == std::process::id().to_string()), "{refused}");
    assert!(refused.to_string().contains("is in use by process"), "{refused}");

    postgres.stop().await;
    DataDirLock::acquire(folder.path()).unwrap();
}

#[tokio::test]
async fn the_end_of_the_server_is_reported_while_we_run() {
    let folder = scratch();
    let postgres = start(folder.path()).await;
    let exited = postgres.exited();
    kill(Pid::from_raw(postgres.pid().try_into().unwrap()), Signal::SIGKILL).unwrap();
    let exit = tokio::time::timeout(crate::PATIENCE, exited).await.unwrap();
    assert!(exit.to_string().contains("ended by signal 9"), "{exit}");
}

#[tokio::test]
async fn a_server_left_running_by_an_earlier_supervisor_is_replaced() {
    let folder = scratch();
    let first = start(folder.path()).await;
    write(&first).await;
    first.stop().await;

    let programs = ensure_postgres(&cache_dir()).await.unwrap();
    let cluster = folder.path().canonicalize().unwrap().join("cluster");
    let owner = fs::metadata(&cluster).unwrap();
    let mut command = Command::new(programs.postgres());
    command.arg("-D").arg(&cluster).arg("-k").arg(folder.path().join("socket")).args(["-c", "listen_addresses="]);
    command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
    if geteuid().is_root() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    let mut left = command.spawn().unwrap();
    until("the server left behind is up", || {
        fs::read_to_string(cluster.join("postmaster.pid")).is_ok_and(|text| text.contains("ready"))
    })
    .await;

    let second = start(folder.path()).await;
    assert_eq!(read(&second).await, 42);
    assert_ne!(second.pid(), left.id());
    assert!(left.try_wait().unwrap().is_some(), "the server left behind still runs");
    second.stop().await;
}

#[tokio::test]
async fn a_stale_number_that_now_belongs_to_another_process_does_not_hinder_the_start() {
    let folder = scratch();
    let first = start(folder.path()).await;
    write(&first).await;
    let pid_file = folder.path().join("cluster/postmaster.pid");
    let text = fs::read_to_string(&pid_file).unwrap();
    first.kill9().await;
    let (_, rest) = text.split_once('\n').unwrap();
    fs::write(&pid_file, format!("{}\n{rest}", std::os::unix::process::parent_id())).unwrap();

    let second = start(folder.path()).await;
    assert_eq!(read(&second).await, 42);
    second.stop().await;
}

#[tokio::test]
async fn a_first_start_that_was_interrupted_is_begun_anew() {
    let folder = scratch();
    let half_made = folder.path().join("cluster.new");
    fs::create_dir_all(half_made.join("base")).unwrap();
    fs::write(half_made.join("PG_VERSION"), "15\n").unwrap();

    let postgres = start(folder.path()).await;
    connect(&postgres).await;
    assert!(!half_made.exists());
    postgres.stop().await;
}

#[tokio::test]
async fn a_folder_too_deep_for_a_socket_gets_its_socket_elsewhere() {
    let scratch = scratch();
    let folder = scratch.path().join("d".repeat(60)).join("e".repeat(60));
    let first = start(&folder).await;
    write(&first).await;
    assert!(!first.socket_dir().starts_with(scratch.path()));
    assert_eq!(fs::metadata(first.socket_dir()).unwrap().permissions().mode() & 0o777, 0o700);
    let socket_dir = first.socket_dir().to_owned();
    first.stop().await;

    let second = start(&folder).await;
    assert_eq!(read(&second).await, 42);
    second.stop().await;
    fs::remove_dir(socket_dir).unwrap();
}

#[tokio::test]
async fn a_cluster_of_a_version_that_is_not_here_is_refused_by_name() {
    let folder = scratch();
    start(folder.path()).await.stop().await;
    fs::write(folder.path().join("cluster/PG_VERSION"), "13\n").unwrap();
    let refused = Postgres::start(PostgresOptions::for_tests(folder.path())).await.unwrap_err();
    assert!(matches!(refused, Error::WrongVersion { found: 13, .. }), "{refused}");
}

#[tokio::test]
async fn values_in_failing_statements_do_not_reach_the_log() {
    let folder = scratch();
    let postgres = start(folder.path()).await;
    let mut connection = connect(&postgres).await;
    for statement in [
        "create table contact (email text unique); insert into contact values ('canary@example.com')",
        "insert into contact values ('canary@example.com')",
        "select 'canary@example.com'::int",
        "do $$ begin raise exception 'canary@example.com'; end $$",
    ] {
        // The outcome does not matter, only what is written about it.
        let _ = sqlx::raw_sql(statement).execute(&mut connection).await;
    }
    let exit = postgres.stop().await;
    assert!(!exit.last_lines.is_empty());
    assert!(!exit.to_string().contains("canary"), "{exit}");
}

#[tokio::test]
async fn a_server_does_not_outlive_a_supervisor_that_is_killed() {
    let folder = scratch();
    let (pid, data) = start_and_kill_a_supervisor(Some(folder.path()));
    assert_eq!(data, folder.path().canonicalize().unwrap());
    until("the server has ended", || !runs(pid)).await;

    let next = start(folder.path()).await;
    assert_eq!(read(&next).await, 42);
    next.stop().await;
}

#[tokio::test]
async fn a_temporary_cluster_leaves_nothing_behind_whether_it_is_stopped_or_its_supervisor_killed() {
    let mut options = PostgresOptions::temporary().unwrap();
    options.programs = Some(ensure_postgres(&cache_dir()).await.unwrap());
    let folder = options.data_dir.clone();
    let postgres = Postgres::start(options).await.unwrap();
    assert!(folder.join("cluster").exists());
    postgres.stop().await;
    assert!(!folder.exists());

    let (_, data) = start_and_kill_a_supervisor(None);
    until("the folder is gone", || !data.exists()).await;
}

/// Has another process start a cluster, in a folder or a temporary one, and kills that process. Returns the number of
/// the server and its data folder.
fn start_and_kill_a_supervisor(folder: Option<&Path>) -> (u32, PathBuf) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "postgres::supervisor_that_waits_to_be_killed"]);
    if let Some(folder) = folder {
        command.env("FOLDER", folder);
    }
    let mut supervisor = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
    let line =
        lines.map_while(Result::ok).find_map(|line| Some(line.split_once("server process ")?.1.to_owned())).unwrap();
    let (pid, socket) = line.split_once(" at ").unwrap();
    let pid: u32 = pid.parse().unwrap();
    assert!(runs(pid));
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    (pid, Path::new(socket).parent().unwrap().to_owned())
}

/// Not a test by itself: others start it in a process of its own, and kill that.
#[tokio::test]
#[ignore = "started by other tests"]
#[expect(clippy::print_stdout, reason = "tells the test that started it")]
async fn supervisor_that_waits_to_be_killed() {
    let postgres = match std::env::var_os("FOLDER") {
        Some(folder) => start(Path::new(&folder)).await,
        None => start_with(PostgresOptions::temporary().unwrap()).await,
    };
    write(&postgres).await;
    println!("server process {} at {}", postgres.pid(), postgres.socket_dir().display());
    postgres.exited().await;
}

#[tokio::test]
async fn an_ordinary_user_runs_a_cluster_and_root_runs_it_on_for_that_user() {
    let folder = scratch();
    let data = folder.path().join("data");
    if !geteuid().is_root() {
        // Every other test is then this one.
        start(&data).await.stop().await;
        return;
    }
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let (uid, gid) = (nobody.uid.as_raw(), nobody.gid.as_raw());
    // The build folder may be closed to others.
    let program = folder.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(&data).unwrap();
    chown(&data, Some(uid), Some(gid)).unwrap();
    let programs = ensure_postgres(&cache_dir()).await.unwrap();
    let run = || {
        Command::new(&program)
            .args(["--ignored", "--exact", "postgres::ordinary_user"])
            .env("FOLDER", &data)
            .env("HOME", folder.path())
            .env("CLIENTELE_POSTGRES_BIN", &programs.folder)
            .current_dir("/")
            .uid(uid)
            .gid(gid)
            .output()
            .unwrap()
    };
    let first = run();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stdout));

    let as_root = start(&data).await;
    assert_eq!(read(&as_root).await, 42);
    as_root.stop().await;

    let again = run();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stdout));
}

/// Not a test by itself: another test starts it as another user.
#[tokio::test]
#[ignore = "started by another test"]
async fn ordinary_user() {
    let folder = std::env::var_os("FOLDER").unwrap();
    let postgres = start(Path::new(&folder)).await;
    if Path::new(&folder).join("marked").exists() {
        assert_eq!(read(&postgres).await, 42);
    } else {
        write(&postgres).await;
        fs::write(Path::new(&folder).join("marked"), "").unwrap();
    }
    postgres.stop().await;
}

#[tokio::test]
async fn a_parent_folder_closed_to_the_account_of_the_server_is_named() {
    if !geteuid().is_root() {
        // The server then runs as ourselves, and what we can reach, it can.
        return;
    }
    let folder = scratch();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let refused = Postgres::start(PostgresOptions::for_tests(closed.join("data"))).await.unwrap_err();
    let expected = closed.canonicalize().unwrap();
    assert!(matches!(&refused, Error::Closed { closed, .. } if *closed == expected), "{refused}");
}
