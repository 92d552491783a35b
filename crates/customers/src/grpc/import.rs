//! `Imports`: files by hand.

use std::pin::Pin;
use std::time::Duration;

use clientele_contracts::customers::v1::imports_server::Imports as ImportsRpc;
use clientele_contracts::customers::v1::{
    CancelImportRequest, CreateImportRequest, DownloadRefusedRowsRequest, GetImportRequest, Import, ImportPreviewRow,
    ListImportsRequest, ListImportsResponse, ListRefusedRowsRequest, ListRefusedRowsResponse, PreviewImportRequest,
    PreviewImportResponse, StartImportRequest, UndoImportRequest, UpdateImportRequest, UploadImportFileRequest,
};
use clientele_contracts::google::api::HttpBody;
use clientele_kernel::{Error as KernelError, Etag, ImportId, Violations};
use clientele_platform::grpc::status;
use clientele_platform::{Caller, Command, proto};
use futures::{Stream, StreamExt};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::app::import::{ImportChange, Imports, preview_rows};
use crate::{Error, contract};

const CREATE: &str = "/clientele.customers.v1.Imports/CreateImport";
const MASK: [&str; 3] = ["format", "columns", "source"];
/// The largest part of a file.
const LARGEST_PART: usize = 1024 * 1024;
/// How long the next part of a file is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Serves `Imports`.
#[derive(Debug)]
pub(crate) struct ImportsService(pub(crate) Imports);

#[async_trait::async_trait]
impl ImportsRpc for ImportsService {
    async fn create_import(&self, request: Request<CreateImportRequest>) -> Result<Response<Import>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.create(&caller, &request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn upload_import_file(
        &self,
        request: Request<Streaming<UploadImportFileRequest>>,
    ) -> Result<Response<Import>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.upload(&caller, request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn get_import(&self, request: Request<GetImportRequest>) -> Result<Response<Import>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        let get = async {
            let id = ImportId::parse(&request.get_ref().id, "id")?;
            self.0.get(&caller, id).await
        };
        get.await.map(|import| Response::new(contract::import::import(&import))).map_err(status)
    }

    async fn list_imports(
        &self,
        request: Request<ListImportsRequest>,
    ) -> Result<Response<ListImportsResponse>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        let request = request.into_inner();
        let (imports, next_page_token) =
            self.0.list(&caller, request.page_size, &request.page_token).await.map_err(status)?;
        let imports = imports.iter().map(contract::import::brief).collect();
        Ok(Response::new(ListImportsResponse { imports, next_page_token }))
    }

    async fn update_import(&self, request: Request<UpdateImportRequest>) -> Result<Response<Import>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.update(&caller, request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn preview_import(
        &self,
        request: Request<PreviewImportRequest>,
    ) -> Result<Response<PreviewImportResponse>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        self.preview(&caller, &request.into_inner()).await.map(Response::new).map_err(status)
    }

    async fn start_import(&self, request: Request<StartImportRequest>) -> Result<Response<Import>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        let start = async {
            let id = ImportId::parse(&request.get_ref().id, "id")?;
            self.0.start(&caller, id, request.get_ref().trial).await
        };
        start.await.map(|import| Response::new(contract::import::import(&import))).map_err(status)
    }

    async fn cancel_import(&self, request: Request<CancelImportRequest>) -> Result<Response<Import>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        let cancel = async {
            let id = ImportId::parse(&request.get_ref().id, "id")?;
            self.0.cancel(&caller, id).await
        };
        cancel.await.map(|import| Response::new(contract::import::import(&import))).map_err(status)
    }

    async fn undo_import(&self, request: Request<UndoImportRequest>) -> Result<Response<Import>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        let undo = async {
            let id = ImportId::parse(&request.get_ref().id, "id")?;
            self.0.undo(&caller, id).await
        };
        undo.await.map(|import| Response::new(contract::import::import(&import))).map_err(status)
    }

    async fn list_refused_rows(
        &self,
        request: Request<ListRefusedRowsRequest>,
    ) -> Result<Response<ListRefusedRowsResponse>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        let list = async {
            let request = request.get_ref();
            let id = ImportId::parse(&request.import_id, "import_id")?;
            self.0.refused(&caller, id, request.page_size, &request.page_token).await
        };
        let (rows, next_page_token) = list.await.map_err(status)?;
        let rows = rows.into_iter().map(contract::import::refused).collect();
        Ok(Response::new(ListRefusedRowsResponse { rows, next_page_token }))
    }

    type DownloadRefusedRowsStream = Pin<Box<dyn Stream<Item = Result<HttpBody, Status>> + Send>>;

    async fn download_refused_rows(
        &self,
        request: Request<DownloadRefusedRowsRequest>,
    ) -> Result<Response<Self::DownloadRefusedRowsStream>, Status> {
        let caller = Caller::of(&request).map_err(status)?;
        let download = async {
            let id = ImportId::parse(&request.get_ref().import_id, "import_id")?;
            self.0.refused_file(&caller, id).await
        };
        let parts = ReceiverStream::new(download.await.map_err(status)?);
        let body = |data| HttpBody { content_type: "text/csv; charset=utf-8".to_owned(), data };
        Ok(Response::new(Box::pin(parts.map(move |part| part.map(body).map_err(status)))))
    }
}

impl ImportsService {
    async fn create(&self, caller: &Caller, request: &CreateImportRequest) -> Result<Import, Error> {
        let kind = contract::import::parse_kind(request.kind)?;
        let command = Command { caller, method: CREATE, request_id: &request.request_id, request };
        self.0.create(&command, kind, &request.file_name, contract::import::import).await
    }

    async fn upload(&self, caller: &Caller, mut parts: Streaming<UploadImportFileRequest>) -> Result<Import, Error> {
        let first =
            next(&mut parts).await?.ok_or_else(|| KernelError::invalid("id", "is missing: nothing was sent"))?;
        let id = ImportId::parse(&first.id, "id")?;
        let mut upload = self.0.upload(caller, id).await?;
        let mut part = Some(first);
        while let Some(UploadImportFileRequest { content, .. }) = part {
            let bytes = content.unwrap_or_default().data;
            if bytes.len() > LARGEST_PART {
                let message = format!("a part has {} bytes: at most {LARGEST_PART} are wanted", bytes.len());
                return Err(KernelError::invalid("content", message).into());
            }
            upload.add(&bytes).await?;
            part = next(&mut parts).await?;
        }
        upload.finish().await.map(|import| contract::import::import(&import))
    }

    async fn update(&self, caller: &Caller, request: UpdateImportRequest) -> Result<Import, Error> {
        let import = request.import.ok_or_else(|| KernelError::invalid("import", "is missing"))?;
        let mut v = Violations::new();
        let id = v.take("import.id", ImportId::parse(&import.id, "import.id"));
        let etag = v.take("import.etag", Etag::parse(&import.etag, "import.etag"));
        let mask = v.take("update_mask", proto::mask(request.update_mask, &MASK)).unwrap_or_default();
        let mut change = ImportChange::default();
        if mask.contains(&"format") {
            let format = contract::import::parse_format(&import.format.unwrap_or_default());
            change.format = v.take("import.format", format.map_err(|error| error.within("import.format")));
        }
        if mask.contains(&"columns") {
            change.fields = Some(import.columns.into_iter().map(|column| column.field).collect());
        }
        if mask.contains(&"source") {
            change.source = Some(import.source);
        }
        match (id, etag) {
            (Some(id), Some(etag)) if v.is_empty() => {
                self.0.update(caller, id, etag, change).await.map(|import| contract::import::import(&import))
            }
            _ => Err(KernelError::invalid_all(v.into_inner()).into()),
        }
    }

    async fn preview(&self, caller: &Caller, request: &PreviewImportRequest) -> Result<PreviewImportResponse, Error> {
        let id = ImportId::parse(&request.id, "id")?;
        let count = preview_rows(request.rows)?;
        let (import, rows) = self.0.preview(caller, id, count).await?;
        let rows = rows.into_iter().map(|shown| ImportPreviewRow {
            line: contract::import::line(shown.row.line),
            values: contract::import::values(shown.row),
            understood: shown.understood.into_iter().collect(),
            violations: proto::violations(shown.violations),
        });
        Ok(contract::import::preview(&import, rows))
    }
}

/// The next part of an upload; UNAVAILABLE when it does not come in time.
async fn next(parts: &mut Streaming<UploadImportFileRequest>) -> Result<Option<UploadImportFileRequest>, Error> {
    let late = |_| KernelError::unavailable("the next part of the file did not come: upload it anew");
    let part = tokio::time::timeout(PATIENCE, parts.message()).await.map_err(late)?;
    Ok(part.map_err(clientele_platform::grpc::received)?)
}
