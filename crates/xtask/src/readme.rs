//! The commands of the README, run as a newcomer would run them: `cargo xtask up`, then from beside it an import, the
//! verification and the configuration; then Ctrl-C. What the README shows and this does not run is an error.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clientele_embedded::scratch_dir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::{command, workspace};

/// The commands of the README that are run here, and those that the other steps of `cargo xtask test` are.
const RUN: [&str; 9] = [
    "cargo xtask up",
    "cargo xtask up -- --data-dir DIR --listen 127.0.0.1:9000",
    "target/debug/clientele import orders FILE.csv.gz --mapping online-retail",
    "target/debug/clientele verify",
    "target/debug/clientele config",
    "cargo xtask test",
    "cargo xtask test --only STEP",
    "cargo xtask sql",
    "cargo xtask web",
];
/// What the README says of a command that stays, of one for which this machine would need servers of its own, or of one that
/// the system tests run.
const OF_OTHERS: [&str; 7] = [
    "cargo xtask sql --serve",
    "cargo xtask up -- --demo",
    "clientele migrate",
    "clientele doctor",
    "clientele backup DIR",
    "clientele restore DIR --data-dir NEW",
    "cargo xtask faults",
];

const INVOICES: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
1,MUG,MUG,2,2011-01-04 10:00:00,2.55,7.0,Spain
1,MUG,MUG,2,2011-01-04 10:00:00,2.55,7.0,Spain
C2,MUG,MUG,-1,2011-02-04 10:00:00,2.55,7.0,Spain
";
const START: Duration = Duration::from_mins(10);
const END: Duration = Duration::from_secs(40);

/// Runs them.
pub(crate) async fn run() -> anyhow::Result<()> {
    every_command_is_known()?;
    let scratch = scratch_dir()?;
    let file = scratch.path().join("invoices.csv");
    fs::write(&file, INVOICES)?;

    // By its path: the program that runs this may have been built anew meanwhile.
    let mut up = Command::new(workspace::target().join("debug/xtask"))
        .args(["up", "--", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(scratch.path().join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let outcome = tokio::time::timeout(START, as_a_newcomer(&mut up, &file, scratch.path())).await;
    outcome.context("the product did not start in time")??;

    let pid = up.id().context("the product ended by itself")?;
    command::show(command::program("kill", &workspace::root()).args(["-INT", &pid.to_string()])).await?;
    let ended = tokio::time::timeout(END, up.wait()).await.context("Ctrl-C did not stop it in time")??;
    ensure!(ended.success(), "after Ctrl-C it ended with {ended}");
    Ok(())
}

async fn as_a_newcomer(up: &mut Child, file: &std::path::Path, scratch: &std::path::Path) -> anyhow::Result<()> {
    let output = up.stdout.take().context("its output is piped")?;
    let mut lines = BufReader::new(output).lines();
    let (mut address, mut password) = (None, None);
    while address.is_none() {
        let line = lines.next_line().await?.context("it ended before it listened")?;
        if let Some(rest) = line.strip_prefix("listening on ") {
            address = Some(rest.trim().to_owned());
        }
        if let Some((_, rest)) = line.split_once(" password: ") {
            password = rest.split(' ').next().map(str::to_owned);
            println!("{}", line.split(" password: ").next().unwrap_or_default());
        } else {
            println!("{line}");
        }
    }
    // Whoever stops reading would stop it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let (address, password) = (address.unwrap_or_default(), password.context("no password was told")?);

    let page = get(&address).await?;
    ensure!(page.contains("<div id=\"root\""), "the first page is not the web client:\n{page}");

    let program = workspace::target().join("debug/clientele");
    let state = scratch.join("state");
    let mut import = command::program(&program, &workspace::root());
    import
        .args(["import", "orders", "--mapping", "online-retail", "--server", &address, "--state"])
        .arg(state)
        .arg(file);
    let told = command::read(import.env("CLIENTELE_PASSWORD", &password)).await?;
    ensure!(told.contains("orders: 1 created") && told.contains("credit notes: 1 created"), "the import says:\n{told}");
    let mut verify = command::program(&program, &workspace::root());
    let told =
        command::read(verify.args(["verify", "--server", &address]).env("CLIENTELE_PASSWORD", &password)).await?;
    ensure!(told.contains("everything agrees"), "the verification says:\n{told}");
    let told = command::read(command::program(&program, &workspace::root()).arg("config")).await?;
    ensure!(told.contains("[server]") && told.contains("[gateway]"), "the configuration is:\n{told}");
    Ok(())
}

/// The first page, over a plain connection: nothing of the product stands between.
async fn get(address: &str) -> anyhow::Result<String> {
    let authority = address.strip_prefix("http://").context("the address is not one of http")?;
    let mut stream = TcpStream::connect(authority).await?;
    let request = format!("GET / HTTP/1.1\r\nhost: {authority}\r\naccept: text/html\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Every command that the README shows is run by a step, here or beside.
fn every_command_is_known() -> anyhow::Result<()> {
    let text = fs::read_to_string(workspace::root().join("README.md"))?;
    let starts = |line: &&str, with: &[&str]| with.iter().any(|start| line.starts_with(start));
    let blocks = text.lines().filter_map(|line| line.strip_prefix("    ")).map(str::trim);
    let blocks = blocks.filter(|line| starts(line, &["cargo ", "target/debug/"]));
    let quoted = text.split('`').skip(1).step_by(2);
    let quoted = quoted.filter(|line| starts(line, &["cargo ", "target/debug/", "clientele "]));
    let known = |line: &&str| RUN.contains(line) || OF_OTHERS.contains(line);
    let unknown: Vec<&str> = blocks.chain(quoted).filter(|line| !known(line)).collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        bail!("the README shows commands that nothing runs: {}", unknown.join(", "))
    }
}
