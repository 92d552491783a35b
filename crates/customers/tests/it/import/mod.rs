//! Imports of files by hand.

mod customers;
mod files;
mod keeping;
mod orders;
mod resume;
mod undo;

use clientele_contracts::customers::v1::imports_client::ImportsClient;
use clientele_contracts::customers::v1::{
    CreateImportRequest, DownloadRefusedRowsRequest, GetImportRequest, Import, ImportFormat, ImportKind, ImportState,
    ListRefusedRowsRequest, PreviewImportRequest, PreviewImportResponse, RefusedRow, StartImportRequest,
    UndoImportRequest, UpdateImportRequest, UploadImportFileRequest,
};
use clientele_contracts::google::api::HttpBody;
use clientele_platform::grpc::Transport;
use clientele_testkit::eventually_within;
use futures::StreamExt;
use prost_types::FieldMask;
use tonic::{Request, Status};

use crate::world::World;

/// How large the parts of an upload are here.
const PART: usize = 100_000;

impl World {
    pub(crate) fn imports(&self) -> ImportsClient<Transport> {
        ImportsClient::new(self.transport()).max_decoding_message_size(64 * 1024 * 1024)
    }

    pub(crate) async fn try_upload(&self, kind: ImportKind, file: &[u8]) -> Result<Import, Status> {
        let request =
            CreateImportRequest { kind: kind.into(), file_name: "file.csv".into(), request_id: String::new() };
        let import = self.imports().create_import(request).await?.into_inner();
        self.try_upload_to(&import.id, file).await
    }

    pub(crate) async fn try_upload_to(&self, id: &str, file: &[u8]) -> Result<Import, Status> {
        let body = |data: &[u8]| Some(HttpBody { content_type: String::new(), data: data.to_vec() });
        let mut parts: Vec<_> =
            file.chunks(PART).map(|part| UploadImportFileRequest { id: String::new(), content: body(part) }).collect();
        parts.insert(0, UploadImportFileRequest { id: id.to_owned(), content: None });
        let mut request = Request::new(tokio_stream::iter(parts));
        request.set_timeout(std::time::Duration::from_mins(2));
        Ok(self.imports().upload_import_file(request).await?.into_inner())
    }

    pub(crate) async fn upload(&self, kind: ImportKind, file: impl AsRef<[u8]>) -> Import {
        self.try_upload(kind, file.as_ref()).await.unwrap()
    }

    pub(crate) async fn import(&self, id: &str) -> Import {
        self.imports().get_import(GetImportRequest { id: id.to_owned() }).await.unwrap().into_inner()
    }

    /// Says which field each column fills.
    pub(crate) async fn map(&self, import: Import, fields: &[&str]) -> Import {
        self.try_map(import, fields).await.unwrap()
    }

    pub(crate) async fn try_map(&self, mut import: Import, fields: &[&str]) -> Result<Import, Status> {
        assert_eq!(import.columns.len(), fields.len(), "{:?}", import.columns);
        for (column, field) in import.columns.iter_mut().zip(fields) {
            (*field).clone_into(&mut column.field);
        }
        self.change(import, &["columns"]).await
    }

    pub(crate) async fn format(&self, mut import: Import, change: impl FnOnce(&mut ImportFormat)) -> Import {
        change(import.format.as_mut().unwrap());
        self.change(import, &["format"]).await.unwrap()
    }

    pub(crate) async fn change(&self, import: Import, mask: &[&str]) -> Result<Import, Status> {
        let paths = mask.iter().map(|path| (*path).to_owned()).collect();
        let request = UpdateImportRequest { import: Some(import), update_mask: Some(FieldMask { paths }) };
        Ok(self.imports().update_import(request).await?.into_inner())
    }

    pub(crate) async fn preview(&self, id: &str) -> PreviewImportResponse {
        let request = PreviewImportRequest { id: id.to_owned(), rows: 0 };
        self.imports().preview_import(request).await.unwrap().into_inner()
    }

    pub(crate) async fn try_start(&self, id: &str, trial: bool) -> Result<Import, Status> {
        Ok(self.imports().start_import(StartImportRequest { id: id.to_owned(), trial }).await?.into_inner())
    }

    /// Runs to the end.
    pub(crate) async fn run(&self, id: &str) -> Import {
        self.try_start(id, false).await.unwrap();
        self.ended(id, ImportState::Done).await
    }

    /// Tries to the end.
    pub(crate) async fn trial(&self, id: &str) -> Import {
        self.try_start(id, true).await.unwrap();
        self.ended(id, ImportState::Ready).await
    }

    /// Takes back to the end.
    pub(crate) async fn undo(&self, id: &str) -> Import {
        self.imports().undo_import(UndoImportRequest { id: id.to_owned() }).await.unwrap();
        self.ended(id, ImportState::Undone).await
    }

    pub(crate) async fn ended(&self, id: &str, state: ImportState) -> Import {
        let limit = std::time::Duration::from_mins(4);
        eventually_within(limit, &format!("the import's coming to {state:?}"), || async {
            let import = self.import(id).await;
            let failed = import.state() == ImportState::Failed && state != ImportState::Failed;
            assert!(!failed, "{import:#?}");
            if import.state() != state {
                // What is waited for is work for the same two processors.
                tokio::time::sleep(std::time::Duration::from_millis(40)).await;
                return None;
            }
            Some(import)
        })
        .await
    }

    pub(crate) async fn refused(&self, id: &str) -> Vec<RefusedRow> {
        let mut rows = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListRefusedRowsRequest { import_id: id.to_owned(), page_size: 2, page_token };
            let page = self.imports().list_refused_rows(request).await.unwrap().into_inner();
            rows.extend(page.rows);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return rows;
            }
        }
    }

    pub(crate) async fn refused_file(&self, id: &str) -> String {
        let request = DownloadRefusedRowsRequest { import_id: id.to_owned() };
        let parts = self.imports().download_refused_rows(request).await.unwrap().into_inner();
        let parts: Vec<HttpBody> = parts.map(Result::unwrap).collect().await;
        String::from_utf8(parts.into_iter().flat_map(|part| part.data).collect()).unwrap()
    }
}

/// The warnings of an import.
pub(crate) fn warned(import: &Import) -> Vec<&str> {
    import.warnings.iter().map(|warning| warning.reason.as_str()).collect()
}

/// The fields its columns fill.
pub(crate) fn mapped(import: &Import) -> Vec<&str> {
    import.columns.iter().map(|column| column.field.as_str()).collect()
}

/// Created, updated, unchanged, refused.
pub(crate) fn figures(progress: Option<&clientele_contracts::customers::v1::ImportProgress>) -> [i64; 4] {
    let progress = progress.unwrap();
    [progress.created, progress.updated, progress.unchanged, progress.refused]
}
