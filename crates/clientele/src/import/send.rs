//! The second pass: customers, products, then orders and credit notes, in batches.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use clientele_contracts::customers::v1::{
    BatchUpsertCustomersRequest, BatchUpsertCustomersResponse, Customer, UpsertCustomer,
};
use clientele_contracts::orders::v1::{
    BatchUpsertCreditNotesRequest, BatchUpsertCreditNotesResponse, BatchUpsertOrdersRequest, BatchUpsertOrdersResponse,
    BatchUpsertProductsRequest, BatchUpsertProductsResponse, CreditNote, Order, Product,
};
use clientele_contracts::platform::v1::{ExternalReference, FieldViolation, UpsertOutcome};
use clientele_kernel::Error;

use super::bar;
use super::checkpoint::{self, Checkpoint, Tally};
use super::document::{Document, assemble};
use super::mapping::Mapping;
use super::row::Refusal;
use super::stage::{self, Found, Staged, unusable};
use crate::client::Client;

const RECORDS: usize = 500;
/// Orders of a batch are bounded by their lines too: a batch is one transaction of the server.
const LINES: usize = 4_000;
const DOCUMENTS: usize = 200;

/// What became of everything.
#[derive(Debug, Default)]
pub(crate) struct Report {
    customers: Tally,
    products: Tally,
    orders: Tally,
    credit_notes: Tally,
}

impl Report {
    pub(crate) fn parts(&self) -> [(&'static str, Tally); 4] {
        [
            ("customers", self.customers),
            ("products", self.products),
            ("orders", self.orders),
            ("credit notes", self.credit_notes),
        ]
    }
}

/// Sends all that was staged and is not noted as done.
pub(crate) async fn send(
    client: &Client,
    mapping: &Mapping,
    folder: &Path,
    staged: &Staged,
    checkpoint: &mut Checkpoint,
) -> Result<Report, Error> {
    let mut sender = Sender { client, mapping, folder, checkpoint, report: Report::default() };
    let run = super::run_name();
    if sender.checkpoint.resumed() && !sender.is_known(staged, &run).await? {
        sender.restart(staged, run)?;
    }
    sender.customers(staged).await?;
    sender.products(staged).await?;
    let bar = bar("orders", stage::BUCKETS);
    for number in 0..stage::BUCKETS {
        sender.bucket(number, staged).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(sender.report)
}

struct Sender<'a> {
    client: &'a Client,
    mapping: &'a Mapping,
    folder: &'a Path,
    checkpoint: &'a mut Checkpoint,
    report: Report,
}

impl Sender<'_> {
    /// Whether the server still has what an earlier run brought: another database may answer at its address by now, of
    /// which the progress says nothing. The first batch is sent again, which changes nothing where it is known. It goes
    /// under the key it has in a new `run`: should that begin, it is answered the same once more, and counted rightly.
    async fn is_known(&self, staged: &Staged, run: &str) -> Result<bool, Error> {
        let customers: Vec<_> = staged.customers.iter().take(RECORDS).collect();
        if !customers.is_empty() {
            let request = self.customers_request(&customers);
            let key = checkpoint::key(run, "customers-0");
            let answer: BatchUpsertCustomersResponse =
                self.client.post("/v1/customers:batchUpsert", &request, &key).await?;
            complete(customers.len(), answer.results.len())?;
            let ids = customers.iter().zip(&answer.results).map(|((number, _), r)| (number.as_str(), &*r.customer_id));
            return Ok(self.checkpoint.agrees(ids));
        }
        let products: Vec<_> = staged.products.iter().take(RECORDS).collect();
        if products.is_empty() {
            return Ok(true);
        }
        let request = self.products_request(&products);
        let key = checkpoint::key(run, "products-0");
        let answer: BatchUpsertProductsResponse = self.client.post("/v1/products:batchUpsert", &request, &key).await?;
        // Products have no ids that are noted, but those that are made only now were noted for another database.
        Ok(self.checkpoint.done("products-0").is_none()
            || answer.results.iter().all(|result| result.outcome() != UpsertOutcome::Created))
    }

    /// Forgets what an earlier run did and was refused.
    fn restart(&mut self, staged: &Staged, run: String) -> Result<(), Error> {
        let path = stage::refusals_path(self.folder);
        let refusals = OpenOptions::new().write(true).open(&path).map_err(|e| unusable(&path, e))?;
        refusals.set_len(staged.refusals).map_err(|e| unusable(&path, e))?;
        self.checkpoint.restart(run)
    }

    fn customers_request(&self, chunk: &[(&String, &Found)]) -> BatchUpsertCustomersRequest {
        let entries = chunk
            .iter()
            .map(|(number, country)| UpsertCustomer {
                reference: Some(self.reference(number)),
                customer: Some(Customer { country: country.text.clone(), ..Customer::default() }),
                consents: Vec::new(),
            })
            .collect();
        BatchUpsertCustomersRequest { entries, request_id: String::new() }
    }

    fn products_request(&self, chunk: &[(&String, &Found)]) -> BatchUpsertProductsRequest {
        let products = chunk
            .iter()
            .map(|(sku, name)| Product {
                source: self.mapping.source.clone(),
                sku: (*sku).clone(),
                name: name.text.clone(),
                ..Product::default()
            })
            .collect();
        BatchUpsertProductsRequest { products, request_id: String::new() }
    }

    async fn customers(&mut self, staged: &Staged) -> Result<(), Error> {
        let all: Vec<_> = staged.customers.iter().collect();
        let bar = bar("customers", all.len() as u64);
        for (index, chunk) in all.chunks(RECORDS).enumerate() {
            let batch = format!("customers-{index}");
            let tally = if let Some(tally) = self.checkpoint.done(&batch) {
                tally
            } else {
                let request = self.customers_request(chunk);
                let key = self.checkpoint.key(&batch);
                let answer: BatchUpsertCustomersResponse =
                    self.client.post("/v1/customers:batchUpsert", &request, &key).await?;
                complete(chunk.len(), answer.results.len())?;
                let mut tally = Tally::default();
                let mut ids = HashMap::new();
                for ((number, found), result) in chunk.iter().zip(answer.results) {
                    if self.count(&mut tally, result.outcome(), found.line, number, &result.violations)? {
                        ids.insert((*number).clone(), result.customer_id);
                    }
                }
                self.checkpoint.note(&batch, tally, ids)?;
                tally
            };
            self.report.customers.add(tally);
            bar.inc(chunk.len() as u64);
        }
        bar.finish_and_clear();
        Ok(())
    }

    async fn products(&mut self, staged: &Staged) -> Result<(), Error> {
        let all: Vec<_> = staged.products.iter().collect();
        let bar = bar("products", all.len() as u64);
        for (index, chunk) in all.chunks(RECORDS).enumerate() {
            let batch = format!("products-{index}");
            let tally = if let Some(tally) = self.checkpoint.done(&batch) {
                tally
            } else {
                let request = self.products_request(chunk);
                let key = self.checkpoint.key(&batch);
                let answer: BatchUpsertProductsResponse =
                    self.client.post("/v1/products:batchUpsert", &request, &key).await?;
                complete(chunk.len(), answer.results.len())?;
                let mut tally = Tally::default();
                for ((sku, found), result) in chunk.iter().zip(answer.results) {
                    self.count(&mut tally, result.outcome(), found.line, sku, &result.violations)?;
                }
                self.checkpoint.note(&batch, tally, HashMap::new())?;
                tally
            };
            self.report.products.add(tally);
            bar.inc(chunk.len() as u64);
        }
        bar.finish_and_clear();
        Ok(())
    }

    async fn bucket(&mut self, number: u64, staged: &Staged) -> Result<(), Error> {
        let mut orders: Vec<(u64, Order)> = Vec::new();
        let mut notes: Vec<(u64, CreditNote)> = Vec::new();
        // What is refused here is refused again by a run that goes on: noted once, with the bucket.
        let batch = format!("bucket-{number}");
        let told = self.checkpoint.done(&batch).is_some();
        let mut refused = Vec::new();
        for (order, rows) in stage::bucket(self.folder, number)? {
            let line = rows.first().map_or(0, |row| row.line);
            if let Some(broken) = staged.broken.get(&order) {
                refused.extend(rows.iter().map(|row| Refusal {
                    line: row.line,
                    field: self.mapping.columns.order.clone(),
                    value: order.clone(),
                    reason: format!(
                        "belongs to an order of which line {broken} is refused: an order is imported whole"
                    ),
                }));
                continue;
            }
            match assemble(&order, &rows, self.mapping, |customer| self.checkpoint.id(customer)) {
                Ok(Document::Order(order)) => orders.push((line, *order)),
                Ok(Document::CreditNote(note)) => notes.push((line, *note)),
                Err(refusal) => {
                    refused.extend(rows.iter().map(|row| Refusal { line: row.line, ..refusal.clone() }));
                }
            }
        }
        if !told {
            write_refusals(self.folder, &refused)?;
            self.checkpoint.note(&batch, Tally::default(), HashMap::new())?;
        }
        for (index, chunk) in split(&orders, |order| order.lines.len()).into_iter().enumerate() {
            self.orders(&format!("orders-{number}-{index}"), chunk).await?;
        }
        for (index, chunk) in split(&notes, |note| note.lines.len()).into_iter().enumerate() {
            self.credit_notes(&format!("credit-notes-{number}-{index}"), chunk).await?;
        }
        Ok(())
    }

    async fn orders(&mut self, batch: &str, chunk: &[(u64, Order)]) -> Result<(), Error> {
        let tally = if let Some(tally) = self.checkpoint.done(batch) {
            tally
        } else {
            let orders = chunk.iter().map(|(_, order)| order.clone()).collect();
            let request = BatchUpsertOrdersRequest { orders, ..BatchUpsertOrdersRequest::default() };
            let key = self.checkpoint.key(batch);
            let answer: BatchUpsertOrdersResponse = self.client.post("/v1/orders:batchUpsert", &request, &key).await?;
            complete(chunk.len(), answer.results.len())?;
            let mut tally = Tally::default();
            for ((line, order), result) in chunk.iter().zip(answer.results) {
                self.count(&mut tally, result.outcome(), *line, &order.number, &result.violations)?;
            }
            self.checkpoint.note(batch, tally, HashMap::new())?;
            tally
        };
        self.report.orders.add(tally);
        Ok(())
    }

    async fn credit_notes(&mut self, batch: &str, chunk: &[(u64, CreditNote)]) -> Result<(), Error> {
        let tally = if let Some(tally) = self.checkpoint.done(batch) {
            tally
        } else {
            let credit_notes = chunk.iter().map(|(_, note)| note.clone()).collect();
            let request = BatchUpsertCreditNotesRequest { credit_notes, request_id: String::new() };
            let key = self.checkpoint.key(batch);
            let answer: BatchUpsertCreditNotesResponse =
                self.client.post("/v1/creditNotes:batchUpsert", &request, &key).await?;
            complete(chunk.len(), answer.results.len())?;
            let mut tally = Tally::default();
            for ((line, note), result) in chunk.iter().zip(answer.results) {
                self.count(&mut tally, result.outcome(), *line, &note.number, &result.violations)?;
            }
            self.checkpoint.note(batch, tally, HashMap::new())?;
            tally
        };
        self.report.credit_notes.add(tally);
        Ok(())
    }

    fn reference(&self, number: &str) -> ExternalReference {
        ExternalReference { source: self.mapping.source.clone(), external_id: number.to_owned() }
    }

    /// Counts what became of an entry; true unless it was refused, which is written down.
    fn count(
        &self,
        tally: &mut Tally,
        outcome: UpsertOutcome,
        line: u64,
        value: &str,
        violations: &[FieldViolation],
    ) -> Result<bool, Error> {
        match outcome {
            UpsertOutcome::Created => tally.created += 1,
            UpsertOutcome::Updated => tally.updated += 1,
            UpsertOutcome::Unchanged => tally.unchanged += 1,
            UpsertOutcome::Refused | UpsertOutcome::Unspecified => {
                tally.refused += 1;
                let refusal = |v: &FieldViolation| Refusal {
                    line,
                    field: v.field.clone(),
                    value: value.to_owned(),
                    reason: v.description.clone(),
                };
                write_refusals(self.folder, &violations.iter().map(refusal).collect::<Vec<_>>())?;
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Writes refusals down. A line that a kill has cut short ends here, lest it spoil the one that comes after it.
fn write_refusals(folder: &Path, refusals: &[Refusal]) -> Result<(), Error> {
    if refusals.is_empty() {
        return Ok(());
    }
    let path = stage::refusals_path(folder);
    let mut text = vec![b'\n'];
    refusals
        .iter()
        .try_for_each(|refusal| stage::write_line(&mut text, refusal))
        .and_then(|()| OpenOptions::new().append(true).open(&path)?.write_all(&text))
        .map_err(|e| unusable(&path, e))
}

/// All refusals written down so far, each once: a run that was killed in mid-batch may have written some twice.
pub(crate) fn refusals(folder: &Path) -> Result<Vec<Refusal>, Error> {
    let path = stage::refusals_path(folder);
    let file = fs::File::open(&path).map_err(|e| unusable(&path, e))?;
    let mut all: Vec<Refusal> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|e| unusable(&path, e))?;
        if !seen.contains(&line) {
            // A line cut short by a kill stands again, whole, further down.
            if let Ok(refusal) = serde_json::from_str(&line) {
                all.push(refusal);
            }
            seen.insert(line);
        }
    }
    Ok(all)
}

/// Cuts documents into batches that keep both bounds.
fn split<T>(documents: &[(u64, T)], lines: impl Fn(&T) -> usize) -> Vec<&[(u64, T)]> {
    let mut batches = Vec::new();
    let (mut start, mut held) = (0, 0);
    for (index, (_, document)) in documents.iter().enumerate() {
        let more = lines(document);
        if index > start && (held + more > LINES || index - start >= DOCUMENTS) {
            batches.push(&documents[start..index]);
            (start, held) = (index, 0);
        }
        held += more;
    }
    if start < documents.len() {
        batches.push(&documents[start..]);
    }
    batches
}

fn complete(sent: usize, answered: usize) -> Result<(), Error> {
    if sent == answered {
        Ok(())
    } else {
        Err(Error::internal(format!("{sent} entries were sent and {answered} answered")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_cut_short_by_a_kill_takes_none_with_it_and_each_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = stage::refusals_path(folder.path());
        let refusal = |line| Refusal { line, field: "Country".into(), value: "x".into(), reason: "is wrong".into() };
        fs::write(&path, "").unwrap();
        write_refusals(folder.path(), &[refusal(1), refusal(2)]).unwrap();
        let length = fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 5).unwrap();
        write_refusals(folder.path(), &[refusal(2), refusal(3)]).unwrap();
        assert_eq!(refusals(folder.path()).unwrap(), [refusal(1), refusal(2), refusal(3)]);
    }

    #[test]
    fn batches_keep_both_bounds_and_lose_nothing() {
        let documents: Vec<(u64, usize)> =
            (0..1000).map(|n| (n, usize::try_from(n * 37 % 1500).unwrap() + 1)).collect();
        let batches = split(&documents, |lines| *lines);
        assert_eq!(batches.iter().map(|b| b.len()).sum::<usize>(), 1000);
        for batch in batches {
            assert!(batch.len() <= DOCUMENTS);
            assert!(batch.len() == 1 || batch.iter().map(|(_, lines)| lines).sum::<usize>() <= LINES);
        }
    }
}
