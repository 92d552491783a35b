//! `clientele import`: brings a file of orders in, over the public API.
//!
//! - [`mapping`]: how the columns are read
//! - [`stage`], [`row`]: the first pass checks every row and sorts them by order
//! - [`document`]: an order's rows as the message that is sent
//! - [`send`]: customers, products, then orders and credit notes, in batches
//! - [`checkpoint`]: how far it has come

mod checkpoint;
mod document;
mod mapping;
mod row;
mod send;
mod stage;

use std::fs;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use clientele_embedded::DataDirLock;
use clientele_kernel::{Clock, Entropy, Error, SystemClock, SystemEntropy};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

use self::checkpoint::Checkpoint;
use self::mapping::Mapping;
use self::row::Refusal;
use crate::client::{Client, Connection};

/// What can be imported.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Orders, their customers and products from a CSV file with a row for each line of an order
    Orders(Arguments),
}

/// What `import orders` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file: CSV, plain or packed by gzip
    file: PathBuf,
    /// How its columns are read: a mapping file (TOML), or `online-retail`
    #[arg(long)]
    mapping: String,
    /// Write refused rows to this file (CSV: line, field, value, reason)
    #[arg(long)]
    refused: Option<PathBuf>,
    /// Where progress is kept, so that a run that was killed can go on [default: the user's cache folder]
    #[arg(long)]
    state: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

const SCOPES: [&str; 3] = ["customers.customer.import", "orders.order.import", "orders.product.write"];

/// Imports.
pub(crate) async fn run(what: What) -> Result<(), Error> {
    let What::Orders(arguments) = what;
    let mapping = Mapping::open(&arguments.mapping)?;
    let folder = arguments.state.clone().map_or_else(default_state, Ok)?.join(identity(&arguments, &mapping)?);
    // What is staged tells of customers: nobody else may read it.
    let mut private = fs::DirBuilder::new();
    private.recursive(true).mode(0o700).create(&folder).map_err(|e| stage::unusable(&folder, e))?;
    let lock = DataDirLock::acquire(&folder)
        .map_err(|e| Error::unavailable(format!("this import is running already: {e}")))?;

    let size = fs::metadata(&arguments.file).map_err(|e| stage::unusable(&arguments.file, e))?.len();
    let bar = bar("reading", size);
    // Of a packed file the bytes told are those unpacked: more than the bar holds, which then just shows that it moves.
    let staged = stage::stage(&arguments.file, &mapping, &folder, &|bytes| bar.set_position(bytes.min(size)))?;
    bar.finish_and_clear();

    let client = Client::connect(&arguments.connection, "import of orders", &SCOPES, "import", &SystemClock).await?;
    let mut checkpoint = Checkpoint::open(&folder, run_name())?;
    if checkpoint.resumed() {
        say(format_args!("going on where an earlier run ended"));
    }
    let outcome = send::send(&client, &mapping, &folder, &staged, &mut checkpoint).await;
    // The key goes whether or not the import came to its end.
    let closed = client.close().await;
    let report = outcome?;
    closed?;

    let refused = report_refusals(&folder, arguments.refused.as_deref())?;
    say(format_args!("rows: {} read, {refused} refused", staged.rows));
    for (name, tally) in report.parts() {
        say(format_args!(
            "{name}: {} created, {} updated, {} unchanged, {} refused",
            tally.created, tally.updated, tally.unchanged, tally.refused
        ));
    }
    drop(lock);
    checkpoint::clear(&folder)
}

/// Tells refused rows: all into the file asked for, else the first few to the terminal. Gives how many there are.
fn report_refusals(folder: &Path, target: Option<&Path>) -> Result<usize, Error> {
    const SHOWN: usize = 20;
    let mut refusals = send::refusals(folder)?;
    refusals.sort_by_key(|refusal| refusal.line);
    if let Some(path) = target {
        write_refusals(path, &refusals).map_err(|e| stage::unusable(path, e.into()))?;
        return Ok(refusals.len());
    }
    for r in refusals.iter().take(SHOWN) {
        say(format_args!("line {}: {} `{}` {}", r.line, r.field, r.value, r.reason));
    }
    if refusals.len() > SHOWN {
        say(format_args!("and {} more: --refused FILE writes all of them", refusals.len() - SHOWN));
    }
    Ok(refusals.len())
}

fn write_refusals(path: &Path, refusals: &[Refusal]) -> csv::Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record(["line", "field", "value", "reason"])?;
    for r in refusals {
        writer.write_record([r.line.to_string().as_str(), &r.field, &r.value, &r.reason])?;
    }
    writer.flush()?;
    Ok(())
}

/// Names an import by what it brings where: the same file with the same mapping to the same server goes on where it was.
fn identity(arguments: &Arguments, mapping: &Mapping) -> Result<String, Error> {
    let mut hash = Sha256::new();
    let mut file = fs::File::open(&arguments.file)
        .map_err(|e| Error::invalid("file", format!("{} cannot be read: {e}", arguments.file.display())))?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = std::io::Read::read(&mut file, &mut buffer).map_err(|e| stage::unusable(&arguments.file, e))?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
    }
    // Another version may read the same rows another way, and keep what it has read in another form.
    hash.update(env!("CARGO_PKG_VERSION"));
    hash.update(mapping.text.as_bytes());
    hash.update(arguments.connection.address().as_bytes());
    Ok(hex::encode(&hash.finalize()[..16]))
}

fn run_name() -> String {
    let mut random = [0; 8];
    SystemEntropy.fill(&mut random);
    format!("import-{}-{}", SystemClock.now().timestamp(), hex::encode(random))
}

fn default_state() -> Result<PathBuf, Error> {
    let from = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    from("XDG_CACHE_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .map(|folder| folder.join("clientele/import"))
        .ok_or_else(|| Error::invalid("state", "neither XDG_CACHE_HOME nor HOME is set: choose a folder with --state"))
}

/// A bar on the terminal; silent where there is none.
pub(crate) fn bar(what: &'static str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>12} {bar:40} {percent:>3} %  {per_sec}  {eta} left");
    let bar = ProgressBar::new(length).with_message(what);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

#[expect(clippy::print_stdout, reason = "a command speaks to its terminal")]
fn say(text: std::fmt::Arguments<'_>) {
    println!("{text}");
    let _ = std::io::stdout().flush();
}
