//! The REST API held to its OpenAPI document by schemathesis: by whoever may do everything, by whoever may do little, and
//! by whoever has proved nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clientele_contracts::access;
use clientele_embedded::{cache_dir, ensure_python_packages};

use super::chance::Chance;
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
/// Of a thousand answers, at most so many may say so: a house that is busy has not been tried. Guesses at passwords and
/// many uploads at once are held back for good reason.
const BUSY: [(u16, u64); 2] = [(503, 5), (429, 20)];
/// What follows from the document alone is more than this many requests for each operation, seventy on average.
const COVERED: usize = 20;

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
    // What follows from the document alone, however few examples are drawn, takes a minute: half of it where time is dear,
    // another half for another seed.
    let mut chance = Chance::new(seed);
    let every = operations(&client).await;
    let chosen: Vec<_> = every.iter().filter(|_| rounds.is_some() || chance.one_in(2)).cloned().collect();
    let (covered, (all, few, none)) = tokio::join!(
        hold(&house, program.key(), &spared, Ask { phase: "coverage", operations: &chosen, examples, seed }),
        async {
            let ask = |examples| Ask { phase: "fuzzing", operations: &every, examples, seed };
            let all = hold(&house, program.key(), &spared, ask(examples)).await;
            let few = hold(&house, visitor.key(), &spared, ask(examples.div_ceil(3))).await;
            let none = hold(&house, None, &spared, ask(examples.div_ceil(3))).await;
            (all, few, none)
        },
    );
    println!("answers: {covered:?} and {all:?} with all rights, {few:?} with few, {none:?} with none");
    let (asked, wanted) = (covered.total(), u64::try_from(chosen.len() * COVERED).expect("it is small"));
    assert!(
        asked > wanted,
        "what follows from the document was not asked: {asked} requests, more than {wanted} are wanted"
    );
    for (answers, most_let_in) in [(&covered, 1000), (&all, 1000), (&few, 500), (&none, 300)] {
        for (status, most) in BUSY {
            let busy = answers.of(&[status]);
            assert!(busy * 1000 <= answers.total() * most, "{busy} of {answers:?} are {status}");
        }
        let let_in = answers.total() - answers.of(&[401, 403]);
        assert!(let_in * 1000 <= answers.total() * most_let_in, "{let_in} of {answers:?} were let in");
    }
    let taken = all.of(&[200]);
    assert!(taken * 10 > all.total(), "{taken} of {all:?} were taken: the others tried the first check alone");

    let listed = program.get("/v1/users").await.ok();
    assert!(
        !listed["users"].as_array().expect("it is a list").is_empty(),
        "the program has lost its rights on the way"
    );
    nothing_is_half_written(&house, &client).await;
}

/// The operations of the document that come to an end.
async fn operations(client: &Client) -> Vec<String> {
    let document = client.get("/v1/openapi.json").await.ok();
    let paths = document["paths"].as_object().expect("the document has paths");
    let methods = paths.values().flat_map(|path| path.as_object().expect("a path has methods").values());
    let ids = methods.filter_map(|method| method["operationId"].as_str());
    let found: Vec<_> = ids.filter(|id| !ENDLESS.contains(id)).map(str::to_owned).collect();
    assert!(found.len() > 100, "the document has lost operations: {found:?}");
    found
}

/// What has to stay as it is for anybody to get in afterwards.
async fn spared(client: &Client) -> BTreeSet<String> {
    let user = client.get("/v1/session").await.ok()["userId"].clone();
    let groups = client.all("/v1/groups", "groups").await.into_iter().map(|group| group["id"].clone());
    let keys = client.all("/v1/apiKeys", "apiKeys").await.into_iter().map(|key| key["id"].clone());
    let ids = std::iter::once(user).chain(groups).chain(keys);
    ids.map(|id| id.as_str().expect("everything has an id").to_owned()).collect()
}

/// How many answers had which status.
#[derive(Debug)]
struct Answers(BTreeMap<u16, u64>);

impl Answers {
    /// From the file that `hooks.py` leaves.
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("schemathesis leaves what it was answered");
        let counted: BTreeMap<String, u64> = serde_json::from_str(&text).expect("it is counts by status");
        Self(counted.into_iter().map(|(status, count)| (status.parse().expect("it is a status"), count)).collect())
    }

    fn total(&self) -> u64 {
        self.0.values().sum()
    }

    fn of(&self, statuses: &[u16]) -> u64 {
        statuses.iter().filter_map(|status| self.0.get(status)).sum()
    }
}

/// What schemathesis is to ask.
struct Ask<'a> {
    phase: &'static str,
    operations: &'a [String],
    /// So many requests for each operation, where they are drawn.
    examples: u64,
    seed: u64,
}

/// Has schemathesis ask, and fails where it finds anything.
async fn hold(house: &House, key: Option<&str>, spared: &BTreeSet<String>, ask: Ask<'_>) -> Answers {
    let Ask { phase, operations, examples, seed } = ask;
    let packages = ensure_python_packages(&cache_dir(), "schemathesis", REQUIREMENTS).await;
    let packages = packages.expect("Python and schemathesis are there or can be installed");
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    std::fs::write(folder.path().join("hooks.py"), HOOKS).expect("a file can be written");
    let mut command = packages.python();
    command.current_dir(folder.path());
    let counted = folder.path().join("answers.json");
    command
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("ANSWERS", &counted)
        .env("SPARED", spared.iter().cloned().collect::<Vec<_>>().join(" "));
    command.args(["-m", "schemathesis.cli", "run", &format!("{}/v1/openapi.json", house.base)]);
    command.args(["--phases", phase, "--max-examples", &examples.to_string(), "--seed", &seed.to_string()]);
    command.args(["--exclude-checks", LEFT_OUT, "--continue-on-failure", "--no-color", "--no-shrink"]);
    command.args(["--suppress-health-check", "all", "--generation-database", "none", "--warnings", "off"]);
    // Several at once make Python's own parser fail.
    command.args(["--workers", "1", "--request-timeout", "30"]);
    for operation in operations {
        command.args(["--include-operation-id", operation]);
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
    Answers::read(&counted)
}
