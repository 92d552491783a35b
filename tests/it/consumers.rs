//! What the guide for other teams' services shows (`crates/contracts/GUIDE.md`), run as it stands there: from Rust, and from
//! Python with a client generated from the descriptors that a running house publishes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use clientele_contracts::access::POOL;
use clientele_embedded::{PythonPackages, cache_dir, ensure_python_packages};
use serde_json::{Value, json};

use crate::house::{Form, House, Options, built};
use crate::rest::Client;
use crate::shop::{customer, customers};

/// What the Python example needs: the packages the guide names, with what they need.
const PACKAGES: &str = "\
googleapis-common-protos==1.76.0
grpcio==1.85.1
grpcio-status==1.85.1
grpcio-tools==1.85.1
protobuf==7.36.2
typing_extensions==4.16.0
";

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_guide_keep_up_with_a_running_house() {
    let mut house = House::start(Form::Apart).await;
    let client = house.administrator().await;
    let scopes = ["customers.customer.read", "customers.customer.write", "customers.feed.read"];
    let program = client.program(&scopes).await;
    let key = program.key().expect("a program has a key").to_owned();
    let ids = customers(&client, (0..40).map(|n| format!("Known Before {n}"))).await;

    let python = generated(&client, house.folder()).await;
    let (rust_file, python_file) = (house.folder().join("rust.json"), house.folder().join("python.json"));
    let rust = |house: &House, more: &[&str]| {
        let mut command = tokio::process::Command::new(built("examples/directory"));
        command.env("IDENTITY", house.address("identity")).env("CUSTOMERS", house.address("customers"));
        command.env("API_KEY", &key).arg("--file").arg(&rust_file).args(more);
        command
    };
    let snake = |house: &House, more: &[&str]| {
        let script = examples().join("python/directory.py");
        let mut command = tokio::process::Command::from(python.packages.python());
        let search = format!("{}:{}", python.generated.display(), python.packages.folder().display());
        let plain = |service: &str| house.address(service).replace("http://", "");
        command.env("PYTHONPATH", search).env("IDENTITY", plain("identity")).env("CUSTOMERS", plain("customers"));
        command.env("API_KEY", &key).arg(script).arg("--file").arg(&python_file).args(more);
        command
    };

    // A change that is sent twice under one key is made once, in whichever language.
    let register = ["--register", "From Another System", "--request-id", "record-17"];
    let first = told(rust(&house, &register)).await;
    assert_eq!(first["names"], ids.len() + 1);
    let second = told(snake(&house, &register)).await;
    assert_eq!(second, first, "the same request id in another language");
    let shown = client.get(&format!("/v1/customers/{}", text(&first["registered"]))).await.ok();
    assert_eq!(shown["displayName"], "From Another System");

    // The file goes on where it was: what has changed since is there, what has not is not read again.
    let path = format!("/v1/customers/{}", ids[0]);
    let etag = client.get(&path).await.ok()["etag"].clone();
    let renamed = json!({"displayName": "Renamed Since", "etag": etag});
    client.patch(&format!("{path}?updateMask=displayName"), &renamed).await.ok();
    customer(&client, "New Since").await;
    for (command, file) in [(rust(&house, &[]), &rust_file), (snake(&house, &[]), &python_file)] {
        assert_eq!(told(command).await, json!({"registered": null, "names": ids.len() + 2}));
        let kept: Value = serde_json::from_slice(&std::fs::read(file).expect("the file is there")).expect("it is JSON");
        assert_eq!(kept["names"][&ids[0]], "Renamed Since");
        let events: i64 = kept["positions"].as_object().expect("positions").values().filter_map(Value::as_i64).sum();
        assert!(events >= 43, "42 customers and a change make more events than {events}");
    }

    // While a service is away its calls are repeated; it comes back before they give up.
    house.kill9("customers");
    let waiting = [tokio::spawn(told(rust(&house, &[]))), tokio::spawn(told(snake(&house, &[])))];
    house.start_service("customers").await;
    for outcome in waiting {
        assert_eq!(outcome.await.expect("nobody panics")["names"], ids.len() + 2);
    }

    // What will not get better is not repeated, and is said.
    let mut refused = snake(&house, &register[..2]);
    refused.args(["--request-id", &"x".repeat(200)]);
    let ended = refused.output().await.expect("Python runs");
    assert!(!ended.status.success());
    assert!(String::from_utf8_lossy(&ended.stderr).contains("INVALID_ARGUMENT"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_in_one_process_serves_the_grpc_of_its_services_to_whoever_asks_for_it() {
    let house = House::start_with(Form::OneProcess, Options { grpc: true, ..Options::default() }).await;
    let client = house.administrator().await;
    let program = client.program(&["customers.customer.read", "customers.feed.read"]).await;
    customers(&client, (0..3).map(|n| format!("Known Before {n}"))).await;
    let mut command = tokio::process::Command::new(built("examples/directory"));
    command.env("IDENTITY", house.address("identity")).env("CUSTOMERS", house.address("customers"));
    command.env("API_KEY", program.key().expect("a program has a key"));
    command.arg("--file").arg(house.folder().join("names.json"));
    assert_eq!(told(command).await["names"], 3);
}

#[test]
fn the_guide_names_only_methods_fields_and_options_that_exist() {
    let guide = std::fs::read_to_string(examples().join("../GUIDE.md")).expect("the guide is there");
    let named = |word: &str| {
        POOL.services().any(|service| service.name() == word || service.methods().any(|method| method.name() == word))
    };
    for word in ["BatchGetCustomers", "BatchGetOrders", "BatchGetUsers", "BatchGetCustomerMetrics", "Tokens", "Feed"] {
        assert!(guide.contains(word) && named(word), "{word} is told of and does not exist, or the other way round");
    }
    for context in clientele_contracts::CONTEXTS {
        let defaults = clientele_platform::config::DEFAULT;
        let port = defaults
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{context} = \"http://127.0.0.1:")))
            .unwrap_or_else(|| panic!("{context} has an address by default"))
            .trim_end_matches('"');
        assert!(guide.contains(&format!("| `{context}` | {port} |")), "the guide has another port for {context}");
    }
}

struct Generated {
    packages: PythonPackages,
    generated: PathBuf,
}

/// A client for Python, generated as the guide says from what the house publishes.
async fn generated(client: &Client, folder: &Path) -> Generated {
    let descriptors = folder.join("clientele.binpb");
    let published = client.get("/v1/descriptors.binpb").await;
    assert_eq!(published.status, 200);
    std::fs::write(&descriptors, &published.body).expect("the folder is writable");
    let packages = ensure_python_packages(&cache_dir(), "grpc", PACKAGES).await.expect("Python and its packages");
    let generated = folder.join("generated");
    std::fs::create_dir(&generated).expect("the folder is writable");
    let mut protoc = packages.python();
    protoc.args(["-m", "grpc_tools.protoc"]).arg(format!("--descriptor_set_in={}", descriptors.display()));
    protoc.arg(format!("--python_out={}", generated.display()));
    protoc.arg(format!("--grpc_python_out={}", generated.display()));
    protoc.args(files(&packages, folder).await);
    let ended = tokio::process::Command::from(protoc).output().await.expect("Python runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    Generated { packages, generated }
}

/// The files to generate from, as the program in the guide tells them.
async fn files(packages: &PythonPackages, folder: &Path) -> Vec<String> {
    let guide = std::fs::read_to_string(examples().join("../GUIDE.md")).expect("the guide is there");
    let (_, rest) = guide.split_once("    cat > files.py <<'END'\n").expect("the guide has a program for that");
    let (program, _) = rest.split_once("    END\n").expect("the program has an end");
    let program: Vec<_> = program.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    let mut python = packages.python();
    python.current_dir(folder).arg("-c").arg(program.join("\n"));
    let ended = tokio::process::Command::from(python).output().await.expect("Python runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let files: Vec<_> = String::from_utf8_lossy(&ended.stdout).split_whitespace().map(str::to_owned).collect();
    assert!(files.len() > 40 && files.iter().all(|file| file.starts_with("clientele/")), "{files:?}");
    files
}

/// What an example has printed.
async fn told(mut command: tokio::process::Command) -> Value {
    let ended = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("the example can be started");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).expect("an example prints JSON")
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/contracts/examples")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is text")
}
