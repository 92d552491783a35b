//! Imports of files by hand.
//!
//! - this module: begin one, look at it, say how its file is read
//! - [`file`]: the file as a stream of bytes and of rows
//! - [`upload`]: takes the file
//! - [`look`]: finds out how it is written
//! - [`places`]: how much of both goes on at a time
//! - [`rights`]: whether who began an import may still do so
//! - [`run`]: who does the work, batch by batch, and what becomes of it when it is broken off
//! - [`people`]: customers of rows, matched and written
//! - [`customers`], [`orders`]: a batch of each
//! - [`sending`]: a batch of orders on its way to the orders service
//! - [`take_back`]: undoes what a run has written
//! - [`refused`]: the rows that were refused

mod customers;
mod file;
mod look;
mod orders;
mod people;
mod places;
mod refused;
mod rights;
mod run;
mod sending;
mod take_back;
mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use clientele_contracts::messaging::v1::dialogs_client::DialogsClient;
use clientele_contracts::orders::v1::orders_client::OrdersClient;
use clientele_kernel::{Error as KernelError, Etag, ImportId, paging};
use clientele_platform::grpc::{Clients, Transport};
use clientele_platform::postgres::{Database, UnitOfWork};
use clientele_platform::telemetry::Metrics;
use clientele_platform::{Begun, Caller, Command};
use prost::Message;
use tokio::sync::Notify;

pub(crate) use self::look::preview_rows;
use self::places::{Looks, Uploads};
use self::rights::Rights;
use super::App;
use crate::domain::contact::Region;
use crate::domain::import::{self, Format, Import, Kind, MOST_AWAITING, MOST_FILES, mapping};
use crate::events::publish;
use crate::{Error, store};

const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 200;
/// Who may see the imports of others.
const READ_ALL: &str = "customers.import.read_all";
/// Who may bring orders in.
const IMPORT_ORDERS: &str = "orders.order.import";

pub(crate) use self::run::{HOUSEKEEPING_TASK, TASK};

/// The use cases of imports.
#[derive(Clone)]
pub(crate) struct Imports {
    db: Database,
    app: App,
    region: Option<Region>,
    orders: OrdersClient<Transport>,
    dialogs: DialogsClient<Transport>,
    rights: Rights,
    looks: Looks,
    uploads: Uploads,
    /// Something is to be done.
    wake: Arc<Notify>,
    /// How many this replica works on.
    running: Arc<AtomicU32>,
}

/// What a caller says of an import.
#[derive(Debug, Clone, Default)]
pub(crate) struct ImportChange {
    pub(crate) source: Option<String>,
    /// The format; `None` for a delimiter that is to be found out.
    pub(crate) format: Option<(Format, bool)>,
    /// The field of each column.
    pub(crate) fields: Option<Vec<String>>,
}

impl std::fmt::Debug for Imports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Imports").finish_non_exhaustive()
    }
}

/// The number of imports that this replica works on, shown from now on.
fn running(metrics: &Metrics) -> Arc<AtomicU32> {
    let running = Arc::new(AtomicU32::new(0));
    let shown = running.clone();
    let level = metrics.level("clientele.imports.running", "{import}", "imports that are being worked on");
    level.follow(Vec::new(), move || f64::from(shown.load(Ordering::Relaxed)));
    running
}

impl Imports {
    /// Imports over this database, and over the services that know what became of their records.
    pub(crate) fn new(db: Database, region: Option<Region>, clients: &Clients) -> Self {
        Self {
            app: App::new(db.clone(), region),
            running: running(db.metrics()),
            db,
            region,
            orders: OrdersClient::new(clients.transport("orders")),
            dialogs: DialogsClient::new(clients.transport("messaging")),
            rights: Rights::new(clients),
            looks: Looks::new(),
            uploads: Uploads::default(),
            wake: Arc::new(Notify::new()),
        }
    }

    /// Begins an import.
    pub(crate) async fn create<M: Message + Default>(
        &self,
        command: &Command<'_, impl Message>,
        kind: Kind,
        file_name: &str,
        answer: fn(&Import) -> M,
    ) -> Result<M, Error> {
        let mut uow = match command.begin(&self.db).await? {
            Begun::Known(answer) => return Ok(answer),
            Begun::New(uow) => uow,
        };
        let actor = command.caller.actor.clone();
        let awaiting = store::import::awaiting(uow.conn(), &actor).await?;
        if awaiting >= MOST_AWAITING {
            return Err(KernelError::exhausted(
                "TOO_MANY_IMPORTS",
                format!(
                    "{awaiting} imports of yours await their files: upload to one of them; each expires after 7 days"
                ),
                std::time::Duration::from_hours(1),
            )
            .into());
        }
        let import = Import::create(uow.id(), kind, file_name, actor, uow.now())?;
        store::import::insert(uow.conn(), &import).await?;
        uow.record(publish::import(&import));
        let answer = answer(&import);
        uow.commit_with(&answer).await?;
        Ok(answer)
    }

    /// One import, as far as the caller may see it.
    pub(crate) async fn get(&self, caller: &Caller, id: ImportId) -> Result<Import, Error> {
        let import = store::import::get(self.db.pool(), id).await?;
        let seen = |import: &Import| import.is_of(&caller.actor) || caller.permissions.allow(READ_ALL);
        import.filter(seen).ok_or_else(|| unknown(id))
    }

    /// A page of imports, newest first, and the token of the next.
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<Import>, String), Error> {
        let size = paging::size(page_size, PAGE, LARGEST_PAGE)?;
        let fingerprint = paging::fingerprint(&["imports"]);
        let before: Option<ImportId> = paging::decode(page_token, fingerprint)?;
        let of = (!caller.permissions.allow(READ_ALL)).then_some(&caller.actor);
        let mut imports = store::import::list(self.db.pool(), of, before, size + 1).await?;
        let more = paging::cut(&mut imports, size);
        let token = match imports.last() {
            Some(last) if more => paging::encode(&last.id, fingerprint),
            _ => String::new(),
        };
        Ok((imports, token))
    }

    /// Says how the file is read and what its columns mean. Where it is to be read another way, it is looked at anew.
    pub(crate) async fn update(
        &self,
        caller: &Caller,
        id: ImportId,
        etag: Etag,
        change: ImportChange,
    ) -> Result<Import, Error> {
        let mut import = self.own(caller, id).await?;
        etag.require(import.version)?;
        import.allow_update()?;
        let source = change.source.as_deref().map(import::source).transpose().map_err(|e| e.within("import"))?;
        if let Some((format, delimiter_known)) = change.format {
            import::check_format(&format).map_err(|error| error.within("import.format"))?;
            let known = &import.look.format;
            // Whoever says the currency has not yet said how dates are written; to send all as it is says that it is right.
            let said = import.look.said
                || format.date_format != known.date_format
                || format.decimal_separator != known.decimal_separator
                || format == *known;
            let same_reading = delimiter_known
                && format.encoding == known.encoding
                && format.delimiter == known.delimiter
                && format.has_header == known.has_header
                && format.skip_lines == known.skip_lines;
            if same_reading {
                import.look.format = format;
            } else {
                let mut look = self.look_again(&import, format, delimiter_known).await?;
                keep_fields(&import.look.columns, &mut look.columns);
                import.look = look;
            }
            import.look.said = said;
        }
        if let Some(fields) = change.fields {
            mapping::assign(import.kind, &mut import.look.columns, &fields).map_err(|error| error.within("import"))?;
            if !import.look.said {
                mapping::ways(import.kind, &import.look.columns, &mut import.look.format);
            }
        }
        if let Some(source) = source {
            import.source = source;
        }
        // The file was read outside of the transaction: what was decided on must still be so.
        self.change(caller, id, |present, _| {
            etag.require(present.version)?;
            present.allow_update()?;
            present.look = import.look;
            present.source = import.source;
            present.work.trial = None;
            Ok(())
        })
        .await
    }

    /// Begins a run or a trial run.
    pub(crate) async fn start(&self, caller: &Caller, id: ImportId, trial: bool) -> Result<Import, Error> {
        let import = self.own(caller, id).await?;
        if import.kind == Kind::Orders {
            caller.require(IMPORT_ORDERS)?;
        }
        let import = self.change(caller, id, |import, now| import.start(trial, now)).await?;
        self.wake.notify_one();
        Ok(import)
    }

    /// Stops a run.
    pub(crate) async fn cancel(&self, caller: &Caller, id: ImportId) -> Result<Import, Error> {
        self.change(caller, id, Import::cancel).await
    }

    /// Begins to take back what was written.
    pub(crate) async fn undo(&self, caller: &Caller, id: ImportId) -> Result<Import, Error> {
        let import = self.own(caller, id).await?;
        if import.kind == Kind::Orders {
            caller.require(IMPORT_ORDERS)?;
        }
        let import = self.change(caller, id, Import::undo).await?;
        self.wake.notify_one();
        Ok(import)
    }

    /// One import of the caller's own: others may look at most.
    async fn own(&self, caller: &Caller, id: ImportId) -> Result<Import, Error> {
        let import = self.get(caller, id).await?;
        if import.is_of(&caller.actor) {
            Ok(import)
        } else {
            Err(KernelError::permission_denied("the import is somebody else's: only who began it may change it").into())
        }
    }

    /// Changes an import of the caller's own, and tells of it.
    async fn change(
        &self,
        caller: &Caller,
        id: ImportId,
        change: impl FnOnce(&mut Import, chrono::DateTime<chrono::Utc>) -> Result<(), KernelError>,
    ) -> Result<Import, Error> {
        self.own(caller, id).await?;
        let mut uow = self.db.begin(caller).await?;
        let now = uow.now();
        let mut import = store::import::lock(uow.conn(), id).await?.ok_or_else(|| unknown(id))?;
        change(&mut import, now)?;
        write(uow, import).await
    }

    /// Fails when the caller keeps too many files already.
    async fn require_room(&self, import: &Import) -> Result<(), Error> {
        let kept = store::import::files(self.db.pool(), &import.actor).await?;
        if import.file.is_none() && kept >= MOST_FILES {
            return Err(KernelError::exhausted(
                "TOO_MANY_FILES",
                format!(
                    "{kept} files of yours are kept already: each goes after 7 days, or when its import is taken back"
                ),
                std::time::Duration::from_hours(1),
            )
            .into());
        }
        Ok(())
    }
}

/// Columns that have the names of before keep the fields that were said for them.
fn keep_fields(before: &[import::Column], after: &mut [import::Column]) {
    let same = before.len() == after.len() && before.iter().zip(after.iter()).all(|(b, a)| b.name == a.name);
    if same {
        for (after, before) in after.iter_mut().zip(before) {
            after.field.clone_from(&before.field);
        }
    }
}

/// Writes an import that was changed in this unit of work, and tells of it.
async fn write(mut uow: UnitOfWork, mut import: Import) -> Result<Import, Error> {
    import.version += 1;
    import.updated_at = uow.now();
    store::import::update(uow.conn(), &import).await?;
    uow.record(publish::import(&import));
    uow.commit().await?;
    Ok(import)
}

fn unknown(id: ImportId) -> Error {
    KernelError::not_found("import", id).into()
}
