//! The REST API held to its OpenAPI document by schemathesis: by whoever may do everything, by whoever may do little, and
//! by whoever has proved nothing.

use std::collections::BTreeSet;

use clientele_contracts::access;
use clientele_embedded::{cache_dir, ensure_python_packages};

use super::{from_environment, nothing_is_half_written, seed};
use crate::house::{Form, House, Options};
use crate::rest::Client;

const REQUIREMENTS: &str = include_str!("requirements.txt");
const HOOKS: &str = include_str!("hooks.py");

/// Requests for each operation where nothing else is said, by whoever may do everything.
const EXAMPLES: u64 = 6;
/// Streams that go on for ever: `both::live` and `both::widget` read them.
const ENDLESS: [&str; 2] = ["Streams_Listen", "VisitorStreams_ListenAsVisitor"];
/// The document tells types and not each rule, so that what it allows may still be refused. Faults are told apart by a
/// check of our own.
const LEFT_OUT: &str = "positive_data_acceptance,not_a_server_error";
/// Nobody is turned away for asking often.
const MUCH: &str = "1000000";

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_outside_the_document_and_nothing_the_document_forbids_is_taken() {
    let seed = seed();
    let rounds = from_environment("CLIENTELE_FUZZ_ROUNDS");
    println!("CLIENTELE_FUZZ_SEED={seed} CLIENTELE_FUZZ_ROUNDS={}", rounds.unwrap_or(EXAMPLES));
    let rates = ["principal_rate", "principal_burst", "address_rate", "address_burst", "visit_rate", "visit_burst"];
    let settings = rates.map(|rate| ("gateway", rate, MUCH.to_owned())).to_vec();
    let house = House::start_with(Form::OneProcess, Options { settings, ..Options::default() }).await;
    let client = house.administrator().await;
    let program = client.program(&access::permissions().into_keys().collect::<Vec<_>>()).await;
    let visitor = client.program(&["customers.customer.read"]).await;
    let spared = spared(&client).await;

    let examples = rounds.unwrap_or(EXAMPLES);
    // What follows from the document alone takes a minute, however few examples are drawn.
    let phases = if rounds.is_some() { "coverage,fuzzing" } else { "fuzzing" };
    hold(&house, program.key(), &spared, phases, examples, seed).await;
    hold(&house, visitor.key(), &spared, "fuzzing", examples.div_ceil(3), seed).await;
    hold(&house, None, &spared, "fuzzing", examples.div_ceil(3), seed).await;

    let listed = program.get("/v1/users").await.ok();
    assert!(
        !listed["users"].as_array().expect("it is a list").is_empty(),
        "the program has lost its rights on the way"
    );
    nothing_is_half_written(&house, &client).await;
}

/// What has to stay as it is for anybody to get in afterwards.
async fn spared(client: &Client) -> BTreeSet<String> {
    let user = client.get("/v1/session").await.ok()["userId"].clone();
    let groups = client.all("/v1/groups", "groups").await.into_iter().map(|group| group["id"].clone());
    let keys = client.all("/v1/apiKeys", "apiKeys").await.into_iter().map(|key| key["id"].clone());
    let ids = std::iter::once(user).chain(groups).chain(keys);
    ids.map(|id| id.as_str().expect("everything has an id").to_owned()).collect()
}

async fn hold(house: &House, key: Option<&str>, spared: &BTreeSet<String>, phases: &str, examples: u64, seed: u64) {
    let packages = ensure_python_packages(&cache_dir(), "schemathesis", REQUIREMENTS).await;
    let packages = packages.expect("Python and schemathesis are there or can be installed");
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    std::fs::write(folder.path().join("hooks.py"), HOOKS).expect("a file can be written");
    let mut command = packages.python();
    command.current_dir(folder.path());
    command.env("SCHEMATHESIS_HOOKS", "hooks").env("SPARED", spared.iter().cloned().collect::<Vec<_>>().join(" "));
    command.args(["-m", "schemathesis.cli", "run", &format!("{}/v1/openapi.json", house.base)]);
    command.args(["--phases", phases, "--max-examples", &examples.to_string(), "--seed", &seed.to_string()]);
    command.args(["--exclude-checks", LEFT_OUT, "--continue-on-failure", "--no-color", "--no-shrink"]);
    command.args(["--suppress-health-check", "all", "--generation-database", "none", "--warnings", "off"]);
    // Several at once make Python's own parser fail.
    command.args(["--workers", "1", "--request-timeout", "30"]);
    for operation in ENDLESS {
        command.args(["--exclude-operation-id", operation]);
    }
    if let Some(key) = key {
        command.args(["--header", &format!("Authorization: Bearer {key}")]);
    }
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.expect("Python can be run");
    let told = String::from_utf8_lossy(&output.stdout).replace(key.unwrap_or("no key"), "…");
    let start: String = told.chars().take(20_000).collect();
    let end: Vec<_> = told.lines().rev().take(30).collect();
    let end: Vec<_> = end.into_iter().rev().collect();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "seed {seed}: {start}\n[…]\n{}\n{complaint}", end.join("\n"));
    println!("{}", end.join("\n"));
}
