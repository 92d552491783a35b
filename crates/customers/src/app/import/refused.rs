//! The rows that were refused: in pages, and as a file.

use clientele_kernel::{Error as KernelError, ImportId, paging};
use clientele_platform::Caller;
use tokio::sync::mpsc;

use super::Imports;
use super::file::removed;
use crate::domain::import::{Refusal, formula};
use crate::{Error, store};

const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 500;

impl Imports {
    /// A page of refused rows, in order of lines, and the token of the next.
    pub(crate) async fn refused(
        &self,
        caller: &Caller,
        id: ImportId,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<Refusal>, String), Error> {
        self.get(caller, id).await?;
        let size = paging::size(page_size, PAGE, LARGEST_PAGE)?;
        let fingerprint = paging::fingerprint(&["refused", &id.to_string()]);
        let after: Option<i64> = paging::decode(page_token, fingerprint)?;
        let after = after.unwrap_or(0);
        let (mut rows, is_full) = store::import::refusal::after(self.db.pool(), id, after, size + 1).await?;
        let more = paging::cut(&mut rows, size) || is_full;
        let token = match rows.last() {
            Some(last) if more => paging::encode(&last.line, fingerprint),
            _ => String::new(),
        };
        Ok((rows, token))
    }

    /// All refused rows as parts of a CSV file: line, field, reason, then the columns of the file.
    pub(crate) async fn refused_file(
        &self,
        caller: &Caller,
        id: ImportId,
    ) -> Result<mpsc::Receiver<Result<Vec<u8>, Error>>, Error> {
        let import = self.get(caller, id).await?;
        if import.file_is_gone() {
            return Err(removed());
        }
        let names = ["line", "field", "reason"].into_iter().map(str::to_owned);
        let columns = import.look.columns.iter().map(|column| formula::defused(column.name.clone()));
        let header: Vec<String> = names.chain(columns).collect();
        let (sender, receiver) = mpsc::channel(2);
        let imports = self.clone();
        tokio::spawn(async move {
            if let Err(error) = imports.send_refused(id, &header, &sender).await {
                // Whoever downloads may be gone.
                let _ = sender.send(Err(error)).await;
            }
        });
        Ok(receiver)
    }

    async fn send_refused(
        &self,
        id: ImportId,
        header: &[String],
        sender: &mpsc::Sender<Result<Vec<u8>, Error>>,
    ) -> Result<(), Error> {
        // Spreadsheets take a file for UTF-8 by this mark alone.
        let mut start = "\u{feff}".as_bytes().to_vec();
        start.extend(written([header.to_vec()])?);
        let mut sent = sender.send(Ok(start)).await.is_ok();
        let mut after = 0;
        while sent {
            let (rows, _) = store::import::refusal::after(self.db.pool(), id, after, LARGEST_PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = i64::try_from(last.line).unwrap_or(i64::MAX);
            sent = sender.send(Ok(written(rows.into_iter().map(row))?)).await.is_ok();
        }
        Ok(())
    }
}

fn row(refusal: Refusal) -> Vec<String> {
    let all = |of: fn(&clientele_kernel::Violation) -> &str| {
        refusal.violations.iter().map(of).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
    };
    let (fields, reasons) = (all(|violation| &violation.field), all(|violation| &violation.description));
    [refusal.line.to_string(), fields, reasons]
        .into_iter()
        .chain(refusal.cells.into_iter().map(formula::defused))
        .collect()
}

fn written(rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, Error> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for row in rows {
        writer.write_record(&row).map_err(KernelError::internal)?;
    }
    Ok(writer.into_inner().map_err(|error| KernelError::internal(error.to_string()))?)
}
