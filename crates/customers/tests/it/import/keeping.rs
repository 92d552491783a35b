//! What is kept of files and for how long, and how much of it one person may have.

use clientele_contracts::customers::v1::{
    CreateImportRequest, Import, ImportKind, ImportState, UploadImportFileRequest,
};
use clientele_contracts::google::api::HttpBody;
use clientele_testkit::eventually;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::figures;
use crate::world::{World, reason};

/// An upload that goes on as long as parts are sent.
struct Upload {
    parts: mpsc::Sender<UploadImportFileRequest>,
    outcome: JoinHandle<Result<Import, Status>>,
}

impl Upload {
    fn begin(world: &World, id: &str) -> Self {
        let (parts, receiver) = mpsc::channel(8);
        parts.try_send(UploadImportFileRequest { id: id.to_owned(), content: None }).unwrap();
        let mut client = world.imports();
        let outcome =
            tokio::spawn(
                async move { Ok(client.upload_import_file(ReceiverStream::new(receiver)).await?.into_inner()) },
            );
        Self { parts, outcome }
    }

    async fn send(&self, bytes: &[u8]) {
        let content = Some(HttpBody { content_type: String::new(), data: bytes.to_vec() });
        self.parts.send(UploadImportFileRequest { id: String::new(), content }).await.unwrap();
    }

    /// Ends in the middle, as where the line breaks.
    async fn break_off(self) {
        self.outcome.abort();
        assert!(self.outcome.await.unwrap_err().is_cancelled());
    }

    async fn end(self) -> Result<Import, Status> {
        drop(self.parts);
        self.outcome.await.unwrap()
    }
}

impl World {
    async fn create_import(&self) -> Result<String, Status> {
        let kind = ImportKind::Customers.into();
        let request = CreateImportRequest { kind, file_name: "file.csv".into(), request_id: String::new() };
        Ok(self.imports().create_import(request).await?.into_inner().id)
    }

    async fn count(&self, table: &str) -> i64 {
        let sql = format!("select count(*) from customers.{table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(self.database.db.pool()).await.unwrap()
    }

    async fn parts_come_to(&self, count: i64) {
        eventually("the parts' arrival", || async { (self.count("import_chunk").await == count).then_some(()) }).await;
    }
}

/// More than one part that is kept.
fn first_part() -> Vec<u8> {
    format!("name\n{}", "Ann\n".repeat(70_000)).into_bytes()
}

#[tokio::test]
async fn of_two_uploads_to_one_import_the_newer_is_taken_and_the_other_told_so() {
    let world = World::new().await;
    let id = world.create_import().await.unwrap();
    let older = Upload::begin(&world, &id);
    older.send(&first_part()).await;
    world.parts_come_to(1).await;
    let taken = world.try_upload_to(&id, b"name\nBob\nCid\n").await.unwrap();
    assert_eq!((taken.state(), taken.size_bytes), (ImportState::Ready, 13));
    older.send(b"Dot\n").await;
    let lost = older.end().await.unwrap_err();
    assert_eq!((lost.code(), reason(&lost).as_str()), (Code::FailedPrecondition, "FILE_INCOMPLETE"));
    assert_eq!(figures(world.run(&id).await.progress.as_ref()), [2, 0, 0, 0], "nothing of the other came in");
}

#[tokio::test]
async fn one_person_has_three_uploads_at_a_time() {
    let world = World::new().await;
    let mut uploads = Vec::new();
    for count in 1..=3 {
        let upload = Upload::begin(&world, &world.create_import().await.unwrap());
        upload.send(&first_part()).await;
        world.parts_come_to(count).await;
        uploads.push(upload);
    }
    let fourth = world.create_import().await.unwrap();
    let refused = world.try_upload_to(&fourth, b"name\nAnn\n").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "TOO_MANY_UPLOADS"));
    uploads.pop().unwrap().end().await.unwrap();
    world.try_upload_to(&fourth, b"name\nAnn\n").await.unwrap();
}

#[tokio::test]
async fn one_person_has_twenty_imports_that_await_their_files() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(world.create_import().await.unwrap());
    }
    let refused = world.create_import().await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "TOO_MANY_IMPORTS"));
    world.try_upload_to(&ids[0], b"name\nAnn\n").await.unwrap();
    world.create_import().await.unwrap();
}

#[tokio::test]
async fn what_nobody_runs_within_seven_days_expires_and_no_file_is_kept_longer() {
    let world = World::new().await;
    let awaiting = world.create_import().await.unwrap();
    let broken_off = Upload::begin(&world, &awaiting);
    broken_off.send(&first_part()).await;
    world.parts_come_to(1).await;
    broken_off.break_off().await;
    let ready = world.upload(ImportKind::Customers, "name,email\nAnn,ann@example.org\n").await;
    let done = world.upload(ImportKind::Customers, "name,email\nBob,bob@example.org\nCid,nowhere\n").await;
    world.run(&done.id).await;
    assert_eq!((world.count("import_chunk").await, world.count("import_refusal").await), (3, 1));

    world.kill_importers();
    world.database.clock.advance(chrono::TimeDelta::days(6));
    world.start_again().await;
    eventually("the broken upload's going", || async { (world.count("import_chunk").await == 2).then_some(()) }).await;
    assert_eq!(world.import(&awaiting).await.state(), ImportState::AwaitingFile);
    assert_eq!(world.import(&ready.id).await.state(), ImportState::Ready);

    world.kill_importers();
    world.database.clock.advance(chrono::TimeDelta::days(2));
    world.start_again().await;
    for id in [&awaiting, &ready.id] {
        world.ended(id, ImportState::Expired).await;
    }
    eventually("the files' going", || async {
        let left = world.count("import_chunk").await + world.count("import_refusal").await;
        let dated = world.import(&done.id).await.file_expires_at.is_some();
        (left == 0 && !dated).then_some(())
    })
    .await;
    let expired = world.import(&ready.id).await;
    assert!(expired.columns.iter().all(|column| column.samples.is_empty()));
    let refused = world.try_start(&ready.id, false).await.unwrap_err();
    assert!(refused.message().contains("has expired: begin another"), "{refused:?}");
    assert_eq!(world.try_upload_to(&awaiting, b"name\nAnn\n").await.unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(world.import(&done.id).await.state(), ImportState::Done);
    assert_eq!(
        world.undo(&done.id).await.undo.unwrap().removed,
        1,
        "what was written can be taken back without the file"
    );
}
