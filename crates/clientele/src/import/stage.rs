//! The first pass: reads the whole file, refuses what is wrong, and sorts the rows into buckets by order, so that an
//! order's rows come together wherever in the file they stand, and no more than a bucket is ever in memory.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use clientele_kernel::Error;
use clientele_tabular::{Delimiter, Outcome, Record, Records, source};
use serde::{Deserialize, Serialize};

use super::document::assemble;
use super::mapping::Mapping;
use super::row::{Layout, Refusal, Row};

/// How many buckets: with a million rows each holds some sixteen thousand.
pub(crate) const BUCKETS: u64 = 64;
/// No file is unpacked to more than this: what is larger was made to fill disks.
const LARGEST: u64 = 1 << 40;
const ENDED: &str = "staged.json";

/// What the first pass found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Staged {
    /// Rows in the file, without the header.
    pub(crate) rows: u64,
    /// Rows refused, by themselves or with the order they belong to.
    pub(crate) refused: u64,
    /// Customers by their number: the country, as first seen.
    pub(crate) customers: BTreeMap<String, Found>,
    /// Products by SKU: the name, as first seen on a sale, else anywhere.
    pub(crate) products: BTreeMap<String, Found>,
    /// Orders of which some row is refused, and that are refused whole: the line of the first such row.
    pub(crate) broken: BTreeMap<String, u64>,
    /// How long the file of refusals is when all is read; what comes after is what a server refuses.
    pub(crate) refusals: u64,
}

/// What rows tell of a customer or a product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// The first line it stands in.
    pub(crate) line: u64,
    /// Its country or name; empty where no row tells.
    pub(crate) text: String,
}

/// Reads the file into `folder`, or gives what an earlier run has read there. `tell` is told the bytes read so far.
pub(crate) fn stage(file: &Path, mapping: &Mapping, folder: &Path, tell: &dyn Fn(u64)) -> Result<Staged, Error> {
    if let Ok(text) = fs::read(folder.join(ENDED)) {
        return serde_json::from_slice(&text).map_err(Error::internal);
    }
    let staged = read(file, mapping, folder, tell)?;
    let draft = folder.join("staged.draft");
    let text = serde_json::to_vec(&staged).map_err(Error::internal)?;
    fs::write(&draft, text).and_then(|()| fs::rename(&draft, folder.join(ENDED))).map_err(|e| unusable(folder, e))?;
    Ok(staged)
}

/// The rows of a bucket, by order, in the order of the file.
pub(crate) fn bucket(folder: &Path, number: u64) -> Result<Vec<(String, Vec<Row>)>, Error> {
    let path = bucket_path(folder, number);
    let file = File::open(&path).map_err(|e| unusable(&path, e))?;
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut orders: Vec<(String, Vec<Row>)> = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|e| unusable(&path, e))?;
        let row: Row = serde_json::from_str(&line).map_err(Error::internal)?;
        let place = *places.entry(row.order.clone()).or_insert_with(|| {
            orders.push((row.order.clone(), Vec::new()));
            orders.len() - 1
        });
        orders[place].1.push(row);
    }
    Ok(orders)
}

/// Where refused rows are written, one JSON object a line.
pub(crate) fn refusals_path(folder: &Path) -> PathBuf {
    folder.join("refused.jsonl")
}

fn bucket_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("bucket-{number:02}.jsonl"))
}

fn read(file: &Path, mapping: &Mapping, folder: &Path, tell: &dyn Fn(u64)) -> Result<Staged, Error> {
    let create = |path: PathBuf| File::create(&path).map(BufWriter::new).map_err(|e| unusable(&path, e));
    let mut buckets = (0..BUCKETS).map(|n| create(bucket_path(folder, n))).collect::<Result<Vec<_>, _>>()?;
    let mut refusals = create(refusals_path(folder))?;

    let mut records = Records::new(open(file, mapping)?, Delimiter::Byte(mapping.delimiter));
    let mut header = Record::default();
    next(&mut records, &mut header, file)?;
    let layout = Layout::find(&header, mapping).map_err(|missing| {
        let found: Vec<_> =
            header.iter().take(50).map(|h| format!("`{}`", clientele_kernel::error::shorten(h))).collect();
        Error::invalid("file", format!("has no column {}: its header is {}", missing.join(", "), found.join(", ")))
    })?;

    let mut staged = Staged::default();
    let mut record = Record::default();
    while next(&mut records, &mut record, file)? {
        staged.rows += 1;
        if staged.rows % 1000 == 0 {
            tell(records.offset());
        }
        let read = if record.len() == header.len() {
            layout.read(&record, mapping)
        } else {
            let reason = format!("has {} fields where the header has {}", record.len(), header.len());
            Err(Refusal { line: record.line(), field: String::new(), value: String::new(), reason })
        };
        match read {
            Ok(row) => {
                let bucket = clientele_kernel::paging::fingerprint(&[&row.order]) % BUCKETS;
                let place = usize::try_from(bucket).map_err(Error::internal)?;
                write_line(&mut buckets[place], &row).map_err(|e| unusable(folder, e))?;
            }
            Err(refusal) => {
                staged.refused += 1;
                let order = layout.order(&record);
                if !order.is_empty() {
                    staged.broken.entry(order.to_owned()).or_insert(refusal.line);
                }
                write_line(&mut refusals, &refusal).map_err(|e| unusable(folder, e))?;
            }
        }
    }
    for writer in buckets.iter_mut().chain([&mut refusals]) {
        writer.flush().map_err(|e| unusable(folder, e))?;
    }
    staged.refusals = fs::metadata(refusals_path(folder)).map_err(|e| unusable(folder, e))?.len();
    let mut known = Known::default();
    for number in 0..BUCKETS {
        let orders = bucket(folder, number)?;
        // A customer of a refused order alone is not brought in: nothing half-written.
        orders
            .iter()
            .filter(|(order, rows)| !staged.broken.contains_key(order) && is_importable(order, rows, mapping))
            .flat_map(|(_, rows)| rows)
            .for_each(|row| known.note(row));
    }
    staged.customers = known.customers.into_iter().map(|(number, (_, country))| (number, country)).collect();
    staged.products = known.products.into_iter().map(|(sku, (_, name))| (sku, name)).collect();
    Ok(staged)
}

/// Whether an order would be taken if its customer is.
fn is_importable(order: &str, rows: &[Row], mapping: &Mapping) -> bool {
    assemble(order, rows, mapping, |_| Some(String::new())).is_ok()
}

/// What rows tell of customers and products. Whichever way the rows come, the one that counts is the same.
#[derive(Default)]
struct Known {
    /// The country of the first row that names one.
    customers: BTreeMap<String, (u64, Found)>,
    /// The name of the first sale that has one, else of the first row that has one.
    products: BTreeMap<String, ((bool, u64), Found)>,
}

impl Known {
    fn note(&mut self, row: &Row) {
        const NONE: u64 = u64::MAX;
        let found = || Found { line: row.line, text: String::new() };
        if !row.customer.is_empty() {
            let (rank, country) = self.customers.entry(row.customer.clone()).or_insert_with(|| (NONE, found()));
            country.line = country.line.min(row.line);
            if !row.country.is_empty() && row.line < *rank {
                *rank = row.line;
                country.text.clone_from(&row.country);
            }
        }
        let (rank, name) = self.products.entry(row.sku.clone()).or_insert_with(|| ((true, NONE), found()));
        name.line = name.line.min(row.line);
        let own = (!row.is_sale(), row.line);
        if !row.name.is_empty() && own < *rank {
            *rank = own;
            name.text.clone_from(&row.name);
        }
    }
}

pub(crate) fn write_line(writer: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *writer, value)?;
    writer.write_all(b"\n")
}

/// The text of the file as UTF-8, unpacked where it is packed by gzip. Bytes that are no text of its encoding show as
/// U+FFFD, which is refused with the row it stands in.
fn open(file: &Path, mapping: &Mapping) -> Result<Box<dyn Read>, Error> {
    let opened =
        File::open(file).map_err(|e| Error::invalid("file", format!("{} cannot be read: {e}", file.display())))?;
    let bytes = source::unpack(opened, LARGEST).map_err(|e| unreadable(file, &e))?;
    Ok(source::decode(bytes, mapping.encoding))
}

/// The next row; false at the end. A line that cannot be parted into columns ends the import: what it holds of an order
/// that has other rows too is not known.
fn next(records: &mut Records<Box<dyn Read>>, record: &mut Record, file: &Path) -> Result<bool, Error> {
    match records.read(record).map_err(|e| unreadable(file, &e))? {
        Outcome::Row => Ok(true),
        Outcome::End => Ok(false),
        Outcome::Broken(trouble) => Err(unreadable(file, &format!("line {}: {}", record.line(), trouble.describe()))),
    }
}

fn unreadable(file: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::invalid("file", format!("{} cannot be read as a file of rows: {error}", file.display()))
}

pub(crate) fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("cannot use {}: {error}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

    fn staged(rows: &str) -> Result<Staged, Error> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows.csv");
        fs::write(&file, format!("{HEADER}{rows}")).unwrap();
        stage(&file, &Mapping::open("online-retail").unwrap(), folder.path(), &|_| {})
    }

    fn row(order: &str, name: &str, customer: &str, country: &str) -> String {
        format!("{order},MUG,{name},6,2011-07-01 08:26:00,2.55,{customer},{country}\n")
    }

    #[test]
    fn a_quote_that_nothing_closes_ends_reading_and_a_long_file_does_not() {
        let rows = row("1", "Mug", "7", "Spain").repeat(40_000);
        assert_eq!(staged(&rows).unwrap().rows, u64::try_from(rows.lines().count()).unwrap());
        let error = staged(&format!("1,MUG,\"Mug,6\n{rows}")).unwrap_err();
        assert!(error.to_string().contains("a quote is not closed"), "{error}");
    }

    #[test]
    fn customers_and_products_keep_the_first_line_they_stand_in_and_the_first_text() {
        let rows = [row("1", "", "7", ""), row("2", "Mug", "7", "Spain"), row("1", "Cup", "7", "France")].concat();
        let staged = staged(&rows).unwrap();
        assert_eq!(staged.customers["7"], Found { line: 2, text: "Spain".into() });
        assert_eq!(staged.products["MUG"], Found { line: 2, text: "Mug".into() });
    }
    #[test]
    fn a_customer_of_refused_orders_alone_is_not_brought_in() {
        let two_customers = [row("1", "Mug", "7", "Spain"), row("1", "Mug", "8", "Spain")].concat();
        let staged = staged(&[two_customers, row("2", "Mug", "8", "Spain")].concat()).unwrap();
        assert_eq!(staged.customers.keys().collect::<Vec<_>>(), ["8"]);
    }
}
