//! Backups taken under load, everything destroyed, and restored to a moment: nothing that was acknowledged before it is
//! missing, nothing of after it is left anywhere, no letter goes out twice, and everything kept by events agrees again.

mod apart;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clientele_embedded::find_postgres;
use clientele_kernel::{Clock, SystemClock};
use clientele_testkit::smtp::{Act, Step};
use clientele_testkit::{SmtpServer, eventually_within};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;

use crate::house::{Ended, Form, House, Options, SERVICES, run};
use crate::rest::Client;
use crate::shop::{Books, CAUGHT_UP, FRESH, Sale, customers};

const LETTERS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_house_backed_up_under_load_and_destroyed_is_restored_to_a_moment_and_sends_no_letter_again() {
    let (server, open, settings) = mail_server_with_a_door().await;
    let mut house = House::start_with(Form::OneProcess, Options { settings, ..Options::default() }).await;
    house.stop_service("gateway").await;
    let place = Place::of(&house);
    house.configure("gateway", "WAL_ARCHIVE", text(&place.archive));
    house.start_service("gateway").await;
    // Kept apart, as the page for operators says.
    std::fs::copy(place.data.join("master_key"), &place.key).expect("the master key can be copied");

    let client = house.administrator().await;
    let ids = customers(&client, (0..6).map(|n| format!("Buyer {n}"))).await;
    let segment = big_spenders(&client).await;
    letters(&client, LETTERS).await;
    let shop = Load::begin(client.clone(), ids.clone());
    shop.sold(10).await;

    let backup = text(&place.backup);
    let data = text(&place.data);
    let told = run("clientele", &["backup", backup, "--data-dir", data], &[]).await.succeeded();
    assert!(told.output.contains("the master key is not in it"), "{}", told.output);
    let again = run("clientele", &["backup", backup, "--data-dir", data], &[]).await;
    refused(&again, "is not empty");

    // Sales go on after the backup, up to the moment and beyond it. What is under way at the moment may be in it or not: the
    // books are asked when nothing is.
    shop.sold(shop.number().await + 5).await;
    let books = shop.end().await;
    let moment = SystemClock.now();
    // Letters that wait at the moment go out after it.
    open.store(true, Ordering::Release);
    let after = Load::begin_at(client.clone(), ids.clone(), 1000);
    after.sold(10).await;
    after.end().await;
    let later = house.administrator().await;
    eventually_within(CAUGHT_UP, "the letters' being sent", || async { (server.count() == LETTERS).then_some(()) })
        .await;
    archived(&house).await;

    house.kill9("gateway");
    gone(&place.data).await;
    std::fs::remove_dir_all(&place.data).expect("a house that is down can be destroyed");

    let (archive, key) = (text(&place.archive), text(&place.key));
    let moment = moment.to_rfc3339();
    let whole = ["restore", backup, "--data-dir", data, "--wal-archive", archive, "--master-key", key, "--to", &moment];
    bad_restores(&place, &whole).await;
    let told = run("clientele", &whole, &[]).await.succeeded();
    assert!(told.output.contains("messaging: 5 letters that waited are held"), "{}", told.output);

    house.start_service("gateway").await;
    for session in [client, later] {
        session.get("/v1/session").await.problem(401, "PROOF_REFUSED");
    }
    let client = house.administrator().await;
    same_sales(&client, &books).await;
    books.agree_with_cards(&client, &ids, CAUGHT_UP).await;
    let held = held_letters(&client, &server).await;
    one_can_be_released(&client, &held, &server).await;

    // Life goes on in the restored house.
    let mut books = books;
    books.sell(&client, &(2000..2010).map(|n| Sale::nth(n, &ids)).collect::<Vec<_>>()).await;
    books.agree_with_cards(&client, &ids, CAUGHT_UP).await;
    members(&client, &segment, &books, &ids).await;
    house.verify(&[]).await.succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_services_forget_what_is_no_longer_so_though_streams_and_cursors_are_ahead() {
    let mut house = House::start(Form::Apart).await;
    let mut client = house.administrator().await;
    let ids = customers(&client, (0..6).map(|n| format!("Buyer {n}"))).await;
    let segment = big_spenders(&client).await;
    let mut books = Books::default();
    let mut next = 0;
    let mut sales = |count: i64, ids: &[String]| {
        let numbers = next..next + count;
        next += count;
        numbers.map(|n| Sale::nth(n, ids)).collect::<Vec<_>>()
    };
    books.sell(&client, &sales(20, &ids)).await;
    books.agree_with_cards(&client, &ids, FRESH).await;
    members(&client, &segment, &books, &ids).await;

    // The whole database goes back; the streams keep what was published since.
    let file = house.folder().join("whole.dump");
    dump(&house, &file, &[]).await;
    Books::default().sell(&client, &sales(20, &ids)).await;
    let lost = customers(&client, ["Lost One".to_owned()]).await;
    eventually_within(FRESH, "the figures of sales that will be lost", || async {
        members_now(&client, &segment).await.len().ge(&1).then_some(())
    })
    .await;
    for service in SERVICES {
        house.stop_service(service).await;
    }
    let url = house.migration_url();
    put_back(&house, &file, &["--clean", "--if-exists"]).await;
    restored(&url, &[]).await;
    house.start_services(&SERVICES).await;
    client = house.administrator().await;
    client.get(&format!("/v1/customers/{}", lost[0])).await.problem(404, "NOT_FOUND");
    same_sales(&client, &books).await;
    books.sell(&client, &sales(15, &ids)).await;
    books.agree_with_cards(&client, &ids, CAUGHT_UP).await;
    members(&client, &segment, &books, &ids).await;
    house.verify(&["--quick"]).await.succeeded();

    // One context alone goes back: those who follow it have applied what is no longer so.
    for context in ["orders", "customers", "analytics"] {
        let file = house.folder().join(format!("{context}.dump"));
        dump(&house, &file, &["--schema", context]).await;
        let fresh = sales(20, &ids);
        let mut later = books.clone();
        later.sell(&client, &fresh).await;
        later.agree_with_cards(&client, &ids, FRESH).await;
        let born = customers(&client, [format!("Born after the backup of {context}")]).await;
        house.stop_service(context).await;
        let mut database = house.database(None).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("drop schema {context} cascade")))
            .execute(&mut database)
            .await
            .expect("a schema can be dropped");
        put_back(&house, &file, &[]).await;
        restored(&url, &["--context", context]).await;
        house.start_service(context).await;
        client = house.administrator().await;
        if context == "customers" {
            client.get(&format!("/v1/customers/{}", born[0])).await.problem(404, "NOT_FOUND");
        }
        if context != "orders" {
            books = later;
        }
        same_sales(&client, &books).await;
        books.sell(&client, &sales(15, &ids)).await;
        books.agree_with_cards(&client, &ids, CAUGHT_UP).await;
        members(&client, &segment, &books, &ids).await;
        let verified = house.verify(&["--quick", "--patience", "30"]).await;
        assert!(verified.status.success(), "after {context} went back: {}\n{}", verified.output, verified.log);
    }
}

/// A mail server that takes nobody until its door is opened, and what messaging has to know of it.
async fn mail_server_with_a_door() -> (SmtpServer, Arc<AtomicBool>, Vec<(&'static str, &'static str, String)>) {
    let open = Arc::new(AtomicBool::new(false));
    let door = open.clone();
    let server = SmtpServer::scripted(move |scene| match scene.step {
        Step::Mail if !door.load(Ordering::Acquire) => Act::Say("421 come back later"),
        _ => Act::Go,
    })
    .await;
    let settings = vec![
        ("messaging", "smtp_host", "127.0.0.1".to_owned()),
        ("messaging", "smtp_port", server.port().to_string()),
        ("messaging", "smtp_tls", "none".to_owned()),
    ];
    (server, open, settings)
}

/// Waits until what waited at the moment of the backup is told to be held, and makes sure that nothing was sent again.
async fn held_letters(client: &Client, server: &SmtpServer) -> Vec<Value> {
    let held = eventually_within(FRESH, "the held letters' being told", || async {
        let held = client.all("/v1/emails?states=SEND_STATE_UNKNOWN", "emails").await;
        (held.len() == LETTERS).then_some(held)
    })
    .await;
    assert!(held.iter().all(|letter| letter["reason"] == "RESTORED"), "{held:?}");
    assert_eq!(server.count(), LETTERS, "letters were sent again");
    held
}

/// Where everything of a house in one process is kept.
struct Place {
    data: PathBuf,
    archive: PathBuf,
    backup: PathBuf,
    key: PathBuf,
}

impl Place {
    fn of(house: &House) -> Self {
        let at = |name: &str| house.folder().join(name);
        Self { data: house.data_dir(), archive: at("wal"), backup: at("backup"), key: at("key.kept.apart") }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// Sales that go on and on.
struct Load {
    stop: Arc<AtomicBool>,
    books: Arc<tokio::sync::Mutex<Books>>,
    selling: JoinHandle<()>,
}

impl Load {
    fn begin(client: Client, ids: Vec<String>) -> Self {
        Self::begin_at(client, ids, 0)
    }

    fn begin_at(client: Client, ids: Vec<String>, first: i64) -> Self {
        let (stop, books) = (Arc::new(AtomicBool::new(false)), Arc::new(tokio::sync::Mutex::new(Books::default())));
        let (told, kept) = (stop.clone(), books.clone());
        let selling = tokio::spawn(async move {
            let mut numbers = first..;
            while !told.load(Ordering::Acquire) {
                let sale = Sale::nth(numbers.next().expect("there is no end of numbers"), &ids);
                kept.lock().await.sell(&client, &[sale]).await;
            }
        });
        Self { stop, books, selling }
    }

    async fn number(&self) -> usize {
        self.books.lock().await.sales.len()
    }

    async fn sold(&self, number: usize) {
        eventually_within(CAUGHT_UP, &format!("{number} sales"), || async {
            (self.number().await >= number).then_some(())
        })
        .await;
    }

    async fn end(self) -> Books {
        self.stop.store(true, Ordering::Release);
        self.selling.await.expect("nobody panics while selling");
        Arc::into_inner(self.books).expect("the seller has ended").into_inner()
    }
}

/// A segment that every sale may bring somebody into.
async fn big_spenders(client: &Client) -> String {
    let rule = json!({"all": {"rules": [
        {"condition": {"field": "metrics.gross", "operator": "OPERATOR_MORE", "money": {"minor": "3000", "currency": "EUR"}}},
    ]}});
    let segment = json!({"segment": {"name": "Big spenders", "rule": rule}});
    let segment = client.post("/v1/segments", &segment).await.ok();
    segment["id"].as_str().expect("a segment has an id").to_owned()
}

async fn members_now(client: &Client, segment: &str) -> Vec<String> {
    let members = client.all(&format!("/v1/segments/{segment}/members"), "members").await;
    let mut members: Vec<String> = members
        .iter()
        .map(|member| member["customerId"].as_str().expect("a member is a customer").to_owned())
        .collect();
    members.sort();
    members
}

/// Waits until those are members whose sales the books put there.
async fn members(client: &Client, segment: &str, books: &Books, ids: &[String]) {
    let spent = |id: &&String| books.figures(id).get("EUR").is_some_and(|figures| figures.gross > 3000);
    let mut wanted: Vec<String> = ids.iter().filter(spent).cloned().collect();
    wanted.sort();
    eventually_within(CAUGHT_UP, "the members the books want", || async {
        (members_now(client, segment).await == wanted).then_some(())
    })
    .await;
}

/// Asks for letters to people who agreed to them.
async fn letters(client: &Client, count: usize) {
    for n in 0..count {
        let address = format!("l{n}@letters.example");
        let entry = json!({"entries": [{
            "reference": {"source": "tests", "externalId": address},
            "customer": {"displayName": format!("Reader {n}"), "emails": [{ "address": address }]},
            "consents": [{"channel": "CONSENT_CHANNEL_EMAIL", "address": address, "granted": true, "evidence": "form 7"}],
        }]});
        let answer = client.post("/v1/customers:batchUpsert", &entry).await.ok();
        let id = &answer["results"][0]["customerId"];
        let letter = json!({"customerId": id, "toAddress": address, "subject": "Hello", "text": "Good day.", "requestId": address});
        client.post("/v1/emails", &letter).await.ok();
    }
}

async fn one_can_be_released(client: &Client, held: &[Value], server: &SmtpServer) {
    let id = held[0]["id"].as_str().expect("a letter has an id");
    client.post(&format!("/v1/emails/{id}:release"), &json!({})).await.ok();
    eventually_within(FRESH, "the released letter's being sent", || async {
        (server.count() == LETTERS + 1).then_some(())
    })
    .await;
    eventually_within(FRESH, "the released letter's being told as sent", || async {
        let letter = client.get(&format!("/v1/emails/{id}")).await.ok();
        (letter["state"] == "SEND_STATE_SENT").then_some(())
    })
    .await;
    client.post(&format!("/v1/emails/{id}:release"), &json!({})).await.problem(400, "NOT_HELD");
    assert_eq!(client.all("/v1/emails?states=SEND_STATE_UNKNOWN", "emails").await.len(), LETTERS - 1);
}

/// Every sale of the books is there, and no other.
async fn same_sales(client: &Client, books: &Books) {
    let mut kept: Vec<String> = client
        .all("/v1/orders", "orders")
        .await
        .iter()
        .map(|order| order["reference"]["externalId"].as_str().expect("an order has its number").to_owned())
        .collect();
    kept.sort();
    let wanted: Vec<String> = books.sales.keys().cloned().collect();
    assert_eq!(kept, wanted);
}

/// Waits until the log written so far is in the archive.
async fn archived(house: &House) {
    let mut database = house.database(None).await;
    let file: String = sqlx::query_scalar("select pg_walfile_name(pg_switch_wal())")
        .fetch_one(&mut database)
        .await
        .expect("the log can be switched");
    let last = "select last_archived_wal from pg_stat_archiver";
    let kept = async || {
        let mut database = house.database(None).await;
        let last: Option<String> =
            sqlx::query_scalar(last).fetch_one(&mut database).await.expect("the archiver is known");
        last.filter(|last| *last >= file).map(drop)
    };
    eventually_within(FRESH, "the log's being kept", &kept).await;
}

/// Waits until the database of a house that was killed has ended.
async fn gone(data: &Path) {
    let pid = data.join("postgres/cluster/postmaster.pid");
    eventually_within(FRESH, "the end of the database", || async { (!pid.exists()).then_some(()) }).await;
}

/// What cannot be restored is refused in so many words, and leaves nothing behind.
async fn bad_restores(place: &Place, whole: &[&str]) {
    let with = |option: &str, value: &str| {
        let mut arguments: Vec<String> = whole.iter().map(|argument| (*argument).to_owned()).collect();
        let at = arguments.iter().position(|argument| argument == option).expect("the option is given");
        value.clone_into(&mut arguments[at + 1]);
        arguments
    };
    let refuses = async |arguments: Vec<String>, why: &str| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        refused(&run("clientele", &arguments, &[]).await, why);
        assert!(!place.data.exists(), "something is left in {} after: {why}", place.data.display());
    };
    refuses(with("restore", text(&place.archive)), "holds no finished backup").await;
    refuses(with("--to", "2026-01-01T00:00:00Z"), "take an earlier backup").await;
    refuses(with("--to", "2199-01-01T00:00:00Z"), "the log that was kept ends before").await;
    let other = place.key.with_extension("other");
    std::fs::write(&other, "CAkICQgJCAkICQgJCAkICQgJCAkICQgJCAkICQgJCAk=").expect("a file can be written");
    refuses(with("--master-key", text(&other)), "master key").await;
    std::fs::write(&other, "short").expect("a file can be written");
    refuses(with("--master-key", text(&other)), "holds no master key").await;
    let version = place.backup.join("postgres/base/1/PG_VERSION");
    let kept = std::fs::read(&version).expect("the copy has its files");
    std::fs::remove_file(&version).expect("a copy can be damaged");
    refuses(with("restore", text(&place.backup)), "is damaged or was not copied whole").await;
    std::fs::write(&version, kept).expect("a copy can be mended");
    let full = place.archive.clone();
    refuses(with("--data-dir", text(&full)), "is not empty").await;
}

#[track_caller]
fn refused(ended: &Ended, why: &str) {
    assert!(!ended.status.success(), "it is not refused: {}", ended.output);
    assert!(ended.log.contains(why), "`{why}` is not said:\n{}\n{}", ended.output, ended.log);
}

/// Tells the services what was restored.
async fn restored(url: &str, more: &[&str]) -> Ended {
    tell_restored(url, more).await.succeeded()
}

async fn tell_restored(url: &str, more: &[&str]) -> Ended {
    let environment = [("CLIENTELE_DATABASE__MIGRATION_URL".to_owned(), url.to_owned())];
    let arguments: Vec<&str> = ["restored"].iter().chain(more).copied().collect();
    run("clientele", &arguments, &environment).await
}

async fn dump(house: &House, file: &Path, more: &[&str]) {
    tool(house, "pg_dump", &["--format=custom", "--file", text(file)], more).await;
}

async fn put_back(house: &House, file: &Path, more: &[&str]) {
    let (_, _, database) = house.database_at();
    // Whoever is still connected would be in the way of dropping.
    let mut conn = PgConnection::connect(&house.migration_url()).await.expect("the database answers");
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid() and usename like 'clientele%'")
        .bind(&database)
        .execute(&mut conn)
        .await
        .expect("sessions can be ended");
    let arguments = ["--exit-on-error", "--dbname", &database, text(file)];
    tool(house, "pg_restore", &arguments, more).await;
}

/// Runs one of PostgreSQL's own programs on the house's database.
async fn tool(house: &House, name: &str, arguments: &[&str], more: &[&str]) {
    let (socket, port, database) = house.database_at();
    let program = find_postgres().expect("PostgreSQL is there").folder.join(name);
    let output = tokio::time::timeout(
        Duration::from_mins(1),
        tokio::process::Command::new(program)
            .env("PGDATABASE", database)
            .arg("--host")
            .arg(socket)
            .args(["--port", &port.to_string(), "--username", "postgres"])
            .args(more)
            .args(arguments)
            .kill_on_drop(true)
            .output(),
    )
    .await
    .expect("it comes to its end")
    .expect("the program can be started");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}
