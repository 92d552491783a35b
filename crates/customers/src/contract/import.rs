//! Between imports and the messages that stand for them.

use std::collections::HashMap;

use clientele_contracts::customers::v1 as pb;
use clientele_contracts::orders::v1::{Order, OrderLine};
use clientele_contracts::platform::v1::ExternalReference;
use clientele_kernel::{CustomerId, Error, Etag};
use clientele_platform::proto;

use crate::domain::import::field::{Field, fields};
use crate::domain::import::mapping::{is_required, missing};
use crate::domain::import::order::OrderDraft;
use crate::domain::import::{Delimiter, Format, Import, Kind, Progress, RawRow, Refusal, State, Undo};

/// An import as its page shows it.
pub(crate) fn import(import: &Import) -> pb::Import {
    let has_file = import.state != State::AwaitingFile;
    let columns = import.look.columns.iter().map(|column| pb::ImportColumn {
        name: column.name.clone(),
        field: column.field.clone(),
        samples: column.samples.clone(),
    });
    let warnings = import.warnings().into_iter().map(|warning| pb::ImportWarning {
        reason: warning.reason,
        column: warning.column,
        description: warning.description,
        metadata: warning.metadata.into_iter().collect(),
    });
    pb::Import {
        columns: columns.collect(),
        warnings: warnings.collect(),
        format: has_file.then(|| format(&import.look.format)),
        ..brief(import)
    }
}

/// An import as lists show it: without format, columns and warnings.
pub(crate) fn brief(import: &Import) -> pb::Import {
    pb::Import {
        id: import.id.to_string(),
        kind: kind(import.kind).into(),
        file_name: import.file_name.clone(),
        size_bytes: import.size_bytes,
        state: state(import.state).into(),
        user_id: import.actor.id.clone(),
        format: None,
        columns: Vec::new(),
        source: import.source.clone(),
        progress: import.work.progress.as_ref().map(progress),
        trial: import.work.trial.as_ref().map(progress),
        undo: import.work.undo.as_ref().map(undo),
        failure: import.failure.clone(),
        warnings: Vec::new(),
        etag: Etag(import.version).to_string(),
        created_at: Some(proto::timestamp(import.created_at)),
        updated_at: Some(proto::timestamp(import.updated_at)),
        file_expires_at: import.file_expires_at.map(proto::timestamp),
        failure_reason: import.work.failure.reason.clone(),
        failure_metadata: import.work.failure.metadata.clone().into_iter().collect(),
    }
}

/// A kind as a message.
pub(crate) fn kind(kind: Kind) -> pb::ImportKind {
    match kind {
        Kind::Customers => pb::ImportKind::Customers,
        Kind::Orders => pb::ImportKind::Orders,
    }
}

/// A kind from a message; the error names `kind`.
pub(crate) fn parse_kind(kind: i32) -> Result<Kind, Error> {
    match pb::ImportKind::try_from(kind) {
        Ok(pb::ImportKind::Customers) => Ok(Kind::Customers),
        Ok(pb::ImportKind::Orders) => Ok(Kind::Orders),
        _ => Err(Error::invalid("kind", "is not said: what the rows are is wanted, customers or orders")),
    }
}

/// A state as a message.
pub(crate) fn state(state: State) -> pb::ImportState {
    match state {
        State::AwaitingFile => pb::ImportState::AwaitingFile,
        State::Ready => pb::ImportState::Ready,
        State::Checking => pb::ImportState::Checking,
        State::Running => pb::ImportState::Running,
        State::Done => pb::ImportState::Done,
        State::Failed => pb::ImportState::Failed,
        State::Cancelled => pb::ImportState::Cancelled,
        State::Undoing => pb::ImportState::Undoing,
        State::Undone => pb::ImportState::Undone,
        State::Expired => pb::ImportState::Expired,
    }
}

fn format(format: &Format) -> pb::ImportFormat {
    let delimiter = match format.delimiter {
        Delimiter::Comma => pb::ImportDelimiter::Comma,
        Delimiter::Semicolon => pb::ImportDelimiter::Semicolon,
        Delimiter::Tab => pb::ImportDelimiter::Tab,
        Delimiter::Pipe => pb::ImportDelimiter::Pipe,
        Delimiter::Spaces => pb::ImportDelimiter::Spaces,
    };
    pb::ImportFormat {
        encoding: format.encoding.clone(),
        delimiter: delimiter.into(),
        has_header: format.has_header,
        skip_lines: i32::try_from(format.skip_lines).unwrap_or(i32::MAX),
        date_format: format.date_format.clone(),
        decimal_separator: format.decimal_separator.clone(),
        time_zone: format.time_zone.clone(),
        currency: format.currency.clone(),
        order_status: format.order_status.clone(),
    }
}

/// A format from a message, and whether the delimiter is said. What is left out and has a usual value has that; the error
/// names the field within the format.
pub(crate) fn parse_format(message: &pb::ImportFormat) -> Result<(Format, bool), Error> {
    let delimiter = match pb::ImportDelimiter::try_from(message.delimiter) {
        Ok(pb::ImportDelimiter::Unspecified) => None,
        Ok(pb::ImportDelimiter::Comma) => Some(Delimiter::Comma),
        Ok(pb::ImportDelimiter::Semicolon) => Some(Delimiter::Semicolon),
        Ok(pb::ImportDelimiter::Tab) => Some(Delimiter::Tab),
        Ok(pb::ImportDelimiter::Pipe) => Some(Delimiter::Pipe),
        Ok(pb::ImportDelimiter::Spaces) => Some(Delimiter::Spaces),
        Err(_) => {
            return Err(Error::invalid(
                "delimiter",
                format!("`{}` is no delimiter: 1 to 5 is wanted", message.delimiter),
            ));
        }
    };
    let skip_lines = u32::try_from(message.skip_lines)
        .map_err(|_| Error::invalid("skip_lines", format!("`{}` is negative", message.skip_lines)))?;
    let or = |text: &str, usual: &str| if text.is_empty() { usual.to_owned() } else { text.to_owned() };
    let format = Format {
        encoding: message.encoding.clone(),
        delimiter: delimiter.unwrap_or_default(),
        has_header: message.has_header,
        skip_lines,
        date_format: message.date_format.clone(),
        decimal_separator: or(&message.decimal_separator, "."),
        time_zone: or(&message.time_zone, "UTC"),
        currency: message.currency.to_uppercase(),
        order_status: or(&message.order_status, "completed"),
    };
    Ok((format, delimiter.is_some()))
}

fn progress(progress: &Progress) -> pb::ImportProgress {
    pb::ImportProgress {
        rows: progress.rows,
        total_rows: progress.total_rows,
        created: progress.created,
        updated: progress.updated,
        unchanged: progress.unchanged,
        refused: progress.refused,
        orders_created: progress.orders_created,
        orders_updated: progress.orders_updated,
        orders_unchanged: progress.orders_unchanged,
        started_at: Some(proto::timestamp(progress.started_at)),
        ended_at: progress.ended_at.map(proto::timestamp),
    }
}

fn undo(undo: &Undo) -> pb::ImportUndo {
    pb::ImportUndo {
        removed: undo.removed,
        restored: undo.restored,
        kept: undo.kept,
        started_at: Some(proto::timestamp(undo.started_at)),
        ended_at: undo.ended_at.map(proto::timestamp),
    }
}

/// The figures an event tells, those that are not zero.
pub(crate) fn counts(import: &Import, trial: bool) -> HashMap<String, i64> {
    let work = &import.work;
    let run = if trial { work.trial.as_ref() } else { work.progress.as_ref() };
    let of_run = run.into_iter().flat_map(|run| {
        [
            ("rows", run.rows),
            ("created", run.created),
            ("updated", run.updated),
            ("unchanged", run.unchanged),
            ("refused", run.refused),
            ("orders_created", run.orders_created),
            ("orders_updated", run.orders_updated),
            ("orders_unchanged", run.orders_unchanged),
        ]
    });
    let of_undo =
        work.undo.iter().flat_map(|undo| [("removed", undo.removed), ("restored", undo.restored), ("kept", undo.kept)]);
    of_run.chain(of_undo).filter(|(_, count)| *count != 0).map(|(name, count)| (name.to_owned(), count)).collect()
}

/// The first rows of an import as they would be understood.
pub(crate) fn preview(import: &Import, rows: impl Iterator<Item = pb::ImportPreviewRow>) -> pb::PreviewImportResponse {
    let field = |field: &Field| pb::ImportField {
        name: field.name.to_owned(),
        required: is_required(field.name),
        repeated: field.repeated,
    };
    pb::PreviewImportResponse {
        rows: rows.collect(),
        fields: fields(import.kind).iter().map(field).collect(),
        missing: proto::violations(missing(import)),
    }
}

/// A refused row as a message.
pub(crate) fn refused(refusal: Refusal) -> pb::RefusedRow {
    pb::RefusedRow {
        line: line(refusal.line),
        violations: proto::violations(refusal.violations),
        values: refusal.cells,
    }
}

/// The number of a line as a message has it.
pub(crate) fn line(line: u64) -> i64 {
    i64::try_from(line).unwrap_or(i64::MAX)
}

/// A row as it stands.
pub(crate) fn values(row: RawRow) -> Vec<String> {
    row.cells
}

/// An order as the orders service takes it.
pub(crate) fn order(draft: &OrderDraft, customer: Option<CustomerId>, source: &str) -> Order {
    Order {
        reference: Some(ExternalReference { source: source.to_owned(), external_id: draft.external_id.clone() }),
        number: draft.number.clone(),
        customer_id: customer.map(|id| id.to_string()).unwrap_or_default(),
        status: draft.status.clone(),
        placed_at: Some(proto::timestamp(draft.placed_at)),
        currency: draft.currency.code().to_owned(),
        lines: draft
            .lines
            .iter()
            .map(|line| OrderLine {
                sku: line.sku.clone(),
                name: line.name.clone(),
                quantity: line.quantity.to_string(),
                unit_price: line.unit_price.to_string(),
                ..OrderLine::default()
            })
            .collect(),
        ..Order::default()
    }
}
